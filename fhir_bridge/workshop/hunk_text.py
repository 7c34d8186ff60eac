"""A hunk of a golden example as lines: path, what is expected, what it is now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir.difference import ABSENT
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.workshop.golden import Hunk
from fhir_bridge.workshop.showing import plain

__all__ = ["hunk_lines"]


def hunk_lines(hunk: Hunk) -> Iterator[tuple[str, str]]:
    """Sign and text of each line: `@` a resource, `-` what is expected, `+` what it is now."""
    if hunk.expected is None or hunk.actual is None:
        sign, resource = ("+", hunk.actual) if hunk.expected is None else ("-", hunk.expected)
        yield "@", f"{hunk.title}  {'is new' if sign == '+' else 'is gone'}"
        yield from ((sign, line) for line in _lines(resource))
        return
    renamed = hunk.expected.get("id") != hunk.actual.get("id")
    yield (
        "@",
        hunk.title
        + (f"  is now {hunk.actual.get('resourceType')}/{hunk.actual.get('id')}" if renamed else ""),
    )
    for difference in hunk.differences:
        if difference.path.endswith(".id") and renamed and difference.path.count(".") == 1:
            continue
        yield "", plain(difference.path)
        if difference.left is not ABSENT:
            yield from (("-", f"  {line}") for line in _lines(difference.left))
        if difference.right is not ABSENT:
            yield from (("+", f"  {line}") for line in _lines(difference.right))


def _lines(value: Any) -> list[str]:
    text = (
        dumps(value, indent=True).decode().rstrip("\n")
        if isinstance(value, dict | list)
        else dumps(value).decode()
    )
    return [plain(line) for line in text.split("\n")]
