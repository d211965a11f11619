"""Duplicates: of problems that say the same, the first stays.

The English question is compared, or the question where there is no English one. A problem that goes is gone in all its
languages. Exact duplicates are equal without case, punctuation and spaces; near ones have a Jaccard similarity of runs
of 5 characters of at least `threshold` (`minhash.py`). The same story with other numbers is another problem, unless
`same_numbers` is off.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pbrlsvr.answers.cjk import find_numbers
from pbrlsvr.answers.texts import clean
from pbrlsvr_plugin.prepare.check import numbers_kept as numbers
from pbrlsvr_plugin.prepare.export.minhash import NearDuplicates, hash_of, normal_form
from pbrlsvr_plugin.prepare.export.options import DuplicateOptions
from pbrlsvr_plugin.prepare.stage import Row


def find_duplicates(rows: Iterable[Row], options: DuplicateOptions, scratch: Path) -> dict[str, tuple[str, str]]:
    """Problem -> reason ("duplicate" or "near_duplicate") and detail, for each problem that goes."""
    if not options.exact and not options.near:
        return {}
    found = NearDuplicates(options.threshold if options.near else None, scratch)
    places = _Problems(scratch)
    for row in rows:
        if not places.add(row["problem"]):
            continue
        text = row["english"] or row["question"]
        form = normal_form(text) or text.strip()
        found.add(form, numbers_key(text) if options.same_numbers else 0)
    dropped: dict[str, tuple[str, str]] = {}
    for pair in found.duplicates():
        first = places[pair.first]
        if pair.exact and options.exact:
            dropped[places[pair.place]] = ("duplicate", f"the same as problem {first!r}")
        elif options.near:
            dropped[places[pair.place]] = ("near_duplicate", f"{pair.similarity:.2f} like problem {first!r}")
    return dropped


def numbers_key(text: str) -> int:
    """The same for texts with the same numbers, in whatever order.

    >>> numbers_key("3 bags of 5") == numbers_key("5 in each of 3 bags") != numbers_key("3 bags of 6")
    True
    """
    cleaned = clean(text)
    found = Counter(str(min(number.readings)) for number in numbers.written(cleaned, "en"))
    found.update(str(number.value) for number in find_numbers(cleaned) if not number.weak)
    return hash_of(repr(sorted(found.items()))) if found else 0


class _Problems:
    """The names of problems by their place; on the disk, since a million names take as much memory as the hashes."""

    def __init__(self, scratch: Path):
        self._names = (scratch / "problems.txt").open("w+b")
        self._ends = array("q", [0])
        self._seen: set[int] = set()

    def add(self, name: str) -> bool:
        """Whether the name is new."""
        if (mark := hash_of(name)) in self._seen:
            return False
        self._seen.add(mark)
        encoded = name.encode("utf-8", "surrogatepass")
        self._names.seek(self._ends[-1])
        self._names.write(encoded)
        self._ends.append(self._ends[-1] + len(encoded))
        return True

    def __getitem__(self, place: int) -> str:
        self._names.seek(self._ends[place])
        return self._names.read(self._ends[place + 1] - self._ends[place]).decode("utf-8", "surrogatepass")
