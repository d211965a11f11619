import asyncio
import json
import shutil

import numpy as np
import pytest

from pbrlsvr.errors import ConfigError, ModelError
from pbrlsvr.scorers.embedding import Embedder, EmbeddingOptions, card_prompt, embedder, split_to_fit

TEXTS = ["Ana has 17 apples.", "She gives away 6, so 11 are left.", "আনা ৬টি আপেল দেয়।", "x"]


@pytest.fixture(scope="module")
def sentence_transformer(minilm):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(minilm, device="cpu")


def test_short_texts_get_the_vectors_of_sentence_transformers(minilm, sentence_transformer):
    ours = np.stack(Embedder(EmbeddingOptions(minilm)).encode(TEXTS))
    theirs = sentence_transformer.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_long_text_is_the_length_weighted_mean_of_its_pieces(minilm, sentence_transformer):
    long = " ".join(f"Step {i}: {i} plus {i} equals {2 * i}." for i in range(100))
    encoder = Embedder(EmbeddingOptions(minilm, max_tokens=64))
    pieces = split_to_fit(long, sentence_transformer.tokenizer, 62)  # 64 less [CLS] and [SEP]
    assert len(pieces) > 10
    vectors = sentence_transformer.encode([text for text, _ in pieces], normalize_embeddings=True)
    mean = (vectors * np.array([[tokens] for _, tokens in pieces])).sum(axis=0)
    np.testing.assert_allclose(encoder.encode([long])[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_the_end_of_a_long_text_counts(minilm):
    start = "Ana counts the apples in the cellar again and again. " * 60
    encoder = Embedder(EmbeddingOptions(minilm))
    a, b = encoder.encode([start + "There are 11.", start + "A whale sings in the deep sea. " * 40])
    assert float(a @ b) < 0.95  # truncation at 256 tokens would make them equal


@pytest.mark.parametrize(
    "text", ["One. Two? Three! " * 50, "第一步。第二步！第三步？" * 40, "নয়।" * 200, "word " * 300, "a" * 3000]
)
def test_pieces_join_to_the_text_and_fit(text, sentence_transformer):
    tokenizer = sentence_transformer.tokenizer
    pieces = split_to_fit(text, tokenizer, 30)
    assert "".join(piece for piece, _ in pieces) == text
    assert all(0 < tokens <= 30 for _, tokens in pieces)


def test_pieces_end_after_sentences_where_one_ends_in_reach(sentence_transformer):
    pieces = split_to_fit("Ana has six red apples. " * 40, sentence_transformer.tokenizer, 32)
    assert all(piece.rstrip().endswith(".") for piece, _ in pieces)


def test_a_known_model_gets_the_prompt_of_its_card(minilm, sentence_transformer, tmp_path):
    folder = tmp_path / "multilingual-e5-small"
    shutil.copytree(minilm, folder)
    ours = Embedder(EmbeddingOptions(str(folder))).encode(TEXTS)
    theirs = sentence_transformer.encode([f"query: {text}" for text in TEXTS], normalize_embeddings=True)
    np.testing.assert_allclose(np.stack(ours), theirs, atol=1e-6)


def test_a_models_own_default_prompt_is_used_and_an_empty_prompt_turns_it_off(minilm, sentence_transformer, tmp_path):
    folder = tmp_path / "own-prompt"
    shutil.copytree(minilm, folder)
    config = folder / "config_sentence_transformers.json"
    settings = {**json.loads(config.read_text()), "prompts": {"sim": "compare: "}, "default_prompt_name": "sim"}
    config.write_text(json.dumps(settings))
    with_prompt = Embedder(EmbeddingOptions(str(folder))).encode(TEXTS)
    without = Embedder(EmbeddingOptions(str(folder), prompt="")).encode(TEXTS)
    expected = sentence_transformer.encode([f"compare: {text}" for text in TEXTS], normalize_embeddings=True)
    np.testing.assert_allclose(np.stack(with_prompt), expected, atol=1e-6)
    np.testing.assert_allclose(
        np.stack(without), sentence_transformer.encode(TEXTS, normalize_embeddings=True), atol=1e-6
    )


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("intfloat/multilingual-e5-large", "query: "),
        ("/models/multilingual-e5-base/", "query: "),
        ("BAAI/bge-m3", None),
        ("sentence-transformers/LaBSE", None),
    ],
)
def test_card_prompts_go_by_the_last_part_of_the_name(model, prompt):
    assert card_prompt(model) == prompt


def test_one_embedder_serves_all_callers_with_the_same_options(minilm):
    assert embedder(EmbeddingOptions(minilm)) is embedder(EmbeddingOptions(minilm))
    assert embedder(EmbeddingOptions(minilm)) is not embedder(EmbeddingOptions(minilm, max_tokens=128))


def test_a_reference_is_encoded_once_for_all_its_rollouts(minilm):
    class Recording(Embedder):
        def encode(self, texts):
            encoded.extend(texts)
            return super().encode(texts)

    encoded: list[str] = []
    encoder = Recording(EmbeddingOptions(minilm))

    async def group():
        return await asyncio.gather(*(encoder.cosine(f"response {i}", "the reference") for i in range(8)))

    assert len(set(asyncio.run(group()))) > 1
    asyncio.run(group())  # a second event loop, as in a second step
    assert sorted(encoded) == sorted([f"response {i}" for i in range(8)] + ["the reference"])


def test_a_caller_that_leaves_does_not_take_the_others_with_it(minilm):
    encoder = Embedder(EmbeddingOptions(minilm))

    async def one_leaves():
        stays = asyncio.create_task(encoder.embed("shared"))
        leaves = asyncio.create_task(encoder.embed("shared"))
        await asyncio.sleep(0)
        leaves.cancel()
        return await stays

    assert np.isclose(np.linalg.norm(asyncio.run(one_leaves())), 1.0)


def test_a_model_that_is_not_there_is_named_with_the_mend(tmp_path):
    missing = str(tmp_path / "no-such-model")
    encoder = Embedder(EmbeddingOptions(missing))
    with pytest.raises(ModelError, match=r"no-such-model.*cannot be loaded[\s\S]*existing folder"):
        asyncio.run(encoder.embed("text"))


def test_a_vector_that_is_not_finite_is_an_error_that_names_the_text(minilm):
    import torch

    encoder = Embedder(EmbeddingOptions(minilm))
    encoder.encode(["warm"])
    with torch.no_grad():
        encoder._model[0].auto_model.embeddings.word_embeddings.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite for the text 'some text'"):
        encoder.encode(["some text"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": ""}, "model='' names no model"),
        ({"model": "m", "max_tokens": 0}, "max_tokens=0"),
        ({"model": "m", "batch_size": -1}, "batch_size=-1"),
        ({"model": "m", "cache_size": True}, "cache_size=True"),
        ({"model": "m", "dtype": "fp8"}, r"dtype='fp8' is not one of"),
    ],
)
def test_an_option_that_cannot_work_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        EmbeddingOptions(**options)


def test_a_window_without_room_for_text_is_refused(minilm):
    with pytest.raises(ConfigError, match="leaves no room for text"):
        Embedder(EmbeddingOptions(minilm, max_tokens=3, prompt="a long prompt")).encode(["text"])
