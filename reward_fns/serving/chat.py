"""Chat completions of an OpenAI-compatible server, with the reasoning apart from the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pbrlsvr.serving.endpoint import BadResponse, Endpoint


@dataclass(frozen=True)
class Completion:
    """One answer of a chat model.

    Attributes:
        text: the answer, without the reasoning.
        reasoning: what the model thought before, "" where it does not show that.
        finish_reason: "stop", "length" (cut off at max_tokens), or another word of the server.
        usage: token counts of the request that gave it, shared by all completions of that request.
    """

    text: str
    reasoning: str
    finish_reason: str
    usage: Mapping[str, Any]


async def chat(
    endpoint: Endpoint, model: str, messages: Sequence[Mapping[str, Any]], n: int = 1, **sampling: Any
) -> list[Completion]:
    """`n` completions of a chat.

    Args:
        endpoint: the servers.
        model: the name under which they serve it.
        messages: `[{"role": "user", "content": "..."}, ...]`.
        n: how many. A server that gives fewer at once is asked again for the rest, with the next seed if there is one.
        sampling: further fields of the request, such as `temperature`, `max_tokens`, `seed`.

    Raises:
        RejectedError: the server refuses the request.
        ServiceError: no usable answer, after bounded retries.

    Example:
        >>> answers = await chat(endpoint, "m", [{"role": "user", "content": "2+2?"}], temperature=0)  # doctest: +SKIP
        >>> answers[0].text  # doctest: +SKIP
        '4'
    """
    completions: list[Completion] = []
    while len(completions) < n:
        missing, fields = n - len(completions), dict(sampling)
        if missing > 1:
            fields["n"] = missing
        if fields.get("seed") is not None:
            fields["seed"] += len(completions)
        payload = {"model": model, "messages": [*messages], **fields}
        completions += (await endpoint.post("/chat/completions", payload, _read))[:missing]
    return completions


def _read(body: Any) -> list[Completion]:
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list) or not body["choices"]:
        # Routers answer 200 with an error inside.
        raise BadResponse(f"the answer holds no 'choices': {str(body)[:300]!r}")
    usage = body.get("usage")
    return [_completion(choice, usage if isinstance(usage, dict) else {}) for choice in body["choices"]]


def _completion(choice: Any, usage: dict[str, Any]) -> Completion:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise BadResponse(f"a choice holds no 'message': {str(choice)[:300]!r}")
    text = _text(message.get("content"))
    reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    if not reasoning:
        reasoning, text = split_thinking(text)
    return Completion(text, reasoning, str(choice.get("finish_reason") or ""), usage)


def _text(content: Any) -> str:
    """The text of a message's field: a text, nothing, or a list of typed parts."""
    if content is None:
        return ""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        raise BadResponse(f"a message's content is neither a text nor a list of parts: {str(content)[:300]!r}")
    return content


def split_thinking(text: str) -> tuple[str, str]:
    """Reasoning and answer; templates that put `<think>` into the prompt leave only `</think>` in the answer."""
    opened = text.lstrip().startswith("<think>")
    thought, closing, answer = text.partition("</think>")
    if not opened and (not closing or "<think>" in thought):
        return "", text
    return thought.strip().removeprefix("<think>").strip(), answer.strip()
