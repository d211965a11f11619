"""Guards: degenerate text loses its score, honest text in any language keeps all of it."""

import math
import statistics
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pbrlsvr.errors import ConfigError
from pbrlsvr.scoring.guards import GuardCheck, GuardOptions, LengthGuard, RepetitionGuard, check, length, repetition

MGSM = Path(__file__).parents[4] / "shared" / "data" / "mgsm"
LANGUAGES = ("bn", "de", "en", "es", "sw", "zh")
BOTH = GuardOptions.of({"repetition": True, "length": True})

# One step of a worked solution per language: the steps of one solution differ by their numbers only.
STEPS = {
    "ar": "الخطوة {i}: في اليوم {i} تبيع {a} بيضات، فيبقى لديها {b} بيضة.",
    "bn": "ধাপ {i}: {i} নম্বর দিনে সে {a}টি ডিম বিক্রি করে, তাই তার কাছে {b}টি ডিম থাকে।",
    "de": "Schritt {i}: Am Tag {i} verkauft sie {a} Eier, also bleiben ihr noch {b} Eier übrig.",
    "el": "Βήμα {i}: Την ημέρα {i} πουλάει {a} αυγά, άρα της μένουν {b} αυγά.",
    "en": "Step {i}: On day {i} she sells {a} eggs at the market, so she has {b} eggs left.",
    "es": "Paso {i}: El día {i} vende {a} huevos en el mercado, así que le quedan {b} huevos.",
    "fr": "Étape {i} : le jour {i}, elle vend {a} œufs au marché, il lui reste donc {b} œufs.",
    "hi": "चरण {i}: दिन {i} को वह {a} अंडे बेचती है, इसलिए उसके पास {b} अंडे बचते हैं।",
    "hu": "{i}. lépés: A(z) {i}. napon {a} tojást ad el, így {b} tojása marad.",
    "id": "Langkah {i}: Pada hari ke-{i} dia menjual {a} telur, jadi tersisa {b} telur.",
    "ja": "ステップ{i}：{i}日目に彼女は卵を{a}個売るので、残りは{b}個です。",
    "ko": "{i}단계: {i}일째에 그녀는 달걀을 {a}개 팔아서 {b}개가 남습니다.",
    "pt": "Passo {i}: No dia {i} ela vende {a} ovos na feira, portanto sobram {b} ovos.",
    "ru": "Шаг {i}: В день {i} она продаёт {a} яиц, поэтому у неё остаётся {b} яиц.",
    "sw": "Hatua ya {i}: Siku ya {i} anauza mayai {a} sokoni, kwa hiyo anabaki na mayai {b}.",
    "te": "దశ {i}: {i}వ రోజున ఆమె {a} గుడ్లు అమ్ముతుంది, కాబట్టి {b} గుడ్లు మిగులుతాయి.",
    "th": "ขั้นตอนที่ {i}: ในวันที่ {i} เธอขายไข่ {a} ฟอง ดังนั้นจึงเหลือไข่ {b} ฟอง",
    "tr": "Adım {i}: {i}. gün {a} yumurta satar, böylece elinde {b} yumurta kalır.",
    "uk": "Крок {i}: У день {i} вона продає {a} яєць, тому в неї залишається {b} яєць.",
    "vi": "Bước {i}: Ngày thứ {i} cô ấy bán {a} quả trứng, vì vậy còn lại {b} quả trứng.",
    "yo": "Ìgbésẹ̀ {i}: Ní ọjọ́ {i} ó ta ẹyin {a}, nítorí náà ó ku ẹyin {b}.",
    "zh": "第{i}步：第{i}天她卖掉{a}个鸡蛋，所以她还剩下{b}个鸡蛋。",
}
SOLUTIONS = {
    language: "\n".join(step.format(i=i, a=3 + i * i % 7, b=400 - 17 * i) for i in range(1, 13))
    for language, step in STEPS.items()
}


def questions(language: str) -> list[str]:
    path = MGSM / f"mgsm_{language}.tsv"
    if not path.is_file():
        pytest.skip(f"needs MGSM's questions in {path}, beside the repository")
    return [line.split("\t")[0] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_honest_questions_and_translations_keep_their_whole_score(language):
    translated, english = questions(language), questions("en")
    for question, reference in zip(translated, english, strict=True):
        found = check(question, reference, BOTH)
        assert (found.repetition_factor, found.length_factor) == (1.0, 1.0), (question, found)
    # one long text, with the drafts of everything: each question is there twice
    assert check(" ".join([*translated, *translated]), "", BOTH).repetition_factor == 1.0


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_is_about_as_long_as_its_translations(language):
    ratios = [length(a) / length(b) for a, b in zip(questions(language), questions("en"), strict=True)]
    assert 0.9 < statistics.median(ratios) < 1.2
    assert 0.5 < min(ratios) <= max(ratios) < 2.0


@pytest.mark.parametrize("language", STEPS)
def test_steps_that_differ_by_their_numbers_keep_their_whole_score(language):
    assert check(SOLUTIONS[language], "", BOTH).repetition_factor == 1.0


@pytest.mark.parametrize("language", STEPS)
def test_a_draft_that_is_written_out_again_keeps_its_whole_score(language):
    text = f"<think>{SOLUTIONS[language]}</think>\n{SOLUTIONS[language]}\n#### 196"
    assert check(text, "", BOTH).repetition_factor == 1.0


@pytest.mark.parametrize(
    "honest",
    [
        "",
        "18",
        "3 + 3 + 3 + 3 + 3 + 3 + 3 + 3 + 3 + 3 = 30, so ten bags hold 30 kilograms, and 12 bags hold 36.",
        "| day | eggs |\n|-----|------|\n" + "\n".join(f"| {day} | {16 * day} |" for day in range(1, 20)),
        "\\begin{align*}\n" + "\n".join(f"x_{{{n}}} &= 2 \\cdot {n} + 1 = {2 * n + 1} \\\\" for n in range(20)),
        "\n".join(f"If n = {n}, then n^2 mod 5 is {n * n % 5}, and so this case holds." for n in range(30)),
    ],
)
def test_honest_notation_keeps_its_whole_score(honest):
    assert check(honest, "", GuardOptions()).repetition_factor == 1.0


@pytest.mark.parametrize("language", STEPS)
@pytest.mark.parametrize("between", [" ", "\n", ""])
def test_a_looped_sentence_or_line_scores_nothing_in_any_language(language, between):
    sentence = SOLUTIONS[language].split("\n")[0]
    assert check(between.join([sentence] * 20), "", GuardOptions()).repetition_factor == 0.0


@pytest.mark.parametrize("language", STEPS)
def test_an_honest_start_does_not_excuse_a_loop(language):
    start, loop = SOLUTIONS[language], SOLUTIONS[language].split("\n")[0]
    halves = start + loop * (len(start) // len(loop))
    assert check(halves, "", GuardOptions()).repetition_factor < 1.0
    assert check(start + loop * 100, "", GuardOptions()).repetition_factor == 0.0


@pytest.mark.parametrize(
    "loop", ["a", "so ", "!", "\\boxed{18} ", "So\u200b it is even. ", "哈", "\ud83d", "\U0001f600", "0"]
)
def test_any_short_loop_scores_nothing(loop):
    assert check(loop * 400, "", GuardOptions()).repetition_factor == 0.0


@pytest.mark.parametrize("copies", [3, 5, 10, 100])
def test_a_loop_of_k_copies_has_a_share_of_about_one_minus_two_over_k(copies):
    unit = "Each of the 12 boxes holds 9 pencils, which makes 108. Half of them are red, a third of the rest is blue."
    assert repetition(unit) == repetition(unit * 2) == 0.0
    size = len(unit.replace(" ", ""))
    # k * size - 29 windows of 30, and two of each of the `size` different ones are free
    windows = copies * size - 29
    assert repetition(unit * copies) == pytest.approx((windows - 2 * size) / windows)


@pytest.mark.parametrize(
    ("repeated", "factor"), [(0.0, 1.0), (0.3, 1.0), (0.4, 0.75), (0.5, 0.5), (0.7, 0.0), (1.0, 0.0)]
)
def test_the_repetition_factor_falls_linearly(repeated, factor):
    assert RepetitionGuard().factor(repeated) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("ratio", "factor"), [(0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (1.0, 1.0), (5.0, 1.0), (10.0, 0.5), (50.0, 0.1)]
)
def test_the_length_factor_falls_smoothly_beyond_its_bounds(ratio, factor):
    assert LengthGuard().factor(ratio) == pytest.approx(factor)


def test_a_bound_can_be_left_out():
    assert LengthGuard(min=0).factor(0.0) == 1.0
    assert LengthGuard(max=math.inf).factor(1e9) == 1.0


def test_signs_that_stand_for_more_letters_count_more():
    assert (length("12 eggs!"), length("12个鸡蛋。"), length("달걀"), length("たまご"), length("ไข่")) == (
        6,
        11,
        4,
        6,
        3,
    )


def test_a_reference_without_letters_says_nothing_about_length():
    assert check("some text", "...", BOTH).length_ratio == 1.0
    assert check("", "some text", BOTH).length_factor == 0.0


@given(st.text(alphabet=st.characters(), max_size=400), st.text(alphabet=st.characters(), max_size=60))
def test_any_text_gives_finite_numbers_in_range(text, reference):
    found = check(text * 3, reference, BOTH)
    assert found == check(text * 3, reference, BOTH)
    assert all(type(value) is float and 0 <= value < math.inf for value in found.components().values())
    assert all(value <= 1 for value in (found.repetition, *found.factors().values()))


@given(st.text(max_size=200))
def test_white_space_does_not_hide_a_loop(text):
    assert repetition("".join(text.split()) * 5) == repetition((text + "\n\n") * 5)


def test_invisible_characters_do_not_hide_a_loop():
    assert repetition("".join("So it is even." + "\u200b" * (i % 40) for i in range(100))) > 0.9


def test_the_window_spans_as_much_said_in_chinese_as_in_english():
    english = "".join(f"{i} so we check the whole of the answer once more " for i in range(100, 150))
    chinese = "".join(f"{i}所以我们再检查一遍整个答案" for i in range(100, 150))
    assert repetition(english) == pytest.approx(repetition(chinese), abs=0.1)
    assert repetition(chinese) > 0.1


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_repetition_never_scores_higher(one, other):
    low, high = sorted((one, other))
    assert RepetitionGuard().factor(low) >= RepetitionGuard().factor(high)


@pytest.mark.parametrize("unit", ["So we think again. ", "所以我们再检查一遍答案。", "ไข่", "\u200b", "a\u0301" * 5])
def test_time_is_linear_in_the_length(unit):
    def seconds(size):
        text = (unit * size)[:size]
        start = time.process_time()
        check(text, text, BOTH)
        return time.process_time() - start

    seconds(1000)
    # A quadratic guard would need minutes.
    assert seconds(100_000) < 3.0


@pytest.mark.parametrize("value", [False, None, {"repetition": False, "length": False}, {"repetition": None}])
def test_guards_that_are_off_multiply_by_one(value):
    found = check("no " * 500, "one short reference", GuardOptions.of(value))
    assert found == GuardCheck(repetition=0.0, length_ratio=1.0, repetition_factor=1.0, length_factor=1.0)


def test_by_default_only_repetition_is_guarded():
    assert GuardOptions.of({}) == GuardOptions(repetition=RepetitionGuard(), length=None)


def test_options_come_from_a_yaml_block_as_hydra_hands_it_over():
    block = OmegaConf.create("{repetition: {threshold: 0.1, window: 40}, length: {min: 0.5, max: .inf}}")
    expected = GuardOptions(
        repetition=RepetitionGuard(threshold=0.1, window=40), length=LengthGuard(min=0.5, max=math.inf)
    )
    assert GuardOptions.of(block) == expected
    assert GuardOptions.of(expected) is expected
    assert GuardOptions.of({"length": LengthGuard()}).length == LengthGuard()


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("repetition", "'repetition'"),
        (True, "True"),
        ({"speed": True}, "speed=True: there is no such option.*'repetition', 'length'"),
        ({"repetition": "on"}, "'on'"),
        ({"repetition": {"n": 4}}, r"repetition\.n=4: there is no such option.*\'window\'"),
        ({"repetition": {"threshold": 0.8}}, "threshold=0.8"),
        ({"repetition": {"limit": 1.5}}, "limit=1.5"),
        ({"repetition": {"threshold": math.nan}}, "threshold.*nan"),
        ({"repetition": {"window": 7}}, "window.*7"),
        ({"repetition": {"window": 9.5}}, "window.*9.5"),
        ({"length": {"min": 5}}, "min=5"),
        ({"length": {"min": -1}}, "min=-1"),
        ({"length": {"max": "9"}}, "max.*'9'"),
        ({"length": {"min": True}}, "min.*True"),
    ],
)
def test_a_wrong_option_is_named(bad, named):
    with pytest.raises(ConfigError, match=named):
        GuardOptions.of(bad)
