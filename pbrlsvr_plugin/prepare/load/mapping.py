"""From the columns of a data set to the fields of a row. Built-in mappings are the YAML files in `mappings/`."""

from collections.abc import Sequence
from math import isinf, isnan
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.responses.spans import split
from pbrlsvr.yaml_files import read_yaml
from pbrlsvr_plugin.prepare.load.options import Columns, LoadOptions

BUILT_IN = Path(__file__).with_name("mappings")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: What stands in an option column that a question does not use.
_NO_OPTION = (None, "", "N/A")
_ABSENT: Any = object()


class RowError(DataError):
    """A record that does not become a row. `reason` is a short code, as `stage.Reject` takes it."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def mapping_of(options: LoadOptions) -> Columns:
    """The mapping of these options, with the columns that they replace.

    Raises:
        ConfigError: there is none of that name, or it has options that cannot work.
    """
    mapping = read_mapping(guess_mapping(options))
    if options.columns.answer:
        mapping = mapping.model_copy(update={"answer_in": None})
    mapping = mapping.override(options.columns)
    return mapping.model_copy(update={"split": options.split}) if options.split else mapping


def guess_mapping(options: LoadOptions) -> str:
    """The mapping that is named; for "auto" the built-in one that fits the source, or "columns"."""
    source = options.source
    if options.mapping != "auto":
        return options.mapping
    if source in built_in():
        return source
    path = Path(source)
    if path.is_dir() and (path / "mgsm_en.tsv").is_file():
        return "mgsm"
    if {"data_source", "prompt", "reward_model"} <= _columns(path):
        return "verl"
    for name in built_in():
        if source and read_mapping(name).dataset == source:
            return name
    return "columns"


def _columns(path: Path) -> set[str]:
    """Of a parquet file; none of one that cannot be read, which its reader says."""
    if path.suffix != ".parquet" or not path.is_file():
        return set()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return set()


def short_name(source: str, mapping: str) -> str:
    """What a data set is called where nobody says it."""
    if mapping in built_in() and mapping not in ("columns", "verl"):
        return mapping
    return Path(source or "data").name.split(".")[0] or "data"


def read_mapping(name: str) -> Columns:
    """A built-in mapping by its name, or that of a YAML file.

    Raises:
        ConfigError: there is no such mapping, or it has options that cannot work.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else BUILT_IN / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"there is no mapping {name!r}; built in are {built_in()}, or give the path of a YAML file")
    found = read_yaml(path, f"the mapping {str(path)!r}") or {}
    if not isinstance(found, dict):
        raise ConfigError(f"the mapping {str(path)!r} must hold `field: column` pairs, found {found!r}")
    return Columns.of(found, f"the mapping {name!r}")


def built_in() -> list[str]:
    """The names of the built-in mappings."""
    return sorted(path.stem for path in BUILT_IN.glob("*.yaml"))


def lookup(record: dict[str, Any], column: str) -> Any:
    """The value at a column, or at a path with dots; KeyError where there is none.

    >>> lookup({"prompt": [{"content": "2+2?"}]}, "prompt.0.content")
    '2+2?'
    """
    if column in record:
        return record[column]
    value: Any = record
    for key in column.split("."):
        if isinstance(value, Sequence) and not isinstance(value, str) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            raise KeyError(column)
    return value


def get(record: dict[str, Any], column: str, default: Any = None) -> Any:
    """As `lookup`, with a default where there is no value."""
    try:
        return lookup(record, column)
    except KeyError:
        return default


def text_of(value: Any) -> str:
    """A value of a column as text: "" for none (and for NaN, as pandas writes none), "18" for 18 and for 18.0."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.strip() if isinstance(value, str) else str(value)


def one_text(record: dict[str, Any], column: str) -> str:
    """As `text_of`, of a column whose value is compared or shown: a list in its place is a mistake in the mapping.

    Raises:
        KeyError: there is no such column.
        RowError: it holds a list, an object, bytes, or an infinite number.
    """
    value = lookup(record, column)
    if isinstance(value, list | tuple | dict | bytes) or (isinstance(value, float) and isinf(value)):
        what = repr(value) if isinstance(value, float) else f"a {type(value).__name__}"
        raise RowError("no_text", f"{column} holds {what}, which is neither a text nor a number")
    return text_of(value)


def options_of(record: dict[str, Any], columns: str | tuple[str, ...] | None) -> list[str]:
    """The options of a multiple choice, without the empty ones at the end."""
    if columns is None:
        return []
    values = lookup(record, columns) if isinstance(columns, str) else [get(record, column) for column in columns]
    options = list(values or ())
    while options and options[-1] in _NO_OPTION:
        options.pop()
    return [text_of(option) for option in options]


def with_options(question: str, options: Sequence[str]) -> str:
    """A question with its options below, one a line.

    >>> with_options("Which?", ["tea", "milk"])
    'Which?\\n(A) tea\\n(B) milk'
    """
    return "\n".join([question, *(f"({letter}) {text}" for letter, text in zip(LETTERS, options, strict=False))])


def answer_of(record: dict[str, Any], mapping: Columns, options: Sequence[str]) -> str:
    """The ground truth, or "" where the mapping names none."""
    if mapping.answer_in:
        return split(one_text(record, mapping.answer_in)).answer
    if not mapping.answer:
        return ""
    value = lookup(record, mapping.answer)
    if options and isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(options):
        return LETTERS[value]
    return one_text(record, mapping.answer)


def missing_columns(record: dict[str, Any], mapping: Columns) -> list[str]:
    """The columns that the mapping asks for and the record lacks."""
    return [column for column in mapping.names() if get(record, column, _ABSENT) is _ABSENT]


def names(record: dict[str, Any], prefix: str = "") -> list[str]:
    """The columns that there are, with those inside others."""
    found = []
    for name, value in record.items():
        found += [f"{prefix}{name}", *(names(value, f"{prefix}{name}.") if isinstance(value, dict) else ())]
    return found
