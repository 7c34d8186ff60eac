"""Compiled elements: the JSON properties that hold an element, read in loops and counted where loops multiply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fhir_bridge.fhir.fhirpath.environment import MAX_ITEMS
from fhir_bridge.fhir.fhirpath.fhir_types import FhirType, Step, r4_type
from fhir_bridge.fhir.fhirpath.source import LEAVE, Source, Unsupported

__all__ = [
    "MAX_ROUNDS",
    "PRESENT",
    "ROOT",
    "VALUES",
    "Body",
    "CompiledValue",
    "Elements",
    "PathOptions",
    "Presence",
]


@dataclass(frozen=True, slots=True)
class CompiledValue:
    """A value in the code.

    Attributes:
        name: the variable that holds it; empty where nobody fetched it (`exists` asks for no value).
        kind: its type.
        holder: the variable of the object it is an element of, and its JSON name: to find `_name`; None where it is
            an item of a list.
        element: the type that it is an element of, and its JSON name; None where it is no element.
    """

    name: str
    kind: FhirType
    holder: tuple[str, str] | None = None
    element: tuple[FhirType, str] | None = None


Body = Callable[[CompiledValue], None]
"""Writes what is done with each value."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A body that needs no value, only that there is one."""

    write: Callable[[], None]

    def __call__(self, _: CompiledValue) -> None:
        """Write it."""
        self.write()


@dataclass(frozen=True, slots=True)
class PathOptions:
    """What is asked of the values of a path.

    Attributes:
        values: the values themselves, not only that they are there; a primitive without a value (with extensions
            alone) leaves the compiled form.
        skip: such a primitive is passed over, because the caller drops what has no value.
        repeats: a value that comes twice does no harm, so that a union needs no comparison.
        only: of an element with several types, those of which values are wanted; None for all.
    """

    values: bool = False
    skip: bool = False
    repeats: bool = False
    only: Callable[[FhirType], bool] | None = None

    def before(self) -> PathOptions:
        """What is asked of what is before a step."""
        return PathOptions(repeats=self.repeats)


PRESENT = PathOptions(repeats=True)
VALUES = PathOptions(values=True)

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

    def __init__(self, out: Source, root: FhirType, *, published: bool) -> None:
        self.out = out
        self.root = root
        self.published = published
        self.stops: list[str] = []
        self.around: FhirType | None = None
        self.multiplied = False
        self.counts = False

    @contextmanager
    def accumulator(self, start: str, stem: str = "s") -> Iterator[str]:
        """A variable that what is written inside changes."""
        name = self.out.name(stem)
        self.out.add(f"{name} = {start}")
        with self.out.alone():
            yield name

    @contextmanager
    def stopping(self, start: str = "False") -> Iterator[str]:
        """A variable that ends the loops inside when it becomes true."""
        with self.accumulator(start) as name:
            self.stops.append(name)
            try:
                yield name
            finally:
                self.stops.remove(name)

    def member(self, value: CompiledValue, name: str, body: Body, want: PathOptions) -> None:
        """The values of an element."""
        kind = value.kind
        steps, lists = self.steps_of(value, name)
        if want.only is not None:
            steps = tuple(step for step in steps if want.only(step[2]))
        if not steps:
            return  # no such element: nothing comes
        holder = value.name
        if kind.primitive:
            # Extensions of an item in a list are in the parallel array, whose place is not known here.
            if value.holder is None:
                raise Unsupported("extensions of a primitive in a list")
            holder = self.out.fetched(f"{value.holder[0]}.get({'_' + value.holder[1]!r})")
            with self.out.block(f"if {holder} is not None:"):
                self.object_check(holder)
                self.steps(kind, holder, steps, lists, body, want)
            return
        if not holder:
            raise Unsupported("an element of a value that was not fetched")
        # From four types on a look at the keys costs less than one `get` for each.
        if len(steps) > 3:
            self.choice(kind, holder, steps, lists, body, want)
        else:
            self.steps(kind, holder, steps, lists, body, want)

    def steps_of(self, value: CompiledValue, name: str) -> tuple[tuple[Step, ...], frozenset[str]]:
        """The JSON properties of an element, and which names are those of arrays."""
        kind = value.kind
        if kind.system or kind.name == "Any":
            raise Unsupported(f"an element of {kind}")
        if not kind.open or name in _EVERY_RESOURCE:
            return kind.steps.get(name, ()), kind.lists
        domain = r4_type("DomainResource")
        if domain is None or name not in domain.steps:
            raise Unsupported(f"{name} of a resource of any type")
        outside = self.out.constant(_OUTSIDE_DOMAIN)
        # Bundle, Binary and Parameters are no DomainResources, so they lack its elements.
        self.out.check(f"if str({value.name}.get('resourceType')) in {outside}: {LEAVE}")
        return domain.steps[name], domain.lists

    def steps(
        self,
        owner: FhirType,
        holder: str,
        steps: tuple[Step, ...],
        lists: frozenset[str],
        body: Body,
        want: PathOptions,
    ) -> None:
        """The JSON properties that hold an element, one after the other."""
        for step in steps:
            if step[0] in lists:
                self.many(owner, holder, step, body, want)
            else:
                self.write_single(owner, holder, step, body, want)

    def choice(
        self,
        owner: FhirType,
        holder: str,
        steps: tuple[Step, ...],
        lists: frozenset[str],
        body: Body,
        want: PathOptions,
    ) -> None:
        """An element of many types: only looked for where one of its JSON names is there."""
        names = frozenset(key for key, _, _ in steps) | frozenset(shadow for _, shadow, _ in steps if shadow)
        if isinstance(body, Presence):
            key = self.out.name("k")
            with self.out.block(f"for {key} in {self.out.constant(names)}.intersection({holder}):"):
                # A list where the type has one value is another shape.
                self.out.add(f"if type({holder}[{key}]) is list: {LEAVE}")
                with self.out.block(f"if {holder}[{key}] is not None:"):
                    body(CompiledValue("", steps[0][2]))
            return
        with self.out.block(f"if not {self.out.constant(names)}.isdisjoint({holder}):"):
            self.steps(owner, holder, steps, lists, body, want)

    def write_single(self, owner: FhirType, holder: str, step: Step, body: Body, want: PathOptions) -> None:
        """An element that is one value; a primitive may be there without a value, with extensions alone."""
        key, shadow, kind = step
        value = self.out.fetched(f"{holder}.get({key!r})")
        test = f"{value} is not None"
        if want.values and shadow and not want.skip:
            # Where values are wanted, extensions without a value are left to the general evaluator.
            self.out.check(f"if {value} is None and {holder}.get({shadow!r}) is not None: {LEAVE}")
        elif not want.values and kind.primitive and shadow:
            test += f" or {holder}.get({shadow!r}) is not None"
        with self.out.block(f"if {test}:"):
            self.value_check(value, kind, want)
            body(CompiledValue(value, kind, (holder, key), (owner, key)))

    def many(self, owner: FhirType, holder: str, step: Step, body: Body, want: PathOptions) -> None:
        """An element that is an array."""
        key, _, kind = step
        values = self.values(holder, step, want)
        with self.out.block(f"if {values} is not None:"):
            self.out.check(f"if type({values}) is not list: {LEAVE}")
            value = self.out.fetched(values, loop=True)
            with self.out.block(f"for {value} in {values}:"):
                if self.multiplied:
                    self.charge("1")
                compiled = CompiledValue(value, kind, None, (owner, key))
                if kind.primitive and want.skip:
                    with self.out.block(f"if {value} is not None:"):
                        self.value_check(value, kind, want)
                        body(compiled)
                else:
                    self.item_check(value, kind, want)
                    body(compiled)
                for stop in self.stops:
                    self.out.add(f"if {stop}: break")

    def item(
        self, compiled_value: CompiledValue, step: Step, number: int, body: Body, want: PathOptions
    ) -> None:
        """The item of an array that is the only one of its path: its place there is its place in the collection."""
        key, _, kind = step
        values = self.values(compiled_value.name, step, want)
        with self.out.block(f"if {values} is not None:"):
            self.out.check(f"if type({values}) is not list: {LEAVE}")
            with self.out.block(f"if len({values}) > {number}:"):
                # A hole before the item would shift its place in the collection.
                if number:
                    self.out.check(f"if None in {values}[:{number}]: {LEAVE}")
                value = self.out.fetched(f"{values}[{number}]")
                self.item_check(value, kind, want)
                body(CompiledValue(value, kind, None, (compiled_value.kind, key)))

    def values(self, holder: str, step: Step, want: PathOptions) -> str:
        """The variable of an array; one of extensions alone, without values, leaves the compiled form."""
        key, shadow, _ = step
        values = self.out.fetched(f"{holder}.get({key!r})", "l")
        if shadow and not want.skip:
            self.out.check(f"if {values} is None and {holder}.get({shadow!r}) is not None: {LEAVE}")
        return values

    def item_check(self, value: str, kind: FhirType, want: PathOptions) -> None:
        """An item of an array is what its type says; a hole in it leaves the compiled form."""
        if kind.primitive:
            self.out.check(f"if {value} is None: {LEAVE}")
        self.value_check(value, kind, want)

    def value_check(self, value: str, kind: FhirType, want: PathOptions) -> None:
        """A value that is not None has the shape that its type says."""
        if not kind.primitive:
            self.object_check(value)
        elif want.values:
            self.out.check(f"if type({value}) is not str and isinstance({value}, (list, dict)): {LEAVE}")
        else:
            self.out.check(f"if type({value}) is list: {LEAVE}")

    def object_check(self, value: str) -> None:
        """A value is an object."""
        self.out.check(f"if type({value}) is not dict: an_object({value})")

    def charge(self, rounds: str) -> None:
        """Count rounds; where there were too many the general evaluator says so."""
        self.counts = True
        # The general evaluator counts items as well, and reports what is too much.
        self.out.add(f"left -= {rounds}")
        self.out.add(f"if left < 0: {LEAVE}")
