"""All search parameters of a resource type as one function, made once, and again when a package adds to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions, SearchParameter, type_definition
from fhir_bridge.fhir.fhirpath import FHIRPathError
from fhir_bridge.fhir.fhirpath.compiled import UnexpectedShape, Walker
from fhir_bridge.fhir.fhirpath.compiled_elements import CompiledValue, PathOptions
from fhir_bridge.fhir.fhirpath.compiled_logic import Conditions
from fhir_bridge.fhir.fhirpath.fhir_types import FhirType, r4_type
from fhir_bridge.fhir.fhirpath.source import Unsupported
from fhir_bridge.fhir.fhirpath.syntax import Binary, Member, Node
from fhir_bridge.fhir.search.entries import BoundedEntries, CompositeEntry
from fhir_bridge.fhir.search.evaluated import Evaluated
from fhir_bridge.fhir.search.references import target_type
from fhir_bridge.fhir.search.systems import implied_system
from fhir_bridge.fhir.search.values import Converter, converter, marked

__all__ = ["STORED", "Compiled", "Uncompiled", "Unindexed", "codes_of", "compiled"]

STORED = frozenset({"_id", "_lastUpdated"})
"""Parameters that the server answers from its own columns, without an index."""

Write = Callable[[Conditions, CompiledValue], object]
Evaluate = Callable[[Evaluated, dict[str, Any], Callable[[Any], object]], None]


@dataclass(frozen=True, slots=True)
class Uncompiled:
    """A search parameter that finds nothing here."""

    type: str
    code: str
    expression: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unindexed:
    """Values that a parameter leads to and that its search type has no form for: a text where dates are searched."""

    type: str
    code: str
    search_type: str
    value_type: str


class Group:
    """Parameters of a type that are found together: by one walk, and one by one where that can't read them.

    Args:
        writes: the code of those that the walk reads.
        apart: those that it can't read.
        every: all of them, for a resource that is not of the shape R4 gives it.
    """

    def __init__(
        self, kind: FhirType, writes: Iterable[Write], apart: list[Evaluated], every: list[Evaluated]
    ):
        self._apart, self._every = apart, every
        try:
            walker = _walker(kind)
            for write in writes:
                walker.add(write)
            self._walk = walker.function()
        except Unsupported:  # together more than Python nests
            self._walk, self._apart = _nothing, every

    def extract(self, resource: dict[str, Any], evaluate: Evaluate, most: int | None = None) -> list[Any]:
        """What the walk finds in a resource, and what `evaluate` appends for a parameter that it can't read.

        Raises:
            TooManyEntries: that is more than `most`.
        """
        results: list[Any] = [] if most is None else BoundedEntries(most)
        if not self._every:
            return results
        rest = self._apart
        try:
            self._walk(resource, results.append)
        except UnexpectedShape:
            # Entries of a walk that stopped are incomplete, and the general evaluator gives them again.
            results.clear()
            rest = self._every
        for parameter in rest:
            evaluate(parameter, resource, results.append)
        return results


def _collect(parameter: Evaluated, resource: dict[str, Any], append: Callable[[Any], object]) -> None:
    for type_name, value in parameter.values(resource):
        append((parameter.parameter.code, type_name, value))


def _walker(kind: FhirType) -> Walker:
    return Walker(kind, target_type=target_type)


def _nothing(_resource: Any, _append: Any) -> None:
    """The walk of parameters that have none."""


class Compiled:
    """The parameters of a resource type; those of `only`, or all.

    Attributes:
        codes: all that find something, composites included.
        uncompiled: those that find nothing.
        unindexed: values that they lead to and that have no form.
    """

    def __init__(self, known: Definitions, resource_type: str, only: frozenset[str] | None = None) -> None:
        parameters = known.search_parameters(resource_type)
        kind = r4_type(resource_type)
        assert kind is not None, "every resource type has a kind"
        self._kind, self._known = kind, known
        self.codes: set[str] = set(STORED)
        self.uncompiled: list[Uncompiled] = []
        self.unindexed: dict[Unindexed, None] = {}
        self._read: list[Evaluated] = []
        self._apart: list[Evaluated] = []
        for code, parameter in parameters.items():
            if code not in STORED and (only is None or code in only):
                reason = self._add(parameter)
                if reason:
                    uncompiled = Uncompiled(resource_type, code, parameter.expression, reason)
                    self.uncompiled.append(uncompiled)
                else:
                    self.codes.add(code)

    def entries(self, resource: dict[str, Any], most: int | None = None) -> list[Any]:
        """The index entries of all parameters but the composite ones; `TooManyEntries` beyond `most`."""
        return self._simple.extract(resource, Evaluated.extract, most)

    def pairs(self, resource: dict[str, Any], most: int | None = None) -> list[CompositeEntry]:
        """The entries of the composite parameters; `TooManyEntries` beyond `most`."""
        return self._composite.extract(resource, Evaluated.extract, most)

    def values(self, resource: dict[str, Any]) -> list[tuple[str, str, Any]]:
        """(code, FHIR type, value) of all that parameters find, whether it can be indexed or not."""
        return self._collecting.extract(resource, _collect)

    # Written when first asked for: most callers need one of the three.
    @cached_property
    def _simple(self) -> Group:
        return self._group(False, _write_entries)

    @cached_property
    def _composite(self) -> Group:
        return self._group(True, _write_pairs)

    @cached_property
    def _collecting(self) -> Group:
        return self._group(False, _write_values)

    def _group(self, composite: bool, write: Callable[[Evaluated, Node], Write]) -> Group:
        read, apart = (
            [item for item in result if bool(item.components) is composite]
            for result in (self._read, self._apart)
        )
        definition = type_definition(self._kind.name)
        order = {element.name.removesuffix("[x]"): n for n, element in enumerate(definition.children())}
        parts = [(part, item) for item in read for part in _parts(item.expression.node)]
        # Expressions that begin with the same element come together, so that the code for it is shared.
        parts.sort(key=lambda pair: order.get(_first_element(pair[0]), len(order)))
        return Group(self._kind, [write(item, part) for part, item in parts], apart, read + apart)

    # --- what can be read -------------------------------------------------------------------------------------------

    def _add(self, parameter: SearchParameter) -> str:
        """Take a parameter up; the reason where it finds nothing."""
        if not parameter.expression:
            return "has no expression"
        if parameter.type == "special":
            return "is special: its values are not compared by any search type"
        name = self._kind.name
        try:
            evaluated = Evaluated(name, parameter, self._known)
        except KeyError as missing:
            return f"its component {missing.args[0]} is no search parameter of {name}"
        except FHIRPathError as wrong:
            return f"is no FHIRPath for {name}: {wrong}"
        try:
            leads_nowhere = self._tried(evaluated)
        except Unsupported:
            self._apart.append(evaluated)
            return ""
        if not leads_nowhere:
            self._read.append(evaluated)
        return leads_nowhere

    def _tried(self, evaluated: Evaluated) -> str:
        """Write the walk of one parameter for itself, to see what it leads to; the reason where that is nothing.

        Raises:
            Unsupported: it can't be read.
        """
        values: list[CompiledValue] = []
        _walker(self._kind).add(lambda w, focus: _each(w, evaluated.expression.node, focus, values.append))
        if not values:
            return f"leads nowhere in {self._kind.name}"
        if evaluated.components:
            reached: set[str] = set()
            _walker(self._kind).add(_write_pairs(evaluated, evaluated.expression.node, reached))
            if any(known.code not in reached for known, _ in evaluated.components):
                raise Unsupported("a component that finds nothing")
            return ""
        parameter = evaluated.parameter
        without = [source for source in values if _converter(parameter, source.kind) is None]
        for source in without:
            if source.element is None or source.element[0].name != "Extension":  # which may hold any type
                unindexed = Unindexed(self._kind.name, parameter.code, parameter.type, source.kind.name)
                self.unindexed[unindexed] = None
        if len(without) == len(values):
            return f"finds nothing that has a form as {parameter.type}"
        return ""


def _parts(node: Node) -> list[Node]:
    """The parts of a union."""
    parts: list[Node] = []
    while isinstance(node, Binary) and node.operator == "|":
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


def _first_element(node: Node) -> str:
    """The first element that an expression names, behind the name of its type."""
    names: list[str] = []
    at: Node | None = node
    while at is not None:
        if isinstance(at, Member):
            names.append(at.name)
        at = next((v for v in (getattr(at, a, None) for a in ("target", "operand", "left")) if v), None)
    return next((name for name in reversed(names) if not name[:1].isupper()), "")


# --- what is written ------------------------------------------------------------------------------------------------


def _each(
    writer: Conditions,
    node: Node,
    focus: CompiledValue,
    body: Callable[[CompiledValue], None],
    wanted: Callable[[FhirType], bool] = lambda _: True,
) -> None:
    """A loop over what an expression finds; an extension stands for its value, where R4's expressions stop."""
    want = PathOptions(
        values=True, skip=True, repeats=True, only=lambda k: k.name == "Extension" or wanted(k)
    )

    def add(value: CompiledValue) -> None:
        if value.kind.name == "Extension":
            writer.member(value, "value", body, replace(want, only=wanted))
        else:
            body(value)

    writer.each(node, focus, add, want)


def _converter(parameter: SearchParameter, kind: FhirType, system: str | None = None) -> Converter | None:
    return converter(parameter.type, _type_name(kind), system, parameter.targets)


def _type_name(kind: FhirType) -> str:
    """A FHIR type; of a System type the one that has its values."""
    return kind.name[0].lower() + kind.name[1:] if kind.system and kind.name != "Quantity" else kind.name


def _write_entries(evaluated: Evaluated, node: Node) -> Write:
    return lambda writer, focus: _write_converted(
        writer, node, focus, evaluated, evaluated.parameter, "append"
    )


def _write_converted(
    writer: Conditions,
    node: Node,
    focus: CompiledValue,
    evaluated: Evaluated,
    parameter: SearchParameter,
    append: str,
) -> bool:
    """The conversion of what an expression finds; whether there is any. A value that several want is read once.

    Args:
        parameter: that of `evaluated`, or a component of it.
        append: what takes the entries.
    """
    any_written = False

    def body(value: CompiledValue) -> None:
        nonlocal any_written
        system = implied_system(value.element, evaluated.known) if value.kind.name == "code" else None
        convert = _converter(parameter, value.kind, system)
        if convert is None:
            return
        any_written = True
        # What a composite pairs has a value.
        convert = convert if evaluated.components else marked(convert)
        out = writer.out
        key = (convert, value.name, append)
        codes = out.known.get(key) if out.shared else None
        if codes is None:
            codes = out.known[key] = []
            function = out.constant(convert)
            # A function, since parameters that come later join this call with their codes.
            out.add(lambda: f"{function}({out.constant(tuple(codes))}, {value.name}, {append})")
        if parameter.code not in codes:
            codes.append(parameter.code)

    _each(writer, node, focus, body, lambda kind: kind.open or _converter(parameter, kind) is not None)
    return any_written


def _write_pairs(evaluated: Evaluated, node: Node, reached: set[str] | None = None) -> Write:
    """For each value of a composite's expression, what its components find there."""

    def pair(writer: Conditions, value: CompiledValue) -> None:
        out = writer.out
        lists: list[str] = []
        with ExitStack() as blocks:
            # Entries of one place belong together: nothing is shared with the code around.
            blocks.enter_context(out.alone())
            for component, expression in evaluated.components:
                lists.append(out.name("l"))
                out.add(f"{lists[-1]} = []")
                result = _write_converted(
                    writer, expression.node, value, evaluated, component, f"{lists[-1]}.append"
                )
                if result and reached is not None:
                    reached.add(component.code)
                blocks.enter_context(out.block(f"if {lists[-1]}:"))
            make = out.constant(CompositeEntry.of)
            out.add(f"append({make}({evaluated.parameter.code!r}, {', '.join(lists)}))")

    return lambda writer, focus: _each(writer, node, focus, lambda value: pair(writer, value))


def _write_values(evaluated: Evaluated, node: Node) -> Write:
    def body(writer: Conditions, value: CompiledValue) -> None:
        writer.out.add(f"append(({evaluated.parameter.code!r}, {_type_name(value.kind)!r}, {value.name}))")

    return lambda writer, focus: _each(writer, node, focus, lambda value: body(writer, value))


def codes_of(resource_type: str, known: Definitions) -> Set[str]:
    """The codes of a type's parameters that find something, composites included (`Compiled.codes`).

    Of the built-in definitions without compiling them, since all that have an expression find something: what a server
    says of itself when it starts needs all types.

    Raises:
        KeyError: R4 has no such resource type.
    """
    return known.derived(_built_in if known is DEFAULT else _compiled_codes, resource_type)


def _built_in(known: Definitions, resource_type: str) -> Set[str]:
    parameters = known.search_parameters(resource_type).items()
    return STORED.union(
        code for code, parameter in parameters if parameter.expression and parameter.type != "special"
    )


def _compiled_codes(known: Definitions, resource_type: str) -> Set[str]:
    return compiled(resource_type, None, known).codes


def compiled(resource_type: str, only: frozenset[str] | None, known: Definitions) -> Compiled:
    """The compiled parameters of a type; those of `only`, or all.

    Raises:
        KeyError: R4 has no such resource type.
    """
    return known.derived(Compiled, resource_type, only)
