"""HL7 annotated ECG (aECG, ANSI/HL7 V3 ECG R1) as the elements of an ECG waveform instance.

What an AnnotatedECG says goes into the attributes by which DICOM says the same, so that one code reads an ECG. It is no
DICOM instance: no ImagingStudy is made of it (`SOP_CLASS`).
"""

from __future__ import annotations

import hashlib
import re
import struct
from array import array
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID
from xml.etree.ElementTree import Element as Node
from xml.etree.ElementTree import TreeBuilder
from xml.parsers import expat

from fhir_bridge.adapters.imaging.data_dictionary import tag_for_keyword, vr_of
from fhir_bridge.adapters.imaging.elements import OMITTED, Element, Elements, encode, finished
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.values import UID
from fhir_bridge.fhir import ucum
from fhir_bridge.fhir.ecg_leads import lead_number
from fhir_bridge.fhir.issues import Issue

__all__ = ["LARGEST", "SOP_CLASS", "AecgError", "aecg_elements", "is_aecg"]

LARGEST: Final = 1 << 27
"""Bytes of a document beyond which it is not read: two hours of twelve leads."""
SOP_CLASS: Final = "2.25.212604863129093118417411823404837180771"
"""In place of a SOP class: a UID of ours that no DICOM instance has."""

_MDC: Final = "2.16.840.1.113883.6.24"
_SCHEMES: Final = {
    _MDC: "MDC",
    "2.16.840.1.113883.6.1": "LN",
    "2.16.840.1.113883.6.12": "C4",
    "2.16.840.1.113883.6.96": "SCT",
}
"""Code systems that DICOM has a designator for; others go by their OID."""
_NUMBERS: Final = {
    "MDC_ECG_HEART_RATE": "2:16770",
    "MDC_ECG_TIME_PD_RR": "2:16000",
    "MDC_ECG_TIME_PD_PP": "2:16140",
    "MDC_ECG_TIME_PD_PR": "2:15872",
    "MDC_ECG_TIME_PD_P": "2:16184",
    "MDC_ECG_TIME_PD_QRS": "2:16156",
    "MDC_ECG_TIME_PD_QT": "2:16160",
    "MDC_ECG_ANGLE_P_FRONT": "2:16128",
    "MDC_ECG_ANGLE_QRS_FRONT": "2:16132",
    "MDC_ECG_ANGLE_T_FRONT": "2:16136",
}
"""Codes of reference identifiers (PS3.16 CID 3228, 3229; ISO/IEEE 11073-10101); others keep their identifier."""
_UNITS: Final = {"bpm": "/min", "beats/min": "/min", "degree": "deg", "degrees": "deg", "µV": "uV"}
_LEAD: Final = "MDC_ECG_LEAD_"
_FILTERS: Final = {
    "MDC_ECG_CTL_VBL_ATTR_FILTER_LOW_PASS": "FilterHighFrequency",
    "MDC_ECG_CTL_VBL_ATTR_FILTER_HIGH_PASS": "FilterLowFrequency",
    "MDC_ECG_CTL_VBL_ATTR_FILTER_NOTCH": "NotchFilterFrequency",
}
"""A low pass filter cuts at the channel's highest frequency (PS3.3 C.10.9.1)."""
_TIME: Final = re.compile(r"(\d{4,14})(\.\d+)?([+-]\d{4})?\Z", re.ASCII)
_DEPTH: Final = 64
_BEGINNINGS: Final = frozenset((b"<", b"\xef", b"\xff", b"\xfe", b" ", b"\t", b"\r", b"\n"))
"""First bytes of an XML document, with or without a mark of its encoding."""
_WHOLE: Final = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_PADDING: Final = -(1 << 31)
_XSI_TYPE: Final = "http://www.w3.org/2001/XMLSchema-instance}type"


class AecgError(ValueError):
    """The document can't be read; the message says why, without values."""


def is_aecg(start: bytes) -> bool:
    """Whether a file that begins so is an AnnotatedECG."""
    if start[:1] not in _BEGINNINGS:
        return False
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = start[:8192].decode("utf-16", "ignore")
    else:
        text = start[:4096].removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    return text.lstrip().startswith("<") and re.search(r"<([\w.-]+:)?AnnotatedECG[\s>]", text) is not None


def aecg_elements(data: bytes, issues: list[Issue] | None, locator: str) -> Elements:
    """The elements of an AnnotatedECG.

    Raises:
        AecgError: it is no well-formed XML, has a document type, or nests too deep.
    """
    if len(data) > LARGEST:
        raise AecgError(f"the document has more than {LARGEST >> 20} MiB")
    root = _parsed(data)
    if _name(root) != "AnnotatedECG":
        raise AecgError("the root is not AnnotatedECG")
    series = [node for component in _all(root, "component") for node in _all(component, "series")]
    if not series:
        raise AecgError("the document has no series")

    def report(text: str) -> None:
        if issues is not None:
            issues.append(new_issue("FB-DCM-036", text, locator))

    uid = _uid(_at(root, "id")) or _hashed(data)
    texts: dict[str, str | None] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": SOP_CLASS,
        "SOPInstanceUID": uid,
        "StudyInstanceUID": _hashed(b"study\0" + uid.encode()),
        "SeriesInstanceUID": _hashed(b"series\0" + uid.encode()),
        "Modality": "ECG",
        "StudyDescription": _text(_at(root, "text")),
    }
    texts |= _times(root, series)
    texts |= _subject(root)
    texts |= _device(series[0])
    values: dict[str, Any] = {**texts, "ProcedureCodeSequence": [_code(_at(root, "code"))]}
    issuer = _attribute(_subject_node(root, "id"), "root")
    if issuer and UID.match(issuer) and texts.get("PatientID") not in (None, issuer):
        qualifier = {"UniversalEntityID": issuer, "UniversalEntityIDType": "ISO"}
        values["IssuerOfPatientIDQualifiersSequence"] = [qualifier]
    groups: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for node in series:
        filters = dict(_filters(node))
        groups += _groups(node, "RHYTHM", filters, report)
        for derived in _descend(node, "derivation", "derivedSeries"):
            groups += _groups(derived, "MEDIAN BEAT", filters, report)
            annotations += _annotations(derived, report)
        annotations += _annotations(node, report)
    values["WaveformSequence"] = groups
    values["WaveformAnnotationSequence"] = annotations
    return _elements(values)


def _parsed(data: bytes) -> Node:
    """The tree of a document without a document type: no entities, and nothing outside is opened."""
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH:
            raise AecgError(f"elements nest deeper than {_DEPTH} levels")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: object) -> None:
        raise AecgError("a document type is not read: it may name entities and files")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except expat.ExpatError as error:
        message = expat.errors.messages[error.code]
        raise AecgError(f"not well-formed XML in line {error.lineno}: {message}") from error


def _name(node: Node) -> str:
    return str(node.tag).rpartition("}")[2]


def _all(node: Node | None, name: str) -> list[Node]:
    return [] if node is None else [child for child in node if _name(child) == name]


def _descend(node: Node | None, *names: str) -> list[Node]:
    nodes = [] if node is None else [node]
    for name in names:
        nodes = [child for each in nodes for child in _all(each, name)]
    return nodes


def _at(node: Node | None, *names: str) -> Node | None:
    return next(iter(_descend(node, *names)), None)


def _attribute(node: Node | None, name: str) -> str | None:
    return (node.get(name) or "").strip() or None if node is not None else None


def _text(node: Node | None) -> str | None:
    return " ".join("".join(node.itertext()).split()) or None if node is not None else None


def _hashed(data: bytes) -> str:
    """A UID under the arc of UUIDs (PS3.5 B.2) of anything."""
    return f"2.25.{int.from_bytes(hashlib.sha256(data).digest()[:16], 'big')}"


def _uid(node: Node | None) -> str | None:
    """The UID that an instance identifier is, or one that only it has."""
    root, extension = _attribute(node, "root"), _attribute(node, "extension")
    if not root:
        return None
    if extension is None and UID.match(root) and len(root) <= 64:
        return root
    if extension is None:
        try:
            return f"2.25.{UUID(root).int}"
        except ValueError:
            pass
    return _hashed(f"{root}\0{extension or ''}".encode())


def _times(root: Node, series: list[Node]) -> dict[str, str | None]:
    """When the recording began."""
    for node in (series[0], root):
        time = _at(node, "effectiveTime")
        stated = _attribute(time, "value") or next(
            (value for part in ("low", "center", "high") if (value := _attribute(_at(time, part), "value"))),
            None,
        )
        match = _TIME.match(stated) if stated else None
        if match is None:
            continue
        digits, fraction, offset = match.groups()
        texts: dict[str, str | None] = {"AcquisitionDateTime": stated, "TimezoneOffsetFromUTC": offset}
        if len(digits) >= 8:
            texts["StudyDate"] = digits[:8]
        if len(digits) >= 12:
            texts["StudyTime"] = digits[8:] + (fraction[:7] if fraction and len(digits) == 14 else "")
        return texts
    return {}


def _subject_node(root: Node, *names: str) -> Node | None:
    path = ("componentOf", "timepointEvent", "componentOf", "subjectAssignment", "subject", "trialSubject")
    return _at(root, *path, *names)


def _subject(root: Node) -> dict[str, str | None]:
    person = ("subjectDemographicPerson",)
    identifier = _subject_node(root, "id")
    texts = {
        "PatientID": _attribute(identifier, "extension")
        or _text(_subject_node(root, *person, "PatientID"))
        or _attribute(identifier, "root"),
        "PatientName": _person(_subject_node(root, *person, "name")),
        "EthnicGroup": _attribute(_subject_node(root, *person, "raceCode"), "code"),
    }
    sex = _attribute(_subject_node(root, *person, "administrativeGenderCode"), "code")
    texts["PatientSex"] = {"M": "M", "F": "F", "UN": "O"}.get(sex or "")
    birth = _attribute(_subject_node(root, *person, "birthTime"), "value")
    texts["PatientBirthDate"] = birth[:8] if birth and len(birth) >= 8 else None
    event = _at(root, "componentOf", "timepointEvent")
    trial = _at(event, "componentOf", "subjectAssignment", "componentOf", "clinicalTrial")
    number = _at(trial, "id")
    site = _at(trial, "location", "trialSite")
    texts["ClinicalTrialTimePointID"] = _attribute(_at(event, "code"), "code")
    texts["ClinicalTrialProtocolID"] = _attribute(number, "extension") or _attribute(number, "root")
    texts["ClinicalTrialSiteID"] = _attribute(_at(site, "id"), "extension")
    texts["InstitutionName"] = _text(_at(site, "location", "name"))
    return texts


def _person(node: Node | None) -> str | None:
    """A name as DICOM writes it: family and given names, or all of it where it is not divided."""
    if node is None:
        return None
    family = " ".join(filter(None, map(_text, _all(node, "family"))))
    given = [text for each in _all(node, "given") if (text := _text(each))]
    whole = f"{family}^{given[0] if given else ''}^{' '.join(given[1:])}" if family or given else _text(node)
    return whole.rstrip("^").replace("\\", " ").replace("=", " ") if whole else None


def _device(series: Node) -> dict[str, str | None]:
    author = _at(series, "author", "seriesAuthor")
    device = _at(author, "manufacturedSeriesDevice")
    performer = _at(series, "secondaryPerformer", "seriesPerformer", "assignedPerson", "name")
    return {
        "Manufacturer": _text(_at(author, "manufacturerOrganization", "name")),
        "ManufacturerModelName": _text(_at(device, "manufacturerModelName")),
        "DeviceSerialNumber": _attribute(_at(device, "id"), "extension")
        or _text(_at(device, "SerialNumber")),
        "SoftwareVersions": _text(_at(device, "softwareName")),
        "OperatorsName": _person(performer),
    }


def _filters(series: Node) -> Iterator[tuple[str, str]]:
    for control in _descend(series, "controlVariable", "controlVariable"):
        keyword = _FILTERS.get(_attribute(_at(control, "code"), "code") or "")
        value = _attribute(_at(control, "component", "controlVariable", "value"), "value")
        if keyword and value:
            yield keyword, value


def _groups(node: Node, label: str, filters: dict[str, str], report: Any) -> Iterator[dict[str, Any]]:
    """The multiplex groups of a series: the leads of a sequence set that are equally long."""
    stated = _attribute(_at(node, "code"), "code")
    derived = label != "RHYTHM"
    for number, sequences in enumerate(_descend(node, "component", "sequenceSet"), 1):
        leads: dict[int, list[tuple[Node, list[int]]]] = {}
        frequency = None
        for sequence in _descend(sequences, "component", "sequence"):
            name, value = _attribute(_at(sequence, "code"), "code") or "", _at(sequence, "value")
            if name.startswith("TIME_"):
                frequency = _frequency(_at(value, "increment"))
                continue
            digits = _text(_at(value, "digits"))
            if digits is None or value is None:
                report(f"{'derived ' * derived}sequence set {number}: a sequence without digits was left out")
                continue
            samples = [_sample(each) for each in digits.split()]
            if unread := samples.count(_PADDING):
                where = f"{'derived ' * derived}sequence set {number}"
                report(
                    f"{where}: {unread} of {len(samples)} digits of a lead are no whole numbers and were left out"
                )
            leads.setdefault(len(samples), []).append((sequence, samples))
        for length, channels in leads.items():
            yield _group(stated or label, channels, length, frequency, filters, derived=derived)


def _sample(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        return _PADDING
    sample = int(text)
    return sample if -(1 << 31) < sample < 1 << 31 else _PADDING


def _frequency(increment: Node | None) -> Decimal | None:
    """Samples a second."""
    value = _number(_attribute(increment, "value"))
    unit = _attribute(increment, "unit") or "s"
    if not value:
        return None
    try:
        return 1 / ucum.convert(value, unit, "s")
    except (ValueError, ArithmeticError):
        return None


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal(text) if text else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _group(
    label: str,
    channels: list[tuple[Node, list[int]]],
    length: int,
    frequency: Decimal | None,
    filters: dict[str, str],
    *,
    derived: bool,
) -> dict[str, Any]:
    interleaved = array("i", bytes(4 * length * len(channels)))
    for position, (_, samples) in enumerate(channels):
        interleaved[position :: len(channels)] = array("i", samples)
    return {
        "MultiplexGroupLabel": label,
        "WaveformOriginality": "DERIVED" if derived else "ORIGINAL",
        "NumberOfWaveformChannels": len(channels),
        "NumberOfWaveformSamples": length,
        "SamplingFrequency": str(frequency) if frequency is not None else None,
        "ChannelDefinitionSequence": [_channel(sequence, filters) for sequence, _ in channels],
        "WaveformBitsAllocated": 32,
        "WaveformSampleInterpretation": "SL",
        "WaveformPaddingValue": struct.pack("<i", _PADDING),
        "WaveformData": struct.pack(f"<{len(interleaved)}i", *interleaved),
    }


def _channel(sequence: Node, filters: dict[str, str]) -> dict[str, Any]:
    code = _at(sequence, "code")
    name = _attribute(code, "code") or ""
    number = lead_number(name) if name.startswith(_LEAD) else None
    value = _at(sequence, "value")
    scale, origin = _at(value, "scale"), _at(value, "origin")
    unit = _unit(scale) or _unit(origin)
    baseline = _attribute(origin, "value")
    zero = _number(baseline)
    if zero and unit and (stated := _unit(origin)) not in (None, unit):
        try:
            baseline = str(ucum.convert(zero, stated or unit, unit))
        except (ValueError, ArithmeticError):
            baseline = "not known"
    return {
        "ChannelSourceSequence": [
            {"CodeValue": f"2:{number}", "CodingSchemeDesignator": "MDC", "CodeMeaning": name}
            if number is not None
            else _code(code)
        ],
        "ChannelSensitivity": _attribute(scale, "value"),
        "ChannelSensitivityUnitsSequence": [
            {"CodeValue": unit, "CodingSchemeDesignator": "UCUM", "CodeMeaning": unit} if unit else None
        ],
        "ChannelBaseline": baseline,
        **filters,
    }


def _unit(node: Node | None) -> str | None:
    stated = _attribute(node, "unit")
    return _UNITS.get(stated, stated) if stated else None


def _code(node: Node | None) -> dict[str, Any] | None:
    """A code sequence item."""
    code = _attribute(node, "code")
    meaning = _attribute(node, "displayName") or code
    if meaning is None:
        return None
    system = _attribute(node, "codeSystem") or ""
    scheme = _SCHEMES.get(system) or (f"urn:oid:{system}" if system else None)
    if scheme is None and code is not None and code.startswith("MDC_"):
        scheme = "MDC"
    value = _NUMBERS.get(code or "", code) if scheme == "MDC" else code
    if scheme is None:
        return {"CodeMeaning": meaning}
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def _annotations(series: Node, report: Any) -> Iterator[dict[str, Any]]:
    for annotation in _descend(series, "subjectOf", "annotationSet", "component", "annotation"):
        yield from _annotation(annotation, None, report)


def _annotation(node: Node, lead: str | None, report: Any) -> Iterator[dict[str, Any]]:
    """An annotation and those within it."""
    code, value = _at(node, "code"), _at(node, "value")
    name = _attribute(code, "code") or ""
    boundaries = _descend(node, "support", "supportingROI", "component", "boundary")
    named = [name, *(_attribute(_at(each, "code"), "code") or "" for each in boundaries)]
    lead = next((each for each in named if each.startswith(_LEAD)), lead)
    kind = (value.get(_XSI_TYPE) or "").rpartition(":")[2] if value is not None else ""
    item = _code(code) or {"CodeMeaning": "Annotation"}
    if lead is not None and name != lead:
        item["CodeMeaning"] = f"{item['CodeMeaning']} ({lead.removeprefix(_LEAD)})"
    marks = [mark for each in boundaries for mark in _marks(_at(each, "value"))]
    if (value is not None and kind == "PQ") or _attribute(value, "value") is not None:
        unit = _unit(value)
        yield {
            "ConceptNameCodeSequence": [item],
            "NumericValue": _attribute(value, "value"),
            "MeasurementUnitsCodeSequence": [
                {"CodeValue": unit, "CodingSchemeDesignator": "UCUM", "CodeMeaning": unit} if unit else None
            ],
        }
    elif marks:
        wave = _code(value) if kind in ("CE", "CV", "CD", "CO") else None
        relative = [_seconds(each) for each in marks]
        places = (
            {"ReferencedTimeOffsets": "\\".join(each for each in relative if each is not None)}
            if any(each is not None for each in relative)
            else {"ReferencedDateTime": "\\".join(value for value, _ in marks)}
        )
        yield {"ConceptNameCodeSequence": [wave or item], **places}
    elif value is not None and kind in ("CE", "CV", "CD", "CO"):
        yield {"ConceptNameCodeSequence": [item], "ConceptCodeSequence": [_code(value)]}
    elif (text := _text(value)) is not None:
        yield {"ConceptNameCodeSequence": [item], "UnformattedTextValue": text}
    elif not _all(node, "component") and name:
        report("an annotation without a value was left out")
    for below in _descend(node, "component", "annotation"):
        yield from _annotation(below, lead, report)


def _marks(value: Node | None) -> Iterator[tuple[str, str | None]]:
    """The ends of an interval of time, as stated, and their unit where they are counted from the beginning."""
    if value is None:
        return
    for node in [value, *value]:
        stated = _attribute(node, "value")
        if stated:
            yield stated, _attribute(node, "unit")


def _seconds(mark: tuple[str, str | None]) -> str | None:
    value, unit = mark
    number = _number(value)
    if number is None or unit is None:
        return None
    try:
        return str(ucum.convert(number, unit, "s"))
    except ValueError:
        return None


def _elements(values: dict[str, Any]) -> Elements:
    """Elements of attributes by keyword; what is None is left out."""
    elements: Elements = {}
    for keyword, value in values.items():
        tag = tag_for_keyword(keyword)
        if tag is None or value is None:
            continue
        element = _element(tag, vr_of(tag) or "", value)
        if element is not None:
            elements[tag] = element
    return elements


def _element(tag: int, vr: str, value: Any) -> Element | None:
    if vr == "SQ":
        items = [encode(_elements(each)) for each in value if each is not None]
        return ("SQ", b"".join(struct.pack("<I", len(each)) + each for each in items)) if items else None
    if vr == "US":
        return vr, struct.pack("<H", value) if 0 <= value < 1 << 16 else b""
    if vr == "UL":
        return vr, struct.pack("<I", value)
    content = value if isinstance(value, bytes) else str(value).encode()
    kept = finished(tag, "OW" if isinstance(value, bytes) else vr, content, lambda _: b"")
    return kept if kept[0] == OMITTED else (kept[0], content)
