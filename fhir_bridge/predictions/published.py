"""What published equations have in common as predictors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, Final

from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.predictions.cardiovascular import EGFR, HBA1C, SBP, Excluded
from fhir_bridge.predictions.categories import Categories
from fhir_bridge.predictions.contract import ModelCard, Prediction, PredictorSettings, Refusal, RefusalReason
from fhir_bridge.predictions.explain import Equation, explain
from fhir_bridge.predictions.genome import GENOMIC_CODES
from fhir_bridge.predictions.inputs import (
    SNOMED,
    ImplausibleInput,
    QuantityInput,
    UnusableInput,
    age_on,
    sex_at_birth,
)
from fhir_bridge.predictions.medications import MEDICATIONS
from fhir_bridge.predictions.observed_pregnancy import OBSERVED_CODES
from fhir_bridge.predictions.record import Evidence, PatientRecord, parse_time
from fhir_bridge.predictions.smoking import SMOKING_CODES
from fhir_bridge.predictions.value_sets import ICD10, VALUE_SETS, is_member, value_set

__all__ = ["Gathered", "PublishedEquation", "published_card", "sex_of"]

published_card = partial(ModelCard, "published-equation")
"""The card of an equation, which is never labelled machine-learned."""

_ANYTHING: Final = {"coding": [{"system": system, "code": "0"} for system in (*sorted(ICD10), SNOMED)]}


class Gathered:
    """The inputs of an equation for one person, by the names of its contributions.

    Attributes:
        values: as the equation takes them, yes and no as 1 and 0.
        evidence: what each was read from; of age and sex there is none but the Patient.
    """

    def __init__(self, **values: float) -> None:
        self.values: dict[str, float] = {name: float(value) for name, value in values.items()}
        self.evidence: dict[str, Evidence] = {}

    def add(self, name: str, value: float | Decimal, evidence: Evidence | None) -> None:
        """An input as it was read or stated."""
        self.values[name] = float(value)
        if evidence is not None:
            self.evidence[name] = evidence

    def measure(self, record: PatientRecord, inputs: Mapping[str, QuantityInput]) -> None:
        """Read these; an HDL cholesterol is below the total one.

        Raises:
            UnusableInput: one is missing or can't be used.
        """
        for name, item in inputs.items():
            self.add(name, *item.find(record))
        hdl, total = self.values.get("hdl-cholesterol"), self.values.get("total-cholesterol")
        if hdl is not None and total is not None and hdl >= total:
            text = "HDL cholesterol is not below total cholesterol"
            raise ImplausibleInput(text, self.evidence["hdl-cholesterol"])

    def check_range(self, name: str, low: float, high: float) -> None:
        """Refuse what is outside of what the equation was derived for.

        Raises:
            ImplausibleInput: it is.
        """
        if not low <= self.values[name] <= high:
            evidence = self.evidence[name]
            text = f"{evidence.label} is outside {low:g} to {round(high):g}, for which the equation is"
            raise ImplausibleInput(text, evidence)

    @property
    def newest(self) -> str:
        """Time of the newest input."""
        return max((item.time for item in self.evidence.values() if item.time), key=parse_time)


class PublishedEquation:
    """A predictor whose `answer` computes an equation, and raises where the model is not meant for the person.

    Subclasses state what `Predictor` asks for, and `answer`.
    """

    name: str
    version: str
    title: str
    manufacturer: str
    card: ModelCard
    result_code: tuple[str, str]
    code_system = PREDICTION_CODES
    categories: Categories = ()
    ages: tuple[int, int] = (0, 150)
    """For whom it was derived, in completed years; others are refused."""
    files = VALUE_SETS
    inputs: tuple[QuantityInput, ...] = ()
    """What it measures, beside what the exclusions look at."""
    reads: tuple[str, ...] = ("FamilyMemberHistory", *MEDICATIONS)
    """What the exclusions look at beside what every model does."""

    @property
    def observation_codes(self) -> frozenset[tuple[str, str]]:
        """Codes of the Observations that it reads, those of the exclusions included."""
        shared = (SBP, HBA1C, EGFR)
        return GENOMIC_CODES.union(
            SMOKING_CODES, OBSERVED_CODES, *(item.all_codes for item in (*shared, *self.inputs))
        )

    @property
    def input_names(self) -> dict[tuple[str, str], str]:
        """What it calls its inputs, by their codes."""
        measured = {code: item.name for item in (SBP, HBA1C, EGFR, *self.inputs) for code in item.all_codes}
        return dict.fromkeys(SMOKING_CODES, "smoking status") | measured

    def prepare(self) -> None:
        """Read what every question needs, before the first one."""
        for file in VALUE_SETS:
            is_member(value_set(file.stem.removeprefix("prediction-")), _ANYTHING)

    def predict(
        self, records: Sequence[PatientRecord], settings: PredictorSettings
    ) -> list[Prediction | Refusal]:
        """Risk, or the reason why the model is not meant for this person."""
        return [self._of(record, settings) for record in records]

    def _of(self, record: PatientRecord, settings: PredictorSettings) -> Prediction | Refusal:
        try:
            answered = self.answer(record, settings)
            return replace(answered, cautions=(*answered.cautions, *sex_at_birth(record)))
        except UnusableInput as unusable:
            evidence = () if unusable.evidence is None else (unusable.evidence,)
            return self._refuse(record, unusable.reason, str(unusable), evidence)
        except Excluded as excluded:
            return self._refuse(record, excluded.reason, str(excluded), excluded.evidence)

    def answer(self, record: PatientRecord, settings: PredictorSettings) -> Prediction:
        """The risk.

        Raises:
            UnusableInput: an input is missing, or can't be used.
            Excluded: the model is not meant for this person.
        """
        raise NotImplementedError

    def age_of(self, record: PatientRecord) -> tuple[int, date]:
        """Age on the day of the question, and that day: the risk is over the years from then on, whenever the newest
        measurement was.

        Raises:
            UnusableInput: the birth date is not known to the day.
            Excluded: the equation is not for this age.
        """
        day = record.as_of.date()
        age = age_on(record, day)
        low, high = self.ages
        if not low <= age <= high:
            raise Excluded(f"age {age} is outside {low} to {high}")
        return age, day

    def at_pressure(self, record: PatientRecord) -> tuple[Gathered, int, date]:
        """Age, the day of the question, and the systolic blood pressure, with which the cardiovascular equations begin.

        Raises:
            UnusableInput: one of them is missing, or can't be used.
            Excluded: the equation is not for this age.
        """
        gathered = Gathered()
        gathered.measure(record, {"systolic-blood-pressure": SBP})
        age, day = self.age_of(record)
        gathered.add("age", age, None)
        return gathered, age, day

    def code_of(self, record: PatientRecord) -> tuple[str, str]:  # noqa: ARG002 - SCORE2 has two
        """Code and display of a refusal."""
        return self.result_code

    def _refuse(
        self, record: PatientRecord, reason: RefusalReason, text: str, evidence: tuple[Evidence, ...]
    ) -> Refusal:
        code, display = self.code_of(record)
        modality = evidence[0].modality if evidence else "ehr"
        effective = next((item.time for item in evidence if item.time), None)
        return Refusal(code, display, reason, text, modality, effective, evidence)

    def explained(
        self,
        equation: Equation,
        gathered: Gathered,
        labels: Mapping[str, str],
        **fields: Any,
    ) -> Prediction:
        """A prediction with contributions and explanation. fields: the others of `Prediction`."""
        values, evidence = gathered.values, gathered.evidence
        answered = equation.answer(values)
        contributions, explanation = explain(equation, values, answered, labels, evidence)
        if "effective" not in fields:
            fields["effective"] = gathered.newest
        looked_at = fields.pop("looked_at", ())
        return Prediction(
            **{
                "code": self.result_code[0],
                "display": self.result_code[1],
                "percent": answered.percent,
                "category": answered.category,
                "evidence": (*evidence.values(), *looked_at),
                "contributions": contributions,
                "explanation": explanation,
                **fields,
            }
        )


def sex_of(record: PatientRecord) -> str:
    """`male` or `female`.

    Raises:
        UnusableInput: the record says neither.
    """
    sex = record.patient.get("gender")
    if sex not in ("male", "female"):
        raise UnusableInput("the model has equations for male and female only")
    return str(sex)
