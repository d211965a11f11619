"""The benchmarks that are known by name: where they are, at which revision, and their way onto this machine.

A file from GitHub is named by its commit, and kept under `$PBRLSVR_CACHE`, by default `~/.cache/pbrlsvr`, so that the
second run needs no network. Of a branch or a hub revision that moves, the digests in results.json say what was read.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr_plugin.evaluate.benchmarks import Question, language_files, read_questions
from pbrlsvr_plugin.prepare.stage import digest

_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Benchmark:
    """A data set that is known by name.

    Attributes:
        languages: that it is in.
        revision: a commit, or a branch.
        url: of a file, with {revision}, {language} and {part}; "" where it is on the hub.
        files: their names here, with {language} and {part}.
        parts: of each language.
        hub: its name on the Hugging Face hub, where each configuration is a language.
        split: of it.
    """

    languages: tuple[str, ...]
    revision: str
    url: str = ""
    files: str = ""
    parts: tuple[str, ...] = ("",)
    hub: str = ""
    split: str = "test"


_MGSM = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")
_GITHUB = "https://raw.githubusercontent.com"
BENCHMARKS = {
    # https://arxiv.org/abs/2210.03057
    "mgsm": Benchmark(
        _MGSM,
        "2d5736bde2ca9eeccb0f937fddef518591ac3aa7",
        f"{_GITHUB}/google-research/url-nlp/{{revision}}/mgsm/mgsm_{{language}}.tsv",
        "mgsm_{language}.tsv",
    ),
    # https://arxiv.org/abs/2511.05162
    "mgsm_rev2": Benchmark(
        _MGSM,
        "main",
        # The data are in a folder of the repository's name.
        f"{_GITHUB}/google-research-datasets/MGSM-Rev2/{{revision}}/MGSM-Rev2/mgsm_{{language}}.tsv",
        "mgsm_{language}.tsv",
    ),
    # https://arxiv.org/abs/2504.18428
    "polymath": Benchmark(
        (
            "ar", "bn", "de", "en", "es", "fr", "id", "it", "ja", "ko", "ms", "pt", "ru", "sw", "te", "th", "vi", "zh",
        ),
        "fab12d62dd486c605d6da1faef4db93e9e4f22f4",
        f"{_GITHUB}/QwenLM/PolyMath/{{revision}}/data/{{language}}/{{part}}.jsonl",
        "{language}/{part}.jsonl",
        ("low", "medium", "high", "top"),
    ),
    # https://arxiv.org/abs/2503.10497
    "mmlu_prox": Benchmark(
        (
            "af", "ar", "bn", "cs", "de", "en", "es", "fr", "hi", "hu", "id", "it", "ja", "ko", "mr", "ne", "pt", "ru",
            "sr", "sw", "te", "th", "uk", "ur", "vi", "wo", "yo", "zh", "zu",
        ),
        "8e6106a6c6ce1c5027e66cc338143cf997b2aa09",
        files="{language}.parquet",
        hub="li-lab/MMLU-ProX",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """What `--data` says."""

    name: str
    #: A folder or a file; None for one that is downloaded.
    place: Path | None = None
    revision: str | None = None

    @classmethod
    def of(cls, said: str) -> "Source":
        """From "mgsm", "mgsm@main", "mgsm=folder" or a path.

        Raises:
            ConfigError: it is none of them.
        """
        name, equals, place = said.partition("=")
        if equals and "/" not in name:
            if not Path(place).exists():
                raise ConfigError(f"--data {said}: there is no file or folder {place!r}")
            return cls(name, Path(place))
        name, at, revision = said.partition("@")
        if name in BENCHMARKS:
            return cls(name, None, revision if at else None)
        if Path(said).exists():
            path = Path(said).resolve()
            return cls(path.name.partition(".")[0] or path.name, path)
        raise ConfigError(
            f"--data {said}: there is no file or folder of that name; known by name are {list(BENCHMARKS)}, and "
            "<name>=<folder> names one that is there"
        )

    def questions(self, languages: Sequence[str], limit: int | None) -> tuple[list[Question], dict[str, str]]:
        """The questions, and the digest of each file.

        Raises:
            DataError, ConfigError: they cannot be had.
        """
        place = self.place or download(self.name, BENCHMARKS[self.name], languages, self.revision)
        return read_questions(self.name, place, languages, limit), dict(_digests(place, languages))


def download(name: str, benchmark: Benchmark, languages: Sequence[str] = (), revision: str | None = None) -> Path:
    """The folder of a benchmark on this machine; what is not there yet is downloaded.

    Raises:
        ConfigError: it is not in one of the languages.
        DataError: a file cannot be downloaded.
    """
    if absent := [each for each in languages if each not in benchmark.languages]:
        raise ConfigError(f"{name} is not in {absent[0]!r}; it is in {list(benchmark.languages)}")
    revision = revision or benchmark.revision
    cache = Path(os.environ.get("PBRLSVR_CACHE") or Path.home() / ".cache" / "pbrlsvr")
    folder = cache / "eval" / name / revision.replace("/", "_")
    for language in languages or benchmark.languages:
        for part in benchmark.parts:
            file = folder / benchmark.files.format(language=language, part=part)
            if file.exists():
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f".{os.getpid()}-{file.name}")
            if benchmark.hub:
                _from_hub(benchmark, language, revision, draft)
            else:
                _fetch(name, benchmark.url.format(revision=revision, language=language, part=part), draft)
            draft.replace(file)
    return folder


def _fetch(name: str, url: str, draft: Path) -> None:
    try:
        response = httpx.get(url, timeout=_TIMEOUT_S, follow_redirects=True)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise DataError(
            f"{name} cannot be downloaded from {url!r}: {type(error).__name__}: {error}. Check the network and the "
            f"revision, or download it by hand and give --data {name}=<folder>"
        ) from error
    draft.write_bytes(response.content)


def _from_hub(benchmark: Benchmark, language: str, revision: str, draft: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pbrlsvr_plugin.prepare.load.sources import Malformed, find_sources

    (source,) = find_sources(benchmark.hub, [language], benchmark.split, revision, False)
    rows = [row for _, row in source.records() if not isinstance(row, Malformed)]
    pq.write_table(pa.Table.from_pylist(rows), draft)


def _digests(place: Path, languages: Sequence[str]) -> Iterator[tuple[str, str]]:
    files = [file for tag, _, file in language_files(place) if not languages or tag in languages] \
        if place.is_dir() else [place]  # fmt: skip
    for file in files:
        yield str(file.relative_to(place)) if place.is_dir() else file.name, digest(file)
