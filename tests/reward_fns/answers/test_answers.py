"""Final answers in any language, compared with a ground truth."""

import doctest
import importlib

import pytest

from pbrlsvr.answers import equal, extract, is_verifiable, normalise
from pbrlsvr.errors import DataError


@pytest.mark.parametrize(
    ("answer", "gold", "language"),
    [
        # Native digits
        ("১৮ ডলার", "18", "bn"),
        ("१८ डॉलर", "18", "hi"),
        ("౧౮ డాలర్లు", "18", "te"),
        ("๑๘ ดอลลาร์", "18", "th"),
        ("١٨ دولارًا", "18", "ar"),
        ("۱۸ ڈالر", "18", "ur"),
        ("１８ドル", "18", "ja"),
        ("٧٠٬٠٠٠٫٥", "70000.5", "ar"),
        # Grouping and decimal marks
        ("1,234.5", "1234.5", "en"),
        ("1.234,5", "1234.5", "de"),
        ("1\u202f234,5", "1234.5", "fr"),
        ("1\u00a0234,5", "1234.5", "ru"),
        ("1 234,5", "1234.5", "af"),
        ("1'234.50", "1234.5", "de-CH"),
        ("1,23,456", "123456", "hi"),
        ("১,২৩,৪৫৬", "123456", "bn"),
        ("70.000", "70000", "es"),
        ("70,000", "70000", "es"),
        ("70,000", "70000", "es-MX"),
        ("3.5", "3.5", "de"),
        ("0.125", "0.125", "de"),
        # Han and Hangul
        ("三十六", "36", "zh"),
        ("七万五千", "75000", "zh"),
        ("七万五", "75000", "zh"),
        ("七万零五", "70005", "zh"),
        ("一百零五", "105", "zh"),
        ("3万5千", "35000", "ja"),
        ("1億2000万円", "120000000", "ja"),
        ("2.5万", "25000", "zh"),
        ("壹佰贰拾", "120", "zh-Hant"),
        ("一共三个", "3", "zh"),
        ("7만 5천 원", "75000", "ko"),
        ("칠만오천 원", "75000", "ko"),
        ("삼십육입니다", "36", "ko"),
        # Words for thousands and millions
        ("2 million 500 thousand", "2500000", "en"),
        ("70 mil dólares", "70000", "pt-BR"),
        ("3 लाख", "300000", "hi"),
        ("70 হাজার টাকা", "70000", "bn"),
        ("elfu 70", "70000", "sw"),
        ("7 triệu", "7000000", "vi"),
        # Signs, percent, currency, units
        ("−5", "-5", "en"),
        ("-$18", "-18", "en"),
        ("$-18$", "-18", "en"),
        ("50 %", "50", "de"),
        ("0.5", "50%", "en"),
        ("百分之五十", "50", "zh"),
        ("Rs. 500", "500", "hi"),
        ("KSh500", "500", "sw"),
        ("US$70,000.00", "70000", "en"),
        ("18 m²", "18", "en"),
        ("18 km/h", "18", "en"),
        ("9 × 2 = 18", "18", "en"),
        ("1.5 × 10³", "1500", "en"),
        # Fractions and LaTeX
        ("1/3", "0.3333333", "en"),
        ("2½", "2.5", "en"),
        ("3 1/2", "3.5", "en"),
        ("\\frac{7}{2}", "3.5", "en"),
        ("-\\dfrac{7}{2}", "-3.5", "en"),
        ("\\text{18 dollars}", "18", "en"),
        ("70{,}000", "70000", "en"),
        ("90^{\\circ}", "90", "en"),
        ("\\boxed{18}", "18", "en"),
        ("$\\bm{18}$", "18", "en"),
        ("\\textcolor{red}{18}", "18", "en"),
        ("{\\color{blue} 18}", "18", "en"),
        ("{\\bf 18}", "18", "en"),
        ("\\Large 18", "18", "en"),
        ("\\boldsymbol{\\frac{7}{2}}", "3.5", "en"),
        ("\\frac{\\mathbf{7}}{\\bf 2}", "3.5", "en"),
        ("\\underline{\\emph{18}}", "18", "en"),
        ("<b>18</b><br>", "18", "en"),
        ('<span style="color:red">(C)</span>', "C", "en"),
        # Prices, and units that are thousands elsewhere
        ("₹18/-", "18", "hi"),
        ("18/=", "18", "sw"),
        ("18,– €", "18", "de"),
        ("45 mil", "45", "id"),
        ("45 mil", "45", "pl"),
        ("\\frac{\\sqrt{4}}{2}", "1", "en"),
        ("\\sqrt{8}", "2\\sqrt{2}", "en"),
        ("x^2+2x+1", "(x+1)^2", "en"),
        ("\\{2, 1\\}", "\\{1,2\\}", "en"),
        # Choices
        ("(C) 42 m", "C", "en"),
        ("**C**. Paris", "C", "en"),
        ("\\text{(C)}", "C", "en"),
        ("(C)입니다", "C", "ko"),
        ("（C）です", "C", "ja"),
        ("С", "C", "ru"),
        ("(B) A dog", "B", "en"),
        # Words, and ground truths as data sets write them
        ("  *Paris*. ", "paris", "en"),
        ("5.600", "5,600", "de"),
        ("18 dollars", "$18", "en"),
    ],
)
def test_the_same_answer_is_equal_however_its_language_writes_it(answer: str, gold: str, language: str) -> None:
    assert equal(answer, gold, language)


@pytest.mark.parametrize(
    ("answer", "gold", "language"),
    [
        # Several values
        ("3 or 4", "4", "en"),
        ("3, 4 or 5", "3", "en"),
        ("3, 4", "4", "en"),
        ("3,4,5", "4", "en"),
        ("18 (or 20)", "18", "en"),
        ("18 或者二十", "18", "zh"),
        ("\\{3, 4\\}", "4", "en"),
        ("3 \\text{ or } 4", "4", "en"),
        ("4 \\pm 1", "5", "en"),
        ("15-18", "18", "en"),
        ("A or B", "B", "en"),
        ("(A) or (B)", "B", "en"),
        ("A, B, C, D", "B", "en"),
        # Another value by the language's marks, or malformed ones
        ("70.000", "70000", "en"),
        ("70,000", "70000", "de"),
        ("70.000", "70", "de"),
        ("1,23,45", "12345", "en"),
        ("7,0000", "70000", "en"),
        ("1.2.3", "123", "en"),
        ("180", "18", "en"),
        ("81", "18", "en"),
        ("-18", "18", "en"),
        ("18.5", "18", "en"),
        ("17.9999999", "18", "en"),
        ("0.33", "1/3", "en"),
        # No final value
        ("16 + 2", "18", "en"),
        ("2+2", "2", "en"),
        ("5 ×", "5", "zh"),
        ("5 \\times", "5", "en"),
        ("80 −", "80", "sw"),
        ("72 :", "72", "uk"),
        ("18 = ?", "18", "en"),
        ("18 + ...", "18", "en"),
        ("18 (", "18", "en"),
        ("÷ 18", "18", "en"),
        ("\\cancel{18}", "18", "en"),
        ("\\bm{18}^2", "18", "en"),
        ("\\emph{not} 18", "18", "en"),
        ("18<sup>2</sup>", "18", "en"),
        ("45 mil", "45", "es"),
        ("9 \\times 2", "18", "en"),
        ("3^2", "9", "en"),
        ("18:30", "18", "en"),
        ("CO2", "2", "en"),
        ("x > 18", "18", "en"),
        ("18x", "18", "en"),
        ("18/0", "18", "en"),
        ("\\sqrt{2}", "2", "en"),
        ("\\frac{x}{2}", "2", "en"),
        ("(1,2)", "1.2", "en"),
        ("3,5", "3.5", "en"),
        ("", "18", "en"),
        ("18", "", "en"),
        # Words that are like numbers, and the other way round
        ("백만장자", "1000000", "ko"),
        ("x-1", "x+1", "en"),
        ("(1, 2)", "(2, 1)", "en"),
        ("[1,2)", "(1,2)", "en"),
        ("-\\infty", "\\infty", "en"),
    ],
)
def test_several_values_near_misses_and_unfinished_arithmetic_are_not_equal(
    answer: str, gold: str, language: str
) -> None:
    assert not equal(answer, gold, language)


@pytest.mark.parametrize("letter", "ABCDEFGHIJ")
@pytest.mark.parametrize(
    "form", ["{}", "({})", "{}.", "{})", "{}: 18 m", "**{}**", "\\text{{{}}}", "option {}", "({}) है"]
)
def test_a_choice_equals_its_own_letter_only(letter: str, form: str) -> None:
    assert [other for other in "ABCDEFGHIJ" if equal(form.format(letter), other)] == [letter]


@pytest.mark.parametrize(
    ("answer", "language", "canonical"),
    [
        ("৭০,০০০ ডলার", "bn", "70000"),
        ("-1.234,50 €", "de", "-1234.5"),
        ("0.05", None, "0.05"),
        ("2/6", None, "1/3"),
        ("50 %", "fr", "50%"),
        ("(C) Paris", None, "C"),
        ("The Seine.", None, "the seine"),
        ("\\sqrt{2}", None, "\\sqrt{2}"),
        ("5 A", None, "5"),
        ("3, 4 or 5", None, None),
        ("", None, None),
        ("9" * 2000, None, None),
    ],
)
def test_the_canonical_form_is_a_letter_a_number_or_words(
    answer: str, language: str | None, canonical: str | None
) -> None:
    assert normalise(answer, language) == canonical


def test_extract_reads_the_answer_of_a_whole_response() -> None:
    assert extract("<think>80 - 10</think>Die Antwort lautet 70.000 Dollar.", "de") == "70000"
    assert extract("<think>80 - 10 = 70, \\boxed{70}", "de") is None


def test_without_a_language_marks_are_read_as_in_english() -> None:
    assert equal("1,234.5", "1234.5")
    assert not equal("1.234", "1234")


@pytest.mark.parametrize("language", ["xx", "english", "", "de_de_de_de", "日本"])
def test_an_unknown_language_is_an_error_that_names_it(language: str) -> None:
    with pytest.raises(DataError, match=repr(language)):
        equal("18", "18", language)


@pytest.mark.parametrize("language", ["zh-Hant", "pt-BR", "sr-Latn", "es-419", "zh_Hans_CN", "wo", "yo", "zu"])
def test_bcp_47_codes_with_scripts_and_regions_are_known(language: str) -> None:
    assert equal("18", "18", language)


MODULES = [
    "changes",
    "choices",
    "cjk",
    "digits",
    "expressions",
    "formulas",
    "locales",
    "numbers",
    "scales",
    "spelled",
    "texts",
    "times",
]


@pytest.mark.parametrize("module", ["", *(f".{name}" for name in MODULES)])
def test_the_examples_in_the_docstrings_run(module: str) -> None:
    results = doctest.testmod(importlib.import_module(f"pbrlsvr.answers{module}"))
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize(
    "truth", ["18", "$1,234.50", "50%", "1/3", "C", "১৭", "\\frac{\\pi}{2}", "sin(x)", "(3, 4)", "12 km"]
)
def test_numbers_choices_and_formulas_say_the_same_in_every_language(truth):
    assert is_verifiable(truth)


@pytest.mark.parametrize("truth", ["", "Paris", "the Seine", "yes", "\\text{even}", "塞纳河", "সেইন নদী", "1 " * 600])
def test_words_do_not(truth):
    assert not is_verifiable(truth)


@pytest.mark.parametrize(
    "truth",
    ["No", "no.", "Yes", "True", "False", "Si", "n/a", "Monday", "May 5", "3 or 4", "\\text{No}", "(no)", "II", "ok"],
)
def test_short_words_days_and_alternatives_do_not_either(truth):
    assert not is_verifiable(truth)


@pytest.mark.parametrize("truth", ["3:45 PM", "15:45", "3 pm", "10 a.m.", "5 o'clock", "15:45 Uhr", "12/05/2020"])
def test_times_and_dates_do_not_either(truth):
    assert not is_verifiable(truth)


@pytest.mark.parametrize(
    "truth", ["ax+by=c", "x", "3 h", "1:2", "x/y", "-\\infty", "5 apples", "2\\pi", "x \\in [0, 1)", "3^2"]
)
def test_short_formulas_durations_and_ratios_do(truth):
    assert is_verifiable(truth)


@pytest.mark.parametrize(
    ("answer", "language"),
    [
        ("15:45 Uhr", "de"),
        ("15 h 45", "fr"),
        ("15h45", "pt"),
        ("下午3点45分", "zh"),
        ("下午三点四十五分", "zh"),
        ("下午三点三刻", "zh"),
        ("午後3時45分", "ja"),
        ("오후 3시 45분", "ko"),
        ("3:45 p.m.", "es"),
        ("१५:४५", "hi"),
        ("15.45 Uhr", "de"),
        ("3:45 PM", "en"),
        ("3:45 in the afternoon", "en"),
        ("3:45 de la tarde", "es"),
        ("3:45 de l'après-midi", "fr"),
        ("3:45 nachmittags", "de"),
        ("3:45 дня", "ru"),
        ("öğleden sonra 3:45", "tr"),
        ("3:45 chiều", "vi"),
        ("บ่าย 3:45", "th"),
        ("दोपहर 3:45 बजे", "hi"),
        ("বিকাল ৩টা ৪৫ মিনিটে", "bn"),
        ("మధ్యాహ్నం 3:45 గంటలకు", "te"),
        ("மாலை 3:45 மணிக்கு", "ta"),
        ("٣:٤٥ مساءً", "ar"),
        ("3:45 بعدازظهر", "fa"),
        ("3:45 PM (15:45)", "en"),
        ("3:45 ng hapon (15:45)", "tl"),
    ],
)
def test_a_time_of_day_equals_itself_however_it_is_said(answer, language):
    assert equal(answer, "3:45 PM", language)
    assert not equal(answer, "3:45 AM", language)
    assert not equal(answer, "3:46 PM", language)


def test_with_a_dot_it_is_one_where_a_time_is_asked_for():
    assert equal("10.05", "10:05", "tr")
    assert equal("10.05.", "10:05", "en")
    assert not equal("10.05 m", "10:05", "en")
    assert not equal("10:05", "10.05", "en")


def test_a_night_goes_over_midnight():
    assert equal("9:45 at night", "21:45", "en")
    assert equal("3:45 ночи", "3:45", "ru")
    assert equal("12:30 ночи", "0:30", "ru")
    assert not equal("3:45:10 PM", "3:45 PM", "en")


@pytest.mark.parametrize(
    ("answer", "gold", "language"),
    [
        ("(В)", "B", "ru"),
        ("故选B", "B", "zh"),
        ("b", "B", "en"),
        ("В", "B", "ru"),
        ("Б", "B", "ru"),
        ("(Γ)", "C", "el"),
        ("(ج)", "C", "ar"),
        ("ب", "B", "ar"),
        ("گزینه (د)", "D", "fa"),
        ("(ג)", "C", "he"),
        ("（イ）です", "B", "ja"),
        ("②", "B", "ko"),
        ("③번입니다", "C", "ko"),
        ("(나)", "B", "ko"),
        ("(খ)", "B", "bn"),
        ("গ", "C", "bn"),
        ("(ग) है", "C", "hi"),
        ("(ब)", "B", "hi"),
        ("ข้อ ค", "C", "th"),
        ("C'dir", "C", "tr"),
        ("乙", "B", "zh"),
    ],
)
def test_a_native_letter_is_the_option_that_its_language_counts_with_it(answer, gold, language):
    assert [letter for letter in "ABCDEFGHIJ" if equal(answer, letter, language)] == [gold]


@pytest.mark.parametrize(
    ("answer", "letter", "language"),
    [
        ("E şıkkıdır", "E", "tr"),
        ("A seçeneğidir", "A", "tr"),
        ("A vaihtoehto", "A", "fi"),
        ("A is correct", "A", "en"),
        ("A est la bonne réponse", "A", "fr"),
        ("E é a correta", "E", "pt"),
        ("E benar", "E", "id"),
        ("A là đúng", "A", "vi"),
        ("ウです", "C", "ja"),
    ],
)
def test_a_letter_that_is_said_to_be_right_is_no_word(answer: str, letter: str, language: str) -> None:
    assert equal(answer, letter, language)


@pytest.mark.parametrize(
    ("answer", "language"),
    [
        ("A или В", "ru"),
        ("(ক) বা (খ)", "bn"),
        ("18번째", "ko"),
        ("в школе", "ru"),
        ("나는 학생", "ko"),
        ("I'm sure", "en"),
        ("A good idea", "en"),
        ("A correct answer", "en"),
        ("A variant of it", "en"),
        ("A válasz", "hu"),
        ("E poi", "it"),
        ("सही", "hi"),
    ],
)
def test_several_native_letters_or_words_are_no_choice(answer, language):
    assert [letter for letter in "ABCDEFGHIJ" if equal(answer, letter, language)] == []


@pytest.mark.parametrize(
    ("answer", "language", "says"),
    [
        ("Nein, das Geld reicht nicht.", "de", "No"),
        ("**Ja**", "de", "Yes"),
        ("はい、足ります", "ja", "Yes"),
        ("لا، لن يكفيه المال", "ar", "No"),
        ("不是", "zh", "No"),
        ("Hayır", "tr", "no"),
        ("हाँ, पैसे पर्याप्त हैं।", "hi", "yes"),
        ("No", "de", "No"),
    ],
)
def test_yes_and_no_are_read_in_the_language_of_the_answer(answer: str, language: str, says: str) -> None:
    assert equal(answer, says, language)
    assert not equal(answer, {"yes": "No", "no": "Yes"}[says.lower()], language)


@pytest.mark.parametrize(
    ("answer", "language", "says"),
    [
        ("Wahr", "de", "True"),
        ("**Falso.**", "es", "False"),
        ("Falso, porque 7 es primo.", "es", "False"),
        ("错误。", "zh", "False"),
        ("正しい", "ja", "True"),
        ("गलत", "hi", "False"),
        ("غير صحيح", "ar", "False"),
        ("Si kweli.", "sw", "False"),
        ("Nein", "de", "False"),
        ("Sai", "vi", "No"),
        ("No es verdadero", "es", "False"),
    ],
)
def test_true_and_false_are_read_in_the_language_of_the_answer(answer: str, language: str, says: str) -> None:
    other = {"True": "False", "False": "True", "No": "Yes"}[says]
    assert equal(answer, says, language)
    assert not equal(answer, other, language)


@pytest.mark.parametrize(
    ("answer", "language"),
    [("Richtig ist, dass sie 7 hat", "de"), ("Falsch ist das nicht", "de"), ("正解は7", "ja"), ("真的吗？", "zh")],
)
def test_a_sentence_that_begins_with_true_or_false_says_neither(answer: str, language: str) -> None:
    assert not equal(answer, "True", language)
    assert not equal(answer, "False", language)


@pytest.mark.parametrize(("answer", "language"), [("Novak", "de"), ("Jahr 3", "de"), ("", "de"), ("18", "de")])
def test_what_says_neither_yes_nor_no_equals_neither(answer: str, language: str) -> None:
    assert not equal(answer, "No", language)
    assert not equal(answer, "Yes", language)


def test_yes_and_no_stay_unverifiable() -> None:
    assert not is_verifiable("Yes")
    assert not is_verifiable("No")


@pytest.mark.parametrize(("answer", "language"), [("6 dozen", "nl"), ("det 6 timmar", "sv"), ("noch 6 Murmeln", "de")])
def test_a_word_that_changes_a_number_in_another_language_changes_none_here(answer: str, language: str) -> None:
    assert equal(answer, "6", language)
