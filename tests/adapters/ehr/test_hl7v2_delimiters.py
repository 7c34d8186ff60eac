"""Delimiters and escapes (HL7 v2.5.1 §2.5.4, §2.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.adapters.ehr.hl7v2 import STANDARD, Delimiters, escape, unescape

OTHER = Delimiters.declared("#", "*$!%")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        (r"\X48C3A4\mmoglobin", "Hämmoglobin"),
        (r"first\.br\second", "first\nsecond"),
        (r"first\X0D\second", "first\nsecond"),
        (r"first\X0D0A\second", "first\nsecond"),
        (r"\H\important\N\ text", "important text"),
        (r"a\.sp2\b", "a\n\nb"),
        (r"\.in+4\indented", "indented"),
        (r"C:\temp\file", r"C:\temp\file"),
        (r"50 \ 60", r"50 \ 60"),
        (r"local \Z12\ stays", r"local \Z12\ stays"),
        (r"a lone \ before \T\ resolves", r"a lone \ before & resolves"),
        (r"\XZZ\ is not hexadecimal", r"\XZZ\ is not hexadecimal"),
        (r"ends with \T\.br\x", "ends with &.br\\x"),
    ],
)
def test_escape_sequences(written: str, read: str) -> None:
    assert unescape(written, STANDARD) == read


def test_hexadecimal_bytes_are_of_the_messages_character_set() -> None:
    assert unescape(r"H\XE4\m", STANDARD._replace(charset="latin-1")) == "Häm"


def test_truncation_character_of_version_2_7() -> None:
    seven = Delimiters.declared("|", "^~\\&#")
    assert seven.truncation == "#"
    assert unescape(r"a\P\b", seven) == "a#b"


def test_doubled_backslash_of_a_careless_sender_is_one() -> None:
    assert Delimiters.declared("|", "^~\\\\&") == STANDARD


def test_missing_encoding_characters_split_nothing() -> None:
    short = Delimiters.declared("|", "^")
    assert "&" not in short
    assert unescape("a\\T\\b", short) == "a\\T\\b"


@pytest.mark.parametrize("characters", ["", "  ", "^^", "^~\\^", "|~\\&"])
def test_unusable_encoding_characters_are_refused(characters: str) -> None:
    with pytest.raises(ValueError, match="MSH-"):
        Delimiters.declared("|", characters)


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00\r"))


@given(TEXT)
def test_what_is_escaped_comes_back(text: str) -> None:
    assert unescape(escape(text), STANDARD) == text
    assert unescape(escape(text, OTHER), OTHER) == text


@given(TEXT)
def test_escaped_text_holds_no_delimiter(text: str) -> None:
    escaped = escape(text)
    assert not set("|^~&\n\r") & set(escaped)


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_is_unescaped_without_error(text: str) -> None:
    unescape(text, STANDARD)
