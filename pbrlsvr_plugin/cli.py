"""The `pbrlsvr` command. Each subcommand loads what it needs when it runs, so that `--help` is quick."""

from pathlib import Path
from typing import Annotated

import typer

import pbrlsvr
from pbrlsvr.scorers.encoders import DEFAULT_ENCODER

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
    model: Annotated[str, typer.Option(help="The encoder: a folder or a hub name.")] = DEFAULT_ENCODER,
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


@app.command()
def attack(
    reward: Annotated[str, typer.Option(help="The reward to attack.")] = "pbrlsvr.embed_cosine",
    option: Annotated[list[str] | None, typer.Option(help="Its options, as in combine.rule=sum; repeatable.")] = None,
    config: Annotated[Path | None, typer.Option(help="Attack the reward of this veRL config instead.")] = None,
    languages: Annotated[str | None, typer.Option(help="Only these, as in en,es.")] = None,
    problems: Annotated[Path | None, typer.Option(help="Your own problems, in JSONL.")] = None,
    template: Annotated[str | None, typer.Option(help="How a response looks: {reasoning} ... {answer}.")] = None,
    truth: Annotated[bool, typer.Option("--truth/--no-truth", help="Whether the rows have final answers.")] = True,
    tolerance: Annotated[float, typer.Option(help="Margins above minus this are ties.")] = 1e-3,
    json_out: Annotated[Path | None, typer.Option("--json", help="Also write every score to this file.")] = None,
) -> None:
    """Look for responses that earn more than they deserve; exit with 1 where one pays better than an honest one."""
    from pbrlsvr_plugin.attack import TEMPLATE, run

    raise typer.Exit(
        run(
            reward,
            tuple(option or ()),
            config=config,
            languages=languages,
            problems=problems,
            template=TEMPLATE if template is None else template,
            truth=truth,
            tolerance=tolerance,
            json_out=json_out,
        )
    )


def main() -> None:
    app()


if __name__ == "__main__":
    main()
