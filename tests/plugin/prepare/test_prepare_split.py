"""A problem is on one side in all its languages, wherever it stands; a seed gives one split, another one another."""

import pytest

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr_plugin.prepare.export.split import SplitOptions, Splitter

PROBLEMS = [f"gsm8k:{place}" for place in range(10_000)]


def split(test, problems=PROBLEMS, seed=0):
    splitter = Splitter(SplitOptions(test=test), problems, seed)
    return {problem for problem in problems if splitter(problem) == "test"}


def test_a_fraction_is_met_up_to_chance():
    # 500 expected, with a standard deviation of sqrt(10,000 * 0.05 * 0.95) = 22.
    assert abs(len(split(0.05)) - 500) < 4 * 22


def test_more_problems_move_none_of_the_old_ones():
    assert split(0.05) == split(0.05, PROBLEMS * 2 + ["new:1", "new:2"]) - {"new:1", "new:2"}


@pytest.mark.parametrize("count", [1, 100, 9_999])
def test_a_count_is_met_exactly_whatever_the_order_and_the_repetitions(count):
    assert len(split(count)) == count
    assert split(count) == split(count, PROBLEMS[::-1] + PROBLEMS[:100])


def test_a_larger_test_set_contains_the_smaller_one():
    assert split(100) < split(200)
    assert split(0.05) < split(0.1)


def test_another_seed_gives_another_split():
    # Of 500 and 500 of 10,000 problems, 25 are expected in both.
    assert len(split(0.05) & split(0.05, seed=1)) < 60


def test_no_test_set_is_no_test_set():
    assert split(0) == split(0.0) == set()


def test_more_than_there_is_cannot_be_kept_for_testing():
    with pytest.raises(DataError, match=r"split.test=3 .* only 3 problems"):
        split(3, ["a", "b", "c"])


@pytest.mark.parametrize("test", [-1, 1.0, 1.5, True, "a tenth"])
def test_what_is_no_fraction_and_no_count_is_named(test):
    with pytest.raises(ConfigError, match=r"^test="):
        SplitOptions(test=test)
