"""What published equations have in common as predictors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.plugins import shipped
from fhir_bridge.predictions.cardiovascular import DECEASED, Excluded
from fhir_bridge.predictions.categories import Categories
from fhir_bridge.predictions.contract import ModelCard, Prediction, PredictorSettings, Refusal, RefusalReason
from fhir_bridge.predictions.explain import Equation, explain
from fhir_bridge.predictions.findings import find_disease
from fhir_bridge.predictions.inputs import UnusableInput
from fhir_bridge.predictions.record import Evidence, PatientRecord, parse_time

__all__ = ["VALUE_SETS", "PublishedEquation", "day_of", "sex_of"]


VALUE_SETS: Final = tuple(sorted((shipped("terminology") / "value-sets").glob("prediction-*.json")))
"""Part of what a model is: another value set is another model, whose results supersede the old ones."""


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
    files = VALUE_SETS
    reads = ("FamilyMemberHistory", "MedicationRequest", "MedicationStatement")
    """What the exclusions look at beside what every model does."""

    def predict(
        self, records: Sequence[PatientRecord], settings: PredictorSettings
    ) -> list[Prediction | Refusal]:
        """Risk, or the reason why the model is not meant for this person."""
        return [self._of(record, settings) for record in records]

    def _of(self, record: PatientRecord, settings: PredictorSettings) -> Prediction | Refusal:
        try:
            if record.deceased:
                raise Excluded("the patient has died")
            dead = find_disease(record, DECEASED)
            if dead is not None:
                raise Excluded(f"the patient has died: {dead.reference}", dead)
            return self.answer(record, settings)
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
        values: Mapping[str, float],
        labels: Mapping[str, str],
        evidence: Mapping[str, Evidence],
        **fields: Any,
    ) -> Prediction:
        """A prediction with contributions and explanation. fields: the others of `Prediction`."""
        answered = equation.answer(values)
        contributions, explanation = explain(equation, values, answered, labels, evidence)
        if "effective" not in fields:
            fields["effective"] = max((item.time for item in evidence.values() if item.time), key=parse_time)
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


def day_of(evidence: Evidence) -> date:
    """The day on which an input was true."""
    return parse_time(evidence.time).date()
