"""The reward functions, with veRL's signature: one rollout in, a score and its components out.

Each is `async`: veRL awaits it for every sample on its reward worker's event loop, and the model behind it sees the
samples that wait at the same time as one batch. Each returns the same keys for every sample, because veRL reads the
keys from the first one. Keyword arguments are the reward's options; `pbrlsvr_plugin/config/reward_fn/` documents them.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pbrlsvr import formats
from pbrlsvr.calibration import Calibration, load_checked
from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.formats import FormatOptions
from pbrlsvr.rollout import Rollout
from pbrlsvr.scorers.embedding import EmbeddingOptions, embedder
from pbrlsvr.scorers.encoders import DEFAULT_ENCODER
from pbrlsvr.scoring import ScoringOptions, cached, check_languages, finish, span_policies

Row = Mapping[str, Any]
Block = Mapping[str, Any]

# Half of the score for reasoning in another language: a gate would leave a policy that only thinks in English with a
# reward of 0 everywhere, and so with nothing to learn from.
LANGUAGE: Block = {"reasoning": {"mode": "penalty", "weight": 0.5}, "answer": {"mode": "off"}}
GUARDS: Block = {"repetition": True, "length": False}
# Reasoning counts as far as the answer is right: with the reasoning alone, a right solution with another number at its
# end would be paid like a right one (docs/attacks.md).
GATED: Block = {"rule": "gated", "weights": {"reasoning": 1.0, "answer": 0.0}}
LETTERS_IN_LANGUAGE: Block = {"mode": "penalty", "threshold": 1.0}
OFF: Block = {"mode": "off"}


async def embed_cosine(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Row | None = None,
    *,
    model: str = DEFAULT_ENCODER,
    revision: str | None = None,
    prompt: str | None = None,
    max_tokens: int | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 64,
    cache_size: int = 100_000,
    align: bool = False,
    align_floor: float = 0.0,
    calibration: str | None = None,
    calibration_missing: str = "error",
    language: Block = LANGUAGE,
    guards: Block = GUARDS,
    combine: Block = GATED,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    r"""Cosine between the response's reasoning and the English pivot's reasoning, in a multilingual embedding space.

    .. math:: \text{reasoning} = \max(0, \cos(e(\text{response's reasoning}), e(\text{pivot's reasoning})))

    .. math:: \text{score} = \text{combine}(\text{reasoning}, \text{answer}) \cdot \prod \text{factors}

    where :math:`e` is a sentence encoder that maps a text and its translation to nearby vectors, so that no
    annotation in the response's language is needed. By default the reasoning counts where the final answer is that of
    the ground truth or of the pivot (`combine.rule="gated"`), and by itself where the row has neither; the factors are
    a language policy, which halves the score of reasoning in another language, and a guard against loops. Source: the
    embedding-based reward of PB-RLSVR, https://arxiv.org/abs/2509.25543; the encoder, the clipping at zero, the gate
    and the factors are our choice. `combine={"rule": "sum", "weights": {"answer": 0}}` is the plain cosine.

    What it is blind to: in the reasoning, most encoders hardly see a changed digit; see docs/rewards.md.

    Args:
        data_source: the row's source; named in errors.
        solution_str: the response.
        ground_truth: the right final answer, or empty; then the row's `pivot_answer` is taken.
        extra_info: the row's `extra_info`: `pivot_reasoning`, the English reference; `language`, a BCP-47 code.
        model: see `pbrlsvr.scorers.embedding.EmbeddingOptions` for this one and the next seven.
        revision: revision of the model on the hub.
        prompt: text put before each input; by default what the model's card asks for.
        max_tokens: longest piece encoded at once, in tokens.
        device: "auto" or a torch device.
        dtype: "float32", "bfloat16" or "float16".
        batch_size: pieces in one forward pass.
        cache_size: vectors kept in memory.
        align: match the steps of the two texts in order (`pbrlsvr.alignment`) instead of comparing them as wholes.
        align_floor: the cosine of unrelated steps, in [-1, 1).
        calibration: a file of `pbrlsvr calibrate`, which turns the similarity into a probability that the texts match.
        calibration_missing: "error" or "pooled": what to do with a language that the calibration lacks.
        language: the language policies of `reasoning` and `answer` (`pbrlsvr.languages.LanguagePolicy`).
        guards: `repetition` and `length` (`pbrlsvr.guards.GuardOptions`).
        combine: how `reasoning` and `answer` become one score (`pbrlsvr.combine.CombineOptions`).
        reward_router_address: given by veRL when it serves a reward model; not used.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        `score` in [0, 1]; `similarity`, the raw cosine in [-1, 1] or the alignment in [0, 1]; `empty`, 1.0 where the
        reasoning has no letter or digit, whose similarity is 0; and what `pbrlsvr.scoring.finish` returns.

    Raises:
        DataError: the row has no `pivot_reasoning`, a `language` that does not exist, or none where one is needed.
        ConfigError: an option has a value that cannot work.
        ModelError: the model cannot be loaded, or returns something that is not a number.
        MissingDependencyError: an optional package is not installed.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.embed_cosine("demo/es", "17 manzanas menos 6 son 11 manzanas. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.93
    """
    options = embed_options(
        model=model, revision=revision, prompt=prompt, max_tokens=max_tokens, device=device, dtype=dtype,
        batch_size=batch_size, cache_size=cache_size, align=align, align_floor=align_floor, calibration=calibration,
        calibration_missing=calibration_missing, language=language, guards=guards, combine=combine,
    )  # fmt: skip
    rollout = Rollout.of(data_source, solution_str, ground_truth, extra_info)
    reference = rollout.pivot_reasoning()
    similarity = await options.similarity(rollout, reference) if rollout.has_reasoning else 0.0
    # Reading an answer and finding out a language take milliseconds: off the event loop.
    found = await asyncio.to_thread(options.finish, rollout, similarity)
    return found | {"similarity": similarity, "empty": float(not rollout.has_reasoning)}


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """The options of `embed_cosine`, checked."""

    encoding: EmbeddingOptions
    align: bool
    align_floor: float
    calibration: Calibration | None
    scoring: ScoringOptions

    async def similarity(self, rollout: Rollout, reference: str) -> float:
        """The cosine in [-1, 1] of the reasoning and its reference, or their alignment in [0, 1]."""
        encoder, reasoning = embedder(self.encoding), rollout.spans.reasoning.strip()
        if self.align:
            return await encoder.alignment(reasoning, reference, self.align_floor)
        return await encoder.cosine(reasoning, reference)

    def finish(self, rollout: Rollout, similarity: float) -> dict[str, float]:
        components = {"reasoning": self.reasoning(similarity, rollout), "answer": rollout.answer()}
        return finish(rollout, components, self.scoring)

    def reasoning(self, similarity: float, rollout: Rollout) -> float:
        """The component: the similarity clipped at 0, or the probability that the texts match."""
        if not rollout.has_reasoning:
            return 0.0
        if self.calibration is None:
            return max(0.0, similarity)
        if rollout.language is None:
            raise DataError(f"{rollout.place} has no extra_info['language'], which the calibration needs")
        return self.calibration.score(similarity, rollout.spans.reasoning, rollout.language)


@cached
def embed_options(
    *,
    align: bool,
    align_floor: float,
    calibration: str | None,
    calibration_missing: str,
    language: Any,
    guards: Any,
    combine: Any,
    **encoder: Any,
) -> EmbedOptions:
    """The options of `embed_cosine` from its keyword arguments. No model is loaded.

    Raises:
        ConfigError: a value cannot work.
    """
    if not isinstance(align, bool):
        raise ConfigError(f"align={align!r} must be true or false")
    if isinstance(align_floor, bool) or not isinstance(align_floor, int | float) or not -1 <= align_floor < 1:
        raise ConfigError(f"align_floor={align_floor!r} must be a cosine in [-1, 1)")
    embedding = EmbeddingOptions(**encoder)
    fitted = None
    if calibration is not None:
        fitted = load_checked(calibration, embedding, align, align_floor if align else 0.0, calibration_missing)
    scoring = ScoringOptions.of(language, guards, combine, components=("reasoning", "answer"))
    return EmbedOptions(embedding, align, float(align_floor), fitted, scoring)


async def exact_answer(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Row | None = None,
    *,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    """1 if the final answer says the same as the ground truth, in whatever language and digits, else 0.

    The verifiable reward that PB-RLSVR is compared with. `pbrlsvr.response.split` finds the answer and
    `pbrlsvr.answers.equal` compares it.

    Args:
        data_source: the row's source; named in errors.
        solution_str: the response.
        ground_truth: the right final answer, or empty; then the row's `pivot_answer` is taken.
        extra_info: the row's `extra_info`: `language`, a BCP-47 code, says how numbers are written.
        reward_router_address: given by veRL when it serves a reward model; not used.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        `score` and `acc`, 0.0 or 1.0; `answered`, 1.0 where a final answer was found.

    Raises:
        DataError: the row has neither a ground truth nor a `pivot_answer`, or a `language` that does not exist.

    Example:
        >>> import asyncio, pbrlsvr
        >>> asyncio.run(pbrlsvr.exact_answer("demo/bn", "১৭ - ৬ = ১১ #### ১১", "11", {"language": "bn"}))["score"]
        1.0
    """
    rollout = Rollout.of(data_source, solution_str, ground_truth, extra_info)
    right = await asyncio.to_thread(rollout.answer)
    if right is None:
        raise DataError(
            f"{rollout.place} has no ground truth and no extra_info['pivot_answer'], so no answer can be right; write "
            "one into each row, or choose a reward that needs none, such as pbrlsvr.embed_cosine"
        )
    return {"score": right, "acc": right, "answered": float(bool(rollout.spans.answer))}


async def format(  # noqa: A001 - the name that users write
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Row | None = None,
    *,
    thinking: str = "optional",
    opened_by_prompt: bool = False,
    answer: Any = "any",
    once: bool = True,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    r"""1 if the response follows the format, else 0: where it thinks, and how it marks its one final answer.

    Source: the format reward of DeepSeek-R1, https://arxiv.org/abs/2501.12948. The content is not judged.

    Args:
        data_source: not used.
        solution_str: the response.
        ground_truth: not used.
        extra_info: not used.
        thinking: "required", "optional" or "forbidden"; see `pbrlsvr.formats.FormatOptions` for this and the following.
        opened_by_prompt: the prompt ends in `<think>`.
        answer: the accepted marks, out of "boxed", "hash", "answer_tag" and "cue"; or "any", or "none".
        once: the accepted mark may not be repeated.
        reward_router_address: given by veRL when it serves a reward model; not used.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        `score`, and its parts `format_thinking`, `format_answer`, `format_once`, each 0.0 or 1.0.

    Raises:
        ConfigError: an option has a value that does not exist.

    Example:
        >>> import asyncio, pbrlsvr
        >>> response = "<think>17 - 6 = 11</think> \\boxed{11}"
        >>> asyncio.run(pbrlsvr.format("demo", response, "", thinking="required", answer="boxed"))["score"]
        1.0
    """
    options = format_options(thinking=thinking, opened_by_prompt=opened_by_prompt, answer=answer, once=once)
    check = formats.check(solution_str, options)
    return {"score": check.score, **check.components()}


format_options = cached(FormatOptions)


async def language_consistency(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Row | None = None,
    *,
    reasoning: Block = LETTERS_IN_LANGUAGE,
    answer: Block = OFF,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    r"""How far the response is in the row's language.

    .. math:: \text{score} = \text{factor}_\text{reasoning} \cdot \text{factor}_\text{answer}

    with the factors of the two language policies. By default that is the share of the reasoning's letters in the
    row's language. It says nothing about the content: use it beside another reward, against drift to English.

    Args:
        data_source: the row's source; named in errors.
        solution_str: the response.
        ground_truth: not used.
        extra_info: the row's `extra_info`: `language`, a BCP-47 code.
        reasoning: the policy of the reasoning (`pbrlsvr.languages.LanguagePolicy`).
        answer: the policy of the final answer.
        reward_router_address: given by veRL when it serves a reward model; not used.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        `score` in [0, 1], 0 for a response without a letter; and for each span its share, factor and more
        (`pbrlsvr.languages.LanguageCheck.components`).

    Raises:
        DataError: the row has no `language`, or one that does not exist.
        ConfigError: an option has a value that cannot work.
        MissingDependencyError: the language identifier is not installed.

    Example:
        >>> import asyncio, pbrlsvr
        >>> response = "Ana tiene 17 manzanas y regala 6 a su hermana, así que le quedan 11. #### 11"
        >>> asyncio.run(pbrlsvr.language_consistency("demo/es", response, "", {"language": "es"}))["score"]
        1.0
    """
    policies = consistency_options(reasoning=reasoning, answer=answer)
    rollout = Rollout.of(data_source, solution_str, ground_truth, extra_info)
    spoken = await asyncio.to_thread(check_languages, rollout, *policies)
    written = any(character.isalpha() for character in solution_str)
    score = spoken["reasoning"].factor * spoken["answer"].factor if written else 0.0
    parts = [check.components(f"{span}_language") for span, check in spoken.items()]
    return {"score": score} | parts[0] | parts[1]


@cached
def consistency_options(*, reasoning: Any, answer: Any) -> Any:
    """The policies of `language_consistency` from its keyword arguments.

    Raises:
        ConfigError: a value cannot work.
    """
    return span_policies({"reasoning": reasoning, "answer": answer})


#: For each reward with options, what checks them without loading a model.
OPTION_CHECKS = {
    "embed_cosine": embed_options,
    "format": format_options,
    "language_consistency": consistency_options,
}
