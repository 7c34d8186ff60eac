"""`convert`: every record is accounted for, twice gives the same bytes, and a cut-off run goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fhir_bridge.pipeline.plan import SHORT_BYTES
from tests.command import Done, run_command

MAPPING = """\
mapping: beds
version: 1.0.0
title: Beds of a ward, for tests
source: {adapter: csv, delimiter: ";"}
rules:
- rule: bed
  as: Location
  key: [row.ward, row.bed]
  status: "=row.status"
  name: "=row.name"
  identifier:
  - {system: "urn:oid:2.25.7", value: "=row.ward + '-' + row.bed"}
"""

ROWS = """\
ward;bed;status;name
A;1;active;Window
A;2;inactive;Door
A;2;inactive;Door
B;;active;No number
B;1;broken;Wrong status
"""


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    (tmp_path / "beds.csv").write_text(ROWS)
    return tmp_path


def convert(ward: Path, out: str = "out", *more: object) -> Done:
    return run_command(
        "convert",
        ward / "beds.csv",
        "--adapter",
        "csv",
        "--mapping",
        ward / "mapping.yaml",
        "--site",
        ward / "site.yaml",
        "--out",
        ward / out,
        *more,
    )


def report(ward: Path, out: str = "out") -> dict[str, object]:
    results: dict[str, object] = json.loads((ward / out / "report.json").read_text())
    return results


def ids(out: Path) -> list[str]:
    return [json.loads(line)["id"] for line in (out / "Location.ndjson").read_text().splitlines()]


def test_every_record_is_converted_or_rejected_with_its_line(ward: Path) -> None:
    done = convert(ward)
    assert done.returncode == 1, done.stderr
    assert report(ward)["records"] == {"read": 5, "converted": 4, "partial": 1, "skipped": 0, "rejected": 1}
    assert report(ward)["resources"] == {"Location": 3}, "the doubled row is one Location"
    rejects = [json.loads(line) for line in (ward / "out" / "rejects.ndjson").read_text().splitlines()]
    assert [reject["locator"].rpartition(":")[2] for reject in rejects] == ["5", "6"]
    assert [reject["outcome"] for reject in rejects] == ["rejected", "partial"]
    assert all(reject["issues"] for reject in rejects)


def test_a_file_s_name_may_hold_tabs_and_line_ends(ward: Path) -> None:
    convert(ward)
    named = ward / "beds\tof a\nward.csv"
    (ward / "beds.csv").rename(named)
    site, mapping, out = ward / "site.yaml", ward / "mapping.yaml", ward / "named"
    done = run_command("convert", named, "-a", "csv", "-m", mapping, "--site", site, "-o", out)
    assert done.returncode == 1, done.stderr
    assert ids(out) == ids(ward / "out")
    rejects = [json.loads(line)["locator"] for line in (out / "rejects.ndjson").read_text().splitlines()]
    assert rejects == [f"{named.name}:5", f"{named.name}:6"]


def test_a_name_that_is_no_text_is_refused_with_the_file(ward: Path) -> None:
    folder = ward / "in"
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.csv")).write_text(ROWS)
    done = run_command(
        "convert", folder, "-a", "csv", "-m", ward / "mapping.yaml", "--site", ward / "site.yaml", "-o", ward / "out"
    )  # fmt: skip
    assert done.returncode == 2
    assert "caf\\udce9.csv is not UTF-8" in done.stderr


def test_running_twice_gives_byte_identical_resources_for_any_number_of_processes(ward: Path) -> None:
    (ward / "more").mkdir()
    for number in range(3):
        lines = [f"{number};{bed};active;Bed {bed}" for bed in range(50)]
        (ward / "more" / f"{number}.csv").write_text("ward;bed;status;name\n" + "\n".join(lines) + "\n")
    contents = []
    for jobs in (1, 1, 2):
        out = ward / f"out-{len(contents)}"
        done = run_command(
            "convert", ward / "more", "-a", "csv", "-m", ward / "mapping.yaml", "--site", ward / "site.yaml",
            "-o", out, "-j", jobs,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        contents.append((out / "Location.ndjson").read_bytes())
    assert contents[0].count(b"\n") == 150
    assert contents[0] == contents[1] == contents[2]


def test_a_folder_with_content_is_refused_with_the_reason(ward: Path) -> None:
    convert(ward)
    refused = convert(ward)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    assert convert(ward, "out", "--force").returncode == 1
    (ward / "out" / "thesis.docx").write_text("mine")
    assert convert(ward, "out", "--force").returncode == 2
    assert (ward / "out" / "thesis.docx").exists()


def test_resuming_a_complete_run_repeats_its_report_and_changes_nothing(ward: Path) -> None:
    convert(ward)
    before = (ward / "out" / "Location.ndjson").stat().st_mtime_ns
    assert convert(ward, "out", "--resume").returncode == 1
    assert (ward / "out" / "Location.ndjson").stat().st_mtime_ns == before
    (ward / "beds.csv").write_text(ROWS + "C;1;active;New\n")
    changed = convert(ward, "out", "--resume")
    assert changed.returncode == 2
    assert "changed" in changed.stderr


WAITING = """
import sys
from fhir_bridge.cli.main import main
from fhir_bridge.pipeline.part_sink import PartSink

def flush(sink, account):
    print("written", flush=True)
    sys.stdin.read()

PartSink.flush = flush
main()
"""
"""The command line, in no hurry once the parts are written."""


def test_a_run_that_is_killed_leaves_no_output_and_is_resumed(ward: Path) -> None:
    lines = "".join(f"{number};{bed};active;x\n" for number in range(40) for bed in range(100))
    (ward / "beds.csv").write_text("ward;bed;status;name\n" + lines)
    command = [
        sys.executable, "-c", WAITING, "convert", str(ward / "beds.csv"), "-a", "csv",
        "-m", str(ward / "mapping.yaml"), "--site", str(ward / "site.yaml"), "-o", str(ward / "out"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    assert (ward / "out" / ".parts" / "0" / "Location.part").exists()
    assert not (ward / "out" / "Location.ndjson").exists()
    assert convert(ward, "out", "--resume").returncode == 0
    assert (ward / "out" / "Location.ndjson").read_bytes().count(b"\n") == 4_000


def test_more_rejected_than_allowed_ends_with_4(ward: Path) -> None:
    assert convert(ward, "a", "--max-rejected", "0").returncode == 4
    assert convert(ward, "b", "--max-rejected", "1").returncode == 1
    assert convert(ward, "c", "--max-rejected", "19%").returncode == 4
    assert convert(ward, "d", "--max-rejected", "20%").returncode == 1
    assert convert(ward, "e", "--max-rejected", "many").returncode == 2


def test_one_record_can_be_asked_for_by_its_locator(ward: Path) -> None:
    assert convert(ward, "out", "--only", "beds.csv:3").returncode == 0
    assert report(ward)["records"]["read"] == 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv", "-a", "csv", "-o", "x"], "does not exist"),
        (["nowhere.csv", "-a", "cobol", "-o", "x"], 'no adapter "cobol"'),
        (["beds.csv", "-a", "csv", "-m", "no/such", "-o", "x"], "no/such"),
        (["beds.csv", "-a", "csv"], "--out"),
        (["beds.csv", "-a", "csv", "-o", "x", "--set", "zone"], "NAME=VALUE"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_sentence(
    ward: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(ward)
    done = run_command("convert", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_and_a_syntax_check_write_nothing(ward: Path) -> None:
    for flag in ("--dry-run", "--check"):
        done = convert(ward, "out", flag)
        assert done.returncode in (0, 1)
        assert not (ward / "out").exists()


def test_what_a_row_gives_does_not_depend_on_how_much_there_is(ward: Path) -> None:
    """A short input is converted as dicts, a long one as bytes."""
    assert convert(ward).returncode == 1
    rows = [f"C;{number};active;{'x' * 100}" for number in range(SHORT_BYTES // 100)]
    (ward / "beds.csv").write_text(ROWS + "\n".join(rows) + "\n")
    assert convert(ward, "long").returncode == 1
    short, long = ((ward / folder / "Location.ndjson").read_bytes() for folder in ("out", "long"))
    assert long.startswith(short)
    assert long.count(b"\n") == short.count(b"\n") + len(rows)
