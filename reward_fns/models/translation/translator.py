"""Translation: a text in one language -> the same text in another, sentence by sentence.

    translator(options).translate(text, "sw")                        Swahili into English
    translator(options).translate(question, "en", "sw")              English into Swahili

1. Digits of any script become 0-9; code, LaTeX, equations and addresses are set aside (`scorers/protect.py`).
2. Lines and sentences are translated one by one, each once: rollouts repeat them. A sentence longer than the model
   takes is cut, at a mark of punctuation where there is one. Line breaks, indents and list marks stay.
3. A sentence with pieces set aside is translated with short names in their place. Where a name does not come back
   exactly once, the text between the pieces is translated by itself instead.
4. A generation that is stopped at its bound keeps what it wrote, of a loop the first round. It is counted and logged.
"""

import logging
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from threading import Lock
from typing import Literal, get_args

from pbrlsvr.errors import ConfigError
from pbrlsvr.languages import base, parse, profile
from pbrlsvr.models.devices import DTYPES
from pbrlsvr.models.pieces import split_steps
from pbrlsvr.models.translation.engines import Engine, Request
from pbrlsvr.models.translation.protect import BLOCK, INLINE, ascii_digits, protect
from pbrlsvr.models.translation.sentence import Sentence, fit, is_prose, without_loop
from pbrlsvr.serving.endpoint_options import EndpointOptions
from pbrlsvr.serving.scorer import Scorer, ServingOptions, scorer
from pbrlsvr.serving.token_budget import TokenBudget

EngineName = Literal["seq2seq", "ctranslate2", "openai"]

#: text, source language, target language
Item = tuple[str, str, str]

_SURELY = 0.9
_LIST_MARK = re.compile(r"\s*(?:(?:[-*+•>#]{1,6}|\(?\d{1,3}[.)])[ \t]+)*")
_WITHOUT_SPACES = frozenset({"zh", "ja", "yue"})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TranslationOptions:
    """What translates, and how.

    Attributes:
        model: a seq2seq model, a folder or a name on the Hugging Face hub; for "ctranslate2" the folder of a converted
            one; for "openai" the name under which the server has it.
        engine: "seq2seq" (transformers), "ctranslate2", or "openai" (any OpenAI-compatible chat endpoint).
        revision: the commit, tag or branch of a hub model.
        tokenizer: the folder or hub name of the tokenizer, where it is not with the model.
        target_language: into which language, unless the caller says another.
        device: "auto" (a GPU where this process sees one, else the CPU) or a device such as "cuda:1".
        dtype: of a "seq2seq" model: "float32", "bfloat16" or "float16".
        compute_type: of a "ctranslate2" model: "default" (as it was converted), "int8", "float16", ...
        beam_size: 1 is greedy search: several times cheaper, and a reward needs no last point of BLEU. Our choice.
        max_tokens: the longest sentence in tokens; a longer one is cut. The models were trained on sentences.
        length_ratio: a translation is stopped at `length_ratio * source tokens + 16` tokens.
        batch_tokens: padded source tokens of one batch.
        cache_size: sentences kept in memory, the least recently used leave first.
        prompt: for "openai", with `{text}`, `{source}` and `{target}`; `None` takes `engines/chat.py`'s.
        endpoint: for "openai", where the servers are.

    Raises:
        ConfigError: a value cannot work.
    """

    model: str
    engine: EngineName = "seq2seq"
    revision: str | None = None
    tokenizer: str | None = None
    target_language: str = "en"
    device: str = "auto"
    dtype: str = "float32"
    compute_type: str = "default"
    beam_size: int = 1
    max_tokens: int = 200
    length_ratio: float = 3.0
    batch_tokens: int = 4096
    cache_size: int = 100_000
    prompt: str | None = None
    endpoint: EndpointOptions = field(default_factory=EndpointOptions)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model.strip():
            raise ConfigError(f"model={self.model!r} names no translation model; give a folder or a hub name")
        if self.engine not in get_args(EngineName):
            raise ConfigError(f"engine={self.engine!r} is not one of {list(get_args(EngineName))}")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype={self.dtype!r} is not one of {list(DTYPES)}")
        for name, least in (("beam_size", 1), ("max_tokens", 16), ("batch_tokens", 1), ("cache_size", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"{name}={value!r} must be a whole number of {least} or more")
        if not isinstance(self.length_ratio, int | float) or not 1 <= self.length_ratio < 100:
            raise ConfigError(f"length_ratio={self.length_ratio!r} must be a number from 1 to 100")
        try:
            parse(self.target_language, error=ConfigError)
        except ConfigError as error:
            raise ConfigError(f"target_language: {error}") from None
        if self.prompt is not None and "{text}" not in self.prompt:
            raise ConfigError(f"prompt={self.prompt[:80]!r} has no place for the text; put {{text}} into it")
        if self.engine == "openai" and not self.endpoint.urls:
            raise ConfigError("engine='openai' needs endpoint.urls, such as ['http://host:8000/v1']")

    def load(self) -> "TranslationModel":
        """The loaded model; see `ModelOptions.load`."""
        return TranslationModel(_engine(self), self)

    def served_by(self, endpoint: EndpointOptions) -> "TranslationOptions":
        """The same with a chat model behind an endpoint: what `serving.place="endpoint"` means here."""
        return replace(self, engine="openai", endpoint=endpoint)


def _engine(options: TranslationOptions) -> Engine:
    if options.engine == "openai":
        from pbrlsvr.models.translation.engines.chat_endpoint import ChatEngine

        return ChatEngine(options)
    if options.engine == "ctranslate2":
        from pbrlsvr.models.translation.engines.ct2 import CTranslate2Engine

        return CTranslate2Engine(options)
    from pbrlsvr.models.translation.engines.seq2seq import Seq2SeqEngine

    return Seq2SeqEngine(options)


class TranslationModel:
    """A loaded engine, and the sentences that it has translated."""

    def __init__(self, engine: Engine, options: TranslationOptions):
        self._engine = engine
        self._options = options
        self._cache: OrderedDict[Request, str] = OrderedDict()
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
        if base(source) == base(target) or _is_in(text, target):
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
        known = {request: self._cache[request] for request in requests if request in self._cache}
        for request in known:
            self._cache.move_to_end(request)
        new = [request for request in requests if request not in known]
        for request, translation in zip(new, self._engine.translate(new) if new else [], strict=True):
            known[request] = translation.text if translation.finished else self._stopped(request, translation.text)
            self._cache[request] = known[request]
        while len(self._cache) > self._options.cache_size:
            self._cache.popitem(last=False)
        return known

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
        self._scorer: Scorer[Item, str] = scorer(options, serving)

    async def translate(self, text: str, source_language: str, target_language: str | None = None) -> str:
        """A text in another language; code, equations and line breaks stay as they are.

        A text without words, and one that is in the target language already, comes back unchanged.

        Args:
            text: of any length; a long sentence is cut, never dropped.
            source_language: its BCP-47 code.
            target_language: the code of the language that is wanted; `None` takes the options', which is English.

        Raises:
            DataError: a code is no language code, or the model lacks the language.
            ModelError, MissingDependencyError: the model cannot be loaded, or fails.
            ServiceError: the endpoint does not answer.

        Example:
            >>> options = TranslationOptions("facebook/m2m100_418M")
            >>> await translator(options).translate("Ana ana tofaa ১৭.", "sw")  # doctest: +SKIP
            'Ana has 17 apples.'
        """
        source, target = parse(source_language), parse(target_language or self.options.target_language)
        if not any(map(str.isalnum, text)):
            return text
        return await self._scorer((text, source, target))


_lock = Lock()


def translator(options: TranslationOptions, serving: ServingOptions | None = None) -> Translator:
    """The one translator of this process for these options; the model is loaded at its first text."""
    with _lock:  # cache alone may build twice when two threads ask at the same time
        return _translator(options, serving or ServingOptions())


@cache
def _translator(options: TranslationOptions, serving: ServingOptions) -> Translator:
    return Translator(options, serving)


def _is_in(text: str, language: str) -> bool:
    return profile(text).languages.get(base(language), 0.0) >= _SURELY
