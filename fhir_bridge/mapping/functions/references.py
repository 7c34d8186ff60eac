"""Identifiers, and references: to a patient by identity, to another record's resource by its key."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_bridge.fhir.datatypes import CodeableConcept, Coding, Identifier, Reference
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping.functions.lists import items_of
from fhir_bridge.mapping.functions.text import has_own_text
from fhir_bridge.mapping.functions.times import period
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.registry import builtin
from fhir_bridge.mapping.runtime import Context, Reject

__all__ = ["identifier", "key_part", "keyed", "patient", "sample"]

_IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
_CACHE = 10_000
_PATIENT_TYPES = ("MR", "PI", "PT", None, "")
"""Identifier types (table 0203) that name a person at an authority, best first; others are taken last."""


def key_part(x: Any) -> str | None:
    """A value as a part of a key.

    Raises:
        ValueError: it is a list of several, or an object without text.
    """
    if x is None or x is CLEARED:
        return None
    if isinstance(x, str):
        return x.strip() or None
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, int | Decimal):
        return str(x)
    if x.__class__ is list:
        kept = items_of(x)
        if len(kept) > 1:
            raise ValueError(f"a part of a key has {len(kept)} values; choose one")
        return key_part(kept[0]) if kept else None
    for name in ("value", "text"):
        result = getattr(x, name, None)
        if isinstance(result, str):
            return result.strip() or None
    if not has_own_text(x):
        raise ValueError(f"{type(x).__name__} can't be a part of a key; take a component of it")
    return str(x).strip() or None


@builtin("reference", returns="Reference", repeats=False, reads=("link", "link"))
def reference(resource_type: str, identity: Any) -> Any:
    """`Type/id` as a Reference; null where the id is."""
    part = key_part(identity)
    return Reference(reference=f"{resource_type}/{part}") if part else None


@builtin("keyed", returns="Reference", context=True, repeats=False)
def keyed(ctx: Context, resource_type: str, rule: str, *parts: Any) -> Any:
    """A Reference to what a rule makes in another record, by the same key; null where a part of the key is."""
    key = (resource_type, rule, *map(key_part, parts))
    entry = ctx.keyed.get(key)
    if entry is None:
        if not all(key):
            return None
        entry = f"{resource_type}/{ctx.key.id(*key)}"
        if len(ctx.keyed) >= _CACHE:
            ctx.keyed.clear()
        ctx.keyed[key] = entry
    return Reference(reference=entry)


@builtin("identifier", returns="Identifier", context=True, reads=("identifier",))
def identifier(ctx: Context, system: Any, value: Any = None, type: Any = None, use: str | None = None) -> Any:  # noqa: A002
    """An Identifier of a system (URI, or authority by the site's rules) and value.

    An object with `.authority`, `.value` may occur alone in place of system and value; its `.identifier_type` goes
    before `type`, and it may state `.assigner` (a name, or a Reference), `.period` (start and end), `.extension`.
    """
    source: Any = None
    if system.__class__ is list and value is None:
        several = [identifier(ctx, item, None, type, use) for item in system]
        return [item for item in several if item] or None
    if hasattr(system, "authority") and value is None:
        source, system, value = system, system.authority, system.value
        type = getattr(source, "identifier_type", None) or type  # noqa: A001
    text = key_part(value)
    if not text:
        return None
    built = Identifier()
    if extension := getattr(source, "extension", None):
        built["extension"] = extension
    if use:
        built["use"] = use
    if isinstance(type, str) and type:
        built["type"] = CodeableConcept(coding=[Coding(system=_IDENTIFIER_TYPES, code=type)])
    elif isinstance(type, dict) and type:
        built["type"] = type
    built["system"] = ctx.identity.assigned(system or None, adapter=ctx.adapter, source=ctx.source)
    built["value"] = text
    if (valid := getattr(source, "period", None)) and (result := period(ctx, *valid)):
        built["period"] = result
    if assigner := getattr(source, "assigner", None):
        built["assigner"] = Reference(display=assigner) if isinstance(assigner, str) else assigner
    return built


def _chosen(ctx: Context, identifiers: list[Any]) -> Any:
    """The identifier that says who it is: of the site's master authority, else of a known one, else the first."""
    identity = ctx.identity

    def rank(item: Any) -> tuple[int, int, int]:
        authority = getattr(item, "authority", None)
        kind = getattr(item, "identifier_type", None)
        kinds = _PATIENT_TYPES.index(kind) if kind in _PATIENT_TYPES else len(_PATIENT_TYPES)
        known = bool(authority) and identity.system(authority) is not None
        return (not identity.prefers(authority), not known, kinds)

    return min(identifiers, key=rank)


@builtin("patient", returns="Reference", context=True, repeats=False, reads=("link", "link"))
def patient(ctx: Context, authority: Any, *value: Any, fallback: Any = None) -> Any:
    """A Reference to the Patient of an identifier: `patient(x)` or `patient(authority, value)`.

    Args:
        ctx: the run.
        authority: the assigning authority; or, alone, an object with `.authority` and `.value`, a list of such
            (the site's master authority is taken first), or a bare value without authority.
        value: the identifier.
        fallback: what distinguishes the patient within the source where there is no identifier (a study's UID).
    """
    last = ctx.last_patient
    if not value and last[0] is authority and authority is not None and last[1] == fallback:
        return Reference(reference=last[2])
    given = authority if not value else None
    if not value:
        items = [item for item in items_of(authority) if key_part(item)]
        item = (_chosen(ctx, items) if len(items) > 1 else items[0]) if items else None
        authority, text = getattr(item, "authority", None), key_part(item)
    else:
        text = key_part(value[0])
        authority = authority if authority is None or authority.__class__ is tuple else key_part(authority)
    link = ctx.identity.patient(
        authority or None, text, adapter=ctx.adapter, source=ctx.bounds, fallback=key_part(fallback)
    )
    reference = f"Patient/{link.id}"
    ctx.last_patient = (given, fallback, reference)
    return Reference(reference=reference)


@builtin("sample", returns="Reference", context=True, repeats=False, reads=("none",))
def sample(ctx: Context, name: Any) -> Any:
    """A Reference to the Patient whom the crosswalk names for a sample."""
    known = ctx.last_sample
    if known[1] and known[0] == name:
        return Reference(reference=known[1])
    link = ctx.identity.sample(key_part(name), source=ctx.bounds, adapter=ctx.adapter)
    ctx.last_sample = (name, f"Patient/{link.id}")
    return Reference(reference=ctx.last_sample[1])


def id_of(x: Any, resource_type: str) -> str:
    """The id that a `key: "=…"` expression gives: a Reference of the rule's type.

    Raises:
        Reject: it is null, several, or of another type.
    """
    kept = items_of(x)
    if len(kept) == 1 and isinstance(kept[0], dict):
        kind, _, result = str(kept[0].get("reference", "")).partition("/")
        if kind == resource_type and result:
            return result
    problem = "no reference" if not kept else f"no single reference to a {resource_type}"
    raise Reject(Issue("error", "FB-MAP-105", f"the key gave {problem}"))
