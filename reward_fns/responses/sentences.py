"""Sentences: where they begin and end, and whether one takes back the answer that it holds."""

import re
from collections.abc import Iterator

from pbrlsvr.responses.cue_patterns import Words, any_language
from pbrlsvr.responses.values import NUMBER, VALUE

#: Longer sentences, in characters, are read up to here.
SENTENCE = 1_000
_NEAR = 28
_CROSS = re.compile(r"[^\n\d✅✓✔❌✗✘🚫]{0,12}[❌✗✘🚫]")
_OR = re.compile(
    r"\b(?:or|oder|ou|of|lub|albo|nebo|alebo|или|або|чи|sau|vagy|eller|tai|veya|yahut|atau|hoặc|au|ama|או|أو|یا|या|ή)\b"
    r"|বা|లేదా|அல்லது|หรือ|或|还是|または|あるいは|또는|혹은"
)
# Where a clause begins: after a full stop, a comma or a label ("Step 4:", "Step 4 -").
CLAUSE = re.compile(r"[\n.!?;:,。！？；：，、،।॥؟|።။។։៖፦]|\s[-–—]\s")
SENTENCE_BEGIN = re.compile(r"[\n.!?;:。！？；：।॥؟|።။។։៖፦]")
# "150 கி.மீ" before its own full stop.
_ABBREVIATED = re.compile(r"[^\s\d.]{1,4}\.[^\s\d.]{1,4}\Z")
# "Mr. Alvarez"; "56 кв. м", "6. satır": a word in lower case goes on, and a letter alone may be a formula's.
_TITLE = r"(?<!\b[MDS]r)(?<!\bMrs)(?<!\b[MS]s)(?<!\bSra)(?<!\bDra)(?<!\bHr)(?<!\bSt)(?<!\bProf)"
_GOES_ON = r"(?!\s(?:[a-zß-öø-ÿ]{2}|[а-яѐ-џα-ώ]))"


def _end_of_sentence(goes_on: str) -> re.Pattern[str]:
    return re.compile(
        r"\n|[。！？।॥۔؟።။۔։]|[!?](?=[\s*_]|\Z)(?!\s?=)"
        rf"|(?<=\d)\.(?=[*_]*(?:\s|\Z)){goes_on}"
        rf"|(?<!\b[ap](?=\.\s?m\b))(?<!\.[^\W\d_](?=\.\s\w)){_TITLE}\.(?=[*_]*(?:\s+\D|\s*\Z))(?:(?<=\.\.)|{goes_on})"
    )


_END = _end_of_sentence(_GOES_ON)
# Where all letters are in lower case.
_LOWER_END = _end_of_sentence("")


def is_denied(text: str, start: int, end: int) -> bool:
    """Whether the value at `[start, end)`, which no phrase announces, is denied in its sentence, in any language.

    >>> is_denied("It is not 18.", 10, 12), is_denied("18 is wrong.", 0, 2), is_denied("Not 20 but 18.", 11, 13)
    (True, True, False)
    """
    words = any_language()
    before, after = lower_case(text[max(0, start - 24) : start]), lower_case(text[end : end + SENTENCE])
    if any(not before[match.end() :].strip(" $*([{\\") for match in words.no.finditer(before)):
        return True
    stop = sentence_end(text, end, end + SENTENCE) - end
    is_doubted = is_question(after, stop) and not after[:stop].strip(" $*_)")
    return is_doubted or is_taken_back(after, 0, stop, words, predicate_only=True)


def is_taken_back(lower: str, after: int, end: int, words: Words, predicate_only: bool = False) -> bool:
    """Whether the words after a value deny it: right after it, or in a next sentence that holds no value."""
    other = VALUE.search(lower, after, end)
    until = min(other.start() if other else end, after + _NEAR)
    if words.wrong.search(lower, after, until) or _CROSS.match(lower, after):
        return True
    if other is None and words.no_after.search(lower, after, until):
        return True
    if other is None and words.bounds_after.search(lower, after, min(until, after + 12) if words.svo else until):
        return True
    stop = _LOWER_END.search(lower, end + 1, end + 80)
    if predicate_only or stop is None or NUMBER.search(lower, end + 1, stop.start()):
        return False
    return words.wrong.search(lower, end + 1, stop.start()) is not None


def denies(aside: str) -> bool:
    """Whether a few words beside a value deny, doubt or bound it, or name another: "or 20 with the dog"."""
    words, lower = any_language(), lower_case(aside)
    return any(each.search(lower) for each in (words.wrong, words.bounds, words.before, words.bounds_after, _OR))


def opening(text: str, position: int, begins: re.Pattern[str] = CLAUSE, reach: int = 80) -> int:
    begin = max(0, position - reach)
    since = begin
    for match in begins.finditer(text, begin, position):
        since = match.end()
    return since


def sentence_end(text: str, begin: int, limit: int) -> int:
    stop = _END.search(text, begin, limit)
    return stop.start() if stop else min(len(text), limit)


def sentences(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the sentences of a stretch of text begin and end."""
    while begin < end:
        stop = min(sentence_end(text, begin, begin + SENTENCE), end)
        if _ABBREVIATED.search(text, begin, stop) and text[stop : stop + 2] == ". ":
            stop = min(sentence_end(text, stop + 1, begin + SENTENCE), end)
        yield begin, stop
        begin = stop + 1


def is_question(text: str, end: int) -> bool:
    mark = text[end : end + 1]
    return mark in ("?", "？", "؟") or (text[end - 1 : end] == ";" and text[end:].strip() == "")


def lower_case(text: str) -> str:
    lower = text.lower()
    # A few letters ("İ") grow in lower case; positions must stay those of the text.
    return lower if len(lower) == len(text) else "".join(c if len(c.lower()) != 1 else c.lower() for c in text)
