"""What an audit compares: the populated leaves of a source record, whatever adapter reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = [
    "AUTHORITIES",
    "HEADER",
    "STATUS_WORDS",
    "UNIT_FIELDS",
    "ReadOptions",
    "Role",
    "SourceLeaf",
    "SourceRecord",
    "SourceUnit",
]


AUTHORITIES = "0363"
"""HL7 table of assigning authorities: the authority of the identifier beside it, which makes its system."""


HEADER = "header"
"""In place of a table: a unit that the name of a column states, for all of its cells."""
RANGE = "range"
"""In place of a table: what is usual, `<5`, which is no value with a comparator."""
STATUS_WORDS = "status words"
"""In place of a table: the status of what a row is about, in words."""


UNIT_FIELDS = {
    "OBX-6": "OBX-5",
    "RXA-7": "RXA-6",
    "RXE-5": "RXE-3",
    "RXO-4": "RXO-2",
    "SCH-10": "SCH-9",
    "AIS-6": "AIS-5",
    "AIS-8": "AIS-7",
    "AIG-10": "AIG-9",
    "AIG-12": "AIG-11",
    **{f"{name}-{field + 1}": f"{name}-{field}" for name in ("AIL", "AIP") for field in (7, 9)},
}
"""Fields of HL7 v2 that are the unit of another field's number."""


class Role(StrEnum):
    """What a value means, which decides how it is compared."""

    CODE = "code"
    SYSTEM = "system"
    DISPLAY = "display"
    TEXT = "text"
    NUMBER = "number"
    COMPARATOR = "comparator"
    UNIT = "unit"
    TIME = "time"
    ID = "id"
    NAME = "name"
    PHONE = "phone"
    ADDRESS = "address"
    AUTHORITY = "authority"
    STATUS = "status"
    YES_NO = "yes-no"
    CONTENT = "content"
    VARIANT = "variant"
    """Where a variant is and what is there: also within its HGVS or SPDI name."""
    STRUCTURE = "structure"
    """Carries the record and means nothing about a patient: counted in the appendix, never a finding."""


@dataclass(frozen=True, slots=True)
class SourceLeaf:
    """A populated value of the source that has no parts.

    Attributes:
        locator: where it is in the record: `OBX[3]-5[1].1`, `row 7: Glucose`.
        field: the same without occurrences, for counts: `OBX-5.1`, `Glucose`.
        unit: number of its unit (segment, row) in the record.
        part: number of the composite value that it belongs to (a repetition of a field), within the record.
        value: as text, escapes resolved.
        table: HL7 table of a code, or nothing.
        number: its place in the record: a code's display follows the code.
        forms: other texts that state the same: `heterozygous` for `0/1`.
    """

    locator: str
    field: str
    unit: int
    part: int
    value: str
    role: Role
    table: str = ""
    number: int = 0
    forms: tuple[str, ...] = ()


@dataclass(slots=True)
class SourceUnit:
    """Values that belong together: a segment, a row.

    Attributes:
        name: `OBX`; of a table its file's name.
        locator: `OBX[3]`.
        types: resource types that the unit itself becomes; empty where any may.
        family: units that may be written into each other's resources (the segments of one order); own number if none.
    """

    name: str
    locator: str
    types: frozenset[str] = frozenset()
    family: int = -1
    leaves: list[SourceLeaf] = field(default_factory=list)


@dataclass(slots=True)
class SourceRecord:
    """A message, a row: what is converted as one.

    Attributes:
        file: path relative to the source folder.
        locator: `adt.hl7#2 (MSG0001)`.
        names: identifiers by which FHIR may state the record (MSH-10).
        patients: identifiers of its patients.
        zone: offset in minutes that times without one have by the record's own rule (MSH-7); None where unknown.
        text: the lines of the record by unit, for the page.
        derived: what follows from the record, so that it is not invented: a variant's name, an allele's share of reads.
    """

    file: str
    locator: str
    names: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    zone: int | None = None
    units: list[SourceUnit] = field(default_factory=list)
    text: Mapping[int, str] = field(default_factory=dict)
    derived: tuple[str, ...] = ()

    @property
    def leaves(self) -> list[SourceLeaf]:
        """All leaves, in order."""
        return [leaf for unit in self.units for leaf in unit.leaves]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a source is read with: its own options, no site, all that it says."""

    options: Mapping[str, object] = field(default_factory=dict)
    site: None = None
    selectors: None = None
