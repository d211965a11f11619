import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbrlsvr.errors import DataError
from pbrlsvr.models.embedding.alignment import alignment

#: Six steps that have nothing to do with each other: each cosine is 0 or 1, so that the arithmetic is plain.
A, B, C, D, E, F = np.eye(6)
STEPS = np.stack([A, B, C, D])


def test_the_same_steps_in_the_same_order_score_one():
    assert alignment(STEPS, STEPS) == pytest.approx(1.0)


def test_reversed_steps_score_what_one_match_is_worth():
    # Beads do not cross, so one of the four steps can be matched: sqrt(1/4 * 1/4).
    assert alignment(STEPS[::-1], STEPS) == pytest.approx(0.25)


def test_two_swapped_steps_cost_one_of_them():
    assert alignment([A, C, B, D], STEPS) == pytest.approx(0.75)


def test_dropped_steps_lower_the_score():
    # Three steps with a third of the response each, and a quarter of the reference: 3 * sqrt(1/3 * 1/4).
    assert alignment([A, B, D], STEPS) == pytest.approx(3 / np.sqrt(12))
    assert alignment([A, D], STEPS) == pytest.approx(2 / np.sqrt(8))


@pytest.mark.parametrize("place", range(5))
def test_padding_lowers_the_score_wherever_it_stands(place):
    padded = np.insert(STEPS, place, E, axis=0)
    assert alignment(padded, STEPS) == pytest.approx(4 / np.sqrt(5 * 4))
    assert alignment(np.insert(padded, place, F, axis=0), STEPS) == pytest.approx(4 / np.sqrt(6 * 4))


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_repeated_step_is_padding(times):
    repeated = [A, *[B] * times, B, C, D]
    assert alignment(repeated, STEPS) == pytest.approx(4 / np.sqrt((4 + times) * 4))


def test_repeating_the_right_steps_does_not_hide_the_wrong_ones():
    half_right = [A, B, E, F]
    assert alignment([A, B, A, B, A, B, E, F], STEPS) < alignment(half_right, STEPS)


def test_a_split_step_costs_nothing_where_its_parts_add_up():
    whole = 3 * A + 2 * B  # an encoder's vector of "A. B." with A half as long again as B
    split = alignment([A, B, C], [whole, C], [3, 2, 4], [5, 4])
    assert split == pytest.approx(1.0)
    assert alignment([whole, C], [A, B, C], [5, 4], [3, 2, 4]) == pytest.approx(1.0)


def test_a_detailed_text_matches_a_terse_one_step_by_step():
    rng = np.random.default_rng(3)
    terse = np.eye(8)[:4]
    detailed = np.repeat(terse, 10, axis=0) + rng.normal(0, 0.1, (40, 8))
    assert alignment(detailed, terse) > 0.95
    assert alignment(detailed[::-1], terse) < 0.5


def test_longer_steps_weigh_more():
    # The response lacks a step: of a tenth of the reference, or of seven tenths.
    assert alignment([A, B], [A, B, C], [2, 1], [2, 1, 1]) > alignment([A, B], [A, B, C], [2, 1], [2, 1, 7])


def test_the_floor_takes_away_what_unrelated_steps_have_in_common():
    # All steps share a direction: unrelated steps have cosine 0.8 without, and 0 with, the floor.
    steps = np.hstack([np.sqrt(0.2) * np.eye(4), np.full((4, 1), np.sqrt(0.8))])
    assert alignment(steps[::-1], steps) > 0.8
    assert alignment(steps[::-1], steps, floor=0.8) == pytest.approx(0.25)
    assert alignment(steps, steps, floor=0.8) == pytest.approx(1.0)


def test_without_steps_the_score_is_zero():
    assert alignment([], STEPS) == 0.0
    assert alignment(STEPS, np.zeros((0, 6))) == 0.0
    assert alignment(np.zeros((2, 6)), STEPS) == 0.0


def test_steps_that_cancel_each_other_match_nothing():
    assert alignment([A], [B, -B]) == 0.0


def brute_force(x, y, merges):
    """The best set of beads, by trying each: an independent reading of the formula."""
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))

    def gain(i, k, j, q):
        u, v = x[i : i + k].sum(axis=0), y[j : j + q].sum(axis=0)
        cosine = float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
        return np.sqrt(k / len(x) * q / len(y)) * max(0.0, cosine)

    def best(i, j):
        if i == len(x) or j == len(y):
            return 0.0
        sizes = [(1, q) for q in range(1, merges + 1)] + [(k, 1) for k in range(2, merges + 1)]
        beads = (gain(i, k, j, q) + best(i + k, j + q) for k, q in sizes if i + k <= len(x) and j + q <= len(y))
        return max(best(i + 1, j), best(i, j + 1), *beads)

    return best(0, 0)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (2, 5), (4, 4), (5, 3)])
def test_the_score_is_that_of_the_best_of_all_sets_of_beads(n, m):
    rng = np.random.default_rng(10 * n + m)
    for _ in range(5):
        x, y = rng.random((n, 8)), rng.random((m, 8))  # no negative cosines
        merges = max(4, 2 * -(-max(n, m) // min(n, m)))
        assert alignment(x, y) == pytest.approx(brute_force(x, y, merges))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000), st.floats(-1, 0.9))
def test_scores_stay_in_range_and_are_symmetric(n, m, seed, floor):
    rng = np.random.default_rng(seed)
    x, y, a, b = rng.normal(size=(n, 4)), rng.normal(size=(m, 4)), rng.uniform(1, 90, n), rng.uniform(1, 90, m)
    score = alignment(x, y, a, b, floor=floor)
    assert 0.0 <= score <= 1.0
    assert score == pytest.approx(alignment(y, x, b, a, floor=floor), abs=1e-9)
    assert alignment(x, x, a, a, floor=floor) == pytest.approx(1.0)


def test_no_other_order_of_distinct_steps_scores_as_high():
    scores = [alignment(STEPS[list(order)], STEPS) for order in itertools.permutations(range(4))]
    assert scores[0] == pytest.approx(1.0)
    assert max(scores[1:]) == pytest.approx(0.75)


def test_two_very_long_reasonings_are_compared_in_little_work():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 256, 384))
    start = time.process_time()
    alignment(x, y)
    assert time.process_time() - start < 10.0  # of this process's CPU; it takes about 0.02 s


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([A], [A], [1.0, 2.0]), r"response: vectors of shape \(1, 6\) need lengths of shape \[n\], not \(2,\)"),
        (([A], [A], [1.0], [0.0]), "reference: a vector is not finite or a length is not positive"),
        (([A * np.nan], [A]), "response: a vector is not finite"),
        (([A], [[1.0, 2.0]]), "6 dimensions and the reference's 2"),
    ],
)
def test_input_that_does_not_fit_is_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        alignment(*arguments)


@pytest.mark.parametrize("floor", [1.0, -1.5, float("nan")])
def test_a_floor_that_is_no_cosine_is_refused(floor):
    with pytest.raises(DataError, match="floor="):
        alignment([A], [A], floor=floor)
