"""COMET in this process: Unbabel's published checkpoints on transformers' encoders, without unbabel-comet.

The same scores as `unbabel-comet` 2.2.7, whose requirements (numpy<2, transformers<5) cannot be met beside veRL's.
Source: Rei et al. 2020, "COMET: A Neural Framework for MT Evaluation" (arXiv 2009.09025); of the joint models Wan et
al. 2022, UniTE (arXiv 2204.13346), Rei et al. 2022, CometKiwi (arXiv 2209.06243), Guerreiro et al. 2023, xCOMET (arXiv
2310.10482).
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbrlsvr.errors import ModelError
from pbrlsvr.models.comet.cards import known_card
from pbrlsvr.models.comet.options import CometOptions
from pbrlsvr.models.files import missing
from pbrlsvr.serving.scorer import Scorer, ServingOptions, scorer
from pbrlsvr.serving.token_budget import torch_device, usual_budget

if TYPE_CHECKING:
    from pbrlsvr.models.comet.model import CometModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CometLoader:
    """All that the scores depend on; loads the checkpoint where it is to run.

    Attributes:
        cut_source: whether the source of a sample that is too long for the encoder is cut along with the translation
            and the reference. `False` keeps it whole beside each segment, for a source that they do not translate, such
            as a question beside its answer.
    """

    model: str
    revision: str | None
    encoder: str | None
    device: str
    dtype: str
    batch_tokens: int | None
    cut_source: bool = True

    @classmethod
    def of(cls, options: CometOptions, serving: ServingOptions | None = None, cut_source: bool = True) -> "CometLoader":
        """This model in this place."""
        serving = serving or ServingOptions()
        place = (serving.device, serving.dtype, serving.batch_tokens)
        return cls(options.model, options.revision, options.encoder, *place, cut_source)

    def load(self) -> "CometModel":
        """The loaded model; see `ModelOptions.load`."""
        try:
            import torch

            from pbrlsvr.models.comet.checkpoint import read_checkpoint
            from pbrlsvr.models.comet.model import CometModel
            from pbrlsvr.models.comet.network import CometNetwork
        except ImportError as error:
            raise missing("COMET", "comet", error) from error
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
        return CometModel(network, self.model, batch_tokens, self.cut_source)


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
            >>> metric = comet(CometOptions(model="Unbabel/wmt22-comet-da"))
            >>> asyncio.run(metric.score("Es sind 11.", "There are 11.", "It is 11.")) > 0.5  # doctest: +SKIP
            True
        """
        return float(await self._scorer((src, mt) if ref is None else (src, mt, ref)))


def comet(options: CometOptions, serving: ServingOptions | None = None, cut_source: bool = True) -> Comet:
    """COMET with these options; the model is loaded once, at the first sample. See `CometLoader` for `cut_source`."""
    serving = serving or ServingOptions()
    return Comet(scorer(CometLoader.of(options, serving, cut_source), serving))
