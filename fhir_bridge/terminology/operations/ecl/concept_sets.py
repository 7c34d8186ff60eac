"""Sets of concepts by number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress

__all__ = ["Bits", "ConceptSet", "both", "merge", "numbers", "without"]

ConceptSet = bytearray
"""A set of concepts: at each number 1 where it is in, 0 where not."""

_SPARSE = 20
"""Where fewer than one in so many is in a set, seeking them is faster than going through all."""

_FEW = 500
"""So many are looked up one by one; of more, all are looked through."""

_DIGITS = bytes.maketrans(b"\0\1", b"01")


def numbers(marks: ConceptSet) -> Iterator[int]:
    """The numbers that are in, rising."""
    if marks.count(1) * _SPARSE > len(marks):
        return compress(range(len(marks)), marks)
    return _sought(marks)


def _sought(marks: ConceptSet) -> Iterator[int]:
    at = marks.find(1)
    while at >= 0:
        yield at
        at = marks.find(1, at + 1)


def both(item: ConceptSet, other: ConceptSet) -> ConceptSet:
    """What is in both."""
    # One operation on a long integer instead of a loop over the concepts.
    result = int.from_bytes(item, "little") & int.from_bytes(other, "little")
    return ConceptSet(result.to_bytes(len(item), "little"))


def without(item: ConceptSet, other: ConceptSet) -> ConceptSet:
    """What is in the one and not in the other."""
    left = int.from_bytes(item, "little")
    result = left & ~int.from_bytes(other, "little")
    return ConceptSet(result.to_bytes(len(item), "little"))


def merge(into: ConceptSet, other: ConceptSet) -> None:
    """Add what is in the other."""
    result = int.from_bytes(into, "little") | int.from_bytes(other, "little")
    into[:] = result.to_bytes(len(into), "little")


class Bits:
    """A set of concepts to be kept, an eighth as large as `ConceptSet`."""

    __slots__ = ("_bits", "_few")

    def __init__(self, marks: ConceptSet) -> None:
        # Digits to base 2 are read in linear time, faster than bits could be set; reversed,
        # since the last digit is bit 0.
        bits = int(marks[::-1].translate(_DIGITS), 2) if marks else 0
        self._bits = bits.to_bytes(len(marks) // 8 + 1, "little")
        self._few = tuple(numbers(marks)) if marks.count(1) <= _FEW else None

    def __contains__(self, number: int) -> bool:
        return bool(self._bits[number >> 3] >> (number & 7) & 1)

    def few(self) -> Sequence[int] | None:
        """Its numbers, where they are not more than so many as can be looked up one by one."""
        return self._few
