"""A translator of the world's solutions into English, trained here: the architecture of M2M100, small.

It learns what pbrlsvr gives an engine (`pbrlsvr.models.translation`): sentences with 0-9 for all digits and short names
(X1, X2) in the place of equations. Its folder is what `translation.model` names.
"""

import asyncio
import random
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.utils.rnn import pad_sequence
from transformers import M2M100Config, M2M100ForConditionalGeneration, PreTrainedTokenizerFast

from pbrlsvr.models.pieces import split_steps
from pbrlsvr.models.translation.options import TranslationOptions
from pbrlsvr.models.translation.protect import INLINE, ascii_digits, protect, to_engine
from pbrlsvr.models.translation.translator import translator
from pbrlsvr.scoring.overlap import chrf
from quickstart.world import HIGHEST, LOWEST, PIVOT, Problem, reasoning, wrong_reasoning
from replication.config import TranslatorSettings

_START, _PAD, _END, _UNKNOWN = "<s>", "<pad>", "</s>", "<unk>"
# Problems from which the vocabulary is learned.
_FOR_TOKENIZER = 100
Pair = tuple[str, str]


def pairs(problem: Problem, language: str, rng: random.Random) -> list[Pair]:
    """Sentences of a solution, or of one with a mistake, as an engine gets them, with their translations.

    In one of five solutions bare numbers stand in the place of the equations: names stand for equations only.

    >>> from quickstart.world import sample_problems
    >>> pairs(sample_problems(1, seed=0)[0], "es", random.Random(0))
    [('Ahora sumamos X1.', 'Now we add X1.'), ('Ahora restamos X1.', 'Now we subtract X1.')]
    """
    seed, wrong, bare = rng.random(), rng.random() < 0.5, rng.random() < 0.2

    def write(one: str) -> str:
        # The same mistake in each language.
        return wrong_reasoning(problem, one, random.Random(seed)) if wrong else reasoning(problem, one)

    english, found = _sentences(write(PIVOT)), []
    for sentence in _sentences(write(language)):
        # Sentences differ from language to language, their equations do not: each English one has one.
        count = sentence.count(INLINE)
        texts, english = (sentence, " ".join(english[:count])), english[count:]
        if bare:
            numbers = [str(rng.randint(LOWEST, HIGHEST)) for _ in range(count)]
            texts = _filled(texts[0], numbers), _filled(texts[1], numbers)
        found.append((to_engine(texts[0])[0], to_engine(texts[1])[0]))
    return found


def _sentences(text: str) -> list[str]:
    masked = protect(ascii_digits(text))[0]
    return split_steps(masked, len(masked))


def _filled(masked: str, numbers: Iterable[str]) -> str:
    left = iter(numbers)
    return re.sub(INLINE, lambda _: next(left), masked)


def train_translator(
    problems: Sequence[Problem],
    languages: Sequence[str],
    settings: TranslatorSettings,
    progress: Callable[[int, float], None],
) -> tuple[M2M100ForConditionalGeneration, PreTrainedTokenizerFast]:
    """Trains a translator from the languages into English; `progress` gets the steps done and the loss."""
    rng, foreign = random.Random(settings.seed), [language for language in languages if language != PIVOT]
    seen = [pair for problem in problems[:_FOR_TOKENIZER] for one in foreign for pair in pairs(problem, one, rng)]
    tokenizer = new_tokenizer((text for pair in seen for text in pair), languages, settings.vocabulary)
    model = _new_model(tokenizer, settings)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps)
    for step in range(1, settings.steps + 1):
        drawn = rng.choices(foreign, k=settings.batch)
        rows = [(language, rng.choice(pairs(rng.choice(problems), language, rng))) for language in drawn]
        loss = model(**_batch(tokenizer, rows)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress(step, loss.item())
    return model.eval(), tokenizer


def new_tokenizer(texts: Iterable[str], languages: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """BPE of words, with each digit and each mark for itself, and M2M100's tokens for the languages."""
    tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True)]
    )
    tokenizer.decoder = decoders.Metaspace()
    codes = [f"__{language}__" for language in languages]
    special = [_START, _PAD, _END, _UNKNOWN, *codes]
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=_START,
        pad_token=_PAD,
        eos_token=_END,
        unk_token=_UNKNOWN,
        clean_up_tokenization_spaces=False,
    )


def _new_model(tokenizer: PreTrainedTokenizerFast, settings: TranslatorSettings) -> M2M100ForConditionalGeneration:
    torch.manual_seed(settings.seed)
    sizes: dict[str, Any] = {}
    for part in ("encoder", "decoder"):
        sizes |= {f"{part}_layers": settings.layers, f"{part}_layerdrop": 0.0, f"{part}_attention_heads": 4}
        sizes |= {f"{part}_ffn_dim": 2 * settings.hidden_size}
    config = M2M100Config(
        vocab_size=len(tokenizer),
        d_model=settings.hidden_size,
        dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        # Larger than M2M100's: from scratch, and in so few steps, words must differ from the start.
        init_std=0.1,
        max_position_embeddings=256,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id,
        **sizes,
    )
    return M2M100ForConditionalGeneration(config)


def _batch(tokenizer: PreTrainedTokenizerFast, rows: Sequence[tuple[str, Pair]]) -> dict[str, torch.Tensor]:
    """As M2M100 has it: the language before each text, the end behind it."""

    def ids(language: str, text: str) -> torch.Tensor:
        code = tokenizer.convert_tokens_to_ids(f"__{language}__")
        return torch.tensor([code, *tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id])

    pad = tokenizer.pad_token_id
    sources = [ids(language, pair[0]) for language, pair in rows]
    texts = pad_sequence(sources, batch_first=True, padding_value=pad)
    labels = pad_sequence([ids(PIVOT, pair[1]) for _, pair in rows], batch_first=True, padding_value=-100)
    return {"input_ids": texts, "attention_mask": (texts != pad).long(), "labels": labels}


def quality(model: Path, problems: Sequence[Problem], languages: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Per language, through pbrlsvr: the share of solutions whose translation is the pivot's, and their mean chrF."""
    into_english = translator(TranslationOptions(model=str(model)))

    async def translated(language: str) -> list[str]:
        texts = (into_english.translate(reasoning(problem, language), language) for problem in problems)
        return await asyncio.gather(*texts)

    async def all_of_them() -> dict[str, list[str]]:
        return {language: await translated(language) for language in languages if language != PIVOT}

    pivots, found = [reasoning(problem, PIVOT) for problem in problems], {}
    for language, texts in asyncio.run(all_of_them()).items():
        beside = list(zip(texts, pivots, strict=True))
        exact = sum(text == pivot for text, pivot in beside) / len(beside)
        found[language] = exact, sum(chrf(text, pivot) for text, pivot in beside) / len(beside)
    return found
