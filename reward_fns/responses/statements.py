"""The answer as a text states it: "She earns 18 dollars a day", where the final answer is "18".

COMET of "18" beside "18" says nothing; of two statements it can say something. The statement is the first of these:

1.  an answer of three words and more, as it is
2.  the sentence that leads up to the answer ("She earns $2 x 9 =", then `\\boxed{18}`), if it has words of its own and
    is not only "The answer is"
3.  the last sentence with words that holds the answer's number, or the answer itself where it is words
4.  the last sentence with words, and the answer behind it
5.  the answer
"""

import re
import unicodedata

from pbrlsvr.responses.phrases import find_cue
from pbrlsvr.responses.sentences import sentences
from pbrlsvr.responses.values import NUMBER, SIGNS

#: What states an answer stands in the last characters of a reasoning.
_WINDOW = 4_000
# With its vowel signs: without them a word of Hindi is torn into single letters.
_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{SIGNS}])+")
_DIGITS = re.compile(r"\d[\d.,'٫٬\u00a0\u202f ]*")
_GROUPING = re.compile(r"[.,'٬\u00a0\u202f ](?=\d{3}(?!\d))")
_COMMAS = ",，、،:：;"
_ENDS = ".!?…。！？।॥؟۔"


def statement(reasoning: str, answer: str) -> str:
    """The sentence that states the answer, by the rules at the top of this module. Time is linear in the length.

    >>> statement("3 and 4 of 16 eggs are gone. She sells 9, so she earns 9 * 2 = 18 dollars a day.\\nThanks!", "18")
    'She sells 9, so she earns 9 * 2 = 18 dollars a day.'
    >>> statement("Sie verdient am Tag 9 * 2 =", "18")
    'Sie verdient am Tag 9 * 2 = 18'
    """
    answer = answer.strip()
    if len(_WORD.findall(answer)) > 2:
        return answer
    text = reasoning[-_WINDOW:].rstrip()
    # "Therefore," is what is left of a sentence that announces the answer.
    said = [text[begin : end + 1].strip() for begin, end in sentences(text, 0, len(text))]
    said = [sentence for sentence in said if in_words(sentence) and sentence[-1] not in _COMMAS]
    if not said:
        return answer
    last = said[-1]
    leads = text.endswith(last) and last[-1] not in _ENDS and not _announces(f"{last} {answer}")
    if leads:
        return last if states(last, answer) else f"{last} {answer}".strip()
    holding = [sentence for sentence in said if answer and states(sentence, answer)]
    own = [sentence for sentence in holding if not _announces(sentence)]
    return (own or holding or [f"{last} {answer}".strip()])[-1]


def in_words(text: str) -> bool:
    """Whether a text is more than a number, a formula or a letter: four letters and more."""
    return sum(map(len, _WORD.findall(text))) >= 4


def states(sentence: str, answer: str) -> bool:
    """Whether a sentence holds the answer: one of its numbers in any digits and grouping, or its words."""
    if NUMBER.search(answer) is None:
        return answer.casefold() in sentence.casefold()
    return bool(_numbers(answer) & _numbers(sentence))


def _announces(sentence: str) -> bool:
    """Whether a sentence only says that this is the answer: nothing but a phrase such as "So the answer is 18"."""
    found = find_cue(sentence, 0, len(sentence), lambda _: False)
    return found is not None and found.mark < 12 and len(_WORD.findall(sentence[found.start : found.end])) < 3


def _numbers(text: str) -> set[str]:
    """The numbers of a text, in the digits 0-9 and without grouping."""
    plain = "".join(str(unicodedata.digit(c, c)) if c.isdigit() else c for c in text)
    return {_GROUPING.sub("", run.strip(" .,'\u00a0\u202f")) for run in _DIGITS.findall(plain)}
