"""`pbrlsvr attack`: does any attack on a reward pay better than an honest response?

For each attack, language and problem, the margins

    to correct = score(honest correct response) - score(attack)
    to wrong   = score(honest wrong response) - score(attack)       if the attack is wrong in substance

should not be negative. `pbrlsvr_plugin.attacks` has the attacks and the problems. A reward may be any that veRL can
call: with the arguments of veRL, and the same result.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import inf
from pathlib import Path

from rich.table import Table
from rich.text import Text

from pbrlsvr.errors import ConfigError, DataError, PbrlsvrError
from pbrlsvr.languages import parse
from pbrlsvr_plugin.attacks.problems import TEMPLATE, Case, Problem, builtin_problems, read_problems
from pbrlsvr_plugin.attacks.responses import ATTACKS
from pbrlsvr_plugin.last_wins import last_pairs
from pbrlsvr_plugin.terminal import Screen, say
from pbrlsvr_plugin.verl import chosen_reward

# A float32 model gives the same text slightly different vectors in different batches.
TOLERANCE = 1e-3
#: Samples that are scored at the same time.
CONCURRENCY = 64


@dataclass(frozen=True, slots=True)
class Finding:
    """How the strongest response of one attack fared on one problem, and what the honest ones earn more than it."""

    attack: str
    language: str
    problem: str
    wrong: bool
    response: str
    score: float
    to_correct: float
    to_wrong: float | None

    def margin(self, honest: str) -> float:
        """The margin to the honest "correct" or "wrong" response; infinite where there is none to keep."""
        margin = self.to_correct if honest == "correct" else self.to_wrong
        return inf if margin is None else margin

    def outranks(self, tolerance: float) -> list[str]:
        """The honest responses that it scores above, by more than `tolerance`."""
        return [honest for honest in ("correct", "wrong") if self.margin(honest) < -tolerance]


def run(
    reward: str = "pbrlsvr.embed_cosine",
    option: Sequence[str] = (),
    config: Path | None = None,
    languages: str | None = None,
    problems: Path | None = None,
    template: str = TEMPLATE,
    truth: bool = True,
    tolerance: float = TOLERANCE,
    json_out: Path | None = None,
) -> int:
    """`attack` for the command line: prints the table and what outranks an honest response.

    Returns:
        The exit code: 0 if nothing does, 1 if something does, 2 after an error.
    """
    try:
        option = last_pairs(option, merges=True)
        chosen_by = chosen_reward.of_config(config, option) if config else chosen_reward.named(reward, option)
        function, described = chosen_by
        wanted = languages.replace(",", " ").split() if languages else None
        chosen, known = choose(read_problems(problems) if problems else None, wanted)
        findings = asyncio.run(attack(function, chosen, known, template=template, truth=truth))
    except PbrlsvrError as error:
        say(f"error: {error}", err=True)
        return 2
    if json_out is not None:
        report = {"reward": described, "truth": truth, "tolerance": tolerance, "findings": [*map(asdict, findings)]}
        json_out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    Screen().print(table(findings, tolerance))
    broken = [*unrewarded(findings), *violations(findings, tolerance)]
    for line in broken:
        say(line)
    count = sum(bool(finding.outranks(tolerance)) for finding in findings)
    say(f"{described}: {len(findings)} attacks, of which {count} pay better than an honest response")
    return int(bool(broken))


async def attack(
    reward: chosen_reward.Function,
    problems: Sequence[Problem],
    known: Sequence[Problem] | None = None,
    *,
    template: str = TEMPLATE,
    truth: bool = True,
) -> list[Finding]:
    """Scores every attack on every problem beside the honest responses; attacks may borrow texts from `known` ones.

    Raises:
        ConfigError: the template lacks a field.
        PbrlsvrError: what the reward raises.
    """
    if missing := [name for name in ("{reasoning}", "{answer}") if name not in template]:
        raise ConfigError(f"template={template!r} has no {missing[0]}")
    limit = asyncio.Semaphore(CONCURRENCY)
    cases = [Case.of(problem, known or problems, template) for problem in problems]
    found = await asyncio.gather(*(_attack(reward, place, case, truth, limit) for place, case in enumerate(cases)))
    return [finding for findings in found for finding in findings]


async def _attack(
    reward: chosen_reward.Function, index: int, case: Case, truth: bool, limit: asyncio.Semaphore
) -> list[Finding]:
    problem = case.problem
    row = problem.row(index, truth=truth)
    scored = partial(
        chosen_reward.result,
        reward,
        data_source=f"attack/{problem.language}",
        ground_truth=problem.pivot_answer if truth else "",
        extra_info=row,
    )

    async def score(response: str) -> float:
        async with limit:
            return float((await scored(solution_str=response))["score"])

    built = {attack: list(attack.build(case)) for attack in ATTACKS}
    responses = list(dict.fromkeys([case.correct, case.wrong, *(text for texts in built.values() for text in texts)]))
    scores = dict(zip(responses, await asyncio.gather(*map(score, responses)), strict=True))
    correct, wrong = scores[case.correct], scores[case.wrong]
    findings = []
    for each, texts in built.items():
        if texts:
            best = max(texts, key=lambda text: scores[text])
            to_wrong = wrong - scores[best] if each.wrong else None
            margins = (scores[best], correct - scores[best], to_wrong)
            findings.append(Finding(each.name, problem.language, problem.problem, each.wrong, best, *margins))
    return findings


def choose(own: Sequence[Problem] | None, languages: Sequence[str] | None) -> tuple[list[Problem], tuple[Problem, ...]]:
    """The problems to attack, and all that texts may be borrowed from: a user's own go before the built-in ones.

    Raises:
        DataError: there is no problem in one of `languages`, or a code does not exist.
    """
    known = (*own, *builtin_problems()) if own else builtin_problems()
    offered = own or builtin_problems()
    if languages is None:
        return list(offered), known
    present = {problem.language for problem in offered}
    wanted = [parse(code) for code in languages]
    if absent := [code for code in wanted if code not in present]:
        raise DataError(f"languages: there is no problem in {absent[0]!r}; there are some in {sorted(present)}")
    return [problem for problem in offered if problem.language in wanted], known


def unrewarded(findings: Sequence[Finding]) -> list[str]:
    """Nothing can outrank, and nothing is tested, where the honest correct response earns nothing: one line on that."""
    languages = dict.fromkeys(found.language for found in findings if found.score + found.to_correct <= 0)
    if not languages:
        return []
    return [
        f"the honest correct response scores 0 in {', '.join(languages)}, so that little is tested there: does the "
        "template write responses as the reward expects them?"
    ]


def violations(findings: Sequence[Finding], tolerance: float = TOLERANCE) -> list[str]:
    """One line for each attack and honest response that it outranks, with the worst case."""
    lines = []
    for attack, honest in ((attack, honest) for attack in ATTACKS for honest in ("correct", "wrong")):
        same = [found for found in findings if found.attack == attack.name and honest in found.outranks(tolerance)]
        if not same:
            continue
        worst = min(same, key=lambda found: found.margin(honest))
        lines.append(
            f"{attack.name} outranks the honest {honest} response in {len(same)} cases "
            f"({', '.join(dict.fromkeys(found.language for found in same))}): {attack.reason}. Worst: "
            f"{worst.score:.3f}, {-worst.margin(honest):.3f} more, in {worst.language!r}, {worst.problem!r}"
        )
    return lines


def table(findings: Sequence[Finding], tolerance: float = TOLERANCE) -> Table:
    """Attacks x languages: the smallest margin to the honest correct response / to the honest wrong one."""
    languages = list(dict.fromkeys(finding.language for finding in findings))
    drawn = Table(
        title="Smallest margin to the honest correct response / to the honest wrong one, where the attack is wrong in "
        "substance. ! = the attack pays better."
    )
    drawn.add_column("attack", no_wrap=True)
    for language in languages:
        drawn.add_column(language, justify="right", no_wrap=True)
    correct = [[each.score + each.to_correct for each in findings if each.language == one] for one in languages]
    drawn.add_row("score of the honest correct", *(f"{min(scores):.2f}" for scores in correct), end_section=True)
    for attack in ATTACKS:
        cells = [
            _cell([each for each in findings if (each.attack, each.language) == (attack.name, language)], tolerance)
            for language in languages
        ]
        drawn.add_row(attack.name, *cells)
    return drawn


def _cell(findings: Sequence[Finding], tolerance: float) -> str | Text:
    if not findings:
        return "-"
    kept = ("correct", "wrong") if findings[0].wrong else ("correct",)
    margins = [min(finding.margin(honest) for finding in findings) for honest in kept]
    # Adding 0 turns -0.00 into 0.00.
    text = "/".join(f"{round(margin, 2) + 0.0:+.2f}" for margin in margins)
    return Text(f"{text}!", style="bold red") if min(margins) < -tolerance else text
