"""CHA2DS2-VA (ESC 2024) and CHA2DS2-VASc: points for the risk of stroke in atrial fibrillation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from fhir_bridge.predictions.cardiovascular import (
    DIABETES,
    DIABETES_DRUG,
    HEART_FAILURE,
    Excluded,
    diabetes,
    earlier_hba1c,
    exclusions,
    not_stated,
)
from fhir_bridge.predictions.contract import Prediction, PredictorSettings
from fhir_bridge.predictions.explain import Dial, Equation
from fhir_bridge.predictions.findings import Disease, find_certain, refuse_unreadable, subsumption_caution
from fhir_bridge.predictions.inputs import MissingInput, QuantityInput, Reading, UnusableInput, age_on, loinc
from fhir_bridge.predictions.outputs import QuantityOutput
from fhir_bridge.predictions.published import Gathered, PublishedEquation, published_card, sex_of
from fhir_bridge.predictions.record import Evidence, PatientRecord

__all__ = ["Cha2ds2", "category_of", "points"]

ATRIAL_FIBRILLATION: Final = Disease("atrial fibrillation", "atrial-fibrillation")
VALVULAR: Final = Disease("mitral stenosis or mechanical valve", "valvular-atrial-fibrillation")
HYPERTENSION: Final = Disease("hypertension", "hypertension")
STROKE: Final = Disease("stroke, transient ischaemic attack or embolism", "thromboembolism")
VASCULAR: Final = Disease("vascular disease", "vascular-disease")

DILATED: Final = Disease("dilated cardiomyopathy", "dilated-cardiomyopathy")
LVEF: Final = QuantityInput(
    "left ventricular ejection fraction",
    loinc("10230-1", "18043-0", "8810-4", "8811-2"),
    "%",
    timedelta(days=5 * 366),
    (Decimal(5), Decimal(90)),
)
_REDUCED: Final = Decimal(40)
"""Percent, up to which an ejection fraction counts without symptoms (ESC 2024)."""

Values = Mapping[str, float]
_HISTORY: Final = {
    "heart-failure": (HEART_FAILURE, 1),
    "hypertension": (HYPERTENSION, 1),
    "stroke": (STROKE, 2),
    "vascular-disease": (VASCULAR, 1),
}


def points(values: Values, *, with_sex: bool) -> dict[str, float]:
    """Points of each item. Values: `age` in years, `female` and the diseases as 0 or 1."""
    age = values["age"]
    shares = {
        "age": 2.0 if age >= 75 else 1.0 if age >= 65 else 0.0,
        "diabetes": values["diabetes"],
        **{name: weight * values[name] for name, (_, weight) in _HISTORY.items()},
    }
    return {**shares, "sex": values["female"]} if with_sex else shares


def category_of(total: int, *, with_sex: bool, female: bool) -> tuple[str, str]:
    """Class by the sum without the point for sex: none low, one intermediate, more high (ESC 2020 and 2024)."""
    without = total - 1 if with_sex and female else total
    return (
        ("high", "High") if without >= 2 else ("intermediate", "Intermediate") if without else ("low", "Low")
    )


_LABELS: Final = {
    "heart-failure": "Contribution of heart failure",
    "hypertension": "Contribution of hypertension",
    "age": "Contribution of age",
    "diabetes": "Contribution of diabetes",
    "stroke": "Contribution of stroke",
    "vascular-disease": "Contribution of vascular disease",
    "sex": "Contribution of sex",
}
_DIALS: Final = tuple(Dial(name, disease.name) for name, (disease, _) in _HISTORY.items())


@lru_cache(maxsize=2)
def _equation(with_sex: bool) -> Equation:
    baseline = {"age": 50.0, "female": 0.0, "diabetes": 0.0, **dict.fromkeys(_HISTORY, 0.0)}
    text = "a man below 65 without any of the diseases" if with_sex else "age below 65, none of the diseases"
    return Equation(
        lambda values: points(values, with_sex=with_sex),
        lambda values: sum(points(values, with_sex=with_sex).values()),
        baseline,
        text,
        lambda total, values: category_of(int(total), with_sex=with_sex, female=bool(values["female"])),
        _DIALS,
        "points",
        0,
    )


class Cha2ds2(PublishedEquation):
    """The score, with the point for female sex or without."""

    version = "2024.1"
    categories = (("low", "Low"), ("intermediate", "Intermediate"), ("high", "High"))
    manufacturer = "European Society of Cardiology"

    def __init__(self, *, with_sex: bool) -> None:
        """CHA2DS2-VASc with the point for sex, else CHA2DS2-VA."""
        self.with_sex = with_sex
        title = "CHA2DS2-VASc" if with_sex else "CHA2DS2-VA"
        self.name = title.lower()
        self.result_code = (self.name, f"{title} score")
        self.title = f"{title}: points for the risk of stroke in atrial fibrillation"
        self.card = published_card(
            details="Sum of points for eight items."
            if with_sex
            else "CHA2DS2-VASc without the point for female sex.",
            intended_use="Supports the decision on oral anticoagulation in adults with atrial fibrillation.",
            cautioned_out_of_scope="Mitral stenosis, mechanical heart valve, no atrial fibrillation.",
            development="Euro Heart Survey, 1,084 people (CHA2DS2-VASc, 2010).",
            fairness="Female sex is a point, which CHA2DS2-VA leaves out."
            if with_sex
            else "Sex is no input.",
            external_validation="C-index 0.6 to 0.7 in many cohorts.",
            maintenance="Fixed points.",
            citation="Chest 2010;137:263-272" if with_sex else "Eur Heart J 2024;45:3314-3414",
        )

    inputs = (LVEF,)

    def answer(self, record: PatientRecord, settings: PredictorSettings) -> Prediction:  # noqa: ARG002 - it has none
        """The points; see `PublishedEquation`. What no record states counts as absent, as in the publication."""
        diagnosis = find_certain(record, ATRIAL_FIBRILLATION)
        if diagnosis is None:
            raise not_stated(record, "no diagnosis of atrial fibrillation", ATRIAL_FIBRILLATION)
        looked_at = [diagnosis, *exclusions(record, (VALVULAR,))]
        refuse_unreadable(record, "count")
        day = record.as_of.date()
        age = age_on(record, day)
        if age < 18:
            raise Excluded(f"age {age} is below 18")
        female = self.with_sex and sex_of(record) == "female"
        present, evidence_of_diabetes = diabetes(record, certain=True)
        gathered = Gathered(age=age, female=female)
        gathered.add("diabetes", present, evidence_of_diabetes[0] if present else None)
        if not present:
            looked_at += evidence_of_diabetes
        notes: tuple[str, ...] = ()
        for name, (disease, _) in _HISTORY.items():
            observed = find_certain(record, disease)
            if observed is None and disease is HEART_FAILURE:
                observed, notes = _dysfunction(record)
            gathered.add(name, observed is not None, observed)
        equation = _equation(self.with_sex)
        return self.explained(
            equation,
            gathered,
            _LABELS,
            percent=None,
            horizon_years=None,
            output=QuantityOutput(equation.answer(gathered.values).percent, "{score}"),
            outcome=("stroke", "Stroke"),
            effective=record.as_of.isoformat(timespec="seconds"),
            looked_at=looked_at,
            population="Adults with atrial fibrillation",
            guideline="ESC 2024 guideline on atrial fibrillation (without the point for sex)",
            cautions=(
                f"Age {age} on {day.isoformat()}. What the record does not state counts as absent.",
                *notes,
                *(() if present else earlier_hba1c(record)),
                *subsumption_caution(
                    record, (DIABETES, DIABETES_DRUG, DILATED, *(disease for disease, _ in _HISTORY.values()))
                ),
            ),
        )


def _reduced(record: PatientRecord) -> Evidence | None:
    """The newest ejection fraction, where it is reduced, also as `<40`.

    Raises:
        UnusableInput: it can't be used, or may be reduced or not (`<45`).
    """
    try:
        readings = LVEF.newest(record)
        if not any(reading.comparator for reading in readings):
            fraction, measured = LVEF.find(record)
            return measured if fraction <= _REDUCED else None
    except MissingInput:
        LVEF.refuse_unsettled(record, None)
        return None
    LVEF.refuse_unsettled(record, readings[0])
    below = [reading for reading in readings if _is_reduced(reading)]
    if below and len(below) < len(readings):
        raise UnusableInput(f"{LVEF.name} has two values at one time", below[0].evidence)
    return below[0].evidence if below else None


def _is_reduced(reading: Reading) -> bool:
    value, comparator = reading.value, reading.comparator
    if comparator in ("", "<", "<=") and value <= _REDUCED:
        return True
    if (value > _REDUCED and comparator in ("", ">", ">=")) or (comparator, value) == (">", _REDUCED):
        return False
    raise UnusableInput(f"{LVEF.name} may be up to {_REDUCED} % or not", reading.evidence)


def _dysfunction(record: PatientRecord) -> tuple[Evidence | None, tuple[str, ...]]:
    """What states a dysfunction of the left ventricle that counts without heart failure, and what is to be noted of it.

    Raises:
        UnusableInput: the newest ejection fraction can't be used.
    """
    observed = find_certain(record, DILATED)
    if observed is None:
        observed = _reduced(record)
        if observed is None:
            return None, ()
    return observed, (f"The point for heart failure is by {observed.label}; no heart failure is recorded.",)
