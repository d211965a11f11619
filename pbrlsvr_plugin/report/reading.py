"""A step's file -> sums per language, of the metrics of `pbrlsvr_plugin.verl.metrics`.

That module says what each metric is. Here stand besides, where a right answer is known, the mean score of the responses
that are right (`score_right`) and wrong (`score_wrong`), and `characters`, the mean length of a response. Files of
veRL's own, which lack most fields, give what they have: a group is then the rows with one prompt.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pbrlsvr_plugin.report.columns import Columns, Keys, Languages
from pbrlsvr_plugin.report.rows import chunks
from pbrlsvr_plugin.report.samples import Picker, Picks
from pbrlsvr_plugin.verl.metrics import Sums, named


@dataclass
class Step:
    """What is kept of a step.

    Attributes:
        step: its number.
        sums: (metric, language) -> sum of the values, and how many there are; `overall` is a language here.
        rows: that could be read.
        unread: why rows could not be read -> how many.
        codes: what rows call their language and no language is called, some of them.
        picks: the samples, if they were asked for.
    """

    step: int
    sums: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    rows: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    codes: set[str] = field(default_factory=set)
    picks: Picks = field(default_factory=list)

    def metrics(self) -> dict[str, float]:
        """As the run logged them: `pbrlsvr/<language>/<metric>`."""
        return named(self.sums)


def read_step(step: int, path: Path, sample_bytes: int = 0) -> Step:
    """Reads a file once, in memory that does not grow with its texts.

    Raises:
        DataError: the file cannot be read at all.
    """
    found = Step(step)
    sums = Sums()
    known = Languages(found.codes)
    picker = Picker(step, sample_bytes) if sample_bytes else None
    for chunk in chunks(path, found.unread, Keys.wanted, keep_lines=bool(picker)):
        languages = known.of(chunk)
        columns = Columns(chunk)
        values = columns.metrics()
        sums.add(languages, values, columns.groups())
        if picker:
            picker.look(chunk.row, languages, values["score"], values["accuracy"])
        found.rows += len(chunk)
    found.sums = sums.totals()
    found.picks = picker.picks() if picker else []
    return found
