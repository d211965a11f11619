"""A text -> shares of its letters by language and by script."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from pbrlsvr.languages import tables
from pbrlsvr.languages.identifier import (
    identifier,
    known_languages,
    neighbours,
    probabilities,
    reported_as,
    scripts_of,
    shared_credit,
)
from pbrlsvr.languages.tags import parse
from pbrlsvr.languages.text import Word, prose, segments

#: The tag of text that is long enough to judge and in no language that is known.
UNKNOWN = "mis"

# At 0.5 against 0.2, fewer than 1 in 100 of MGSM's sentences are put in a wrong language when cut to 3 words, and fewer
# than 1 in 500 at 6 (measured once: benchmarks/README.md).
_SURE = 0.5
_POSSIBLE = 0.2
# Against a language that the identifier does not know: it must name another, and is then less to be believed.
_SURE_AGAINST_UNKNOWN = 0.8

_WORDS_TO_JUDGE = 3
_WORDS_TO_JUDGE_FOREIGN = 4
_LETTERS_TO_JUDGE_FOREIGN = 24
_LETTERS_TO_CALL_UNKNOWN = 60
_WORDS_JOINED = 24
_LETTERS_OF_A_WORD = 10
_LETTERS_OF_A_HAN_HEADING = 30
# Japanese prose has 0.4 to 0.7 of its letters in kana, Chinese with a sprinkling of them less than 0.1.
_KANA_IN_JAPANESE = 0.15


@dataclass(frozen=True, slots=True)
class LanguageProfile:
    """Shares of a text's letters, each in [0, 1].

    A letter is one letter of an alphabet; a Han character counts as 3 of them, a kana or a Hangul syllable as 2.

    Attributes:
        shares: language and script -> share, such as {"sr-Cyrl": 0.9}. Scripts have ISO 15924 codes: "Hani" are Han
            characters, simplified or not, "Hrkt" is kana, "Zyyy" are words that mix alphabets. The language "mis" is
            text that fits no known language.
        undetermined: the share of names, of units and of text too short to judge; 1 for a text without words.
            `sum(shares.values()) + undetermined == 1`, up to rounding.
        scripts: script -> share, of all letters, the undetermined ones too.
        letters: the number of letters that were looked at.
        excluded: the share of the text's letters that stood in code, LaTeX, addresses and tags.
        lookalikes: the share of letters from another alphabet that look like the word's own, and were replaced.
        invisible: the share of characters that show nothing, bidi marks among them.
    """

    shares: Mapping[str, float]
    undetermined: float
    scripts: Mapping[str, float]
    letters: int
    excluded: float
    lookalikes: float
    invisible: float

    @property
    def languages(self) -> dict[str, float]:
        """Language -> share, in whatever script."""
        found: Counter[str] = Counter()
        for tag, share in self.shares.items():
            found[tag.partition("-")[0]] += share  # type: ignore[assignment]
        return dict(found)


class _Tally:
    """Letters per language and script while a text is read, and the words about which nothing is known yet."""

    def __init__(self, expected: str | None) -> None:
        self.expected = reported_as(expected) if expected else None
        self.known = self.expected is None or self.expected in known_languages()
        self.scripts = scripts_of(expected) if expected else frozenset()
        self.letters: Counter[tuple[str, str]] = Counter()
        self.of_script: Counter[str] = Counter()
        self.lookalikes = 0
        self._doubtful: dict[str, list[Word]] = {}

    def _foreign(self, script: str) -> bool:
        return bool(self.scripts) and script not in self.scripts

    def read(self, segment: list[Word]) -> None:
        """Judge a segment, script by script."""
        by_script: dict[str, list[Word]] = {}
        for word in segment:
            by_script.setdefault(word.script, []).append(word)
            self.of_script[word.script] += word.weight
            self.lookalikes += word.lookalikes
        weights = {script: sum(word.weight for word in found) for script, found in by_script.items()}
        self._east_asian(weights, by_script)
        for script, found in by_script.items():
            if script in tables.LANGUAGE_OF_SCRIPT:
                if script not in ("Hani", "Hrkt", "Hang"):
                    owner = tables.LANGUAGE_OF_SCRIPT[script]
                    if self.expected and not self.known and script in self.scripts:
                        owner = self.expected
                    self.letters[owner, script] += weights[script]
                continue
            embedded = 2 * weights[script] < sum(weights.values())
            if script == "Latn" and embedded:
                found = _without_names(found, sum(weights.values()))
            enough = _WORDS_TO_JUDGE_FOREIGN if embedded or self._foreign(script) else _WORDS_TO_JUDGE
            self._judge(found, script, enough)

    def _east_asian(self, weights: dict[str, int], words: dict[str, list[Word]]) -> None:
        han, kana, hangul = (weights.get(script, 0) for script in ("Hani", "Hrkt", "Hang"))
        self.letters["ko", "Hang"] += hangul
        self.letters["ja", "Hrkt"] += kana
        if hangul >= han:
            self.letters["ko", "Hani"] += han
        elif kana >= _KANA_IN_JAPANESE * (han + kana):
            self.letters["ja", "Hani"] += han
        elif han > _LETTERS_OF_A_HAN_HEADING:
            self.letters["zh", "Hani"] += han
        else:
            self._doubtful.setdefault("Hani", []).extend(words["Hani"])

    def _judge(self, found: list[Word], script: str, enough: int) -> None:
        language = None
        if _enough(found, enough):
            language = self._language(found, script, joined=False)
        if language:
            self.letters[language, script] += sum(word.weight for word in found)
        else:
            self._doubtful.setdefault(script, []).extend(found)

    def _language(self, found: list[Word], script: str, joined: bool) -> str | None:
        """The language of these words; None if they may be in the expected one, or in any; "mis" if in none."""
        likely = probabilities(" ".join(word.text for word in found), script)
        best = max(likely, key=likely.__getitem__, default=UNKNOWN)
        most = likely.get(best, 0.0)
        if self.expected is None:
            return best if most >= _SURE else UNKNOWN if joined else None
        own = sum(likely.get(language, 0.0) for language in shared_credit(self.expected))
        if own >= (_SURE if most >= _SURE else _POSSIBLE):
            return self.expected
        if most < (_SURE if self.known else _SURE_AGAINST_UNKNOWN):
            near = sum(likely.get(language, 0.0) for language in neighbours(self.expected) - {self.expected})
            return UNKNOWN if joined and own + near < _POSSIBLE else None
        if own >= _POSSIBLE or not (self.known or best in tables.WIDELY_MODELLED):
            return None
        return best if joined or best not in neighbours(self.expected) else None

    def finish(self) -> None:
        """Judge the doubtful words of each script together."""
        for script, found in self._doubtful.items():
            if script == "Hani":
                self._settle_han(sum(word.weight for word in found))
                continue
            words = iter(word for word in found if word.weight)
            while window := list(islice(words, _WORDS_JOINED)):
                self._settle(window, script)

    def _settle(self, window: list[Word], script: str) -> None:
        weight = sum(word.weight for word in window)
        foreign = self._foreign(script) or script == "Zyyy"
        enough = _WORDS_TO_JUDGE_FOREIGN if foreign else _WORDS_TO_JUDGE
        language = None
        if _enough(window, enough) and weight >= (_LETTERS_TO_JUDGE_FOREIGN if foreign else 0):
            language = self._language(window, script, joined=True)
        if foreign:
            # Whatever language it is, it is not the expected one.
            language = language or UNKNOWN
        elif not self.known and language in (None, UNKNOWN):
            language = self.expected
        if language == UNKNOWN and weight < _LETTERS_TO_CALL_UNKNOWN:
            language = None
        if language:
            self.letters[language, script] += weight

    def _settle_han(self, weight: int) -> None:
        if self.letters["ja", "Hrkt"] + self.letters["ja", "Hani"] > self.letters["zh", "Hani"]:
            self.letters["ja", "Hani"] += weight
        elif self.expected != "ja" or weight > _LETTERS_TO_CALL_UNKNOWN:
            self.letters["zh", "Hani"] += weight


def _enough(found: list[Word], words: int) -> bool:
    """There are so many words, or as many letters: whole sentences are written without a space, to no honest end."""
    weights = [word.weight for word in found if word.weight]
    return len(weights) >= words or sum(weights) >= _LETTERS_OF_A_WORD * words


def _without_names(found: list[Word], letters: int) -> list[Word]:
    """Latin words in a text of another script, less names, acronyms and units, if those are a third of it at most."""
    kept = [word for word in found if len(word.text) > 3 and word.text.islower()]
    dropped = sum(word.weight for word in found) - sum(word.weight for word in kept)
    return kept if 3 * dropped <= letters else found


def profile(text: str, expected: str | None = None) -> LanguageProfile:
    """The languages and scripts of a text, as shares of its letters.

    Args:
        text: any text, such as a reasoning span.
        expected: the language that it should be in. Segments that might be in it are then put down to it: see step 3
            of `pbrlsvr.languages`. The shares of a long text hardly depend on it, those of a short one do.

    Raises:
        DataError: `expected` is no language code.
        MissingDependencyError: py3langid is not installed.

    >>> found = profile("Primero sumamos los huevos de la mañana. Then we subtract the eggs that she eats.")
    >>> {tag: round(share, 2) for tag, share in found.shares.items()}
    {'es-Latn': 0.51, 'en-Latn': 0.49}
    """
    tag = parse(expected) if expected is not None else None
    identifier()  # now, lest a missing package shows only at the first text that needs it
    tally = _Tally(tag)
    shown, excluded, invisible = prose(text)
    for segment in segments(shown):
        tally.read(segment)
    tally.finish()
    letters = tally.of_script.total()
    shares = {"-".join(key): weight / letters for key, weight in tally.letters.items() if weight}
    return LanguageProfile(
        shares=shares,
        undetermined=max(1.0 - sum(shares.values()), 0.0),
        scripts={script: weight / letters for script, weight in tally.of_script.items() if weight},
        letters=letters,
        excluded=excluded,
        lookalikes=tally.lookalikes / letters if letters else 0.0,
        invisible=invisible,
    )
