"""Data sets that exist in several languages: the English records, and each one's translations.

Files of one folder are joined by line (MGSM), configurations by the data set's own number of a problem (MMLU-ProX). The
first are read side by side; the second pass through a temporary file on the disk, so that memory stays flat.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.languages import known_tag, parse
from pbrlsvr_plugin.prepare.load.by_id import ById
from pbrlsvr_plugin.prepare.load.mapping import lookup, text_of
from pbrlsvr_plugin.prepare.load.sources import Malformed, Record, Source, find_sources


class LineJoin:
    """Line k of each file is the same problem. `of` is called with rising line numbers."""

    def __init__(self, english: Source, others: Mapping[str, Source]):
        self._english = english
        self._others = others
        self._readers = {language: iter(source.records()) for language, source in others.items()}
        self._next = {language: next(reader, None) for language, reader in self._readers.items()}
        self._last = 0

    def of(self, line: int, record: Record) -> dict[str, Record]:
        """The records in the other languages, by language; without those that are missing."""
        found: dict[str, Record] = {}
        self._last = line
        for language in self._readers:
            entry = self._next[language]
            if entry is not None and entry[0] < line:
                raise DataError(self._unequal(language, f"has a row in line {entry[0]}, where English has none"))
            if entry is not None and entry[0] == line:
                found[language] = entry[1]
                self._next[language] = next(self._readers[language], None)
        return found

    def end(self) -> None:
        """To be called after the last English record. Raises a DataError where the languages do not fit."""
        for language, entry in self._next.items():
            if entry is not None:
                raise DataError(self._unequal(language, f"goes on in line {entry[0]}, English ends in {self._last}"))

    def _unequal(self, language: str, what: str) -> str:
        other = self._others[language].name
        return f"line k of {other!r} and of {self._english.name!r} must be the same problem, but {other!r} {what}"


class IdJoin:
    """Records with the same own number are the same problem."""

    def __init__(self, id_column: str, others: Mapping[str, Sequence[Source]], scratch: Path):
        self._id = id_column
        self._found = ById(scratch, (entry for each in others.items() for entry in self._entries(*each)))

    def of(self, line: int, record: Record) -> dict[str, Record]:
        if isinstance(record, Malformed):
            return {}
        try:
            found = self._found.of(text_of(lookup(record, self._id)))
        except KeyError:
            return {}
        return {language: json.loads(entry) for language, entry in found.items()}

    def end(self) -> None:
        self._found.close()

    def _entries(self, language: str, sources: Sequence[Source]) -> Iterator[tuple[str, str, str]]:
        for source in sources:
            for line, record in source.records():
                if isinstance(record, Malformed):
                    continue
                try:
                    key = text_of(lookup(record, self._id))
                except KeyError as error:
                    raise DataError(f"{source.name}:{line}: there is no column {self._id!r} to join by") from error
                yield key, language, json.dumps(record, default=str)


def files_by_language(folder: Path, pattern: str) -> dict[str, Source]:
    """The files of a folder whose names fit a pattern with {language}, by canonical language code.

    Raises:
        ConfigError: there is no such folder, no such file, or none in English.
    """
    if not folder.is_dir():
        raise ConfigError(f"the source {str(folder)!r} must be a folder with files named {pattern!r}")
    before, after = pattern.split("{language}")
    found = {}
    for path in sorted(folder.glob(f"{before}*{after}*")):
        code = path.name.removeprefix(before).partition(after)[0]
        found[parse(code, error=ConfigError)] = Source(path.name, path.name.split(".")[0], path, header=False)
    if "en" not in found:
        names = sorted(path.name for path in folder.iterdir())[:20]
        raise ConfigError(f"the folder {str(folder)!r} needs {pattern.format(language='en')!r}; it has {names}")
    return found


def configs_by_language(
    source: str, languages: Sequence[str], split: str, revision: str | None, streaming: bool
) -> dict[str, list[Source]]:
    """The configurations of a data set that are in these languages, and the English one; by canonical code.

    A folder holds a folder for each language, with the files of all splits: "en/test-00000-of-00001.parquet".

    Raises:
        ConfigError: there is no English one.
    """
    names = _configs(source)
    found: dict[str, list[Source]] = {}
    for name in names:
        language = known_tag(name)
        if language in ("en", *languages):
            path = Path(source) / name
            if path.is_dir():
                sources = find_sources(str(path), split=split)
                found[language] = [each for each in sources if each.label.startswith(split)] or sources
            else:
                found[language] = find_sources(source, (name,), split, revision, streaming)
    if "en" not in found:
        raise ConfigError(f"the data set {source!r} has no configuration 'en'; it has {names}")
    return found


def _configs(source: str) -> list[str]:
    if Path(source).is_dir():
        return sorted(path.name for path in Path(source).iterdir() if path.is_dir())
    try:
        import datasets

        return sorted(datasets.get_dataset_config_names(source))
    except Exception as error:
        raise DataError(
            f"the configurations of {source!r} cannot be listed: {type(error).__name__}: {str(error)[:300]}. Check the "
            "name and the network, or download it and give the folder"
        ) from error
