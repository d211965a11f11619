"""The `pbrlsvr` command. Each subcommand loads what it needs when it runs, so that `--help` is quick."""

from pathlib import Path
from typing import Annotated

import typer

import pbrlsvr

ENCODER = "intfloat/multilingual-e5-small"

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


@app.command()
def calibrate(
    parallel: Annotated[
        Path,
        typer.Argument(help="A folder in MGSM's layout, or TSV or JSONL with language, text, english."),
    ],
    out: Annotated[Path, typer.Option(help="The calibration file to write.")],
    model: Annotated[str, typer.Option(help="The encoder: a folder or a hub name.")] = ENCODER,
    revision: Annotated[str | None, typer.Option(help="Its revision on the hub.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Text before each input; default: what its card asks for.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest piece encoded at once.")] = None,
    device: Annotated[str, typer.Option(help='"auto" or a torch device.')] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    batch_size: Annotated[int, typer.Option(help="Pieces in one forward pass.")] = 64,
    align: Annotated[bool, typer.Option("--align", help="Calibrate the alignment of steps, not the cosine.")] = False,
    floor: Annotated[float, typer.Option(help="With --align: the cosine of unrelated steps.")] = 0.0,
    ceiling: Annotated[float, typer.Option(help="The probability at the centre of the matched pairs, at most.")] = 0.95,
    shrinkage: Annotated[float, typer.Option(help="How many texts the mean over the languages is worth.")] = 30.0,
    shuffles: Annotated[int, typer.Option(help="Wrong English texts that each text is compared with.")] = 10,
    date: Annotated[str | None, typer.Option(help="Written into the file; no clock is read.")] = None,
) -> None:
    """Fit, from parallel text, what turns a similarity into a probability that the texts match, for each language."""
    from pbrlsvr_plugin.calibrate import run

    raise typer.Exit(
        run(
            parallel, out, model, revision=revision, prompt=prompt, max_tokens=max_tokens, device=device, dtype=dtype,
            batch_size=batch_size, align=align, floor=floor, ceiling=ceiling, shrinkage=shrinkage, shuffles=shuffles,
            date=date,
        )
    )  # fmt: skip


def main() -> None:
    app()


if __name__ == "__main__":
    main()
