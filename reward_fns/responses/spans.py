"""A response, taken apart into the reasoning and the final answer.

The search narrows the text, step by step, and `Spans.rule` names the last step that narrowed it:

1.  *Thinking*. With `<think>` or `</think>` in the text, only what follows the last `</think>` can hold the answer: an
    answer inside the reasoning does not count. A `</think>` needs no `<think>` (chat templates put that in the prompt).
    A `<think>` that is never closed leaves no answer (`none`).
2.  *Answer tag*. The last `<answer>`, up to its `</answer>`, or to the end (generation may stop on that tag).
3.  *Mark*. The last one there that its own sentence does not deny ("\\boxed{18} is wrong"): `boxed`, a closed
    `\\boxed{...}` that is not on the way ("Step 2: \\boxed{5}. Step 3: ..."), of nested boxes the inner; `hash`, a line
    `#### 42`; `cue`, "the answer is 42", a heading "Answer" above it, "42 is the answer" or `{"answer": 42}`, in the
    languages of `pbrlsvr.responses.cues`, up to the end of its sentence. A cue goes before an earlier box or `####`
    only if its noun is "answer" and the value follows at once; words for "result" count only where no value comes after
    them but in a check.
4.  With no mark: `bold`, the one value in bold in the last sentence; `choice`, the one letter in a last sentence such
    as "Therefore, C."; `conclusion`, a last sentence that concludes with one number, repeats the last result, or opens
    with yes or no, such as "So she earns $18.", "9 * 2 = 18. She earns $18.", "So no, it is not.", or concludes with
    one name, "So it was Marie Curie."; else what the tags left (`answer_tag`, `after_think`), or a response that is
    nothing but one short line with a number, or an option letter, first (`bare`). Otherwise `none`, and all of the text
    is reasoning.

Tags and marks in fenced code are text, and so is a tag directly between quotes or backticks. The reasoning is what
stands before the answer, without the tags; what follows the answer belongs to neither, and a last sentence that reasons
and concludes ("She eats 3 and bakes with 4, so she sells 9.") to both. Time is linear in the length.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pbrlsvr.responses.boxes import is_example, is_on_the_way, is_title
from pbrlsvr.responses.checks import is_superseded
from pbrlsvr.responses.conclusions import last_conclusion
from pbrlsvr.responses.markup import fences
from pbrlsvr.responses.names import concluded_name, last_name
from pbrlsvr.responses.number_words import dozen
from pbrlsvr.responses.phrases import find_cue
from pbrlsvr.responses.remarks import before_closing, before_remarks
from pbrlsvr.responses.sentences import denies, is_denied
from pbrlsvr.responses.shapes import last_bold, last_choice, last_option, last_total
from pbrlsvr.responses.values import SIGNS, TOKEN, has_value, numbers_in, value_first
from pbrlsvr.responses.verdicts import last_verdict
from pbrlsvr.words import fold

Rule = Literal["boxed", "hash", "cue", "bold", "choice", "conclusion", "answer_tag", "after_think", "bare", "none"]


@dataclass(frozen=True)
class Spans:
    """The parts of a response.

    Attributes:
        reasoning: the text before the answer, without tags; all of the text when there is no answer.
        answer: the final answer as it was written, "" when there is none.
        rule: the rule that found the answer; "none" exactly when `answer` is "".
    """

    reasoning: str
    answer: str
    rule: Rule


class _Found(NamedTuple):
    """An answer at `[start, end)`; its mark, which is not reasoning, begins at `mark`."""

    mark: int
    start: int
    end: int


_InCode = Callable[[int], bool]
_Find = Callable[[str, int, int, _InCode], _Found | None]

_TAG = re.compile(r"<(/?)(?:final_)?(think|answer)>", re.IGNORECASE)
_BRACE = re.compile(r"\\(?:boxed|fbox)[ \t]{0,4}\{|\\[{}]|[{}]")
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n#]*)")
# "1. Eggs", "3단계: Eggs"
_HEADING = re.compile(r"\d+(?:[.)]\s+[^\W\d]|\s?[^\W\d_]{1,12}\s?[:：]\s*[^\W\d])")
_BREAKDOWN = re.compile(r"([^()（）\n=]*\d[^()（）\n=]*?)[(（]([^()（）\n=]{3,80})[)）]\W{0,3}\Z")
_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{SIGNS}])*")
_SPECIAL_TOKEN = re.compile(r"(?:<\|[^|<>\s]{1,30}\|>|</s>)\s*\Z")
_QUOTES = frozenset("\"'`“”„‚‘’«»‹›「」『』")
# "84 / 12 = 7", "\\frac{84}{12} = 7", in so many characters before the end of the answer.
_TWELFTHS = re.compile(r"(?:[/÷:]|\}\{)\s?12(?!\d)[^\d\n=]{0,24}=\s?(\d{1,9})(?![\d.,]\d)")
_NEAR = 400
_DIGITS = re.compile(r"\d+")
_BARE_LENGTH = 48
_SENTENCE_LENGTH = 160
#: What wraps an answer: Markdown emphasis, LaTeX's math shifts, the full stop.
_MARKUP = " \t\r\n*_$"


def split(text: str) -> Spans:
    """Separates the reasoning from the final answer, by the rules at the top of this module.

    Args:
        text: a decoded response of any length, without the prompt.

    Returns:
        The spans. No text raises.

    >>> split("<think>16 - 7 = 9</think>She makes 9 * 2 = \\\\boxed{18} dollars.")
    Spans(reasoning='16 - 7 = 9\\nShe makes 9 * 2 =', answer='18', rule='boxed')
    >>> split("9 * 2 = 18\\n#### 18").answer
    '18'
    >>> split("<think>It may be \\\\boxed{18}").rule
    'none'
    """
    text = _without_special_tokens(text)
    in_code = _code_test(text)
    tags = [tag for tag in _TAG.finditer(text) if not in_code(tag.start()) and not _is_quoted(text, tag)]
    found, rule = _tagged(text, tags)
    if found is None:
        return Spans(_untagged(text, tags, len(text)), "", "none")
    read = text
    if (close := before_closing(text, found.start, found.end)) < found.end:
        read, found = text[:close], found._replace(end=close)
    mark, mark_rule = _marked(read, found, in_code, rule == "answer_tag")
    if mark is not None:
        found = mark if rule != "answer_tag" else _Found(found.mark, mark.start, mark.end)
        rule = mark_rule
    answer = _without_breakdown(_without_emphasis(text[found.start : found.end].strip()))
    answer = _in_dozens(answer, text[: found.end])
    if not answer or (rule == "none" and not _is_bare(answer)):
        return Spans(_untagged(text, tags, len(text)), "", "none")
    return Spans(_untagged(text, tags, found.mark), answer, "bare" if rule == "none" else rule)


def _tagged(text: str, tags: list[re.Match[str]]) -> tuple[_Found | None, Rule]:
    """What the tags leave of the text as a place for the answer; None after a `<think>` that is not closed."""
    start, rule = 0, "none"
    thinks = [tag for tag in tags if tag[2].lower() == "think"]
    if thinks:
        if not thinks[-1][1]:
            return None, "none"
        start, rule = thinks[-1].end(), "after_think"
    answer_tags = [tag for tag in tags if tag.start() >= start and tag[2].lower() == "answer"]
    end = len(text)
    for tag in reversed(answer_tags):
        if not tag[1]:
            return _Found(tag.start(), tag.end(), end), "answer_tag"
        end = tag.start()
    return _Found(start, start, len(text)), "after_think" if rule == "after_think" else "none"


def _marked(text: str, place: _Found, in_code: _InCode, is_tag: bool) -> tuple[_Found | None, Rule]:
    """The answer that the last mark in `place` names; without any, the value in bold in the last sentence."""
    mark: _Found | None = None
    rule: Rule = "none"
    kinds: tuple[tuple[Rule, _Find], ...] = (("boxed", _last_boxed), ("hash", _last_hash))
    for kind, find in kinds:
        found = _not_denied(text, place, in_code, find)
        if found is not None and (mark is None or found.start > mark.end):
            mark, rule = found, kind
    cue = find_cue(text, mark.end if mark else place.start, place.end, in_code)
    if cue is not None and (mark is None or cue.firm) and has_value(text[cue.start : cue.end]):
        return _Found(*cue[:3]), "cue"
    if mark is not None or is_tag:
        return (_Found(*cue[:3]), "cue") if cue is not None and (mark is None or cue.firm) else (mark, rule)
    shaped = _shaped(text, place._replace(end=before_remarks(text, place.start, place.end)))
    if shaped is None and cue is not None:
        return _Found(*cue[:3]), "cue"
    return shaped or (None, "none")


def _shaped(text: str, place: _Found) -> tuple[_Found, Rule] | None:
    """The answer that no word announces: in bold, or as the one value of a last sentence that chooses or concludes."""
    bold = last_bold(text, place.start, place.end)
    if bold is not None:
        return _Found(bold[0], *bold), "bold"
    choice = last_choice(text, place.start, place.end) or last_option(text, place.start, place.end)
    if choice is not None:
        return _Found(choice[0], *choice), "choice"
    conclusion = last_verdict(text, place.start, place.end) or last_conclusion(text, place.start, place.end)
    if conclusion is None and (total := last_total(text, place.start, place.end)):
        conclusion = (total[0], *total)
    if conclusion is None and (name := last_name(text, place.start, place.end)):
        return _Found(name[0], *name), "bold"
    if conclusion is None and (name := concluded_name(text, place.start, place.end)):
        return _Found(name[0], *name), "conclusion"
    return None if conclusion is None else (_Found(*conclusion), "conclusion")


def _not_denied(text: str, place: _Found, in_code: _InCode, find: _Find) -> _Found | None:
    """The last mark of a kind that its sentence does not deny ("\\boxed{18} is wrong"), of the last few."""
    end = place.end
    for _ in range(4):
        found = find(text, place.start, end, in_code)
        if found is None:
            return None
        value = TOKEN.search(text, found.start, found.end)
        # A line behind #### is its own sentence.
        after = value.end() if find is _last_hash and value else found.end + 1
        taken_back = is_denied(text, found.mark, after) or is_superseded(text, found.start, found.end, place.end)
        is_other = (
            is_example(text, found.mark, found.end + 1) or is_on_the_way(text, *found, place.end)
            if find is _last_boxed
            else is_title(text, found.start, found.end)
        )
        if not taken_back and not is_other:
            return found
        end = found.mark
    return None


def _last_boxed(text: str, start: int, end: int, in_code: _InCode) -> _Found | None:
    if text.find("box", start, end) < 0:
        return None
    last: _Found | None = None
    open_braces: list[tuple[int, int] | None] = []
    for brace in _BRACE.finditer(text, start, end):
        token = brace[0]
        if token == "{" or token == "\\{":
            open_braces.append(None)
        elif token == "}" or token == "\\}":
            box = open_braces.pop() if open_braces else None
            if box is None:
                continue
            if last is None or box[1] > last.start:
                last = _Found(box[0], box[1], brace.start())
            elif box[1] <= last.mark:
                last = last._replace(mark=box[0])
        else:
            open_braces.append(None if in_code(brace.start()) else (brace.start(), brace.end()))
    return last


def _last_hash(text: str, start: int, end: int, in_code: _InCode) -> _Found | None:
    if text.find("####", start, end) < 0:
        return None
    last: _Found | None = None
    for line in _HASH.finditer(text, start, end):
        # A Markdown heading of level four looks the same: "#### Step 1", "#### 1. Eggs".
        # ... with a line like "#### 18".
        is_quoted = text[line.start() - 1 : line.start()] in _QUOTES and not _QUOTES.isdisjoint(line[1])
        if value_first(line[1]) and not _HEADING.match(line[1]) and not in_code(line.start()) and not is_quoted:
            last = _Found(line.start(), line.start(1), line.end(1))
    return last


def _without_emphasis(answer: str) -> str:
    """Drops Markdown emphasis around the answer, also where the mark took one half of it ("**The answer is 18**")."""
    return answer.strip("*_").strip() if answer[:2] in ("**", "__") or answer[-2:] in ("**", "__") else answer


def _without_breakdown(answer: str) -> str:
    """Drops what a sum is made of, "28 croissants (16 le matin et 12 l'après-midi)", and an aside in several words:
    "6 bags (and 2 eggs are left)", and not "18 (or 20)", "1.5 hours (90 minutes)"."""
    said = _BREAKDOWN.match(answer) if len(answer) <= _SENTENCE_LENGTH else None
    if said is None:
        return answer
    (total, *more), parts = numbers_in(said[1]), numbers_in(said[2])
    is_sum = len(parts) > 1 and sum(parts) == total
    is_aside = len(_WORD.findall(said[2])) > 2 and parts and not denies(said[2])
    return _without_emphasis(said[1].strip()) if not more and (is_sum or is_aside) else answer


def _in_dozens(answer: str, until: str) -> str:
    """Only the number of "7 dozen", which elsewhere is 84, where the calculation has counted dozens: "84 / 12 = 7"."""
    if len(answer) > _SENTENCE_LENGTH or not dozen().search(fold(answer)):
        return answer
    counted = _TWELFTHS.findall(until[-_NEAR:])
    return counted[-1] if counted and counted[-1] in _DIGITS.findall(answer) else answer


def _is_bare(text: str) -> bool:
    if len(text) > _BARE_LENGTH or "\n" in text or text.startswith("#"):
        return False
    return value_first(text) and not _HEADING.match(text)


def _is_quoted(text: str, tag: re.Match[str]) -> bool:
    before, after = text[tag.start() - 1 : tag.start()], text[tag.end() : tag.end() + 1]
    return before in _QUOTES and after in _QUOTES


def _code_test(text: str) -> Callable[[int], bool]:
    """A function that tells whether a position is in a closed block of fenced code."""
    blocks = [fence for fence in fences(text) if fence.closed]
    starts = [block.start for block in blocks]

    def in_code(position: int) -> bool:
        block = bisect_right(starts, position) - 1
        return block >= 0 and position < blocks[block].end

    return in_code


def _without_special_tokens(text: str) -> str:
    # Only a few: a response ends in one of them or, padded, in a run that the decoder should have dropped.
    text = text.rstrip()
    for _ in range(4):
        token = _SPECIAL_TOKEN.search(text, max(0, len(text) - 40))
        if token is None:
            break
        text = text[: token.start()].rstrip()
    return text


def _untagged(text: str, tags: list[re.Match[str]], end: int) -> str:
    """The text up to `end` without tags, and without the markup that opens the answer."""
    pieces, position = [], 0
    for tag in tags:
        if tag.start() >= end:
            break
        pieces.append(text[position : tag.start()])
        position = tag.end()
    pieces.append(text[position:end])
    joined = "\n".join(piece.strip() for piece in pieces if piece.strip())
    if end < len(text):
        joined = joined.rstrip(_MARKUP).removesuffix("\\[").removesuffix("\\(").rstrip(_MARKUP)
    return joined
