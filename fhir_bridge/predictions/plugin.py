"""The built-in predictors, registered as any plug-in registers its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.plugins import Predictor, hookimpl

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
    """The published equations and scores, and the percentile of a polygenic score."""
    # Here: what converts has the plug-in, and asks for no predictor.
    from fhir_bridge.predictions.cad_polygenic import CadPolygenic
    from fhir_bridge.predictions.cha2ds2 import Cha2ds2
    from fhir_bridge.predictions.hcm_risk_scd import HcmRiskScd
    from fhir_bridge.predictions.pooled_cohort import PooledCohort
    from fhir_bridge.predictions.prevent import prevent_models
    from fhir_bridge.predictions.score2 import Score2
    from fhir_bridge.predictions.score2_diabetes import Score2Diabetes
    from fhir_bridge.predictions.smart2 import Smart2

    return [
        Score2(),
        HcmRiskScd(),
        Score2Diabetes(),
        Smart2(),
        *prevent_models(),
        PooledCohort(),
        Cha2ds2(with_sex=False),
        Cha2ds2(with_sex=True),
        CadPolygenic(),
    ]
