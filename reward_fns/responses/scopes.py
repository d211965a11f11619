"""Sentences that hold an answer and do not state their writer's own: `scopes.txt` has the words of each reason.

    an example          "Example: the answer is 18"
    somebody else's     "The book says the answer is 18", "Many would say that it is"; not "We see that the answer is"
    of something else   "The answer to part (a) is 18"
    conditional         "The answer is 18 if she sells all", "Unless she bakes, the answer is 18"; not "If we add them"
    doubted             "Probably the answer is 18", "It is tempting to think that the answer is 18"
    qualified           "The answer for Monday is 18, but the question asks for the week"
    taken back          "The answer is 18. Wait, I forgot"
    guessed             "I think it is about 18"

What stands beside the noun or the value and denies, asks or bounds is in `pbrlsvr.responses.cues`; and what makes
another number of a number ("twice 18", "18 or 20") in `pbrlsvr.answers.changes`, which reads answers without sentences.
"""

import re
from functools import cache
from typing import NamedTuple

from pbrlsvr.responses.cue_patterns import any_of, codes_of, is_unspaced
from pbrlsvr.responses.cues import CUES
from pbrlsvr.words import scope_words

#: The end of a sentence, not of its clauses.
FULL_STOP = re.compile(r"[\n!?。！？।॥؟|]|\.(?=\s)")
#: "(a)" or "a)" between a noun and its value, or "(가)의" before it: the label of a part.
_LABEL = re.compile(
    r"(?<![^\W\d_])[(（]?[a-eа-гα-δ가-라ก-งক-ঘक-घ][)）]"
    r"|[(（]\d[)）]\s?(?:の|的|의)|\b(?:to|auf|zu|à|de|di|para|of) [(（]\d[)）]"
)
# What remains is a part, and none of the question's.
_REMAINING = re.compile(
    r"remain|verbleib|übrig|rest[ae]n|restlich|залиш|остав|осталь|pozosta|zbýva|zbyl|zbytek|kalan|المتبق|باقی|باقي|शेष|बच[ाीे]"
    r"|বাকি|অবশিষ্ট|మిగిలిన|மீத|còn lại|sisa|tersisa|iliyobaki|เหลือ|남은|나머지|剩|残り|残る|maradék|jäljellä|υπόλοιπ|återst"
)
# "Ali'ye göre cevap 40": the word behind whom it follows.
_VIEW = re.compile(r"\b[^\W\d_a-z]\w+['’]\w{1,4} (?:göre|görə)\b")
# "Ah, wait", 아, 잠깐만요
_OH = re.compile(r"\A(?:[^\W\d_]{1,3}[,،、，]\s?)?")
_COMMA = re.compile(r"[,:;，、：；،]")
_NAME = re.compile(r"\s(?:(?:a|à|el|la|le|il|o|de|den|der|van|vom|zu)\s)?([^\W\d_]+)")
_OWNER = re.compile(r"([^\W\d_]+)['’]s (?:[a-z]{1,12} )?\Z")
_BY = re.compile(
    r"\s(?:(?:given|found|dada|donnée|data)\s)?(?:de|di|by|par|da|do|van|av|af)\s[A-ZÀ-Þ][^\W\d_]+\s"
    r"|\s(?:that\s)?[A-Z][a-z]+\s(?:found|got|gets|gave|gives|wrote|obtained|has)\s"
)
_MARKUP = " *_#>\"'-–—•(（"
_HEAD = 160
_NEXT = 32
_WORDS_OF_A_NAME = 3


class Scope(NamedTuple):
    """The words of the languages that have a noun, for each reason."""

    example: re.Pattern[str]
    says: re.Pattern[str]
    according: re.Pattern[str]
    part: re.Pattern[str]
    if_: re.Pattern[str]
    if_would: re.Pattern[str]
    would: re.Pattern[str]
    unreal: re.Pattern[str]
    but: re.Pattern[str]
    wait: re.Pattern[str]
    guess: re.Pattern[str]
    about: re.Pattern[str]
    of: re.Pattern[str]
    that: re.Pattern[str]
    not_that: re.Pattern[str]
    concludes: re.Pattern[str]
    doubt: re.Pattern[str]
    doubts: re.Pattern[str]
    calculates: re.Pattern[str]
    gets: re.Pattern[str]
    next: re.Pattern[str]
    now: re.Pattern[str]
    must: re.Pattern[str]
    pays: re.Pattern[str]
    check: re.Pattern[str]
    likelihood: re.Pattern[str]
    others: re.Pattern[str]
    refers: re.Pattern[str]
    this: re.Pattern[str]
    can: re.Pattern[str]
    without: re.Pattern[str]
    that_word: re.Pattern[str]
    data: re.Pattern[str]
    people: re.Pattern[str]
    to: re.Pattern[str]
    refused: re.Pattern[str]
    owned: re.Pattern[str]
    rejects: re.Pattern[str]
    property: re.Pattern[str]
    then: re.Pattern[str]
    range: re.Pattern[str]

    def states(self, lower: str, noun: tuple[int, int], begin: int, value: tuple[int, int], end: int) -> bool:
        """Whether a sentence states its writer's final answer.

        Args:
            lower: the text in lower case.
            noun: where "answer" begins and ends.
            begin: where what the noun announces begins.
            value: where its value begins and ends.
            end: the end of the sentence.
        """
        first, second = sorted((noun, value))
        head, link = lower[sentence_begin(lower, first[0]) : first[0]], lower[first[1] : second[0]]
        if self.gets.search(link):
            # Dutch "als" is "if", and in "als uitkomst krijgen we 18" it is "as".
            head = head.removesuffix("als ")
        tail = lower[second[1] : end]
        head, link = self.likelihood.sub(" ", head), self.likelihood.sub(" ", link)
        return not (
            self.example.match(head.lstrip(_MARKUP))
            or self.says.search(head)
            or self.says.search(tail)
            # A conclusion has no noun: "Luego, la fracción que queda es".
            or (noun[0] < noun[1] and self.that.search(head) and not self.concludes.search(head))
            or self.not_that.search(head)
            or self.according.search(head)
            or self.without.search(head)
            or (self.doubt if noun[0] < noun[1] else self.doubts).search(f"{_clause(head)} \0 {link}")
            # "The book's answer", "教科書の答え"
            or (noun[0] < noun[1] and self.owned.search(head[-40:]))
            or self._is_of_a_part(head, lower[noun[1] : begin], link + lower[value[0] : value[1]])
            or self._is_conditional(head, link, tail)
            or self.but.search(tail)
            or self._is_guessed(head, link, tail)
            or self._waits(lower[end : end + _NEXT].lstrip(" .!?。！।…*\n¿¡"))
            or self._is_refused(lower[end : end + _HEAD])
            # Thai ends no sentence but by a space.
            or ("\u0e00" <= lower[noun[0]] <= "\u0eff" and any(self.wait.match(run) for run in tail.split(" ")[1:4]))
        )

    def _waits(self, following: str) -> bool:
        return any(map(self.wait.match, (following, _OH.sub("", following))))

    def _is_of_a_part(self, head: str, before: str, link: str) -> bool:
        clause = _COMMA.split(head)[-1][-24:]
        # A letter may be a part's: "the answer to part C".
        if self.part.search(link) or (self.part.search(clause) and not _REMAINING.search(clause)):
            return True
        # "The answer in the back of the book is 18"
        if ":" not in before and self.people.search(before):
            return True
        # "**Antwort des Schülers:** 21"
        whose = _COMMA.split(before)[0].rstrip(" *_")
        # "Answer (number of students): 21"
        is_short = ":" in before and "(" not in whose and len(whose.split()) <= _WORDS_OF_A_NAME
        if is_short and any(found.end() >= len(whose) - 6 for found in self.people.finditer(whose)):
            return True
        return _LABEL.search(before) is not None or _LABEL.search(clause[-16:]) is not None

    def _is_conditional(self, head: str, link: str, tail: str) -> bool:
        near = tail[:24]
        # "La respuesta es sí si tiene 18"
        aside = any(self.if_would.match(part.lstrip()) for part in link.split(",")[1:])
        depends = (aside or self.if_.search(link) is not None) and self.calculates.search(link) is None
        if depends or self.if_.search(tail) or self.unreal.search(near):
            return True
        if self.would.search(link) or self.would.search(near):
            return bool(self.if_would.search(head) or self.if_would.search(tail))
        if self.calculates.search(head):
            return False
        begins = (head.lstrip(_MARKUP), _clause(head).lstrip(_MARKUP))
        return bool(self.if_.search(head) or any(map(self.if_would.match, begins)))

    def _is_refused(self, rest: str) -> bool:
        refused = self.refused.search(rest)
        # "The others are wrong."
        return refused is not None and self.others.search(refused[0]) is None

    def _is_guessed(self, head: str, middle: str, tail: str) -> bool:
        guess = self.guess.search(head) or self.guess.search(tail)
        return guess is not None and bool(self.about.search(middle) or self.about.search(tail[:16]))


def sentence_begin(lower: str, position: int) -> int:
    """Where the sentence begins that holds a position."""
    begin = max(0, position - _HEAD)
    for stop in FULL_STOP.finditer(lower, begin, position):
        begin = stop.end()
    return begin


def _clause(head: str) -> str:
    """The clause that a sentence is in at the end of its `head`, and "Perhaps," before it."""
    return head if len(head) < 20 else _COMMA.split(head)[-1]


def scope_of(noun: str, kind: str) -> Scope:
    """The words for a noun of one column of the table of cues."""
    return scope_in(tuple(codes_of(noun, kind)))


@cache
def scope_in(codes: tuple[str, ...]) -> Scope:
    """The words of some languages together."""
    made = {**_marked(codes), **_clauses(codes), **_sources(codes)}
    return Scope(**made, **{name: _words(name, codes) for name in Scope._fields if name not in made})


def _words(section: str, codes: tuple[str, ...]) -> re.Pattern[str]:
    return any_of(word.rstrip("~") for word in scope_words(section, codes))


def _marked(codes: tuple[str, ...]) -> dict[str, re.Pattern[str]]:
    """Sections in which a "~" tells two kinds of words apart, and what several sections make together."""
    if_, next_ = scope_words("if", codes), scope_words("next", codes)
    return {
        "if_": any_of(word for word in if_ if word[-1] != "~"),
        "if_would": any_of(word.rstrip("~") for word in if_),
        "now": any_of(word.rstrip("~") for word in next_ if word[-1] == "~"),
        "next": any_of(word.rstrip("~") for word in (*next_, *scope_words("must", codes))),
        "concludes": any_of(
            word.rstrip("~") for word in (*scope_words("concludes", codes), *scope_words("therefore", codes))
        ),
    }


def _clauses(codes: tuple[str, ...]) -> dict[str, re.Pattern[str]]:
    """How a clause ends or begins beside "that", "no" or a copula."""
    no = any_of(word for code in codes for word in CUES[code].no).pattern
    that_word = _words("that", codes)
    # "that the final" answer
    that = rf"(?:{that_word.pattern})\W{{1,3}}(?:[^\W\d_]+\W{{1,3}}){{0,2}}\Z"
    # "Let me check: no."
    some = r"(?:[^\W\d_]{1,12}\s){0,3}"
    refused = rf"[:.!?…。！？\n–—-]\s{{0,3}}{some}(?:{no}|{_words('wait', codes).pattern})\s?(?:[.!…。！\n]|\Z)"
    # Of the Hindi "18 होता" and "18 प्राप्त होता है" only the first is unreal.
    copula = any_of(word for code in codes for word in CUES[code].copulas if word not in ("", "…")).pattern
    return {
        "that_word": that_word,
        "that": re.compile(that),
        "not_that": re.compile(rf"(?:{no})\W{{1,3}}(?:[^\W_]+\W{{1,3}})?{that}"),
        "refused": re.compile(refused),
        "unreal": re.compile(rf"(?:{_words('unreal', codes).pattern})(?!\s*(?:{copula}))"),
    }


def _sources(codes: tuple[str, ...]) -> dict[str, re.Pattern[str]]:
    """Who else may state an answer, and how a sentence follows them."""
    according, all_people = scope_words("according", codes), scope_words("people", codes)
    to, people = any_of(according).pattern, any_of(all_people).pattern
    sources = any_of(word for word in all_people if len(word.rstrip("*")) > 3 or is_unspaced(word[0]))
    owned = rf"(?:{sources.pattern})(?:['’]s)?[^\s\d,.:;，、：]{{0,4}}\s?(?:[^\s\d,.:;]{{1,4}}\s)?\Z"
    return {
        "people": sources,
        "owned": re.compile(owned),
        "according": re.compile(rf"(?:{to})[^,，、\n]{{0,20}}?(?:{people})|(?:{people})[^,，、\n]{{0,12}}?(?:{to})"),
        "to": any_of(word for word in according if len(word) > 3),
        # In "Each friend thus pays 12" the friend says nothing, and "so when all are sold" doubts nothing.
        "doubts": any_of(word for word in scope_words("doubt", codes) if word not in all_people and word[-1] != "~"),
    }


def is_someones(text: str, noun: tuple[int, int], begin: int) -> bool:
    """Whether the answer is somebody's: "Tom's answer", "la respuesta de Juan"; not "the question's answer"."""
    owner = _OWNER.search(text[max(0, noun[0] - 32) : noun[0]])
    return bool(owner and not owner[1].lower().startswith(("question", "problem"))) or bool(
        _BY.match(text[noun[1] : begin])
    )


def cites(text: str, lower: str, scope: Scope, begin: int, end: int) -> bool:
    """Whether a sentence names whom it follows: "Según Juan", "d'après Marie"."""
    if _VIEW.search(text, begin, end):
        return True
    for to in scope.to.finditer(lower, begin, end):
        name = _NAME.match(text, to.end())
        if name and name[1][0].isupper() and not scope.data.match(lower, name.start(1)):
            return True
    return False
