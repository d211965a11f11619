"""The models of an arm's reward: made once for each world, in a stage of its own."""

import json
from dataclasses import asdict
from pathlib import Path

from pbrlsvr.errors import DataError
from pbrlsvr_plugin.calibrate.command import run as calibrate
from quickstart import toys
from quickstart.settings import Toy, WorldSettings
from quickstart.stages import Stages
from quickstart.world import PIVOT, reasoning, sample_problems
from replication.config import Arm, Config, ScorerSettings, TranslatorSettings

HERE = Path(__file__).resolve().parent
# Solutions in each language that a calibration is fitted to.
CALIBRATION = 200
_OPTIONS = "reward.custom_reward_function.reward_kwargs"


def reward_models(
    stages: Stages, config: Config, base: str, arm: Arm, toy: Toy, needed: list[str]
) -> tuple[str | None, list[str], list[str]]:
    """The encoder's folder, the stages that training needs with those of the models, overrides."""
    encoder, overrides = None, []
    if arm.needs_encoder:
        needed = [*needed, f"{base}/encoder{arm.encoder and '-'}{arm.encoder}"]
        encoder = str(toys.make_encoder(stages, toy.world, toy.encoder, needed[-1]).resolve())
    if encoder and arm.calibrated:
        needed = [*needed, f"{needed[-1]}-calibration"]
        calibration = calibration_stage(stages, needed[-1], toy.world, encoder, needed[-2])
        overrides.append(f"{_OPTIONS}.embedding.calibration={calibration.resolve()}")
    if arm.needs_scorer:
        needed = [*needed, f"{base}/scorer{arm.scorer and '-'}{arm.scorer}"]
        settings = config.scorer(arm.scorer)
        scorer = scorer_stage(stages, needed[-1], config.worlds[base].toy, settings, f"{base}/encoder")
        overrides.append(f"{_OPTIONS}.comet.model={scorer.resolve()}")
        if not settings.texts:
            # It has learned bare answers.
            overrides.append(f"++{_OPTIONS}.comet.compare=answer")
    if arm.needs_translator:
        needed = [*needed, f"{base}/translator"]
        translator = translator_stage(stages, needed[-1], toy.world, config.translator)
        overrides.append(f"{_OPTIONS}.translation.model={translator.resolve()}")
    return encoder, needed, overrides


def calibration_stage(stages: Stages, name: str, world: WorldSettings, encoder: str, made: str) -> Path:
    """The file of `pbrlsvr calibrate` for the encoder, which the stage `made` has: on solutions that neither the policy
    nor the encoder has seen, nor the test has."""
    seen = {problem.skeleton for part in toys.split(world) for problem in part}
    more = sample_problems(4 * CALIBRATION, world.seed + 1, world.lengths, world.options)
    problems = [problem for problem in more if problem.skeleton not in seen][:CALIBRATION]

    def action(folder: Path) -> None:
        parallel = folder / "parallel.jsonl"
        pairs = (
            {"language": language, "text": reasoning(problem, language), "english": reasoning(problem, PIVOT)}
            for language in world.languages
            if language != PIVOT
            for problem in problems
        )
        parallel.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
        if calibrate(parallel, folder / "calibration.json", encoder):
            raise DataError(f"pbrlsvr calibrate failed on {str(parallel)!r}: its message is above")

    folder = stages.run(
        name,
        f"Calibration: what the encoder's cosine says in each language, on {len(problems)} solutions",
        action,
        inputs={"problems": len(problems), "world": asdict(world)},
        sources=toys.WORLD,
        after=[made],
    )
    return folder / "calibration.json"


def scorer_stage(stages: Stages, name: str, toy: Toy, settings: ScorerSettings, encoder: str) -> Path:
    """The folder of one of the world's COMET-style scorers; that of texts is made on the encoder of the named stage."""
    from replication import comparisons
    from replication.scorer import ranking, save_scorer, train_scorer

    world = toy.world
    _, problems, held_out = toys.split(world)
    known = toys.make_encoder(stages, world, toy.encoder, encoder) if settings.texts else None

    def action(folder: Path) -> None:
        tokenizer = toys.tokenizer_of(world)
        tokenizer.cls_token, tokenizer.sep_token = "<user>", tokenizer.eos_token
        draw = comparisons.drawing(world.languages, problems if settings.texts else None)
        with stages.progress(settings.steps, "steps") as report:
            scorer = train_scorer(tokenizer, draw, settings, lambda done, loss: report(done, f"loss {loss:.3f}"), known)
        save_scorer(scorer, tokenizer, folder)
        for kind in comparisons.TEXTS if settings.texts else ():
            shares = {one: ranking(scorer, tokenizer, held_out, one, kind) for one in world.languages}
            _show(stages, f"right {kind} above one with a mistake", shares)

    return stages.run(
        name,
        f"Scorer: COMET's architecture, for the {'texts' if settings.texts else 'answers'} of this world",
        action,
        inputs=asdict(settings) | {"world": asdict(world)},
        sources=[*toys.WORLD, *(HERE / file for file in ("scorer.py", "comparisons.py", "judge.py"))],
        after=[encoder] if known else [],
    )


def translator_stage(stages: Stages, name: str, world: WorldSettings, settings: TranslatorSettings) -> Path:
    """The folder of the world's translator into English."""
    from replication.translator import quality, train_translator

    _, problems, held_out = toys.split(world)

    def action(folder: Path) -> None:
        with stages.progress(settings.steps, "steps") as report:
            model, tokenizer = train_translator(
                problems, world.languages, settings, lambda done, loss: report(done, f"loss {loss:.3f}")
            )
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        found = quality(folder, held_out, world.languages)
        for place, measure in enumerate(("translations that are the pivot's text", "their mean chrF")):
            _show(stages, measure, {language: pair[place] for language, pair in found.items()})

    return stages.run(
        name,
        "Translator: M2M100's architecture, for the solutions of this world",
        action,
        inputs=asdict(settings) | {"world": asdict(world)},
        sources=[*toys.WORLD, HERE / "translator.py"],
        after=[],
    )


def _show(stages: Stages, what: str, shares: dict[str, float]) -> None:
    found = ", ".join(f"{language} {share:.2f}" for language, share in shares.items())
    stages.console.print(f"  {what}: {found}", highlight=False)
