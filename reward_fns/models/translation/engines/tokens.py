"""What seq2seq models have in common, whatever runs them: tokens in, batches by padded tokens, tokens out."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pbrlsvr.errors import MissingDependencyError, ModelError
from pbrlsvr.models.files import check_model, clip
from pbrlsvr.models.translation.engines import Request, Translation
from pbrlsvr.models.translation.language_codes import model_languages
from pbrlsvr.serving.token_budget import TokenBudget

if TYPE_CHECKING:
    from pbrlsvr.models.translation.translator import TranslatorLoader

#: New tokens that even the shortest sentence may take: a word in one script is many tokens in another.
SLACK = 16


class Row(NamedTuple):
    """One request as tokens: source ids with all special tokens, and the decoder's first token if it is told one."""

    source: list[int]
    target: int | None


class TokenEngine(ABC):
    """A seq2seq model behind a tokenizer. The special tokens are put here, not by the tokenizer.

    So rows of different directions share a batch, and no state of the tokenizer (`src_lang`) can be stale.
    """

    takes_lines = False

    def __init__(self, options: "TranslatorLoader"):
        tokenizer = load_tokenizer(options.tokenizer or options.model, options.revision)
        self.tokenizer = tokenizer
        self.languages = model_languages(tokenizer, options.model)
        self.batches = TokenBudget(max(1, options.batch_tokens // options.beam_size), options.model)
        self.limit = options.max_tokens
        self._ratio = options.length_ratio
        self._beams = options.beam_size
        # NLLB before its repair of 2023 expects the source code behind the text.
        self._code_behind = bool(getattr(tokenizer, "legacy_behaviour", False))
        own = tokenizer.convert_tokens_to_ids(self.languages.own_tokens)
        self._dropped = {*tokenizer.all_special_ids, *own}
        self._dropped.discard(tokenizer.unk_token_id)

    def size(self, text: str) -> int:
        """Tokens of a text, without special ones."""
        return len(self._ids(text))

    def translate(self, requests: Sequence[Request]) -> list[Translation]:
        """`[N]` requests -> `[N]` translations; see `Engine`."""
        rows = [self._row(request) for request in requests]
        lengths = [len(row.source) for row in rows]
        return self.batches.run(lengths, lambda places: self._batch([rows[place] for place in places]))

    def _batch(self, rows: list[Row]) -> list[Translation]:
        bounds = [math.ceil(self._ratio * len(row.source)) + SLACK for row in rows]
        end, results = self.tokenizer.eos_token_id, []
        for bound, ids in zip(bounds, self.generate(rows, max(bounds)), strict=True):
            # A short row must not run on only because it shares a batch with a long one.
            finished = end in ids[: bound + 1]
            results.append(Translation(self._text(ids[: ids.index(end)] if finished else ids[:bound]), finished))
        return results

    @abstractmethod
    def generate(self, rows: Sequence[Row], bound: int) -> list[list[int]]:
        """At most `bound` new token ids for each row, without the decoder's first tokens, through the end token."""

    def _row(self, request: Request) -> Row:
        told = self.languages.tokens(request.source, request.target)
        if told.target is None:
            # The cards of MADLAD-400 and OPUS-MT write the token as a word before the text; the tokenizer knows it.
            source = self._ids(request.text if told.source is None else f"{told.source} {request.text}")
            if told.source is not None and self._id(told.source) not in source:
                raise ModelError(f"the tokenizer of {self.languages.model!r} tears {told.source!r} apart")
            return Row([*source, self.tokenizer.eos_token_id], None)
        code, end, source = [self._id(told.source or "")], [self.tokenizer.eos_token_id], self._ids(request.text)
        return Row([*source, *end, *code] if self._code_behind else [*code, *source, *end], self._id(told.target))

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _id(self, token: str) -> int:
        return int(self.tokenizer.convert_tokens_to_ids(token))

    def _text(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode([token for token in ids if token not in self._dropped])).strip()


def load_tokenizer(name: str, revision: str | None) -> Any:
    """The tokenizer of a folder or a hub model.

    Raises:
        ModelError: it cannot be loaded.
        MissingDependencyError: transformers or sentencepiece is not installed.
    """
    try:
        import sentencepiece  # noqa: F401  (M2M100 and Marian; transformers would name the class only)
        from transformers import AutoTokenizer
    except ImportError as error:
        raise missing("mt", error) from error
    check_model(name, revision)
    try:
        return AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:
        raise ModelError(
            f"the tokenizer of {name!r} (revision={revision!r}) cannot be loaded: {type(error).__name__}: "
            f"{clip(error)}\nGive the folder or hub name that holds it; `tokenizer=` names it where it is not that of "
            "the model."
        ) from error


def missing(extra: str, error: ImportError) -> MissingDependencyError:
    """The error for a package of an extra that is not installed."""
    return MissingDependencyError(
        f"this translation engine needs `pip install 'pbrlsvr[{extra}]'` in the environment of every node ({error})"
    )
