"""What has to divide what in veRL 0.9.1, with the arithmetic and the fix."""

import contextlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from omegaconf import DictConfig, OmegaConf

from pbrlsvr_plugin.plan.recipe import CRITIC_TOKENS, critic_budget, sequence_length, sequence_parallel
from pbrlsvr_plugin.plan.settings import Settings


@dataclass(frozen=True)
class Check:
    """One requirement.

    Attributes:
        arithmetic: the requirement with the numbers in it.
        fix: which key to change, and to what; empty where the requirement holds.
        stops: whether veRL stops where it does not hold; otherwise it pads and wastes work.
    """

    what: str
    arithmetic: str
    ok: bool
    fix: str = ""
    stops: bool = True


def checks(settings: Settings) -> list[Check]:
    """All requirements, those that do not hold with their fix."""
    return [*_world(settings), *_batches(settings), *_model(settings), *_lengths(settings), _verls_own(settings)]


def require(what: str, arithmetic: str, ok: bool, fix: str, stops: bool = True) -> Check:
    """A requirement, with its fix where it does not hold."""
    return Check(what, arithmetic, ok, "" if ok else fix, stops)


def divides(what: str, terms: str, whole: int, by: int, name: str, fix: str, stops: bool = True) -> Check:
    """`by` divides `whole`."""
    rest = whole % by
    result = f"{whole // by}" if rest == 0 else f"{whole // by} rest {rest}"
    return require(
        what,
        f"{terms} = {whole:,}; {whole:,} / {by:,} ({name}) = {result}",
        rest == 0,
        fix,
        stops,
    )


def _world(settings: Settings) -> Iterator[Check]:
    config, world = settings.config, settings.world
    rollout = config.actor_rollout_ref.rollout
    replica = rollout.tensor_model_parallel_size * rollout.data_parallel_size * rollout.pipeline_model_parallel_size
    gpus = f"nodes {settings.nodes} · GPUs {settings.gpus}"
    yield divides(
        "vLLM replicas",
        gpus,
        world,
        replica,
        "GPUs of a replica, TP · DP · PP",
        f"actor_rollout_ref.rollout.tensor_model_parallel_size={_divisor(world, replica)}",
    )
    for key, fsdp in _trained(settings):
        split = sequence_parallel(config, key, fsdp)
        yield divides(
            f"{key}: ranks by sequence parallel",
            gpus,
            world,
            split,
            "ulysses_sequence_parallel_size",
            f"{key}.ulysses_sequence_parallel_size={_divisor(world, split)}",
        )
        cut = OmegaConf.select(config, f"{key}.{fsdp}.fsdp_size")
        if 0 < cut < world:
            yield divides(f"{key}: ranks by shards", gpus, world, cut, "fsdp_size", f"{key}.{fsdp}.fsdp_size=-1")


def _batches(settings: Settings) -> Iterator[Check]:
    config, world = settings.config, settings.world
    batch, n = config.data.train_batch_size, config.actor_rollout_ref.rollout.n
    rows, terms = batch * n, f"train_batch_size {batch} · rollout.n {n}"
    needed = []
    for key, fsdp in _trained(settings):
        options = OmegaConf.select(config, key)
        data_parallel = max(1, world // sequence_parallel(config, key, fsdp))
        mini = options.ppo_mini_batch_size
        step = data_parallel // math.gcd(n, data_parallel)
        yield divides(
            f"{key}: mini-batch by ranks",
            f"ppo_mini_batch_size {mini} · rollout.n {n}",
            mini * n,
            data_parallel,
            "data-parallel ranks",
            f"{key}.ppo_mini_batch_size={_up(mini, step)}",
        )
        yield require(
            f"{key}: mini-batch in the batch",
            f"ppo_mini_batch_size {mini} ≤ train_batch_size {batch}",
            mini <= batch,
            f"{key}.ppo_mini_batch_size={batch}",
        )
        needed += [data_parallel, mini * n]
        if mini * n % data_parallel == 0 and key != "critic":
            terms_of = f"rows of a mini-batch per rank, {mini}·{n}/{data_parallel}"
            yield from _micro(config, key, "ppo", mini * n // data_parallel, terms_of)
        if rows % data_parallel == 0:
            yield from _forward_batches(settings, key, rows // data_parallel, f"rows per rank, {rows}/{data_parallel}")
    multiple = math.lcm(*needed)
    padded = _up(rows, multiple) - rows
    unit = multiple // math.gcd(n, multiple)
    yield divides(
        "batch in mini-batches",
        terms,
        rows,
        multiple,
        "lcm of mini-batches and ranks",
        f"data.train_batch_size={_up(batch, unit)}, or veRL pads every batch by {padded} rows",
        stops=False,
    )
    if not config.actor_rollout_ref.actor.use_dynamic_bsz:
        yield divides(
            "batch by GPUs",
            terms,
            rows,
            world,
            "GPUs",
            f"data.train_batch_size={_up(batch, world // math.gcd(n, world))}",
        )


def _forward_batches(settings: Settings, key: str, rows: int, terms: str) -> Iterator[Check]:
    if key == "critic":
        return  # its micro-batches are cut by tokens: critic_budget
    yield from _micro(settings.config, "actor_rollout_ref.rollout", "log_prob", rows, terms)
    if settings.ref is not None:
        yield from _micro(settings.config, "actor_rollout_ref.ref", "log_prob", rows, terms)


def _micro(config: DictConfig, key: str, stage: str, rows: int, terms: str) -> Iterator[Check]:
    options = OmegaConf.select(config, key)
    dynamic = options.get("log_prob_use_dynamic_bsz" if stage == "log_prob" else "use_dynamic_bsz", False)
    name = f"{stage}_micro_batch_size_per_gpu"
    micro = options.get(name)
    if not dynamic and micro and rows:
        yield divides(
            f"{key}: {stage} micro-batches", terms, rows, micro, name, f"{key}.{name}={_divisor(rows, micro)}"
        )


def _model(settings: Settings) -> Iterator[Check]:
    config, size = settings.config, settings.actor.size
    parallel = config.actor_rollout_ref.rollout.tensor_model_parallel_size
    yield divides(
        "attention heads by TP",
        "heads",
        size.heads,
        parallel,
        "tensor_model_parallel_size",
        f"actor_rollout_ref.rollout.tensor_model_parallel_size={_divisor(size.heads, parallel)}",
    )
    for key, fsdp in _trained(settings):
        split = sequence_parallel(config, key, fsdp)
        if split == 1:
            continue
        fix = f"{key}.ulysses_sequence_parallel_size={_divisor(math.gcd(size.heads, size.kv_heads), split)}"
        yield divides(f"{key}: heads by sequence parallel", "heads", size.heads, split, "ulysses", fix)
        yield require(
            f"{key}: key-value heads by sequence parallel",
            f"{size.kv_heads} and {split}: one divides the other",
            size.kv_heads % split == 0 or split % size.kv_heads == 0,
            fix,
        )
        where = "critic.model" if key == "critic" else "actor_rollout_ref.model"
        packed = bool(OmegaConf.select(config, where).get("use_remove_padding", False))
        yield require(
            f"{key}: sequence parallel is for packed sequences",
            f"use_remove_padding={packed}",
            packed,
            f"{where}.use_remove_padding=true",
        )


def _lengths(settings: Settings) -> Iterator[Check]:
    config = settings.config
    longest = sequence_length(config)
    prompt, response = config.data.max_prompt_length, config.data.max_response_length
    terms = f"max_prompt_length {prompt} + max_response_length {response} = {longest:,}"
    context, limit = settings.rollout.context, settings.actor.size.max_positions
    if context:
        yield require(
            "sequence in the model's context",
            f"{terms} ≤ {context:,}",
            longest <= context,
            _longer_context(longest, context, limit, prompt),
        )
    if context and limit:
        yield require(
            "max_model_len in the model's context",
            f"actor_rollout_ref.rollout.max_model_len {context:,} ≤ max_position_embeddings {limit:,}",
            context <= limit,
            f"actor_rollout_ref.rollout.max_model_len={min(longest, limit)}",
        )
    split = sequence_parallel(config, "actor_rollout_ref.actor", "fsdp_config")
    for key, name, switch in (
        ("actor_rollout_ref.actor", "ppo_max_token_len_per_gpu", "use_dynamic_bsz"),
        ("actor_rollout_ref.rollout", "log_prob_max_token_len_per_gpu", "log_prob_use_dynamic_bsz"),
    ):
        options = OmegaConf.select(config, key)
        if options.get(switch, False):
            yield _in_a_micro_batch(terms, longest, key, name, options[name], split)
    if settings.critic is not None:
        split = sequence_parallel(config, "critic", "fsdp")
        for name, stage in (("ppo_max_token_len_per_gpu", "ppo"), (CRITIC_TOKENS, "forward")):
            if stage == "ppo" and config.trainer.use_v1:
                continue
            yield _in_a_micro_batch(terms, longest, "critic", name, critic_budget(config, stage), split)
        given = int(config.critic.ppo_max_token_len_per_gpu)
        unread = config.trainer.use_v1 and CRITIC_TOKENS not in config.critic and given != critic_budget(config, "ppo")
        yield require(
            "critic: the budget that is read",
            f"V1 reads {CRITIC_TOKENS} {critic_budget(config, 'forward'):,}, not ppo_max_token_len_per_gpu {given:,}",
            not unread,
            f"++critic.{CRITIC_TOKENS}={given}",
            stops=False,
        )


def _longer_context(longest: int, context: int, limit: int, prompt: int) -> str:
    if longest <= limit:
        return f"actor_rollout_ref.rollout.max_model_len={longest}"
    return f"data.max_response_length={min(context, limit or context) - prompt}"


def _in_a_micro_batch(terms: str, longest: int, key: str, name: str, tokens: int, split: int) -> Check:
    budget = tokens * split
    added = "++" if name == CRITIC_TOKENS else ""  # which veRL's YAML does not have
    return require(
        f"{key}: a sequence in a micro-batch",
        f"{terms} ≤ {name} {tokens:,} · ulysses {split} = {budget:,}",
        longest <= budget,
        f"{added}{key}.{name}={math.ceil(longest / split)}",
    )


def _verls_own(settings: Settings) -> Check:
    """What veRL's `validate_config` says, which also knows what this file does not."""
    from verl.utils.config import validate_config

    config = OmegaConf.create(OmegaConf.to_container(settings.config, resolve=False))
    # veRL would load the critic's tokenizer and ask the installed vLLM about LoRA; a plan has neither.
    config.critic.model.pop("_target_", None)
    if find_spec("vllm") is None:
        config.actor_rollout_ref.model.lora_rank = 0
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            reference = settings.ref is not None
            validate_config(config, use_reference_policy=reference, use_critic=settings.critic is not None)
    except Exception as error:  # veRL raises AssertionError, ValueError and Hydra's errors here
        return Check(
            "veRL's validate_config", f"{type(error).__name__}: {error}", False, "change the key that it names"
        )
    return Check("veRL's validate_config", "passed", True)


def _trained(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "actor_rollout_ref.actor", "fsdp_config"
    if settings.critic is not None:
        yield "critic", "fsdp"


def _divisor(whole: int, near: int) -> int:
    """The largest divisor of `whole` that is at most `near`."""
    return max(d for d in range(1, max(1, min(near, whole)) + 1) if whole % d == 0)


def _up(value: int, multiple: int) -> int:
    return math.ceil(value / multiple) * multiple
