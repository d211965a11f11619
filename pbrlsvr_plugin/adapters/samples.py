"""What trainers pass to a reward -> what a reward of ours is asked for: one dictionary of arguments for each sample."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from numbers import Real
from typing import Any

from pbrlsvr.errors import DataError

#: Arguments of a reward for one sample.
Sample = dict[str, Any]

#: The columns of `pbrlsvr prepare`'s export `trl`, besides the prompt.
COLUMNS = ("data_source", "ground_truth", "extra_info")
#: What rewards read of `extra_info`; each may also be a column of its own.
IN_EXTRA_INFO = ("language", "question", "pivot_reasoning", "pivot_answer", "pivot_answer_text", "index")
# What a reward reads of every row -> where that may stand.
_PLACES = {
    "reference": ("pivot_reasoning",),
    "answer": ("ground_truth", "pivot_answer"),
    "language": ("language",),
}
# Where servers and parsers of chat templates put what a model thinks.
_THINKING = ("reasoning_content", "reasoning", "thinking")
_ROLES = ("assistant", "user", "system", "developer", "tool", "function")

# As a tokenizer writes special tokens: anywhere between bars, in other forms at the end.
_SPECIAL = re.compile(r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>")
_LAST = re.compile(r"(?:</?s>|<(?:eos|pad|unk|end_of_turn|turn\|)>|\[/?INST\]|\[(?:PAD|EOS)\])\Z")
_LONGEST = 16
# So much of a prompt's end is looked for in a query whose beginning was cut off or written otherwise.
_TAIL = 200


def response_text(completion: Any) -> str:
    """What a response says: a text, or what the assistant said last in a list of messages, with what it thought.

    Raises:
        DataError: it is neither.

    >>> response_text([{"role": "assistant", "reasoning_content": "9 * 2", "content": "18"}])
    '<think>\\n9 * 2\\n</think>\\n\\n18'
    """
    if isinstance(completion, str):
        return completion
    messages = [completion] if isinstance(completion, Mapping) else completion
    if not isinstance(messages, Sequence) or not all(isinstance(one, Mapping) for one in messages):
        raise DataError(f"a completion is {completion!r:.80}; expected a text or a list of messages")
    for one in messages:
        # A role that nobody knows would have every response scored as nothing.
        if one.get("role") not in _ROLES:
            raise DataError(f"a message has the role {one.get('role')!r:.80}; what the model said has 'assistant'")
    said = next((one for one in reversed(messages) if one["role"] == "assistant"), None)
    if said is None:
        return ""  # nothing was said
    content = _content(said.get("content"))
    thought = next(filter(None, (_content(said.get(name)) for name in _THINKING)), "")
    return f"<think>\n{thought}\n</think>\n\n{content}" if thought else content


def _content(content: Any) -> str:
    """The text of a message's content: a text, or parts of which some have a text, as the others may be pictures."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = [content] if isinstance(content, Mapping) else content
    if isinstance(parts, Sequence) and not isinstance(parts, bytes):
        texts = [(part.get("text") or "") if isinstance(part, Mapping) else part for part in parts]
        if all(isinstance(text, str) for text in texts):
            return "".join(map(str, texts))
    raise DataError(f"a message has the content {content!r:.80}; expected a text, or a list of parts with a text")


def of_columns(completions: Sequence[Any], columns: Mapping[str, Any], needs: str, trainer: str) -> list[Sample]:
    """The samples of a batch that comes as columns, as TRL and ms-swift pass it.

    Args:
        completions: `[N]` texts or lists of messages.
        columns: of the data set, `[N]` values each; others than those above are not looked at.
        needs: what the reward reads of every row: "reference", "answer", "language" or "".
        trainer: names the trainer in errors.

    Raises:
        DataError: a column is missing that the reward needs, or is not as long as the batch; or a completion is
            neither a text nor messages.
    """
    if isinstance(completions, str | bytes) or not isinstance(completions, Sequence):
        raise DataError(f"{trainer} passed completions={completions!r:.80}; expected a list, with one for each row")
    known = {name: columns[name] for name in (*COLUMNS, *IN_EXTRA_INFO) if columns.get(name) is not None}
    for name, values in known.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != len(completions):
            said = (
                f"{len(values)} values" if isinstance(values, Sequence) and not isinstance(values, str) else "no list"
            )
            raise DataError(f"{trainer} passed column {name!r} with {said} for {len(completions)} completions")
    rows = [_row(known, number) for number in range(len(completions))]
    _require(needs, known, rows, columns, trainer)
    return [{**row, "solution_str": response_text(said)} for row, said in zip(rows, completions, strict=True)]


def of_label(label: Any, response: str) -> Sample:
    """The sample of a response and OpenRLHF's label, the JSON that `pbrlsvr prepare`'s export `openrlhf` writes.

    Raises:
        DataError: the label is not that.
    """
    try:
        found = json.loads(label) if isinstance(label, str | bytes) else label
    except ValueError:
        found = None
    if not isinstance(found, Mapping) or not isinstance(found.get("extra_info"), Mapping):
        raise DataError(
            f"label={label!r:.80} is not the JSON that a reward of pbrlsvr reads, "
            '{"data_source": ..., "ground_truth": ..., "extra_info": {"language": ..., "pivot_reasoning": ...}}. Train '
            "on prepare's export `openrlhf` (openrlhf/train.jsonl), with --data.input_key prompt --data.label_key label"
        )
    return {
        "data_source": str(found.get("data_source") or "openrlhf"),
        "ground_truth": _text(found.get("ground_truth")),
        "extra_info": dict(found["extra_info"]),
        "solution_str": response,
    }


def response_in(query: str, prompt: str) -> str:
    """The response in OpenRLHF's query, which is the prompt and the response, decoded together.

    A prompt that was too long lost its beginning, and decoding may change white space: then the response is what
    follows the prompt's end. Special tokens, in the forms that are in use, are left out.

    Raises:
        DataError: the query does not have the prompt's end.

    >>> response_in("<|im_start|>user\\n2+2?<|im_end|>\\n<|im_start|>assistant\\n4<|im_end|>", "<|im_start|>user\\n2+2?"
    ...             "<|im_end|>\\n<|im_start|>assistant\\n")
    '4'
    """
    if query.startswith(prompt):
        response = query[len(prompt) :]
    else:
        # Tokenizers may also normalise: Qwen's to NFC.
        query, prompt = (unicodedata.normalize("NFC", text) for text in (query, prompt))
        tail = re.sub(r"\s+", "", prompt)[-_TAIL:]
        places = [place for place, character in enumerate(query) if not character.isspace()]
        start = "".join(query[place] for place in places).find(tail)
        if not tail or start < 0:
            raise DataError(
                f"the query {query[:80]!r} does not hold the end of its prompt, {prompt[-80:]!r}, so the response in "
                "it cannot be told; take --train.agent_func_path instead of --reward.remote_url, which needs no query"
            )
        response = query[places[start + len(tail) - 1] + 1 :]
        spaces = len(prompt) - len(prompt.rstrip())
        response = response[:spaces].lstrip() + response[spaces:]
    return without_special(response)


def without_special(text: str) -> str:
    """A response without special tokens, in the forms that are in use; white space between those at its end goes too.

    >>> without_special("18<|im_end|></s> <eos>"), without_special("a <b|> ")
    ('18', 'a <b|> ')
    """
    text = _SPECIAL.sub("", text)
    end = len(text)
    while True:
        last = end
        while last and text[last - 1].isspace():
            last -= 1
        # No expression over the whole text: on a text of spaces it would take the square of its length.
        found = _LAST.search(text[max(last - _LONGEST, 0) : last])
        if found is None:
            return text[:end]
        end = last - len(found[0])


def _row(known: Mapping[str, Any], number: int) -> Sample:
    extra: dict[str, Any] = {"index": number}
    extra |= {name: known[name][number] for name in IN_EXTRA_INFO if name in known}
    given = known["extra_info"][number] if "extra_info" in known else None
    if isinstance(given, str):
        with suppress(ValueError):
            given = json.loads(given)
    if given is not None and not isinstance(given, Mapping):
        raise DataError(f"extra_info={given!r:.80} of sample {number} is no mapping")
    extra |= {name: value for name, value in (given or {}).items() if value is not None or name not in extra}
    source = known["data_source"][number] if "data_source" in known else None
    truth = known["ground_truth"][number] if "ground_truth" in known else None
    return {"data_source": str(source or "data"), "ground_truth": _text(truth), "extra_info": extra}


def _text(truth: Any) -> Any:
    """A number as a text; what else it may be is the reward's to refuse, or a reward of one's own to read."""
    return str(truth) if isinstance(truth, Real | Decimal) else truth


def _require(
    needs: str, known: Mapping[str, Any], rows: Sequence[Sample], columns: Mapping[str, Any], trainer: str
) -> None:
    """One of the columns is there that the reward cannot do without; which rows lack a value says the reward."""
    places = _PLACES.get(needs, ())
    there = {*known, *(name for row in rows[:1] for name in row["extra_info"])}
    if rows and places and not there & set(places):
        raise DataError(
            f"{trainer} passed no column {' or '.join(map(repr, places))}, which the reward reads, by itself or inside "
            f"'extra_info'; the columns are {sorted(columns)}. Train on prepare's export `trl` (trl/train.parquet), "
            "and keep its columns: remove_unused_columns=False"
        )
