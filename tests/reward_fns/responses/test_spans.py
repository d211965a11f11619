"""Reasoning and answer out of a response, in the formats people train with."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.spans import Spans, split

MGSM = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")
# The forms in which the prompts of MMLU-ProX ask for the answer.
MMLU_PROX = {
    "af": "Die antwoord is (C)",
    "ar": "الإجابة هي (C)",
    "bn": "উত্তর হল (C)",
    "cs": "Odpověď je (C)",
    "de": "Die Antwort ist (C)",
    "en": "the answer is (C)",
    "es": "La respuesta es (C)",
    "fr": "La réponse est (C)",
    "hi": "उत्तर है (C)",
    "hu": "A válasz (C)",
    "id": "Jawabannya adalah (C)",
    "it": "La risposta è (C)",
    "ja": "答えは (C) です",
    "ko": "답은 (C)입니다",
    "mr": "उत्तर आहे (C)",
    "ne": "उत्तर (C) हो।",
    "pt": "A resposta é (C)",
    "ru": "Ответ - (C)",
    "sr": "Odgovor je (C)",
    "sw": "Jibu ni (C)",
    "te": "సమాధానం (C)",
    "th": "คำตอบคือ (C)",
    "uk": "Відповідь: (C)",
    "ur": "جواب (C) ہے",
    "vi": "Câu trả lời là (C)",
    "wo": "Tontu bi mooy (C)",
    "yo": "Ìdáhùn náà ni (C)",
    "zh": "答案是 (C)",
    "zu": "Impendulo ithi (C)",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steps\n#### 42", Spans("steps", "42", "hash")),
        ("<think>steps</think>\n\nIt is 42 dollars.", Spans("steps", "It is 42 dollars", "conclusion")),
        ("steps</think>It is 42 dollars.", Spans("steps", "It is 42 dollars", "conclusion")),
        ("<think>a</think><answer>42</answer>", Spans("a", "42", "answer_tag")),
        ("<think>a</think>\n<answer>42", Spans("a", "42", "answer_tag")),
        ("<THINK>a</THINK><Answer>42</Answer>", Spans("a", "42", "answer_tag")),
        ("a = \\boxed{42}$. Done.", Spans("a =", "42", "boxed")),
        ("<think></think>steps, so $$\\boxed{\\frac{1}{2}}$$", Spans("steps, so", "\\frac{1}{2}", "boxed")),
        ("9 * 2 = 18. The answer is 18.", Spans("9 * 2 = 18.", "18", "cue")),
        ("steps\n**Answer:** 5! = 120", Spans("steps", "5! = 120", "cue")),
        ("steps\n**Final Answer:**\n\n42", Spans("steps", "42", "cue")),
        ("steps. **The answer is 42.**<|im_end|>", Spans("steps.", "42", "cue")),
        ("42", Spans("", "42", "bare")),
        ("(C) Paris", Spans("", "(C) Paris", "bare")),
        ("I counted 42 of them, and then I stopped", Spans("I counted 42 of them, and then I stopped", "", "none")),
        ("", Spans("", "", "none")),
    ],
)
def test_each_format_gives_its_spans(text: str, expected: Spans) -> None:
    assert split(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "<think>so \\boxed{42}",
        "<think>a</think>42<think>the answer is 42",
        "<think><answer>42</answer>",
        "<think>so \\boxed{42}, the answer is 42</think>",
        "it may be \\boxed{42",
        "<answer></answer>",
        "```\n\\boxed{42}\n#### 42\nThe answer is 42\n```",
        "#### Step 1\nadd",
        "#### 2. Multiply the eggs",
        "#### A heading of words",
    ],
)
def test_an_answer_in_unclosed_or_closed_thinking_or_code_or_an_open_box_is_none(text: str) -> None:
    spans = split(text)
    assert (spans.answer, spans.rule) == ("", "none")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("\\boxed{1} then \\boxed{2}", "2"),
        ("#### 1\n#### 2", "2"),
        ("The answer is 1. The answer is 2.", "2"),
        ("<answer>1</answer><answer>2</answer>", "2"),
        ("<answer>1<answer>2</answer></answer>", "2"),
        ("\\boxed{\\boxed{2}}", "2"),
        ("<think>a<think>b</think>c</think>#### 2", "2"),
        ("The answer is 2. I am sure that the answer is correct.", "2"),
    ],
)
def test_of_several_answers_the_last_counts_and_of_nested_ones_the_inner(text: str, answer: str) -> None:
    assert split(text).answer == answer


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        ("<answer>The answer is \\boxed{1}</answer> \\boxed{2}", "1", "boxed"),
        ("\\boxed{1}\n#### 2\nThe answer is 3", "3", "cue"),
        ("The answer is 3\n#### 1\n\\boxed{2}", "2", "boxed"),
        ("\\boxed{1}\n#### 2", "2", "hash"),
        ("#### 1\nThe answer is that there are 3", "1", "hash"),
        ("\\boxed{1}\nResult: 3", "1", "boxed"),
        ("<think>\\boxed{1}</think>The answer is 3", "3", "cue"),
    ],
)
def test_tags_narrow_first_and_the_last_mark_that_names_a_final_answer_counts(
    text: str, answer: str, rule: str
) -> None:
    assert (split(text).answer, split(text).rule) == (answer, rule)


@pytest.mark.parametrize(
    "text",
    [
        "I close `</think>` now. The answer is 42",
        'The tag "<think>" opens. The answer is 42',
        "Write «<answer>» first. The answer is 42",
        "```xml\n<think>\n```\nThe answer is 42",
    ],
)
def test_a_tag_in_code_or_quotes_is_text(text: str) -> None:
    assert (split(text).answer, split(text).rule) == ("42", "cue")


def test_an_unclosed_fence_is_no_code() -> None:
    assert split("<think>```python\nprint(42)</think>\\boxed{42}") == Spans("```python\nprint(42)", "42", "boxed")


def test_mmlu_prox_is_covered_and_so_is_mgsm() -> None:
    assert len(MMLU_PROX) == 29
    assert set(MMLU_PROX) | set(MGSM) <= set(CUES)


@pytest.mark.parametrize("language", MMLU_PROX)
def test_the_answer_form_of_mmlu_prox_is_a_cue_that_holds_the_letter(language: str) -> None:
    spans = split(f"Step 1: 3 + 4 = 7.\n{MMLU_PROX[language]}")
    assert spans.rule == "cue"
    assert spans.answer.startswith("(C)")
    assert spans.reasoning == "Step 1: 3 + 4 = 7."


@pytest.mark.parametrize("language", CUES)
def test_every_noun_takes_a_colon_in_upper_and_lower_case(language: str) -> None:
    for noun in CUES[language].nouns:
        for written in (noun, noun.capitalize()):
            assert split(f"3 + 4 = 7\n{written}: 42").answer == "42", noun


@given(
    st.text(max_size=400)
    | st.lists(
        st.sampled_from(
            [
                "<think>",
                "</think>",
                "<answer>",
                "</answer>",
                "\\boxed{",
                "}",
                "####",
                "```",
                "\n",
                " ",
                "the answer is ",
                "4",
                "İ",
            ]
        ),
        max_size=60,
    ).map("".join)
)
def test_any_text_gives_spans_that_occur_in_it(text: str) -> None:
    spans = split(text)
    assert spans.answer in text
    assert (spans.answer == "") == (spans.rule == "none")
    assert all(line.strip() in text for line in spans.reasoning.split("\n"))


FLOODS = [
    "<think>",
    "<answer>",
    "</answer>",
    "(",
    "\\boxed{",
    "\\boxed{1}",
    "{",
    "#### ",
    "#### 1\n",
    "```\n",
    "answer ",
    "the answer is ",
    "answer:",
    "答案是",
    '"<think>"',
    "9",
    "\n",
    " ",
    "* ",
    "İanswer: ",
    "\\boxed{1}\n####",
    "So 18. ",
    "So she has 18 eggs (= 18",
    "Therefore, ",
    "So that is 1",
    "Answer 2: ",
    '{"answer": 1 ',
    "\\boxed{1}, for example ",
    "guess \\boxed{1} but ",
    "answer 1 (1 and ",
]


@pytest.mark.parametrize("flood", FLOODS)
def test_time_is_linear_in_the_length_of_a_flood(flood: str) -> None:
    def seconds(length: int) -> float:
        text = flood * (length // len(flood)) + "18"
        times = []
        for _ in range(3):
            start = time.process_time()
            split(text)
            times.append(time.process_time() - start)
        return min(times)

    # 16 times the text: quadratic time would be 256 times as long. The constant absorbs the clock.
    assert seconds(640_000) < 48 * seconds(40_000) + 0.2


def test_a_response_of_32k_tokens_takes_milliseconds() -> None:
    text = "Janet sells 16 - 3 - 4 = 9 duck eggs a day, and so she makes money. " * 2000 + "The answer is 18."
    start = time.process_time()
    assert split(text).answer == "18"
    assert time.process_time() - start < 0.1
