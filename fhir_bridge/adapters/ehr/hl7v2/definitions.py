"""The fields of HL7 v2's segments and the components of its data types: what a selector may name, what a value means.

`definitions.txt` is built by scripts/build_hl7v2_definitions.py; the newest version that describes a field counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.hl7v2.selectors import SELECTOR

__all__ = ["Part", "components_of", "data_types", "doubt_of", "fields_of", "table_of"]

_TABLE: Final = "http://terminology.hl7.org/CodeSystem/v2-"
_OPEN: Final = "0396"
"""The table of coding systems, which any other table and any site adds to."""

_ANY: Final = ("varies", "-")
"""Types that do not say which components there are."""


class Part(NamedTuple):
    """A field or component: the data types that it has had, the newest first, and the table of its codes."""

    types: tuple[str, ...]
    table: str = ""


@lru_cache(maxsize=1)
def _parts() -> dict[str, tuple[Part, ...]]:
    text = files(__package__).joinpath("definitions.txt").read_text(encoding="utf-8")
    return {name: tuple(map(_part, words)) for name, *words in map(str.split, text.splitlines())}


def _part(word: str) -> Part:
    types, _, table = word.partition(":")
    return Part(tuple(types.split("/")), table)


def fields_of(segment: str) -> tuple[Part, ...]:
    """The fields of a segment, by number from 1; nothing for one that HL7 does not define."""
    return _parts().get(segment, ())


def components_of(data_type: str) -> tuple[Part, ...]:
    """The components of a data type, by number from 1; nothing for one that has none."""
    return _parts().get(f"={data_type}", ())


def _inside(part: Part) -> tuple[Part, ...]:
    """The components of a value, by the type that has most; a value without components is its own first one."""
    return max((_parts().get(f"={kind}", (part,)) for kind in part.types), key=len)


@lru_cache(maxsize=1)
def data_types() -> frozenset[str]:
    """All data types, which table 0125 has as codes."""
    parts = _parts()
    used = {kind for line in parts.values() for part in line for kind in part.types}
    return frozenset(used | {name[1:] for name in parts if name[0] == "="}) - set(_ANY)


def _numbers(text: str, path: Sequence[int]) -> tuple[str, list[int]] | None:
    """Segment and numbers of field, component and subcomponent; None where the selector has another form."""
    match = SELECTOR.match(text)
    if match is None:
        return None
    written = [int(match[name]) for name in ("field", "component", "subcomponent") if match[name]]
    return match["segment"], [*written, *path]


def doubt_of(text: str, path: Sequence[int] = ()) -> tuple[str, str] | None:
    """Why a selector can't have a value by any version of the standard, and what may be meant; else None.

    Args:
        text: `PID-5.1`, `NK1[*]`.
        path: numbers that follow on a variable of it: `k.2`.
    """
    named = _numbers(text, path)
    parts = _parts().get(named[0]) if named else None
    if named is None or parts is None:
        return None
    shown, parts_of = named[0], named[0]
    forms = [parts]  # by each type that a value has had
    for level, number in enumerate(named[1]):
        what = ("fields", "components", "subcomponents", "parts")[min(level, 3)]
        separator = "." if level else "-"
        most = max(map(len, forms))
        if number > most:
            fewer = number // 10
            hint = f"did you mean {shown}{separator}{fewer}?" if 0 < fewer <= most else ""
            counted = f"{most} {what}" if most > 1 else f"no {what}"
            return f"{shown}{separator}{number}: {parts_of} has {counted}", hint
        inside = [form[number - 1] for form in forms if number <= len(form)]
        shown += f"{separator}{number}"
        if any(set(part.types) & set(_ANY) for part in inside):
            return None
        forms = [_parts().get(f"={kind}", (part,)) for part in inside for kind in part.types]
        parts_of = f"{shown} ({inside[0].types[0]})"
    return None


def table_of(text: str, path: Sequence[int] = ()) -> str | None:
    """The code system of a value whose table HL7 defines (type ID), so that another code is a wrong one."""
    named = _numbers(text, path)
    parts = _parts().get(named[0]) if named else None
    part = Part(("-",))
    for number in named[1] if named else ():
        if parts is None or number > len(parts):
            return None
        part = parts[number - 1]
        parts = _inside(part)
    return f"{_TABLE}{part.table}" if part.types[0] == "ID" and part.table not in ("", _OPEN) else None
