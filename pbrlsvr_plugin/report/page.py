"""The page: one HTML file with its data, its script and plotly.js in it, that reads nothing from anywhere else.

What comes from files reaches it as JSON in an inert script block, and from there as text nodes. Its security policy
names the two scripts by their digests and forbids all else, so that nothing which slipped through could run or be sent.
"""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

import pbrlsvr
from pbrlsvr.errors import MissingDependencyError
from pbrlsvr_plugin.report.samples import embedded


def render(title: str, content: Mapping[str, Any]) -> bytes:
    """The page.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    plotly, script = _plotly(), _own("page.js")
    parts = {
        "title": escape(title),
        "version": escape(pbrlsvr.__version__),
        "scripts": " ".join(map(_digest, (plotly, script))),
        "style": _own("page.css"),
        "data": embedded(content),
        "plotly": plotly,
        "script": script,
    }
    pieces = []
    for piece in _own("page.html").split("{"):
        name, closed, rest = piece.partition("}")
        pieces.append(parts[name] + rest if closed and name in parts else piece)
    return "".join(pieces).encode("utf-8", "backslashreplace")


def _own(name: str) -> str:
    return files("pbrlsvr_plugin.report").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingDependencyError("the report is drawn by plotly; pip install 'pbrlsvr[report]'") from error
    return str(get_plotlyjs())
