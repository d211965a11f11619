"""No attack pays better than an honest response: with which reward, which encoder, in which languages.

Two encoders stand for two worlds. `minilm` is real and knows English only. `cross_lingual` is trained here in seconds
on the very solutions of the built-in problems, so that it puts a right one where its pivot is, in every language, and
one with a mistake apart: it stands for an encoder that knows the languages and sees the mistakes. It shows what the
reward does where the encoder can; it says nothing about which encoders can.
"""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pbrlsvr.errors import ConfigError, DataError, ModelError
from pbrlsvr.languages import check
from pbrlsvr.responses.spans import split
from pbrlsvr.scoring.rollout import Rollout
from pbrlsvr_plugin.attacks.command import TOLERANCE, attack, run, table
from pbrlsvr_plugin.attacks.problems import Case, Problem, builtin_problems, parse_problems, read_problems
from pbrlsvr_plugin.attacks.responses import ATTACKS
from pbrlsvr_plugin.verl import chosen_reward

PROBLEMS = builtin_problems()
LANGUAGES = ["en", "es", "de", "sw", "zh", "bn", "ru", "th"]
GATED = ("combine.rule=gated", "combine.floor=0.0", "combine.weights.reasoning=1.0", "combine.weights.answer=0.0")
UNGATED = ("combine.rule=sum", "combine.weights.reasoning=1.0", "combine.weights.answer=0.0")
KINDS_OF_ATTACK = {attack.name: attack for attack in ATTACKS}
WITHOUT_SPACES = sum(len(problem.correct.split()) < 10 for problem in PROBLEMS)
IN_ANOTHER_WRITING = ("english_copied", "other_language", "wrong_script", "transliteration")


def findings(encoder, *options, languages=LANGUAGES, **settings):
    reward, _ = chosen_reward.named(
        "pbrlsvr.embed_cosine", [f"embedding.model={encoder}", "serving.device=cpu", *options]
    )
    problems = [problem for problem in PROBLEMS if problem.language in languages]
    return asyncio.run(attack(reward, problems, PROBLEMS, **settings))


def outranking(found, honest):
    return {each.attack for each in found if honest in each.outranks(TOLERANCE)}


@pytest.fixture(scope="session")
def cross_lingual(minilm, tmp_path_factory):
    """The folder of a sentence encoder that maps the texts of the built-in problems to where they should be."""
    folder = tmp_path_factory.mktemp("cross_lingual")
    train_encoder(minilm, folder)
    return str(folder)


def train_encoder(teacher: str, folder: Path) -> None:
    """A bag of words, fitted to a teacher's vectors of the English texts: no language is harder than another."""
    import torch
    from sentence_transformers import SentenceTransformer

    english = {problem.problem: problem for problem in PROBLEMS if problem.language == "en"}
    texts, sources = [], []
    for problem in PROBLEMS:
        source = english[problem.problem]
        texts += [problem.question, problem.correct, problem.wrong]
        sources += [(source, source.question), (source, source.pivot_reasoning), (source, source.wrong)]
    for problem in english.values():
        texts.append(problem.pivot_reasoning)
        sources.append((problem, problem.pivot_reasoning))

    wanted = sorted({text for source, text in sources} | {source.pivot_reasoning for source, _ in sources})
    encoded = SentenceTransformer(teacher, device="cpu").encode(
        wanted, normalize_embeddings=True, show_progress_bar=False, convert_to_tensor=True
    )
    vectors = dict(zip(wanted, encoded.cpu(), strict=True))
    targets = torch.stack(
        [
            _apart(vectors[text], vectors[source.pivot_reasoning]) if text == source.wrong else vectors[text]
            for source, text in sources
        ]
    )
    student = _untrained(texts, targets.shape[1])
    features = student.preprocess(texts)
    optimiser = torch.optim.Adam(student.parameters(), lr=2e-2)
    for _ in range(120):
        loss = (1 - (student(dict(features))["sentence_embedding"] * targets).sum(dim=1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 1e-3
    student.save(str(folder))


def _apart(vector, pivot, cosine=0.6):
    """The vector, turned until it has this cosine with the pivot's."""
    other = vector - (vector @ pivot) * pivot
    return cosine * pivot + (1 - cosine**2) ** 0.5 * other / other.norm()


def _untrained(texts, dimensions):
    import tempfile

    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    subwords = Tokenizer(models.BPE(unk_token="[UNK]"))
    subwords.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    subwords.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    subwords.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=2000, special_tokens=special, show_progress=False)
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=subwords, unk_token="[UNK]", pad_token="[PAD]", model_max_length=256
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=dimensions,
        num_hidden_layers=0,
        num_attention_heads=4,
        intermediate_size=8,
        hidden_dropout_prob=0.0,
        max_position_embeddings=256,
        initializer_range=0.05,
        pad_token_id=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        transformer = Transformer(folder, max_seq_length=256)
    return SentenceTransformer(modules=[transformer, Pooling(dimensions), Normalize()], device="cpu")


def cases():
    return [Case.of(problem, PROBLEMS) for problem in PROBLEMS]


def test_at_least_fifteen_attacks_apply_in_each_of_eight_languages_and_three_problems():
    assert list(dict.fromkeys(problem.language for problem in PROBLEMS)) == LANGUAGES
    for case in cases():
        assert sum(bool(each.build(case)) for each in ATTACKS) >= 25, case.problem.language
    assert [len({problem.problem for problem in PROBLEMS if problem.language == code}) for code in LANGUAGES] == [3] * 8


def test_what_is_wrong_in_substance_has_a_wrong_final_answer_and_nothing_else_has():
    for index, case in enumerate(cases()):
        problem = case.problem
        for each in ATTACKS:
            for response in each.build(case):
                rollout = Rollout.of("attack", response, problem.pivot_answer, problem.row(index))
                assert rollout.answer() == float(not each.wrong), (each.name, problem.language, response)


def test_the_honest_texts_are_in_their_language_and_the_attacks_on_it_are_not():
    for case in cases():
        problem = case.problem
        for text in (problem.question, problem.correct, problem.wrong):
            found = check(text, problem.language)
            assert (found.factor, found.undetermined) == (1.0, False), text
        for name in IN_ANOTHER_WRITING:
            for response in KINDS_OF_ATTACK[name].build(case):
                assert check(split(response).reasoning, problem.language).share < 0.5, response


def test_where_the_encoder_can_nothing_outranks_an_honest_response_in_any_language(cross_lingual):
    found = findings(cross_lingual, *GATED)
    # In English, four attacks do not apply; where no spaces are written, words cannot be mixed.
    assert len(found) == 8 * 3 * len(ATTACKS) - 3 * 4 - WITHOUT_SPACES
    assert [each for each in found if each.outranks(TOLERANCE)] == []
    honest = [each for each in found if each.attack == "honest_wrong"]
    assert min(each.score + each.to_correct for each in honest) > 0.95
    assert max(each.score for each in honest) == 0.0


def test_by_default_what_is_wrong_earns_a_tenth_at_most_and_outranks_nothing_right(cross_lingual):
    found = findings(cross_lingual)
    assert 0.05 < max(each.score for each in found if each.wrong) < 0.1001
    assert outranking(found, "correct") == set()


def test_without_the_gate_right_reasoning_with_a_wrong_number_outranks_an_honest_mistake(cross_lingual):
    found = findings(cross_lingual, *UNGATED)
    assert outranking(found, "correct") == set()
    assert {"number_swapped", "question_echoed"} <= outranking(found, "wrong")


def test_with_an_english_encoder_nothing_that_is_wrong_in_substance_outranks_an_honest_response(minilm):
    found = findings(minilm, *GATED, languages=["en", "es", "bn"])
    wrong = [each for each in found if each.wrong]
    assert [each for each in wrong if each.outranks(TOLERANCE)] == []
    # What it cannot hold, as docs/rewards.md says: the encoder does not see the mistake.
    in_english = [each for each in found if each.language == "en"]
    assert outranking(in_english, "correct") == {"wrong_reasoning", "wrong_then_right"}
    assert max(-each.to_correct for each in in_english) < 0.05
    # Nor can it tell whether Bengali reasoning is about the problem at all: English beside it pays.
    in_bengali = [each for each in found if each.language == "bn"]
    assert {"english_copied", "english_added", "other_language"} <= outranking(in_bengali, "correct")


def test_clipped_above_an_english_encoder_holds_in_english(minilm):
    found = findings(minilm, *GATED, "combine.clip=[0.0,0.6]", languages=["en"])
    assert [each for each in found if each.outranks(TOLERANCE)] == []


def test_exact_answer_holds_everywhere_and_the_command_says_so_in_a_table(capsys, tmp_path):
    out = tmp_path / "found.json"
    assert run("pbrlsvr.exact_answer", json_out=out) == 0
    printed = capsys.readouterr().out
    assert "of which 0 pay better" in printed
    rows = {line.split("│")[1].strip(): line for line in printed.splitlines() if "│" in line}
    assert set(rows) == {"score of the honest correct", *KINDS_OF_ATTACK}
    assert rows["number_swapped"].count("+1.00/+0.00") == 8
    assert rows["english_copied"].split("│")[2].strip() == "-"
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["reward"] == "pbrlsvr.exact_answer"
    assert {found["language"] for found in report["findings"]} == set(LANGUAGES)


def test_what_pays_better_is_marked_and_named_and_the_exit_code_is_one(capsys):
    # Format alone pays for any marked answer, right or wrong, but nothing more than the honest correct response gets.
    assert run("pbrlsvr.format", languages="de") == 0
    # The share of letters in the language pays the honest mistake no less, and a repeated question as much.
    assert run("pbrlsvr.format", ["format.thinking=required"], languages="de") == 1
    assert "the honest correct response scores 0 in de" in capsys.readouterr().out
    assert run(
        "pbrlsvr.format", ["format.thinking=required"], languages="de", template="<think>{reasoning}</think> {answer}"
    )


#: Two more right solutions of each problem, on ways of their own.
FURTHER = {
    "rolls": (
        "Every bag brings 4 dollars for 5 rolls. The morning's 45 rolls fill 9 bags and the afternoon's 30 fill 6, so "
        "there are 9 + 6 = 15 bags, and 15 times 4 is 60.",
        "45 + 30 = 75; 75 / 5 = 15; 15 * 4 = 60",
    ),
    "bus": (
        "Fifteen leave and nine come, six fewer than before: 38 - 6 = 32. Half of 32 is 16, and so many stay seated.",
        "38 - 15 + 9 = 32; 32 / 2 = 16",
    ),
    "fence": (
        "Two sides of 12 cost 2 * 12 * 6 = 144 dollars, two sides of 7 cost 2 * 7 * 6 = 84; together 144 + 84 = 228.",
        "12 + 7 = 19; 19 * 2 = 38; 38 * 6 = 228",
    ),
}


def test_several_references_make_no_attack_worth_more_beside_the_honest_responses(minilm):
    """The largest of several cosines is higher for any text: behind the gate that moves no attack past anything."""
    single = [problem for problem in PROBLEMS if problem.language in ("en", "es")]
    several = [replace(problem, pivot_references=FURTHER[problem.problem]) for problem in single]

    def scores(problems, *options):
        reward, _ = chosen_reward.named(
            "pbrlsvr.embed_cosine", [f"embedding.model={minilm}", "serving.device=cpu", *options]
        )
        found = asyncio.run(attack(reward, problems, (*problems, *PROBLEMS)))
        return {(each.attack, each.language, each.problem): each for each in found}

    one, more = scores(single, *GATED), scores(several, *GATED)
    assert max(each.score for each in more.values() if each.wrong) == 0.0
    newly = {key for key, each in more.items() if each.outranks(TOLERANCE) and not one[key].outranks(TOLERANCE)}
    assert newly == set()
    # Without the gate junk gains, and stays far below.
    english = [[problem for problem in problems if problem.language == "en"] for problems in (single, several)]
    one, more = (scores(problems, *UNGATED) for problems in english)
    junk = [key for key in more if key[0] in ("empty", "one_token", "tags_only", "another_problem", "repetition")]
    assert max(more[key].score - one[key].score for key in junk) < 0.2
    assert min(more[key].to_correct for key in junk) > 0.45
    assert max(more[key].score for key in junk if key[0] in ("empty", "repetition")) == 0.0


@pytest.fixture
def own_config(tmp_path):
    pytest.importorskip("verl", reason="composes on veRL's own config")

    def written(body, code=""):
        (tmp_path / "length_reward.py").write_text(code)
        path = tmp_path / "mine.yaml"
        path.write_text(f"defaults: [ppo_trainer, _self_]\n{body.replace('HERE', str(tmp_path))}", encoding="utf-8")
        return path

    return written


LONGER_IS_BETTER = "def score(data_source, solution_str, ground_truth, extra_info, unit=1000):\n    return {}\n"
OWN_FUNCTION = "reward: {custom_reward_function: {path: HERE/length_reward.py, name: score}}\n"


def test_the_reward_of_a_verl_config_is_what_is_attacked(own_config, capsys):
    config = own_config(OWN_FUNCTION, LONGER_IS_BETTER.format("{'score': len(solution_str) / unit}"))
    assert run(config=config, languages="en, zh") == 1
    printed = capsys.readouterr().out
    assert re.search(
        r"padding outranks the honest correct response in 6 cases \(en, zh\): a wrong solution, made", printed
    )
    assert re.search(r"│ padding +│ +-\d\.\d\d/-\d\.\d\d! │", printed)
    assert "length_reward.py:score of mine.yaml" in printed
    _, described = chosen_reward.of_config(own_config("reward_fn: pbrlsvr.embed_cosine\n"))
    assert described == "pkg://pbrlsvr:embed_cosine of mine.yaml"


def test_an_option_is_set_on_top_of_the_config(own_config):
    config = own_config(OWN_FUNCTION, LONGER_IS_BETTER.format("len(solution_str) / unit"))
    reward, _ = chosen_reward.of_config(config, ["unit=10"])
    found = chosen_reward.result(reward, data_source="d", solution_str="x" * 20, ground_truth="", extra_info={})
    assert asyncio.run(found) == {"score": 2.0}


@pytest.mark.parametrize("result", ["float('nan')", "None", "{'reward': 1.0}", "{'score': '1'}"])
def test_a_reward_that_returns_no_finite_score_is_an_error(result, own_config, capsys):
    config = own_config(OWN_FUNCTION, LONGER_IS_BETTER.format(result))
    reward, _ = chosen_reward.of_config(config)
    with pytest.raises(ModelError, match="no finite score"):
        asyncio.run(chosen_reward.result(reward, data_source="d", solution_str="x", ground_truth="", extra_info={}))
    assert run(config=config, languages="en") == 2
    assert "error: the reward returned" in capsys.readouterr().err


def test_a_config_that_chooses_no_reward_is_refused(own_config):
    with pytest.raises(ConfigError, match=r"mine\.yaml' chooses no reward; write `reward_fn"):
        chosen_reward.of_config(own_config(""))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reward": "pbrlsvr.embed_cosin"}, "Did you mean 'pbrlsvr.embed_cosine'?"),
        ({"option": ["models=x"]}, "reward_kwargs.models='x': there is no such option"),
        ({"option": ["combine.rule=best"]}, "'best'"),
        ({"languages": "en,yo"}, "there is no problem in 'yo'"),
        ({"languages": "klingon"}, "'klingon'"),
        ({"reward": "pbrlsvr.exact_answer", "template": "{answer}"}, "template='{answer}' has no {reasoning}"),
        ({"config": Path("none/such.yaml")}, "config='none/such.yaml' is no file"),
        ({"problems": Path("none/such.jsonl")}, "problems='none/such.jsonl' cannot be read"),
    ],
)
def test_what_cannot_work_is_told_in_one_line_with_exit_code_two(settings, message, capsys):
    assert run(**settings) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert message in told


FRENCH = {
    "problem": "apples",
    "language": "fr",
    "question": "Anne a 17 pommes et en donne 6 à sa sœur. Combien de pommes lui reste-t-il ?",
    "pivot_reasoning": "Anne gives 6 of her 17 apples away, so 17 - 6 = 11 apples are left.",
    "pivot_answer": "11",
    "correct": "Elle part de 17 pommes et en perd 6, donc il lui en reste 17 - 6 = 11.",
    "wrong": "Elle a 17 pommes et en reçoit 6, donc il lui en reste 17 + 6 = 23.",
    "wrong_answer": "23",
}


def test_own_problems_take_the_place_of_the_built_in_ones(tmp_path, capsys):
    path = tmp_path / "own.jsonl"
    path.write_text(f"\n{json.dumps(FRENCH)}\n", encoding="utf-8")
    assert read_problems(path) == (Problem(**FRENCH),)
    assert run("pbrlsvr.exact_answer", problems=path) == 0
    header = next(line for line in capsys.readouterr().out.splitlines() if "┃ attack" in line)
    assert header.replace("┃", " ").split() == ["attack", "fr"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", r"own:2: a problem is an object with the fields \['problem', "),
        ("{", "own:2: Expecting property name"),
        ("[" * 100_000, "own:2: it is nested too deeply"),
        ('{"answer": ' + "9" * 5000 + "}", "own:2: .*digits"),
        (json.dumps({**FRENCH, "wrong": " "}), r"own:2: wrong=' ' must be a text that is not empty"),
        (json.dumps({**FRENCH, "pivot_answer": 11}), r"own:2: pivot_answer=11 must be a text"),
        (json.dumps({**FRENCH, "answer": "11"}), "own:2: there is no field 'answer'"),
        (json.dumps({"language": "fr"}), "own:2: the field 'problem' is missing"),
    ],
)
def test_a_line_that_is_no_problem_is_named(line, message):
    with pytest.raises(DataError, match=message):
        parse_problems(f"{json.dumps(FRENCH)}\n{line}", "own")


def test_the_table_has_the_worst_margin_over_the_problems():
    async def length(solution_str, **_):
        return float(len(solution_str))

    problems = [problem for problem in PROBLEMS if problem.language == "en"]
    found = asyncio.run(attack(length, problems))
    empty = [each for each in found if each.attack == "one_token"]
    # The longest token of each problem is the first word: "First", "At", "One".
    assert [each.score for each in empty] == [5.0, 2.0, 3.0]
    drawn = table(found, TOLERANCE)
    cell = list(drawn.columns[1].cells)[1 + [each.name for each in ATTACKS].index("one_token")]
    smallest = [min(each.to_correct for each in empty), min(each.to_wrong for each in empty)]
    assert cell == "/".join(f"{margin:+.2f}" for margin in smallest)
