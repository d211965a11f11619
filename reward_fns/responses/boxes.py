"""Boxes that hold no answer: an example of the form, a guess, a condition that is then denied, a value on the way.

Models box the final answer, and some of them box more. What is on the way is told by what stands before the box in its
sentence, or by what comes after it: a next step, or "so" with other numbers. A sentence with a word for "answer" is
never on the way.
"""

import re
from functools import cache

from pbrlsvr.responses.checks import checks
from pbrlsvr.responses.cue_patterns import any_language, any_of
from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.nouns import names_an_answer
from pbrlsvr.responses.scopes import FULL_STOP, sentence_begin
from pbrlsvr.responses.sentences import CLAUSE, SENTENCE_BEGIN, lower_case, opening, sentences
from pbrlsvr.responses.values import NUMBER, NUMBER_RUN
from pbrlsvr.words import scope_words

_EMPTY_BOX = re.compile(r"\\(?:boxed|fbox)[ \t]{0,4}\{[\s.…]{0,3}\}")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_HEAD = 160
_NEXT = 32
_FOLLOWING = 300
_UNEQUAL = re.compile(r"(?:\\neq?|\\not\s?=|≠|!=)\s?\$?\s?\Z")
# "Step 2:", "1. adımda", at the beginning of a line or a sentence.
_STEP = re.compile(r"(?:\A|[\n.。।])[\s*_#]{0,6}(?:(?P<word>[^\W\d_]{2,12}\S{0,3})\s?)?(?P<number>\d{1,2})\s?[.:：)]")
_MARKUP = re.compile(r"[\s*_$\\(\[]*")
# English for "too", German for "so".
_AMBIGUOUS = ("also",)


def is_example(text: str, begin: int, end: int) -> bool:
    """Whether a box only shows the form, or was a guess: "for example \\boxed{18}", "I wrote \\boxed{18}, but that
    is wrong".

    >>> said = "It goes in a box, for example \\\\boxed{18}. First"
    >>> is_example(said, said.index("\\\\"), said.index("}") + 1)
    True
    """
    lower = lower_case(text[max(0, begin - _HEAD) : end + _HEAD])
    at = begin - max(0, begin - _HEAD)
    head = lower[sentence_begin(lower, at) : at]
    if _EMPTY_BOX.search(head) or _shows().search(head[-_NEXT:]):
        return True
    tail = lower[at + end - begin :]
    tail = tail[: stop.start()] if (stop := FULL_STOP.search(tail)) else tail
    words = any_language()
    if _guesses().search(head) and words.wrong.search(tail):
        return True
    # "\\boxed{16} if my guess is right, but 16 * 3 is not 51"
    if (condition := _conditions().match(tail.lstrip(" $*"))) and _turns().search(tail, condition.end()):
        return True
    # "..., but that is wrong": a word for "but", and nothing between that could be something else's.
    return any(
        (wrong := words.wrong.search(tail, but.end(), but.end() + _NEXT)) and not _DIGIT.search(tail, 0, wrong.start())
        for but in _turns().finditer(tail)
    )


@cache
def _shows() -> re.Pattern[str]:
    shows = any_of(word for word in scope_words("example") if len(word) > 2)
    # Nothing but a word or two between: "come in", "e.g. as".
    return re.compile(rf"(?:{shows.pattern})[\s,:：、*$]{{0,3}}(?:[^\W\d_]{{1,8}}[\s,:]){{0,2}}[\s$*(]{{0,3}}\Z")


@cache
def _guesses() -> re.Pattern[str]:
    return any_of(scope_words("guess_first"))


@cache
def _conditions() -> re.Pattern[str]:
    return any_of(word.rstrip("~") for word in scope_words("if"))


@cache
def _turns() -> re.Pattern[str]:
    return any_of(word for word in scope_words("but") if len(word) > 1)


def is_on_the_way(text: str, mark: int, start: int, end: int, stop: int) -> bool:
    """Whether the box that begins at `mark`, with its value at `[start, end)`, is no final answer of `text[:stop]`.

    >>> said = "Step 2: the side is \\\\boxed{5} cm. Step 3: the volume is 125."
    >>> is_on_the_way(said, 20, 27, 28, len(said))
    True
    """
    head = lower_case(text[opening(text, mark, SENTENCE_BEGIN, _HEAD) : mark])
    own = {found[0] for found in NUMBER_RUN.finditer(text, start, end)}
    if not own or any(number[0] == "\\" for number in own):
        return False
    rest = text[end + 1 : min(stop, end + _FOLLOWING)]
    goes_on = (
        # "Let us solve it now:"
        (_LETTER.search(rest) and text[:stop].rstrip("* \n")[-1] in ":：")
        or _UNEQUAL.search(head)
        or _lets().search(head)
        or _lets_behind().match(rest.lstrip("$ )\\"))
        or _has_a_next_step(text, mark, rest)
        or _concludes_otherwise(rest, own)
    )
    # Last, as it looks for the nouns of all languages: few boxes come so far.
    return bool(goes_on) and not names_an_answer(head)


def is_title(text: str, start: int, end: int) -> bool:
    """Whether a line behind #### is the title of what the next line calculates: "#### 7 days\\n7 * 20 = 140".

    >>> said = "#### 7 days\\n7 * 20 = 140 rupees"
    >>> is_title(said, 5, 11), is_title(said.replace("140", "7"), 5, 11)
    (True, False)
    """
    own = {found[0] for found in NUMBER_RUN.finditer(text, start, end)}
    line = _line(text, end)
    result = NUMBER_RUN.search(line, line.rfind("=") + 1) if "=" in line else None
    is_named = _LETTER.search(text, start, end) is not None
    return bool(is_named and result and result[0] not in own and not checks(line, text[start:end]))


def _has_a_next_step(text: str, mark: int, rest: str) -> bool:
    steps = list(_STEP.finditer(text, max(0, mark - _HEAD), mark))
    if not steps:
        return False
    last = steps[-1]
    following = (step for step in _STEP.finditer(rest) if int(step["number"]) == int(last["number"]) + 1)
    return any(
        step["word"] == last["word"] and NUMBER.search(rest, step.end()) and not checks(_line(rest, step.end()), "")
        for step in following
    )


def _line(text: str, begin: int) -> str:
    return text[begin:].lstrip().split("\n", 1)[0]


def _concludes_otherwise(rest: str, own: set[str]) -> bool:
    """Whether a sentence behind a box says "so" and comes to another number: "= 5", or any in its own sentence."""
    for place, (begin, stop) in enumerate(list(sentences(rest, 0, len(rest)))[:3]):
        sentence = rest[begin:stop]
        after = _behind_so(lower_case(sentence))
        if after < 0 or (place and "=" not in sentence) or checks(sentence.strip(), ""):
            continue
        numbers = {found[0] for found in NUMBER_RUN.finditer(sentence, after)}
        if numbers and not numbers & own:
            return True
    return False


def _behind_so(lower: str) -> int:
    """Where a sentence goes on behind the "so" that one of its clauses begins with; -1 without one."""
    for clause in (0, *(match.end() for match in CLAUSE.finditer(lower))):
        if so := _so().match(lower, clause + len(_MARKUP.match(lower, clause)[0])):  # type: ignore[index]
            return so.end()
    return -1


@cache
def _so() -> re.Pattern[str]:
    words = scope_words("therefore", CUES)
    return any_of(word.rstrip("~") for word in words if word not in _AMBIGUOUS and (len(word) > 3 or word >= "\u0370"))


@cache
def _lets_behind() -> re.Pattern[str]:
    """In languages in which the verb is last."""
    return any_of(scope_words("let", ("ja", "ko", "tr", "hi", "te", "ta", "bn")))


@cache
def _lets() -> re.Pattern[str]:
    return re.compile(rf"(?:{any_of(scope_words('let')).pattern})[\s,]{{0,2}}\$?\s?(?:[a-z]{{1,2}}\s?=\s?)?\Z")
