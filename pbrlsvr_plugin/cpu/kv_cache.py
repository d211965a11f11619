"""Keys and values of a batch whose rows come and go."""

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

ROOM = 64  # columns that a new buffer has free, at least


class _Layer(DynamicLayer):
    """One layer, [B, heads, length, head size]: a view of buffers with room, so that a step only writes a column."""

    keys: Tensor
    values: Tensor

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._hold((key_states,), (value_states,))
            return self.keys, self.values
        start, end = self.keys.shape[2], self.keys.shape[2] + key_states.shape[2]
        if end > self._buffers[0].shape[2]:
            self._hold((self.keys,), (self.values,), room=end - start + ROOM)
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = states
        self.keys, self.values = (buffer[:, :, :end] for buffer in self._buffers)
        return self.keys, self.values

    def _hold(self, keys: tuple[Tensor, ...], values: tuple[Tensor, ...], room: int = ROOM) -> None:
        """Copy parts into new buffers, one below the other, aligned on the right."""
        length = max(part.shape[2] for part in keys)
        self._buffers = tuple(_stacked(parts, length, length + room + length // 4) for parts in (keys, values))
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)

    def select(self, index: Tensor, first_column: int) -> None:
        self._hold((self.keys[index, :, first_column:],), (self.values[index, :, first_column:],))

    def join(self, other: "_Layer") -> None:
        self._hold((self.keys, other.keys), (self.values, other.values))


def _stacked(parts: tuple[Tensor, ...], length: int, columns: int) -> Tensor:
    rows, (_, heads, _, size) = sum(len(part) for part in parts), parts[0].shape
    buffer = torch.empty(rows, heads, columns, size, dtype=parts[0].dtype)
    start = 0
    for part in parts:
        padding = length - part.shape[2]
        target = buffer[start : start + len(part)]
        target[:, :, :padding] = 0  # masked, but a NaN in it would still spread
        target[:, :, padding:length] = part
        start += len(part)
    return buffer


class KVCache(Cache):
    """A transformers cache whose rows can be selected, and joined by another's. Shorter rows are padded on the left."""

    layers: list[_Layer]

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=_Layer)

    def select(self, index: Tensor, first_column: int = 0) -> None:
        """Keep the rows of `index`, in that order, repeated where it repeats, from `first_column` on."""
        for layer in self.layers:
            layer.select(index, first_column)

    def join(self, other: "KVCache") -> None:
        """Append the rows of `other`."""
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            mine.join(theirs)
