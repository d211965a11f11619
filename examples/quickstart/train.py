"""veRL's own GRPO trainer, run as a user would run it: `python -m verl.trainer.main_ppo` with our reward."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from pbrlsvr.errors import PbrlsvrError

TAIL = 25
REWARD = "pbrlsvr.embed_cosine"
STEPS = "steps.json"
_STEP = re.compile(r"\bstep:(\d+) - ")
_METRICS = {"reward": "critic/rewards/mean", "seconds": "timing_s/step", "length": "response_length/mean"}
# That of the plug-in, which a reward without a ground truth has not.
_ACCURACY = "pbrlsvr/overall/accuracy"
_RAY_PREFIX = re.compile(r"\x1b\[\d+m|\(\w+ pid=\d+[^)]*\) ?")
_REASON = re.compile(r"^[\w.]*(Error|Exception|Interrupt|Killed)\b.*")


class TrainingError(PbrlsvrError, RuntimeError):
    """veRL's trainer stopped before it had finished."""


@dataclass(frozen=True)
class StepResult:
    """What is logged of one step: mean reward, seconds, mean response length in tokens, share of right answers."""

    step: int
    reward: float
    seconds: float
    length: float
    accuracy: float | None = None


def overrides(recipe: Path, values: dict[str, Any], profile: str, extra: list[str], reward: str = REWARD) -> list[str]:
    """The command line after `python -m verl.trainer.main_ppo`; what stands later wins."""
    chosen = [f"+reward_fn={reward}", *([f"+profile={profile}"] if profile != "none" else [])]
    return [*chosen, *_flatten(OmegaConf.to_container(OmegaConf.load(recipe))), *_flatten(values), *extra]


def _flatten(tree: Any, prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={value}"


def run_values(
    policy: str, encoder: str | None, files: tuple[Path, Path], steps: int, seed: int, folder: Path
) -> dict[str, Any]:
    """The overrides that say what is trained on what, and where the result goes.

    `encoder` is None for a reward without one.
    """
    embedding = {"reward.custom_reward_function.reward_kwargs.embedding.model": encoder}
    return (embedding if encoder else {}) | {
        "actor_rollout_ref.model.path": policy,
        "data.train_files": files[0],
        "data.val_files": files[1],
        "data.seed": seed,
        "trainer.total_training_steps": steps,
        # The steps decide when it ends, however small the data set is.
        "trainer.total_epochs": 1_000_000,
        # Accuracy is measured before and after by evaluate.py.
        "trainer.val_before_train": False,
        "trainer.test_freq": -1,
        "trainer.save_freq": steps,
        "actor_rollout_ref.actor.checkpoint.save_contents": "[hf_model]",
        "trainer.default_local_dir": folder / "checkpoints",
        "trainer.resume_mode": "disable",
        "trainer.logger": "[console]",
        "hydra.run.dir": folder / "hydra",
    }


def option(name: str, recipe: Path, extra: list[str]) -> Any:
    """The value of one of the recipe's options, after what the command line says about it."""
    return OmegaConf.select(OmegaConf.merge(OmegaConf.load(recipe), OmegaConf.from_dotlist(extra)), name)


def choose_profile(profile: str) -> str:
    """`auto` is `cpu` on a machine without a GPU, and `none` (veRL as it comes) on any other."""
    if profile != "auto":
        return profile
    import torch

    return "none" if torch.cuda.is_available() else "cpu"


def command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "verl.trainer.main_ppo", *arguments]


def train(
    arguments: list[str],
    log: Path,
    progress: Callable[[StepResult], None],
    environment: dict[str, str],
) -> list[StepResult]:
    """Runs the trainer to its end.

    Args:
        arguments: see `overrides`.
        log: file for everything that veRL prints.
        progress: called after each step.
        environment: variables beside the current ones.

    Raises:
        TrainingError: veRL stopped with an error, or did no step; the message has the reason and the log's end.
    """
    results: list[StepResult] = []

    def look(line: str) -> None:
        if result := parse_step(line):
            results.append(result)
            progress(result)

    code = run(command(arguments), log, look, environment)
    if code or not results:
        raise TrainingError(explain(log, code))
    return results


def run(command: list[str], log: Path, look: Callable[[str], None], environment: dict[str, str]) -> int:
    """Runs a command to its end, and ends all that it has started if this process is interrupted; its exit code.

    Args:
        command: the command line.
        log: file for the command line and everything that it prints.
        look: called with each line.
        environment: variables beside the current ones.
    """
    with log.open("w", encoding="utf-8") as file:
        file.write(shlex.join(command) + "\n")
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            # A group of its own, so that Ray's processes can be ended with it.
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                file.flush()
                look(line)
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise


def parse_step(line: str) -> StepResult | None:
    """The metrics of a line of veRL's console logger, or None for any other line.

    >>> parse_step("step:3 - critic/rewards/mean:0.5 - timing_s/step:2.0 - response_length/mean:np.float64(26.0)")
    StepResult(step=3, reward=0.5, seconds=2.0, length=26.0, accuracy=None)
    """
    match = _STEP.search(line)
    if match is None:
        return None
    found = {}
    for name, key in _METRICS.items():
        value = _value(line, key)
        if value is None:
            return None
        found[name] = value
    return StepResult(int(match[1]), **found, accuracy=_value(line, _ACCURACY))


def _value(line: str, key: str) -> float | None:
    value = re.search(rf"\b{re.escape(key)}:(?:np\.\w+\()?([-+.\deE]+|nan)", line)
    return float(value[1]) if value else None


def save(folder: Path, results: list[StepResult], steps: int) -> None:
    """Keeps the metrics and, out of veRL's checkpoint, the trained policy as `folder/policy`.

    Raises:
        TrainingError: veRL wrote no policy.
    """
    keep_policy(folder, folder / "checkpoints" / f"global_step_{steps}" / "actor" / "huggingface")
    (folder / STEPS).write_text(json.dumps([asdict(result) for result in results]), encoding="utf-8")


def keep_policy(folder: Path, written: Path) -> None:
    """Moves the policy out of veRL's checkpoints, to `folder/policy`.

    Raises:
        TrainingError: veRL wrote no policy.
    """
    if not (written / "config.json").is_file():
        raise TrainingError(f"veRL ended without an error, but wrote no policy to {str(written)!r}")
    shutil.move(written, folder / "policy")
    shutil.rmtree(folder / "checkpoints")


def load(folder: Path) -> list[StepResult]:
    """The metrics that `save` wrote."""
    return [StepResult(**one) for one in json.loads((folder / STEPS).read_text(encoding="utf-8"))]


def explain(log: Path, code: int) -> str:
    """Why veRL's trainer has ended, from the end of its log."""
    lines = [_RAY_PREFIX.sub("", line.rstrip()) for line in log.read_text(encoding="utf-8").splitlines()]
    reasons = [line for line in lines if _REASON.match(line.strip())]
    reason = reasons[-1].strip() if reasons else "no error message in the log"
    return "\n".join([f"veRL's trainer ended with exit code {code}: {reason}", f"The end of {log}:", *lines[-TAIL:]])
