"""What cpu/patches.py answers is still there in veRL. A failure here says which patch to look at again."""

import inspect
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import forks
import pytest

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")

from pbrlsvr_plugin.cpu.patches import PATCHES

TESTED = "0.9.1"


def installed_version():
    from importlib.metadata import version

    return version("verl")


@pytest.mark.parametrize("patch", PATCHES, ids=lambda p: p.apply.__name__)
def test_the_line_that_a_patch_answers_is_still_in_verl(patch):
    source = Path(find_spec(patch.module).origin).read_text()
    assert patch.line in source, f"{patch.where} has changed; does {patch.apply.__name__} still apply?"


@pytest.mark.parametrize("patch", PATCHES, ids=lambda p: p.apply.__name__)
def test_the_line_numbers_in_the_comments_are_right(patch):
    if installed_version() != TESTED:
        pytest.skip(f"the numbers are those of veRL {TESTED}")
    lines = Path(find_spec(patch.module).origin).read_text().splitlines()
    for number in re.findall(r"\d+", patch.where.rpartition(":")[2]):
        assert patch.line in lines[int(number) - 1]


# What each patch is for, as code that must fail without it.
CHECKS = """
import json, os, tempfile, traceback

def process_group():
    import verl.utils.distributed as d
    os.environ["DIST_INIT_METHOD"] = "file://" + tempfile.mktemp()
    d.initialize_global_process_group_ray()

def torchrun():
    import torch, verl.utils.distributed as d
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    os.environ["DIST_INIT_METHOD"] = "file://" + tempfile.mktemp() + "?rank=0&world_size=1"
    os.environ.update(LOCAL_RANK="0", RANK="0", WORLD_SIZE="1")
    assert d.initialize_global_process_group() == (0, 0, 1)

def engines():
    import verl.workers.engine.fsdp
    from verl.workers.engine.base import EngineRegistry
    assert EngineRegistry.get_engine_cls("language_model", "fsdp2").__name__ == "FSDPEngineWithLMHead"
    assert EngineRegistry.get_engine_cls("value_model", "fsdp2").__name__ == "FSDPEngineWithValueHead"

def offload():
    import verl.workers.engine.fsdp.transformer_impl as t
    policy = t.CPUOffloadPolicy(pin_memory=True)
    assert policy is None, f"it offloads, with {policy}"

def rollout():
    from verl.workers.rollout.base import get_rollout_class
    assert get_rollout_class("hf").__name__ == "HFRollout"

def replica():
    from verl.workers.rollout.replica import get_rollout_replica_class
    assert get_rollout_replica_class("hf").__name__ == "HFReplica"

errors = {}
for check in (process_group, torchrun, engines, offload, rollout, replica):
    try:
        check()
    except Exception as error:
        errors[check.__name__] = f"{type(error).__name__}: {error}"
print("ERRORS", json.dumps(errors))
"""

# veRL on the CPU platform, but without the patches.
WITHOUT = """
import os
os.environ["VERL_USE_EXTERNAL_PLUGINS"] = "none"
import verl
from verl.plugin.platform import PlatformRegistry
from pbrlsvr_plugin.cpu.platform import PlatformCPU
PlatformRegistry.register(platform="cpu")(PlatformCPU)
"""


def errors(prelude):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VERL")}
    result = forks.run("-c", prelude + CHECKS, env={**kept, "VERL_PLATFORM": "cpu"})
    lines = [line for line in result.stdout.splitlines() if line.startswith("ERRORS ")]
    assert lines, result.stderr[-3000:]
    return json.loads(lines[0].removeprefix("ERRORS "))


def test_with_the_patches_everything_works():
    assert errors("import verl") == {}


def test_without_the_patches_everything_fails_as_their_reasons_say():
    found = errors(WITHOUT)
    assert found.keys() == {"process_group", "torchrun", "engines", "offload", "rollout", "replica"}, (
        "veRL does the others itself now"
    )
    assert "Duplicate device type cpu" in found["process_group"]
    assert "Duplicate device type cpu" in found["torchrun"]
    assert "pin_memory=True" in found["offload"]
    assert "hf" in found["rollout"]
    assert "hf" in found["replica"]


def test_importing_the_package_changes_nothing():
    code = "import sys, pbrlsvr_plugin.cpu; print('torch' in sys.modules, 'verl' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert result.stdout.split() == ["False", "False"], result.stderr


def test_the_critic_loads_without_flash_attention(tiny_policy):
    import torch
    from transformers import AutoConfig

    from pbrlsvr_plugin.cpu import patches

    module = import_module("verl.utils.model")
    assert "flash_attention_2" in inspect.getsource(sys.modules["verl.utils.model"])
    original = module.load_valuehead_model
    try:
        patches._value_head_without_flash_attention(module)
        config = AutoConfig.from_pretrained(tiny_policy / "model", num_labels=1, attn_implementation="sdpa")
        model = module.load_valuehead_model(str(tiny_policy / "model"), torch.float32, config, False)
    finally:
        module.load_valuehead_model = original
    assert model(torch.tensor([[5, 6, 7]])).logits.shape == (1, 3, 1)
    assert model.config._attn_implementation == "sdpa"
