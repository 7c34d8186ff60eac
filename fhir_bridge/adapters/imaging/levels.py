"""Attributes that the instances of a study or series share, and their disagreements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fhir_bridge.adapters.imaging.elements import Value

__all__ = ["SharedAttributes"]


class SharedAttributes:
    """The attributes of one level, as the majority of its instances states them.

    An instance that lacks an attribute has no vote. On equal votes the value read first stays.
    """

    __slots__ = ("_votes", "count", "values")

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.count = 0
        self._votes: dict[str, list[tuple[Value, int]]] = {}

    def add(self, values: dict[str, Value]) -> None:
        """Count the values of one more instance."""
        self.count += 1
        if values == self.values:
            return
        for keyword, value in values.items():
            known = self.values.setdefault(keyword, value)
            if known != value or keyword in self._votes:
                self._vote(keyword, known, value)

    def _vote(self, keyword: str, known: Value, value: Value) -> None:
        # Until the first difference nobody counted: all instances before this one agreed, or were silent.
        votes = self._votes.setdefault(keyword, [(known, self.count - 1)])
        for position, (each, count) in enumerate(votes):
            if each == value:
                votes[position] = (each, count + 1)
                break
        else:
            votes.append((value, 1))
        best = max(votes, key=lambda vote: vote[1])
        self.values[keyword] = best[0]

    def disagreements(self) -> Iterator[tuple[str, Counter[int]]]:
        """Attributes with more than one value: keyword, and how many instances state each (by order seen)."""
        for keyword, votes in self._votes.items():
            if len(votes) > 1:
                yield keyword, Counter({position: count for position, (_, count) in enumerate(votes)})
