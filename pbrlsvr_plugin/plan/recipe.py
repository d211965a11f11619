"""A recipe -> veRL's composed config -> the settings that decide about memory and batches."""

import warnings
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.plan.model_size import Lora, ModelSize, model_size
from pbrlsvr_plugin.plan.settings import Engine, Rollout, Settings

BYTES = {
    "fp32": 4, "float32": 4, "float": 4, "32": 4, "bf16": 2, "bfloat16": 2, "fp16": 2, "float16": 2, "half": 2, "16": 2,
    "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1, "auto": 2,
}  # fmt: skip

#: What veRL's V1 trainer takes for the critic's passes and its updates, in place of ppo_max_token_len_per_gpu.
CRITIC_TOKENS = "ppo_infer_max_token_len_per_gpu"


def set_hardware(config: DictConfig, *, gpus: int | None, nodes: int | None, model: str | None) -> None:
    """Write what the command line says into the config, so that what refers to it follows."""
    given = {"trainer.n_gpus_per_node": gpus, "trainer.nnodes": nodes}
    if model is not None:
        given |= {"actor_rollout_ref.model.path": model, "critic.model.path": model}  # type: ignore[dict-item]
    for key, value in given.items():
        if value is not None:
            OmegaConf.update(config, key, value, force_add=True)


def settings(config: DictConfig) -> Settings:
    """Read a composed config.

    Raises:
        ConfigError: a value is missing, or of a kind that the plan does not know; with its key.
    """
    from verl.trainer.ppo.utils import need_critic, need_reference_policy

    strategy = _get(config, "actor_rollout_ref.actor.strategy")
    if strategy not in ("fsdp", "fsdp2"):
        raise ConfigError(f"actor_rollout_ref.actor.strategy={strategy!r}: the plan knows fsdp and fsdp2")
    if _get(config, "trainer.device") == "cpu":
        raise ConfigError("trainer.device='cpu': there is no GPU to plan for; leave out +profile=cpu")
    gpus, nodes = _get(config, "trainer.n_gpus_per_node"), _get(config, "trainer.nnodes")
    lora = lora_of(config)
    actor = _actor(config, model_size(_get(config, "actor_rollout_ref.model.path"), "policy", lora), gpus * nodes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # veRL warns that GRPO has no critic
        critic = _critic(config, gpus * nodes) if need_critic(config) else None
    # With LoRA the reference is the policy with its adapter switched off.
    ref = _ref(config, actor, gpus * nodes) if need_reference_policy(config) and lora is None else None
    return Settings(config, nodes, gpus, actor, ref, critic, _rollout(config, actor.size))


def lora_of(config: DictConfig, key: str = "actor_rollout_ref.model") -> Lora | None:
    """The adapter of the policy, or of the model under another key; None where all its parameters are trained."""
    model = _get(config, key)
    rank = model.get("lora_rank", 0)
    if rank <= 0:
        return None
    return Lora(
        rank, model.get("lora_alpha", 16), _modules(model.target_modules), _modules(model.get("exclude_modules"))
    )


def _modules(value: Any) -> Any:
    return tuple(value) if OmegaConf.is_list(value) else value


def _get(config: DictConfig, key: str) -> Any:
    try:
        return OmegaConf.select(config, key, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{key} has no value ({type(error).__name__}): set it, as in {key}=...") from error


def _bytes(name: Any, key: str) -> int:
    if str(name) not in BYTES:
        raise ConfigError(f"{key}={name!r} is no dtype that the plan knows: {sorted(BYTES)}")
    return BYTES[str(name)]


def _engine(config: DictConfig, role: str, key: str, size: ModelSize, world: int, **values: Any) -> Engine:
    fsdp = _get(config, key)
    mixed = fsdp.get("mixed_precision") or {}
    shards = fsdp.fsdp_size if 0 < fsdp.fsdp_size < world else world
    master = _bytes(fsdp.model_dtype or "fp32", f"{key}.model_dtype")
    return Engine(
        role=role, key=key, size=size, ranks=shards, master=master,
        compute=_bytes(mixed.get("param_dtype", "bf16"), f"{key}.mixed_precision.param_dtype"),
        reduce=_bytes(mixed.get("reduce_dtype", "fp32"), f"{key}.mixed_precision.reduce_dtype"),
        param_offload=bool(fsdp.param_offload), optimizer_offload=bool(fsdp.optimizer_offload),
        offload_policy=bool(fsdp.offload_policy) or role == "ref",
        no_sync=bool(fsdp.get("use_no_sync_for_gradient_accumulation", False)),
        entropy_eager=not fsdp.use_torch_compile,
        entropy_chunk=fsdp.entropy_from_logits_chunk_size if fsdp.entropy_from_logits_with_chunking else 0,
        **values,
    )  # fmt: skip


def _actor(config: DictConfig, size: ModelSize, world: int) -> Engine:
    actor, rollout = _get(config, "actor_rollout_ref.actor"), _get(config, "actor_rollout_ref.rollout")
    model = _get(config, "actor_rollout_ref.model")
    key = "actor_rollout_ref.actor.fsdp_config"
    split = sequence_parallel(config, "actor_rollout_ref.actor", "fsdp_config")
    return _engine(
        config, "actor", key, size, world,
        optimizer_state=_optimizer_state(config, "actor_rollout_ref.actor", key),
        checkpointing=bool(model.enable_gradient_checkpointing),
        activation_offload=bool(model.enable_activation_offload),
        train_tokens=_tokens(actor, "ppo", config, split, world, actor.ppo_mini_batch_size),
        infer_tokens=_tokens(rollout, "log_prob", config, split, world, config.data.train_batch_size),
        vocabulary=True, temperature_copy=rollout.temperature != 1.0, fused_logits=bool(model.use_fused_kernels),
        train_entropy=bool(actor.calculate_entropy) or actor.entropy_coeff != 0,
        staged_sync=actor.strategy == "fsdp" or size.count(trainable=True) < size.count(),
        packed=bool(model.get("use_remove_padding", False)),
    )  # fmt: skip


def _ref(config: DictConfig, actor: Engine, world: int) -> Engine:
    ref = _get(config, "actor_rollout_ref.ref")
    split = sequence_parallel(config, "actor_rollout_ref.ref", "fsdp_config")
    return _engine(
        config, "ref", "actor_rollout_ref.ref.fsdp_config", actor.size, world, optimizer_state=0, checkpointing=False,
        activation_offload=False, train_tokens=0,
        infer_tokens=_tokens(ref, "log_prob", config, split, world, config.data.train_batch_size),
        vocabulary=True, temperature_copy=actor.temperature_copy, fused_logits=actor.fused_logits, train_entropy=False,
        packed=actor.packed,
    )  # fmt: skip


def _critic(config: DictConfig, world: int) -> Engine:
    critic, split = _get(config, "critic"), sequence_parallel(config, "critic", "fsdp")
    size = model_size(_get(config, "critic.model.path"), "critic", lora_of(config, "critic.model"))
    return _engine(
        config, "critic", "critic.fsdp", size, world,
        optimizer_state=_optimizer_state(config, "critic", "critic.fsdp"),
        checkpointing=bool(critic.model.get("enable_gradient_checkpointing", True)),
        activation_offload=bool(critic.model.get("enable_activation_offload", False)),
        train_tokens=most_tokens(config, split, world, critic.ppo_mini_batch_size, critic_budget(config, "ppo")),
        infer_tokens=most_tokens(config, split, world, config.data.train_batch_size, critic_budget(config, "forward")),
        vocabulary=False, temperature_copy=False, fused_logits=False, train_entropy=False,
    )  # fmt: skip


def _rollout(config: DictConfig, size: ModelSize) -> Rollout:
    rollout = _get(config, "actor_rollout_ref.rollout")
    weight = _bytes(rollout.dtype, "actor_rollout_ref.rollout.dtype")
    kv = OmegaConf.select(rollout, "engine_kwargs.vllm.kv_cache_dtype") or "auto"
    told = OmegaConf.select(rollout, "engine_kwargs.vllm.max_model_len")  # goes to vLLM in place of veRL's own
    return Rollout(
        size=size, tensor_parallel=rollout.tensor_model_parallel_size,
        weight=1 if rollout.quantization == "fp8" else weight,
        kv=weight if kv == "auto" else _bytes(kv, "actor_rollout_ref.rollout.engine_kwargs.vllm.kv_cache_dtype"),
        utilization=rollout.gpu_memory_utilization, sleeps=bool(rollout.free_cache_engine),
        graphs=not rollout.enforce_eager, batched_tokens=rollout.max_num_batched_tokens, sequences=rollout.max_num_seqs,
        sequence_length=sequence_length(config),
        bucket=rollout.checkpoint_engine.update_weights_bucket_megabytes << 20,
        # veRL: the model's own where it is not set (vllm_async_server.py: _validate_configs).
        context=int(told or rollout.max_model_len or size.max_positions), is_vllm=rollout.name == "vllm",
    )  # fmt: skip


def sequence_length(config: DictConfig) -> int:
    """Tokens of the longest prompt and the longest response together."""
    return int(_get(config, "data.max_prompt_length") + _get(config, "data.max_response_length"))


def sequence_parallel(config: DictConfig, key: str, fsdp: str) -> int:
    """Over how many GPUs Ulysses splits a sequence; veRL takes the old key where it is set."""
    return max(
        int(_get(config, f"{key}.ulysses_sequence_parallel_size")),
        int(_get(config, f"{key}.{fsdp}.ulysses_sequence_parallel_size")),
    )


def _tokens(options: DictConfig, stage: str, config: DictConfig, split: int, world: int, prompts: int) -> int:
    """Tokens of a micro-batch on one GPU: the budget, or rows times the longest sequence; at most what a GPU gets.

    Args:
        split: GPUs that share a sequence.
        prompts: of the batch that is cut into micro-batches.
    """
    if options.get("log_prob_use_dynamic_bsz" if stage == "log_prob" else "use_dynamic_bsz", False):
        budget = int(options[f"{stage}_max_token_len_per_gpu"])
    else:
        rows = options.get(f"{stage}_micro_batch_size_per_gpu") or options.get(f"{stage}_micro_batch_size") or 1
        budget = int(rows) * sequence_length(config) // split
    return most_tokens(config, split, world, prompts, budget)


def most_tokens(config: DictConfig, split: int, world: int, prompts: int, budget: int) -> int:
    """A budget of tokens, or what the prompts make at most on one GPU, where that is less."""
    sequence, n = sequence_length(config), int(_get(config, "actor_rollout_ref.rollout.n"))
    return min(budget, int(max(prompts * n * sequence // world, sequence // split)))


def critic_budget(config: DictConfig, stage: str) -> int:
    """Tokens of the critic's micro-batches. veRL cuts them by tokens whatever `critic.use_dynamic_bsz` says, because
    nothing hands that on to the critic's engine, whose own default is true (workers/config/engine.py: EngineConfig).

    Args:
        stage: "ppo", its updates, or "forward", its passes.
    """
    if stage == "ppo" and not config.trainer.use_v1:  # ray_trainer.py: init_workers
        return int(config.critic.ppo_max_token_len_per_gpu)
    # trainer_base.py: _setup. The key is in no YAML file of veRL's; its class has the default.
    return int(config.critic.get(CRITIC_TOKENS, 32768))


def _optimizer_state(config: DictConfig, key: str, fsdp: str) -> int:
    """Bytes per trained parameter: AdamW keeps two numbers of the parameter's dtype, its 8-bit kinds two bytes."""
    name = str(_get(config, f"{key}.optim.optimizer")).lower()
    if "8bit" in name:
        return 2
    if "adam" not in name:
        raise ConfigError(f"{key}.optim.optimizer={name!r}: the plan knows AdamW and its 8-bit kinds")
    return 2 * _bytes(_get(config, f"{fsdp}.model_dtype") or "fp32", f"{fsdp}.model_dtype")
