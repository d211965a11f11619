"""Comet as veRL's logger: what an experiment holds, read back from a real archive, and that no key is in it."""

import csv
import io
import json
import os
import re
import zipfile
from importlib.util import find_spec
from pathlib import Path

import forks
import pytest

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")
pytest.importorskip("comet_ml", reason="needs comet-ml: pip install pbrlsvr[tracking]")

from omegaconf import OmegaConf

from pbrlsvr_plugin.secrets import without_secrets
from pbrlsvr_plugin.verl.compose import compose
from pbrlsvr_plugin.verl.dump import Dump, line, row
from pbrlsvr_plugin.verl.patches import PATCHES
from pbrlsvr_plugin.verl.tracking import samples_of


def test_verl_has_no_comet_of_its_own_and_the_lines_that_the_patch_answers_are_there():
    source = Path(find_spec("verl.utils.tracking").origin).read_text()
    assert "comet" not in source.lower(), "veRL has a Comet of its own now: take the patch away"
    for patch in PATCHES:
        assert patch.line in source.splitlines()[int(patch.where.rpartition(":")[2]) - 1]


# What no log may show: by its name, by its looks, in an address, or the value of a variable.
KEYS = {
    "COMET_API_KEY": "comet-0123456789abcdef",
    "SCORER_KEY": "a-key-that-looks-like-nothing",
    "HF_TOKEN": "hf_" + "x" * 30,
}
RUN = """
import json, sys
import verl
from omegaconf import OmegaConf
from verl.utils.tracking import Tracking

steps = json.loads(sys.argv[2])
config = OmegaConf.to_container(OmegaConf.load(sys.argv[1]), resolve=True)
tracking = Tracking("project", "run of the test", default_backend=["console", "comet"], config=config)
for step, metrics in steps:
    tracking.log(data=metrics, step=step)
tracking.finish()
tracking.finish()
"""


def sample(language, number, score):
    fields = line(f"{language}{number}_0_0", 4, score, 5, False, data_source=f"mgsm/{language}",
                  extra_info={"language": language, "question": "q\u2028?"})  # fmt: skip
    return row({"input": "q", "output": f"\ud800 {language} {number}", **fields}, {"reasoning": score})


def track(folder, steps, expected=0, **environment):
    """A process that logs these steps as veRL's trainer does; its output, and what Comet's archives hold."""
    config = compose("ppo_trainer", [
        "+reward_fn=pbrlsvr.hybrid", f"trainer.default_local_dir={folder}/checkpoints", "trainer.test_freq=2",
        f"trainer.rollout_data_dir={folder}/rollouts", f"trainer.validation_data_dir={folder}/validation",
        "+trainer.wandb_proxy=http://me:" + KEYS["SCORER_KEY"] + "@proxy:80",
        "+ray_kwargs.ray_init.runtime_env.env_vars.OPENAI_API_KEY=short1",
        "+data.headers.Authorization='Bearer abc.def'", "+data.note='sk-" + "1234567890abcdef" * 2 + "'",
    ])  # fmt: skip
    OmegaConf.save(config, folder / "config.yaml")
    result = forks.run(
        "-c", RUN, str(folder / "config.yaml"), json.dumps(steps), cwd=folder,
        env={**os.environ, **KEYS, "COMET_START_ONLINE": "0", "HOME": str(folder), **environment},
    )  # fmt: skip
    assert result.returncode == expected, result.stderr[-3000:]
    return result.stdout + result.stderr


def archives(folder):
    """Of each archive, oldest first: what it says of itself, its messages, and all of its bytes."""
    found = []
    for path in sorted((folder / "checkpoints/comet").glob("*.zip"), key=lambda path: path.stat().st_mtime):
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        messages = [json.loads(text) for text in files["messages.json"].decode().splitlines()]
        found.append((json.loads(files["experiment.json"]), messages, files))
    return found


def payloads(messages, kind):
    return [message["payload"] for message in messages if message["type"] == kind]


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracked")
    Dump(folder / "rollouts").write(4, [sample(language, n, n / 10) for language in ("sw", "de") for n in range(9)])
    Dump(folder / "validation").write(4, [sample("sw", 0, 1.0)])
    metrics = {f"pbrlsvr/{language}/{name}": 0.5 for language in ("sw", "de", "overall")
               for name in ("score", "accuracy", "component/reasoning", "length")}  # fmt: skip
    steps = [(3, {"actor/loss": 0.25, "odd": "text"}), (4, {**metrics, "actor/loss": 0.125, "lost": float("nan")})]
    return folder, track(folder, steps), archives(folder)


def test_an_experiment_has_the_metrics_with_their_steps(tracked):
    _, _, ((about, messages, _),) = tracked
    assert about["project_name"] == "project"
    logged = {(one["metric"]["metricName"], one["metric"]["step"]): one["metric"]["metricValue"]
              for one in payloads(messages, "metric_msg")}  # fmt: skip
    assert (logged["actor/loss", 3], logged["actor/loss", 4]) == (0.25, 0.125)
    assert logged["pbrlsvr/sw/component/reasoning", 4] == 0.5
    assert not [name for name, _ in logged if name in ("odd", "lost")]
    assert {"key": "Name", "value": "run of the test"}.items() <= next(
        one for one in payloads(messages, "log_other") if one["key"] == "Name"
    ).items()


def test_beside_another_logger_the_console_has_the_metrics_of_all_languages_only(tracked):
    _, output, _ = tracked
    (shown,) = re.findall(r"^step:4 - .*", output, re.M)
    assert "pbrlsvr/overall/component/reasoning:0.5" in shown
    assert "actor/loss:0.125" in shown
    assert "pbrlsvr/sw/" not in shown
    assert "pbrlsvr/de/" not in shown


def test_alone_the_console_has_all_metrics(capsys):
    from verl.utils.tracking import Tracking

    tracking = Tracking("project", "run", default_backend=["console"])
    tracking.log(data={"pbrlsvr/sw/score": 0.5, "pbrlsvr/overall/score": 0.25}, step=1)
    assert "pbrlsvr/sw/score:0.5 - pbrlsvr/overall/score:0.25" in capsys.readouterr().out


def test_an_experiment_has_the_config_and_no_key_of_any_kind(tracked):
    _, output, ((_, messages, files),) = tracked
    said = [one.get("param") or one["params"] for one in payloads(messages, "parameter_msg")]
    parameters = {one["paramName"]: one["paramValue"] for one in said}
    assert str(parameters["trainer|test_freq"]) == "2"
    assert parameters["data|prompt_key"] == "prompt"
    assert "embedding" in str(parameters)
    everything = b"".join(files.values()).decode("utf-8", "replace") + output
    for key in (*KEYS.values(), "short1", "abc.def", "1234567890abcdef"):
        assert key not in everything, key


def test_a_validation_has_a_table_of_samples_per_language_and_a_heat_map(tracked):
    _, _, ((_, messages, files),) = tracked
    assets = {one["additional_params"].get("fileName") or one["additional_params"]["figName"]: one
              for one in payloads(messages, "file_upload") or [
                  message["payload"] for message in messages if "file_path" in message["payload"]]}  # fmt: skip
    assert {"rollouts/sw/4.csv", "rollouts/de/4.csv", "validation/sw/4.csv"} <= assets.keys()
    table = list(csv.DictReader(io.StringIO(files[assets["rollouts/sw/4.csv"]["file_path"]].decode("utf-8"))))
    # The lowest and the highest score, and some between.
    assert [float(entry["score"]) for entry in table] == pytest.approx([0.0, 0.2, 0.3, 0.5, 0.6, 0.8])
    assert table[0]["output"].endswith("sw 0")
    assert table[0]["question"] == "q\u2028?"
    figure = files[assets["languages and components, step 4"]["file_path"]].decode()
    assert "<svg" in figure


def test_a_run_that_goes_on_from_a_checkpoint_goes_on_in_its_experiment_and_another_does_not(tracked):
    folder, _, ((first, _, _),) = tracked
    (folder / "checkpoints/latest_checkpointed_iteration.txt").write_text("4")
    track(folder, [(5, {"actor/loss": 0.1})])
    resumed = archives(folder)[-1][0]
    assert resumed["offline_id"] == first["offline_id"]
    (folder / "checkpoints/latest_checkpointed_iteration.txt").unlink()
    track(folder, [(1, {"actor/loss": 0.1})])
    assert archives(folder)[-1][0]["offline_id"] != first["offline_id"]


def test_trouble_with_comet_does_not_end_the_run(tmp_path):
    (tmp_path / "rollouts").mkdir()
    (tmp_path / "rollouts/2.jsonl").write_text("no json\n")
    output = track(tmp_path, [(2, {"actor/loss": 0.1}), (3, {"actor/loss": 0.2})])
    assert "could not be logged to Comet; the run goes on" in output
    logged = payloads(archives(tmp_path)[0][1], "metric_msg")
    assert {one["metric"]["step"] for one in logged if one["metric"]["metricName"] == "actor/loss"} == {2, 3}


def started(tmp_path, prelude="", **environment):
    """veRL's own command, as far as it comes."""
    environment = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    code = f"{prelude}\nimport runpy, sys; sys.argv = sys.argv[:1] + ['trainer.logger=[console,comet]']\n"
    code += "runpy.run_module('verl.trainer.main_ppo', run_name='__main__')"
    return forks.run("-c", code, cwd=tmp_path, env={**environment, "HOME": str(tmp_path)})


WITHOUT_COMET = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "comet_ml" else find(name, *rest)
"""


@pytest.mark.parametrize(
    ("prelude", "words"),
    [
        (WITHOUT_COMET, "comet-ml is not installed: pip install 'pbrlsvr[tracking]'"),
        ("", "there is no key: set COMET_API_KEY"),
    ],
    ids=["no package", "no key"],
)
def test_what_comet_lacks_is_said_before_ray_starts(tmp_path, prelude, words):
    result = started(tmp_path, prelude, COMET_API_KEY=None, COMET_START_ONLINE=None)
    assert result.returncode != 0
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert "Started a local Ray instance" not in result.stdout + result.stderr


def test_a_config_can_be_looked_at_without_an_account(monkeypatch):
    monkeypatch.delenv("COMET_API_KEY", raising=False)
    assert compose("ppo_trainer", ["trainer.logger=[console,comet]"]).trainer.logger == ["console", "comet"]


@pytest.mark.parametrize(
    "config",
    [
        {
            "api_key": "x",
            "HF_TOKEN": "y",
            "nested": [{"password": "z", "aws_secret_access_key": "w", "token": "x", "key": "y"}],
        },
        {"headers": {"authorization": "v", "Cookie": "u"}, "credentials": "t", "api_keys": ["s", "r"]},
        {"command": ["WANDB_API_KEY=q1q1", "run token: 'q3q3'"], "q": "https://h/?a=1&api_key=q4q4&b=2"},
        {"url": "redis://:q@host:1", "text": f"curl -H 'Bearer {'p' * 12}' sk-ant-{'o' * 20} ghp_{'n' * 36}"},
    ],
)
def test_a_key_is_hidden_by_its_name_its_looks_or_its_place(config):
    shown = json.dumps(without_secrets(config))
    for letter in "xyzwvutsr":
        assert f'"{letter}"' not in shown
    assert not any(secret in shown for secret in (":q@", "p" * 12, "o" * 20, "n" * 36, "q1q1", "q3q3", "q4q4"))


def test_what_is_no_key_stays():
    config = {
        "max_token_len": 5, "prompt_key": "prompt", "reward_fn_key": "data_source", "gdpo_reward_keys": ["a_reward"],
        "tokenizer_path": "/models/x", "api_key_env": "OPENAI_API_KEY", "stop_token": 2, "key": None,
        "enable_key": True, "url": "https://host:8000/v1", "keyword": "monkey", "path": "a@b",
    }  # fmt: skip
    assert without_secrets(config) == config


def test_samples_are_spread_over_the_scores_and_few_are_all_taken(tmp_path):
    path = Dump(tmp_path).write(1, [sample("sw", n, float(n)) for n in range(100)] + [sample("de", 0, 0.5)])
    found = samples_of(path, most=3)
    assert [entry["score"] for entry in found["sw"]] == [0.0, 50.0, 99.0]
    assert [entry["score"] for entry in found["de"]] == [0.5]
