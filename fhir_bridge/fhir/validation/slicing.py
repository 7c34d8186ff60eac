"""Which slice an item belongs to, by its discriminators (R4 profiling.html#discriminator).

Value, pattern, exists, type and profile are decided here, several together. An item that can't be decided (a binding
to a value set that is not available) leaves its list's minima and closedness unchecked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Definitions, Element, Profile, Slicing, TypeDefinition
from fhir_bridge.fhir.validation.bindings import in_value_set
from fhir_bridge.fhir.validation.discriminators import (
    Located,
    Node,
    Step,
    Unsupported,
    locate,
    nodes_at,
    steps_of,
)
from fhir_bridge.fhir.validation.patterns import equals, matches
from fhir_bridge.fhir.validation.references import reference_type
from fhir_bridge.fhir.validation.run import Run

__all__ = ["Conforms", "Match", "Matcher", "SingleCoding", "SingleText", "matcher"]

_RESOLVE: Step = ("resolve", "")

Matcher = Callable[[Node, Run], "bool | None"]
"""Whether an item is in the slice; None where that can't be decided."""

SingleText = tuple[str, str]
"""What identifies a slice where that is the text of one property: its name, the text."""

SingleCoding = tuple[tuple[str, ...], str, str]
"""What identifies a slice where that is one coding: names of the properties on the way, system, code."""


class Conforms(Protocol):
    """Whether a value conforms to a profile; None where the profile is not known."""

    def __call__(self, value: Any, canonical: str, run: Run) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class Match:
    """How a slice's items are reported.

    Attributes:
        test: the test of an item.
        coding: what identifies the slice where that is one coding; text: where it is the text of one property.
        settled: ids of elements whose fixed or pattern value an item of the slice has, since that identifies it.
    """

    test: Matcher
    coding: SingleCoding | None = None
    settled: frozenset[str] = frozenset()
    text: SingleText | None = None


@dataclass(frozen=True, slots=True)
class _Requirement:
    """A value that the slice's items have at the end of these steps.

    Attributes:
        whole: whether it is all that the element's fixed or pattern value says, and not only what is further in.
    """

    steps: tuple[Step, ...]
    same: Callable[[Any, Any], bool]
    value: Any
    element: str
    whole: bool = True


def matcher(
    profile: Profile, slicing: Slicing | None, part: Element, conforms: Conforms, known: Definitions
) -> Match:
    """The test for a slice."""
    discriminators = slicing.discriminators if slicing else ()
    if not discriminators:
        # R4 profiling.html: extensions are always sliced by url, a choice by its type, also
        # where a profile leaves it unsaid.
        if part.name in ("extension", "modifierExtension"):
            discriminators = (("value", "url"),)
        elif part.is_choice:
            discriminators = (("type", "$this"),)
    tests: list[Matcher] = []
    coding = text = None
    settled: set[str] = set()
    for kind, path in discriminators:
        try:
            steps = steps_of(path)
        except Unsupported:
            # A path that can't be followed decides nothing; claiming that items are outside would be worse.
            return Match(_undecided)
        located = locate(profile, part, steps, known)
        requirements = _requirements(located, steps) if kind in ("value", "pattern") else []
        located = [result for result in located if result.reached]
        # One discriminator with one value may be answered by look-up (`SingleCoding`).
        if len(discriminators) == 1 and len(requirements) == 1:
            coding, text = _single_coding(requirements[0]), _single_text(requirements[0])
        settled |= _settled(profile, part, requirements)
        test = _test(kind, steps, located, requirements, conforms, known)
        if test is not None:
            tests.append(test)
    # The slice says nothing of its own discriminators, so nothing says what is in it.
    if not tests:
        return Match(_undecided)
    if len(tests) == 1:
        return Match(tests[0], coding, frozenset(settled), text)

    def every(node: Node, run: Run) -> bool | None:
        undecided = False
        for test in tests:
            answer = test(node, run)
            if answer is False:
                return False
            undecided = undecided or answer is None
        return None if undecided else True

    return Match(every, None, frozenset(settled))


def _settled(profile: Profile, part: Element, requirements: list[_Requirement]) -> set[str]:
    """Elements of the slice that have no other value: no list is on the way to them, whose other items might."""
    results = set()
    for wanted in requirements:
        inside = wanted.element == part.id or wanted.element.startswith(part.id + ".")
        passed = wanted.element[len(part.id) + 1 :].split(".") if wanted.element != part.id else []
        locations = [profile.element(".".join((part.id, *passed[: n + 1]))) for n in range(len(passed))]
        # In a list on the way another item may have another value, so the element has to be checked still.
        if wanted.whole and inside and all(e is not None and not e.is_list for e in locations):
            results.add(wanted.element)
    return results


def _undecided(_node: Node, _run: Run) -> bool | None:
    return None


def _test(
    kind: str,
    steps: tuple[Step, ...],
    located: list[Located],
    requirements: list[_Requirement],
    conforms: Conforms,
    known: Definitions,
) -> Matcher | None:
    """The test of one discriminator; None where the slice says nothing of it."""
    # At `$this` is the slice itself: its own max says how many items it has, and not which.
    if steps and any(result.element.max == 0 for result in located):
        return lambda node, run: not nodes_at(node, steps, run)
    if kind in ("value", "pattern"):
        if requirements:
            return _value_test(requirements)
        # A discriminator by value without any fixed value: a required binding, or mere existence, decides.
        return _binding_test(steps, located, known) or _existence(steps, located)
    if kind == "exists":
        return _existence(steps, located) or _undecided
    if located and kind == "type":
        return _type_test(steps, located, known)
    if located and kind == "profile":
        return _profile_test(steps, located, conforms)
    return _undecided


# --- value and pattern --------------------------------------------------------------------------------------------


def _requirements(located: list[Located], steps: tuple[Step, ...]) -> list[_Requirement]:
    """Fixed and pattern values at a discriminator's element or on the way, else below: of the first place with any."""
    for result in located:
        requirements: list[_Requirement] = []
        for element, left in result.way:
            requirements += _of_element(element, steps, left)
        # What is at the end goes before what is further in.
        if requirements or not result.reached:
            return requirements
        prefix = result.element.id + "."
        for element in result.structure.elements:
            # Slices of children are theirs to test; only what holds for all children identifies this slice.
            if element.id.startswith(prefix) and ":" not in element.id[len(prefix) :]:
                names = element.id[len(prefix) :].split(".")
                below = tuple(("name", name.removesuffix("[x]")) for name in names)
                requirements += _of_element(element, (*steps, *below), 0)
        if requirements:
            return requirements
    return []


def _of_element(element: Element, steps: tuple[Step, ...], left: int) -> list[_Requirement]:
    """What the fixed or pattern value of an element asks for at the end of the steps, `left` of them behind it."""
    behind = steps[len(steps) - left :]
    return [
        _Requirement(steps, same, value, element.id, whole=not behind)
        for stated, same in ((element.fixed, equals), (element.pattern, matches))
        if stated is not None
        for value in _inside(stated.value, behind)
    ]


def _inside(value: Any, steps: tuple[Step, ...]) -> list[Any]:
    """The values at the end of the steps in a value."""
    values = [value]
    for kind, name in steps:
        if kind == "name":
            inner = [v[name] for v in values if isinstance(v, dict) and name in v]
            values = [item for v in inner for item in (v if isinstance(v, list) else [v])]
        elif kind != "type":  # `ofType()` of what is stated: it has that type
            return []
    return values


def _single_text(requirement: _Requirement) -> SingleText | None:
    if len(requirement.steps) == 1 and type(requirement.value) is str:
        kind, name = requirement.steps[0]
        return (name, requirement.value) if kind == "name" else None
    return None


def _single_coding(requirement: _Requirement) -> SingleCoding | None:
    value = requirement.value
    if not isinstance(value, dict) or requirement.same is not matches:
        return None
    if any(kind != "name" for kind, _ in requirement.steps):
        return None
    names = tuple(name for _, name in requirement.steps)
    codings = value.get("coding")
    if isinstance(codings, list) and len(codings) == 1 and set(value) == {"coding"}:
        # Only `system` and `code`: with a display or a text the look-up would take items that lack it.
        names, value = (*names, "coding"), codings[0]
    if isinstance(value, dict) and set(value) == {"system", "code"} and names and names[-1] == "coding":
        return names, value["system"], value["code"]
    return None


def _value_test(requirements: list[_Requirement]) -> Matcher:
    def meets(node: Node, run: Run) -> bool | None:
        return all(
            any(wanted.same(value, wanted.value) for value, _, _ in nodes_at(node, wanted.steps, run))
            for wanted in requirements
        )

    return meets


def _binding_test(steps: tuple[Step, ...], located: list[Located], known: Definitions) -> Matcher | None:
    bindings = (result.element.binding for result in located)
    binding = next((b for b in bindings if b is not None and b.strength == "required" and b.value_set), None)
    if binding is None:
        return None
    value_set = str(binding.value_set)
    unknown = known.value_set(value_set) is None

    def bound(node: Node, run: Run) -> bool | None:
        answers = [
            in_value_set(value_set, coding.get("system"), coding["code"], run)
            for value, _, _ in nodes_at(node, steps, run)
            for coding in _codings(value)
            if isinstance(coding.get("code"), str) and isinstance(coding.get("system", ""), str)
        ]
        # Of a value set that is not available at all no item is in the slice, rather than every item undecided.
        return True if True in answers else None if None in answers and not unknown else False

    return bound


def _codings(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        # A plain code is compared as a code of any system.
        return [{"code": value}]
    codings = value.get("coding", [value])
    return [c for c in codings if isinstance(c, dict)] if isinstance(codings, list) else []


# --- exists, type, profile ----------------------------------------------------------------------------------------


def _existence(steps: tuple[Step, ...], located: list[Located]) -> Matcher | None:
    if not any(result.element.min > 0 for result in located):
        return None
    return lambda node, run: bool(nodes_at(node, steps, run))


def _type_test(steps: tuple[Step, ...], located: list[Located], known: Definitions) -> Matcher:
    """By type; of a reference (`resolve()`) by the type that it leads to."""
    resolves = steps[-1:] == (_RESOLVE,)
    if resolves:
        types: frozenset[str] | None = frozenset(target.structure.type for target in located)
    else:
        types = _types_of(located[0].element, known)

    def typed(node: Node, run: Run) -> bool | None:
        if types is None:
            return None
        if resolves:
            kinds = [_led_to(value, run) for value, _, _ in nodes_at(node, steps[:-1], run)]
        else:
            kinds = [code for _, _, code in nodes_at(node, steps, run)]
        if not kinds:
            return False
        if any(kind and _is_a(kind, types) for kind in kinds):
            return True
        # A type that can't be determined (a reference without one) leaves the item undecided.
        return None if None in kinds or "" in kinds else False

    return typed


def _led_to(value: Any, run: Run) -> str | None:
    reference = value.get("reference") if isinstance(value, dict) else value
    if isinstance(reference, str):
        return reference_type(reference, run)
    named = value.get("type") if isinstance(value, dict) else None
    return named if isinstance(named, str) else None


def _is_a(kind: str, types: frozenset[str]) -> bool:
    at = definitions.find_type(kind)
    while at is not None:
        if at.name in types:
            return True
        base = at.base
        at = definitions.find_type(base.rpartition("/")[2]) if base else None
    return False


def _types_of(element: Element, known: Definitions) -> frozenset[str] | None:
    """The types an element has; those of its profiles where it is any resource."""
    of_profiles = {
        p.type for kind in element.types for url in kind.profiles if (p := known.structure(url)) is not None
    }
    codes = frozenset(element.type_codes)
    # "Resource" alone says nothing: then the profiles' types do.
    if codes <= {"Resource", "DomainResource"} and of_profiles:
        return frozenset(of_profiles)
    return (codes | of_profiles) or None


def _profile_test(steps: tuple[Step, ...], located: list[Located], conforms: Conforms) -> Matcher | None:
    """By profile: of what a reference leads to, or of the element itself."""
    if steps[-1:] == (_RESOLVE,):
        canonicals = tuple(dict.fromkeys(_canonical(result.structure) for result in located))
    else:
        canonicals = tuple(dict.fromkeys(p for kind in located[0].element.types for p in kind.profiles))
    if not canonicals:
        return None

    def conforming(node: Node, run: Run) -> bool | None:
        nodes = nodes_at(node, steps, run)
        answers = [conforms(value, canonical, run) for value, _, _ in nodes for canonical in canonicals]
        return True if True in answers else None if None in answers else False

    return conforming


def _canonical(structure: TypeDefinition) -> str:
    return structure.canonical if isinstance(structure, Profile) else structure.url
