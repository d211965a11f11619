"""The `pbrlsvr` command: what it consists of, and what it says where the installation is broken."""

import sys
from importlib import import_module

import typer

from pbrlsvr_plugin.commands import app

#: Commands with commands of their own, which must be there before the command line is read.
GROUPS = {
    "prepare": "pbrlsvr_plugin.prepare.cli:app",
    "eval": "pbrlsvr_plugin.evaluate.cli:app",
    "recipes": "pbrlsvr_plugin.train.command:recipes",
}

_broken: Exception | None = None
try:
    for _name, _place in GROUPS.items():
        _module, _, _attribute = _place.partition(":")
        app.add_typer(getattr(import_module(_module), _attribute), name=_name)
except Exception as _error:  # `pbrlsvr doctor` must run where the rest cannot
    _broken = _error


def main() -> None:
    """Run the command. Where the installation is broken, all but `doctor` say so and what to do."""
    if _broken and sys.argv[1:2] != ["doctor"]:
        _stop(_broken)
    try:
        app()
    except (ImportError, SyntaxError) as error:
        _stop(error)


def _stop(error: BaseException) -> None:
    from hydra_plugins.pbrlsvr_searchpath.plugin import explain

    typer.echo(explain(error), err=True)
    raise SystemExit(2) from error


if __name__ == "__main__":
    main()
