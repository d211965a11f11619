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
    assert "8 of 8 checks passed" in result.stdout


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
    assert "WRONG check_reward_options failed" in result.stdout


@pytest.mark.parametrize(("content", "sound"), [("", False), ("class AutoModelForCausalLMWithValueHead: pass", True)])
def test_a_trl_that_lacks_what_verl_takes_from_it_is_wrong(content, sound, tmp_path):
    (tmp_path / "trl").mkdir()
    (tmp_path / "trl/__init__.py").write_text(content)
    (tmp_path / "trl-1.16.0.dist-info").mkdir()
    (tmp_path / "trl-1.16.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: trl\nVersion: 1.16.0\n")
    found = doctor(PYTHONPATH=str(tmp_path))
    assert ("ok    trl 1.16.0 has" in found.stdout) is sound
    assert ("WRONG trl 1.16.0 has no AutoModelForCausalLMWithValueHead" in found.stdout) is not sound


def test_the_other_checks_run_where_the_library_cannot_be_imported():
    result = doctor(prelude="import sys; sys.modules['babel'] = None")
    assert result.returncode == 1, result.stderr
    assert "ok    veRL 0.9" in result.stdout
    assert "babel" in result.stdout
    assert "Traceback" not in result.stderr


def test_a_command_that_cannot_be_imported_names_the_cause_and_the_fix():
    code = (
        "import sys; sys.modules['babel'] = None; sys.argv = ['pbrlsvr', 'train', 'llama3.1_8b_sft']\n"
        "from pbrlsvr_plugin.cli import main; main()"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 2
    assert "babel" in result.stderr
    assert "pbrlsvr doctor" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_command_is_installed():
    command = Path(sys.executable).with_name("pbrlsvr")
    for argument in ("version", "--version"):
        result = subprocess.run([command, argument], capture_output=True, text=True, timeout=60, check=True)
        assert result.stdout.strip() == "0.1.0"
