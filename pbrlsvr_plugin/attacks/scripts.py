"""A text in the letters of another script, letter by letter."""

import unicodedata

_LETTERS_OF_CYRILLIC = (
    "a", "b", "v", "g", "d", "e", "yo", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u", "f",
    "kh", "ts", "ch", "sh", "shch", "ʺ", "y", "ʹ", "e", "yu", "ya",
)  # fmt: skip
_CYRILLIC_AS_LATIN = dict(zip("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", _LETTERS_OF_CYRILLIC, strict=True))
_LATIN_AS_CYRILLIC = dict(zip("abcdefghijklmnopqrstuvwxyz", "абкдефгхижклмнопкрстувушйз", strict=True))
_LATIN_AS_GREEK = dict(zip("abcdefghijklmnopqrstuvwxyz", "αβκδεφγηιικλμνοπκρστυβωξυζ", strict=True))
# Bengali and Devanagari, and Thai and Lao, are laid out alike in Unicode, one block apart.
_NEXT_BLOCK = {"BENGALI": -0x80, "THAI": 0x80}


def in_latin_or_cyrillic(text: str) -> str:
    """Cyrillic text in Latin letters, Latin text in Cyrillic ones; "" for another script."""
    script = script_of(text)
    if script == "CYRILLIC":
        return _replaced(text, _CYRILLIC_AS_LATIN)
    return _replaced(_without_accents(text), _LATIN_AS_CYRILLIC) if script == "LATIN" else ""


def in_another_script(latin: str, text: str) -> str:
    """Bengali text in Devanagari, Thai in Lao; other text, in Latin letters if `latin` has it so, in Greek ones."""
    script = script_of(text)
    if script in _NEXT_BLOCK:
        return "".join(_moved(character, _NEXT_BLOCK[script], script) for character in text)
    romanised = _replaced(latin, _CYRILLIC_AS_LATIN) if script == "CYRILLIC" else latin
    return _replaced(_without_accents(romanised), _LATIN_AS_GREEK) if script_of(romanised) == "LATIN" else ""


def script_of(text: str) -> str:
    """The first word of the Unicode name of the text's first letter, such as "LATIN"; "" without a letter."""
    letter = next((character for character in text if character.isalpha()), "")
    return unicodedata.name(letter, "").split(" ", 1)[0] if letter else ""


def _replaced(text: str, letters: dict[str, str]) -> str:
    table = letters | {lower.upper(): letter.capitalize() for lower, letter in letters.items()}
    return "".join(table.get(character, character) for character in text)


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.replace("ß", "ss"))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _moved(character: str, by: int, script: str) -> str:
    if not unicodedata.name(character, "").startswith(script):
        return character
    moved = chr(ord(character) + by)
    # Not every place of a block is taken.
    return moved if unicodedata.name(moved, "") else character
