"""Scripts, letters and languages that share credit: the tables that the other modules read.

Scripts have their ISO 15924 codes; "Hrkt" is hiragana and katakana together.
"""

import keyword

#: First word of a letter's Unicode name -> its script. Letters whose name begins otherwise are in script "Zyyy".
SCRIPT_OF_NAME = {
    "LATIN": "Latn", "FEMININE": "Latn", "MASCULINE": "Latn", "CYRILLIC": "Cyrl", "GREEK": "Grek", "ARABIC": "Arab",
    "HEBREW": "Hebr", "ARMENIAN": "Armn", "GEORGIAN": "Geor", "DEVANAGARI": "Deva", "BENGALI": "Beng",
    "GURMUKHI": "Guru", "GUJARATI": "Gujr", "ORIYA": "Orya", "TAMIL": "Taml", "TELUGU": "Telu", "KANNADA": "Knda",
    "MALAYALAM": "Mlym", "SINHALA": "Sinh", "THAI": "Thai", "LAO": "Laoo", "TIBETAN": "Tibt", "MYANMAR": "Mymr",
    "KHMER": "Khmr", "ETHIOPIC": "Ethi", "HANGUL": "Hang", "HIRAGANA": "Hrkt", "KATAKANA": "Hrkt",
    "KATAKANA-HIRAGANA": "Hrkt", "CJK": "Hani", "IDEOGRAPHIC": "Hani",
}  # fmt: skip

#: Letters of an alphabet that one sign stands for. MGSM's English questions have 2.8 times the letters of the Chinese.
LETTERS_PER_SIGN = {"Hani": 3, "Hang": 2, "Hrkt": 2}

#: Scripts that decide the language alone: no model can be wrong about them, and none is asked.
LANGUAGE_OF_SCRIPT = {
    "Thai": "th", "Telu": "te", "Beng": "bn", "Hang": "ko", "Hrkt": "ja", "Hani": "zh", "Grek": "el", "Hebr": "he",
    "Armn": "hy", "Geor": "ka", "Guru": "pa", "Gujr": "gu", "Orya": "or", "Taml": "ta", "Knda": "kn", "Mlym": "ml",
    "Sinh": "si", "Laoo": "lo", "Tibt": "bo", "Mymr": "my", "Khmr": "km", "Ethi": "am",
}  # fmt: skip

#: What CLDR calls the script of a language -> the scripts its letters are in.
LETTERS_OF_SCRIPT = {
    "Hans": {"Hani"},
    "Hant": {"Hani"},
    "Jpan": {"Hani", "Hrkt"},
    "Kore": {"Hang", "Hani"},
    "Aran": {"Arab"},
}

#: Languages that are written in more scripts than the one that CLDR finds likeliest.
MORE_SCRIPTS = {"sr": {"Latn"}, "uz": {"Cyrl", "Arab"}, "az": {"Cyrl", "Arab"}, "kk": {"Latn"}, "pa": {"Arab"}}

#: Languages that share full credit: standards of one language, or apart only to a reader of a whole page. They count as
#: one language everywhere; the first of a row stands for it.
SHARED_CREDIT = (
    ("sr", "hr", "bs", "cnr"),
    ("id", "ms"),
    ("no", "nb", "nn", "da"),
    ("zu", "xh", "ss", "nr"),
    ("zh", "yue", "wuu", "lzh", "nan", "hak", "gan", "hsn"),
    ("ar", "arz", "ary", "apc"),
    ("fa", "prs"),
    ("bn", "as"),
    ("am", "ti"),
    ("he", "yi"),
    ("bo", "dz"),
    ("de", "gsw"),
)

#: Labels of py3langid that are reported as another language: creoles, and old or regional forms of it.
REPORTED_AS = {
    "arz": "ar", "ary": "ar", "fuv": "ff", "gcf": "ht", "gcr": "ht", "grc": "el", "gug": "gn", "hbo": "he",
    "pcm": "en", "uzs": "uz", "wuu": "zh", "yue": "zh",
}  # fmt: skip

#: Neighbours that short text mixes up. A neighbour of the expected language, found in a short segment, proves nothing:
#: the segment is put with the other doubtful ones, and the longer text is judged.
NEIGHBOURS = (
    ("hi", "mr", "ne", "gom", "sa", "bho", "mai", "awa"),
    ("pt", "gl", "es", "an", "ext", "ast", "ca", "oc"),
    ("it", "vec", "lij", "co", "scn"),
    ("cs", "sk"),
    ("af", "nl", "fy", "li"),
    ("de", "lb"),
    ("ru", "uk", "be"),
    ("bg", "mk", "sr", "ru"),
    ("sw", "ln", "rw", "kik", "sn", "mg"),
    ("ur", "pnb", "skr"),
)

#: Languages that a model drifts into: those of MGSM and MMLU-ProX. Only they count against a language that the
#: identifier does not know, since it must call such a text by a wrong name.
WIDELY_MODELLED = frozenset(
    {"af", "ar", "bn", "cs", "de", "en", "es", "fr", "hi", "hu", "id", "it", "ja", "ko", "mr", "ne"}
)
WIDELY_MODELLED |= {"pt", "ru", "sr", "sw", "te", "th", "uk", "ur", "vi", "yo", "zh", "zu"}

#: Cyrillic and Greek letters that look Latin -> the Latin letter.
LOOKS_LATIN = dict(
    zip(
        "аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅԌԚԜονικρυαΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "aeopcyxijshdqwABEKMHOPCTYXIJSGQWovikpuaABEZHIKMNOPTYX",
        strict=True,
    )
)
#: Latin letters that look Cyrillic -> the Cyrillic letter.
LOOKS_CYRILLIC = dict(zip("aeopcyxijsABEKMHOPCTYXIJS", "аеорсухіјѕАВЕКМНОРСТУХІЈЅ", strict=True))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Commands of LaTeX that are mathematics in any language. Of others, such as `\\first`, the name may be a word.
MATH_COMMANDS = _words(
    """frac dfrac tfrac cfrac sqrt cdot cdots ldots dots times div pm mp le leq ge geq lt gt ne neq approx equiv sim
    cong propto infty sum prod int lim log ln exp sin cos tan cot arcsin arccos arctan max min gcd bmod pmod mod binom
    boxed fbox text textbf mathrm mathbf mathbb mathcal operatorname left right big Big bigl bigr quad qquad
    to mapsto rightarrow Rightarrow leftarrow implies iff therefore because mid nmid in notin subset subseteq cup cap
    emptyset forall exists neg land lor angle triangle circ degree perp parallel overline underline hat bar vec prime
    lfloor rfloor lceil rceil langle rangle lvert rvert hline begin end displaystyle
    alpha beta gamma delta epsilon varepsilon theta lambda mu nu pi rho sigma tau phi varphi omega Delta Sigma
    Omega Gamma Theta Lambda Phi Pi"""
) | {
    f"{edge}{{{name}}}"
    for edge in ("begin", "end")
    for name in ("align", "align*", "aligned", "equation", "equation*", "gather", "gather*", "gathered", "cases",
                 "array", "matrix", "pmatrix", "bmatrix", "vmatrix", "split", "multline", "eqnarray", "eqnarray*")
}  # fmt: skip

#: Names of functions that are written without a backslash, too.
MATH_FUNCTIONS = _words("sin cos tan cot log ln exp max min gcd lcm mod lim det")

#: Words of programming languages, addresses and tags that are in no human language, whatever they look like.
PROGRAM_WORDS = frozenset(keyword.kwlist) | _words(
    """abs all any append bool break case catch char class cin console const cout decimal def dict do double elif
    else end endl enumerate except export extend false final float format fractions function go iostream http https www
    com org net html import include int integer isinstance items join js json key keys lambda len let list log long main
    map math max min mod new none np null numpy object pandas pd pow print printf private public py python range
    return reversed round self set solve sorted split sqrt static std str string struct sum sympy switch symbols true
    tuple type val value values var void while zip think answer div span br hr li ol ul td tr table img href src
    align aligned equation latex bash cpp java javascript rust sql txt"""
)

#: Common English words, above all of solutions to word problems, that are no words of another language, or rare ones.
ENGLISH_WORDS = _words(
    """about after again altogether amount and another answer because before being between both buys calculate
    costs could divide divided does doing down during each earns eats either equal equals every example finally find
    first following from gets give given gives goes have having hence how however into itself know leaves left
    less makes making many means more much multiplied multiply multiplying need needs next number only other out
    remain remaining remains right same says sells she should since solve spends step steps
    subtract subtracted subtracting takes that the their them then there therefore these they third this those
    three through thus times together twice two until using were what when where which while who whole with
    without would you your"""
)

#: English words that hold sentences together; in code and its comments they are rare.
ENGLISH_PARTICLES = _words(
    """a an are at be been but by can could did does each every had has have he her here his how i it its my of on our
    she so than that the their then there these they this those to was we were what when where which who will would you
    your"""
)
