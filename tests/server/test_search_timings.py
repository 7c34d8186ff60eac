"""A Timing is searched by its outer limits: from the first begin to the last end (R4 search.html#date)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import Hospital

TIMINGS: dict[str, dict[str, Any]] = {
    "events": {"event": ["2021-09-01", "2021-08-01"]},
    "times": {"event": ["2021-08-01T10:00:00Z", "2021-08-01T23:30:00-02:00"]},
    "one": {"event": ["2021-08-10"]},
    "both": {
        "event": ["2021-08-01"],
        "repeat": {"boundsPeriod": {"start": "2021-08-05", "end": "2021-08-20"}},
    },
    "open": {"event": ["2021-08-01"], "repeat": {"boundsPeriod": {"start": "2021-08-05"}}},
    "broken": {"event": ["2021-08-03", None, "soon"], "_event": [None, {"id": "x"}, None]},
    "never": {"code": {"text": "as needed"}},
}

FOUND = {
    ("2021-08",): {"times", "one", "both", "broken"},
    ("2021-08-01",): set(),
    ("2021-08-01,2021-09-01",): set(),
    ("2021",): {"events", "times", "one", "both", "broken"},
    ("ne2021-08",): {"events", "open"},
    ("gt2021-08-01",): {"events", "times", "one", "both", "open", "broken"},
    ("gt2021-08-31",): {"events", "open"},
    ("ge2021-08-10",): {"events", "one", "both", "open"},
    ("lt2021-08-02",): {"events", "times", "both", "open"},
    ("le2021-07-31",): set(),
    ("ge2021-08-16", "le2021-08-16"): {"events", "both", "open"},
    ("sa2021-08-02",): {"one", "broken"},
    ("sa2021-08-31",): set(),
    ("eb2021-08-15",): {"times", "one", "broken"},
    ("eb2021-09-02",): {"events", "times", "one", "both", "broken"},
    ("eb2021-08-02",): set(),
}
"""Of the values of `occurrence`, which all are to be met, those who are found."""


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    order = {"resourceType": "ServiceRequest", "status": "active", "intent": "order"}
    subject = {"reference": "Patient/anna"}

    async def load() -> None:
        # One event each first: the outer limits of a later version are its own.
        for timings in ({name: {"event": ["2001"]} for name in TIMINGS}, TIMINGS):
            await hospital.services.store.load(
                [
                    {**order, "id": name, "subject": subject, "occurrenceTiming": timing}
                    for name, timing in timings.items()
                ]
            )

    hospital.run(load)
    return hospital.token("user/*.cruds", patient=None)


def found(hospital: Hospital, headers: dict[str, str], query: list[tuple[str, str]]) -> list[str]:
    answer = hospital.http.get("/fhir/ServiceRequest", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


@pytest.mark.parametrize("values", FOUND)
def test_a_timing_is_found_by_its_outer_limits(
    hospital: Hospital, headers: dict[str, str], values: tuple[str, ...]
) -> None:
    assert set(found(hospital, headers, [("occurrence", value) for value in values])) == FOUND[values]


def test_timings_are_sorted_by_their_limits(hospital: Hospital, headers: dict[str, str]) -> None:
    order = found(hospital, headers, [("_sort", "-occurrence"), ("occurrence", "ge2021")])
    assert set(order[:2]) == {"events", "open"}
