"""Which candidate becomes the reference, and why a row has none."""

import pytest

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.prepare.reference.verify import Verify, VerifyOptions
from pbrlsvr_plugin.prepare.stage import new_row


def candidate(answer, reasoning="Because.", finish_reason="stop"):
    return {"reasoning": reasoning, "answer": answer, "thinking": "", "finish_reason": finish_reason, "model": "m"}


def verify(context, rejects, truth, *candidates, **options):
    row = new_row(id="a:1", answer=truth, candidates=list(candidates))
    return list(Verify(VerifyOptions(**options), context("sw")).run([row], rejects))


def test_the_right_answer_is_recognised_in_another_form(context, rejects):
    (row,) = verify(context, rejects, "1234", candidate("$1,234.00"))
    assert (row["pivot_answer"], row["pivot_reasoning"], row["pivot_model"]) == ("$1,234.00", "Because.", "m")
    assert row["candidates"] == []


@pytest.mark.parametrize(
    ("choose", "reasoning"),
    [
        ("first", "three words here"),
        ("shortest", "a"),
        ("median", "three words here"),
        ("longest", "a lot of words here"),
    ],
)
def test_the_best_of_the_right_candidates_is_chosen(choose, reasoning, context, rejects):
    found = [
        candidate("5", "wrong"),
        *(candidate("4", text) for text in ("three words here", "a", "a lot of words here")),
    ]
    (row,) = verify(context, rejects, "4", *found, choose=choose)
    assert row["pivot_reasoning"] == reasoning


@pytest.mark.parametrize(
    ("truth", "candidates", "reason"),
    [
        ("4", [candidate("5"), candidate("6")], "wrong_answer"),
        ("4", [candidate("")], "no_answer"),
        ("4", [candidate("4", "")], "no_reasoning"),
        ("4", [candidate("4", finish_reason="length")], "no_candidate"),
        ("4", [candidate("3 or 4")], "wrong_answer"),
        ("", [candidate("4"), candidate("5"), candidate("4"), candidate("5")], "no_majority"),
        ("", [candidate("4"), candidate("4"), candidate("5"), candidate("6"), candidate("7")], "no_majority"),
        ("", [candidate("4")], "no_majority"),
        ("", [candidate("3 or 4"), candidate("1, 2")], "no_answer"),
    ],
)
def test_the_reason_is_named(truth, candidates, reason, context, rejects):
    assert verify(context, rejects, truth, *candidates) == []
    assert rejects == [("a:1", reason)]


def test_a_majority_stands_in_for_the_ground_truth(context, rejects):
    found = [candidate("4 apples", "long reasoning"), candidate("5"), candidate("4", "short")]
    (row,) = verify(context, rejects, "", *found)  # two of three say 4
    assert (row["pivot_answer"], row["pivot_reasoning"], row["answer"]) == ("4", "short", "")


def test_a_cut_off_candidate_counts_against_the_majority(context, rejects):
    found = [candidate("4"), candidate("4"), *[candidate("", finish_reason="length")] * 3]
    assert verify(context, rejects, "", *found) == []  # 2 of 5
    assert len(verify(context, rejects, "", *found, threshold=0.4)) == 1


def test_reasoning_of_the_wrong_length_is_rejected(context, rejects):
    assert verify(context, rejects, "4", candidate("4", "x" * 50), max_characters=20) == []
    assert rejects == [("a:1", "reasoning_length")]


def test_answers_may_go_unchecked(context, rejects):
    (row,) = verify(context, rejects, "Paris", candidate("Rome"), check_answers=False)
    assert row["pivot_answer"] == "Rome"


@pytest.mark.parametrize("options", [{"choose": "best"}, {"threshold": 0}, {"votes": -1}])
def test_options_that_cannot_work_are_named(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        VerifyOptions(**options)
