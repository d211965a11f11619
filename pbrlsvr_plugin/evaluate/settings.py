"""What is evaluated, and how: everything that decides the answers, and what they are summed up by."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pbrlsvr.errors import ConfigError
from pbrlsvr.languages import parse

BACKENDS = ("endpoint", "vllm", "transformers")
MARKS = ("hash", "boxed")

#: Languages with little text on the web. bn, sw, te and th are those of MGSM's authors; the others, of MMLU-ProX and
#: AfriMGSM, are our choice.
LOW_RESOURCE = ("am", "bn", "ee", "ha", "ig", "lg", "ln", "mr", "ne", "om", "rw", "sn", "st", "sw", "te", "th", "tw",
                "vai", "wo", "xh", "yo", "zu")  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The settings of a run: the options of `pbrlsvr eval run`, whose help says what they are.

    Raises:
        ConfigError: values that cannot work.
    """

    model: str
    backend: str
    data: tuple[str, ...]
    languages: tuple[str, ...] = ()
    limit: int | None = None
    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 2048
    thinking_tokens: int | None = None
    thinking: bool | None = None
    seed: int = 0
    mark: str = "hash"
    system: str = ""
    prompts: str = ""
    urls: tuple[str, ...] = ()
    api_key_env: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int = 64
    engine: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 32
    revision: str | None = None
    seen: tuple[str, ...] = ()
    low_resource: tuple[str, ...] = LOW_RESOURCE

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ConfigError(f"--backend {self.backend!r} is not one of {list(BACKENDS)}")
        if self.mark not in MARKS:
            raise ConfigError(f"--mark {self.mark!r} is not one of {list(MARKS)}")
        if not self.data:
            raise ConfigError("--data is not given: mgsm, mgsm_rev2, mmlu_prox, polymath, a folder or a file")
        for name in ("languages", "seen", "low_resource"):
            tags = tuple(dict.fromkeys(parse(code, error=ConfigError) for code in getattr(self, name)))
            object.__setattr__(self, name, tags)
        for name in ("samples", "max_tokens", "concurrency", "batch_size", "limit", "thinking_tokens"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"--{name.replace('_', '-')} {value} must be 1 or more")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ConfigError(
                f"--temperature {self.temperature} must be 0 or more, and --top-p {self.top_p} above 0 and at most 1"
            )
        if self.samples > 1 and self.temperature == 0:
            raise ConfigError(
                f"--samples {self.samples} at temperature 0 would be the same answer {self.samples} times; give a "
                "--temperature, such as 0.7"
            )
        if self.thinking is False and self.thinking_tokens is not None:
            raise ConfigError(f"--thinking-tokens {self.thinking_tokens} makes no sense with --no-thinking")
        if (self.backend == "endpoint") != bool(self.urls):
            raise ConfigError("--url names the server of --backend endpoint; give both or neither")

    def template(self) -> dict[str, Any]:
        """What the chat template is given."""
        return {} if self.thinking is None else {"enable_thinking": self.thinking}

    def as_json(self) -> dict[str, Any]:
        """For results.json: no address and no name of a key is in it."""
        return {name: value for name, value in asdict(self).items() if name not in ("urls", "api_key_env")}
