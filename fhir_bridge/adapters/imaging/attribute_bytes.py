"""Where in the files of a study the attributes are that a rule reads: tag, and bytes where the file states them.

An attribute within a sequence is named by the path of its tags, as in DICOM JSON's notation with items from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from fhir_bridge.adapters.imaging.attributes import SERIES, STUDY
from fhir_bridge.adapters.imaging.data_dictionary import keyword_for_tag, tag_for_keyword
from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.elements import OMITTED, UNREADABLE, Elements, items_of
from fhir_bridge.adapters.imaging.encapsulated import Attachment
from fhir_bridge.adapters.imaging.header import read_header
from fhir_bridge.adapters.imaging.instances import Instance
from fhir_bridge.adapters.imaging.locations import FileLocation
from fhir_bridge.adapters.imaging.pydicom_settings import quiet
from fhir_bridge.adapters.imaging.segments import Segment
from fhir_bridge.adapters.imaging.selections import Selection
from fhir_bridge.adapters.imaging.structured_report import Document
from fhir_bridge.adapters.imaging.study import Series, Study
from fhir_bridge.adapters.imaging.waveform import Recording
from fhir_bridge.mapping import Passage, Span

__all__ = ["AttributeBytes"]

_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_SHOWN: Final = 20
"""Instances of a study that are shown: an engineer looks for attributes, and slices repeat them."""
_LONGEST: Final = 256
_UNDEFINED: Final = 0xFFFFFFFF
_TEXT: Final = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
_PATIENT: Final = (
    "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "PatientName", "PatientBirthDate",
)  # fmt: skip
_EQUIPMENT: Final = (
    "Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "DeviceUID", "StationName", "SoftwareVersions",
)  # fmt: skip
_PEOPLE: Final = {
    "referrer": ("ReferringPhysicianName", "ReferringPhysicianIdentificationSequence"),
    "interpreter": ("NameOfPhysiciansReadingStudy", "PhysiciansReadingStudyIdentificationSequence"),
    "performer": ("PerformingPhysicianName", "PerformingPhysicianIdentificationSequence"),
    "operator": ("OperatorsName", "OperatorIdentificationSequence"),
    "observer": ("ContentSequence", "ContentCreatorName"),
    "verifier": ("VerifyingObserverSequence",),
}

_DERIVED: Final[dict[str, tuple[str, ...]]] = {
    "study.uid": ("StudyInstanceUID",),
    "study.started": ("StudyDate", "StudyTime", "TimezoneOffsetFromUTC"),
    "study.offset": ("TimezoneOffsetFromUTC",),
    "study.modalities": ("Modality",),
    "study.patient": _PATIENT[:3],
    "study.birth_date": ("PatientBirthDate",),
    "study.accession_issuer": ("IssuerOfAccessionNumberSequence",),
    "study.institution": ("InstitutionName", "InstitutionalDepartmentName"),
    "study.procedures": ("ProcedureCodeSequence", "RequestedProcedureCodeSequence"),
    "study.reasons": ("ReasonForRequestedProcedureCodeSequence", "ReasonForTheRequestedProcedure"),
    "study.referrers": _PEOPLE["referrer"],
    "study.interpreters": _PEOPLE["interpreter"],
    "study.physicians": tuple(name for names in _PEOPLE.values() for name in names),
    "study.equipment": _EQUIPMENT,
    "series.uid": ("SeriesInstanceUID",),
    "series.number": ("SeriesNumber",),
    "series.started": (
        "SeriesDate",
        "SeriesTime",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
    ),
    "series.modality": ("Modality",),
    "series.body_site": ("AnatomicRegionSequence", "BodyPartExamined"),
    "series.laterality": ("Laterality", "ImageLaterality"),
    "series.equipment": _EQUIPMENT,
    "series.performers": (*_PEOPLE["performer"], *_PEOPLE["operator"]),
    "instance.uid": ("SOPInstanceUID",),
    "instance.sop_class": ("SOPClassUID",),
    "instance.number": ("InstanceNumber",),
    "instance.index": ("InstanceNumber",),
    "instance.frames": ("NumberOfFrames",),
    "instance.title": ("ConceptNameCodeSequence",),
    "equipment.key": _EQUIPMENT,
    "equipment.name": ("Manufacturer", "ManufacturerModelName", "StationName"),
    "equipment.manufacturer": ("Manufacturer",),
    "equipment.model": ("ManufacturerModelName",),
    "equipment.serial": ("DeviceSerialNumber",),
    "equipment.uid": ("DeviceUID",),
    "equipment.station": ("StationName",),
    "equipment.software": ("SoftwareVersions",),
    "document.title": ("ConceptNameCodeSequence",),
    "document.uid": ("SOPInstanceUID",),
    "document.template": ("ContentTemplateSequence",),
    "document.complete": ("CompletionFlag",),
    "document.verified": ("VerificationFlag",),
    "document.time": ("ContentDate", "ContentTime", "TimezoneOffsetFromUTC"),
    **{
        f"document.{name}": ("ContentSequence",)
        for name in ("answers", "references", "text", "conclusion", "conclusions", "observers")
    },
    "document.verifiers": ("VerifyingObserverSequence",),
    "document.studies": ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"),
    "study.accession": ("AccessionNumber", "RequestAttributesSequence"),
    "study.requests": ("AccessionNumber", "RequestAttributesSequence"),
    "answer": ("ContentSequence",),
    **{f"{name}.uid": ("SOPInstanceUID",) for name in ("selection", "segment", "attachment")},
    **{f"{name}.series": ("SeriesInstanceUID",) for name in ("selection", "segment", "attachment")},
    "selection.title": ("ConceptNameCodeSequence",),
    "selection": ("ContentSequence", "ReferencedSeriesSequence", "ContentLabel", "ContentDescription"),
    "segment.volume": ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    "segment.sources": ("ReferencedSeriesSequence",),
    "segment": ("SegmentSequence",),
    "attachment.title": ("DocumentTitle",),
    "attachment.code": ("ConceptNameCodeSequence",),
    "attachment": ("MIMETypeOfEncapsulatedDocument", "DocumentTitle", "ConceptNameCodeSequence"),
    "recording.uid": ("SOPInstanceUID",),
    "recording.time": ("AcquisitionDateTime", "ContentDate", "ContentTime"),
    "waveform": ("WaveformSequence",),
    "lead": ("WaveformSequence",),
    "annotation": ("WaveformAnnotationSequence",),
    "recording.annotations": ("WaveformAnnotationSequence",),
    "recording.statements": ("WaveformAnnotationSequence",),
    "recording.conclusion": ("WaveformAnnotationSequence",),
    "recording.waveforms": ("WaveformSequence",),
}
"""Attributes that derived values come from: by name, or all of a scope alike."""


class AttributeBytes:
    """The attributes of a study's instances, read again from their files when they are asked for."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def passages(self) -> Iterator[Passage]:
        """An attribute each, of the first instances."""
        for instance in islice(self._study.instances, _SHOWN):
            for leaf in _leaves_of(instance):
                yield Passage(leaf.source, leaf.label, leaf.start, 0, (leaf,))

    def spans(self, scope: Any, selector: str) -> list[Span]:
        """The attributes that a selector reads from an object of a scope."""
        head, _, rest = selector.strip("`").partition(".")
        if head.lower() == "measurement":
            return _of_measurement(scope, self._study, rest)
        name = f"{head.lower()}.{rest.partition('.')[0]}"
        keywords: tuple[str, ...]
        if head.lower() == "physician":
            keywords = _PEOPLE.get(getattr(scope, "role", ""), ())
        else:
            keywords = _DERIVED.get(name) or _DERIVED.get(head.lower()) or (rest.partition(".")[0] or head,)
        spans: list[Span] = []
        for keyword in keywords:
            if (instance := self._stating(scope, head, keyword)) is not None:
                spans += (leaf for leaf in _leaves_of(instance) if _begins_with(leaf.label, keyword))
        return spans

    def _stating(self, scope: Any, head: str, keyword: str) -> Instance | None:
        """The first instance that states the value that counts for its study or series."""
        for instance in _instances(scope, head, self._study):
            if not any(_begins_with(leaf.label, keyword) for leaf in _leaves_of(instance)):
                continue
            if keyword not in STUDY and keyword not in SERIES:
                return instance
            level: Any = self._study if keyword in STUDY else instance.series
            if not isinstance(instance.location, FileLocation):
                return instance
            with suppress(Refused):  # a file that can't be read any more has no place to show
                header = read_header(instance.location.path, instance.location.locator)
                stated = (header.study if keyword in STUDY else header.series).get(keyword)
                if str(stated) == str(level.get(keyword)):
                    return instance
        return None


def _instances(scope: Any, head: str, study: Study) -> Iterable[Instance]:
    """The instances that may state an attribute of a level, as seen from a scope object."""
    around = scope
    while around is not None and not isinstance(around, Instance | Series | Study):
        if isinstance(around, Document | Recording | Selection | Segment | Attachment):
            return _named(study, around.uid)
        around = getattr(around, "outer", None)
    if isinstance(around, Instance):
        return [around]
    if isinstance(around, Series) and head.lower() != "study":
        return around.instances
    return study.instances


def _begins_with(label: str, keyword: str) -> bool:
    """Whether a leaf is the attribute, or within it."""
    tag = tag_for_keyword(keyword)
    return tag is not None and label.startswith(_tag(int(tag)))


def _tag(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _named(study: Study, uid: str) -> list[Instance]:
    return [instance for instance in study.instances if instance.uid == uid]


_OWN: Final = {
    "code": ("(0040,A043)",),
    "label": ("(0040,A043)",),
    "is_vital_sign": ("(0040,A043)",),
    "value": ("(0040,A300)",),
    "unit": ("(0040,A300)",),
    "unit_code": ("(0040,A300)",),
    "unit_text": ("(0040,A300)",),
    "qualifier": ("(0040,A301)",),
    "time": ("(0040,A032)",),
}
"""Attributes of a content item by the names of a measurement; the other names are of items within or around it."""
_CONTEXT: Final = frozenset({"HAS CONCEPT MOD", "HAS OBS CONTEXT", "HAS ACQ CONTEXT", "INFERRED FROM"})


def _of_measurement(scope: Any, study: Study, name: str) -> list[Span]:
    """The attributes of the content item that a measurement is; of its modifiers and context, for what these say."""
    document = getattr(scope, "outer", None)
    if not isinstance(document, Document):
        return []
    items = [f"(0040,A730)[{part}]." for part in str(scope.position).split(".")[1:]]
    leaves = [leaf for instance in _named(study, document.uid) for leaf in _leaves_of(instance)]
    own = _OWN.get(name.partition(".")[0])
    prefix = "".join(items)
    if own is not None:
        return [leaf for leaf in leaves if leaf.label.startswith(tuple(prefix + tag for tag in own))]
    around = ["".join(items[:number]) + "(0040,A730)[" for number in range(len(items) + 1)]
    relations = {
        leaf.label.removesuffix("(0040,A010) RelationshipType")
        for leaf in leaves
        if leaf.text in _CONTEXT and leaf.label.endswith("(0040,A010) RelationshipType")
    }
    modifiers = tuple(each for each in relations if any(_is_child(each, parent) for parent in around))
    return [leaf for leaf in leaves if modifiers and leaf.label.startswith(modifiers)]


def _is_child(path: str, parent: str) -> bool:
    """Whether the path of an item is directly within a parent's sequence."""
    return path.startswith(parent) and path[len(parent) :].rstrip("].").isdecimal()


def _leaves_of(instance: Instance) -> tuple[Span, ...]:
    location = instance.location
    if not isinstance(location, FileLocation):
        return tuple(_stored_leaves(instance.elements, location.locator, ""))
    try:
        return _file_leaves(str(location.path), location.locator, location.path.stat().st_mtime_ns)
    except OSError:
        return ()


@lru_cache(maxsize=64)
def _file_leaves(path: str, locator: str, changed: int) -> tuple[Span, ...]:  # noqa: ARG001 - part of the key
    """The attributes of a file up to its pixel data, those in sequences by their path."""
    try:
        with quiet():
            dataset = dcmread(Path(path), force=True, stop_before_pixels=True)
            known = dataset.file_meta.get("TransferSyntaxUID") != _DEFLATED
            return tuple(_leaves(dataset, locator, "", 0 if known else None))
    except Exception:  # noqa: BLE001 - pydicom raises almost anything on damaged files: they have no places
        return ()


def _leaves(dataset: Dataset, locator: str, prefix: str, base: int | None) -> Iterator[Span]:
    """The values of a data set; `base`: where the bytes begin that it was read from, None where that is not known."""
    for key in sorted(dataset.keys()):
        raw = dataset.get_item(key)
        place, length = -1, -1
        if isinstance(raw, RawDataElement):
            place, length = raw[4], raw.length  # its fifth field: where the value begins
        label = f"{prefix}{_tag(int(key))}"
        element: DataElement | None = None
        with suppress(Exception):  # as in `_file_leaves`
            element = dataset[key]
        if element is None:
            continue
        if element.VR == "SQ":
            for number, item in enumerate(element.value or (), 1):
                # Items of a sequence of stated length were read from its bytes, all others from the file itself.
                inner = base + max(place, 0) if base is not None else None
                yield from _leaves(item, locator, f"{label}[{number}].", inner)
            continue
        text = _text(element)
        if text:
            name = keyword_for_tag(int(key)) or "private"
            if base is None or place < 0 or not 0 <= length < _UNDEFINED:
                yield Span(locator, f"{label} {name}", -1, -1, 0, text)
            else:
                yield Span(locator, f"{label} {name}", base + place, base + place + length, 0, text)


def _stored_leaves(elements: Elements, locator: str, prefix: str) -> Iterator[Span]:
    """The values of an instance that a store kept, of which the tags are known and no file."""
    for tag in sorted(elements):
        vr, value = elements[tag]
        label = f"{prefix}{_tag(tag)}"
        if vr == "SQ":
            for number, item in enumerate(items_of(value), 1):
                yield from _stored_leaves(item, locator, f"{label}[{number}].")
        elif vr in _TEXT and (text := value.decode("utf-8", "replace").strip("\0 ")):
            yield Span(locator, f"{label} {keyword_for_tag(tag) or 'private'}", -1, -1, 0, text)
        elif value and vr not in (OMITTED, UNREADABLE):
            yield Span(
                locator, f"{label} {keyword_for_tag(tag) or 'private'}", -1, -1, 0, f"{len(value)} bytes"
            )


def _text(element: DataElement) -> str:
    value = element.value
    if value is None or isinstance(value, bytes):
        return f"{len(value)} bytes" if value else ""
    values = list(value) if isinstance(value, list | MultiValue) else [value]
    shown = "\\".join(str(item) for item in values[:_LONGEST])
    return shown if len(shown) <= _LONGEST * 4 else shown[: _LONGEST * 4] + "…"
