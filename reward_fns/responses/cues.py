"""How each language announces a final answer: the one place to add a language, or a phrase.

A cue is a *noun* ("answer"), at most a few words, then a *copula* ("is") or a colon, then the answer. An empty copula
says that the answer may follow the noun directly, as in Hindi "उत्तर 18 है" or Hungarian "A válasz 18". A noun that
several languages share gets the copulas of all of them. Nouns and copulas are lower case.

The rows cover the 29 languages of MMLU-ProX and the 11 of MGSM, and some more. Words for "result" and "solution" are
left out: in worked solutions they name intermediate steps.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple


class Cue(NamedTuple):
    """The words of one language that announce an answer."""

    nouns: tuple[str, ...]
    copulas: tuple[str, ...] = ()


CUES: dict[str, Cue] = {
    "af": Cue(("antwoord",), ("is",)),
    "ar": Cue(("الإجابة", "الاجابة", "الجواب", "إجابة", "جواب"), ("هي", "هو", "تساوي", "يساوي")),
    "bg": Cue(("отговор", "отговорът"), ("е",)),
    "bn": Cue(("উত্তর", "উত্তরটি", "উত্তরঃ"), ("হল", "হলো", "হ'ল", "হচ্ছে", "")),
    "ca": Cue(("resposta",), ("és",)),
    "cs": Cue(("odpověď", "odpovědí"), ("je", "zní")),
    "da": Cue(("svar", "svaret"), ("er",)),
    "de": Cue(("antwort",), ("ist", "lautet", "beträgt", "wäre", "")),
    "el": Cue(("απάντηση",), ("είναι",)),
    "en": Cue(("answer",), ("is", "equals", "be")),
    "es": Cue(("respuesta",), ("es", "sería")),
    "fa": Cue(("پاسخ", "جواب"), ("برابر", "")),
    "fi": Cue(("vastaus",), ("on",)),
    "fr": Cue(("réponse",), ("est", "serait")),
    "he": Cue(("תשובה",), ("היא",)),
    "hi": Cue(("उत्तर", "जवाब"), ("है", "होगा", "")),
    "hu": Cue(("válasz",), ("az", "tehát", "")),
    "id": Cue(("jawaban", "jawabannya"), ("adalah", "ialah")),
    "it": Cue(("risposta",), ("è", "e'")),
    "ja": Cue(("答え", "こたえ", "解答", "回答", "正解", "答"), ("は", "が")),
    "ko": Cue(("답", "답변"), ("은", "는", "이")),
    "mr": Cue(("उत्तर",), ("आहे", "")),
    "ms": Cue(("jawapan", "jawapannya"), ("ialah", "adalah")),
    "ne": Cue(("उत्तर", "जवाफ"), ("हो", "")),
    "nl": Cue(("antwoord",), ("is", "luidt")),
    "pl": Cue(("odpowiedź", "odpowiedzią"), ("to", "jest", "brzmi")),
    "pt": Cue(("resposta",), ("é", "seria")),
    "ro": Cue(("răspuns", "răspunsul"), ("este", "e")),
    "ru": Cue(("ответ", "ответом"), ("это", "равен", "является", "будет", "составляет", "")),
    "sr": Cue(("odgovor", "одговор"), ("je", "glasi", "је", "гласи", "")),
    "sv": Cue(("svar", "svaret"), ("är",)),
    "sw": Cue(("jibu", "jawabu"), ("ni",)),
    "te": Cue(("సమాధానం", "జవాబు"), ("",)),
    "th": Cue(("คำตอบ", "ตอบ"), ("คือ", "เป็น", "เท่ากับ", "")),
    "tr": Cue(("cevap", "yanıt"), ("",)),
    "uk": Cue(("відповідь", "відповіддю"), ("це", "є", "становить", "")),
    "ur": Cue(("جواب",), ("ہے", "")),
    "vi": Cue(("câu trả lời", "đáp án", "đáp số", "trả lời"), ("là",)),
    "wo": Cue(("tontu",), ("mooy", "la")),
    "yo": Cue(("ìdáhùn", "idahun"), ("ni",)),
    "zh": Cue(("答案", "答"), ("是", "为", "為", "即", "等于", "等於")),
    "zu": Cue(("impendulo",), ("ithi", "ngu-", "ingu-", "yi-", "iyi-")),
}

_NUMERALS = "〇零一二三四五六七八九十百千万萬億亿兆两兩壹贰叁肆伍陆柒捌玖拾"
# What an answer can begin with: a number behind signs, brackets, currency ("Rs", not "Step") and markup; or LaTeX; or
# one choice letter.
_VALUE_FIRST = re.compile(
    rf"[^\w\n]{{0,12}}(?:(?:[A-Z]{{1,4}}|[a-z]{{1,4}}|[A-Z][sp]h?)?[^\w\n]{{0,3}}\d|[{_NUMERALS}]|\\[a-z]|[A-JＡ-Ｊ](?![a-zA-Z]))"
)
_LEAD = re.compile(r"[^\n.,;:!?。，；：！？।؟、]{0,24}\Z")
_VALUE = re.compile(rf"[\d{_NUMERALS}½⅓⅔¼¾십백천만억]|\\[a-z]|(?<![^\W\d_])[A-JＡ-Ｊ](?![a-zA-Z])")
# Between a noun and its copula: a few words ("answer to the question is"), no end of a sentence, no Chinese "not".
_GAP = r"[^\n不.,;:!?。：；！？।؟=0-9]{0,32}?"
_SKIP = re.compile(r"(?:[\s:：=*_>`\"“”«»,，]|[-–—](?=\s))*")
_SENTENCE_END = re.compile(r"\n|[。！？।॥۔؟]|[!?](?=\s|\Z)|(?<=\d)\.(?=[*_]*(?:\s|\Z))|\.(?=[*_]*(?:\s+\D|\s*\Z))")
# A text has one final answer: more cues than these are looked at only by who floods a response with them.
_CANDIDATES = 32


def has_value(text: str) -> bool:
    """Whether the text holds something that an answer could be: a digit, a numeral, LaTeX, or a lone letter A-J."""
    return _VALUE.search(text) is not None


def value_first(text: str) -> bool:
    """Whether the text is an answer from its beginning: a value behind at most signs, a currency and markup.

    A letter is one only if it stands alone or is marked, as in "C", "(C)", "C. Paris".
    """
    first = _VALUE_FIRST.match(text)
    return first is not None and (not first[0][-1:].isalpha() or _is_option(text, first.end()))


def _is_option(text: str, end: int) -> bool:
    character = text[end - 1]
    is_letter = "A" <= character <= "J" or "Ａ" <= character <= "Ｊ"
    return not is_letter or text[end : end + 1] in ")].:*_" or not text[end:].strip()


def _compile(noun: str, copulas: set[str]) -> re.Pattern[str]:
    def bounded(word: str) -> str:
        # Scripts written without spaces, or with suffixes on the word, have no boundary to ask for.
        return rf"(?<![^\W\d_]){re.escape(word)}(?![^\W\d_])" if word.isascii() else re.escape(word)

    named = "|".join(bounded(word) for word in sorted(copulas - {""}, key=len, reverse=True)) or "(?!)"
    direct = rf"(?=[^\w\n]{{0,8}}(?i:{_VALUE_FIRST.pattern}))|" if "" in copulas else ""
    return re.compile(rf"{re.escape(noun)}(?:{direct}{_GAP}(?:(?:{named})(?=[^\n])|[*_ ]*[:：=]))")


def _nouns() -> dict[str, re.Pattern[str]]:
    copulas: dict[str, set[str]] = {}
    for cue in CUES.values():
        for noun in cue.nouns:
            for form in ("NFC", "NFD"):
                words = (unicodedata.normalize(form, copula) for copula in cue.copulas)
                copulas.setdefault(unicodedata.normalize(form, noun), set()).update(words)
    return {noun: _compile(noun, words) for noun, words in copulas.items()}


_NOUNS = _nouns()


def _lower(text: str) -> str:
    lower = text.lower()
    # A few letters ("İ") grow in lower case; positions must stay those of the text.
    return lower if len(lower) == len(text) else "".join(c if len(c.lower()) != 1 else c.lower() for c in text)


def _lead(text: str, start: int, position: int) -> int:
    """Where the phrase of the cue begins: "So the final" answer is, when that is all since the last punctuation."""
    window = text[max(start, position - 25) : position]
    lead = _LEAD.search(window)
    begin = position - len(lead[0]) if lead else position
    whole = lead is not None and (lead.start() > 0 or position - len(window) == start)
    return begin if whole else position


def find_cue(text: str, start: int, end: int, in_code: Callable[[int], bool]) -> tuple[int, int, int] | None:
    """Finds the last cue that an answer follows, in any language.

    Args:
        text: the response.
        start: where to begin, an index into the text.
        end: where to stop.
        in_code: tells whether a position is in code, where no cue counts.

    Returns:
        Where the cue begins, where the answer begins, and where it ends: at the end of its line or sentence. A cue
        before something with a value in it goes before a later one without. None when there is no cue.
    """
    lower = _lower(text)
    candidates: list[tuple[int, str]] = []
    for noun in _NOUNS:
        position = lower.rfind(noun, start, end)
        for _ in range(_CANDIDATES):
            if position < 0:
                break
            candidates.append((position, noun))
            position = lower.rfind(noun, start, position)
    fallback: tuple[int, int, int] | None = None
    for position, noun in sorted(candidates, reverse=True):
        # In scripts with spaces and few prefixes, a noun inside of a longer word is another word.
        inside_word = noun.isascii() and lower[position - 1 : position].isalpha()
        if inside_word or in_code(position):
            continue
        cue = _NOUNS[noun].match(lower, position, end)
        if cue is None:
            continue
        skipped = _SKIP.match(text, cue.end(), end)
        begin = skipped.end() if skipped else cue.end()
        stop = _SENTENCE_END.search(text, begin, end)
        answer = (_lead(text, start, position), begin, stop.start() if stop else end)
        if has_value(text[begin : answer[2]]):
            return answer
        if answer[1] < answer[2]:
            fallback = fallback or answer
    return fallback
