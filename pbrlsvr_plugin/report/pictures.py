"""The page's figures as PNG, for a paper or a chat: drawn by matplotlib, which needs no browser.

One picture for each figure, with a panel for each run: `score.png`, `accuracy.png`, `gap_to_english.png`,
`components.png`, `reward_and_accuracy.png`, `evaluations.png`, each where there is something to draw.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbrlsvr.errors import ConfigError, MissingDependencyError
from pbrlsvr_plugin.verl.metrics import OVERALL, UNKNOWN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# After Okabe and Ito, as on the page.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7b4fa3", "#e69f00")
DASHES = ("-", "--", ":", "-.")
MARKS = "osD^XPvd"
MOST_RUNS = 6
#: Lines in a panel besides the mean: the languages with the lowest and the highest values at the end.
MOST_LINES = 7

_Panel = tuple[str, Any]


def draw(content: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the pictures of a report.

    Raises:
        ConfigError: the folder cannot be written to.
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("pictures are drawn by matplotlib; pip install 'pbrlsvr[report]'") from error
    parts: list[_Panel] = [
        (f"{run['name']}, {name}", part) for run in content["runs"] for name, part in run["parts"].items()
    ]
    evals = [(data, content["evals"]) for data in dict.fromkeys(d for each in content["evals"] for d in each["data"])]
    figures: dict[str, tuple[list[_Panel], Callable[[Axes, Any], None]]] = {
        "score": (_with(parts, "score"), lambda axes, part: _curves(axes, part, "score")),
        "accuracy": (_with(parts, "accuracy"), lambda axes, part: _curves(axes, part, "accuracy")),
        "gap_to_english": ([each for each in parts if _gaps(each[1])], _gap),
        "components": (parts, _components),
        "reward_and_accuracy": (_with(parts, "accuracy"), _reward_and_accuracy),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [_write(folder / f"{name}.png", panels[:MOST_RUNS], paint)
                   for name, (panels, paint) in figures.items() if panels]  # fmt: skip
        if evals:
            written.append(
                _write(folder / "evaluations.png", [(name, (name, each)) for name, each in evals], _evaluation)
            )
    except OSError as error:
        raise ConfigError(f"--png {str(folder)!r} cannot be written: {error}") from error
    return written


def _with(parts: Sequence[_Panel], metric: str) -> list[_Panel]:
    return [each for each in parts if OVERALL in each[1]["curves"].get(metric, {})]


def _write(path: Path, panels: Sequence[_Panel], paint: Callable[["Axes", Any], None]) -> Path:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    tall = max(len(part["languages"]) for _, part in panels) if path.stem == "components" else 0
    # Names come from folders and files: a dollar sign in them is no formula.
    with rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(7.5 * columns, max(4.2, 0.24 * tall + 1.8) * lines), layout="constrained")
        for place, (title, part) in enumerate(panels):
            axes = figure.add_subplot(lines, columns, place + 1)
            paint(axes, part)
            axes.set_title(title[:80])
        figure.savefig(path, dpi=130)
    return path


def _plot(axes: "Axes", part: Any, values: Sequence[float | None], label: str, at: int | None, **look: Any) -> None:
    known = [(step, value) for step, value in zip(part["steps"], values, strict=True) if value is not None]
    mark, colour = ("*", "black") if at is None else (MARKS[at % len(MARKS)], COLOURS[at % len(COLOURS)])
    axes.plot(*zip(*known, strict=True), label=label, color=colour, marker=mark, markersize=4,
              markevery=max(1, len(known) // 12), **look)  # fmt: skip


def _finish(axes: "Axes", y: str) -> None:
    axes.set_xlabel("step")
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _curves(axes: "Axes", part: Any, metric: str) -> None:
    ends = part["ends"][metric]
    order = sorted((each for each in ends if each not in (OVERALL, UNKNOWN) and ends[each][1] is not None),
                   key=lambda each: ends[each][1])  # fmt: skip
    half = MOST_LINES // 2
    chosen = order if len(order) <= MOST_LINES else order[:half] + order[-half:]
    _plot(axes, part, part["curves"][metric][OVERALL], "all languages", None, linewidth=3)
    for at, language in enumerate(chosen):
        _plot(axes, part, part["curves"][metric][language], language, at, linestyle=DASHES[at % len(DASHES)])
    _finish(axes, metric)


def _gaps(part: Any) -> list[float | None]:
    """English minus the mean of the other languages, of the accuracy or else of the score."""
    curves: Mapping[str, Any] = {}
    for metric in ("score", "accuracy"):
        if "en" in (found := part["curves"].get(metric, {})):
            curves = found
    others = [values for language, values in curves.items() if language not in (OVERALL, UNKNOWN, "en")]
    gaps: list[float | None] = []
    for at, english in enumerate(curves.get("en", ())):
        found = [english - values[at] for values in others if english is not None and values[at] is not None]
        gaps.append(sum(found) / len(found) if found else None)
    return gaps if any(gap is not None for gap in gaps) else []


def _gap(axes: "Axes", part: Any) -> None:
    axes.axhline(0, color="#8c959f")
    _plot(axes, part, _gaps(part), "mean of the languages", 0, linewidth=3)
    _finish(
        axes, f"English minus the language, {'accuracy' if 'en' in part['curves'].get('accuracy', {}) else 'score'}"
    )


def _components(axes: "Axes", part: Any) -> None:
    metrics = [name for name in part["metrics"] if name in ("score", "accuracy") or name.startswith("component/")]
    nothing = (None, None)
    values = [[part["ends"].get(metric, {}).get(language, nothing)[1] for metric in metrics]
              for language in part["languages"]]  # fmt: skip
    cells = [[float("nan") if value is None else value for value in row] for row in values]
    image = axes.imshow(cells, aspect="auto", cmap="cividis", vmin=0, vmax=1)
    axes.set_xticks(
        range(len(metrics)), [name.removeprefix("component/")[:24] for name in metrics], rotation=30, ha="right"
    )
    axes.set_yticks(range(len(part["languages"])), [each[:16] for each in part["languages"]])
    if len(metrics) <= 12:
        for y, row in enumerate(values):
            for x, value in enumerate(row):
                if value is not None:
                    colour = "white" if value < 0.5 else "black"
                    axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    axes.figure.colorbar(image, ax=axes, label="mean over the last tenth of the steps")


def _reward_and_accuracy(axes: "Axes", part: Any) -> None:
    for at, metric in enumerate(("score", "accuracy", "score_right", "score_wrong")):
        values = part["curves"].get(metric, {}).get(OVERALL)
        if values and any(value is not None for value in values):
            label = metric.replace("score_", "score of ") + (" answers" if "_" in metric else "")
            _plot(axes, part, values, label, at, linestyle=DASHES[at], linewidth=2.5 if at < 2 else 1.5)
    _finish(axes, "mean over all languages")


def _evaluation(axes: "Axes", found: tuple[str, Sequence[Any]]) -> None:
    data, models = found
    models = [each for each in models if data in each["data"]][: len(COLOURS)]
    languages = list(dict.fromkeys(tag for each in models for tag in each["data"][data]["languages"]))
    for at, model in enumerate(models):
        known = model["data"][data]["languages"]
        for place, language in enumerate(languages):
            if "accuracy" not in (one := known.get(language, {})):
                continue
            x = place + (at - (len(models) - 1) / 2) * min(0.18, 0.7 / len(models))
            low, high = one.get("accuracy_interval", (one["accuracy"], one["accuracy"]))
            axes.plot([x, x], [low, high], color=COLOURS[at])
            first = model["name"][:40] if place == 0 else None
            axes.plot(x, one["accuracy"], MARKS[at], color=COLOURS[at], label=first)
    axes.set_xticks(range(len(languages)), [each[:12] for each in languages])
    axes.set_ylim(bottom=0)
    _finish(axes, "accuracy, with 95 % intervals")
    axes.set_xlabel("")
