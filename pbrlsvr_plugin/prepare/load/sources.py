"""Records of a data set, with their row numbers: from files, or through `datasets`.

    a file                   as `pbrlsvr.tables` reads them; MGSM's layout without a header by `header=False`
    a folder                 a data set saved by `datasets`; else the files in it that can be read
    a pattern                the files that it fits, as in data/*.jsonl
    a name                   a data set of the Hugging Face hub, as in "openai/gsm8k"

Every reader is a stream; a record that cannot be read is handed on as `Malformed`, with its row number, and the reading
goes on.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from pbrlsvr.errors import ConfigError, DataError, MissingDependencyError
from pbrlsvr.tables import Malformed, Record, Unpacked, ending, records, rows_of, table_paths

__all__ = ["Malformed", "Record", "Source", "find_sources"]

_BATCH = 1_000


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
        return records(self.path, () if self.header else ("question", "answer"))


def find_sources(
    source: str,
    configs: Sequence[str | None] = (),
    split: str = "train",
    revision: str | None = None,
    streaming: bool = False,
) -> list[Source]:
    """The files or configurations that a source consists of, in a fixed order.

    Raises:
        ConfigError: there is no such file, or the folder holds nothing that can be read.
    """
    path = Path(source).expanduser()
    if path.is_dir() and _is_saved(path):
        return [Source(path.name, path.name, path, dataset=(str(path), None, split, None, False))]
    local = path.exists() or ending(path) or source.startswith((".", "/", "~")) or source.count("/") > 1
    if local or "://" in source or has_magic(source):
        try:
            return _files(table_paths(source))
        except DataError as error:
            raise ConfigError(str(error)) from error
    found = []
    for config in configs or (None,):
        name = "/".join([source, *([config] if config else []), split])
        label = "-".join([source.split("/")[-1], *([config] if config and config != "main" else []), split])
        found.append(Source(name, label, dataset=(source, config, split, revision, streaming)))
    return found


def _is_saved(path: Path) -> bool:
    """Whether `save_to_disk` of `datasets` wrote this folder."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def _files(paths: Sequence[Path]) -> list[Source]:
    """The files with labels that differ: two rows of the same id would count as one problem."""
    short = [path.name[: path.name.lower().rindex(ending(path))] for path in paths]
    above = Path(os.path.commonpath([path.parent for path in paths]))
    labels = [
        label if short.count(label) == 1 else path.relative_to(above).as_posix()
        for label, path in zip(short, paths, strict=True)
    ]
    for path in paths:
        if any("\ud800" <= each <= "\udfff" for each in path.name):
            raise ConfigError(f"the name of the file {path.name!r} cannot stand in ids; rename it")
    return [Source(path.name, label, path) for path, label in zip(paths, labels, strict=True)]


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
    unpacked, line = Unpacked(Path(name)), 0
    for table in found.with_format("arrow").iter(batch_size=_BATCH):
        for batch in table.to_batches():
            for row in rows_of(batch, unpacked):
                line += 1
                yield line, row
