"""What a profile says of an element beside what its base says: narrower only (R4 profiling.html#constraints)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath.fhir_types import r4_type

__all__ = ["is_allowed", "type_codes", "wider"]


def wider(row: Mapping[str, Any], change: Mapping[str, Any], element: Mapping[str, Any]) -> Iterator[str]:
    """What the change allows and the base does not.

    Args:
        row: what the base says, as a compact row.
        change: what the differential says, as a compact row.
        element: the same as it is written.
    """
    least, most = row.get("n", 0), row.get("x", 1)
    if change.get("n", least) < least:
        yield f"min is {change['n']}, expected {least} or more, as in the base"
    if most >= 0 and not 0 <= change.get("x", most) <= most:
        yield f"max is {element.get('max')}, expected {most} or less, as in the base"
    if "t" in change and "t" in row:
        allowed = type_codes(row)
        wrong = sorted(code for code in type_codes(change) if not is_allowed(code, allowed))
        if wrong:
            expected = " or ".join(sorted(allowed)[:12])
            yield f"the type {', '.join(wrong)[:200]} is none of the base's, expected {expected}"
    if row.get("b", [""])[0] == "required" and change.get("b", [""])[0] not in ("", "required"):
        yield f"the binding is {change['b'][0]}, expected required, as in the base"
    if row.get("S") and element.get("mustSupport") is False:
        yield "mustSupport is false, expected true, as in the base"


def type_codes(row: Mapping[str, Any]) -> frozenset[str]:
    """The type names of a compact row."""
    return frozenset(kind[0] for kind in row.get("t", ()))


def is_allowed(code: str, allowed: Set[str]) -> bool:
    """Whether the type is one of these, or specializes an abstract one of them."""
    kind = r4_type(code)
    results = (definitions.find_type(name) for name in (kind.ancestors if kind is not None else ()))
    return code in allowed or any(t is not None and t.abstract and t.name in allowed for t in results)
