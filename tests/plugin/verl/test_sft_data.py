"""SFT on the pivot references: what veRL's SFT trainer is given of a row that RL trains on."""

import pytest

pytest.importorskip("verl", reason="needs veRL's own data set")

from omegaconf import OmegaConf

from pbrlsvr.errors import ConfigError, DataError


@pytest.fixture
def references(tiny_policy, tmp_path):
    """A function that makes the data set of one row."""
    import pandas
    from transformers import AutoTokenizer

    from pbrlsvr_plugin.verl.sft_data import PivotReferences

    tokenizer = AutoTokenizer.from_pretrained(tiny_policy / "model")

    def of(row, **options):
        file = tmp_path / "one.parquet"
        pandas.DataFrame([row]).to_parquet(file)
        config = OmegaConf.create({"pad_mode": "no_padding", "max_length": 512, **options})
        return PivotReferences(str(file), tokenizer, config), tokenizer

    return of


ROW = {
    "data_source": "toy/es",
    "prompt": [{"role": "user", "content": "3+4="}],
    "extra_info": {"index": 5, "pivot_reasoning": "3 plus 4 is 7.", "pivot_answer": "7"},
}


def test_it_learns_the_reference_and_its_end_and_nothing_of_the_prompt(references):
    data, tokenizer = references(ROW)
    row = data[0]
    learnt = tokenizer.decode(row["input_ids"][row["loss_mask"].bool()])
    assert learnt == "3 plus 4 is 7.\n#### 7<eos>"
    assert tokenizer.decode(row["input_ids"]) == f"<bos>user: 3+4=<eos><bos>assistant: {learnt}"


def test_the_layout_can_be_changed(references):
    data, tokenizer = references(ROW, pivot_response="{pivot_reasoning} \\boxed{{{pivot_answer}}}")
    assert tokenizer.decode(data[0]["input_ids"]).endswith("3 plus 4 is 7. \\boxed{7}<eos>")


@pytest.mark.parametrize(
    ("changes", "options", "error", "reason"),
    [
        ({"pivot_reasoning": " "}, {}, DataError, r"the row 5 of 'toy/es' has no 'pivot_reasoning'"),
        ({}, {"pivot_response": "{answer}"}, DataError, r"asks for 'answer', which the row 5 of 'toy/es' lacks"),
        ({}, {"pivot_response": "{"}, ConfigError, r"is no layout"),
    ],
)
def test_a_row_or_a_layout_that_gives_nothing_to_learn_stops(references, changes, options, error, reason):
    data, _ = references({**ROW, "extra_info": {**ROW["extra_info"], **changes}}, **options)
    with pytest.raises(error, match=reason):
        data[0]


def test_a_row_without_a_prompt_stops(references):
    data, _ = references({**ROW, "prompt": []})
    with pytest.raises(DataError, match="the row 5 of 'toy/es' has an empty 'prompt'"):
        data[0]
