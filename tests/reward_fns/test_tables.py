"""Tables of any kind are read row by row, and no file makes the reader use more memory than a row may."""

import bz2
import gzip
import json
import subprocess
import sys
import textwrap

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pbrlsvr.errors import DataError
from pbrlsvr.tables import ROW_BYTES, Malformed, json_values, records, shown_columns

ROWS = [{"question": "¿Cuánto?", "answer": "18"}, {"question": 'He said "2+2".', "answer": "4"}]


def write(path, rows):
    if path.name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.name.endswith(".json"):
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    elif ".jsonl" in path.name:
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        packed = {
            ".gz": gzip.compress,
            ".bz2": bz2.compress,
            ".zst": lambda raw: pa.compress(raw, "zstd", asbytes=True),
        }
        path.write_bytes(packed.get(path.suffix, bytes)(text))
    else:
        sign = "\t" if path.name.endswith(".tsv") else ","
        quote = str if sign == "\t" else lambda cell: '"' + cell.replace('"', '""') + '"'
        lines = [sign.join(rows[0]), *(sign.join(map(quote, row.values())) for row in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet", "a.jsonl.gz", "a.jsonl.bz2", "a.jsonl.zst"]
)
def test_every_kind_of_file_gives_the_same_rows(name, tmp_path):
    write(tmp_path / name, ROWS)
    assert [row for _, row in records(tmp_path / name)] == ROWS


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.jsonl", b'\xef\xbb\xbf{"q": 1}\n\n[1]\n{"q":\n{"q": "\xff"}\n',
         [(1, {"q": 1}), (3, "not_an_object"), (4, "not_json"), (5, "not_utf8")]),
        ("a.jsonl", b'{"q": ' + b"9" * 5000 + b"}\n" + b'{"q": "a\xe2\x80\xa8b"}\n',
         [(1, "not_json"), (2, {"q": "a\u2028b"})]),
        ("a.jsonl", b"[" * 100_000 + b"\n", [(1, "not_json")]),
        ("a.json", b'{"q": 1}\n{"q": 2}', [(1, {"q": 1}), (2, {"q": 2})]),
        ("a.json", b'{\n"q": 1\n}', [(1, {"q": 1})]),
        ("a.json", b'{"q"\n{"q": 2}\n', [(1, "not_json"), (2, {"q": 2})]),
        ("a.json", b'["x"]', [(1, "not_an_object")]),
        ("a.csv", b'q,a\n"two\nlines",1\nx\n\xff,2\n',
         [(2, {"q": "two\nlines", "a": "1"}), (4, "wrong_cells"), (5, "not_utf8")]),
        ("a.csv", b"q,a\rx,1\ry,2\r\nz,3",
         [(2, {"q": "x", "a": "1"}), (3, {"q": "y", "a": "2"}), (4, {"q": "z", "a": "3"})]),
        ("a.csv", b"q\n" + b"x" * (ROW_BYTES + 5) + b"\ny\n", [(2, "too_long"), (3, {"q": "y"})]),
        ("a.tsv", b"q\ta\n\"x\t1\n", [(2, {"q": '"x', "a": "1"})]),
        ("a.jsonl", b"", []),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_is_named_and_the_others_stay(name, content, found, tmp_path):
    (tmp_path / name).write_bytes(content)
    got = [(line, row.reason if isinstance(row, Malformed) else row) for line, row in records(tmp_path / name)]
    assert got == found


def test_a_quotation_mark_that_never_closes_costs_one_row_of_memory(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'q,a\n"open,1\n' + b"filler,2\n" * (ROW_BYTES // 9 + 1_000))
    rows = [row for _, row in records(path)]
    assert rows[0].reason == "too_long" or rows[0].reason == "not_csv"
    assert rows[-1] == {"q": "filler", "a": "2"}


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl.gz", "a.jsonl.zst", "a.json", "a.csv"])
def test_a_file_that_is_damaged_or_gone_is_one_error(name, tmp_path):
    with pytest.raises(DataError, match=name):
        list(records(tmp_path / name))
    write(tmp_path / name, ROWS * 500)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    try:
        list(records(tmp_path / name))
    except DataError as error:
        assert name in str(error)  # noqa: PT017


def test_what_a_file_holds_is_not_in_its_errors(tmp_path):
    secret = "root:x:0:0:sk-0123456789"
    for name in ("a.jsonl", "a.csv", "a.json"):
        (tmp_path / name).write_text(f"{secret}\n{secret},\n")
        try:
            said = str([row.detail for _, row in records(tmp_path / name) if isinstance(row, Malformed)])
        except DataError as error:
            said = str(error)
        assert "sk-" not in said, name
    assert "sk-" not in shown_columns([secret])
    assert "sk-" not in shown_columns([secret, "answer"])
    assert shown_columns(["question", "extra_info.question"]) == "['question', 'extra_info.question']"


def test_one_name_that_stands_twice_among_very_many_is_found_in_linear_time(tmp_path):
    """By comparing each name with all before it this takes hours."""
    names = [*map(str, range(600_000)), "7"]
    (tmp_path / "a.jsonl").write_text("{" + ",".join(f'"{name}":1' for name in names) + "}")
    assert [row.detail for _, row in records(tmp_path / "a.jsonl")] == ["a name stands twice in an object: '7'"]
    (tmp_path / "a.csv").write_text(",".join(names) + "\n")
    with pytest.raises(DataError, match="two columns of the name '7'"):
        list(records(tmp_path / "a.csv"))


def test_values_that_are_no_objects_can_be_had(tmp_path):
    (tmp_path / "a.json").write_text('["x", ["y"]]')
    assert list(json_values(tmp_path / "a.json")) == [(1, "x"), (2, ["y"])]


LIMITED = """
import resource, sys
from pathlib import Path
import pyarrow.compute, pyarrow.parquet
import pbrlsvr.tables as tables
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (600 << 20),) * 2)
found = "nothing"
try:
    for line, row in tables.records(Path(sys.argv[1])):
        found = row.reason if isinstance(row, tables.Malformed) else "row"
except tables.DataError as error:
    found = f"refused {error}"
print(found)
"""


def dictionary_of_one(path):
    """Few bytes, and each of many rows is a long text, which the file holds once."""
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * 5_000_000]))
    pq.write_table(pa.table({"question": rows}), path, compression="zstd")


def one_page(path):
    """Rows of 90 MB that compress to nothing, without a dictionary."""
    table = pa.table({"question": ["x" * (90 << 20)] * 4})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)


def list_of_many(path):
    """One row whose list has a hundred million elements."""
    values = pa.array([True]).take(pa.array([0] * 1000, pa.int32()))
    many = pa.concat_arrays([values] * 100_000)
    pq.write_table(pa.table({"question": pa.ListArray.from_arrays(pa.array([0, len(many)], pa.int32()), many)}), path)


def nested_dictionary(path):
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 4_000, pa.int32()), pa.array(["x" * 1_000_000]))
    messages = pa.StructArray.from_arrays([texts], ["content"])
    pq.write_table(pa.table({"prompt": pa.ListArray.from_arrays(pa.array([0, 4_000], pa.int32()), messages)}), path)


def zst_of_one_line(path):
    write_packed(path, [b"x" * (1 << 20)] * 2_000)


def zst_of_many_lines(path):
    write_packed(path, [b"1\n" * (1 << 19)] * 100)


def write_packed(path, blocks):
    with pa.output_stream(str(path), compression="zstd") as file:
        for block in blocks:
            file.write(block)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (dictionary_of_one, "a.parquet"),
        (one_page, "a.parquet"),
        (list_of_many, "a.parquet"),
        (nested_dictionary, "a.parquet"),
        (zst_of_one_line, "a.jsonl.zst"),
        (zst_of_many_lines, "a.csv.zst"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_small_file_that_unpacks_to_gigabytes_is_read_or_refused_in_bounded_memory(make, name, tmp_path):
    make(tmp_path / name)
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIMITED), str(tmp_path / name)], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    last = ran.stdout.strip()
    assert last.startswith("refused") or last == "too_long", last
    if "unpacks" in last:
        assert f"{(tmp_path / name).stat().st_size:,} bytes" in last


def test_nested_columns_are_read_across_row_groups(tmp_path):
    """As veRL's data are, written in several groups."""
    rows = [{"prompt": "q", "extra_info": {"language": "sw", "index": n}} for n in range(250)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data.parquet", row_group_size=70)
    assert [row for _, row in records(tmp_path / "data.parquet")] == rows
