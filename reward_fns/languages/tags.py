"""Language codes."""

import difflib
import re
from functools import lru_cache

from pbrlsvr.errors import ConfigError, DataError

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
    tag = _canonical(code) if isinstance(code, str) and len(code) <= 64 else None
    if tag is not None:
        return tag
    mend = "write a BCP-47 code such as 'en', 'sw' or 'zh-Hant'"
    if isinstance(code, str) and code.strip() and len(code) <= 64 and (near := _closest(code)):
        mend = "did you mean " + " or ".join(repr(tag) for tag in near) + "?"
    raise error(f"no language has the code {code if not isinstance(code, str) else code[:64]!r}; {mend}")


def base(code: str, *, error: type[DataError] | type[ConfigError] = DataError) -> str:
    """The language alone, without script, territory and variant: `base("zh_Hant-TW") == "zh"`.

    Raises:
        DataError, ConfigError: `code` is no language code.
    """
    return parse(code, error=error).partition("-")[0]
