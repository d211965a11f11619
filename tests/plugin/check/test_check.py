"""`pbrlsvr check` on files with every kind of damage, and on hostile ones."""

import json
import re

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pbrlsvr_plugin.cli import app


def row(i, **extra_info):
    return {
        "data_source": "toy/sw",
        "prompt": [{"role": "user", "content": f"Swali la {i}"}],
        "reward_model": {"style": "pivot", "ground_truth": str(i)},
        "extra_info": {
            "language": "sw",
            "pivot_reasoning": f"First we count the apples in the basket, and there are {i} of them in all.",
            "pivot_answer": str(i),
            **extra_info,
        },
    }


@pytest.fixture(params=["parquet", "jsonl"])
def write(request, tmp_path):
    def file(rows, name="train"):
        path = tmp_path / f"{name}.{request.param}"
        if request.param == "parquet":
            pandas.DataFrame(rows).to_parquet(path, row_group_size=12)
        else:
            path.write_text("".join(json.dumps(one) + "\n" for one in rows))
        return path

    return file


def check(*arguments):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_sound_files_pass_with_their_facts_in_a_table(write):
    result = check(write([row(i) for i in range(30)]), "--validation", write([row(i) for i in range(30, 40)], "val"))
    assert result.exit_code == 0, result.output
    assert "sw 30" in result.stdout
    assert "30 of 30 looked at" in result.stdout
    assert "WRONG" not in result.stdout
    assert "name your policy's tokenizer with --tokenizer" in result.stdout


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pivot_reasoning": " "}, "1 of 6 rows (the first is row 4) have no extra_info.pivot_reasoning"),
        ({"pivot_reasoning": None}, "1 of 6 rows (the first is row 4) have no extra_info.pivot_reasoning"),
        ({"language": "swahilli"}, "1 rows have extra_info.language='swahilli'"),
    ],
)
def test_a_row_that_would_fail_a_reward_is_wrong_with_its_number(write, change, reason):
    result = check(write([row(i, **(change if i == 3 else {})) for i in range(6)]))
    assert result.exit_code == 1
    assert reason in result.stdout


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"prompt": "Swali"}, "have a prompt that is no list of messages"),
        ({"prompt": [{"content": "Swali"}]}, "have a prompt that is no list of messages"),
        ({"reward_model": "18"}, "have a reward_model without the key 'ground_truth'"),
        ({"reward_model": {"style": "pivot"}}, "have a reward_model without the key 'ground_truth'"),
        ({"reward_model": {"ground_truth": ["18"]}}, "have a reward_model.ground_truth that is neither a text nor"),
        ({"extra_info": row(1, pivot_answer=["1"])["extra_info"]}, "extra_info.pivot_answer that is neither a text"),
        ({"extra_info": row(1, pivot_reasoning=["a"])["extra_info"]}, "extra_info.pivot_reasoning that is no text"),
        ({"extra_info": row(1, language=5)["extra_info"]}, "extra_info.language that is no text"),
        ({"extra_info": '{"language": "sw"}'}, "an extra_info that is no mapping"),
        ({"data_source": 3}, "a data_source that is no text"),
        ({"data_source": None}, "a data_source that is no text"),
        ({"reward_model": {"ground_truth": float("inf")}}, "a reward_model.ground_truth that is inf"),
    ],
)
def test_values_of_a_type_that_verl_or_a_reward_stops_at_are_wrong(write, values, reason):
    result = check(write([{**row(i), **values} for i in range(6)]))
    assert result.exit_code == 1, result.output
    said = re.sub(r"\s+", " ", result.stdout)
    assert "6 of 6 rows (the first is row 1) have" in said
    assert reason in said


def test_rows_without_a_language_are_a_note(write):
    result = check(write([row(0), row(1, language=None)]))
    assert result.exit_code == 0, result.output
    assert "1 of 2 rows have no extra_info.language" in re.sub(r"\s+", " ", result.stdout)


def test_a_reward_that_reads_no_reference_needs_none(write):
    file = write([row(i, pivot_reasoning=None) for i in range(3)])
    assert check(file).exit_code == 1
    assert check(file, "--reward", "pbrlsvr.exact_answer").exit_code == 0


def test_missing_columns_and_prompts_are_wrong(write):
    result = check(write([{"prompt": [], "extra_info": {"language": "sw", "pivot_reasoning": "One."}}]))
    assert result.exit_code == 1
    assert "it lacks the columns ['data_source', 'reward_model']" in result.stdout
    assert "1 of 1 rows (the first is row 1) have no prompt" in result.stdout


def test_what_a_run_survives_is_a_note(write):
    rows = [row(i) for i in range(6)]
    rows[1]["extra_info"]["pivot_reasoning"] = "Zuerst zählen wir die Äpfel im Korb, und dann sind es insgesamt sieben."
    rows[2]["extra_info"]["pivot_answer"] = "77"
    rows[3]["extra_info"]["pivot_answer_text"] = "There are 3 apples."
    rows[4]["extra_info"]["pivot_answer_text"] = "There are 5 apples."
    rows[5]["prompt"] = rows[0]["prompt"]
    result = check(write(rows), "--validation", write([row(4)], "val"))
    assert result.exit_code == 0
    assert "1 of 6 rows looked at (among them row 2) have a pivot_reasoning that is not English" in result.stdout
    assert "1 of 6 rows looked at (among them row 3) have a pivot_answer that is not the ground truth" in result.stdout
    assert "1 of 6 rows looked at (among them row 5) have a pivot_answer_text that does not hold" in result.stdout
    assert "1 of 6 rows (the first is row 6) have a prompt that an earlier row has" in result.stdout
    assert "1 of 1 prompts of 'val." in result.stdout


def test_lengths_are_in_the_tokens_of_the_policy(write, tiny_policy):
    result = check(write([row(3)]), "--tokenizer", tiny_policy / "model")
    # "<bos>user: Swali la 3<eos><bos>assistant: ", a token per byte.
    assert "30 tokens" in result.stdout, result.output


@pytest.mark.parametrize("content", ["", "nonsense\n", '{"prompt": 3}\n', '["list"]\n', '{"extra_info": "text"}\n'])
def test_a_file_that_holds_no_rows_of_ours_is_wrong_without_a_traceback(content, tmp_path):
    (tmp_path / "odd.jsonl").write_text(content)
    result = check(tmp_path / "odd.jsonl")
    assert result.exit_code == 1, result.output
    assert "WRONG odd.jsonl: " in result.stdout


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "odd.parquet").write_text("PAR1")
    (tmp_path / "notes.txt").write_text("")
    for name in ("odd.parquet", "notes.txt", "missing.jsonl", "missing.parquet"):
        result = check(tmp_path / name)
        assert result.exit_code == 2, (name, result.output)
        assert name in result.stderr


def test_hostile_text_does_not_reach_the_terminal(write):
    result = check(write([row(1, language="\x1b[2J[bold]"), {**row(2), "\x1b]0;x": 1}]))
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    assert "[bold]" in result.stdout


def test_a_text_that_a_million_rows_share_is_in_memory_once(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pbrlsvr_plugin.check.facts import facts

    text = pa.DictionaryArray.from_arrays(pa.array([0] * 300_000, pa.int32()), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"prompt": text, "data_source": text}), tmp_path / "bomb.parquet")
    found = facts(tmp_path / "bomb.parquet")
    assert (found.rows, found.repeated.count) == (300_000, 299_999)


def test_a_recipe_says_what_the_rows_must_be_enough_for(write):
    pytest.importorskip("verl", reason="needs veRL's own config tree")
    train, validation = write([row(i) for i in range(80)]), write([row(i) for i in range(80, 84)], "val")
    too_few = check(train, "--validation", validation, "--recipe", "llama3.1_8b_grpo_hybrid")
    assert too_few.exit_code == 1
    assert "WRONG data.train_files has 80 rows, fewer than data.train_batch_size=512" in too_few.output
    enough = check(train, "--validation", validation, "--recipe", "qwen3_1.7b_lora_grpo_exact")
    assert enough.exit_code == 0, enough.output
    assert "80 rows // 64 of a batch x 30 epochs = 30 steps" in enough.output
    assert check(train, "--recipe", "no_such_recipe").exit_code == 2


def test_further_references_are_counted_and_looked_at(write):
    def with_(i, **entry):
        return row(i, pivot_references=[{"reasoning": f"Counting them one by one gives {i} apples.", **entry}])

    swahili = "Kuna tufaha nyingi sana kwenye kikapu, na tunazihesabu zote."
    rows = [
        with_(0, answer="0"),
        row(1, pivot_references=[]),
        row(2, pivot_references=None),
        with_(3, answer="4"),
        with_(4, answer="4", answer_text="There are many apples."),
        row(5, pivot_references=[{"reasoning": swahili}]),
    ]
    result = check(write(rows))
    assert result.exit_code == 0, result.output
    assert "6, and 4 further ones" in result.stdout
    for fault, place in (
        ("pivot_answer that is not the ground truth", 4),
        ("pivot_answer_text", 5),
        ("not English", 6),
    ):
        assert re.search(rf"1 of 6 rows looked at \(among them row {place}\) have .*{fault}", result.stdout)


@pytest.mark.parametrize("column", [[{"reasoning": ""}], [{"answer": "3"}]])
def test_further_references_that_a_reward_cannot_read_are_wrong(write, column):
    rows = [row(i, pivot_references=column if i == 3 else [{"reasoning": "So.", "answer": ""}]) for i in range(6)]
    result = check(write(rows))
    assert result.exit_code == 1
    assert (
        "1 of 6 rows (the first is row 4) have an extra_info.pivot_references that no reward can read" in result.stdout
    )
    assert "['reasoning']=" in result.stdout


def test_folders_and_patterns_stand_for_their_files(tmp_path):
    (tmp_path / "d").mkdir()
    for name in ("a.parquet", "B.PARQUET"):
        pandas.DataFrame([row(i) for i in range(3)]).to_parquet(tmp_path / "d" / name)
    for named in (tmp_path / "d", tmp_path / "d" / "*.[pP]*"):
        result = check(named)
        assert result.exit_code == 0, result.output
        assert "a.parquet" in result.stdout
        assert "B.PARQUET" in result.stdout


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("s3://b/a.parquet", "'s3://b/a.parquet' is not on this machine"),
        ("hdfs://h/*.parquet", "'hdfs://h/*.parquet' is not on this machine"),
        ("file:///d/a.parquet", "give the path alone, such as '/d/a.parquet'"),
        ("nowhere.parquet", "there is no file or folder 'nowhere.parquet'"),
        ("nowhere/*.parquet", "the pattern 'nowhere/*.parquet' has no file"),
        ("/dev/null", "neither a file nor a folder"),
    ],
)
def test_what_is_no_local_file_is_said_in_our_words(named, message):
    result = check(named)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--reward", "hybird"), "no such reward. Did you mean 'hybrid'?"),
        (("--reward", ""), "no such reward"),
        (("--tokenizer", ""), "--tokenizer='' names none"),
        (("--prompt-key", "question"), "it lacks the columns ['question']"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(write, more, message):
    result = check(write([row(0)]), *more)
    assert result.exit_code in (1, 2)
    assert message in re.sub(r"\s+", " ", result.output)


def test_a_file_or_a_column_that_is_there_twice_is_refused(write, tmp_path):
    file = write([row(0)])
    assert "is named twice" in check(file, file).stderr
    pandas.DataFrame([["a", "b"]], columns=["prompt", "x"]).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "t.csv").write_text("prompt,prompt\na,b\n")
    assert "two columns of the name 'prompt'" in check(tmp_path / "t.csv").stderr
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["prompt", "prompt"])
    pq.write_table(table, tmp_path / "t.parquet")
    assert "two columns of the name 'prompt'" in check(tmp_path / "t.parquet").stderr
