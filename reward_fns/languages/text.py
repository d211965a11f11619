"""What a language identifier should see of a response: its prose, in short segments, sorted by script.

Code, LaTeX, tags, addresses and numbers are taken out. Prose that was put inside code or mathematics to hide it is not:
see `prose`. Every step is linear in the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pbrlsvr.languages.tables import LETTERS_PER_SIGN, LOOKS_CYRILLIC, LOOKS_LATIN, SCRIPT_OF_NAME

#: Longest segment. At 12 words the identifier is right in 97 of 100 cases or more; a longer segment would hide a
#: change of language within a sentence.
WORDS_PER_SEGMENT = 12
_SIGNS_PER_TOKEN = 60

# Format characters, fillers and variation selectors: they show nothing, and split words for a program but not a reader.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_LATIN = "A-Za-zÀ-ɏ"
_OTHER = "\u0400-\u1cff\u2e80-\ufaff\ufb50-\ufdff\ufe70-\ufefc\U00020000-\U0003ffff"
_WORD = f"(?:[{_LATIN}]{{1,40}}|[{_OTHER}]+)"
_RUN_OF_PROSE = re.compile(rf"(?:{_WORD}[ ,.'’-]{{1,3}}){{4,}}{_WORD}|[{_OTHER}]{{8,}}")

_TEXT_IN_MATH = re.compile(r"\\(?:text\w{0,12}|mbox)\s{0,3}\{([^{}]*)\}")
_COMMAND = re.compile(r"\\[A-Za-z]+\*?")
# Each pattern stops at its own opener, so that no stretch of text is searched twice.
_MATH = re.compile(
    r"\$\$(?:(?!\$\$).)*\$\$"
    r"|\\\[(?:(?!\\[\[\]]).)*\\\]"
    r"|\\\((?:(?!\\[()]).)*\\\)"
    r"|\\begin\{(?P<name>[a-z]{1,20}\*?)\}(?:(?!\\(?:begin|end)\{).)*\\end\{(?P=name)\}"
    # An amount of money is no formula: the closing $ follows no space and precedes no digit.
    r"|\$(?![\s$])[^$\n]{0,400}(?<![\s\\$])\$(?!\d)",
    re.DOTALL,
)
_INLINE_CODE = re.compile(r"`[^`\n]{1,400}`")
_SPELLED_OUT = re.compile(r"\b(?:[^\W\d_] {1,3}){8,}[^\W\d_]\b")
_MARKUP = re.compile(
    r"https?://\S{1,200}|[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,63}"  # web and mail addresses
    r"|</?[A-Za-z_][\w-]{0,30}/?>"
)
_MARKUP_IN_DISGUISE = 8  # different ones


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _hidden_prose(body: str) -> str:
    """The sentences in code or mathematics, where they have two thirds of its letters; else nothing."""
    runs = [run[0] for run in _RUN_OF_PROSE.finditer(_COMMAND.sub(" ", body))]
    return "\n".join(runs) if 3 * sum(map(_letters, runs)) > 2 * _letters(body) else ""


def _text_of_math(found: re.Match[str]) -> str:
    body = found[0]
    return " " + " ".join([*_TEXT_IN_MATH.findall(body), _hidden_prose(_TEXT_IN_MATH.sub(" ", body))]) + " "


def prose(text: str) -> tuple[str, float, float]:
    r"""The prose of `text`, the share of its letters that was taken out, and its share of invisible characters.

    Taken out: fenced and inline code; formulas in `$`, `$$`, `\(`, `\[` or an environment, but not the words in
    `\text{}`; LaTeX commands; web and mail addresses; tags. Code or a formula of which more than two thirds of the
    letters stand in runs of five words or more is prose in disguise, and those runs are kept. So are addresses and
    tags with more than half of the letters of a text, if they are many. Words that are spelled out are put together.

    >>> prose(r"Son $\frac{1}{2} \text{ huevos}$ al día.")[0].split()
    ['Son', 'huevos', 'al', 'día.']
    """
    visible = _INVISIBLE.sub("", text)
    parts = visible.split("```")
    parts[1::2] = ["\n" + _hidden_prose(part) + "\n" for part in parts[1::2]]
    shown = _INLINE_CODE.sub(lambda found: f" {_hidden_prose(found[0])} ", "".join(parts))
    shown = _MATH.sub(_text_of_math, shown)
    shown = _COMMAND.sub(" ", shown)
    marked_up, shown = shown, _MARKUP.sub(" ", shown)
    if 2 * _letters(shown) < _letters(marked_up) and len(set(_MARKUP.findall(marked_up))) >= _MARKUP_IN_DISGUISE:
        shown = marked_up
    shown = _SPELLED_OUT.sub(lambda found: found[0].replace(" ", ""), shown)
    before = _letters(visible)
    excluded = 1 - _letters(shown) / before if before else 0.0
    return shown, min(max(excluded, 0.0), 1.0), (len(text) - len(visible)) / len(text) if text else 0.0


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
