import hashlib
import json

import pytest

from pbrlsvr.calibration.pairs import read_parallel
from pbrlsvr.errors import DataError


@pytest.fixture
def mgsm(tmp_path):
    files = {
        "mgsm_en.tsv": "How many apples?\t11\nHow\u2028far?\t5\n",
        "mgsm_es.tsv": "¿Cuántas manzanas?\t11\r\n¿A qué distancia?\t5\r\n",
        "mgsm_zh.tsv": "\ufeff有多少个苹果？\t11\n多远？\t5",
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())
    return tmp_path


def test_a_folder_in_mgsms_layout_is_read_line_by_line(mgsm):
    parallel = read_parallel(mgsm)
    assert parallel.pairs == {
        "es": [("¿Cuántas manzanas?", "How many apples?"), ("¿A qué distancia?", "How\u2028far?")],
        "zh": [("有多少个苹果？", "How many apples?"), ("多远？", "How\u2028far?")],
    }
    assert parallel.english == ["How many apples?", "How\u2028far?"]


def test_the_sources_are_named_without_folders_and_with_their_hashes(mgsm):
    sources = {source.name: source.sha256 for source in read_parallel(mgsm).sources}
    assert sources == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in mgsm.iterdir()}


ROWS = [("es", "Hola, mundo.", "Hello, world."), ("en", "Hi, world.", "Hello, world."), ("ES", "Adiós.", "Bye.")]
PAIRS = {"es": [("Hola, mundo.", "Hello, world."), ("Adiós.", "Bye.")], "en": [("Hi, world.", "Hello, world.")]}


def test_a_tsv_file_is_read_by_its_header(tmp_path):
    path = tmp_path / "pairs.tsv"
    lines = ["english\tid\ttext\tlanguage", *(f"{english}\t7\t{text}\t{tag}" for tag, text, english in ROWS)]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert read_parallel(path).pairs == PAIRS


def test_a_jsonl_file_is_read_by_its_keys(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"language": tag, "text": text, "english": english, "id": 7} for tag, text, english in ROWS]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n", encoding="utf-8")
    assert read_parallel(path).pairs == PAIRS


def test_an_english_text_beside_itself_is_left_out(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("language\ttext\tenglish\nen\tHello.\tHello.\nes\tHola.\tHello.\n")
    assert read_parallel(path).pairs == {"es": [("Hola.", "Hello.")]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "language\ttext\nes\tHola\n", r"a.tsv:2: there is no column \['english'\]; the columns are"),
        ("a.tsv", "", "a.tsv' has no rows"),
        ("a.tsv", "language\ttext\tenglish\n", "a.tsv' has no rows"),
        ("a.tsv", "language\ttext\tenglish\nes\tHola\n", "a.tsv:2: 2 cells where there are 3 columns"),
        ("a.tsv", "language\ttext\tenglish\n\nes\t \tHello\n", "a.tsv:3: text=' ' must be a text"),
        ("a.tsv", "language\ttext\tenglish\nspanisch\tHola\tHello\n", "a.tsv:2: no language has the code 'spanisch'"),
        ("a.tsv", b"language\ttext\tenglish\nes\t\xff\tHello\n", "a.tsv:2: not UTF-8"),
        ("a.jsonl", '{"language": "es"\n', "a.jsonl:1: not JSON"),
        ("a.jsonl", "[1]\n", r"a.jsonl:1: expected an object with named values"),
        ("a.jsonl", '{"language": "es", "text": "Hola"}\n', r"a.jsonl:1: there is no column"),
        ("a.jsonl", '{"language": "es", "text": 5, "english": "five"}\n', "a.jsonl:1: text=5 must be a text"),
        ("a.txt", "language,text,english\n", "'a.txt' has none of the endings"),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        read_parallel(tmp_path / name)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("mgsm_es.tsv", "una\t1\n", "'mgsm_es.tsv' has 1 questions and 'mgsm_en.tsv' has 2"),
        ("mgsm_es.tsv", "una\t1\ndos\n", "mgsm_es.tsv:2: 1 cells .*; expected a question, a tab and an answer"),
        ("mgsm_xyzzy.tsv", "una\t1\ndos\t2\n", "mgsm_xyzzy.tsv: no language has the code"),
    ],
)
def test_a_bad_file_in_a_folder_is_named(file, content, message, mgsm):
    (mgsm / file).write_text(content)
    with pytest.raises(DataError, match=message):
        read_parallel(mgsm)


def test_a_folder_without_english_is_refused_with_what_it_has(mgsm):
    (mgsm / "mgsm_en.tsv").unlink()
    with pytest.raises(DataError, match=r"needs 'mgsm_en.tsv'.*it has \['mgsm_es.tsv', 'mgsm_zh.tsv'\]"):
        read_parallel(mgsm)


def test_a_path_with_nothing_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"there is no parallel text at .*nothing"):
        read_parallel(tmp_path / "nothing")
