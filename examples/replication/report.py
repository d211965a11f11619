"""The tables of README.md and a picture for each world, from results.json."""

from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from statistics import mean, median, stdev

import matplotlib as mpl

from pbrlsvr.errors import ConfigError
from quickstart.report import title
from replication.results import Record

mpl.use("Agg")
import matplotlib.pyplot as plt

START, END = "<!-- results: written by run.py --report -->", "<!-- end of results -->"
BEFORE, BASELINE = "before", "exact"
# 97.5 % quantiles of Student's t for 1, 2, 3, ... degrees of freedom.
_STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
_COLOURS = ("#0b7a75", "#c8553d", "#52606d", "#e0a458", "#5b5f97", "#8a9b68", "#9aa5b1")


def write(records: Sequence[Record], folder: Path, core: Sequence[str]) -> list[Path]:
    """Writes the tables into the folder's README.md and the pictures beside it, with the curves of the arms of the core
    where a world has many; returns what was written.

    Raises:
        ConfigError: README.md has no place for the tables.
    """
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else f"{START}\n{END}\n"
    head, start, rest = text.partition(START)
    _, end, tail = rest.partition(END)
    if not (start and end):
        raise ConfigError(f"{str(readme)!r} lacks the lines {START!r} and {END!r}, between which the tables go")
    parts, written = [], [readme]
    for world in sorted({record["world"] for record in records}):
        of_world = [record for record in records if record["world"] == world]
        picture = folder / f"world-{world}.png"
        draw(of_world, picture, core)
        written.append(picture)
        parts += [f"### World {world}", summary(of_world), languages(of_world), f"![World {world}]({picture.name})"]
    parts += [f"### All worlds, beside `{BASELINE}`", pairs(records)]
    readme.write_text(head + "\n\n".join([START, *parts, END]) + tail, encoding="utf-8")
    return written


def summary(records: Sequence[Record]) -> str:
    """A row for each arm: accuracy in the trained, the unseen and the pivot language, what responses are like, and the
    accuracy in the trained languages of each seed."""
    shares = ["own language", "reasoned", "right steps"]
    head = ["arm", "seeds", "steps", *ACCURACIES, *shares, "trained, by seed"]
    measures: list[Callable[[Record, str], float]] = [
        *ACCURACIES.values(),
        *(
            lambda record, when, name=name: mean(record[when][one][name] for one in trained(record))
            for name in ("own", "reasoned", "steps")
        ),
    ]
    body = []
    for arm, of_arm in _by_arm(records):
        when = BEFORE if arm == BEFORE else "after"
        steps = "0" if arm == BEFORE else _range([record["steps"] for record in of_arm])
        cells = [interval([measure(record, when) for record in of_arm]) for measure in measures]
        seeds = {record["seed"]: _number(measures[0](record, when)) for record in of_arm}
        each = ", ".join(f"{seed}: {seeds[seed]}" for seed in sorted(seeds))
        body.append([arm, str(len(seeds)), steps, *cells, each])
    return _table(head, body)


def languages(records: Sequence[Record]) -> str:
    """A row for each arm: accuracy in each language, the mean over seeds."""
    names = list(records[0]["after"])
    unseen = records[0]["unseen"]
    head = ["arm", *(f"{title(one)}{' (unseen)' if one in unseen else ''}" for one in names)]
    body = [
        [
            arm,
            *(
                _number(mean(_right(record[BEFORE if arm == BEFORE else "after"], one) for record in of_arm))
                for one in names
            ),
        ]
        for arm, of_arm in _by_arm(records)
    ]
    return _table(head, body)


def pairs(records: Sequence[Record]) -> str:
    """A row for each arm that has run beside exact answers with the same world and seed at least three times: in how
    many of these pairs it ends above or below them by half a point or more, and by how many points."""
    exact = {(one["world"], one["seed"]): one for one in records if one["arm"] == BASELINE}
    head = ["arm", "pairs", *(f"{name}: {what}" for name in ACCURACIES for what in ("above, below", "median, mean"))]
    body = []
    for arm, of_arm in _by_arm(records):
        beside = [(one, exact[one["world"], one["seed"]]) for one in of_arm if (one["world"], one["seed"]) in exact]
        if arm in (BEFORE, BASELINE) or len(beside) < 3:
            continue
        cells = [arm, str(len(beside))]
        for accuracy in ACCURACIES.values():
            points = [100 * (accuracy(one, "after") - accuracy(other, "after")) for one, other in beside]
            above, below = sum(one >= 0.5 for one in points), sum(one <= -0.5 for one in points)
            cells += [f"{above}, {below}", f"{median(points):+.1f}, {mean(points):+.1f}"]
        body.append(cells)
    return _table(head, body)


def interval(values: Sequence[float]) -> str:
    """The mean over seeds with half of its 95 % interval (Student's t); of one seed, the value alone.

    >>> interval([0.25]), interval([0.2, 0.3])
    ('.25', '.25 ± .64')
    """
    shown = _number(mean(values))
    if len(values) == 1:
        return shown
    half = _STUDENT[min(len(values) - 2, len(_STUDENT) - 1)] * stdev(values) / len(values) ** 0.5
    return f"{shown} ± {_number(half)}"


def trained(record: Record) -> list[str]:
    """The languages that were trained in."""
    return [one for one in record["after"] if one != record["pivot"] and one not in record["unseen"]]


ACCURACIES: dict[str, Callable[[Record, str], float]] = {
    "trained": lambda record, when: mean(_right(record[when], one) for one in trained(record)),
    "unseen": lambda record, when: mean([_right(record[when], one) for one in record["unseen"]] or [float("nan")]),
    "pivot": lambda record, when: _right(record[when], record["pivot"]),
}


def draw(records: Sequence[Record], file: Path, core: Sequence[str]) -> None:
    """Left, the accuracy of each arm in the trained languages, a dot for each seed; right, that of each step, of many
    arms for those of the core, which have their colours in all pictures."""
    arms = _by_arm(records)
    others = (arm for arm, _ in arms if arm != BEFORE and arm not in core)
    colours = {BEFORE: "#c3cad2"} | dict(zip([*core, *others], cycle(_COLOURS), strict=False))
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 1.6 + 0.42 * len(arms)), layout="constrained")
    for height, (arm, of_arm) in enumerate(reversed(arms)):
        when = BEFORE if arm == BEFORE else "after"
        values = [mean(_right(record[when], one) for one in trained(record)) for record in of_arm]
        left.barh(height, mean(values), color=colours[arm], alpha=0.75)
        left.scatter(values, [height] * len(values), color="#1f2933", s=14, zorder=3)
    left.set_yticks(range(len(arms)), [arm for arm, _ in reversed(arms)])
    left.set_xlabel("right answers in the trained languages")
    for arm, of_arm in arms:
        if arm != BEFORE and (arm in core or len(arms) <= len(_COLOURS) + 1):
            kept = [record["accuracies"] for record in of_arm if record.get("accuracies")]
            curve = [mean(step) for step in zip(*kept, strict=False)]
            right.plot(range(1, len(curve) + 1), curve, label=arm, color=colours[arm])
    right.set_xlabel("GRPO step")
    right.xaxis.get_major_locator().set_params(integer=True)
    right.set_title("right answers among the responses of training", fontsize=10, loc="left")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e4e7eb", linewidth=0.8)
        axes.set_axisbelow(True)
    figure.savefig(file, dpi=130, facecolor="white")
    plt.close(figure)


def _by_arm(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """The policies before, once for each seed; then the arms, in the order of the file."""
    before = list({record["seed"]: record for record in records}.values())
    arms = dict.fromkeys(record["arm"] for record in records)
    return [(BEFORE, before), *((arm, [record for record in records if record["arm"] == arm]) for arm in arms)]


def _right(counts: dict[str, dict[str, float]], language: str) -> float:
    return counts[language]["right"] / counts[language]["count"]


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}-{high}"


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.2f}".removeprefix("0") if value < 1 else f"{value:.2f}"


def _table(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
