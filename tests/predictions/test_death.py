"""Who has died gets no risk: of no kind of model, and by whatever of the record says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.predictions.test_bounded import model, rows
from tests.predictions.ward import Ward, concept, diagnosis, european, ward

__all__ = ["ward"]

LATELY = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


def of_death(**more: Any) -> dict[str, Any]:
    found = {"resourceType": "Observation", "status": "final", "code": concept("loinc", "81956-5")}
    return {**found, "effectiveDateTime": LATELY, **more}


def test_no_model_gives_a_risk_of_who_has_died(ward: Ward) -> None:
    path = model(ward, {"name": "age", "type": "age"})
    dead: dict[str, list[dict[str, Any]]] = {
        "condition": [diagnosis("sct", "419099009", onsetDateTime=LATELY)],
        "sudden": [diagnosis("icd", "R96.0", onsetDateTime=LATELY)],
        "observed": [of_death(valueDateTime=f"{LATELY}T03:00:00Z")],
        "early": [of_death(valueDateTime=f"{LATELY}T03:00:00Z", status="preliminary")],
        "unread": [of_death(dataAbsentReason=concept(ABSENT, "unknown"))],
    }
    alive: dict[str, list[dict[str, Any]]] = {
        "alive": [],
        "denied": [diagnosis("sct", "419099009", verificationStatus=concept("", "refuted"))],
        "wrong": [of_death(valueDateTime=f"{LATELY}T03:00:00Z", status="entered-in-error")],
        "no-death": [of_death(dataAbsentReason=concept(ABSENT, "not-applicable"))],
    }
    ward.load({name: [*european(), *items] for name, items in (dead | alive).items()})
    for name in ("own-risk", "score2", "cha2ds2-va"):
        said = ward.ask(name)
        assert {patient for patient in dead if said[patient].value is not None} == set()
        assert all("has died" in said[patient].text for patient in dead)
        assert not any("died" in said[patient].text for patient in alive)
    said = ward.ask("own-risk")
    assert {patient for patient in alive if said[patient].value is not None} == set(alive)
    assert said["observed"].observation["derivedFrom"]
    # Training data leave out whom no model answers for.
    now = datetime.now(UTC).isoformat()
    assert {row["patient"] for row in rows(ward, path, now, code=1)} == set(alive)
