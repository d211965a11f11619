"""Finds the final answer that a phrase, a heading or a JSON key announces; `pbrlsvr.responses.cues` has the words.

The last announcement counts that holds a value and is not taken back: not one that its own sentence denies ("is not
18", "18 is wrong"), doubts ("might be 18", "is it 18?"), or makes depend on something ("if the answer is 18").
"""

import re
from collections.abc import Callable

from pbrlsvr.responses.cue_patterns import codes_of, is_cased, nouns_of_all, reasons
from pbrlsvr.responses.nouns import CLOSED, Noun, outermost
from pbrlsvr.responses.scopes import cites, is_someones
from pbrlsvr.responses.sentences import (
    SENTENCE,
    SENTENCE_BEGIN,
    is_question,
    is_taken_back,
    lower_case,
    opening,
    sentence_end,
)
from pbrlsvr.responses.shapes import BOLD, Announced, json_answer
from pbrlsvr.responses.values import (
    LETTER,
    LETTER_FIRST,
    LONE_LETTER,
    NUMBER,
    NUMBER_RUN,
    TOKEN,
    VALUE_FIRST,
    has_value,
    value_first,
)
from pbrlsvr.responses.verdicts import places, takes_it_back, verdict_behind

#: Phrases are looked for in so many last characters of a response: what stands before them is not final.
WINDOW = 8_192
# "Answer 1: ..." counts answers.
_LABELLED = re.compile(r"[\d.]{0,3}[*_ ]{0,3}[:：、]")
_WORD = re.compile(r"(?: [^\W\d_]{1,12}){1,3}(?= )")
_VERB_VALUE = re.compile(r"(?: [^\W\d_]{1,12}){0,3} [^\w\n]{0,3}\d")
_BEFORE_VERB = re.compile(r"[\s,]{1,2}(?:[^\W\d_]{1,12}[\s,]{1,2}){0,2}")
#: Verbs that lead to an answer where they begin a line: "ตอบ 18 บาท".
_VERBS = ("ตอบ", "答")
_EXPLAINED = re.compile(r"[:：,，—]\s|\s[-–—]\s")
_LEAD = re.compile(r"[^\n.,;:!?。，；：！？।؟、]{0,24}\Z")
_SKIP = re.compile(
    r"(?:(?<=\n)>|(?:\$\$|\\\[|-{3,}|\*{3,})(?=\s*\n)|[\s:：=*_`\"'“”«»「」}\]】,，]|[-–—](?=\s)|\|(?=\s))*"
)
_BETWEEN = re.compile(r"[^\n.,;:!?。：；！？।؟=()0-9]{0,32}?(?=[^\w\n]{0,6}(?:\d|\\[a-z]|" + LETTER + "))")
_HEADING = re.compile(r"(?:[^\w\n]*[#*\[【✅][^\n.!?。,;:]{0,40}|\W{0,8}(?:[^\W\d_]+[ -]){0,3})\Z")


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
    found = json_answer(text) or _said(text, lambda position: in_code(position + offset))
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
    text, place = noun.text, _place(noun)
    if place is None:
        return _before_noun(noun)
    begin, loose = place
    end = sentence_end(text, begin, begin + SENTENCE)
    if not text[begin:end].strip("* "):
        return _before_noun(noun)
    value = TOKEN.search(text, begin, end)
    if value is None and (before := _before_noun(noun)):
        # "So B is the right answer: only there the order holds."
        return before
    if is_question(text, end) or _is_conditional(noun, begin, value.start() if value else begin):
        return None
    is_first = value_first(text[begin:end])
    is_last = value is None or not NUMBER.search(text, end)
    reason = reasons().search(noun.lower, value.end(), end) if value else None
    if noun.kind == "options" and not _is_choice(noun, value, (begin, end), reason, is_last):
        return None
    if value is not None:
        if not is_last and (noun.kind == "results" or (loose and not is_first)):
            return None
        lower = _without_reason(noun, reason, end)
        if is_taken_back(lower, value.end(), end, noun.words):
            return None
        if not noun.scope.states(lower, (noun.begin, noun.end), begin, value.span(), end):
            return None
        if is_someones(text, (noun.begin, noun.end), begin):
            return None
        if cites(text, noun.lower, noun.scope, opening(text, noun.begin, SENTENCE_BEGIN), end):
            return None
        end = reason.start() if reason else end
        end = value.end() if _is_letter_alone(noun, value, begin) else end
    bold = [match for match in BOLD.finditer(text, max(0, begin - 2), end) if has_value(match[1])]
    if not is_first and len(bold) == 1:
        begin, end = bold[0].span(1)
    return Announced(_lead(text, noun.begin), begin, end, noun.kind == "nouns" and (is_first or len(bold) == 1))


def _yes_or_no(noun: Noun) -> tuple[int, int] | None:
    """Where the yes or no stands that a noun announces."""
    text, lower = noun.text, noun.lower
    codes = tuple(codes_of(noun.word, noun.kind)) if noun.kind != "options" else ()
    at = places(noun.end, lower, noun.words) if codes else []
    return next(filter(None, (verdict_behind(text, lower, begin, codes) for begin in at)), None)


def _verdict(noun: Noun, said: tuple[int, int]) -> Announced | None:
    """The yes or no, if nothing takes it back and no number follows its sentence."""
    text, lower = noun.text, noun.lower
    if _is_conditional(noun, said[0], said[0]) or takes_it_back(lower, said[1], noun.scope):
        return None
    end = sentence_end(text, said[1], said[1] + SENTENCE)
    if is_question(text, end) or NUMBER.search(text, end):
        return None
    span = (noun.begin, noun.end)
    if not noun.scope.states(lower[: said[1]], span, said[0], said, said[1]) or is_someones(text, span, said[0]):
        return None
    if cites(text, lower, noun.scope, opening(text, noun.begin, SENTENCE_BEGIN), end):
        return None
    return Announced(_lead(text, noun.begin), *said, False, True)


def _place(noun: Noun) -> tuple[int, bool] | None:
    """Where the answer to a noun begins; whether a colon alone, or a heading, leads to it."""
    text, after = noun.text, noun.end
    line = text.rfind("\n", 0, noun.begin) + 1
    if noun.word[-1] in CLOSED:
        return (_skip(text, after), True) if _leads(noun, text[line : noun.begin]) else None
    cue = noun.words.cue.match(noun.lower, after)
    if noun.word in _VERBS and text[after : after + 1] in " \u3000" and not text[line : noun.begin].strip(" *_#>"):
        return _skip(text, after), True
    direct = _direct(noun)
    # "answer is C": a copula goes before; "answer C is right": the letter stands before it.
    if direct is not None and (cue is None or cue.end() > direct):
        return _skip(text, after), False
    if cue is not None:
        begin = _skip(text, cue.end())
        below = "\n" in text[cue.end() - 1 : begin]
        if below and cue["copula"] and not value_first(text[begin : begin + 60]):
            return None
        if cue["line"] and not _HEADING.search(text[max(line, noun.begin - 60) : noun.begin]):
            return None
        return begin, not cue["copula"]
    between = _BETWEEN.match(text, after) if noun.words.between else None
    return None if between is None else (_skip(text, between.end()), False)


def _leads(noun: Noun, before: str) -> bool:
    """Whether an abbreviation, or a word that counts only with its colon or as a heading, leads to a value: "Odp. 15",
    "Odp. Ania ma 15 lat.", "Total: 15", "## Total" and 15 below it."""
    if before.strip(" *_#>-") or (noun.word[-1] == "\n" and not before.strip(" ")):
        return False
    rest = noun.text[noun.end : noun.end + 120]
    if noun.word[-1] == ":" or value_first(rest[:60].lstrip()):
        return True
    said = rest[: sentence_end(rest, 0, len(rest))]
    return noun.word[-1] == "." and len(noun.word) > 3 and len(NUMBER_RUN.findall(said)) == 1


def _direct(noun: Noun) -> int | None:
    """Where the value ends that follows a noun at once: "A válasz 18", "Option C is correct"; None if none does."""
    if is_cased(noun.word) and noun.lower[noun.end : noun.end + 1].isalpha():
        return None
    of = noun.scope.of.match(noun.lower, noun.end + 1)
    gets = noun.scope.gets.search(noun.lower, opening(noun.text, noun.begin), noun.begin)
    is_direct = of or gets or noun.words.direct
    first = VALUE_FIRST.match(noun.text, of.end() if of else noun.end) if is_direct else None
    if first is None and gets and (final := _WORD.match(noun.text, noun.end)):
        # "We get as final answer 18", where the adjective stands behind the noun; "as the result the value 18".
        first = VALUE_FIRST.match(noun.text, final.end())
    verb = None if first else noun.scope.gets.search(noun.lower, noun.end, noun.end + 24)
    if verb and _BEFORE_VERB.fullmatch(noun.text, noun.end, verb.start()):
        # "As the final result, we get 18"
        first = _VERB_VALUE.match(noun.text, verb.end())
    if first is not None and _LABELLED.match(noun.text, first.end()):
        first = None
    near = noun.lower[max(0, noun.begin - 24) : noun.end + 24]
    if first is None and (noun.kind == "options" or noun.words.right.search(near)):
        first = LETTER_FIRST.match(noun.text, noun.end) or LONE_LETTER.match(noun.text, noun.end)
    return None if first is None else first.end()


def _before_noun(noun: Noun) -> Announced | None:
    """The answer in "18 is the answer": one value, a copula, and the noun at the end of the sentence."""
    text, lower, words = noun.text, noun.lower, noun.words
    since = opening(text, noun.begin, SENTENCE_BEGIN)
    end = sentence_end(text, noun.end, noun.end + 32)
    if explained := _EXPLAINED.search(text, noun.end, end):
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
    apart = re.search(r"[;；]" if is_this else r"[,;:，；：、]", between)
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
    return Announced(since, begin, value.end() + (copula.start() if copula else len(between.rstrip())), True)


def _is_choice(
    noun: Noun, value: re.Match[str] | None, place: tuple[int, int], reason: re.Match[str] | None, is_last: bool
) -> bool:
    """Whether the value is the letter of an option, beside "correct" or in a short last sentence ("故选C")."""
    if value is None or value[0][0].isdigit() or value.start() - place[0] > 8:
        return False
    since = opening(noun.text, noun.begin)
    # A reason tells what is right of other options.
    end = reason.start() if reason else place[1]
    if noun.scope.rejects.search(noun.lower, since, end):
        return False
    return (is_last and place[1] - since <= 24) or noun.words.right.search(noun.lower, since, end) is not None


def _is_conditional(noun: Noun, begin: int, value: int) -> bool:
    """Whether the words up to the value deny it, doubt it, bound it, or make it depend on something."""
    words, lower = noun.words, noun.lower
    since = opening(noun.text, noun.begin)
    if words.before.search(lower[since : noun.end] + " " + lower[noun.end : value]):
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


def _skip(text: str, begin: int) -> int:
    skipped = _SKIP.match(text, begin)
    end = skipped.end() if skipped else begin
    # "ngu-18": a prefix with a hyphen, and no sign.
    return end + 1 if text[end : end + 1] == "-" and text[end - 1 : end].isalpha() else end


def _lead(text: str, position: int) -> int:
    """Where the phrase of the cue begins: "So the final" answer is, when that is all since the last punctuation."""
    window = text[max(0, position - 25) : position]
    lead = _LEAD.search(window)
    begin = position - len(lead[0]) if lead else position
    whole = lead is not None and (lead.start() > 0 or position - len(window) == 0)
    return begin if whole else position
