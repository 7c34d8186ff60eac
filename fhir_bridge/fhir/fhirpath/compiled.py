"""The compiled form of an expression: a Python function of raw JSON, made for one type.

Such a function gives the same as the general evaluator or leaves (`UnexpectedShape`) where it meets what it was not
made for: JSON of another shape than the type's, a primitive with extensions and no value, a step without a compiled
form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from fhir_bridge.fhir.fhirpath.check import shape_of
from fhir_bridge.fhir.fhirpath.compiled_elements import MAX_ROUNDS, ROOT, Place, Want
from fhir_bridge.fhir.fhirpath.compiled_logic import Conditions
from fhir_bridge.fhir.fhirpath.equality import distinct
from fhir_bridge.fhir.fhirpath.functions_values import _INTEGER, as_text
from fhir_bridge.fhir.fhirpath.items import Item
from fhir_bridge.fhir.fhirpath.kinds import SYSTEM, Kind
from fhir_bridge.fhir.fhirpath.numbers import number
from fhir_bridge.fhir.fhirpath.operators import MAX_INTEGER
from fhir_bridge.fhir.fhirpath.quantities import from_fhir
from fhir_bridge.fhir.fhirpath.source import LEAVE, Source, Unsupported
from fhir_bridge.fhir.fhirpath.syntax import Binary, Call, Indexer, Literal, Member, Node
from fhir_bridge.fhir.fhirpath.temporal import parse_date_time

__all__ = ["KEPT", "Compiled", "UnexpectedShape", "Walker", "condition", "value", "values"]


class UnexpectedShape(Exception):
    """The value is not what the compiled form was made for."""


def _unexpected() -> NoReturn:
    raise UnexpectedShape


def _an_object(found: Any) -> None:
    if not isinstance(found, dict):
        raise UnexpectedShape


def _a_number(found: Any) -> int | Decimal:
    if isinstance(found, bool | str) or (known := number(found)) is None:
        raise UnexpectedShape
    return known


def _text_of_number(found: Any) -> str | None:
    return None if found is None else as_text(found)


def _to_integer(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.match(text) else None


def _within_bounds(found: int) -> int | None:
    """An Integer; empty beyond what an Integer holds."""
    return found if abs(found) < MAX_INTEGER else None


def _order_of_moments(a: str, b: str) -> int | None:
    x, y = parse_date_time(a), parse_date_time(b)
    return None if x is None or y is None else x.compare(y)


def _order_of_quantities(a: Any, b: Any) -> int | None:
    x, y = from_fhir(a), from_fhir(b)
    return None if x is None or y is None else x.compare(y)


def _distinct_values(found: list[tuple[Any, Kind]]) -> list[Any]:
    if len(found) > 1:
        return [item.value for item in distinct([Item(value, kind) for value, kind in found])]
    return [value for value, _ in found]


_NAMES: dict[str, Any] = {
    "unexpected": _unexpected,
    "an_object": _an_object,
    "a_number": _a_number,
    "text_of_number": _text_of_number,
    "to_integer": _to_integer,
    "within_bounds": _within_bounds,
    "order_of_moments": _order_of_moments,
    "order_of_quantities": _order_of_quantities,
    "distinct_values": _distinct_values,
    "UnexpectedShape": UnexpectedShape,
}

Compiled = Callable[[Any, Any], Any]
"""(value, around) to a verdict, a value or a list of values; `around.resource` is %resource."""

KEPT = Want(values=True, skip=True)
"""Values; what has none is left out."""

_BOOLEAN = frozenset({SYSTEM["Boolean"]})


def condition(
    node: Node, kind: Kind, general: Compiled | None, *, published: bool = False
) -> Compiled | None:
    """Whether the expression is true of a value: a function that gives a bool; None where it has no compiled form.

    Args:
        general: answers where the compiled form leaves; it gets the same value and `around`. Without one the function
            raises `UnexpectedShape` there.
    """

    def write(writer: Conditions, focus: Place) -> None:
        test = writer.true(node, focus)
        if test == LEAVE:
            raise Unsupported("the whole")
        writer.out.add(f"return {test}")

    return _made(write, kind, general, published)


def values(node: Node, kind: Kind, general: Compiled | None, *, published: bool = False) -> Compiled | None:
    """What the expression gives on a value, as `condition`: a function that gives the list of values."""

    def write(writer: Conditions, focus: Place) -> None:
        if _is_boolean(node, kind):
            true, false = _truths(writer, node, focus)
            writer.out.add(f"return [True] if {true} else [False] if {false} else []")
        else:
            _write_list(writer, node, focus)

    return _made(write, kind, general, published)


def value(node: Node, kind: Kind, general: Compiled | None, *, published: bool = False) -> Compiled | None:
    """The only value that the expression gives, or None, as `values`; none where it may give several."""

    def write(writer: Conditions, focus: Place) -> None:
        if not writer.single(node, focus):
            raise Unsupported("what may be several")
        if _is_boolean(node, kind):
            true, false = _truths(writer, node, focus)
            writer.out.add(f"return True if {true} else False if {false} else None")
        elif _is_scalar(node):
            writer.out.add(f"return {writer.scalar(node, focus).name}")
        else:
            _write_value(writer, node, focus)

    return _made(write, kind, general, published)


class Walker:
    """One function for many published paths of a type: what begins alike is walked once.

    Args:
        settings: as `Conditions` takes them.
    """

    def __init__(self, kind: Kind, **settings: Any) -> None:
        self._names = dict(_NAMES)
        self._writer = Conditions(Source(self._names, shared=True), kind, published=True, **settings)

    def add(self, write: Callable[[Conditions, Place], object]) -> None:
        """Have a path written, what becomes of its values included.

        Raises:
            Unsupported: it has no compiled form; what was written so far is of no use.
        """
        try:
            write(self._writer, Place(ROOT, self._writer.root))
        except RecursionError as error:
            raise Unsupported("a longer path than can be written") from error

    def function(self) -> Callable[[Any, Any], None]:
        """The function: it takes a value and `append`, which the code that was written may call with what it finds.

        It raises `UnexpectedShape` as the other compiled forms.

        Raises:
            Unsupported: there are more levels than Python nests.
        """
        head = ["resource = n"] if self._writer.around is not None else []
        return _function(self._writer, f"{ROOT}, append", head, self._names)


# --- what is written ------------------------------------------------------------------------------------------------


def _is_boolean(node: Node, kind: Kind) -> bool:
    shape = shape_of(node, kind)
    return shape is not None and shape.kinds == _BOOLEAN and not isinstance(node, Member | Indexer)


def _is_scalar(node: Node) -> bool:
    return isinstance(node, Literal | Binary) or (
        isinstance(node, Call)
        and node.name in ("count", "length", "toString", "substring", "lower", "upper", "join")
    )


def _truths(writer: Conditions, node: Node, focus: Place) -> tuple[str, str]:
    return writer.assigned(writer.true(node, focus)), writer.assigned(writer.false(node, focus))


def _write_list(writer: Conditions, node: Node, focus: Place) -> None:
    """A list of the values a path gives; a union's without those that equal an earlier one."""
    out = writer.out
    parts: list[Node] = []
    while isinstance(node, Binary) and node.operator == "|":
        parts.append(node.right)
        node = node.left
    parts.append(node)
    if _is_scalar(node) and len(parts) == 1:
        place = writer.scalar(node, focus)
        out.add(f"return [] if {place.name} is None else [{place.name}]")
        return
    union = len(parts) > 1
    out.add("found = []")

    def keep(place: Place) -> None:
        kept = f"({place.name}, {out.constant(place.kind)})" if union else place.name
        out.add(f"found.append({kept})")

    for part in reversed(parts):
        writer.each(part, focus, keep, KEPT)
    out.add("return distinct_values(found)" if union else "return found")


def _write_value(writer: Conditions, node: Node, focus: Place) -> None:
    """The value of a path that gives no more than one in a sound resource."""
    out = writer.out
    places = 0

    def keep(place: Place) -> None:
        nonlocal places
        places += 1
        out.add(lambda: f"return {place.name}" if places == 1 else f"found.append({place.name})")

    out.add(lambda: "pass" if places == 1 else "found = []")
    writer.each(node, focus, keep, KEPT)
    if (
        places != 1
    ):  # types of a choice: they exclude each other, but a resource may have several all the same
        out.add(f"if len(found) > 1: {LEAVE}")
        out.add("return found[0] if found else None")


def _made(
    write: Callable[[Conditions, Place], None], kind: Kind, general: Compiled | None, published: bool
) -> Compiled | None:
    names = {**_NAMES, "general": general}
    writer = Conditions(Source(names), kind, published=published)
    try:
        write(writer, Place(ROOT, kind))
        head = []
        if writer.around is not None:
            head.append("resource = around.resource")
            head.append(f"if resource.get('resourceType') != {writer.around.name!r}: {LEAVE}")
        return _function(writer, f"{ROOT}, around", head, names, general is not None)
    except (Unsupported, RecursionError):
        return None


def _function(
    writer: Conditions, arguments: str, head: list[str], names: Mapping[str, Any], general: bool = False
) -> Callable[[Any, Any], Any]:
    """The function of what was written; with `general` it asks that where the code leaves.

    Raises:
        Unsupported: there are more levels than Python nests.
    """
    body = writer.out.body.text(2 if general else 1)
    indent = "        " if general else "    "
    if not writer.root.primitive:
        head = [f"if type({ROOT}) is not dict: an_object({ROOT})", *head]
    if writer.counts:
        head.append(f"left = {MAX_ROUNDS}")
    lines = [f"def run({arguments}):", *(["    try:"] if general else []), *(indent + line for line in head)]
    lines += body
    if general:
        lines += ["    except UnexpectedShape:", "        return general(n, around)"]
    namespace = dict(names)
    try:
        exec(compile("\n".join(lines), f"<FHIRPath on {writer.root.name}>", "exec"), namespace)  # noqa: S102 -- made here, of checked syntax
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise Unsupported("more levels than Python nests") from error
    made: Callable[[Any, Any], Any] = namespace["run"]
    return made
