"""The `pbrlsvr` command. Each subcommand loads what it needs when it runs, so that `--help` is quick."""

from typing import Annotated

import typer

import pbrlsvr

app = typer.Typer(name="pbrlsvr", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Semantic rewards for multilingual reasoning, as a plug-in for veRL."""


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(pbrlsvr.__version__)


@app.command()
def doctor(
    model: Annotated[
        str | None,
        typer.Option(help="Also load this encoder (a folder or a hub name) and score a pair of texts with it."),
    ] = None,
) -> None:
    """Print what a bug report needs, and check the installation; exit with 1 and the mend where something is wrong."""
    from pbrlsvr_plugin.doctor import examine

    raise typer.Exit(examine(model))


def main() -> None:
    app()


if __name__ == "__main__":
    main()
