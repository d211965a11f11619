"""The defaults that the semantic rewards share."""

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
Block = Mapping[str, Any]

# Half of the score for reasoning in another language: a gate would leave a policy that only thinks in English with a
# reward of 0 everywhere, and so with nothing to learn from.
LANGUAGE: Block = {"reasoning": {"mode": "penalty", "weight": 0.5}, "answer": {"mode": "off"}}
GUARDS: Block = {"repetition": True, "length": False}
# Reasoning counts as far as the answer is right: with the reasoning alone, a right solution with another number at its
# end would be paid like a right one (docs/attacks.md).
GATED: Block = {"rule": "gated", "weights": {"reasoning": 1.0, "answer": 0.0}}
LETTERS_IN_LANGUAGE: Block = {"mode": "penalty", "threshold": 1.0}
OFF: Block = {"mode": "off"}
# What is not named stands as in `pbrlsvr.serving.options.ServingOptions`.
SERVING: Block = {"place": "auto"}

#: Only English is compared once the reasoning is translated: a small English encoder, Apache-2.0.
ENGLISH_EMBEDDING: Block = {"model": "sentence-transformers/all-MiniLM-L6-v2"}
TRANSLATION: Block = {"engine": "seq2seq", "model": "facebook/m2m100_418M"}
