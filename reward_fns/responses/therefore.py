"""Words for "therefore": how a last sentence concludes, and how a short one chooses an option."""

import re
from functools import cache
from typing import NamedTuple

from pbrlsvr.responses.cue_patterns import any_of
from pbrlsvr.responses.cues import CUES
from pbrlsvr.words import scope_words, word_sections

# "Luego, la", "Получаем, что": with or without a comma between the words.
_COMMA = ",? "
_WORDS = re.compile(r"[^\W\d_]+")
# Words so common that they conclude only behind a comma.
_BEHIND_A_COMMA = ("en", "pl", "sv", "hi", "hu", "de", "fr", "ar", "bn", "fa")
# A sentence that only chooses has so many words beside the letter; and where a word that picks it is so close.
_WORDS_BESIDE, _WORDS_BESIDE_PICKED, _CLOSE = 8, 20, 24


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


@cache
def inside_a_sentence(code: str, of_times: bool = True) -> re.Pattern[str]:
    """A language's words that conclude inside a sentence, "she eats 3, so she sells 15"; `of_times`: beside a time of
    day, where more do."""
    words = [word for word in word_sections("scopes")["so"].get(code, ()) if of_times or word[-1] != "~"]
    comma = r"(?<=[,;،，] )" if code in _BEHIND_A_COMMA else ""
    more = [word.rstrip("~") for word in word_sections("scopes")["therefore"].get(code, ()) if len(word) > 2]
    return re.compile(
        rf"{comma}(?:{any_of(word.rstrip('~') for word in words).pattern})|(?<=[,;،，] )(?:{any_of(more).pattern})"
    )


@cache
def any_so() -> re.Pattern[str]:
    """What may conclude inside a sentence in any language."""
    return any_of(word.rstrip("~") for name in ("so", "therefore") for word in scope_words(name))


class Choosing(NamedTuple):
    """One language's words of a sentence that only chooses an option."""

    therefore: Therefore
    right: re.Pattern[str]
    picks: re.Pattern[str]
    denied: re.Pattern[str]

    def concludes(self, sentence: str) -> bool:
        return bool(self.therefore.at_first.match(sentence) or self.therefore.anywhere.search(sentence))


def chooses(sentence: str, letter: tuple[int, int], is_quoted: bool = False) -> bool:
    """Whether a sentence in lower case chooses the option whose letter stands there.

    It says "therefore", or "right", "only" or "I pick" beside the letter, is short, and no language that has these
    words finds a "not" or "wrong", or a next step, in it.
    """
    rest = f"{sentence[: letter[0]]} {sentence[letter[1] :]}"
    close = sentence[max(0, letter[0] - _CLOSE) : letter[0]], sentence[letter[1] : letter[1] + _CLOSE]
    words, opened, said = len(_WORDS.findall(rest)), sentence.lstrip(" *_"), []
    for language in _choosing():
        picks = not is_quoted and any(map(language.picks.search, close))
        if words > (_WORDS_BESIDE_PICKED if picks else _WORDS_BESIDE):
            continue
        if picks or language.concludes(opened) or language.right.search(rest):
            said.append(language)
    # "C is the one to choose": what says "must" is a part of it.
    return bool(said) and not any(language.denied.search(language.picks.sub(" ", rest)) for language in said)


@cache
def _choosing() -> list[Choosing]:
    """Of each language."""
    scopes = word_sections("scopes")
    against = ("rejects", "next", "must")
    return [
        Choosing(
            therefores()[code],
            any_of(cue.right),
            any_of(scopes["chooses"].get(code, ())),
            any_of([*cue.no, *cue.wrong, *(w.rstrip("~") for name in against for w in scopes[name].get(code, ()))]),
        )
        for code, cue in CUES.items()
    ]
