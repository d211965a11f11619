"""Whether a response follows the format that it was asked for: where it thinks, and how it marks its final answer.

Tags and marks are those of `pbrlsvr.responses.spans`, so that what passes here is what is read there: tags and marks in
fenced code do not count, nor does a tag between quotes.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, get_args

from pydantic import field_validator

from pbrlsvr.options import Options
from pbrlsvr.responses.phrases import find_cue
from pbrlsvr.responses.spans import (
    _TAG,
    _code_test,
    _is_quoted,
    _last_boxed,
    _last_hash,
    _tagged,
    _without_special_tokens,
    split,
)

Thinking = Literal["required", "optional", "forbidden"]
Mark = Literal["boxed", "hash", "answer_tag", "cue"]

_InCode = Callable[[int], bool]


class FormatOptions(Options):
    """What a response must look like."""

    BARE: ClassVar[str] = "thinking"

    thinking: Thinking = "optional"
    """`<think>...</think>` before the answer. "required": exactly one `<think>`, closed by exactly one `</think>`, with
    a letter or digit inside and nothing but white space before. "forbidden": neither tag. "optional": either of the
    two."""
    opened_by_prompt: bool = False
    """true where the chat template ends the prompt with `<think>`, so that a response begins inside it, and has
    `</think>` only."""
    answer: str | tuple[str, ...] = "any"
    """The accepted marks of the final answer, one or a list of: "boxed", `\\boxed{42}`; "hash", a line `#### 42`;
    "answer_tag", `<answer>42</answer>`; "cue", "the answer is 42" in any language. Or "any" for all of them, or "none"
    if no mark is asked for. One must stand after the thinking, and must not be empty; others may be there too."""
    once: bool = True
    """true: an accepted mark may not be repeated after the thinking. Different kinds around one answer, and a box in a
    box, are no repetition; cues are counted only where no other accepted mark is."""

    @field_validator("answer")
    @classmethod
    def _are_marks(cls, answer: str | tuple[str, ...]) -> str | tuple[str, ...]:
        _marks(answer)
        return answer

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The accepted marks; none if no mark is asked for."""
        return _marks(self.answer)


@dataclass(frozen=True, slots=True)
class FormatCheck:
    """Which requirements a response meets; one that was not made is met.

    Attributes:
        thinking: the thinking is where and how it should be.
        answer: there is an accepted mark with an answer.
        once: there is exactly one of it.
    """

    thinking: bool
    answer: bool
    once: bool

    @property
    def score(self) -> float:
        """1.0 if all requirements are met, else 0.0."""
        return float(self.thinking and self.answer and self.once)

    def components(self, prefix: str = "format") -> dict[str, float]:
        """The numbers to log: the same keys for every sample."""
        return {
            prefix: self.score,
            **{f"{prefix}_{field.name}": float(getattr(self, field.name)) for field in fields(self)},
        }


def check(response: str, options: FormatOptions) -> FormatCheck:
    """Whether a response follows the format. Time is linear in its length; no text raises.

    Source: the format reward of DeepSeek-R1, https://arxiv.org/abs/2501.12948; the marks and the rules for them are our
    choice. The content is not judged: a wrong answer in the right place scores 1.

    Args:
        response: a decoded response, without the prompt.
        options: see `FormatOptions`.

    >>> options = FormatOptions(thinking="required", answer="boxed")
    >>> check("<think>9 * 2 = 18</think> She makes \\\\boxed{18} dollars.", options).score
    1.0
    >>> check("She makes \\\\boxed{18} dollars.", options)
    FormatCheck(thinking=False, answer=True, once=True)
    """
    text = _without_special_tokens(response)
    in_code = _code_test(text)
    tags = [tag for tag in _TAG.finditer(text) if not in_code(tag.start()) and not _is_quoted(text, tag)]
    thinks = [tag for tag in tags if tag[2].lower() == "think"]
    thinking = _thinks_well(text, thinks, options)
    if not options.marks:
        return FormatCheck(thinking, True, True)
    place, rule = _tagged(text, tags)
    # split() reads no mark that is empty.
    if place is None or split(text).rule in ("none", "bare", "after_think"):
        return FormatCheck(thinking, False, not options.once)
    found: list[Mark] = [
        mark for mark in options.marks if mark != "answer_tag" and _find(mark, text, *place[1:], in_code)
    ]
    if rule == "answer_tag" and "answer_tag" in options.marks:
        found.append("answer_tag")
    if not found or not options.once:
        return FormatCheck(thinking, bool(found), not options.once)
    after = thinks[-1].end() if thinks else 0
    counted = [mark for mark in found if mark != "cue"] or found
    answer_tags = [tag for tag in tags if tag.start() >= after and tag[2].lower() == "answer"]
    once = all(_is_single(mark, text, after, answer_tags, in_code) for mark in counted)
    return FormatCheck(thinking, True, once)


def _thinks_well(text: str, tags: list[re.Match[str]], options: FormatOptions) -> bool:
    if not tags:
        return options.thinking != "required"
    if options.thinking == "forbidden":
        return False
    closing = [bool(tag[1]) for tag in tags]
    if closing == [True] and options.opened_by_prompt:
        thought = text[: tags[0].start()]
    elif closing == [False, True] and not text[: tags[0].start()].strip():
        thought = text[tags[0].end() : tags[1].start()]
    else:
        return False
    return any(character.isalnum() for character in thought)


def _find(mark: Mark, text: str, start: int, end: int, in_code: _InCode) -> tuple[int, int, int] | None:
    """The last mark of a kind: where it begins, and where its answer begins and ends."""
    if mark == "boxed":
        return _last_boxed(text, start, end, in_code)
    if mark == "hash":
        return _last_hash(text, start, end, in_code)
    cue = find_cue(text, start, end, in_code)
    return cue and cue[:3]


def _is_single(mark: Mark, text: str, after: int, answer_tags: list[re.Match[str]], in_code: _InCode) -> bool:
    if mark == "answer_tag":
        return [bool(tag[1]) for tag in answer_tags] in ([False], [False, True])
    last = _find(mark, text, after, len(text), in_code)
    if last is None or mark != "cue":
        return last is None or _find(mark, text, after, last[0], in_code) is None
    earlier = find_cue(text, after, last[0], in_code)
    # "The answer is what we look for" announces no answer, and "Result: 9" need not be final.
    return earlier is None or not earlier.firm


def _marks(answer: object) -> tuple[Mark, ...]:
    if answer == "any":
        return get_args(Mark)
    if answer == "none":
        return ()
    named = [answer] if isinstance(answer, str) else answer
    if not isinstance(named, Sequence) or not named or not all(mark in get_args(Mark) for mark in named):
        raise ValueError(f"answer must be 'any', 'none', or one or a list of {list(get_args(Mark))}")
    return tuple(named)
