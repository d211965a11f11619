"""The picture of the data card: rows and prompt lengths by language, reference lengths, rejected rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pbrlsvr.languages import english_name
from pbrlsvr_plugin.prepare.export.tally import Tally
from pbrlsvr_plugin.terminal import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRAIN, _TEST, _BAND, _REJECTED = "#0b7a75", "#f2a541", "#8fc1be", "#c8553d"
_INK, _MUTED, _GRID = "#1f2933", "#66727f", "#e4e7eb"
_MOST_LANGUAGES = 60
_MOST_REASONS = 12


def draw(tally: Tally, reports: Sequence[Mapping[str, Any]], title: str, path: Path) -> bool:
    """Writes the picture as a PNG; False, and nothing is written, where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        return False
    languages = tally.languages[:_MOST_LANGUAGES]
    reasons = _reasons(reports)
    upper = 0.24 * max(len(languages), 4) + 0.5
    lower = max(2.2, 0.24 * max(len(reasons), 1) + 0.5)
    figure = Figure(
        figsize=(12, upper + lower + 1.9), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.12), facecolor="white"
    )
    FigureCanvasAgg(figure)
    # Each half has its own left margin: the names of languages and of reasons differ in length.
    halves: Any = figure.subfigures(2, 1, height_ratios=[upper + 0.6, lower + 0.6], hspace=0.02)
    above, below = halves
    rows, lengths = above.subplots(1, 2, sharey=True)
    _draw_rows(rows, tally, languages)
    _draw_lengths(lengths, tally, languages)
    references, rejected = below.subplots(1, 2)
    _draw_references(references, tally)
    _draw_rejected(rejected, reasons)
    left_out = len(tally.languages) - len(languages)
    note = f"; the {left_out} languages with the fewest rows are not shown" if left_out else ""
    # A dollar sign would begin mathematics.
    heading = f"{' '.join(plain(title).split())}: {tally.rows:,} rows in {len(tally.languages)} languages{note}"
    figure.suptitle(heading.replace("$", r"\$"), x=0.01, ha="left", fontsize=14, fontweight="bold", color=_INK)
    # No date and no version in the file: equal data give equal bytes.
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return True


def _reasons(reports: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """ "stage: reason" and rows, the most frequent first."""
    found = [
        (f"{report['name']}: {reason}", count) for report in reports for reason, count in report["rejected"].items()
    ]
    found.sort(key=lambda each: (-each[1], each[0]))
    rest = sum(count for _, count in found[_MOST_REASONS:])
    return [*found[:_MOST_REASONS], *([("all others", rest)] if rest else [])]


def _style(axes: "Axes", heading: str, grid: str) -> None:
    axes.set_title(heading, loc="left", fontsize=10.5, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_MUTED)
    axes.tick_params(colors=_INK, labelsize=8.5, length=0)
    axes.grid(axis=grid, color=_GRID, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def _draw_rows(axes: "Axes", tally: Tally, languages: list[str]) -> None:
    places = np.arange(len(languages))
    train = np.array([tally.count("train", code) for code in languages])
    test = np.array([tally.count("test", code) for code in languages])
    _style(axes, "Rows", "x")
    axes.barh(places, train, color=_TRAIN, height=0.7, label="train")
    axes.barh(places, test, left=train, color=_TEST, height=0.7, label="test")
    for place, total in zip(places, train + test, strict=True):
        axes.text(float(total), float(place), f" {total:,}", va="center", fontsize=8, color=_MUTED)
    axes.set_yticks(places, [f"{english_name(code)}  {code}" for code in languages])
    axes.set_ylim(len(languages) - 0.4, -0.6)
    axes.set_xlim(0, 1.12 * max(1, int((train + test).max(initial=0))))
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if test.any():
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8.5, borderaxespad=0.1,
            handlelength=1,
        )  # fmt: skip


def _draw_lengths(axes: "Axes", tally: Tally, languages: list[str]) -> None:
    places = np.arange(len(languages))
    shares = (0.05, 0.25, 0.5, 0.75, 0.95, 1)
    low, lower, middle, upper, high, longest = np.array(
        [np.quantile(tally.of_language(code), shares) for code in languages]
    ).reshape(-1, len(shares)).T  # fmt: skip
    _style(axes, f"Prompt length in {tally.unit} (median, 50 %, 90 %, longest)", "x")
    axes.hlines(places, low, high, color=_BAND, linewidth=2)
    axes.barh(places, upper - lower, left=lower, height=0.5, color=_TRAIN, alpha=0.75)
    axes.plot(middle, places, "|", color="white", markersize=7, markeredgewidth=1.6)
    axes.plot(longest, places, ".", color=_REJECTED, markersize=5)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=6)


def _draw_references(axes: "Axes", tally: Tally) -> None:
    lengths = np.frombuffer(tally.references, dtype=np.dtype("L"))
    _style(axes, f"Reference length in {tally.unit}", "y")
    axes.hist(lengths, bins=min(40, max(1, len(np.unique(lengths)))), color=_TRAIN, alpha=0.85)
    if len(lengths):
        middle = float(np.median(lengths))
        axes.axvline(middle, color=_TEST, linewidth=1.6)
        axes.annotate(
            f"median {middle:,.0f}", (middle, 1), xycoords=("data", "axes fraction"), xytext=(4, -3),
            textcoords="offset points", va="top", fontsize=8.5, color=_INK,
        )  # fmt: skip
    axes.set_ylabel("rows", fontsize=8.5, color=_MUTED)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _draw_rejected(axes: "Axes", reasons: list[tuple[str, int]]) -> None:
    _style(axes, "Rejected rows, by stage and reason", "x")
    if not reasons:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color=_MUTED)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    places = np.arange(len(reasons))
    counts = [count for _, count in reasons]
    axes.barh(places, counts, color=_REJECTED, height=0.7)
    for place, count in zip(places, counts, strict=True):
        axes.text(count, float(place), f" {count:,}", va="center", fontsize=8, color=_MUTED)
    axes.set_yticks(places, [name for name, _ in reasons])
    axes.set_ylim(max(len(reasons), 4) - 0.4, -0.6)
    axes.set_xlim(0, 1.15 * max(counts))
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter("{x:,.0f}")
