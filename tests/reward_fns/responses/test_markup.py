"""The one reader of code, formulas, addresses and tags: what it finds, and that it takes any text in linear time."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbrlsvr.responses.markup import Fence, fences, pieces


def found(text: str) -> list[tuple[str, str]]:
    return [(piece.kind, text[piece.start : piece.end]) for piece in pieces(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Suma `a + b` y ``c`d``.", [("code", "`a + b`"), ("code", "``c`d``")]),
        ("Son $x^2$, no $5 ni $6.", [("math", "$x^2$")]),
        (r"\[a\] y \(b\) y $$c$$", [("math", r"\[a\]"), ("math", r"\(b\)"), ("math", "$$c$$")]),
        (r"\begin{align}a\end{align}", [("math", r"\begin{align}a\end{align}")]),
        (r"\first \find", [("command", r"\first"), ("command", r"\find")]),
        ("(https://a.org/b), c@d.org.", [("address", "https://a.org/b"), ("address", "c@d.org")]),
        ("<b>si</b> 3 < x > 2", [("tag", "<b>"), ("tag", "</b>")]),
        ("a\n```py\nx\n```\nb", [("code", "```py\nx\n```\n")]),
        ("a\n~~~\nx\n~~~\nb", [("code", "~~~\nx\n~~~\n")]),
        ("1.\n    ```\n    x\n    ```\nb", [("code", "    ```\n    x\n    ```\n")]),
        ("> ```\n> x\n> ```\nb", [("code", "> ```\n> x\n> ```\n")]),
        ("dice ```a\nb``` y sigue", [("code", "```a\nb```")]),
        ("$x$\n```\n$y$\n```\n$z$", [("math", "$x$"), ("code", "```\n$y$\n```\n"), ("math", "$z$")]),
    ],
)
def test_pieces_are_found_in_order(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_a_fence_is_closed_by_a_line_of_its_own_or_else_inside_of_one() -> None:
    assert fences("```\nx\n```\ny") == [Fence(0, 10, True)]
    assert fences("```\nx\n``` y así") == [Fence(0, 9, False)]
    assert fences("```\nx y así") == [Fence(0, 11, False)]
    assert fences("```x``` y así") == []
    assert fences("~~~\n```\nx\n~~~") == [Fence(0, 13, True)]


HOSTILE = [
    "$", "$x ", "\\[", "\\(", "\\begin{a}", "`", "``", "```", "```p\n", "```\n", "~~~\n```p\n", "<a", "a.", "a@",
    "a@b.", "http://", "\\a", "$$", "> ```p\n", "`x", "http://a.",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hundred_thousand_hostile_characters_take_seconds_at_most(piece: str) -> None:
    text = (piece * 100_000)[:100_000]
    started = time.process_time()
    assert all(piece.start < piece.end for piece in pieces(text))
    # The slowest takes a tenth of it; quadratic time would be minutes.
    assert time.process_time() - started < 5


@settings(deadline=None)
@given(st.lists(st.sampled_from([*HOSTILE, "sí ", "\n", "```\n", "$x$"]) | st.text(max_size=5), max_size=30))
def test_pieces_never_overlap(parts: list[str]) -> None:
    text, position = "".join(parts), 0
    for piece in pieces(text):
        assert position <= piece.start < piece.end <= len(text)
        position = piece.end
