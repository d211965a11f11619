"""The method beside its baselines, on two CPU cores, an arm at a time: python examples/replication/run.py

    run.py --world A --arm gated --seed 0    one arm
    run.py --core                            the arms that worlds.yaml calls the core, in each world, for each seed
    run.py --report                          the table and the pictures of what results.json has

What is done is not done again, so the same command goes on where it was stopped, days later too. results.json, beside
this file, takes each arm as it is done.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
if not __package__:
    # Run as a script: the folders are packages, so that their modules shadow nobody's `data` or `report`.
    sys.path[0] = str(HERE.parent)
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from rich.console import Console  # noqa: E402
from rich.markup import escape  # noqa: E402

from pbrlsvr.errors import ConfigError, PbrlsvrError  # noqa: E402
from quickstart import train  # noqa: E402
from quickstart.experiment import versions  # noqa: E402
from quickstart.stages import Stages  # noqa: E402
from replication import config as configs  # noqa: E402
from replication import results  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 1 after an error, which is printed."""
    options = parse(arguments)
    console = Console(soft_wrap=True)
    try:
        config = configs.read(options.config)
        if options.report:
            report(options, config, console)
        else:
            run(options, config, console)
    except PbrlsvrError as error:
        console.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", highlight=False)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--world", action="append", help="one of worlds.yaml; may stand several times (with --core: all of them)")
    add("--arm", action="append", help="one of worlds.yaml; may stand several times")
    add("--seed", action="append", type=int, help="may stand several times (default: those of worlds.yaml)")
    add("--core", action="store_true", help="the arms that worlds.yaml calls the core")
    add("--report", action="store_true", help="write the table and the pictures, and run nothing")
    add("--steps", type=int, help="GRPO steps (default: those of worlds.yaml)")
    add("--config", type=Path, default=configs.FILE, help="(default: worlds.yaml, beside this file)")
    add("--results", type=Path, default=results.FILE, help="(default: results.json, beside this file)")
    add("--output", type=Path, default=Path("runs/replication"), help="folder of all that is made (%(default)s)")
    add("--profile", choices=["auto", "cpu", "none"], default="auto", help="cpu: train without a GPU (auto: if none)")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace, config: configs.Config) -> Iterator[tuple[str, str, int]]:
    """The world, arm and seed of each arm to run: a seed of all of them first, then the next.

    Raises:
        ConfigError: nothing is chosen, or a name is not known.
    """
    arms = [*(config.core if options.core else ()), *(options.arm or ())]
    worlds = options.world or (list(config.worlds) if options.core else [])
    if not arms or not worlds:
        raise ConfigError("nothing to run: name --world and --arm, or --core; --help has examples")
    for seed in options.seed or config.seeds:
        for world in worlds:
            for arm in arms:
                config.toy(world, arm, seed)
                yield world, arm, seed


def run(options: argparse.Namespace, config: configs.Config, console: Console) -> None:
    from replication.arms import run_arm

    steps = config.steps if options.steps is None else options.steps
    if steps < 1:
        raise ConfigError(f"--steps must be 1 or more, not {steps!r}")
    names = list(chosen(options, config))
    stages = Stages(options.output, console, versions())
    for place, arm in enumerate(names, start=1):
        console.rule(f"{place} of {len(names)}: world {arm[0]}, {arm[1]}, seed {arm[2]}")
        results.keep(run_arm(stages, config, arm, train.choose_profile(options.profile), steps=steps), options.results)


def report(options: argparse.Namespace, config: configs.Config, console: Console) -> None:
    from replication import report as reports

    records = results.load(options.results)
    if not records:
        raise ConfigError(f"there is nothing to report: {str(options.results)!r} has no arm yet")
    for written in reports.write(records, options.results.parent, config.core):
        console.print(f"Written: {written}")


if __name__ == "__main__":
    sys.exit(main())
