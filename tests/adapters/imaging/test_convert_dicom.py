"""`convert --adapter dicom` as a user runs it: what counts as converted is written, and what is not is listed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from tests.adapters.imaging.conversion import MAPPING
from tests.adapters.imaging.documents import rejection
from tests.adapters.imaging.raw_files import Raw, code, everything, tag, write


class Run:
    """A finished run: exit code, report, resources and rejects."""

    def __init__(self, folder: Path, out: Path, *arguments: str) -> None:
        site = out.with_suffix(".yaml")
        site.write_text("demo_key: true\nzone: Europe/Rome\n")
        done = CliRunner().invoke(
            app,
            [
                "convert",
                str(folder),
                "--adapter",
                "dicom",
                "--out",
                str(out),
                "--site",
                str(site),
                *arguments,
            ],
        )
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        self.out = out
        self.exit_code = done.exit_code
        self.report: dict[str, Any] = json.loads((out / "report.json").read_bytes())
        self.records: dict[str, int] = self.report["records"]
        self.issues: list[dict[str, Any]] = self.report["issues"]
        self.rejects = self.lines("rejects")

    def lines(self, name: str) -> list[dict[str, Any]]:
        path = self.out / f"{name}.ndjson"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    @property
    def written(self) -> int:
        """Instances in the ImagingStudies that were written."""
        return sum(study["numberOfInstances"] for study in self.lines("ImagingStudy"))

    def issue(self, code_: str) -> dict[str, Any]:
        (results,) = [issue for issue in self.issues if issue["code"] == code_]
        return results


def image(number: int, **changes: Any) -> dict[int, Raw]:
    return everything(SOPInstanceUID=f"1.2.3.4.{number}", InstanceNumber=str(number), **changes)


@pytest.mark.parametrize(
    ("keyword", "value", "issue"),
    [
        ("AccessionNumber", ("SH", b"A17\\B"), "FB-DCM-022"),
        ("SeriesTime", ("TM", b"030405\\030406 "), "FB-DCM-022"),
        ("SeriesNumber", ("IS", b"one "), "FB-DCM-020"),
    ],
)
def test_a_malformed_attribute_loses_no_study_and_converted_is_written(
    keyword: str, value: Raw, issue: str, tmp_path: Path
) -> None:
    write(tmp_path / "files" / "good.dcm", image(1))
    write(tmp_path / "files" / "malformed.dcm", image(2) | {tag(keyword): value})
    run = Run(tmp_path / "files", tmp_path / "out")
    assert (run.exit_code, run.records["converted"], run.written) == (0, 2, 2)
    assert run.issue(issue)["source"] == "malformed.dcm"
    assert keyword in run.issue(issue)["message"]


def test_a_code_that_its_system_does_not_have_costs_itself_and_not_the_study(tmp_path: Path) -> None:
    unknown = [
        code("999999", "DCM", "Nonsense"),
        code("2", "a: b", "Not a URI"),
    ]
    write(
        tmp_path / "files" / "a.dcm",
        image(1, ProcedureCodeSequence=unknown, AnatomicRegionSequence=unknown[:1], Modality="NEWMOD"),
    )
    run = Run(tmp_path / "files", tmp_path / "out", "--validate", "all")
    assert (run.exit_code, run.records["converted"], run.written) == (0, 1, 1)
    (study,) = run.lines("ImagingStudy")
    assert [each["coding"][0]["code"] for each in study["procedureCode"]] == ["999999", "2"]
    assert all(
        each["coding"][0]["system"].startswith("urn:fhir-bridge:scheme:Hospital:")
        for each in study["procedureCode"]
    )
    assert study["series"][0]["bodySite"]["display"] == "Nonsense"
    assert sum(issue["count"] for issue in run.issues if issue["code"] == "FB-MAP-212") == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  status: available", "  status: =StudyDescription"),  # the rule fails
        (
            "=concept(study.procedures, unknown='local')",
            "=concept(study.procedures)",
        ),  # what it gives is not valid
    ],
)
def test_instances_of_an_imaging_study_that_can_not_be_written_are_rejected(
    old: str, new: str, tmp_path: Path
) -> None:
    text = MAPPING.read_text()
    assert old in text
    text = text.replace(old, new)
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(text)
    for number in (1, 2):
        write(
            tmp_path / "files" / f"{number}.dcm",
            image(number, ProcedureCodeSequence=[code("999999", "DCM", "Nonsense")]),
        )
    run = Run(tmp_path / "files", tmp_path / "out", "--mapping", str(mapping))
    assert run.lines("ImagingStudy") == []
    assert run.exit_code == 1
    assert (run.records["converted"], run.records["rejected"]) == (0, 2)
    assert not list((tmp_path / "out").glob("[A-Z]*.ndjson")), "nothing of a rejected record is written"
    assert [entry["outcome"] for entry in run.rejects] == ["rejected"]


def test_two_patients_under_one_study_are_listed_file_by_file_and_nothing_of_them_is_written(
    tmp_path: Path,
) -> None:
    write(tmp_path / "files" / "a.dcm", image(1))
    write(tmp_path / "files" / "sub" / "b.dcm", image(2, PatientID="P2"))
    write(tmp_path / "files" / "c.dcm", image(3, StudyInstanceUID="1.2.3.8", SeriesInstanceUID="1.2.3.9"))
    run = Run(tmp_path / "files", tmp_path / "out")
    assert (run.exit_code, run.records["rejected"], run.records["converted"], run.written) == (1, 2, 1, 1)
    assert [entry["locator"] for entry in run.rejects] == ["a.dcm", "sub/b.dcm"]
    assert run.issue("FB-DCM-008")["count"] == 2
    assert "P2" not in json.dumps(run.report)


def test_names_of_files_and_their_order_change_no_byte_of_the_output(tmp_path: Path) -> None:
    contents = [image(number, StudyDescription=f"D{number % 2}", SeriesNumber=None) for number in range(1, 7)]
    contents += [image(8, StudyInstanceUID="1.2.3.0", StudyDescription="Another")]
    runs = []
    for which, numbers in enumerate((range(7), reversed(range(7)))):
        folder = tmp_path / f"files{which}"
        for position, number in enumerate(numbers):
            write(folder / f"{position % 2}" / f"{position}.dcm", contents[number])
        runs.append(Run(folder, tmp_path / f"out{which}"))
    first, second = runs
    names = sorted(path.name for path in first.out.glob("*.ndjson"))
    assert "ImagingStudy.ndjson" in names
    assert [(first.out / name).read_bytes() for name in names] == [
        (second.out / name).read_bytes() for name in names
    ]


def test_a_deleted_instance_is_skipped_and_not_in_the_study(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / "files" / f"{number}.dcm", image(number))
    write(tmp_path / "files" / "note.dcm", rejection("1.2.3.4.2"))
    run = Run(tmp_path / "files", tmp_path / "out")
    assert (run.exit_code, run.records["converted"], run.records["skipped"], run.written) == (0, 1, 2, 1)
    assert run.issue("FB-DCM-025")["source"] == "note.dcm"
    assert run.issue("FB-DCM-026")["source"] == "2.dcm"


def test_an_attribute_that_only_the_mapping_names_is_reported_where_it_can_not_be_read(
    tmp_path: Path,
) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(MAPPING.read_text().replace('"=StudyDescription"', '"=string(Series.KVP)"'))
    write(tmp_path / "files" / "a.dcm", image(1) | {tag("KVP"): ("DS", b"high")})
    run = Run(tmp_path / "files", tmp_path / "out", "--mapping", str(mapping))
    assert run.written == 1
    assert run.issue("FB-DCM-020")["message"].startswith("KVP is no number")


def test_links_pipes_and_programs_are_read_or_listed(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    write(folder / "below" / "one.dcm", image(1))
    other = write(tmp_path / "two.dcm", image(2))
    program = write(tmp_path / "three.dcm", image(3)).read_bytes()
    (folder / "three.dcm").write_bytes(b"\x7fELF" + program[4:])
    (folder / "link.dcm").symlink_to(other)
    for name, target in (("nowhere", "nothing"), ("itself", "itself"), ("circle", ".")):
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe")
    run = Run(folder, tmp_path / "out")
    assert (run.records["read"], run.records["converted"], run.written) == (3, 3, 3)
    assert run.issue("FB-DCM-013")["count"] == 1
    left = run.issue("FB-RUN-001")
    assert left["count"] == 4
    assert "(circle, itself, nowhere, pipe)" in left["message"]
