"""What lm-evaluation-harness makes of a response to a problem with a number as its answer.

Its regular expressions, its way to take one of the matches and its comparison (case and punctuation left out), as in
version 0.4.13, so that a figure can stand beside other people's. Their known faults are part of them: "2,5" equals 25,
"-5" equals 5, "18.00" is not 18, native digits never match the strict ones, Bengali's strict one is an English phrase.

    strict-match         mgsm_native_cot_*: the phrase of its examples ("Die Antwort lautet 18"), which our prompt does
                         not ask for
    flexible-extract     mgsm_*: the last number in the text
    gsm8k-strict         gsm8k: the first number behind "####", which our prompt asks for
"""

import re
import string
from typing import Any

#: The filters, in the order of the tables.
FILTERS = ("strict-match", "flexible-extract", "gsm8k-strict")

_NUMBER = r"(\-?[0-9\.\,]+)"
_STRICT = {
    "bn": f"The answer is {_NUMBER}",
    "de": f"Die Antwort lautet {_NUMBER}",
    "en": f"The answer is {_NUMBER}",
    "es": f"La respuesta es {_NUMBER}",
    "fr": f"La réponse est {_NUMBER}",
    "ja": f"答えは{_NUMBER}です。",
    "ru": f"Ответ — {_NUMBER}",
    "sw": f"Jibu ni {_NUMBER}",
    "te": f"సమాధానం {_NUMBER}",
    "th": f"คำตอบคือ {_NUMBER}",
    "zh": f"答案是 {_NUMBER}。",
}
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_GSM8K = re.compile(f"#### {_NUMBER}")
_INVALID = "[invalid]"
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def extract(response: str, language: str, name: str) -> str:
    """What a filter takes out of a response; "[invalid]" where nothing matches.

    >>> extract("2 + 16 = 18. #### 18", "sw", "gsm8k-strict"), extract("Ni 1,800.", "sw", "flexible-extract")
    ('18', '1,800.')
    """
    if name == "strict-match":
        # A language that it has no phrase for has the English one, as its template does.
        pattern, place = re.compile(_STRICT.get(language.partition("-")[0], _STRICT["en"])), 0
    else:
        pattern, place = (_FLEXIBLE, -1) if name == "flexible-extract" else (_GSM8K, 0)
    found: list[Any] = pattern.findall(response)
    if not found:
        return _INVALID
    match = found[place]
    if isinstance(match, tuple):
        match = next(filter(None, match), _INVALID)
    return str(match).strip()


def matches(extracted: str, truth: str) -> bool:
    """Its exact match with `ignore_case` and `ignore_punctuation`; the truth as the data set's integer.

    >>> matches("1,800.", "1800"), matches("2,5", "25"), matches("18.00", "18")
    (True, True, False)
    """
    said, right = (text.lower().translate(_PUNCTUATION) for text in (extracted, truth.replace(",", "")))
    return said == right
