"""The data card counts what was exported, and a dataset hub can read it."""

import shutil
import tempfile
from pathlib import Path

import pytest
import yaml

from pbrlsvr.languages import locale
from pbrlsvr_plugin.prepare.export.card import FILE, PICTURE, CardOptions, write_card
from pbrlsvr_plugin.prepare.export.export import Export, ExportOptions
from pbrlsvr_plugin.prepare.export.split import SplitOptions
from pbrlsvr_plugin.prepare.export.tally import Tally, quantiles
from pbrlsvr_plugin.prepare.stage import Context, new_row


class Reported(Context):
    """A context with the reports of earlier stages."""

    def reports(self):
        return [
            {"name": "load", "rows_in": 0, "rows_out": 12, "rejected": {"malformed": 2}},
            {"name": "check", "rows_in": 12, "rows_out": 10, "rejected": {"numbers": 1, "language": 1}},
            {"name": "export", "rows_in": 99, "rows_out": 99, "rejected": {"of an earlier run": 99}},
        ]


def context(out):
    return Reported(out / "work", out, "toy", 7, ("es", "sw"), None, Path(tempfile.mkdtemp(dir=out.parent)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """5 problems in two languages, one of them without a reference in Swahili."""
    out = tmp_path_factory.mktemp("card") / "data"
    out.mkdir()
    stories = ["ana buys figs", "leo sells two boats", "the river rises", "a clock is late", "bread needs salt"]
    rows = [
        new_row(
            id=f"toy:{i}/{language}", source="folder/toy.jsonl", line=i, problem=f"toy:{i}", language=language,
            question=f"{language} {story}", english=story, pivot_reasoning=f"Because {story}.", pivot_answer=str(i),
            pivot_model="teacher-70b", engine="original" if language == "es" else "mt-model",
        )
        for i, story in enumerate(stories)
        for language in ("es", "sw")
    ]  # fmt: skip
    rows[-1]["pivot_reasoning"] = ""
    options = ExportOptions(
        formats=("verl", "trl", "openrlhf"),
        split=SplitOptions(test=2),
        card=CardOptions(
            title="Toy questions", license="cc-by-4.0", description="Made by hand.",
            sources={"toy.jsonl": "CC BY 4.0, https://example.org"},
        ),
    )  # fmt: skip
    list(Export(options, context(out)).run(rows, lambda *_: None))
    yield out
    shutil.rmtree(out)


def tables(text):
    """The rows of all tables, as lists of cells."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_it_counts_rows_by_language_and_split(folder):
    rows = {row[0]: row[1:3] for row in tables((folder / FILE).read_text())}
    counts = {name: [int(cell) for cell in rows[name]] for name in ("Spanish (`es`)", "Swahili (`sw`)")}
    assert counts["Spanish (`es`)"] == [3, 2]
    assert sum(counts["Swahili (`sw`)"]) == 4
    assert "9 rows: 3 problems for training and 2 for testing, in 2 languages" in (folder / FILE).read_text()


def test_it_says_what_was_left_out_and_why_and_forgets_an_earlier_run(folder):
    text = (folder / FILE).read_text()
    assert ["load", "", "12", "malformed 2"] in tables(text)
    assert ["check", "12", "10", "language 1, numbers 1"] in tables(text)
    assert ["export", "10", "9", "no_reference 1"] in tables(text)
    assert "earlier run" not in text


def test_it_says_where_the_rows_are_from_and_under_which_terms(folder):
    text = (folder / FILE).read_text()
    assert "Licence: `cc-by-4.0`." in text
    assert "Made by hand." in text
    assert ["`folder/toy.jsonl`", "CC BY 4.0, https://example.org", "9"] in tables(text)
    assert ["`original`", "5"] in tables(text)
    assert ["`mt-model`", "4"] in tables(text)
    assert ["`teacher-70b`", "9"] in tables(text)


def test_a_hub_finds_the_files_by_its_front_matter(folder, tmp_path):
    datasets = pytest.importorskip("datasets")
    header = yaml.safe_load((folder / FILE).read_text().split("---")[1])
    assert header["language"] == ["es", "sw"]
    assert header["license"] == "cc-by-4.0"
    for config in ("verl", "trl"):
        loaded = datasets.load_dataset(str(folder), config, cache_dir=str(tmp_path))
        assert set(loaded) == {"train", "test"}
        assert sum(map(len, loaded.values())) == 9


def test_the_fingerprint_changes_with_the_options(tmp_path):
    tally = Tally("tokens")
    tally.add({"language": "es", "problem": "p", "source": "s", "engine": "e", "pivot_model": "m"}, "train", 3, 4)
    texts = []
    for place, option in enumerate((1, 1, 2)):
        out = tmp_path / str(place)
        out.mkdir()
        write_card(tally, [], {"train.parquet": 1}, {"option": option}, CardOptions(), context(out))
        texts.append((out / FILE).read_text())
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("languages", [1, 8, 70])
def test_the_picture_holds_one_language_or_seventy(languages, tmp_path):
    pytest.importorskip("matplotlib")
    import matplotlib.image

    codes = sorted(locale("en").languages)
    tally = Tally("tokens")
    for place in range(languages):
        for row in range(5 + place):
            values = {"language": codes[place], "problem": row}
            tally.add({**values, "source": "s", "engine": "e", "pivot_model": "m"}, "train", 10 + row, 20 + row)
    write_card(tally, [], {"train.parquet": tally.rows}, {}, CardOptions(), context(tmp_path))
    height, width, _ = matplotlib.image.imread(tmp_path / PICTURE).shape
    assert width == 1320
    # A quarter of an inch for each of at most 60 languages, and the lower half.
    assert abs(height / 110 - (0.24 * min(max(languages, 4), 60) + 4.6)) < 0.1


def test_without_rows_in_a_language_lengths_are_zero():
    assert quantiles([], 0.5, 1) == [0, 0]
