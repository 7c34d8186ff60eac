"""HCM Risk-SCD: five-year risk of sudden cardiac death in hypertrophic cardiomyopathy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from math import exp
from typing import Any, Final

from fhir_bridge.predictions.cardiovascular import Excluded, exclusions, not_stated
from fhir_bridge.predictions.contract import Prediction, PredictorSettings
from fhir_bridge.predictions.explain import Dial, Equation, rounded
from fhir_bridge.predictions.family import sudden_deaths
from fhir_bridge.predictions.findings import (
    Disease,
    find_disease,
    find_unconfirmed,
    is_refuted,
    refuse_unreadable,
    subsumption_caution,
)
from fhir_bridge.predictions.genome import pathogenic_variants, uncertain_variants
from fhir_bridge.predictions.inputs import (
    MissingInput,
    QuantityInput,
    UnusableInput,
    loinc,
)
from fhir_bridge.predictions.published import Gathered, PublishedEquation, published_card
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
    pick="maximum",
)
"""The greatest within the window, at rest or provoked (O'Mahony 2014)."""

HCM = Disease("hypertrophic cardiomyopathy", "hcm")
FAMILY_HISTORY = Disease("family history of sudden cardiac death", "family-sudden-cardiac-death")
FAMILY_HISTORY_OF_ANY = Disease("family history of disease", "family-disease")
"""Sudden death or another: ICD-10's circulatory disease, which ICD-10-CM alone parts (Z82.41, Z82.49), and SNOMED CT's
`Family history of disorder` and `… of cardiovascular disease`."""
SUDDEN_DEATH = Disease("sudden cardiac death", "sudden-cardiac-death")
NSVT = Disease("non-sustained ventricular tachycardia", "nsvt")
TACHYCARDIA = Disease("ventricular tachycardia, sustained or not", "ventricular-tachycardia")
"""Sustained, it excludes; not sustained, it is a term of the equation."""
SYNCOPE = Disease("unexplained syncope", "unexplained-syncope")
EXPLAINED_SYNCOPE = Disease("explained syncope", "explained-syncope")
INFILTRATIVE = Disease("metabolic, infiltrative or syndromic disease", "infiltrative")
ARREST = Disease("prior cardiac arrest or sustained ventricular arrhythmia", "arrest-or-sustained-vt")
SEPTAL_REDUCTION = Disease("septal reduction", "septal-reduction")
DEFIBRILLATOR = Disease("implanted defibrillator", "defibrillator")
EXCLUDING: Final = (INFILTRATIVE, ARREST, SEPTAL_REDUCTION, DEFIBRILLATOR)

_PHENOCOPIES: Final = {
    "TTR": "amyloidosis",
    "GLA": "Fabry disease",
    "LAMP2": "Danon disease",
    "PRKAG2": "PRKAG2 syndrome",
    "GAA": "Pompe disease",
}
_RANGES: Final = {"wall-thickness": (10, 35), "left-atrial-diameter": (28, 67), "lvot-gradient": (2, 154)}


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


def percent_of(index: float) -> float:
    """Five-year risk in percent of a prognostic index, not rounded."""
    survival: float = 0.998 ** exp(index)
    return (1 - survival) * 100


def risk(index: float) -> Decimal:
    """The same to two decimals."""
    return rounded(percent_of(index), 2)


def category_of(percent: float) -> tuple[str, str]:
    """Risk class of the ESC guideline: below 4 % low, 4 to below 6 % intermediate, from 6 % high."""
    if percent >= 6:
        return "high", "High"
    return ("intermediate", "Intermediate") if percent >= 4 else ("low", "Low")


_BASELINE: Final = {
    "wall-thickness": 20.0,
    "left-atrial-diameter": 44.0,
    "lvot-gradient": 12.0,
    "family-history": 0.0,
    "nsvt": 0.0,
    "syncope": 0.0,
    "age": 48.0,
}
_DIALS: Final = (
    Dial("wall-thickness", "Wall thickness", "mm", 10, 27),
    Dial("left-atrial-diameter", "Left atrial diameter", "mm", 28, 67),
    Dial("lvot-gradient", "LVOT gradient", "mm[Hg]", 2, 154),
    Dial("family-history", "family history of sudden cardiac death"),
    Dial("nsvt", "non-sustained ventricular tachycardia"),
    Dial("syncope", "unexplained syncope"),
)


def _terms(values: Mapping[str, float]) -> dict[str, float]:
    return contributions(
        int(values["age"]),
        values["wall-thickness"],
        values["left-atrial-diameter"],
        values["lvot-gradient"],
        family_history=bool(values["family-history"]),
        nsvt=bool(values["nsvt"]),
        syncope=bool(values["syncope"]),
    )


EQUATION: Final = Equation(
    _terms,
    lambda values: percent_of(sum(_terms(values).values())),
    _BASELINE,
    "age 48, wall thickness 20 mm, left atrial diameter 44 mm, LVOT gradient 12 mm[Hg], no family history of sudden "
    "cardiac death, no non-sustained ventricular tachycardia, no unexplained syncope",
    lambda percent, _: category_of(percent),
    _DIALS,
    places=2,
)


class HcmRiskScd(PublishedEquation):
    """The predictor over a patient's record: echo measurements, history, and the genome as a reason to decline."""

    name = "hcm-risk-scd"
    version = "2014.1"
    result_code = ("hcm-risk-scd", "HCM Risk-SCD 5-year risk of sudden cardiac death")
    title = "HCM Risk-SCD: five-year risk of sudden cardiac death in hypertrophic cardiomyopathy"
    manufacturer = "HCM Outcomes investigators"
    ages = (16, 115)
    categories = (("low", "Low"), ("intermediate", "Intermediate"), ("high", "High"))
    card = published_card(
        details="Cox model from a retrospective multi-centre cohort.",
        intended_use="Estimates the five-year risk of sudden cardiac death in adults with hypertrophic "
        "cardiomyopathy, to support shared decisions on a defibrillator in primary prevention.",
        cautioned_out_of_scope="Age below 16, metabolic, infiltrative or syndromic disease (Fabry, amyloidosis, "
        "Noonan), elite athletes, "
        "prior cardiac arrest or sustained ventricular arrhythmia, after septal reduction.",
        development="3,675 patients of six European centres, 198 events.",
        fairness="Most of the derivation cohort was of European descent; performance elsewhere is less known.",
        external_validation="C-index about 0.70 in the EVIDENCE-HCM study of 3,703 patients.",
        maintenance="Fixed coefficients.",
        citation="Eur Heart J 2014;35:2010-2020, doi:10.1093/eurheartj/eht439",
    )

    inputs = (WALL, SEPTUM, ATRIUM, GRADIENT)
    reads = (*PublishedEquation.reads, "Device")

    def answer(self, record: PatientRecord, settings: PredictorSettings) -> Prediction:  # noqa: ARG002 - it has none
        """The risk; see `PublishedEquation`."""
        diagnosis = find_disease(record, HCM)
        if diagnosis is None:
            raise not_stated(record, "no diagnosis of hypertrophic cardiomyopathy", HCM)
        suspected = find_unconfirmed(record, HCM)
        if suspected is not None:
            raise UnusableInput("the hypertrophic cardiomyopathy is not confirmed", suspected)
        looked_at = [diagnosis, *exclusions(record, EXCLUDING)]
        for variant in pathogenic_variants(record, frozenset(_PHENOCOPIES)):
            text = f"{_PHENOCOPIES[variant.gene]}: {variant}, {variant.evidence.reference}"
            raise Excluded(text, variant.evidence, variant.implication)
        wall, atrium = _wall(record), ATRIUM.find(record)
        gradient, gradients = GRADIENT.find_all(record)
        age, day = self.age_of(record)
        gathered = Gathered(age=age)
        gathered.add("wall-thickness", *wall)
        gathered.add("left-atrial-diameter", *atrium)
        gathered.add("lvot-gradient", gradient, gradients[0])
        newest = gathered.newest
        # What HCM Risk-SCD takes: the term of the wall falls from 27 mm on, so that much
        # more would count as less risk.
        for name, (low, high) in _RANGES.items():
            gathered.check_range(name, low, high)
        refuse_unreadable(record)
        tachycardia = _stated(record, TACHYCARDIA, NSVT, present=True)
        if tachycardia is not None:
            raise UnusableInput("whether the ventricular tachycardia was sustained is not known", tachycardia)
        present, by, notes = _family(record)
        history: dict[str, tuple[bool, Evidence]] = {
            "family-history": (present, by),
            "nsvt": _answer(record, NSVT, TACHYCARDIA),
            "syncope": _answer(record, SYNCOPE, None, EXPLAINED_SYNCOPE),
        }
        for name, (present, evidence) in history.items():
            gathered.add(name, present, evidence)
        return self.explained(
            EQUATION,
            gathered,
            _LABELS,
            horizon_years=5,
            outcome=("sudden-cardiac-death", "Sudden cardiac death"),
            population="Adults with hypertrophic cardiomyopathy, Europe",
            guideline="ESC 2014 guideline on hypertrophic cardiomyopathy",
            effective=newest,
            looked_at=(*gradients[1:], *looked_at),
            cautions=(
                f"Age {age} on {day.isoformat()}.",
                *notes,
                *uncertain_variants(record, frozenset(_PHENOCOPIES)),
                *subsumption_caution(record, EXCLUDING),
            ),
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


def _family(record: PatientRecord) -> tuple[bool, Evidence, tuple[str, ...]]:
    """Whether there was a sudden cardiac death in the family that counts, by what, and what is to be said of it.

    Raises:
        MissingInput: the record does not say.
        UnusableInput: who it was, or at what age, is not known; or a code says yes, and the only death of which more
            is known does not count.
    """
    deaths = sudden_deaths(record, SUDDEN_DEATH, HCM)
    verdicts = {death.verdict: death for death in reversed(deaths)}
    if counting := verdicts.get("counts"):
        return True, counting.evidence, ()
    coded = find_disease(record, FAMILY_HISTORY)
    if undecided := verdicts.get("open"):
        if coded is None or is_refuted(record, FAMILY_HISTORY) is not None:
            text = f"a sudden cardiac death in the family: {undecided.missing} is not recorded"
            raise UnusableInput(text, undecided.evidence)
        return True, coded, (_BY_CODE,)
    if other := verdicts.get("does-not"):
        if coded is not None:
            text = (
                "a code says sudden cardiac death in the family, and the one that is described does not count"
            )
            raise UnusableInput(text, other.evidence)
        return False, other.evidence, (_DOES_NOT_COUNT,)
    present, evidence = _answer(record, FAMILY_HISTORY, FAMILY_HISTORY_OF_ANY)
    return present, evidence, (_BY_CODE,) if present else ()


_BY_CODE: Final = (
    "The sudden cardiac death in the family counts by a code, which says neither of whom nor at what age: the "
    "equation means a first-degree relative below 40, or one with hypertrophic cardiomyopathy."
)
_DOES_NOT_COUNT: Final = (
    "A sudden cardiac death in the family does not count: of no first-degree relative, or from 40 years on."
)


def _answer(
    record: PatientRecord, question: Disease, wider: Disease | None = None, other: Disease | None = None
) -> tuple[bool, Evidence]:
    """Present or absent, as the record states it; silence is neither.

    Args:
        wider: what includes the question and more: its absence answers it, its presence does not.
        other: what answers the question with no: the same for a known reason.
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
    if absent is None and other is not None:
        absent = find_disease(record, other)
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
