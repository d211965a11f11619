"""What follows an answer: a check of it ("Check: 12 * 40 = 480", "(5 * 3 = 15 ✓)"), another that takes it back or
stands beside it, or a next step."""

import re
from functools import cache

from pbrlsvr.responses.cue_patterns import any_language, any_of
from pbrlsvr.responses.sentences import lower_case, sentences
from pbrlsvr.responses.values import NUMBER, NUMBER_RUN, numbers_in
from pbrlsvr.words import scope_words

# An equation, and its right side.
_EQUATION = re.compile(r"[^\n]{0,60}\d[^\n=]{0,20}=\s{0,2}([\d.,]{1,20})[^\w\n×·*+/÷−-]{0,12}\Z")
_TICK = re.compile(r"[✓✔✅]")
_CROSSES = frozenset("❌✗✘🚫")
# "18", and below it "- 20".
_LIST = re.compile(r"(?:\n[ \t]{0,8}(?:[-*•]|\(?\w[.)])?[^\w\n]{0,4}\d[\d.,/]{0,12}[^\w\n]{0,4}){1,8}\s*")
_FOLLOWING = 300
_TO_NOUN = re.compile(r"[^\W\d_]{0,6}\s?(?:[^\W\d_]{1,5}\s)?")
_OPENS = re.compile(r"[\W_]{0,6}")


def checks(said: str, concluded: str) -> bool:
    """Whether a sentence checks the one before: an equation that comes to its number, or a check by name.

    >>> checks("Check: 157 + 43 = 200", "157 €"), checks("9 * 2 = 18", "18"), checks("9 * 2 = 18", "9")
    (True, True, False)
    """
    equation = _EQUATION.match(said)
    if equation and equation[1].rstrip(".,") in concluded:
        return True
    lower = lower_case(said)
    named = _names().match(lower, _OPENS.match(lower).end())  # type: ignore[union-attr]
    words = any_language()
    if not (named or _TICK.search(said)) or words.wrong.search(lower) or words.no.search(lower):
        return False
    numbers = {found[0] for found in NUMBER_RUN.finditer(said)}
    return (named and "=" in said) or any(found[0] in numbers for found in NUMBER_RUN.finditer(concluded))


def checks_by_name(lower: str, noun: int) -> bool:
    """Whether a word at `noun` stands in the name of a check that begins its line: "Checking the answer: 12 * 5 = 60".

    >>> checks_by_name("ตรวจคำตอบ: 12 × 5 = 60", 4)
    True
    """
    line = lower.rfind("\n", 0, noun) + 1
    named = _names().match(lower, _OPENS.match(lower, line).end())  # type: ignore[union-attr]
    # "验证答案", "Checking the answer", and not "Check: the answer".
    return named is not None and (noun < named.end() or _TO_NOUN.fullmatch(lower, named.end(), noun) is not None)


def only_checks(text: str, begin: int, concluded: str) -> bool:
    """Whether no number stands behind an answer but in what checks it."""
    if NUMBER.search(text, begin) is None:
        return True
    return all(
        checks(said, concluded)
        for said in (text[start:stop].strip() for start, stop in sentences(text, begin, len(text)))
        if NUMBER.search(said)
    )


def is_listed(text: str, value: re.Match[str], end: int) -> bool:
    """Whether other values, a line for each, are all that follows a value and its words, or it is crossed out.

    >>> said = "Answer: 18\\n- 20"
    >>> is_listed(said, re.compile("18").search(said), 10)
    True
    """
    if not _CROSSES.isdisjoint(text[max(0, value.start() - 3) : value.start()]):
        return True
    listed = _LIST.fullmatch(text, end) if value[0][0].isdigit() else None
    return listed is not None and not set(numbers_in(listed[0])) <= set(numbers_in(value[0]))


def goes_on_below(text: str, end: int, next_step: re.Pattern[str]) -> bool:
    """Whether the text ends where a next step begins: "The result is 9.", and below it "Now we multiply it by 12:"."""
    rest = lower_case(text[end:]).rstrip(" *\n")
    return rest[-1:] in (":", "：") and next_step.search(rest, rest.rfind("\n") + 1) is not None


def is_superseded(text: str, start: int, end: int, stop: int) -> bool:
    """Whether a marked answer is taken back by what follows: "but" and another number in its sentence, or one that is
    called right in the next two.

    >>> said = "At first I had \\boxed{18}, but I forgot the tax: it is 20."
    >>> is_superseded(said, 22, 24, len(said))
    True
    """
    own = _numbers(text, start, end)
    read = sentences(text, end + 1, min(stop, end + _FOLLOWING)) if own else ()
    following = [one for at, one in enumerate(read) if not at or text[slice(*one)].strip()][:3]
    again = bool(own & _numbers(text, end + 1, stop))
    for at, (begin, finish) in enumerate(following):
        lower = lower_case(text[begin:finish])
        if at and not again and takes_back(lower):
            return True
        turn = any_language().right.search(lower) if at else _but().search(lower)
        # "\\boxed{6}, but the area is asked for: 6 * 6 = 36"
        since = max(turn.end(), lower.rfind("=")) if turn else len(lower)
        others = _numbers(lower, since, len(lower))
        if others and not others & own:
            return True
    return False


def _numbers(text: str, start: int, end: int) -> set[str]:
    return {found[0].rstrip(".,") for found in NUMBER_RUN.finditer(text, start, end)}


@cache
def _but() -> re.Pattern[str]:
    # Hungarian "de", Norwegian "men": short ones are other words elsewhere.
    return any_of(word for word in scope_words("but") if len(word) > 2 or word >= "\u0590")


def takes_back(lower: str) -> bool:
    """Whether a sentence in lower case opens with a word that takes the one before it back.

    >>> takes_back("oops, i forgot the tax."), takes_back("this is it.")
    (True, False)
    """
    return _wait().match(lower, _OPENS.match(lower).end()) is not None  # type: ignore[union-attr]


@cache
def _wait() -> re.Pattern[str]:
    words = set(scope_words("wait")).difference(scope_words("but"))
    clear = {word for word in words if len(word) > 4 or word >= "\u0590"}
    # "Seis" is six in Spanish and "stop" in Finnish.
    return re.compile(rf"{any_of(clear).pattern}|(?:{any_of(words - clear).pattern})(?=\s?[,!…])")


@cache
def _names() -> re.Pattern[str]:
    return any_of(scope_words("check"))
