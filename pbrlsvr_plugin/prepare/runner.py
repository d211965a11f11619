"""Runs stages: what is finished and still good is kept, what is not is done, and why is said.

A stage's output is good while its options, the files that these name, the code's version and its input rows are those
that it was made with. The input counts by content: a stage that is redone and gives the same bytes leaves the ones
after it alone.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from rich.console import Console

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr_plugin.prepare import STAGES
from pbrlsvr_plugin.prepare.config import Config
from pbrlsvr_plugin.prepare.progress import Tracked, stage_shown
from pbrlsvr_plugin.prepare.requests.journal import Journal
from pbrlsvr_plugin.prepare.stage import Context, Stage, fingerprint
from pbrlsvr_plugin.prepare.store import PartRows, StageWriter, read_report, storage_errors
from pbrlsvr_plugin.whole_file import others_locked_out

Say = Callable[[str], None]
_LEAST_FREE = 32 << 20


class Runner:
    """Runs the stages of a configuration. Use as a context manager: it holds the lock and the journal.

    Without `lock` it only looks, also while another run is at work. `confirm` is called after an estimate was said and
    before the first request; False stops the run.

    Raises:
        ConfigError: another run is at work in the same folder.
    """

    def __init__(
        self,
        config: Config,
        say: Say,
        console: Console,
        *,
        lock: bool = True,
        confirm: Callable[[], bool] = lambda: True,
    ):
        self.config, self._say, self._console = config, say, console
        self._locks, self._confirm = lock, confirm

    def __enter__(self) -> "Runner":
        with storage_errors(self.config.work_folder), ExitStack() as held:
            if self._locks:
                held.enter_context(_alone(self.config.work_folder))
            self._journal = held.enter_context(Journal(self.config.journal_file))
            self._held = held.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def run(self, names: Sequence[str], redo: Sequence[str] = (), *, alone: bool = False) -> list[dict[str, Any]]:
        """Runs these stages, in order. Returns their reports.

        Args:
            names: the stages.
            redo: those that are run again even where their output is good; the journal still answers.
            alone: the stages before must be finished; otherwise this raises.

        Raises:
            ConfigError: an option cannot work; or with `alone`, a stage before has to be run.
            PbrlsvrError: a stage fails.
        """
        if unknown := sorted({*names, *redo} - {*STAGES}):
            raise ConfigError(f"there is no stage {unknown[0]!r}; the stages are {list(STAGES)}")
        # All options are checked before the first stage starts: a typo in `export` must not show after a night.
        for name in names:
            with self._stage(name) as (stage, context):
                fingerprint(stage, context)
        with storage_errors(self.config.work_folder):
            _try_to_write(Path(self.config.out))
            reports, looked_ahead = [], False
            for place, name in enumerate(names):
                why = "it was asked for" if name in redo else self.why_not_good(name)
                report = read_report(self.config.folder(name)) if why is None else None
                if report is not None:
                    self._say(f"{name}: finished before, nothing has changed")
                    reports.append(report)
                    continue
                if alone:
                    self._check_input(name)
                if why:
                    self._say(f"{name}: done again, because {why}")
                if name != "load" and not looked_ahead:
                    self._look_ahead(names[place:])
                    looked_ahead = True
                reports.append(self._run_stage(name))
            return reports

    def why_not_good(self, name: str) -> str | None:
        """None where the output of a stage is good; else why it is not, "" where it was never finished."""
        report = read_report(self.config.folder(name))
        if report is None:
            return ""
        with self._stage(name) as (stage, context):
            expected = fingerprint(stage, context)
            gone = [str(path) for path in stage.outputs() if not path.exists()]
        if gone:
            return f"{gone[0]!r} is gone"
        changed = list(differences(report.get("fingerprint") or {}, expected))
        if report.get("input") != self._input(name):
            changed.append("its input rows are others")
        return "; ".join(changed) or None

    def _run_stage(self, name: str) -> dict[str, Any]:
        folder, before, started = self.config.folder(name), self._before(name), time.monotonic()
        rows = Tracked(PartRows(before) if before else [])
        with self._stage(name) as (stage, context), StageWriter(folder, name) as writer:
            # What the old output says would be wrong from the first new file in `out` on.
            (folder / "stage.json").unlink(missing_ok=True)
            expected, made_from = fingerprint(stage, context), self._input(name)
            with stage_shown(self._console, name, rows, writer):
                for row in stage.run(rows, writer.reject):
                    writer.write(row)
            if not writer.rows_out:
                raise DataError(_empty(name, rows.read, writer))
            return writer.finish(
                {
                    "fingerprint": expected,
                    "input": made_from,
                    "rows_in": len(rows),
                    "seconds": round(time.monotonic() - started, 2),
                    "facts": dict(stage.facts()),
                }
            )

    def _look_ahead(self, names: Sequence[str]) -> None:
        """Before anything is paid for: is there what these stages will need, and what will they ask for?"""
        rows = PartRows(self.config.folder("load"))
        estimates = []
        for name in names:
            with self._stage(name) as (stage, _):
                stage.needs(rows)
                estimate = stage.estimate(rows)
                if estimate is not None and estimate.requests:
                    estimates.append((name, estimate))
                    stage.reach()
        self._check_disk(names)
        for name, estimate in estimates:
            self._say(f"{name}: {estimate}")
        if estimates and not self._confirm():
            raise ConfigError("stopped before the first request, as you said")

    def _check_disk(self, names: Sequence[str]) -> None:
        loaded = sum(path.stat().st_size for path in self.config.folder("load").glob("part-*.parquet"))
        # Each stage writes the rows once more, and from `translate` on once for each language.
        needed = _LEAST_FREE + 3 * loaded * (len(names) + 2 * len(self.config.languages))
        for folder in {Path(self.config.out), self.config.work_folder}:
            free = shutil.disk_usage(folder).free
            if free < needed:
                raise ConfigError(
                    f"{str(folder)!r} has {free:,} bytes free, and this run needs about {needed:,}; free some, or name "
                    "another folder with `out` or `work`"
                )

    def _check_input(self, name: str) -> None:
        for before in STAGES[: STAGES.index(name)]:
            why = self.why_not_good(before)
            if why is not None:
                what = f"is not good any more ({why})" if why else "is not finished"
                raise ConfigError(f"the stage {before!r} {what}; run `pbrlsvr prepare {before}` or `run` first")

    def _before(self, name: str) -> Path | None:
        """The folder of the stage before."""
        place = STAGES.index(name)
        return self.config.folder(STAGES[place - 1]) if place else None

    def _input(self, name: str) -> str:
        """The digest of the rows that a stage gets."""
        before = self._before(name)
        report = read_report(before) if before else None
        parts = report["parts"] if report else []
        return sha256("\n".join(part["sha256"] for part in parts).encode()).hexdigest()

    @contextmanager
    def _stage(self, name: str) -> Iterator[tuple[Stage, Context]]:
        work = self.config.work_folder
        with tempfile.TemporaryDirectory(prefix=f"{name}.scratch-", dir=work) as scratch:
            context = Context(
                work=work,
                out=Path(self.config.out),
                name=self.config.data_name,
                seed=self.config.seed,
                languages=self.config.languages,
                journal=self._journal,
                scratch=Path(scratch),
            )
            yield self.config.stage(name, context), context


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """What has changed between two fingerprints, for people.

    >>> list(differences({"options": {"limit": 0}}, {"options": {"limit": 5}}))
    ['options.limit was 0 and is 5']
    """
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from differences(before, after, f"{prefix}{key}.")
        elif before != after and not all(each in (None, {}) for each in (before, after)):
            if prefix == "files.":
                yield f"the file {key!r} has changed"
            else:
                yield f"{prefix}{key} was {before!r} and is {after!r}"


def _empty(name: str, rows_in: int, writer: StageWriter) -> str:
    if not writer.rejected:
        return f"the stage {name!r} gave no rows, of {rows_in}; is the source empty?"
    examples = "; ".join(list(writer.examples.values())[:3])
    return (
        f"the stage {name!r} gave no rows: all were rejected, {dict(writer.rejected)}. Most often an option or the "
        f"mapping does not fit the data. For example: {examples[:1000]}"
    )


def _try_to_write(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out) as file:
        file.write(b"x")
        file.flush()


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Makes the folder, and keeps other runs out of it."""
    work.parent.mkdir(parents=True, exist_ok=True)
    work.mkdir(mode=0o700, exist_ok=True)
    with others_locked_out(work / "lock", "prepare", "out"):
        for left in work.glob("*.scratch-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
