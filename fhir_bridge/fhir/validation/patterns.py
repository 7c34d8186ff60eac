"""Fixed and pattern values (R4 elementdefinition.html#fixed, #pattern)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_bridge.fhir.definitions import Value
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.fhir.validation.run import Check, Path, Run

__all__ = ["equals", "matches", "value_check", "values_at"]

SHOWN = 160


def equals(value: Any, fixed: Any) -> bool:
    """Whether a value is exactly the fixed one; numbers by value."""
    if isinstance(fixed, dict):
        return (
            isinstance(value, dict)
            and value.keys() == fixed.keys()
            and all(equals(value[k], v) for k, v in fixed.items())
        )
    if isinstance(fixed, list):
        return (
            isinstance(value, list)
            and len(value) == len(fixed)
            and all(equals(v, f) for v, f in zip(value, fixed, strict=True))
        )
    return _same(value, fixed)


def matches(value: Any, pattern: Any) -> bool:
    """Whether a value holds all that the pattern holds; each item of a pattern's array must match some item."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            k in value and matches(value[k], p) for k, p in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(matches(v, p) for v in value) for p in pattern)
    return _same(value, pattern)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, float):
        value = Decimal(str(value))
    return bool(value == wanted)


def value_check(wanted: Value, exact: bool, url: str) -> Check:
    """A check that a value is the fixed one, or matches the pattern, of a profile."""
    test: Callable[[Any, Any], bool] = equals if exact else matches
    text = dumps(wanted.value).decode()
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "…"

    def check(value: Any, path: Path, run: Run) -> None:
        if not test(value, wanted.value):
            verb = "fixes" if exact else "asks for"
            run.add("FB-FHIR-030", f"the value differs: {url} {verb} {shown}", path)

    return check


def values_at(value: Any, steps: tuple[str, ...]) -> list[Any]:
    """The values at the end of a path of property names, through arrays; `value[x]` takes any type of the choice."""
    found = [value]
    for step in steps:
        following: list[Any] = []
        for item in found:
            if not isinstance(item, dict):
                continue
            if step.endswith("[x]"):
                stem = step[:-3]
                inner = next(
                    (v for k, v in item.items() if k.startswith(stem) and k[len(stem) :][:1].isupper()), None
                )
            else:
                inner = item.get(step)
            if isinstance(inner, list):
                following += inner
            elif inner is not None:
                following.append(inner)
        found = following
    return found
