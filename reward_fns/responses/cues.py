"""How each language announces a final answer: the one place to add a language, or a phrase.

A cue is a *noun* ("answer"), at most a few words, then a *copula* ("is"), a colon or a line break, then the answer. An
empty copula ("_") says that the answer may follow the noun directly, as in Hungarian "A válasz 18"; "…" that words may
stand between, because the verb comes last, as in Persian "پاسخ نهایی ۱۸ است". A noun that several languages share gets
the words of all of them. Everything is in lower case; a word that ends in "*" stands for all words that begin so. A
noun that ends in "." or ":" is an abbreviation, for the beginning of a line.

The rows cover the 29 languages of MMLU-ProX and the 11 of MGSM, and some more.
"""

from typing import NamedTuple


class Cue(NamedTuple):
    """The words of one language around an answer.

    Attributes:
        nouns: "answer", wherever it stands.
        copulas: "is".
        results: "result", "solution": they name intermediate steps too, so they count only after the last value.
        options: "option", "choose": only with a letter, and beside one of `right` or as a short last sentence.
        right: "correct".
        no: not, maybe, question words: before an answer or right after it, they say that it is none.
        wrong: "wrong", "incorrect": also in the sentence after the answer.
        unless: "if", "suppose", "step": before the answer, they say that it is not final.
        bounds: "at least", "between": right before or after the value.
    """

    nouns: tuple[str, ...]
    copulas: tuple[str, ...]
    results: tuple[str, ...]
    options: tuple[str, ...]
    right: tuple[str, ...]
    no: tuple[str, ...]
    wrong: tuple[str, ...]
    unless: tuple[str, ...]
    bounds: tuple[str, ...]


def _split(column: str) -> tuple[str, ...]:
    # "_" is the empty copula.
    return tuple(word.strip("_") for word in column.split(", ") if word)


def _row(*columns: str) -> Cue:
    return Cue(*map(_split, columns))


# fmt: off
CUES: dict[str, Cue] = {
    "af": _row("antwoord", "is", "resultaat, oplossing", "opsie, keuse", "korrekte, regte, korrek, reg",
        "nie, dalk, miskien", "verkeerd*, foutief*", "as, indien, of, stap, gestel, byvoorbeeld, veronderstel",
        "minstens, ten minste, hoogstens, meer as, minder as, tussen"),
    "am": _row("መልስ, መልሱ", "ነው, …", "ውጤት, ውጤቱ", "ምርጫ", "ትክክለኛ", "አይደለም, ምናልባት", "ስህተት", "ከሆነ", "ቢያንስ, ቢበዛ"),
    "ar": _row("الإجابة, الاجابة, الجواب, إجابة, اجابة, جواب", "هي, هو, تساوي, يساوي, تكون, _",
        "النتيجة, نتيجة, الناتج, الحل, حل", "الخيار, الاختيار, خيار, نختار, اختر", "الصحيح, صحيح, الصواب",
        "ليس, ليست, لا, غير, ربما, قد, هل, لم, أم, قد تكون, يمكن أن", "خطأ, خاطئ*, غير صحيح*",
        "إذا, لو, بفرض, نفترض, الخطوة, الجزئي, الوسيط, لنفترض, أشك, أظن, يعتقد, يقول, ربما, "
        "من الممكن, قد, مثلا, مثلاً, على سبيل المثال, لنقل",
        "على الأقل, على الاقل, على الأكثر, أكثر من, أكبر من, أقل من, أصغر من, ما بين, لا يقل, " "لا يزيد, فوق"),
    "az": _row("cavab, cavabı", "…", "nəticə, həll", "variant", "doğru, düzgün", "deyil*, bəlkə, ola bilər",
        "səhv*, yanlış*", "əgər", "ən azı, ən çox, artıq, az, arasında"),
    "bg": _row("отговор, отговорът", "е, са", "резултат, резултатът, решение, решението", "вариант, опция",
        "верен, верният, правил*", "не, може би, ли, вероятно", "греш*, невер*, неправил*",
        "ако, дали, да предположим, стъпка, междин*, може би, възможно, съмнява*, например, " "да кажем",
        "поне, най-малко, най-много, повече от, по-малко от, между, над, под"),
    "bn": _row("উত্তর, জবাব", "হল, হলো, হ'ল, হচ্ছে, হবে, …", "ফলাফল, সমাধান", "বিকল্প", "সঠিক",
        "নয়, নয়, না, নেই, কি, সম্ভবত, হয়তো, হতে পারে, পারে", "ভুল, সঠিক নয়",
        "যদি, ধরি, মনে করি, ধাপ, হয়তো, সম্ভবত, সন্দেহ, প্রথম, উদাহরণস্বরূপ, যেমন, ধরা যাক",
        "কমপক্ষে, অন্তত, সর্বোচ্চ, বেশি, কম, মধ্যে"),
    "ca": _row("resposta", "és, seria", "resultat, solució", "opció, alternativa", "correct*", "no, potser, podria",
        "incorrect*, errò*, equivocad*, fals*", "si, suposem, pas, parcial, per exemple, diguem",
        "almenys, com a mínim, com a màxim, més de, menys de, entre"),
    "cs": _row("odpověď, odpovědí, odp.", "je, zní, činí, bude, by byla", "výsledek, výsledkem, řešení, závěr",
        "možnost, varianta, volba", "správn*", "není, ne, možná, snad, asi, neb*, nem*",
        "špatn*, nesprávn*, chybn*, mýl*, počkat",
        "pokud, jestli, kdyby, zda, krok, dílčí, předpoklád*, možná, pochybuji, říká, myslí, " "například, řekněme",
        "alespoň, nejméně, minimálně, nanejvýš, nejvýše, maximálně, více než, větší než, méně než, "
        "menší než, mezi"),
    "da": _row("svar, svaret", "er, bliver, lyder, _", "resultat, resultatet, løsning, løsningen, facit",
        "svarmulighed, mulighed", "rigtige, korrekte, rigtig, korrekt", "ikke, måske", "forkert*, fejl",
        "hvis, om, trin, måske, antag, for eksempel, lad os sige", "mindst, højst, mere end, mindre end, mellem"),
    "de": _row("antwort, endergebnis, endantwort, antw., antw.:, a.:, gesamtergebnis, endresultat, " "endlösung",
        "ist, lautet, beträgt, wäre, sind, _", "lösung, ergebnis, resultat, fazit",
        "option, auswahl, möglichkeit, antwortmöglichkeit, variante, aussage", "richtig*, korrekt*",
        "nicht, kein*, nie, vielleicht, könnte, möglicherweise, eventuell, vermutlich, weder, kaum, "
        "soll, dürfte, sei", "falsch*, inkorrekt*, fehler*, unrichtig*, irrt*, moment mal",
        "wenn, falls, ob, angenommen, schritt, teil*, zwischen*, glaubt, denkt, meint, erste*, "
        "vorherige*, bezweifle, möglich, möglicherweise, vielleicht, sagt, behauptet, anfangs, "
        "zunächst, beispiel, zum beispiel, beispielsweise, nehmen wir an, sagen wir, wäre die, " "gesetzt",
        "mindestens, wenigstens, höchstens, maximal, minimal, mehr als, größer als, weniger als, "
        "kleiner als, zwischen, über, unter, oder mehr, oder weniger"),
    "el": _row("απάντηση", "είναι, ισούται, το, η", "αποτέλεσμα, λύση", "επιλογή", "σωστή, ορθή, σωστό",
        "δεν, δε, όχι, ίσως, μπορεί, μήπως, μάλλον, ούτε", "λάθος, λανθασμέν*, εσφαλμέν*",
        "αν, εάν, έστω, βήμα, ενδιάμεσ*, ίσως, υποθ*, αμφιβάλλω, παράδειγμα, για παράδειγμα, " "ας πούμε",
        "τουλάχιστον, το πολύ, περισσότερο, περισσότερα, λιγότερο, λιγότερα, μεγαλύτερ*, μικρότερ*, "
        "μεταξύ, πάνω από, κάτω από"),
    "en": _row("answer, ans., ans:, final result, final solution, ans", "is, equals, be, was, becomes, comes",
        "result, solution, conclusion, total:", "option, choice, alternative, choose, select, statement",
        "correct, right, best, true",
        "not, never, no, none, cannot, *n't, *n’t, maybe, perhaps, might, could, may, possibly, "
        "either, unless, unclear, unknown, anything but, neither, hardly, scarcely, almost, nearly, " "nobody",
        "wrong, incorrect*, mistake*, false, error*, not correct, not right, doubtful, invalid, "
        "untrue, wait, scratch that, oops",
        "if, whether, suppose, supposing, assume, assuming, once, when, until, step, part, "
        "intermediate, partial, thinks, thought, believes, claims, claimed, guess*, previous, first, "
        "tempting, doubt, doubtful, possible, possibly, perhaps, maybe, says, say, said, imagine, "
        "friend, so far, subtotal, incorrectly, initially, earlier, originally, seemed, example, "
        "for instance, e.g., let's say, let us say, such as, pretend",
        "at least, at most, more than, greater than, bigger than, larger than, less than, "
        "fewer than, smaller than, lower than, higher than, over, under, above, below, between, "
        "no more, up to, or more, or less, or fewer, exceeds, beyond, half of, twice, double"),
    "es": _row("respuesta, resp.:, resp., resp:, r:, r.:, rta.:, rta:, rpta:, rpta.:, r/, r.",
        "es, sería, son, será, da", "resultado, solución, conclusión, total:",
        "opción, alternativa, elección, letra, inciso", "correct*, adecuad*",
        "no, nunca, tampoco, quizá, quizás, podría, puede, tal vez, acaso, posiblemente, sea, ni",
        "incorrect*, errón*, equivocad*, fals*, error*, mal",
        "si, suponiendo, supongamos, paso, parcial, intermedi*, primera, cuando, dudo, posible, "
        "quizás, quizá, tal vez, dice, cree, supón, supongo, por ejemplo, ejemplo, digamos, " "admitamos",
        "al menos, por lo menos, como mínimo, como máximo, a lo sumo, más de, más que, mayor que, "
        "menos de, menor que, menor de, mayor de, entre, inferior a, superior a, o más, o menos"),
    "et": _row("vastus", "on, _", "tulemus, lahendus", "variant", "õige", "ei, võib-olla", "vale, vale*", "kui, samm",
        "vähemalt, kõige rohkem, rohkem kui, vähem kui"),
    "eu": _row("erantzuna", "da, …", "emaitza, soluzioa", "aukera", "zuzena, zuzen", "ez, agian", "okerra, oker",
        "baldin, urratsa", "gutxienez, gehienez"),
    "fa": _row("پاسخ, جواب", "برابر, …", "نتیجه, حاصل, راه‌حل, راه حل, حل", "گزینه, گزینهٔ, گزینه‌ی", "صحیح, درست",
        "نیست, نمی, نه, شاید, ممکن, آیا, احتمالا", "اشتباه, غلط, نادرست",
        "اگر, فرض, مرحله, گام, میانی, فرض کنیم, شک دارم, می‌گوید, شاید, ممکن است, مثلا, مثلاً, "
        "برای مثال, به عنوان مثال",
        "حداقل, دست‌کم, دست کم, حداکثر, بیش از, بیشتر از, کمتر از, بزرگتر از, کوچکتر از, بین"),
    "fi": _row("vastaus", "on, olisi", "tulos, ratkaisu, lopputulos", "vaihtoehto", "oikea, oikein",
        "ei, eivät, ehkä, saattaa, voisi, kai, onko", "väärin, väärä*, virhe*",
        "jos, onko, oletetaan, vaihe, välitulos, ehkä, mahdollisesti, epäilen, esimerkiksi, " "sanotaan",
        "vähintään, enintään, korkeintaan, ainakin, yli, alle, enemmän kuin, vähemmän kuin, "
        "suurempi kuin, pienempi kuin"),
    "fr": _row("réponse, rép., rép.:, r:, résultat final", "est, serait, vaut, sera, sont, _",
        "résultat, solution, conclusion, total :, total:", "option, choix, proposition, lettre",
        "correct*, bonne, bon, exact*, juste",
        "pas, non, jamais, ni, peut-être, pourrait, peut, n'est, n’est, ne, aucun*, est-elle, "
        "est-ce, soit, semble", "incorrect*, faux, fausse*, erron*, erreur*, inexact*, mauvais*, attends, attendez",
        "si, supposons, étape, intermédiaire, partiel*, est-ce, quand, première, doute*, possible, "
        "peut-être, pense, dit, soit, d'abord, par exemple, exemple, admettons, disons",
        "au moins, au minimum, au plus, au maximum, plus de, plus grand*, plus petit*, moins de, "
        "supérieur*, inférieur*, entre, ou plus, ou moins"),
    "ga": _row("freagra", "is, ná", "toradh, réiteach", "rogha", "ceart", "ní, níl, b'fhéidir", "mícheart",
        "má, céim", "ar a laghad, níos mó"),
    "gl": _row("resposta", "é, sería", "resultado, solución", "opción", "correct*", "non, quizais",
        "incorrect*, err*", "se, paso", "polo menos, como máximo, máis de, menos de, entre"),
    "gu": _row("જવાબ, ઉત્તર", "…", "પરિણામ, ઉકેલ", "વિકલ્પ", "સાચો, યોગ્ય", "નથી, કદાચ, શું", "ખોટો, ખોટું, ભૂલ",
        "જો, પગલું, ધારો", "ઓછામાં ઓછા, ઓછામાં ઓછું, વધુમાં વધુ, કરતાં વધુ, કરતાં ઓછ"),
    "ha": _row("amsa, amsar, amsa ta ƙarshe", "ita ce, shi ne, ne, ce", "sakamako, sakamakon", "zaɓi", "daidai",
        "ba, watakila", "kuskure", "idan, mataki", "akalla, fiye da"),
    "he": _row("תשובה", "היא, הוא, תהיה, _", "תוצאה, פתרון, פיתרון", "אפשרות, אופציה, ברירה", "נכונה, הנכונה, נכון",
        "לא, אינה, אינו, אין, אולי, האם, ייתכן, עשויה, איננה, איננו", "שגוי*, שגויה, טעות, מוטעית",
        "אם, האם, נניח, שלב, ביניים, אולי, ייתכן, חושב, אומר, ספק, לדוגמה, למשל, נגיד",
        "לפחות, לכל היותר, לכל הפחות, יותר מ*, גדול מ*, גדולה מ*, פחות מ*, קטן מ*, קטנה מ*, בין, " "מעל, מתחת"),
    "hi": _row("उत्तर, जवाब, उ.:, उ.", "है, होगा, हैं, …", "परिणाम, हल, समाधान, निष्कर्ष", "विकल्प", "सही, उचित",
        "नहीं, मत, न होगा, शायद, संभवतः, क्या, सकता, हो सकता", "गलत, ग़लत, अशुद्ध, त्रुटि",
        "यदि, अगर, मान, चरण, क्या, मध्यवर्ती, शायद, मान लीजिए, संदेह, पहला, कहता, उदाहरण, "
        "उदाहरण के लिए, मान लें, माना",
        "कम से कम, अधिक से अधिक, ज़्यादा से ज़्यादा, ज्यादा से ज्यादा, से अधिक, से ज्यादा, "
        "से ज़्यादा, से कम, से बड़ा, से छोटा, के बीच, न्यूनतम, अधिकतम"),
    "hr": _row("odgovor", "je, glasi, iznosi, _", "rezultat, rješenje", "opcija, izbor",
        "točan, točna, ispravan, ispravna", "nije, ne, možda, li", "pogreš*, netoč*, kriv*",
        "ako, da li, korak, pretpostav*, možda, sumnjam, na primjer, recimo",
        "barem, najmanje, najviše, više od, manje od, veće od, između"),
    "hu": _row("válasz, végeredmény, végső válasz", "az, tehát, _", "eredmény, megoldás", "opció, lehetőség",
        "helyes", "nem, talán, esetleg, lehet, vajon, nincs", "hibás*, rossz*, helytelen*, téves*, várj",
        "ha, lépés, részeredmény, tegyük fel, talán, lehetséges, kétlem, szerint, például, mondjuk",
        "legalább, legfeljebb, több mint, nagyobb, kevesebb, kisebb, között, maximum, minimum"),
    "hy": _row("պատասխան, պատասխանը", "է, …", "արդյունք, լուծում", "տարբերակ", "ճիշտ", "չէ, գուցե", "սխալ",
        "եթե, քայլ", "առնվազն, առավելագույնը"),
    "id": _row("jawaban, jawabannya, jawab:", "adalah, ialah, yaitu, yakni, sebesar, _",
        "hasil, hasilnya, solusi, penyelesaian, kesimpulan", "pilihan, opsi", "benar, tepat",
        "bukan, tidak, mungkin, apakah, barangkali, bisa jadi, belum", "salah, keliru, tidak tepat, tidak benar",
        "jika, apabila, kalau, apakah, misalkan, langkah, sementara, bila, mungkin, ragu, "
        "barangkali, katanya, pertama, misalnya, contohnya, anggap, umpama",
        "paling sedikit, setidaknya, minimal, minimum, paling banyak, maksimal, lebih dari, "
        "lebih besar, kurang dari, lebih kecil, antara, sekurang-kurangnya"),
    "ig": _row("azịza", "bụ", "nsonaazụ", "nhọrọ", "ziri ezi", "abụghị", "adịghị mma", "ọ bụrụ, nzọụkwụ",
        "opekata mpe"),
    "it": _row("risposta, risp., risp.:, r:", "è, e', sarebbe, sarà, sono",
        "risultato, soluzione, conclusione, totale:", "opzione, alternativa, scelta, lettera",
        "corrett*, giust*, esatt*", "non, mai, forse, potrebbe, può, nessun*, magari",
        "sbagliat*, errat*, scorrett*, errore, fals*, aspetta",
        "se, supponiamo, passo, passaggio, parziale, intermedi*, prima, quando, dubito, possibile, "
        "forse, dice, pensa, supponendo, sia, per esempio, ad esempio, esempio, ammettiamo, diciamo",
        "almeno, al minimo, al massimo, più di, maggiore di, meno di, minore di, superiore a, "
        "inferiore a, tra, fra, compres*, o più, o meno"),
    "ja": _row("答え, 答えは, こたえ, 解答, 回答, 正解, 正答, 答.", "は, が, _", "結果, 解, 結論, 答",
        "選択肢, 正しいの, 選ぶの, 選び", "正しい, 正解, 適切",
        "では, じゃ, ない, かも, でしょうか, ですか, なら, とは限, わか, たぶん, おそらく, だろう, "
        "と仮定, とは, 思え, 以外, とすれば", "間違, 誤, 違い, 違う, 不正解, 待って",
        "もし, 仮に, ステップ, 途中, 中間, とすると, 手順, 仮定, 最初の, 例えば, たとえば, 例：",
        "以上, 以下, 未満, より大き, より小さ, より多, より少, 超え, 超, 少なくとも, 多くとも, 最低, "
        "最大, 最小, から"),
    "jv": _row("wangsulan, jawaban", "inggih, yaiku, _", "asil", "pilihan", "bener", "dudu, ora, mbokmenawa", "salah",
        "yen, langkah", "paling ora, luwih saka"),
    "ka": _row("პასუხი, პასუხია", "არის, …", "შედეგი", "ვარიანტი", "სწორი", "არ, შესაძლოა", "მცდარი, არასწორი",
        "თუ, ნაბიჯი", "მინიმუმ, მაქსიმუმ, სულ მცირე"),
    "kk": _row("жауап, жауабы", "…", "нәтиже, шешім", "нұсқа", "дұрыс", "емес, мүмкін", "қате, бұрыс", "егер, қадам",
        "кем дегенде, көп, аз"),
    "km": _row("ចម្លើយ", "គឺ, _", "លទ្ធផល", "ជម្រើស", "ត្រឹមត្រូវ", "មិន, ប្រហែល", "ខុស", "ប្រសិន, ជំហាន",
        "យ៉ាងហោចណាស់, ច្រើនជាង, តិចជាង"),
    "kn": _row("ಉತ್ತರ", "…", "ಫಲಿತಾಂಶ, ಪರಿಹಾರ", "ಆಯ್ಕೆ", "ಸರಿಯಾದ", "ಅಲ್ಲ, ಬಹುಶಃ", "ತಪ್ಪು", "ಒಂದು ವೇಳೆ, ಹಂತ",
        "ಕನಿಷ್ಠ, ಗರಿಷ್ಠ, ಹೆಚ್ಚು, ಕಡಿಮೆ"),
    "ko": _row("정답, 해답, 답변, 답", "은, 는, 이, _, 가", "결과, 풀이, 결론, 최종값", "선택지, 보기, 선택",
        "올바른, 옳은, 맞는, 정답, 맞, 옳",
        "아니, 아닙, 아닌, 수도, 입니까, 인가, 일까, 라면, 것입니다, 않, 모르, 못, 가정, 하면, 일지, "
        "할 수, 리가, 다면", "틀렸, 틀린, 틀림, 오답, 잘못, 실수, 잠깐",
        "만약, 만일, 아마, 가정, 단계, 중간, 혹시, 예를 들, 예시, 예:, 이를테면",
        "이상, 이하, 미만, 초과, 적어도, 최소, 최대, 많아야, 사이, 보다, 넘"),
    "lo": _row("ຄຳຕອບ, ຄໍາຕອບ", "ແມ່ນ, ຄື, _", "ຜົນລັບ, ຜົນໄດ້ຮັບ", "ຕົວເລືອກ", "ຖືກຕ້ອງ", "ບໍ່, ອາດ", "ຜິດ",
        "ຖ້າ, ຂັ້ນຕອນ", "ຢ່າງໜ້ອຍ, ຫຼາຍກວ່າ, ໜ້ອຍກວ່າ"),
    "lt": _row("atsakymas, ats.:", "yra, _", "rezultatas, sprendimas", "variantas", "teisingas", "nėra, ne, galbūt",
        "neteising*, klaid*", "jei, žingsnis", "bent, mažiausiai, daugiausia, daugiau nei, mažiau nei"),
    "lv": _row("atbilde", "ir, _", "rezultāts, risinājums", "variants", "pareizā, pareizais", "nav, ne, varbūt",
        "nepareiz*, kļūd*", "ja, solis", "vismaz, ne vairāk, vairāk nekā, mazāk nekā"),
    "mk": _row("одговор, одговорот", "е", "резултат, решение", "опција", "точен, точниот", "не, можеби",
        "погреш*, неточ*", "ако, чекор", "најмалку, барем, најмногу, повеќе од, помалку од"),
    "ml": _row("ഉത്തരം", "ആണ്, …", "ഫലം, പരിഹാരം", "ഓപ്ഷൻ", "ശരിയായ", "അല്ല, ഒരുപക്ഷേ", "തെറ്റ", "എങ്കിൽ, ഘട്ടം",
        "കുറഞ്ഞത്, പരമാവധി, കൂടുതൽ, കുറവ്"),
    "mr": _row("उत्तर", "आहे, …", "निकाल, उकल", "पर्याय", "बरोबर, योग्य, अचूक", "नाही, नव्हे, कदाचित", "चूक, चुकीच",
        "जर, पायरी, समजा, उदाहरणार्थ, उदा", "किमान, कमीत कमी, जास्तीत जास्त, पेक्षा"),
    "ms": _row("jawapan, jawapannya", "ialah, adalah, _", "keputusan, hasil, penyelesaian", "pilihan", "betul, tepat",
        "bukan, tidak, mungkin, adakah", "salah", "jika, langkah, adakah, contohnya, misalnya, andaikan",
        "sekurang-kurangnya, paling kurang, paling sedikit, paling banyak, lebih daripada, "
        "kurang daripada, antara"),
    "my": _row("အဖြေ", "မှာ, သည်, က, _", "ရလဒ်", "ရွေးချယ်မှု", "မှန်", "မဟုတ်", "မှား", "အကယ်၍, အဆင့်",
        "အနည်းဆုံး, အများဆုံး"),
    "ne": _row("उत्तर, जवाफ", "हो, …", "नतिजा, परिणाम, समाधान", "विकल्प", "सही", "होइन, छैन, सायद", "गलत",
        "यदि, चरण, के, उदाहरण, मानौं", "कम्तीमा, बढीमा, भन्दा"),
    "nl": _row("antwoord, eindantwoord, antw.:", "is, luidt, bedraagt, zijn, wordt, zou",
        "resultaat, oplossing, uitkomst, conclusie, eindresultaat, totaal:", "optie, keuze",
        "juiste, correcte, goede, juist, correct, goed", "niet, geen, nooit, misschien, wellicht, zou kunnen, kan",
        "fout*, onjuist*, verkeerd*, incorrect*, wacht",
        "als, indien, of, stel, stap, tussen*, deel, wanneer, betwijfel, mogelijk, misschien, zegt, "
        "denkt, eerste, veronderstel, bijvoorbeeld, voorbeeld, neem aan, laten we zeggen",
        "minstens, ten minste, tenminste, minimaal, hoogstens, maximaal, meer dan, groter dan, "
        "minder dan, kleiner dan, tussen, boven, onder, of meer, of minder"),
    "no": _row("svar, svaret", "er, blir, _", "resultat, resultatet, løsning, løsningen", "alternativ",
        "riktige, riktig, korrekt", "ikke, kanskje", "feil, galt",
        "hvis, om, trinn, kanskje, anta, for eksempel, la oss si", "minst, høyst, mer enn, mindre enn, mellom"),
    "pa": _row("ਉੱਤਰ, ਜਵਾਬ", "ਹੈ, …", "ਨਤੀਜਾ, ਹੱਲ", "ਵਿਕਲਪ", "ਸਹੀ", "ਨਹੀਂ, ਸ਼ਾਇਦ, ਕੀ", "ਗਲਤ, ਗ਼ਲਤ", "ਜੇ, ਕਦਮ",
        "ਘੱਟੋ-ਘੱਟ, ਘੱਟੋ ਘੱਟ, ਤੋਂ ਵੱਧ, ਤੋਂ ਘੱਟ"),
    "pl": _row("odpowiedź, odpowiedzią, odp.:, odp., odp:", "to, jest, brzmi, wynosi, będzie",
        "wynik, wynikiem, rozwiązanie, rozwiązaniem, wniosek", "opcja, opcją, wariant",
        "prawidłow*, poprawn*, właściw*", "nie, może, chyba, być może, czy, prawdopodobnie, mógł*, mogł*",
        "błęd*, fałsz*, niepopraw*, nieprawidł*, zła, złe, czekaj",
        "jeśli, jeżeli, gdyby, czy, krok, pośredni, częściow*, załóżmy, gdy, wątpię, możliwe, "
        "być może, może, mówi, myśli, załóż*, przypuś*, na przykład, przykład, powiedzmy",
        "co najmniej, przynajmniej, minimum, co najwyżej, najwyżej, maksymalnie, więcej niż, ponad, "
        "mniej niż, między, pomiędzy, powyżej, poniżej, większ*, mniejsz*"),
    "ps": _row("ځواب", "دی, _", "پایله", "انتخاب", "سم", "نه, ښايي", "غلط", "که, ګام", "لږ تر لږه"),
    "pt": _row("resposta, resp., resp.:, gabarito, r:", "é, seria, são, será, fica",
        "resultado, solução, conclusão, total:", "opção, alternativa, escolha, letra, item", "corret*, cert*",
        "não, nunca, talvez, pode, poderia, possivelmente, nenhum*, acaso",
        "incorret*, errad*, err*, fals*, equivocad*",
        "se, suponha, supondo, passo, parcial, intermedi*, primeira, quando, duvido, possível, "
        "talvez, diz, acha, suponhamos, seja, por exemplo, exemplo, digamos, admitamos",
        "pelo menos, no mínimo, ao menos, no máximo, mais de, mais que, maior que, maior do que, "
        "menos de, menos que, menor que, menor do que, entre, superior a, inferior a, ou mais, " "ou menos"),
    "ro": _row("răspuns, răspunsul, r:, r.:", "este, e, ar fi, va fi, sunt",
        "rezultat, rezultatul, soluție, soluția, soluţie, soluţia, concluzie",
        "varianta, variantă, opțiunea, opţiunea", "corect*", "nu, niciodată, poate, oare, posibil",
        "greșit*, greşit*, incorect*, eronat*, eroare",
        "dacă, oare, presupun*, pasul, parțial*, intermedi*, posibil, poate, mă îndoiesc, crede, "
        "spune, de exemplu, să zicem",
        "cel puțin, cel puţin, minimum, cel mult, maximum, mai mult, mai mare, mai puțin, mai puţin, "
        "mai mic, între, peste, sub"),
    "ru": _row("ответ, ответом, отв.:, отв.", "это, равен, равна, является, будет, составляет, таков, _",
        "результат, решение, итог, итого, вывод", "вариант, опция, выбор, выбираем", "правил*, верн*, верен",
        "не, нет, ли, возможно, может, наверное, вероятно, никогда, нельзя",
        "невер*, неправил*, ошиб*, ложн*, некоррект*, подожди*, стоп",
        "если, возможно, предполож*, допустим, шаг, промежуточн*, частичн*, когда, считает, думает, "
        "может быть, сомнева*, вероятно, наверное, говорит, пусть, например, пример, скажем",
        "не менее, не меньше, не более, не больше, минимум, максимум, по крайней мере, как минимум, "
        "больше, более, меньше, менее, между, свыше, от"),
    "si": _row("පිළිතුර", "…", "ප්‍රතිඵලය", "විකල්පය", "නිවැරදි", "නොවේ", "වැරදි", "නම්, පියවර",
        "අවම වශයෙන්, වැඩි, අඩු"),
    "sk": _row("odpoveď, odpoveďou, odp.:, odp.", "je, znie, _", "výsledok, riešenie", "možnosť, voľba", "správn*",
        "nie, možno, asi", "nesprávn*, chybn*, zl*", "ak, keby, krok, či, napríklad, povedzme",
        "aspoň, najmenej, najviac, viac ako, menej ako, medzi"),
    "sl": _row("odgovor", "je, se glasi", "rezultat, rešitev", "možnost", "pravilen, pravilna", "ni, ne, morda",
        "napač*, nepravil*", "če, korak, ali, na primer, recimo", "vsaj, največ, več kot, manj kot, med"),
    "so": _row("jawaabta, jawaab", "waa", "natiijada, natiijo", "doorashada", "saxda, sax", "maaha, ma aha", "khalad",
        "haddii, tallaabada", "ugu yaraan, ka badan, ka yar"),
    "sq": _row("përgjigja, përgjigjja", "është", "rezultati, zgjidhja", "opsioni", "saktë", "nuk, ndoshta",
        "gabim, gabuar", "nëse, hapi", "të paktën, më shumë se, më pak se"),
    "sr": _row("odgovor, одговор", "je, glasi, iznosi, је, гласи, износи, _", "rezultat, rešenje, резултат, решење",
        "opcija, опција", "tačan, tačna, тачан, тачна, ispravan", "nije, ne, možda, li, није, не, можда, ли",
        "pogreš*, netač*, погреш*, нетач*",
        "ako, da li, korak, ако, да ли, корак, možda, можда, sumnjam, na primer, recimo, на пример, " "рецимо",
        "bar, barem, najmanje, najviše, više od, manje od, veće od, između, бар, барем, најмање, "
        "највише, више од, мање од"),
    "sv": _row("svar, svaret, slutsvar", "är, blir, lyder, _",
        "resultat, resultatet, lösning, lösningen, slutresultat, slutsumma",
        "alternativ, alternativet, svarsalternativ", "rätt, rätta, korrekt, korrekta",
        "inte, ej, aldrig, kanske, kunde, möjligen", "fel, felaktig*, inkorrekt*",
        "om, ifall, anta, antag, steg, mellan*, del*, när, kanske, möjligen, tvivlar, antag*, säger, "
        "första, till exempel, exempelvis, låt oss säga",
        "minst, åtminstone, högst, maximalt, mer än, större än, mindre än, färre än, mellan, över, "
        "under, eller mer"),
    "sw": _row("jibu, jawabu", "ni, litakuwa", "matokeo, suluhisho, ufumbuzi", "chaguo", "sahihi",
        "si, sio, siyo, labda, huenda, je, hakuna",
        "makosa, kosa, si sahihi, lisilo sahihi, isiyo sahihi, lisilo, isiyo",
        "kama, ikiwa, iwapo, je, hatua, tuseme, labda, huenda, shaka, anadhani, kwa mfano, mfano, " "chukulia",
        "angalau, si chini ya, zaidi ya, chini ya, kati ya, isiyozidi, kubwa kuliko, ndogo kuliko, "
        "zaidi, pungufu"),
    "ta": _row("விடை, பதில், பதிலானது", "…", "தீர்வு, முடிவு", "விருப்பம், தேர்வு", "சரியான, சரி",
        "அல்ல, இல்லை, ஒருவேளை, முடியாது", "தவறு, தவறான",
        "என்றால், படி, ஒருவேளை, என வைத்து, எடுத்துக்காட்டாக, உதாரணமாக",
        "குறைந்தது, குறைந்தபட்சம், அதிகபட்சம், விட அதிக, விட குறை, மேல்"),
    "te": _row("సమాధానం, జవాబు", "…", "ఫలితం, పరిష్కారం", "ఎంపిక, ఆప్షన్", "సరైన",
        "కాదు, లేదు, బహుశా, కావచ్చు, అయితే, కాకపోవచ్చు", "తప్పు", "ఒకవేళ, దశ, బహుశా, అనుకుందాం, ఉదాహరణకు",
        "కనీసం, గరిష్టంగా, కంటే ఎక్కువ, కంటే తక్కువ, మధ్య"),
    "th": _row("คำตอบ, ตอบ", "คือ, เป็น, เท่ากับ, ข้อ, _", "ผลลัพธ์, วิธีทำ, สรุป", "ตัวเลือก, ข้อ, เลือก",
        "ถูกต้อง, ถูก", "ไม่, มิใช่, อาจ, ใช่ไหม, ไหม, หรือเปล่า, บางที", "ผิด, คลาดเคลื่อน",
        "ถ้า, หาก, สมมติ, ขั้นตอน, บางที, อาจ, สงสัย, คิดว่า, ตัวอย่าง, เช่น, สมมุติ",
        "อย่างน้อย, อย่างมาก, ไม่เกิน, มากกว่า, น้อยกว่า, ระหว่าง, ขึ้นไป, ไม่ต่ำกว่า"),
    "tl": _row("sagot, kasagutan", "ay", "resulta, solusyon", "pagpipilian, opsyon", "tamang, tama",
        "hindi, marahil, baka, ba", "mali, maling", "kung, hakbang, halimbawa, ipagpalagay",
        "hindi bababa, higit sa, mas mababa sa, pagitan"),
    "tr": _row("cevap, cevabı, cevabımız, yanıt, yanıtı, yanıtımız", "…", "sonuç, sonucu, çözüm",
        "seçenek, şık, şıkkı", "doğru",
        "değil*, belki, olabilir, mi, mı, mu, mü, ise, olamaz, yok*, bilmiyorum, acaba, mıdır, "
        "midir, mudur, müdür, olsaydı, varsay*, sanmıyorum", "yanlış*, hatalı*, hata*, bekle",
        "eğer, ara, adım, varsayalım, acaba, diyelim, belki, şüphe*, ilk, önceki, muhtemelen, diyor, "
        "örneğin, mesela, örnek",
        "en az, en azından, en çok, en fazla, arasında, üzerinde, altında, fazla*, çok*, büyük*, " "küçük*, aşağı*"),
    "uk": _row("відповідь, відповіддю, від-дь:, відп.:", "це, є, становить, дорівнює, буде, _",
        "результат, розв'язок, розв’язок, розв'язання, розв’язання, підсумок", "варіант, опція",
        "правил*, вірн*, коректн*", "не, ні, ніколи, можливо, може, чи, мабуть, навряд",
        "невірн*, неправил*, помил*, хибн*",
        "якщо, можливо, чи, припуст*, крок, проміжн*, коли, може, мабуть, сумніва*, каже, нехай, "
        "припустимо, наприклад, приклад, скажімо",
        "щонайменше, принаймні, не менше, не більше, мінімум, максимум, більше, менше, між, понад, " "від"),
    "ur": _row("جواب", "ہے, ہوگا, …", "نتیجہ, حل", "آپشن, انتخاب", "صحیح, درست", "نہیں, شاید, کیا, نہ, سکتا",
        "غلط, غلطی", "اگر, فرض, مرحلہ, شاید, کیا, فرض کریں, شک, مثال, مثلاً, مثلا",
        "کم از کم, زیادہ سے زیادہ, سے زیادہ, سے کم, سے بڑا, سے چھوٹا, کے درمیان"),
    "uz": _row("javob, javobi", "…", "natija, yechim", "variant", "to'g'ri, to‘g‘ri", "emas, balki",
        "noto'g'ri, xato", "agar, qadam", "kamida, ko'pi bilan, ortiq"),
    "vi": _row("câu trả lời, đáp án, đáp số, trả lời, đs:, đ/s:", "là, bằng, sẽ là, _", "kết quả, lời giải, kết luận",
        "phương án, lựa chọn, chọn, đáp án", "đúng, chính xác", "không, chưa, chẳng, có lẽ, có thể, phải chăng",
        "sai, nhầm, không đúng, không chính xác, khoan",
        "nếu, giả sử, bước, trung gian, liệu, khi, có lẽ, có thể, nghi ngờ, nghĩ, giả định, ví dụ, "
        "chẳng hạn, cho rằng, giả dụ",
        "ít nhất, tối thiểu, nhiều nhất, tối đa, lớn hơn, nhiều hơn, nhỏ hơn, ít hơn, trên, dưới, " "hơn, từ, giữa"),
    "wo": _row("tontu", "mooy, la, _", "njureef", "tànneef", "dëgg", "du, amul, xëy na", "baaxul, njuumte",
        "su, ndax", "gën néew"),
    "xh": _row("impendulo", "ngu-, yi-, ithi", "isiphumo", "ukhetho", "echanekileyo", "ayi*", "iphosa*",
        "ukuba, inyathelo", "ubuncinane, ngaphezu"),
    "yo": _row("ìdáhùn, idahun", "ni, jẹ́, _", "èsì, àbájáde, ojútùú, esi, abajade", "àṣàyàn", "tó tọ́, tọ́, tootọ",
        "kì í, kìí, kò, kọ́, bóyá, ṣé, ṣe, lè", "àṣìṣe, kò tọ́", "bí, tí, ṣé, ìgbésẹ̀, fún àpẹẹrẹ, àpẹẹrẹ",
        "ó kéré tán, ju"),
    "zh": _row("答案, 答, 最终结果, 最終結果", "是, 为, 為, 即, 等于, 等於, 应该是, 选, 選",
        "结果, 結果, 解, 结论, 結論, 解答", "选项, 選項, 选择, 選擇, 故选, 故選, 应选, 應選, 选, 選",
        "正确, 正確, 对, 對",
        "不, 非, 没, 無法, 无法, 可能, 也许, 也許, 或许, 或許, 大概, 吗, 嗎, 是否, 会是, 未必, 难道",
        "错, 錯, 误, 誤, 不对, 不對, 不正确, 等一下",
        "如果, 假设, 假設, 若, 假如, 倘若, 第一, 中间, 中間, 怀疑, 懷疑, 认为, 最初, 一开始, 例如, "
        "比如, 譬如, 假定, 举例, 步骤, 第一步, 上一步, 这一步",
        "至少, 至多, 最多, 最少, 不少于, 不超过, 不多于, 大于, 大於, 小于, 小於, 多于, 少于, 超过, "
        "超過, 低于, 高于, 以上, 以下, 之间, 之間, 介于"),
    "zu": _row("impendulo, umphumela", "ithi, ngu-, ingu-, yi-, iyi-, _", "isixazululo", "inketho", "efanele",
        "ayi*, akuyona, mhlawumbe, aku*", "iphutha, alungile", "uma, isinyathelo, isibonelo",
        "okungenani, ngaphezu, ngaphansi"),
}
# fmt: on

#: The letters that languages count options with, in order: the n-th stands for the n-th of A to J.
OPTION_LISTS = (
    "ABCDEFGHIJ", "АБВГДЕ", "ΑΒΓΔΕΖΗΘΙ", "أبجده", "ابجده", "אבגדהוזחטי", "アイウエオカキクケコ",
    "가나다라마바사아자차", "甲乙丙丁戊", "কখগঘঙচছজ", "कखगघङचछज", "अबसद", "કખગઘ", "ਕਖਗਘ", "అఆఇఈ", "அஆஇஈ", "ಅಆಇಈ",
    "കഖഗഘ", "กขคงจ", "აბგდე", "ԱԲԳԴԵ",
)  # fmt: skip

#: Words of any language that begin a reason, and "not" before another value: the answer ends before them.
REASONS = _split(
    "because, since, as, weil, da, denn, porque, ya que, pues, puesto que, puisque, car, parce, perché, poiché, "
    "pois, já que, omdat, want, ponieważ, gdyż, bo, потому что, так как, поскольку, ведь, тому що, оскільки, бо, "
    "protože, neboť, deoarece, pentru că, çünkü, karena, sebab, vì, bởi vì, 因为, 因為, 由于, なぜなら, "
    "왜냐하면, เพราะ, เนื่องจาก, لأن, زیرا, چون, کیونکہ, כי, क्योंकि, कारण, কারণ, ఎందుకంటే, ஏனெனில், kwa sababu, "
    "kwa kuwa, nítorí, γιατί, επειδή, διότι, mert, mivel, eftersom, fordi, koska"
)
CONTRASTS = _split(
    "not, nicht, no, pas, non, não, niet, nie, не, ne, nu, bukan, không phải, inte, ikke, όχι, nem, 不是, "
    "而不是, 而非, ではなく, وليس, لا, ולא, na, si"
)
