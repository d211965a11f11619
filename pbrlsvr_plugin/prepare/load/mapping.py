"""From the columns of a data set to the fields of a row. Built-in mappings are the YAML files in `mappings/`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError
from pbrlsvr.options import from_mapping
from pbrlsvr.responses.spans import split
from pbrlsvr.yaml_files import read_yaml

BUILT_IN = Path(__file__).with_name("mappings")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: What stands in an option column that a question does not use.
_NO_OPTION = (None, "", "N/A")


@dataclass(frozen=True)
class Mapping:
    """Which column holds what. A column inside another is written with dots: "extra_info.question", "prompt.0.content".

    Attributes:
        question: the question, in English unless `language` says otherwise.
        answer: the final answer alone.
        answer_in: a worked solution that ends with the answer, as "#### 18" or in \\boxed{}.
        solution: a worked solution that may serve as the reference.
        strip: a regular expression; what matches is removed from the solution.
        options: the options of a multiple choice: a column with a list, or one column for each; written below the
            question as "(A) ...".
        id: the data set's own number of a problem; rows with the same one are one problem.
        language: the column with the language of `question`.
        english: the column with the English question, where `question` is in another language.
        keep: further columns to keep.
        dataset, configs, split: what is loaded when the mapping's name is the source.
        file: the file name of one language in a folder, with {language} in it; line k of each is the same problem.
        configs_are_languages: each configuration is a language, and `id` is shared by the languages.
        prompt: the prompt file that fits the references of such questions.
    """

    question: str = "question"
    answer: str | None = None
    answer_in: str | None = None
    solution: str | None = None
    strip: str | None = None
    options: str | tuple[str, ...] | None = None
    id: str | None = None
    language: str | None = None
    english: str | None = None
    keep: tuple[str, ...] = ()
    dataset: str | None = None
    configs: tuple[str, ...] = ()
    split: str = "train"
    file: str | None = None
    configs_are_languages: bool = False
    prompt: str = "reference_math"

    def __post_init__(self) -> None:
        for name in ("options", "keep", "configs"):
            value = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
        if self.strip is not None:
            try:
                re.compile(self.strip)
            except re.error as error:
                raise ConfigError(f"the mapping's strip={self.strip!r} is no regular expression: {error}") from error
        if self.answer and self.answer_in:
            raise ConfigError(
                f"the mapping has answer={self.answer!r} and answer_in={self.answer_in!r}; give the column with the "
                "answer alone, or the one with a solution that ends with it"
            )

    def columns(self) -> list[str]:
        """Every column that the mapping asks for."""
        options = (self.options,) if isinstance(self.options, str) else (self.options or ())[:2]
        single = (self.question, self.answer, self.answer_in, self.solution, self.id, self.language, self.english)
        return list(dict.fromkeys(name for name in (*single, *options, *self.keep) if name))


def read_mapping(name: str, columns: dict[str, Any]) -> Mapping:
    """A built-in mapping by its name, or that of a YAML file, with some columns replaced.

    Raises:
        ConfigError: there is no such mapping, or it has an option that does not exist.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else BUILT_IN / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"there is no mapping {name!r}; built in are {built_in()}, or give the path of a YAML file")
    found = read_yaml(path, f"the mapping {str(path)!r}") or {}
    if not isinstance(found, dict):
        raise ConfigError(f"the mapping {str(path)!r} must hold `field: column` pairs, found {found!r}")
    if columns.get("answer"):
        found.pop("answer_in", None)
    return from_mapping(Mapping, {**found, **columns}, f"the mapping {name!r}")


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


def text_of(value: Any) -> str:
    """A value of a column as text: "" for none, "18" for 18 and for 18.0."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.strip() if isinstance(value, str) else str(value)


def options_of(record: dict[str, Any], columns: str | tuple[str, ...] | None) -> list[str]:
    """The options of a multiple choice, without the empty ones at the end."""
    if columns is None:
        return []
    values = lookup(record, columns) if isinstance(columns, str) else [_get(record, column) for column in columns]
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


def answer_of(record: dict[str, Any], mapping: Mapping, options: Sequence[str]) -> str:
    """The ground truth, or "" where the mapping names none."""
    if mapping.answer_in:
        return split(text_of(lookup(record, mapping.answer_in))).answer
    if not mapping.answer:
        return ""
    value = lookup(record, mapping.answer)
    if options and isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(options):
        return LETTERS[value]
    return text_of(value)


def missing_columns(record: dict[str, Any], mapping: Mapping) -> list[str]:
    """The columns that the mapping asks for and the record lacks."""
    return [column for column in mapping.columns() if _missing(record, column)]


def names(record: dict[str, Any]) -> list[str]:
    """The columns that there are, with those inside others."""
    return list(_names(record, ""))


def _names(record: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, value in record.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _names(value, f"{prefix}{name}.")


def _missing(record: dict[str, Any], column: str) -> bool:
    try:
        lookup(record, column)
    except KeyError:
        return True
    return False


def _get(record: dict[str, Any], column: str) -> Any:
    try:
        return lookup(record, column)
    except KeyError:
        return None
