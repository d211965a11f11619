"""`pbrlsvr export` on checkpoints of real veRL runs: one rank, two ranks, LoRA on two ranks."""

import shutil

import pytest
import torch

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")
pytest.importorskip("transfer_queue", reason="needs TransferQueue: pip install pbrlsvr[cpu]")

from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from typer.testing import CliRunner
from verl_runs import SHARED

from pbrlsvr.errors import ConfigError, ModelError
from pbrlsvr_plugin.cli import app
from pbrlsvr_plugin.export import command as export_command
from pbrlsvr_plugin.export import compare as export_check
from pbrlsvr_plugin.export import shards

TENSORS = {"Llama": 3 + 2 * 9, "Qwen3": 3 + 2 * 11}  # a norm for queries and one for keys in each of two layers


@pytest.fixture(scope="module", params=list(SHARED))
def run(request, recipe_run, tmp_path_factory):
    """The checkpoints of a recipe's run, and their export."""
    checkpoints = recipe_run(request.param).checkpoints
    out = tmp_path_factory.mktemp("run") / "exported"
    done = CliRunner().invoke(app, ["export", str(checkpoints), "--out", str(out)])
    assert done.exit_code == 0, done.output
    return request.param, checkpoints, out, done.output


@pytest.fixture
def before(run, toy):
    """The folder of the model before training."""
    return toy / SHARED[run[0]].architecture


def copied(checkpoints, folder):
    """A checkpoint that may be damaged."""
    return shutil.copytree(checkpoints / "global_step_2", folder / "global_step_2")


def test_the_latest_step_is_exported_with_tokenizer_and_generation_config(run, toy):
    name, checkpoints, out, output = run
    assert str(checkpoints / "global_step_2" / "actor") in output
    tensors = TENSORS[SHARED[name].architecture]
    assert f"{tensors} tensors are those of the shards, bit for bit" in output
    assert "greedy tokens of 3 prompts are those of the sharded model" in output
    assert ("LoRA: merged" in output) is (name == "LoRA")
    original = AutoTokenizer.from_pretrained(toy / "tokenizer")
    exported = AutoTokenizer.from_pretrained(out)
    message = [{"role": "user", "content": "¿Cuánto es 7 × 8?"}]
    assert exported.apply_chat_template(message) == original.apply_chat_template(message)
    before = GenerationConfig.from_pretrained(checkpoints / "global_step_2/actor/huggingface")
    assert GenerationConfig.from_pretrained(out).eos_token_id == before.eos_token_id == 2


def gathered(actor, world_size):
    """The parameters of the shards, put together by hand: every tensor here is cut along its rows."""
    shards = [
        torch.load(actor / f"model_world_size_{world_size}_rank_{rank}.pt", weights_only=False)
        for rank in range(world_size)
    ]
    return {name: torch.cat([shard[name].to_local() for shard in shards]) for name in shards[0]}


def test_the_export_generates_what_the_trained_model_does(run, before):
    """A model made here of the shards, with peft's own layers where there is an adapter, in float32 arithmetic."""
    name, checkpoints, out, _ = run
    actor = checkpoints / "global_step_2" / "actor"
    state = gathered(actor, 1 if name == "one rank" else 2)
    sharded = AutoModelForCausalLM.from_pretrained(before, dtype=torch.float32)
    if name == "LoRA":
        from peft import PeftConfig, get_peft_model

        sharded = get_peft_model(sharded, PeftConfig.from_pretrained(out / "lora_adapter"))
        assert any(tensor.abs().max() > 0 for key, tensor in state.items() if "lora_B" in key)
    sharded.load_state_dict({key: tensor.bfloat16().float() for key, tensor in state.items()}, strict=True)
    exported = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    ids = torch.tensor([[1, 40, 41, 42], [1, 99, 7, 105]])
    with torch.inference_mode():
        ours, theirs = exported(ids).logits, sharded.eval()(ids).logits
    # A merged adapter is rounded to bfloat16 once more.
    assert torch.allclose(ours, theirs, atol=2e-2 if name == "LoRA" else 1e-6)
    untrained = AutoModelForCausalLM.from_pretrained(before, dtype=torch.float32)
    assert not torch.equal(untrained(ids).logits.bfloat16(), ours.bfloat16()), "training changed nothing"


def test_the_adapter_is_beside_the_merged_weights(run):
    name, _, out, _ = run
    if name != "LoRA":
        assert not (out / "lora_adapter").exists()
        return
    adapter = load_file(out / "lora_adapter" / "adapter_model.safetensors")
    assert len(adapter) == 2 * 7 * 2  # A and B of seven linear layers in two layers


def test_a_step_or_a_role_can_be_named(run, tmp_path):
    _, checkpoints, _, _ = run
    for number, path in enumerate((checkpoints / "global_step_1", checkpoints / "global_step_1" / "actor")):
        out = tmp_path / str(number)
        assert export_command.run(path, out, check=False) == 0
        assert (out / "model.safetensors").is_file()


def test_a_missing_rank_is_named(run, tmp_path):
    name, checkpoints, _, _ = run
    step = copied(checkpoints, tmp_path)
    gone = sorted((step / "actor").glob("model_world_size_*.pt"))[-1]
    gone.unlink()
    ranks = 1 if name == "one rank" else 2
    with pytest.raises(ConfigError, match=rf"written by {ranks} ranks, and \['{gone.name}'\] are missing"):
        export_command.export(step, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_shard_is_named_and_nothing_is_written(run, tmp_path):
    _, checkpoints, _, _ = run
    step = copied(checkpoints, tmp_path)
    shard = sorted((step / "actor").glob("model_world_size_*.pt"))[0]
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    with pytest.raises(ModelError, match=rf"{shard.name}' cannot be read .*damaged"):
        export_command.export(step, tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())


def test_shards_that_lack_a_parameter_are_refused(run, tmp_path):
    _, checkpoints, _, _ = run
    step = copied(checkpoints, tmp_path)
    for shard in (step / "actor").glob("model_world_size_*.pt"):
        state = torch.load(shard, weights_only=False)
        state = {name: tensor for name, tensor in state.items() if "layers.1.self_attn.q_proj" not in name}
        torch.save(state, shard)
    tensors = TENSORS[SHARED[run[0]].architecture]
    reason = rf"lacks 1 of the model's {tensors} tensors, 'model\.layers\.1\.self_attn\.q_proj"
    with pytest.raises(ModelError, match=reason):
        export_command.export(step, tmp_path / "out")


def test_an_export_that_is_not_the_model_is_found(run, tmp_path):
    _, checkpoints, out, _ = run
    wrong = shutil.copytree(out, tmp_path / "wrong")
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.bfloat16)
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[3, 5] += 0.25
        model.lm_head.weight.neg_()
    model.save_pretrained(wrong)
    source = shards.find(checkpoints)
    state = dict(shards.full_tensors(source))
    with pytest.raises(ModelError, match=r"differs between the export and the shards by up to"):
        export_check.compare_weights(state, source, wrong)
    with pytest.raises(ModelError, match=r"the export answers with tokens"):
        export_check.compare_generations(state, source, wrong)


def test_a_folder_without_a_checkpoint_says_what_is_there(tmp_path):
    (tmp_path / "global_step_7").mkdir()
    with pytest.raises(ConfigError, match=r"is no FSDP checkpoint of veRL.*There is: \['global_step_7'\]"):
        export_command.export(tmp_path, tmp_path / "out")
    with pytest.raises(ConfigError, match="no such folder"):
        export_command.export(tmp_path / "nowhere", tmp_path / "out")


def test_the_command_prints_the_reason_without_a_stack(tmp_path):
    done = CliRunner().invoke(app, ["export", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert done.stderr.startswith("ConfigError: ")
    assert "is no FSDP checkpoint of veRL" in done.stderr


def test_a_folder_that_is_not_empty_is_left_alone(run, tmp_path):
    _, checkpoints, _, _ = run
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match="is not empty"):
        export_command.export(checkpoints, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_disk_that_is_too_small_is_an_error_before_anything_is_written(run, tmp_path, monkeypatch):
    _, checkpoints, _, _ = run
    real = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real._replace(free=1000))
    with pytest.raises(ConfigError, match=r"has 0\.0 GiB free"):
        export_command.export(checkpoints, tmp_path / "out")
