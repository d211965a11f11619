"""The metrics of a batch, and the warnings on series of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbrlsvr_plugin.verl.metrics import Response, language_metrics
from pbrlsvr_plugin.verl.watch import AGAIN, FEWEST, WINDOW, Watch


def of(metrics, language):
    prefix = f"pbrlsvr/{language}/"
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}


def hybrid(**changes):
    """What a reward of ours returns."""
    return {
        "score": 0.5, "answer": 1.0, "answer_missing": 0.0, "answer_reward": 0.5, "reasoning": 0.6,
        "reasoning_missing": 0.0, "reasoning_reward": 0.3, "reasoning_language_share": 0.75,
        "reasoning_language_factor": 1.0, "reasoning_language_undetermined": 0.0, "reasoning_language_english": 0.25,
        "answer_language_factor": 1.0, "acc": 1.0, "answered": 1.0, **changes,
    }  # fmt: skip


def test_each_metric_is_what_its_formula_says():
    responses = [
        # Scores 1, 0: their standard deviation with n - 1 is sqrt(0.5).
        Response("sw", "a", 1.0, 10, False, True, hybrid()),
        Response("sw", "a", 0.0, 30, True, True, hybrid(acc=0.0, answer=0.0, answered=0.0)),
        # No spread; a row without a truth; a component that is missing; language lowered the score, or was not judged.
        Response("sw", "b", 0.4, 20, False, False, hybrid(acc=0.0, answer_missing=1.0, reasoning_language_factor=0.5)),
        Response("sw", "b", 0.4, 20, False, False, hybrid(acc=0.0, answer_missing=1.0, answer_language_factor=0.0,
                                                          reasoning_language_undetermined=1.0)),
        Response("de", "c", 0.2, 8, False, True, hybrid(acc=0.0)),
    ]  # fmt: skip
    metrics = language_metrics(responses)
    assert of(metrics, "sw") == pytest.approx(
        {
            "score": 1.8 / 4, "component/answer": 1 / 2, "component/reasoning": 0.6, "spread": math.sqrt(0.5) / 2,
            "groups_without_spread": 1 / 2, "accuracy": 1 / 2, "unanswered": 1 / 4, "truncated": 1 / 4, "gated": 2 / 4,
            "other_language": 0.25, "english": 0.25, "length": 20.0, "rows": 4.0,
        }
    )  # fmt: skip
    # One response to a prompt has no spread to speak of.
    assert not {"spread", "groups_without_spread"} & of(metrics, "de").keys()
    # Over all: every row weighs the same, not every language.
    assert of(metrics, "overall")["score"] == pytest.approx(2.0 / 5)
    assert of(metrics, "overall")["accuracy"] == pytest.approx(1 / 3)


def test_what_a_reward_does_not_say_is_left_out_and_not_zero():
    bare = of(language_metrics([Response("sw", "a", 1.0, 4, found={"acc": 1.0}, has_truth=True)]), "sw")
    assert set(bare) == {
        "score", "length", "rows"
    }  # fmt: skip
    # A score that is all a reward says is no accuracy, although veRL calls it "acc".
    assert "accuracy" not in bare
    off = hybrid(reasoning_language_undetermined=1.0)
    assert (
        not {"other_language", "english"} & of(language_metrics([Response("sw", "a", 1.0, 4, found=off)]), "sw").keys()
    )


def test_a_reward_of_the_users_own_has_its_numbers_as_components():
    found = {"score": np.float32(0.5), "max_overlap": np.float64(0.25), "note": "fine", "part": None, "sure": True}
    metrics = of(language_metrics([Response("sw", "a", 0.5, 4, found=found)]), "sw")
    components = {name: value for name, value in metrics.items() if name.startswith("component/")}
    assert components == {"component/max_overlap": 0.25, "component/sure": 1.0}


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, "0.5", None, [1], {"a": 1}, np.array([1, 2]), 10**400],
    ids=lambda value: str(value)[:9],
)
def test_a_value_that_is_no_number_leaves_the_mean(value):
    responses = [Response("sw", "a", 1.0, 4, found=hybrid(reasoning=value, acc=value, answered=value), has_truth=True),
                 Response("sw", "a", math.nan, 4, found=hybrid(reasoning=0.5), has_truth=True)]  # fmt: skip
    metrics = of(language_metrics(responses), "sw")
    assert metrics["component/reasoning"] == 0.5
    assert metrics["accuracy"] == 1.0
    assert metrics["score"] == 1.0
    assert all(math.isfinite(value) for value in metrics.values())


@given(
    st.lists(
        st.builds(
            Response,
            language=st.sampled_from(["sw", "min", "unknown"]),
            group=st.sampled_from("abc"),
            score=st.floats(),
            length=st.integers(0, 10**6),
            truncated=st.none() | st.booleans(),
            has_truth=st.booleans(),
            found=st.dictionaries(
                st.sampled_from([*hybrid(), "min_x", ""]), st.none() | st.floats() | st.text() | st.integers()
            ),
        )
    )
)
def test_whatever_a_reward_returns_all_metrics_are_finite_numbers(responses):
    metrics = language_metrics(responses)
    assert all(type(value) is float and math.isfinite(value) for value in metrics.values())
    assert metrics.get("pbrlsvr/overall/rows", 0) == len(responses)


def warnings(*languages, steps=30, watch=None, first=1):
    """What is said in each step; a language's metrics are functions of the step, or constants."""
    watch = watch or Watch()
    said = {}
    for step in range(first, first + steps):
        metrics = {
            f"pbrlsvr/{language}/{name}": value(step) if callable(value) else value
            for language, values in languages
            for name, value in {"rows": 64.0, **values}.items()
        }
        if texts := watch.look(step, metrics):
            said[step] = texts
    return said


HEALTHY = {
    "score": lambda step: min(0.9, 0.3 + 0.01 * step), "accuracy": lambda step: min(0.9, 0.2 + 0.01 * step),
    "spread": 0.3, "groups_without_spread": 0.2, "other_language": 0.05, "english": 0.04,
    "length": lambda step: 300 + 2 * step, "truncated": 0.02, "gated": 0.05,
}  # fmt: skip


def test_a_healthy_run_warns_of_nothing():
    assert warnings(("overall", HEALTHY), ("sw", HEALTHY), steps=150) == {}


def falls(step):
    return 0.3 * 0.9**step


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"groups_without_spread": 0.85}, "85% of the groups have no spread"),
        ({"spread": falls}, "the spread within a group fell from"),
        ({"other_language": 0.4, "english": 0.38}, "40% of the reasoning in another language, 38% in English"),
        ({"other_language": lambda step: min(0.25, 0.01 * step), "english": 0.0}, "0% in English (3% at first)"),
        ({"length": lambda step: 100 * 1.06**step}, "steps before"),
        ({"truncated": 0.5}, "50% of the responses are cut off"),
        ({"score": lambda step: 0.3 + 0.01 * step, "accuracy": lambda step: 0.6 - 0.005 * step}, "since step"),
    ],
)
def test_trouble_in_one_language_is_named_once_with_what_to_do(change, words):
    said = warnings(("de", HEALTHY), ("sw", {**HEALTHY, **change}), steps=45)
    assert len(said) == 1, said
    ((step, texts),) = said.items()
    assert len(texts) == 1
    assert words in texts[0]
    assert texts[0].startswith(f"step {step}, ")
    assert "sw: " in texts[0]
    assert "de: " not in texts[0]
    # What to do names an option.
    assert any(option in texts[0] for option in ("actor_rollout_ref.", "data.max_response_length", "combine."))


def test_what_holds_is_said_again_after_some_time_and_news_at_once():
    watch = Watch()
    bad = {**HEALTHY, "groups_without_spread": 0.9}
    first = warnings(("sw", bad), ("de", HEALTHY), steps=20, watch=watch)
    assert list(first) == [WINDOW]
    second = warnings(("sw", bad), ("de", bad), steps=80, watch=watch, first=21)
    # German joins, once its mean over the window is bad; and each is said again after AGAIN steps.
    (news, again, *later) = second
    assert 21 <= news < 21 + WINDOW
    assert "de: " in second[news][0]
    assert again in (WINDOW + AGAIN, news + AGAIN)
    assert not later


def test_one_bad_step_and_a_handful_of_rows_are_no_reason_to_warn():
    one_step = {**HEALTHY, "groups_without_spread": lambda step: 1.0 if step == 12 else 0.1}
    assert warnings(("sw", one_step)) == {}
    few = {**HEALTHY, "groups_without_spread": 1.0, "truncated": 1.0, "rows": (FEWEST - 1) / WINDOW}
    assert warnings(("sw", few)) == {}


def test_short_responses_may_double():
    assert warnings(("sw", {**HEALTHY, "length": lambda step: 5 + step})) == {}


def test_a_slow_fall_of_the_accuracy_under_a_rising_reward_is_noticed():
    slow = {**HEALTHY, "score": lambda step: 0.4 + 0.0005 * step, "accuracy": lambda step: 0.6 - 0.0005 * step}
    step = min(warnings(("overall", slow), steps=100))
    assert 40 < step < 70


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_not_taken_for_gaming(seed):
    noise = np.random.default_rng(seed)

    def noisy(_):
        return float(noise.normal(0.5, 0.1))

    languages = [(f"l{number}", {**HEALTHY, "score": noisy, "accuracy": noisy}) for number in range(30)]
    assert warnings(*languages, steps=300) == {}
