import asyncio
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from pbrlsvr.errors import ConfigError, ModelError
from pbrlsvr.models.embedding.cards import ENCODERS, known_encoder
from pbrlsvr.models.embedding.embedder import EncoderLoader, card_prompt, embedder
from pbrlsvr.models.embedding.model import SentenceEncoder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.models.pieces import split_steps, split_to_fit
from pbrlsvr.scoring.similarity import AlignedEmbedding
from pbrlsvr.serving.options import ServingOptions

TEXTS = ["Ana has 17 apples.", "She gives away 6, so 11 are left.", "আনা ৬টি আপেল দেয়।", "x"]


@pytest.fixture(scope="module")
def sentence_transformer(minilm):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(minilm, device="cpu")


def test_short_texts_get_the_vectors_of_sentence_transformers(minilm, sentence_transformer):
    ours = np.stack(EncoderLoader.of(EmbeddingOptions(minilm)).load().run(TEXTS))
    theirs = sentence_transformer.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_long_text_is_the_length_weighted_mean_of_its_pieces(minilm, sentence_transformer):
    long = " ".join(f"Step {i}: {i} plus {i} equals {2 * i}." for i in range(100))
    encoder = EncoderLoader.of(EmbeddingOptions(minilm, max_tokens=64)).load()
    pieces = split_to_fit(long, sentence_transformer.tokenizer, 62)  # 64 less [CLS] and [SEP]
    assert len(pieces) > 10
    vectors = sentence_transformer.encode([text for text, _ in pieces], normalize_embeddings=True)
    mean = (vectors * np.array([[tokens] for _, tokens in pieces])).sum(axis=0)
    np.testing.assert_allclose(encoder.run([long])[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_the_end_of_a_long_text_counts(minilm):
    start = "Ana counts the apples in the cellar again and again. " * 60
    encoder = EncoderLoader.of(EmbeddingOptions(minilm)).load()
    a, b = encoder.run([start + "There are 11.", start + "A whale sings in the deep sea. " * 40])
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
    ours = EncoderLoader.of(EmbeddingOptions(str(folder))).load().run(TEXTS)
    theirs = sentence_transformer.encode([f"query: {text}" for text in TEXTS], normalize_embeddings=True)
    np.testing.assert_allclose(np.stack(ours), theirs, atol=1e-6)


def test_a_models_own_default_prompt_is_used_and_an_empty_prompt_turns_it_off(minilm, sentence_transformer, tmp_path):
    folder = tmp_path / "own-prompt"
    shutil.copytree(minilm, folder)
    config = folder / "config_sentence_transformers.json"
    settings = {**json.loads(config.read_text()), "prompts": {"sim": "compare: "}, "default_prompt_name": "sim"}
    config.write_text(json.dumps(settings))
    with_prompt = EncoderLoader.of(EmbeddingOptions(str(folder))).load().run(TEXTS)
    without = EncoderLoader.of(EmbeddingOptions(str(folder), prompt="")).load().run(TEXTS)
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
        ("unheard-of/encoder", None),
    ],
)
def test_card_prompts_go_by_the_last_part_of_the_name(model, prompt):
    assert card_prompt(model) == prompt


@pytest.mark.parametrize("size", ["0.6B", "4B", "8B"])
def test_qwen3_gets_an_instruction_without_a_space_before_the_text(size):
    prompt = card_prompt(f"Qwen/Qwen3-Embedding-{size}")
    assert prompt.startswith("Instruct: ")
    assert prompt.endswith("\nQuery:")


def test_a_known_model_is_cut_where_its_card_says_and_where_it_ends(minilm, tmp_path):
    # Copies under names of the table: MiniLM itself takes 256 tokens, two of which are [CLS] and [SEP].
    for name, tokens in (("LaBSE", 256), ("bge-m3", 256), ("unheard-of", 256)):
        folder = tmp_path / name
        shutil.copytree(minilm, folder)
        assert EncoderLoader.of(EmbeddingOptions(str(folder))).load().piece_tokens == tokens - 2
    config = tmp_path / "bge-m3" / "sentence_bert_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "max_seq_length": 512}))
    shutil.copytree(tmp_path / "bge-m3", tmp_path / "longer" / "LaBSE")
    assert EncoderLoader.of(EmbeddingOptions(str(tmp_path / "longer" / "LaBSE"))).load().piece_tokens == 256 - 2
    assert (
        EncoderLoader.of(EmbeddingOptions(str(tmp_path / "longer" / "LaBSE"), max_tokens=400)).load().piece_tokens
        == 400 - 2
    )
    assert EncoderLoader.of(EmbeddingOptions(str(tmp_path / "bge-m3"), max_tokens=9999)).load().piece_tokens == 512 - 2


def test_every_row_of_the_table_can_be_found_and_says_what_it_must():
    for row in ENCODERS:
        # Any name of the pattern's family finds this row, not one above it.
        name = row.pattern.replace(".*", "0.6B").replace("(small|base)", "base")
        assert known_encoder(f"some/{name}") is row
        assert row.max_tokens >= 256
        assert row.licence in {"MIT", "Apache-2.0"}


def test_a_bare_encoder_is_loaded_with_a_warning(minilm, tmp_path, caplog):
    folder = tmp_path / "mmBERT-small"
    folder.mkdir()
    for file in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(minilm) / file, folder)
    with caplog.at_level(logging.WARNING, logger="pbrlsvr"):
        vector = EncoderLoader.of(EmbeddingOptions(str(folder))).load().run(["Ana has 17 apples."])[0]
    assert np.isclose(np.linalg.norm(vector), 1.0)
    assert any("fill in masked words" in record.message for record in caplog.records)


def test_a_model_that_needs_its_own_code_is_refused_before_anything_is_loaded():
    with pytest.raises(ConfigError, match=r"gte-multilingual-base.*trust_remote_code.*BAAI/bge-m3"):
        EmbeddingOptions("Alibaba-NLP/gte-multilingual-base")


@pytest.mark.parametrize("name", ["gte-multilingual-base", "another-with-code"])
def test_a_folder_that_needs_its_own_code_is_refused_with_the_mend(name, minilm, tmp_path):
    folder = tmp_path / name
    shutil.copytree(minilm, folder)
    config = json.loads((folder / "config.json").read_text())
    code = {"AutoConfig": "org/code--configuration.NewConfig", "AutoModel": "org/code--modeling.NewModel"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "new", "auto_map": code}))
    with pytest.raises(ModelError, match=r"does not run code from a model's repository[\s\S]*BAAI/bge-m3"):
        EncoderLoader.of(EmbeddingOptions(str(folder))).load().run(["text"])


def test_steps_are_sentences_with_their_lengths(minilm):
    encoder = embedder(EmbeddingOptions(minilm))
    steps = asyncio.run(encoder.steps("Ana has 17 apples. She gives away 6.\n\nSo 11 are left!"))
    sentences = ["Ana has 17 apples.", "She gives away 6.", "So 11 are left!"]
    np.testing.assert_allclose(
        steps.vectors, np.stack(EncoderLoader.of(EmbeddingOptions(minilm)).load().run(sentences)), atol=1e-5
    )
    assert steps.lengths.tolist() == [len(sentence) for sentence in sentences]


def test_a_text_without_words_has_no_steps_and_aligns_with_nothing(minilm):
    encoder = embedder(EmbeddingOptions(minilm))
    assert len(asyncio.run(encoder.steps(" \n ")).lengths) == 0
    assert asyncio.run(encoder.alignment("", "Ana has 17 apples.")) == 0.0


REASONING = (
    "Janet's ducks lay 16 eggs per day. She eats three of them for breakfast. She bakes muffins with four of them. "
    "That leaves 9 eggs for the market. Each egg is sold for 2 dollars. So she earns 18 dollars every day."
)


def test_order_drops_and_padding_lower_the_alignment_but_hardly_the_cosine(minilm):
    encoder = embedder(EmbeddingOptions(minilm))
    sentences = split_steps(REASONING, 100)
    paraphrase = (
        "The ducks of Janet produce 16 eggs a day. Three she eats for breakfast, and with four she bakes muffins. "
        "So 9 eggs are left to be sold at the market. An egg sells for 2 dollars. Her daily income is 18 dollars."
    )

    async def scores(text):
        return await encoder.alignment(text, REASONING), await encoder.cosine(text, REASONING)

    async def everything():
        texts = [REASONING, " ".join(sentences[::-1]), " ".join(sentences[:3]), f"{REASONING} {REASONING}", paraphrase]
        return await asyncio.gather(*map(scores, texts))

    same, backwards, dropped, repeated, reworded = asyncio.run(everything())
    assert same == (pytest.approx(1.0, abs=1e-5), pytest.approx(1.0, abs=1e-5))
    assert backwards[0] < 0.7
    assert backwards[1] > 0.9
    assert max(dropped[0], repeated[0]) < 0.9
    assert reworded[0] > backwards[0] + 0.1


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", []),
        ("One number: 3.5 kg of apples. Another sentence!", ["One number: 3.5 kg of apples.", "Another sentence!"]),
        ("1. First this is done.\n2. Then that is done.", ["1. First this is done.", "2. Then that is done."]),
        (
            "她每天吃三个鸡蛋当早餐吗？然后她卖掉剩下的所有鸡蛋。",
            ["她每天吃三个鸡蛋当早餐吗？", "然后她卖掉剩下的所有鸡蛋。"],
        ),
        ("সে ডিমগুলি বাজারে বিক্রি করে। তারপর বাড়ি যায়।", ["সে ডিমগুলি বাজারে বিক্রি করে।", "তারপর বাড়ি যায়।"]),
        ("A long enough sentence. OK.", ["A long enough sentence. OK."]),
        ("OK.", ["OK."]),
    ],
)
def test_steps_end_with_sentences_and_none_is_a_mere_number(text, steps):
    assert split_steps(text, 100) == steps


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_more_steps_than_the_limit_are_joined_evenly_and_in_order(limit):
    text = " ".join(f"Step number {i} adds {i} to the sum." for i in range(3000))
    steps = split_steps(text, limit)
    assert len(steps) == limit
    assert " ".join(steps) == text
    assert max(map(len, steps)) < 1.2 * min(map(len, steps)) + 50


def test_one_long_sentence_does_not_take_its_neighbours_steps():
    steps = split_steps("Here is a short one. " * 10 + "word " * 500 + "ends. " + "Here is a short one. " * 10, 10)
    assert 3 <= len(steps) <= 10


def test_a_model_is_loaded_once_and_a_reference_encoded_once_for_all_its_rollouts(minilm, monkeypatch):
    seen = []

    class Recording(SentenceEncoder):
        def __init__(self, options):
            seen.append("loaded")
            super().__init__(options)

        def run(self, texts):
            seen.extend(texts)
            return super().run(texts)

    monkeypatch.setattr("pbrlsvr.models.embedding.model.SentenceEncoder", Recording)
    own = {"model": minilm, "max_tokens": 77}  # no other test has loaded it with these options

    async def group():
        encoders = [embedder(EmbeddingOptions(**own)) for _ in range(8)]
        return await asyncio.gather(*(e.cosine(f"response {i}", "the reference") for i, e in enumerate(encoders)))

    assert len(set(asyncio.run(group()))) > 1
    asyncio.run(group())  # a second event loop, as in a second step
    expected = [f"response {i}" for i in range(8)] + ["the reference", "loaded"]
    assert sorted(seen) == sorted(expected)


@pytest.mark.parametrize("prompt", [None, "query: "])
def test_texts_of_every_length_get_the_vectors_that_they_get_alone(prompt, minilm):
    # 250 to 256 tokens lie around the model's limit, where it would cut a text off.
    texts = ["apple " * count for count in (1, 3, 60, *range(244, 258), 400, 3000)]
    model = EncoderLoader.of(EmbeddingOptions(minilm, prompt=prompt), ServingOptions(batch_tokens=600)).load()
    alone = [model.run([text])[0] for text in texts]
    np.testing.assert_allclose(np.stack(model.run(texts)), np.stack(alone), atol=1e-5)


def test_a_text_of_just_the_models_limit_is_whole(minilm, sentence_transformer):
    text = "apple " * 254  # and [CLS] and [SEP]
    assert len(sentence_transformer.tokenizer(text)["input_ids"]) == 256
    expected = sentence_transformer.encode([text], normalize_embeddings=True)
    np.testing.assert_allclose(EncoderLoader.of(EmbeddingOptions(minilm)).load().run([text])[0], expected[0], atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_of_equal_lengths_has_no_padding_whichever_side_it_would_be_on(side, minilm):
    model = EncoderLoader.of(EmbeddingOptions(minilm)).load()
    model._model.tokenizer.padding_side = side
    masks = []
    model._model[0].register_forward_pre_hook(lambda module, inputs: masks.append(inputs[0]["attention_mask"]))
    model.batches.max_tokens = 100  # the two long texts fit into one batch, and the two short ones
    model.run(["apple " * 40, "pear " * 40, "apple pear", "pear apple"])
    assert [tuple(mask.shape) for mask in masks] == [(2, 42), (2, 4)]
    assert all(bool(mask.all()) for mask in masks)


def test_a_caller_that_leaves_does_not_take_the_others_with_it(minilm):
    encoder = embedder(EmbeddingOptions(minilm))

    async def one_leaves():
        stays = asyncio.create_task(encoder.embed("shared"))
        leaves = asyncio.create_task(encoder.embed("shared"))
        await asyncio.sleep(0)
        leaves.cancel()
        return await stays

    assert np.isclose(np.linalg.norm(asyncio.run(one_leaves())), 1.0)


def test_a_model_that_is_not_there_is_named_with_the_mend(tmp_path):
    missing = str(tmp_path / "no-such-model")
    encoder = embedder(EmbeddingOptions(missing))
    with pytest.raises(ModelError, match=r"no-such-model.*cannot be loaded[\s\S]*existing folder"):
        asyncio.run(encoder.embed("text"))


def test_a_vector_that_is_not_finite_is_an_error_that_names_the_text(minilm):
    import torch

    encoder = EncoderLoader.of(EmbeddingOptions(minilm)).load()
    with torch.no_grad():
        encoder._model[0].auto_model.embeddings.word_embeddings.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="vector of norm nan for the text 'some text'"):
        encoder.run(["some text"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": ""}, "model='' must be"),
        ({"model": " "}, "model=' ' must be"),
        ({"model": 7}, "model=7 must be a text"),
        ({"model": "m", "max_tokens": 0}, "max_tokens=0 must be a whole number of 1 or more, or null"),
        ({"serving": {"batch_tokens": -1}}, r"serving\.batch_tokens=-1 must be a whole number of 1 or more"),
        ({"serving": {"batch_tokens": True}}, r"serving\.batch_tokens=True must be a whole number"),
        ({"serving": {"dtype": "fp8"}}, r"serving\.dtype='fp8' must be one of 'float32', 'bfloat16', 'float16'"),
    ],
)
def test_an_option_that_cannot_work_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        AlignedEmbedding(**options)


def test_a_window_without_room_for_text_is_refused(minilm):
    with pytest.raises(ConfigError, match="leaves no room for text"):
        EncoderLoader.of(EmbeddingOptions(minilm, max_tokens=3, prompt="a long prompt")).load().run(["text"])
