"""A declared INFO or FORMAT key, and how the declaration orders its values (VCF 4.3 §1.4.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import comb
from typing import NamedTuple

__all__ = ["CheckedKey", "Definition"]

_REF_AND_ALT = re.compile(r"\bref(?:erence)?\b.*\balt(?:ernat(?:e|ive))?s?\b.*\border\b", re.IGNORECASE)
_ALT_ONLY = re.compile(r"\balt(?:ernat(?:e|ive))?s?\b.*\border\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a header, or the specification for a reserved key, says of the values of a key.

    Attributes:
        number: a count, `A`, `R`, `G`, … or `.`, as declared.
        kind: the declared Type.
        numeric: Integer or Float.
        layout: how the values are ordered: `number`, but where that is `.` the order that the Description states in
            words ("for the ref and alt alleles in the order listed" is `R`), if it states one.
    """

    key: str
    number: str
    kind: str
    description: str
    numeric: bool = field(init=False)
    layout: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numeric", self.kind in ("Integer", "Float"))
        object.__setattr__(self, "layout", _in_words(self.description) if self.number == "." else self.number)

    def count(self, alternates: int, copies: int = 2) -> int | None:
        """How many values there are on a line with so many ALTs, of a genotype of so many copies; None if open."""
        match self.number:
            case "A":
                return alternates
            case "R":
                return alternates + 1
            case "G":
                return comb(alternates + copies, copies)
            case number if number.isdecimal():
                return int(number)
        return None

    @property
    def declaration(self) -> str:
        """The declaration in a message: `Number=2,Type=Integer`."""
        return f"Number={self.number},Type={self.kind}"


def _in_words(description: str) -> str:
    if _REF_AND_ALT.search(description):
        return "R"
    return (
        "A" if _ALT_ONLY.search(description) and not re.search(r"\bref", description, re.IGNORECASE) else "."
    )


class CheckedKey(NamedTuple):
    """A FORMAT key whose values can be wrong, on lines with a number of ALTs.

    Attributes:
        digits: one numeric value without bounds, so that digits are right at first sight.
        wanted: how many values it has, of a genotype of two copies; None where that is open.
        needed: how many the reader needs where Number leaves it open; None where it does not read the key.
    """

    key: str
    definition: Definition
    digits: bool
    wanted: int | None
    needed: int | None
