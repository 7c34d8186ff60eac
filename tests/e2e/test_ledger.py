"""The ledger and the inbox as an integration engineer meets them: through `load` and `inbox`, over several loads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

VCF = """##fileformat=VCFv4.2
##fileDate=20240101
##reference=GRCh38
##contig=<ID=chr1,length=248956422,assembly=GRCh38>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1
chr1\t55039974\t.\tG\tT\t50\tPASS\t.\tGT\t0/1
chr1\t55039980\t.\tC\tA\t50\tPASS\t.\tGT\t1/1
"""
SITE = """site: test
key_file: site.key
zone: Europe/Rome
identity:
  unlinked: hold
  crosswalk: crosswalk.csv
  authorities:
    HOSP: urn:oid:2.999.1
"""


def oru(
    control: str,
    patient: str,
    *results: tuple[str, str],
    time: str = "20240301090000",
    status: str = "F",
    order: str = "F100",
) -> str:
    """A message with numeric results of one order; made up."""
    lines = [
        f"MSH|^~\\&|LAB|HOSP|EHR|HOSP|{time}||ORU^R01^ORU_R01|{control}|P|2.5.1",
        f"PID|1||{patient}^^^HOSP^MR||Rossi^Anna||19500201|F",
        "PV1|1|O",
        f"ORC|RE|P{order}|{order}",
        f"OBR|1|P{order}|{order}|24323-8^Panel^LN|||20240301080000|||||||||||||||{time}|||{status}",
    ]
    lines += [
        f"OBX|{number}|NM|{code}^Test^LN||{value}|mmol/L^mmol/L^UCUM|||||{status}|||20240301080000"
        for number, (code, value) in enumerate(results, 1)
    ]
    return "\r".join(lines) + "\r"


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "crosswalk.csv").write_text("sample;system;value\n")
    (tmp_path / "a.vcf").write_text(VCF)
    return tmp_path


def link(hospital: Path, value: str) -> None:
    (hospital / "crosswalk.csv").write_text(f"sample;system;value\nS1;urn:oid:2.999.1;{value}\n")


Bridge = Callable[..., Any]


@pytest.fixture
def load(bridge: Bridge, hospital: Path, fresh_database_url: str) -> Callable[..., dict[str, Any]]:
    """Load a file; gives the report, with the exit code."""

    def run(source: Path | str, adapter: str, *more: str) -> dict[str, Any]:
        report = hospital / "report.json"
        arguments = (
            "load",
            source,
            "-a",
            adapter,
            "--site",
            hospital / "site.yaml",
            "--report",
            report,
            *more,
        )
        done = bridge(*arguments, database=fresh_database_url)
        assert done.exit_code in (0, 1), done.output
        return {**json.loads(report.read_bytes()), "exit": done.exit_code}

    return run


def resources(url: str, kind: str) -> list[dict[str, Any]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT resource_text(bytes) FROM resource WHERE type = %s AND NOT deleted ORDER BY key",
            (kind,),
        )
        return [json.loads(row[0]) for row in rows]


def patients_by_status(url: str, kind: str) -> Counter[tuple[str, str]]:
    return Counter((one["subject"]["reference"], one["status"]) for one in resources(url, kind))


def waiting(bridge: Bridge, url: str, *more: str) -> list[dict[str, Any]]:
    done = bridge("inbox", "list", "--json", *more, database=url)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_a_corrected_crosswalk_leaves_no_variant_on_the_wrong_patient(
    load: Callable[..., dict[str, Any]], hospital: Path, fresh_database_url: str
) -> None:
    link(hospital, "111")
    assert load(hospital / "a.vcf", "vcf")["exit"] == 0
    (wrong,) = (one["id"] for one in resources(fresh_database_url, "Patient"))
    link(hospital, "222")
    report = load(hospital / "a.vcf", "vcf")
    assert report["stored"]["withdrawn"] > 0
    right = next(one["id"] for one in resources(fresh_database_url, "Patient") if one["id"] != wrong)
    for kind in ("Observation", "DiagnosticReport", "Procedure"):
        found = patients_by_status(fresh_database_url, kind)
        assert {status for (patient, status) in found if patient == f"Patient/{wrong}"} == {
            "entered-in-error"
        }
        assert "entered-in-error" not in {s for (patient, s) in found if patient == f"Patient/{right}"}
    before = resources(fresh_database_url, "Observation")
    load(hospital / "a.vcf", "vcf")
    assert resources(fresh_database_url, "Observation") == before


def test_a_sample_that_loses_its_link_is_taken_back_and_held(
    load: Callable[..., dict[str, Any]], bridge: Bridge, hospital: Path, fresh_database_url: str
) -> None:
    link(hospital, "111")
    load(hospital / "a.vcf", "vcf")
    (hospital / "crosswalk.csv").write_text("sample;system;value\n")
    assert load(hospital / "a.vcf", "vcf")["exit"] == 1
    assert {status for _, status in patients_by_status(fresh_database_url, "Observation")} == {
        "entered-in-error"
    }
    (entry,) = waiting(bridge, fresh_database_url)
    assert (entry["kind"], entry["code"], entry["locator"]) == ("held", "FB-ID-003", "a.vcf")


def test_what_was_held_is_processed_without_being_sent_again(
    load: Callable[..., dict[str, Any]], bridge: Bridge, hospital: Path, fresh_database_url: str
) -> None:
    load(hospital / "a.vcf", "vcf")
    assert not resources(fresh_database_url, "Observation")
    (hospital / "a.vcf").unlink()
    site = ("--site", str(hospital / "site.yaml"))
    still = bridge("inbox", "replay", "--all", *site, database=fresh_database_url)
    assert still.exit_code == 1, still.output
    assert len(waiting(bridge, fresh_database_url)) == 1
    link(hospital, "111")
    (hospital / "other.hl7").write_text(oru("1", "7", ("718-7", "1")))
    report = load(hospital / "other.hl7", "hl7v2")  # any load looks whether what waits has found its patient
    assert report["inbox"]["settled"] == 1
    assert len(resources(fresh_database_url, "Observation")) == 3
    assert not waiting(bridge, fresh_database_url)
    assert waiting(bridge, fresh_database_url, "--all")[0]["state"] == "done"


def test_two_messages_with_one_filler_number_and_two_patients(
    load: Callable[..., dict[str, Any]], bridge: Bridge, hospital: Path, fresh_database_url: str
) -> None:
    (hospital / "one.hl7").write_text(oru("1", "100", ("718-7", "9")))
    (hospital / "two.hl7").write_text(oru("2", "200", ("718-7", "7"), time="20240302090000"))
    load(hospital / "one.hl7", "hl7v2")
    kinds = ("Observation", "ServiceRequest", "DiagnosticReport", "Patient")
    before = {kind: resources(fresh_database_url, kind) for kind in kinds}
    report = load(hospital / "two.hl7", "hl7v2")
    assert report["exit"] == 1
    assert report["records"]["rejected"] == 1
    assert "FB-STORE-018" in {issue["code"] for issue in report["issues"]}
    assert {kind: resources(fresh_database_url, kind) for kind in kinds} == before
    (entry,) = waiting(bridge, fresh_database_url, "--kind", "refused")
    assert entry["locator"].startswith("two.hl7#1")
    shown = bridge("inbox", "show", str(entry["id"]), database=fresh_database_url)
    assert json.loads(shown.stdout)["kept"]
    assert bridge("inbox", "discard", str(entry["id"]), database=fresh_database_url).exit_code == 0
    assert not waiting(bridge, fresh_database_url)


def test_a_corrected_code_in_the_mapping_reaches_every_observation(
    load: Callable[..., dict[str, Any]], hospital: Path, fresh_database_url: str
) -> None:
    (hospital / "one.hl7").write_text(oru("1", "100", ("718-7", "9"), ("789-8", "5"), ("6690-2", "4")))
    first, second = hospital / "first.yaml", hospital / "second.yaml"
    extended = "mapping: ours\nversion: 1.0.0\nextends: ehr/hl7v2\n"
    first.write_text(extended)
    second.write_text(extended + "override: {result: {language+: it}}\n")
    load(hospital / "one.hl7", "hl7v2", "--mapping", str(first))
    load(hospital / "one.hl7", "hl7v2", "--mapping", str(second), "--remap")
    found = resources(fresh_database_url, "Observation")
    assert len(found) == 3
    assert all(one["language"] == "it" for one in found)
    load(hospital / "one.hl7", "hl7v2", "--mapping", str(first), "--remap")
    assert not any("language" in one for one in resources(fresh_database_url, "Observation"))
