"""The quickstart's toys: the tokenizer survives saving, the warm-up learns, the encoder sees a changed digit."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast  # noqa: E402

from quickstart.encoder import EncoderSettings, new_encoder, ranking, train_encoder  # noqa: E402
from quickstart.evaluate import Accuracy, evaluate, load, save, score  # noqa: E402
from quickstart.phrases import LANGUAGES  # noqa: E402
from quickstart.policy import PolicySettings, collate, new_policy, response_loss, tokenize, warm_up  # noqa: E402
from quickstart.tokenizer import train_tokenizer  # noqa: E402
from quickstart.world import bare_answer, prompt, question, response, rows, sample_problems, sums  # noqa: E402

PROBLEMS = sample_problems(400, seed=3)
TINY = PolicySettings(
    hidden_size=32,
    layers=1,
    heads=2,
    steps=60,
    english=200,
    other=20,
    other_digits=20,
    batch_english=8,
    batch_other=6,
    batch_sums=2,
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(PROBLEMS, 2000, LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_comes_back_from_the_tokenizer_as_it_was(tokenizer: PreTrainedTokenizerFast, language: str) -> None:
    texts = [text for pair in sums(language) for text in pair]
    for problem in PROBLEMS[:100]:
        texts += [prompt(problem, language), response(problem, language), bare_answer(problem, language)]
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert tokenizer.unk_token_id not in ids


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_is_one_token(tokenizer: PreTrainedTokenizerFast, language: str) -> None:
    for problem in PROBLEMS[:50]:
        pieces = tokenizer.tokenize(response(problem, language))
        assert all(piece.isdigit() for piece in pieces if any(letter.isdigit() for letter in piece))


def test_the_saved_policy_loads_with_the_same_tokenizer_and_the_same_logits(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    policy = new_policy(tokenizer, TINY).eval()
    policy.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    # transformers takes the tokenizer's class from config.json for some architectures, and then the ids are wrong.
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    messages = [{"role": "user", "content": question(PROBLEMS[0], "bn")}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    assert loaded.apply_chat_template(messages, add_generation_prompt=True, tokenize=False) == text
    assert torch.equal(loaded(text, return_tensors="pt")["input_ids"], ids)
    assert (loaded.eos_token_id, loaded.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.config.eos_token_id == tokenizer.eos_token_id
    torch.testing.assert_close(again(ids).logits, policy(ids).logits)


def test_the_loss_is_that_of_the_model_on_the_response_only(tokenizer: PreTrainedTokenizerFast) -> None:
    policy = new_policy(tokenizer, TINY)
    examples = [
        tokenize(tokenizer, question(problem, language), response(problem, language))
        for problem, language in zip(PROBLEMS, LANGUAGES, strict=False)
    ]
    batch = collate(examples, tokenizer.pad_token_id)
    assert int((batch["labels"] != -100).sum()) == sum(len(answer) for _, answer in examples)
    torch.testing.assert_close(response_loss(policy, batch), policy(**batch).loss)


def test_the_warm_up_lowers_the_loss(tokenizer: PreTrainedTokenizerFast) -> None:
    losses: list[float] = []
    warm_up(
        new_policy(tokenizer, TINY), tokenizer, PROBLEMS, list(LANGUAGES), TINY, lambda step, loss: losses.append(loss)
    )
    assert len(losses) == TINY.steps
    assert losses[-1] < 0.8 * losses[0]


def test_evaluation_counts_each_language_and_keeps_every_response(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    new_policy(tokenizer, TINY).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    asked = list(rows(PROBLEMS[:5], "test", ["en", "bn"]))
    result, responses = evaluate(tmp_path, asked, max_new_tokens=4, batch_size=3)
    assert {language: one.count for language, one in result.items()} == {"en": 5, "bn": 5}
    assert [one["language"] for one in responses] == ["en", "bn"] * 5
    save(tmp_path, result, responses)
    assert load(tmp_path) == result


def test_right_answers_score_and_wrong_ones_do_not() -> None:
    asked = list(rows(PROBLEMS[:4], "test", ["bn"]))
    right = [response(problem, "bn") for problem in PROBLEMS[:4]]
    assert score(right, asked)[0] == {"bn": Accuracy(4, 4)}
    shifted = [*right[1:], right[0]]
    expected = sum(a.answer == b.answer for a, b in zip(PROBLEMS[:4], [*PROBLEMS[1:4], PROBLEMS[0]], strict=True))
    assert score(shifted, asked)[0] == {"bn": Accuracy(expected, 4)}
    assert score(["", "12 #### ", "no number", "####"], asked)[0] == {"bn": Accuracy(0, 4)}


def test_a_few_steps_teach_the_encoder_to_rank_the_right_solution_above_one_with_a_mistake(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    settings = EncoderSettings(hidden_size=48, steps=40, batch=32)
    encoder = new_encoder(tokenizer, settings)
    before = ranking(encoder, PROBLEMS[300:], list(LANGUAGES), seed=0)
    train_encoder(encoder, PROBLEMS[:300], list(LANGUAGES), settings, lambda step, loss: None)
    encoder.save(str(tmp_path), create_model_card=False)
    loaded = SentenceTransformer(str(tmp_path), device="cpu")
    after = ranking(loaded, PROBLEMS[300:], list(LANGUAGES), seed=0)
    others = [language for language in LANGUAGES if language != "en"]
    assert sum(after[one] for one in others) > sum(before[one] for one in others) + 0.25
    assert min(after["es"], after["de"]) > 0.8
