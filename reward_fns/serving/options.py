"""Where a scorer runs, and how much it may hold: the `serving` block of a reward's options."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from pbrlsvr.errors import ConfigError
from pbrlsvr.options import from_mapping, is_number
from pbrlsvr.serving.endpoint_options import EndpointOptions

Place = Literal["auto", "local", "ray", "endpoint"]


@dataclass(frozen=True)
class ServingOptions:
    """Where a scorer runs, and how much it may hold.

    Attributes:
        place: "local", in this process; "ray", in Ray actors that all workers of the job share; "endpoint", on servers;
            "auto", which is "ray" in a process that is connected to Ray, as veRL's workers are, else "local".
        replicas: "ray": how many actors hold the model, spread over the nodes.
        num_gpus: "ray": GPUs that each replica takes for itself, or a fraction of one.
        share_gpu: "ray": each replica sits on a GPU that others hold, such as veRL's. Takes nothing from Ray's count.
        num_cpus: "ray": torch threads of each replica. `None` takes half of its node's cores, shared by the node's
            replicas. They are not reserved at Ray.
        max_waiting: items of this process that may be without a result at the same time; further callers wait for room.
        timeout_s: the longest that an item may take, with loading the model and waiting in it.
        cache_mib: memory for results, where the model is; the least recently used leave first.
        cache_dir: a folder on a local disk where results outlast the run. `None` keeps none.
        restarts: "ray": how many times a request is sent again after its actor has died.
        endpoint: "endpoint": the servers.
    """

    place: Place = "auto"
    replicas: int = 1
    num_gpus: float = 0.0
    share_gpu: bool = False
    num_cpus: int | None = None
    max_waiting: int = 16_384
    timeout_s: float = 600.0
    cache_mib: int = 256
    cache_dir: str | None = None
    restarts: int = 3
    endpoint: EndpointOptions = field(default_factory=EndpointOptions)

    def __post_init__(self) -> None:
        if self.place not in get_args(Place):
            raise ConfigError(f"serving.place={self.place!r} is not one of {list(get_args(Place))}")
        for name, least in (("replicas", 1), ("num_cpus", 1), ("max_waiting", 1), ("cache_mib", 0), ("restarts", 0)):
            value = getattr(self, name)
            unset = name == "num_cpus" and value is None
            if not unset and (not isinstance(value, int) or isinstance(value, bool) or value < least):
                raise ConfigError(f"serving.{name}={value!r} must be a whole number of {least} or more")
        if not is_number(self.num_gpus) or self.num_gpus < 0 or (self.num_gpus > 1 and self.num_gpus % 1):
            raise ConfigError(f"serving.num_gpus={self.num_gpus!r} must be 0, a fraction of 1, or a whole number")
        if not is_number(self.timeout_s) or self.timeout_s <= 0:
            raise ConfigError(f"serving.timeout_s={self.timeout_s!r} must be a number of seconds above 0")
        if not isinstance(self.share_gpu, bool):
            raise ConfigError(f"serving.share_gpu={self.share_gpu!r} must be true or false")
        if self.share_gpu and self.num_gpus:
            raise ConfigError(
                f"serving.share_gpu=True contradicts serving.num_gpus={self.num_gpus!r}: a replica either takes a GPU "
                "from Ray or sits on one that others hold"
            )
        if self.cache_dir is not None and (not isinstance(self.cache_dir, str) or not self.cache_dir.strip()):
            raise ConfigError(f"serving.cache_dir={self.cache_dir!r} must be a folder, or None")

    @classmethod
    def of(cls, value: Any) -> "ServingOptions":
        """From a config: a mapping of options, the name of a place, or `None` for what is usual.

        Raises:
            ConfigError: an option does not exist, or has a value that cannot work.

        Example:
            >>> ServingOptions.of({"replicas": 2}).replicas
            2
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            value = {"place": value}
        if not isinstance(value, Mapping | None):
            raise ConfigError(f"serving={value!r} must be a mapping of options, or one of {list(get_args(Place))}")
        options = dict(value or {})
        if isinstance(options.get("endpoint"), Mapping):
            options["endpoint"] = from_mapping(EndpointOptions, options["endpoint"], "serving.endpoint")
        return from_mapping(cls, options, "serving")

    def at(self, router: str | None) -> "ServingOptions":
        """These options, with an endpoint that names no server at the reward model that veRL itself serves.

        Args:
            router: veRL's `reward_router_address`, "host:port"; `None` where it serves no reward model.

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
        return replace(self, endpoint=replace(self.endpoint, urls=(f"http://{router}/v1",)))

    def settled(self) -> "ServingOptions":
        """These options with the place that "auto" means in this process."""
        if self.place != "auto":
            return self
        ray = sys.modules.get("ray")  # a process that has not imported Ray is not connected to it
        connected = ray is not None and hasattr(ray, "is_initialized") and ray.is_initialized()
        return replace(self, place="ray" if connected else "local")
