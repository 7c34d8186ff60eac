"""Fields that carry a message and say nothing about a patient. docs/adapters/hl7v2.md lists them with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fhir_bridge.adapters.ehr.hl7v2.composites import DELETED
from fhir_bridge.adapters.ehr.hl7v2.fields import Segment

__all__ = ["ENVELOPE", "NO_VISIT", "OF_RESULT", "SILENT", "silent_fields"]

ENVELOPE: Final = frozenset("MSH SFT UAC MSA ERR DSC".split())
"""Segments of the exchange itself. Who sent the message and when is part of every resource all the same."""

_SET_IDS: Final = """AIG AIL AIP AIS AL1 ARV CON DB1 DG1 FT1 GT1 IAM IN1 IN3 NK1 NTE OBR OBX PID PR1 PRT PV1 RGS ROL RXA
    RXD SPM TQ1 TQ2 TXA UB1 UB2"""
"""Segments whose first field counts them, or names this instance of them."""

_ACTIONS: Final[Mapping[str, int]] = {
    "AIG": 2,
    "AIL": 2,
    "AIP": 2,
    "AIS": 2,
    "ARV": 2,
    "DG1": 21,
    "GOL": 1,
    "PTH": 1,
    "IAM": 6,
    "ORC": 1,
    "PR1": 20,
    "PRB": 1,
    "PRT": 2,
    "RGS": 2,
    "ROL": 2,
    "RXA": 21,
}
"""What the receiver shall do with the segment. Where a rule reads it (a deletion), it is represented."""

_OTHERS: Final[Mapping[str, tuple[int, ...]]] = {
    "EVN": (1, 2, 5, 7),  # event and time of the entry, who entered it and where: the message's own
    "NTE": (2,),  # whether placer or filler wrote the comment
    "OBX": (2, 4),  # type of the value; sub-id, which keeps results apart and is part of their ids
    "PV1": (51,),  # whether the message is about the visit or the account
    "RXA": (2,),  # counts administrations of one order
}


def _table() -> dict[str, frozenset[int]]:
    table: dict[str, set[int]] = {name: {1} for name in _SET_IDS.split()}
    for name, field in _ACTIONS.items():
        table.setdefault(name, set()).add(field)
    for name, fields in _OTHERS.items():
        table.setdefault(name, set()).update(fields)
    return {name: frozenset(fields) for name, fields in table.items()}


SILENT: Final[Mapping[str, frozenset[int]]] = _table()
"""Segment -> its fields that say nothing about a patient."""

_NONE: Final[frozenset[int]] = frozenset()
OF_RESULT: Final = SILENT["OBX"]
_END: Final = frozenset((4,))
_CLASS: Final = frozenset((2,))
NO_VISIT: Final = "N"
"""The class (PV1-2) that says `not applicable`: PV1 is there because the message asks for it."""
_WITHOUT_VALUE: Final = OF_RESULT | {6}
"""A unit says nothing where there is no value: of a result that is awaited, deleted or has a document."""


def silent_fields(segment: Segment) -> frozenset[int]:
    """The fields of a segment that are not part of the account."""
    name = segment.name
    if name == "OBX":
        fields = segment.fields
        value = fields[5] if len(fields) > 5 else ""
        if not value or (
            (value == DELETED or segment.delimiters.repetition in value)
            and not any(part != DELETED for part in segment.repetitions(5))
        ):
            return _WITHOUT_VALUE
        return OF_RESULT
    silent = SILENT.get(name, _NONE)
    if name == "PV1" and segment.part(2, 1) == NO_VISIT:
        return silent | _CLASS
    if name == "RXA" and len(segment.fields) > 4 and segment.fields[4] == segment.fields[3]:
        return silent | _END  # it ended when it began
    return silent
