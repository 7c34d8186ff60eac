"""`mapping audit` of variant files, DICOM objects and tables of other encodings, and of what no source says."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests.command import run_command

Resources = list[dict[str, Any]]


def audited(source: Path, fhir: Path, *options: object) -> dict[str, Any]:
    done = run_command(
        "mapping", "audit", "--source", source, "--fhir", fhir, "--format", "json", "--zone", "Europe/Zurich",
        "--with-values", *options,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def lost(data: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["field"], each["value"]) for each in data["findings"] if each["kind"] == "never arrived"}


def invented(data: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["fhir"], each["found"]) for each in data["invented"]}


def ndjson(file: Path, resources: Resources) -> Path:
    file.write_text("\n".join(json.dumps(resource) for resource in resources), "utf-8")
    return file


# Variants

VCF = """\
##fileformat=VCFv4.3
##contig=<ID=chr1,length=248956422>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads">
##INFO=<ID=DB,Number=0,Type=Flag,Description="dbSNP">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2
chr1\t1000200\trs77001\tA\tG\t50.5\tPASS\t.\tGT:AD\t0/1:11,13\t0/0:20,0
chr1\t1000350\t.\tCT\tC\t61\tlowq\tDB\tGT:AD\t1/1:0,17\t0/1:9,8
chr1\t1000400\t.\tT\tA\t70\tPASS\t.\tGT:AD\t0/0:15,0\t./.:0,0
"""


def variant(patient: str, hgvs: str, state: str, note: str) -> dict[str, Any]:
    def component(code: str, value: str) -> dict[str, Any]:
        coding = [{"system": "http://loinc.org", "code": code}]
        return {"code": {"coding": coding}, "valueCodeableConcept": {"coding": [{"code": value}]}}

    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "69548-6"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "component": [component("81290-9", f"NC_000001.11:g.{hgvs}"), component("53034-5", state)],
        "note": [{"text": note}],
    }


def variants() -> Resources:
    people: Resources = [
        {"resourceType": "Patient", "id": f"p{n}", "identifier": [{"value": f"S{n}"}]} for n in (1, 2)
    ]
    return [
        *people,
        variant("p1", "1000200A>G", "LA6706-1", "rs77001 QUAL=50.5 AD=11,13"),
        variant("p1", "1000351del", "LA6705-3", "DB lowq QUAL=61 AD=0,17"),
        variant("p2", "1000351del", "LA6706-1", "DB lowq QUAL=61 AD=9,8"),
    ]


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    file = tmp_path / "calls.vcf"
    file.write_text(VCF)
    return file


def test_calls_arrive_by_their_hgvs_names_and_an_allelic_state(calls: Path, tmp_path: Path) -> None:
    data = audited(calls, ndjson(tmp_path / "v.ndjson", variants()))
    assert (data["findings"], data["invented"]) == ([], [])
    assert data["summary"]["records"] == 4  # three calls, and the lines without one


def test_a_call_that_another_sample_has_too_is_missed_in_its_own(calls: Path, tmp_path: Path) -> None:
    resources = variants()
    data = audited(calls, ndjson(tmp_path / "v.ndjson", resources[:-1]))
    assert [(each["field"], each["locator"]) for each in data["findings"]] == [
        ("variant", "chr1:1000350 ALT 1")
    ]
    assert "S2" in data["findings"][0]["record"]


def test_a_genotype_and_reads_that_got_lost_are_findings(calls: Path, tmp_path: Path) -> None:
    resources = variants()
    resources[2]["component"][1]["valueCodeableConcept"]["coding"][0]["code"] = "LA6705-3"
    resources[2]["note"][0]["text"] = "rs77001"
    data = audited(calls, ndjson(tmp_path / "v.ndjson", resources))
    assert lost(data) >= {("FORMAT/GT", "0/1"), ("QUAL", "50.5"), ("FORMAT/AD", "13")}


def test_contained_results_are_told_apart(calls: Path, tmp_path: Path) -> None:
    """An engine that puts all Observations into one report: a value of one is not that of another."""
    resources = variants()
    inside = [{**each, "id": f"o{n}"} for n, each in enumerate(resources[2:])]
    inside[0]["component"] = inside[0]["component"][:1]
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "contained": inside,
        "result": [{"reference": f"#{each['id']}"} for each in inside],
    }
    data = audited(calls, ndjson(tmp_path / "v.ndjson", [*resources[:2], report]))
    assert lost(data) == {("FORMAT/GT", "0/1")}


# DICOM


def test_the_examples_of_dicom_have_nothing_that_no_object_says(repository: Path, tmp_path: Path) -> None:
    folder = repository / "mappings/imaging/dicom/examples/study"
    source = tmp_path / "objects"
    source.mkdir()
    for number, file in enumerate(sorted(folder.glob("*.dcm"))):
        shutil.copy(file, source / f"IM{number}")  # files of a store have no ending
    expected = [json.loads(line) for line in (folder / "expected.ndjson").read_text().splitlines()]
    fhir = tmp_path / "study.ndjson"
    data = audited(source, ndjson(fhir, expected))
    assert data["invented"] == []
    assert data["problems"] == []
    before = lost(data)
    assert before.isdisjoint({("PatientName", "Test")})
    worse = copy.deepcopy(expected)
    for resource in worse:
        if resource["resourceType"] == "Patient":
            resource.pop("birthDate", None)
            resource["gender"] = "unknown"
        if resource["resourceType"] == "ImagingStudy":
            resource["started"] = "2031-05-06T01:02:00Z"
            resource["series"] = resource["series"][:1]
    data = audited(source, ndjson(fhir, worse))
    assert {field for field, _ in lost(data) - before} >= {"PatientSex", "StudyDate", "SOPInstanceUID"}
    assert ("ImagingStudy.started", "2031-05-06T01:02:00Z") in invented(data)


def test_a_measurement_of_a_report_is_looked_for_by_value_unit_and_concept(
    repository: Path, tmp_path: Path
) -> None:
    folder = repository / "mappings/imaging/dicom/examples/echo-report"
    expected = [json.loads(line) for line in (folder / "expected.ndjson").read_text().splitlines()]
    measured = [each for each in expected if "valueQuantity" in each]
    assert measured
    measured[0]["valueQuantity"] |= {"unit": "kg", "code": "kg"}
    measured[1].pop("valueQuantity")
    for each in expected:
        each.pop("presentedForm", None)  # where every number is once more
    data = audited(folder / "report.dcm", ndjson(tmp_path / "r.ndjson", expected))
    assert {(each["field"], each["kind"]) for each in data["findings"]} >= {
        ("NUM unit", "changed unit"),
        ("NUM NumericValue", "never arrived"),
    }


def test_private_attributes_are_counted_by_their_creators(repository: Path, tmp_path: Path) -> None:
    folder = repository / "mappings/imaging/dicom/examples/study"
    dataset = dcmread(sorted(folder.glob("*.dcm"))[0])
    dataset.private_block(0x0019, "ACME MR", create=True).add_new(0x0C, "LO", "b 1000")
    dataset.save_as(tmp_path / "private.dcm")
    expected = [json.loads(line) for line in (folder / "expected.ndjson").read_text().splitlines()]
    data = audited(tmp_path / "private.dcm", ndjson(tmp_path / "study.ndjson", expected))
    assert "(0019,xx0C) ACME MR" in json.dumps(data["structure"])
    assert not [field for field, _ in lost(data) if "ACME" in field]


# Tables

TABLE = "Patient;Name;Größe cm;Datum\n4711;Jörg Müller;171,5;03.02.2026\n4712;Zoë Weiß;1.160,25;14.02.2026\n"


def heights(first: str, second: str) -> Resources:
    results: Resources = []
    for number, name, day, value in (
        ("4711", "Jörg Müller", "03", first),
        ("4712", "Zoë Weiß", "14", second),
    ):
        results += [
            {
                "resourceType": "Patient",
                "id": number,
                "identifier": [{"value": number}],
                "name": [{"text": name}],
            },
            {
                "resourceType": "Observation",
                "id": f"o{number}",
                "subject": {"reference": f"Patient/{number}"},
                "effectiveDateTime": f"2026-02-{day}",
                "valueQuantity": {"value": float(value), "unit": "cm"},
            },
        ]
    return results


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_table_is_read_in_its_encoding_with_its_decimal_comma_and_dates(
    encoding: str, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes(TABLE.encode(encoding))
    data = audited(table, ndjson(tmp_path / "t.ndjson", heights("171.5", "1160.25")))
    assert (data["findings"], data["invented"], data["problems"]) == ([], [], [])
    data = audited(table, ndjson(tmp_path / "t.ndjson", heights("1715", "1160.25")))
    assert lost(data) == {("Größe cm", "171.5")}


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"only one line\n", b"a,a\n1,2\n"])
def test_a_file_that_is_no_table_is_reported_and_the_others_are_audited(
    content: bytes, tmp_path: Path
) -> None:
    source, fhir = tmp_path / "s", tmp_path / "f"
    source.mkdir()
    fhir.mkdir()
    (source / "bad.csv").write_bytes(content)
    (source / "good.csv").write_bytes(TABLE.encode("cp1252"))
    ndjson(fhir / "good.ndjson", heights("171.5", "1160.25"))
    ndjson(fhir / "bad.ndjson", heights("171.5", "1160.25"))
    data = audited(source, fhir)
    assert [problem["place"] for problem in data["problems"]] == ["bad.csv"]
    assert (data["findings"], data["invented"]) == ([], [])


# What no source says


def observation(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "added",
        "meta": {"lastUpdated": "2031-01-01T00:00:00Z"},
        "text": {"status": "generated", "div": "<div>9999</div>"},
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                    }
                ]
            }
        ],
        **elements,
    }


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        (observation(), None),
        (observation(identifier=[{"value": "6b86b273ff34fce19d6b804eff5a3f57"}]), None),
        (observation(valueQuantity={"value": 1.715, "unit": "m", "code": "m"}), None),
        (observation(effectiveDateTime="2026-02-03T12:00:00+01:00"), "effectiveDateTime"),
        (observation(effectiveDateTime="2019-07-01"), "effectiveDateTime"),
        (observation(valueQuantity={"value": 88.4, "unit": "kg"}), "valueQuantity.value"),
        (observation(identifier=[{"value": "ACC-99"}]), "identifier.value"),
        (
            observation(
                valueCodeableConcept={"coding": [{"system": "http://snomed.info/sct", "code": "22298006"}]}
            ),
            "valueCodeableConcept.coding.code",
        ),
        (observation(component=[{"valueInteger": 77}]), "component.valueInteger"),
    ],
)
def test_what_no_source_says_is_invented_but_for_what_the_model_asks(
    added: dict[str, Any], expected: str | None, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text(TABLE, "utf-8")
    data = audited(table, ndjson(tmp_path / "t.ndjson", [*heights("171.5", "1160.25"), added]))
    assert [each["fhir"] for each in data["invented"]] == ([f"Observation.{expected}"] if expected else [])


def test_inventions_are_counted_shown_and_make_the_exit_code(tmp_path: Path) -> None:
    table, page = tmp_path / "t.csv", tmp_path / "page.html"
    table.write_text(TABLE, "utf-8")
    added = observation(valueQuantity={"value": 88.4, "unit": "kg"})
    fhir = ndjson(tmp_path / "t.ndjson", [*heights("171.5", "1160.25"), added])
    done = run_command("mapping", "audit", "--source", table, "--fhir", fhir, "--html", page)
    assert done.returncode == 1
    assert "invented" in done.stdout
    assert "Observation.valueQuantity.value" in page.read_text()
    assert "88.4" not in done.stdout + page.read_text()
    done = run_command("mapping", "audit", "--source", table, "--fhir", fhir, "--with-values")
    assert "88.4" in done.stdout
