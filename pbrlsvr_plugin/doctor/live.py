"""`pbrlsvr doctor --live`: what the scorers of the runs on this Ray cluster are doing now."""

import socket
from collections.abc import Mapping
from typing import Any

from pbrlsvr.models.files import clip
from pbrlsvr_plugin.terminal import Screen, say

# How long an actor may take to answer: one that loads its model still answers, one that is not placed does not.
_PATIENCE_S = 10.0

_COLUMNS = (
    ("waiting", "waiting", "{:.0f}"),
    ("requests", "requests", "{:.0f}"),
    ("hits", "hit_rate", "{:.0%}"),
    ("computed", "computed", "{:.0f}"),
    ("failed", "failed", "{:.0f}"),
    ("damaged", "damaged", "{:.0f}"),
    ("tokens/s", "tokens_per_s", "{:.0f}"),
    ("batch fill", "batch_fill", "{:.0%}"),
    ("p50 ms", "p50_ms", "{:.1f}"),
    ("p99 ms", "p99_ms", "{:.1f}"),
    ("cache MiB", "cache_mib", "{:.1f}"),
)


def show(address: str) -> int:
    """Print a table of all scorers on the Ray cluster at `address`. Returns the exit code: 1 where there are none."""
    try:
        import ray
    except ImportError as error:
        say(f"Ray is not installed in this environment ({error}); it comes with veRL.", err=True)
        return 1
    try:
        _require_listener(address)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError) as error:
        say(
            f"no Ray cluster at address {address!r}: {error}\n"
            "Run this on a node of the cluster while the training runs, or name its head with --address host:port.",
            err=True,
        )
        return 1
    try:
        found = _describe_all()
    finally:
        ray.shutdown()
    if not found:
        say(
            "This Ray cluster runs no scorer of pbrlsvr. Scorers start with the first reward; a reward whose "
            "serving.place is 'local' or 'endpoint' has none.",
            err=True,
        )
        return 1
    _print(found)
    return 0


def _require_listener(address: str) -> None:
    """Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()


def _describe_all() -> dict[str, Mapping[str, Any] | None]:
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    from pbrlsvr.serving.ray_place import PREFIX

    named = [each for each in ray.util.list_named_actors(all_namespaces=True) if each["name"].startswith(PREFIX)]
    answers = {}
    for each in sorted(named, key=lambda each: each["name"]):
        try:
            answers[each["name"]] = ray.get_actor(each["name"], namespace=each["namespace"]).describe.remote()
        except (ValueError, AttributeError):
            continue  # ended since it was listed, or none of ours
    if answers:
        ray.wait(list(answers.values()), num_returns=len(answers), timeout=_PATIENCE_S)
    found: dict[str, Mapping[str, Any] | None] = {}
    for name, answer in answers.items():
        try:
            described = ray.get(answer, timeout=0)
            found[name] = described if isinstance(described, Mapping) else {}
        except (GetTimeoutError, RayError):
            found[name] = None
    return found


def _print(found: Mapping[str, Mapping[str, Any] | None]) -> None:
    from rich.table import Table

    table = Table(title="scorers")
    for heading in ("actor", "model", "node", "GPU"):
        table.add_column(heading, overflow="fold")
    for heading, _, _ in _COLUMNS:
        table.add_column(heading, justify="right")
    for name, metrics in found.items():
        if metrics is None:
            table.add_row(name, f"does not answer within {_PATIENCE_S:g} s: it waits for resources, or is restarting")
        else:
            where = (metrics.get("model"), f"{metrics.get('node')} pid {metrics.get('pid')}", metrics.get("gpu") or "-")
            numbers = (_number(metrics.get(key), style) for _, key, style in _COLUMNS)
            table.add_row(name, *(clip(each, 100) for each in where), *numbers)
    Screen(piped_width=220).print(table)


def _number(value: Any, style: str) -> str:
    """An actor of another version, or that is none of ours, may report anything."""
    return style.format(value) if isinstance(value, int | float) else "?"
