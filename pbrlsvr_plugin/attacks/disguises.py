"""Ways to write a sentence where nobody looks for one: in code, in formulas, in addresses, behind other letters."""

import base64
import re
from collections.abc import Callable, Iterable, Sequence

ZERO_WIDTH_SPACE = "\u200b"
_LOOKALIKES = str.maketrans("aceiopxyAEOPCTHKMB", "асеіорхуАЕОРСТНКМВ")
_SMALL_CAPITALS = str.maketrans("abcdefghijklmnoprstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ")


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+|[^\w\s]", text)


def _letters(text: str) -> list[str]:
    return [word for word in _words(text) if word.isalpha()]


def _chunks(text: str, size: int) -> list[str]:
    words = text.split()
    return [" ".join(words[start : start + size]) for start in range(0, len(words), size)]


def _camel(text: str) -> str:
    first, *others = _letters(text) or [""]
    return first.lower() + "".join(word.title() for word in others)


def _moved(text: str, capital: int, small: int) -> str:
    """ASCII letters from where other letters of the same order begin."""
    return "".join(
        chr(ord(char) + (capital - 65 if char.isupper() else small - 97)) if char.isascii() and char.isalpha() else char
        for char in text
    )


def _program(lines: Iterable[str]) -> str:
    return "\n".join(["```python", *lines, "```"])


#: What it is -> a text in that disguise.
DISGUISES: dict[str, Callable[[str], str]] = {
    "fence": lambda text: f"```\n{text}\n```",
    "fence, tildes": lambda text: f"~~~text\n{text}\n~~~",
    "fence, not closed": lambda text: f"```\n{text}",
    "fence, indented": lambda text: f"1.\n    ```\n    {text}\n    ```",
    "fence in a quotation": lambda text: f"> ```\n> {text}\n> ```",
    "code comments": lambda text: _program([*(f"# {each}" for each in _chunks(text, 4)), "x = 1"]),
    "strings in code": lambda text: _program(f"s.append('{each}')" for each in _chunks(text, 3)),
    "code, a name each": lambda text: _program(f"{word} = f({word})" for word in _letters(text)),
    "inline code": lambda text: f"`{text}`",
    "inline code, double": lambda text: f"``{text}``",
    "inline code, four words each": lambda text: " ".join(f"`{chunk}`" for chunk in _chunks(text, 4)),
    "inline code, a word each": lambda text: " ".join(f"`{word}`" for word in text.split()),
    "camelCase": lambda text: f"`{_camel(text)}`",
    "camelCase, no code": _camel,
    "snake_case": lambda text: f"`{'_'.join(_words(text))}`",
    "snake_case, no code": lambda text: "_".join(_words(text)),
    "formula": lambda text: f"${text}$",
    "formula, tildes": lambda text: " ".join(f"${chunk.replace(' ', '~')}$" for chunk in _chunks(text, 3)),
    "formula, spaced": lambda text: rf"\[{' '.join(_words(text)).replace(' ', chr(92) + ' ')}\]",
    "formula, a product": lambda text: f"${' * '.join(_words(text))}$",
    "formula, indices": lambda text: f"$x_{{{'}+x_{'.join(_words(text))}}}$",
    "formula, letters": lambda text: f"${' '.join(''.join(_words(text)))}$",
    "displayed": lambda text: f"$${text}$$",
    "environment": lambda text: "\\begin{align*}\n" + " \\\\\n".join(_chunks(text, 3)) + "\n\\end{align*}",
    "\\text": lambda text: rf"\text{{{text}}}",
    "\\text in a formula": lambda text: rf"$\text{{{text}}}$",
    "\\text, nested": lambda text: rf"$\text{{\textbf{{{text}}}}}$",
    "\\mathrm": lambda text: rf"$\mathrm{{{text.replace(' ', '~')}}}$",
    "commands": lambda text: " ".join("\\" + word if word.isalpha() else word for word in _words(text)),
    "address": lambda text: f"https://{'/'.join(_words(text))}",
    "address, dashes": lambda text: f"https://example.org/{'-'.join(_words(text))}",
    "addresses": lambda text: " ".join(f"http://{word}.org" for word in _letters(text)),
    "mail": lambda text: " ".join(f"{'.'.join(_letters(chunk))}@example.org" for chunk in _chunks(text, 5)),
    "tags": lambda text: " ".join(f"<{word}>" for word in _letters(text)),
    "tags, nested": lambda text: "".join(f"<{word}>" for word in _letters(text)) + "</b>",
    "attributes": lambda text: f'<span title="{text}" data-note="{text}"></span>',
    "comment of HTML": lambda text: f"<!-- {text} -->",
    "comment of LaTeX": lambda text: "\n".join(f"% {each}" for each in re.split(r"(?<=\.)\s+", text) if each),
    "link": lambda text: f"[{text}](https://example.org)",
    "picture": lambda text: f"![{text}](steps.png)",
    "table": lambda text: "| a | b |\n|---|---|\n" + "\n".join(f"| {chunk} | |" for chunk in _chunks(text, 4)),
    "quotation": lambda text: "\n".join(f"> {chunk}" for chunk in _chunks(text, 8)),
    "tool call": lambda text: f'<tool_call>{{"name": "note", "text": "{text}"}}</tool_call>',
    "JSON": lambda text: '```json\n{"steps": ["' + '", "'.join(_chunks(text, 3)) + '"]}\n```',
    "between colons": lambda text: " ".join(f":{word}:" for word in text.split()),
    "zero-width spaces": lambda text: ZERO_WIDTH_SPACE.join(text),
    "hyphens": lambda text: " ".join("-".join(word) for word in text.split()),
    "full stops": lambda text: " ".join(".".join(word) for word in text.split()),
    "spelled out": " ".join,
    "a word a line": lambda text: "\n".join(text.split()),
    "emoji between": lambda text: " 😀 ".join(text.split()),
    "look-alikes": lambda text: text.translate(_LOOKALIKES),
    "mathematical letters": lambda text: _moved(text, 0x1D400, 0x1D41A),
    "letters in circles": lambda text: _moved(text, 0x24B6, 0x24D0),
    "full-width letters": lambda text: _moved(text, 0xFF21, 0xFF41),
    "small capitals": lambda text: text.lower().translate(_SMALL_CAPITALS),
    "struck through": lambda text: "".join(char + "\u0336" if char.isalpha() else char for char in text),
    "accents": lambda text: "".join(char + "\u0301" if char.isalpha() else char for char in text),
    "capitals": str.upper,
    "every word a name": str.title,
    "backwards": lambda text: text[::-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "digits for letters": lambda text: text.translate(str.maketrans("eioa", "3104")),
    "digits for more letters": lambda text: text.translate(str.maketrans("eiolast", "3101457")),
    "letters that modify between": "\u07fa".join,
    "no spaces": lambda text: "".join(text.split()),
}


def mixed(own: Sequence[str], other: Sequence[str], run: int, other_run: int) -> str:
    """Runs of one text's words by turns with runs of another's, to the end of the first; the second starts over.

    >>> mixed("uno dos tres".split(), "one two".split(), 1, 1)
    'uno one dos two tres one'
    """
    words: list[str] = []
    turn = 0
    for start in range(0, len(own), run):
        words += own[start : start + run]
        words += [other[(turn + place) % len(other)] for place in range(other_run)]
        turn += other_run
    return " ".join(words)
