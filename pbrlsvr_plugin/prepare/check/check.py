"""check: is the translated question the English one? What fails is rejected, with the first of these reasons.

empty      the translation has no letter or digit
copied     it is the English text
looped     it says the same over and over (`pbrlsvr.scoring.guards.repetition`)
language   less than `language_share` of it is in its language (`pbrlsvr.languages`)
length     in letters, it is far shorter or longer than the English (`pbrlsvr.scoring.guards.length`)
numbers    a number is missing, or one is new (`numbers_kept.py`)
verbatim   a formula, code or an address differs (`verbatim.py`)
meaning    a model finds that it says something else (`meaning.py`); off unless asked for
"""

import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from typing import Any, NamedTuple

from pbrlsvr import languages
from pbrlsvr.languages import LanguagePolicy
from pbrlsvr.languages.text import prose
from pbrlsvr.scoring import guards
from pbrlsvr_plugin.prepare.check import numbers_kept as numbers
from pbrlsvr_plugin.prepare.check import verbatim
from pbrlsvr_plugin.prepare.check.meaning import require_models, scores
from pbrlsvr_plugin.prepare.check.options import CheckOptions, MeaningOptions
from pbrlsvr_plugin.prepare.stage import Context, Reject, Row, Rows, Stage, needed_for

_WINDOW = 2_048
_CHUNK = 128
_COPY_GRAM = 5
_LETTERS_TO_CALL_A_COPY = 20


class Fault(NamedTuple):
    """Why a row is rejected."""

    reason: str
    detail: str


class Check(Stage):
    """The stage."""

    name = "check"

    def __init__(self, options: CheckOptions, context: Context):
        self.options, self._context = options, context

    def needs(self, rows: Rows) -> None:
        if self.options.meaning is not None:
            with needed_for("check.meaning"):
                require_models(self.options.meaning, self._context.languages)

    def run(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        """The rows without a fault, in the order in which they came."""
        options = self.options
        source = iter(rows)
        with ExitStack() as stack:
            pool = None
            if options.workers > 1:
                pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(options.workers))
            while window := list(islice(source, _WINDOW)):
                tasks = [(row, options) for row in window]
                faults = pool.starmap(find_fault, tasks, _CHUNK) if pool else [find_fault(*task) for task in tasks]
                if options.meaning is not None:
                    faults = _compare_meaning(window, faults, options, options.meaning)
                for row, fault in zip(window, faults, strict=True):
                    if fault is None:
                        yield row
                    else:
                        reject(row, fault.reason, fault.detail)


def find_fault(row: Mapping[str, Any], options: CheckOptions) -> Fault | None:
    """The first fault of a row that text alone shows; None if it has none.

    >>> row = {"question": "Ana tiene 7 libros.", "english": "Ana has 9 books.", "language": "es", "engine": "x"}
    >>> find_fault(row, CheckOptions())
    Fault(reason='numbers', detail='9 is missing; 7 is not in the English')
    """
    question, english, language = row["question"], row["english"], row["language"]
    if not any(character.isalnum() for character in question):
        return Fault("empty", f"question={question!r}")
    original = row["engine"] == "original"
    if original and options.originals == "off":
        return None
    translated = languages.base(language) != "en" and bool(english.strip())
    all_checks = not original or options.originals == "all"
    if all_checks and translated and (likeness := _likeness(question, english)) >= options.copied:
        return Fault("copied", f"{likeness:.0%} of the text is that of the English question")
    if all_checks and (share := guards.repetition(question)) > options.repetition:
        return Fault("looped", f"{share:.0%} of the text is repeated")
    if options.language_share and (fault := _language_fault(question, language, options)):
        return fault
    if not all_checks or not translated:
        return None
    return _length_fault(question, english, language, options) or _content_fault(question, english, language, options)


def _likeness(text: str, english: str) -> float:
    """The Jaccard similarity of runs of 5 letters or digits; 0 where there is too little prose to tell."""
    if guards.length(prose(english)[0]) < _LETTERS_TO_CALL_A_COPY:
        return 0.0
    ours, theirs = (
        {plain[start : start + _COPY_GRAM] for start in range(max(1, len(plain) - _COPY_GRAM + 1))}
        for plain in ("".join(filter(str.isalnum, each.casefold())) for each in (text, english))
    )
    return len(ours & theirs) / len(ours | theirs)


def _language_fault(question: str, language: str, options: CheckOptions) -> Fault | None:
    found = languages.check(question, language, LanguagePolicy(mode="gate", threshold=options.language_share))
    if found.factor or found.profile is None:
        return None
    most = max(found.profile.shares.items(), key=lambda each: each[1])[0]
    return Fault("language", f"{found.share:.0%} of the text is in {language!r}, most is in {most!r}")


def _length_fault(question: str, english: str, language: str, options: CheckOptions) -> Fault | None:
    expected = guards.length(english)
    ratio = guards.length(question) / expected if expected else 1.0
    shortest, longest = options.length_ratio_of.get(language, options.length_ratio)
    if shortest <= ratio <= longest:
        return None
    return Fault("length", f"{ratio:.2f} times the letters of the English, outside of {shortest} to {longest}")


def _content_fault(question: str, english: str, language: str, options: CheckOptions) -> Fault | None:
    if options.numbers:
        plain = verbatim.without(english), verbatim.without(question)
        if changed := numbers.compare(*plain, language, options.spelled_up_to):
            return Fault("numbers", str(changed))
    if options.verbatim and (differing := verbatim.compare(english, question)):
        return Fault("verbatim", str(differing))
    return None


def _compare_meaning(
    window: list[Row], faults: list[Fault | None], options: CheckOptions, meaning: MeaningOptions
) -> list[Fault | None]:
    places = [
        place
        for place, (row, fault) in enumerate(zip(window, faults, strict=True))
        if fault is None
        and languages.base(row["language"]) != "en"
        and (row["engine"] != "original" or options.originals == "all")
    ]
    for place, score in zip(places, scores([window[place] for place in places], meaning), strict=True):
        if score < meaning.threshold:
            faults[place] = Fault("meaning", f"{meaning.method} is {score:.3f}, below {meaning.threshold}")
    return faults
