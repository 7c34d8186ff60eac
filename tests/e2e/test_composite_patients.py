"""Whose a study is, over several loads: notes and second contents of another patient, and who is left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from .test_composites import Archive, archive, instance, other_archive, rejection

__all__ = ["archive", "other_archive"]

OTHER = {"PatientID": "200", "PatientName": "Bianchi^Carlo"}


def of(dataset: Dataset, patient: dict[str, str]) -> Dataset:
    """The data set, about this patient."""
    for keyword, value in patient.items():
        setattr(dataset, keyword, value)
    return dataset


def codes(report: dict[str, Any]) -> list[str]:
    """The issues of a load, but for what no rule represents: the same of every object here."""
    return sorted(
        issue["code"] for issue in report["issues"] if issue["code"] not in ("FB-DCM-031", "FB-DCM-032")
    )


def test_a_note_of_another_patient_deletes_nothing(archive: Archive) -> None:
    archive.load(instance(1), instance(2))
    before = archive.all()
    done = archive.load(of(rejection(instance(1), time="20240302120000"), OTHER))
    assert (done["exit"], codes(done)) == (1, ["FB-DCM-025", "FB-STORE-018"])
    assert archive.all() == before
    archive.load(instance(1), instance(2))
    assert archive.all() == before


def test_a_note_of_another_patient_that_came_first_deletes_nothing(
    archive: Archive, other_archive: Archive
) -> None:
    archive.load(of(rejection(instance(1), time="20240302120000"), OTHER))
    assert archive.load(instance(1), instance(2))["records"]["converted"] == 2
    assert archive.load(instance(3))["exit"] == 0
    other_archive.load(instance(1), instance(2), instance(3))
    assert archive.all() == other_archive.all()


def test_a_note_of_a_linked_patient_is_of_the_same_patient(archive: Archive, tmp_path: Path) -> None:
    archive.load(instance(1), instance(2))
    archive.load(of(instance(1, study=2), OTHER))
    patients = {
        one["identifier"][0]["value"]: name.partition("/")[2]
        for name, one in archive.all().items()
        if name.startswith("Patient/")
    }
    link = [{"other": {"reference": f"Patient/{patients['200']}"}, "type": "replaced-by"}]
    merged = {"resourceType": "Patient", "id": patients["100"], "active": False, "link": link}
    (tmp_path / "merged.ndjson").write_text(json.dumps(merged))
    archive.load_file(tmp_path / "merged.ndjson")
    done = archive.load(of(rejection(instance(1), time="20240302120000"), OTHER))
    assert (done["exit"], codes(done)) == (0, ["FB-DCM-025"])
    again = archive.load(instance(1))
    assert again["records"]["skipped"] == 1
    (study,) = (
        one
        for one in archive.all().values()
        if one.get("numberOfInstances") and one["subject"] == {"reference": f"Patient/{patients['100']}"}
    )
    assert [each["uid"][-4:] for series in study["series"] for each in series["instance"]] == [".1.2"]


@pytest.mark.parametrize("time", ["080000", "230000"])
def test_a_second_content_of_another_patient_changes_nothing(archive: Archive, time: str) -> None:
    archive.load(instance(1), instance(2))
    before = archive.all()
    done = archive.load(of(instance(1, ContentTime=time), OTHER))
    assert (done["exit"], codes(done), done["records"]["rejected"]) == (1, ["FB-STORE-018"], 1)
    assert archive.all() == before


def test_what_a_stored_note_deletes_is_skipped_and_not_converted(archive: Archive) -> None:
    archive.load(rejection(instance(1), time="20240302120000"))
    done = archive.load(instance(1), instance(2))
    counts = {"read": 2, "converted": 1, "partial": 0, "skipped": 1, "rejected": 0}
    assert (done["records"], codes(done), done["exit"]) == (counts, ["FB-STORE-027"], 0)
    assert archive.instances() == ["2"]
    done = archive.load(instance(1))
    assert (done["records"]["converted"], done["records"]["skipped"]) == (0, 1)


def test_a_content_that_does_not_count_is_skipped_and_not_converted(archive: Archive) -> None:
    archive.load(instance(1))
    done = archive.load(instance(1, ContentTime="230000", StudyDescription="Later"), instance(2))
    assert (done["records"]["converted"], done["records"]["skipped"]) == (1, 1)
    assert archive.load(instance(1), instance(2))["records"]["converted"] == 2  # as they are there


def test_a_note_without_a_time_of_its_own_deletes_nothing_and_says_so(archive: Archive) -> None:
    archive.load(instance(1))
    note = rejection(instance(1), time="20240302120000")
    del note.ContentDate, note.ContentTime
    note.StudyDate = "20240310"
    assert codes(archive.load(note)) == ["FB-DCM-025", "FB-DCM-028"]
    assert archive.instances() == ["1"]


def test_who_is_named_by_nothing_any_more_is_gone(archive: Archive, other_archive: Archive) -> None:
    first = instance(1, patient=None, ReferringPhysicianName="Verdi^Luca", ContentTime="230000")
    later = [instance(2), instance(1, patient=None)]
    archive.load(first)
    done = archive.load(*later)
    assert "FB-STORE-016" not in codes(done)
    other_archive.load(first, *later)
    assert archive.all() == other_archive.all()
    assert sum(name.startswith("Patient/") for name in archive.all()) == 1
