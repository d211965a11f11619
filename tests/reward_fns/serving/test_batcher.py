import asyncio
import threading

import pytest

from pbrlsvr.errors import ServiceError
from pbrlsvr.serving.batcher import Batcher, Failure


class Gate:
    """A model that waits until it is let go, and remembers what it was asked."""

    def __init__(self):
        self.batches = []
        self.busy, self.open = threading.Event(), threading.Event()

    def __call__(self, items):
        self.batches.append(list(items))
        self.busy.set()
        assert self.open.wait(timeout=10)
        return items


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open.set()


async def until_busy(gate):
    await asyncio.to_thread(gate.busy.wait, 10)


def test_equal_texts_are_computed_once():
    seen = []

    def run(texts):
        seen.extend(texts)
        return [len(text) for text in texts]

    async def everything():
        batcher = Batcher(run, name="test")
        found = await asyncio.gather(*map(batcher.ask, ["reference"] * 8 + ["answer"]))
        return found, await batcher.ask("reference"), batcher.submit("reference").result(timeout=10)

    assert asyncio.run(everything()) == ([9] * 8 + [6], 9, 9)
    assert sorted(seen) == ["answer", "reference"]


async def test_a_batch_forms_while_the_model_is_busy(gate):
    batcher = Batcher(gate, name="test")
    first = asyncio.create_task(batcher.ask("first"))
    await until_busy(gate)  # the model works on "first" alone
    others = [asyncio.create_task(batcher.ask(text)) for text in "abc"]
    await asyncio.sleep(0)
    gate.open.set()
    assert await asyncio.gather(first, *others) == ["first", "a", "b", "c"]
    assert gate.batches == [["first"], ["a", "b", "c"]]


async def test_a_failed_window_fails_each_caller_with_the_cause_and_is_not_remembered():
    calls = []

    def run(texts):
        calls.append(texts)
        if len(calls) == 1:
            raise MemoryError("no room")
        return texts

    batcher = Batcher(run, name="test")
    errors = await asyncio.gather(batcher.ask("text"), batcher.ask("text"), return_exceptions=True)
    assert [str(error) for error in errors] == ["no room", "no room"]
    assert await batcher.ask("text") == "text"


async def test_a_failure_in_a_window_fails_its_own_callers_only():
    batcher = Batcher(lambda items: [Failure(ValueError(i)) if i == "bad" else i for i in items], name="test")
    bad, good = await asyncio.gather(batcher.ask("bad"), batcher.ask("good"), return_exceptions=True)
    assert (repr(bad), good) == ("ValueError('bad')", "good")


async def test_a_wrong_number_of_results_is_an_error_not_a_shift():
    with pytest.raises(RuntimeError, match="0 results for 1 items"):
        await Batcher(lambda texts: texts[1:], name="test").ask("text")


async def test_least_recently_used_results_leave_first():
    computed = []

    def run(texts):
        computed.extend(texts)
        return ["x" * 1000] * len(texts)

    batcher = Batcher(run, name="test", cache_bytes=2500)  # two results of some 1,000 bytes
    for text in ["a", "b", "a", "c", "a", "b"]:  # "c" pushes out "b", the least recently used
        await batcher.ask(text)
    assert computed == ["a", "b", "c", "b"]


async def test_a_caller_that_is_cancelled_takes_no_other_with_it(gate):
    batcher = Batcher(gate, name="test")
    stays, leaves = asyncio.create_task(batcher.ask("shared")), asyncio.create_task(batcher.ask("shared"))
    await until_busy(gate)
    leaves.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaves
    gate.open.set()
    assert await stays == "shared"


async def test_what_nobody_waits_for_any_more_is_not_computed(gate):
    batcher = Batcher(gate, name="test")
    first = asyncio.create_task(batcher.ask("first"))
    await until_busy(gate)
    tasks = {text: asyncio.create_task(batcher.ask(text)) for text in ("left", "stays")}
    await asyncio.sleep(0)
    tasks["left"].cancel()
    await asyncio.sleep(0)
    gate.open.set()
    assert await asyncio.gather(first, tasks["stays"]) == ["first", "stays"]
    assert gate.batches == [["first"], ["stays"]]
    assert batcher.describe()["dropped"] == 1
    assert await batcher.ask("left") == "left"  # and can be asked for again


async def test_callers_wait_for_room_and_none_is_refused(gate):
    batcher = Batcher(gate, name="test", max_waiting=3)
    tasks = [asyncio.create_task(batcher.ask(number)) for number in range(20)]
    await until_busy(gate)
    assert batcher.waiting == 3
    gate.open.set()
    assert await asyncio.gather(*tasks) == list(range(20))
    assert max(map(len, gate.batches)) <= 3


async def test_callers_who_leave_while_they_wait_for_room_do_not_block_the_others(gate):
    batcher = Batcher(gate, name="test", max_waiting=1)
    tasks = [asyncio.create_task(batcher.ask(number)) for number in range(10)]
    await until_busy(gate)
    for task in tasks[1:9]:
        task.cancel()
    gate.open.set()
    assert await asyncio.wait_for(tasks[9], 10) == 9
    assert gate.batches == [[0], [9]]


@pytest.mark.parametrize("max_waiting", [1, 100])
async def test_an_item_that_takes_too_long_is_an_error_with_the_queue_in_it(max_waiting, gate):
    batcher = Batcher(gate, name="model 'm'", max_waiting=max_waiting, fix=lambda: "Buy another.")
    first = asyncio.create_task(batcher.ask("first"))
    await until_busy(gate)
    with pytest.raises(
        ServiceError, match=r"model 'm' gave no result within 0\.\d s .*timeout_s.*\d items are in flight"
    ):
        await batcher.ask("second", timeout_s=0.2)
    gate.open.set()
    assert await first == "first"
    assert await batcher.ask("second", timeout_s=10) == "second"


def test_an_event_loop_that_ends_early_harms_nobody(gate, caplog):
    batcher = Batcher(gate, name="test")
    with pytest.raises(ServiceError):
        asyncio.run(batcher.ask("shared", timeout_s=0.1))  # its loop is closed when the result comes
    gate.open.set()
    assert asyncio.run(batcher.ask("shared")) == "shared"
    assert not caplog.records


def test_many_threads_and_event_loops_get_each_their_own_results():
    batcher = Batcher(lambda items: [item * 2 for item in items], name="test", max_waiting=7, threads=3)
    found = {}

    def client(first):
        async def everything():
            return await asyncio.gather(*(batcher.ask(number, 30) for number in range(first, first + 200)))

        found[first] = asyncio.run(everything())

    threads = [threading.Thread(target=client, args=(first,)) for first in range(0, 500, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert found == {first: [2 * number for number in range(first, first + 200)] for first in range(0, 500, 100)}


async def test_metrics_say_what_happened():
    batcher = Batcher(lambda items: items, name="test", tokens=lambda: (60, 80))
    for item in ["a", "b", "a", "a"]:
        await batcher.ask(item)
    found = batcher.describe()
    assert (found["requests"], found["computed"], found["hit_rate"], found["batch_fill"]) == (4, 2, 0.5, 0.75)
    assert 0 < found["p50_ms"] <= found["p99_ms"] < 1000
    assert found["tokens_per_s"] > 0


async def test_metrics_are_logged_while_busy_but_not_each_time(caplog, monkeypatch):
    monkeypatch.setattr("pbrlsvr.serving.metrics.SECONDS_BETWEEN_LOGS", 0.2)
    batcher = Batcher(lambda items: items, name="busy")
    with caplog.at_level("INFO", logger="pbrlsvr"):
        for number in range(50):
            await batcher.ask(number)
            await asyncio.sleep(0.01)
    assert 1 <= len([r for r in caplog.records if "busy: requests" in r.getMessage()]) <= 4
