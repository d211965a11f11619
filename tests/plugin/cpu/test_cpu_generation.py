"""The hf rollout's generator and batcher: the same tokens as transformers' own loop, whoever else is in the batch."""

import asyncio
import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from pbrlsvr.errors import ConfigError  # noqa: E402
from pbrlsvr_plugin.cpu.generation import Generator, Request  # noqa: E402
from pbrlsvr_plugin.cpu.generation_queue import Batcher  # noqa: E402
from pbrlsvr_plugin.cpu.sampling import SamplingParams, from_verl, penalise, sample  # noqa: E402

PROMPTS = [[5, 6, 7], [9], [20, 21, 22, 23, 24, 25, 26], [5, 6, 7], [100, 200]]


def tiny(architecture, **overrides):
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{architecture}Config")(
        vocab_size=259, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        **overrides,
    )  # fmt: skip
    model = getattr(transformers, f"{architecture}ForCausalLM")(config).eval()
    with torch.no_grad():  # untrained logits are nearly flat, and an argmax among equals proves nothing
        model.lm_head.weight.mul_(20)
    return model


@pytest.fixture(scope="module")
def model():
    return tiny("Llama")


def greedy(limit, **options):
    return SamplingParams(max_tokens=limit, temperature=0.0, **options)


def run(generator, requests):
    waiting, finished = generator.admit(requests), []
    while generator or waiting:
        finished += generator.step()
        waiting = generator.admit(waiting)
    return finished


def alone(model, prompt, limit):
    """The reference: transformers' own greedy loop on one prompt."""
    ids = torch.tensor([prompt])
    output = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit, do_sample=False, eos_token_id=None
    )
    return output[0, len(prompt) :].tolist()


@pytest.mark.parametrize("architecture", ["Llama", "Qwen2", "Qwen3"])
@pytest.mark.parametrize("tied", [False, True])
def test_greedy_responses_equal_those_of_transformers(architecture, tied):
    model = tiny(architecture, tie_word_embeddings=tied)
    requests = [Request(prompt, greedy(4 + i)) for i, prompt in enumerate(PROMPTS)]
    assert len(run(Generator(model), requests)) == len(requests)
    for i, request in enumerate(requests):
        assert request.token_ids == alone(model, PROMPTS[i], 4 + i)


def test_requests_that_join_a_running_batch_change_nobodys_response(model):
    generator = Generator(model)
    early = [Request([5, 6, 7], greedy(12)), Request([9], greedy(3))]
    generator.admit(early)
    finished = [request for _ in range(5) for request in generator.step()]
    assert finished == [early[1]]
    late = [
        Request(list(range(30, 50)), greedy(6)),
        Request([7], greedy(20)),
    ]  # longer than the running rows, and shorter
    assert generator.admit(late) == []
    while generator:
        generator.step()
    for request in early + late:
        assert request.token_ids == alone(model, request.prompt_ids, request.params.max_tokens)


def test_logprobs_are_those_of_the_full_sequence_in_one_pass(model):
    requests = [
        Request(prompt, SamplingParams(max_tokens=6, temperature=0.7, seed=i)) for i, prompt in enumerate(PROMPTS)
    ]
    run(Generator(model), requests)
    for request in requests:
        ids = torch.tensor([[*request.prompt_ids, *request.token_ids]])
        logprobs = (model(ids).logits[0] / 0.7).log_softmax(-1)
        start = len(request.prompt_ids) - 1
        expected = [logprobs[start + i, token].item() for i, token in enumerate(request.token_ids)]
        assert request.logprobs == pytest.approx(expected, abs=1e-4)


def test_a_response_ends_with_its_stop_token_and_not_before(model):
    free = alone(model, [5, 6, 7], 10)
    request = Request([5, 6, 7], greedy(10, stop_ids=(free[3],)))
    run(Generator(model), [request])
    assert request.token_ids == free[: free.index(free[3]) + 1]


def test_no_more_rows_than_allowed_are_generated_at_a_time(model):
    generator = Generator(model, max_rows=2)
    requests = [Request([5 + i], greedy(2)) for i in range(5)]
    waiting = generator.admit(requests)
    assert len(generator) == 2
    assert waiting == requests[2:]
    run(generator, waiting)
    assert all(len(request.token_ids) == 2 for request in requests)


def test_a_prefill_keeps_within_its_token_budget(model):
    generator = Generator(model, max_prefill_tokens=8)
    waiting = generator.admit([Request([1, 2, 3, i], greedy(1)) for i in range(10, 13)])
    assert len(waiting) == 1  # 2 prompts x 4 tokens = 8


def test_a_sampled_response_depends_on_its_seed_and_not_on_its_neighbours(model):
    def response(seed, neighbours):
        request = Request([5, 6, 7], SamplingParams(max_tokens=8, seed=seed))
        run(Generator(model), [*(Request(p, greedy(5)) for p in neighbours), request])
        return request.token_ids

    assert response(1, []) == response(1, PROMPTS)
    assert response(1, []) != response(2, [])


def test_sampled_frequencies_are_the_probabilities():
    logits = torch.tensor([0.5, 0.2, 0.3]).log().repeat(20_000, 1)
    n, one = len(logits), torch.ones(len(logits))
    tokens, logprobs = sample(
        logits, one, torch.full((n,), 3), one, torch.rand(n, generator=torch.Generator().manual_seed(0))
    )
    assert torch.bincount(tokens, minlength=3) / n == pytest.approx([0.5, 0.2, 0.3], abs=0.015)
    assert logprobs.exp().unique().tolist() == pytest.approx([0.2, 0.3, 0.5])


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"top_k": 2}, {0: 0.5 / 0.8, 2: 0.3 / 0.8}),
        ({"top_p": 0.6}, {0: 0.5 / 0.8, 2: 0.3 / 0.8}),  # 0.5 alone is less than 0.6
        ({"top_p": 0.5}, {0: 1.0}),
        ({"top_k": 1}, {0: 1.0}),
    ],
)
def test_truncated_distributions_are_renormalised(options, kept):
    logits = torch.tensor([[0.5, 0.2, 0.3]]).log().repeat(2000, 1)
    n = len(logits)
    top_k = torch.full((n,), options.get("top_k", 3))
    top_p = torch.full((n,), options.get("top_p", 1.0))
    tokens, logprobs = sample(logits, torch.ones(n), top_k, top_p, torch.linspace(0, 1, n))
    assert {int(t): math.exp(p) for t, p in zip(tokens, logprobs, strict=True)} == pytest.approx(kept)


def test_a_token_of_probability_zero_is_never_drawn():
    logits = torch.tensor([[float("-inf"), 0.0, float("-inf")]] * 3)
    one = torch.ones(3)
    tokens, _ = sample(logits, one, 3 * one, one, torch.tensor([0.0, 0.5, 1.0]))
    assert tokens.tolist() == [1, 1, 1]


def test_the_repetition_penalty_lowers_seen_tokens_only():
    logits = torch.tensor([[2.0, -2.0, 2.0]])
    out = penalise(logits, torch.tensor([[2, 0, 1]]), torch.tensor([[0, 1, 1]]), torch.tensor([2.0]))
    assert out.tolist() == [[1.0, -4.0, 2.0]]  # 2 / 2, -2 * 2, and token 2 is only padding


def test_a_penalised_batch_equals_transformers(model):
    request = Request([5, 6, 7], greedy(8, repetition_penalty=1.7))
    run(Generator(model), [request, Request([9], greedy(8))])
    ids = torch.tensor([[5, 6, 7]])
    expected = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False,
                              repetition_penalty=1.7, eos_token_id=None)  # fmt: skip
    assert request.token_ids == expected[0, 3:].tolist()


async def test_concurrent_requests_each_get_their_own_response(model):
    batcher = Batcher(Generator(model))

    async def ask(i):
        await asyncio.sleep(0.002 * i)
        request = Request([5 + i, 6], greedy(5))
        await asyncio.wrap_future(batcher.submit(request))
        return request.token_ids

    responses = await asyncio.gather(*(ask(i) for i in range(12)))
    assert responses == [alone(model, [5 + i, 6], 5) for i in range(12)]


async def test_an_error_in_the_model_reaches_every_waiter_and_the_next_request_is_served(model):
    batcher = Batcher(Generator(model))
    requests = [Request([5], greedy(50)), Request([10**6], greedy(5)), Request([7], greedy(5))]
    futures = [asyncio.wrap_future(batcher.submit(request)) for request in requests]
    results = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 30)
    assert isinstance(results[1], IndexError)
    assert all(isinstance(result, Request | IndexError) for result in results)
    after = Request([9], greedy(3))
    await asyncio.wait_for(asyncio.wrap_future(batcher.submit(after)), 30)
    assert after.token_ids == alone(model, [9], 3)


async def test_aborted_requests_return_what_they_have(model):
    batcher = Batcher(Generator(model))
    request = Request([5, 6, 7], greedy(120))
    future = asyncio.wrap_future(batcher.submit(request))
    await asyncio.sleep(0.05)
    assert await asyncio.wrap_future(batcher.abort()) == 1
    await asyncio.wait_for(future, 30)
    assert request.aborted
    assert request.token_ids == alone(model, [5, 6, 7], 120)[: len(request.token_ids)]


def read(params):
    return from_verl(params, default_max_tokens=64, limit=100, eos_ids=(2,), ignore_eos=False, seed=7)


def test_verls_sampling_parameters_are_read():
    params = read({"temperature": 0.6, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.0, "logprobs": True})
    assert params == SamplingParams(max_tokens=64, temperature=0.6, top_p=0.9, top_k=20, stop_ids=(2,), seed=7)
    assert read({"max_tokens": 500}).max_tokens == 100
    assert read({"max_new_tokens": 5}).max_tokens == 5
    assert read({"ignore_eos": True}).stop_ids == ()
    assert read({"stop_token_ids": [9], "seed": 3}) == SamplingParams(max_tokens=64, stop_ids=(9, 2), seed=3)


@pytest.mark.parametrize("params", [{"min_p": 0.1}, {"temperature": -1}, {"top_p": 0}, {"repetition_penalty": 0}])
def test_what_the_backend_cannot_do_is_refused_by_name(params):
    with pytest.raises(ConfigError, match=next(iter(params))):
        read(params)
