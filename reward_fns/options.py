"""Option blocks: type, bound, default and text of an option stand together, once, in a class.

    class GuardOptions(Options):
        window: int = Field(30, ge=8)
        '''Length of the n-grams, in letters of an alphabet.'''

Checks, error texts, YAML files and the tables of the documentation all come from such classes. A block is frozen, can
be pickled, and holds data only: who loads a model is the room that has the model.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from pbrlsvr.errors import ConfigError
from pbrlsvr.option_errors import GONE, SECRET, expectation, kinds, marked, report

__all__ = [
    "GONE",
    "RARE",
    "SECRET",
    "SWITCH",
    "Field",
    "Options",
    "expectation",
    "kinds",
    "marked",
    "plain",
    "rare",
    "switch",
]

RARE = "rare"
SWITCH = "switch"


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
            raise ConfigError(report(cls, error, "")) from None


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

        Raises:
            ConfigError: options do not exist, or have values that cannot work; all of them at once.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise ConfigError(report(cls, error, place)) from None

    @model_validator(mode="before")
    @classmethod
    def _from_config(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            return cls.from_bare(value)
        options = plain(value)
        for name, given in options.items():
            if name not in cls.model_fields:
                continue
            if isinstance(given, bool) and marked(cls.model_fields[name], SWITCH):
                options[name] = {} if given else None
            elif isinstance(default := cls.model_fields[name].default, Options):
                options[name] = default._completed(given)
        return options

    def _completed(self, given: Any) -> Any:
        """What is given for this block, over what the block says already: as Hydra lays it over a YAML file."""
        if not isinstance(given, Mapping):
            given = self.from_bare(given)
        return _laid_over(self.model_dump(exclude_unset=True), given) if isinstance(given, Mapping) else given

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


def _laid_over(said: Any, given: Any) -> Any:
    if not (isinstance(said, Mapping) and isinstance(given, Mapping)):
        return given
    return {**said, **{name: _laid_over(said.get(name), inner) for name, inner in given.items()}}


def plain(value: Any) -> Any:
    """Mappings as dictionaries and sequences as tuples, all the way down: of a config's own kinds of them, too."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | tuple):
        return tuple(map(plain, value))
    return value
