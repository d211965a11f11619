"""`pbrlsvr prepare` on many rows: seconds, peak memory, and whether both grow as they should.

    python benchmarks/prepare.py                     10,000 and 100,000 rows
    python benchmarks/prepare.py 100000 1000000      the sizes of the promise; the second takes a while
    python benchmarks/prepare.py --all 10000         check and export as well

Rows: school problems with worked solutions in GSM8K's layout, all different, made here (about 600 characters each).
Languages: English and one more, whose translations stand in a file.

    prepare        load, reference (the data set's own solutions), verify, translate (joined), each with its files,
                   digests and rejects; with --all then check and export
    datasets.map   one script without stages: `load_dataset("json")`, then `map` and `filter` that extract the answer,
                   split the solution, compare both with the same functions, join the translations from a second
                   data set by row number, and write one parquet file

Each runs in a process of its own; the memory is the peak of its resident set, with what it maps from files. CPU seconds
are those of the process, all threads together: on a busy machine they say more than the seconds on the clock.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

WORDS = ("apples", "pears", "plums", "books", "coins", "cards", "stones", "shells", "boats", "birds", "lamps", "chairs")
STAGES = ("load", "reference", "verify", "translate", "check", "export")


def problem(i: int) -> tuple[str, str, str]:
    """Question, worked solution, and a question in Spanish."""
    thing, first, more, names = WORDS[i % 12], i, i % 97 + 1, ("Ana", "Ben", "Chi", "Dan")[i % 4]
    question = (
        f"{names} has {first} {thing} on the first day of the month, and buys {more} more {thing} at the market for 3 "
        f"dollars each. A friend looks at all of the {thing} and counts them again. How many {thing} does {names} have?"
    )
    solution = (
        f"{names} starts with {first} {thing}.\nThe market adds {more} more {thing}.\nTogether that is {first} + "
        f"{more} = <<{first}+{more}={first + more}>>{first + more} {thing}.\n#### {first + more}"
    )
    spanish = (
        f"{names} tiene {first} {thing} el primer día del mes y compra {more} {thing} más en el mercado por 3 dólares "
        f"cada uno. Un amigo mira todos los {thing} y los cuenta de nuevo. ¿Cuántos {thing} tiene {names}?"
    )
    return question, solution, spanish


def write_data(folder: Path, count: int) -> None:
    with (folder / "rows.jsonl").open("w") as rows, (folder / "es.jsonl").open("w", encoding="utf-8") as translations:
        for i in range(count):
            question, solution, spanish = problem(i)
            rows.write(json.dumps({"question": question, "answer": solution}) + "\n")
            entry = {"id": f"rows:{i + 1}", "language": "es", "question": spanish}
            translations.write(json.dumps(entry, ensure_ascii=False) + "\n")


def run_prepare(folder: Path, stages: tuple[str, ...]) -> None:
    from rich.console import Console

    from pbrlsvr_plugin.prepare.config import read_config
    from pbrlsvr_plugin.prepare.runner import Runner

    flags = {
        "load.source": str(folder / "rows.jsonl"),
        "load.mapping": "gsm8k",
        "languages": "en,es",
        "out": str(folder / "out"),
        "reference.engine": "dataset",
        "translate.engine": "join",
        "translate.file": str(folder / "es.jsonl"),
        # The translations stand in a file, and the check is to be measured as well.
        "check.originals": "all",
        "export.formats": ["verl", "trl", "openrlhf", "sft"],
    }
    with Runner(read_config(None, (), flags), lambda line: None, Console(quiet=True)) as runner:
        for stage in stages:
            runner.run([stage])
            print(f"{stage} {_used()}", flush=True)


def run_datasets(folder: Path) -> None:
    import datasets

    from pbrlsvr.answers import equal
    from pbrlsvr.responses.spans import split

    datasets.disable_progress_bars()
    spanish = datasets.load_dataset(
        "json", data_files=str(folder / "es.jsonl"), split="train", cache_dir=folder / "cache"
    )
    rows = datasets.load_dataset(
        "json", data_files=str(folder / "rows.jsonl"), split="train", cache_dir=folder / "cache"
    )

    def reference(row: dict[str, str], index: int) -> dict[str, object]:
        spans = split(row["answer"])
        return {"id": f"rows:{index + 1}", "reasoning": spans.reasoning, "final": spans.answer}

    def languages(batch: dict[str, list[str]], indices: list[int]) -> dict[str, list[str]]:
        made: dict[str, list[str]] = {
            "id": [],
            "language": [],
            "question": [],
            "english": [],
            "reasoning": [],
            "final": [],
        }
        for place, other in enumerate(spanish[indices]["question"]):
            for language, text in (("en", batch["question"][place]), ("es", other)):
                values = (batch["id"][place], language, text, batch["question"][place])
                values += (batch["reasoning"][place], batch["final"][place])
                for name, value in zip(made, values, strict=True):
                    made[name].append(value)
        return made

    rows = rows.map(reference, with_indices=True)
    rows = rows.filter(lambda row: equal(row["final"], split(row["answer"]).answer, "en"))
    rows = rows.map(languages, with_indices=True, batched=True, remove_columns=rows.column_names)
    rows.to_parquet(str(folder / "rows.parquet"))
    print(f"all {_used()}", flush=True)


class Step(NamedTuple):
    """What one step took, and the peak of the memory so far."""

    name: str
    seconds: float
    cpu: float
    peak: int


def measure(which: str, folder: Path, *options: str) -> list[Step]:
    """The steps that a process reports. The first one has the start of the interpreter in it."""
    command = [sys.executable, __file__, "--child", which, "--folder", str(folder), *options]
    last, last_cpu = time.monotonic(), 0.0
    steps = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            name, peak, cpu = line.split()
            now = time.monotonic()
            steps.append(Step(name, now - last, float(cpu) - last_cpu, int(peak)))
            last, last_cpu = now, float(cpu)
    if process.returncode:
        raise SystemExit(f"{which} failed")
    return steps


def show(size: int, what: str, steps: list[Step]) -> None:
    seconds, cpu = sum(step.seconds for step in steps), sum(step.cpu for step in steps)
    peak = max(step.peak for step in steps)
    print(f"{size:9}  {what:28}{seconds:9.1f}{cpu:9.1f}{size / seconds:9.0f}{peak:9}", flush=True)


def _used() -> str:
    """Peak megabytes and CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return f"{used.ru_maxrss / 1024:.0f} {used.ru_utime + used.ru_stime:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--all", action="store_true", help="check and export as well")
    parser.add_argument("--child", choices=("prepare", "datasets"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        if arguments.child == "prepare":
            run_prepare(arguments.folder, STAGES if arguments.all else STAGES[:4])
        else:
            run_datasets(arguments.folder)
        return
    print(f"{'rows':>9}  {'what':28}{'seconds':>9}{'CPU s':>9}{'rows/s':>9}{'peak MB':>9}")
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_data(folder, size)
            steps = measure("prepare", folder, *(["--all"] if arguments.all else []))
            for step in steps:
                show(size, f"prepare, {step.name}", [step])
            show(size, "prepare, load to translate", steps[:4])
            show(size, "datasets.map, the same", measure("datasets", folder))


if __name__ == "__main__":
    main()
