"""FHIRPath text and its tree: what is read, what is refused, and within which bounds."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.fhirpath import FHIRPathError, compile, parse, unparse  # noqa: A004
from fhir_bridge.fhir.fhirpath.lexer import MAX_LENGTH
from fhir_bridge.fhir.fhirpath.parser import MAX_NESTING
from fhir_bridge.fhir.fhirpath.syntax import Node
from tests.fhir.fhirpath.trees import TREES


@given(TREES)
@settings(max_examples=300)
def test_a_tree_written_as_text_is_read_as_the_same_tree(tree: Node) -> None:
    assert parse(unparse(tree)) == tree


FRAGMENTS = st.sampled_from(
    ["name", "(", ")", ".", "where(", "'a'", "'", "`", "|", " and ", "@2015-13", "@T25", "%", "$this", "{", "}", "[0]",
     "1 day", "1 'mg'", "//", "/*", "*/", "-", " is ", "FHIR.", "\\", "\u0000", "=", "!~", "exists()", " ", "9" * 70]
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(FRAGMENTS, max_size=14).map("".join)))
@example("@2015-02-30")
@example("'\\q'")
@example("a.b(")
@settings(max_examples=500)
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    error = None
    try:
        compile(text)
    except FHIRPathError as caught:
        error = caught
    assert error is None or (error.problem and -1 <= error.position <= len(text))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1 + 2 * 3", "1 + 2 * 3"),
        ("(1 + 2) * 3", "(1 + 2) * 3"),
        ("-1.abs()", "-1.abs()"),
        ("(-1).abs()", "(-1).abs()"),
        ("a or b and c", "a or b and c"),
        ("(a or b) and c", "(a or b) and c"),
        ("a implies b implies c", "a implies b implies c"),
        ("a implies (b implies c)", "a implies (b implies c)"),
        ("1 > 2 is Boolean", "1 > 2 is Boolean"),
        ("a | b as Quantity", "a | b as Quantity"),
        ("a.contains('x') in b", "a.`contains`('x') in b"),
        ("%`vs-x`", "%`vs-x`"),
        ("a // comment\n + b /* and\n another */", "a + b"),
        ("`a b`.`is`", "`a b`.`is`"),
        ("'it\\'s \\u0041'", "'it\\'s A'"),
        ("a.sort(b desc, c asc)", "a.sort(-b, c)"),
    ],
)
def test_operators_bind_as_n1_says(text: str, tree: str) -> None:
    assert unparse(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "found the end, expected an expression"),
        ("name.", "expected an element or a function"),
        ("name given", "expected the end of the expression"),
        ("name[0", "expected ']'"),
        ("where(a = 1", "expected ',' or ')'"),
        ("name.whre(true)", "did you mean where()?"),
        ("name.first(1)", "first() takes 0 arguments, found 1"),
        ("name.ofType(Patientt)", "there is no type Patientt"),
        ("name is FHIR.Patientt", "there is no type FHIR.Patientt"),
        ("@2015-02-30", "@2015-02-30 is no Date"),
        ("@T25:00", "@T25:00 is no Time"),
        ("'abc", "a string without end"),
        ("'\\q'", "\\q is no escape"),
        ("1 /* never ends", "a comment without end"),
        ("#", "begins nothing that FHIRPath knows"),
        ("a.$this", "expected an element or a function"),
        ("{1}", "the empty collection is written {}"),
        ("a = = b", "expected an expression"),
    ],
)
def test_what_is_wrong_is_reported(text: str, problem: str) -> None:
    with pytest.raises(FHIRPathError) as caught:
        compile(text)
    assert problem in str(caught.value)


def test_nesting_has_a_bound_and_chains_have_none() -> None:
    with pytest.raises(FHIRPathError, match="nested deeper"):
        parse("(" * (MAX_NESTING + 2) + "1" + ")" * (MAX_NESTING + 2))
    with pytest.raises(FHIRPathError, match="nested deeper"):
        parse("-" * 5000 + "1")
    assert compile("1" + " + 1" * 3000).evaluate({}) == [3001]
    assert compile("iif(true" + " and true" * 3000 + ", 1, 2)").evaluate({}) == [1]
    assert compile("Patient" + ".first()" * 3000, "Patient").evaluate({"resourceType": "Patient"}) != []
    with pytest.raises(FHIRPathError, match=f"at most {MAX_LENGTH}"):
        parse("1" + " " * MAX_LENGTH)
