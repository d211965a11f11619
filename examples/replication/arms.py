"""One arm: a world, its models, the policy before, veRL's GRPO, the policy after, and the record of it.

Everything that arms and seeds share is made once, in a folder named after what it is; what is done already is not done
again, so that a run may be stopped at any time and goes on where it was.
"""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from quickstart import data, evaluate, toys, train
from quickstart.experiment import Training, evaluate_stage, grpo_stage
from quickstart.models import OFFLINE, Rows
from quickstart.settings import Toy
from quickstart.stages import MARKER, Stages
from quickstart.world import PIVOT, Problem
from replication import pivot, votes
from replication.config import Config, PivotSettings
from replication.judge import judge
from replication.references import as_known, right_references, with_references
from replication.reward_models import reward_models
from replication.sft import FineTuning, fine_tune

RECIPE = Path(__file__).with_name("grpo.yaml")


def run_arm(stages: Stages, config: Config, names: tuple[str, str, int], profile: str, *, steps: int) -> dict[str, Any]:
    """Runs one arm, or what is left of it.

    Args:
        stages: where everything is made.
        config: worlds.yaml.
        names: the world, the arm, and the seed.
        profile: `cpu`, or `none` for veRL as it comes.
        steps: GRPO steps.

    Returns:
        The arm's record: see `results.py`.
    """
    world, name, seed = names
    known, arm, toy = config.worlds[world], config.arms[name], config.toy(world, name, seed)
    base = known.base
    shared = [f"{base}/world", f"{base}/warm-up-{seed}"]
    folder = toys.make_world(stages, toy.world, shared[0])
    policy = toys.make_policy(stages, toy.world, toy.policy, shared[1])
    rows = data.first_of_each_language(data.read_rows(folder / "test.parquet"), config.problems)
    tokens = int(train.option("data.max_response_length", RECIPE, []))
    problems = toys.split(toy.world)[0]
    asked = as_known(data.read_rows(folder / "train.parquet"), problems, known, seed)
    if known.pivot:
        asked = with_references(asked, pivot_stage(stages, world, toy, known.pivot, problems, tokens))

    def test(stage: str, model: str, after: list[str]) -> Path:
        title = f"{world} {name} {seed}: accuracy of {stage}"
        return evaluate_stage(stages, stage, title, model, rows, tokens, None, after)

    before = test(f"{base}/before-{seed}", str(policy), shared)
    own = f"{world}/{name}/{seed}"
    if arm.trainer == "sft":
        tuning = FineTuning(str(policy.resolve()), steps, responses(RECIPE), seed=seed, **arm.options)
        trained = sft_stage(stages, f"{own}/sft", tuning, asked, rows, shared, profile)
    else:
        needed, overrides = shared, arm.overrides()
        if arm.answers == "majority":
            needed = [*shared, f"{world}/votes-{seed}"]
            asked = votes_stage(stages, needed[-1], policy, asked, steps * responses(RECIPE) // 8, tokens, seed, shared)
        encoder, needed, scored_by = reward_models(stages, config, base, arm, toy, needed)
        training = Training(
            policy=str(policy.resolve()),
            encoder=encoder,
            recipe=RECIPE,
            steps=steps,
            seed=seed,
            profile=profile,
            overrides=(*overrides, *scored_by),
            reward=f"pbrlsvr.{arm.reward}",
            environment=OFFLINE,
        )
        trained = grpo_stage(stages, f"{own}/grpo", training, asked, rows, needed)
    after = test(f"{own}/after", str(trained / "policy"), [f"{own}/{trained.name}"])
    return {
        "world": world,
        "arm": name,
        "seed": seed,
        "steps": steps,
        "unseen": list(toy.world.unseen),
        "pivot": PIVOT,
        "overrides": arm.overrides(),
        # What training knew: its rows, and how many of their references end with the right answer.
        "references": {"rows": len(asked), "right": right_references(asked, problems)},
        "before": _measured(before, rows),
        "after": _measured(after, rows),
        **(_curves(train.load(trained)) if arm.trainer == "rl" else _curves([])),
        "seconds": round(json.loads((trained / MARKER).read_text())["seconds"]),
        "day": time.strftime("%Y-%m-%d"),
    }


def _curves(steps: list[train.StepResult]) -> dict[str, list[float | None]]:
    """The mean reward of each step, and the share of its responses that are right as far as training knows."""
    accuracies = [None if one.accuracy is None else round(one.accuracy, 4) for one in steps]
    return {"rewards": [round(one.reward, 4) for one in steps], "accuracies": accuracies}


def responses(recipe: Path) -> int:
    """How many responses a step of GRPO has: the updates of SFT have as many rows."""
    prompts, group = (
        train.option(name, recipe, []) for name in ("data.train_batch_size", "actor_rollout_ref.rollout.n")
    )
    return int(prompts) * int(group)


def sft_stage(
    stages: Stages, name: str, tuning: FineTuning, rows: Rows, test: Rows, after: list[str], profile: str
) -> Path:
    """The folder of the fine-tuned policy."""

    def action(folder: Path) -> None:
        files = folder.resolve() / "train.parquet", folder.resolve() / "test.parquet"
        data.write_rows(rows, files[0])
        data.write_rows(test, files[1])
        with stages.progress(tuning.steps, "steps") as report:
            fine_tune(tuning, files, folder.resolve(), profile, report)

    return stages.run(
        name,
        f"SFT with veRL on the pivot's references: {tuning.steps} steps of {tuning.batch} rows",
        action,
        inputs=asdict(tuning) | {"rows": data.digest(rows), "profile": profile},
        sources=[Path(__file__).with_name("sft.py")],
        after=after,
    )


def votes_stage(
    stages: Stages, name: str, policy: Path, rows: Rows, count: int, tokens: int, seed: int, after: list[str]
) -> Rows:
    """As many rows as a run asks, with the answers that the policy votes for."""
    rows = votes.some(rows, count, seed)

    def action(folder: Path) -> None:
        with stages.progress(len(rows), "problems") as report:
            elected = votes.vote(
                policy, rows, voters=8, tokens=tokens, seed=seed, progress=lambda done: report(done, "")
            )
        data.write_rows(elected, folder / "train.parquet")

    folder = stages.run(
        name,
        "Votes: the answer that the policy gives most often of eight",
        action,
        inputs={"rows": data.digest(rows), "tokens": tokens, "seed": seed},
        sources=[Path(__file__).with_name("votes.py")],
        after=after,
    )
    return data.read_rows(folder / "train.parquet")


def pivot_stage(
    stages: Stages, world: str, toy: Toy, settings: PivotSettings, problems: list[Problem], tokens: int
) -> dict[int, pivot.Reference]:
    """What a pivot that is a model says of the problems, by their places."""
    english = replace(toy.world, languages=(PIVOT,), unseen=())
    learns = replace(
        toy.policy,
        english=settings.english,
        batch_english=settings.batch,
        batch_other=0,
        steps=settings.steps,
        seed=0,
    )
    # The same model for all that ask it.
    name = f"pivots/{toy.world.name}-{settings.english}-{settings.batch}-{settings.steps}"
    model = toys.make_policy(stages, english, learns, name)
    problems = problems[: settings.problems]
    folder = stages.run(
        f"{world}/references",
        "References: written by the pivot, through pbrlsvr prepare",
        lambda folder: pivot.ask(model.resolve(), problems, settings, folder.resolve(), tokens),
        inputs=asdict(settings) | {"problems": len(problems)},
        sources=[Path(__file__).with_name("pivot.py")],
        after=[name],
    )
    return pivot.references(folder)


def _measured(folder: Path, rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    lines = (folder / evaluate.RESPONSES).read_text(encoding="utf-8").splitlines()
    return judge([json.loads(line) for line in lines], rows)
