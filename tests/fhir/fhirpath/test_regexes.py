"""Regular expressions answer in bounded time, and as Python's matcher would."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.fhirpath import FHIRPathError, compile  # noqa: A004
from fhir_bridge.fhir.fhirpath.regexes import _automaton, pattern
from fhir_bridge.fhir.fhirpath.states import NoAutomaton

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
def test_states_answer_as_pythons_matcher(text: str, subject: str) -> None:
    plain = re.compile(text, re.DOTALL)
    try:
        automaton = _automaton(text)
    except NoAutomaton:
        return
    assert automaton.run(subject, anywhere=True) == (plain.search(subject) is not None)
    assert automaton.run(subject, anywhere=False) == (plain.fullmatch(subject) is not None)


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
def test_what_is_no_pattern_is_told(text: str) -> None:
    with pytest.raises(FHIRPathError, match="regular expression"):
        pattern(text)


def test_a_substitution_that_looks_like_a_group_is_one_only_with_plain_digits() -> None:
    def replaced(new: str) -> list[str]:
        found: list[str] = compile(f"'ab'.replaceMatches('(a)', '{new}')").evaluate({})
        return found

    assert replaced("[$1]") == replaced("[${1}]") == ["[a]b"]
    assert replaced("$²") == ["$²b"]
    with pytest.raises(FHIRPathError, match="names a group that the pattern hasn't"):
        replaced("${²}")
    assert replaced("${}${") == ["${}${b"]
