"""Parameters from a config alone, against real models, published sizes and peft."""

import doctest

import pytest

pytest.importorskip("verl", reason="needs veRL's list of modules that FSDP2 wraps")
transformers = pytest.importorskip("transformers")

from pbrlsvr.errors import ConfigError  # noqa: E402
from pbrlsvr_plugin.plan import model_size as module  # noqa: E402
from pbrlsvr_plugin.plan.model_size import Lora, model_size, size_of  # noqa: E402

TINY = {"vocab_size": 131, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}  # fmt: skip


def llama_8b():
    """Values of https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct, config.json."""
    return transformers.LlamaConfig(
        vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, max_position_embeddings=131072, tie_word_embeddings=False,
    )  # fmt: skip


def qwen3_32b():
    """Values of https://huggingface.co/Qwen/Qwen3-32B, config.json."""
    return transformers.Qwen3Config(
        vocab_size=151936, hidden_size=5120, intermediate_size=25600, num_hidden_layers=64, num_attention_heads=64,
        num_key_value_heads=8, head_dim=128, max_position_embeddings=40960, tie_word_embeddings=False,
    )  # fmt: skip


@pytest.mark.parametrize("tied", [False, True], ids=["head of its own", "tied head"])
@pytest.mark.parametrize("architecture", ["Llama", "Qwen2", "Qwen3"])
def test_counts_are_those_of_the_real_model(architecture, tied):
    config = getattr(transformers, f"{architecture}Config")(**TINY, tie_word_embeddings=tied)
    real = transformers.AutoModelForCausalLM.from_config(config)
    size = size_of(config, "tiny")
    assert size.count() == sum(p.numel() for p in real.parameters())
    assert size.count(trainable=True) == size.count()
    assert size.embedding == real.get_input_embeddings().weight.numel()
    assert size.layer == sum(p.numel() for p in real.model.layers[0].parameters())
    assert size.tied is tied


def test_llama_3_1_8b_has_the_parameters_of_its_checkpoint():
    # The index of its safetensors names 16,060,522,496 bytes of bfloat16.
    assert size_of(llama_8b(), "8B").count() == 8_030_261_248 == 16_060_522_496 // 2


def test_qwen3_32b_has_the_parameters_of_its_card():
    # "Number of Parameters: 32.8B; Number of Parameters (Non-Embedding): 31.2B"
    size = size_of(qwen3_32b(), "32B")
    assert size.count() == 32_762_123_264
    assert round((size.count() - 2 * size.embedding) / 1e9, 1) == 31.2


def test_a_critic_has_one_value_per_token_instead_of_the_vocabulary():
    policy, critic = size_of(llama_8b(), "8B"), size_of(llama_8b(), "8B", "critic")
    assert policy.count() - critic.count() == 4096 * 128256 - (4096 + 1)


def test_a_lora_adapter_adds_and_trains_what_peft_does():
    config = transformers.LlamaConfig(**TINY, tie_word_embeddings=False)
    size = size_of(config, "tiny", lora=Lora(4, 8, "all-linear"))
    # r (inputs + outputs) of q, k, v, o, gate, up, down: queries 32 wide, keys and values 16, hidden 24, MLP 40.
    by_hand = 3 * 4 * ((24 + 32) + 2 * (24 + 16) + (32 + 24) + 3 * (24 + 40))
    assert size.count(trainable=True) == by_hand
    assert size.count() == size_of(config, "tiny").count() + by_hand

    from peft import LoraConfig, get_peft_model

    real = get_peft_model(
        transformers.AutoModelForCausalLM.from_config(config), LoraConfig(r=4, target_modules="all-linear")
    )
    assert real.get_nb_trainable_parameters() == (size.count(trainable=True), size.count())


def test_lora_takes_the_modules_that_are_named():
    config = transformers.LlamaConfig(**TINY)
    size = size_of(config, "tiny", lora=Lora(2, 8, ("q_proj", "v_proj")))
    assert size.count(trainable=True) == 3 * 2 * ((24 + 32) + (24 + 16))
    with pytest.raises(ConfigError, match="no_such_proj"):
        size_of(config, "tiny", lora=Lora(2, 8, ("no_such_proj",)))


def test_a_shard_is_rounded_up_to_rows_as_fsdp2_pads_it():
    size = size_of(transformers.LlamaConfig(**TINY, tie_word_embeddings=False), "tiny")
    embedding = size.units[0]
    assert embedding.count() == 131 * 24
    assert embedding.shard(2) == 66 * 24  # 131 rows: 66 and 65
    assert size.shard(1) == size.count()


def test_a_folder_needs_no_weights(tmp_path):
    config = transformers.Qwen3Config(**TINY, architectures=["Qwen3ForCausalLM"])
    config.save_pretrained(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]
    assert model_size(str(tmp_path)).count() == size_of(config, "same").count()


def test_a_model_that_is_not_there_says_what_to_give():
    with pytest.raises(ConfigError, match=r"'no/such-model' cannot be read.*--model FOLDER"):
        model_size("no/such-model")


def test_the_examples_in_the_docstrings_are_right():
    assert doctest.testmod(module).failed == 0
