"""Canaries in the folders that commands read, and the versions that these folders are safe with."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pbrlsvr_plugin.cli import app

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")


@pytest.mark.parametrize("model_type", ["evil", "llama", "bert"])
@pytest.mark.parametrize("trainer", [(), ("algorithm.adv_estimator=gae",)], ids=["policy", "policy and critic"])
def test_plan_asks_no_question_and_runs_no_code(tmp_path, canary, model_type, trainer):
    folder = tmp_path / "policy"
    canary.into(folder)
    canary.change(folder / "config.json", model_type=model_type, auto_map=canary.auto_map, architectures=["EvilModel"])
    done = CliRunner().invoke(app, ["plan", "ppo_trainer", "--model", str(folder), *trainer], input="y\n" * 9)
    assert "[y/N]" not in done.output
    assert done.exit_code in (0, 1, 2), done.output


def test_a_process_of_its_own_cannot_be_answered_for_either(tmp_path, canary):
    folder = tmp_path / "policy"
    canary.into(folder)
    canary.change(folder / "config.json", model_type="evil", auto_map=canary.auto_map)
    command = [sys.executable, "-m", "pbrlsvr_plugin.cli", "plan", "ppo_trainer", "--model", str(folder)]
    done = subprocess.run(command, input="y\n" * 9, capture_output=True, text=True, timeout=300, cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("ConfigError: the config of model")


def test_the_lowest_versions_are_those_that_read_half_trusted_files_safely():
    text = (Path(__file__).parents[2] / "setup.py").read_text(encoding="utf-8")
    lowest = dict(re.findall(r'"([\w.-]+)(?:\[\w+\])?>=([\d.]+)', text))
    wanted = {
        # 5.x ran the modules that a folder brought along.
        "sentence-transformers": (6,),
        # Before, torch.load(weights_only=True) could be made to corrupt memory (CVE-2026-24747).
        "torch": (2, 10),
        "transformers": (4, 56),
    }
    for package, least in wanted.items():
        assert tuple(map(int, lowest[package].split("."))) >= least, package
