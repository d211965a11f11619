import asyncio
import logging
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbrlsvr.errors import ConfigError, DataError, MissingDependencyError, ModelError, ServiceError
from pbrlsvr.models.translation.engines import Translation
from pbrlsvr.models.translation.options import TranslationOptions
from pbrlsvr.models.translation.sentence import fit, without_loop
from pbrlsvr.models.translation.translator import TranslationModel, TranslatorLoader, translator
from pbrlsvr.serving.endpoint import EndpointOptions
from pbrlsvr.serving.scorer import ServingOptions

OPTIONS = TranslatorLoader.of(TranslationOptions("shouting"))


class Shouting:
    """An engine that writes in capitals, and treats the names of pieces as it is told to."""

    def __init__(self, name=lambda name: name, limit=200, takes_lines=False, finished=True):
        self.limit, self.takes_lines = limit, takes_lines
        self.asked, self._name, self._finished = [], name, finished

    def size(self, text):
        return len(text.split())

    def translate(self, requests):
        self.asked += requests
        words = [[self._name(word) if "X1" in word else word.upper() for word in r.text.split()] for r in requests]
        return [Translation(" ".join(row), self._finished) for row in words]


def shout(text, source="sw", target="en", **engine):
    return TranslationModel(Shouting(**engine), OPTIONS).run([(text, source, target)])[0]


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("Maji ni moto. Watoto wana 5.5 kg ya samaki!", "MAJI NI MOTO. WATOTO WANA 5.5 KG YA SAMAKI!"),
        ("1. Maji moto\n\n  - nyumba yetu.  \n* kitabu\n", "1. MAJI MOTO\n\n  - NYUMBA YETU.  \n* KITABU\n"),
        ("Ana ana tofaa ১৭ tu.", "ANA ANA TOFAA 17 TU."),
        ("Kwa hiyo 17 - 6 = 11 tofaa.", "KWA HIYO 17 - 6 = 11 TOFAA."),
        ("17 - 6 = 11", "17 - 6 = 11"),
        ("Basi\n$$x = a$$\nni jibu", "BASI\n$$x = a$$\nNI JIBU"),
        ("```python\nmaji = 1\n```\nmaji", "```python\nmaji = 1\n```\nMAJI"),
        ("jibu ni \\boxed{moto}.", "JIBU NI \\boxed{moto}."),
        ("", ""), ("  \n ", "  \n "), ("12 . 5", "12 . 5"),
    ],
)  # fmt: skip
def test_prose_is_translated_and_everything_else_stays(text, translation):
    assert shout(text) == translation


@pytest.mark.parametrize("name", [lambda _: "", lambda name: f"{name} {name}", lambda _: "X7", str.lower])
def test_pieces_survive_an_engine_that_mangles_their_names(name):
    assert shout("Kwa hiyo 17 - 6 = 11 tofaa.", name=name) == "KWA HIYO 17 - 6 = 11 TOFAA."
    assert shout("Ni $a$.", name=name) == "NI $a$."


_BITS = ["maji", "moto.", "17 - 6 = 11", "$x$", "```", "\n", " ", "- ", "1. ", "১৭", "\\[y\\]", "।", "X1", "\\boxed{3}"]


@given(st.lists(st.sampled_from(_BITS), max_size=20), st.sampled_from(["X1", ""]))
def test_nothing_is_lost_whatever_the_engine_does_with_names(bits, name):
    text = " ".join(bits)
    engine = Shouting(name=lambda word: word if name else word.replace("X1", ""))
    found = TranslationModel(engine, OPTIONS).run([(text, "sw", "en")])[0]
    for piece in ("17 - 6 = 11", "$x$", "\\[y\\]", "\\boxed{3}", "\n"):
        assert found.count(piece) == text.count(piece)
    # "X1" in the text itself is a word, and this engine may drop it.
    assert found.upper().count("MAJI") == text.upper().count("MAJI")


def test_a_sentence_is_translated_once_whoever_repeats_it_and_whatever_its_equation():
    engine = Shouting()
    model = TranslationModel(engine, OPTIONS)
    model.run([("Maji ni moto sana. Basi 1 + 1 = 2 tofaa.", "sw", "en"), ("Maji ni moto sana.", "sw", "en")])
    model.run([("Basi 2 + 2 = 4 tofaa. Maji ni moto sana.", "sw", "en")])
    assert [request.text for request in engine.asked] == ["Maji ni moto sana.", "Basi X1 tofaa."]
    model.run([("Maji ni moto sana.", "zu", "en")])
    assert len(engine.asked) == 3


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr("pbrlsvr.models.translation.translator._CACHE_BYTES", 700)  # one sentence of some 500 bytes
    engine = Shouting()
    model = TranslationModel(engine, OPTIONS)
    for text in ("maji moto sana", "nyumba ya watoto", "maji moto sana"):
        assert model.run([(text, "sw", "en")]) == [text.upper()]
    assert len(engine.asked) == 3


def test_text_in_the_target_language_already_is_left_alone():
    english = "The children of the village go to school every morning, and then they play."
    assert shout(english, "sw", "en") == english
    assert shout("maji ni moto", "en-GB", "en") == "maji ni moto"
    assert shout("The children go to school every morning.", "en", "sw") == "THE CHILDREN GO TO SCHOOL EVERY MORNING."


def test_sentences_of_languages_without_spaces_are_joined_without():
    assert shout("water water fire. house book tree.", "en", "zh") == "WATER WATER FIRE.HOUSE BOOK TREE."


def test_a_sentence_longer_than_the_engine_takes_is_cut_and_nothing_is_lost():
    engine = Shouting(limit=16)
    words = [f"neno{place}" for place in range(100)]
    found = TranslationModel(engine, OPTIONS).run([(" ".join(words), "sw", "en")])[0]
    assert found.split() == [word.upper() for word in words]
    assert max(len(request.text.split()) for request in engine.asked) <= 16


@given(st.text(alphabet="ab ,所以。", max_size=200), st.integers(4, 40))
def test_cut_parts_fit_and_are_the_sentence(sentence, limit):
    parts = fit(sentence, len, limit)
    assert "".join("".join(parts).split()) == "".join(sentence.split())
    assert all(len(part) <= limit for part in parts)


def test_an_engine_that_takes_lines_gets_whole_lines():
    engine = Shouting(takes_lines=True)
    TranslationModel(engine, OPTIONS).run([("Maji ni moto sana. Nyumba ya watoto.\nKitabu", "sw", "en")])
    assert [request.text for request in engine.asked] == ["Maji ni moto sana. Nyumba ya watoto.", "Kitabu"]


def test_a_generation_without_end_is_kept_without_its_loop_counted_and_logged(caplog):
    model = TranslationModel(Shouting(finished=False), OPTIONS)
    with caplog.at_level(logging.WARNING):
        text = "maji " + "moto sana " * 8 + "moto"
        assert model.run([(text, "sw", "en")]) == ["MAJI MOTO SANA"]
        model.run([(text, "sw", "en")])
    assert model.unfinished == 1
    assert ["did not finish" in record.message for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("text", "kept"),
    [("", ""), ("one two", "one two"), ("a" * 5000, "a"), ("x y y y y", "x y"), ("好的好的好的", "好的")],
)
def test_a_loop_is_cut_to_one_round(text, kept):
    assert without_loop(text) == kept


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"model": " "}, "must be"),
        ({"engine": "marian"}, "must be one of 'seq2seq', 'ctranslate2'"),
        ({"engine": "openai"}, "write serving.place=endpoint, with the servers in serving.endpoint.urls"),
        ({"beam_size": 0}, "must be a whole number of 1 or more"),
        ({"max_tokens": 3}, "must be a whole number of 16 or more"),
        ({"length_ratio": 0.5}, "must be a number of 1 or more"),
        ({"prompt": "no place"}, "put {text} into it"),
        ({"target_language": "klingon"}, "this option is gone: the pivot is English"),
        ({"endpoint": 3}, "write serving.place=endpoint"),
        ({"dtype": "int8"}, "write serving.dtype"),
        ({"batch_tokens": True}, "write serving.batch_tokens"),
        ({"cache_size": 1}, "this option is gone: the cache of sentences has a fixed size"),
    ],
)
def test_an_option_that_cannot_work_is_refused_with_the_fix(wrong, fix):
    (name, value) = next(iter(wrong.items()))
    with pytest.raises(ConfigError, match=rf"{name}={re.escape(repr(value))}.*{re.escape(fix)}"):
        TranslationOptions(**{"model": "m", **wrong})


def test_options_are_keys_and_travel_between_processes():
    options = TranslationOptions("m", prompt="Say {text} in English.")
    serving = ServingOptions("endpoint", endpoint=EndpointOptions(urls=("http://h/v1",)))
    again = pickle.loads(pickle.dumps((options, serving)))
    assert again == (options, serving)
    assert translator(options, serving) is translator(*again)
    assert translator(options, serving) is not translator(options)


def test_a_model_that_is_not_there_is_named_with_the_mend(tmp_path):
    for engine, fix in (("seq2seq", "tokenizer"), ("ctranslate2", "engines.ct2")):
        pytest.importorskip("transformers" if engine == "seq2seq" else "ctranslate2")
        with pytest.raises(ModelError, match=rf"(?s)no-model.*{fix}"):
            TranslatorLoader.of(TranslationOptions(str(tmp_path / "no-model"), engine=engine)).load()


def test_a_missing_package_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "ctranslate2", None)
    with pytest.raises(MissingDependencyError, match=r"pbrlsvr\[ct2\]"):
        TranslatorLoader.of(TranslationOptions(str(tmp_path), engine="ctranslate2")).load()
    monkeypatch.setitem(__import__("sys").modules, "sentencepiece", None)
    with pytest.raises(MissingDependencyError, match=r"pbrlsvr\[mt\]"):
        TranslatorLoader.of(TranslationOptions(str(tmp_path))).load()


@pytest.fixture
def chat_server(http_server):
    """A server that answers chat completions: it shouts the last paragraph of the prompt."""
    finish = {"reason": "stop", "failures": 0}

    def answer(request):
        if finish["failures"] > 0:
            finish["failures"] -= 1
            return 503, ""
        text = request.body["messages"][0]["content"].split("\n\n")[-1].upper()
        choice = {"index": 0, "message": {"content": f"<think>hm</think>{text}"}, "finish_reason": finish["reason"]}
        return {"choices": [choice]}

    server = http_server(answer)
    serving = ServingOptions("endpoint", endpoint=EndpointOptions(urls=(server.url,), retries=2))
    return (TranslationOptions("chatty"), serving), server.answered, finish


def chat_model(options, serving):
    return TranslatorLoader.of(options, serving).served_by(serving.endpoint).load()


def test_a_chat_model_translates_line_by_line(chat_server):
    options, seen, _ = chat_server

    async def both():
        return await asyncio.gather(
            translator(*options).translate("Maji ni moto. Basi 1 + 1 = 2 tofaa.\nNyumba", "sw"),
            translator(*options).translate("water fire house", "en", "zh-Hant"),
        )

    assert asyncio.run(both()) == ["MAJI NI MOTO. BASI 1 + 1 = 2 TOFAA.\nNYUMBA", "WATER FIRE HOUSE"]
    prompts = sorted(body["messages"][0]["content"] for body in seen)
    assert "from English into Traditional Chinese" in prompts[0]
    assert all("from Swahili into English" in prompt for prompt in prompts[1:])
    assert {(body["model"], body["temperature"]) for body in seen} == {("chatty", 0)}
    assert len(seen) == 3


def test_a_chat_server_that_is_busy_is_asked_again_and_one_that_stays_so_is_an_error(chat_server):
    options, _, finish = chat_server
    finish["failures"] = 2
    model = chat_model(*options)
    assert model.run([("maji moto", "sw", "en")]) == ["MAJI MOTO"]
    finish["failures"] = 100
    with pytest.raises(ServiceError, match="503"):
        model.run([("nyumba ya maji", "sw", "en")])


def test_an_answer_that_was_cut_off_counts_as_unfinished(chat_server):
    options, _, finish = chat_server
    finish["reason"] = "length"
    model = chat_model(*options)
    assert model.run([("maji moto moto moto moto", "sw", "en")]) == ["MAJI MOTO"]
    assert model.unfinished == 1


def test_a_code_that_is_no_language_fails_alone(chat_server):
    with pytest.raises(DataError, match="klingon"):
        asyncio.run(translator(*chat_server[0]).translate("maji", "klingon"))


def test_serving_at_an_endpoint_means_a_chat_model_there(chat_server):
    (_, serving), seen, _ = chat_server
    found = asyncio.run(translator(TranslationOptions("any-name"), serving).translate("Maji ni moto sana", "sw"))
    assert (found, seen[0]["model"]) == ("MAJI NI MOTO SANA", "any-name")


SENTENCES = [f"Mwalimu anasoma kitabu cha {word} kila asubuhi" for word in ("hesabu", "historia", "muziki", "sayansi")]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (lambda text: text, "untranslated"),
        (lambda text: "I'm sorry, but I can't help with that.", "different texts all as"),
        (lambda text: "<!DOCTYPE html><html><body>Login</body></html>", "a web page"),
        (lambda text: f"<html><p>{text.upper()}</p>", "a web page"),
        (lambda text: "word " * 4_000, "does not keep to max_tokens"),
        (lambda text: " \n", "empty translation"),
    ],
)
def test_a_server_that_translates_nothing_is_an_error_and_no_low_score(http_server, said, reason):
    def answer(request):
        text = request.body["messages"][0]["content"].split("\n\n")[-1]
        return {"choices": [{"index": 0, "message": {"content": said(text)}, "finish_reason": "stop"}]}

    serving = ServingOptions("endpoint", endpoint=EndpointOptions(urls=(http_server(answer).url,), retries=0))
    with pytest.raises(ServiceError, match=reason):
        chat_model(TranslationOptions("lost"), serving).run([(text, "sw", "en") for text in SENTENCES])


def test_a_name_that_stays_as_it_is_beside_real_translations_is_none_of_the_servers_business(chat_server):
    model = chat_model(*chat_server[0])
    items = [(text, "sw", "en") for text in (*SENTENCES, "NELSON ROLIHLAHLA MANDELA")]
    assert model.run(items) == [text.upper() for text, *_ in items]
