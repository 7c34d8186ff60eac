"""Pooled Cohort Equations (ACC/AHA 2013): ten-year risk of a first atherosclerotic event."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from math import exp, log
from typing import Any, Final, NamedTuple

from fhir_bridge.predictions.cardiovascular import (
    ANTIHYPERTENSIVE,
    ASCVD,
    DIABETES,
    FAMILIAL,
    HDL_MASS,
    HEART_FAILURE,
    KIDNEY_FAILURE,
    PREGNANCY,
    SBP,
    TOTAL_MASS,
    diabetes,
    earlier_hba1c,
    exclusions,
    familial,
    takes,
)
from fhir_bridge.predictions.contract import Prediction, PredictorSettings
from fhir_bridge.predictions.explain import Dial, Equation, rounded
from fhir_bridge.predictions.findings import refuse_unreadable, subsumption_caution
from fhir_bridge.predictions.inputs import MissingInput
from fhir_bridge.predictions.published import PublishedEquation, published_card, sex_of
from fhir_bridge.predictions.record import PatientRecord
from fhir_bridge.predictions.smoking import find_smoking

__all__ = ["PooledCohort", "category_of", "risk", "terms"]


class _Coefficients(NamedTuple):
    """Goff et al. 2014, table A; natural logarithms. treated and untreated: of the systolic pressure."""

    survival: float
    mean: float
    age: float
    age2: float
    cholesterol: float
    age_cholesterol: float
    hdl: float
    age_hdl: float
    treated: float
    age_treated: float
    untreated: float
    age_untreated: float
    smoker: float
    age_smoker: float
    diabetes: float


COEFFICIENTS: Final = {
    ("female", "black"): _Coefficients(
        *(0.95334, 86.6081, 17.1141, 0, 0.9396, 0, -18.9196, 4.4748),
        *(29.2907, -6.4321, 27.8197, -6.0873, 0.6908, 0, 0.8738),
    ),
    ("female", "white"): _Coefficients(
        *(0.96652, -29.1817, -29.799, 4.884, 13.54, -3.114, -13.578, 3.149),
        *(2.019, 0, 1.957, 0, 7.574, -1.665, 0.661),
    ),
    ("male", "black"): _Coefficients(
        *(0.89536, 19.5425, 2.469, 0, 0.302, 0, -0.307, 0),
        *(1.916, 0, 1.809, 0, 0.549, 0, 0.645),
    ),
    ("male", "white"): _Coefficients(
        *(0.91436, 61.1816, 12.344, 0, 11.853, -2.664, -7.99, 1.769),
        *(1.797, 0, 1.764, 0, 7.837, -1.795, 0.658),
    ),
}
_RACE: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
_BLACK, _WHITE = "2054-5", "2106-3"

Values = Mapping[str, float]


def terms(values: Values, sex: str, race: str) -> dict[str, float]:
    """Share of each input in the linear predictor; mg/dL, mm[Hg]; an interaction with age counts with the other."""
    c = COEFFICIENTS[sex, race]
    age = log(values["age"])
    treated = values["antihypertensive"]
    slope = c.treated + c.age_treated * age if treated else c.untreated + c.age_untreated * age
    return {
        "age": c.age * age + c.age2 * age * age,
        "total-cholesterol": (c.cholesterol + c.age_cholesterol * age) * log(values["total-cholesterol"]),
        "hdl-cholesterol": (c.hdl + c.age_hdl * age) * log(values["hdl-cholesterol"]),
        "systolic-blood-pressure": slope * log(values["systolic-blood-pressure"]),
        "smoking": (c.smoker + c.age_smoker * age) * values["smoking"],
        "diabetes": c.diabetes * values["diabetes"],
    }


def percent_of(predictor: float, sex: str, race: str) -> float:
    """Risk in percent of the sum of the terms, not rounded."""
    c = COEFFICIENTS[sex, race]
    survival: float = c.survival ** exp(predictor - c.mean)
    return (1 - survival) * 100


def risk(predictor: float, sex: str, race: str) -> Decimal:
    """The same to one decimal."""
    return rounded(percent_of(predictor, sex, race))


def category_of(percent: float) -> tuple[str, str]:
    """Class of the ACC/AHA guideline on primary prevention of 2019: limits 5, 7.5 and 20 %."""
    if percent >= 20:
        return "high", "High"
    if percent >= 7.5:
        return "intermediate", "Intermediate"
    return ("borderline", "Borderline") if percent >= 5 else ("low", "Low")


_LABELS: Final = {
    "age": "Contribution of age",
    "total-cholesterol": "Contribution of total cholesterol",
    "hdl-cholesterol": "Contribution of HDL cholesterol",
    "systolic-blood-pressure": "Contribution of systolic blood pressure",
    "smoking": "Contribution of smoking",
    "diabetes": "Contribution of diabetes",
}
_BASELINE: Final = {
    "age": 55.0,
    "total-cholesterol": 213.0,
    "hdl-cholesterol": 50.0,
    "systolic-blood-pressure": 120.0,
    "antihypertensive": 0.0,
    "smoking": 0.0,
    "diabetes": 0.0,
}
_DIALS: Final = (
    Dial("systolic-blood-pressure", "Systolic blood pressure", "mm[Hg]", 90, 200),
    Dial("total-cholesterol", "Total cholesterol", "mg/dL", 130, 320),
    Dial("hdl-cholesterol", "HDL cholesterol", "mg/dL", 20, 100),
    Dial("smoking", "smoking"),
)
_RANGES: Final = {
    "total-cholesterol": (130, 320),
    "hdl-cholesterol": (20, 100),
    "systolic-blood-pressure": (90, 200),
}


@lru_cache(maxsize=4)
def _equation(sex: str, race: str) -> Equation:
    return Equation(
        lambda values: terms(values, sex, race),
        lambda values: percent_of(sum(terms(values, sex, race).values()), sex, race),
        _BASELINE,
        "age 55, total cholesterol 213 mg/dL, HDL cholesterol 50 mg/dL, untreated systolic blood pressure 120 mm[Hg], "
        "not smoking, no diabetes (the example of the publication)",
        lambda percent, _: category_of(percent),
        _DIALS,
    )


class PooledCohort(PublishedEquation):
    """The predictor over a patient's record."""

    name = "pooled-cohort"
    version = "2013.1"
    result_code = ("pooled-cohort", "Pooled Cohort Equations 10-year risk of an atherosclerotic event")
    title = "Pooled Cohort Equations: ten-year risk of a first atherosclerotic cardiovascular event"
    manufacturer = "American College of Cardiology and American Heart Association"
    inputs = (SBP, TOTAL_MASS, HDL_MASS)
    ages = (40, 79)
    categories = (
        ("low", "Low"),
        ("borderline", "Borderline"),
        ("intermediate", "Intermediate"),
        ("high", "High"),
    )
    card = published_card(
        details="Four proportional hazards equations, by sex and race (black; white, also used for others).",
        intended_use="Estimates the ten-year risk of a first atherosclerotic event in people of 40 to 79 years in the "
        "United States, to support a conversation on prevention.",
        cautioned_out_of_scope="Known atherosclerotic cardiovascular disease or heart failure, familial "
        "hypercholesterolaemia, pregnancy; ages below 40 and above 79.",
        development="24,626 people of four cohorts (ARIC, CARDIA, CHS, Framingham).",
        fairness="Race is an input. The white equations are used for other groups, whose risk they may over- or "
        "underestimate.",
        external_validation="Overestimates in contemporary cohorts; PREVENT (2023) succeeds it.",
        maintenance="Fixed coefficients.",
        citation="Circulation 2014;129(suppl 2):S49-S73, doi:10.1161/01.cir.0000437741.48606.98",
    )

    def answer(self, record: PatientRecord, settings: PredictorSettings) -> Prediction:
        """The risk; see `PublishedEquation`."""
        sex = sex_of(record)
        gathered, age, day = self.at_pressure(record)
        looked_at = exclusions(record, (ASCVD, HEART_FAILURE, FAMILIAL, PREGNANCY, KIDNEY_FAILURE))
        familial(record)
        refuse_unreadable(record)
        race, caution = _race_of(record.patient)
        gathered.measure(record, {"total-cholesterol": TOTAL_MASS, "hdl-cholesterol": HDL_MASS})
        for name, (low, high) in _RANGES.items():
            gathered.check_range(name, low, high)
        smoking = find_smoking(record)
        present, evidence_of_diabetes = diabetes(record, certain=True)
        treated, medication = takes(record, ANTIHYPERTENSIVE, settings)
        gathered.add("smoking", smoking.cigarettes, smoking.evidence)
        gathered.add("diabetes", present, None)
        gathered.add("antihypertensive", treated, None)
        equation = _equation(sex, race)
        return self.explained(
            equation,
            gathered,
            _LABELS,
            horizon_years=10,
            outcome=("atherosclerotic-event", "Atherosclerotic cardiovascular event"),
            population="United States",
            guideline="ACC/AHA 2019 guideline on primary prevention",
            looked_at=(*looked_at, *evidence_of_diabetes, *(() if medication is None else (medication,))),
            cautions=(
                f"Age {age} on {day.isoformat()}; {'treated' if treated else 'untreated'} systolic blood pressure.",
                *caution,
                *(() if present else earlier_hba1c(record)),
                "Derived in the United States.",
                *subsumption_caution(record, (ASCVD, HEART_FAILURE, DIABETES, KIDNEY_FAILURE)),
            ),
        )


def _race_of(patient: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The equations that the publication gives for the stated race (US Core), and what is to be said of it.

    Raises:
        MissingInput: no race is stated.
    """
    codes = {
        part.get("valueCoding", {}).get("code")
        for extension in patient.get("extension", ())
        if extension.get("url") == _RACE
        for part in extension.get("extension", ())
        if part.get("url") == "ombCategory"
    }
    if _BLACK in codes and _WHITE in codes:
        return "black", (
            "White and black are both stated as race: the equations for black people are used, the publication has "
            "none for both.",
        )
    if _BLACK in codes:
        return "black", ()
    if _WHITE in codes:
        return "white", ()
    if not codes - {None, "UNK", "ASKU"}:
        raise MissingInput("no race (US Core), by which the publication has its equations")
    return "white", (
        "The equations for white people, as the publication advises for others than black people.",
    )
