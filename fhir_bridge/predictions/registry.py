"""Predictors by name. Needs no store: listing them and looking one up works in the core install."""

from __future__ import annotations

from fhir_bridge.plugins import Predictor, predictors

__all__ = ["PredictionError", "find_predictor", "predictors"]


class PredictionError(Exception):
    """A prediction that can't be made or stored; `code` is the issue code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def find_predictor(name: str) -> Predictor:
    """The predictor of this name.

    Raises:
        PredictionError: FB-PRED-002, there is none.
    """
    known = predictors()
    if name not in known:
        raise PredictionError(
            "FB-PRED-002", f'there is no predictor "{name}"; there are {", ".join(sorted(known))}'
        )
    predictor: Predictor = known[name]
    return predictor
