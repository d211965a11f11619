"""Writes the task files of `pbrlsvr_plugin/lm_eval_tasks`: a task for each language, a group for each benchmark.

python -m pbrlsvr_plugin.evaluate.task_pack
"""

from pathlib import Path

from pbrlsvr_plugin.evaluate.downloads import BENCHMARKS

FOLDER = Path(__file__).parents[1] / "lm_eval_tasks"
_METRICS = ("acc", "answered")
_OF_KNOWN = ("reasoning_in_language", "reply_in_language")

#: Without the ending .yaml, which would make it a task.
COMMON = "common_yaml"
_COMMON = """\
# What all tasks share. Written by pbrlsvr_plugin/evaluate/task_pack.py.
custom_dataset: !function utils.questions
test_split: test
output_type: generate_until
doc_to_text: "{{prompt}}"
doc_to_target: "{{truth}}"
target_delimiter: ""
num_fewshot: 0
generation_kwargs:
  # Without any, lm-evaluation-harness would stop at the first empty line.
  until: ["</s>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>"]
  do_sample: false
  temperature: 0.0
  max_gen_toks: 2048
process_results: !function utils.process_results
metric_list:
"""


def files() -> dict[str, str]:
    """File name -> text."""
    metrics = [(name, "mean") for name in _METRICS] + [(name, "!function utils.mean_of_known") for name in _OF_KNOWN]
    found = {
        COMMON: _COMMON
        + "".join(f"  - metric: {name}\n    aggregation: {how}\n    higher_is_better: true\n" for name, how in metrics)
    }
    for data, benchmark in BENCHMARKS.items():
        tasks = []
        for language in benchmark.languages:
            tasks.append(f"pbrlsvr_{data}_{language}")
            found[f"{tasks[-1]}.yaml"] = (
                f"include: {COMMON}\ntask: {tasks[-1]}\ntask_alias: {language}\n"
                f"dataset_kwargs:\n  data: {data}\n  language: {language!r}\nmetadata:\n  version: 1.0\n"
            )
        # A macro average: each language counts the same.
        averages = "".join(
            f"  - metric: {name}\n    aggregation: mean\n    weight_by_size: false\n" for name in _METRICS
        )
        listed = "".join(f"  - {task}\n" for task in tasks)
        found[f"pbrlsvr_{data}.yaml"] = (
            f"group: pbrlsvr_{data}\ntask:\n{listed}aggregate_metric_list:\n{averages}metadata:\n  version: 1.0\n"
        )
    return found


if __name__ == "__main__":
    for name, text in files().items():
        FOLDER.joinpath(name).write_text(text, encoding="utf-8")
