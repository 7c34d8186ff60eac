"""What a message says that the mapping has no place for: told once a message for each segment and field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.fields import Segment
from fhir_bridge.adapters.ehr.issues import found
from fhir_bridge.fhir.issues import Issue

__all__ = ["Represented", "represented", "unrepresented"]

Represented = Mapping[str, frozenset[int] | None]
"""Segment -> its fields that the mapping reads; None for all."""

_ONCE: Final = frozenset(("PV1", "PV2", "PD1"))
_NOTED: Final = frozenset(("ORC", "OBR", "OBX", "SPM"))
_OPENS: Final = frozenset(("PID",))


def represented(options: Any, kind: str) -> Represented | None:
    """The table of a message code, from `source.represents`: `any` and what stands under the code itself.

    Each maps a segment to its fields (`[1, 2]`) or to `all`. None where the mapping does not say.
    """
    if not isinstance(options, Mapping):
        return None
    return _table(_frozen(options.get("any")), _frozen(options.get(kind)))


def _frozen(part: Any) -> tuple[tuple[str, tuple[int, ...] | None], ...]:
    if not isinstance(part, Mapping):
        return ()
    return tuple(
        (name, tuple(fields) if isinstance(fields, list | tuple) else None) for name, fields in part.items()
    )


@lru_cache(maxsize=64)
def _table(*parts: tuple[tuple[str, tuple[int, ...] | None], ...]) -> Represented:
    return {name: None if fields is None else frozenset(fields) for part in parts for name, fields in part}


@lru_cache(maxsize=2000)
def _others(fields: frozenset[int], length: int) -> tuple[int, ...]:
    return tuple(number for number in range(1, length) if number not in fields)


def unrepresented(segments: Iterable[Segment], table: Represented, locator: str) -> list[Issue]:
    """An issue for each kind of segment, and for each field, that holds something and is not in the table."""
    told: dict[str, None] = {}
    seen: set[str] = set()
    before = ""
    for segment in segments:
        name = segment.name
        if name in _OPENS:
            seen.clear()
        fields = table.get(name, frozenset())
        if name == "NTE":
            if before not in _NOTED or name not in table:
                told[f"the comment (NTE) after {before or 'MSH'} is not represented"] = None
            continue
        before = name
        if fields is not None and not fields:
            told[f"the segment {name} is not represented"] = None
            continue
        if name in _ONCE:
            if name in seen:
                told[f"a further {name} of the same patient is not represented"] = None
                continue
            seen.add(name)
        if fields is None:
            continue
        stated = segment.fields
        for number in _others(fields, len(stated)):
            if stated[number] and stated[number] != '""':
                told[f"the field {name}-{number} is not represented"] = None
    return [found("FB-HL7-012", message, locator) for message in told]
