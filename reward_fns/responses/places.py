"""Where the answer begins that a noun announces: behind its copula, colon or heading, or behind the noun at once."""

import re

from pbrlsvr.responses.cue_patterns import is_cased, is_unspaced
from pbrlsvr.responses.nouns import CLOSED, Noun
from pbrlsvr.responses.sentences import opening, sentence_end
from pbrlsvr.responses.values import LETTER, LETTER_FIRST, LONE_LETTER, NUMBER_RUN, VALUE_FIRST, value_first

# "Answer 1: ..." counts answers.
_LABELLED = re.compile(r"[\d.]{0,3}[*_ ]{0,3}[:：、]")
_WORD = re.compile(r"(?: [^\W\d_]{1,12}){1,3}(?= )")
_VERB_VALUE = re.compile(r"(?: [^\W\d_]{1,12}){0,3} [^\w\n]{0,3}\d")
_BEFORE_VERB = re.compile(r"[\s,]{1,2}(?:[^\W\d_]{1,12}[\s,]{1,2}){0,2}")
#: Verbs that lead to an answer where they begin a line: "ตอบ 18 บาท".
_VERBS = ("ตอบ", "答")
_LEAD = re.compile(r"[^\n.,;:!?。，；：！？।؟、]{0,24}\Z")
_SKIP = re.compile(
    r"(?:(?<=\n)>|(?:\$\$|\\\[|-{3,}|\*{3,})(?=\s*\n)|[\s:：=*_`\"'“”«»「」}\]】,，]|[-–—](?=\s)|\|(?=\s))*"
)
_BETWEEN = re.compile(r"[^\n.,;:!?。：；！？।؟=()0-9]{0,32}?(?=[^\w\n]{0,6}(?:\d|\\[a-z]|" + LETTER + "))")
_HEADING = re.compile(r"(?:[^\w\n]*[#*\[【✅][^\n.!?。,;:]{0,40}|\W{0,8}(?:[^\W\d_]+[ -]){0,3})\Z")


def place_of(noun: Noun) -> tuple[int, bool] | None:
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


def _skip(text: str, begin: int) -> int:
    skipped = _SKIP.match(text, begin)
    end = skipped.end() if skipped else begin
    # "ngu-18": a prefix with a hyphen, and no sign; "答えは-18です" has one.
    before = text[end - 1 : end]
    return end + 1 if text[end : end + 1] == "-" and before.isalpha() and not is_unspaced(before) else end


def lead(text: str, position: int) -> int:
    """Where the phrase of the cue begins: "So the final" answer is, when that is all since the last punctuation."""
    window = text[max(0, position - 25) : position]
    found = _LEAD.search(window)
    begin = position - len(found[0]) if found else position
    whole = found is not None and (found.start() > 0 or position - len(window) == 0)
    return begin if whole else position
