"""DICOM objects by C-STORE, STOW-RS and a folder, to the program as a person starts it: one study, however it comes."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from tests.dicom_files import file_bytes, with_pixels
from tests.e2e.test_composites import ROOT, SITE, instance, rejection
from tests.orthanc import Orthanc, needs_orthanc, orthanc
from tests.patience import until
from tests.server.conftest import free_port
from tests.server.serving import Served, serving

CT = "1.2.840.10008.5.1.4.1.1.2"
LITTLE = "1.2.840.10008.1.2.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dicom")


@pytest.fixture(scope="module")
def archive(folder: Path) -> Iterator[Orthanc]:
    with orthanc(folder) as running:
        yield running


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def served(database_url: str, folder: Path, archive: Orthanc, port: int) -> Iterator[Served]:
    (folder / "site.yaml").write_text(SITE)
    (folder / "site.key").write_text("ab" * 32)
    (folder / "site.key").chmod(0o600)
    (folder / "archives.yaml").write_text(f"archives:\n  main:\n    url: {archive.dicomweb}\n")
    (folder / "drop").mkdir()
    with serving(
        database_url,
        auth="none",
        site=folder / "site.yaml",
        dicom=f"BRIDGE:{port}",
        dicom_allow="CT1@127.0.0.1",
        dicom_folder=folder / "drop",
        dicomweb=True,
        dicomweb_archive=folder / "archives.yaml",
        egress=archive.root,
        egress_networks="127.0.0.0/8",
    ) as process:
        process.database_url = database_url
        until(lambda: _accepts(port), "the application entity accepts")
        yield process


def _accepts(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


pytestmark = needs_orthanc


def slices(study: int, *numbers: int, **more: str) -> list[Dataset]:
    return [with_pixels(instance(number, study=study, **more)) for number in numbers]


def c_store(port: int, *instances: Dataset, title: str = "CT1", called: str = "BRIDGE") -> list[int | None]:
    """Status of each; None where no association came about."""
    return [each and each.Status for each in answers(port, *instances, title=title, called=called)]


def answers(
    port: int, *instances: Dataset, title: str = "CT1", called: str = "BRIDGE"
) -> list[Dataset | None]:
    entity = AE(title)
    entity.add_requested_context("1.2.840.10008.1.1")
    for sop_class in {each.SOPClassUID for each in instances}:
        entity.add_requested_context(sop_class, LITTLE)
    association = entity.associate("127.0.0.1", port, ae_title=called)
    if not association.is_established:
        return [None] * max(len(instances), 1)
    try:
        if not instances:
            return [association.send_c_echo()]
        for each in instances:
            file_bytes(each)
        return [association.send_c_store(each) for each in instances]
    finally:
        association.release()


def stow(served: Served, *contents: bytes, study: str = "", **headers: str) -> httpx.Response:
    boundary = "edge"
    body = b"".join(
        b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n" for content in contents
    )
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return httpx.post(
        f"{served.root}/dicomweb/studies{study}",
        content=body + b"--edge--\r\n",
        headers={"Content-Type": kind, **headers},
        timeout=60,
    )


def study(served: Served, number: int) -> dict[str, Any] | None:
    answer = served.get(f"ImagingStudy?identifier=urn:oid:{ROOT}.{number}")
    entries = answer.json().get("entry", [])
    return entries[0]["resource"] if entries else None


def instances_of(served: Served, number: int) -> int:
    found = study(served, number)
    return found["numberOfInstances"] if found and found["status"] == "available" else 0


def drop(folder: Path, name: str, content: bytes) -> None:
    (folder / "drop" / name).write_bytes(content)


def without_stamps(resource: dict[str, Any]) -> dict[str, Any]:
    meta = {
        name: value for name, value in resource["meta"].items() if name not in ("versionId", "lastUpdated")
    }
    return {**resource, "meta": meta}


def test_all_ways_end_in_one_study_that_files_would_give(
    served: Served, port: int, folder: Path, bridge: Any, other_database_url: str, tmp_path: Path
) -> None:
    first, second, third, fourth = slices(1, 1, 2, 3, 4)
    assert c_store(port) == [0]
    assert c_store(port, first, second) == [0, 0]
    answer = stow(served, file_bytes(second), file_bytes(third))
    assert answer.status_code == 200, answer.text
    rows = answer.json()["00081199"]["Value"]
    assert [row["00081155"]["Value"][0] for row in rows] == [second.SOPInstanceUID, third.SOPInstanceUID]
    assert rows[0]["00081190"]["Value"][0].endswith(
        f"/series/{second.SeriesInstanceUID}/instances/{ROOT}.1.1.2"
    )
    drop(folder, "4.dcm", file_bytes(fourth))
    until(lambda: instances_of(served, 1) == 4, "the study has all instances")
    assert (folder / "drop" / "received" / "4.dcm").exists()
    for number, each in enumerate((first, second, third, fourth)):
        (tmp_path / f"{number}.dcm").write_bytes(file_bytes(each))
    done = bridge(
        "load", tmp_path, "-a", "dicom", "--site", folder / "site.yaml", database=other_database_url
    )
    assert done.exit_code == 0, done.output
    with psycopg.connect(other_database_url) as connection:
        rows = connection.execute(
            "SELECT resource_text(bytes) FROM resource WHERE type = 'ImagingStudy'"
        ).fetchall()
    found = study(served, 1)
    assert found is not None
    assert without_stamps(found) == without_stamps(json.loads(rows[0][0]))


def test_an_edit_by_a_person_stays(served: Served, port: int) -> None:
    c_store(port, *slices(2, 1))
    until(lambda: instances_of(served, 2) == 1, "the study is there")
    found = study(served, 2)
    assert found is not None
    edited = {**found, "note": [{"text": "reviewed"}]}
    assert served.request("PUT", f"ImagingStudy/{found['id']}", json=edited).status_code == 200
    c_store(port, *slices(2, 2))
    assert stow(served, *(file_bytes(each) for each in slices(2, 3))).status_code == 200
    until(lambda: instances_of(served, 2) == 3, "the study has all instances")
    assert (study(served, 2) or {})["note"] == [{"text": "reviewed"}]


def test_who_is_not_listed_may_not_send(served: Served, port: int) -> None:
    one = slices(3, 1)
    assert c_store(port, *one, title="CT2") == [0x0124]
    assert c_store(port, title="CT2") == [0x0124]
    assert c_store(port, *one, called="OTHER") == [None]
    assert instances_of(served, 3) == 0


def test_what_can_not_be_used_fails_alone_and_says_so(served: Served, port: int) -> None:
    good, other = slices(4, 1)[0], slices(5, 1)[0]
    without_study = with_pixels(instance(2, study=4))
    del without_study.StudyInstanceUID
    answer = stow(
        served,
        file_bytes(good),
        b"no DICOM",
        file_bytes(without_study),
        file_bytes(other),
        study=f"/{ROOT}.4",
    )
    assert answer.status_code == 202
    content = answer.json()
    assert len(content["00081199"]["Value"]) == 1
    failed = {
        row["00081155"]["Value"][0]: row["00081197"]["Value"][0] for row in content["00081198"]["Value"]
    }
    assert failed == {without_study.SOPInstanceUID: 0xA900, other.SOPInstanceUID: 0xA900}
    assert content["0008119A"]["Value"][0]["00081197"]["Value"] == [0xC000]
    assert stow(served, file_bytes(without_study)).status_code == 409
    assert stow(served).status_code == 400
    assert stow(served, file_bytes(good), **{"Content-Type": "application/dicom+json"}).status_code == 415
    assert stow(served, file_bytes(good), Accept="application/dicom+xml").status_code == 406
    assert c_store(port, without_study) == [0xC000]


def test_another_patients_object_is_no_part_of_a_study(served: Served, port: int) -> None:
    assert c_store(port, *slices(6, 1)) == [0]
    until(lambda: instances_of(served, 6) == 1, "the study is there")
    other = slices(6, 2, patient="200", PatientName="Verdi^Carla", InstitutionName="Hospital")
    (refused,) = answers(port, *other)
    assert refused is not None
    assert (refused.Status, refused.ErrorComment[:30]) == (0xC000, "the record is known under anot")
    answer = stow(served, file_bytes(slices(6, 3, patient="200", PatientName="Verdi^Carla")[0]))
    assert answer.status_code == 409
    assert instances_of(served, 6) == 1
    with psycopg.connect(served.database_url) as connection:
        rows = connection.execute("SELECT locator FROM inbox WHERE code = 'FB-STORE-018'").fetchall()
    assert sorted(row[0].partition(" ")[0] for row in rows) == [
        f"{ROOT}.6.1.{number}.dcm" for number in (2, 3)
    ]


def test_a_rejection_note_that_is_sent_takes_the_last_instance_away(served: Served, port: int) -> None:
    one = instance(1)
    one.StudyInstanceUID = f"{ROOT}.7"
    note = rejection(one, time="20240302120000")
    note.StudyInstanceUID = f"{ROOT}.7"
    assert c_store(port, with_pixels(one)) == [0]
    until(lambda: instances_of(served, 7) == 1, "the study is there")
    assert c_store(port, note) == [0]
    until(lambda: (study(served, 7) or {}).get("status") == "entered-in-error", "the study is withdrawn")


def test_a_file_that_is_being_written_is_waited_for(served: Served, folder: Path) -> None:
    content = file_bytes(slices(8, 1)[0])
    path = folder / "drop" / "slow.dcm"
    with path.open("wb") as file:
        for start in range(0, len(content), len(content) // 4 + 1):
            file.write(content[start : start + len(content) // 4 + 1])
            file.flush()
            os.fsync(file.fileno())
            until_looked(folder)
            assert not (folder / "drop" / "refused").exists() or not list(
                (folder / "drop" / "refused").glob("slow*")
            )
    drop(folder, "notes.txt", b"hello")
    until(lambda: instances_of(served, 8) == 1, "the study is there")
    until(lambda: (folder / "drop" / "refused" / "notes.txt").exists(), "the text is refused")


def until_looked(folder: Path) -> None:
    """Long enough that the folder was looked at, by a file that comes and goes."""
    marker = folder / "drop" / f"look-{os.urandom(4).hex()}.txt"
    marker.write_text("x")
    os.utime(marker, (1, 1))


def test_studies_are_found_and_their_objects_passed_on(served: Served, archive: Orthanc, port: int) -> None:
    both = slices(9, 1, 2, ReferringPhysicianName="Referring^Rosa")
    archive.store(*both)
    c_store(port, *both)
    until(lambda: instances_of(served, 9) == 2, "the study is there")

    def get(path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{served.root}/dicomweb{path}", headers=headers, timeout=30)

    (found,) = get(f"/studies?StudyInstanceUID={ROOT}.9").json()
    assert found["00201208"]["Value"] == [2]
    assert found["00100010"]["Value"] == [{"Alphabetic": "Rossi^Anna"}]
    assert found["00080050"]["Value"] == ["A1"]
    assert found["00080090"]["Value"] == [{"Alphabetic": "Referring^Rosa"}]
    for query in (
        "PatientID=100",
        "00080020=20240101-20240401",
        "AccessionNumber=A1",
        "ReferringPhysicianName=Referring^Rosa",
        "ModalitiesInStudy=CT",
    ):
        assert f"{ROOT}.9" in {each["0020000D"]["Value"][0] for each in get(f"/studies?{query}").json()}, (
            query
        )
    assert get("/studies?StudyDate=20250101-").json() == []
    assert len(get("/studies?limit=1&offset=1").json()) == 1
    assert get("/studies?Shoe=1").status_code == 400
    series = get(f"/studies/{ROOT}.9/series").json()
    assert sorted(each["00201209"]["Value"][0] for each in series) == [1, 1]
    instances = get(f"/studies/{ROOT}.9/instances").json()
    assert {each["00080018"]["Value"][0] for each in instances} == {each.SOPInstanceUID for each in both}
    path = f"/studies/{ROOT}.9/series/{both[0].SeriesInstanceUID}/instances/{both[0].SOPInstanceUID}"
    whole = get(path, Accept='multipart/related; type="application/dicom"')
    assert whole.status_code == 200
    assert b"DICM" in whole.content
    metadata = get(f"/studies/{ROOT}.9/metadata", Accept="application/dicom+json")
    assert len(metadata.json()) == 2
    assert archive.root not in metadata.text
    assert get(f"{path}/rendered", Accept="image/jpeg").headers["content-type"] == "image/jpeg"
    assert get(f"/studies/{ROOT}.99/metadata").status_code == 404
    assert get(f"/studies/{ROOT}.9/series/../../../../system").status_code == 404
    assert get(f"/studies/{ROOT}.9/%2e%2e/system").status_code == 404
