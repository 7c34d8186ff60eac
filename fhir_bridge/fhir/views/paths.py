"""The FHIRPath of a view, compiled: checked against the definitions, its constants bound, fast where it is simple."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from fhir_bridge.fhir.fhirpath.kinds import SYSTEM, Kind, kind_of
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
from fhir_bridge.fhir.views.inference import Given, Inference
from fhir_bridge.fhir.views.model import Constant
from fhir_bridge.fhir.views.types import Kind as ColumnKind
from fhir_bridge.fhir.views.types import kind_of as column_kind
from fhir_bridge.fhir.views.walkers import UNCOVERED, Test, Walk, tested, walked

__all__ = ["Path", "Paths", "Surroundings", "UndefinedConstant"]


class UndefinedConstant(ValueError):
    """A path names a constant that the view does not define."""


class Surroundings:
    """What the paths of one view see of one resource."""

    __slots__ = ("options", "root")

    def __init__(
        self,
        resource: dict[str, Any],
        kind: Kind,
        variables: Mapping[str, Any],
        resolver: ReferenceResolver | None,
        terminology: TerminologyPort | None,
        conformance: ConformancePort | None = None,
    ) -> None:
        self.root = Item(resource, kind)
        self.options: dict[str, Any] = {
            "resource": self.root,
            "root": self.root,
            "resolver": resolver,
            "terminology": terminology,
            "conformance": conformance,
            "variables": variables,
            "budget": Budget(),
        }


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path.

    Attributes:
        text: as written.
        given: what it gives, as far as the definitions tell.
        items: (element, row index, surroundings) to the items it gives.
        values: the same as JSON values; what has no value (a primitive with extensions alone) is left out.
        unknown: names in it that the definitions do not have, so that it is always empty there.
        walk: the fast way to its values, where there is one; `test` the fast way to its truth. Either may find a
            resource that only `values` covers (`UNCOVERED`).
        exact: it may tell a decimal's digits (`5.20`) from its value.
    """

    text: str
    given: Given
    items: Callable[[Item, int, Surroundings], list[Item]]
    values: Callable[[Item, int, Surroundings], list[Any]]
    unknown: tuple[str, ...] = ()
    walk: Walk | None = None
    test: Test | None = None
    exact: bool = False


_DIGITS = frozenset("lowBoundary highBoundary precision toString round join encode trace".split())
"""Functions that see how many digits a decimal has."""

_TERMINOLOGICAL = frozenset({"memberOf", "subsumes", "subsumedBy"})


class Paths:
    """Compiles the paths of one view; equal paths on equal elements are compiled once.

    Attributes:
        asks_terminology: one of them asks what value sets or code systems hold.
    """

    def __init__(self, resource: Kind, constants: Sequence[Constant]) -> None:
        self.variables: dict[str, Any] = {ROW_INDEX: Item(0, SYSTEM["Integer"])}
        given = {ROW_INDEX: Given((SYSTEM["Integer"],))}
        for constant in constants:
            kind = kind_of(constant.type) or SYSTEM["String"]
            self.variables[constant.name] = Item(constant.value, kind)
            given[constant.name] = Given((kind,))
        self._inference = Inference(resource, given)
        self._texts = {c.name: c.value for c in constants if column_kind(c.type) is ColumnKind.STRING}
        self._known: dict[tuple[str, Given], Path] = {}
        self.asks_terminology = False

    @property
    def exact(self) -> bool:
        """Whether any of the paths may tell a decimal's digits from its value."""
        return any(path.exact for path in self._known.values())

    def compile(self, text: str, focus: Given) -> Path:
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

    def _compiled(self, text: str, focus: Given) -> Path:
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
        given = self._inference.of(node, focus)
        expression = compile(text if node == written else unparse(node))
        items = _general(expression, indexed=ROW_INDEX in names)
        kind = focus.kinds[0] if focus.kinds is not None and len(focus.kinds) == 1 else None
        plain = _changed(node, self._with_texts)
        found = walked(plain, kind) if kind is not None else None
        return Path(
            text,
            given,
            items,
            _values(items, found),
            self._inference.unknown(node, focus),
            found,
            tested(plain, kind) if kind is not None else None,
            exact=found is None and _tells_digits(node),
        )


def _tells_digits(node: Node) -> bool:
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


def _values(items: Any, walk: Walk | None) -> Callable[[Item, int, Surroundings], list[Any]]:
    def general(focus: Item, index: int, run: Surroundings) -> list[Any]:
        return [json_value(item) for item in items(focus, index, run) if item.value is not None]

    if walk is None:
        return general
    many = walk.many

    def values(focus: Item, index: int, run: Surroundings) -> list[Any]:
        try:
            return many(focus.value)
        except UNCOVERED:
            return general(focus, index, run)

    return values


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
    return (found for found in _nodes(node) if isinstance(found, Variable))


def _nodes(node: Node) -> Iterator[Any]:
    waiting: list[Any] = [node]
    while waiting:
        found = waiting.pop()
        yield found
        if isinstance(found, Call):
            waiting.extend(found.arguments)
        waiting.extend(
            child
            for child in (getattr(found, name) for name in _PARTS.get(type(found), ()))
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
