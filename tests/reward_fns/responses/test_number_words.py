"""A last sentence that concludes in number words is an answer where its number is the only one, and its own."""

import pytest
from last_sentences import reads

RIGHT = [
    ("en", "9", "Therefore each of them ends up with nine marbles."),
    ("en", "45", "So the shop sold forty-five loaves altogether."),
    ("en", "2500", "Thus the school raised two thousand five hundred dollars."),
    ("en", "2.5", "Hence the job takes two and a half hours."),
    ("de", "24", "Folglich braucht die Klasse vierundzwanzig Stühle."),
    ("de", "12", "Somit bekommt jedes Kind zwölf Murmeln."),
    ("es", "14", "Por lo tanto, le quedan catorce caramelos."),
    ("fr", "15", "Il reste donc quinze pommes dans le panier."),
    ("fr", "80", "Par conséquent, elle a dépensé quatre-vingts euros."),
    ("it", "16", "Quindi Marco ha sedici figurine."),
    ("pt", "13", "Portanto, restaram treze laranjas."),
    ("nl", "11", "Dus heeft Jan nog elf knikkers."),
    ("pl", "6", "Zatem każdy uczeń dostał sześć zeszytów."),
    ("cs", "7", "Takže Petrovi zbylo sedm korun."),
    ("ru", "35", "Следовательно, в библиотеке тридцать пять книг."),
    ("uk", "8", "Отже, у Марійки вісім олівців."),
    ("ko", "7", "따라서 민수는 사탕 일곱 개를 가지고 있습니다."),
    ("th", "8", "ดังนั้นเด็กแต่ละคนได้ลูกอมแปดเม็ด"),
    ("vi", "8", "Vì vậy mỗi bạn nhận được tám cái kẹo."),
    ("id", "12", "Jadi setiap anak mendapat dua belas permen."),
    ("tr", "14", "Dolayısıyla Ayşe'nin on dört kalemi kalır."),
    ("ar", "9", "لذلك بقي مع سارة تسعة أقلام."),
    ("fa", "8", "بنابراین هر کودک هشت شکلات می\u200cگیرد."),
    ("he", "6", "לכן נשארו לדנה שישה תפוחים."),
    ("hi", "18", "इसलिए सीता के पास अठारह पेन बचे हैं।"),
    ("bn", "11", "সুতরাং রহিমের কাছে এগারোটি কলম আছে।"),
    ("ta", "7", "எனவே அவனிடம் ஏழு பந்துகள் உள்ளன."),
    ("te", "6", "కాబట్టి ఒక్కొక్కరికి ఆరు పుస్తకాలు వస్తాయి."),
    ("sw", "9", "Kwa hiyo kila mtoto atapata maembe tisa."),
    ("sw", "5", "Hivyo basi, Juma ana vitabu vitano."),
    ("yo", "3", "Nítorí náà, ọmọ kọ̀ọ̀kan gba ìwé mẹ́ta."),
    ("ro", "12", "Prin urmare, Ana are douăsprezece mere."),
    ("hu", "8", "Tehát Annának nyolc almája maradt."),
    ("sv", "14", "Därför har hon fjorton bollar kvar."),
    ("fi", "6", "Siis jokainen saa kuusi omenaa."),
    ("bg", "9", "Следователно остават девет ябълки."),
    ("en", "3/4", "So she ate three quarters of the cake."),
    ("fr", "3/4", "Donc elle a mangé les trois quarts du gâteau."),
    ("sv", "3/4", "Alltså åt hon tre fjärdedelar av tårtan."),
    ("he", "3/4", "לכן נועה אכלה שלושה רבעים מהעוגה."),
]
# Conditional, denied, bounded, asked, a part, several, or what is known.
WRONG = [
    # "Yedi" is "ate" here.
    ("tr", "7", "Bu yüzden pastanın hepsini yedi."),
    ("en", "9", "So if she buys nine, she pays less."),
    ("en", "9", "If she bought nine eggs, she would therefore have nine eggs."),
    ("en", "9", "So it is not nine."),
    ("en", "3", "So nine each for three children."),
    ("en", "9", "So she has at least nine marbles."),
    ("en", "9", "So does she have nine marbles?"),
    ("en", "1", "So that is the one we want."),
    ("en", "2", "So the two friends share it equally."),
    ("en", "3", "So next, subtract three from the total."),
    ("en", "9", "So the cost is nine or ten dollars."),
    ("en", "9", "So she has about nine left."),
    ("en", "6", "So it took one hour and six minutes."),
    ("en", "3", "So all three boxes are full."),
    ("en", "2", "So we need two more steps:"),
    ("de", "9", "Also kann es nicht neun sein."),
    ("de", "9", "Somit hat er mindestens neun Murmeln."),
    ("de", "9", "Daher bekommt er neun oder zehn Euro."),
    ("de", "1", "Also ist es ein Problem."),
    ("es", "9", "Entonces, si compra nueve, paga menos."),
    ("es", "1", "Por lo tanto, tiene un problema."),
    ("es", "9", "Por lo tanto, no tiene nueve."),
    ("fr", "9", "Donc il n'en a pas neuf."),
    ("fr", "9", "Donc il a au moins neuf billes."),
    ("fr", "2", "Donc les deux amis sont contents."),
    ("it", "9", "Quindi ne ha più di nove."),
    ("ru", "9", "Значит, если у него девять яблок, то хватит."),
    ("ru", "9", "Следовательно, у него не девять яблок."),
    ("pl", "9", "Zatem nie ma dziewięć jabłek."),
    ("ko", "9", "따라서 아홉 개가 아닙니다."),
    ("vi", "9", "Vậy không phải chín cái kẹo."),
    ("id", "9", "Jadi bukan sembilan permen."),
    ("tr", "9", "Dolayısıyla dokuz değil."),
    ("tr", "2", "Dolayısıyla pastanın beşte iki kadarı kaldı."),
    ("ar", "9", "لذلك ليس معه تسعة أقلام."),
    ("hi", "9", "इसलिए नौ पेन नहीं हैं।"),
    ("sw", "9", "Kwa hiyo si maembe tisa."),
    ("fa", "3", "یعنی سه\u200cچهارم کیک باقی مانده است."),
    ("th", "8", "ดังนั้นไม่ใช่แปดชิ้น"),
    ("he", "9", "לכן אין לו תשעה תפוחים."),
]


@pytest.mark.parametrize(("language", "truth", "end"), RIGHT)
def test_it_is_read(language: str, truth: str, end: str) -> None:
    assert reads(language, truth, end)


@pytest.mark.parametrize(("language", "truth", "end"), WRONG)
def test_it_is_no_answer(language: str, truth: str, end: str) -> None:
    assert not reads(language, truth, end)
