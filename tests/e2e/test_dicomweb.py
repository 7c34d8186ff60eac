"""Archives over DICOMweb: a study is the same however it is read, and follows what the archive does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dicom_files import with_pixels
from tests.e2e.test_composites import ROOT, SITE, Archive, instance
from tests.orthanc import Orthanc, needs_orthanc, orthanc

pytestmark = needs_orthanc


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture
def pacs(server: Orthanc, monkeypatch: pytest.MonkeyPatch) -> Orthanc:
    server.clear()
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS", server.root)
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS_NETWORKS", "127.0.0.0/8")
    return server


class Reading(Archive):
    """A store that reads archives by a list of them."""

    def read(self, *archives: str, state: bool = True) -> dict[str, Any]:
        listed = self._folder / "archives.yaml"
        listed.write_text("archives:\n" + "".join(archives) + ("state: state.json\n" if state else ""))
        site, report = self._folder / "site.yaml", self._folder / "report.json"
        site.write_text(SITE)
        (self._folder / "site.key").exists() or (self._folder / "site.key").write_text("ab" * 32)
        (self._folder / "site.key").chmod(0o600)
        done = self._bridge(
            "load", listed, "-a", "dicomweb", "--site", site, "--report", report, database=self._url
        )
        assert done.exit_code in (0, 1), done.output
        return {**json.loads(report.read_bytes()), "exit": done.exit_code}


@pytest.fixture
def store(bridge: Callable[..., Any], tmp_path: Path, fresh_database_url: str) -> Reading:
    return Reading(bridge, tmp_path, fresh_database_url)


@pytest.fixture
def other(bridge: Callable[..., Any], tmp_path: Path, other_database_url: str) -> Reading:
    (tmp_path / "other").mkdir()
    return Reading(bridge, tmp_path / "other", other_database_url)


def listed(server: Orthanc, name: str = "main", **settings: Any) -> str:
    lines = {"url": server.dicomweb, **settings}
    return f"  {name}:\n" + "".join(f"    {key}: {value}\n" for key, value in lines.items())


def slices(*numbers: int, **more: str) -> list[Any]:
    return [with_pixels(instance(number, **more)) for number in numbers]


def test_full_depth_gives_what_the_files_give(pacs: Orthanc, store: Reading, other: Reading) -> None:
    study = slices(1, 2, 3, 4, PatientName="Müller^Änne", SpecificCharacterSet="ISO_IR 100")
    pacs.store(*study)
    report = store.read(listed(pacs, depth="full"))
    assert (report["exit"], report["records"]["converted"]) == (0, 4)
    other.load(*study)
    assert store.all() == other.all()
    store.load(*study)  # the same, another way
    assert store.all() == other.all()
    other.read(listed(pacs, depth="full"))
    assert store.all() == other.all()


def test_series_depth_counts_and_reports_what_is_missing(pacs: Orthanc, store: Reading) -> None:
    pacs.store(*slices(1, 2, 3))
    report = store.read(listed(pacs))
    study = store.study()
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 3)
    assert sorted(series["numberOfInstances"] for series in study["series"]) == [1, 2]
    assert not any("instance" in series for series in study["series"])
    (issue,) = (each for each in report["issues"] if each["code"] == "FB-DCM-052")
    assert "OperatorsName" in issue["message"]
    before = store.all()
    store.load(*slices(1, 2, 3))
    after = store.study()
    assert after["id"] == study["id"]
    assert sorted(len(series["instance"]) for series in after["series"]) == [1, 2]
    assert before.keys() <= store.all().keys()


def test_a_study_follows_its_archive(pacs: Orthanc, store: Reading) -> None:
    archive = listed(pacs, sweep_days=0.0000001)
    pacs.store(*slices(1, 2))
    store.read(archive)
    pacs.store(*slices(4))
    store.read(archive)
    assert store.study()["numberOfInstances"] == 3
    quiet = store.read(archive)
    assert quiet["records"]["read"] == 0  # counts are the same: no study is asked for
    pacs.delete(f"{ROOT}.1.1.1")
    store.read(archive)
    assert store.study()["numberOfInstances"] == 2
    pacs.clear()
    store.read(archive)
    assert store.study()["status"] == "entered-in-error"


def test_changes_of_orthanc_say_what_to_read(pacs: Orthanc, store: Reading) -> None:
    archive = listed(pacs, depth="full", orthanc=pacs.root, sweep_days=1000)
    pacs.store(*slices(1, 2))
    store.read(archive)
    pacs.store(*slices(3))
    pacs.store(with_pixels(instance(1, study=2)))
    report = store.read(archive)
    assert report["records"]["converted"] == 4
    pacs.delete(f"{ROOT}.1.1.3")
    pacs.delete(f"{ROOT}.2")
    store.read(archive)
    studies = [one for one in store.all().values() if one["resourceType"] == "ImagingStudy"]
    assert sorted((one["status"], one["numberOfInstances"]) for one in studies) == [
        ("available", 2),
        ("entered-in-error", 1),
    ]


def test_what_one_archive_deletes_another_still_has(
    pacs: Orthanc, store: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    pacs.store(*slices(1, 2))
    with orthanc(folder) as second:
        monkeypatch.setenv("FHIR_BRIDGE_EGRESS", f"{pacs.root} {second.root}")
        second.store(*slices(2, 3))
        both = (
            listed(pacs, depth="full", sweep_days=0.0000001),
            listed(second, "second", depth="full", sweep_days=0.0000001),
        )
        store.read(*both)
        assert store.instances() == ["1", "2", "3"]
        pacs.clear()
        store.read(*both)
        assert store.instances() == ["2", "3"]


def test_an_archive_that_is_not_listed_or_down_costs_itself_alone(pacs: Orthanc, store: Reading) -> None:
    pacs.store(*slices(1))
    dark = "  dark:\n    url: http://127.0.0.1:9/dicom-web\n"
    report = store.read(dark, listed(pacs))
    assert report["records"] == {**report["records"], "converted": 1, "rejected": 1}
    assert "not listed" in next(e["message"] for e in report["issues"] if e["code"] == "FB-DCM-053")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ("  a:\n    url: ftp://x\n", "url"),
        ("  a:\n    url: http://x\n    dept: full\n", "dept"),
        ("  a:\n    url: http://x\n    auth: {user: u}\n", "secret_file or secret_env"),
        ("  a:\n    url: http://x\n    depth: deep\n", "depth"),
    ],
)
def test_a_wrong_list_is_named(store: Reading, settings: str, text: str) -> None:
    report = store.read(settings)
    assert report["records"]["rejected"] == 1
    assert text in report["issues"][0]["message"]
