"""Whether a drug is taken: what was handed over or given, what a text says against it, and a status that is unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.predictions.ward import ATC, Ward, american, concept, european, ward

__all__ = ["ward"]

AGAINST = (
    "no atorvastatin, intolerant",
    "Atorvastatin abgesetzt",
    "Atorvastatin: allergy",
    "STOP simvastatin",
    "keine Statine, Simvastatin nicht vertragen",
    "declined rosuvastatin",
    "Simvastatin pausiert seit 3/2026",
    "Simvastatin (nicht mehr)",
    "kein Simvastatin",
)


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")


def drug(
    kind: str = "MedicationStatement", code: str = "C10AA05", text: str = "", **more: Any
) -> dict[str, Any]:
    status = "active" if kind in ("MedicationStatement", "MedicationRequest") else "completed"
    named = {"text": text} if text else concept(ATC, code)
    own = {"intent": "order"} if kind == "MedicationRequest" else {}
    return {"resourceType": kind, "status": status, "medicationCodeableConcept": named, **own, **more}


def supply(days: int) -> dict[str, Any]:
    return {"value": days, "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}


def answers(ward: Ward, patients: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Values by name; a text where it was refused. Each has a list with paracetamol."""
    listed = [*american(), drug(code="N02BE01")]
    ward.load({name: [*listed, *items] for name, items in patients.items()}, born="1976-03-04")
    said = ward.ask("prevent-total-cvd-10")
    return {name: said[name].text if said[name].value is None else said[name].value for name in patients}


def test_what_was_handed_over_or_given_is_taken_for_its_time(ward: Ward) -> None:
    handed = "MedicationDispense"
    given = "MedicationAdministration"
    said = answers(
        ward,
        {
            "none": [],
            "statin": [drug()],
            "dispensed": [drug(handed, whenHandedOver=days_ago(11))],
            "supply": [drug(handed, whenHandedOver=days_ago(150), daysSupply=supply(180))],
            "given": [drug(given, effectiveDateTime=days_ago(1))],
            "used-up": [drug(handed, whenHandedOver=days_ago(40), daysSupply=supply(30))],
            "old": [drug(handed, whenHandedOver=days_ago(101))],
            "returned": [drug(handed, whenHandedOver=days_ago(5), status="entered-in-error")],
            "declined": [drug(handed, status="declined")],
            "long-ago": [drug(given, effectiveDateTime=days_ago(8))],
            "not-done": [drug(given, effectiveDateTime=days_ago(1), status="not-done")],
            "treated": [drug(code="C09AA05")],
            "ramipril": [drug(given, code="C09AA05", effectiveDateTime=days_ago(1))],
            "unknown-drug": [drug(handed, text="Zzyzx 5", whenHandedOver=days_ago(1))],
        },
    )
    none, statin, treated = said.pop("none"), said.pop("statin"), said.pop("treated")
    assert len({none, statin, treated}) == 3
    assert {name for name, value in said.items() if value == statin} == {"dispensed", "supply", "given"}
    assert {name for name, value in said.items() if value == treated} == {"ramipril"}
    assert "a medication without a code may be" in said["unknown-drug"]
    others = {"used-up", "old", "returned", "declined", "long-ago", "not-done"}
    assert {name for name, value in said.items() if value == none} == others


def test_a_text_that_says_it_is_not_taken_is_no_yes(ward: Ward) -> None:
    said = answers(
        ward,
        {text.replace(" ", "")[:8] + str(number): [drug(text=text)] for number, text in enumerate(AGAINST)}
        | {
            "dosage": [drug(dosage=[{"text": "pausiert"}])],
            "order": [drug("MedicationRequest", dosageInstruction=[{"text": "on hold"}])],
            "unknown": [drug(status="unknown")],
        },
    )
    assert {name: value for name, value in said.items() if not isinstance(value, str)} == {}
    assert {
        name for name, text in said.items() if "open whether it is taken may be a statin" not in text
    } == set()


def test_other_texts_of_the_drug_and_against_other_drugs_change_nothing(ward: Ward) -> None:
    said = answers(
        ward,
        {
            "statin": [drug()],
            "text": [drug(text="Atorvastatin 20 mg abends, nicht mit Grapefruitsaft")],
            "twice": [drug(text="Atorvastatin abgesetzt"), drug("MedicationRequest")],
            "stopped": [drug(), drug(status="stopped", text="Ramipril abgesetzt")],
            "other": [drug(), drug(text="Ibuprofen: Allergie")],
        },
    )
    assert len(set(said.values())) == 1
    assert isinstance(said["statin"], float)


def test_a_drug_of_diabetes_that_was_given_excludes_and_one_that_may_not_be_taken_is_refused(
    ward: Ward,
) -> None:
    ward.load(
        {
            "insulin": [
                *european(),
                drug("MedicationAdministration", "A10AB05", effectiveDateTime=days_ago(30)),
            ],
            "none": [*european(), drug(text="kein Metformin")],
            "was": [*european(), drug(text="Metformin abgesetzt", status="stopped")],
        }
    )
    said = ward.ask("score2")
    assert "by a drug that is used in it: MedicationAdministration/" in said["insulin"].text
    assert "may be one of diabetes" in said["none"].text
    assert "by a drug that is used in it" in said["was"].text


def test_what_is_dispensed_later_makes_a_result_outdated_and_is_seen_by_the_next_run(ward: Ward) -> None:
    base = [*american(), drug(code="N02BE01")]
    ward.load({"p": base}, born="1976-03-04")
    before = ward.ask("prevent-total-cvd-10")["p"].value
    ward.load({"p": [drug("MedicationDispense", whenHandedOver=days_ago(2))]}, born="1976-03-04")
    after = ward.ask("prevent-total-cvd-10")["p"].value
    assert None not in (before, after)
    assert before != after
