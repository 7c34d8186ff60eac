"""A timeline that can be read, whether a record spans decades or one visit day holds forty results."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from fhir_bridge.server.pages.timeline import timeline_of
from fhir_bridge.server.pages.timeline_axis import Axis
from fhir_bridge.server.pages.timeline_drawing import draw

VISIT = datetime(2026, 2, 15, 8, tzinfo=UTC)


def observation(number: int, time: str, label: str = "Glucose", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"text": label},
        "effectiveDateTime": time,
        "valueQuantity": {"value": number},
    } | more


def condition(time: str, label: str = "Hypertension", verification: str = "confirmed") -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c{time}",
        "verificationStatus": {"coding": [{"code": verification}]},
        "code": {"text": label},
        "onsetDateTime": time,
    }


def study(time: str, identity: str = "s1") -> dict[str, Any]:
    return {
        "resourceType": "ImagingStudy",
        "id": identity,
        "status": "available",
        "modality": [{"code": "US"}, {"code": "SR"}],
        "started": time,
        "description": "Echocardiography",
    }


def drawing(resources: list[dict[str, Any]]) -> ET.Element:
    svg = draw(timeline_of(resources, [], {"2026-02-15"}))
    assert svg is not None
    return ET.fromstring(svg)


def extents(mark: ET.Element) -> tuple[float, float, float]:
    """Left and right edge and height of a mark."""
    circle, rectangle = mark.find("circle"), mark.find("rect")
    if circle is not None:
        x, radius = float(circle.attrib["cx"]), float(circle.attrib["r"])
        return x - radius, x + radius, float(circle.attrib["cy"])
    assert rectangle is not None
    left = float(rectangle.attrib["x"])
    return left, left + float(rectangle.attrib["width"]), float(rectangle.attrib["y"]) + 9


def title(mark: ET.Element) -> str:
    return mark.findtext("title") or ""


class TestAxis:
    def test_time_runs_from_left_to_right(self) -> None:
        moments = [VISIT + timedelta(days=days) for days in (0, 30, 70, 200, 201)]
        axis = Axis(moments, 100, 900)
        places = [axis.x(moment) for moment in moments]
        assert places == sorted(places)
        assert 100 <= places[0] <= places[-1] <= 900

    def test_without_long_gaps_equal_times_take_equal_room(self) -> None:
        axis = Axis([VISIT, VISIT + timedelta(days=300), VISIT + timedelta(days=600)], 0, 1000)
        assert axis.cuts == []
        places = [axis.x(VISIT + timedelta(days=days)) for days in (0, 300, 600)]
        assert places[1] - places[0] == pytest.approx(places[2] - places[1])

    def test_decades_without_anything_are_cut_out_and_their_length_is_said(self) -> None:
        early = VISIT - timedelta(days=365 * 24)
        axis = Axis([early, VISIT, VISIT + timedelta(days=20), VISIT + timedelta(days=60)], 0, 1000)
        [cut] = axis.cuts
        assert cut.text == "24 years"
        assert axis.x(VISIT + timedelta(days=60)) - axis.x(VISIT) > 500

    def test_one_day_is_no_division_by_zero(self) -> None:
        axis = Axis([VISIT], 100, 900)
        assert 100 <= axis.x(VISIT) <= 900
        assert [tick.text for tick in axis.ticks] == ["2026-02-15"]

    @pytest.mark.parametrize("days", [1, 5, 40, 300, 3000, 30000])
    def test_dates_stand_far_enough_apart_to_be_read(self, days: int) -> None:
        axis = Axis([VISIT + timedelta(days=days * part // 7) for part in range(8)], 0, 850)
        places = [tick.x for tick in axis.ticks]
        assert places
        assert all(right - left >= 70 for left, right in pairwise(places))


class TestMarks:
    def test_forty_results_of_a_day_are_one_mark_with_their_number(self) -> None:
        svg = drawing([observation(number, "2026-02-15T08:20:00+01:00") for number in range(40)])
        [mark] = svg.iter("a")
        assert [text.text for text in mark.iter("text")] == ["40"]
        assert "Glucose (×40)" in title(mark)
        assert mark.attrib["href"] == "#day-2026-02-15"

    def test_marks_never_overlap_however_dense_a_lane_is(self) -> None:
        first = datetime(1985, 3, 1, tzinfo=UTC)
        times = [first + timedelta(days=number * 37 % 15000) for number in range(700)]
        svg = drawing([observation(number, time.isoformat()) for number, time in enumerate(times)])
        marks = sorted(extents(mark) for mark in svg.iter("a"))
        assert len(marks) > 20
        assert all(right <= left for (_, right, _), (left, _, _) in pairwise(marks))

    def test_every_event_is_counted_in_some_mark(self) -> None:
        first = datetime(1985, 3, 1, tzinfo=UTC)
        times = [first + timedelta(days=number * 37 % 15000) for number in range(700)]
        svg = drawing([observation(number, time.isoformat()) for number, time in enumerate(times)])
        counts = [mark.findtext("text") for mark in svg.iter("a")]
        assert sum(int(count) if count else 1 for count in counts) == 700

    def test_the_lanes_keep_the_modalities_apart(self) -> None:
        svg = drawing(
            [
                observation(1, "2026-02-15T08:00:00Z"),
                study("2026-02-15T09:00:00Z"),
                condition("2024-01-01"),
                observation(2, "2026-03-02", "variant", meta={"source": "urn:fhir-bridge:vcf:x"}),
                observation(
                    3,
                    "2026-03-02",
                    "SCORE2 10-year risk",
                    meta={
                        "security": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
                                "code": "AIAST",
                            }
                        ]
                    },
                ),
            ]
        )
        lanes = {title(mark).partition(",")[0]: extents(mark)[2] for mark in svg.iter("a")}
        assert set(lanes) == {"EHR: results", "Imaging", "EHR: conditions", "Genomics", "Predictions"}
        assert len(set(lanes.values())) == 5

    def test_a_study_stands_for_its_measurements(self) -> None:
        measured = observation(
            1, "2026-02-15T09:00:00Z", "LVEF", derivedFrom=[{"reference": "ImagingStudy/s1"}]
        )
        svg = drawing([study("2026-02-15T09:00:00Z"), measured])
        [mark] = svg.iter("a")
        assert mark.attrib["href"] == "#ImagingStudy-s1"
        assert mark.findtext("text") == "US"

    def test_what_is_absent_or_withdrawn_is_no_event(self) -> None:
        resources = [
            condition("2020-01-01", "Syncope", "refuted"),
            condition("2021-01-01", "Mistake", "entered-in-error"),
            observation(1, "2022-01-01", status="entered-in-error"),
        ]
        assert timeline_of(resources, []).events == ()
        assert draw(timeline_of(resources, [])) is None

    @pytest.mark.parametrize("time", ["0001-01-01", "9999-12-31", "2016-12-31T23:59:60Z"])
    def test_a_time_that_means_never_or_can_not_be_placed_is_counted_not_drawn(self, time: str) -> None:
        assert dict(timeline_of([observation(1, time)], []).undated) == {"EHR: results": 1}

    def test_what_has_no_time_is_counted(self) -> None:
        undated = observation(1, "2026-01-01")
        del undated["effectiveDateTime"]
        assert dict(timeline_of([undated], []).undated) == {"EHR: results": 1}

    def test_a_lane_without_events_says_that_there_was_no_study(self) -> None:
        svg = drawing([observation(1, "2026-01-01")])
        names = [text.text for text in svg.iter("text") if text.attrib["class"] == "lane"]
        assert names == ["EHR: results", "Imaging: no study", "Genomics: not studied"]

    def test_labels_of_a_record_are_escaped(self) -> None:
        svg = draw(timeline_of([condition("2020-01-01", '"><script>alert(1)</script>')], []))
        assert svg is not None
        assert "<script>" not in svg
        assert '""' not in svg
