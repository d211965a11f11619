"""Final answers that their shape marks: the value of a JSON key, what stands between tags, the one value in bold in the
last sentence."""

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple
from unicodedata import category, normalize

from pbrlsvr.responses.checks import checks, takes_back
from pbrlsvr.responses.cue_patterns import any_of, nouns_of_all, reasons
from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.nouns import names_an_answer
from pbrlsvr.responses.scopes import scope_in
from pbrlsvr.responses.sentences import (
    SENTENCE,
    SENTENCE_BEGIN,
    denies,
    is_denied,
    is_question,
    lower_case,
    opening,
    sentence_end,
)
from pbrlsvr.responses.therefore import chooses
from pbrlsvr.responses.values import LETTER, LETTER_FIRST, NUMBER, NUMBER_RUN, SIGNS, TOKEN, value_first
from pbrlsvr.words import word_sections

BOLD = re.compile(r"(?<!\*)\*\*(?!\s)([^*\n]{1,80}?)(?<!\s)\*\*(?!\*)")
# "**Step 3**", "3. ", "Step 3:", a heading, an item of a list: no last sentence.
LABEL = re.compile(
    rf"\W*(?:(?:[^\W\d_]|[{SIGNS}]){{3,}}\s?\d+\W*\Z|(?:(?:[^\W\d_]|[{SIGNS}])+\s?)?\d+\s*[:.)\]–-](?!\d))|\s*[-•#]"
)
# "Step 3: the answer": a number that counts what comes behind it.
_COUNTS = re.compile(rf"\d\s?[:：፦៖–-]\s*(?:[^\W\d_]|[{SIGNS}])")
# "bezahlen. ✅"; Thai has no full stop.
_ENDS = re.compile(r"(?:\A|[.!。！।॥۔)」\u0e00-\u0eff።။។։✓✔✅\U0001f300-\U0001faff])[^\w?？؟.]*\Z")
_QUOTES = tuple("\"'“„‚«「『")
_OPTION = re.compile(rf"[(（]?{LETTER}[)）]?")
_WORD = re.compile(r"[^\W\d_]")
_WORDS = re.compile(rf"(?:[^\W\d_]|[{SIGNS}])+")
CLAUSE = re.compile(r"[,;，；、،؛]\s?|\s[–—-]\s|(?<=[\u0e00-\u0e7f])\s(?=[\u0e00-\u0e7f])")
#: A sentence that only chooses has so many characters, with its reason.
_EXPLAINED = 240
_SHORT = 48
# A name has so many characters, and words.
# "C) Osmosis", "✅ **C. Paris**"; not "C. elegans", "A. Lincoln", and no whole sentence.
_LABELLED = re.compile(
    rf"[\s*_>✅✔👉➡🎯→-]{{0,8}}(?P<bracket>[(（])?(?P<letter>{LETTER})(?(bracket)[)）]|(?:[)）:：]|(?<!I)\.(?=[*_]{{0,2}}\s[^\W\d_a-zß-ÿа-я])))"
    r"[*_]{0,2}\s[^\W\d_][^\n]{1,80}\Z"
)
_LABEL_OF_AN_OPTION = re.compile(rf"[\s*_>-]{{0,8}}[(（]?(?P<letter>{LETTER})[)）.:：]")
# "Total trees = 63 trees."
_NAMED = re.compile(
    rf"[\s*_#>•∴→-]{{0,8}}(?P<name>[^\n\d=:：+*/×÷?]{{2,60}}?)[\s*_]{{0,4}}[=:：][\s*_$]{{0,6}}"
    rf"(?P<value>[$€£¥₹]?\s?(?:{NUMBER_RUN.pattern})[\s*_$]{{0,4}}(?:[^\W\d_]|[{SIGNS}°%€£¥₹. /²³]){{0,24}}?)"
    r"[\s*_$.。।✅]{0,6}"
)
_JSON_PAIR = re.compile(r'"([^"\n:]{1,40})"\s{0,8}:\s{0,8}(?:"((?:[^"\\\n]|\\.){0,200})"|(-?\d[\d.eE+-]{0,30}))')
_JSON_END = re.compile(r"[\s`]{0,16}\Z")
# "<respuesta>18</respuesta>", and a short line behind it.
_TAGGED = re.compile(r"<([^\W\d][^<>\n]{0,30})>\s{0,8}([^<>]{1,200}?)\s{0,8}</\1>(?=[\s.!]{0,8}(?:\n[^<>]{0,80})?\Z)")


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
    following: list[str] = []
    for line in lines[:-4:-1]:
        bold = [match for match in BOLD.finditer(line[0]) if NUMBER.search(match[1]) or _is_option(line[0], match)]
        if not bold:
            checked += [line[0].strip()] if NUMBER.search(line[0]) else []
            following.insert(0, line[0].strip())
            continue
        first, last = bold[0], bold[-1]
        if not all(checks(said, first[1]) for said in checked):
            return None
        if first is not last or LABEL.match(line[0]) or _COUNTS.search(first[1]):
            return None
        rest = line[0][last.end() :].strip()
        is_all = not line[0][: first.start()].strip() and len(rest) <= 1 and len(TOKEN.findall(first[1])) == 1
        ends = _ENDS.search(rest) is not None
        named = value_first(first[1]) or first[1][-1:].isdigit() or len(NUMBER_RUN.findall(first[1])) == 1
        if not (is_all or named) or not ends or first[1].endswith(":"):
            return None
        place = begin + line.start() + first.start(1), begin + line.start() + first.end(1)
        # "She has **9** left. Now we multiply this by the price."
        clause = CLAUSE.search(text, place[1], end)
        since = min(clause.start() if clause else end, sentence_end(text, place[1], end))
        said = [text[since : begin + line.end()], *(later for later in following if later not in checked)]
        rest = lower_case("\n".join(said)).rstrip()
        goes_on = _next_step().search(rest) and rest[-1] not in "!！😊"
        goes_on = goes_on or any(takes_back(lower_case(later)) for later in following)
        return None if goes_on or is_denied(text, *place) else place
    return None


@cache
def _next_step() -> re.Pattern[str]:
    return scope_in(tuple(CUES)).next


def last_choice(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The one letter in a last sentence that only chooses it: "Therefore, C.", "Daher ist C richtig"."""
    first = max(start, end - _EXPLAINED)
    window = text[first:end].rstrip()
    since = opening(window, len(window.rstrip(".。！!।॥*) ")), SENTENCE_BEGIN, _EXPLAINED)
    # "A), because the wage is fixed": the reason chooses nothing.
    reason = reasons().search(lower_case(window), since)
    sentence = window[since : reason.start() if reason and reason.start() - since > 2 else len(window)]
    letters = list(_OPTION.finditer(sentence))
    # "A and D remain, but D is against the law, so it is A."
    clause = [found.end() for found in CLAUSE.finditer(sentence) if letters and found.end() <= letters[-1].start()]
    if clause and (len(letters) > 1 or not _picks(sentence, letters[0])):
        if len(letters) > 1 and clause[-1] < letters[-2].end():
            return None
        since, sentence = since + clause[-1], sentence[clause[-1] :]
        letters = list(_OPTION.finditer(sentence))
    # "What remains: **C**"
    if len(letters) == 1 and since and not _WORD.search(sentence[: letters[0].start()]):
        earlier = opening(window, since - 1, SENTENCE_BEGIN, _EXPLAINED)
        since, sentence = earlier, window[earlier:since] + sentence
        letters = list(_OPTION.finditer(sentence))
    # "I choose (G) 1.6 C": what the option says.
    marked = [letter for letter in letters if letter[0][0] in "(（" and letter[0][-1] in ")）"]
    if len(marked) == 1 and letters[0] == marked[0] and _WORD.search(sentence[: marked[0].start()]):
        letters, sentence = marked, sentence[: marked[0].end()]
    if len(letters) != 1 or NUMBER.search(sentence) or (since == 0 and first > start):
        return None
    letter = letters[0]
    # "A", "E" and "I" are words as well.
    is_bold = sentence[max(0, letter.start() - 2) : letter.start()] == "**"
    alone = is_bold or letter[0].strip("()（）*") not in "AEI" or not sentence[letter.end() :].strip(".。*) ")
    if not alone or is_question(sentence, len(sentence) - 1):
        return None
    if not _picks(sentence, letter):
        return None
    place = first + since + letter.start(), first + since + letter.end()
    return None if is_denied(text, *place) else place


def _picks(sentence: str, letter: re.Match[str]) -> bool:
    # "Write the letter only, such as "D"."
    return chooses(lower_case(sentence), letter.span(), is_quoted=sentence[: letter.start()][-1:] in _QUOTES)


def last_option(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The letter of an option that is the last line, with what it says, and none of a list: "C) Osmosis", "✅ C. 18".

    >>> last_option("It is osmosis.\\n✅ C) Osmosis", 0, 27), last_option("A) 18\\nB) 20", 0, 11)
    ((17, 18), None)
    """
    lines = [line for line in re.finditer(r"[^\n]+", text[start:end][-SENTENCE:]) if line[0].strip()]
    if not lines:
        return None
    option, others = _LABELLED.match(lines[-1][0]), [_LABEL_OF_AN_OPTION.match(line[0]) for line in lines[:-1]]
    # A response that is nothing but a short line is read whole.
    if option is None or is_question(text, end - 1) or (not others and len(option[0]) <= _SHORT):
        return None
    if option["letter"] == "A" and others and _opens(lines[-2]):
        return None
    labels = {other["letter"] for other in others if other}
    # Of a list, the last option is one more; an answer comes back to one of them.
    if labels and option["letter"] not in labels:
        return None
    begin = max(start, end - SENTENCE) + lines[-1].start() + option.start("letter")
    return None if is_denied(text, begin, begin + 1) else (begin, begin + 1)


def last_total(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The number of a last line that names what it counts: "Total trees = 63", "Gesamtzahl: 42".

    >>> last_total("7 * 9 = 63\\nTotal trees = 63", 0, 27), last_total("Total: 18 or 20", 0, 15)
    ((25, 27), None)
    """
    begin = max(start, end - SENTENCE)
    lines = [line for line in re.finditer(r"[^\n]+", text[begin:end]) if line[0].strip()]
    named = _NAMED.fullmatch(lines[-1][0]) if lines else None
    if named is None or denies(named["name"]):
        return None
    line = lower_case(lines[-1][0])
    codes = tuple(code for code, total in _totals() if total.search(line, *named.span("name")))
    # A line with "answer" has been read, and is none.
    if not codes or names_an_answer(line):
        return None
    place, scope = named.span("value"), scope_in(codes)
    if any(words.search(line, 0, place[0]) for words in (scope.part, scope.if_, scope.example, scope.people)):
        return None
    if not scope.states(line, named.span("name"), place[0], place, len(line)):
        return None
    begin += lines[-1].start()
    place = begin + place[0], begin + place[1]
    return None if is_denied(text, *place) else place


@cache
def _totals() -> list[tuple[str, re.Pattern[str]]]:
    return [(code, any_of(words)) for code, words in word_sections("scopes")["totals"].items()]


def _opens(line: re.Match[str]) -> bool:
    return line[0].rstrip(" *_").endswith((":", "："))


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


def tagged_answer(text: str, in_code: Callable[[int], bool] = lambda _: False) -> Announced | None:
    """What stands between the last tags, where a noun of any language is their name: "<respuesta>18</respuesta>".

    >>> tagged_answer("<jibu>18</jibu>")[1:4], tagged_answer("<b>18</b>")
    ((6, 8, True), None)
    """
    tagged = next(reversed(list(_TAGGED.finditer(text, max(0, len(text) - SENTENCE)))), None)
    if tagged is None or in_code(tagged.start()) or not _names_an_answer(lower_case(tagged[1]).replace("_", " ")):
        return None
    return Announced(tagged.start(), *tagged.span(2), True)


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
