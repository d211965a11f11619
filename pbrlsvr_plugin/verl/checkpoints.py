"""After each checkpoint, if asked: `pbrlsvr export` and `pbrlsvr eval` of it, beside the training.

    trainer:
      checkpoint_callback_class: pbrlsvr_plugin.verl.checkpoints.AfterSaving
      after_saving:
        eval: {data: [mgsm_rev2], limit: 50}

Each runs in a process of its own, one checkpoint after the other; its output is in `<out>/global_step_<N>.log`. One
that fails is an error in the run's log, and no reason to end the run. After the last checkpoint the run waits for what
is not done. A run that goes on from a checkpoint takes up what an earlier one left undone.

The processes see no GPU: those are the training's. They compute on the CPU, or ask the server that `eval.url` names, if
`env` does not give them a GPU that the training does not use.
"""

import logging
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from verl.trainer.ppo.checkpoint_callback import CheckpointCallback

from pbrlsvr_plugin.verl.after_saving import AfterSavingOptions

_log = logging.getLogger(__name__)
_SHOWN_OF_A_FAILURE = 2000


class AfterSaving(CheckpointCallback):
    """veRL's hook: see the module, and `AfterSavingOptions` for what it can be told."""

    def __init__(self, config: DictConfig) -> None:
        """
        Raises:
            ConfigError: `trainer.after_saving` cannot work.
        """
        super().__init__(config=config)
        self.options = AfterSavingOptions.in_config(config)
        self._checkpoints = Path(str(config.trainer.default_local_dir))
        self._out = Path(self.options.out or self._checkpoints / "exports")
        self._waiting: queue.Queue[Path] = queue.Queue()
        self._worker: threading.Thread | None = None
        for folder in self._left() if config.trainer.get("resume_mode") != "disable" else ():
            self._add(folder)

    def on_save(self, trainer: Any, global_step: int, checkpoint_dir: str, async_save: bool = False, **_: Any) -> None:
        """Puts the checkpoint into the queue; after the last one of the run, waits until the queue is done."""
        if async_save:
            _log.warning("pbrlsvr: step %s is saved asynchronously and not complete yet: no export", global_step)
        elif self._wanted(global_step):
            self._add(Path(checkpoint_dir))
        if trainer.global_steps >= trainer.total_training_steps and self._waiting.unfinished_tasks:
            _log.warning("pbrlsvr: waiting for %s exports or evaluations", self._waiting.unfinished_tasks)
            self._waiting.join()

    def _left(self) -> list[Path]:
        """The whole checkpoints of an earlier process that are not done."""
        latest = self._checkpoints / "latest_checkpointed_iteration.txt"
        last = latest.read_text().strip() if latest.is_file() else ""
        steps = {_step(folder): folder for folder in self._checkpoints.glob("global_step_*")}
        whole = [step for step in range(int(last) + 1) if step in steps] if last.isdigit() else []
        return [steps[step] for step in whole if self._wanted(step) and not self._mark(steps[step]).exists()]

    def _wanted(self, step: int) -> bool:
        return step % self.options.every == 0

    def _add(self, folder: Path) -> None:
        self._waiting.put(folder)
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="after saving", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        while True:
            folder = self._waiting.get()
            try:
                self._run(folder)
            except Exception:
                _log.exception("pbrlsvr: %s was not exported; training goes on", folder)
            finally:
                self._waiting.task_done()

    def _run(self, folder: Path) -> None:
        self._out.mkdir(parents=True, exist_ok=True)
        for what, command in self._commands(folder):
            if not self._call(what, command, folder):
                return
            if what == "export":
                _partial(self._model(folder)).rename(self._model(folder))
        self._mark(folder).touch()

    def _commands(self, folder: Path) -> Iterator[tuple[str, Sequence[str]]]:
        model = self._model(folder)
        if not model.exists():
            shutil.rmtree(_partial(model), ignore_errors=True)
            checked = () if self.options.check else ("--no-check",)
            yield "export", ("export", str(folder), "--out", str(_partial(model)), *checked)
        if self.options.eval is not None:
            out = self._out / "eval" / folder.name
            name = f"{self.config.trainer.experiment_name} {folder.name}"
            yield "eval", ("eval", "run", str(model), "--out", str(out), "--name", name, *self.options.eval_arguments())

    def _call(self, what: str, command: Sequence[str], folder: Path) -> bool:
        log = self._out / f"{folder.name}.log"
        # Ray's own variables would tie the process to the run's cluster; and the GPUs are the training's.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment |= {"CUDA_VISIBLE_DEVICES": ""} | {name: str(value) for name, value in self.options.env.items()}
        with log.open("a+b") as output:
            begin = output.seek(0, os.SEEK_END)
            code = subprocess.run(
                [sys.executable, "-m", "pbrlsvr_plugin.cli", *command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False, env=environment,
            ).returncode  # fmt: skip
            output.seek(begin)
            said = output.read()[-_SHOWN_OF_A_FAILURE:].decode("utf-8", "replace")
        if code:
            _log.error(
                "pbrlsvr: %s of %s failed with exit code %s; training goes on. %s has its output, which ends in:\n%s",
                what, folder, code, log, said,
            )  # fmt: skip
        return code == 0

    def _model(self, folder: Path) -> Path:
        return self._out / folder.name

    def _mark(self, folder: Path) -> Path:
        return self._out / f".{folder.name}.done"


def _partial(model: Path) -> Path:
    return model.with_name(f".{model.name}.partial")


def _step(folder: Path) -> int | None:
    number = folder.name.rpartition("_")[2]
    return int(number) if number.isdigit() else None
