"""Fixed and pattern values (R4 elementdefinition.html#fixed, #pattern)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from fhir_bridge.fhir.definitions import Value
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.fhir.validation.run import Check, Path, Run

__all__ = ["equals", "matches", "matching", "value_check", "values_at"]

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
        # Order counts in a fixed array (R4 elementdefinition.html#fixed).
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
        # Each item of the pattern somewhere: R4 elementdefinition.html#pattern
        # leaves order and further items free.
        return isinstance(value, list) and all(any(matches(v, p) for v in value) for p in pattern)
    return _same(value, pattern)


# None is a value that JSON may have.
_ABSENT = object()


def matching(pattern: Any) -> Callable[[Any], bool]:
    """`matches` for one pattern, worked out once: profiles ask it of every value."""
    if isinstance(pattern, dict):
        parts = tuple((name, matching(part)) for name, part in pattern.items())

        def holds(value: Any) -> bool:
            if not isinstance(value, dict):
                return False
            for name, part in parts:
                entry = value.get(name, _ABSENT)
                if entry is _ABSENT or not part(entry):
                    return False
            return True

        return holds
    if isinstance(pattern, list):
        items = tuple(matching(item) for item in pattern)

        def has(value: Any) -> bool:
            return isinstance(value, list) and all(any(item(v) for v in value) for item in items)

        return has
    if isinstance(pattern, str):
        return lambda value: bool(value == pattern)
    return lambda value: _same(value, pattern)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        # True == 1 in Python; in FHIR a boolean is no number.
        return value is wanted
    if isinstance(value, float):
        # By its digits as JSON had them: Decimal(float) would bring those of the binary number.
        value = Decimal(str(value))
    return bool(value == wanted)


def value_check(wanted: Value, exact: bool, where: str) -> Check:
    """A check that a value is the fixed one, or matches the pattern, that a profile's element has."""
    fits = partial(equals, fixed=wanted.value) if exact else matching(wanted.value)
    text = dumps(wanted.value).decode()
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "…"
    verb = "expected exactly" if exact else "expected at least"

    def check(value: Any, path: Path, run: Run) -> None:
        if not fits(value):
            run.add("FB-FHIR-030", f"the value differs, {verb} {shown}; defined by {where}", path)

    return check


def values_at(value: Any, steps: tuple[str, ...]) -> list[Any]:
    """The values at the end of a path of property names, through arrays; `value[x]` takes any type of the choice."""
    results = [value]
    for step in steps:
        following: list[Any] = []
        for item in results:
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
        results = following
    return results
