"""A COMET-style scorer of the world's texts, trained here and written as unbabel-comet writes its checkpoints.

A small BERT reads the pivot's text and the response's, each alone, and a feed-forward network makes one number of their
vectors, as in COMET's regression models. `comparisons.py` says which texts, and which number is right.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from quickstart.world import Problem
from replication.comparisons import Comparison, right_and_wrong
from replication.config import ScorerSettings

_LAYERS = 2
#: What `pbrlsvr.models.comet.checkpoint` reads. The scorer has the last layer of its encoder pooled, by the mean.
HPARAMS: dict[str, Any] = {
    "encoder_model": "BERT",
    "pool": "avg",
    "layer_norm": False,
    "activations": "Tanh",
    "dropout": 0.0,
}


class Scorer(nn.Module):
    """The network, with the names and the features of unbabel-comet's regression models."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, settings: ScorerSettings, encoder: Path | None = None
    ) -> None:
        """With random weights, or on an encoder that knows the world's texts, as COMET's models are on XLM-RoBERTa."""
        super().__init__()
        torch.manual_seed(settings.seed)
        network = _new_encoder(tokenizer, settings) if encoder is None else _known_encoder(encoder)
        self.encoder = nn.ModuleDict({"model": network})
        size = network.config.hidden_size
        self.estimator = nn.ModuleDict(
            {"ff": nn.Sequential(nn.Linear(6 * size, size), nn.Tanh(), nn.Identity(), nn.Linear(size, 1))}
        )

    def forward(self, translations: dict[str, Tensor], references: dict[str, Tensor]) -> Tensor:
        """Scores `[N]` of tokenized answers beside the pivot's, which is both source and reference."""
        mt, ref = self._pooled(translations), self._pooled(references)
        both = [mt * ref, (mt - ref).abs()]
        return self.estimator["ff"](torch.cat([mt, ref, *both, *both], dim=1))[:, 0]

    def _pooled(self, batch: dict[str, Tensor]) -> Tensor:
        layer = self.encoder["model"](**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].float()
        return (layer * mask).sum(1) / mask.sum(1)


def _new_encoder(tokenizer: PreTrainedTokenizerFast, settings: ScorerSettings) -> BertModel:
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=_LAYERS,
        num_attention_heads=2,
        intermediate_size=2 * settings.hidden_size,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.1,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
    )
    return BertModel(config, add_pooling_layer=False)


def _known_encoder(folder: Path) -> BertModel:
    network = BertModel.from_pretrained(folder).train()
    # Sentence-transformers keeps a pooler that nothing has trained.
    network.pooler = None
    return network


def train_scorer(
    tokenizer: PreTrainedTokenizerFast,
    draw: Callable[[random.Random], Comparison],
    settings: ScorerSettings,
    progress: Callable[[int, float], None],
    encoder: Path | None = None,
) -> Scorer:
    """Trains a scorer on what `draw` gives; `progress` gets the steps done and the loss."""
    scorer, rng = Scorer(tokenizer, settings, encoder), random.Random(settings.seed)
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=settings.learning_rate)
    for step in range(1, settings.steps + 1):
        texts, references, worth = zip(*(draw(rng) for _ in range(settings.batch)), strict=True)
        scores = scorer(_tokenized(tokenizer, texts), _tokenized(tokenizer, references))
        loss = nn.functional.mse_loss(scores, torch.tensor(worth))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress(step, loss.item())
    return scorer


@torch.inference_mode()
def ranking(
    scorer: Scorer, tokenizer: PreTrainedTokenizerFast, problems: Sequence[Problem], language: str, kind: str
) -> float:
    """How often a right text is worth more than one with a mistake."""
    right, wrong, references = zip(*right_and_wrong(problems, language, kind, random.Random(0)), strict=True)
    beside = _tokenized(tokenizer, references)
    above = scorer(_tokenized(tokenizer, right), beside) > scorer(_tokenized(tokenizer, wrong), beside)
    return above.float().mean().item()


def save_scorer(scorer: Scorer, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes hparams.yaml, checkpoints/model.ckpt, and the encoder's configuration and tokenizer beside them."""
    encoder = (folder / "encoder").resolve()
    scorer.encoder["model"].config.save_pretrained(encoder)
    tokenizer.save_pretrained(encoder)
    sizes = [scorer.estimator["ff"][0].out_features]
    layer = scorer.encoder["model"].config.num_hidden_layers
    hparams = HPARAMS | {"pretrained_model": str(encoder), "hidden_sizes": sizes, "layer": layer}
    (folder / "hparams.yaml").write_text(yaml.safe_dump(hparams | {"class_identifier": "regression_metric"}))
    (folder / "checkpoints").mkdir()
    content = {"state_dict": scorer.state_dict(), "hyper_parameters": hparams}
    torch.save(content, folder / "checkpoints" / "model.ckpt")


def _tokenized(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> dict[str, Tensor]:
    """As pbrlsvr reads a text: between the tokens that start and end one."""
    spans = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    ids = [[tokenizer.cls_token_id, *span, tokenizer.sep_token_id] for span in spans]
    longest = max(map(len, ids))
    padded = torch.tensor([one + [tokenizer.pad_token_id] * (longest - len(one)) for one in ids])
    return {"input_ids": padded, "attention_mask": (padded != tokenizer.pad_token_id).long()}
