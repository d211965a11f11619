"""How long prompts and references are, in the tokens of the user's policy."""

from collections.abc import Sequence
from typing import Any

from pbrlsvr.errors import ConfigError, MissingDependencyError
from pbrlsvr.models.files import check_model, clip
from pbrlsvr_plugin.prepare.export.instructions import Message


class Lengths:
    """Lengths in tokens; in characters if there is no tokenizer.

    Raises:
        ConfigError: it cannot be loaded, or has no chat template, without which a policy cannot be asked.
        MissingDependencyError: transformers is not installed.
    """

    def __init__(self, tokenizer: str, revision: str | None = None):
        self._tokenizer = _load(tokenizer, revision) if tokenizer else None
        self.unit = "tokens" if tokenizer else "characters"

    def of_prompts(self, prompts: Sequence[Sequence[Message]]) -> list[int]:
        """As veRL counts them: with the chat template and what begins the reply."""
        if self._tokenizer is None:
            return [sum(len(message["content"]) for message in prompt) for prompt in prompts]
        texts = self._tokenizer.apply_chat_template(list(prompts), tokenize=False, add_generation_prompt=True)
        return self.of_texts(texts)

    def of_texts(self, texts: Sequence[str]) -> list[int]:
        """Of plain texts, without special tokens. Each different text is tokenized once."""
        if self._tokenizer is None:
            return [len(text) for text in texts]
        different = list(dict.fromkeys(texts))
        if not different:
            return []
        encoded = self._tokenizer(different, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        length = dict(zip(different, map(len, encoded), strict=True))
        return [length[text] for text in texts]


def _load(name: str, revision: str | None) -> Any:
    try:
        from transformers import AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise MissingDependencyError(
            "export.tokenizer needs transformers, which comes with veRL: pip install transformers"
        ) from error
    check_model(name, revision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:
        raise ConfigError(
            f"export.tokenizer={name!r} (revision {revision!r}) cannot be loaded: {type(error).__name__}: "
            f"{clip(error)}; give the folder or hub name of the policy"
        ) from error
    if not getattr(tokenizer, "chat_template", None):
        raise ConfigError(
            f"export.tokenizer={name!r} has no chat template, so prompts cannot be put to its model; give an instruct "
            "model, or save a template with the tokenizer"
        )
    # It would warn of texts longer than the model's context, which are what is looked for here.
    tokenizer.model_max_length = int(1e30)
    logging.get_logger("transformers.tokenization_utils_base").setLevel(logging.ERROR)
    return tokenizer
