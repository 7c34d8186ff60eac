"""A vendor's element as ours: references to our ids, systems by their URIs, units in UCUM, times with an offset."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.adapters.ehr.fhir.references import patient_of, refer, url_of
from fhir_bridge.adapters.ehr.fhir.vitals import ACCEPTED, VITALS
from fhir_bridge.fhir import ucum
from fhir_bridge.mapping import Context, function
from fhir_bridge.mapping.functions.quantities import in_range, quantity
from fhir_bridge.mapping.functions.schemes import system_uri
from fhir_bridge.mapping.functions.times import datetime

__all__ = ["FUNCTIONS"]

_NAIVE: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?")
_SPACED: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d.*)")
_TIMES: Final = re.compile(
    r"(.*(DateTime|Instant|Date)|start|end|issued|recorded|authoredOn|created|date|sent|received|when.*|time)"
)
_EARLIER: Final = re.compile(
    r"http://hl7\.org/fhir/(?:v([23])/(\w+)|(observation-category|condition-category|condition-clinical|diagnosis-role))"
)
"""Code systems as DSTU2 and STU3 name them, whose URIs are others since."""
_V2_NAMES: Final = {"v2-0078": "v3-ObservationInterpretation"}
_OIDS: Final = {
    "2.16.840.1.113883.5.1": "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender",
    "2.16.840.1.113883.5.2": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
    "2.16.840.1.113883.5.4": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "2.16.840.1.113883.5.83": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
    "2.16.840.1.113883.5.90": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
    "2.16.840.1.113883.5.111": "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
}
"""Code systems of HL7 that vendors name by their OIDs, beside those of the mapping language."""


@function(scope=True, context=True, reads=("text", "none"))
def normalised(s: Any, ctx: Context, value: Any, name: str) -> Any:
    """An element with all that is in it: nothing is added that the vendor does not say, and nothing is guessed."""
    return _walk(s, ctx, value, name)


@function(context=True, reads=("text", "none"), returns="CodeableConcept")
def bound(ctx: Context, value: Any, system: str) -> Any:
    """A CodeableConcept with a code of the system before the vendor's, where the ConceptMaps have one for these."""
    if not isinstance(value, Mapping) or not isinstance(value.get("coding"), list):
        return value
    codings = value["coding"]
    if any(coding.get("system") == system for coding in codings):
        return value
    for coding in codings:
        if not coding.get("code"):
            continue
        for target in ctx.terminology.translate(coding.get("system"), coding["code"], (system,)):
            if target.equivalence in ACCEPTED and target.system == system:
                mapped = {"system": target.system, "code": target.code}
                if target.display:
                    mapped["display"] = target.display
                return {**value, "coding": [mapped, *codings]}
    first = codings[0]
    ctx.unmapped[first.get("system") or "", first.get("code") or "", first.get("display") or ""] += 1
    return value


@function(scope=True, context=True, returns="Reference")
def own_patient(s: Any, ctx: Context) -> Any:
    """The Patient that the resource itself is, by an identifier that the site knows, else by the vendor's id."""
    return patient_of(s, ctx, str(s.id))


def _walk(s: Any, ctx: Context, value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return _object(s, ctx, value, name)
    if isinstance(value, list | tuple):
        items = [
            item for item in (_walk(s, ctx, item, name) for item in value) if item not in (None, "", {}, [])
        ]
        return items or None
    if isinstance(value, str):
        return _text(ctx, value, name)
    if isinstance(value, Decimal) and not in_range(value):
        ctx.flag("FB-MAP-207", "a number is too large; it was left out")
        return None
    return value


def _text(ctx: Context, value: str, name: str) -> Any:
    text = value.strip() if name != "div" else value
    if not text:
        return None
    if _TIMES.fullmatch(name):
        spaced = _SPACED.fullmatch(text)
        text = f"{spaced[1]}T{spaced[2]}" if spaced else text
        if _NAIVE.fullmatch(text):
            return datetime(ctx, text)
    return text


def _object(s: Any, ctx: Context, value: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    built = {
        key: item for key, item in ((k, _walk(s, ctx, v, k)) for k, v in value.items()) if item is not None
    }
    reference = built.get("reference")
    if isinstance(reference, str):
        refer(s, ctx, built, reference, name)
    if isinstance(built.get("url"), str):
        built["url"] = url_of(s, ctx, built["url"])
    if isinstance(built.get("system"), str) and ("code" in built or "display" in built):
        built["system"] = system_uri(_oid(built["system"]), ctx.site.schemes, ctx.source)
    elif isinstance(built.get("system"), str) and name == "identifier":
        built["system"] = built["system"].strip()
    if "value" in built and "unit" in built and "code" not in built and not isinstance(built["value"], str):
        _unit(ctx, built)
    return built or None


def _oid(system: str) -> str:
    bare = system.strip().removeprefix("urn:oid:")
    if earlier := _EARLIER.fullmatch(bare):
        name = f"v{earlier[1]}-{earlier[2]}" if earlier[1] else earlier[3]
        return f"http://terminology.hl7.org/CodeSystem/{_V2_NAMES.get(name, name)}"
    return _OIDS.get(bare, bare)


def _unit(ctx: Context, built: dict[str, Any]) -> None:
    unit = str(built["unit"])
    converted = quantity(ctx, built["value"], unit, else_="keep") or {}
    if converted.get("code") and ucum.is_valid(str(converted["code"])):
        built["system"], built["code"] = converted["system"], converted["code"]


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "bound": bound,
    "normalised": normalised,
    "own_patient": own_patient,
    **VITALS,
}
