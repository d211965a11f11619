"""What the recipes' algorithms compute: veRL's own losses, advantages and reward manager, made from a recipe."""

import asyncio
import functools
import math

import numpy as np
import pytest

pytest.importorskip("verl", reason="needs veRL's own losses")

import torch
from omegaconf import OmegaConf

from pbrlsvr_plugin.verl.compose import compose

EIGHT = "qwen3_8b_"


@functools.cache
def composed(name, policy):
    config = compose(name, [f"actor_rollout_ref.model.path={policy}/model"])
    OmegaConf.resolve(config)
    return config


@pytest.fixture
def loss(tiny_policy):
    """A function: recipe, log ratios of a response's tokens, advantage -> the loss and its gradient for each token."""

    def of(name, ratios, advantage, mask=None):
        from verl.trainer.ppo.core_algos import get_policy_loss_fn
        from verl.utils.config import omega_conf_to_dataclass

        actor = omega_conf_to_dataclass(composed(name, tiny_policy).actor_rollout_ref.actor)
        now = torch.tensor(ratios, dtype=torch.float64).log()[None].requires_grad_()
        mask = torch.ones_like(now) if mask is None else torch.tensor([mask])
        # As verl/workers/utils/losses.py: ppo_loss does.
        actor.global_batch_info.update(dp_size=1, batch_num_tokens=mask.sum(), global_batch_size=1,
                                       loss_scale_factor=actor.loss_scale_factor)  # fmt: skip
        found, _ = get_policy_loss_fn(actor.policy_loss.loss_mode)(
            old_log_prob=torch.zeros_like(now), log_prob=now, advantages=torch.full_like(now, advantage),
            response_mask=mask, loss_agg_mode=actor.loss_agg_mode, config=actor,
        )  # fmt: skip
        found.backward()
        return found.item(), now.grad[0].tolist()

    return of


@pytest.mark.parametrize(("name", "highest"), [("grpo_hybrid", 1.2), ("dapo_hybrid", 1.28), ("drgrpo_hybrid", 1.2)])
def test_a_token_may_become_as_much_likelier_as_the_algorithm_says(loss, name, highest):
    _, inside = loss(EIGHT + name, [highest - 0.01], 1.0)
    _, outside = loss(EIGHT + name, [highest + 0.01], 1.0)
    assert inside[0] < 0 == outside[0]


def test_gspo_clips_whole_responses(loss):
    """Ratios of 1.5 and 1/1.5 are none for the response, whose geometric mean is 1; GRPO clips the first token."""
    _, whole = loss(EIGHT + "gspo_hybrid", [1.5, 1 / 1.5], 1.0)
    _, single = loss(EIGHT + "grpo_hybrid", [1.5, 1 / 1.5], 1.0)
    assert whole[0] == whole[1] < 0
    assert single[0] == 0 > single[1]
    _, clipped = loss(EIGHT + "gspo_hybrid", [1.001, 1.001], 1.0)
    assert clipped == [0, 0]


def test_dr_grpo_weighs_a_token_the_same_in_long_responses_and_short(loss, tiny_policy):
    longest = composed(EIGHT + "drgrpo_hybrid", tiny_policy).data.max_response_length
    for tokens in (2, 5):
        _, gradients = loss(EIGHT + "drgrpo_hybrid", [1.0] * tokens, 1.0)
        assert gradients == pytest.approx([-1 / longest] * tokens)
        _, gradients = loss(EIGHT + "gspo_hybrid", [1.0] * tokens, 1.0)
        assert gradients == pytest.approx([-1 / tokens] * tokens)


def advantages(name, policy, scores):
    from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

    config = composed(name, policy)
    found, _ = compute_grpo_outcome_advantage(
        torch.tensor(scores)[:, None], torch.ones(len(scores), 1), np.array(["a"] * len(scores), dtype=object),
        norm_adv_by_std_in_grpo=config.algorithm.norm_adv_by_std_in_grpo,
    )  # fmt: skip
    return found[:, 0].tolist()


def test_small_differences_stay_small_where_the_spread_does_not_divide(tiny_policy):
    """Two right answers, whose similarities differ by chance: 2 % of a right answer's worth, or a whole one."""
    right = [0.89, 0.91]
    assert advantages(EIGHT + "drgrpo_hybrid", tiny_policy, right) == pytest.approx([-0.01, 0.01], abs=1e-6)
    divided = advantages(EIGHT + "grpo_exact", tiny_policy, right)
    kept = composed(EIGHT + "grpo_exact", tiny_policy).algorithm.norm_adv_by_std_in_grpo
    assert divided == pytest.approx([-math.sqrt(0.5), math.sqrt(0.5)] if kept else [-0.01, 0.01], abs=1e-3)


def test_the_last_tokens_before_the_limit_cost_up_to_a_right_answer(tiny_policy):
    from verl.experimental.reward_loop.reward_manager.dapo import DAPORewardManager
    from verl.protocol import DataProto

    config = composed(EIGHT + "dapo_hybrid", tiny_policy)
    limit, buffer = config.data.max_response_length, config.reward.reward_kwargs.overlong_buffer_cfg.len

    class Letters:
        def decode(self, ids, **_):
            return "x" * len(ids)

    def score(tokens):
        async def scored():
            manager = DAPORewardManager(config, Letters(), lambda **_: {"score": 1.0, "acc": 1.0})
            row = {"data_source": "toy", "reward_model": {"ground_truth": "1"}, "extra_info": {}}
            data = DataProto.from_dict(
                {"responses": torch.zeros(1, tokens, dtype=torch.long),
                 "attention_mask": torch.ones(1, tokens, dtype=torch.long)},
                {key: np.array([value], dtype=object) for key, value in row.items()},
            )  # fmt: skip
            return await manager.run_single(data)

        found = asyncio.run(scored())
        assert found["reward_extra_info"] == {"score": 1.0, "acc": 1.0}  # what the filter looks at stays
        return float(found["reward_score"])

    assert score(limit - buffer) == 1
    assert score(limit - buffer // 2) == 0.5
    assert score(limit) == 0


def test_rollout_correction_weighs_what_the_rollout_found_too_unlikely_and_cuts_off(tiny_policy):
    from verl.protocol import DataProto
    from verl.trainer.ppo.rollout_corr_helper import compute_rollout_correction_and_add_to_batch

    for name in ("grpo_tis_hybrid", "grpo_fp8_hybrid", "grpo_async_hybrid"):
        config = composed(EIGHT + name, tiny_policy)
        assert config.actor_rollout_ref.rollout.calculate_log_probs
        rollout = torch.tensor([[0.5, 0.25, 0.1]]).log()
        data = DataProto.from_dict(
            {"old_log_probs": torch.tensor([[0.5, 0.3, 0.4]]).log(), "rollout_log_probs": rollout,
             "response_mask": torch.ones(1, 3)}
        )  # fmt: skip
        data, _ = compute_rollout_correction_and_add_to_batch(data, config.algorithm.rollout_correction)
        # .3 / .25, and 4 cut off at 2.
        assert data.batch["rollout_is_weights"][0].tolist() == pytest.approx([1, 1.2, 2])
