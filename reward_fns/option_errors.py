"""What a field of an option block takes, in words; and what is wrong with options: value, place and fix."""

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pbrlsvr.errors import did_you_mean

#: The mark of a field that may hold a key: no error repeats its value.
SECRET = "secret"
#: Begins what `Options.MOVED` says of an option that has no new place.
GONE = "gone: "
_SECRET = re.compile(r"(?i)(^|_)(key|token|secret|password|authorization|urls?)(_|$)|apikey")
# In a URL: who asks, and what is asked.
_USER_OR_QUERY = re.compile(r"(?<=://)[^/@\s]*@|(?<=[?#])\S+")


def marked(field: FieldInfo, mark: str) -> bool:
    """Whether a field has a mark, such as `SECRET`."""
    return isinstance(field.json_schema_extra, dict) and mark in field.json_schema_extra


def expectation(field: FieldInfo) -> str:
    """What values a field takes, in words.

    >>> from pydantic import Field
    >>> class Example(BaseModel):
    ...     window: int | None = Field(None, ge=8)
    >>> expectation(Example.model_fields["window"])
    'a whole number of 8 or more, or null'
    """
    several, bounds = kinds(field.annotation), _bounds(field)
    # A whole number is a number.
    told = [kind for kind in several if kind is not int or float not in several]
    return ", or ".join(dict.fromkeys(_in_words(kind, bounds) for kind in told))


def kinds(annotation: Any) -> list[Any]:
    """The types that a value may have."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in kinds(part)]
    return [annotation]


def _blocks(field: FieldInfo) -> list[type[BaseModel]]:
    """The blocks that a field may hold."""
    return [kind for kind in kinds(field.annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _bounds(field: FieldInfo) -> str:
    words = {"ge": "of {} or more", "gt": "above {}", "le": "of {} or less", "lt": "below {}"}
    if any(getattr(bound, "min_length", None) or getattr(bound, "pattern", None) for bound in field.metadata):
        return "that is not empty"
    found = [
        text.format(f"{getattr(bound, name):g}")
        for bound in field.metadata
        for name, text in words.items()
        if isinstance(getattr(bound, name, None), int | float)
    ]
    return " and ".join(found)


def _in_words(kind: Any, bounds: str) -> str:
    if kind is type(None):
        return "null"
    if kind is Any:
        return "anything"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(kind))
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        return " ".join(filter(None, ("a whole number" if kind is int else "a number", bounds)))
    if kind is str:
        return f"a text {bounds}" if bounds == "that is not empty" else "a text"
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if inner[-1] is Ellipsis:
            return f"a list, each of them {_in_words(inner[0], '')}"
        return f"a list of {len(inner)}, each of them {_in_words(inner[0], '')}"
    if get_origin(kind) in (dict, Mapping):
        return f"a mapping of names to {_in_words(get_args(kind)[1], '')}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        name = getattr(kind, "BARE", "")
        bare = f", or its {name} alone" if name else ""
        return f"a mapping of {list(kind.model_fields)}{bare}"
    return getattr(kind, "__name__", str(kind))


def report(block: type[BaseModel], error: ValidationError, place: str) -> str:
    """One line for each mistake: the place, the value, what is wrong and what would be right."""
    said = list(dict.fromkeys(_mistakes(block, error, place)))
    # Of several kinds of numbers each may say why it is none of them, the one more than the other.
    lines = [line for line in said if not any(other != line and other.startswith(line) for other in said)]
    return lines[0] if len(lines) == 1 else f"{len(lines)} options cannot work:\n- " + "\n- ".join(lines)


def _mistakes(block: type[BaseModel], error: ValidationError, place: str) -> Iterator[str]:
    for mistake in error.errors(include_url=False):
        path, value, kind = [str(part) for part in mistake["loc"]], mistake["input"], mistake["type"]
        holder, field, depth, entry = _find(block, path)
        # Of a list that is too short, the list is at fault; of a field, pydantic gives what it is missing in.
        missing = kind == "missing" and not entry
        entry = [] if kind == "missing" else entry
        where = ".".join(filter(None, (place, *path[:depth], *entry)))
        shown = "" if _is_secret(path, field) else f"={_clipped(value)}"
        if kind == "extra_forbidden":
            yield f"{where}{shown}: {_unknown(holder, path[-1], where)}"
        elif kind == "value_error":
            # A check of ours: it says what is wrong, and names the options itself where it is about several.
            reason = str(mistake["ctx"]["error"])
            yield f"{where}{shown}: {reason}" if field is not None else f"{where}: {reason}" if where else reason
        elif field is None:
            expected = (
                f"a mapping of {list(block.model_fields)}" if kind in ("model_type", "dict_type") else mistake["msg"]
            )
            yield f"{where or block.__name__}{shown} must be {expected}"
        elif missing:
            example = f", such as {_clipped(field.examples[0])}" if field.examples else ""
            yield f"{where} is missing: it must be {expectation(field)}{example}"
        else:
            expected = _in_words(_entry_kind(field.annotation), "") if entry else expectation(field)
            yield f"{where}{shown} must be {expected}{', and finite' if kind == 'finite_number' else ''}"


def _find(block: type[BaseModel], path: Sequence[str]) -> tuple[type[BaseModel], FieldInfo | None, int, list[str]]:
    """The block that a path's last option stands in, its field, how many parts of the path are options, and the entry
    of the value that the rest names, as in `weights.answer`."""
    field = None
    for depth, part in enumerate(path):
        if field is not None:
            inner = _blocks(field)
            if not inner:
                several = len([kind for kind in kinds(field.annotation) if kind is not type(None)]) > 1
                # Of several kinds, pydantic names the one that it tried.
                return block, field, depth, [one for one in path[depth:] if one.isdecimal() or not several]
            block = inner[0]
        field = block.model_fields.get(part)
        if field is None:
            break
    return block, field, len(path), []


def _entry_kind(annotation: Any) -> Any:
    """What an entry of a list or of a mapping is."""
    several = [kind for kind in kinds(annotation) if get_args(kind)]
    inner = get_args(several[0]) if several else (annotation,)
    return inner[1] if len(inner) == 2 and get_origin(several[0]) in (dict, Mapping) else inner[0]


def _clipped(value: object) -> str:
    shown = repr(_without_secrets(value))
    return shown if len(shown) <= 200 else f"{shown[:200]}..."


def _without_secrets(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: "..." if _SECRET.search(str(key)) else _without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_without_secrets(inner) for inner in value)
    return _USER_OR_QUERY.sub("...", value) if isinstance(value, str) else value


def _is_secret(path: Sequence[str], field: FieldInfo | None) -> bool:
    """Whether a value may be a key, or hold one: then no error repeats it."""
    if field is None:
        return bool(path and _SECRET.search(path[-1]))
    return marked(field, SECRET) or any(_holds_secrets(kind) for kind in _blocks(field))


def _holds_secrets(block: type[BaseModel]) -> bool:
    return any(_is_secret((), field) for field in block.model_fields.values())


def _unknown(block: type[BaseModel], name: str, where: str) -> str:
    if now := getattr(block, "MOVED", {}).get(name):
        return f"this option is {now}" if now.startswith(GONE) else f"this option has moved: write {now}"
    known = list(block.model_fields)
    above = where.rpartition(".")[0]
    hint = did_you_mean(name, known)
    return f"there is no such option.{hint} The options {f'of {above} ' if above else ''}are {known}"
