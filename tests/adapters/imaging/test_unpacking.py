"""ZIP archives and DICOMDIR: what they hold or name is read, whatever somebody wrote into them."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from fhir_bridge.adapters.imaging import FileRecord, StudyRecord, read_studies
from tests.adapters.imaging.conversion import convert
from tests.e2e.test_composites import instance, save

SLICES = [instance(number) for number in range(1, 5)]


def files(folder: Path) -> list[Path]:
    return sorted(save(folder, SLICES).iterdir())


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refused(records: list[FileRecord | StudyRecord], code: str) -> list[str]:
    """Locators of the rejected records with this issue."""
    found = [record for record in records if code in {issue.code for issue in record.issues}]
    return sorted(record.locator for record in found if record.outcome == "rejected")


def test_an_archive_gives_what_its_folder_gives(tmp_path: Path) -> None:
    plain = files(tmp_path / "plain")
    archive = zipped(tmp_path / "disc.zip", {f"A/{path.name}": path.read_bytes() for path in plain})
    assert convert([archive]).resources == convert(plain).resources
    assert len(convert([archive]).of("ImagingStudy")[0]["series"]) == 2


def test_a_member_can_not_leave_the_archive_and_costs_itself_alone(tmp_path: Path) -> None:
    good = files(tmp_path / "plain")[0].read_bytes()
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("../out.dcm", "/abs.dcm", "a/../../out.dcm", "..\\out.dcm", "C:/x.dcm", "good.dcm"):
            archive.writestr(name, good)
        archive.writestr(link, "/etc/passwd")
        archive.writestr("bomb.dcm", bytes(64 << 20))
        archive.writestr("readme.txt", "a disc")
    before = set(tmp_path.rglob("*"))
    records = list(read_studies([path]))
    assert len(refused(records, "FB-DCM-050")) == 7
    assert [record.records for record in records if isinstance(record, StudyRecord)] == [1]
    assert [record.locator for record in records if record.outcome == "skipped"] == ["evil.zip/readme.txt"]
    assert set(tmp_path.rglob("*")) == before


def test_a_damaged_or_nested_archive_is_listed(tmp_path: Path) -> None:
    good = files(tmp_path / "plain")[0].read_bytes()
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("1.dcm", good)
    outer = zipped(tmp_path / "outer.zip", {"inner.zip": inner.getvalue(), "1.dcm": good})
    (tmp_path / "cut.zip").write_bytes(outer.read_bytes()[:100])
    records = list(read_studies([outer, tmp_path / "cut.zip"]))
    assert refused(records, "FB-DCM-050") == ["cut.zip"]
    assert [record.locator for record in records if record.outcome == "skipped"] == ["outer.zip/inner.zip"]
    assert sum(isinstance(record, StudyRecord) for record in records) == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_both_read(tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for each in files(tmp_path / "plain")[:2]:
            archive.writestr("1.dcm", each.read_bytes())
    assert [record.records for record in read_studies([path])] == [2]


def disc(folder: Path, slices: list[Dataset]) -> Path:
    """A disc as a modality writes it."""
    files_of_disc = FileSet()
    for number, each in enumerate(slices):
        each.StudyID, each.PatientID = "1", "100"
        path = sorted(save(folder / f"in-{number}", [each]).iterdir())[0]
        files_of_disc.add(path)
    files_of_disc.write(folder / "disc")
    files_of_disc._stage["t"].cleanup()  # which it leaves to the collector, with a warning in some later test
    return folder / "disc"


def test_a_dicomdir_alone_brings_the_files_that_it_names(tmp_path: Path) -> None:
    root = disc(tmp_path, [instance(number) for number in range(1, 5)])
    alone = convert([root / "DICOMDIR"])
    assert alone.resources == convert([path for path in root.rglob("*") if path.is_file()]).resources
    assert alone.of("ImagingStudy")[0]["numberOfInstances"] == 4
    gone = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "DICOMDIR")[0]
    gone.unlink()
    records = list(read_studies([root / "DICOMDIR"]))
    (listing,) = (record for record in records if isinstance(record, FileRecord))
    assert [issue.code for issue in listing.issues] == ["FB-DCM-002", "FB-DCM-051"]
    assert "1 of 4 files" in listing.issues[1].message
    assert sum(record.records for record in records if isinstance(record, StudyRecord)) == 3


def test_a_zipped_disc_is_read_once(tmp_path: Path) -> None:
    root = disc(tmp_path, [instance(number) for number in range(1, 5)])
    members = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    records = list(read_studies([zipped(tmp_path / "disc.zip", members)]))
    assert [record.records for record in records if isinstance(record, StudyRecord)] == [4]
    assert [record.locator for record in records if isinstance(record, FileRecord)] == ["disc.zip/DICOMDIR"]
