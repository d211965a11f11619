"""`/v1/embeddings`, `/v1/models`: the reward's encoder as OpenAI's API has it, so that rewards elsewhere can share it.

A text is encoded as it is: the prompt that a model's card asks for is the client's to send, as pbrlsvr's own does. Long
texts are split and pooled. The vectors have the norm 1.
"""

import base64
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pbrlsvr.models.embedding.cards import last_part
from pbrlsvr_plugin.serve.bodies import OpenBody, StrictRoute
from pbrlsvr_plugin.serve.door import Door
from pbrlsvr_plugin.serve.errors import Refusal, invalid
from pbrlsvr_plugin.serve.strict_json import Reply

routes = APIRouter(route_class=StrictRoute, tags=["embeddings"])

EXAMPLE: dict[str, Any] = {
    "model": "intfloat/multilingual-e5-small",
    "input": ["query: Ana has 17 apples.", "query: Ana tiene 17 manzanas."],
    "encoding_format": "float",
}


class EmbeddingsRequest(OpenBody):
    """Texts to embed."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    model: str = Field(description="As /v1/models names it.")
    input: str | list[str] = Field(description="A text, or several; tokens are not taken.")
    encoding_format: Literal["float", "base64"] = Field(default="float", description="base64: float32, little endian.")
    dimensions: int | None = Field(default=None, description="The model's own number; vectors are not shortened.")


class Embedding(BaseModel):
    """One vector."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Tokens are not counted."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    """The vectors in the order of the texts."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: Usage


class Model(BaseModel):
    """A model that is served."""

    id: str
    object: Literal["model"]
    owned_by: str


class Models(BaseModel):
    """The models that are served: one, or none."""

    object: Literal["list"]
    data: list[Model]


@routes.get("/v1/models", response_model=Models)
async def models(request: Request) -> Response:
    """The encoder of the reward."""
    return Reply(
        {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "pbrlsvr"} for name in _names(request)]}
    )


@routes.post("/v1/embeddings", response_model=EmbeddingsAnswer)
async def embeddings(body: EmbeddingsRequest, request: Request) -> Response:
    """Embeds texts."""
    door: Door = request.app.state.door
    texts, most = [body.input] if isinstance(body.input, str) else body.input, door.limits.characters
    if not texts:
        raise invalid("input", texts, "send a text or more")
    for at, text in enumerate(texts):
        if len(text) > most:
            raise invalid(f"input[{at}]", text, f"it has {len(text):,} characters, and {most:,} are the most")
    names = _names(request)
    if body.model not in [*names, *map(last_part, names)]:
        raise Refusal(
            404,
            "refused",
            f"there is no model {body.model!r:.200} here; there are {names}",
            param="model",
            value=body.model,
        )
    vectors = np.asarray(await door.vectors(texts, request.receive), dtype="<f4")
    if body.dimensions not in (None, vectors.shape[1]):
        raise invalid("dimensions", body.dimensions, f"the model has {vectors.shape[1]}; leave the field out")
    shown = [
        base64.b64encode(each.tobytes()).decode() if body.encoding_format == "base64" else each.tolist()
        for each in vectors
    ]
    data = [{"object": "embedding", "index": at, "embedding": each} for at, each in enumerate(shown)]
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return Reply({"object": "list", "model": body.model, "data": data, "usage": usage})


def _names(request: Request) -> list[str]:
    encoder = request.app.state.door.encoder
    return [] if encoder is None else [encoder.options.model]
