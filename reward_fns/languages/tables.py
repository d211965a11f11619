"""Scripts, letters and languages that share credit: the tables that the other modules read.

Scripts have their ISO 15924 codes; "Hrkt" is hiragana and katakana together.
"""

#: First word of a letter's Unicode name -> its script. Letters whose name begins otherwise are in script "Zyyy".
SCRIPT_OF_NAME = {
    "LATIN": "Latn",
    "FEMININE": "Latn",
    "MASCULINE": "Latn",
    "CYRILLIC": "Cyrl",
    "GREEK": "Grek",
    "ARABIC": "Arab",
    "HEBREW": "Hebr",
    "ARMENIAN": "Armn",
    "GEORGIAN": "Geor",
    "DEVANAGARI": "Deva",
    "BENGALI": "Beng",
    "GURMUKHI": "Guru",
    "GUJARATI": "Gujr",
    "ORIYA": "Orya",
    "TAMIL": "Taml",
    "TELUGU": "Telu",
    "KANNADA": "Knda",
    "MALAYALAM": "Mlym",
    "SINHALA": "Sinh",
    "THAI": "Thai",
    "LAO": "Laoo",
    "TIBETAN": "Tibt",
    "MYANMAR": "Mymr",
    "KHMER": "Khmr",
    "ETHIOPIC": "Ethi",
    "HANGUL": "Hang",
    "HIRAGANA": "Hrkt",
    "KATAKANA": "Hrkt",
    "KATAKANA-HIRAGANA": "Hrkt",
    "CJK": "Hani",
    "IDEOGRAPHIC": "Hani",
}

#: Letters of an alphabet that one sign stands for. MGSM's English questions have 2.8 times the letters of the Chinese.
LETTERS_PER_SIGN = {"Hani": 3, "Hang": 2, "Hrkt": 2}

#: Scripts that decide the language alone: no model can be wrong about them, and none is asked.
LANGUAGE_OF_SCRIPT = {
    "Thai": "th",
    "Telu": "te",
    "Beng": "bn",
    "Hang": "ko",
    "Hrkt": "ja",
    "Hani": "zh",
    "Grek": "el",
    "Hebr": "he",
    "Armn": "hy",
    "Geor": "ka",
    "Guru": "pa",
    "Gujr": "gu",
    "Orya": "or",
    "Taml": "ta",
    "Knda": "kn",
    "Mlym": "ml",
    "Sinh": "si",
    "Laoo": "lo",
    "Tibt": "bo",
    "Mymr": "my",
    "Khmr": "km",
    "Ethi": "am",
}

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
    "arz": "ar",
    "ary": "ar",
    "fuv": "ff",
    "gcf": "ht",
    "gcr": "ht",
    "grc": "el",
    "gug": "gn",
    "hbo": "he",
    "pcm": "en",
    "uzs": "uz",
    "wuu": "zh",
    "yue": "zh",
}

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
