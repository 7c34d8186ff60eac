"""A patient's denial of a model, read so that a slip of the pen denies: `SCORE2`, `scor-2`, a narrowed denial."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.predictions.resources import MODELS

__all__ = ["meant", "strictly", "unknown_models"]

_UNKNOWN_HERE: Final = ("action", "class")
"""What a denial may be narrowed by and no run knows of: it is taken to hold."""
_ALIKE: Final = 0.75
_ALL: Final = "prediction"
"""The code of `PREDICTION_CODES` that means every model; any other is that of a model's results."""
_IN_WORDS: Final = re.compile(
    r"\b(?:AI|KI|artificial intelligence|machine learning|künstliche[rn]? Intelligenz|maschinelles Lernen|"
    r"predict\w*|Vorhersage\w*|risk (?:scores?|models?)|Risikomodelle?)\b",
    re.IGNORECASE,
)
"""Words of a code without coding that mean every model."""
_SHORTEST: Final = 4
"""Letters of a beginning that several names may share (`prevent`)."""


def strictly(consent: Mapping[str, Any], model: str, known: Collection[str] = ()) -> dict[str, Any]:
    """The Consent with what it denies of this model in the form that counts.

    A model's name is taken without regard to case and signs, and one that no model has for all that are called alike.
    It may stand as the code of the model's results, in another system or none, or as text; some words mean all models.
    A denial of a model counts whatever action or class of content it is narrowed to. Permissions are as they are.

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
    names = dict.fromkeys(_denied(consent.get("provision"), known))
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


def _denied(provision: Any, known: Collection[str]) -> Iterator[str]:
    if not isinstance(provision, Mapping):
        return
    if provision.get("type") == "deny":
        yield from (coding["code"] for coding in _codings(provision, known) if coding["system"] == MODELS)
    nested = provision.get("provision")
    for item in nested if isinstance(nested, list) else ():
        yield from _denied(item, known)


def _codings(provision: Mapping[str, Any], known: Collection[str]) -> list[dict[str, str]]:
    """What a provision names of models, by system and code: whole, by the code of a result, by a name in another system
    or none, or in words."""
    results: list[dict[str, str]] = []
    names = {_plain(name) for name in known}
    concepts = provision.get("code")
    for concept in concepts if isinstance(concepts, list) else ():
        codings = concept.get("coding") if isinstance(concept, Mapping) else None
        for coding in codings if isinstance(codings, list) else ():
            system, code = coding.get("system"), str(coding.get("code", ""))
            if system == PREDICTION_CODES and _plain(code) == _ALL:
                results.append({"system": PREDICTION_CODES, "code": _ALL})
            elif system in (MODELS, PREDICTION_CODES) or _plain(code) in names:
                results.append({"system": MODELS, "code": code})
        text = concept.get("text") if isinstance(concept, Mapping) and not codings else None
        if isinstance(text, str) and _plain(text) in names:
            results.append({"system": MODELS, "code": text})
        elif isinstance(text, str) and _IN_WORDS.search(text):
            results.append({"system": PREDICTION_CODES, "code": _ALL})
    return results


def _provision(provision: Mapping[str, Any], model: str, known: Collection[str]) -> dict[str, Any]:
    result = dict(provision)
    nested = provision.get("provision")
    if isinstance(nested, list):
        result["provision"] = [_provision(item, model, known) for item in nested if isinstance(item, Mapping)]
    names = {model, *known}
    codings = _codings(provision, names)
    if provision.get("type") != "deny" or not codings:
        return result
    named = [
        {**coding, "code": model}
        if coding["system"] == MODELS and model in meant(coding["code"], names)
        else coding
        for coding in codings
    ]
    return {name: value for name, value in result.items() if name not in _UNKNOWN_HERE} | {
        "code": [{"coding": named}]
    }


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
