"""Of problems that say the same the first stays; near duplicates are those of an exhaustive comparison."""

import random

import numpy as np
import pytest

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.prepare.export.duplicates import DuplicateOptions, find_duplicates
from pbrlsvr_plugin.prepare.export.minhash import NearDuplicates, bands_and_rows, jaccard, normal_form, shingles
from pbrlsvr_plugin.prepare.stage import new_row

STORY = "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins with four."


def rows(*texts):
    return [new_row(problem=f"p{i}", english=text) for i, text in enumerate(texts)]


def found(texts, folder, **options):
    return find_duplicates(rows(*texts), DuplicateOptions(**options), folder)


def test_the_same_words_in_another_case_and_punctuation_are_a_duplicate_of_the_first(tmp_path):
    texts = ["Something else entirely.", STORY, STORY.upper().replace(".", " ;"), f"  {STORY}"]
    reason = ("duplicate", "the same as problem 'p1'")
    assert found(texts, tmp_path) == {"p2": reason, "p3": reason}


def test_a_changed_word_is_a_near_duplicate_and_says_how_near(tmp_path):
    texts = [STORY, STORY.replace("Janet", "Janette")]
    ours, theirs = (shingles(normal_form(text), 5) for text in texts)
    near = f"{jaccard(ours, theirs):.2f}"
    assert 0.8 < float(near) < 1
    assert found(texts, tmp_path) == {"p1": ("near_duplicate", f"{near} like problem 'p0'")}


def test_the_same_story_with_other_numbers_is_another_problem_unless_asked_otherwise(tmp_path):
    texts = [STORY, STORY.replace("16", "18")]
    assert found(texts, tmp_path) == {}
    assert found(texts, tmp_path, same_numbers=False).keys() == {"p1"}


@pytest.mark.parametrize(
    ("one", "other"),
    [("What is 3 + 5?", "What is 3 - 5?"), ("Solve x^2 = 4.", "Solve x2 = 4."), ("It is 1.5 m.", "It is 15 m.")],
)
def test_other_operators_and_marks_make_another_problem(one, other, tmp_path):
    assert found([one, other], tmp_path, near=False) == {}


def test_either_kind_can_be_left_in(tmp_path):
    texts = [STORY, STORY, STORY.replace("Janet", "Janette")]
    assert found(texts, tmp_path, near=False).keys() == {"p1"}
    assert found(texts, tmp_path, exact=False).keys() == {"p1", "p2"}
    assert found(texts, tmp_path, exact=False, near=False) == {}


def test_a_problem_is_compared_once_however_many_languages_it_has(tmp_path):
    languages = [new_row(problem="p", english=STORY, language=code) for code in ("es", "de", "sw")]
    assert find_duplicates(languages, DuplicateOptions(), tmp_path) == {}


def test_without_an_english_text_the_question_is_compared(tmp_path):
    same = [new_row(problem=name, question="¿Cuántos huevos?") for name in "ab"]
    assert find_duplicates(same, DuplicateOptions(), tmp_path).keys() == {"b"}


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_an_exhaustive_comparison_finds_the_same_pairs(threshold, tmp_path):
    """400 texts, 150 of them with 1 to 12 words of another one replaced, so that similarities of all sizes occur."""
    chance = random.Random(1)
    words = [f"{a}{b}{c}" for a in "bdklmnrt" for b in "aeiou" for c in ("n", "rt", "sk", "l")]
    texts = [" ".join(chance.choices(words, k=40)) for _ in range(250)]
    for _ in range(150):
        copy = chance.choice(texts).split()
        for place in chance.sample(range(40), min(chance.randint(1, 12), chance.randint(1, 12))):
            copy[place] = chance.choice(words)
        texts.append(" ".join(copy))
    near = NearDuplicates(threshold, tmp_path)
    for text in texts:
        near.add(text)
    pairs = list(near.duplicates())

    sets = [shingles(text, 5) for text in texts]
    kept, expected = [], set()
    for index, own in enumerate(sets):
        if any(jaccard(own, sets[other]) >= threshold for other in kept):
            expected.add(index)
        else:
            kept.append(index)
    got = {pair.place for pair in pairs}
    assert len(expected) > 15
    # Every one found is one; at most 1 in 100 pairs at the threshold itself may be missed.
    assert got <= expected
    assert len(got) >= 0.98 * len(expected)
    assert all(pair.first not in got and pair.similarity >= threshold for pair in pairs)
    assert [pair.place for pair in pairs] == sorted(got)


@pytest.mark.parametrize("threshold", np.linspace(0.3, 1, 15))
def test_the_bands_find_a_pair_at_the_threshold_99_times_in_100(threshold):
    bands, size = bands_and_rows(float(threshold))
    assert bands * size <= 128
    assert 1 - (1 - threshold**size) ** bands >= 0.99


def test_the_threshold_has_a_range():
    with pytest.raises(ConfigError, match=r"^threshold=0.1 must be a number of 0.3 or more and of 1 or less"):
        DuplicateOptions(threshold=0.1)
