"""The package in a fresh environment that has veRL: each way to install works, and nothing there changes."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from environments import make_environment, python_of

ROOT = Path(__file__).parents[2]
TORCH = os.environ.get("TORCH", "torch==2.13.0")
VERL = "verl==0.9.1"

# What a user's first minute touches, from a folder that is not the checkout.
PROBE = """
import json, os, sys
import pbrlsvr
light = not {"torch", "verl"} & set(sys.modules)
import importlib.metadata, pbrlsvr_plugin.recipes
from hydra import compose, initialize_config_module
with initialize_config_module("verl.trainer.config", version_base=None):
    config = compose("ppo_trainer", overrides=["+reward_fn=pbrlsvr.embed_cosine"])
plain = importlib.metadata.entry_points(group="verl.plugins")
import verl
from verl.trainer.ppo.reward import get_custom_reward_fn
print(json.dumps({
    "light": light,
    "reward": get_custom_reward_fn(config).args[0].__qualname__,
    "entry": [point.value for point in plain if point.name == "pbrlsvr"],
    "typed": os.path.exists(os.path.join(os.path.dirname(pbrlsvr.__file__), "py.typed")),
}))
"""
INSTALLED = """
import json
from importlib.metadata import distributions
# Of a distribution that is in two places, the first one is imported.
print(json.dumps({one.metadata["Name"]: one.version for one in reversed([*distributions()])}))
"""


def pip(folder, *arguments, check=True):
    return run(python_of(folder), "-m", "pip", *arguments, cwd=folder, check=check)


def run(*command, cwd, check=True):
    # To compile all of torch and veRL takes longer than the rest, and little of it is imported.
    environment = {**os.environ, "PIP_NO_COMPILE": "1"}
    result = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, cwd=cwd, timeout=800, check=False, env=environment
    )
    assert not check or result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """The folder of a new virtual environment with torch and veRL, and the versions of all packages in it.

    It has what pip installs there today, and nothing else: what is here in that version is not unpacked again.
    """
    folder = tmp_path_factory.mktemp("fresh")
    make_environment(folder, [], only=["pip", "torch", "verl"])
    newest = pip(folder, "install", "--upgrade", "--upgrade-strategy", "eager", TORCH, VERL, check=False)
    if f"No matching distribution found for {TORCH}" in newest.stderr:
        pytest.skip(f"no package registry, or no {TORCH} in it")
    assert newest.returncode == 0, newest.stderr
    return folder, installed(folder)


def installed(folder):
    versions = json.loads(run(python_of(folder), "-c", INSTALLED, cwd=folder).stdout)
    versions.pop("pbrlsvr", None)
    return versions


@pytest.fixture(scope="module")
def wheel(fresh):
    folder, _ = fresh
    pip(folder, "wheel", "--no-deps", "-w", folder / "dist", ROOT)
    return next((folder / "dist").glob("pbrlsvr-*.whl"))


WAYS = {
    "wheel": lambda wheel: [wheel],
    "editable": lambda wheel: ["-e", ROOT],
    "editable-strict": lambda wheel: ["-e", ROOT, "--config-settings", "editable_mode=strict"],
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_install_works_and_changes_nothing_that_was_there(way, fresh, wheel):
    folder, before = fresh
    pip(folder, "install", *WAYS[way](wheel))
    after = installed(folder)
    assert {name: after.get(name) for name in before} == before
    assert pip(folder, "check").stdout.strip() == "No broken requirements found."
    probe = json.loads(run(python_of(folder), "-c", PROBE, cwd=folder).stdout.splitlines()[-1])
    assert probe == {
        "light": True, "reward": "embed_cosine", "entry": ["pbrlsvr_plugin.verl.entry"], "typed": True,
    }  # fmt: skip
    shown = run(folder / "venv/bin/pbrlsvr", "version", cwd=folder).stdout
    assert shown.strip() == "0.1.0"
    pip(folder, "uninstall", "-y", "pbrlsvr")


@pytest.mark.parametrize("extra", ["embed", "comet", "mt", "tracking", "serve", "cpu", "all"])
def test_each_extra_leaves_verls_own_packages_as_they_are(extra, fresh, wheel):
    folder, before = fresh
    report = folder / f"{extra}.json"
    pip(folder, "install", "--dry-run", "--quiet", "--report", report, f"{wheel}[{extra}]")
    planned = {item["metadata"]["name"] for item in json.loads(report.read_text())["install"]}
    normal = {name.lower().replace("_", "-") for name in before}
    changed = {name for name in planned if name.lower().replace("_", "-") in normal}
    assert not changed, f"[{extra}] would replace {changed}"
