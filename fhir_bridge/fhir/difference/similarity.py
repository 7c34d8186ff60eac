"""Which changed items belong together: by what they are about, and by how much they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from fhir_bridge.fhir.difference.shapes import about

__all__ = ["Reader", "alike", "alike_by_features", "features", "longest_rising"]

_COMMON = 50
"""A feature that more items have distinguishes little, and is looked up for no pair where it would cost much."""

_ENOUGH = 0.3
"""Share of features (Dice) from which two items are versions of one."""

_ENOUGH_OTHERWISE = 0.8
"""The same for items that say they are about different things."""

_MOST_FEATURES = 500


Reader = Callable[[Any, str], Hashable]
"""Gives what two primitive values of the two sides share where they say the same, by the value and its path."""


def alike(
    left: Sequence[Any], right: Sequence[Any], read_left: Reader, read_right: Reader
) -> list[tuple[int, int]]:
    """Pairs of positions, best first, each position at most once; what is like nothing has no pair.

    Time grows with the number of features, not with the number of pairs.
    """
    return alike_by_features(
        left,
        right,
        [features(item, read_left) for item in left],
        [features(item, read_right) for item in right],
    )


def alike_by_features(
    left: Sequence[Any], right: Sequence[Any], ours: list[set[Hashable]], theirs: list[set[Hashable]]
) -> list[tuple[int, int]]:
    """`alike`, for items whose features are known."""
    if not left or not right:
        return []
    owners: dict[Hashable, list[int]] = {}
    for number, details in enumerate(theirs):
        for feature in details:
            owners.setdefault(feature, []).append(number)
    limit = max(_COMMON, 4_000_000 // (len(left) * len(right)))
    scored = []
    for number, details in enumerate(ours):
        shared: Counter[int] = Counter()
        for feature in details:
            holders = owners.get(feature, ())
            if len(holders) <= limit:
                shared.update(holders)
        mine = about(left[number])
        for other, count in shared.most_common(_COMMON):
            score = 2 * count / (len(details) + len(theirs[other]))
            yours = about(right[other])
            same = mine is not None and mine == yours
            if score >= _ENOUGH or same:
                if mine is not None and yours is not None and not same and score < _ENOUGH_OTHERWISE:
                    continue
                scored.append((-score - same, abs(number - other), number, other))
    scored.sort()
    taken_left: set[int] = set()
    taken_right: set[int] = set()
    pairs = []
    for _, _, number, other in scored:
        if number not in taken_left and other not in taken_right:
            taken_left.add(number)
            taken_right.add(other)
            pairs.append((number, other))
    rest = zip(
        [n for n in range(len(left)) if n not in taken_left],
        [n for n in range(len(right)) if n not in taken_right],
        strict=False,
    )
    for number, other in rest:  # what is like too many others
        shared_count = len(ours[number] & theirs[other])
        if 2 * shared_count >= _ENOUGH * (len(ours[number]) + len(theirs[other])) and about(
            left[number]
        ) == about(right[other]):
            pairs.append((number, other))
    return pairs


def features(item: Any, read: Reader) -> set[Hashable]:
    """The leaves of an item with their paths, list positions aside."""
    results: set[Hashable] = set()
    for feature in _leaves(item, "", read):
        results.add(feature)
        if len(results) >= _MOST_FEATURES:
            break
    return results


def _leaves(value: Any, path: str, read: Reader) -> Iterator[Hashable]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}", read)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path, read)
    else:
        yield path, read(value, path)


def longest_rising(numbers: Sequence[int]) -> list[int]:
    """Positions of a longest rising subsequence."""
    ends: list[int] = []
    before: list[int] = []
    for position, number in enumerate(numbers):
        low, high = 0, len(ends)
        while low < high:
            middle = (low + high) // 2
            if numbers[ends[middle]] < number:
                low = middle + 1
            else:
                high = middle
        before.append(ends[low - 1] if low else -1)
        if low == len(ends):
            ends.append(position)
        else:
            ends[low] = position
    results = []
    position = ends[-1] if ends else -1
    while position >= 0:
        results.append(position)
        position = before[position]
    return results[::-1]
