"""The categories that a model may give, for whoever puts another one in place of its own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fhir_bridge.predictions.record import codings
from fhir_bridge.predictions.registry import PredictionError, find_predictor
from fhir_bridge.predictions.resources import MODELS

__all__ = ["Categories", "categories_of", "categories_of_model", "category_of_value"]

Categories = tuple[tuple[str, str], ...]
"""Code and display of each."""


def categories_of(observation: Mapping[str, Any], parameters: Mapping[str, Any] | None) -> Categories:
    """Those of the model behind a result; none where it has none, or is not installed at this site any more.

    Args:
        parameters: of the site.
    """
    names = [name for system, name in codings(observation.get("method")) if system == MODELS]
    return categories_of_model(names[0], parameters) if names else ()


def category_of_value(
    observation: Mapping[str, Any], parameters: Mapping[str, Any] | None, value: Decimal
) -> str | None:
    """Code of the category that a value has by the model's own thresholds; None where it states none for values."""
    names = [name for system, name in codings(observation.get("method")) if system == MODELS]
    try:
        predictor = find_predictor(names[0], parameters) if names else None
    except PredictionError:
        return None
    category_of = getattr(predictor, "category_of", None)
    return None if category_of is None else str(category_of(value))


def categories_of_model(name: str, parameters: Mapping[str, Any] | None) -> Categories:
    """The same by the model's name."""
    try:
        predictor = find_predictor(name, parameters)
    except PredictionError:
        return ()
    return tuple(getattr(predictor, "categories", ()))
