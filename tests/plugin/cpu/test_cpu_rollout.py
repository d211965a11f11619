"""The hf rollout's server, its weights, and the client in front of it."""

import asyncio
import shutil
import tempfile

import forks
import pytest

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from verl.workers.config import HFModelConfig, RolloutConfig

from pbrlsvr.errors import ConfigError, ModelError
from pbrlsvr_plugin.cpu.rollout import HFRollout, HFServer, _buckets

PARAMS = {"temperature": 0.0, "top_p": 1.0, "top_k": -1, "repetition_penalty": 1.0, "logprobs": True}
SAMPLED = {**PARAMS, "temperature": 1.0}


def rollout_config(**options):
    defaults = {
        "name": "hf",
        "dtype": "float32",
        "prompt_length": 16,
        "response_length": 8,
        "max_num_seqs": 64,
        "ignore_eos": True,
    }
    return RolloutConfig(**{**defaults, **options})


def server_of(policy, **options):
    model = HFModelConfig(path=str(policy / "model"), override_config={"attn_implementation": "sdpa"})
    return HFServer(rollout_config(**options), model, 0)


@pytest.fixture
def trained(tiny_policy):
    """Another model than the one on disk, as after some training."""
    model = AutoModelForCausalLM.from_pretrained(tiny_policy / "model").eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


async def load(server, model, step=1, size=10_000):
    for bucket in _buckets(model.state_dict().items(), size):
        await server.load_weights(bucket)
    await server.finish_weights(step)


def greedy(model, prompt):
    ids = torch.tensor([prompt])
    output = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False, eos_token_id=None
    )
    return output[0, len(prompt) :].tolist()


async def test_after_a_weight_sync_the_server_answers_as_the_trained_model(tiny_policy, trained):
    server = server_of(tiny_policy)
    await load(server, trained, step=5)
    prompts = [[5, 6, 7], [9, 8], [5, 6, 7, 20, 21]]
    outputs = await asyncio.gather(*(server.generate(p, dict(PARAMS), "id") for p in prompts))
    for prompt, output in zip(prompts, outputs, strict=True):
        assert output.token_ids == greedy(trained, prompt)
        assert output.extra_fields["global_steps"] == 5
        assert (output.stop_reason, len(output.log_probs)) == ("completed", 8)


async def test_a_request_before_the_weights_and_a_sync_that_lacks_some_are_errors(tiny_policy, trained):
    server = server_of(tiny_policy)
    with pytest.raises(ModelError, match="before the weights"):
        await server.generate([5], dict(PARAMS), "id")
    weights = trained.state_dict()
    weights.pop("model.norm.weight")
    await server.load_weights(weights)
    with pytest.raises(ModelError, match=r"left out \['model.norm.weight'\]"):
        await server.finish_weights(1)


async def test_weights_that_the_model_lacks_are_an_error(tiny_policy):
    server = server_of(tiny_policy)
    with pytest.raises(ModelError, match=r"lora_A.*lora.merge=true"):
        await server.load_weights({"model.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(1)})


async def test_an_adapter_is_refused_with_the_mend(tiny_policy):
    model = HFModelConfig(path=str(tiny_policy / "model"), override_config={"attn_implementation": "sdpa"})
    rollout = HFRollout(rollout_config(), model, None, replica_rank=0)
    with pytest.raises(ConfigError, match=r"model.lora.merge=true"):
        await rollout.update_weights(iter(()), peft_config={"r": 8})


def test_buckets_hold_every_tensor_once_and_about_the_size_asked_for(trained):
    buckets = list(_buckets(trained.state_dict().items(), 10_000))
    assert [name for bucket in buckets for name in bucket] == list(trained.state_dict())
    assert all(sum(t.nbytes for t in bucket.values()) >= 10_000 for bucket in buckets[:-1])
    assert len(buckets) > 5


async def test_the_rollouts_of_a_group_differ_and_come_again_with_the_same_seed(tiny_policy, trained):
    async def group(seed):
        server = server_of(tiny_policy, seed=seed)
        await load(server, trained)
        outputs = await asyncio.gather(*(server.generate([5, 6, 7], dict(SAMPLED), "id") for _ in range(4)))
        return [tuple(output.token_ids) for output in outputs]

    first = await group(seed=42)
    assert len(set(first)) == 4
    assert first == await group(seed=42)
    assert first != await group(seed=43)


async def test_the_eos_of_the_generation_config_ends_a_response(tiny_policy, trained):
    server = server_of(tiny_policy, ignore_eos=False)
    assert server.eos_ids == (AutoTokenizer.from_pretrained(tiny_policy / "model").eos_token_id,)
    await load(server, trained)
    free = greedy(trained, [5, 6, 7])
    server.eos_ids = (free[2],)
    output = await server.generate([5, 6, 7], dict(PARAMS), "id")
    assert output.token_ids == free[: free.index(free[2]) + 1]


async def test_a_prompt_that_fills_the_context_is_an_error(tiny_policy, trained):
    server = server_of(tiny_policy, max_model_len=3)
    await load(server, trained)
    with pytest.raises(ConfigError, match="a prompt of 3 tokens leaves no room in the model's context of 3"):
        await server.generate([5, 6, 7], dict(PARAMS), "id")


async def test_requests_wait_while_generation_is_paused_or_are_turned_away(tiny_policy, trained):
    server = server_of(tiny_policy)
    await load(server, trained)
    await server.abort_all_requests(reject_request=True)
    assert (await server.generate([5], dict(PARAMS), "id")).stop_reason == "aborted"
    await server.abort_all_requests()
    waiting = asyncio.create_task(server.generate([5], dict(PARAMS), "id"))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await server.resume_generation()
    assert (await asyncio.wait_for(waiting, 30)).token_ids == greedy(trained, [5])


@pytest.fixture
def ray_server(tiny_policy, trained, monkeypatch):
    import ray

    monkeypatch.setenv("VERL_PLATFORM", "cpu")
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # Ray's sockets allow no long path
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False,
             _temp_dir=folder, runtime_env={"py_executable": forks.py_executable()})  # fmt: skip
    model = HFModelConfig(path=str(tiny_policy / "model"), override_config={"attn_implementation": "sdpa"})
    server = ray.remote(HFServer).options(num_cpus=0, max_concurrency=100).remote(rollout_config(), model, 0)
    ray.get(server.load_weights.remote(trained.state_dict()))
    ray.get(server.finish_weights.remote(1))
    yield server
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


async def test_the_gathering_client_gives_each_request_its_own_response_and_a_dead_server_is_an_error(
    ray_server, trained
):
    import ray
    from ray.exceptions import RayActorError
    from verl.workers.rollout.router import get_router_handle

    from pbrlsvr_plugin.cpu.client import GatheringClient

    client = GatheringClient(None, get_router_handle({"only": ray_server}))

    async def ask(i):
        await asyncio.sleep(0.003 * (i % 5))
        return (await client.generate("id", prompt_ids=[5 + i, 6], sampling_params=dict(PARAMS))).token_ids

    responses = await asyncio.wait_for(asyncio.gather(*(ask(i) for i in range(20))), 60)
    assert responses == [greedy(trained, [5 + i, 6]) for i in range(20)]

    ray.kill(ray_server)
    results = await asyncio.wait_for(asyncio.gather(*(ask(i) for i in range(3)), return_exceptions=True), 60)
    assert all(isinstance(result, RayActorError) for result in results)
