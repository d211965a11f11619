"""The prompt of a row: question and instruction in its language, from `templates/prompts.yaml` or the user's file."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from pbrlsvr.errors import ConfigError
from pbrlsvr.languages import likely_script, parse
from pbrlsvr.yaml_files import read_yaml
from pbrlsvr_plugin.prepare.export.options import Mark, PromptOptions

Message = dict[str, str]

BUILT_IN = Path(__file__).parent / "templates" / "prompts.yaml"


class Prompts:
    """Question and language -> messages.

    Raises:
        ConfigError: the user's file is not there, or not in the layout of the built-in one.

    >>> Prompts(PromptOptions(system="Be brief.")).messages("¿Cuánto es 2 + 2?", "es-MX")[1]["content"].splitlines()[0]
    '¿Cuánto es 2 + 2?'
    """

    def __init__(self, options: PromptOptions):
        self._options = options
        self._layout, built_in = _read(BUILT_IN)
        self._instructions = {code: marks[options.mark] for code, marks in built_in.items()}
        if options.file:
            layout, own = _read(Path(options.file))
            self._layout = layout or self._layout
            self._instructions |= {code: marks[options.mark] for code, marks in own.items() if options.mark in marks}

    def messages(self, question: str, language: str) -> list[Message]:
        """The messages of a prompt: the system's, if there is one, and the user's.

        Raises:
            ConfigError: there is no instruction in that language.
        """
        instruction = self.instruction(language)
        # Not str.format: questions have braces of their own.
        before, _, after = self._layout.partition("{question}")
        before, after = (part.replace("{instruction}", instruction) for part in (before, after))
        content = f"{before}{question}{after}"
        system = [{"role": "system", "content": self._options.system}] if self._options.system else []
        return [*system, {"role": "user", "content": content.strip()}]

    def instruction(self, language: str) -> str:
        """The instruction of the language, else of it in its likely script, else of the language alone.

        Raises:
            ConfigError: there is none.

        >>> Prompts(PromptOptions()).instruction("zh-TW") == Prompts(PromptOptions()).instruction("zh-Hant")
        True
        """
        for code in _closest(language):
            if code in self._instructions:
                return self._instructions[code]
        raise ConfigError(
            f"there is no instruction in {language!r}; write one into a YAML file for export.prompt.file, as in\n"
            f"instructions:\n  {language}:\n    {self._options.mark}: <{self._instructions['en']}>"
        )

    @property
    def languages(self) -> list[str]:
        """The languages that have an instruction."""
        return sorted(self._instructions)


@lru_cache(maxsize=1024)
def _closest(language: str) -> list[str]:
    tag = parse(language)
    base = tag.partition("-")[0]
    return list(dict.fromkeys([tag, f"{base}-{likely_script(tag)}", base]))


def _read(path: Path) -> tuple[str, dict[str, dict[str, str]]]:
    """Layout ("" where it has none) and instructions of a file.

    Raises:
        ConfigError: it is not there, or not in the layout of the built-in one.
    """
    content = read_yaml(path, f"the prompt file {str(path)!r}")
    if not isinstance(content, Mapping) or not content.keys() <= {"layout", "instructions"}:
        found = sorted(content) if isinstance(content, Mapping) else content
        raise ConfigError(f"the prompt file {str(path)!r} has {found!r}; it may have 'layout' and 'instructions'")
    layout = content.get("layout", "")
    if layout and (not isinstance(layout, str) or layout.count("{question}") != 1):
        raise ConfigError(f"layout={layout!r} in {str(path)!r} must be a text with {{question}} in it, once")
    instructions: dict[str, dict[str, str]] = {}
    for code, marks in (content.get("instructions") or {}).items():
        instructions[parse(code, error=ConfigError)] = _marks(marks, f"instructions.{code} in {str(path)!r}")
    return layout, instructions


def _marks(marks: Any, place: str) -> dict[str, str]:
    if not isinstance(marks, Mapping) or not all(isinstance(text, str) for text in marks.values()):
        raise ConfigError(f"{place} is {marks!r}; it must give a text for {' or '.join(map(repr, get_args(Mark)))}")
    if unknown := sorted(set(marks) - set(get_args(Mark))):
        raise ConfigError(f"{place} has {unknown}; the marks are {list(get_args(Mark))}")
    for mark, sign in (("hash", "####"), ("boxed", "\\boxed{")):
        if mark in marks and sign not in marks[mark]:
            raise ConfigError(f"{place} does not name {sign!r} in {mark!r}: {marks[mark]!r}; no answer would be found")
    return dict(marks)
