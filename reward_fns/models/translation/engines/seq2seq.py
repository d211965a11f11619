"""Seq2seq models: what they have in common, whatever runs them (tokens in, batches by padded tokens, tokens out), and
those that run through transformers: NLLB-200, M2M100, mBART-50, MADLAD-400, OPUS-MT."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pbrlsvr.errors import ModelError
from pbrlsvr.models.files import GIVE_A_MODEL, check_model, clip, missing
from pbrlsvr.models.translation.engines import Request, Translation
from pbrlsvr.models.translation.language_codes import model_languages
from pbrlsvr.serving.token_budget import TokenBudget, torch_device

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
        raise missing("a translation model", "mt", error) from error
    check_model(name, revision)
    try:
        return AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:
        raise ModelError(
            f"the tokenizer of {name!r} (revision={revision!r}) cannot be loaded: {type(error).__name__}: "
            f"{clip(error)}\nGive the folder or hub name that holds it; `tokenizer=` names it where it is not that of "
            "the model."
        ) from error


class Seq2SeqEngine(TokenEngine):
    """`generate` of transformers."""

    def __init__(self, options: "TranslatorLoader"):
        super().__init__(options)
        self._model, self._device = _load(options)
        defaults = self._model.generation_config
        start = defaults.decoder_start_token_id
        self._start = int(self._model.config.decoder_start_token_id if start is None else start)
        # A forced end at the bound would make a translation that was cut off look finished.
        defaults.forced_eos_token_id = defaults.forced_bos_token_id = defaults.max_length = None

    def generate(self, rows: Sequence[Row], bound: int) -> list[list[int]]:
        """See `TokenEngine.generate`."""
        import torch
        from transformers import LogitsProcessorList

        longest, pad = max(len(row.source) for row in rows), self.tokenizer.pad_token_id
        ids = torch.tensor([row.source + [pad] * (longest - len(row.source)) for row in rows], device=self._device)
        mask = torch.tensor([[1] * len(row.source) + [0] * (longest - len(row.source)) for row in rows])
        starts = [[self._start] if row.target is None else [self._start, row.target] for row in rows]
        check = _NotANumber()
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=ids,
                attention_mask=mask.to(self._device),
                decoder_input_ids=torch.tensor(starts, device=self._device),
                max_new_tokens=bound,
                num_beams=self._beams,
                do_sample=False,
                logits_processor=LogitsProcessorList([check]),
            )
        if check.seen is not None and bool(check.seen):
            raise ModelError(
                f"model {self.languages.model!r} gave logits that are not numbers; with dtype='float16' or 'bfloat16' "
                "try dtype='float32'"
            )
        return [[int(token) for token in row[len(starts[0]) :]] for row in output.tolist()]


class _NotANumber:
    """Sees NaN without slowing generation: a NaN state makes all logits NaN, so one column tells."""

    def __init__(self) -> None:
        self.seen: Any = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        bad = scores[:, -1].isnan().any()
        self.seen = bad if self.seen is None else self.seen | bad
        return scores


def _load(options: "TranslatorLoader") -> tuple[Any, str]:
    try:
        import torch
        from transformers import AutoModelForSeq2SeqLM
    except ImportError as error:
        raise missing("a translation model", "mt", error) from error
    device = torch_device(options.device)
    check_model(options.model, options.revision)
    try:
        model, info = AutoModelForSeq2SeqLM.from_pretrained(
            options.model,
            revision=options.revision,
            dtype=getattr(torch, options.dtype),
            trust_remote_code=False,
            output_loading_info=True,
        )
        model = with_its_embeddings(model).eval().to(device)
    except Exception as error:
        raise ModelError(
            f"model={options.model!r} (revision={options.revision!r}, device={device!r}) cannot be loaded as a seq2seq "
            f"model: {type(error).__name__}: {clip(error)}\n{GIVE_A_MODEL}"
        ) from error
    if info["missing_keys"]:
        raise ModelError(
            f"model={options.model!r} lacks the weights {sorted(info['missing_keys'])[:4]}, so they would be random; "
            "take a complete checkpoint, or one that fits the installed version of transformers"
        )
    return model, device


def with_its_embeddings(model: Any) -> Any:
    """The model, with what some versions of transformers 5 lose of MADLAD-400 put right.

    Its checkpoints hold the shared embeddings under the decoder's name only, and an output layer of their own. Those
    versions give the encoder the output layer as embeddings, silently, and it translates into noise
    (huggingface/transformers issue 48154). A T5 encoder and decoder always share their embeddings.
    """
    if model.config.model_type == "t5":
        import torch

        decoder = model.decoder.embed_tokens
        if not torch.equal(model.encoder.embed_tokens.weight, decoder.weight):
            model.set_input_embeddings(decoder)
    return model
