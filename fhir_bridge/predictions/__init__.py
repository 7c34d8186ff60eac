"""Predictors, the contract they keep, and the FHIR that carries what they say."""

from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions.contract import (
    Contribution,
    ModelCard,
    Prediction,
    PredictorSettings,
    Refusal,
)
from fhir_bridge.predictions.record import Evidence, PatientRecord
from fhir_bridge.predictions.run import Predicted, PredictionError, PredictionRun, find_predictor, predictors

__all__ = [
    "Contribution",
    "Evidence",
    "ModelCard",
    "PatientRecord",
    "Predicted",
    "Prediction",
    "PredictionError",
    "PredictionRun",
    "Predictor",
    "PredictorSettings",
    "Refusal",
    "find_predictor",
    "predictors",
]
