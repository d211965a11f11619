"""The answer that stands before its noun: "18 is the answer", "It is 18, and that is the answer"."""

import re

from pbrlsvr.responses.nouns import Noun
from pbrlsvr.responses.scopes import cites
from pbrlsvr.responses.sentences import SENTENCE, SENTENCE_BEGIN, is_question, opening, sentence_end
from pbrlsvr.responses.shapes import Announced
from pbrlsvr.responses.values import NUMBER, TOKEN

_EXPLAINED = re.compile(r"[:：,，—]\s|\s[-–—]\s")
_STOP = re.compile(r"[;；]")
_APART = re.compile(r"[,;:，；：、]")


def before_noun(noun: Noun) -> Announced | None:
    """The answer in "18 is the answer": one value, a copula, and the noun at the end of the sentence."""
    text, lower, words = noun.text, noun.lower, noun.words
    since = opening(text, noun.begin, SENTENCE_BEGIN)
    end = sentence_end(text, noun.end, noun.end + 32)
    if explained := _EXPLAINED.search(text, noun.end, end):
        # "18 is the answer that most give, but it is wrong"
        if words.wrong.search(lower, explained.end(), sentence_end(text, noun.end, noun.end + SENTENCE)):
            return None
        end = explained.start()
    # "18 is the result of the first step"
    if noun.kind == "options" or (noun.kind == "results" and (end > noun.end or NUMBER.search(text, end))):
        return None
    # "В итоге 18": where a number is, a letter is a word.
    values = [
        v
        for v in TOKEN.finditer(text, since, noun.begin)
        # Korean 가 is an option, and "is" behind one.
        if not v[0].isalpha() or not (words.copula.fullmatch(v[0]) or NUMBER.search(text, since, noun.begin))
    ]
    if len(values) != 1 or values[0].start() - since > 32 or end - noun.end > 24 or NUMBER.search(text, noun.end, end):
        return None
    value, between = values[0], lower[values[0].end() : noun.begin]
    # "It is 18 eggs, and that is the answer"
    this = noun.scope.this
    is_this = noun.kind == "nouns" and bool(this.search(between) or this.search(lower, noun.end, end))
    apart = (_STOP if is_this else _APART).search(between)
    if len(between) > 40 or apart or is_question(text, end):
        return None
    copula = words.copula.search(between)
    verb_last = words.between and words.copula.search(lower, noun.end, end)
    if copula is None and not is_this and not verb_last and not noun.scope.gets.search(lower, since, value.start()):
        return None
    if words.before.search(lower, since, end) or words.bounds.search(lower, since, end):
        return None
    if not noun.scope.states(lower, (noun.begin, noun.end), noun.end, value.span(), end):
        return None
    if cites(text, lower, noun.scope, since, end):
        return None
    begin = value.start()
    while begin > since and text[begin - 1] in "([{（$*\\-−€£₹":
        begin -= 1
    until = between[: copula.start()] if copula else between
    # "18 zł – to jest odpowiedź"
    return Announced(since, begin, value.end() + len(until.rstrip(" –—-")), True)
