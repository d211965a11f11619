"""SFT on the pivot references: what veRL's SFT trainer is given of a row that RL trains on."""

import asyncio
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("verl", reason="needs veRL's own data set")

from omegaconf import OmegaConf

from pbrlsvr.errors import ConfigError, DataError

DATA = Path(__file__).parents[2] / "data" / "chat_templates"
#: The template of each model, by its name there or in the package `trl`, and what a response ends with.
TEMPLATES = {
    "qwen3": ("qwen3", "<|im_end|>", {"enable_thinking": False}),
    "qwen3 thinking": ("qwen3", "<|im_end|>", {}),
    "llama 3.1": ("llama3_1", "<|eot_id|>", {}),
}
SPECIALS = [
    *("<pad>", "<bos>", "<eos>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"),
    *("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
]
SYSTEM = {"role": "system", "content": "Piensa paso a paso."}
TURNS = [
    {"role": "user", "content": "1+1="},
    {"role": "assistant", "content": "<think>\none and one\n</think>\n\n2"},
    {"role": "user", "content": "3+4="},
]
ROW = {
    "data_source": "toy/es",
    "prompt": [{"role": "user", "content": "3+4="}],
    "extra_info": {"index": 5, "pivot_reasoning": "3 plus 4 is 7.", "pivot_answer": "7"},
}


@pytest.fixture
def references(tiny_policy, tmp_path):
    """A function that makes the data set of one row."""
    import pandas
    from transformers import AutoTokenizer

    from pbrlsvr_plugin.verl.sft_data import Conversations, PivotReferences

    tiny = AutoTokenizer.from_pretrained(tiny_policy / "model")

    def of(row, tokenizer=tiny, **options):
        file = tmp_path / "one.parquet"
        pandas.DataFrame([row]).to_parquet(file)
        sft = {"pad_mode": "no_padding", "max_length": 512, "enable_thinking_default": "none"}
        kind = Conversations if "messages" in row else PivotReferences
        return kind(str(file), tokenizer, OmegaConf.create({**sft, **options})), tokenizer

    return of


@cache
def carried_by_trl(name):
    """A file of the package, which is not installed: veRL 0.9.1 cannot build a model beside trl 1.16."""
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "trl==1.16.0"]
        if subprocess.run(download, capture_output=True, check=False).returncode:
            pytest.skip("no package registry, or no trl 1.16.0 in it, which carries the models' chat templates")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(f"trl/chat_templates/{name}").decode()


def real(name):
    """A tokenizer of bytes with a model's own chat template and end of turn, and the arguments that RL gives it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    name, end, arguments = TEMPLATES[name]
    file = DATA / f"{name}.jinja"
    template = file.read_text(encoding="utf-8") if file.exists() else carried_by_trl(file.name)
    vocab = {token: i for i, token in enumerate([*SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token=end, bos_token="<|begin_of_text|>"
    )
    tokenizer.chat_template = template
    return tokenizer, end, arguments


def prompted_by_rl(tokenizer, prompt, arguments):
    """The prompt that veRL's own agent loop sends to the server that generates."""
    from verl.experimental.agent_loop.agent_loop import DictConfigWrap
    from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop
    from verl.utils.dataset.rl_dataset import RLHFDataset
    from verl.workers.rollout.replica import TokenOutput

    rollout = {"prompt_length": 4096, "response_length": 8}
    config = OmegaConf.create({"actor_rollout_ref": {"rollout": rollout}})
    data = OmegaConf.create({"apply_chat_template_kwargs": arguments})

    async def generate(prompt_ids, **_):
        return TokenOutput(token_ids=[tokenizer.eos_token_id])

    async def run():
        server = SimpleNamespace(generate=generate)
        loop = SingleTurnAgentLoop(
            DictConfigWrap(config), server, tokenizer, None, RLHFDataset, DictConfigWrap(data), hf_model_type=None
        )
        return await loop.run({}, raw_prompt=prompt)

    return asyncio.run(run()).prompt_ids


@pytest.mark.parametrize("prompt", [TURNS[2:], [SYSTEM, *TURNS[2:]], TURNS, [SYSTEM, *TURNS]])
@pytest.mark.parametrize("name", TEMPLATES)
def test_sft_learns_to_answer_the_prompt_that_rl_generates_from(references, name, prompt):
    tokenizer, end, arguments = real(name)
    data, _ = references({**ROW, "prompt": prompt}, tokenizer, apply_chat_template_kwargs=arguments, max_length=4096)
    row = data[0]
    learnt = row["loss_mask"].bool()
    assert row["input_ids"][~learnt].tolist() == prompted_by_rl(tokenizer, prompt, arguments)
    # Only the end of the text is learnt: the response, and the token with which the policy ends its turn.
    assert learnt.tolist() == sorted(learnt.tolist())
    assert tokenizer.decode(row["input_ids"][learnt]) == f"3 plus 4 is 7.\n#### 7{end}"
    assert row["position_ids"].tolist() == list(range(len(learnt)))


def test_without_thinking_qwen3_learns_behind_the_empty_thoughts_that_rl_puts_there(references):
    tokenizer, _, arguments = real("qwen3")
    data, _ = references(ROW, tokenizer, apply_chat_template_kwargs=arguments)
    assert tokenizer.decode(data[0]["input_ids"]) == (
        "<|im_start|>user\n3+4=<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
        "3 plus 4 is 7.\n#### 7<|im_end|>"
    )


def test_a_base_model_learns_both_the_end_of_the_turn_and_where_generation_stops(references):
    tokenizer, _, _ = real("qwen3")
    tokenizer.eos_token = "<eos>"
    data, _ = references(ROW, tokenizer)
    assert tokenizer.decode(data[0]["input_ids"]).endswith("#### 7<|im_end|><eos>")


def test_a_conversation_is_learnt_by_its_last_reply(references):
    tokenizer, end, arguments = real("qwen3")
    data, _ = references(
        {"messages": [*TURNS, {"role": "assistant", "content": "7"}]}, tokenizer, apply_chat_template_kwargs=arguments
    )
    learnt = data[0]["loss_mask"].bool()
    assert tokenizer.decode(data[0]["input_ids"][learnt]) == f"7{end}"
    assert data[0]["input_ids"][~learnt].tolist() == prompted_by_rl(tokenizer, TURNS, arguments)


def test_it_learns_the_reference_and_its_end_and_nothing_of_the_prompt(references):
    data, tokenizer = references(ROW)
    row = data[0]
    learnt = tokenizer.decode(row["input_ids"][row["loss_mask"].bool()])
    assert learnt == "3 plus 4 is 7.\n#### 7<eos>"
    assert tokenizer.decode(row["input_ids"]) == f"<bos>user: 3+4=<eos><bos>assistant: {learnt}"


def test_the_layout_can_be_changed(references):
    data, tokenizer = references(ROW, pivot_response="{pivot_reasoning} \\boxed{{{pivot_answer}}}")
    assert tokenizer.decode(data[0]["input_ids"]).endswith("3 plus 4 is 7. \\boxed{7}<eos>")


def test_a_row_too_long_is_cut_at_its_end_or_stops_by_its_name(references):
    # "<bos>user: 3+4=<eos><bos>assistant: " are 24 tokens here, the reference and its end 22.
    data, tokenizer = references(ROW, max_length=30, truncation="right")
    assert tokenizer.decode(data[0]["input_ids"][data[0]["loss_mask"].bool()]) == "3 plus"
    with pytest.raises(DataError, match=r"the row 5 of 'toy/es': sequence_length=46 is larger than self.max_length=30"):
        references(ROW, max_length=30)[0][0]
    with pytest.raises(DataError, match=r"of the row 5 of 'toy/es' fills data.max_length=24, and nothing"):
        references(ROW, max_length=24, truncation="right")[0][0]


def test_padded_rows_learn_nothing_of_the_padding(references):
    data, tokenizer = references(ROW, pad_mode="right", max_length=64)
    assert data[0]["input_ids"].shape == (64,)
    assert tokenizer.decode(data[0]["input_ids"][data[0]["loss_mask"].bool()]) == "3 plus 4 is 7.\n#### 7<eos>"


@pytest.mark.parametrize(
    ("changes", "options", "error", "reason"),
    [
        ({"pivot_reasoning": " "}, {}, DataError, r"the row 5 of 'toy/es' has no 'pivot_reasoning'"),
        ({}, {"pivot_response": "{answer}"}, DataError, r"asks for 'answer', which the row 5 of 'toy/es' lacks"),
        ({}, {"pivot_response": "{"}, ConfigError, r"is no layout"),
        ({}, {"enable_thinking_default": False}, ConfigError, r"set data.apply_chat_template_kwargs.enable_thinking"),
    ],
)
def test_a_row_or_an_option_that_gives_nothing_to_learn_stops(references, changes, options, error, reason):
    with pytest.raises(error, match=reason):
        references({**ROW, "extra_info": {**ROW["extra_info"], **changes}}, **options)[0][0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**ROW, "prompt": []}, "the row 5 of 'toy/es' has an empty 'prompt'"),
        ({"messages": TURNS}, r"has the roles \['user', 'assistant', 'user'\]: not a prompt and a reply"),
    ],
)
def test_a_row_without_a_prompt_or_a_reply_stops(references, row, reason):
    with pytest.raises(DataError, match=reason):
        references(row)[0][0]
