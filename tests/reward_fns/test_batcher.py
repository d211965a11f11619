import threading

import pytest

from pbrlsvr.serving.batcher import Batcher


def test_equal_texts_are_computed_once():
    seen = []

    def run(texts):
        seen.extend(texts)
        return [len(text) for text in texts]

    batcher = Batcher(run, name="test", max_cached=10)
    futures = [batcher.submit(text) for text in ["reference"] * 8 + ["answer"]]
    assert [future.result(timeout=10) for future in futures] == [9] * 8 + [6]
    assert batcher.submit("reference").result(timeout=10) == 9
    assert sorted(seen) == ["answer", "reference"]


def test_a_batch_forms_while_the_model_is_busy():
    batches, busy, release = [], threading.Event(), threading.Event()

    def run(texts):
        batches.append(list(texts))
        busy.set()
        assert release.wait(timeout=10)
        return texts

    batcher = Batcher(run, name="test", max_cached=10)
    first = batcher.submit("first")
    assert busy.wait(timeout=10)  # the model works on "first" alone
    others = [batcher.submit(text) for text in "abc"]
    release.set()
    assert [future.result(timeout=10) for future in [first, *others]] == ["first", "a", "b", "c"]
    assert batches == [["first"], ["a", "b", "c"]]


def test_a_failed_batch_fails_each_caller_with_the_cause_and_is_tried_again():
    calls = []

    def run(texts):
        calls.append(texts)
        if len(calls) == 1:
            raise MemoryError("no room")
        return texts

    batcher = Batcher(run, name="test", max_cached=10)
    with pytest.raises(MemoryError, match="no room"):
        batcher.submit("text").result(timeout=10)
    assert batcher.submit("text").result(timeout=10) == "text"


def test_a_wrong_number_of_results_is_an_error_not_a_shift():
    batcher = Batcher(lambda texts: texts[1:], name="test", max_cached=10)
    with pytest.raises(RuntimeError, match="0 results for 1 items"):
        batcher.submit("text").result(timeout=10)


def test_least_recently_used_results_leave_first():
    computed = []

    def run(texts):
        computed.extend(texts)
        return texts

    batcher = Batcher(run, name="test", max_cached=2)
    for text in ["a", "b", "a", "c", "a", "b"]:  # "c" pushes out "b", the least recently used
        batcher.submit(text).result(timeout=10)
        batcher.submit("a").result(timeout=10)
    assert computed == ["a", "b", "c", "b"]
