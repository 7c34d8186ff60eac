"""AHA PREVENT: 10- and 30-year risk of cardiovascular disease, in five variants, for five outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import exp, isnan, log, nan
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from fhir_bridge.predictions.cardiovascular import (
    ANTIHYPERTENSIVE,
    ASCVD,
    BMI,
    DIABETES,
    EGFR,
    HBA1C,
    HDL_MASS,
    HEART_FAILURE,
    KIDNEY_FAILURE,
    PREGNANCY,
    SBP,
    STATIN,
    TOTAL_MASS,
    UACR,
    diabetes,
    earlier_hba1c,
    exclusions,
    takes,
)
from fhir_bridge.predictions.contract import Prediction, PredictorSettings
from fhir_bridge.predictions.deprivation import decile_of
from fhir_bridge.predictions.explain import Equation, rounded
from fhir_bridge.predictions.findings import refuse_unreadable, subsumption_caution
from fhir_bridge.predictions.inputs import (
    MissingInput,
    QuantityInput,
    UnusableInput,
)
from fhir_bridge.predictions.published import Gathered, PublishedEquation, published_card, sex_of
from fhir_bridge.predictions.record import Evidence, PatientRecord
from fhir_bridge.predictions.smoking import find_smoking
from fhir_bridge.predictions.value_sets import VALUE_SETS

__all__ = ["OUTCOMES", "VARIANTS", "Outcome", "Prevent", "Variant", "prevent_models", "risk", "terms"]

Variant = Literal["base", "uacr", "hba1c", "sdi", "full"]
Outcome = Literal["total_cvd", "ascvd", "heart_failure", "chd", "stroke"]
VARIANTS: Final[tuple[Variant, ...]] = ("base", "uacr", "hba1c", "sdi", "full")
OUTCOMES: Final[dict[Outcome, tuple[str, str]]] = {
    "total_cvd": ("cardiovascular-disease", "Cardiovascular disease (atherosclerotic, heart failure)"),
    "ascvd": ("atherosclerotic-event", "Atherosclerotic cardiovascular event"),
    "heart_failure": ("heart-failure", "Heart failure"),
    "chd": ("coronary-event", "Coronary event"),
    "stroke": ("stroke", "Stroke"),
}
_FILE: Final = Path(__file__).with_name("prevent_coefficients.json")
_MMOL: Final = 0.02586
"""mg/dL of cholesterol to mmol/L, as the equations have it."""

Values = Mapping[str, float]
"""By the names of the contributions: years, mg/dL, mm[Hg], kg/m2, mL/min/1.73 m2, mg/g, percent of HbA1c, decile of
deprivation; yes and no as 1 and 0. NaN where an optional one is missing."""


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = orjson.loads(_FILE.read_bytes())
    return tables


@lru_cache(maxsize=200)
def _coefficients(variant: Variant, years: int, outcome: Outcome, sex: str) -> Mapping[str, float]:
    table = _tables()[f"{variant}_{years}"]
    return dict(zip(table["terms"], table[f"{sex}_{outcome}"], strict=True))


def terms(values: Values, variant: Variant, years: int, outcome: Outcome, sex: str) -> dict[str, float]:
    """Share of each input in the linear predictor; an interaction with age counts with the other input.

    An input whose coefficients are nought in this equation is not in it (cholesterol in heart failure).
    """
    c = _coefficients(variant, years, outcome, sex)
    age = (values["age"] - 55) / 10
    sbp = values["systolic-blood-pressure"]
    sbp_low, sbp_high = (min(sbp, 110) - 110) / 20, (max(sbp, 110) - 130) / 20
    egfr = values["egfr"]
    egfr_low, egfr_high = (min(egfr, 60) - 60) / -15, (max(egfr, 60) - 90) / -15
    treated, statin, diabetic = values["antihypertensive"], values["statin"], values["diabetes"]
    shares = {
        "age": c["age"] * age + c.get("age2", 0.0) * age * age,
        "systolic-blood-pressure": c["sbp_low"] * sbp_low
        + (c["sbp_high"] + c["age_sbp_high"] * age + c["treated_sbp_high"] * treated) * sbp_high,
        "diabetes": (c["diabetes"] + c["age_diabetes"] * age) * diabetic,
        "smoking": (c["smoking"] + c["age_smoking"] * age) * values["smoking"],
        "egfr": (c["egfr_low"] + c["age_egfr_low"] * age) * egfr_low + c["egfr_high"] * egfr_high,
        "antihypertensive": c["treated"] * treated,
        "constant": c["constant"],
    }
    if c["nonhdl"]:
        nonhdl = (values["total-cholesterol"] - values["hdl-cholesterol"]) * _MMOL - 3.5
        hdl = (values["hdl-cholesterol"] * _MMOL - 1.3) / 0.3
        shares["non-hdl-cholesterol"] = (
            c["nonhdl"] + c["age_nonhdl"] * age + c["statin_nonhdl"] * statin
        ) * nonhdl
        shares["hdl-cholesterol"] = (c["hdl"] + c["age_hdl"] * age) * hdl
        shares["statin"] = c["statin"] * statin
    if c["bmi_low"] or c["bmi_high"]:
        bmi = values["body-mass-index"]
        shares["body-mass-index"] = (
            c["bmi_low"] * (min(bmi, 30) - 25) / 5
            + (c["bmi_high"] + c["age_bmi_high"] * age) * (max(bmi, 30) - 30) / 5
        )
    return shares | _optional(values, c)


def _optional(values: Values, c: Mapping[str, float]) -> dict[str, float]:
    shares = {}
    if "uacr" in c:
        uacr = values["uacr"]
        shares["uacr"] = c["uacr_missing"] if isnan(uacr) else c["uacr"] * log(uacr)
    if "hba1c_none" in c:
        hba1c = values["hba1c"]
        slope = c["hba1c_diabetes"] if values["diabetes"] else c["hba1c_none"]
        shares["hba1c"] = c["hba1c_missing"] if isnan(hba1c) else slope * (hba1c - 5.3)
    if "sdi_missing" in c:
        decile = values["deprivation"]
        shares["deprivation"] = (
            c["sdi_missing"]
            if isnan(decile)
            else c["sdi_high"]
            if decile >= 7
            else c["sdi_middle"]
            if decile >= 4
            else 0.0
        )
    return shares


def percent_of(predictor: float) -> float:
    """Risk in percent of a linear predictor, not rounded."""
    return 100 / (1 + exp(-predictor))


def risk(predictor: float) -> Decimal:
    """The same to one decimal."""
    return rounded(percent_of(predictor))


_LABELS: Final = {
    "age": "Contribution of age",
    "non-hdl-cholesterol": "Contribution of non-HDL cholesterol",
    "hdl-cholesterol": "Contribution of HDL cholesterol",
    "systolic-blood-pressure": "Contribution of systolic blood pressure",
    "diabetes": "Contribution of diabetes",
    "smoking": "Contribution of smoking",
    "body-mass-index": "Contribution of body mass index",
    "egfr": "Contribution of eGFR",
    "antihypertensive": "Contribution of antihypertensive treatment",
    "statin": "Contribution of statin treatment",
    "uacr": "Contribution of urine albumin to creatinine ratio",
    "hba1c": "Contribution of HbA1c",
    "deprivation": "Contribution of social deprivation",
}
_BASELINE: Final = {
    "age": 55.0,
    "total-cholesterol": 4.8 / _MMOL,
    "hdl-cholesterol": 1.3 / _MMOL,
    "systolic-blood-pressure": 130.0,
    "diabetes": 0.0,
    "smoking": 0.0,
    "body-mass-index": 25.0,
    "egfr": 90.0,
    "antihypertensive": 0.0,
    "statin": 0.0,
    "uacr": 1.0,
    "hba1c": 5.3,
    "deprivation": 1.0,
}
_BASELINE_TEXT: Final = (
    "age 55, non-HDL cholesterol 3.5 mmol/L, HDL cholesterol 1.3 mmol/L, systolic blood pressure 130 mm[Hg], body "
    "mass index 25 kg/m2, eGFR 90 mL/min/{1.73_m2}, no diabetes, not smoking, no treatment (where the equations are "
    "centred)"
)


@dataclass(frozen=True, slots=True)
class _Range:
    input: QuantityInput
    low: float
    high: float


_RANGES: Final = {
    "total-cholesterol": _Range(TOTAL_MASS, 130, 320),
    "hdl-cholesterol": _Range(HDL_MASS, 20, 100),
    "systolic-blood-pressure": _Range(SBP, 90, 180),
    "body-mass-index": _Range(BMI, 18.5, 39.999),
    "egfr": _Range(EGFR, 15, 140),
}
"""What the equations were derived for; outside it there is no risk."""


class Prevent(PublishedEquation):
    """One outcome over one horizon; the variant is the site's, or what the record has inputs for."""

    version = "2023.1"
    manufacturer = "American Heart Association"
    inputs = (SBP, TOTAL_MASS, HDL_MASS, BMI, EGFR, HBA1C, UACR)
    files = (_FILE, *VALUE_SETS)
    card = published_card(
        details="Sex-specific logistic equations without race; base, or with urine albumin, HbA1c, deprivation.",
        intended_use="Estimates the risk of a first cardiovascular event in people of 30 to 79 years (30 to 59 for the "
        "30-year risk) in the United States, to support a conversation on prevention.",
        cautioned_out_of_scope="Known atherosclerotic cardiovascular disease or heart failure, pregnancy; values "
        "outside those of the derivation.",
        development="3,281,919 people of 25 cohorts, 1992 to 2017.",
        fairness="Race is no input; calibration was reported by race and ethnicity.",
        external_validation="3,330,085 people of 21 cohorts; C-index of total cardiovascular disease 0.794 (women) and "
        "0.757 (men).",
        maintenance="Fixed coefficients.",
        citation="Circulation 2024;149:430-449, doi:10.1161/CIRCULATIONAHA.123.067626",
    )

    def __init__(self, outcome: Outcome, years: Literal[10, 30]) -> None:
        """The model of an outcome and horizon."""
        self.outcome, self.years = outcome, years
        self.ages = (30, 79) if years == 10 else (30, 59)
        short = outcome.replace("_", "-")
        self.name = f"prevent-{short}-{years}"
        _, event = OUTCOMES[outcome]
        self.result_code = (self.name, f"PREVENT {years}-year risk: {event}")
        self.title = f"AHA PREVENT: {years}-year risk, {event[0].lower()}{event[1:]}"

    reads_elsewhere = True  # the site's table of deprivation

    def answer(self, record: PatientRecord, settings: PredictorSettings) -> Prediction:
        """The risk; see `PublishedEquation`."""
        sex = sex_of(record)
        gathered, _, day = self.at_pressure(record)
        looked_at = exclusions(record, (ASCVD, HEART_FAILURE, PREGNANCY, KIDNEY_FAILURE))
        refuse_unreadable(record)
        c = _coefficients("base", self.years, self.outcome, sex)
        needed = {"egfr", "systolic-blood-pressure"}
        needed |= {"total-cholesterol", "hdl-cholesterol"} if c["nonhdl"] else set()
        needed |= {"body-mass-index"} if c["bmi_high"] else set()
        for name, entry in _RANGES.items():
            if name in needed:
                gathered.measure(record, {name: entry.input})
                gathered.check_range(name, entry.low, entry.high)
        smoking = find_smoking(record)
        gathered.add("smoking", smoking.cigarettes, smoking.evidence)
        present, evidence_of_diabetes = diabetes(record, certain=True)
        gathered.add("diabetes", present, None)
        looked_at += evidence_of_diabetes
        for name, drugs in (("antihypertensive", ANTIHYPERTENSIVE), ("statin", STATIN)):
            taken, medication = takes(record, drugs, settings)
            gathered.add(name, taken, medication)
        variant = self._add_optional(record, settings, gathered.values, gathered.evidence)
        return self._predicted(record, variant, sex, gathered, looked_at, day.isoformat())

    def _predicted(
        self,
        record: PatientRecord,
        variant: Variant,
        sex: str,
        gathered: Gathered,
        looked_at: list[Evidence],
        day: str,
    ) -> Prediction:
        def shares(of: Values) -> dict[str, float]:
            return terms(of, variant, self.years, self.outcome, sex)

        values, evidence = gathered.values, gathered.evidence
        # What is missing is missing in the person to compare with as well.
        missing = {name: nan for name, value in values.items() if isnan(value)}
        baseline = {name: value for name, value in _BASELINE.items() if name in values} | missing
        if "total-cholesterol" in evidence:
            evidence["non-hdl-cholesterol"] = evidence["total-cholesterol"]
        equation = Equation(shares, lambda of: percent_of(sum(shares(of).values())), baseline, _BASELINE_TEXT)
        return self.explained(
            equation,
            gathered,
            _LABELS,
            horizon_years=self.years,
            outcome=OUTCOMES[self.outcome],
            population="United States",
            looked_at=looked_at,
            cautions=(
                f"The {variant} variant of the equations; age {int(values['age'])} on {day}.",
                *(() if values["diabetes"] else earlier_hba1c(record)),
                "Derived in the United States.",
                *subsumption_caution(record, (ASCVD, HEART_FAILURE, DIABETES, KIDNEY_FAILURE)),
            ),
        )

    @staticmethod
    def _add_optional(
        record: PatientRecord,
        settings: PredictorSettings,
        values: dict[str, float],
        evidence: dict[str, Evidence],
    ) -> Variant:
        """Urine albumin, HbA1c and deprivation where they are, and the variant that takes them."""
        for name, item in (("uacr", UACR), ("hba1c", HBA1C)):
            try:
                value, observed = item.find(record)
            except MissingInput:
                values[name] = nan
                continue
            percent = 0.09148 * float(value) + 2.152
            values[name] = float(value) if name == "uacr" else percent
            evidence[name] = observed
        decile = decile_of(record.patient, settings.options.get("sdi_file"))
        values["deprivation"] = nan if decile is None else float(decile)
        used: dict[Variant, str] = {"uacr": "uacr", "hba1c": "hba1c", "sdi": "deprivation"}
        known = [variant for variant, name in used.items() if not isnan(values[name])]
        wanted = settings.options.get("variant")
        if wanted is None:
            variant: Variant = "base" if not known else known[0] if len(known) == 1 else "full"
        else:
            named = [item for item in VARIANTS if item == wanted]
            if not named:
                raise UnusableInput(f"the site's variant is none of {', '.join(VARIANTS)}")
            variant = named[0]
        if variant not in ("base", "full", *known):
            raise MissingInput(f"the input of the {variant} variant is not in the record")
        for name in used.values():
            if variant != "full" and used.get(variant) != name:
                values.pop(name)
                evidence.pop(name, None)
        return variant


def prevent_models() -> list[Prevent]:
    """All outcomes over both horizons."""
    return [Prevent(outcome, years) for outcome in OUTCOMES for years in (10, 30)]
