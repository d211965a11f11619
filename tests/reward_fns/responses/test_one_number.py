"""Which number a sentence states that has several."""

import pytest

from pbrlsvr.answers import equal
from pbrlsvr.responses.spans import split

REASONING = "16 - 3 - 4 = 9\n9 * 2 = 18\n\n"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Answer: 18 dollars for the 9 eggs"),
        ("en", "Answer: He earns $18 from the 9 eggs, at $2 each."),
        ("en", "**Answer:** 9 eggs remain, which bring $18."),
        ("en", "Answer: it is 18 dollars (2 dollars for each egg)"),
        ("en", "So she earns 18 dollars from 9 eggs."),
        ("en", "So 9 eggs at 2 dollars each bring 18 dollars."),
        ("en", "So she earns a total of 9 * 2 = 18 dollars for the 9 eggs."),
        ("de", "**Antwort**\nSie verdient 18 Dollar in 4 Wochen."),
        ("fr", "Elle gagne donc 9 x 2 = 18 dollars par jour."),
        ("fr", "Elle gagne donc 18 dollars avec ses 9 œufs."),
        ("es", "**Conclusión:**\nClaire gana 18 dólares en 4 semanas."),
        ("ja", "**答え:**\nジェームズは1週間に合計18メートル走ります。"),
        ("hi", "उत्तर: वह 9 अंडों से 18 डॉलर कमाती है।"),
        ("ar", "الجواب: تكسب 18 دولارًا من 9 بيضات."),
    ],
)
def test_the_result_is_told_from_what_it_is_made_of(language, said):
    assert equal(split(REASONING + said).answer, "18", language)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        # Offered beside each other, or two answers.
        ("en", "Answer: She earns 18 dollars or 20 dollars"),
        ("en", "So she earns 18 dollars or maybe in the end 9 dollars."),
        ("en", "So she has 9 eggs and earns 18 dollars."),
        ("en", "Answer: Anna has 9 eggs, Ben has 18 eggs"),
        ("en", "Answer: the ratio is 9 to 18"),
        ("en", "Answer: the values are 9 for x and 18 for y"),
        ("zh", "答案:下午18点或9点"),
        # Parts of one quantity.
        ("en", "So he finishes in 9 hours and 18 minutes."),
        ("en", "So in total it is done within 9 hours 18 minutes."),
        ("en", "Answer: He finishes in 9 hours and 18 minutes."),
        # Another number than the calculation's, and a step.
        ("en", "Answer: she earns 18 of 20"),
        ("fa", "پس ۱۸ ضرب در ۶ می‌شود ۵۴ دلار."),
        ("en", "3 * 28 = 84\nIn total, she eats 18 eggs in 9 weeks, and that is 84 / 12 = 7 dozen eggs."),
    ],
)
def test_a_number_that_is_not_the_only_answer_is_none(language, said):
    assert not equal(split(REASONING + said).answer, "18", language)


@pytest.mark.parametrize(
    ("language", "response"),
    [
        ("en", "84 / 12 = 7\nAnswer: 7 dozen eggs"),
        ("en", "84 eggs / 12 eggs per dozen = 7 dozen\n\\boxed{7\\text{ dozen}}"),
        ("en", "\\frac{84}{12} = 7\n#### 7 dozen"),
        ("en", "So that is 84 / 12 = 7 dozen eggs."),
        ("es", "84 ÷ 12 = 7\nPor lo tanto, comerá **7 docenas** de huevos."),
        ("sw", "84 ÷ 12 = 7\nKwa jumla, Claire atakula dazeni 7 za mayai kwa wiki 4."),
        ("zh", "84 ÷ 12 = 7\n答案：7打鸡蛋"),
    ],
)
def test_dozens_that_were_asked_for_are_a_unit(language, response):
    assert equal(split(response).answer, "7", language)
    assert equal(split("7 * 12 = 84\nAnswer: 7 dozen").answer, "84", "en")
    assert equal(split("84 / 12 = 7\nAnswer: 7 million").answer, "7,000,000", "en")
