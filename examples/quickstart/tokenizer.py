"""Tokenizers of the toy world: BPE trained on its own texts, in which every number is one token.

A number as one token keeps the arithmetic within reach of a policy of a million parameters.
"""

from collections.abc import Iterator

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from quickstart.phrases import LANGUAGES
from quickstart.world import HIGHEST, Problem, digits, question, response

# A number; or punctuation, or a word, each with the spaces around it that do not belong to a neighbouring word. So
# "7", "7.", and "has 7" all hold the same token for the number.
PIECES = r"\p{Nd}+|[\p{P}\p{S}]+( (?=\p{Nd}))?| ?[^\s\p{Nd}\p{P}\p{S}]+( (?=\p{Nd}))?|\s+"
SPECIAL_TOKENS = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "<end>"}
ROLES = ["<user>", "<assistant>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<' + message['role'] + '>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)


def train_tokenizer(problems: list[Problem], vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer for the questions and solutions of all languages, with a chat template."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL_TOKENS["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PIECES), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[*SPECIAL_TOKENS.values(), *ROLES], min_frequency=2, show_progress=False
    )
    tokenizer.train_from_iterator(_texts(problems), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **SPECIAL_TOKENS,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def _texts(problems: list[Problem]) -> Iterator[str]:
    for language, words in LANGUAGES.items():
        # Often enough that every number becomes a token of its own before the words are merged.
        yield from [digits(str(number), language) for number in range(HIGHEST + 11)] * 200
        yield from [words.instruction] * 200
        for problem in problems:
            yield question(problem, language)
            yield response(problem, language)
