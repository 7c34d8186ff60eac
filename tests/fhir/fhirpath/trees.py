"""Hypothesis strategies: FHIRPath syntax trees, and Boolean expressions of the three truth values."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from fhir_bridge.fhir.fhirpath.syntax import (
    PRECEDENCE,
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    Node,
    Null,
    Special,
    TypeTest,
    Unary,
    Variable,
)

NAMES = st.one_of(
    st.sampled_from(
        [
            "name",
            "given",
            "Patient",
            "is",
            "as",
            "contains",
            "in",
            "div",
            "mod",
            "and",
            "day",
            "true",
            "a b",
            "x`y",
        ]
    ),
    st.text(min_size=1, max_size=6),
)
TEXTS = st.text(max_size=8)

LITERALS: st.SearchStrategy[Node] = st.one_of(
    st.booleans().map(lambda v: Literal("Boolean", v)),
    TEXTS.map(lambda v: Literal("String", v)),
    st.integers(0, 10**12).map(lambda v: Literal("Integer", v)),
    st.decimals(0, 10**9, places=3).map(lambda v: Literal("Decimal", v)),
    st.tuples(st.decimals(0, 10**6, places=1), TEXTS).map(lambda v: Literal("Quantity", (v[0], v[1], False))),
    st.sampled_from(["day", "weeks", "year"]).map(lambda v: Literal("Quantity", (Decimal(4), v, True))),
    st.sampled_from(["2015", "2015-02", "2015-02-04"]).map(lambda v: Literal("Date", v)),
    st.sampled_from(["2015T", "2015-02-04T14:34:28.123+10:00"]).map(lambda v: Literal("DateTime", v)),
    st.sampled_from(["T14", "T14:30:00.5"]).map(lambda v: Literal("Time", v)),
    st.just(Null()),
    st.sampled_from(["this", "index", "total"]).map(Special),
    NAMES.map(Variable),
    NAMES.map(lambda name: Member(None, name)),
)


def _larger(smaller: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    operators = [o for o in PRECEDENCE if o not in ("is", "as")]
    types = st.sampled_from(["Patient", "FHIR.string", "System.Integer", "System.a b"])
    return st.one_of(
        st.builds(Member, smaller, NAMES),
        st.builds(Call, st.one_of(st.none(), smaller), NAMES, st.lists(smaller, max_size=3).map(tuple)),
        st.builds(Indexer, smaller, smaller),
        st.builds(Unary, st.sampled_from("+-"), smaller),
        st.builds(Binary, st.sampled_from(operators), smaller, smaller),
        st.builds(TypeTest, st.sampled_from(["is", "as"]), smaller, types),
    )


TREES: st.SearchStrategy[Node] = st.recursive(LITERALS, _larger, max_leaves=12)

TRUTHS = st.recursive(
    st.sampled_from(["true", "false", "{}"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "xor", "implies"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda t: f"({t}).not()"),
    ),
    max_leaves=8,
)
"""Text of Boolean expressions."""

COLLECTIONS = st.lists(
    st.sampled_from(["1", "2", "3", "1.0", "'a'", "'b'", "@2015", "@2015-02", "true"]), max_size=5
).map(lambda items: "(" + (" | ".join(items) or "{}") + ")")
"""Text of collections."""
