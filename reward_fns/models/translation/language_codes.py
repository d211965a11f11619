"""Which languages a translation model knows, and how it is told them: BCP-47 tags -> the model's own tokens.

    family      a language       how the model is told
    NLLB-200    swh_Latn         source before the text, target as the decoder's first token
    M2M100      __sw__           the same
    mBART-50    sw_KE            the same
    MADLAD-400  <2sw>            target before the text; the source it finds itself
    OPUS-MT     >>swa<< or none  target before the text where the model has several; else its direction is fixed

The languages are read from the tokenizer, so a model with more or fewer of them needs no table here.
"""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pbrlsvr.errors import DataError, ModelError
from pbrlsvr.languages.tags import known_tag, likely_script, parse, subtags

# A code in a family's token. The order counts: the codes of mBART-50 are also well-formed as tokens of no other family.
_TOKENS = {
    "NLLB-200": re.compile(r"([a-z]{3}_[A-Z][a-z]{3})"),
    "mBART-50": re.compile(r"([a-z]{2}_[A-Z]{2})"),
    "MADLAD-400": re.compile(r"<2([a-z]{2,3}(?:_[A-Za-z]{2,4})?)>"),
    "OPUS-MT": re.compile(r">>([a-z]{2,3}(?:_[A-Za-z]{2,4})?)<<"),
    "M2M100": re.compile(r"__([a-z]{2,3})__"),
}
_SOURCE_IS_TOLD = frozenset({"NLLB-200", "mBART-50", "M2M100"})
_FEWEST = 2  # languages that make a vocabulary one of a multilingual model

# Codes that CLDR does not know, or knows as another tag than the one that users write.
_CODE = {
    "ns": "nso", "prs_Arab": "fa-AF", "twi_Latn": "ak-GH", "apc_Arab": "apc", "pbt_Arab": "ps", "quy_Latn": "qu",
    "fuv_Latn": "ff", "pob": "pt-BR", "swa": "sw", "hbs": "sr",
}  # fmt: skip
_SAME_LANGUAGE = {"nb": "no", "cmn": "zh", "arb": "ar"}
# FLORES writes kor_Hang, CLDR calls the script of Korean "Kore".
_SAME_SCRIPT = {"Hang": "Kore"}
# Near enough to be read as the other, where a model lacks a language or a script.
_STANDS_IN = {"sr-Latn": ("hr", "bs"), "bs": ("hr",), "hr": ("bs",), "cnr": ("sr-Latn", "hr"), "no": ("nn", "da")}


class Tokens(NamedTuple):
    """What tells a model the direction: a token before the source text, and the decoder's first token."""

    source: str | None
    target: str | None


@dataclass(frozen=True)
class _Own:
    """One language of a model."""

    token: str
    tag: str
    language: str
    script: str | None
    territory: str | None


@dataclass(frozen=True)
class ModelLanguages:
    """The languages of one model.

    Attributes:
        family: as in the table of this module.
        model: names the model in errors.
        source: the only source language of a one-direction model, where the model says it.
        target: the only target language of such a model, where the model says it.
    """

    family: str
    model: str
    source: str | None = None
    target: str | None = None
    _own: dict[str, list[_Own]] = field(default_factory=dict)

    def tokens(self, source: str, target: str) -> Tokens:
        """How the model is told to translate from one language into another.

        Raises:
            DataError: the model lacks one of them; names those that come nearest.
        """
        if not self._own:
            for name, wanted, own in (("from", source, self.source), ("into", target, self.target)):
                if own is not None and _split(parse(wanted))[0] != _split(own)[0]:
                    raise DataError(
                        f"model {self.model!r} translates only {self.source or '?'!r} -> {self.target or '?'!r}, not "
                        f"{name} {wanted!r}; take an OPUS-MT model of that direction, or a multilingual one"
                    )
            return Tokens(None, None)
        if self.family in _SOURCE_IS_TOLD:
            return Tokens(self._token(source, as_target=False), self._token(target, as_target=True))
        if self.family == "MADLAD-400":
            self._token(source, as_target=False)
        elif self.source is not None and _split(parse(source))[0] != _split(self.source)[0]:
            raise DataError(f"model {self.model!r} translates from {self.source!r} only, not from {source!r}")
        return Tokens(self._token(target, as_target=True), None)

    @property
    def own_tokens(self) -> list[str]:
        """The tokens of the model that stand for languages; a translation has none of them."""
        return sorted(own.token for owns in self._own.values() for own in owns)

    @property
    def tags(self) -> list[str]:
        """The BCP-47 tags of the languages that it is told by a token."""
        return sorted({own.tag for owns in self._own.values() for own in owns})

    def _token(self, code: str, *, as_target: bool) -> str:
        tag = parse(code)
        language, script, _ = _split(tag)
        near = () if as_target else (_STANDS_IN.get(f"{language}-{script}", ()) or _STANDS_IN.get(language, ()))
        for choice in (tag, *near):
            own = self._find(choice, as_target)
            if own is not None:
                return own.token
        same = [own.tag for own in self._own.get(language, ())]
        choices = same or [other for other in self.tags if other[0] == language[0]][:8] or self.tags[:8]
        raise DataError(
            f"model {self.model!r} ({self.family}, {len(self.tags)} languages) does not translate "
            f"{'into' if as_target else 'from'} {code!r}; it has {', '.join(map(repr, choices))}"
            + ("" if same else ", ...; take a model with more languages, or another language")
        )

    def _find(self, tag: str, as_target: bool) -> _Own | None:
        language, script, territory = _split(tag)
        found = [
            own
            for own in self._own.get(language, ())
            # A code without script reads both; what it writes is the usual one.
            if own.script == script or (own.script is None and (not as_target or script == _split(language)[1]))
        ]
        return max(
            found,
            key=lambda own: (own.script is not None, own.territory == territory, own.territory is None),
            default=None,
        )


def model_languages(tokenizer: Any, model: str) -> ModelLanguages:
    """The languages of a model, from its tokenizer.

    Raises:
        ModelError: the tokenizer belongs to no family that this module knows.
    """
    words = [*tokenizer.get_vocab(), *getattr(tokenizer, "lang_token_to_id", ())]
    if type(tokenizer).__name__.startswith("Marian"):
        source, target = (_single(getattr(tokenizer, name, None)) for name in ("source_lang", "target_lang"))
        own = _index(words, _TOKENS["OPUS-MT"])
        return ModelLanguages("OPUS-MT", model, source, target, own)
    for family, pattern in _TOKENS.items():
        own = _index(words, pattern)
        if family != "OPUS-MT" and len(own) >= _FEWEST:
            return ModelLanguages(family, model, _own=own)
    raise ModelError(
        f"model={model!r}: the vocabulary of its {type(tokenizer).__name__} has no language codes of NLLB-200, M2M100, "
        "mBART-50 or MADLAD-400, and it is no Marian tokenizer; give a translation model of one of these families"
    )


def _index(words: list[str], pattern: re.Pattern[str]) -> dict[str, list[_Own]]:
    index: dict[str, list[_Own]] = {}
    for word in dict.fromkeys(words):
        code = pattern.fullmatch(word)
        tag = _single(code[1]) if code else None
        if tag is None:
            continue
        language, written, territory = subtags(tag)
        own = _Own(
            word,
            tag,
            _SAME_LANGUAGE.get(language, language),
            _SAME_SCRIPT.get(written or "", written),
            territory,
        )
        index.setdefault(own.language, []).append(own)
    return index


def _single(code: str | None) -> str | None:
    """The tag of one language; None for a group of them ("mul", "ROMANCE") and what CLDR does not know."""
    return known_tag(_CODE.get(code, code).removesuffix("_XX")) or None if code else None


def _split(tag: str) -> tuple[str, str | None, str | None]:
    """Language, script and territory of a canonical tag, the script as CLDR finds it likeliest."""
    language, _, territory = subtags(tag)
    script = likely_script(tag)
    return _SAME_LANGUAGE.get(language, language), _SAME_SCRIPT.get(script or "", script), territory
