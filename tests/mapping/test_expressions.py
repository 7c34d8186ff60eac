"""Expressions are read as the grammar in docs/mapping-language.md says."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.grammar import ExpressionError, tokenize

HL7 = r"[A-Z][A-Z0-9]{2}-\d+(?:\.\d+)*"


def shown(text: str) -> str:
    return ex.unparse(ex.parse(text, HL7))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OBX-5", "OBX-5"),
        ("OBX-3.1 | upper | trim()", "trim(upper(OBX-3.1))"),
        ("a or b and not c == d", "a or (b and (not (c == d)))"),
        ("1 + 2 * 3", "(1) + ((2) * (3))"),
        ("-1 - -2", "(-1) - (-2)"),
        ("'x' if a else b | f", "'x' if a else f(b)"),
        ("a if b else c if d else e", "a if b else (c if d else e)"),
        ("a == 'x' | f(k=1)", "f(a == 'x', k=1)"),
        ("a not in ['x', null, 1.50]", "a not in ['x', null, 1.50]"),
        ("row.`Temp °C`", "row.`Temp °C`"),
        ("outer.OBR-29.2.1", "outer.OBR-29.2.1"),
        ("r.1.2[0].name", "r.1.2[0].name"),
        ("private('SIEMENS', 0x0019)", "private('SIEMENS', 25)"),
        ("'it''s'", "'it''s'"),
        ("f(else='keep', to=[a])", "f(else='keep', to=[a])"),
    ],
)
def test_grammar(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("", 0, "an expression is missing here"),
        ("a b", 2, '"b" is not expected here'),
        ("a = b", 2, '"=" is not expected here'),
        ("a-b", 1, '"-" needs spaces around it'),
        ("a < b < c", 6, "comparisons do not chain"),
        ("'open", 0, "a text without its closing quote"),
        ('"x"', 0, "texts are in single quotes"),
        ("f(a", 3, "a comma or closing parenthesis is missing: the expression ends here"),
        ("f(k=1, 2)", 7, "arguments without name are before named ones"),
        ("f(k=1, k=2)", 7, 'the argument "k" is given twice'),
        ("a | 1", 4, "a function must follow the pipe"),
        ("x if y", 6, "`if` needs an `else`: the expression ends here"),
        ("a.(b)", 2, "a name must follow the point"),
        ("12abc", 0, "a number that runs into a name"),
        ("a.b(c)", 3, "only a function's name can be called"),
        ("a && b", 2, "& is not an operator"),
    ],
)
def test_what_cannot_be_read_is_reported_with_its_place(text: str, offset: int, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        ex.parse(text, HL7)
    assert (raised.value.offset, raised.value.message) == (offset, message)


def test_a_selector_is_one_token_and_a_subtraction_is_not() -> None:
    assert [token.kind for token in tokenize("OBX-5 - OBX-6.1", HL7)] == [
        "selector",
        "operator",
        "selector",
        "end",
    ]
    assert isinstance(ex.parse("NTE-3", HL7), ex.Selector)


def test_for_of_a_node_is_a_name_and_an_expression() -> None:
    name, tree = ex.parse_loop("r in OBX-8", HL7)
    assert (name, ex.unparse(tree)) == ("r", "OBX-8")
    with pytest.raises(ExpressionError, match="written `name in expression`"):
        ex.parse_loop("OBX-8", HL7)


names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True).filter(
    lambda name: name not in {"and", "or", "not", "in", "if", "else", "true", "false", "null"}
)
literals = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 10**9),
    st.decimals(0, 10**6, places=3),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
).map(lambda value: ex.Literal(0, 0, value))
leaves = literals | names.map(lambda name: ex.Name(0, 0, name)) | st.just(ex.Selector(0, 0, "OBX-5.1"))


def _branches(inner: st.SearchStrategy[ex.Expression]) -> st.SearchStrategy[ex.Expression]:
    pairs = st.tuples(names, inner)
    return st.one_of(
        st.lists(inner, max_size=3).map(lambda items: ex.ListOf(0, 0, tuple(items))),
        st.tuples(inner, names).map(lambda pair: ex.Attribute(0, 0, *pair)),
        st.tuples(inner, st.integers(0, 20)).map(lambda pair: ex.Attribute(0, 0, *pair)),
        st.tuples(inner, inner).map(lambda pair: ex.Index(0, 0, *pair)),
        st.builds(
            lambda name, items, named: ex.Call(0, 0, name, tuple(items), tuple(named)),
            names,
            st.lists(inner, max_size=2),
            st.lists(pairs, max_size=2, unique_by=lambda pair: pair[0]),
        ),
        inner.map(lambda item: ex.Unary(0, 0, "not", item)),
        st.builds(
            lambda operator, left, right: ex.Binary(0, 0, operator, left, right),
            st.sampled_from(["==", "!=", "<", ">=", "in", "not in", "and", "or", "+", "-", "*", "/"]),
            inner,
            inner,
        ),
        st.builds(lambda a, b, c: ex.Conditional(0, 0, a, b, c), inner, inner, inner),
    )


@given(st.recursive(leaves, _branches, max_leaves=12))
def test_a_tree_written_and_read_again_is_the_same(tree: ex.Expression) -> None:
    assert ex.parse(ex.unparse(tree), HL7) == tree


@given(st.text(max_size=40) | st.text("abOBX-5.|()[],='`<!+ 1", max_size=30))
def test_junk_is_refused_with_a_place_and_never_crashes(text: str) -> None:
    tree, offset = None, 0
    try:
        tree = ex.parse(text, HL7)
    except ExpressionError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)
    if tree is not None:
        assert ex.parse(ex.unparse(tree), HL7) == tree


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ExpressionError, match="too deep"):
        ex.parse("(" * 500 + "a" + ")" * 500)


def test_decimals_keep_their_digits() -> None:
    tree = ex.parse("1.50")
    assert isinstance(tree, ex.Literal)
    assert str(tree.value) == str(Decimal("1.50"))
