"""Digits with marks between them, such as 1.234,5, in the writing of a language.

- The language says which of "." and "," is the decimal mark. The other one groups when exactly three digits follow
  (1.234 in German is 1234). Else a point can only be a decimal mark too (3.5 in German), and a comma makes no number.
  With both marks in one number the last is the decimal mark. Groups are of three, or as lakh are written (1,23,456);
  else it is no number.
- Spaces, apostrophes and "٬" group in every language, and "٫" is always decimal.
"""

import re
from fractions import Fraction

from pbrlsvr.answers.locales import Conventions

#: A number with more digits is none.
MAX_DIGITS = 400


def read_digits(run: str, speech: Conventions) -> Fraction | None:
    """The value of digits with marks between them; None if they follow no rule of grouping, or are too many.

    >>> from pbrlsvr.answers.locales import conventions
    >>> read_digits("1.234,5", conventions("de")), read_digits("1,23,456", conventions("hi"))
    (Fraction(2469, 2), Fraction(123456, 1))
    >>> read_digits("12,34", conventions("en")) is None
    True
    """
    if sum(map(str.isdecimal, run)) > MAX_DIGITS:
        return None
    marks = [c for c in run if not c.isdecimal()]
    digits = re.split(r"[^0-9]", run)
    decimal_places = ""
    if marks and _last_is_decimal(marks, digits, speech):
        decimal_places, digits, marks = digits[-1], digits[:-1], marks[:-1]
    if marks:
        kinds = set(marks)
        sizes = [len(group) for group in digits]
        by_three = sizes[0] <= 3 and all(size == 3 for size in sizes[1:])
        by_lakh = kinds <= {",", "٬"} and sizes[0] <= 2 and all(size == 2 for size in sizes[1:-1]) and sizes[-1] == 3
        if len(kinds) > 1 or sizes[0] == 0 or digits[0][0] == "0" or not (by_three or by_lakh):
            return None
    whole = "".join(digits) or "0"
    return Fraction(int(whole + decimal_places), 10 ** len(decimal_places))


def _last_is_decimal(marks: list[str], digits: list[str], speech: Conventions) -> bool:
    last = marks[-1]
    if last == "٫":
        return True
    if last not in (".", ","):
        return False
    if len(marks) > 1:
        return last not in marks[:-1]
    groups = len(digits[-1]) == 3 and 1 <= len(digits[0]) <= 3 and digits[0][0] != "0"
    if speech.both_marks:
        return not groups
    # A point that cannot group is decimal in any language; a comma may just separate two answers ("3,5").
    return last == speech.decimal or (last == "." and not groups)
