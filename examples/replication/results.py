"""results.json: what each arm came to, and what it was made with. Small enough to be kept with the code.

    {"arms": {"A/gated/0": {"world", "arm", "seed", "steps", "overrides", "before", "after", "rewards", "accuracies",
                            "seconds", "command", "commit", "versions", ...}}}

`before` and `after` are what `judge.py` counts, by language; `rewards` is the mean reward of each step, and
`accuracies` the share of its responses that are right as far as training knows: where there is no ground truth, those
with the pivot's answer.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from quickstart.experiment import versions

FILE = Path(__file__).with_name("results.json")
Record = dict[str, Any]


def load(file: Path = FILE) -> list[Record]:
    """The records, by world, arm and seed; none where there is no file yet."""
    content = json.loads(file.read_text(encoding="utf-8"))["arms"] if file.is_file() else {}
    return list(content.values())


def keep(record: Record, file: Path = FILE) -> None:
    """Puts an arm's record into the file, in the place of an earlier one of the same arm and seed."""
    records = {_key(one): one for one in load(file)}
    command = f"python examples/replication/run.py --world {record['world']} --arm {record['arm']}"
    made_with = {"command": f"{command} --seed {record['seed']}", "commit": commit(), "versions": versions()}
    records[_key(record)] = record | made_with
    # Each arm on a line of its own: two people's arms are merged line by line.
    lines = [f" {json.dumps(key)}: {json.dumps(one, ensure_ascii=False)}" for key, one in sorted(records.items())]
    part = file.with_suffix(".part")
    part.write_text('{"arms": {\n' + ",\n".join(lines) + "\n}}\n", encoding="utf-8")
    part.replace(file)


def commit() -> str:
    """The commit that is checked out, with a + where the code differs from it; empty outside of a git checkout."""
    folder = Path(__file__).parent
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", "..", "../../reward_fns")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if [line for line in changed.splitlines() if FILE.name not in line] else "")


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def _key(record: Record) -> str:
    return f"{record['world']}/{record['arm']}/{record['seed']}"
