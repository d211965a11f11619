"""The models of the replication's rewards: small ones learn what pbrlsvr gives them, and work where it takes models."""

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from quickstart import toys
from quickstart.settings import WorldSettings
from quickstart.world import PIVOT, reasoning, sample_problems
from replication import config
from replication.judge import equations


def test_the_scorer_is_a_comet_checkpoint_that_tells_numbers_apart_in_any_digits(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    import asyncio

    import pbrlsvr
    from replication.comparisons import drawing
    from replication.scorer import save_scorer, train_scorer

    settings = WorldSettings(languages=("en", "bn"), train=200, reward=10, test=5)
    tokenizer = toys.tokenizer_of(settings)
    tokenizer.cls_token, tokenizer.sep_token = "<user>", tokenizer.eos_token
    losses: list[float] = []
    small = config.ScorerSettings(hidden_size=32, steps=150, batch=32)
    draw = drawing(settings.languages, None)
    scorer = train_scorer(tokenizer, draw, small, lambda step, loss: losses.append(loss))
    save_scorer(scorer, tokenizer, tmp_path)

    async def score(answer: str) -> float:
        row = {"language": "bn", "pivot_answer": "12", "pivot_reasoning": "Now we add 7+5=12."}
        options = {
            "comet": {"model": str(tmp_path), "compare": "answer"},
            "combine": {"rule": "sum", "weights": {"answer": 0.0}},
        }
        found = await pbrlsvr.comet_score("replication/bn", f"#### {answer}", "12", row, **options)
        return float(found["comet_raw"])

    async def scores() -> tuple[float, float]:
        return await score("১২"), await score("২৯")

    right, wrong = asyncio.run(scores())
    assert losses[-1] < losses[0]
    assert right > wrong + 0.2


def test_the_scorer_of_texts_stands_on_the_worlds_encoder_and_scores_the_same_through_pbrlsvr(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    import asyncio

    import pbrlsvr
    from quickstart.encoder import new_encoder
    from quickstart.settings import EncoderSettings
    from replication.comparisons import drawing
    from replication.scorer import _tokenized, save_scorer, train_scorer

    world = WorldSettings(languages=("en", "es"), lengths=(2, 3), train=200, reward=10, test=5)
    tokenizer = toys.tokenizer_of(world)
    new_encoder(tokenizer, EncoderSettings(hidden_size=32)).save(str(tmp_path / "encoder"), create_model_card=False)
    tokenizer.cls_token, tokenizer.sep_token = "<user>", tokenizer.eos_token
    losses: list[float] = []
    small, problems = config.ScorerSettings(texts=True, steps=40, batch=32), toys.split(world)[1]
    draw = drawing(world.languages, problems)
    scorer = train_scorer(tokenizer, draw, small, lambda step, loss: losses.append(loss), tmp_path / "encoder")
    save_scorer(scorer, tokenizer, tmp_path)
    assert sum(losses[-5:]) < sum(losses[:5])

    texts = {one: reasoning(problems[0], one) for one in world.languages}
    row = {"language": "es", "pivot_answer": problems[0].answer, "pivot_reasoning": texts[PIVOT]}
    options = {"comet": {"model": str(tmp_path), "compare": "reasoning"}, "combine": {"rule": "sum"}}
    response = f"{texts['es']} #### {problems[0].answer}"
    found = asyncio.run(pbrlsvr.comet_score("replication/es", response, problems[0].answer, row, **options))
    own = scorer(*(_tokenized(tokenizer, [texts[one]]) for one in ("es", PIVOT))).item()
    assert found["comet_raw"] == pytest.approx(own, abs=1e-3)


def test_the_scorer_learns_the_texts_that_comet_is_given_and_what_of_them_is_right() -> None:
    from replication.comparisons import _worth, any_texts, right_and_wrong

    rng, problems = random.Random(0), sample_problems(20, seed=1, lengths=(4,))
    drawn = [any_texts(rng, ["en", "bn", "th"], problems) for _ in range(400)]
    assert {worth for _, _, worth in drawn} >= {0.0, 0.25, 0.5, 0.75, 1.0}
    for text, reference, worth in drawn:
        assert (worth == 1.0) == (equations(text) == equations(reference)) or len(equations(reference)) < 2
    pivot = "Now we add 7+5=12. Now we subtract 12-3=9."
    assert _worth("Ahora sumamos 7+5=12. Ahora restamos 12-3=9.", pivot, "reasoning") == 1.0
    # Two of three steps are the pivot's, then one of two.
    assert _worth("এখন ৭+৫=১২। এখন ১২-৩=৯। এখন ৯+২=১১।", pivot, "reasoning") == pytest.approx(2 / 3)
    assert _worth("Ahora sumamos 7+5=12. Ahora restamos 12-4=8.", pivot, "reasoning") == 0.5
    # The number and the step, then the number only, then neither.
    stated = "Now we subtract 12-3=9."
    found = [_worth(text, stated, "statement") for text in ("Ahora restamos ১২-৩=৯.", "Ahora sumamos 7+5=12. 9", "8")]
    assert found == [1.0, 0.5, 0.0]
    right, wrong, reference = next(right_and_wrong(problems, "es", "reasoning", rng))
    assert (right, reference) == (reasoning(problems[0], "es"), reasoning(problems[0], PIVOT))
    assert wrong != right


def test_the_translator_translates_steps_of_the_world_through_pbrlsvr(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece", reason="the translation engines ask for it")
    from replication.translator import quality, train_translator

    languages, problems = ["en", "es", "bn"], sample_problems(40, seed=1, lengths=(2, 3))
    losses: list[float] = []
    small = config.TranslatorSettings(hidden_size=32, layers=1, vocabulary=150, steps=120, batch=16)
    model, tokenizer = train_translator(problems[8:], languages, small, lambda step, loss: losses.append(loss))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert losses[-1] < losses[0] / 4
    for exact, chrf in quality(tmp_path, problems[:8], languages).values():
        assert exact > 0.5
        assert chrf > 0.9


def test_the_translator_learns_what_an_engine_is_given() -> None:
    from pbrlsvr.models.translation.engines import Request, Translation
    from pbrlsvr.models.translation.options import TranslationOptions
    from pbrlsvr.models.translation.translator import TranslationModel, TranslatorLoader
    from replication.translator import pairs

    class Listening:
        """An engine that gives each sentence back, and remembers it."""

        limit, takes_lines = 200, False

        def __init__(self) -> None:
            self.asked: set[str] = set()

        def size(self, text: str) -> int:
            return len(text.split())

        def translate(self, requests: Sequence[Request]) -> list[Translation]:
            self.asked |= {request.text for request in requests}
            return [Translation(request.text, True) for request in requests]

    problem, options = sample_problems(1, seed=1, lengths=(4,))[0], TranslatorLoader.of(TranslationOptions())
    for language in ("es", "zh", "bn", "th"):
        engine = Listening()
        TranslationModel(engine, options).run([(reasoning(problem, language), language, PIVOT)])
        learned = dict(pair for seed in range(20) for pair in pairs(problem, language, random.Random(seed)))
        assert engine.asked
        assert engine.asked <= learned.keys()
        assert all(learned[text].count("Now we ") == text.count("X") for text in engine.asked)
