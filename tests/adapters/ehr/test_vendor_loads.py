"""Loads of another system's FHIR one after the other: what it changed last counts, in any order of its exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.command import Done, run_command

Load = Callable[..., Done]
SITE = """site: test
demo_key: true
zone: Europe/Zurich
"""
IDENTITY = """identity:
  authorities: {HOSP: "urn:oid:2.25.1001"}
"""


class Vendor:
    """A system whose exports are loaded, and what the store has of it then."""

    def __init__(self, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url = url
        self._folder = folder
        monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", url)
        self.site(SITE)

    def site(self, text: str) -> None:
        """Write the site file."""
        (self._folder / "site.yaml").write_text(text)

    def load(self, *exports: list[dict[str, Any]], options: tuple[str, ...] = ()) -> Done:
        """Load files, each of resources."""
        paths = []
        for number, resources in enumerate(exports):
            path = self._folder / f"export{number}.ndjson"
            path.write_text("".join(json.dumps(one) + "\n" for one in resources))
            paths.append(path)
        site = self._folder / "site.yaml"
        report = self._folder / "report.json"
        done = run_command(
            "load", *paths, "--adapter", "fhir", "--site", site, "--set", "name=clinic", "--report", report, *options
        )  # fmt: skip
        self.report = json.loads(report.read_text()) if report.exists() else {}
        return done

    @property
    def codes(self) -> set[str]:
        """The codes of the last load's issues."""
        return {issue["code"] for issue in self.report["issues"]}

    def stored(self, kind: str) -> list[dict[str, Any]]:
        """What is current of a type."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT resource_text(bytes) FROM resource WHERE type = %s AND NOT deleted AND bytes IS NOT NULL",
                (kind,),
            ).fetchall()
        return [json.loads(row[0]) for row in rows]


@pytest.fixture
def vendor(tmp_path: Path, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    return Vendor(tmp_path, fresh_database_url, monkeypatch)


def patient(updated: str = "2026-01-01", family: str = "x", identity: str = "p") -> dict[str, Any]:
    return {
        "resourceType": "Patient", "id": identity, "meta": {"lastUpdated": f"{updated}T00:00:00Z"},
        "identifier": [{"system": "urn:oid:2.25.1001", "value": f"MRN-{identity}"}], "name": [{"family": family}],
    }  # fmt: skip


def result(
    identity: str, value: float, updated: str | None = "2026-01-01", of: str = "p", status: str = "final"
) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": identity, "status": status, "code": {"text": "Glucose"},
        "subject": {"reference": f"Patient/{of}"}, "valueQuantity": {"value": value, "unit": "mmol/L"},
        **({"meta": {"lastUpdated": f"{updated}T00:00:00Z"}} if updated else {}),
    }  # fmt: skip


STATES = [
    [patient("2026-01-01", "Old"), result("o", 1, "2026-01-01")],
    [patient("2026-02-01", "New"), result("o", 2, "2026-02-01")],
    [patient("2026-03-01", "New"), result("o", 2, "2026-03-01", status="entered-in-error")],
]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_state_that_was_changed_last_counts_in_any_order_of_loads(
    vendor: Vendor, order: tuple[int, ...]
) -> None:
    for number in (*order, *order, order[0]):
        assert vendor.load(STATES[number]).returncode == 0
    (observation,) = vendor.stored("Observation")
    assert (observation["status"], observation["valueQuantity"]["value"]) == ("entered-in-error", 2)
    (known,) = vendor.stored("Patient")
    assert known["name"] == [{"family": "New"}]


def test_older_state_is_reported_once_and_changes_nothing_when_sent_again(vendor: Vendor) -> None:
    vendor.load(STATES[2])
    vendor.load(STATES[0])
    assert "FB-STALE" in vendor.codes
    vendor.load(STATES[0])
    assert (vendor.codes, vendor.report["stored"]["unchanged"]) == (set(), 2)


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_files_of_one_load_are_in_no_order(vendor: Vendor, order: tuple[int, ...]) -> None:
    vendor.load(*(STATES[number] for number in order))
    vendor.load(*(STATES[number] for number in reversed(order)))
    assert vendor.report["stored"]["updated"] == vendor.report["stored"]["created"] == 0
    (observation,) = vendor.stored("Observation")
    assert (observation["status"], observation["valueQuantity"]["value"]) == ("entered-in-error", 2)


def test_state_without_a_time_is_older_than_one_with(vendor: Vendor) -> None:
    vendor.load(STATES[2])
    vendor.load([patient(), result("o", 9, None)])
    assert vendor.stored("Observation")[0]["status"] == "entered-in-error"
    assert "FB-STALE" in vendor.codes


def test_result_of_no_time_is_as_it_was_last_sent(vendor: Vendor) -> None:
    for value in (1, 2, 1):
        vendor.load([patient(), result("o", value, None)])
        assert vendor.stored("Observation")[0]["valueQuantity"]["value"] == value


def test_result_that_was_moved_to_its_patient_is_not_moved_back(vendor: Vendor) -> None:
    both = [patient(), patient(identity="q")]
    vendor.load([*both, result("o", 1, "2026-01-01", of="p")])
    vendor.load([*both, result("o", 1, "2026-02-01", of="q")])
    (moved,) = vendor.stored("Observation")
    vendor.load([*both, result("o", 1, "2026-01-15", of="p")])
    (after,) = vendor.stored("Observation")
    assert after["subject"] == moved["subject"]
    assert after["status"] == "final"
    patients = {one["identifier"][0]["value"]: one["id"] for one in vendor.stored("Patient")}
    assert after["subject"] == {"reference": f"Patient/{patients['MRN-q']}"}


def test_conversion_by_other_settings_replaces_what_was_changed_at_the_same_time(vendor: Vendor) -> None:
    vendor.load(STATES[1])
    before = vendor.stored("Patient")[0]["id"]
    vendor.site(SITE + IDENTITY + "  patient_authority: urn:oid:2.25.1001\n")
    vendor.load(STATES[1])
    vendor.load(STATES[0])
    (observation,) = vendor.stored("Observation")
    assert observation["valueQuantity"]["value"] == 2
    assert observation["subject"]["reference"].removeprefix("Patient/") in {
        one["id"] for one in vendor.stored("Patient")
    }
    assert before


@pytest.mark.parametrize("site", [SITE, SITE + IDENTITY, SITE + IDENTITY + "  unlinked: source\n"])
def test_results_without_their_patient_are_of_the_patient_stored_from_the_system(
    vendor: Vendor, site: str
) -> None:
    vendor.site(site)
    vendor.load([patient(), result("o1", 5), result("o2", 6)])
    done = vendor.load([result("o1", 5.5, "2026-01-02"), result("o3", 7, "2026-01-02")])
    assert (done.returncode, vendor.codes) == (0, set())
    (known,) = vendor.stored("Patient")
    results = vendor.stored("Observation")
    assert sorted(one["valueQuantity"]["value"] for one in results) == [5.5, 6, 7]
    assert {one["subject"]["reference"] for one in results} == {f"Patient/{known['id']}"}
    assert {one["status"] for one in results} == {"final"}


@pytest.mark.parametrize("site", [SITE, SITE + IDENTITY, SITE + IDENTITY + "  unlinked: source\n"])
def test_results_of_a_patient_who_is_nowhere_wait_until_the_patient_comes(vendor: Vendor, site: str) -> None:
    vendor.site(site)
    done = vendor.load([result("o1", 5)])
    assert (done.returncode, vendor.codes) == (1, {"FB-ID-004"})
    assert vendor.stored("Observation") == []
    assert vendor.load([patient()]).returncode == 0
    assert vendor.report["inbox"]["settled"] == 1
    (known,) = vendor.stored("Patient")
    (stored,) = vendor.stored("Observation")
    assert stored["subject"] == {"reference": f"Patient/{known['id']}"}


def test_what_waits_for_its_patient_takes_nothing_back(vendor: Vendor) -> None:
    vendor.load([patient(), result("o1", 5)])
    vendor.load([result("o1", 5.5, "2026-01-02", of="unknown")])
    assert vendor.codes == {"FB-ID-004"}
    (stored,) = vendor.stored("Observation")
    assert (stored["status"], stored["valueQuantity"]["value"]) == ("final", 5)


def test_patient_of_another_system_with_the_same_id_is_another(vendor: Vendor) -> None:
    vendor.load([patient()])
    vendor.load([result("o1", 5)], options=("--set", "name=other-clinic"))
    assert vendor.codes == {"FB-ID-004"}
    assert vendor.stored("Observation") == []


def test_identifier_beside_a_reference_says_who_it_is(vendor: Vendor) -> None:
    vendor.site(SITE + IDENTITY)
    vendor.load([patient()])
    stated = result("o1", 5, of="elsewhere")
    stated["subject"]["identifier"] = {"system": "urn:oid:2.25.1001", "value": "MRN-p"}
    vendor.load([stated], options=("--set", "name=other-clinic"))
    (known,) = vendor.stored("Patient")
    assert vendor.stored("Observation")[0]["subject"]["reference"] == f"Patient/{known['id']}"
