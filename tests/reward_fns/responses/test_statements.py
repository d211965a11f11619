"""The sentence that states a final answer, as COMET compares it."""

import doctest

import pytest

from pbrlsvr.responses import statements
from pbrlsvr.responses.spans import split
from pbrlsvr.responses.statements import in_words, statement


@pytest.mark.parametrize(
    ("response", "stated"),
    [
        ("9 eggs are left.\nShe earns 9 * 2 = 18 dollars a day.\n#### 18", "She earns 9 * 2 = 18 dollars a day."),
        # What only announces the answer says nothing that could be compared.
        ("So she earns $18 a day. Therefore, the answer is 18.", "So she earns $18 a day."),
        ("She earns $2 \\times 9 =$ $\\boxed{18}$ dollars.", "She earns $2 \\times 9 = 18"),
        ("She keeps 9 and earns 18 dollars.\n9 * 2 = 18\n\\boxed{18}", "She keeps 9 and earns 18 dollars."),
        ("Sie nimmt 1.800 Euro ein. Das ist viel.\n#### 1800", "Sie nimmt 1.800 Euro ein."),
        ("সে দিনে ১৮ টাকা আয় করে।\n#### 18", "সে দিনে ১৮ টাকা আয় করে।"),
        ("हम 9 जोड़ते हैं।\nअब जोड़ते हैं 9+9=18।\n#### 18", "अब जोड़ते हैं 9+9=18।"),
        ("她每天赚18美元。这是答案。\n#### 18", "她每天赚18美元。"),
        # The number is not there in digits: the last sentence with words, and the answer.
        ("Al final le quedan once.\n17 - 6\n#### 11", "Al final le quedan once. 11"),
        ("The river is the Seine, of course. <answer>the Seine</answer>", "The river is the Seine, of course."),
        ("I think so. <answer>It is the river Seine</answer>", "It is the river Seine"),
        ("9 * 2 = 18\n#### 18", "18"),
        ("#### 18", "18"),
        ("", ""),
    ],
)
def test_it_is_the_sentence_that_says_what_the_answer_is_of(response, stated):
    spans = split(response)
    assert statement(spans.reasoning, spans.answer) == stated


def test_a_wrong_answer_has_a_statement_of_its_own():
    right, wrong = (f"She earns {n} dollars a day. That is all." for n in (18, 26))
    assert statement(right, "18") == "She earns 18 dollars a day."
    assert statement(wrong, "26") == "She earns 26 dollars a day."


def test_words_are_told_from_formulas_and_letters():
    assert [in_words(text) for text in ("18", "C", "x = 18", "18 eggs", "18个鸡蛋啊", "$\\frac12$")] == [
        *(False, False, False, True, True, True)
    ]


@pytest.mark.parametrize("unit", ["x", "18 ", "18. ", "the answer is 18. ", "a\n", "18,", "。", " "])
def test_a_long_text_is_read_in_time_that_grows_with_its_length_only(unit):
    assert len(statement(unit * (200_000 // len(unit)), "18")) <= 1_100


def test_the_examples_in_the_docstring_run():
    assert doctest.testmod(statements).failed == 0
