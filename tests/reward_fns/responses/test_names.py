"""A name behind a word that concludes is the answer of a last sentence without a number."""

import pytest

from pbrlsvr.responses.spans import split


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Marie Curie", "So it was Marie Curie."),
        ("James Joyce", "Therefore, the author of “Dubliners” is James Joyce."),
        ("Canberra", "Hence the capital is Canberra, which was founded for it."),
        ("Тарас Шевченко", "Тож автором «Кобзаря» є Тарас Шевченко."),
        ("Mikołaj Kopernik", "Zatem był to Mikołaj Kopernik."),
        ("Nguyễn Du", "Tóm lại, tác giả của Truyện Kiều là Nguyễn Du."),
        ("Νίκος Καζαντζάκης", "Συνεπώς, το μυθιστόρημα «Αλέξης Ζορμπάς» το έγραψε ο Νίκος Καζαντζάκης."),
        ("Petőfi Sándor", "A vers szerzője tehát Petőfi Sándor volt."),
        ("Jean Sibelius", "Finlandian säveltäjä on siten Jean Sibelius."),
    ],
)
def test_a_name_that_is_concluded_is_read(name: str, sentence: str) -> None:
    assert split(f"It is one of three.\n\n{sentence}").answer == name


@pytest.mark.parametrize(
    "sentence",
    [
        "So it was not Marie Curie.",
        "So was it Marie Curie?",
        "So it was Marie Curie or Lise Meitner.",
        "So it may be Marie Curie.",
        "So if it was in Paris, it was Marie Curie.",
        "So Anna and Ben meet in Rome and go to Paris together with the others.",
        "So, next we ask what Anna gives to Ben.",
        "Therefore, the book says it is Canberra.",
        "So it was Marie Curie. Wait, that is wrong.",
        "It was Marie Curie.",
        "So she earns 18 dollars in Paris, or 20.",
    ],
)
def test_a_name_that_is_not_is_none(sentence: str) -> None:
    assert split(f"It is one of three.\n\n{sentence}").answer == ""
