"""What stages need when they run without a runner, and problems whose answers are known."""

import json
from pathlib import Path

import pytest

from pbrlsvr_plugin.prepare.requests.journal import Journal
from pbrlsvr_plugin.prepare.stage import Context


@pytest.fixture
def context(tmp_path):
    """`context(languages)`: what a stage needs when it runs without a runner."""
    journals = []

    def make(*languages: str, seed: int = 0, journal: str = "journal.sqlite") -> Context:
        scratch = tmp_path / f"scratch{len(journals)}"
        scratch.mkdir()
        journals.append(Journal(tmp_path / journal))
        return Context(tmp_path / "work", tmp_path / "out", "toy", seed, languages, journals[-1], scratch)

    yield make
    for journal in journals:
        journal.close()


class Rejects(list):
    """Collects what a stage rejects, as (id, reason)."""

    def __call__(self, row, reason, detail=""):
        self.append((row["id"], reason))


@pytest.fixture
def rejects() -> Rejects:
    return Rejects()


@pytest.fixture
def problems(tmp_path) -> Path:
    """40 problems with their answers, worked out."""
    path = tmp_path / "problems.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(40):
            question = f"Ana has {i} apples and buys {2 * i + 1} more. How many apples has she?"
            solution = f"She has {i} and buys {2 * i + 1}. Together that is <<{i}+{2 * i + 1}={3 * i + 1}>>{3 * i + 1}."
            row = {"question": question, "answer": f"{solution}\n#### {3 * i + 1}", "number": i}
            file.write(json.dumps(row) + "\n")
    return path


def solve(prompt: str) -> str:
    """The right reference for one of these problems; for a request to translate, a marked copy."""
    question = prompt[prompt.index("Ana has") :].strip()
    if prompt.startswith("Translate"):
        language = prompt.split("into ")[1].split(",")[0]
        return f"[{language}] {question}"
    first, second = (int(word) for word in question.replace("?", "").split() if word.isdecimal())
    return f"She has {first} and buys {second}, so she has {first + second}.\n#### {first + second}"


@pytest.fixture(name="solve")
def _solve():
    return solve
