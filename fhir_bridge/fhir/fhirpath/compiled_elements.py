"""Compiled elements: the JSON properties that hold an element, read in loops and counted where loops multiply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir.fhirpath.environment import MAX_ITEMS
from fhir_bridge.fhir.fhirpath.kinds import Kind, kind_of
from fhir_bridge.fhir.fhirpath.source import NEVER, Source, Unsupported

__all__ = ["MAX_ROUNDS", "ROOT", "Body", "Elements", "Place", "Presence"]


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
_OUTSIDE_DOMAIN = frozenset({"Bundle", "Binary", "Parameters"})


class Elements:
    """Writes loops over the values of an element.

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
