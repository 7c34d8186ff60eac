"""An echocardiography report as a machine would send it (PS3.16 TID 5200), made with highdicom.

As real ones do, it names sites and modes once on the section that they hold for, codes them in SNOMED RT, and
states values twice: where they were measured, and in the summary.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from pydicom.dataset import Dataset

from fhir_bridge.demo.people import Echo

__all__ = ["echo_report"]

_FINDING_SITE: Final = ("G-C0E3", "SRT", "Finding Site")
_IMAGE_MODE: Final = ("G-0373", "SRT", "Image Mode")
_TWO_D: Final = ("G-03A2", "SRT", "2D mode")
_DOPPLER: Final = ("R-409E3", "SRT", "Doppler Continuous Wave")
_LEFT_VENTRICLE: Final = ("T-32600", "SRT", "Left Ventricle")
_LEFT_ATRIUM: Final = ("T-32300", "SRT", "Left Atrium")
_OUTFLOW_TRACT: Final = ("T-32650", "SRT", "Left Ventricle Outflow Tract")
_DERIVATION: Final = ("121401", "DCM", "Derivation")
_MAXIMUM: Final = ("G-A437", "SRT", "Maximum")
_WALL: Final = ("122445", "DCM", "Wall Thickness")
_SEPTUM: Final = ("18154-5", "LN", "Interventricular Septum Diastolic Thickness")
_EJECTION: Final = ("18043-0", "LN", "Left Ventricular Ejection Fraction by US")
_ATRIUM: Final = ("29469-4", "LN", "Left Atrium Antero-posterior Systolic Dimension")
_GRADIENT: Final = ("20247-3", "LN", "Peak Gradient")
_MM: Final = ("mm", "UCUM", "mm")
_PERCENT: Final = ("%", "UCUM", "%")
_MMHG: Final = ("mm[Hg]", "UCUM", "mmHg")

Triple = tuple[str, str, str]


def echo_report(facts: Echo, image: Dataset, uid: str, series_uid: str) -> Dataset:
    """The report on an echocardiogram.

    Args:
        facts: what it states.
        image: an instance of the study that it belongs to; patient, study and time are taken from it.
        uid: its SOP Instance UID.
        series_uid: its Series Instance UID.
    """
    from highdicom.sr import ComprehensiveSR

    report: Dataset = ComprehensiveSR(
        evidence=[image],
        content=_content(facts)[0],
        series_instance_uid=series_uid,
        series_number=2,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=str(image.Manufacturer),
        is_complete=True,
        is_verified=True,
        verifying_observer_name="Sintetica^Cardiologa^^Dr.",
        verifying_organization=str(image.InstitutionName),
        institution_name=str(image.InstitutionName),
    )
    for keyword in (
        "StudyDescription",
        "IssuerOfPatientID",
        "TimezoneOffsetFromUTC",
        "ProcedureCodeSequence",
        "ManufacturerModelName",
        "DeviceSerialNumber",
        "SpecificCharacterSet",
    ):
        if keyword in image:
            report[keyword] = copy.deepcopy(image[keyword])
    # highdicom stamps the day on which it runs; the report's day is that of the images.
    for stem in ("Series", "Content", "InstanceCreation"):
        setattr(report, f"{stem}Date", image.StudyDate)
        setattr(report, f"{stem}Time", image.StudyTime)
    moment = f"{image.StudyDate}{image.StudyTime}"
    for item in report.ContributingEquipmentSequence:
        item.ContributionDateTime = moment
    for item in report.VerifyingObserverSequence:
        item.VerificationDateTime = moment
    return report


def _content(facts: Echo) -> Any:
    from highdicom.sr import ContainerContentItem, ContentSequence

    wall = _number(_WALL, facts.maximal_wall_thickness, _MM, [(_DERIVATION, _MAXIMUM)])
    septum = _number(_SEPTUM, facts.maximal_wall_thickness, _MM)
    ejection = _number(_EJECTION, facts.lvef, _PERCENT)
    sections = [
        _section(_LEFT_VENTRICLE, _TWO_D, [septum, wall, ejection]),
        _section(_LEFT_ATRIUM, _TWO_D, [_number(_ATRIUM, facts.left_atrial_diameter, _MM)]),
        _section(_OUTFLOW_TRACT, _DOPPLER, [_number(_GRADIENT, facts.lvot_gradient, _MMHG)]),
        _section(_LEFT_VENTRICLE, _TWO_D, [copy.deepcopy(septum), copy.deepcopy(ejection)], "121111"),
    ]
    root = ContainerContentItem(
        name=_coded(("125200", "DCM", "Adult Echocardiography Procedure Report")), template_id="5200"
    )
    root.ContentSequence = ContentSequence(sections)
    return ContentSequence([root], is_root=True)


def _section(site: Triple, mode: Triple, numbers: list[Any], code: str = "121070") -> Any:
    from highdicom.sr import ContainerContentItem, ContentSequence, RelationshipTypeValues

    item = ContainerContentItem(
        name=_coded((code, "DCM", "Summary" if code == "121111" else "Findings")),
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    item.ContentSequence = ContentSequence(
        [*_modifiers([(_FINDING_SITE, site), (_IMAGE_MODE, mode)]), *numbers]
    )
    return item


def _number(
    name: Triple, value: Decimal, unit: Triple, modifiers: Iterable[tuple[Triple, Triple]] = ()
) -> Any:
    from highdicom.sr import ContentSequence, NumContentItem, RelationshipTypeValues

    item = NumContentItem(
        name=_coded(name),
        value=float(value),
        unit=_coded(unit),
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    item.MeasuredValueSequence[0].NumericValue = str(value)
    if modifiers:
        item.ContentSequence = ContentSequence(_modifiers(modifiers))
    return item


def _modifiers(pairs: Iterable[tuple[Triple, Triple]]) -> list[Any]:
    from highdicom.sr import CodeContentItem, RelationshipTypeValues

    return [
        CodeContentItem(_coded(name), _coded(value), RelationshipTypeValues.HAS_CONCEPT_MOD)
        for name, value in pairs
    ]


def _coded(triple: Triple) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value=triple[0], scheme_designator=triple[1], meaning=triple[2])
