"""Continuous batching over a causal language model of transformers.

New requests join between two steps, finished ones leave, and equal prompts are prefilled once. This file knows no
threads and no Ray: `batcher` gives a generator its thread, `rollout` gives that its actor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from pbrlsvr_plugin.cpu.kv_cache import KVCache
from pbrlsvr_plugin.cpu.sampling import SamplingParams, penalise, sample


@dataclass(eq=False)
class Request:
    """One prompt, and its response once the request is finished."""

    prompt_ids: Sequence[int]
    params: SamplingParams
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    aborted: bool = False


@dataclass
class _Rows:
    """B rows of L columns. Columns are padded on the left, so that a step appends one column to all rows."""

    ids: Tensor  # [B, L], prompt and response so far
    mask: Tensor  # [B, L], 1 where ids is real
    logprobs: Tensor  # [B, L], of the response
    count: Tensor  # [B], tokens in the response
    limit: Tensor  # [B], of them
    done: Tensor  # [B], finished: the row is carried along until it pays to cut it out
    stops: Tensor  # [B, S], padded with -1
    uniform: Tensor  # [B, longest limit], one random number per token
    temperature: Tensor  # [B]
    top_k: Tensor  # [B]
    top_p: Tensor  # [B]
    penalty: Tensor  # [B]

    def select(self, index: Tensor, first_column: int) -> "_Rows":
        rows = _Rows(**{f.name: getattr(self, f.name)[index] for f in fields(self)})
        return replace(rows, **{name: getattr(rows, name)[:, first_column:] for name in _COLUMNS})

    def join(self, other: "_Rows") -> "_Rows":
        joined = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return _Rows(**{name: torch.cat(_same_width(*pair, name)) for name, pair in joined.items()})


_COLUMNS = ("ids", "mask", "logprobs")


def _same_width(first: Tensor, second: Tensor, name: str) -> list[Tensor]:
    if first.dim() == 1:
        return [first, second]
    width = max(first.shape[1], second.shape[1])
    left, fill = name in _COLUMNS, -1 if name == "stops" else 0
    missing = [(part, width - part.shape[1]) for part in (first, second)]
    return [pad(part, (by, 0) if left else (0, by), value=fill) for part, by in missing]


# A newcomer costs a forward pass and a copy of the cache, so few of them wait for more, but not for longer than this.
_FEW = 0.25  # of the running
_PATIENCE = 8  # steps


class Generator:
    """Generates for all its requests at once, one token per step.

    >>> generator = Generator(model)  # doctest: +SKIP
    >>> waiting = generator.admit([Request([1, 2, 3], SamplingParams(max_tokens=8))])  # doctest: +SKIP
    >>> while generator:  # doctest: +SKIP
    ...     finished = generator.step()
    """

    def __init__(self, model: Any, max_rows: int = 256, max_prefill_tokens: int = 8192) -> None:
        self.model = model
        self.max_rows = max_rows
        self.max_prefill_tokens = max_prefill_tokens
        self.clear()

    def clear(self) -> None:
        """Forget every request."""
        self._requests: list[Request] = []
        self._rows: _Rows | None = None
        self._cache = KVCache()
        self._running = 0
        self._steps = 0

    def __len__(self) -> int:
        """How many requests are being generated."""
        return self._running

    @torch.inference_mode()
    def admit(self, waiting: list[Request]) -> list[Request]:
        """Prefill the first of `waiting`, as many as there is room for. The others are returned."""
        if len(waiting) < _FEW * self._running and self._steps < _PATIENCE:
            return waiting
        taken = waiting[: self._fitting(waiting)]
        if not taken:
            return waiting
        rows, cache = self._prefill(taken)
        if self._rows is None:
            self._rows, self._cache = rows, cache
        else:
            self._cut_out_finished()
            self._rows = self._rows.join(rows)
            self._cache.join(cache)
        self._requests += taken
        self._running += len(taken)
        self._steps = 0
        return waiting[len(taken) :]

    def _fitting(self, waiting: list[Request]) -> int:
        width, prompts = 0, set()
        room = self.max_rows - self._running
        for number, request in enumerate(waiting[:room]):
            width = max(width, len(request.prompt_ids))
            prompts.add(tuple(request.prompt_ids))
            if number and len(prompts) * width > self.max_prefill_tokens:
                return number
        return max(0, min(room, len(waiting)))

    def _prefill(self, requests: list[Request]) -> tuple[_Rows, KVCache]:
        """Fill a cache with all tokens but the last of each prompt; the next step feeds that one."""
        prompts = list(dict.fromkeys(tuple(request.prompt_ids) for request in requests))
        width = max(2, *map(len, prompts))
        ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts])
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        mask = (torch.arange(width) >= width - lengths[:, None]).long()
        cache = KVCache()
        self._forward(ids[:, :-1], mask[:, :-1], (mask.cumsum(-1) - 1).clamp(min=0)[:, :-1], cache)
        row_of = {prompt: row for row, prompt in enumerate(prompts)}
        index = torch.tensor([row_of[tuple(request.prompt_ids)] for request in requests])
        if len(prompts) < len(requests):
            cache.select(index)
        return _new_rows([request.params for request in requests], ids[index], mask[index]), cache

    def _forward(self, ids: Tensor, mask: Tensor, position: Tensor, cache: KVCache) -> Tensor:
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    @torch.inference_mode()
    def step(self) -> list[Request]:
        """One more token for every request. Returns those that this finished."""
        rows = self._rows
        if rows is None:
            return []
        self._steps += 1
        position = rows.mask.sum(1, keepdim=True) - 1
        logits = self._forward(rows.ids[:, -1:], rows.mask, position, self._cache)
        if (rows.penalty != 1).any():
            logits = penalise(logits, rows.ids, rows.mask, rows.penalty)
        uniform = rows.uniform.gather(1, rows.count[:, None].clamp(max=rows.uniform.shape[1] - 1)).squeeze(1)
        token, logprob = sample(logits, rows.temperature, rows.top_k, rows.top_p, uniform)
        rows.ids = torch.cat([rows.ids, token[:, None]], 1)
        rows.mask = pad(rows.mask, (0, 1), value=1)
        rows.logprobs = torch.cat([rows.logprobs, logprob[:, None]], 1)
        rows.count = rows.count + 1
        finished = ~rows.done & ((rows.stops == token[:, None]).any(1) | (rows.count >= rows.limit))
        return self._finish(finished) if finished.any() else []

    def _finish(self, finished: Tensor) -> list[Request]:
        rows = self._rows
        assert rows is not None
        index = finished.nonzero().squeeze(1)
        ids, logprobs, counts = rows.ids[index].tolist(), rows.logprobs[index].tolist(), rows.count[index].tolist()
        requests = [self._requests[row] for row in index.tolist()]
        for request, tokens, values, count in zip(requests, ids, logprobs, counts, strict=True):
            request.token_ids, request.logprobs = tokens[len(tokens) - count :], values[len(values) - count :]
        rows.done = rows.done | finished
        self._running -= len(requests)
        if self._running == 0:
            self.clear()
        elif self._running < 0.75 * len(self._requests):
            self._cut_out_finished()
        return requests

    def _cut_out_finished(self) -> None:
        rows = self._rows
        if rows is None or not rows.done.any():
            return
        index = (~rows.done).nonzero().squeeze(1)
        first_column = int(rows.mask[index].any(0).int().argmax())
        self._rows = rows.select(index, first_column)
        self._cache.select(index, first_column)
        self._requests = [self._requests[row] for row in index.tolist()]

    @torch.inference_mode()
    def abort(self) -> list[Request]:
        """Finish every request with the tokens that it has."""
        return [] if self._rows is None else self._finish(~self._rows.done)


def _new_rows(params: list[SamplingParams], ids: Tensor, mask: Tensor) -> _Rows:
    most_stops = max(len(p.stop_ids) for p in params)
    longest = max(p.max_tokens for p in params)
    zeros = torch.zeros(len(params), dtype=torch.long)
    return _Rows(
        ids=ids,
        mask=mask,
        logprobs=torch.zeros(ids.shape),
        count=zeros,
        limit=torch.tensor([p.max_tokens for p in params]),
        done=zeros.bool(),
        stops=torch.tensor([[*p.stop_ids, *[-1] * (most_stops - len(p.stop_ids))] for p in params]).long(),
        uniform=torch.stack([pad(_uniform(p), (0, longest - p.max_tokens)) for p in params]),
        temperature=torch.tensor([p.temperature for p in params]),
        top_k=torch.tensor([p.top_k if p.top_k > 0 else _KEEP_ALL for p in params]),
        top_p=torch.tensor([p.top_p for p in params]),
        penalty=torch.tensor([p.repetition_penalty for p in params]),
    )


_KEEP_ALL = 1 << 40


def _uniform(params: SamplingParams) -> Tensor:
    # Drawn per request, so that neither the order of arrival nor the neighbours in the batch change a response.
    return torch.rand(params.max_tokens, generator=torch.Generator().manual_seed(params.seed))
