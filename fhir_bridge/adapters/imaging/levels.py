"""Attributes that the instances of a study or series share, and their disagreements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fhir_bridge.adapters.imaging.attribute_reader import key_of
from fhir_bridge.adapters.imaging.values import Value

__all__ = ["SharedAttributes"]


class _Votes(NamedTuple):
    """Instances that state a value: how many, and the smallest of their UIDs."""

    value: Value
    number: int
    uid: str

    def with_more(self, value: Value, number: int, uid: str) -> _Votes:
        """With those of others."""
        return _Votes(value if uid < self.uid else self.value, self.number + number, min(uid, self.uid))


class SharedAttributes:
    """The attributes of one level, as the majority of its instances states them.

    An instance that lacks an attribute has no vote. On equal votes the value of the instance with the smallest SOP
    Instance UID counts, so that the order of reading never decides.
    """

    __slots__ = ("_common", "_common_count", "_common_uid", "_resolved", "_votes")

    def __init__(self) -> None:
        self._common: dict[str, Value] = {}
        self._common_count = 0
        self._common_uid = ""
        self._votes: dict[str, dict[str, _Votes]] = {}
        self._resolved: dict[str, Value] | None = None

    def add(self, values: dict[str, Value], uid: str) -> None:
        """Count the values of one more instance."""
        self._resolved = None
        if not self._common_count:
            self._common, self._common_count, self._common_uid = values, 1, uid
        elif values == self._common:
            # Most instances agree in everything with the first one: they are counted as one.
            self._common_count += 1
            self._common_uid = min(uid, self._common_uid)
        else:
            for keyword, value in values.items():
                _count(self._votes.setdefault(keyword, {}), value, 1, uid)

    @property
    def values(self) -> dict[str, Value]:
        """The value of each attribute that an instance states."""
        if self._resolved is None:
            self._resolved = {
                keyword: min(votes, key=lambda vote: (-vote.number, vote.uid)).value
                for keyword, votes in self._all()
            }
        return self._resolved

    def disagreements(self) -> Iterator[tuple[str, list[int]]]:
        """Attributes with more than one value: keyword, and how many instances state each, most first."""
        for keyword, votes in self._all():
            if len(votes) > 1:
                yield keyword, sorted((vote.number for vote in votes), reverse=True)

    def _all(self) -> Iterator[tuple[str, list[_Votes]]]:
        for keyword in sorted(self._common.keys() | self._votes.keys()):
            votes = dict(self._votes.get(keyword, ()))
            if keyword in self._common:
                _count(votes, self._common[keyword], self._common_count, self._common_uid)
            yield keyword, list(votes.values())


def _count(votes: dict[str, _Votes], value: Value, number: int, uid: str) -> None:
    key = key_of(value)
    known = votes.get(key)
    votes[key] = _Votes(value, number, uid) if known is None else known.with_more(value, number, uid)
