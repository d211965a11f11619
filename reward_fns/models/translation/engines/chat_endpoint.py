"""A chat model behind an OpenAI-compatible endpoint as a translator."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbrlsvr.languages import english_name
from pbrlsvr.models.translation.engines import Request, Translation
from pbrlsvr.serving.batcher import Failure
from pbrlsvr.serving.chat import chat
from pbrlsvr.serving.endpoint import BadResponse, Endpoint, RejectedError, until_one_fails
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
        if failure is not None:
            return [results.get(request, Failure(failure)) for request in requests]
        return [results[request] for request in requests]

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
        return Translation(text, completion.finish_reason != "length")
