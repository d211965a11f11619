"""Remarks behind an answer: "Note: ...", which neither take its place nor hide it."""

import doctest

import pytest
from last_sentences import reads

from pbrlsvr.responses import remarks
from pbrlsvr.responses.spans import split
from pbrlsvr.words import word_sections


@pytest.mark.parametrize(
    ("language", "truth", "ending"),
    [
        ("en", "18", "So she earns $18.\n\n**Note:** with 20 eggs she would earn 26."),
        ("en", "18", "Therefore, she earns $18.\n\nP.S. With 20 eggs it would be 26."),
        ("en", "18", "So she earns 18 dollars.\n\nNotes:\n- 16 eggs a day\n- 3 are eaten"),
        ("en", "9", "She sells **9** eggs.\n\nNote that the ducks lay 16 eggs."),
        ("en", "No", "So no, it is not prime.\n\nNote: 91 = 7 × 13."),
        ("de", "18", "Also verdient sie 18 Dollar.\n\n*Hinweis: Die Enten legen 16 Eier.*"),
        ("es", "13", "Así que tendrá que esperar 13 años.\n\n**Nota:** a los 12 años solo recupera la inversión."),
        ("ru", "5.5", "В итоге на дорогу уйдёт **5,5 часа**.\n\nПримечание: с остановкой на обед выйдет 6,5."),
        ("zh", "18", "因此她赚了18美元。\n\n注：每天有16个蛋。"),
        ("ko", "18", "따라서 18달러를 벌어요.\n\n※ 하루 16개 기준입니다."),
        ("hi", "18", "इसलिए वह 18 डॉलर कमाती है।\n\nनोट: बत्तखें 16 अंडे देती हैं।"),
        ("sw", "18", "Kwa hivyo anapata dola 18.\n\nKumbuka: bata hutaga mayai 16."),
    ],
)
def test_an_answer_is_read_before_a_remark(language: str, truth: str, ending: str) -> None:
    assert reads(language, truth, ending)


@pytest.mark.parametrize(
    "ending",
    [
        "Therefore, she earns $18.\n\nNote: this is wrong, she gives away four of them.",
        "16 eggs are laid.\n\nNote: 18 dollars would be too much.",
        "Note: 18 eggs are in a box.",
    ],
)
def test_a_remark_that_takes_the_answer_back_leaves_none(ending: str) -> None:
    assert "18" not in split(f"16 - 3 - 4 = 9\n\n{ending}").answer


def test_what_stands_behind_a_remark_is_the_end() -> None:
    assert split("Note: the ducks lay 16 eggs.\n\nSo she earns 18 dollars.").answer == "she earns 18 dollars"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("Answer: 24\n\nSorry for the long explanation!", "24"),
        ("**18**\n\nHope this helps! Let me know. 😊", "18"),
        ("คำตอบคือ 18 หวังว่าจะเป็นประโยชน์นะคะ", "18"),
        ("The answer is 18. Thank you, but it is wrong.", ""),
        ("The answer is 18. Thanks for pointing that out, it's wrong.", ""),
        ("Answer: 24\n\nSorry for the confusion, it is not 24.", ""),
        ("答案是18。希望我没算错，其实应该再加税。", ""),
        ("I hope she has 18.", ""),
    ],
)
def test_a_polite_sentence_behind_the_answer_counts_only_where_it_denies_it(response: str, answer: str) -> None:
    assert split(f"16 - 3 - 4 = 9\n\n{response}").answer == answer


def test_no_word_is_in_a_language_twice() -> None:
    for words in word_sections("remarks")["remark"].values():
        assert len(set(words)) == len(words)


def test_examples() -> None:
    assert doctest.testmod(remarks).failed == 0
