"""COMET in this process: Unbabel's published checkpoints on transformers' encoders, without unbabel-comet.

The same scores as `unbabel-comet` 2.2.7, whose requirements (numpy<2, transformers<5) cannot be met beside veRL's.
Source: Rei et al. 2020, "COMET: A Neural Framework for MT Evaluation" (arXiv 2009.09025); of the joint models Wan et
al. 2022, UniTE (arXiv 2204.13346), Rei et al. 2022, CometKiwi (arXiv 2209.06243), Guerreiro et al. 2023, xCOMET (arXiv
2310.10482).
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbrlsvr.errors import ConfigError, MissingDependencyError, ModelError
from pbrlsvr.models.comet.cards import known_card
from pbrlsvr.models.devices import DTYPES, torch_device
from pbrlsvr.serving.scorer import Scorer, ServingOptions, scorer
from pbrlsvr.serving.token_budget import usual_budget

if TYPE_CHECKING:
    from pbrlsvr.models.comet.model import CometModel

#: Apache-2.0, with a reference.
DEFAULT_COMET = "Unbabel/wmt22-comet-da"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CometOptions:
    """Which COMET model, and how it runs.

    Attributes:
        model: a folder with hparams.yaml and checkpoints/model.ckpt, that .ckpt, or a name on the Hugging Face hub.
        revision: the commit, tag or branch of a hub model.
        encoder: where the encoder's config.json and tokenizer are: a folder or a hub name. `None` takes what the
            checkpoint names, such as xlm-roberta-large. Its weights are not needed.
        device: "auto" (a GPU where this process sees one, else the CPU) or a torch device.
        dtype: of the encoder: "float32", "bfloat16" or "float16".
        batch_tokens: tokens in one forward pass, padding included; halved where memory runs out. `None` takes 1024 on a
            CPU, 16384 elsewhere.
        cut_source: whether the source of a sample that is too long for the encoder is cut along with the translation
            and the reference. `False` keeps it whole beside each segment, for a source that they do not translate, such
            as a question beside its answer.
        cached_vectors: sentence vectors of sources and references kept in memory, the least recently used leave first.
    """

    model: str = DEFAULT_COMET
    revision: str | None = None
    encoder: str | None = None
    device: str = "auto"
    dtype: str = "float32"
    batch_tokens: int | None = None
    cut_source: bool = True
    cached_vectors: int = 20_000

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model.strip():
            raise ConfigError(f"model={self.model!r} names no model; give a folder or a name on the Hugging Face hub")
        for name in ("batch_tokens", "cached_vectors"):
            value = getattr(self, name)
            unset = name == "batch_tokens" and value is None
            if not unset and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ConfigError(f"{name}={value!r} must be a whole number of 1 or more")
        if not isinstance(self.cut_source, bool):
            raise ConfigError(f"cut_source={self.cut_source!r} must be true or false")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype={self.dtype!r} is not one of {list(DTYPES)}")

    def load(self) -> "CometModel":
        """The loaded model.

        Raises:
            ModelError: the model cannot be loaded, or has an architecture that is not known here.
            MissingDependencyError: the extra `comet` is not installed.
        """
        try:
            import torch

            from pbrlsvr.models.comet.checkpoint import read_checkpoint
            from pbrlsvr.models.comet.model import CometModel
            from pbrlsvr.models.comet.network import CometNetwork
        except ImportError as error:
            raise MissingDependencyError(
                "COMET needs torch, transformers and sentencepiece; run `pip install 'pbrlsvr[comet]'` in the "
                f"environment of every node ({error})"
            ) from error
        device = torch_device(self.device)
        card = known_card(self.model)
        if card and not card.commercial:
            log.warning("model=%r: its licence, %s, does not allow commercial use", self.model, card.licence)
        checkpoint = read_checkpoint(self.model, self.revision)
        try:
            network = CometNetwork(checkpoint, self.encoder, torch.device(device), getattr(torch, self.dtype))
        except RuntimeError as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"model={self.model!r} cannot be put on device={device!r}: {error}") from error
        batch_tokens = self.batch_tokens or usual_budget(device)
        return CometModel(network, self.model, batch_tokens, self.cut_source, self.cached_vectors)


class Comet:
    """COMET scores for coroutines. Get it with `comet(options)`; facades of the same options share one model."""

    def __init__(self, scorer: "Scorer[tuple[str, ...], float]"):
        self._scorer = scorer

    async def score(self, src: str, mt: str, ref: str | None = None) -> float:
        """How well `mt` says what `src` and `ref` say: the raw score of the model.

        Most models were trained to scores in about [0, 1], 1 being a perfect translation; wmt20-comet-da gives z-scores
        around 0. No range is enforced.

        Args:
            src: the source.
            mt: the translation that is scored.
            ref: the reference. Models without one ignore it; models with one need it, except joint models that were
                trained with and without.

        Raises:
            DataError: the model needs a reference, and there is none.
            ModelError: the model cannot be loaded, or gives a score that is not finite.
            MissingDependencyError: the extra `comet` is not installed.

        Example:
            >>> import asyncio
            >>> metric = comet(CometOptions("Unbabel/wmt22-comet-da"))
            >>> asyncio.run(metric.score("Es sind 11.", "There are 11.", "It is 11.")) > 0.5  # doctest: +SKIP
            True
        """
        return float(await self._scorer((src, mt) if ref is None else (src, mt, ref)))


def comet(options: CometOptions, serving: ServingOptions | None = None) -> Comet:
    """COMET with these options; the model is loaded once, at the first sample."""
    return Comet(scorer(options, serving or ServingOptions()))
