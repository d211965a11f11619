"""A last sentence that concludes with a time of day, behind the times and durations that it was made of."""

import pytest
from last_sentences import reads

from pbrlsvr.answers import equal

RIGHT = [
    (
        "en",
        "15:30",
        "The lesson began at 2:10 PM and lasted 80 minutes, so it ended at half past three in the afternoon.",
    ),
    ("en", "18:05", "They left at 4:45 PM and drove for 80 minutes. Therefore, they arrive at 6:05 PM."),
    ("de", "15:45", "Die Fahrt beginnt um 14 Uhr 20 und dauert 85 Minuten, also kommt der Zug um 15 Uhr 45 an."),
    ("es", "17:30", "Sale a las 16:00 y tarda 90 minutos, luego llega a las 17:30."),
    ("fr", "16:10", "Le film dure 100 minutes et commence à 14 h 30, donc il finit à 16 h 10."),
    ("it", "21:15", "Lo spettacolo inizia alle 19 e dura 135 minuti, quindi finisce alle 21:15."),
    ("pt", "14:40", "A aula começou às 13:50 e durou 50 minutos, então terminou às 14:40."),
    ("nl", "09:30", "Hij vertrekt om 8:45 en is 45 minuten onderweg, dus komt hij om half tien aan."),
    ("pl", "16:20", "Pociąg wyjechał o 14:50 i jechał 90 minut, więc przyjechał o 16:20."),
    ("ru", "18:25", "Самолёт вылетел в 15:40 и летел 165 минут, поэтому он приземлился в 18:25."),
    ("zh", "15:45", "火车14:20出发，需要85分钟，所以火车下午3点45分到站。"),
    ("ja", "15:45", "14時20分に出発して85分かかるので、到着は15時45分です。"),
    ("ko", "16:05", "1시 40분에 출발하여 145분이 걸리므로 도착 시각은 오후 4시 5분입니다."),
    ("id", "09:50", "Bus berangkat pukul 07.20 dan perjalanannya 150 menit, sehingga tiba pukul 09.50."),
    ("he", "15:45", "הרכבת יצאה ב-14:20 ונסעה 85 דקות, ולכן הגיעה ב-15:45."),
    ("sw", "15:45", "Mkutano ulianza saa 14:15 na ulichukua dakika 90, kwa hiyo ulimalizika saa 15:45."),
]
# Conditional, denied, bounded, asked, a part, several, or what is known.
WRONG = [
    ("en", "15:45", "So if the train leaves at 2:20 PM, it would arrive at 3:45 PM."),
    ("en", "15:45", "The train does not arrive at 2:20, so it is not there at 3:45 PM."),
    ("en", "15:45", "The train is late, so it arrives at 3:45 PM or 4:45 PM."),
    ("en", "15:45", "It leaves at 2:20 PM, so does it arrive at 3:45 PM?"),
    ("en", "15:45", "It starts at 2:20 PM, so it arrives after 3:45 PM."),
    ("en", "15:45", "It starts at 2:20 PM, so it arrives at 3:45 PM at the earliest."),
    ("en", "14:20", "The train leaves at 2:20 PM, so it arrives 85 minutes later."),
    ("de", "15:45", "Also müsste er vor 15:45 Uhr da sein."),
    ("es", "17:30", "Tarda 45 minutos, luego no puede salir a las 17:30."),
    ("es", "17:30", "Tarda 45 minutos, así que debe salir antes de las 17:30."),
    ("zh", "15:45", "所以下午3点45分还没到站。"),
    ("ja", "15:45", "なので、15時45分までに着きます。"),
]


@pytest.mark.parametrize(("language", "truth", "end"), RIGHT)
def test_it_is_read(language: str, truth: str, end: str) -> None:
    assert reads(language, truth, end)


@pytest.mark.parametrize(("language", "truth", "end"), WRONG)
def test_it_is_no_answer(language: str, truth: str, end: str) -> None:
    assert not reads(language, truth, end)


@pytest.mark.parametrize(
    ("language", "truth", "answer"),
    [
        ("de", "15:45", "15 Uhr 45"),
        ("fr", "15:45", "15 heures 45"),
        ("ko", "16:05", "오후 4시 5분"),
        ("ja", "20:50", "夜の8時50分"),
        ("en", "15:30", "half past three in the afternoon"),
        ("es", "17:30", "las cinco y media de la tarde"),
        ("ar", "17:45", "السادسة إلا ربعًا مساءً"),
        ("bn", "16:30", "বিকেল সাড়ে চারটায়"),
        ("he", "15:45", "ברבע לארבע אחר הצהריים"),
        ("hi", "3:45", "पौने चार बजे"),
    ],
)
def test_the_times_of_day_are_read(language: str, truth: str, answer: str) -> None:
    assert equal(answer, truth, language)


def test_half_an_hour_is_no_time_of_day() -> None:
    assert not equal("half an hour", "0:30", "en")
