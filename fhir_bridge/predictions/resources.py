"""The FHIR that carries a prediction: Observation and RiskAssessment; `transparency` has what is beside them.

Follows HL7 AI Transparency on FHIR (1.0.0-ballot, 2025-12) for the label AIAST and the Device type;
R4 for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from fhir_bridge.fhir.canonical import PREDICTION_CODES, PREDICTION_IDS
from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions.contract import Contribution, Explanation, Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.record import Evidence
from fhir_bridge.predictions.transparency import AIAST, reference_to, unique
from fhir_bridge.predictions.values import MODALITY_NAMES, components_of, value_elements

__all__ = ["AIAST", "EXPLAINING", "MODELS", "observation", "risk_assessment"]

MODELS: Final = "urn:fhir-bridge:predictor"
"""System of the names of logical models: in Observation.method, whatever the version that gave the result."""

EXPLAINING: Final = ("Contributions (", "By kind of record: ", "Another class: ")
"""How the notes begin that explain the model's own value."""

_UCUM: Final = "http://unitsofmeasure.org"
_DERIVABLE: Final = frozenset(
    {
        "DocumentReference",
        "ImagingStudy",
        "Media",
        "QuestionnaireResponse",
        "Observation",
        "MolecularSequence",
    }
)
"""What Observation.derivedFrom may refer to in R4; other inputs are in Provenance and RiskAssessment."""

_ABSENT: Final = {
    "not-applicable": ("not-applicable", "Not Applicable"),
    "out-of-range": ("not-applicable", "Not Applicable"),
    "missing-input": ("not-performed", "Not Performed"),
    "failed": ("error", "Error"),
    "opted-out": ("masked", "Masked"),
}


def _own(code: str, display: str, system: str = PREDICTION_CODES) -> dict[str, Any]:
    if not code:
        return {"text": display}
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _system(predictor: Predictor) -> str:
    """The code system of a predictor's own codes; a plug-in that names none gets one by its name."""
    return str(getattr(predictor, "code_system", f"urn:fhir-bridge:predictor:{predictor.name}"))


def observation(
    resource_id: str,
    patient_id: str,
    predictor: Predictor,
    settings: PredictorSettings,
    result: Prediction | Refusal,
    device_id: str,
    issued: datetime,
) -> dict[str, Any]:
    """The Observation that says the result, or that there is none and why. Always `preliminary` until reviewed."""
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "id": resource_id,
        "meta": {"security": [AIAST]},
        "identifier": [{"system": PREDICTION_IDS, "value": resource_id}],
        "status": "preliminary",
        "category": [_own("prediction", "Prediction")],
        "code": _own(result.code, result.display, _system(predictor)),
        "subject": {"reference": f"Patient/{patient_id}"},
    }
    if result.effective:
        resource["effectiveDateTime"] = _text(result.effective)
    resource["issued"] = issued.isoformat(timespec="milliseconds")
    if isinstance(result, Prediction):
        resource |= value_elements(result, _system(predictor))
        if result.category:
            code, display = result.category
            resource["interpretation"] = [_own(code, display, _system(predictor))]
    else:
        code, display = _ABSENT[result.reason]
        resource["dataAbsentReason"] = {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
                    "code": code,
                    "display": display,
                }
            ],
            "text": result.text,
        }
    resource["note"] = [{"text": text} for text in _notes(predictor, settings, result)]
    resource["method"] = {
        "coding": [{"system": MODELS, "version": predictor.version, "code": predictor.name}],
        "text": f"{predictor.title}, version {predictor.version}{_source(predictor.card.citation)}",
    }
    resource["device"] = {"reference": f"Device/{device_id}"}
    derived = [reference_to(item) for item in unique(result.evidence) if item.resource_type in _DERIVABLE]
    if derived:
        resource["derivedFrom"] = derived
    components = [_deciding(modality) for modality in _modalities(result)]
    if isinstance(result, Prediction):
        components += components_of(result, _system(predictor))
        components += [_contribution(item, _system(predictor)) for item in result.contributions]
    if components:
        resource["component"] = components
    return resource


def risk_assessment(
    resource_id: str,
    patient_id: str,
    predictor: Predictor,
    result: Prediction,
    device_id: str,
    observation_id: str,
    inputs: Iterable[Evidence],
) -> dict[str, Any]:
    """The same risk as a RiskAssessment: outcome, probability, horizon, and every input as its basis."""
    outcome_code, outcome = result.outcome
    if result.percent is None or not result.horizon_years:
        raise ValueError("a RiskAssessment is of a future event")
    # Adding 0 takes the sign from a negative zero.
    prediction: dict[str, Any] = {
        "outcome": _own(outcome_code, outcome, _system(predictor)),
        "probabilityDecimal": (result.percent / 100).normalize() + 0,
        "whenRange": {
            "high": {"value": result.horizon_years, "unit": "years", "system": _UCUM, "code": "a"},
        },
    }
    if result.category:
        code, display = result.category
        prediction["qualitativeRisk"] = _own(code, display, _system(predictor))
    return {
        "resourceType": "RiskAssessment",
        "id": resource_id,
        "meta": {"security": [AIAST]},
        "identifier": [{"system": PREDICTION_IDS, "value": resource_id}],
        "status": "preliminary",
        "method": {"text": f"{predictor.title}, version {predictor.version}"},
        "code": _own(result.code, result.display, _system(predictor)),
        "subject": {"reference": f"Patient/{patient_id}"},
        "occurrenceDateTime": _text(result.effective),
        "performer": {"reference": f"Device/{device_id}"},
        "basis": [
            {"reference": f"Observation/{observation_id}"},
            *(reference_to(item) for item in unique(inputs)),
        ],
        "prediction": [prediction],
    }


def _source(citation: str) -> str:
    """Where a model is published; many are nowhere."""
    return f" ({citation})" if citation.strip() not in ("", "none") else ""


def _notes(predictor: Predictor, settings: PredictorSettings, result: Prediction | Refusal) -> list[str]:
    if isinstance(result, Refusal):
        notes = [f"No result: {result.text}"]
    else:
        notes = [f"Over {result.horizon_years} years."] if result.horizon_years else []
        notes += [*result.cautions, *_explained(result.explanation)]
    notes.append(f"Intended use: {settings.intended_use or predictor.card.intended_use}")
    if settings.research_use:
        notes.append("Research use: no regulatory status and approver are named at this site.")
    return notes


def _explained(explanation: Explanation | None) -> list[str]:
    """The baseline of the contributions, each modality's sum, and what would change the class."""
    if explanation is None:
        return []
    result = f" ({explanation.baseline_result})" if explanation.baseline_result else ""
    exact = "exact" if explanation.method == "exact" else "Shapley values"
    notes = [f"Contributions ({exact}) are against: {explanation.baseline}{result}."]
    if len(explanation.modalities) > 1:
        sums = ", ".join(
            f"{MODALITY_NAMES[modality].lower()} {value:+.4f}"
            for modality, value in explanation.modalities.items()
        )
        notes.append(f"By kind of record: {sums}.")
    if explanation.changes:
        notes.append(f"Another class: {' '.join(explanation.changes)}")
    return notes


def _modalities(result: Prediction | Refusal) -> tuple[str, ...]:
    """Kinds of record without which the answer would be another one."""
    if isinstance(result, Refusal):
        return () if result.reason == "failed" else (result.modality,)
    return result.explanation.decided_by if result.explanation is not None else ()


def _deciding(modality: str) -> dict[str, Any]:
    return {
        "code": _own("deciding-modality", "Deciding modality"),
        "valueCodeableConcept": _own(modality, MODALITY_NAMES[modality]),
    }


def _contribution(item: Contribution, system: str) -> dict[str, Any]:
    component: dict[str, Any] = {"code": _own(item.code, item.display, system)}
    if item.evidence is not None and item.evidence.value:
        component["code"]["text"] = f"{item.display} ({item.evidence.value})"
    value = Decimal(item.value).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    component["valueQuantity"] = {"value": value, "system": _UCUM, "code": "1"}
    return component


def _text(moment: datetime | str) -> str:
    return moment if isinstance(moment, str) else moment.isoformat()
