"""What strangers wrote reaches a terminal as text."""

import io
import sys

import pytest
from rich.table import Table

from pbrlsvr_plugin.terminal import Screen, plain, say, say_error


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;mine\x07", r"\x1b]0;mine\x07"),
        ("done\rfailed", r"done\rfailed"),
        ("\x9b2J", r"\x9b2J"),
        ("\x7f\x08", r"\x7f\x08"),
        ("1\u202e0", r"1\u202e0"),
        ("\u2066a\u2069\u200f\u061c", r"\u2066a\u2069\u200f\u061c"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\ud83d", r"\ud83d"),
        ("\U000e0041\ufeff\u2060", r"\U000e0041\ufeff\u2060"),
    ],
)
def test_what_is_not_seen_as_itself_is_written_as_its_escape(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert plain(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\tb\nc",
        "می\u200cخواهم",
        "👩\u200d🏫",
        "\u3000全角 スペース",
        "12\u00a0345\u202f6",
        "ক্ষ \u0001"[:-1],
        "[red]",
    ],
)
def test_writing_of_any_language_stays(text: str) -> None:
    assert plain(text) == text


def test_every_control_character_of_unicode_is_escaped() -> None:
    for code in [*range(0x20), *range(0x7F, 0xA0)]:
        shown = plain(f"a{chr(code)}b")
        assert (shown == f"a{chr(code)}b") == (chr(code) in "\n\t"), hex(code)


@pytest.mark.parametrize(
    "text",
    [
        "[/]",
        "[/red]",
        "[red]stop[/red]",
        "[link=https://example.org]here[/link]",
        "[@click=quit]",
        "\\[red]",
        "[bold]\\",
        ":x:",
    ],
)
def test_markup_in_foreign_text_is_shown_and_not_carried_out(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("one", title=text, caption=text)
    table.add_column(text)
    table.add_row(text, text)
    screen = Screen()
    screen.print(table)
    screen.print(text)
    assert capsys.readouterr().out.count(text) == 6


def test_no_escape_sequence_in_a_cell_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("\x1b[2J", title="\x1b]8;;http://x\x07")
    table.add_row("a\x1bc\u202e")
    Screen().print(table, "\x9b2J", style="bold")
    out = capsys.readouterr().out
    assert "a\\x1bc\\u202e" in out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out)


def test_errors_with_escape_sequences_reach_neither_stream(capsys: pytest.CaptureFixture[str]) -> None:
    say("model \x1b[31mred")
    say_error(ValueError("bad \x1b[2J\ud800 name"))
    out, err = capsys.readouterr()
    assert out == "model \\x1b[31mred\n"
    assert err == "ValueError: bad \\x1b[2J\\ud800 name\n"


def test_a_table_is_wide_where_it_is_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert Screen(140).width == 140
    assert not Screen().is_terminal
