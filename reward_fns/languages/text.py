r"""What a language identifier should see of a response, and what a similarity may see: never more.

`read` takes a text apart into its prose, in which a language can be judged, and code, formulas, addresses and tags
(`pbrlsvr.responses.markup`), in which it cannot. Of the latter a similarity sees numbers, symbols, variables and the
commands of mathematics, but no word: a sentence that was put where no policy looks is worth nothing. A sentence that
fills its formula or code is judged, and seen, like prose. Every step is linear in the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pbrlsvr.languages import tables
from pbrlsvr.languages.tables import LETTERS_PER_SIGN, LOOKS_CYRILLIC, LOOKS_LATIN, SCRIPT_OF_NAME
from pbrlsvr.remembered import remembered
from pbrlsvr.responses import markup

#: Longest segment. At 12 words the identifier is right in 97 of 100 cases or more; a longer segment would hide a
#: change of language within a sentence.
WORDS_PER_SEGMENT = 12
_SIGNS_PER_TOKEN = 60
# A policy, the guards and a similarity ask for the same texts: a thousand responses of two thousand characters.
_REMEMBERED = 2_000_000

# Format characters, fillers and variation selectors: they show nothing, and split words for a program but not a reader.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_TAG_CHARACTERS = re.compile("[\U000e0000-\U000e0fff]")
_LATIN = "A-Za-zÀ-ɏ"
_OTHER = "\u0400-\u1cff\u2e80-\ufaff\ufb50-\ufdff\ufe70-\ufefc\U00020000-\U0003ffff"
_WORD = f"(?:[{_LATIN}]{{1,40}}|[{_OTHER}]+)"
_RUN_OF_PROSE = re.compile(rf"(?:{_WORD}[ ,.'’~\\;:-]{{1,3}}){{4,}}{_WORD}|[{_OTHER}]{{8,}}")
# Letters that only modify others are no letters between them: Arabic tatweel, marks of repetition.
_MODIFIERS = "".join(char for char in map(chr, range(0x2B0, 0x20000)) if unicodedata.category(char) == "Lm")
_LETTER = rf"[^\W\d_{_MODIFIERS}]"
_SEPARATOR = rf"[ \t.,~_*/|·•{_MODIFIERS}-]"
_SPELLED_OUT = re.compile(rf"(?<!{_LETTER})(?:{_LETTER}{_SEPARATOR}{{1,3}}){{8,}}{_LETTER}(?!{_LETTER})")
_SEPARATORS = re.compile(rf"[\W_{_MODIFIERS}]+")
# Digits and signs that stand for letters inside words: "w3 f1r57 @dd".
_LEET = re.compile(r"(?<![\w@$])(?=[a-zA-Z@$]{0,12}[0-9@$])(?=[0-9@$]{0,12}[a-zA-Z])[a-zA-Z0-9@$]{2,12}(?![\w@$])")
_LATIN_WORD = re.compile(r"[a-zA-Z]{2,}")
_LETTER_OF = str.maketrans("013457@$", "oleastas")
_LEET_WORDS = 8
_MARKUP_IN_DISGUISE = 8  # different addresses and tags

# A word of a formula or of code: with its backslash, if it is a command; or a run of what is not ASCII.
_WORD_AMONG_SYMBOLS = re.compile(r"\\(?:begin|end)\{[A-Za-z]{1,20}\*?\}|\\?[A-Za-z]+|[^\x00-\x7f]+")
_PART_OF_NAME = re.compile(rf"[{_LATIN}][a-zß-öø-ÿ]+|[A-Z]+(?![a-z])|[{_LATIN}]+|[{_OTHER}]+")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as a policy and a similarity see it.

    Attributes:
        judged: the prose.
        seen: the text less the words that are not in `judged`.
        hidden: these words, names taken apart, without those of programming languages and of mathematics.
        excluded: the share of the text's letters that is not in `judged`.
        invisible: the share of characters that show nothing.
    """

    judged: str
    seen: str
    hidden: tuple[str, ...]
    excluded: float
    invisible: float


def _gap(found: re.Match[str]) -> str:
    """What stands between two letters that are spelled out: nothing, or the end of a word."""
    return " " if len(found[0]) > 1 and " " in found[0] else ""


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _sentences(body: str, kind: markup.Kind) -> list[tuple[int, int]]:
    r"""Where words stand as words in code or a formula: in `\text{}`, and where they fill two thirds of the rest."""
    found = [each.span(1) for each in markup.WORDS_IN_MATH.finditer(body)] if kind == "math" else []
    plain = markup.COMMAND.sub(_blank, markup.WORDS_IN_MATH.sub(_blank, body) if found else body)
    runs = [each.span() for each in _RUN_OF_PROSE.finditer(plain)]
    if 3 * sum(_letters(plain[start:end]) for start, end in runs) > 2 * _letters(plain):
        found = sorted(found + runs)
    return found


def _symbol(found: re.Match[str]) -> str:
    """What a similarity sees of a word in a formula: a variable, a command of mathematics, a sign; else a space."""
    word = found[0]
    if word[0] == "\\":
        return word if word.strip("\\*") in tables.MATH_COMMANDS else " "
    if word.isascii() and (word in tables.MATH_FUNCTIONS or (len(word) == 2 and word.isupper())):
        return word
    return _sign_of_code(found)


def _sign_of_code(found: re.Match[str]) -> str:
    """What a similarity sees of a word in code: single letters, and digits and signs of any script."""
    word = found[0]
    if word.isascii():
        return word if len(word) == 1 else " "
    if len(word) <= 2 and all("\u0370" <= char <= "\u03ff" for char in word):
        return word
    return "".join(char for char in word if not any(map(_is_letter, unicodedata.normalize("NFKC", char)))) or " "


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LM"


def _hidden(text: str) -> Iterator[str]:
    for found in _PART_OF_NAME.finditer(text):
        word = found[0].lower()
        if len(word) > 1 and word not in tables.PROGRAM_WORDS and found[0] not in tables.MATH_COMMANDS:
            yield word


def _piece(body: str, kind: markup.Kind) -> tuple[str, str, list[str]]:
    """Of a piece: what is judged, what is seen, and the words that are neither."""
    if kind in ("address", "tag"):
        return " ", " ", list(_hidden(body))
    if kind == "command":
        known = body.strip("\\*") in tables.MATH_COMMANDS
        return " ", body if known else " ", [] if known else list(_hidden(body))
    symbol = _symbol if kind == "math" else _sign_of_code
    judged, seen, position = [""], [""], 0
    hidden: list[str] = []
    for start, end in [*_sentences(body, kind), (len(body), len(body))]:
        between = _SPELLED_OUT.sub(" ", body[position:start])
        seen += [_WORD_AMONG_SYMBOLS.sub(symbol, between), body[start:end]]
        hidden += _hidden(body[position:start])
        judged.append(body[start:end])
        position = end
    edge = "\n" if "\n" in body else " "
    return edge.join([*judged, ""]), "".join(seen), hidden


@remembered(_REMEMBERED)
def read(text: str) -> Reading:
    r"""What of a text is judged, and what a similarity may see.

    Not judged: fenced and inline code; formulas in `$`, `$$`, `\(`, `\[` or an environment, but for the words in
    `\text{}`; LaTeX commands; web and mail addresses; tags. Code or a formula of which more than two thirds of the
    letters stand in runs of five words or more is prose in disguise, and those runs are judged. So are addresses and
    tags with more than half of the letters of a text, if they are many. Words that are spelled out are put together;
    where digits stand for letters in many words, they are read as those.

    >>> found = read(r"Son $\frac{1}{2} + eggs \text{ huevos}$ al día, `the_eggs`.")
    >>> found.judged.split(), found.hidden
    (['Son', 'huevos', 'al', 'día,', '.'], ('eggs', 'the', 'eggs'))
    >>> " ".join(found.seen.split())
    'Son $\\frac{1}{2} + \\text{ huevos}$ al día, ` _ `.'
    """
    visible = _INVISIBLE.sub("", text)
    judged, seen, hidden, marked, position = [], [], [], [], 0
    for kind, start, end in markup.pieces(visible):
        body = visible[start:end]
        prose_of, seen_of, hidden_of = _piece(body, kind)
        judged += [visible[position:start], prose_of]
        seen += [visible[position:start], seen_of]
        hidden += hidden_of
        if kind in ("address", "tag"):
            marked.append(body)
        position = end
    judged.append(visible[position:])
    seen.append(visible[position:])
    shown = "".join(judged)
    if len(set(marked)) >= _MARKUP_IN_DISGUISE and _letters(shown) < sum(map(_letters, marked)):
        shown = " ".join([shown, *marked])
    shown = _SPELLED_OUT.sub(lambda found: _SEPARATORS.sub(_gap, found[0]), shown)
    if len(_LEET.findall(shown)) >= max(_LEET_WORDS, len(_LATIN_WORD.findall(shown)) / 4):
        shown = _LEET.sub(lambda found: found[0].translate(_LETTER_OF), shown)
    before = _letters(visible)
    excluded = 1 - _letters(shown) / before if before else 0.0
    invisible = (len(text) - len(visible)) / len(text) if text else 0.0
    # Joiners belong to the spelling of some languages: prose alone is seen as it is, less what only machines see.
    whole = "".join(seen) if position else _TAG_CHARACTERS.sub("", text)
    return Reading(shown, whole, tuple(hidden), min(max(excluded, 0.0), 1.0), invisible)


def prose(text: str) -> tuple[str, float, float]:
    """`judged`, `excluded` and `invisible` of `read(text)`."""
    found = read(text)
    return found.judged, found.excluded, found.invisible


_SCRIPTS = [*dict.fromkeys(SCRIPT_OF_NAME.values()), "Zyyy"]
# One private character per script: a text becomes a string of scripts, and a regular expression finds the runs.
_SIGN_OF_SCRIPT = {script: chr(0xE000 + place) for place, script in enumerate(_SCRIPTS)}
_SCRIPT_OF_SIGN = {sign: script for script, sign in _SIGN_OF_SCRIPT.items()}
_EUROPEAN = "".join(_SIGN_OF_SCRIPT[script] for script in ("Latn", "Cyrl", "Grek"))
_RUN = re.compile(rf"[{_EUROPEAN}][{_EUROPEAN}m']*|([^ m'{_EUROPEAN}])(?:\1|[m'])*")


@lru_cache(maxsize=65536)
def _sign(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "M":
        return "m"
    if category[0] != "L":
        return "'" if character in "'’" else " "
    name = unicodedata.name(character, "").split(" ", 1)[0]
    return "m" if name == "MODIFIER" else _SIGN_OF_SCRIPT[SCRIPT_OF_NAME.get(name, "Zyyy")]


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters of one script. `weight` is its length in letters of an alphabet; `lookalikes` were replaced.

    A word that mixes alphabets, and not by look-alikes alone, has the script "Zyyy".
    """

    text: str
    script: str
    weight: int
    lookalikes: int = 0


def _european(text: str, signs: str) -> Word:
    """A word of Latin, Cyrillic or Greek letters, with look-alikes from another alphabet put back."""
    scripts = {_SCRIPT_OF_SIGN[sign] for sign in signs if sign not in "m'"}
    script, lookalikes = next(iter(scripts)), 0
    if len(scripts) > 1:
        latin = {char for char, sign in zip(text, signs, strict=True) if sign == _SIGN_OF_SCRIPT["Latn"]}
        foreign = {char for char in text if char.isalpha()} - latin
        script = "Zyyy"
        if all(char in LOOKS_LATIN for char in foreign):
            script, table = "Latn", LOOKS_LATIN
        elif "Grek" not in scripts and all(char in LOOKS_CYRILLIC for char in latin):
            script, table = "Cyrl", LOOKS_CYRILLIC
        if script != "Zyyy":
            lookalikes = sum(char in table for char in text)
            text = "".join(table.get(char, char) for char in text)
    letters = len(signs) - signs.count("m") - signs.count("'")
    # Single letters are variables more often than words.
    return Word(text, script, letters if letters > 1 else 0, lookalikes)


def words(text: str) -> list[Word]:
    """The words of a short text, in order. A change of script ends a word, except among European alphabets.

    >>> [(word.text, word.script) for word in words("GPU時代 12 pаy")]  # with a Cyrillic а
    [('GPU', 'Latn'), ('時代', 'Hani'), ('pay', 'Latn')]
    """
    # Some characters normalise to eighteen: a text of such characters only would grow without bound.
    text = unicodedata.normalize("NFKC", text)[: 4 * len(text) + 72]
    signs = "".join(map(_sign, text))
    found = []
    for run in _RUN.finditer(signs):
        piece, kinds = text[run.start() : run.end()], run[0]
        if run[1] is None:
            found.append(_european(piece, kinds))
            continue
        script = _SCRIPT_OF_SIGN[run[1]]
        letters = kinds.count(run[1])
        # Vowel signs count, but no stack of marks makes a letter heavier than two.
        marks = min(kinds.count("m"), letters)
        found.append(Word(piece, script, letters * LETTERS_PER_SIGN.get(script, 1) + marks))
    return found


def segments(text: str) -> Iterator[list[Word]]:
    """The words of each sentence or line, in equal parts of at most `WORDS_PER_SEGMENT` tokens."""
    for sentence in re.split(r"[\n\r\u2028\u2029.!?。！？।॥؟۔…;；:：]+", text):
        tokens = [
            token[start : start + _SIGNS_PER_TOKEN]
            for token in sentence.split()
            for start in range(0, len(token), _SIGNS_PER_TOKEN)
        ]
        if not tokens:
            continue
        parts = -(-len(tokens) // WORDS_PER_SEGMENT)
        size = -(-len(tokens) // parts)
        for start in range(0, len(tokens), size):
            if found := words(" ".join(tokens[start : start + size])):
                yield found
