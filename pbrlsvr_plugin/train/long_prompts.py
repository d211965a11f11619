"""How many prompts veRL will leave out, because they are longer than data.max_prompt_length."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pbrlsvr.errors import PbrlsvrError
from pbrlsvr.models.files import cached_file, check_model
from pbrlsvr_plugin.check.columns import batches


def count(config: DictConfig, files: Sequence[Path]) -> int:
    """Rows of the files whose prompt is too long, in the policy's tokens and its chat template, as veRL counts them
    (verl/utils/dataset/rl_dataset.py: maybe_filter_out_long_prompts). 0 where veRL leaves none out, and where the
    tokenizer is not on this machine.
    """
    limit = config.data.get("max_prompt_length")
    if not files or limit is None or not config.data.get("filter_overlong_prompts", False):
        return 0
    tokenizer = _tokenizer(config)
    if tokenizer is None:
        return 0
    options = dict(OmegaConf.to_container(config.data.get("apply_chat_template_kwargs") or OmegaConf.create({})))  # type: ignore[arg-type]
    options |= {"add_generation_prompt": True, "tokenize": True, "return_dict": False}

    def tokens(prompt: Any) -> int:
        try:
            return len(tokenizer.apply_chat_template(prompt, **options))
        except Exception:  # veRL leaves out what the template refuses
            return int(limit) + 1

    around = tokens([{"role": "user", "content": ""}])
    key = str(config.data.get("prompt_key") or "prompt")
    return sum(
        _bytes(prompt, around) > int(limit) and tokens(prompt) > int(limit)
        for file in files
        for _, leaves, _ in batches(file, key)
        for prompt in leaves["prompt"]
    )


def _bytes(prompt: Any, around: int) -> float:
    """No tokenizer makes more tokens than a text has bytes, so that few prompts need to be tokenized."""
    texts = [message.get("content") for message in prompt] if isinstance(prompt, list) else [None]
    return sum((len(t.encode(errors="surrogatepass")) + around if isinstance(t, str) else math.inf) for t in texts)


def _tokenizer(config: DictConfig) -> Any:
    """The policy's, if it is here and its prompts hold nothing but its template: tools would make them longer."""
    model = config.actor_rollout_ref.model
    if config.data.get("tool_config_path") or config.data.get("function_tool_path"):
        return None
    path = str(model.get("tokenizer_path") or model.path)
    if not _is_here(path):
        return None  # before an import that takes seconds
    try:
        from transformers import AutoTokenizer

        check_model(path)
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    except (ImportError, OSError, ValueError, PbrlsvrError):
        return None
    if model.get("custom_chat_template"):
        tokenizer.chat_template = model.custom_chat_template
    if not getattr(tokenizer, "chat_template", None):
        return None
    tokenizer.model_max_length = int(1e30)
    return tokenizer


def _is_here(model: str) -> bool:
    """Whether there is such a folder, or files of a tokenizer in the hub's cache."""
    files = ("tokenizer_config.json", "tokenizer.json", "config.json")
    return Path(model).expanduser().is_dir() or any(cached_file(model, file) for file in files)
