"""What a translation must not touch: code, LaTeX, equations, addresses. Taken out before, put back after.

    protect       a text -> the text with a mark for each piece, and the pieces
    to_engine     a marked sentence -> what an engine is given: short names (X1, X2) for the marks
    from_engine   its translation -> the sentence with the pieces, or None where a name was lost or doubled

A mark is one private-use character, so a text is cut into sentences as if the piece were a letter. Time is linear in
the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import count

from pbrlsvr.responses import markup

#: Stands for a piece inside a sentence.
INLINE = "\ue000"
#: Stands for a piece that ends a sentence: a block of code, a displayed formula.
BLOCK = "\ue001"

_BRACED = r"\{[^{}]{0,400}(?:\{[^{}]{0,400}(?:\{[^{}]{0,400}\}[^{}]{0,400}){0,4}\}[^{}]{0,400}){0,8}\}"
# Letters of alphabets: a number or a variable beside one is part of a word. A Han character beside it is not.
# × and ÷ stand among the letters of Latin-1.
_LETTER = "A-Za-zÀ-ÖØ-öø-ɏͰ-ԯ"
# A number with its marks, a percent sign and a currency before it; or a variable, perhaps with an index.
_NUMBER = rf"[$€£¥₹]?\d+(?:[.,]\d+)*(?![.,]?\d)%?[A-Za-z]?(?![{_LETTER}_])"
_TERM = rf"[(\[]{{0,3}}[-+−]?(?:{_NUMBER}|[A-Za-z](?:_?\d)?(?![{_LETTER}\d_]))[)\]]{{0,3}}"
_OPERATOR = r"[ \t]?(?:[-+−–*/×÷·⋅^=≈<>≤≥]|<=|>=|!=)[ \t]?"
_INLINE = (
    rf"{markup.INLINE_CODE}|{markup.INLINE_MATH}"
    rf"|\\[A-Za-z]+(?:\[[^\[\]\n]{{0,40}}\])?(?:{_BRACED}){{0,3}}"
    rf"|{markup.ADDRESS}|<<[^<>\n]{{1,80}}>>"
    rf"|(?<![{_LETTER}\d_.,]){_TERM}(?:{_OPERATOR}{_TERM})+"
    r"|[\ue000-\uf8ff]"
)
_BLOCK = rf"{markup.BLOCK_CODE}|{markup.DISPLAY}|{markup.ENVIRONMENT}"
_PIECE = re.compile(rf"(?P<block>{_BLOCK})|(?:{_INLINE})", re.DOTALL)
_MARKS = re.compile(f"[{INLINE}{BLOCK}]")
_ARITHMETIC = re.compile(r"[=<>≤≥≈]|\d")
_SEPARATORS = str.maketrans({"٫": ".", "٬": ","})


def protect(text: str) -> tuple[str, list[str]]:
    """A text with a mark for each piece that is no prose, and these pieces in order.

    Pieces are fenced and inline code; LaTeX in dollars, `\\(...\\)`, `\\[...\\]` and environments, and commands such as
    `\\boxed{...}`; web and mail addresses; equations and arithmetic with digits ("17 - 6 = 11").
    A number alone is no piece: engines copy ASCII digits, and need them for the grammar around.

    The pieces put back, the first for the first mark, give the text again.

    >>> protect("So 17 - 6 = 11 apples remain.")
    ('So \\ue000 apples remain.', ['17 - 6 = 11'])
    """
    masked, pieces, position = [], [], 0
    for start, stop, is_block in _found(text):
        masked += [text[position:start], BLOCK if is_block else INLINE]
        pieces.append(text[start:stop])
        position = stop
    return "".join([*masked, text[position:]]), pieces


def ascii_digits(text: str) -> str:
    """The text with the digits of any script as 0-9, and Arabic separators as "." and ",".

    Models copy ASCII digits; of others they lose some.

    >>> ascii_digits("১৭ টি আপেল, ٣٫٥")
    '17 টি আপেল, 3.5'
    """
    if text.isascii():
        return text
    text = re.sub(r"(?<=\d)[٫٬](?=\d)", lambda mark: mark[0].translate(_SEPARATORS), text)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text)


def to_engine(sentence: str) -> tuple[str, list[str]]:
    """A marked sentence as an engine gets it, and the names that stand for its marks, in order.

    >>> to_engine(f"所以{INLINE}个苹果。")
    ('所以 X1 个苹果。', ['X1'])
    """
    letter = next((letter for letter in "XQZVK" if not re.search(rf"{letter}\d", sentence)), "X")
    numbers, names = count(1), []

    def name(mark: re.Match[str]) -> str:
        names.append(f"{letter}{next(numbers)}")
        before, after = sentence[mark.start() - 1 : mark.start()], sentence[mark.end() : mark.end() + 1]
        return " " * _touches(before) + names[-1] + " " * _touches(after)

    return _MARKS.sub(name, sentence), names


def from_engine(translation: str, names: Sequence[str], pieces: Sequence[str]) -> str | None:
    """A translated sentence with its pieces, or None where a name is missing, doubled or made up.

    >>> from_engine("So X1 apples.", ["X1"], ["17 - 6 = 11"]), from_engine("So X1 X1", ["X1"], ["17 - 6 = 11"])
    ('So 17 - 6 = 11 apples.', None)
    """
    if not names:
        return translation
    piece_of = dict(zip(names, pieces, strict=True))
    parts = re.split(rf"(?<![^\W_])({names[0][0]}\d+)(?!\d)", translation)
    if sorted(parts[1::2]) != sorted(names):
        return None
    return "".join(piece_of[part] if place % 2 else part for place, part in enumerate(parts))


def _touches(character: str) -> bool:
    return character.isalnum() or character in (INLINE, BLOCK) if character else False


def _found(text: str) -> Iterator[tuple[int, int, bool]]:
    """The pieces as `[start, stop)`, in order, with whether each is a block."""
    position = 0
    for start, stop, _ in [*markup.fences(text), (len(text), len(text), True)]:
        for piece in _PIECE.finditer(text, position, start):
            if piece["block"] is not None or not _is_plain(piece[0]):
                yield piece.start(), piece.end(), piece["block"] is not None
        if start < stop:
            yield start, stop, True
        position = stop


def _is_plain(piece: str) -> bool:
    """Whether what looks like arithmetic is words, such as a hyphen between two letters."""
    return (
        len(piece) > 1 and piece[0] not in "`\\$" and not re.search(r"@|://", piece) and not _ARITHMETIC.search(piece)
    )
