"""`pbrlsvr plan` on veRL's own config tree: which parts lie where, what divides what, what is advised."""

import json
from functools import cache

import pytest

pytest.importorskip("verl", reason="needs veRL's config tree")
transformers = pytest.importorskip("transformers")

from typer.testing import CliRunner  # noqa: E402

from pbrlsvr.errors import ConfigError  # noqa: E402
from pbrlsvr_plugin.cli import app  # noqa: E402
from pbrlsvr_plugin.plan.advice import advise  # noqa: E402
from pbrlsvr_plugin.plan.evaluate import evaluate  # noqa: E402
from pbrlsvr_plugin.plan.memory import GIB  # noqa: E402
from pbrlsvr_plugin.plan.recipe import set_hardware  # noqa: E402
from pbrlsvr_plugin.verl.compose import compose  # noqa: E402

BASE = (
    "actor_rollout_ref.rollout.name=vllm",
    "actor_rollout_ref.actor.strategy=fsdp2",
    "actor_rollout_ref.actor.use_dynamic_bsz=true",
    "algorithm.adv_estimator=grpo",
    "data.train_batch_size=64",
    "actor_rollout_ref.actor.ppo_mini_batch_size=32",
    "actor_rollout_ref.rollout.n=8",
    "data.max_prompt_length=1024",
    "data.max_response_length=3072",
)
LORA = ("actor_rollout_ref.model.lora_rank=16",)
ACTOR = "actor_rollout_ref.actor"
MODEL = "actor_rollout_ref.model"
OFFLOAD = f"{ACTOR}.fsdp_config"


@pytest.fixture(scope="module")
def llama_8b(tmp_path_factory):
    """A folder with the config of Llama-3.1-8B and nothing else."""
    folder = tmp_path_factory.mktemp("llama_8b")
    transformers.LlamaConfig(
        vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, max_position_embeddings=131072, tie_word_embeddings=False,
        architectures=["LlamaForCausalLM"],
    ).save_pretrained(folder)  # fmt: skip
    return str(folder)


@pytest.fixture(scope="module")
def planned(llama_8b):
    """A function from overrides to the plan."""

    @cache
    def plan(*overrides, gpus=8, nodes=1, gib=80):
        config = compose("ppo_trainer", (*BASE, *overrides))
        set_hardware(config, gpus=gpus, nodes=nodes, model=llama_8b)
        return evaluate(config, gib * GIB)

    return plan


def part(plan, component, what):
    found = [part for part in plan.parts if (part.component, part.what) == (component, what)]
    assert len(found) == 1, [(p.component, p.what) for p in plan.parts]
    return found[0]


def failing(plan):
    return {check.what: check for check in plan.batches() if not check.ok}


P = 8_030_261_248


def test_an_actor_holds_float32_weights_and_two_adam_moments_in_every_phase(planned):
    plan = planned()
    assert part(plan, "actor", "parameters").bytes == 4 * P / 8
    assert part(plan, "actor", "optimiser states").bytes == 8 * P / 8
    assert part(plan, "actor", "gradients").bytes == 4 * P / 8
    assert part(plan, "actor", "optimiser states").phases == tuple(plan.phases)
    assert part(plan, "actor", "gradients").phases == ("update", "update step")


def test_more_ranks_hold_less_each(planned):
    one, two = planned(), planned(nodes=2)
    assert part(two, "actor", "optimiser states").bytes == part(one, "actor", "optimiser states").bytes / 2
    # Replicas of 8 GPUs do not cut further.
    hybrid = planned(f"{OFFLOAD}.fsdp_size=8", nodes=2)
    assert part(hybrid, "actor", "optimiser states").bytes == part(one, "actor", "optimiser states").bytes


def test_offloaded_states_are_on_the_gpu_only_while_they_are_used(planned):
    plan = planned(f"{OFFLOAD}.optimizer_offload=true", f"{OFFLOAD}.param_offload=true")
    assert part(plan, "actor", "optimiser states").phases == ("update", "update step")
    assert set(part(plan, "actor", "parameters").phases) == {"log-prob", "update", "update step"}
    assert plan.host == 8 * (4 * P / 8 + 8 * P / 8)
    both = part(planned(), "actor", "parameters").bytes + part(planned(), "actor", "optimiser states").bytes
    assert planned().phases["rollout"] - plan.phases["rollout"] == pytest.approx(both)


def test_the_host_optimiser_leaves_only_gathered_units_on_the_gpu(planned):
    plan = planned(f"{OFFLOAD}.offload_policy=true")
    for what in ("parameters", "optimiser states", "gradients"):
        assert part(plan, "actor", what).phases == ()


def test_gradients_that_wait_for_the_last_micro_batch_are_whole(planned):
    plan = planned(f"{OFFLOAD}.use_no_sync_for_gradient_accumulation=true")
    assert part(plan, "actor", "gradients between micro-batches").bytes == 4 * P
    assert plan.phases["update"] - planned().phases["update"] == pytest.approx(4 * P)


@pytest.mark.parametrize(
    ("overrides", "phases"),
    [
        ((), {"log-prob", "update", "update step"}),
        ((f"{ACTOR}.use_kl_loss=true",), {"log-prob", "update", "update step", "reference"}),
        (("algorithm.use_kl_in_reward=true",), {"log-prob", "update", "update step", "reference"}),
        (("algorithm.adv_estimator=gae",), {"log-prob", "update", "update step", "critic", "critic step"}),
        ((f"{ACTOR}.use_kl_loss=true", *LORA), {"log-prob", "update", "update step"}),
    ],
    ids=[
        "GRPO",
        "a KL loss has a reference",
        "a KL in the reward too",
        "PPO has a critic",
        "LoRA is its own reference",
    ],
)
def test_the_algorithm_decides_about_the_models(planned, overrides, phases):
    assert set(planned(*overrides).phases) == {"weight sync", "rollout"} | phases


def test_the_reference_is_in_the_hosts_memory(planned):
    reference = part(planned(f"{ACTOR}.use_kl_loss=true"), "ref", "parameters")
    assert reference.phases == ()
    assert reference.host == 4 * P / 8


def test_lora_trains_the_adapter_alone(planned):
    plan = planned(*LORA)
    adapter = plan.settings.actor.size.count(trainable=True)
    # 16 (inputs + outputs) of the seven linear layers of each of 32 layers.
    assert adapter == 32 * 16 * (2 * 8192 + 2 * (4096 + 1024) + 3 * (4096 + 14336))
    assert part(plan, "actor", "optimiser states").bytes == 8 * adapter / 8
    assert part(plan, "actor", "parameters").bytes == 4 * (P + adapter) / 8


def test_sleeping_vllm_frees_what_it_had(planned):
    assert part(planned(), "vLLM", "KV cache").phases == ("rollout",)
    awake = planned("actor_rollout_ref.rollout.free_cache_engine=false")
    assert part(awake, "vLLM", "KV cache").phases == tuple(awake.phases)
    assert awake.phases["update"] - planned().phases["update"] == pytest.approx(0.5 * 80 * GIB)


def test_vllm_fills_its_share_and_says_how_many_sequences_that_is(planned):
    plan = planned("actor_rollout_ref.rollout.tensor_model_parallel_size=2")
    weights, work = part(plan, "vLLM", "weights").bytes, part(plan, "vLLM", "working memory").bytes
    cache = part(plan, "vLLM", "KV cache").bytes
    assert weights == 2 * P / 2
    assert weights + work + cache == pytest.approx(0.5 * 80 * GIB)
    # 2 · 32 layers · 4 of 8 heads · 128 · 2 bytes = 65,536 bytes per token and GPU
    assert plan.kv_tokens == int(cache / 65_536)
    assert plan.sequences == pytest.approx(plan.kv_tokens / 4096)


def test_logits_take_two_bytes_where_verls_cross_entropy_is_in_place(planned):
    logits, layer = 16_384 * 128_256, 16_384 * 200_704  # numbers; bytes of a layer's activations
    assert part(planned(), "actor", "logits or a layer").bytes == 2 * logits
    assert part(planned(), "actor", "logits or a layer, no gradient").bytes == 2 * logits
    # A copy, and one for its gradient.
    warm = planned("actor_rollout_ref.rollout.temperature=0.8")
    assert part(warm, "actor", "logits or a layer").bytes == 3 * 2 * logits
    # The gradients of entropy and cross entropy, and a copy in float32.
    entropy = planned(f"{ACTOR}.calculate_entropy=true")
    assert part(entropy, "actor", "logits or a layer").bytes == (2 * 2 + 4) * logits
    padded = planned(f"{MODEL}.use_remove_padding=false")
    assert part(padded, "actor", "logits or a layer").bytes == 3 * 2 * logits
    # Fused kernels hold 512 rows of them: then a layer's activations are more.
    fused = planned(f"{MODEL}.use_fused_kernels=true", "actor_rollout_ref.rollout.temperature=0.8")
    assert part(fused, "actor", "logits or a layer").bytes == layer < 2 * logits


def test_the_first_rank_loads_the_whole_model_on_the_host(planned):
    assert planned().host_load == 4 * P
    # Two groups of shards on a node have two first ranks, and a group over two nodes has one.
    assert planned(f"{OFFLOAD}.fsdp_size=4").host_load == 2 * 4 * P
    assert planned(nodes=2).host_load == 4 * P
    assert planned(f"{OFFLOAD}.model_dtype=bf16").host_load == 2 * P


def test_vllm_that_would_not_start_is_said_with_the_length_that_lets_it(planned, llama_8b):
    """A cache of some 90,000 tokens: enough for many texts of 4,096 tokens, and for none of the model's 131,072."""
    tight = {"gib": 40, "gpus": 8}
    lean = ("actor_rollout_ref.actor.fsdp_config.optimizer_offload=true",
            "actor_rollout_ref.actor.fsdp_config.param_offload=true",
            "actor_rollout_ref.rollout.gpu_memory_utilization=0.3",
            f"{ACTOR}.ppo_max_token_len_per_gpu=4096")  # fmt: skip
    unset = planned(*lean, **tight)
    assert unset.settings.rollout.context == 131_072 > unset.kv_tokens > 4096
    assert not unset.starts
    assert not unset.fits
    wanted = "actor_rollout_ref.rollout.max_model_len=4096"
    needed = [change.overrides for change in advise(unset).changes if change.needed]
    assert needed == [(wanted,)]
    assert planned(*lean, wanted, **tight).fits
    said = command("ppo_trainer", *BASE, *lean, "--gpus", "8", "--gpu-memory", "40", "--model", llama_8b)
    assert said.exit_code == 1
    assert (
        "vLLM does not start: this cache cannot hold one text of max_model_len 131,072 (the model's own)" in said.output
    )
    # SGLang starts all the same.
    assert planned(*lean, "actor_rollout_ref.rollout.name=sglang", **tight).fits
    too_long = failing(planned("actor_rollout_ref.rollout.max_model_len=200000"))
    assert "200,000 ≤ max_position_embeddings 131,072" in too_long["max_model_len in the model's context"].arithmetic
    short = failing(planned("actor_rollout_ref.rollout.max_model_len=4000"))
    assert short["sequence in the model's context"].fix == wanted


def test_without_checkpointing_every_layer_keeps_its_activations(planned):
    kept = part(planned(), "actor", "kept activations").bytes
    assert kept == 16_384 * 32 * 4096 * 2
    everything = part(
        planned("actor_rollout_ref.model.enable_gradient_checkpointing=false"), "actor", "kept activations"
    )
    assert everything.bytes > 20 * kept


def test_a_recipe_whose_numbers_divide_has_no_complaints(planned):
    assert failing(planned()) == {}


@pytest.mark.parametrize(
    ("overrides", "gpus", "what", "arithmetic", "fix"),
    [
        (("actor_rollout_ref.rollout.tensor_model_parallel_size=4",), 6, "vLLM replicas",
         "6 / 4", "actor_rollout_ref.rollout.tensor_model_parallel_size=3"),
        ((f"{ACTOR}.ppo_mini_batch_size=30", "actor_rollout_ref.rollout.n=5"), 8, f"{ACTOR}: mini-batch by ranks",
         "150 / 8", f"{ACTOR}.ppo_mini_batch_size=32"),
        ((f"{ACTOR}.ppo_mini_batch_size=128",), 8, f"{ACTOR}: mini-batch in the batch",
         "128 ≤ train_batch_size 64", f"{ACTOR}.ppo_mini_batch_size=64"),
        ((f"{ACTOR}.ppo_max_token_len_per_gpu=4000",), 8, f"{ACTOR}: a sequence in a micro-batch",
         "4,096 ≤ ppo_max_token_len_per_gpu 4,000", f"{ACTOR}.ppo_max_token_len_per_gpu=4096"),
        (("data.max_response_length=131072",), 8, "sequence in the model's context",
         "132,096 ≤ 131,072", "data.max_response_length=130048"),
        ((f"{ACTOR}.use_dynamic_bsz=false", f"{ACTOR}.ppo_micro_batch_size_per_gpu=5",
          "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=8"), 8, f"{ACTOR}: ppo micro-batches",
         "32 / 5", f"{ACTOR}.ppo_micro_batch_size_per_gpu=4"),
        ((f"{ACTOR}.ulysses_sequence_parallel_size=3",), 6, f"{ACTOR}: heads by sequence parallel",
         "32 / 3", f"{ACTOR}.ulysses_sequence_parallel_size=2"),
        ((f"{ACTOR}.ulysses_sequence_parallel_size=2", f"{MODEL}.use_remove_padding=false"), 8,
         f"{ACTOR}: sequence parallel is for packed sequences", "False", f"{MODEL}.use_remove_padding=true"),
    ],
)  # fmt: skip
def test_what_does_not_divide_is_shown_with_its_fix(planned, overrides, gpus, what, arithmetic, fix):
    found = failing(planned(*overrides, gpus=gpus))
    assert what in found, found
    assert arithmetic in found[what].arithmetic
    assert found[what].fix == fix
    assert found[what].stops


def test_a_critics_budget_that_the_trainer_does_not_read_is_said(planned):
    critic = ("algorithm.adv_estimator=gae", "critic.strategy=fsdp2", "critic.ppo_max_token_len_per_gpu=4096")
    found = failing(planned(*critic))
    assert list(found) == ["critic: the budget that is read"]
    fix = found["critic: the budget that is read"].fix
    assert fix == "++critic.ppo_infer_max_token_len_per_gpu=4096"
    assert failing(planned(*critic, fix)) == {}


def test_following_every_fix_leaves_nothing_to_fix(planned):
    overrides = (f"{ACTOR}.use_dynamic_bsz=false", f"{ACTOR}.ppo_micro_batch_size_per_gpu=5",
                 "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=7")  # fmt: skip
    fixes = [check.fix for check in failing(planned(*overrides)).values()]
    assert len(fixes) == 2
    assert failing(planned(*overrides, *fixes)) == {}


def test_a_batch_that_verl_pads_is_a_waste_not_a_stop(planned):
    found = failing(planned(f"{ACTOR}.ppo_mini_batch_size=24"))
    assert list(found) == ["batch in mini-batches"]
    # 64·8 = 512 rows, mini-batches of 24·8 = 192: veRL fills up to 576.
    assert "veRL pads every batch by 64 rows" in found["batch in mini-batches"].fix
    assert not found["batch in mini-batches"].stops


def test_what_verl_itself_refuses_is_in_the_list(planned):
    found = failing(planned(f"{ACTOR}.loss_agg_mode=no-such-mode"))
    assert "no-such-mode" in found["veRL's validate_config"].arithmetic


def test_a_recipe_that_fits_needs_no_change(planned):
    plan = planned()
    assert plan.fits
    assert not any(change.needed for change in advise(plan).changes)


@pytest.mark.parametrize("gib", [24, 32])
def test_the_advised_changes_make_the_recipe_fit(planned, gib):
    plan = planned(f"{ACTOR}.use_kl_loss=true", gib=gib)
    assert not plan.fits
    advice = advise(plan)
    needed = [change for change in advice.changes if change.needed]
    assert advice.fits
    overrides = [override for change in needed for override in change.overrides]
    changed = planned(f"{ACTOR}.use_kl_loss=true", *overrides, gib=gib)
    assert changed.fits
    assert changed.peak == pytest.approx(advice.peak)
    # None of them is idle.
    for left_out in needed:
        others = [o for change in needed if change is not left_out for o in change.overrides]
        assert not planned(f"{ACTOR}.use_kl_loss=true", *others, gib=gib).fits


def test_a_saving_is_what_the_plan_says_with_that_change_alone(planned):
    plan = planned(gib=24)
    changes = [change for change in advise(plan).changes if "nnodes" not in change.overrides[0]]
    assert len(changes) > 5
    for change in changes:
        alone = planned(*change.overrides, gib=24)
        assert plan.phases[change.phase] - alone.phases[change.phase] == pytest.approx(change.saves)


def test_what_cannot_fit_is_not_promised(planned):
    advice = advise(planned(gpus=1, gib=8))
    assert not advice.fits


def test_a_scorer_that_shares_the_gpus_is_counted_and_one_on_its_own_gpus_is_named(planned, minilm):
    kwargs = "+reward.custom_reward_function.reward_kwargs"
    shared = planned(f"{kwargs}.model={minilm}", f"{kwargs}.serving={{place: ray, share_gpu: true}}")
    size = 22_713_216  # parameters of all-MiniLM-L6-v2
    assert shared.phases["update"] - planned().phases["update"] == pytest.approx(2 * 4 * size)
    known = planned(f"{kwargs}.model=BAAI/bge-m3", f"{kwargs}.serving={{place: ray, share_gpu: true}}")
    assert known.phases["update"] - planned().phases["update"] == pytest.approx(2 * 4 * 567_754_752)
    unknown = planned(f"{kwargs}.model=no/such-model", f"{kwargs}.serving={{place: ray, share_gpu: true}}")
    assert unknown.phases["update"] - planned().phases["update"] == pytest.approx(5 * GIB)
    apart = planned(f"{kwargs}.model={minilm}", f"{kwargs}.serving={{place: ray, num_gpus: 1, replicas: 2}}")
    assert apart.phases == planned().phases
    assert [scorer.own_gpus for scorer in apart.scorers] == [2]
    served = planned("reward.reward_model.enable=true", "reward.reward_model.enable_resource_pool=true",
                     "reward.reward_model.nnodes=1", "reward.reward_model.n_gpus_per_node=4")  # fmt: skip
    assert served.phases == planned().phases
    assert [scorer.own_gpus for scorer in served.scorers] == [4]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"{ACTOR}.strategy=megatron", "the plan knows fsdp and fsdp2"),
        (f"{OFFLOAD}.model_dtype=fp12", r"model_dtype='fp12' is no dtype"),
        ("data.train_batch_size=???", "data.train_batch_size"),
        ("+profile=cpu", "there is no GPU to plan for"),
        (f"{ACTOR}.optim.optimizer=Muon", "knows AdamW"),
    ],
)
def test_what_the_plan_does_not_know_is_an_error(planned, override, message):
    with pytest.raises(ConfigError, match=message):
        planned(override)


def command(*arguments):
    return CliRunner().invoke(app, ["plan", *arguments])


def test_the_command_says_0_1_or_2(llama_8b):
    common = ("ppo_trainer", *BASE, "--gpus", "8", "--model", llama_8b)
    fits = command(*common, "--explain")
    assert fits.exit_code == 0, fits.output
    assert "8,030,261,248 parameters" in fits.output
    assert "m·P/N = 4 · 8,030,261,248 / 8" in fits.output
    small = command(*common, "--gpu-memory", "24")
    assert small.exit_code == 1
    assert "does not fit" in small.output
    assert "actor_rollout_ref.actor.fsdp_config." in small.output
    undivided = command(*common, "actor_rollout_ref.rollout.tensor_model_parallel_size=3")
    assert undivided.exit_code == 1
    assert command("no_such_recipe").exit_code == 2


def test_json_holds_what_the_tables_show(llama_8b):
    done = command("ppo_trainer", *BASE, "--gpus", "8", "--model", llama_8b, "--json")
    found = json.loads(done.stdout)
    assert found["fits"] is True
    assert found["models"][0]["parameters"] == P
    summed = sum(part["bytes"] for part in found["parts"] if "update" in part["phases"])
    assert found["phases"]["update"] == pytest.approx(summed)


def test_a_file_of_ones_own_wins_over_a_recipe(llama_8b, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(
        "defaults: [ppo_trainer, _self_]\n"
        "actor_rollout_ref: {rollout: {name: vllm, n: 4}}\n"
        "trainer: {n_gpus_per_node: 4}\n"
    )
    for name in ("mine", "mine.yaml", str(tmp_path / "mine.yaml")):
        config = compose(name, ["data.train_batch_size=8"])
        assert (config.actor_rollout_ref.rollout.n, config.trainer.n_gpus_per_node) == (4, 4)


def test_numbers_that_nothing_can_be_calculated_with_are_all_said_at_once():
    senseless = {
        "data.train_batch_size": "null", "data.max_response_length": "-1", "data.max_prompt_length": "1.5",
        "actor_rollout_ref.rollout.n": "0", "actor_rollout_ref.rollout.tensor_model_parallel_size": "0",
        f"{ACTOR}.ppo_mini_batch_size": "abc", f"{ACTOR}.ulysses_sequence_parallel_size": "0",
        f"{ACTOR}.ppo_max_token_len_per_gpu": "0", "actor_rollout_ref.rollout.gpu_memory_utilization": "7",
        f"{ACTOR}.fsdp_config.param_offload": "maybe", f"{ACTOR}.optim.lr": "nan",
    }  # fmt: skip
    overrides = [f"{name}={value}" for name, value in senseless.items()]
    flags = ["--gpus", "0", "--nodes=-1", "--gpu-memory", "nan"]
    result = CliRunner().invoke(app, ["plan", "ppo_trainer", *overrides, *flags])
    assert result.exit_code == 2
    for name in ("--gpus=0", "--nodes=-1", "--gpu-memory=nan", *senseless):
        assert name in result.stderr, name
