"""Figures as tables: on the screen, and as markdown, CSV, JSON and LaTeX."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from pbrlsvr.languages import english_name

#: What a group of languages is called in a heading.
GROUPS = {
    "all": "average",
    "without_english": "without en",
    "seen": "seen",
    "unseen": "unseen",
    "low_resource": "low-resource",
}
_HARNESS = {"strict-match": "strict", "flexible-extract": "flexible", "gsm8k-strict": "gsm8k"}


def percent(value: float | None) -> str:
    """52.4 for 0.524; - for what is not known."""
    return "-" if value is None else f"{100 * value:.1f}"


def summary(data: str, found: Mapping[str, Any]) -> Table:
    """The figures of one data set, a line for each language."""
    several = any("majority" in one for one in found["languages"].values())
    made = Table(title=f"{data}: %, with 95 % intervals over problems", title_justify="left", box=None, pad_edge=False)
    made.add_column("language", no_wrap=True)
    heads = ["questions", "accuracy", *(["majority"] if several else []), "gap to en", "answered", "cut off",
             "reasoning in it", "reply in it", "tokens"]  # fmt: skip
    heads += [f"lm-eval {name}" for name in _HARNESS.values()]
    for head in heads:
        made.add_column(head, justify="right")
    for tag, one in found["languages"].items():
        cells = [f"{one['questions']:,}", _between(one["accuracy"], one["accuracy_interval"])]
        cells += [percent(one["majority"])] if several else []
        cells += [percent(one.get("gap_to_english")), percent(one["answered"]), percent(one["truncated"])]
        cells += [percent(one["reasoning_in_language"]), percent(one["reply_in_language"])]
        cells += ["-" if one["tokens"] is None else f"{one['tokens']:,.0f}"]
        made.add_row(f"{tag} {english_name(tag)}", *cells, *(percent(one[name]) for name in _HARNESS))
    made.add_section()
    for group, one in found["averages"].items():
        cells = ["", _between(one["accuracy"], one["accuracy_interval"]), *([""] if several else [])]
        made.add_row(f"{GROUPS[group]} ({len(one['languages'])})", *cells, percent(one.get("gap_to_english")))
    for tag in found["unanswered_languages"]:
        made.add_row(f"{tag} {english_name(tag)}", "no answers")
    return made


def _between(value: float, limits: Sequence[float] | None) -> str:
    return percent(value) + (f" [{percent(limits[0])}, {percent(limits[1])}]" if limits else "")


def write(comparison: Mapping[str, Any], kind: str) -> str:
    """A comparison (see `compare`) as "markdown", "csv", "json" or "latex"."""
    if kind == "json":
        return json.dumps(comparison, indent=1, ensure_ascii=False) + "\n"
    if kind == "csv":
        return _csv(comparison)
    tables = [_markdown(name, one) if kind == "markdown" else _latex(name, one)
              for name, one in comparison["data"].items()]  # fmt: skip
    return "\n".join(tables)


def _grid(one: Mapping[str, Any]) -> tuple[list[str], list[list[tuple[str, bool, str]]]]:
    """Headings, and for each model its cells: text, whether it is the best of its column, mark."""
    columns = [*one["languages"], *one["groups"]]
    heads = [*one["languages"], *(GROUPS[group] for group in one["groups"]), "gap to en", "gain"]
    best = {column: max(model["accuracy"][column] for model in one["models"]) for column in columns}
    lines = []
    for model in one["models"]:
        line = []
        for column in columns:
            value, p = model["accuracy"][column], model["p_holm"].get(column)
            top = len(one["models"]) > 1 and percent(value) == percent(best[column])
            line.append((percent(value), top, "*" if p is not None and p < 0.05 else ""))
        line.append((percent(model.get("gap_to_english")), False, ""))
        gain = model.get("gain")
        line.append(("-" if gain is None else f"{100 * gain:+.1f}", False, ""))
        lines.append(line)
    return heads, lines


def _markdown(name: str, one: Mapping[str, Any]) -> str:
    heads, lines = _grid(one)
    rows = [["model", *heads], ["---", *["---:"] * len(heads)]]
    for model, cells in zip(one["models"], lines, strict=True):
        shown = [f"**{text}**{mark}" if top else f"{text}{mark}" for text, top, mark in cells]
        rows.append([_escape(model["name"]), *shown])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([f"### {_escape(name)}", "", table, "", *(f"{note}  " for note in one["notes"]), ""])


def _latex(name: str, one: Mapping[str, Any]) -> str:
    heads, lines = _grid(one)
    rows = [" & ".join(["Model", *map(_tex, heads)]) + r" \\", r"\midrule"]
    for model, cells in zip(one["models"], lines, strict=True):
        shown = [(rf"\textbf{{{text}}}" if top else text) + (r"$^{*}$" if mark else "") for text, top, mark in cells]
        rows.append(" & ".join([_tex(model["name"]), *shown]) + r" \\")
    notes = _tex(" ".join(one["notes"]))
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\begin{{tabular}}{{l{'r' * len(heads)}}}",
            r"\toprule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{_tex(name)}. {notes}}}",
            r"\end{table}",
            "",
        ]
    )


def _csv(comparison: Mapping[str, Any]) -> str:
    """A line for each model and column: for spreadsheets and plots."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["data", "model", "column", "accuracy", "low", "high", "difference", "p", "p_holm"])
    for name, one in comparison["data"].items():
        for model in one["models"]:
            for column in (*one["languages"], *one["groups"]):
                low, high = model["interval"][column] or (None, None)
                numbers = [model["accuracy"][column], low, high, model["difference"].get(column)]
                tests = [model["p"].get(column), model["p_holm"].get(column)]
                writer.writerow(
                    [name, model["name"], column, *("" if x is None else f"{x:.6g}" for x in numbers + tests)]
                )
    return out.getvalue()


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {character: f"\\{character}" for character in "&%$#_{}"}
# Other signs in LaTeX's old font encoding.
_TEX |= {character: f"${character}$" for character in "<>|"}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in " ".join(text.split()))
