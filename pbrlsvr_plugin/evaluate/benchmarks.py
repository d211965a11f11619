"""Data sets -> questions: MGSM, MGSM-Rev2, MMLU-ProX, PolyMath, and any file in our format.

    mgsm, mgsm_rev2, mmlu_prox, polymath      downloaded: GitHub at a commit, or the Hugging Face hub
    mgsm=FOLDER                               the same, which is there already
    FOLDER, FILE                              the user's own

What a folder may hold, one file or folder for each language:

    *_<language>.tsv, <language>.tsv          MGSM's layout: question<TAB>answer, without a header; line k is problem k
    <language>/<part>.jsonl (.parquet)        PolyMath's: id, question, answer
    <language>.jsonl, .parquet                the same, or MMLU-ProX's: question, option_0 ..., answer, question_id

A file is one of those, with the language in its name, or rows in the format of `pbrlsvr prepare`: `prompt`,
`reward_model.ground_truth`, `extra_info.language`, whose prompts are asked as they are.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.languages import known_tag, parse
from pbrlsvr.tables import ENDINGS, Malformed, ending, records, shown_columns
from pbrlsvr_plugin.prepare.load.mapping import lookup, options_of, text_of, with_options

Message = dict[str, str]

_OPTIONS = tuple(f"option_{place}" for place in range(10))
_IDS = ("question_id", "id")


@dataclass(frozen=True, slots=True)
class Question:
    """One problem in one language.

    Attributes:
        data: the data set.
        language: a BCP-47 code.
        problem: what names the problem in all languages of the data set.
        text: the question, with its options.
        truth: the right answer.
        messages: the prompt as the data have it; None where it is made of the question.
    """

    data: str
    language: str
    problem: str
    text: str
    truth: str
    messages: tuple[tuple[tuple[str, str], ...], ...] | None = None

    @property
    def id(self) -> str:
        return f"{self.data}/{self.language}/{self.problem}"

    @property
    def numeric(self) -> bool:
        """The answer is a number, so that lm-evaluation-harness's filters for MGSM apply."""
        return bool(re.fullmatch(r"-?[\d.,]*\d", self.truth))


def read_questions(data: str, place: Path, languages: Sequence[str] = (), limit: int | None = None) -> list[Question]:
    """The questions of a folder or a file: in these languages, and of the first `limit` problems, the same in each.

    Raises:
        DataError: a row cannot be read, with its place.
        ConfigError: there is nothing that can be read, or a language is not there.
    """
    files = language_files(place) if place.is_dir() else [(_language_in(place.name), "", place)]
    known = {language for language, *_ in files if language}
    if place.is_dir() and (absent := [one for one in languages if one not in known]):
        raise ConfigError(f"{data}: there is nothing in {absent[0]!r} in {str(place)!r}; it has {sorted(known)}")
    found: list[Question] = []
    for language, part, file in files:
        if not languages or language in languages or place.is_file():
            asked = _questions(data, language, part, file)
            found += [each for each in asked if not languages or each.language in languages]
    if not found:
        raise DataError(f"{data}: {str(place)!r} has no question" + (f" in {list(languages)}" if languages else ""))
    _require_once(found, place)
    return _first(found, limit)


def language_files(folder: Path) -> list[tuple[str, str, Path]]:
    """Language, part and path of each file of a folder, in order; a part is a file in a language's folder.

    Raises:
        ConfigError: there is none.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (language := known_tag(path.name)):
            files = [file for file in sorted(path.iterdir()) if ending(file)]
            found += [(language, file.name.partition(".")[0] if len(files) > 1 else "", file) for file in files]
        elif path.is_file() and ending(path) and (language := _language_in(path.name)):
            found.append((language, "", path))
    if not found:
        names = sorted(path.name for path in folder.iterdir())[:10]
        raise ConfigError(
            f"the folder {str(folder)!r} has no file or folder named for a language, such as 'mgsm_sw.tsv', 'sw.jsonl' "
            f"or 'sw/'; it has {names}"
        )
    return found


def _questions(data: str, language: str, part: str, file: Path) -> Iterator[Question]:
    if not ending(file):
        raise ConfigError(f"{str(file)!r} has none of the endings {list(ENDINGS)}, which say how it is read")
    headless = ending(file) == ".tsv"
    for number, (line, row) in enumerate(records(file, ("question", "answer") if headless else ()), start=1):
        place = f"{file.name}:{line}"
        if isinstance(row, Malformed):
            raise DataError(f"{place}: {row.detail}")
        try:
            question = _of_ours(data, row) if "prompt" in row else _of_row(data, language, part, row, number)
        except KeyError as error:
            raise DataError(
                f"{place}: there is no column {error.args[0]!r}; it has {shown_columns([*row])}. A question needs "
                "question and answer, or prompt, reward_model.ground_truth and extra_info.language"
            ) from error
        except DataError as error:
            raise DataError(f"{place}: {error}") from error
        if not question.text.strip() or not question.truth.strip():
            raise DataError(f"{place}: the question {question.text[:60]!r} has the answer {question.truth[:60]!r}")
        yield question


def _of_row(data: str, language: str, part: str, row: dict[str, Any], number: int) -> Question:
    language = language or parse(text_of(lookup(row, "language")))
    options = options_of(row, "options" if "options" in row else _OPTIONS)
    name = next((text_of(row[column]) for column in _IDS if text_of(row.get(column))), str(number))
    # PolyMath's ids name the language, "high-sw-0".
    name = re.sub(rf"(?<![^-_]){re.escape(language)}[-_]", "", name)
    problem = f"{part}/{name}" if part and not name.startswith(part) else name
    text = text_of(lookup(row, "question"))
    return Question(
        data, language, problem, with_options(text, options) if options else text, text_of(lookup(row, "answer"))
    )


def _of_ours(data: str, row: dict[str, Any]) -> Question:
    prompt = row["prompt"]
    if not isinstance(prompt, list) or not prompt or not all(isinstance(each, dict) for each in prompt):
        raise DataError(f"prompt={prompt!r:.80} is no list of messages")
    info = row.get("extra_info") or {}
    language = parse(text_of(lookup(row, "extra_info.language")))
    problem = next((text_of(info[key]) for key in ("problem", "id", "index") if text_of(info.get(key))), "")
    if not problem:
        raise DataError("extra_info has neither problem, id nor index")
    messages = tuple(tuple((key, text_of(value)) for key, value in each.items()) for each in prompt)
    text = text_of(info.get("question")) or text_of(prompt[-1].get("content"))
    return Question(data, language, problem, text, text_of(lookup(row, "reward_model.ground_truth")), messages)


def _require_once(questions: Sequence[Question], place: Path) -> None:
    seen: set[str] = set()
    for each in questions:
        if each.id in seen:
            raise DataError(
                f"{str(place)!r} has the problem {each.problem!r} twice in {each.language!r}; "
                "give each problem an id of its own (extra_info.problem, or the column id)"
            )
        seen.add(each.id)


def _first(questions: list[Question], limit: int | None) -> list[Question]:
    if limit is None:
        return questions
    kept = set(list(dict.fromkeys(each.problem for each in questions))[:limit])
    return [each for each in questions if each.problem in kept]


def _language_in(name: str) -> str:
    """The language in the name of a file: "mgsm_sw.tsv", "sw.jsonl"; "" for none."""
    stem = name.partition(".")[0]
    return known_tag(stem) or known_tag(stem.rpartition("_")[2]) or known_tag(stem.rpartition("-")[2])
