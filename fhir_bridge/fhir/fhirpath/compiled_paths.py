"""Compiled paths: loops over raw JSON instead of collections of items, where the types are known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath.environment import MAX_ITEMS
from fhir_bridge.fhir.fhirpath.kinds import SYSTEM, Kind, kind_of
from fhir_bridge.fhir.fhirpath.registry import FUNCTIONS
from fhir_bridge.fhir.fhirpath.source import NEVER, Source, Unsupported
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

__all__ = ["MAX_ROUNDS", "ROOT", "Body", "Paths", "Place", "Presence", "names_itself", "resources_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """A value in the code.

    Attributes:
        name: the variable that holds it; empty where nobody fetched it (`exists` asks for no value).
        kind: its type.
        holder: the variable of the object it is an element of, and its JSON name: to find `_name`; None where it is
            an item of a list.
    """

    name: str
    kind: Kind
    holder: tuple[str, str] | None = None


Body = Callable[[Place], None]
"""Writes what is done with each value."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A body that needs no value, only that there is one."""

    write: Callable[[], None]

    def __call__(self, _: Place) -> None:
        """Write it."""
        self.write()


MAX_ROUNDS = 10 * MAX_ITEMS
"""Rounds of multiplied loops in one evaluation; a round takes a tenth of the time that an item takes."""

ROOT = "n"
"""The variable of the value that the expression is evaluated on."""

_EVERY_RESOURCE = frozenset({"id", "meta", "implicitRules", "language"})


class Paths:
    """Writes loops for paths. The logic that conditions need comes from the subclass.

    Args:
        out: where the code goes.
        root: kind of the focus, in the variable `ROOT`.
        published: as in the general evaluator.

    Attributes:
        stops: variables that end the loops around when they become true.
        around: the kind that `resource` must have, where the code asks for %resource.
        multiplied: a variable is walked for each item of a collection, so that the work grows with powers of the
            resource's size: the rounds of such loops are counted, in `left`.
        counts: the code counts rounds.
    """

    def __init__(self, out: Source, root: Kind, *, published: bool) -> None:
        self.out = out
        self.root = root
        self.published = published
        self.stops: list[str] = []
        self.around: Kind | None = None
        self.multiplied = False
        self.counts = False

    def true(self, node: Node, focus: Place) -> str:
        """A Python condition that holds where the expression is true."""
        raise NotImplementedError

    def scalar(self, node: Node, focus: Place) -> Place:
        """A place whose variable has the expression's only value, or None."""
        raise NotImplementedError

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

    def single(self, node: Node, focus: Place) -> bool:
        """Whether at most one value can come, whatever the resource holds."""
        raise NotImplementedError

    # --- elements -------------------------------------------------------------------------------------------------

    def member(self, place: Place, name: str, body: Body, *, values: bool) -> None:
        """The values of an element."""
        kind = place.kind
        if kind.system or kind.name == "Any":
            raise Unsupported(f"an element of {kind}")
        steps = kind.steps.get(name)
        lists = kind.lists
        if kind.open and name not in _EVERY_RESOURCE:
            domain = kind_of("DomainResource")
            if domain is None or name not in domain.steps:
                raise Unsupported(f"{name} of a resource of any type")
            steps, lists = domain.steps[name], domain.lists
            outside = self.out.constant(_OUTSIDE_DOMAIN)
            self.out.add(f"if str({place.name}.get('resourceType')) in {outside}: {NEVER}")
        if steps is None:
            return  # no such element: nothing comes
        holder = place.name
        if kind.primitive:
            if place.holder is None:
                raise Unsupported("extensions of a primitive in a list")
            holder = self.out.name()
            self.out.add(f"{holder} = {place.holder[0]}.get({'_' + place.holder[1]!r})")
            with self.out.block(f"if {holder} is not None:"):
                self.out.add(f"if {holder}.__class__ is not dict: an_object({holder})")
                self.steps(holder, steps, lists, body, values=values)
            return
        if not holder:
            raise Unsupported("an element of a value that was not fetched")
        if len(steps) > 3:
            self.choice(holder, steps, lists, body, values=values)
        else:
            self.steps(holder, steps, lists, body, values=values)

    def steps(self, holder: str, steps: Any, lists: frozenset[str], body: Body, *, values: bool) -> None:
        """The JSON properties that hold an element, one after the other."""
        for key, shadow, kind in steps:
            if key in lists:
                self.many(holder, key, shadow, kind, body)
            elif kind.primitive:
                self.primitive(holder, key, shadow, kind, body, values=values)
            else:
                self.object(holder, key, kind, body)

    def choice(self, holder: str, steps: Any, lists: frozenset[str], body: Body, *, values: bool) -> None:
        """An element of many types: only looked for where one of its JSON names is there."""
        names = frozenset(key for key, _, _ in steps) | frozenset(shadow for _, shadow, _ in steps if shadow)
        if isinstance(body, Presence):
            key = self.out.name("k")
            with self.out.block(f"for {key} in {self.out.constant(names)}.intersection({holder}):"):
                self.out.add(f"if {holder}[{key}].__class__ is list: {NEVER}")
                with self.out.block(f"if {holder}[{key}] is not None:"):
                    body(Place("", steps[0][2]))
            return
        with self.out.block(f"if not {self.out.constant(names)}.isdisjoint({holder}):"):
            self.steps(holder, steps, lists, body, values=values)

    def object(self, holder: str, key: str, kind: Kind, body: Body) -> None:
        """An element that is one object."""
        value = self.out.name()
        self.out.add(f"{value} = {holder}.get({key!r})")
        with self.out.block(f"if {value} is not None:"):
            self.out.add(f"if {value}.__class__ is not dict: an_object({value})")
            body(Place(value, kind, (holder, key)))

    def primitive(
        self, holder: str, key: str, shadow: str | None, kind: Kind, body: Body, *, values: bool
    ) -> None:
        """An element that is one primitive; it may be there without a value, with extensions alone."""
        value = self.out.name()
        self.out.add(f"{value} = {holder}.get({key!r})")
        if values:
            if shadow:
                self.out.add(f"if {value} is None and {holder}.get({shadow!r}) is not None: {NEVER}")
            with self.out.block(f"if {value} is not None:"):
                self.out.add(f"if {value}.__class__ is list or {value}.__class__ is dict: {NEVER}")
                body(Place(value, kind, (holder, key)))
            return
        test = (
            f"{value} is not None or {holder}.get({shadow!r}) is not None"
            if shadow
            else f"{value} is not None"
        )
        with self.out.block(f"if {test}:"):
            self.out.add(f"if {value}.__class__ is list: {NEVER}")
            body(Place(value, kind, (holder, key)))

    def many(self, holder: str, key: str, shadow: str | None, kind: Kind, body: Body) -> None:
        """An element that is an array."""
        values, value = self.out.name("l"), self.out.name()
        self.out.add(f"{values} = {holder}.get({key!r})")
        with self.out.block(f"if {values} is not None:"):
            self.out.add(f"if {values}.__class__ is not list: {NEVER}")
            with self.out.block(f"for {value} in {values}:"):
                if self.multiplied:
                    self.charge("1")
                if kind.primitive:
                    self.out.add(f"if {value} is None or {value}.__class__ is list: {NEVER}")
                else:
                    self.out.add(f"if {value}.__class__ is not dict: an_object({value})")
                body(Place(value, kind))
                for stop in self.stops:
                    self.out.add(f"if {stop}: break")
        if shadow:
            with self.out.block(f"elif {holder}.get({shadow!r}) is not None:"):
                self.out.add(NEVER)

    def charge(self, rounds: str) -> None:
        """Count rounds; where there were too many the general evaluator says so."""
        self.counts = True
        self.out.add(f"left -= {rounds}")
        self.out.add(f"if left < 0: {NEVER}")


def resources_of(wanted: TypeName) -> frozenset[str]:
    """The concrete resource types that a name covers."""
    found = set()
    for name in definitions.resource_types():
        kind = kind_of(name)
        if kind is not None and wanted.selects(kind):
            found.add(name)
    return frozenset(found)


_OUTSIDE_DOMAIN = frozenset({"Bundle", "Binary", "Parameters"})

STRING = SYSTEM["String"]


def names_itself(node: Call) -> bool:
    """Whether a trace() has a name and no projection: then it does nothing where nobody listens."""
    return len(node.arguments) == 1 and isinstance(node.arguments[0], Literal)


def _whole(node: Node) -> bool:
    return isinstance(node, Literal) and node.kind == "Integer"


def _count(node: Node) -> int:
    assert isinstance(node, Literal)
    return int(node.value)
