"""What trainers pass, and what a reward is then asked: texts and messages, columns with holes, labels, queries."""

import asyncio
import pickle

import pytest

import pbrlsvr_plugin.adapters.trl as ours
from pbrlsvr.errors import ConfigError, DataError, ModelError
from pbrlsvr_plugin.adapters import openrlhf
from pbrlsvr_plugin.adapters.samples import of_columns, of_label, response_in, response_text
from pbrlsvr_plugin.adapters.scoring import the_one_of_file

CHAT = "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        ("", ""),
        ("Das sind 4.", "Das sind 4."),
        ([], ""),
        ({"role": "assistant", "content": "4"}, "4"),
        ([{"role": "assistant", "content": None, "tool_calls": []}], ""),
        ([{"role": "assistant", "content": "5"}, {"role": "tool", "content": "4"}], "5"),
        ([{"role": "assistant", "content": "5"}, {"role": "assistant", "content": "4"}], "4"),
        (
            [{"role": "assistant", "content": [{"type": "text", "text": "It is "}, {"type": "text", "text": "4"}]}],
            "It is 4",
        ),
        ([{"role": "assistant", "thinking": "2 + 2", "content": "4"}], "<think>\n2 + 2\n</think>\n\n4"),
        ([{"role": "user", "content": "4"}], ""),
        ([{"role": "assistant", "content": {"type": "text", "text": "4"}}], "4"),
        ([{"role": "assistant", "content": [{"type": "image"}, "4", {"type": "text", "text": None}]}], "4"),
        ([{"role": "assistant", "reasoning": [{"text": "2"}], "content": ""}], "<think>\n2\n</think>\n\n"),
    ],
)
def test_what_the_assistant_said_last_is_the_response(completion, text):
    assert response_text(completion) == text


@pytest.mark.parametrize("completion", [None, 4, ["a", "b"], [None], b"4"])
def test_a_completion_that_is_neither_text_nor_messages_is_an_error(completion):
    with pytest.raises(DataError, match="a completion is"):
        response_text(completion)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"content": "4"}, "has the role None"),
        ({"role": "gpt", "content": "4"}, "has the role 'gpt'"),
        ({"role": "assistant", "content": 4}, "has the content 4"),
        ({"role": "assistant", "content": b"4"}, "has the content b'4'"),
        ({"role": "assistant", "content": [None]}, r"has the content \[None\]"),
        ({"role": "assistant", "content": [{"text": 4}]}, "has the content"),
        ({"role": "assistant", "content": "4", "thinking": 5}, "has the content 5"),
    ],
)
def test_a_message_that_cannot_be_read_is_an_error_and_not_an_empty_response(message, words):
    with pytest.raises(DataError, match=words):
        response_text([message])


@pytest.mark.parametrize("completions", [None, "4", b"4", 4, {"role": "assistant", "content": "4"}, {}])
def test_completions_that_are_no_list_are_an_error(completions):
    with pytest.raises(DataError, match="TRL passed completions="):
        asyncio.run(ours.reward("format")(completions))


@pytest.mark.parametrize("truth", [["4"], {"answer": "4"}, b"4", ("4",), {4}])
def test_an_answer_that_is_neither_text_nor_number_is_an_error_and_no_score_of_zero(truth):
    exact = ours.reward("exact_answer")
    for columns in ({"ground_truth": [truth]}, {"extra_info": [{"pivot_answer": truth}]}):
        with pytest.raises(DataError, match="neither a text nor a number"):
            asyncio.run(exact(["#### 4"], **columns))
    assert asyncio.run(exact(["#### 4"] * 3, ground_truth=[4, 4.0, "4"])) == [1.0, 1.0, 1.0]


def batch(**columns):
    return of_columns(["4", "5"], columns, "answer", "TRL")


def test_columns_become_the_arguments_of_the_reward_and_none_stays_none():
    rows = batch(
        data_source=["a/sw", None], ground_truth=[4, None], extra_info=[{"language": "sw", "index": 9}, None],
        pivot_answer=["1", "2"], trainer_state=object(), environments=[1], other=[1, 2, 3],
    )  # fmt: skip
    assert rows == [
        {"data_source": "a/sw", "ground_truth": "4", "solution_str": "4",
         "extra_info": {"index": 9, "language": "sw", "pivot_answer": "1"}},
        {"data_source": "data", "ground_truth": None, "solution_str": "5",
         "extra_info": {"index": 1, "pivot_answer": "2"}},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "TRL passed no column 'ground_truth' or 'pivot_answer'"),
        (
            {"extra_info": [{"language": "sw"}, {"language": "sw"}]},
            "TRL passed no column 'ground_truth' or 'pivot_answer'",
        ),
        ({"ground_truth": ["4"]}, "column 'ground_truth' with 1 values for 2 completions"),
        ({"ground_truth": "45"}, "column 'ground_truth' with no list for 2 completions"),
        ({"extra_info": [["a"], None], "ground_truth": ["4", "5"]}, r"extra_info=\['a'\] of sample 0 is no mapping"),
        ({"extra_info": ["{", None], "ground_truth": ["4", "5"]}, "extra_info='{' of sample 0 is no mapping"),
    ],
)
def test_columns_that_cannot_be_read_are_named(columns, message):
    with pytest.raises(DataError, match=message):
        batch(**columns)


@pytest.mark.parametrize("count", [0, 1, 300])
def test_batches_of_any_size_keep_their_order(count):
    rows = {"ground_truth": [str(n) for n in range(count)], "extra_info": [{"language": "en"}] * count}
    said = [f"#### {n if n % 3 else n + 1}" for n in range(count)]
    scores = asyncio.run(ours.reward("exact_answer")(said, **rows))
    assert scores == [float(bool(n % 3)) for n in range(count)]


def test_a_reward_is_pickled_with_its_options_and_its_name():
    made = ours.reward("format", log_as="shape")
    again = pickle.loads(pickle.dumps(made))
    assert (again.__name__, repr(again)) == ("shape", repr(made))
    assert asyncio.run(again(["<think>a</think>b"])) == asyncio.run(made(["<think>a</think>b"]))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hybird", {}, "there is no reward 'hybird'. Did you mean 'hybrid'"),
        ("hybrid", {"combin": {}}, "options of hybrid.combin={}: there is no such option. Did you mean 'combine'"),
        ("embed_cosine", {"serving": {"place": "nowhere"}}, "serving.place='nowhere'"),
        ("nowhere.py:mine", {}, "cannot be imported"),
    ],
)
def test_mistakes_are_found_before_anything_is_loaded(name, options, message):
    with pytest.raises(ConfigError, match=message):
        ours.reward(name, **options)


OWN = """
import asyncio

gone = []

async def mine(data_source, solution_str, ground_truth, extra_info, factor=1.0):
    try:
        await asyncio.sleep(60 if solution_str == "slow" else 0)
    except asyncio.CancelledError:
        gone.append(solution_str)
        raise
    if solution_str == "bad":
        raise RuntimeError("a bad one")
    letters = len(solution_str)
    return float("nan") if solution_str == "nan" else {"score": factor * letters, "letters": letters}
"""


def test_a_reward_of_ones_own_is_taken_and_its_errors_come_through(tmp_path):
    file = tmp_path / "own_of_adapters.py"
    file.write_text(OWN)
    own = pickle.loads(pickle.dumps(ours.reward(f"{file}:mine", factor=2.0)))
    logged = []
    assert asyncio.run(own(["abc", ""], log_extra=lambda *pair: logged.append(pair))) == [6.0, 0.0]
    assert logged == [("mine/letters", [3, 0])]
    with pytest.raises(RuntimeError, match="a bad one"):
        asyncio.run(own(["slow", "bad"]))
    assert own._scoring._function.func.__globals__["gone"] == ["slow"]
    with pytest.raises(ModelError, match="no finite score"):
        asyncio.run(own(["nan"]))


@pytest.mark.parametrize("text", ["", "hybrid", "- hybrid", "hybrid: 3", "hybrid: {}\nformat: {}"])
def test_openrlhf_s_file_names_one_reward(text, tmp_path, monkeypatch):
    (tmp_path / "rewards.yaml").write_text(text)
    monkeypatch.setenv("PBRLSVR_REWARDS", str(tmp_path / "rewards.yaml"))
    the_one_of_file.cache_clear()
    with pytest.raises(ConfigError, match=r"PBRLSVR_REWARDS='.*rewards.yaml'"):
        the_one_of_file()


def test_without_a_file_openrlhf_has_no_reward(monkeypatch):
    monkeypatch.delenv("PBRLSVR_REWARDS", raising=False)
    the_one_of_file.cache_clear()
    with pytest.raises(ConfigError, match="the variable PBRLSVR_REWARDS is not set"):
        the_one_of_file()


@pytest.mark.parametrize("label", ["", "42", "null", '{"extra_info": 3}', "[]", None, "{"])
def test_a_label_that_is_not_prepares_is_an_error_with_the_fix(label):
    with pytest.raises(DataError, match=r"--data.label_key label"):
        of_label(label, "4")


@pytest.mark.parametrize(
    ("query", "response"),
    [
        (CHAT + "4<|im_end|>", "4"),
        (CHAT + "4<|im_end|>\n<|endoftext|>", "4\n"),
        (CHAT + "<think>\n2 + 2\n</think>\n\n4</s>", "<think>\n2 + 2\n</think>\n\n4"),
        (CHAT + "", ""),
        # The prompt's beginning was cut off, and white space is not what it was.
        ("? <|im_end|> <|im_start|> assistant\n4<eos>", None),
        ("ser\n2 + 2?<|im_end|>\n<|im_start|>assistant\n4", None),
        ("<bos>" + CHAT.replace("\n", " ") + "4<|eot_id|>", "4"),
        # A response that repeats the end of its prompt.
        (CHAT + "4" + CHAT + "5", "4user\n2 + 2?\nassistant\n5"),
    ],
)
def test_the_response_is_what_follows_the_prompt(query, response):
    if response is None:
        with pytest.raises(DataError, match="does not hold the end of its prompt"):
            response_in(query, CHAT)
    else:
        assert response_in(query, CHAT).strip() == response.strip()


def test_a_long_prompt_that_lost_its_beginning_is_still_known_by_its_end():
    prompt = "".join(f"{n} apples and " for n in range(100)) + CHAT
    assert response_in(prompt[40:] + "4<|im_end|>", prompt) == "4"
    decomposed = "Cafe\u0301 " * 60 + CHAT
    assert response_in("Caf\u00e9 " * 60 + CHAT + "4", decomposed) == "4"


def test_several_samples_come_back_as_lists_and_a_failure_is_printed_and_let_through(tmp_path, monkeypatch, capsys):
    (tmp_path / "rewards.yaml").write_text("exact_answer: {}\n")
    monkeypatch.setenv("PBRLSVR_REWARDS", str(tmp_path / "rewards.yaml"))
    the_one_of_file.cache_clear()
    label = '{"data_source": "a/en", "ground_truth": "4", "extra_info": {"language": "en"}}'
    found = openrlhf.reward_func([CHAT + "4<|im_end|>", CHAT + "5"], [CHAT, CHAT], [label, label])
    assert found == {
        "rewards": [1.0, 0.0], "scores": [1.0, 0.0],
        "extra_logs": {"pbrlsvr/acc": [1.0, 0.0], "pbrlsvr/answered": [1.0, 1.0]},
    }  # fmt: skip
    assert not issubclass(openrlhf.RewardFailed, Exception)  # which OpenRLHF would catch
    with pytest.raises(openrlhf.RewardFailed, match="label='none'"):
        openrlhf.reward_func([CHAT + "4"], [CHAT], ["none"])
    assert (
        "ERROR: pbrlsvr cannot score a response, and the run ends: DataError: label='none'" in capsys.readouterr().err
    )
    the_one_of_file.cache_clear()
