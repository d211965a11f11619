"""Parallel text: the same content in English and in other languages, as a calibration needs it.

    a folder     `mgsm_<language>.tsv` for each language and `mgsm_en.tsv`, as MGSM is published: a question and its
                 answer with a tab between, no header; line k of each file is the same question
    a TSV file   a header line with the columns `language`, `text` and `english`, in any order; further ones are ignored
    a JSONL file one object a line with the keys `language`, `text` and `english`

In a file, a row with language "en" is an English paraphrase: two English texts of the same meaning and other words.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pbrlsvr.errors import DataError
from pbrlsvr.languages import parse

COLUMNS = ("language", "text", "english")


@dataclass(frozen=True)
class Source:
    """A file that was read: its name without folders, and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Parallel:
    """Parallel text.

    Attributes:
        pairs: language -> (text, its English), in the order of the files. "en" has paraphrases, or is not there.
        sources: the files that it came from.
    """

    pairs: dict[str, list[tuple[str, str]]]
    sources: list[Source]

    @property
    def english(self) -> list[str]:
        """The different English texts, in order."""
        return list(dict.fromkeys(english for pairs in self.pairs.values() for _, english in pairs))


def read_parallel(path: Path) -> Parallel:
    """Parallel text from a folder or a file in one of the layouts at the top of this module.

    Raises:
        DataError: there is nothing at `path`, or a line of it is not as described; with the file and the line.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise DataError(f"there is no parallel text at {str(path)!r}: give a folder, a .tsv or a .jsonl file")
    if path.suffix not in (".tsv", ".jsonl"):
        raise DataError(f"{path.name!r} is neither .tsv nor .jsonl: the ending says how it is read")
    text, source = _read(path)
    rows = _tsv_rows(path.name, text) if path.suffix == ".tsv" else _jsonl_rows(path.name, text)
    pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for place, row in rows:
        language = _language(row["language"], place)
        # An English text beside itself says nothing about other words for the same meaning.
        if language != "en" or row["text"] != row["english"]:
            pairs[language].append((row["text"], row["english"]))
    if not pairs:
        raise DataError(f"{path.name!r} has no rows of parallel text")
    return Parallel(dict(pairs), [source])


def _read_folder(folder: Path) -> Parallel:
    files = sorted(folder.glob("mgsm_*.tsv"))
    if not (folder / "mgsm_en.tsv").is_file() or len(files) < 2:
        found = [file.name for file in files]
        raise DataError(
            f"the folder {str(folder)!r} needs 'mgsm_en.tsv' and another 'mgsm_<language>.tsv'; it has {found}"
        )
    questions, sources = {}, []
    for file in files:
        text, source = _read(file)
        language = _language(file.stem.removeprefix("mgsm_"), file.name)
        questions[language] = [_question(line, f"{file.name}:{number}") for number, line in _lines(text)]
        sources.append(source)
    english = questions.pop("en")
    for language, texts in questions.items():
        if len(texts) != len(english):
            raise DataError(
                f"'mgsm_{language}.tsv' has {len(texts)} questions and 'mgsm_en.tsv' has {len(english)}: line k of "
                "each must be the same question"
            )
    return Parallel({name: list(zip(texts, english, strict=True)) for name, texts in questions.items()}, sources)


def _read(path: Path) -> tuple[str, Source]:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig"), Source(path.name, sha256(data).hexdigest())
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path.name}:{line}: not UTF-8 ({error.reason}); save the file as UTF-8") from error


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # Not splitlines(): a line separator of Unicode may stand inside a text.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def _question(line: str, place: str) -> str:
    question, *rest = line.split("\t")
    if len(rest) != 1 or not question.strip():
        raise DataError(f"{place}: expected a question, a tab and an answer, found {line[:80]!r}")
    return question


def _tsv_rows(name: str, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    lines = _lines(text)
    header = next(lines, (1, ""))[1].split("\t")
    if not set(COLUMNS) <= set(header):
        raise DataError(f"{name}:1: the header {header!r} lacks {sorted(set(COLUMNS) - set(header))}")
    for number, line in lines:
        cells = line.split("\t")
        if len(cells) != len(header):
            raise DataError(f"{name}:{number}: {len(cells)} cells where the header has {len(header)}: {line[:80]!r}")
        yield f"{name}:{number}", _checked(dict(zip(header, cells, strict=True)), f"{name}:{number}")


def _jsonl_rows(name: str, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    for number, line in _lines(text):
        place = f"{name}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{place}: not JSON ({error.msg} at column {error.colno}): {line[:80]!r}") from error
        if not isinstance(row, dict):
            raise DataError(f"{place}: expected an object with the keys {list(COLUMNS)}, found {line[:80]!r}")
        yield place, _checked(row, place)


def _checked(row: dict[str, object], place: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for column in COLUMNS:
        value = row.get(column)
        if not isinstance(value, str) or not value.strip():
            raise DataError(f"{place}: {column}={value!r} must be a text that is not empty")
        found[column] = value
    return found


def _language(code: str, place: str) -> str:
    try:
        return parse(code)
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
