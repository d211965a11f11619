r"""A similarity becomes a probability that two texts match, for each language beside English.

Cosines of one encoder lie in a band of their own for each language, and those of English beside English above them all:
raw cosines pay for answering in English. So, for each language :math:`\ell`, parallel text gives the similarities of
*matched* pairs (a text and its English) and of *shuffled* pairs (a text and the English of another one), and with their
centres :math:`m_\ell, s_\ell` and their pooled variance :math:`\sigma_\ell^2 = (\sigma_m^2 + \sigma_s^2) / 2`

.. math:: P_\ell(c) = \sigma\left(k_\ell \, \frac{c - (m_\ell + s_\ell) / 2}{(m_\ell - s_\ell) / 2}\right), \qquad
          k_\ell = \min\left(\frac{d'^2_\ell}{2}, \operatorname{logit}(\text{ceiling})\right), \qquad
          d'_\ell = \frac{m_\ell - s_\ell}{\sigma_\ell}

- With :math:`k = d'^2 / 2` this is the posterior of two Gaussians with equal priors. One variance for both keeps it
  monotone: with two, a cosine far enough out would turn the ratio around.
- A good encoder has :math:`d' > 5`, and the posterior is then 1 for all rollouts of a group, which teaches nothing. The
  ceiling softens it, to `ceiling` at the centre of the matched pairs and `1 - ceiling` at that of the shuffled ones. It
  never sharpens: a language in which the encoder separates nothing stays at 0.5. At ceiling 1 nothing is softened.
- Centres are medians, standard deviations half of the central 68.27 %: a few misaligned rows do no harm.
- Small samples are shrunk towards the mean over the languages: `n` texts weigh `n / (n + shrinkage)`.
- *English* is not part of that mean. Its shuffled pairs are two English texts; its matched ones are the paraphrases in
  the data. Where there are none, each text is matched with itself less a fifth of its words, a stand-in for "the same,
  but not word for word" (the text itself would have cosine 1). Few paraphrases are shrunk towards it. It is measured
  and not derived from the other languages: an encoder that knows English better would be given too low a centre, and
  English would be paid again.

Fit it on texts like those that are compared: cosines grow with the length of the texts. The form is ours; logistic
posteriors of two Gaussians are textbook matter (Bishop 2006, section 4.2.1), d' is that of signal detection.
"""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pbrlsvr.errors import ConfigError, ModelError
from pbrlsvr.languages import base, parse, profile
from pbrlsvr.languages.short_text import in_another_language
from pbrlsvr.models.embedding.cards import card_prompt, last_part
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.models.files import brief, clip, read_json

VERSION = 1
MISSING = ("error", "pooled")
#: A response with this share of English letters is also held to the English pair.
ENGLISH_SHARE = 0.2

#: Centres closer than this are not apart: the file keeps six digits, and dividing by less can overflow.
SMALLEST_GAP = 1e-6

log = logging.getLogger(__name__)


# Of what a file holds nothing is taken as it comes.
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Pair:
    """The two distributions of one language beside English, as they are used.

    Attributes:
        texts: number of matched texts behind it.
        matched, shuffled: centres of the similarities.
        matched_sd, shuffled_sd: their standard deviations.
        auc: of the data as measured: the probability that a matched pair is more similar than a shuffled one.
        stand_in: whether the matched pairs are the stand-in for English paraphrases.
    """

    __pydantic_config__ = _STRICT

    texts: int
    matched: float
    matched_sd: float
    shuffled: float
    shuffled_sd: float
    auc: float
    stand_in: bool = False

    @property
    def d_prime(self) -> float:
        """Distance of the centres in standard deviations; 0 where matched pairs are not the more similar ones."""
        sd = math.sqrt((self.matched_sd**2 + self.shuffled_sd**2) / 2)
        return max(0.0, self.matched - self.shuffled) / max(sd, 1e-6)

    def probability(self, similarity: float, ceiling: float) -> float:
        """`P(similarity)` of the formula above, in [0, 1]; it never falls as the similarity grows.

        Example:
            >>> pair = Pair(100, matched=0.8, matched_sd=0.2, shuffled=0.4, shuffled_sd=0.2, auc=0.92)  # d' = 2
            >>> round(pair.probability(0.8, ceiling=0.95), 3), round(pair.probability(0.6, ceiling=0.95), 3)
            (0.881, 0.5)
        """
        gap = self.matched - self.shuffled
        if gap < SMALLEST_GAP:
            return 0.5
        slope = self.d_prime**2 / 2
        if ceiling < 1.0:
            slope = min(slope, math.log(ceiling / (1.0 - ceiling)))
        logit = slope * (similarity - (self.matched + self.shuffled) / 2) / (gap / 2)
        return 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, logit))))


@dataclass(frozen=True)
class Calibration:
    """Fitted pairs, and what they were fitted with. Get one with `pbrlsvr.calibration.fit.fit` or `Calibration.load`.

    Attributes:
        pairs: language -> its pair; "en" is always there.
        pooled: the mean over the languages other than English.
        model, revision, prompt: the encoder, with the prompt that was in effect.
        similarity: "cosine" or "alignment".
        floor: the floor of the alignment.
        ceiling: the probability at the centre of the matched pairs, at most.
        shrinkage: how many texts the mean over the languages is worth.
        created: a date, as it was given.
        sources: name and SHA-256 of the files.
        missing: what happens with a language that has no pair: "error", or "pooled" to take the mean.
    """

    __pydantic_config__ = _STRICT

    pairs: Mapping[str, Pair]
    pooled: Pair
    model: str
    revision: str | None = None
    prompt: str | None = None
    similarity: str = "cosine"
    floor: float = 0.0
    ceiling: float = 0.95
    shrinkage: float = 30.0
    created: str | None = None
    sources: tuple[Mapping[str, str], ...] = ()
    missing: str = "error"

    def __post_init__(self) -> None:
        if not 0.5 < self.ceiling <= 1.0:
            raise ConfigError(f"ceiling={self.ceiling!r} must be a probability above 0.5, at most 1")
        if self.missing not in MISSING:
            raise ConfigError(f"missing={self.missing!r} is not one of {list(MISSING)}")
        if "en" not in self.pairs:
            raise ConfigError(f"the calibration has pairs for {sorted(self.pairs)} and none for 'en'; fit it again")

    def pair(self, language: str) -> Pair:
        """The pair of a language code; "zh-Hant" takes that of "zh" where it has none of its own.

        Raises:
            ConfigError: there is none, and `missing` is "error".
        """
        for code in (parse(language), base(language)):
            if code in self.pairs:
                return self.pairs[code]
        if self.missing == "pooled":
            _warn_pooled(language)
            return self.pooled
        raise ConfigError(
            f"the calibration has no pair for the language {language!r}, only for {sorted(self.pairs)}; fit it again "
            "with parallel text in that language (`pbrlsvr calibrate`), or let it take the mean over the languages "
            "(missing='pooled')"
        )

    def probability(self, similarity: float, language: str) -> float:
        """The probability in [0, 1] that a text in `language` and an English one match."""
        return self.pair(language).probability(similarity, self.ceiling)

    def score(self, similarity: float, text: str, language: str) -> float:
        """The probability for a response that should be in `language`.

        With a fifth or more of its letters in English, or with words that are hardly in `language`, or with none at
        all, it is the smaller of that for `language` and that for English: else what is no text in `language` would be
        measured against the lower cosines of `language`.
        """
        probability = self.probability(similarity, language)
        found = profile(text, expected=language)
        english = found.languages.get("en", 0.0) >= ENGLISH_SHARE or not found.letters
        if english or (not found.shares and in_another_language(text, parse(language))):
            probability = min(probability, self.probability(similarity, "en"))
        return probability

    def check(self, options: EmbeddingOptions, *, align: bool = False, floor: float = 0.0) -> None:
        """Refuses to be used with another encoder than it was fitted with.

        Raises:
            ConfigError: model, revision, prompt or kind of similarity differ. A model may have moved between the hub
                and a folder: only the last part of its name counts.
        """
        theirs = {
            "model": last_part(options.model),
            "revision": options.revision,
            "prompt": card_prompt(options.model, options.prompt),
            "similarity": "alignment" if align else "cosine",
            "floor": floor if align else 0.0,
        }
        ours = {name: getattr(self, name) for name in theirs} | {"model": last_part(self.model)}
        wrong = [f"{name} is {theirs[name]!r} and was {ours[name]!r}" for name in theirs if theirs[name] != ours[name]]
        if wrong:
            raise ConfigError(
                f"the calibration was fitted with another encoder: {'; '.join(wrong)}. Use the same, or fit it again "
                "(`pbrlsvr calibrate`)"
            )

    def save(self, path: Path) -> None:
        """Writes JSON: the same calibration gives the same bytes."""
        fields = asdict(self)
        del fields["missing"]  # of the run that uses it, not of the fit
        # What it was fitted with first, then the numbers, with d' for the reader.
        fields["pooled"] = fields.pop("pooled")
        pairs = fields.pop("pairs")
        fields["pairs"] = {name: {**pairs[name], "d_prime": pair.d_prime} for name, pair in self.pairs.items()}
        # Six digits: more are noise of the encoder, and would differ between machines.
        rounded = json.loads(json.dumps(fields), parse_float=lambda digits: round(float(digits), 6))
        text = json.dumps({"version": VERSION, **rounded}, indent=2, ensure_ascii=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path, missing: str = "error") -> "Calibration":
        """Reads what `save` wrote.

        Raises:
            ConfigError: there is no such file, or it is not a calibration of this version.
        """
        if not path.is_file():
            raise ConfigError(f"calibration {str(path)!r} is no file; make it with `pbrlsvr calibrate`")
        try:
            fields = read_json(path)
            version = fields.pop("version")
            if version != VERSION:
                raise ConfigError(
                    f"{str(path)!r} is a calibration of version {brief(version)}, not {VERSION}; fit it again"
                )
            for pair in fields["pairs"].values():
                pair.pop("d_prime", None)
            return TypeAdapter(cls).validate_python({**fields, "missing": missing})
        except OSError as error:
            raise ConfigError(f"calibration {str(path)!r}: {error}; make it with `pbrlsvr calibrate`") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            reason = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
        except (ModelError, KeyError, TypeError, AttributeError) as error:
            reason = str(error)
        raise ConfigError(f"{str(path)!r} is not a calibration ({clip(reason)}); make it with `pbrlsvr calibrate`")


@cache
def load_checked(
    path: str, options: EmbeddingOptions, align: bool = False, floor: float = 0.0, missing: str = "error"
) -> Calibration:
    """The calibration in a file, checked against the encoder of the run; a process reads it once.

    Raises:
        ConfigError: it cannot be read, or was fitted with another encoder.
    """
    calibration = Calibration.load(Path(path), missing)
    calibration.check(options, align=align, floor=floor)
    return calibration


@lru_cache(maxsize=1024)
def _warn_pooled(language: str) -> None:
    log.warning("the calibration has no pair for the language %r: it takes the mean over the languages", language)
