"""An announced answer that says yes or no: "Die Antwort lautet daher: Nein, ...", 答えは「いいえ」です."""

import re
from functools import cache

from pbrlsvr.responses.cue_patterns import Words, any_of, reasons
from pbrlsvr.responses.scopes import Scope
from pbrlsvr.responses.values import value_first
from pbrlsvr.responses.word_sections import word_sections

_OPENS = r"[\s:：=*_\"'“”‘’«»„「『】\])>）|,،、，]{0,8}"
_QUOTES = r"[\"'“”‘’«»「」『』*_`]{0,4}"
_CLOSES = re.compile(_QUOTES)
# "Also" concludes in German and adds in English, so `scopes.txt` lacks it.
_SO = {"de": ("also",), "da": ("så",), "sv": ("så",), "nl": ("dan ook",), "fr": ("bien",), "pl": ("zatem", "więc")}
_ENDS = re.compile(r"\s{0,2}(?:[.,;:!。，；：！、।॥۔።។،؛–—]|-\s|\n|\Z)")
# Copulas and particles behind the word: "はいです", "아니요입니다", "بله است".
_VERBS = re.compile(
    r"\s?(?:です|であ|だ|とな|にな|입니다|이다|이에요|예요|است|ہے|है|होगा|হবে|আছে|ค่ะ|ครับ|นะ|dir\b|dır\b)"
)


def verdict_behind(text: str, lower: str, begin: int, codes: tuple[str, ...]) -> tuple[int, int] | None:
    """Where the yes or no stands that a text goes on with: nothing but a connective and quotes before it, and behind it
    the end of its clause, a copula or a reason; None for "no more than 18" and "no, 18"."""
    found = _said(codes).match(lower, begin)
    if found is None:
        return None
    end = found.end("said")
    closes = _CLOSES.match(lower, end)
    after = closes.end() if closes else end
    behind = _ENDS.match(lower, after) or _VERBS.match(lower, after) or reasons().match(lower, after)
    if behind is None or value_first(text[behind.end() : behind.end() + 24]):
        return None
    return found.span("said")


def takes_it_back(lower: str, end: int, scope: Scope) -> bool:
    """Whether the words behind a yes or no take it back: "no, wait"."""
    return scope.wait.match(lower[end : end + 40].lstrip(" .,!…。、，\n")) is not None


def places(noun_end: int, lower: str, words: Words) -> list[int]:
    """Where a yes or no may begin behind a noun: behind its copula or colon, or at once where there is none."""
    cue = words.cue.match(lower, noun_end)
    at_once = [noun_end] if words.direct else []
    return ([cue.end()] if cue else []) + at_once


@cache
def _said(codes: tuple[str, ...]) -> re.Pattern[str]:
    table, therefore = word_sections("yes_no"), word_sections("scopes")["therefore"]
    so = any_of(w.rstrip("~*") for code in codes for w in (*therefore.get(code, ()), *_SO.get(code, ())))
    said = any_of(w for code in codes for kind in ("yes", "no") for w in table[kind].get(code, ()))
    return re.compile(rf"{_OPENS}(?:(?:{so.pattern})[\s:：,،、，*_]{{0,4}})?{_QUOTES}(?P<said>{said.pattern})")
