"""The last sentence where it concludes: "So she earns 18 dollars a day.", "Insgesamt sind es 18 Euro."

It opens with a word of `[therefore]` in `scopes.txt`, or holds one that is no other word, or names what is asked ("The
value of x is 4."), or is a plain statement (`plain.py`: "63 / 7 = 9. Each cousin gets 9 marbles."), and has one
number. Since nothing in it says "answer", any reason not to read it counts: a word that
denies, bounds or rounds, a condition, a question, somebody else's words, a next step, an end without a full stop, and a
number behind it.
"""

import re
from collections.abc import Callable
from functools import cache

from pbrlsvr.responses.checks import checks
from pbrlsvr.responses.clock import in_words
from pbrlsvr.responses.concluded_times import bounds_a_time, concluded_time
from pbrlsvr.responses.cue_patterns import any_of, words_in
from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.durations import is_span_of_time
from pbrlsvr.responses.nouns import names_an_answer
from pbrlsvr.responses.number_words import only_number
from pbrlsvr.responses.one_number import IN_MATH, one_number, value_end
from pbrlsvr.responses.plain import CURRENCY, repeats_the_result, says_what_it_is
from pbrlsvr.responses.scopes import cites, scope_in
from pbrlsvr.responses.sentences import SENTENCE, is_question, lower_case, sentence_end, sentences
from pbrlsvr.responses.stated import FULL_STOPS, LONG, MARKUP, between, states
from pbrlsvr.responses.therefore import any_so, any_therefore, inside_a_sentence, therefores
from pbrlsvr.responses.values import NUMBER, NUMBER_RUN
from pbrlsvr.words import scope_words

_THEREFORE_SIGN = "∴"
# Of the last sentences so many are looked at for a number in words, and so many characters may follow.
_LAST, _REST = 2, 240
_DIGIT = re.compile(r"\d")
# The languages, where the sentence goes on behind "therefore", the number's place, and where the answer begins.
_Concluded = tuple[tuple[str, ...], int, tuple[int, int], int]
# What belongs to a number and stands before it: "-$5", "$-5", "− 5".
_SIGN = re.compile(rf"(?:(?<![^\s(*:])[-−–]\s?)?(?:[{CURRENCY}]\s?[-−–]?)?\Z")
# "(check: 12 + 7 = 19)" at the end of a sentence.
_ASIDE = re.compile(r"\s?[(（][^()（）\n]{0,80}=[^()（）\n]{0,40}[)）]\s?\Z")
# Scripts whose sentences end without a mark; a unit there, or nothing.
_UNMARKED = ("th", "lo", "km", "my")
_UNMARKED_LETTER = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_UNMARKED_UNIT = re.compile(r"[\s*%\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]{0,24}\Z")
#: A unit has so many letters; without a full stop more may be the next words.
_UNIT = 12
_GOES_ON = (",", ":", ";", "，", "：", "、", "،", "=", "(")
# A word for "therefore" at the beginning of a sentence has so many words at most.
_WORDS_OF_THEREFORE = 5
_EQUALS = re.compile(r"(?<![^\W\d_])[a-z]\s?=\s?[-−]?[\d.,/]+\Z")
_STOPS = FULL_STOPS + "!！"
_LETTERS = re.compile(r"[^\W\d_]+")
_ENDING = re.compile(r"[^\W\d_]*")
# A flower, a smile.
_PICTURES = re.compile(
    r"[\s\u2300-\u23ff\u2600-\u27bf\ufe0f\U0001f300-\U0001faff]+(?:[ㅋㅎㅠ]{2,6}\s?)?\Z|\s[ㅋㅎㅠ]{2,6}\s?\Z"
)
# A heading, an item of a list, the label of a part: "### Step 4", "b) Therefore".
_LABEL = re.compile(
    r"[ \t*_]{0,6}(?:#|\|?[(（]?(?:[a-z]|\d{1,2})[)）]|[^\W\d_]{1,12}\s?\d{1,2}\s?[:：.)](?!\d))", re.IGNORECASE
)
# "18:", "18)": a number that counts what comes behind it.
_COUNTS = re.compile(r"\s?[:：)）៖፦]")


def last_conclusion(text: str, start: int, end: int) -> tuple[int, int, int] | None:
    """Where the reasoning ends, before the last sentence or with it, and where what that concludes begins and ends."""
    found = _last_with_number(text, start, end)
    read = found and _read(text, end, *found, _concluded)
    return read or _last_in_words(text, start, end)


def _last_in_words(text: str, start: int, end: int) -> tuple[int, int, int] | None:
    """The same of a last sentence whose number, or time of day, stands in words."""
    said = [place for place in sentences(text, max(start, end - LONG - _REST), end) if text[slice(*place)].strip()]
    for begin, stop in said[: -_LAST - 1 : -1]:
        # The window may open inside the first sentence.
        if _DIGIT.search(text, begin, stop) or (begin and begin == end - LONG - _REST):
            return None
        if read := _read(text, end, begin, stop, _concluded_in_words):
            return read
    return None


def _read(
    text: str, end: int, begin: int, stop: int, concluded_by: Callable[[str, str, int, str], _Concluded | None]
) -> tuple[int, int, int] | None:
    """What the sentence at `[begin, stop)` concludes, where nothing speaks against it."""
    sentence = text[begin:stop]
    if aside := _ASIDE.search(sentence):
        sentence = sentence[: aside.start()]
    lead = len(sentence) - len(sentence.lstrip(MARKUP))
    lower = lower_case(sentence)
    if len(sentence) > LONG or is_question(text, stop):
        return None
    concluded = concluded_by(sentence, lower, lead, text[:begin])
    if concluded is None:
        return None
    codes, after, value, start = concluded
    # What says "answer" has been looked at, and is none.
    if names_an_answer(sentence) or _LABEL.match(sentence) or _is_counter(sentence, value):
        return None
    if not _is_complete(sentence, value[1], text[stop : stop + 1], codes) or text[stop:end].rstrip()[-1:] in _GOES_ON:
        return None
    if not states(text[:end], begin, stop, value, codes, after):
        return None
    # "She eats 3 and bakes with 4, so she sells 9": the sentence is of the reasoning, too.
    opening_words = len(_LETTERS.findall(sentence, lead, after))
    mark = min(stop + 1, end) if opening_words > _WORDS_OF_THEREFORE else begin + lead
    if start == value[0] and concluded_by is _concluded_in_words:
        return mark, begin + start, begin + value[1]
    # "She saves $12.50 by buying 4"
    stop = value_end(sentence, value[1]) if sentence[value[0]].isdigit() else len(sentence)
    return mark, begin + start, begin + stop


def _is_counter(sentence: str, value: tuple[int, int]) -> bool:
    """Whether a number counts what comes behind it: "2) Eggs", and not "eighteen (18)"."""
    opened = sentence.rfind("(", 0, value[0]) > sentence.rfind(")", 0, value[0])
    return _COUNTS.match(sentence, value[1]) is not None and not opened


def _concluded_in_words(sentence: str, lower: str, lead: int, before: str) -> _Concluded | None:
    """As `_concluded`, of a sentence without digits: its one number, or one time of day, in words."""
    if timed := concluded_time(sentence, lower, lead):
        return timed
    found = concludes(lower, lead)
    if found is None or in_words(lower):
        return None
    codes, after = found
    number = only_number(lower, after, codes)
    # "So in four days she will see it again."
    if number is None or is_span_of_time(lower, *number, codes):
        return None
    return codes, after, number, number[0]


def _concluded(sentence: str, lower: str, lead: int, before: str) -> _Concluded | None:
    """The languages in which a sentence concludes, where it goes on behind "therefore", its number's place, and where
    the answer begins: at the number if words for other numbers, a formula, or words that bound or deny stand before."""
    number = None
    if timed := concluded_time(sentence, lower, lead):
        return timed
    if found := concludes(lower, lead):
        codes, after = found
        number = one_number(sentence, lower, after, codes, before)
    elif plain := says_what_it_is(lower):
        (codes, number), after = plain, lead
    elif repeats_the_result(sentence, before):
        codes, after = tuple(CUES), lead
        number = one_number(sentence, lower, after, codes, before)
    if number is None and (so := _concludes_inside(lower, lead)):
        codes, after = so
        scope = scope_in(codes)
        # "Tom thinks it is 5, so he writes 18"
        if cites(sentence, lower, scope, lead, after) or scope.says.search(lower, lead, after):
            return None
        number = one_number(sentence, lower, after, codes, before)
    if number is None or bounds_a_time(sentence, lower, number, codes):
        return None
    no = words_in(codes).no
    is_bare = any(what.search(lower, after, number[0]) for what in (NUMBER_RUN, between(), no))
    is_bare = is_bare or IN_MATH.match(sentence, number[0]) is not None
    return codes, after, number, _signed(sentence, after, number[0]) if is_bare else after


def _concludes_inside(lower: str, lead: int) -> tuple[tuple[str, ...], int] | None:
    """As `concludes`, of the last word that concludes inside the sentence: "She eats 3 and bakes with 4, so ..."."""
    if not any_so().search(lower, lead):
        return None
    ends = {
        code: max((so.end() for so in inside_a_sentence(code, of_times=False).finditer(lower, lead)), default=0)
        for code in CUES
    }
    after = max(ends.values())
    # "Also bleib*": the word goes on.
    goes_on = _ENDING.match(lower, after) if lower[after - 1 : after] < "\u0590" else None
    codes = tuple(code for code, end in ends.items() if end == after)
    # "If there were no discount, the total would be 84"
    if not after or ("=" not in lower and scope_in(codes).if_.match(lower, lead)):
        return None
    return codes, goes_on.end() if goes_on else after


def _signed(sentence: str, begin: int, number: int) -> int:
    """Where a number begins with the sign and the currency before it."""
    return _SIGN.search(sentence, begin, number).start()  # type: ignore[union-attr]


def _last_with_number(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The last sentence with a number, where no more than a few words, or a check of it, follow."""
    position, found = max(start, end - SENTENCE), None
    if position > start:
        # The window may open inside a sentence.
        position = sentence_end(text, position, end) + 1
    for begin, stop in sentences(text, position, end):
        said = text[begin:stop].strip()
        if NUMBER.search(said) and not (found and checks(said, text[found[0] : found[1]])):
            found = begin, stop
    return found if found and end - found[1] <= LONG else None


def concludes(lower: str, lead: int) -> tuple[tuple[str, ...], int] | None:
    """The languages that have the sentence's word for "therefore", and where the sentence goes on behind it."""
    if lower[lead : lead + 1] == _THEREFORE_SIGN:
        return tuple(CUES), lead + 1
    if not any_therefore().search(lower) and not _asked(tuple(CUES)).search(lower):
        return None
    begins = {code: words.at_first.match(lower, lead) for code, words in therefores().items()}
    opens = {code: match.end() for code, match in begins.items() if match}
    if opens:
        after = max(opens.values())
        while lower[after : after + 1] in (",", "،", "，", "、", ":", "：", " ", "*"):
            after += 1
        # ש-25%: a prefix has its hyphen.
        return tuple(opens), after + (lower[after : after + 1] == "-" and lower[after - 1].isalpha())
    inside = tuple(
        code
        for code, words in therefores().items()
        if words.anywhere.search(lower) or _asked((code,)).search(lower, lead)
    )
    return (inside, lead) if inside else None


@cache
def _asked(codes: tuple[str, ...]) -> re.Pattern[str]:
    """What problems ask for, in some languages: "total cost", "value of x"."""
    return any_of(scope_words("asked", codes))


def _is_complete(sentence: str, value: int, stop: str, codes: tuple[str, ...]) -> bool:
    """Whether a sentence ends: with a full stop where its language has one, or with its number and a unit."""
    if stop and stop in _STOPS:
        return True
    if set(codes) <= set(_UNMARKED) and _UNMARKED_UNIT.match(sentence, value):
        return True
    tail = sentence[value:].rstrip(" *")
    if tail[-1:] in tuple(_STOPS) or _PICTURES.search(tail):
        return True
    unit = _LETTERS.findall(tail)
    # "∴ x = 7" at the end of the text.
    if not (tail or stop) and sentence[:value].rstrip()[-1:].isdecimal() and _EQUALS.search(sentence, 0, value):
        return True
    return len(unit) == 1 and len(unit[0]) <= (_UNIT if unit[0] < "\u0e00" else 3)
