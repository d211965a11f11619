"""Parallel text: the same content in English and in other languages, as a calibration needs it.

    a folder     `mgsm_<language>.tsv` for each language and `mgsm_en.tsv`, as MGSM is published: a question and its
                 answer with a tab between, no header; line k of each file is the same question
    a file       that `pbrlsvr.tables` reads, with the columns `language`, `text` and `english`, in any order;
                 further ones are ignored

In a file, a row with language "en" is an English paraphrase: two English texts of the same meaning and other words.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pbrlsvr.errors import DataError
from pbrlsvr.languages import parse
from pbrlsvr.tables import ENDINGS, Malformed, records, shown_columns

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
        raise DataError(f"there is no parallel text at {str(path)!r}: give a folder or a file, {list(ENDINGS)}")
    pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for place, record in _rows(path):
        row = _checked(record, place)
        language = _language(row["language"], place)
        # An English text beside itself says nothing about other words for the same meaning.
        if language != "en" or row["text"] != row["english"]:
            pairs[language].append((row["text"], row["english"]))
    if not pairs:
        raise DataError(f"{path.name!r} has no rows of parallel text")
    return Parallel(dict(pairs), [_source(path)])


def _read_folder(folder: Path) -> Parallel:
    files = sorted(folder.glob("mgsm_*.tsv"))
    if not (folder / "mgsm_en.tsv").is_file() or len(files) < 2:
        found = [file.name for file in files]
        raise DataError(
            f"the folder {str(folder)!r} needs 'mgsm_en.tsv' and another 'mgsm_<language>.tsv'; it has {found}"
        )
    questions, sources = {}, []
    for file in files:
        language = _language(file.stem.removeprefix("mgsm_"), file.name)
        questions[language] = [_question(row, place) for place, row in _rows(file, ("question", "answer"))]
        sources.append(_source(file))
    english = questions.pop("en")
    for language, texts in questions.items():
        if len(texts) != len(english):
            raise DataError(
                f"'mgsm_{language}.tsv' has {len(texts)} questions and 'mgsm_en.tsv' has {len(english)}: line k of "
                "each must be the same question"
            )
    return Parallel({name: list(zip(texts, english, strict=True)) for name, texts in questions.items()}, sources)


def _source(path: Path) -> Source:
    state = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return Source(path.name, state.hexdigest())


def _rows(path: Path, columns: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, row in records(path, columns):
        place = f"{path.name}:{number}"
        if isinstance(row, Malformed):
            expected = "; expected a question, a tab and an answer" if columns and row.reason == "wrong_cells" else ""
            raise DataError(f"{place}: {row.detail}{expected}")
        yield place, row


def _question(row: dict[str, Any], place: str) -> str:
    question: str = row["question"]
    if not question.strip():
        raise DataError(f"{place}: expected a question, a tab and an answer, and the question is empty")
    return question


def _checked(row: dict[str, Any], place: str) -> dict[str, str]:
    if missing := sorted(set(COLUMNS) - row.keys()):
        raise DataError(f"{place}: there is no column {missing}; the columns are {shown_columns([*row])}")
    found: dict[str, str] = {}
    for column in COLUMNS:
        value = row.get(column)
        if not isinstance(value, str) or not value.strip():
            raise DataError(f"{place}: {column}={value!r:.60} must be a text that is not empty")
        found[column] = value
    return found


def _language(code: str, place: str) -> str:
    try:
        return parse(code)
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
