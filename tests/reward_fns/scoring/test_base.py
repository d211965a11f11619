"""A reward is an object that is built once, and a function for veRL: with its options in its signature and its text."""

import asyncio
import inspect
import pickle
import subprocess
import sys
from typing import ClassVar

import pytest
from omegaconf import OmegaConf

import pbrlsvr
from pbrlsvr.errors import ConfigError, DataError, ModelError
from pbrlsvr.options import Field
from pbrlsvr.scoring.base import Reward, SemanticReward, verl_function
from pbrlsvr.scoring.combine import CombineOptions, on_grid
from pbrlsvr.serving.options import ServingOptions

ROW = {"language": "en", "pivot_reasoning": "17 apples minus 6 apples are 11 apples.", "pivot_answer": "11"}
RESPONSE = "17 apples minus 6 apples are 11 apples. #### 11"
EVERY = pytest.mark.parametrize("name", pbrlsvr.REWARD_FUNCTIONS)


class ShortAnswer(Reward):
    """1 where the response is short, else what is left of it.

    It counts letters.
    """

    built: ClassVar[list["ShortAnswer"]] = []

    letters: float = Field(10, gt=0)
    """How long a response
    may be."""
    places: tuple[int, ...] = (1, 2)
    """Where."""

    def model_post_init(self, _):
        ShortAnswer.built.append(self)

    async def __call__(self, rollout):
        return {"score": min(1.0, self.letters / max(1, len(rollout.text))), "seen": float(rollout.served_at == "h:1")}


short_answer = verl_function(ShortAnswer)


@pytest.fixture(autouse=True)
def nothing_built():
    ShortAnswer.built.clear()


def call(function, response=RESPONSE, truth="11", row=ROW, **options):
    return asyncio.run(function("demo/en", response, truth, row, **options))


# The function


@EVERY
def test_verl_takes_it_for_an_async_function_with_its_four_arguments(name):
    function = getattr(pbrlsvr, name)
    assert inspect.iscoroutinefunction(function)
    assert (function.__name__, function.__qualname__, function.__module__) == (name, name, "pbrlsvr")
    parameters = inspect.signature(function).parameters
    assert list(parameters)[:4] == ["data_source", "solution_str", "ground_truth", "extra_info"]
    assert {"reward_router_address", "reward_model_tokenizer"} < set(parameters)


@EVERY
def test_the_signature_has_each_option_with_its_default(name):
    function = getattr(pbrlsvr, name)
    parameters, reward = inspect.signature(function).parameters, function.reward
    usual = reward()
    for option in reward.model_fields:
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[option].default == getattr(usual, option)
    fixed = {"data_source", "solution_str", "ground_truth", "extra_info", "reward_router_address",
             "reward_model_tokenizer"}  # fmt: skip
    assert set(parameters) == fixed | set(reward.model_fields)


@EVERY
def test_the_documentation_is_that_of_the_class_with_its_options(name):
    function = getattr(pbrlsvr, name)
    text = inspect.getdoc(function)
    assert text.startswith(inspect.cleandoc(function.reward.__doc__))
    if not function.reward.model_fields:
        assert text.endswith("\nIt has no options.")
        return
    _, options = text.split("\nOptions:")
    told = [line.strip().partition(": ") for line in options.splitlines()[1:]]
    assert [option for option, _, _ in told] == list(function.reward.model_fields)
    assert all(len(meaning) > 10 for _, _, meaning in told)


def test_a_reward_of_ones_own_becomes_a_function_of_its_name():
    assert short_answer.__name__ == "short_answer"
    assert short_answer.__module__ == __name__
    assert inspect.getdoc(short_answer) == (
        "1 where the response is short, else what is left of it.\n\nIt counts letters.\n\nOptions:\n"
        "    letters: How long a response may be.\n    places: Where."
    )
    assert call(short_answer, "x" * 20) == {"score": 0.5, "seen": 0.0}
    assert call(short_answer, "x" * 20, letters=5, reward_router_address="h:1") == {"score": 0.25, "seen": 1.0}
    assert call(short_answer, "x" * 20, reward_model_tokenizer=object()) == {"score": 0.5, "seen": 0.0}


def test_extra_info_may_be_left_out():
    assert asyncio.run(short_answer("demo", "x", None)) == {"score": 1.0, "seen": 0.0}
    assert asyncio.run(short_answer(data_source="demo", solution_str="x", ground_truth="", extra_info=None))


@EVERY
def test_function_and_reward_travel_between_processes(name):
    """Ray sends the one to veRL's reward workers, and processes of a pool get the other."""
    function = getattr(pbrlsvr, name)
    assert pickle.loads(pickle.dumps(function)) is function
    reward = function.reward()
    assert pickle.loads(pickle.dumps(reward)) == reward
    assert pickle.loads(pickle.dumps(function.reward)) is function.reward


def test_a_function_from_a_pickle_scores_in_a_fresh_process():
    code = (
        "import asyncio, pickle, sys\n"
        "function, reward = pickle.loads(sys.stdin.buffer.read())\n"
        "score = asyncio.run(function('d', '#### 11', '11', {}))\n"
        "print(score['score'], reward.format.thinking)"
    )
    sent = pickle.dumps((pbrlsvr.exact_answer, pbrlsvr.format.reward(format="required")))
    said = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, timeout=60, check=True).stdout
    assert said.decode().split() == ["1.0", "required"]


# Built once


def test_a_reward_is_built_once_for_equal_options():
    for _ in range(5):
        call(short_answer, letters=3, places=[1, 2])
    call(short_answer, letters=3, places=(1, 2))
    assert len(ShortAnswer.built) == 1


def test_values_that_are_equal_and_not_the_same_each_have_their_own_reward():
    for value in (1, 1.0, 0.1 + 0.2, 0.3, 1, 1.0):
        call(short_answer, letters=value, places=[1, 2, 3, 4])
    assert len(ShortAnswer.built) == 4


@pytest.mark.parametrize("order", [[1, True], [True, 1]])
def test_a_number_and_true_are_told_apart_whichever_comes_first(order):
    scores = {}
    for value in order:
        try:
            scores[value is True] = call(short_answer, letters=value, places=[9])["score"]
        except ConfigError:
            scores[value is True] = "refused"
    assert scores == {False: on_grid(1 / len(RESPONSE)), True: "refused"}


def test_a_reward_of_ones_own_that_is_no_number_stops_the_run():
    class Broken(Reward):
        async def __call__(self, rollout):
            return {"score": float("nan")}

    with pytest.raises(ModelError, match=r"broken gives row None of '.*' the score nan"):
        call(verl_function(Broken))


def test_options_in_another_order_score_the_same():
    one = call(pbrlsvr.format, "<think>a</think> \\boxed{1}", format={"thinking": "required", "answer": "boxed"})
    other = call(pbrlsvr.format, "<think>a</think> \\boxed{1}", format={"answer": "boxed", "thinking": "required"})
    assert one == other


def test_a_mistake_is_told_with_every_sample():
    for _ in range(3):
        with pytest.raises(ConfigError, match="letters=0 must be a number above 0"):
            call(short_answer, letters=0)
    assert not ShortAnswer.built


# Options as veRL hands them over


def test_options_of_omegaconf_are_taken_as_plain_and_as_the_same_ones():
    """veRL passes `reward_kwargs` as a DictConfig's entries."""
    kwargs = OmegaConf.create({"letters": "${usual}", "places": [1, 2, 3], "usual": 5})
    options = {name: kwargs[name] for name in ("letters", "places")}
    for _ in range(3):
        assert call(short_answer, "x" * 10, **options)["score"] == 0.5
    assert len(ShortAnswer.built) == 1
    assert type(ShortAnswer.built[0].places) is tuple
    call(short_answer, "x" * 10, letters=5, places=[1, 2, 3])
    assert len(ShortAnswer.built) == 1


def test_nested_blocks_of_omegaconf_score_as_plain_ones():
    blocks = {
        "format": {"thinking": "required", "answer": ["boxed", "hash"], "once": False},
        "language": {"reasoning": {"mode": "penalty", "weight": 0.5}, "answer": "off"},
    }
    config = OmegaConf.create(blocks)
    for response in ("<think>It is 11.</think> \\boxed{11}", "#### 11", ""):
        assert call(pbrlsvr.format, response, format=config.format) == call(
            pbrlsvr.format, response, format=blocks["format"]
        )
        assert call(pbrlsvr.language_consistency, response, language=config.language) == call(
            pbrlsvr.language_consistency, response, language=blocks["language"]
        )


def test_a_wrong_option_of_omegaconf_is_named_as_the_user_wrote_it():
    config = OmegaConf.create({"thinking": "sometimes", "answer": ["boxed", "box"]})
    with pytest.raises(ConfigError) as caught:
        call(pbrlsvr.format, format=config)
    assert "format.thinking='sometimes' must be one of" in str(caught.value)
    assert "format.answer=('boxed', 'box'): " in str(caught.value)


# Rewards that ask models


class Halves(SemanticReward):
    """The share of the response's first half, a component that needs no model."""

    COMPONENTS: ClassVar[dict[str, str]] = {"half": "Half of it.", "answer": "1 where the final answer is right."}
    combine: CombineOptions = CombineOptions(rule="sum", weights={"answer": 3.0})
    """How the components become one score."""

    async def measure(self, rollout):
        return 0.5

    def components(self, rollout, measured):
        return {"half": measured, "answer": rollout.verified_answer()}

    def logged(self, rollout, measured):
        return {"measured": measured}

    def check(self):
        if self.combine.floor > 0.5:
            raise ConfigError("combine.floor is above one half")


halves = verl_function(Halves)


def test_a_semantic_reward_combines_its_components_with_the_factors():
    found = call(halves)
    assert found["score"] == pytest.approx((1 * 0.5 + 3 * 1.0) / 4)
    assert (found["half"], found["answer"], found["measured"], found["acc"]) == (0.5, 1.0, 0.5, 1.0)
    spanish = call(halves, row={**ROW, "language": "es"})
    assert spanish["score"] == pytest.approx(found["score"] / 2)
    loop = call(halves, "So it is 11 apples that are left over. " * 40 + "#### 11")
    assert loop["score"] == 0.0
    assert found.keys() == spanish.keys() == loop.keys()


def test_options_that_do_not_fit_together_are_refused_before_the_first_sample():
    for options, message in (
        ({"combine": {"weights": {"halv": 1}}}, "a weight is given for 'halv', but the components of this reward"),
        ({"combine": {"rule": "gated", "gate": "format"}}, "the gate is 'format'"),
        ({"combine": {"floor": 0.9}}, "combine.floor is above one half"),
    ):
        with pytest.raises(ConfigError, match=message):
            Halves.of(options)
        with pytest.raises(ConfigError, match=message):
            call(halves, **options)


def test_a_model_runs_where_serving_says_but_for_what_its_own_block_says():
    reward = pbrlsvr.hybrid.reward.of({
        "serving": {"place": "ray", "replicas": 2, "dtype": "bfloat16", "endpoint": {"retries": 1}},
        "comet": {"serving": {"num_gpus": 1}},
        "translation": {"serving": {"place": "endpoint", "endpoint": {"urls": ["http://host/v1"]}}},
    })  # fmt: skip
    usual = ServingOptions(place="ray", replicas=2, dtype="bfloat16", endpoint={"retries": 1})
    assert reward.place(reward.embedding) == usual
    assert reward.place(reward.comet) == ServingOptions(
        place="ray", replicas=2, dtype="bfloat16", num_gpus=1, endpoint={"retries": 1}
    )
    elsewhere = reward.place(reward.translation)
    assert (elsewhere.place, elsewhere.endpoint.urls, elsewhere.endpoint.retries) == (
        "endpoint",
        ("http://host/v1",),
        1,
    )


def test_places_that_contradict_each_other_only_together_are_refused_before_the_first_sample():
    options = {"serving": {"share_gpu": True}, "comet": {"serving": {"num_gpus": 1}}}
    with pytest.raises(ConfigError, match="share_gpu=True contradicts num_gpus=1"):
        pbrlsvr.hybrid.reward.of(options)
    with pytest.raises(ConfigError, match="share_gpu=True contradicts num_gpus=1"):
        pbrlsvr.comet_score.reward.of(options)


@EVERY
def test_checking_the_options_of_a_reward_loads_no_model(name):
    reward = getattr(pbrlsvr, name).reward
    for block in ("embedding", "comet", "translation"):
        if block in reward.model_fields:
            assert reward.of({block: {"model": "no/such-model"}}).model_dump()[block]["model"] == "no/such-model"
    assert reward.of({}) == reward()


def test_a_row_without_what_is_needed_is_an_error_and_not_a_zero():
    with pytest.raises(DataError, match="has no extra_info"):
        call(halves, row={})
