"""The configuration of `pbrlsvr prepare`: a YAML file, values from the command line, or both."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import field_validator, model_validator
from typing_extensions import Self

from pbrlsvr.languages import parse
from pbrlsvr.options import Field
from pbrlsvr_plugin.key_values import gathered
from pbrlsvr_plugin.prepare import STAGES
from pbrlsvr_plugin.prepare.blocks import Block
from pbrlsvr_plugin.prepare.check.options import CheckOptions
from pbrlsvr_plugin.prepare.export.options import ExportOptions
from pbrlsvr_plugin.prepare.load.mapping import guess_mapping, mapping_of, short_name
from pbrlsvr_plugin.prepare.load.options import LoadOptions
from pbrlsvr_plugin.prepare.reference.options import ReferenceOptions, VerifyOptions
from pbrlsvr_plugin.prepare.stage import Context, Stage
from pbrlsvr_plugin.prepare.translate.options import TranslateOptions


class Config(Block):
    """pbrlsvr prepare: from an English data set to multilingual training data with English references."""

    out: str = Field(min_length=1, examples=["data/gsm8k"])
    """The folder of the results."""
    languages: tuple[str, ...] = Field(min_length=1, examples=[["en", "sw", "de"]])
    """The target languages, as BCP-47 codes. With "en" among them, the English rows are kept as well: a policy that
    trains without them may lose its English."""
    name: str = ""
    """The short name of the data set: a training row's data_source is name/language. Empty: that of the mapping or the
    source."""
    work: str = ""
    """The folder of the stages. Empty: "work" in `out`."""
    journal: str = ""
    """The file of paid answers; several runs may share one. It needs a local disk. Empty: "journal.sqlite" in
    `work`."""
    seed: int = 0
    """Decides all that is drawn by chance."""
    load: LoadOptions = LoadOptions()
    """The source, and which column is what."""
    reference: ReferenceOptions = ReferenceOptions()
    """Who writes the references, and how."""
    verify: VerifyOptions = VerifyOptions()
    """Which references are kept."""
    translate: TranslateOptions = TranslateOptions()
    """Who translates."""
    check: CheckOptions = CheckOptions()
    """Which translations are kept."""
    export: ExportOptions = ExportOptions()
    """What the training files hold."""

    @field_validator("languages", mode="before")
    @classmethod
    def _of_one_text(cls, languages: Any) -> Any:
        if isinstance(languages, str):
            languages = tuple(languages.split(","))
        if not isinstance(languages, tuple):
            return languages
        # YAML reads the code of Norwegian as false.
        return tuple("no" if code is False else code for code in languages)

    @field_validator("languages")
    @classmethod
    def _are_languages(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(parse(code.strip()) for code in languages))

    @model_validator(mode="after")
    def _asks_for_what_it_keeps(self) -> Self:
        asked = 1 if self.reference.engine == "dataset" else self.reference.candidates
        if self.verify.keep > asked:
            why = "the data set has one reference for each question" if self.reference.engine == "dataset" else (
                f"with reference.candidates={asked!r} there are never so many; raise it, with a reference.temperature"
            )  # fmt: skip
            raise ValueError(f"verify.keep={self.verify.keep!r}: {why}, or lower verify.keep")
        return self

    @property
    def data_name(self) -> str:
        return self.name or short_name(self.load.source, guess_mapping(self.load))

    @property
    def work_folder(self) -> Path:
        return Path(self.work) if self.work else Path(self.out) / "work"

    @property
    def journal_file(self) -> Path:
        return Path(self.journal) if self.journal else self.work_folder / "journal.sqlite"

    def folder(self, stage: str) -> Path:
        """The folder of a stage, as in "<work>/2-reference"."""
        return self.work_folder / f"{STAGES.index(stage) + 1}-{stage}"

    def stage(self, name: str, context: Context) -> Stage:
        """A stage with its options.

        Raises:
            ConfigError: they cannot work together.
        """
        options = getattr(self, name)
        if name == "reference" and options.prompt == "auto":
            options = options.model_copy(update={"prompt": mapping_of(self.load).prompt})
        if name == "translate":
            options = options.resolved(self.reference)
        room = "reference" if name == "verify" else name
        module = import_module(f"pbrlsvr_plugin.prepare.{room}.{name}")  # what it needs is imported with it
        stage: Stage = getattr(module, name.title())(options, context)
        return stage


def read_config(path: Path | None, overrides: Sequence[str], flags: Mapping[str, Any]) -> Config:
    """A configuration from a YAML file, `key=value` texts, and flags; the later ones win: see `key_values.gathered`.

    Raises:
        ConfigError: the file is not there or no YAML, or options do not exist or cannot work; all of them at once.
    """
    return Config.of(gathered(path, overrides, flags))
