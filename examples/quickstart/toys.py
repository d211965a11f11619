"""The stages that make a world: its data set, the policy, and the encoder."""

from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from quickstart import data
from quickstart.settings import EncoderSettings, PolicySettings, WorldSettings
from quickstart.stages import Stages
from quickstart.world import PIVOT, Problem, question, response, rows, sample_problems

HERE = Path(__file__).resolve().parent
WORLD = [HERE / name for name in ("phrases.py", "world.py", "toys.py")]
STAGES = ("world", "warm-up", "encoder")
# The tokenizer needs to see each phrase, not each problem.
_FOR_TOKENIZER = 600


def make_world(stages: Stages, world: WorldSettings, name: str = STAGES[0]) -> Path:
    """The folder of train.parquet and test.parquet, made in the stage `name` unless it was made before."""
    return stages.run(
        name,
        f"World: {world.train} + {world.test} word problems in {len(world.languages)} languages",
        lambda folder: _make_world(folder, world, stages.console),
        inputs=asdict(world),
        sources=[*WORLD, HERE / "data.py"],
        after=[],
    )


def make_policy(stages: Stages, world: WorldSettings, policy: PolicySettings, name: str = STAGES[1]) -> Path:
    """The policy's folder, likewise."""
    return stages.run(
        name,
        "Policy: supervised warm-up from random weights, much English and little else",
        lambda folder: _make_policy(folder, world, policy, stages),
        inputs=asdict(policy) | {"world": asdict(world)},
        sources=[*WORLD, HERE / "tokenizer.py", HERE / "policy.py"],
        after=[],
    )


def make_encoder(stages: Stages, world: WorldSettings, encoder: EncoderSettings, name: str = STAGES[2]) -> Path:
    """The encoder's folder, likewise."""
    return stages.run(
        name,
        "Encoder: a toy that knows this world only, trained with sentence-transformers",
        lambda folder: _make_encoder(folder, world, encoder, stages),
        inputs=asdict(encoder) | {"world": asdict(world)},
        sources=[*WORLD, HERE / "tokenizer.py", HERE / "encoder.py"],
        after=[],
    )


def split(world: WorldSettings) -> tuple[list[Problem], list[Problem], list[Problem]]:
    """Problems for the policy, for the models of the reward, and to test on.

    No skeleton is in two of them, so no problem is, in any language: the encoder learns from texts that the policy
    never sees, and knows nothing of the test.
    """
    problems = sample_problems(world.test + world.reward + world.train, world.seed, world.lengths, world.options)
    first = world.test + world.reward
    return problems[first:], problems[world.test : first], problems[: world.test]


def _make_world(folder: Path, world: WorldSettings, console: Console) -> None:
    train, _, test = split(world)
    seen = [language for language in world.languages if language not in (PIVOT, *world.unseen)]
    data.write_rows(rows(train, "train", seen, world.name), folder / "train.parquet")
    data.write_rows(rows(test, "test", world.languages, world.name), folder / "test.parquet")
    for language in world.languages:
        console.print(f"  [dim]{question(test[0], language)}[/] {response(test[0], language)}", highlight=False)


def tokenizer_of(world: WorldSettings):  # type: ignore[no-untyped-def]
    """The world's tokenizer, the same for its policy and for the models of its reward."""
    from quickstart.tokenizer import train_tokenizer

    return train_tokenizer(split(world)[0][:_FOR_TOKENIZER], world.vocabulary, world.languages)


def _make_policy(folder: Path, world: WorldSettings, settings: PolicySettings, stages: Stages) -> None:
    from quickstart.policy import new_policy, warm_up

    tokenizer = tokenizer_of(world)
    policy = new_policy(tokenizer, settings)
    with stages.progress(settings.steps, "steps") as report:
        warm_up(
            policy,
            tokenizer,
            split(world)[0],
            world.languages,
            settings,
            lambda done, loss: report(done, f"loss {loss:.3f}"),
        )
    policy.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _make_encoder(folder: Path, world: WorldSettings, settings: EncoderSettings, stages: Stages) -> None:
    from quickstart.encoder import new_encoder, ranking, train_encoder

    _, problems, held_out = split(world)
    encoder = new_encoder(tokenizer_of(world), settings)
    with stages.progress(settings.steps, "steps") as report:
        train_encoder(encoder, problems, world.languages, settings, lambda done, loss: report(done, f"loss {loss:.3f}"))
    encoder.save(str(folder), create_model_card=False)
    shares = ranking(encoder, held_out, world.languages, seed=settings.seed)
    stages.console.print(
        "  right solution nearer to the English one than a solution with one mistake: "
        + ", ".join(f"{language} {share:.2f}" for language, share in shares.items()),
        highlight=False,
    )
