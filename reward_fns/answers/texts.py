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
# What only changes how a text looks. Not what strikes it out, and not what makes a sign of it (\\overline, \\mathbb).
_SWITCH = r"(?:bf|it|rm|sf|tt|em|bfseries|itshape|tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![a-zA-Z])"
_COLOR = r"(?:textcolor|color|colorbox)\s*(?:\[\w*\])?\{[^{}]*\}"
_GROUP = r"((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
_STYLES = re.compile(
    r"\\(?:text|textbf|textit|textrm|textsf|texttt|textsc|textup|textnormal|emph|mathrm|mathbf|mathit|mathsf|mathtt|"
    rf"boldsymbol|bm|pmb|bold|underline|mbox|hbox|boxed|fbox|num)\s*\{{{_GROUP}|\\{_COLOR}\s*\{{{_GROUP}|"
    rf"(?<![\w}}\]^])\{{\s*\\(?:{_SWITCH}|{_COLOR}){_GROUP}|\\(?:{_SWITCH}|{_COLOR})"
)
_TAGS = re.compile(r"(?i)<br ?/?>|</?(?:b|strong|i|em|u|mark|big|center|code|font|span|p|div|answer)(?: [^<>]*)?>")
# "84 \\text{ cm}^2": the space is none between a unit and its power.
_POWER = re.compile(r"(?<=[^\W\d_])\s+(?=\^\s?\{?\s?[-\d])")
_MATH_SHIFT = re.compile(r"\\[()\[\]]|\$\$|\\displaystyle|\\(?:left|right)(?![a-z])")
_UNIT = re.compile(
    r"(?<=[\w})])\s*(?:\\[,;! ]|~)*\\(?:text|mathrm)\s*\{\s*(?:sq(?:uare|\.)?|cubic)?\s*(?:[kcmd]?m|f(?:ee)?t|"
    r"inch(?:es)?|yards?|miles?|units?|(?:centi|kilo|milli)?met(?:er|re)s?|degrees?|rad(?:ian)?s?|s|seconds?|h|hours?|min(?:ute)?s?|m/s|km/h)"
    r"\s*\}(?:\^\{?[23]\}?)?(\$*)\Z"
)
_OVER = re.compile(r"\{? ?(\w+) ?\\over(?![a-z]) ?(\w+) ?\}?")
_DEGREE = re.compile(r"\^\s*\{?\s*\\circ\s*\}?")
_THIN_SPACE = re.compile(r"\\[,;:! ]|~|\\(?:q?quad|thinspace|enspace|space)(?![a-z])")
_UNIT_OVER_TIME = re.compile(
    r"(?<=\d)\s*\\[dt]?frac\s*\{\s*([a-z]{2,}|[mlgL])\s*\}\s*\{\s*(hr?|s|min|sec|hours?|day|week|month|year)\s*\}"
)
#: The number, and no letter of a Greek word.
PI = r"(?<![\u0370-\u03ff\u1f00-\u1fff])π(?![\u0370-\u03ff\u1f00-\u1fff])"
# Where a character other than a letter makes a difference.
_MATH = re.compile(rf"[\d\\^_=+/<>|{{}}√∞]|{PI}|[\w)] ?\* ?[\w(]|(?<!\w)-|-(?!\w)|\b\w-\w\b")
_COMMAND = re.compile(r"\\(?!text|mbox|mathrm)[a-zA-Z]+")
# Three Latin or Greek letters that are no function of a formula, or one letter of another script.
_WORD = re.compile(r"[^\W\d_]{3,}(?!\()|[^\W\d_\u0000-\u03ff\u1e00-\u1fff]")
_SHORT_WORD = re.compile(r"(?i)(?<![a-z])(?:no|si|ja|ok|am|pm|or|is|of|to|in|on|if|it|so|we|an|n/a)(?![a-z])")
_OPERATOR = re.compile(rf"[\d\\^_=+*/<>|√∞≤≥≠±∪∩∅-]|{PI}|[a-z]\([a-z]\)")
_DATE = re.compile(
    r"(?i)\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|january|february|march|april|june|july|august|"
    r"september|october|november|december|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b|\d[-/.]\d{1,2}[-/.]\d"
)
_NO_WORD = re.compile(r"[^\w]+")


def clean(text: str) -> str:
    """NFKC, ASCII digits and signs, no invisible characters, no LaTeX text commands or math shifts, no emphasis.

    >>> clean("**\\\\text{৭০{,}০০০}\\\\,\\\\$**"), clean("$2½$")
    ('70,000 $', '2 1/2')
    """
    text = (
        text.replace("{,}", ",")
        .replace("{.}", ".")
        .replace("\\!", "")
        .replace("\\%", "%")
        .replace("\\$", "＄")
        .replace("**", " ")
        .replace("__", " ")
    )
    if "\\" in text or "~" in text:
        text = _THIN_SPACE.sub(" ", _MATH_SHIFT.sub(" ", _DEGREE.sub("°", text)))
        text = _OVER.sub(r"\\frac{\1}{\2}", text)
        # Text commands nest; deeper than this is no answer.
        for _ in range(3):
            text = _STYLES.sub(lambda found: f" {found[found.lastindex] if found.lastindex else ''} ", text)
        text = _POWER.sub("", _UNIT_OVER_TIME.sub(r" \1/\2", text))
    if "<" in text:
        text = _TAGS.sub(" ", text)
    text = text.strip('*`_"“”「」『』 \t\r\n')
    if text.startswith("$") and text.endswith("$"):
        text = text.strip("$")
    text = _SUPERSCRIPTS.sub(lambda run: "^" + run[0].translate(_SUPERSCRIPT_TO_ASCII), text)
    # The Spanish ordinal 18.º, which NFKC would turn into "18.o": "18 or".
    text = _FRACTION.sub(lambda sign: " " + sign[0], text).replace("º", "°")
    text = unicodedata.normalize("NFKC", text).translate(_MARKS)
    return " ".join("".join(_ascii_digit(c) for c in text if unicodedata.category(c) != "Cf").split())


def without_unit(text: str) -> str:
    """A text as `clean` leaves it, without the unit in `\\text` at its end.

    >>> without_unit("5\\\\pi\\\\text{ cm}^2"), without_unit("\\\\text{no}")
    ('5\\\\pi', 'no')
    """
    return clean(_UNIT.sub(r"\1", text.strip()))


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


def is_formula(text: str) -> bool:
    """Whether a cleaned text is a formula: one variable, or signs and numbers without words.

    >>> is_formula("x^2"), is_formula("x"), is_formula("no"), is_formula("3 or 4")
    (True, True, False, False)
    """
    bare = _COMMAND.sub(" ", text)
    if _WORD.search(bare) or _SHORT_WORD.search(bare):
        return False
    return _OPERATOR.search(text) is not None or len(text) == 1


def is_date(text: str) -> bool:
    """Whether a cleaned text names a month or a day of the week in English, or writes a date in digits."""
    return _DATE.search(text) is not None


def _ascii_digit(character: str) -> str:
    return str(unicodedata.decimal(character)) if not character.isascii() and character.isdecimal() else character
