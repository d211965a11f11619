"""What texts leave behind in the memory of a process that scores for days."""

import asyncio
import functools
import gc
import threading

import pytest

import pbrlsvr
from pbrlsvr.remembered import remembered
from pbrlsvr.scoring.overlap import bleu


def counted(characters):
    calls = []

    @remembered(characters)
    def length(text):
        calls.append(text)
        return len(text)

    return length, calls


def test_a_text_is_computed_once_and_the_least_recently_asked_for_leave_first():
    length, calls = counted(characters=300)
    assert [length("a" * 30), length("b" * 30), length("a" * 30)] == [30, 30, 30]
    assert len(calls) == 2
    assert [length("c" * 30), length("d" * 30), length("a" * 30)] == [30, 30, 30]
    assert [call[0] for call in calls] == ["a", "b", "c", "d"]
    length("b" * 30)
    assert [call[0] for call in calls] == ["a", "b", "c", "d", "b"]


def test_texts_beyond_the_budget_and_empty_ones_without_end_are_not_kept():
    length, calls = counted(characters=1000)
    assert [length("long" * 1000) for _ in range(3)] == [4000] * 3
    assert len(calls) == 3
    for number in range(1000):
        length(str(number))
    for number in range(1000):
        length(str(number))
    assert len(calls) == 2003


def test_what_fails_is_not_remembered():
    failing = remembered(1000)(lambda text: 1 / len(text))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            failing("")
    assert failing("ab") == 0.5


def test_threads_may_ask_at_the_same_time():
    length, _ = counted(characters=500)
    wrong = []

    def work(start):
        for number in range(start, start + 2000):
            text = "x" * (number % 50)
            if length(text) != len(text):
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def caches():
    """Entries of each cache that counts them, whatever their size."""
    # Not `isinstance`, which would wake what is loaded lazily; and a wrapped `partial` has no name.
    found = [each for each in gc.get_objects() if type(each) is functools._lru_cache_wrapper]
    return {repr(each.__wrapped__): each.cache_info().currsize for each in found}


def test_no_cache_that_counts_entries_has_one_for_each_text_that_was_scored():
    count, before = 60, None
    for number in range(-5, count):
        if number == 0:
            before = caches()
        said = f"Wir rechnen mit {number} und `x_{number}` in $y_{number}$ weiter, und es sind 5 Äpfel.\n#### 5"
        row = {"language": "de", "question": f"Frage {number}?", "pivot_reasoning": f"Text {number}."}
        for reward in (pbrlsvr.exact_answer, pbrlsvr.format, pbrlsvr.language_consistency):
            asyncio.run(reward(f"toy/{number}", said, "5", row))
        bleu(said, f"We go on with {number}.")
    after = caches()
    assert before
    assert not {name: size for name, size in after.items() if size - before.get(name, 0) >= count}
