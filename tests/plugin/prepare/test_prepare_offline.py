"""References inside Ray Data, with a real transformers model; vLLM has the same place and interface."""

import forks
import numpy as np
import pytest

from pbrlsvr.errors import ModelError
from pbrlsvr_plugin.prepare.reference.offline import ENGINES, Offline, TransformersEngine
from pbrlsvr_plugin.prepare.reference.options import ReferenceOptions
from pbrlsvr_plugin.prepare.reference.reference import Reference
from pbrlsvr_plugin.prepare.stage import new_row

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=200 * 2**20,
             runtime_env={"py_executable": forks.py_executable()})  # fmt: skip
    yield
    ray.shutdown()


def rows(count):
    return [new_row(id=f"a:{i}", english=f"What is {i % 5} + {i % 5}?") for i in range(count)]


def options(model, **values):
    defaults = {"engine": "transformers", "model": str(model), "prompt": "reference_math", "max_tokens": 12}
    return ReferenceOptions(**{**defaults, "batch_size": 2, **values})


def run(stage, count):
    seen = []
    found = list(stage.run(rows(count), lambda row, reason, detail="": seen.append(row["id"])))
    return found, seen


def test_answers_come_through_ray_and_each_question_is_generated_once(tiny_policy, context):
    made = context("sw")
    chosen = options(tiny_policy / "model", candidates=2, temperature=1.0, regenerate=1)
    stage = Reference(chosen, made)
    found, cut_off = run(stage, 10)
    assert len(found) + len(cut_off) == 10
    # 5 questions of 2 candidates; a second attempt for each that was cut off, so at most as many again.
    assert 10 <= stage.facts()["asked"] <= 20
    assert len(made.journal) == stage.facts()["asked"]
    again = Reference(chosen, made)
    assert run(again, 10) == (found, cut_off)
    assert again.facts()["asked"] == 0


def test_an_answer_depends_on_its_question_and_seed_alone(tiny_policy, context):
    made, chosen = (
        context("sw"),
        options(tiny_policy / "model", candidates=2, temperature=1.0, regenerate=0, replicas=2),
    )
    run(Reference(chosen, made), 5)
    offline = Offline(chosen, made.journal, 0)
    requests = [offline._request(row, candidate, 0) for row in rows(5) for candidate in (1, 0)]
    engine = TransformersEngine(
        str(tiny_policy / "model"), {"temperature": 1.0, "top_p": 1.0, "max_tokens": 12}, {}, {}
    )
    answers = engine({name: np.array([request[name] for request in requests]) for name in ("key", "prompt", "seed")})
    assert [made.journal.get(key)["text"] for key in answers["key"]] == [text.strip() for text in answers["text"]]
    assert answers["text"][0] != answers["text"][1]


def test_the_engine_says_what_was_cut_off(tiny_policy):
    sampling = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 3}
    engine = TransformersEngine(str(tiny_policy / "model"), sampling, {}, {})
    batch = {"key": np.array(["k"]), "prompt": np.array(["1+1?"]), "seed": np.array([-1])}
    answer = engine(batch)
    assert list(answer["key"]) == ["k"]
    assert answer["completion_tokens"][0] == 3
    assert answer["finish_reason"][0] in ("length", "stop")
    assert answer["prompt_tokens"][0] > 4


def test_a_model_that_is_not_there_is_named(tmp_path, context):
    stage = Reference(options(tmp_path / "nowhere"), context("sw"))
    with pytest.raises(ModelError, match="nowhere"):
        run(stage, 1)


def test_both_engines_are_offered():
    assert sorted(ENGINES) == ["transformers", "vllm"]
