"""The drawn ECG can be measured: 1 mV is 10 mm, 200 ms is 5 mm, and nothing is drawn that was not recorded."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from fhir_bridge.server.pages.ecg import ecgs_of, leads_of
from fhir_bridge.server.pages.ecg_drawing import draw
from fhir_bridge.server.pages.ecg_leads import STANDARD, Lead

MDC = "urn:oid:2.16.840.1.113883.6.24"
CODES = {
    "I": "131329",
    "II": "131330",
    "III": "131389",
    "aVR": "131390",
    "aVL": "131391",
    "aVF": "131392",
} | {f"V{number}": str(131330 + number) for number in range(1, 7)}


def component(lead: str, samples: str, **more: Any) -> dict[str, Any]:
    sampled = {
        "origin": {"value": 0, "code": "uV", "system": "http://unitsofmeasure.org"},
        "period": 2,
        "factor": 5,
        "dimensions": 1,
        "data": samples,
    }
    return {
        "code": {"coding": [{"system": MDC, "code": CODES[lead]}]},
        "valueSampledData": sampled | more,
    }


def recording(*components: dict[str, Any], identity: str = "ecg", time: str = "2026-02-15") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": MDC, "code": "131328"}], "text": "12-lead ECG"},
        "effectiveDateTime": time,
        "component": list(components),
    }


def drawn(leads: dict[str, Lead]) -> tuple[ET.Element, tuple[str, ...]]:
    svg, remarks = draw(leads)
    assert svg is not None
    return ET.fromstring(svg), remarks


def lines(svg: ET.Element, lead: str) -> list[list[list[tuple[float, float]]]]:
    """By drawn strip of a lead, its unbroken lines as points in millimetres."""
    return [
        [
            [(float(x), float(y)) for x, y in (point.split(",") for point in line.attrib["points"].split())]
            for line in group.iter("polyline")
        ]
        for group in svg.iter("g")
        if group.attrib.get("data-lead") == lead
    ]


def flat(seconds: float, value: float | None = 0.0, period: float = 2.0) -> tuple[float | None, ...]:
    return (value,) * round(seconds * 1000 / period)


def twelve(seconds: float) -> dict[str, Lead]:
    return {name: Lead(name, 2.0, flat(seconds)) for name in STANDARD}


def test_the_view_box_is_in_millimetres_and_so_is_the_size() -> None:
    svg, _ = drawn(twelve(10))
    _, _, width, height = svg.attrib["viewBox"].split()
    assert svg.attrib["width"] == f"{width}mm"
    assert svg.attrib["height"] == f"{height}mm"
    assert float(width) <= 277, "fits on A4 landscape with margins of 10 mm"


def test_one_millivolt_is_10_mm_high_and_200_ms_are_5_mm_wide() -> None:
    step = Lead("II", 2.0, flat(0.2) + flat(0.2, 1.0) + flat(0.2))
    svg, _ = drawn({"II": step})
    [[line]] = lines(svg, "II")
    zero = line[0][1]
    up = [x for x, y in line if y != zero]
    assert {round(zero - y, 2) for _, y in line} == {0.0, 10.0}
    assert up[0] - line[0][0] == pytest.approx(5.0, abs=0.011)
    assert len(up) * 0.05 == pytest.approx(5.0)


def test_each_row_begins_with_a_pulse_of_1_mv_for_200_ms() -> None:
    svg, _ = drawn(twelve(10))
    pulses = [path.attrib["d"] for path in svg.iter("path") if path.attrib.get("class") == "trace pulse"]
    assert len(pulses) == 4
    assert all(re.fullmatch(r"M[\d.]+ [\d.]+h1v-10h5v10h1", pulse) for pulse in pulses)


def test_the_grid_has_fine_lines_each_1_mm_and_bold_ones_each_5_mm() -> None:
    svg, _ = drawn(twelve(10))
    patterns = {pattern.attrib["id"]: pattern.attrib["width"] for pattern in svg.iter("pattern")}
    assert patterns == {"mm": "1", "mm5": "5"}


def test_a_lost_sample_breaks_the_line() -> None:
    observation = recording(component("II", "0 10 E 20 30 L 40"))
    svg, _ = drawn(leads_of(observation))
    assert [len(line) for line in lines(svg, "II")[0]] == [2, 2, 1]


def test_factor_origin_and_unit_give_millivolts() -> None:
    leads = leads_of(
        recording(
            component("I", "100 -200", factor=5),
            component("II", "1", factor=1, origin={"value": 0.5, "unit": "mV"}),
        )
    )
    assert leads["I"].millivolts == (0.5, -1.0)
    assert leads["II"].millivolts == (1.5,)


@pytest.mark.parametrize(
    "sampled",
    [
        {"data": "1 2 x"},
        {"data": ""},
        {"period": 0},
        {"origin": {"value": 0, "code": "mm[Hg]"}},
        {"dimensions": 2},
        {"factor": "five"},
    ],
)
def test_a_lead_that_can_not_be_read_is_left_out_and_the_others_stay(sampled: dict[str, Any]) -> None:
    broken = component("I", "1 2") | {}
    broken["valueSampledData"] = broken["valueSampledData"] | sampled
    assert list(leads_of(recording(broken, component("II", "1 2")))) == ["II"]


def test_infinity_is_a_lost_sample() -> None:
    assert leads_of(recording(component("I", "1 inf nan")))["I"].millivolts == (0.005, None, None)


def test_the_columns_of_ten_seconds_follow_each_other_in_time() -> None:
    leads = twelve(10) | {
        "V1": Lead("V1", 2.0, flat(5.5) + flat(0.2, 1.0) + flat(4.3)),  # a pulse in the third column
        "I": Lead("I", 2.0, flat(5.5) + flat(0.2, 1.0) + flat(4.3)),  # and so not in the first
    }
    svg, remarks = drawn(leads)
    assert remarks == ()
    assert len({y for _, y in lines(svg, "V1")[0][0]}) == 2
    assert len({y for _, y in lines(svg, "I")[0][0]}) == 1
    columns = [lines(svg, name)[0][0][0][0] for name in ("I", "aVR", "V1", "V4")]
    assert [round(right - left, 1) for left, right in pairwise(columns)] == [62.5] * 3


def test_a_rhythm_strip_of_lead_ii_runs_through_below() -> None:
    svg, _ = drawn(twelve(10))
    strips = lines(svg, "II")
    assert len(strips) == 2
    assert strips[1][0][-1][0] - strips[1][0][0][0] == pytest.approx(250, abs=0.1)


def test_a_short_recording_begins_all_columns_at_the_same_moment_and_says_so() -> None:
    svg, remarks = drawn(twelve(2.5))
    assert all(lines(svg, name)[0] for name in STANDARD)
    assert "same moment" in remarks[0]


def test_a_long_recording_says_that_only_its_beginning_is_drawn() -> None:
    _, remarks = drawn(twelve(60))
    assert remarks == ("The first 10 s of 60 s are drawn.",)


def test_a_lead_of_twelve_that_is_missing_is_named() -> None:
    leads = twelve(10)
    del leads["V6"]
    svg, remarks = drawn(leads)
    assert remarks == ("Not recorded: V6.",)
    assert [text.text for text in svg.iter("text") if text.attrib["class"] == "absent"] == ["not recorded"]


def test_few_leads_get_a_row_each() -> None:
    svg, _ = drawn({"I": Lead("I", 4.0, flat(10)), "II": Lead("II", 4.0, flat(10))})
    tops = [lines(svg, name)[0][0][0][1] for name in ("I", "II")]
    assert tops[1] > tops[0]
    assert sum(path.attrib.get("class") == "trace pulse" for path in svg.iter("path")) == 2


def test_rows_make_room_for_tall_waves_so_that_none_overlap() -> None:
    tall = twelve(10) | {
        "V5": Lead("V5", 2.0, flat(9) + flat(1, 4.0)),
        "V4": Lead("V4", 2.0, flat(9) + flat(1, -3.0)),
    }
    svg, _ = drawn(tall)
    lowest_of_first_row = max(y for line in lines(svg, "V4")[0] for _, y in line)
    highest_of_second_row = min(y for line in lines(svg, "V5")[0] for _, y in line)
    assert lowest_of_first_row < highest_of_second_row


def test_an_unknown_lead_goes_by_its_text_which_is_escaped() -> None:
    odd = component("I", "1 2 3")
    odd["code"] = {"text": "<b>&"}
    svg, _ = draw(leads_of(recording(odd)))
    assert svg is not None
    assert "<b>" not in svg
    assert "&lt;b&gt;" in svg


def test_no_leads_no_drawing() -> None:
    assert draw({})[0] is None


def test_the_newest_recording_is_drawn_unless_another_one_is_asked_for() -> None:
    old = recording(component("II", "1 2"), identity="old", time="2025-01-01T08:00:00Z")
    new = recording(component("II", "1 2"), identity="new", time="2026-01-01T08:00:00Z")
    assert [(ecg.id, ecg.drawing is not None) for ecg in ecgs_of([old, new])] == [
        ("new", True),
        ("old", False),
    ]
    assert [ecg.drawing is not None for ecg in ecgs_of([old, new], "old")] == [False, True]
    assert [ecg.drawing is not None for ecg in ecgs_of([old, new], "neither")] == [True, False]


def test_what_the_machine_said_is_marked_as_read_by_nobody() -> None:
    ecg = recording(component("II", "1 2"))
    interval = {
        "resourceType": "Observation",
        "id": "qrs",
        "status": "final",
        "code": {"text": "QRS duration"},
        "valueQuantity": {"value": 75, "unit": "ms"},
    }
    report = {
        "resourceType": "DiagnosticReport",
        "id": "report",
        "status": "preliminary",
        "code": {"text": "ECG"},
        "conclusion": "Sinus rhythm\nNormal ECG",
        "result": [{"reference": "Observation/ecg"}, {"reference": "Observation/qrs"}],
    }
    [found] = ecgs_of([ecg, interval, report])
    assert found.statement == ("Sinus rhythm", "Normal ECG")
    assert not found.confirmed
    assert found.facts == (("QRS duration", "75 ms"),)
    assert found.claimed == {"ecg", "qrs"}
