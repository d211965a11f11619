"""Where the models are when a trainer starts a process for each GPU, and each process asks for itself."""

import hashlib
import os
from threading import Lock

from pbrlsvr.errors import MissingDependencyError, ServiceError
from pbrlsvr.options import Options
from pbrlsvr.serving.options import places

# A trainer asks its rewards at the same time, each from a thread of its own, and a process connects to Ray once.
_joining = Lock()


def join_ray(reward: Options | None) -> None:
    """Connects this process to the Ray that the variable RAY_ADDRESS names, if the reward's models may run in it.

    Each process of a run is a job of its own for Ray; a namespace that they share lets them share the models' actors.

    Raises:
        MissingDependencyError: the variable is set, and Ray is not installed.
        ServiceError: no Ray answers there.
    """
    address = os.environ.get("RAY_ADDRESS")
    if not address or not any(one.place in ("auto", "ray") for one in places(reward)):
        return
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(
            f"RAY_ADDRESS={address!r} is set, and Ray cannot be imported: {error}. Run `pip install ray`, or unset the "
            "variable to have the models in one process of each node"
        ) from error
    with _joining:
        if ray.is_initialized():
            return
        try:
            ray.init(address=address, namespace=_namespace())
        except Exception as error:  # of many kinds
            raise ServiceError(
                f"RAY_ADDRESS={address!r}: there is no Ray to connect to: {type(error).__name__}: {error}. Start one "
                "(`ray start --head`), or unset the variable to have the models in one process of each node"
            ) from error


def _namespace() -> str:
    """Of a run: the same in each of its processes, as far as their launcher tells them what they share."""
    from pbrlsvr.serving.ray_place import PREFIX

    run = "|".join(os.environ.get(name, "") for name in ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT"))
    run = run if run.strip("|") else f"{os.getpid()}"
    return f"{PREFIX}{hashlib.sha256(run.encode()).hexdigest()[:12]}"
