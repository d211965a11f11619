"""Real architectures and tokenizers, trained for seconds on a toy world in which the language codes decide.

The two foreign languages have the same words, which mean different things: "maji" is "water" in Swahili and "road" in
Zulu. So a wrong source code, target code or direction gives a wrong translation.
"""

import asyncio
import json
import random
import shutil

import pytest

from pbrlsvr.errors import DataError, ModelError
from pbrlsvr.models.translation.options import TranslationOptions
from pbrlsvr.models.translation.translator import TranslatorLoader, translator
from pbrlsvr.serving.options import ServingOptions

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
transformers = pytest.importorskip("transformers")
sentencepiece = pytest.importorskip("sentencepiece")

FOREIGN = ["maji", "moto", "nyumba", "kitabu", "watoto", "shule", "ndege", "samaki", "mti", "barabara"]
ENGLISH = ["water", "fire", "house", "book", "children", "school", "bird", "fish", "tree", "road"]
MEANING = {"sw": dict(zip(FOREIGN, ENGLISH, strict=True)), "zu": dict(zip(FOREIGN, ENGLISH[::-1], strict=True))}
COPIED = [*"123456789", "X1", "X2"]
SIZES = {
    "decoder_layers": 1, "encoder_layers": 1, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "d_model": 64,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "dropout": 0.0, "init_std": 0.1,
    "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0, "attention_dropout": 0.0, "max_position_embeddings": 128,
}  # fmt: skip
INTO_AND_FROM = [("sw", "en"), ("zu", "en"), ("en", "sw"), ("en", "zu")]


def pair(rng, source, target, most=4):
    """A sentence and its translation, word by word."""
    meaning = MEANING[source if target == "en" else target]
    words = [rng.choice(COPIED if rng.random() < 0.25 else FOREIGN) for _ in range(rng.randint(1, most))]
    foreign = " ".join(words) + "."
    english = " ".join(meaning.get(word, word) for word in words) + "."
    return (foreign, english) if target == "en" else (english, foreign)


def train(model, tokenizer, directions, encode, steps, most=4):
    """Teaches the toy world. `encode(text, translation, *direction)` is the tokenizer's own way to say the codes."""
    torch.set_num_threads(1)
    rng, pad = random.Random(0), tokenizer.pad_token_id
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for step in range(steps):
        rows = []
        for _ in range(64):
            direction = rng.choice(directions)
            rows.append(encode(*pair(rng, *direction, most=min(most, 1 + 8 * step // steps)), *direction))
        source, labels = (torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(row[side]) for row in rows], batch_first=True, padding_value=(pad, -100)[side]
        ) for side in (0, 1))  # fmt: skip
        model(input_ids=source, attention_mask=(source != pad).long(), labels=labels).loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        with torch.no_grad():  # as in published Marian models, whose decoder starts from a zero vector
            model.get_input_embeddings().weight[pad] = 0
    return model.eval()


def saved(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def coded(tokenizer, codes):
    def encode(text, translation, source, target):
        tokenizer.src_lang, tokenizer.tgt_lang = codes[source], codes[target]
        return tokenizer(text)["input_ids"], tokenizer(text_target=translation)["input_ids"]

    return encode


def piece_model(folder, **options):
    """A sentencepiece model of the toy words."""
    prefix = folder / "toy"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*FOREIGN, *ENGLISH, *COPIED, "."] * 20), model_prefix=str(prefix), vocab_size=160,
        model_type="bpe", character_coverage=1.0, minloglevel=2, **options,
    )  # fmt: skip
    return f"{prefix}.model"


def pieces_of(path):
    model = sentencepiece.SentencePieceProcessor(model_file=path)
    return [(model.id_to_piece(place), model.get_score(place)) for place in range(model.get_piece_size())]


@pytest.fixture(scope="session")
def nllb(tmp_path_factory):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    bpe.train_from_iterator([*FOREIGN, *ENGLISH, *COPIED, "."] * 20, trainer)
    learned = json.loads(bpe.to_str())["model"]
    tokenizer = transformers.NllbTokenizer(vocab=learned["vocab"], merges=[tuple(pair) for pair in learned["merges"]])
    torch.manual_seed(0)
    config = transformers.M2M100Config(
        vocab_size=len(tokenizer), pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, **SIZES
    )
    model = transformers.M2M100ForConditionalGeneration(config)
    codes = {"sw": "swh_Latn", "zu": "zul_Latn", "en": "eng_Latn"}
    train(model, tokenizer, INTO_AND_FROM, coded(tokenizer, codes), steps=800)
    return saved(tmp_path_factory.mktemp("nllb"), model, tokenizer)


@pytest.fixture(scope="session")
def m2m100(tmp_path_factory):
    folder = tmp_path_factory.mktemp("m2m100")
    path = piece_model(folder)
    names = ["<s>", "<pad>", "</s>", "<unk>", *(piece for piece, _ in pieces_of(path)[3:])]
    (folder / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(names)}))
    tokenizer = transformers.M2M100Tokenizer(str(folder / "vocab.json"), path)
    torch.manual_seed(0)
    config = transformers.M2M100Config(
        vocab_size=len(names) + 108, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, **SIZES
    )
    model = transformers.M2M100ForConditionalGeneration(config)
    codes = {code: code for code in ("sw", "zu", "en")}
    train(model, tokenizer, [("sw", "en"), ("zu", "en")], coded(tokenizer, codes), steps=400)
    return saved(folder / "model", model, tokenizer)


@pytest.fixture(scope="session")
def marian(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marian")
    path = piece_model(folder)
    names = ["</s>", "<unk>", *(piece for piece, _ in pieces_of(path)[3:]), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(names)}))
    tokenizer = transformers.MarianTokenizer(path, path, str(folder / "vocab.json"), source_lang="sw", target_lang="en")
    torch.manual_seed(0)
    pad = len(names) - 1
    config = transformers.MarianConfig(
        vocab_size=len(names), pad_token_id=pad, eos_token_id=0, decoder_start_token_id=pad, bos_token_id=0,
        forced_eos_token_id=0, num_beams=4, bad_words_ids=[[pad]], activation_function="swish", scale_embedding=True,
        **SIZES,
    )  # fmt: skip
    model = transformers.MarianMTModel(config)

    def encode(text, translation, *_):
        return tokenizer(text)["input_ids"], tokenizer(text_target=translation)["input_ids"]

    train(model, tokenizer, [("sw", "en")], encode, steps=300)
    return saved(folder / "model", model, tokenizer)


@pytest.fixture(scope="session")
def madlad(tmp_path_factory):
    codes = ["<2en>", "<2sw>", "<2zu>"]
    words = [f"▁{word}" for word in (*FOREIGN, *ENGLISH, *COPIED)]
    letters = sorted({letter for word in words for letter in f"{word}."})
    pieces = [*dict.fromkeys(["<pad>", "</s>", "<unk>", *codes, *words, *letters])]
    tokenizer = transformers.T5Tokenizer(vocab=[(piece, -1.0) for piece in pieces], extra_ids=0)
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=64, d_kv=16, d_ff=128, num_layers=1, num_decoder_layers=1, num_heads=4,
        dropout_rate=0.0, feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    )  # fmt: skip
    model = transformers.T5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(0.1 * torch.randn_like(model.lm_head.weight))

    def encode(text, translation, _, target):
        return tokenizer(f"<2{target}> {text}")["input_ids"], tokenizer(translation)["input_ids"]

    train(model, tokenizer, [("en", "sw"), ("en", "zu")], encode, steps=300, most=1)
    folder = saved(tmp_path_factory.mktemp("madlad"), model, tokenizer)
    # The published checkpoints have the shared embeddings under the decoder's name, and an output layer beside.
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    weights = {name: weight for name, weight in weights.items() if not name.startswith(("shared", "encoder.embed"))}
    safetensors.save_file(weights, f"{folder}/model.safetensors", metadata={"format": "pt"})
    return folder


def right(options, directions, number=40, most=4):
    """The share of unseen sentences that are translated exactly, and at once, in batches of mixed directions."""
    rng = random.Random(1)
    cases = list(dict.fromkeys((*pair(rng, *way, most), *way) for _ in range(number) for way in directions))
    results = TranslatorLoader.of(options).load().run([(text, source, target) for text, _, source, target in cases])
    return sum(found == case[1] for found, case in zip(results, cases, strict=True)) / len(cases)


def test_nllb_is_told_source_and_target(nllb):
    assert right(TranslationOptions(nllb), INTO_AND_FROM) > 0.9
    model = TranslatorLoader.of(TranslationOptions(nllb)).load()
    assert model.run([("maji.", "sw", "en"), ("maji.", "zu", "en")]) == ["water.", "road."]
    assert model.run([("water.", "en", "sw"), ("water.", "en", "zu")]) == ["maji.", "barabara."]


def test_m2m100_is_told_source_and_target(m2m100):
    assert right(TranslationOptions(m2m100), [("sw", "en"), ("zu", "en")]) > 0.9
    model = TranslatorLoader.of(TranslationOptions(m2m100)).load()
    assert model.run([("maji.", "sw", "en"), ("maji.", "zu", "en")]) == ["water.", "road."]


def test_madlad_is_told_the_target_before_the_text(madlad):
    assert right(TranslationOptions(madlad), [("en", "sw"), ("en", "zu")], most=1) > 0.9


def test_marian_translates_in_its_only_direction_and_refuses_others(marian):
    assert right(TranslationOptions(marian), [("sw", "en")]) > 0.9
    model = TranslatorLoader.of(TranslationOptions(marian)).load()
    for text, source, target in (("maji.", "zu", "en"), ("The water of the house.", "en", "sw"), ("maji.", "sw", "de")):
        with pytest.raises(DataError, match=r"only 'sw' -> 'en'"):
            model.run([(text, source, target)])


@pytest.mark.parametrize("name", ["nllb", "marian", "m2m100", "madlad"])
def test_ctranslate2_gives_the_same_translations_as_transformers(name, request, tmp_path):
    pytest.importorskip("ctranslate2")
    from pbrlsvr.models.translation.engines.ct2 import convert

    original, folder = request.getfixturevalue(name), str(tmp_path / "converted")
    convert(original, folder)
    ways = {"nllb": INTO_AND_FROM, "marian": [("sw", "en")], "m2m100": INTO_AND_FROM[:2], "madlad": INTO_AND_FROM[2:]}
    rng = random.Random(2)
    items = [(pair(rng, *way, most=1 if name == "madlad" else 4)[0], *way) for way in ways[name] for _ in range(20)]
    items = list(dict.fromkeys(items))
    expected = TranslatorLoader.of(TranslationOptions(original)).load().run(items)
    assert (
        TranslatorLoader.of(TranslationOptions(folder, engine="ctranslate2"), ServingOptions(device="cpu"))
        .load()
        .run(items)
        == expected
    )


def changed(folder, copy, change):
    """A copy of a model folder with other weights."""
    shutil.copytree(folder, copy)
    weights = safetensors.load_file(f"{folder}/model.safetensors")
    change(weights)
    safetensors.save_file(weights, f"{copy}/model.safetensors", metadata={"format": "pt"})
    return str(copy)


def test_the_facade_keeps_lines_and_equations(marian):
    text = "maji moto nyumba. kitabu 3 + 4 = 7 samaki.\n- shule watoto mti.\n"
    found = asyncio.run(translator(TranslationOptions(marian)).translate(text, "sw"))
    assert found == "water fire house. book 3 + 4 = 7 fish.\n- school children tree.\n"


def test_beam_search_translates_as_well(marian):
    assert right(TranslationOptions(marian, beam_size=3), [("sw", "en")]) > 0.9


def test_the_batch_does_not_change_a_translation(nllb):
    rng = random.Random(3)
    items = list(dict.fromkeys((pair(rng, *way)[0], *way) for way in INTO_AND_FROM for _ in range(10)))
    together = TranslatorLoader.of(TranslationOptions(nllb)).load().run(items)
    assert TranslatorLoader.of(TranslationOptions(nllb), ServingOptions(batch_tokens=1)).load().run(items) == together


@pytest.mark.parametrize("engine", ["seq2seq", "ctranslate2"])
def test_a_model_that_never_ends_is_stopped_at_its_bound(engine, marian, tmp_path):
    def never_end(weights):
        weights["final_logits_bias"][:, 0] = -1e4

    folder = changed(marian, tmp_path / "endless", never_end)
    if engine == "ctranslate2":
        pytest.importorskip("ctranslate2")
        from pbrlsvr.models.translation.engines.ct2 import convert

        convert(folder, str(tmp_path / "converted"))
        folder = str(tmp_path / "converted")
    model = TranslatorLoader.of(TranslationOptions(folder, engine=engine), ServingOptions(device="cpu")).load()
    found = model.run([("maji moto nyumba.", "sw", "en")])[0]
    # 5 source tokens with the end: at most ceil(3 * 5) + 16 new ones.
    assert len(found.replace(".", " .").split()) <= 31
    assert model.unfinished == 1


def test_weights_that_are_no_numbers_are_an_error_not_a_translation(marian, tmp_path):
    def poison(weights):
        weights["model.encoder.layers.0.fc1.weight"][:] = float("nan")

    with pytest.raises(ModelError, match="not numbers"):
        TranslatorLoader.of(TranslationOptions(changed(marian, tmp_path / "poisoned", poison))).load().run(
            [("maji.", "sw", "en")]
        )


def test_a_checkpoint_with_a_hole_is_refused(nllb, tmp_path):
    def drop(weights):
        del weights["model.decoder.layers.0.fc2.weight"]

    with pytest.raises(ModelError, match=r"lacks the weights \['model\.decoder\.layers\.0\.fc2\.weight'\]"):
        TranslatorLoader.of(TranslationOptions(changed(nllb, tmp_path / "hole", drop))).load()
