"""Stage `translate`: the question in each target language; one row for each (problem, language).

A translation that the source has is taken as it is, with `engine` "original". The others are made by

    chat           a chat model, whole questions at a time, by a prompt that the user can change
    seq2seq, ctranslate2   a translation model; see `pbrlsvr.models.translation.translator`
    join           nobody: a question without a translation is rejected

`auto` is `chat` where an endpoint is known (the one of `reference`, if there is no other), else `join`.
Rows that are in another language than English from the start go on as they are, if their language is wanted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pbrlsvr.errors import DataError, PbrlsvrError
from pbrlsvr.languages import base, english_name, parse
from pbrlsvr.models.translation.translator import require_translator, translator
from pbrlsvr_plugin.prepare.load.by_id import ById, named_texts
from pbrlsvr_plugin.prepare.reference.reference import CUT_OFF
from pbrlsvr_plugin.prepare.requests.asking import (
    Asker,
    chat_request,
    check_server,
    estimate_of,
    fill,
    prompt_path,
    read_prompt,
)
from pbrlsvr_plugin.prepare.requests.concurrent import Answers, Failures, in_order, reason_of
from pbrlsvr_plugin.prepare.requests.journal import request_key
from pbrlsvr_plugin.prepare.stage import Context, Estimate, Reject, Row, Rows, Stage, needed_for
from pbrlsvr_plugin.prepare.translate.options import TranslateOptions

#: Of a translation, for an estimate before there is one.
_ANSWER_TOKENS = 120


class _Task(NamedTuple):
    row: Row
    language: str
    existing: str | None


class _Translated(NamedTuple):
    question: str
    engine: str
    reason: str = ""


class Translate(Stage):
    """Turns each English row into one row for each target language."""

    name = "translate"
    depends = ("seed", "languages")

    def __init__(self, options: TranslateOptions, context: Context):
        self.options, self._context = options.resolved(), context
        self._answers = Answers(context.journal)
        self._asker: Asker | None = None

    @cached_property
    def _prompt(self) -> str:
        """The prompt of a chat model, else ""."""
        return read_prompt(self.options.prompt, "{language}", "{question}") if self.options.engine == "chat" else ""

    def files(self) -> list[Path]:
        files = [prompt_path(self.options.prompt)] if self.options.engine == "chat" else []
        return [*files, Path(self.options.file)] if self.options.file else files

    def needs(self, rows: Rows) -> None:
        self._prompt  # noqa: B018 - it may lack a place
        if self.options.engine == "join":
            made, lacking = Counter[str](), Counter[str]()
            for task in self._tasks(rows, lambda *_: None):
                (lacking if task.existing is None else made)[task.language] += 1
            self._none_empty(made, lacking)
        elif self.options.engine in ("seq2seq", "ctranslate2"):
            wanted = [("17", "en", language) for language in self._context.languages if base(language) != "en"]
            with needed_for("translate.model"):
                require_translator(self.options.model_options(), self.options.serving, wanted)
        if self.options.file:
            next(_translations(Path(self.options.file)), None)

    def estimate(self, rows: Rows) -> Estimate | None:
        options = self.options
        if options.engine == "join":
            return None

        def requests() -> Iterator[tuple[str, int]]:
            for task in self._tasks(rows, lambda *_: None):
                if task.existing is not None:
                    continue
                text = task.row["english"]
                if options.engine != "chat":
                    yield self._key(text, task.language), len(text)
                    continue
                filled = fill(self._prompt, language=english_name(task.language), question=text)
                request = chat_request(options, filled, self._context.seed)
                yield request_key("chat", **request), len(filled)

        return estimate_of(requests(), self._context.journal, _ANSWER_TOKENS, options)

    def reach(self) -> None:
        if self.options.engine == "chat" and not self.options.as_reference:
            check_server(self.options)

    def facts(self) -> Mapping[str, Any]:
        if self._asker:
            return self._asker.facts()
        return {"asked": self._answers.asked, "from_journal": self._answers.kept}

    def run(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        options = self.options
        self._asker = Asker(options, self._context.journal) if options.engine == "chat" else None
        close = self._asker.aclose if self._asker else None
        made, lacking = Counter[str](), Counter[str]()
        # A translation model makes large batches of what waits; a chat model has its own bound.
        window = 4 * options.max_concurrency if self._asker else 2_048
        failures = Failures(options.give_up_after)
        tasks = self._tasks(rows, reject)
        for task, found in in_order(tasks, self._translate, window, failures, close, self._known):
            row = {**task.row, "language": task.language, "translations": {}}
            if task.language != task.row["language"]:
                row["id"] = f"{task.row['id']}/{task.language}"
            if isinstance(found, PbrlsvrError):
                reject(row, reason_of(found, "not_translated"), str(found))
            elif found.reason:
                lacking[task.language] += found.reason == "no_translation"
                reject(row, found.reason)
            else:
                made[task.language] += 1
                yield {**row, "question": found.question, "engine": found.engine}
        self._none_empty(made, lacking)

    def _tasks(self, rows: Rows, reject: Reject) -> Iterator[_Task]:
        path = self.options.file
        file = ById(self._context.scratch, _translations(Path(path)), last=True) if path else None
        for row in rows:
            if row["language"] != "en":
                if row["language"] in self._context.languages:
                    yield _Task(row, row["language"], row["question"])
                else:
                    reject(row, "language_not_wanted", f"the target languages are {list(self._context.languages)}")
                continue
            existing = {"en": row["english"]}
            if self.options.existing:
                existing |= row["translations"]
            if file:
                existing |= file.of_row(row)
            for language in self._context.languages:
                yield _Task(row, language, existing.get(language))

    def _known(self, task: _Task) -> _Translated | None:
        if task.existing is not None:
            return _Translated(task.existing, "original")
        return _Translated("", "", "no_translation") if self.options.engine == "join" else None

    async def _translate(self, task: _Task) -> _Translated:
        text, language = task.row["english"], task.language
        if self._asker is not None:
            filled = fill(self._prompt, language=english_name(language), question=text)
            answer = await self._asker.ask(filled, self._context.seed)
            if answer["finish_reason"] == CUT_OFF:
                return _Translated("", "", "cut_off")
            return _Translated(answer["text"].strip(), self.options.model)
        options = self.options.model_options()

        async def ask() -> str:
            return await translator(options, self.options.serving).translate(text, "en", language)

        return _Translated(await self._answers.get(self._key(text, language), ask), self.options.model)

    def _key(self, text: str, language: str) -> str:
        told = self.options.model_options().model_dump() | {"dtype": self.options.serving.dtype}
        return request_key("translation", options=told, text=text, language=language)

    def _none_empty(self, made: Counter[str], lacking: Counter[str]) -> None:
        empty = sorted(language for language, count in lacking.items() if count and not made[language])
        if empty:
            raise DataError(
                f"the source has no translation into {empty}, and translate.engine={self.options.engine!r} makes none. "
                "Set translate.engine to 'chat' (with model and urls) or 'seq2seq' (with model), give a file of "
                "translations (translate.file), or leave the language out"
            )


def _translations(path: Path) -> Iterator[tuple[str, str, str]]:
    for place, (name, code, question) in named_texts(path, "translate.file", "id", "language", "question"):
        try:
            yield name, parse(code), question
        except DataError as error:
            raise DataError(f"{place}: {error}") from error
