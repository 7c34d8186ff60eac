"""DICOM objects as source records: a study with its series and instances, and each item of a structured report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fhir_bridge.workshop.audit.leaves import (
    AUTHORITIES,
    ReadOptions,
    Role,
    SourceLeaf,
    SourceRecord,
    SourceUnit,
)

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["read_studies"]

_BINARY: Final = frozenset("OB OD OF OL OV OW UN AT".split())
_BY_VR: Final = {
    "DA": Role.TIME,
    "DT": Role.TIME,
    "TM": Role.TIME,
    "CS": Role.CODE,
    "UI": Role.ID,
    "AE": Role.STRUCTURE,
    **dict.fromkeys("IS DS FL FD SL SS UL US SV UV".split(), Role.NUMBER),
}
_CODED: Final = {
    "CodeValue": Role.CODE,
    "LongCodeValue": Role.CODE,
    "URNCodeValue": Role.CODE,
    "CodingSchemeDesignator": Role.SYSTEM,
    "CodeMeaning": Role.DISPLAY,
}
_OF_CODING: Final = frozenset(
    ("CodingSchemeVersion", "ContextIdentifier", "ContextUID", "MappingResourceUID")
)
_CONTENT: Final = "ContentSequence"
_WITH_CONTENT: Final = frozenset(("ContentSequence", "WaveformSequence", "WaveformAnnotationSequence"))
_OF_INSTANCES: Final = frozenset(("SOPInstanceUID", "SOPClassUID", "InstanceNumber"))
_OF_PATIENTS: Final = re.compile(
    r"Patient(?!Orientation|Position|Gantry)|Issuer|Ethnic|Responsible|Occupation|Smoking|Pregnancy|Allerg"
)
_REPORTS: Final = frozenset(("Observation", "DiagnosticReport", "Composition", "Procedure", "ImagingStudy"))
_STRUCTURE: Final = frozenset(("TimezoneOffsetFromUTC", "UniversalEntityIDType", "TypeOfPatientID"))
"""What is part of other values, besides what is technical."""

_FLAGS: Final = {
    "COMPLETE": ("final", "preliminary", "amended", "corrected"),
    "PARTIAL": ("partial", "preliminary"),
    "VERIFIED": ("final", "amended", "corrected", "partial"),
    "UNVERIFIED": ("preliminary", "partial", "registered"),
    "PRELIMINARY": ("preliminary", "partial"),
    "FINAL": ("final", "amended", "corrected"),
}
"""Of CompletionFlag, VerificationFlag, PreliminaryFlag (PS3.3 C.17.2): what the status of a report may then be."""

_SCHEMES: Final = {"SCT": "SCT", "SRT": "SCT", "LN": "LN", "UCUM": "UCUM"}


def read_studies(paths: Sequence[Path], relative: str) -> Iterator[SourceRecord]:
    """The studies of some files; files that are no instance are records without units, with the reason."""
    from fhir_bridge.adapters.imaging import DicomAdapter, FileRecord

    for study in DicomAdapter().read(list(paths), ReadOptions()):
        if isinstance(study, FileRecord):
            for issue in study.issues:
                yield SourceRecord(relative, f"{study.locator}: {issue.message}")
            continue
        yield _Study(relative, study.locator).read(study.study)


class _Study:
    """Reads one study."""

    def __init__(self, relative: str, locator: str) -> None:
        self._record = SourceRecord(relative, locator)
        self._number = 0
        self._part = 0
        self._above: dict[int, SourceUnit] = {}

    def read(self, study: Any) -> SourceRecord:
        """Patient and study as its first instance says, series, instances, content of reports."""
        from pydicom import dcmread

        record = self._record
        patient = self._unit("patient", "patient", frozenset(("Patient",)))
        whole = self._unit(
            "study", "study", frozenset(("ImagingStudy", "DiagnosticReport", "DocumentReference"))
        )
        for series in study.series:
            own = self._unit("series", f"series {series.uid}", frozenset())
            for position, instance in enumerate(series.instances):
                dataset = dcmread(instance.location.path, stop_before_pixels=True, force=True)
                stated = re.fullmatch(r"([+-])(\d\d)(\d\d)", str(dataset.get("TimezoneOffsetFromUTC") or ""))
                if stated and record.zone is None:
                    record.zone = int(f"{stated[1]}1") * (int(stated[2]) * 60 + int(stated[3]))
                if not position:
                    self._dataset(dataset, own, (patient, whole), first=not whole.leaves)
                item = self._unit("instance", f"instance {instance.uid}", frozenset())
                for keyword in ("SOPInstanceUID", "SOPClassUID", "InstanceNumber"):
                    if keyword in dataset:
                        self._element(dataset[keyword], item, "")
                self._content(dataset, "")
                self._annotations(dataset)
        record.units = [unit for unit in record.units if unit.leaves]
        self._renumber()
        record.patients = tuple(leaf.value for leaf in record.leaves if leaf.field == "PatientID")
        record.text = {
            place: "  ".join(f"{leaf.field}={leaf.value}" for leaf in unit.leaves)
            for place, unit in enumerate(record.units)
        }
        return record

    def _unit(self, name: str, locator: str, types: frozenset[str]) -> SourceUnit:
        unit = SourceUnit(name, locator, types)
        self._record.units.append(unit)
        return unit

    def _dataset(
        self, dataset: Dataset, series: SourceUnit, above: tuple[SourceUnit, SourceUnit], *, first: bool
    ) -> None:
        patient, study = above
        for element in dataset:
            keyword = element.keyword
            if element.tag.is_private:
                if not element.tag.is_private_creator:
                    self._private(element, series)
                continue
            if not keyword or keyword in _OF_INSTANCES or keyword in _WITH_CONTENT:
                continue
            of_patient = _OF_PATIENTS.search(keyword) and element.tag.group in (0x0010, 0x0038)
            unit = patient if of_patient else study if _of_study(element) else series
            if unit is not series and not first:
                continue
            if _is_technical(element):
                self._technical(unit, element, keyword)
            else:
                self._element(element, unit, "", dataset)

    def _element(self, element: Any, unit: SourceUnit, path: str, around: Dataset | None = None) -> None:
        keyword = element.keyword
        name = path + keyword
        if not keyword.startswith("IssuerOf"):  # the issuer belongs to the identifier before it
            self._part += 1
        if path and _is_technical(element):
            self._technical(unit, element, name)
            return
        if element.VR == "SQ":
            for item in element.value or ():
                self._item(item, unit, f"{name}.")
            return
        if element.VR in _BINARY or keyword in _OF_CODING or element.is_empty:
            return
        if element.VR == "TM" and around is not None and keyword.removesuffix("Time") + "Date" in around:
            return  # written with its date
        values = element.value if element.VM > 1 else [element.value]
        for value in values:
            text = str(value).strip()
            if element.VR == "PN":
                self._person(value, unit, name)
            elif element.VR in ("DA", "DT") and text:
                self._add(unit, name, name, self._time(element, text, around), Role.TIME)
            elif text:
                self._add(unit, name, name, text, _role(element), _forms(element, text), _table(keyword))

    def _technical(self, unit: SourceUnit, element: Any, name: str) -> None:
        plain = element.VR != "SQ" and element.VR not in _BINARY
        for value in (element.value if element.VM > 1 else [element.value]) if plain else ("technical",):
            self._add(unit, name, name, str(value).strip(), Role.STRUCTURE)

    def _private(self, element: Any, unit: SourceUnit) -> None:
        """A private attribute, by its creator: what it means only the manufacturer knows."""
        name = f"({element.tag.group:04X},xx{element.tag.element & 0xFF:02X}) {element.private_creator or ''}".strip()
        plain = element.VR != "SQ" and element.VR not in _BINARY
        self._part += 1
        self._add(unit, name, name, str(element.value).strip() if plain else "private", Role.STRUCTURE)

    def _time(self, element: Any, text: str, around: Dataset | None) -> str:
        clock = (
            str(around.get(f"{element.keyword.removesuffix('Date')}Time") or "") if around is not None else ""
        )
        return text + clock if element.VR == "DA" else text

    def _person(self, value: Any, unit: SourceUnit, name: str) -> None:
        for group in str(value).split("="):
            for component in group.split("^"):
                self._add(unit, name, name, component.strip(), Role.NAME)

    def _item(self, item: Dataset, unit: SourceUnit, path: str) -> None:
        """An item of a sequence: a code with its system and meaning, or attributes of their own."""
        self._part += 1
        part = self._part
        # Codes of SNOMED RT were replaced (PS3.16 annex J): what has the meaning has another code.
        retired = str(item.get("CodingSchemeDesignator") or "") in ("SRT", "SNM3", "99SDM")
        for element in item:
            if element.tag.is_private or not element.keyword:
                continue
            role = _CODED.get(element.keyword)
            if role is None:
                self._element(element, unit, path, item)
                continue
            text = str(element.value).strip()
            if role is Role.SYSTEM:
                text = _SCHEMES.get(text, text)
            forms = (str(item.get("CodeMeaning") or ""),) if retired and role is Role.CODE else ()
            self._part = part
            self._add(unit, path + element.keyword, path + element.keyword, text, role, forms)

    def _content(self, dataset: Dataset, path: str, above: SourceUnit | None = None) -> None:
        """The items of a structured report (PS3.3 C.17.3), each what it says and of what.

        What modifies another item (its method, its site) is in the element for that, which says what it is.
        """
        for position, item in enumerate(dataset.get(_CONTENT) or (), 1):
            place = f"{path}{position}"
            kind = str(item.get("ValueType") or "")
            modifies = above is not None and str(item.get("RelationshipType") or "") != "CONTAINS"
            unit = self._unit("content item", f"content {place}", frozenset() if modifies else _REPORTS)
            if modifies and above is not None:
                self._above[id(unit)] = self._above.get(id(above), above)
            if kind == "CONTAINER":
                self._add(unit, "heading", "ContentSequence (CONTAINER)", kind, Role.STRUCTURE)
            elif kind not in ("IMAGE", "COMPOSITE", "WAVEFORM", "SCOORD", "SCOORD3D", "TCOORD"):
                self._fact(item, unit, kind, modifies=modifies)
            self._content(item, f"{place}.", unit)

    def _annotations(self, dataset: Dataset) -> None:
        """The annotations of a waveform (PS3.3 C.10.10): what was measured or read, and of what."""
        for position, item in enumerate(dataset.get("WaveformAnnotationSequence") or (), 1):
            unit = self._unit("annotation", f"annotation {position}", _REPORTS)
            self._fact(item, unit, "annotation", modifies=False)
            self._measured(item, unit, "annotation")

    def _fact(self, item: Dataset, unit: SourceUnit, kind: str, *, modifies: bool) -> None:
        for concept in item.get("ConceptNameCodeSequence") or ():
            if modifies:
                self._add(unit, f"{kind} name", f"{kind} name", "of a modifier", Role.STRUCTURE)
            else:
                self._item(concept, unit, f"{kind} name ")
        for concept in item.get("ConceptCodeSequence") or ():
            self._item(concept, unit, f"{kind} value ")
        for measured in item.get("MeasuredValueSequence") or ():
            self._measured(measured, unit, kind)
        for keyword in ("TextValue", "UnformattedTextValue", "PersonName", "DateTime", "Date", "Time", "UID"):
            if keyword in item:
                self._element(item[keyword], unit, f"{kind} ")

    def _add(
        self,
        unit: SourceUnit,
        locator: str,
        field: str,
        value: str,
        role: Role,
        forms: Sequence[str] = (),
        table: str = "",
    ) -> None:
        if value:
            unit.leaves.append(SourceLeaf(locator, field, 0, self._part, value, role, table, 0, tuple(forms)))

    def _measured(self, item: Dataset, unit: SourceUnit, kind: str) -> None:
        self._part += 1
        part = self._part
        if item.get("NumericValue") is not None:
            self._add(
                unit, f"{kind} NumericValue", f"{kind} NumericValue", str(item.NumericValue), Role.NUMBER
            )
        for code in item.get("MeasurementUnitsCodeSequence") or ():
            self._part = part
            self._add(unit, f"{kind} unit", f"{kind} unit", str(code.get("CodeValue") or ""), Role.UNIT)

    def _renumber(self) -> None:
        """Number units and leaves, and say whose resources they may be in: the study's, the item's that they modify."""
        count = 0
        families: dict[object, int] = {}
        for place, unit in enumerate(self._record.units):
            of_study = unit.name in ("study", "series", "instance")
            key = "study" if of_study else id(self._above.get(id(unit), unit))
            unit.family = families.setdefault(key, place)
            for position, leaf in enumerate(unit.leaves):
                where = (
                    leaf.locator if unit.name in ("patient", "study") else f"{unit.locator} {leaf.locator}"
                )
                unit.leaves[position] = SourceLeaf(
                    where, leaf.field, place, leaf.part, leaf.value, leaf.role, leaf.table, count, leaf.forms
                )
                count += 1


def _is_technical(element: Any) -> bool:
    from fhir_bridge.adapters.imaging.technical import is_technical

    return element.keyword in _STRUCTURE or is_technical(element.tag, element.keyword)


def _of_study(element: Any) -> bool:
    return bool(
        re.match(
            r"Study|Accession|Referring|Requesting|Requested|Admission|AdmittingDiag|NameOfPhysicians",
            element.keyword,
        )
        or element.tag.group in (0x0010, 0x0032, 0x0038, 0x0040)
    )


def _role(element: Any) -> Role:
    keyword = element.keyword
    if "Issuer" in keyword:
        return Role.AUTHORITY
    if re.search(r"(ID|IDs|Number|UID)$", keyword) and element.VR in ("LO", "SH", "UI", "IS"):
        return Role.NUMBER if element.VR == "IS" else Role.ID
    if keyword.endswith("Address"):
        return Role.ADDRESS
    if "Telephone" in keyword:
        return Role.PHONE
    return _BY_VR.get(element.VR, Role.TEXT)


def _forms(element: Any, text: str) -> tuple[str, ...]:
    """Other ways in which FHIR states a value."""
    if element.keyword.endswith("Flag"):
        return _FLAGS.get(text, ())
    if element.VR == "UI":
        return (f"urn:oid:{text}",)
    if element.VR == "AS" and (match := re.fullmatch(r"0*(\d+)([DWMY])", text)):
        return (match[1], f"{match[1]} {match[2]}")
    if element.keyword == "PatientSize":  # metres
        try:
            return (f"{float(text) * 100:g}",)
        except ValueError:
            return ()
    return ()


def _table(keyword: str) -> str:
    if keyword == "PatientSex":
        return "sex"
    return AUTHORITIES if "Issuer" in keyword else ""
