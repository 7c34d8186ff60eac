"""A study is the union of its instances over all loads: any split, any order, re-sends, corrections, deletions."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.10.511.99"
SITE = "site: test\nkey_file: site.key\nzone: Europe/Rome\n"


def instance(number: int, *, study: int = 1, patient: str | None = "100", **more: str) -> Dataset:
    """A CT slice without pixels; made up."""
    made = Dataset()
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    made.SOPInstanceUID = f"{ROOT}.{study}.1.{number}"
    made.StudyInstanceUID = f"{ROOT}.{study}"
    made.SeriesInstanceUID = f"{ROOT}.{study}.{1 + number % 2}"
    made.SeriesNumber = 1 + number % 2
    made.InstanceNumber = number
    made.Modality = "CT"
    made.StudyDate, made.StudyTime = "20240301", "090000"
    made.ContentDate, made.ContentTime = "20240301", f"09{number % 60:02}00"
    if patient is not None:
        made.PatientID = patient
    made.PatientName = "Rossi^Anna"
    made.AccessionNumber = "A1"
    made.InstitutionName = "Hospital"
    for keyword, value in more.items():
        setattr(made, keyword, value)
    return made


def rejection(*rejected: Dataset, time: str) -> Dataset:
    """A rejection note (IHE IOCM): a Key Object Selection that takes instances away; made up."""
    note = instance(99)
    note.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.59"
    note.SOPInstanceUID = f"{ROOT}.note.{time}".replace("note", "7")
    note.SeriesInstanceUID = f"{ROOT}.1.9"
    note.Modality = "KO"
    note.ContentDate, note.ContentTime = time[:8], time[8:]
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = (
        "113001",
        "DCM",
        "Rejected for Quality Reasons",
    )
    note.ConceptNameCodeSequence = [title]
    note.ValueType = "CONTAINER"
    items = []
    for one in rejected:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
        items.append(item)
    series = Dataset()
    series.SeriesInstanceUID = rejected[0].SeriesInstanceUID
    series.ReferencedSOPSequence = items
    evidence = Dataset()
    evidence.StudyInstanceUID = rejected[0].StudyInstanceUID
    evidence.ReferencedSeriesSequence = [series]
    note.CurrentRequestedProcedureEvidenceSequence = [evidence]
    content = []
    for one in rejected:
        item = Dataset()
        item.RelationshipType, item.ValueType = "CONTAINS", "IMAGE"
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
            one.SOPClassUID,
            one.SOPInstanceUID,
        )
        item.ReferencedSOPSequence = [reference]
        content.append(item)
    note.ContentSequence = content
    return note


def save(folder: Path, instances: Sequence[Dataset]) -> Path:
    folder.mkdir()
    for number, dataset in enumerate(instances):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta = meta
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


class Archive:
    """A database that studies are loaded into."""

    def __init__(self, bridge: Callable[..., Any], folder: Path, url: str) -> None:
        self._bridge, self._folder, self._url, self._count = bridge, folder, url, 0

    def load(self, *instances: Dataset) -> dict[str, Any]:
        """Load files of these instances; the report, with the exit code."""
        self._count += 1
        folder = save(self._folder / f"batch-{self._count}", instances)
        site, report = self._folder / "site.yaml", self._folder / "report.json"
        site.write_text(SITE)
        (self._folder / "site.key").exists() or (self._folder / "site.key").write_text("ab" * 32)
        (self._folder / "site.key").chmod(0o600)
        arguments = ("load", folder, "-a", "dicom", "--site", site, "--report", report)
        done = self._bridge(*arguments, database=self._url)
        assert done.exit_code in (0, 1), done.output
        return {**json.loads(report.read_bytes()), "exit": done.exit_code}

    def load_file(self, file: Path) -> None:
        """Load FHIR as it is."""
        done = self._bridge("load", file, "--site", self._folder / "site.yaml", database=self._url)
        assert done.exit_code == 0, done.output

    def all(self) -> dict[str, Any]:
        """Everything current, without what the store stamps."""
        with psycopg.connect(self._url) as connection:
            rows = connection.execute(
                "SELECT type || '/' || id, resource_text(bytes) FROM resource WHERE NOT deleted AND version > 0"
            ).fetchall()
        found = {}
        for name, text in rows:
            resource = json.loads(text)
            del resource["meta"]["versionId"], resource["meta"]["lastUpdated"]
            found[name] = resource
        return found

    def study(self) -> dict[str, Any]:
        """The one ImagingStudy."""
        (found,) = (one for one in self.all().values() if one["resourceType"] == "ImagingStudy")
        return found

    def instances(self) -> list[str]:
        """The last part of the UID of each instance of the study."""
        return sorted(
            (
                one["uid"].rpartition(".")[2]
                for series in self.study()["series"]
                for one in series["instance"]
            ),
            key=int,
        )


@pytest.fixture
def archive(bridge: Callable[..., Any], tmp_path: Path, fresh_database_url: str) -> Archive:
    return Archive(bridge, tmp_path, fresh_database_url)


@pytest.fixture
def other_archive(bridge: Callable[..., Any], tmp_path: Path, other_database_url: str) -> Archive:
    (tmp_path / "other").mkdir()
    return Archive(bridge, tmp_path / "other", other_database_url)


def test_later_batches_add_to_a_study(archive: Archive) -> None:
    archive.load(*(instance(number) for number in range(5)))
    archive.load(*(instance(number) for number in range(5, 15)))
    archive.load(*(instance(number) for number in range(2, 5)))
    assert archive.study()["numberOfInstances"] == 15
    assert len(archive.instances()) == 15
    before = archive.all()
    report = archive.load(*(instance(number) for number in range(15)))
    assert archive.all() == before
    assert report["exit"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_any_split_ends_as_one_load_does(archive: Archive, other_archive: Archive, seed: int) -> None:
    chance = random.Random(seed)
    instances = [
        instance(number, StudyDescription=chance.choice(["a", "b"]), SeriesDescription=chance.choice("xyz"))
        for number in range(12)
    ]
    archive.load(*instances)
    chance.shuffle(instances)
    start = 0
    while start < len(instances):
        size = chance.randint(1, 5)
        again = chance.sample(instances[:start], min(start, 2))
        other_archive.load(*instances[start : start + size], *again)
        start += size
    assert other_archive.all() == archive.all()


def test_one_instance_with_two_contents(archive: Archive, other_archive: Archive) -> None:
    older = instance(1, ContentTime="080000", SeriesDescription="older")
    newer = instance(1, ContentTime="100000", SeriesDescription="newer")
    archive.load(older)
    report = archive.load(newer)
    (issue,) = (one for one in report["issues"] if one["code"] == "FB-STORE-019")
    assert "SeriesDescription" in issue["message"]
    other_archive.load(newer)
    other_archive.load(older)
    assert archive.all() == other_archive.all()
    assert archive.study()["series"][0]["description"] == "older"


def test_a_deleted_instance_returns_only_with_a_newer_time(archive: Archive, other_archive: Archive) -> None:
    first, second = instance(1), instance(2)
    archive.load(first, second)
    archive.load(rejection(second, time="20240302120000"))
    assert archive.instances() == ["1"]
    archive.load(first, second)
    assert archive.instances() == ["1"]
    archive.load(instance(2, ContentDate="20240303"))
    assert archive.instances() == ["1", "2"]
    other_archive.load(instance(2, ContentDate="20240303"))
    other_archive.load(rejection(second, time="20240302120000"))
    other_archive.load(first, second)
    assert archive.all() == other_archive.all()


def test_copies_in_another_form_and_two_deletions_of_one_instance_in_one_load(archive: Archive) -> None:
    first, second, copy = instance(1), instance(2), instance(1)
    copy.preamble = b"MZ" + bytes(126)  # another file of the same data set
    notes = [rejection(second, time=time) for time in ("20240302120000", "20240304120000")]
    report = archive.load(first, copy, second, *notes)
    assert (report["exit"], archive.instances()) == (0, ["1"])
    assert "FB-DCM-009" in {issue["code"] for issue in report["issues"]}
    # The newer of the two deletions counts.
    archive.load(instance(2, ContentDate="20240303"))
    assert archive.instances() == ["1"]
    archive.load(instance(2, ContentDate="20240305"))
    assert archive.instances() == ["1", "2"]


def test_a_damaged_part_is_reported_and_what_was_stored_stays(
    archive: Archive, fresh_database_url: str
) -> None:
    archive.load(instance(1))
    before = archive.all()
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute("UPDATE part SET content = 'malformed'::bytea")
    report = archive.load(instance(2))
    assert report["exit"] == 1
    assert report["records"]["rejected"] == 1
    assert "FB-STORE-024" in {issue["code"] for issue in report["issues"]}
    assert archive.all() == before


def test_a_study_goes_with_its_last_instance(archive: Archive) -> None:
    archive.load(instance(1))
    archive.load(rejection(instance(1), time="20240302120000"))
    assert archive.study()["status"] == "entered-in-error"


def test_a_study_never_moves_to_another_patient(archive: Archive) -> None:
    archive.load(instance(1), instance(2))
    before = archive.all()
    report = archive.load(instance(3, patient="200"))
    assert report["exit"] == 1
    assert report["records"]["rejected"] == 1
    assert archive.all() == before
    report = archive.load(instance(4))
    assert report["exit"] == 0
    assert archive.instances() == ["1", "2", "4"]


def test_two_names_without_identifier_are_two_patients(archive: Archive) -> None:
    archive.load(instance(1, patient=None))
    before = archive.all()
    report = archive.load(instance(2, patient=None, PatientName="Bianchi^Carla"))
    assert report["exit"] == 1
    assert archive.all() == before


def test_two_halves_of_a_study_that_are_loaded_as_they_are_are_reported(
    archive: Archive, bridge: Callable[..., Any], tmp_path: Path, fresh_database_url: str
) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "site.key").write_text("ab" * 32)
    (tmp_path / "site.key").chmod(0o600)
    site = ("--site", tmp_path / "site.yaml")
    report = tmp_path / "load.json"
    for name, numbers in (("a", (1, 2, 3)), ("b", (4, 5))):
        files = save(tmp_path / name, [instance(number) for number in numbers])
        out = ("--out", tmp_path / f"fhir-{name}", "--report", report)
        done = bridge("convert", files, "-a", "dicom", *site, *out)
        assert done.exit_code == 0, done.output
    found = []
    for name in ("a", "b", "a"):
        bridge("load", tmp_path / f"fhir-{name}", *site, "--report", report, database=fresh_database_url)
        found.append({issue["code"] for issue in json.loads(report.read_bytes())["issues"]})
    assert ["FB-STORE-030" in codes for codes in found[:2]] == [False, True]
    assert len(archive.study()["series"]) > 0
