"""What an ImagingStudy says of the order, the reason and the body, by the rules of the facts; and a site's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Site
from tests.adapters.imaging.conversion import convert
from tests.adapters.imaging.raw_files import code, everything, write


def study(folder: Path, *instances: dict[int, Any]) -> dict[str, Any]:
    paths = [write(folder / f"{number}.dcm", values) for number, values in enumerate(instances)]
    (result,) = convert(paths, Site(demo_key=True)).of("ImagingStudy")
    assert not [issue for issue in Validator.of().validate(result) if issue.severity in ("error", "fatal")]
    return result


def test_accession_and_reason_of_the_request_count_where_the_study_has_none(tmp_path: Path) -> None:
    request = {
        "AccessionNumber": "A-77",
        "IssuerOfAccessionNumberSequence": [
            {"UniversalEntityID": "1.2.3.99", "UniversalEntityIDType": "ISO"}
        ],
        "ReasonForTheRequestedProcedure": "Syncope",
        "RequestedProcedureID": "RP7",
    }
    result = study(
        tmp_path,
        everything(
            AccessionNumber=None,
            IssuerOfAccessionNumberSequence=None,
            ReasonForTheRequestedProcedure=None,
            ReasonForRequestedProcedureCodeSequence=None,
            RequestAttributesSequence=[request],
        ),
    )
    accession = next(each for each in result["identifier"] if each.get("use") == "usual")
    assert (accession["system"], accession["value"]) == ("urn:oid:1.2.3.99", "A-77")
    assert result["basedOn"] == [
        {
            "type": "ServiceRequest",
            "identifier": {"type": accession["type"], "system": "urn:oid:1.2.3.99", "value": "A-77"},
        }
    ]
    assert result["reasonCode"] == [{"text": "Syncope"}]


def test_a_study_of_two_orders_is_based_on_both_and_has_neither_number(tmp_path: Path) -> None:
    requests = [{"AccessionNumber": number} for number in ("A-1", "A-2")]
    result = study(
        tmp_path,
        everything(
            AccessionNumber=None, IssuerOfAccessionNumberSequence=None, RequestAttributesSequence=requests
        ),
    )
    assert [each["identifier"]["value"] for each in result["basedOn"]] == ["A-1", "A-2"]
    assert not [each for each in result["identifier"] if each.get("use") == "usual"]


def test_the_body_site_of_frames_counts_where_the_series_states_none(tmp_path: Path) -> None:
    anatomy = {
        "AnatomicRegionSequence": [code("45206002", "SCT", "Nasal structure")],
        "FrameLaterality": "R",
    }
    result = study(
        tmp_path,
        everything(
            AnatomicRegionSequence=None,
            BodyPartExamined=None,
            Laterality=None,
            ImageLaterality=None,
            SharedFunctionalGroupsSequence=[{"FrameAnatomySequence": [anatomy]}],
        ),
    )
    (series,) = result["series"]
    assert series["bodySite"]["code"] == "45206002"
    assert series["laterality"]["code"] == "24028007"


def test_series_without_numbers_are_in_order_of_their_uids(tmp_path: Path) -> None:
    instances = [
        everything(SeriesNumber=None, SeriesInstanceUID=f"1.2.3.{series}", SOPInstanceUID=f"1.2.3.4.{series}")
        for series in (7, 5, 6)
    ]
    result = study(tmp_path, *instances)
    assert [each["uid"] for each in result["series"]] == ["1.2.3.5", "1.2.3.6", "1.2.3.7"]
    assert (result["numberOfSeries"], result["numberOfInstances"]) == (3, 3)


@pytest.mark.parametrize("values", [{}, {"StudyTime": None}])
def test_a_study_without_zone_starts_on_its_date(tmp_path: Path, values: dict[str, Any]) -> None:
    result = study(tmp_path, everything(TimezoneOffsetFromUTC=None, **values))
    assert result["started"] == "2026-01-02"


def test_a_site_overrides_with_private_tags_and_its_own_procedure_codes(tmp_path: Path) -> None:
    from fhir_bridge.adapters.imaging import DicomAdapter, StudyRecord, read_studies
    from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
    from fhir_bridge.mapping import Context, IdentityResolver, load_mapping
    from tests.adapters.imaging.conversion import UnitsOnly

    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(SITE_MAPPING)
    values = everything(ProcedureCodeSequence=[code("CTH", "99HOSP", "CT Herz")]) | {
        0x00290010: ("LO", b"WARD SYSTEM "),
        0x00291001: ("LO", b"Station 7 "),
    }
    site = Site(
        demo_key=True,
        schemes={"99HOSP": "https://hospital.fhir-bridge.org/procedures"},
        parameters={"procedures": {"CTH": "241547009"}},
    )
    context = Context(site, UnitsOnly(), IdentityResolver(site, IdKey(DEMO_KEY)), "dicom")
    compiled = load_mapping(mapping, adapters={"dicom": DicomAdapter()})
    (record,) = read_studies([write(tmp_path / "files" / "1.dcm", values)])
    assert isinstance(record, StudyRecord)
    outputs = compiled.convert(record, context).outputs
    result = next(each.resource for each in outputs if each.resource["resourceType"] == "ImagingStudy")
    assert result["note"] == [{"text": "Station 7"}]
    assert [(each["system"], each["code"]) for each in result["procedureCode"][0]["coding"]] == [
        ("http://snomed.info/sct", "241547009"),
        ("https://hospital.fhir-bridge.org/procedures", "CTH"),
    ]


SITE_MAPPING = """\
mapping: hospital-dicom
version: 1.0.0
extends: imaging/dicom
override:
  imaging-study:
    note+: [{text: "=private('WARD SYSTEM', 0x0029, 0x01)"}]
    procedureCode:
    - for: code in study.procedures
      coding:
      - when: exists(lookup(site.procedures, code.value))
        system: http://snomed.info/sct
        code: "=lookup(site.procedures, code.value)"
      - "=coding(code)"
      text: "=code.text"
"""
