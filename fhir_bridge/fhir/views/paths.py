"""The FHIRPath of a view, compiled: checked against the definitions, its constants bound, fast where it is simple."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.fhirpath import (
    Budget,
    Expression,
    FHIRPathError,
    Item,
    compile,  # noqa: A004
    json_value,
    parse,
    unparse,
)
from fhir_bridge.fhir.fhirpath.check import Shape, inferred
from fhir_bridge.fhir.fhirpath.compiled import Compiled, UnexpectedShape, condition, value, values
from fhir_bridge.fhir.fhirpath.fhir_types import SYSTEM, FhirType, r4_type
from fhir_bridge.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    Node,
    TypeTest,
    Unary,
    Variable,
)
from fhir_bridge.fhir.ports import ConformancePort, ReferenceResolver, TerminologyPort
from fhir_bridge.fhir.views.constants import RESERVED, ROW_INDEX
from fhir_bridge.fhir.views.model import Constant
from fhir_bridge.fhir.views.types import ColumnType, column_type

__all__ = ["Path", "Paths", "Surroundings", "UndefinedConstant"]


class UndefinedConstant(ValueError):
    """A path names a constant that the view does not define."""


class Surroundings:
    """What the paths of one view see of one resource."""

    __slots__ = ("options", "resource", "root")

    def __init__(
        self,
        resource: dict[str, Any],
        kind: FhirType,
        variables: Mapping[str, Any],
        resolver: ReferenceResolver | None,
        terminology: TerminologyPort | None,
        conformance: ConformancePort | None = None,
        definitions: Definitions = DEFAULT,
    ) -> None:
        self.resource = resource
        self.root = Item(resource, kind)
        self.options: dict[str, Any] = {
            "resource": self.root,
            "root": self.root,
            "resolver": resolver,
            "terminology": terminology,
            "conformance": conformance,
            "definitions": definitions,
            "variables": variables,
            "budget": Budget(),
        }


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path.

    Attributes:
        text: as written.
        shape: what it gives, as far as the definitions show.
        items: (element, row index, surroundings) to the items it gives.
        values: the same as JSON values; what has no value (a primitive with extensions alone) is left out.
        unknown: what the definitions do not have of its elements, so that it is always empty there.
        single: (element's JSON, surroundings) to its only value, compiled; None where it may give several or has
            no compiled form. As `many` and `test` it raises `UnexpectedShape` on a resource that only `values` covers.
        many: the same, to the list of its values.
        test: the same, to its truth.
        exact: it may distinguish a decimal's digits (`5.20`) from its value.
    """

    text: str
    shape: Shape
    items: Callable[[Item, int, Surroundings], list[Item]]
    values: Callable[[Item, int, Surroundings], list[Any]]
    unknown: tuple[str, ...] = ()
    single: Compiled | None = None
    many: Compiled | None = None
    test: Compiled | None = None
    exact: bool = False


_DIGITS = frozenset("lowBoundary highBoundary precision toString round join encode trace".split())
"""Functions that see how many digits a decimal has."""

_TERMINOLOGICAL = frozenset({"memberOf", "subsumes", "subsumedBy"})


class Paths:
    """Compiles the paths of one view; equal paths on equal elements are compiled once.

    Attributes:
        asks_terminology: one of them asks what value sets or code systems hold.
    """

    def __init__(self, resource: FhirType, constants: Sequence[Constant]) -> None:
        self.variables: dict[str, Any] = {ROW_INDEX: Item(0, SYSTEM["Integer"])}
        self._shapes = {ROW_INDEX: Shape(frozenset({SYSTEM["Integer"]}))}
        for constant in constants:
            kind = r4_type(constant.type) or SYSTEM["String"]
            self.variables[constant.name] = Item(constant.value, kind)
            self._shapes[constant.name] = Shape(frozenset({kind}))
        self._resource = resource
        self._texts = {c.name: c.value for c in constants if column_type(c.type) is ColumnType.STRING}
        self._known: dict[tuple[str, Shape], Path] = {}
        self.asks_terminology = False

    @property
    def exact(self) -> bool:
        """Whether any of the paths may distinguish a decimal's digits from its value."""
        return any(path.exact for path in self._known.values())

    def compile(self, text: str, focus: Shape) -> Path:
        """The path on elements of `focus`.

        Raises:
            FHIRPathError: it is no FHIRPath, or uses a function that there is none of.
            UndefinedConstant: it names a constant that the view does not define.
        """
        key = (text, focus)
        if key not in self._known:
            try:
                self._known[key] = self._compiled(text, focus)
            except RecursionError as error:
                raise FHIRPathError("the path is too long") from error
            except FHIRPathError as error:
                raise error.within(text) from error
        return self._known[key]

    def _with_texts(self, node: Node) -> Node:
        """A constant that is text, as that text."""
        if isinstance(node, Variable) and node.name in self._texts:
            return Literal("String", self._texts[node.name], node.position)
        return node

    def _compiled(self, text: str, focus: Shape) -> Path:
        written = parse(text)
        node = _changed(written, _as_meant)
        names = {variable.name for variable in _variables(node)}
        for name in sorted(names):
            known = name in self.variables or name in RESERVED or name.startswith(("vs-", "ext-"))
            if not known:
                defined = ", ".join(sorted(name for name in self.variables if name != ROW_INDEX)) or "none"
                raise UndefinedConstant(f"the constant %{name} is not defined (defined: {defined})")
        calls = {part.name for part in _nodes(node) if isinstance(part, Call)}
        self.asks_terminology = self.asks_terminology or not calls.isdisjoint(_TERMINOLOGICAL)
        shape, unknown = inferred(node, focus, self._resource, self._shapes)
        expression = compile(text if node == written else unparse(node))
        items = _general(expression, indexed=ROW_INDEX in names)
        item = many = test = None
        if focus.kinds is not None and len(focus.kinds) == 1:
            (kind,) = focus.kinds
            # The compiled forms read literals, and no variables of a view.
            plain = _changed(node, self._with_texts)
            item, many, test = (
                value(plain, kind, None),
                values(plain, kind, None),
                condition(plain, kind, None),
            )
        result = _values(items, many)
        exact = _shows_digits(node, compiled=many is not None)
        return Path(text, shape, items, result, unknown, item, many, test, exact)


def _shows_digits(node: Node, *, compiled: bool) -> bool:
    if isinstance(node, Binary) and isinstance(node.right, Call) and node.right.name == "join" and compiled:
        node = node.right.target or node.left  # what `_as_meant` writes; it is compiled for strings alone
    return any(
        (isinstance(part, Call) and part.name in _DIGITS)
        or (isinstance(part, Binary) and part.operator in ("&", "~", "!~"))
        for part in _nodes(node)
    )


def _general(expression: Expression, *, indexed: bool) -> Callable[[Item, int, Surroundings], list[Item]]:
    if not indexed:
        return lambda focus, _, run: expression.items(focus, **run.options)

    def items(focus: Item, index: int, run: Surroundings) -> list[Item]:
        variables = {**run.options["variables"], ROW_INDEX: index}
        return expression.items(focus, **{**run.options, "variables": variables})

    return items


def _values(items: Any, many: Compiled | None) -> Callable[[Item, int, Surroundings], list[Any]]:
    def general(focus: Item, index: int, run: Surroundings) -> list[Any]:
        return [json_value(item) for item in items(focus, index, run) if item.value is not None]

    if many is None:
        return general

    def evaluate(focus: Item, index: int, run: Surroundings) -> list[Any]:
        try:
            input_value: list[Any] = many(focus.value, run)
            return input_value
        except UnexpectedShape:
            return general(focus, index, run)

    return evaluate


_PARTS: dict[type, tuple[str, ...]] = {
    Member: ("target",),
    Call: ("target",),
    Indexer: ("target", "index"),
    Unary: ("operand",),
    Binary: ("left", "right"),
    TypeTest: ("operand",),
}
"""Where a kind of node holds other nodes, arguments left aside."""


def _variables(node: Node) -> Iterator[Variable]:
    return (result for result in _nodes(node) if isinstance(result, Variable))


def _nodes(node: Node) -> Iterator[Any]:
    waiting: list[Any] = [node]
    while waiting:
        result = waiting.pop()
        yield result
        if isinstance(result, Call):
            waiting.extend(result.arguments)
        waiting.extend(
            child
            for child in (getattr(result, name) for name in _PARTS.get(type(result), ()))
            if child is not None
        )


def _changed(node: Node, change: Callable[[Node], Node]) -> Node:
    """The tree with each node changed, from the leaves up."""
    changes: dict[str, Any] = {}
    for name in _PARTS.get(type(node), ()):
        child = getattr(node, name)
        if child is not None:
            changes[name] = _changed(child, change)
    if isinstance(node, Call):
        changes["arguments"] = tuple(_changed(argument, change) for argument in node.arguments)
    return change(replace(node, **changes) if changes else node)


def _as_meant(node: Node) -> Node:
    """A node as SQL on FHIR means it, where that is more than FHIRPath says.

    `getReferenceKey('Patient')`, as its prose writes, is `getReferenceKey(Patient)`; `join()` of nothing is an empty
    string, as its test suite asks, where FHIRPath leaves it empty.
    """
    if not isinstance(node, Call):
        return node
    if node.name == "getReferenceKey" and len(node.arguments) == 1 and isinstance(node.arguments[0], Literal):
        named = node.arguments[0]
        return replace(node, arguments=(Member(None, str(named.value), named.position),))
    if node.name == "join":
        return Binary("&", Literal("String", ""), node, node.position)
    return node
