"""A plug-in that fails is seen, although veRL hides the error."""

import subprocess
import sys

import forks
import pytest

pytest.importorskip("verl", reason="needs veRL, which loads the plug-in")


def import_verl(prelude):
    return forks.run("-c", f"{prelude}\nimport verl\nprint('veRL is there')")


def test_veRL_loads_the_plugin_without_a_word():  # noqa: N802
    result = subprocess.run(
        [sys.executable, "-c", "import verl"], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "pbrlsvr" not in result.stdout + result.stderr


def test_a_plugin_that_fails_says_so_and_names_the_command_to_run():
    result = import_verl(prelude="import sys; sys.modules['hydra._internal.config_repository'] = None")
    assert "veRL is there" in result.stdout  # veRL goes on, as it does with every plug-in
    assert "pbrlsvr: the veRL plug-in failed to start" in result.stderr
    assert "hydra._internal.config_repository" in result.stderr
    assert "pbrlsvr doctor" in result.stderr


def test_a_library_that_cannot_be_imported_is_no_matter_of_a_run_without_it():
    result = import_verl(prelude="import sys; sys.modules['pbrlsvr.errors'] = None")
    assert (result.returncode, result.stderr) == (0, "")
