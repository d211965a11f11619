"""`reward_fn: pbrlsvr.<name>` in each way that a user would write it, on veRL's own config tree and loader."""

import inspect
import os
from pathlib import Path

import forks
import pytest

verl = pytest.importorskip("verl", reason="needs veRL's own config tree")

from hydra import compose, initialize_config_dir, initialize_config_module  # noqa: E402
from hydra.errors import ConfigCompositionException, MissingConfigException  # noqa: E402
from omegaconf import OmegaConf  # noqa: E402

import pbrlsvr  # noqa: E402
import pbrlsvr_plugin.config  # noqa: E402
from pbrlsvr_plugin.verl.reward_option import apply_choice, reward_options  # noqa: E402

TREE = "verl.trainer.config"
CONFIG = Path(pbrlsvr_plugin.config.__file__).parent / "reward_fn"


def on_command_line(*overrides):
    with initialize_config_module(TREE, version_base=None):
        return compose("ppo_trainer", overrides=list(overrides))


@pytest.fixture
def own_config(tmp_path):
    """A function that composes a user's own YAML on veRL's tree."""

    def composed(text, *overrides):
        (tmp_path / "mine.yaml").write_text(text)
        with initialize_config_dir(str(tmp_path), version_base=None):
            return compose("mine", overrides=[f"hydra.searchpath=[pkg://{TREE}]", *overrides])

    return composed


DEFAULTS = "defaults: [ppo_trainer, {reward_fn: pbrlsvr.embed_cosine}, _self_]\n"
BODY = "defaults: [ppo_trainer, _self_]\nreward_fn: pbrlsvr.embed_cosine\n"
BEFORE = "defaults: [{reward_fn: pbrlsvr.embed_cosine}, ppo_trainer, _self_]\n"


def reward_of(config):
    """What veRL itself will call for each sample."""
    from verl.trainer.ppo.reward import get_custom_reward_fn

    return get_custom_reward_fn(config)


@pytest.mark.parametrize("text", [DEFAULTS, BODY, BEFORE], ids=["defaults", "body", "before-ppo_trainer"])
def test_every_way_to_write_it_in_a_config_gives_the_same_reward(text, own_config):
    config = own_config(text)
    assert config.reward == on_command_line("+reward_fn=pbrlsvr.embed_cosine").reward
    function = reward_of(config)
    assert inspect.iscoroutinefunction(function)
    assert function.args[0] is pbrlsvr.embed_cosine


@pytest.mark.parametrize("text", [DEFAULTS, BODY])
def test_options_of_the_reward_can_be_set_in_the_users_own_config(text, own_config):
    config = own_config(text + "reward: {custom_reward_function: {reward_kwargs: {embedding: {model: /my/encoder}}}}\n")
    assert config.reward.custom_reward_function.reward_kwargs.embedding.model == "/my/encoder"
    assert config.reward.custom_reward_function.reward_kwargs.serving.dtype == "float32"


@pytest.mark.parametrize("text", [DEFAULTS, BODY])
def test_the_number_of_workers_is_verls_or_the_users(text, own_config):
    assert own_config(text).reward.num_workers == own_config("defaults: [ppo_trainer]\n").reward.num_workers
    assert own_config(text + "reward: {num_workers: 3}\n").reward.num_workers == 3


def test_options_of_the_reward_can_be_set_on_the_command_line():
    config = on_command_line(
        "+reward_fn=pbrlsvr.embed_cosine", "reward.custom_reward_function.reward_kwargs.embedding.model=/my/encoder"
    )
    assert config.reward.custom_reward_function.reward_kwargs.embedding.model == "/my/encoder"


def test_options_that_no_file_shows_are_set_as_the_others_are():
    kwargs = "reward.custom_reward_function.reward_kwargs"
    chosen = ["+reward_fn=pbrlsvr.hybrid", f"{kwargs}.comet.serving.place=local", f"{kwargs}.guards.length.max=3"]
    set_options = on_command_line(*chosen, f"{kwargs}.serving.endpoint.retries=2").reward.custom_reward_function
    assert set_options.reward_kwargs.comet.serving == {"place": "local"}
    assert set_options.reward_kwargs.guards == {"repetition": True, "length": {"max": 3}}
    assert set_options.reward_kwargs.serving.endpoint.retries == 2
    with pytest.raises(ConfigCompositionException, match=r"lenght=.*no such option. Did you mean 'length'"):
        on_command_line("+reward_fn=pbrlsvr.hybrid", f"{kwargs}.guards.lenght.max=3")


@pytest.mark.parametrize("others", [[], ["reward.custom_reward_function.path=/x.py"], ["+reward.x=1"]])
def test_a_reward_of_somebody_else_keeps_hydras_rules(others):
    with pytest.raises(ConfigCompositionException, match="To append to your config use"):
        on_command_line(*others, "reward.custom_reward_function.reward_kwargs.max=3")


def test_the_command_line_swaps_a_choice_in_the_defaults_list(own_config):
    with pytest.raises((MissingConfigException, ConfigCompositionException), match=r"pbrlsvr\.embed_cosine"):
        own_config(DEFAULTS, "reward_fn=pbrlsvr.nope")


def test_an_unknown_name_on_the_command_line_lists_the_choices():
    with pytest.raises(MissingConfigException, match=r"pbrlsvr\.embed_cosine"):
        on_command_line("+reward_fn=pbrlsvr.embed_cosin")


@pytest.mark.parametrize("value", ["pbrlsvr.embed_cosin", "embed_cosine", "3", "[pbrlsvr.embed_cosine]"])
def test_an_unknown_name_in_the_body_stops_with_the_choices(value, own_config):
    with pytest.raises(ConfigCompositionException, match=r"is not a reward\..*pbrlsvr\.embed_cosine"):
        own_config(f"defaults: [ppo_trainer, _self_]\nreward_fn: {value}\n")


def test_a_choice_that_contradicts_another_reward_function_stops(own_config):
    with pytest.raises(ConfigCompositionException, match=r"contradicts .*path='mine\.py'"):
        own_config(BODY, "reward.custom_reward_function.path=mine.py")


def test_an_unknown_option_of_the_reward_stops_with_a_suggestion():
    with pytest.raises(
        ConfigCompositionException, match=r"reward_kwargs\.embedding\.modle='/my/encoder'.*Did you mean 'model'"
    ):
        on_command_line(
            "+reward_fn=pbrlsvr.embed_cosine",
            "+reward.custom_reward_function.reward_kwargs.embedding.modle=/my/encoder",
        )


def test_an_option_that_has_moved_stops_with_its_new_name():
    kwargs = "+reward.custom_reward_function.reward_kwargs"
    with pytest.raises(ConfigCompositionException, match=r"(?s)write embedding\.model.*write serving\.device"):
        on_command_line("+reward_fn=pbrlsvr.embed_cosine", f"{kwargs}.model=/my/encoder", f"{kwargs}.device=cpu")


def test_a_models_own_serving_says_what_differs_from_the_rewards():
    kwargs = "reward.custom_reward_function.reward_kwargs"
    config = on_command_line(
        "+reward_fn=pbrlsvr.hybrid", f"{kwargs}.serving.share_gpu=true", f"+{kwargs}.embedding.serving.replicas=2"
    )
    options = OmegaConf.to_container(config.reward.custom_reward_function.reward_kwargs)
    reward = pbrlsvr.hybrid.reward.of(options)
    place = reward.place(reward.embedding)
    assert (place.share_gpu, place.replicas) == (True, 2)
    assert (reward.place(reward.comet).share_gpu, reward.place(reward.comet).replicas) == (True, 1)


@pytest.mark.parametrize(
    "overrides",
    [
        ["+reward.reward_fn=pbrlsvr.embed_cosine"],
        ["+actor_rollout_ref.reward_fn=pbrlsvr.embed_cosine"],
        ["reward.custom_reward_function.name=pbrlsvr.embed_cosine"],
        ["custom_reward_function.path=pkg://pbrlsvr", "custom_reward_function.name=embed_cosine"],
    ],
)
def test_a_choice_written_where_nothing_reads_it_stops(overrides):
    with pytest.raises(ConfigCompositionException, match="`reward_fn: pbrlsvr"):
        on_command_line(*overrides)


def test_a_config_without_our_reward_is_left_alone(own_config):
    plain = own_config("defaults: [ppo_trainer, _self_]\n")
    assert plain.reward.custom_reward_function == {"path": None, "name": "compute_score"}
    theirs = own_config(
        "defaults: [ppo_trainer, _self_]\nreward_fn: theirs\n", "reward.custom_reward_function.path=theirs.py"
    )
    assert theirs.reward.custom_reward_function.path == "theirs.py"


def test_a_config_of_another_application_is_left_alone():
    other = OmegaConf.create({"reward_fn": "pbrlsvr.nope", "reward": 3})
    apply_choice(other)
    assert other == {"reward_fn": "pbrlsvr.nope", "reward": 3}


@pytest.mark.parametrize("name", reward_options())
def test_every_option_names_a_public_reward_with_its_defaults(name):
    config = on_command_line(f"+reward_fn={name}")
    function = reward_of(config).args[0]
    assert function is getattr(pbrlsvr, name.removeprefix("pbrlsvr."))
    documented = OmegaConf.to_container(config.reward.custom_reward_function.reward_kwargs)
    assert set(documented) == set(function.reward.model_fields)
    assert function.reward.of(documented) == function.reward()


@pytest.mark.parametrize("path", sorted(CONFIG.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_field_of_an_option_file_has_a_comment_above_it_and_none_beside_it(path):
    """veRL's own rule for its configuration; what only leads to a field needs none."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    for number, field in enumerate(lines):
        if field and not field.startswith("#") and field not in ("reward:", "custom_reward_function:"):
            assert " #" not in field, f"{path.name}:{number + 1} has a comment beside the field"
            assert lines[number - 1].startswith("#"), f"{path.name}:{number + 1} has no comment above it"


def test_a_value_that_cannot_work_stops_composition():
    with pytest.raises(ConfigCompositionException, match=r"mode='gat' must be one of 'gate', 'penalty', 'off'"):
        on_command_line(
            "+reward_fn=pbrlsvr.embed_cosine",
            "reward.custom_reward_function.reward_kwargs.language.reasoning.mode=gat",
        )


def test_every_public_reward_is_an_option():
    assert reward_options() == sorted(f"pbrlsvr.{name}" for name in pbrlsvr.REWARD_FUNCTIONS)


@pytest.mark.parametrize("plugins", ["auto", "none"])
def test_the_unmodified_trainer_settles_a_plain_body_value(plugins, tmp_path):
    """Also where veRL is told to load no plug-ins: Hydra finds the check by itself."""
    (tmp_path / "mine.yaml").write_text(BODY)
    command = ["-m", "verl.trainer.main_ppo", "--config-dir", str(tmp_path), "--config-name", "mine"]
    result = forks.run(
        *command, "--cfg", "job", "--package", "reward.custom_reward_function", cwd=tmp_path,
        env={**os.environ, "VERL_USE_EXTERNAL_PLUGINS": plugins},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "path: pkg://pbrlsvr\nname: embed_cosine\n" in result.stdout


@pytest.mark.parametrize("name", reward_options())
def test_every_reward_can_be_chosen_in_the_body(name, own_config):
    config = own_config(f"defaults: [ppo_trainer, _self_]\nreward_fn: {name}\n")
    assert config.reward == on_command_line(f"+reward_fn={name}").reward


OWN = Path(__file__).parents[3] / "examples" / "own_reward.py"


def test_a_reward_of_the_users_own_is_chosen_and_checked_as_ours_are(own_config):
    body = f"defaults: [ppo_trainer, _self_]\nreward_fn: {OWN}:conclusion_cosine\n"
    config = own_config(body + "reward: {custom_reward_function: {reward_kwargs: {embedding: {model: m}}}}\n")
    function = reward_of(config)
    assert function.args[0].__name__ == "conclusion_cosine"
    assert function.keywords or function.args[1]  # the options go along
    with pytest.raises(ConfigCompositionException, match=r"embedding\.modle='m'.*Did you mean 'model'"):
        own_config(body + "reward: {custom_reward_function: {reward_kwargs: {embedding: {modle: m}}}}\n")


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        (f"{OWN}:nothing", "is no reward made with"),
        ("nowhere.py:reward", "cannot be imported"),
        ("no.such.module:reward", "cannot be imported"),
    ],
)
def test_a_reward_of_the_users_own_that_is_not_there_stops(chosen, reason, own_config):
    with pytest.raises(ConfigCompositionException, match=reason):
        own_config(f"defaults: [ppo_trainer, _self_]\nreward_fn: {chosen}\n")


def test_the_generated_files_are_those_of_the_option_classes():
    from pbrlsvr_plugin.config.generate import files

    stale = [path.name for path, text in files().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"run `make config`: {stale}"


def test_the_hybrid_has_few_enough_options_to_read():
    def leaves(node):
        return sum(map(leaves, node.values())) if isinstance(node, dict) and node else 1

    options = on_command_line("+reward_fn=pbrlsvr.hybrid").reward.custom_reward_function.reward_kwargs
    assert leaves(OmegaConf.to_container(options)) < 60


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "trainer: {v1: {sampler: {custom_sampler: {path: 'pkg://pbrlsvr_plugin.sampler', name: X}}}}",
            r"sampler\.path: 'pkg://pbrlsvr_plugin\.sampler' has moved; write 'pkg://pbrlsvr_plugin\.verl\.strict_run'",
        ),
        (
            "actor_rollout_ref: {rollout: {agent: {agent_loop_manager_class: pbrlsvr_plugin.agent_loop.Manager}}}",
            r"write 'pbrlsvr_plugin\.verl\.strict_run\.Manager'",
        ),
        (
            "data: {custom_cls: {path: pkg://pbrlsvr_plugin/sft_dataset, name: X}}",
            r"write 'pkg://pbrlsvr_plugin\.verl\.sft_data'",
        ),
        (
            "hydra: {callbacks: {paths: {_target_: pbrlsvr_plugin.required.RequirePaths}}}",
            r"write 'pbrlsvr_plugin\.verl\.required\.RequirePaths'",
        ),
        (
            "data: {custom_cls: {path: pkg://pbrlsvr_plugin.verl.nope}}",
            r"there is no module 'pbrlsvr_plugin\.verl\.nope'",
        ),
        ("data: {custom_cls: {path: pkg://pbrlsvr_plugin.no.pe}}", r"there is no module 'pbrlsvr_plugin\.no\.pe'"),
    ],
)
@pytest.mark.parametrize("base", ["ppo_trainer", "sft_trainer_engine"])
def test_a_module_of_ours_that_is_not_there_stops_with_its_new_name(base, text, reason, own_config):
    with pytest.raises(ConfigCompositionException, match=reason):
        own_config(f"defaults: [{base}, _self_]\n{text}\n")


@pytest.mark.parametrize("profile", ["cpu", "cpu_sft"])
def test_a_profile_written_as_a_plain_value_stops(profile, own_config):
    with pytest.raises(ConfigCompositionException, match=rf"on the command line, as \+profile={profile}"):
        own_config(f"defaults: [ppo_trainer, _self_]\nprofile: {profile}\n")


SERVED = "reward: {reward_model: {enable: true, model_path: m, rollout: {name: vllm}%s}}\n"


def test_a_served_reward_model_without_gpus_of_its_own_stops(own_config):
    """veRL's V1 trainer asks it after generation, and hands the reward only prompts, responses and raw_prompt."""
    for body in (DEFAULTS, BODY, f"defaults: [ppo_trainer, _self_]\nreward_fn: {OWN}:conclusion_cosine\n"):
        with pytest.raises(ConfigCompositionException, match=r"KeyError: 'data_source'.*enable_resource_pool=true"):
            own_config(body + SERVED % "")
    # A recipe of ours with a function of the user's: veRL's reward manager itself reads data_source.
    with pytest.raises(ConfigCompositionException, match="enable_resource_pool=true"):
        own_config(
            "defaults: [_common, _grpo, _self_]\n" + SERVED % "", "hydra.searchpath=[pkg://pbrlsvr_plugin.recipes,pkg://"
            f"{TREE}]", "reward.custom_reward_function.path=mine.py",
        )  # fmt: skip
    by_hand = "defaults: [ppo_trainer, _self_]\n" + (SERVED % "").replace(
        "reward: {", "reward: {custom_reward_function: {path: 'pkg://pbrlsvr', name: embed_cosine}, "
    )
    with pytest.raises(ConfigCompositionException, match="enable_resource_pool=true"):
        own_config(by_hand)


def test_a_served_reward_model_with_gpus_of_its_own_needs_their_number(own_config):
    with pytest.raises(ConfigCompositionException, match=r"reward_model\.nnodes=0 with enable_resource_pool=true"):
        own_config(DEFAULTS + SERVED % ", enable_resource_pool: true")
    config = own_config(DEFAULTS + SERVED % ", enable_resource_pool: true, nnodes: 1, n_gpus_per_node: 1")
    assert config.reward.reward_model.enable_resource_pool


def test_verls_own_and_other_rewards_may_use_a_served_model_as_they_like(own_config):
    assert own_config("defaults: [ppo_trainer, _self_]\n" + SERVED % "").reward.reward_model.enable
    # The legacy trainer passes the whole batch on.
    assert own_config(DEFAULTS + SERVED % "", "trainer.use_v1=false").reward.reward_model.enable


SCHEDULE = "reward.custom_reward_function.reward_kwargs.combine.schedule={steps: 9, floor: 0.1}"
WORKERS = "actor_rollout_ref.rollout.agent.agent_loop_manager_class"


@pytest.mark.parametrize("overrides", [[], ["trainer.use_v1=false", f"+{WORKERS}=pbrlsvr_plugin.verl.strict_run.X"]])
def test_a_schedule_that_would_learn_no_step_stops_before_training(overrides):
    with pytest.raises(Exception, match=r"combine\.schedule is set.*agent_loop_manager_class=pbrlsvr_plugin"):
        on_command_line("+reward_fn=pbrlsvr.embed_cosine", SCHEDULE, *overrides)


def test_a_schedule_is_set_without_a_plus_where_its_step_arrives():
    manager = f"+{WORKERS}=pbrlsvr_plugin.verl.strict_run.StrictAgentLoopManager"
    config = on_command_line("+reward_fn=pbrlsvr.embed_cosine", SCHEDULE, manager)
    assert config.reward.custom_reward_function.reward_kwargs.combine.schedule == {"steps": 9, "floor": 0.1}
