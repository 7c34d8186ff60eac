"""From which parent an allele comes, by a PED file, and what is compound heterozygous."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.validation import get_validator
from tests.command import run_command

from .conftest import HEADER, text

ANNOTATED = (
    *HEADER,
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequences. Format: Allele|Consequence|SYMBOL">',
)
TRIO = "F1\tKid\tDad\tMum\t{}\t2\nF1\tDad\t0\t0\t1\t1\nF1\tMum\t0\t0\t2\t1\n"
SAMPLES = ("Kid", "Dad", "Mum")


def origins(read: Any, ped: Path, *lines: str, **options: Any) -> list[str | None]:
    reading = read(*lines, samples=SAMPLES, header=ANNOTATED, pedigree=str(ped), **options)
    return [allele.inheritance for allele in reading.alleles if allele.call.name == "Kid"]


@pytest.fixture
def ped(tmp_path: Path) -> Path:
    path = tmp_path / "trio.ped"
    path.write_text("#comment\n" + TRIO.format(1))
    return path


@pytest.mark.parametrize(
    ("line", "origin"),
    [
        ("1 100 . A C . PASS . GT 0/1 0/1 0/0", "paternal"),
        ("1 100 . A C . PASS . GT 0/1 0/0 1/1", "maternal"),
        ("1 100 . A C . PASS . GT 0/1 0/0 0/0", "de novo"),
        ("1 100 . A C . PASS . GT 0/1 0/1 0/1", None),
        ("1 100 . A C . PASS . GT 0/1 0/1 ./.", None),
        ("1 100 . A C . PASS . GT 0/1 ./. 0/0", None),
        ("1 100 . A C . PASS . GT 1/1 0/1 0/1", "both"),
        ("1 100 . A C . PASS . GT 1/1 0/1 0/0", None),
        ("1 100 . A C . q10 . GT 0/1 0/0 0/0", None),
        ("1 100 . A C,G . PASS . GT 0/2 0/1 0/2", "maternal"),
        ("X 5000000 . A C . PASS . GT 1 1 0/1", "maternal"),
        ("X 5000000 . A C . PASS . GT 1 1 0/0", "de novo"),
        ("X 5000000 . A C . PASS . GT 1 1 ./.", None),
        ("MT 100 . A C . PASS . GT 1 0 1", "maternal"),
        ("MT 100 . A C . PASS . GT 1 1 0", None),
    ],
)
def test_an_allele_comes_from_the_parent_who_alone_can_have_given_it(
    read: Any, ped: Path, line: str, origin: str | None
) -> None:
    assert origins(read, ped, line) == [origin]


def test_a_daughters_x_is_of_both_and_one_parent_alone_proves_little(read: Any, tmp_path: Path) -> None:
    (ped := tmp_path / "a.ped").write_text(TRIO.format(2))
    assert origins(read, ped, "X 5000000 . A C . PASS . GT 0/1 1 0/0") == ["paternal"]
    ped.write_text("F1 Kid 0 Mum 2 2\n")
    assert origins(read, ped, "1 100 . A C . PASS . GT 0/1 0/0 0/1") == [None]
    # Parents are looked at though their columns are not converted.
    ped.write_text(TRIO.format(2))
    assert origins(read, ped, "1 100 . A C . PASS . GT 0/1 0/0 0/1", only=["Kid"]) == ["maternal"]


@pytest.mark.parametrize(
    "content",
    ["F1 Kid Dad\n", "F1 Kid Kid Mum 1 1\n", "F1 Kid 0 0 1 1\nF1 Kid 0 0 1 1\n", "F1 Kid A A 1 1\n"],
)
def test_a_pedigree_that_is_wrong_refuses_the_file(read: Any, tmp_path: Path, content: str) -> None:
    (ped := tmp_path / "a.ped").write_text(content)
    reading = read("1 100 . A C . PASS . GT 0/1 0/0 0/0", samples=SAMPLES, pedigree=str(ped))
    assert reading.codes == ["FB-VCF-009"]


def test_alleles_of_a_gene_from_both_parents_are_in_trans(tmp_path: Path, ped: Path) -> None:
    lines = [
        "1 100 . A C . PASS CSQ=C|missense_variant|MYH7 GT 0/1 0/1 0/0",
        "1 150 . A C . PASS CSQ=C|intron_variant|MYH7 GT 0/1 0/0 0/1",
        "1 200 . A C . PASS CSQ=C|stop_gained|MYH7 GT 0/1 0/0 0/1",
        "1 300 . A C . PASS CSQ=C|stop_gained|TTN GT 0/1 0/0 0/1",
        "1 400 . A C . PASS CSQ=C|missense_variant|TTN GT 0/1 0/0 0/0",
    ]
    (tmp_path / "a.vcf").write_text(text(lines, samples=SAMPLES, header=ANNOTATED))
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    ped.write_text(ped.read_text() + "F2\tOther\t0\t0\t1\t1\n")
    done = run_command(
        "convert", tmp_path / "a.vcf", "--adapter", "vcf", "--site", tmp_path / "site.yaml", "--out", tmp_path / "out",
        "--set", f"pedigree={ped}", "--validate", "all",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert "FB-VCF-091" in {issue["code"] for issue in report["issues"]}
    found = [json.loads(line) for line in (tmp_path / "out/Observation.ndjson").read_text().splitlines()]
    (trans,) = (each for each in found if each["code"]["coding"][0]["code"] == "82120-7")
    assert trans["valueCodeableConcept"]["coding"][0]["code"] == "Trans"
    assert trans["note"] == [{"text": "Compound heterozygous in MYH7: one allele is paternal, one maternal"}]
    variants = {each["id"]: each for each in found}
    positions = [
        component["valueRange"]["low"]["value"]
        for reference in trans["derivedFrom"]
        for component in variants[reference["reference"].removeprefix("Observation/")]["component"]
        if component["code"]["coding"][0]["code"] == "81254-5"
    ]
    assert positions == [100, 200]
    inherited = [
        component["valueCodeableConcept"]["coding"][0]["display"]
        for each in found
        for component in each.get("component", ())
        if component["code"]["coding"][0]["code"] == "94186-4"
    ]
    assert inherited == ["Paternal", "Maternal", "Maternal", "Maternal", "De novo"]
    validator = get_validator()
    assert not [i for each in found for i in validator.validate(each) if i.severity in ("error", "fatal")]
