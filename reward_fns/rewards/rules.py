"""The rewards that need no model of the text's meaning: `exact_answer`, `format`, `language_consistency`."""

import asyncio
from typing import Any

from pbrlsvr.errors import DataError
from pbrlsvr.responses import format as formats
from pbrlsvr.responses.format import FormatOptions
from pbrlsvr.rewards.defaults import LETTERS_IN_LANGUAGE, OFF, Block, Row
from pbrlsvr.rewards.rollout import Rollout
from pbrlsvr.rewards.scoring import cached, check_languages, span_policies


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

    The verifiable reward that PB-RLSVR is compared with. `pbrlsvr.responses.spans.split` finds the answer and
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
        thinking: "required", "optional" or "forbidden"; see `pbrlsvr.responses.format.FormatOptions` for this and the
        following. opened_by_prompt: the prompt ends in `<think>`.
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
