"""A response follows its format, or one flag says where it does not."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pbrlsvr.errors import ConfigError
from pbrlsvr.responses.format import FormatCheck, FormatOptions, check
from pbrlsvr.responses.spans import split

THOUGHT = "<think>16 - 7 = 9, und 9 * 2 = 18.</think>"
GOOD = FormatCheck(True, True, True)
NO_THINKING = FormatCheck(False, True, True)
NO_ANSWER = FormatCheck(True, False, False)
TWICE = FormatCheck(True, True, False)


def thinking(text, rule, **options):
    return check(text, FormatOptions(rule, answer="none", **options)).thinking


def answer(text, *marks, once=True):
    return check(text, FormatOptions(answer=marks or "any", once=once))


@pytest.mark.parametrize(
    "text",
    [
        f"{THOUGHT}18",
        f"\n {THOUGHT}\n\n18",
        "<THINK>\nseven\n</THINK>",
        '<think>Write `</think>` to close, or "<think>".</think> 18',
        "<think>\n```\n<think>\n```\n</think> 18",
    ],
)
def test_thinking_that_is_well_formed_is_accepted_or_forbidden(text):
    assert thinking(text, "required")
    assert thinking(text, "optional")
    assert not thinking(text, "forbidden")


@pytest.mark.parametrize("text", ["", "18", "#### 18", 'She writes "<think>".', "```\n<think>\n```"])
def test_without_thinking_only_required_thinking_is_missed(text):
    assert not thinking(text, "required")
    assert thinking(text, "optional")
    assert thinking(text, "forbidden")


@pytest.mark.parametrize(
    "text",
    [
        "<think>never closed",
        "never opened</think>18",
        "<think></think>18",
        "<think> \n.</think>18",
        f"Sure! {THOUGHT}18",
        f"{THOUGHT}{THOUGHT}18",
        f"{THOUGHT}</think>18",
        "<think>" + THOUGHT,
        "</think>9<think>18",
    ],
)
@pytest.mark.parametrize("rule", ["required", "optional", "forbidden"])
def test_thinking_that_is_ill_formed_is_never_accepted(text, rule):
    assert not thinking(text, rule)


def test_a_prompt_may_have_opened_the_thinking():
    text = "16 - 7 = 9</think>18"
    assert thinking(text, "required", opened_by_prompt=True)
    assert thinking(f"{THOUGHT}18", "required", opened_by_prompt=True)
    assert not thinking("</think>18", "required", opened_by_prompt=True)
    assert not thinking("18", "required", opened_by_prompt=True)
    assert not thinking(f"{text}</think>", "required", opened_by_prompt=True)


MARKED = {
    "boxed": "She makes \\boxed{18} dollars.",
    "hash": "She makes 18 dollars.\n#### 18",
    "answer_tag": "She makes 18. <answer>18</answer>",
    "cue": "Die Antwort ist 18.",
}


@pytest.mark.parametrize("accepted", MARKED)
@pytest.mark.parametrize("used", MARKED)
def test_only_an_accepted_mark_counts(accepted, used):
    expected = GOOD if accepted == used else NO_ANSWER
    assert answer(MARKED[used], accepted) == expected
    assert answer(THOUGHT + MARKED[used], accepted) == expected


@pytest.mark.parametrize("used", MARKED)
def test_any_accepts_each_mark_and_a_list_those_that_it_names(used):
    assert answer(MARKED[used]) == GOOD
    assert answer(MARKED[used], "boxed", "hash") == (GOOD if used in ("boxed", "hash") else NO_ANSWER)


@pytest.mark.parametrize("text", ["", "18", "She makes 18 dollars.", "<answer></answer>", "\\boxed{}", "\\boxed{18"])
def test_a_response_without_marked_answer_has_none(text):
    assert answer(text) == NO_ANSWER
    assert answer(text, once=False) == FormatCheck(True, False, True)
    assert check(text, FormatOptions(answer="none")) == GOOD


@pytest.mark.parametrize("used", MARKED)
def test_a_mark_inside_the_thinking_or_in_code_is_no_answer(used):
    assert answer(f"<think>{MARKED[used]}</think> Done.") == NO_ANSWER
    assert not answer(f"<think>{MARKED[used]}").answer
    assert answer(f"```\n{MARKED[used]}\n```\nThat is all there is to say here.") == NO_ANSWER


@pytest.mark.parametrize("used", MARKED)
def test_a_mark_in_the_thinking_and_one_after_it_are_one_answer(used):
    assert answer(f"<think>{MARKED[used]}</think>\n{MARKED[used]}", used) == GOOD


@pytest.mark.parametrize("used", MARKED)
def test_a_repeated_mark_is_seen_and_forgiven_if_asked(used):
    text = f"{THOUGHT}{MARKED[used]}\n\nWait.\n\n{MARKED[used]}"
    assert answer(text, used) == TWICE
    assert answer(text) == TWICE
    assert answer(text, used, once=False) == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "<answer>\\boxed{18}</answer>",
        "The answer is \\boxed{18}.",
        "She has \\boxed{\\boxed{18}}.",
        "So the answer is 18.\n#### 18",
        "<answer>18",
        "<answer>18</answer><|im_end|>",
        "The answer is what we look for. It is 9 * 2. The answer is 18.",
        # each cue is a word in a sentence here, and the box is the mark
        "The answer is not 12. The answer is \\boxed{18}",
        'Put it in "<answer>": <answer>18</answer>',
    ],
)
def test_one_answer_in_several_marks_is_one_answer(text):
    assert answer(text) == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "<answer>17</answer> or <answer>18</answer>",
        "<answer><answer>18</answer>",
        "<answer>18</answer></answer>",
        "\\boxed{17} or \\boxed{18}",
        "<answer>\\boxed{18}</answer> \\boxed{18}",
        "#### 17\n#### 18",
        "The answer is 17. The answer is 18.",
    ],
)
def test_two_answers_are_two(text):
    assert answer(text) == TWICE


def test_an_accepted_mark_outside_of_the_answer_tag_is_not_the_answer():
    assert not answer("\\boxed{17} <answer>eighteen</answer>", "boxed").answer


def test_the_score_is_one_only_if_every_requirement_is_met():
    option = FormatOptions("required", answer="boxed")
    assert check(f"{THOUGHT} \\boxed{{18}}", option).score == 1.0
    assert check("\\boxed{18}", option) == NO_THINKING
    assert [
        check(text, option).score for text in ("\\boxed{18}", f"{THOUGHT} 18", f"{THOUGHT}" + "\\boxed{1}" * 2)
    ] == [0.0] * 3
    assert check("\\boxed{18}", option).components() == {
        "format": 0.0,
        "format_thinking": 0.0,
        "format_answer": 1.0,
        "format_once": 1.0,
    }


PIECES = [
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "\\boxed{",
    "}",
    "18",
    "\n#### 18\n",
    "The answer is ",
    "```\n",
    '"',
    "word ",
]


@example("\\boxed{}</think>\\boxed{}")
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(alphabet=st.characters()))
def test_what_has_a_marked_answer_here_has_an_answer_there(text):
    found = check(text, FormatOptions())
    assert found == check(text, FormatOptions())
    if found.answer:
        assert split(text).rule not in ("none", "bare", "after_think")


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_what_is_required_or_forbidden_is_optional_too(text):
    assert thinking(text, "optional") == (thinking(text, "required") or thinking(text, "forbidden"))


@pytest.mark.parametrize("unit", [*PIECES, "\\boxed{18}", "\\boxed{", "the answer is 18. ", "`<think>`", "答案是"])
def test_time_is_linear_in_the_length(unit):
    text = (unit * 100_000)[:100_000]
    start = time.process_time()
    check(text, FormatOptions("required"))
    # A quadratic check would need minutes.
    assert time.process_time() - start < 5.0


def test_options_come_from_a_yaml_block_as_hydra_hands_it_over():
    block = OmegaConf.create("{thinking: required, answer: [boxed, hash], once: false}")
    option = FormatOptions.of(block)
    assert option == FormatOptions("required", answer=("boxed", "hash"), once=False)
    assert FormatOptions.of(option) is option
    assert FormatOptions.of({}).marks == ("boxed", "hash", "answer_tag", "cue")
    assert FormatOptions.of({"answer": "none"}).marks == ()


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("always", "thinking='always' must be one of"),
        ({"thinking": "yes"}, "thinking.*'yes'"),
        ({"thinking": True}, "thinking.*True"),
        ({"once": 1}, "once.*1"),
        ({"opened_by_prompt": "no"}, "opened_by_prompt.*'no'"),
        ({"answer": "box"}, "answer.*'box'"),
        ({"answer": ["boxed", "any"]}, "'any'"),
        ({"answer": []}, r"answer=\(\)"),
        ({"answer": None}, "answer=None must be"),
        ({"answer": 3}, "answer=3 must be"),
        ({"tags": True}, "tags=True: there is no such option"),
    ],
)
def test_a_wrong_option_is_named(bad, named):
    with pytest.raises(ConfigError, match=named):
        FormatOptions.of(bad)
