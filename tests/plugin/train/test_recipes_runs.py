"""Each kind of recipe trains for two steps on a CPU, started as a user starts it: `pbrlsvr train RECIPE --profile cpu`.

The policies have the recipe's architecture and random weights; the reward models are a tiny COMET, a real small encoder
and a translator behind HTTP. Half a minute to a minute each on two quiet cores. `SAME_AS` says which run stands for the
recipes that are not run themselves, and a test here makes sure that they differ in nothing else.
"""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")
pytest.importorskip("transfer_queue", reason="needs TransferQueue: pip install pbrlsvr[cpu]")

from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from pbrlsvr_plugin.verl.recipe_files import packaged

LONGEST_RUN = 600  # seconds
KWARGS = "reward.custom_reward_function.reward_kwargs"

#: Recipe -> the run that stands for it. What differs, with the CPU profile, is in `MAY_DIFFER`.
SAME_AS = {
    "llama3.1_8b_grpo_embed": "llama3.1_8b_grpo_hybrid",
    "llama3.1_8b_grpo_comet": "llama3.1_8b_grpo_hybrid",
    "llama3.1_8b_grpo_mt": "qwen3_32b_grpo_mt",
    "llama3.1_8b_ppo_exact": "llama3.1_8b_ppo_hybrid",
    "qwen3_32b_grpo_hybrid": "qwen3_32b_grpo_mt",
    "qwen3_32b_grpo_embed": "qwen3_32b_grpo_mt",
    "qwen3_32b_grpo_comet": "qwen3_32b_grpo_mt",
    "qwen3_32b_ppo_hybrid": "llama3.1_8b_ppo_hybrid",
    "qwen3_32b_ppo_exact": "llama3.1_8b_ppo_hybrid",
    "qwen3_1.7b_lora_grpo_embed": "qwen3_1.7b_lora_grpo_hybrid",
    "qwen3_32b_sft": "llama3.1_8b_sft",
}
RUNS = (
    "llama3.1_8b_grpo_hybrid",
    "llama3.1_8b_ppo_hybrid",
    "llama3.1_8b_gdpo_hybrid",
    "qwen3_32b_grpo_mt",
    "qwen3_1.7b_lora_grpo_hybrid",
    "llama3.1_8b_sft",
)
# The model, what it is asked for, and the reward, whose own tests run each of them; two are for vLLM and the disk.
MAY_DIFFER = re.compile(
    r"reward_fn$|reward\.|data\.apply_chat_template_kwargs|actor_rollout_ref\.rollout\.(val_kwargs\.|gpu_memory_util)"
    r"|(actor_rollout_ref\.)?model\.path$|trainer\.(experiment_name|max_actor_ckpt_to_keep)$"
)


def leaves(node, place=""):
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{place}.{key}" if place else str(key))
    else:
        yield place, json.dumps(node, default=str)


def on_a_cpu(name):
    profile = "cpu_sft" if name.endswith("_sft") else "cpu"
    with initialize_config_module("verl.trainer.config", version_base=None):
        return dict(leaves(OmegaConf.to_container(compose(name, overrides=[f"+profile={profile}"]), resolve=False)))


def test_every_recipe_is_run_or_has_a_run_that_stands_for_it():
    assert {recipe.name for recipe in packaged()} == {*RUNS, *SAME_AS}
    assert set(SAME_AS.values()) <= set(RUNS)


@pytest.mark.parametrize(("recipe", "run"), SAME_AS.items(), ids=SAME_AS)
def test_a_recipe_differs_from_the_run_that_stands_for_it_in_model_and_reward_only(recipe, run):
    one, other = on_a_cpu(recipe), on_a_cpu(run)
    places = {place for place in {*one, *other} if one.get(place) != other.get(place)}
    assert not [place for place in places if not MAY_DIFFER.match(place)]


class Run:
    """`pbrlsvr train RECIPE --profile cpu ...` for two steps, in a folder and a Ray of its own."""

    def __init__(self, recipe, folder, *overrides):
        self.checkpoints = folder / "checkpoints/pbrlsvr" / recipe
        rl = not recipe.endswith("_sft")
        ray_folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # Ray's sockets allow no long path
        small = ["data.train_batch_size=4", "trainer.total_training_steps=2", "hydra.run.dir=hydra"]
        if rl:
            sampled = "actor_rollout_ref.rollout.val_kwargs"
            small += ["data.max_response_length=16", f"{sampled}.do_sample=true", f"{sampled}.temperature=1"]
            small += [f"+ray_kwargs.ray_init._temp_dir={ray_folder}"]
        command = [sys.executable, "-m", "pbrlsvr_plugin.cli", "train", recipe, "--profile", "cpu", *small, *overrides]
        process = subprocess.Popen(
            command, cwd=folder, text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if name != "VERL_PLATFORM"},
        )  # fmt: skip
        try:
            self.log, _ = process.communicate(timeout=LONGEST_RUN)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"the run did not end within {LONGEST_RUN} s:\n{process.communicate()[0][-5000:]}")
        finally:
            for left in psutil.process_iter(["cmdline"]):
                if ray_folder in " ".join(left.info["cmdline"] or []):
                    left.kill()
            shutil.rmtree(ray_folder, ignore_errors=True)
        assert process.returncode == 0, self.log[-8000:]
        # Notes on the data stand before the command.
        assert re.search(r"(?m)^python -m ", self.log), self.log[:2000]

    def metric(self, step, name):
        values = re.findall(rf"step:{step} - .*?{re.escape(name)}:(?:np\.float64\()?(-?[\d.e-]+|nan)", self.log)
        assert values, f"no {name} in step {step}:\n{self.log[-5000:]}"
        return float(values[0])

    def samples(self, kind, step):
        """What the recipe keeps of a step's responses."""
        return [json.loads(line) for line in (self.checkpoints / f"{kind}/{step}.jsonl").read_text().splitlines()]

    def assert_trained(self, *components):
        for step in (1, 2):
            assert self.metric(step, "critic/rewards/mean") > 0
            assert self.metric(step, "actor/grad_norm") > 0
            # The rollout's weights are the trainer's; merged LoRA weights travel in bfloat16.
            assert self.metric(step, "training/rollout_probs_diff_max") < 1e-3
            assert all(0 <= sample["score"] <= 1 for sample in self.samples("rollouts", step))
        for component in components:
            assert len({sample[component] for step in (0, 2) for sample in self.samples("validation", step)}) > 1
        for language in ("en", "es"):
            assert f"val-core/toy/{language}/acc/mean@1" in self.log
        assert (self.checkpoints / "global_step_2/actor/model_world_size_1_rank_0.pt").is_file()


TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
SPECIALS = ["<pad>", "<|im_start|>", "<|im_end|>"]
# A random response of 16 tokens has an answer in five cases of six.
WORDS = ("many", "few", "more", "some", "ten", "no", "big", "red", "old", "new", "all", "apples")
ANSWERS = [f"<answer>{word} " for word in WORDS]


def save_tokenizer(folder):
    """Random tokens are text: each is a printable ASCII character or an answer. veRL wants these marks for a Qwen."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    characters = ["Ċ", "Ġ", *map(chr, range(33, 127))]
    vocab = {token: i for i, token in enumerate([*SPECIALS, *characters])}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    backend.add_tokens([AddedToken(answer, normalized=False) for answer in ANSWERS])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<|im_end|>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return backend.get_vocab_size()


def save_policy(architecture, folder):
    import torch
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{architecture}Config")(
        vocab_size=save_tokenizer(folder), hidden_size=64, intermediate_size=128, num_hidden_layers=2, head_dim=16,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    getattr(transformers, f"{architecture}ForCausalLM")(config).float().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A folder with policies, a tiny COMET, and rows whose answers are words: no reward is gated to 0."""
    import pandas

    folder = tmp_path_factory.mktemp("toy")
    for architecture in ("Llama", "Qwen3"):
        save_policy(architecture, folder / architecture)
    checkpoints = Path(__file__).parents[2] / "reward_fns/comet_checkpoints.py"
    spec = importlib.util.spec_from_file_location("comet_checkpoints", checkpoints)
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    tiny.write_checkpoint(folder / "comet", tiny.CASES["regression_metric encoder_model=XLM-RoBERTa"])
    for split, rows in (("train", 16), ("val", 4)):
        pandas.DataFrame(
            {
                "data_source": f"toy/{'es' if i % 2 else 'en'}",
                "prompt": [{"role": "user", "content": f"{i}+{i + 1}="}],
                "ability": "math",
                "reward_model": {"style": "pivot", "ground_truth": ""},
                "extra_info": {
                    "index": i, "split": split, "language": "es" if i % 2 else "en", "question": f"{i}+{i + 1}?",
                    "pivot_reasoning": f"{i} and {i + 1} apples are put together.", "pivot_answer": "many apples",
                },
            }
            for i in range(rows)
        ).to_parquet(folder / f"{split}.parquet")  # fmt: skip
    return folder


def rows(toy):
    return [f"data.train_files={toy}/train.parquet", f"data.val_files={toy}/val.parquet"]


def policy(toy, architecture):
    # For a qwen3 folder transformers 5 may take another tokenizer class than the saved one, with other ids.
    tokenizer = save_tokenizer_beside(toy, architecture)
    return [*rows(toy), f"actor_rollout_ref.model.path={toy}/{architecture}", tokenizer]


def save_tokenizer_beside(toy, architecture):
    folder = toy / f"{architecture}-tokenizer"
    if not folder.exists():
        save_tokenizer(folder)
    return f"actor_rollout_ref.model.tokenizer_path={folder}"


def hybrid(toy, minilm):
    # The tiny COMET's random scores lie around 0, on both sides.
    return [f"{KWARGS}.comet.model={toy}/comet", f"{KWARGS}.comet.scale=[-2,2]", f"{KWARGS}.embedding.model={minilm}"]


GROUPS = ("actor_rollout_ref.rollout.n=2", "actor_rollout_ref.actor.optim.lr=1e-3")


def test_llama_with_grpo_and_the_hybrid_reward(toy, minilm, tmp_path):
    run = Run("llama3.1_8b_grpo_hybrid", tmp_path, *policy(toy, "Llama"), *hybrid(toy, minilm), *GROUPS)
    run.assert_trained("comet", "reasoning")
    assert run.metric(1, "actor/kl_loss") == 0 < run.metric(2, "actor/kl_loss")


def test_llama_with_ppo_and_the_hybrid_reward(toy, minilm, tmp_path):
    run = Run("llama3.1_8b_ppo_hybrid", tmp_path, *policy(toy, "Llama"), *hybrid(toy, minilm))
    run.assert_trained("comet", "reasoning")
    assert run.metric(2, "critic/vf_loss") > 0
    assert (run.checkpoints / "global_step_2/critic/model_world_size_1_rank_0.pt").is_file()


def test_llama_with_gdpo_over_the_components(toy, minilm, tmp_path):
    run = Run("llama3.1_8b_gdpo_hybrid", tmp_path, *policy(toy, "Llama"), *hybrid(toy, minilm), *GROUPS)
    run.assert_trained("comet", "reasoning")
    for key in ("comet_reward", "reasoning_reward"):
        assert run.metric(1, f"gdpo/{key}/std") > 0


def test_qwen_with_lora_grpo_and_the_hybrid_reward(toy, minilm, tmp_path):
    run = Run("qwen3_1.7b_lora_grpo_hybrid", tmp_path, *policy(toy, "Qwen3"), *hybrid(toy, minilm), *GROUPS)
    run.assert_trained("comet", "reasoning")
    # The adapter has learnt, and its base is the reference.
    assert run.metric(1, "actor/kl_loss") == 0 < run.metric(2, "actor/kl_loss")
    assert (run.checkpoints / "global_step_2/actor/lora_train_meta.json").is_file()


class Translator(BaseHTTPRequestHandler):
    """Says of each text how long it is, in English."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = f"There are {len(asked['messages'][-1]['content'])} apples."
        body = json.dumps({"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def translator():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Translator)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_qwen_with_grpo_and_the_translation_reward(toy, minilm, translator, tmp_path):
    reward = [
        f"{KWARGS}.translation.model=toy", f"{KWARGS}.embedding.model={minilm}",
        f"+{KWARGS}.translation.serving.place=endpoint",
        f"+{KWARGS}.translation.serving.endpoint.urls=[{translator}]",
        # One of the recipe's eight: they would share two cores.
        f"{KWARGS}.translation.serving.replicas=1",
    ]  # fmt: skip
    run = Run("qwen3_32b_grpo_mt", tmp_path, *policy(toy, "Qwen3"), *reward, *GROUPS)
    run.assert_trained("reasoning")


def test_llama_with_sft_on_the_pivot_references(toy, tmp_path):
    run = Run("llama3.1_8b_sft", tmp_path, *rows(toy), f"model.path={toy}/Llama", "optim.lr=1e-2")
    assert run.metric(2, "train/loss") < run.metric(1, "train/loss")
    assert run.metric(2, "val/loss") > 0
    assert (run.checkpoints / "global_step_2/model_world_size_1_rank_0.pt").is_file()
