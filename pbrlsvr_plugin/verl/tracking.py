"""Comet as one of veRL's loggers: `trainer.logger=[console,comet]`, in the RL and in the SFT trainer.

What an experiment has: veRL's metrics and ours per language, the config without its keys, and, at each validation, a
table of samples per language and a heat map of languages and components. Samples come from the files of
`trainer.rollout_data_dir` and `trainer.validation_data_dir` (`pbrlsvr_plugin.verl.dump`); without these folders there
are none.

Comet's own variables say the rest: COMET_API_KEY, COMET_WORKSPACE, COMET_START_ONLINE=0 for an archive that `comet
upload` sends later, COMET_OFFLINE_DIRECTORY for its folder (by default `<trainer.default_local_dir>/comet`). A run that
goes on from a checkpoint goes on in its experiment, whose key is kept beside the checkpoints.
"""

import importlib.util
import json
import logging
import math
import os
import uuid
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.secrets import without_secrets
from pbrlsvr_plugin.verl.metrics import OVERALL, PREFIX, UNKNOWN

ONLINE, KEY = "COMET_START_ONLINE", "COMET_API_KEY"

#: Samples of a language in a table: those with the highest and the lowest scores, and some between.
SAMPLES = 6
#: Steps between tables of a run that does not validate.
STEPS_BETWEEN_TABLES = 20
_LONGEST_TEXT = 10_000

_log = logging.getLogger(__name__)


def require() -> None:
    """
    Raises:
        ConfigError: comet-ml is not installed; or an experiment would be sent to Comet, and there is no key.
    """
    if importlib.util.find_spec("comet_ml") is None:
        raise ConfigError(
            "trainer.logger names 'comet', and comet-ml is not installed: pip install 'pbrlsvr[tracking]', or take "
            "'comet' out of trainer.logger"
        )
    if os.environ.get(ONLINE, "").lower() in ("0", "false", "no", "off"):
        return
    from comet_ml.config import get_api_key, get_config

    if not get_api_key(None, get_config()):
        raise ConfigError(
            f"trainer.logger names 'comet', and there is no key: set {KEY}, run `comet login`, or set {ONLINE}=0 for "
            "an archive on the disk that `comet upload` sends later"
        )


class CometLogger:
    """What `verl.utils.tracking.Tracking` holds for Comet. An error of Comet's is logged, and never ends the run."""

    def __init__(self, project_name: str, experiment_name: str, config: Any = None) -> None:
        import comet_ml

        trainer = dict((config or {}).get("trainer") or {})
        self._test_freq = int(trainer.get("test_freq") or 0)
        self._folders = {
            kind: Path(str(trainer[key]))
            for kind, key in (("rollouts", "rollout_data_dir"), ("validation", "validation_data_dir"))
            if trainer.get(key)
        }
        place = Path(str(trainer.get("default_local_dir") or "."))
        self._experiment = comet_ml.start(
            project_name=project_name,
            # None asks Comet's own variable.
            experiment_key=None if os.environ.get("COMET_EXPERIMENT_KEY") else _key(place, trainer.get("resume_mode")),
            mode="get_or_create",
            experiment_config=comet_ml.ExperimentConfig(
                name=experiment_name,
                offline_directory=os.environ.get("COMET_OFFLINE_DIRECTORY") or str(place / "comet"),
                # Nothing but what is logged here: the output, the command line of a Ray worker and the environment
                # may hold keys.
                log_code=False, log_graph=False, parse_args=False, log_git_metadata=False, log_git_patch=False,
                log_env_details=False, auto_output_logging=False, auto_param_logging=False, auto_metric_logging=False,
                auto_log_co2=False, display_summary_level=0,
            ),
        )  # fmt: skip
        self._experiment.log_parameters(without_secrets(config or {}), nested_support=True)

    def log(self, data: Mapping[str, Any], step: int) -> None:
        """A step's metrics; with its samples and its heat map, if it is one of a validation."""
        try:
            numbers = {name: number for name, value in data.items() if (number := _number(value)) is not None}
            self._experiment.log_metrics(numbers, step=step)
            if step % (self._test_freq if self._test_freq > 0 else STEPS_BETWEEN_TABLES) == 0:
                for kind, folder in self._folders.items():
                    self._log_samples(kind, folder / f"{step}.jsonl", step)
                if figure := heat_map(numbers, f"step {step}"):
                    self._experiment.log_figure(f"languages and components, step {step}", figure, step=step)
        except Exception:
            _log.exception("step %s could not be logged to Comet; the run goes on", step)

    def finish(self) -> None:
        """Sends, or archives, what is left."""
        try:
            self._experiment.end()
        except Exception:
            _log.exception("Comet could not end the experiment")

    def _log_samples(self, kind: str, file: Path, step: int) -> None:
        if not file.is_file():
            return
        for language, samples in samples_of(file).items():
            columns = list(dict.fromkeys(name for sample in samples for name in sample))
            rows = [[_cell(sample.get(name)) for name in columns] for sample in samples]
            self._experiment.log_table(f"{kind}/{language}/{step}.csv", rows, headers=columns, step=step)


def _key(place: Path, resume_mode: Any) -> str:
    """The experiment's key: a new one, or that of the run whose checkpoints these are, if they are taken up again."""
    file = place / "comet_experiment_key"
    resumed = resume_mode != "disable" and (place / "latest_checkpointed_iteration.txt").is_file()
    if resumed and file.is_file() and (key := file.read_text(encoding="utf-8").strip()):
        return key
    place.mkdir(parents=True, exist_ok=True)
    file.write_text(key := uuid.uuid4().hex, encoding="utf-8")
    return key


def samples_of(file: Path, most: int = SAMPLES) -> dict[str, list[dict[str, Any]]]:
    """`most` responses of each language out of a file of `verl.dump`, from the lowest score to the highest."""
    by_language: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with file.open(encoding="utf-8", newline="\n") as lines:
        for text in lines:
            sample = json.loads(text)
            by_language[str(sample.get("language", UNKNOWN))].append(sample)
    found = {}
    for language, samples in sorted(by_language.items()):
        samples.sort(key=lambda sample: (sample["score"] is not None, sample["score"] or 0.0))
        last, shown = len(samples) - 1, min(most, len(samples))
        places = dict.fromkeys(round(place * last / max(1, shown - 1)) for place in range(shown))
        found[language] = [samples[place] for place in places]
    return found


def heat_map(metrics: Mapping[str, float], title: str) -> Any:
    """A matplotlib figure: a row for each language, a column for the score, the accuracy and each component."""
    names = ("score", "accuracy", "component/")
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for name, value in metrics.items():
        prefix, _, rest = name.partition("/")
        language, _, metric = rest.partition("/")
        if prefix == PREFIX and metric.startswith(names):
            table[language][metric.removeprefix("component/")] = value
    if not table:
        return None
    from matplotlib.figure import Figure

    languages = sorted(table, key=lambda language: (language != OVERALL, language))
    columns = list(dict.fromkeys(column for language in languages for column in table[language]))
    values = np.array([[table[language].get(column, math.nan) for column in columns] for language in languages])
    figure = Figure(figsize=(1.5 + 1.1 * len(columns), 1.5 + 0.3 * len(languages)), layout="constrained")
    axes = figure.subplots()
    # From dark to light in every channel: readable without seeing red from green.
    image = axes.imshow(values, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(languages)), languages)
    for (row, column), value in np.ndenumerate(values):
        if math.isfinite(value):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value < 0.6 else "black")
    axes.set_title(title)
    figure.colorbar(image)
    return figure


def _cell(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, int | float) else text[:_LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
