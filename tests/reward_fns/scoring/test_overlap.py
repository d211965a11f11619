import threading

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.scoring.overlap import bleu, chrf

REFERENCE = "Ana has 17 apples and gives away 6 apples, so 17 - 6 = 11 apples are left."
PAIRS = [
    (REFERENCE, REFERENCE),
    ("Of her 17 apples Ana gives 6 away: 11 apples remain.", REFERENCE),
    ("Ana has 11.", REFERENCE),
    ("The train leaves at noon.", REFERENCE),
    ("a", "a b c d e f"),
]


@pytest.mark.parametrize(("text", "reference"), PAIRS)
def test_the_figures_are_sacrebleus_own(text, reference):
    # A corpus of one sentence is that sentence; BLEU's corpus figure differs only in `effective_order`.
    assert chrf(text, reference) == pytest.approx(sacrebleu.corpus_chrf([text], [[reference]]).score / 100)
    plus = sacrebleu.corpus_chrf([text], [[reference]], word_order=2).score / 100
    assert chrf(text, reference, word_order=2) == pytest.approx(plus)
    own = sacrebleu.corpus_bleu([text], [[reference]], use_effective_order=True, tokenize="13a", smooth_method="exp")
    assert bleu(text, reference) == pytest.approx(own.score / 100)


def test_equal_texts_score_one_and_empty_ones_zero():
    for score in (chrf, bleu):
        assert score(REFERENCE, REFERENCE) == pytest.approx(1.0)
        assert score("", REFERENCE) == score(" \n", REFERENCE) == 0.0
        with pytest.raises(DataError, match="reference is empty"):
            score(REFERENCE, " ")


def test_a_negative_word_order_is_refused():
    with pytest.raises(ConfigError, match="word_order=-1"):
        chrf("a", "b", word_order=-1)


def test_what_is_said_twice_loses_little_and_what_is_half_said_loses_half():
    # The numbers that the docstring of chrf names.
    assert 0.8 < chrf(f"{REFERENCE} {REFERENCE}", REFERENCE) < 0.86
    assert 0.45 < chrf(REFERENCE[: len(REFERENCE) // 2], REFERENCE) < 0.6


@settings(max_examples=50)
@given(st.text(), st.text().filter(str.strip))
def test_every_figure_is_in_range(text, reference):
    assert 0.0 <= chrf(text, reference) <= 1.0
    assert 0.0 <= bleu(text, reference) <= 1.0


def test_threads_do_not_mix_their_references():
    texts = [
        f"{word} apples remain after {number} days." for number, word in enumerate(["six", "ten", "two", "nine"] * 10)
    ]
    expected = [(chrf(text, texts[0]), bleu(text, texts[1])) for text in texts]
    found = [None] * len(texts)

    def work(place):
        for _ in range(5):
            found[place] = (chrf(texts[place], texts[0]), bleu(texts[place], texts[1]))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected
