"""Option blocks: type, bound, default and text of an option stand together, once, in a class.

    class GuardOptions(Options):
        window: int = Field(30, ge=8)
        '''Length of the n-grams, in letters of an alphabet.'''

Checks, error texts, YAML files and the tables of the documentation all come from such classes. A block is frozen, can
be pickled, and holds data only: who loads a model is the room that has the model.
"""

import math
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from typing_extensions import Self

from pbrlsvr.errors import ConfigError

Block = TypeVar("Block")

__all__ = [
    "GONE",
    "RARE",
    "SECRET",
    "SWITCH",
    "Field",
    "Options",
    "expectation",
    "from_mapping",
    "is_number",
    "kinds",
    "marked",
    "plain",
    "rare",
    "switch",
]

RARE = "rare"
SECRET = "secret"
SWITCH = "switch"
#: Begins what `Options.MOVED` says of an option that has no new place.
GONE = "gone: "
_SECRET = re.compile(r"(?i)(^|_)(key|token|secret|password|authorization|urls?)(_|$)|apikey")
# In a URL: who asks, and what is asked.
_USER_OR_QUERY = re.compile(r"(?<=://)[^/@\s]*@|(?<=[?#])\S+")


def rare(default: Any, **bounds: Any) -> Any:
    """A field that few need: it is checked and documented like any other, and left out of the YAML files."""
    return Field(default, json_schema_extra={RARE: True}, **bounds)


def switch(default: "Options | None") -> Any:
    """A field that holds a block or nothing, and can be written as true (the block's defaults) and false (nothing)."""
    return Field(default, json_schema_extra={SWITCH: True})


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _Checked(ModelMetaclass):
    """Every mistake in a block that is made by hand is a `ConfigError`, as it is in one that is read from a config."""

    def __call__(cls: Any, *bare: Any, **options: Any) -> Any:  # noqa: N805 - a metaclass
        if bare:
            return cls.of(bare[0] if len(bare) == 1 and not options else {cls.BARE: bare[0], **options})
        try:
            return super().__call__(**options)
        except ValidationError as error:
            raise ConfigError(_report(cls, error, "")) from None


class Options(BaseModel, metaclass=_Checked):
    """Base of the option blocks. `Block(option=value)`, or `Block.of(mapping)` for what a config holds.

    Raises:
        ConfigError: options do not exist, or have values that cannot work; all of them at once.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    #: The option that a bare value stands for: `serving: ray` is `serving: {place: ray}`.
    BARE: ClassVar[str] = ""
    #: Options of earlier versions -> where they are now, or `GONE` and why.
    MOVED: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def of(cls, value: Any, place: str = "") -> Self:
        """From a mapping of options, a bare value where the block has such a form, or a block.

        Args:
            value: what a config holds.
            place: names the block in errors, such as "reward_kwargs".

        Raises:
            ConfigError: options do not exist, or have values that cannot work; all of them at once.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise ConfigError(_report(cls, error, place)) from None

    @model_validator(mode="before")
    @classmethod
    def _from_config(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            return cls.from_bare(value)
        options = plain(value)
        for name, given in options.items():
            if isinstance(given, bool) and name in cls.model_fields and marked(cls.model_fields[name], SWITCH):
                options[name] = {} if given else None
        return options

    @classmethod
    def from_bare(cls, value: Any) -> Any:
        """The mapping that a value other than a mapping stands for."""
        if cls.BARE and isinstance(value, str):
            return {cls.BARE: value}
        return value

    def override(self, other: "Self | None") -> Self:
        """This block with what was said in the other one; what was not said there stays as it is here."""
        if other is None:
            return self
        said = {}
        for name in other.model_fields_set:
            ours, theirs = getattr(self, name), getattr(other, name)
            said[name] = ours.override(theirs) if isinstance(ours, Options) else theirs
        merged = {name: getattr(self, name) for name in type(self).model_fields} | said
        return type(self)(**merged)


def plain(value: Any) -> Any:
    """Mappings as dictionaries and sequences as tuples, all the way down: of a config's own kinds of them, too."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | tuple):
        return tuple(map(plain, value))
    return value


def from_mapping(block: type[Block], options: Mapping[str, Any], name: str) -> Block:
    """A block, or a dataclass that checks its values, from a mapping; `name` is what it is called in errors.

    Raises:
        ConfigError: an option does not exist, or has a value that cannot work.
    """
    if issubclass(block, Options):
        return block.of(options, name)
    known = [field.name for field in fields(block)]  # type: ignore[arg-type]
    if unknown := [option for option in options if option not in known]:
        raise ConfigError(f"{name} has no option {unknown[0]!r}; its options are {known}")
    return block(**options)


def is_number(value: object) -> bool:
    """Whether an option's value is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def marked(field: FieldInfo, mark: str) -> bool:
    """Whether a field is `RARE`, `SECRET` or a `SWITCH`."""
    return isinstance(field.json_schema_extra, dict) and mark in field.json_schema_extra


def expectation(field: FieldInfo) -> str:
    """What values a field takes, in words.

    >>> class Example(Options):
    ...     window: int | None = Field(None, ge=8)
    >>> expectation(Example.model_fields["window"])
    'a whole number of 8 or more, or null'
    """
    bounds = _bounds(field)
    return ", or ".join(dict.fromkeys(_in_words(kind, bounds) for kind in kinds(field.annotation)))


def kinds(annotation: Any) -> list[Any]:
    """The types that a value may have."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in kinds(part)]
    return [annotation]


def _blocks(field: FieldInfo) -> list[type[Options]]:
    """The blocks that a field may hold."""
    return [kind for kind in kinds(field.annotation) if isinstance(kind, type) and issubclass(kind, Options)]


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
    if isinstance(kind, type) and issubclass(kind, Options):
        bare = f", or its {kind.BARE} alone" if kind.BARE else ""
        return f"a mapping of {list(kind.model_fields)}{bare}"
    return getattr(kind, "__name__", str(kind))


def _report(block: type[Options], error: ValidationError, place: str) -> str:
    """One line for each mistake: the place, the value, what is wrong and what would be right."""
    lines = list(dict.fromkeys(_mistakes(block, error, place)))
    return lines[0] if len(lines) == 1 else f"{len(lines)} options cannot work:\n- " + "\n- ".join(lines)


def _mistakes(block: type[Options], error: ValidationError, place: str) -> Iterator[str]:
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


def _find(block: type[Options], path: Sequence[str]) -> tuple[type[Options], FieldInfo | None, int, list[str]]:
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


def _holds_secrets(block: type[Options]) -> bool:
    return any(_is_secret((), field) for field in block.model_fields.values())


def _unknown(block: type[Options], name: str, where: str) -> str:
    if name in block.MOVED:
        now = block.MOVED[name]
        return f"this option is {now}" if now.startswith(GONE) else f"this option has moved: write {now}"
    known = list(block.model_fields)
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    above = where.rpartition(".")[0]
    return f"there is no such option.{hint} The options {f'of {above} ' if above else ''}are {known}"
