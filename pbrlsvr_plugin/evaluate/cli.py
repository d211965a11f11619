"""The command line of `pbrlsvr eval`. `pbrlsvr eval MODEL` is short for `pbrlsvr eval run MODEL`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pbrlsvr_plugin.last_wins import LastWins, last_pairs


class _RunByDefault(LastWins):
    """What is no command is a model."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    help="Evaluate a model per language, and compare runs. `eval MODEL` is short for `eval run MODEL`.",
)


@app.command()
def run(
    model: Annotated[str, typer.Argument(help="A folder, a model of the hub, or its name at --url.")],
    data: Annotated[
        list[str], typer.Option(help="mgsm, mgsm_rev2, mmlu_prox, polymath, <name>=<folder>, a file; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="The folder of the results; the same again goes on where it was.")],
    url: Annotated[list[str] | None, typer.Option(help="An OpenAI-compatible server, with /v1; repeatable.")] = None,
    backend: Annotated[str | None, typer.Option(help="endpoint, vllm or transformers; default: what fits.")] = None,
    languages: Annotated[str | None, typer.Option(help="Only these, as en,sw,de.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first problems, the same in each language.")] = None,
    samples: Annotated[int, typer.Option(help="Responses to each question: mean@k, maj@k.")] = 1,
    temperature: Annotated[float, typer.Option(help="0: the likeliest token each time.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Nucleus sampling.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(help="Of a response; beside a thinking budget, of its answer.")] = 2048,
    thinking_tokens: Annotated[int | None, typer.Option(help="The thinking budget.")] = None,
    thinking: Annotated[
        bool | None, typer.Option("--thinking/--no-thinking", help="For templates with enable_thinking.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    mark: Annotated[str, typer.Option(help="How answers are asked for: hash (####) or boxed.")] = "hash",
    system: Annotated[str, typer.Option(help="A system message.")] = "",
    prompts: Annotated[str, typer.Option(help="Your instructions: the file of prepare's export.prompt.file.")] = "",
    api_key_env: Annotated[str | None, typer.Option(help="The variable that holds the servers' key.")] = None,
    body: Annotated[list[str] | None, typer.Option(help="A field of each request, as top_k=20; repeatable.")] = None,
    concurrency: Annotated[int, typer.Option(help="Requests in flight at once.")] = 64,
    engine: Annotated[
        list[str] | None, typer.Option(help="An argument of vLLM or transformers, as tensor_parallel_size=4.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Responses at once, with transformers.")] = 32,
    revision: Annotated[str | None, typer.Option(help="Of a model of the hub.")] = None,
    seen: Annotated[str | None, typer.Option(help="The languages that it was trained in, as de,es.")] = None,
    low_resource: Annotated[str | None, typer.Option(help="Languages whose average stands apart.")] = None,
    name: Annotated[str | None, typer.Option(help="What tables call it; default: the model's last part.")] = None,
) -> None:
    """Ask a model all questions, and write samples.jsonl and results.json; exit with 3 where answers are missing."""
    from pbrlsvr.errors import PbrlsvrError
    from pbrlsvr_plugin.evaluate import command
    from pbrlsvr_plugin.evaluate.backends import choose
    from pbrlsvr_plugin.evaluate.settings import LOW_RESOURCE, Settings
    from pbrlsvr_plugin.terminal import say_error

    try:
        settings = Settings(
            model=model, backend=backend or choose(url or ()), data=tuple(data), languages=_tags(languages),
            limit=limit, samples=samples, temperature=temperature, top_p=top_p, max_tokens=max_tokens,
            thinking_tokens=thinking_tokens, thinking=thinking, seed=seed, mark=mark, system=system, prompts=prompts,
            urls=tuple(url or ()), api_key_env=api_key_env, body=_fields("--body", body), concurrency=concurrency,
            engine=_fields("--engine", engine), batch_size=batch_size, revision=revision, seen=_tags(seen),
            low_resource=_tags(low_resource) if low_resource is not None else LOW_RESOURCE,
        )  # fmt: skip
    except PbrlsvrError as error:
        say_error(error)
        raise typer.Exit(command.ERROR) from error
    raise typer.Exit(command.run(settings, out, name))


@app.command()
def compare(
    results: Annotated[list[str], typer.Argument(help="Folders of runs, or <name>=<folder>; the first is the base.")],
    kind: Annotated[str, typer.Option("--format", help="markdown, csv, json or latex.")] = "markdown",
    out: Annotated[Path | None, typer.Option(help="A file instead: .md, .csv, .json or .tex.")] = None,
    seen: Annotated[
        str | None, typer.Option(help="The languages that were trained in; default: as the runs say.")
    ] = None,
) -> None:
    """One table of several runs, with tests against the first."""
    from pbrlsvr_plugin.evaluate.compare_command import run as compare_runs

    raise typer.Exit(compare_runs(results, kind, out, _tags(seen)))


@app.command()
def differences(
    result: Annotated[Path, typer.Argument(help="The folder of a run.")],
    filter_name: Annotated[
        str, typer.Option("--filter", help="strict-match, flexible-extract or gsm8k-strict.")
    ] = "flexible-extract",
    languages: Annotated[str | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(help="Samples to print.")] = 20,
) -> None:
    """The samples that lm-evaluation-harness's filter judges otherwise than we do."""
    from pbrlsvr_plugin.evaluate.compare_command import differences as show

    raise typer.Exit(show(result, filter_name, _tags(languages), limit))


def _tags(said: str | None) -> tuple[str, ...]:
    return tuple(said.replace(",", " ").split()) if said else ()


def _fields(option: str, said: list[str] | None) -> dict[str, Any]:
    from pbrlsvr.errors import ConfigError
    from pbrlsvr.yaml_files import parse_yaml

    found = {}
    for pair in last_pairs(said or (), before=f"{option} "):
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise ConfigError(f"{option} {pair!r} is not <field>=<value>")
        found[name] = parse_yaml(value, f"{option} {name}")
    return found
