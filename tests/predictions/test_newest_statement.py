"""The newest statement decides: also one that is not final, and what says more exactly what a diagnosis is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.predictions.records import SNOMED, quantity, smoking
from tests.predictions.test_bounded import model, rows
from tests.predictions.ward import Ward, concept, diagnosis, european, ward

__all__ = ["ward"]

NOW = datetime.now(UTC)
LATELY = (NOW - timedelta(days=3)).isoformat(timespec="seconds")
BEFORE = (NOW - timedelta(days=40)).isoformat(timespec="seconds")
LABS: dict[str, Any] = {"max_age_days": 9999, "plausible": [-100, 10000]}


def without(*codes: str) -> list[dict[str, Any]]:
    """The inputs of SCORE2 but these."""
    return [item for item in european() if item["code"]["coding"][0]["code"] not in codes]


def staged(*codes: str, text: str = "", code: str = "N18.9") -> dict[str, Any]:
    summary = concept(SNOMED, codes[0]) if codes else {"text": text}
    return diagnosis("icd", code, stage=[{"summary": summary}])


def test_the_stage_of_a_kidney_disease_decides_like_a_code(ward: Ward) -> None:
    ward.load(
        {
            "three": [*european(), staged("433144002")],
            "two": [*european(), staged("431856006")],
            "words": [*european(), staged(text="Stadium G3b")],
            "other": [*european(), staged("258215001", code="J45.9")],
            "none": european(),
        }
    )
    said = ward.ask("score2")
    assert "moderate to severe chronic kidney disease: Condition/" in said["three"].text
    assert "the stage of the chronic kidney disease is not known: Condition/" in said["words"].text
    assert said["two"].value == said["other"].value == said["none"].value is not None


def test_what_is_not_final_is_not_passed_over(ward: Ward) -> None:
    """An older value takes its place only where it says the same."""
    pressure, preliminary = quantity("8480-6", 180, "mm[Hg]", when=LATELY), {"status": "preliminary"}
    total = quantity("14647-2", 9.5, "mmol/L", when=LATELY)
    ward.load(
        {
            "pressure": [*european(), pressure | preliminary],
            "unknown": [*european(), total | {"status": "unknown"}],
            "alone": [*without("14647-2"), total | preliminary],
            "smoker": [*european(), smoking("77176002") | preliminary | {"effectiveDateTime": LATELY}],
            "same": [*european(), quantity("8480-6", 141, "mm[Hg]", when=LATELY) | preliminary],
            "older": [*european(), pressure | preliminary | {"effectiveDateTime": BEFORE}],
            "wrong": [*european(), pressure | {"status": "entered-in-error"}],
            "none": european(),
        }
    )
    said = ward.ask("score2")
    assert "the newest systolic blood pressure is not final: Observation/" in said["pressure"].text
    assert "the newest total cholesterol is not final: Observation/" in said["unknown"].text
    assert "the newest total cholesterol is not final: Observation/" in said["alone"].text
    assert "the newest smoking status is not final: Observation/" in said["smoker"].text
    values = {said[name].value for name in ("same", "older", "wrong", "none")}
    assert len(values) == 1
    assert None not in values


@pytest.mark.parametrize(
    ("code", "value", "unit", "status", "text"),
    [
        ("4548-4", 9, "%", "preliminary", "HbA1c that is not final may be that of diabetes"),
        ("4548-4", 9, "%", "unknown", "HbA1c that is not final may be that of diabetes"),
        ("17855-8", 9, "%", "final", "HbA1c: Observation/"),
        ("4549-2", 9, "%", "final", "HbA1c: Observation/"),
        ("71875-9", 9, "%", "final", "HbA1c: Observation/"),
        ("96595-4", 9, "%", "final", "HbA1c: Observation/"),
        ("41995-2", 1.2, "g/dL", "final", "HbA1c is in g/dL, which does not convert"),
        ("14682-9", 400, "umol/L", "final", "the newest creatinine may mean an eGFR below 60"),
        ("2160-0", 1.6, "mg/dL", "preliminary", "the newest creatinine may mean an eGFR below 60"),
        ("4548-4", 5.5, "%", "preliminary", ""),
        ("14682-9", 80, "umol/L", "final", ""),
    ],
)
def test_diabetes_and_kidneys_by_each_measurement(
    ward: Ward, code: str, value: float, unit: str, status: str, text: str
) -> None:
    ward.load({"p": [*without("98979-8"), quantity(code, value, unit, status=status)]})
    said = ward.ask("score2")["p"]
    assert (said.value is None) is bool(text)
    assert text in said.text


def test_a_creatinine_counts_where_it_is_newer_than_the_egfr(ward: Ward) -> None:
    ward.load(
        {
            "newer": [*european(), quantity("14682-9", 400, "umol/L", when=LATELY)],
            "older": [*european(), quantity("14682-9", 400, "umol/L", when=BEFORE)],
        }
    )
    said = ward.ask("score2")
    assert (said["newer"].value, said["older"].value is None) == (None, False)


def test_smoking_by_each_code_and_by_a_newer_diagnosis(ward: Ward) -> None:
    def status(code: str) -> list[dict[str, Any]]:
        return [*without("72166-2"), smoking(code)]

    cm = {"onsetDateTime": LATELY[:10]}
    ward.load(
        {
            "never": european(),
            "aggressive": status("360918006"),
            "intolerant": status("360929005"),
            "heavy": status("230064005"),
            "dependent": [*european(), diagnosis("cm", "F17.210", **cm)],
            "listed": [*european(), diagnosis("sct", "77176002", **cm)],
            "remission": [*european(), diagnosis("cm", "F17.211", **cm)],
            "chews": [*european(), diagnosis("cm", "F17.220", **cm)],
            "before": [*european(), diagnosis("cm", "F17.210")],
        }
    )
    said = ward.ask("score2")
    never = said["never"].value
    assert never is not None
    same = ("aggressive", "intolerant", "remission", "chews", "before")
    assert {said[name].value for name in same} == {never}
    assert (said["heavy"].value or 0) > never
    for name in ("dependent", "listed"):
        assert "a diagnosis of smoking is newer than the status" in said[name].text
        assert said[name].value is None


def test_a_pressure_of_a_leg_is_none_of_the_arm(ward: Ward) -> None:
    ankle = quantity("8480-6", 180, "mm[Hg]", when=LATELY) | {"bodySite": concept("sct", "344001")}
    named = ankle | {"bodySite": {"text": "right ankle"}}
    ward.load(
        {
            "both": [*european(), ankle],
            "only": [*without("8480-6"), named],
            "arm": [*european(), ankle | {"bodySite": {"text": "left upper arm"}}],
            "none": european(),
        }
    )
    said = ward.ask("score2")
    assert said["both"].value == said["none"].value is not None
    assert "no systolic blood pressure" in said["only"].text
    assert said["arm"].value != said["none"].value


def test_another_sex_at_birth_is_said(ward: Ward) -> None:
    url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
    model(ward, {"name": "sex", "type": "sex"})
    ward.load({"other": european()}, extension=[{"url": url, "valueCode": "F"}])
    ward.load({"same": european()}, extension=[{"url": url, "valueCode": "M"}])
    for name in ("score2", "own-risk"):
        said = ward.ask(name)
        assert said["other"].value == said["same"].value is not None
        text = "Not decided: the record states female as sex (us-core-birthsex) and male gender"
        assert text in said["other"].text
        assert "us-core" not in said["same"].text


def test_an_ejection_fraction_below_a_limit_counts(ward: Ward) -> None:
    def fraction(value: float, comparator: str) -> dict[str, Any]:
        found = quantity("10230-1", value, "%")
        found["valueQuantity"]["comparator"] = comparator
        return found

    af = diagnosis("icd", "I48.0")
    ward.load(
        {
            "below": [af, fraction(40, "<")],
            "above": [af, fraction(40, ">")],
            "open": [af, fraction(45, "<")],
            "none": [af],
        }
    )
    said = ward.ask("cha2ds2-va")
    none = said["none"].value
    assert none is not None
    assert (said["below"].value, said["above"].value) == (none + 1, none)
    assert "may be up to 40 % or not" in said["open"].text


def test_what_the_model_was_given_in_place_of_an_input_is_said(ward: Ward) -> None:
    path = model(
        ward,
        {
            "name": "score",
            "type": "quantity",
            "codes": ["loinc|14749-6"],
            "unit": "mmol/L",
            "missing": 3,
            **LABS,
        },
        {"name": "smokes", "type": "smoking", "missing": 0},
    )
    measured = quantity("14749-6", 5, "mmol/L")
    ward.load(
        {
            "filled": [],
            "stated": [measured, smoking("77176002")],
            "unread": [measured | {"status": "preliminary"}, smoking("77176002")],
        }
    )
    said = ward.ask("own-risk")
    assert (said["filled"].value, said["stated"].value, said["unread"].value) == (3, 6, None)
    first = "Not decided: score is not from the record (no score); the model counts 3 in its place."
    assert first in said["filled"].text
    assert "Not decided: smokes is not from the record (no smoking status)" in said["filled"].text
    assert "Not decided" not in said["stated"].text
    now = datetime.now(UTC).isoformat()
    table = {row["patient"]: row for row in rows(ward, path, now, code=1)}
    assert set(table) == {"filled", "stated"}
    assert (table["filled"]["score"], table["filled"]["score_filled"]) == (3, True)
    assert (table["stated"]["score"], table["stated"]["score_filled"]) == (5, False)
    assert (table["filled"]["smokes"], table["filled"]["smokes_filled"]) == (0, True)
