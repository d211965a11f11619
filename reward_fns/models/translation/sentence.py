"""One sentence on its way through an engine: with names for its pieces, or in the parts between them."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pbrlsvr.models.translation.engines import Request
from pbrlsvr.models.translation.protect import INLINE, from_engine, to_engine

_CLAUSE_END = re.compile(r"[,;:،؛、，；：—–](?!\d)|\s")
_LETTERS = re.compile(r"[^\W\d_]{0,20}")


@dataclass(frozen=True)
class Sentence:
    """A part of a text that is translated at once: marked text, and the pieces for its marks."""

    masked: str
    pieces: tuple[str, ...]
    source: str
    target: str

    def whole(self) -> Request:
        """The sentence with names for its pieces."""
        return Request(to_engine(self.masked)[0], self.source, self.target)

    def between(self) -> list[Request]:
        """The texts between the pieces."""
        texts = (text.strip() for text in self.masked.split(INLINE))
        return [Request(text, self.source, self.target) for text in texts if is_prose(text)]

    def put_together(self, translated: dict[Request, str]) -> str | None:
        """The translation with its pieces; None where a name was lost and the texts between are not translated yet."""
        names = to_engine(self.masked)[1]
        found = from_engine(translated[self.whole()], names, self.pieces)
        between = self.between()
        if found is not None or not all(request in translated for request in between):
            return found
        parts: list[str] = []
        for place, gap in enumerate(self.masked.split(INLINE)):
            if is_prose(gap):
                words = translated[Request(gap.strip(), self.source, self.target)]
                gap = " " * (place > 0) + words + " " * (place < len(self.pieces))
            parts += [gap, *self.pieces[place : place + 1]]
        return "".join(parts)


def is_prose(text: str) -> bool:
    """Whether there is anything to translate: a letter outside of the pieces."""
    return any(map(str.isalpha, text))


def fit(sentence: str, size: Callable[[str], int], limit: int) -> list[str]:
    """A sentence in parts of at most `limit` units, halved at the punctuation or space nearest to its middle.

    Joined with spaces the parts are the sentence, up to the spaces at the cuts.

    >>> fit("one two three, four five six", size=lambda text: len(text.split()), limit=3)
    ['one two three,', 'four five six']
    """
    # No tokenizer of these models makes more than 4 tokens of a character.
    if 4 * len(sentence) <= limit or size(sentence) <= limit or len(sentence) < 2:
        return [sentence]
    middle = len(sentence) // 2
    cuts = [mark.end() for mark in _CLAUSE_END.finditer(sentence) if len(sentence) < 4 * mark.end() < 3 * len(sentence)]
    cut = min(cuts, key=lambda place: (sentence[place - 1].isspace(), abs(place - middle)), default=middle)
    halves = (sentence[:cut].strip(), sentence[cut:].strip())
    return [part for half in halves if half for part in fit(half, size, limit)]


def without_loop(text: str) -> str:
    """A text without the rounds of a loop at its end: what repeats three times or more is kept once.

    >>> without_loop("She has six, she has six, she has six, she ha")
    'She has six, she'
    """
    best_start, best_length, best_period = len(text), 0, 0
    for period in range(1, len(text) // 3 + 1):
        length = 0
        while length < len(text) - period and text[-1 - length] == text[-1 - length - period]:
            length += 1
        if length >= 2 * period and length > best_length:
            best_start, best_length, best_period = len(text) - length, length, period
            if length == len(text) - period:
                break  # all of the text is one loop; without this a text of one letter takes quadratic time
    round_ = text[best_start - best_period : best_start]
    # A round begins anywhere; the word that it is in the middle of is kept whole, unless the round is one word itself.
    inside_word = round_[-1:].isalpha() and not round_.isalpha()
    rest = _LETTERS.match(text, best_start) if inside_word else None
    return text[: rest.end() if rest else best_start].rstrip()
