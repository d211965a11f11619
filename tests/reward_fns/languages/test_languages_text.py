"""What the identifier sees: prose without code and formulas, words sorted by script, in bounded time."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbrlsvr.languages.text import WORDS_PER_SEGMENT, prose, segments, words

SENTENCE = "then we multiply the number of eggs by the price"


def shown(text: str) -> str:
    return " ".join(prose(text)[0].split())


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Son $x_1 + y = 9$ huevos", "Son huevos"),
        (r"Son \[ \frac{a}{b} \] huevos", "Son huevos"),
        (r"Son \(\alpha\) huevos", "Son huevos"),
        ("Son $$abc = d$$ huevos", "Son huevos"),
        (r"Son \begin{align*} area &= base \end{align*} huevos", "Son huevos"),
        (r"Son $9 \text{ huevos}$", "Son huevos"),
        ("Usa `range(n)` aquí", "Usa aquí"),
        ("Antes\n```python\nfor egg in eggs:\n    total += 1\n```\ndespués", "Antes después"),
        ("Ver https://example.org/the/page y a@b.org", "Ver y"),
        ("<think>Sumamos</think> <b>9</b>", "Sumamos 9"),
        # money is no formula
        ("Gana $2 por huevo y $3 por pato", "Gana $2 por huevo y $3 por pato"),
    ],
)
def test_code_formulas_addresses_and_tags_are_taken_out(text: str, left: str) -> None:
    assert shown(text) == left


@pytest.mark.parametrize(
    "disguise",
    [
        f"```\n{SENTENCE}\n```",
        f"```python\n# {SENTENCE}\n```",
        f"`{SENTENCE}`",
        f"${SENTENCE}$",
        rf"\[\mathrm{{{SENTENCE}}}\]",
        rf"$\text{{{SENTENCE}}}$",
        " ".join(f"<{word}>" for word in SENTENCE.split()),
        " ".join(f"https://{word}" for word in SENTENCE.split()),
    ],
)
def test_a_sentence_in_the_guise_of_code_or_mathematics_stays(disguise: str) -> None:
    seen = [word.text for word in words(prose(disguise)[0])]
    assert set(SENTENCE.split()) <= set(seen)


def test_comments_and_strings_in_real_code_are_code() -> None:
    text = (
        "```python\n# total number of eggs left over\ntotal = morning - breakfast\nprint(total, remaining, price)\n```"
    )
    assert shown(text) == ""
    assert prose(text)[1] == 1.0


def test_invisible_characters_vanish_and_are_counted() -> None:
    text = "a\u200bb\u202ec\u2060d"
    assert prose(text)[0] == "abcd"
    assert prose(text)[2] == pytest.approx(3 / 7)


def test_spelled_out_words_are_put_together_and_variables_are_not() -> None:
    assert "themultiply" in shown(" ".join("themultiply"))
    assert shown("x y z") == "x y z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GPU時代です", [("GPU", "Latn", 3), ("時代", "Hani", 6), ("です", "Hrkt", 4)]),
        ("사과 3개", [("사과", "Hang", 4), ("개", "Hang", 2)]),
        # two letters with two vowel signs
        ("নেদে", [("নেদে", "Beng", 4)]),
        ("x = 12", [("x", "Latn", 0)]),
        ("l'œuf", [("l'œuf", "Latn", 4)]),
    ],
)
def test_words_are_sorted_by_script_and_weighed_in_letters(text: str, expected: list[tuple[str, str, int]]) -> None:
    assert [(word.text, word.script, word.weight) for word in words(text)] == expected


@pytest.mark.parametrize(
    ("text", "read", "script", "lookalikes"),
    [
        ("numbеr", "number", "Latn", 1),  # Cyrillic е
        ("tοtal", "total", "Latn", 1),  # Greek ο
        ("cколько", "сколько", "Cyrl", 1),  # Latin c
        ("numbжr", "numbжr", "Zyyy", 0),
        ("𝐧𝐮𝐦𝐛𝐞𝐫", "number", "Latn", 0),
        ("ｎｕｍｂｅｒ", "number", "Latn", 0),
    ],
)
def test_lookalike_letters_are_put_back(text: str, read: str, script: str, lookalikes: int) -> None:
    (word,) = words(text)
    assert (word.text, word.script, word.lookalikes) == (read, script, lookalikes)


def test_stacked_marks_add_no_weight() -> None:
    assert words("ก" + "้" * 500)[0].weight == 2


def test_a_long_sentence_is_cut_into_equal_segments() -> None:
    sizes = [len(segment) for segment in segments(" ".join(["word"] * 26))]
    assert sum(sizes) == 26
    assert max(sizes) <= WORDS_PER_SEGMENT
    assert max(sizes) - min(sizes) <= 1


HOSTILE = [
    "$", "$x ", "\\[", "\\(", "\\begin{align}", "`", "``` ", "<a", "a.", "a@", "http://", "a", "ab ",
    "\\text{", "$\\text", "\\",
    "中", "中. ", "ก", "```ก ", "a ", "\ufdfa", "\u0301\u0323", "{", "-", "\ud800", "Aа ", "\u200b", "👩‍👩‍👧", "🄰", "9",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hundred_thousand_hostile_characters_take_seconds_at_most(piece: str) -> None:
    text = ("```" if piece == "ab " else "") + piece * (100_000 // len(piece))
    start = time.process_time()
    for segment in segments(prose(text)[0]):
        assert segment
    assert time.process_time() - start < 10


@settings(deadline=None)
@given(st.text(max_size=300))
def test_shares_are_shares_and_weights_are_not_negative(text: str) -> None:
    _, excluded, invisible = prose(text)
    assert 0 <= excluded <= 1
    assert 0 <= invisible <= 1
    for segment in segments(text):
        assert all(word.weight >= 0 and word.text for word in segment)
