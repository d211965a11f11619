"""The result, as a table in the terminal and as a picture."""

from pathlib import Path

import matplotlib as mpl
from rich.table import Table

from quickstart.evaluate import Accuracy
from quickstart.phrases import LANGUAGES
from quickstart.train import StepResult

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

BEFORE, AFTER, FALL, NEUTRAL = "#9aa5b1", "#0b7a75", "#c8553d", "#52606d"
INK, FAINT = "#1f2933", "#e4e7eb"
Results = dict[str, Accuracy]


def title(language: str) -> str:
    return LANGUAGES[language].title if language in LANGUAGES else language


def gain(before: Results, after: Results, pivot: str) -> float:
    """Mean change of the accuracy over the languages other than the pivot."""
    changes = [after[language].share - before[language].share for language in before if language != pivot]
    return sum(changes) / len(changes) if changes else 0.0


def table(before: Results, after: Results, pivot: str) -> Table:
    """Accuracy per language before and after, the change, and the gap to the pivot language."""
    grid = Table(
        title="Accuracy on held-out problems", title_justify="left", header_style="bold", row_styles=["", "dim"]
    )
    grid.add_column("Language")
    for heading in ("Problems", "Before", "After", "Change", "Gap before", "Gap after"):
        grid.add_column(heading, justify="right")
    for language, old in before.items():
        new = after[language]
        gaps = [f"{results[pivot].share - results[language].share:.2f}" for results in (before, after)]
        grid.add_row(
            title(language),
            str(old.count),
            f"{old.share:.2f}",
            f"[bold]{new.share:.2f}[/]",
            _change(new.share - old.share),
            *(["", ""] if language == pivot else gaps),
        )
    others = [language for language in before if language != pivot]
    if others:
        old_mean, new_mean = (sum(results[one].share for one in others) / len(others) for results in (before, after))
        grid.add_section()
        grid.add_row(
            f"Mean without {title(pivot)}",
            "",
            f"{old_mean:.2f}",
            f"[bold]{new_mean:.2f}[/]",
            _change(new_mean - old_mean),
            f"{before[pivot].share - old_mean:.2f}",
            f"{after[pivot].share - new_mean:.2f}",
        )
    return grid


def verdict(before: Results, after: Results, steps: list[StepResult], pivot: str) -> str:
    """What happened, in a sentence, whichever way it went."""
    change = gain(before, after, pivot)
    if len(steps) < 6:
        return f"Accuracy changed by {change:+.2f} on average outside {title(pivot)}; {len(steps)} steps tell nothing."
    third = max(1, len(steps) // 3)
    first, last = (sum(one.reward for one in part) / third for part in (steps[:third], steps[-third:]))
    reward = f"the mean reward went from {first:.3f} (first {third} steps) to {last:.3f} (last {third})"
    if change > 0.01:
        return f"Accuracy rose by {change:.2f} on average outside {title(pivot)}; {reward}."
    cause = (
        "the reward rose, so what it pays for is not what makes an answer right: read the responses, and check that "
        "the encoder ranks right reasoning above wrong"
        if last > first + 0.01
        else "nor did the reward: more steps, more prompts per step, or another learning rate may help"
    )
    return f"[yellow]Accuracy did not rise[/] ({change:+.2f} on average outside {title(pivot)}); {reward}; {cause}."


def _change(change: float) -> str:
    colour = "green" if change > 0.005 else "red" if change < -0.005 else "default"
    return f"[{colour}]{change:+.2f}[/]"


def picture(before: Results, after: Results, steps: list[StepResult], pivot: str, path: Path) -> None:
    """Left, accuracy per language before and after; right, the mean reward of each training step."""
    style = {
        "font.family": "DejaVu Sans",
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with mpl.rc_context(style):
        figure, axes = plt.subplot_mosaic(
            [["title", "title"], ["left", "right"]],
            figsize=(11.5, 2.3 + 0.52 * len(before)),
            width_ratios=[1.65, 1],
            height_ratios=[0.75, 2 + 0.52 * len(before)],
            layout="constrained",
        )
        _title(axes["title"], before, after, len(steps), pivot)
        _dumbbells(axes["left"], before, after, pivot)
        _rewards(axes["right"], steps)
        figure.savefig(path, dpi=160, facecolor="white")
        plt.close(figure)


def _title(axes: Axes, before: Results, after: Results, steps: int, pivot: str) -> None:
    axes.set_axis_off()
    axes.text(0, 0.95, f"{title(pivot)} as the pivot: what RL added", fontsize=15, fontweight="bold", va="top")
    text = (
        f"{steps} steps of veRL GRPO; the reward is a sentence encoder's cosine to the {title(pivot)} reasoning. "
        f"Mean change outside {title(pivot)}: {gain(before, after, pivot):+.2f}"
    )
    axes.text(0, 0.1, text, fontsize=9.5, color="#52606d", va="center")


def _dumbbells(axes: Axes, before: Results, after: Results, pivot: str) -> None:
    languages = list(before)[::-1]
    for height, language in enumerate(languages):
        old, new = before[language].share, after[language].share
        colour = AFTER if new > old + 0.005 else FALL if new < old - 0.02 else NEUTRAL
        axes.plot([old, new], [height, height], color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
        axes.scatter(old, height, s=85, facecolor="white", edgecolor=BEFORE, linewidth=2.4, zorder=3)
        axes.scatter(new, height, s=105, color=colour, zorder=4)
        axes.annotate(
            f"{new:.2f}  ({new - old:+.2f})",
            (max(old, new), height),
            xytext=(11, 0),
            textcoords="offset points",
            va="center",
            fontsize=10,
            color=colour,
            fontweight="bold",
        )
        axes.annotate(
            f"{old:.2f}",
            (min(old, new), height),
            xytext=(-11, 0),
            textcoords="offset points",
            va="center",
            ha="right",
            fontsize=10,
            color="#7b8794",
        )
    if pivot in before:
        axes.axvline(before[pivot].share, color=INK, linewidth=1, linestyle=(0, (3, 3)), alpha=0.45, zorder=0)
    lowest = min(result.share for results in (before, after) for result in results.values())
    axes.set_xlim(max(-0.08, lowest - 0.14), 1.19)
    axes.set_xticks([tick / 10 for tick in range(0, 11, 2) if tick / 10 >= axes.get_xlim()[0]])
    axes.set_ylim(-0.6, len(languages) - 0.4)
    axes.set_yticks(range(len(languages)), [title(language) for language in languages], fontsize=11)
    axes.set_xlabel("share of right answers on held-out problems, greedy decoding")
    axes.scatter([], [], s=60, facecolor="white", edgecolor=BEFORE, linewidth=2.2, label="before")
    axes.scatter([], [], s=75, color=AFTER, label="after")
    axes.legend(loc="lower right", bbox_to_anchor=(1.01, 0.99), ncols=2, frameon=False, fontsize=10, handletextpad=0.2)
    axes.set_title("accuracy", fontsize=10.5, loc="left")
    _clean(axes)


def _rewards(axes: Axes, steps: list[StepResult]) -> None:
    numbers, rewards = [one.step for one in steps], [one.reward for one in steps]
    axes.plot(numbers, rewards, color=AFTER, alpha=0.35, linewidth=1.2, marker="o", markersize=3.5)
    axes.plot(numbers, _smooth(rewards), color=AFTER, linewidth=2.4)
    axes.set_title("reward: cosine to the English pivot", fontsize=10.5, loc="left")
    axes.set_xlabel("GRPO step")
    axes.xaxis.get_major_locator().set_params(integer=True)
    _clean(axes)


def _smooth(values: list[float], width: int = 5) -> list[float]:
    """Mean over a window centred on each value."""
    half = width // 2
    windows = [values[max(0, index - half) : index + half + 1] for index in range(len(values))]
    return [sum(window) / len(window) for window in windows]


def _clean(axes: Axes) -> None:
    axes.grid(axis="both", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
