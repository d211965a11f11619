"""Stage `load`: a data set in any of the formats of `sources.py` becomes rows."""

import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pbrlsvr import answers
from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.languages import parse
from pbrlsvr.tables import shown_columns
from pbrlsvr_plugin.prepare.load.mapping import (
    RowError,
    answer_of,
    guess_mapping,
    lookup,
    mapping_of,
    missing_columns,
    names,
    one_text,
    options_of,
    text_of,
    with_options,
)
from pbrlsvr_plugin.prepare.load.options import LoadOptions
from pbrlsvr_plugin.prepare.load.sources import Malformed, Record, Source, find_sources
from pbrlsvr_plugin.prepare.load.translations import IdJoin, LineJoin, configs_by_language, files_by_language
from pbrlsvr_plugin.prepare.stage import Context, Reject, Row, Rows, Stage, new_row
from pbrlsvr_plugin.prepare.store import no_unicode

#: How many records a column may be missing in before the mapping counts as broken.
_PEEK = 100
#: They are looked at together, so that they must not fill the memory.
_PEEK_CHARACTERS = 1 << 24
#: How many columns are remembered to be named as dropped.
_MOST_COLUMNS = 200


class Load(Stage):
    """Reads the source; one row for each record, with the translations that the source has."""

    name = "load"
    depends = ("languages",)

    def __init__(self, options: LoadOptions, context: Context):
        self.options = options.model_copy(update={"mapping": guess_mapping(options)})
        self._context = context
        self.mapping = mapping_of(options)
        self._seen: set[int] = set()
        #: The columns that were seen, and the shapes of the records that had them.
        self._columns: dict[str, None] = {}
        self._shapes: set[tuple[str, ...]] = set()
        self._names: list[str] = []

    def files(self) -> list[Path]:
        sources, others = self._sources()
        every = [*sources, *chain.from_iterable(others.values())]
        return sorted({source.path for source in every if source.path is not None})

    def facts(self) -> dict[str, Any]:
        """What was read, and the columns that did not go into the rows."""
        dropped = [name for name in self._columns if not self._used(name)]
        return {"sources": self._names, **({"columns_dropped": dropped} if dropped else {})}

    def _used(self, name: str) -> bool:
        options = self.mapping.options
        used = [*self.mapping.names(), *(options if isinstance(options, tuple) else ())]
        return any(f"{column}.".startswith(f"{name}.") or f"{name}.".startswith(f"{column}.") for column in used)

    def _note(self, record: Record) -> None:
        if isinstance(record, Malformed) or tuple(record) in self._shapes or len(self._columns) >= _MOST_COLUMNS:
            return
        self._shapes.add(tuple(record))
        present = names(record)
        leaves = [name for name in present if not any(other.startswith(f"{name}.") for other in present)]
        self._columns |= dict.fromkeys(name[:80] for name in leaves[:_MOST_COLUMNS])

    def run(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        loaded = self._load(reject)
        return islice(loaded, self.options.limit) if self.options.limit else loaded

    def _load(self, reject: Reject) -> Iterator[Row]:
        self._seen.clear()
        sources, others = self._sources()
        self._names = [source.name for source in chain(sources, *others.values())]
        for source in sources:
            join = self._join(source, others)
            for line, record in self._checked(source):
                self._note(record)
                place = {"id": f"{source.label}:{line}", "source": source.name, "line": line, "language": "en"}
                translated = join.of(line, record) if join else {}
                try:
                    row = self._row(place, record)
                except RowError as error:
                    reject(place, error.reason, error.detail)
                    continue
                row["translations"] = self._translations(row, translated, reject)
                yield row
            if join:
                join.end()

    def _sources(self) -> tuple[list[Source], dict[str, list[Source]]]:
        """The sources of the rows, and those of their translations by language."""
        options, mapping = self.options, self.mapping
        name = options.source if options.source != options.mapping or Path(options.source).exists() else ""
        name = name or mapping.dataset or ""
        if not name:
            raise ConfigError("load.source is not given: a file, a folder, or a data set of the hub")
        wanted = set(self._context.languages) - {"en"}
        if mapping.file:
            files = files_by_language(Path(name), mapping.file)
            return [files["en"]], {code: [files[code]] for code in sorted(wanted & files.keys())}
        split = options.split or mapping.split
        if mapping.configs_are_languages:
            found = configs_by_language(name, sorted(wanted), split, options.revision, options.streaming)
            return found.pop("en"), found
        configs = options.configs or mapping.configs
        return find_sources(name, configs, split, options.revision, options.streaming), {}

    def _join(self, source: Source, others: dict[str, list[Source]]) -> LineJoin | IdJoin | None:
        """What finds the translations of an English record; None for a data set in one language."""
        if not others:
            return None
        if self.mapping.file:
            return LineJoin(source, {language: sources[0] for language, sources in others.items()})
        if not self.mapping.id:
            raise ConfigError("the mapping joins configurations, so it needs `id`, the column that they share")
        return IdJoin(self.mapping.id, others, self._context.scratch)

    def _checked(self, source: Source) -> Iterator[tuple[int, Record]]:
        """The records of a source, after a look at the first ones: does the mapping fit at all?"""
        records = source.records()
        first: list[tuple[int, Record]] = []
        characters = 0
        for line, record in records:
            first.append((line, record))
            if isinstance(record, dict):
                characters += sum(len(value) for value in record.values() if isinstance(value, str))
            if len(first) == _PEEK or characters > _PEEK_CHARACTERS:
                break
        good = [record for _, record in first if isinstance(record, dict)]
        absent = [set(missing_columns(record, self.mapping)) for record in good]
        if broken := set.intersection(*absent) if absent else set():
            raise ConfigError(
                f"the mapping {self.options.mapping!r} asks for the columns {sorted(broken)}, which {source.name!r} "
                f"does not have; it has {shown_columns(names(good[0]))}. Name them with `load.columns`, as in "
                "load.columns.question=<column>"
            )
        return chain(first, records)

    def _row(self, place: dict[str, Any], record: Record) -> Row:
        mapping = self.mapping
        record, question, answer = self._question(record)
        language, english = self._language(record, question)
        extra = {column: text_of(lookup(record, column)) for column in mapping.keep}
        problem = place["id"]
        if mapping.language:
            # The languages of a problem may stand anywhere; they share the English question.
            problem = f"{problem.rpartition(':')[0]}:{sha256(english.encode('utf-8', 'replace')).hexdigest()[:16]}"
        if mapping.id:
            extra["id"] = one_text(record, mapping.id)
            problem = f"{place['id'].rpartition(':')[0]}:{extra['id']}"
            self._first_of(problem, language)
        if mapping.solution:
            solution = one_text(record, mapping.solution)
            extra["solution"] = re.sub(mapping.strip, "", solution) if mapping.strip else solution
        values = {"problem": problem, "question": question, "english": english, "answer": answer}
        return _of_unicode(new_row(**{**place, "language": language}, **values, extra=extra))

    def _question(self, record: Record) -> tuple[dict[str, Any], str, str]:
        """The record, which has what is asked for, its question and its answer."""
        if isinstance(record, Malformed):
            raise RowError(record.reason, record.detail)
        if missing := missing_columns(record, self.mapping):
            raise RowError("missing_column", f"there is no {missing}; there are {shown_columns(names(record))}")
        value = lookup(record, self.mapping.question)
        if not isinstance(value, str):
            raise RowError("question_is_no_text", f"{self.mapping.question} holds a {type(value).__name__}")
        if not value.strip():
            raise RowError("no_question", f"{self.mapping.question}={value!r}")
        try:
            options = options_of(record, self.mapping.options)
        except (KeyError, TypeError) as error:
            raise RowError("bad_options", str(error)) from error
        return record, with_options(value.strip(), options), answer_of(record, self.mapping, options)

    def _language(self, record: dict[str, Any], question: str) -> tuple[str, str]:
        if not self.mapping.language:
            return "en", question
        code = one_text(record, self.mapping.language)
        try:
            language = parse(code)
        except DataError as error:
            raise RowError("unknown_language", str(error)) from error
        if language == "en":
            return language, question
        english = one_text(record, self.mapping.english) if self.mapping.english else ""
        if not english:
            raise RowError("no_english", f"a question in {language!r} needs the English one (`english`)")
        return language, english

    def _first_of(self, problem: str, language: str) -> None:
        key = hash((problem, language))
        if key in self._seen:
            raise RowError("duplicate_id", f"{self.mapping.id}={problem.rpartition(':')[2]!r} occurs before")
        self._seen.add(key)

    def _translations(self, row: Row, translated: dict[str, Record], reject: Reject) -> dict[str, str]:
        found: dict[str, str] = {}
        for language, record in translated.items():
            place = {**row, "id": f"{row['id']}/{language}", "language": language}
            try:
                _, question, answer = self._question(record)
                if answer and row["answer"] and not _same(answer, row["answer"], language):
                    raise RowError("answer_differs", f"{answer!r}, in English {row['answer']!r}")
                found[language] = _of_unicode({"question": question})["question"]
            except RowError as error:
                reject(place, error.reason, error.detail)
        return found


def _same(answer: str, english: str, language: str) -> bool:
    """Whether two ground truths agree. Most data sets write 1,234.5 in all languages, some as the language does."""
    return answers.equal(answer, english) or answers.equal(answer, english, language)


def _of_unicode(row: Row) -> Row:
    if detail := no_unicode(row):
        raise RowError("not_unicode", detail)
    return row
