"""`pbrlsvr plan`: the tables, the JSON, and the exit code."""

import json
from collections.abc import Sequence
from math import inf
from typing import Any

from omegaconf import DictConfig
from rich.table import Table
from rich.text import Text

from pbrlsvr.errors import ConfigError, PbrlsvrError
from pbrlsvr_plugin.last_wins import last_pairs
from pbrlsvr_plugin.plan.advice import Advice, advise
from pbrlsvr_plugin.plan.batches import Check
from pbrlsvr_plugin.plan.evaluate import Plan, evaluate
from pbrlsvr_plugin.plan.memory import GIB
from pbrlsvr_plugin.plan.recipe import set_hardware
from pbrlsvr_plugin.plan.settings import engines
from pbrlsvr_plugin.terminal import Screen, plain, say_error
from pbrlsvr_plugin.verl.compose import compose
from pbrlsvr_plugin.verl.value_types import wrong_types

FITS, DOES_NOT_FIT, ERROR = 0, 1, 2


def run(
    recipe: str,
    overrides: Sequence[str] = (),
    *,
    gpus: int | None = None,
    nodes: int | None = None,
    gpu_memory: float = 80.0,
    model: str | None = None,
    explain: bool = False,
    as_json: bool = False,
) -> int:
    """Plan and print. Returns 0 where the recipe fits and its batches divide, 1 where not, 2 where it is in error."""
    try:
        config = compose(recipe, last_pairs(overrides, merges=True))
        _require_sense(config, gpus, nodes, gpu_memory)
        set_hardware(config, gpus=gpus, nodes=nodes, model=model)
        plan = evaluate(config, gpu_memory * GIB)
        checks, advice = plan.batches(), advise(plan)
    except PbrlsvrError as error:
        say_error(error)
        return ERROR
    if as_json:
        print(json.dumps(as_dict(plan, checks, advice), indent=2))
    else:
        show(plan, checks, advice, explain=explain)
    return FITS if plan.fits and all(check.ok or not check.stops for check in checks) else DOES_NOT_FIT


def _require_sense(config: DictConfig, gpus: int | None, nodes: int | None, gpu_memory: float) -> None:
    """
    Raises:
        ConfigError: numbers that nothing can be calculated with; all of them at once.
    """
    counts = {"--gpus": gpus, "--nodes": nodes}
    found = [f"{name}={count!r} must be 1 or more" for name, count in counts.items() if count is not None and count < 1]
    if not 0 < gpu_memory < inf:
        found.append(f"--gpu-memory={gpu_memory!r} must be a number above 0, the GiB of one GPU")
    found += wrong_types(config, "ppo_trainer" if "actor_rollout_ref" in config else "sft_trainer_engine")
    if found:
        raise ConfigError("\n".join(found))


def as_dict(plan: Plan, checks: list[Check], advice: Advice) -> dict[str, Any]:
    """Everything that the plan knows, in bytes."""
    return {
        "fits": plan.fits,
        "capacity": plan.capacity,
        "peak": plan.peak,
        "host": plan.host,
        "host_load": plan.host_load,
        "phases": plan.phases,
        "models": [
            {"role": engine.role, "name": engine.size.name, "parameters": engine.size.count(),
             "trained": engine.size.count(trainable=True), "embedding": engine.size.embedding,
             "layer": engine.size.layer}
            for engine in engines(plan.settings)
        ],
        "parts": [
            {"component": part.component, "what": part.what, "bytes": part.bytes, "phases": part.phases,
             "host": part.host, "formula": part.formula}
            for part in plan.parts
        ],
        "rollout": {
            "kv_tokens": plan.kv_tokens, "sequences": plan.sequences, "context": plan.settings.rollout.context,
            "starts": plan.starts,
        },
        "scorers": [vars(scorer) for scorer in plan.scorers],
        "checks": [vars(check) for check in checks],
        "changes": [vars(change) for change in advice.changes],
        "fits_with_changes": advice.fits,
    }  # fmt: skip


def show(plan: Plan, checks: list[Check], advice: Advice, *, explain: bool) -> None:
    """Print it for a reader."""
    console = Screen(piped_width=120)
    settings = plan.settings
    console.print(
        f"nodes {settings.nodes} · GPUs {settings.gpus} of {plan.capacity / GIB:g} GiB. "
        "Calculated, not measured; estimates are marked with ~."
    )
    for engine in engines(settings):
        size = engine.size
        trained = size.count(trainable=True)
        adapter = "" if trained == size.count() else f", {trained:,} of them trained"
        console.print(
            f"{engine.role}: {size.name}: {size.count():,} parameters{adapter} (embedding {size.embedding:,}, "
            f"{size.layers} layers of {size.layer:,})"
        )
    console.print(memory_table(plan))
    _show_verdict(console, plan)
    _show_checks(console, checks, explain=explain)
    _show_advice(console, plan, advice)
    if explain:
        console.print(formula_table(plan))


def memory_table(plan: Plan) -> Table:
    """GiB on the fullest GPU: a row for each part, a column for each phase."""
    table = Table(title="GiB on the fullest GPU, by phase of a step", title_justify="left")
    table.add_column("")
    for phase in plan.phases:
        table.add_column(phase.replace(" ", "\n"), justify="right")
    component = None
    for part in plan.parts:
        if not part.bytes and not part.host:
            continue
        if component is not None and component != part.component:
            table.add_section()
        component = part.component
        guess = (
            "~" if part.formula.startswith("estimate") or "activations" in part.what or "logits" in part.what else ""
        )
        cells = [f"{part.bytes / GIB:.1f}" if phase in part.phases else "" for phase in plan.phases]
        table.add_row(f"{part.component} {part.what}{guess}", *cells)
    table.add_section()
    table.add_row("sum", *(f"{used / GIB:.1f}" for used in plan.phases.values()), style="bold")
    left = [plan.capacity - used for used in plan.phases.values()]
    table.add_row("left", *(Text(f"{free / GIB:.1f}", style="red" if free < 0 else "") for free in left))
    return table


def formula_table(plan: Plan) -> Table:
    """How each number comes about."""
    table = Table(title="The arithmetic", title_justify="left")
    for name in ("", "bytes", "formula"):
        table.add_column(name, justify="right" if name == "bytes" else "left", overflow="fold")
    for part in plan.parts:
        table.add_row(f"{part.component} {part.what}", f"{part.bytes:,.0f}", part.formula)
    for scorer in plan.scorers:
        table.add_row(f"scorer {scorer.name}", f"{scorer.gpu_bytes:,.0f}", scorer.formula)
    return table


def _show_verdict(console: Screen, plan: Plan) -> None:
    rollout = plan.settings.rollout
    fullest = max(plan.phases, key=lambda phase: plan.phases[phase])
    verdict = Text("fits", style="green") if plan.fits else Text("does not fit", style="red")
    peak = f": the peak is {plan.peak / GIB:.1f} of {plan.capacity / GIB:g} GiB, in phase {fullest!r}"
    console.print(verdict.append(peak, style="default"))
    parallel, longest = rollout.tensor_parallel, rollout.sequence_length
    console.print(
        f"vLLM: {plan.settings.world // parallel} replicas of {parallel} GPUs; a replica's cache of {plan.kv_tokens:,} "
        f"tokens holds {plan.sequences:.1f} sequences of {longest:,} tokens at a time, of at most {rollout.sequences}"
    )
    if not plan.starts:
        unset = "" if plan.settings.config.actor_rollout_ref.rollout.max_model_len else " (the model's own)"
        wrong = f" vLLM does not start: this cache cannot hold one text of max_model_len {rollout.context:,}{unset}"
        console.print(Text("WRONG", style="red").append(plain(wrong), style="default"))
    kept = f"{plan.host / GIB:.1f} GiB per node for what is offloaded and for the reference; " if plan.host else ""
    console.print(f"host: {kept}{plan.host_load / GIB:.1f} GiB more on the first node while a model is loaded")
    own = sum(scorer.own_gpus for scorer in plan.scorers)
    if own:
        console.print(f"scorers take {own:g} GPUs of their own, beside the {plan.settings.world} of the training")
    for scorer in plan.scorers:
        console.print(f"scorer {scorer.name}: {scorer.formula}")


def _show_checks(console: Screen, checks: list[Check], *, explain: bool) -> None:
    wrong = [check for check in checks if not check.ok]
    for check in checks if explain else wrong:
        mark, style = ("ok", "") if check.ok else ("WRONG", "red") if check.stops else ("WASTE", "yellow")
        console.print(Text(mark, style=style).append(plain(f" {check.what}: {check.arithmetic}"), style="default"))
        if check.fix:
            console.print(f"   fix: {check.fix}")
    console.print(f"batches and shapes: {len(checks) - len(wrong)} of {len(checks)} requirements hold")


def _show_advice(console: Screen, plan: Plan, advice: Advice) -> None:
    needed = [change for change in advice.changes if change.needed]
    if plan.fits:
        return
    if advice.fits:
        console.print(f"To make it fit, cheapest first ({advice.peak / GIB:.1f} GiB with all of these):")
    else:
        console.print(
            "No set of changes that this plan knows makes it fit: more GPUs, LoRA, or a smaller model. Closest:"
        )
    for change in needed:
        console.print(f"  {' '.join(change.overrides)}", soft_wrap=True)
        saves = f"saves {change.saves / GIB:.1f} GiB by itself in phase {change.phase!r}; " if change.saves > 0 else ""
        console.print(f"    {saves}costs: {change.cost}")
