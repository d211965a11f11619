"""A tiny policy; runs that several files look at; a chat server that counts requests and fails on demand."""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from http_server import HttpServer, Request
from verl_runs import Once, save_toy, shared_run

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


@dataclass
class Reply:
    """What the server sends: a completion, or a fault."""

    text: str = ""
    finish_reason: str = "stop"
    thinking: str = ""
    status: int = 200
    headers: dict = field(default_factory=dict)
    raw: bytes | None = None
    cut: bool = False
    seconds: float = 0.0


class ChatServer:
    """`reply(prompt, payload, number)` decides; `asked` holds every payload that was answered with 200."""

    def __init__(self, reply: Callable[[str, dict, int], Reply]):
        self.reply = reply
        self.requests = 0
        self.keys: set[str] = set()
        self._lock = threading.Lock()
        self._server = HttpServer(self._answer).start()
        self.url, self.asked, self.close = self._server.url, self._server.answered, self._server.stop

    def _answer(self, request: Request) -> tuple[int, dict | bytes, dict]:
        with self._lock:
            self.requests += 1
            number = self.requests
            self.keys.add(request.headers.get("authorization", ""))
        reply = self.reply(request.body["messages"][-1]["content"], request.body, number)
        time.sleep(reply.seconds)
        message = {"role": "assistant", "content": reply.text}
        if reply.thinking:
            message["reasoning_content"] = reply.thinking
        usage = {"prompt_tokens": 10, "completion_tokens": len(reply.text)}
        body = {"choices": [{"message": message, "finish_reason": reply.finish_reason}], "usage": usage}
        if reply.cut:
            data = json.dumps(body).encode()
            return reply.status, data[: len(data) // 2], {**reply.headers, "Content-Length": str(len(data))}
        return reply.status, body if reply.raw is None else reply.raw, reply.headers


@pytest.fixture
def chat_server():
    """`chat_server(reply)` starts one."""
    servers = []

    def start(reply) -> ChatServer:
        servers.append(ChatServer(reply))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def reply():
    """The class of the server's replies."""
    return Reply


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Once:
    root = tmp_path_factory.getbasetemp()
    return Once((root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "once")


@pytest.fixture(scope="session")
def toy(once) -> Path:
    """A folder with `Llama/`, `Qwen3/`, `tokenizer/`, `comet/`, `train.parquet` and `val.parquet`."""
    return once("toy", save_toy)


@pytest.fixture(scope="session")
def recipe_run(once, toy, minilm):
    """`recipe_run(name)`: the run of `verl_runs.SHARED[name]`; copy of it what a test changes."""
    return lambda name: shared_run(name, once, toy, minilm)
