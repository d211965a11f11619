"""Foreign text in the card: file names, columns and what a model is called are shown, never carried out."""

import re

from pbrlsvr_plugin.terminal import plain

_SIGNS = re.compile(r"[\\`*_{}\[\]()<>&|#~!^$@]")
_LINK = re.compile(r"\b(javascript|data|vbscript|file):", re.I)
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;"}
_CODE = re.compile(r"[\w./:=+() -]+")


def text(value: object) -> str:
    r"""The text on one line, without HTML, and in Markdown that shows each of its characters.

    >>> print(text("a|b <img src=x> [x](javascript:y)"))
    a\|b &lt;img src=x&gt; \[x\]\(javascript&#58;y\)
    """
    line = " ".join(plain(value).split())
    line = _SIGNS.sub(lambda sign: _ENTITIES.get(sign[0], f"\\{sign[0]}"), line)
    return _LINK.sub(r"\1&#58;", line)


def code(value: object) -> str:
    """The text as code where that is safe, else as `text`.

    >>> code("train.jsonl"), code("<b>")
    ('`train.jsonl`', '&lt;b&gt;')
    """
    line = " ".join(plain(value).split())
    return f"`{line}`" if line and _CODE.fullmatch(line) and not _LINK.search(line) else text(line)
