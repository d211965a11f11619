from types import SimpleNamespace

import pytest

from pbrlsvr.answers import equal
from pbrlsvr.errors import DataError, ModelError
from pbrlsvr.languages import check, english_name, likely_script
from pbrlsvr.models.translation.language_codes import model_languages

transformers = pytest.importorskip("transformers")
pytest.importorskip("sentencepiece")

# MGSM's and MMLU-ProX's languages.
SUPPORTED = "af ar bn cs de en es fr hi hu id it ja ko mr ne pt ru sr sw te th uk ur vi wo yo zh zu".split()  # noqa: SIM905


def marian(words=(), source=None, target=None):
    """What `model_languages` reads of a Marian tokenizer; a whole one is in test_translation_models.py."""
    named = type("MarianTokenizer", (SimpleNamespace,), {})
    return named(get_vocab=lambda: dict.fromkeys(["▁water", *words]), source_lang=source, target_lang=target)


@pytest.fixture(scope="module")
def nllb():
    return model_languages(transformers.NllbTokenizer(), "nllb")


@pytest.fixture(scope="module")
def m2m100():
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    tokens = dict.fromkeys(f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"])
    return model_languages(SimpleNamespace(get_vocab=dict, lang_token_to_id=tokens), "m2m100")


@pytest.fixture(scope="module")
def mbart():
    return model_languages(transformers.MBart50Tokenizer(), "mbart")


def test_each_family_is_recognised_by_its_tokenizer(nllb, m2m100, mbart):
    assert [languages.family for languages in (nllb, m2m100, mbart)] == ["NLLB-200", "M2M100", "mBART-50"]
    with pytest.raises(ModelError, match=r"'some-model'.*NLLB-200"):
        model_languages(transformers.T5Tokenizer(), "some-model")


@pytest.mark.parametrize("code", SUPPORTED)
def test_nllb_has_every_supported_language_in_both_directions(code, nllb):
    token = nllb.tokens(code, "en").source
    assert token == nllb.tokens("en", code).target
    assert token.split("_")[0] not in ("eng",) or code == "en"


@pytest.mark.parametrize(
    ("code", "token"),
    [
        ("sw", "swh_Latn"), ("ar", "arb_Arab"), ("zh", "zho_Hans"), ("zh-Hant", "zho_Hant"), ("zh-TW", "zho_Hant"),
        ("zh_CN", "zho_Hans"), ("pt-BR", "por_Latn"), ("sr", "srp_Cyrl"), ("ko", "kor_Hang"), ("ja", "jpn_Jpan"),
        ("no", "nob_Latn"), ("nb", "nob_Latn"), ("iw", "heb_Hebr"), ("ne", "npi_Deva"), ("fa", "pes_Arab"),
        ("es-MX", "spa_Latn"), ("ms", "zsm_Latn"), ("ps", "pbt_Arab"), ("ur", "urd_Arab"), ("te", "tel_Telu"),
    ],
)  # fmt: skip
def test_bcp47_becomes_nllbs_own_code(code, token, nllb):
    assert nllb.tokens("en", code) == ("eng_Latn", token)


@pytest.fixture(scope="module")
def madlad():
    # Languages of MADLAD-400 that neither of the other families has.
    codes = "ilo war awa ace min li bho kri pap kbd gom rom udm kum tyv hil yua bik cnh pck ada lez tsg chk gor"
    return model_languages(SimpleNamespace(get_vocab=lambda: dict.fromkeys(f"<2{c}>" for c in codes.split())), "madlad")


@pytest.mark.parametrize("model", ["nllb", "m2m100", "mbart", "madlad"])
def test_every_language_of_a_translation_model_can_be_named_checked_and_read(model, request):
    tags = request.getfixturevalue(model).tags
    assert len(tags) > 20
    for tag in tags:
        assert english_name(tag)
        assert likely_script(tag)
        assert equal("11", "11", tag)
        assert equal("3.5 kg", "3.5", tag)
        assert check("", tag).factor == check("", "en").factor


def test_m2m100_lacks_telugu_and_says_so(m2m100):
    missing = []
    for code in SUPPORTED:
        try:
            m2m100.tokens(code, "en")
        except DataError:
            missing.append(code)
    assert missing == ["te"]
    with pytest.raises(
        DataError, match=r"'m2m100' \(M2M100, 100 languages\) does not translate from 'te'; it has.*'th'"
    ):
        m2m100.tokens("te", "en")


def test_serbian_in_latin_letters_is_read_as_croatian_but_not_written_as_it(nllb, m2m100):
    assert nllb.tokens("sr-Latn", "en").source == "hrv_Latn"
    with pytest.raises(DataError, match=r"into 'sr-Latn'; it has 'sr-Cyrl'"):
        nllb.tokens("en", "sr-Latn")
    # A code without script reads both, and writes the usual one.
    assert m2m100.tokens("sr-Latn", "en").source == "__sr__"
    assert m2m100.tokens("en", "sr-Cyrl").target == "__sr__"
    with pytest.raises(DataError, match="into 'zh-Hant'"):
        m2m100.tokens("en", "zh-Hant")


def test_mbart_codes_carry_a_territory(mbart):
    assert mbart.tokens("sw", "en") == ("sw_KE", "en_XX")
    assert mbart.tokens("pt-BR", "zh").target == "zh_CN"


def test_a_code_that_is_no_language_is_a_data_error(nllb):
    with pytest.raises(DataError, match="klingon"):
        nllb.tokens("klingon", "en")


def test_marian_with_several_targets_is_told_one_before_the_text():
    languages = model_languages(marian([">>por<<", ">>pob<<", ">>cmn_Hans<<", ">>cmn_Hant<<"], "en", "mul"), "opus")
    assert languages.tokens("en", "pt") == (">>por<<", None)
    assert languages.tokens("en", "pt-BR") == (">>pob<<", None)
    assert languages.tokens("en", "zh-TW") == (">>cmn_Hant<<", None)
    with pytest.raises(DataError, match="from 'en' only, not from 'sw'"):
        languages.tokens("sw", "pt")
    with pytest.raises(DataError, match="into 'de'"):
        languages.tokens("en", "de")


def test_marian_of_a_group_of_languages_takes_any_of_them():
    # "mul" and "ROMANCE" name no single language, so the model does not tell which it knows.
    assert model_languages(marian(source="ROMANCE", target="en"), "opus").tokens("es", "en") == (None, None)
    with pytest.raises(DataError, match=r"only '\?' -> 'en'"):
        model_languages(marian(source="mul", target="en"), "opus").tokens("es", "fr")
