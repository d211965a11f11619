"""Whether a last sentence that concludes states its writer's own final value, and ends what he says."""

import re
from functools import cache

from pbrlsvr.responses.cue_patterns import any_of, words_in
from pbrlsvr.responses.scopes import Scope, cites, scope_in
from pbrlsvr.responses.sentences import lower_case
from pbrlsvr.responses.therefore import therefores
from pbrlsvr.words import scope_words

#: A sentence with more characters is no short conclusion; what may follow it is as long.
LONG = 240
MARKUP = " \t*_#>\"'-–—•(（∎■✅👉🎯"
FULL_STOPS = ".。।॥۔።။។։"
_POLITE = "!！?？؟✓✅😊🙂"
# "There are now 18": verbs of a state, beside which "now" is no next step.
_HAS = re.compile(
    r"\b(?:(?:has|have|had)(?! to\b)|are|contains|hat|haben|sind|beträgt|il y a|ont|elle a|il a|contient"
    r"|tienen?(?! que)|hay(?! que)"
    r"|te[mn]h?(?! que| de)|há|têm|hanno|ci sono|heeft|hebben|zijn|ma|mają|jest|są|má|mají|jsou|sú|majú|есть|имеет"
    r"|у неё|у него|осталось|стало|має|мають|har|finns|on|vannak|van|are|sunt|έχει|έχουν|υπάρχουν|var|vardır|memiliki"
    r"|terdapat|có|ana|kuna|ina)\b|มี|有|がいま|います|あります|がある|있|है|لديه|معه|يوجد|وجود دار|دارد|ఉన్న|உள்ள|আছে"
)
# "18 or so": what rounds a number stands before it, or so near behind it.
_NEAR = 16
# What may stand between "need" and a number.
_BESIDE = " *$€£₹¥:："
_LETTERS = re.compile(r"[^\W\d_]+")
_ANY = re.compile(r"\w")


def states(text: str, begin: int, stop: int, value: tuple[int, int], codes: tuple[str, ...], after: int) -> bool:
    """Whether nothing speaks against the value of the sentence at `[begin, stop)`, which goes on at `after`."""
    words, scope = words_in(codes), scope_in(codes)
    # What stands long before says nothing of this sentence.
    since = max(0, begin - LONG)
    text, begin, stop = text[since:], begin - since, stop - since
    lower = lower_case(text)
    is_state = _HAS.search(lower, begin, stop) is not None
    # "All told" says nothing of who tells, and "it follows that" is the writer's own.
    that = scope.that_word.match(lower, begin + after)
    opened = that.end() if that else begin + after
    lower = lower[:begin] + " " * (opened - begin) + lower[opened:]
    sentence, rest = lower[begin:stop], lower[stop : stop + LONG]
    # "366 downloads over the three months", "7 Stunden, um die Schuhe zu kaufen" bound nothing.
    # The distance between two towns is one number, and no bound.
    apart = between().sub(lambda found: " " * len(found[0]), sentence)
    bounded = words.bounds.search(apart, 0, value[1]) or words.bounds_after.search(apart, value[1])
    if bounded or scope.about.search(sentence, 0, value[1] + _NEAR) or words.wrong.search(sentence):
        return False
    if _goes_on(sentence, value[0], is_state, scope) or _is_conditional(sentence, codes, scope):
        return False
    if any(
        not (scope.can.match(no[0]) or _whose(codes).search(sentence, 0, no.start()) or no.start() == value[0])
        for no in words.no.finditer(sentence)
    ):
        return False
    if words.wrong.search(rest) or _asks(rest) or not closes(rest, scope.next):
        return False
    # "So the problem says 18", but not "So there are 18 problems".
    if scope.refers.search(sentence, 0, value[0]):
        return False
    at = begin + value[0], begin + value[1]
    return scope.states(lower, (at[0], at[0]), at[0], at, stop) and not cites(text, lower, scope, begin, stop)


def _goes_on(sentence: str, value: int, is_state: bool, scope: Scope) -> bool:
    """Whether a sentence is a next step: "So next, subtract 3", and neither "So there are now 15 passengers", "So we
    need 18 litres" nor "So we have to pay 18"."""
    for step in scope.next.finditer(sentence):
        is_now, is_must = scope.now.fullmatch(step[0]), scope.must.fullmatch(step[0])
        # "Il nous faut donc 18 litres"
        between = scope.concludes.sub("", sentence[step.end() : value])
        stands_beside = (is_now or is_must) and not between.strip(_BESIDE)
        if (is_now and is_state) or stands_beside or (is_must and scope.pays.search(sentence, step.end())):
            continue
        return True
    return False


def _is_conditional(sentence: str, codes: tuple[str, ...], scope: Scope) -> bool:
    """Whether a sentence opens with "if", and with no calculation: its "in total" is none."""
    said = sentence.lstrip(MARKUP + "\n")
    if not scope.if_.match(said):
        return False
    for code in codes:
        said = therefores()[code].anywhere.sub(" ", said)
    return scope.calculates.search(said) is None


def closes(rest: str, next_step: re.Pattern[str]) -> bool:
    """Whether what follows is a check or a polite word, "I hope this helps!", and not "Now we look for the rest."."""
    said = rest.strip(MARKUP + FULL_STOPS + "\n")
    if not _ANY.search(said):
        return True
    return ("=" in said or said[-1] in _POLITE) and not next_step.search(said)


def _asks(rest: str) -> bool:
    """Whether a short question follows: "Is he right?", and no offer to explain more."""
    return any(len(_LETTERS.findall(question)) <= 4 for question in re.findall(r"([^.!?？؟\n]{1,80})[?？؟]", rest))


@cache
def _whose(codes: tuple[str, ...]) -> re.Pattern[str]:
    """What a "not" stands behind that is of the subject: "the students who do not play"."""
    return re.compile(rf"(?:{any_of(scope_words('whose', codes)).pattern})\s(?:[^\W\d_]{{1,5}}\s)?\Z")


@cache
def between() -> re.Pattern[str]:
    return any_of(scope_words("between"))
