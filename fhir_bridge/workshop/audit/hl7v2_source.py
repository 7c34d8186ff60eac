"""HL7 v2 messages as source records: each populated component, with what it means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fhir_bridge.adapters.ehr import Hl7v2Adapter
from fhir_bridge.adapters.ehr.hl7v2.delimiters import unescape
from fhir_bridge.workshop.audit.hl7v2_types import (
    component_role,
    component_type,
    field_type,
    is_composite,
    role_of,
)
from fhir_bridge.workshop.audit.leaves import (
    AUTHORITIES,
    UNIT_FIELDS,
    ReadOptions,
    Role,
    SourceLeaf,
    SourceRecord,
    SourceUnit,
)
from fhir_bridge.workshop.audit.moments import moment
from fhir_bridge.workshop.audit.structure import is_structure

__all__ = ["read_messages"]

_ORDERS: Final = frozenset(
    """ServiceRequest DiagnosticReport MedicationRequest MedicationDispense MedicationAdministration Immunization
    NutritionOrder DeviceRequest SupplyRequest Task ImagingStudy CarePlan""".split()
)
_RESULTS: Final = frozenset("Observation DiagnosticReport DocumentReference Media".split())
PRIMARY: Final[dict[str, frozenset[str]]] = {
    "PID": frozenset(("Patient",)),
    "NK1": frozenset(("RelatedPerson",)),
    "AL1": frozenset(("AllergyIntolerance",)),
    "IAM": frozenset(("AllergyIntolerance",)),
    "DG1": frozenset(("Condition",)),
    "PRB": frozenset(("Condition",)),
    "PR1": frozenset(("Procedure",)),
    "PV1": frozenset(("Encounter",)),
    "IN1": frozenset(("Coverage",)),
    "OBX": _RESULTS,
    "OBR": _ORDERS,
    "ORC": _ORDERS,
    "RXA": frozenset(("Immunization", "MedicationAdministration")),
    "RXE": frozenset(("MedicationRequest",)),
    "RXO": frozenset(("MedicationRequest",)),
    "RXD": frozenset(("MedicationDispense",)),
    "RXG": frozenset(("MedicationDispense", "MedicationAdministration", "MedicationRequest")),
    "SPM": frozenset(("Specimen",)),
    "FT1": frozenset(("ChargeItem",)),
    "TXA": frozenset(("DocumentReference",)),
    "SCH": frozenset(("Appointment",)),
    "CON": frozenset(("Consent",)),
    "MSH": frozenset(("MessageHeader",)),
}
"""What a segment itself becomes."""

_STATUS: Final = frozenset(("OBX-11", "OBR-25", "ORC-5", "RXA-20", "SCH-25", "TXA-17", "TXA-19"))
_JOINS: Final = frozenset(
    """PD1 ARV PV2 DB1 MRG NTE TQ1 TQ2 RXR RXC RXE RXO RXD RXG RXA CTD CTI SAC ODS ODT OBR BLG IN2 IN3 ZPD RQD
    RQ1""".split()
)
"""Segments that say more of the one before them (of those that do not join)."""
_FORMS: Final = {("SPM-20", "Y"): ("available",), ("SPM-20", "N"): ("unavailable",)}
"""What FHIR has for values that no table translates."""


def read_messages(path: Path, relative: str) -> Iterator[SourceRecord]:
    """The messages of a file.

    Raises:
        ValueError: a message can't be read; it says why and where.
    """
    for message in Hl7v2Adapter().read([path], ReadOptions()):
        if message.outcome == "rejected" or not message.segments:
            for issue in message.issues:
                yield SourceRecord(relative, f"{message.locator}: {issue.message}")
            continue
        record = SourceRecord(relative, message.locator)
        if message.control_id:
            record.names = (message.control_id,)
        sent = message.segments[0].part(7, 1)
        stated = moment(str(sent)) if sent else None
        record.zone = stated.offset if stated else None
        counts: dict[str, int] = {}
        lines: dict[int, str] = {}
        patients: list[str] = []
        family = -1
        part = 0
        for number, segment in enumerate(message.segments):
            counts[segment.name] = counts.get(segment.name, 0) + 1
            unit = SourceUnit(
                segment.name,
                f"{segment.name}[{counts[segment.name]}]",
                PRIMARY.get(segment.name, frozenset()),
            )
            joins = segment.name in _JOINS and family >= 0
            if segment.name == "OBR" and (family < 0 or not _is_order(record.units, family)):
                joins = False
            family = family if joins else number
            unit.family = family
            for repetition in _repetitions(segment, number, counts[segment.name], part):
                part = repetition[-1].part + 1
                unit.leaves += repetition
                if segment.name == "PID":
                    patients += [
                        leaf.value
                        for leaf in repetition
                        if leaf.role is Role.ID and leaf.field.split(".")[0] in ("PID-2", "PID-3", "PID-4")
                    ]
            record.units.append(unit)
            lines[number] = segment.line
        count = 0
        for unit in record.units:
            for position, leaf in enumerate(unit.leaves):
                unit.leaves[position] = SourceLeaf(
                    leaf.locator,
                    leaf.field,
                    leaf.unit,
                    leaf.part,
                    leaf.value,
                    leaf.role,
                    leaf.table,
                    count,
                    leaf.forms,
                )
                count += 1
        record.patients = tuple(patients)
        record.text = lines
        yield record


def _is_order(units: list[SourceUnit], family: int) -> bool:
    """Whether the family is that of an ORC that has no OBR yet."""
    members = [unit.name for unit in units if unit.family == family]
    return members[:1] == ["ORC"] and "OBR" not in members


def _repetitions(segment: object, unit: int, occurrence: int, part: int) -> Iterator[list[SourceLeaf]]:
    name = segment.name  # type: ignore[attr-defined]
    fields = segment.fields  # type: ignore[attr-defined]
    delimiters = segment.delimiters  # type: ignore[attr-defined]
    for number in range(1, len(fields)):
        if not fields[number] or (name == "MSH" and number <= 2):
            continue
        kind, table = field_type(name, number)
        if kind == "varies" and name == "OBX":
            kind, table = fields[2] or "ST", ""
        repetitions = (
            fields[number].split(delimiters.repetition) if kind not in ("TX", "FT") else [fields[number]]
        )
        for index, raw in enumerate(repetitions, 1):
            if not raw:
                continue
            reader = _Reader(segment, unit, occurrence, number, index if len(repetitions) > 1 else 0, part)
            leaves = reader.leaves(raw, kind, table)
            if leaves:
                part += 1
                yield leaves


class _Reader:
    """Reads one repetition of a field into leaves."""

    def __init__(
        self, segment: object, unit: int, occurrence: int, number: int, repetition: int, part: int
    ) -> None:
        self._segment = segment
        self._name: str = segment.name  # type: ignore[attr-defined]
        self._delimiters = segment.delimiters  # type: ignore[attr-defined]
        self._unit, self._part, self._number = unit, part, number
        self._locator = f"{self._name}[{occurrence}]-{number}" + (f"[{repetition}]" if repetition else "")
        self._field = f"{self._name}-{number}"

    def leaves(self, raw: str, kind: str, table: str) -> list[SourceLeaf]:
        """The leaves of a repetition."""
        results: list[SourceLeaf] = []
        if kind in ("TX", "FT") or (self._name == "NTE" and self._number == 3):
            self._add(results, raw, (), Role.TEXT, "")
            return results
        components = raw.split(self._delimiters.component)
        composite = len(components) > 1
        if composite and kind in ("ID", "IS"):
            kind = "CWE"  # a coded value of a newer version in a field that was a bare code
        for first, component in enumerate(components, 1):
            pieces = component.split(self._delimiters.subcomponent)
            inner, inner_table = component_type(kind, first) if is_composite(kind) else ("ST", "")
            if not is_composite(kind) and first == 1:
                inner, inner_table = kind, table
            for second, piece in enumerate(pieces, 1):
                if not piece:
                    continue
                role = component_role(kind, first) if is_composite(kind) else None
                if kind == "PL" and len(pieces) > 1:
                    role = component_role("HD", second)
                role_table = inner_table
                if role is None and is_composite(inner):
                    deeper, role_table = component_type(inner, second)
                    role = component_role(inner, second) or role_of(deeper, role_table)
                elif role is None:
                    role = role_of(inner, inner_table)
                if role is Role.CODE and table and not role_table and first in (1, 4, 10):
                    role_table = table
                if inner_table == AUTHORITIES and role is Role.AUTHORITY:
                    role_table = AUTHORITIES
                position = ((first,) if composite else ()) + ((second,) if len(pieces) > 1 else ())
                self._add(results, piece, position, role, role_table)
        return results

    def _add(
        self, out: list[SourceLeaf], raw: str, position: tuple[int, ...], role: Role, table: str
    ) -> None:
        value = unescape(raw, self._delimiters).strip()
        if not value or value == '""':
            return
        tail = "".join(f".{number}" for number in position)
        if self._field in _STATUS and not tail.strip(".1"):
            role = Role.STATUS
        elif self._field in UNIT_FIELDS and role in (Role.CODE, Role.DISPLAY):
            role = Role.UNIT
        if table == "0136" and role is Role.CODE:
            role = Role.YES_NO
        if is_structure(self._name, self._number, position):
            role = Role.STRUCTURE
        out.append(
            SourceLeaf(
                f"{self._locator}{tail}",
                f"{self._field}{tail}",
                self._unit,
                self._part,
                value,
                role,
                table,
                forms=_FORMS.get((self._field, value), ()),
            )
        )
