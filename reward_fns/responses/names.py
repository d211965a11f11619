"""Names that a last sentence gives as the answer: in bold at its end, or behind a word that concludes."""

import re
from functools import cache

from pbrlsvr.responses.conclusions import concludes
from pbrlsvr.responses.cue_patterns import any_of
from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.scopes import scope_in
from pbrlsvr.responses.sentences import SENTENCE, is_denied, is_question, lower_case, sentences
from pbrlsvr.responses.shapes import BOLD, CLAUSE, LABEL
from pbrlsvr.responses.stated import LONG, MARKUP, states
from pbrlsvr.responses.values import NUMBER, SIGNS

_NAME, _NAME_WORDS = 40, 4
_WORD = re.compile(r"[^\W\d_]")
_WORDS = re.compile(rf"(?:[^\W\d_]|[{SIGNS}])+")
_QUOTED = re.compile(r"[«„“\"「『][^«»„“”\"「」『』\n]{1,60}[»“”\"」』]")
_CAPITALISED = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{SIGNS}]|[’'-](?=[^\W\d_]))*")
# "Marie de France": what may stand in lower case between the words of a name.
_WITHIN = ("de", "da", "do", "di", "del", "della", "van", "von", "der", "den", "la", "bin", "ibn", "al", "of")
# "Pamuk'tur": what Turkish writes to a name.
_SUFFIX = re.compile(r"[’'][^\W\d_]{1,6}\Z")


def last_name(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The one name in bold with which the last sentence ends, or nearly: "The capital is **Canberra**."

    >>> last_name("It is on the Nile.\\n\\nThe capital is **Cairo**.", 0, 46), last_name("**Step**", 0, 8)
    ((37, 42), None)
    """
    begin = max(start, end - SENTENCE)
    lines = [line for line in re.finditer(r"[^\n]+", text[begin:end]) if line[0].strip()]
    names = list(BOLD.finditer(lines[-1][0])) if lines else []
    if len(names) != 1 or NUMBER.search(lines[-1][0]):
        return None
    name, line = names[0], lines[-1][0]
    rest = line[name.end() :].strip()
    is_short = len(name[1]) <= _NAME and len(_WORDS.findall(name[1])) <= _NAME_WORDS
    # What follows is a full stop, a copula, or a clause behind a comma.
    ends = len(_WORDS.findall(CLAUSE.split(rest, maxsplit=1)[0])) <= 1
    if not is_short or not ends or not _WORD.search(line[: name.start()]) or name[1].endswith((":", "：")):
        return None
    scope, lower = scope_in(tuple(CUES)), lower_case(line)
    if any(words.search(lower, 0, name.start()) for words in (scope.if_, scope.next, scope.says)):
        return None
    place = begin + lines[-1].start() + name.start(1), begin + lines[-1].start() + name.end(1)
    return None if LABEL.match(line) or is_question(text, end - 1) or is_denied(text, *place) else place


def concluded_name(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The one name with which a last sentence ends that concludes and has no number: "So it was Marie Curie."

    Names are told by their capital letters, so only scripts that have them, and not German, have this.

    >>> said = "So the author of “Dubliners” is James Joyce."
    >>> concluded_name(said, 0, len(said)), concluded_name("So the author is not Joyce.", 0, 27)
    ((32, 43), None)
    """
    said = [place for place in sentences(text, max(start, end - LONG), end) if text[slice(*place)].strip()]
    if not said or (said[-1][0] == end - LONG and end - LONG > start):
        return None
    begin, stop = said[-1]
    sentence = text[begin:stop]
    lower, lead = lower_case(sentence), len(sentence) - len(sentence.lstrip(MARKUP + "\n"))
    if (
        NUMBER.search(sentence)
        or is_question(text, stop)
        or LABEL.match(sentence)
        or text[stop : stop + 1] not in (".", "!")
    ):
        return None
    concluding = concludes(lower, lead)
    codes = tuple(code for code in (concluding[0] if concluding else ()) if code != "de")
    if concluding is None or not codes:
        return None
    place = _last_run(sentence, concluding[1])
    if place is None or not states(text[:end], begin, stop, place, codes, concluding[1]):
        return None
    return begin + place[0], begin + place[1]


def _last_run(sentence: str, after: int) -> tuple[int, int] | None:
    """Where the capitalised words stand that end a sentence behind `after`, if no others stand there, but in quotes or
    before a copula."""
    bare = _QUOTED.sub(lambda found: " " * len(found[0]), sentence)
    runs: list[list[int]] = []
    for word in _CAPITALISED.finditer(bare, after):
        near = bool(runs) and not bare[runs[-1][1] : word.start()].strip()
        if word[0][0] != word[0][0].lower():
            if near and runs[-1][2] <= 0:
                runs[-1][1:] = word.end(), 0
            else:
                runs.append([word.start(), word.end(), 0])
        elif near and word[0] in _WITHIN and not runs[-1][2]:
            runs[-1][1:] = word.end(), -1
    first = _WORD.search(sentence)
    runs = [run for run in runs if first is None or run[0] > first.start()]
    if not runs:
        return None
    begin, end = runs[-1][:2]
    suffix = _SUFFIX.search(bare, begin, end)
    end = suffix.start() if suffix else end
    behind = bare[suffix.end() if suffix else end :]
    is_short = end - begin <= _NAME and len(_WORDS.findall(bare, begin, end)) <= _NAME_WORDS
    is_last = len(_WORDS.findall(CLAUSE.split(behind, maxsplit=1)[0])) <= 1
    # "The author of Truyện Kiều is Nguyễn Du"
    is_told = len(runs) == 1 or _is().search(lower_case(bare[runs[-2][1] : begin])) is not None
    # A letter alone is an option.
    return (begin, end) if end - begin > 1 and is_short and is_last and is_told else None


@cache
def _is() -> re.Pattern[str]:
    words = {word for cue in CUES.values() for word in cue.copulas if word.strip(" …:")}
    return re.compile(rf"(?:{any_of(words).pattern})\s*\Z")
