"""Accuracy per language of a Hugging Face checkpoint on held-out problems, decoded greedily."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pbrlsvr.answers import equal
from pbrlsvr.responses.spans import split

RESULT, RESPONSES = "accuracy.json", "responses.jsonl"


@dataclass(frozen=True)
class Accuracy:
    """One language's result.

    Attributes:
        correct: responses whose final answer equals the ground truth.
        count: problems.
    """

    correct: int
    count: int

    @property
    def share(self) -> float:
        return self.correct / self.count


def evaluate(
    policy: Path | str,
    rows: list[dict[str, Any]],
    *,
    max_new_tokens: int,
    device: str = "cpu",
    batch_size: int = 256,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[dict[str, Accuracy], list[dict[str, Any]]]:
    """Asks the policy every row's prompt.

    Args:
        policy: a folder, or a model's name on the hub.
        rows: rows of a veRL data set, all languages mixed.
        max_new_tokens: longest response.
        device: a torch device.
        batch_size: prompts decoded at the same time.
        progress: called with the number of rows done after each batch.

    Returns:
        The accuracy of each language, in the order of the rows, and each row's response.
    """
    model, tokenizer = load_policy(policy, device)
    prompts = [rendered(tokenizer, row) for row in rows]
    # By length: less padding. The long ones first, so that the progress shown is not too hopeful.
    order = sorted(range(len(rows)), key=lambda index: -len(prompts[index]))
    responses: dict[int, str] = {}
    for first in range(0, len(order), batch_size):
        batch = order[first : first + batch_size]
        texts = respond(model, tokenizer, [prompts[index] for index in batch], max_new_tokens)
        responses |= dict(zip(batch, texts, strict=True))
        progress(len(responses))
    return score([responses[index] for index in range(len(rows))], rows)


def load_policy(policy: Path | str, device: str = "cpu") -> tuple[Any, Any]:
    """The model, ready to respond, and its tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(policy, padding_side="left", trust_remote_code=False)
    return AutoModelForCausalLM.from_pretrained(policy, trust_remote_code=False).to(device).eval(), tokenizer


def rendered(tokenizer: Any, row: dict[str, Any]) -> str:
    """A row's prompt as the policy reads it."""
    text: str = tokenizer.apply_chat_template(list(row["prompt"]), add_generation_prompt=True, tokenize=False)
    return text


@torch.inference_mode()
def respond(model: Any, tokenizer: Any, prompts: list[str], max_new_tokens: int, samples: int = 0) -> list[str]:
    """What the policy says: greedily, whatever sampling its generation_config suggests; or `samples` responses to each
    prompt, one after the other, drawn at temperature 1."""
    inputs = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
    inputs.pop("token_type_ids", None)
    greedy = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    drawn = {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "top_k": 0, "num_return_sequences": samples}
    tokens = model.generate(
        **inputs,
        **(drawn if samples else greedy),
        max_new_tokens=max_new_tokens,
        pad_token_id=tokenizer.pad_token_id,
    )
    texts: list[str] = tokenizer.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts


def score(responses: list[str], rows: list[dict[str, Any]]) -> tuple[dict[str, Accuracy], list[dict[str, Any]]]:
    """Compares each response's final answer with its row's ground truth.

    >>> row = {"extra_info": {"language": "bn"}, "reward_model": {"ground_truth": "12"}}
    >>> score(["৭+৫=১২। #### ১২", "#### ১৩"], [row, row])[0]
    {'bn': Accuracy(correct=1, count=2)}
    """
    tallies: dict[str, list[bool]] = {}
    answered = []
    for response, row in zip(responses, rows, strict=True):
        language, truth = row["extra_info"]["language"], row["reward_model"]["ground_truth"]
        right = equal(split(response).answer, truth, language)
        tallies.setdefault(language, []).append(right)
        answered.append({"language": language, "response": response, "ground_truth": truth, "correct": right})
    return {language: Accuracy(sum(tally), len(tally)) for language, tally in tallies.items()}, answered


def save(folder: Path, result: dict[str, Accuracy], responses: list[dict[str, Any]]) -> None:
    """Writes the accuracies, and each response on a line of its own."""
    counts = {language: asdict(accuracy) for language, accuracy in result.items()}
    (folder / RESULT).write_text(json.dumps(counts, indent=1), encoding="utf-8")
    lines = [json.dumps(response, ensure_ascii=False) + "\n" for response in responses]
    (folder / RESPONSES).write_text("".join(lines), encoding="utf-8")


def load(folder: Path) -> dict[str, Accuracy]:
    """The accuracies that `save` wrote."""
    counts = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return {language: Accuracy(**accuracy) for language, accuracy in counts.items()}


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
