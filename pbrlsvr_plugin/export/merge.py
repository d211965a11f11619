"""Shards -> one Hugging Face folder by veRL's own `FSDPModelMerger`, in bfloat16, which is what its rollouts run in.

What it leaves open is settled here: whether all of the model is there, and LoRA.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pbrlsvr.errors import ModelError, PbrlsvrError
from pbrlsvr.models.files import brief, check_model, clip
from pbrlsvr_plugin.export.shards import Checkpoint

EXPORTED = torch.bfloat16  # the only dtype that veRL's merger writes


def check_complete(source: Checkpoint, state: dict[str, torch.Tensor]) -> None:
    """The shards hold the whole model, not the adapter alone.

    Raises:
        ModelError: they do not, with the first names.
    """
    with torch.device("meta"), _or_model_error(f"the config in {str(source.config)!r} describes no model"):
        model = model_class(source.config)(load_config(source.config))
    expected = set(model.state_dict())
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    missing = sorted(expected - {plain_name(name) for name in state} - tied)
    if missing:
        raise ModelError(
            f"{str(source.folder)!r} lacks {len(missing)} of the model's {len(expected)} tensors, "
            f"{missing[0]!r} first. Where only the adapter was "
            "saved, load it with peft onto the model that training started from"
        )


def merge(source: Checkpoint, out: Path) -> None:
    """veRL's merger: weights, config, generation config and tokenizer, and `lora_adapter/` where there is one.

    Raises:
        ModelError: it fails.
    """
    from verl.model_merger.base_model_merger import ModelMergerConfig
    from verl.model_merger.fsdp_model_merger import FSDPModelMerger

    options = ModelMergerConfig(
        operation="merge",
        backend="fsdp",
        local_dir=str(source.folder),
        target_dir=str(out),
        hf_model_config_path=str(source.config),
        trust_remote_code=False,
    )
    with weights_only(), _or_model_error(f"veRL's merger cannot merge {str(source.folder)!r}"):
        merger = FSDPModelMerger(options)
        merger.merge_and_save()
        merger.cleanup()
        merger.save_generation_config(str(out))


@contextmanager
def weights_only() -> Iterator[None]:
    """Every `torch.load` within reads weights and plain values only, whatever its caller asks for.

    veRL's merger reads the shards with `weights_only=False`, which would run what is pickled in them.
    """
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ[names[0]] = "1"
    try:
        yield
    finally:
        del os.environ[names[0]]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def merge_adapter(out: Path, lora: dict[str, Any]) -> None:
    r"""$W + \frac{\alpha}{r} B A$ for every adapted weight: what veRL leaves beside the base goes into it.

    It is computed in float32 from the bfloat16 weights and adapter that a rollout would load.
    """
    from peft import PeftModel

    base = model_class(out).from_pretrained(out, dtype=torch.float32, use_safetensors=True)
    with _or_model_error(f"the adapter in {str(out / 'lora_adapter')!r} does not fit the model"):
        merged = PeftModel.from_pretrained(base, str(out / "lora_adapter")).merge_and_unload()
    for file in (*out.glob("*.safetensors"), *out.glob("*.safetensors.index.json")):
        file.unlink()
    merged.to(EXPORTED).save_pretrained(out)


def plain_name(name: str) -> str:
    """A parameter's name without peft's wrapping."""
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".")


def load_config(folder: Path) -> Any:
    """The config of a folder.

    Raises:
        ModelError: it cannot be read, or is of an unknown kind.
    """
    from transformers import AutoConfig

    check_model(str(folder))
    with _or_model_error(f"the config in {str(folder)!r} cannot be read"):
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def model_class(folder: Path) -> Any:
    """The class of transformers that the config of a folder names.

    Raises:
        ModelError: transformers has no such model.
    """
    import transformers

    name = next(iter(load_config(folder).architectures or []), None)
    found = getattr(transformers, name, None) if isinstance(name, str) else None
    if not isinstance(found, type) or not issubclass(found, transformers.PreTrainedModel):
        raise ModelError(
            f"{str(folder / 'config.json')!r} names architecture {brief(name)}, which transformers does not have"
        )
    return found


@contextmanager
def _or_model_error(what: str) -> Iterator[None]:
    """What a library raises within, for a half trusted file may make it raise anything, becomes a `ModelError`."""
    try:
        yield
    except PbrlsvrError:
        raise
    except Exception as error:
        raise ModelError(f"{what}: {type(error).__name__}: {clip(error)}") from error
