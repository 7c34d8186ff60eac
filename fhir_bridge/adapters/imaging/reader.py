"""Files to studies: one pass over the headers, then a record a study."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.imaging.attributes import DOCUMENT_CLASSES, WAVEFORM_CLASSES
from fhir_bridge.adapters.imaging.elements import Value
from fhir_bridge.adapters.imaging.header import Refused, quiet, read_dataset, read_header
from fhir_bridge.adapters.imaging.issues import found
from fhir_bridge.adapters.imaging.parties import Equipment, PatientIdentity, issuer
from fhir_bridge.adapters.imaging.structured_report import read_document
from fhir_bridge.adapters.imaging.study import Instance, Study
from fhir_bridge.adapters.imaging.times import joined
from fhir_bridge.adapters.imaging.waveform import Recording, read_recording
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.plugins import RecordOutcome

__all__ = ["FileRecord", "StudyRecord", "files_of", "read_studies"]


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

    def scope(self, name: str) -> tuple[Any, ...]:  # noqa: ARG002 - the protocol's
        """Nothing: there is nothing to map."""
        return ()


@dataclass(slots=True)
class StudyRecord:
    """A study with its series, instances, reports and waveforms; it accounts for its instances."""

    study: Study
    outcome: RecordOutcome = "read"
    extra: list[Issue] = field(default_factory=list)
    key: str = ""
    sequence: str = ""

    @property
    def locator(self) -> str:
        return f"{self.study.first} (study {self.study.uid})"

    @property
    def records(self) -> int:
        return self.study.number_of_instances

    @property
    def issues(self) -> Sequence[Issue]:
        return [*self.study.issues, *self.extra]

    @property
    def source(self) -> str:
        return self.study.source

    @property
    def time(self) -> None:
        """None: each rule says whose time it takes; a machine or person is as the study says, whenever that was."""

    def scope(self, name: str) -> Iterator[Any]:
        """The objects of a scope of the source model, in order."""
        study = self.study
        if name == "Study":
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
            yield from (found for document in study.documents for found in document.measurements)
        elif name == "Recording":
            yield from study.recordings
        elif name == "Annotation":
            yield from (found for recording in study.recordings for found in recording.annotations)
        else:
            waveforms = [found for recording in study.recordings for found in recording.waveforms]
            yield from (
                waveforms if name == "Waveform" else (lead for found in waveforms for lead in found.leads)
            )


def files_of(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """The files of the sources with the name they go by: relative to the folder that was given."""
    for path in paths:
        if not path.is_dir():
            yield path, path.name
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                file = Path(folder, name)
                yield file, file.relative_to(path).as_posix()


def read_studies(paths: Sequence[Path], source: str | None = None) -> Iterator[FileRecord | StudyRecord]:
    """Read all headers, yielding what is no instance as it comes; then a record a study, in order of first sight.

    Memory grows with the number of instances by their UIDs and file names, never by their data sets.

    Args:
        paths: files and folders.
        source: name of the archive they come from; without it, that of each study's institution.
    """
    studies: dict[str, Study] = {}
    seen: dict[str, Instance] = {}
    folders: dict[str, str] = {}
    for path, locator in files_of(paths):
        try:
            header = read_header(path, locator)
        except Refused as refused:
            yield FileRecord(
                locator, "skipped" if refused.outcome == "skipped" else "rejected", [refused.issue]
            )
            continue
        uid = header.instance["SOPInstanceUID"]
        if uid in seen:
            issue = found("FB-DCM-009", f"the same SOP Instance UID as {seen[uid].path.name}", locator)
            yield FileRecord(locator, "skipped", [issue])
            continue
        folder = str(path.parent)
        folder = folders.setdefault(folder, folder)
        uid = header.study["StudyInstanceUID"]
        study = studies.get(uid)
        if study is None:
            study = studies[uid] = Study(uid, locator, source)
        study.patients.setdefault(_identity(header.study), locator)
        instance = study.add(header, folder, path.name)
        seen[instance.uid] = instance
    seen.clear()
    for uid in list(studies):
        yield _finish(studies.pop(uid))


def _identity(values: dict[str, Value]) -> PatientIdentity:
    names: list[str] = []
    kind = None
    for item in values.get("IssuerOfPatientIDQualifiersSequence") or ():
        entity = issuer(
            getattr(item, "UniversalEntityID", None), getattr(item, "UniversalEntityIDType", None)
        )
        names += [entity] if entity else []
        kind = getattr(item, "IdentifierTypeCode", None)
        break
    local = values.get("IssuerOfPatientID")
    names += [str(local)] if local else []
    value = values.get("PatientID")
    first = value[0] if isinstance(value, list) else value
    return PatientIdentity(str(first) if first else None, tuple(names), kind)


def _finish(study: Study) -> StudyRecord:
    conflict = _two_patients(study)
    if conflict is not None:
        return StudyRecord(study, "rejected", [conflict])
    _check_agreement(study)
    _check_times(study)
    for instance in study.instances:
        if instance.sop_class in DOCUMENT_CLASSES:
            _read_document(study, instance.path, instance.series.equipment)
        elif instance.sop_class in WAVEFORM_CLASSES:
            _read_recording(study, instance.path, instance.series.equipment)
    return StudyRecord(study)


def _two_patients(study: Study) -> Issue | None:
    """An issue where instances name different numbers, or one number of different authorities."""
    stated = [identity for identity in study.patients if identity.value is not None]
    values = {identity.value for identity in stated}
    authorities = {identity.authority for identity in stated if identity.authority}
    clash = any(not set(one) & set(other) for one in authorities for other in authorities)
    if len(values) < 2 and not clash:
        return None
    files = " and ".join(list(study.patients.values())[:2])
    return found("FB-DCM-008", f"Patient ID or its issuer differ, as in {files}", study.first)


def _check_agreement(study: Study) -> None:
    levels = [("study", study.shared)]
    levels += [(f"series {series.uid}", series.shared) for series in study.series]
    for where, shared in levels:
        for keyword, votes in shared.disagreements():
            counts = ", ".join(str(count) for _, count in votes.most_common())
            message = f"{keyword} of the {where} has {len(votes)} values ({counts} instances)"
            study.issues.append(found("FB-DCM-010", message, study.first))


def _check_times(study: Study) -> None:
    checks = [("Study", study.get("StudyDate"), study.get("StudyTime"), study.offset)]
    checks.append(("PatientBirth", study.get("PatientBirthDate"), None, None))
    checks += [
        ("Series", series.get("SeriesDate"), series.get("SeriesTime"), None) for series in study.series
    ]
    names = {"date": "Date", "time": "Time", "offset": "TimezoneOffsetFromUTC"}
    for stem, date, time, offset in checks:
        _, bad = joined(_single(date), _single(time), offset)
        for part in bad:
            keyword = names[part] if part == "offset" else f"{stem}{names[part]}"
            issue = found("FB-DCM-011", f"{keyword} is impossible", study.first)
            if issue not in study.issues:
                study.issues.append(issue)


def _single(value: Value) -> str | None:
    first = value[0] if isinstance(value, list) else value
    return str(first) if first else None


def _read_document(study: Study, path: Path, equipment: Equipment | None) -> None:
    try:
        dataset = read_dataset(path, path.name)
        with quiet():
            study.documents.append(read_document(dataset, study, equipment))
    except Refused as refused:
        study.issues.append(refused.issue)
    except Exception as error:  # noqa: BLE001 - a content tree can be wrong in any way; it costs this document alone
        message = f"the content tree can't be read ({type(error).__name__})"
        study.issues.append(found("FB-DCM-015", message, path.name))


def _read_recording(study: Study, path: Path, equipment: Equipment | None) -> None:
    try:
        dataset = read_dataset(path, path.name)
        with quiet():
            recording = read_recording(dataset, study, equipment)
    except Refused as refused:
        study.issues.append(refused.issue)
        return
    except Exception as error:  # noqa: BLE001 - as for documents: a damaged waveform module costs this instance alone
        study.issues.append(
            found("FB-DCM-016", f"the waveform can't be read ({type(error).__name__})", path.name)
        )
        return
    study.recordings.append(recording)
    _report(study, recording, path.name)


def _report(study: Study, recording: Recording, locator: str) -> None:
    for problem in recording.problems:
        study.issues.append(found("FB-DCM-016", problem, locator))
    if recording.points:
        study.issues.append(found("FB-DCM-017", f"{recording.points} annotations of points in time", locator))
    if recording.skewed:
        study.issues.append(found("FB-DCM-018", "Channel Time or Sample Skew is not zero", locator))
