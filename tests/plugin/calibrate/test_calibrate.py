import json

import pytest

from pbrlsvr.calibration.calibration import Calibration
from pbrlsvr.errors import ConfigError
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr_plugin.calibrate.command import run

ROWS = [
    ("es", "Ana tiene 17 manzanas en la mesa.", "Ana has 17 apples on the table."),
    ("es", "El tren sale de Madrid al mediodía.", "The train leaves Madrid at noon."),
    ("es", "El banco paga intereses cada año.", "The bank pays interest every year."),
    ("de", "Ana hat 17 Äpfel auf dem Tisch.", "Ana has 17 apples on the table."),
    ("de", "Der Zug fährt mittags in Madrid ab.", "The train leaves Madrid at noon."),
    ("de", "Die Bank zahlt jedes Jahr Zinsen.", "The bank pays interest every year."),
]
PARAPHRASE = ("en", "On the table Ana has 17 apples.", "Ana has 17 apples on the table.")
SECOND = ("en", "At noon the train departs from Madrid.", "The train leaves Madrid at noon.")


def write(path, rows):
    path.write_text("\n".join("\t".join(row) for row in [("language", "text", "english"), *rows]), encoding="utf-8")
    return path


def test_a_calibration_is_written_that_the_reward_can_use(minilm, tmp_path, capsys):
    data, out = write(tmp_path / "pairs.tsv", ROWS), tmp_path / "calibration.json"
    assert run(data, out, minilm, date="2026-01-31") == 0
    calibration = Calibration.load(out)
    calibration.check(EmbeddingOptions(minilm))
    assert list(calibration.pairs) == ["de", "en", "es"]
    assert calibration.created == "2026-01-31"
    assert [source["name"] for source in calibration.sources] == ["pairs.tsv"]
    assert calibration.pairs["en"].matched > calibration.pairs["es"].matched
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()] == ["language", "de", "en", "es", "written"]
    assert "'es' has 3 texts" in printed.err
    assert "no English paraphrases" in printed.err


def test_the_same_input_gives_the_same_file(minilm, tmp_path):
    data = write(tmp_path / "pairs.tsv", ROWS)
    for name in ("a.json", "b.json"):
        assert run(data, tmp_path / name, minilm) == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_english_paraphrases_are_used_and_silence_the_warning(minilm, tmp_path, capsys):
    data = write(tmp_path / "pairs.tsv", [*ROWS, PARAPHRASE, SECOND])
    assert run(data, tmp_path / "out.json", minilm) == 0
    assert "no English paraphrases" not in capsys.readouterr().err
    assert json.loads((tmp_path / "out.json").read_text())["pairs"]["en"]["texts"] == 2


def test_the_options_are_written_and_checked(minilm, tmp_path):
    data, out = write(tmp_path / "pairs.tsv", ROWS), tmp_path / "out.json"
    assert run(data, out, minilm, prompt="about: ", align=True, floor=0.1, ceiling=0.9, shrinkage=5.0) == 0
    calibration = Calibration.load(out)
    assert (calibration.similarity, calibration.floor) == ("alignment", 0.1)
    assert (calibration.ceiling, calibration.shrinkage, calibration.prompt) == (0.9, 5.0, "about: ")
    calibration.check(EmbeddingOptions(minilm, prompt="about: "), align=True, floor=0.1)
    with pytest.raises(ConfigError, match="prompt is None and was 'about: '"):
        calibration.check(EmbeddingOptions(minilm), align=True, floor=0.1)


@pytest.mark.parametrize(
    ("rows", "model", "settings", "message"),
    [
        ([*ROWS, ("es", "", "Hello")], None, {}, "error: pairs.tsv:8: text='' must be a text"),
        ([PARAPHRASE, SECOND], None, {}, "error: there is no parallel text in a language other than English"),
        ([*ROWS, ("sw", "Habari ya asubuhi.", "Good morning.")], None, {}, "error: language 'sw' has 0 shuffled pairs"),
        (ROWS, "no/such-model", {}, "error: model='no/such-model'"),
        (ROWS, None, {"ceiling": 2.0}, "error: ceiling=2.0"),
    ],
)
def test_an_error_is_told_in_one_line_and_nothing_is_written(rows, model, settings, message, minilm, tmp_path, capsys):
    data, out = write(tmp_path / "pairs.tsv", rows), tmp_path / "out.json"
    assert run(data, out, model or minilm, **settings) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()
