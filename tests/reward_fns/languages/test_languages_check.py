"""Language policies: what fails, what must not fail, and what is undetermined."""

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbrlsvr import languages
from pbrlsvr.errors import ConfigError, DataError, MissingDependencyError
from pbrlsvr.languages import LanguagePolicy, check, identifier, profile

EN = "First we compute the number of eggs that are left after breakfast, then we multiply by the price of each egg."
ES = "Primero calculamos cuántos huevos quedan después del desayuno, y luego multiplicamos por el precio de cada huevo."
SW = "Kwanza tunahesabu idadi ya mayai yaliyobaki baada ya kifungua kinywa, kisha tunazidisha kwa bei ya kila yai."
BN = "প্রথমে আমরা সকালের নাস্তার পরে কতগুলি ডিম বাকি আছে তা গণনা করি, তারপর প্রতিটি ডিমের দাম দিয়ে গুণ করি।"
ZH = "首先我们计算早餐后剩下多少个鸡蛋，然后乘以每个鸡蛋的价格。"
JA = "まず朝食後に残っている卵の数を計算し、それから卵一個の値段を掛けます。"
TH = "ขั้นแรกเราคำนวณจำนวนไข่ที่เหลือหลังอาหารเช้า แล้วคูณด้วยราคาของไข่แต่ละฟอง"
RU = "Сначала посчитаем, сколько яиц осталось после завтрака, а затем умножим на цену каждого яйца."
WO = "Balaa dara danu wara xayma ñaata ndox mooy dugg ci mbalka mi bés bu nekk."
CYRILLIC_LOOKALIKES = str.maketrans("eoa", "еоа")

REPOSITORY = Path(__file__).resolve().parents[3]
MGSM = REPOSITORY.parent / "shared" / "data" / "mgsm"


def sentences() -> Iterator[tuple[str, str]]:
    for line in (REPOSITORY / "tests" / "data" / "language_id.tsv").read_text(encoding="utf-8").splitlines():
        language, sentence = line.split("\t")
        yield language, sentence


@pytest.mark.parametrize(
    ("language", "text"), [*sentences(), ("en", EN), ("es", ES), ("sw", SW), ("bn", BN), ("zh", ZH)]
)
def test_a_sentence_passes_in_its_language_and_fails_in_another(language: str, text: str) -> None:
    assert check(text, language).share == 1.0
    other = check(text, "de")
    assert (other.share, other.factor, other.undetermined) == (0.0, 0.0, False)


@pytest.mark.parametrize("code", ["en", "es", "de", "sw", "zh", "bn"])
def test_every_mgsm_question_passes_in_its_language_and_fails_in_the_others(code: str) -> None:
    file = MGSM / f"mgsm_{code}.tsv"
    if not file.exists():
        pytest.skip(f"MGSM is not at {MGSM}")
    questions = [line.split("\t")[0] for line in file.read_text(encoding="utf-8").splitlines()]
    assert [text for text in questions if check(text, code).factor == 0] == []
    others = {"en", "es", "de", "sw", "zh", "bn"} - {code}
    assert [(text, other) for text in questions[::10] for other in others if check(text, other).factor] == []


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (f"{EN} {EN} {EN} {SW}", "sw"),
        (f"{EN} {BN}", "bn"),
        # transliterated
        ("prothome amra sokaler nastar pore kotoguli dim baki ache ta gonona kori tarpor dam diye gun kori", "bn"),
        ("Snachala poschitaem skolko yaits ostalos posle zavtraka a zatem umnozhim na tsenu kazhdogo", "ru"),
        ("Ram ne bazaar se barah seb kharide aur unmein se chaar apni behen ko de diye phir ghar chala gaya", "es"),
        # invisible characters, direction marks, look-alikes, other forms of the letters
        ("\u200b".join(EN), "sw"),
        (f"\u202e{EN}\u202c", "sw"),
        (EN.translate(CYRILLIC_LOOKALIKES), "es"),
        (EN.translate(CYRILLIC_LOOKALIKES), "ru"),
        (" ".join(f"{word[0]}ж{word[1:]}" for word in EN.split()), "ru"),
        ("".join(chr(ord(char) + 0x1D3B9) if "a" <= char <= "z" else char for char in EN), "es"),
        (EN.upper(), "es"),
        (EN.title(), "th"),
        # hidden in code, mathematics and markup, next to a native sentence
        (f"```\n{EN}\n```\n{ES}", "es"),
        (f"```python\n# {EN}\nx = 1\n```\n{ES}", "es"),
        (f"${EN}$ {ES}", "es"),
        (rf"\[\text{{{EN}}}\] {ES}", "es"),
        (" ".join(f"<{word}>" for word in EN.split()), "es"),
        # without spaces, spelled out, a word or two on a line, words in turn
        ("".join(EN.split()), "es"),
        (" ".join(EN), "es"),
        ("\n".join(EN.split()), "sw"),
        (" ".join(f"{first} {second}" for first, second in zip(EN.split(), ES.split(), strict=False)), "es"),
        # the right script, the wrong language
        (f"{ZH}の{ZH}", "ja"),
        (JA, "zh"),
        ("Спочатку порахуємо, скільки яєць залишилося після сніданку, а потім помножимо на ціну.", "ru"),
        ("सबसे पहले हमें यह पता लगाना होगा कि हर दिन टंकी में कितना पानी आता है।", "mr"),
        ("Primeiro precisamos calcular quanta água entra no tanque todos os dias e depois multiplicar.", "es"),
        # the right language, not in the script that was asked for
        ("Прво морамо израчунати колико воде сваког дана утиче у резервоар", "sr-Latn"),
        # marks that make one native letter long
        ("ก" + "้" * 500 + " " + EN, "th"),
        # a language that the identifier does not know
        (EN, "wo"),
        ("Il faut d'abord calculer combien d'eau coule chaque jour dans le réservoir.", "wo"),
        (RU, "wo"),
    ],
)
def test_drift_and_disguise_fail_the_gate(text: str, language: str) -> None:
    found = check(text, language)
    assert found.share < 0.8
    assert found.factor == 0.0


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (r"Janet vende $16 - 3 - 4 = 9$ huevos. Gana \[9 \times 2 = \boxed{18}\] dólares.", "es"),
        ("Gana $2 por huevo y $3 por pato, o sea $5.", "es"),
        (f"{ES}\n```python\n# total number of eggs left\ntotal = 16 - 3 - 4\nprint('eggs', total)\n```", "es"),
        (f'{ES} El libro se llama "The Lord of the Rings". {ES}', "es"),
        ("Paso 1: huevos = 16\nPaso 2: restar 3\nPaso 3: restar 4\nTotal: 9", "es"),
        ("Sea α = β + γ, entonces el ángulo θ mide 30°.", "es"),
        ("จาเน็ต (Janet Smith) ใช้ Pythagoras theorem กับ GRPO ได้ 5 km และ 3 kg ดังนั้นคำตอบคือ 18", "th"),
        ("আমরা reinforcement learning ব্যবহার করে GRPO প্রশিক্ষণ দিই, এবং Python দিয়ে ফলাফল গণনা করি।", "bn"),
        (f"{RU} Используем GPU и формулу E=mc^2, см. Wikipedia.", "ru"),
        ("철수는 GPU 3대를 샀다. 답은 18입니다.", "ko"),
        ("Janets Enten legen 16 Eier pro Tag.", "de"),
        ("Idahun naa je mejidinlogun nitori pe a yo meta kuro ninu re", "yo"),
        (WO, "wo"),
    ],
)
def test_honest_native_text_passes(text: str, language: str) -> None:
    found = check(text, language)
    assert found.factor == 1.0
    assert found.share > 0.9


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "th"),
        ("42", "sw"),
        ("16 - 3 - 4 = 9\n\\boxed{18}", "bn"),
        ("42 manzanas", "es"),
        ("十八", "zh"),
        ("合計金額二百円", "ja"),
        ("5 km + 3 kg", "sw"),
        ("Janet, Josh, Tina, Brittany, Lloyd", "sw"),
        ("GRPO", "te"),
        ("😀 → ✓", "ru"),
    ],
)
def test_short_or_symbolic_text_is_undetermined_and_no_failure(text: str, language: str) -> None:
    for policy in ("gate", "penalty"):
        found = check(text, language, policy)
        assert (found.undetermined, found.share, found.factor) == (True, 1.0, 1.0)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Petar je na tržnici kupio dvanaest jabuka i četiri od njih dao svojoj sestri", "sr"),
        ("Petar je na tržnici kupio dvanaest jabuka i četiri od njih dao svojoj sestri", "bs"),
        ("Прво морамо израчунати колико воде сваког дана утиче у резервоар", "sr"),
        ("Budi membeli dua belas biji epal di pasar dan memberikan empat biji kepada adiknya", "id"),
        ("首先我們計算早餐後剩下多少個雞蛋，然後乘以每個雞蛋的價格。", "zh-Hans"),
        (ZH, "zh-TW"),
        ("Okokuqala kufanele sibale ukuthi mangakanani amanzi angena ethangini nsuku zonke.", "xh"),
    ],
)
def test_languages_that_share_credit_count_as_one(text: str, language: str) -> None:
    assert check(text, language).share == 1.0


def test_shares_are_by_letters() -> None:
    found = profile(f"{ES} {EN}")
    letters = [sum(map(str.isalpha, text.replace(" y ", " "))) for text in (ES, EN)]
    assert found.languages["es"] == pytest.approx(letters[0] / sum(letters), abs=0.02)
    assert found.languages["en"] == pytest.approx(letters[1] / sum(letters), abs=0.02)
    assert found.scripts == {"Latn": 1.0}


def test_an_unknown_language_is_marked() -> None:
    assert not check(WO, "wo").known
    assert check(SW, "sw").known


def test_the_policy_is_what_its_formula_says() -> None:
    # s = 0.4, t = 0.8, w = 0.5: 1 - 0.5 * (1 - 0.4 / 0.8) = 0.75
    assert LanguagePolicy("penalty", threshold=0.8, weight=0.5).factor(0.4) == pytest.approx(0.75)
    assert LanguagePolicy("penalty", threshold=0.8).factor(0.8) == 1.0
    assert LanguagePolicy("penalty", weight=0.0).factor(0.0) == 1.0
    assert [LanguagePolicy("gate", threshold=0.8).factor(share) for share in (0.79, 0.8)] == [0.0, 1.0]
    assert LanguagePolicy("off").factor(0.0) == 1.0


def test_english_thinking_and_a_native_answer() -> None:
    thinking, answer = LanguagePolicy("gate", language="en"), LanguagePolicy("gate")
    assert check(EN, "sw", thinking).factor == 1.0
    assert check(SW, "sw", thinking).factor == 0.0
    assert check(SW, "sw", answer).factor == 1.0


def test_off_looks_at_nothing() -> None:
    found = check(EN, "sw", "off")
    assert (found.share, found.factor, found.profile) == (1.0, 1.0, None)


def test_the_same_keys_for_every_sample_and_policy() -> None:
    keys = [check(text, "sw", policy).components("answer") for text in (EN, "") for policy in ("gate", "off")]
    assert all(list(found) == list(keys[0]) for found in keys)
    assert "answer_share" in keys[0]


@pytest.mark.parametrize(
    ("option", "policy"),
    [
        ("penalty", LanguagePolicy("penalty")),
        (False, LanguagePolicy("off")),
        ({"mode": False}, LanguagePolicy("off")),
        ({"mode": "penalty", "weight": 0.5, "language": "EN"}, LanguagePolicy("penalty", weight=0.5, language="en")),
    ],
)
def test_a_policy_is_made_from_an_option(option: object, policy: LanguagePolicy) -> None:
    assert LanguagePolicy.of(option) == policy  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("strict", "'strict'"),
        ({"mode": "gate", "treshold": 0.5}, "treshold=0.5: there is no such option. Did you mean 'threshold'"),
        ({"threshold": 0}, "threshold=0 must be a number above 0"),
        ({"threshold": 1.5}, "1.5"),
        ({"threshold": math.nan}, "nan"),
        ({"threshold": "0.5"}, "'0.5'"),
        ({"weight": True}, "True"),
        ({"weight": -0.1}, "-0.1"),
        ({"min_letters": 0}, "min_letters=0 must be a whole number of 1 or more"),
        ({"min_letters": 2.5}, "2.5"),
        ({"language": "xx"}, "'xx'"),
        (7, "7"),
        (None, "None"),
        (True, "True"),
    ],
)
def test_an_impossible_policy_is_refused_by_value(option: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LanguagePolicy.of(option)  # type: ignore[arg-type]


def test_an_unknown_expected_language_is_a_data_error_even_when_off() -> None:
    for policy in ("gate", "off"):
        with pytest.raises(DataError, match="'xx'"):
            check(EN, "xx", policy)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    identifier._model.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    try:
        with pytest.raises(MissingDependencyError, match="pip install 'py3langid"):
            check(TH, "th")
        assert check(TH, "th", "off").factor == 1.0
    finally:
        identifier._model.cache_clear()


def test_threads_agree_with_one_thread_and_load_one_model() -> None:
    texts = [text for _, text in sentences()]
    alone = [profile(text, "es") for text in texts]
    identifier._model.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: profile(text, "es"), texts)) == alone
    assert identifier._model.cache_info().misses == 1


@pytest.mark.parametrize("text", [EN * 900, ZH * 3300, "Next one.\n" * 10_000, "a б ก 中 " * 12_500])
def test_a_hundred_thousand_characters_take_seconds_at_most(text: str) -> None:
    start = time.process_time()
    assert profile(text, "es").letters > 0
    assert time.process_time() - start < 20


SCRIPTS = st.sampled_from([EN, ES, SW, BN, ZH, JA, TH, RU, "42", "GRPO ", "\\frac{1}{2}", "$x$", "\u200b", "```", "\n"])


@settings(deadline=None, max_examples=60)
@given(
    st.one_of(st.text(max_size=200), st.lists(SCRIPTS, max_size=6).map("".join)),
    st.sampled_from(["en", "es", "th", "ja", "wo", "sr-Latn", "zh-Hant", "yi", "pcm"]),
)
def test_any_text_gives_shares_that_add_up(text: str, language: str) -> None:
    found = check(text, language)
    assert 0.0 <= found.share <= 1.0
    assert found.profile is not None
    assert sum(found.profile.shares.values()) + found.profile.undetermined == pytest.approx(1.0)
    assert all(0.0 <= value <= 1.0 for value in found.components().values())
    assert check(text, language) == found


def test_importing_the_rooms_loads_neither_babel_nor_the_identifier() -> None:
    code = "import sys, pbrlsvr.languages; print({'babel', 'py3langid', 'numpy'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"


def test_the_public_names() -> None:
    assert languages.__all__ == [
        "LanguageCheck",
        "LanguageOptions",
        "LanguagePolicy",
        "LanguageProfile",
        "base",
        "check",
        "english_name",
        "known_tag",
        "likely_script",
        "locale",
        "parse",
        "profile",
        "surely_in",
    ]
