"""A patient's denial of a model, read so that a slip of the pen denies: `SCORE2`, `score-2`, a narrowed denial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.predictions.resources import MODELS

__all__ = ["strictly"]

_UNKNOWN_HERE: Final = ("action", "class")
"""What a denial may be narrowed by and no run knows of: it is taken to hold."""


def strictly(consent: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The Consent with what it denies of this model in the form that counts.

    A model's name is taken without regard to case and signs; a denial of a model counts whatever action or class of
    content it is narrowed to. Permissions are as they are.
    """
    provision = consent.get("provision")
    if not isinstance(provision, Mapping):
        return dict(consent)
    return {**consent, "provision": _provision(provision, model)}


def _provision(provision: Mapping[str, Any], model: str) -> dict[str, Any]:
    result = dict(provision)
    nested = provision.get("provision")
    if isinstance(nested, list):
        result["provision"] = [_provision(item, model) for item in nested if isinstance(item, Mapping)]
    codings = [
        coding
        for concept in provision.get("code") or ()
        for coding in concept.get("coding") or ()
        if coding.get("system") in (MODELS, PREDICTION_CODES)
    ]
    if provision.get("type") != "deny" or not codings:
        return result
    named = [
        {**coding, "code": model}
        if coding["system"] == MODELS and _plain(str(coding.get("code", ""))) == _plain(model)
        else coding
        for coding in codings
    ]
    return {name: value for name, value in result.items() if name not in _UNKNOWN_HERE} | {
        "code": [{"coding": named}]
    }


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
