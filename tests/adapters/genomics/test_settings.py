"""What settings let the reader take: regions, thresholds, files without ##fileformat, the first lines of a file."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fhir_bridge.adapters.genomics.query import components, read_observation
from fhir_bridge.cli.main import app
from fhir_bridge.fhir.validation import Validator
from tests.command import run_command

from .conftest import HEADER, text

CALLS = (
    "1 100 . A C 40 PASS . GT:DP 0/1:30",
    "1 200 . A C 9 PASS . GT:DP 0/1:30",
    "X 300 . A C . PASS . GT:DP 0/1:4",
)


def positions(found):
    return [(allele.line.chrom, allele.line.pos) for allele in found.alleles]


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ("chr1", [("1", 100), ("1", 200)]),
        ("1:101-200,X", [("1", 200), ("X", 300)]),
        ("1:101-199", []),
        ("NC_000023.11:300", [("X", 300)]),
    ],
)
def test_lines_outside_of_the_regions_are_skipped_and_counted(read, regions, expected):
    found = read(*CALLS, regions=regions)
    assert positions(found) == expected
    assert found.codes.count("FB-VCF-068") == 3 - len(expected)
    assert found.outcomes.get("skipped", 0) == 3 - len(expected)


def test_regions_are_read_from_a_bed_file_and_a_deletion_that_reaches_into_one_is_in_it(read, tmp_path):
    bed = tmp_path / "panel.bed"
    bed.write_text("chr1\t149\t150\n")
    found = read("1 100 . A <DEL> . PASS SVTYPE=DEL;END=150 GT 0/1", *CALLS, regions=str(bed))
    assert positions(found) == [("1", 100)]
    bed.write_text("chr1\t150\n")
    assert read(*CALLS, regions=str(bed)).codes == ["FB-VCF-009"]


def test_a_call_below_a_threshold_fails_as_by_a_filter(read):
    found = read(*CALLS, min_quality="10", min_depth="10")
    assert [allele.call.filtered for allele in found.alleles] == [
        None,
        "QUAL 9 is below 10",
        "DP 4 is below 10",
    ]
    assert positions(read(*CALLS, min_quality="10", filtered="leave-out")) == [("1", 100), ("X", 300)]


def test_a_file_without_fileformat_is_read_where_the_setting_names_a_version(read):
    assert read(*CALLS, header=HEADER[1:]).codes == ["FB-VCF-001"]
    found = read(*CALLS, header=HEADER[1:], fileformat="VCFv4.2")
    assert len(found.alleles) == 3
    assert found.codes == ["FB-VCF-083"]


def test_a_contig_that_is_declared_twice_says_nothing_of_the_build_where_lengths_differ(read):
    twice = read(*CALLS, extra=("##contig=<ID=1,length=248956422>",))
    assert len(twice.alleles) == 3
    differing = read(*CALLS, extra=("##contig=<ID=1,length=249250621>",))
    assert len(differing.alleles) == 3
    assert differing.records[0].file.assembly == "GRCh38"  # by X


@pytest.mark.parametrize(("limit", "status"), [(2, "partial"), (3, "final")])
def test_a_limit_takes_so_many_lines_and_makes_the_report(tmp_path, limit, status):
    source, out = tmp_path / "a.vcf", tmp_path / "out"
    source.write_text(text(CALLS))
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    run_command(
        "convert",
        source,
        "--adapter",
        "vcf",
        "--site",
        tmp_path / "site.yaml",
        "--out",
        out,
        "--limit",
        limit,
    )
    report = json.loads((out / "report.json").read_text())
    assert report["records"]["read"] == limit
    assert report["resources"]["Observation"] == limit
    (diagnostic,) = map(json.loads, (out / "DiagnosticReport.ndjson").read_text().splitlines())
    assert diagnostic["status"] == status
    assert ("first lines" in diagnostic["conclusion"]) is (status == "partial")


def test_what_names_state_is_not_said_again_and_reads_the_same(tmp_path):
    path = tmp_path / "names.vcf"
    lines = (
        "1 248956000 rs2147483647 A C 40 PASS DP=30 GT:AD:DP:GQ 0/1:14,16:30:99",
        "1 248956200 . CAA C 40 PASS . GT 1/1",
        "X 300 . T TA . low . GT 0/1",
        "MT 750 . A G . PASS . GT:AD 0/1:14,16",
    )
    path.write_text(text(lines))
    results = []
    for number, setting in enumerate((("--set", "restate=true"), ())):
        out = tmp_path / str(number)
        run_command("convert", path, "-a", "vcf", "--out", out, *setting)
        results.append(list(map(json.loads, (out / "Observation.ndjson").read_text().splitlines())))
    whole, brief = results
    assert [each["id"] for each in whole] == [each["id"] for each in brief]
    names = Validator.of()
    for one, other in zip(whole, brief, strict=True):
        assert not [issue for issue in names.validate(other) if issue.severity == "error"]
        a, b = read_observation(one), read_observation(other)
        assert (a.accession, a.interval, a.change, a.names, a.structural, a.present) == (
            b.accession, b.interval, b.change, b.names, b.structural, b.present,
        )  # fmt: skip
    size = [len(json.dumps(each[0], separators=(",", ":"))) for each in results]
    assert size[1] <= 2500 < size[0]
    # Where no name is provable only build and chromosome are not said, which the accession names; that of the
    # mitochondrion is of two builds.
    stated = [[{code for code, _ in components(each)} for each in form] for form in results]
    assert stated[0][1] - stated[1][1] == {"62374-4", "48000-4"}
    assert "62374-4" in stated[1][3]


def test_the_view_of_variants_is_the_same_where_components_say_again_what_names_state(tmp_path):
    path = tmp_path / "names.vcf"
    lines = (
        "1 100 . A C 40 PASS . GT 0/1",
        "22 200 . CAA C 40 PASS . GT 1/1",
        "X 300000 . T A . PASS . GT 0/1",
        "Y 400 . T <DEL> . PASS END=500 GT 0/1",
        "MT 750 . A G . PASS . GT 0/1",
    )
    path.write_text(text(lines))
    tables = []
    for setting in ("true", "false"):
        out = tmp_path / setting
        run_command("convert", path, "-a", "vcf", "--out", out, "--set", f"restate={setting}")
        table = tmp_path / f"{setting}.csv"
        arguments = ["view", "run", "variants", str(out), "--to", "csv", "--out", str(table)]
        assert CliRunner().invoke(app, arguments).exit_code == 0
        tables.append(table.read_text())
    assert tables[0] == tables[1]
    assert {"Chromosome 22,GRCh38,NC_000022.11", "Chromosome Y,GRCh38,NC_000024.10"} <= {
        ",".join(row.split(",")[10:13]) for row in tables[0].splitlines()
    }


@pytest.mark.parametrize("option", ["regions", "studied_bed"])
def test_a_bed_file_without_regions_is_reported(converted, tmp_path, option):
    (tmp_path / "empty.bed").write_text("# nothing\n")
    done = converted("1 100 . A C . PASS . GT 0/1", options=["--set", f"{option}={tmp_path / 'empty.bed'}"])
    assert done.messages["FB-VCF-090"] == [f"option {option}: nothing is on any contig: it has no regions"]
