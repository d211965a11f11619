"""What `pbrlsvr train` says in seconds, before veRL starts and also under --dry-run."""

import pandas
import pytest

pytest.importorskip("verl", reason="needs veRL's own config tree")

from typer.testing import CliRunner

from pbrlsvr_plugin.cli import app
from pbrlsvr_plugin.train.command import compose
from pbrlsvr_plugin.train.preflight import preflight
from pbrlsvr_plugin.verl.recipe_files import packaged

RECIPE = "llama3.1_8b_grpo_embed"


def train(*arguments):
    return CliRunner().invoke(app, ["train", RECIPE, "--dry-run", *map(str, arguments)])


@pytest.fixture
def data(tmp_path):
    """A function that writes rows, and returns the overrides that name them."""

    def written(rows, reference="One more apple."):
        for split, start in (("train", 0), ("val", 10_000)):
            pandas.DataFrame(
                {
                    "data_source": "toy/sw",
                    "prompt": [{"role": "user", "content": f"{start + i}+1="}],
                    "reward_model": {"ground_truth": str(start + i + 1)},
                    "extra_info": {
                        "language": "sw",
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


def test_a_missing_reference_is_one_message_with_its_rows(data):
    result = train(*data(20, reference=None), "data.train_batch_size=8")
    assert result.exit_code == 2
    assert "19 of 20 rows (the first is row 2) have no extra_info.pivot_reasoning" in result.stderr
    assert "Traceback" not in result.stderr


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
