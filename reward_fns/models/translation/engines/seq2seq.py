"""Seq2seq models through transformers: NLLB-200, M2M100, mBART-50, MADLAD-400, OPUS-MT."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pbrlsvr.errors import ModelError
from pbrlsvr.models.devices import torch_device
from pbrlsvr.models.files import check_model, clip
from pbrlsvr.models.translation.engines.tokens import Row, TokenEngine, missing

if TYPE_CHECKING:
    from pbrlsvr.models.translation.translator import TranslatorLoader


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
        raise missing("mt", error) from error
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
            f"model: {type(error).__name__}: {clip(error)}\nGive an existing folder or a model name on the Hugging "
            "Face hub, and download it to every node beforehand where nodes have no network."
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
