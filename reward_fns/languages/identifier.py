"""py3langid: which languages it knows, how likely each is for a text, and which of them count as one here."""

import threading
from functools import lru_cache
from typing import Any

from pbrlsvr.errors import MissingDependencyError
from pbrlsvr.languages import tables
from pbrlsvr.languages.tags import known_tag, likely_script, subtags

_NEGLIGIBLE = 1e-4

_lock = threading.Lock()


@lru_cache(maxsize=1)
def _model() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise MissingDependencyError(
            "the language policy needs py3langid, which is not installed: pip install 'py3langid>=0.4,<0.5'"
        ) from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def identifier() -> Any:
    """The language identifier, loaded on first use, once per process: 0.5 s and 95 MB. It needs no network.

    py3langid (BSD-3-Clause): naive Bayes over byte n-grams, after Lui and Baldwin, "langid.py", ACL 2012.

    Raises:
        MissingDependencyError: py3langid is not installed.
    """
    with _lock:
        return _model()


@lru_cache(maxsize=1024)
def shared_credit(language: str) -> frozenset[str]:
    """The languages that count as `language`, itself among them."""
    return next((frozenset(row) for row in tables.SHARED_CREDIT if language in row), frozenset({language}))


@lru_cache(maxsize=1024)
def neighbours(language: str) -> frozenset[str]:
    kin = shared_credit(language)
    return frozenset(name for row in tables.NEIGHBOURS if kin & set(row) for name in row)


@lru_cache(maxsize=1024)
def scripts_of(tag: str) -> frozenset[str]:
    """The scripts of a language, or the one that its tag names: `scripts_of("sr-Latn") == {"Latn"}`."""
    language, named, _ = subtags(tag)
    likely = likely_script(tag)
    found = set(tables.LETTERS_OF_SCRIPT.get(likely, {likely})) if likely else set()
    return frozenset(found if named else found | tables.MORE_SCRIPTS.get(language, set()))


@lru_cache(maxsize=1024)
def reported_as(code: str) -> str:
    """The language as which text in `code` is reported: `reported_as("pcm") == "en"`."""
    # Some labels of py3langid are in no list of codes.
    code = known_tag(code).partition("-")[0] or code
    return tables.REPORTED_AS.get(code, code)


@lru_cache(maxsize=1)
def known_languages() -> frozenset[str]:
    """The languages that can be told: by py3langid, by their script alone, or as one that shares credit with such."""
    named = {reported_as(label) for label in identifier().labels} | set(tables.LANGUAGE_OF_SCRIPT.values())
    return frozenset(kin for language in named for kin in shared_credit(language))


@lru_cache(maxsize=64)
def _columns(script: str) -> dict[str, tuple[str, frozenset[str]]]:
    named = {label: reported_as(label) for label in identifier().labels}
    return {label: (name, shared_credit(name)) for label, name in named.items() if script in scripts_of(name)}


def probabilities(text: str, script: str) -> dict[str, float]:
    """The probability of each language that is written in `script`; languages that share credit are one."""
    columns = _columns(script)
    names: dict[frozenset[str], str] = {}
    found: dict[str, float] = {}
    for label, probability in identifier().rank(text.lower() if text.isupper() else text):
        if probability < _NEGLIGIBLE:
            break  # the likeliest come first
        if label in columns:
            language, kin = columns[label]
            name = names.setdefault(kin, language)
            found[name] = found.get(name, 0.0) + float(probability)
    return found
