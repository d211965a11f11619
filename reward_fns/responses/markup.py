r"""Where a text is not prose: the one reader of code, mathematics, addresses and tags, and of the ends of sentences.

    fences   the blocks of fenced code
    pieces   all that is not prose, in order: code, formulas, LaTeX commands, addresses, tags

The patterns are also here as text, for who puts them together in another way. Each stops at its own opener, so that no
stretch of text is searched twice: time is linear.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

#: A block of code inside a line, and code between one or two backticks.
BLOCK_CODE = r"(?<!`)```(?!`)(?:(?!```).)+```"
INLINE_CODE = r"``(?:[^`\n]|`(?!`)){1,400}``|`[^`\n]{1,400}`"
ENVIRONMENT = r"\\begin\{(?P<name>[a-z]{1,20}\*?)\}(?:(?!\\(?:begin|end)\{).)*\\end\{(?P=name)\}"
#: Mathematics that stands on a line of its own, without environments.
DISPLAY = r"\$\$(?:(?!\$\$).)+\$\$|\\\[(?:(?!\\[\[\]]).)*\\\]"
# An amount of money is no formula: the closing $ follows no space and precedes no digit.
INLINE_MATH = r"\\\((?:(?!\\[()]).)*\\\)|(?<!\\)\$(?![\s$])[^$\n]{0,400}(?<![\s\\$])\$(?!\d)"
#: Web and mail addresses, without the punctuation behind them.
ADDRESS = (
    r"https?://[^\s<>\"'，。（）」]{0,400}[^\s<>\"'，。（）」.,;:!?)\]]"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}"
)
TAG = r"</?[A-Za-z_][\w-]{0,30}/?>"
#: The words in a formula.
WORDS_IN_MATH = re.compile(r"\\(?:text\w{0,12}|mbox)\s{0,3}\{([^{}]*)\}")
COMMAND = re.compile(r"\\[A-Za-z]+\*?")
#: The end of a sentence in the scripts of the supported languages, or a line break.
SENTENCE_END = re.compile(r"[.!?…](?=\s)|[。！？।॥؟۔]|\n")

Kind = Literal["code", "math", "command", "address", "tag"]


class Piece(NamedTuple):
    """What stands at `[start, end)`."""

    kind: Kind
    start: int
    end: int


class Fence(NamedTuple):
    """A block of fenced code with its fences; `closed` by a line that is nothing but a fence, as Markdown has it."""

    start: int
    end: int
    closed: bool


_FENCE = re.compile(r"^[ \t>]{0,12}(`{3,}|~{3,})([^\n]*)(?:\n|\Z)", re.MULTILINE)
_PIECE = re.compile(
    rf"(?P<code>{BLOCK_CODE}|{INLINE_CODE})|(?P<math>{ENVIRONMENT}|{DISPLAY}|{INLINE_MATH})"
    rf"|(?P<command>{COMMAND.pattern})|(?P<address>{ADDRESS})|(?P<tag>{TAG})",
    re.DOTALL,
)


def fences(text: str) -> list[Fence]:
    """The blocks of fenced code, in order.

    One that no line closes ends at the next such fence inside a line, else with the text.

    >>> fences("```\\nx = 1\\n```\\nand so on")
    [Fence(start=0, end=14, closed=True)]
    """
    if "```" not in text and "~~~" not in text:
        return []
    found: list[Fence] = []
    opening: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opening is None:
            # Three backticks that are closed on their own line are code inside it.
            opening = fence if fence[1][0] == "~" or "`" not in fence[2] else None
        elif fence[1].startswith(opening[1]) and not fence[2].strip():
            found.append(Fence(opening.start(), fence.end(), True))
            opening = None
    if opening is not None:
        inside = text.find(opening[1], opening.end())
        end = len(text) if inside < 0 else inside + len(opening[1])
        found.append(Fence(opening.start(), end, False))
    return found


def pieces(text: str) -> Iterator[Piece]:
    """All that is not prose, in order and without overlap. No text raises.

    >>> [(piece.kind, "f(x) is $x^2$"[piece.start : piece.end]) for piece in pieces("f(x) is $x^2$")]
    [('math', '$x^2$')]
    """
    position = 0
    for start, end, _ in [*fences(text), Fence(len(text), len(text), True)]:
        for found in _PIECE.finditer(text, position, start):
            kind: Kind = found.lastgroup  # type: ignore[assignment]
            yield Piece(kind, found.start(), found.end())
        if start < end:
            yield Piece("code", start, end)
        position = end
