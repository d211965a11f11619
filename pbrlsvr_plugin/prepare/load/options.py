"""What is loaded, and which column is what: data only; `load.py` reads it."""

import re

from pydantic import field_validator, model_validator
from typing_extensions import Self

from pbrlsvr.options import Field
from pbrlsvr_plugin.prepare.blocks import Block, folded, without_repetition


class Columns(Block):
    """Which column holds what. A column inside another is written with dots: "extra_info.question"."""

    question: str = "question"
    """The question, in English unless `language` says otherwise."""
    answer: str | None = None
    """The final answer alone."""
    answer_in: str | None = None
    """A worked solution that ends with the answer, as "#### 18" or in a LaTeX box."""
    solution: str | None = None
    """A worked solution that may serve as the reference."""
    strip: str | None = None
    """A regular expression; what matches is removed from the solution."""
    options: str | tuple[str, ...] | None = None
    """The options of a multiple choice: a column with a list, or one column for each; written below the question."""
    id: str | None = None
    """The data set's own number of a problem; rows with the same one are one problem."""
    language: str | None = None
    """The language of the question."""
    english: str | None = None
    """The English question, where the question is in another language."""
    keep: tuple[str, ...] = ()
    """Further columns to keep."""
    dataset: str | None = None
    """The data set that is loaded where the mapping's name is the source."""
    configs: tuple[str, ...] = ()
    """Its configurations."""
    split: str = "train"
    """Its split."""
    file: str | None = None
    """The file name of one language in a folder, with {language} in it; line k of each is the same problem."""
    configs_are_languages: bool = False
    """Whether each configuration is a language, and `id` is shared by the languages."""
    prompt: str = "reference_math"
    """The prompt that fits the references of such questions."""

    _once = field_validator("keep", "configs")(without_repetition)

    @field_validator("strip")
    @classmethod
    def _is_a_regular_expression(cls, strip: str | None) -> str | None:
        try:
            re.compile(strip or "")
        except re.error as error:
            raise ValueError(f"this is no regular expression: {error}") from error
        return strip

    @model_validator(mode="after")
    def _one_says_the_answer(self) -> Self:
        if self.answer and self.answer_in:
            raise ValueError(
                f"answer={self.answer!r} and answer_in={self.answer_in!r} contradict each other; give the column with "
                "the answer alone, or the one with a solution that ends with it"
            )
        return self

    def names(self) -> list[str]:
        """Every column that is asked for."""
        options = (self.options,) if isinstance(self.options, str) else (self.options or ())[:2]
        single = (self.question, self.answer, self.answer_in, self.solution, self.id, self.language, self.english)
        return list(dict.fromkeys(name for name in (*single, *options, *self.keep) if name))


class LoadOptions(Block):
    """Stage `load`: the source, and which column is what."""

    source: str = Field("", examples=["gsm8k"])
    """gsm8k, math, mmlu_pro, mmlu_prox; or a file (.parquet, .jsonl, .json, .csv, .tsv), a folder, a data set of the
    hub."""
    mapping: str = Field("auto", min_length=1)
    """Which columns hold what: auto, a built-in mapping (gsm8k, math, mgsm, mmlu_pro, mmlu_prox, verl, columns), a YAML
    file."""
    columns: Columns = folded(Columns())
    """Columns that differ from the mapping's, as in {question: problem, answer: final_answer}."""
    split: str | None = None
    """The split of a data set; null: what the mapping says."""
    configs: tuple[str, ...] = ()
    """Its configurations; none: what the mapping says."""
    revision: str | None = None
    """Its revision on the hub; name one, so that the same run gives the same rows next year."""
    streaming: bool = False
    """Read the data set while it is downloaded, without keeping it."""
    limit: int = Field(0, ge=0)
    """Load only so many rows; 0 loads all."""

    _once = field_validator("configs")(without_repetition)
