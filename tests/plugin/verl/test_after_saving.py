"""What `trainer.after_saving` takes is checked before a run; `cpu/test_cpu_runs.py` has a run with it."""

import pytest

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")

from omegaconf import OmegaConf

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.verl.after_saving import CALLBACK, AfterSavingOptions
from pbrlsvr_plugin.verl.compose import compose

ON = [f"+trainer.checkpoint_callback_class={CALLBACK}"]


def options(**after_saving):
    config = compose("ppo_trainer", ON)
    OmegaConf.update(config, "trainer.after_saving", after_saving, force_add=True)
    return AfterSavingOptions.in_config(config)


def test_the_options_of_an_evaluation_are_those_of_the_command():
    found = options(eval={"data": ["mgsm", "mine=/rows.jsonl"], "max_tokens": 64, "thinking": False, "limit": None})
    assert found.eval_arguments() == [
        "--data", "mgsm", "--data", "mine=/rows.jsonl", "--max-tokens", "64", "--no-thinking",
    ]  # fmt: skip


def test_without_options_each_checkpoint_is_exported_and_nothing_evaluated(tmp_path):
    from verl.trainer.ppo.checkpoint_callback import build_checkpoint_callback

    config = compose("ppo_trainer", [*ON, f"trainer.default_local_dir={tmp_path}"])
    assert type(build_checkpoint_callback(config)).__name__ == "AfterSaving"
    assert AfterSavingOptions.in_config(config) == AfterSavingOptions()
    assert AfterSavingOptions().eval is None


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+trainer.after_saving.exports=x", "trainer.after_saving.exports='x': there is no such option"),
        ("+trainer.after_saving.every=0", "every=0"),
        ("+trainer.after_saving.eval={limit: 5}", "--data"),
        ("+trainer.after_saving.eval={data: [mgsm], sample: 5}", "--sample"),
        ("+trainer.after_saving.eval={data: [mgsm], samples: many}", "Invalid value for '--samples'"),
        ("+trainer.after_saving.eval={data: [mgsm], out: here}", "said for each checkpoint anew"),
        ("+trainer.after_saving.eval=mgsm", "eval"),
    ],
)
def test_an_option_that_cannot_work_stops_the_composition(override, words):
    with pytest.raises(Exception, match="after_saving") as caught:
        compose("ppo_trainer", [*ON, override])
    assert words in str(caught.value)


def test_options_that_nothing_would_read_are_refused():
    with pytest.raises(ConfigError, match="has no effect without trainer\\.checkpoint_callback_class"):
        compose("ppo_trainer", ["+reward_fn=pbrlsvr.exact_answer", "+trainer.after_saving.every=2"])
