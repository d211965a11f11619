"""What to change where a recipe does not fit, cheapest first; a saving is the plan calculated again with the change."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.plan.evaluate import Plan, evaluate
from pbrlsvr_plugin.plan.memory import GIB
from pbrlsvr_plugin.plan.recipe import CRITIC_TOKENS, critic_budget, sequence_length, sequence_parallel
from pbrlsvr_plugin.plan.settings import Settings

# Less than this is not worth a change, unless it is the last bit.
LEAST = 0.05 * GIB
ACTOR, ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
CRITIC_UPDATE = "critic.ppo_max_token_len_per_gpu"


@dataclass(frozen=True)
class Change:
    """One change of the config.

    Attributes:
        overrides: to paste behind the command.
        cost: what it costs in speed or quality.
        saves: bytes that it saves by itself, in the phase where that is most.
        phase: that phase; of those that do not fit, where there are any.
        needed: whether it belongs to the set that makes the recipe fit.
    """

    overrides: tuple[str, ...]
    cost: str
    saves: float
    phase: str
    needed: bool


@dataclass(frozen=True)
class Advice:
    """The changes that help, and whether those that are `needed` make the recipe fit."""

    changes: tuple[Change, ...]
    fits: bool
    peak: float


def advise(plan: Plan) -> Advice:
    """Take changes, cheapest first, until the recipe fits; then give back, dearest first, what it can spare."""
    config, current = plan.settings.config, plan
    taken: list[tuple[tuple[str, ...], str]] = []
    helpful = []
    for change in candidates(plan.settings):
        alone = _with(config, [change], plan)
        if alone is None:
            continue
        saves, phase = _saving(plan, alone)
        together = None if current.fits else _with(config, [*taken, change], plan)
        if together is not None and together.lacks < current.lacks - (0 if together.fits else LEAST):
            taken.append(change)
            current = together
        if change in taken or saves > 0:
            helpful.append((change, saves, phase))
    spare = current.fits
    while spare:  # what one change made necessary may be idle without it
        spare = False
        for change in reversed(taken):
            fewer = _with(config, [other for other in taken if other != change], plan)
            if fewer is not None and fewer.fits:
                taken.remove(change)
                current, spare = fewer, True
    changes = tuple(Change(*change, saves, phase, change in taken) for change, saves, phase in helpful)
    return Advice(changes, current.fits, current.peak)


def _saving(plan: Plan, changed: Plan) -> tuple[float, str]:
    over = {phase for phase, used in plan.phases.items() if used > plan.capacity} or set(plan.phases)
    saved = {phase: plan.phases[phase] - changed.phases.get(phase, 0.0) for phase in over}
    phase = max(saved, key=lambda name: saved[name])
    return saved[phase], phase


def _with(config: DictConfig, changes: list[tuple[tuple[str, ...], str]], plan: Plan) -> Plan | None:
    changed = config.copy()
    for override in (override for overrides, _ in changes for override in overrides):
        key, value = override.split("=", 1)
        OmegaConf.update(changed, key.lstrip("+"), OmegaConf.create(f"value: {value}").value, force_add=True)
    try:
        return evaluate(changed, plan.capacity)
    except ConfigError:  # a change that this model does not allow is no advice
        return None


def candidates(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Changes that are possible, by their cost."""
    yield from _free(settings)
    yield from _slower(settings)
    yield from _offload(settings)
    yield from _last(settings)


def _free(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    actor, rollout = settings.actor, settings.rollout
    if actor.size.count(trainable=True) < actor.size.count() and actor.master == 4:
        yield (f"{actor.key}.model_dtype=bf16",), "none for the frozen weights; the adapter is bfloat16 too"
    for engine in (actor, settings.critic):
        if engine is not None and engine.no_sync:
            yield (f"{engine.key}.use_no_sync_for_gradient_accumulation=false",), "one more reduction per micro-batch"
        if engine is not None and not engine.checkpointing:
            key = "actor_rollout_ref.model" if engine is actor else "critic.model"
            yield (f"{key}.enable_gradient_checkpointing=true",), "about a third more time per update"
    longest = sequence_length(settings.config)
    if rollout.is_vllm and rollout.context > longest:
        yield (f"{ROLLOUT}.max_model_len={longest}",), "none: no text is longer"
    if not rollout.sleeps:
        yield (f"{ROLLOUT}.free_cache_engine=true",), "some seconds per step to sleep and wake"
    if actor.entropy_eager and not actor.entropy_chunk:
        yield (f"{ACTOR}.entropy_from_logits_with_chunking=true",), "hardly any"


def _slower(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    longest = sequence_length(settings.config)
    actor = settings.config.actor_rollout_ref.actor
    least = _budget(math.ceil(longest / actor.ulysses_sequence_parallel_size))
    if actor.use_dynamic_bsz:
        for budget in (actor.ppo_max_token_len_per_gpu // 2, least):
            if least <= budget < actor.ppo_max_token_len_per_gpu:
                yield _token_budgets(budget), "smaller micro-batches"
    elif (actor.ppo_micro_batch_size_per_gpu or 1) > 1:
        yield (
            (f"{ACTOR}.ppo_micro_batch_size_per_gpu={actor.ppo_micro_batch_size_per_gpu // 2}",),
            "smaller micro-batches",
        )
    if settings.critic is not None:
        names = (f"++critic.{CRITIC_TOKENS}", *(() if settings.config.trainer.use_v1 else (CRITIC_UPDATE,)))
        budget = max(critic_budget(settings.config, stage) for stage in ("ppo", "forward")) // 2
        split = sequence_parallel(settings.config, "critic", "fsdp")
        while budget * split >= longest:
            yield tuple(f"{name}={budget}" for name in names), "smaller micro-batches"
            budget //= 2
    for utilization in (0.7, 0.6, 0.5, 0.4, 0.3):
        if utilization < settings.rollout.utilization:
            yield (f"{ROLLOUT}.gpu_memory_utilization={utilization}",), "fewer sequences are generated at a time"


def _offload(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    present = [engine for engine in (settings.actor, settings.critic) if engine is not None]
    for what in ("optimizer_offload", "param_offload"):
        for engine in present:
            if not getattr(engine, what) and not engine.offload_policy:
                yield (f"{engine.key}.{what}=true",), "some seconds per step"
    options, heads = settings.config.actor_rollout_ref.actor, settings.actor.size.kv_heads
    split = 2 * options.ulysses_sequence_parallel_size
    if settings.world % split == 0 and heads % split == 0 and options.use_dynamic_bsz:
        budget = _budget(math.ceil(sequence_length(settings.config) / split))
        if budget < options.ppo_max_token_len_per_gpu:
            yield (
                (f"{ACTOR}.ulysses_sequence_parallel_size={split}", *_token_budgets(budget)),
                f"{split} GPUs share a sequence",
            )
    if not settings.actor.activation_offload and settings.actor.checkpointing:
        yield ("actor_rollout_ref.model.enable_activation_offload=true",), "activations travel to the host and back"


def _last(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    parallel = settings.rollout.tensor_parallel
    while settings.world % (2 * parallel) == 0 and 2 * parallel <= settings.gpus:
        parallel *= 2
        if settings.actor.size.heads % parallel:
            break
        yield (f"{ROLLOUT}.tensor_model_parallel_size={parallel}",), "fewer vLLM replicas"
    for engine in (settings.actor, settings.critic):
        if engine is not None and not engine.offload_policy:
            off = tuple(
                f"{engine.key}.{key}"
                for key in ("offload_policy=true", "param_offload=false", "optimizer_offload=false")
            )
            yield off, "the optimiser runs on the host: far slower"
    for factor in (2, 4):
        yield (f"trainer.nnodes={factor * settings.nodes}",), f"{factor} times the nodes"


def _budget(tokens: int) -> int:
    """Rounded up to whole thousands, as budgets are written."""
    return math.ceil(tokens / 1024) * 1024


def _token_budgets(budget: int) -> tuple[str, ...]:
    keys = (
        f"{ACTOR}.ppo_max_token_len_per_gpu",
        f"{ROLLOUT}.log_prob_max_token_len_per_gpu",
        "actor_rollout_ref.ref.log_prob_max_token_len_per_gpu",
    )
    return tuple(f"{key}={budget}" for key in keys)
