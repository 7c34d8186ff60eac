"""An echo report, an ECG and a rejection note, as elements: each with all that is read of its kind."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from tests.adapters.imaging.raw_files import ECG, KEY_OBJECTS, SR, Raw, code, everything

Path = tuple[Any, ...]
"""Tags and, after the tag of a sequence, the number of the item."""


def item(kind: str, relation: str, name: dict[str, str], **values: Any) -> dict[str, Any]:
    return {"ValueType": kind, "RelationshipType": relation, "ConceptNameCodeSequence": [name], **values}


def modifier(name: dict[str, str], value: dict[str, str], *below: dict[str, Any]) -> dict[str, Any]:
    result = item("CODE", "HAS CONCEPT MOD", name, ConceptCodeSequence=[value])
    return {**result, "ContentSequence": [*below]} if below else result


def number(name: dict[str, str], value: str, *below: dict[str, Any]) -> dict[str, Any]:
    measured = {"NumericValue": value, "MeasurementUnitsCodeSequence": [code("mm", "UCUM", "mm")]}
    result = item("NUM", "CONTAINS", name, MeasuredValueSequence=[measured])
    return {**result, "ContentSequence": [*below]} if below else result


def echo_report(**changes: Any) -> dict[int, Raw]:
    """Two measurements in a group, and one that was not taken."""
    site = modifier(
        code("363698007", "SCT", "Finding Site"),
        code("87878005", "SCT", "Left ventricle"),
        modifier(code("272741003", "SCT", "Laterality"), code("7771000", "SCT", "Left")),
    )
    tracking = item("TEXT", "HAS OBS CONTEXT", code("112039", "DCM", "Tracking Identifier"), TextValue="T1")
    unique = item("UIDREF", "HAS OBS CONTEXT", code("112040", "DCM", "Tracking UID"), UID="1.2.3.77")
    image = {
        "ValueType": "IMAGE",
        "RelationshipType": "INFERRED FROM",
        "ReferencedSOPSequence": [{"ReferencedSOPInstanceUID": "1.2.3.4.8"}],
    }
    maximum = modifier(code("121401", "DCM", "Derivation"), code("56851009", "SCT", "Maximum"))
    untaken = item(
        "NUM",
        "CONTAINS",
        code("29469-4", "LN", "Left atrium"),
        NumericValueQualifierCodeSequence=[code("114006", "DCM", "Measurement failure")],
    )
    group = item(
        "CONTAINER",
        "CONTAINS",
        code("125007", "DCM", "Measurement Group"),
        ObservationDateTime="20260102101112",
        ContentSequence=[
            tracking,
            unique,
            site,
            number(code("18154-5", "LN", "Septum"), "12", maximum, image),
            number(code("18152-9", "LN", "Posterior wall"), "11"),
        ],
    )
    return everything(
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=SR,
        Modality="SR",
        ValueType="CONTAINER",
        ConceptNameCodeSequence=[code("125200", "DCM", "Adult Echocardiography Procedure Report")],
        ContentTemplateSequence=[{"TemplateIdentifier": "5200"}],
        CompletionFlag="COMPLETE",
        VerificationFlag="VERIFIED",
        ContentSequence=[group, untaken],
        **changes,
    )


def ecg(**changes: Any) -> dict[int, Raw]:
    """Two leads of three samples, an interval and a statement."""
    channel = {
        "ChannelSensitivity": "2.5",
        "ChannelSensitivityUnitsSequence": [code("uV", "UCUM", "uV")],
        "ChannelSensitivityCorrectionFactor": "1",
        "ChannelBaseline": "10",
        "ChannelTimeSkew": "0",
        "ChannelSampleSkew": "0",
    }
    group = {
        "MultiplexGroupLabel": "RHYTHM",
        "WaveformOriginality": "ORIGINAL",
        "NumberOfWaveformChannels": 2,
        "NumberOfWaveformSamples": 3,
        "SamplingFrequency": "500",
        "ChannelDefinitionSequence": [
            {"ChannelSourceSequence": [code(f"2:{lead}", "MDC", f"Lead {lead}")], **channel}
            for lead in (1, 2)
        ],
        "WaveformBitsAllocated": 16,
        "WaveformSampleInterpretation": "SS",
        "WaveformPaddingValue": b"\x00\x80",
        "WaveformData": struct.pack("<6h", 1, 2, 3, 4, -32768, 6),
    }
    interval = {
        "ConceptNameCodeSequence": [code("5.13.5-9", "SCPECG", "QRS Duration")],
        "NumericValue": "75",
        "MeasurementUnitsCodeSequence": [code("ms", "UCUM", "ms")],
    }
    statement = {"UnformattedTextValue": "Sinus rhythm"}
    coded = {"ConceptCodeSequence": [code("1", "99LOCAL", "Normal")]}
    return everything(
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=ECG,
        Modality="ECG",
        AcquisitionDateTime="20260102101112",
        WaveformSequence=[group],
        WaveformAnnotationSequence=[interval, statement, coded],
        **changes,
    )


def rejection(*uids: str, title: str = "113037", study: str = "1.2.3.1", **changes: Any) -> dict[int, Raw]:
    """A rejection note (IHE RAD IOCM) on these instances."""
    references = [
        {"ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "ReferencedSOPInstanceUID": uid}
        for uid in uids
    ]
    series = {"SeriesInstanceUID": "1.2.3.2", "ReferencedSOPSequence": references}
    selected = [
        {"ValueType": "IMAGE", "RelationshipType": "CONTAINS", "ReferencedSOPSequence": [reference]}
        for reference in references
    ]
    return everything(
        **{
            "SpecificCharacterSet": "ISO_IR 192",
            "SOPClassUID": KEY_OBJECTS,
            "SOPInstanceUID": "1.2.3.4.99",
            "SeriesInstanceUID": "1.2.3.99",
            "Modality": "KO",
            "ValueType": "CONTAINER",
            "ConceptNameCodeSequence": [code(title, "DCM", "Rejected")],
            "CurrentRequestedProcedureEvidenceSequence": [
                {"StudyInstanceUID": study, "ReferencedSeriesSequence": [series]}
            ],
            "ContentSequence": selected,
            "ContentDate": "20260301",
            "ContentTime": "120000",
            **changes,
        }
    )


def places(values: dict[int, Raw], path: Path = ()) -> Iterator[Path]:
    """The paths of all elements, at all depths."""
    for key, (_, value) in values.items():
        yield (*path, key)
        if isinstance(value, list):
            for position, each in enumerate(value):
                yield from places(each, (*path, key, position))


def changed(values: dict[int, Raw], path: Path, value: Raw | None) -> dict[int, Raw]:
    """A copy with another element at a path; None takes it out."""
    key, *rest = path
    copied = dict(values)
    if not rest:
        copied.pop(key, None)
        if value is not None:
            copied[key] = value
        return copied
    vr, items = copied[key]
    position, *below = rest
    copied[key] = (
        vr,
        [
            changed(each, tuple(below), value) if number == position else each
            for number, each in enumerate(items)
        ],
    )
    return copied
