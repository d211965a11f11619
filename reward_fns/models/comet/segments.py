"""A source, a translation and a reference that do not fit the encoder, cut into aligned segments.

Our choice, since COMET itself cuts off what does not fit: each of the texts is cut at the same shares of its length,
after a sentence where one ends in reach, into as few segments as fit. The score of the whole is the mean
of the segments' scores, weighted by the translation's tokens. Texts that fit are not touched.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pbrlsvr.errors import ModelError
from pbrlsvr.models.pieces import split_to_fit

#: One sample: source, translation, and a reference or None.
Triple = tuple[str, str, str | None]

#: Cuts lie this much finer than what fits.
_GRAIN = 8


class Segmenter:
    """Cuts samples that do not fit.

    Args:
        tokenizer: a fast tokenizer of transformers.
        room: tokens of text that one input of the encoder holds.
        texts: how many texts share that room.
        fits: whether a sample can be scored at once.
        cut_source: False keeps the source whole beside each segment, where it leaves room for them.
    """

    def __init__(self, tokenizer: Any, room: int, texts: int, fits: Callable[[Triple], bool], cut_source: bool):
        self._tokenizer = tokenizer
        self._room = room
        self._together = texts > 1
        self._grain = max(1, room // texts // _GRAIN)
        self._fits = fits
        self._cut_source = cut_source

    def segments(self, sample: Triple) -> list[Triple]:
        """The sample itself where it fits, else its segments in order; joined, they are the sample.

        Raises:
            ModelError: the encoder is too small for any text.
        """
        if self._fits(sample):
            return [sample]
        texts = [text for text in sample if text is not None]
        grains = [split_to_fit(text, self._tokenizer, self._grain) if text else [] for text in texts]
        tokens = [sum(count for _, count in pieces) for pieces in grains]
        whole_source = not self._cut_source and tokens[0] <= (self._room // 2 if self._together else self._room)
        cut = tokens[1:] if whole_source else tokens
        fewest = -(-(sum(cut) if self._together else max(cut)) // self._room)
        for number in range(max(2, fewest), max(map(len, grains)) + 1):
            columns = [_shares(pieces, number) for pieces in grains]
            if whole_source:
                columns[0] = [sample[0]] * number
            references: Sequence[str | None] = columns[2] if len(columns) > 2 else [None] * number
            segments = list(zip(columns[0], columns[1], references, strict=True))
            if all(map(self._fits, segments)):
                return segments
        raise ModelError(f"the encoder has room for {self._room} tokens, too few for any segment of {sample[1][:80]!r}")


def _shares(pieces: list[tuple[str, int]], number: int) -> list[str]:
    """Pieces joined into `number` texts of about the same length; a piece goes where its middle is."""
    total = sum(tokens for _, tokens in pieces)
    shares = [""] * number
    done = 0
    for piece, tokens in pieces:
        shares[min(number - 1, (2 * done + tokens) * number // (2 * total))] += piece
        done += tokens
    return shares
