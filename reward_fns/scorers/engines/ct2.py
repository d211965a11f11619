"""The same models through CTranslate2, whose kernels for one decoding step are quicker: int8 on CPUs, float16 on GPUs.

A model is converted once, with the command that comes with CTranslate2, into a folder that every node can read:

    ct2-transformers-converter --model facebook/m2m100_418M --output_dir m2m100-ct2 --quantization int8

`tokenizer=` then names the original model ("facebook/m2m100_418M"), unless its tokenizer files are in the folder too
(`--copy_files tokenizer.json tokenizer_config.json` and what else the model has).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbrlsvr.errors import ModelError
from pbrlsvr.scorers.engines.tokens import Row, TokenEngine, load_tokenizer, missing

if TYPE_CHECKING:
    from pbrlsvr.scorers.translation import TranslationOptions


class CTranslate2Engine(TokenEngine):
    """`ctranslate2.Translator.translate_batch`."""

    def __init__(self, options: "TranslationOptions"):
        self._model = _load(options)
        tokenizer = load_tokenizer(options.tokenizer or options.model, options.revision)
        super().__init__(tokenizer, options.model, options.max_tokens, options.length_ratio, options.batch_tokens)
        self._beams = options.beam_size

    def generate(self, rows: Sequence[Row], bound: int) -> list[list[int]]:
        """See `TokenEngine.generate`."""
        tokens = self.tokenizer.convert_ids_to_tokens
        prefixes = [None if row.target is None else tokens([row.target]) for row in rows]
        try:
            results = self._model.translate_batch(
                [tokens(row.source) for row in rows],
                target_prefix=None if prefixes[0] is None else prefixes,
                beam_size=self._beams,
                max_decoding_length=bound + 1,
                max_input_length=0,
                return_end_token=True,
            )
        except Exception as error:
            raise ModelError(f"model {self.languages.model!r} fails in CTranslate2: {error}") from error
        prefix = 0 if prefixes[0] is None else 1
        return [self.tokenizer.convert_tokens_to_ids(result.hypotheses[0][prefix:]) for result in results]


def _load(options: "TranslationOptions") -> Any:
    try:
        import ctranslate2
    except ImportError as error:
        raise missing("ct2", error) from error
    folder = Path(options.model)
    if not (folder / "model.bin").is_file():
        raise ModelError(
            f"model={options.model!r} is no folder with a converted model (model.bin); make one with "
            "`ct2-transformers-converter --model <folder or hub name> --output_dir <folder> --quantization int8`"
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
            f"loaded by CTranslate2: {error}"
        ) from error
