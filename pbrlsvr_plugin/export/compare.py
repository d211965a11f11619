"""Is an exported folder the model that was trained? Its weights bit for bit, and what it generates token for token."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from pbrlsvr.errors import ModelError
from pbrlsvr_plugin.export.merge import EXPORTED, load_config, model_class, plain_name
from pbrlsvr_plugin.export.shards import Checkpoint

PROMPTS = ("What is 17 plus 25?", "Ana tiene 17 manzanas y regala 6. ¿Cuántas le quedan?", "7 × 8 = ?")
NEW_TOKENS = 32


def compare_weights(state: dict[str, torch.Tensor], source: Checkpoint, out: Path) -> int:
    """How many tensors are equal: all.

    Raises:
        ModelError: one is not, with its name and the largest difference.
    """
    exported = model_class(out).from_pretrained(out, dtype=EXPORTED, use_safetensors=True).state_dict()
    for name, expected in trained(state, source.lora):
        if name not in exported:
            raise ModelError(f"the export lacks {name!r}, which the shards hold")
        if not torch.equal(exported[name], expected):
            worst = (exported[name].float() - expected.float()).abs().max().item()
            raise ModelError(f"{name!r} differs between the export and the shards by up to {worst:g}: do not use it")
    return len(exported)


def trained(state: dict[str, torch.Tensor], lora: dict[str, Any] | None) -> Iterator[tuple[str, torch.Tensor]]:
    """The names and tensors that the export should have, from the shards."""
    for name, tensor in state.items():
        if "lora_" in name:
            continue
        weight = tensor.to(EXPORTED)
        down = state.get(name.replace(".base_layer.weight", ".lora_A.default.weight")) if lora is not None else None
        if lora is not None and down is not None and ".base_layer.weight" in name:
            up = state[name.replace(".base_layer.weight", ".lora_B.default.weight")]
            update = (up.to(EXPORTED).float() @ down.to(EXPORTED).float()) * (lora["lora_alpha"] / lora["r"])
            weight = (weight.float() + update).to(EXPORTED)
        yield plain_name(name), weight


def compare_generations(state: dict[str, torch.Tensor], source: Checkpoint, out: Path) -> int:
    """How many greedy tokens are equal: all. Models that do not generate have 0.

    Raises:
        ModelError: one is not, with the prompt and both texts.
    """
    trained_class = model_class(source.config)
    if not trained_class.__name__.endswith("ForCausalLM"):
        return 0
    exported = greedy(trained_class.from_pretrained(out, dtype=EXPORTED, use_safetensors=True), out)
    weights = dict(trained(state, source.lora))
    sharded = trained_class.from_pretrained(None, config=load_config(source.config), state_dict=weights, dtype=EXPORTED)
    expected = greedy(sharded, source.config)
    for prompt, ours, theirs in zip(PROMPTS, exported, expected, strict=True):
        if ours != theirs:
            raise ModelError(f"to {prompt!r} the export answers with tokens {ours}, the sharded model with {theirs}")
    return sum(map(len, exported))


@torch.inference_mode()
def greedy(model: Any, folder: Path) -> list[list[int]]:
    """The greedy continuations of `PROMPTS`, with the tokenizer of a folder."""
    from transformers import AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    plain = GenerationConfig(
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.eval()
    continuations = []
    for prompt in PROMPTS:
        if tokenizer.chat_template:
            messages = [{"role": "user", "content": prompt}]
            prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=not tokenizer.chat_template).input_ids
        generated = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=plain)
        continuations.append(generated[0, ids.shape[1] :].tolist())
    return continuations
