"""Requests to a chat model, through the journal."""

import asyncio
import logging
import re
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, ServiceError
from pbrlsvr.serving.chat import FILTERED, Completion, chat, is_filtered
from pbrlsvr.serving.endpoint import BusyError, Endpoint, RejectedError
from pbrlsvr_plugin.prepare.requests.concurrent import Answers, RateLimit, RefusedAnswer
from pbrlsvr_plugin.prepare.requests.cost import TOKENS, Cost, tokens_of
from pbrlsvr_plugin.prepare.requests.journal import Journal, request_key
from pbrlsvr_plugin.prepare.requests.options import ChatOptions
from pbrlsvr_plugin.prepare.stage import Estimate

log = logging.getLogger(__name__)

#: How often a question is asked whose answer has nothing in it.
_EMPTY_TRIES = 3
_CHARACTERS_OF_A_TOKEN = 4
_LONGEST_PAUSE_S = 86_400.0
PROMPTS = Path(__file__).with_name("prompts")


class EmptyAnswer(ServiceError):  # noqa: N818
    """A server has answered with status 200 and nothing in it."""


def is_empty(answer: Mapping[str, Any], thought_counts: bool = False) -> bool:
    r"""Whether an answer says nothing: it has no letter and no digit. One that was cut off or refused is not empty.

    With `thought_counts`, what the model thought before an answer of nothing is wanted as well.

    >>> is_empty({"text": "...\u200b", "thinking": "Hm.", "finish_reason": "stop"})
    True
    """
    said = answer["text"] + (answer["thinking"] if thought_counts else "")
    return not any(map(str.isalnum, said)) and answer["finish_reason"] not in ("length", FILTERED)


def is_asked_again(answer: Mapping[str, Any], options: ChatOptions) -> bool:
    """Whether an answer that the journal has is asked for once more: an empty one; a refusal where that is wanted."""
    refused = answer["finish_reason"] == FILTERED
    return is_empty(answer, options.takes_thoughts) or (refused and options.again_if_refused)


class Asker:
    """Asks a chat model, each request once and for good."""

    def __init__(self, options: ChatOptions, journal: Journal):
        self.answers = Answers(journal, options.max_concurrency)
        self._cost = Cost()
        self._journal = journal
        self._said_until = 0.0
        self._options = options
        self._endpoint = Endpoint(options.endpoint())
        self._limit = RateLimit(options.requests_per_minute, options.tokens_per_minute)

    async def ask(
        self, prompt: str | list[dict[str, str]], seed: int, candidate: int = 0, attempt: int = 0
    ) -> dict[str, Any]:
        """One completion: {"text", "thinking", "finish_reason", "usage"}.

        Args:
            prompt: the user's turn, or all messages.
            seed: of the run.
            candidate: the number of the answer to the same prompt.
            attempt: counts up where an answer was cut off and is asked for again.

        Raises:
            RefusedAnswer: the server's filter does not let it pass; the journal keeps that.
            RejectedError: the server refuses the request.
            ServiceError: no usable answer.
        """
        request = chat_request(self._options, prompt, seed, candidate, attempt)
        key, length = request_key("chat", **request), sum(len(message["content"]) for message in request["messages"])
        asked = partial(self._ask_again, key, request, length)
        answer: dict[str, Any] = await self.answers.get(key, asked, partial(self._is_useless, key))
        self._cost.add(key, answer)
        if answer["finish_reason"] == FILTERED:
            raise RefusedAnswer(
                f"the server's filter has refused it: the model {self._options.model!r} gave "
                f"{len(answer['text'])} characters (finish_reason {FILTERED!r})"
            )
        if is_empty(answer, self._options.takes_thoughts):
            raise EmptyAnswer(
                f"the model {self._options.model!r} has answered with nothing, {_EMPTY_TRIES} times (finish_reason "
                f"{answer['finish_reason']!r}); nothing is kept of it, and the next run asks again"
            )
        return answer

    def facts(self) -> dict[str, int]:
        """How many requests this run has made, and what all answers cost that it used, also those of earlier runs."""
        return {"asked": self.answers.asked, "from_journal": self.answers.kept, **self._cost.facts}

    async def aclose(self) -> None:
        await self._endpoint.aclose()

    async def _ask_again(self, key: str, request: Mapping[str, Any], characters: int) -> dict[str, Any]:
        """An answer that says something, or the last of `_EMPTY_TRIES` empty ones; with the cost of all of them."""
        spent = (self._journal.get(key) or {}).get("usage", {})
        for _ in range(_EMPTY_TRIES):
            answer = await self._ask(request, characters)
            usage = answer["usage"]
            answer["usage"] = spent = {name: usage[name] + tokens_of(spent, name) for name in usage}
            if not is_empty(answer, self._options.takes_thoughts):
                break
        return answer

    def _is_useless(self, key: str, answer: Mapping[str, Any]) -> bool:
        """Whether what the journal has is asked for again; a refusal where that is wanted, once a run."""
        refused_before = answer["finish_reason"] == FILTERED and key in self._cost
        return is_asked_again(answer, self._options) and not refused_before

    async def _ask(self, request: Mapping[str, Any], characters: int) -> dict[str, Any]:
        fields = {name: value for name, value in request.items() if name not in ("candidate", "attempt")}
        estimate = await self._limit.wait(characters)
        try:
            completion = (await self._when_open(fields))[0]
        except RejectedError as error:
            if not is_filtered(error):
                raise
            completion = Completion("", "", FILTERED, {})
        usage = {name: tokens_of(completion.usage, name) for name in TOKENS}
        self._limit.used(estimate, sum(usage.values()), usage["completion_tokens"])
        return {
            "text": completion.text,
            "thinking": completion.reasoning,
            "finish_reason": completion.finish_reason[:40],
            "usage": usage,
        }

    async def _when_open(self, fields: Mapping[str, Any]) -> list[Completion]:
        """The completions; while the servers ask for a pause (429 with Retry-After), this waits, for a day at most."""
        until = time.monotonic() + _LONGEST_PAUSE_S
        while True:
            try:
                return await chat(self._endpoint, **fields)
            except BusyError as error:
                if time.monotonic() + error.seconds > until:
                    raise
                if time.monotonic() >= self._said_until:
                    log.warning("the servers ask for a pause of %.0f s (429, Retry-After); waiting", error.seconds)
                    self._said_until = time.monotonic() + error.seconds
                # A second at least: "Retry-After: 0" for ever would be asked as fast as it answers.
                await asyncio.sleep(max(error.seconds, 1.0))


def chat_request(
    options: ChatOptions, prompt: str | list[dict[str, str]], seed: int, candidate: int = 0, attempt: int = 0
) -> dict[str, Any]:
    """Everything that determines an answer. At temperature 0 no seed is sent, and none counts."""
    request: dict[str, Any] = {
        "model": options.model,
        "messages": user_turn(prompt) if isinstance(prompt, str) else prompt,
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
        **options.body,
    }
    if options.temperature:
        request |= {"top_p": options.top_p, "seed": (seed * 1_000_003 + candidate * 101 + attempt) % (1 << 31)}
        request |= {"candidate": candidate, "attempt": attempt}
    return request


def user_turn(prompt: str) -> list[dict[str, str]]:
    """The messages of a request with this prompt."""
    return [{"role": "user", "content": prompt}]


def estimate_of(
    requests: Iterable[tuple[str, int]], journal: Journal, answer_tokens: int, options: ChatOptions
) -> Estimate:
    """The estimate for requests, given as the key and the characters of the prompt; each key counts once.

    Answers are taken to be as long as those of the same requests in the journal, or else to have `answer_tokens`.
    """
    seen: set[int] = set()
    new = known = characters = stated = 0
    for key, length in requests:
        if hash(key) in seen:
            continue
        seen.add(hash(key))
        answer = journal.get(key)
        if answer is None or (isinstance(answer, dict) and is_asked_again(answer, options)):
            new, characters = new + 1, characters + length
        else:
            known += 1
            stated += tokens_of(answer["usage"], "completion_tokens") if isinstance(answer, dict) else 0
    mean = stated // known if stated else answer_tokens
    return Estimate(new, known, characters // _CHARACTERS_OF_A_TOKEN, new * mean)


def check_server(options: ChatOptions) -> None:
    """Asks the servers for one token: are they there, do they know the model and accept the key?

    Raises:
        PbrlsvrError: they do not, or not now.
    """

    async def ask() -> None:
        endpoint = Endpoint(options.model_copy(update={"retries": 1}).endpoint())
        try:
            body = {**options.body, "max_tokens": 1}
            await chat(endpoint, options.model, user_turn("1"), **body)
        except BusyError:
            pass  # it is there
        finally:
            await endpoint.aclose()

    asyncio.run(ask())


def read_prompt(name: str, *places: str) -> str:
    """The text of a prompt: a built-in one by its name, or a file.

    Raises:
        ConfigError: there is no such prompt, or it lacks a place.
    """
    path = prompt_path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _no_prompt(name, str(error)) from error
    if missing := [place for place in places if place not in text]:
        raise ConfigError(f"the prompt {str(path)!r} lacks {missing}, where the texts go")
    return text


def prompt_path(name: str) -> Path:
    """The file of a prompt.

    Raises:
        ConfigError: there is no such file.
    """
    built_in = PROMPTS / f"{name}.txt"
    path = built_in if built_in.is_file() else Path(name).expanduser()
    if not path.is_file():
        raise _no_prompt(name, "it is no file")
    return path


def _no_prompt(name: str, why: str) -> ConfigError:
    known = sorted(file.stem for file in PROMPTS.glob("*.txt"))
    return ConfigError(f"there is no prompt {name!r} ({why}); built in are {known}, or give a text file")


def fill(prompt: str, **values: str) -> str:
    """The prompt with its places filled; other braces stay, as LaTeX is full of them.

    >>> fill("Solve {question} in \\\\frac{a}{b}", question="{x}")
    'Solve {x} in \\\\frac{a}{b}'
    """
    return re.sub(r"\{(\w+)\}", lambda place: values.get(place[1], place[0]), prompt)
