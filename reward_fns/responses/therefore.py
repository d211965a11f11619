"""Words for "therefore": how a last sentence concludes, and how a short one chooses an option."""

import re
from functools import cache
from typing import NamedTuple

from pbrlsvr.responses.cue_patterns import any_of
from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.word_sections import scope_words, word_sections

# "Luego, la", "Получаем, что": with or without a comma between the words.
_COMMA = ",? "


class Therefore(NamedTuple):
    """One language's words for "therefore": at the beginning of a sentence, and those that count anywhere in it."""

    at_first: re.Pattern[str]
    anywhere: re.Pattern[str]


@cache
def therefores() -> dict[str, Therefore]:
    """Language -> its words, for every language that has cues."""
    table = word_sections("scopes")["therefore"]
    made = {}
    for code in CUES:
        words = table.get(code, ())
        clear = [word for word in words if word[-1] != "~" and (len(word) > 2 or word >= "\u0590")]
        made[code] = Therefore(any_of((word.rstrip("~") for word in words), _COMMA), any_of(clear, _COMMA))
    return made


@cache
def any_therefore() -> re.Pattern[str]:
    """A word for "therefore" of any language: most sentences have none, and are not looked at for each language."""
    return any_of((word.rstrip("~") for word in scope_words("therefore", CUES)), _COMMA)


class Choosing(NamedTuple):
    """One language's words of a sentence that only chooses an option."""

    therefore: Therefore
    right: re.Pattern[str]
    denied: re.Pattern[str]

    def concludes(self, sentence: str) -> bool:
        return bool(self.therefore.at_first.match(sentence) or self.therefore.anywhere.search(sentence))


def chooses(sentence: str, rest: str) -> bool:
    """Whether a sentence in lower case says "therefore", or its `rest` beside the option's letter says "right", and no
    language that has these words finds a "not" or "wrong", or a next step, in it."""
    said = [words for words in _choosing() if words.concludes(sentence) or words.right.search(rest)]
    return bool(said) and not any(words.denied.search(rest) for words in said)


@cache
def _choosing() -> list[Choosing]:
    """Of each language."""
    scopes = word_sections("scopes")
    against = ("rejects", "next", "must")
    return [
        Choosing(
            therefores()[code],
            any_of(cue.right),
            any_of([*cue.no, *cue.wrong, *(w.rstrip("~") for name in against for w in scopes[name].get(code, ()))]),
        )
        for code, cue in CUES.items()
    ]
