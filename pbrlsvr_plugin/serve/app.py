"""The application: the routes that every server has, and those of the dialects."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

import pbrlsvr
from pbrlsvr_plugin.serve.dialects import DIALECTS
from pbrlsvr_plugin.serve.door import Door
from pbrlsvr_plugin.serve.errors import ErrorBody, Refusal, on_invalid, on_refusal
from pbrlsvr_plugin.serve.gate import Gate
from pbrlsvr_plugin.serve.metrics import CONTENT_TYPE
from pbrlsvr_plugin.serve.strict_json import Reply

_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "Bearer.", "schema": {"type": "string"}}}
#: What every route that takes a body may answer besides.
_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "No JSON, or no HTTP."},
    401: {"model": ErrorBody, "description": "The token is missing or wrong.", "headers": _CHALLENGE},
    404: {"model": ErrorBody, "description": "There is no such model here."},
    408: {"model": ErrorBody, "description": "The request took too long to arrive."},
    413: {"model": ErrorBody, "description": "The body is too large."},
    415: {"model": ErrorBody, "description": "No application/json, or compressed."},
    422: {"model": ErrorBody, "description": "A field, its value, and the fix."},
    429: {"model": ErrorBody, "description": "Too much waits.", "headers": _RETRY},
    500: {"model": ErrorBody, "description": "A model failed; never a score of 0."},
    502: {"model": ErrorBody, "description": "What serves a model failed."},
    503: {"model": ErrorBody, "description": "Not ready yet, or shutting down.", "headers": _RETRY},
    504: {"model": ErrorBody, "description": "No answer in time."},
}

routes = APIRouter(tags=["server"])


class Health(BaseModel):
    """The server runs."""

    status: str = Field(examples=["ok"])
    version: str


class Readiness(BaseModel):
    """Whether samples can be scored."""

    ready: bool
    why: str = Field(description="What it waits for; empty where it is ready.")


@routes.get("/health", response_model=Health)
async def health() -> Response:
    """The process runs, whether or not it is ready. Needs no token."""
    return Reply({"status": "ok", "version": pbrlsvr.__version__})


@routes.get("/ready", response_model=Readiness, responses={503: {"model": Readiness, "headers": _RETRY}})
async def ready(request: Request) -> Response:
    """200 where the models are loaded and nobody has asked the server to stop; else 503. Needs no token."""
    door: Door = request.app.state.door
    why = "shutting down" if door.draining else door.why_not_ready and "the models do not answer yet; see the log"
    return Reply({"ready": not why, "why": why}, 503 if why else 200, {"Retry-After": "5"} if why else None)


@routes.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        401: _REFUSED[401],
        503: _REFUSED[503],
    },
)
async def metrics(request: Request) -> Response:
    """For Prometheus."""
    return Response(request.app.state.door.metrics.text(), media_type=None, headers={"Content-Type": CONTENT_TYPE})


def application(door: Door, token: str | None) -> Callable[..., Awaitable[None]]:
    """The ASGI application."""
    app = FastAPI(
        title="pbrlsvr serve",
        version=pbrlsvr.__version__,
        description=f"{door.described}. A model that fails is 5xx with its cause, never a score of 0.",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.door = door
    app.include_router(routes)
    for router in DIALECTS:
        app.include_router(router, responses=_REFUSED)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(StarletteHTTPException, on_refusal)
    app.add_exception_handler(Exception, _on_bug)
    if token is not None:
        _describe_token(app)
    return Gate(app, door, token)


async def _on_bug(_: Request, error: Exception) -> Response:
    """Nothing of what a request holds, or the server's files, is in it; the traceback is in the log."""
    return Refusal(500, "internal", f"the server failed with {type(error).__name__}; its log has more").reply()


def _describe_token(app: FastAPI) -> None:
    schema = app.openapi()
    schema.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, methods in schema["paths"].items():
        if path not in ("/health", "/ready"):
            for method in methods.values():
                method["security"] = [{"token": []}]
