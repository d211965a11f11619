"""Which references are written and kept: data only; `reference.py` and `verify.py` make them."""

from typing import Literal

from pydantic import model_validator
from typing_extensions import Self

from pbrlsvr.options import Field
from pbrlsvr.serving.endpoint_options import BaseUrls
from pbrlsvr_plugin.prepare.blocks import Block, operational
from pbrlsvr_plugin.prepare.requests.options import OF_SERVERS, ChatOptions, Free


class ReferenceOptions(ChatOptions):
    """Stage `reference`: who writes the references, and how."""

    engine: Literal["endpoint", "vllm", "transformers", "dataset"] = "endpoint"
    """endpoint: an OpenAI-compatible server; vllm or transformers: on a Ray cluster; dataset: the data set's own
    solutions."""
    model: str = Field("", examples=["Qwen/Qwen3-32B"])
    """The pivot model, by its name at the endpoint, or as a folder or hub name. It stands for the model in the journal:
    give another model another name."""
    urls: BaseUrls = Field((), json_schema_extra=OF_SERVERS, examples=[["http://localhost:8000/v1"]])
    """endpoint: base URLs of servers of that model; they share the load."""
    candidates: int = Field(1, ge=1)
    """How many references for each question; `verify` takes the best. More than 1 need a temperature above 0."""
    use: Literal["answer_text", "thinking"] = "answer_text"
    """answer_text: what the model says; thinking: what it thinks before."""
    prompt: str = Field("auto", min_length=1)
    """A built-in prompt (reference_math, reference_choice), or a text file with {question}; auto: what fits the data
    set."""
    regenerate: int = Field(2, ge=0)
    """How often an answer that was cut off at `max_tokens` is asked for again; at temperature 0 it would be the same,
    and is not."""
    file: str | None = None
    """dataset: a file with the columns id and reference, instead of the data set's own solutions."""
    engine_kwargs: Free = Field(default_factory=dict)
    """vllm: arguments of vllm.LLM, as in {tensor_parallel_size: 4}; transformers: of from_pretrained."""
    replicas: int = operational(1, ge=1)
    """vllm, transformers: copies of the model on the Ray cluster."""
    batch_size: int = operational(256, ge=1)
    """vllm, transformers: questions that a copy gets at a time."""

    @model_validator(mode="after")
    def _candidates_differ(self) -> Self:
        if self.candidates > 1 and not self.temperature and self.engine != "dataset":
            raise ValueError(
                f"candidates={self.candidates!r} at temperature 0 would be {self.candidates} times the same; set a "
                "temperature, such as 0.7"
            )
        return self

    @property
    def takes_thoughts(self) -> bool:
        return self.use == "thinking"

    @property
    def attempts(self) -> int:
        """How often one candidate is asked for at most."""
        return 1 + (self.regenerate if self.temperature else 0)


class VerifyOptions(Block):
    """Stage `verify`: which references are kept."""

    choose: Literal["first", "shortest", "longest", "median"] = "shortest"
    """Of the right candidates: first, shortest, median or longest."""
    keep: int = Field(1, ge=1)
    """How many right candidates stay as references of a question at most: the chosen one, and then, in the order that
    `choose` gives them, those that are not `alike`. The rewards score a response against the nearest."""
    alike: float = Field(0.8, gt=0, le=1)
    """keep: the Jaccard similarity of runs of 5 characters from which on two references are near-identical."""
    threshold: float = Field(0.5, gt=0, le=1)
    """Without a ground truth: the share of all candidates that must agree."""
    votes: int = Field(2, ge=0)
    """Without a ground truth: how many must agree."""
    min_characters: int = Field(1, ge=0)
    """The shortest reasoning."""
    max_characters: int = Field(0, ge=0)
    """The longest reasoning; 0 is no bound."""
    check_answers: bool = True
    """false keeps references with any answer, for data sets whose answers cannot be compared."""
