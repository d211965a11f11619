"""One arm: a world, its models, the policy before, veRL's GRPO, the policy after, and the record of it.

Everything that arms and seeds share is made once, in a folder named after what it is; what is done already is not done
again, so that a run may be stopped at any time and goes on where it was.
"""

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from quickstart import data, evaluate, toys, train
from quickstart.experiment import Training, evaluate_stage, grpo_stage
from quickstart.models import OFFLINE
from quickstart.stages import MARKER, Stages
from quickstart.world import PIVOT
from replication.config import Config
from replication.judge import judge

RECIPE = Path(__file__).with_name("grpo.yaml")


def run_arm(
    stages: Stages, console: Console, config: Config, names: tuple[str, str, int], profile: str, *, steps: int
) -> dict[str, Any]:
    """Runs one arm, or what is left of it.

    Args:
        stages: where everything is made.
        console: where it is shown.
        config: worlds.yaml.
        names: the world, the arm, and the seed.
        profile: `cpu`, or `none` for veRL as it comes.
        steps: GRPO steps.

    Returns:
        The arm's record: see `results.py`.
    """
    world, name, seed = names
    arm, toy = config.arms[name], config.toy(world, name, seed)
    shared = (f"{world}/world", f"{world}/warm-up-{seed}", f"{world}/encoder{arm.encoder and '-'}{arm.encoder}")
    folder, policy, encoder = toys.make(stages, console, toy, shared)
    rows = data.first_of_each_language(data.read_rows(folder / "test.parquet"), config.problems)
    trained_on = data.read_rows(folder / "train.parquet")
    tokens = int(train.option("data.max_response_length", RECIPE, []))

    def test(stage: str, model: str, after: list[str]) -> Path:
        title = f"{world} {name} {seed}: accuracy of {stage}"
        return evaluate_stage(stages, stage, title, model, rows, tokens, None, after)

    before = test(f"{world}/before-{seed}", str(policy), list(shared[:2]))
    training = Training(
        policy=str(policy.resolve()),
        encoder=str(encoder.resolve()) if arm.needs_encoder else None,
        recipe=RECIPE,
        steps=steps,
        seed=seed,
        profile=profile,
        overrides=tuple(arm.overrides()),
        reward=f"pbrlsvr.{arm.reward}",
        environment=OFFLINE,
    )
    own = f"{world}/{name}/{seed}"
    needed = list(shared if arm.needs_encoder else shared[:2])
    grpo = grpo_stage(stages, f"{own}/grpo", training, trained_on, rows, needed)
    after = test(f"{own}/after", str(grpo / "policy"), [f"{own}/grpo"])
    return {
        "world": world,
        "arm": name,
        "seed": seed,
        "steps": steps,
        "unseen": list(toy.world.unseen),
        "pivot": PIVOT,
        "overrides": arm.overrides(),
        "before": _measured(before, rows),
        "after": _measured(after, rows),
        "rewards": [round(one.reward, 4) for one in train.load(grpo)],
        "seconds": round(json.loads((grpo / MARKER).read_text())["seconds"]),
        "day": time.strftime("%Y-%m-%d"),
    }


def _measured(folder: Path, rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    lines = (folder / evaluate.RESPONSES).read_text(encoding="utf-8").splitlines()
    return judge([json.loads(line) for line in lines], rows)
