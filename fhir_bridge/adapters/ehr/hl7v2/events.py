"""What the type of a message (MSH-9) states that its segments do not: events that are not, or not wholly, carried
out, and where its structure has specimens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from fhir_bridge.adapters.ehr.hl7v2.fields import Segment

__all__ = ["left_undone", "misplaced_specimens"]

_UNDONE: Final[Mapping[str, str]] = {
    "A24": "A24 links two patients: their records are not linked",
    "A37": "A37 unlinks two patients: no link is taken away",
    "A43": "A43 moves a number from one patient to another: what is stored under it stays where it is",
    "A44": "A44 moves an account from one patient to another: what is stored of it stays where it is",
    "A45": (
        "A45 moves a visit: the Encounter is moved; results, diagnoses and what else is stored of it stay "
        "where they are"
    ),
}


def left_undone(kind: str) -> str | None:
    """What an event, `ADT^A24`, asks for and does not get; None for all others."""
    code, _, event = kind.partition("^")
    return _UNDONE.get(event) if code == "ADT" else None


_BEFORE_ORDERS: Final = frozenset("O33 O34 O35 O36 O39 O40 R22 R23".split())
"""Structures whose specimens are before their orders: OML_O33, ORL_O34, OUL_R22 and their like."""
_AFTER_ORDERS: Final = frozenset("O01 O19 O21 O22 R01 R24".split())


def misplaced_specimens(segments: Sequence[Segment]) -> str | None:
    """What is wrong where the first SPM is not where the structure (MSH-9.3, else the event) has it.

    Whose specimen it is, the segments decide (`groups.build`).
    """
    names = [segment.name for segment in segments]
    if "SPM" not in names:
        return None
    structure = segments[0].part(9, 3) or "_".join(str(segments[0].part(9, at) or "") for at in (1, 2))
    event = structure.rpartition("_")[2]
    before = not {"ORC", "OBR"} & set(names[: names.index("SPM")])
    if before and event in _AFTER_ORDERS:
        return f"{structure} has SPM after its orders, and it is before them: it is of the orders after it"
    if not before and event in _BEFORE_ORDERS:
        return f"{structure} has SPM before its orders, and it is after them: it is of the order before it"
    return None
