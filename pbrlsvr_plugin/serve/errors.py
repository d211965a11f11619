"""What is wrong with a request, or with us, as JSON: the bad value, the place, and the fix."""

from collections.abc import Mapping, Sequence
from reprlib import Repr
from typing import Any

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from pbrlsvr.errors import DataError, PbrlsvrError, ServiceError
from pbrlsvr_plugin.serve.strict_json import Reply

_SHOWN = 200
_MORE = 10
_LONGEST = 4000
_KEY = 80
_NOTHING: Any = object()
_short = Repr()
_short.maxstring = _short.maxother = _SHOWN


class Problem(BaseModel):
    """What is wrong."""

    type: str = Field(description="invalid, refused, busy, draining, not_ready, timeout, service or internal.")
    message: str = Field(description="All of it, in one text.")
    param: str | None = Field(default=None, description="The field of the request, as samples[3].response.")
    value: str | None = Field(default=None, description="What stands there, shortened.")
    more: list[str] = Field(default=[], description="What else is wrong, where there is more than one thing.")


class ErrorBody(BaseModel):
    """Every answer that is not 2xx."""

    error: Problem


class Refusal(HTTPException):
    """An answer that is no score."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        param: str | None = None,
        value: Any = _NOTHING,
        more: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ):
        message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."
        super().__init__(status, message, dict(headers or {}))
        self.problem = Problem(
            type=kind,
            message=message,
            param=param,
            value=None if value is _NOTHING else shown(value),
            more=list(more[:_MORE]),
        )

    def reply(self) -> Reply:
        """As it is sent."""
        return Reply({"error": self.problem.model_dump()}, self.status_code, self.headers)


def later(status: int, kind: str, message: str, seconds: int) -> Refusal:
    """429 or 503: the same request can be answered in `seconds`."""
    return Refusal(status, kind, message, headers={"Retry-After": str(seconds)})


def invalid(param: str, value: Any, what: str) -> Refusal:
    """422: the field, what stands there, and what should."""
    return Refusal(422, "invalid", f"{param} = {shown(value)}: {what}", param=param, value=value)


def shown(value: Any) -> str:
    """A value in an error, shortened before it is written out."""
    if isinstance(value, str | bytes):
        text = repr(value[:_SHOWN]) + ("..." if len(value) > _SHOWN else "")
    elif isinstance(value, list | dict) and len(value) > _MORE:
        text = f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    else:
        text = _short.repr(value)
    return text if len(text) <= _SHOWN + 5 else text[:_SHOWN] + "..."


def of_reward(error: BaseException, param: str) -> Refusal:
    """The answer for an error of a reward: what the request is to blame for, and what it is not."""
    if isinstance(error, DataError):
        return Refusal(422, "invalid", f"{param}: {error}", param=param)
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, ServiceError):
        return Refusal(502, "service", f"{param}: {said}")
    failed = "" if isinstance(error, PbrlsvrError) else "the reward failed with "
    return Refusal(500, "internal", f"{param}: {failed}{said}")


def place(error: Mapping[str, Any], body: Any) -> str:
    """Where in a body an error of pydantic's is; its names for the kinds of a union are left out.

    Example:
        >>> place({"type": "string_type", "loc": ("samples", 0, "truth", "str")}, {"samples": [{"truth": []}]})
        'samples[0].truth'
    """
    found = ""
    for part in error["loc"]:
        try:
            body = body[part]
        except (LookupError, TypeError):
            if error["type"] != "missing":
                break
            body = None
        if isinstance(part, int):
            found += f"[{part}]"
        else:
            found += ("." if found else "") + (part if len(part) <= _KEY else f"{part[:_KEY]}...")
    return found or "the body"


async def on_invalid(_: Request, error: Exception) -> Reply:
    """The answer where a body does not have the form of its route."""
    assert isinstance(error, RequestValidationError)
    found = [(place({**each, "loc": each["loc"][1:]}, error.body), each) for each in error.errors()]
    texts = [f"{where} = {shown(each.get('input'))}: {_said(each)}" for where, each in found[: _MORE + 1]]
    where, first = found[0]
    refusal = Refusal(422, "invalid", texts[0], param=where, value=first.get("input"), more=texts[1:])
    return refusal.reply()


def _said(each: Mapping[str, Any]) -> str:
    if each["type"] == "missing":
        return "it is missing; add it"
    if each["type"] == "extra_forbidden":
        return "there is no such field; remove it (/openapi.json has the fields)"
    return str(each["msg"])


async def on_refusal(_: Request, error: Exception) -> Reply:
    """The answer for a refusal of ours, and for what FastAPI itself refuses (no such path, another method)."""
    if isinstance(error, Refusal):
        return error.reply()
    assert isinstance(error, StarletteHTTPException)
    fix = {404: "; /openapi.json has the paths", 405: "; see the header Allow"}.get(error.status_code, "")
    return Refusal(error.status_code, "refused", f"{error.detail}{fix}", headers=error.headers).reply()
