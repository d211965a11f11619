"""How each language announces a final answer: `cues.txt` is the one place to add a language, or a phrase.

A cue is a *noun* ("answer"), at most a few words, then a *copula* ("is"), a colon or a line break, then the answer.
"""

from typing import NamedTuple

from pbrlsvr.words import word_sections


class Cue(NamedTuple):
    """The words of one language around an answer; the sections of `cues.txt` say what they are."""

    nouns: tuple[str, ...]
    copulas: tuple[str, ...]
    results: tuple[str, ...]
    options: tuple[str, ...]
    right: tuple[str, ...]
    no: tuple[str, ...]
    wrong: tuple[str, ...]
    bounds: tuple[str, ...]


def _cues() -> dict[str, Cue]:
    sections = word_sections("cues")
    return {
        # "_" is the empty copula.
        code: Cue(*(tuple(word.strip("_") for word in sections[name].get(code, ())) for name in Cue._fields))
        for code in sections["nouns"]
    }


CUES = _cues()

#: The letters that languages count options with, in order: the n-th stands for the n-th of A to J.
OPTION_LISTS = (
    "ABCDEFGHIJ", "АБВГДЕ", "ΑΒΓΔΕΖΗΘΙ", "أبجده", "ابجده", "אבגדהוזחטי", "アイウエオカキクケコ",
    "가나다라마바사아자차", "甲乙丙丁戊", "কখগঘঙচছজ", "कखगघङचछज", "अबसद", "કખગઘ", "ਕਖਗਘ", "అఆఇఈ", "அஆஇஈ", "ಅಆಇಈ",
    "കഖഗഘ", "กขคงจ", "აბგდე", "ԱԲԳԴԵ",
)  # fmt: skip


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


#: Words of any language that begin a reason, and "not" before another value: the answer ends before them.
REASONS = _words(
    "that is, i.e., d. h., d.h., das heißt, es decir, o sea, c'est-à-dire, cioè, ossia, ou seja, isto é, "
    "dat wil zeggen, "
    "alltså, det vill säga, dvs., altså, eli, czyli, to znaczy, čili, то есть, тобто, "
    "because, since, as, weil, da, denn, porque, ya que, pues, puesto que, puisque, car, parce, perché, poiché, "
    "pois, já que, omdat, want, ponieważ, gdyż, bo, потому что, так как, поскольку, ведь, тому що, оскільки, бо, "
    "protože, neboť, deoarece, pentru că, çünkü, karena, sebab, vì, bởi vì, 因为, 因為, 由于, なぜなら, "
    "왜냐하면, เพราะ, เนื่องจาก, لأن, زیرا, چون, کیونکہ, כי, क्योंकि, कारण, কারণ, ఎందుకంటే, ஏனெனில், kwa sababu, "
    "kwa kuwa, nítorí, γιατί, επειδή, διότι, mert, mivel, eftersom, fordi, koska"
)
CONTRASTS = _words(
    "not, nicht, no, pas, non, não, niet, nie, не, ne, nu, bukan, không phải, inte, ikke, όχι, nem, 不是, "
    "而不是, 而非, ではなく, وليس, لا, ולא, na, si"
)
