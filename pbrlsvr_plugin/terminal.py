"""What strangers wrote, on a terminal: model output, data sets, file names, what a server or another process answers.

Every text that this package did not write itself goes to the screen through this file. It can then neither steer the
terminal (escape sequences, carriage returns, bidirectional overrides) nor style or break the output (rich's markup).
"""

import sys
from typing import Any
from unicodedata import category

import typer
from rich.console import Console
from rich.text import Text

# Line breaks and tabs have their place; Persian and Indic scripts and emoji are not written without the two joiners.
_KEPT = frozenset("\n\t\u200c\u200d")


def plain(text: object) -> str:
    r"""The text with each character that is not seen as itself written as its escape, for `print` and for files.

    Control characters, bidirectional controls, line and paragraph separators, other invisible formats, lone surrogates
    and unassigned characters become `\x1b`, `\u202e` and so on; spaces, line breaks and tabs stay.

    Example:
        >>> print(plain("17\x1b[2J apples"))
        17\x1b[2J apples
    """
    written = str(text)
    if written.isprintable():
        return written
    return "".join(
        each if each.isprintable() or each in _KEPT or category(each) == "Zs"
        # A space of another width, which Python does not call printable, is one all the same.
        else each.encode("unicode_escape").decode("ascii")
        for each in written
    )  # fmt: skip


def say(text: object, *, err: bool = False) -> None:
    """Print a line that may hold foreign text, to stdout, or to stderr with `err`."""
    typer.echo(plain(text), err=err)


def say_error(error: BaseException) -> None:
    """Print an exception as commands report it, `ConfigError: what is wrong`, to stderr."""
    say(f"{type(error).__name__}: {error}", err=True)


class Screen(Console):
    """rich's console for tables and lines in which foreign texts stand.

    A `str`, printed or in a table's cell, is shown by `plain` and as it is: without markup, emoji codes and
    highlighting. What we style ourselves is a `rich.text.Text`, whose foreign parts have to go through `plain`.

    Args:
        piped_width: characters in a line where the output goes into a file; a terminal's own width counts there.
        stderr: print to stderr instead of stdout.
    """

    def __init__(self, piped_width: int = 200, *, stderr: bool = False):
        stream = sys.stderr if stderr else sys.stdout
        width = None if stream.isatty() else piped_width
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Where rich makes each `str` into a `Text`."""
        return super().render_str(plain(text), **options)
