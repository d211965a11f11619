"""The one number that a sentence has in words: "So she sells sixty-four eggs.", "Basi atapata maembe tisa."

The words are those that `pbrlsvr.answers.spelled` reads. "One" alone is no number
(it is an article, or "the one"), and neither is one behind "the", "all" or "these", which counts what is known:
`number_words.txt` has these words.
"""

import re
import unicodedata
from functools import cache, lru_cache

from pbrlsvr.responses.cue_patterns import any_of
from pbrlsvr.responses.values import SIGNS
from pbrlsvr.words import fold, word_sections, word_table

_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{SIGNS}]|['’ʼ\u200c-](?=[^\W\d_])){{0,59}}")
_ARABIC = str.maketrans("أإآىة", "ااايه", "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652")
_KEY = re.compile(r"([x+h~&a]?)([\d./-]*)=")
# What is written to the number: Bengali's classifiers.
_COUNTERS = {"bn": ("টি", "টা", "জন", "খানা")}
# So many characters behind a number, and words, its half or thousand may stand.
_REACH, _WORDS = 32, 4
_OF_SO_MANY = re.compile(r"(?:iki|üç|dört|beş|altı|yedi|sekiz|dokuz|on|yüz|bin)[td][ea]\s\Z")
_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
# "Yedi" is seven, and "ate" at the end of a sentence.
_ATE = re.compile(r"\byedi(?=\W*\Z)")
# Behind these numbers of two languages a word for what is counted must stand: they are the beginning of other words.
_THAI_UNITS = (
    "ชิ้น คน บาท ลูก ตัว อัน วัน ชั่วโมง นาที เล่ม ใบ แผ่น กิโล เมตร ต้น ดอก เดือน ปี สัปดาห์ ผล ฟอง ขวด กล่อง ถุง แท่ง คัน หลัง ห้อง"
    " หน้า เม็ด แก้ว จาน คู่ กรัม ลิตร องศา เซนติเมตร ตาราง ด้าม ก้อน เปอร์เซ็นต์"
).replace(" ", "|")
_THAI = re.compile(
    r"(?:หนึ่ง|เอ็ด|สอง|ยี่|สาม|สี่|ห้า|หก|เจ็ด|แปด|เก้า|สิบ|ร้อย|พัน|หมื่น|แสน|ล้าน){1,12}"
    rf"(?=\s?(?:{_THAI_UNITS}))(?!\s?(?:{_THAI_UNITS})ครึ่ง)"
)
_KOREAN_UNITS = (
    "개 명 살 마리 권 대 장 송이 병 시간 잔 그루 켤레 자루 봉지 상자 쪽 달 사람"
    " 조각 알 판 줄 척 채 벌 통 묶음 배 바퀴 입니다 이다 이에요 예요"
).replace(" ", "|")
_UNITS = "두|둘|세|셋|네|넷|다섯|여섯|일곱|여덟|아홉"
_KOREAN = re.compile(
    rf"(?<![가-힣])(?:(?:열|스물|서른|마흔|쉰|예순|일흔|여든|아흔)(?:한|하나|{_UNITS})?|스무|{_UNITS})(?=\s?(?:{_KOREAN_UNITS}))"
)


@cache
def _beside(section: str) -> re.Pattern[str]:
    """The words of a section of `number_words.txt`, of all languages; also all words for parts, "thirds"."""
    parts = [word for key, words in word_table("spelled").items() if key[:2] == "1/" for word in words]
    words = [word for words in word_sections("number_words")[section].values() for word in words]
    return any_of([*words, *parts] if section == "part" else words)


@cache
def dozen() -> re.Pattern[str]:
    """Words for "dozen" of all languages, in texts that `pbrlsvr.words.fold` has folded."""
    return re.compile(fold("|".join(word_table("scales")["12"])))


@cache
def _lexicon(code: str) -> dict[str, tuple[str, str]]:
    """Folded word -> its kind and value, as in the table."""
    found, place = {}, 0
    for entry in word_table("spelled").get(code, ()):
        key = _KEY.match(entry)
        kind, value = (key[1] or "n", key[2]) if key else ("n", str(place))
        place += key is None
        for word in (entry[key.end() :] if key else entry).split("/"):
            found[_fold(word).replace("-", "")] = kind, value
    return found


def _fold(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().translate(_ARABIC).replace("\u200c", "")


@lru_cache(maxsize=4096)
def _kind(word: str, code: str) -> str:
    """What a word is put together of: "" for none, "1" for one, "n" for a number, "&" for "and"."""
    lexicon = _lexicon(code)
    folded = _fold(word).replace("-", "").replace("’", "'")
    rest = next((end for end in _COUNTERS.get(code, ()) if folded.endswith(_fold(end))), "")
    folded = folded.removesuffix(_fold(rest)) if rest else folded
    if not rest and folded in map(_fold, word_sections("number_words")["other"].get(code, ())):
        return ""
    if folded in lexicon:
        kind, value = lexicon[folded]
        return {"a": "", "&": "&"}.get(kind, "1" if (kind, value) == ("n", "1") else "n")
    reach: dict[int, bool] = {0: False}
    for start in range(len(folded)):
        for end in range(len(folded), start, -1) if start in reach else ():
            if end not in reach and lexicon.get(folded[start:end], "a")[0] in tuple("nx+h~&"):
                reach[end] = reach[start] or lexicon[folded[start:end]][0] in tuple("nx")
    return "n" if reach.get(len(folded)) else ""


def only_number(lower: str, begin: int, codes: tuple[str, ...]) -> tuple[int, int] | None:
    """Where the one number in words of a sentence without digits stands, with the half or the thousand behind it; None
    where there is none, or several.

    >>> only_number("so she sells sixty-four thousand eggs a day", 0, ("en",)), only_number("so it is one", 0, ("en",))
    ((13, 32), None)
    >>> only_number("so nine each for three children", 0, ("en",)), only_number("so the two meet", 0, ("en",))
    (None, None)
    """
    found = {place for code in codes for place in _runs(lower, begin, code)}
    if len(found) != 1:
        return None
    start, end = found.pop()
    # "beşte iki": two fifths.
    if "tr" in codes and _OF_SO_MANY.search(lower, begin, start):
        return None
    signs = [
        word.start() for word in _beside("minus").finditer(lower, begin, start) if not lower[word.end() : start].strip()
    ]
    behind = [word.end() for name in ("part", "scale") for word in _beside(name).finditer(lower, end, end + _REACH)]
    behind = [stop for stop in behind if len(_WORD.findall(lower, end, stop)) <= _WORDS]
    # "The three quarters of the cake" are none that is known.
    if not behind and counts_what_is_known(lower, begin, start):
        return None
    return min([start, *signs]), max([end, *behind])


def counts_what_is_known(lower: str, begin: int, start: int) -> bool:
    """Whether the number at `start` stands behind "the", "all" or the like: "for the 16 glasses"."""
    return any(not lower[word.end() : start].strip() for word in _beside("known").finditer(lower, begin, start))


def _runs(lower: str, begin: int, code: str) -> list[tuple[int, int]]:
    """The numbers in words of one language; of those that are "one", only what is no article."""
    pattern = {"th": _THAI, "ko": _KOREAN}.get(code)
    if pattern:
        return [found.span() for found in pattern.finditer(lower, begin)]
    if not _lexicon(code):
        return []
    # "तीन-चौथाई"
    lower = _HYPHEN.sub(lambda found: " " if _beside("part").match(lower, found.end()) else "-", lower)
    if code == "tr":
        lower = _ATE.sub(lambda found: " " * len(found[0]), lower)
    runs: list[list[int]] = []
    joined = False
    for word in _WORD.finditer(lower, begin):
        near = bool(runs) and (joined or not lower[runs[-1][1] : word.start()].strip(" -"))
        kind = _kind(word[0], code) or ("n" if near and _beside("scale").fullmatch(word[0]) else "")
        if kind == "&" and near:
            joined = True
            continue
        if kind in ("n", "1"):
            if near:
                runs[-1][1:] = word.end(), runs[-1][2] + 1, 0
            else:
                runs.append([word.start(), word.end(), 1, kind == "1"])
        joined = False
    ones = [end for _, end, _, is_one in runs if is_one]
    kept = [(start, end) for start, end, _, is_one in runs if not is_one]
    # "One hour and six minutes"
    behind = [word[0] for end in ones for start, _ in kept for word in _WORD.finditer(lower, end, max(end, start))]
    return [] if any(_kind(word, code) == "&" for word in behind) else kept
