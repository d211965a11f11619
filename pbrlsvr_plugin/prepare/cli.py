"""`pbrlsvr prepare`: the command line of the pivot preprocessor."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pbrlsvr.errors import ConfigError, PbrlsvrError

STARTER = Path(__file__).with_name("prepare.yaml")
STAGES = ("load", "reference", "verify", "translate", "check", "export")

app = typer.Typer(no_args_is_help=True, help="Make multilingual training data with English references.")

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
) -> None:
    """Run all stages. What is finished and still good is kept: run the same command again after a stop."""
    flags = {
        "load.source": source,
        "load.mapping": mapping,
        "load.split": split,
        "load.limit": limit,
        "languages": languages,
        "out": out,
        "name": name,
        "seed": seed,
        "reference.urls": pivot_url.split(",") if pivot_url else None,
        "reference.model": pivot_model,
    }
    if until is not None and until not in STAGES:
        typer.echo(f"error: there is no stage {until!r}; the stages are {', '.join(STAGES)}", err=True)
        raise typer.Exit(1)
    stages = STAGES[: STAGES.index(until) + 1] if until else STAGES
    raise typer.Exit(_run(arguments, flags, stages, redo or (), alone=False))


def _stage_command(name: str) -> Callable[..., None]:
    def command(
        arguments: Arguments = None,
        redo: Annotated[bool, typer.Option("--redo", help="Also where its output is good.")] = False,
    ) -> None:
        raise typer.Exit(_run(arguments, {}, (name,), (name,) if redo else (), alone=True))

    command.__doc__ = f"Run the stage `{name}` alone; the ones before it must be finished."
    return command


for _name in STAGES:
    app.command(_name)(_stage_command(_name))


@app.command()
def status(arguments: Arguments = None) -> None:
    """Which stages are finished, and why one would be done again."""
    from pbrlsvr_plugin.prepare.runner import Runner
    from pbrlsvr_plugin.prepare.store import read_report

    def show(runner: Runner) -> None:
        done = []
        for name in STAGES:
            report, why = read_report(runner.config.folder(name)), runner.why_not_good(name)
            state = "not finished" if not report or why == "" else f"would be done again: {why}" if why else "good"
            typer.echo(f"{name:10} {state}")
            done += [report] if report else []
        _show_table(done)

    raise typer.Exit(_with_runner(arguments, {}, show, lock=False))


@app.command()
def init(path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("prepare.yaml")) -> None:
    """Write a starter configuration in which every option is explained."""
    if path.exists():
        typer.echo(f"error: {str(path)!r} is there already; name another file", err=True)
        raise typer.Exit(1)
    shutil.copyfile(STARTER, path)
    typer.echo(f"written to {path}; edit it, then: pbrlsvr prepare run {path}")


def _run(
    arguments: Sequence[str] | None, flags: dict[str, Any], stages: Sequence[str], redo: Sequence[str], *, alone: bool
) -> int:
    def work(runner: Any) -> None:
        _show_table(runner.run(stages, redo, alone=alone))
        if stages[-1] == STAGES[-1]:
            typer.echo(f"written to {runner.config.out}")

    return _with_runner(arguments, flags, work)


def _with_runner(
    arguments: Sequence[str] | None, flags: dict[str, Any], work: Callable[[Any], None], *, lock: bool = True
) -> int:
    from rich.console import Console

    from pbrlsvr_plugin.prepare.config import read_config
    from pbrlsvr_plugin.prepare.progress import Progress
    from pbrlsvr_plugin.prepare.runner import Runner

    first, *rest = arguments or [""]
    is_file = bool(first) and "=" not in first
    try:
        if first and not is_file:
            rest = [first, *rest]
        if not arguments and not any(flags.values()):
            raise ConfigError("give a configuration (`pbrlsvr prepare init` writes one), or flags: see --help")
        config = read_config(Path(first) if is_file else None, rest, flags)
        with Runner(config, typer.echo, Progress(Console()), lock=lock) as runner:
            work(runner)
    except PbrlsvrError as error:
        typer.echo(f"error: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        typer.echo("stopped; what was answered so far is kept: run the same command again to go on", err=True)
        return 130
    return 0


def _show_table(reports: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console

    from pbrlsvr_plugin.prepare.progress import table

    Console().print(table(reports))
