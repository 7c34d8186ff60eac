"""Regular expressions answer in bounded time, and as Python's matcher would."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.fhirpath import FHIRPathError, compile  # noqa: A004
from fhir_bridge.fhir.fhirpath.regexes import NotLinear, linear, pattern

_ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\s", r"\b", "^", "$", r"\."])
PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda p: f"({p[0]}|{p[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{1,3}", "{2}", "*?", "{0,}"])).map(
            lambda p: f"(?:{p[0]}){p[1]}"
        ),
    ),
    max_leaves=8,
)


@given(PATTERNS, st.text(alphabet="ab .\n_", max_size=10))
@settings(max_examples=400)
def test_re2_answers_as_pythons_matcher(text: str, subject: str) -> None:
    plain = re.compile(text, re.DOTALL)
    for full, match in ((False, plain.search), (True, plain.fullmatch)):
        try:
            compiled = linear(text, full)
        except NotLinear:
            continue
        result = (compiled.fullmatch if full else compiled.search)(subject.encode())
        assert (result is not None) is (match(subject) is not None)


@pytest.mark.parametrize(
    "text",
    [
        r"\w+",
        r"[\w.]+",
        r"\W",
        r"[\W_]",
        r"[^\w]",
        r"[^\W]",
        r"\d",
        r"[^\d]",
        r"\s",
        r"\S+",
        r"[\s\d]",
        "(?i)é+",
        "[à-é]",
        ".",
    ],
)
def test_re2_has_pythons_classes_of_characters(text: str) -> None:
    plain = re.compile(text, re.DOTALL)
    for code in [
        *range(0x250),
        *range(0x660, 0x66A),
        0x1680,
        0x2003,
        0x2028,
        0x3000,
        0x4E00,
        0x1D7D8,
        0x1F600,
    ]:
        subject = chr(code)
        result = linear(text, True).fullmatch(subject.encode())
        assert (result is not None) is (plain.fullmatch(subject) is not None), hex(code)


@pytest.mark.parametrize("text", ["(a+)+$b", r"(a)\1", "(?<=a)b", "(?m)^a", "[^\\W_]", "a{2000}", "(?>a+)b"])
def test_what_re2_has_no_form_for_is_known(text: str) -> None:
    with pytest.raises(NotLinear):
        linear(text, False)


def test_boundaries_of_words_beyond_ascii_are_left_to_pythons_matcher() -> None:
    assert compile("'né à'.matches('\\\\bà\\\\b')").evaluate({}) == [True]
    with pytest.raises(FHIRPathError, match="could take too long"):
        pattern(r"(\w+)+\b$").search("é" * 3000 + "!")
    assert pattern(r"(\w+)+\b$").search("e" * 3000 + "!") is False
    with pytest.raises(FHIRPathError, match="could take too long"):
        pattern(r"(a+)+$").search("a" * 3000 + "\ud800")


@pytest.mark.parametrize(
    "text", ["(a+)+$", "(a|a)+$", "(a|aa)+$", "(.*)*x", ".*.*.*.*x", "(a?){30}a{30}c", "((a+)(a+))+$"]
)
def test_patterns_that_explode_are_answered(text: str) -> None:
    assert compile(f"'{'a' * 3000}b'.matches('{text}')").evaluate({}) == [False]


@pytest.mark.parametrize("text", [r"(a+)+\\1$", "(?=(a+)+)x", "(a+)+?(?<!b)$"])
def test_patterns_that_explode_and_are_no_regular_language_are_refused(text: str) -> None:
    with pytest.raises(FHIRPathError, match="could take too long"):
        compile(f"'{'a' * 3000}b'.matches('{text}')").evaluate({})


def test_a_substitution_that_could_explode_is_refused() -> None:
    with pytest.raises(FHIRPathError, match="could take too long"):
        compile(f"'{'a' * 3000}b'.replaceMatches('(a+)+$', 'x')").evaluate({})
    assert compile("'11/30/1972'.replaceMatches('\\\\b(\\\\d+)/(\\\\d+)/(\\\\d+)', '$2-${1}-$3')").evaluate(
        {}
    ) == ["30-11-1972"]


@pytest.mark.parametrize("text", ["(", "[a", "*", "a{2,1}", "(" * 5000])
def test_what_is_no_pattern_is_reported(text: str) -> None:
    with pytest.raises(FHIRPathError, match="regular expression"):
        pattern(text)


def test_a_substitution_that_looks_like_a_group_is_one_only_with_plain_digits() -> None:
    def replaced(new: str) -> list[str]:
        results: list[str] = compile(f"'ab'.replaceMatches('(a)', '{new}')").evaluate({})
        return results

    assert replaced("[$1]") == replaced("[${1}]") == ["[a]b"]
    assert replaced("$²") == ["$²b"]
    with pytest.raises(FHIRPathError, match="names a group that the pattern hasn't"):
        replaced("${²}")
    assert replaced("${}${") == ["${}${b"]
