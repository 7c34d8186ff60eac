"""A patient's page shows the record of that patient, and nothing that the patient did or said for others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server import Settings, create_app
from tests.server.conftest import Hospital, bare_plugins, furnish, observation, running

ANNA, BERT = {"reference": "Patient/anna"}, {"reference": "Patient/bert"}
RECORDS: list[dict[str, Any]] = [
    {
        "resourceType": "AllergyIntolerance",
        "id": "peanuts",
        "patient": BERT,
        "recorder": ANNA,
        "asserter": ANNA,
        "code": {"text": "Peanuts"},
    },
    {"resourceType": "Condition", "id": "gout", "subject": BERT, "asserter": ANNA, "code": {"text": "Gout"}},
    observation("of-bert", "bert") | {"code": {"text": "Galectin"}, "performer": [ANNA]},
    {
        "resourceType": "Consent",
        "id": "refusal",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]
        },
        "patient": BERT,
        "performer": [ANNA],
        "provision": {
            "type": "deny",
            "actor": [{"role": {"text": "delegate"}, "reference": ANNA}],
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}],
        },
    },
]
WORDS = ("Peanuts", "Gout", "Galectin", "refuses use for research")


@pytest.fixture(scope="module")
def clinic(database_url: str) -> Iterator[Hospital]:
    with running(create_app(Settings(database_url=database_url), plugins=bare_plugins())) as http:
        served = Hospital(http)
        served.run(furnish, served.services)
        for record in RECORDS:
            served.run(served.services.store.update, record["resourceType"], record["id"], record, EVERYTHING)
        yield served


@pytest.mark.parametrize("user", ["clara", "anna"])
def test_an_allergy_that_she_recorded_for_another_is_not_on_her_page(clinic: Hospital, user: str) -> None:
    """B's allergy with recorder A was shown on A's page."""
    clinic.sign_in(user)
    html = clinic.http.get("/patients/anna").text
    assert "Ada Alpha" in html
    assert [word for word in WORDS if word in html] == []


def test_it_is_on_the_page_of_whom_it_is_about(clinic: Hospital) -> None:
    clinic.sign_in("clara")
    html = clinic.http.get("/patients/bert").text
    assert [word for word in WORDS if word in html] == list(WORDS)
