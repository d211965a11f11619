"""Parts, rejects and the journal: on the disk, whole, and the same bytes for the same rows."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from pbrlsvr.errors import DataError
from pbrlsvr_plugin.prepare.requests.journal import Journal, request_key
from pbrlsvr_plugin.prepare.stage import new_row
from pbrlsvr_plugin.prepare.store import PART_ROWS, PartRows, StageWriter, read_report


def write(folder, rows):
    with StageWriter(folder, "load") as writer:
        for row in rows:
            writer.write(row)
        writer.reject({"id": "a:9", "source": "a", "line": 9}, "no_question", "it is ''")
        return writer.finish({"rows_in": 0})


def rows(count):
    for i in range(count):
        extra = {"b": "2", "a": "1"} if i % 2 else {"a": "1", "b": "2"}
        candidates = [{"reasoning": "r", "answer": "1", "thinking": "", "finish_reason": "stop", "model": "m"}]
        yield new_row(
            id=f"a:{i}", line=i, question="¿Qué? 数", translations={"sw": "Nini?"}, extra=extra, candidates=candidates
        )


def test_rows_come_back_as_they_were_over_several_parts(tmp_path):
    count = PART_ROWS + 1_500
    report = write(tmp_path / "1-load", rows(count))
    read = PartRows(tmp_path / "1-load")
    assert len(read) == count == report["rows_out"]
    assert [part["rows"] for part in report["parts"]] == [PART_ROWS, 1_500]
    for _ in range(2):  # as often as one likes
        for expected, row in zip(rows(count), read, strict=True):
            assert row == expected


def test_equal_rows_give_equal_bytes(tmp_path):
    first, second = (write(tmp_path / name, rows(3_000))["parts"] for name in ("1", "2"))
    assert first == second


def test_rejects_say_where_and_why(tmp_path):
    report = write(tmp_path / "1-load", rows(1))
    (line,) = (tmp_path / "1-load" / "rejects.jsonl").read_text().splitlines()
    place = {"stage": "load", "id": "a:9", "source": "a", "line": 9, "language": ""}
    assert json.loads(line) == {**place, "reason": "no_question", "detail": "it is ''"}
    assert report["rejected"] == {"no_question": 1}


def test_a_stage_that_fails_leaves_the_old_output_alone(tmp_path):
    write(tmp_path / "1-load", rows(3))
    with pytest.raises(DataError), StageWriter(tmp_path / "1-load", "load") as writer:
        writer.write({"id": "x"})
    assert len(PartRows(tmp_path / "1-load")) == 3
    assert not (tmp_path / "1-load.partial").exists()


def test_a_part_that_is_cut_short_or_gone_makes_the_stage_unfinished(tmp_path):
    write(tmp_path / "1-load", rows(3))
    assert read_report(tmp_path / "1-load") is not None
    part = tmp_path / "1-load" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    assert read_report(tmp_path / "1-load") is None
    part.unlink()
    assert read_report(tmp_path / "1-load") is None


def test_a_row_with_a_key_too_many_or_of_the_wrong_type_is_named(tmp_path):
    with StageWriter(tmp_path / "1-load", "load") as writer:
        with pytest.raises(DataError, match=r"'a:1'.*\['answr'\]"):
            writer.write(new_row(id="a:1", answr="2"))
        writer.write(new_row(id="a:2", answer=3))
        with pytest.raises(DataError, match="rows from 'a:2' on"):
            writer.finish({})


def test_the_journal_keeps_what_was_put_and_never_the_request(tmp_path):
    key = request_key("chat", model="m", messages=[{"role": "user", "content": "a secret question"}])
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put(key, {"text": "42"})
    with Journal(tmp_path / "j.sqlite") as journal:
        assert journal.get(key) == {"text": "42"}
        assert journal.get("other") is None
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_many_threads_write_the_journal_at_once(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal, ThreadPoolExecutor(16) as pool:
        futures = list(pool.map(lambda i: journal.put_soon(str(i), i), range(2_000)))
        for future in futures:
            future.result(timeout=30)
        assert len(journal) == 2_000
        assert journal.get("1999") == 1999


def test_an_answer_is_on_the_disk_when_its_future_is_done(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put_soon("k", 1).result(timeout=10)
        other = sqlite3.connect(tmp_path / "j.sqlite")
        assert other.execute("SELECT value FROM answers").fetchall() == [("1",)]
        other.close()


def test_a_file_that_is_no_journal_is_named(tmp_path):
    (tmp_path / "j.sqlite").write_text("not a database, and long enough to be seen as one" * 20)
    with pytest.raises(DataError, match=r"j\.sqlite' is no journal"):
        Journal(tmp_path / "j.sqlite")


def test_a_key_depends_on_everything_in_the_request_and_not_on_the_order():
    base = {"model": "m", "temperature": 0.7, "candidate": 0}
    assert request_key("chat", **base) == request_key("chat", **dict(reversed(base.items())))
    others = [
        request_key("chat", **{**base, name: value})
        for name, value in (("model", "n"), ("temperature", 0.8), ("candidate", 1))
    ]
    assert len({request_key("chat", **base), request_key("other", **base), *others}) == 5
