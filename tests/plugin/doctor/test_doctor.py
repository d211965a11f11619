import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("verl", reason="doctor examines an environment that has veRL")


def doctor(*arguments, prelude="", **environment):
    arguments = ["pbrlsvr", "doctor", *arguments]
    code = f"{prelude}\nimport sys\nfrom pbrlsvr_plugin.cli import main\nsys.argv = {arguments}\nmain()"
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def test_a_sound_installation_passes_with_the_facts_for_a_bug_report(minilm):
    result = doctor("--model", minilm)
    assert result.returncode == 0, result.stdout + result.stderr
    for fact in ("verl 0.9", "torch 2", "pbrlsvr.embed_cosine", "verl.plugins: pbrlsvr", "cpu:", "VERL_PLATFORM="):
        assert fact in result.stdout
    assert "7 of 7 checks passed" in result.stdout


def test_plugins_turned_off_is_wrong_with_its_fix():
    result = doctor(VERL_USE_EXTERNAL_PLUGINS="none")
    assert result.returncode == 1
    assert "WRONG VERL_USE_EXTERNAL_PLUGINS='none'" in result.stdout
    assert "fix: unset it" in result.stdout


def test_a_model_that_is_not_there_is_wrong(tmp_path):
    result = doctor("--model", str(tmp_path / "no-model"))
    assert result.returncode == 1
    assert "no-model' " in result.stdout
    assert "cannot be loaded" in result.stdout


def test_a_plugin_that_does_not_load_is_wrong():
    result = doctor(prelude="import sys; sys.modules['pbrlsvr_plugin.verl.reward_option'] = None")
    assert result.returncode == 1
    assert "WRONG check_entry_point failed" in result.stdout


def test_the_command_is_installed():
    command = Path(sys.executable).with_name("pbrlsvr")
    result = subprocess.run([command, "version"], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "0.1.0"
