"""What is denied, offered as a range, quoted as a form, or on the way is no answer, in any language."""

import pytest

from pbrlsvr.answers import equal
from pbrlsvr.responses.spans import split

REASONING = "16 - 3 - 4 = 9\n\n"
DENIED = [
    ("en", "Option A is not the correct answer."),
    ("es", "La opción A no es la respuesta correcta."),
    ("de", "Option A ist nicht die richtige Antwort."),
    ("fr", "L'option A n'est pas la bonne réponse."),
    ("it", "L'opzione A non è la risposta corretta."),
    ("pt", "A opção A não é a resposta correta."),
    ("nl", "Optie A is niet het juiste antwoord."),
    ("pl", "Opcja A nie jest poprawną odpowiedzią."),
    ("cs", "Možnost A není správná odpověď."),
    ("ru", "Вариант A не является правильным ответом."),
    ("uk", "Варіант A не є правильною відповіддю."),
    ("zh", "选项A不是正确答案。"),
    ("ja", "選択肢Aは正解ではありません。"),
    ("ko", "선택지 A는 정답이 아닙니다."),
    ("th", "ตัวเลือก A ไม่ใช่คำตอบที่ถูกต้อง"),
    ("vi", "Đáp án A không phải là đáp án đúng."),
    ("id", "Pilihan A bukan jawaban yang benar."),
    ("tr", "A seçeneği doğru cevap değildir."),
    ("ar", "الخيار A ليس الإجابة الصحيحة."),
    ("fa", "گزینه A پاسخ درست نیست."),
    ("he", "אפשרות A אינה התשובה הנכונה."),
    ("hi", "विकल्प A सही उत्तर नहीं है।"),
    ("bn", "বিকল্প A সঠিক উত্তর নয়।"),
    ("ta", "விருப்பம் A சரியான பதில் அல்ல."),
    ("te", "ఎంపిక A సరైన సమాధానం కాదు."),
    ("sw", "Chaguo A si jibu sahihi."),
    ("yo", "Àṣàyàn A kì í ṣe ìdáhùn tó tọ́."),
    ("ro", "Varianta A nu este răspunsul corect."),
    ("hu", "Az A lehetőség nem a helyes válasz."),
    ("el", "Η επιλογή A δεν είναι η σωστή απάντηση."),
    ("sv", "Alternativ A är inte rätt svar."),
    ("fi", "Vaihtoehto A ei ole oikea vastaus."),
    ("bg", "Вариант A не е правилният отговор."),
    ("mr", "पर्याय A हे योग्य उत्तर नाही."),
    ("ur", "آپشن A درست جواب نہیں ہے۔"),
    ("tl", "Ang opsyon A ay hindi ang tamang sagot."),
    ("gu", "વિકલ્પ A સાચો જવાબ નથી."),
    ("da", "Mulighed A er ikke det rigtige svar."),
    ("no", "Alternativ A er ikke riktig svar."),
    ("ca", "L'opció A no és la resposta correcta."),
    ("ms", "Pilihan A bukan jawapan yang betul."),
]
RANGES = [
    "Risposta: dai 5 ai 7 giorni",
    "Risposta: da 5 a 7 giorni",
    "Respuesta: de 5 a 7 días",
    "Resposta: de 5 a 7 dias",
    "Réponse : de 5 à 7 jours",
    "Antwort: 5 bis 7 Tage",
    "Antwoord: van 5 tot 7 dagen",
    "Odpowiedź: od 5 do 7 dni",
    "Ответ: от 5 до 7 дней",
    "Odpověď: od 5 do 7 dní",
    "Răspuns: de la 5 la 7 zile",
    "Svar: från 5 till 7 dagar",
    "Vastaus: 5 tai 7 päivää",
    "Vastaus: 5–7 päivää",
    "Cevap: 5 ile 7 gün arası",
    "Jawaban: 5 sampai 7 hari",
    "Đáp án: từ 5 đến 7 ngày",
    "答案：5到7天",
    "答え：5から7日",
    "정답: 5에서 7일",
    "الإجابة: من 5 إلى 7 أيام",
    "उत्तर: 5 से 7 दिन",
    "উত্তর: 5 থেকে 7 দিন",
    "Jibu: siku 5 hadi 7",
    "คำตอบ: 5 ถึง 7 วัน",
    "Válasz: 5-7 nap",
    "Απάντηση: από 5 έως 7 ημέρες",
    "תשובה: בין 5 ל-7 ימים",
    "پاسخ: ۵ تا ۷ روز",
    "Answer: 5 to 7 days",
    "Відповідь: від 5 до 7 днів",
    "Отговор: от 5 до 7 дни",
    "Sagot: 5 hanggang 7 araw",
    "Ìdáhùn: ọjọ́ 5 sí 7",
    "பதில்: 5 முதல் 7 நாட்கள்",
    "సమాధానం: 5 నుండి 7 రోజులు",
    "उत्तर: 5 ते 7 दिवस",
    "جواب: 5 سے 7 دن",
]
NONE = [
    ("quoted", 'Gib die Lösung bitte im Format "Antwort: 9" an.'),
    ("quoted", 'Give the solution in the form "Answer: 9". I cannot solve it.'),
    ("quoted", "لطفاً صورت کامل مسئله را بفرستید تا پاسخ را به این شکل بنویسم: «پاسخ: ۹»."),
    ("on the way", "First we count the days: the result is 9.\n\nNow we must multiply this result by the daily wage:"),
    ("on the way", "El resultado es 9.\n\nAhora debemos multiplicar este resultado por el sueldo diario:"),
    ("on the way", "The answer is 9.\n\nNow we must multiply this by the price:"),
]


@pytest.mark.parametrize(("language", "said"), DENIED)
def test_an_option_that_is_not_the_right_answer_is_not_chosen_and_is_no_no(language, said):
    assert split(REASONING + said).answer == ""


def test_what_comes_after_a_denied_option_is_chosen():
    assert (
        split("La opción A no es la respuesta correcta, pues confunde causa y efecto; la correcta es la C.").answer
        == "C"
    )
    assert split(REASONING + "उत्तर नहीं है।").answer == "नहीं"


@pytest.mark.parametrize("said", RANGES)
def test_neither_end_of_a_range_is_the_answer_whatever_the_calculation_comes_to(said):
    for reasoning in ("7 - 2 = 5\n\n", "5 + 2 = 7\n\n", REASONING):
        answer = split(reasoning + said).answer
        assert not any(equal(answer, end) for end in ("5", "7"))


@pytest.mark.parametrize(("why", "said"), NONE)
def test_a_form_or_a_step_is_no_answer(why, said):
    assert split(REASONING + said).answer == ""


@pytest.mark.parametrize(
    "said",
    [
        "Answer: 18\n20", "Answer:\n- 18\n- 20", "Answer: ❌ 18", "Draft answer: 18", "Alternative answer: 18",
        "Entwurf der Antwort: 18", "The answer is on page 18.", "18 can be excluded.", "One candidate is 18.",
    ],
)  # fmt: skip
def test_a_list_a_draft_or_what_is_crossed_out_is_no_answer(said):
    assert not equal(split("9 * 2 = 18\n\n" + said).answer, "18", "en")
    assert equal(split("9 * 2 = 18\n\nAnswer: 1,800\n1800").answer, "1800", "en")
