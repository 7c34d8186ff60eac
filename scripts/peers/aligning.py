"""Which resource of one engine is which of another's: by type and by what it says, never by id."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.peers.statements import Index, Statement, index, statements

__all__ = ["Aligned", "Subject", "align"]

_MERGED = frozenset(
    "Practitioner PractitionerRole Organization Location Device Medication Substance RelatedPerson".split()
)
"""Types of which an engine writes one as often as it is mentioned."""
_LEAST = 0.05
"""Of what two resources say, the share below which they are about two subjects."""


@dataclass(slots=True)
class Subject:
    """What one side says about one subject: of a resource, or of several about the same party."""

    type: str
    content: list[Statement]
    resources: list[Mapping[str, Any]] = field(default_factory=list)

    def features(self) -> Counter[tuple[str, str]]:
        """What it is recognized by; the number of an identifier counts wherever it is."""
        result: Counter[tuple[str, str]] = Counter()
        for each in self.content:
            for key in each.keys:
                result[("", key) if key.startswith("#") else (each.element, key)] += 1
        return result


@dataclass(slots=True)
class Aligned:
    """The subjects of both sides: pairs of ours and theirs, and what has no partner."""

    both: list[tuple[Subject, Subject]]
    ours: list[Subject]
    theirs: list[Subject]


def align(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> Aligned:
    """Pair what is about the same; a second time once references lead to pairs."""
    left, right = index(ours), index(theirs)
    for _ in range(2):
        mine, other = _subjects(left), _subjects(right)
        both = list(_pairs(mine, other))
        for number, (a, b) in enumerate(both):
            for resource in a.resources:
                left.identity[id(resource)] = f"@{number}"
            for resource in b.resources:
                right.identity[id(resource)] = f"@{number}"
    mine, other = _subjects(left), _subjects(right)
    both = list(_pairs(mine, other))
    paired = {id(side) for pair in both for side in pair}
    return Aligned(
        both,
        [each for each in mine if id(each) not in paired],
        [each for each in other if id(each) not in paired],
    )


def _subjects(side: Index) -> list[Subject]:
    results: list[Subject] = []
    known: dict[tuple[str, str], Subject] = {}
    for resource in side.resources:
        content, kind = statements(resource, side), str(resource.get("resourceType"))
        names = [(kind, name) for name in _identity(content)] if kind in _MERGED else []
        same = next((known[name] for name in names if name in known), None)
        if same is None:
            same = Subject(kind, [])
            results.append(same)
        seen = {(each.element, each.keys) for each in same.content}
        same.content += [each for each in content if (each.element, each.keys) not in seen]
        same.resources.append(resource)
        known.update((name, same) for name in names)
    return results


def _identity(content: Iterable[Statement]) -> list[str]:
    """What makes two resources the same party: all that they say, or a number of it with its name."""
    values = sorted((each.element, *sorted(each.keys)) for each in content)
    numbers = [v for v in values if v[0].endswith((".identifier.value", ".deviceIdentifier"))]
    names = [v for v in values if ".name" in v[0]]
    results = [repr(values)]
    if numbers and names:
        results.append(repr((numbers[0], names)))
    return results


def _pairs(ours: list[Subject], theirs: list[Subject]) -> Iterable[tuple[Subject, Subject]]:
    by_type: dict[str, tuple[list[Subject], list[Subject]]] = defaultdict(lambda: ([], []))
    for side, subjects in enumerate((ours, theirs)):
        for subject in subjects:
            by_type[subject.type][side].append(subject)
    for mine, other in by_type.values():
        if len(mine) == len(other) == 1:
            yield mine[0], other[0]
            continue
        scores = sorted(_scores(mine, other), reverse=True)
        used: set[int] = set()
        for score, a, b in scores:
            if score >= _LEAST and a not in used and ~b not in used:
                used |= {a, ~b}
                yield mine[a], other[b]


def _scores(mine: list[Subject], other: list[Subject]) -> Iterable[tuple[float, int, int]]:
    left, right = [each.features() for each in mine], [each.features() for each in other]
    spread = Counter(feature for each in (*left, *right) for feature in each)
    total = len(left) + len(right)
    weight = {feature: math.log(1 + total / count) for feature, count in spread.items()}

    def size(features: Counter[tuple[str, str]]) -> float:
        return sum(weight[each] for each in features)

    for a, first in enumerate(left):
        for b, second in enumerate(right):
            shared = size(first & second)
            if shared:
                yield shared / min(size(first), size(second)), a, b
