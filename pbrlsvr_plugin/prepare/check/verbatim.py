r"""What a translation takes over as it is: formulas, code, web and mail addresses.

`$...$` is a formula where it reads as one: a command, a relation, a power, or at most a few symbols; "costs $5 in May
and 6$ in June" is money. The words in `\text{}` are language, so they may be translated.
"""

import re
from collections import Counter
from typing import NamedTuple

from pbrlsvr.responses import markup

_SPAN = re.compile(
    rf"(?P<code>{markup.BLOCK_CODE}|{markup.INLINE_CODE})|(?P<display>{markup.DISPLAY}|{markup.ENVIRONMENT})"
    rf"|(?P<inline>{markup.INLINE_MATH})|(?P<address>{markup.ADDRESS})"
    r"|(?P<command>\\(?:frac|dfrac|tfrac|sqrt|boxed|binom)(?:\s?(?:\{[^{}]{0,100}\}|\[[^\]]{0,20}\])){1,2})",
    re.DOTALL,
)
_FORMULA = re.compile(r"\\[A-Za-z{}|,;]|[\^_=<>+*/]|\A[^\w]*\w{1,3}[^\w]*\Z|\A[-+\d.,()\s]+\Z")
_WORDS = re.compile(r"[^\W\d_]{3,}\s+[^\W\d_]{2,}")


class Differences(NamedTuple):
    """What differs between two texts, as it is written there."""

    missing: tuple[str, ...]
    added: tuple[str, ...]

    def __str__(self) -> str:
        verbs = (("missing", self.missing), ("not in the English", self.added))
        return "; ".join(
            f"{', '.join(map(_short, spans))} {'is' if len(spans) == 1 else 'are'} {what}"
            for what, spans in verbs
            if spans
        )


def compare(english: str, translation: str) -> Differences | None:
    r"""The spans that a translation changed, dropped or added; None where there are none. White space does not count.

    >>> compare(r"Find $x$ in $x^2 = 4$.", r"Halla $x$ en $x^2=4$.") is None
    True
    >>> str(compare(r"Find $x$ in $x^2 = 4$.", r"Halla $x$ en $x^3 = 4$."))
    '$x^2=4$ is missing; $x^3=4$ is not in the English'
    """
    asked, given = Counter(map(_canonical, spans(english))), Counter(map(_canonical, spans(translation)))
    if asked == given:
        return None
    return Differences(tuple((asked - given).elements()), tuple((given - asked).elements()))


def spans(text: str) -> list[str]:
    r"""The formulas, pieces of code and addresses of a text, in order.

    >>> spans(r"$5 for $n$ of them, or 6$: see https://example.org/a and `f(x)`.")
    ['$n$', 'https://example.org/a', '`f(x)`']
    """
    return [text[start:end] for start, end in _places(text)]


def without(text: str) -> str:
    """The text without them.

    >>> without("Find $x$ now")
    'Find   now'
    """
    pieces, position = [], 0
    for start, end in _places(text):
        pieces.append(text[position:start])
        position = end
    return " ".join([*pieces, text[position:]])


def _places(text: str) -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    position = 0
    if not any(mark in text for mark in "$\\`@:"):
        return places
    while span := _SPAN.search(text, position):
        if (span["inline"] or "").startswith("$") and not _is_formula(span["inline"][1:-1]):
            position = span.start() + 1
            continue
        places.append(span.span())
        position = span.end()
    return places


def _is_formula(body: str) -> bool:
    plain = markup.WORDS_IN_MATH.sub(" ", body)
    return _FORMULA.search(plain) is not None and ("\\" in plain or _WORDS.search(plain) is None)


def _canonical(span: str) -> str:
    if span.startswith("```"):
        return span.strip()
    return "".join(markup.WORDS_IN_MATH.sub(r"\\text{}", span).split()).rstrip("/")


def _short(span: str) -> str:
    return span if len(span) <= 60 else span[:57] + "..."
