"""The words of `pbrlsvr.responses.cues` as patterns, of one noun or of all languages."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from pbrlsvr.responses.cues import CONTRASTS, CUES, REASONS, Cue
from pbrlsvr.responses.values import SIGNS

# Between a noun and its copula: a few words ("answer to the question is"), no end of a sentence, no Chinese "not".
_GAP = r"[^\n不.,;:!?。：；！？।؟=\d|→⇒]{0,32}?"
#: "The answer, as a percentage, is"
_ASIDE = r"(?:,[^\n不.,;:!?。：；！？।؟=\d|→⇒]{0,32},)?"
_SEPARATOR = r"[*_ \t)\]】」』\"'”`]{0,6}(?:[:：=|→⇒៖፦՝]|[-=]>|[-–—](?=\s))"
_BRACKET = r"[*_ ]{0,4}[\]】」』](?=[^\n])"
_BREAK = r"[*_ \t)\]】」}#:：៖፦՝]{0,8}\n"


class Words(NamedTuple):
    """The patterns of one noun, in all the languages that have it."""

    cue: re.Pattern[str]
    copula: re.Pattern[str]
    right: re.Pattern[str]
    no: re.Pattern[str]
    no_after: re.Pattern[str]
    wrong: re.Pattern[str]
    before: re.Pattern[str]
    bounds: re.Pattern[str]
    bounds_after: re.Pattern[str]
    direct: bool
    between: bool
    svo: bool


def is_unspaced(letter: str) -> bool:
    """Whether a letter is of a script that is written without spaces, or of one with endings on every word."""
    return letter >= "\u0e00" and not "\u10a0" <= letter <= "\u10ff" and not "\u1e00" <= letter <= "\u1fff"


def is_cased(word: str) -> bool:
    """Whether a word in lower case is of a script that has upper case: it then has boundaries to ask for."""
    return word != word.upper()


@cache
def nouns_of_all() -> dict[str, list[str]]:
    """Each noun in both Unicode forms -> the columns that it stands in, the firmest first."""
    nouns: dict[str, list[str]] = {}
    for kind in ("nouns", "results", "options"):
        for cue in CUES.values():
            for noun in getattr(cue, kind):
                for form in ("NFC", "NFD"):
                    kinds = nouns.setdefault(unicodedata.normalize(form, noun), [])
                    if kind not in kinds and not (kind == "results" and "nouns" in kinds):
                        kinds.append(kind)
                    if kind == "results" and noun[-1] == ":":
                        # "## Total", "**Total**"
                        nouns |= {noun[:-1].rstrip() + end: ["results"] for end in ("\n", "**\n")}
    return nouns


@cache
def words_of(noun: str, kind: str) -> Words:
    """The patterns of a noun as a word of one column, in all the languages that have it there."""
    bound = rf"(?![^\W\d_]{{{1 if len(noun) <= 4 else 4}}})" if is_cased(noun) else ""
    return words_in(tuple(codes_of(noun, kind)), bound)


@cache
def codes_of(noun: str, kind: str) -> list[str]:
    """The languages that have a noun in a column."""
    composed = unicodedata.normalize("NFC", noun)
    forms = {composed}
    if composed[-1] == "\n":
        bare = composed.rstrip("*\n")
        forms = {f"{bare}:", f"{bare} :"}
    return [code for code, cue in CUES.items() if not forms.isdisjoint(getattr(cue, kind))]


@cache
def reasons() -> re.Pattern[str]:
    """Where an answer ends and a reason, or another value that it is not, begins."""
    contrast = rf"[,(，（、]\s{{0,2}}(?:{any_of(CONTRASTS).pattern})[^\w\n]{{0,6}}(?:\d|\\[a-z])"
    return re.compile(rf"\s{{0,2}}[,(，（、]?\s{{0,2}}(?:{any_of(REASONS).pattern})|{contrast}")


@cache
def any_language() -> Words:
    """The patterns of all languages together, without the "not" of one that is a common word of others."""
    return _compile([cue._replace(no=tuple(filter(_is_clear, cue.no))) for cue in CUES.values()], "")


def _is_clear(word: str) -> bool:
    """Whether "not" can be no other word: Slovenian "ni" is the Swahili "is", Romanian "nu" is the Dutch "now", and
    French "soit" is "that is" beside a value."""
    return (len(word) > 2 and word != "soit") or word >= "\u0250" or word in ("no", "ne", "ei", "ej")


@cache
def words_in(codes: tuple[str, ...], bound: str = "") -> Words:
    """The patterns of some languages together; `bound` is what must stand behind a noun of theirs."""
    return _compile([CUES[code] for code in codes], bound)


def _compile(cues: list[Cue], bound: str) -> Words:
    def column(*names: str) -> re.Pattern[str]:
        return any_of(word for cue in cues for name in names for word in getattr(cue, name))

    copulas = {word for cue in cues for word in cue.copulas}
    copula = any_of(copulas - {"", "…"})
    led = rf"{_GAP}{_ASIDE}{_GAP}(?:(?P<copula>{copula.pattern})(?=\s*\S)|{_SEPARATOR}|(?P<line>{_BREAK}))"
    no, right, wrong = column("no"), column("right"), column("wrong")
    # Where the verb comes last, "not" and "maybe" come after the value.
    last = [cue for cue in cues if "…" in cue.copulas or not is_cased(cue.nouns[0])]
    return Words(
        cue=re.compile(rf"{bound}(?:{_BRACKET}|{led})"),
        copula=copula,
        right=right,
        no=no,
        no_after=any_of(word for cue in last for word in cue.no),
        wrong=re.compile(rf"{wrong.pattern}|(?:{no.pattern})\W+(?:\w{{1,12}}\W+)?(?:{right.pattern})"),
        before=column("no", "wrong"),
        bounds=any_of(word.rstrip("~") for cue in cues for word in cue.bounds),
        bounds_after=any_of(word for cue in cues for word in cue.bounds if word[-1] != "~"),
        direct=bool(copulas & {"", "…"}),
        between="…" in copulas,
        svo=not last,
    )


def any_of(words: Iterable[str], space: str = " ") -> re.Pattern[str]:
    """Any of the words, each from where it begins to where it ends; one with "*" stands for all that begin so. `space`
    is the pattern of a space in them."""
    forms = {unicodedata.normalize(form, word) for word in words for form in ("NFC", "NFD")} - {""}
    # Words with the same boundaries share them: a boundary is a long class of characters, and slow to compile.
    groups: dict[tuple[str, str], list[str]] = {}
    for word in sorted(forms, key=lambda word: (-len(word), word)):
        groups.setdefault(_boundaries(word), []).append(re.escape(word.strip("*-")).replace(r"\ ", space))
    return re.compile(
        "|".join(f"{left}(?:{'|'.join(stems)}){right}" for (left, right), stems in groups.items()) or "(?!)"
    )


@cache
def _boundaries(word: str) -> tuple[str, str]:
    """What must not stand before a word, and behind it."""
    stem = word.strip("*-")
    if is_unspaced(stem[0]):
        # Scripts written without spaces, or with suffixes on the word, have no boundary to ask for.
        return "", ""
    left = "" if word[0] == "*" else rf"(?<![^\W\d_])(?<![{SIGNS}])"
    if "\u0590" <= stem[0] <= "\u06ff":
        # Conjunctions, prepositions and articles are written to the word.
        arabic, hebrew = r"[\u0641\u0648\u0628\u0644]?(?:\u0627?\u0644)?", r"[\u05d1\u05d4\u05d5\u05dc\u05e9]{0,2}"
        left = rf"(?<![^\W\d_])(?:{arabic}|{hebrew})"
    inflected = "\u0900" <= stem[0] <= "\u0dff" or "\u10a0" <= stem[0] <= "\u10ff"
    open_end = word[-1] in "*-" or (inflected and len(stem) > (2 if stem[0] < "\u1000" else 3))
    return left, "" if open_end else rf"(?![^\W\d_]|[{SIGNS}])"
