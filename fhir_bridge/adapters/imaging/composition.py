"""A study of its instances, whether they come from files or from what a store kept of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from fhir_bridge.adapters.imaging.aecg import SOP_CLASS as AECG
from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.attributes import DOCUMENT_CLASSES, ECG_CLASSES, WAVEFORM_CLASSES
from fhir_bridge.adapters.imaging.content import ContentError
from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.encapsulated import ENCAPSULATED_CLASSES, read_attachment
from fhir_bridge.adapters.imaging.header import header_of, header_of_series
from fhir_bridge.adapters.imaging.instances import Instance
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.locations import StoredLocation
from fhir_bridge.adapters.imaging.parts import is_series_part, series_count
from fhir_bridge.adapters.imaging.records import StudyRecord
from fhir_bridge.adapters.imaging.segments import read_segments
from fhir_bridge.adapters.imaging.selections import SELECTION_CLASSES, read_selection
from fhir_bridge.adapters.imaging.structured_report import read_document
from fhir_bridge.adapters.imaging.study import Series, Study
from fhir_bridge.adapters.imaging.voxel_counts import SEGMENTATION_CLASSES
from fhir_bridge.adapters.imaging.waveform import Recording, read_recording
from fhir_bridge.plugins import RecordPart

__all__ = ["compose", "finish"]

T = TypeVar("T")


def compose(parts: Sequence[RecordPart], source: str | None = None) -> StudyRecord:
    """The study of these instances, as `read_studies` gives it of their files.

    Its issues are those of the study as a whole; those of an instance were reported when its file was read.

    Raises:
        ContentError: a content can't be read, or the parts are of several studies.
    """
    study: Study | None = None
    for part in sorted(parts, key=lambda each: each.key):
        location = StoredLocation(part.key, part.content)
        elements = location.elements()
        by_archive = is_series_part(elements)
        try:
            read = header_of_series if by_archive else header_of
            header = read(elements, location.locator, [])
        except Refused as refused:
            raise ContentError(f"a stored DICOM instance is damaged ({refused}); load it again") from refused
        uid = header.study["StudyInstanceUID"]
        if study is None:
            study = Study(uid, "stored instances", source)
        stated = header.series["SeriesInstanceUID"] if by_archive else header.uid
        if uid != study.uid or stated != (part.key.partition("@")[0] if by_archive else part.key):
            raise ContentError("stored DICOM instances of several studies can't be one; load them again")
        if by_archive:
            study.count_series(header, part.key, series_count(elements))
        else:
            study.add(header, location)
    if study is None:
        raise ContentError("a study of no instances can't be composed")
    finish(study, report_instances=False)
    return StudyRecord(study)


def finish(study: Study, *, report_instances: bool = True) -> None:
    """Read reports and waveforms and compare the instances, once all of them are known."""
    for series in study.series:
        for instance in series.instances:
            _read_content(series, instance)
    if not report_instances:
        study.forget_issues()
    levels = [("study", study.shared)]
    levels += [(f"series {series.uid}", series.shared) for series in study.series]
    for where, shared in levels:
        for keyword, counts in shared.disagreements():
            shown = ", ".join(map(str, counts[:8])) + (", …" if len(counts) > 8 else "")
            message = f"{keyword} of the {where} has {len(counts)} values ({shown} instances)"
            study.report(new_issue("FB-DCM-010", message, study.first))


def _read_content(series: Series, instance: Instance) -> None:
    """What an instance holds beside pixels, by its SOP class."""
    study, kind = series.study, instance.sop_class
    if kind in DOCUMENT_CLASSES:
        _read_document(series, instance)
    elif kind in WAVEFORM_CLASSES or kind == AECG:
        _read_recording(series, instance)
    elif kind in SELECTION_CLASSES:
        selection = _read(series, instance, read_selection, "FB-DCM-015", "the references")
        study.selections += [selection] if selection is not None else []
    elif kind in SEGMENTATION_CLASSES:
        study.segments += _read(series, instance, read_segments, "FB-DCM-034", "the segments") or []
    elif kind in ENCAPSULATED_CLASSES:
        attachment = _read(series, instance, read_attachment, "FB-DCM-015", "the document")
        study.attachments += [attachment] if attachment is not None else []


def _read_document(series: Series, instance: Instance) -> None:
    document = _read(series, instance, read_document, "FB-DCM-015", "the content tree")
    if document is not None:
        series.study.documents.append(document)
        if document.title is not None:
            instance.study.titles[instance.uid] = document.title.meaning


def _read_recording(series: Series, instance: Instance) -> None:
    recording = _read(series, instance, read_recording, "FB-DCM-016", "the waveform")
    if recording is not None:
        recording.of_ecg_class = instance.sop_class in ECG_CLASSES
        series.study.recordings.append(recording)
        _report(instance, recording)


def _read(series: Series, instance: Instance, read: Callable[..., T], code: str, what: str) -> T | None:
    """What is in an instance beside its header; None where it can't be read, with an issue."""
    try:
        asked: set[str] = set()
        elements = series.study.keep(instance, instance.location.elements())
        reader = AttributeReader(elements, instance.report, asked=asked)
        series.study.content_asked[instance.uid] = asked
        return read(reader, instance.uid, series.study, series.equipment)
    except Refused as refused:
        instance.study.report(refused.issue)
    except Exception as error:  # noqa: BLE001 - content can be wrong in any way; it costs this instance alone
        instance.report(code, f"{what} can't be read ({type(error).__name__})")
    return None


def _report(instance: Instance, recording: Recording) -> None:
    for problem in recording.problems:
        instance.report("FB-DCM-016", problem)
    if recording.points:
        instance.report("FB-DCM-017", f"{recording.points} annotations of points in time")
    if recording.skewed:
        instance.report("FB-DCM-018", "Channel Time or Sample Skew is not zero")
