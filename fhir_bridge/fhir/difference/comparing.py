"""The places where two paired values differ: as few as can be found in a time that grows with their size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir.difference.forms import Form, Hole, evaluate, leaf
from fhir_bridge.fhir.difference.graphs import Graph
from fhir_bridge.fhir.difference.pairing import Pairing
from fhir_bridge.fhir.difference.results import ABSENT, Difference
from fhir_bridge.fhir.difference.shapes import parent_of, shape
from fhir_bridge.fhir.difference.similarity import alike, longest_rising

__all__ = ["Comparison"]


class Comparison:
    """Two sides whose nodes are paired."""

    def __init__(self, pairing: Pairing) -> None:
        self.pairing = pairing
        self.left, self.right = pairing.left, pairing.right
        self.settings = self.left.settings

    def nodes(self, left: int, right: int, path: str) -> Iterator[Difference]:
        """Differences of two resources that are a pair."""
        first, second = self.left.nodes[left].value, self.right.nodes[right].value
        assert first is not None
        assert second is not None
        yield from self.objects(first, second, str(first.get("resourceType", "")), left, right, path)

    # --- values ---------------------------------------------------------------------------------------------------

    def objects(
        self, left: dict[str, Any], right: dict[str, Any], parent: str, holder: int, other: int, path: str
    ) -> Iterator[Difference]:
        """Differences of two objects of one type that are in the nodes `holder` and `other`."""
        ours, theirs = self.left.kept(left, parent), self.right.kept(right, parent)
        here, there = frozenset(ours), frozenset(theirs)
        for name in dict.fromkeys((*ours, *theirs)):
            where = f"{path}.{name}" if path else name
            if name not in here:
                yield Difference(where, ABSENT, right[name])
            elif name not in there:
                yield Difference(where, left[name], ABSENT)
            else:
                kind, inner, ordered = shape(parent, name)
                a, b = left[name], right[name]
                if isinstance(a, list) and isinstance(b, list):
                    ordered = self.left.is_ordered(left, parent, name, declared=ordered)
                    ordered = ordered or self.right.is_ordered(right, parent, name, declared=False)
                    item = _Item(self, kind, inner, name, "", holder, other)
                    yield from item.lists(a, b, where, ordered=ordered)
                else:
                    item = _Item(self, kind, inner, name, parent, holder, other)
                    yield from item.values(a, b, where)


class _Item:
    """How the values of one property are compared."""

    def __init__(
        self, comparison: Comparison, kind: str, inner: str, name: str, parent: str, holder: int, other: int
    ) -> None:
        self.comparison = comparison
        self.kind, self.inner, self.name, self.parent = kind, inner, name, parent
        self.holder, self.other = holder, other

    def values(self, left: Any, right: Any, path: str) -> Iterator[Difference]:
        """Differences of two values."""
        if isinstance(left, dict) and isinstance(right, dict):
            yield from self._dicts(left, right, path)
        elif isinstance(left, list) and isinstance(right, list):
            yield from self.lists(left, right, path, ordered=True)
        elif isinstance(left, dict | list) or isinstance(right, dict | list) or not self._same(left, right):
            yield Difference(path, left, right)

    def _dicts(self, left: dict[str, Any], right: dict[str, Any], path: str) -> Iterator[Difference]:
        comparison = self.comparison
        holder, other = self.holder, self.other
        first, second = comparison.left.at.get(id(left)), comparison.right.at.get(id(right))
        if first is not None and second is not None:
            if not comparison.pairing.bind(first, second) and comparison.pairing.there.get(first) != second:
                yield Difference(path, left, right)
                return
            holder, other = first, second
            same = self._number(comparison.left, comparison.left.nodes[first].form) == self._number(
                comparison.right, comparison.right.nodes[second].form
            )
        else:
            same = self._of(comparison.left, left) == self._of(comparison.right, right)
        if not same:
            parent = parent_of(left, self.inner)
            yield from comparison.objects(left, right, parent, holder, other, path)

    def _same(self, left: Any, right: Any) -> bool:
        comparison = self.comparison
        if isinstance(left, str) and isinstance(right, str):
            first = comparison.left.reference(left, self.kind, self.name, self.parent, self.holder)
            second = comparison.right.reference(right, self.kind, self.name, self.parent, self.other)
            if first is not None and second is not None:
                return comparison.pairing.bind(first, second)
        settings = comparison.settings
        return leaf(left, self.kind, settings) == leaf(right, self.kind, settings)

    # --- lists ----------------------------------------------------------------------------------------------------

    def lists(self, left: list[Any], right: list[Any], path: str, *, ordered: bool) -> Iterator[Difference]:
        """Differences of two lists."""
        ours = [self._of(self.comparison.left, item) for item in left]
        theirs = [self._of(self.comparison.right, item) for item in right]
        if ours == theirs:
            return
        pairs = _in_order(ours, theirs) if ordered else _in_any_order(ours, theirs)
        rest_left = [n for n in range(len(left)) if n not in pairs]
        taken = set(pairs.values())
        rest_right = [n for n in range(len(right)) if n not in taken]
        if ordered:
            changed = _between(pairs, len(left), len(right))
        else:
            changed = self._versions(left, right, rest_left, rest_right)
        taken = set(changed.values())
        for number in rest_left:
            where = f"{path}[{number}]"
            if number in changed:
                yield from self.values(left[number], right[changed[number]], where)
            else:
                yield Difference(where, left[number], ABSENT)
        for number in rest_right:
            if number not in taken:
                yield Difference(f"{path}[{number}]", ABSENT, right[number])

    def _versions(
        self, left: list[Any], right: list[Any], ours: list[int], theirs: list[int]
    ) -> dict[int, int]:
        """Items that changed, with what they became."""
        results: dict[int, int] = {}
        pairing = self.comparison.pairing
        where = {self.comparison.right.node_in(right[n]): n for n in theirs}
        for number in ours:  # resources are paired already
            node = self.comparison.left.node_in(left[number])
            if node is not None:
                partner = where.get(pairing.there.get(node, -1))
                if partner is not None:
                    results[number] = partner
        taken = set(results.values())
        ours = [n for n in ours if n not in results]
        theirs = [n for n in theirs if n not in taken]
        pairs = alike(
            [left[n] for n in ours],
            [right[n] for n in theirs],
            pairing.reader(pairing.left, self.holder),
            pairing.reader(pairing.right, self.other),
        )
        results.update((ours[a], theirs[b]) for a, b in pairs)
        taken = set(results.values())
        # Primitive values say nothing that would pair them: in order.
        plain = [n for n in ours if n not in results and not isinstance(left[n], dict)]
        others = [n for n in theirs if n not in taken and not isinstance(right[n], dict)]
        results.update(zip(plain, others, strict=False))
        if (
            len(ours) == len(theirs) == 1
            and not results
            and _differ_in_one_property(left[ours[0]], right[theirs[0]])
        ):
            results[ours[0]] = theirs[0]
        return results

    def _of(self, graph: Graph, value: Any) -> int:
        """The number of a value, with the pairs known so far."""
        if isinstance(value, dict | list):
            node = graph.at.get(id(value))
            if node is not None:
                return self._number(graph, graph.nodes[node].form)
            return self._number(graph, graph.forms[id(value)])
        holder = self.holder if graph is self.comparison.left else self.other
        node = graph.reference(value, self.kind, self.name, self.parent, holder)
        if node is not None:
            return self.comparison.pairing.number(graph, node)
        return hash(leaf(value, self.kind, graph.settings))

    def _number(self, graph: Graph, form: Form) -> int:
        pairing = self.comparison.pairing

        def filled(hole: Hole) -> int:
            number = pairing.number(graph, hole.node)
            return hash((number, evaluate(graph.nodes[hole.node].form, filled))) if hole.inside else number

        return evaluate(form, filled)


def _differ_in_one_property(left: Any, right: Any) -> bool:
    """Whether two objects have the same properties and differ in one."""
    if not isinstance(left, dict) or not isinstance(right, dict) or left.keys() != right.keys():
        return False
    return sum(1 for name, value in left.items() if value != right[name]) == 1


def _in_any_order(ours: list[int], theirs: list[int]) -> dict[int, int]:
    """Equal items."""
    locations: dict[int, list[int]] = {}
    for number in range(len(theirs) - 1, -1, -1):
        locations.setdefault(theirs[number], []).append(number)
    results = {}
    for number, key in enumerate(ours):
        same = locations.get(key)
        if same:
            results[number] = same.pop()
    return results


def _in_order(ours: list[int], theirs: list[int]) -> dict[int, int]:
    """Equal items in the order of both: those at one place where that explains as much, else a rising run of them."""
    straight = {n: n for n in range(min(len(ours), len(theirs))) if ours[n] == theirs[n]}
    equal = _in_any_order(ours, theirs)
    numbers = sorted(equal)
    run = longest_rising([equal[n] for n in numbers])
    rising = {numbers[position]: equal[numbers[position]] for position in run}
    # Of equal lengths, places count for one more: an item that changed, rather than one removed and one added.
    return rising if len(rising) > len(straight) + (len(ours) == len(theirs)) else straight


def _between(pairs: dict[int, int], left: int, right: int) -> dict[int, int]:
    """What is between the equal items, paired as it is."""
    results: dict[int, int] = {}
    number = other = 0
    for end, end_other in (*sorted(pairs.items()), (left, right)):
        results.update(zip(range(number, end), range(other, end_other), strict=False))
        number, other = end + 1, end_other + 1
    return results
