"""The plan's formulas against bytes that torch holds: real FSDP2 shards, autograd's saved tensors, a real KV cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("verl", reason="needs veRL's apply_fsdp2")

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "plan.py"


@pytest.fixture(scope="module")
def rows():
    """A step of AdamW on two processes under gloo, with an odd vocabulary, so that shards are padded."""
    command = [sys.executable, str(SCRIPT), "--json", "--models", "qwen3", "llama tied"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return {row["what"]: row for row in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize("model", ["qwen3", "llama tied"])
@pytest.mark.parametrize("what", ["parameters", "gradients", "optimiser states"])
def test_a_rank_holds_the_planned_bytes(rows, model, what):
    row = rows[f"{model}, 2 ranks: {what}"]
    # AdamW's step counters, four bytes for each tensor, are not in the plan.
    assert row["planned"] <= row["measured"] <= row["planned"] * 1.0001


@pytest.mark.parametrize("model", ["qwen3", "llama tied"])
def test_a_layer_keeps_the_planned_bytes_for_its_backward_pass(rows, model):
    assert rows[f"{model}: bytes per token that a layer keeps"]["ratio"] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("model", ["qwen3", "llama tied"])
def test_a_key_value_cache_takes_the_planned_bytes(rows, model):
    assert rows[f"{model}: KV cache, bytes per token"]["ratio"] == 1
