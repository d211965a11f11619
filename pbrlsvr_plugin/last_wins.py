"""What is given twice on a command line: the last counts, as in scripts that end in "$@", and a note says so.

In a file a key that stands twice is an error: nobody appends to a file without looking at it.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperGroup

from pbrlsvr_plugin.terminal import say

# How Hydra marks a key that is added or taken away.
_SIGNS = "+~"


def last_pairs(pairs: Iterable[str], *, before: str = "", merges: bool = False) -> list[str]:
    """`key=value` texts without those that a later one of the same key replaces, with a note of each on stderr.

    Args:
        pairs: what was typed; a text without "=" stays where it is.
        before: goes before the key in a note, as "--body ".
        merges: the reader merges a mapping into what is there, as Hydra does, so that it replaces nothing.

    Example:
        >>> last_pairs(["port=1", "host=a", "port=2"])
        ['host=a', 'port=2']
    """
    kept: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for place, pair in enumerate(pairs):
        key, equals, value = pair.partition("=")
        if not equals or (merges and value.lstrip().startswith("{")):
            kept[f"={place}"] = pair
            continue
        kept.pop(key, None)  # so that the later one also stands later
        kept[key] = pair
        values.setdefault(key.lstrip(_SIGNS), []).append(value)
    for key, given in values.items():
        note_twice(f"{before}{key}", given)
    return list(kept.values())


def note_twice(name: str, values: Sequence[object]) -> None:
    """Says on stderr which of several values counts, without what is secret; nothing where they are all the same."""
    others = [value for value in dict.fromkeys(map(str, values)) if value != str(values[-1])]
    if others:
        last, rest = _shown(name, str(values[-1])), " and ".join(_shown(name, value) for value in others)
        times, does = ("twice", "does") if len(others) == 1 else (f"{len(values)} times", "do")
        say(f"note: {name} is given {times}: {last} counts, and {rest} {does} not", err=True)


def _shown(name: str, value: str) -> str:
    # Here, because `pbrlsvr doctor` must start where the rest cannot be imported.
    from pbrlsvr.errors import ConfigError
    from pbrlsvr.yaml_files import parse_yaml
    from pbrlsvr_plugin.secrets import without_secrets

    key = name.rpartition(" ")[2].lstrip("-").replace("-", "_")
    try:
        parsed: Any = parse_yaml(value, name)
    except ConfigError:
        parsed = value
    hidden = without_secrets({key: parsed if isinstance(parsed, dict | list) else value})[key]
    return repr(hidden)


class LastWins(TyperGroup):
    """A group of commands in which the last of an option that is given twice counts, and a note says so."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # typer brings its own click, or takes the installed one: neither is imported here.
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not hasattr(command, "commands"):
            for option, values in _all_values(command, name, ctx, rest):
                note_twice(option, values)
        return name, command, rest


def _all_values(command: Any, name: Any, ctx: Any, rest: Sequence[str]) -> Iterable[tuple[str, list[object]]]:
    """Each option that takes one value, with all that it was given."""
    every = copy.copy(command)
    every.params = [copy.copy(param) for param in command.params]
    single = {}
    for param in every.params:
        if param.param_type_name == "option" and not param.multiple:
            single[param.name] = param.opts[0]
            param.multiple = True  # whose parser keeps them all
    with command.make_context(name, [], parent=ctx, resilient_parsing=True) as inner:
        found = every.make_parser(inner).parse_args(list(rest))[0]
    for key, option in single.items():
        values = found.get(key)
        if isinstance(values, list) and len(values) > 1:
            yield option, values
