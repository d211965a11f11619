"""veRL's client, which sends the requests that come at about the same time to the `hf` server as one call.

veRL pays three remote calls per request: ask the load balancer for a server, call it, give it back. A small model
generates faster than that. Here the requests that gather while the load balancer answers share all three.
"""

import asyncio
from typing import Any

from verl.utils import normalize_token_ids
from verl.workers.rollout.llm_server import LLMServerClient
from verl.workers.rollout.replica import TokenOutput

_Waiting = tuple[list[int], dict[str, Any], "asyncio.Future[TokenOutput]"]


class GatheringClient(LLMServerClient):
    """Use it from one event loop. A call that fails fails each of its requests."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: list[_Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = False

    async def generate(
        self,
        request_id: str,
        *,
        prompt_ids: list[int],
        sampling_params: dict[str, Any],
        image_data: Any = None,
        video_data: Any = None,
        **unused: Any,
    ) -> TokenOutput:
        """Token ids in and out, as `LLMServerClient.generate`."""
        if image_data is not None or video_data is not None:
            return await super().generate(
                request_id, prompt_ids=prompt_ids, sampling_params=sampling_params, image_data=image_data,
                video_data=video_data, **unused,
            )  # fmt: skip
        future: asyncio.Future[TokenOutput] = asyncio.get_running_loop().create_future()
        self._waiting.append((list(normalize_token_ids(prompt_ids)), sampling_params, future))
        if not self._sending:
            self._sending = True
            self._start(self._send(request_id))
        return await future

    def _start(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    async def _send(self, request_id: str) -> None:
        try:
            while self._waiting:
                server_id, server = await self._acquire_server(request_id)
                batch, self._waiting = self._waiting, []
                self._start(self._call(server_id, server, batch))
        except Exception as error:
            batch, self._waiting = self._waiting, []
            _fail(batch, error)
        finally:
            self._sending = False

    async def _call(self, server_id: str, server: Any, batch: list[_Waiting]) -> None:
        try:
            outputs = await server.generate_many.remote([prompt for prompt, _, _ in batch], [p for _, p, _ in batch])
        except Exception as error:
            _fail(batch, error)
        else:
            for (_, _, future), output in zip(batch, outputs, strict=True):
                step = output.extra_fields["global_steps"]
                output.extra_fields.update(min_global_steps=step, max_global_steps=step)
                if not future.done():
                    future.set_result(output)
        finally:
            self._release_server(server_id)


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for _, _, future in batch:
        if not future.done():
            future.set_exception(error)
