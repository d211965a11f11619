"""Real veRL runs on a CPU, each in a process and a Ray of its own, and small toys to train on.

Most of a run's time goes into starting Ray and importing veRL, so a run is worth looking at more than once: the fixture
`recipe_run` makes the runs of `SHARED` on demand, each once for all files that ask, also side by side.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forks
import psutil
import pytest
from filelock import FileLock

from pbrlsvr_plugin import cpu

LONGEST_RUN = 600  # seconds; on two quiet cores a run takes 20
LONGEST_END = 30
KWARGS = "reward.custom_reward_function.reward_kwargs"
GROUPS = ("actor_rollout_ref.rollout.n=2", "actor_rollout_ref.actor.optim.lr=1e-3")
# A folder of the run's own, and the server of its workers as another fork.
RAY = (
    "+ray_kwargs.ray_init._temp_dir={ray}",
    "+ray_kwargs.ray_init.runtime_env.py_executable='{workers}'",
)
SCHEDULE = f"{KWARGS}.combine.schedule={{steps: 4, weights: {{reasoning: 0.0}}}}"


@dataclass
class Run:
    """What is left of a run: its output, exit code, processes that outlived it (there should be none) and folder."""

    folder: Path
    log: str
    code: int
    left_over: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, command: Sequence[object], folder: Path, environment: dict[str, str] | None = None) -> "Run":
        """Waits for `python COMMAND`; `RAY` in it is filled in. Ray's sockets allow no long path."""
        ray_folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
        start = Path(cpu.__file__).with_name("worker_start.py")
        places = {"{ray}": ray_folder, "{workers}": forks.py_executable(start)}
        log = Path(ray_folder, "log.txt")
        process = forks.Process(
            [re.sub(r"{(ray|workers)}", lambda found: places[found[0]], str(part)) for part in command], log, log,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name != "VERL_PLATFORM"} | (environment or {}),
        )  # fmt: skip
        stacks: list[str] = []
        try:
            code = process.wait(LONGEST_RUN, lambda: stacks.extend(stacks_of_ray(process.pid)))
        finally:
            lines = {one: " ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])}
            # Ray's own processes end by themselves when they see that their raylet has; a busy machine shows them late.
            left = psutil.wait_procs([one for one, line in lines.items() if ray_folder in line], timeout=LONGEST_END)[1]
            for one in left:
                one.kill()
            text = log.read_text(errors="replace")
            shutil.rmtree(ray_folder, ignore_errors=True)
        if process.is_late:
            crashes = re.findall(".*Check failed.*", text)  # the stack that follows may fill the end
            said = "\n".join([text[:5000], "...", *crashes, "...", text[-5000:], *stacks])
            pytest.fail(f"the run did not end within {LONGEST_RUN} s:\n{said}")
        return cls(folder, text, code, [lines[one] for one in left])

    def metric(self, step: int, name: str) -> float:
        values = re.findall(rf"step:{step} - .*?{re.escape(name)}:(?:np\.float64\()?(-?[\d.e-]+|nan)", self.log)
        assert values, f"no {name} in step {step}:\n{self.log[-5000:]}"
        return float(values[0])

    def assert_success(self) -> None:
        assert self.code == 0, self.log[-8000:]
        assert not self.left_over


def stacks_of_ray(driver: int) -> list[str]:
    """What the driver and all of Ray's workers on this machine are doing, by the py-spy that Ray's dashboard needs."""
    spy = Path(sys.executable).with_name("py-spy")
    if not spy.exists():
        return []
    workers = [
        one for one in psutil.process_iter(["cmdline"]) if " ".join(one.info["cmdline"] or []).startswith("ray::")
    ]
    commands = ([str(spy), "dump", "--pid", str(one.pid)] for one in [*psutil.Process(driver).children(), *workers])
    return [subprocess.run(each, capture_output=True, text=True, timeout=30).stdout[:3000] for each in commands]


REWARD = """
import os
import ray

def score(data_source, solution_str, ground_truth, extra_info=None):
    {body}
    return sum(c in "abcdefghijklm" for c in solution_str) / max(1, len(solution_str))
"""


def main_ppo(
    policy: Path, folder: Path, *overrides: str, reward: str | None = "pass", config: Sequence[str] = ("+profile=cpu",)
) -> Run:
    """`python -m verl.trainer.main_ppo +profile=cpu ...`, which can import what is in `folder`.

    `reward` is code that runs before the score.
    """
    if reward is not None:
        (folder / "reward.py").write_text(REWARD.format(body=reward))
        target = "reward.custom_reward_function"
        overrides = (f"{target}.path={folder}/reward.py", f"{target}.name=score", *overrides)
    command = [
        "-m", "verl.trainer.main_ppo", *config, f"actor_rollout_ref.model.path={policy}/model",
        f"data.train_files={policy}/train.parquet", f"data.val_files={policy}/val.parquet",
        "data.train_batch_size=4", "actor_rollout_ref.rollout.n=2", "data.max_response_length=8",
        f"trainer.default_local_dir={folder}/checkpoints", f"hydra.run.dir={folder}/hydra",
        *RAY, *overrides,
    ]  # fmt: skip
    return Run.of(command, folder, {"PYTHONPATH": str(folder)})


@dataclass
class RecipeRun(Run):
    """`pbrlsvr train RECIPE --profile cpu ...`."""

    recipe: str = ""

    @classmethod
    def train(cls, recipe: str, folder: Path, *overrides: str) -> "RecipeRun":
        small = ["data.train_batch_size=4", "trainer.total_training_steps=2", "hydra.run.dir=hydra"]
        if not recipe.endswith("_sft"):
            sampled = "actor_rollout_ref.rollout.val_kwargs"
            small += ["data.max_response_length=16", f"{sampled}.do_sample=true", f"{sampled}.temperature=1"]
            small += [f"{sampled}.n=1"]
            small += RAY
        command = ["-m", "pbrlsvr_plugin.cli", "train", recipe, "--profile", "cpu", *small, *overrides]
        run = cls.of(command, folder)
        run.recipe = recipe
        run.assert_success()
        # Notes on the data stand before the command.
        assert re.search(r"(?m)^python -m ", run.log), run.log[:2000]
        return run

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints/pbrlsvr" / self.recipe

    def samples(self, kind: str, step: int) -> list[dict[str, Any]]:
        """What the recipe keeps of a step's responses; kind: "rollouts" or "validation"."""
        return [json.loads(line) for line in (self.checkpoints / f"{kind}/{step}.jsonl").read_text().splitlines()]

    def assert_trained(self, *components: str) -> None:
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
        assert list(self.checkpoints.glob("global_step_2/actor/model_world_size_*_rank_0.pt"))


@dataclass(frozen=True)
class Shared:
    """A recipe's run that several files look at."""

    recipe: str
    architecture: str
    ranks: int
    overrides: tuple[str, ...] = ()


SHARED = {
    "one rank": Shared("llama3.1_8b_grpo_hybrid", "Llama", 1, (*GROUPS, SCHEDULE)),
    "two ranks": Shared("llama3.1_8b_ppo_hybrid", "Llama", 2, ("critic.optim.lr=1e-3",)),
    "LoRA": Shared("qwen3_1.7b_lora_grpo_hybrid", "Qwen3", 2, GROUPS),
}


class Once:
    """`once(name, work)`: the folder that `work(folder)` filled, made by whichever test process asks for it first."""

    def __init__(self, root: Path):
        self.root = root

    def __call__(self, name: str, work: Callable[[Path], None]) -> Path:
        folder = self.root / name.replace(" ", "_")
        made, failed = folder.with_suffix(".made"), folder.with_suffix(".failed")
        self.root.mkdir(exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if failed.exists():
                pytest.fail(f"{name!r} failed before: {failed.read_text()}")
            if not made.exists():
                folder.mkdir()
                try:
                    work(folder)
                except BaseException as error:
                    failed.write_text(str(error))
                    raise
                made.touch()
        return folder


TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
SPECIALS = ["<pad>", "<|im_start|>", "<|im_end|>"]
# A random response of 16 tokens has an answer in five cases of six.
WORDS = ("many", "few", "more", "some", "ten", "no", "big", "red", "old", "new", "all", "apples")
ANSWERS = [f"<answer>{word} " for word in WORDS]


def save_tokenizer(folder: Path) -> int:
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
    return int(backend.get_vocab_size())


def save_policy(architecture: str, folder: Path) -> None:
    import torch
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{architecture}Config")(
        vocab_size=save_tokenizer(folder), hidden_size=64, intermediate_size=128, num_hidden_layers=2, head_dim=16,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    getattr(transformers, f"{architecture}ForCausalLM")(config).float().save_pretrained(folder)


def save_toy(folder: Path) -> None:
    """Policies, a tiny COMET, and rows whose answers are words: no reward is gated to 0."""
    import comet_checkpoints as tiny
    import pandas

    for architecture in ("Llama", "Qwen3"):
        save_policy(architecture, folder / architecture)
    # For a qwen3 folder transformers 5 may take another tokenizer class than the saved one, with other ids.
    save_tokenizer(folder / "tokenizer")
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
                    "pivot_references": [{"reasoning": f"Counting on from {i} to {2 * i + 1}.", "answer": "many"}],
                },
            }
            for i in range(rows)
        ).to_parquet(folder / f"{split}.parquet")  # fmt: skip


def rows(toy: Path) -> list[str]:
    return [f"data.train_files={toy}/train.parquet", f"data.val_files={toy}/val.parquet"]


def policy(toy: Path, architecture: str) -> list[str]:
    model = "actor_rollout_ref.model"
    return [*rows(toy), f"{model}.path={toy}/{architecture}", f"{model}.tokenizer_path={toy}/tokenizer"]


def hybrid(toy: Path, encoder: str) -> list[str]:
    # The tiny COMET's random scores lie around 0, on both sides.
    return [f"{KWARGS}.comet.model={toy}/comet", f"{KWARGS}.comet.scale=[-2,2]", f"{KWARGS}.embedding.model={encoder}"]


def shared_run(name: str, once: Once, toy: Path, encoder: str) -> RecipeRun:
    """The run of `SHARED[name]`: two steps, a checkpoint after each. Look at it, and copy what you change."""
    wanted = SHARED[name]

    def work(folder: Path) -> None:
        options = [*policy(toy, wanted.architecture), *hybrid(toy, encoder), *wanted.overrides, "trainer.save_freq=1"]
        run = RecipeRun.train(wanted.recipe, folder, f"trainer.n_gpus_per_node={wanted.ranks}", *options)
        (folder / "log.txt").write_text(run.log)

    folder = once(name, work)
    run = RecipeRun(folder, (folder / "log.txt").read_text(), 0)
    run.recipe = wanted.recipe
    return run
