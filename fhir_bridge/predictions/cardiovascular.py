"""Inputs that models of cardiovascular risk share, and for whom those of primary prevention are not meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.fhir.ucum import Incommensurable, UcumError, convert
from fhir_bridge.predictions.contract import PredictorSettings, RefusalReason
from fhir_bridge.predictions.findings import (
    Disease,
    find_certain,
    find_disease,
    find_undecided_drug,
    is_refuted,
    refuse_unreadable,
    subsumption_caution,
)
from fhir_bridge.predictions.genome import pathogenic_variants
from fhir_bridge.predictions.inputs import (
    CHOLESTEROL_MOLAR_MASS,
    MissingInput,
    QuantityInput,
    Reading,
    UnusableInput,
    loinc,
)
from fhir_bridge.predictions.medications import LISTED, is_of_list
from fhir_bridge.predictions.record import (
    Evidence,
    PatientRecord,
    codings,
    concept_of,
    decimal_of,
    effective_of,
    moment_of,
)
from fhir_bridge.predictions.value_sets import UNDECIDED

__all__ = [
    "ANTIHYPERTENSIVE",
    "ANTITHROMBOTIC",
    "ASCVD",
    "BMI",
    "CHOLESTEROL",
    "CREATININE",
    "CRP",
    "DIABETES",
    "DIABETES_DRUG",
    "EGFR",
    "FAMILIAL",
    "FAMILIAL_GENES",
    "HBA1C",
    "HDL",
    "HDL_MASS",
    "HEART_FAILURE",
    "KIDNEY_FAILURE",
    "OTHER_TYPE",
    "PREGNANCY",
    "PREVENTION",
    "SBP",
    "STATIN",
    "TOTAL_MASS",
    "TRANSPLANT",
    "TYPE_2",
    "UACR",
    "WITHOUT_KIDNEY",
    "Excluded",
    "diabetes",
    "earlier_hba1c",
    "exclusions",
    "familial",
    "kidney",
    "not_stated",
    "takes",
]

YEARS: Final = timedelta(days=366)
_LEG: Final = frozenset(
    {"344001", "51636004", "6685009", "68367000", "30021000", "43899006", "13363002", "86547008"}
)
_OF_LEG: Final = re.compile(
    r"ankle|thigh|calf|popliteal|tibial|pedis|\bleg\b|\btoe\b|kn(ö|oe)chel|schenkel|\bwade\b|cheville|cuisse",
    re.IGNORECASE,
)


def _is_of_arm(observation: dict[str, Any]) -> bool:
    """Whether a pressure is not one of a leg, which is another: as of the ankle-brachial index."""
    site = observation.get("bodySite") or {}
    texts = [
        str(site.get("text", "")),
        *(str(coding.get("display", "")) for coding in site.get("coding", ())),
    ]
    return _LEG.isdisjoint(code for _, code in codings(site)) and not any(map(_OF_LEG.search, texts))


SBP: Final = QuantityInput(
    "systolic blood pressure",
    loinc("8480-6"),
    "mm[Hg]",
    2 * YEARS,
    (Decimal(50), Decimal(300)),
    fits=_is_of_arm,
)
CHOLESTEROL: Final = QuantityInput(
    "total cholesterol",
    loinc("14647-2", "2093-3"),
    "mmol/L",
    5 * YEARS,
    (Decimal(1), Decimal(25)),
    CHOLESTEROL_MOLAR_MASS,
)
HDL: Final = QuantityInput(
    "HDL cholesterol",
    loinc("14646-4", "2085-9"),
    "mmol/L",
    5 * YEARS,
    (Decimal("0.1"), Decimal(5)),
    CHOLESTEROL_MOLAR_MASS,
)
EGFR: Final = QuantityInput(
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


CREATININE: Final = QuantityInput(
    "creatinine",
    loinc("2160-0", "14682-9", "38483-4", "59826-8", "35203-9", "77140-2"),
    "mg/dL",
    2 * YEARS,
    (Decimal("0.1"), Decimal(40)),
    Decimal("113.12"),
)
"""Of serum, plasma or blood, from which the eGFR is computed."""


def _to(value: Decimal, unit: str, wanted: str) -> Decimal | None:
    """By UCUM; None where the units do not convert."""
    try:
        return convert(value, unit, wanted)
    except (UcumError, Incommensurable):
        return None


def _hba1c(value: Decimal, unit: str) -> Decimal | None:
    """Percent of NGSP to mmol/mol of IFCC (master equation: NGSP = 0.09148 IFCC + 2.152)."""
    if _ANNOTATION.sub("", unit) == "%":
        return (value - Decimal("2.152")) / Decimal("0.09148")
    # UCUM knows no calibration: to it any share is an amount of substance by another.
    return _to(value, unit, "mmol/mol") if "mol" in unit else None


def _other_calibration(node: dict[str, Any], unit: str) -> str:
    """The code of the calibration of IFCC (mmol/mol) with a percentage, which may be of IFCC or of NGSP."""
    by_ifcc = ("http://loinc.org", "59261-8") in set(codings(node.get("code")))
    percent = _ANNOTATION.sub("", unit) == "%"
    return "in % under the code of the IFCC calibration, which is in mmol/mol" if by_ifcc and percent else ""


_ANNOTATION: Final = re.compile(r"\{[^{}]*\}")


HBA1C: Final = QuantityInput(
    "HbA1c",
    # Of any method, by calculation, HPLC, electrophoresis, IFCC; as a pure mass fraction; of a dried spot; and per
    # volume, of which what is in percent is the share, and nothing else can be read.
    loinc("4548-4", "17855-8", "17856-6", "4549-2", "59261-8", "71875-9", "96595-4", "41995-2"),
    "mmol/mol",
    2 * YEARS,
    (Decimal(5), Decimal(250)),
    convert=_hba1c,
    misstated=_other_calibration,
)


def _mg_dl(value: Decimal, unit: str) -> Decimal | None:
    """Cholesterol to mg/dL, with the factor that the equations of the United States have (0.02586)."""
    amount = _to(value, unit, "mmol/L")
    return _to(value, unit, "mg/dL") if amount is None else amount / Decimal("0.02586")


TOTAL_MASS: Final = replace(
    CHOLESTEROL, unit="mg/dL", plausible=(Decimal(38), Decimal(970)), molar_mass=None, convert=_mg_dl
)
HDL_MASS: Final = replace(
    HDL, unit="mg/dL", plausible=(Decimal(3), Decimal(194)), molar_mass=None, convert=_mg_dl
)
"""The same in mg/dL, for equations that have it so."""


def _uacr(value: Decimal, unit: str) -> Decimal | None:
    """mg/mmol of creatinine (113.12 g/mol) to mg/g; and other masses."""
    by_amount = _to(value, unit, "mg/mmol")
    return _to(value, unit, "mg/g") if by_amount is None else by_amount / Decimal("0.11312")


CRP: Final = QuantityInput(
    "C-reactive protein",
    loinc("30522-7", "1988-5"),
    "mg/L",
    2 * YEARS,
    (Decimal("0.01"), Decimal(600)),
)
BMI: Final = QuantityInput(
    "body mass index", loinc("39156-5"), "kg/m2", 5 * YEARS, (Decimal(10), Decimal(100))
)
UACR: Final = QuantityInput(
    "urine albumin to creatinine ratio",
    loinc("9318-7", "14959-1"),
    "mg/g",
    2 * YEARS,
    (Decimal("0.1"), Decimal(25000)),
    convert=_uacr,
)

DIABETES: Final = Disease("diabetes mellitus", "diabetes")
DIABETES_DRUG: Final = Disease("diabetes mellitus, by a drug that is used in it", "diabetes-drug", drugs=True)
ASCVD: Final = Disease("atherosclerotic cardiovascular disease", "ascvd")
CKD: Final = Disease("moderate to severe chronic kidney disease", "ckd-moderate-severe")
CKD_OF_ANY_STAGE: Final = Disease("chronic kidney disease without a stage", "ckd")
CKD_OF_LOW_STAGE: Final = Disease("mild chronic kidney disease", "ckd-mild")
TRANSPLANT: Final = Disease("transplanted organ", "transplant")
FAMILIAL: Final = Disease("familial hypercholesterolaemia", "familial-hypercholesterolaemia")
PREGNANCY: Final = Disease("pregnancy", "pregnancy", "current", timedelta(days=300))
FAMILIAL_GENES: Final = frozenset({"LDLR", "APOB", "PCSK9", "LDLRAP1"})

TYPE_2: Final = Disease("type 2 diabetes mellitus", "diabetes-type-2")
OTHER_TYPE: Final = Disease("diabetes mellitus of another type", "diabetes-other-type", "current")
HEART_FAILURE: Final = Disease("heart failure", "heart-failure")
KIDNEY_FAILURE: Final = Disease("kidney failure, dialysis or kidney transplant", "kidney-failure")
"""Beside it an eGFR is older than it, or not what the equations mean by one."""
ANTIHYPERTENSIVE: Final = Disease("blood-pressure-lowering drug", "antihypertensive", "current", drugs=True)
STATIN: Final = Disease("statin", "statin", "current", drugs=True)
ANTITHROMBOTIC: Final = Disease("antithrombotic drug", "antithrombotic", "current", drugs=True)

WITHOUT_KIDNEY: Final = (ASCVD, TRANSPLANT, FAMILIAL, PREGNANCY)
PREVENTION: Final = (*WITHOUT_KIDNEY, CKD)
"""What excludes from the European models of a first event, beside diabetes."""

_DIABETIC: Final = Decimal(48)
_DIABETIC_PERCENT: Final = Decimal("47.5")
"""mmol/mol, from which HbA1c makes the diagnosis (WHO 2011): 48 mmol/mol, and 6.5 %, which is 47.5."""

_EGFR_LIMIT: Final = Decimal(60)
_EGFR_ABOVE: Final = Decimal(59)
"""Laboratories that report whole numbers write `>59` for what is not below 60."""


class Excluded(Exception):
    """The model is not meant for this person. The text names the deciding resource."""

    reason: RefusalReason = "not-applicable"

    def __init__(self, text: str, *evidence: Evidence) -> None:
        super().__init__(text)
        self.evidence = evidence


def not_stated(record: PatientRecord, text: str, *diseases: Disease) -> Excluded:
    """That the disease which the equation is for is not in the record, and what could not be decided about it."""
    return Excluded("; ".join((text, *subsumption_caution(record, diseases))))


def exclusions(record: PatientRecord, diseases: Sequence[Disease]) -> list[Evidence]:
    """What was looked at and does not exclude.

    Raises:
        Excluded: one of the diseases is present.
    """
    looked_at: list[Evidence] = []
    for disease in diseases:
        evidence = find_disease(record, disease)
        if evidence is not None:
            raise Excluded(f"{disease.name}: {evidence.reference}", evidence)
        refuted = is_refuted(record, disease)
        looked_at += [] if refuted is None else [refuted]
    return looked_at


def diabetes(record: PatientRecord, *, certain: bool = False) -> tuple[bool, list[Evidence]]:
    """Whether the record says diabetes, by diagnosis, drug or HbA1c, and by what; or what was looked at.

    Args:
        certain: it is an input of the equation: one that is suspected alone is neither yes nor no.

    Raises:
        UnusableInput: an HbA1c that can't be read, a drug that is not known, or a suspected diabetes.
    """
    unclear: UnusableInput | None = None
    for disease in (DIABETES, DIABETES_DRUG):
        try:
            evidence = (find_certain if certain else find_disease)(record, disease)
        except UnusableInput as suspected:
            unclear = suspected
            continue
        if evidence is not None:
            return True, [evidence]
    undecided = find_undecided_drug(record, DIABETES_DRUG)
    if unclear is None and undecided is not None:
        unclear = UnusableInput(f"{undecided[0]} may be one of diabetes", undecided[1])
    present, evidence_of_hba1c = _by_hba1c(record)
    if unclear is not None and not present:
        raise unclear
    return present, evidence_of_hba1c


def _by_hba1c(record: PatientRecord) -> tuple[bool, list[Evidence]]:
    """The same by HbA1c alone."""
    refuted = is_refuted(record, DIABETES)
    looked_at = [] if refuted is None else [refuted]
    try:
        readings = HBA1C.newest(record)
    except MissingInput:
        readings = []
    for reading in readings:
        limit = _DIABETIC_PERCENT if "%" in reading.stated_in else _DIABETIC
        if reading.comparator in ("<", "<=") and reading.value > limit:
            raise UnusableInput("HbA1c may be that of diabetes or not", reading.evidence)
        if reading.comparator not in ("<", "<=") and _is_diabetic(reading):
            return True, [reading.evidence]
        if reading.comparator in (">", ">="):
            raise UnusableInput("HbA1c may be that of diabetes or not", reading.evidence)
        looked_at.append(reading.evidence)
    for reading in HBA1C.unsettled(record):
        if reading.comparator in (">", ">=") or _is_diabetic(reading):
            raise UnusableInput("HbA1c that is not final may be that of diabetes", reading.evidence)
        looked_at.append(reading.evidence)
    return False, looked_at


def _is_diabetic(reading: Reading) -> bool:
    return reading.value >= (_DIABETIC_PERCENT if "%" in reading.stated_in else _DIABETIC)


def earlier_hba1c(record: PatientRecord) -> tuple[str, ...]:
    """What a result says beside its value where an HbA1c was that of diabetes and the newest is not: the disease may be
    in remission, treated, or never have been confirmed.
    """
    for observation, node in record.observations(HBA1C.codes):
        stated = decimal_of(node)
        value = None if stated is None else HBA1C.in_unit(*stated)
        limit = _DIABETIC_PERCENT if stated is not None and "%" in stated[1] else _DIABETIC
        if value is not None and limit <= value <= HBA1C.plausible[1]:
            when = effective_of(observation)[:10]
            return (
                f"{UNDECIDED}an earlier HbA1c (Observation/{observation['id']}{', ' if when else ''}{when}) is that of "
                "diabetes, the newest is not, and no diagnosis or drug of diabetes is stated.",
            )
    return ()


def takes(record: PatientRecord, drugs: Disease, settings: PredictorSettings) -> tuple[bool, Evidence | None]:
    """Whether the patient takes one of these drugs now, and by which entry of the medication list.

    A list without one says no. No list at all says nothing, unless the site has decided that it means no
    (`no_medication_list: none-taken`).

    Raises:
        UnusableInput: there is no list, or it has an entry that may be one and is not known.
    """
    taken = find_disease(record, drugs)
    if taken is not None:
        return True, taken
    entries = [entry for kind in LISTED for entry in record.all(kind)]
    if not any(map(is_of_list, entries)) and settings.options.get("no_medication_list") != "none-taken":
        raise MissingInput(f"no medication list, so whether a {drugs.name} is taken is not known")
    undecided = find_undecided_drug(record, drugs)
    if undecided is not None:
        raise UnusableInput(f"{undecided[0]} may be a {drugs.name}", undecided[1])
    return False, None


def familial(record: PatientRecord) -> None:
    """Refuse for familial hypercholesterolaemia in the genome.

    Raises:
        Excluded: there is a (likely) pathogenic variant that makes it.
    """
    for variant in pathogenic_variants(record, FAMILIAL_GENES):
        text = f"familial hypercholesterolaemia: {variant}, {variant.evidence.reference}"
        raise Excluded(text, variant.evidence, variant.implication)


def kidney(record: PatientRecord) -> list[Evidence]:
    """The eGFR that were looked at and do not exclude. The European equations do not use it, so none need be.

    Raises:
        Excluded: one is below 60.
        UnusableInput: one may be, also by a newer creatinine, or the stage of a kidney disease is not known, or a
            Condition can't be read.
    """
    looked_at: list[Evidence] = []
    try:
        readings = EGFR.newest(record)
    except MissingInput:
        readings = []  # a recorded one may exclude, an absent one does not
    for reading in readings:
        below = _is_below_limit(reading)
        if below is None:
            raise UnusableInput(f"eGFR may be below {_EGFR_LIMIT} or not", reading.evidence)
        if below:
            raise Excluded(f"eGFR is below {_EGFR_LIMIT}: {reading.evidence.reference}", reading.evidence)
        looked_at.append(reading.evidence)
    for reading in EGFR.unsettled(record):
        if _is_below_limit(reading) is not False:
            raise UnusableInput(f"eGFR that is not final may be below {_EGFR_LIMIT}", reading.evidence)
        looked_at.append(reading.evidence)
    looked_at += _creatinine(record, [*readings, *EGFR.unsettled(record)])
    unstaged = _without_stage(record, measured=bool(readings))
    if unstaged is not None:
        raise UnusableInput("the stage of the chronic kidney disease is not known", unstaged)
    undated = EGFR.undated(record)
    if undated is not None:
        raise UnusableInput("eGFR has no time, so it may be the newest", undated)
    refuse_unreadable(record)
    return looked_at


def _creatinine(record: PatientRecord, measured: Sequence[Reading]) -> list[Evidence]:
    """The creatinine that is newer than each eGFR and does not exclude: nothing is decided by what this computes.

    Raises:
        UnusableInput: it can't be read, or means an eGFR below the limit.
    """
    times = [moment for reading in measured if (moment := moment_of(reading.evidence.time)) is not None]
    try:
        readings = [*CREATININE.newest(record), *CREATININE.unsettled(record)]
    except MissingInput:
        readings = list(CREATININE.unsettled(record))
    except UnusableInput as unusable:
        moment = None if unusable.evidence is None else moment_of(unusable.evidence.time)
        if moment is not None and times and moment <= max(times):
            return []
        raise
    newer = [
        reading
        for reading in readings
        if not times or (moment_of(reading.evidence.time) or record.as_of) > max(times)
    ]
    for reading in newer:
        if reading.comparator in (">", ">=") or round(_ckd_epi(record, float(reading.value))) < _EGFR_LIMIT:
            raise UnusableInput(
                f"the newest creatinine may mean an eGFR below {_EGFR_LIMIT} (CKD-EPI 2021), and none is recorded",
                reading.evidence,
            )
    return [reading.evidence for reading in newer]


def _ckd_epi(record: PatientRecord, creatinine: float) -> float:
    """eGFR of CKD-EPI 2021 without race (N Engl J Med 2021;385:1737-1749), of mg/dL."""
    female = record.patient.get("gender") == "female"
    at, power = (0.7, -0.241) if female else (0.9, -0.302)
    age = record.age_on(record.as_of.date()) or 0
    share = creatinine / at
    egfr = 142 * min(share, 1.0) ** power * max(share, 1.0) ** -1.2 * 0.9938**age
    return float(egfr * (1.012 if female else 1.0))


def _without_stage(record: PatientRecord, *, measured: bool) -> Evidence | None:
    """A Condition that may be moderate to severe kidney disease or not; measured: an eGFR says which it is, unless the
    Condition has a stage, in words or by a code that no list has.
    """
    for condition, present in record.conditions():
        concept = concept_of(condition)
        if measured and not any("summary" in stage for stage in condition.get("stage", ())):
            continue
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
