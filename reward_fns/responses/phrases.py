"""Finds the final answer that a phrase, a heading or a JSON key announces; `pbrlsvr.responses.cues` has the words.

The last announcement counts that holds a value and is not taken back: not one that its own sentence denies ("is not
18", "18 is wrong"), doubts ("might be 18", "is it 18?"), or makes depend on something ("if the answer is 18").
"""

import re
from collections.abc import Callable

from pbrlsvr.responses.checks import checks_by_name, goes_on_below, is_listed, only_checks
from pbrlsvr.responses.conclusions import last_conclusion
from pbrlsvr.responses.cue_patterns import codes_of, is_unspaced, nouns_of_all, reasons
from pbrlsvr.responses.forms import is_cited, is_form
from pbrlsvr.responses.inverted import before_noun
from pbrlsvr.responses.nouns import Noun, outermost
from pbrlsvr.responses.one_number import joins, one_number, value_end
from pbrlsvr.responses.places import lead, place_of
from pbrlsvr.responses.scopes import cites, is_someones
from pbrlsvr.responses.sentences import (
    SENTENCE,
    SENTENCE_BEGIN,
    is_question,
    is_taken_back,
    lower_case,
    opening,
    sentence_end,
    sentences,
)
from pbrlsvr.responses.shapes import BOLD, Announced, json_answer, tagged_answer
from pbrlsvr.responses.therefore import any_therefore
from pbrlsvr.responses.values import LETTER, NUMBER, NUMBER_RUN, TOKEN, has_value, value_first
from pbrlsvr.responses.verdicts import takes_it_back, verdict_behind, verdict_places

#: Phrases are looked for in so many last characters of a response: what stands before them is not final.
WINDOW = 8_192
# "The other options are wrong": so many characters stand before "wrong" at most.
_FEW_WORDS = 20
# "And" with the brackets and spaces beside it.
_AND = 12
# Short words for "reject" are others beside a number: Vietnamese "18 loại" are 18 kinds.
_LONG_WORD = 5
_TIME = re.compile(r"\d{1,2}\s?[:.h]\s?\d\d(?!\d)")
# A list that breaks off: "(a) 12 cm", and below it "(b)".
_CUT_OFF = re.compile(r"\n[\s*]{0,4}[(（]?[^\W_]{1,2}[)）]\s*\Z")
_COMMA = re.compile(r"[,，،、](?!\d)")
_SEPARATED = re.compile(r"[:：\n=*]")


def find_cue(text: str, start: int, end: int, in_code: Callable[[int], bool]) -> Announced | None:
    """Finds the last announcement that an answer follows, in any language.

    Args:
        text: the response.
        start: where to begin, an index into the text.
        end: where to stop.
        in_code: tells whether a position is in code, where no cue counts, but for a JSON object that ends the text.

    Returns:
        Where the announcement begins, and where the answer begins and ends: at the end of its line or sentence. One
        before something with a value in it goes before a later one without. None when there is none.
    """
    offset = max(start, end - WINDOW)
    text = text[offset:end]

    def within(position: int) -> bool:
        return in_code(position + offset)

    found = json_answer(text) or tagged_answer(text, within) or _said(text, within)
    return found and Announced(found.mark + offset, found.start + offset, found.end + offset, found.firm)


def _said(text: str, in_code: Callable[[int], bool]) -> Announced | None:
    lower = lower_case(text)
    fallback: Announced | None = None
    for begin, word in outermost(lower):
        if in_code(begin):
            continue
        for kind in nouns_of_all()[word]:
            found = _announced(Noun(text, lower, begin, begin + len(word), word, kind))
            if found is not None and has_value(text[found.start : found.end]):
                return found
            if kind == "nouns" or (found is not None and found.is_verdict):
                fallback = fallback or found
    return fallback


def _announced(noun: Noun) -> Announced | None:
    """The answer that a noun announces, if it does and nothing takes it back."""
    if (said := _yes_or_no(noun)) is not None:
        return _verdict(noun, said)
    text, place = noun.text, place_of(noun)
    begin, loose = place or (noun.end, False)
    end = sentence_end(text, begin, begin + SENTENCE)
    if place is None or not text[begin:end].strip("* "):
        return before_noun(noun)
    value = TOKEN.search(text, begin, end)
    # "So B is the right answer: only there the order holds."
    if value is None and (before := before_noun(noun)):
        return before
    if is_question(text, end) or _is_conditional(noun, begin, value.start() if value else begin):
        return None
    if (
        checks_by_name(noun.lower, noun.begin)
        or (value and is_form(text, value, end))
        or is_cited(noun, value.start() if value else begin)
    ):
        return None
    if _CUT_OFF.search(text) or goes_on_below(text, end, noun.scope.next) or (value and is_listed(text, value, end)):
        return None
    if value is None:
        return None if noun.kind == "options" else Announced(lead(text, noun.begin), begin, end, False)
    reason = reasons().search(noun.lower, value.end(), end)
    if not _counts(noun, value, begin, end, reason, loose) or not _is_stated(noun, value, begin, end, reason):
        return None
    end = value.end() if _is_letter_alone(noun, value, begin) else reason.start() if reason else end
    # "18, which is divisible by 3"
    if what := noun.scope.property.search(noun.lower, value.end(), end):
        comma = _COMMA.search(text, value.end(), what.start())
        end = comma.start() if comma else end
    bold = [match for match in BOLD.finditer(text, max(0, begin - 2), end) if has_value(match[1])]
    is_first = value_first(text[begin:end])
    if not is_first and not text[end:].strip() and _breaks_off(noun, end):
        return None
    # The part of the day stands beside a time: "शाम **5:25 बजे**".
    if not is_first and len(bold) == 1 and not _TIME.match(bold[0][1]):
        begin, end = bold[0].span(1)
    elif number := _number_of_several(noun, begin, end):
        begin, end = number
    return Announced(lead(text, noun.begin), begin, end, noun.kind == "nouns" and (is_first or len(bold) == 1))


def _number_of_several(noun: Noun, begin: int, end: int) -> tuple[int, int] | None:
    """Where the one number stands of the sentence that is announced: "Claire eats 7 dozen in 4 weeks"."""
    said = noun.text[begin:end]
    runs = [found for found in NUMBER_RUN.finditer(said) if found[0][0].isdigit()]
    if len(runs) < 2:
        return None
    codes = tuple(codes_of(noun.word, noun.kind))
    number = one_number(said, noun.lower[begin:end], 0, codes, noun.text[: lead(noun.text, noun.begin)])
    if number is None:
        return None
    return begin + number[0], begin + value_end(said, number[1])


def _is_rejected(noun: Noun, end: int) -> bool:
    """Whether a number is given up: "the solution -25 is rejected", and not "18 rejected parts"."""
    behind = noun.lower[end : end + 40].lstrip(" *$)")
    copula = noun.words.copula.match(behind)
    said = behind[copula.end() :].lstrip() if copula else behind
    rejected = noun.scope.rejects.match(said)
    return rejected is not None and (copula is not None or noun.kind == "results") and len(rejected[0]) >= _LONG_WORD


def _breaks_off(noun: Noun, end: int) -> bool:
    """Whether the text ends in the midst of a sentence: "There were 20 eggs at first, then"."""
    said = noun.lower[max(0, end - 32) : end].rstrip(" *,،、")
    words = (noun.scope.then, noun.scope.next, noun.scope.but)
    return any(found.end() == len(said) and found.start() for each in words for found in each.finditer(said))


def _counts(noun: Noun, value: re.Match[str], begin: int, end: int, reason: re.Match[str] | None, loose: bool) -> bool:
    """Whether a noun of its kind, with its value there, names a final answer."""
    text, lower, since = noun.text, noun.lower, opening(noun.text, noun.begin)
    is_last = only_checks(text, end, text[begin:end])
    is_letter = not value[0][0].isdigit()
    # "Loại đáp án C": a reason tells what is right of other options.
    until = (reason.start() if reason else end) if noun.kind == "options" else value.start()
    rejects = noun.scope.rejects
    # 選択肢Bの文: what it says of the option is no choice.
    if is_letter and lower[value.end() : value.end() + 2].startswith(("の", "의 ", "的")):
        return False
    # "Options B and D both seem right"
    other = re.search(LETTER, text[value.end() : value.end() + _AND]) if is_letter else None
    beside = lower[value.end() : value.end() + other.start()].strip(" )）(（*") if other else ""
    codes = tuple(codes_of(noun.word, noun.kind)) if beside else ()
    if beside and (joins("standard", codes).fullmatch(beside) or joins("or", codes).fullmatch(beside)):
        return False
    # "Option A would be right if", "la opción A no es la respuesta correcta"
    against = (rejects, noun.scope.would, noun.words.no)
    behind = lower[value.end() : value.end() + 40].lstrip(" )）'\".*")
    if is_letter and (rejects.search(lower, since, until) or any(words.match(behind) for words in against)):
        return False
    if not is_letter and _is_rejected(noun, value.end()):
        return False
    if noun.kind == "options":
        said = (is_last and end - since <= 24) or noun.words.right.search(lower, since, until) is not None
        return is_letter and value.start() - begin <= 8 and said
    if noun.kind == "results":
        # "The result is 18, next we"
        return is_last and noun.scope.next.search(lower, value.end(), end) is None
    return is_last or not loose or value_first(text[begin:end])


def _is_stated(noun: Noun, value: re.Match[str], begin: int, end: int, reason: re.Match[str] | None) -> bool:
    """Whether the sentence states the value, and neither denies it nor quotes somebody."""
    lower = _without_reason(noun, reason, end)
    alone = _is_of_others(noun, value[0], end) if value[0].isalpha() else _is_of_the_rest(noun, end)
    if is_taken_back(lower, value.end(), end, noun.words, predicate_only=alone):
        return False
    return _is_own(noun, lower, begin, value.span(), end)


def _is_of_others(noun: Noun, letter: str, end: int) -> bool:
    """Whether the next sentence is about other options than a letter: "A and B are wrong.", "The others are wrong."."""
    stop = sentence_end(noun.text, end + 1, end + SENTENCE)
    letters = [option[0] for option in re.finditer(LETTER, noun.text[end + 1 : stop])]
    # "A" is a word as well.
    names = len(letters) > 1 or letters not in ([], ["A"], ["E"], ["I"])
    others = names or noun.scope.others.search(noun.lower, end + 1, stop)
    return letter not in letters and bool(others) and not noun.scope.says.search(noun.lower, end + 1, stop)


def _is_of_the_rest(noun: Noun, end: int) -> bool:
    """Whether the next sentence finds the rest wrong: "The other options are wrong.", not "The others say no."."""
    stop = sentence_end(noun.text, end + 1, end + SENTENCE)
    others = noun.scope.others.search(noun.lower, end + 1, min(stop, end + 25))
    wrong = noun.words.wrong.search(noun.lower, others.end(), stop) if others else None
    if others is None or wrong is None or noun.scope.says.search(noun.lower, end + 1, stop):
        return False
    between = noun.lower[others.end() : wrong.start()]
    # "On the other hand, this is wrong."
    return len(between) < _FEW_WORDS and "," not in between and noun.scope.this.search(between) is None


def _is_own(noun: Noun, lower: str, begin: int, value: tuple[int, int], end: int) -> bool:
    """Whether a sentence states a value as its writer's own final answer."""
    text, span = noun.text, (noun.begin, noun.end)
    if not noun.scope.states(lower, span, begin, value, end) or is_someones(text, span, begin):
        return False
    return not cites(text, noun.lower, noun.scope, opening(text, noun.begin, SENTENCE_BEGIN), end)


def _yes_or_no(noun: Noun) -> tuple[int, int] | None:
    """Where the yes or no stands that a noun announces."""
    text, lower = noun.text, noun.lower
    codes = tuple(codes_of(noun.word, noun.kind)) if noun.kind != "options" else ()
    at = verdict_places(noun.end, lower, noun.words) if codes else []
    return next(filter(None, (verdict_behind(text, lower, begin, codes) for begin in at)), None)


def _verdict(noun: Noun, said: tuple[int, int]) -> Announced | None:
    """The yes or no, if nothing takes it back and no number follows its sentence but in its reason."""
    text, lower = noun.text, noun.lower
    # "विकल्प A सही उत्तर नहीं है": A is not the right answer.
    if not _SEPARATED.search(text, noun.end, said[0]) and TOKEN.search(text, opening(text, noun.begin), noun.begin):
        return None
    if _is_conditional(noun, said[0], said[0]) or takes_it_back(lower, said, noun.scope):
        return None
    end = sentence_end(text, said[1], said[1] + SENTENCE)
    reason = reasons().search(lower, said[1], end)
    stop = reason.start() if reason else end
    if is_question(text, end) or _another_follows(text, end) or not _is_own(noun, lower[:stop], said[0], said, stop):
        return None
    return Announced(lead(text, noun.begin), *said, False, True)


def _another_follows(text: str, end: int) -> bool:
    """Whether a number follows a yes or no that may be the answer: not in one sentence that only gives the reason."""
    if NUMBER.search(text, end) is None:
        return False
    following = [text[begin:stop] for begin, stop in sentences(text, end + 1, len(text)) if text[begin:stop].strip()]
    return len(following) > 1 or "=" in following[0] or last_conclusion(text, end + 1, len(text)) is not None


def _is_conditional(noun: Noun, begin: int, value: int) -> bool:
    """Whether the words up to the value deny it, doubt it, bound it, or make it depend on something."""
    words, lower = noun.words, noun.lower
    since = opening(noun.text, noun.begin)
    # 37 หารด้วย 5 ไม่ลงตัว ดังนั้นคำตอบคือ **ไม่**: what "therefore" follows from.
    if is_unspaced(noun.word[0]):
        since = max([since, *(so.end() for so in any_therefore().finditer(lower, since, noun.begin))])
    if words.before.search(lower[since : noun.end] + " " + lower[noun.end : value]):
        return True
    # "The answer must be divisible by 18", "eine Zahl, die durch 18 teilbar ist"
    number = TOKEN.match(lower, value)
    behind = lower[number.end() :].lstrip(" ") if number else ""
    if noun.scope.property.search(lower, noun.end, value) or noun.scope.property.match(behind):
        return True
    # "The answer to the question above is 18" bounds nothing.
    return words.bounds.search(lower, begin if words.svo else noun.end, value) is not None


def _is_letter_alone(noun: Noun, value: re.Match[str], begin: int) -> bool:
    """Whether nothing but an option's letter is the answer: "Option **A** is right", where "A is" may be words."""
    near = noun.words.right.search(noun.lower, value.end(), value.end() + 20)
    return value[0].isalpha() and value.start() - begin <= 8 and (noun.kind == "options" or near is not None)


def _without_reason(noun: Noun, reason: re.Match[str] | None, end: int) -> str:
    """The text in lower case with blanks for the reason behind a value, whose words deny nothing: "B, as A is no"."""
    if reason is None or (len(reason[0].strip(" ,(，（、")) <= 3 and reason[0].isascii()):
        return noun.lower
    begin = reason.start()
    # "As long as she sells them"
    if noun.scope.if_.match(noun.lower[begin:end].lstrip(" ,(，（、")):
        return noun.lower
    return noun.lower[:begin] + " " * (end - begin) + noun.lower[end:]
