"""Who and where a message names without reporting more (XCN, XON, PL, EI): references by identifier and name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from fhir_bridge.adapters.ehr.hl7v2.coded import assigner, check_digit, is_identifier_type
from fhir_bridge.adapters.ehr.hl7v2.composites import DELETED, READERS, Components, each
from fhir_bridge.adapters.ehr.hl7v2.fields import Field
from fhir_bridge.adapters.ehr.hl7v2.names import name_of_xcn, spoken_name
from fhir_bridge.fhir.datatypes import Identifier, Reference
from fhir_bridge.mapping import CLEARED, Context, function

__all__ = ["FUNCTIONS"]

_NPI: Final = "http://hl7.org/fhir/sid/us-npi"
_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
_FURTHER: Final = "http://hl7.org/fhir/StructureDefinition/additionalIdentifier"
_CACHE: Final = 20_000

Authority = str | tuple[str, ...] | None
Read = Callable[[Context | None, Components], Any]
"""What creates a party of a value's components; without a context, to see what it takes of them."""

R = TypeVar("R", bound=Read)

_READERS: Final[dict[str, Read]] = {}


def _party(name: str) -> Callable[[R], R]:
    def register(read: R) -> R:
        _READERS[name] = read
        READERS[name] = lambda components: read(None, components)
        return read

    return register


def _each(ctx: Context, x: Any, kind: str) -> Any:
    """The party of each repetition; the same one recurs from segment to segment, so it is kept."""
    if x is None or x is CLEARED:
        return x
    read = _READERS[kind]
    results = []
    for value in x if isinstance(x, list) else [x]:
        if not isinstance(value, Field):
            continue
        key = ("party", kind, value.raw, value.delimiters, ctx.source)
        if key not in ctx.concepts:
            if len(ctx.concepts) > _CACHE:
                ctx.concepts.clear()
            ctx.concepts[key] = read(ctx, Components(value.raw, value.delimiters))
        if (concept := ctx.concepts[key]) is not None:
            results.append(concept)
    return (results[0] if len(results) == 1 else results) if results else None


def _identifier(
    ctx: Context | None,
    c: Components,
    value: tuple[int, int],
    authority: tuple[tuple[int, int], ...],
    kind: tuple[int, int] | None = None,
    *,
    own: bool = False,
) -> Identifier | None:
    """An identifier from its places: number, authority, type. Without a number the others say nothing.

    `own`: a number without authority is the sender's own, and its system says so.
    """
    number = c.text(*value)
    if not number:
        c.pass_over_leaves(*authority, *((kind,) if kind else ()))  # of an identifier that is not there
        return None
    identifier = Identifier()
    names: Authority = c.designator(*authority)
    stated = c.peek(*kind) if kind else None
    if kind and stated and is_identifier_type(stated):
        c.text(*kind)
        identifier["type"] = {"coding": [{"system": _TYPES, "code": stated}]}
    elif kind and stated:
        c.text(*kind)
        identifier["type"] = {"text": stated}
    known = (names,) if isinstance(names, str) else names or ()
    if "NPI" in known or (stated == "NPI" and len(number) == 10 and number.isdecimal()):
        identifier["system"] = _NPI
    elif ctx is not None and (known or own):
        identifier["system"] = ctx.identity.assigned(known or None, adapter=ctx.adapter, source=ctx.source)
    identifier["value"] = number
    if by := assigner(c, authority[0], authority[1], authority[2]):
        identifier["assigner"] = by
    return identifier


def _with_check_digit(c: Components, identifier: Identifier, digit: int, scheme: int) -> Identifier:
    extension = check_digit(c, digit, scheme)
    return Identifier({"extension": extension, **identifier}) if extension else identifier


def _hd(number: int) -> tuple[tuple[int, int], ...]:
    return (number, 1), (number, 2), (number, 3)


def _reference(kind: str, identifier: Identifier | None, display: str | None) -> Reference | None:
    if not identifier and not display:
        return None
    reference = Reference(type=kind)
    if identifier:
        reference["identifier"] = identifier
    if display:
        reference["display"] = display
    return reference


@_party("practitioner")
def _person(ctx: Context | None, c: Components) -> Reference | None:
    """XCN: identifier (XCN.1 of authority XCN.9), and the name; the number where there is no name."""
    identifier = _person_identifier(ctx, c)
    shown = name_of_xcn(c) or c.text(1)
    if identifier or shown:
        # Which of a clinician's names it is, how it is written and since when it is used; the table that its number
        # is of, and where and by which agency that holds.
        c.pass_over(8, 10, 15, 16, 17, 18, 19, 20, 22, 23)
    return _reference("Practitioner", identifier, shown)


def _person_identifier(ctx: Context | None, c: Components) -> Identifier | None:
    identifier = _identifier(ctx, c, (1, 1), _hd(9), (13, 1), own=True)
    c.pass_over_leaves((14, 2), (14, 3))  # the same facility by a further name
    if identifier and (facility := c.text(14) or c.text(14, 2)):
        if "assigner" not in identifier:
            identifier["assigner"] = Reference(display=facility)
        elif facility != (name := identifier["assigner"].get("display")):
            identifier["assigner"] = Reference({**identifier["assigner"], "display": f"{name} ({facility})"})
    return _with_check_digit(c, identifier, 11, 12) if identifier else None


@_party("interpreter")
def _interpreter(ctx: Context | None, c: Components) -> Reference | None:
    """NDL: the person is in the subcomponents of its first component; some senders write an XCN instead."""
    if c.count(1) < 2:
        return _person(ctx, c)
    identifier = _identifier(ctx, c, (1, 1), ((1, 9), (1, 10), (1, 11)), own=True)
    shown = spoken_name(*(c.text(1, sub) for sub in (6, 3, 4, 2, 5, 7))) or c.text(1)
    return _reference("Practitioner", identifier, shown)


@_party("organization")
def _organization(ctx: Context | None, c: Components) -> Reference | None:
    """XON: identifier (XON.10, else XON.3) and name."""
    identifier = _organization_identifier(ctx, c)
    name = c.text(1)
    further = c.text(3) if c.peek(10) and c.peek(3) != c.peek(10) else None
    if identifier or name:
        c.pass_over(2, 8, 9)  # which of its names it is, how it is written, and where a number was given
    reference = _reference("Organization", identifier, name)
    if reference and further:  # its number by XON.3, beside that of XON.10
        reference["extension"] = [{"url": _FURTHER, "valueIdentifier": {"value": further}}]
    return reference


def _organization_identifier(ctx: Context | None, c: Components) -> Identifier | None:
    position = 10 if c.peek(10) else 3
    identifier = _identifier(ctx, c, (position, 1), _hd(6), (7, 1))
    if identifier:
        c.pass_over(2, 8, 9)  # which of its names it is, how it is written, and where the number was given
    if position == 10 and c.peek(3) == c.peek(10):
        c.text(3)
    return _with_check_digit(c, identifier, 4, 5) if identifier else None


_PLACES: Final = {
    "C": "Clinic",
    "D": "Department",
    "H": "Home",
    "N": "Nursing Unit",
    "O": "Provider's Office",
    "P": "Phone",
    "S": "SNF",
}
"""HL7 table 0305: kinds of places (PL.6)."""


@_party("location")
def _location(ctx: Context | None, c: Components) -> Reference | None:
    """PL, without its kind and status (PL.5, PL.6)."""
    return _place(ctx, c, typed=False)


@_party("typed location")
def _typed_location(ctx: Context | None, c: Components) -> Reference | None:
    """PL, its kind and status in parentheses."""
    return _place(ctx, c, typed=True)


def _place(ctx: Context | None, c: Components, *, typed: bool) -> Reference | None:
    """PL: point of care, room, bed, building, floor, facility, the description (PL.9) in parentheses; PL.10."""
    names = [part for number in (1, 2, 3, 7, 8) if (part := c.text(number))]
    # Each part by a further name: the universal id of the ward, room, bed, building, floor.
    c.pass_over_leaves(*((number, sub) for number in (1, 2, 3, 7, 8) if c.peek(number) for sub in (2, 3)))
    if facility := c.text(4, 1):
        names.append(facility)
        c.pass_over_leaves((4, 2), (4, 3))  # the same facility by a further name
    elif facility := c.text(4, 2):
        names.append(facility)
        c.pass_over_leaves((4, 3))
    if typed and names:
        more = [
            _PLACES.get(kind, kind) for number in (6, 5) if (kind := c.text(number)) and kind not in names
        ]
        names += [f"({part})" for part in more]
    shown, described = " ".join(names), c.text(9)
    if described:
        shown = f"{shown} ({described})" if shown else described
    identifier = _identifier(ctx, c, (10, 1), ((10, 2), (10, 3), (10, 4)))
    if by := c.text(11) or c.text(11, 2):
        c.pass_over_leaves((11, 2), (11, 3))
        shown = f"{shown} ({by})" if shown else by
    return _reference("Location", identifier, shown or None)


@_party("device")
def _device(ctx: Context | None, c: Components) -> Reference | None:
    """EI of a device; its namespace as the name where there is no identifier."""
    identifier = _entity(ctx, c)
    return _reference("Device", identifier, None if identifier else c.text(2))


@_party("EI")
def _entity(ctx: Context | None, c: Components) -> Identifier | None:
    """EI: identifier and the names of who gave it."""
    return _identifier(ctx, c, (1, 1), ((2, 1), (3, 1), (4, 1)))


@function(context=True, returns="Reference", nulls=True, reads=("practitioner",), pure=True)
def practitioner(ctx: Context, x: Any) -> Any:
    """Reference to the Practitioner of each XCN: identifier (XCN.1 of authority XCN.9) and name."""
    return _each(ctx, x, "practitioner")


@function(context=True, returns="Reference", nulls=True, reads=("interpreter",), pure=True)
def interpreter(ctx: Context, x: Any) -> Any:
    """Reference to the Practitioner of each NDL (OBR-32 to OBR-35)."""
    return _each(ctx, x, "interpreter")


@function(context=True, returns="Reference", nulls=True, reads=("organization",), pure=True)
def organization(ctx: Context, x: Any) -> Any:
    """Reference to the Organization of each XON: identifier (XON.10, else XON.3) and name."""
    return _each(ctx, x, "organization")


@function(context=True, returns="Reference", nulls=True, reads=("location",), pure=True)
def location(ctx: Context, x: Any) -> Any:
    """Reference to the Location of each PL, by its names."""
    return _each(ctx, x, "location")


@function(context=True, returns="Reference", nulls=True, reads=("typed location",), pure=True)
def typed_location(ctx: Context, x: Any) -> Any:
    """As `location`, with the kind and the status of the place (PL.6, PL.5), where no other element holds them."""
    return _each(ctx, x, "typed location")


@function(context=True, returns="Reference", nulls=True, reads=("device",), pure=True)
def device(ctx: Context, x: Any) -> Any:
    """Reference to the Device of each EI (OBX-18)."""
    return _each(ctx, x, "device")


@_party("person identifier")
def _of_person(ctx: Context | None, c: Components) -> Identifier | None:
    """The identifier of an XCN alone."""
    return _person_identifier(ctx, c)


@_party("organization identifier")
def _of_organization(ctx: Context | None, c: Components) -> Identifier | None:
    """The identifier of an XON alone."""
    return _organization_identifier(ctx, c)


@function(context=True, returns="Identifier", nulls=True, reads=("person identifier",), pure=True)
def person_identifier(ctx: Context, x: Any) -> Any:
    """Identifier of each XCN: XCN.1 of authority XCN.9, with its type (XCN.13)."""
    return _each(ctx, x, "person identifier")


@function(context=True, returns="Identifier", nulls=True, reads=("organization identifier",), pure=True)
def organization_identifier(ctx: Context, x: Any) -> Any:
    """Identifier of each XON: XON.10, else XON.3, of authority XON.6, with its type (XON.7)."""
    return _each(ctx, x, "organization identifier")


@function(context=True, returns="Identifier", nulls=True, reads=("EI",), pure=True)
def entity_identifier(ctx: Context, x: Any, kind: str | None = None) -> Any:
    """Identifier of each EI; `kind`: its type, a code of table 0203 (`PLAC`, `FILL`)."""
    if (
        kind
        and x.__class__ is Field
        and not any(map(x.raw.__contains__, x.delimiters[1:5]))
        and x.raw != DELETED
    ):
        # A number alone, which is another one in each message.
        number = x.raw.strip()
        return (
            Identifier(type={"coding": [{"system": _TYPES, "code": kind}]}, value=number) if number else None
        )
    built = _each(ctx, x, "EI")
    if not kind or not built:
        return built
    typed = [
        Identifier({"type": {"coding": [{"system": _TYPES, "code": kind}]}, **result})
        for result in (built if isinstance(built, list) else [built])
    ]
    return typed[0] if len(typed) == 1 else typed


@_party("organization name")
def _name_of_organization(_ctx: Context | None, c: Components) -> str | None:
    """The name in an XON, or in a CWE or EI that stands for one."""
    name = c.text(1)
    if name:
        c.pass_over(2, 8, 9)  # which of its names it is, how it is written, and where a number was given
    return name


@function(context=True, nulls=True, returns="string", reads=("organization name",), pure=True)
def organization_name(ctx: Context, x: Any) -> Any:
    """The name in each XON."""
    return _each(ctx, x, "organization name")


@_party("HD")
def _name_of_authority(_ctx: Context | None, c: Components) -> str | None:
    """The name of an HD, else its universal id."""
    c.designator((1, 1), (2, 1), (3, 1))
    return c.peek(1) or c.peek(2)


@function(context=True, nulls=True, returns="string", reads=("HD",), pure=True)
def authority_name(ctx: Context, x: Any) -> Any:
    """The name in each HD, else its universal id."""
    return _each(ctx, x, "HD")


@_party("EIP")
def _pair(ctx: Context | None, c: Components) -> list[Identifier] | None:
    """EIP: what filler and placer call one thing, each an EI in the subcomponents of a component."""
    results = []
    for component, kind in ((2, "FILL"), (1, "PLAC")):
        leaves = tuple((component, sub) for sub in (2, 3, 4))
        if identifier := _identifier(ctx, c, (component, 1), leaves):
            results.append(Identifier({"type": {"coding": [{"system": _TYPES, "code": kind}]}, **identifier}))
    return results or None


@function(context=True, returns="Identifier", nulls=True, reads=("EIP",), pure=True)
def entity_identifier_pair(ctx: Context, x: Any) -> Any:
    """Identifiers of each EIP (SPM-2): the filler's and the placer's."""
    built = _each(ctx, x, "EIP")
    if built is None or built is CLEARED or (built and built[0].__class__ is Identifier):
        return built
    return [identifier for pair in built for identifier in pair]


@function(nulls=True, returns="string", reads=("code",), pure=True)
def table_code(x: Any) -> Any:
    """The code of each CWE, for elements of type `code`: its text and system say the same once more."""
    return each(x, READERS["code"])


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "practitioner": practitioner,
    "interpreter": interpreter,
    "organization": organization,
    "organization_name": organization_name,
    "authority_name": authority_name,
    "location": location,
    "table_code": table_code,
    "typed_location": typed_location,
    "device": device,
    "person_identifier": person_identifier,
    "organization_identifier": organization_identifier,
    "entity_identifier": entity_identifier,
    "entity_identifier_pair": entity_identifier_pair,
}
"""Functions that `hl7v2` adds to the expression language."""
