"""Compiled paths: loops over raw JSON instead of collections of items, where the types are known beforehand."""

from __future__ import annotations

from abc import ABC, abstractmethod

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath.compiled_elements import ROOT, Body, Elements, Place
from fhir_bridge.fhir.fhirpath.kinds import kind_of
from fhir_bridge.fhir.fhirpath.registry import FUNCTIONS
from fhir_bridge.fhir.fhirpath.source import NEVER, Unsupported
from fhir_bridge.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    Node,
    Null,
    Special,
    TypeTest,
    Variable,
)
from fhir_bridge.fhir.fhirpath.types import TypeName, type_argument, type_name

__all__ = ["Paths", "names_itself", "resources_of"]


class Paths(Elements, ABC):
    """Writes loops for paths. The logic that conditions need comes from the subclass."""

    @abstractmethod
    def true(self, node: Node, focus: Place) -> str:
        """A Python condition that holds where the expression is true."""

    @abstractmethod
    def scalar(self, node: Node, focus: Place) -> Place:
        """A place whose variable has the expression's only value, or None."""

    # --- loops ----------------------------------------------------------------------------------------------------

    def each(self, node: Node, focus: Place, body: Body, *, values: bool, repeats: bool) -> None:
        """Write a loop over what the path gives.

        Args:
            body: what to do with each.
            values: the values themselves are needed, not only that they are there; a primitive that has none then
                leaves the compiled form.
            repeats: a value that comes twice does no harm, so that a union needs no comparison.

        Raises:
            Unsupported: the path has a step that isn't compiled.
        """
        match node:
            case Member(target=None, name=name):
                if name[:1].isupper() and focus.kind.is_a(name):
                    body(focus)
                else:
                    self.member(focus, name, body, values=values)
            case Member(target=target, name=name):
                assert target is not None
                self.each(
                    target,
                    focus,
                    lambda p: self.member(p, name, body, values=values),
                    values=False,
                    repeats=repeats,
                )
            case Special(name="this"):
                body(focus)
            case Variable(name=name):
                before, self.multiplied = self.multiplied, self.multiplied or focus.name != ROOT
                try:
                    body(self.variable(name))
                finally:
                    self.multiplied = before
            case Null():
                pass
            case Call():
                self.call(node, focus, body, values=values, repeats=repeats)
            case TypeTest(operator="as", operand=operand, type_name=name):
                self.cast(
                    operand, type_name(name, self.published), focus, body, values=values, repeats=repeats
                )
            case Binary(operator="|", left=left, right=right) if repeats:
                self.each(left, focus, body, values=values, repeats=True)
                self.each(right, focus, body, values=values, repeats=True)
            case Indexer(target=target, index=Literal(kind="Integer", value=place)):
                self.counted(target, focus, body, f"== {place}", values=values, repeats=repeats)
            case Literal() | Binary(operator="&"):
                place = self.scalar(node, focus)
                with self.out.block(f"if {place.name} is not None:"):
                    body(place)
            case _:
                raise Unsupported(type(node).__name__)

    def variable(self, name: str) -> Place:
        """The focus, or the resource around it where that has a known type."""
        if name == "context":
            return Place(ROOT, self.root)
        if name == "resource" and self.root.place is not None:
            around = kind_of(self.root.place[0])
            if around is not None and around.is_resource and not around.open:
                self.around = around
                return Place("resource", around)
        raise Unsupported(f"%{name}")

    def call(self, node: Call, focus: Place, body: Body, *, values: bool, repeats: bool) -> None:
        """A function in a path."""
        name, arguments = node.name, node.arguments
        known = FUNCTIONS.get(name)
        if known is None or len(arguments) < known.least:
            raise Unsupported(name)
        target: Node = node.target if node.target is not None else Special("this")
        match name:
            case "where":
                self.each(
                    target,
                    focus,
                    lambda p: self.filtered(arguments[0], p, body),
                    values=values,
                    repeats=repeats,
                )
            case "select":
                self.each(
                    target,
                    focus,
                    lambda p: self.each(arguments[0], p, body, values=values, repeats=repeats),
                    values=True,
                    repeats=repeats,
                )
            case "as" | "ofType":
                wanted = type_argument(arguments[0], self.published)
                self.cast(target, wanted, focus, body, values=values, repeats=repeats)
            case "extension" if isinstance(arguments[0], Literal):
                self.extension(target, str(arguments[0].value), focus, body, repeats=repeats)
            case "first":
                self.counted(target, focus, body, "== 0", values=values, repeats=repeats)
            case "tail":
                self.counted(target, focus, body, "> 0", values=values, repeats=repeats)
            case "skip" if _whole(arguments[0]):
                self.counted(
                    target, focus, body, f">= {_count(arguments[0])}", values=values, repeats=repeats
                )
            case "take" if _whole(arguments[0]):
                self.counted(target, focus, body, f"< {_count(arguments[0])}", values=values, repeats=repeats)
            case "intersect" if repeats:
                self.shared(target, arguments[0], focus, body)
            case "trace" if names_itself(node):
                self.each(target, focus, body, values=values, repeats=repeats)
            case "substring" | "toString" | "replaceMatches" | "lower" | "upper" | "getValue":
                place = self.scalar(node, focus)
                with self.out.block(f"if {place.name} is not None:"):
                    body(place)
            case _:
                raise Unsupported(name)

    def shared(self, target: Node, other: Node, focus: Place, body: Body) -> None:
        """The values that another path gives too: objects without quantities are compared as JSON."""
        values = self.out.name("l")
        self.out.add(f"{values} = []")

        def comparable(place: Place) -> None:
            if place.kind.primitive or place.kind.is_a("Quantity") or place.kind.open:
                raise Unsupported("intersect() of other than objects")

        def keep(place: Place) -> None:
            comparable(place)
            self.out.add(f"{values}.append({place.name})")

        def test(place: Place) -> None:
            comparable(place)
            self.charge(f"len({values})")
            self.filtered_by(f"{place.name} in {values}", place, body)

        stops, self.stops = self.stops, []
        try:
            self.each(other, focus, keep, values=True, repeats=True)
        finally:
            self.stops = stops
        self.each(target, focus, test, values=True, repeats=True)

    def filtered(self, criteria: Node, place: Place, body: Body) -> None:
        """What is done only where the criteria are true."""
        with self.out.block(f"if {self.condition(criteria, place)}:"):
            body(place)

    def condition(self, node: Node, focus: Place) -> str:
        """A condition; one that isn't compiled leaves the compiled form when it is reached."""
        kept = len(self.out.lines)
        try:
            return self.true(node, focus)
        except Unsupported:
            del self.out.lines[kept:]
            return NEVER

    def counted(
        self, target: Node, focus: Place, body: Body, test: str, *, values: bool, repeats: bool
    ) -> None:
        """The values whose place in the collection passes the test."""
        if isinstance(target, Binary):
            repeats = False
        counter = self.out.name("i")
        self.out.add(f"{counter} = -1")
        ends = test.startswith(("==", "<"))
        done = self.out.name("done")
        if ends:
            self.out.add(f"{done} = False")
            self.stops.append(done)

        def numbered(place: Place) -> None:
            self.out.add(f"{counter} += 1")
            with self.out.block(f"if {counter} {test}:"):
                body(place)
            if ends:
                limit = test.replace("==", ">=").replace("<", "+ 1 >=")
                self.out.add(f"{done} = {counter} {limit}")

        try:
            self.each(target, focus, numbered, values=values, repeats=repeats)
        finally:
            if ends:
                self.stops.remove(done)

    def extension(self, target: Node, url: str, focus: Place, body: Body, *, repeats: bool) -> None:
        """The extensions of this url; those of a primitive stand beside it."""
        self.each(
            Member(target, "extension"),
            focus,
            lambda p: self.filtered_by(f"{p.name}.get('url') == {url!r}", p, body),
            values=False,
            repeats=repeats,
        )

    def filtered_by(self, condition: str, place: Place, body: Body) -> None:
        """What is done only where a Python condition holds."""
        with self.out.block(f"if {condition}:"):
            body(place)

    def cast(
        self, target: Node, wanted: TypeName, focus: Place, body: Body, *, values: bool, repeats: bool
    ) -> None:
        """The values of a type: known beforehand, but for resources, which tell theirs."""
        if not self.published and not self.single(target, focus):
            raise Unsupported("'as' on what may be several")

        def chosen(place: Place) -> None:
            if place.kind.open:
                names = resources_of(wanted)
                with self.out.block(
                    f"if str({place.name}.get('resourceType')) in {self.out.constant(names)}:"
                ):
                    only = kind_of(wanted.fhir or "")
                    body(Place(place.name, only) if only is not None and len(names) == 1 else place)
            elif wanted.selects(place.kind):
                body(place)

        self.each(target, focus, chosen, values=values, repeats=repeats)

    @abstractmethod
    def single(self, node: Node, focus: Place) -> bool:
        """Whether at most one value can come, whatever the resource holds."""


def resources_of(wanted: TypeName) -> frozenset[str]:
    """The concrete resource types that a name covers."""
    found = set()
    for name in definitions.resource_types():
        kind = kind_of(name)
        if kind is not None and wanted.selects(kind):
            found.add(name)
    return frozenset(found)


def names_itself(node: Call) -> bool:
    """Whether a trace() has a name and no projection: then it does nothing where nobody listens."""
    return len(node.arguments) == 1 and isinstance(node.arguments[0], Literal)


def _whole(node: Node) -> bool:
    return isinstance(node, Literal) and node.kind == "Integer"


def _count(node: Node) -> int:
    assert isinstance(node, Literal)
    return int(node.value)
