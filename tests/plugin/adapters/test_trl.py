"""TRL's own trainer with our rewards, on a CPU, in an environment without veRL."""

from pathlib import Path

import exported

# Two steps of GRPO with two rewards, an evaluation, and what goes wrong.
TRAIN = """
import itertools, json, os, pickle, queue, sys, threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
from trl.chat_template_utils import qwen3_schema
from trl.experimental.async_grpo.async_rollout_worker import _AsyncRolloutLoop
from trl.scripts.grpo import make_parser
from trl.trainer.utils import is_async_callable
from pbrlsvr_plugin.adapters import trl as ours

policy, rows, encoder, folder, config = sys.argv[1:]
script, training, *_ = make_parser().parse_args_and_config(["--config", config, "--use_cpu", "true", "--bf16", "false"])
dotted = getattr(ours, script.reward_funcs[0].rpartition(".")[2]).__name__
data = load_dataset("parquet", data_files=rows, split="train")
semantic = ours.reward("embed_cosine", embedding={"model": encoder})
rewards = [pickle.loads(pickle.dumps(semantic)), ours.reward("exact_answer", log_as="right")]

def trainer(reward_funcs, data):
    args = GRPOConfig(
        output_dir=folder, max_steps=2, per_device_train_batch_size=12, num_generations=2, max_completion_length=12,
        logging_steps=1, report_to=[], use_cpu=True, bf16=False, learning_rate=1e-3, log_completions=True, seed=3,
        per_device_eval_batch_size=2, num_generations_eval=1, save_strategy="no", disable_tqdm=True,
    )
    return GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(policy), processing_class=AutoTokenizer.from_pretrained(policy),
        reward_funcs=reward_funcs, args=args, train_dataset=data, eval_dataset=data.select(range(2)),
    )

def error_of(work):
    try:
        work()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

# What AsyncGRPO asks of vLLM: tokens for a prompt's.
class Generating(BaseHTTPRequestHandler):
    texts = itertools.cycle(["I add the numbers.\\n#### 3", "I do not know.", ""])

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ids = tokenizer(next(self.texts), add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        logprobs = {"token_logprobs": [-1.0] * len(ids)}
        body = json.dumps({"choices": [{"token_ids": ids, "logprobs": logprobs}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

tokenizer = AutoTokenizer.from_pretrained(policy)
# AsyncGRPO knows the chat templates of some models; the tests' policy has one of its own.
tokenizer.response_schema = qwen3_schema

# AsyncGRPO's loop that generates and scores: the trainer pickles the rewards and starts it in a process of its own.
def asynchronous(reward_funcs, data, groups):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Generating)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    samples, metrics, failed = queue.Queue(), queue.Queue(), queue.Queue()
    loop = _AsyncRolloutLoop(
        model_name="policy", dataset=data, reward_funcs=pickle.loads(pickle.dumps(reward_funcs)),
        processing_class=tokenizer, eos_token_ids=[tokenizer.eos_token_id], rollout_buffer=samples,
        model_version_value=SimpleNamespace(value=0), heartbeat_value=SimpleNamespace(value=0.0),
        failed_event=threading.Event(), exception_info_queue=failed, metrics_queue=metrics, num_generations=3,
        max_inflight_tasks=6, vllm_server_url=f"http://127.0.0.1:{server.server_port}",
    )
    def stop():
        found = [samples.get() for _ in range(3 * groups)]
        loop._loop.call_soon_threadsafe(loop._stop_event.set)
        return found
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(stop) if groups else None
        try:
            loop.run()
        except Exception:
            return failed.get()[:2]
        finally:
            server.shutdown()
        return [sample.metrics | {"advantage": sample.advantage} for sample in found.result()]

one = trainer(rewards, data)
one.train()
evaluated = one.evaluate()
print(json.dumps({
    "history": one.state.log_history, "evaluated": evaluated, "names": one.reward_func_names,
    "extra": {name: list(values) for name, values in one._logs["extra"].items()},
    "async": [is_async_callable(each) for each in rewards], "verl": "verl" in sys.modules,
    "example": [training.scale_rewards, training.remove_unused_columns, dotted],
    "asynchronous": asynchronous(rewards, data, groups=2),
    "asynchronous, no columns": asynchronous([semantic], data.remove_columns(["extra_info"]), groups=0),
    "no columns": error_of(lambda: trainer([semantic], data.remove_columns(["extra_info"])).train()),
    "no reference": error_of(lambda: trainer([semantic], data.map(lambda row: {"extra_info": {
        **row["extra_info"], "pivot_reasoning": None}})).train()),
    "no model": error_of(lambda: trainer([ours.reward("embed_cosine", embedding={"model": "/nowhere"})], data).train()),
}))
"""


def test_two_steps_of_grpo_log_scores_and_means_per_language_asyncgrpo_takes_the_scores_and_errors_end_the_run(
    run_in, tiny_policy, minilm, tmp_path
):
    rows = exported.write_rows("trl", tmp_path / "data")
    example = Path(__file__).parents[3] / "examples/trl/grpo.yaml"
    found, output = run_in("trl", TRAIN, tiny_policy / "model", rows, minilm, tmp_path / "out", example)

    assert found["names"] == ["embed_cosine", "right"]
    assert found["async"] == [True, True]
    assert found["example"] == ["none", False, "embed_cosine"]
    assert not found["verl"]
    steps = [one for one in found["history"] if "reward" in one]
    assert len(steps) == 2
    for step in steps:
        assert 0 <= step["rewards/embed_cosine/mean"] <= 1
        assert step["grad_norm"] >= 0
    seen = {name for step in steps for name in step}
    named = [f"rewards/{name}/{language}" for name in ("embed_cosine", "right") for language in ("en", "de", "sw")]
    assert {f"{name}/score" for name in named} <= seen
    assert {f"rewards/embed_cosine/{language}/component/reasoning" for language in ("en", "de")} <= seen
    assert "rewards/right/sw/accuracy" in seen
    assert not [name for name in seen if "unknown" in name or "overall" in name]
    assert any(name.startswith("eval_rewards/embed_cosine/") for name in found["evaluated"])
    components = found["extra"]["embed_cosine/reasoning"]
    assert len(components) >= 12
    assert all(0 <= value <= 1 for value in components)
    assert set(found["extra"]["right/acc"]) <= {0.0, 1.0}
    # AsyncGRPO passes no `log_extra` and no `log_metric`. The third text of each three is empty.
    assert len(found["asynchronous"]) == 6
    for sample in found["asynchronous"]:
        assert sample["reward"] == sample["rewards/embed_cosine"] + sample["rewards/right"]
        assert 0 <= sample["rewards/embed_cosine"] <= 1
    assert {sample["rewards/right"] for sample in found["asynchronous"]} <= {0.0, 1.0}
    assert {sample["rewards/embed_cosine"] > 0 for sample in found["asynchronous"]} == {True, False}
    kind, why = found["asynchronous, no columns"]
    assert kind == "DataError"
    assert why.startswith("TRL passed no column 'pivot_reasoning'")
    assert found["no columns"].startswith("DataError: TRL passed no column 'pivot_reasoning'")
    assert "remove_unused_columns=False" in found["no columns"]
    assert "has extra_info['pivot_reasoning']=None" in found["no reference"]
    assert "'/nowhere'" in found["no model"]
    assert "embed_cosine" in output  # TRL's table of completions


# Each of the two processes has a slice of the batch.
RANKS = """
import json, os, sys
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
import pbrlsvr_plugin.adapters.trl as ours

policy, rows, folder = sys.argv[1:]
args = GRPOConfig(
    output_dir=folder, max_steps=1, per_device_train_batch_size=4, num_generations=2, max_completion_length=12,
    logging_steps=1, report_to=[], use_cpu=True, bf16=False, save_strategy="no", disable_tqdm=True,
)
trainer = GRPOTrainer(
    model=AutoModelForCausalLM.from_pretrained(policy), processing_class=AutoTokenizer.from_pretrained(policy),
    reward_funcs=ours.embed_cosine, args=args, train_dataset=load_dataset("parquet", data_files=rows, split="train"),
)
trainer.train()
found = {"history": trainer.state.log_history, "loaded": "sentence_transformers" in sys.modules}
with open(f"{folder}/rank{trainer.accelerator.process_index}.json", "w") as file:
    json.dump(found, file)
trainer.accelerator.wait_for_everyone()
if trainer.accelerator.process_index == 0:
    print(json.dumps([json.load(open(f"{folder}/rank{rank}.json")) for rank in (0, 1)]))
"""


def test_the_processes_of_a_node_share_one_encoder_with_the_options_of_the_file(run_in, tiny_policy, minilm, tmp_path):
    rows = exported.write_rows("trl", tmp_path / "data")
    (tmp_path / "out").mkdir()
    options = tmp_path / "rewards.yaml"
    options.write_text(f"pbrlsvr.embed_cosine:\n  embedding: {{model: {minilm}}}\n")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    found, _ = run_in("trl", RANKS, tiny_policy / "model", rows, tmp_path / "out", launcher=launcher,
                      environment={"PBRLSVR_REWARDS": str(options), "XDG_RUNTIME_DIR": str(tmp_path)})  # fmt: skip
    assert sorted(one["loaded"] for one in found) == [False, True]
    step = found[0]["history"][0]
    assert 0 <= step["rewards/embed_cosine/mean"] <= 1
    assert any(name.startswith("rewards/embed_cosine/") and name.endswith("/score") for name in step)
