"""A VCF through `load` into a database: sent again, from elsewhere, called again, in any order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command
from tests.e2e.conftest import stored

HEADER = """\
##fileformat=VCFv4.2
##fileDate={date}
##contig=<ID=1,length=248956422>
##INFO=<ID=SVLEN,Number=.,Type=Integer,Description="Length">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=AD,Number={number},Type=Integer,Description="Reads">
##FORMAT=<ID=FT,Number=1,Type=String,Description="Filters">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2
"""
LINES = (
    "1 100 . A C 50 PASS . GT:AD:FT 0/1:10,10:PASS 1/1:0,20:LowGQ",
    "1 200 . T <INS> 50 PASS SVLEN=300 GT 0/1 0/0",
    "1 200 . T <INS> 50 PASS SVLEN=5000 GT 0/1 0/1",
    "1 300 . G T 50 PASS . GT 0/0 0/1",
    "1 400 . T <DEL>,<DEL> 50 PASS SVLEN=-30,-70 GT 1/2 0/2",
)
LATER = tuple(line.replace(" 50 PASS", " 60 PASS") for line in LINES)
Load = Callable[..., dict[str, Any]]


def write(path: Path, lines: tuple[str, ...], date: str = "20260302", number: str = "R") -> Path:
    path.parent.mkdir(exist_ok=True)
    body = "".join(line.replace(" ", "\t") + "\n" for line in lines)
    path.write_text(HEADER.format(date=date, number=number) + body)
    return path


@pytest.fixture
def load(tmp_path: Path, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a file; gives how often a resource became something, with the exit code."""
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", fresh_database_url)
    site = tmp_path / "site.yaml"
    site.write_text("demo_key: true\nidentity: {crosswalk: crosswalk.csv}\n")
    (tmp_path / "crosswalk.csv").write_text(
        "sample;system;value\nS1;urn:oid:2.999.1;111\nS2;urn:oid:2.999.1;222\n"
    )

    def run(path: Path, *more: object) -> dict[str, Any]:
        report = tmp_path / "report.json"
        done = run_command("load", path, "--adapter", "vcf", "--site", site, "--report", report, *more)
        assert "Traceback" not in done.stderr
        counts = json.loads(report.read_text())["stored"]
        return {"exit": done.returncode, **{name: number for name, number in counts.items() if number}}

    return run


def variants(url: str) -> dict[str, Any]:
    """Variants in the store, by what they are of: patient, position, alleles and length."""
    found = {}
    for name, content in stored(url, versions=False).items():
        resource = json.loads(content)
        if name.startswith("Observation/"):
            values = {
                part["code"]["coding"][0]["code"]: next(
                    value for key, value in part.items() if key.startswith("value")
                )
                for part in resource["component"]
            }
            found[name] = (resource["subject"]["reference"], values)
    return found


def counting(url: str) -> dict[str, Any]:
    """What counts in the store: all that is not withdrawn, without versions."""
    found = {name: json.loads(content) for name, content in stored(url, versions=False).items()}
    return {name: one for name, one in found.items() if one.get("status") != "entered-in-error"}


def test_the_same_content_again_changes_nothing(load: Load, tmp_path: Path, fresh_database_url: str) -> None:
    first = load(write(tmp_path / "a" / "calls.vcf", LINES))
    assert first == {"exit": 0, "created": 19}
    before = stored(fresh_database_url)
    assert load(tmp_path / "a" / "calls.vcf") == {"exit": 0, "unchanged": 19}
    assert load(write(tmp_path / "b" / "calls.vcf", LINES)) == {"exit": 0, "unchanged": 19}
    assert stored(fresh_database_url) == before


def test_the_same_content_under_another_name_is_not_called_older(load: Load, tmp_path: Path) -> None:
    load(write(tmp_path / "n.vcf", LINES))
    done = load(write(tmp_path / "m.vcf", LINES))
    assert done["exit"] == 0
    assert "stale" not in done
    assert "conflicts" not in done


def test_what_is_stored_of_two_samples_is_what_the_file_says(
    load: Load, tmp_path: Path, fresh_database_url: str
) -> None:
    load(write(tmp_path / "calls.vcf", LINES))
    found = list(variants(fresh_database_url).values())
    assert len(found) == 9
    of_s2 = [values for _, values in found if values.get("81258-6", {}).get("value") == 1]
    (filtered,) = of_s2
    assert filtered["variant-confidence-status"]["text"] == "FT LowGQ"
    extents = sorted(
        values["81254-5"]["high"]["value"] for _, values in found if values["69551-0"] == "<DEL>"
    )
    assert extents == [430, 470, 470]
    assert sum(values["69551-0"] == "<INS>" for _, values in found) == 3


@pytest.mark.parametrize("order", ["ab", "ba", "aba", "bab"])
def test_a_file_called_again_is_current_in_any_order(
    load: Load, tmp_path: Path, fresh_database_url: str, order: str
) -> None:
    files = {
        "a": write(tmp_path / "a" / "calls.vcf", LINES),
        "b": write(tmp_path / "b" / "calls.vcf", LATER, "20260402"),
    }
    done = [load(files[name]) for name in order]
    assert [one["exit"] for one in done] == [0] * len(order)
    assert done[0]["created"] == 19
    assert len(done) < 3 or not {"created", "updated"} & set(done[2])
    current = counting(fresh_database_url)
    assert len(current) == 19
    dates = {
        resource["effectiveDateTime"] for resource in current.values() if "effectiveDateTime" in resource
    }
    assert dates == {"2026-04-02"}
    notes = {
        resource["note"][0]["text"].split(" QUAL=")[1][:2]
        for resource in current.values()
        if "note" in resource
    }
    assert notes == {"60"}


def test_reads_of_copies_are_in_no_store(load: Load, tmp_path: Path, fresh_database_url: str) -> None:
    load(write(tmp_path / "calls.vcf", LINES, number="2"))
    found = variants(fresh_database_url).values()
    assert len(found) == 9
    assert not [values for _, values in found if {"81258-6", "82121-5"} & set(values)]
