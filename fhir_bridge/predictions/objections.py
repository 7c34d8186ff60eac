"""A patient's denial of a model, read so that a slip of the pen denies: `SCORE2`, `scor-2`, a narrowed denial."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.predictions.resources import MODELS

__all__ = ["meant", "strictly", "unknown_models"]

_UNKNOWN_HERE: Final = ("action", "class")
"""What a denial may be narrowed by and no run knows of: it is taken to hold."""
_ALIKE: Final = 0.75
_SHORTEST: Final = 4
"""Letters of a beginning that several names may share (`prevent`)."""


def strictly(consent: Mapping[str, Any], model: str, known: Collection[str] = ()) -> dict[str, Any]:
    """The Consent with what it denies of this model in the form that counts.

    A model's name is taken without regard to case and signs, and one that no model has for all that are called alike;
    a denial of a model counts whatever action or class of content it is narrowed to. Permissions are as they are.

    Args:
        known: names of all models here.
    """
    provision = consent.get("provision")
    if not isinstance(provision, Mapping):
        return dict(consent)
    return {**consent, "provision": _provision(provision, model, known)}


def unknown_models(consent: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """The models that an active Consent denies by a name that no model here has."""
    if consent.get("status") != "active":
        return []
    names = dict.fromkeys(_denied(consent.get("provision")))
    plain = {_plain(name) for name in known}
    return [name for name in names if _plain(name) not in plain]


def meant(name: str, known: Collection[str]) -> list[str]:
    """The models here that are denied by a name: the one that has it, else all that are called alike or begin so."""
    plain, stated = {model: _plain(model) for model in known}, _plain(name)
    same = [model for model, text in plain.items() if text == stated]
    alike = difflib.get_close_matches(stated, plain.values(), max(len(plain), 1), _ALIKE)
    begins = len(stated) >= _SHORTEST
    return sorted(
        same
        or [model for model, text in plain.items() if text in alike or (begins and text.startswith(stated))]
    )


def _denied(provision: Any) -> Iterator[str]:
    if not isinstance(provision, Mapping):
        return
    if provision.get("type") == "deny":
        yield from (
            str(coding.get("code", "")) for coding in _codings(provision) if coding.get("system") == MODELS
        )
    nested = provision.get("provision")
    for item in nested if isinstance(nested, list) else ():
        yield from _denied(item)


def _codings(provision: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        coding
        for concept in provision.get("code") or ()
        for coding in concept.get("coding") or ()
        if coding.get("system") in (MODELS, PREDICTION_CODES)
    ]


def _provision(provision: Mapping[str, Any], model: str, known: Collection[str]) -> dict[str, Any]:
    result = dict(provision)
    nested = provision.get("provision")
    if isinstance(nested, list):
        result["provision"] = [_provision(item, model, known) for item in nested if isinstance(item, Mapping)]
    codings = _codings(provision)
    if provision.get("type") != "deny" or not codings:
        return result
    named = [
        {**coding, "code": model}
        if coding["system"] == MODELS and model in meant(str(coding.get("code", "")), {model, *known})
        else coding
        for coding in codings
    ]
    return {name: value for name, value in result.items() if name not in _UNKNOWN_HERE} | {
        "code": [{"coding": named}]
    }


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
