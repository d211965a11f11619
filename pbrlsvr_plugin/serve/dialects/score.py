"""`/score`: our own body, with all that a reward reads, and all that it says."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pbrlsvr_plugin.serve.bodies import Row, StrictRoute, sample
from pbrlsvr_plugin.serve.strict_json import Reply

routes = APIRouter(route_class=StrictRoute, tags=["scores"])

EXAMPLE: dict[str, Any] = {
    "samples": [
        {
            "response": "Ana tiene 17 manzanas y regala 6, así que le quedan 17 - 6 = 11.\n#### 11",
            "data_source": "gsm8k/es",
            "ground_truth": "11",
            "extra_info": {
                "language": "es",
                "question": "Ana tiene 17 manzanas y regala 6. ¿Cuántas le quedan?",
                "pivot_reasoning": "Ana has 17 apples and gives away 6, so 17 - 6 = 11 are left.",
                "pivot_answer": "11",
            },
        }
    ]
}


class SampleBody(Row):
    """A response with its row; fields of the right type, and no others."""

    model_config = ConfigDict(extra="forbid")

    response: str = Field(description="The whole response, with its reasoning.")


class ScoreRequest(BaseModel):
    """Samples to score, all with the server's reward."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [EXAMPLE]})

    samples: list[SampleBody] = Field(min_length=1, fail_fast=True)


class Scored(BaseModel):
    """What the reward says of a sample."""

    score: float = Field(description="In [0, 1], unless the reward says otherwise.")
    components: dict[str, Any] = Field(description="What else the reward logs: the same keys for every sample.")


class ScoreAnswer(BaseModel):
    """The results in the order of the samples."""

    results: list[Scored]


@routes.post("/score", response_model=ScoreAnswer)
async def score(body: ScoreRequest, request: Request) -> Response:
    """Scores samples; all of them, or none where one cannot be scored."""
    asked = [
        sample(each.response, each.model_dump(exclude={"response"}, exclude_unset=True), number)
        for number, each in enumerate(body.samples)
    ]
    found = await request.app.state.door.scores(asked, request.receive)
    return Reply({"results": [{"score": each["score"], "components": components(each)} for each in found]})


def components(result: dict[str, Any]) -> dict[str, Any]:
    """A result without its score."""
    return {name: value for name, value in result.items() if name != "score"}
