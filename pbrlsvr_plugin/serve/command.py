"""`pbrlsvr serve`: from options to a server. Exit codes: 0 after SIGTERM or Ctrl-C; 1 where requests stayed without an
answer; 2 for an error; 130 for the second Ctrl-C."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, MissingDependencyError, PbrlsvrError, ServiceError
from pbrlsvr.serving.options import places
from pbrlsvr_plugin.key_values import gathered
from pbrlsvr_plugin.serve.options import ServeOptions
from pbrlsvr_plugin.terminal import say_error
from pbrlsvr_plugin.verl import chosen_reward

ERROR = 2


def run(arguments: Sequence[str] = (), flags: Mapping[str, Any] | None = None) -> int:
    """`serve` for the command line."""
    try:
        options = read_options(arguments, flags or {})
        token = options.token()
        function, described = _chosen(options)
        try:
            from pbrlsvr_plugin.serve.app import application
            from pbrlsvr_plugin.serve.door import Door
            from pbrlsvr_plugin.serve.metrics import Metrics
            from pbrlsvr_plugin.serve.server import listen, serve
        except ImportError as error:
            raise MissingDependencyError(
                f"a server needs more packages; pip install 'pbrlsvr[serve]' ({error})"
            ) from error
        door = Door(function, described, options.limits, Metrics())
        sockets = listen(options.host, options.port)
        replicas = _connect(options, door.reward)
        return serve(application(door, token), door, sockets, replicas)
    except (PbrlsvrError, OSError) as error:
        say_error(error)
        return ERROR


def read_options(arguments: Sequence[str], flags: Mapping[str, Any]) -> ServeOptions:
    """The options of a file, of `key=value` pairs and of flags.

    Raises:
        ConfigError: they cannot be read, do not exist, or cannot work.
    """
    first, *rest = arguments or [""]
    is_file = bool(first) and "=" not in first
    path = Path(first) if is_file else None
    return ServeOptions.of(gathered(path, rest if is_file or not first else [first, *rest], flags))


def _chosen(options: ServeOptions) -> tuple[chosen_reward.Function, str]:
    wanted = dict(options.options)
    if options.replicas is not None:
        serving = wanted.get("serving") or {}
        serving = {"place": serving} if isinstance(serving, str) else dict(serving)
        in_ray = serving.get("place", "auto") in ("auto", "ray")
        if not in_ray or serving.get("replicas", 1) not in (1, options.replicas):
            raise ConfigError(f"replicas={options.replicas} contradicts options.serving={serving!r}; say it once")
        wanted["serving"] = {**serving, "place": "ray", "replicas": options.replicas}
    if options.config is not None:
        return chosen_reward.of_config(Path(options.config), [*_pairs(wanted)])
    function, described = chosen_reward.named(options.reward, (), wanted, plain=True)
    return function, " ".join([described, *_pairs(wanted)])


def _pairs(options: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """`combine.rule="sum"`, as on a command line."""
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _pairs(value, f"{before}{name}.")
        else:
            yield f"{before}{name}={value if isinstance(value, str) and value.isidentifier() else json.dumps(value)}"


def _connect(options: ServeOptions, reward: Any) -> int:
    """Connects to Ray where a model is to run there; how many replicas the models have.

    Raises:
        ServiceError: there is no Ray.
    """
    found = places(reward)
    if options.ray is None and not any(place.place == "ray" for place in found):
        return 1
    try:
        import ray

        ray.init(address=options.ray or "local", include_dashboard=None if options.ray else False, log_to_driver=True)
    except Exception as error:
        raise ServiceError(
            f"ray={options.ray!r}: there is no Ray: {type(error).__name__}: {error}. Start one, or leave `ray` out"
        ) from error
    return max((place.replicas for place in found), default=1)
