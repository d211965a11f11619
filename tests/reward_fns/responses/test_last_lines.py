"""What a last line is by its shape: an option with its text, a total, a tag, an opening yes or no; quoted forms."""

import pytest

from pbrlsvr.responses.spans import split

READ = {
    "<antwort>26</antwort>": "26",
    "<jibu>B</jibu>": "B",
    "<respuesta>\n18\n</respuesta>\nConfianza: alta": "18",
    "It is the last one.\n✅ C) Osmosis": "C",
    "C) Osmoottinen paine kasvaa": "C",
    "A) red\nB) blue\nC) green\n\nB) blue": "B",
    "Total trees = 63": "63",
    "לכן, ג'נט מרוויחה 18 דולר ביום בשוק האיכרים.": "ג'נט מרוויחה 18 דולר ביום בשוק האיכרים",
    "Es sind **9 Eier**. Das war jetzt einfacher!": "9 Eier",
    "The capital is not Sydney but **Canberra**.": "Canberra",
    "عاصمة مصر هي **القاهرة**.": "القاهرة",
    "उनकी राजधानी **लखनऊ** है।": "लखनऊ",
    "∴ कुल पौधे = 65": "65",
    "মোট লিচু: ৪২": "৪২",
    "एकूण: ३६ लाडू": "३६ लाडू",
    "**Ні.** Кажан — не птах, а ссавець.": "Ні",
    "**Sim** ✅ O Brasil faz fronteira com o Peru.": "Sim",
    "Não, o tomate não é um legume.": "Não",
    "Damit scheiden A und B aus, es bleibt also C.": "C",
    "Wybieram G, bo tylko tutaj uwzględniono koszty.": "G",
    "Só resta a D.": "D",
    "Blijft over: **C**": "C",
    "So finden wir die Antwort: 6 Körbe (und noch 3 Birnen bleiben übrig)": "6 Körbe",
    "Yani bu iş **6,5 saat** 🚗": "6,5 saat",
    "<답>아니요</답>": "아니요",
    "3x = 21\n∴ x = 7": "x = 7",
    "Daher wähle ich (G) 1.6 C": "(G)",
    'אני בוחר ב-**E** – "עוולת הרשלנות".': "E",
    "所以，小明一共需要支付 1,250 元（含 50 元运费）。": "1,250 元",
}
NOT_READ = (
    "`<step>18</step>`",
    "A) 18\nB) red",
    "Let us see:\nA) red",
    "The capital is not **Sydney**.",
    "Is the capital **Sydney**?",
    "The next step is **multiplication**.",
    "We should check **again**.",
    "**Step**",
    "She earns **24**.\n\nSorry, I misread the question.",
    "**Answer: 24**\n\nOops, I forgot the tax.",
    "She has **9** left.\n\nNow we multiply this by the price.",
    "Es sind **9 Eier**. Jetzt rechnen wir aus, was sie kosten.",
    "तो उसके पास **9 अंडे** बचते हैं। अब हम इन अंडों की कीमत निकालेंगे।",
    "C. elegans",
    "I. Introduction",
    "Total so far: 18",
    "If all come, total eggs: 18",
    "Total eggs: about 18",
    "Total apples: 18 + 2 =",
    "Tu solo escribe la letra, por ejemplo «D».",
    "Pilihan B kurang tepat.",
    "No, that is the wrong way.",
    "Yes, but let me check.",
    "**No.** Next we look at the rest.",
    'Could you reply in the form "The answer is 42"?',
    "解答は「C」のようにお答えください。",
    "Attenzione: 60 è la risposta che danno tutti, ma è sbagliata.",
    "답은 22명입니다. 아, 다시 보니 두 분을 포함하지 않았네요.",
    "So \\boxed{18}.\n\nWait, I forgot the tax. Let me redo it: 9 * 3 = 27",
)


@pytest.mark.parametrize("ending", READ)
def test_a_last_line_is_read(ending: str) -> None:
    assert split(f"3 + 4 = 7\n\n{ending}").answer == READ[ending]


@pytest.mark.parametrize("ending", NOT_READ)
def test_a_last_line_is_no_answer(ending: str) -> None:
    assert split(f"3 + 4 = 7\n\n{ending}").answer == ""


def test_a_box_stands_where_its_number_comes_again() -> None:
    assert split("\\boxed{18}. Wait, let me check: 9 * 2 = 18.").answer == "18"
