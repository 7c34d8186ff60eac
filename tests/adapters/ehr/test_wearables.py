"""Watches, scales and recorders: many samples become few resources, and nothing of a file is lost without a word."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy
import pyedflib
import pytest

from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.mapping import Site
from tests.adapters.ehr.conftest import Converted, compiled_mapping, convert

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pandas, which wfdb uses
    import wfdb

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, which wfdb uses
Write = Callable[..., Path]
SITE = Site(site="test", zone="Europe/Rome", demo_key=True)
HEAD = '<?xml version="1.0"?>\n<!DOCTYPE HealthData [\n<!ELEMENT HealthData ANY>\n]>\n<HealthData>\n'
RATE = "HKQuantityTypeIdentifierHeartRate"


def record(kind: str, unit: str, value: object, start: datetime, source: str = "Watch") -> str:
    time = f"{start:%Y-%m-%d %H:%M:%S} +0100"
    times = f'startDate="{time}" endDate="{time}"'
    return f'<Record type="{kind}" sourceName="{source}" unit="{unit}" {times} value="{value}"/>\n'


def converted(path: Path, **options: Any) -> Converted:
    compiled = compiled_mapping("ehr/wearables")
    kept = dict(compiled.source_options)
    compiled.source_options.update({"patient": "urn:test|77", **options})
    try:
        result = convert("ehr/wearables", [path], SITE)
    finally:
        compiled.source_options.clear()
        compiled.source_options.update(kept)
    for resource in result.resources:
        errors = [i for i in get_validator().validate(resource) if i.severity in ("error", "fatal")]
        assert not errors, (resource["resourceType"], errors)
    return result


def test_weeks_of_heart_rate_are_a_summary_a_day_and_the_original_is_kept(write: Write) -> None:
    first = datetime(2023, 3, 1)
    rates = [(first + timedelta(minutes=10 * number), 60 + number % 40) for number in range(6 * 24 * 21)]
    path = write(
        "export.xml", HEAD + "".join(record(RATE, "count/min", v, t) for t, v in rates) + "</HealthData>"
    )
    result = converted(path)
    days = result.of("Observation")
    assert len(days) == 21
    counts = [part["valueQuantity"]["value"] for day in days for part in day["component"]]
    assert [int(count) for count in counts[2::3]] == [144] * 21
    assert {day["effectivePeriod"]["start"] for day in days} == {
        f"{first + timedelta(days=number):%Y-%m-%d}" for number in range(21)
    }
    (original,) = result.of("DocumentReference")
    assert original["content"][0]["attachment"]["size"] == path.stat().st_size
    assert original["content"][0]["attachment"]["data"]
    assert days[0]["derivedFrom"] == [{"reference": f"DocumentReference/{original['id']}"}]
    hours = converted(path, summarise="hour", keep_mb="0").of("Observation")
    assert len(hours) == 24 * 21
    assert hours[0]["effectivePeriod"]["start"] == "2023-03-01T00:00:00+01:00"
    assert len({day["id"] for day in (*days, *hours)}) == 25 * 21


def test_zip_of_the_phone_is_read_and_what_is_in_it_beside_is_listed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        text = HEAD + record(RATE, "count/min", 60, datetime(2023, 3, 1)) + "</HealthData>"
        archive.writestr("apple_health_export/export.xml", text)
        archive.writestr("apple_health_export/clinical-records/a.json", "{}")
    result = converted(tmp_path / "export.zip")
    assert len(result.of("Observation")) == 1
    (issue,) = [issue for issue in result.issues if issue.code == "FB-WEAR-003"]
    assert "clinical-records (1 files" in issue.message


ECG = """Name,"Ada Keller"
Date of Birth,"1 Jan 1980"
Recorded Date,2023-03-01 10:00:00 +0100
Classification,Sinus Rhythm
Symptoms,
Software Version,1.9
Device,"Apple Watch"
Sample Rate,512 hertz


Lead,Lead I
Unit,µV

"""


def test_ecgs_workouts_and_routes_of_the_phone(tmp_path: Path) -> None:
    workout = """<Workout workoutActivityType="HKWorkoutActivityTypeRunning" duration="30.5" durationUnit="min"
        startDate="2023-03-02 08:00:00 +0100" endDate="2023-03-02 08:30:30 +0100" sourceName="Watch">
        <WorkoutStatistics type="HKQuantityTypeIdentifierDistanceWalkingRunning" sum="5.2" unit="km"/>
        <WorkoutRoute><FileReference path="/workout-routes/route_1.gpx"/></WorkoutRoute></Workout>"""
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("apple_health_export/export.xml", HEAD + workout + "</HealthData>")
        folder = "apple_health_export/electrocardiograms"
        archive.writestr(f"{folder}/ecg_1.csv", ECG + "-12.345\n7,5\n0\n")
        archive.writestr(f"{folder}/ecg_2.csv", ECG + "1\nx\n")
        archive.writestr("apple_health_export/workout-routes/route_1.gpx", "<gpx/>")
    result = converted(tmp_path / "export.zip")
    ecg, run = sorted(result.of("Observation"), key=lambda each: "valueQuantity" in each)
    (lead,) = ecg["component"]
    assert lead["valueSampledData"]["data"] == "-12345 7500 0"
    assert (lead["valueSampledData"]["origin"]["code"], lead["valueSampledData"]["factor"]) == (
        "uV",
        Decimal("0.001"),
    )
    assert {"text": "Classification: Sinus Rhythm"} in ecg["note"]
    assert run["valueQuantity"]["value"] == Decimal("30.5")
    assert run["note"] == [{"text": "DistanceWalkingRunning: sum 5.2 km; route: route_1.gpx"}]
    assert {each["content"][0]["attachment"]["title"] for each in result.of("DocumentReference")} == {
        "export.zip",
        "route_1.gpx",
    }
    assert [outcome for locator, outcome in result.outcomes if "ecg_2" in locator] == ["rejected"]
    assert not any("Keller" in issue.message for issue in result.issues)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">',
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;',
    ],
)
def test_entities_are_refused(declaration: str, write: Write) -> None:
    body = record(RATE, "count/min", 60, datetime(2023, 3, 1))
    path = write(
        "export.xml", HEAD.replace("<!ELEMENT HealthData ANY>", declaration) + body + "</HealthData>"
    )
    result = converted(path)
    assert ("export.xml", "rejected") in result.outcomes
    assert not result.of("Observation")


def test_what_comes_before_the_place_where_an_export_is_cut_off_counts(write: Write) -> None:
    body = "".join(
        record("HKQuantityTypeIdentifierBodyMass", "kg", 70 + n, datetime(2023, 3, 1 + n)) for n in range(3)
    )
    result = converted(
        write("export.xml", HEAD + body + record(RATE, "count/min", 60, datetime(2023, 3, 1)) + "<Rec")
    )
    assert len(result.of("Observation")) == 4
    assert [outcome for _, outcome in result.outcomes].count("rejected") == 1
    assert next(issue for issue in result.issues if issue.code == "FB-WEAR-001").message.startswith(
        "export.xml: line 10"
    )


def test_pressure_is_a_panel_once_and_a_vital_sign_in_no_unit_of_its_kind_is_in_a_note(write: Write) -> None:
    when = datetime(2023, 3, 1, 7)
    pair = record("HKQuantityTypeIdentifierBloodPressureSystolic", "mmHg", 137, when) + record(
        "HKQuantityTypeIdentifierBloodPressureDiastolic", "mmHg", 83, when
    )
    wrong = record("HKQuantityTypeIdentifierBodyTemperature", "kg", 37, when)
    text = f"{HEAD}{pair}<Correlation type='x'>{pair}</Correlation>{wrong}</HealthData>"
    panel, temperature = sorted(
        converted(write("export.xml", text)).of("Observation"), key=lambda one: "component" not in one
    )
    assert [int(part["valueQuantity"]["value"]) for part in panel["component"]] == [137, 83]
    assert "valueQuantity" not in temperature
    assert temperature["note"] == [{"text": "37 kg"}]


def test_point_that_is_none_is_named_with_its_line_and_the_others_are_converted(write: Write) -> None:
    header = '"header": {"schema_id": {"namespace": "omh", "name": "body-weight", "version": "1.0"}}'
    frame = '"effective_time_frame": {"date_time": "TIME"}'
    good = "{" + header + ', "body": {"body_weight": {"value": 70.5, "unit": "kg"}, ' + frame + "}}"
    lines = [
        good.replace("TIME", "2023-01-01T08:00:00+01:00"),
        '{"header": {',
        good.replace("TIME", "2023-01-02T08:00:00"),
        good.replace("body-weight", "mood"),
        good.replace("70.5", '"heavy"'),
    ]
    result = converted(write("points.ndjson", "\n".join(lines)))
    assert [one["effectiveDateTime"] for one in result.of("Observation")] == [
        "2023-01-01T08:00:00+01:00",
        "2023-01-02T08:00:00+01:00",
    ]
    rejected = [locator for locator, outcome in result.outcomes if outcome == "rejected"]
    assert rejected == ["points.ndjson:2", "points.ndjson:4", "points.ndjson:5"]


@pytest.fixture
def ecg(tmp_path: Path) -> Path:
    samples = numpy.array([[0, 10], [100, -5], [200, -32768]], dtype="int16")
    wfdb.wrsamp(
        "rec1",
        fs=250,
        units=["mV", "mV"],
        sig_name=["II", "V1"],
        d_signal=samples,
        fmt=["16", "16"],
        adc_gain=[200.0, 200.0],
        baseline=[0, 0],
        comments=["taken at rest"],
        base_date=datetime(2024, 5, 1).date(),
        base_time=datetime(2024, 5, 1, 10, 0).time(),
        write_dir=str(tmp_path),
    )
    return tmp_path / "rec1.hea"


def test_ecg_of_wfdb_is_sampled_data_by_lead(ecg: Path) -> None:
    result = converted(ecg)
    (observation,) = result.of("Observation")
    assert [coding["code"] for coding in observation["code"]["coding"]] == ["131328", "11524-6"]
    first, second = (part["valueSampledData"] for part in observation["component"])
    assert (first["data"], second["data"]) == ("0 100 200", "10 -5 E")
    assert (first["period"], first["factor"], first["origin"]["code"]) == (4, Decimal("0.005"), "mV")
    assert observation["effectivePeriod"]["start"] == "2024-05-01T10:00:00+02:00"
    assert len(result.of("DocumentReference")) == 2
    assert observation["note"] == [{"text": "taken at rest"}]


def test_recording_beyond_the_limit_is_in_the_original_alone(ecg: Path) -> None:
    (observation,) = converted(ecg, inline_samples="4").of("Observation")
    assert "component" not in observation
    assert observation["dataAbsentReason"]["coding"][0]["code"] == "unsupported"
    assert "6 samples" in observation["note"][0]["text"]


def test_header_of_segments_names_their_channels_and_keeps_their_files(ecg: Path) -> None:
    whole = ecg.with_name("whole.hea")
    whole.write_text("whole/2 2 250 6\nrec1 3\n~ 3\n")
    result = converted(whole)
    (observation,) = result.of("Observation")
    assert "12 samples" in observation["note"][0]["text"]
    assert len(result.of("DocumentReference")) == 3
    whole.write_text("whole/1 2 250 3\n../rec1 3\n")
    assert converted(whole).outcomes == [("whole.hea", "rejected")]


def test_unit_that_is_none_is_in_a_note_and_a_recording_without_a_rate_is_refused(ecg: Path) -> None:
    text = ecg.read_text()
    ecg.write_text(text.replace("/mV", "/furlong", 1))
    (observation,) = converted(ecg).of("Observation")
    assert {"text": "II is in furlong"} in observation["note"]
    name, channels, *_ = text.split("\n", 1)[0].split()
    for first in (text.split("\n", 1)[0].replace(" 250 ", " 0 "), f"{name} {channels}"):
        ecg.write_text(f"{first}\n{text.split(chr(10), 1)[1]}")
        result = converted(ecg)
        assert result.outcomes == [("rec1.hea", "rejected")]
        assert "no rate" in result.issues[0].message


def test_recording_without_its_samples_is_refused(ecg: Path) -> None:
    ecg.with_suffix(".dat").unlink()
    result = converted(ecg)
    assert result.outcomes == [("rec1.hea", "rejected")]
    assert "rec1.dat" in result.issues[0].message


def test_edf_is_read_with_its_ranges_and_annotations_and_a_cut_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "holter.edf"
    with pyedflib.EdfWriter(str(path), 1, file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setSignalHeaders(
            [
                {
                    "label": "ECG II",
                    "dimension": "uV",
                    "sample_frequency": 100,
                    "physical_min": -1000.0,
                    "physical_max": 1000.0,
                    "digital_min": -1000,
                    "digital_max": 1000,
                    "transducer": "",
                    "prefilter": "",
                }
            ]
        )
        writer.setStartdatetime(datetime(2024, 5, 1, 10, 0))
        writer.writeSamples([numpy.arange(100, dtype="float64")])
        writer.writeAnnotation(0.5, -1, "symptom")
    (observation,) = converted(path).of("Observation")
    sampled = observation["component"][0]["valueSampledData"]
    assert sampled["data"].split()[:3] == ["0", "1", "2"]
    assert sampled["origin"]["code"] == "uV"
    assert observation["effectivePeriod"] == {
        "start": "2024-05-01T10:00:00+02:00",
        "end": "2024-05-01T10:00:01+02:00",
    }
    assert {"text": "0.5 s: symptom"} in observation["note"]
    path.write_bytes(path.read_bytes()[:300])
    assert converted(path).outcomes == [("holter.edf", "rejected")]


def test_record_that_says_what_cannot_be_is_rejected_with_its_line_and_the_others_are_converted(
    write: Write,
) -> None:
    when = datetime(2023, 3, 1, 7)
    sleep = (
        '<Record type="HKCategoryTypeIdentifierSleepAnalysis" sourceName="Watch" value="AsleepREM" '
        'startDate="{}" endDate="{}"/>\n'
    )
    bad = [
        record(RATE, "count/min", "1e400", when),
        record(RATE, "count/min", "NaN", when),
        sleep.format("2023-02-30 02:00:00 +0100", "2023-03-01 06:00:00 +0100"),
        sleep.format("2023-03-01 02:00:00 +0100", "2023-03-01 06:00:00 +9900"),
        sleep.format("2023-03-01 07:00:00 +0100", "2023-03-01 06:00:00 +0100"),
        record("HKQuantityTypeIdentifierOxygenSaturation", "%", 97, when),
        record("HKQuantityTypeIdentifierBloodPressureSystolic", "kg", 16, when),
        record(RATE, "count/min", -5, when),
        record("HKQuantityTypeIdentifierBodyMass", "kg", -80, when),
    ]
    good = [
        record(RATE, "count/s", 1, when),
        record(RATE, "count/min", 60, when + timedelta(seconds=5)),
        record("HKQuantityTypeIdentifierBloodPressureSystolic", "mmHg", 120, when),
    ]
    other = record("HKQuantityTypeIdentifierBloodPressureSystolic", "mmHg", 130, when)
    result = converted(write("export.xml", HEAD + "".join([*bad, *good, other]) + "</HealthData>"))
    rejected = [locator for locator, outcome in result.outcomes if outcome == "rejected"]
    assert rejected == [f"export.xml:{line}" for line in (*range(6, 15), 18)]
    pressure, rate = sorted(result.of("Observation"), key=lambda one: "component" not in one)
    assert pressure["component"][0]["valueQuantity"]["value"] == 120
    assert (rate["valueQuantity"]["value"], len(rate["component"])) == (60, 3)


PRESSURE = (
    '{{"header": {{"schema_id": {{"namespace": "omh", "name": "blood-pressure", "version": "3.0"}}}}, '
    '"body": {{{body}, "effective_time_frame": {{"date_time": "2023-01-01T08:00:00+01:00"}}}}}}'
)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('"systolic_blood_pressure": {"value": 16, "unit": "kg"}', "kg"),
        ('"systolic_blood_pressure": {"value": 1e400, "unit": "mmHg"}', "no number"),
        ('"systolic_blood_pressure": {"value": 160, "unit": "kPa"}', "implausible"),
        (
            '"systolic_blood_pressure": {"value": 80, "unit": "mmHg"}, '
            '"diastolic_blood_pressure": {"value": 16, "unit": "kPa"}',
            "below the diastolic",
        ),
    ],
)
def test_blood_pressure_that_is_none_is_rejected(body: str, text: str, write: Write) -> None:
    result = converted(write("points.json", PRESSURE.format(body=body)))
    assert result.of("Observation") == []
    assert "rejected" in [outcome for _, outcome in result.outcomes]
    assert text in next(issue.message for issue in result.issues if issue.code == "FB-WEAR-002")


def halves(result: Converted) -> list[tuple[str, str, str | None]]:
    """Value and unit of both pressures, with what was measured where that is another."""
    (panel,) = result.of("Observation")
    assert not [i for i in get_validator().validate(panel) if i.severity == "error"]
    parts = []
    for part in panel["component"]:
        quantity = part["valueQuantity"]
        (sent,) = [e["valueQuantity"] for e in quantity.get("extension", [])] or [None]
        parts.append((str(quantity["value"]), quantity["code"], sent and f"{sent['value']} {sent['code']}"))
    return parts


def test_blood_pressure_in_another_unit_is_converted_and_keeps_what_was_measured(write: Write) -> None:
    body = (
        '"systolic_blood_pressure": {"value": 16.0, "unit": "kPa"}, '
        '"diastolic_blood_pressure": {"value": 80, "unit": "mmHg"}'
    )
    result = converted(write("points.json", PRESSURE.format(body=body)))
    assert halves(result) == [("120", "mm[Hg]", "16.0 kPa"), ("80", "mm[Hg]", None)]
    when = datetime(2023, 3, 1, 7)
    exported = [
        record("HKQuantityTypeIdentifierBloodPressureSystolic", "kPa", 16, when),
        record("HKQuantityTypeIdentifierBloodPressureDiastolic", "kPa", 10.7, when),
        record("HKQuantityTypeIdentifierBloodPressureDiastolic", "kPa", 10.7, when),
    ]
    result = converted(write("export.xml", HEAD + "".join(exported) + "</HealthData>"))
    assert halves(result) == [("120", "mm[Hg]", "16 kPa"), ("80.3", "mm[Hg]", "10.7 kPa")]


def test_sample_that_is_there_twice_counts_once_and_is_listed(write: Write) -> None:
    when = datetime(2023, 3, 1, 7)
    steps = record("HKQuantityTypeIdentifierStepCount", "count", 200, when)
    me = '<Me HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexFemale"/>\n'
    result = converted(write("export.xml", f"{HEAD}{me}{steps}{steps}</HealthData>"))
    (day,) = result.of("Observation")
    assert day["valueQuantity"]["value"] == 200
    (left,) = (issue.message for issue in result.issues if issue.code == "FB-WEAR-003")
    assert left == "not represented: Me: 1, samples that are there twice: 1"


def test_what_is_said_of_a_record_beside_its_value_is_listed(write: Write) -> None:
    meal = '<MetadataEntry key="HKBloodGlucoseMealTime" value="1"/>'
    glucose = record("HKQuantityTypeIdentifierBloodGlucose", "mg/dL", 99, datetime(2023, 3, 1, 7))
    glucose = glucose.replace("/>", f">{meal}</Record>")
    result = converted(write("export.xml", f"{HEAD}{glucose}</HealthData>"))
    assert len(result.of("Observation")) == 1
    (left,) = (issue.message for issue in result.issues if issue.code == "FB-WEAR-003")
    assert left == "not represented: MetadataEntry HKBloodGlucoseMealTime: 1"


def test_points_of_another_user_are_not_of_the_patient_that_is_named(write: Write) -> None:
    point = (
        '{"header": {"schema_id": {"namespace": "omh", "name": "body-weight", "version": "1.0"}, "user_id": "USER"}, '
        '"body": {"body_weight": {"value": 70.5, "unit": "kg"}, '
        '"effective_time_frame": {"date_time": "2023-01-0DAYT08:00:00+01:00"}}}'
    )
    lines = [
        point.replace("USER", user).replace("DAY", str(day)) for day, user in ((1, "a"), (2, "b"), (3, "a"))
    ]
    result = converted(write("points.ndjson", "\n".join(lines)))
    assert [one["effectiveDateTime"][:10] for one in result.of("Observation")] == ["2023-01-01", "2023-01-03"]
    assert ("points.ndjson:2", "rejected") in result.outcomes


def test_row_whose_time_is_none_is_rejected_with_its_line_and_no_summary_is_without_a_day(
    write: Write,
) -> None:
    rows = "time,steps\n01.03.2026 10:00,10\n1774778400,11\n2026-03-01 10:00:00,12\n2026-13-01 10:00,13\n"
    result = converted(write("watch.csv", rows))
    places = {issue.source for issue in result.issues if issue.code == "FB-WEAR-002"}
    assert places == {"watch.csv:2", "watch.csv:3", "watch.csv:5"}
    (steps,) = result.of("Observation")
    assert (steps["valueQuantity"]["value"], steps["effectivePeriod"]["start"]) == (12, "2026-03-01")


@pytest.mark.parametrize(
    ("header", "good", "bad"),
    [
        ("spo2", 97, 3),
        ("spo2", 97, 104),
        ("respiratory_rate", 14, 400),
        ("temperature_c", 36.6, 366),
        ("weight_kg", 70.5, 70500),
        ("sleep_minutes", 430, 4300),
        ("systolic,diastolic", "120,80", "80,120"),
        ("systolic,diastolic", "120,80", "1200,80"),
    ],
)
def test_measure_that_no_body_has_is_rejected_with_its_line(
    header: str, good: object, bad: object, write: Write
) -> None:
    rows = f"time,{header}\n2026-03-01 10:00:00,{good}\n2026-03-01 10:01:00,{bad}\n"
    result = converted(write("watch.csv", rows))
    (issue,) = (issue for issue in result.issues if issue.code == "FB-WEAR-002")
    assert issue.source == "watch.csv:3"
    assert len(result.of("Observation")) == 1
    assert str(bad).partition(",")[0] not in issue.message.replace("2000", "")


@pytest.mark.parametrize(
    ("value", "unit", "taken"), [(95, "mg/dL", 1), (9500, "mg/dL", 0), (5.3, "mmol/L", 1), (530, "mmol/L", 0)]
)
def test_glucose_is_measured_by_its_unit(value: float, unit: str, taken: int, write: Write) -> None:
    point = {
        "header": {"schema_id": {"namespace": "omh", "name": "blood-glucose", "version": "3.0"}},
        "body": {
            "blood_glucose": {"value": value, "unit": unit},
            "effective_time_frame": {"date_time": "2026-03-01T10:00:00+01:00"},
        },
    }
    result = converted(write("glucose.json", json.dumps(point)))
    assert len(result.of("Observation")) == taken
    assert ("FB-WEAR-002" in result.codes()) is (taken == 0)


def test_recording_too_long_to_be_inline_is_refused_where_its_samples_are_cut_off(tmp_path: Path) -> None:
    (tmp_path / "holter.hea").write_text("holter 1 250 99999999999\nholter.dat 16 200/mV 12 0 0 0 0 I\n")
    (tmp_path / "holter.dat").write_bytes(b"\0" * 10)
    result = converted(tmp_path / "holter.hea")
    assert result.of("Observation") == []
    (issue,) = result.issues
    assert (issue.code, "holter.dat is cut off" in issue.message) == ("FB-WEAR-001", True)


def test_events_of_the_phone_stand_for_themselves_and_what_comes_in_thousands_is_listed(write: Write) -> None:
    first = datetime(2026, 3, 21, 6, 0)
    kinds = [
        ("IrregularHeartRhythmEvent", "HKCategoryValueNotApplicable"),
        ("ChestTightnessOrPain", "HKCategoryValueSeveritySevere"),
        ("AppleStandHour", "HKCategoryValueAppleStandHourStood"),
        ("HighHeartRateEvent", ""),
        ("LowHeartRateEvent", "0"),
    ]
    records = "".join(record(f"HKCategoryTypeIdentifier{kind}", "", value, first) for kind, value in kinds)
    result = converted(write("export.xml", HEAD + records + records + "</HealthData>"))
    events = {one["code"]["text"]: one for one in result.of("Observation")}
    was = {"Irregular heart rhythm", "High heart rate", "Low heart rate"}
    assert set(events) == {*was, "Chest tightness or pain"}
    for name in was:
        assert events[name]["valueBoolean"] is True
        assert "valueQuantity" not in events[name]
    assert events["Irregular heart rhythm"]["effectiveDateTime"] == "2026-03-21T06:00:00+01:00"
    (coding,) = events["Chest tightness or pain"]["valueCodeableConcept"]["coding"]
    assert coding["code"] == "HKCategoryValueSeveritySevere"
    (listed,) = [issue.message for issue in result.issues if issue.code == "FB-WEAR-003"]
    assert "AppleStandHour: 2" in listed
    assert "Irregular" not in listed


def test_annotations_of_wfdb_are_kept_and_rhythms_and_texts_have_their_times(ecg: Path) -> None:
    wfdb.wrann(
        "rec1",
        "atr",
        numpy.array([0, 100, 250, 500]),
        symbol=["+", "N", "+", '"'],
        aux_note=["(N", "", "(AFIB", "artefact"],
        fs=250,
        write_dir=str(ecg.parent),
    )
    result = converted(ecg)
    (observation,) = result.of("Observation")
    texts = [note["text"] for note in observation["note"]]
    assert texts[-3:] == ["0 s: rhythm N", "1 s: rhythm AFIB", "2 s: artefact"]
    assert 'annotations (WFDB codes): ": 1, +: 2, N: 1' in texts
    titles = {one["content"][0]["attachment"]["title"] for one in result.of("DocumentReference")}
    assert titles == {"rec1.hea", "rec1.dat", "rec1.atr"}
    ecg.with_suffix(".atr").write_bytes(b"")
    assert converted(ecg).outcomes[-1][1] == "converted"


def omh(name: str, body: dict[str, Any], *, user: str | None = "u1", point: str = "p1") -> str:
    header = {"id": point, "schema_id": {"namespace": "omh", "name": name, "version": "1.0"}}
    return json.dumps({"header": header | ({"user_id": user} if user else {}), "body": body})


def steps(value: int, start: str, end: str, **more: Any) -> str:
    frame = {"time_interval": {"start_date_time": start, "end_date_time": end}}
    body = {"step_count": {"value": value, "unit": "steps"}, "effective_time_frame": frame}
    return omh("step-count", body, **more)


def test_a_point_that_is_sent_again_counts_once_wherever_it_stands(write: Write) -> None:
    one = steps(500, "2026-02-01T08:00:00Z", "2026-02-01T09:00:00Z")
    other = steps(10, "2026-02-01T10:00:00Z", "2026-02-01T11:00:00Z", point="p2")
    pulses = [
        omh(
            "heart-rate",
            {
                "heart_rate": {"value": value, "unit": "beats/min"},
                "effective_time_frame": {"date_time": "2026-02-01T08:00:00Z"},
            },
            point=point,
        )
        for value, point in ((60, "h1"), (90, "h2"), (60, "h1"), (60, "h3"))
    ]
    result = converted(write("points.ndjson", "\n".join((one, other, one, other, one, *pulses))))
    found = {
        summary["code"]["coding"][-1]["code"]: summary["valueQuantity"]["value"]
        for summary in result.of("Observation")
    }
    assert found == {"step-count": 510, "heart-rate": 70}
    assert sum(outcome == "skipped" for _, outcome in result.outcomes) >= 4


def test_a_file_is_kept_for_its_only_user_and_for_none_of_several(write: Write) -> None:
    mine = steps(500, "2026-02-01T08:00:00Z", "2026-02-01T09:00:00Z")
    result = converted(
        write("points.ndjson", "\n".join((mine, steps(1, "2026-02-02T08:00:00Z", "2026-02-02T09:00:00Z")))),
        patient=None,
    )
    (original,) = result.of("DocumentReference")
    assert {one["derivedFrom"][0]["reference"] for one in result.of("Observation")} == {
        f"DocumentReference/{original['id']}"
    }
    assert {one["subject"]["reference"] for one in result.of("Observation")} == {
        original["subject"]["reference"]
    }
    other = steps(7, "2026-02-01T08:00:00Z", "2026-02-01T09:00:00Z", user="u2")
    both = converted(write("points.ndjson", "\n".join((mine, other))), patient=None)
    assert both.of("DocumentReference") == []
    assert all("derivedFrom" not in one for one in both.of("Observation"))
    assert len({one["subject"]["reference"] for one in both.of("Observation")}) == 2
    assert any("several people" in issue.message for issue in both.issues)


@pytest.mark.parametrize(
    ("interval", "period"),
    [
        (
            {"end_date_time": "2026-02-02T06:30:00+01:00", "duration": {"value": 8, "unit": "h"}},
            ("2026-02-01T22:30:00+01:00", "2026-02-02T06:30:00+01:00"),
        ),
        (
            {"start_date_time": "2026-02-01T22:30:00+01:00", "duration": {"value": 90, "unit": "min"}},
            ("2026-02-01T22:30:00+01:00", "2026-02-02T00:00:00+01:00"),
        ),
        ({"end_date_time": "2026-02-02T06:30:00+01:00", "duration": {"value": 1, "unit": "Mo"}}, None),
        ({"end_date_time": "2026-02-30T06:30:00+01:00", "duration": {"value": 1, "unit": "h"}}, None),
    ],
)
def test_an_interval_by_one_end_and_its_length(
    write: Write, interval: dict[str, Any], period: tuple[str, str] | None
) -> None:
    body = {"body_weight": {"value": 70, "unit": "kg"}, "effective_time_frame": {"time_interval": interval}}
    result = converted(write("points.ndjson", omh("body-weight", body)))
    found = [
        (one["effectivePeriod"]["start"], one["effectivePeriod"]["end"]) for one in result.of("Observation")
    ]
    assert found == ([period] if period else [])
    assert period or ("points.ndjson:1", "rejected") in result.outcomes


def _steps_of(result: Any) -> dict[str, float]:
    return {
        one["effectivePeriod"]["start"][:10]: one["valueQuantity"]["value"]
        for one in result.of("Observation")
    }


def test_an_interval_written_in_another_zone_is_the_same_interval(write: Write) -> None:
    """Whether the point has its id again, another one, or none."""
    one = steps(500, "2026-02-01T08:00:00Z", "2026-02-01T09:00:00Z")
    same = ("2026-02-01T09:00:00+01:00", "2026-02-01T10:00:00+01:00")
    other = steps(7, "2026-02-01T10:00:00Z", "2026-02-01T11:00:00Z", point="p3")
    for again in ("p1", "p2"):
        points = [one, other, steps(500, *same, point=again)]
        assert _steps_of(converted(write("points.ndjson", "\n".join(points)))) == {"2026-02-01": 507}


@pytest.mark.parametrize("lined", [True, False])
def test_a_corrected_point_replaces_the_one_with_its_id(write: Write, *, lined: bool) -> None:
    """In whatever order they are: the one that was created last counts, else the last of the file."""

    def point(value: int, created: str = "", number: str = "p1", day: str = "01") -> str:
        text = json.loads(steps(value, f"2026-02-{day}T08:00:00Z", f"2026-02-{day}T09:00:00Z", point=number))
        if created:
            text["header"]["creation_date_time"] = created
        return json.dumps(text)

    early, late, unique = "2026-02-02T10:00:00Z", "2026-02-02T10:30:00-01:00", str(UUID(int=7))
    other = point(10, number="p2")
    for points, days in (
        ([point(500, early), other, point(300, late)], {"2026-02-01": 310}),
        ([point(300, late), other, point(500, early)], {"2026-02-01": 310}),
        ([point(500), other, point(300)], {"2026-02-01": 310}),
        (
            [point(500, early, number=unique), other, point(300, late, number=unique, day="03")],
            {"2026-02-01": 10, "2026-02-03": 300},
        ),
    ):
        text = "\n".join(points) if lined else f"[{','.join(points)}]"
        result = converted(write("points.ndjson", text))
        assert _steps_of(result) == days
        assert any("another one with their id corrects: 1" in issue.message for issue in result.issues)


def test_what_a_person_reports_and_writes_beside_a_point_stays_with_it(write: Write) -> None:
    def point(schema: str, body: dict[str, Any], **header: Any) -> str:
        frame = {"effective_time_frame": {"date_time": "2026-02-01T08:00:00Z"}}
        named = {"id": schema, "schema_id": {"name": schema}, "user_id": "u", **header}
        return json.dumps({"header": named, "body": body | frame})

    pressure = {
        "systolic_blood_pressure": {"value": 131, "unit": "mmHg"},
        "diastolic_blood_pressure": {"value": 84, "unit": "mmHg"},
        "user_notes": "felt dizzy",
    }
    rate = {"heart_rate": {"value": 140, "unit": "beats/min"}}
    lines = [
        point("blood-pressure", pressure, acquisition_rate={"number_of_times": 1}),
        point(
            "heart-rate",
            rate,
            acquisition_provenance={"modality": "self-reported", "source_data_point_id": "7"},
        ),
    ]
    result = converted(write("points.ndjson", "\n".join(lines)))
    noted = {one["code"]["text"]: one.get("note") for one in result.of("Observation")}
    assert noted == {"blood pressure": [{"text": "felt dizzy"}], "heart rate": [{"text": "self-reported"}]}
    (listed,) = [issue.message for issue in result.issues if issue.code == "FB-WEAR-003"]
    assert "header.acquisition_rate" in listed
    assert "acquisition_provenance.source_data_point_id" in listed
