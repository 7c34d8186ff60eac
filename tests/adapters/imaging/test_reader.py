"""Files to studies: every file is accounted for, and what does not belong together is not joined."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pydicom
import pytest

from fhir_bridge.adapters.imaging import FileRecord, StudyRecord, header_workers, read_studies
from tests.adapters.imaging.raw_files import everything, write


def studies(*paths: Path) -> list[StudyRecord]:
    return [record for record in read_studies(paths) if isinstance(record, StudyRecord)]


def codes(record: FileRecord | StudyRecord) -> list[str]:
    return [issue.code for issue in record.issues]


def test_each_bundled_file_alone_is_read_or_named_with_its_reason(bundled: Path) -> None:
    outcomes: Counter[str] = Counter()
    for path in sorted(
        file
        for file in bundled.rglob("*")
        if file.is_file() and "palettes" not in file.parts and not file.name.startswith("DICOMDIR")
    ):
        records = list(read_studies([path]))
        assert len(records) == 1, path.name
        (record,) = records
        outcomes[record.outcome] += 1
        if record.outcome != "read":
            assert codes(record), path.name
        else:
            assert not any(issue.severity == "error" for issue in record.issues), (path.name, record.issues)
    assert outcomes["read"] > 130
    assert outcomes["rejected"] < 15


@pytest.mark.parametrize(
    ("name", "outcome", "code"),
    [
        ("test_files/README.txt", "skipped", "FB-DCM-001"),
        ("test_files/zipMR.gz", "skipped", "FB-DCM-001"),
        ("test_files/no_meta.dcm", "skipped", "FB-DCM-001"),
        ("test_files/rtplan_truncated.dcm", "rejected", "FB-DCM-005"),
        ("test_files/UN_sequence.dcm", "rejected", "FB-DCM-006"),
        ("charset_files/chrSQEncoding.dcm", "rejected", "FB-DCM-006"),
    ],
)
def test_what_is_no_instance_says_why(bundled: Path, name: str, outcome: str, code: str) -> None:
    (record,) = read_studies([bundled / name])
    assert (record.outcome, codes(record)) == (outcome, [code])
    assert record.records == 1


def test_pixels_cut_short_lose_nothing_of_the_header(bundled: Path) -> None:
    (record,) = studies(bundled / "test_files" / "MR_truncated.dcm")
    assert record.outcome == "read"
    assert codes(record) == ["FB-DCM-012"]


@pytest.mark.parametrize(
    "name", ["ExplVR_BigEnd.dcm", "MR_small_implicit.dcm", "image_dfl.dcm", "ExplVR_BigEndNoMeta.dcm"]
)
def test_any_encoding_is_read(bundled: Path, name: str) -> None:
    (record,) = studies(bundled / "test_files" / name)
    dataset = pydicom.dcmread(bundled / "test_files" / name, force=True)
    assert record.study.uid == dataset.StudyInstanceUID
    assert record.study.started is None or record.study.started[:8] == str(dataset.StudyDate).replace(".", "")


def test_a_folder_reads_as_studies_with_series_and_instances_counted(bundled: Path) -> None:
    records = list(read_studies([bundled / "test_files" / "dicomdirtests" / "98892003"]))
    assert all(isinstance(record, StudyRecord) for record in records)
    results = [
        (record.study.number_of_series, record.records)
        for record in records
        if isinstance(record, StudyRecord)
    ]
    assert sum(count for _, count in results) == 17
    assert len({record.study.uid for record in records if isinstance(record, StudyRecord)}) == len(results)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chrArab.dcm", "قباني^لنزار"),
        ("chrFren.dcm", "Buc^Jérôme"),
        ("chrGerm.dcm", "Äneas^Rüdiger"),
        ("chrGreek.dcm", "Διονυσιος"),
        ("chrH31.dcm", "Yamada^Tarou"),
        ("chrH32.dcm", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        ("chrHbrw.dcm", "שרון^דבורה"),
        ("chrI2.dcm", "Hong^Gildong"),
        ("chrKoreanMulti.dcm", "김희중"),
        ("chrRuss.dcm", "Люкceмбypг"),
        ("chrX1.dcm", "Wang^XiaoDong"),
        ("chrX2.dcm", "Wang^XiaoDong"),
    ],
)
def test_character_sets_are_those_that_the_file_names(bundled: Path, name: str, expected: str) -> None:
    (record,) = studies(bundled / "charset_files" / name)
    assert record.study.get("PatientName").alphabetic == expected


def test_an_executable_in_the_preamble_is_reported_and_the_header_converted(make, tmp_path: Path) -> None:
    path = make()
    path.write_bytes(b"MZ" + path.read_bytes()[2:])
    (record,) = read_studies([path])
    assert (record.outcome, codes(record)) == ("read", ["FB-DCM-013"])


def test_an_executable_is_not_dicom(tmp_path: Path) -> None:
    for name, start in (
        ("a.exe", b"MZ"),
        ("b", b"\x7fELF"),
        ("c.pdf", b"%PDF-1.7"),
        ("d.zip", b"PK\x03\x04"),
        ("e", b""),
    ):
        (tmp_path / name).write_bytes(start + b"\1" * 400 if start else b"")
    records = list(read_studies([tmp_path]))
    assert [(record.outcome, codes(record)) for record in records] == [
        ("skipped", ["FB-DCM-001"]),
        ("skipped", ["FB-DCM-001"]),
        ("skipped", ["FB-DCM-001"]),
        ("rejected", ["FB-DCM-050"]),
        ("skipped", ["FB-DCM-001"]),
    ]


def test_a_missing_file_is_rejected_and_the_others_are_read(make, tmp_path: Path) -> None:
    records = list(read_studies([tmp_path / "gone.dcm", make()]))
    assert [record.outcome for record in records] == ["rejected", "read"]
    assert codes(records[0]) == ["FB-DCM-003"]


def test_a_file_without_preamble_is_read(make) -> None:
    (record,) = studies(make("bare", meta=False))
    assert record.study.uid == "1.2.3.1"


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_an_instance_without_a_uid_is_rejected(make, keyword: str) -> None:
    (record,) = read_studies([make(**{keyword: None})])
    assert (record.outcome, codes(record)) == ("rejected", ["FB-DCM-006"])
    assert keyword in record.issues[0].message


def test_every_cut_of_a_file_is_read_or_rejected_but_never_fails(make, tmp_path: Path) -> None:
    whole = make().read_bytes()
    cut = tmp_path / "cut.dcm"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        (record,) = read_studies([cut])
        assert record.outcome in ("read", "skipped", "rejected")
        assert record.outcome == "read" or codes(record)


def test_two_patients_under_one_study_uid_are_reported_and_not_merged(make) -> None:
    item = make("a.dcm")
    make("b.dcm", SOPInstanceUID="1.2.3.4.2", PatientID="P2")
    records = list(read_studies([item.parent]))
    assert [(record.locator, record.outcome, codes(record)) for record in records] == [
        ("a.dcm", "rejected", ["FB-DCM-008"]),
        ("b.dcm", "rejected", ["FB-DCM-008"]),
    ]
    assert "P1" not in records[0].issues[0].message


def test_one_number_of_two_authorities_is_two_patients(make) -> None:
    item = make("a.dcm", IssuerOfPatientID="HOSP")
    make("b.dcm", SOPInstanceUID="1.2.3.4.2", IssuerOfPatientID="LAB")
    records = list(read_studies([item.parent]))
    assert [(record.outcome, codes(record)) for record in records] == [("rejected", ["FB-DCM-008"])] * 2


def test_an_instance_that_names_no_issuer_does_not_make_a_second_patient(make) -> None:
    item = make("a.dcm")
    make("b.dcm", SOPInstanceUID="1.2.3.4.2", IssuerOfPatientID="HOSP")
    (record,) = studies(item.parent)
    assert record.outcome == "read"
    assert (record.study.patient.value, record.study.patient.authority) == ("P1", ("HOSP",))


def test_a_doubled_instance_counts_once(make) -> None:
    item = make("a.dcm")
    make("b.dcm")
    records = list(read_studies([item.parent]))
    assert [(record.outcome, record.records) for record in records] == [("skipped", 1), ("read", 1)]
    assert codes(records[0]) == ["FB-DCM-009"]


def test_instances_that_disagree_are_reported_and_the_majority_stays(make) -> None:
    for number, description in enumerate(("Wrong", "Heart", "Heart")):
        path = make(f"{number}.dcm", SOPInstanceUID=f"1.2.3.4.{number}", StudyDescription=description)
    make("silent.dcm", SOPInstanceUID="1.2.3.4.9")
    (record,) = studies(path.parent)
    assert record.study.get("StudyDescription") == "Heart"
    assert codes(record) == ["FB-DCM-010"]
    assert "StudyDescription" in record.issues[0].message
    assert "Wrong" not in record.issues[0].message


@pytest.mark.parametrize(
    ("attributes", "started", "issues"),
    [
        ({}, "20260102030405", 0),
        ({"TimezoneOffsetFromUTC": "+0530"}, "20260102030405+0530", 0),
        ({"TimezoneOffsetFromUTC": "+9900"}, "20260102030405", 1),
        ({"StudyDate": "20260230"}, None, 1),
        ({"StudyTime": "250000"}, "20260102", 1),
        ({"StudyTime": None}, "20260102", 0),
        ({"StudyDate": "1997.04.24", "StudyTime": "14:04:38"}, "19970424140438", 0),
        ({"StudyTime": "132645.921000"}, "20260102132645.921000", 0),
    ],
)
def test_impossible_dates_are_left_out_and_reported(
    make, attributes: dict, started: str | None, issues: int
) -> None:
    with pydicom.config.disable_value_validation():
        path = make(**attributes)
    (record,) = studies(path)
    assert record.study.started == started
    assert codes(record) == ["FB-DCM-011"] * issues


def test_laterality_that_differs_between_images_says_nothing_of_the_series(make) -> None:
    path = make("l.dcm", ImageLaterality="L", BodyPartExamined="BREAST")
    (record,) = studies(path)
    assert record.study.series[0].laterality.value == "7771000"
    make("r.dcm", SOPInstanceUID="1.2.3.4.2", ImageLaterality="R", BodyPartExamined="BREAST")
    (record,) = studies(path.parent)
    assert record.study.series[0].laterality is None
    assert record.study.series[0].body_site.value == "76752008"


def test_a_body_part_that_is_no_defined_term_stays_text(make) -> None:
    (record,) = studies(make(BodyPartExamined="HERZ"))
    site = record.study.series[0].body_site
    assert (site.value, site.text) == (None, "HERZ")


@pytest.mark.shared
def test_every_shared_file_alone_is_read_or_named_with_its_reason(shared: Path) -> None:
    read = total = 0
    for path in sorted(file for file in (shared / "data" / "dicom").rglob("*") if file.is_file()):
        (record,) = read_studies([path])
        total += path.suffix != ".json"
        read += record.outcome == "read"
        assert record.outcome == "read" or codes(record) == ["FB-DCM-001"], (path, record.issues)
        assert not any(issue.severity == "error" for issue in record.issues), (path, record.issues)
    assert read == total


def test_damaged_bytes_cost_one_file_and_never_the_run(bundled: Path, tmp_path: Path) -> None:
    random = Random(7)
    whole = (bundled / "test_files" / "CT_small.dcm").read_bytes()
    path = tmp_path / "damaged.dcm"
    outcomes: Counter[str] = Counter()
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(random.choice((1, 5, 40))):
            damaged[random.randrange(6000)] = random.randrange(256)
        path.write_bytes(damaged)
        (record,) = read_studies([path])
        assert record.outcome == "read" or codes(record)
        outcomes[record.outcome] += 1
    assert set(outcomes) == {"read", "rejected", "skipped"}


def test_a_palette_belongs_to_no_study_and_is_skipped(bundled: Path) -> None:
    for path in sorted((bundled / "palettes").glob("*.dcm")):
        (record,) = read_studies([path])
        assert (record.outcome, [issue.code for issue in record.issues]) == ("skipped", ["FB-DCM-021"])


def test_naming_the_adapter_loads_no_pydicom() -> None:
    program = (
        "import sys, fhir_bridge.adapters.imaging.plugin as plugin\n"
        "plugin.fhir_bridge_adapters(); print('pydicom' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_several_processes_read_is_what_one_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_workers, "_FEW", 2)
    monkeypatch.setattr(header_workers, "_CHUNK", 3)
    for number in range(8):
        changes = {"SOPInstanceUID": f"1.2.3.4.{number}", "InstanceNumber": number}
        write(tmp_path / f"{number}.dcm", everything(**changes))
    (tmp_path / "notes.txt").write_text("no DICOM")

    def read(jobs: int) -> list[object]:
        records = list(read_studies([tmp_path], jobs=jobs))
        return [(each.locator, each.records, list(each.issues)) for each in records]

    assert read(2) == read(1)
    assert len(read(2)) == 2
