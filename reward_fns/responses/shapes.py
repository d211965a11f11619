"""Final answers that their shape marks: the value of a JSON key, the one value in bold in the last sentence."""

import re
from functools import cache
from typing import NamedTuple
from unicodedata import category, normalize

from pbrlsvr.responses.checks import checks
from pbrlsvr.responses.cue_patterns import nouns_of_all, reasons
from pbrlsvr.responses.sentences import SENTENCE, SENTENCE_BEGIN, is_denied, is_question, lower_case, opening
from pbrlsvr.responses.therefore import chooses
from pbrlsvr.responses.values import LETTER, LETTER_FIRST, NUMBER, NUMBER_RUN, SIGNS, TOKEN, value_first

BOLD = re.compile(r"(?<!\*)\*\*(?!\s)([^*\n]{1,80}?)(?<!\s)\*\*(?!\*)")
# "**Step 3**", "3. ", "Step 3:", a heading, an item of a list: no last sentence.
_LABEL = re.compile(
    rf"\W*(?:(?:[^\W\d_]|[{SIGNS}]){{3,}}\s?\d+\W*\Z|(?:(?:[^\W\d_]|[{SIGNS}])+\s?)?\d+\s*[:.)\]–-](?!\d))|\s*[-•#]"
)
# "Step 3: the answer": a number that counts what comes behind it.
_COUNTS = re.compile(rf"\d\s?[:：፦៖–-]\s*(?:[^\W\d_]|[{SIGNS}])")
# "bezahlen. ✅"; Thai has no full stop.
_ENDS = re.compile(r"(?:\A|[.!。！।॥۔)」\u0e00-\u0eff።။។։])[^\w?？؟.]*\Z")
_OPTION = re.compile(rf"[(（]?{LETTER}[)）]?")
_WORDS = re.compile(r"[^\W\d_]+")
#: A sentence that only chooses has so many words, and so many characters.
_WORDS_BESIDE, _SHORT = 8, 64
#: With its reason.
_EXPLAINED = 240
_JSON_PAIR = re.compile(r'"([^"\n:]{1,40})"\s{0,8}:\s{0,8}(?:"((?:[^"\\\n]|\\.){0,200})"|(-?\d[\d.eE+-]{0,30}))')
_JSON_END = re.compile(r"[\s`]{0,16}\Z")


class Announced(NamedTuple):
    """An answer at `[start, end)`; what announces it begins at `mark`. A `firm` one names a final answer itself."""

    mark: int
    start: int
    end: int
    firm: bool
    is_verdict: bool = False


def last_bold(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The one value in bold in the last line that has a value, where that line is a sentence and nothing but it."""
    begin = max(start, end - SENTENCE)
    lines = [line for line in re.finditer(r"[^\n]+", text[begin:end]) if line[0].strip()]
    checked: list[str] = []
    for line in lines[:-4:-1]:
        bold = [match for match in BOLD.finditer(line[0]) if NUMBER.search(match[1]) or _is_option(line[0], match)]
        if not bold:
            checked += [line[0].strip()] if NUMBER.search(line[0]) else []
            continue
        first, last = bold[0], bold[-1]
        if not all(checks(said, first[1]) for said in checked):
            return None
        if first is not last or _LABEL.match(line[0]) or _COUNTS.search(first[1]):
            return None
        rest = line[0][last.end() :].strip()
        is_all = not line[0][: first.start()].strip() and len(rest) <= 1 and len(TOKEN.findall(first[1])) == 1
        ends = _ENDS.search(rest) is not None
        named = value_first(first[1]) or first[1][-1:].isdigit() or len(NUMBER_RUN.findall(first[1])) == 1
        if not (is_all or named) or not ends or first[1].endswith(":"):
            return None
        place = begin + line.start() + first.start(1), begin + line.start() + first.end(1)
        return None if is_denied(text, *place) else place
    return None


def last_choice(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The one letter in a last sentence that only chooses it: "Therefore, C.", "Daher ist C richtig"."""
    stripped = text[max(start, end - _EXPLAINED) : end].rstrip()
    since = opening(stripped, len(stripped.rstrip(".。！!।॥*) ")), SENTENCE_BEGIN, _EXPLAINED)
    # "A), because the wage is fixed": the reason chooses nothing.
    reason = reasons().search(lower_case(stripped), since)
    stripped = stripped[: reason.start()] if reason and reason.start() - since > 2 else stripped
    window = max(0, len(stripped) - _SHORT)
    stripped, begin = stripped[window:], max(0, since - window)
    sentence = stripped[begin:]
    letters = list(_OPTION.finditer(sentence))
    if len(letters) != 1 or NUMBER.search(sentence) or (window > since):
        return None
    letter, lower = letters[0], lower_case(sentence)
    rest = lower[: letter.start()] + " " + lower[letter.end() :]
    chosen = chooses(lower.lstrip(" *_"), rest)
    # "A", "E" and "I" are words as well.
    alone = letter[0].strip("()（）*") not in "AEI" or not sentence[letter.end() :].strip(".。*) ")
    if not chosen or not alone or len(_WORDS.findall(rest)) > _WORDS_BESIDE or is_question(sentence, len(sentence) - 1):
        return None
    begin += window + max(start, end - _EXPLAINED)
    place = begin + letter.start(), begin + letter.end()
    return None if is_denied(text, *place) else place


def json_answer(text: str) -> Announced | None:
    """The value of the last key that is a noun, in a JSON object that ends the text."""
    end = _JSON_END.search(text)
    if end is None or text[end.start() - 1 : end.start()] != "}":
        return None
    found = None
    for pair in _JSON_PAIR.finditer(text, max(0, end.start() - SENTENCE)):
        if _names_an_answer(lower_case(pair[1]).replace("_", " ")):
            group = 2 if pair[2] is not None else 3
            found = Announced(pair.start(), *pair.span(group), True)
    return found


def _names_an_answer(key: str) -> bool:
    """Whether a key of JSON is a noun, or holds one, with or without its accents: "reponse", "odpowiedz"."""
    return any(
        noun in key and (noun == key or kinds[0] == "nouns" or key.startswith("final"))
        for noun, kinds in _keys().items()
        if len(noun) > 2 or not noun.isascii()
    )


@cache
def _keys() -> dict[str, list[str]]:
    """The nouns, and what keys without accents write for them."""
    plain = {without_accents(noun): kinds for noun, kinds in nouns_of_all().items()}
    return {noun: kinds for noun, kinds in plain.items() if len(noun) > 3} | nouns_of_all()


def without_accents(word: str) -> str:
    """A word in Latin script as a keyboard without accents writes it; any other word as it is."""
    if any(c.isalpha() and c > "\u024f" and not "\u1e00" <= c <= "\u1eff" for c in word):
        return word
    bare = "".join(c for c in normalize("NFD", word) if category(c)[0] != "M")
    return bare.translate(str.maketrans("đłøıæœ", "dloiao"))


def _is_option(line: str, bold: re.Match[str]) -> bool:
    """Whether a line is nothing but an option in bold: "**C. Paris**"."""
    return line.strip() == bold[0] and LETTER_FIRST.match(bold[1]) is not None
