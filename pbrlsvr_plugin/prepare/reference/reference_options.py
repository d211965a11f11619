"""Who writes the references, and how."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.prepare.requests.asking import ChatOptions
from pbrlsvr_plugin.prepare.stage import operational

Engine = Literal["endpoint", "vllm", "transformers", "dataset"]
Use = Literal["answer_text", "thinking"]


@dataclass(frozen=True)
class ReferenceOptions(ChatOptions):
    """Who writes the references, and how. The options of `ChatOptions` as well.

    Attributes:
        engine: see `reference.py`.
        candidates: how many references for each question; `verify` takes the best.
        use: "answer_text", what the model says; "thinking", what it thinks before.
        prompt: a built-in prompt or a text file with {question}; "auto" takes the one that fits the data set.
        regenerate: how often an answer that was cut off at `max_tokens` is asked for again; at temperature 0 it is not,
            as it would be the same.
        file: for "dataset": a file with the columns `id` and `reference` instead of the data set's own solutions.
        engine_kwargs: for "vllm": of `vllm.LLM`, as in {"tensor_parallel_size": 4, "max_model_len": 16384}; for
            "transformers": of `from_pretrained`.
        replicas: copies of the model, spread over the Ray cluster.
        batch_size: questions that one of them gets at a time.
    """

    engine: Engine = "endpoint"
    candidates: int = 1
    use: Use = "answer_text"
    prompt: str = "auto"
    regenerate: int = 2
    file: str | None = None
    engine_kwargs: dict[str, Any] = field(default_factory=dict)
    replicas: int = operational(default=1)
    batch_size: int = operational(default=256)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (("engine", get_args(Engine)), ("use", get_args(Use))):
            if getattr(self, name) not in known:
                raise ConfigError(f"reference.{name}={getattr(self, name)!r} is not one of {list(known)}")
        for name, least in (("candidates", 1), ("regenerate", 0), ("replicas", 1), ("batch_size", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"reference.{name}={value!r} must be a whole number of {least} or more")
        if self.candidates > 1 and not self.temperature and self.engine != "dataset":
            raise ConfigError(
                f"reference.candidates={self.candidates} at temperature 0 would be {self.candidates} times the same; "
                "set reference.temperature, such as 0.7"
            )

    @property
    def attempts(self) -> int:
        """How often one candidate is asked for at most."""
        return 1 + (self.regenerate if self.temperature else 0)
