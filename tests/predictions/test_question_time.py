"""The moment of the question: what is dated after it, and the age at it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.predictions.test_hcm_risk_scd import complete
from tests.predictions.ward import Ward, american, concept, diagnosis, european, ward

__all__ = ["ward"]

LATER = (datetime.now(UTC) + timedelta(days=200)).date().isoformat()


def test_a_diagnosis_that_is_dated_after_the_run_is_refused(ward: Ward) -> None:
    flutter = diagnosis("cm", "I48.91")
    stroke = diagnosis("cm", "I63.9", onsetDateTime=LATER)
    operation = {"resourceType": "Procedure", "status": "completed", "code": concept("ops", "5-351.14")}
    ward.load(
        {
            "stroke": [flutter, stroke],
            "failure": [flutter, diagnosis("cm", "I50.9", onsetDateTime=None, onsetPeriod={"start": LATER})],
            "recorded": [flutter, diagnosis("cm", "I50.9", recordedDate=LATER)],
            "flutter": [diagnosis("cm", "I48.91", onsetDateTime=LATER)],
            "valve": [flutter, operation | {"performedDateTime": LATER}],
            "both": [flutter, stroke, diagnosis("cm", "I63.9")],
            "order": [diagnosis("cm", "I63.9"), stroke, flutter],
            "refuted": [flutter, stroke | {"verificationStatus": concept("v", "refuted")}],
            "other": [flutter, diagnosis("cm", "J45.909", onsetDateTime=LATER)],
        },
        born="1990-01-01",
    )
    said = ward.ask("cha2ds2-va")
    for name in ("stroke", "failure", "recorded", "flutter", "valve"):
        assert said[name].value is None, name
        assert "is dated after this run" in said[name].text
    assert said["both"].value == said["order"].value == 2
    assert said["refuted"].value == said["other"].value == 0


def test_an_infarction_or_an_onset_that_is_dated_after_the_run_is_refused(ward: Ward) -> None:
    ward.load(
        {
            "infarction": [*european(), diagnosis("icd", "I21.9", onsetDateTime=LATER)],
            "diabetes": [*european(), diagnosis("icd", "E11.9", onsetDateTime=LATER)],
            "twice": [*european(), diagnosis("icd", "E11.9"), diagnosis("icd", "E11.9", onsetDateTime=LATER)],
        }
    )
    said = ward.ask("score2")
    assert "is dated after this run" in said["infarction"].text
    said = ward.ask("score2-diabetes")
    for name in ("diabetes", "twice"):
        assert "type 2 diabetes mellitus is dated after this run" in said[name].text


def born(years: int, days: int = 0) -> str:
    """Birth date of who turned, or turns in some days, that many years."""
    today = datetime.now(UTC).date()
    return (date(today.year - years, today.month, min(today.day, 28)) + timedelta(days=days)).isoformat()


def aged(resources: list[dict[str, Any]], days: int) -> list[dict[str, Any]]:
    """The same measurements, so many days ago."""
    when = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    return [item | ({"effectiveDateTime": when} if "effectiveDateTime" in item else {}) for item in resources]


@pytest.mark.parametrize(
    ("model", "years", "refused"),
    [
        ("score2", 70, False),
        ("score2", 90, True),
        ("prevent-total-cvd-10", 80, True),
        ("hcm-risk-scd", 45, False),
    ],
)
def test_the_age_is_that_of_the_question_whenever_the_measurements_were(
    ward: Ward, model: str, years: int, refused: bool
) -> None:
    inputs = {"score2": european, "hcm-risk-scd": complete}.get(model, american)()
    if model.startswith("prevent"):
        drug = {"resourceType": "MedicationStatement", "status": "active"}
        inputs.append(drug | {"medicationCodeableConcept": concept("http://www.whocc.no/atc", "N02BE01")})
    ward.load({"old": aged(inputs, 700), "new": aged(inputs, 1)}, born=born(years))
    said = ward.ask(model)
    assert said["old"].value == said["new"].value
    assert (said["old"].value is None) is refused
    text = f"age {years} is outside" if refused else f"age {years} on {datetime.now(UTC).date().isoformat()}"
    assert text in said["old"].text.lower()
    if model == "score2":
        assert said["old"].observation["code"]["coding"][0]["code"] == "score2-op"
