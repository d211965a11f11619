"""`pbrlsvr train` and `pbrlsvr recipes`: thin, over veRL's own entry points and Hydra."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from omegaconf import DictConfig, OmegaConf

from pbrlsvr.errors import ConfigError, PbrlsvrError
from pbrlsvr_plugin.last_wins import LastWins, last_pairs
from pbrlsvr_plugin.terminal import Screen, say, say_error
from pbrlsvr_plugin.train.preflight import preflight
from pbrlsvr_plugin.verl import recipe_files
from pbrlsvr_plugin.verl.compose import compose as compose_on_verl
from pbrlsvr_plugin.verl.recipe_files import TRAINERS, Recipe
from pbrlsvr_plugin.verl.required import require_paths

#: What veRL's SFT trainer is started by on several nodes, as torchrun's own names have it.
NODE = ("NODE_RANK", "MASTER_ADDR")
PORT = "29500"

recipes = typer.Typer(cls=LastWins, help="The recipes: list them, show what one sets, copy one to edit it.")

Name = Annotated[str, typer.Argument(help="A recipe's name, or a file.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Passed on to veRL, as in data.train_batch_size=256.", metavar="[KEY=VALUE]")
]


def train(recipe: str, overrides: Sequence[str], *, profile: str | None, dry_run: bool) -> int:
    """Print the veRL command of a recipe and become it. Returns only without running it, with the exit code."""
    try:
        found = recipe_files.find(recipe)
        options = last_pairs(with_profile(found, overrides, profile), merges=True)
        config = compose(found, [option for option in options if not option.startswith("-")])
        arguments = command(found, config, options)
        if not dry_run:
            require_paths(config)
        for note in preflight(config, found.trainer):
            say(f"note: {note}", err=True)
    except PbrlsvrError as error:
        say_error(error)
        return 2
    typer.echo(shlex.join(["python", *arguments]))
    if not dry_run:
        sys.stdout.flush()
        # Not a child: signals, the terminal and the exit code are veRL's.
        os.execv(sys.executable, [sys.executable, *arguments])
    return 0


def compose(recipe: Recipe, overrides: Sequence[str] = ()) -> DictConfig:
    """The config that veRL would run; as `verl.compose.compose`."""
    return compose_on_verl(recipe.name if recipe.is_ours else recipe.path, overrides)


def with_profile(recipe: Recipe, overrides: Sequence[str], profile: str | None) -> list[str]:
    """The overrides with the profile first, so that they win over it. veRL's SFT trainer has another config tree."""
    chosen = [f"+profile={profile}"] if profile else []
    options = [*chosen, *overrides]
    if recipe.trainer == "sft_trainer_engine":
        options = ["+profile=cpu_sft" if option == "+profile=cpu" else option for option in options]
    return options


def command(recipe: Recipe, config: DictConfig, overrides: Sequence[str]) -> list[str]:
    """What follows `python`.

    Raises:
        ConfigError: an SFT recipe runs on several nodes, and the environment does not say which one this is.
    """
    module = TRAINERS[recipe.trainer]
    place = [] if recipe.is_ours else ["--config-dir", str(recipe.path.parent)]
    run = ["-m", module, *place, "--config-name", recipe.name, *overrides]
    if recipe.trainer != "sft_trainer_engine":
        return run
    nodes, processes = int(config.trainer.nnodes), f"--nproc_per_node={config.trainer.n_gpus_per_node}"
    torchrun = ["-m", "torch.distributed.run"]
    if nodes == 1:
        return [*torchrun, "--standalone", processes, *run]
    if missing := [name for name in NODE if not os.environ.get(name)]:
        raise ConfigError(
            f"{recipe.name} trains on trainer.nnodes={nodes} nodes, and the environment lacks {missing}: run this on "
            f"each node with NODE_RANK=0 to {nodes - 1} and MASTER_ADDR=<address of the first>, or set trainer.nnodes=1"
        )
    rank, address = (os.environ[name] for name in NODE)
    where = [f"--node_rank={rank}", f"--master_addr={address}", f"--master_port={os.environ.get('MASTER_PORT', PORT)}"]
    return [*torchrun, f"--nnodes={nodes}", *where, processes, *run]


def own(recipe: Recipe, config: DictConfig) -> Any:
    """What a composed recipe sets beside veRL's and the reward's defaults, resolved; its reward comes first."""
    chosen = config.get("reward_fn")
    base = compose(Recipe(Path(f"{recipe.trainer}.yaml")), [f"+reward_fn={chosen}"] if chosen else [])
    return ({"reward_fn": chosen} if chosen else {}) | differences(config, base)


def differences(config: Any, base: Any) -> Any:
    """What of a composed config differs from veRL's own, with interpolations resolved where they can be."""
    found = {}
    for key in config:
        node, other = config._get_node(key), base._get_node(key, validate_access=False)
        if OmegaConf.is_dict(node) and OmegaConf.is_dict(other):
            if below := differences(node, other):
                found[key] = below
        elif other is None or _raw(node) != _raw(other):
            found[key] = _resolved(config, key)
    return found


def _raw(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node._value()


def _resolved(config: Any, key: Any) -> Any:
    if OmegaConf.is_missing(config, key):
        return "???"
    value = config[key]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


@recipes.callback(invoke_without_command=True)
def list_recipes(context: typer.Context) -> None:
    """List the recipes; `show` and `copy` take one of them."""
    if context.invoked_subcommand:
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("recipe", "hardware", "what it is"):
        table.add_column(title, no_wrap=title != "what it is")
    for one in recipe_files.packaged():
        table.add_row(one.name, one.hardware, one.what)
    # In a pipe or a file, a recipe is a line.
    Screen(piped_width=300).print(table)


@recipes.command()
def show(
    recipe: Name,
    overrides: Overrides = None,
    full: Annotated[bool, typer.Option("--full", help="All fields, not only what differs from veRL's.")] = False,
) -> None:
    """Print what a recipe sets, resolved: what differs from veRL's defaults."""
    try:
        found = recipe_files.find(recipe)
        config = compose(found, last_pairs(overrides or (), merges=True))
        shown = differences(config, OmegaConf.create({})) if full else own(found, config)
        typer.echo(OmegaConf.to_yaml(OmegaConf.create(shown)), nl=False)
    except PbrlsvrError as error:
        _fail(error)


@recipes.command()
def copy(
    recipe: Name,
    destination: Annotated[Path, typer.Argument(help="A folder, or the new file.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Copy a recipe, with all that it sets in one file, to edit it. The copy wins over ours."""
    try:
        found = recipe_files.find(recipe)
        written = recipe_files.copy(found, destination, force=force)
    except PbrlsvrError as error:
        _fail(error)
    typer.echo(f"wrote {written}; pbrlsvr train {shlex.quote(str(written))} data.train_files=... data.val_files=...")


def _fail(error: PbrlsvrError) -> NoReturn:
    say_error(error)
    raise typer.Exit(2) from error
