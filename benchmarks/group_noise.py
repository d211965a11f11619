"""How much of GRPO's gradient is the encoder's noise, as the policy becomes better.

    python benchmarks/group_noise.py
    python benchmarks/group_noise.py --encoder intfloat/multilingual-e5-small

The right solutions of a group differ in their wording alone: 48 wordings each of three English solutions (an opening, a
closing, how equations are written, where sentences end), all equally right, whose cosines with the pivot's solution are
the encoder's own. A wrong one has the gate's 0. Groups of 8 are drawn, each response right with probability p, and
veRL's own `compute_grpo_outcome_advantage` makes their advantages. Noise is the part of the squared advantages that
tells right responses apart; the rest tells right from wrong.
"""

import argparse
import asyncio
import itertools
from pathlib import Path

import numpy as np
import torch
from digit_sensitivity import LOCAL, default_encoder
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

from pbrlsvr.models.embedding.embedder import embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.scoring.combine import CombineOptions, combine, on_grid
from pbrlsvr_plugin.attacks.problems import Problem, builtin_problems

GROUP, GROUPS = 8, 2_000
RIGHT = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95)
GATED = CombineOptions(rule="gated", weights={"answer": 0.0})
HALF = CombineOptions(rule="gated", weights={"answer": 1.0})
#: What is tried -> how a score is made, and whether veRL divides by the group's spread.
CHOICES = {
    "gated, divided by the spread (veRL's default)": (GATED, True),
    "answer weight 1, divided by the spread": (HALF, True),
    "clipped at {clip:.2f}, divided by the spread": (GATED, True),
    "gated, norm_adv_by_std_in_grpo=false": (GATED, False),
    "answer weight 1, norm_adv_by_std_in_grpo=false": (HALF, False),
}


def wordings(problem: Problem) -> list[str]:
    """The right solution in 48 wordings."""
    openings = ("", "Let's solve this step by step. ", "We are asked to find the total. ")
    closings = ("", " That is what was asked for.")
    equations = (lambda text: text, lambda text: text.replace(" * ", "*").replace(" = ", "="),
                 lambda text: text.replace(" * ", " times ").replace(" = ", " is "),
                 lambda text: text.replace(" * ", " × ").replace(" / ", " ÷ "))  # fmt: skip
    sentences = (lambda text: text, lambda text: text.replace(", so ", ". So ").replace(", which ", ". This "))
    return [
        opening + split(write(problem.correct)) + closing
        for opening, closing, write, split in itertools.product(openings, closings, equations, sentences)
    ]


async def cosines(model: str) -> np.ndarray:
    """The similarity of each wording to its pivot's solution, `[problems, wordings]`."""
    encoder = embedder(EmbeddingOptions(model), LOCAL)
    english = [problem for problem in builtin_problems() if problem.language == "en"]
    rows = [
        await asyncio.gather(*(encoder.cosine(text, problem.pivot_reasoning) for text in wordings(problem)))
        for problem in english
    ]
    return np.array(rows)


def noise(
    found: np.ndarray, right: float, options: CombineOptions, divided: bool, seed: int = 0
) -> tuple[float, float]:
    """The share of noise in the squared advantages, and the mean size of advantages in groups that are all right."""
    draw = np.random.default_rng(seed)
    is_right = draw.random((GROUPS, GROUP)) < right
    problem = draw.integers(len(found), size=(GROUPS, 1))
    similarity = np.maximum(found[problem, draw.integers(found.shape[1], size=(GROUPS, GROUP))], 0.0)
    scores = [
        on_grid(combine({"answer": float(a), "reasoning": float(c)}, options))
        for a, c in zip(is_right.ravel(), similarity.ravel(), strict=True)
    ]
    rewards = torch.tensor(scores, dtype=torch.float32)[:, None]
    index = np.repeat(np.arange(GROUPS), GROUP)
    advantages = compute_grpo_outcome_advantage(
        rewards, torch.ones_like(rewards), index, norm_adv_by_std_in_grpo=divided
    )[0].numpy().reshape(GROUPS, GROUP)  # fmt: skip
    among = np.where(is_right, advantages, 0.0).sum(1, keepdims=True) / np.maximum(is_right.sum(1, keepdims=True), 1)
    told_apart = np.where(is_right, advantages - among, 0.0)
    throughout = np.abs(advantages[is_right.all(1)])
    return (told_apart**2).sum() / (advantages**2).sum(), throughout.mean() if throughout.size else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", help="a sentence-transformers model; without one, the English one of the tests")
    model = parser.parse_args().encoder or default_encoder()
    found = asyncio.run(cosines(model))
    clip = float(np.quantile(found, 0.05))
    print(f"{Path(model).name}: cosines of equally right solutions {found.min():.3f} to {found.max():.3f}, "
          f"standard deviation within a problem {found.std(1).mean():.3f}")  # fmt: skip
    print(f"\nshare of noise in the gradient, by the share of right responses\n{'':50}" +
          "".join(f"{right:8.0%}" for right in RIGHT) + "   mean |advantage|, all right")  # fmt: skip
    for name, (options, divided) in CHOICES.items():
        if "clip" in name:
            options = options.model_copy(update={"clip": (0.0, clip)})
        cells = [noise(found, right, options, divided) for right in RIGHT]
        print(f"{name.format(clip=clip):50}" + "".join(f"{share:8.1%}" for share, _ in cells) + f"{cells[-1][1]:12.3f}")


if __name__ == "__main__":
    main()
