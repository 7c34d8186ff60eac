"""The compiled form of an expression: a Python function of raw JSON, made for one type.

Such a function gives the same as the general evaluator or leaves (`Odd`) where it meets what it was not made for: JSON
of another shape than the type's, a primitive with extensions and no value, a step without a compiled shape.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn

from fhir_bridge.fhir.fhirpath.check import shape_of
from fhir_bridge.fhir.fhirpath.compiled_elements import MAX_ROUNDS, ROOT, Place
from fhir_bridge.fhir.fhirpath.compiled_logic import Conditions
from fhir_bridge.fhir.fhirpath.equality import distinct
from fhir_bridge.fhir.fhirpath.functions_values import _INTEGER, as_text
from fhir_bridge.fhir.fhirpath.items import Item
from fhir_bridge.fhir.fhirpath.kinds import SYSTEM, Kind
from fhir_bridge.fhir.fhirpath.numbers import number
from fhir_bridge.fhir.fhirpath.operators import MAX_INTEGER
from fhir_bridge.fhir.fhirpath.quantities import from_fhir
from fhir_bridge.fhir.fhirpath.source import NEVER, Source, Unsupported
from fhir_bridge.fhir.fhirpath.syntax import Binary, Call, Indexer, Literal, Member, Node
from fhir_bridge.fhir.fhirpath.temporal import parse_date_time

__all__ = ["Compiled", "Odd", "condition", "values"]


class Odd(Exception):
    """The value is not what the compiled form was made for."""


def _odd() -> NoReturn:
    raise Odd


def _an_object(value: Any) -> None:
    if not isinstance(value, dict):
        raise Odd


def _a_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise Odd
    return value


def _a_boolean(_: Any) -> NoReturn:
    raise Odd


def _a_number(value: Any) -> int | Decimal:
    if isinstance(value, bool | str) or (found := number(value)) is None:
        raise Odd
    return found


def _text_of_number(value: Any) -> str | None:
    return None if value is None else as_text(value)


def _to_integer(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.match(text) else None


def _sum(a: int | None, b: int | None) -> int | None:
    """An Integer sum; empty beyond what an Integer holds."""
    if a is None or b is None:
        return None
    return found if abs(found := a + b) < MAX_INTEGER else None


def _order_of_moments(a: str, b: str) -> int | None:
    x, y = parse_date_time(a), parse_date_time(b)
    return None if x is None or y is None else x.compare(y)


def _order_of_quantities(a: Any, b: Any) -> int | None:
    x, y = from_fhir(a), from_fhir(b)
    return None if x is None or y is None else x.compare(y)


_NAMES: dict[str, Any] = {
    "odd": _odd,
    "an_object": _an_object,
    "a_text": _a_text,
    "a_number": _a_number,
    "a_boolean": _a_boolean,
    "text_of_number": _text_of_number,
    "to_integer": _to_integer,
    "sum_of": _sum,
    "order_of_moments": _order_of_moments,
    "order_of_quantities": _order_of_quantities,
    "Odd": Odd,
}


Compiled = Callable[[Any, Any], Any]
"""(value, around) to a verdict or a list of values; `around.resource` is %resource."""


def condition(node: Node, kind: Kind, general: Compiled, *, published: bool = False) -> Compiled | None:
    """Whether the expression is true of a value: a function that gives a bool; None where it has no compiled form.

    Args:
        general: answers where the compiled form leaves; it is handed the same value and `around`.
    """

    def write(writer: Conditions, focus: Place) -> None:
        test = writer.true(node, focus)
        if test == NEVER:
            raise Unsupported("the whole")
        writer.out.add(f"return {test}")

    return _made(write, kind, general, published)


def values(node: Node, kind: Kind, general: Compiled, *, published: bool = False) -> Compiled | None:
    """What the expression gives on a value: a function that gives the list; None where it has no compiled form."""

    def write(writer: Conditions, focus: Place) -> None:
        shape = shape_of(node, kind)
        if shape is not None and shape.kinds == _BOOLEAN and not isinstance(node, Member | Indexer):
            true, false = (
                writer.assigned(writer.true(node, focus)),
                writer.assigned(writer.false(node, focus)),
            )
            writer.out.add(f"return [True] if {true} else [False] if {false} else []")
            return
        _write_list(writer, node, focus)

    return _made(write, kind, general, published)


def _write_list(writer: Conditions, node: Node, focus: Place) -> None:
    """A list of the values a path gives; a union's without those that equal an earlier one."""
    out = writer.out
    parts: list[Node] = []
    while isinstance(node, Binary) and node.operator == "|":
        parts.append(node.right)
        node = node.left
    parts.append(node)
    single = isinstance(node, Literal | Binary) or (
        isinstance(node, Call) and node.name in ("count", "length", "toString", "substring", "lower", "upper")
    )
    if single and len(parts) == 1:
        place = writer.scalar(node, focus)
        out.add(f"return [] if {place.name} is None else [{place.name}]")
        return
    union = len(parts) > 1
    out.add("found = []")

    def keep(place: Place) -> None:
        out.add(
            f"found.append(({place.name}, {out.constant(place.kind)}))"
            if union
            else f"found.append({place.name})"
        )

    for part in reversed(parts):
        writer.each(part, focus, keep, values=True, repeats=False)
    out.add("return distinct_values(found)" if union else "return found")


def _distinct_values(found: list[tuple[Any, Kind]]) -> list[Any]:
    if len(found) > 1:
        return [item.value for item in distinct([Item(value, kind) for value, kind in found])]
    return [value for value, _ in found]


_BOOLEAN = frozenset({SYSTEM["Boolean"]})
_NAMES["distinct_values"] = _distinct_values


def _made(
    write: Callable[[Conditions, Place], None], kind: Kind, general: Compiled, published: bool
) -> Compiled | None:
    names = {**_NAMES, "general": general}
    out = Source(names)
    writer = Conditions(out, kind, published=published)
    try:
        write(writer, Place(ROOT, kind))
    except (Unsupported, RecursionError):
        return None
    guard = []
    if not kind.primitive:
        guard.append("        if n.__class__ is not dict: an_object(n)")
    if writer.around is not None:
        guard.append("        resource = around.resource")
        guard.append(f"        if resource.get('resourceType') != {writer.around.name!r}: {NEVER}")
    if writer.counts:
        guard.append(f"        left = {MAX_ROUNDS}")
    source = "\n".join(
        [
            "def run(n, around):",
            "    try:",
            *guard,
            *out.lines,
            "    except Odd:",
            "        return general(n, around)",
        ]
    )
    try:
        exec(compile(source, f"<FHIRPath on {kind.name}>", "exec"), names)  # noqa: S102 -- made here, of checked syntax
    except (SyntaxError, RecursionError, MemoryError):  # more levels than Python nests
        return None
    made: Compiled = names["run"]
    return made
