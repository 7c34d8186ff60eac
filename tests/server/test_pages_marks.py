"""Results outside their range are marked; an empty list says whether nothing is recorded, known, or shown."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING, NOTHING, AccessFilter, AccessRule
from fhir_bridge.fhir.reference_ranges import Person
from fhir_bridge.server import Settings, create_app
from fhir_bridge.server.pages.absence import statements_of
from fhir_bridge.server.pages.history import history_of
from fhir_bridge.server.pages.imaging import studies_of
from fhir_bridge.server.pages.marks import LEGEND, marked
from fhir_bridge.server.pages.patient import patient_values
from fhir_bridge.server.pages.rendering import _templates
from fhir_bridge.server.pages.timeline import timeline_of
from fhir_bridge.storage import Store
from tests.server.conftest import Hospital, bare_plugins, furnish, observation, patient, running

V3 = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
SNOMED = "http://snomed.info/sct"
IPS = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
NOBODY = Person()


def mmol(value: object) -> dict[str, Any]:
    return {
        "value": Decimal(str(value)),
        "unit": "mmol/L",
        "system": "http://unitsofmeasure.org",
        "code": "mmol/L",
    }


def interpreted(code: str, system: str = V3) -> dict[str, Any]:
    return {"interpretation": [{"coding": [{"system": system, "code": code}]}]}


def result(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "r", "status": "final", "code": {"text": "LDL"}} | more


def words(resource: dict[str, Any]) -> list[str]:
    return [mark.word for part in marked(resource, NOBODY) for mark in part.marks]


class TestMarks:
    def test_a_result_outside_its_range_is_marked(self) -> None:
        ldl = result(valueQuantity=mmol("3.9"), referenceRange=[{"text": "< 3.0"}])
        assert words(ldl) == ["high"]
        assert words(ldl | {"valueQuantity": mmol("2.9")}) == []
        low = result(valueQuantity=mmol("0.7"), referenceRange=[{"low": mmol("1.0")}])
        assert words(low) == ["low"]

    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("H", ["high"]), ("L", ["low"]), ("HH", ["critically high"]), ("LL", ["critically low"]),
            ("A", ["abnormal"]), ("AA", ["critically abnormal"]), ("N", []), ("HU", ["high"]), ("LU", ["low"]),
            ("POS", []), ("R", []), ("W", []), ("IND", []),
        ],
    )  # fmt: skip
    def test_the_sources_interpretation_marks(self, code: str, expected: list[str]) -> None:
        assert words(result(valueString="x", **interpreted(code))) == expected
        assert words(result(**interpreted(code, "http://terminology.hl7.org/CodeSystem/v2-0078"))) == expected
        assert words(result(valueString="x", **interpreted(code, "urn:oid:2.25.99"))) == [], (
            "a site's own code"
        )

    def test_source_and_comparison_are_both_shown_where_they_differ(self) -> None:
        high = result(valueQuantity=mmol(9), referenceRange=[{"high": mmol(5)}])
        assert words(high | interpreted("N")) == ["high"]
        assert words(high | interpreted("H")) == ["high"]
        assert words(high | interpreted("HH")) == ["critically high"]
        assert words(high | interpreted("L")) == ["low", "high"]
        (part,) = marked(high | interpreted("N"), NOBODY)
        assert part.interpretation == "N"

    def test_components_are_marked_each(self) -> None:
        pressure = result(
            component=[
                {
                    "code": {"text": "systolic"},
                    "valueQuantity": mmol(180),
                    "referenceRange": [{"high": mmol(140)}],
                },
                {
                    "code": {"text": "diastolic"},
                    "valueQuantity": mmol(70),
                    "referenceRange": [{"high": mmol(90)}],
                },
            ]
        )
        systolic, diastolic = marked(pressure, NOBODY)
        assert [mark.word for mark in systolic.marks] == ["high"]
        assert not diastolic.marks

    def test_what_can_not_be_compared_says_why(self) -> None:
        (part,) = marked(result(valueQuantity=mmol(5), referenceRange=[{"text": "see report"}]), NOBODY)
        assert (part.marks, part.uncompared) == ((), "the range is text")

    @pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
    def test_what_is_withdrawn_has_no_mark(self, status: str) -> None:
        gone = result(valueQuantity=mmol(9), referenceRange=[{"high": mmol(5)}], status=status)
        assert words(gone | interpreted("HH")) == []

    def test_measurements_of_a_study_are_marked(self) -> None:
        study = {"resourceType": "ImagingStudy", "id": "s", "status": "available"}
        fraction = result(
            valueQuantity={"value": 30, "unit": "%", "code": "%"},
            referenceRange=[{"low": {"value": 53, "code": "%"}}],
            partOf=[{"reference": "ImagingStudy/s"}],
        )
        (found,) = studies_of([study, fraction], set())
        assert [mark.word for mark in found.measurements[0].marks] == ["low"]


def allergy(code: str, system: str = SNOMED, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "AllergyIntolerance",
        "id": f"a-{code}",
        "code": {"coding": [{"system": system, "code": code}]},
        "patient": {"reference": "Patient/anna"},
        "recordedDate": "2026-02-01",
    } | more


def emptied(kind: str, code: str, reason: str) -> dict[str, Any]:
    system = "http://loinc.org" if "-" in code else "http://terminology.hl7.org/CodeSystem/list-example-codes"
    why = {"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": reason}
    holder = {"code": {"coding": [{"system": system, "code": code}]}, "emptyReason": {"coding": [why]}}
    if kind == "List":
        return {
            "resourceType": "List",
            "id": "l",
            "status": "current",
            "mode": "snapshot",
            "date": "2026-02-01",
        } | holder
    return {
        "resourceType": "Composition",
        "id": "c",
        "status": "final",
        "date": "2026-02-01",
        "section": [holder],
    }


class TestEmptyLists:
    def test_nothing_recorded_none_known_and_not_shown_are_three_texts(self) -> None:
        for kind in ("allergies", "conditions", "medications"):
            recorded = history_of([]).empty[kind]
            hidden = history_of([], NOTHING).empty[kind]
            partly = AccessFilter((AccessRule("*", frozenset("rs"), criteria=(("category", "x|y"),)),))
            some = history_of([], partly).empty[kind]
            assert (
                len(
                    {
                        recorded,
                        hidden,
                        some,
                        *(s.text for s in statements_of([allergy("716186003")])["allergies"]),
                    }
                )
                == 4
            )
            assert "recorded" in recorded
            assert "no access" in hidden
            assert "recorded" not in hidden
            assert "may not see all" in some

    @pytest.mark.parametrize(
        ("resource", "kind", "text"),
        [
            (allergy("716186003"), "allergies", "no known allergies"),
            (allergy("409137002"), "allergies", "no known drug allergies"),
            (allergy("no-known-allergies", IPS), "allergies", "no known allergies"),
            (allergy("no-allergy-info", IPS), "allergies", "no information about allergies is available"),
            (emptied("List", "allergies", "nilknown"), "allergies", "no known allergies"),
            (emptied("List", "52472-8", "notasked"), "allergies", "nobody asked about allergies"),
            (emptied("Composition", "48765-2", "nilknown"), "allergies", "no known allergies"),
            (emptied("Composition", "11450-4", "nilknown"), "conditions", "no known conditions"),
            (emptied("Composition", "10160-0", "nilknown"), "medications", "no known medication"),
            (emptied("Composition", "10160-0", "withheld"), "medications", "information about medication was withheld"),
            ({**allergy("160245001"), "resourceType": "Condition"}, "conditions", "no current problems or disability"),
            (
                {
                    "resourceType": "MedicationStatement",
                    "id": "m",
                    "status": "active",
                    "medicationCodeableConcept": {"coding": [{"system": SNOMED, "code": "787481004"}]},
                },
                "medications",
                "no known medications",
            ),
        ],
    )  # fmt: skip
    def test_an_explicit_statement_is_shown_as_one(
        self, resource: dict[str, Any], kind: str, text: str
    ) -> None:
        found = history_of([resource])
        assert [statement.text for statement in found.stated[kind]] == [text]
        assert not found.allergies
        assert not found.present
        assert not found.medications
        assert timeline_of([resource], []).events == ()

    @pytest.mark.parametrize("status", ["entered-in-error", "refuted"])
    def test_a_statement_that_was_taken_back_is_none(self, status: str) -> None:
        taken_back = allergy("716186003", verificationStatus={"coding": [{"code": status}]})
        assert history_of([taken_back]).stated["allergies"] == ()
        gone = emptied("List", "allergies", "nilknown") | {"status": "entered-in-error"}
        assert history_of([gone]).stated["allergies"] == ()

    def test_a_list_with_entries_states_nothing(self) -> None:
        full = emptied("List", "allergies", "nilknown") | {
            "entry": [{"item": {"reference": "AllergyIntolerance/x"}}]
        }
        assert history_of([full]).stated["allergies"] == ()

    def test_a_refuted_allergy_is_not_called_an_error(self) -> None:
        refuted = allergy("91936005", verificationStatus={"coding": [{"code": "refuted"}]})
        found = history_of([refuted])
        assert len(found.refuted) == 1
        assert found.withdrawn == found.allergies == ()


RECORDS = [
    patient("anna", "Alpha"),
    patient("bert", "Beta"),
    patient("cora", "Gamma"),
    observation("ldl", "anna", code="2089-1") | {
        "code": {"text": "LDL cholesterol"},
        "valueQuantity": {**mmol("3.9"), "value": 3.9},
        "referenceRange": [{"text": "< 3.0"}],
    },
    observation("sodium", "anna", code="2951-2") | {
        "code": {"text": "Sodium"},
        "valueQuantity": {**mmol(140), "value": 140},
        "referenceRange": [{"low": {"value": 135, "unit": "mmol/L"}, "high": {"value": 145, "unit": "mmol/L"}}],
    },
    allergy("716186003", clinicalStatus={"coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
    ]}),
]  # fmt: skip


@pytest.fixture(scope="module")
def hospital(database_url: str) -> Iterator[Hospital]:
    app = create_app(Settings(database_url=database_url), plugins=bare_plugins())
    with running(app) as http:
        served = Hospital(http)
        served.run(furnish, served.services)
        for record in RECORDS:
            served.run(served.services.store.update, record["resourceType"], record["id"], record, EVERYTHING)
        yield served


def page(hospital: Hospital, identity: str) -> str:
    hospital.sign_in("clara")
    return hospital.http.get(f"/patients/{identity}").text


def row_of(text: str, identity: str) -> str:
    found = re.search(rf'<tr id="Observation-{identity}".*?</tr>', text, re.DOTALL)
    assert found
    return found[0]


def test_the_page_marks_by_sign_word_and_colour_and_explains_them(hospital: Hospital) -> None:
    text = page(hospital, "anna")
    row = row_of(text, "ldl")
    assert '<strong class="mark outside"><span aria-hidden="true">▲</span> high</strong>' in row
    assert "mark" not in row_of(text, "sodium")
    assert "normal" not in row_of(text, "sodium"), "never more than is known"
    legend = re.search(r'<p class="note legend">.*?</p>', text, re.DOTALL)
    assert legend
    for mark, meaning in LEGEND:
        assert mark.word in legend[0]
        assert meaning in legend[0]
    assert "Without a mark" in legend[0]


def test_the_page_tells_none_known_from_none_recorded(hospital: Hospital) -> None:
    assert "Stated: no known allergies" in page(hospital, "anna")
    assert "No allergies recorded" not in page(hospital, "anna")
    assert "No allergies recorded. That does not mean that there are none." in page(hospital, "bert")
    assert "No conditions recorded" in page(hospital, "anna")
    assert "No medication recorded" in page(hospital, "anna")


def test_the_page_tells_what_an_account_may_not_see(hospital: Hospital, database_url: str) -> None:
    access = AccessFilter(tuple(AccessRule(kind, frozenset("rs")) for kind in ("Patient", "Observation")))

    async def values() -> dict[str, object]:
        async with await Store.open(database_url, max_size=2) as store:
            return await patient_values(store, access, "anna")

    shown = asyncio.run(values()) | {
        "csrf": "", "clients": [], "languages": {}, "language": "en", "may_review": False,
        "runnable": [], "pictures": False,
    }  # fmt: skip
    text = (
        _templates()
        .get_template("patient.html")
        .render(shown, organization="x", user=SimpleNamespace(display="x", role="x"))
    )
    for kind in ("allergies", "conditions", "medication", "imaging studies"):
        assert f"Not shown: this account has no access to {kind}." in text
    assert "no known" not in text
    assert "recorded" not in text.split('id="history"')[1]
