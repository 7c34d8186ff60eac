"""SCORE2-Diabetes: ten-year risk of a cardiovascular event in type 2 diabetes, 40 to 69 years."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from math import exp, log
from typing import Final, NamedTuple

from fhir_bridge.predictions.cardiovascular import (
    CHOLESTEROL,
    EGFR,
    FAMILIAL_GENES,
    HBA1C,
    HDL,
    OTHER_TYPE,
    SBP,
    TYPE_2,
    UACR,
    WITHOUT_KIDNEY,
    Excluded,
    exclusions,
    familial,
    not_stated,
)
from fhir_bridge.predictions.contract import Prediction, PredictorSettings
from fhir_bridge.predictions.explain import Dial, Equation, rounded
from fhir_bridge.predictions.findings import (
    Disease,
    find_disease,
    onset_of,
    refuse_unreadable,
    subsumption_caution,
)
from fhir_bridge.predictions.genome import uncertain_variants
from fhir_bridge.predictions.inputs import ImplausibleInput, MissingInput, UnusableInput
from fhir_bridge.predictions.published import PublishedEquation, published_card, sex_of
from fhir_bridge.predictions.record import Evidence, PatientRecord
from fhir_bridge.predictions.score2 import region_of
from fhir_bridge.predictions.score2_coefficients import REGIONS, SCORE2
from fhir_bridge.predictions.smoking import find_smoking

__all__ = ["Score2Diabetes", "category_of", "risk", "terms"]


class _Coefficients(NamedTuple):
    """SCORE2-Diabetes working group 2023, supplement; age, pressure and lipids as SCORE2 has them."""

    age: float
    smoking: float
    sbp: float
    diabetes: float
    cholesterol: float
    hdl: float
    age_smoking: float
    age_sbp: float
    age_diabetes: float
    age_cholesterol: float
    age_hdl: float
    onset: float
    hba1c: float
    egfr: float
    egfr2: float
    age_hba1c: float
    age_egfr: float


COEFFICIENTS: Final = {
    "male": _Coefficients(
        *(0.5368, 0.4774, 0.1322, 0.6457, 0.1102, -0.1087),
        *(-0.0672, -0.0268, -0.0983, -0.0181, 0.0095),
        *(-0.0998, 0.0955, -0.0591, 0.0058, -0.0134, 0.0115),
    ),
    "female": _Coefficients(
        *(0.6624, 0.6139, 0.1421, 0.8096, 0.1127, -0.1568),
        *(-0.1122, -0.0167, -0.1272, -0.0200, 0.0186),
        *(-0.1180, 0.1173, -0.0640, 0.0062, -0.0196, 0.0169),
    ),
}

Values = Mapping[str, float]


def terms(values: Values, sex: str) -> dict[str, float]:
    """Share of each input in the linear predictor; an interaction with age counts with the other input.

    mm[Hg], mmol/L, mmol/mol of HbA1c, mL/min/1.73 m2, years.
    """
    c = COEFFICIENTS[sex]
    age = (values["age"] - 60) / 5
    egfr = (log(values["egfr"]) - 4.5) / 0.15
    return {
        "age": c.age * age,
        "smoking": (c.smoking + c.age_smoking * age) * values["smoking"],
        "systolic-blood-pressure": (c.sbp + c.age_sbp * age) * (values["systolic-blood-pressure"] - 120) / 20,
        "total-cholesterol": (c.cholesterol + c.age_cholesterol * age) * (values["total-cholesterol"] - 6),
        "hdl-cholesterol": (c.hdl + c.age_hdl * age) * (values["hdl-cholesterol"] - 1.3) / 0.5,
        "diabetes": c.diabetes + c.age_diabetes * age,
        "age-at-diabetes": c.onset * (values["age-at-diabetes"] - 50) / 5,
        "hba1c": (c.hba1c + c.age_hba1c * age) * (values["hba1c"] - 31) / 9.34,
        "egfr": (c.egfr + c.age_egfr * age) * egfr + c.egfr2 * egfr * egfr,
    }


def percent_of(values: Values, sex: str, region: str) -> float:
    """Calibrated ten-year risk in percent, not rounded; baseline and scales are SCORE2's.

    Raises:
        KeyError, ValueError: sex is neither `male` nor `female`, or the region is not one of `REGIONS`.
    """
    equation = SCORE2[sex]
    scale1, scale2 = equation.scales[REGIONS.index(region)]
    uncalibrated = 1 - equation.baseline_survival ** exp(sum(terms(values, sex).values()))
    calibrated = 1 - exp(-exp(scale1 + scale2 * log(-log(1 - uncalibrated))))
    return calibrated * 100


def risk(values: Values, sex: str, region: str) -> Decimal:
    """The same to one decimal."""
    return rounded(percent_of(values, sex, region))


def category_of(percent: float) -> tuple[str, str]:
    """Class of the ESC guideline on diabetes of 2023: limits 5, 10 and 20 %."""
    if percent >= 20:
        return "very-high", "Very high"
    if percent >= 10:
        return "high", "High"
    return ("moderate", "Moderate") if percent >= 5 else ("low", "Low")


_LABELS: Final = {
    "age": "Contribution of age",
    "smoking": "Contribution of smoking",
    "systolic-blood-pressure": "Contribution of systolic blood pressure",
    "total-cholesterol": "Contribution of total cholesterol",
    "hdl-cholesterol": "Contribution of HDL cholesterol",
    "diabetes": "Contribution of diabetes",
    "age-at-diabetes": "Contribution of age at the diagnosis of diabetes",
    "hba1c": "Contribution of HbA1c",
    "egfr": "Contribution of eGFR",
}
_BASELINE: Final = {
    "age": 60.0,
    "smoking": 0.0,
    "systolic-blood-pressure": 120.0,
    "total-cholesterol": 6.0,
    "hdl-cholesterol": 1.3,
    "age-at-diabetes": 50.0,
    "hba1c": 31.0,
    "egfr": 90.0,
}
_DIALS: Final = (
    Dial("systolic-blood-pressure", "Systolic blood pressure", "mm[Hg]", 100, 200),
    Dial("total-cholesterol", "Total cholesterol", "mmol/L", 3, 10, 1),
    Dial("hba1c", "HbA1c", "mmol/mol", 31, 120),
    Dial("smoking", "smoking"),
)
_SEVERE: Final = Disease("severe chronic kidney disease, dialysis or kidney transplant", "ckd-severe")


@lru_cache(maxsize=8)
def _equation(sex: str, region: str) -> Equation:
    return Equation(
        lambda values: terms(values, sex),
        lambda values: percent_of(values, sex, region),
        _BASELINE,
        "age 60, diabetes since 50, not smoking, systolic blood pressure 120 mm[Hg], total cholesterol 6 mmol/L, HDL "
        "cholesterol 1.3 mmol/L, HbA1c 31 mmol/mol, eGFR 90 mL/min/{1.73_m2}",
        lambda percent, _: category_of(percent),
        _DIALS,
    )


class Score2Diabetes(PublishedEquation):
    """The predictor over a patient's record."""

    name = "score2-diabetes"
    version = "2023.1"
    result_code = ("score2-diabetes", "SCORE2-Diabetes 10-year risk of cardiovascular disease")
    title = "SCORE2-Diabetes: ten-year risk of fatal and non-fatal cardiovascular disease in type 2 diabetes"
    manufacturer = "SCORE2-Diabetes working group of the European Society of Cardiology"
    inputs = (SBP, CHOLESTEROL, HDL, HBA1C, EGFR, UACR)
    ages = (40, 69)
    categories = (("low", "Low"), ("moderate", "Moderate"), ("high", "High"), ("very-high", "Very high"))
    card = published_card(
        details="SCORE2 extended by age at diagnosis, HbA1c and eGFR; sex-specific, recalibrated to four European risk "
        "regions.",
        intended_use="Estimates the ten-year risk of a first cardiovascular event in people of 40 to 69 years with "
        "type 2 diabetes, to support a conversation on prevention.",
        cautioned_out_of_scope="Other types of diabetes, known atherosclerotic cardiovascular disease, severe target "
        "organ damage (eGFR below 45, or below 60 with albuminuria, or proteinuria, or microvascular "
        "disease at three sites), pregnancy.",
        development="229,460 people with type 2 diabetes in seven countries, 43,706 events.",
        fairness="Calibrated by sex, age and region, not by ethnicity.",
        external_validation="C-index 0.66 to 0.73 in 217,036 people of four countries.",
        maintenance="Fixed coefficients; the region's calibration is SCORE2's.",
        citation="Eur Heart J 2023;44:2544-2556, doi:10.1093/eurheartj/ehad260",
    )

    def answer(self, record: PatientRecord, settings: PredictorSettings) -> Prediction:
        """The risk; see `PublishedEquation`."""
        sex = sex_of(record)
        onset = onset_of(record, TYPE_2)
        if onset is None:
            raise not_stated(record, "no diagnosis of type 2 diabetes", TYPE_2)
        diagnosis, began = onset
        other = find_disease(record, OTHER_TYPE)
        if other is not None:
            raise UnusableInput(
                f"type 2 and {OTHER_TYPE.name} are both stated ({diagnosis.reference})", other
            )
        gathered, age, day = self.at_pressure(record)
        looked_at = exclusions(record, (*WITHOUT_KIDNEY, _SEVERE))
        familial(record)
        refuse_unreadable(record)
        gathered.measure(
            record, {"total-cholesterol": CHOLESTEROL, "hdl-cholesterol": HDL, "hba1c": HBA1C, "egfr": EGFR}
        )
        effective = gathered.newest
        looked_at += _organ_damage(record, gathered.values["egfr"], gathered.evidence["egfr"])
        if began is None:
            raise MissingInput("when the diabetes began is not recorded")
        if not 0 <= began <= age:
            raise ImplausibleInput("the diabetes began before birth or after this run", diagnosis)
        smoking = find_smoking(record)
        gathered.add("smoking", smoking.current, smoking.evidence)
        gathered.add("age-at-diabetes", began, diagnosis)
        region = region_of(settings)
        equation = _equation(sex, region)
        return self.explained(
            equation,
            gathered,
            _LABELS,
            horizon_years=10,
            outcome=("cardiovascular-event", "Fatal or non-fatal cardiovascular event"),
            population=f"Europe, {region} risk region",
            guideline="ESC 2023 guideline on cardiovascular disease in diabetes",
            effective=effective,
            looked_at=looked_at,
            cautions=(
                f"Calibrated for the {region} risk region; age {age} on {day.isoformat()}, diabetes since {began}.",
                *uncertain_variants(record, FAMILIAL_GENES),
                *subsumption_caution(record, (*WITHOUT_KIDNEY, OTHER_TYPE, _SEVERE, *_MICROVASCULAR)),
            ),
        )


def _organ_damage(record: PatientRecord, egfr: float, evidence: Evidence) -> list[Evidence]:
    """What was looked at and is no severe target organ damage (ESC 2023, figure 3).

    Raises:
        Excluded: it is.
    """
    if egfr <= 0:
        raise ImplausibleInput("eGFR is nought", evidence)
    if egfr < 45:
        raise Excluded(f"eGFR is below 45: {evidence.reference}", evidence)
    try:
        albumin, observed = UACR.find(record)
    except MissingInput:
        albumin, observed = Decimal(0), None
    if observed is not None and (albumin > 300 or (egfr < 60 and albumin >= 30)):
        text = f"severe target organ damage by urine albumin: {observed.reference}"
        raise Excluded(text, observed)
    by_albumin = observed if albumin >= 30 else None
    sites = [find_disease(record, disease) for disease in _MICROVASCULAR]
    damaged = [item for item in (*sites[:-1], sites[-1] or by_albumin) if item is not None]
    if len(damaged) == len(sites):
        names = ", ".join(item.reference for item in damaged)
        raise Excluded(f"severe target organ damage, microvascular disease at three sites: {names}", *damaged)
    return damaged if observed is None or observed in damaged else [observed, *damaged]


_MICROVASCULAR: Final = (
    Disease("diabetic retinopathy", "diabetic-retinopathy"),
    Disease("diabetic neuropathy", "diabetic-neuropathy"),
    Disease("diabetic nephropathy", "diabetic-nephropathy"),
)
"""Sites of microvascular disease; albuminuria (from 30 mg/g) is that of the kidney."""
