"""Every recipe on veRL's own config tree: it composes, each key is one of veRL's, and veRL's own checks pass.

The runs are in `test_recipes_runs.py`.
"""

import functools
import importlib.util
import inspect

import pytest

pytest.importorskip("verl", reason="needs veRL's own config tree")

from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

import pbrlsvr
from pbrlsvr_plugin.verl import recipe_files
from pbrlsvr_plugin.verl.recipe_files import packaged

RECIPES = packaged()
RL = [recipe.name for recipe in RECIPES if recipe.trainer == "ppo_trainer"]
SFT = [recipe.name for recipe in RECIPES if recipe.trainer == "sft_trainer_engine"]
FILES = sorted(recipe_files.folder().glob("*.yaml"))

# Keys that veRL's trees do not have, and who reads them.
ELSEWHERE = (
    "hydra.",
    "reward.custom_reward_function.reward_kwargs.",  # the reward; pbrlsvr_plugin.verl.reward_option has checked them
    "actor_rollout_ref.rollout.agent.agent_loop_manager_class",  # veRL's AgentLoopConfig
    "algorithm.gdpo_reward_keys",  # veRL's AlgoConfig
    "reward.reward_kwargs.",  # veRL's DAPO reward manager
    "critic.ppo_infer_max_token_len_per_gpu",  # veRL's CriticConfig; see test_recipes_engines.py
    "trainer.v1.sampler.sampler_kwargs.",  # pbrlsvr_plugin.verl.strict_run
    "data.apply_chat_template_kwargs.",  # the tokenizer
    "data.pivot_response",  # pbrlsvr_plugin.verl.sft_data
)
#: 8 for each of Llama-3.1-8B, Qwen3-1.7B, 8B and 32B; vLLM splits them over a replica's GPUs. From their cards.
KV_HEADS = 8


@functools.cache
def composed(name, *overrides):
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose(name, overrides=list(overrides))


def stale(fields, tree, place=""):
    """The fields that a tree does not have, as dotted names."""
    for key, value in fields.items():
        here = f"{place}{key}"
        if f"{here}.".startswith(ELSEWHERE) or here in ELSEWHERE:
            continue
        if not isinstance(tree, dict) or key not in tree:
            yield here
        elif isinstance(value, dict) and isinstance(tree[key], dict):
            yield from stale(value, tree[key], f"{here}.")


@pytest.fixture(scope="module")
def trees():
    return {name: OmegaConf.to_container(composed(name), resolve=False) for name in recipe_files.TRAINERS}


def body(text):
    fields = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    fields.pop("defaults", None)
    return fields


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_key_of_a_recipe_is_one_of_verls(path, trees):
    """Hydra merges a file's unknown keys without a word; it checks the command line only."""
    tree = trees["sft_trainer_engine" if path.stem.endswith("_sft") else "ppo_trainer"]
    assert not list(stale(body(path.read_text()), tree))


def test_a_stale_key_is_found(trees):
    text = "actor_rollout_ref: {actor: {ppo_mini_batchsize: 8}}\ntrainer: {v2: {mode: sync}}\ndata: {seed: 1}"
    found = list(stale(body(text), trees["ppo_trainer"]))
    assert found == ["actor_rollout_ref.actor.ppo_mini_batchsize", "trainer.v2"]


@pytest.mark.parametrize("name", RL)
def test_verl_accepts_the_recipe(name, tiny_policy):
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import omega_conf_to_dataclass, validate_config

    overrides = [f"actor_rollout_ref.model.path={tiny_policy}/model"]
    if importlib.util.find_spec("vllm") is None:
        # veRL asks vLLM itself whether it knows the LoRA's rank.
        overrides.append("actor_rollout_ref.rollout.name=hf")
    config = composed(name, *overrides)
    validate_config(config, need_reference_policy(config), need_critic(config))
    for block in (config.actor_rollout_ref.rollout, config.actor_rollout_ref.model, config.algorithm):
        omega_conf_to_dataclass(block)
    assert need_critic(config) == ("_ppo_" in name)
    # These three have no KL term, as their papers.
    assert need_reference_policy(config) != any(f"_{algorithm}_" in name for algorithm in ("dapo", "gspo", "drgrpo"))


@pytest.mark.parametrize("name", SFT)
def test_verls_sft_trainer_accepts_the_recipe(name, tiny_policy):
    from verl.utils.config import omega_conf_to_dataclass

    config = composed(name, f"model.path={tiny_policy}/model")
    for block in (config.model, config.engine, config.optim, config.checkpoint):
        omega_conf_to_dataclass(block)
    assert config.data.train_batch_size % (config.trainer.nnodes * config.trainer.n_gpus_per_node) == 0
    assert config.data.max_token_len_per_gpu >= config.data.max_length


@pytest.mark.parametrize("name", RL)
def test_the_batches_divide_and_the_longest_sequence_fits(name):
    config = composed(name)
    rollout, actor = config.actor_rollout_ref.rollout, config.actor_rollout_ref.actor
    gpus = config.trainer.nnodes * config.trainer.n_gpus_per_node
    assert gpus % rollout.tensor_model_parallel_size == 0
    assert KV_HEADS % rollout.tensor_model_parallel_size == 0
    assert rollout.tensor_model_parallel_size <= config.trainer.n_gpus_per_node
    assert config.data.train_batch_size % actor.ppo_mini_batch_size == 0
    assert actor.ppo_mini_batch_size * rollout.n % gpus == 0
    longest = config.data.max_prompt_length + config.data.max_response_length
    assert actor.ppo_max_token_len_per_gpu * actor.ulysses_sequence_parallel_size >= longest
    assert KV_HEADS % actor.ulysses_sequence_parallel_size == 0


@pytest.mark.parametrize("name", RL)
def test_the_recipe_trains_on_the_reward_that_it_names(name):
    from verl.trainer.ppo.reward import get_custom_reward_fn

    rewards = {"hybrid": "hybrid", "embed": "embed_cosine", "comet": "comet_score", "mt": "mt_embed_cosine"}
    wanted = {**rewards, "exact": "exact_answer"}[name.rpartition("_")[2]]
    config = composed(name)
    function = get_custom_reward_fn(config)
    assert inspect.iscoroutinefunction(function)
    assert function.args[0] is getattr(pbrlsvr, wanted)
    assert config.reward_fn == f"pbrlsvr.{wanted}"


@pytest.mark.parametrize("name", RL)
def test_large_models_recipes_compare_long_texts_whole(name):
    """multilingual-e5-small takes 512 tokens: it is for the recipes that start on a laptop's GPU."""
    models = [model for model in rewards_models(composed(name)) if model and ("e5" in model or "bge" in model)]
    wanted = "intfloat/multilingual-e5-small" if "lora" in name else "BAAI/bge-m3"
    assert not models or models == [wanted]


@pytest.mark.parametrize("name", RL)
def test_validation_is_repeated_where_it_is_sampled(name):
    sampled = composed(name).actor_rollout_ref.rollout.val_kwargs
    assert sampled.n == (4 if sampled.do_sample else 1)


@pytest.mark.parametrize("name", RL)
def test_a_groups_constant_is_looked_for_in_acc(name):
    groups = composed(name).algorithm.filter_groups
    assert groups.enable == ("_dapo_" in name)
    assert groups.metric == "acc" or not groups.enable
    assert composed(name).trainer.v1.sampler.sampler_kwargs.filter_groups == groups


@pytest.mark.parametrize("name", RL)
def test_a_failure_ends_each_recipes_run(name):
    config = composed(name)
    assert config.trainer.v1.sampler.custom_sampler.name == "StrictReplayBuffer"
    assert config.actor_rollout_ref.rollout.agent.agent_loop_manager_class.endswith(".StrictAgentLoopManager")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipes_header_says_what_it_needs_and_how_to_launch_it(recipe):
    header = "\n".join(recipe.header)
    for part in ("Hardware: ", "Hours: ", "estimate", "Download:\n  hf download ", "which is\n"):
        assert part in header
    module = recipe_files.TRAINERS[recipe.trainer]
    assert f"pbrlsvr train {recipe.name} data.train_files=" in header
    assert f"-m {module} --config-name {recipe.name} " in header
    config = composed(recipe.name)
    assert config.trainer.experiment_name == recipe.name
    model = config.actor_rollout_ref.model.path if recipe.name in RL else config.model.path
    assert f"hf download {model}" in header
    for scorer in ("wmt22-comet-da", "multilingual-e5-small", "bge-m3", "m2m100_418M", "all-MiniLM-L6-v2"):
        assert (scorer in header) == (scorer in str(rewards_models(config)))


def rewards_models(config):
    """The models that the recipe's reward loads."""
    options = OmegaConf.select(config, "reward.custom_reward_function.reward_kwargs") or {}
    blocks = {name: block.model for name, block in options.items() if OmegaConf.is_dict(block) and "model" in block}
    if config.get("reward_fn") == "pbrlsvr.hybrid":
        blocks.pop("translation")
    return [options.get("model"), *blocks.values()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_has_a_comment_above_it_and_none_beside_it(path):
    """veRL's own rule for its configuration; what only leads to a field needs none."""
    lines = path.read_text().splitlines()
    fields = lines[next((i for i, line in enumerate(lines) if line.startswith("  - _self_")), -1) + 1 :]
    for number, line in enumerate(fields):
        field = line.strip()
        if field and not field.startswith("#") and not field.endswith(":"):
            assert " #" not in field.partition('"')[0], f"{path.name} has a comment beside {field!r}"
            assert fields[number - 1].strip().startswith("#"), f"{path.name} has no comment above {field!r}"
