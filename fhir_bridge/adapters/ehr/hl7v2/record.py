"""One HL7 v2 message as a source record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from hashlib import blake2b
from typing import Any, Final

from fhir_bridge.adapters.ehr.dtm import timestamp
from fhir_bridge.adapters.ehr.hl7v2.accounting import Unread, unread
from fhir_bridge.adapters.ehr.hl7v2.delimiters import Delimiters
from fhir_bridge.adapters.ehr.hl7v2.documents import contents_facts
from fhir_bridge.adapters.ehr.hl7v2.fields import Segment, kept_of
from fhir_bridge.adapters.ehr.hl7v2.groups import (
    ALIASES,
    FACT,
    OBSERVATION,
    ORDER,
    PATIENT,
    REMAINDER,
    RESULTS,
    ROOT,
    SCOPES,
    SPECIMEN,
    USUAL_PLACES,
    VARIANT,
    Group,
    build,
    comments_after,
    parent_of,
)
from fhir_bridge.adapters.ehr.hl7v2.places import places_of
from fhir_bridge.adapters.ehr.hl7v2.remainder import Remainder, remainders
from fhir_bridge.adapters.ehr.hl7v2.sequence import sequence
from fhir_bridge.adapters.ehr.hl7v2.source_bytes import SourceBytes
from fhir_bridge.adapters.ehr.hl7v2.variants import variants
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.notes.extracted import ImplausibleValue, StatedFact, implausible_values
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Applied, Passage, Read, Span
from fhir_bridge.plugins import IssueLike, RecordOutcome

__all__ = ["Message", "parse_segments"]

_LEFT: Final = " is not represented"
_SEGMENT_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_COMMON: Final = frozenset("MSH EVN PID PD1 NK1 PV1 PV2 AL1 DG1 ORC OBR OBX NTE SPM TQ1 IN1".split())
_LINE_END: Final = re.compile(r"[\r\n]+")
_BYTES_END: Final = re.compile(rb"[\r\n]+")


def parse_segments(text: str, charset: str = "utf-8") -> tuple[list[Segment], int]:
    """The segments of a message, and how many lines were no segment and joined to the one before.

    Raises:
        ValueError: MSH can't be read; the message says why.
    """
    if text[:3] in ("FHS", "BHS"):
        raise ValueError(
            "it begins with a batch header; a batch is loaded from a file, a message is sent alone"
        )
    if text[:3] != "MSH" or len(text) < 5:
        raise ValueError("it does not begin with MSH and its separators")
    separator = text[3]
    lines = _LINE_END.split(text) if "\n" in text else text.split("\r")
    delimiters = Delimiters.declared(separator, lines[0][4:].split(separator, 1)[0], charset)
    if lines[0][4:].split(separator, 1)[0][2:4] == "\\\\":
        lines = [line.replace("\\\\", "\\") for line in lines]
    if len(lines) == 1 and re.search(rf" (?:EVN|PID){re.escape(separator)}", text):
        raise ValueError("its segments are divided by spaces; they must end with a carriage return")
    segments: list[Segment] = []
    kept = kept_of(delimiters)
    joined = 0
    for line in lines:
        name = line[:3]
        if line[3:4] == separator and name in _COMMON:
            segments.append(Segment(name, line, delimiters, kept))
        elif not line or line.isspace():
            continue
        elif line[3:4] in (separator, "") and _SEGMENT_NAME.fullmatch(name):
            segments.append(Segment(name, line, delimiters, kept))
        else:
            joined += 1
            before = segments[-1]
            segments[-1] = Segment(before.name, f"{before.line}\n{line}", delimiters, kept)
    return segments, joined


class Message:
    """A message, as `SourceRecord`: parted into segments, grouped when a rule first asks for a group.

    Attributes:
        control_id: MSH-10, where it has one.
        kind: message code and trigger event, `ORU^R01`.
        key: digest of the message, whatever ends its segments.
        sequence: MSH-7, MSH-13 and MSH-10, to sort by.
        applied: the rules that have been applied so far, with what they read, while it is converted.
        offset: where it begins in its file, in bytes; `wide`: the encoding of a file that is UTF-16.
    """

    __slots__ = (
        "_account",
        "_facts",
        "_implausible",
        "_names",
        "_placed",
        "_raw",
        "_source_bytes",
        "_tree",
        "_zone",
        "applied",
        "control_id",
        "issues",
        "kind",
        "locator",
        "offset",
        "outcome",
        "records",
        "segments",
        "source",
        "time",
        "wide",
    )

    def __init__(
        self,
        locator: str,
        segments: list[Segment],
        issues: Sequence[IssueLike] = (),
        outcome: RecordOutcome = "read",
        *,
        raw: bytes = b"",
        zone: tzinfo | None = None,
        placed: Mapping[str, str] = USUAL_PLACES,
    ) -> None:
        self._raw = raw
        self._placed = placed
        self._zone = zone
        self.offset = 0
        self.wide = ""
        self._source_bytes: SourceBytes | None = None
        self.segments = segments
        self.issues: Sequence[IssueLike] = issues
        self.outcome: RecordOutcome = outcome
        self.records = 1
        self._facts: list[StatedFact] | None = None
        self._implausible: list[ImplausibleValue] = []
        self._account: Unread | None = None
        self.applied: Sequence[Applied] = ()
        self._tree: Group | None = None
        self._names: frozenset[str] | None = None
        header = segments[0] if segments else None
        control_id = header.part(10, 1) if header else None
        self.control_id: str | None = " ".join(control_id.split()) if control_id else None
        parts = [header.part(9, number) for number in (1, 2)] if header else []
        self.kind = "^".join(part for part in parts if part)
        self.locator = f"{locator} ({self.control_id})" if self.control_id else locator
        names = [header.part(number, 1) or header.part(number, 2) for number in (3, 4)] if header else []
        self.source = "/".join(name for name in names if name) or "hl7v2"
        self.time: datetime | None = timestamp(header.part(7, 1)) if header else None

    @property
    def key(self) -> str:
        """Digest of the message's segments; of its bytes, where they can't be read."""
        lines = [segment.line.encode("utf-8", "surrogatepass") for segment in self.segments]
        content = b"\r".join(line.rstrip() for line in lines or _BYTES_END.split(self._raw.strip()))
        return blake2b(content, digest_size=16).hexdigest() if content else ""

    @property
    def processing(self) -> str:
        """MSH-11, its first component: `P` for production, `T` for training, `D` for debugging."""
        return str(self.segments[0].part(11, 1) or "").strip().upper() if self.segments else ""

    @property
    def passing(self) -> bool:
        """Whether it tells of patient and visit in passing: only ADT is about them."""
        return not self.kind.startswith("ADT")

    @property
    def zone(self) -> tzinfo | None:
        """The offset of MSH-7, which times without one have (2.14.9.7), where it is not that of the site's zone.

        None where the site's zone has it too, and so knows the clock changes, and where either is not stated: an offset
        alone does not say what it was half a year ago.
        """
        sent = self.time
        if self._zone is None or sent is None or sent.tzinfo is None:
            return None
        try:
            of_site = sent.astimezone(self._zone).utcoffset()
        except OverflowError:  # the first or last hours of the calendar
            return sent.tzinfo
        return None if of_site == sent.utcoffset() else sent.tzinfo

    @property
    def sequence(self) -> str:
        """The message's place among those of one business time (`sequence.py`)."""
        if not self.segments:
            return ""
        header = self.segments[0]
        return sequence(self.time, header.part(13, 1), header.part(10, 1), self._zone)

    @property
    def notation(self) -> Delimiters | None:
        """What decides how a raw field is read."""
        return self.segments[0].delimiters if self.segments else None

    @property
    def tree(self) -> Group:
        """The message's groups."""
        if self._tree is None:
            self._tree = build(self.segments, self._placed)
        return self._tree

    def __del__(self) -> None:
        # Groups refer to each other in circles: the collector would look for them among everything else, at a tenth
        # of a run's time.
        if self._tree is not None:
            self._tree.release()
        self._facts = None
        self._implausible = []

    @property
    def readable(self) -> bool:
        """Whether it could be read as a message."""
        return bool(self.segments) and self.outcome != "rejected"

    def identifiers(self) -> list[str]:
        """Values of PID-3, PID-2 and PID-4 of its patients, and of the records that a merge gives up (MRG-1)."""
        fields = {"PID": (3, 2, 4), "MRG": (1,)}
        values = (
            repetition.split(segment.delimiters.component, 1)[0].strip()
            for segment in self.segments
            if segment.name in fields
            for number in fields[segment.name]
            for repetition in segment.repetitions(number)
        )
        return list(dict.fromkeys(value for value in values if value))

    def has(self, name: str) -> bool:
        """Whether a segment of the name is there."""
        return name in self.shape

    @property
    def shape(self) -> frozenset[str]:
        """The names of its segments."""
        if self._names is None:
            self._names = frozenset([segment.name for segment in self.segments])
        return self._names

    def lacks(self, scope: str) -> bool:
        """Whether no message of this shape has a group of the scope."""
        name = ALIASES.get(scope, scope)
        if name == SPECIMEN:
            return "SPM" not in self.shape
        if name == FACT:
            return "TXA" not in self.shape or "OBX" not in self.shape
        if name in RESULTS:
            return "OBX" not in self.shape
        if name == REMAINDER:
            return False
        return name not in SCOPES and name not in self.shape

    def unread(self, applied: Iterable[Applied]) -> list[Issue]:
        """What the message says that none of the applied rules represents."""
        account = self._account or unread(self.tree, self.segments, applied, self._placed)
        carried = {
            id(part) for _, group, _ in self.applied if isinstance(group, Remainder) for part in group.rest
        }
        rest, declared, faults = account
        texts = dict.fromkeys(part.text for part in rest if id(part) not in carried)
        issues = [new_issue("FB-HL7-012", text, self.locator) for text in texts]
        if carried:
            places = dict.fromkeys(part.text.removesuffix(_LEFT) for part in rest if id(part) in carried)
            issues.append(new_issue("FB-HL7-019", f"carried as text: {', '.join(places)}", self.locator))
        if faults:
            text = f"the message breaks its grammar: {'; '.join(faults)}"
            issues.insert(0, new_issue("FB-HL7-018", text, self.locator))
        if declared:
            listed = ", ".join(declared)
            issues.append(
                new_issue("FB-HL7-017", f"not of the patient, and not represented: {listed}", self.locator)
            )
        return issues + implausible_values(self._implausible, self.locator)

    @property
    def _bytes(self) -> SourceBytes:
        if self._source_bytes is None:
            name = self.locator.partition("#")[0]
            self._source_bytes = SourceBytes(self._raw, self.segments, name, self.offset, self.wide)
        return self._source_bytes

    def passages(self) -> Iterable[Passage]:
        """The segments, with their values and where they are."""
        return self._bytes.passages()

    def spans(self, scope: Group, read: Read, items: Mapping[str, Any]) -> Iterable[Span]:
        """Where the values are that a rule reads from one of its groups."""
        return self._bytes.spans(places_of(scope, read, items, self._placed))

    def scope(self, name: str) -> Iterable[Any]:
        """The groups of a scope, in message order."""
        root = self.tree
        name = ALIASES.get(name, name)
        if name == ROOT:
            return [root]
        patients = root.of(PATIENT)
        if name == PATIENT:
            return patients
        if name == REMAINDER:
            self._account = unread(root, self.segments, self.applied, self._placed)
            return remainders(root, self._account.rest)
        if name == FACT:
            if self._facts is None:
                self._facts = [
                    fact for patient in patients for fact in contents_facts(patient, self._implausible)
                ]
            return self._facts
        if name == ORDER:
            return [order for patient in patients for order in patient.of(ORDER)]
        if name in (OBSERVATION, SPECIMEN):
            return [group for patient in patients for order in patient.of(ORDER) for group in order.of(name)]
        if name == VARIANT:
            return [group for patient in patients for order in patient.of(ORDER) for group in variants(order)]
        if name in SCOPES:
            return [group for patient in patients for group in patient.of(name)]
        if not self.has(name):
            return []
        return [
            group
            for around in self.scope(parent_of(name, self._placed) or ROOT)
            for group in _alone(around, name)
        ]


def _alone(around: Group, name: str) -> list[Group]:
    """A group for each segment of the name; the same objects on every call, as references are found by them."""
    if name not in around.groups:
        around.groups[name] = groups = [Group(around, segment) for segment in around.all(name)]
        for group in groups:
            for comment in comments_after(around, group.segments[0]):
                group.add(comment)
    return around.groups[name]
