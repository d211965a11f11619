"""Tokenizers of the toy world, trained on its own texts: each number and each phrase is one token.

That keeps texts short, and the arithmetic within reach of a policy of a million parameters.
"""

from collections.abc import Iterable, Iterator

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from quickstart.phrases import LANGUAGES
from quickstart.world import HIGHEST, Problem, bare_answer, digits, prompt, response, sums

_FORMS = {
    form[slot]
    for words in LANGUAGES.values()
    for slot in ("name", "objects")
    for form in words.names + words.objects
    if slot in form
}
# The longest first: a word may begin another.
_NOUNS = "|".join(sorted(_FORMS, key=lambda form: (-len(form), form)))
# A number; a name or a thing; or what stands between them: punctuation, or a phrase. Each takes the spaces around it
# that belong to no number: "7", "7.", and "has 7" all hold the same token for the number.
PIECES = rf"\p{{Nd}}+| ?(?:{_NOUNS})|[\p{{P}}\p{{S}}]+( (?=\p{{Nd}}))?|(?:(?! ?(?:{_NOUNS}))[^\p{{Nd}}\p{{P}}\p{{S}}])+"
SPECIAL_TOKENS = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "<end>"}
ROLES = ["<user>", "<assistant>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<' + message['role'] + '>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)


def train_tokenizer(problems: list[Problem], vocabulary: int, languages: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer for the questions and solutions in the languages, with a chat template."""
    tokenizer = Tokenizer(models.WordLevel(unk_token=SPECIAL_TOKENS["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PIECES), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocabulary, special_tokens=[*SPECIAL_TOKENS.values(), *ROLES], show_progress=False
    )
    tokenizer.train_from_iterator(_texts(problems, languages), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **SPECIAL_TOKENS,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def _texts(problems: list[Problem], languages: Iterable[str]) -> Iterator[str]:
    for language in languages:
        yield from (digits(str(number), language) for number in range(HIGHEST + 11))
        # All that the policy reads or writes, as it does: a phrase that it meets otherwise is no token.
        for asked, answer in sums(language):
            yield from (asked, answer)
        for problem in problems:
            yield from (prompt(problem, language), response(problem, language), bare_answer(problem, language))
