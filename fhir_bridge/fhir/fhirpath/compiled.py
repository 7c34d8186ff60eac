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
from fhir_bridge.fhir.fhirpath.compiled_elements import MAX_ROUNDS, ROOT, CompiledValue, PathOptions
from fhir_bridge.fhir.fhirpath.compiled_logic import Conditions
from fhir_bridge.fhir.fhirpath.equality import distinct
from fhir_bridge.fhir.fhirpath.fhir_types import SYSTEM, FhirType
from fhir_bridge.fhir.fhirpath.functions_values import _INTEGER, as_text
from fhir_bridge.fhir.fhirpath.items import Item
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


def _an_object(result: Any) -> None:
    if not isinstance(result, dict):
        raise UnexpectedShape


def _a_number(result: Any) -> int | Decimal:
    # JSON numbers alone; a Boolean is an int to Python.
    if isinstance(result, bool | str) or (known := number(result)) is None:
        raise UnexpectedShape
    return known


def _text_of_number(result: Any) -> str | None:
    return None if result is None else as_text(result)


def _to_integer(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.match(text) else None


def _within_bounds(result: int) -> int | None:
    """An Integer; empty beyond what an Integer holds."""
    return result if abs(result) < MAX_INTEGER else None


def _order_of_moments(a: str, b: str) -> int | None:
    x, y = parse_date_time(a), parse_date_time(b)
    return None if x is None or y is None else x.compare(y)


def _order_of_quantities(a: Any, b: Any) -> int | None:
    x, y = from_fhir(a), from_fhir(b)
    return None if x is None or y is None else x.compare(y)


# As the general evaluator compares them, so that both forms agree on equal objects.
def _distinct_values(results: list[tuple[Any, FhirType]]) -> list[Any]:
    if len(results) > 1:
        return [item.value for item in distinct([Item(value, kind) for value, kind in results])]
    return [value for value, _ in results]


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

KEPT = PathOptions(values=True, skip=True)
"""Values; what has none is left out."""

_BOOLEAN = frozenset({SYSTEM["Boolean"]})


def condition(
    node: Node, kind: FhirType, general: Compiled | None, *, published: bool = False
) -> Compiled | None:
    """Whether the expression is true of a value: a function that gives a bool; None where it has no compiled form.

    Args:
        general: answers where the compiled form leaves; it gets the same value and `around`. Without one the function
            raises `UnexpectedShape` there.
    """

    def write(writer: Conditions, focus: CompiledValue) -> None:
        test = writer.true(node, focus)
        # All of it would leave: the general evaluator alone is then cheaper.
        if test == LEAVE:
            raise Unsupported("the whole")
        writer.out.add(f"return {test}")

    return _compiled(write, kind, general, published)


def values(
    node: Node, kind: FhirType, general: Compiled | None, *, published: bool = False
) -> Compiled | None:
    """What the expression gives on a value, as `condition`: a function that gives the list of values."""

    def write(writer: Conditions, focus: CompiledValue) -> None:
        if _is_boolean(node, kind):
            true, false = _truths(writer, node, focus)
            writer.out.add(f"return [True] if {true} else [False] if {false} else []")
        else:
            _write_list(writer, node, focus)

    return _compiled(write, kind, general, published)


def value(
    node: Node, kind: FhirType, general: Compiled | None, *, published: bool = False
) -> Compiled | None:
    """The only value that the expression gives, or None, as `values`; none where it may give several."""

    def write(writer: Conditions, focus: CompiledValue) -> None:
        if not writer.single(node, focus):
            raise Unsupported("what may be several")
        if _is_boolean(node, kind):
            true, false = _truths(writer, node, focus)
            writer.out.add(f"return True if {true} else False if {false} else None")
        elif _is_scalar(node):
            writer.out.add(f"return {writer.scalar(node, focus).name}")
        else:
            _write_value(writer, node, focus)

    return _compiled(write, kind, general, published)


class Walker:
    """One function for many published paths of a type: what begins alike is walked once.

    Args:
        settings: as `Conditions` takes them.
    """

    def __init__(self, kind: FhirType, **settings: Any) -> None:
        self._names = dict(_NAMES)
        self._writer = Conditions(Source(self._names, shared=True), kind, published=True, **settings)

    # RecursionError: a path of thousands of steps is written by recursion.
    def add(self, write: Callable[[Conditions, CompiledValue], object]) -> None:
        """Have a path written, what happens to its values included.

        Raises:
            Unsupported: it has no compiled form; what was written so far is of no use.
        """
        try:
            write(self._writer, CompiledValue(ROOT, self._writer.root))
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


def _is_boolean(node: Node, kind: FhirType) -> bool:
    shape = shape_of(node, kind)
    # A path to a boolean element gives the JSON value as it is; only tests are three-valued.
    return shape is not None and shape.kinds == _BOOLEAN and not isinstance(node, Member | Indexer)


def _is_scalar(node: Node) -> bool:
    return isinstance(node, Literal | Binary) or (
        isinstance(node, Call)
        and node.name in ("count", "length", "toString", "substring", "lower", "upper", "join")
    )


def _truths(writer: Conditions, node: Node, focus: CompiledValue) -> tuple[str, str]:
    return writer.assigned(writer.true(node, focus)), writer.assigned(writer.false(node, focus))


def _write_list(writer: Conditions, node: Node, focus: CompiledValue) -> None:
    """A list of the values a path gives; a union's without those that equal an earlier one."""
    out = writer.out
    parts: list[Node] = []
    # `a | b | c` is left-associative: the leftmost operand is innermost.
    while isinstance(node, Binary) and node.operator == "|":
        parts.append(node.right)
        node = node.left
    parts.append(node)
    if _is_scalar(node) and len(parts) == 1:
        compiled_value = writer.scalar(node, focus)
        out.add(f"return [] if {compiled_value.name} is None else [{compiled_value.name}]")
        return
    union = len(parts) > 1
    out.add("results = []")

    # A union compares its values, for which their types are needed.
    def keep(compiled_value: CompiledValue) -> None:
        kept = (
            f"({compiled_value.name}, {out.constant(compiled_value.kind)})" if union else compiled_value.name
        )
        out.add(f"results.append({kept})")

    for part in reversed(parts):
        writer.each(part, focus, keep, KEPT)
    out.add("return distinct_values(results)" if union else "return results")


def _write_value(writer: Conditions, node: Node, focus: CompiledValue) -> None:
    """The value of a path that gives no more than one in a sound resource."""
    out = writer.out
    count = 0

    def keep(compiled_value: CompiledValue) -> None:
        nonlocal count
        count += 1
        # Decided when all is written: whether one `return` does depends on how many values there are.
        out.add(
            lambda: (
                f"return {compiled_value.name}" if count == 1 else f"results.append({compiled_value.name})"
            )
        )

    out.add(lambda: "pass" if count == 1 else "results = []")
    writer.each(node, focus, keep, KEPT)
    if count != 1:  # types of a choice: they exclude each other, but a resource may have several all the same
        out.add(f"if len(results) > 1: {LEAVE}")
        out.add("return results[0] if results else None")


def _compiled(
    write: Callable[[Conditions, CompiledValue], None],
    kind: FhirType,
    general: Compiled | None,
    published: bool,
) -> Compiled | None:
    names = {**_NAMES, "general": general}
    writer = Conditions(Source(names), kind, published=published)
    try:
        write(writer, CompiledValue(ROOT, kind))
        head = []
        # The code was written for the resource that the type is part of; another
        # one is the general evaluator's.
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
    # Everything else in the code may rely on an object.
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
        # The text is built of names that were checked against the definitions and of `repr`,
        # never of an expression's text.
        exec(compile("\n".join(lines), f"<FHIRPath on {writer.root.name}>", "exec"), namespace)  # noqa: S102 -- made here, of checked syntax
    except (SyntaxError, MemoryError, RecursionError) as error:
        # CPython bounds nesting (100 indents, 20 blocks); MAX_LEVELS is meant to stay below both.
        raise Unsupported("more levels than Python nests") from error
    run: Callable[[Any, Any], Any] = namespace["run"]
    return run
