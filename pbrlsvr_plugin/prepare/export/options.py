"""What the training files hold: data only; `export.py` writes them."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from pbrlsvr.options import Field
from pbrlsvr_plugin.prepare.blocks import Block, without_repetition

Mark = Literal["hash", "boxed"]
Format = Literal["verl", "trl", "openrlhf", "sft"]


class PromptOptions(Block):
    """How a question is asked."""

    BARE: ClassVar[str] = "mark"

    mark: Mark = "hash"
    """What stands before the final answer: hash (a line with ####) or boxed (LaTeX)."""
    system: str = ""
    """A system message before each prompt. Empty: none."""
    file: str = ""
    """A YAML file with instructions of your own, in the layout of prepare/export/templates/prompts.yaml. Empty:
    none."""


class DuplicateOptions(Block):
    """Which problems are duplicates, of which the first stays."""

    exact: bool = True
    """Whether problems with equal texts are dropped."""
    near: bool = True
    """Whether problems with similar texts are dropped."""
    threshold: float = Field(0.8, ge=0.3, le=1)
    """Jaccard similarity of runs of 5 characters from which on they are similar."""
    same_numbers: bool = True
    """Whether only problems with the same numbers can be similar."""


class ContaminationOptions(Block):
    """Which problems are in a benchmark."""

    benchmarks: tuple[str, ...] = ()
    """Files that no problem may be from: .jsonl, .json, .tsv, .csv, .txt, .parquet, as path or path#column."""
    words: int = Field(13, ge=5)
    """Words in a row that make an overlap."""
    common: int = Field(10, ge=1)
    """A run of words in more texts of a benchmark than this is its wording, not a problem."""
    action: Literal["drop", "report"] = "drop"
    """drop the problems found, or report them in the rows, in extra.contamination."""

    _once = field_validator("benchmarks")(without_repetition)


class SplitOptions(Block):
    """How much is kept for testing."""

    test: int | float = 0.05
    """A fraction of the problems for the test set, or their number; 0 for none."""

    @classmethod
    def from_bare(cls, value: Any) -> Any:
        return {"test": value} if isinstance(value, int | float) else value

    @field_validator("test")
    @classmethod
    def _is_a_fraction_or_a_number(cls, test: float) -> float:
        if test < 0 or (isinstance(test, float) and test >= 1):
            raise ValueError("this is neither a fraction in [0, 1) nor a number of problems")
        return test


class CardOptions(Block):
    """What only you know of the data, for its card."""

    title: str = ""
    """The heading. Empty: the name of the data set."""
    license: str = ""
    """An identifier such as cc-by-sa-4.0. Empty: not stated."""
    description: str = ""
    """A few sentences below the heading."""
    sources: Mapping[str, str] = {}
    """Licence and address of each source, as in {train.jsonl: "MIT, https://example.org"}."""


class ExportOptions(Block):
    """Stage `export`: what the training files hold."""

    formats: tuple[Format, ...] = Field(("verl",), min_length=1)
    """Some of verl, trl, openrlhf, sft; docs/prepare.md has their files."""
    ability: str = "math"
    """veRL's column of that name."""
    tokenizer: str = ""
    """Folder or hub name of the policy, whose tokens are counted. Empty: characters are counted, and nothing is too
    long."""
    revision: str | None = None
    """The tokenizer's revision on the hub."""
    max_prompt_length: int = Field(1024, ge=1)
    """The longest prompt in tokens, chat template and all: veRL's data.max_prompt_length."""
    require_reference: bool = True
    """Whether a row without a pivot reasoning is rejected; the semantic rewards need one."""
    sft_question: Literal["target", "english"] = "target"
    """What the format sft asks: the target question, or the english one, once for a problem."""
    prompt: PromptOptions = PromptOptions()
    """How the question is asked."""
    duplicates: DuplicateOptions = DuplicateOptions()
    """Which problems are duplicates."""
    contamination: ContaminationOptions = ContaminationOptions()
    """Which problems are in a benchmark."""
    split: SplitOptions = SplitOptions()
    """How much is kept for testing."""
    card: CardOptions = CardOptions()
    """What only you know of the data."""

    _once = field_validator("formats")(without_repetition)
