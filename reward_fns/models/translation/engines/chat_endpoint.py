"""A chat model behind an OpenAI-compatible endpoint as a translator."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbrlsvr.languages import english_name
from pbrlsvr.models.translation.engines import Request, Translation
from pbrlsvr.serving.chat import chat
from pbrlsvr.serving.endpoint import Endpoint
from pbrlsvr.serving.endpoint_options import EndpointOptions

if TYPE_CHECKING:
    from pbrlsvr.models.translation.options import TranslatorSpec

#: The default prompt. `{text}`, `{source}` and `{target}` are filled in, the languages by their English names.
PROMPT = (
    "Translate this text from {source} into {target}. Copy names such as X1 and all numbers as they are. "
    "Answer with the translation alone.\n\n{text}"
)
# Room for thinking, and for scripts that take several tokens for a letter.
_TOKENS, _TOKENS_PER_LETTER = 1024, 4


class ChatEngine:
    """One request per line of text. It runs its own event loop on the thread that calls it."""

    takes_lines = True

    def __init__(self, options: "TranslatorSpec", endpoint: EndpointOptions):
        self._endpoint = Endpoint(endpoint)
        self._model = endpoint.served_model or options.model
        self._prompt = options.prompt or PROMPT
        # Letters; a language model takes far more, but one that must copy a page leaves things out.
        self.limit = 10 * options.max_tokens
        self._loop = asyncio.new_event_loop()

    def size(self, text: str) -> int:
        """Letters of a text."""
        return len(text)

    def translate(self, requests: Sequence[Request]) -> list[Translation]:
        """See `Engine.translate`."""
        return self._loop.run_until_complete(self._all(requests))

    async def _all(self, requests: Sequence[Request]) -> list[Translation]:
        return list(await asyncio.gather(*map(self._one, requests)))

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
        return Translation(text, completion.finish_reason != "length" and bool(text))
