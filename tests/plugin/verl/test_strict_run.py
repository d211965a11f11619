"""The strict replay buffer and agent loop workers, on a real TransferQueue and veRL's own registry of agent loops."""

import asyncio
import json
import shutil
import sys
import tempfile

import forks
import pytest

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")
tq = pytest.importorskip("transfer_queue", reason="needs TransferQueue: pip install pbrlsvr[cpu]")

import ray  # noqa: E402
import torch  # noqa: E402
from omegaconf import OmegaConf  # noqa: E402
from tensordict import TensorDict  # noqa: E402

from pbrlsvr.errors import ConfigError  # noqa: E402
from pbrlsvr_plugin.cpu.agent_loop import CPUAgentLoopWorker  # noqa: E402
from pbrlsvr_plugin.verl.compose import compose  # noqa: E402
from pbrlsvr_plugin.verl.strict_run import (  # noqa: E402
    REASON,
    WORKER_NAME,
    RolloutError,
    StrictAgentLoopWorker,
    StrictReplayBuffer,
    StrictReplayBufferAsync,
)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def queue():
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # Ray's sockets allow no long path
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False,
             _temp_dir=folder, runtime_env={"py_executable": forks.py_executable()})  # fmt: skip
    storage = {"total_storage_size": 1000, "num_data_storage_units": 1}
    tq.init(OmegaConf.create({"backend": {"storage_backend": "SimpleStorage", "SimpleStorage": storage}}))
    yield tq
    tq.close()
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def put(queue):
    """Writes prompts and their trajectories as veRL's agent loop does, and clears them afterwards."""
    written = {}

    def put_group(uid, status, partition="train", reason=None, rewards=(1.0, 0.0), step=1):
        tag = dict(is_prompt=True, status=status, global_steps=step, **({REASON: reason} if reason else {}))
        queue.kv_batch_put(keys=[uid], partition_id=partition, tags=[tag])
        written.setdefault(partition, []).append(uid)
        if status == "finished" and rewards:
            keys = [f"{uid}_{session}_0" for session in range(len(rewards))]
            fields = TensorDict({"rm_scores": torch.tensor(rewards)[:, None]}, batch_size=len(rewards))
            queue.kv_batch_put(
                keys=keys, partition_id=partition, fields=fields, tags=[{"status": "success"}] * len(keys)
            )
            written[partition] += keys

    put_group.written = written
    yield put_group
    for partition, keys in written.items():
        present = (queue.kv_list(partition) or {}).get(partition, {})
        if left := [key for key in keys if key in present]:
            queue.kv_clear(keys=left, partition_id=partition)


def buffer(mode="sync", refill=None, **sampler_kwargs):
    return StrictReplayBuffer(
        trainer_mode=mode, trainer_config=OmegaConf.create({}), max_off_policy_threshold=8,
        max_off_policy_strategy="drop", sampler_kwargs=OmegaConf.create(sampler_kwargs), refill_fn=refill,
    )  # fmt: skip


def sample(replay_buffer, partition="train", size=2):
    return replay_buffer.sample(global_steps=1, partition_id=partition, batch_size=size)[0]


def test_finished_groups_are_sampled_whole(put):
    put("a", "finished")
    put("b", "finished")
    assert sorted(sample(buffer()).keys) == ["a_0_0", "a_1_0", "b_0_0", "b_1_0"]


@pytest.mark.parametrize("mode", ["sync", "colocate_async"])
@pytest.mark.parametrize(("partition", "place"), [("train", "training"), ("val", "validation")])
def test_a_failed_group_raises_with_the_reason_although_others_are_running(put, mode, partition, place):
    put("a", "running", partition)
    put("b", "failure", partition, reason="ServiceError: the scorer did not answer")
    with pytest.raises(
        RolloutError, match=f"1 prompts of a {place} batch failed.*ServiceError: the scorer did not answer"
    ):
        sample(buffer(mode), partition)


def test_without_a_noted_reason_the_error_says_where_to_look(put):
    put("a", "failure")
    with pytest.raises(RolloutError, match="Error in _run_prompt"):
        sample(buffer())


@pytest.mark.parametrize("mode", ["sync", "colocate_async"])
def test_as_many_prompts_may_fail_as_the_user_allows_and_no_more(put, mode):
    put("a", "finished")
    put("b", "finished")
    put("c", "failure", reason="ToolError: 503")
    refilled = []
    replay_buffer = buffer(mode, refill=lambda count: refilled.append(count), max_failed=1)
    # In sync mode the failed one is of the batch, with the trajectories that it has: none here.
    batch = sample(replay_buffer, size=3 if mode == "sync" else 2)
    assert sorted(batch.keys) == ["a_0_0", "a_1_0", "b_0_0", "b_1_0"]
    assert refilled == ([1] if mode == "colocate_async" else [])
    for uid in ("d", "e"):  # of the next batch
        put(uid, "failure", reason="ToolError: 504")
    with pytest.raises(RolloutError, match=r"prompts of a training batch failed.*ToolError: 50"):
        sample(replay_buffer)


def test_a_dead_agent_loop_worker_raises_instead_of_waiting_for_ever(put):
    @ray.remote(num_cpus=0)
    class Worker:
        def ready(self):
            return True

    worker = Worker.options(name=f"{WORKER_NAME}0_abc").remote()
    ray.get(worker.ready.remote())
    put("a", "running")
    replay_buffer = buffer()
    replay_buffer._check_workers()
    ray.kill(worker)
    with pytest.raises(RolloutError, match=f"{WORKER_NAME}0_abc.*died"):
        sample(replay_buffer)


def test_groups_with_equal_rewards_are_filtered_when_dapo_asks_for_it(put):
    refilled = []

    def refill(count):
        refilled.append(count)
        put("c", "finished")
        put("d", "finished")

    group_filter = {"enable": True, "metric": "reward", "max_num_gen_batches": 0, "max_inflight_gen_batches": 1}
    put("a", "finished", rewards=(1.0, 1.0))
    put("b", "finished", rewards=(1.0, 0.0))
    batch = sample(buffer(refill=refill, filter_groups=group_filter, train_batch_size=2))
    assert refilled == [2]
    assert not any(key.startswith("a_") for key in batch.keys)


def test_dapo_without_a_batch_size_is_an_error():
    with pytest.raises(KeyError, match="train_batch_size"):
        buffer(filter_groups={"enable": True, "metric": "reward"})


@pytest.mark.parametrize("mode", ["colocate_async", "separate_async"])
def test_the_asynchronous_trainers_get_the_buffer_that_drops_what_is_too_old(mode):
    assert type(buffer()) is StrictReplayBuffer
    assert type(buffer(mode)) is StrictReplayBufferAsync


@pytest.mark.parametrize("mode", ["sync", "colocate_async", "separate_async"])
def test_verls_trainer_builds_a_recipes_buffer_which_replaces_what_is_too_old_in_asynchronous_modes(put, mode):
    from verl.trainer.ppo.v1.trainer_colocate_async import PPOTrainerColocateAsync
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

    refilled = []

    def refill(count):
        refilled.append(count)
        put("new", "finished", step=10)

    trainer = object.__new__(PPOTrainerSync if mode == "sync" else PPOTrainerColocateAsync)
    trainer.config, trainer.trainer_mode = compose("llama3.1_8b_grpo_embed", [f"trainer.v1.trainer_mode={mode}"]), mode
    trainer._add_prompts_to_generate = refill
    replay_buffer = trainer._build_replay_buffer()
    put("old", "finished", step=1)
    put("recent", "finished", step=4)
    batch, metrics = replay_buffer.sample(global_steps=10, partition_id="train", batch_size=2)
    sampled = {key.partition("_")[0] for key in batch.keys}
    if mode == "sync":
        assert (sampled, refilled) == ({"old", "recent"}, [])
        assert not [name for name in metrics if "evicted" in name]
    else:  # policies 1 to 10 are ten, and veRL's max_off_policy_threshold is 8; 4 to 10 are seven
        assert (sampled, refilled) == ({"recent", "new"}, [1])
        assert metrics["training/off_policy/evicted_samples"] == 1
    # A longer wait than one poll is an idle trainer to veRL's asynchronous modes.
    assert replay_buffer.poll_interval == (0.05 if mode == "sync" else 2.0)


@pytest.fixture
def trained(put, tiny_policy, tmp_path):
    """A batch as veRL's workers leave it, and a buffer whose trainer writes its responses."""
    from transformers import AutoTokenizer
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
    from verl.utils.tensordict_utils import list_of_dict_to_tensordict

    trainer = object.__new__(PPOTrainerSync)
    folders = [f"trainer.rollout_data_dir={tmp_path}/rollouts", f"trainer.validation_data_dir={tmp_path}/validation"]
    trainer.config = compose("llama3.1_8b_grpo_embed", [*folders, "data.max_response_length=3"])
    trainer.trainer_mode = "sync"
    trainer.tokenizer = AutoTokenizer.from_pretrained(f"{tiny_policy}/model")
    trainer.local_trigger_step, trainer.parameter_sync_step = 0, 1

    def put_responses(uid, language, scores, partition="train", **found):
        rows = [
            {
                "prompts": torch.tensor(trainer.tokenizer.encode(f"{uid}?")),
                "responses": torch.tensor(trainer.tokenizer.encode("é" * (1 + session))),
                "rm_scores": torch.tensor([0.0] * (2 * session + 1) + [score]),
                "extra_fields": {"reward_extra_info": {"score": score, "acc": score, "answered": 1.0, **found}},
                "extra_info": {"index": 7, "language": language, "pivot_answer": "7"},
                "reward_model": {"ground_truth": ""},
                "data_source": f"toy/{language}",
            }
            for session, score in enumerate(scores)
        ]
        put(uid, "finished", partition, rewards=())
        keys = [f"{uid}_{session}_0" for session in range(len(rows))]
        tags = [{"status": "success", "response_len": 2 * session + 2} for session in range(len(rows))]
        tq.kv_batch_put(keys=keys, partition_id=partition, fields=list_of_dict_to_tensordict(rows), tags=tags)
        put.written.setdefault(partition, []).extend(keys)

    return trainer, trainer._build_replay_buffer(), put_responses


def read(path):
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def test_a_sampled_batch_brings_its_metrics_and_its_responses_are_on_the_disk(trained, tmp_path):
    trainer, replay_buffer, put_responses = trained
    put_responses("a", "sw", (1.0, 0.0), reasoning=0.5)
    put_responses("b", "de", (0.5, 0.5), reasoning=0.25)
    batch, metrics = replay_buffer.sample(global_steps=3, partition_id="train", batch_size=2)
    assert metrics["pbrlsvr/sw/score"] == metrics["pbrlsvr/sw/accuracy"] == 0.5
    assert metrics["pbrlsvr/sw/spread"] == pytest.approx(0.5**0.5)
    assert (metrics["pbrlsvr/sw/groups_without_spread"], metrics["pbrlsvr/de/groups_without_spread"]) == (0.0, 1.0)
    assert metrics["pbrlsvr/overall/truncated"] == 0.5
    assert metrics["pbrlsvr/de/component/reasoning"] == 0.25
    written = read(tmp_path / "rollouts/3.jsonl")
    assert [(entry["uid"], entry["input"], entry["output"], entry["score"]) for entry in written] == [
        ("a_0_0", "a?", "é", 1.0), ("a_1_0", "a?", "éé", 0.0), ("b_0_0", "b?", "é", 0.5), ("b_1_0", "b?", "éé", 0.5),
    ]  # fmt: skip
    assert [(entry["language"], entry["index"], entry["reasoning"]) for entry in written[::2]] == [
        ("sw", 7, 0.5), ("de", 7, 0.25),
    ]  # fmt: skip
    # veRL's own files would have the same names, and none of the components.
    trainer._log_rollout_data(batch, {}, str(tmp_path / "rollouts"))
    trainer._dump_generations(dump_path=str(tmp_path / "validation"))
    assert written == read(tmp_path / "rollouts/3.jsonl")


def test_a_validation_is_written_whole_and_has_no_metrics_of_ours(trained, tmp_path):
    _, replay_buffer, put_responses = trained
    for uid in ("a", "b"):  # a batch of the validation each
        put_responses(uid, "sw", (1.0,), partition="val")
        _, metrics = replay_buffer.sample(global_steps=0, partition_id="val", batch_size=1)
        assert metrics == {}
        tq.kv_clear(keys=[f"{uid}_0_0"], partition_id="val")
    assert [entry["uid"] for entry in read(tmp_path / "validation/0.jsonl")] == ["a_0_0", "b_0_0"]


def test_the_parts_of_a_step_make_one_set_of_metrics_that_verl_does_not_merge_wrongly(trained, tmp_path):
    from verl.trainer.ppo.v1.utils import MetricsAggregator

    trainer, replay_buffer, put_responses = trained
    trainer.parameter_sync_step, merged = 2, MetricsAggregator()
    # "min" is Minangkabau's code, and the names of the components are a user's: veRL merges by such words.
    parts = [{"min": (1.0, 0.8), "de": (1.0,)}, {"min": (0.0,), "de": (0.5, 0.0, 0.0)}]
    for part, languages in enumerate(parts):
        trainer.local_trigger_step = part
        for language, scores in languages.items():
            put_responses(f"{language}{part}", language, scores, undetermined=scores[0], total=1.0)
        batch, metrics = replay_buffer.sample(global_steps=1, partition_id="train", batch_size=2)
        merged.add_step_metrics(dict(metrics), sample_count=len(batch.keys))
        tq.kv_clear(keys=batch.keys, partition_id="train")
    found = merged.get_aggregated_metrics()
    assert found["pbrlsvr/min/score"] == pytest.approx(1.8 / 3)
    assert found["pbrlsvr/de/score"] == pytest.approx(1.5 / 4)
    assert found["pbrlsvr/overall/component/total"] == 1.0
    assert found["pbrlsvr/overall/component/undetermined"] == pytest.approx((1 + 1 + 1 + 0 + 0.5 * 3) / 7)
    assert found["pbrlsvr/overall/rows"] == 7
    assert len(read(tmp_path / "rollouts/1.jsonl")) == 7


def test_what_the_observer_knows_of_verls_trainer_is_still_so():
    from pathlib import Path

    from verl.trainer.ppo import v1

    lines = {
        "trainer_base.py": [
            "refill_fn=self._add_prompts_to_generate,", "self.local_trigger_step = trigger_idx",
            "self._log_rollout_data(batch, self.timing_raw, rollout_data_dir)",
            'fields = ["uid", "prompts", "responses", "rm_scores", "reward_model"]',
        ],
        "trainer_separate_async.py": ["self._sample_start = time.perf_counter()"],
    }  # fmt: skip
    for file, known in lines.items():
        source = (Path(v1.__file__).parent / file).read_text()
        assert [line for line in known if line not in source] == []


def test_two_kinds_of_responses_may_not_share_a_folder(trained, tmp_path):
    trainer, *_ = trained
    trainer.config.trainer.validation_data_dir = f"{tmp_path}/x/../rollouts"
    with pytest.raises(ConfigError, match="give each a folder of its own"):
        trainer._build_replay_buffer()


OWN_LOOP = """
import torch
from verl.experimental.agent_loop.agent_loop import AgentLoopOutput
from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop

class Own(SingleTurnAgentLoop):
    async def run(self, sampling_params, **kwargs):
        if kwargs["raw_prompt"][0]["content"] == "fail":
            raise ZeroDivisionError("no answer today")
        fields = {"turn_scores": [], "tool_rewards": []}
        return AgentLoopOutput(prompt_ids=[5], response_ids=[7, 7, 7], response_mask=[1, 1, 1], num_turns=2, metrics={},
                               extra_fields=fields)
"""


@pytest.fixture(params=[StrictAgentLoopWorker, CPUAgentLoopWorker], ids=["gpu", "cpu"])
def run_prompt(request, queue, tiny_policy, tmp_path, monkeypatch):
    """Runs a prompt through a worker whose `agent_loop_config_path` replaces `single_turn_agent`."""
    from verl.experimental.agent_loop import agent_loop
    from verl.utils import tensordict_utils as tu

    (tmp_path / "own_loop_of_a_user.py").write_text(OWN_LOOP)
    (tmp_path / "loops.yaml").write_text("- {name: single_turn_agent, _target_: own_loop_of_a_user.Own}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(agent_loop, "_agent_loop_registry", dict(agent_loop._agent_loop_registry))
    config = compose(
        "ppo_trainer",
        [
            f"actor_rollout_ref.model.path={tiny_policy}/model", "actor_rollout_ref.rollout.n=1",
            "actor_rollout_ref.rollout.name=hf",
            f"actor_rollout_ref.rollout.agent.agent_loop_config_path={tmp_path}/loops.yaml",
        ],
    )  # fmt: skip

    def run(uid, content, **columns):
        async def whole():
            worker = request.param(config, None)._worker
            batch = tu.get_tensordict(
                {"uid": [uid], "raw_prompt": [[{"role": "user", "content": content}]], "index": [0], **columns},
                non_tensor_dict={"global_steps": 1},
            )
            await worker.generate_sequences(batch)
            await asyncio.gather(*worker.background_tasks)

        queue.kv_batch_put(
            keys=[uid], partition_id="train", tags=[{"is_prompt": True, "status": "pending", "global_steps": 1}]
        )
        asyncio.run(whole())
        return queue.kv_list("train")["train"]

    yield run
    sys.modules.pop("own_loop_of_a_user", None)
    left = (queue.kv_list("train") or {}).get("train", {})
    queue.kv_clear(keys=list(left), partition_id="train")


def test_an_agent_loop_that_replaces_the_single_turn_is_the_one_that_runs(run_prompt, queue):
    assert run_prompt("own", "3+4=")["own"]["status"] == "finished"
    fields = queue.kv_batch_get(keys=["own_0_0"], partition_id="train", select_fields=["responses"])
    assert fields["responses"][0].tolist() == [7, 7, 7]


def test_the_reward_is_told_the_step_beside_what_its_row_says(run_prompt, queue):
    info = {"language": "sw", "pivot_references": [{"reasoning": "3 + 4 = 7.", "answer": "7"}]}
    assert run_prompt("told", "3+4=", extra_info=[info])["told"]["status"] == "finished"
    assert run_prompt("bare", "3+4=")["bare"]["status"] == "finished"
    told = [
        queue.kv_batch_get(keys=[f"{uid}_0_0"], partition_id="train", select_fields=["extra_info"])["extra_info"][0]
        for uid in ("told", "bare")
    ]
    told = [getattr(one, "data", one) for one in told]
    assert told == [{**info, "training_step": 1}, {"training_step": 1}]


def test_a_failed_agent_loop_leaves_its_error_on_the_prompt(run_prompt):
    tag = run_prompt("bad", "fail")["bad"]
    assert (tag["status"], tag[REASON]) == ("failure", "ZeroDivisionError: no answer today")
    with pytest.raises(RolloutError, match="ZeroDivisionError: no answer today"):
        sample(buffer(), size=1)
