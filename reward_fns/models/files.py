"""A model's files, read as data and within bounds: they are half trusted.

A checkpoint may be wrong, and its numbers may be anybody's; but nothing in it runs as code, and a small file does not
become gigabytes of memory or of an error's text.
"""

import json
import re
import reprlib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pbrlsvr.errors import MissingDependencyError, ModelError

#: What to do about a model that cannot be loaded.
GIVE_A_MODEL = (
    "Give an existing folder or a model name on the Hugging Face hub, and download it to every node beforehand where "
    "nodes have no network."
)
#: The largest configuration and vocabulary files that are read, in bytes; the largest in use have about a tenth.
JSON_BYTES = 16 * 2**20
TOKENIZER_BYTES = 256 * 2**20
YAML_BYTES = 2**18
#: Lists in lists of a YAML file.
YAML_DEPTH = 50
#: Numbers in a `config.json` above these describe no model, but a program that never ends.
_BOUNDS = {"layers": 10_000, "experts": 100_000, "max_position_embeddings": 2**27}
#: These make transformers fetch and run code, whatever `trust_remote_code` says.
_CODE = ("trust_remote_code", "allow_all_kernels", "use_kernels", "kernel_config", "code_revision")

_repr = reprlib.Repr()
_repr.maxlevel = 3
_repr.maxlist = _repr.maxtuple = _repr.maxdict = _repr.maxset = 6
_repr.maxstring = _repr.maxother = _repr.maxlong = 120


def brief(value: object) -> str:
    """`repr(value)` of at most a few hundred characters, however large and however deep the value is.

    Example:
        >>> brief(list(range(10**6)))
        '[0, 1, 2, 3, 4, 5, ...]'
    """
    try:
        return clip(_repr.repr(value))
    except ValueError:  # a whole number of more digits than Python writes
        return f"a {type(value).__name__}"


def clip(text: object, limit: int = 600) -> str:
    """The text, of a foreign error for one, with its middle left out where it is longer than `limit`."""
    written = str(text)
    if len(written) <= limit:
        return written
    return f"{written[: limit * 2 // 3]} [... {len(written) - limit} characters ...] {written[-limit // 3 :]}"


def missing(what: str, extra: str, error: ImportError) -> MissingDependencyError:
    """The error for packages of an extra that are not installed."""
    return MissingDependencyError(
        f"{what} needs packages that are not here; run `pip install 'pbrlsvr[{extra}]'` in the environment of every "
        f"node ({error})"
    )


def read_json(file: Path) -> Any:
    """The content of a JSON file of at most 16 MiB.

    Raises:
        ModelError: it is larger, or no JSON.
    """
    try:
        return json.loads(_read(file, JSON_BYTES))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{str(file)!r} cannot be read as JSON: {type(error).__name__}: {clip(error)}") from error


def read_yaml(file: Path) -> Any:
    """The content of a YAML file of plain values, of at most 256 KiB and without aliases.

    An alias (`*name`) stands for what is elsewhere in the file, and a few lines of them for more than any memory.

    Raises:
        ModelError: it is larger, not plain YAML, or has aliases.
    """
    import yaml

    content = _read(file, YAML_BYTES)
    try:
        depth = 0
        for event in yaml.parse(content, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ModelError(f"{str(file)!r} has an alias, *{brief(event.anchor)}: write what it stands for")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > YAML_DEPTH:
                raise ModelError(f"{str(file)!r} has more than {YAML_DEPTH} lists in lists")
        return yaml.safe_load(content)
    # Python's own errors are those of a date or a number that does not exist.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ModelError(f"{str(file)!r} cannot be read as plain YAML: {clip(error)}") from error


def read_weights(file: Path) -> Any:
    """What `torch.save` wrote: tensors and plain values, mapped into memory where the file allows it.

    Raises:
        ModelError: the file is damaged, holds anything else, is compressed, or has tensors larger than itself.
    """
    import pickle

    import torch

    try:
        _require_stored(file)
        # Mapped into memory, a model of ten billion parameters is not read into memory twice.
        loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{str(file)!r} holds more than weights and plain values, and loading it would run code from it, which "
            "pbrlsvr does not do. If you trust the file, save it again with its weights and plain values alone. "
            f"({clip(error)})"
        ) from error
    except ModelError:
        raise
    except Exception as error:  # a damaged file can end in any of torch's and Python's errors
        raise ModelError(
            f"{str(file)!r} cannot be read ({type(error).__name__}: {clip(error)}): it is cut off or damaged"
        ) from error
    for name, value in _pairs(loaded):
        tensor = getattr(value, "_local_tensor", value)  # of a DTensor
        if not isinstance(tensor, torch.Tensor) or tensor.layout is not torch.strided:
            continue
        size, held = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
        if size > held:
            raise ModelError(f"{str(file)!r}: {brief(name)} claims {size:,} bytes, and the file holds {held:,} of it")
    return loaded


def check_model(model: str, revision: str | None = None) -> None:
    """Look at the configuration of a model before anything loads it: a folder, or a hub's model in the cache.

    What this refuses is also refused, or harmless, in the newest sentence-transformers and transformers; older ones
    that pbrlsvr works with ran it.

    Raises:
        ModelError: a file is too large, names code that would run, or describes no model.
    """
    folder = Path(model).expanduser()
    if not model or not folder.is_dir():
        found = cached_file(model, "config.json", revision)
        if found is None:
            return
        folder = found.parent
    # A sentence-transformers model has its modules in folders, and a router's modules in folders of those.
    files = sorted({file for depth in ("*", "*/*", "*/*/*") for file in folder.glob(f"{depth}.json")})
    for file in files:
        if "config" in file.name or file.name == "modules.json":
            content = read_json(file)
            _check_classes(file, content)
            for key, value in _pairs(content):
                _check_pair(file, key, value)
        elif file.stat().st_size > TOKENIZER_BYTES:
            raise ModelError(f"{str(file)!r} has {file.stat().st_size:,} bytes, more than {TOKENIZER_BYTES:,}")
    for file in (found for depth in ("*", "*/*", "*/*/*") for found in folder.glob(f"{depth}.bin")):
        _require_stored(file)


def require_model(model: str, revision: str | None, *files: str) -> None:
    """Look whether a model can be had, before work that would be lost without it; its weights are not read.

    Args:
        model: a folder, or a name on the hub.
        files: one of these it must have.

    Raises:
        ModelError: there is no such folder, or it has none of the files; or the hub does not give them.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        if not any((path / name).exists() for name in files):
            raise ModelError(f"model={model!r} has no {' or '.join(files)}: it is no model's folder")
        return
    # A hub's name has one slash at most, and does not begin with a dot.
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise ModelError(f"model={model!r} is no folder; name one with a model in it, or a model of the hub")
    from huggingface_hub import hf_hub_download

    for place, name in enumerate(files, start=1):
        try:
            hf_hub_download(model, name, revision=revision)
        except Exception as error:
            if place == len(files):
                raise ModelError(
                    f"model={model!r} (revision={revision!r}) is no folder here and cannot be had from the hub: "
                    f"{type(error).__name__}: {clip(error)}. Check the name and the network, or download it and give "
                    "the folder"
                ) from error
        else:
            return


def cached_file(model: str, name: str, revision: str | None = None) -> Path | None:
    """A file of a model in the hub's cache; None where it is not there, or the model is no name of the hub."""
    try:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(model, name, revision=revision)
    except (ImportError, ValueError):  # the loader says so
        return None
    return Path(found) if isinstance(found, str) else None


def _check_classes(file: Path, content: Any) -> None:
    """Classes that sentence-transformers imports by name: modules, those of a router, and word tokenizers."""
    named: list[Any] = []
    if file.name == "modules.json":
        known = isinstance(content, list) and all(isinstance(module, Mapping) for module in content)
        named += [module.get("type") for module in content] if known else [content]
    if isinstance(content, Mapping):
        named += [*content["types"].values()] if isinstance(content.get("types"), Mapping) else []
        tokenizer = content.get("tokenizer_class")
        named += [tokenizer] if "." in str(tokenizer) else []
    for name in named:
        if not isinstance(name, str) or not _is_module(name):
            raise ModelError(
                f"{str(file)!r} names {brief(name)}, which is no module of the installed sentence-transformers: "
                "loading it would run code that came with the model, which pbrlsvr does not do. Take an encoder whose "
                "modules are sentence-transformers' own"
            )


def _is_module(name: str) -> bool:
    if not re.fullmatch(r"sentence_transformers(\.\w+)+", name):
        return False
    try:
        from sentence_transformers.util import import_from_string
    except ImportError:
        return True  # then nothing here loads it
    try:
        found = import_from_string(name)
    except (ImportError, AttributeError):
        return False
    return isinstance(found, type) and found.__module__.startswith("sentence_transformers.")


def _check_pair(file: Path, key: str, value: Any) -> None:
    if key in _CODE and value:
        raise ModelError(f"{str(file)!r} asks for {key}={brief(value)}: pbrlsvr runs no code that a model names")
    if key.endswith("_implementation"):
        names = value.values() if isinstance(value, Mapping) else [value]
        if any("/" in str(name)[:200] for name in names):
            raise ModelError(f"{str(file)!r} asks for {key}={brief(value)}, code of a hub's kernel: remove that line")
    for ending, bound in _BOUNDS.items():
        if key.endswith(ending) and isinstance(value, int | float) and not value <= bound:
            raise ModelError(f"{str(file)!r}: {key}={brief(value)} is no model's; at most {bound:,} is read")


def _pairs(content: Any) -> Iterator[tuple[str, Any]]:
    """Each key and its value, at any depth; what a pickle holds in many places, once."""
    waiting, seen = [content], set()
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, Mapping):
            yield from found.items()
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def _require_stored(file: Path) -> None:
    """`torch.save` compresses nothing; what is compressed may become any size."""
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        packed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise ModelError(
            f"{str(file)!r} is compressed ({brief(packed[0])}), which torch.save does not do; save it again"
        )


def _read(file: Path, limit: int) -> bytes:
    if not file.is_file():
        raise ModelError(f"{str(file)!r} is no file")
    with file.open("rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise ModelError(f"{str(file)!r} has more than {limit:,} bytes, which no configuration needs")
    return content
