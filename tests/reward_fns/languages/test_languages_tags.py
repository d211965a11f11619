"""Language codes: canonical tags, and errors that name the code and the fix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbrlsvr import languages
from pbrlsvr.answers import equal
from pbrlsvr.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("sw", "sw"),
        ("SW", "sw"),
        (" sw ", "sw"),
        ("zh_CN", "zh-CN"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("de-1996", "de-1996"),
        # ISO 639-2 and 639-3, and the codes of Flores and Belebele
        ("eng", "en"),
        ("swh_Latn", "sw-Latn"),
        ("zho_Hans", "zh-Hans"),
        # retired
        ("iw", "he"),
        ("sh", "sr-Latn"),
    ],
)
def test_a_code_is_put_into_canonical_form(code: str, tag: str) -> None:
    assert languages.parse(code) == tag
    assert languages.parse(tag) == tag


MMLU_PROX = "af ar bn cs de en es fr hi hu id it ja ko mr ne pt ru sr sw te th uk ur vi wo yo zh zu"


@pytest.mark.parametrize("code", MMLU_PROX.split())
def test_the_languages_of_mmlu_prox_are_known_and_stay_as_they_are(code: str) -> None:
    assert languages.parse(code) == languages.base(code) == code


@pytest.mark.parametrize(
    "code", ["xx", "klingon", "", " ", "und", "mul", "zh-Xxxx", "en-ZZZ", "en_US.UTF-8", "x" * 99, "e\x00n"]
)
def test_an_unknown_code_is_refused_by_name(code: str) -> None:
    with pytest.raises(DataError, match="no language has the code '"):
        languages.parse(code)


@pytest.mark.parametrize("value", [None, 5, ["en"], b"en"])
def test_what_is_no_string_is_refused(value: object) -> None:
    with pytest.raises(DataError) as caught:
        languages.parse(value)  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("code", "fix"), [("english", "'en'"), ("Swahilli", "'sw'"), ("spanish", "'es'"), ("zh-Xxxx", "'zh'")]
)
def test_the_error_proposes_the_closest_code(code: str, fix: str) -> None:
    with pytest.raises(DataError, match=f"did you mean.*{fix}"):
        languages.parse(code)


def test_an_option_gets_a_config_error() -> None:
    with pytest.raises(ConfigError, match="'xx'"):
        languages.parse("xx", error=ConfigError)


@given(st.text(max_size=80))
def test_any_string_gives_a_stable_tag_or_a_data_error(code: str) -> None:
    try:
        tag = languages.parse(code)
    except DataError:
        return
    assert languages.parse(tag) == tag
    assert languages.base(code) == tag.split("-")[0]


@pytest.mark.parametrize(
    ("code", "name", "script", "locale"),
    [
        ("sw", "Swahili", "Latn", "sw"),
        ("bn", "Bangla", "Beng", "bn"),
        ("zh-Hant", "Traditional Chinese", "Hant", "zh_Hant"),
        ("zh-TW", "Chinese (Taiwan)", "Hant", "zh_Hant_TW"),
        ("zh-Hant-US", "Traditional Chinese (United States)", "Hant", "zh_Hant"),
        ("pt-BR", "Brazilian Portuguese", "Latn", "pt_BR"),
        ("pt-Latn-PT", "European Portuguese (Latin)", "Latn", "pt_PT"),
        ("fa-AF", "Dari", "Arab", "fa_AF"),
        ("sr-Latn", "Serbian (Latin)", "Latn", "sr_Latn"),
        ("sw-US", "Swahili (United States)", "Latn", "sw"),
        ("de-1996", "German", "Latn", "de"),
        # CLDR can name these, and has no number formats for them.
        ("ilo", "Iloko", "Latn", "en"),
        ("ace-Arab", "Acehnese (Arabic)", "Arab", "en"),
        ("awa", "Awadhi", "Deva", "en"),
    ],
)
def test_a_code_has_one_english_name_one_script_and_one_locale(code, name, script, locale):
    assert languages.english_name(code) == name
    assert languages.likely_script(languages.parse(code)) == script
    assert str(languages.locale(code)) == locale


def test_every_language_that_cldr_can_name_is_known_in_every_room():
    for code in set(languages.locale("en").languages) - {"mul", "und", "zxx", "mis", "root"}:
        assert languages.english_name(code)
        assert str(languages.locale(code))
        assert equal("11", "11", code), code
