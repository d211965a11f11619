"""Loading, isolation of bad items, budgets of tokens, and the cache on disk."""

import logging
import platform
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from pbrlsvr.errors import ConfigError, MissingDependencyError, ModelError
from pbrlsvr.models.embedding.embedder import EncoderLoader
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.serving.batcher import Failure
from pbrlsvr.serving.host import ModelHost, run_isolating
from pbrlsvr.serving.options import ServingOptions
from pbrlsvr.serving.token_budget import TokenBudget


class Picky:
    """Fails on a batch that has a bad item, and counts how often it was asked."""

    def __init__(self, *bad):
        self.bad, self.calls = set(bad), 0

    def __call__(self, items):
        self.calls += 1
        if found := self.bad & set(items):
            raise ValueError(f"cannot take {sorted(found)}")
        return [item * 2 for item in items]


@pytest.mark.parametrize("bad", [[0], [999], [500], [3, 4], [0, 250, 251, 999]])
def test_bad_items_fail_alone_with_the_cause(bad):
    run = Picky(*bad)
    results = run_isolating(run, range(1000), "m")
    for item, result in enumerate(results):
        if item in bad:
            assert isinstance(result, Failure)
            assert str(result.error) == f"model 'm' failed on '{item}' with ValueError: cannot take [{item}]"
            assert isinstance(result.error.__cause__, ValueError)
        else:
            assert result == 2 * item
    assert run.calls <= 25 * len(bad)


def test_a_model_that_is_broken_fails_all_after_a_bounded_number_of_tries():
    calls = []

    def broken(items):
        calls.append(len(items))
        raise RuntimeError("device-side assert")

    results = run_isolating(broken, range(1000), "m")
    assert all("device-side assert" in str(result.error) for result in results)
    assert len(calls) < 20


@pytest.mark.parametrize("error", [ConfigError("no room for text"), MissingDependencyError("not installed")])
def test_what_no_item_can_be_to_blame_for_is_tried_once(error):
    calls = []

    def broken(items):
        calls.append(items)
        raise error

    assert {result.error for result in run_isolating(broken, range(100), "m")} == {error}
    assert len(calls) == 1


def test_nothing_in_nothing_out():
    assert run_isolating(Picky(), [], "m") == []


class Memory(torch.nn.Module):
    """A real module that runs out of memory above `most` padded tokens, as a GPU would."""

    def __init__(self, most):
        super().__init__()
        self.most, self.shapes = most, []
        self.scale = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, tokens):
        self.shapes.append(tuple(tokens.shape))
        if tokens.numel() > self.most:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {tokens.numel()} tokens")
        return (tokens * self.scale).sum(dim=1)


def encode(budget, module, lengths):
    def forward(rows):
        longest = max(lengths[row] for row in rows)
        return module(torch.stack([torch.arange(longest) < lengths[row] for row in rows]).float()).tolist()

    return budget.run(lengths, forward)


def test_batches_are_sorted_by_length_and_within_the_budget():
    module, budget = Memory(10**9), TokenBudget(64, "m")
    lengths = [3, 30, 4, 31, 5, 32, 100]
    assert encode(budget, module, lengths) == [2.0 * length for length in lengths]
    assert module.shapes == [(1, 100), (2, 32), (2, 30), (2, 4)] or all(
        rows * width <= 64 or rows == 1 for rows, width in module.shapes
    )
    assert budget.useful == sum(lengths)
    assert budget.padded == sum(rows * width for rows, width in module.shapes)


def test_a_batch_that_does_not_fit_is_halved_and_the_lower_budget_remembered(caplog):
    module, budget = Memory(100), TokenBudget(400, "m")
    lengths = [10] * 80
    with caplog.at_level(logging.WARNING, logger="pbrlsvr"):
        assert encode(budget, module, lengths) == [20.0] * 80
    assert budget.max_tokens == 100
    assert [shape for shape in module.shapes if shape[0] > 10] == [(40, 10), (20, 10)]
    encode(budget, module, lengths)
    assert len([shape for shape in module.shapes if shape[0] > 10]) == 2  # it does not try again
    assert "out of memory; batches now have 200 tokens at most" in caplog.text


def test_a_single_text_that_does_not_fit_is_an_error_with_its_length_and_fails_alone():
    module, budget = Memory(100), TokenBudget(400, "m")
    lengths = {"short": 10, "other": 20, "giant": 101}

    def run(texts):
        return encode(budget, module, [lengths[text] for text in texts])

    results = dict(zip(lengths, run_isolating(run, list(lengths), "m"), strict=True))
    assert (results["short"], results["other"]) == (20.0, 40.0)
    assert isinstance(results["giant"].error, ModelError)
    assert "'m' ran out of memory on a single text of 101 tokens" in str(results["giant"].error)


def test_another_error_than_memory_is_passed_on():
    with pytest.raises(ZeroDivisionError):
        TokenBudget(10, "m").run([1], lambda rows: 1 // 0)


@dataclass(frozen=True)
class Loads:
    model: str = "counted"
    seen: tuple = ()

    def load(self):
        loads.append(self)
        if self.model == "missing":
            raise ModelError("model 'missing' cannot be loaded")
        options = self

        class Model:
            def run(self, items):
                computed.extend(items)
                return [{"vector": np.arange(3, dtype=np.float32), "text": "ü\ud800", "float": 0.1}[i] for i in items]

        assert options
        return Model()


loads: list[Loads] = []
computed: list[str] = []


@pytest.fixture(autouse=True)
def nothing_yet():
    loads.clear()
    computed.clear()


def test_a_model_that_cannot_be_loaded_is_tried_once_and_fails_every_request():
    host = ModelHost(Loads("missing"), ServingOptions())
    for _ in range(3):
        with pytest.raises(ModelError, match="cannot be loaded"):
            host.run(["text"])
    assert len(loads) == 1


def test_results_on_disk_outlast_the_process_and_come_back_as_they_were(tmp_path):
    serving = ServingOptions(cache_dir=str(tmp_path / "cache"))
    items = ["vector", "text", "float"]
    first = ModelHost(Loads(), serving).run(items)
    again = ModelHost(Loads(), serving).run(items)
    assert computed == items
    assert again[1:] == first[1:] == ["ü\ud800", 0.1]
    np.testing.assert_array_equal(again[0], first[0])
    assert again[0].dtype == np.float32
    ModelHost(Loads(seen=("another",)), serving).run(["float"])  # other options, other results
    assert computed == [*items, "float"]


def test_results_on_disk_belong_to_the_files_of_the_model(tmp_path):
    serving = ServingOptions(cache_dir=str(tmp_path / "cache"))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("first")
    ModelHost(Loads(str(folder)), serving).run(["float"])
    ModelHost(Loads(str(folder)), serving).run(["float"])
    assert computed == ["float"]
    (folder / "weights").write_text("trained further")
    ModelHost(Loads(str(folder)), serving).run(["float"])
    assert computed == ["float", "float"]


def test_a_cache_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cache_dir=.*file.* cannot be used"):
        ModelHost(Loads(), ServingOptions(cache_dir=str(tmp_path / "file"))).run(["float"])


def test_vectors_on_disk_are_those_of_the_encoder(minilm, tmp_path):
    serving = ServingOptions(cache_dir=str(tmp_path))
    fresh = ModelHost(EncoderLoader.of(EmbeddingOptions(minilm), serving), serving).run(["Ana has 17 apples."])
    stored = ModelHost(EncoderLoader.of(EmbeddingOptions(minilm), serving), serving)
    stored._loaded()._model.forward = lambda features: pytest.fail("computed again")
    np.testing.assert_array_equal(stored.run(["Ana has 17 apples."]), fresh)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"place": "moon"}, "serving.place='moon' must be one of 'auto', 'local', 'node', 'ray', 'endpoint'"),
        ({"replicas": 0}, "serving.replicas=0 must be a whole number of 1 or more"),
        ({"num_gpus": 1.5}, r"serving: num_gpus=1.5 must be 0, a fraction of 1, or a whole number"),
        ({"num_gpus": float("nan")}, r"serving.num_gpus=nan must be"),
        ({"num_gpus": 1, "share_gpu": True}, "serving: share_gpu=True contradicts num_gpus=1"),
        ({"share_gpu": "yes"}, "serving.share_gpu='yes' must be true or false"),
        ({"num_cpus": 0}, "serving.num_cpus=0"),
        ({"max_waiting": True}, "serving.max_waiting=True"),
        ({"timeout_s": 0}, "serving.timeout_s=0"),
        ({"cache_mib": -1}, "serving.cache_mib=-1"),
        ({"cache_dir": ""}, "serving.cache_dir=''"),
        ({"restarts": -1}, "serving.restarts=-1"),
        ({"endpoint": {"ulrs": []}}, r"serving\.endpoint\.ulrs=\(\): there is no such option. Did you mean 'urls'"),
        ({"replica": 2}, r"serving\.replica=2: there is no such option. Did you mean 'replicas'"),
        ({"device": 0}, "serving.device=0 must be a text"),
        ({"dtype": "float64"}, "serving.dtype='float64' must be one of"),
        ({"batch_tokens": 0}, "serving.batch_tokens=0 must be a whole number of 1 or more, or null"),
        ([1], r"serving=\[1\] must be a mapping"),
    ],
)
def test_a_serving_option_that_cannot_work_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ServingOptions.of(options, "serving")


def test_equal_serving_options_from_a_config_are_one():
    one = ServingOptions.of({"place": "endpoint", "endpoint": {"urls": ["http://host:8000/v1"]}, "timeout_s": 30})
    assert one == ServingOptions.of({"place": "endpoint", "endpoint": one.endpoint, "timeout_s": 30.0})
    assert hash(one) == hash(ServingOptions.of(one))
    assert ServingOptions.of(None) == ServingOptions() == ServingOptions.of({})
    assert ServingOptions.of("local").place == "local"


def test_place_auto_is_local_without_a_connection_to_ray():
    assert ServingOptions().resolved().place == "local"


def test_a_cache_without_room_remembers_nothing_and_still_answers():
    import asyncio

    from pbrlsvr.serving.scorer import Scorer

    score = Scorer(Loads(), ServingOptions(place="local", cache_mib=0))

    async def twice():
        return [await score("float"), await score("float")]

    assert asyncio.run(twice()) == [0.1, 0.1]
    assert computed == ["float", "float"]


def test_models_are_loaded_one_after_the_other():
    inside, most = [], []

    class Loader:
        model = "slow to load"

        def load(self):
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.05)
            inside.pop()
            return self

        def run(self, items):
            return items

    threads = [threading.Thread(target=ModelHost(Loader(), ServingOptions()).run, args=(["a"],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


class Holes:
    """Takes 60 MB for a window, and something small that stays between each two pieces of it."""

    model = "holes"
    kept: ClassVar[list] = []

    def load(self):
        return self

    def run(self, items):
        window = []
        for _ in range(600):
            window.append(bytearray(100_000))
            self.kept.append(bytearray(1000))
        return items


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library gives memory back in its own way")
def test_memory_that_a_window_has_freed_goes_back_to_the_system(monkeypatch):
    host = ModelHost(Holes(), ServingOptions())
    host.run(["first"])
    kept = resident_mib()
    monkeypatch.setattr("pbrlsvr.serving.host.TRIM_EVERY_S", 0)
    host.run(["second"])
    assert resident_mib() < kept - 30


def resident_mib():
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
