"""veRL's SFT data set over the rows that RL trains on: the row's prompt, answered by its English reference.

    data:
      custom_cls:
        path: pkg://pbrlsvr_plugin.verl.sft_data
        name: PivotReferences

So one parquet file of `pbrlsvr prepare` serves the rewards and the SFT baseline that they are compared with.
"""

from typing import Any

from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset

from pbrlsvr.errors import ConfigError, DataError

# The final answer stands where the prompts of `pbrlsvr prepare` ask for it.
RESPONSE = "{pivot_reasoning}\n#### {pivot_answer}"


class PivotReferences(MultiTurnSFTDataset):
    """Options in `data`: `prompt_key` (default "prompt"), and `pivot_response`, the layout of what is to be learnt,
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
        messages = super()._build_messages(example)
        if not messages:
            raise DataError(f"the row {_named(example)} has an empty {self._prompt_key!r}; prepare the data again")
        return [*messages, {"role": "assistant", "content": self._response(example)}]

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


def _named(example: dict[str, Any]) -> str:
    return f"{(example.get('extra_info') or {}).get('index')!r} of {example.get('data_source')!r}"
