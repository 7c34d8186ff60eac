"""Another plausible value in one place of a message, and what became of the difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.hl7v2.composites import Components
from fhir_bridge.adapters.ehr.hl7v2.delimiters import Delimiters
from fhir_bridge.adapters.ehr.hl7v2.transport import ENVELOPE, SILENT
from tests.adapters.ehr.conftest import Converted
from tests.perturbation import Tally, other_text, shown

TABLES: Final = dict(
    line.strip().split(" ", 1)
    for line in """
    AL1-2.1 DA FA EA MC
    AL1-4.1 SV MO MI
    DG1-2.1 I9 I10
    DG1-6.1 A W F
    NK1-3.1 SPO CHD MTH
    NK1-7.1 C N E
    NK1-15.1 F M
    OBR-5.1 S A R T
    OBR-24.1 LAB RAD MB CH
    OBR-25.1 F P C R
    OBX-2.1 NM ST CE TX
    OBX-8.1 H L N A
    OBX-11.1 F P C D
    ORC-1.1 RE NW CA
    ORC-5.1 CM IP A
    PID-8.1 F M O U
    PID-10.1 2106-3 2054-5 2028-9
    PID-15.1 en de es
    PID-16.1 M S D W
    PID-22.1 H N U
    PID-24.1 Y N
    PID-30.1 Y N
    PR1-6.1 A P D
    PV1-2.1 I O E P
    PV1-4.1 E A R U
    PV1-10.1 MED SUR CAR
    PV1-14.1 1 2 3 7
    PV1-36.1 01 02 03
    ROL-3.1 AD AT CP
    SPM-4.1 BLD UR SER
    """.strip().splitlines()
)
"""Codes of HL7's tables by place."""

COMPONENTS: Final = {
    ("XPN", 7): "L M N D",
    ("XAD", 7): "H B C M",
    ("XTN", 2): "PRN WPN NET ORN",
    ("XTN", 3): "PH CP FX Internet",
    ("CX", 5): "MR PI AN SS",
}
"""Codes of HL7's tables by type and component."""

_TYPES: Final = {
    place: kind
    for kind, places in {
        "CX": "PID-2 PID-3 PID-18 PID-21 PV1-5 PV1-19 PV1-50 PV1-54 MRG-1 GT1-2 IN1-3 IN1-49 NK1-12 NK1-33",
        "XPN": "PID-5 PID-6 PID-9 NK1-2 NK1-30 GT1-3 IN1-6 IN1-16",
        "XAD": "PID-11 NK1-4 NK1-32 OBX-24 ORC-22 ORC-24 ROL-11 GT1-5 IN1-5 IN1-19",
        "XTN": "PID-13 PID-14 PID-40 NK1-5 NK1-6 NK1-31 NK1-40 NK1-41 OBR-17 ORC-14 ORC-23 ROL-12 GT1-6 GT1-7 IN1-7",
    }.items()
    for place in places.split()
}
"""Types of fields whose components have tables."""


_CONVERTED: Final = ("converted", "partial")


class Leaf(NamedTuple):
    """A populated place: segment by its number in the message, then field, repetition, component, subcomponent."""

    at: int
    segment: str
    field: int
    repetition: int
    component: int
    sub: int
    text: str

    @property
    def place(self) -> str:
        """`PID-3.4.2`, whatever the repetition."""
        return f"{self.segment}-{self.field}.{self.component}" + (f".{self.sub}" if self.sub > 1 else "")

    @property
    def carries(self) -> bool:
        """Whether the place speaks of a patient, or only of the message (docs/adapters/hl7v2.md)."""
        return self.segment not in ENVELOPE and self.field not in SILENT.get(self.segment, ())


class Source(NamedTuple):
    """A message as its lines, with what divides them."""

    lines: list[str]
    delimiters: Delimiters
    separator: str

    @classmethod
    def of(cls, text: str) -> Source:
        """The message of a text."""
        lines = [line for line in re.split(r"[\r\n]+", text.lstrip("\ufeff")) if line.strip()]
        separator = lines[0][3]
        return cls(
            lines, Delimiters.declared(separator, lines[0][4:].split(separator, 1)[0], "utf-8"), separator
        )

    def leaves(self) -> Iterator[Leaf]:
        """Every populated leaf, delimiters and what makes the message a message of its type apart."""
        for at, line in enumerate(self.lines):
            name, fields = line[:3], line.split(self.separator)
            if not re.fullmatch("[A-Z][A-Z0-9]{2}", name):
                continue
            offset = 1 if name == "MSH" else 0
            for index in range(1, len(fields)):
                number = index + offset
                if (name == "MSH" and number in (2, 9, 12, 18)) or not fields[index].strip():
                    continue
                for repetition, part in enumerate(fields[index].split(self.delimiters.repetition)):
                    for component, sub in Components(part, self.delimiters).populated():
                        text = part.split(self.delimiters.component)[component - 1].split(
                            self.delimiters.subcomponent
                        )[sub - 1]
                        yield Leaf(at, name, number, repetition, component, sub, text)

    def replaced(self, leaf: Leaf, other: str) -> str:
        """The message with another text in a place."""
        d = self.delimiters
        fields = self.lines[leaf.at].split(self.separator)
        index = leaf.field - (1 if leaf.segment == "MSH" else 0)
        repetitions = fields[index].split(d.repetition)
        parts = [part.split(d.subcomponent) for part in repetitions[leaf.repetition].split(d.component)]
        parts[leaf.component - 1][leaf.sub - 1] = other
        repetitions[leaf.repetition] = d.component.join(d.subcomponent.join(part) for part in parts)
        fields[index] = d.repetition.join(repetitions)
        return "\r".join([*self.lines[: leaf.at], self.separator.join(fields), *self.lines[leaf.at + 1 :]])


def other(leaf: Leaf) -> str:
    """Another value that may be in the place of a leaf: of its table, another time, other digits, another text."""
    text = leaf.text
    codes = TABLES.get(f"{leaf.segment}-{leaf.field}.{leaf.component}") if leaf.sub == 1 else None
    codes = codes or COMPONENTS.get((_TYPES.get(f"{leaf.segment}-{leaf.field}", ""), leaf.component))
    if codes and (text in codes.split() or len(text) <= 3):
        return next((code for code in codes.split() if code != text), text + "X")
    return other_text(text)


def names(message: str, leaf: Leaf) -> bool:
    """Whether an issue reports the leaf: its component, its repetition, its field, its segment or its group."""
    if re.search(rf"segment {leaf.segment}\b|\({leaf.segment}\)", message):
        return True
    if re.search(rf"\b{leaf.segment}\[\*\]\.{leaf.field}\b", message):
        return True
    own = f".{leaf.component}" + (f".{leaf.sub}" if leaf.sub > 1 else "")
    repetition = f"[{leaf.repetition + 1}]"
    for found in re.finditer(rf"\b{leaf.segment}-{leaf.field}((?:\[\d+\])?(?:\.\d+)*)(?!\d)", message):
        if found[1] in ("", repetition, own, repetition + own):
            return True
    return False


def perturb(
    text: str, convert: Callable[[str], Converted], tally: Tally, choose: Callable[[Leaf], bool]
) -> None:
    """Put another value into each chosen leaf of a message and note what became of it.

    References are left out of the comparison: whom a message is about it says in identifiers too.
    """
    source = Source.of(text)
    before = convert("\r".join(source.lines))
    if before.outcomes[0][1] not in _CONVERTED:
        return
    stated = shown(before.resources, links=False)
    known = {issue.message for issue in before.issues}
    for leaf in source.leaves():
        if not choose(leaf):
            continue
        after = convert(source.replaced(leaf, other(leaf)))
        converted = after.outcomes[0][1] in _CONVERTED
        tally.add(
            leaf.place,
            changed=converted and shown(after.resources, links=False) != stated,
            reported=not converted
            or any(names(issue.message, leaf) for issue in (*before.issues, *after.issues))
            or bool({issue.message for issue in after.issues} - known),
        )
