"""A long text, cut at the ends of sentences: into pieces that fit a model, or into the steps of a reasoning."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pbrlsvr.responses.markup import SENTENCE_END

#: Shorter sentences ("1.", "So:", "x = 3.") say too little to be matched alone; they go to the sentence after them.
SHORTEST_STEP = 12


def split_to_fit(text: str, tokenizer: Any, limit: int) -> list[tuple[str, int]]:
    """Pieces of at most `limit` tokens with their token counts, cut after sentences where one ends in reach.

    Nothing is lost: the pieces joined are the text.
    """
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = encoded["offset_mapping"]
    if len(offsets) <= limit:
        return [(text, max(len(offsets), 1))]
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    pieces, start_token, start_char = [], 0, 0
    while start_token < len(offsets):
        stop_token = min(start_token + limit, len(offsets))
        stop_char = len(text) if stop_token == len(offsets) else offsets[stop_token][0]
        if stop_token < len(offsets):
            # The last sentence end in the second half of the window; a cut in its first half would waste the window.
            half = offsets[start_token + limit // 2][0]
            fitting = [end for end in ends if half < end <= stop_char]
            if fitting:
                stop_char = fitting[-1]
                stop_token = next(i for i in range(start_token + 1, stop_token + 1) if offsets[i][0] >= stop_char)
        pieces.append((text[start_char:stop_char], stop_token - start_token))
        start_token, start_char = stop_token, stop_char
    return pieces


def split_steps(text: str, limit: int) -> list[str]:
    """The sentences of a text in order, at most `limit` of them, without the space around them.

    A sentence shorter than `SHORTEST_STEP` characters goes to the one after it. Of more than `limit` sentences,
    neighbours are joined into `limit` steps of about the same length, so that a very long reasoning costs no more.

    Args:
        text: a text of any length.
        limit: the most steps that are wanted, 1 or more.

    Example:
        >>> split_steps("1. Ana has 17 apples. She gives away 6.5 kg of them.", 100)
        ['1. Ana has 17 apples.', 'She gives away 6.5 kg of them.']
    """
    cuts = [0, *(match.end() for match in SENTENCE_END.finditer(text)), len(text)]
    sentences = [text[start:stop].strip() for start, stop in pairwise(cuts)]
    steps: list[str] = []
    for sentence in filter(None, sentences):
        if steps and len(steps[-1]) < SHORTEST_STEP:
            steps[-1] += f" {sentence}"
        else:
            steps.append(sentence)
    if len(steps) > 1 and len(steps[-1]) < SHORTEST_STEP:
        last = steps.pop()
        steps[-1] += f" {last}"
    if len(steps) <= limit:
        return steps
    return [" ".join(group) for group in shares([(step, len(step)) for step in steps], limit) if group]


def shares(pieces: Sequence[tuple[str, int]], number: int) -> list[list[str]]:
    """Pieces with their sizes, in order, as `number` groups of about the same size; some may be empty.

    A piece goes where its middle is, so that a long one does not drag its neighbours with it.
    """
    groups: list[list[str]] = [[] for _ in range(number)]
    total = sum(size for _, size in pieces)
    done = 0
    for piece, size in pieces:
        groups[min(number - 1, (2 * done + size) * number // (2 * total))].append(piece)
        done += size
    return groups
