"""The commands of `pbrlsvr`, but for those that have commands of their own. Each loads what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

import pbrlsvr
from pbrlsvr_plugin.last_wins import LastWins

app = typer.Typer(
    name="pbrlsvr", cls=LastWins, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(pbrlsvr.__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
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
    live: Annotated[
        bool, typer.Option("--live", help="Show what the scorers of running jobs are doing instead.")
    ] = False,
    address: Annotated[str, typer.Option(help="With --live: the Ray cluster.")] = "auto",
) -> None:
    """Print what a bug report needs, and check the installation; exit with 1 and the fix where something is wrong."""
    if live:
        from pbrlsvr_plugin.doctor.live import show

        raise typer.Exit(show(address))
    from pbrlsvr_plugin.doctor.doctor import examine

    raise typer.Exit(examine(model))


@app.command()
def calibrate(
    parallel: Annotated[
        Path,
        typer.Argument(help="A folder in MGSM's layout, or TSV or JSONL with language, text, english."),
    ],
    out: Annotated[Path, typer.Option(help="The calibration file to write.")],
    model: Annotated[
        str | None, typer.Option(help="The encoder: a folder or a hub name; default: the rewards'.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Its revision on the hub.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Text before each input; default: what its card asks for.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest piece encoded at once.")] = None,
    device: Annotated[str, typer.Option(help='"auto" or a torch device.')] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    batch_tokens: Annotated[
        int | None, typer.Option(help="Tokens in one forward pass; default: what suits the device.")
    ] = None,
    align: Annotated[bool, typer.Option("--align", help="Calibrate the alignment of steps, not the cosine.")] = False,
    floor: Annotated[float, typer.Option(help="With --align: the cosine of unrelated steps.")] = 0.0,
    ceiling: Annotated[float, typer.Option(help="The probability at the centre of the matched pairs, at most.")] = 0.95,
    shrinkage: Annotated[float, typer.Option(help="How many texts the mean over the languages is worth.")] = 30.0,
    shuffles: Annotated[int, typer.Option(help="Wrong English texts that each text is compared with.")] = 10,
    date: Annotated[str | None, typer.Option(help="Written into the file; no clock is read.")] = None,
) -> None:
    """Fit, from parallel text, what turns a similarity into a probability that the texts match, for each language."""
    from pbrlsvr.models.embedding.cards import DEFAULT_ENCODER
    from pbrlsvr_plugin.calibrate.command import run

    raise typer.Exit(
        run(
            parallel, out, model or DEFAULT_ENCODER,
            revision=revision, prompt=prompt, max_tokens=max_tokens, device=device, dtype=dtype,
            batch_tokens=batch_tokens, align=align, floor=floor, ceiling=ceiling, shrinkage=shrinkage,
            shuffles=shuffles, date=date,
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
    from pbrlsvr_plugin.attacks.command import TEMPLATE, run

    raise typer.Exit(
        run(
            reward, tuple(option or ()),
            config=config, languages=languages, problems=problems, template=TEMPLATE if template is None else template,
            truth=truth, tolerance=tolerance, json_out=json_out,
        )
    )  # fmt: skip


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="Responses: .jsonl, .json, .csv, .tsv or .parquet.")],
    options: Annotated[
        list[str] | None,
        typer.Argument(help="The reward's options, as combine.rule=sum, or a YAML file.", metavar="[KEY=VALUE]"),
    ] = None,
    reward: Annotated[str, typer.Option(help="A reward of pbrlsvr, or my_file.py:my_function.")] = "embed_cosine",
    config: Annotated[Path | None, typer.Option(help="Score with the reward of this veRL config instead.")] = None,
    out: Annotated[Path | None, typer.Option(help="A copy of the file with the results: .jsonl or .parquet.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="What a column is, as response=completion; repeatable.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="The language of all rows, as sw.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Of the new columns; default: the reward's name and _.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many rows.")] = None,
    window: Annotated[int, typer.Option(help="Rows that are scored at the same time.")] = 256,
    json_out: Annotated[Path | None, typer.Option("--json", help="Also write the summary to this file.")] = None,
) -> None:
    """Score a file of responses with any reward, without a trainer; exit with 1 where rows have no score."""
    from pbrlsvr_plugin.score.command import run

    raise typer.Exit(
        run(
            file, tuple(options or ()),
            reward=reward, config=config, out=out, column=tuple(column or ()), language=language, prefix=prefix,
            limit=limit, window=window, json_out=json_out,
        )
    )  # fmt: skip


@app.command()
def serve(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            help="A YAML file, and `key=value` pairs that go before it, as options.combine.rule=sum.",
            metavar="[CONFIG] [KEY=VALUE]",
        ),
    ] = None,
    reward: Annotated[str | None, typer.Option(help="A reward of pbrlsvr, or my_file.py:my_function.")] = None,
    config: Annotated[str | None, typer.Option(help="Serve the reward of this veRL config instead.")] = None,
    host: Annotated[str | None, typer.Option(help="The address; default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; default: 8000; 0 takes a free one.")] = None,
    token_env: Annotated[str | None, typer.Option(help="The variable that holds the token of clients.")] = None,
    replicas: Annotated[int | None, typer.Option(help="Copies of the models, in Ray.")] = None,
) -> None:
    """Serve a reward over HTTP, to trainers that are not veRL; docs/serve.md has their bodies."""
    from pbrlsvr_plugin.serve.command import run

    flags = {"reward": reward, "config": config, "host": host, "port": port, "token_env": token_env,
             "replicas": replicas}  # fmt: skip
    raise typer.Exit(run(tuple(arguments or ()), flags))


@app.command()
def check(
    files: Annotated[
        list[str], typer.Argument(help="Parquet, jsonl or other table files to train on; folders, patterns.")
    ],
    validation: Annotated[
        list[str] | None, typer.Option(help="A file that is validated on, and shares no prompt; repeatable.")
    ] = None,
    reward: Annotated[str, typer.Option(help="What it reads of a row must be there.")] = "pbrlsvr.hybrid",
    tokenizer: Annotated[str | None, typer.Option(help="The policy's: a folder or a hub name, for lengths.")] = None,
    prompt_key: Annotated[str, typer.Option(help="veRL's data.prompt_key.")] = "prompt",
    recipe: Annotated[str | None, typer.Option(help="Whether they make its steps, with its reward.")] = None,
) -> None:
    """Look at data before a run does; exit with 1 where it would fail on them, 2 where a file cannot be read."""
    from pbrlsvr_plugin.check.command import run

    raise typer.Exit(
        run(
            files,
            validation=validation or (), reward=reward, tokenizer=tokenizer, prompt_key=prompt_key, recipe=recipe,
        )
    )  # fmt: skip


#: What `path` knows -> the folder or file, inside this package.
PATHS = {
    "lm_eval": "lm_eval_tasks",
    "openrlhf_agent": "adapters/entry/openrlhf_agent.py",
    "openrlhf_reward": "adapters/entry/openrlhf_reward.py",
    "swift": "adapters/entry/swift_rewards.py",
}


@app.command()
def path(
    name: Annotated[
        str,
        typer.Argument(help="lm_eval (--include_path), openrlhf_agent, openrlhf_reward, swift (--external_plugins)."),
    ],
) -> None:
    """Print where something of pbrlsvr is that another tool reads."""
    if name not in PATHS:
        typer.echo(f"there is no {name!r}; there are {list(PATHS)}", err=True)
        raise typer.Exit(2)
    typer.echo(Path(__file__).parent / PATHS[name])


@app.command(context_settings={"ignore_unknown_options": True})
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a file.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Passed on to veRL.", metavar="[KEY=VALUE]")] = None,
    profile: Annotated[str | None, typer.Option(help="cpu: small, on a machine without a GPU.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the command.")] = False,
) -> None:
    """Print the veRL command that trains a recipe, and run it; the exit code is veRL's."""
    from pbrlsvr_plugin.train.command import train as run

    raise typer.Exit(run(recipe, tuple(overrides or ()), profile=profile, dry_run=dry_run))


@app.command()
def plan(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, ppo_trainer, or a Hydra file.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Overrides, as on veRL's command line.")] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs per node; default: the recipe's.")] = None,
    nodes: Annotated[int | None, typer.Option(help="Nodes; default: the recipe's.")] = None,
    gpu_memory: Annotated[float, typer.Option(help="GiB of each GPU.")] = 80.0,
    model: Annotated[str | None, typer.Option(help="A folder with config.json, or a hub name.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print every formula with its numbers.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Calculate whether a recipe fits these GPUs, and what to change; exit with 1 where it does not, 2 on an error."""
    from pbrlsvr_plugin.plan.report import run

    raise typer.Exit(
        run(
            recipe, tuple(overrides or ()),
            gpus=gpus, nodes=nodes, gpu_memory=gpu_memory, model=model, explain=explain, as_json=as_json,
        )
    )  # fmt: skip


@app.command()
def report(
    runs: Annotated[
        list[str] | None, typer.Argument(help="A run's folder, or <name>=<folder>.", metavar="[RUN]...")
    ] = None,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    evals: Annotated[
        list[str] | None,
        typer.Option("--eval", help="The --out of a `pbrlsvr eval`, or <name>=<folder>; repeatable."),
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Also write pictures into this folder.")] = None,
) -> None:
    """Write one HTML page of what training did to each language, from rollout dumps and evaluations."""
    from pbrlsvr_plugin.report.command import run

    raise typer.Exit(run(tuple(runs or ()), out, evals=tuple(evals or ()), png=png))


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="global_step_N/actor, global_step_N, or a run's folder.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    check: Annotated[bool, typer.Option("--check/--no-check", help="Compare weights and generations.")] = True,
) -> None:
    """Merge veRL's FSDP shards into a Hugging Face folder, and check that it generates what the shards did."""
    from pbrlsvr_plugin.export.command import run

    raise typer.Exit(run(checkpoint, out, check=check))
