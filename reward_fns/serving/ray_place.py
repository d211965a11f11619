"""Place "ray": the model in named Ray actors, which all processes of a job share.

Whoever asks first starts them; the name makes sure that there is one, however many ask at the same time. They belong to
the job and end with it. A request whose actor has died is sent again, to the one that is started in its place.
"""

import hashlib
import logging
import os
import time
from concurrent.futures import Future
from pickle import PicklingError
from threading import Event, Lock
from typing import Any

import numpy as np
import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pbrlsvr.errors import ConfigError, ModelError, PbrlsvrError, ServiceError
from pbrlsvr.serving.batcher import Batcher, Failure
from pbrlsvr.serving.endpoint_options import EndpointOptions
from pbrlsvr.serving.host import ModelHost, ModelOptions
from pbrlsvr.serving.options import ServingOptions

#: How the actors' names begin.
PREFIX = "pbrlsvr-"

# What each client process keeps for itself, of the texts that it asks for again and again.
_CLIENT_CACHE_BYTES = 32 * 2**20

# Calls that one client has under way to one replica. While they are, the next one gathers what comes in.
_CALLS_IN_FLIGHT = 4

# Calls of all clients that a replica takes in at the same time; what they bring forms one window.
_CALLS_AT_ONCE = 128

_LONGEST_PAUSE_S = 5.0

# Ray hides the GPUs from an actor that reserves none: each variable turns that off, in other versions of Ray.
_KEEP_GPUS_VISIBLE = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}

log = logging.getLogger(__name__)


def client(options: ModelOptions, serving: ServingOptions, index: int) -> Batcher[Any, Any]:
    """This process's queue before replica `index`; the actor is started at the first item."""
    replica = Replica(options, serving, index)
    return Batcher(
        replica.run,
        name=f"{type(options).__name__} {options.model!r} in Ray, replica {index + 1} of {serving.replicas}",
        cache_bytes=min(_CLIENT_CACHE_BYTES, serving.cache_mib * 2**20),
        max_waiting=max(1, serving.max_waiting // serving.replicas),
        threads=_CALLS_IN_FLIGHT,
        mend=replica.mend,
    )


class Replica:
    """One of the actors, as its clients see it."""

    def __init__(self, options: ModelOptions, serving: ServingOptions, index: int):
        self._options, self._serving, self._index = options, serving, index
        self._lock = Lock()
        self._actor: Any = None
        self._connection = self._job = ""
        self._answered = Event()

    def run(self, items: list[Any]) -> list[Any]:
        """`[N]` items -> `[N]` results in order, with a `Failure` for each item that has none.

        Raises:
            ServiceError: the actor died, and so did those started in its place; or this process has no Ray.
        """
        pause, deaths, deadline = 0.1, 0, time.monotonic() + self._serving.timeout_s
        while True:
            actor = self._connected()
            try:
                # A future: `ray.get` warns in an async actor, though this is a thread of its own.
                values, errors = actor.run.remote(items).future().result()
                self._answered.set()
                return _unpacked(values, errors, len(items))
            except RayActorError as error:
                # Until Ray counts a node as dead, for 15 seconds or more, its actors are only out of reach.
                deaths += not isinstance(error, ActorUnavailableError)
                log.warning("%s: after %d of %d deaths: %s", self.name, deaths, self._serving.restarts + 1, error)
                if deaths > self._serving.restarts or time.monotonic() > deadline:
                    raise self._gone(deaths, error) from error
                self._forget(actor, error)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            except RayError as error:
                raise ServiceError(
                    f"Ray cannot run the scorer of model {self._options.model!r} (actor {self.name}): {error}"
                ) from error

    def _gone(self, deaths: int, error: RayActorError) -> ServiceError:
        return ServiceError(
            f"the scorer of model {self._options.model!r} (Ray actor {self.name}) died {deaths} times in a row "
            f"(serving.restarts={self._serving.restarts}): {error}\n"
            "Its last lines in the log say why; out of memory is the usual cause: lower batch_tokens, take a smaller "
            "model, or give it more memory."
        )

    @property
    def name(self) -> str:
        """Of the actor: the same in all processes of a job that ask for the same model in the same way."""
        # What only the clients do must not make it another actor.
        shared = self._serving.model_copy(
            update={"timeout_s": 1.0, "max_waiting": 1, "restarts": 0, "endpoint": EndpointOptions()}
        )
        digest = hashlib.sha256(f"{self._options!r} {shared!r}".encode()).hexdigest()[:12]
        return f"{PREFIX}{self._job}-{digest}-{self._index}"

    def mend(self) -> str:
        """What to do about an actor that does not answer in time."""
        if self._answered.is_set():
            return "Raise serving.replicas or serving.timeout_s, or give the replicas a GPU or more serving.num_cpus."
        free = ray.available_resources().get("GPU", 0.0) if ray.is_initialized() else 0.0
        return (
            f"Actor {self.name} has never answered: it is loading the model, or waits for resources. It wants "
            f"{self._serving.num_gpus:g} GPU and {free:g} are free; where veRL holds all GPUs, set serving.share_gpu "
            "instead of serving.num_gpus."
        )

    def _connected(self) -> Any:
        if not ray.is_initialized():
            raise ServiceError(
                "serving.place='ray', and this process is not connected to Ray; call ray.init() first, or take "
                "serving.place='local'"
            )
        with self._lock:
            context = ray.get_runtime_context()
            # A process may outlive its Ray, and the next one counts its jobs from 1 again; nodes have other names.
            connection = context.get_node_id() + context.get_job_id()
            if self._actor is None or self._connection != connection:
                self._connection, self._job = connection, context.get_job_id()
                self._actor = self._started()
            return self._actor

    def _forget(self, actor: Any, error: RayActorError) -> None:
        # An actor that is out of reach may come back, and forgetting the handle of its owner would end it.
        if not isinstance(error, ActorUnavailableError):
            with self._lock:
                if self._actor is actor:
                    self._actor = None

    def _started(self) -> Any:
        serving = self._serving
        nodes = _nodes(serving)
        node = nodes[self._index % len(nodes)]
        here = [i for i in range(serving.replicas) if i % len(nodes) == self._index % len(nodes)]
        actor = ray.remote(_Actor).options(
            name=self.name,
            get_if_exists=True,
            # Where nothing is asked for, Ray wants a free CPU to place an actor, as for veRL's reward workers, and
            # reserves none. With num_cpus=0 alone it would not look at the node (Ray 2.60).
            **({"num_gpus": serving.num_gpus, "num_cpus": 0} if serving.num_gpus else {}),
            max_concurrency=_CALLS_AT_ONCE,
            # Soft: a replica whose node is gone is started elsewhere.
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True),
            runtime_env={"env_vars": _KEEP_GPUS_VISIBLE} if serving.share_gpu else None,
        )
        return actor.remote(self._options, serving, self.name, here.index(self._index), len(here))


def _nodes(serving: ServingOptions) -> list[str]:
    """The nodes that can hold a replica, in an order that all processes see alike."""
    on_gpu = serving.share_gpu or serving.num_gpus > 0
    alive = [node for node in ray.nodes() if node["Alive"]]
    fitting = [n["NodeID"] for n in alive if not on_gpu or n["Resources"].get("GPU", 0) >= max(serving.num_gpus, 1e-9)]
    if not fitting:
        most = max((node["Resources"].get("GPU", 0) for node in alive), default=0)
        raise ConfigError(
            f"serving.num_gpus={serving.num_gpus!r}, serving.share_gpu={serving.share_gpu!r}: no node of this Ray "
            f"cluster has that; the most GPUs on one node are {most:g}"
        )
    return sorted(fitting)


class _Actor:
    """The model, and one queue for the requests of all clients."""

    def __init__(self, options: ModelOptions, serving: ServingOptions, name: str, place: int, neighbours: int):
        _log_to_driver()
        self._options, self._share_gpu = options, serving.share_gpu
        # Before torch is imported, which reads both.
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        os.environ["OMP_NUM_THREADS"] = str(serving.num_cpus or max(1, cores // 2 // neighbours))
        _choose_gpu(serving, place)
        self._host = ModelHost(options, serving)
        self._batcher: Batcher[Any, Any] = Batcher(
            self._run, name=name, cache_bytes=serving.cache_mib * 2**20, tokens=self._host.tokens
        )

    def run(self, items: list[Any]) -> tuple[Any, dict[int, Exception]]:
        futures = [self._batcher.submit(item) for item in items]
        return _packed(futures, self._options.model)

    def describe(self) -> dict[str, Any]:
        """The metrics, and where this is."""
        where = {
            "model": self._options.model,
            "node": ray.util.get_node_ip_address(),
            "node_id": ray.get_runtime_context().get_node_id(),
            "pid": os.getpid(),
            "gpu": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        }
        return where | self._batcher.describe()

    def _run(self, items: list[Any]) -> list[Any]:
        results = self._host.run(items)
        if self._share_gpu and self._batcher.waiting <= len(items):
            _return_gpu_memory()
        return results


def _choose_gpu(serving: ServingOptions, place: int) -> None:
    """Lets this process see the GPUs that are meant for it, and no others."""
    if serving.num_gpus > 0:
        return  # Ray has seen to it
    if not serving.share_gpu:
        # Some versions of Ray hide no GPU here, and `device="auto"` would take veRL's first one.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name] or _gpus()
    if visible:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[place % len(visible)]
    else:
        log.warning(
            "serving.share_gpu: node %s shows no GPU; the model runs on its CPU", ray.util.get_node_ip_address()
        )


def _gpus() -> list[str]:
    import torch  # counts them without starting CUDA, which would fix what this process sees

    return [str(index) for index in range(torch.cuda.device_count())]


def _return_gpu_memory() -> None:
    """What torch keeps for its next batch; vLLM needs it when it wakes."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _log_to_driver() -> None:
    """Ray shows the driver what an actor prints: our warnings and metrics, and nobody else's."""
    logger = logging.getLogger("pbrlsvr")
    logger.setLevel(logging.INFO)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")


def _packed(futures: "list[Future[Any]]", model: str) -> tuple[Any, dict[int, Exception]]:
    """Results and errors as they travel: vectors of one shape as one array."""
    errors = {row: _portable(error, model) for row, future in enumerate(futures) if (error := future.exception())}
    values = [future.result() for row, future in enumerate(futures) if row not in errors]
    if values and all(isinstance(v, np.ndarray) and v.shape == values[0].shape for v in values):
        return np.stack(values), errors
    return values, errors


def _unpacked(values: Any, errors: dict[int, Exception], count: int) -> list[Any]:
    # Copies: a view that is remembered would keep the whole array in Ray's object store.
    found = iter([value.copy() for value in values] if isinstance(values, np.ndarray) else values)
    return [Failure(errors[row]) if row in errors else next(found) for row in range(count)]


def _portable(error: BaseException, model: str) -> Exception:
    """The error as it can be sent; its causes are not."""
    if isinstance(error, PbrlsvrError):
        try:
            ray.cloudpickle.loads(ray.cloudpickle.dumps(error))
            return error
        except (PicklingError, TypeError, AttributeError):
            return ModelError(str(error))
    return ModelError(f"model {model!r} failed with {type(error).__name__}: {error}")
