"""What the library reads of a response's last lines, as the tests of the reader of answers ask for it."""

from pbrlsvr.answers import equal
from pbrlsvr.responses.spans import split


def reads(language: str, truth: str, ending: str) -> bool:
    """Whether the answer of a response that ends so is the truth; a calculation stands before it."""
    return equal(split(f"16 - 3 - 4 = 9\n\n{ending}").answer, truth, language)
