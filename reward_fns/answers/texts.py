"""The characters of an answer in one form: digits, marks and signs as ASCII, without markup."""

import re
import unicodedata

# Read before NFKC, which would turn 2½ into 21⁄2 and 10³ into 103.
_FRACTION = re.compile(r"[¼-¾⅐-⅞↉]")
_SUPERSCRIPTS = re.compile(r"[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_SUPERSCRIPT_TO_ASCII = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_MARKS = str.maketrans(
    {"−": "-", "–": "-", "‑": "-", "‐": "-", "٪": "%", "،": ",", "⁄": "/", "∕": "/", "’": "'", "＄": "$"}
)
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|boldsymbol|mbox|boxed|fbox)\s*\{([^{}]*)\}"
)
_MATH_SHIFT = re.compile(r"\\[()\[\]]|\$\$|\\displaystyle|\\(?:left|right)(?![a-z])")
_DEGREE = re.compile(r"\^\s*\{?\s*\\circ\s*\}?")
_THIN_SPACE = re.compile(r"\\[,;:! ]|~|\\q?quad(?![a-z])")
# Where a character other than a letter makes a difference.
_MATH = re.compile(r"[\d\\^_=+/<>|{}√π∞]|[\w)] ?\* ?[\w(]|(?<!\w)-|-(?!\w)|\b\w-\w\b")
_NO_WORD = re.compile(r"[^\w]+")


def clean(text: str) -> str:
    """NFKC, ASCII digits and signs, no invisible characters, no LaTeX text commands or math shifts, no emphasis.

    >>> clean("**\\\\text{৭০{,}০০০}\\\\,\\\\$**"), clean("$2½$")
    ('70,000 $', '2 1/2')
    """
    text = text.replace("{,}", ",").replace("\\%", "%").replace("\\$", "＄").replace("**", " ").replace("__", " ")
    if "\\" in text or "~" in text:
        text = _THIN_SPACE.sub(" ", _MATH_SHIFT.sub(" ", _DEGREE.sub("°", text)))
        # Text commands nest; deeper than this is no answer.
        for _ in range(3):
            text = _TEXT.sub(r" \1 ", text)
    text = text.strip('*`"“”「」『』 \t\r\n')
    if text.startswith("$") and text.endswith("$"):
        text = text.strip("$")
    text = _SUPERSCRIPTS.sub(lambda run: "^" + run[0].translate(_SUPERSCRIPT_TO_ASCII), text)
    text = _FRACTION.sub(lambda sign: " " + sign[0], text)
    text = unicodedata.normalize("NFKC", text).translate(_MARKS)
    return " ".join("".join(_ascii_digit(c) for c in text if unicodedata.category(c) != "Cf").split())


def words(text: str) -> str:
    """The words of a cleaned text, without case and punctuation.

    >>> words("The  Seine, in Paris.")
    'the seine in paris'
    """
    return _NO_WORD.sub(" ", text).strip().casefold()


def same_words(text: str, other: str) -> bool:
    """Whether two cleaned texts are the same: by their words, or character by character where there is mathematics."""
    if _MATH.search(text) or _MATH.search(other):
        return text.replace(" ", "").rstrip(".") == other.replace(" ", "").rstrip(".")
    return words(text) == words(other) != ""


def _ascii_digit(character: str) -> str:
    return str(unicodedata.decimal(character)) if not character.isascii() and character.isdecimal() else character
