"""Samples in, scores out: what all routes ask, whatever their bodies look like.

A request's samples are scored at once, and become batches with those of all other requests where the models run. What
a client that has left has asked for is given up.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from starlette.types import Receive

from pbrlsvr.errors import DataError, PbrlsvrError, ServiceError
from pbrlsvr.models.embedding.embedder import Embedder, embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.scoring.base import Reward, SemanticReward
from pbrlsvr.scoring.references import COLUMN as REFERENCES
from pbrlsvr_plugin.serve.errors import Refusal, invalid, later, of_reward
from pbrlsvr_plugin.serve.metrics import Metrics
from pbrlsvr_plugin.serve.options import LimitOptions
from pbrlsvr_plugin.verl.chosen_reward import Function, NoScore, configured, result

T = TypeVar("T")

#: A sample: the arguments of a reward function.
Sample = Mapping[str, Any]

_RECENT = 256
_LONGEST_PAUSE_S = 60
#: So many samples to warm up for each replica: that all of them get one is nearly certain.
_WARM_UP = 16

log = logging.getLogger(__name__)


class Door:
    """The reward, with what is in flight.

    Attributes:
        requests: in flight, whatever they ask for.
        waiting: samples and texts without an answer.
        draining: nothing new is taken in.
        why_not_ready: "" where the models are loaded.
    """

    def __init__(self, function: Function, described: str, limits: LimitOptions, metrics: Metrics):
        self.function, self.described, self.limits, self.metrics = function, described, limits, metrics
        self.requests = self.waiting = 0
        self.draining = False
        self.why_not_ready = "the models are being loaded"
        self.reward = configured(function)
        self.encoder = _encoder(self.reward)
        # When the last samples were answered, and how many: for Retry-After.
        self._answered: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        metrics.watch(self)

    async def scores(self, samples: Sequence[Sample], receive: Receive, param: str = "samples") -> list[dict[str, Any]]:
        """`[N]` samples -> `[N]` results, each with `score`.

        Raises:
            Refusal: there is no score for one of them, with the reason.
        """
        texts = self._require_few_and_short(samples, param)
        asked = [partial(result, self.function, **sample) for sample in samples]
        found: list[dict[str, Any]] = await self._answer([each() for each in asked], texts, receive, param)
        self.metrics.scored([each["score"] for each in found])
        return found

    async def vectors(self, texts: Sequence[str], receive: Receive) -> list[Any]:
        """`[N]` texts -> `[N]` unit vectors, of the texts as they are, without a prompt.

        Raises:
            Refusal: the reward has no encoder, or a text has no vector.
        """
        encoder = self.encoder
        if encoder is None:
            raise Refusal(404, "refused", f"the reward {self.described!r} has no encoder; serve pbrlsvr.embed_cosine")
        asked = [encoder.embed_unprompted(text) for text in texts]
        return await self._answer(asked, len(asked), receive, "input")

    async def warm_up(self, replicas: int) -> None:
        """Loads the models by asking for scores of made-up samples.

        Raises:
            PbrlsvrError: a model cannot be loaded, or does not answer.
        """
        found = await asyncio.gather(
            *(
                result(self.function, **_made_up(number))
                for number in range(_WARM_UP * replicas if replicas > 1 else 1)
            ),
            return_exceptions=True,
        )
        for each in found:
            # Where the data are to blame (a calibration without the sample's language), the models have answered.
            if isinstance(each, DataError | NoScore) or not isinstance(each, BaseException):
                continue
            if self.reward is not None or isinstance(each, PbrlsvrError):
                raise each
            log.warning("the reward fails on the sample that is to warm it up, and is served: %r", each)
        self.why_not_ready = ""

    async def _answer(self, asked: list[Coroutine[Any, Any, T]], count: int, receive: Receive, param: str) -> list[T]:
        """The results of all, or the refusal of one; nothing of them runs on when this has returned.

        `count` is what they are in `waiting`.
        """
        try:
            self._admit(count)
        except Refusal:
            for each in asked:
                each.close()
            raise
        work = asyncio.gather(*asked, return_exceptions=True)
        gone = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((work, gone), timeout=self.limits.answer_s, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise self._unanswered(gone.done())
            found = work.result()
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
            self.waiting -= count
            self._answered.append((time.monotonic(), count))
        wrong = [(at, each) for at, each in enumerate(found) if isinstance(each, BaseException)]
        if wrong:
            raise _refusal(wrong, param)
        return [each for each in found if not isinstance(each, BaseException)]

    def _admit(self, count: int) -> None:
        if self.why_not_ready:
            raise later(503, "not_ready", f"not ready: {self.why_not_ready}; see /ready", 5)
        if self.waiting + count > self.limits.waiting:
            self.metrics.turned_away.inc()
            raise later(
                429,
                "busy",
                f"{self.waiting:,} samples wait, and limits.waiting={self.limits.waiting:,} may; send these {count:,} "
                "again later",
                self._pause(count),
            )
        self.waiting += count

    def _pause(self, count: int) -> int:
        """Seconds until there is room for `count`, as far as the last answers tell."""
        if len(self._answered) < 2:
            return 1
        seconds = time.monotonic() - self._answered[0][0]
        rate = sum(number for _, number in self._answered) / max(seconds, 1e-3)
        missing = self.waiting + count - self.limits.waiting
        return min(max(1, math.ceil(missing / max(rate, 1e-3))), _LONGEST_PAUSE_S)

    def _unanswered(self, left: bool) -> Refusal:
        if left:
            self.metrics.left.inc()
            return Refusal(499, "refused", "the client has left")
        return Refusal(
            504,
            "timeout",
            f"no answer within {self.limits.answer_s:g} s (limits.answer_s): {self.waiting:,} samples wait",
        )

    def _require_few_and_short(self, samples: Sequence[Sample], param: str) -> int:
        """How many samples these are, with each of their further references, which are as much work."""
        count = len(samples)
        for number, sample in enumerate(samples):
            place, info = f"{param}[{number}]", sample["extra_info"]
            own = {"response": sample["solution_str"], "data_source": sample["data_source"]}
            for name, value in {**own, "ground_truth": sample["ground_truth"], **info}.items():
                for text in _texts(value):
                    if len(text) > self.limits.characters:
                        raise _too_long(place, name, len(text), self.limits.characters)
            references = info.get(REFERENCES)
            count += len(references) if isinstance(references, list) else 0
            if count > self.limits.samples:
                raise invalid(
                    f"{place}.extra_info.{REFERENCES}",
                    references,
                    f"{self.limits.samples:,} samples and further references are the most in a request "
                    "(limits.samples); split it, or leave references out",
                )
        return count


def _too_long(place: str, name: str, length: int, most: int) -> Refusal:
    return Refusal(
        422,
        "invalid",
        f"{place}: {name!r:.80} has {length:,} characters, and {most:,} are the most (limits.characters); cut it",
        param=place,
        value=f"{length:,} characters",
    )


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value of JSON, keys too."""
    found = [value]
    while found:
        one = found.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            found += [*one, *one.values()]
        elif isinstance(one, list):
            found += one


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _refusal(wrong: list[tuple[int, BaseException]], param: str) -> Refusal:
    """One answer for all: an error of ours before one of the samples', since that one says what a new try needs."""
    refusals = [(at, of_reward(error, f"{param}[{at}]")) for at, error in wrong]
    first_at, first = max(refusals, key=lambda each: each[1].status_code)
    if first.status_code >= 500:
        error = dict(wrong)[first_at]
        log.error("%s", first.problem.message, exc_info=None if isinstance(error, PbrlsvrError) else error)
    more = [each.problem.message for _, each in refusals if each is not first]
    count = f" ({len(wrong):,} of the request's cannot be scored)" if more else ""
    return Refusal(
        first.status_code,
        first.problem.type,
        first.problem.message + count,
        param=first.problem.param,
        more=list(dict.fromkeys(more)),
    )


def _encoder(reward: Reward | None) -> Embedder | None:
    block = getattr(reward, "embedding", None)
    if not (isinstance(reward, SemanticReward) and isinstance(block, EmbeddingOptions)):
        return None
    # The block's own class holds options of the comparison, which are none of the model's.
    model = EmbeddingOptions(**{name: getattr(block, name) for name in EmbeddingOptions.model_fields})
    return embedder(model, reward.place(block))  # type: ignore[arg-type]


def _made_up(number: int) -> dict[str, Any]:
    truth = str(number + 2)
    return {
        "data_source": "warm_up",
        "solution_str": f"Zwei und {number} sind {truth}.\n#### {truth}",
        "ground_truth": truth,
        "extra_info": {
            "index": number,
            "language": "de",
            "question": f"Was sind zwei und {number}?",
            "pivot_reasoning": f"Two and {number} make {truth}.",
            "pivot_answer": truth,
            "pivot_answer_text": f"Two and {number} make {truth}.",
        },
    }


async def until_ready(door: Door, replicas: int, pause_s: float = 5.0) -> None:
    """Loads the models; goes on trying where a service does not answer yet.

    Raises:
        PbrlsvrError: it will never be ready; with the reason.
    """
    while True:
        try:
            await door.warm_up(replicas)
            return
        except ServiceError as error:
            door.why_not_ready = f"{type(error).__name__}: {error}"
            log.warning("not ready: %s", error)
            await asyncio.sleep(pause_s)
