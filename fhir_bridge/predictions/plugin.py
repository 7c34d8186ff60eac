"""The built-in predictors, registered as any plug-in registers its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.plugins import Predictor, hookimpl
from fhir_bridge.predictions.hcm_risk_scd import HcmRiskScd
from fhir_bridge.predictions.score2 import Score2

if TYPE_CHECKING:
    from fhir_bridge.predictions.operation import Predict

__all__ = ["fhir_bridge_operations", "fhir_bridge_predictors"]


@hookimpl
def fhir_bridge_operations() -> list[Predict]:
    """`$predict` on a patient."""
    from fhir_bridge.predictions.operation import Predict  # only who serves it has a store

    return [Predict()]


@hookimpl
def fhir_bridge_predictors() -> list[Predictor]:
    """SCORE2 and SCORE2-OP; HCM Risk-SCD."""
    return [Score2(), HcmRiskScd()]
