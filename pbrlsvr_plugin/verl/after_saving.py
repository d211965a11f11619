"""What is done after each checkpoint: the options of `pbrlsvr_plugin.verl.checkpoints`, checked before a run starts."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pbrlsvr.errors import ConfigError
from pbrlsvr.options import Field, Options

CALLBACK = "pbrlsvr_plugin.verl.checkpoints.AfterSaving"
PLACE = "trainer.after_saving"
# What is said for each checkpoint anew.
_OURS = ("model", "out", "name")


class AfterSavingOptions(Options):
    """`trainer.after_saving`.

    >>> AfterSavingOptions(eval={"data": ["mgsm"], "limit": 50, "thinking": False}).eval_arguments()
    ['--data', 'mgsm', '--limit', '50', '--no-thinking']
    """

    out: str | None = None
    """The folder: `<out>/global_step_<N>/` is the Hugging Face model, `<out>/eval/global_step_<N>/` its evaluation.
    null is `exports` in trainer.default_local_dir."""
    every: int = Field(1, ge=1)
    """Only checkpoints whose step is a multiple of it. No export is deleted: one of an 8B model takes 16 GB."""
    check: bool = False
    """Compare weights and generations of each export with those of the shards, as `pbrlsvr export` does by itself."""
    eval: dict[str, Any] | None = None
    """The options of `pbrlsvr eval`, as in {data: [mgsm], samples: 4, thinking: false}; null evaluates nothing."""
    env: dict[str, str | int] = Field(default_factory=dict)
    """Environment variables of the two processes, as in {CUDA_VISIBLE_DEVICES: 7}."""

    @classmethod
    def in_config(cls, config: DictConfig) -> "AfterSavingOptions":
        """Those of a run's config.

        Raises:
            ConfigError: an option does not exist, or cannot work.
        """
        block = OmegaConf.select(config, PLACE)
        options = cls.of(OmegaConf.to_container(block, resolve=True) if block is not None else {}, PLACE)
        options.check_eval()
        return options

    def eval_arguments(self) -> list[str]:
        """`eval` as the command line has it."""
        return [argument for name, value in (self.eval or {}).items() for argument in _argument(name, value)]

    def check_eval(self) -> None:
        """
        Raises:
            ConfigError: `pbrlsvr eval` would not take these options.
        """
        if self.eval is None:
            return
        if taken := [name for name in self.eval if name in _OURS]:
            raise ConfigError(f"{PLACE}.eval.{taken[0]} is said for each checkpoint anew; leave it out")
        from typer.main import get_command

        # By name: the rooms below import no room above them.
        command = get_command(import_module("pbrlsvr_plugin.evaluate.cli").app).commands["run"]  # type: ignore[attr-defined]
        try:
            command.make_context("eval", ["model", "--out", "out", *self.eval_arguments()]).close()
        except Exception as error:
            said = error.format_message() if hasattr(error, "format_message") else str(error)
            raise ConfigError(f"{PLACE}.eval={self.eval!r}: `pbrlsvr eval` says: {said}") from error


def require(config: DictConfig) -> None:
    """
    Raises:
        ConfigError: the options cannot work, or nothing would read them.
    """
    if OmegaConf.select(config, "trainer.checkpoint_callback_class") == CALLBACK:
        AfterSavingOptions.in_config(config)
    elif OmegaConf.select(config, PLACE) is not None:
        raise ConfigError(f"{PLACE} has no effect without trainer.checkpoint_callback_class: {CALLBACK}")


def _argument(name: str, value: Any) -> Iterator[str]:
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        yield option if value else f"--no-{option.removeprefix('--')}"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (option, f"{key}={inner}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _argument(name, inner)
    elif value is not None:
        yield from (option, str(value))
