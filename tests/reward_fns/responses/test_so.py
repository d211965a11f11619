"""What a sentence concludes behind its "so": "She eats 3 and bakes with 4, so she sells 9." """

import pytest
from last_sentences import reads

from pbrlsvr.responses.spans import split


@pytest.mark.parametrize(
    ("language", "truth", "ending"),
    [
        ("en", "9", "She eats 3 and bakes with 4, so she sells 9 eggs."),
        ("en", "7", "She reads 12 pages a day, so it takes her 7 days."),
        ("en", "7", "He had 12 and gave 5 away, therefore 7 are left."),
        ("de", "7", "Er hatte 12 und gab 5 ab, also bleiben ihm 7."),
        ("fr", "7", "Elle a 12 pommes et en mange 5, donc il en reste 7."),
        ("es", "7", "Había 12 y se fueron 5, así que quedan 7 pájaros."),
        ("nl", "7", "Er zijn 12 appels en er gaan 5 weg, dus blijven er 7 over."),
        ("ru", "7", "У неё было 12, она отдала 5, поэтому осталось 7."),
        ("vi", "7", "Nam có 12 quả, cho 5 quả, vì vậy còn 7 quả."),
        ("ar", "9", "هي تأكل 3 وتخبز 4، لذا تبيع 9 بيضات."),
        ("ko", "9", "3개를 먹고 4개로 구웠으므로 9개를 팝니다."),
        ("tr", "9", "3 yumurta yer, 4 yumurta kullanır, dolayısıyla 9 yumurta satar."),
        ("zh", "18", "她每天吃3个、做松饼用4个，剩下的全部卖掉，因此一天能挣18美元。"),
        # What stands behind "the" is known.
        ("en", "64", "So, Kylar needs to pay a total of $40 + $24 = $64 for the 16 glasses."),
        ("es", "64", "Entonces, Kylar tiene que pagar $64 por los 16 vasos."),
        # The same in words, with the digits in brackets; and a picture in the place of the full stop.
        ("sw", "14:00", "Kwa hivyo basi litafika saa nane mchana (14:00)."),
        ("ar", "18", "وهكذا يدخل جيب جانيت ثمانية عشر دولارًا (١٨) مع نهاية كل يوم."),
        ("tr", "6.5", "Yani Ali'nin bu işi bitirmesi 6,5 saat sürer ⏳"),
        ("ko", "3000", "결국 3000원만 내면 됩니다 ㅎㅎ"),
        ("he", "25%", "מכאן ש-25% מהעובדים חולים."),
        ("el", "13", "Επομένως ο Νίκος έχει δεκατρία μολύβια."),
        ("mr", "15", "म्हणजेच सीमाकडे पंधरा रुपये उरतात."),
        ("ur", "50", "لہٰذا علی کے پاس پچاس روپے بچے۔"),
        # A yes or no behind it.
        ("en", "No", "The tower was finished in 1889, so no, he could not have seen it."),
        ("es", "Yes", "Las rectas tienen la misma pendiente, así que sí, son paralelas."),
        ("fr", "No", "Il a 5 euros, donc non, cela ne suffit pas."),
    ],
)
def test_the_number_behind_so_is_read(language: str, truth: str, ending: str) -> None:
    assert reads(language, truth, ending)


def test_the_clause_before_so_is_reasoning() -> None:
    said = "She has 17 apples and gives away 6, so she has 11 apples left."
    assert split(said).reasoning == said
    assert split("17 - 6 = 11.\n\nSo she has 11 apples left.").reasoning == "17 - 6 = 11."


@pytest.mark.parametrize(
    "ending",
    [
        "Each box has 12 eggs, so 3 boxes have 36 eggs.",
        "12 of the 20 are girls, so at least 8 are boys.",
        "If there were 12 boxes, then the total would be 36.",
        "Si le magasin offrait la livraison, le total serait de 75 €.",
        "She has 3, also 4 more are in the box.",
        "Tom thinks it is 5, so he writes 18.",
        "According to Tom he had 5, so 18 remain.",
        "He has 5 apples, so he needs to find 18 more to continue.",
        "2) Therefore",
        "จึงนำ 18 ไปหาร",
    ],
)
def test_two_numbers_a_bound_and_a_condition_conclude_nothing(ending: str) -> None:
    assert split(f"16 - 3 - 4 = 9\n\n{ending}").answer == ""
