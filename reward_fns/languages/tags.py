"""Language codes: the canonical tag, and what CLDR knows of it: number formats, English name, script."""

import difflib
import re
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from pbrlsvr.errors import ConfigError, DataError

if TYPE_CHECKING:
    from babel import Locale

# Well-formed BCP-47, without private use and extensions; babel alone would also take "en_US.UTF-8" and "en@euro".
_TAG = re.compile(r"(?i)[a-z]{2,3}([-_][a-z]{4})?([-_]([a-z]{2}|[0-9]{3}))?([-_]([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))?")

#: Codes that are well formed and name no language.
_NO_LANGUAGE = frozenset({"und", "mul", "zxx", "mis", "root"})


@lru_cache(maxsize=4096)
def _canonical(code: str) -> str | None:
    from babel import Locale, parse_locale
    from babel.core import get_global

    tag = code.strip()
    if not _TAG.fullmatch(tag):
        return None
    language, territory, script, variant = parse_locale(tag.replace("-", "_"))[:4]
    alias = get_global("language_aliases").get(language)
    if alias:
        language, _, alias_script = alias.partition("_")
        script = script or alias_script or None
    names = Locale("en")
    if language not in names.languages or language in _NO_LANGUAGE:
        return None
    if (script and script not in names.scripts) or (territory and territory not in names.territories):
        return None
    return "-".join(part for part in (language, script, territory, variant and variant.lower()) if part)


@lru_cache(maxsize=256)
def _closest(code: str) -> list[str]:
    """The codes that look like `code`, or whose English name does."""
    from babel import Locale

    wanted = code.strip().lower()
    by_name = {name.lower(): tag for tag, name in Locale("en").languages.items() if tag not in _NO_LANGUAGE}
    by_code = {tag.lower(): tag for tag in by_name.values()}
    if wanted in by_name:
        return [by_name[wanted]]
    names = difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.75)
    codes = difflib.get_close_matches(re.split("[-_]", wanted)[0], sorted(by_code, key=len), n=3, cutoff=0.6)
    return list(dict.fromkeys([by_name[name] for name in names] + [by_code[tag] for tag in codes]))[:4]


def parse(code: str, *, error: type[DataError] | type[ConfigError] = DataError) -> str:
    """The canonical BCP-47 tag of a language code.

    The case and the separators are put right, retired codes and ISO 639-2/-3 codes are replaced by the ones that CLDR
    prefers ("iw" -> "he", "swh" -> "sw"). The language, script and territory must be known to CLDR, through babel.

    Args:
        code: a language code, such as "sw", "zh_CN" or "swh_Latn".
        error: the class of the exception: `DataError` for a row of the data, `ConfigError` for an option.

    Raises:
        DataError, ConfigError: `code` is no language code.

    >>> parse("SW"), parse("zh_CN"), parse("sr-latn"), parse("swh_Latn")
    ('sw', 'zh-CN', 'sr-Latn', 'sw-Latn')
    """
    if tag := known_tag(code):
        return tag
    fix = "write a BCP-47 code such as 'en', 'sw' or 'zh-Hant'"
    if isinstance(code, str) and code.strip() and len(code) <= 64 and (near := _closest(code)):
        fix = "did you mean " + " or ".join(repr(tag) for tag in near) + "?"
    raise error(f"no language has the code {code if not isinstance(code, str) else code[:64]!r}; {fix}")


def known_tag(code: object) -> str:
    """As `parse`, with "" for what is no language code: `known_tag("swh") == "sw"`, `known_tag("questions") == ""`."""
    return (_canonical(code) or "") if isinstance(code, str) and len(code) <= 64 else ""


def base(code: str, *, error: type[DataError] | type[ConfigError] = DataError) -> str:
    """The language alone, without script, territory and variant: `base("zh_Hant-TW") == "zh"`.

    Raises:
        DataError, ConfigError: `code` is no language code.
    """
    return parse(code, error=error).partition("-")[0]


def subtags(tag: str) -> tuple[str, str | None, str | None]:
    """Language, script and territory of a canonical tag: `subtags("zh-Hant-TW") == ("zh", "Hant", "TW")`."""
    language, *rest = tag.split("-")
    script = next((part for part in rest if len(part) == 4 and part.isalpha()), None)
    return language, script, next((part for part in rest if len(part) in (2, 3)), None)


@lru_cache(maxsize=1024)
def likely_script(tag: str) -> str | None:
    """The script that a canonical tag names, else the one that CLDR finds likeliest; None where CLDR knows none.

    >>> likely_script("sw"), likely_script("sr-Latn"), likely_script("zh-TW")
    ('Latn', 'Latn', 'Hant')
    """
    from babel.core import get_global

    language, named, territory = subtags(tag)
    likely = get_global("likely_subtags")
    full = likely.get(f"{language}_{territory}") or likely.get(language) or ""
    return named or next((part for part in full.split("_") if len(part) == 4), None)


@lru_cache(maxsize=1024)
def locale(code: str) -> "Locale":
    """CLDR's data of a language: of the whole tag if it has that, else of its language, else of English.

    CLDR can name many languages (Iloko, Waray, Awadhi) whose number formats it does not have.

    Raises:
        DataError: `code` is no language code.

    >>> str(locale("pt-PT")), str(locale("sw-US")), str(locale("ilo"))
    ('pt_PT', 'sw', 'en')
    """
    from babel import Locale, UnknownLocaleError

    tag = parse(code)
    language, named, territory = subtags(tag)
    usual = territory if named == likely_script(f"{language}-{territory}") else None
    for parts in ((language, named, territory), (language, usual or named), (language, named), (language,)):
        with suppress(UnknownLocaleError):
            return Locale.parse("_".join(part for part in parts if part))
    return Locale("en")


@lru_cache(maxsize=1024)
def english_name(code: str) -> str:
    """The English name of a language, as prompts and tables say it.

    Raises:
        DataError: `code` is no language code.

    >>> english_name("sw"), english_name("zh-Hant"), english_name("ace-Arab")
    ('Swahili', 'Traditional Chinese', 'Acehnese (Arabic)')
    """
    from babel import Locale

    names = Locale("en")
    language, named, territory = subtags(parse(code))
    details = [names.scripts[named]] if named else []
    details += [names.territories[territory]] if territory else []
    for known, rest in (
        ((language, named, territory), []),
        ((language, named), details[1:] if named else details),
        ((language, territory), details[:1] if named else []),
    ):
        if name := names.languages.get("_".join(part for part in known if part)):
            return f"{name} ({', '.join(rest)})" if rest else str(name)
    return f"{names.languages[language]} ({', '.join(details)})"
