"""Translation: a text in one language -> the same text in another, sentence by sentence.

    translator(options).translate(text, "sw")                        Swahili into English
    translator(options).translate(question, "en", "sw")              English into Swahili

1. Digits of any script become 0-9; code, LaTeX, equations and addresses are set aside (`protect.py`).
2. Lines and sentences are translated one by one, each once: rollouts repeat them. A sentence longer than the model
   takes is cut, at a mark of punctuation where there is one. Line breaks, indents and list marks stay.
3. A sentence with pieces set aside is translated with short names in their place. Where a name does not come back
   exactly once, the text between the pieces is translated by itself instead.
4. A generation that is stopped at its bound keeps what it wrote, of a loop the first round. It is counted and logged.
"""

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pbrlsvr.languages import base, parse, surely_in
from pbrlsvr.models.files import require_model
from pbrlsvr.models.pieces import split_steps
from pbrlsvr.models.translation.engines import Engine, Request
from pbrlsvr.models.translation.language_codes import model_languages
from pbrlsvr.models.translation.options import TranslationOptions
from pbrlsvr.models.translation.protect import BLOCK, INLINE, ascii_digits, protect
from pbrlsvr.models.translation.sentence import Sentence, fit, is_prose, without_loop
from pbrlsvr.serving.batcher import Failure
from pbrlsvr.serving.cache import MISSING, LruCache
from pbrlsvr.serving.endpoint_options import EndpointOptions
from pbrlsvr.serving.scorer import Scorer, ServingOptions, scorer
from pbrlsvr.serving.token_budget import TokenBudget

#: text, source language, target language
Item = tuple[str, str, str]

# Sentences that were translated: some hundred thousand.
_CACHE_BYTES = 64 * 2**20
_LIST_MARK = re.compile(r"\s*(?:(?:[-*+•>#]{1,6}|\(?\d{1,3}[.)])[ \t]+)*")
_WITHOUT_SPACES = frozenset({"zh", "ja", "yue"})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TranslatorLoader:
    """All that translations depend on: the options of the model, and those of the place where it is loaded. With an
    endpoint, a chat model behind it translates."""

    model: str
    engine: str
    revision: str | None
    tokenizer: str | None
    device: str
    dtype: str
    compute_type: str
    beam_size: int
    max_tokens: int
    length_ratio: float
    batch_tokens: int
    prompt: str | None
    endpoint: EndpointOptions | None = None

    @classmethod
    def of(cls, options: TranslationOptions, serving: ServingOptions | None = None) -> "TranslatorLoader":
        """This model in this place."""
        serving = serving or ServingOptions()
        model: dict[str, Any] = {name: getattr(options, name) for name in TranslationOptions.model_fields}
        return cls(**model, device=serving.device, dtype=serving.dtype, batch_tokens=serving.batch_tokens or 4096)

    def load(self) -> "TranslationModel":
        """The loaded model; see `ModelOptions.load`."""
        engine: Engine
        if self.endpoint is not None:
            from pbrlsvr.models.translation.engines.chat_endpoint import ChatEngine

            engine = ChatEngine(self, self.endpoint)
        elif self.engine == "ctranslate2":
            from pbrlsvr.models.translation.engines.ct2 import CTranslate2Engine

            engine = CTranslate2Engine(self)
        else:
            from pbrlsvr.models.translation.engines.seq2seq import Seq2SeqEngine

            engine = Seq2SeqEngine(self)
        return TranslationModel(engine, self)

    def served_by(self, endpoint: EndpointOptions) -> "TranslatorLoader":
        """The same with a chat model behind an endpoint: what `serving.place="endpoint"` means here."""
        return replace(self, endpoint=endpoint)


class TranslationModel:
    """A loaded engine, and the sentences that it has translated."""

    def __init__(self, engine: Engine, options: TranslatorLoader):
        self._engine = engine
        self._options = options
        self._cache: LruCache[Request, str] = LruCache(_CACHE_BYTES)
        #: Counts tokens for the metrics of serving; None for an engine that has none to count.
        self.batches: TokenBudget | None = getattr(engine, "batches", None)
        #: Generations that were stopped at their bound, so far.
        self.unfinished = 0

    def run(self, items: Sequence[Item]) -> list[str]:
        """`[N]` items (text, source language, target language) -> `[N]` translated texts.

        Raises:
            DataError: a language is unknown, or the model lacks it.
            ModelError: the model fails.
            ServiceError: the service does not answer.
        """
        documents = [self._parts(*item) for item in items]
        sentences = [part for parts in documents for part in parts if isinstance(part, Sentence)]
        translated = self._translate(dict.fromkeys(sentence.whole() for sentence in sentences))
        mangled = [sentence for sentence in sentences if sentence.put_together(translated) is None]
        translated |= self._translate(dict.fromkeys(request for part in mangled for request in part.between()))
        return [
            "".join((part.put_together(translated) or "") if isinstance(part, Sentence) else part for part in parts)
            for parts in documents
        ]

    def _parts(self, text: str, source: str, target: str) -> list[str | Sentence]:
        """A text as sentences to translate and what stands between them; joined again they are the text."""
        source, target = parse(source), parse(target)
        if base(source) == base(target) or surely_in(text, target):
            return [text]
        masked, pieces = protect(ascii_digits(text))
        remaining, parts = iter(pieces), list[str | Sentence]()
        for line in re.split(f"(\n|{BLOCK})", masked):
            if line == BLOCK:
                parts.append(next(remaining))
                continue
            start = _LIST_MARK.match(line)
            head = start[0] if start else ""
            body = line[len(head) :].rstrip()
            parts.append(head)
            for place, sentence in enumerate(self._sentences(body)):
                own = tuple(next(remaining) for _ in range(sentence.count(INLINE)))
                if place:
                    parts.append("" if base(target) in _WITHOUT_SPACES else " ")
                if is_prose(sentence):
                    parts.append(Sentence(sentence, own, source, target))
                else:
                    kept = sentence.split(INLINE)
                    parts.append("".join(gap + piece for gap, piece in zip(kept, [*own, ""], strict=True)))
            parts.append(line[len(head) + len(body) :])
        return parts

    def _sentences(self, line: str) -> Iterator[str]:
        sentences = [line] if self._engine.takes_lines and line else split_steps(line, max(1, len(line)))
        for sentence in sentences:
            yield from fit(sentence, self._engine.size, self._engine.limit)

    def _translate(self, requests: dict[Request, None]) -> dict[Request, str]:
        found = {request: self._cache.get(request) for request in requests}
        new = [request for request, text in found.items() if text is MISSING]
        failures = []
        for request, translation in zip(new, self._engine.translate(new) if new else [], strict=True):
            if isinstance(translation, Failure):
                failures.append(translation.error)
                continue
            found[request] = translation.text if translation.finished else self._stopped(request, translation.text)
            self._cache.put(request, found[request])
        if failures:  # the others are remembered, so that the texts without this sentence are not translated again
            raise failures[0]
        return found

    def _stopped(self, request: Request, text: str) -> str:
        self.unfinished += 1
        if self.unfinished & (self.unfinished - 1) == 0:  # 1, 2, 4, 8, ...: a broken model must not flood the log
            log.warning(
                "model %r did not finish its translation of %r (%s -> %s) within its bound; %d so far are kept as far "
                "as they go, loops cut to one round",
                self._options.model, request.text[:200], request.source, request.target, self.unfinished,
            )  # fmt: skip
        return without_loop(text)


class Translator:
    """Translates single texts from any coroutine. Get it with `translator(options)`, which shares it."""

    def __init__(self, options: TranslationOptions, serving: ServingOptions):
        self.options = options
        self._scorer: Scorer[Item, str] = scorer(TranslatorLoader.of(options, serving), serving)

    async def translate(self, text: str, source_language: str, target_language: str = "en") -> str:
        """A text in another language; code, equations and line breaks stay as they are.

        A text without words, and one that is in the target language already, comes back unchanged.

        Args:
            text: of any length; a long sentence is cut, never dropped.
            source_language: its BCP-47 code.
            target_language: the code of the language that is wanted.

        Raises:
            DataError: a code is no language code, or the model lacks the language.
            ModelError, MissingDependencyError: the model cannot be loaded, or fails.
            ServiceError: the endpoint does not answer.

        Example:
            >>> options = TranslationOptions(model="facebook/m2m100_418M")
            >>> await translator(options).translate("Ana ana tofaa ১৭.", "sw")  # doctest: +SKIP
            'Ana has 17 apples.'
        """
        source, target = parse(source_language), parse(target_language)
        if not any(map(str.isalnum, text)):
            return text
        return await self._scorer((text, source, target))


@cache
def translator(options: TranslationOptions, serving: ServingOptions | None = None) -> Translator:
    """Translates with this model, which is loaded at the first text; translators with the same options share it."""
    return Translator(options, serving or ServingOptions())


def require_translator(options: TranslationOptions, serving: ServingOptions, directions: Iterable[Item]) -> None:
    """Look whether a translator can do its work, before other work that would be lost without it.

    Args:
        directions: what it will have to translate, a text for each direction; servers are asked for the first.

    Raises:
        ModelError, MissingDependencyError: the model, or a package that it needs, is not there.
        DataError: it lacks a language.
        ServiceError: its servers do not answer.
    """
    spec = TranslatorLoader.of(options, serving)
    if serving.resolved(has_client=True).place == "endpoint":
        for text, source, target in directions:
            asyncio.run(translator(options, serving).translate(text, source, target))
            return
    from pbrlsvr.models.translation.engines.seq2seq import load_tokenizer

    require_model(spec.model, spec.revision, "model.bin" if spec.engine == "ctranslate2" else "config.json")
    languages = model_languages(load_tokenizer(spec.tokenizer or spec.model, spec.revision), spec.model)
    for _, source, target in directions:
        languages.tokens(source, target)
