"""Messages as groups of segments (HL7 v2.5.1 §2.13, the structures of chapters 3 and 7), built to forgive."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.delimiters import unescape
from fhir_bridge.adapters.ehr.hl7v2.fields import Segment
from fhir_bridge.adapters.ehr.hl7v2.order_identity import number_observations, numbered, order_number
from fhir_bridge.adapters.ehr.hl7v2.transport import NO_VISIT
from fhir_bridge.mapping import CLEARED, nearest
from fhir_bridge.plugins import OptionError

__all__ = [
    "ALIASES",
    "FACT",
    "OBSERVATION",
    "ORDER",
    "PATIENT",
    "REMAINDER",
    "RESULTS",
    "ROOT",
    "SCOPES",
    "SPECIMEN",
    "USUAL_PLACES",
    "VARIANT",
    "VISIT_OBSERVATION",
    "Group",
    "build",
    "comments_after",
    "holder",
    "home",
    "parent_of",
    "placements",
    "stray",
]

ROOT: Final = "message"
FACT: Final = "Fact"
"""What the text of a document (MDM) states, found by extractors."""
REMAINDER: Final = "Remainder"
"""What no rule represents, found by the account once all other rules have been applied."""
PATIENT: Final = "PATIENT_RESULT"
ORDER: Final = "ORDER_OBSERVATION"
OBSERVATION: Final = "ORDER_OBSERVATION.OBSERVATION"
SPECIMEN: Final = "ORDER_OBSERVATION.SPECIMEN"
VISIT_OBSERVATION: Final = "PATIENT_RESULT.OBSERVATION"
VARIANT: Final = "ORDER_OBSERVATION.VARIANT"
"""Of the results that describe one genetic variant the first (`variants.py`): an observation once more."""
RESULTS: Final = frozenset((OBSERVATION, VARIANT, VISIT_OBSERVATION))

SCOPES: Final[dict[str, str | None]] = {
    ROOT: None,
    PATIENT: ROOT,
    ORDER: PATIENT,
    OBSERVATION: ORDER,
    SPECIMEN: ORDER,
    VARIANT: ORDER,
    VISIT_OBSERVATION: PATIENT,
}
"""Groups by name, and what is around each."""

ALIASES: Final = {"PATIENT": PATIENT, "OBSERVATION": OBSERVATION, "SPECIMEN": SPECIMEN, "VARIANT": VARIANT}
"""Short names, and the name that merge messages (ADT_A39) have for the group of PID."""

_ENVELOPE: Final = frozenset("MSH SFT UAC EVN MSA ERR DSC QAK QRD QRF QPD RCP MFI".split())
_OF_ORDER: Final = frozenset("ORC OBR TQ1 TQ2 CTD CTI PRT BLG".split())
_BEGINS_ORDER: Final = frozenset("RXO RXE RXD RXG RXA".split())
"""Segments of an order that begin one where the sender left ORC out, wherever a mapping puts them."""
_OF_SPECIMEN: Final = frozenset("SPM SAC INV".split())
_OF_OBSERVATION: Final = frozenset(("OBX",))
_TEXT_TYPES: Final = frozenset(("TX", "FT"))
_OF_SUBJECT: Final = frozenset("PID PD1 ARV PV1 PV2 MRG SCH TQ1 RGS AIS AIG AIL AIP TXA".split())
"""Segments after which a comment is on the patient, the visit or the appointment. One after another segment is that
segment's own, and is nobody's where no rule reads it."""

_OWN: Final[dict[str, frozenset[str]]] = {
    ORDER: _OF_ORDER | {"NTE", "SPM", "SAC"},
    OBSERVATION: _OF_OBSERVATION | {"NTE"},
    SPECIMEN: _OF_SPECIMEN | {"NTE"},
    VARIANT: _OF_OBSERVATION | {"NTE"},
    VISIT_OBSERVATION: _OF_OBSERVATION | {"NTE"},
}
USUAL_PLACES: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys("RXA RXC RXD RXE RXG RXO RXR IPC ZDS ODS ODT RQD RQ1 TCD SID".split(), ORDER)
)
"""Segments that are in another group than the patient's: what is ordered of a pharmacy, and what it gave; how imaging
calls its procedures and studies (IPC; ZDS of IHE RAD-4)."""
_ALWAYS_IN: Final = {"OBX": OBSERVATION, "OBR": ORDER, "ORC": ORDER, "SPM": SPECIMEN}


def placements(options: Mapping[str, Any]) -> Mapping[str, str]:
    """Where `source.groups` puts segments: name -> group.

    Raises:
        OptionError: it names no group, or no segment that can be put there.
    """
    chosen = options.get("groups")
    if chosen is None:
        return USUAL_PLACES
    example = "groups: {ORDER_OBSERVATION: [ZUI]}"
    if not isinstance(chosen, Mapping):
        raise OptionError("groups", "`groups` is an object of groups and their segments", example)
    placed: dict[str, str] = {}
    for group, names in chosen.items():
        scope = ALIASES.get(str(group), str(group))
        if scope not in SCOPES or scope in (ROOT, VARIANT):
            advice = nearest(str(group), [*SCOPES, *ALIASES], cutoff=0.4) or example
            raise OptionError("groups", f'HL7 v2 has no group "{group}"', advice)
        for name in [names] if isinstance(names, str) else names or ():
            if (
                not isinstance(name, str)
                or not _PLACEABLE.fullmatch(name)
                or name in _FIXED
                or name in placed
            ):
                raise OptionError("groups", f'"{name}" is no segment that can be put into {scope}', example)
            placed[name] = scope
    return {**USUAL_PLACES, **placed}


_PLACEABLE: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_FIXED: Final = _ENVELOPE | frozenset(("PID", "NTE", *_ALWAYS_IN))
"""Segments that make the groups."""


class Group:
    """One occurrence of a group: its segments, and the group around it.

    Attributes:
        outer: the group around; None for the message.
        segments: all segments of this group itself, in order (the message: every segment).
        first: the first segment of each name.
        several: names of which there is more than one segment.
        ordinal: None for the first observation of a code and sub-id in its order, then "2", "3", ….
        instance: what keeps the ids of results apart whose sender repeats OBX-3 and OBX-4: their own time, where that
            is not the order's, and "2", "3", … of those of one time.
        groups: the groups inside, by scope name.
        leader: of a specimen that is before its orders, the first of those that are of it.
    """

    __slots__ = (
        "_number",
        "_subject",
        "first",
        "groups",
        "instance",
        "leader",
        "ordinal",
        "outer",
        "segments",
        "several",
    )

    def __init__(self, outer: Group | None, segment: Segment | None = None) -> None:
        self.outer = outer
        self.segments: list[Segment] = [] if segment is None else [segment]
        self.first: dict[str, Segment] = {} if segment is None else {segment.name: segment}
        self.several: Collection[str] = ()
        self.ordinal: str | None = None
        self.instance: str | None = None
        self.groups: dict[str, list[Group]] = {}
        self.leader: Group | None = None
        self._subject: tuple[Any, str | None, str | None] | None = None
        self._number: str | None = None

    def add(self, segment: Segment) -> None:
        """Take a segment in."""
        self.segments.append(segment)
        if self.first.setdefault(segment.name, segment) is not segment:
            self.several = {*self.several, segment.name}

    def open(self, scope: str, segment: Segment | None = None) -> Group:
        """A new group inside this one, which begins with a segment."""
        group = Group(self, segment)
        self.groups.setdefault(scope, []).append(group)
        return group

    def of(self, scope: str) -> list[Group]:
        """The groups of a scope directly inside this one."""
        return self.groups.get(scope, [])

    def release(self) -> None:
        """Let go of the groups inside, each of which refers to the one around it."""
        for groups in self.groups.values():
            for group in groups:
                if group.groups:
                    group.release()
        self.groups = {}

    def all(self, name: str) -> list[Segment]:
        """Every segment of a name."""
        return [segment for segment in self.segments if segment.name == name]

    # What selectors compile to. Each reads the first segment of a name unless it says otherwise.

    def segment(self, name: str) -> Segment | None:
        """The segment itself, to ask whether there is one."""
        return self.first.get(name)

    def field(self, name: str, number: int) -> Any:
        """`OBX-5`."""
        segment = self.first.get(name)
        return None if segment is None else segment.field(number)

    def part(self, name: str, number: int, component: int) -> Any:
        """`OBX-3.1`."""
        segment = self.first.get(name)
        return None if segment is None else segment.part(number, component)

    def at(self, name: str, number: int, repetition: int, component: int, subcomponent: int) -> Any:
        """`PID-3[2].4.2`."""
        segment = self.first.get(name)
        return None if segment is None else segment.at(number, repetition, component, subcomponent)

    def repeats(self, name: str, number: int, component: int, subcomponent: int) -> list[Any] | None:
        """`PID-3[*].1`: all repetitions, as a list; null where there are none."""
        segment = self.first.get(name)
        return None if segment is None else segment.every(number, component, subcomponent) or None

    def every(self, name: str, number: int, component: int, subcomponent: int) -> list[Any] | None:
        """`NTE[*]-3`: the field in all segments of the name, all repetitions; null where there are none."""
        results = [
            value for segment in self.all(name) for value in segment.every(number, component, subcomponent)
        ]
        return results or None

    def nth(
        self, name: str, which: int, number: int, repetition: int, component: int, subcomponent: int
    ) -> Any:
        """`NTE[2]-3`: a value of the n-th segment of the name."""
        segments = self.all(name)
        if which > len(segments):
            return None
        return segments[which - 1].at(number, repetition, component, subcomponent)

    def raws(self, name: str, number: int) -> Any:
        """The raw field of all segments of a name (0: the segments as they are); decides what is read of it."""
        first = self.first.get(name)
        if first is None:
            return ()
        fields = first.fields
        raw = first.line if not number else fields[number] if number < len(fields) else ""
        if name not in self.several:
            return raw
        results = [raw]  # the first of an order's specimens is not among its own segments
        for segment in self.segments:
            if segment.name == name and segment is not first:
                fields = segment.fields
                results.append(segment.line if not number else fields[number] if number < len(fields) else "")
        return raw if len(results) == 1 else tuple(results)

    def raw_list(self, name: str, width: int) -> Sequence[Any]:
        """`raws` of the first fields of all segments of a name, by number."""
        first = self.first.get(name)
        if first is None:
            return [()] * width
        if name in self.several:
            return [self.raws(name, number) for number in range(width)]
        fields = first.fields
        return fields if len(fields) >= width else fields + [""] * (width - len(fields))

    def value_list(self, name: str, width: int) -> tuple[Segment | None, Sequence[str]]:
        """The first segment of a name, and its first raw fields by number: which of them are worth reading."""
        segment = self.first.get(name)
        if segment is None:
            return None, [""] * width
        fields = segment.fields
        return segment, fields if len(fields) >= width else fields + [""] * (width - len(fields))

    @property
    def number(self) -> str:
        """`order.number`: what identifies an order group among the orders of its sender."""
        if self._number is None:
            self._number = order_number(self)
        return self._number

    @property
    def specimen_order(self) -> str:
        """`specimen.order`: the number of the first order of a specimen, its parent result left out."""
        order = self.leader or self.outer
        return "" if order is None else numbered(order) or order.number

    # Derived values of a patient group, read by every rule that speaks of the patient.

    @property
    def identifiers(self) -> Any:
        """`subject.identifiers`: PID-3, else PID-2, else PID-4 (HL7 v2.3 and before)."""
        return (self._subject or self._find_subject())[0]

    @property
    def otherwise(self) -> str | None:
        """`subject.otherwise`: what distinguishes the patient within the source where there is no identifier.

        The account number (PID-18) or PID-19; else the message, if it names the person at all.
        """
        return (self._subject or self._find_subject())[1]

    @property
    def visit(self) -> str | None:
        """`visit.number`: PV1-19; else PV1-50, the account (PID-18), or patient and admission time.

        An ADT whose visit has none of these is a visit that is known by its message alone.
        """
        return (self._subject or self._find_subject())[2]

    def _find_subject(self) -> tuple[Any, str | None, str | None]:
        identifiers = None
        for number in (3, 2, 4):
            value = self.field("PID", number)
            if value is not None and value is not CLEARED and any(str(item) for item in _list(value)):
                identifiers = value
                break
        account = self.part("PID", 18, 1) or None
        message = self._message()
        otherwise = None
        if identifiers is None:
            if account:
                otherwise = f"account {account}"
            elif number_ := self.part("PID", 19, 1):
                otherwise = f"PID-19 {number_}"
            elif message and (self.field("PID", 5) or self.field("PID", 7)):
                otherwise = message
        self._subject = (identifiers, otherwise, self._visit(identifiers, otherwise, account, message))
        return self._subject

    @property
    def no_visit(self) -> bool:
        """Whether PV1 is there because the message asks for it, and says so: its class is `not applicable` (N)."""
        return bool(self.part("PV1", 2, 1) == NO_VISIT)

    def _visit(
        self, identifiers: Any, otherwise: str | None, account: Any, message: str | None
    ) -> str | None:
        if "PV1" not in self.first:
            return None
        number = self.part("PV1", 19, 1) or self.part("PV1", 50, 1)
        if not number and self.no_visit:
            return None
        number = number or account
        if number:
            return str(number)
        who = str(_list(identifiers)[0]) if identifiers is not None else otherwise
        admitted = self.part("PV1", 44, 1)
        if who and admitted:
            return f"{who} {admitted}"
        root = self.outer
        # A result tells of a visit only in passing: without a number it is none of its own.
        return message if root is not None and root.part("MSH", 9, 1) not in ("ORU", "OUL") else None

    def _message(self) -> str | None:
        root = self.outer
        if root is None:
            return None
        name = " ".join(text for at in (10, 7) if (text := root.part("MSH", at, 1)))
        location = next((n for n, group in enumerate(root.of(PATIENT), 1) if group is self), 1)
        return (f"message {name}" if location == 1 else f"message {name} {location}") if name else None

    def selectors_in_message(self, reads: Sequence[str]) -> Sequence[str]:
        """Selectors of this group as those of the message, where it is one of several results: `OBX[3]-5`."""
        own = self.first.get("OBX")
        root = self
        while root.outer is not None:
            root = root.outer
        results = [segment for segment in root.segments if segment.name == "OBX"]
        if own is None or len(results) < 2:
            return reads
        place = next((n for n, segment in enumerate(results, 1) if segment is own), None)
        return [f"OBX[{place}]{text[3:]}" if place and text.startswith("OBX-") else text for text in reads]

    def repeated(self, name: str) -> str | None:
        """`segment.ordinal`: null for the first segment of a code (its field 3), `2` for another one of that code.

        Segments that differ in no more than their set id are one and the same.
        """
        if self.outer is None or not self.segments:
            return None
        own = self.segments[0].fields
        others: list[list[str]] = []
        for segment in self.outer.all(name):
            fields = segment.fields
            if fields[3:4] == own[3:4] and fields[2:] not in others:
                others.append(fields[2:])
        location = others.index(own[2:]) + 1
        return str(location) if location > 1 else None

    @property
    def text(self) -> str | None:
        """`observation.text`: OBX-5 of all lines of the result, separators as written, one line each."""
        lines = [
            line
            for segment in self.all("OBX")
            for value in _with_blanks(segment, 5)
            for line in (value.rstrip(),)
        ]
        return "\n".join(lines).strip("\n") or None

    @property
    def notes(self) -> str | None:
        """`notes`: the comments (NTE-3) of this group, a line each; kind, author and times in parentheses after it."""
        if "NTE" not in self.first:
            return None
        lines: list[str] = []
        for segment in self.all("NTE"):
            lines += [value.whole for value in segment.every(3)]
            beside = [value.whole for number in (4, 5, 6, 7, 8) for value in segment.every(number)]
            if beside:
                lines.append(f"({'; '.join(beside)})")
        return "\n".join(lines).strip() or None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _with_blanks(segment: Segment, number: int) -> list[str]:
    """Repetitions with empty ones kept, for text whose blank lines mean something."""
    fields = segment.fields
    if number >= len(fields) or fields[number] == '""':
        return []
    return [
        unescape(part, segment.delimiters) for part in fields[number].split(segment.delimiters.repetition)
    ]


def parent_of(scope: str, placed: Mapping[str, str] = USUAL_PLACES) -> str | None:
    """The group around a scope; that of a segment by itself is the one that the segment is in."""
    return SCOPES[scope] if scope in SCOPES else placed.get(scope, PATIENT)


def holder(name: str, scope: str, placed: Mapping[str, str] = USUAL_PLACES) -> int:
    """How many groups outwards from `scope` the segments called `name` are held.

    A group's own segments are not looked for further out: a result without NTE has no comment, whatever the
    order around it says.
    """
    if scope == name or (name == "NTE" and scope not in SCOPES):
        return 0
    steps = 0
    current: str | None = scope
    while current is not None:
        if current == ROOT:
            return steps
        if name in _OWN.get(current, ()) or placed.get(name) == current:
            return steps
        if current == PATIENT and name not in _ENVELOPE:
            return steps
        current = parent_of(current, placed)
        steps += 1
    return steps - 1


def home(name: str, placed: Mapping[str, str] = USUAL_PLACES) -> str | None:
    """The group that all segments of a name are in, where that is not the patient's; None for others."""
    return placed.get(name) or _ALWAYS_IN.get(name)


def stray(root: Group, segment: Segment) -> str:
    """Why a segment is outside the group that it belongs to, to follow a sentence; nothing where it is inside."""
    name = segment.name
    if name in _OF_ORDER or name in _OF_SPECIMEN:
        for patient in root.of(PATIENT):
            for order in patient.of(ORDER):
                if any(own is segment for own in order.segments):
                    return "" if "OBR" in order.first else ": its order has no OBR"
                if any(own is segment for part in order.of(SPECIMEN) for own in part.segments):
                    return ""
        return ": no order is before it" if name != "INV" else ": no SPM is before it"
    if name == "PV1" and any(
        patient.first.get(name) is segment and not patient.visit for patient in root.of(PATIENT)
    ):
        return ": its visit has no number"
    return ""


def build(segments: list[Segment], placed: Mapping[str, str] = USUAL_PLACES) -> Group:
    """The message as a tree of groups.

    PID opens a patient; ORC, or OBR without ORC, an order; OBX an observation; SPM a specimen. What is missing
    is done without: results without PID hang in a patient group without one, an order without ORC begins at its
    OBR. A segment of no known place stays with the patient. NTE belongs to what is before it. An SPM is of the order
    before it; of a patient whose first SPM is before any order (OML_O33, OUL_R22) it is of the orders after it.

    Args:
        segments: in the order of the message.
        placed: segments that are in a group of the mapping's choice (`source.groups`): in its latest one.
    """
    root = Group(None)
    root.segments = segments
    root.first = {segment.name: segment for segment in reversed(segments)}
    if len(root.first) < len(segments):
        names = [segment.name for segment in segments]
        root.several = {name for name in root.first if names.count(name) > 1}
    patient: Group | None = None
    order: Group | None = None
    noted: Group | None = None
    latest: dict[str, Group | None] = {}
    of_message: list[Segment] = []  # comments before any patient
    leading = _LeadingSpecimens()
    alone = "PID" not in root.several
    after_request = root.part("MSH", 9, 1) == "OUL"  # OUL_R22 to OUL_R24: ORC follows its OBR
    for segment in segments:
        name = segment.name
        if name == "OBX" and order is not None and _TEXT_TYPES.isdisjoint(segment.fields[2:3]):
            noted = latest[OBSERVATION] = Group(order, segment)
            order.groups.setdefault(OBSERVATION, []).append(noted)
            continue
        if name in _ENVELOPE:
            continue
        if name == "NTE" and patient is None:
            of_message.append(segment)
            continue
        if patient is None or (name == "PID" and not _awaits_its_patient(patient, alone)):
            patient, order = root.open(PATIENT), None
            noted = patient
            latest = {}
            leading.end()
        elif name in _BEGINS_VISIT and _is_further_visit(patient, segment):
            patient, order = _same_patient(root, patient), None
            noted = patient
            latest = {}
            leading.end()
        if name in _BEGINS_ORDER and placed.get(name) == ORDER and order is None:
            order = patient.open(ORDER)
        if name in placed:
            noted = (order if placed[name] == ORDER else latest.get(placed[name])) or patient
            noted.add(segment)
        elif name == "ORC" and order is not None and _awaits_its_order(order):
            order.add(segment)  # the order of the specimen before it
            noted = order
        elif name == "ORC" and after_request and order is not None and _awaits_its_control(order):
            order.add(segment)
            noted = order
        elif name == "ORC" or (name == "OBR" and (order is None or _has_begun(order))):
            order = noted = patient.open(ORDER)
            order.add(segment)
            latest = {}
            leading.enter(order)
        elif name == "OBR" and order is not None:
            order.add(segment)
            noted = order
        elif name == "OBX":
            noted = _observation(segment, patient, order, noted)
            latest[VISIT_OBSERVATION if order is None else OBSERVATION] = noted
        elif name == "SPM":
            before_orders = order is None or bool(leading.specimens)
            if order is None or (before_orders and not _awaits_its_order(order)):
                order = patient.open(ORDER)
                latest = {}
                leading.end()
            noted = latest[SPECIMEN] = order.open(SPECIMEN)
            noted.add(segment)
            order.first.setdefault("SPM", segment)
            if before_orders:
                leading.add(noted)
        elif name in ("SAC", "INV") and (specimen := latest.get(SPECIMEN) or leading.last) is not None:
            noted = specimen
            noted.add(segment)
            if name == "SAC":
                leading.contain(segment)
        elif name == "NTE":
            if noted is not None:
                noted.add(segment)
        elif (name in _OF_ORDER or name == "SAC") and order is not None:
            order.add(segment)
        else:
            patient.add(segment)
            # A comment after it is none of the result before; after who takes part (PRT), of what they take part in.
            if name != "PRT":
                noted = patient if name in _OF_SUBJECT else None
    leading.end()
    if of_message and sum(segment.name == "PID" for segment in segments) == 1:
        about = next(group for group in root.of(PATIENT) if "PID" in group.first)
        for segment in of_message:  # a message about one patient is commented
            about.add(segment)
    for group in root.of(PATIENT):
        number_observations(group.of(VISIT_OBSERVATION), None)
        for inner in group.of(ORDER):
            number_observations(inner.of(OBSERVATION), inner)
    return root


def _awaits_its_patient(group: Group, alone: bool) -> bool:
    """Whether a group was begun by what comes before its PID; where that is the message's only one (`alone`), all does.

    Of several patients the first has what stands alone before it (NK1 in OPL), but no order and no result.
    """
    return "PID" not in group.first and (alone or not group.groups)


_BEGINS_VISIT: Final = frozenset(("PV1", "MRG"))


def _is_further_visit(patient: Group, segment: Segment) -> bool:
    """Whether a segment begins a further visit of the patient: another number (BAR_P01, OMG_O19), or a further MRG
    after a visit (ADT_A45)."""
    before = patient.first.get("PV1")
    if before is None:
        return False
    if segment.name == "MRG":
        return "MRG" in patient.first
    number = segment.part(19, 1)
    return bool(number) and number != before.part(19, 1)


def _same_patient(root: Group, patient: Group) -> Group:
    """A further group of the same patient: what was said before the first visit."""
    result = root.open(PATIENT)
    for segment in patient.segments:
        if segment.name in _BEGINS_VISIT:
            break
        result.add(segment)
    return result


class _LeadingSpecimens:
    """Specimens before the orders that are of them, each with all orders up to the next specimen.

    Attributes:
        specimens: whose orders are being read, in the first order's group.
    """

    __slots__ = ("_containers", "_orders", "specimens")

    def __init__(self) -> None:
        self.specimens: list[Group] = []
        self._orders: list[tuple[Group, list[Segment]]] = []
        self._containers: list[Segment] = []

    @property
    def last(self) -> Group | None:
        """The latest specimen."""
        return self.specimens[-1] if self.specimens else None

    def add(self, specimen: Group) -> None:
        """A further specimen of the orders to come, the first of which may be in its group."""
        if not self.specimens and specimen.outer is not None:
            self._orders.append((specimen.outer, self._containers))
        self.specimens.append(specimen)

    def contain(self, segment: Segment) -> None:
        """A container (SAC) of the orders after it, up to the next container (OML_O35, OUL_R23)."""
        if self._orders and self._orders[-1][0].segments and self._orders[-1][1] is self._containers:
            self._containers = []
        self._containers.append(segment)

    def enter(self, order: Group) -> None:
        """A further order of the specimens."""
        if self.specimens:
            self._orders.append((order, self._containers))
            order.first.setdefault("SPM", self.specimens[0].segments[0])

    def end(self) -> None:
        """There is no further order of them: each order has the specimens, with all that was said of them."""
        if not self.specimens:
            return
        leader = next((order for order, _ in self._orders if order.segments), None)
        for specimen in self.specimens:
            specimen.leader = leader
            for order, _ in self._orders[1:]:
                same = order.open(SPECIMEN)
                same.segments, same.first, same.several = specimen.segments, specimen.first, specimen.several
                same.leader = leader
        if any(held is not self._containers for _, held in self._orders):
            for order, held in self._orders:
                for segment in held:
                    order.add(segment)
        self.specimens, self._orders, self._containers = [], [], []


def _awaits_its_order(order: Group) -> bool:
    """Whether a group has been begun by a specimen alone."""
    return not order.segments and SPECIMEN in order.groups and OBSERVATION not in order.groups


def _awaits_its_control(order: Group) -> bool:
    """Whether an order has been begun by its OBR alone."""
    return "OBR" in order.first and "ORC" not in order.first and OBSERVATION not in order.groups


def comments_after(around: Group, segment: Segment) -> list[Segment]:
    """The comments (NTE) that follow a segment."""
    root = around
    while root.outer is not None:
        root = root.outer
    if "NTE" not in root.first:
        return []
    result: list[Segment] = []
    after = False
    for other in root.segments:
        if after and other.name != "NTE":
            break
        if after:
            result.append(other)
        after = after or other is segment
    return result


def _has_begun(order: Group) -> bool:
    return "OBR" in order.first or OBSERVATION in order.groups


def _observation(segment: Segment, patient: Group, order: Group | None, noted: Group | None) -> Group:
    """The group of an OBX: a new one, or that of the text it continues."""
    around, scope = (patient, VISIT_OBSERVATION) if order is None else (order, OBSERVATION)
    if noted is not None and noted.outer is around and "OBX" in noted.first and _continues(noted, segment):
        noted.add(segment)
        return noted
    group = Group(around, segment)
    if scope in around.groups:
        around.groups[scope].append(group)
    else:
        around.groups[scope] = [group]
    return group


def _continues(before: Group, segment: Segment) -> bool:
    """Whether an OBX is a further line of the text before it: same code and sub-id, type TX or FT in both."""
    other = segment.fields
    if len(other) < 6 or other[2] not in _TEXT_TYPES:
        return False
    item = before.segments[0].fields
    if len(item) < 6 or item[2] not in _TEXT_TYPES:
        return False
    return item[3] == other[3] and item[4] == other[4]
