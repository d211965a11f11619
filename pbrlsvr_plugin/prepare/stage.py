"""What a stage of `pbrlsvr prepare` is: rows in, rows out, rejected rows aside.

A row is a plain dict with the keys of `FIELDS`:

    id               unique and stable, and says where the row is from: "gsm8k:7", then "gsm8k:7/sw"
    source, line     the file or data set, and the row's number in it, from 1
    problem          shared by all languages of one problem
    language         canonical BCP-47, of `question`; up to the stage `translate` mostly "en"
    question         in `language`
    english          the English question
    answer           the ground truth, or ""
    translations     dict language -> question, where the source has them; {} after `translate`
    candidates       list of dicts with the keys of `CANDIDATE`: from `reference` to `verify` what was answered, from
                     `verify` on the right ones that stay as references beside the pivot's; before it []
    pivot_reasoning, pivot_answer, pivot_model      the English reference, from `verify` on; before it ""
    engine           who wrote `question`: "original", or the translator's name
    extra            dict of texts: columns that were kept

A stage that did not finish starts from its first row again: what costs money or hours is in the journal, and all the
rest is quick. Hence a stage has to be deterministic: the same rows, options and seed give the same rows in the same
order.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pbrlsvr.errors import ConfigError, PbrlsvrError
from pbrlsvr_plugin.prepare.blocks import Block, decisive

if TYPE_CHECKING:
    from pbrlsvr_plugin.prepare.requests.journal import Journal

Row = dict[str, Any]

TEXTS = (
    "id", "source", "problem", "language", "question", "english", "answer",
    "pivot_reasoning", "pivot_answer", "pivot_model", "engine",
)  # fmt: skip
#: Every key of a row, in the order of the columns of a part file.
FIELDS = (*TEXTS, "line", "translations", "candidates", "extra")
#: The keys of a candidate, all texts.
CANDIDATE = ("reasoning", "answer", "thinking", "finish_reason", "model")


def new_row(**values: Any) -> Row:
    """A row with the given values, and empty ones for the rest.

    >>> new_row(id="gsm8k:7", line=7)["answer"]
    ''
    """
    row: Row = dict.fromkeys(TEXTS, "")
    row.update(line=0, translations={}, candidates=[], extra={}, engine="original")
    row.update(values)
    return row


class Rows(Protocol):
    """The rows of the stage before, read from its files each time they are iterated over: memory stays flat."""

    def __iter__(self) -> Iterator[Row]: ...

    def __len__(self) -> int: ...


class Reject(Protocol):
    """Puts a row aside, with why. `reason` is a short code, which is what the report counts: "numbers_changed"."""

    def __call__(self, row: Mapping[str, Any], reason: str, detail: str = "") -> None: ...


@dataclass(frozen=True)
class Context:
    """What a stage may know of the run that it is part of.

    Attributes:
        work: the folder with a folder for each stage.
        out: the folder of the results.
        name: the short name of the data set; a training row's `data_source` is name/language.
        seed: decides everything that is drawn by chance.
        languages: the target languages, canonical, without "en" unless English rows are wanted as well.
        journal: results that cost something, by request.
        scratch: an empty folder for the stage's own temporary files; it is removed after the stage.
    """

    work: Path
    out: Path
    name: str
    seed: int
    languages: tuple[str, ...]
    journal: "Journal"
    scratch: Path

    def reports(self) -> list[dict[str, Any]]:
        """`stage.json` of each finished stage so far, in order: name, rows_in, rows_out, rejected {reason: count}."""
        found = [path for path in sorted(self.work.glob("[0-9]-*/stage.json")) if not path.parent.suffix]
        return [json.loads(path.read_text(encoding="utf-8")) for path in found]


@dataclass(frozen=True)
class Estimate:
    """What a stage will ask for, before it does.

    Attributes:
        requests: different requests that the journal cannot answer.
        known: those that it can.
        prompt_tokens, answer_tokens: of `requests`, roughly.
    """

    requests: int
    known: int
    prompt_tokens: int
    answer_tokens: int

    def __str__(self) -> str:
        known = f" ({self.known:,} more are in the journal)" if self.known else ""
        return (
            f"about {self.requests:,} requests{known}, {self.prompt_tokens:,} tokens of prompts and "
            f"{self.answer_tokens:,} of answers"
        )


class Stage(Protocol):
    """One step. Subclass it, set `name` and `options`, and write `run`; the constructor is `(options, context)`.

    Attributes:
        name: its name on the command line and in the config.
        version: raised when the code changes so that it gives other rows for the same input.
        depends: what of the context decides its rows; a change of the rest does not have it done again.
        options: a block; part of the fingerprint that says whether finished output is still good, but for the fields
            made with `operational(...)`: they say how fast or through which server, not what comes out.
    """

    name: str
    version: int = 1
    depends: tuple[str, ...] = ("name", "seed", "languages")
    options: Block

    def run(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        """The rows that go on, in an order that only the input, the options and the seed decide."""
        ...

    def files(self) -> Sequence[Path]:
        """The files that the options name; their content is part of the fingerprint."""
        return ()

    def outputs(self) -> Sequence[Path]:
        """Files written besides the rows; the stage is redone where one of them is gone."""
        return ()

    def needs(self, rows: Rows) -> None:
        """Looks, before anything is paid for, whether all is there that `run` will need.

        Raises:
            PbrlsvrError: something is missing.
        """
        return

    def estimate(self, rows: Rows) -> Estimate | None:
        """What `run` will ask for, at most, given the rows of the stage `load`; None where it asks nobody."""
        return None

    def reach(self) -> None:
        """Raises a PbrlsvrError where a server that only this stage uses does not answer; called before it is asked."""
        return

    def facts(self) -> Mapping[str, Any]:
        """What else to report when it has run, as JSON: requests, tokens, shares. It is kept in `stage.json`."""
        return {}


@contextmanager
def needed_for(option: str) -> Iterator[None]:
    """Makes an error of what is missing for an option name the option.

    Raises:
        ConfigError: something is missing.
    """
    try:
        yield
    except PbrlsvrError as error:
        raise ConfigError(f"{option}: {error}") from error


def fingerprint(stage: Stage, context: Context) -> dict[str, Any]:
    """Everything besides the input rows that decides what a stage gives, as JSON; it is shown when it has changed.

    Raises:
        ConfigError: a file that the options name is not there.
    """
    return {
        "stage": stage.name,
        "version": stage.version,
        **{name: json.loads(json.dumps(getattr(context, name))) for name in stage.depends},
        "options": _without_folders(json.loads(json.dumps(decisive(stage.options), default=str))),
        "files": {_without_folders(str(path)): digest(path) for path in stage.files()},
    }


def _without_folders(value: Any) -> Any:
    """Absolute paths as the file's name and a mark of its folder: `stage.json` is published, and folders name people.

    >>> _without_folders({"source": "/home/ana/rows.jsonl", "model": "m"})
    {'source': 'rows.jsonl (in folder 9997adee)', 'model': 'm'}
    """
    if isinstance(value, dict):
        return {_without_folders(key): _without_folders(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_folders(each) for each in value]
    if not isinstance(value, str) or not value.startswith(("/", "~")) or "\n" in value:
        return value
    folder, _, name = value.rstrip("/").rpartition("/")
    return f"{name} (in folder {hashlib.sha256(folder.encode('utf-8', 'replace')).hexdigest()[:8]})"


def digest(path: Path) -> str:
    """The SHA-256 of a file; of a folder, of the names and digests of the files in it.

    Raises:
        ConfigError: there is nothing at `path`.
    """
    state = hashlib.sha256()
    if path.is_dir():
        for each in sorted(path.rglob("*")):
            if each.is_file():
                # A name may hold bytes that are no text.
                state.update(os.fsencode(each.relative_to(path)) + f"\0{digest(each)}\n".encode())
        return state.hexdigest()
    if not path.is_file():
        raise ConfigError(f"there is no file or folder {str(path)!r}, which the options name")
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, modified_ns: int) -> str:
    # Cached for this process: a source of many gigabytes is asked about several times in a run.
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()
