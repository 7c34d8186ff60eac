"""Results over time on a patient's page, names that the record has itself, and texts without end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server import Settings, create_app
from fhir_bridge.server.pages.trend_drawing import draw
from fhir_bridge.server.pages.trends import MOST_POINTS, MOST_TRENDS, trends_of
from tests.server.conftest import Hospital, bare_plugins, furnish, patient, running
from tests.server.test_pages import page, part, plain

TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"


def ldl(identity: str, day: str, value: object, unit: str = "mmol/L", **more: Any) -> dict[str, Any]:
    resource = {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "22748-8"}], "text": "LDL"},
        "subject": {"reference": "Patient/anna"},
        "effectiveDateTime": f"2026-{day}",
        "valueQuantity": {
            "value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit,
        },
        **more,
    }  # fmt: skip
    return {name: content for name, content in resource.items() if content is not None}


def test_results_of_a_kind_are_in_one_unit_and_in_the_order_of_time() -> None:
    ((trend,), more) = trends_of(
        [
            ldl("c", "03-01", Decimal("3.1")),
            ldl("a", "01-01", Decimal("4000"), "umol/L"),
            ldl("b", "02-01", Decimal("3.5"), code={"text": "LDL"}),  # another kind: it has no code
            ldl("other", "02-02", Decimal(1), "mg/dL"),  # mass and substance: not without the molar mass
            ldl("void", "02-03", Decimal(99), status="entered-in-error"),
            ldl("when", "02-04", Decimal(2)) | {"effectiveDateTime": None},
        ],
        (),
    )
    assert [(point.id, point.value) for point in trend.points] == [("a", 4), ("c", Decimal("3.1"))]
    assert (trend.label, trend.unit, trend.left_out, more) == ("LDL", "mmol/L", 1, 0)
    assert trend.points[0].text == "4000 umol/L"


def test_one_result_or_one_time_is_no_trend() -> None:
    assert trends_of([ldl("a", "01-01", 1)], ())[0] == []
    assert trends_of([ldl("a", "01-01", 1), ldl("b", "01-01", 2)], ())[0] == []
    assert trends_of([ldl("a", "01-01", 1), ldl("b", "01-02", 2)], {"a"})[0] == []


def test_components_have_trends_of_their_own() -> None:
    def pressure(identity: str, day: str, systolic: int) -> dict[str, Any]:
        parts = [("8480-6", systolic), ("8462-4", 80)]
        return {
            **ldl(identity, day, 0, valueQuantity=None),
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
            "component": [
                {
                    "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                    "valueQuantity": {"value": value, "unit": "mmHg"},
                }
                for code, value in parts
            ],
        }

    found, _ = trends_of([pressure("a", "01-01", 120), pressure("b", "02-01", 130)], ())
    assert {trend.label: [int(point.value) for point in trend.points] for trend in found} == {
        "8480-6": [120, 130],
        "8462-4": [80, 80],
    }


def test_there_are_not_more_than_a_page_takes() -> None:
    many = [ldl(f"a{n}", f"01-01T00:{n // 60:02}:{n % 60:02}Z", n) for n in range(MOST_POINTS + 5)]
    ((trend,), _) = trends_of(many, ())
    assert (len(trend.points), trend.older, trend.points[-1].value) == (MOST_POINTS, 5, MOST_POINTS + 4)
    kinds = [
        ldl(f"k{kind}-{n}", f"01-0{n}", n, code={"text": f"kind {kind}"})
        for kind in range(MOST_TRENDS + 3)
        for n in (1, 2)
    ]
    found, more = trends_of(kinds, ())
    assert (len(found), more) == (MOST_TRENDS, 3)


@pytest.mark.parametrize(
    "values", [(5, 5), (Decimal("1e20"), 1), (-3, 0), (Decimal("0.000001"), Decimal("0.000002"))]
)
def test_any_values_can_be_drawn(values: tuple[Any, Any]) -> None:
    (trend,), _ = trends_of([ldl("a", "01-01", values[0]), ldl("b", "01-02", values[1])], ())
    drawing = draw(trend, {"a"})
    assert drawing.count("<circle") == 2
    assert drawing.count("<a href") == 1
    numbers = [float(number) for number in re.findall(r'c[xy]="([^"]+)"', drawing)]
    assert all(0 <= number <= 340 for number in numbers)


@pytest.fixture(scope="module")
def served(database_url: str) -> Iterator[Hospital]:
    app = create_app(Settings(database_url=database_url), plugins=bare_plugins())
    with running(app) as http:
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        yield hospital


def put(served: Hospital, resource: dict[str, Any]) -> None:
    served.run(served.services.store.update, resource["resourceType"], resource["id"], resource, EVERYTHING)


def test_the_page_draws_them_with_links_and_words(served: Hospital) -> None:
    high = {"referenceRange": [{"high": {"value": 3.0, "unit": "mmol/L"}}]}
    put(served, ldl("t1", "01-01", 2.5, **high))
    put(served, ldl("t2", "02-01", 3.9, **high))
    drawn = part(page(served, "/patients/anna"), "trends")
    assert 'href="#Observation-t1"' in drawn
    assert "LDL: 2 results from 2026-01-01 to 2026-02-01, lowest 2.5, highest 3.9" in drawn
    assert '<rect class="point outside"' in drawn
    assert "3.9 mmol/L, 2026-02-01, high" in plain(drawn) or "3.9 mmol/L, 2026-02-01, high" in drawn


def test_the_trends_of_another_patient_are_not_shown(served: Hospital) -> None:
    put(served, ldl("b1", "01-01", 7.7) | {"subject": {"reference": "Patient/bert"}})
    put(served, ldl("b2", "02-01", 8.8) | {"subject": {"reference": "Patient/bert"}})
    assert "8.8" not in page(served, "/patients/anna")


def test_names_that_the_record_has_in_the_readers_language_are_used(served: Hospital) -> None:
    parts = [{"url": "lang", "valueCode": "de"}, {"url": "content", "valueString": "Harnstoff-Wert"}]
    translated = {
        "coding": [
            {
                "system": "urn:lab",
                "code": "U",
                "display": "urea value",
                "_display": {"extension": [{"url": TRANSLATION, "extension": parts}]},
            }
        ]
    }
    put(served, ldl("named", "03-01", 1, code=translated))
    german = part(page(served, "/patients/anna?language=de"), "results")
    assert "Harnstoff-Wert" in german
    assert "urea value" in german, "what the source says stays beside it"
    assert "Harnstoff-Wert" not in part(page(served, "/patients/anna?language=fr"), "results")
    assert "urea value" in part(page(served, "/patients/anna?language=en"), "results")


def test_a_code_of_a_megabyte_breaks_no_page(served: Hospital) -> None:
    endless = "x" * 1_000_000
    put(served, patient("endless", "E" * 100_000))
    for identity, more in (
        ("e1", {"code": {"coding": [{"system": "urn:lab", "code": endless}]}}),
        ("e2", {"code": {"coding": [{"system": "urn:lab", "code": endless}]}}),
        ("e3", {"code": {"text": endless}}),
        ("e4", {"valueQuantity": {"value": 1, "unit": endless}}),
        ("e5", {"valueQuantity": None, "valueString": endless}),
        ("e6", {"note": [{"text": endless}], "referenceRange": [{"text": endless}]}),
    ):
        day = f"0{identity[1]}-01"
        put(served, ldl(identity, day, 1, **more) | {"subject": {"reference": "Patient/endless"}})
    shown = page(served, "/patients/endless")
    assert len(shown) < 200_000
    assert "more characters" in shown
    assert max(map(len, re.findall(r"x+", shown))) <= 5_000
