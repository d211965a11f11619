"""The wording of the toy world in its nine languages, written by hand.

Grammar is kept right by design, for every number, name, and object that can occur:

- every number in a problem is 2 or more, so nouns are always plural;
- the people have names only (no pronouns), so nothing agrees with their gender; what agrees with the object's gender
  or noun class (Spanish *cuántos/cuántas*, Swahili *vingapi/mangapi/ngapi*) is written beside the object;
- Chinese has the classifier of each object; Bengali uses টি after the number and writes out each name's cases;
- Swahili repeats the noun, because a numeral in digits cannot show the noun class; Russian and its kin, whose nouns
  change with the number, are left out.

Slots: {name}, {n} the number, {objects}, and what a language needs besides (`Language.names`, `Language.objects`).
"""

from dataclasses import dataclass

ADD, SUBTRACT, MULTIPLY = "+", "-", "×"
OPERATIONS = (ADD, SUBTRACT, MULTIPLY)
# Hindi is written with 0-9, as mostly today: a script of its own without digits of its own, to be compared with these.
NATIVE_DIGITS = {"bn": "০১২৩৪৫৬৭৮৯", "th": "๐๑๒๓๔๕๖๗๘๙"}


@dataclass(frozen=True)
class Language:
    """All that is said in one language. The lists run parallel over the languages: item i means the same in each."""

    title: str
    script: str
    # Forms of each name and object, filled into the slots of the same names.
    names: list[dict[str, str]]
    objects: list[dict[str, str]]
    start: str
    events: dict[str, list[str]]
    ask: str
    instruction: str
    # One sentence of the solution per operation; {equation} is, say, 7+5=12.
    steps: dict[str, str]
    separator: str = " "


def _names(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


def _forms(keys: str, *rows: str) -> list[dict[str, str]]:
    """`_forms("a b", "x y")` -> `[{"a": "x", "b": "y"}]`; "/" separates forms that contain spaces."""
    return [dict(zip(keys.split(), row.split("/"), strict=True)) for row in rows]


LATIN_NAMES = _names("Amina", "Omar", "Nina", "Leo", "Sara", "Juma")

ENGLISH = Language(
    title="English",
    script="Latin",
    names=LATIN_NAMES,
    objects=_forms("objects", "books", "oranges", "eggs", "coins", "pencils", "cups"),
    start="{name} has {n} {objects}.",
    events={
        ADD: [
            "{name} buys {n} more.",
            "{name} finds {n} on the way.",
            "A friend gives {name} {n}.",
            "{name} wins {n} in a game.",
            "{name} gets {n} as a present.",
            "{name} brings {n} from home.",
            "{name} takes {n} out of the cupboard.",
            "{name} collects {n} in the afternoon.",
        ],
        SUBTRACT: [
            "{name} sells {n} of them.",
            "{name} loses {n} on the way.",
            "{name} gives {n} to a friend.",
            "{name} throws {n} away.",
            "{name} forgets {n} on the bus.",
            "A thief steals {n} from {name}.",
            "{name} donates {n} to the school.",
            "{name} lends {n} to a neighbour.",
        ],
        MULTIPLY: [
            "The number grows to {n} times what it was.",
            "A wizard turns each one into {n}.",
            "{name} swaps each one for {n}.",
            "At the end of the month {name} has {n} times as many.",
        ],
    },
    ask="How many {objects} does {name} have now?",
    instruction="Write the answer after ####.",
    steps={
        ADD: "Now we add {equation}.",
        SUBTRACT: "Now we subtract {equation}.",
        MULTIPLY: "Now we multiply {equation}.",
    },
)

SPANISH = Language(
    title="Spanish",
    script="Latin",
    names=LATIN_NAMES,
    objects=_forms(
        "objects how_many",
        "libros/Cuántos",
        "naranjas/Cuántas",
        "huevos/Cuántos",
        "monedas/Cuántas",
        "lápices/Cuántos",
        "tazas/Cuántas",
    ),
    start="{name} tiene {n} {objects}.",
    events={
        ADD: [
            "{name} compra {n} más.",
            "{name} encuentra {n} en el camino.",
            "Un amigo le da a {name} {n}.",
            "{name} gana {n} en un juego.",
            "{name} recibe {n} de regalo.",
            "{name} trae {n} de casa.",
            "{name} saca {n} del armario.",
            "{name} reúne {n} por la tarde.",
        ],
        SUBTRACT: [
            "{name} vende {n}.",
            "{name} pierde {n} en el camino.",
            "{name} le da {n} a un amigo.",
            "{name} tira {n} a la basura.",
            "{name} olvida {n} en el autobús.",
            "Un ladrón le roba {n} a {name}.",
            "{name} dona {n} a la escuela.",
            "{name} le presta {n} a una vecina.",
        ],
        MULTIPLY: [
            "La cantidad se multiplica por {n}.",
            "Un mago convierte cada unidad en {n}.",
            "{name} cambia cada unidad por {n}.",
            "A fin de mes {name} tiene {n} veces esa cantidad.",
        ],
    },
    ask="¿{how_many} {objects} tiene {name} ahora?",
    instruction="Escribe la respuesta después de ####.",
    steps={
        ADD: "Ahora sumamos {equation}.",
        SUBTRACT: "Ahora restamos {equation}.",
        MULTIPLY: "Ahora multiplicamos {equation}.",
    },
)

GERMAN = Language(
    title="German",
    script="Latin",
    names=LATIN_NAMES,
    objects=_forms("objects", "Bücher", "Orangen", "Eier", "Münzen", "Bleistifte", "Tassen"),
    start="{name} hat {n} {objects}.",
    events={
        ADD: [
            "{name} kauft {n} dazu.",
            "{name} findet unterwegs {n}.",
            "Ein Freund gibt {name} {n}.",
            "{name} gewinnt {n} bei einem Spiel.",
            "{name} bekommt {n} geschenkt.",
            "{name} bringt {n} von zu Hause mit.",
            "{name} holt {n} aus dem Schrank.",
            "{name} sammelt am Nachmittag {n}.",
        ],
        SUBTRACT: [
            "{name} verkauft {n} davon.",
            "{name} verliert unterwegs {n}.",
            "{name} gibt einem Freund {n}.",
            "{name} wirft {n} weg.",
            "{name} vergisst {n} im Bus.",
            "Ein Dieb stiehlt {name} {n}.",
            "{name} spendet der Schule {n}.",
            "{name} leiht einer Nachbarin {n}.",
        ],
        MULTIPLY: [
            "Die Anzahl wächst auf das {n}-Fache.",
            "Ein Zauberer macht aus jedem Stück {n}.",
            "{name} tauscht jedes Stück gegen {n}.",
            "Am Monatsende hat {name} {n}-mal so viele.",
        ],
    },
    ask="Wie viele {objects} hat {name} jetzt?",
    instruction="Schreibe die Antwort hinter ####.",
    steps={
        ADD: "Wir addieren {equation}.",
        SUBTRACT: "Wir subtrahieren {equation}.",
        MULTIPLY: "Wir multiplizieren {equation}.",
    },
)

SWAHILI = Language(
    title="Swahili",
    script="Latin",
    names=LATIN_NAMES,
    objects=_forms(
        "objects one how_many",
        "vitabu/kitabu/vingapi",
        "machungwa/chungwa/mangapi",
        "mayai/yai/mangapi",
        "sarafu/sarafu/ngapi",
        "penseli/penseli/ngapi",
        "vikombe/kikombe/vingapi",
    ),
    start="{name} ana {objects} {n}.",
    events={
        ADD: [
            "{name} ananunua {objects} {n} zaidi.",
            "{name} anaokota {objects} {n} njiani.",
            "Rafiki anampa {name} {objects} {n}.",
            "{name} anashinda {objects} {n} katika mchezo.",
            "{name} anapokea {objects} {n} kama zawadi.",
            "{name} analeta {objects} {n} kutoka nyumbani.",
            "{name} anachukua {objects} {n} kutoka kabatini.",
            "{name} anakusanya {objects} {n} alasiri.",
        ],
        SUBTRACT: [
            "{name} anauza {objects} {n}.",
            "{name} anapoteza {objects} {n} njiani.",
            "{name} anampa rafiki {objects} {n}.",
            "{name} anatupa {objects} {n}.",
            "{name} anasahau {objects} {n} ndani ya basi.",
            "Mwizi anamwibia {name} {objects} {n}.",
            "{name} anaichangia shule {objects} {n}.",
            "{name} anamwazima jirani {objects} {n}.",
        ],
        MULTIPLY: [
            "Idadi inaongezeka mara {n}.",
            "Mchawi anageuza kila {one} kuwa {objects} {n}.",
            "{name} anabadilisha kila {one} kwa {objects} {n}.",
            "Mwisho wa mwezi {name} ana mara {n} ya idadi hiyo.",
        ],
    },
    ask="Je, {name} ana {objects} {how_many} sasa?",
    instruction="Andika jibu baada ya ####.",
    steps={
        ADD: "Sasa tunajumlisha {equation}.",
        SUBTRACT: "Sasa tunatoa {equation}.",
        MULTIPLY: "Sasa tunazidisha {equation}.",
    },
)

CHINESE = Language(
    title="Chinese",
    script="Han",
    names=_names("阿米娜", "奥马尔", "尼娜", "利奥", "萨拉", "朱马"),
    objects=_forms("objects m", "书/本", "橙子/个", "鸡蛋/个", "硬币/枚", "铅笔/支", "杯子/个"),
    start="{name}有{n}{m}{objects}。",
    events={
        ADD: [
            "{name}又买了{n}{m}。",
            "{name}在路上捡到{n}{m}。",
            "一个朋友送给{name}{n}{m}。",
            "{name}在游戏中赢得{n}{m}。",
            "{name}收到{n}{m}作为礼物。",
            "{name}从家里带来{n}{m}。",
            "{name}从柜子里拿出{n}{m}。",
            "{name}下午收集了{n}{m}。",
        ],
        SUBTRACT: [
            "{name}卖掉{n}{m}。",
            "{name}在路上丢了{n}{m}。",
            "{name}送给一个朋友{n}{m}。",
            "{name}扔掉{n}{m}。",
            "{name}把{n}{m}忘在公交车上。",
            "小偷从{name}那里偷走{n}{m}。",
            "{name}捐给学校{n}{m}。",
            "{name}借给邻居{n}{m}。",
        ],
        MULTIPLY: [
            "数量变成原来的{n}倍。",
            "魔法师把每{m}都变成{n}{m}。",
            "{name}用每{m}换来{n}{m}。",
            "月底时{name}有原来的{n}倍。",
        ],
    },
    ask="{name}现在有多少{m}{objects}？",
    instruction="请把答案写在####后面。",
    steps={
        ADD: "这一步需要用加法{equation}。",
        SUBTRACT: "这一步需要用减法{equation}。",
        MULTIPLY: "这一步需要用乘法{equation}。",
    },
    separator="",
)

BENGALI = Language(
    title="Bengali",
    script="Bengali",
    names=_forms(
        "name of to",
        "আমিনা/আমিনার/আমিনাকে",
        "ওমর/ওমরের/ওমরকে",
        "নিনা/নিনার/নিনাকে",
        "লিও/লিওর/লিওকে",
        "সারা/সারার/সারাকে",
        "জুমা/জুমার/জুমাকে",
    ),
    objects=_forms("objects", "বই", "কমলা", "ডিম", "মুদ্রা", "পেন্সিল", "কাপ"),
    start="{of} কাছে {n}টি {objects} আছে।",
    events={
        ADD: [
            "{name} আরও {n}টি কেনে।",
            "{name} পথে {n}টি কুড়িয়ে পায়।",
            "একজন বন্ধু {to} {n}টি দেয়।",
            "{name} খেলায় {n}টি জেতে।",
            "{name} উপহার হিসেবে {n}টি পায়।",
            "{name} বাড়ি থেকে {n}টি আনে।",
            "{name} আলমারি থেকে {n}টি বের করে।",
            "{name} বিকেলে {n}টি সংগ্রহ করে।",
        ],
        SUBTRACT: [
            "{name} {n}টি বিক্রি করে।",
            "{name} পথে {n}টি হারিয়ে ফেলে।",
            "{name} একজন বন্ধুকে {n}টি দেয়।",
            "{name} {n}টি ফেলে দেয়।",
            "{name} ভুল করে বাসে {n}টি রেখে আসে।",
            "একজন চোর {of} কাছ থেকে {n}টি চুরি করে।",
            "{name} স্কুলে {n}টি দান করে।",
            "{name} একজন প্রতিবেশীকে {n}টি ধার দেয়।",
        ],
        MULTIPLY: [
            "সংখ্যাটি {n} গুণ হয়ে যায়।",
            "একজন জাদুকর প্রতিটিকে {n}টি বানিয়ে দেয়।",
            "{name} প্রতিটির বদলে {n}টি নেয়।",
            "মাসের শেষে {of} কাছে {n} গুণ থাকে।",
        ],
    },
    ask="এখন {of} কাছে কয়টি {objects} আছে?",
    instruction="উত্তরটি ####-এর পরে লেখো।",
    steps={
        ADD: "এখন যোগ করি {equation}।",
        SUBTRACT: "এখন বিয়োগ করি {equation}।",
        MULTIPLY: "এখন গুণ করি {equation}।",
    },
)

FRENCH = Language(
    title="French",
    script="Latin",
    names=LATIN_NAMES,
    objects=_forms(
        "objects of",
        "livres/de livres",
        "oranges/d'oranges",
        "œufs/d'œufs",
        "pièces/de pièces",
        "crayons/de crayons",
        "tasses/de tasses",
    ),
    start="{name} a {n} {objects}.",
    events={
        ADD: [
            "{name} en achète {n} de plus.",
            "{name} en trouve {n} en chemin.",
            "Un ami en donne {n} à {name}.",
            "{name} en gagne {n} à un jeu.",
            "{name} en reçoit {n} en cadeau.",
            "{name} en apporte {n} de la maison.",
            "{name} en sort {n} du placard.",
            "{name} en ramasse {n} cet après-midi.",
        ],
        SUBTRACT: [
            "{name} en vend {n}.",
            "{name} en perd {n} en chemin.",
            "{name} en donne {n} à un ami.",
            "{name} en jette {n}.",
            "{name} en oublie {n} dans le bus.",
            "Un voleur en vole {n} à {name}.",
            "{name} en offre {n} à l'école.",
            "{name} en prête {n} à une voisine.",
        ],
        MULTIPLY: [
            "La quantité est multipliée par {n}.",
            "Un magicien transforme chaque unité en {n}.",
            "{name} échange chaque unité contre {n}.",
            "À la fin du mois {name} en a {n} fois plus.",
        ],
    },
    ask="Combien {of} {name} a maintenant ?",
    instruction="Écris la réponse après ####.",
    steps={
        ADD: "Maintenant additionnons {equation}.",
        SUBTRACT: "Maintenant soustrayons {equation}.",
        MULTIPLY: "Maintenant multiplions {equation}.",
    },
)

HINDI = Language(
    title="Hindi",
    script="Devanagari",
    names=_names("अमीना", "उमर", "नीना", "लियो", "सारा", "जुमा"),
    objects=_forms(
        "objects how_many of te",
        "किताबें/कितनी/की/ती",
        "संतरे/कितने/के/ते",
        "अंडे/कितने/के/ते",
        "सिक्के/कितने/के/ते",
        "पेंसिलें/कितनी/की/ती",
        "प्याले/कितने/के/ते",
    ),
    start="{name} के पास {n} {objects} हैं।",
    events={
        ADD: [
            "{name} को बाज़ार से {n} और मिल{te} हैं।",
            "{name} को रास्ते में {n} मिल{te} हैं।",
            "एक दोस्त {name} को {n} देता है।",
            "{name} को खेल में {n} मिल{te} हैं।",
            "{name} को उपहार में {n} मिल{te} हैं।",
            "घर से {name} के पास {n} और आ{te} हैं।",
            "अलमारी से {name} के लिए {n} निकल{te} हैं।",
            "दोपहर में {name} के पास {n} जमा हो{te} हैं।",
        ],
        SUBTRACT: [
            "{name} {of} {n} बिक जा{te} हैं।",
            "{name} {of} {n} रास्ते में खो जा{te} हैं।",
            "एक दोस्त {name} से {n} लेता है।",
            "{name} के हाथ से {n} गिर जा{te} हैं।",
            "{name} {of} {n} बस में छूट जा{te} हैं।",
            "एक चोर {name} {of} {n} चुरा लेता है।",
            "स्कूल को {name} से दान में {n} मिल{te} हैं।",
            "पड़ोसी {name} से {n} उधार लेता है।",
        ],
        MULTIPLY: [
            "संख्या {n} गुना हो जाती है।",
            "एक जादूगर हर एक को {n} बना देता है।",
            "{name} को हर एक के बदले {n} मिल{te} हैं।",
            "महीने के अंत में {name} के पास {n} गुना हैं।",
        ],
    },
    ask="अब {name} के पास {how_many} {objects} हैं?",
    instruction="उत्तर #### के बाद लिखो।",
    steps={
        ADD: "अब जोड़ते हैं {equation}।",
        SUBTRACT: "अब घटाते हैं {equation}।",
        MULTIPLY: "अब गुणा करते हैं {equation}।",
    },
)

THAI = Language(
    title="Thai",
    script="Thai",
    names=_names("อามีนา", "โอมาร์", "นีนา", "เลโอ", "ซารา", "จูมา"),
    objects=_forms("objects m", "หนังสือ/เล่ม", "ส้ม/ผล", "ไข่/ฟอง", "เหรียญ/เหรียญ", "ดินสอ/แท่ง", "ถ้วย/ใบ"),
    start="{name}มี{objects} {n} {m}",
    events={
        ADD: [
            "{name}ซื้อเพิ่ม {n} {m}",
            "{name}เก็บได้ระหว่างทาง {n} {m}",
            "เพื่อนคนหนึ่งให้{name} {n} {m}",
            "{name}ชนะเกมได้มา {n} {m}",
            "{name}ได้รับเป็นของขวัญ {n} {m}",
            "{name}นำมาจากบ้าน {n} {m}",
            "{name}หยิบออกจากตู้มา {n} {m}",
            "{name}รวบรวมได้ตอนบ่าย {n} {m}",
        ],
        SUBTRACT: [
            "{name}ขายไป {n} {m}",
            "{name}ทำหายระหว่างทาง {n} {m}",
            "{name}ให้เพื่อนไป {n} {m}",
            "{name}ทิ้งไป {n} {m}",
            "{name}ลืมไว้บนรถเมล์ {n} {m}",
            "ขโมยเอาของ{name}ไป {n} {m}",
            "{name}บริจาคให้โรงเรียน {n} {m}",
            "{name}ให้เพื่อนบ้านยืม {n} {m}",
        ],
        MULTIPLY: [
            "จำนวนเพิ่มขึ้นเป็น {n} เท่า",
            "พ่อมดเสกแต่ละ{m}ให้เป็น {n} {m}",
            "{name}เอาแต่ละ{m}ไปแลกได้ {n} {m}",
            "สิ้นเดือน{name}มีเป็น {n} เท่าของเดิม",
        ],
    },
    ask="ตอนนี้{name}มี{objects}กี่{m}",
    instruction="เขียนคำตอบหลัง ####",
    steps={
        ADD: "ขั้นตอนนี้เราต้องบวก {equation}",
        SUBTRACT: "ขั้นตอนนี้เราต้องลบ {equation}",
        MULTIPLY: "ขั้นตอนนี้เราต้องคูณ {equation}",
    },
)

LANGUAGES = {
    "en": ENGLISH,
    "es": SPANISH,
    "de": GERMAN,
    "sw": SWAHILI,
    "zh": CHINESE,
    "bn": BENGALI,
    "th": THAI,
    "fr": FRENCH,
    "hi": HINDI,
}
