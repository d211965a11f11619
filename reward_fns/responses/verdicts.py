"""An answer that says yes or no: announced ("Die Antwort lautet daher: Nein, ...", 答えは「いいえ」です), or concluded
by a last sentence that opens with it, "So yes, the lines are parallel.", "Nein, das Geld reicht also nicht."
"""

import re
from functools import cache

from pbrlsvr.responses.cue_patterns import Words, any_language, any_of, reasons
from pbrlsvr.responses.nouns import names_an_answer
from pbrlsvr.responses.scopes import Scope, cites, scope_in
from pbrlsvr.responses.sentences import is_question, lower_case, sentences
from pbrlsvr.responses.stated import LONG, MARKUP, closes
from pbrlsvr.responses.therefore import Therefore, any_so, any_therefore, inside_a_sentence, therefores
from pbrlsvr.responses.values import NUMBER, TOKEN, value_first
from pbrlsvr.words import word_sections

_OPENS = r"[\s:：=*_\"'“”‘’«»„「『】\])>）|,،、，]{0,8}"
_QUOTES = r"[\"'“”‘’«»「」『』*_`]{0,4}"
_CLOSES = re.compile(_QUOTES)
# "Also" concludes in German and adds in English, so `scopes.txt` lacks it.
_SO = {"de": ("also",), "da": ("så",), "sv": ("så",), "nl": ("dan ook",), "fr": ("bien",), "pl": ("zatem", "więc")}
# Thai, Lao, Khmer and Burmese end a clause with a space.
_ENDS = re.compile(
    r"\s{0,2}(?:(?<=[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\s|[.,;:!。，；：！、।॥۔።។،؛–—✅✓✔❌🙂😊]|-\s|\n|\Z)"
)
_COMMA = re.compile(r"[,،，、]")
_ONE_WORD = re.compile(r"\W{0,4}[^\W\d_]{0,12}\W{0,4}(?:\n|\Z)")
# Copulas and particles behind the word: "はいです", "아니요입니다", "بله است".
_VERBS = re.compile(
    r"\s?(?:です|であ|だ|とな|にな|입니다|이다|이에요|예요|است|ہے|है|होगा|হবে|আছে|ค่ะ|ครับ|นะ|dir\b|dır\b)"
)


def verdict_behind(text: str, lower: str, begin: int, codes: tuple[str, ...]) -> tuple[int, int] | None:
    """Where the yes or no stands that a text goes on with: nothing but a connective and quotes before it, and behind it
    the end of its clause, a copula or a reason; None for "no more than 18" and "no, 18"."""
    found = _said(codes).match(lower, begin)
    # Hebrew לכן, "therefore", has כן, "yes", behind a prefix.
    if found is None or any_therefore().fullmatch(found["said"]):
        return None
    end = found.end("said")
    closes = _CLOSES.match(lower, end)
    after = closes.end() if closes else end
    behind = next(filter(None, (ends.match(lower, after) for ends in (_VERBS, reasons(), _ENDS))), None)
    if behind is None or _is_all(text[behind.end() : behind.end() + 40]):
        return None
    return found.span("said")


def _is_all(rest: str) -> bool:
    """Whether a value, with at most a word, is all that follows: "no, 18 eggs", and not "no, 91 is not prime"."""
    # 「いいえ」です。1000円では足りません。
    value = TOKEN.search(rest) if value_first(rest) and not rest.startswith("。") else None
    return value is not None and _ONE_WORD.match(rest, value.end()) is not None


def last_verdict(text: str, start: int, end: int) -> tuple[int, int, int] | None:
    """Where the last sentence begins, and where the yes or no stands that it opens with and concludes; None if none."""
    since = max(start, end - 2 * LONG)
    text = text[since:end]
    lower = lower_case(text)
    later: list[str] = []
    for begin, stop in list(sentences(text, 0, len(text)))[::-1]:
        lead = stop - len(text[begin:stop].lstrip(MARKUP + "\n"))
        # "**No**, the money is not enough.", "No, a bat is no bird." where nothing else follows the calculation.
        is_bold = text[max(0, lead - 2) : lead] == "**"
        opens = is_bold or not text[text.rfind("\n", 0, lead) + 1 : lead].strip()
        codes = _concluding(lower[lead:stop], opens)
        said = verdict_behind(text, lower, lead, codes) if codes else None
        if said is None and (inside := _inside(text, lower, lead, stop)):
            codes, said = inside
        if said is not None:
            goes_on = any(scope_in(codes).next.search(sentence) for sentence in later)
            is_final = said[1] <= stop and not goes_on and _is_final(text, lower, (begin, stop), said, codes)
            # "No, that is the wrong way."; "I. Introduction", where Hausa has "i" for yes
            rejects = not is_bold and (said[1] - said[0] < 2 or any_language().wrong.search(lower, said[1], stop))
            return (since + lead, since + said[0], since + said[1]) if is_final and not rejects else None
        # A polite sentence may follow, or the reason: "**No.** A bat is a mammal."
        if not closes(lower[begin:stop], scope_in(codes or ("en",)).next):
            if not _explains(text, begin, stop):
                return None
            later.append(lower[begin:stop])
    return None


def _inside(text: str, lower: str, begin: int, stop: int) -> tuple[tuple[str, ...], tuple[int, int]] | None:
    """The language and the place of a yes or no behind a "so" in a sentence: "It was built in 1889, so no, he ..."."""
    # Nearly no sentence has one, and most have no comma.
    said_by_any = _said(tuple(therefores()))
    if not _COMMA.search(lower, begin, stop) or not any(
        said_by_any.match(lower, so.end()) for so in any_so().finditer(lower, begin, stop)
    ):
        return None
    for code in therefores():
        for so in inside_a_sentence(code).finditer(lower, begin, stop):
            said = verdict_behind(text, lower, so.end(), (code,))
            if said and not scope_in((code,)).if_.match(lower, begin):
                return (code,), said
    return None


def _explains(text: str, begin: int, stop: int) -> bool:
    """Whether a sentence without a number goes on in its line."""
    before = text[text.rfind("\n", 0, begin) + 1 : begin].strip()
    return bool(before) and NUMBER.search(text, begin, stop) is None and not is_question(text, stop)


def _concluding(sentence: str, opens: bool) -> tuple[str, ...]:
    """The languages in which a sentence in lower case opens with yes or no: in bold, its line, or with "therefore"."""
    # Nearly every response ends without one, and is not looked at once for each language.
    if not _said(tuple(therefores())).match(sentence):
        return ()

    def concludes(code: str, words: Therefore) -> bool:
        return bool(words.at_first.match(sentence) or words.anywhere.search(sentence) or _so(code).search(sentence))

    return tuple(
        code
        for code, words in therefores().items()
        if (opens or concludes(code, words)) and _said((code,)).match(sentence)
    )


@cache
def _so(code: str) -> re.Pattern[str]:
    return any_of(_SO.get(code, ()))


def _is_final(text: str, lower: str, sentence: tuple[int, int], said: tuple[int, int], codes: tuple[str, ...]) -> bool:
    """Whether a sentence states its yes or no: without a condition, doubt, source, question or next step."""
    (begin, stop), scope = sentence, scope_in(codes)
    whole, tail = lower[begin:stop], lower[said[1] : stop]
    if is_question(text, stop) or names_an_answer(whole) or takes_it_back(lower, said, scope):
        return False
    steps = (step[0] for step in scope.next.finditer(whole))
    if any(not (scope.must.fullmatch(step) or scope.now.fullmatch(step)) for step in steps):
        return False
    if scope.doubt.match(tail.lstrip(" ,，、")) or not scope.states(lower, said, said[0], said, stop):
        return False
    return not cites(text, lower, scope, begin, stop)


def takes_it_back(lower: str, said: tuple[int, int], scope: Scope) -> bool:
    """Whether the words behind a yes or no take it back: "no, wait", and not "no, no le alcanza"."""
    behind = scope.wait.match(lower[said[1] : said[1] + 40].lstrip(" .,!…。、，\n"))
    verdict, no = lower[said[0] : said[1]], any_language().no
    if behind is None or behind[0] == verdict:
        return False
    # "No, non le basta" goes on with what says no as well.
    return not (no.fullmatch(verdict) and no.match(behind[0]))


def verdict_places(noun_end: int, lower: str, words: Words) -> list[int]:
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
