"""Numbers the concepts of a hierarchy so that "is below" is a comparison of numbers.

A spanning tree of the (poly)hierarchy is walked in preorder: a concept's number and the end of its subtree are an
interval that covers all concepts below it in the tree. What lies below it only over other parents is kept as further
intervals, merged (Agrawal, Borgida and Jagadish, "Efficient management of transitive relationships in large data and
knowledge bases", SIGMOD 1989). Trees and chains of any depth take one interval a concept, SNOMED CT a few.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["MAX_WORK", "Hierarchy", "number"]

MAX_WORK = 40_000_000
"""Intervals looked at while merging; a hierarchy that needs more (no published one does) is walked instead."""


@dataclass(frozen=True)
class Hierarchy:
    """A numbered hierarchy; concepts are given as 0…n-1 in the order of the source.

    Attributes:
        number_of: the preorder number of each concept.
        concept_at: the concept of each number.
        end: by number, the end (exclusive) of the subtree.
        extra: by number, further covered intervals as sorted bounds `low, high, low, high…` (high exclusive); only
            those that have any.
        parents: by number, the numbers of the direct parents in the order of the source.
        children: by number, the numbers of the direct children in the order of the source.
        roots: numbers without parent, in the order of the source.
        dropped: (child, parent) concepts of edges that closed a cycle.
        covered: False where `extra` would have grown beyond bounds: then "is below" must be walked.
    """

    number_of: array[int]
    concept_at: array[int]
    end: array[int]
    extra: dict[int, array[int]]
    parents: Lists
    children: Lists
    roots: array[int]
    dropped: list[tuple[int, int]]
    covered: bool


class Lists:
    """Many short lists of numbers in two arrays."""

    def __init__(self, count: int, keys: Sequence[int], values: Sequence[int]) -> None:
        """Group `values` by `keys`, keeping their order."""
        self.start = array("I", bytes(4 * (count + 1)))
        for key in keys:
            self.start[key + 1] += 1
        total = 0
        for index in range(count + 1):
            total += self.start[index]
            self.start[index] = total
        cursor = array("I", self.start)
        self.values = array("I", bytes(4 * len(values)))
        for key, value in zip(keys, values, strict=True):
            self.values[cursor[key]] = value
            cursor[key] += 1

    def __getitem__(self, key: int) -> array[int]:
        return self.values[self.start[key] : self.start[key + 1]]


def number(count: int, edges: Iterable[int]) -> Hierarchy:
    """Number a hierarchy of `count` concepts and edges `child << 32 | parent`; doubled and own edges don't count."""
    unique = array("Q", sorted({edge for edge in edges if edge >> 32 != edge & 0xFFFFFFFF}))
    dropped = _cycles(count, unique)
    if dropped:
        closing = {child << 32 | parent for child, parent in dropped}
        unique = array("Q", (edge for edge in unique if edge not in closing))
    child_ends = array("I", (edge >> 32 for edge in unique))
    parent_ends = array("I", (edge & 0xFFFFFFFF for edge in unique))
    up = Lists(count, child_ends, parent_ends)
    down = Lists(count, parent_ends, child_ends)
    order, tree_parent = _tree(count, up, down)
    number_of, concept_at, end = _preorder(count, tree_parent)
    by_number_up = _renumbered(count, up, number_of, concept_at)
    by_number_down = _renumbered(count, down, number_of, concept_at)
    extra = _covers(order, number_of, end, down)
    roots = array("I", (number_of[concept] for concept in range(count) if tree_parent[concept] < 0))
    return Hierarchy(
        number_of,
        concept_at,
        end,
        extra or {},
        by_number_up,
        by_number_down,
        roots,
        dropped,
        covered=extra is not None,
    )


def _cycles(count: int, edges: array[int]) -> list[tuple[int, int]]:
    """Edges that close a cycle, found depth first without recursion."""
    up = Lists(count, [edge >> 32 for edge in edges], [edge & 0xFFFFFFFF for edge in edges])
    state = bytearray(count)  # 0 not seen, 1 on the path, 2 done
    results = []
    for first in range(count):
        if state[first]:
            continue
        path = [(first, iter(up[first]))]
        state[first] = 1
        while path:
            node, above = path[-1]
            for parent in above:
                if state[parent] == 1:
                    results.append((node, parent))
                elif not state[parent]:
                    state[parent] = 1
                    path.append((parent, iter(up[parent])))
                    break
            else:
                state[node] = 2
                path.pop()
    return results


def _tree(count: int, up: Lists, down: Lists) -> tuple[array[int], array[int]]:
    """Parents before children, and each concept's parent in the spanning tree: the deepest (-1 for a root)."""
    waiting_for = array("I", (up.start[n + 1] - up.start[n] for n in range(count)))
    depth = array("I", bytes(4 * count))
    tree_parent = array("q", [-1]) * count
    order = array("I", (n for n in range(count) if not waiting_for[n]))
    done = 0
    while done < len(order):
        node = order[done]
        done += 1
        # Below its deepest parent a concept is in the intervals of the most ancestors,
        # so the fewest need further ones.
        best = -1
        for parent in up[node]:
            if best < 0 or depth[parent] > depth[best]:
                best = parent
        if best >= 0:
            tree_parent[node] = best
            depth[node] = depth[best] + 1
        for child in down[node]:
            waiting_for[child] -= 1
            if not waiting_for[child]:
                order.append(child)
    return order, tree_parent


def _preorder(count: int, tree_parent: array[int]) -> tuple[array[int], array[int], array[int]]:
    children = Lists(
        count,
        [parent for parent in tree_parent if parent >= 0],
        [node for node in range(count) if tree_parent[node] >= 0],
    )
    number_of = array("I", bytes(4 * count))
    concept_at = array("I", bytes(4 * count))
    end = array("I", bytes(4 * count))
    following = 0
    for root in range(count):
        if tree_parent[root] >= 0:
            continue
        path = [(root, iter(children[root]))]
        number_of[root], concept_at[following] = following, root
        following += 1
        while path:
            node, below = path[-1]
            child = next(below, None)
            if child is None:
                end[number_of[node]] = following
                path.pop()
            else:
                number_of[child], concept_at[following] = following, child
                following += 1
                path.append((child, iter(children[child])))
    return number_of, concept_at, end


def _renumbered(count: int, lists: Lists, number_of: array[int], concept_at: array[int]) -> Lists:
    """The same lists, keys and values by number instead of by concept."""
    keys = array("I")
    values = array("I")
    for key in range(count):
        for value in lists[concept_at[key]]:
            keys.append(key)
            values.append(number_of[value])
    return Lists(count, keys, values)


def _covers(
    order: array[int], number_of: array[int], end: array[int], down: Lists
) -> dict[int, array[int]] | None:
    """By number, the intervals covered beyond the own subtree; None where that takes more than `MAX_WORK`."""
    extra: dict[int, array[int]] = {}
    work = 0
    # Children before parents, so that what they cover is complete.
    for node in reversed(order):
        low = number_of[node]
        high = end[low]
        bounds: list[tuple[int, int]] = []
        for child in down[node]:
            first = number_of[child]
            if not low <= first < high:
                bounds.append((first, end[first]))
            more = extra.get(first)
            if more is not None:
                work += len(more)
                pairs = iter(more)
                bounds.extend(pair for pair in zip(pairs, pairs, strict=True) if not low <= pair[0] < high)
        if work > MAX_WORK:
            return None
        if bounds:
            bounds.sort()
            extra[low] = _merged(bounds)
    return extra


def _merged(bounds: list[tuple[int, int]]) -> array[int]:
    merged = array("I", bounds[0])
    for low, high in bounds[1:]:
        if low > merged[-1]:
            merged.append(low)
            merged.append(high)
        elif high > merged[-1]:
            merged[-1] = high
    return merged
