"""Expressions: parsed and compiled once, evaluated on many resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.fhirpath.check import check
from fhir_bridge.fhir.fhirpath.compiled import Compiled, condition, values
from fhir_bridge.fhir.fhirpath.environment import MAX_ITEMS, Budget, Environment, Frame, Trace
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.evaluator import build
from fhir_bridge.fhir.fhirpath.fhir_types import FhirType, r4_type
from fhir_bridge.fhir.fhirpath.items import Item, root_item
from fhir_bridge.fhir.fhirpath.parser import parse
from fhir_bridge.fhir.fhirpath.quantities import Quantity, to_fhir
from fhir_bridge.fhir.fhirpath.syntax import Node, unparse
from fhir_bridge.fhir.fhirpath.temporal import Temporal
from fhir_bridge.fhir.ports import ConformancePort, ReferenceResolver, TerminologyPort

__all__ = ["Expression", "compile", "compiled_condition", "json_value"]


class Expression:
    """A compiled FHIRPath expression. Safe to share between threads.

    Attributes:
        text: as it was written.
        node: its syntax tree.
        type_name: the type it was compiled for, or None.
    """

    __slots__ = ("_compiled", "_conditions", "_kind", "_lists", "_published", "node", "text", "type_name")

    def __init__(self, text: str, type_name: str | None = None, *, published: bool = False) -> None:
        self.text = text
        self.type_name = type_name
        self._published = published
        self._kind: FhirType | None = None
        # By type: one expression may be evaluated on resources of several.
        self._lists: dict[FhirType, Compiled] = {}
        self._conditions: dict[FhirType, Compiled] = {}
        if type_name is not None:
            self._kind = r4_type(type_name)
            if self._kind is None:
                raise FHIRPathError(f"R4 has no type {type_name}")
        try:
            self.node: Node = parse(text)
            self._compiled = build(self.node, published=published)
            if self._kind is not None and not published:
                check(self.node, self._kind)
        except FHIRPathError as error:
            raise error.within(text) from None

    def __repr__(self) -> str:
        return f"<FHIRPath {self.text!r}>"

    def __str__(self) -> str:
        return unparse(self.node)

    def items(
        self,
        focus: Any,
        /,
        *,
        resource: Any = None,
        root: Any = None,
        resolver: ReferenceResolver | None = None,
        variables: Mapping[str, Any] | None = None,
        terminology: TerminologyPort | None = None,
        trace: Trace | None = None,
        budget: Budget | None = None,
        conformance: ConformancePort | None = None,
        definitions: Definitions = DEFAULT,
    ) -> list[Item]:
        """The result with types and places.

        Args:
            focus: what it is evaluated on: a resource, an element's JSON (of the type it was compiled for), or an
                `Item` of an earlier evaluation, which knows its type and place.
            resource: %resource; the default is the resource around an Item, or the focus.
            root: %rootResource; the default is what contains %resource.
            resolver: finds what resolve() doesn't find in the resource or its Bundle.
            variables: values of `%name`.
            terminology: answers memberOf() where the definition tables can't.
            trace: notified of every trace().
            budget: what this and other evaluations may look at together; without it each has its own bound.
            conformance: answers conformsTo() and htmlChecks(): a `Validator`.
            definitions: value sets, code systems and structures that memberOf(), subsumes() and conformsTo() know.

        Raises:
            FHIRPathError: the expression can't be evaluated on this; the error says where and why.
        """
        try:
            context = focus if isinstance(focus, Item) else root_item(focus, self._kind)
            inner = _as_item(resource) or _around(context)
            outer = _as_item(root) or _outermost(inner)
            env = Environment(
                context, inner, outer, resolver, variables, terminology, trace, conformance, definitions
            )
            return self._run(env, budget)
        except FHIRPathError as error:
            # `from None`: the inner frames are evaluators', and say nothing to who wrote the expression.
            raise error.within(self.text) from None
        except RecursionError:
            raise self._too_deep() from None

    def _too_deep(self) -> FHIRPathError:
        return FHIRPathError("nested too deeply to be evaluated", 0, self.text)

    def _run(self, env: Environment, budget: Budget | None) -> list[Item]:
        context = env.context
        if budget is None:
            return self._compiled(Frame(env, [context]))
        # At most what is left of the sum; what was used is taken off it below, after an error as well.
        granted = env.left = max(min(env.left, budget.left), 0)
        try:
            return self._compiled(Frame(env, [context]))
        except FHIRPathError:
            if granted < MAX_ITEMS and env.left < 0:
                budget.spend(granted - env.left)  # says that it is the sum that is too much
            raise
        finally:
            budget.left -= granted - env.left

    def evaluate(self, focus: Any, /, **options: Any) -> list[Any]:
        """The result as FHIR JSON values: dict, str, bool, int, Decimal; a Quantity as a dict, dates as str.

        A primitive that has extensions and no value gives none here; `items` has it. Arguments and errors as of
        `items`.
        """
        if focus.__class__ is dict and "trace" not in options:
            kind = self._type_of(focus)
            if kind is not None:
                run = self._lists.get(kind) or self._compile(
                    self._lists, kind, values, Expression._all_values
                )
                try:
                    results: list[Any] = run(focus, _Around(focus, options))
                except RecursionError:
                    raise self._too_deep() from None
                return results
        return [json_value(item) for item in self.items(focus, **options) if item.value is not None]

    def is_true(self, focus: Any, /, **options: Any) -> bool:
        """Whether the result is true: empty is false, a single item that is no Boolean is true (N1 §4.5).

        Raises:
            FHIRPathError: it can't be evaluated, or gives several items.
        """
        if focus.__class__ is dict and "trace" not in options:
            kind = self._type_of(focus)
            if kind is not None:
                run = self._conditions.get(kind) or self._compile(
                    self._conditions, kind, condition, Expression._truth
                )
                try:
                    return bool(run(focus, _Around(focus, options)))
                except RecursionError:
                    raise self._too_deep() from None
        return self._truth(focus, options)

    def _type_of(self, focus: dict[str, Any]) -> FhirType | None:
        """The kind of a JSON object: what it tells itself, else what the expression was compiled for."""
        named = focus.get("resourceType")
        if named is None:
            return self._kind
        return r4_type(named) if isinstance(named, str) and "." not in named else None

    def _compile(
        self,
        known: dict[FhirType, Compiled],
        kind: FhirType,
        make: Callable[..., Compiled | None],
        general: Callable[[Expression, Any, Mapping[str, Any]], Any],
    ) -> Compiled:
        """The compiled form for a kind, made when it is first met; the general evaluator where there is none."""

        def answer(focus: Any, around: _Around) -> Any:
            return general(self, focus, around.options)

        known[kind] = compiled = make(self.node, kind, answer, published=self._published) or answer
        return compiled

    def _all_values(self, focus: Any, options: Mapping[str, Any]) -> list[Any]:
        return [json_value(item) for item in self.items(focus, **options) if item.value is not None]

    def _truth(self, focus: Any, options: Mapping[str, Any]) -> bool:
        items = self.items(focus, **options)
        if len(items) > 1:
            raise FHIRPathError(f"expected one Boolean, found {len(items)} items", 0, self.text)
        if not items:
            return False
        value = items[0].value
        return value if isinstance(value, bool) else True


class _Around:
    """What a compiled form is handed beside the value."""

    __slots__ = ("options", "resource")

    def __init__(self, focus: dict[str, Any], options: Mapping[str, Any]) -> None:
        self.options = options
        resource = options.get("resource")
        self.resource = (
            focus if resource is None else resource.value if isinstance(resource, Item) else resource
        )


def json_value(item: Item) -> Any:
    """An item's value as FHIR JSON."""
    value = item.value
    if isinstance(value, Quantity):
        return to_fhir(value)
    if isinstance(value, Temporal):
        return value.text.removesuffix("T")
    return value


def _as_item(value: Any) -> Item | None:
    if value is None or isinstance(value, Item):
        return value
    return root_item(value)


def _around(item: Item) -> Item:
    """The innermost resource around an item; the item itself where there is none."""
    current: Item | None = item
    while current is not None:
        if current.kind.is_resource:
            return current
        current = current.parent
    return item


def _outermost(resource: Item) -> Item:
    """What contains a contained resource; any other is its own root."""
    if resource.name == "contained" and resource.parent is not None:
        return resource.parent
    return resource


# Texts come from profiles and views, where the same ones recur; a bound, as some come from requests.
@lru_cache(maxsize=4096)
def compile(expression: str, type_name: str | None = None, *, published: bool = False) -> Expression:  # noqa: A001
    """The expression, parsed and compiled; equal calls give the same object.

    Args:
        expression: FHIRPath (N1 2.0 with R4's additions).
        type_name: what it will be evaluated on: a type of R4 (`Patient`, `HumanName`) or an element with children
            (`Observation.component`). Elements it does not have are then refused.
        published: evaluate as R4's own invariants and search expressions were written: no static check, `as` filters
            a collection, and types are named loosely (`DateTime` for `dateTime`).

    Raises:
        FHIRPathError: it is no FHIRPath, names an unknown function or type, or doesn't fit `type_name`.
    """
    return Expression(expression, type_name, published=published)


Surroundings = Callable[[Any], Mapping[str, Any]]
"""From whatever the caller hands over to the options of `Expression.items`."""


def compiled_condition(
    expression: str, kind: FhirType, surroundings: Surroundings
) -> Callable[[Any, Any], bool]:
    """A published invariant as `holds(value, around)`: whether it is true of a value of this kind.

    Args:
        surroundings: asked for the options of an evaluation when the general evaluator is needed; `around.resource` is
            %resource in either case.

    Raises:
        FHIRPathError: the expression is no FHIRPath. Its evaluation raises the same where a value can't be checked.
    """
    known = compile(expression, published=True)

    def general(value: Any, around: Any) -> bool:
        return known.is_true(root_item(value, kind), **surroundings(around))

    return condition(known.node, kind, general, published=True) or general
