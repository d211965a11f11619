"""`pbrlsvr prepare`: the command line of the pivot preprocessor."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pbrlsvr.errors import ConfigError, PbrlsvrError
from pbrlsvr_plugin.last_wins import LastWins
from pbrlsvr_plugin.prepare import STAGES
from pbrlsvr_plugin.terminal import Screen, say

STARTER = Path(__file__).with_name("prepare.yaml")

#: The exit code where all went through, and rows are missing that may get an answer.
ROWS_MISSING = 3

app = typer.Typer(cls=LastWins, no_args_is_help=True, help="Make multilingual training data with English references.")

Arguments = Annotated[
    list[str] | None,
    typer.Argument(
        help="A YAML file, and `key=value` pairs that replace what is in it.", metavar="[CONFIG] [KEY=VALUE]"
    ),
]


@app.command()
def run(
    arguments: Arguments = None,
    source: Annotated[str | None, typer.Option(help="A file, a folder, a data set's name, or gsm8k, math, ...")] = None,
    mapping: Annotated[
        str | None, typer.Option(help="Which columns hold what: a built-in name or a YAML file.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="The split of a data set.")] = None,
    languages: Annotated[str | None, typer.Option(help="The target languages, as in sw,de.")] = None,
    out: Annotated[str | None, typer.Option(help="The folder of the results.")] = None,
    name: Annotated[str | None, typer.Option(help="The short name of the data set.")] = None,
    pivot_url: Annotated[
        str | None, typer.Option(help="Base URL of the pivot model, with /v1; several with ','.")
    ] = None,
    pivot_model: Annotated[str | None, typer.Option(help="Its name there.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many rows, to try it out.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides all that is drawn by chance.")] = None,
    until: Annotated[str | None, typer.Option(help=f"The last stage: {', '.join(STAGES)}.")] = None,
    redo: Annotated[list[str] | None, typer.Option(help="Run this stage again; repeatable.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the first request.")] = False,
) -> None:
    """Run all stages. What is finished and still good is kept: run the same command again after a stop.

    Exit codes: 0; 1 for an error; 3 where all went through and rows are missing that got no answer; 130 for Ctrl-C.
    """
    typed = {
        "--source": ("load.source", source),
        "--mapping": ("load.mapping", mapping),
        "--split": ("load.split", split),
        "--languages": ("languages", languages),
        "--out": ("out", out),
        "--name": ("name", name),
        "--pivot-url": ("reference.urls", pivot_url),
        "--pivot-model": ("reference.model", pivot_model),
        "--limit": ("load.limit", limit),
        "--seed": ("seed", seed),
        "--until": (None, until),
    }
    flags: dict[str, Any] = {key: value for key, value in typed.values() if key is not None}
    flags["reference.urls"] = pivot_url.split(",") if pivot_url else None
    if until is not None and until not in STAGES:
        say(f"error: there is no stage {until!r}; the stages are {', '.join(STAGES)}", err=True)
        raise typer.Exit(1)
    stages = STAGES[: STAGES.index(until) + 1] if until else STAGES
    given = [text for flag, (_, value) in typed.items() if value is not None for text in (flag, str(value))]
    again = ["run", *(arguments or ()), *given]
    raise typer.Exit(_run(arguments, flags, stages, redo or (), again, alone=False, yes=yes))


def _stage_command(name: str) -> Callable[..., None]:
    def command(
        arguments: Arguments = None,
        redo: Annotated[bool, typer.Option("--redo", help="Also where its output is good.")] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the first request.")] = False,
    ) -> None:
        again = [name, *(arguments or ())]
        raise typer.Exit(_run(arguments, {}, (name,), (name,) if redo else (), again, alone=True, yes=yes))

    command.__doc__ = f"Run the stage `{name}` alone; the ones before it must be finished."
    return command


for _name in STAGES:
    app.command(_name)(_stage_command(_name))


@app.command()
def status(arguments: Arguments = None) -> None:
    """Which stages are finished, and why one would be done again."""
    from pbrlsvr_plugin.prepare.progress import table
    from pbrlsvr_plugin.prepare.runner import Runner
    from pbrlsvr_plugin.prepare.store import read_report

    def show(runner: Runner) -> int:
        done = []
        for name in STAGES:
            report, why = read_report(runner.config.folder(name)), runner.why_not_good(name)
            state = "not finished" if not report or why == "" else f"would be done again: {why}" if why else "good"
            say(f"{name:10} {state}")
            done += [report] if report else []
        Screen().print(table(done))
        return 0

    raise typer.Exit(_with_runner(arguments, {}, show, lock=False))


@app.command()
def init(path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("prepare.yaml")) -> None:
    """Write a starter configuration in which every option is explained."""
    if path.exists():
        say(f"error: {str(path)!r} is there already; name another file", err=True)
        raise typer.Exit(1)
    try:
        shutil.copyfile(STARTER, path)
    except OSError as error:
        say(f"error: {str(path)!r} cannot be written: {error}", err=True)
        raise typer.Exit(1) from error
    say(f"written to {path}; edit it, then: pbrlsvr prepare run {path}")


def _run(
    arguments: Sequence[str] | None,
    flags: dict[str, Any],
    stages: Sequence[str],
    redo: Sequence[str],
    again: Sequence[str],
    *,
    alone: bool,
    yes: bool,
) -> int:
    def work(runner: Any) -> int:
        from pbrlsvr_plugin.prepare.progress import table
        from pbrlsvr_plugin.prepare.requests.concurrent import REFUSED, UNANSWERED

        reports = runner.run(stages, redo, alone=alone)
        Screen().print(table(reports))
        if stages[-1] == STAGES[-1]:
            say(f"written to {runner.config.out}")
        refused, unanswered = (
            {each["name"]: each["rejected"][reason] for each in reports if each["rejected"].get(reason)}
            for reason in (REFUSED, UNANSWERED)
        )
        if refused:
            say(
                f"rows were refused by the server's filter (content_filter), and a plain run does not ask again: "
                f"{_counted(refused)}. Another model, prompt or temperature may pass; to ask for the same again:\n"
                f"  {_redo(again, refused, alone, [f'{name}.again_if_refused=true' for name in refused])}",
                err=True,
            )
        if unanswered:
            say(
                f"rows are missing that got no answer, and may get one: {_counted(unanswered)}. To ask for these "
                f"again:\n  {_redo(again, unanswered, alone)}",
                err=True,
            )
        return ROWS_MISSING if unanswered else 0

    return _with_runner(arguments, flags, work, yes=yes)


def _counted(rows: Mapping[str, int]) -> str:
    return " and ".join(f"{count:,} in the stage {name!r}" for name, count in rows.items())


def _redo(again: Sequence[str], stages: Iterable[str], alone: bool, more: Sequence[str] = ()) -> str:
    redone = ["--redo"] if alone else [text for name in stages for text in ("--redo", name)]
    return shlex.join(["pbrlsvr", "prepare", *again, *more, *redone])


def _with_runner(
    arguments: Sequence[str] | None,
    flags: dict[str, Any],
    work: Callable[[Any], int],
    *,
    lock: bool = True,
    yes: bool = True,
) -> int:
    from pbrlsvr_plugin.prepare.config import read_config
    from pbrlsvr_plugin.prepare.runner import Runner

    rest = list(arguments or ())
    file = rest.pop(0) if rest and "=" not in rest[0] else ""
    try:
        if not arguments and not any(flags.values()):
            raise ConfigError("give a configuration (`pbrlsvr prepare init` writes one), or flags: see --help")
        config = read_config(Path(file) if file else None, rest, flags)

        def confirm() -> bool:
            return yes or not sys.stdin.isatty() or typer.confirm("ask for these now?", default=True)

        with Runner(config, say, Screen(), lock=lock, confirm=confirm) as runner:
            return work(runner)
    except PbrlsvrError as error:
        say(f"error: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        say("stopped; what was answered so far is kept: run the same command again to go on", err=True)
        return 130
