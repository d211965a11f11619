import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbrlsvr.answers import normalise
from pbrlsvr.models.translation.protect import BLOCK, INLINE, ascii_digits, from_engine, protect, to_engine

# What texts with mathematics are made of, whole and broken.
_MARKS = [
    "$",
    "$$",
    "\\(",
    "\\)",
    "\\[",
    "\\]",
    "\\boxed{",
    "\\frac{1}{2}",
    "{",
    "}",
    "`",
    "```\n",
    "```",
    "\n",
    " ",
    ". ",
]
_WHOLE = ["17 - 6 = 11", "x=3", "https://a.b/c.", "a@b.org", "Ana tofaa", "所以", "\ue000", "\ue001", "<<1+1=2>>", "X1"]
_BITS = st.sampled_from([*_MARKS, *_WHOLE])
TEXTS = st.one_of(st.text(), st.lists(st.one_of(_BITS, st.text(max_size=3)), max_size=30).map("".join))


@given(TEXTS)
def test_a_protected_text_comes_back_as_it_was(text):
    masked, pieces = protect(text)
    gaps = re.split(f"{BLOCK}|{INLINE}", masked)
    assert gaps[0] + "".join(piece + gap for piece, gap in zip(pieces, gaps[1:], strict=True)) == text


@given(TEXTS)
def test_a_translation_that_changes_nothing_gives_the_pieces_back_in_place(text):
    masked, pieces = protect(text)
    masked = masked.replace(BLOCK, INLINE)
    given_to_engine, names = to_engine(masked)
    found = from_engine(given_to_engine, names, pieces)
    # None only where the text itself is full of names; else it is the text, up to the spaces around names.
    assert found is None or re.sub(" ", "", found) == re.sub(" ", "", text)
    if not re.search(r"[XQZVK]\d", masked):
        assert found is not None


@given(st.integers(0, 10**12), st.sampled_from(["bn", "ar", "hi", "fa", "th", "mr", "ne", "my", "km", "sw"]))
def test_a_number_in_any_digits_becomes_the_same_number(number, language):
    zero = {
        "bn": "০",
        "ar": "٠",
        "hi": "०",
        "fa": "۰",
        "th": "๐",
        "mr": "०",
        "ne": "०",
        "my": "၀",
        "km": "០",
        "sw": "0",
    }
    native = "".join(chr(ord(zero[language]) + int(digit)) for digit in str(number))
    assert ascii_digits(f"a {native} b") == f"a {number} b"
    assert normalise(ascii_digits(native)) == normalise(native, language) == str(number)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("So 17 - 6 = 11 apples remain.", ["17 - 6 = 11"]),
        ("所以17-6=11个苹果。", ["17-6=11"]),
        ("৩ + ৪ = ৭ টি", ["3 + 4 = 7"]),
        ("3 × 4 = 12. Kisha 12 + 5 = 17.", ["3 × 4 = 12", "12 + 5 = 17"]),
        ("所以15×2=30，30÷3=10。Sasa 10·2=20.", ["15×2=30", "30÷3=10", "10·2=20"]),
        ("$18 - $5 = $13.", ["$18 - $5 = $13"]),
        ("(3+4)*2=14, 2x + 3 = 7", ["(3+4)*2=14", "2x + 3 = 7"]),
        ("Basi $x=3$ na \\boxed{\\frac{1}{2}} km.", ["$x=3$", "\\boxed{\\frac{1}{2}}"]),
        ("Hivyo \\(a+b\\) na \\sqrt{2}.", ["\\(a+b\\)", "\\sqrt{2}"]),
        ("Tazama https://a.b/c?d=1. Au a@b.org.", ["https://a.b/c?d=1", "a@b.org"]),
        ("Tumia `print(x)` hapa", ["`print(x)`"]),
        ("9 <<16-3-4=9>>9", ["<<16-3-4=9>>"]),
        ("It costs $5, and 3 apples cost $15.", []),
        ("well-known A - B, 1. Ana has 5 apples", []),
    ],
)
def test_mathematics_code_and_addresses_are_pieces_and_prose_is_not(text, pieces):
    assert protect(ascii_digits(text))[1] == pieces


@pytest.mark.parametrize(
    "block", ["```python\nx = 1\n```\n", "$$x = 1$$", "\\[x\n= 1\\]", "\\begin{align}x&=1\\end{align}"]
)
def test_displayed_formulas_and_fenced_code_end_a_sentence(block):
    assert protect(f"Maji.\n{block}Moto.") == (f"Maji.\n{BLOCK}Moto.", [block])


def test_code_that_is_never_closed_is_code_to_the_end():
    assert protect("Moto\n```\nx = 1\nmaji") == (f"Moto\n{BLOCK}", ["```\nx = 1\nmaji"])


@pytest.mark.parametrize(
    "translation", ["So apples remain.", "So X1 and X1 apples.", "So X1 of X2 apples.", "So X11 apples.", "So aX1 b"]
)
def test_a_name_that_is_lost_doubled_or_made_up_is_noticed(translation):
    assert from_engine(translation, ["X1"], ["17 - 6 = 11"]) is None


def test_names_may_change_their_order():
    assert from_engine("X2 after X1", ["X1", "X2"], ["1 + 1", "2 + 2"]) == "2 + 2 after 1 + 1"


def test_names_are_not_words_of_the_text():
    given_to_engine, names = to_engine(f"X1 na {INLINE}")
    assert (given_to_engine, names) == ("X1 na Q1", ["Q1"])


@pytest.mark.parametrize(
    "unit",
    [
        "\\a{",
        "$",
        "$x",
        "```p\n",
        "\\[",
        "\\begin{a}",
        "1+",
        "1",
        "a.",
        "a@",
        "((",
        "`",
        "http://",
        "\\frac{1}{",
        "1,",
        "\\",
    ],
)
def test_time_is_linear_on_hostile_text(unit):
    def seconds(length):
        text = (unit * length)[:length]
        started = time.process_time()
        protect(text)
        return time.process_time() - started

    # Of this process's CPU. The slowest takes a hundredth of it; quadratic time would be minutes.
    assert seconds(100_000) < 10.0
