"""The types of an element of a StructureDefinition (R4 elementdefinition.html#type)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_bridge.fhir.fhirpath.fhir_types import r4_type
from fhir_bridge.fhir.validation.definitional.available import available_structure
from fhir_bridge.fhir.validation.definitional.objects import objects, text
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["TAKES", "check_types", "types_of"]

_NUMBERS = frozenset({"integer", "positiveInt", "unsignedInt", "decimal"})
_TIMES = frozenset({"date", "dateTime", "instant", "time"})
_TEXTS = frozenset({"string", "code", "id", "markdown", "uri", "url", "canonical", "oid", "uuid"})
_QUANTITIES = frozenset({"Quantity", "Age", "Distance", "Duration", "SimpleQuantity", "MoneyQuantity"})
_CODED = frozenset(
    {"code", "string", "uri", "url", "oid", "uuid", "Coding", "CodeableConcept", "Range", "Extension"}
)
_BOUNDED = _NUMBERS | _TIMES | _QUANTITIES | {"Count", "Money"}
_WITH_LENGTH = _NUMBERS | _TIMES | _TEXTS

TAKES: Mapping[str, frozenset[str]] = {
    "minValue": _BOUNDED,
    "maxValue": _BOUNDED,
    "maxLength": _WITH_LENGTH,
    "minLength": _WITH_LENGTH,
    "maxDecimalPlaces": _QUANTITIES | _TIMES - {"date"} | {"decimal", "Money"},
    "maxSize": frozenset({"Attachment", "base64Binary"}),
    "binding": _QUANTITIES | _CODED,
}
"""By a property of an element (or an extension of that name): the types of which it says something."""

_SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
_FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
_EXTENSION = "http://hl7.org/fhir/StructureDefinition/Extension"


def types_of(element: dict[str, Any]) -> frozenset[str]:
    """The element's type names; empty where it has none.

    Of a type of FHIRPath the FHIR type that it stands for, which the resource tells or else has the same name.
    """
    results = set()
    for kind, _ in objects(element, "type", (None, "", -1)):
        code = text(kind, "code")
        if code.startswith(_SYSTEM_TYPE):
            name = code.removeprefix(_SYSTEM_TYPE)
            results.add(name[:1].lower() + name[1:])
            results |= {
                text(e, "valueUrl") or text(e, "valueUri")
                for e, _ in objects(kind, "extension", (None, "", -1))
                if e.get("url") == _FHIR_TYPE
            }
        else:
            results.add(code)
    return frozenset(results - {""})


def check_types(element: dict[str, Any], path: Path, run: Run) -> None:
    """Profiles are of the types that they are at, target profiles are of resources.

    A type that is not R4's is left to the extensible binding of `type.code`, in a profile also to its base.
    """
    modifier = text(element, "path").endswith(".modifierExtension")
    for kind, here in objects(element, "type", path):
        code = text(kind, "code")
        for canonical, there in _canonicals(kind, "profile", here):
            _check_profile(canonical, code, modifier, there, run)
        for canonical, there in _canonicals(kind, "targetProfile", here):
            target = available_structure(canonical, run.definitions)
            if target is not None and target.kind not in ("resource", "logical"):
                message = f"{canonical[:200]} is for {target.type}, expected a resource as a target"
                run.add("FB-FHIR-091", message, there)


def _canonicals(kind: dict[str, Any], name: str, path: Path) -> list[tuple[str, Path]]:
    entry = kind.get(name)
    items = enumerate(entry) if isinstance(entry, list) else ()
    return [(item, (path, name, index)) for index, item in items if isinstance(item, str)]


def _check_profile(canonical: str, code: str, modifier: bool, path: Path, run: Run) -> None:
    profile = available_structure(canonical, run.definitions)
    kind = r4_type(profile.type) if profile is not None else None
    if profile is None or kind is None or not code:
        return
    if not kind.is_a(code):
        message = f"{canonical[:200]} is for {profile.type}, expected a profile for {code[:64]}"
        run.add("FB-FHIR-091", message, path)
    elif profile.type == "Extension" and profile.url != _EXTENSION and modifier != profile.root.is_modifier:
        message = "is no modifier extension" if modifier else "is a modifier extension"
        run.add("FB-FHIR-091", f"{canonical[:200]} {message}, and the element is of the other kind", path)
