"""Chat completions of an OpenAI-compatible server, with the reasoning apart from the answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pbrlsvr.serving.endpoint import BadResponse, Endpoint, RejectedError

# Tokens of an answer where the request names no limit, and of what a chat template puts around a message.
_LONGEST_ANSWER = 2**20
_TEMPLATE_TOKENS = 1024
_WORD = re.compile(r"\w{1,40}", re.ASCII)

#: The `finish_reason` of an answer that the server's filter took away or cut off, or of a refusal in its own field.
FILTERED = "content_filter"
# What servers call that, beside OpenAI's word: Anthropic's, Google's, Amazon's, Zhipu's.
_FILTERED = {
    FILTERED, "contentfilter", "refusal", "safety", "sensitive", "recitation", "prohibited_content", "blocklist",
    "blocked", "spii", "guardrail_intervened",
}  # fmt: skip
# The same, said of the question with a status: Azure's, OpenAI's, DeepSeek's and DashScope's words.
_FILTERED_QUESTION = re.compile(
    r"(?i)content[_ ]?filter|content management policy|ResponsibleAIPolicyViolation|content exists risk"
    r"|data[_ ]?inspection[_ ]?failed|inappropriate content|usage polic(?:y|ies)"
)
_STATUS_OF_A_FILTER = frozenset({400, 403, 422, 451})


@dataclass(frozen=True)
class Completion:
    """One answer of a chat model.

    Attributes:
        text: the answer, without the reasoning.
        reasoning: what the model thought before, "" where it does not show that.
        finish_reason: "stop", "length" (cut off at max_tokens), "content_filter" (refused by the server's filter, or by
            the model in the field `refusal`), or another word of the server.
        usage: "prompt_tokens" and "completion_tokens" of the request that gave it, shared by all its completions;
            without a count that is missing, or that the request cannot have.
    """

    text: str
    reasoning: str
    finish_reason: str
    usage: Mapping[str, int]


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
        most = _most_tokens(messages, missing, sampling)
        completions += (await endpoint.post("/chat/completions", payload, partial(_read, most=most)))[:missing]
    hide = endpoint.without_keys
    return [replace(each, text=hide(each.text), reasoning=hide(each.reasoning)) for each in completions]


def _most_tokens(messages: Sequence[Mapping[str, Any]], n: int, sampling: Mapping[str, Any]) -> dict[str, int]:
    """The most that a request can cost; a server that says more does not say the truth."""
    limits = [sampling.get("max_tokens"), sampling.get("max_completion_tokens")]
    answer = max((limit for limit in limits if isinstance(limit, int)), default=_LONGEST_ANSWER)
    # No tokenizer needs more tokens than bytes; a template adds some words to each message.
    prompt = sum(len(str(message).encode("utf-8", "replace")) + _TEMPLATE_TOKENS for message in messages)
    return {"prompt_tokens": prompt, "completion_tokens": n * answer}


def _read(body: Any, most: Mapping[str, int]) -> list[Completion]:
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list):  # routers answer 200 with an error inside
        raise BadResponse("the answer holds no list 'choices'")
    usage = _usage(body.get("usage"), most)
    # A choice that cannot be read takes no other with it: it is asked for again.
    found = [completion for choice in choices if (completion := _completion(choice, usage)) is not None]
    if not found:
        raise BadResponse("the answer holds no choice with a 'message' whose content is a text")
    return found


def _usage(usage: Any, most: Mapping[str, int]) -> dict[str, int]:
    found = {}
    for name, limit in most.items():
        count = usage.get(name) if isinstance(usage, dict) else None
        if isinstance(count, int | float) and not isinstance(count, bool) and 0 <= count <= limit:
            found[name] = int(count)
    return found


def _completion(choice: Any, usage: dict[str, int]) -> Completion | None:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return None
    text = _text(message.get("content"))
    if text is None:
        return None
    reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning")) or ""
    if not reasoning:
        reasoning, text = split_thinking(text)
    found = choice.get("finish_reason")
    reason = found if isinstance(found, str) and _WORD.fullmatch(found) else ""
    if reason.casefold() in _FILTERED or (not text and _text(message.get("refusal"))):
        reason = FILTERED
    return Completion(text, reasoning, reason, usage)


def is_filtered(error: RejectedError) -> bool:
    """Whether a request is refused because the server's filter does not want the question.

    Example:
        >>> is_filtered(RejectedError("", 400, '{"error": {"code": "content_filter"}}'))
        True
        >>> is_filtered(RejectedError("", 400, "too many tokens"))
        False
    """
    return error.status in _STATUS_OF_A_FILTER and bool(_FILTERED_QUESTION.search(error.body))


def _text(content: Any) -> str | None:
    """The text of a message's field: a text, nothing, or a list of typed parts; `None` where it is none of them."""
    if content is None:
        return ""
    if isinstance(content, list):
        parts: list[Any] = [(part.get("text") or "") if isinstance(part, dict) else None for part in content]
        content = "".join(parts) if all(isinstance(part, str) for part in parts) else None
    if not isinstance(content, str):
        return None
    # JSON can hold half of a surrogate pair, which no file can.
    return content if content.isascii() else content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def split_thinking(text: str) -> tuple[str, str]:
    """Reasoning and answer; templates that put `<think>` into the prompt leave only `</think>` in the answer."""
    opened = text.lstrip().startswith("<think>")
    thought, closing, answer = text.partition("</think>")
    if not opened and (not closing or "<think>" in thought):
        return "", text
    return thought.strip().removeprefix("<think>").strip(), answer.strip()
