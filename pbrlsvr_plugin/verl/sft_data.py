"""veRL's SFT data set over the rows that RL trains on: the row's prompt, answered by its English reference.

    data:
      custom_cls:
        path: pkg://pbrlsvr_plugin.verl.sft_data
        name: PivotReferences

So one parquet file of `pbrlsvr prepare` serves the rewards and the SFT baseline that they are compared with. The
prompt's tokens are those that veRL's agent loop makes of the row: veRL's own SFT data set renders the reply as part of
the conversation, and a template such as Qwen3's then puts other tokens before it than before a generation.
"""

from typing import Any

import torch
from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset
from verl.utils.tokenizer.continuous_token_wiring import create_continuous_token_builder

from pbrlsvr.errors import ConfigError, DataError, PbrlsvrError

# The final answer stands where the prompts of `pbrlsvr prepare` ask for it.
RESPONSE = "{pivot_reasoning}\n#### {pivot_answer}"


class Conversations(MultiTurnSFTDataset):
    """Learns the last reply of a conversation, as a policy would generate it.

    input ids = prompt, as in RL: every message but the last, with the generation prompt
                + the reply's tokens + the tokens that end a turn;    loss on the reply and its end

    `data.apply_chat_template_kwargs` must be the same as in RL. Earlier replies are context.

    Raises:
        DataError: a conversation does not end with a reply, or nothing of the reply is left within `data.max_length`.
        ConfigError: `data.enable_thinking_default` is set, which RL does not know.
    """

    def __init__(self, parquet_files: Any, tokenizer: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        # veRL's default is the text "none".
        if (thinking := config.get("enable_thinking_default")) not in (None, "none"):
            raise ConfigError(
                f"data.enable_thinking_default={thinking!r} would make other prompts than RL's; set "
                f"data.apply_chat_template_kwargs.enable_thinking={str(thinking).lower()} in both"
            )
        super().__init__(parquet_files, tokenizer, config, *args, **kwargs)
        self._prompts = create_continuous_token_builder(
            self.tokenizer,
            hf_model_type=_model_type(self.tokenizer),
            chat_template_kwargs=dict(self.apply_chat_template_kwargs),
            processor=self.processor,
        )
        self._end = _end_of_turn(self.tokenizer)

    def __getitem__(self, item: int) -> dict[str, Any]:
        row = self.dataframe.iloc[item].to_dict()
        try:
            learnt: dict[str, Any] = super().__getitem__(item)
        except PbrlsvrError:
            raise
        except ValueError as error:
            raise DataError(f"veRL refuses the row {_named(row)}: {error}") from error
        if not learnt["loss_mask"].any():
            raise DataError(
                f"the prompt of the row {_named(row)} fills data.max_length={self.max_length}, and nothing of "
                "the reply is left to learn; raise it, or drop the row"
            )
        return learnt

    def _process_single_message(
        self, index: int, message: dict[str, Any], full_message: list[dict[str, Any]], tools: Any = None, **_: Any
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """All of the prompt at the first message, and the reply at the last: veRL joins what the messages give."""
        last = len(full_message) - 1
        ids: list[int] = []
        if index == last:
            ids = [*self.tokenizer.encode(_text(message), add_special_tokens=False), *self._end]
        elif index == 0:
            ids = self._prompts.build_initial_tokens(full_message[:last], tools=tools)
        tokens = torch.tensor(ids, dtype=torch.long)
        return tokens, torch.full_like(tokens, index == last), torch.ones_like(tokens), {}

    def sanity_check(self, *_: Any) -> None:
        """veRL's would compare with the conversation rendered at once, which is not what RL prompts with."""

    def _build_messages(self, example: dict[str, Any]) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = super()._build_messages(example)
        if len(messages) < 2 or messages[-1]["role"] != "assistant":
            roles = [message["role"] for message in messages]
            raise DataError(f"the conversation {_named(example)} has the roles {roles}: not a prompt and a reply")
        return messages


class PivotReferences(Conversations):
    """The row's prompt, answered by its reference.

    Options in `data`: `prompt_key` (default "prompt"), and `pivot_response`, the layout of what is to be learnt,
    with any keys of the row's `extra_info` in braces.

    Raises:
        DataError: a row has no prompt, or nothing to fill the layout with.
        ConfigError: the layout is none.
    """

    def __init__(self, parquet_files: Any, tokenizer: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        self._prompt_key = config.get("prompt_key", "prompt")
        self._layout = str(config.get("pivot_response", RESPONSE))
        # The column that veRL reads before `__getitem__` asks for the conversation.
        super().__init__(parquet_files, tokenizer, {**config, "messages_key": self._prompt_key}, *args, **kwargs)

    def _build_messages(self, example: dict[str, Any]) -> list[dict[str, Any]]:
        prompt = MultiTurnSFTDataset._build_messages(self, example)
        if not prompt:
            raise DataError(f"the row {_named(example)} has an empty {self._prompt_key!r}; prepare the data again")
        return [*prompt, {"role": "assistant", "content": self._response(example)}]

    def _response(self, example: dict[str, Any]) -> str:
        extra_info = example.get("extra_info") or {}
        try:
            filled = self._layout.format_map(extra_info)
        except KeyError as error:
            raise DataError(
                f"data.pivot_response={self._layout!r} asks for {error}, which the row {_named(example)} lacks; its "
                f"extra_info has {sorted(extra_info)}"
            ) from error
        except (ValueError, IndexError, AttributeError) as error:
            raise ConfigError(f"data.pivot_response={self._layout!r} is no layout: {error}") from error
        if not (extra_info.get("pivot_reasoning") or "").strip():
            raise DataError(
                f"the row {_named(example)} has no 'pivot_reasoning' in its extra_info: nothing to learn from"
            )
        return filled


def _end_of_turn(tokenizer: Any) -> list[int]:
    """What a policy ends its turn with: the token that the template closes a reply with, and the tokenizer's end of
    sequence where that is another one, as with base models, which generation stops at."""
    mark = "pbrlsvr"
    turn = [{"role": "user", "content": mark}, {"role": "assistant", "content": mark}]
    closing = tokenizer.apply_chat_template(turn, tokenize=False).rpartition(mark)[2]
    special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    closed = [token for token in tokenizer.encode(closing, add_special_tokens=False) if token in special][:1]
    return closed + [token for token in [tokenizer.eos_token_id] if token not in (None, *closed)]


def _model_type(tokenizer: Any) -> str | None:
    """By which veRL's agent loop chooses how a model's prompts are made."""
    from transformers import AutoConfig

    try:
        return str(AutoConfig.from_pretrained(tokenizer.name_or_path, trust_remote_code=False).model_type)
    except (OSError, ValueError):
        return None


def _text(message: dict[str, Any]) -> str:
    """A reply's text, which veRL makes a list of parts for models with a processor."""
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _named(example: dict[str, Any]) -> str:
    return f"{(example.get('extra_info') or {}).get('index')!r} of {example.get('data_source')!r}"
