"""The records of the `dicom` adapter: a file that is no instance, and a study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fhir_bridge.adapters.imaging.accounting import report_unread
from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.locations import InstanceLocation
from fhir_bridge.adapters.imaging.parts import Part, part_of
from fhir_bridge.adapters.imaging.patients import Subject
from fhir_bridge.adapters.imaging.study import Study
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Passage, Read, Span
from fhir_bridge.plugins import RecordOutcome

__all__ = ["FileRecord", "StudyRecord"]

_LEVELS = frozenset(
    {"Series", "Instance", "Physician", "Equipment", "Document", "Measurement", "Lead", "Annotation"}
)
"""Objects that a mapping's loops run over, by class."""


@dataclass(slots=True)
class FileRecord:
    """A file that gives no instance: skipped or rejected, and why."""

    locator: str
    outcome: RecordOutcome
    issues: Sequence[Issue]
    records: int = 1
    source: str = "dicom"
    time: datetime | None = None
    key: str = ""
    sequence: str = ""
    parts: Sequence[Part] = ()

    def scope(self, name: str) -> tuple[Any, ...]:  # noqa: ARG002 - the protocol's
        """Nothing: there is nothing to map."""
        return ()


@dataclass(slots=True)
class StudyRecord:
    """A study with its series, instances, reports and waveforms; it accounts for its instances.

    Attributes:
        study: what its instances say; without any where a rejection note is all that the run read of it.
        others: contents of its instances that do not count in this run: SOP Instance UID, subject, place.
        deletions: by its rejection notes.
        summaries: what an archive says of its series.
        witness: where notes are all that the run read, a study of one of them: it says whose the notes are.
    """

    study: Study
    outcome: RecordOutcome = "read"
    others: Sequence[tuple[str, Subject, InstanceLocation]] = ()
    deletions: Sequence[Part] = ()
    witness: StudyRecord | None = None
    summaries: Sequence[Part] = ()
    sequence: str = ""
    _parts: list[Part] | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """Study Instance UID."""
        return self.study.uid

    @property
    def parts(self) -> Sequence[Part]:
        """All that this run read of the study, by key. The files are read again, once, when this is first asked for.

        An instance that can't be read again is missing, and an issue (FB-DCM-019) says so.
        """
        if self._parts is None:
            self._parts = [*self._read(), *self.summaries, *self.deletions]
            self._parts.sort(key=lambda part: (part.key, part.deletes))
        return self._parts

    def _read(self) -> Iterator[Part]:
        instances = ((each.uid, each.subject, each.location) for each in self.study.instances)
        contents: Iterable[tuple[str, Subject, InstanceLocation]] = (*instances, *self.others)
        for uid, subject, location in contents:
            try:
                yield part_of(uid, subject, location.elements())
            except Refused as refused:
                self.study.report(
                    new_issue("FB-DCM-019", f"could not be read again: {refused}", location.locator)
                )

    @property
    def locator(self) -> str:
        return f"{self.study.first} (study {self.study.uid})"

    @property
    def records(self) -> int:
        return self.study.number_of_instances

    @property
    def issues(self) -> Sequence[Issue]:
        """What is wrong with its instances; grows where a mapping asks for an attribute that can't be read."""
        return self.study.issues

    def unread(self, applied: Iterable[object]) -> tuple[Issue, ...]:  # noqa: ARG002 - the study knows
        """Report what no rule asked for: among the study's issues, since it makes no study partial."""
        report_unread(self.study)
        return ()

    @property
    def source(self) -> str:
        return self.study.source

    @property
    def time(self) -> None:
        """None: each rule says whose time it takes; a machine or person is as the study says, whenever that was."""

    def passages(self) -> Iterable[Passage]:
        """The attributes of the study's instances, as far as they are in files."""
        from fhir_bridge.adapters.imaging.attribute_bytes import AttributeBytes  # for `explain` alone

        return AttributeBytes(self.study).passages()

    def spans(self, scope: Any, read: Read, items: Mapping[str, Any]) -> Iterable[Span]:
        """Where the attributes are that a rule reads: in the first instance that states the value that counts."""
        from fhir_bridge.adapters.imaging.attribute_bytes import AttributeBytes

        attributes = AttributeBytes(self.study)
        within = [(items[name], depth) for name, depth in read.loops if name in items]
        if within and within[-1][0].__class__.__name__ in _LEVELS:  # `x.uid` of `for: x in study.series`
            item, depth = within[-1]
            return attributes.spans(item, ".".join([item.__class__.__name__, *map(str, read.path[depth:])]))
        return attributes.spans(scope, read.selector)

    def scope(self, name: str) -> Iterator[Any]:
        """The objects of a scope of the source model, in order; none where no instance is left."""
        study = self.study
        if not study.number_of_instances:
            return
        if name == "Study":
            study.asked.clear()
            yield study
        elif name == "Series":
            yield from study.series
        elif name == "Instance":
            yield from study.instances
        elif name == "Physician":
            yield from study.physicians
        elif name == "Equipment":
            yield from study.equipment
        elif name == "Document":
            yield from study.documents
        elif name == "Measurement":
            yield from (each for document in study.documents for each in document.measurements)
        elif name == "Answer":
            yield from (each for document in study.documents for each in document.answers)
        elif name == "Selection":
            yield from study.selections
        elif name == "Segment":
            yield from study.segments
        elif name == "Attachment":
            yield from study.attachments
        elif name == "Recording":
            yield from study.recordings
        elif name == "Annotation":
            yield from (each for recording in study.recordings for each in recording.annotations)
        else:
            waveforms = [each for recording in study.recordings for each in recording.waveforms]
            yield from (
                waveforms if name == "Waveform" else (lead for each in waveforms for lead in each.leads)
            )
