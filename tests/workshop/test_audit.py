"""`mapping audit` on FHIR that is right but for one thing, which is what is reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command

MESSAGE = "\r".join(
    (
        "MSH|^~\\&|LAB|NORTH|EHR|HOSP|20260301101500+0100||ORU^R01^ORU_R01|M-1|P|2.5.1",
        "PID|1||771234^^^NORTH^MR||Muster^Anna Maria||19710304|F|||Weg 9^^Bern^^3011^CHE||^PRN^PH^^^31^5551234",
        "OBR|1|ORD-77|LAB-88|24323-8^Chemistry panel^LN|||20260301080000+0100|||||||||||||||20260301094500+0100|||F",
        "OBX|1|NM|2823-3^Potassium^LN||4.15|mmol/L^^UCUM|3.5-5.1|H|||F|||20260301080000+0100",
        "OBX|2|NM|2951-2^Sodium^LN||139|mmol/L^^UCUM|||||F|||20260301080000+0100",
        "NTE|1||Slightly haemolytic sample",
    )
)


def result(number: str, code: str, display: str, value: float) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": number,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": display}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-03-01T08:00:00+01:00",
        "valueQuantity": {
            "value": value,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }


def bundle() -> list[dict[str, Any]]:
    """What a good engine makes of the message."""
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": "urn:x:NORTH", "value": "771234", "type": {"coding": [{"code": "MR"}]}}],
        "name": [{"family": "Muster", "given": ["Anna", "Maria"]}],
        "gender": "female",
        "birthDate": "1971-03-04",
        "address": [{"line": ["Weg 9"], "city": "Bern", "postalCode": "3011", "country": "CHE"}],
        "telecom": [{"system": "phone", "use": "home", "value": "(031) 555-1234"}],
    }
    potassium = result("k", "2823-3", "Potassium", 4.15)
    potassium["interpretation"] = [{"coding": [{"code": "H"}]}]
    potassium["referenceRange"] = [{"low": {"value": 3.5}, "high": {"value": 5.1}}]
    sodium = result("na", "2951-2", "Sodium", 139)
    sodium["note"] = [{"text": "Slightly haemolytic sample"}]
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "identifier": [{"value": "ORD-77"}, {"value": "LAB-88"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "24323-8", "display": "Chemistry panel"}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-03-01T08:00:00+01:00",
        "issued": "2026-03-01T09:45:00+01:00",
        "result": [{"reference": "Observation/k"}, {"reference": "Observation/na"}],
    }
    header = {
        "resourceType": "MessageHeader",
        "id": "h",
        "eventCoding": {"code": "R01"},
        "source": {"name": "LAB", "endpoint": "urn:x:NORTH"},
        "meta": {"lastUpdated": "2026-03-01T10:15:00+01:00"},
    }
    return [header, patient, report, potassium, sodium]


def audited(tmp_path: Path, resources: list[dict[str, Any]], *options: object) -> tuple[int, dict[str, Any]]:
    source, fhir = tmp_path / "source", tmp_path / "fhir"
    for folder in (source, fhir):
        folder.mkdir(exist_ok=True)
    (source / "one.hl7").write_text(MESSAGE, newline="")
    entries = [{"fullUrl": f"urn:uuid:{r['id']}", "resource": r} for r in resources]
    (fhir / "one.json").write_text(
        json.dumps({"resourceType": "Bundle", "type": "message", "entry": entries})
    )
    done = run_command("mapping", "audit", "--source", source, "--fhir", fhir, "--format", "json", *options)
    return done.returncode, json.loads(done.stdout)


def reported(data: dict[str, Any]) -> set[tuple[str, str]]:
    return {(finding["locator"], finding["kind"]) for finding in data["findings"]}


def test_fhir_that_has_everything_gives_no_finding_and_exit_code_0(tmp_path: Path) -> None:
    code, data = audited(tmp_path, bundle(), "--with-values")
    assert data["findings"] == []
    assert code == 0
    assert data["summary"]["arrived"] == data["summary"]["values"] > 30


def damaged(tmp_path: Path, change: Any) -> set[tuple[str, str]]:
    resources = bundle()
    change({resource["id"]: resource for resource in resources})
    code, data = audited(tmp_path, resources)
    assert code == 1
    return reported(data)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda r: r["p"].pop("birthDate"), ("PID[1]-7", "never arrived")),
        (lambda r: r["p"]["telecom"][0].pop("value"), ("PID[1]-13.7", "never arrived")),
        (lambda r: r["p"].pop("gender"), ("PID[1]-8", "never arrived")),
        (lambda r: r["k"].pop("interpretation"), ("OBX[1]-8", "never arrived")),
        (lambda r: r["na"].pop("note"), ("NTE[1]-3", "never arrived")),
        (lambda r: r["na"].pop("valueQuantity"), ("OBX[2]-5", "never arrived")),
        (
            lambda r: r["k"]["valueQuantity"].update(unit="mg/dL", code="mg/dL"),
            ("OBX[1]-6.1", "changed unit"),
        ),
        (lambda r: r["k"]["valueQuantity"].update(value=4.1), ("OBX[1]-5", "changed value")),
        (lambda r: r["k"].update(status="preliminary"), ("OBX[1]-11", "changed status")),
        (lambda r: r["r"].update(status="partial"), ("OBR[1]-25", "changed status")),
        (lambda r: r["k"].update(effectiveDateTime="2026-03-01T07:00:00Z"), ("OBX[1]-14", "changed zone")),
        (lambda r: r["k"].update(effectiveDateTime="2026-03-01T08:00:00Z"), ("OBX[1]-14", "changed zone")),
        (
            lambda r: r["k"].update(effectiveDateTime="2026-03-01T06:00:00+01:00"),
            ("OBX[1]-14", "changed zone"),
        ),
        (lambda r: r["r"].update(issued="2026-03-01T09:45:00+02:00"), ("OBR[1]-22", "changed zone")),
    ],
)
def test_what_never_arrived_or_changed_is_reported_with_its_place(
    tmp_path: Path, change: Any, finding: tuple[str, str]
) -> None:
    assert finding in damaged(tmp_path, change)


def test_the_same_value_in_another_result_does_not_count(tmp_path: Path) -> None:
    def swap(r: dict[str, Any]) -> None:
        r["k"]["valueQuantity"]["value"], r["na"]["valueQuantity"]["value"] = 139, 4.15

    kinds = damaged(tmp_path, swap)
    assert {place for place, _ in kinds} >= {"OBX[1]-5", "OBX[2]-5"}


def test_a_value_in_another_unit_arrived_if_it_was_converted(tmp_path: Path) -> None:
    resources = bundle()
    resources[3]["valueQuantity"] |= {"value": 4150, "unit": "umol/L", "code": "umol/L"}
    assert audited(tmp_path, resources)[1]["findings"] == []


def test_two_results_under_one_id_collide(tmp_path: Path) -> None:
    resources = bundle()
    resources[4]["id"] = "k"
    code, data = audited(tmp_path, resources)
    assert code == 1
    assert data["same_id"][0]["resource"] == "Observation/k"


def test_two_orders_in_one_resource_collide(tmp_path: Path) -> None:
    source, fhir = tmp_path / "m.hl7", tmp_path / "m.json"
    source.write_text(
        MESSAGE + "\rOBR|2|ORD-77|LAB-88|600-7^Blood culture^LN|||20260301080000+0100", newline=""
    )
    entries = [{"resource": resource} for resource in bundle()]
    fhir.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    done = run_command("mapping", "audit", "--source", source, "--fhir", fhir, "--format", "json")
    assert ("OBR[2]-4", "collided") in reported(json.loads(done.stdout))


def test_values_are_shown_only_where_they_are_asked_for(tmp_path: Path) -> None:
    resources = bundle()
    resources[1]["name"] = [{"family": "Other"}]
    page = tmp_path / "page.html"
    _, data = audited(tmp_path, resources, "--html", page)
    assert "Muster" not in json.dumps(data)
    assert "Muster" not in page.read_text()
    _, data = audited(tmp_path, resources, "--html", page, "--with-values")
    assert "Muster" in json.dumps(data)
    assert "<mark>Muster</mark>" in page.read_text()


def test_the_page_escapes_hostile_content_and_loads_nothing(tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    source = tmp_path / "a<b>.hl7"
    source.write_text(MESSAGE.replace("Muster", hostile).replace("Potassium", "</pre><script>"), newline="")
    fhir = tmp_path / "f.json"
    fhir.write_text(json.dumps({"resourceType": "Patient", "id": "p", "identifier": [{"value": "771234"}]}))
    page = tmp_path / "page.html"
    run_command("mapping", "audit", "--source", source, "--fhir", fhir, "--html", page, "--with-values")
    text = page.read_text()
    assert hostile not in text
    assert "<script" not in text
    assert "&lt;img src=x" in text
    assert "http" not in text.split("<body>")[0].replace("http-equiv", "")


def test_bad_inputs_are_reported_with_their_place(tmp_path: Path) -> None:
    source, fhir = tmp_path / "source", tmp_path / "fhir"
    source.mkdir()
    fhir.mkdir()
    (source / "one.hl7").write_text(MESSAGE, newline="")
    (source / "two.hl7").write_text("this is no message")
    (source / "three.hl7").write_bytes(b"\x00\xff\xfe")
    (fhir / "one.ndjson").write_text('{"resourceType": "Patient", "id": "p"}\n{"resourceType": \n')
    (fhir / "two.json").write_text("[1, 2")
    (fhir / "three.json").write_text("{}")
    done = run_command("mapping", "audit", "--source", source, "--fhir", fhir, "--format", "json")
    places = {problem["place"] for problem in json.loads(done.stdout)["problems"]}
    assert done.returncode == 1
    assert "one.ndjson:2" in places
    assert {"two.json", "two.hl7", "three.hl7"} <= places


def test_structural_fields_are_counted_in_the_appendix(tmp_path: Path) -> None:
    data = audited(tmp_path, bundle())[1]
    assert data["structure"]["OBX-1"] == 2
    assert "MSH-12" in data["structure"]


def test_a_folder_without_sources_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run_command("mapping", "audit", "--source", tmp_path / "empty", "--fhir", tmp_path)
    assert done.returncode == 2
    assert "no HL7 v2 message" in done.stderr
