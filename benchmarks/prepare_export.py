"""Time and memory of `pbrlsvr prepare`'s stage `export`: deduplication, contamination, split, four formats, data card.

    python benchmarks/prepare_export.py 10000 100000 1000000

Rows are synthetic: a fifth as many problems as rows, in 5 languages; questions of 45 words, references of 90; 1 problem
in 50 is a near duplicate, 1 in 100 is in the benchmark. Each size runs in a process of its own.
"""

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "es", "de", "sw", "zh")
WORDS = [
    f"{first}{middle}{last}" for first in "bdfgklmn" for middle in ("ar", "el", "in", "os", "un") for last in "aeiou"
]
COPIED_EVERY, CONTAMINATED_EVERY = 50, 100


class SyntheticRows:
    """Rows that are made anew each time they are iterated over."""

    def __init__(self, count: int):
        self._count = count

    def __len__(self) -> int:
        return self._count

    def question(self, problem: int) -> str:
        """45 words with the problem's number; a problem in 50 is the one before it with another first word."""
        copied = problem % COPIED_EVERY == 1
        text = " ".join(random.Random(problem - copied).choices(WORDS, k=44))
        return f"{'So' if copied else 'Now'} {text} {problem - copied}?"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from pbrlsvr_plugin.prepare.stage import new_row

        for place in range(self._count):
            problem, language = place // len(LANGUAGES), LANGUAGES[place % len(LANGUAGES)]
            english = self.question(problem)
            yield new_row(
                id=f"synthetic:{problem}/{language}",
                source="synthetic",
                line=problem + 1,
                problem=f"synthetic:{problem}",
                language=language,
                question=english if language == "en" else f"{language} {english[::-1]}",
                english=english,
                answer=str(problem),
                pivot_reasoning=f"{english} {english}",
                pivot_answer=str(problem),
                pivot_model="synthetic",
            )


def export(count: int) -> None:
    """Exports so many rows, and prints what it took."""
    from pbrlsvr_plugin.prepare.export.contamination import ContaminationOptions
    from pbrlsvr_plugin.prepare.export.export import Export, ExportOptions
    from pbrlsvr_plugin.prepare.stage import Context

    rows = SyntheticRows(count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "scratch").mkdir()
        (folder / "out").mkdir()
        benchmark = folder / "benchmark.txt"
        problems = range(0, count // len(LANGUAGES), CONTAMINATED_EVERY)
        benchmark.write_text("".join(f"{rows.question(problem)}\n" for problem in problems))
        options = ExportOptions(
            formats=("verl", "trl", "openrlhf", "sft"), contamination=ContaminationOptions(benchmarks=(str(benchmark),))
        )
        context = Context(
            work=folder / "work",
            out=folder / "out",
            name="synthetic",
            seed=1,
            languages=LANGUAGES,
            journal=None,  # type: ignore[arg-type]
            scratch=folder / "scratch",
        )
        rejected: Counter[str] = Counter()

        def reject(row: Mapping[str, Any], reason: str, detail: str = "") -> None:
            rejected[reason] += 1

        start = time.perf_counter()
        kept = sum(1 for _ in Export(options, context).run(rows, reject))
        seconds = time.perf_counter() - start
        megabytes = sum(path.stat().st_size for path in (folder / "out").rglob("*.*")) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"| {count:,} | {kept:,} | {dict(rejected)} | {seconds:,.1f} | {1e3 * seconds / count:.2f} | {peak:,.0f} | "
        f"{megabytes:,.0f} |"
    )


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or [10_000, 100_000]
    if len(sizes) == 1:
        export(sizes[0])
        return
    print("| rows | kept | rejected | seconds | ms a row | peak MB | written MB |\n|---:|---:|---|---:|---:|---:|---:|")
    for size in sizes:
        sys.stdout.flush()
        subprocess.run([sys.executable, __file__, str(size)], check=True)


if __name__ == "__main__":
    main()
