"""SCORE2 (40 to 69 years) and SCORE2-OP (70 to 89): ten-year risk of a cardiovascular event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import exp, log
from typing import Final

from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.predictions.contract import Contribution, ModelCard, Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.findings import (
    Disease,
    find_disease,
    find_unreadable,
    is_refuted,
    pathogenic_variants,
)
from fhir_bridge.predictions.inputs import (
    CHOLESTEROL_MOLAR_MASS,
    MissingInput,
    QuantityInput,
    Reading,
    Smoking,
    UnusableInput,
    age_on,
    find_smoking,
    loinc,
)
from fhir_bridge.predictions.record import Evidence, PatientRecord, parse_time
from fhir_bridge.predictions.score2_coefficients import REGIONS, SCORE2, SCORE2_OP

__all__ = ["Score2", "Terms", "category_of", "risk"]

YEARS: Final = timedelta(days=366)
SBP = QuantityInput(
    "systolic blood pressure", loinc("8480-6"), "mm[Hg]", 2 * YEARS, (Decimal(50), Decimal(300))
)
CHOLESTEROL = QuantityInput(
    "total cholesterol",
    loinc("14647-2", "2093-3"),
    "mmol/L",
    5 * YEARS,
    (Decimal(1), Decimal(25)),
    CHOLESTEROL_MOLAR_MASS,
)
HDL = QuantityInput(
    "HDL cholesterol",
    loinc("14646-4", "2085-9"),
    "mmol/L",
    5 * YEARS,
    (Decimal("0.1"), Decimal(5)),
    CHOLESTEROL_MOLAR_MASS,
)
EGFR = QuantityInput(
    "eGFR",
    loinc(
        *("98979-8", "98980-6", "94677-2", "62238-1", "88293-6", "88294-4"),  # CKD-EPI
        *("33914-3", "77147-7", "48642-3", "48643-1", "50044-7", "70969-1"),  # MDRD
        *("69405-9", "50210-4", "76633-7"),
    ),
    "mL/min/{1.73_m2}",
    2 * YEARS,
    (Decimal(0), Decimal(250)),
)

DIABETES = Disease(
    "diabetes mellitus",
    ("E08", "E09", "E10", "E11", "E12", "E13", "E14", "O24.0", "O24.1", "O24.2", "O24.3"),
    frozenset(
        {
            *("73211009", "44054006", "46635009", "8801005", "609561005"),
            *("127013003", "4855003", "422034002", "368581000119106", "1551000119108", "1501000119109"),
            *("97331000119101", "90781000119102", "157141000119108", "60951000119105"),
        }
    ),
)
ASCVD = Disease(
    "atherosclerotic cardiovascular disease",
    (
        *("I20", "I21", "I22", "I23", "I24", "I25"),
        *("I63", "I64", "I65", "I66", "I67.2", "I69.3", "I69.4", "G45", "G46", "Z86.73"),
        *("I70", "I71", "I73.9", "Z95.1", "Z95.5", "Z95.82", "Z98.61", "Z98.62"),
    ),
    frozenset(
        {
            *("53741008", "414545008", "413838009", "413439005", "443502000", "394659003", "72092001"),
            *("22298006", "57054005", "401303003", "401314000", "1755008", "399211009"),
            *("194828000", "233819005", "4557003"),
            *("230690007", "422504002", "432504007", "371040005", "266257000", "275526006", "64586002"),
            *("399957001", "400047006", "63491006", "67362008", "233985008"),
        }
    ),
    procedures=frozenset({"232717009", "415070008", "36969009", "11101003", "66951008"}),
)
CKD = Disease(
    "moderate to severe chronic kidney disease",
    ("N18.3", "N18.4", "N18.5", "N18.6"),
    frozenset({"433144002", "431857002", "433146000", "46177005", "700378005", "700379002"}),
)
CKD_OF_ANY_STAGE = Disease("chronic kidney disease without a stage", ("N18",), frozenset({"709044004"}))
CKD_OF_LOW_STAGE = Disease(
    "mild chronic kidney disease", ("N18.1", "N18.2"), frozenset({"431855005", "431856006"})
)
FAMILIAL = Disease(
    "familial hypercholesterolaemia", ("E78.01",), frozenset({"398036000", "238078005", "238079002"})
)
FAMILIAL_GENES = frozenset({"LDLR", "APOB", "PCSK9", "LDLRAP1"})
_EGFR_LIMIT = Decimal(60)
_EGFR_ABOVE = Decimal(59)
"""Laboratories that report whole numbers write `>59` for what is not below 60."""


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


def risk(terms: Terms, sex: str, region: str) -> Decimal:
    """Calibrated ten-year risk in percent, to one decimal.

    Raises:
        KeyError, ValueError: sex is neither `male` nor `female`, or the region is not one of `REGIONS`.
    """
    equation = (SCORE2_OP if terms.older else SCORE2)[sex]
    scale1, scale2 = equation.scales[REGIONS.index(region)]
    predictor = sum(terms.contributions(sex).values()) - equation.mean
    uncalibrated = 1 - equation.baseline_survival ** exp(predictor)
    # Recalibration to the region, on the complementary log-log scale (SCORE2, supplement).
    calibrated = 1 - exp(-exp(scale1 + scale2 * log(-log(1 - uncalibrated))))
    return (Decimal(calibrated) * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)


def category_of(percent: Decimal, age: int) -> tuple[str, str]:
    """Risk category by age (ESC 2021 prevention guideline): code and display."""
    high, very_high = (Decimal("2.5"), Decimal("7.5")) if age < 50 else (Decimal(5), Decimal(10))
    if age >= 70:
        high, very_high = Decimal("7.5"), Decimal(15)
    if percent >= very_high:
        return "very-high", "Very high"
    return ("high", "High") if percent >= high else ("low-to-moderate", "Low to moderate")


class Score2:
    """The predictor over a patient's record."""

    name = "score2"
    version = "2021.1"
    code_system = PREDICTION_CODES
    result_code = ("score2", "SCORE2 10-year risk of cardiovascular disease")
    title = "SCORE2 and SCORE2-OP: ten-year risk of fatal and non-fatal cardiovascular disease"
    manufacturer = "SCORE2 and SCORE2-OP working groups of the European Society of Cardiology"
    card = ModelCard(
        kind="published-equation",
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

    def predict(
        self, records: Sequence[PatientRecord], settings: PredictorSettings
    ) -> list[Prediction | Refusal]:
        """Risk, or the reason why the model is not meant for this person."""
        return [self._of(record, settings) for record in records]

    def _of(self, record: PatientRecord, settings: PredictorSettings) -> Prediction | Refusal:
        try:
            return self._predict(record, settings)
        except UnusableInput as unusable:
            evidence = () if unusable.evidence is None else (unusable.evidence,)
            return self._refuse(unusable.reason, str(unusable), *evidence)

    def _predict(self, record: PatientRecord, settings: PredictorSettings) -> Prediction | Refusal:
        if record.deceased:
            return self._refuse("not-applicable", "the patient has died")
        sex = record.patient.get("gender")
        if sex not in ("male", "female"):
            return self._refuse("missing-input", "the model has equations for male and female only")
        sbp, sbp_evidence = SBP.find(record)
        newest = parse_time(sbp_evidence.time).date()
        age = age_on(record, newest)
        if not 40 <= age <= 89:
            return self._refuse("not-applicable", f"age {age} is outside 40 to 89", older=age >= 70)
        # Before the lipids: who is excluded is refused for that, whatever else is missing.
        excluded = self._excluded(record, older=age >= 70)
        if isinstance(excluded, Refusal):
            return excluded
        cholesterol, cholesterol_evidence = CHOLESTEROL.find(record)
        hdl, hdl_evidence = HDL.find(record)
        if hdl >= cholesterol:
            text = f"HDL cholesterol is not below total cholesterol: {hdl_evidence.reference}"
            return self._refuse("out-of-range", text, hdl_evidence, cholesterol_evidence, older=age >= 70)
        smoking = find_smoking(record)
        region = settings.options.get("region")
        if region not in REGIONS:
            return self._refuse(
                "missing-input",
                f"the site has not set the risk region ({', '.join(REGIONS)})",
                older=age >= 70,
            )
        return self._result(
            age,
            sex,
            region,
            newest,
            (sbp, sbp_evidence),
            (cholesterol, cholesterol_evidence),
            (hdl, hdl_evidence),
            smoking,
            excluded,
        )

    def _result(
        self,
        age: int,
        sex: str,
        region: str,
        day: date,
        sbp: tuple[Decimal, Evidence],
        cholesterol: tuple[Decimal, Evidence],
        hdl: tuple[Decimal, Evidence],
        smoking: Smoking,
        looked_at: list[Evidence],
    ) -> Prediction:
        terms = Terms(age, float(sbp[0]), float(cholesterol[0]), float(hdl[0]), smoking.current)
        percent = risk(terms, sex, region)
        evidence = {
            "systolic-blood-pressure": sbp[1],
            "total-cholesterol": cholesterol[1],
            "hdl-cholesterol": hdl[1],
            "smoking": smoking.evidence,
        }
        code, display = self._code(terms.older)
        newest = max((e.time for e in evidence.values()), key=parse_time)
        return Prediction(
            code=code,
            display=display,
            percent=percent,
            horizon_years=10,
            outcome=("cardiovascular-event", "Fatal or non-fatal cardiovascular event"),
            category=category_of(percent, age),
            effective=newest,
            evidence=(*evidence.values(), *looked_at),
            contributions=tuple(
                Contribution(
                    f"contribution-{name}",
                    _LABELS[name],
                    value,
                    "ehr",
                    evidence.get(name),
                )
                for name, value in terms.contributions(sex).items()
                if name in _LABELS
            ),
            cautions=(f"Calibrated for the {region} risk region; age {age} on {day.isoformat()}.",),
        )

    def _excluded(self, record: PatientRecord, *, older: bool) -> Refusal | list[Evidence]:
        """Why the model is not meant for this person, or what was looked at and does not exclude."""
        looked_at: list[Evidence] = []
        for disease in (DIABETES, ASCVD, CKD, FAMILIAL):
            evidence = find_disease(record, disease)
            if evidence is not None:
                text = f"{disease.name}: {evidence.reference}"
                return self._refuse("not-applicable", text, evidence, older=older)
            refuted = is_refuted(record, disease)
            looked_at += [] if refuted is None else [refuted]
        for variant in pathogenic_variants(record, FAMILIAL_GENES):
            text = f"familial hypercholesterolaemia: {variant}, {variant.evidence.reference}"
            return self._refuse("not-applicable", text, variant.evidence, variant.implication, older=older)
        try:
            readings = EGFR.newest(record)
        except MissingInput:
            readings = []  # the equation itself does not use eGFR; a recorded one may exclude, an absent one does not
        for reading in readings:
            below = _is_below_limit(reading)
            if below is None:
                raise UnusableInput(f"eGFR may be below {_EGFR_LIMIT} or not", reading.evidence)
            if below:
                text = f"eGFR is below {_EGFR_LIMIT}: {reading.evidence.reference}"
                return self._refuse("not-applicable", text, reading.evidence, older=older)
            looked_at.append(reading.evidence)
        for reading in EGFR.unsettled(record):
            if _is_below_limit(reading) is not False:
                raise UnusableInput(f"eGFR that is not final may be below {_EGFR_LIMIT}", reading.evidence)
            looked_at.append(reading.evidence)
        unstaged = None if readings else _chronic_kidney_disease_without_stage(record)
        if unstaged is not None:
            raise UnusableInput("the stage of the chronic kidney disease is not known", unstaged)
        undated = EGFR.undated(record)
        if undated is not None:
            raise UnusableInput("eGFR has no time, so it may be the newest", undated)
        unreadable = find_unreadable(record)
        if unreadable is not None:
            raise UnusableInput("a condition that can't be read may exclude", unreadable)
        return looked_at

    @staticmethod
    def _code(older: bool) -> tuple[str, str]:
        name = "SCORE2-OP" if older else "SCORE2"
        return name.lower(), f"{name} 10-year risk of cardiovascular disease"

    def _refuse(self, reason: str, text: str, *evidence: Evidence, older: bool = False) -> Refusal:
        code, display = self._code(older)
        modality = evidence[0].modality if evidence else "ehr"
        effective = next((e.time for e in evidence if e.time), None)
        return Refusal(code, display, reason, text, modality, effective, evidence)  # type: ignore[arg-type]


def _chronic_kidney_disease_without_stage(record: PatientRecord) -> Evidence | None:
    """A Condition that may be moderate to severe kidney disease or not."""
    for condition, present in record.conditions():
        concept = condition.get("code")
        if present and CKD_OF_ANY_STAGE.states(concept) and not CKD_OF_LOW_STAGE.states(concept):
            return record.evidence(condition, CKD_OF_ANY_STAGE.name)
    return None


def _is_below_limit(egfr: Reading) -> bool | None:
    """Whether an eGFR is below 60; None where its comparator leaves that open (`<90`, `>30`)."""
    value, comparator = egfr.value, egfr.comparator
    if not comparator:
        return value < _EGFR_LIMIT
    if comparator in ("<", "<="):
        return True if value < _EGFR_LIMIT or (comparator, value) == ("<", _EGFR_LIMIT) else None
    return False if value >= _EGFR_ABOVE and (comparator, value) != (">=", _EGFR_ABOVE) else None
