"""The reward behind veRL's own reward manager, and behind its Ray reward worker."""

import asyncio

import forks
import numpy as np
import pytest

pytest.importorskip("verl", reason="needs veRL's own reward manager")

import torch
from hydra import compose, initialize_config_module
from tensordict import TensorDict
from transformers import AutoTokenizer
from verl import DataProto
from verl.trainer.ppo.reward import load_reward_manager

from pbrlsvr.errors import DataError

PIVOT = "ana has 17 apples and gives away 6 apples, so 11 apples are left."
RESPONSES = [f"{PIVOT} the answer is 11", "the train to the coast leaves at noon. the answer is 12"]


@pytest.fixture
def config(minilm):
    overrides = [
        "+reward_fn=pbrlsvr.embed_cosine",
        f"reward.custom_reward_function.reward_kwargs.embedding.model={minilm}",
        f"actor_rollout_ref.model.path={minilm}",
    ]
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", overrides=overrides)


@pytest.fixture
def tokenizer(minilm):
    return AutoTokenizer.from_pretrained(minilm)


def rollout(tokenizer, response, **extra_info):
    """One sample as veRL's agent loop hands it to a reward manager: right-padded responses with their mask."""
    ids = tokenizer(response, add_special_tokens=False)["input_ids"]
    padded = torch.full((1, len(ids) + 5), tokenizer.pad_token_id)
    padded[0, : len(ids)] = torch.tensor(ids)
    mask = (torch.arange(padded.shape[1]) < len(ids)).long()[None]
    row = {
        "data_source": "demo/en",
        "reward_model": {"style": "pivot", "ground_truth": "11"},
        "extra_info": {"index": 0, "language": "en", "pivot_reasoning": PIVOT, **extra_info},
    }
    return DataProto(
        batch=TensorDict({"responses": padded, "attention_mask": mask}, batch_size=1),
        non_tensor_batch={key: np.array([value], dtype=object) for key, value in row.items()},
    )


def test_verls_own_manager_gives_the_score_and_its_components(config, tokenizer):
    async def scores():
        manager = load_reward_manager(config, tokenizer)
        return await asyncio.gather(*(manager.run_single(rollout(tokenizer, text)) for text in RESPONSES))

    good, bad = asyncio.run(scores())
    assert good["reward_score"] > 0.9 > 0.5 > bad["reward_score"]
    assert set(good["reward_extra_info"]) == set(bad["reward_extra_info"])
    assert (good["reward_extra_info"]["acc"], bad["reward_extra_info"]["acc"]) == (1.0, 0.0)
    assert good["reward_extra_info"]["score"] == good["reward_score"]


def test_a_row_without_reference_raises_through_verls_manager(config, tokenizer):
    async def run():
        manager = load_reward_manager(config, tokenizer)
        return await manager.run_single(rollout(tokenizer, RESPONSES[0], pivot_reasoning=None))

    with pytest.raises(DataError, match="no English reference"):
        asyncio.run(run())


def test_verls_ray_reward_worker_scores_like_a_plain_call(config, tokenizer, minilm):
    import ray
    from verl.experimental.reward_loop import RewardLoopWorker

    import pbrlsvr

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
             runtime_env={"py_executable": forks.py_executable()})  # fmt: skip
    try:
        worker = ray.remote(RewardLoopWorker).remote(config)
        results = ray.get([worker.compute_score.remote(rollout(tokenizer, text)) for text in RESPONSES], timeout=240)
    finally:
        ray.shutdown()
    row = {"index": 0, "language": "en", "pivot_reasoning": PIVOT}
    for text, result in zip(RESPONSES, results, strict=True):
        plain = asyncio.run(pbrlsvr.embed_cosine("demo/en", text, "11", row, embedding={"model": minilm}))
        assert result["reward_score"] == pytest.approx(plain["score"], abs=1e-5)
