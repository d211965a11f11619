"""`pbrlsvr calibrate`: parallel text and an encoder become a calibration, and a table of what it resolves."""

import asyncio
from pathlib import Path

from pbrlsvr.calibration.calibration import Calibration
from pbrlsvr.calibration.fit import POOR_AUC, collect, fit
from pbrlsvr.calibration.pairs import read_parallel
from pbrlsvr.errors import PbrlsvrError
from pbrlsvr.models.embedding.embedder import embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.serving.options import ServingOptions
from pbrlsvr_plugin.terminal import say


def run(
    parallel: Path,
    out: Path,
    model: str,
    *,
    align: bool = False,
    floor: float = 0.0,
    ceiling: float = 0.95,
    shrinkage: float = 30.0,
    shuffles: int = 10,
    date: str | None = None,
    **models: object,
) -> int:
    """Fits a calibration to the parallel text at `parallel` and writes it to `out`; prints the table and the warnings,
    or the error. Returns the exit code. `models` are options of the encoder and of where it runs."""
    try:
        encoder = {name: value for name, value in models.items() if name in EmbeddingOptions.model_fields}
        serving = ServingOptions.of({name: value for name, value in models.items() if name not in encoder})
        options, texts = EmbeddingOptions.of({"model": model, **encoder}), read_parallel(parallel)
        samples, english = asyncio.run(
            collect(embedder(options, serving), texts, align=align, floor=floor, shuffles=shuffles)
        )
        calibration = fit(
            samples,
            english,
            options,
            shrinkage=shrinkage,
            similarity="alignment" if align else "cosine",
            floor=floor if align else 0.0,
            ceiling=ceiling,
            created=date,
            sources=tuple({"name": source.name, "sha256": source.sha256} for source in texts.sources),
        )
        calibration.save(out)
    except PbrlsvrError as error:
        say(f"error: {error}", err=True)
        return 1
    for line in table(calibration):
        say(line)
    for line in warnings(calibration):
        say(f"warning: {line}", err=True)
    say(f"written to {out}")
    return 0


def table(calibration: Calibration) -> list[str]:
    """One line a language: number of texts, centres, standard deviations, AUC and d'."""
    lines = [f"{'language':9}{'texts':>6}{'matched':>16}{'shuffled':>16}{'AUC':>7}{'d-prime':>9}"]
    for language, pair in calibration.pairs.items():
        matched = f"{pair.matched:.3f} ± {pair.matched_sd:.3f}"
        shuffled = f"{pair.shuffled:.3f} ± {pair.shuffled_sd:.3f}"
        note = "  matched: stand-in for paraphrases" if pair.stand_in else ""
        lines.append(f"{language:9}{pair.texts:6}{matched:>16}{shuffled:>16}{pair.auc:7.3f}{pair.d_prime:9.2f}{note}")
    return lines


def warnings(calibration: Calibration) -> list[str]:
    """What a user should know before training with it."""
    found = []
    for language, pair in calibration.pairs.items():
        if pair.auc < POOR_AUC:
            found.append(
                f"{language!r}: of two English texts the encoder finds the right one in only {pair.auc:.0%} of cases: "
                "the reward teaches little in this language. Take an encoder that knows it."
            )
        if pair.texts < calibration.shrinkage and language != "en":
            found.append(
                f"{language!r} has {pair.texts} texts, so that it is closer to the mean over the languages than to its "
                "own data. Add parallel text."
            )
    if calibration.pairs["en"].stand_in:
        found.append(
            "no English paraphrases (rows with language 'en'): English is calibrated with texts less a fifth of their "
            "words. See pbrlsvr.calibration.calibration."
        )
    return found
