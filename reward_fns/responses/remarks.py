"""Remarks at the end of a response, behind its answer: "Note: this counts the eggs of one day.", "P.S. ...", 注：…"""

import re
from functools import cache

from pbrlsvr.responses.cue_patterns import any_language, any_of
from pbrlsvr.responses.sentences import SENTENCE, lower_case
from pbrlsvr.words import word_sections

_LINE = re.compile(r"[^\n]*\S[^\n]*")
_ITEM = re.compile(r"\s*(?:[-•*]\s|\d{1,2}[.)]\s)")
_MOST = 6


def before_remarks(text: str, start: int, end: int) -> int:
    """Where the last lines of `text[start:end]` begin that are remarks, with their items; `end` if none are, or if one
    says that something is wrong.

    >>> said = "So she earns $18.\\n\\n**Note:** with 20 eggs she would earn 26."
    >>> said[: before_remarks(said, 0, len(said))]
    'So she earns $18.\\n\\n'
    """
    begin = max(start, end - SENTENCE)
    lower, found, items = lower_case(text[begin:end]), end, 0
    for line in list(_LINE.finditer(lower))[: -_MOST - 1 : -1]:
        if _remark().match(line[0]):
            found, items = begin + line.start(), 0
        elif _ITEM.match(line[0]):
            items += 1
        else:
            break
    # A window that opens inside a line says nothing of how that begins.
    opens_inside = found == begin > start and text[begin - 1] != "\n"
    return end if opens_inside or any_language().wrong.search(lower, found - begin) else found


@cache
def _remark() -> re.Pattern[str]:
    """How a remark opens its line: one of the words and a colon, or one that needs none."""
    words = [word for words in word_sections("remarks")["remark"].values() for word in words]
    alone = any_of(word[:-1] for word in words if word[-1] == "~").pattern
    return re.compile(
        rf"[\s*_#>(（\[【📝💡⚠️ℹ️🔎]{{0,10}}(?:(?:{any_of(word for word in words if word[-1] != '~').pattern})"
        rf"\s?[*_]{{0,3}}\s?[:：)）\]】][*_]{{0,3}}|(?:{alone}))"
    )
