"""What single words say about a language, where sentences are too short to be identified, or languages are mixed."""

from collections.abc import Sequence

from pbrlsvr.languages.identifier import known_languages, probabilities, reported_as, scripts_of, shared_credit
from pbrlsvr.languages.tables import ENGLISH_PARTICLES, ENGLISH_WORDS, LANGUAGE_OF_SCRIPT
from pbrlsvr.languages.text import Word, prose, segments
from pbrlsvr.remembered import remembered

# A single word is a name, a unit or one that two languages share as likely as not.
_WORDS = 2
_LETTERS = 8
#: With less than this of the likeliest language's probability, words are not in the expected one. So are, once names
#: are left out, 1 in 400 of the honest pairs of words of benchmarks/language_id.py, and half of the English ones.
UNLIKELY = 0.08
#: From here on they may well be in it.
LIKELY = 0.5
_SHORTEST_ENGLISH = 3
# Of the words of the English solutions in `pbrlsvr attack`, less those of programs, 30 to 50 in 100; of code with
# comments up to 12.
_PARTICLES = 0.2


def english_share(text: str, question: str = "", reference: str = "") -> float:
    """The share of a text's letters in words that are English: common ones, and those of the English reference.

    A word of the question is not counted, nor one that the reference has only with a capital letter: a name.

    >>> round(english_share("First primero we sumamos the los huevos", reference="then we add the eggs"), 2)
    0.24
    """
    asked, english = _forms(question), _forms(reference)
    found = _read(text)
    counted = [
        word
        for word in found
        if (lower := word.text.lower()) not in asked
        and (lower in ENGLISH_WORDS or (lower in english and len(lower) >= _SHORTEST_ENGLISH))
    ]
    return _weight(counted) / max(1, _weight(found))


def in_another_language(text: str, expected: str, question: str = "", reference: str = "") -> bool:
    """Whether the few words of a text are hardly in the language that they should be in.

    They are not if most stand in a script that the language is not written in. They are if most stand in the question.
    They are not if two thirds are English (`english_share`), or if the identifier gives that language less than
    `UNLIKELY` of what it gives the likeliest. Names are left out: capital letters in a sentence, or in the question.

    >>> in_another_language("Multiply by 3: 3*4=12.", "sw"), in_another_language("Zidisha kwa 3: 3*4=12.", "sw")
    (True, False)
    """
    asked = _forms(question)
    found = [
        word
        for segment in segments(prose(text)[0])
        for place, word in enumerate(segment)
        if word.weight and not (word.text[0].isupper() and (place or word.text in asked))
    ]
    spoken_in, scripts = reported_as(expected), scripts_of(expected)
    foreign = [word for word in found if scripts and word.script not in scripts]
    telling = [word for word in foreign if len(word.text) > 3 or word.script != "Latn"]
    if _enough(telling) and 2 * _weight(telling) > _weight(found):
        return True
    if 2 * _weight([word for word in found if word.text.lower() in asked]) > _weight(found):
        return False
    if spoken_in != "en" and _enough(found) and 3 * english_share(text, question, reference) > 2:
        return True
    own = [word for word in found if word not in foreign]
    likely = _likelihood(own, expected) if _enough(own) else None
    return likely is not None and likely < UNLIKELY


def likely_in(text: str, expected: str) -> bool:
    """Whether a text has words, and they are about as likely in the language that they should be in as in any.

    >>> likely_in("45 + 30 = 75, luego 75 / 5 = 15", "es"), likely_in("45 + 30 = 75, then 75 / 5 = 15", "es")
    (True, False)
    """
    scripts = scripts_of(expected)
    own = [word for word in _read(text) if not scripts or word.script in scripts]
    likely = _likelihood(own, expected)
    return bool(own) and (likely is None or likely >= LIKELY)


def _likelihood(words: Sequence[Word], expected: str) -> float | None:
    """The probability of a language as a share of the likeliest one's; None where only the script tells."""
    script = next((word.script for word in words if word.script not in LANGUAGE_OF_SCRIPT), None)
    spoken_in = reported_as(expected)
    if script is None or spoken_in not in known_languages():
        return None
    found = probabilities(" ".join(word.text for word in words if word.script == script), script)
    likely = sum(found.get(name, 0.0) for name in shared_credit(spoken_in))
    return likely / max(found.values(), default=1.0)


def english_sentences(words: Sequence[str]) -> bool:
    """Whether words out of code and formulas were English sentences rather than the names of a program.

    >>> english_sentences(["we", "first", "find"]), english_sentences(["total", "rolls", "bags", "cost", "the", "sum"])
    (True, False)
    """
    return len(words) > 2 and sum(word in ENGLISH_PARTICLES for word in words) >= _PARTICLES * len(words)


def _read(text: str) -> list[Word]:
    return [word for segment in segments(prose(text)[0]) for word in segment if word.weight]


@remembered(500_000)
def _forms(text: str) -> frozenset[str]:
    return frozenset(word.text for word in _read(text)) if text else frozenset()


def _weight(words: list[Word]) -> int:
    return sum(word.weight for word in words)


def _enough(words: list[Word]) -> bool:
    return len({word.text.lower() for word in words}) >= _WORDS and _weight(words) >= _LETTERS
