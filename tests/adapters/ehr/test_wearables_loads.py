"""Exports of watches over several loads: corrected, sent again, of other people, with values that no body has."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy
import psycopg
import pyedflib
import pytest

from fhir_bridge.adapters.ehr.wearables import adapter
from fhir_bridge.pipeline import RunRequest, load_sources

SITE = "site: test\nzone: Europe/Berlin\ndemo_key: true\n"
HEART, STEPS, WEIGHT = (f"HKQuantityTypeIdentifier{name}" for name in ("HeartRate", "StepCount", "BodyMass"))
UNITS = {HEART: "count/min", STEPS: "count", WEIGHT: "kg"}


def record(kind: str, value: object, start: str, end: str = "", source: str = "Watch") -> str:
    times = f'startDate="2026-{start} +0100" endDate="2026-{end or start} +0100"'
    return f'<Record type="{kind}" sourceName="{source}" unit="{UNITS[kind]}" {times} value="{value}"/>\n'


class Phone:
    """Exports by one phone, loaded into a store."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        (folder / "site.yaml").write_text(SITE)

    def load(
        self,
        *records: str,
        day: str = "02-01",
        patient: str = "urn:test|77",
        name: str = "export.xml",
        **options: str,
    ) -> dict[str, Any]:
        path = self.folder / name
        written = f'<ExportDate value="2026-{day} 08:00:00 +0100"/>\n'
        path.write_text(f"<HealthData>\n{written}{''.join(records)}</HealthData>")
        options = {"patient": patient, **options}
        request = RunRequest("wearables", site=self.folder / "site.yaml", options=options)
        return load_sources(request, [str(path)], self.url).report

    def stored(self, text: str = "") -> list[dict[str, Any]]:
        """The Observations that count."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT resource_text(bytes) FROM resource WHERE type = 'Observation' AND NOT deleted"
            ).fetchall()
        found = [json.loads(row[0]) for row in rows]
        return [one for one in found if text in json.dumps(one) and one["status"] != "entered-in-error"]

    def original(self) -> str:
        """The day that the kept original states as its own."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT resource_text(bytes) FROM resource WHERE type = 'DocumentReference' AND NOT deleted"
            ).fetchall()
        live = [one for row in rows if (one := json.loads(row[0]))["status"] != "entered-in-error"]
        texts = [b64decode(one["content"][0]["attachment"]["data"]).decode() for one in live]
        return (
            max(text.partition('ExportDate value="')[2][:10] for text in texts)
            if len(texts) == 1
            else str(texts)
        )

    def values(self, text: str = "") -> list[tuple[float, float | None]]:
        """Value and count of each."""
        return sorted(
            (one["valueQuantity"]["value"], one["component"][-1]["valueQuantity"]["value"])
            if "component" in one
            else (one["valueQuantity"]["value"], None)
            for one in self.stored(text)
        )


@pytest.fixture
def phone(tmp_path: Path, fresh_database_url: str) -> Phone:
    return Phone(tmp_path, fresh_database_url)


def test_day_that_goes_on_or_is_corrected_is_replaced(phone: Phone) -> None:
    morning = [record(HEART, 60, "01-01 08:00:00"), record(HEART, 70, "01-01 09:00:00")]
    evening = [*morning, record(HEART, 110, "01-01 18:00:00")]
    phone.load(*morning, day="01-01")
    assert phone.values(HEART) == [(65, 2)]
    phone.load(*evening, day="01-02")
    assert phone.values(HEART) == [(80, 3)]
    phone.load(*evening, day="01-02")
    assert phone.values(HEART) == [(80, 3)]
    phone.load(record(HEART, 60, "01-01 08:00:00"), day="01-03")  # two samples were taken out
    assert phone.values(HEART) == [(60, 1)]


def test_samples_are_the_same_in_an_export_that_has_more_before_them(phone: Phone) -> None:
    first = [record(WEIGHT, 80, "01-01 08:00:00"), record(WEIGHT, 81, "01-02 08:00:00")]
    phone.load(*first)
    known = {one["id"] for one in phone.stored(WEIGHT)}
    phone.load(record(WEIGHT, 79, "01-01 07:00:00"), *first, day="02-02")
    assert phone.values(WEIGHT) == [(79, None), (80, None), (81, None)]
    assert known < {one["id"] for one in phone.stored(WEIGHT)}
    corrected = [first[0], record(WEIGHT, 82, "01-02 08:00:00")]
    phone.load(*corrected, day="02-03")
    assert (82, None) in phone.values(WEIGHT)
    assert (81, None) not in phone.values(WEIGHT)


MONDAY = [
    record(HEART, 60, "01-01 08:00:00"),
    record(WEIGHT, 81, "01-01 08:00:00"),
    record(STEPS, 9, "01-01 08:00:00"),
]
FRIDAY = [
    record(HEART, 60, "01-01 08:00:00"),
    record(HEART, 110, "01-01 18:00:00"),
    record(WEIGHT, 82, "01-01 08:00:00"),
    record(WEIGHT, 83, "01-04 08:00:00"),
]


@pytest.mark.parametrize("name", ["export.xml", "export 2.xml"])
@pytest.mark.parametrize(
    "days", [("02-01", "02-05"), ("02-05", "02-01"), ("02-05", "02-01", "02-05", "02-01")]
)
def test_newest_export_counts_in_whatever_order_they_are_loaded(
    phone: Phone, days: tuple[str, ...], name: str
) -> None:
    exports = {"02-01": (MONDAY, "export.xml"), "02-05": (FRIDAY, name)}
    for day in days:
        records, called = exports[day]
        report = phone.load(*records, day=day, name=called)
        assert report["records"]["rejected"] == 0
    assert phone.values(HEART) == [(85, 2)]
    assert phone.values(WEIGHT) == [(82, None), (83, None)]
    assert phone.values(STEPS) == []  # taken out before the newer export
    assert phone.original() == "2026-02-05"


SUNDAY = [
    record(HEART, 60, "01-01 08:00:00"),
    record(HEART, 90, "01-01 18:00:00"),
    record(WEIGHT, 82, "01-01 08:00:00"),
    record(WEIGHT, 84, "01-06 08:00:00"),
]


@pytest.mark.parametrize("order", list(permutations(("02-01", "02-05", "02-08"))))
def test_any_order_of_three_exports_and_re_loads_ends_at_the_newest(
    phone: Phone, order: tuple[str, ...]
) -> None:
    exports = {"02-01": MONDAY, "02-05": FRIDAY, "02-08": SUNDAY}
    seen: set[str] = set()
    for day in (*order, order[0], order[1]):
        seen.add(day)
        phone.load(*exports[day], day=day)
        newest = {
            "02-01": ([(60, 1)], 81, [(9, 1)]),
            "02-05": ([(85, 2)], 82, []),
            "02-08": ([(75, 2)], 82, []),
        }
        heart, weight, steps = newest[max(seen)]
        assert phone.values(HEART) == heart, "a load never goes back"
        assert (weight, None) in phone.values(WEIGHT)
        assert phone.values(STEPS) == steps
    assert phone.values(WEIGHT) == [(82, None), (84, None)]
    assert phone.original() == "2026-02-08"


@pytest.mark.parametrize("again", [("02-01", "02-05"), ("02-05", "02-01")])
def test_exports_of_a_version_that_took_the_last_are_loaded_again(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, again: tuple[str, str]
) -> None:
    exports = {"02-01": MONDAY, "02-05": FRIDAY}
    digest = adapter._digest
    with monkeypatch.context() as patch:  # as that version named its records
        patch.setattr(adapter, "export_date", lambda _file: None)
        patch.setattr(adapter, "_digest", lambda *parts: digest(*filter(None, parts)))
        for day in ("02-05", "02-01"):
            phone.load(*exports[day], day=day)
    assert phone.values(HEART) == [(60, 1)]
    for day in again:
        report = phone.load(*exports[day], day=day, replace_undated="true")
        assert report["records"]["rejected"] == 0
    assert phone.values(HEART) == [(85, 2)]
    assert phone.values(WEIGHT) == [(82, None), (83, None)]
    assert phone.values(STEPS) == []
    phone.load(*SUNDAY, day="02-08")
    assert phone.values(HEART) == [(75, 2)]


def test_export_that_has_little_of_an_older_one_takes_nothing_else_back(phone: Phone) -> None:
    older = [record(WEIGHT, 80 + day, f"01-0{day} 08:00:00") for day in range(1, 7)]
    phone.load(record(WEIGHT, 70, "01-01 08:00:00"), day="02-05")  # a new phone, without what the old one had
    report = phone.load(*older, day="02-01")
    assert phone.values(WEIGHT) == [(70, None), *((80 + day, None) for day in range(2, 7))]
    assert {issue["code"] for issue in report["issues"]} == {"FB-STALE", "FB-STORE-029"}


def test_newer_export_that_is_cut_off_takes_nothing_back(phone: Phone) -> None:
    phone.load(*MONDAY, day="02-01")
    phone.load(*FRIDAY, "<Record", day="02-05")
    assert phone.values(HEART) == [(85, 2)]
    assert phone.values(STEPS) == [(9, 1)]


def test_exports_of_two_people_have_one_name_and_nothing_in_common(phone: Phone) -> None:
    phone.load(record(HEART, 60, "01-01 08:00:00"), record(WEIGHT, 80, "01-01 08:00:00"))
    report = phone.load(
        record(HEART, 90, "01-01 08:00:00"), record(WEIGHT, 55, "01-01 08:00:00"), patient="urn:test|78"
    )
    assert report["records"]["rejected"] == 0
    assert phone.values(HEART) == [(60, 1), (90, 1)]
    assert phone.values(WEIGHT) == [(55, None), (80, None)]
    assert len({one["subject"]["reference"] for one in phone.stored()}) == 2
    originals = {one["derivedFrom"][0]["reference"] for one in phone.stored()}
    assert len(originals) == 2
    phone.load(record(HEART, 61, "01-01 08:00:00"), record(WEIGHT, 80, "01-01 08:00:00"), day="02-02")
    assert phone.values(HEART) == [(61, 1), (90, 1)]


def test_two_devices_count_each_for_itself(phone: Phone) -> None:
    phone.load(
        record(STEPS, 100, "01-01 08:00:00", "01-01 08:05:00", source="Phone"),
        record(STEPS, 110, "01-01 08:00:00", "01-01 08:05:00", source="Watch"),
    )
    assert phone.values(STEPS) == [(100, 1), (110, 1)]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [(HEART, (60, 70), (900,)), (HEART, (60, 70), (1, 0)), (STEPS, (30, 35), (90_000,))],
)
def test_value_that_no_body_has_is_named_with_its_line_and_in_no_summary(
    phone: Phone, kind: str, good: tuple[int, int], bad: tuple[int, ...]
) -> None:
    minute = ("01-01 08:00:00", "01-01 08:01:00"), ("01-01 09:00:00", "01-01 09:01:00")
    samples = [record(kind, value, *times) for value, times in zip(good, minute, strict=True)]
    wrong = [record(kind, value, f"01-01 1{n}:00:00", f"01-01 1{n}:01:00") for n, value in enumerate(bad)]
    report = phone.load(*samples, *wrong)
    assert report["records"]["rejected"] == len(bad)
    issues = [issue for issue in report["issues"] if issue["code"] == "FB-WEAR-002"]
    assert issues[0]["source"] == "export.xml:5"
    assert sum(issue["count"] for issue in issues) == len(bad)
    assert "900" not in json.dumps(issues)
    expected = sum(good) if kind == STEPS else sum(good) / 2
    assert phone.values(kind) == [(expected, 2)]
    (stored,) = phone.stored(kind)
    limits = [part["valueQuantity"]["value"] for part in stored["component"]]
    assert limits == ([2] if kind == STEPS else [60, 70, 2])


def edf(path: Path, code: str) -> None:
    with pyedflib.EdfWriter(str(path), 1, file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        limits = {"physical_min": -1.0, "physical_max": 1.0, "digital_min": -100, "digital_max": 100}
        writer.setSignalHeader(
            0,
            {
                "label": "II",
                "dimension": "mV",
                "sample_frequency": 10,
                "transducer": "",
                "prefilter": "",
                **limits,
            },
        )
        writer.setPatientCode(code)
        writer.setEquipment("Box")
        writer.setStartdatetime(datetime(2026, 5, 1, 10, 0))
        writer.writeSamples([numpy.zeros(10)])


def subjects(phone: Phone) -> dict[str, set[str]]:
    """Whose what counts is, by type."""
    with psycopg.connect(phone.url) as connection:
        rows = connection.execute(
            "SELECT resource_text(bytes) FROM resource WHERE type IN ('Observation', 'Device', 'DocumentReference')"
            " AND NOT deleted"
        ).fetchall()
    result: dict[str, set[str]] = {}
    for resource in (json.loads(row[0]) for row in rows):
        if resource["status"] != "entered-in-error":
            subject = resource.get("subject") or resource.get("patient")
            result.setdefault(resource["resourceType"], set()).add(subject["reference"])
    return result


@pytest.mark.parametrize("named", ["urn:test|4711", "urn:test|4712"])
def test_recording_is_of_the_patient_named_whatever_code_its_file_states(phone: Phone, named: str) -> None:
    path = phone.folder / "holter.edf"
    edf(path, "4711")

    def load(options: dict[str, str]) -> list[str]:
        request = RunRequest("wearables", site=phone.folder / "site.yaml", options=options)
        report = load_sources(request, [str(path)], phone.url).report
        return [issue["code"] for issue in report.get("issues", ())]

    load({})
    (of_code,) = subjects(phone)["Observation"]
    assert set(subjects(phone)) == {"Observation", "Device", "DocumentReference"}
    assert all(whose == {of_code} for whose in subjects(phone).values())
    for _ in range(2):
        assert load({"patient": named}).count("FB-WEAR-004") == (named == "urn:test|4712")
        now = subjects(phone)
        assert len(now["Observation"]) == 1
        assert of_code not in now["Observation"]
        assert now["Observation"] == now["DocumentReference"] == now["Device"]
