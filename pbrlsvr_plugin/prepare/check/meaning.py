"""Does a translated question mean what the English one does? Judged by a model.

cosine             of the two questions, by a multilingual encoder: cheap, blind to numbers
round_trip_cosine  of the English question and the translation back into English
round_trip_chrf    the same, by runs of characters: the wording counts too, so a threshold of 0.5 is high
comet              quality estimation: a COMET model without a reference, such as Unbabel/wmt22-cometkiwi-da
"""

import asyncio
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from pbrlsvr.errors import MissingDependencyError
from pbrlsvr.languages import base
from pbrlsvr.models.files import require_model
from pbrlsvr_plugin.prepare.check.options import MeaningOptions


def require_models(options: MeaningOptions, languages: Sequence[str]) -> None:
    """Look whether the models are there, before the translations that they will judge are paid for.

    Raises:
        PbrlsvrError: one is not, or a server does not answer.
    """
    serving = options.serving
    if options.method == "comet":
        from pbrlsvr.models.comet.checkpoint import locate

        locate(options.comet.model, options.comet.revision)
    if options.method.startswith("round_trip"):
        from pbrlsvr.models.translation.translator import require_translator

        directions = [("17", language, "en") for language in languages if base(language) != "en"]
        require_translator(options.translation, serving, directions)
    if options.method.endswith("cosine"):
        if serving.resolved(has_client=True).place == "endpoint":
            asyncio.run(_cosine("17", "18", options))
        elif find_spec("sentence_transformers") is None:
            raise MissingDependencyError("check.meaning needs sentence-transformers: pip install 'pbrlsvr[embed]'")
        else:
            require_model(options.embedding.model, options.embedding.revision, "modules.json", "config.json")


def scores(rows: Sequence[Mapping[str, Any]], options: MeaningOptions) -> list[float]:
    """The score of each row, all rows at once.

    Raises:
        ModelError, ServiceError, MissingDependencyError: from the model.
    """

    async def all_scores() -> list[float]:
        return await asyncio.gather(*(_score(row, options) for row in rows))

    return asyncio.run(all_scores()) if rows else []


async def _score(row: Mapping[str, Any], options: MeaningOptions) -> float:
    english, question = row["english"], row["question"]
    if options.method == "cosine":
        return await _cosine(question, english, options)
    if options.method == "comet":
        from pbrlsvr.models.comet.comet import comet

        return await comet(options.comet, options.serving).score(english, question)
    from pbrlsvr.models.translation.translator import translator

    back = await translator(options.translation, options.serving).translate(question, row["language"])
    if options.method == "round_trip_cosine":
        return await _cosine(back, english, options)
    from pbrlsvr.scoring.overlap import chrf

    return chrf(back, english)


async def _cosine(text: str, english: str, options: MeaningOptions) -> float:
    from pbrlsvr.models.embedding.embedder import embedder

    return await embedder(options.embedding, options.serving).cosine(text, english)
