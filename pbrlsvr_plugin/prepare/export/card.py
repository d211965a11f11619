"""The data card: `README.md` with a picture: what is in the files, where it is from, what was left out."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pbrlsvr.languages import english_name
from pbrlsvr_plugin.prepare.export import markdown
from pbrlsvr_plugin.prepare.export.card_picture import draw
from pbrlsvr_plugin.prepare.export.options import CardOptions
from pbrlsvr_plugin.prepare.export.tally import Tally, quantiles
from pbrlsvr_plugin.prepare.stage import Context
from pbrlsvr_plugin.whole_file import whole_file

FILE = "README.md"
PICTURE = "card.png"


def write_card(
    tally: Tally,
    reports: Sequence[Mapping[str, Any]],
    files: Mapping[str, int],
    fingerprint: Mapping[str, Any],
    options: CardOptions,
    context: Context,
) -> None:
    """Writes `README.md` and, where matplotlib is installed, `card.png` into `context.out`."""
    reports = [report for report in reports if report["name"] != "export" or report is reports[-1]]
    has_picture = draw(tally, reports, options.title or context.name, context.out / PICTURE)
    sections = [
        _front_matter(tally, files, options),
        f"# {markdown.text(options.title or context.name)}",
        markdown.text(options.description),
        _summary(tally, has_picture),
        _rows(tally),
        _origin(tally, options, [*reports, {"name": "export", "fingerprint": fingerprint}]),
        _left_out(reports),
        _loading(files),
        _making(reports, fingerprint, context),
    ]
    card = "\n\n".join(section.strip() for section in sections if section.strip())
    with whole_file(context.out / FILE) as draft:
        draft.write_text(f"{card}\n", encoding="utf-8")


def _front_matter(tally: Tally, files: Mapping[str, int], options: CardOptions) -> str:
    """What a dataset hub reads; it makes `datasets.load_dataset(folder)` find the files, which must be of one kind."""
    lines = ["language:", *(f"- {json.dumps(code)}" for code in sorted(tally.languages))]
    if options.license:
        lines.append(f"license: {json.dumps(options.license)}")
    lines += ["tags:", "- pbrlsvr", "- multilingual-reasoning"]
    configs = _by_format(path for path in files if path.endswith(".parquet"))
    lines += ["configs:"] if configs else []
    for name, paths in configs.items():
        lines += [f"- config_name: {name}", *(["  default: true"] if name == next(iter(configs)) else [])]
        lines.append("  data_files:")
        for split, path in paths.items():
            lines += [f"  - split: {split}", f"    path: {path}"]
    return "\n".join(["---", *lines, "---"])


def _by_format(paths: Iterable[str]) -> dict[str, dict[str, str]]:
    """Format -> split -> file."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path in paths:
        found[path.rpartition("/")[0] or "verl"][Path(path).stem] = path
    return found


def _summary(tally: Tally, has_picture: bool) -> str:
    train, test = tally.problems("train"), tally.problems("test")
    summary = (
        f"{tally.rows:,} rows: {train:,} problems for training and {test:,} for testing, in {len(tally.languages)} "
        "languages, with English pivot references. No problem is in both splits, in any language."
    )
    picture = f"![Rows and lengths by language, lengths of the references, rejected rows]({PICTURE})"
    return f"{summary}\n\n{picture}" if has_picture else f"{summary}\n\n(For a picture here: `pip install matplotlib`.)"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]], text_columns: int = 1) -> str:
    def line(cells: Sequence[object]) -> str:
        shown = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells)
        return f"| {' | '.join(shown)} |"

    rule = ["---" if place < text_columns else "---:" for place in range(len(header))]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def _rows(tally: Tally) -> str:
    unit = tally.unit
    rows = []
    for code in tally.languages:
        half, most, longest = quantiles(tally.of_language(code), 0.5, 0.95, 1)
        name = f"{english_name(code)} (`{code}`)"
        rows.append((name, tally.count("train", code), tally.count("test", code), half, most, longest))
    half, most, longest = quantiles(tally.references, 0.5, 0.95, 1)
    table = _table(("language", "train", "test", f"prompt: median {unit}", "95 % below", "longest"), rows)
    return (
        f"## Rows\n\n{table}\n\nReferences: a median of {half:,} {unit}, 95 % below {most:,}, the longest {longest:,}."
    )


def _origin(tally: Tally, options: CardOptions, reports: Sequence[Mapping[str, Any]]) -> str:
    said = markdown.code(options.license) if options.license else "not stated; the terms of the sources apply"
    lines = ["## Where it is from", f"Licence: {said}."]
    rows = tally.counts["source"]
    read = [name for report in reports for name in report.get("facts", {}).get("sources", ())]
    names = sorted({*rows, *read}, key=lambda name: (-rows[name], name))
    sources = [
        (
            markdown.code(name),
            markdown.text(options.sources.get(name, options.sources.get(Path(name).name, ""))),
            rows[name],
        )
        for name in names
    ]
    lines.append(_table(("source", "licence and address", "rows"), sources, 2))
    files = [
        (markdown.code(name.partition(" (in folder")[0]), report["name"], f"`{digest[:16]}`")
        for report in reports
        for name, digest in report.get("fingerprint", {}).get("files", {}).items()
    ]
    if files:
        lines.append(_table(("file", "read by", "SHA-256 begins with"), files, 3))
    dropped = [name for report in reports for name in report.get("facts", {}).get("columns_dropped", ())]
    if dropped:
        lines.append(
            f"Columns of the sources that are not in these files: {', '.join(map(markdown.code, dropped))}. The field "
            "`keep` of a mapping keeps them."
        )
    for column, header in (("engine", "who wrote the question"), ("pivot_model", "who wrote the reference")):
        common = tally.counts[column].most_common(50)
        authors = [(markdown.code(name) if name else "none", count) for name, count in common]
        lines.append(_table((header, "rows"), authors))
    return "\n\n".join(lines)


def _left_out(reports: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for report in reports:
        reasons = sorted(report["rejected"].items(), key=lambda each: (-each[1], each[0]))
        said = ", ".join(f"{reason} {count:,}" for reason, count in reasons) or "nothing"
        rows.append((report["name"], report["rows_in"] or "", report["rows_out"], said))
    table = _table(("stage", "rows in", "rows out", "rejected"), rows)
    return f"## What was left out\n\n{table}\n\nEach rejected row is in its stage's `rejects.jsonl`, with the reason."


_LOADING = {
    "verl": "python -m verl.trainer.main_ppo +reward_fn=pbrlsvr.embed_cosine "
    "data.train_files={train} data.val_files={test}",
    "trl": 'datasets.load_dataset("parquet", data_files="{train}")  # columns: prompt, and what the rewards take',
    "openrlhf": "--data.prompt_dataset {train} --data.input_key prompt --data.label_key label "
    "--data.apply_chat_template",
    "sft": "torchrun -m verl.trainer.sft_trainer data.train_files={train} data.messages_key=messages "
    "data.custom_cls.path=pkg://pbrlsvr_plugin.verl.sft_data data.custom_cls.name=Conversations",
}


def _loading(files: Mapping[str, int]) -> str:
    lines = [
        f"# {name}\n" + _LOADING[name].format(**{"train": "<none>", "test": "<none>", **paths})
        for name, paths in _by_format(files).items()
    ]
    rows = [(f"`{path}`", count) for path, count in files.items()]
    return "## Loading it\n\n```\n" + "\n".join(lines) + f"\n```\n\n{_table(('file', 'rows'), rows)}"


def _making(reports: Sequence[Mapping[str, Any]], fingerprint: Mapping[str, Any], context: Context) -> str:
    import pbrlsvr

    prints = [report["fingerprint"] for report in reports if "fingerprint" in report]
    digest = sha256(json.dumps([*prints, fingerprint], sort_keys=True, default=str).encode()).hexdigest()
    costs = [
        (report["name"], facts["answers"], facts["prompt_tokens"], facts["completion_tokens"])
        for report in reports
        if "answers" in (facts := report.get("facts", {}))
    ]
    cost = _table(("stage", "answers", "tokens of prompts", "tokens of answers"), costs)
    cost = f"\n\nWhat was paid for, in all runs together:\n\n{cost}" if costs else ""
    return (
        f"## How it was made\n\n`pbrlsvr prepare`, version {pbrlsvr.__version__}, seed {context.seed}. Options and "
        f"files together have the fingerprint `{digest[:16]}`: the same one from the same sources gives the same "
        f"rows.{cost}"
    )
