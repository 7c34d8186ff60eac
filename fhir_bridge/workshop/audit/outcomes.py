"""What becomes of a value."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

__all__ = ["ARRIVED", "DEPENDENT", "LOST", "Kind", "Outcome"]


class Kind(StrEnum):
    """What is wrong."""

    NEVER = "never arrived"
    UNIT = "changed unit"
    ZONE = "changed zone"
    STATUS = "changed status"
    VALUE = "changed value"
    COLLIDED = "collided"
    INVENTED = "invented"


class Outcome(NamedTuple):
    """What became of a leaf.

    Attributes:
        kind: None where it arrived.
        detail: what is different, without values.
        place: path in FHIR of what it is compared with, where there is such.
        seen: the text there.
    """

    kind: Kind | None
    detail: str = ""
    place: str = ""
    seen: str = ""


ARRIVED: Final = Outcome(None)
DEPENDENT: Final = Outcome(None, "dependent")
"""Says nothing without another value that is missing: reported with it."""
LOST: Final = Outcome(Kind.NEVER)
