"""Every built-in instruction is in its language, and a response that follows it is understood."""

import pytest
import yaml

from pbrlsvr import languages
from pbrlsvr.errors import ConfigError
from pbrlsvr.languages.tables import WIDELY_MODELLED
from pbrlsvr.responses.spans import split
from pbrlsvr_plugin.prepare.export.instructions import BUILT_IN, PromptOptions, Prompts

PROMPTS = {mark: Prompts(PromptOptions(mark=mark)) for mark in ("hash", "boxed")}
EVERY = [(mark, language) for mark, prompts in PROMPTS.items() for language in prompts.languages]
SIGNS = {"hash": "####", "boxed": r"\boxed{}"}
ANSWERS = {"hash": "#### {}", "boxed": r"\boxed{{{}}}"}
NATIVE = {"ar": "٤٢", "bn": "৪২", "fa": "۴۲", "hi": "४२", "mr": "४२", "ne": "४२", "te": "౪౨", "th": "๔๒", "ur": "۴۲"}


def test_all_languages_of_the_usual_benchmarks_are_there():
    wanted = WIDELY_MODELLED | {"wo", "zh-Hant", "sr-Latn"}
    assert all(wanted <= set(prompts.languages) for prompts in PROMPTS.values())


@pytest.mark.parametrize(("mark", "language"), EVERY)
def test_a_response_that_follows_the_instruction_is_understood(mark, language):
    instruction = PROMPTS[mark].instruction(language)
    for answer in ("42", "1,234.5", "C", NATIVE.get(language, "-7")):
        # The worked solution is the instruction itself: text in the right language.
        spans = split(f"{instruction}\n{ANSWERS[mark].format(answer)}")
        assert (spans.answer, spans.rule) == (answer, mark)
        assert spans.reasoning.startswith(instruction[:10])


@pytest.mark.parametrize(("mark", "language"), EVERY)
def test_an_instruction_is_in_its_language_and_is_no_answer_itself(mark, language):
    instruction = PROMPTS[mark].instruction(language)
    assert instruction.count(SIGNS[mark]) == 1
    found = languages.check(instruction.replace(SIGNS[mark], ""), language)
    assert found.share >= 0.8
    assert not found.undetermined
    assert split(instruction).rule == "none"


@pytest.mark.parametrize("mark", PROMPTS)
def test_no_two_languages_have_the_same_words(mark):
    prompts = PROMPTS[mark]
    assert len({prompts.instruction(language) for language in prompts.languages}) == len(prompts.languages)


@pytest.mark.parametrize(
    ("language", "as_in"), [("es-MX", "es"), ("zh-TW", "zh-Hant"), ("zh-CN", "zh"), ("pt-BR", "pt"), ("sr-Cyrl", "sr")]
)
def test_a_region_has_the_instruction_of_its_language_and_script(language, as_in):
    assert PROMPTS["hash"].instruction(language) == PROMPTS["hash"].instruction(as_in)


def test_braces_in_a_question_stay():
    question = r"Find {question} in \frac{1}{2}: {instruction}."
    content = PROMPTS["hash"].messages(question, "en")[0]["content"]
    assert content == f"{question}\n\n{PROMPTS['hash'].instruction('en')}"


def test_a_system_message_goes_first():
    messages = Prompts(PromptOptions(system="Be brief.")).messages("2 + 2?", "es")
    assert [message["role"] for message in messages] == ["system", "user"]
    assert messages[0]["content"] == "Be brief."


def test_a_file_of_the_user_goes_before_the_built_in_one(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("layout: '{instruction} | {question}'\ninstructions:\n  tlh:\n    hash: 'qech ####'\n")
    prompts = Prompts(PromptOptions(file=str(path)))
    assert prompts.messages("2 + 2?", "tlh") == [{"role": "user", "content": "qech #### | 2 + 2?"}]
    assert prompts.instruction("es") == PROMPTS["hash"].instruction("es")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("instructions:\n  es:\n    hash: 'Piensa.'\n", "does not name '####'"),
        ("instructions:\n  es: Piensa\n", "must give a text for 'hash' or 'boxed'"),
        ("instructions:\n  es:\n    dash: x\n", r"has \['dash'\]"),
        ("instructions:\n  xx:\n    hash: '####'\n", "no language has the code 'xx'"),
        ("layout: '{instruction}'\n", "must be a text with {question} in it"),
        ("prompts: {}\n", "it may have 'layout' and 'instructions'"),
        ("- 1\n", "it may have 'layout' and 'instructions'"),
        ("a: [", "is no YAML"),
    ],
)
def test_what_is_wrong_in_a_users_file_is_named(content, said, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        Prompts(PromptOptions(file=str(path)))


def test_a_language_without_an_instruction_is_named_with_what_to_write():
    with pytest.raises(ConfigError, match="there is no instruction in 'tlh'") as error:
        PROMPTS["hash"].instruction("tlh")
    assert yaml.safe_load(str(error.value).partition("as in\n")[2]).keys() == {"instructions"}


def test_an_unknown_mark_is_named():
    with pytest.raises(ConfigError, match=r"^mark='dash' must be one of"):
        PromptOptions(mark="dash")


def test_each_field_of_the_built_in_file_has_a_comment_above_it_and_none_beside_it():
    lines = BUILT_IN.read_text(encoding="utf-8").splitlines()
    fields = [place for place, line in enumerate(lines) if line and not line.lstrip().startswith("#")]
    assert all(lines[place - 1].lstrip().startswith("#") for place in fields)
    assert not any(" # " in lines[place] for place in fields)
