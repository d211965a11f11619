"""What our rewards become in veRL's own advantage estimators."""

import asyncio
import random

import numpy as np
import pytest

pytest.importorskip("verl", reason="needs veRL's advantage estimators")

import torch
from omegaconf import OmegaConf
from verl.trainer.ppo.core_algos import compute_gdpo_outcome_advantage, compute_grpo_outcome_advantage

from pbrlsvr.scoring.base import Reward, verl_function
from pbrlsvr.scoring.combine import Combined, CombineOptions


class Constant(Reward):
    """The value that the response is."""

    async def __call__(self, rollout):
        return {"score": float(rollout.text)}


constant = verl_function(Constant)


def grpo(scores, **options):
    """The advantages of one group of responses of one token."""
    rewards = torch.tensor(scores, dtype=torch.float32)[:, None]
    index = np.array(["group"] * len(scores))
    return compute_grpo_outcome_advantage(rewards, torch.ones_like(rewards), index, **options)[0][:, 0]


@pytest.mark.parametrize("by_std", [True, False])
def test_equal_scores_teach_nothing(by_std):
    # Without rounding, 65 % of such groups have advantages, of up to 0.1.
    draw = random.Random(0).random
    scores = [draw() for _ in range(200)] + [0.0, 1.0, 0.1, 0.8999999, 1 / 3]

    async def scored():
        return [(await constant("demo", str(value), ""))["score"] for value in scores]

    for value, score in zip(scores, asyncio.run(scored()), strict=True):
        assert abs(score - value) <= 2**-13
        for size in (*range(2, 65), 512, 2048):
            assert not grpo([score] * size, norm_adv_by_std_in_grpo=by_std).any(), (value, size)


def gdpo(samples, keys, **options):
    """The advantages of one group whose responses have the components of `samples`."""
    exposed = [Combined.of(sample, CombineOptions(rule="gated", **options)).exposed() for sample in samples]
    columns = {key: np.array([found[key] for found in exposed]) for key in exposed[0]}
    ones = torch.ones(len(samples), 1)
    batch = {"prompts": ones, "attention_mask": torch.ones(len(samples), 2, dtype=torch.long)}
    config = OmegaConf.create({"gdpo_reward_keys": keys})
    index = np.array(["group"] * len(samples))
    advantages = compute_gdpo_outcome_advantage(
        ones, ones, index, config=config, non_tensor_batch=columns, batch=batch
    )[0][:, 0]
    return advantages, torch.stack([grpo(columns[key]) for key in keys])


#: Two right and two wrong answers; of each, one with good and one with poor reasoning.
GROUP = [
    {"answer": 1.0, "comet": 0.90, "reasoning": 0.93},
    {"answer": 1.0, "comet": 0.80, "reasoning": 0.75},
    {"answer": 0.0, "comet": 0.70, "reasoning": 0.91},
    {"answer": 0.0, "comet": 0.60, "reasoning": 0.72},
]
OTHERS = ("comet", "reasoning")


def test_behind_the_gate_gdpos_components_are_the_same_vector_and_ungated_they_are_not():
    _, gated = gdpo(GROUP, ["answer_reward", *(f"{name}_reward" for name in OTHERS)])
    assert torch.corrcoef(gated).min() > 0.98
    advantages, ungated = gdpo(GROUP, ["answer_reward", *(f"{name}_ungated" for name in OTHERS)])
    assert torch.corrcoef(ungated)[0, 2] < 0.5
    # The right answer with good reasoning first, the wrong one with poor reasoning last.
    assert advantages.argmax() == 0
    assert advantages.argmin() == 3


def test_gdpo_learns_from_the_reasoning_of_a_group_that_is_wrong_throughout():
    wrong = [{**sample, "answer": 0.0} for sample in GROUP]
    for reasoning in ("reasoning_reward", "reasoning_ungated"):
        assert gdpo(wrong, ["answer_reward", reasoning])[0].argmax() == 0
    assert not gdpo(wrong, ["answer_reward", "reasoning_reward"], floor=0.0)[0].any()
