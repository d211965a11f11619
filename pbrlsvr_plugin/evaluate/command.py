"""`pbrlsvr eval`: asks, reads, sums up, and prints. Run again, it goes on where it was stopped.

Exit codes: 0; 2 for an error; 3 where samples have no answer (they are in no figure); 130 for Ctrl-C.
"""

import platform
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pbrlsvr
from pbrlsvr.errors import ConfigError, PbrlsvrError
from pbrlsvr.serving.chat import FILTERED
from pbrlsvr_plugin.evaluate.asking import Asking
from pbrlsvr_plugin.evaluate.benchmarks import Question
from pbrlsvr_plugin.evaluate.downloads import Source
from pbrlsvr_plugin.evaluate.metrics import Counted, Counts, count, figures
from pbrlsvr_plugin.evaluate.reading import read_all
from pbrlsvr_plugin.evaluate.results import JOURNAL, RESULTS, SAMPLES, read_results, write_results
from pbrlsvr_plugin.evaluate.settings import Settings
from pbrlsvr_plugin.evaluate.tables import summary
from pbrlsvr_plugin.json_lines import json_line
from pbrlsvr_plugin.prepare.requests.journal import Journal
from pbrlsvr_plugin.progress import counted
from pbrlsvr_plugin.terminal import Screen, say, say_error
from pbrlsvr_plugin.whole_file import others_locked_out, whole_file

FINE, ERROR, MISSING, STOPPED = 0, 2, 3, 130


def run(settings: Settings, out: Path, name: str | None = None) -> int:
    """`eval` for the command line; see `pbrlsvr_plugin.evaluate.results` for what is in `out`."""
    try:
        _make(out)
        with others_locked_out(out / ".lock", "eval", "--out"), Journal(out / JOURNAL) as journal:
            return _run(settings, out, name or Path(settings.model.rstrip("/")).name, journal)
    except (PbrlsvrError, OSError, sqlite3.Error) as error:
        say_error(error)
        return ERROR
    except KeyboardInterrupt:
        say(f"stopped; what was answered is kept in {out}: run the same command again to go on", err=True)
        return STOPPED


def _run(settings: Settings, out: Path, name: str, journal: Journal) -> int:
    asking = Asking(settings, journal)
    _require_same_model(settings, asking.fingerprint, out)
    questions, files = _questions(settings)
    for question in {each.language: each for each in questions}.values():
        asking.messages(question)  # or there are no instructions in its language
    asked = {data: Counter(each.language for each in questions if each.data == data) for data in files}
    for data, languages in asked.items():
        say(f"{data}: {languages.total():,} questions in {len(languages)} languages ({', '.join(languages)})")
    asking.ask(questions)
    counts, missing, refused = _write_samples(asking, questions, out)
    content = {
        "name": name,
        "settings": settings.as_json(),
        "fingerprint": asking.fingerprint,
        "versions": {"pbrlsvr": pbrlsvr.__version__, "python": platform.python_version(), **asking.versions},
        "files": files,
        "data": {data: _figures(settings, counts.get(data, {}), languages) for data, languages in asked.items()},
    }
    write_results(out, content)
    for data, found in content["data"].items():  # type: ignore[attr-defined]
        Screen().print(summary(data, found))
    for line in asking.errors:
        say(line, err=True)
    if refused:
        say(
            f"{refused:,} samples were refused by the server's filter ({FILTERED}) and count as they are, without "
            "an answer as wrong; they are not asked for again: give another --out for that",
            err=True,
        )
    if missing:
        say(
            f"{missing:,} samples have no answer and are in no figure; run the same command again to ask for them",
            err=True,
        )
    say(f"written: {out}")
    return MISSING if missing else FINE


def _require_same_model(settings: Settings, fingerprint: str, out: Path) -> None:
    if not (out / RESULTS).exists():
        return
    before = read_results(out)
    if (before["settings"]["model"], before["fingerprint"]) != (settings.model, fingerprint):
        raise ConfigError(
            f"--out {str(out)!r} holds the results of {before['settings']['model']!r} ({before['fingerprint']}), and "
            f"this is {settings.model!r} ({fingerprint}); give another folder"
        )


def _questions(settings: Settings) -> tuple[list[Question], dict[str, dict[str, str]]]:
    """All questions, and the digests of the files of each data set."""
    questions: list[Question] = []
    files: dict[str, dict[str, str]] = {}
    for said in settings.data:
        source = Source.of(said)
        if source.name in files:
            raise ConfigError(
                f"--data {said}: there is a data set {source.name!r} already; name it <other name>=<path>"
            )
        found, files[source.name] = source.questions(settings.languages, settings.limit)
        questions += found
    return questions, files


def _write_samples(asking: Asking, questions: Sequence[Question], out: Path) -> tuple[Counted, int, int]:
    """Writes samples.jsonl, whole or not at all. Returns what it counted, and how many samples have no answer, and how
    many the server's filter has refused."""
    written, refused, found = 0, 0, Counted()
    total = len(questions) * asking.samples
    asks = ((ask, asking.response(ask)) for ask in asking.asks(questions))
    spoken = ((ask.question, ask.sample, response) for ask, response in asks if response is not None)
    with whole_file(out / SAMPLES) as draft, draft.open("w", encoding="utf-8") as file, counted("read", total) as show:
        for row in read_all(spoken):
            file.write(json_line(row))
            count(found, row)
            written += 1
            refused += row["finish_reason"] == FILTERED
            show(1)
    return found, total - written, refused


def _figures(settings: Settings, counts: Mapping[str, Counts], asked: Mapping[str, int]) -> dict[str, Any]:
    return figures(
        counts,
        {language: questions * settings.samples for language, questions in asked.items()},
        seen=settings.seen,
        low_resource=settings.low_resource,
        samples=settings.samples,
    )


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {str(out)!r} cannot be made: {error}") from error
