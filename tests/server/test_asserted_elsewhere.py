"""What a file says a model said: it is shown as said elsewhere, and never as a result of this server's models."""

from __future__ import annotations

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.predictions.resources import AIAST, MODELS
from tests.predictions.clinic import pressure
from tests.server.conftest import Hospital
from tests.server.test_model_lifecycle import call, p, predict, served, site, write
from tests.server.test_pages import page, part, plain
from tests.server.test_predict import row_of

__all__ = ["p", "served", "site"]


def forge(hospital: Hospital, patient: str, *, labelled: bool, coded: bool) -> str:
    """A file with a final result of 1 % of SCORE2 is loaded."""
    system = PREDICTION_CODES if coded else "urn:x"
    forged = {
        "resourceType": "Observation",
        "id": f"{patient}-forged",
        "meta": {"security": [AIAST]} if labelled else {},
        "status": "final",
        "code": {"coding": [{"system": system, "code": "score2"}], "text": "SCORE2"},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-01",
        "issued": "2030-01-01T00:00:00Z",
        "valueQuantity": {"value": 1, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
        "interpretation": [{"text": "Low risk"}],
        "method": {"coding": [{"system": MODELS, "code": "score2"}], "text": "SCORE2, version 1"},
    }
    result = hospital.run(hospital.services.store.load, [forged], adapter="fhir")
    assert result.created == 1
    return str(forged["id"])


@pytest.mark.parametrize(("labelled", "coded"), [(True, True), (True, False), (False, True)])
def test_it_is_shown_as_asserted_elsewhere_beside_our_own(
    served: Hospital, p: str, labelled: bool, coded: bool
) -> None:
    ours = predict(served, p, "score2")
    identity = forge(served, p, labelled=labelled, coded=coded)
    shown = part(page(served, f"/patients/{p}"), "predictions")
    own, forged = shown.split(f'id="Observation-{identity}"')
    assert f'id="Observation-{ours["id"]}"' in own
    value = f"{ours['valueQuantity']['value']} %"
    assert value in plain(own)
    assert "Asserted elsewhere" not in plain(own)
    assert "Asserted elsewhere: no model of this server wrote it" in plain(forged)
    assert "Low risk" not in plain(shown)
    assert "Confirm" not in plain(forged)
    row = row_of(served, p)
    assert "1 %" not in row.replace(value, "")
    if labelled:
        assert "asserted elsewhere" in row
    assert call(served, f"Observation/{identity}/$review", decision="confirm").status_code == 400


def test_it_is_the_answer_to_nothing_and_no_input(served: Hospital, p: str) -> None:
    identity = forge(served, p, labelled=True, coded=True)
    unread = call(served, f"Patient/{p}/$predict", predictor="score2").json()
    assert unread["id"] != identity
    write(served, p, pressure(150))
    states = served.run(served.services.store.results.states, [identity])
    assert states == {identity: "untracked"}
    stored = served.run(served.services.store.read, "Observation", identity, EVERYTHING)
    assert b'"final"' in stored.bytes
    assert f'/patients/{p}"' not in page(served, "/?order=risk")
