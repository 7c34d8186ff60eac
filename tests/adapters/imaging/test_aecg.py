"""HL7 aECG. The documents are synthetic, by the implementation guide of 2005-03-21."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Site
from tests.adapters.imaging.conversion import Converted, convert

SITE = Site(demo_key=True, zone="Europe/Rome")
MDC = 'codeSystem="2.16.840.1.113883.6.24"'


def leads(increment: str, **digits: str) -> str:
    sequences = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{name}" {MDC}/><value xsi:type="SLIST_PQ">'
        f'<origin value="0" unit="uV"/><scale value="5" unit="uV"/><digits>{samples}</digits></value>'
        "</sequence></component>"
        for name, samples in digits.items()
    )
    return (
        '<component><sequenceSet><component><sequence><code code="TIME_ABSOLUTE" codeSystem="2.16.840.1.113883.5.4"/>'
        f'<value xsi:type="GLIST_TS"><head value="20260102101112.000"/>{increment}</value></sequence></component>'
        f"{sequences}</sequenceSet></component>"
    )


def annotation(name: str, value: str, below: str = "") -> str:
    return f'<component><annotation><code code="{name}" {MDC}/>{value}{below}</annotation></component>'


DOCUMENT = f"""<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<id root="61d1a24f-b47e-41aa-ae95-f8ac302f4eeb"/>
<code code="93000" codeSystem="2.16.840.1.113883.6.12"/>
<effectiveTime><low value="20260102101112+0100"/><high value="20260102101122+0100"/></effectiveTime>
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>
<id root="1.2.3.4" extension="S-17"/>
<subjectDemographicPerson><name><given>Ada</given><family>Lind</family></name>
<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19600102"/>
</subjectDemographicPerson>
</trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>
<component><series>
<code code="RHYTHM" codeSystem="2.16.840.1.113883.5.4"/>
<effectiveTime><low value="20260102101112+0100"/></effectiveTime>
<author><seriesAuthor><manufacturedSeriesDevice><id extension="SN1"/><manufacturerModelName>M1</manufacturerModelName>
</manufacturedSeriesDevice><manufacturerOrganization><name>Maker</name></manufacturerOrganization></seriesAuthor></author>
{leads('<increment value="0.002" unit="s"/>', I="1 2 -3", AVR="10 20 30")}
<derivation><derivedSeries><code code="REPRESENTATIVE_BEAT" codeSystem="2.16.840.1.113883.5.4"/>
{leads('<increment value="2" unit="ms"/>', I="7 8")}</derivedSeries></derivation>
<subjectOf><annotationSet>
{annotation("MDC_ECG_HEART_RATE", '<value xsi:type="PQ" value="72" unit="bpm"/>')}
{annotation("MDC_ECG_TIME_PD_QT", '<value xsi:type="PQ" value="0.412" unit="s"/>')}
{annotation("MDC_ECG_TIME_PD_PR", '<value xsi:type="PQ" value="0" unit="ms"/>')}
{
    annotation(
        "MDC_ECG_INTERPRETATION",
        "",
        annotation("MDC_ECG_INTERPRETATION_STATEMENT", '<value xsi:type="ST">Sinus rhythm</value>'),
    )
}
</annotationSet></subjectOf>
</series></component>
</AnnotatedECG>
"""


def read(folder: Path, document: str | bytes, name: str = "ecg.xml") -> Converted:
    path = folder / name
    path.write_bytes(document if isinstance(document, bytes) else document.encode())
    return convert([path], SITE)


def voltages(component: dict[str, Any]) -> list[Decimal]:
    data = component["valueSampledData"]
    return [Decimal(each) * data["factor"] + data["origin"]["value"] for each in data["data"].split()]


def test_an_annotated_ecg_is_the_ecg_that_it_says(tmp_path: Path) -> None:
    converted = read(tmp_path, DOCUMENT)
    validator = Validator.of()
    for resource in converted.resources:
        assert not [each for each in validator.validate(resource) if each.severity in ("error", "fatal")], (
            resource
        )
    assert not converted.of("ImagingStudy")
    (patient,) = converted.of("Patient")
    assert (patient["name"][0]["family"], patient["gender"], patient["birthDate"]) == (
        "Lind",
        "female",
        "1960-01-02",
    )
    assert patient["identifier"][0]["system"] == "urn:oid:1.2.3.4"
    rhythm, beat = [each for each in converted.of("Observation") if "component" in each]
    assert rhythm["effectiveDateTime"] == "2026-01-02T10:11:12+01:00"
    assert [each["code"]["coding"][0]["code"] for each in rhythm["component"]] == ["131329", "131390"]
    assert [voltages(each) for each in rhythm["component"]] == [[5, 10, -15], [50, 100, 150]]
    assert rhythm["component"][0]["valueSampledData"]["period"] == 2
    assert voltages(beat["component"][0]) == [35, 40]
    (report,) = converted.of("DiagnosticReport")
    assert report["conclusion"] == "Sinus rhythm"
    assert converted.of("Device")[0]["serialNumber"] == "SN1"


def test_digits_that_are_no_whole_numbers_are_reported(tmp_path: Path) -> None:
    converted = read(tmp_path, DOCUMENT.replace("1 2 -3", "1.5 1_0 +3"))
    (lead, *_) = [each["component"][0] for each in converted.of("Observation") if "component" in each]
    assert lead["valueSampledData"]["data"] == "E E 3"
    assert [issue.message for issue in converted.issues if issue.code == "FB-DCM-036"] == [
        "sequence set 1: 2 of 3 digits of a lead are no whole numbers and were left out"
    ]


def test_its_measurements_are_coded_and_one_that_no_heart_has_is_no_value(tmp_path: Path) -> None:
    converted = read(tmp_path, DOCUMENT)
    found = {
        each["code"]["coding"][0]["code"]: each
        for each in converted.of("Observation")
        if "component" not in each
    }
    assert (found["8867-4"]["valueQuantity"]["value"], found["8867-4"]["valueQuantity"]["code"]) == (
        72,
        "/min",
    )
    assert found["8867-4"]["code"]["coding"][1]["code"] == "147842"
    assert found["8634-8"]["valueQuantity"] == {
        "value": Decimal("0.412"),
        "unit": "s",
        "system": "http://unitsofmeasure.org",
        "code": "s",
    }
    assert "valueQuantity" not in found["8625-6"]
    assert found["8625-6"]["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert found["8625-6"]["dataAbsentReason"]["text"] == "implausible: 0 ms"
    assert [issue.code for issue in converted.issues if issue.code == "FB-DCM-033"] == ["FB-DCM-033"]


@pytest.mark.parametrize(
    "document",
    [
        DOCUMENT.replace(
            "?>", '?><!DOCTYPE AnnotatedECG [<!ENTITY x SYSTEM "file:///etc/hostname">]>', 1
        ).replace("Lind", "&x;"),
        DOCUMENT.replace(
            "?>", '?><!DOCTYPE AnnotatedECG [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>', 1
        ).replace("Lind", "&b;"),
        DOCUMENT[:900],
        "<AnnotatedECG xmlns='urn:hl7-org:v3'><id root='1.2'/></AnnotatedECG>",
        "<AnnotatedECG>" + "<a>" * 100,
    ],
    ids=["external entity", "entities", "cut short", "no series", "too deep"],
)
def test_a_document_that_is_not_safe_or_whole_is_rejected_with_its_reason(
    tmp_path: Path, document: str
) -> None:
    converted = read(tmp_path, document)
    assert converted.outcomes == ["rejected"]
    assert [issue.code for issue in converted.issues] == ["FB-DCM-035"]
    assert not converted.resources


def test_another_encoding_and_name_say_the_same(tmp_path: Path) -> None:
    plain = read(tmp_path, DOCUMENT)
    wide = DOCUMENT.replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16")
    other = tmp_path / "other"
    other.mkdir()
    assert [each["id"] for each in read(other, wide, "recording").resources] == [
        each["id"] for each in plain.resources
    ]


def test_samples_and_values_that_can_not_be_read_cost_themselves(tmp_path: Path) -> None:
    document = DOCUMENT.replace("1 2 -3", "1 x -3").replace('value="0.412"', 'value="long"')
    converted = read(tmp_path, document)
    (rhythm, *_) = [each for each in converted.of("Observation") if "component" in each]
    assert rhythm["component"][0]["valueSampledData"]["data"] == "1 E -3"
    (interval,) = [
        each for each in converted.of("Observation") if each["code"].get("text") == "MDC_ECG_TIME_PD_QT"
    ]
    assert interval["dataAbsentReason"]["text"] == "not a number: long"
