"""Numbering of hierarchies: "is below" by intervals is what walking the parents says."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.terminology.store.hierarchy import Hierarchy, number


def packed(edges: Iterable[tuple[int, int]]) -> list[int]:
    return [child << 32 | parent for child, parent in edges]


def below(hierarchy: Hierarchy, code: int, ancestor: int) -> bool:
    n, low = hierarchy.number_of[code], hierarchy.number_of[ancestor]
    if low <= n < hierarchy.end[low]:
        return True
    return low in hierarchy.extra and bisect_right(hierarchy.extra[low], n) % 2 == 1


@st.composite
def acyclic(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    count = draw(st.integers(1, 25))
    order = draw(st.permutations(range(count)))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges = draw(st.lists(pairs.filter(lambda item: item[0] != item[1]), max_size=60))
    return count, [(order[max(pair)], order[min(pair)]) for pair in edges]


@given(acyclic())
def test_a_concept_is_below_exactly_its_ancestors(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    count, edges = drawn
    hierarchy = number(count, packed(edges))
    assert hierarchy.covered
    assert not hierarchy.dropped
    for code in range(count):
        ancestors, waiting = {code}, [code]
        while waiting:
            current = waiting.pop()
            above = [parent for child, parent in edges if child == current and parent not in ancestors]
            ancestors.update(above)
            waiting.extend(above)
        assert {item for item in range(count) if below(hierarchy, code, item)} == ancestors


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))
    )
)
def test_circles_are_opened_and_reported(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    count, edges = drawn
    hierarchy = number(count, packed(edges))
    assert sorted(hierarchy.number_of) == list(range(count))
    assert set(hierarchy.dropped) <= set(edges)
    left = set(edges) - set(hierarchy.dropped)
    assert not number(count, packed(left)).dropped


def test_a_chain_of_any_depth_takes_one_interval_a_concept() -> None:
    count = 50_000
    hierarchy = number(count, packed((n, n - 1) for n in range(1, count)))
    assert not hierarchy.extra
    assert below(hierarchy, count - 1, 0)
    assert not below(hierarchy, 0, count - 1)


def test_children_and_parents_keep_the_order_of_the_source() -> None:
    hierarchy = number(4, packed([(1, 0), (2, 0), (3, 1), (3, 2)]))
    at = hierarchy.concept_at
    assert [at[n] for n in hierarchy.children[hierarchy.number_of[0]]] == [1, 2]
    assert [at[n] for n in hierarchy.parents[hierarchy.number_of[3]]] == [1, 2]
    assert [at[n] for n in hierarchy.roots] == [0]
