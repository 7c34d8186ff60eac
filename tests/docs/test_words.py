"""Which names follow the glossary of CONTRIBUTING.md; `make check` asks it of all."""

import pytest

from scripts import check_words


@pytest.mark.parametrize("name", ["found", "EnoughFound", "_told", "at_hand", "JUDGES", "made_of"])
def test_a_word_of_the_dialect_is_reported(name: str) -> None:
    assert check_words.is_dialect(name)


@pytest.mark.parametrize("name", ["results", "foundation", "FileNotFoundError", "makers", "hand_over"])
def test_other_names_are_not(name: str) -> None:
    assert not check_words.is_dialect(name)
