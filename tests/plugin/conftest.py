"""A tiny policy with a chat template, and veRL's parquet files beside it."""

from pathlib import Path

import pytest

TEMPLATE = (
    "{% for m in messages %}{{ '<bos>' + m['role'] + ': ' + m['content'] + '<eos>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<bos>assistant: ' }}{% endif %}"
)


def save_tokenizer(folder):
    """One token per byte, so that any text has ids below 259."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    specials = ["<pad>", "<bos>", "<eos>"]
    vocab = {token: i for i, token in enumerate([*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in specials])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer


def tiny_causal_lm(architecture="Llama", seed=0, **overrides):
    """A randomly initialised model of about 100,000 parameters."""
    import torch
    import transformers

    torch.manual_seed(seed)
    options = {
        "vocab_size": 259,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    config = getattr(transformers, f"{architecture}Config")(**{**options, **overrides})
    return getattr(transformers, f"{architecture}ForCausalLM")(config).float().eval()


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory) -> Path:
    """A folder with `model/`, `train.parquet` and `val.parquet`."""
    import pandas

    folder = tmp_path_factory.mktemp("tiny_policy")
    tiny_causal_lm().save_pretrained(folder / "model")
    save_tokenizer(folder / "model")
    for split, rows in (("train", 16), ("val", 4)):
        pandas.DataFrame(
            {
                "data_source": "toy/en",
                "prompt": [{"role": "user", "content": f"{i}+{i + 1}="}],
                "ability": "math",
                "reward_model": {"style": "rule", "ground_truth": str(2 * i + 1)},
                "extra_info": {"index": i, "split": split},
            }
            for i in range(rows)
        ).to_parquet(folder / f"{split}.parquet")
    return folder
