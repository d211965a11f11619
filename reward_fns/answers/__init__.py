"""Final answers in any language: read them, and compare them with a ground truth.

    equal("১৮ ডলার", "18", "bn")             True    native digits, units
    equal("1.234,5 €", "1234.5", "de")       True    the language says which mark is the decimal one
    equal("3万5千", "35,000", "zh")           True    Han and Hangul numerals, words for thousands and millions
    equal("\\\\frac{1}{2}", "0.5")             True    LaTeX
    equal("(C) Paris", "C")                  True    multiple choice A-J
    equal("3 or 4", "4")                     False   several values are no answer

An answer has one value or none, whatever the ground truth is: nothing in an answer is read in two ways to see which one
fits. Hence a response cannot gain by giving several answers, or an answer with two readings.

The **ground truth** is data, so it is read as data sets write it (1,234.5), and by the language only if that fails.
"""

import re
from dataclasses import replace
from functools import lru_cache

from pbrlsvr.answers.choices import read_choice, spell_circled
from pbrlsvr.answers.expressions import equal_expressions
from pbrlsvr.answers.locales import ENGLISH, Conventions, conventions
from pbrlsvr.answers.measures import in_units_of
from pbrlsvr.answers.numbers import MAX_LENGTH, Number, read_number, read_numbers
from pbrlsvr.answers.texts import clean, is_date, is_formula, same_words, without_unit, words
from pbrlsvr.answers.times import read_time
from pbrlsvr.answers.yes_no import reads_yes
from pbrlsvr.responses.concluded_times import bounds_the_time
from pbrlsvr.responses.spans import split

__all__ = ["equal", "extract", "is_verifiable", "normalise"]

_VERDICTS = {"yes": True, "true": True, "no": False, "false": False}
_CLOSING = " *_$\"'”’»)"
# "seven and a half (7.5) hours"
_TWICE = re.compile(r"(?P<words>[^()\d]{2,80}?)\s?\((?P<digits>[^()]{0,8}\d[^()]{0,40})\)[^()\d]{0,60}")


def equal(answer: str, ground_truth: str, language: str | None = None) -> bool:
    """Whether a final answer says the same as the ground truth.

    The ground truth decides what is compared: one letter A-J, a choice; a number, numbers; a time of day; else the
    words without case, punctuation and markup, or LaTeX expressions. An integer ground truth compares exactly, another
    number g as |a - g| <= 1e-6 min(1, |g|). A percent sign is a unit: `50%` equals 50, not also 0.5; a ground truth of
    `50%` is met by `50%`, 50 and 0.5. Beside a ground truth with a unit another of the same quantity is scaled
    (`7500 m` is `7.5 km`, `50 cents` are `$0.50`), and units that are not known are passed over. A number that is
    negated or bounded ("not 18", "at least 18", 18以上) equals nothing, nor does a choice that is denied ("not C"). A
    text of more than 1,000 characters equals only itself.

    Args:
        answer: the answer span of a response, as `pbrlsvr.responses.spans.split` finds it.
        ground_truth: the right answer.
        language: the BCP-47 code of the answer's language ("de", "zh-Hant", "es-MX"); None reads as English does.

    Returns:
        True or False; False for an answer that is empty, or that has several values.

    Raises:
        DataError: the language is unknown.

    >>> equal("٢٥ دولارًا", "25", "ar"), equal("25 or 26", "25")
    (True, False)
    """
    speech = conventions(language)
    answer, ground_truth = answer.strip(), ground_truth.strip()
    # What is struck through is taken back, and a question asks.
    if not answer or not ground_truth or "~~" in answer or answer.rstrip(_CLOSING)[-1:] in ("?", "？", "؟"):
        return False
    if max(len(answer), len(ground_truth)) > MAX_LENGTH:
        return answer == ground_truth
    written, gold_written, answer, ground_truth = answer, ground_truth, clean(answer), clean(ground_truth)
    if len(ground_truth) == 1 and ground_truth in "ABCDEFGHIJ":
        return (
            read_choice(clean(spell_circled(written)), speech.language) == ground_truth
            or answer.upper() == ground_truth
        )
    if (time := read_time(ground_truth)) is not None:
        return read_time(answer, speech.language, asked=True) == time and not bounds_the_time(answer, speech.language)
    gold = read_number(ground_truth, ENGLISH) or read_number(ground_truth, speech)
    if gold is None:
        wanted = _VERDICTS.get(words(ground_truth))
        if wanted is not None and (said := reads_yes(answer, speech.language)) is not None:
            return said == wanted
        return same_words(answer, ground_truth) or equal_expressions(without_unit(written), without_unit(gold_written))
    value = _said_twice(answer, speech)
    if value is None:
        return equal_expressions(answer, ground_truth, is_number=True)
    return replace(value, value=value.value * in_units_of(ground_truth, answer, speech.language)).equals(gold)


def _said_twice(answer: str, speech: Conventions) -> Number | None:
    """The number of a cleaned answer with digits in brackets: what stands before them may say the same in words, "seven
    and a half (7.5) hours", and no other number, "twenty (18)"."""
    said = _TWICE.fullmatch(answer)
    in_words = said and read_number(said["words"], speech, whole=False)
    if said is None or in_words is None:
        return read_number(answer, speech, whole=False)
    in_digits = read_number(said["digits"], speech, whole=False)
    return in_digits if in_digits and in_digits.equals(in_words) else None


@lru_cache(maxsize=4096)
def is_verifiable(ground_truth: str) -> bool:
    """Whether a ground truth says the same in every language: a choice A-J, a number with or without unit, a formula.

    Words say it differently in each language, also short ones ("No"), and so do dates and times of day.

    >>> is_verifiable("$1,234.50"), is_verifiable("\\\\frac{\\\\pi}{2}"), is_verifiable("C"), is_verifiable("the Seine")
    (True, True, True, False)
    >>> is_verifiable("No"), is_verifiable("Monday"), is_verifiable("3:45 PM"), is_verifiable("12 km")
    (False, False, False, True)
    """
    cleaned = clean(ground_truth)
    if not cleaned or len(cleaned) > MAX_LENGTH or read_time(cleaned) is not None or is_date(cleaned):
        return False
    if cleaned in tuple("ABCDEFGHIJ") or read_number(cleaned, ENGLISH) is not None:
        return True
    return is_formula(cleaned)


def normalise(answer: str, language: str | None = None) -> str | None:
    """An answer in canonical form: "C" for a choice; "1234.5", "1/3" or "50%" for a number; else its words or LaTeX.

    Args:
        answer: the answer span of a response.
        language: the BCP-47 code of its language; None reads as English does.

    Returns:
        The canonical form, or None when the answer is empty, has several numbers, or more than 1,000 characters.

    Raises:
        DataError: the language is unknown.

    >>> normalise("৭০,০০০ ডলার", "bn"), normalise("3, 4 or 5"), normalise("(C) Paris")
    ('70000', None, 'C')
    """
    speech = conventions(language)
    if len(answer) > MAX_LENGTH:
        return None
    answer = clean(answer)
    choice = read_choice(answer, speech.language, marked_only=any(character.isdecimal() for character in answer))
    if choice is not None:
        return choice
    numbers = read_numbers(answer, speech)
    if numbers is None:
        return answer.replace(" ", "") or None
    if numbers:
        return str(numbers.pop()) if len(numbers) == 1 else None
    return words(answer) or None


def extract(response: str, language: str | None = None) -> str | None:
    """The final answer of a whole response, in canonical form: `normalise(split(response).answer, language)`.

    Args:
        response: a decoded response.
        language: the BCP-47 code of its language; None reads as English does.

    Returns:
        The canonical form, or None when there is no answer, or several.

    Raises:
        DataError: the language is unknown.

    >>> extract("<think>80 - 10</think>Die Antwort lautet 70.000 Dollar.", "de")
    '70000'
    """
    return normalise(split(response).answer, language)
