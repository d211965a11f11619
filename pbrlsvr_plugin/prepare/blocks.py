"""The base of the option blocks of `pbrlsvr prepare`, and the marks of their fields."""

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from pbrlsvr.options import Field, Options, marked

#: Says how a stage runs, not what comes out: a change of it has nothing done again.
OPERATIONAL = "operational"
#: A block of a model, where what is not said is the model's business: it counts by what was said in it.
FOLDED = "folded"


def operational(default: Any, **bounds: Any) -> Any:
    """A field that says how a stage runs, not what comes out: `retries: int = operational(5, ge=0)`."""
    return Field(default, json_schema_extra={OPERATIONAL: True}, **bounds)


def folded(default: Options, **marks: bool) -> Any:
    """A field that holds a block of a model; a file shows it as `{}`."""
    return Field(default, json_schema_extra={FOLDED: True, **marks})


class Block(Options):
    """A block in a file that people write: null, or nothing after the colon, is the default where it is no value."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, value: Any) -> Any:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            return value
        return {name: inner for name, inner in value.items() if cls._says_something(str(name), inner)}

    @classmethod
    def _says_something(cls, name: str, value: Any) -> bool:
        if name in cls.MOVED:
            return bool(value)  # the starter file of an earlier version has them, empty
        field = cls.model_fields.get(name)
        if value is not None or field is None or field.is_required():
            return True
        return type(None) in getattr(field.annotation, "__args__", ())


def decisive(block: Options) -> dict[str, Any]:
    """The options that decide what comes out, by name; of a model's block, those that were said."""
    found: dict[str, Any] = {}
    for name, field in type(block).model_fields.items():
        value = getattr(block, name)
        if marked(field, OPERATIONAL):
            continue
        if isinstance(value, Options):
            value = value.model_dump(exclude_unset=True) if marked(field, FOLDED) else decisive(value)
        found[name] = value
    return found


def lists(value: Any) -> Any:
    """Sequences as lists, all the way down: what goes to a library as its own options is as the file has it."""
    if isinstance(value, Mapping):
        return {key: lists(inner) for key, inner in value.items()}
    return [lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def without_repetition(names: tuple[Any, ...]) -> tuple[Any, ...]:
    """For `field_validator`: a list in which nothing stands twice."""
    if repeated := [name for place, name in enumerate(names) if name in names[:place]]:
        raise ValueError(f"{repeated[0]!r} stands twice; leave one of them")
    return names
