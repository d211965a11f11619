"""Problems that a benchmark has are found in any language and any file; other problems are not."""

import json
from pathlib import Path

import pytest

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr_plugin.prepare.export.benchmark_texts import Benchmark, read_texts
from pbrlsvr_plugin.prepare.export.contamination import ContaminationOptions, Index, find_overlaps
from pbrlsvr_plugin.prepare.stage import new_row

MGSM = Path(__file__).parents[4] / "shared" / "data" / "mgsm"
ROBE = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?"
DUCKS = "Janet's ducks lay 16 eggs per day, and she eats three of them for breakfast every single morning."


@pytest.fixture
def file(tmp_path):
    """A benchmark file with the given lines."""

    def write(lines, name="bench.txt"):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return str(path)

    return write


def index(*files, **options):
    return Index(ContaminationOptions(benchmarks=files, **options))


@pytest.mark.skipif(not MGSM.is_dir(), reason=f"the MGSM questions are not at {MGSM}")
@pytest.mark.parametrize("language", ["en", "es", "de", "sw", "zh", "bn"])
def test_all_of_mgsms_first_half_is_found_in_it_and_none_of_the_second(language, file):
    lines = (MGSM / f"mgsm_{language}.tsv").read_text(encoding="utf-8").split("\n")
    questions = [line.split("\t")[0] for line in lines if line.strip()]
    known = index(file(questions[:125]))
    found = [known.find(question) is not None for question in questions]
    assert (sum(found[:125]), sum(found[125:])) == (125, 0)


def test_13_words_in_a_row_are_an_overlap_and_12_are_not(file):
    known = index(file([ROBE]))
    words = ROBE.split()
    assert str(known.find("So " + " ".join(words[3:16]).upper() + " now")) == (
        "bench.txt:1: '2 bolts of blue fiber and half that much white fiber how many'"
    )
    assert known.find("So " + " ".join(words[3:15]) + " now") is None


def test_twenty_chinese_characters_are_an_overlap_and_nineteen_are_not(file):
    text = "珍妮特的鸭子每天下蛋十六枚她每天早上早餐时吃三枚并且每天用四枚为朋友烤松饼"
    known = index(file([text]))
    assert known.find("问：" + text[5:25] + "吗").run == text[5:25]
    assert known.find("问：" + text[5:24] + "吗") is None


def test_a_short_text_counts_only_as_the_whole_of_a_question(file):
    known = index(file(["What is 2 + 3?"]))
    assert known.find("what is 2 + 3") is not None
    assert known.find("What is 2 + 3 if you then double it?") is None


def test_the_wording_of_a_benchmark_is_no_overlap(file):
    asked = "Choose the right one of the following answers to the question and explain your choice in detail: "
    known = index(file([f"{asked} item {place}" for place in range(30)]))
    assert known.find(asked + "Where is Paris?") is None
    assert index(file([f"{asked} item {place}" for place in range(9)])).find(asked) is not None


def test_a_problem_is_found_through_any_of_its_languages(file):
    rows = [
        new_row(problem="a", language="es", question="Una bata lleva 2 rollos.", english=ROBE),
        new_row(problem="a", language="de", question="Ein Gewand braucht 2 Ballen.", english=ROBE),
        new_row(problem="b", language="es", question=DUCKS, english="Another question."),
        new_row(problem="c", language="es", question="Otra cosa.", english="Something else."),
    ]
    found = find_overlaps(rows, ContaminationOptions(benchmarks=(file([ROBE], "one.txt"), file([DUCKS], "two.txt"))))
    assert {problem: overlap.place for problem, overlap in found.items()} == {"a": "one.txt:1", "b": "two.txt:1"}


def test_no_benchmark_finds_nothing():
    assert find_overlaps([new_row(problem="a", question=ROBE)], ContaminationOptions()) == {}


@pytest.mark.parametrize(
    ("name", "lines", "column"),
    [
        ("b.txt", [ROBE, DUCKS], ""),
        ("b.tsv", [f'{ROBE} "\t3', f"{DUCKS}\t18"], ""),
        ("b.tsv", ["answer\tquestion", f"3\t{ROBE}", f"18\t{DUCKS}"], "#question"),
        ("b.csv", ["answer,question", f'3,"{ROBE}"', f'18,"{DUCKS}"'], "#question"),
        ("b.jsonl", [json.dumps({"answer": "x", "question": text}) for text in (ROBE, DUCKS)], ""),
        ("b.jsonl", [json.dumps({"a": {"b": text}, "question": "no"}) for text in (ROBE, DUCKS)], "#a.b"),
        ("b.jsonl", [json.dumps({"prompt": [{"role": "user", "content": text}]}) for text in (ROBE, DUCKS)], ""),
        ("b.json", [json.dumps([{"stem": ROBE}, {"stem": DUCKS}])], ""),
    ],
)
def test_benchmarks_are_read_in_every_layout(name, lines, column, file):
    known = index(file(lines, name) + column)
    assert known.find(ROBE) is not None
    assert known.find(DUCKS) is not None


def test_benchmarks_in_parquet_are_read(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "b.parquet"
    rows = [{"prompt": [{"role": "system", "content": DUCKS}, {"role": "user", "content": ROBE}]}]
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert list(read_texts(Benchmark.of(str(path)))) == [("b.parquet:1", ROBE)]
    assert index(str(path)).find(DUCKS) is None


@pytest.mark.parametrize(
    ("name", "lines", "error", "said"),
    [
        ("b.jsonl#stem", ['{"question": "x"}'], DataError, r"b.jsonl:1 has no column 'stem'; it has \['question'\]"),
        ("b.jsonl", ['{"question": "x"}', "{"], DataError, "b.jsonl:2: not JSON"),
        ("b.csv#stem", ["question,answer"], DataError, "has no column 'stem'"),
        ("b.xls", ["x"], ConfigError, "has none of the endings"),
    ],
)
def test_what_cannot_be_read_is_named(name, lines, error, said, file, tmp_path):
    file(lines, name.partition("#")[0])
    with pytest.raises(error, match=said):
        index(str(tmp_path / name))


def test_a_benchmark_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"there is no benchmark file 'nowhere.txt'"):
        index("nowhere.txt")
