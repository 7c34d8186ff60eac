"""What a run takes, and what it reports of it: `--limit`, `--only`, `--max-rejected`, `--check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.pipeline import Selection
from tests.command import Done, run_command

MAPPING = """\
mapping: beds
version: 1.0.0
title: Beds of a ward, for tests
source: {adapter: csv, delimiter: "|"}
rules:
- rule: bed
  as: Location
  key: [row.ward, row.bed]
  status: active
  name: "=row.ward"
"""
MESSAGE = (
    "MSH|^~\\&|LAB|ELSE|||20260301080000||ADT^A01^ADT_A01|{0}|P|2.5\r"
    "PID|1||{0}^^^ELSE||Doe^Jane||19700101|F\rPV1|1|I\r"
)
VCF = (
    "##fileformat=VCFv4.3\n##fileDate=20260302\n##contig=<ID=1,length=248956422>\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of each adapter's kind: 4, 3 and 5 records."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "site.yaml").write_text("demo_key: true\n")
    (folder / "mapping.yaml").write_text(MAPPING)
    for kind in ("csv", "hl7v2", "vcf"):
        (folder / kind).mkdir()
    for name, count in (("a", 4), ("b", 3), ("c", 5)):
        rows = "".join(f"{name}|{number}\n" for number in range(count))
        (folder / "csv" / f"{name}.csv").write_text("ward|bed\n" + rows)
        messages = "".join(MESSAGE.format(f"{name}{number}") for number in range(count))
        (folder / "hl7v2" / f"{name}.hl7").write_bytes(messages.encode())
        lines = "".join(f"1\t{100 + number}\t.\tA\tC\t.\tPASS\t.\tGT\t0/1\n" for number in range(count))
        (folder / "vcf" / f"{name}.vcf").write_text(VCF + lines)
    return folder


def convert(sources: Path, kind: str, out: Path | None, *more: object) -> tuple[Done, dict[str, Any]]:
    report = (out or sources).parent / f"report-{kind}.json"
    mapping = ("--mapping", sources / "mapping.yaml") if kind == "csv" else ()
    target = ("--out", out, "--force") if out else ()
    done = run_command(
        "convert", sources / kind, "-a", kind, "--site", sources / "site.yaml", "--report", report,
        *mapping, *target, *more,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done, json.loads(report.read_text())


def codes(report: dict[str, Any]) -> list[str]:
    return [issue["code"] for issue in report["issues"]]


@pytest.mark.parametrize("kind", ["csv", "hl7v2", "vcf"])
@pytest.mark.parametrize(("limit", "jobs"), [(1, 1), (4, 1), (5, 2), (11, 1)])
def test_a_limit_takes_so_many_records_of_all_files_and_reports_that_it_stopped(
    kind: str, limit: int, jobs: int, sources: Path, tmp_path: Path
) -> None:
    done, report = convert(sources, kind, tmp_path / "out", "--limit", limit, "--jobs", jobs)
    assert done.returncode == 0, done.stderr
    assert report["records"]["read"] == limit
    assert "FB-RUN-004" in codes(report)


@pytest.mark.parametrize("kind", ["csv", "hl7v2", "vcf"])
@pytest.mark.parametrize("limit", [12, 13])
def test_a_limit_that_is_not_reached_takes_all_and_stops_nothing(
    kind: str, limit: int, sources: Path, tmp_path: Path
) -> None:
    limited, report = convert(sources, kind, tmp_path / "limited", "--limit", limit)
    convert(sources, kind, tmp_path / "all")
    assert limited.returncode == 0
    assert report["records"]["read"] == 12
    assert "FB-RUN-004" not in codes(report)
    names = {file.name for file in (tmp_path / "all").glob("*.ndjson")}
    assert names == {file.name for file in (tmp_path / "limited").glob("*.ndjson")}
    for name in names:
        assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "limited" / name).read_bytes()


def test_a_limit_is_of_instances_where_a_record_gathers_them(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    examples = sorted((repository / "mappings" / "imaging" / "dicom" / "examples").rglob("*.dcm"))
    assert len(examples) > 3
    done = run_command(
        "convert", *examples, "-a", "dicom", "--site", tmp_path / "site.yaml", "--out", tmp_path / "out", "--limit", 3
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["records"]["read"] == 3
    assert "FB-RUN-004" in codes(report)


@pytest.mark.parametrize("kind", ["csv", "hl7v2", "vcf"])
@pytest.mark.parametrize("dry", [True, False])
def test_nothing_that_is_asked_for_is_reported_with_exit_1(
    kind: str, dry: bool, sources: Path, tmp_path: Path
) -> None:
    out = None if dry else tmp_path / "out"
    done, report = convert(sources, kind, out, "--only", "nowhere.csv:3", *(("--dry-run",) if dry else ()))
    assert done.returncode == 1
    assert codes(report) == ["FB-RUN-005"]
    assert "--only" in done.stderr


def test_one_record_is_asked_for_and_not_those_whose_number_begins_so() -> None:
    only = Selection("lab.csv:1")
    taken = ("lab.csv:1", "west/lab.csv:1", "lab.csv:1 (study 1.2)")
    assert [only.takes(locator) for locator in taken] == [True] * 3
    left = ("lab.csv:17", "lab.csv:10", "xlab.csv:1", "lab.csv", "lab.csv:2")
    assert [only.takes(locator) for locator in left] == [False] * 5
    assert Selection("adt.hl7#3").takes("adt.hl7#3 (MSG00001)")
    assert Selection("adt.hl7").takes("adt.hl7#3 (MSG00001)")
    assert not Selection("adt.hl7").takes("adt.hl7.old#3")


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_locator_is_always_asked_for_by_itself(only: str, more: str) -> None:
    assert Selection(only).takes(only)
    assert Selection(only).takes(f"{only}#{more}")


def test_a_run_with_too_much_rejected_reports_the_rejected_records(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "a.csv").write_text("ward|bed\nA|1\n|\nB|\nC|3\n")
    done, report = convert(tmp_path, "csv", tmp_path / "out", "--max-rejected", 0)
    assert done.returncode == 4
    assert report["records"]["rejected"] == 1
    assert report["records"]["read"] == 2
    assert any(issue["source"].startswith("a.csv") for issue in report["issues"])


@pytest.mark.parametrize("kind", ["csv", "hl7v2"])  # vcf: tests/adapters/genomics
def test_a_syntax_check_passes_what_is_well_formed(kind: str, sources: Path) -> None:
    done, report = convert(sources, kind, None, "--check")
    assert done.returncode == 0, done.stderr
    assert report["records"] == {"read": 12, "converted": 12, "partial": 0, "skipped": 0, "rejected": 0}
    assert report["issues"] == []


def test_a_syntax_check_of_the_shipped_examples_passes_them(repository: Path, tmp_path: Path) -> None:
    for mapping in ("ehr/csv-patients", "ehr/csv-laboratory", "ehr/hl7v2", "imaging/dicom"):
        adapter = mapping.partition("/")[2].partition("-")[0]
        files = [
            file
            for file in sorted((repository / "mappings" / mapping / "examples").rglob("*"))
            if file.is_file()
            and file.name not in ("expected.ndjson", "site.yaml", "crosswalk.csv", "README.md")
        ]
        done = run_command("convert", *files, "-a", adapter, "--check")
        assert done.returncode == 0, (mapping, done.stderr)


def test_a_syntax_check_names_what_is_broken(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text('ward|bed\nA|1|2\nB|"2\n')
    (tmp_path / "bad.hl7").write_text("PID|1\r")
    (tmp_path / "bad.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    for adapter, name in (("csv", "bad.csv"), ("hl7v2", "bad.hl7"), ("dicom", "bad.dcm")):
        mapping = ("--mapping", sources / "mapping.yaml") if adapter == "csv" else ()
        done = run_command("convert", tmp_path / name, "-a", adapter, "--check", *mapping)
        assert done.returncode == 1, (adapter, done.stderr)
        assert name in done.stderr


@pytest.mark.parametrize("adapter", ["csv", "hl7v2", "vcf", "dicom"])
@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00", b"nothing of the kind\n"])
def test_no_file_is_read_without_a_word(adapter: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    source = tmp_path / "source"
    source.write_bytes(content)
    done = run_command(
        "convert", source, "-a", adapter, "--site", tmp_path / "site.yaml", "--out", tmp_path / "out"
    )
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["issues"], report
    header_alone = adapter == "csv" and content.startswith(b"nothing")
    assert report["records"]["read"] == (0 if header_alone else 1)
    assert done.returncode in (0, 1)


@settings(max_examples=5)
@given(st.integers(1, 14), st.sampled_from(["csv", "hl7v2"]))
def test_any_limit_takes_the_first_records_in_order(
    sources: Path, tmp_path_factory: pytest.TempPathFactory, limit: int, kind: str
) -> None:
    folder = tmp_path_factory.mktemp("limit")
    _, report = convert(sources, kind, folder / "out", "--limit", limit)
    assert report["records"]["read"] == min(limit, 12)
    assert ("FB-RUN-004" in codes(report)) is (limit < 12)
