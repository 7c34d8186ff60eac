"""What R4's text says of values beyond their format: identifiers, canonicals."""

from __future__ import annotations

import re
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Definitions, Element
from fhir_bridge.fhir.issues import Severity
from fhir_bridge.fhir.validation.references import allowed_types
from fhir_bridge.fhir.validation.run import Check, Path, Run

__all__ = ["canonical_checks", "check_identifier", "check_meta"]

URIS = "urn:ietf:rfc:3986"
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.*", re.DOTALL)


def check_identifier(value: Any, path: Path, run: Run) -> None:
    """The system is an absolute URI, and an identifier in the system of URIs is one (R4 datatypes.html#identifier)."""
    system, text = value.get("system"), value.get("value")
    if isinstance(system, str) and system and not system.isspace() and not _ABSOLUTE.fullmatch(system):
        run.add("FB-FHIR-016", "the system is no absolute URI", (path, "system", -1))
    if system == URIS and isinstance(text, str) and text and not _ABSOLUTE.fullmatch(text):
        run.add("FB-FHIR-016", f"the system is {URIS}, so the value is a whole URI", (path, "value", -1))


def check_meta(value: Any, path: Path, run: Run) -> None:
    """Security labels, tags and profiles are sets (R4 Meta.security, Meta.tag, Meta.profile).

    A security label that occurs twice is an error; of the others HL7's validator says nothing, and ours warns.
    """
    for name in ("security", "tag", "profile"):
        items = value.get(name)
        if not isinstance(items, list) or len(items) < 2:
            continue
        severity: Severity = "error" if name == "security" else "warning"
        seen = set()
        for index, item in enumerate(items):
            label = (
                (str(item.get("system")), str(item.get("code"))) if isinstance(item, dict) else (str(item),)
            )
            if label in seen:
                message = f"{'|'.join(label)[:200]} occurs twice, expected once: the list is a set"
                run.add("FB-FHIR-056", message, (path, name, index), severity)
            seen.add(label)


def canonical_checks(element: Element, code: str, known: Definitions) -> list[Check]:
    """Checks of a canonical or a definition's own url, by what the element is for; none for other values."""
    if code == "canonical":
        targets = next((kind.targets for kind in element.types if kind.code == code), ())
        return [_target_check(allowed_types(targets, known), element.path)]
    if code == "uri" and element.path.count(".") == 1 and element.name == "url" and _is_definition(element):
        return [_check_own_url]
    return []


def _is_definition(element: Element) -> bool:
    """Whether the element is the url of a resource that others refer to by it (R4 resource.html#canonical)."""
    owner = definitions.find_type(element.path.partition(".")[0])
    return (
        owner is not None and owner.kind == "resource" and owner.element(f"{owner.name}.version") is not None
    )


def _check_own_url(value: Any, path: Path, run: Run) -> None:
    if isinstance(value, str) and not _ABSOLUTE.fullmatch(value):
        run.add("FB-FHIR-047", "the canonical URL is not absolute", path)


def _resource_type_of(canonical: str, known: Definitions) -> str | None:
    """The resource type of the definition that has this canonical URL, where it is here in that version."""
    url, _, version = canonical.partition("|")
    structure: Any = known.structure(url)
    if structure is not None:
        kind = "StructureDefinition"
    elif (structure := known.value_set(url)) is not None:
        kind = "ValueSet"
    elif (structure := known.code_system(url)) is not None:
        kind = "CodeSystem"
    else:
        return "StructureDefinition" if known.extension(url) is not None else None
    return kind if not version or structure.version == version else None


def _target_check(allowed: frozenset[str] | None, where: str) -> Check:
    def check(value: Any, path: Path, run: Run) -> None:
        if not isinstance(value, str):
            return
        if value.startswith("#"):
            kind = run.contained.get(value[1:])
            if kind is None:
                run.add("FB-FHIR-041", "no contained resource has the id of this canonical", path)
                return
        else:
            kind = _resource_type_of(value, run.definitions)
        if kind is not None and allowed is not None and kind not in allowed:
            wanted = " or ".join(sorted(allowed))
            run.add("FB-FHIR-046", f"the canonical leads to a {kind}, {where} expects {wanted}", path)

    return check
