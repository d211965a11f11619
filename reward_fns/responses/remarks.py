"""What stands behind the answer of a response: remarks ("Note: this counts the eggs of one day.", "P.S. ...", 注：…),
and polite sentences ("I hope this is right.", "No dudes en preguntar.").
"""

import re
from functools import cache

from pbrlsvr.responses.cue_patterns import any_language, any_of
from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.sentences import SENTENCE, lower_case, sentences
from pbrlsvr.words import scope_words, word_sections

_LINE = re.compile(r"[^\n]*\S[^\n]*")
_ITEM = re.compile(r"\s*(?:[-•*]\s|\d{1,2}[.)]\s)")
_MOST = 6
_OPENS = re.compile(r"[^\w\n]*")
# A polite sentence is short, and has no number in it. Thai and Lao end no sentence but by a space.
_POLITE, _DIGIT, _SPACE = 160, re.compile(r"\d"), re.compile(r" (?=[\u0e00-\u0eff])")


def before_closing(text: str, start: int, end: int) -> int:
    """Where the polite sentences begin that end `text[start:end]`; `end` if it ends with none.

    >>> said = "The answer is 18. I hope it is correct! Don't hesitate to ask."
    >>> said[: before_closing(said, 0, len(said))]
    'The answer is 18.'
    """
    for begin, stop in list(sentences(text, max(start, end - SENTENCE), end))[: -_MOST - 1 : -1]:
        lower = lower_case(text[begin:stop])
        polite = next(
            (
                at
                for at in (0, *(space.end() for space in _SPACE.finditer(lower)))
                if (opened := _OPENS.match(lower, at)) and offers().match(lower, opened.end())
            ),
            None,
        )
        if polite is None:
            if lower.strip(" *_\n.!?🙂😊👍"):
                break
            continue
        if stop - begin - polite > _POLITE or _DIGIT.search(lower, polite) or _against().search(lower, polite):
            break
        end = begin + polite
        if polite:
            break
    return end


@cache
def _against() -> re.Pattern[str]:
    """What speaks against the answer before it: "Thank you, but it is wrong"."""
    words = {*scope_words("but"), *(word for cue in CUES.values() for word in cue.wrong)}
    return any_of(word for word in words if len(word) > 3 or word >= "\u0250" or word == "but")


@cache
def offers() -> re.Pattern[str]:
    """How a polite sentence begins."""
    return any_of(scope_words("offer"))


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
