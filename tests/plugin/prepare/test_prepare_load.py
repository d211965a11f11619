"""Data sets in all formats become the same rows; what is malformed is put aside; a broken mapping stops at once."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr_plugin.prepare.load.load import Load, LoadOptions
from pbrlsvr_plugin.prepare.load.mapping import built_in, guess_mapping, read_mapping
from pbrlsvr_plugin.prepare.load.sources import Source

MGSM = Path(__file__).parents[4] / "shared" / "data" / "mgsm"
GSM = {"question": "Ann has 1,000 and spends 1. Left?", "answer": "She has <<1000-1=999>>999 left.\n#### 999"}


def load(context, rejects, *languages, **options):
    stage = Load(LoadOptions(**options), context(*languages or ("sw",)))
    return list(stage.run([], rejects))


def write_lines(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_gsm8k_solutions_give_answer_and_reference_without_calculator_marks(tmp_path, context, rejects):
    source = write_lines(tmp_path / "train.jsonl", json.dumps(GSM))
    (row,) = load(context, rejects, source=source, mapping="gsm8k")
    assert (row["id"], row["source"], row["line"], row["problem"]) == ("train:1", "train.jsonl", 1, "train:1")
    assert (row["answer"], row["language"]) == ("999", "en")
    assert row["extra"]["solution"] == "She has 999 left.\n#### 999"
    assert row["english"] == row["question"] == GSM["question"]


def test_math_answers_come_out_of_the_box(tmp_path, context, rejects):
    record = {"problem": "Half?", "solution": r"It is $\boxed{\frac{1}{2}}$.", "level": "Level 1", "type": "Algebra"}
    source = write_lines(tmp_path / "math.jsonl", json.dumps(record))
    (row,) = load(context, rejects, source=source, mapping="math")
    assert row["answer"] == r"\frac{1}{2}"
    assert (row["extra"]["level"], row["extra"]["type"]) == ("Level 1", "Algebra")


def test_mmlu_pro_options_get_letters(tmp_path, context, rejects):
    record = {"question_id": 70, "question": "Which?", "options": ["tea", "milk"], "answer": "B", "answer_index": 1}
    pq.write_table(pa.Table.from_pylist([{**record, "category": "food", "src": "x"}]), tmp_path / "test.parquet")
    (row,) = load(context, rejects, source=str(tmp_path / "test.parquet"), mapping="mmlu_pro")
    assert row["question"] == "Which?\n(A) tea\n(B) milk"
    assert (row["answer"], row["problem"], row["extra"]["category"]) == ("B", "test:70", "food")


def test_mmlu_prox_languages_are_joined_by_question_id_in_any_order(tmp_path, context, rejects):
    def record(number, text):
        options = {f"option_{i}": f"{text}{i}" if i < 2 else "N/A" for i in range(10)}
        return {"question_id": number, "question": text, **options, "answer": "A", "category": "c", "src": "s"}

    for language, numbers in (("en", (1, 2)), ("sw", (2, 1)), ("de", (2,))):
        folder = tmp_path / "prox" / language
        folder.mkdir(parents=True)
        rows = [record(number, f"{language}{number}") for number in numbers]
        pq.write_table(pa.Table.from_pylist(rows), folder / "test-00000-of-00001.parquet")
        pq.write_table(pa.Table.from_pylist(rows[:1]), folder / "validation-00000-of-00001.parquet")
    rows = load(context, rejects, "sw", "de", source=str(tmp_path / "prox"), mapping="mmlu_prox")
    assert [row["question"] for row in rows] == ["en1\n(A) en10\n(B) en11", "en2\n(A) en20\n(B) en21"]
    assert rows[0]["translations"] == {"sw": "sw1\n(A) sw10\n(B) sw11"}
    assert sorted(rows[1]["translations"]) == ["de", "sw"]


@pytest.mark.skipif(not MGSM.is_dir(), reason="needs the MGSM files")
def test_mgsm_files_are_joined_by_line(context, rejects):
    rows = load(context, rejects, "sw", "zh", "de", "bn", source=str(MGSM), mapping="mgsm")
    assert len(rows) == 250
    assert rows[0]["answer"] == "18"
    assert rows[0]["translations"]["sw"].startswith("Bata wa Janet")
    assert sum(len(row["translations"]) for row in rows) == 4 * 250
    assert rejects == []


def test_a_translation_whose_answer_differs_is_rejected_however_the_number_is_written(tmp_path, context, rejects):
    write_lines(tmp_path / "mgsm_en.tsv", "One?\t2,125", "Two?\t1,500", "Three?\t7")
    write_lines(tmp_path / "mgsm_de.tsv", "Eins?\t2,125", "Zwei?\t1.500", "Drei?\t8")
    rows = load(context, rejects, "de", source=str(tmp_path), mapping="mgsm")
    assert [row["translations"] for row in rows] == [{"de": "Eins?"}, {"de": "Zwei?"}, {}]
    assert rejects == [("mgsm_en:3/de", "answer_differs")]


def test_parallel_files_of_different_length_stop_the_run(tmp_path, context, rejects):
    write_lines(tmp_path / "mgsm_en.tsv", "One?\t1", "Two?\t2")
    write_lines(tmp_path / "mgsm_sw.tsv", "Moja?\t1", "Mbili?\t2", "Tatu?\t3")
    with pytest.raises(DataError, match=r"'mgsm_sw\.tsv' goes on in line 3"):
        load(context, rejects, source=str(tmp_path), mapping="mgsm")


def test_every_format_gives_the_same_rows(tmp_path, context, rejects):
    records = [{"question": f'What is {i} + 1? Say "so".', "answer": str(i + 1)} for i in range(5)]
    lines = [json.dumps(record) for record in records]
    write_lines(tmp_path / "a.jsonl", *lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    with pa.output_stream(str(tmp_path / "c.jsonl.zst"), compression="zstd") as file:
        file.write("\n".join(lines).encode())
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "d.parquet")
    cells = ['"' + record["question"].replace('"', '""') + f'",{record["answer"]}' for record in records]
    write_lines(tmp_path / "e.csv", "question,answer", *cells)
    write_lines(
        tmp_path / "f.tsv", "question\tanswer", *(f"{record['question']}\t{record['answer']}" for record in records)
    )
    import datasets

    datasets.Dataset.from_list(records).save_to_disk(str(tmp_path / "g"))
    datasets.DatasetDict({"train": datasets.Dataset.from_list(records)}).save_to_disk(str(tmp_path / "h"))
    names = ("a.jsonl", "b.jsonl.gz", "c.jsonl.zst", "d.parquet", "e.csv", "f.tsv", "g", "h")
    loaded = [load(context, rejects, source=str(tmp_path / name), columns={"answer": "answer"}) for name in names]
    told = [[(row["question"], row["answer"]) for row in rows] for rows in loaded]
    assert told[0] == [(record["question"], record["answer"]) for record in records]
    assert all(rows == told[0] for rows in told)
    assert rejects == []


@pytest.mark.parametrize("streaming", [False, True])
def test_a_repository_is_read_through_datasets(tmp_path, streaming):
    (tmp_path / "data").mkdir()
    for split, numbers in (("train", range(2_500)), ("test", range(3))):
        table = pa.Table.from_pylist([{"question": f"{split} {i}?"} for i in numbers])
        pq.write_table(table, tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    source = Source("repo/train", "repo-train", dataset=(str(tmp_path), None, "train", None, streaming))
    records = list(source.records())
    assert len(records) == 2_500
    assert records[-1] == (2_500, {"question": "train 2499?"})


def test_a_data_set_that_cannot_be_reached_is_named_with_what_was_looked_for(context, rejects):
    with pytest.raises(DataError, match=r"'openai/gsm8k' \(configuration 'main', split 'train'.*download it"):
        load(context, rejects, source="gsm8k", mapping="gsm8k")


def test_verl_parquet_is_recognised_and_read(tmp_path, context, rejects):
    record = {
        "data_source": "gsm8k",
        "prompt": [{"role": "user", "content": "1+1?"}],
        "reward_model": {"style": "rule", "ground_truth": "2"},
    }
    source = str(tmp_path / "train.parquet")
    pq.write_table(pa.Table.from_pylist([record]), source)
    assert guess_mapping(LoadOptions(source=source)) == "verl"
    (row,) = load(context, rejects, source=source, mapping="verl")
    assert (row["question"], row["answer"], row["extra"]["data_source"]) == ("1+1?", "2", "gsm8k")


def test_malformed_rows_are_rejected_with_their_line_and_the_rest_goes_on(tmp_path, context):
    good = json.dumps({"question": "1+1?", "answer": 2.0})
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(
        b"\n".join(
            [
                good.encode(),
                b'{"question": "cut',
                b"[1, 2]",
                b'{"question": "\xff"}',
                b'{"answer": "3"}',
                b'{"question": "  ", "answer": "3"}',
                b'{"question": 5, "answer": "3"}',
                b'{"question": "half \\ud800", "answer": "3"}',
                b"",
                good.encode(),
            ]
        )
    )
    seen = []
    stage = Load(LoadOptions(source=str(path), columns={"answer": "answer"}), context("sw"))
    rows = list(stage.run([], lambda row, reason, detail="": seen.append((row["line"], reason))))
    assert [(row["line"], row["answer"]) for row in rows] == [(1, "2"), (10, "2")]
    assert seen == [
        (2, "not_json"),
        (3, "not_an_object"),
        (4, "not_utf8"),
        (5, "missing_column"),
        (6, "no_question"),
        (7, "question_is_no_text"),
        (8, "not_unicode"),
    ]


def test_a_csv_row_with_too_few_cells_is_rejected(tmp_path, context, rejects):
    source = write_lines(tmp_path / "a.csv", "question,answer", "1+1?,2", "alone", '"two\nlines?",3')
    rows = load(context, rejects, source=source, columns={"answer": "answer"})
    assert [row["line"] for row in rows] == [2, 4]
    assert rejects == [("a:3", "wrong_cells")]


def test_a_broken_mapping_stops_with_what_is_there_and_what_was_asked_for(tmp_path, context, rejects):
    source = write_lines(tmp_path / "a.jsonl", json.dumps({"problem": "1+1?", "meta": {"gold": "2"}}))
    with pytest.raises(ConfigError, match=r"\['question'\].*\['problem', 'meta', 'meta.gold'\]"):
        load(context, rejects, source=source)
    (row,) = load(context, rejects, source=source, columns={"question": "problem", "answer": "meta.gold"})
    assert row["answer"] == "2"


def test_a_field_of_a_mapping_that_does_not_exist_is_named(tmp_path, context, rejects):
    with pytest.raises(ConfigError, match=r"anwser='x': there is no such option\. Did you mean 'answer'"):
        load(context, rejects, source=str(tmp_path), columns={"anwser": "x"})


def test_a_missing_source_is_named(context, rejects):
    with pytest.raises(ConfigError, match=r"there is no file or folder './nowhere.jsonl'"):
        load(context, rejects, source="./nowhere.jsonl")


def test_duplicate_ids_are_rejected_and_ids_are_unique(tmp_path, context, rejects):
    lines = [json.dumps({"question": f"{i}?", "number": number}) for i, number in enumerate((7, 8, 7))]
    source = write_lines(tmp_path / "a.jsonl", *lines)
    rows = load(context, rejects, source=source, columns={"id": "number"})
    assert [row["problem"] for row in rows] == ["a:7", "a:8"]
    assert rejects == [("a:3", "duplicate_id")]


def test_rows_in_other_languages_share_the_problem_of_their_english(tmp_path, context, rejects):
    records = [
        {"question": "Moja?", "lang": "swh", "en": "One?"},
        {"question": "One?", "lang": "en", "en": None},
        {"question": "Eins?", "lang": "de", "en": None},
        {"question": "Un?", "lang": "french!", "en": "One?"},
    ]
    source = write_lines(tmp_path / "a.jsonl", *map(json.dumps, records))
    swahili, english = load(context, rejects, source=source, columns={"language": "lang", "english": "en"})
    assert (swahili["language"], swahili["english"]) == ("sw", "One?")
    assert swahili["problem"] == english["problem"]
    assert rejects == [("a:3", "no_english"), ("a:4", "unknown_language")]


def test_the_limit_counts_rows(tmp_path, context, rejects):
    source = write_lines(tmp_path / "a.jsonl", *(json.dumps({"question": f"{i}?"}) for i in range(9)))
    assert len(load(context, rejects, source=source, limit=4)) == 4


@pytest.mark.parametrize("name", built_in())
def test_built_in_mappings_are_valid(name):
    mapping = read_mapping(name)
    assert mapping.question in mapping.names()
