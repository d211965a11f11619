"""`+profile=cpu` on bare veRL and on top of a recipe for eight GPUs."""

import os
from pathlib import Path

import forks
import pytest

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")

from hydra import compose, initialize_config_dir

RECIPE = """
defaults:
  - ppo_trainer
  - _self_
data: {train_batch_size: 1024, max_prompt_length: 1024, max_response_length: 8192}
actor_rollout_ref:
  model: {path: meta-llama/Llama-3.1-8B-Instruct, use_remove_padding: true, use_fused_kernels: true, lora_rank: 32}
  actor:
    strategy: fsdp
    ppo_mini_batch_size: 256
    ppo_micro_batch_size_per_gpu: 8
    ulysses_sequence_parallel_size: 2
    fsdp_config: {param_offload: true, optimizer_offload: true}
  ref: {log_prob_micro_batch_size_per_gpu: 16, fsdp_config: {param_offload: true}}
  rollout: {name: vllm, tensor_model_parallel_size: 4, n: 16, log_prob_micro_batch_size_per_gpu: 16, temperature: 0.7}
critic: {ppo_micro_batch_size_per_gpu: 8, model: {path: meta-llama/Llama-3.1-8B-Instruct, use_remove_padding: true}}
algorithm: {adv_estimator: ADVANTAGE}
trainer: {n_gpus_per_node: 8, nnodes: 4, logger: [console, wandb]}
"""


def config_of(folder, name, *overrides):
    import verl.trainer.config

    packaged = Path(verl.trainer.config.__file__).parent
    with initialize_config_dir(str(folder or packaged), version_base=None):
        search = [] if folder is None else [f"hydra.searchpath=[file://{packaged}]"]
        return compose(name, overrides=[*search, "+profile=cpu", *overrides])


def assert_runs_on_a_cpu(config):
    rollout, actor = config.actor_rollout_ref.rollout, config.actor_rollout_ref.actor
    assert (rollout.name, rollout.tensor_model_parallel_size, rollout.dtype) == ("hf", 1, "float32")
    assert (actor.strategy, config.actor_rollout_ref.ref.strategy, config.critic.strategy) == ("fsdp2",) * 3
    for model in (config.actor_rollout_ref.model, config.critic.model):
        assert not model.use_remove_padding
        assert not model.use_fused_kernels
        assert model.override_config.attn_implementation == "sdpa"
    assert not actor.fsdp_config.param_offload
    assert actor.ppo_mini_batch_size == config.data.train_batch_size
    assert (config.trainer.device, config.trainer.n_gpus_per_node, config.trainer.nnodes) == ("cpu", 1, 1)
    assert list(config.trainer.logger) == ["console"]
    assert config.critic.model.path == config.actor_rollout_ref.model.path
    assert config.trainer.v1.sampler.custom_sampler.name == "StrictReplayBuffer"


def validate(config):
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    validate_config(config, need_reference_policy(config), need_critic(config))


@pytest.mark.parametrize("advantage", ["grpo", "gae"])
def test_the_profile_wins_over_a_recipe_for_gpus_and_leaves_its_algorithm(tmp_path, advantage, tiny_policy):
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("ADVANTAGE", advantage))
    config = config_of(tmp_path, "recipe", f"actor_rollout_ref.model.path={tiny_policy}/model")
    assert_runs_on_a_cpu(config)
    assert config.algorithm.adv_estimator == advantage
    assert config.actor_rollout_ref.rollout.temperature == 0.7
    assert config.actor_rollout_ref.model.lora.merge  # a LoRA recipe sends merged weights
    validate(config)


def test_the_command_line_wins_over_the_profile(tiny_policy):
    config = config_of(
        None, "ppo_trainer", f"actor_rollout_ref.model.path={tiny_policy}/model", "data.train_batch_size=6",
        "trainer.n_gpus_per_node=2", "actor_rollout_ref.rollout.n=3",
    )  # fmt: skip
    assert config.actor_rollout_ref.actor.ppo_mini_batch_size == 6
    assert config.ray_kwargs.ray_init.num_gpus == 2
    validate(config)


def test_a_profile_that_something_overwrites_is_refused(tmp_path):
    # As a body value after the profile would: the backend is vLLM again.
    command = ["-m", "verl.trainer.main_ppo", "+profile=cpu", "actor_rollout_ref.rollout.name=vllm"]
    result = forks.run(*command, cwd=tmp_path, env={**os.environ, "HYDRA_FULL_ERROR": "1"})
    assert result.returncode != 0
    assert "profile=cpu is chosen, but rollout.name='vllm'" in result.stderr
