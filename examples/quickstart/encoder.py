"""The toy's cross-lingual sentence encoder: a small BERT trained from scratch with sentence-transformers.

It knows nothing but this world. What it must learn is to put a solution and its English counterpart together, and a
solution that differs in one number or operation apart. The second needs hard negatives: without them a sentence
encoder hardly sees a changed digit, and the reward cannot tell right from wrong.
"""

import random
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.losses import MultipleNegativesRankingLoss
from sentence_transformers.models import Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, PrinterCallback, TrainerCallback

from quickstart.settings import EncoderSettings
from quickstart.world import PIVOT, Problem, reasoning, wrong_reasoning

COLUMNS = ["anchor", "positive", "negative_1", "negative_2"]


def new_encoder(tokenizer: PreTrainedTokenizerFast, settings: EncoderSettings) -> SentenceTransformer:
    """An encoder with random weights: BERT, mean pooling, unit length."""
    torch.manual_seed(settings.seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=3 * settings.hidden_size,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        # Larger than BERT's: from scratch, and in so few steps, words must differ from the start.
        initializer_range=0.1,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with tempfile.TemporaryDirectory() as folder:
        BertModel(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        transformer = Transformer(folder, max_seq_length=128)
    return SentenceTransformer(modules=[transformer, Pooling(settings.hidden_size), Normalize()], device="cpu")


def train_encoder(
    encoder: SentenceTransformer,
    problems: list[Problem],
    languages: Sequence[str],
    settings: EncoderSettings,
    progress: Callable[[int, float], None],
) -> None:
    """Contrastive training (InfoNCE) with in-batch and hard negatives, in both directions.

    `progress` is called with the number of steps done and the loss.
    """
    arguments: dict[str, Any] = {
        "max_steps": settings.steps,
        "per_device_train_batch_size": settings.batch,
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.steps // 10,
        "seed": settings.seed,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
    }
    # A card of examples for the hub, which nobody will see.
    encoder.model_card_data.generate_widget_examples = False
    with tempfile.TemporaryDirectory() as folder:
        trainer = SentenceTransformerTrainer(
            model=encoder,
            args=SentenceTransformerTrainingArguments(output_dir=folder, **arguments),
            train_dataset=triplets(problems, languages, settings),
            loss=MultipleNegativesRankingLoss(encoder, scale=settings.scale),
            callbacks=[_Progress(progress)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def triplets(problems: list[Problem], languages: Sequence[str], settings: EncoderSettings) -> Dataset:
    """A solution, its counterpart, and versions of the counterpart with one mistake each, for each step of training.

    In every other row the English solution is the anchor; in the rest it is the counterpart.
    """
    rng = random.Random(settings.seed)
    names = COLUMNS[: 2 + settings.mistakes]
    columns: dict[str, list[str]] = {column: [] for column in names}
    for index in range(settings.steps * settings.batch):
        problem, language = rng.choice(problems), rng.choice(languages)
        anchor, other = (PIVOT, language) if index % 2 else (language, PIVOT)
        wrong = [wrong_reasoning(problem, other, rng) for _ in range(settings.mistakes)]
        for column, text in zip(names, [reasoning(problem, anchor), reasoning(problem, other), *wrong], strict=True):
            columns[column].append(text)
    return Dataset.from_dict(columns)


def ranking(
    encoder: SentenceTransformer, problems: list[Problem], languages: Sequence[str], seed: int
) -> dict[str, float]:
    """Per language, how often the right solution is nearer to the English reference than one with a mistake."""
    rng = random.Random(seed)
    pivots = encoder.encode([reasoning(problem, PIVOT) for problem in problems], convert_to_tensor=True)
    shares = {}
    for language in languages:
        right = encoder.encode([reasoning(problem, language) for problem in problems], convert_to_tensor=True)
        wrong = encoder.encode(
            [wrong_reasoning(problem, language, rng) for problem in problems], convert_to_tensor=True
        )
        nearer = (pivots * right).sum(dim=1) > (pivots * wrong).sum(dim=1)
        shares[language] = nearer.float().mean().item()
    return shares


class _Progress(TrainerCallback):
    """Tells the loss after each step, instead of the Trainer's own log."""

    def __init__(self, progress: Callable[[int, float], None]) -> None:
        self.progress = progress

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self.progress(state.global_step, logs["loss"])
