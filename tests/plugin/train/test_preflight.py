"""What `pbrlsvr train` says in seconds, before veRL starts and also under --dry-run."""

import re
import subprocess
import sys

import forks
import pandas
import pytest

pytest.importorskip("verl", reason="needs veRL's own config tree")

from typer.testing import CliRunner

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr_plugin.cli import app
from pbrlsvr_plugin.train.command import compose
from pbrlsvr_plugin.train.preflight import preflight
from pbrlsvr_plugin.verl import recipe_files, rows
from pbrlsvr_plugin.verl.recipe_files import packaged

RECIPE = "llama3.1_8b_grpo_embed"


def train(*arguments):
    return CliRunner().invoke(app, ["train", RECIPE, "--dry-run", *map(str, arguments)])


@pytest.fixture
def data(tmp_path):
    """A function that writes rows, and returns the overrides that name them."""

    def written(rows, reference="One more apple.", language="sw"):
        for split, start in (("train", 0), ("val", 10_000)):
            pandas.DataFrame(
                {
                    "data_source": "toy/sw",
                    "prompt": [{"role": "user", "content": f"{start + i}+1="}],
                    "reward_model": {"ground_truth": str(start + i + 1)},
                    "extra_info": {
                        "language": language if i else "sw",
                        "pivot_reasoning": reference if i else "One.",
                        "pivot_answer": "1",
                    },
                }
                for i in range(rows)
            ).to_parquet(tmp_path / f"{split}.parquet")
        return [f"data.{split}_files={tmp_path}/{split}.parquet" for split in ("train", "val")]

    return written


def test_rows_that_fill_no_batch_stop_with_the_numbers(data):
    result = train(*data(20))
    assert result.exit_code == 2
    assert "data.train_files has 20 rows, fewer than data.train_batch_size=512" in result.stderr


def test_more_steps_than_the_rows_make_are_said_with_the_epochs_that_make_them(data):
    small = ("data.train_batch_size=8", "actor_rollout_ref.actor.ppo_mini_batch_size=8")
    result = train(*data(20), *small, "trainer.total_training_steps=9")
    assert result.exit_code == 0, result.stderr
    assert "20 rows // 8 of a batch x 2 epochs = 4 steps" in result.stderr
    assert "Set trainer.total_epochs=5" in result.stderr
    assert train(*data(20), *small, "trainer.total_training_steps=4").stderr == ""


def recipe_on(tiny_policy, *overrides):
    return (f"actor_rollout_ref.model.path={tiny_policy}/model", "data.train_batch_size=8",
            "actor_rollout_ref.actor.ppo_mini_batch_size=8", *overrides)  # fmt: skip


def test_prompts_that_verl_leaves_out_are_counted_by_the_policys_own_tokenizer(data, tiny_policy):
    """20 prompts "0+1=" to "19+1="; as many are left out as veRL's own data set leaves out."""
    from verl.trainer.ppo.utils import create_rl_dataset
    from verl.utils import hf_tokenizer

    tokenizer = hf_tokenizer(f"{tiny_policy}/model")
    lengths = sorted(
        len(tokenizer.apply_chat_template([{"role": "user", "content": f"{i}+1="}], add_generation_prompt=True,
                                          tokenize=True, return_dict=False))
        for i in range(20)
    )  # fmt: skip
    limit = lengths[9]
    assert lengths[0] <= limit < lengths[-1]
    overrides = recipe_on(tiny_policy, f"data.max_prompt_length={limit}", "data.filter_overlong_prompts_workers=1")
    config = compose(next(one for one in packaged() if one.name == RECIPE), [*data(20), *overrides])
    left = len(create_rl_dataset(config.data.train_files, config.data, tokenizer, None, max_samples=-1))
    result = train(*config_paths(config), *overrides, "data.val_files=" + str(config.data.train_files))
    assert result.exit_code == 0, result.stderr
    assert (
        f"data.train_files: {20 - left} of 20 prompts are longer than data.max_prompt_length={limit}" in result.stderr
    )
    result = train(*config_paths(config), *overrides, "data.train_batch_size=20")
    assert result.exit_code == 2
    assert f"20 rows, {left} of them with a prompt of at most data.max_prompt_length={limit} tokens" in result.stderr


def config_paths(config):
    return f"data.train_files={config.data.train_files}", f"data.val_files={config.data.val_files}"


def test_no_validation_row_is_left_to_validate_on(data, tiny_policy):
    result = train(*data(20), *recipe_on(tiny_policy, "data.max_prompt_length=8"))
    assert result.exit_code == 2
    assert "data." in result.stderr
    assert (
        "longer than data.max_prompt_length=8" in result.stderr or "at most data.max_prompt_length=8" in result.stderr
    )


def test_the_rows_of_all_files_count_together_and_so_does_their_bound(data):
    files = data(20)
    path = files[0].removeprefix("data.train_files=")
    small = ("data.train_batch_size=32", "actor_rollout_ref.actor.ppo_mini_batch_size=8")
    twice = f"data.train_files=[{path},{path}]"
    assert train(files[1], twice, *small).exit_code == 0
    result = train(files[1], twice, *small, "data.train_max_samples=31")
    assert "data.train_files has 31 rows, fewer than data.train_batch_size=32" in result.stderr


def test_a_part_of_a_batch_that_does_not_divide_it_stops(data):
    small = ("data.train_batch_size=8", "actor_rollout_ref.actor.ppo_mini_batch_size=8", "data.gen_batch_size=3")
    assert "data.gen_batch_size=3 does not divide data.train_batch_size=8" in train(*data(20), *small).stderr
    # In asynchronous modes veRL sets it to 1 itself.
    assert train(*data(20), *small, "trainer.v1.trainer_mode=colocate_async").exit_code == 0


def test_a_run_that_only_validates_needs_no_batch_of_training_rows(data):
    assert train(*data(20), "trainer.val_only=true").exit_code == 0


def test_sft_counts_the_batches_of_each_rank(data):
    """4 ranks of 5 rows each, batches of 8 / 4 = 2: two steps, as veRL's sampler and loader make them."""
    recipe = next(one for one in packaged() if one.name == "llama3.1_8b_sft")
    overrides = [*data(20), "data.train_batch_size=8", "trainer.n_gpus_per_node=4"]
    assert rows.steps_an_epoch(compose(recipe, overrides), 20) == 2
    notes = preflight(compose(recipe, [*overrides, "trainer.total_training_steps=5"]), recipe.trainer)
    assert "2 epochs = 4 steps" in notes[0]
    assert "Set trainer.total_epochs=3" in notes[0]
    with pytest.raises(ConfigError, match="20 rows, fewer than"):
        preflight(compose(recipe, data(20)), recipe.trainer)


def test_verls_own_command_stops_before_ray_where_the_rows_make_no_step(data, tmp_path):
    done = forks.run("-m", "verl.trainer.main_ppo", "--config-name", RECIPE, *data(20), cwd=tmp_path)
    assert done.returncode != 0
    assert "data.train_files has 20 rows, fewer than data.train_batch_size=512" in done.stderr
    assert "ray" not in done.stdout.lower()


def test_a_missing_reference_is_one_message_with_its_rows(data):
    result = train(*data(20, reference=None), "data.train_batch_size=8")
    assert result.exit_code == 2
    assert "19 of 20 rows (the first is row 2) have no extra_info.pivot_reasoning" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_language_stops_where_a_policy_of_the_reward_reads_it(data):
    policy = "reward.custom_reward_function.reward_kwargs.language.reasoning.mode"
    result = train(*data(600, language=None), f"{policy}=gate")
    assert result.exit_code == 2
    assert "599 of 600 rows have no extra_info.language" in result.stderr
    assert "extra_info.language" not in train(*data(600, language=None), f"{policy}=off").stderr


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("data.train_batch_size=many", "data.train_batch_size='many' is not a whole number"),
        ("trainer.n_gpus_per_node=1.5", "trainer.n_gpus_per_node=1.5 is not a whole number"),
        ("actor_rollout_ref.actor.optim.lr=fast", "actor_rollout_ref.actor.optim.lr='fast' is not a number"),
        ("trainer.val_before_train=perhaps", "trainer.val_before_train='perhaps' is not true or false"),
        ("actor_rollout_ref.model.path=/no/such/folder", "actor_rollout_ref.model.path='/no/such/folder' is no folder"),
        (
            "reward.custom_reward_function.reward_kwargs.embedding.model=./gone",
            "reward_kwargs.embedding.model='./gone' is no folder",
        ),
        ("data.train_files=/no/such.parquet", "data.train_files: '/no/such.parquet' is no file"),
    ],
)
def test_a_value_that_cannot_work_stops_with_its_place(override, reason):
    result = train(override)
    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_folder_without_a_model_in_it_stops(tmp_path):
    result = train(f"actor_rollout_ref.model.path={tmp_path}")
    assert result.exit_code == 2
    assert "holds no config.json" in result.stderr


def test_an_unknown_recipe_of_the_plan_lists_the_recipes():
    result = CliRunner().invoke(app, ["plan", "nope"])
    assert result.exit_code == 2
    assert RECIPE in result.stderr


@pytest.mark.parametrize("recipe", packaged(), ids=lambda recipe: recipe.name)
def test_no_recipe_of_ours_is_refused(recipe):
    assert preflight(compose(recipe), recipe.trainer) == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("[]", "data.train_files=[] names no file"),
        ("{folder}", "veRL takes neither folders nor patterns: name the 2 files in it"),
        ("{folder}/*.parquet", "veRL takes neither folders nor patterns: name the 2 files in it"),
    ],
)
def test_what_verl_takes_for_no_file_is_said_with_the_files_that_are_meant(data, tmp_path, files, message):
    config = compose(recipe_files.find(RECIPE), [*data(20), f"data.train_files={files.format(folder=tmp_path)}"])
    with pytest.raises((ConfigError, DataError), match=re.escape(message)):
        preflight(config, "ppo_trainer")


def test_what_counts_twice_or_is_elsewhere_is_a_note(data, tmp_path):
    train_files = f"data.train_files=[{tmp_path}/train.parquet,{tmp_path}/train.parquet,s3://b/x.parquet]"
    small = ("data.train_batch_size=8", "actor_rollout_ref.actor.ppo_mini_batch_size=8", "data.train_batch_size=4",
             "actor_rollout_ref.actor.ppo_mini_batch_size=4")  # fmt: skip
    result = train(*data(20), train_files, *small)
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    assert "train.parquet' is named twice" in said
    assert "'s3://b/x.parquet' is not on this machine" in said
    assert "data.train_batch_size is given twice: '4' counts, and '8' does not" in said


def test_batches_of_nothing_stop_before_verl_divides_by_them(data):
    wrong = ("data.train_batch_size=0", "trainer.nnodes=-1", "actor_rollout_ref.rollout.n=null")
    result = train(*data(20), *wrong)
    assert result.exit_code == 2
    for name in wrong:
        assert f"{name.partition('=')[0]}=" in result.stderr


def test_a_recipe_is_copied_to_no_place_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["recipes", "copy", RECIPE, str(tmp_path / "file" / "x")])
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


WITHOUT_A_POLICY = """
import sys
from typer.testing import CliRunner
from pbrlsvr_plugin.cli import app
result = CliRunner().invoke(app, sys.argv[1:])
print(result.output)
print(result.exit_code, {"torch", "transformers", "verl"} & {*sys.modules})
"""


def test_where_the_policy_is_not_on_this_machine_nothing_large_is_imported(data):
    """The first look at a recipe, before its model is downloaded, answers in a few seconds."""
    small = ("data.train_batch_size=8", "actor_rollout_ref.actor.ppo_mini_batch_size=8")
    command = [sys.executable, "-c", WITHOUT_A_POLICY, "train", RECIPE, "--dry-run", *data(20), *small]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[-1:] == ["0 set()"], done.stdout + done.stderr
