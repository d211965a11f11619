"""Each kind of recipe trains for two steps on a CPU, started as a user starts it: `pbrlsvr train RECIPE --profile cpu`.

The policies have the recipe's architecture and random weights; the reward models are a tiny COMET, a real small encoder
and a translator behind HTTP. Half a minute to a minute each on two quiet cores. `SAME_AS` says which run stands for the
recipes that are not run themselves, and a test here makes sure that they differ in nothing else.
"""

import functools
import json
import re

import pytest

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")
pytest.importorskip("transfer_queue", reason="needs TransferQueue: pip install pbrlsvr[cpu]")

from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from verl_runs import GROUPS, KWARGS, RecipeRun, hybrid, policy, rows

from pbrlsvr_plugin.verl.recipe_files import packaged

#: Recipe -> the run that stands for it. What differs, with the CPU profile, is in `MAY_DIFFER`.
SAME_AS = {
    "llama3.1_8b_grpo_embed": "llama3.1_8b_grpo_hybrid",
    "llama3.1_8b_grpo_comet": "llama3.1_8b_grpo_hybrid",
    "llama3.1_8b_grpo_mt": "qwen3_32b_grpo_mt",
    "llama3.1_8b_ppo_exact": "llama3.1_8b_ppo_hybrid",
    "qwen3_32b_grpo_hybrid": "qwen3_32b_grpo_mt",
    "qwen3_32b_grpo_embed": "qwen3_32b_grpo_mt",
    "qwen3_32b_grpo_comet": "qwen3_32b_grpo_mt",
    "qwen3_32b_ppo_hybrid": "llama3.1_8b_ppo_hybrid",
    "qwen3_32b_ppo_exact": "llama3.1_8b_ppo_hybrid",
    "qwen3_1.7b_lora_grpo_embed": "qwen3_1.7b_lora_grpo_hybrid",
    "llama3.1_8b_grpo_exact": "llama3.1_8b_grpo_hybrid",
    "qwen3_32b_grpo_exact": "qwen3_32b_grpo_mt",
    "qwen3_1.7b_lora_grpo_exact": "qwen3_1.7b_lora_grpo_hybrid",
    "qwen3_8b_grpo_hybrid": "qwen3_32b_grpo_mt",
    "qwen3_8b_grpo_exact": "qwen3_32b_grpo_mt",
    "qwen3_32b_sft": "llama3.1_8b_sft",
}
RUNS = (
    "llama3.1_8b_grpo_hybrid",
    "llama3.1_8b_ppo_hybrid",
    "llama3.1_8b_gdpo_hybrid",
    "qwen3_32b_grpo_mt",
    "qwen3_1.7b_lora_grpo_hybrid",
    "llama3.1_8b_sft",
    "qwen3_8b_dapo_hybrid",
)
#: Recipe -> what differs from qwen3_8b_grpo_hybrid beside model and reward. test_recipes_algorithms.py asks veRL what
#: it computes of it; of SGLang, fp8 and asynchronous rollouts nothing of ours stands between veRL and a GPU.
VARIANTS = {
    "qwen3_8b_gspo_hybrid": r"actor_rollout_ref\.actor\.(policy_loss\.|loss_agg|clip_ratio|use_kl_loss)",
    "qwen3_8b_drgrpo_hybrid": r"actor_rollout_ref\.actor\.(loss_|use_kl_loss)",
    "qwen3_8b_grpo_tis_hybrid": r"algorithm\.rollout_correction\.rollout_is$",
    "qwen3_8b_grpo_fp8_hybrid": r"algorithm\.rollout_correction\.rollout_is$|actor_rollout_ref\.rollout\.quantization",
    "qwen3_8b_grpo_sglang_hybrid": r"actor_rollout_ref\.rollout\.multi_stage_wake_up",
    "qwen3_8b_grpo_async_hybrid": r"algorithm\.rollout_correction\.rollout_is$|trainer\.v1\.",
    "qwen3_8b_grpo_thinking_hybrid": r"data\.(train_batch|max_response)|actor_rollout_ref\.actor\.(ppo_mini|ulysses)"
    r"|trainer\.total_training_steps",
}
# The model, what it is asked for, and the reward, whose own tests run each of them, with what it wants of GRPO; two are
# for vLLM and the disk.
MAY_DIFFER = re.compile(
    r"reward_fn$|reward\.|algorithm\.norm_adv_by_std_in_grpo$|data\.apply_chat_template_kwargs"
    r"|actor_rollout_ref\.rollout\.(val_kwargs\.|gpu_memory_util)"
    r"|(actor_rollout_ref\.)?model\.path$|trainer\.(experiment_name|max_actor_ckpt_to_keep)$"
)


def leaves(node, place=""):
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{place}.{key}" if place else str(key))
    else:
        yield place, json.dumps(node, default=str)


@functools.cache
def on_a_cpu(name):
    profile = "cpu_sft" if name.endswith("_sft") else "cpu"
    with initialize_config_module("verl.trainer.config", version_base=None):
        return dict(leaves(OmegaConf.to_container(compose(name, overrides=[f"+profile={profile}"]), resolve=False)))


def test_every_recipe_is_run_or_has_a_run_that_stands_for_it():
    assert {recipe.name for recipe in packaged()} == {*RUNS, *SAME_AS, *VARIANTS}
    assert set(SAME_AS.values()) <= set(RUNS)


@pytest.mark.parametrize(("recipe", "run"), SAME_AS.items(), ids=SAME_AS)
def test_a_recipe_differs_from_the_run_that_stands_for_it_in_model_and_reward_only(recipe, run):
    one, other = on_a_cpu(recipe), on_a_cpu(run)
    places = {place for place in {*one, *other} if one.get(place) != other.get(place)}
    assert not [place for place in places if not MAY_DIFFER.match(place)]


@pytest.mark.parametrize(("recipe", "more"), VARIANTS.items(), ids=VARIANTS)
def test_a_variant_differs_in_what_makes_it_one_only(recipe, more):
    one, other = on_a_cpu(recipe), on_a_cpu("qwen3_8b_grpo_hybrid")
    places = [place for place in {*one, *other} if one.get(place) != other.get(place)]
    assert places
    assert not [place for place in places if not MAY_DIFFER.match(place) and not re.match(more, place)]


def test_llama_with_grpo_and_the_hybrid_reward(recipe_run):
    run = recipe_run("one rank")
    run.assert_trained("comet", "reasoning")
    assert run.metric(1, "actor/kl_loss") == 0 < run.metric(2, "actor/kl_loss")
    for step in (1, 2):  # of the 4 after which the reasoning weighs nothing
        weight = 1 - step / 4
        assert run.metric(step, "pbrlsvr/overall/weight/reasoning") == weight
        assert run.metric(step, "pbrlsvr/overall/weight/comet") == 1
        for sample in run.samples("rollouts", step):
            assert (sample["reasoning_weight"], sample["gate_floor"]) == (weight, 0.1)
            assert sample["nearest"] in (0, 1)
            assert sample["pivot_references"][0]["reasoning"].startswith("Counting on from")
            if sample["reasoning_language_factor"] == sample["repetition_factor"] == 1:
                mean = (sample["comet"] + weight * sample["reasoning"]) / (1 + weight)
                assert sample["score"] == pytest.approx(mean, abs=2**-11)
    assert {sample["reasoning_weight"] for sample in run.samples("validation", 0)} == {1}


def test_llama_with_ppo_and_the_hybrid_reward_on_two_ranks(recipe_run):
    run = recipe_run("two ranks")
    run.assert_trained("comet", "reasoning")
    assert run.metric(2, "critic/vf_loss") > 0
    assert run.metric(2, "training/rollout_probs_diff_max") < 1e-5
    for role in ("actor", "critic"):
        assert (run.checkpoints / f"global_step_2/{role}/model_world_size_2_rank_1.pt").is_file()


def test_llama_with_gdpo_over_the_components(toy, minilm, tmp_path):
    options = [*policy(toy, "Llama"), *hybrid(toy, minilm), *GROUPS]
    run = RecipeRun.train("llama3.1_8b_gdpo_hybrid", tmp_path, *options)
    run.assert_trained("comet", "reasoning")
    for key in ("comet_ungated", "reasoning_ungated"):
        assert run.metric(1, f"gdpo/{key}/std") > 0


def test_qwen_with_lora_grpo_and_the_hybrid_reward_on_two_ranks(recipe_run):
    run = recipe_run("LoRA")
    run.assert_trained("comet", "reasoning")
    # The adapter has learnt, and its base is the reference.
    assert run.metric(1, "actor/kl_loss") == 0 < run.metric(2, "actor/kl_loss")
    assert (run.checkpoints / "global_step_2/actor/lora_train_meta.json").is_file()


def test_qwen_with_dapo_trains_on_mixed_groups_with_rollout_correction(toy, minilm, tmp_path):
    """One response of 16 or so says "many"; groups of 8 in which none or all do are replaced."""
    import pandas

    for split in ("train", "val"):
        rows_of = pandas.read_parquet(toy / f"{split}.parquet")
        rows_of["reward_model"] = [{"style": "pivot", "ground_truth": "many"}] * len(rows_of)
        rows_of.to_parquet(tmp_path / f"{split}.parquet")
    run = RecipeRun.train(
        "qwen3_8b_dapo_hybrid", tmp_path, *policy(toy, "Qwen3"), *hybrid(toy, minilm), GROUPS[1],
        f"data.train_files={tmp_path}/train.parquet", f"data.val_files={tmp_path}/val.parquet",
        "data.train_batch_size=2", "actor_rollout_ref.rollout.n=8",
        "reward.reward_kwargs.overlong_buffer_cfg.len=8", "algorithm.rollout_correction.rollout_is=token",
    )  # fmt: skip
    for step in (1, 2):
        assert run.metric(step, "actor/grad_norm") > 0
        # The rollout's weights are the trainer's here, so that no token is corrected.
        assert run.metric(step, "rollout_corr/rollout_is_mean") == pytest.approx(1, abs=1e-3)
        samples = run.samples("rollouts", step)
        assert len(samples) == 16
        # Half of a response's 16 tokens may cost something: nearly all responses are cut off, or close to it.
        assert min(sample["score"] for sample in samples) < 0
        assert all(-1 <= sample["score"] <= 1 for sample in samples)
        groups = [samples[place : place + 8] for place in (0, 8)]
        assert all(len({"many" in sample["output"] for sample in group}) == 2 for group in groups)
    assert "training/filter_groups/evicted_samples" in run.log
    assert "actor/kl_loss" not in run.log


def test_qwen_with_grpo_and_the_translation_reward(toy, minilm, chat_server, reply, tmp_path):
    translator = chat_server(lambda text, *_: reply(f"There are {len(text)} apples."))
    reward = [
        f"{KWARGS}.translation.model=toy", f"{KWARGS}.embedding.model={minilm}",
        f"+{KWARGS}.translation.serving.place=endpoint",
        f"+{KWARGS}.translation.serving.endpoint.urls=[{translator.url}]",
        # One of the recipe's eight: they would share two cores.
        f"{KWARGS}.translation.serving.replicas=1",
    ]  # fmt: skip
    run = RecipeRun.train("qwen3_32b_grpo_mt", tmp_path, *policy(toy, "Qwen3"), *reward, *GROUPS)
    run.assert_trained("reasoning")


def test_llama_with_sft_on_the_pivot_references(toy, tmp_path):
    run = RecipeRun.train("llama3.1_8b_sft", tmp_path, *rows(toy), f"model.path={toy}/Llama", "optim.lr=1e-2")
    assert run.metric(2, "train/loss") < run.metric(1, "train/loss")
    assert run.metric(2, "val/loss") > 0
    assert (run.checkpoints / "global_step_2/model_world_size_1_rank_0.pt").is_file()
