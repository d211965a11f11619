"""Requests to a chat model, through the journal."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError
from pbrlsvr.serving.chat import chat
from pbrlsvr.serving.endpoint import Endpoint, EndpointOptions
from pbrlsvr_plugin.prepare.requests.concurrent import Answers, RateLimit
from pbrlsvr_plugin.prepare.requests.journal import Journal, request_key
from pbrlsvr_plugin.prepare.stage import operational

PROMPTS = Path(__file__).with_name("prompts")


@dataclass(frozen=True)
class ChatOptions:
    """A chat model behind an OpenAI-compatible endpoint.

    Attributes:
        model: its name there. It stands for the model in the journal: give another model another name.
        urls: base URLs, such as "http://host:8000/v1"; several share the load.
        api_key_env: the environment variable that holds the key of these servers; see `EndpointOptions`.
        temperature, top_p, max_tokens: sampling.
        body: further fields of the request, as in {"chat_template_kwargs": {"enable_thinking": false}}.
        timeout_s, retries, max_concurrency: see `pbrlsvr.serving.endpoint.EndpointOptions`.
        requests_per_minute, tokens_per_minute: limits of the service; 0 is none.
        give_up_after: so many failed requests in a row stop the run.
    """

    model: str = ""
    urls: tuple[str, ...] = operational(default=())
    api_key_env: str | None = operational(default=None)
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 4096
    body: dict[str, Any] = field(default_factory=dict)
    timeout_s: float = operational(default=600.0)
    retries: int = operational(default=5)
    max_concurrency: int = operational(default=64)
    requests_per_minute: float = operational(default=0)
    tokens_per_minute: float = operational(default=0)
    give_up_after: int = operational(default=20)

    def __post_init__(self) -> None:
        if isinstance(self.urls, str):
            object.__setattr__(self, "urls", (self.urls,))
        object.__setattr__(self, "urls", tuple(self.urls))
        for name, least in (("max_tokens", 1), ("give_up_after", 1), ("max_concurrency", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name}={value!r} must be a whole number of {least} or more")
        for name in ("temperature", "requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ConfigError(f"{name}={value!r} must be a number of 0 or more")
        if any(name in self.body for name in ("model", "messages", "n", "seed", "stream", "api_key")):
            raise ConfigError(f"body={sorted(self.body)} may not hold model, messages, n, seed, stream or a key")

    def endpoint(self) -> EndpointOptions:
        """Where to ask, and how long to insist.

        Raises:
            ConfigError: no model or no URL is given.
        """
        if not self.model or not self.urls:
            raise ConfigError(
                f"model={self.model!r} and urls={list(self.urls)} must both be given, as in model=Qwen/Qwen3-32B and "
                "urls=[http://host:8000/v1]"
            )
        return EndpointOptions(
            urls=self.urls,
            api_key_env=self.api_key_env,
            timeout_s=self.timeout_s,
            retries=self.retries,
            max_concurrency=self.max_concurrency,
            deadline_s=max(600.0, self.timeout_s * 2),
        )


class Asker:
    """Asks a chat model, each request once and for good."""

    def __init__(self, options: ChatOptions, journal: Journal):
        self.answers = Answers(journal)
        self.tokens = {"prompt_tokens": 0, "completion_tokens": 0}
        self._options = options
        self._endpoint = Endpoint(options.endpoint())
        self._limit = RateLimit(options.requests_per_minute, options.tokens_per_minute)
        self._slots: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}

    async def ask(self, prompt: str, seed: int, candidate: int = 0, attempt: int = 0) -> dict[str, Any]:
        """One completion: {"text", "thinking", "finish_reason", "usage"}.

        Args:
            prompt: the user's turn.
            seed: of the run.
            candidate: the number of the answer to the same prompt.
            attempt: counts up where an answer was cut off and is asked for again.

        Raises:
            RejectedError: the server refuses the request.
            ServiceError: no usable answer.
        """
        messages = [{"role": "user", "content": prompt}]
        request = chat_request(self._options, messages, seed, candidate, attempt)
        key = request_key("chat", **request)
        answer: dict[str, Any] = await self.answers.get(key, lambda: self._ask(request, len(prompt)))
        return answer

    async def aclose(self) -> None:
        await self._endpoint.aclose()

    async def _ask(self, request: Mapping[str, Any], characters: int) -> dict[str, Any]:
        fields = {name: value for name, value in request.items() if name not in ("candidate", "attempt")}
        async with self._slot():
            estimate = await self._limit.wait(characters)
            completion = (await chat(self._endpoint, **fields))[0]
        usage = {name: int(completion.usage.get(name) or 0) for name in self.tokens}
        for name, count in usage.items():
            self.tokens[name] += count
        self._limit.used(estimate, sum(usage.values()), usage["completion_tokens"])
        return {
            "text": completion.text,
            "thinking": completion.reasoning,
            "finish_reason": completion.finish_reason,
            "usage": usage,
        }

    def _slot(self) -> asyncio.Semaphore:
        # Here and not in the endpoint alone: a turn of the rate limit must not be used up while waiting for a slot.
        loop = asyncio.get_running_loop()
        if loop not in self._slots:
            self._slots = {loop: asyncio.Semaphore(self._options.max_concurrency)}
        return self._slots[loop]


def chat_request(
    options: ChatOptions, messages: list[dict[str, str]], seed: int, candidate: int, attempt: int
) -> dict[str, Any]:
    """Everything that determines an answer. At temperature 0 no seed is sent, and none counts."""
    request: dict[str, Any] = {
        "model": options.model,
        "messages": messages,
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
        **options.body,
    }
    if options.temperature:
        request |= {"top_p": options.top_p, "seed": (seed * 1_000_003 + candidate * 101 + attempt) % (1 << 31)}
        request |= {"candidate": candidate, "attempt": attempt}
    return request


def read_prompt(name: str, *places: str) -> str:
    """The text of a prompt: a built-in one by its name, or a file.

    Args:
        name: "reference_math", or a path.
        places: what must stand in it, as in "{question}".

    Raises:
        ConfigError: there is no such prompt, or it lacks a place.
    """
    path = prompt_path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = sorted(file.stem for file in PROMPTS.glob("*.txt"))
        raise ConfigError(
            f"there is no prompt {name!r} ({error}); built in are {known}, or give a text file"
        ) from error
    if missing := [place for place in places if place not in text]:
        raise ConfigError(f"the prompt {str(path)!r} lacks {missing}, where the texts go")
    return text


def prompt_path(name: str) -> Path:
    """The file of a prompt."""
    built_in = PROMPTS / f"{name}.txt"
    return built_in if built_in.is_file() else Path(name).expanduser()


def fill(prompt: str, **values: str) -> str:
    """The prompt with its places filled; other braces stay, as LaTeX is full of them.

    >>> fill("Solve {question} in \\\\frac{a}{b}", question="{x}")
    'Solve {x} in \\\\frac{a}{b}'
    """
    parts = prompt.split("{")
    filled = [parts[0]]
    for part in parts[1:]:
        name, closing, rest = part.partition("}")
        filled.append(values[name] + rest if closing and name in values else "{" + part)
    return "".join(filled)
