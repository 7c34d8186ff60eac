"""HCM Risk-SCD: five-year risk of sudden cardiac death in hypertrophic cardiomyopathy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import exp
from typing import Any, Final

from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.predictions.contract import Contribution, ModelCard, Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.findings import (
    Disease,
    find_disease,
    find_unconfirmed,
    find_unreadable,
    is_refuted,
    pathogenic_variants,
)
from fhir_bridge.predictions.inputs import MissingInput, QuantityInput, UnusableInput, age_on, loinc
from fhir_bridge.predictions.record import Evidence, PatientRecord, codings, parse_time

__all__ = ["HcmRiskScd", "category_of", "contributions", "risk"]

_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_OUTFLOW_TRACT: Final = frozenset({"13418002"})
AGE_LIMIT: Final = timedelta(days=3 * 366)

_WALL_PLAUSIBLE: Final = (Decimal(3), Decimal(60))

_DERIVATION: Final = (_DCM, "121401")
_MAXIMUM: Final = "56851009"
_LEFT_VENTRICLE: Final = frozenset({"87878005", "589001"})
"""Left ventricular structure, interventricular septum."""


def _is_maximum(observation: dict[str, Any]) -> bool:
    """Whether a wall thickness is the greatest of the left ventricle, as far as it says what it is."""
    derivations = {
        code
        for part in observation.get("component", ())
        if _DERIVATION in codings(part.get("code"))
        for _, code in codings(part.get("valueCodeableConcept"))
    }
    sites = {code for _, code in codings(observation.get("bodySite"))}
    return (not derivations or _MAXIMUM in derivations) and (not sites or bool(sites & _LEFT_VENTRICLE))


WALL = QuantityInput(
    "maximal left ventricular wall thickness",
    frozenset({(_DCM, "122445")}),
    "mm",
    AGE_LIMIT,
    _WALL_PLAUSIBLE,
    fits=_is_maximum,
)
SEPTUM = QuantityInput(
    "interventricular septum thickness", loinc("18154-5"), "mm", AGE_LIMIT, _WALL_PLAUSIBLE
)
"""Stands in where no maximal thickness is stated: the septum is where hypertrophy is greatest in most patients."""
ATRIUM = QuantityInput("left atrial diameter", loinc("29469-4"), "mm", AGE_LIMIT, (Decimal(10), Decimal(130)))
GRADIENT = QuantityInput(
    "left ventricular outflow tract gradient",
    loinc("20247-3"),
    "mm[Hg]",
    AGE_LIMIT,
    (Decimal(0), Decimal(300)),
    sites=_OUTFLOW_TRACT,
)

HCM = Disease(
    "hypertrophic cardiomyopathy", ("I42.1", "I42.2"), frozenset({"233873004", "45227007", "195020003"})
)
FAMILY_HISTORY = Disease("family history of sudden cardiac death", ("Z82.41",))
FAMILY_HISTORY_OF_ANY = Disease(
    "family history of disease", ("Z82.4",), frozenset({"281666001", "266894000"})
)
"""Sudden death or another: ICD-10's circulatory disease, which ICD-10-CM alone parts (Z82.41, Z82.49), and SNOMED CT's
`Family history of disorder` and `… of cardiovascular disease`."""
NSVT = Disease("non-sustained ventricular tachycardia", (), frozenset({"444658006", "66657009"}))
TACHYCARDIA = Disease("ventricular tachycardia, sustained or not", ("I47.2",), frozenset({"25569003"}))
"""Sustained, it excludes; not sustained, it is a term of the equation."""
SYNCOPE = Disease("unexplained syncope", ("R55",), frozenset({"271594007"}))
INFILTRATIVE = Disease(
    "metabolic or infiltrative disease",
    ("E75.2", "E85", "E74.0", "I43.1"),
    frozenset({"16652001", "17602002"}),
)
ARREST = Disease(
    "prior cardiac arrest or sustained ventricular arrhythmia",
    ("I46", "I49.0", "Z86.74"),
    frozenset({"410429000", "429007001", "71908006", "426525004"}),
)

_PHENOCOPIES: Final = {
    "TTR": "amyloidosis",
    "GLA": "Fabry disease",
    "LAMP2": "Danon disease",
    "PRKAG2": "PRKAG2 syndrome",
    "GAA": "Pompe disease",
}
_RANGES: Final = {"wall": (10, 35), "atrium": (28, 67), "gradient": (2, 154)}


_LABELS: Final = {
    "wall-thickness": "Contribution of wall thickness",
    "left-atrial-diameter": "Contribution of left atrial diameter",
    "lvot-gradient": "Contribution of LVOT gradient",
    "family-history": "Contribution of family history",
    "nsvt": "Contribution of non-sustained ventricular tachycardia",
    "syncope": "Contribution of syncope",
    "age": "Contribution of age",
}


def contributions(
    age: int, wall: float, atrium: float, gradient: float, *, family_history: bool, nsvt: bool, syncope: bool
) -> dict[str, float]:
    """Terms of the prognostic index (O'Mahony 2014); mm, mm[Hg], years."""
    return {
        "wall-thickness": 0.15939858 * wall - 0.00294271 * wall**2,
        "left-atrial-diameter": 0.0259082 * atrium,
        "lvot-gradient": 0.00446131 * gradient,
        "family-history": 0.4583082 * family_history,
        "nsvt": 0.82639195 * nsvt,
        "syncope": 0.71650361 * syncope,
        "age": -0.01799934 * age,
    }


def risk(index: float) -> Decimal:
    """Five-year risk in percent of a prognostic index, to two decimals."""
    return (Decimal(1 - 0.998 ** exp(index)) * 100).quantize(Decimal("0.01"), ROUND_HALF_UP)


def category_of(percent: Decimal) -> tuple[str, str]:
    """Risk class of the ESC guideline: below 4 % low, 4 to below 6 % intermediate, from 6 % high."""
    if percent >= 6:
        return "high", "High"
    return ("intermediate", "Intermediate") if percent >= 4 else ("low", "Low")


class HcmRiskScd:
    """The predictor over a patient's record: echo measurements, history, and the genome as a reason to decline."""

    name = "hcm-risk-scd"
    version = "2014.1"
    code_system = PREDICTION_CODES
    result_code = ("hcm-risk-scd", "HCM Risk-SCD 5-year risk of sudden cardiac death")
    title = "HCM Risk-SCD: five-year risk of sudden cardiac death in hypertrophic cardiomyopathy"
    manufacturer = "HCM Outcomes investigators"
    card = ModelCard(
        kind="published-equation",
        details="Cox model from a retrospective multi-centre cohort.",
        intended_use="Estimates the five-year risk of sudden cardiac death in adults with hypertrophic "
        "cardiomyopathy, to support shared decisions on a defibrillator in primary prevention.",
        cautioned_out_of_scope="Age below 16, metabolic or infiltrative disease (Fabry, amyloidosis), elite athletes, "
        "prior cardiac arrest or sustained ventricular arrhythmia, after septal reduction.",
        development="3,675 patients of six European centres, 198 events.",
        fairness="Most of the derivation cohort was of European descent; performance elsewhere is less known.",
        external_validation="C-index about 0.70 in the EVIDENCE-HCM study of 3,703 patients.",
        maintenance="Fixed coefficients.",
        citation="Eur Heart J 2014;35:2010-2020, doi:10.1093/eurheartj/eht439",
    )

    def predict(
        self,
        records: Sequence[PatientRecord],
        settings: PredictorSettings,  # noqa: ARG002 - it has none
    ) -> list[Prediction | Refusal]:
        """Risk, or the reason why the model is not meant for this person."""
        return [self._of(record) for record in records]

    def _of(self, record: PatientRecord) -> Prediction | Refusal:
        try:
            return self._predict(record)
        except UnusableInput as unusable:
            evidence = () if unusable.evidence is None else (unusable.evidence,)
            return self._refuse(unusable.reason, str(unusable), *evidence)

    def _predict(self, record: PatientRecord) -> Prediction | Refusal:
        if record.deceased:
            return self._refuse("not-applicable", "the patient has died")
        diagnosis = find_disease(record, HCM)
        if diagnosis is None:
            return self._refuse("not-applicable", "no diagnosis of hypertrophic cardiomyopathy")
        suspected = find_unconfirmed(record, HCM)
        if suspected is not None:
            raise UnusableInput("the hypertrophic cardiomyopathy is not confirmed", suspected)
        looked_at = [diagnosis]
        for disease in (INFILTRATIVE, ARREST):
            result = find_disease(record, disease)
            if result is not None:
                return self._refuse("not-applicable", f"{disease.name}: {result.reference}", result)
            refuted = is_refuted(record, disease)
            looked_at += [] if refuted is None else [refuted]
        for variant in pathogenic_variants(record, frozenset(_PHENOCOPIES)):
            text = f"{_PHENOCOPIES[variant.gene]}: {variant}, {variant.evidence.reference}"
            return self._refuse("not-applicable", text, variant.evidence, variant.implication)
        wall, atrium, gradient = _wall(record), ATRIUM.find(record), GRADIENT.find(record)
        day = parse_time(wall[1].time).date()
        age = age_on(record, day)
        if age < 16:
            return self._refuse("not-applicable", f"age {age} is below 16")
        if age > 115:
            return self._refuse("not-applicable", f"age {age} is above 115")
        # What HCM Risk-SCD takes: the term of the wall falls from 27 mm on, so that much
        # more would count as less risk.
        for name, (value, evidence) in zip(_RANGES, (wall, atrium, gradient), strict=True):
            low, high = _RANGES[name]
            if not low <= value <= high:
                text = f"{evidence.label} is outside {low} to {high}: {evidence.reference}"
                return self._refuse("out-of-range", text, evidence)
        unreadable = find_unreadable(record)
        if unreadable is not None:
            raise UnusableInput("a condition that can't be read may exclude", unreadable)
        tachycardia = _stated(record, TACHYCARDIA, NSVT, present=True)
        if tachycardia is not None:
            raise UnusableInput("whether the ventricular tachycardia was sustained is not known", tachycardia)
        history = {
            "family-history": _answer(record, FAMILY_HISTORY, FAMILY_HISTORY_OF_ANY),
            "nsvt": _answer(record, NSVT, TACHYCARDIA),
            "syncope": _answer(record, SYNCOPE),
        }
        measured = {"wall-thickness": wall, "left-atrial-diameter": atrium, "lvot-gradient": gradient}
        return self._result(age, measured, history, looked_at)

    def _result(
        self,
        age: int,
        measured: dict[str, tuple[Decimal, Evidence]],
        history: dict[str, tuple[bool, Evidence]],
        looked_at: list[Evidence],
    ) -> Prediction:
        wall, atrium, gradient = (float(value) for value, _ in measured.values())
        family_history, nsvt, syncope = (present for present, _ in history.values())
        terms = contributions(
            age, wall, atrium, gradient, family_history=family_history, nsvt=nsvt, syncope=syncope
        )
        inputs = {name: evidence for name, (_, evidence) in (*measured.items(), *history.items())}
        percent = risk(sum(terms.values()))
        newest = max((evidence.time for _, evidence in measured.values()), key=parse_time)
        return Prediction(
            code=self.result_code[0],
            display=self.result_code[1],
            percent=percent,
            horizon_years=5,
            outcome=("sudden-cardiac-death", "Sudden cardiac death"),
            category=category_of(percent),
            effective=newest,
            evidence=(*inputs.values(), *looked_at),
            contributions=tuple(
                Contribution(
                    f"contribution-{name}",
                    _LABELS[name],
                    value,
                    inputs[name].modality if name in inputs else "ehr",
                    inputs.get(name),
                )
                for name, value in terms.items()
            ),
            cautions=(f"Age {age} at the measurement of {newest[:10]}.",),
        )

    def _refuse(self, reason: str, text: str, *evidence: Evidence) -> Refusal:
        return Refusal(
            *self.result_code,
            reason,  # type: ignore[arg-type]
            text,
            evidence[0].modality if evidence else "ehr",
            next((e.time for e in evidence if e.time), None),
            evidence,
        )


def _wall(record: PatientRecord) -> tuple[Decimal, Evidence]:
    """The maximal thickness; the septum where none is stated, or where the septum alone is thicker by now."""
    septum = None
    try:
        septum = SEPTUM.find(record)
        wall = WALL.find(record)
    except MissingInput:
        if septum is None:
            return WALL.find(record)
        return septum
    newer = parse_time(septum[1].time) > parse_time(wall[1].time)
    return septum if newer and septum[0] > wall[0] else wall


def _answer(record: PatientRecord, question: Disease, wider: Disease | None = None) -> tuple[bool, Evidence]:
    """Present or absent, as the record states it; silence is neither.

    Args:
        wider: what includes the question and more: its absence answers it, its presence does not.
    """
    present = find_disease(record, question)
    suspected = find_unconfirmed(record, question)
    if suspected is not None:
        raise UnusableInput(f"whether there is {question.name} is not confirmed", suspected)
    if present is not None:
        return True, present
    absent = is_refuted(record, question)
    if absent is None and wider is not None and _stated(record, wider, None, present=True) is None:
        absent = _stated(record, wider, None, present=False)
    if absent is not None:
        return False, absent
    raise MissingInput(f"whether there is {question.name} is not recorded")


def _stated(
    record: PatientRecord, disease: Disease, unless: Disease | None, *, present: bool
) -> Evidence | None:
    """A Condition that states the disease present, or absent, and not `unless`."""
    for condition, is_present in record.conditions():
        concept = condition.get("code")
        if is_present == present and disease.states(concept) and not (unless and unless.states(concept)):
            return record.evidence(condition, disease.name)
    return None
