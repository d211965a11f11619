"""`pbrlsvr score`: reads rows, scores many at once, keeps each result, prints what they were per language.

With `--out`, each result goes into `<out>.partial` as it comes (`kept`), and at the end into a copy of the file, with a
column for each number: `<prefix>score`, `<prefix><component>`, and `<prefix>error` where rows have no score. Memory
does not grow with the file. Exit codes: 0; 1 where rows have no score; 2 for an error; 130 for Ctrl-C.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError, MissingDependencyError, ModelError, PbrlsvrError, ServiceError
from pbrlsvr.tables import COMPRESSED, Malformed, Record, ending, records
from pbrlsvr_plugin.prepare.load.mapping import names
from pbrlsvr_plugin.progress import counted
from pbrlsvr_plugin.score.job import PEEK, About, Job, job_of, row_language
from pbrlsvr_plugin.score.kept import Kept
from pbrlsvr_plugin.score.summary import Summary
from pbrlsvr_plugin.score.writing import write_copy
from pbrlsvr_plugin.terminal import Screen, say, say_error
from pbrlsvr_plugin.verl import chosen_reward
from pbrlsvr_plugin.whole_file import require_writable

FINE, UNSCORED, ERROR, STOPPED = 0, 1, 2, 130
_NAMED_ERRORS = 10


def run(
    file: Path,
    arguments: Sequence[str] = (),
    *,
    reward: str = "embed_cosine",
    config: Path | None = None,
    out: Path | None = None,
    column: Sequence[str] = (),
    language: str | None = None,
    prefix: str | None = None,
    limit: int | None = None,
    window: int = 256,
    json_out: Path | None = None,
) -> int:
    """`score` for the command line."""
    kept_in = f"what was scored is kept in {out}.partial; the same command goes on from there"
    try:
        if json_out is not None:
            require_writable(json_out, "--json")
        job, short = job_of(file, arguments, reward, config, column, language, limit, window)
        prefix = f"{short}_" if prefix is None else prefix
        say(f"{job.described} on {file.name!r}: {job.columns.described()}")
        total, digest = _measured(file)
        if out is None:
            return _finish(job, _score(job, None, total), json_out)
        _require_out(job, out, prefix)
        made_with = {"reward": job.described, "columns": dict(job.columns.of), "language": job.columns.language,
                     "limit": limit, "file": digest, "code": _code(reward, config)}  # fmt: skip
        with closing(Kept(Path(f"{out}.partial"), made_with)) as kept:
            if kept.rows:
                say(f"{kept.rows:,} rows were scored before; going on behind them")
            found = _score(job, kept, total)
            write_copy(job.rows, kept.entries, out, prefix, file)
        Path(f"{out}.partial").unlink()
        say(f"written: {out}")
        return _finish(job, found, json_out)
    except (PbrlsvrError, OSError) as error:
        say_error(error)
        if out is not None and Path(f"{out}.partial").exists() and not isinstance(error, ConfigError):
            say(kept_in, err=True)
        return ERROR
    except KeyboardInterrupt:
        say(f"stopped; {kept_in if out else 'with --out, what was scored is kept'}", err=True)
        return STOPPED


def _require_out(job: Job, out: Path, prefix: str) -> None:
    kinds = [".jsonl", ".jsonl.gz", *([".parquet"] if ending(job.file) == ".parquet" else [])]
    if not str(out).endswith(tuple(kinds)):
        raise ConfigError(f"--out {str(out)!r} must end with one of {kinds}, for a file like {job.file.name!r}")
    require_writable(out, "--out")
    if out.exists():
        raise ConfigError(f"--out {str(out)!r} exists; move it away, or give another name")
    first = (row for _, row in islice(records(job.file), PEEK) if not isinstance(row, Malformed))
    present = dict.fromkeys(name for row in first for name in names(row) if "." not in name)
    if taken := [name for name in present if name in (f"{prefix}score", f"{prefix}error")]:
        raise ConfigError(f"{job.file.name!r} has a column {taken[0]!r} already; give another --prefix than {prefix!r}")


def _code(reward: str, config: Path | None) -> str:
    """The digest of the file that says what the reward is, where there is one."""
    file = config or Path(reward.rpartition(":")[0])
    return sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _measured(file: Path) -> tuple[int | None, str]:
    """How many rows there are, where that is quickly said, and the digest of the file."""
    digest, lines = sha256(), 0
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
            lines += block.count(b"\n")
    if ending(file) == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(file) as table:
            return table.metadata.num_rows, digest.hexdigest()
    plain = ending(file) == ".jsonl" and file.suffix not in COMPRESSED
    return lines if plain else None, digest.hexdigest()


@dataclass
class Found:
    """The summary, and the first errors."""

    summary: Summary
    errors: list[str]

    def add(self, job: Job, language: str, entry: Mapping[str, Any]) -> None:
        result = entry.get("result")
        self.summary.add(language, result)
        if result is None and len(self.errors) < _NAMED_ERRORS:
            self.errors.append(f"{job.file.name}:{entry['row']}: {entry['error']}")


def _score(job: Job, kept: Kept | None, total: int | None) -> Found:
    found = Found(Summary(), [])
    done = kept.rows if kept else 0
    if kept:
        for (number, row), entry in zip(job.rows(), kept.entries(), strict=False):
            found.add(job, row_language(job.about(number, row)), entry)
    total = total if job.limit is None or total is None else min(total, job.limit)

    async def go() -> None:
        with counted("scored", total, done) as count:
            async for number, language, entry in _in_order(job, done):
                if kept:
                    kept.add(number, entry)
                found.add(job, language, {"row": number, **entry})
                count(1)

    asyncio.run(go())
    return found


async def _in_order(job: Job, skip: int) -> AsyncIterator[tuple[int, str, dict[str, Any]]]:
    """Number, language and result of each row, in order; `window` of them are in flight."""
    waiting: deque[tuple[int, str, asyncio.Task[dict[str, Any]]]] = deque()
    try:
        for number, row in job.rows(skip):
            about = job.about(number, row)
            task = asyncio.ensure_future(_entry(job, number, row, about))
            waiting.append((number, row_language(about), task))
            while len(waiting) >= job.window or (waiting and waiting[0][2].done()):
                number, language, task = waiting.popleft()
                yield number, language, await task
            await asyncio.sleep(0)
        while waiting:
            number, language, task = waiting.popleft()
            yield number, language, await task
    finally:
        for *_, task in waiting:
            task.cancel()
        await asyncio.gather(*(task for *_, task in waiting), return_exceptions=True)


async def _entry(job: Job, number: int, row: Record, about: About) -> dict[str, Any]:
    """{"result": ...} or, where the fault is the row's, {"error": ...}.

    Raises:
        PbrlsvrError: all rows would fail like this.
    """
    if isinstance(row, Malformed):
        return {"error": row.detail}
    try:
        return {"result": await chosen_reward.result(job.function, **job.columns.sample(row, about))}
    except (DataError, chosen_reward.NoScore) as error:
        return {"error": str(error)}
    except (ConfigError, ModelError, ServiceError, MissingDependencyError) as error:
        kind = ServiceError if isinstance(error, ServiceError) else type(error)
        raise kind(f"{job.file.name}:{number}: {error}") from error
    except Exception as error:  # the reward may be the user's own
        return {"error": f"{type(error).__name__}: {error}"[:1_000]}


def _finish(job: Job, found: Found, json_out: Path | None) -> int:
    function = getattr(job.function, "func", job.function)
    first = getattr(getattr(function, "reward", None), "COMPONENTS", {})
    Screen().print(found.summary.table(first))
    if json_out is not None:
        content = {"reward": job.described, "file": job.file.name, **found.summary.as_json()}
        json_out.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for line in found.errors:
        say(line)
    failed = found.summary.all.failed
    if failed:
        more = f"; the first {len(found.errors)} stand above" if failed > len(found.errors) else ""
        say(f"{failed:,} of {found.summary.all.rows:,} rows have no score{more}")
    return UNSCORED if failed else FINE
