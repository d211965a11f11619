"""What holds of every reward for any text: a finite score in range, the same keys, the same again, in any order."""

import asyncio
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import pbrlsvr

PIVOT = "Ana has 17 apples and gives away 6 apples, so 17 - 6 = 11 apples are left."
LANGUAGES = ["en", "es", "de", "sw", "zh", "bn", "ru", "th", "ar", "wo", "sr-Latn", "zh-Hant"]
# What a random text seldom hits upon: what the spans, the guards and the language check look for.
FRAGMENTS = [
    "<think>", "</think>", "<answer>", "</answer>", "<|im_end|>", "</s>", "\\boxed{", "}", "\\boxed{11}", "#### 11",
    "\n", "```", "~~~\n", "$$", "$", "\\(", "\\text{", "the answer is", "la respuesta es 11", "答案是十一", "উত্তর ১১",
    "คำตอบคือ 11", "11", "١١", "½", "∞", "1e999", "-0", "9" * 400, "%", "\u200b", "\u202e", "\ufeff", "\u0301" * 9,
    "\ud83d", "\udc00", "\x00", "\U0010ffff", "\ufdfa", "\U0001f468\u200d\U0001f469", PIVOT,
    "Ana tiene 17 manzanas y regala 6. ", "So we check it again. " * 40,
]  # fmt: skip
ANY_CHARACTER = st.characters(codec=None, exclude_categories=())  # surrogates and unassigned ones, too
RESPONSES = st.one_of(
    st.text(ANY_CHARACTER, max_size=200),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(ANY_CHARACTER, max_size=12)), max_size=12).map("".join),
    st.builds(lambda unit, count: unit * count, st.text(ANY_CHARACTER, min_size=1, max_size=8), st.integers(0, 2000)),
)
REWARDS = {
    "embed_cosine": [
        {},
        {"combine": "gated", "language": {"reasoning": "gate", "answer": "penalty"}, "guards": {"length": True}},
        {"embedding": {"align": True}, "combine": {"rule": "log_sigmoid"}, "guards": False, "language": {}},
        {"combine": {"rule": "product", "clip": [0.1, 0.6]}, "embedding": {"max_tokens": 16}},
    ],
    "comet_score": [{}, {"combine": "sum", "comet": {"compare": "reasoning", "scale": [-1, 1]}}],
    "exact_answer": [{}],
    "format": [{}, {"format": {"thinking": "required", "answer": ["boxed", "hash"], "once": False}}],
    "hybrid": [{}, {"combine": {"rule": "product"}, "similarity": "mt_chrf"}],
    "language_consistency": [{}, {"language": {"reasoning": "gate", "answer": {"mode": "penalty", "language": "en"}}}],
    "mt_bleu": [{}],
    "mt_chrf": [{"combine": "sum", "word_order": 2}],
    "mt_embed_cosine": [{}],
}  # fmt: skip
EACH = pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name, variants in REWARDS.items() for options in variants]
)
# The encoder's first batch takes long, and a busy machine is slow: a deadline would fail by chance.
SLOW = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


def test_every_reward_is_tested_here():
    assert set(REWARDS) == set(pbrlsvr.REWARD_FUNCTIONS)


@pytest.fixture
def models(minilm, comet_model, http_server):
    """For each reward, the options that name its models: real MiniLM, tiny COMET, an echo for a translator."""

    def echo(request):
        text = request.body["messages"][-1]["content"]
        return {"choices": [{"message": {"content": text[-200:]}, "finish_reason": "stop"}]}

    encoder = {"model": minilm, "serving": {"device": "cpu"}}
    server = {"place": "endpoint", "endpoint": {"urls": [http_server(echo).url]}}
    translation = {"model": "echo", "serving": server}
    return {
        "comet_score": {"comet": {"model": comet_model}},
        "embed_cosine": {"embedding": encoder},
        "hybrid": {"comet": {"model": comet_model}, "embedding": encoder, "translation": translation},
        "mt_bleu": {"translation": translation},
        "mt_chrf": {"translation": translation},
        "mt_embed_cosine": {"translation": translation, "embedding": encoder},
    }


def with_models(options, models):
    """The options, with the model in each block that has one."""
    return options | {block: options.get(block, {}) | model for block, model in models.items()}


async def score(name, response, language, options, truth="11"):
    row = {"index": 0, "language": language, "pivot_reasoning": PIVOT, "pivot_answer": "11"}
    return await getattr(pbrlsvr, name)(f"any/{language}", response, truth, row, **options)


@EACH
def test_any_text_gives_a_finite_score_in_range_and_the_same_keys(name, options, models):
    options = with_models(options, models.get(name, {}))
    keys = list(asyncio.run(score(name, f"{PIVOT}\n#### 11", "en", options)))

    @settings(max_examples=40, **SLOW)
    @given(response=RESPONSES, language=st.sampled_from(LANGUAGES))
    @example("²\ud800", "en")  # half of a surrogate pair, which tokenizers refuse
    def holds(response, language):
        found = asyncio.run(score(name, response, language, options))
        assert list(found) == keys
        assert all(type(value) is float and math.isfinite(value) for value in found.values()), found
        assert 0.0 <= found["score"] <= 1.0

    holds()


@EACH
def test_the_same_text_gives_the_same_result_and_the_order_of_a_batch_does_not_matter(name, options, models):
    options = with_models(options, models.get(name, {}))

    async def batch(samples):
        return await asyncio.gather(*(score(name, *sample, options) for sample in samples))

    @settings(max_examples=15, **SLOW)
    @given(
        samples=st.lists(st.tuples(RESPONSES, st.sampled_from(LANGUAGES)), min_size=1, max_size=6),
        data=st.data(),
    )
    def holds(samples, data):
        order = data.draw(st.permutations(range(len(samples))))
        first, again = asyncio.run(batch(samples)), asyncio.run(batch(samples))
        assert first == again
        shuffled = asyncio.run(batch([samples[place] for place in order]))
        assert [shuffled[order.index(place)] for place in range(len(samples))] == first

    holds()


@pytest.mark.parametrize("batch", [1, 64, 5000])
def test_a_text_scores_the_same_alone_and_in_any_batch_of_a_cold_encoder(batch, minilm):
    # No vector is kept from one call to the next, so that each batch is encoded anew.
    serving = {"place": "local", "cache_mib": 0, "device": "cpu", "batch_tokens": batch}
    options = {"embedding": {"model": minilm}, "serving": serving}
    texts = ["", "11", PIVOT, "Ana has apples. " * 60, "安娜有17个苹果。", "\ud83d\u202e", "x" * 3000]

    async def together(order):
        found = await asyncio.gather(*(score("embed_cosine", text, "en", options) for text in order))
        return {text: result["score"] for text, result in zip(order, found, strict=True)}

    alone = {text: asyncio.run(score("embed_cosine", text, "en", options))["score"] for text in texts}
    for order in (texts, texts[::-1], texts[3:] + texts[:3]):
        # The encoder computes in float32, whose last digits depend on the padding beside a text; and with them the
        # multiple of 2^-12 that a score is rounded to.
        assert asyncio.run(together(order)) == pytest.approx(alone, abs=2**-12 + 1e-5)


@pytest.mark.parametrize(
    "unit", ["x", "word ", "安", "ก", "<think>", "</think>", "\\boxed{", "#### 1\n", "$", "```\n", "\u202e"]
)
@pytest.mark.parametrize("name", ["exact_answer", "format", "language_consistency"])
def test_a_response_of_a_hundred_thousand_characters_is_scored(name, unit):
    found = asyncio.run(asyncio.wait_for(score(name, unit * (100_000 // len(unit)), "es", {}), timeout=30))
    assert 0.0 <= found["score"] <= 1.0


@pytest.mark.parametrize("unit", ["word ", "安", "\ud83d", "<answer>"])
@pytest.mark.parametrize("name", ["embed_cosine", "comet_score", "hybrid", "mt_embed_cosine"])
def test_a_very_long_response_is_read_whole(name, unit, models):
    found = asyncio.run(score(name, unit * (8_000 // len(unit)), "sw", models[name]))
    assert 0.0 <= found["score"] <= 1.0
