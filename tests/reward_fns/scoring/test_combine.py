"""Components become one score: by hand-worked numbers, by laws that hold for any numbers, and behind veRL's GDPO."""

import math
from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pbrlsvr.errors import ConfigError, DataError, ModelError
from pbrlsvr.scoring.combine import Combined, CombineOptions, combine, on_grid

NAMES = ("answer", "reasoning", "format")
unit = st.floats(0, 1)
component = st.none() | unit


def exposed(components, option, factor=None):
    return Combined.of(components, option, factor).exposed()


@st.composite
def options(draw: st.DrawFn) -> CombineOptions:
    low, high = sorted((draw(unit), draw(unit)))
    return CombineOptions(
        rule=draw(st.sampled_from(["sum", "product", "gated", "log_sigmoid"])),
        weights=draw(st.dictionaries(st.sampled_from(NAMES), st.floats(0.01, 10))),
        clip=draw(st.sampled_from([None, (low, high)])) if high - low > 1e-3 else None,
        gate=draw(st.sampled_from(NAMES)),
        floor=draw(st.floats(0, 0.99)),
        scale=draw(st.floats(0.1, 100)),
        reference=draw(unit),
    )


components = st.fixed_dictionaries(dict.fromkeys(NAMES, component)).filter(
    lambda c: any(v is not None for v in c.values())
)
factors = st.dictionaries(st.sampled_from(["language", "repetition", "length"]), unit)


@given(components, options(), factors)
def test_the_score_is_always_in_the_unit_interval(values, option, factor):
    assert 0.0 <= combine(values, option, factor) <= 1.0
    assert all(0.0 <= value <= 1.0 for value in exposed(values, option, factor).values())


@given(components, options(), factors, st.sampled_from(NAMES), unit)
def test_a_better_component_never_scores_lower(values, option, factor, name, other):
    assume(values[name] is not None)
    low, high = sorted((values[name], other))
    # 1e-12: the last bits of exp and log
    assert combine({**values, name: low}, option, factor) <= combine({**values, name: high}, option, factor) + 1e-12


@given(components, options(), factors)
def test_the_order_of_components_and_factors_does_not_matter(values, option, factor):
    scores = {
        combine(dict(order), option, dict(reversed(factor.items()))) for order in permutations(values.items())
    } | {combine(values, option, factor)}
    assert len(scores) == 1


@given(unit, options(), st.permutations(NAMES))
def test_equal_components_score_alike_whatever_the_weights(value, option, names):
    assume(option.rule in ("sum", "product") and option.clip is None)
    assert combine(dict.fromkeys(names, value), option) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("option", "score"),
    [
        # (3 * 1.0 + 1 * 0.5) / 4
        ({"rule": "sum", "weights": {"answer": 3}}, 0.875),
        # (1.0^3 * 0.5^1)^(1/4)
        ({"rule": "product", "weights": {"answer": 3}}, 0.5**0.25),
        # the gate is open: the sum
        ({"rule": "gated"}, 0.75),
        # reasoning gates, and a tenth passes: (0.5 + (0.1 + 0.9 * 0.5) * 1.0) / 2
        ({"rule": "gated", "gate": "reasoning"}, 0.525),
        # 0.5 -> (0.5 - 0.4) / 0.4 = 0.25; 1.0 -> 1
        ({"rule": "sum", "clip": [0.4, 0.8]}, 0.625),
        # sqrt(sigma(10 * 0.5) * sigma(0))
        ({"rule": "log_sigmoid"}, math.sqrt(0.5 / (1 + math.exp(-5)))),
        ({"rule": "sum", "weights": {"answer": 0}}, 0.5),
    ],
)
def test_each_rule_gives_what_its_formula_gives(option, score):
    assert combine({"answer": 1.0, "reasoning": 0.5}, CombineOptions.of(option)) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize(("floor", "score"), [(0.0, 0.0), (0.25, 0.1), (0.5, 0.2)])
def test_reasoning_behind_a_wrong_answer_earns_only_the_floor(floor, score):
    # (0 + floor * 0.8) / 2
    assert combine({"answer": 0.0, "reasoning": 0.8}, CombineOptions("gated", floor=floor)) == pytest.approx(score)


def test_a_gate_without_weight_still_gates():
    option = CombineOptions("gated", weights={"answer": 0}, floor=0.0)
    assert combine({"answer": 0.0, "reasoning": 0.8}, option) == 0.0
    assert combine({"answer": 1.0, "reasoning": 0.8}, option) == 0.8


def test_a_zero_is_a_zero_for_the_product_and_not_for_the_sum():
    values = {"answer": 0.0, "reasoning": 1.0}
    assert combine(values, CombineOptions("product")) == 0.0
    assert combine(values, CombineOptions("sum")) == 0.5
    # 0 ** 0 = 1: a component without weight has no effect, even at zero
    assert combine(values, CombineOptions("product", weights={"answer": 0})) == 1.0


def test_log_sigmoid_rewards_the_repair_of_the_worst_more_than_polish_of_the_best():
    option = CombineOptions("log_sigmoid")
    start = combine({"answer": 0.3, "reasoning": 0.8}, option)
    repaired = combine({"answer": 0.4, "reasoning": 0.8}, option)
    polished = combine({"answer": 0.3, "reasoning": 0.9}, option)
    assert repaired - start > 10 * (polished - start) > 0


@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e308])
def test_log_sigmoid_does_not_overflow(scale):
    option = CombineOptions("log_sigmoid", scale=scale)
    assert 0.0 <= combine({"answer": 0.0, "reasoning": 1.0}, option) <= 1.0


@pytest.mark.parametrize("rule", ["sum", "product", "gated", "log_sigmoid"])
def test_a_missing_component_leaves_the_mean_and_a_zero_does_not(rule):
    option = CombineOptions(rule)
    alone = combine({"reasoning": 0.8}, CombineOptions(rule, gate="reasoning"))
    assert combine({"answer": None, "reasoning": 0.8}, option) == alone
    assert combine({"answer": 0.0, "reasoning": 0.8}, option) < alone


def test_a_missing_gate_falls_back_to_the_sum_of_the_rest():
    values = {"answer": None, "reasoning": 0.8, "format": 0.4}
    assert combine(values, CombineOptions("gated")) == pytest.approx(0.6)


@pytest.mark.parametrize("values", [{}, {"answer": None}, {"answer": None, "reasoning": 0.5}])
def test_a_sample_with_nothing_to_score_is_a_data_error(values):
    weights = {"reasoning": 0} if "reasoning" in values else {}
    with pytest.raises(DataError, match="no component with a weight above 0"):
        combine(values, CombineOptions(weights=weights))


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1, "0.5", 0.5j])
@pytest.mark.parametrize("of", [combine, exposed])
def test_what_is_no_number_in_range_never_leaves_as_a_score(value, of):
    with pytest.raises(ModelError, match="component 'reasoning'"):
        of({"answer": 1.0, "reasoning": value}, CombineOptions(weights={"reasoning": 0}))
    with pytest.raises(ModelError, match="factor 'language'"):
        of({"answer": 1.0}, CombineOptions(), {"language": value})


def test_a_factor_cannot_be_missing():
    with pytest.raises(ModelError, match="factor 'language' is None"):
        combine({"answer": 1.0}, CombineOptions(), {"language": None})


@pytest.mark.parametrize("value", [1 + 1e-7, -1e-7])
def test_the_rounding_of_float32_is_forgiven(value):
    assert combine({"answer": value}, CombineOptions()) in (0.0, 1.0)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"rule": "mean"}, "'mean'"),
        ({"weight": {}}, "weight={}: there is no such option. Did you mean 'weights'"),
        ({"weights": [1, 2]}, r"weights=\(1, 2\) must be a mapping"),
        ({"weights": {"answer": -1}}, "'answer'.*-1"),
        ({"weights": {"answer": math.nan}}, r"weights\.answer=nan must be"),
        ({"weights": {"answer": True}}, r"weights\.answer=True must be"),
        ({"clip": [0.5, 0.5]}, r"clip=\(0.5, 0.5\).*lo < hi"),
        ({"clip": [0.1]}, r"clip.*a list of 2"),
        ({"clip": [0, 2]}, r"clip=\(0, 2\).*lo < hi"),
        ({"clip": "01"}, "'01'"),
        ({"clip": 0.5}, "0.5"),
        ({"gate": 1}, "gate=1 must be a text"),
        ({"floor": 1}, "floor.*1"),
        ({"floor": "0"}, "floor.*'0'"),
        ({"scale": 0}, "scale.*0"),
        ({"scale": math.inf}, "scale.*inf"),
        ({"reference": 1.5}, "reference.*1.5"),
        (3, "=3 must be a mapping"),
        ("gate", "'gate'"),
    ],
)
def test_a_wrong_option_is_named(bad, named):
    with pytest.raises(ConfigError, match=named):
        CombineOptions.of(bad)


def test_a_name_that_is_no_component_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"'anwser'.*\['answer', 'reasoning'\]"):
        combine({"answer": 1.0, "reasoning": 1.0}, CombineOptions(weights={"anwser": 2}))
    with pytest.raises(ConfigError, match=r"gate is 'answer'.*\['reasoning'\]"):
        combine({"reasoning": 1.0}, CombineOptions("gated"))


def test_options_come_from_a_yaml_block_as_hydra_hands_it_over():
    block = OmegaConf.create("{rule: gated, weights: {answer: 2}, clip: [0.1, 0.9], gate: answer, floor: 0.1}")
    option = CombineOptions.of(block)
    assert option == CombineOptions("gated", weights={"answer": 2}, clip=(0.1, 0.9), gate="answer", floor=0.1)
    assert CombineOptions.of(option) is option
    assert CombineOptions.of("gated") == CombineOptions("gated")


def test_what_multiplies_the_score_multiplies_each_exposed_reward():
    found = exposed({"answer": 0.5, "reasoning": 0.8}, CombineOptions("gated", floor=0.2), {"language": 0.5})
    assert found["answer_reward"] == pytest.approx(0.5 * 0.5)
    # gate: 0.2 + 0.8 * 0.5 = 0.6
    assert found["reasoning_reward"] == on_grid(0.6 * 0.8 * 0.5)
    assert found["reasoning_ungated"] == on_grid(0.8 * 0.5)
    assert (found["answer"], found["reasoning"]) == (0.5, on_grid(0.8))


@given(components, components, options(), factors)
def test_every_sample_exposes_the_same_keys_with_floats(one, other, option, factor):
    found = exposed(one, option, factor)
    assert found.keys() == exposed(other, option).keys()
    assert all(type(value) is float for value in found.values())


def gdpo_advantages(samples: list[dict[str, float]], groups: list[str], keys: list[str]) -> list[float]:
    """veRL's own GDPO on exposed components, put into a batch as its reward loop does: one advantage per sample."""
    pytest.importorskip("verl", reason="needs veRL's own advantage estimator")
    import numpy as np
    import torch
    from verl import DataProto
    from verl.trainer.ppo.ray_trainer import compute_advantage

    size, prompt, response = len(samples), 2, 3
    batch = {
        "prompts": torch.zeros(size, prompt, dtype=torch.long),
        "attention_mask": torch.ones(size, prompt + response, dtype=torch.long),
        "response_mask": torch.ones(size, response),
        "token_level_rewards": torch.zeros(size, response),
    }
    rows = {key: np.array([sample[key] for sample in samples]) for key in samples[0]}
    data = DataProto.from_dict(tensors=batch, non_tensors={**rows, "uid": np.array(groups, dtype=object)})
    config = OmegaConf.create({"gdpo_reward_keys": keys})
    return compute_advantage(data, "gdpo", config=config).batch["advantages"][:, 0].tolist()


KEYS = ["answer_reward", "reasoning_reward"]


def test_gdpo_sees_each_component_and_their_factors():
    language = [1.0, 1.0, 0.0, 1.0]
    values = [(1.0, 0.9), (1.0, 0.2), (1.0, 0.9), (0.0, 0.2)]
    samples = [
        exposed({"answer": answer, "reasoning": reasoning}, CombineOptions(), {"language": factor})
        for (answer, reasoning), factor in zip(values, language, strict=True)
    ]
    right, poorly_reasoned, wrong_language, wrong = gdpo_advantages(samples, ["q"] * 4, KEYS)
    assert right > poorly_reasoned > wrong > wrong_language


def test_for_gdpo_a_group_without_answers_is_a_group_with_one_component():
    reasoning = [0.9, 0.7, 0.7, 0.1]
    samples = [exposed({"answer": None, "reasoning": value}, CombineOptions("gated")) for value in reasoning]
    both = gdpo_advantages(samples, ["q"] * 4, KEYS)
    assert both == gdpo_advantages(samples, ["q"] * 4, ["reasoning_reward"])
    assert both[0] > both[1] == both[2] > both[3]


def test_for_gdpo_a_group_without_answers_does_not_disturb_another():
    option, groups = CombineOptions(), ["q", "q", "r", "r"]
    values = [(1.0, 0.9), (0.0, 0.1), (None, 0.9), (None, 0.1)]
    samples = [exposed({"answer": answer, "reasoning": reasoning}, option) for answer, reasoning in values]
    best, worst, good, bad = gdpo_advantages(samples, groups, KEYS)
    # In "q" both components say the same, in "r" one does: half of the advantage.
    assert best == pytest.approx(2 * good, rel=1e-3)
    assert worst == pytest.approx(2 * bad, rel=1e-3)
    assert good == pytest.approx(-bad, rel=1e-3)


async def test_verls_gdpo_manager_hands_the_exposed_components_on(minilm):
    pytest.importorskip("verl", reason="needs veRL's own reward manager")
    import numpy as np
    import torch
    from transformers import AutoTokenizer
    from verl import DataProto
    from verl.experimental.reward_loop.reward_manager import get_reward_manager_cls

    async def reward(data_source, solution_str, ground_truth, extra_info):
        values = {"answer": float(ground_truth in solution_str) if ground_truth else None, "reasoning": 0.5}
        return {"score": combine(values, CombineOptions()), **exposed(values, CombineOptions())}

    tokenizer = AutoTokenizer.from_pretrained(minilm)
    config = OmegaConf.create({"trainer": {"experiment_name": "test"}})
    manager = get_reward_manager_cls("gdpo")(config, tokenizer, reward)
    ids = torch.tensor([tokenizer("it is 11", add_special_tokens=False)["input_ids"]])
    infos = []
    for ground_truth in ("11", ""):
        row = {"data_source": "demo/en", "reward_model": {"ground_truth": ground_truth}, "extra_info": {}}
        sample = DataProto.from_dict(
            tensors={"responses": ids, "attention_mask": torch.ones_like(ids)},
            non_tensors={key: np.array([value], dtype=object) for key, value in row.items()},
        )
        infos.append((await manager.run_single(sample))["reward_extra_info"])
    assert [info["answer_reward"] for info in infos] == [1.0, 0.0]
    assert [info["answer_missing"] for info in infos] == [0.0, 1.0]
    assert [info["score"] for info in infos] == [0.75, 0.5]
    assert infos[0].keys() == infos[1].keys() >= {*KEYS, "score"}


EARLY = {"rule": "gated", "weights": {"reasoning": 1.0, "answer": 0.0}, "floor": 0.5}
LATE = {"steps": 100, "begin": 20, "weights": {"reasoning": 0.25, "answer": 1.0}, "floor": 0.0}


@pytest.mark.parametrize(
    ("step", "right", "wrong"),
    [
        (0, 0.8, 0.4),  # 1 * 0.8; half of it, the floor
        (20, 0.8, 0.4),
        # Half way: weights 0.625 and 0.5, floor 0.25: (0.5 * 1 + 0.625 * 0.8) / 1.125; 0.625 * 0.8 * 0.25 / 1.125
        (70, 1.0 / 1.125, 0.125 / 1.125),
        (120, 1.2 / 1.25, 0.0),  # (1 + 0.25 * 0.8) / 1.25
        (10**9, 1.2 / 1.25, 0.0),
        (None, 1.2 / 1.25, 0.0),
    ],
)
def test_a_schedule_leans_on_the_reasoning_early_and_on_the_answer_late(step, right, wrong):
    option = CombineOptions(**EARLY, schedule=LATE).at(step)
    assert combine({"answer": 1.0, "reasoning": 0.8}, option) == pytest.approx(right)
    assert combine({"answer": 0.0, "reasoning": 0.8}, option) == pytest.approx(wrong)


@given(components, options(), st.integers(0, 300), st.integers(1, 200), st.integers(0, 50))
def test_a_schedule_stays_between_its_ends_and_gives_a_score_at_each_step(values, option, step, steps, begin):
    end = {"steps": steps, "begin": begin, "weights": {"answer": 3.0}}
    found = option.model_copy(update={"schedule": CombineOptions(schedule=end).schedule}).at(step)
    start = option.weights.get("answer", 1.0)
    assert min(start, 3.0) <= found.weights["answer"] + 1e-12
    assert found.weights["answer"] <= max(start, 3.0) + 1e-12
    assert found.schedule is None
    assert 0.0 <= combine(values, found) <= 1.0


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"steps": 0, "floor": 0.1}, "schedule.steps=0 must be a whole number of 1 or more"),
        ({"steps": -5, "floor": 0.1}, "schedule.steps=-5"),
        ({"steps": 2.5, "floor": 0.1}, r"schedule.steps=2\.5"),
        ({"floor": 0.1}, "schedule.steps is missing"),
        ({"steps": 5, "begin": -1, "floor": 0.1}, "schedule.begin=-1"),
        ({"steps": 5}, "a schedule needs weights or a floor"),
        ({"steps": 5, "floor": 1.0}, r"schedule.floor=1\.0"),
        ({"steps": 5, "weights": {"answer": math.nan}}, "schedule.weights.answer=nan must be a number, and finite"),
        ({"steps": 5, "weights": {"answer": math.inf}}, "schedule.weights.answer=inf"),
        ({"steps": 5, "weights": {"answer": -1.0}}, "the weight of 'answer' must be a number of 0 or more"),
        ({"steps": 5, "weights": {"answer": "1"}}, "schedule.weights.answer='1'"),
        ({"steps": 5, "weight": {"answer": 1.0}}, "Did you mean 'weights'"),
        (5, "schedule=5 must be a mapping of"),
    ],
)
def test_a_schedule_that_cannot_work_is_named(schedule, message):
    with pytest.raises(ConfigError, match=message):
        CombineOptions.of({"rule": "gated", "schedule": schedule})


def test_a_schedules_floor_needs_a_gate_and_its_weights_a_component():
    with pytest.raises(ConfigError, match=r"schedule\.floor=0\.1: only rule='gated' has a floor"):
        CombineOptions(rule="sum", schedule={"steps": 5, "floor": 0.1})
    option = CombineOptions(schedule={"steps": 5, "weights": {"comett": 1.0}})
    with pytest.raises(ConfigError, match="a weight is given for 'comett'"):
        option.check_names(["comet"])
