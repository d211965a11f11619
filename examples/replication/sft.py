"""Supervised fine-tuning on the pivot's references, by veRL's SFT trainer with the settings of our SFT recipe."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quickstart import train

RECIPE = "llama3.1_8b_sft"
_STEP = re.compile(r"\bstep:(\d+) - train/loss:([-+.\deE]+)")


@dataclass(frozen=True)
class FineTuning:
    """How a policy is fine-tuned.

    Attributes:
        policy: its folder.
        steps: updates.
        batch: rows for each: as many as there are responses in a step of RL.
        learning_rate: at its peak.
        seed: of the order of the rows.
        response: what is learnt, with keys of extra_info in braces.
    """

    policy: str
    steps: int
    batch: int
    learning_rate: float = 1e-3
    seed: int = 0
    response: str = "{pivot_reasoning} #### {pivot_answer}"

    def arguments(self, files: tuple[Path, Path], folder: Path, profile: str) -> list[str]:
        """The command line after `python`."""
        values = {
            "model.path": self.policy,
            "data.train_files": files[0],
            "data.val_files": files[1],
            "data.train_batch_size": self.batch,
            "data.pivot_response": f"'{self.response}'",
            "data.max_length": 256,
            "optim.lr": self.learning_rate,
            "trainer.seed": self.seed,
            "trainer.total_training_steps": self.steps,
            "trainer.total_epochs": 1_000_000,
            "trainer.test_freq": -1,
            "trainer.save_freq": self.steps,
            "checkpoint.save_contents": "[hf_model]",
            "trainer.default_local_dir": folder / "checkpoints",
            "trainer.resume_mode": "disable",
            "trainer.logger": "[console]",
            "hydra.run.dir": folder / "hydra",
        }
        given = [f"{name}={value}" for name, value in values.items()]
        return ["-m", "pbrlsvr_plugin.cli", "train", RECIPE, *(["--profile", profile] * (profile != "none")), *given]


def fine_tune(
    tuning: FineTuning,
    files: tuple[Path, Path],
    folder: Path,
    profile: str,
    progress: Callable[[int, str], None],
) -> None:
    """Leaves the policy as `folder/policy`, and what veRL prints as `folder/verl.log`.

    Raises:
        TrainingError: veRL ended with an error, or wrote no policy.
    """
    log = folder / "verl.log"

    def look(line: str) -> None:
        if step := _STEP.search(line):
            progress(int(step[1]), f"loss {step[2]}")

    if code := train.run([sys.executable, *tuning.arguments(files, folder, profile)], log, look, {}):
        raise train.TrainingError(train.explain(log, code))
    train.keep_policy(folder, folder / "checkpoints" / f"global_step_{tuning.steps}" / "huggingface")
