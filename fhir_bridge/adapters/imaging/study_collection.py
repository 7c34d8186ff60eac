"""The instances of one study that a run finds, and what is decided once all are known: whose they are, which count."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.composition import finish
from fhir_bridge.adapters.imaging.content import differences
from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.header import Header, read_header
from fhir_bridge.adapters.imaging.instance_table import InstanceTable
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.locations import FileLocation
from fhir_bridge.adapters.imaging.parts import Part, choose, part_of
from fhir_bridge.adapters.imaging.patients import Subject, contradiction, subject_of
from fhir_bridge.adapters.imaging.records import FileRecord, StudyRecord
from fhir_bridge.adapters.imaging.rejection_notes import KEY_OBJECT_SELECTION, RejectionNote, read_note
from fhir_bridge.adapters.imaging.study import Study
from fhir_bridge.fhir.issues import Issue

__all__ = ["StudyCollection"]

_Content = tuple[str, Subject, FileLocation]
"""SOP Instance UID, whom it is about, and its file."""

_NAMES_SHOWN = 12


class StudyCollection:
    """A study while its files are read."""

    __slots__ = ("_again", "_elsewhere", "_first", "_name", "_notes", "_number", "_table", "study")

    def __init__(self, uid: str, first: str, name: str | None, table: InstanceTable) -> None:
        self.study = Study(uid, first, name, table)
        self._table = table
        self._number = self.study.number
        self._first = first
        self._name = name
        self._elsewhere: set[str] = set()
        self._again: list[_Content] = []
        self._notes: list[tuple[RejectionNote, list[Issue]]] = []

    def take(self, header: Header, location: FileLocation) -> FileRecord | None:
        """Take in a file; a record where it is the copy of one that was read."""
        uid = header.uid
        first = self._table.first(uid)
        if first is not None and self._table.study(first) != self._number:
            self._elsewhere.add(uid)
            header.issues.append(_in_two_studies(location))
        known = self._file_of(uid)
        if known is not None and _same_bytes(known, location):
            return _copy(location, known)
        subject = subject_of(header.study)
        if header.instance["SOPClassUID"] == KEY_OBJECT_SELECTION:
            note = self._note(header, subject, location)
            if note is not None:
                if known is None:  # so that it is found again
                    kind = header.instance["SOPClassUID"]
                    self._table.add(self._number, uid, kind, None, None, subject, location)
                self._notes.append((note, header.issues))
                return None
        if known is not None:
            self._again.append((uid, subject, location))
        else:
            self.study.add(header, location, subject)
        return None

    def _file_of(self, uid: str) -> FileLocation | None:
        """The file in which an instance was read first."""
        row = self._table.first(uid, self._number)
        location = None if row is None else self._table.location(row)
        return location if isinstance(location, FileLocation) else None

    def _note(self, header: Header, subject: Subject, location: FileLocation) -> RejectionNote | None:
        def report(code: str, text: str) -> None:
            issue = new_issue(code, text, location.locator)
            if issue not in header.issues:
                header.issues.append(issue)

        try:
            reader = AttributeReader(location.elements(), report)
        except Refused as refused:
            header.issues.append(refused.issue)
            return None
        return read_note(reader, header.uid, self.study.uid, subject, location.locator)

    def records(self) -> Iterator[FileRecord | StudyRecord]:
        """Records of files that do not count, then that of the study."""
        subjects = [*self.study.subjects, *(subject for _, subject, _ in self._again)]
        subjects += [note.subject for note, _ in self._notes]
        clash = contradiction(subjects)
        if clash is not None:
            yield from self._refused(clash)
            return
        others: list[_Content] = []
        yield from self._decide(others)
        yield from map(self._noted, self._notes)
        finish(self.study)
        deletions = [part for note, _ in self._notes for part in note.parts]
        if self.study.number_of_instances or deletions:
            witness = None if self.study.number_of_instances else self._witness()
            yield StudyRecord(self.study, others=others, deletions=deletions, witness=witness)

    def _witness(self) -> StudyRecord | None:
        """A study of a note alone."""
        location = self._file_of(self._notes[0][0].uid)
        if location is None:
            return None
        study = Study(self.study.uid, self._first, self._name)
        try:
            study.add(read_header(location.path, location.locator), location)
        except Refused:
            return None
        return StudyRecord(study)

    def _contents(self) -> list[_Content]:
        instances = ((each.uid, each.subject, each.location) for each in self.study.instances)
        return [
            (uid, subject, location)
            for uid, subject, location in instances
            if isinstance(location, FileLocation)
        ] + self._again

    def _refused(self, clash: tuple[Subject, Subject]) -> Iterator[FileRecord]:
        """Every file of a study that names two patients: nobody can say whose it is."""
        stated = [(subject, location.locator) for _, subject, location in self._contents()]
        stated += [(note.subject, note.locator) for note, _ in self._notes]
        examples = [next(where for subject, where in stated if subject == each) for each in clash]
        message = (
            f"the study {self.study.uid} names two patients, as in {examples[0]} and {examples[1]}: "
            "Patient ID, its issuer, or without a number the name or birth date differ"
        )
        for _, locator in stated:
            yield FileRecord(locator, "rejected", [new_issue("FB-DCM-008", message, locator)])

    def _decide(self, others: list[_Content]) -> Iterator[FileRecord]:
        """Choose among contents of one instance and its deletion; what does not count goes into `others`."""
        deletions: dict[str, list[Part]] = {}
        for note, _ in self._notes:
            for part in note.parts:
                deletions.setdefault(part.key, []).append(part)
        doubtful = {uid for uid, _, _ in self._again} | {uid for uid in deletions if self._file_of(uid)}
        if not doubtful:
            return
        winners: list[FileLocation] = []
        candidates: dict[str, list[_Content]] = {}
        for content in self._contents():
            if content[0] in doubtful:
                candidates.setdefault(content[0], []).append(content)
            else:
                winners.append(content[2])
        for uid, contents in candidates.items():
            read: list[tuple[Part, _Content]] = []
            for content in contents:
                try:
                    read.append((part_of(uid, content[1], content[2].elements()), content))
                except Refused as refused:
                    yield FileRecord(content[2].locator, "rejected", [refused.issue])
            deleting = deletions.get(uid, [])
            chosen = choose([*(part for part, _ in read), *deleting])
            winner = next((pair for pair in read if pair[0] is chosen), None)
            if winner is not None:
                winners.append(winner[1][2])
            for part, content in read:
                if winner is None or content is not winner[1]:
                    others.append(content)
                    yield _left_out(part, content[2], winner)
        yield from self._rebuild(winners)

    def _rebuild(self, locations: list[FileLocation]) -> Iterator[FileRecord]:
        """The study of these files alone: what others say has no vote."""
        self.study = Study(self.study.uid, self._first, self._name, self._table)
        for location in locations:
            try:
                header = read_header(location.path, location.locator)
            except Refused as refused:
                yield FileRecord(location.locator, "rejected", [refused.issue])
            else:
                if header.uid in self._elsewhere:
                    header.issues.append(_in_two_studies(location))
                self.study.add(header, location)

    def _noted(self, entry: tuple[RejectionNote, list[Issue]]) -> FileRecord:
        note, issues = entry
        issue = new_issue(
            "FB-DCM-025", f"{note.reason}: {len(note.rejected)} instances of its study", note.locator
        )
        problems = [issue, *issues]
        if note.time is None:
            problems.append(
                new_issue("FB-DCM-028", "the note has no Content Date that can be read", note.locator)
            )
        if note.elsewhere:
            problems.append(
                new_issue(
                    "FB-DCM-028", f"{note.elsewhere} of the instances are not of its study", note.locator
                )
            )
        elif not note.rejected:
            problems.append(
                new_issue("FB-DCM-028", "the note names no instance that can be read", note.locator)
            )
        return FileRecord(note.locator, "skipped", problems)


def _in_two_studies(location: FileLocation) -> Issue:
    return new_issue("FB-DCM-029", "the SOP Instance UID is in another study too", location.locator)


def _same_bytes(location: FileLocation, other: FileLocation) -> bool:
    try:
        return filecmp.cmp(location.path, other.path, shallow=False)
    except OSError:
        return False


def _copy(location: FileLocation, known: FileLocation) -> FileRecord:
    message = f"the same instance as in {known.name}"
    return FileRecord(location.locator, "skipped", [new_issue("FB-DCM-009", message, location.locator)])


def _left_out(part: Part, location: FileLocation, winner: tuple[Part, _Content] | None) -> FileRecord:
    if winner is None:
        issue = new_issue(
            "FB-DCM-026", "a rejection note of the study deletes the instance", location.locator
        )
        return FileRecord(location.locator, "skipped", [issue])
    chosen, (_, _, where) = winner
    changed = differences(chosen.content, part.content)
    if not changed:
        return _copy(location, where)
    shown = ", ".join(changed[:_NAMES_SHOWN])
    more = f" and {len(changed) - _NAMES_SHOWN} more" if len(changed) > _NAMES_SHOWN else ""
    message = f"another content of the instance in {where.name}, which counts; they differ in {shown}{more}"
    return FileRecord(location.locator, "skipped", [new_issue("FB-DCM-024", message, location.locator)])
