"""Whichever way a response comes in, it gets the same score: 200 responses in ten languages, through each door."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
import yaml
from served import command
from typer.testing import CliRunner

import pbrlsvr
from pbrlsvr_plugin.cli import app

#: What each door's code gets: the samples, the options, a tokenizer with a policy. It prints lists of scores.
READ = """
import asyncio, json, os, sys
samples, options, policy = sys.argv[1:]
SAMPLES = json.load(open(samples))
"""
VERL = (
    READ
    + """
import numpy as np, torch, yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from tensordict import TensorDict
from transformers import AutoTokenizer
from verl import DataProto
from verl.trainer.ppo.reward import load_reward_manager

tokenizer = AutoTokenizer.from_pretrained(policy)
with initialize_config_module("verl.trainer.config", version_base=None):
    config = compose("ppo_trainer", overrides=["+reward_fn=pbrlsvr.hybrid", f"actor_rollout_ref.model.path={policy}"])
for name, block in yaml.safe_load(open(options))["hybrid"].items():
    OmegaConf.update(config, f"reward.custom_reward_function.reward_kwargs.{name}", block, merge=True)

def rollout(sample):
    ids = tokenizer(sample["response"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    tensors = {"responses": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    row = {"data_source": sample["data_source"], "extra_info": sample["extra_info"],
           "reward_model": {"style": "pivot", "ground_truth": sample["ground_truth"]}}
    return DataProto(batch=TensorDict(tensors, batch_size=1),
                     non_tensor_batch={key: np.array([value], dtype=object) for key, value in row.items()})

async def scores():
    manager = load_reward_manager(config, tokenizer)
    found = await asyncio.gather(*(manager.run_single(rollout(sample)) for sample in SAMPLES))
    return [one["reward_score"] for one in found]

print(json.dumps([asyncio.run(scores())]))
"""
)
TRL = (
    READ
    + """
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
import pbrlsvr_plugin.adapters.trl as ours

with open("prompts.jsonl", "w") as file:
    file.write(json.dumps({"prompt": "x"}) + "\\n")
trainer = GRPOTrainer(
    model=AutoModelForCausalLM.from_pretrained(policy), processing_class=AutoTokenizer.from_pretrained(policy),
    reward_funcs=ours.hybrid, train_dataset=load_dataset("json", data_files="prompts.jsonl", split="train"),
    args=GRPOConfig(output_dir="out", report_to=[], use_cpu=True, bf16=False, num_generations=2,
                    per_device_train_batch_size=2),
)
texts = [sample["response"] for sample in SAMPLES]
as_messages = [[{"role": "assistant", "content": text}] for text in texts]
print(json.dumps([
    trainer._calculate_rewards(SAMPLES, ["x"] * len(texts), said, [[1]] * len(texts))[:, 0].tolist()
    for said in (texts, as_messages)
]))
"""
)
OPENRLHF = (
    READ
    + """
from types import SimpleNamespace as Space
from openrlhf.trainer.ray.vllm_engine import _load_agent_executor
from openrlhf.utils.agent import SingleTurnAgentExecutor
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(policy)
params = Space(max_tokens=4000, logprobs=None)

class Engine:
    def __init__(self, text):
        self.tokens = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]

    async def generate(self, *_, **__):
        return Space(outputs=[Space(token_ids=self.tokens, finish_reason="stop", logprobs=None)])

async def scores(executor):
    prompt = lambda sample: tokenizer.apply_chat_template(
        [{"role": "user", "content": sample["extra_info"]["question"]}], tokenize=False, add_generation_prompt=True)
    label = lambda sample: json.dumps({key: value for key, value in sample.items() if key != "response"})
    found = await asyncio.gather(*(
        executor.execute(prompt(sample), label(sample), params, 8000, tokenizer, Engine(sample["response"]))
        for sample in SAMPLES))
    return [one["reward"] for one in found]

from pbrlsvr_plugin.adapters import entry
folder = entry.__path__[0]
roads = (_load_agent_executor(folder + "/openrlhf_agent.py"), SingleTurnAgentExecutor(folder + "/openrlhf_reward.py"))
print(json.dumps([asyncio.run(scores(road)) for road in roads]))
"""
)


def through_score(samples: Path, options: Path, folder: Path) -> list[list[float]]:
    rows, flat, out = folder / "rows.jsonl", folder / "options.yaml", folder / "out.jsonl"
    rows.write_text("".join(json.dumps(one) + "\n" for one in json.loads(samples.read_text())))
    flat.write_text(yaml.safe_dump(yaml.safe_load(options.read_text())["hybrid"]))
    ran = CliRunner().invoke(app, ["score", str(rows), str(flat), "--reward", "hybrid", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    return [[json.loads(line)["hybrid_score"] for line in out.read_text().splitlines()]]


def through_http(samples: Path, options: Path, folder: Path) -> list[list[float]]:
    """`/score`, and what OpenRLHF asks, at a real server."""
    rows, config = json.loads(samples.read_text()), folder / "serve.yaml"
    config.write_text(yaml.safe_dump({"reward": "hybrid", "options": yaml.safe_load(options.read_text())["hybrid"]}))
    server = command(str(config), folder=folder)
    try:
        url = server.url
        server.wait_for("ready\n")
        plain = httpx.post(f"{url}/score", json={"samples": rows}, timeout=300).raise_for_status().json()
        prompt = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
        prompts = [prompt.format(row["extra_info"]["question"]) for row in rows]
        body = {
            "query": [f"{start}{row['response']}<|im_end|>" for start, row in zip(prompts, rows, strict=True)],
            "prompts": prompts,
            "labels": [json.dumps({key: value for key, value in row.items() if key != "response"}) for row in rows],
        }
        openrlhf = httpx.post(f"{url}/get_reward", json=body, timeout=300).raise_for_status().json()
    finally:
        server.process.kill()
    return [[one["score"] for one in plain["results"]], openrlhf["rewards"]]


#: A door: code for an environment with a trainer's own wheel, or for this one (""), or a function.
DOORS = {
    "veRL": ("", VERL),
    "TRL": ("trl", TRL),
    "OpenRLHF": ("openrlhf", OPENRLHF),
    "pbrlsvr score": through_score,
    "HTTP": through_http,
}

#: Language -> how it adds, and how it says the answer.
LANGUAGES = {
    "en": ("First we add {a} and {b}, and together they are {c} apples.", "The answer is {c}."),
    "de": ("Zuerst rechnen wir {a} und {b} zusammen, das sind {c} Äpfel.", "Die Antwort lautet {c}."),
    "es": ("Primero sumamos {a} y {b}, y juntas son {c} manzanas.", "La respuesta es {c}."),
    "fr": ("Nous ajoutons d'abord {a} et {b}, ce qui fait {c} pommes.", "La réponse est {c}."),
    "ru": ("Сначала мы складываем {a} и {b}, вместе это {c} яблок.", "Ответ: {c}."),
    "sw": ("Kwanza tunajumlisha {a} na {b}, jumla ni tufaha {c}.", "Jibu ni {c}."),
    "th": ("ก่อนอื่นเรานำ {a} มาบวกกับ {b} รวมเป็นแอปเปิล {c} ผล", "คำตอบคือ {c}"),
    "zh": ("首先我们把 {a} 和 {b} 加起来,一共是 {c} 个苹果。", "答案是 {c}。"),
    "ja": ("まず {a} と {b} を足すと、りんごは全部で {c} 個です。", "答えは {c} です。"),
    "bn": ("প্রথমে আমরা {a} ও {b} যোগ করি, মোট {c}টি আপেল।", "উত্তর হল {c}।"),
}
SHAPES = (
    "{thought}\n{said}",
    "<think>\n{thought}\n</think>\n\n{said}",
    "{thought}\n#### {c}",
    "{thought} \\boxed{{{c}}}",
    "{english}\n{said}",
    "{thought}",
    "",
    "  \n{said}",
    "{thought} {thought} {thought}\n<answer>{c}</answer>",
    "<think>{thought}",
)


def samples() -> list[dict]:
    found = []
    for code, (thought, said) in LANGUAGES.items():
        for number in range(20):
            numbers = {"a": 3 * number + 2, "b": number + 5, "c": 4 * number + 7 + number // 10}
            texts = {"thought": thought, "said": said, "english": LANGUAGES["en"][0]}
            filled = {name: text.format(**numbers) for name, text in texts.items()} | numbers
            right = numbers["a"] + numbers["b"]
            found.append({
                "response": SHAPES[number % len(SHAPES)].format(**filled),
                "data_source": f"toy/{code}", "ground_truth": str(right),
                "extra_info": {
                    "index": len(found), "language": code, "question": f"{numbers['a']} + {numbers['b']}?",
                    "pivot_reasoning": f"We add {numbers['a']} and {numbers['b']} apples and get {right} of them.",
                    "pivot_answer": str(right),
                },
            })  # fmt: skip
    return found


@pytest.fixture(scope="module")
def given(tmp_path_factory, toy, minilm):
    """The files of samples and options, and the scores that the library gives."""
    folder = tmp_path_factory.mktemp("given")
    options = {"embedding": {"model": minilm}, "comet": {"model": str(toy / "comet"), "scale": [-2.0, 2.0]}}
    rows = samples()
    (folder / "samples.json").write_text(json.dumps(rows))
    (folder / "rewards.yaml").write_text(yaml.safe_dump({"hybrid": options}))

    async def plain():
        calls = (
            pbrlsvr.hybrid(row["data_source"], row["response"], row["ground_truth"], row["extra_info"], **options)
            for row in rows
        )
        return [one["score"] for one in await asyncio.gather(*calls)]

    return folder / "samples.json", folder / "rewards.yaml", asyncio.run(plain())


def test_the_samples_differ(given):
    *_, scores = given
    assert len(scores) == 200
    assert len(set(scores)) > 50
    assert min(scores) == 0


@pytest.mark.parametrize("door", DOORS)
def test_each_door_gives_the_scores_of_the_library(door, given, run_in, tiny_policy, tmp_path):
    file, options, expected = given
    if callable(DOORS[door]):
        lists = DOORS[door](file, options, tmp_path)
    else:
        trainer, code = DOORS[door]
        arguments = (file, options, tiny_policy / "model")
        lists, _ = run_in(trainer, code, *arguments, environment={"PBRLSVR_REWARDS": str(options)})
    for scores in lists:
        assert scores == pytest.approx(expected, abs=1e-5)
