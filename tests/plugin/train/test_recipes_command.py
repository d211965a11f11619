"""`pbrlsvr recipes` and `pbrlsvr train`, and whose file wins where two have the same name."""

import forks
import pytest

pytest.importorskip("verl", reason="needs veRL's own config tree")

import pandas
from hydra import compose, initialize_config_dir, initialize_config_module
from omegaconf import OmegaConf
from typer.testing import CliRunner

from pbrlsvr_plugin.cli import app
from pbrlsvr_plugin.verl import recipe_files
from pbrlsvr_plugin.verl.recipe_files import packaged

TREE = "verl.trainer.config"
PATHS = ("data.train_files=train.parquet", "data.val_files=val.parquet")


@pytest.fixture(autouse=True)
def data(tmp_path_factory, monkeypatch):
    """The files of `PATHS` in the current folder, with enough rows for each recipe's batch."""
    folder = tmp_path_factory.mktemp("data")
    for split, start in (("train", 0), ("val", 10_000)):
        rows = [
            {
                "data_source": "toy/sw",
                "prompt": [{"role": "user", "content": f"{start + i}+1="}],
                "reward_model": {"ground_truth": str(start + i + 1)},
                "extra_info": {"language": "sw", "pivot_reasoning": "One more.", "pivot_answer": str(start + i + 1)},
            }
            for i in range(1024)
        ]
        pandas.DataFrame(rows).to_parquet(folder / f"{split}.parquet")
    monkeypatch.chdir(folder)


def pbrlsvr(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def composed(name, *overrides):
    with initialize_config_module(TREE, version_base=None):
        return OmegaConf.to_container(compose(name, overrides=list(overrides)), resolve=False)


@pytest.fixture
def own_grpo(tmp_path):
    """A user's file with the name of one of ours."""
    (tmp_path / "llama3.1_8b_grpo_hybrid.yaml").write_text(
        "defaults: [_common, _grpo, {reward_fn: pbrlsvr.exact_answer}, _self_]\ndata: {train_batch_size: 24}\n"
        "actor_rollout_ref: {model: {path: org/model}}\n"
    )
    return tmp_path


def test_the_users_copy_wins_in_verls_own_command(own_grpo):
    command = ["-m", "verl.trainer.main_ppo", "--config-name", "llama3.1_8b_grpo_hybrid"]

    def printed(*options):
        result = forks.run(*command, *options, "--cfg", "job", "--package", "data.train_batch_size", cwd=own_grpo)
        assert result.returncode == 0, result.stderr
        return result.stdout.split()[-1]

    assert printed("--config-dir", ".") == "24"
    assert printed() == "512"


def test_the_users_folder_in_hydras_searchpath_wins_for_what_a_recipe_is_made_of(tmp_path):
    """The recipe itself Hydra has loaded before it looks at this option."""
    (tmp_path / "_ppo.yaml").write_text("algorithm: {gamma: 0.5}\n")
    (tmp_path / "reward_fn").mkdir()
    (tmp_path / "reward_fn" / "pbrlsvr.exact_answer.yaml").write_text("# @package _global_\ntrainer: {nnodes: 7}\n")
    path = f"hydra.searchpath=[file://{tmp_path}]"
    assert composed("llama3.1_8b_ppo_hybrid", path)["algorithm"]["gamma"] == 0.5
    assert composed("llama3.1_8b_ppo_exact", path)["trainer"]["nnodes"] == 7


def test_verls_own_files_still_come_first(tmp_path):
    (tmp_path / "ppo_trainer.yaml").write_text("trainer: {nnodes: 7}\n")
    assert composed("ppo_trainer", f"hydra.searchpath=[file://{tmp_path}]")["trainer"]["nnodes"] == 1


def test_the_list_has_a_line_for_each_recipe():
    lines = pbrlsvr("recipes").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["recipe", *(recipe.name for recipe in packaged())]
    assert "1 GPU of 24 to 80 GB" in next(line for line in lines if "1.7b_lora_grpo_embed" in line)


def test_show_prints_what_the_recipe_sets_and_no_default_of_verl():
    result = pbrlsvr("recipes", "show", "llama3.1_8b_grpo_hybrid", "data.train_batch_size=64")
    shown = OmegaConf.create(result.stdout)
    assert shown.reward_fn == "pbrlsvr.hybrid"
    assert shown.data.train_batch_size == shown.trainer.v1.sampler.sampler_kwargs.train_batch_size == 64
    own = {"embedding": {"model": "BAAI/bge-m3"}, "serving": {"share_gpu": True}}
    assert shown.reward.custom_reward_function == {"reward_kwargs": own}
    assert "temperature" not in result.stdout
    # What is shown, laid over veRL's defaults, is the recipe.
    base = composed("ppo_trainer", "+reward_fn=pbrlsvr.hybrid")
    again = OmegaConf.merge(base, shown)
    whole = OmegaConf.create(composed("llama3.1_8b_grpo_hybrid", "data.train_batch_size=64"))
    assert resolved(again) == resolved(whole)


def resolved(config):
    # A mandatory value of veRL's is in there, for a model that the recipes do not use.
    del config["reward"]["reward_model"]
    return OmegaConf.to_container(config, resolve=True)


def test_show_full_prints_verls_defaults_as_well():
    shown = OmegaConf.create(pbrlsvr("recipes", "show", "llama3.1_8b_sft", "--full").stdout)
    assert shown.data.pad_mode == "no_padding"
    assert shown.model.path == "meta-llama/Llama-3.1-8B-Instruct"


@pytest.mark.parametrize("recipe", packaged(), ids=lambda recipe: recipe.name)
def test_a_copy_is_one_file_that_sets_what_the_recipe_sets(recipe, tmp_path):
    written = recipe_files.copy(recipe, tmp_path / "mine.yaml")
    assert f"pbrlsvr train {written.name} " in written.read_text()
    with initialize_config_dir(str(tmp_path), version_base=None):
        mine = OmegaConf.to_container(compose("mine", overrides=[f"hydra.searchpath=[pkg://{TREE}]"]), resolve=False)
    ours = composed(recipe.name, f"hydra.searchpath=[pkg://{TREE}]")
    assert mine["trainer"].pop("experiment_name") == "mine"
    assert ours["trainer"].pop("experiment_name") == recipe.name
    assert mine == ours
    lines = written.read_text().splitlines()
    defaults = lines[lines.index("defaults:") + 1 : lines.index("  - _self_")]
    assert defaults[0].removeprefix("  - ") == recipe.trainer
    assert all(entry.startswith("  - reward_fn: ") for entry in defaults[1:])


def test_a_copy_keeps_the_comments_and_replaces_no_file_unasked(tmp_path):
    assert pbrlsvr("recipes", "copy", "qwen3_32b_ppo_exact", tmp_path).exit_code == 0
    written = tmp_path / "qwen3_32b_ppo_exact.yaml"
    assert "  # Qwen3-32B" not in written.read_text().splitlines()
    assert "  # As in veRL's PPO example: ten times the policy's." in written.read_text().replace("    ", "  ")
    written.write_text("mine")
    refused = pbrlsvr("recipes", "copy", "qwen3_32b_ppo_exact", tmp_path)
    assert refused.exit_code == 2
    assert "exists; name another file, or replace it with --force" in refused.stderr
    assert written.read_text() == "mine"
    assert pbrlsvr("recipes", "copy", "qwen3_32b_ppo_exact", tmp_path, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (
            ["llama3.1_8b_grpo_hybrid", *PATHS],
            "python -m verl.trainer.main_ppo --config-name llama3.1_8b_grpo_hybrid",
        ),
        (
            ["llama3.1_8b_ppo_exact", "--profile", "cpu", *PATHS],
            "python -m verl.trainer.main_ppo --config-name llama3.1_8b_ppo_exact +profile=cpu",
        ),
        (
            ["llama3.1_8b_sft", *PATHS],
            "python -m torch.distributed.run --standalone --nproc_per_node=8 -m verl.trainer.sft_trainer "
            "--config-name llama3.1_8b_sft",
        ),
        (
            ["qwen3_32b_sft", "+profile=cpu", *PATHS],
            "python -m torch.distributed.run --standalone --nproc_per_node=1 -m verl.trainer.sft_trainer "
            "--config-name qwen3_32b_sft +profile=cpu_sft",
        ),
    ],
    ids=["grpo", "profile", "sft", "sft on a cpu"],
)
def test_train_prints_verls_command(arguments, command):
    result = pbrlsvr("train", *arguments, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == f"{command} {' '.join(PATHS)}"


def test_train_takes_a_file_and_prefers_one_of_this_folder(own_grpo, monkeypatch):
    place = f"--config-dir {own_grpo} --config-name llama3.1_8b_grpo_hybrid"
    given = pbrlsvr("train", own_grpo / "llama3.1_8b_grpo_hybrid.yaml", "--dry-run")
    assert given.stdout.strip() == f"python -m verl.trainer.main_ppo {place}"
    assert "--config-dir" not in pbrlsvr("train", "llama3.1_8b_grpo_hybrid", "--dry-run").stdout
    monkeypatch.chdir(own_grpo)
    assert pbrlsvr("train", "llama3.1_8b_grpo_hybrid", "--dry-run").stdout == given.stdout


def test_sft_on_several_nodes_asks_which_one_this_is(monkeypatch):
    for name in ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    refused = pbrlsvr("train", "qwen3_32b_sft", *PATHS, "--dry-run")
    assert refused.exit_code == 2
    assert "NODE_RANK=0 to 1 and MASTER_ADDR=" in refused.stderr
    monkeypatch.setenv("NODE_RANK", "1")
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    command = pbrlsvr("train", "qwen3_32b_sft", *PATHS, "--dry-run").stdout
    assert "--nnodes=2 --node_rank=1 --master_addr=10.0.0.1 --master_port=29500 --nproc_per_node=8 -m verl" in command


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["lama"], r"neither a file 'lama.yaml' nor a recipe 'lama'; the recipes are\n  llama3.1_8b_gdpo_hybrid"),
        (["llama3.1_8b_ppo_exact", "data.tran_files=x"], "Could not override 'data.tran_files'"),
        (["llama3.1_8b_ppo_exact", PATHS[0]], "the recipe leaves data.val_files to you: add data.val_files=..."),
        (["llama3.1_8b_sft"], "the recipe leaves data.train_files and data.val_files to you"),
    ],
)
def test_train_says_what_is_wrong_before_anything_starts(arguments, reason):
    result = pbrlsvr("train", *arguments)
    assert result.exit_code == 2
    assert reason.replace(r"\n", "\n") in result.stderr


def test_a_recipe_without_data_stops_in_verls_own_command_too(tmp_path):
    result = forks.run("-m", "verl.trainer.main_ppo", "--config-name", "llama3.1_8b_ppo_exact", PATHS[0], cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("ConfigError: the recipe leaves data.val_files to you")


def test_a_config_that_is_made_on_none_of_verls_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text("data: {train_batch_size: 8}\n")
    result = pbrlsvr("train", tmp_path / "mine.yaml", "--dry-run")
    assert result.exit_code == 2
    assert "leads to none of veRL's ['ppo_trainer', 'sft_trainer_engine']" in result.stderr
