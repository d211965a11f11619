"""Duplicates: of problems that say the same, the first stays.

The English question is compared, or the question where there is no English one. A problem that goes is gone in all its
languages. Exact duplicates are equal without case, punctuation and spaces; near ones have a Jaccard similarity of runs
of 5 characters of at least `threshold` (`minhash.py`). The same story with other numbers is another problem, unless
`same_numbers` is off.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pbrlsvr.answers.cjk import find_numbers
from pbrlsvr.answers.texts import clean
from pbrlsvr_plugin.prepare.check import numbers_kept as numbers
from pbrlsvr_plugin.prepare.export.minhash import NearDuplicates, Texts, hash_of, normal_form
from pbrlsvr_plugin.prepare.export.options import DuplicateOptions
from pbrlsvr_plugin.prepare.stage import Row


def find_duplicates(rows: Iterable[Row], options: DuplicateOptions, scratch: Path) -> dict[str, tuple[str, str]]:
    """Problem -> reason ("duplicate" or "near_duplicate") and detail, for each problem that goes."""
    if not options.exact and not options.near:
        return {}
    found = NearDuplicates(options.threshold if options.near else None, scratch)
    # On the disk: a million names take as much memory as the hashes.
    names = Texts(scratch / "problems.txt")
    seen: set[int] = set()
    for row in rows:
        if (mark := hash_of(row["problem"])) in seen:
            continue
        seen.add(mark)
        names.add(row["problem"])
        text = row["english"] or row["question"]
        form = normal_form(text) or text.strip()
        found.add(form, numbers_key(text) if options.same_numbers else 0)
    dropped: dict[str, tuple[str, str]] = {}
    for pair in found.duplicates():
        first = names[pair.first]
        if pair.exact and options.exact:
            dropped[names[pair.place]] = ("duplicate", f"the same as problem {first!r}")
        elif options.near:
            dropped[names[pair.place]] = ("near_duplicate", f"{pair.similarity:.2f} like problem {first!r}")
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
