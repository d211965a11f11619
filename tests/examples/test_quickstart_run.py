"""The quickstart's command line: bad input is named with its fix, and what was done before is not done again."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from rich.console import Console

from pbrlsvr.errors import ConfigError, DataError
from quickstart import data, train
from quickstart.models import choose_rows, fingerprint
from quickstart.run import main
from quickstart.stages import Stages
from quickstart.world import rows, sample_problems

RECIPES = Path(__file__).parents[2] / "examples" / "quickstart"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of two languages, with a policy and an encoder that are folders in name only."""
    problems = sample_problems(6, seed=0)
    data.write_rows(rows(problems[:4], "train", ["es", "sw"]), tmp_path / "data" / "train.parquet")
    data.write_rows(rows(problems[4:], "test", ["en", "es", "sw"]), tmp_path / "data" / "test.parquet")
    for name, marker in (("policy", "config.json"), ("encoder", "modules.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / marker).write_text("{}")
    return tmp_path


def complaint(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str, **options: str) -> str:
    given = {"policy": "policy", "encoder": "encoder", "data": "data"} | options
    paths = [part for name, value in given.items() if value for part in (f"--{name}", str(folder / value))]
    assert main(["--output", str(folder / "runs"), *paths, *arguments]) == 1
    return capsys.readouterr().out


def test_a_language_without_rows_is_named_beside_those_that_there_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = complaint(folder, capsys, "--languages", "es,xx")
    assert "'xx'" in text
    assert "['es', 'sw']" in text


def test_a_folder_that_is_not_there_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere" in complaint(folder, capsys, policy="nowhere")
    assert "elsewhere" in complaint(folder, capsys, encoder="elsewhere")
    text = complaint(folder, capsys, data="missing")
    assert "missing/train.parquet" in text
    assert "train.parquet and test.parquet" in text


def test_a_folder_without_a_model_is_named_with_what_it_lacks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "config.json" in complaint(folder, capsys, policy="data")
    assert "modules.json" in complaint(folder, capsys, encoder="policy")


def test_a_missing_column_or_field_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pq.read_table(folder / "data" / "train.parquet")
    pq.write_table(whole.drop_columns(["extra_info"]), folder / "data" / "train.parquet")
    text = complaint(folder, capsys)
    assert "extra_info" in text
    assert "train.parquet" in text
    bare = [{**row, "extra_info": {"language": "es"}} for row in whole.to_pylist()]
    pq.write_table(pa.Table.from_pylist(bare), folder / "data" / "train.parquet")
    assert "extra_info.pivot_reasoning" in complaint(folder, capsys)


def test_a_file_that_is_no_parquet_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "data" / "test.parquet").write_text("question\tanswer\n")
    assert "test.parquet" in complaint(folder, capsys)


def test_options_that_cannot_work_are_refused_before_anything_is_made(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--steps must be 1 or more, not 0" in complaint(folder, capsys, "--steps", "0")
    assert "train_batch_size" in complaint(folder, capsys, "train_batch_size")
    assert "without --data" in complaint(folder, capsys, data="")
    assert "without --policy" in complaint(folder, capsys, policy="")
    assert not (folder / "runs").exists()


def test_the_pivot_language_is_tested_whatever_languages_are_trained(folder: Path) -> None:
    trained, tested = choose_rows(folder / "data", "sw")
    assert {row["extra_info"]["language"] for row in trained} == {"sw"}
    assert {row["extra_info"]["language"] for row in tested} == {"en", "sw"}
    with pytest.raises(ConfigError, match="'de'"):
        choose_rows(folder / "data", "de")


def test_an_empty_data_set_is_refused(folder: Path) -> None:
    import pyarrow.parquet as pq

    file = folder / "data" / "train.parquet"
    pq.write_table(pq.read_table(file).slice(0, 0), file)
    with pytest.raises(DataError, match="no rows"):
        data.read_rows(file)


def test_a_stage_runs_again_only_when_its_inputs_or_an_earlier_stage_change(tmp_path: Path) -> None:
    runs: list[str] = []
    source = tmp_path / "source.py"
    source.write_text("1")

    def both(value: int) -> None:
        stages = Stages(tmp_path / "out", Console(quiet=True), versions={"torch": "2"})

        def action(name: str) -> Any:
            return lambda folder: runs.append(name) or (folder / "made").touch()

        stages.run("a", "A", action("a"), inputs={"value": value}, sources=[source], after=[])
        stages.run("b", "B", action("b"), inputs={}, sources=[], after=["a"])

    both(1)
    both(1)
    assert runs == ["a", "b"]
    both(2)
    assert runs == ["a", "b"] * 2
    source.write_text("2")
    both(2)
    assert runs == ["a", "b"] * 3


def test_a_stage_that_failed_runs_again(tmp_path: Path) -> None:
    stages = Stages(tmp_path, Console(quiet=True), versions={})

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ConfigError("no")

    with pytest.raises(ConfigError):
        stages.run("a", "A", fail, inputs={}, sources=[], after=[])
    seen: list[list[Path]] = []
    stages.run("a", "A", lambda folder: seen.append(list(folder.iterdir())), inputs={}, sources=[], after=[])
    assert seen == [[]]


def test_two_runs_that_want_the_same_stage_make_it_once(tmp_path: Path) -> None:
    made: list[int] = []
    begun, go_on = Event(), Event()

    def action(folder: Path) -> None:
        begun.set()
        go_on.wait(60)
        (folder / "made").touch(exist_ok=False)
        made.append(1)

    def ask() -> Path:
        stages = Stages(tmp_path, Console(quiet=True), versions={})
        return stages.run("a", "A", action, inputs={}, sources=[], after=[])

    with ThreadPoolExecutor() as runs:
        first = runs.submit(ask)
        assert begun.wait(60)
        second = runs.submit(ask)
        go_on.set()
        assert first.result(60) == second.result(60)
    assert made == [1]


def test_a_changed_model_folder_has_another_fingerprint(folder: Path) -> None:
    before = fingerprint(str(folder / "policy"))
    assert fingerprint(str(folder / "policy")) == before
    (folder / "policy" / "model.safetensors").write_text("weights")
    assert fingerprint(str(folder / "policy")) != before
    assert fingerprint("owner/model") == ["owner/model", []]


def test_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    values = train.run_values("p", "e", (tmp_path / "a", tmp_path / "b"), 2, 0, tmp_path)
    extra = ["data.max_response_length=7"]
    line = train.overrides(RECIPES / "toy.yaml", values, "cpu", extra)
    assert line[:2] == ["+reward_fn=pbrlsvr.embed_cosine", "+profile=cpu"]
    assert line[-1] == extra[0]
    assert "actor_rollout_ref.model.path=p" in line
    assert train.option("data.max_response_length", RECIPES / "toy.yaml", extra) == 7
    assert not any("profile" in part for part in train.overrides(RECIPES / "real.yaml", values, "none", []))


@pytest.mark.parametrize("recipe", ["toy.yaml", "real.yaml"])
def test_each_setting_exists_in_verls_own_config_and_in_the_reward(recipe: str, tmp_path: Path) -> None:
    pytest.importorskip("verl", reason="needs veRL's own config tree")
    from hydra import compose, initialize_config_module

    values = train.run_values("p", str(tmp_path), (tmp_path / "a", tmp_path / "b"), 2, 0, tmp_path)
    # Hydra's own settings are for its command line.
    own = {name: value for name, value in values.items() if not name.startswith("hydra.")}
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", overrides=train.overrides(RECIPES / recipe, own, "cpu", []))
    assert config.reward.custom_reward_function.reward_kwargs.embedding.model == str(tmp_path)


def test_a_trainer_that_fails_is_reported_with_its_reason_and_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "verl.log"
    with pytest.raises(train.TrainingError) as caught:
        train.train(["no_such_option=1"], log, lambda one: None, {})
    text = str(caught.value)
    assert "no_such_option" in text
    assert str(log) in text
    assert log.read_text().startswith(sys.executable)


def test_metrics_are_read_from_verls_console_line() -> None:
    line = (
        "\x1b[36m(TaskRunnerV1 pid=18)\x1b[0m step:12 - critic/rewards/mean:0.4560157954 - timing_s/gen:4.5 - "
        "timing_s/step:11.15 - response_length/mean:23.458 - num_turns/mean:np.float64(2.0)"
    )
    assert train.parse_step(line) == train.StepResult(12, 0.4560157954, 11.15, 23.458)
    assert train.parse_step(f"{line} - pbrlsvr/overall/accuracy:0.25 - pbrlsvr/es/accuracy:0.5").accuracy == 0.25
    assert train.parse_step("(TaskRunnerV1 pid=18) Training Progress: 10%") is None
    assert json.dumps(train.parse_step(line.replace("0.4560157954", "1e-05")).reward) == "1e-05"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands a process's orphans to another")
def test_a_process_that_has_lost_its_parent_is_counted():
    orphan = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    held = b'x' * 300_000_000\n    time.sleep(4)"
    code = f"""
import subprocess, sys, time
from quickstart.memory import Meter
with Meter(interval=0.1) as meter:
    subprocess.run([sys.executable, "-c", {orphan!r}], check=True)
    time.sleep(3)
print(meter.peak)
"""
    examples = str(Path(__file__).parents[2] / "examples")
    run = [sys.executable, "-c", code]
    said = subprocess.run(run, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": examples})
    assert int(said.stdout) > 300_000_000
