"""Multiple choice, A to J, in the answer forms of MMLU-ProX: "(C)", "C.", "(C) 입니다", "C: Paris"."""

import re

_MAX_LENGTH = 1000
# Options carry Latin letters; a Cyrillic text may have their look-alikes.
_LOOK_ALIKES = str.maketrans("АВСЕНІЈ", "ABCEHIJ")
_LETTER = re.compile(r"(?<![^\W\d_])(?<![\d\\'-])([A-J])(?![0-9A-Za-zÀ-ɏ'])")
_DELIMITED = re.compile(r"[(\[{]\s?([A-J])\s?[)\]}]|(?:\A|(?<=[\s]))([A-J])(?:[)\].:](?=\s|\Z))|\A([A-J])\Z")
# "A good idea", "I am": words, where another letter is marked as the choice.
_WORD = re.compile(r"[AEIO] [a-zà-ɏ]")


def read_choice(text: str, marked_only: bool = False) -> str | None:
    """The letter A-J that a cleaned answer chooses; None if it names none, or several.

    A letter in brackets, or before ".", ")" or ":", is marked as a choice; others may be words, variables or units.

    Args:
        text: the cleaned answer.
        marked_only: whether only a marked letter is a choice, as where "5 A" may be a current.

    >>> read_choice("(B) A dog"), read_choice("B"), read_choice("A or B"), read_choice("(A) or (B)")
    ('B', 'B', None, None)
    """
    if len(text) > _MAX_LENGTH:
        return None
    if len(text) == 1:
        text = text.translate(_LOOK_ALIKES)
    text = re.sub(r"(?<=[(\[])[АВСЕНІЈ](?=[)\]])", lambda letter: letter[0].translate(_LOOK_ALIKES), text)
    marked = {next(filter(None, match.groups())) for match in _DELIMITED.finditer(text)}
    if marked_only and not marked:
        return None
    words = {match[1] for match in _LETTER.finditer(text) if _WORD.match(text, match.start())}
    named = {match[1] for match in _LETTER.finditer(text)} - words
    letters = marked | named if marked else named | words if named else set()
    return letters.pop() if len(letters) == 1 else None
