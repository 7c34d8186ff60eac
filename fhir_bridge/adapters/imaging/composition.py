"""A study of its instances, whether they come from files or from what a store kept of them."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.attributes import DOCUMENT_CLASSES, WAVEFORM_CLASSES
from fhir_bridge.adapters.imaging.content import ContentError
from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.header import header_of
from fhir_bridge.adapters.imaging.instances import Instance, StoredLocation
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.records import StudyRecord
from fhir_bridge.adapters.imaging.structured_report import read_document
from fhir_bridge.adapters.imaging.study import Study
from fhir_bridge.adapters.imaging.waveform import Recording, read_recording
from fhir_bridge.plugins import RecordPart

__all__ = ["compose", "finish"]


def compose(parts: Sequence[RecordPart], source: str | None = None) -> StudyRecord:
    """The study of these instances, as `read_studies` gives it of their files.

    Its issues are those of the study as a whole; those of an instance were reported when its file was read.

    Raises:
        ContentError: a content can't be read, or the parts are of several studies.
    """
    study: Study | None = None
    for part in sorted(parts, key=lambda each: each.key):
        location = StoredLocation(part.key, part.content)
        try:
            header = header_of(location.elements(), location.locator, [])
        except Refused as refused:
            raise ContentError(f"a stored DICOM instance is damaged ({refused}); load it again") from refused
        uid = header.study["StudyInstanceUID"]
        if study is None:
            study = Study(uid, "stored instances", source)
        if uid != study.uid or header.uid != part.key:
            raise ContentError("stored DICOM instances of several studies can't be one; load them again")
        study.add(header, location)
    if study is None:
        raise ContentError("a study of no instances can't be composed")
    finish(study, report_instances=False)
    return StudyRecord(study)


def finish(study: Study, *, report_instances: bool = True) -> None:
    """Read reports and waveforms and compare the instances, once all of them are known."""
    for instance in study.instances:
        if instance.sop_class in DOCUMENT_CLASSES:
            _read_document(instance)
        elif instance.sop_class in WAVEFORM_CLASSES:
            _read_recording(instance)
    if not report_instances:
        study.forget_issues()
    levels = [("study", study.shared)]
    levels += [(f"series {series.uid}", series.shared) for series in study.series]
    for where, shared in levels:
        for keyword, counts in shared.disagreements():
            shown = ", ".join(map(str, counts[:8])) + (", …" if len(counts) > 8 else "")
            message = f"{keyword} of the {where} has {len(counts)} values ({shown} instances)"
            study.report(new_issue("FB-DCM-010", message, study.first))


def _read_document(instance: Instance) -> None:
    study = instance.study
    try:
        reader = AttributeReader(instance.location.elements(), instance.report)
        document = read_document(reader, instance.uid, study, instance.series.equipment)
    except Refused as refused:
        study.report(refused.issue)
    except Exception as error:  # noqa: BLE001 - a content tree can be wrong in any way; it costs this document alone
        instance.report("FB-DCM-015", f"the content tree can't be read ({type(error).__name__})")
    else:
        study.documents.append(document)
        if document.title is not None:
            study.titles[instance.uid] = document.title.meaning


def _read_recording(instance: Instance) -> None:
    study = instance.study
    try:
        reader = AttributeReader(instance.location.elements(), instance.report)
        recording = read_recording(reader, instance.uid, study, instance.series.equipment)
    except Refused as refused:
        study.report(refused.issue)
    except Exception as error:  # noqa: BLE001 - as for documents: a damaged waveform module costs this instance alone
        instance.report("FB-DCM-016", f"the waveform can't be read ({type(error).__name__})")
    else:
        study.recordings.append(recording)
        _report(instance, recording)


def _report(instance: Instance, recording: Recording) -> None:
    for problem in recording.problems:
        instance.report("FB-DCM-016", problem)
    if recording.points:
        instance.report("FB-DCM-017", f"{recording.points} annotations of points in time")
    if recording.skewed:
        instance.report("FB-DCM-018", "Channel Time or Sample Skew is not zero")
