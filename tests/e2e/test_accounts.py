"""Accounts of messages and tables by the command line: what was not converted counts, and is listed by its place."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import stored

MSH = "MSH|^~\\&|LIS|HOSP|||{time}||ORU^R01|{id}|P|2.5.1"
PID = "PID|1||77^^^HOSP^MR||Keller^Ada^^^^^L||19600102|F"
OBR = "OBR|1|P1^KIS|F1^LIS|CHEM^Chemistry^L|||20260301110000+0100|||||||||||||||{time}||LAB|{status}"
OBX = "OBX|{n}|NM|{n}^x{n}^L||{value}|mg|||||{status}"


def message(hour: int, order: str, *results: tuple[int, str, str]) -> str:
    """A message about one order at an hour: number, value and status of each result."""
    time = f"20260301{hour:02}0000+0100"
    lines = [OBX.format(n=n, value=value, status=status) for n, value, status in results]
    return (
        "\r".join([MSH.format(time=time, id=hour), PID, OBR.format(time=time, status=order), *lines]) + "\r"
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text("demo_key: true\nzone: Europe/Rome\n")
    return file


def convert(
    bridge: Any, adapter: str, site: Path, tmp_path: Path
) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """Convert a folder: exit code, report, rejects."""
    out = tmp_path / "out"
    run = bridge("convert", tmp_path / "in", "--adapter", adapter, "--site", site, "--out", out, "--force")
    assert "Traceback" not in run.output
    rejects = [json.loads(line) for line in (out / "rejects.ndjson").read_bytes().splitlines()]
    return run.exit_code, json.loads((out / "report.json").read_bytes()), rejects


def test_a_message_with_an_unconverted_part_counts_as_partial(
    bridge: Any, site: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    whole = message(11, "F", (1, "5", "F"))
    part = message(12, "F", (1, "5", "F")) + "IN1|1|A\rZNT|1||note\r"
    unreadable = message(13, "F", (1, "12,5", "F"))
    (tmp_path / "in/a.hl7").write_text(whole)
    code, report, rejects = convert(bridge, "hl7v2", site, tmp_path)
    assert (code, report["records"]["partial"], rejects) == (0, 0, [])
    (tmp_path / "in/a.hl7").write_text(whole + part + unreadable)
    code, report, rejects = convert(bridge, "hl7v2", site, tmp_path)
    assert (code, report["records"]) == (
        1,
        {"read": 3, "converted": 3, "partial": 2, "skipped": 0, "rejected": 0},
    )
    listed = {
        reject["locator"]: [
            i["message"]
            for i in reject["issues"]
            if i["code"] != "FB-MAP-201" and i["severity"] != "information"
        ]
        for reject in rejects
    }
    assert list(listed) == ["a.hl7#2 (12)", "a.hl7#3 (13)"]
    assert listed["a.hl7#2 (12)"] == [
        "the segment ZNT is not represented",
    ]
    assert "OBX-5" in listed["a.hl7#3 (13)"][0]


def unread(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What a report lists as not represented: severity, code and message."""
    codes = ("FB-CSV-011", "FB-VCF-086", "FB-DCM-031", "FB-HL7-012", "FB-HL7-017")
    return [(i["severity"], i["code"], i["message"]) for i in report["issues"] if i["code"] in codes]


def test_what_no_rule_represents_is_listed_with_its_count_and_leaves_records_whole(
    bridge: Any, site: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "patients.csv").write_text(
        "PatNr;Aussteller;Nachname;Vorname;Geburtsdatum;Geschlecht;Beruf\n"
        "1;HOSP;Keller;Ada;01.02.1960;w;Lehrerin\n2;HOSP;Stern;Eva;01.02.1961;w;-\n3;HOSP;Roe;Jo;01.02.1962;m;Koch\n"
    )
    code, report, _ = convert(bridge, "csv", site, tmp_path)
    assert (code, report["records"]["partial"]) == (0, 0)
    assert unread(report) == [("warning", "FB-CSV-011", 'no rule reads the column "Beruf" (values: 2)')]
    (folder / "patients.csv").unlink()
    (folder / "a.vcf").write_text(
        "##fileformat=VCFv4.3\n##reference=GRCh38\n##contig=<ID=1,length=248956422>\n"
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
        "1\t100\t.\tA\tC\t.\tPASS\tMQ=60\tGT\t0/1\n1\t200\t.\tA\tC\t.\tPASS\tMQ=59\tGT:PL\t0/1:1,0,2\n"
    )
    code, report, _ = convert(bridge, "vcf", site, tmp_path)
    assert (code, report["records"]["partial"]) == (0, 0)
    assert unread(report) == [
        ("warning", "FB-VCF-086", "no rule represents FORMAT/PL (values: 1)"),
        ("warning", "FB-VCF-086", "no rule represents INFO/MQ (values: 2)"),
    ]


def test_what_an_exchange_says_of_itself_is_listed_once_a_message(
    bridge: Any, site: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.hl7").write_text("".join(message(hour, "F", (1, "5", "F")) for hour in (11, 12)))
    code, report, _ = convert(bridge, "hl7v2", site, tmp_path)
    (listed,) = [issue for issue in report["issues"] if issue["code"] == "FB-HL7-017"]
    assert (code, listed["severity"], listed["count"]) == (0, "information", 2)
    assert "MSH-10, MSH-11" in listed["message"]
    assert "OBX-1" in listed["message"]


def test_a_refused_table_counts_all_its_rows(bridge: Any, site: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    header = "PatNr;Aussteller;Auftrag;Code;Bezeichnung;Wert;Einheit;Abnahme"
    row = "77;HOSP;L1;XX;Haustest;5;mmol/l;01.03.2026 10:00"
    (tmp_path / "in/lab-1.csv").write_text("\n".join([header.replace("Code", "Wert"), *[row] * 40]))
    (tmp_path / "in/lab-2.csv").write_text(
        "\n".join([header + ";Kommentar", row + ";lipämisch", row.replace("L1", "L2") + ";"])
    )
    code, report, rejects = convert(bridge, "csv", site, tmp_path)
    assert (code, report["records"]) == (
        1,
        {"read": 42, "converted": 2, "partial": 0, "skipped": 0, "rejected": 40},
    )
    assert [reject["outcome"] for reject in rejects] == ["rejected"]
    (unread,) = (issue for issue in report["issues"] if issue["code"] == "FB-CSV-011")
    assert (unread["severity"], unread["source"], unread["count"]) == ("warning", "lab-2.csv", 1)
    assert '"Kommentar" (values: 1)' in unread["message"]


class TestCorrectionsOfAPart:
    """A final report of three results; then one corrected, one deleted, in any order and sent again."""

    MESSAGES = (
        message(11, "F", (1, "1", "F"), (2, "2", "F"), (3, "3", "F")),
        message(12, "C", (2, "20", "C")),
        message(13, "C", (3, "", "D")),
    )

    @staticmethod
    def state(url: str) -> dict[str, tuple[str, Any]]:
        found = {}
        for key, content in stored(url, versions=False).items():
            resource = json.loads(content)
            if key.startswith("Observation/"):
                value = resource.get("valueQuantity", {}).get("value")
                found[resource["code"]["text"]] = (resource["status"], value)
            elif key.startswith("DiagnosticReport/"):
                found["report"] = (resource["status"], None)
        return found

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[::2], ids=str)
    def test_end_in_the_same_results(
        self, order: tuple[int, ...], fresh_database_url: str, bridge: Any, site: Path, tmp_path: Path
    ) -> None:
        for number in (*order, *order[:1]):
            file = tmp_path / f"{number}.hl7"
            file.write_text(self.MESSAGES[number])
            loaded = bridge("load", file, "-a", "hl7v2", "--site", site, database=fresh_database_url)
            assert loaded.exit_code == 0, loaded.output
        assert self.state(fresh_database_url) == {
            "x1": ("final", 1),
            "x2": ("corrected", 20),
            "x3": ("entered-in-error", None),
            "report": ("corrected", None),
        }
