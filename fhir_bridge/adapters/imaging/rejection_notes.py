"""Rejection notes (IHE RAD IOCM): Key Object Selections that delete instances of their study."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.parts import Part
from fhir_bridge.adapters.imaging.patients import Subject
from fhir_bridge.adapters.imaging.times import joined, moment

__all__ = ["KEY_OBJECT_SELECTION", "RejectionNote", "read_note"]

KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"

_REASONS: Final = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
    "113039": "Data Retention Policy Expired",
}
"""Document titles that reject (PS3.16 CID 7011)."""


class RejectionNote(NamedTuple):
    """A rejection note.

    Attributes:
        uid: its own SOP Instance UID.
        locator: where it is.
        reason: its title.
        subject: whom it is about, in its own words.
        time: its content date and time, else when it was created; None where it states none that can be used, and
            then it deletes nothing.
        rejected: SOP Instance UIDs of its study.
        elsewhere: how many instances of other studies it names, which it does not delete.
    """

    uid: str
    locator: str
    reason: str
    subject: Subject
    time: datetime | None
    rejected: tuple[str, ...]
    elsewhere: int

    @property
    def parts(self) -> list[Part]:
        """The deletions."""
        if self.time is None:
            return []
        return [Part(uid, self.subject.text, self.time, b"", deletes=True) for uid in self.rejected]


def read_note(
    reader: AttributeReader, uid: str, study: str, subject: Subject, locator: str
) -> RejectionNote | None:
    """The rejection note that a Key Object Selection is; None where it only selects."""
    title = reader.code("ConceptNameCodeSequence")
    reason = _REASONS.get(title.value or "") if title is not None and title.scheme == "DCM" else None
    if reason is None:
        return None
    evidence = dict(_evidence(reader))
    # The content tree selects, and the evidence says of which study each is (PS3.3 C.17.6.2.1); what it does not list
    # can only be of the note's own study.
    selected = dict.fromkeys(_selected(reader)) or dict.fromkeys(evidence)
    rejected = tuple(sorted(each for each in selected if evidence.get(each, study) == study and each != uid))
    # Its series and study are older than what it rejects: without a time of its own it deletes nothing.
    time = _stated(reader, "Content") or _stated(reader, "InstanceCreation")
    return RejectionNote(uid, locator, reason, subject, time, rejected, len(selected) - len(rejected))


def _stated(reader: AttributeReader, stem: str) -> datetime | None:
    date, clock = reader.text(f"{stem}Date"), reader.text(f"{stem}Time")
    return moment(joined(date, clock, reader.text("TimezoneOffsetFromUTC"))[0])


def _evidence(reader: AttributeReader) -> Iterator[tuple[str, str]]:
    for study in reader.items("CurrentRequestedProcedureEvidenceSequence"):
        where = study.text("StudyInstanceUID") or ""
        for series in study.items("ReferencedSeriesSequence"):
            for reference in series.items("ReferencedSOPSequence"):
                uid = reference.text("ReferencedSOPInstanceUID")
                if uid:
                    yield uid, where


def _selected(reader: AttributeReader) -> Iterator[str]:
    for item in reader.items("ContentSequence"):
        for reference in item.items("ReferencedSOPSequence"):
            uid = reference.text("ReferencedSOPInstanceUID")
            if uid:
                yield uid
        yield from _selected(item)
