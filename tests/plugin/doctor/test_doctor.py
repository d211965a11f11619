import os
import subprocess
import sys
from pathlib import Path

import forks
import pytest

pytest.importorskip("verl", reason="doctor examines an environment that has veRL")


def doctor(*arguments, prelude="", **environment):
    arguments = ["pbrlsvr", "doctor", *arguments]
    code = f"{prelude}\nimport sys\nfrom pbrlsvr_plugin.cli import main\nsys.argv = {arguments}\nmain()"
    return forks.run("-c", code, env={**os.environ, **environment})


def trl(folder, content):
    """A folder with a package of that name."""
    (folder / "trl").mkdir()
    (folder / "trl/__init__.py").write_text(content)
    (folder / "trl-1.16.0.dist-info").mkdir()
    (folder / "trl-1.16.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: trl\nVersion: 1.16.0\n")
    return str(folder)


def test_a_sound_installation_passes_with_the_facts_for_a_bug_report(minilm, tmp_path):
    has_it = trl(tmp_path, "class AutoModelForCausalLMWithValueHead: pass")
    result = doctor("--model", minilm, PYTHONPATH=has_it)
    assert result.returncode == 0, result.stdout + result.stderr
    for fact in ("verl 0.9", "torch 2", "pbrlsvr.embed_cosine", "verl.plugins: pbrlsvr", "cpu:", "VERL_PLATFORM="):
        assert fact in result.stdout
    assert "ok    trl 1.16.0 has" in result.stdout
    assert "8 of 8 checks passed" in result.stdout


def test_each_fault_is_found_beside_the_others(tmp_path):
    result = doctor(
        "--model", str(tmp_path / "no-model"),
        prelude="import sys; sys.modules['pbrlsvr_plugin.verl.reward_option'] = None",
        VERL_USE_EXTERNAL_PLUGINS="none", PYTHONPATH=trl(tmp_path, ""),
    )  # fmt: skip
    assert result.returncode == 1
    assert "WRONG VERL_USE_EXTERNAL_PLUGINS='none'" in result.stdout
    assert "fix: unset it" in result.stdout
    assert "WRONG trl 1.16.0 has no AutoModelForCausalLMWithValueHead" in result.stdout
    assert "WRONG check_reward_options failed" in result.stdout
    assert "no-model' " in result.stdout
    assert "cannot be loaded" in result.stdout


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
