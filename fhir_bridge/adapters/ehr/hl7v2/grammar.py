"""Values for which a message's own version of HL7 has no place: fields, components and subcomponents too far.

`widths.txt` is built by scripts/build_hl7v2_definitions.py: a line names a segment, or a data type after `=`, and then
how many fields or components it has in each version of `VERSIONS`; 0 where a version does not define it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Final

from fhir_bridge.adapters.ehr.hl7v2.composites import Components
from fhir_bridge.adapters.ehr.hl7v2.definitions import Part, components_of, fields_of
from fhir_bridge.adapters.ehr.hl7v2.fields import Segment

__all__ = ["VERSIONS", "fault_of"]

VERSIONS: Final = ("2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")

_OPEN: Final = frozenset(("varies", "-", "ANY"))
"""Types that do not say which components there are."""


@lru_cache(maxsize=1)
def _widths() -> dict[str, tuple[int, ...]]:
    text = files(__package__).joinpath("widths.txt").read_text(encoding="utf-8")
    return {name: tuple(map(int, words)) for name, *words in map(str.split, text.splitlines())}


def _width(name: str, version: str) -> int:
    """Fields of a segment or components of a type, in a version; by any version where that one has none of it."""
    widths = _widths().get(name, ())
    if not widths:
        return 0
    own = widths[VERSIONS.index(version)] if version in VERSIONS else 0
    return own or max(widths)


def fault_of(segment: Segment, number: int, version: str) -> str | None:
    """What is wrong with a field by the message's version, to follow "breaks its grammar:"; None where nothing is."""
    parts = fields_of(segment.name)
    if not parts:
        return None
    place, stated = f"{segment.name}-{number}", _stated(version)
    last = _width(segment.name, version)
    if number > last:
        return f"{place} is beyond the {last} fields that {segment.name} has in {stated}"
    part = parts[number - 1]
    if _OPEN & set(part.types) or (segment.name, number) == ("OBX", 5):
        return None
    kinds = sorted(part.types, key=lambda kind: _width(f"={kind}", version) or 1, reverse=True)
    for raw in segment.repetitions(number):
        populated = Components(raw, segment.delimiters).populated()
        faults = [_fault(place, kind, part, populated, version) for kind in kinds]
        if None not in faults:  # a field that has had several types (ORC-4: EI, then EIP) may be of either
            return faults[0]
    return None


def _fault(
    place: str, kind: str, part: Part, populated: Sequence[tuple[int, int]], version: str
) -> str | None:
    """What is wrong with a value of a type."""
    width = _width(f"={kind}", version) or 1
    most = max((component for component, _ in populated), default=0)
    if most > width:
        return f"{place}.{most} is beyond the {_counted(width)} that {kind} has in {_stated(version)}"
    for component, sub in populated:
        if sub > 1 and (inner := _inner(kind, component, part)) is not None:
            name, fewer = _widest(inner, version)
            if not _OPEN & set(inner.types) and sub > fewer:
                what = f"the {_counted(fewer)} that {name} has in {_stated(version)}"
                return f"{place}.{component}.{sub} is beyond {what}"
    return None


def _stated(version: str) -> str:
    return version if version in VERSIONS else "any version"


def _counted(number: int) -> str:
    return "one component" if number == 1 else f"{number} components"


def _widest(part: Part, version: str) -> tuple[str, int]:
    """The type of a field or component that has most components in a version, and how many."""
    return max(((kind, _width(f"={kind}", version) or 1) for kind in part.types), key=lambda each: each[1])


def _inner(kind: str, component: int, part: Part) -> Part | None:
    """What a component is; a type without components is its own first one."""
    components = components_of(kind)
    if not components:
        return part if component == 1 else None
    return components[component - 1] if component <= len(components) else None
