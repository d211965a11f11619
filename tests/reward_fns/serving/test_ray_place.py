"""Scorers in real Ray actors: shared, sent again after a fault, gone with the job."""

import asyncio
import os
import re
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import forks
import numpy as np
import pytest

ray = pytest.importorskip("ray", reason="needs Ray, which veRL brings")

from pbrlsvr.errors import ConfigError, ModelError, ServiceError  # noqa: E402
from pbrlsvr.models.embedding.embedder import EncoderLoader, embedder  # noqa: E402
from pbrlsvr.models.embedding.options import EmbeddingOptions  # noqa: E402
from pbrlsvr.serving.ray_place import PREFIX  # noqa: E402
from pbrlsvr.serving.scorer import Scorer, ServingOptions, scorer  # noqa: E402

# The models below live in this file, which no worker can import.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Lengths:
    """The length of a text, by a model that notes in `folder` when it is loaded and what it computes."""

    folder: str
    name: str = "lengths"
    seconds: float = 0.0

    @property
    def model(self):
        return self.name

    def load(self):
        options, folder = self, Path(self.folder)
        if not folder.is_dir():
            raise ModelError(f"model {options.name!r} cannot be loaded: {folder} does not exist")
        (folder / f"load-{os.getpid()}-{time.monotonic_ns()}").touch()

        class Model:
            def run(self, texts):
                (folder / f"run-{os.getpid()}-{time.monotonic_ns()}").write_text("\n".join(texts))
                time.sleep(options.seconds)
                if "kill me" in texts and not (folder / "killed").exists():
                    (folder / "killed").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                if "always kill me" in texts:
                    os._exit(1)
                if "poison" in texts:
                    raise ValueError("this batch has a poison text")
                return [float(len(text)) for text in texts]

        return Model()


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False,
             runtime_env={"py_executable": forks.py_executable()})  # fmt: skip
    yield
    ray.shutdown()


@pytest.fixture
def lengths(tmp_path):
    return Lengths(str(tmp_path))


def ask(options, texts, **serving):
    async def everything():
        score = Scorer(options, ServingOptions(place="ray", **serving))
        return await asyncio.gather(*(score(text) for text in texts), return_exceptions=True)

    return asyncio.run(everything())


def noted(options, what):
    return [path for path in Path(options.folder).iterdir() if path.name.startswith(what)]


def actors():
    return [each["name"] for each in ray.util.list_named_actors(all_namespaces=True) if each["name"].startswith(PREFIX)]


def actor_of(options, **serving):
    batcher = Scorer(options, ServingOptions(place="ray", **serving))._replicas[0]
    replica = batcher._run.__self__
    replica._connected()
    return ray.get_actor(replica.name)


TEXTS = [f"text {'x' * n}" for n in range(300)]
LENGTHS = [float(len(text)) for text in TEXTS]


def test_place_auto_is_ray_where_the_process_is_connected():
    assert ServingOptions().resolved().place == "ray"


def test_embed_cosine_scores_alike_here_and_in_ray(minilm):
    import pbrlsvr

    row = {"language": "en", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
    responses = ["She has 11 apples left. #### 11", "The train leaves at noon. #### 12", "word " * 900 + "#### 11"]

    def scores(place):
        calls = (
            pbrlsvr.embed_cosine("demo/en", r, "11", row, embedding={"model": minilm}, serving={"place": place})
            for r in responses
        )

        async def everything():
            return await asyncio.gather(*calls)

        return [(score["score"], score["similarity"]) for score in asyncio.run(everything())]

    np.testing.assert_allclose(scores("ray"), scores("local"), atol=1e-5)


def test_vectors_come_back_as_they_are_here(minilm):
    options = EmbeddingOptions(minilm)

    async def vectors(place):
        return await asyncio.gather(
            *(embedder(options, ServingOptions(place=place)).embed(text) for text in TEXTS[:40])
        )

    here, there = asyncio.run(vectors("local")), asyncio.run(vectors("ray"))
    np.testing.assert_allclose(np.stack(there), np.stack(here), atol=1e-5)
    # Not a view on the array that brought them all.
    assert there[0].base is None


def test_it_is_started_once_however_many_race_for_it(lengths):
    @ray.remote(num_cpus=0)
    class Worker:
        def score(self, options, texts):
            return ask(options, texts)

    workers = [Worker.remote() for _ in range(6)]
    found = ray.get([worker.score.remote(lengths, TEXTS) for worker in workers], timeout=100)
    assert found == [LENGTHS] * 6
    assert len(noted(lengths, "load")) == 1
    computed = [line for path in noted(lengths, "run") for line in path.read_text().splitlines()]
    assert sorted(computed) == sorted(TEXTS)  # what one worker has asked for is there for all


def test_requests_of_a_worker_travel_together(tmp_path):
    slow = Lengths(str(tmp_path), "slow", seconds=0.2)
    assert ask(slow, TEXTS) == LENGTHS
    assert len(noted(slow, "run")) <= 5  # four calls in flight, and one that gathered meanwhile


def test_every_replica_takes_its_share_and_an_item_always_goes_to_the_same(lengths):
    assert ask(lengths, TEXTS, replicas=2) == LENGTHS
    assert ask(lengths, TEXTS, replicas=2) == LENGTHS  # another client
    by_process = {}
    for path in noted(lengths, "run"):
        by_process.setdefault(path.name.split("-")[1], []).extend(path.read_text().splitlines())
    assert len(by_process) == 2
    assert min(map(len, by_process.values())) > 100
    assert sorted(text for texts in by_process.values() for text in texts) == sorted(TEXTS)


def test_an_actor_that_is_killed_in_mid_batch_is_started_again_and_nothing_is_lost(lengths):
    assert ask(lengths, [*TEXTS, "kill me"]) == [*LENGTHS, 7.0]
    assert len(noted(lengths, "load")) == 2


def test_ray_kill_in_mid_batch_loses_nothing(tmp_path):
    slow = Lengths(str(tmp_path), "slow to be killed", seconds=1.0)

    async def everything():
        score = Scorer(slow, ServingOptions(place="ray"))
        answers = asyncio.gather(*map(score, TEXTS))
        while not noted(slow, "run"):
            await asyncio.sleep(0.02)
        ray.kill(actor_of(slow))
        return await answers

    assert asyncio.run(everything()) == LENGTHS
    assert len(noted(slow, "load")) == 2


def test_an_actor_outlives_no_owner_and_others_start_it_again(lengths):
    """The worker that started the actor dies, and the actor with it."""

    @ray.remote(num_cpus=0)
    class Worker:
        def score(self, options, texts):
            return ask(options, texts)

    owner, other = Worker.remote(), Worker.remote()
    assert ray.get(owner.score.remote(lengths, TEXTS), timeout=60) == LENGTHS
    assert ray.get(other.score.remote(lengths, TEXTS[:3]), timeout=60) == LENGTHS[:3]
    ray.kill(owner)
    assert ray.get(other.score.remote(lengths, ["after"]), timeout=60) == [5.0]


def test_an_actor_that_always_dies_ends_in_an_error_with_the_reason(lengths):
    (error,) = ask(lengths, ["always kill me"], restarts=1)
    assert isinstance(error, ServiceError)
    assert "'lengths'" in str(error)
    assert "died 2 times in a row with no result in between (serving.restarts=1)" in str(error)


def test_an_actor_that_dies_again_and_again_with_results_in_between_loses_no_sample(tmp_path):
    options = Lengths(str(tmp_path), "mortal", seconds=0.02)
    deaths = 5  # more than twice what `restarts` allows in a row
    end = tmp_path / "end"

    @ray.remote(num_cpus=0)
    class Worker:
        """Another process that asks the same actor all the time, and sees each of its deaths in several requests."""

        def score(self):
            async def everything():
                score, found = Scorer(options, ServingOptions(place="ray", restarts=2)), []
                while not end.exists():
                    texts = [f"worker {len(found)} {'x' * n}" for n in range(20)]
                    found += await asyncio.gather(*map(score, texts), return_exceptions=True)
                return found

            return asyncio.run(everything())

    workers = [Worker.remote() for _ in range(2)]
    others = [worker.score.remote() for worker in workers]

    async def everything():
        score = Scorer(options, ServingOptions(place="ray", restarts=2))
        found = []
        for turn in range(deaths + 1):
            texts = [f"{turn} {'x' * n}" for n in range(100)]
            waiting = [asyncio.create_task(score(text)) for text in texts]
            if turn < deaths:
                while not any(task.done() for task in waiting):
                    await asyncio.sleep(0.01)
                more = [asyncio.create_task(score(f"{turn} more {'x' * n}")) for n in range(20)]
                ray.kill(actor_of(options, restarts=2))
                waiting += more
            found += await asyncio.gather(*waiting)
        return found

    assert len(asyncio.run(everything())) == 100 * (deaths + 1) + 20 * deaths
    end.touch()
    found = [each for results in ray.get(others, timeout=120) for each in results]
    assert {type(each) for each in found} == {float}
    assert len(noted(options, "load")) == deaths + 1


def test_a_death_counts_once_however_many_requests_were_in_flight(lengths):
    """Four calls of each of two clients die with the actor; one restart is enough for all of them."""

    async def everything():
        clients = [Scorer(lengths, ServingOptions(place="ray", restarts=1)) for _ in range(2)]
        slow = asyncio.gather(*(client(f"slow {n}") for client in clients for n in range(3)))
        while not noted(lengths, "run"):
            await asyncio.sleep(0.02)
        ray.kill(actor_of(lengths, restarts=1))
        return await slow

    assert asyncio.run(everything()) == [6.0] * 6


def test_a_time_out_under_load_says_how_far_the_actor_is(tmp_path):
    slow = Lengths(str(tmp_path), "overloaded", seconds=0.5)

    async def everything():
        score = Scorer(slow, ServingOptions(place="ray", timeout_s=60.0))
        await asyncio.gather(*(score(f"warm {n}") for n in range(20)))
        hasty = Scorer(slow, ServingOptions(place="ray", timeout_s=0.2))
        return await asyncio.gather(hasty("late"), return_exceptions=True)

    (error,) = asyncio.run(everything())
    assert isinstance(error, ServiceError)
    assert re.search(r"has computed 2\d results for all its clients, the last window in \d", str(error))
    assert "never answered" not in str(error)
    assert "loading" not in str(error)


def test_a_time_out_while_the_model_loads_says_so(tmp_path):
    @dataclass(frozen=True)
    class Heavy:
        model: str = "heavy"

        def load(self):
            time.sleep(30)

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    (error,) = ask(Heavy(), ["a"], timeout_s=8.0)
    assert "is loading the model" in str(error)


def test_a_model_that_has_vanished_when_its_actor_is_started_again_is_named(tmp_path):
    options = Lengths(str(tmp_path / "model"), "vanishing")
    Path(options.folder).mkdir()
    assert ask(options, ["a"]) == [1.0]
    shutil.rmtree(options.folder)
    ray.kill(actor_of(options))
    (error,) = ask(options, ["b"])
    assert isinstance(error, ModelError)
    assert "'vanishing' cannot be loaded" in str(error)


def test_a_model_that_cannot_be_loaded_says_so_to_each_caller(tmp_path):
    missing = EncoderLoader.of(EmbeddingOptions(str(tmp_path / "no-such-model")))
    errors = ask(missing, ["a", "b"])
    assert [type(error) for error in errors] == [ModelError, ModelError]
    assert all("no-such-model" in str(error) and "existing folder" in str(error) for error in errors)


def test_a_poison_text_fails_alone(lengths):
    *scores, error = ask(lengths, [*TEXTS, "poison"])
    assert scores == LENGTHS
    assert isinstance(error, ModelError)
    assert "'lengths' failed on 'poison' with ValueError: this batch has a poison text" in str(error)


def test_a_scorer_that_is_too_slow_is_an_error_that_shows_the_queue(tmp_path):
    (error,) = ask(Lengths(str(tmp_path), seconds=30.0), ["a"], timeout_s=3.0)
    assert isinstance(error, ServiceError)
    assert "'lengths' in Ray, replica 1 of 1 gave no result within 3." in str(error)
    assert "1 items are in flight" in str(error)


def test_more_gpus_than_a_node_has_are_refused_at_once(lengths):
    (error,) = ask(lengths, ["a"], num_gpus=1)
    assert isinstance(error, ConfigError)
    assert "no node of this Ray cluster has that" in str(error)


def test_an_actor_without_a_gpu_sees_none_and_has_the_threads_it_is_given(tmp_path):
    @dataclass(frozen=True)
    class Environment:
        model: str = "environment"

        def load(self):
            class Model:
                def run(self, names):
                    return [os.environ.get(name, "unset") for name in names]

            return Model()

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    names = ["CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"]
    assert ask(Environment(), names, num_cpus=3) == ["", "3"]


def test_metrics_can_be_read_from_outside(lengths):
    ask(lengths, [*TEXTS, "poison"])
    found = ray.get(actor_of(lengths).describe.remote(), timeout=30)
    assert (found["computed"], found["failed"], found["waiting"]) == (300, 1, 0)
    assert found["model"] == "lengths"
    assert 0 < found["p50_ms"] <= found["p99_ms"]


OTHER_JOB = """
import asyncio, ray
from pbrlsvr.models.embedding.embedder import EncoderLoader
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.serving.scorer import Scorer, ServingOptions
ray.init({address!r}, log_to_driver=False, runtime_env={{"py_executable": {python!r}}})
try:
    asyncio.run(Scorer(EncoderLoader.of(EmbeddingOptions({model!r})), ServingOptions(place="ray"))("a"))
except Exception as error:
    print(type(error).__name__)
print(*(each["name"] for each in ray.util.list_named_actors(all_namespaces=True)))
"""


def test_an_actor_is_gone_when_its_job_has_ended_and_other_jobs_have_their_own(tmp_path):
    missing = EncoderLoader.of(EmbeddingOptions(str(tmp_path / "no-such-model")))
    assert isinstance(ask(missing, ["a"])[0], ModelError)
    mine = actors()
    address, python = ray.get_runtime_context().gcs_address, forks.py_executable()
    ran = forks.run("-c", OTHER_JOB.format(address=address, python=python, model=missing.model), timeout=400)
    assert ran.returncode == 0, ran.stderr
    error, names = ran.stdout.splitlines()[-2:]
    assert error == "ModelError"
    theirs = set(names.split()) - set(mine)
    assert len([name for name in theirs if name.startswith(PREFIX)]) == 1
    deadline = time.monotonic() + 30
    while theirs & set(actors()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not theirs & set(actors())
    assert set(mine) <= set(actors())


def test_a_scorer_that_outlives_its_ray_works_in_the_next_one(lengths):
    """Last in this file: the cluster is another one afterwards."""
    score = scorer(lengths, ServingOptions())
    assert asyncio.run(score("b")) == 1.0
    ray.shutdown()
    assert isinstance(ask(lengths, ["a"])[0], ServiceError)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
             runtime_env={"py_executable": forks.py_executable()})  # fmt: skip
    assert not actors()
    assert asyncio.run(score("cc")) == 2.0
    assert len(actors()) == 1
