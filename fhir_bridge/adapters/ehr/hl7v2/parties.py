"""Who and where a message names without telling more (XCN, XON, PL, EI): references by identifier and name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.fields import Field, hierarchic_designator, is_identifier_type
from fhir_bridge.adapters.ehr.hl7v2.functions import person_display
from fhir_bridge.fhir.datatypes import Identifier, Reference
from fhir_bridge.mapping import CLEARED, Context, function

__all__ = ["FUNCTIONS"]

_NPI: Final = "http://hl7.org/fhir/sid/us-npi"
_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
_CACHE: Final = 20_000


def _each(ctx: Context, x: Any, kind: str, make: Callable[[Context, Field], Any]) -> Any:
    """What `make` gives for each repetition; the same party recurs from segment to segment, so it is kept."""
    if x is None or x is CLEARED:
        return x
    made = []
    for value in x if isinstance(x, list) else [x]:
        if not isinstance(value, Field):
            continue
        key = ("party", kind, value.raw, value.delimiters, ctx.source)
        if key not in ctx.concepts:
            if len(ctx.concepts) > _CACHE:
                ctx.concepts.clear()
            ctx.concepts[key] = make(ctx, value)
        if (found := ctx.concepts[key]) is not None:
            made.append(found)
    return (made[0] if len(made) == 1 else made) if made else None


def _part(value: Field, number: int) -> str | None:
    found = value.component(number)
    return str(found) if found else None


def _designator(value: Field, number: int) -> str | tuple[str, ...] | None:
    component = value.component(number)
    if component is None:
        return None
    return hierarchic_designator(component.raw.split(value.delimiters.subcomponent), value.delimiters)


def _identifier(
    ctx: Context,
    value: str | None,
    authority: str | tuple[str, ...] | None,
    kind: str | None,
    *,
    own: bool = False,
) -> Identifier | None:
    """`own`: a number without authority is the sender's own, and its system says so."""
    if not value:
        return None
    identifier = Identifier()
    if kind and is_identifier_type(kind):
        identifier["type"] = {"coding": [{"system": _TYPES, "code": kind}]}
    names = (authority,) if isinstance(authority, str) else authority or ()
    if "NPI" in names or (kind == "NPI" and len(value) == 10 and value.isdecimal()):
        identifier["system"] = _NPI
    elif names or own:
        identifier["system"] = ctx.identity.assigned(names or None, adapter=ctx.adapter, source=ctx.source)
    identifier["value"] = value
    return identifier


def _reference(kind: str, identifier: Identifier | None, display: str | None) -> Reference | None:
    if not identifier and not display:
        return None
    made = Reference(type=kind)
    if identifier:
        made["identifier"] = identifier
    if display:
        made["display"] = display
    return made


def _person(ctx: Context, value: Field) -> Reference | None:
    number = _part(value, 1)
    identifier = _identifier(ctx, number, _designator(value, 9), _part(value, 13), own=True)
    shown = person_display(value)
    return _reference("Practitioner", identifier, shown)


def _interpreter(ctx: Context, value: Field) -> Reference | None:
    """NDL: the person stands in the subcomponents of its first component; some senders write an XCN instead."""
    marks = value.delimiters
    name = value.component(1)
    if name is not None and marks.subcomponent in name.raw:
        parts = name.raw.split(marks.subcomponent)
        raw = marks.component.join([*parts[:8], marks.subcomponent.join(parts[8:11])])
        person = Field(str(name))
        person.raw, person.delimiters = raw, marks
        return _person(ctx, person)
    return _person(ctx, value)


def _organization(ctx: Context, value: Field) -> Reference | None:
    number = _part(value, 10) or _part(value, 3)
    return _reference(
        "Organization", _identifier(ctx, number, _designator(value, 6), _part(value, 7)), _part(value, 1)
    )


def _location(ctx: Context, value: Field) -> Reference | None:  # noqa: ARG001 - all parties are made alike
    """PL: point of care, room, bed, building, floor, facility; a description (PL.9) alone where it is all there is."""
    parts = [_part(value, number) for number in (1, 2, 3, 7, 8, 4)]
    shown = " ".join(part for part in parts if part) or _part(value, 9)
    return _reference("Location", None, shown)


def _device(ctx: Context, value: Field) -> Reference | None:
    identifier = _entity(ctx, value)
    return _reference("Device", identifier, None if identifier else _part(value, 2))


def _entity(ctx: Context, value: Field) -> Identifier | None:
    raw = value.raw.split(value.delimiters.component)[1:4]
    return _identifier(ctx, _part(value, 1), hierarchic_designator(raw, value.delimiters), None)


@function(context=True, returns="Reference", nulls=True)
def practitioner(ctx: Context, x: Any) -> Any:
    """Reference to the Practitioner of each XCN: identifier (XCN.1 of authority XCN.9) and name."""
    return _each(ctx, x, "XCN", _person)


@function(context=True, returns="Reference", nulls=True)
def interpreter(ctx: Context, x: Any) -> Any:
    """Reference to the Practitioner of each NDL (OBR-32 to OBR-35)."""
    return _each(ctx, x, "NDL", _interpreter)


@function(context=True, returns="Reference", nulls=True)
def organization(ctx: Context, x: Any) -> Any:
    """Reference to the Organization of each XON: identifier (XON.10, else XON.3) and name."""
    return _each(ctx, x, "XON", _organization)


@function(context=True, returns="Reference", nulls=True)
def location(ctx: Context, x: Any) -> Any:
    """Reference to the Location of each PL, by its names."""
    return _each(ctx, x, "PL", _location)


@function(context=True, returns="Reference", nulls=True)
def device(ctx: Context, x: Any) -> Any:
    """Reference to the Device of each EI (OBX-18)."""
    return _each(ctx, x, "Device", _device)


@function(context=True, returns="Identifier", nulls=True)
def entity_identifier(ctx: Context, x: Any, kind: str | None = None) -> Any:
    """Identifier of each EI; `kind`: its type, a code of table 0203 (`PLAC`, `FILL`)."""
    made = _each(ctx, x, "EI", _entity)
    if not kind or not made:
        return made
    typed = [
        Identifier({"type": {"coding": [{"system": _TYPES, "code": kind}]}, **found})
        for found in (made if isinstance(made, list) else [made])
    ]
    return typed[0] if len(typed) == 1 else typed


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "practitioner": practitioner,
    "interpreter": interpreter,
    "organization": organization,
    "location": location,
    "device": device,
    "entity_identifier": entity_identifier,
}
"""Functions that `hl7v2` adds to the expression language."""
