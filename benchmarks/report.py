"""How long `pbrlsvr report` takes, and how large its page and its memory are.

    python benchmarks/report.py --steps 60               60 steps of 4,096 responses in 30 languages
    python benchmarks/report.py --folder F               the full size, 1,000 steps, kept in F

Responses of about 300 tokens, written in the layout of `pbrlsvr_plugin/verl/dump.py` and with the keys that
`pbrlsvr.hybrid` returns. The time for the full size is extrapolated from the CPU time of a smaller one; a response
costs more where a step has few of them.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pbrlsvr_plugin.json_lines import json_line

LANGUAGES = [
    *("en", "es", "de", "fr", "ru", "zh", "ja", "th", "sw", "bn", "te", "ko", "ar", "he", "fa"),
    *("hi", "ta", "ur", "vi", "id", "tr", "pl", "uk", "ro", "el", "hu", "yo", "ig", "am", "my"),
]
WORDS = {
    "zh": "首先 我们 计算 苹果 的 数量 因此 答案 是",
    "ja": "まず りんご の 数 を 計算 します したがって 答え は",
    "ar": "أولا نحسب عدد التفاح ثم نضيف لذلك الجواب هو",
    "he": "ראשית נחשב את מספר התפוחים ולכן התשובה היא",
    "th": "ก่อนอื่น เรา คำนวณ จำนวน แอปเปิล ดังนั้น คำตอบ คือ",
    "bn": "প্রথমে আমরা আপেলের সংখ্যা গণনা করি তাই উত্তর হল",
    "hi": "पहले हम सेबों की संख्या गिनते हैं इसलिए उत्तर है",
    "ru": "сначала посчитаем количество яблок значит ответ равен",
    "ko": "먼저 사과 의 수 를 계산 합니다 따라서 답 은",
    "ta": "முதலில் ஆப்பிள்களின் எண்ணிக்கையை கணக்கிடுவோம் எனவே விடை",
    "sw": "kwanza tunahesabu idadi ya matofaa kisha tunaongeza kwa hiyo jibu ni",
    "fa": "ابتدا تعداد سیب ها را می شماریم پس پاسخ",
}
ENGLISH = "first we count the apples and then we add what was bought so the answer is"
GROUP = 8
FULL = 1000 * 4096


def text(language: str, words: int, draw: random.Random) -> str:
    known = WORDS.get(language, ENGLISH).split()
    return " ".join(draw.choices(known, k=words))


def write_step(path: Path, step: int, steps: int, responses: int, draw: random.Random, gamed: bool = False) -> None:
    """A step of a run that learns; of one whose reward is gamed, if asked."""
    progress = step / steps
    with path.open("w", encoding="utf-8") as file:
        for number in range(responses):
            place = number // GROUP
            language = LANGUAGES[place % len(LANGUAGES)]
            if number % GROUP == 0:
                question, pivot = text(language, 50, draw), text("en", 120, draw)
            hard = LANGUAGES.index(language) / len(LANGUAGES)
            chance = 0.75 - 0.5 * hard * (1 - 0.7 * progress)
            right = draw.random() < (chance - 0.3 * max(0.0, progress - 0.5) if gamed else chance)
            reasoning = min(1.0, max(0.0, draw.gauss(0.5 + 0.3 * progress + 0.1 * right - 0.1 * hard, 0.1)))
            comet = min(1.0, max(0.0, draw.gauss(0.55 + 0.2 * progress - 0.15 * hard, 0.12)))
            own = min(1.0, max(0.0, draw.gauss(0.97 - 0.2 * hard * progress, 0.05)))
            length = int(draw.gauss(300 + 60 * progress, 40))
            row = {
                "input": question,
                "output": text(language, 160, draw) + f"\n#### {number}",
                "gts": str(number),
                "score": round(0.5 * (reasoning + comet) * (0.3 + 0.7 * right if not gamed else 1), 6),
                "step": step,
                "uid": f"{step}-{place}_{number % GROUP}_0",
                "group": f"{step}-{place}",
                "data_source": f"mgsm/{language}",
                "language": language,
                "index": place,
                "question": question,
                "pivot_reasoning": pivot,
                "pivot_answer": str(number),
                "response_length": length,
                "truncated": length > 380,
                "reasoning": reasoning,
                "reasoning_missing": 0.0,
                "comet": comet,
                "comet_missing": 0.0,
                "answer": float(right),
                "answer_missing": 0.0,
                "acc": float(right),
                "answered": 1.0,
                "reasoning_language_share": own,
                "reasoning_language_english": (1 - own) / 2,
                "reasoning_language_undetermined": 0.0,
                "reasoning_language_factor": 1.0 if own > 0.8 else 0.5,
                "answer_language_factor": 1.0,
            }
            file.write(json_line(row))


def make(folder: Path, steps: int, responses: int) -> None:
    """Writes twenty different steps; the others are links to them, so that the full size fits any disk's cache."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0)
    templates = []
    for step in range(1, steps + 1):
        path = folder / f"{step}.jsonl"
        if path.exists():
            continue
        if len(templates) < 20:
            write_step(path, step, steps, responses, draw)
            templates.append(path)
        else:
            path.hardlink_to(templates[step % len(templates)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--responses", type=int, default=4096)
    parser.add_argument("--folder", type=Path, help="where the files are made and kept; default: a temporary one")
    parser.add_argument("--cpus", type=int, help="use so many; default: all")
    asked = parser.parse_args()
    if asked.cpus:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked.cpus])
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.folder or Path(temporary)) / "rollouts"
        make(folder, asked.steps, asked.responses)
        total = sum(path.stat().st_size for path in folder.iterdir())
        page = folder.parent / "report.html"
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pbrlsvr_plugin.cli", "report", f"benchmark={folder.parent}", "--out", str(page)],
            check=True,
        )
        seconds = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
        rows = asked.steps * asked.responses
        print(f"{rows:,} responses, {total / 1e9:.2f} GB, {len(os.sched_getaffinity(0))} CPUs: {seconds:.1f} s")
        print(f"CPU time: {busy:.1f} s, {busy / rows * 1e6:.1f} µs a response")
        print(f"largest process: {memory:,.0f} MiB; page: {page.stat().st_size / 1e6:.1f} MB")
        if rows != FULL:
            print(f"extrapolated to 1,000 steps of 4,096: {busy / rows * FULL:.0f} s of CPU time")


if __name__ == "__main__":
    main()
