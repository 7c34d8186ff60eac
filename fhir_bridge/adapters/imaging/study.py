"""Study, series and instance, as gathered from headers: the scopes that a mapping iterates (PS3.3 A.1.2)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from fhir_bridge.adapters.imaging.aecg import SOP_CLASS as AECG
from fhir_bridge.adapters.imaging.attribute_reader import key_of
from fhir_bridge.adapters.imaging.attributes import SERIES, STUDY
from fhir_bridge.adapters.imaging.body_parts import body_part
from fhir_bridge.adapters.imaging.codes import LATERALITY, Code, code
from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.elements import Elements
from fhir_bridge.adapters.imaging.encapsulated import Attachment
from fhir_bridge.adapters.imaging.header import Header
from fhir_bridge.adapters.imaging.instance_table import InstanceTable
from fhir_bridge.adapters.imaging.instances import Instance, attribute
from fhir_bridge.adapters.imaging.levels import SharedAttributes
from fhir_bridge.adapters.imaging.locations import InstanceLocation
from fhir_bridge.adapters.imaging.modalities import modality_code
from fhir_bridge.adapters.imaging.parties import (
    Equipment,
    PatientIdentity,
    Physician,
    Request,
    first_text,
    issuer_in,
    people_of,
    request_of,
)
from fhir_bridge.adapters.imaging.patients import Subject, subject_of
from fhir_bridge.adapters.imaging.segments import Segment
from fhir_bridge.adapters.imaging.selections import Selection
from fhir_bridge.adapters.imaging.structured_report import Document
from fhir_bridge.adapters.imaging.times import joined
from fhir_bridge.adapters.imaging.values import Value
from fhir_bridge.adapters.imaging.waveform import Recording
from fhir_bridge.fhir.issues import Issue

__all__ = ["Instance", "Series", "Study"]


class Series:
    """A series: the attributes that its instances share, and the instances in order of their number."""

    __slots__ = ("_counted", "_lateralities", "_regions", "_rows", "_sorted", "shared", "study", "uid")

    def __init__(self, study: Study, uid: str) -> None:
        self.study = study
        self.uid = uid
        self.shared = SharedAttributes()
        self._rows = array("I")
        self._sorted = True
        self._counted = 0
        self._lateralities: set[str | None] = set()
        self._regions: dict[str, Value] = {}

    @property
    def outer(self) -> Study:
        return self.study

    def add(self, header: Header, subject: Subject, location: InstanceLocation) -> Instance:
        """Take in one more instance of this series."""
        uid, stated = header.uid, header.instance
        row = self.study.table.add(
            self.study.number,
            uid,
            stated["SOPClassUID"],
            stated.get("InstanceNumber"),
            stated.get("NumberOfFrames"),
            subject,
            location,
        )
        self.shared.add(header.series, uid)
        self._rows.append(row)
        self._sorted = False
        self._lateralities.add(header.instance.get("ImageLaterality"))
        region = header.instance.get("AnatomicRegionSequence")
        self._regions.setdefault(key_of(region), region)
        return Instance(self, row)

    def count(self, header: Header, part: str, instances: int) -> None:
        """Take in what an archive says of the series, without its instances."""
        self.shared.add(header.series, part)
        self._counted = max(self._counted, instances)

    def get(self, keyword: str) -> Value:
        """The value of a series attribute; any other is that of the first instance."""
        self.study.asked.add(keyword)
        if keyword in self.shared.values or keyword in _SERIES_KEPT:
            return self.shared.values.get(keyword)
        return Instance(self, self._in_order()[0]).get(keyword) if self._rows else None

    def __getattr__(self, keyword: str) -> Value:
        return attribute(self, keyword)

    @property
    def instances(self) -> list[Instance]:
        """The instances, by number, then by UID."""
        return [Instance(self, row) for row in self._in_order()]

    def _in_order(self) -> array[int]:
        if not self._sorted:
            table = self.study.table

            def order(row: int) -> tuple[bool, int, str]:
                number = table.number(row)
                return number is None, number or 0, table.uid(row)

            self._rows = array("I", sorted(self._rows, key=order))
            self._sorted = True
        return self._rows

    @property
    def number_of_instances(self) -> int:
        """Those that were read, or that an archive counts where it counts more."""
        return max(len(self._rows), self._counted)

    @property
    def number(self) -> int | None:
        """Series Number where it can be an `unsignedInt`; a negative one has no place in FHIR."""
        number = self.get("SeriesNumber")
        return number if isinstance(number, int) and number >= 0 else None

    @property
    def modality(self) -> Code | None:
        """The modality as a DCM code; None where the series states none."""
        return modality_code(self.get("Modality"))

    @property
    def started(self) -> str | None:
        """Series Date and Time, else the start of the procedure step."""
        for stem in ("Series", "PerformedProcedureStepStart"):
            text, _ = joined(self.get(f"{stem}Date"), self.get(f"{stem}Time"), self.study.offset)
            if text:
                return text
        return None

    @property
    def body_site(self) -> Code | None:
        """Anatomic region where all instances name the same one, else Body Part Examined by PS3.16 Annex L.

        A multi-frame image without either states it of its frames.
        """
        region, *others = self._regions.values() or [None]
        codes = [each for each in region or () if isinstance(each, Code)]
        if codes and not others:
            return codes[0]
        return body_part(self.get("BodyPartExamined")) or self._frame_anatomy[0]

    @property
    def laterality(self) -> Code | None:
        """Laterality of the series, else of its images where all agree; a side only where there is a body site."""
        letters = [self.get("Laterality"), *(self._lateralities if len(self._lateralities) == 1 else ())]
        if not any(letters):
            letters.append(self._frame_anatomy[1])
        known = next((LATERALITY[letter] for letter in letters if letter in LATERALITY), None)
        return code(known[0], "SCT", known[1]) if known else None

    @property
    def _frame_anatomy(self) -> tuple[Code | None, str | None]:
        """Region and side of the frames of the first instance, where all of them have one (PS3.3 C.7.6.16.2.8)."""
        table = self.study.table
        row = next((row for row in self._in_order() if table.frames(row)), None)
        first = None if row is None else Instance(self, row)
        if first is None:
            return None, None
        asked = set(self.study.asked)
        for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
            frames = first.get(keyword) or ()
            # Its anatomy alone was asked for: all else of a frame is left in the object, and is reported so.
            self.study.asked &= asked
            anatomies = [
                anatomy for frame in frames for anatomy in getattr(frame, "FrameAnatomySequence", None) or ()
            ]
            regions = {
                each
                for anatomy in anatomies
                for each in anatomy.AnatomicRegionSequence or ()
                if isinstance(each, Code)
            }
            sides = {anatomy.FrameLaterality for anatomy in anatomies if anatomy.FrameLaterality}
            if regions or sides:
                return (
                    next(iter(regions)) if len(regions) == 1 else None,
                    next(iter(sides)) if len(sides) == 1 else None,
                )
        return None, None

    @property
    def equipment(self) -> Equipment | None:
        """The machine that made the series; None where nothing of it is stated."""
        software = self.get("SoftwareVersions")
        result = Equipment(
            self.study,
            first_text(self.get("Manufacturer")),
            first_text(self.get("ManufacturerModelName")),
            first_text(self.get("DeviceSerialNumber")),
            first_text(self.get("DeviceUID")),
            first_text(self.get("StationName")),
            tuple(software if isinstance(software, list) else [software] if software else ()),
        )
        return result if result.uid or result.manufacturer or result.model or result.serial else None

    @property
    def performers(self) -> list[Physician]:
        """Performing physicians, then operators."""
        return [
            *people_of(
                self, "PerformingPhysicianName", "PerformingPhysicianIdentificationSequence", "performer"
            ),
            *people_of(self, "OperatorsName", "OperatorIdentificationSequence", "operator"),
        ]


class Study:
    """A study: what all its instances share, its series, and what was odd.

    Attributes:
        table: where its instances are, with those of other studies of a run; its `number` is in their rows.
        asked: keywords of the attributes that rules asked for.
        content_asked: by the UID of a report or waveform, the paths of the attributes that were read of its content.
    """

    __slots__ = (
        "_recent",
        "_reported",
        "_series",
        "asked",
        "attachments",
        "content_asked",
        "documents",
        "first",
        "name",
        "number",
        "recordings",
        "segments",
        "selections",
        "shared",
        "subjects",
        "table",
        "titles",
        "uid",
    )

    def __init__(
        self, uid: str, first: str, name: str | None = None, table: InstanceTable | None = None
    ) -> None:
        self.uid = uid
        self.table = InstanceTable() if table is None else table
        self.number = self.table.new_study()
        self.name = name
        self.first = first
        self.shared = SharedAttributes()
        self.subjects: dict[Subject, Subject] = {}
        self.documents: list[Document] = []
        self.recordings: list[Recording] = []
        self.selections: list[Selection] = []
        self.segments: list[Segment] = []
        self.attachments: list[Attachment] = []
        self.titles: dict[str, str | None] = {}
        self._reported: dict[Issue, None] = {}
        self._series: dict[str, Series] = {}
        self._recent: dict[str, Elements] = {}
        self.asked: set[str] = set()
        self.content_asked: dict[str, set[str]] = {}

    @property
    def issues(self) -> list[Issue]:
        """What is wrong with its instances, in order of reading."""
        return list(self._reported)

    def report(self, issue: Issue) -> None:
        """Report something, once."""
        self._reported.setdefault(issue)

    def forget_issues(self) -> None:
        """Drop what was reported so far: it is known from elsewhere."""
        self._reported.clear()

    def elements_of(self, instance: Instance) -> Elements:
        """All elements of an instance; those of the last few are kept, because rules ask for several attributes."""
        known = self._recent.get(instance.uid)
        if known is None:
            try:
                known = instance.location.elements()
            except Refused as refused:
                instance.report("FB-DCM-019", f"could not be read again: {refused}")
                known = {}
            self.keep(instance, known)
        return known

    def keep(self, instance: Instance, elements: Elements) -> Elements:
        """Keep the elements of an instance until those of four others are."""
        while len(self._recent) >= 4:
            del self._recent[next(iter(self._recent))]
        self._recent[instance.uid] = elements
        return elements

    @property
    def outer(self) -> None:
        return None

    @property
    def study(self) -> Study:
        return self

    def add(self, header: Header, location: InstanceLocation, stated: Subject | None = None) -> Instance:
        """Take in one more instance; `stated`: whom it is about, where that is known."""
        for issue in header.issues:
            self.report(issue)
        stated = stated or subject_of(header.study)
        subject = self.subjects.setdefault(stated, stated)
        self.shared.add(header.study, header.uid)
        return self._series_of(header).add(header, subject, location)

    def count_series(self, header: Header, part: str, instances: int) -> None:
        """Take in what an archive says of one of its series; `part` names the part that says it."""
        stated = subject_of(header.study)
        self.subjects.setdefault(stated, stated)
        self.shared.add(header.study, part)
        self._series_of(header).count(header, part, instances)

    def _series_of(self, header: Header) -> Series:
        uid = header.series["SeriesInstanceUID"]
        series = self._series.get(uid)
        if series is None:
            series = self._series[uid] = Series(self, uid)
        return series

    def get(self, keyword: str) -> Value:
        """The value of a patient or study attribute; any other is that of the first instance."""
        self.asked.add(keyword)
        if keyword in self.shared.values or keyword in _STUDY_KEPT:
            return self.shared.values.get(keyword)
        return self.series[0].get(keyword)

    def __getattr__(self, keyword: str) -> Value:
        return attribute(self, keyword)

    @property
    def series(self) -> list[Series]:
        """The series, by number, then by UID."""
        return sorted(
            self._series.values(), key=lambda each: (each.number is None, each.number or 0, each.uid)
        )

    @property
    def instances(self) -> Iterator[Instance]:
        return (instance for series in self.series for instance in series.instances)

    @property
    def number_of_series(self) -> int:
        return len(self._series)

    @property
    def number_of_instances(self) -> int:
        return sum(series.number_of_instances for series in self._series.values())

    @property
    def is_dicom(self) -> bool:
        """Whether it has a DICOM instance: an AnnotatedECG is read as a study, and is none."""
        read = False
        for instance in self.instances:
            if instance.sop_class != AECG:
                return True
            read = True
        return not read

    @property
    def modalities(self) -> list[Code]:
        """Modalities of the series, each once. Modalities in Study (0008,0061) is a query key, never in instances."""
        return list(dict.fromkeys(each for series in self.series if (each := series.modality) is not None))

    @property
    def offset(self) -> str | None:
        offset = self.get("TimezoneOffsetFromUTC")
        return offset if isinstance(offset, str) else None

    @property
    def started(self) -> str | None:
        """Study Date and Time with the offset that the instances state; no offset is guessed."""
        return joined(first_text(self.get("StudyDate")), first_text(self.get("StudyTime")), self.offset)[0]

    @property
    def patient(self) -> PatientIdentity:
        """Whose study it is, in the words of the source; the reader made sure that there is one answer."""
        self.asked.update(("PatientID", "IssuerOfPatientIDQualifiersSequence"))
        if "IssuerOfPatientIDQualifiersSequence" not in self.shared.values:
            self.asked.add("IssuerOfPatientID")
        best = min(self.subjects, key=lambda each: (each.value is None, -len(each.authority), each.text))
        return best.identity._replace(fallback=self.uid)

    @property
    def birth_date(self) -> str | None:
        return joined(first_text(self.get("PatientBirthDate")), None, None)[0]

    @property
    def accession_issuer(self) -> str | None:
        """Universal Entity ID or local name of who issued `accession` (PS3.3 10.36)."""
        own = issuer_in(self.get("IssuerOfAccessionNumberSequence"))
        if own is not None or first_text(self.get("AccessionNumber")):
            return own
        issuers = {each.accession_issuer for each in self._requested_items(None) if each.accession}
        return next(iter(issuers)) if len(issuers) == 1 else None

    @property
    def institution(self) -> str | None:
        """Institution Name of the first series that has one."""
        return next(
            (
                name
                for series in self.series
                if (name := first_text(series.shared.values.get("InstitutionName")))
            ),
            None,
        )

    @property
    def source(self) -> str:
        """The system that the study comes from: as the run names it, else its institution, else `dicom`."""
        return self.name or self.institution or "dicom"

    @property
    def procedures(self) -> list[Code]:
        """Procedure codes performed, else requested, each once."""
        for keyword in ("ProcedureCodeSequence", "RequestedProcedureCodeSequence"):
            codes = [each for each in self.get(keyword) or () if isinstance(each, Code)]
            if codes:
                return list(dict.fromkeys(codes))
        return _requested(self, "RequestedProcedureCodeSequence")

    @property
    def reasons(self) -> list[Code]:
        """Why the procedure was requested: the study's code, else those of the requests, else the text."""
        codes = [
            each
            for each in self.get("ReasonForRequestedProcedureCodeSequence") or ()
            if isinstance(each, Code)
        ]
        result = codes or _requested(self, "ReasonForRequestedProcedureCodeSequence")
        text = first_text(self.get("ReasonForTheRequestedProcedure")) or next(
            (
                text
                for series in self.series
                for item in series.get("RequestAttributesSequence") or ()
                if (text := first_text(getattr(item, "ReasonForTheRequestedProcedure", None)))
            ),
            None,
        )
        return list(dict.fromkeys(result)) or ([Code(None, None, text)] if text else [])

    @property
    def accession(self) -> str | None:
        """Accession Number of the study, else the only one of its requests."""
        stated = first_text(self.get("AccessionNumber"))
        requested = {each.accession for each in self.requests if each.accession}
        return stated or (next(iter(requested)) if len(requested) == 1 else None)

    @property
    def requests(self) -> list[Request]:
        """What was ordered, each once: the study's Accession Number, and the items of Request Attributes Sequence."""
        stated = first_text(self.get("AccessionNumber"))
        own = Request(stated, self.accession_issuer, None, None, None) if stated else None
        requests = self._requested_items(own)
        if own is not None and all(each.accession != own.accession for each in requests):
            requests.insert(0, own)
        return requests

    def _requested_items(self, own: Request | None) -> list[Request]:
        """The items of Request Attributes Sequence in all series, each once."""
        items = (item for series in self.series for item in series.get("RequestAttributesSequence") or ())
        return [each for each in dict.fromkeys(request_of(item, own) for item in items) if any(each)]

    @property
    def referrers(self) -> list[Physician]:
        return people_of(
            self, "ReferringPhysicianName", "ReferringPhysicianIdentificationSequence", "referrer"
        )

    @property
    def interpreters(self) -> list[Physician]:
        return people_of(
            self,
            "NameOfPhysiciansReadingStudy",
            "PhysiciansReadingStudyIdentificationSequence",
            "interpreter",
        )

    @property
    def physicians(self) -> list[Physician]:
        """Everyone named, each once."""
        everyone = [*self.referrers, *self.interpreters]
        everyone += [person for series in self.series for person in series.performers]
        everyone += [person for document in self.documents for person in document.people]
        everyone += [person for selection in self.selections for person in selection.people]
        return list({person.key: person for person in reversed(everyone)}.values())[::-1]

    @property
    def equipment(self) -> list[Equipment]:
        """The machines of its series, each once."""
        machines = (machine for series in self.series if (machine := series.equipment) is not None)
        return list({machine.key: machine for machine in machines}.values())


_STUDY_KEPT = frozenset(STUDY)
_SERIES_KEPT = frozenset(SERIES)


def _requested(study: Study, keyword: str) -> list[Code]:
    codes: dict[Code, None] = {}
    for series in study.series:
        for item in series.get("RequestAttributesSequence") or ():
            for each in getattr(item, keyword, None) or ():
                if isinstance(each, Code):
                    codes[each] = None
    return list(codes)
