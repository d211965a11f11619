"""Place "ray": the model in named Ray actors, which all processes of a job share.

Whoever asks first starts them; the name makes sure that there is one, however many ask at the same time. They belong to
the job and end with it. A request whose actor has died is sent again, to the one that is started in its place.
"""

import hashlib
import logging
import math
import os
import sys
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from threading import Lock
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pbrlsvr.errors import ConfigError, PbrlsvrError, ServiceError
from pbrlsvr.serving.batcher import Batcher
from pbrlsvr.serving.host import ModelHost, ModelOptions
from pbrlsvr.serving.options import CLIENT_CACHE_BYTES, ServingOptions
from pbrlsvr.serving.transfer import packed, unpacked

#: How the actors' names begin.
PREFIX = "pbrlsvr-"

# Calls that one client has in flight to one replica. While they are, the next one gathers what comes in.
_CALLS_IN_FLIGHT = 4

# Calls of all clients that a replica takes in at the same time; what they bring forms one window.
_CALLS_AT_ONCE = 128

_LONGEST_PAUSE_S = 5.0

# How long an actor may take to say what it is doing, and how long that counts as news.
_STATE_WITHIN_S, _STATE_HOLDS_S = 5.0, 10.0

# Ray hides the GPUs from an actor that reserves none: each variable turns that off, in other versions of Ray.
_KEEP_GPUS_VISIBLE = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}

log = logging.getLogger(__name__)


def client(options: ModelOptions, serving: ServingOptions, index: int) -> Batcher[Any, Any]:
    """This process's queue before replica `index`; the actor is started at the first item."""
    replica = Replica(options, serving, index)
    return Batcher(
        replica.run,
        name=f"{type(options).__name__} {options.model!r} in Ray, replica {index + 1} of {serving.replicas}",
        cache_bytes=min(CLIENT_CACHE_BYTES, serving.cache_mib * 2**20),
        max_waiting=max(1, serving.max_waiting // serving.replicas),
        threads=_CALLS_IN_FLIGHT,
        fix=replica.fix,
    )


class Replica:
    """One of the actors, as its clients see it."""

    def __init__(self, options: ModelOptions, serving: ServingOptions, index: int):
        self._options, self._serving, self._index = options, serving, index
        self._lock = Lock()
        self._actor: Any = None
        self._connection = self._job = ""
        # The actors whose deaths were counted, and how many of them died with nothing done in between.
        self._dead: set[str] = set()
        self._deaths = 0
        self._state: tuple[float, str] = (-math.inf, "")
        self._asking = Lock()

    def run(self, items: list[Any]) -> list[Any]:
        """`[N]` items -> `[N]` results in order, with a `Failure` for each item that has none.

        Raises:
            ServiceError: more actors died than `restarts` with no result in between; or this process has no Ray.
        """
        pause, deadline = 0.1, time.monotonic() + self._serving.timeout_s
        while True:
            actor = self._connected()
            try:
                # A future: `ray.get` warns in an async actor, though this is a thread of its own.
                values, errors = actor.run.remote(items).future().result()
                with self._lock:
                    self._deaths = 0
                return unpacked(values, errors, len(items))
            except RayActorError as error:
                # Until Ray counts a node as dead, for 15 seconds or more, its actors are only out of reach.
                gone = not isinstance(error, ActorUnavailableError)
                deaths = self._lost(actor, gone, error)
                if deaths > self._serving.restarts or time.monotonic() > deadline:
                    raise self._gone(deaths, error) from error
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            except RayError as error:
                raise ServiceError(
                    f"Ray cannot run the scorer of model {self._options.model!r} (actor {self.name}): {error}"
                ) from error

    def _lost(self, actor: Any, gone: bool, error: RayActorError) -> int:
        """Takes note that an actor has died, or is out of reach; how many died with no result in between."""
        name = actor._actor_id.hex()
        with self._lock:
            # Each request that was in flight reports the same death, and the name may lead to the dead one for a while.
            if gone and name not in self._dead:
                self._dead.add(name)
                self._deaths += 1
                said = "%s has died, %d in a row with no result in between (serving.restarts=%d): %s"
                log.warning(said, self.name, self._deaths, self._serving.restarts, error)
            # An actor that is out of reach may come back, and forgetting the handle of its owner would end it.
            if gone and self._actor is actor:
                self._actor = None
            return self._deaths

    def _gone(self, deaths: int, error: RayActorError) -> ServiceError:
        serving = self._serving
        if deaths > serving.restarts:
            what = f"died {deaths} times in a row with no result in between (serving.restarts={serving.restarts})"
        else:
            what = (
                f"gave no result within serving.timeout_s={serving.timeout_s:g} s, with {len(self._dead)} deaths so far"
            )
        return ServiceError(
            f"the scorer of model {self._options.model!r} (Ray actor {self.name}) {what}: {error}\n"
            "Its last lines in the log say why; out of memory is the usual cause: lower batch_tokens, take a smaller "
            "model, or give it more memory."
        )

    @property
    def name(self) -> str:
        """Of the actor: the same in all processes of a job that ask for the same model in the same way."""
        digest = hashlib.sha256(f"{self._options!r} {self._serving.of_the_model!r}".encode()).hexdigest()[:12]
        return f"{PREFIX}{self._job}-{digest}-{self._index}"

    def fix(self) -> str:
        """What the actor is doing, and so what to do about one that does not answer in time."""
        with self._asking:  # of many callers that run out of time together, one asks
            asked, said = self._state
            if time.monotonic() - asked > _STATE_HOLDS_S:
                said = self._ask_state()
                self._state = time.monotonic(), said
            return said

    def _ask_state(self) -> str:
        try:
            actor = self._connected()
            found = actor.describe.remote().future().result(timeout=_STATE_WITHIN_S)
        except (RayError, PbrlsvrError, TimeoutError, FutureTimeoutError):
            free = ray.available_resources().get("GPU", 0.0) if ray.is_initialized() else 0.0
            return (
                f"Actor {self.name} does not say what it is doing: it waits for resources, is being started again, or "
                f"its node is out of reach. It wants {self._serving.num_gpus:g} GPU and {free:g} are free; where veRL "
                "holds all GPUs, set serving.share_gpu instead of serving.num_gpus."
            )
        if not found["loaded"]:
            return f"Actor {self.name} is loading the model. Raise serving.timeout_s if that takes longer."
        return (
            f"Actor {self.name} has computed {found['computed']:.0f} results for all its clients, the last window in "
            f"{found['last_window_s']:.1f} s, and {found['waiting']} items wait in it. Raise serving.replicas or "
            "serving.timeout_s, or give the replicas a GPU or more serving.num_cpus."
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
                if self._connection != connection:
                    self._deaths = 0
                self._connection, self._job = connection, _shared_by(context)
                self._actor = self._started()
            return self._actor

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


def _shared_by(context: Any) -> str:
    """What stands in the actors' names for those who share them: the job, or the run of which each process is a job of
    its own, and which says so by its namespace (`pbrlsvr_plugin.adapters.processes`)."""
    namespace: str = context.namespace
    return namespace.removeprefix(PREFIX) if namespace.startswith(PREFIX) else context.get_job_id()


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
        # Ray shows the driver what an actor prints: our warnings and metrics, and nobody else's.
        logging.getLogger("pbrlsvr").setLevel(logging.INFO)
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        self._options, self._share_gpu = options, serving.share_gpu
        # Before torch is imported, which reads both; where the process is a fork of one that has it, it is told.
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = serving.num_cpus or max(1, cores // 2 // neighbours)
        os.environ["OMP_NUM_THREADS"] = str(threads)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)
        _choose_gpu(serving, place)
        self._host = ModelHost(options, serving)
        self._batcher: Batcher[Any, Any] = Batcher(
            self._run,
            name=name,
            cache_bytes=serving.cache_mib * 2**20,
            tokens=self._host.tokens,
            damaged=self._host.damaged,
        )

    def run(self, items: list[Any]) -> tuple[Any, dict[int, Exception]]:
        futures = [self._batcher.submit(item) for item in items]
        return packed(futures, self._options.model)

    def describe(self) -> dict[str, Any]:
        """The metrics, and where this is."""
        where = {
            "model": self._options.model,
            "node": ray.util.get_node_ip_address(),
            "node_id": ray.get_runtime_context().get_node_id(),
            "pid": os.getpid(),
            "gpu": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "loaded": self._host.is_loaded,
        }
        return where | self._batcher.describe()

    def _run(self, items: list[Any]) -> list[Any]:
        results = self._host.run(items)
        if self._share_gpu and self._batcher.waiting <= len(items):
            import torch

            if torch.cuda.is_available():
                # What torch keeps for its next batch; vLLM needs it when it wakes.
                torch.cuda.empty_cache()
        return results


def _choose_gpu(serving: ServingOptions, place: int) -> None:
    """Lets this process see the GPUs that are meant for it, and no others."""
    if serving.num_gpus > 0:
        return  # Ray has seen to it
    if not serving.share_gpu:
        # Some versions of Ray hide no GPU here, and `device="auto"` would take veRL's first one.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if not visible:
        import torch  # counts them without starting CUDA, which would fix what this process sees

        visible = [str(index) for index in range(torch.cuda.device_count())]
    if visible:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[place % len(visible)]
    else:
        node = ray.util.get_node_ip_address()
        log.warning("serving.share_gpu: node %s shows no GPU; the model runs on its CPU", node)
