"""What changed in an input, for people: `systolic blood pressure corrected from 137 to 180 mm[Hg]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.predictions.record import codings, effective_of
from fhir_bridge.storage import Store
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.storage.results import Cause, Standing

__all__ = ["describe_change", "outdated_models"]

_WITHDRAWN: Final = frozenset({"entered-in-error", "cancelled"})
_OF_PATIENT: Final = (
    ("birth date", "birthDate"),
    ("sex", "gender"),
    ("whether deceased", "deceasedBoolean"),
    ("time of death", "deceasedDateTime"),
)


def describe_change(
    label: str, value: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> str:
    """The change of an input between two versions.

    Args:
        label, value: what the input is, and what was used of it, to distinguish it from others in a panel.
        before, after: None where the reader may not see the version; `after` also where the input was deleted.
    """
    if before is None:
        return f"{label} changed"
    if before.get("resourceType") == "Patient":
        return _of_patient(before, after)
    if after is None or after.get("status") in _WITHDRAWN or _in_error(after):
        return f"{label} withdrawn"
    for element in ("subject", "patient"):
        if before.get(element) != after.get(element):
            return f"{label} is of another patient"
    changes = list(_corrected(label, value, before, after))
    if changes:
        return ", ".join(changes)
    old, new = effective_of(before), effective_of(after)
    if old != new:
        return f"time of {label} corrected from {old or 'none'} to {new or 'none'}"
    return f"{label} corrected"


def _of_patient(before: dict[str, Any], after: dict[str, Any] | None) -> str:
    if after is None:
        return "the patient's record was deleted"
    changes = []
    for name, element in _OF_PATIENT:
        old, new = before.get(element), after.get(element)
        if old == new or (not old and not new):
            continue
        changes.append(
            f"{name} corrected from {old} to {new or 'none'}" if old else f"{name} now stated: {new}"
        )
    if changes:
        return ", ".join(changes)
    return "the record was linked to another one, or parted from it"


def _in_error(resource: dict[str, Any]) -> bool:
    return any(code == "entered-in-error" for _, code in codings(resource.get("verificationStatus")))


def _corrected(label: str, value: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """The values that differ: of the resource itself, and of its components by their code."""
    if _value_and_unit(before) != _value_and_unit(after):
        yield f"{label} corrected {_from_to(before, after)}"
    old = {frozenset(codings(part.get("code"))): part for part in before.get("component", ())}
    new = {frozenset(codings(part.get("code"))): part for part in after.get("component", ())}
    changed = [
        code
        for code in {**old, **new}
        if _value_and_unit(old.get(code, {})) != _value_and_unit(new.get(code, {}))
    ]
    for code in changed:
        part = old.get(code) or new[code]
        used = bool(value) and _value_and_unit(part)[0] == value.split(" ")[0]
        name = label if used else _text(part.get("code")) or "a part"
        yield f"{name} corrected {_from_to(old.get(code, {}), new.get(code, {}))}"


def _from_to(before: dict[str, Any], after: dict[str, Any]) -> str:
    (old, old_unit), (new, new_unit) = _value_and_unit(before), _value_and_unit(after)
    if old_unit and old_unit == new_unit:
        return f"from {old} to {new} {new_unit}"
    return f"from {f'{old} {old_unit}'.strip() or 'none'} to {f'{new} {new_unit}'.strip() or 'none'}"


def _value_and_unit(node: dict[str, Any]) -> tuple[str, str]:
    """What a node says: value and unit."""
    for name, value in node.items():
        if name == "valueQuantity" and isinstance(value, dict):
            unit = value.get("unit") or value.get("code") or ""
            return f"{value.get('comparator', '')}{value.get('value', '')}", str(unit)
        if name.startswith("value") and isinstance(value, dict):
            return _text(value) or str(value), ""
        if name.startswith("value"):
            return str(value), ""
    if node.get("resourceType") == "Condition":
        status = ", ".join(code for _, code in codings(node.get("verificationStatus")))
        return f"{_text(node.get('code'))} ({status})" if status else _text(node.get("code")), ""
    return _text(node.get("dataAbsentReason")), ""


def _text(concept: Any) -> str:
    if not isinstance(concept, dict):
        return ""
    first: dict[str, Any] = next(iter(concept.get("coding", ())), {})
    return str(concept.get("text") or first.get("display") or first.get("code") or "")


async def outdated_models(
    store: Store,
    access: AccessFilter,
    standings: Sequence[Standing],
    replaced: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """For each model without a current result, or with one that a run might not give again: why, for people.

    Args:
        standings: of one patient (`Results.of_patient`).
        replaced: of those that are current, with the reason (`overtaken_standings`).
    """
    result: dict[str, str] = {}
    for model in {item.model for item in standings}:
        results = [item for item in standings if item.model == model]
        current = [item for item in results if item.state == "current"]
        if current:
            if any(item.waiting for item in current):
                result[model] = "newer data have arrived"
            elif reason := next((replaced[item.id] for item in current if item.id in replaced), None):
                result[model] = reason
            continue
        causes = [
            item.cause
            for item in results
            if item.cause is not None and item.state in ("outdated", "withdrawn")
        ]
        if causes:
            result[model] = await _describe(store, access, causes[-1])
    return result


async def _describe(store: Store, access: AccessFilter, cause: Cause) -> str:
    before = await _version(store, access, cause, cause.before)
    after = None if cause.deleted else await _version(store, access, cause, cause.after)
    if before is not None and after is None and not cause.deleted:
        before = None
    return describe_change(cause.label or cause.type, cause.value, before, after)


async def _version(store: Store, access: AccessFilter, cause: Cause, version: int) -> dict[str, Any] | None:
    """A version of the input, where the reader may see it."""
    try:
        stored = await store.vread(cause.type, cause.id, str(version), access)
    except StorageError:
        return None
    resource: dict[str, Any] = loads_exact(stored.bytes)
    return resource
