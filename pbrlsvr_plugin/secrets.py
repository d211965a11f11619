"""Keys, tokens and passwords, taken out of what is shown or sent: configurations, and what was typed."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pbrlsvr.serving.keys import Secrets

# Names of settings and of environment variables whose values are nobody's business. Not max_token_len, prompt_key, ...
_SECRET_NAME = re.compile(
    r"(?i)(^|[_.\- ])(api_?key|access_?key(_id)?|secrets?(_?key)?|passw(or)?d|passphrase|credentials?|private_?key"
    r"|token|authorization|cookie|pwd)s?$|^key$"
)
_SECRET_VARIABLE = re.compile(r"(?i)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")
_IN_AN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
# In a text, such as a command or an address: api_key=..., "token": "...".
_SAID_IN_A_TEXT = re.compile(
    r"""(?i)((?:api[_-]?key|access[_-]?key|token|secret|passw(?:or)?d)["']?\s*[=:]\s*["']?)[^\s"',&;]+"""
)
# What is a key by its looks: of OpenAI, Anthropic, Hugging Face, GitHub, Slack, AWS, Google; and what follows "Bearer".
_LOOKS_SECRET = re.compile(
    r"\b(sk-[\w-]{16,}|hf_\w{16,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|xox[abprs]-[\w-]{10,}|AKIA\w{16}|AIza[\w-]{30,})"
    r"|(?<=Bearer )\S+"
)
_SHORTEST_SECRET = 8
_HIDDEN = "[hidden]"


def without_secrets(config: Any) -> Any:
    """A config with `[hidden]` for what is a key, by its name or by its looks, or that is in a variable named like one.

    >>> without_secrets({"api_key": "abc", "url": "https://me:pw@host", "prompt_key": "prompt", "max_token_len": 5})
    {'api_key': '[hidden]', 'url': 'https://[hidden]@host', 'prompt_key': 'prompt', 'max_token_len': 5}
    """
    held = (value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name))
    return _hide(config, Secrets(value for value in held if len(value) >= _SHORTEST_SECRET))


def _hide(node: Any, held: Secrets, name: str = "") -> Any:
    if isinstance(node, Mapping):
        return {str(key): _hide(value, held, str(key)) for key, value in node.items()}
    # The name of the variable that holds a key is no secret.
    if node and isinstance(node, str | bytes) and _SECRET_NAME.search(name):
        return _HIDDEN
    if isinstance(node, str):
        text = _IN_AN_ADDRESS.sub(_HIDDEN, _LOOKS_SECRET.sub(_HIDDEN, node))
        text = _SAID_IN_A_TEXT.sub(rf"\1{_HIDDEN}", text)
        return held.hide(text).replace("[key]", _HIDDEN)
    if isinstance(node, Sequence):
        return [_hide(value, held, name) for value in node]
    return node
