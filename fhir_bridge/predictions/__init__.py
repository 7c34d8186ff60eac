"""Predictors, the contract they keep, and the FHIR that carries what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred
from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions.contract import (
    Contribution,
    Explanation,
    ModelCard,
    Prediction,
    PredictorSettings,
    Refusal,
)
from fhir_bridge.predictions.outputs import (
    ClassOutput,
    Interval,
    QuantityOutput,
    SurvivalOutput,
    TextOutput,
)
from fhir_bridge.predictions.record import Evidence, PatientRecord
from fhir_bridge.predictions.registry import PredictionError, find_predictor, predictors

if TYPE_CHECKING:
    from fhir_bridge.predictions.run import Predicted, PredictionRun, predict_together

__all__ = [
    "ClassOutput",
    "Contribution",
    "Evidence",
    "Explanation",
    "Interval",
    "ModelCard",
    "PatientRecord",
    "Predicted",
    "Prediction",
    "PredictionError",
    "PredictionRun",
    "Predictor",
    "PredictorSettings",
    "QuantityOutput",
    "Refusal",
    "SurvivalOutput",
    "TextOutput",
    "find_predictor",
    "predict_together",
    "predictors",
]

# These need the store: the process of a model imports this package, and has none.
__getattr__ = deferred(__name__, {"Predicted": "run", "PredictionRun": "run", "predict_together": "run"})

PUBLIC_MODULES = (
    "batches",
    "categories",
    "changes",
    "dataset",
    "identity",
    "inputs",
    "manifest",
    "manifest_file",
    "meds",
    "metrics",
    "model_check",
    "monitoring",
    "objections",
    "onnx_model",
    "operation",
    "overtaken",
    "recompute",
    "record",
    "registry",
    "resources",
    "reviewing",
    "shadow",
    "site",
    "tensors",
    "triggers",
    "values",
    "warming",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""
