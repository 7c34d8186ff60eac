"""SMART2: ten-year risk of another cardiovascular event in established atherosclerotic disease, 40 to 80 years."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from math import exp, log
from typing import Final, NamedTuple

from fhir_bridge.predictions.cardiovascular import (
    ANTITHROMBOTIC,
    CHOLESTEROL,
    CRP,
    EGFR,
    HDL,
    KIDNEY_FAILURE,
    PREGNANCY,
    SBP,
    TRANSPLANT,
    diabetes,
    earlier_hba1c,
    exclusions,
    not_stated,
    takes,
)
from fhir_bridge.predictions.contract import Prediction, PredictorSettings
from fhir_bridge.predictions.explain import Dial, Equation, rounded
from fhir_bridge.predictions.findings import Began, Disease, began, refuse_unreadable, subsumption_caution
from fhir_bridge.predictions.inputs import ImplausibleInput, MissingInput, UnusableInput
from fhir_bridge.predictions.published import PublishedEquation, published_card, sex_of
from fhir_bridge.predictions.record import Evidence, PatientRecord, parse_time
from fhir_bridge.predictions.smoking import find_smoking

__all__ = ["Calibration", "Smart2", "calibration_of", "category_of", "percent_of", "risk", "terms"]

Values = Mapping[str, float]

# Hageman 2022, supplement; subdistribution hazards of a Fine and Gray model. The pressure's is for 1 mm[Hg]: 0.0189,
# which is about too, is for 10, and with it the mean below would be 2.3 (docs/predictors.md has what was compared).
AGE: Final = (-0.03496022, 0.000551072)
EGFR_TERMS: Final = (-0.03967521, 0.000218613)
YEARS_TERMS: Final = (0.047699585, -0.00164973)
LINEAR: Final = {
    "sex": 0.287658743,
    "smoking": 0.345583271,
    "diabetes": 0.318170659,
    "systolic-blood-pressure": 0.0018913154,
    "coronary-disease": 0.294701954,
    "cerebral-disease": 0.34831786,
    "peripheral-disease": 0.22446658,
    "abdominal-aneurysm": 0.330356631,
    "antithrombotic": -0.21072103,
}
LOGARITHMIC: Final = {"non-hdl-cholesterol": 0.540364249, "crp": 0.151760173}
MEAN: Final = -0.0463729
"""Linear predictor of the mean person of the cohort."""
BASELINE_RISK: Final = 0.165822797
"""Of that person, in ten years."""

_HIGHEST_CRP: Final = 30.0
"""mg/L; beyond it is acute disease, which says nothing about ten years."""
_HIGHEST_EGFR: Final = 150.0
"""mL/min/{1.73_m2}; the square of it is fitted to what people have."""


class Calibration(NamedTuple):
    """A region, and the ratio of the events that the model expects there to those that were observed."""

    region: str
    ratio: float


LOWEST_RATIO: Final = 0.05

REGIONS: Final = {
    "low": Calibration("Europe, low risk region", 0.81590),
    "derivation": Calibration("Utrecht, the Netherlands (derivation cohort, not recalibrated)", 1.0),
}


def terms(values: Values) -> dict[str, float]:
    """Share of each input in the linear predictor. mm[Hg], mmol/L, mg/L, mL/min/1.73 m2, years; yes is 1."""
    shares = {
        "age": AGE[0] * values["age"] + AGE[1] * values["age"] ** 2,
        "egfr": EGFR_TERMS[0] * values["egfr"] + EGFR_TERMS[1] * values["egfr"] ** 2,
        "years-of-disease": YEARS_TERMS[0] * values["years-of-disease"]
        + YEARS_TERMS[1] * values["years-of-disease"] ** 2,
    }
    shares |= {name: factor * values[name] for name, factor in LINEAR.items()}
    return shares | {name: factor * log(values[name]) for name, factor in LOGARITHMIC.items()}


def percent_of(values: Values, ratio: float) -> float:
    """Ten-year risk in percent, not rounded. ratio: expected by observed events in the region."""
    hazard = exp(sum(terms(values).values()) - MEAN) / ratio
    return float((1 - (1 - BASELINE_RISK) ** hazard) * 100)


def risk(values: Values, ratio: float) -> Decimal:
    """The same to one decimal."""
    return rounded(percent_of(values, ratio))


def category_of(percent: float) -> tuple[str, str]:
    """Class of residual risk, in the steps that the publication shows: 10, 20 and 30 %."""
    if percent >= 30:
        return "very-high", "Very high"
    if percent >= 20:
        return "high", "High"
    return ("moderate", "Moderate") if percent >= 10 else ("low", "Low")


def calibration_of(settings: PredictorSettings) -> Calibration:
    """The region that the site set, or its own recalibration; never assumed.

    Raises:
        UnusableInput: it has set neither, or a region whose ratio is not verified.
    """
    region, own = settings.options.get("region"), settings.options.get("recalibration")
    if own is not None:
        ratio, place = (own.get("ratio"), own.get("region")) if isinstance(own, Mapping) else (None, None)
        number = float(ratio) if isinstance(ratio, int | float | Decimal) and ratio is not True else 0.0
        if not isinstance(place, str) or not place or not LOWEST_RATIO <= number <= 1 / LOWEST_RATIO:
            raise UnusableInput("the recalibration of the site is not {region: text, ratio: 0.05 to 20}")
        return Calibration(f"{place} (recalibrated by the site, expected to observed events {ratio})", number)
    if not isinstance(region, str) or region not in REGIONS:
        known = ", ".join(REGIONS)
        raise UnusableInput(
            f"the site has not set a region whose calibration is verified ({known}); another one needs the site's "
            "own recalibration (docs/predictors.md)"
        )
    return REGIONS[region]


_DISEASES: Final = {
    "coronary-disease": Disease("coronary artery disease", "coronary-disease"),
    "cerebral-disease": Disease("cerebrovascular disease", "cerebral-disease"),
    "peripheral-disease": Disease("peripheral artery disease", "peripheral-disease"),
    "abdominal-aneurysm": Disease("abdominal aortic aneurysm", "abdominal-aneurysm"),
}
_EXCLUDED: Final = (TRANSPLANT, PREGNANCY, KIDNEY_FAILURE)
_LABELS: Final = {
    "age": "Contribution of age",
    "sex": "Contribution of sex",
    "smoking": "Contribution of smoking",
    "diabetes": "Contribution of diabetes",
    "systolic-blood-pressure": "Contribution of systolic blood pressure",
    "non-hdl-cholesterol": "Contribution of non-HDL cholesterol",
    "crp": "Contribution of C-reactive protein",
    "egfr": "Contribution of eGFR",
    "coronary-disease": "Contribution of coronary artery disease",
    "cerebral-disease": "Contribution of cerebrovascular disease",
    "peripheral-disease": "Contribution of peripheral artery disease",
    "abdominal-aneurysm": "Contribution of abdominal aortic aneurysm",
    "years-of-disease": "Contribution of the years since the first diagnosis",
    "antithrombotic": "Contribution of antithrombotic treatment",
}
_BASELINE: Final = {
    **dict.fromkeys(_LABELS, 0.0),
    **{"age": 60.0, "systolic-blood-pressure": 120.0, "non-hdl-cholesterol": 2.6, "crp": 2.0, "egfr": 90.0},
    **{"coronary-disease": 1.0, "antithrombotic": 1.0},
}
_DIALS: Final = (
    Dial("systolic-blood-pressure", "Systolic blood pressure", "mm[Hg]", 100, 200),
    Dial("non-hdl-cholesterol", "Non-HDL cholesterol", "mmol/L", 1, 8, 1),
    Dial("crp", "C-reactive protein", "mg/L", 0.2, 30, 1),
    Dial("smoking", "smoking"),
    Dial("antithrombotic", "antithrombotic treatment"),
)


@lru_cache(maxsize=64)
def _equation(ratio: float) -> Equation:
    return Equation(
        terms,
        lambda values: percent_of(values, ratio),
        _BASELINE,
        "woman of 60 with coronary artery disease, newly diagnosed, antithrombotic treatment, not smoking, no "
        "diabetes, systolic blood pressure 120 mm[Hg], non-HDL cholesterol 2.6 mmol/L, C-reactive protein 2 mg/L, "
        "eGFR 90 mL/min/{1.73_m2}",
        lambda percent, _: category_of(percent),
        _DIALS,
    )


class Smart2(PublishedEquation):
    """The predictor over a patient's record."""

    name = "smart2"
    version = "2022.1"
    result_code = ("smart2", "SMART2 10-year risk of a recurrent cardiovascular event")
    title = "SMART2: ten-year risk of another cardiovascular event in established atherosclerotic disease"
    manufacturer = "UCC-SMART study group and the ESC Cardiovascular Risk Collaboration"
    inputs = (SBP, CHOLESTEROL, HDL, CRP, EGFR)
    ages = (40, 80)
    categories = (("low", "Low"), ("moderate", "Moderate"), ("high", "High"), ("very-high", "Very high"))
    card = published_card(
        details="Fine and Gray model (death of another cause competes), recalibrated to regions by expected and "
        "observed events.",
        intended_use="Estimates the ten-year risk of myocardial infarction, stroke or cardiovascular death in people "
        "of 40 to 80 years with stable coronary, cerebrovascular or peripheral artery disease or abdominal aortic "
        "aneurysm, to support a conversation on further prevention.",
        cautioned_out_of_scope="No established disease; the weeks after an acute event; C-reactive protein above 30 "
        "mg/L (acute disease); transplanted organ; pregnancy; regions without a verified calibration.",
        development="UCC-SMART, Utrecht: 8,355 people, 1,706 events in a median of 8.2 years.",
        fairness="One model for both sexes; calibrated by region, not by ethnicity.",
        external_validation="C-statistic 0.605 to 0.772 in cohorts of seven sources.",
        maintenance="Fixed coefficients; ratios of expected to observed events by region.",
        citation="Eur Heart J 2022;43:1715-1727, doi:10.1093/eurheartj/ehac056",
    )

    def answer(self, record: PatientRecord, settings: PredictorSettings) -> Prediction:
        """The risk; see `PublishedEquation`."""
        sex = sex_of(record)
        stated = {name: began(record, disease) for name, disease in _DISEASES.items()}
        known = {name: item for name, item in stated.items() if item is not None}
        if not known:
            refuse_unreadable(record, "be one that the equation is for")
            raise not_stated(record, "no established atherosclerotic disease", *_DISEASES.values())
        gathered, age, day = self.at_pressure(record)
        gathered.add("sex", sex == "male", None)
        looked_at = exclusions(record, _EXCLUDED)
        refuse_unreadable(record)
        gathered.measure(
            record, {"total-cholesterol": CHOLESTEROL, "hdl-cholesterol": HDL, "crp": CRP, "egfr": EGFR}
        )
        effective = gathered.newest
        gathered.check_range("crp", float(CRP.plausible[0]), _HIGHEST_CRP)
        gathered.check_range("egfr", 1, _HIGHEST_EGFR)
        total, hdl = gathered.evidence.pop("total-cholesterol"), gathered.evidence.pop("hdl-cholesterol")
        non_hdl = gathered.values.pop("total-cholesterol") - gathered.values.pop("hdl-cholesterol")
        gathered.add("non-hdl-cholesterol", non_hdl, total)
        smoking = find_smoking(record)
        gathered.add("smoking", smoking.current, smoking.evidence)
        diabetic, states = diabetes(record, certain=True)
        gathered.add("diabetes", diabetic, states[0] if diabetic else None)
        treated, drug = takes(record, ANTITHROMBOTIC, settings)
        gathered.add("antithrombotic", treated, drug)
        for name in _DISEASES:
            gathered.add(name, name in known, known[name].evidence if name in known else None)
        years, since = _years(
            known, day, parse_time(gathered.evidence["systolic-blood-pressure"].time).date(), age
        )
        gathered.add("years-of-disease", years, since)
        calibration = calibration_of(settings)
        return self.explained(
            _equation(calibration.ratio),
            gathered,
            _LABELS,
            horizon_years=10,
            outcome=("recurrent-cardiovascular-event", "Recurrent cardiovascular event"),
            population=calibration.region,
            guideline="Residual risk in the steps of the publication (10, 20, 30 %); no guideline's class",
            effective=effective,
            looked_at=(hdl, *looked_at, *(() if diabetic else states)),
            cautions=(
                f"Calibrated for: {calibration.region}; age {age} on {day.isoformat()}, {years:.1f} years since the "
                "first diagnosis. For stable disease, not for the weeks after an acute event.",
                *(() if diabetic else earlier_hba1c(record)),
                *subsumption_caution(record, (*_DISEASES.values(), *_EXCLUDED)),
            ),
        )


def _years(known: Mapping[str, Began], day: date, measured: date, age: int) -> tuple[float, Evidence]:
    """Years from the first diagnosis to the day of the question, and what states it.

    Raises:
        MissingInput: nothing says when one of them began.
        ImplausibleInput: it was before birth, or after the measurements.
    """
    dated = [(item.since, item.evidence) for item in known.values() if item.since is not None]
    if not dated:
        raise MissingInput("when the atherosclerotic disease began is not recorded")
    first, evidence = min(dated, key=lambda item: item[0])
    years = (day - first).days / 365.25
    if measured < first:
        raise ImplausibleInput("the atherosclerotic disease began after the measurements", evidence)
    if years > age + 1:
        raise ImplausibleInput("the atherosclerotic disease began before birth", evidence)
    return years, evidence
