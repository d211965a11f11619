"""What the bodies of all dialects share: strict JSON, text, a row, and prepare's label."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pbrlsvr_plugin.serve.errors import Refusal, invalid, place
from pbrlsvr_plugin.serve.strict_json import NotJson, parsed, read


class StrictRoute(APIRoute):
    """A route whose body is read by `strict_json`."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return handle


#: Lists of which a request has an entry for each sample.
_FOR_EACH = ("samples", "query", "prompts", "labels", "input")


class _StrictRequest(Request):
    async def json(self) -> Any:
        try:
            value = await read(await self.body())
        except NotJson as error:
            raise Refusal(400, "invalid", f"the body is no JSON: {error}") from None
        most = self.app.state.door.limits.samples
        # Before each of them is looked at, which takes much longer than it took to send them.
        for name in _FOR_EACH if isinstance(value, dict) else ():
            if isinstance(value.get(name), list) and len(value[name]) > most:
                raise invalid(name, value[name], f"{most:,} are the most in a request (limits.samples); split it")
        return value


class OpenBody(BaseModel):
    """A request of a trainer, which may send more than is read here."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


Number = int | float


class ExtraInfo(OpenBody):
    """What a row says besides: as `pbrlsvr prepare` writes it. Other keys are passed on to the reward."""

    language: str | None = Field(default=None, description="The row's BCP-47 code, as sw.")
    question: str | None = Field(default=None, description="The question, in the row's language.")
    pivot_reasoning: str | None = Field(default=None, description="The English reference.")
    pivot_answer: str | Number | None = Field(default=None, description="Its final answer.")
    pivot_answer_text: str | None = Field(default=None, description="The English sentence that states the answer.")
    index: Any = Field(default=None, description="Names the row in errors.")


class Row(BaseModel):
    """What a reward is told of a row besides the response."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    data_source: str = Field(default="http", description="name/language of the data set; named in errors.")
    ground_truth: str | Number | None = Field(default=None, description="The right final answer.")
    extra_info: ExtraInfo = Field(default=ExtraInfo(), description="What the row says besides.")


def sample(response: str, row: Mapping[str, Any], number: int = 0) -> dict[str, Any]:
    """The arguments of a reward function."""
    truth, info = row.get("ground_truth"), row.get("extra_info") or {}
    index = number if info.get("index") is None else info["index"]
    return {
        "data_source": row.get("data_source") or "http",
        "solution_str": response,
        "ground_truth": truth if truth is None or isinstance(truth, str) else str(truth),
        "extra_info": {**info, "index": index},
    }


def row_of(label: Any, param: str) -> dict[str, Any]:
    """The row in a label: `pbrlsvr prepare` writes data_source, ground_truth and extra_info as JSON into it.

    Raises:
        Refusal: it has the keys of a row, and cannot be one.

    Example:
        >>> row_of("18", "labels[0]")
        {'ground_truth': '18'}
    """
    found = label
    if isinstance(label, str) and label.lstrip().startswith("{"):
        try:
            found = parsed(label.encode("utf-8", "surrogatepass"))
        except (NotJson, UnicodeError):
            found = label  # a set, as {1, 2}
    if isinstance(found, dict):
        if not found.keys() & {"data_source", "ground_truth", "extra_info"}:
            raise invalid(param, label, "an object has data_source, ground_truth and extra_info, as prepare writes it")
        return checked_row(found, param)
    if found is None or isinstance(found, str | int | float):
        return {"ground_truth": None if found is None else str(found)}
    raise invalid(param, label, "a label is a text, a number, null, or an object as prepare writes it")


def checked_row(row: Mapping[str, Any], param: str) -> dict[str, Any]:
    """A row whose fields have the right types.

    Raises:
        Refusal: one has not.
    """
    try:
        return Row.model_validate({name: value for name, value in row.items() if value is not None}).model_dump(
            exclude_unset=True
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid(f"{param}.{place({**first}, row)}", first.get("input"), first["msg"]) from None
