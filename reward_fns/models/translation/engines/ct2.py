"""The same models through CTranslate2, whose kernels for one decoding step are quicker: int8 on CPUs, float16 on GPUs.

A model is converted once, into a folder that every node can read; its tokenizer goes along:

    python -m pbrlsvr.models.translation.engines.ct2 facebook/m2m100_418M m2m100-ct2 --quantization int8

CTranslate2's own command `ct2-transformers-converter` does the same, except where transformers 5 has changed what it
relies on: with M2M100 it fails ("Source vocabulary 0 has size ..."), and MADLAD-400 it may convert into noise.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbrlsvr.errors import ModelError
from pbrlsvr.models.files import clip, missing
from pbrlsvr.models.translation.engines.seq2seq import Row, TokenEngine, load_tokenizer, with_its_embeddings

if TYPE_CHECKING:
    from pbrlsvr.models.translation.translator import TranslatorLoader


class CTranslate2Engine(TokenEngine):
    """`ctranslate2.Translator.translate_batch`."""

    def __init__(self, options: "TranslatorLoader"):
        self._model = _load(options)
        super().__init__(options)

    def generate(self, rows: Sequence[Row], bound: int) -> list[list[int]]:
        """See `TokenEngine.generate`."""
        tokens = self.tokenizer.convert_ids_to_tokens
        prefixes = [None if row.target is None else tokens([row.target]) for row in rows]
        results = self._model.translate_batch(
            [tokens(row.source) for row in rows],
            target_prefix=None if prefixes[0] is None else prefixes,
            beam_size=self._beams,
            max_decoding_length=bound + 1,
            max_input_length=0,
            return_end_token=True,
        )
        prefix = 0 if prefixes[0] is None else 1
        return [self.tokenizer.convert_tokens_to_ids(result.hypotheses[0][prefix:]) for result in results]


def _load(options: "TranslatorLoader") -> Any:
    try:
        import ctranslate2
    except ImportError as error:
        raise missing("CTranslate2", "ct2", error) from error
    folder = Path(options.model)
    if not (folder / "model.bin").is_file():
        raise ModelError(
            f"model={options.model!r} is no folder with a converted model (model.bin); make one with "
            "`python -m pbrlsvr.models.translation.engines.ct2 <folder or hub name> <new folder> --quantization int8`"
        )
    device, _, index = options.device.partition(":")
    if device == "auto" and not ctranslate2.get_cuda_device_count():
        device = "cpu"
    try:
        return ctranslate2.Translator(
            str(folder), device=device, device_index=int(index or 0), compute_type=options.compute_type
        )
    except Exception as error:
        raise ModelError(
            f"model={options.model!r} (device={options.device!r}, compute_type={options.compute_type!r}) cannot be "
            f"loaded by CTranslate2: {clip(error)}"
        ) from error


def convert(model: str, folder: str, quantization: str | None = None, revision: str | None = None) -> None:
    """Writes a model of transformers, and its tokenizer, to a folder as CTranslate2 reads it.

    Raises:
        MissingDependencyError: CTranslate2 is not installed.
        ModelError: the model cannot be converted.
    """
    try:
        from ctranslate2.converters import TransformersConverter
    except ImportError as error:
        raise missing("CTranslate2", "ct2", error) from error
    tokenizer = load_tokenizer(model, revision)
    vocabulary = {**tokenizer.get_vocab(), **getattr(tokenizer, "lang_token_to_id", {})}

    class Converter(TransformersConverter):
        def load_model(self, *args: Any, **kwargs: Any) -> Any:
            loaded = with_its_embeddings(super().load_model(*args, **kwargs))
            # transformers 5 sets `tie_word_embeddings` of every T5 and keeps what was meant by it under another name.
            if hasattr(loaded.config, "scale_decoder_outputs"):
                loaded.config.tie_word_embeddings = loaded.config.scale_decoder_outputs
            return loaded

        def load_tokenizer(self, *_: Any, **__: Any) -> Any:
            tokenizer.get_vocab = lambda: vocabulary
            return tokenizer

    try:
        Converter(model, revision=revision, trust_remote_code=False).convert(folder, quantization=quantization)
    except Exception as error:
        raise ModelError(f"model={model!r} cannot be converted for CTranslate2: {clip(error)}") from error
    load_tokenizer(model, revision).save_pretrained(folder)


def _main() -> None:
    parser = argparse.ArgumentParser(description="Converts a translation model for translation.engine=ctranslate2.")
    parser.add_argument("model", help="a folder, or a name on the Hugging Face hub")
    parser.add_argument("folder", help="the new folder")
    parser.add_argument("--quantization", default=None, help="int8, int8_float16, float16, ...; as it is by default")
    parser.add_argument("--revision", default=None)
    options = parser.parse_args()
    convert(options.model, options.folder, options.quantization, options.revision)


if __name__ == "__main__":
    _main()
