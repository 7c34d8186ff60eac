"""What a profile says of an element's values: fixed and pattern, bounds, length, bindings, targets, type profiles."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_bridge.fhir import ucum
from fhir_bridge.fhir.definitions import Definitions, ElementType, Profile, Value
from fhir_bridge.fhir.validation.resolution import resolve
from fhir_bridge.fhir.validation.run import Check, Path, Run

__all__ = ["bounds_check", "length_check", "target_check", "type_profile_check"]

Conforms = Callable[[Any, str, Run], "bool | None"]
Find = Callable[[str], "Check | None"]

SHOWN = 8
"""Profiles that a message names."""


def length_check(limit: int, where: str) -> Check:
    """A check that a text is no longer than `maxLength`."""

    def check(value: Any, path: Path, run: Run) -> None:
        if isinstance(value, str) and len(value) > limit:
            run.add(
                "FB-FHIR-018", f"{len(value)} characters, expected at most {limit}; defined by {where}", path
            )

    return check


def bounds_check(low: Value | None, high: Value | None, where: str) -> Check:
    """A check that a value is within `minValue[x]` and `maxValue[x]`; where they can't be compared it is left be."""
    shown_low, shown_high = _shown(low), _shown(high)

    def check(value: Any, path: Path, run: Run) -> None:
        if low is not None and _below(value, low.value):
            run.add("FB-FHIR-019", f"below the allowed range: at least {shown_low}; defined by {where}", path)
        if high is not None and _below(high.value, value):
            run.add("FB-FHIR-019", f"above the allowed range: at most {shown_high}; defined by {where}", path)

    return check


Comparable = tuple[str, Any]
"""What values must share to be compared (number, text, or a unit), and what is compared."""


def _comparable(value: Any) -> Comparable | None:
    # bool is an int in Python.
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        number = Decimal(str(value))
        return ("number", number) if number.is_finite() else None
    if isinstance(value, str):  # NaN compares with nothing
        return "text", value
    if isinstance(value, dict):  # a Quantity in its own unit
        number = _comparable(value.get("value"))  # type: ignore[assignment]
        unit = value.get("code") or value.get("unit") or ""
        return (f"Quantity in {unit}", number[1]) if number is not None and number[0] == "number" else None  # type: ignore[index]
    return None


def _in_base_units(value: Any) -> Comparable | None:
    """A Quantity by UCUM in base units, in which those of grams and of kilograms compare."""
    if not isinstance(value, dict) or value.get("system") != ucum.SYSTEM:
        return None
    code, number = value.get("code"), _comparable(value.get("value"))
    if not isinstance(code, str) or number is None or number[0] != "number":
        return None
    measured = ucum.canonical(number[1], code)
    return (f"Quantity in {measured[1]}", measured[0]) if measured is not None else None


def _below(value: Any, bound: Any) -> bool:
    """Whether a value is less than another; False where they can't be compared."""
    # In their own unit first: units that UCUM does not know compare with themselves.
    for of in (_comparable, _in_base_units):
        first, second = of(value), of(bound)
        if first is None or second is None or first[0] != second[0]:
            continue
        # ISO dates compare as texts; of a date and a time only the shared precision is known.
        if first[0] == "text":  # dates: only as far as both go
            shared = min(len(first[1]), len(second[1]))
            return bool(first[1][:shared] < second[1][:shared])
        return bool(first[1] < second[1])
    return False


def _shown(value: Value | None) -> str:
    if value is None:
        return ""
    if isinstance(value.value, dict):
        return (
            f"{value.value.get('value')} {value.value.get('code') or value.value.get('unit') or ''}".strip()
        )
    return str(value.value)


def type_profile_check(
    kind: ElementType, find: Find, conforms: Conforms, where: str, definitions: Definitions
) -> Check | None:
    """A check that a value satisfies a profile of its type: the one there is, or any of several."""
    # One profile: its own findings say more than "conforms to none".
    if len(kind.profiles) == 1:
        return find(kind.profiles[0])
    known = tuple(p for p in kind.profiles if definitions.structure(p) is not None)
    if len(known) < len(kind.profiles):
        return None  # it may satisfy one that is not available
    shown = " or ".join(known[:SHOWN])

    def check(value: Any, path: Path, run: Run) -> None:
        if not any(conforms(value, canonical, run) for canonical in known):
            run.add(
                "FB-FHIR-037",
                f"conforms to none of the allowed profiles, expected {shown}; defined by {where}",
                path,
            )

    return check


def target_check(kind: ElementType, conforms: Conforms, where: str, definitions: Definitions) -> Check | None:
    """A check of what a Reference leads to within the input, and of how it is held.

    The target must conform to a profile that the element names for its type; a target elsewhere is not checked.
    """
    profiled: dict[str, list[str]] = {}
    plain: set[str] = set()
    for target in kind.targets:
        structure = definitions.structure(target)
        if structure is None:
            return _holding(kind, where) if kind.aggregation or kind.versioning else None
        if isinstance(structure, Profile):
            profiled.setdefault(structure.type, []).append(target)
        else:
            plain.add(structure.name)
    # A target that allows any resource of a type asks nothing of it, whatever other targets profile the type.
    holding = _holding(kind, where) if kind.aggregation or kind.versioning else None
    checked = {name: tuple(urls) for name, urls in profiled.items() if name not in plain}
    if not checked or {"Resource", "DomainResource"} & plain:
        return holding

    def check(value: Any, path: Path, run: Run) -> None:
        if holding is not None:
            holding(value, path, run)
        target = resolve(value.get("reference"), run)
        wanted = checked.get(str(target.get("resourceType"))) if target is not None else None
        if wanted and not any(conforms(target, canonical, run) is not False for canonical in wanted):
            shown = " or ".join(wanted[:SHOWN])
            run.add(
                "FB-FHIR-045",
                f"the reference leads to a resource that does not conform to {shown}; defined by {where}",
                (path, "reference", -1),
            )

    return check


def _holding(kind: ElementType, where: str) -> Check:
    """Aggregation and versioning of a reference (R4 elementdefinition.html#type.aggregation)."""
    allowed = frozenset(kind.aggregation)
    shown = " or ".join(sorted(allowed))

    def check(value: Any, path: Path, run: Run) -> None:
        reference = value.get("reference")
        if not isinstance(reference, str):
            return
        here = (path, "reference", -1)
        if allowed:
            if reference.startswith("#"):
                result, fits = "contained", "contained" in allowed
            elif resolve(reference, run) is not None:
                # `referenced` is whatever is outside the resource, which an entry
                # of the same Bundle is as well.
                result, fits = "bundled", bool({"bundled", "referenced"} & allowed)
            else:
                result, fits = "referenced", "referenced" in allowed
            if not fits:
                run.add(
                    "FB-FHIR-044", f"the reference is {result}, expected {shown}; defined by {where}", here
                )
        versioned = "/_history/" in reference
        if kind.versioning == "specific" and not versioned:
            run.add("FB-FHIR-044", f"the reference names no version; defined by {where}", here)
        elif kind.versioning == "independent" and versioned:
            run.add("FB-FHIR-044", f"the reference names a version; defined by {where}", here)

    return check
