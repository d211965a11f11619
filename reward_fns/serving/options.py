"""Where a model runs, and how much it may hold: the `serving` block of a reward's options."""

import os
import sys
from typing import Any, ClassVar, Literal

from pydantic import model_validator
from typing_extensions import Self

from pbrlsvr.errors import ConfigError
from pbrlsvr.options import Field, Options, rare
from pbrlsvr.serving.endpoint_options import EndpointOptions

Place = Literal["auto", "local", "node", "ray", "endpoint"]

#: What a process that asks for a model elsewhere keeps for itself, of the texts that it asks for again and again.
CLIENT_CACHE_BYTES = 32 * 2**20

#: Options that stood in each model's block, and now stand once in the reward's `serving`.
MOVED_TO_SERVING = {name: f"serving.{name}" for name in ("device", "dtype", "batch_tokens")}


class ServingOptions(Options):
    """Where a model runs, and how much it may hold. It stands once in a reward, for all its models; the `serving` of a
    model's own block says what differs there."""

    BARE: ClassVar[str] = "place"

    place: Place = "auto"
    """Where: "ray" (actors that all reward workers of the job share), "node" (in one process of each node), "local" (in
    each process), "endpoint" (servers), or "auto": "endpoint" where urls are given and the model has a client, else
    "ray" in a process that is connected to Ray, as veRL's workers are, else "node" where a launcher such as torchrun
    has started several processes on the node, else "local"."""
    replicas: int = Field(1, ge=1)
    """ray: how many actors hold the model, spread over the nodes."""
    num_gpus: float = Field(0.0, ge=0)
    """ray: GPUs that each replica takes for itself, or a fraction of one. They must be free: veRL takes all that it is
    given."""
    share_gpu: bool = False
    """ray: true puts each replica on a GPU that others hold, such as veRL's; docs/serving.md says what that takes."""
    num_cpus: int | None = Field(None, ge=1)
    """ray: torch threads of each replica; null takes half of its node's cores, shared by the node's replicas. They are
    not reserved at Ray."""
    device: str = "auto"
    """The device: "auto" takes a GPU where the model's process sees one, else the CPU; or a torch device such as
    "cuda:0"."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the model."""
    batch_tokens: int | None = Field(None, ge=1)
    """Tokens in one forward pass, padding included; halved where memory runs out. null takes what suits the device:
    1024 on a CPU, 16384 elsewhere, and 4096 for a translator."""
    timeout_s: float = Field(600.0, gt=0)
    """Seconds that an item may take, loading the model and waiting included; then the run stops with the reason."""
    cache_mib: int = Field(256, ge=0)
    """Memory for results, where the model is, so that a reference is computed once; the least recently used leave
    first."""
    cache_dir: str | None = Field(None, min_length=1)
    """A folder on a local disk where results outlast the run; null keeps none."""
    max_waiting: int = rare(16_384, ge=1)
    """Items of one process that may wait for a result; further callers wait for room."""
    restarts: int = rare(3, ge=0)
    """ray: how many times a model's actor is started again after it has died."""
    endpoint: EndpointOptions = EndpointOptions()
    """endpoint: the servers."""

    @classmethod
    def from_bare(cls, value: Any) -> Any:
        return {} if value is None else super().from_bare(value)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.num_gpus > 1 and self.num_gpus % 1:
            raise ValueError(f"num_gpus={self.num_gpus!r} must be 0, a fraction of 1, or a whole number")
        if self.share_gpu and self.num_gpus:
            raise ValueError(
                f"share_gpu=True contradicts num_gpus={self.num_gpus!r}: a replica either takes a GPU from Ray or sits "
                "on one that others hold"
            )
        return self

    def at(self, router: str | None) -> "ServingOptions":
        """These options, with an endpoint that names no server at the reward model that veRL itself serves.

        Raises:
            ConfigError: nothing names a server.
        """
        if self.place != "endpoint" or self.endpoint.urls:
            return self
        if not router:
            raise ConfigError(
                "serving.place='endpoint' names no server; set serving.endpoint.urls, such as ['http://host:8000/v1'], "
                "or let veRL serve the model with reward.reward_model.enable=True"
            )
        endpoint = self.endpoint.model_copy(update={"urls": (f"http://{router}/v1",)})
        return self.model_copy(update={"endpoint": endpoint})

    @property
    def of_the_model(self) -> "ServingOptions":
        """These options without those of who asks: what must not make it another model."""
        asking = {"timeout_s": 1.0, "max_waiting": 1, "restarts": 0, "endpoint": EndpointOptions()}
        return self.model_copy(update=asking)

    def resolved(self, has_client: bool = False) -> "ServingOptions":
        """These options with the place that "auto" means in this process."""
        if self.place != "auto":
            return self
        # A process that has not imported Ray is not connected to it.
        connected = getattr(sys.modules.get("ray"), "is_initialized", lambda: False)
        # torchrun, accelerate and deepspeed say so; each of their processes would load the model.
        several = os.environ.get("LOCAL_WORLD_SIZE", "1") not in ("", "0", "1")
        served = has_client and self.endpoint.urls
        place = "endpoint" if served else "ray" if connected() else "node" if several else "local"
        return self.model_copy(update={"place": place})


def places(reward: Any) -> list[ServingOptions]:
    """Where the models of a reward run: as its `serving` says, and as each block says over that; [] for none."""
    common = getattr(reward, "serving", None)
    blocks = (getattr(reward, name) for name in getattr(type(reward), "model_fields", {}))
    own = [block.serving for block in blocks if isinstance(getattr(block, "serving", None), ServingOptions)]
    shared = common if isinstance(common, ServingOptions) else ServingOptions()
    return [*([common] if common is shared else []), *map(shared.override, own)]
