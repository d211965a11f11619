"""`pbrlsvr export` of checkpoints that somebody has put something into."""

import json
import os
import shutil

import pytest
import torch

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")

import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from pbrlsvr.errors import ConfigError, ModelError, PbrlsvrError
from pbrlsvr_plugin.cli import app
from pbrlsvr_plugin.export.command import export
from pbrlsvr_plugin.export.merge import weights_only


def sharded(tensor, ranks):
    """The DTensors that so many ranks of FSDP would save of a tensor, cut along its rows."""
    found = []
    for rank in range(ranks):
        dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=ranks)
        mesh = init_device_mesh("cpu", (ranks,), mesh_dim_names=("fsdp",))
        chunks = tensor.chunk(ranks)
        part = chunks[rank] if rank < len(chunks) else tensor[:0]
        found.append(DTensor.from_local(part.clone(), mesh, [Shard(0)], shape=tensor.shape, stride=tensor.stride()))
        dist.destroy_process_group()
    return found


def written(policy, folder, ranks, world_size=None):
    """A checkpoint as veRL writes it, of the tiny policy; `world_size` is what it says of itself."""
    actor = folder / "global_step_3" / "actor"
    shutil.copytree(policy / "model", actor / "huggingface", ignore=shutil.ignore_patterns("*.safetensors"))
    state = AutoModelForCausalLM.from_pretrained(policy / "model", dtype=torch.float32).state_dict()
    shards = {name: sharded(tensor.detach(), ranks) for name, tensor in state.items()}
    world_size = world_size or ranks
    for rank in range(ranks):
        parameters = {name: parts[rank] for name, parts in shards.items()}
        torch.save(parameters, actor / f"model_world_size_{world_size}_rank_{rank}.pt")
    (actor / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": world_size}))
    (folder / "latest_checkpointed_iteration.txt").write_text("3")
    return actor


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_checkpoint_written_by_hand_is_exported(tiny_policy, tmp_path, ranks):
    written(tiny_policy, tmp_path / "run", ranks)
    done = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    before = AutoModelForCausalLM.from_pretrained(tiny_policy / "model", dtype=torch.bfloat16).state_dict()
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.bfloat16).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_rank_that_the_checkpoint_does_not_count_is_not_read(tiny_policy, tmp_path, canary):
    """veRL's merger counts ranks by the mesh: with world_size 1 and a mesh of 2 it read rank 1, and ran its pickle."""
    actor = written(tiny_policy, tmp_path / "run", ranks=2, world_size=1)
    torch.save({"model.embed_tokens.weight": canary}, actor / "model_world_size_1_rank_1.pt")
    with pytest.raises(ModelError, match="was written by 2 ranks, and the checkpoint by 1"):
        export(tmp_path / "run", tmp_path / "out")


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("beside", [True, False], ids=["beside the weights", "instead of them"])
def test_a_pickle_in_a_shard_is_named_and_not_run(tiny_policy, tmp_path, canary, rank, beside):
    actor = written(tiny_policy, tmp_path / "run", ranks=2)
    shard = actor / f"model_world_size_2_rank_{rank}.pt"
    kept = torch.load(shard, weights_only=True) if beside else {}
    torch.save({**kept, "canary": canary}, shard)
    with pytest.raises(ModelError, match=rf"{shard.name}' holds more than weights and plain values"):
        export(tmp_path / "run", tmp_path / "out")
    with weights_only(), pytest.raises(Exception, match=r"[Ww]eights"):
        torch.load(shard, weights_only=False)


def test_files_that_no_export_needs_are_not_opened(tiny_policy, tmp_path, canary):
    actor = written(tiny_policy, tmp_path / "run", ranks=1)
    names = ("optim_world_size_1_rank_0.pt", "extra_state_world_size_1_rank_0.pt", "model_world_size_1_rank_1.pt",
             "model_world_size_2_rank_0.pt", "data.pt", "huggingface/pytorch_model.bin",
             "huggingface/adapter_model.bin")  # fmt: skip
    for name in names:
        torch.save(canary, actor / name)
    torch.save(canary, actor.parent / "data.pt")
    canary.into(actor / "huggingface")
    for file in ("config.json", "tokenizer_config.json"):
        canary.change(actor / "huggingface" / file, auto_map=canary.auto_map)
    export(tmp_path / "run", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert not list((tmp_path / "out").rglob("*.py"))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("fsdp_config.json", {"world_size": 10**9}, "world_size=1000000000 is no number of ranks"),
        ("fsdp_config.json", {"world_size": "1"}, "world_size='1' is no number of ranks"),
        ("fsdp_config.json", {"world_size": True}, "world_size=True is no number of ranks"),
        ("fsdp_config.json", [1], "world_size=None is no number of ranks"),
        ("fsdp_config.json", {"world_size": 1, "x": "x" * 17_000_000}, "more than 16,777,216 bytes"),
        ("lora_train_meta.json", {"r": 0, "lora_alpha": 8}, "says r=0"),
        ("lora_train_meta.json", {"r": 4, "lora_alpha": 1e400}, "says lora_alpha=inf"),
        ("lora_train_meta.json", "text", "says r=None"),
        ("huggingface/config.json", {"model_type": "evil"}, "cannot be read"),
        ("huggingface/config.json", {"model_type": "llama", "architectures": ["pipeline"]}, "architecture 'pipeline'"),
        ("huggingface/config.json", {"model_type": "llama", "architectures": [["x"]]}, "architecture|cannot be read"),
        ("huggingface/config.json", {"model_type": "llama", "architectures": []}, "names architecture None"),
        ("huggingface/config.json", {"model_type": "llama", "num_hidden_layers": 10**9}, "at most 10,000"),
        ("huggingface/config.json", {"model_type": "llama", "hidden_size": -1, "architectures": ["LlamaForCausalLM"]},
         "describes no model|cannot be read|lacks"),
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_is_named(tiny_policy, tmp_path, file, content, message):
    actor = written(tiny_policy, tmp_path / "run", ranks=1)
    (actor / file).write_text(json.dumps(content))
    with pytest.raises(PbrlsvrError, match=message) as caught:
        export(tmp_path / "run", tmp_path / "out")
    assert len(str(caught.value)) < 3_000


@pytest.mark.parametrize("text", ["../../elsewhere", "", "3\n../x", "9" * 500])
def test_the_latest_step_is_a_number(tiny_policy, tmp_path, text):
    written(tiny_policy, tmp_path / "run", ranks=1)
    (tmp_path / "run" / "latest_checkpointed_iteration.txt").write_text(text)
    with pytest.raises((ModelError, ConfigError)):
        export(tmp_path / "run", tmp_path / "out")


def test_what_a_shard_holds_besides_tensors_is_named(tiny_policy, tmp_path):
    actor = written(tiny_policy, tmp_path / "run", ranks=1)
    for content in ({"a": 1}, [1], {1: torch.zeros(2)}, {"lm_head.weight": torch.zeros(1).expand(10**6, 10**6)}):
        torch.save(content, actor / "model_world_size_1_rank_0.pt")
        with pytest.raises(ModelError, match=r"rank_0\.pt"):
            export(tmp_path / "run", tmp_path / "out")


def test_the_environment_is_as_it_was_after_the_merge(monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)
    with weights_only():
        assert os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] == "1"
        assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
