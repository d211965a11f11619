"""What a recipe's keys end up as: veRL's own code hands them to its engines and vLLM, and the plan reads the same."""

import functools

import pytest

pytest.importorskip("verl", reason="needs veRL's own config tree")

from omegaconf import OmegaConf, open_dict
from transformers import LlamaConfig

from pbrlsvr_plugin.plan.recipe import settings
from pbrlsvr_plugin.verl.compose import compose
from pbrlsvr_plugin.verl.recipe_files import packaged

RL = [recipe.name for recipe in packaged() if recipe.trainer == "ppo_trainer"]


class ReachedError(Exception):
    """veRL has handed on what the test looks at; from here on it would need GPUs."""


@pytest.fixture(scope="module")
def policy(tmp_path_factory, tiny_policy):
    """A tiny policy whose config says a large model's context."""
    import json
    import shutil

    folder = tmp_path_factory.mktemp("policy")
    shutil.copytree(tiny_policy / "model", folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 40960}))
    return str(folder)


def engines_of(config, monkeypatch):
    """role -> the engine's config, as `PPOTrainer._setup` and `ActorRolloutRefWorker.init_model` make it."""
    from verl.trainer.ppo.utils import need_critic
    from verl.trainer.ppo.v1 import get_trainer_cls, trainer_base
    from verl.workers.engine_workers import ActorRolloutRefWorker

    found = {}
    if need_critic(config):

        def reached(class_dict):
            found["critic"] = class_dict["critic"].kwargs["config"].engine_config
            raise ReachedError

        trainer = object.__new__(get_trainer_cls(config.trainer.v1.trainer_mode))
        trainer.config, trainer.use_critic, trainer.use_reference_policy = config, True, True
        for name in ("_init_tokenizer", "_init_dataloader", "_init_dump_executor"):
            setattr(trainer, name, lambda: None)
        pool = trainer_base.ResourcePoolManager
        monkeypatch.setattr(
            pool, "create_resource_pool", lambda self: setattr(self, "resource_pool_dict", {"global_pool": "pool"})
        )
        monkeypatch.setattr(trainer_base, "create_colocated_worker_cls", reached)
        with pytest.raises(ReachedError):
            trainer._setup()

    class Inner:
        def __init__(self, config):
            found["actor" if found.keys() >= {"ref"} else "ref"] = config.engine_config

        def __getattr__(self, name):
            return lambda *_, **__: {}

    class Stopped(Inner):
        def set_loss_fn(self, _):
            raise ReachedError

    worker = object.__new__(ActorRolloutRefWorker)
    worker.config, worker.role, worker.distillation_enabled = (
        OmegaConf.create(config.actor_rollout_ref),
        "actor_ref",
        False,
    )
    worker.ref_worker_cls, worker.actor_worker_cls, worker._omega_profiler_config = Inner, Stopped, {}
    worker.set_dispatch_collect = lambda **_: None
    with pytest.raises(ReachedError):
        worker.init_model()
    return found


@functools.cache
def composed(name, *overrides):
    config = compose(name, overrides)
    with open_dict(config):  # as veRL's TaskRunner does before anything reads it
        OmegaConf.resolve(config)
    return config


@pytest.mark.parametrize("name", RL)
def test_the_engines_get_the_recipes_budgets_and_the_plan_reads_them(name, policy, monkeypatch):
    config = composed(name, f"actor_rollout_ref.model.path={policy}").copy()
    plan = settings(config)
    engines = engines_of(config, monkeypatch)
    longest = config.data.max_prompt_length + config.data.max_response_length
    split = config.actor_rollout_ref.actor.ulysses_sequence_parallel_size
    for planned in filter(None, (plan.actor, plan.ref, plan.critic)):
        engine = engines[planned.role]
        assert engine.use_dynamic_bsz
        assert engine.infer_max_token_len_per_gpu == planned.infer_tokens
        assert engine.infer_max_token_len_per_gpu * split >= longest
        if planned.role != "ref":
            assert engine.max_token_len_per_gpu == planned.train_tokens
            assert engine.max_token_len_per_gpu * split >= longest
        assert engine.strategy == "fsdp2"
        assert (engine.param_offload, engine.optimizer_offload) == (planned.param_offload, planned.optimizer_offload)
        assert engine.use_no_sync_for_gradient_accumulation == planned.no_sync
    # The update's budget of the policy is the critic's too: it fits where that does.
    if plan.critic:
        assert engines["critic"].max_token_len_per_gpu == config.actor_rollout_ref.actor.ppo_max_token_len_per_gpu


@pytest.mark.parametrize(
    ("overrides", "tokens"),
    [
        ((), 32768),
        (("critic.ppo_max_token_len_per_gpu=4096", "critic.use_dynamic_bsz=false"), 32768),
        (("++critic.ppo_infer_max_token_len_per_gpu=5000",), 5000),
    ],
)
def test_the_plan_knows_what_verl_makes_of_a_critic_of_ones_own(overrides, tokens, policy, monkeypatch):
    """With `critic.ppo_max_token_len_per_gpu` alone the V1 trainer takes 32,768 all the same."""
    base = ("algorithm.adv_estimator=gae", "actor_rollout_ref.actor.strategy=fsdp2", "critic.strategy=fsdp2",
            "actor_rollout_ref.rollout.name=vllm", "critic.ppo_micro_batch_size_per_gpu=1",
            "actor_rollout_ref.actor.use_dynamic_bsz=true", "actor_rollout_ref.actor.use_kl_loss=true",
            f"actor_rollout_ref.model.path={policy}", f"critic.model.path={policy}")  # fmt: skip
    config = composed("ppo_trainer", *base, *overrides).copy()
    planned, engine = settings(config).critic, engines_of(config, monkeypatch)["critic"]
    assert (engine.max_token_len_per_gpu, engine.infer_max_token_len_per_gpu) == (tokens, tokens)
    assert (planned.train_tokens, planned.infer_tokens) == (tokens, tokens)


@pytest.mark.parametrize("name", RL)
def test_vllm_is_told_the_longest_text_and_no_longer_one(name, policy):
    from verl.utils.config import omega_conf_to_dataclass

    for overrides in ((), ("data.max_response_length=5000",)):
        config = composed(name, f"actor_rollout_ref.model.path={policy}", *overrides)
        rollout = omega_conf_to_dataclass(config.actor_rollout_ref.rollout)
        least = config.data.max_prompt_length + config.data.max_response_length
        # SGLang keeps one token back (async_sglang_server.py: generate).
        assert rollout.max_model_len == least + (rollout.name == "sglang")
        assert (rollout.prompt_length, rollout.response_length) == (
            config.data.max_prompt_length, config.data.max_response_length,
        )  # fmt: skip


def test_max_model_len_may_be_set_and_unset_on_the_command_line():
    key = "actor_rollout_ref.rollout.max_model_len"
    name = "llama3.1_8b_grpo_embed"
    assert compose(name).actor_rollout_ref.rollout.max_model_len == 3072
    assert compose(name, [f"{key}=null"]).actor_rollout_ref.rollout.max_model_len is None
    assert compose(name, [f"{key}=9999"]).actor_rollout_ref.rollout.max_model_len == 9999
    assert LlamaConfig().max_position_embeddings  # the model's own is what vLLM takes for null
