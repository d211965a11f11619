"""A damaged installation stops each config that names pbrlsvr, with the cause and the fix, and no other application.

Each case is a real Hydra application in a process of its own, which finds a damaged copy of the package.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import config_files
import pytest

pytest.importorskip("verl", reason="needs veRL's own config tree")

import pbrlsvr
import pbrlsvr_plugin
from pbrlsvr_plugin.verl import recipe_files

TREE = Path(find_spec("verl").origin).parent / "trainer" / "config"
RECIPE = "llama3.1_8b_grpo_embed"

APP = """
import hydra
from omegaconf import OmegaConf

@hydra.main(version_base=None, config_path=None)
def main(config):
    print("TRAINS ON", OmegaConf.select(config, "reward.custom_reward_function.path"))

main()
"""

# The same through Hydra's compose, many configs in one process.
COMPOSE = """
import json, os, sys
import config_files
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf

config_files.parse_once()
results = {}
for how, (folder, name, *overrides) in json.loads(sys.argv[1]).items():
    try:
        with initialize_config_dir(folder or os.getcwd(), version_base=None):
            config = compose(name, overrides=overrides)
        results[how] = f"TRAINS ON {OmegaConf.select(config, 'reward.custom_reward_function.path')}"
    except HydraException as error:
        results[how] = str(error)
print(json.dumps(results))
"""


# Nothing of an editable installation is found beside the copy.
ONLY_THE_COPY = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in repr(finder)]
sys.path[:] = [entry for entry in sys.path if "__editable__" not in entry]
"""


def raising(error):
    return lambda file: file.write_text(f"raise {error}\n")


def shadowed(module, error):
    """A module of somebody else's that cannot be imported."""

    def damage(copy):
        (copy / module).mkdir()
        (copy / module / "__init__.py").write_text(f"raise {error}\n")

    return damage


def at(path, damage):
    return lambda copy: damage(copy / path)


def remove(path):
    return shutil.rmtree(path) if path.is_dir() else path.unlink()


NO_BABEL = "ModuleNotFoundError(\"No module named 'babel'\", name='babel')"

#: What is damaged -> how, what the message says, and the fix that it names.
DAMAGES = {
    "an ImportError in a reward": (
        at("pbrlsvr/rewards/embed_cosine.py", raising("ImportError('no rollouts today')")),
        "ImportError: no rollouts today",
        "--no-deps pbrlsvr",
    ),
    "another exception in the library": (
        at("pbrlsvr/errors.py", raising("ZeroDivisionError('so it goes')")),
        "ZeroDivisionError: so it goes",
        "--no-deps pbrlsvr",
    ),
    "a SyntaxError in the glue": (
        at("pbrlsvr_plugin/verl/reward_option.py", lambda file: file.write_text("def (:\n")),
        "SyntaxError: ",
        "--no-deps pbrlsvr",
    ),
    "a SyntaxError at the glue's top": (
        at("pbrlsvr_plugin/__init__.py", lambda file: file.write_text("def (:\n")),
        "SyntaxError: ",
        "--no-deps pbrlsvr",
    ),
    "a module that ends the process": (
        at("pbrlsvr_plugin/__init__.py", raising("SystemExit('no licence')")),
        "SystemExit: no licence",
        "--no-deps pbrlsvr",
    ),
    "a file of its name where the run starts": (
        lambda copy: (copy.parent / "mine" / "pbrlsvr.py").touch(),
        "'pbrlsvr' is not a package",
        "in another folder, or rename '",
    ),
    "a dependency that is not there": (shadowed("babel", NO_BABEL), "No module named 'babel'", "pip install babel"),
    "a dependency that breaks": (
        shadowed("babel", "AttributeError(\"module 'numpy' has no attribute 'bool8'\")"),
        "has no attribute 'bool8'",
        "pip install --force-reinstall babel",
    ),
    "no options": (at("pbrlsvr_plugin/config/reward_fn", remove), "FileNotFoundError", "--no-deps pbrlsvr"),
    "the option's file is gone": (
        at("pbrlsvr_plugin/config/reward_fn/pbrlsvr.embed_cosine.yaml", remove),
        "pbrlsvr.embed_cosine.yaml",
        "--no-deps pbrlsvr",
    ),
    "the library is gone": (at("pbrlsvr", remove), "No module named 'pbrlsvr", "--no-deps pbrlsvr"),
    "the glue is gone": (at("pbrlsvr_plugin", remove), "No module named 'pbrlsvr_plugin", "--no-deps pbrlsvr"),
    "the recipes are gone": (at("pbrlsvr_plugin/recipes", remove), "pbrlsvr_plugin.recipes", "--no-deps pbrlsvr"),
}


@pytest.fixture
def install(tmp_path):
    """A function that makes a damaged copy of the package, and returns a function that runs the application in it."""
    copy = tmp_path / "site"
    ignored = shutil.ignore_patterns("__pycache__", "hydra_plugins")
    shutil.copytree(Path(pbrlsvr.__file__).parent, copy / "pbrlsvr", ignore=ignored)
    shutil.copytree(Path(pbrlsvr_plugin.__file__).parent, copy / "pbrlsvr_plugin", ignore=ignored)
    shutil.copytree(recipe_files.folder(), copy / "pbrlsvr_plugin" / "recipes", ignore=ignored, dirs_exist_ok=True)
    guard = Path(sys.modules["hydra_plugins.pbrlsvr_searchpath.plugin"].__file__).parent
    shutil.copytree(guard, copy / "hydra_plugins" / guard.name, ignore=ignored)
    (copy / "sitecustomize.py").write_text(ONLY_THE_COPY)
    (tmp_path / "app.py").write_text(APP)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "plain.yaml").write_text("project_name: pbrlsvr\nfile: pbrlsvr.parquet\nfolder: /data/pbrlsvr.d/x\n")
    tree = f"hydra: {{searchpath: ['file://{TREE}']}}\ndefaults: [ppo_trainer, _self_]\n"
    (mine / "verls_own.yaml").write_text(tree)
    (mine / "body.yaml").write_text(f"{tree}reward_fn: pbrlsvr.embed_cosine\n")
    (mine / "variable.yaml").write_text(f"{tree}reward_fn: ${{oc.env:REWARD}}\n")
    path = "reward: {custom_reward_function: {path: 'pkg://pbrlsvr', name: embed_cosine}}\n"
    (mine / "by_path.yaml").write_text(f"{tree}{path}")
    (mine / "recipe.yaml").write_text(tree.replace("ppo_trainer", RECIPE))

    places = os.pathsep.join((str(copy), str(Path(config_files.__file__).parent)))
    environment = {**os.environ, "PYTHONPATH": places, "REWARD": "pbrlsvr.embed_cosine"}

    def run(*command):
        return subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, timeout=300, check=False, cwd=mine,
            env=environment,
        )  # fmt: skip

    def damaged(damage):
        damage(copy)
        return run

    return damaged


NAMED = {
    "body": ["body"],
    "variable": ["variable"],
    "path": ["by_path"],
    "recipe": ["recipe"],
    "command line": ["verls_own", "+reward_fn=pbrlsvr.embed_cosine"],
    "recipe's name": [RECIPE],
}
NOT_NAMED = {"plain": ["plain"], "verls_own": ["verls_own"]}


def composed(run):
    """How each of the configs came out."""
    asked = {how: [str(TREE if how == "recipe's name" else ""), *rest] for how, rest in {**NAMED, **NOT_NAMED}.items()}
    result = run("-c", COMPOSE, json.dumps(asked))
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_names_us_stops_with_the_cause_and_the_fix_and_what_does_not_runs(install, damage):
    damage, cause, fix = damage
    results = composed(install(damage))
    assert {results.pop(how) for how in NOT_NAMED} == {"TRAINS ON None"}
    if "recipes" in cause:  # what needs none of them trains on what it says
        assert {results.pop(how) for how in NAMED if "recipe" not in how} == {"TRAINS ON pkg://pbrlsvr"}
    for how, result in results.items():
        for part in (cause, fix, "pbrlsvr is installed here, but broken", "`pbrlsvr doctor`"):
            assert part in result, (how, result)


def test_a_sound_copy_runs_everything(install):
    results = composed(install(lambda copy: None))
    assert {results.pop(how) for how in NOT_NAMED} == {"TRAINS ON None"}
    assert set(results.values()) == {"TRAINS ON pkg://pbrlsvr"}


@pytest.mark.parametrize("damage", ["an ImportError in a reward", "another exception in the library"])
def test_an_application_of_somebody_else_does_not_notice(install, damage):
    run = install(DAMAGES[damage][0])
    quiet = ["hydra.run.dir=.", "hydra.output_subdir=null"]
    result = run("../app.py", "--config-dir", ".", "--config-name", "plain", *quiet)
    assert (result.returncode, result.stdout, result.stderr) == (0, "TRAINS ON None\n", "")
    result = run("../app.py", "--config-dir", ".", "--config-name", "body", *quiet)
    assert (result.returncode, result.stdout) == (1, "")
    assert DAMAGES[damage][1] in result.stderr
    assert "Traceback" not in result.stderr


def test_verls_own_trainer_stops_and_does_not_fall_back_to_its_own_scorer(install):
    run = install(DAMAGES["an ImportError in a reward"][0])
    trainer = ["-m", "verl.trainer.main_ppo", "--cfg", "job", "--package", "reward.custom_reward_function"]
    result = run(*trainer, "+reward_fn=pbrlsvr.embed_cosine")
    assert result.returncode == 1
    assert "pbrlsvr is installed here, but broken: " in result.stderr
    assert "ImportError: no rollouts today" in result.stderr
    result = run(*trainer)
    assert (result.returncode, "pbrlsvr" in result.stderr) == (0, False), result.stderr


WORKER = """
from omegaconf import OmegaConf
from verl.trainer.ppo.reward import get_custom_reward_fn

target = {"path": "pkg://pbrlsvr", "name": "embed_cosine", "reward_kwargs": {}}
get_custom_reward_fn(OmegaConf.create({"reward": {"custom_reward_function": target}}))
"""


def test_verls_reward_worker_that_cannot_import_the_reward_says_why(install):
    """What a worker of another node would meet: its driver's config has composed."""
    damage, cause, _ = DAMAGES["a dependency that breaks"]
    result = install(damage)("-c", WORKER)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: pbrlsvr.embed_cosine cannot be imported: AttributeError: ")
    assert cause in last
    assert last.endswith("run `pbrlsvr doctor` here")
