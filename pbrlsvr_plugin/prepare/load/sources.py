"""Records of a data set, with their row numbers: from files of several formats, or through `datasets`.

    .jsonl, .json            one object a line
    .csv, .tsv               a header line; MGSM's layout, `question<TAB>answer` without one, by `header=False`
    .parquet                 any, nested columns too, hence veRL's
    a folder                 a data set saved by `datasets`; else the files in it that have one of these endings
    a name                   a data set of the Hugging Face hub, as in "openai/gsm8k"

Text files may be compressed (.gz, .zst, .bz2). Every reader is a stream; a record that cannot be read is handed on as
`Malformed`, with its row number, and the reading goes on.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pbrlsvr.errors import ConfigError, DataError, MissingDependencyError

_BATCH = 1_000
_TEXT_ENDINGS = (".jsonl", ".json", ".csv", ".tsv")
_COMPRESSED = (".gz", ".zst", ".bz2")
_LONGEST_CELL = 1 << 27


@dataclass(frozen=True)
class Malformed:
    """What stands where a record should: a short reason code, and a text for people."""

    reason: str
    detail: str


Record = dict[str, Any] | Malformed


@dataclass(frozen=True)
class Source:
    """One file, or one configuration of a data set: `records()` gives (row number from 1, record).

    Attributes:
        name: the file's name, or "openai/gsm8k/main/train"; it goes into each row.
        label: the short name in ids: "train" for "train.jsonl.gz", "gsm8k-train".
        path: the file or folder; None for a data set of the hub.
        header: whether the first line of a csv or tsv file names its columns; otherwise they are question, answer.
        dataset: name, configuration, split, revision, streaming, where it is read through `datasets`.
    """

    name: str
    label: str
    path: Path | None = None
    header: bool = True
    dataset: tuple[str, str | None, str, str | None, bool] | None = None

    def records(self) -> Iterator[tuple[int, Record]]:
        """Streams the records.

        Raises:
            DataError: the file or the data set as a whole cannot be read.
        """
        if self.dataset is not None:
            return _through_datasets(*self.dataset)
        if self.path is None:
            raise ConfigError(f"the source {self.name!r} is neither a file nor a data set")
        ending = _ending(self.path)
        if ending == ".parquet":
            return _parquet(self.path)
        if ending in (".csv", ".tsv"):
            return _table(self.path, "\t" if ending == ".tsv" else ",", self.header)
        return _jsonl(self.path)


def find_sources(
    source: str, configs: Sequence[str | None], split: str, revision: str | None, streaming: bool
) -> list[Source]:
    """The files or configurations that a source consists of, in a fixed order.

    Raises:
        ConfigError: there is no such file, or the folder holds nothing that can be read.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return [_file(path)]
    if path.is_dir():
        if _is_saved(path):
            return [Source(path.name, path.name, path, dataset=(str(path), None, split, None, False))]
        files = sorted(
            file for file in path.iterdir() if file.is_file() and _ending(file) in (*_TEXT_ENDINGS, ".parquet")
        )
        if not files:
            found = sorted(file.name for file in path.iterdir())[:10]
            raise ConfigError(f"the folder {source!r} has no .parquet, .jsonl, .csv or .tsv file; it has {found}")
        return [_file(file) for file in files]
    if _ending(path) or source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise ConfigError(f"there is no file or folder {source!r} (the source is looked for from {str(Path.cwd())!r})")
    return [_hub(source, config, split, revision, streaming) for config in configs or (None,)]


def _is_saved(path: Path) -> bool:
    """Whether `save_to_disk` of `datasets` wrote this folder."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def _file(path: Path) -> Source:
    ending = _ending(path)
    if not ending:
        raise ConfigError(f"{path.name!r} is neither .parquet, .jsonl, .csv nor .tsv: the ending says how it is read")
    return Source(path.name, path.name[: path.name.index(ending)], path)


def _hub(name: str, config: str | None, split: str, revision: str | None, streaming: bool) -> Source:
    parts = [name, *([config] if config else []), split]
    short = [name.split("/")[-1], *([config] if config and config != "main" else []), split]
    return Source("/".join(parts), "-".join(short), dataset=(name, config, split, revision, streaming))


def _ending(path: Path) -> str:
    """The ending without that of a compression, or "" for one that is unknown."""
    endings = path.suffixes[-2:] if path.suffix in _COMPRESSED else path.suffixes[-1:]
    return endings[0] if endings and endings[0] in (*_TEXT_ENDINGS, ".parquet") else ""


def _open(path: Path) -> io.BufferedReader:
    return io.BufferedReader(pa.input_stream(str(path), compression="detect"), 1 << 20)


def _jsonl(path: Path) -> Iterator[tuple[int, Record]]:
    with _open(path) as file:
        for line, raw in enumerate(file, start=1):
            if not raw.strip():
                continue
            yield line, _object(raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw)


def _object(raw: bytes) -> Record:
    try:
        found = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Malformed("not_utf8", f"byte {error.start} of the line: {error.reason}")
    except json.JSONDecodeError as error:
        return Malformed("not_json", f"{error.msg} at column {error.colno}: {raw[:80].decode('utf-8', 'replace')!r}")
    except RecursionError:
        return Malformed("not_json", "nested too deeply")
    return found if isinstance(found, dict) else Malformed("not_an_object", f"{raw[:80].decode('utf-8', 'replace')!r}")


def _table(path: Path, delimiter: str, header: bool) -> Iterator[tuple[int, Record]]:
    csv.field_size_limit(_LONGEST_CELL)
    # In a tab-separated file a quotation mark is text, as in MGSM; in a comma-separated one it quotes.
    with io.TextIOWrapper(_open(path), encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(
            file, delimiter=delimiter, quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
        )
        columns = next(reader, []) if header else ["question", "answer"]
        line = reader.line_num + 1
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, Malformed("not_csv", str(error))
            else:
                if any(cells):
                    yield line, _cells(columns, cells)
            line = reader.line_num + 1


def _cells(columns: list[str], cells: list[str]) -> Record:
    if len(cells) != len(columns):
        return Malformed(
            "wrong_cells", f"{len(cells)} cells for the {len(columns)} columns {columns}: {cells[0][:60]!r}"
        )
    if any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell):
        return Malformed("not_utf8", f"{cells[0][:60]!r}")
    return dict(zip(columns, cells, strict=True))


def _parquet(path: Path) -> Iterator[tuple[int, Record]]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{str(path)!r} is no parquet file that can be read: {error}") from error
    line = 0
    with file:
        for batch in file.iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                line += 1
                yield line, row


def _through_datasets(
    name: str, config: str | None, split: str, revision: str | None, streaming: bool
) -> Iterator[tuple[int, Record]]:
    try:
        import datasets
    except ImportError as error:
        raise MissingDependencyError(
            f"reading {name!r} needs the package `datasets`: pip install datasets, or give a file"
        ) from error
    try:
        if _is_saved(Path(name)):
            found = datasets.load_from_disk(name)
            if isinstance(found, datasets.DatasetDict):
                found = found[split]
        else:
            found = datasets.load_dataset(name, config, split=split, revision=revision, streaming=streaming)
    except Exception as error:
        # `datasets` raises a dozen types for a name, a split or a network that is not there.
        where = f"configuration {config!r}, split {split!r}, revision {revision!r}"
        raise DataError(
            f"the data set {name!r} ({where}) cannot be loaded: {type(error).__name__}: {str(error)[:500]}. Check the "
            "names and the network, or download it and give the file"
        ) from error
    line = 0
    for batch in found.iter(batch_size=_BATCH):
        columns = list(batch)
        for values in zip(*batch.values(), strict=True):
            line += 1
            yield line, dict(zip(columns, values, strict=True))
