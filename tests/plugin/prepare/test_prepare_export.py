"""What is exported: veRL trains on it, the other trainers' loaders read it, and it is the same each time."""

import asyncio
import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from verl_runs import RAY, Run

import pbrlsvr
from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.responses.spans import split
from pbrlsvr.responses.statements import statement
from pbrlsvr_plugin.prepare.export.contamination import ContaminationOptions
from pbrlsvr_plugin.prepare.export.export import Export, ExportOptions
from pbrlsvr_plugin.prepare.export.instructions import PromptOptions, Prompts
from pbrlsvr_plugin.prepare.export.split import SplitOptions
from pbrlsvr_plugin.prepare.stage import Context, new_row

MGSM = Path(__file__).parents[4] / "shared" / "data" / "mgsm"
needs_mgsm = pytest.mark.skipif(not MGSM.is_dir(), reason=f"the MGSM questions are not at {MGSM}")
LANGUAGES = ("es", "de", "sw", "zh", "bn")
FORMATS = ("verl", "trl", "openrlhf", "sft")


def problem(number, question, answer, language="es", english=None, **values):
    name = f"toy:{number}"
    return new_row(
        id=f"{name}/{language}", source="toy.jsonl", line=number, problem=name, language=language, question=question,
        english=english or question, answer=answer, pivot_reasoning=f"It is {answer}.", pivot_answer=answer,
        pivot_model="teacher", **values,
    )  # fmt: skip


def toy(count=40):
    """So many problems with words of their own, each in Spanish and in German."""
    words = [f"{a}{b}{c}" for a in "bdklmnrt" for b in "aeiou" for c in ("n", "rt", "sk", "l")]
    texts = [" ".join(words[(7 * i + 11 * k * (i + 1)) % len(words)] for k in range(20)) for i in range(count)]
    return [
        problem(i, f"{language}: {text} {i}?", str(i), language, english=f"{text} {i}?")
        for i, text in enumerate(texts)
        for language in ("es", "de")
    ]


def export(out, rows, name="toy", seed=3, languages=("es", "de"), **options):
    """Rows that went on, and (id, reason, detail) of the others."""
    out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=out.parent))
    context = Context(
        work=out / "work", out=out, name=name, seed=seed, languages=languages, journal=None, scratch=scratch
    )
    rejected = []
    stage = Export(ExportOptions(**options), context)
    kept = list(stage.run(rows, lambda row, reason, detail="": rejected.append((row["id"], reason, detail))))
    shutil.rmtree(scratch)
    assert all(path.is_file() for path in stage.outputs())
    assert not list(out.rglob("*.partial"))
    return kept, rejected


def read(path):
    return pq.read_table(path).to_pylist()


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def mgsm():
    def lines(language):
        text = (MGSM / f"mgsm_{language}.tsv").read_text(encoding="utf-8")
        return [line.split("\t") for line in text.split("\n") if line.strip()]

    english = lines("en")
    return [
        new_row(
            id=f"mgsm:{number}/{language}", source="mgsm_en.tsv", line=number, problem=f"mgsm:{number}",
            language=language, question=question, english=english[number - 1][0], answer=answer,
            pivot_reasoning=f"{english[number - 1][0]} The answer is {answer}.", pivot_answer=answer,
            pivot_model="none: the English question and its answer",
        )
        for language in LANGUAGES
        for number, (question, answer) in enumerate(lines(language), 1)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def policy(tiny_policy, tmp_path_factory):
    """A tiny policy whose context holds a question of MGSM, in bytes."""
    folder = tmp_path_factory.mktemp("policy")
    shutil.copytree(tiny_policy / "model", folder / "model")
    config = json.loads((folder / "model" / "config.json").read_text())
    (folder / "model" / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 4096}))
    return folder / "model"


@pytest.fixture(scope="module")
def exported(policy, tmp_path_factory):
    """MGSM in five languages, in every format, with 20 problems for testing and prompts up to 900 bytes."""
    if not MGSM.is_dir():
        pytest.skip(f"the MGSM questions are not at {MGSM}")
    out = tmp_path_factory.mktemp("export") / "data"
    kept, rejected = export(
        out, mgsm(), "mgsm", languages=LANGUAGES, formats=FORMATS, split=SplitOptions(test=20), tokenizer=str(policy),
        max_prompt_length=900,
    )  # fmt: skip
    return out, kept, rejected


def test_no_problem_is_on_both_sides_and_the_rows_are_all_there(exported):
    out, kept, rejected = exported
    train, test = (read(out / f"{side}.parquet") for side in ("train", "test"))
    assert len(train) + len(test) == len(kept) == 1250 - len(rejected)
    problems = [{row["extra_info"]["problem"] for row in rows} for rows in (train, test)]
    assert not problems[0] & problems[1]
    assert len(problems[1]) <= 20
    for rows, side in ((train, "train"), (test, "test")):
        assert [row["extra_info"]["index"] for row in rows] == list(range(len(rows)))
        assert {row["extra_info"]["split"] for row in rows} == {side}


def test_a_row_says_what_the_rewards_need_and_where_it_is_from(exported):
    out, kept, _ = exported
    by_id = {row["id"]: row for row in kept}
    prompts = Prompts(PromptOptions())
    for row in read(out / "train.parquet"):
        info = row["extra_info"]
        origin = by_id[info["id"]]
        assert row["data_source"] == f"mgsm/{info['language']}"
        assert row["prompt"] == prompts.messages(origin["question"], origin["language"])
        assert row["reward_model"] == {"style": "pivot", "ground_truth": origin["answer"]}
        assert info["extra"] == ""
        assert info["pivot_answer_text"] == statement(origin["pivot_reasoning"], origin["pivot_answer"])
        same = ("source", "line", "question", "pivot_reasoning", "pivot_answer", "pivot_model")
        assert {name: info[name] for name in same} == {name: origin[name] for name in same}


def test_long_prompts_are_rejected_with_their_length_and_no_other(exported):
    _, kept, rejected = exported
    assert {reason for _, reason, _ in rejected} == {"prompt_too_long"}
    assert 10 < len(rejected) < 400
    prompts = Prompts(PromptOptions())
    rows = {row["id"]: row for row in mgsm()}
    for name, row in rows.items():
        # The tokenizer has one token for a byte; the chat template adds "<bos>user: ", "<eos>", "<bos>assistant: ".
        text = prompts.messages(row["question"], row["language"])[0]["content"]
        length = len(text.encode()) + 1 + len("user: ") + 1 + 1 + len("assistant: ")
        detail = f"{length} tokens, and export.max_prompt_length is 900"
        assert ((name, "prompt_too_long", detail) in rejected) == (length > 900)
    assert len(kept) + len(rejected) == len(rows)


def test_verls_dataset_reads_every_row_and_drops_none(exported, policy, tmp_path):
    pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")
    from omegaconf import OmegaConf
    from transformers import AutoTokenizer
    from verl.utils.dataset.rl_dataset import RLHFDataset

    out, _, _ = exported
    options = {"max_prompt_length": 900, "filter_overlong_prompts": True, "cache_dir": str(tmp_path)}
    options["filter_overlong_prompts_workers"] = None
    data = RLHFDataset(str(out / "train.parquet"), AutoTokenizer.from_pretrained(policy), OmegaConf.create(options))
    rows = read(out / "train.parquet")
    assert len(data) == len(rows)
    assert data[0]["extra_info"]["pivot_reasoning"] == rows[0]["extra_info"]["pivot_reasoning"]
    assert data[0]["reward_model"]["ground_truth"] == rows[0]["reward_model"]["ground_truth"]


def test_verls_sft_dataset_reads_the_references_and_a_reply_is_understood(exported, policy):
    pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")
    from transformers import AutoTokenizer

    from pbrlsvr_plugin.verl.sft_data import Conversations

    out, kept, _ = exported
    rows = read(out / "sft" / "train.parquet")
    answers = {row["id"]: row["pivot_answer"] for row in kept}
    assert {row["messages"][-1]["role"] for row in rows} == {"assistant"}
    for row in rows:
        spans = split(row["messages"][-1]["content"])
        assert (spans.answer, spans.rule) == (answers[row["id"]], "hash")
    config = {"max_length": 2048, "truncation": "error", "pad_mode": "no_padding"}
    data = Conversations(str(out / "sft" / "train.parquet"), AutoTokenizer.from_pretrained(policy), config)
    item = data[0]
    learned = item["input_ids"][item["loss_mask"].bool()]
    # The reply and its end are learned, one token a byte; the question is not.
    assert len(learned) == len(rows[0]["messages"][-1]["content"].encode()) + 1


@pytest.mark.parametrize(
    "name", ["trl/train.parquet", "trl/test.parquet", "openrlhf/train.jsonl", "openrlhf/test.jsonl"]
)
def test_the_other_trainers_files_load_and_hold_the_arguments_of_a_reward(exported, name, tmp_path):
    datasets = pytest.importorskip("datasets")
    import pbrlsvr

    out, _, _ = exported
    kind = "parquet" if name.endswith("parquet") else "json"
    rows = datasets.load_dataset(kind, data_files=str(out / name), cache_dir=str(tmp_path))["train"]
    expected = read(out / f"{Path(name).stem}.parquet")
    assert len(rows) == len(expected)
    for row, twin in zip(rows, expected, strict=True):
        arguments = json.loads(row["label"]) if "label" in row else {k: row[k] for k in row if k != "prompt"}
        assert row["prompt"] == twin["prompt"]
        assert arguments["extra_info"] == twin["extra_info"]
        assert arguments["ground_truth"] == twin["reward_model"]["ground_truth"]
    import asyncio

    response = f"{arguments['extra_info']['question']}\n#### {arguments['ground_truth']}"
    score = asyncio.run(pbrlsvr.exact_answer(solution_str=response, **arguments))
    assert score["score"] == 1.0


@pytest.mark.timeout(600)
def test_verl_trains_two_steps_on_it(exported, policy, tmp_path):
    pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")
    pytest.importorskip("transfer_queue", reason="needs TransferQueue: pip install pbrlsvr[cpu]")
    out, _, _ = exported
    command = [
        "-m", "verl.trainer.main_ppo", "+profile=cpu", "+reward_fn=pbrlsvr.exact_answer",
        f"actor_rollout_ref.model.path={policy}", f"data.train_files={out}/train.parquet",
        f"data.val_files={out}/test.parquet", "data.max_prompt_length=900", "data.max_response_length=8",
        "data.train_batch_size=4", "data.val_max_samples=4", "actor_rollout_ref.rollout.n=2",
        "algorithm.adv_estimator=grpo", "trainer.total_training_steps=2", "trainer.val_before_train=false",
        "trainer.test_freq=2",
        f"trainer.default_local_dir={tmp_path}/checkpoints", f"hydra.run.dir={tmp_path}/hydra",
        *RAY,
    ]  # fmt: skip
    run = Run.of(command, tmp_path)
    run.assert_success()
    assert run.metric(2, "critic/score/mean") == 0.0  # a random policy earns nothing
    # veRL reports the test problems by language.
    assert re.search(r"val-core/mgsm/(?:es|de|sw|zh|bn)/", run.log)


def test_the_same_rows_and_seed_give_the_same_bytes_and_another_seed_another_order(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        export(tmp_path / name, toy(), seed=seed, formats=FORMATS, split=SplitOptions(test=5))
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    orders = [[row["extra_info"]["id"] for row in read(tmp_path / name / "train.parquet")] for name in "ac"]
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])


def test_duplicates_and_benchmark_problems_go_in_all_their_languages(tmp_path):
    rows = toy(20)
    first = rows[0]["english"]
    copies = [{**row, "id": f"copy/{row['id']}", "problem": "toy:copy"} for row in rows[:2]]
    (tmp_path / "bench.txt").write_text(rows[10]["question"] + "\n")
    options = ContaminationOptions(benchmarks=(str(tmp_path / "bench.txt"),))
    kept, rejected = export(tmp_path / "out", [*rows, *copies], contamination=options, split=SplitOptions(test=0))
    assert first in {row["english"] for row in kept}
    assert sorted((name, reason) for name, reason, _ in rejected) == [
        ("copy/toy:0/de", "duplicate"), ("copy/toy:0/es", "duplicate"), ("toy:5/de", "contamination"),
        ("toy:5/es", "contamination"),
    ]  # fmt: skip
    assert len(kept) == 38


def test_further_references_are_a_column_that_a_reward_reads_as_it_is(tmp_path, minilm):
    further = {"reasoning": "Start at 3. Count 4 more: 7 apples lie there.", "answer": "7", "thinking": "",
               "finish_reason": "stop", "model": "m"}  # fmt: skip
    rows = [problem(0, "es: ¿3 + 4?", "7", candidates=[further]), problem(1, "es: ¿5 + 4 manzanas hay?", "9")]
    export(tmp_path / "data", rows, formats=FORMATS, split=SplitOptions(test=0))
    found = {row["extra_info"]["id"]: row for row in read(tmp_path / "data/train.parquet")}
    first, second = (found[name]["extra_info"] for name in sorted(found))
    kept = {"reasoning": further["reasoning"], "answer": "7", "answer_text": "Count 4 more: 7 apples lie there."}
    assert (first["pivot_references"], second["pivot_references"]) == ([kept], [])
    assert (first["pivot_reasoning"], first["pivot_answer"]) == ("It is 7.", "7")
    response, options = f"{further['reasoning']} #### 7", {"embedding": {"model": minilm}}
    # What is said in English again counts in full.
    options["language"] = {"reasoning": {"mode": "off"}}
    score = asyncio.run(pbrlsvr.embed_cosine("toy/es", response, "7", first, **options))
    assert (score["nearest"], score["score"]) == (1.0, 1.0)
    for name in ("trl/train.parquet", "openrlhf/train.jsonl"):
        path = tmp_path / "data" / name
        lines = read(path) if name.endswith("parquet") else [json.loads(json.loads(line)["label"])
                                                             for line in path.read_text().splitlines()]  # fmt: skip
        assert kept in [one for line in lines for one in line["extra_info"]["pivot_references"]]


def test_contamination_can_be_reported_instead(tmp_path):
    rows = toy(20)
    (tmp_path / "bench.txt").write_text(rows[10]["question"] + "\n")
    options = ContaminationOptions(benchmarks=(str(tmp_path / "bench.txt"),), action="report")
    kept, rejected = export(tmp_path / "out", rows, contamination=options)
    assert (len(kept), rejected) == (40, [])
    marked = {row["problem"] for row in kept if "contamination" in row["extra"]}
    assert marked == {"toy:5"}
    notes = [row["extra_info"]["extra"] for row in read(tmp_path / "out" / "train.parquet")]
    assert sum("bench.txt:1" in note for note in notes) in (0, 2)


def test_a_row_without_a_reference_is_rejected_unless_asked_otherwise(tmp_path):
    rows = toy(10)
    rows[3] = {**rows[3], "pivot_reasoning": " "}
    kept, rejected = export(tmp_path / "a", rows, formats=FORMATS)
    assert (len(kept), rejected) == (19, [(rows[3]["id"], "no_reference", "pivot_reasoning is empty")])
    kept, rejected = export(tmp_path / "b", rows, formats=FORMATS, require_reference=False, split=SplitOptions(test=0))
    assert (len(kept), rejected) == (20, [])
    assert len(read(tmp_path / "b" / "train.parquet")) == 20
    assert len(read(tmp_path / "b" / "sft" / "train.parquet")) == 19


def test_sft_on_english_questions_has_each_problem_once(tmp_path):
    options = {"formats": FORMATS, "sft_question": "english", "split": SplitOptions(test=0)}
    export(tmp_path, toy(10), prompt=PromptOptions(mark="boxed", system="Be brief."), **options)
    rows = read(tmp_path / "sft" / "train.parquet")
    assert len(rows) == 10
    instruction = Prompts(PromptOptions(mark="boxed")).instruction("en")
    for row in rows:
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
        assert row["messages"][1]["content"].endswith(f"\n\n{instruction}")
        assert split(row["messages"][-1]["content"]).rule == "boxed"


def test_many_row_groups_are_written_and_read_in_order(tmp_path):
    rows = [problem(i, f"{i} {hashlib.sha256(str(i).encode()).hexdigest() * 2}", str(i)) for i in range(2500)]
    export(tmp_path, rows, languages=("es",), split=SplitOptions(test=0))
    with pq.ParquetFile(tmp_path / "train.parquet") as file:
        assert file.num_row_groups == 3
    indices = [row["extra_info"]["index"] for row in read(tmp_path / "train.parquet")]
    assert indices == list(range(2500))


def test_a_test_file_that_is_no_longer_wanted_goes(tmp_path):
    export(tmp_path, toy(10), split=SplitOptions(test=3))
    assert (tmp_path / "test.parquet").is_file()
    export(tmp_path, toy(10), split=SplitOptions(test=0))
    assert not (tmp_path / "test.parquet").exists()


def test_nothing_left_to_export_is_an_error_that_counts_the_reasons(tmp_path):
    rows = [{**row, "pivot_reasoning": ""} for row in toy(5)]
    with pytest.raises(DataError, match=r"of 10 rows all were rejected, {'no_reference': 10}"):
        export(tmp_path, rows)


def test_a_language_without_an_instruction_stops_before_any_row_is_read(tmp_path):
    with pytest.raises(ConfigError, match="there is no instruction in 'tlh'"):
        export(tmp_path, iter(()), languages=("es", "tlh"))


def test_a_tokenizer_that_is_not_there_or_cannot_chat_is_named(tmp_path, policy):
    with pytest.raises(ConfigError, match=r"export.tokenizer='/nowhere' .* cannot be loaded"):
        export(tmp_path / "a", toy(5), tokenizer="/nowhere")
    mute = tmp_path / "mute"
    shutil.copytree(policy, mute)
    (mute / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(ConfigError, match="has no chat template"):
        export(tmp_path / "b", toy(5), tokenizer=str(mute))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"formats": ("verl", "csv")}, "formats.1='csv' must be one of 'verl'"),
        ({"formats": ()}, r"formats=\(\) must be"),
        ({"sft_question": "french"}, "sft_question='french' must be"),
        ({"max_prompt_length": 0}, "max_prompt_length=0 must be"),
    ],
)
def test_an_option_that_cannot_work_is_named(options, said):
    with pytest.raises(ConfigError, match=said):
        ExportOptions(**options)
