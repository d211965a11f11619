"""Final answers that their shape marks: the value of a JSON key, the one value in bold in the last sentence."""

import re
from typing import NamedTuple

from pbrlsvr.responses.cue_patterns import nouns_of_all
from pbrlsvr.responses.sentences import SENTENCE, is_denied, lower_case
from pbrlsvr.responses.values import LETTER_FIRST, NUMBER, TOKEN, value_first

BOLD = re.compile(r"(?<!\*)\*\*(?!\s)([^*\n]{1,80}?)(?<!\s)\*\*(?!\*)")
# "**Step 3**", "3. ", "Step 3:", a heading, an item of a list: no last sentence.
_LABEL = re.compile(r"\W*(?:[^\W\d_]{3,}\s?\d+\W*\Z|(?:[^\W\d_]+\s?)?\d+\s*[:.)\]–-](?!\d))|\s*[-•#]")
_JSON_PAIR = re.compile(r'"([^"\n:]{1,40})"\s{0,8}:\s{0,8}(?:"((?:[^"\\\n]|\\.){0,200})"|(-?\d[\d.eE+-]{0,30}))')
_JSON_END = re.compile(r"[\s`]{0,16}\Z")


class Announced(NamedTuple):
    """An answer at `[start, end)`; what announces it begins at `mark`. A `firm` one names a final answer itself."""

    mark: int
    start: int
    end: int
    firm: bool


def last_bold(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The one value in bold in the last line that has a value, where that line is a sentence and nothing but it."""
    begin = max(start, end - SENTENCE)
    lines = [line for line in re.finditer(r"[^\n]+", text[begin:end]) if line[0].strip()]
    for line in lines[:-4:-1]:
        bold = [match for match in BOLD.finditer(line[0]) if NUMBER.search(match[1]) or _is_option(line[0], match)]
        if not bold:
            if NUMBER.search(line[0]):
                return None
            continue
        first, last = bold[0], bold[-1]
        if first is not last or _LABEL.match(line[0]):
            return None
        rest = line[0][last.end() :].strip()
        is_all = not line[0][: first.start()].strip() and len(rest) <= 1 and len(TOKEN.findall(first[1])) == 1
        ends = not rest or rest[-1] in ".!。！।॥۔)」" or "\u0e00" <= rest[-1] <= "\u0eff"
        if not (is_all or (value_first(first[1]) or first[1][-1:].isdigit())) or not ends or first[1].endswith(":"):
            return None
        place = begin + line.start() + first.start(1), begin + line.start() + first.end(1)
        return None if is_denied(text, *place) else place
    return None


def json_answer(text: str) -> Announced | None:
    """The value of the last key that is a noun, in a JSON object that ends the text."""
    end = _JSON_END.search(text)
    if end is None or text[end.start() - 1 : end.start()] != "}":
        return None
    found = None
    for pair in _JSON_PAIR.finditer(text, max(0, end.start() - SENTENCE)):
        key = lower_case(pair[1]).replace("_", " ")
        names = any(
            noun in key and (noun == key or kinds[0] == "nouns" or key.startswith("final"))
            for noun, kinds in nouns_of_all().items()
            if len(noun) > 2 or not noun.isascii()
        )
        if names:
            group = 2 if pair[2] is not None else 3
            found = Announced(pair.start(), *pair.span(group), True)
    return found


def _is_option(line: str, bold: re.Match[str]) -> bool:
    """Whether a line is nothing but an option in bold: "**C. Paris**"."""
    return line.strip() == bold[0] and LETTER_FIRST.match(bold[1]) is not None
