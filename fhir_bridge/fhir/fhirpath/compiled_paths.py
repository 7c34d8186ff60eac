"""Compiled paths: loops over raw JSON instead of collections of items, where the types are known beforehand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath.check import shape_of
from fhir_bridge.fhir.fhirpath.compiled_elements import (
    PRESENT,
    ROOT,
    VALUES,
    Body,
    CompiledValue,
    Elements,
    PathOptions,
)
from fhir_bridge.fhir.fhirpath.fhir_types import SYSTEM, FhirType, r4_type
from fhir_bridge.fhir.fhirpath.references import reference_key, resource_key
from fhir_bridge.fhir.fhirpath.registry import FUNCTIONS
from fhir_bridge.fhir.fhirpath.source import LEAVE, Unsupported
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

_NO_TRUTH = frozenset({"|", "&", "+", "-", "*", "/", "div", "mod"})
"""Operators that give no Boolean."""


class Paths(Elements, ABC):
    """Writes loops for paths. The logic that conditions need comes from the subclass."""

    @abstractmethod
    def true(self, node: Node, focus: CompiledValue) -> str:
        """A Python condition that holds where the expression is true."""

    @abstractmethod
    def false(self, node: Node, focus: CompiledValue) -> str:
        """A Python condition that holds where the expression is false: neither true nor empty."""

    @abstractmethod
    def assigned(self, expression: str) -> str:
        """A variable with this value."""

    @abstractmethod
    def scalar(self, node: Node, focus: CompiledValue) -> CompiledValue:
        """A place whose variable has the expression's only value, or None."""

    @abstractmethod
    def single(self, node: Node, focus: CompiledValue) -> bool:
        """Whether at most one value can come, whatever the resource holds."""

    # --- loops ----------------------------------------------------------------------------------------------------

    def each(self, node: Node, focus: CompiledValue, body: Body, want: PathOptions) -> None:
        """Write a loop over what the path gives.

        Args:
            body: what to do with each.

        Raises:
            Unsupported: the path has a step that isn't compiled.
        """
        match node:
            case Member(target=None, name=name):
                if name[:1].isupper() and focus.kind.is_a(name):
                    body(focus)
                else:
                    self.member(focus, name, body, want)
            case Member(target=target, name=name):
                assert target is not None
                self.each(target, focus, lambda p: self.member(p, name, body, want), want.before())
            case Special(name="this"):
                body(focus)
            case Variable(name=name):
                # A loop that starts at a variable again for each item multiplies the work.
                before, self.multiplied = self.multiplied, self.multiplied or focus.name != ROOT
                try:
                    body(self.of_environment(name))
                finally:
                    self.multiplied = before
            case Null():
                pass
            case Call():
                self.call(node, focus, body, want)
            case TypeTest(operator="as", operand=operand, type_name=name):
                self.cast(operand, type_name(name, self.published), focus, body, want, one=not self.published)
            # Without repeats a union needs a comparison, which only `_write_list` has.
            case Binary(operator="|", left=left, right=right) if want.repeats:
                self.each(left, focus, body, want)
                self.each(right, focus, body, want)
            case Indexer(target=target, index=Literal(kind="Integer", value=place)):
                self.at(target, place, focus, body, want)
            case Literal() | Binary(operator="&"):
                self.of_scalar(node, focus, body)
            case Binary(operator=operator) if operator not in _NO_TRUTH:
                true, false = self.assigned(self.true(node, focus)), self.assigned(self.false(node, focus))
                verdict = self.assigned(f"True if {true} else False if {false} else None")
                with self.out.block(f"if {verdict} is not None:"):
                    body(CompiledValue(verdict, SYSTEM["Boolean"]))
            case _:
                raise Unsupported(type(node).__name__)

    def of_scalar(self, node: Node, focus: CompiledValue, body: Body) -> None:
        """What has one value or none."""
        compiled = self.scalar(node, focus)
        with self.out.block(f"if {compiled.name} is not None:"):
            body(compiled)

    def of_environment(self, name: str) -> CompiledValue:
        """The focus, or the resource around it where that has a known type."""
        if name == "context":
            return CompiledValue(ROOT, self.root)
        if name == "resource" and self.root.defined_at is not None:
            around = r4_type(self.root.defined_at[0])
            if around is not None and around.is_resource and not around.open:
                self.around = around
                return CompiledValue("resource", around)
        raise Unsupported(f"%{name}")

    def call(self, node: Call, focus: CompiledValue, body: Body, want: PathOptions) -> None:
        """A function in a path."""
        name, arguments = node.name, node.arguments
        known = FUNCTIONS.get(name)
        if known is None or len(arguments) < known.least:
            raise Unsupported(name)
        target: Node = node.target if node.target is not None else Special("this")
        match name:
            case "where":
                self.each(target, focus, lambda p: self.filtered(arguments[0], p, body), want)
            case "select":
                inner = lambda p: self.each(arguments[0], p, body, want)  # noqa: E731
                self.each(target, focus, inner, replace(VALUES, repeats=want.repeats))
            case "as" | "ofType":
                wanted = type_argument(arguments[0], self.published)
                item = name == "as" and not self.published
                # `extension('url')` is a filter on one text, far quicker than the general function.
                self.cast(target, wanted, focus, body, want, one=item)
            case "extension" if isinstance(arguments[0], Literal):
                url = f".get('url') == {str(arguments[0].value)!r}"
                # Those extensions are read without their own values being asked for.
                of_url = lambda p: self.filtered_by(p.name + url, p, body)  # noqa: E731
                self.each(Member(target, "extension"), focus, of_url, want.before())
            case "first":
                self.at(target, 0, focus, body, want)
            case "tail":
                self.counted(target, focus, body, "> 0", want)
            case "skip" if _whole(arguments[0]):
                self.counted(target, focus, body, f">= {_count(arguments[0])}", want)
            case "take" if _whole(arguments[0]):
                self.counted(target, focus, body, f"< {_count(arguments[0])}", want)
            case "intersect" if want.repeats:
                self.intersection(target, arguments[0], focus, body)
            case "trace" if names_itself(node):
                self.each(target, focus, body, want)
            case "getResourceKey" | "getReferenceKey":
                self.each(target, focus, lambda p: self.key(node, p, body), want.before())
            case "substring" | "toString" | "replaceMatches" | "lower" | "upper" | "getValue" | "join":
                self.of_scalar(node, focus, body)
            case _:
                raise Unsupported(name)

    def key(self, node: Call, value: CompiledValue, body: Body) -> None:
        """getResourceKey() of a resource of known type, getReferenceKey() of a Reference."""
        kind = value.kind
        if node.name == "getResourceKey" and kind.is_resource and not kind.open and not node.arguments:
            result = f"{self.out.constant(resource_key)}({value.name}, {kind.name!r})"
        elif node.name == "getReferenceKey" and kind.is_a("Reference"):
            wanted = type_argument(node.arguments[0]).fhir if node.arguments else None
            result = f"{self.out.constant(reference_key)}({value.name}.get('reference'), {wanted!r})"
        else:
            raise Unsupported(f"{node.name}() of {kind}")
        name = self.out.fetched(result)
        with self.out.block(f"if {name} is not None:"):
            body(CompiledValue(name, SYSTEM["String"]))

    def intersection(self, target: Node, other: Node, focus: CompiledValue, body: Body) -> None:
        """The values that another path gives too: objects without quantities are compared as JSON."""

        def comparable(value: CompiledValue) -> None:
            if value.kind.primitive or value.kind.is_a("Quantity") or value.kind.open:
                raise Unsupported("intersect() of other than objects")

        with self.accumulator("[]", "l") as values:

            def keep(value: CompiledValue) -> None:
                comparable(value)
                self.out.add(f"{values}.append({value.name})")

            def test(value: CompiledValue) -> None:
                comparable(value)
                self.charge(f"len({values})")
                self.filtered_by(f"{value.name} in {values}", value, body)

            # A stop of the loops around must not end the collection of the other side.
            stops, self.stops = self.stops, []
            try:
                self.each(other, focus, keep, replace(VALUES, repeats=True))
            finally:
                self.stops = stops
            self.each(target, focus, test, replace(VALUES, repeats=True))

    def filtered(self, criteria: Node, value: CompiledValue, body: Body) -> None:
        """What is done only where the criteria are true."""
        self.filtered_by(self.condition(criteria, value), value, body)

    def filtered_by(self, condition: str, value: CompiledValue, body: Body) -> None:
        """What is done only where a Python condition holds."""
        with self.out.block(f"if {condition}:"):
            body(value)

    def condition(self, node: Node, focus: CompiledValue) -> str:
        """A condition; one that isn't compiled leaves the compiled form when it is reached."""
        return self.or_leave(lambda: self.true(node, focus))

    def or_leave(self, write: Callable[[], str]) -> str:
        """A part of a condition; where it has no compiled shape, reaching it leaves the compiled form."""
        if self.out.shared:
            return write()  # what can't be written makes the whole path one for the general evaluator
        # What was written for the part goes; reaching the place leaves the function.
        kept = len(self.out.lines)
        try:
            return write()
        except Unsupported:
            del self.out.lines[kept:]
            return LEAVE

    def at(self, target: Node, number: int, focus: CompiledValue, body: Body, want: PathOptions) -> None:
        """One value by its place in the collection: of an array by its index, else counted."""
        # Places count all values, those without a value and of other types included.
        want = replace(want, skip=False, only=None)
        if isinstance(target, Member) and number >= 0:
            owners = self.owners(target, focus)
            steps = {step for owner in owners for step in owner.steps.get(target.name, ())}
            if len(owners) == 1 == len(steps) and not owners[0].open and not owners[0].primitive:
                (step,) = steps
                if step[0] not in owners[0].lists and number == 0:
                    self.each(target, focus, body, want)
                    return
                if step[0] in owners[0].lists:
                    of_holder = lambda p: self.item(p, step, number, body, want)  # noqa: E731
                    self.each(target.target or Special("this"), focus, of_holder, PRESENT)
                    return
        self.counted(target, focus, body, f"== {number}", want)

    def owners(self, member: Member, focus: CompiledValue) -> tuple[FhirType, ...]:
        """The types that the element may be one of; none where there may be several owners."""
        if member.target is None:
            return () if member.name[:1].isupper() else (focus.kind,)
        shape = shape_of(member.target, focus.kind)
        return () if shape is None or shape.many else tuple(shape.kinds or ())

    def counted(self, target: Node, focus: CompiledValue, body: Body, test: str, want: PathOptions) -> None:
        """The values whose place in the collection passes the test."""
        want = replace(want, skip=False, only=None)
        # A union's repeats have no place of their own.
        if isinstance(target, Binary):
            want = replace(want, repeats=False)
        ends = test.startswith(("==", "<"))
        with self.accumulator("-1", "i") as counter, self.stopping() if ends else nullcontext("") as done:

            def numbered(value: CompiledValue) -> None:
                self.out.add(f"{counter} += 1")
                with self.out.block(f"if {counter} {test}:"):
                    body(value)
                if ends:
                    # The loop ends once its last wanted place has been passed.
                    limit = test.replace("==", ">=").replace("<", "+ 1 >=")
                    self.out.add(f"{done} = {counter} {limit}")

            self.each(target, focus, numbered, want)

    def cast(
        self,
        target: Node,
        wanted: TypeName,
        focus: CompiledValue,
        body: Body,
        want: PathOptions,
        *,
        one: bool = False,
    ) -> None:
        """The values of a type: known beforehand, but for resources, which state theirs.

        Args:
            one: several values are an error, whatever their types.
        """
        # N1 §6.3: `as` on several items is an error, which the general evaluator reports.
        if one and not self.single(target, focus):
            raise Unsupported("'as' on what may be several")
        before = want.only

        def only(kind: FhirType) -> bool:
            return kind.open or (wanted.selects(kind) and (before is None or before(kind)))

        def chosen(value: CompiledValue) -> None:
            if value.kind.open:
                names = resources_of(wanted)
                with self.out.block(
                    f"if str({value.name}.get('resourceType')) in {self.out.constant(names)}:"
                ):
                    known = r4_type(wanted.fhir or "")
                    body(CompiledValue(value.name, known) if known is not None and len(names) == 1 else value)
            elif wanted.selects(value.kind):
                body(value)

        self.each(target, focus, chosen, replace(want, only=only if isinstance(target, Member) else None))


def resources_of(wanted: TypeName) -> frozenset[str]:
    """The concrete resource types that a name covers."""
    results = set()
    for name in definitions.resource_types():
        kind = r4_type(name)
        if kind is not None and wanted.selects(kind):
            results.add(name)
    return frozenset(results)


def names_itself(node: Call) -> bool:
    """Whether a trace() has a name and no projection: then it does nothing where nobody listens."""
    return len(node.arguments) == 1 and isinstance(node.arguments[0], Literal)


def _whole(node: Node) -> bool:
    return isinstance(node, Literal) and node.kind == "Integer"


def _count(node: Node) -> int:
    assert isinstance(node, Literal)
    return int(node.value)
