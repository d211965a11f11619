"""A last sentence that concludes is an answer; one that goes on, doubts, bounds or quotes is none."""

import pytest

from pbrlsvr.responses.cue_patterns import any_language, any_of
from pbrlsvr.responses.spans import Spans, split
from pbrlsvr.responses.word_sections import word_sections

THEREFORE = word_sections("scopes")["therefore"]


def test_the_answer_is_what_stands_behind_the_word_that_concludes() -> None:
    assert split("16 - 7 = 9\n\nTherefore, she earns 18 dollars a day.") == Spans(
        "16 - 7 = 9", "she earns 18 dollars a day", "conclusion"
    )


@pytest.mark.parametrize("language", THEREFORE)
def test_every_word_that_concludes_does_so_in_short(language: str) -> None:
    for word in THEREFORE[language]:
        text = f"16 - 7 = 9\n\n{word.rstrip('~*').capitalize()}: $18."
        assert split(text).answer.strip("$") == "18", text


@pytest.mark.parametrize(
    "end",
    [
        "So she earns 18 dollars. Check: 9 * 2 = 18",
        "So she earns 18 dollars (9 * 2 = 18).",
        "She therefore earns 18 dollars. I hope this helps!",
        "Daher verdient sie 18 Euro. Möchtest du noch eine Aufgabe mit mir rechnen?",
        "∴ 18 dollars",
        "∴ The 3 boxes and 4 bags hold in total 18 pens.",
    ],
)
def test_a_check_or_a_greeting_may_follow(end: str) -> None:
    spans = split(f"16 - 7 = 9\n\n{end}")
    assert spans.rule == "conclusion"
    assert "18" in spans.answer
    assert "=" not in spans.answer


@pytest.mark.parametrize(
    "end",
    [
        "So she earns 18 dollars. And 20 more.",
        "So she earns 18 dollars from 9 eggs.",
        "So she earns 18 dollars, and then",
        "So we now subtract 18.",
        "So she earns about 18 dollars.",
        "So, if she sells all, she earns 18 dollars.",
        "So the problem says that she earns 18 dollars.",
        "So Tom says that she earns 18 dollars.",
        "So she earns 18 dollars. Is that right?",
        "So she earns 18 dollars. Wait, no.",
        "So the answer may be 18.",
        "## So, step 18",
        "b) So she earns 18 dollars, and for c) we",
        "Also, 18 of them are red.",
        "She earns 18 dollars.",
    ],
)
def test_a_sentence_that_leaves_it_open_is_no_conclusion(end: str) -> None:
    assert split(f"16 - 7 = 9\n\n{end}").answer == ""


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("So yes, the two lines are parallel.", "yes"),
        ("Therefore, no: 91 is 7 * 13.", "no"),
        ("Nein, das Geld reicht also nicht aus. Ich hoffe, das hilft!", "Nein"),
        ("Así que no, no le alcanza.", "no"),
        ("ดังนั้น ใช่ เงินพอ", "ใช่"),
        ("よって、いいえ。", "いいえ"),
    ],
)
def test_a_yes_or_no_that_opens_the_last_sentence_is_what_it_concludes(end: str, said: str) -> None:
    spans = split(f"16 - 7 = 9\n\n{end}")
    assert (spans.answer, spans.rule) == (said, "conclusion")


@pytest.mark.parametrize(
    "end",
    [
        "So yes, if she sells all of them.",
        "So yes, probably.",
        "So yes?",
        "So yes, says Tom.",
        "So no, 18.",
        "So yes, let us subtract the rest.",
        "So no, wait.",
        "So no matter what, she pays.",
        "So yes, it is more. Next we look at the rest.",
        "No, that is the wrong way.",
    ],
)
def test_a_yes_or_no_that_is_open_concludes_nothing(end: str) -> None:
    assert split(f"16 - 7 = 9\n\n{end}").answer == ""


def test_a_check_by_its_name_may_follow_in_every_language_that_has_one() -> None:
    for language, names in word_sections("scopes")["check"].items():
        for name in names:
            for text in ("**Total**\n\n$18\n{}: 18 + 2 = 20", "She keeps **18**.\n({}: 18 + 2 = 20)"):
                assert "18" in split(text.format(name.strip("*").capitalize())).answer, (language, name)
    assert split("**Total**\n\n$18\nCheck: 18 + 2 = 20 is wrong.").answer == ""
    assert split("She keeps **18**.\nThen 18 + 2 = 20").answer == ""


def test_the_other_options_may_be_called_wrong_behind_the_one_that_is_right() -> None:
    for rest in ("The others are wrong.", "A and B are incorrect."):
        assert split(f"16 - 7 = 9\n\nThe answer is C. {rest}").answer == "C"
    assert split("16 - 7 = 9\n\n答案是C。其他选项错误。").answer == "C"
    assert split("16 - 7 = 9\n\nThe answer is C. That is wrong.").answer == ""


def test_boundaries_are_written_once_however_many_words_share_them() -> None:
    # Each is a class of a thousand characters, and the time to compile it was 24 s for the words of 76 languages.
    assert len(any_of(["nicht", "kein", "nie", "weder"]).pattern) < 1.2 * len(any_of(["nicht"]).pattern)


def test_a_word_for_is_in_one_language_denies_nothing_in_another() -> None:
    # Slovenian "ni" is "is not", Swahili "ni" is "is".
    assert split("3 + 4 = 7\n\nJumla ya gharama zote ni **shilingi 450**.").answer == "shilingi 450"
    assert any_language().no.search("ni") is None
