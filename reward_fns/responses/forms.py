"""Values that only show the form of an answer: write "Answer: 18" in the last line, {"answer": 18}, 「C」のように."""

import re

from pbrlsvr.responses.nouns import Noun, outermost
from pbrlsvr.responses.sentences import lower_case

# {"answer": 18} in the midst of a sentence.
_IN_JSON = re.compile(r"\{\s?[\"'][^\n{}]{0,200}\}")
# "Answer 2:" with nothing behind it.
_LABEL_ALONE = re.compile(r"[*_ )]{0,4}[:：][*_ ]{0,4}\Z")
# 「C」のように
_LIKE_THIS = re.compile(
    r"[」』\"'”»)]{0,2}\s?(?:のよう|の形|와 같은 형|처럼|biçimin|şeklin|जैसे|के रूप में|এর মতো|আকারে|这样的|的形式|的格式)"
)
_QUOTE = re.compile(r"(?<!\w)[\"“„«「『](?=[^\n.!?。\"“”„«»「」『』]{0,16}\Z)")
# Between a noun and its value: write the solution in the form "Answer: 18".
_QUOTED_LEAD = re.compile(r"(?<!\w)[\"“„«「『](?P<lead>[^\n\"“”„«»「」『』]{1,32})\Z")
_UNQUOTE = re.compile(r"(?<=[\w%$€)])[.。]?[\"”“»」』]")
_SAYS = re.compile(r"[^\W\d_]{2}")


def is_form(text: str, value: re.Match[str], end: int) -> bool:
    """Whether a value only shows a form, {"answer": 18} in the midst of a sentence, or counts: "Answer 2:"."""
    if _LABEL_ALONE.match(text, value.end(), end) or _LIKE_THIS.match(text, value.end()):
        return True
    line = text.rfind("\n", 0, value.start()) + 1
    said = [found for found in _IN_JSON.finditer(text, line) if found.start() < value.start() < found.end()]
    return any(re.search(r"[^\W\d_]", text[found.end() : found.end() + 16].partition("\n")[0]) for found in said)


def is_cited(noun: Noun, begin: int) -> bool:
    """Whether quotes hold the noun and its value in the midst of a sentence: write "Answer: 18" in the last line."""
    line = noun.text.rfind("\n", 0, noun.begin) + 1
    opened = _QUOTE.search(noun.text, max(line, noun.begin - 16), noun.begin)
    if opened is None and (quoted := _QUOTED_LEAD.search(noun.text, noun.end, begin)):
        opened = quoted if outermost(lower_case(quoted["lead"])) else None
    closed = _UNQUOTE.search(noun.text, begin, begin + 24) if opened else None
    return closed is not None and _SAYS.search(noun.text[line : opened.start()]) is not None  # type: ignore[union-attr]
