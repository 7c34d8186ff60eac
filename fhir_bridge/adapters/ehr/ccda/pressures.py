"""The two halves of a blood pressure, which C-CDA has as two observations of one organizer, as one measurement."""

from __future__ import annotations

from typing import Final

from fhir_bridge.adapters.ehr.ccda.kinds import DIASTOLIC
from fhir_bridge.adapters.ehr.ccda.node import Node
from fhir_bridge.adapters.ehr.ccda.parties import Signature, signature

__all__ = ["join_pressures"]

_LOINC: Final = "2.16.840.1.113883.6.1"
_HALVES: Final = ("8480-6", "8462-4")
_Moment = tuple[Signature, ...]


def join_pressures(organizer: Node) -> None:
    """Put a diastolic pressure into the systolic one of the same time, where an organizer has one of each.

    What both say alike (their time, their author) is said once.
    """
    halves: dict[tuple[_Moment, str], list[Node]] = {}
    for statement in organizer.contained():
        if (code := _half(statement)) is not None:
            halves.setdefault((_moment(statement), code), []).append(statement)
    for (moment, code), systolic in halves.items():
        diastolic = halves.get((moment, _HALVES[1]), []) if code == _HALVES[0] else []
        if len(systolic) == len(diastolic) == 1:
            _join(organizer, systolic[0], diastolic[0])


def _half(statement: Node) -> str | None:
    """Which half an observation is; None for any other, and for one that was denied or not done."""
    attributes = statement.attributes
    if statement.tag != "observation" or attributes.get("moodCode", "EVN") != "EVN":
        return None
    if attributes.get("negationInd") == "true" or len(statement.named.get("value", ())) > 1:
        return None
    codes = [
        code
        for each in statement.named.get("code", ())
        for scheme, code, _, _ in each.codings()
        if scheme in (_LOINC, "LOINC")
    ]
    return next((half for half in _HALVES if half in codes), None)


def _moment(statement: Node) -> _Moment:
    return tuple(
        signature(child) for child in statement.children if child.tag in ("effectiveTime", "statusCode")
    )


def _join(organizer: Node, systolic: Node, diastolic: Node) -> None:
    link = diastolic.up
    if link is None or link.up is not organizer:
        return
    repeated = {signature(child) for child in systolic.children}
    diastolic.children = [child for child in diastolic.children if signature(child) not in repeated]
    diastolic.kind = DIASTOLIC
    organizer.children.remove(link)
    systolic.children.append(link)
    link.up = systolic
    for changed in (organizer, systolic, diastolic):
        changed._named = None
