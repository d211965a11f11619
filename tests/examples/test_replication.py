"""The replication: worlds whose texts can be judged, arms that veRL and the rewards accept, results that are kept."""

import json
import math
import random
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from pbrlsvr.errors import ConfigError
from pbrlsvr.languages.policy import check
from quickstart import toys, train
from quickstart.settings import WorldSettings
from quickstart.world import PIVOT, question, reasoning, response, rows, sample_problems, wrong_reasoning
from replication import config, results
from replication.judge import begun, equations, judge
from replication.run import main

CONFIG = config.read()


@pytest.mark.parametrize("world", CONFIG.worlds)
def test_the_language_policy_can_judge_every_language_of_a_world(world: str) -> None:
    settings = CONFIG.worlds[world].toy.world
    missed = total = 0
    for problem in sample_problems(20, seed=3, lengths=settings.lengths):
        texts = {language: reasoning(problem, language) for language in settings.languages}
        for language in settings.languages:
            row = {"question": question(problem, language), "reference": texts[PIVOT]}
            own = check(texts[language], language, **row)
            assert (own.factor, own.undetermined) == (1.0, False)
            for other in set(texts) - {language}:
                total += 1
                missed += check(texts[other], language, **row).factor > 0.0
    assert missed < total / 100


@pytest.mark.parametrize("world", CONFIG.worlds)
def test_nothing_that_the_rewards_models_read_is_asked_of_the_policy(world: str) -> None:
    parts = toys.split(CONFIG.worlds[world].toy.world)
    sizes = [len(part) for part in parts]
    assert len({problem.skeleton for part in parts for problem in part}) == sum(sizes)


def test_a_calibration_of_a_world_is_of_every_language_and_of_problems_that_nothing_else_has(
    tmp_path: Path, minilm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    from pbrlsvr.calibration.calibration import Calibration
    from quickstart.stages import Stages
    from replication import reward_models

    monkeypatch.setattr(reward_models, "CALIBRATION", 12)
    world = WorldSettings(languages=("en", "es", "fr"), unseen=("fr",), train=20, reward=10, test=5)
    stages = Stages(tmp_path, Console(quiet=True), versions={})
    stages.run("encoder", "", lambda folder: None, inputs={}, sources=[], after=[])
    file = reward_models.calibration_stage(stages, "calibration", world, minilm, "encoder")
    pairs = [json.loads(line) for line in (file.parent / "parallel.jsonl").read_text().splitlines()]
    seen = {reasoning(problem, PIVOT) for part in toys.split(world) for problem in part}
    assert not seen & {pair["english"] for pair in pairs}
    fitted = Calibration.load(file).pairs
    assert {language: pair.texts for language, pair in fitted.items() if language != PIVOT} == {"es": 12, "fr": 12}


def test_an_unseen_language_is_tested_and_not_trained(tmp_path: Path) -> None:
    from rich.console import Console

    from quickstart.data import read_rows

    settings = WorldSettings(languages=("en", "es", "fr"), unseen=("fr",), train=20, reward=10, test=5)
    toys._make_world(tmp_path, settings, Console(quiet=True))
    trained, tested = (read_rows(tmp_path / f"{split}.parquet") for split in ("train", "test"))
    assert {row["extra_info"]["language"] for row in trained} == {"es"}
    assert {row["extra_info"]["language"] for row in tested} == {"en", "es", "fr"}


def test_each_arm_is_a_config_that_verl_and_its_reward_accept(tmp_path: Path) -> None:
    pytest.importorskip("verl", reason="needs veRL's own config tree")
    from hydra import compose, initialize_config_module

    from replication.arms import RECIPE

    longest = max(length for world in CONFIG.worlds.values() for length in world.toy.world.lengths)
    with initialize_config_module("verl.trainer.config", version_base=None):
        for arm in (arm for arm in CONFIG.arms.values() if arm.trainer == "rl"):
            encoder = str(tmp_path) if arm.needs_encoder else None
            values = train.run_values("p", encoder, (tmp_path / "a", tmp_path / "b"), 2, 0, tmp_path)
            own = {name: value for name, value in values.items() if not name.startswith("hydra.")}
            line = train.overrides(RECIPE, own, "cpu", arm.overrides(), f"pbrlsvr.{arm.reward}")
            composed = compose("ppo_trainer", overrides=line)
            assert composed.reward.custom_reward_function.name == arm.reward
            assert composed.data.max_response_length >= 8 * longest + 3


def test_terse_examples_are_right_and_a_few_of_them_spelled_out() -> None:
    from quickstart.policy import _examples
    from quickstart.settings import PolicySettings

    settings = CONFIG.worlds["A"].toy
    problems = toys.split(settings.world)[0][:50]
    tokenizer = toys.tokenizer_of(settings.world)
    sizes = PolicySettings(other=100, spelled_out=0.1, reasoned=1.0)

    def responses(terse: bool) -> list[str]:
        made = _examples(tokenizer, problems, ["es"], sizes, random.Random(0), terse=terse)
        return [tokenizer.decode(answer, skip_special_tokens=True) for _, answer in made]

    steps = [len(equations(text)) for text in responses(terse=True)]
    assert sum(length >= 4 for length in steps[:10]) == 10
    assert {0, 1, 2, 3} <= set(steps[10:])
    assert min(len(equations(text)) for text in responses(terse=False)) >= 4
    assert all("####" in text for text in responses(terse=True))


def test_sft_is_our_recipe_with_as_many_rows_an_update_as_grpo_has_responses(tmp_path: Path) -> None:
    pytest.importorskip("verl", reason="needs veRL's own config tree")
    from hydra import compose, initialize_config_module

    from replication.arms import RECIPE, responses
    from replication.sft import RECIPE as SFT
    from replication.sft import FineTuning

    tuning = FineTuning("p", 2, responses(RECIPE), **CONFIG.arms["sft"].options)
    line = tuning.arguments((tmp_path / "a", tmp_path / "b"), tmp_path, "cpu")
    own = [one for one in line if "=" in one and not one.startswith("hydra.")]
    with initialize_config_module("verl.trainer.config", version_base=None):
        composed = compose(SFT, overrides=["+profile=cpu_sft", *own])
    assert composed.data.train_batch_size == 48 * 8
    assert composed.data.pivot_response.format(pivot_reasoning="r", pivot_answer="1") == "r #### 1"


def test_votes_are_answers_that_most_agree_with_in_any_digits() -> None:
    from replication.votes import majority, some

    assert majority(["9", "12", "১২"], "bn") == "12"
    assert majority([], "bn") == ""
    assert some([{"a": 1}], 5, 0) == [{"a": 1}]
    assert len(some([{"a": one} for one in range(9)], 5, 0)) == 5


@pytest.mark.parametrize("odd", [{"trainer": "sft", "reward": "hybrid"}, {"answers": "votes", "reward": "hybrid"}, {}])
def test_an_arm_that_cannot_be_is_refused(odd: dict[str, str], tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    file = tmp_path / "worlds.yaml"
    OmegaConf.save(OmegaConf.merge(OmegaConf.load(config.FILE), {"arms": {"odd": odd}}), file)
    with pytest.raises(ConfigError, match="arm 'odd' has trainer"):
        config.read(file)


def test_a_pivots_questions_are_a_config_that_prepare_accepts_and_its_references_go_to_every_language(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pbrlsvr_plugin.prepare.cli import status
    from replication.pivot import Reference, write_config
    from replication.references import right_references, with_references

    problems = sample_problems(3, seed=1, lengths=(4,))
    for settings in (config.PivotSettings(), config.PivotSettings(verified=False)):
        with pytest.raises(typer.Exit) as ended:
            status([str(write_config(tmp_path, problems, settings, tmp_path, 60))])
        assert ended.value.exit_code == 0
        assert "reference" in capsys.readouterr().out
    known = {0: Reference("a", problems[0].answer), 1: Reference("cut off", ""), 2: Reference("b", "-1")}
    given = with_references(list(rows(problems, "train", ["es", "bn"])), known)
    assert [row["extra_info"]["index"] for row in given] == [0, 0, 2, 2]
    assert {row["extra_info"]["pivot_reasoning"] for row in given} == {"a", "b"}
    assert right_references(given, problems) == 2


def test_training_knows_what_its_world_says() -> None:
    from replication.references import as_known, right_references

    problems = sample_problems(20, seed=1, lengths=(4,))
    given = list(rows(problems, "train", ["es", "bn"]))

    def known(world: str) -> list[dict[str, Any]]:
        return as_known(given, problems, CONFIG.worlds[world], 0)

    assert known("A") == given
    wrong, english = known("C30"), known("C30_en")
    assert right_references(wrong, problems) == 2 * 14
    assert {row["reward_model"]["ground_truth"] for row in wrong} == {""}
    assert english[: len(given)] == wrong
    assert [row["extra_info"]["language"] for row in english[len(given) :]] == ["en"] * 20
    assert right_references(english, problems) == 3 * 14


def test_references_in_another_order_end_with_the_same_answer() -> None:
    from replication.judge import equations
    from replication.references import as_known

    problems = sample_problems(50, seed=1, lengths=(4, 5, 6, 7))
    given = list(rows(problems, "train", ["es"]))
    other, both = (as_known(given, problems, CONFIG.worlds[world], 0) for world in ("A_other", "A_both"))
    texts = [row["extra_info"]["pivot_reasoning"] for row in other]
    assert [row["extra_info"]["pivot_reasoning"] for row in both] == texts
    own = [row["extra_info"]["pivot_reasoning"] for row in given]
    assert [row["extra_info"]["pivot_references"] for row in both] == [
        [{"reasoning": text, "answer": problem.answer}] for text, problem in zip(own, problems, strict=True)
    ]
    assert sum(one != another for one, another in zip(texts, own, strict=True)) > 40
    for text, problem in zip(texts, problems, strict=True):
        results = [int(result) for *_, result in equations(text)]
        starts = [int(left) for left, *_ in equations(text)]
        assert starts == [problem.start, *results[:-1]]
        assert results[-1] == problem.result
        assert sorted(n for _, _, n, _ in equations(text)) == sorted(str(event.n) for event in problem.events)


def test_names_that_do_not_exist_are_named_beside_those_that_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def complaint(*arguments: str) -> str:
        assert main(["--output", str(tmp_path / "runs"), "--results", str(tmp_path / "r.json"), *arguments]) == 1
        return capsys.readouterr().out

    assert "'Z'" in complaint("--world", "Z", "--arm", "sum")
    assert "gated" in complaint("--world", "A", "--arm", "gatd")
    assert "--help" in complaint("--world", "A")
    assert "not 0" in complaint("--core", "--steps", "0")
    assert "no arm yet" in complaint("--report")
    odd = tmp_path / "odd.yaml"
    odd.write_text(config.FILE.read_text().replace("reward: exact_answer", "rewards: exact_answer", 1))
    assert "'rewards'" in complaint("--config", str(odd), "--core")
    assert not (tmp_path / "runs").exists()


def test_an_exact_arm_has_no_encoder_to_choose() -> None:
    with pytest.raises(ConfigError, match="no world 'Z'"):
        CONFIG.toy("Z", "sum", 0)
    assert CONFIG.toy("A", "sum_weak", 3).encoder.mistakes == 0
    assert CONFIG.toy("A", "sum_weak", 3).policy.seed == 3


def test_responses_are_judged_by_answer_language_and_right_steps() -> None:
    problems = sample_problems(4, seed=1, lengths=(5,))
    asked = list(rows(problems, "test", ["es"]))
    texts = [
        response(problems[0], "es"),
        response(problems[1], "de"),
        f"#### {problems[2].answer}",
        f"{wrong_reasoning(problems[3], 'es', random.Random(0))} #### 1",
    ]
    kept = [{"response": text, "correct": place < 3, "language": "es"} for place, text in enumerate(texts)]
    counts = judge(kept, asked)["es"]
    assert (counts["count"], counts["right"], counts["reasoned"]) == (4, 3, 0.75)
    assert counts["own"] < 1.0
    assert 0.5 <= counts["steps"] < 0.75
    assert begun("", reasoning(problems[0], PIVOT)) == 0.0


def a_record(arm: str, seed: int, right: int) -> dict[str, Any]:
    def counts(number: int) -> dict[str, Any]:
        one = {"count": 10, "right": number, "own": 1.0, "reasoned": 0.5, "steps": 0.25}
        return {"en": one | {"right": 10}, "es": one, "fr": one}

    return {
        "world": "A", "arm": arm, "seed": seed, "steps": 2, "pivot": "en", "unseen": ["fr"], "overrides": [],
        "before": counts(1), "after": counts(right), "rewards": [0.1, 0.2], "accuracies": [0.0, 0.1],
        "seconds": 1, "day": "2026-01-01",
    }  # fmt: skip


def test_results_are_kept_once_per_arm_and_seed_with_what_they_were_made_with(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    for record in (a_record("sum", 0, 2), a_record("exact", 0, 3), a_record("sum", 0, 4), a_record("sum", 1, 6)):
        results.keep(record, file)
    kept = results.load(file)
    assert [(one["arm"], one["seed"], one["after"]["es"]["right"]) for one in kept] == [
        ("exact", 0, 3), ("sum", 0, 4), ("sum", 1, 6)
    ]  # fmt: skip
    assert kept[0]["command"].endswith("--world A --arm exact --seed 0")
    assert kept[0]["versions"]["verl"]
    assert json.loads(file.read_text())["arms"].keys() == {"A/exact/0", "A/sum/0", "A/sum/1"}


def test_the_report_has_a_row_for_each_arm_with_its_interval_over_seeds(tmp_path: Path) -> None:
    from replication.report import END, START, interval, write

    file = tmp_path / "results.json"
    for record in (a_record("exact", 0, 3), a_record("sum", 0, 4), a_record("sum", 1, 6)):
        results.keep(record, file)
    (tmp_path / "README.md").write_text(f"Before.\n\n{START}\nold\n{END}\n\nAfter.\n")
    assert main(["--report", "--results", str(file)]) == 0
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
    assert "old" not in text
    # Mean .5, standard deviation .1414 and t = 12.71: half of the interval is 12.71 * .1414 / sqrt(2) = 1.27.
    assert "| sum | 2 | 2 | .50 ± 1.27 | .50 ± 1.27 | 1.00 ± .00 |" in text
    assert "| before | 2 | 0 | .10 ± .00 |" in text
    assert (tmp_path / "world-A.png").stat().st_size > 1000
    assert write(results.load(file), tmp_path, CONFIG.core)[0].read_text() == text
    assert not math.isnan(float(interval([0.5])))
