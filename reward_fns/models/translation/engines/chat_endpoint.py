"""A chat model behind an OpenAI-compatible endpoint as a translator."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pbrlsvr.languages import english_name, surely_in
from pbrlsvr.models.translation.engines import Request, Translation
from pbrlsvr.serving.batcher import Failure
from pbrlsvr.serving.chat import FILTERED, chat
from pbrlsvr.serving.endpoint import BadResponse, Endpoint, RejectedError, until_one_fails
from pbrlsvr.serving.endpoint_options import EndpointOptions

if TYPE_CHECKING:
    from pbrlsvr.models.translation.translator import TranslatorLoader

#: The default prompt. `{text}`, `{source}` and `{target}` are filled in, the languages by their English names.
PROMPT = (
    "Translate this text from {source} into {target}. Copy names such as X1 and all numbers as they are. "
    "Answer with the translation alone.\n\n{text}"
)
# Room for thinking, and for scripts that take several tokens for a letter.
_TOKENS, _TOKENS_PER_LETTER = 1024, 4
# So many different texts are looked at together, of the last ones.
_FEWEST, _LAST = 4, 64
# No translation is so many times as long as its text, and longer than this besides.
_MOST_TIMES, _LONGEST = 20, 8_192
_PAGE = re.compile(r"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)


class ChatEngine:
    """One request per line of text. It runs its own event loop on the thread that calls it."""

    takes_lines = True

    def __init__(self, options: "TranslatorLoader", endpoint: EndpointOptions):
        self._endpoint = Endpoint(endpoint)
        self._model = endpoint.served_model or options.model
        self._prompt = options.prompt or PROMPT
        # Letters; a language model takes far more, but one that must copy a page leaves things out.
        self.limit = 10 * options.max_tokens
        self._loop = asyncio.new_event_loop()
        #: The last translations, of different texts.
        self._last: dict[str, str] = {}

    def size(self, text: str) -> int:
        """Letters of a text."""
        return len(text)

    def translate(self, requests: Sequence[Request]) -> list[Translation | Failure]:
        """See `Engine.translate`."""
        return self._loop.run_until_complete(self._all(requests))

    async def _all(self, requests: Sequence[Request]) -> list[Translation | Failure]:
        """What was answered is kept. Where the servers answer no more, the others do not go through all retries too."""
        results: dict[Request, Translation | Failure] = {}

        async def one(request: Request) -> None:
            try:
                results[request] = await self._one(request)
            except (BadResponse, RejectedError) as error:
                results[request] = Failure(error)

        failure = await until_one_fails(map(one, requests))
        nonsense = self._nonsense(results)
        if nonsense:
            return [Failure(BadResponse(nonsense))] * len(requests)
        if failure is not None:
            return [results.get(request, Failure(failure)) for request in requests]
        return [results[request] for request in requests]

    def _nonsense(self, results: Mapping[Request, Translation | Failure]) -> str:
        """Why the answers cannot be translations, of whatever texts: all are the same, or all are what was asked."""
        for request, found in results.items():
            # A policy may write gibberish or English, which is given back as it is with good reason.
            if isinstance(found, Translation) and surely_in(request.text, request.source):
                self._last[" ".join(request.text.split())] = found.text
        for text in [*self._last][:-_LAST]:
            del self._last[text]
        if len(self._last) < _FEWEST:
            return ""
        if len(set(self._last.values())) == 1:
            what = f"translates different texts all as {next(iter(self._last.values()))[:80]!r}"
        elif all(text == found for text, found in self._last.items()):
            what = "gives texts back as they are, untranslated"
        else:
            return ""
        self._last.clear()
        return f"model {self._model!r} at {list(self._endpoint.options.urls)} {what}; look at what the servers load"

    async def _one(self, request: Request) -> Translation:
        prompt = self._prompt
        for field, value in (
            ("{source}", english_name(request.source)),
            ("{target}", english_name(request.target)),
            ("{text}", request.text),
        ):
            prompt = prompt.replace(field, value)
        completion = (
            await chat(
                self._endpoint,
                self._model,
                [{"role": "user", "content": prompt}],
                temperature=0,
                max_tokens=_TOKENS + _TOKENS_PER_LETTER * len(request.text),
            )
        )[0]
        text = " ".join(completion.text.split())
        if not text:
            raise BadResponse(
                f"model {self._model!r} gave an empty translation of {request.text[:80]!r} "
                f"(finish_reason={completion.finish_reason!r}); if it thinks for too long, turn that off at the server"
            )
        if _PAGE.match(text) and not _PAGE.search(request.text):
            raise BadResponse(f"model {self._model!r} gave a web page instead of a translation: {text[:80]!r}")
        if len(text) > _LONGEST + _MOST_TIMES * len(request.text):
            raise BadResponse(
                f"model {self._model!r} gave a translation of {len(text):,} characters of a text of "
                f"{len(request.text):,}: {text[:80]!r}; it does not keep to max_tokens"
            )
        return Translation(text, completion.finish_reason not in ("length", FILTERED))
