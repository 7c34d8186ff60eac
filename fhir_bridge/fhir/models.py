"""Objects of the package `fhir.resources` (R4B, extra `models`): accepted where a dict of FHIR is, and built from one.

Nothing here imports that package unless an object is asked for; where it is not imported there are no objects of it.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib import import_module
from typing import Any, Protocol

from fhir_bridge.plugins.extras import require

__all__ = ["Model", "is_model", "model_type", "plain", "to_model"]


class Model(Protocol):
    """An object of `fhir.resources`, as type checkers see it."""

    @classmethod
    def get_resource_type(cls) -> str:
        """The FHIR type."""
        ...


def is_model(value: object) -> bool:
    """Whether a value is an object of `fhir.resources`: a resource or a data type."""
    base = sys.modules.get("fhir_core.fhirabstractmodel")
    return base is not None and isinstance(value, base.FHIRAbstractModel)


def model_type(model: Any) -> str:
    """The FHIR type of an object of `fhir.resources` (`Observation`, `HumanName`)."""
    return str(type(model).get_resource_type())


def plain(value: Any) -> Any:
    """The dict of an object of `fhir.resources`, which `dumps` writes; any other value as it is.

    Decimals keep the digits that the object has: of one that was parsed from JSON text by `fhir.resources` itself, not
    the trailing zeros.
    """
    return _dict_of(value) if is_model(value) else value


def to_model(resource: Mapping[str, Any]) -> Any:
    """The object of `fhir.resources` for a resource; decimals keep their digits.

    Raises:
        MissingExtra: the extra `models` is not installed.
        ValueError: the package does not take the resource; it knows R4B, and some of its rules are its own.
    """
    require("models")
    models = import_module("fhir.resources.R4B")
    kind = resource.get("resourceType")
    if not isinstance(kind, str):
        raise ValueError("a resource has a resourceType")
    return models.get_fhir_model_class(kind).model_validate(dict(resource))


def _dict_of(model: Any) -> dict[str, Any]:
    kind = type(model)
    results: dict[str, Any] = {"resourceType": model_type(model)} if kind.has_resource_base() else {}
    for name, field in kind.model_fields.items():
        value = getattr(model, name)
        if value is not None and name not in ("fhir_comments", "resource_type"):
            results[field.alias or name] = _json_value(value)
    return results


def _json_value(value: Any) -> Any:
    match value:
        case None | bool() | int() | Decimal():
            return value
        case str():
            return str(value)
        case float():
            return Decimal(repr(value))
        case list() | tuple():
            return [_json_value(item) for item in value]
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case datetime():
            text = value.isoformat(timespec="milliseconds" if value.microsecond % 1000 == 0 else "auto")
            text = text if value.microsecond else value.isoformat(timespec="seconds")
            return f"{text[:-6]}Z" if value.tzinfo is not None and value.tzinfo == UTC else text
        case date() | time():
            return value.isoformat()
    return _dict_of(value) if hasattr(type(value), "has_resource_base") else str(value)
