"""The stages that make the toys: the world's data set, the policy, and the encoder."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from quickstart import data
from quickstart.phrases import LANGUAGES
from quickstart.stages import Stages
from quickstart.world import PIVOT, Problem, question, response, rows, sample_problems

if TYPE_CHECKING:  # at run time they bring torch with them
    from quickstart.encoder import EncoderSettings
    from quickstart.policy import PolicySettings

HERE = Path(__file__).resolve().parent
WORLD = [HERE / "phrases.py", HERE / "world.py", HERE / "toys.py"]


@dataclass(frozen=True)
class WorldSettings:
    """How many problems there are, and of which."""

    train: int = 4000
    test: int = 300
    seed: int = 0
    vocabulary: int = 1200


def make(stages: Stages, console: Console, seed: int) -> tuple[Path, Path, Path]:
    """The folders of the policy, the encoder, and the data set; each is made unless it was made before."""
    # Imported here, because the settings bring torch with them.
    from quickstart.policy import PolicySettings

    world = WorldSettings()
    policy = PolicySettings(seed=seed)
    data_folder = stages.run(
        "world",
        f"World: {world.train} + {world.test} word problems in {len(LANGUAGES)} languages",
        lambda folder: _make_world(folder, world, console),
        inputs=asdict(world),
        sources=[*WORLD, HERE / "data.py"],
        after=[],
    )
    policy_folder = stages.run(
        "warm-up",
        "Policy: supervised warm-up from random weights, much English and little else",
        lambda folder: _make_policy(folder, world, policy, stages),
        inputs=asdict(policy) | asdict(world),
        sources=[*WORLD, HERE / "tokenizer.py", HERE / "policy.py"],
        after=[],
    )
    encoder_folder = _encoder_stage(stages, console, world)
    return policy_folder, encoder_folder, data_folder


def _encoder_stage(stages: Stages, console: Console, world: WorldSettings) -> Path:
    from quickstart.encoder import EncoderSettings

    settings = EncoderSettings()
    return stages.run(
        "encoder",
        "Encoder: a toy that knows this world only, trained with sentence-transformers",
        lambda folder: _make_encoder(folder, world, settings, stages, console),
        inputs=asdict(settings) | asdict(world),
        sources=[*WORLD, HERE / "tokenizer.py", HERE / "encoder.py"],
        after=[],
    )


def split(world: WorldSettings) -> tuple[list[Problem], list[Problem]]:
    """Training and test problems. No skeleton is in both, so no problem is, in any language."""
    problems = sample_problems(world.test + world.train, world.seed)
    return problems[world.test :], problems[: world.test]


def _make_world(folder: Path, world: WorldSettings, console: Console) -> None:
    train, test = split(world)
    others = [language for language in LANGUAGES if language != PIVOT]
    data.write_rows(rows(train, "train", others), folder / "train.parquet")
    data.write_rows(rows(test, "test", list(LANGUAGES)), folder / "test.parquet")
    for language in LANGUAGES:
        console.print(f"  [dim]{question(test[0], language)}[/] {response(test[0], language)}", highlight=False)


def _make_policy(folder: Path, world: WorldSettings, settings: "PolicySettings", stages: Stages) -> None:
    from quickstart.policy import new_policy, warm_up
    from quickstart.tokenizer import train_tokenizer

    problems, _ = split(world)
    tokenizer = train_tokenizer(problems, world.vocabulary)
    policy = new_policy(tokenizer, settings)
    with stages.progress(settings.steps, "steps") as report:
        warm_up(policy, tokenizer, problems, settings, lambda done, loss: report(done, f"loss {loss:.3f}"))
    policy.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _make_encoder(
    folder: Path, world: WorldSettings, settings: "EncoderSettings", stages: Stages, console: Console
) -> None:
    from quickstart.encoder import new_encoder, ranking, train_encoder
    from quickstart.tokenizer import train_tokenizer

    problems, held_out = split(world)
    encoder = new_encoder(train_tokenizer(problems, world.vocabulary), settings)
    with stages.progress(settings.steps, "steps") as report:
        train_encoder(encoder, problems, settings, lambda done, loss: report(done, f"loss {loss:.3f}"))
    encoder.save(str(folder), create_model_card=False)
    shares = ranking(encoder, held_out, seed=settings.seed)
    console.print(
        "  right solution nearer to the English one than a solution with one mistake: "
        + ", ".join(f"{language} {share:.2f}" for language, share in shares.items()),
        highlight=False,
    )
