"""One row for each problem and language: joined, written by a chat model, or by a translation model."""

import json

import pytest

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr_plugin.prepare.stage import new_row
from pbrlsvr_plugin.prepare.translate.translate import Translate, TranslateOptions

ROWS = [
    new_row(id="a:1", problem="a:1", language="en", question="One?", english="One?", translations={"sw": "Moja?"}),
    new_row(id="a:2", problem="a:2", language="en", question="Two?", english="Two?", translations={"sw": "Mbili?"}),
]


def translate(context, rejects, languages, rows=ROWS, **options):
    return list(Translate(TranslateOptions(**options), context(*languages)).run(rows, rejects))


def test_translations_of_the_source_are_joined_and_problems_stay_together(context, rejects):
    rows = translate(context, rejects, ("sw", "en"))
    assert [(row["id"], row["problem"], row["language"], row["question"], row["engine"]) for row in rows] == [
        ("a:1/sw", "a:1", "sw", "Moja?", "original"),
        ("a:1", "a:1", "en", "One?", "original"),
        ("a:2/sw", "a:2", "sw", "Mbili?", "original"),
        ("a:2", "a:2", "en", "Two?", "original"),
    ]
    assert all(row["translations"] == {} and row["english"] in ("One?", "Two?") for row in rows)


def test_a_chat_model_writes_what_is_missing_and_is_asked_once(chat_server, reply, context, rejects):
    server = chat_server(lambda prompt, *_: reply(f"In {prompt.split('into ')[1].split(',')[0]}\n"))
    options = {"model": "m", "urls": (server.url,)}
    rows = translate(context, rejects, ("sw", "de"), **options)
    told = [(row["question"], row["engine"]) for row in rows]
    assert told == [("Moja?", "original"), ("In German", "m"), ("Mbili?", "original"), ("In German", "m")]
    assert all("Keep numbers, units, LaTeX" in payload["messages"][0]["content"] for payload in server.asked)
    assert translate(context, rejects, ("sw", "de"), **options) == rows
    assert server.requests == 2


def test_existing_translations_can_be_left_aside(chat_server, reply, context, rejects):
    server = chat_server(lambda *_: reply("X?"))
    rows = translate(context, rejects, ("sw",), model="m", urls=(server.url,), existing=False)
    assert [row["question"] for row in rows] == ["X?", "X?"]


def test_a_cut_off_translation_is_rejected(chat_server, reply, context, rejects):
    server = chat_server(lambda *_: reply("X", "length"))
    assert translate(context, rejects, ("de",), model="m", urls=(server.url,)) == []
    assert rejects == [("a:1/de", "cut_off"), ("a:2/de", "cut_off")]


def test_a_file_of_translations_is_joined_by_id(tmp_path, context, rejects):
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(json.dumps({"id": f"a:{i}", "language": "deu", "question": f"Nr. {i}?"}) for i in (1, 2)))
    rows = translate(context, rejects, ("de",), file=str(path))
    assert [row["question"] for row in rows] == ["Nr. 1?", "Nr. 2?"]


def test_a_row_without_a_translation_is_rejected(context, rejects):
    rows = [ROWS[0], {**ROWS[1], "translations": {}}]
    assert len(translate(context, rejects, ("sw",), rows=rows)) == 1
    assert rejects == [("a:2/sw", "no_translation")]


def test_a_language_that_nobody_translates_stops_the_run(context, rejects):
    with pytest.raises(DataError, match=r"no translation into \['de'\].*translate.engine='join'"):
        translate(context, rejects, ("sw", "de"))


def test_rows_that_are_in_a_target_language_already_go_on(context, rejects):
    rows = [new_row(id="a:1", language="sw", question="Moja?", english="One?"), new_row(id="a:2", language="fr")]
    (row,) = translate(context, rejects, ("sw",), rows=rows)
    assert (row["id"], row["question"], row["engine"]) == ("a:1", "Moja?", "original")
    assert rejects == [("a:2", "language_not_wanted")]


def test_an_option_of_the_translation_model_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match=r"translation\.beams=4: there is no such option. Did you mean \'beam_size\'"):
        TranslateOptions(engine="seq2seq", model="m", translation={"beams": 4})


@pytest.fixture(scope="module")
def nllb(tmp_path_factory) -> str:
    """A model with NLLB's architecture and tokenizer that has learned nothing: it writes noise, always the same."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    texts = ["Ana has apples and buys more at the market with her friends", "How many has she?"] * 20
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=200, special_tokens=special, show_progress=False))
    learned = json.loads(bpe.to_str())["model"]
    tokenizer = NllbTokenizer(vocab=learned["vocab"], merges=[tuple(pair) for pair in learned["merges"]])
    sizes = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in SIZES.items()}
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=len(tokenizer), pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2,
        d_model=64, max_position_embeddings=128, init_std=0.5, **sizes,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("nllb")
    M2M100ForConditionalGeneration(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


SIZES = {"layers": 1, "ffn_dim": 128, "attention_heads": 4}


def test_a_translation_model_translates_once_and_leaves_formulas_alone(nllb, tmp_path, context, rejects):
    questions = ["Ana has apples.\n$x + 1 = 4$\nHow many?", "She buys 3 more."]
    rows = [new_row(id=f"a:{i}", language="en", question=q, english=q) for i, q in enumerate(questions)]
    options = {"engine": "seq2seq", "model": nllb, "serving": {"place": "local", "device": "cpu"}}
    made = context("sw", "de")
    stage = Translate(TranslateOptions(**options), made)
    found = list(stage.run(rows, rejects))
    assert [(row["id"], row["language"], row["engine"]) for row in found] == [
        (f"a:{i}/{language}", language, nllb) for i in (0, 1) for language in ("sw", "de")
    ]
    assert all("\n$x + 1 = 4$\n" in row["question"] for row in found[:2])
    assert not any(row["question"] == row["english"] for row in found)
    assert stage.facts() == {"asked": 4, "from_journal": 0}
    again = Translate(TranslateOptions(**options), made)
    assert list(again.run(rows, rejects)) == found
    assert again.facts() == {"asked": 0, "from_journal": 4}
    assert rejects == []
