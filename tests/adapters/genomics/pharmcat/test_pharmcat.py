"""PharmCAT's calls and recommendations as haplotypes, genotypes, therapeutic implications and proposals."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_bridge.adapters.genomics.pharmcat import PharmcatAdapter
from fhir_bridge.demo import pharmacogenomics
from fhir_bridge.demo.people import people
from fhir_bridge.fhir.validation import get_validator
from tests.command import run_command
from tests.e2e.conftest import stored

Convert = Callable[..., tuple[int, dict[str, list[dict[str, Any]]], dict[str, Any]]]


@pytest.fixture
def report(tmp_path: Path) -> dict[str, Any]:
    """The demonstration's report of the person who needs other drugs."""
    content: dict[str, Any] = json.loads(pharmacogenomics.write(tmp_path, people())[0].read_bytes())
    return content


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    site = tmp_path / "site.yaml"
    site.write_text("demo_key: true\n")

    def run(content: Any, *more: str) -> tuple[int, dict[str, list[dict[str, Any]]], dict[str, Any]]:
        path, out = tmp_path / "S1.report.json", tmp_path / "out"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        done = run_command(
            "convert",
            path,
            "--adapter",
            "pharmcat",
            "--site",
            site,
            "--out",
            out,
            "--force",
            *more,
        )
        assert "Traceback" not in done.stderr
        found = {
            file.stem: [json.loads(line) for line in file.read_text().splitlines()]
            for file in out.glob("*.ndjson")
            if file.stem != "rejects"
        }
        return done.returncode, found, json.loads((out / "report.json").read_text())

    return run


def of(resources: list[dict[str, Any]], profile: str) -> list[dict[str, Any]]:
    return [each for each in resources if each["meta"]["profile"][0].endswith(f"/{profile}")]


def values(resource: dict[str, Any], code: str) -> list[Any]:
    return [
        component.get("valueCodeableConcept") or component.get("valueString")
        for component in resource["component"]
        if component["code"]["coding"][0]["code"] == code
    ]


def test_a_report_becomes_calls_implications_and_proposals_that_are_valid(
    convert: Convert, report: dict[str, Any]
) -> None:
    code, found, account = convert(report)
    assert (code, account["records"]["converted"]) == (0, 1)
    observations = {f"Observation/{each['id']}": each for each in found["Observation"]}
    assert Counter(each["meta"]["profile"][0].rpartition("/")[2] for each in observations.values()) == {
        "haplotype": 7,
        "genotype": 4,
        "therapeutic-implication": 3,
    }
    implications = {
        values(each, "51963-7")[0]["text"]: each
        for each in of(found["Observation"], "therapeutic-implication")
    }
    clopidogrel = implications["clopidogrel"]
    assert values(clopidogrel, "51963-7")[0]["coding"][0]["code"] == "32968"
    assert values(clopidogrel, "therapeutic-implication")[0]["coding"][0]["code"] == "LA9657-3"
    assert values(clopidogrel, "81259-4") == [{"text": "CVI ACS PCI"}]
    (genotype,) = (observations[each["reference"]] for each in clopidogrel["derivedFrom"])
    assert genotype["valueCodeableConcept"]["text"] == "CYP2C19 *2/*2"
    assert [
        observations[each["reference"]]["valueCodeableConcept"]["text"] for each in genotype["derivedFrom"]
    ] == ["CYP2C19*2"]
    assert len(implications["warfarin"]["derivedFrom"]) == 2
    tasks = {each["description"].partition(" ")[0]: each for each in found["Task"]}
    assert tasks["clopidogrel"]["code"]["coding"][0]["code"] == "LA26421-0"
    assert "code" not in tasks["warfarin"]  # the guideline gives a calculation, not a direction
    (summary,) = found["DiagnosticReport"]
    assert len(summary["extension"]) == len(tasks) == 3
    assert {each["reference"] for each in summary["result"]} <= observations.keys()
    for resources in found.values():
        for resource in resources:
            issues = get_validator().validate(resource)
            assert [each for each in issues if each.severity in ("error", "fatal")] == []


def test_no_proposal_is_made_where_usual_care_is_recommended(
    convert: Convert, report: dict[str, Any]
) -> None:
    for drug in report["drugs"]["CPIC Guideline Annotation"].values():
        drug["guidelines"][0]["annotations"][0] |= {
            "dosingInformation": False,
            "alternateDrugAvailable": False,
        }
    assert "Task" not in convert(report)[1]
    assert len(convert(report, "--set", "recommendations=all")[1]["Task"]) == 3


def test_a_gene_that_is_not_called_is_named_and_nothing_is_said_of_it(
    convert: Convert, report: dict[str, Any]
) -> None:
    for where in (report["genes"]["CYP2C19"]["sourceDiplotypes"][0],):
        where |= {"label": "Unknown/Unknown", "phenotypes": ["No Result"]}
    code, found, account = convert(report)
    codes = {issue["code"] for issue in account["issues"]}
    assert (code, codes) == (0, {"FB-PGX-010", "FB-PGX-012"})
    texts = [each["valueCodeableConcept"]["text"] for each in of(found["Observation"], "genotype")]
    assert not [text for text in texts if "CYP2C19" in text]
    assert "Not called: CYP2C19." in found["DiagnosticReport"][0]["conclusion"]
    assert all("clopidogrel" not in each["description"] for each in found["Task"])


def test_what_limits_a_call_is_with_it(convert: Convert, report: dict[str, Any]) -> None:
    report["messages"] = [{"message": "The sample has <b>low</b> coverage"}]
    position = {"chromosome": "chr10", "phased": False, "alleles": ["*2"]}
    report["genes"]["CYP2C19"] |= {
        "callSource": "OUTSIDE",
        "uncalledHaplotypes": ["*35", "*36", 7],
        "hasUndocumentedVariations": True,
        "treatUndocumentedVariationsAsReference": True,
        "variants": [
            {
                **position,
                "position": 94761900,
                "dbSnpId": "rs12248560",
                "call": None,
                "warnings": ["No depth"],
            },
            {
                **position,
                "position": 94781859,
                "dbSnpId": None,
                "call": "A/T",
                "hasUndocumentedVariations": True,
            },
        ],
    }
    unknown = report["genes"]["SLCO1B1"]
    unknown["sourceDiplotypes"][0] |= {"label": "Unknown/Unknown"}
    unknown["uncalledHaplotypes"] = ["*5"]
    code, found, account = convert(report)
    assert code == 0
    genotypes = {each["valueCodeableConcept"]["text"]: each for each in of(found["Observation"], "genotype")}
    (genotype,) = (each for title, each in genotypes.items() if title.startswith("CYP2C19"))
    note = genotype["note"][0]["text"]
    for text in (
        "from another program (callSource OUTSIDE)",
        "could not be called, and are neither present nor absent: *35, *36",
        "without a call, and so unknown: rs12248560 (chr10:94761900)",
        "which were taken for the reference: chr10:94781859 A/T",
        "rs12248560 (chr10:94761900): No depth",
    ):
        assert text in note
    assert values(genotype, "uncalled-haplotype") == [{"text": "CYP2C19*35"}, {"text": "CYP2C19*36"}]
    assert get_validator().validate(genotype) == []
    (other,) = (each for title, each in genotypes.items() if title.startswith("VKORC1"))
    assert "OUTSIDE" not in json.dumps(other)
    conclusion = found["DiagnosticReport"][0]["conclusion"]
    assert "The sample has low coverage" in conclusion
    assert (
        "Of SLCO1B1: Haplotypes that could not be called, and are neither present nor absent: *5."
        in conclusion
    )
    wrong = [issue["message"] for issue in account["issues"] if issue["code"] == "FB-PGX-014"]
    assert wrong == ["CYP2C19: uncalledHaplotypes is no text and is left out"]


def test_a_match_file_says_what_limits_a_call_in_its_own_words(convert: Convert) -> None:
    position = {"position": 94761900, "rsid": "rs12248560"}
    result = {
        "gene": "CYP2C19",
        "diplotypes": [{"name": "*1/*1"}],
        "uncallableHaplotypes": ["*17"],
        "variants": [{**position, "vcfCall": "C/C"}],
        "matchData": {
            "missingPositions": [position],
            "positionsWithUndocumentedVariations": [{**position, "position": 5}],
            "treatUndocumentedVariationsAsReference": True,
        },
        "warnings": ["Partly phased"],
    }
    content = {"metadata": {"sampleId": "S1"}, "results": [result], "vcfWarnings": {"chr10:1": ["Odd"]}}
    _, found, account = convert(content)
    (genotype,) = of(found["Observation"], "genotype")
    assert values(genotype, "uncalled-haplotype") == [{"text": "CYP2C19*17"}]
    note = genotype["note"][0]["text"]
    for text in ("rs12248560 (94761900)", "taken for the reference: rs12248560 (5)", "Partly phased"):
        assert text in note
    assert "FB-PGX-015" in {issue["code"] for issue in account["issues"]}


def test_all_diplotypes_that_fit_are_kept_and_options_choose_drugs(
    convert: Convert, report: dict[str, Any]
) -> None:
    call = report["genes"]["SLCO1B1"]["sourceDiplotypes"]
    call.append(copy.deepcopy(call[0]) | {"label": "*1/*15", "allele2": {"gene": "SLCO1B1", "name": "*15"}})
    _, found, account = convert(report, "--set", "drugs=simvastatin", "--set", "sources=CPIC")
    assert "FB-PGX-011" in {issue["code"] for issue in account["issues"]}
    texts = [each["valueCodeableConcept"]["text"] for each in of(found["Observation"], "genotype")]
    assert {"SLCO1B1 *1/*5", "SLCO1B1 *1/*15"} <= set(texts)
    (implication,) = of(found["Observation"], "therapeutic-implication")
    assert len(implication["derivedFrom"]) == 1
    assert not convert(report, "--set", "sources=DPWG")[1].get("Task")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("no JSON", "FB-PGX-001"),
        ("[1]", "FB-PGX-001"),
        ({"resourceType": "Patient"}, "FB-PGX-001"),
        ({"genes": {}, "drugs": {}}, "FB-PGX-003"),
        ({"title": "S1", "matcherMetadata": 1.5, "genes": {}, "drugs": {}}, "FB-PGX-002"),
        ({"metadata": ["S1"], "results": []}, "FB-PGX-002"),
        ({"title": "S1", "genes": {"CYP2C19": 1}, "drugs": {}}, "FB-PGX-002"),
        ({"title": "S1", "genes": {"A": {"sourceDiplotypes": "x"}}, "drugs": {}}, "FB-PGX-002"),
        ({"title": "S1", "genes": {}, "drugs": {"CPIC": {"x": {"guidelines": [1]}}}}, "FB-PGX-002"),
        ({"title": "S1", "genes": {"A": {"sourceDiplotypes": [], "messages": 5}}, "drugs": {}}, "FB-PGX-002"),
    ],
)
def test_another_file_is_rejected_with_the_reason(tmp_path: Path, content: Any, code: str) -> None:
    (path := tmp_path / "S1.report.json").write_text(
        content if isinstance(content, str) else json.dumps(content)
    )
    (record,) = PharmcatAdapter().read([path], SimpleNamespace(options={}, site=None))
    assert (record.outcome, [issue.code for issue in record.issues]) == ("rejected", [code])


def test_what_can_not_be_read_is_reported(convert: Convert, report: dict[str, Any]) -> None:
    report["timestamp"] = "last Tuesday"
    report["title"] = 7
    first = next(iter(report["genes"].values()))["sourceDiplotypes"][0]
    first["allele1"]["name"] = 2
    first["phenotypes"] = [5]
    code, found, account = convert(report)
    assert code == 0
    issues = {(issue["code"], issue["message"].partition(":")[0]) for issue in account["issues"]}
    assert ("FB-PGX-013", "the timestamp is no date and time with its zone") in issues
    assert ("FB-PGX-014", "title is no text and is left out") in issues
    symbol = next(iter(report["genes"]))
    assert ("FB-PGX-014", symbol) in issues
    assert "effectiveDateTime" not in found["DiagnosticReport"][0]


def test_a_report_of_version_2_gives_what_one_of_version_3_gives(
    convert: Convert, report: dict[str, Any]
) -> None:
    """Version 2 lists genes by source, and a gene of several sources in each."""
    code, expected, _ = convert(report)
    assert code == 0
    older = copy.deepcopy(report)
    older["pharmcatVersion"] = "2.15.5"
    older["genes"] = {"CPIC": older["genes"], "DPWG": copy.deepcopy(older["genes"])}
    code, found, account = convert(older)
    assert code == 0
    assert not [issue for issue in account["issues"] if issue["severity"] != "information"]
    assert {kind: len(each) for kind, each in found.items()} == {
        kind: len(each) for kind, each in expected.items()
    }
    titles = [
        {each.get("valueCodeableConcept", {}).get("text") for each in results["Observation"]}
        for results in (expected, found)
    ]
    assert titles[0] == titles[1]
    validator = get_validator()
    for resources in found.values():
        for resource in resources:
            assert not [i for i in validator.validate(resource) if i.severity in ("error", "fatal")]


def test_what_a_second_source_of_version_2_says_otherwise_is_a_note(
    convert: Convert, report: dict[str, Any]
) -> None:
    """As PharmCAT 2.8 writes it: genes by source, each with the phenotypes of its own, and a version of each source."""
    older = copy.deepcopy(report)
    older |= {"pharmcatVersion": "v2.8.3", "cpicVersion": "v1.35.0", "dpwgVersion": "2023-12-19"}
    older.pop("dataVersion", None)
    second = {
        symbol: copy.deepcopy(entry) | {"phenotypeSource": "DPWG"} for symbol, entry in older["genes"].items()
    }
    (diplotype, *_) = second["CYP2C19"]["sourceDiplotypes"]
    diplotype["phenotypes"] = ["Slow Metabolizer"]
    older["genes"] = {"CPIC": older["genes"], "DPWG": second}
    for drugs in older["drugs"].values():
        for drug in drugs.values():
            for guideline in drug["guidelines"]:
                for annotation in guideline["annotations"]:
                    annotation.pop("phenotypes", None)
                    annotation["activityScore"] = {}
    code, found, account = convert(older)
    assert code == 0
    assert not [issue for issue in account["issues"] if issue["severity"] == "error"]
    notes = {note["text"] for each in of(found["Observation"], "genotype") for note in each.get("note", ())}
    said = [text for text in notes if "DPWG: " in text]
    assert len(said) == 1
    assert f"DPWG: {diplotype['label']} Slow Metabolizer" in said[0]
    assert "CPIC v1.35.0, DPWG 2023-12-19" in json.dumps(found)


@pytest.mark.shared
def test_files_of_pharmcat_itself_are_read_whole(convert: Convert, shared: Path) -> None:
    folder = shared / "data/vcf/pharmcat/examples"
    content = json.loads((folder / "pharmcat.example2.report.json").read_text())
    annotations = sum(
        len(guideline["annotations"])
        for drugs in content["drugs"].values()
        for drug in drugs.values()
        for guideline in drug["guidelines"]
    )
    code, found, _ = convert(content)
    assert code == 0
    assert len(of(found["Observation"], "therapeutic-implication")) == annotations == 132
    assert len(of(found["Observation"], "genotype")) == 19  # of 23 genes four were not called
    for name in ("phenotype", "match"):
        code, calls, _ = convert((folder / f"pharmcat.example2.{name}.json").read_text())
        assert code == 0
        assert len(of(calls["Observation"], "genotype")) == 19


def test_a_newer_report_of_the_sample_replaces_the_older_one(
    tmp_path: Path, report: dict[str, Any], fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", fresh_database_url)
    (tmp_path / "site.yaml").write_text("demo_key: true\nidentity: {crosswalk: crosswalk.csv}\n")
    (tmp_path / "crosswalk.csv").write_text(
        "sample;system;value\nS1;urn:oid:2.999.1;111\nS2;urn:oid:2.999.1;222\n"
    )

    def load(sample: str, time: str, *drugs: str) -> None:
        content = copy.deepcopy(report) | {"timestamp": time}
        content["matcherMetadata"]["sampleId"] = sample
        source = content["drugs"]["CPIC Guideline Annotation"]
        content["drugs"]["CPIC Guideline Annotation"] = {name: source[name] for name in drugs}
        path = tmp_path / f"{sample}-{time[:10]}.report.json"
        path.write_text(json.dumps(content))
        done = run_command("load", path, "--adapter", "pharmcat", "--site", tmp_path / "site.yaml")
        assert done.returncode == 0, done.stderr

    def proposals() -> Counter[str]:
        found = [json.loads(content) for content in stored(fresh_database_url, versions=False).values()]
        return Counter(
            each["description"].partition(" ")[0]
            for each in found
            if each["resourceType"] == "Task" and each["status"] == "requested"
        )

    load("S1", "2026-01-01T00:00:00.000Z", "clopidogrel", "simvastatin")
    load("S2", "2026-01-01T00:00:00.000Z", "clopidogrel")
    assert proposals() == {"clopidogrel": 2, "simvastatin": 1}
    load("S1", "2026-02-01T00:00:00.000Z", "warfarin", "clopidogrel")
    assert proposals() == {"clopidogrel": 2, "warfarin": 1}
    load("S1", "2026-01-01T00:00:00.000Z", "clopidogrel", "simvastatin")
    assert proposals() == {"clopidogrel": 2, "warfarin": 1}
