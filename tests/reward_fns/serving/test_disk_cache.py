"""The cache on disk: what is not what was written is computed again, and nobody else's file is opened."""

import asyncio
import gc
import logging
import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pbrlsvr.errors import ConfigError
from pbrlsvr.serving.host import ModelHost
from pbrlsvr.serving.options import ServingOptions
from pbrlsvr.serving.scorer import Scorer

ITEMS = [f"text {n}" for n in range(12)]


@dataclass(frozen=True)
class Vectors:
    """A vector and, for texts that end in 1, a number; `computed` notes what was not in the cache."""

    model: str = "vectors"

    def load(self):
        class Model:
            def run(self, items):
                computed.extend(items)
                return [_value(item) for item in items]

        return Model()


computed: list[str] = []


def _value(item):
    if item.endswith("1"):
        return len(item) / 7
    return np.frombuffer(item.encode().ljust(16, b"?"), dtype=np.uint8).astype(np.float32)


def ask(folder, items=ITEMS, options=None):
    computed.clear()
    host = ModelHost(options or Vectors(), ServingOptions(cache_dir=str(folder)))
    for found, item in zip(host.run(list(items)), items, strict=True):
        np.testing.assert_array_equal(found, _value(item))
    return host


@pytest.fixture
def folder(tmp_path):
    ask(tmp_path / "cache")
    assert computed == ITEMS
    ask(tmp_path / "cache")
    assert computed == []
    return tmp_path / "cache"


def file_of(folder):
    gc.collect()  # closes what `ask` has opened: SQLite then moves all of its results into the one file
    (path,) = folder.glob("*.sqlite")
    return path


def change(folder, statement, *values):
    with sqlite3.connect(file_of(folder)) as connection:
        connection.execute(statement, values)


def stored(folder):
    with sqlite3.connect(file_of(folder)) as connection:
        return dict(connection.execute("SELECT item, value FROM results"))


def flipped(value, bit):
    return value[: bit // 8] + bytes([value[bit // 8] ^ (1 << bit % 8)]) + value[bit // 8 + 1 :]


def test_each_bit_of_a_value_counts(folder):
    """One bit is turned in each of as many values as a value has bits, another one in each."""
    length = next(len(value) for value in stored(folder).values() if b"<f4" in value)
    items = [f"bit {bit:06}0" for bit in range(8 * length)]
    ask(folder, items)
    before = stored(folder)
    keys = [key for key, value in before.items() if len(value) == length][-len(items) :]
    with sqlite3.connect(file_of(folder)) as connection:
        turned = [(flipped(before[key], bit), key) for bit, key in enumerate(keys)]
        connection.executemany("UPDATE results SET value = ? WHERE item = ?", turned)
    host = ask(folder, [*ITEMS, *items])
    assert len(computed) == host.damaged() == len(items)
    assert stored(folder) == before  # written again


OLD_ARRAY = b"a<f4:16:" + np.full(16, np.nan, dtype="<f4").tobytes()


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE results SET value = NULL",
        "UPDATE results SET value = 7",
        "UPDATE results SET value = 0.5",
        "UPDATE results SET value = 'a text'",
        "UPDATE results SET value = CAST(x'ff00fe' AS TEXT)",
        "UPDATE results SET value = x''",
        "UPDATE results SET value = substr(value, 1, length(value) - 4)",
        "UPDATE results SET value = substr(value, 1, 16)",
        "UPDATE results SET value = value || x'00000000'",
        "UPDATE results SET value = zeroblob(length(value))",
        "UPDATE results SET value = (SELECT value FROM results ORDER BY item LIMIT 1)",
        f"UPDATE results SET value = x'{OLD_ARRAY.hex()}'",
        f"UPDATE results SET value = substr(value, 1, 16) || x'{OLD_ARRAY.hex()}'",
        "UPDATE results SET value = substr(value, 1, 16) || CAST('jNaN' AS BLOB)",
        "UPDATE results SET value = CAST('j0.5' AS BLOB)",
    ],
)
def test_a_value_that_is_not_what_was_written_is_computed_again_counted_and_logged_once(folder, spoil, caplog):
    change(folder, spoil)
    with caplog.at_level(logging.WARNING, logger="pbrlsvr"):
        host = ask(folder)
        left = len(computed)
        host.run(ITEMS)
    assert left >= len(ITEMS) - 1  # one value may have been written over itself
    assert host.damaged() == left
    assert len(caplog.records) == 1
    assert str(file_of(folder)) in caplog.text
    ask(folder)
    assert computed == []


def test_a_file_of_other_options_in_its_place_is_not_believed(folder):
    options = Vectors("other")
    mine = file_of(folder)
    ask(folder, options=options)
    gc.collect()
    (theirs,) = set(folder.glob("*.sqlite")) - {mine}
    theirs.write_bytes(mine.read_bytes())
    ask(folder, options=options)
    assert computed == ITEMS


def overwrite(path, start, length, value=b"\xa5"):
    content = bytearray(path.read_bytes())
    content[start : start + length] = value * length
    path.write_bytes(content)


BROKEN = {
    "empty": lambda path: path.write_bytes(b""),
    "no database": lambda path: path.write_bytes(b"once upon a time " * 500),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut in the header": lambda path: path.write_bytes(path.read_bytes()[:50]),
    "header version": lambda path: overwrite(path, 18, 2, b"\x09"),
    "page size": lambda path: overwrite(path, 16, 2),
    "schema format": lambda path: overwrite(path, 44, 4),
    "schema page": lambda path: overwrite(path, 100, 400),
    "second page": lambda path: overwrite(path, 4096, 4096),
    "second page 00": lambda path: overwrite(path, 4096, 4096, b"\x00"),
    "second page ff": lambda path: overwrite(path, 4096, 4096, b"\xff"),
    "all but the header": lambda path: overwrite(path, 100, 10**6),
    "another table": lambda path: _drop(path, "CREATE TABLE other (a)"),
    "another column": lambda path: _drop(path, "CREATE TABLE results (a, b)"),
    "a view": lambda path: _drop(path, "CREATE VIEW results AS SELECT x'00' AS item, 7 AS value"),
}


def _drop(path, statement):
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE results")
        connection.execute(statement)


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_fails_no_window_and_is_begun_anew(folder, how, caplog):
    BROKEN[how](file_of(folder))
    with caplog.at_level(logging.WARNING, logger="pbrlsvr"):
        host = ask(folder)
    assert computed
    if how not in ("empty", "another table"):  # which is what a new file is, and what does not matter
        assert host.damaged() >= 1
        assert 1 <= len(caplog.records) <= 2
    ask(folder)  # what is only seen when it is written to is not written
    ask(folder)
    assert computed == []


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_breaks_while_it_is_open_fails_no_window(folder, how):
    host = ask(folder)
    BROKEN[how](file_of(folder))
    for _ in range(3):
        for found, item in zip(host.run(ITEMS), ITEMS, strict=True):
            np.testing.assert_array_equal(found, _value(item))


def test_a_file_that_another_process_holds_is_done_without(folder, monkeypatch, caplog):
    monkeypatch.setattr("pbrlsvr.serving.disk_cache._BUSY_S", 0.05)
    holder = sqlite3.connect(file_of(folder), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    host = ask(folder, [*ITEMS, "new"])
    assert host.damaged() == 0
    holder.execute("ROLLBACK")
    holder.close()
    ask(folder, [*ITEMS, "new"])
    assert computed == ["new"]


def test_results_that_are_not_finite_or_of_another_kind_are_not_kept(tmp_path):
    @dataclass(frozen=True)
    class Odd:
        model: str = "odd"

        def load(self):
            class Model:
                def run(self, items):
                    computed.extend(items)
                    return [float("nan"), np.array([1.0, np.inf], dtype=np.float32), (1, 2), np.array([object()])]

            return Model()

    for _ in range(2):
        computed.clear()
        ModelHost(Odd(), ServingOptions(cache_dir=str(tmp_path / "cache"))).run(["a", "b", "c", "d"])
        assert computed == ["a", "b", "c", "d"]


def test_damage_is_among_the_metrics(folder):
    change(folder, "UPDATE results SET value = NULL")
    score = Scorer(Vectors(), ServingOptions(place="local", cache_dir=str(folder)))

    async def once():
        return await score("text 3")

    asyncio.run(once())
    assert score.describe()[0]["damaged"] == 1


def test_nobody_else_can_read_or_write_it(tmp_path):
    old = os.umask(0)
    try:
        ask(tmp_path / "new" / "cache")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new" / "cache").stat().st_mode) == 0o700
    files = list((tmp_path / "new" / "cache").iterdir())
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_to_another_file_is_refused_and_the_other_file_untouched(folder, tmp_path, suffix, link):
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE results (item BLOB PRIMARY KEY, value BLOB)")
    before = other.read_bytes()
    path = Path(f"{file_of(folder)}{suffix}")
    path.unlink(missing_ok=True)
    link(other, path)
    with pytest.raises(ConfigError, match="is a link to another file"):
        ask(folder)
    assert other.read_bytes() == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_belongs_to_another_user_is_refused(folder, what):
    os.chown(folder if what == "folder" else file_of(folder), 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to user 12345"):
        ask(folder)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_folder_that_others_can_write_is_refused_with_the_command_that_closes_it(folder, mode):
    folder.chmod(mode)
    with pytest.raises(ConfigError, match="chmod go-w"):
        ask(folder)


@pytest.mark.parametrize("name", ["file", "file/below", "~nobody-of-that-name/x", "a\0b"])
def test_a_folder_that_cannot_be_made_is_refused_before_the_model_is_loaded_and_for_every_window(tmp_path, name):
    (tmp_path / "file").write_text("")
    path = name if name.startswith("~") else str(tmp_path / name)

    class Unloadable(Vectors):
        def load(self):
            pytest.fail("the model was loaded first")

    host = ModelHost(Unloadable(), ServingOptions(cache_dir=path))
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"serving\.cache_dir"):
            host.run(ITEMS)


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.path[:0] = sys.argv[3:]
import test_disk_cache
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
host = test_disk_cache.ask(sys.argv[2], [f"text {n}0" for n in range(400)])
host.run(["another 0"])
print("damaged", host.damaged())
"""


@pytest.mark.parametrize("limit", [0, 5_000])
def test_a_full_disk_is_no_damage_and_said_once(limit, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(limit), str(tmp_path / "cache"), str(Path(__file__).parent)],
        capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert ran.stdout == "damaged 0\n", ran.stderr
    assert ran.stderr.count("the cache on disk") == 1, ran.stderr


@pytest.mark.parametrize(
    ("stand", "message"),
    [(Path.mkdir, "is a folder"), (os.mkfifo, "is no file"), (lambda path: path.symlink_to(path), "is a link")],
)
def test_what_stands_in_the_place_of_the_file_is_named(folder, stand, message):
    path = file_of(folder)
    path.unlink()
    stand(path)
    with pytest.raises(ConfigError, match=message):
        ask(folder)
