"""SCORE2 (40 to 69 years) and SCORE2-OP (70 to 89): ten-year risk of a cardiovascular event."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from math import exp, log
from typing import Final

from fhir_bridge.predictions.cardiovascular import (
    CHOLESTEROL,
    CREATININE,
    DIABETES,
    EGFR,
    FAMILIAL_GENES,
    HBA1C,
    HDL,
    PREVENTION,
    SBP,
    Excluded,
    diabetes,
    earlier_hba1c,
    exclusions,
    familial,
    kidney,
)
from fhir_bridge.predictions.contract import Prediction, PredictorSettings
from fhir_bridge.predictions.explain import Dial, Equation, rounded
from fhir_bridge.predictions.findings import subsumption_caution
from fhir_bridge.predictions.genome import uncertain_variants
from fhir_bridge.predictions.inputs import UnusableInput
from fhir_bridge.predictions.published import PublishedEquation, published_card, sex_of
from fhir_bridge.predictions.record import Evidence, PatientRecord
from fhir_bridge.predictions.score2_coefficients import REGIONS, SCORE2, SCORE2_OP
from fhir_bridge.predictions.smoking import find_smoking

__all__ = [
    "CHOLESTEROL",
    "EGFR",
    "HDL",
    "SBP",
    "Score2",
    "Terms",
    "category_of",
    "equation_of",
    "region_of",
    "risk",
]

Values = Mapping[str, float]

_LABELS: Final = {
    "age": "Contribution of age",
    "smoking": "Contribution of smoking",
    "systolic-blood-pressure": "Contribution of systolic blood pressure",
    "total-cholesterol": "Contribution of total cholesterol",
    "hdl-cholesterol": "Contribution of HDL cholesterol",
}


class Terms:
    """The model's terms for one person; lipids in mmol/L, pressure in mm[Hg], smoking and diabetes 0 or 1."""

    __slots__ = ("age", "cholesterol", "diabetes", "hdl", "older", "sbp", "smoking")

    def __init__(
        self, age: int, sbp: float, cholesterol: float, hdl: float, smoking: bool, diabetes: bool = False
    ) -> None:
        self.older = age >= 70
        self.smoking = float(smoking)
        self.diabetes = float(diabetes)
        self.cholesterol = cholesterol - 6
        self.age = age - 73.0 if self.older else (age - 60) / 5
        self.sbp = sbp - 150 if self.older else (sbp - 120) / 20
        self.hdl = hdl - 1.4 if self.older else (hdl - 1.3) / 0.5

    def contributions(self, sex: str) -> dict[str, float]:
        """Share of each input in the linear predictor; an interaction counts with the input that age modifies."""
        equation = (SCORE2_OP if self.older else SCORE2)[sex]
        return {
            "age": equation.age * self.age,
            "smoking": self.smoking * (equation.smoking + equation.smoking_age * self.age),
            "systolic-blood-pressure": self.sbp * (equation.sbp + equation.sbp_age * self.age),
            "total-cholesterol": self.cholesterol
            * (equation.cholesterol + equation.cholesterol_age * self.age),
            "hdl-cholesterol": self.hdl * (equation.hdl + equation.hdl_age * self.age),
            "diabetes": self.diabetes * (equation.diabetes + equation.diabetes_age * self.age),
        }


def percent_of(terms: Terms, sex: str, region: str) -> float:
    """Calibrated ten-year risk in percent, not rounded.

    Raises:
        KeyError, ValueError: sex is neither `male` nor `female`, or the region is not one of `REGIONS`.
    """
    equation = (SCORE2_OP if terms.older else SCORE2)[sex]
    scale1, scale2 = equation.scales[REGIONS.index(region)]
    predictor = sum(terms.contributions(sex).values()) - equation.mean
    uncalibrated = 1 - equation.baseline_survival ** exp(predictor)
    # Recalibration to the region, on the complementary log-log scale (SCORE2, supplement).
    calibrated = 1 - exp(-exp(scale1 + scale2 * log(-log(1 - uncalibrated))))
    return calibrated * 100


def risk(terms: Terms, sex: str, region: str) -> Decimal:
    """The same to one decimal."""
    return rounded(percent_of(terms, sex, region))


def category_of(percent: float, age: int) -> tuple[str, str]:
    """Risk category of an unrounded risk, by age (ESC 2021 prevention guideline): code and display."""
    high, very_high = (2.5, 7.5) if age < 50 else (5.0, 10.0) if age < 70 else (7.5, 15.0)
    if percent >= very_high:
        return "very-high", "Very high"
    return ("high", "High") if percent >= high else ("low-to-moderate", "Low to moderate")


def _values_terms(values: Values) -> Terms:
    return Terms(
        int(values["age"]),
        values["systolic-blood-pressure"],
        values["total-cholesterol"],
        values["hdl-cholesterol"],
        bool(values["smoking"]),
    )


_BASELINES: Final = {
    False: (
        {
            "age": 60,
            "smoking": 0,
            "systolic-blood-pressure": 120,
            "total-cholesterol": 6,
            "hdl-cholesterol": 1.3,
        },
        "age 60, not smoking, systolic blood pressure 120 mm[Hg], total cholesterol 6 mmol/L, HDL cholesterol "
        "1.3 mmol/L (where the equation is centred)",
    ),
    True: (
        {
            "age": 73,
            "smoking": 0,
            "systolic-blood-pressure": 150,
            "total-cholesterol": 6,
            "hdl-cholesterol": 1.4,
        },
        "age 73, not smoking, systolic blood pressure 150 mm[Hg], total cholesterol 6 mmol/L, HDL cholesterol "
        "1.4 mmol/L (where the equation is centred)",
    ),
}
_DIALS: Final = (
    Dial("systolic-blood-pressure", "Systolic blood pressure", "mm[Hg]", 100, 200),
    Dial("total-cholesterol", "Total cholesterol", "mmol/L", 3, 10, 1),
    Dial("hdl-cholesterol", "HDL cholesterol", "mmol/L", 0.7, 2.5, 1),
    Dial("smoking", "smoking"),
)


@lru_cache(maxsize=16)
def equation_of(sex: str, region: str, *, older: bool) -> Equation:
    """The equation of a sex and region, for its explanation."""
    baseline, text = _BASELINES[older]

    return Equation(
        lambda values: _values_terms(values).contributions(sex),
        lambda values: percent_of(_values_terms(values), sex, region),
        baseline,
        text,
        lambda percent, values: category_of(percent, int(values["age"])),
        _DIALS,
    )


class Score2(PublishedEquation):
    """The predictor over a patient's record."""

    name = "score2"
    version = "2021.1"
    result_code = ("score2", "SCORE2 10-year risk of cardiovascular disease")
    title = "SCORE2 and SCORE2-OP: ten-year risk of fatal and non-fatal cardiovascular disease"
    manufacturer = "SCORE2 and SCORE2-OP working groups of the European Society of Cardiology"
    ages = (40, 89)
    categories = (("low-to-moderate", "Low to moderate"), ("high", "High"), ("very-high", "Very high"))
    card = published_card(
        details="Sex-specific, competing-risk adjusted equations recalibrated to four European risk regions.",
        intended_use="Estimates the ten-year risk of a first fatal or non-fatal cardiovascular event in apparently "
        "healthy people of 40 to 89 years, to support a conversation on prevention.",
        cautioned_out_of_scope="Known atherosclerotic cardiovascular disease, diabetes, familial "
        "hypercholesterolaemia, moderate to severe chronic kidney disease, pregnancy; ages below 40 and above 89.",
        development="SCORE2: 45 cohorts, 677,684 people in 13 countries. SCORE2-OP: 28,503 people of 65 and over.",
        fairness="Calibrated by sex, age and region, not by ethnicity; migrants may be under- or overestimated.",
        external_validation="SCORE2: C-index 0.67 to 0.81 in 25 external cohorts. SCORE2-OP: 0.63 to 0.67.",
        maintenance="Fixed coefficients; the region's calibration follows the working group's publications.",
        citation="Eur Heart J 2021;42:2439-2454 and 2455-2467",
    )

    inputs = (SBP, CHOLESTEROL, HDL, EGFR, HBA1C, CREATININE)

    def answer(self, record: PatientRecord, settings: PredictorSettings) -> Prediction:
        """The risk; see `PublishedEquation`."""
        sex = sex_of(record)
        gathered, age, day = self.at_pressure(record)
        # Before the lipids: who is excluded is refused for that, whatever else is missing.
        looked_at = self._excluded(record)
        gathered.measure(record, {"total-cholesterol": CHOLESTEROL, "hdl-cholesterol": HDL})
        smoking = find_smoking(record)
        gathered.add("smoking", smoking.current, smoking.evidence)
        region = region_of(settings)
        older = age >= 70
        equation = equation_of(sex, region, older=older)
        code, display = _code(older)
        cautions = [f"Calibrated for the {region} risk region; age {age} on {day.isoformat()}."]
        if smoking.current and smoking.product == "other":
            cautions.append(
                "Smokes cigars, a pipe or a waterpipe: the equation was derived for cigarettes above all."
            )
        return self.explained(
            equation,
            gathered,
            _LABELS,
            code=code,
            display=display,
            horizon_years=10,
            outcome=("cardiovascular-event", "Fatal or non-fatal cardiovascular event"),
            population=f"Europe, {region} risk region",
            guideline="ESC 2021 guideline on prevention, by age",
            looked_at=looked_at,
            cautions=(
                *cautions,
                *earlier_hba1c(record),
                *uncertain_variants(record, FAMILIAL_GENES),
                *subsumption_caution(record, (DIABETES, *PREVENTION)),
            ),
        )

    @staticmethod
    def _excluded(record: PatientRecord) -> list[Evidence]:
        """What was looked at and does not exclude."""
        present, looked_at = diabetes(record)
        if present:
            raise Excluded(f"{looked_at[0].label}: {looked_at[0].reference}", looked_at[0])
        looked_at += exclusions(record, PREVENTION)
        familial(record)
        return looked_at + kidney(record)

    def code_of(self, record: PatientRecord) -> tuple[str, str]:
        """That of the equation for the age at the run."""
        return _code((record.age_on(record.as_of.date()) or 0) >= 70)


def region_of(settings: PredictorSettings) -> str:
    """The risk region that the site set; never assumed.

    Raises:
        UnusableInput: it has set none.
    """
    region = settings.options.get("region")
    if region not in REGIONS:
        raise UnusableInput(f"the site has not set the risk region ({', '.join(REGIONS)})")
    return str(region)


def _code(older: bool) -> tuple[str, str]:
    name = "SCORE2-OP" if older else "SCORE2"
    return name.lower(), f"{name} 10-year risk of cardiovascular disease"
