"""Final answers in the 11 languages of MGSM: how many right ones does a scorer recognise, and how many wrong ones pass?

The gold answers of MGSM are rendered in each language's ways of writing an answer (digits, grouping, currency,
numerals, cue, box, ####, tags), with the question as the reasoning before them. Recall is the share of these that a
scorer counts as right. The false positives are the share of near misses that it counts as right: digits swapped, one
more, ten times more, another sign, the other language's grouping mark, several answers, arithmetic left undone, or the
gold answer somewhere in the reasoning and a wrong one, or none, at the end.

Before that, the endings of `tests/data/endings.tsv`: how models write a final answer in 75 languages, by language and
by mark, and endings that give none, by the reason.

Scorers:
    ours        pbrlsvr.answers.equal on pbrlsvr.responses.spans.split
    gsm8k       veRL's own verl.utils.reward_score.gsm8k, strict ("#### 42") and flexible (the last number)
    math_verify the function that veRL's verl.utils.reward_score.math_verify runs in its worker processes
    lm-eval     the strict and flexible filters of lm-evaluation-harness's mgsm_native_cot tasks, with its exact_match

Run, from the root of the repository (needs verl and math-verify, no network):

    python benchmarks/answer_extraction.py --data ../shared/data/mgsm
"""

import argparse
import re
import string
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from babel import Locale
from babel.numbers import format_compact_decimal, format_currency, format_decimal, get_currency_name
from verl.utils.reward_score import gsm8k, math_verify

from pbrlsvr.answers import equal
from pbrlsvr.responses.spans import split

#: language -> the cue of MGSM's exemplars, the regular expression of lm-evaluation-harness's strict filter (before the
#: number, after it), a second cue in use, and "or".
LANGUAGES: dict[str, tuple[str, tuple[str, str], str, str]] = {
    "bn": ("উত্তর হল {}।", ("The answer is ", ""), "সুতরাং, চূড়ান্ত উত্তর: {}", "অথবা"),
    "de": ("Die Antwort lautet {}.", ("Die Antwort lautet ", ""), "**Die endgültige Antwort ist {}.**", "oder"),
    "en": ("The answer is {}.", ("The answer is ", ""), "**Final Answer:** {}", "or"),
    "es": ("La respuesta es {}.", ("La respuesta es ", ""), "**Respuesta final:** {}", "o"),
    "fr": ("La réponse est {}.", ("La réponse est ", ""), "**Réponse finale :** {}", "ou"),
    "ja": ("答えは{}です。", ("答えは", "です。"), "したがって、最終的な答えは **{}** です。", "または"),
    "ru": ("Ответ — {}.", ("Ответ — ", ""), "**Ответ:** {}", "или"),
    "sw": ("Jibu ni {}.", ("Jibu ni ", ""), "Kwa hivyo, jibu la mwisho ni {}.", "au"),
    "te": ("సమాధానం {}.", ("సమాధానం ", ""), "కాబట్టి, చివరి సమాధానం: {}", "లేదా"),
    "th": ("คำตอบคือ {}", ("คำตอบคือ ", ""), "ดังนั้น คำตอบที่ถูกต้องคือ **{}**", "หรือ"),
    "zh": ("答案是 {}。", ("答案是 ", "。"), "因此，最终答案为：**{}**", "或"),
}
ENDINGS = Path(__file__).parent.parent / "tests" / "data" / "endings.tsv"
NATIVE_ZERO = {"bn": "০", "te": "౦", "th": "๐", "zh": "０", "ja": "０"}
SPACE_GROUPS = ("de", "es", "fr", "ru")
_LM_EVAL_NUMBER = r"(\-?[0-9\.\,]+)"
_LM_EVAL_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Case(NamedTuple):
    """A response, the gold answer, and the kind of writing or of mistake in it."""

    language: str
    kind: str
    response: str
    gold: str


def read_golds(data: Path, language: str) -> list[tuple[str, int]]:
    """Question and gold answer of each item; languages without a file get the English ones, for their answers."""
    path = data / f"mgsm_{language}.tsv"
    path = path if path.exists() else data / "mgsm_en.tsv"
    rows = (line.rstrip("\n").rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return [(question, int(gold.replace(",", ""))) for question, gold in rows]


def han(number: int) -> str:
    """Chinese numerals up to 10^8."""
    if number >= 10_000:
        high, low = divmod(number, 10_000)
        return f"{han(high)}万" + (("零" if low < 1000 else "") + han(low) if low else "")
    text, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if digit:
            text += ("零" if gap and text else "") + "零一二三四五六七八九"[digit] + name
        gap = digit == 0
    return text.removeprefix("一") if text.startswith("一十") else text or "零"


def writings(number: int, language: str) -> Iterator[tuple[str, str]]:
    """The ways in which a language writes a number, by CLDR."""
    locale = Locale.parse(language)
    yield "digits", str(number)
    yield "decimals", format_decimal(number, format="#,##0.00", locale=locale, numbering_system="latn")
    yield "currency", format_currency(number, "USD", locale=locale, numbering_system="latn")
    yield "unit", f"{number} {get_currency_name('USD', count=number, locale=locale)}"
    if number >= 1000:
        yield "grouped", format_decimal(number, locale=locale, numbering_system="latn")
        if language in SPACE_GROUPS:
            yield "grouped by spaces", f"{number:,}".replace(",", " ")
    if language in NATIVE_ZERO:
        to_native = {ord("0") + digit: chr(ord(NATIVE_ZERO[language]) + digit) for digit in range(10)}
        yield "native digits", format_decimal(number, locale=locale, numbering_system="latn").translate(to_native)
    if language in ("zh", "ja"):
        yield "numerals", han(number)
        if number % 1000 == 0 and number >= 10_000:
            yield "numerals", f"{number / 10_000:g}万"
    elif language == "sw" and number % 1000 == 0:
        # babel drops digits where the word comes first.
        yield "words", f"elfu {number // 1000}"
    elif number % 1000 == 0:
        yield "words", format_compact_decimal(number, format_type="long", locale=locale, fraction_digits=3)


def wrapped(answer: str, language: str, reasoning: str) -> Iterator[str]:
    """Responses that give the answer in the formats people train with."""
    cue, _, second_cue, _ = LANGUAGES[language]
    boxed = "\\boxed{" + answer.replace("%", "\\%").replace("$", "\\$") + "}"
    yield f"{reasoning}\n{cue.format(answer)}"
    yield f"{reasoning}\n\n{second_cue.format(answer)}"
    yield f"{reasoning}\n$${boxed}$$"
    yield f"{reasoning}\n\n{cue.format(f'${boxed}$')}"
    yield f"{reasoning}\n#### {answer}"
    yield f"<think>\n{reasoning}\n</think>\n\n{cue.format(answer)}"
    yield f"<think>{reasoning}</think>\n<answer>{answer}</answer>"


def near_misses(gold: int, language: str) -> Iterator[tuple[str, str]]:
    """Answers that look like the gold answer and are not."""
    digits, decimal_is_comma = str(gold), language in ("de", "fr", "ru")
    swapped = digits[:-2] + digits[-1] + digits[-2] if len(digits) > 1 else ""
    if swapped != digits and swapped[:1] not in ("", "0"):
        yield "digits swapped", swapped
    yield "one more", str(gold + 1)
    yield "ten times", format_decimal(gold * 10, locale=Locale.parse(language), numbering_system="latn")
    yield "a tenth", format_decimal(gold / 10, format="0.0", locale=Locale.parse(language), numbering_system="latn")
    if gold:
        yield "sign", f"-{gold}"
    if gold >= 1000 and language != "es":
        # The mark that is decimal in this language: 70.000 in English is 70, and 70,000 in German.
        yield "grouping mark", f"{gold:,}".replace(",", "," if decimal_is_comma else ".")
    if gold >= 1000:
        yield "broken groups", f"{digits[:-2]},{digits[-2:]}"
    yield "several", f"{gold} {LANGUAGES[language][3]} {gold + 1}"
    yield "several", f"{gold + 2} {LANGUAGES[language][3]} {gold}"
    yield "several", f"{gold - 1}, {gold}, {gold + 1}"
    yield "range", f"{gold}-{gold + 5}"
    if gold > 2:
        yield "arithmetic", f"{gold - 2} + 2"


def misplaced(gold: int, language: str, question: str) -> Iterator[str]:
    """Responses with the gold answer in the reasoning, and a wrong answer, or none, at the end."""
    cue = LANGUAGES[language][0]
    reasoning = f"{question} {gold}."
    yield f"<think>{reasoning} \\boxed{{{gold}}}</think>\n{cue.format(gold + 1)}"
    yield f"<think>{reasoning} {cue.format(gold)}"
    yield f"<think>{reasoning} <answer>{gold}</answer> \\boxed{{{gold}}}"
    yield f"{reasoning} \\boxed{{{gold}}}\n\\boxed{{{gold + 1}}}"
    yield f"{cue.format(gold)}\n{cue.format(gold + 1)}"
    yield f"{reasoning}\n#### {gold}\n#### {gold + 1}"
    yield f"<answer>{gold}</answer><answer>{gold + 1}</answer>"


def cases(data: Path, language: str, right: bool) -> Iterator[Case]:
    """All responses with a right answer, or all with a wrong one."""
    seen: set[int] = set()
    for question, gold in read_golds(data, language):
        if gold in seen:
            continue
        seen.add(gold)
        for kind, answer in writings(gold, language) if right else near_misses(gold, language):
            for response in wrapped(answer, language, question):
                yield Case(language, kind, response, str(gold))
        if not right:
            for response in misplaced(gold, language, question):
                yield Case(language, "misplaced", response, str(gold))


def endings() -> Iterator[tuple[bool, Case]]:
    """The endings of `tests/data/endings.tsv`, behind a line of reasoning; whether each gives the answer."""
    for line in ENDINGS.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            verdict, language, kind, gold, ending = line.split("\t")
            yield verdict == "right", Case(language, kind, "16 - 3 - 4 = 9\n\n" + ending.replace("⏎", "\n"), gold)


def lm_eval(strict: bool) -> Callable[[Case], bool]:
    """lm-evaluation-harness's filter, then its exact_match without case and punctuation."""

    def score(case: Case) -> bool:
        before, after = LANGUAGES.get(case.language, LANGUAGES["en"])[1]
        pattern = re.compile(before + _LM_EVAL_NUMBER + after) if strict else _LM_EVAL_FLEXIBLE
        found = pattern.findall(case.response)
        answer = (found[0] if strict else next(filter(None, found[-1]), "")) if found else "[invalid]"
        return str(answer).translate(_NO_PUNCTUATION) == case.gold.translate(_NO_PUNCTUATION)

    return score


def run_math_verify(case: Case) -> bool:
    # Not through veRL's process pool: here is the main thread, where math-verify's alarm works.
    return bool(math_verify._verify_in_subprocess("\\boxed{" + case.gold + "}", case.response))


SCORERS: dict[str, Callable[[Case], bool]] = {
    "ours": lambda case: equal(split(case.response).answer, case.gold, case.language),
    "gsm8k strict": lambda case: bool(gsm8k.compute_score(case.response, case.gold, method="strict")),
    "gsm8k flexible": lambda case: bool(gsm8k.compute_score(case.response, case.gold, method="flexible")),
    "math_verify": run_math_verify,
    "lm-eval strict": lm_eval(strict=True),
    "lm-eval flexible": lm_eval(strict=False),
}


def measure(
    data: Path, right: bool, every: int
) -> tuple[dict[str, dict[tuple[str, str], list[bool]]], dict[str, float]]:
    """Each scorer's verdicts by language and kind, and its mean time per response in microseconds."""
    verdicts: dict[str, dict[tuple[str, str], list[bool]]] = {name: defaultdict(list) for name in SCORERS}
    seconds: dict[str, list[float]] = {name: [] for name in SCORERS}
    for language in LANGUAGES:
        for index, case in enumerate(cases(data, language, right)):
            for name, scorer in SCORERS.items():
                if name == "math_verify" and index % every:
                    continue
                start = time.perf_counter()
                verdicts[name][language, case.kind].append(scorer(case))
                seconds[name].append(time.perf_counter() - start)
    return verdicts, {name: 1e6 * sum(times) / len(times) for name, times in seconds.items()}


def print_table(verdicts: dict[str, dict[tuple[str, str], list[bool]]], column: int) -> None:
    """The share of True in percent: a row per language (column 0) or kind (column 1), and their total."""
    print(f"{'':20}{'cases':>8}" + "".join(f"{name:>18}" for name in verdicts))
    rows = list(dict.fromkeys(key[column] for key in verdicts["ours"]))
    for row in [*rows, "all"]:
        cells = []
        for by_key in verdicts.values():
            values = [value for key, found in by_key.items() if row in ("all", key[column]) for value in found]
            cells.append((100 * sum(values) / len(values) if values else float("nan"), len(values)))
        print(f"{row:20}{cells[0][1]:8}" + "".join(f"{share:17.2f}%" for share, _ in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mgsm"), help="folder with mgsm_*.tsv")
    parser.add_argument("--every", type=int, default=10, help="math_verify, which is slow, sees one case in this many")
    options = parser.parse_args()
    for right, title in ((True, "Endings: recall"), (False, "Endings: false positives")):
        found: dict[str, dict[tuple[str, str], list[bool]]] = {name: defaultdict(list) for name in SCORERS}
        for case in (case for is_right, case in endings() if is_right == right):
            for name, scorer in SCORERS.items():
                found[name][case.language, case.kind].append(scorer(case))
        for column, by in enumerate(("language", "kind")):
            print(f"\n{title} by {by}\n")
            print_table(found, column)
    for right, title in ((True, "Recall"), (False, "False positives")):
        verdicts, microseconds = measure(options.data, right, options.every)
        print(f"\n{title} by language\n")
        print_table(verdicts, column=0)
        print(f"\n{title} by kind\n")
        print_table(verdicts, column=1)
        print("\nmean time, us".ljust(29) + "".join(f"{microseconds[name]:18.0f}" for name in SCORERS))


if __name__ == "__main__":
    main()
