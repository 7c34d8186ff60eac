"""Slicing: which slice an item belongs to (R4 profiling.html#discriminator).

Discriminators by value, pattern, exists and type are decided here; by profile as far as the resource type tells. An
item that can't be decided leaves its list's minima and closedness unjudged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Element, Profile, Slicing
from fhir_bridge.fhir.validation.bindings import in_value_set
from fhir_bridge.fhir.validation.patterns import equals, matches, values_at
from fhir_bridge.fhir.validation.references import allowed_types, reference_type
from fhir_bridge.fhir.validation.run import Check, Run

__all__ = ["Assignment", "Item", "Matcher", "Slice", "assignment", "matcher"]

Item = tuple[Any, Any, str]
"""Value, path, type code."""

Matcher = Callable[[Any, str, Run], "bool | None"]
"""Whether a value of this type is in the slice; None where that can't be decided."""

Requirement = tuple[tuple[str, ...], Callable[[Any, Any], bool], Any]


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice ready to check.

    Attributes:
        codings: where it is told by one coding: (steps to the codings, system, code).
        checks: what its items must satisfy, by type code; `*` for all.
    """

    name: str
    min: int
    max: int | None
    match: Matcher
    codings: tuple[tuple[str, ...], str, str] | None
    checks: dict[str, tuple[Check, ...]]


def matcher(profile: Profile, slicing: Slicing | None, part: Element) -> tuple[Matcher, Any]:
    """The test for a slice, and the coding that tells it where it is that simple."""
    discriminators = slicing.discriminators if slicing else (("type", "$this"),)
    tests: list[Matcher] = []
    coding = None
    for kind, path in discriminators:
        if kind in ("value", "pattern"):
            requirements = _requirements(profile, part, path)
            if len(discriminators) == 1 and len(requirements) == 1:
                coding = _one_coding(requirements[0])
            tests.append(_value_test(requirements, profile, part, path))
        elif kind == "exists":
            tests.append(_exists_test(profile, part, path))
        elif kind == "type":
            tests.append(_type_test(profile, part, path))
        else:
            tests.append(_profile_test(profile, part, path))
    if len(tests) == 1:
        return tests[0], coding

    def every(value: Any, code: str, run: Run) -> bool | None:
        answers = [test(value, code, run) for test in tests]
        if False in answers:
            return False
        return None if None in answers else True

    return (every if tests else _undecided), coding


def _undecided(_value: Any, _code: str, _run: Run) -> bool | None:
    return None


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for step in path.split(".") if step != "$this")


def _target(profile: Profile, part: Element, path: str) -> str:
    """The id in the profile of the discriminator's element; a choice is written `value[x]` there."""
    identifier = part.id
    for step in _steps(path):
        plain = f"{identifier}.{step}"
        identifier = plain if profile.element(plain) or not profile.element(plain + "[x]") else plain + "[x]"
    return identifier


def _requirements(profile: Profile, part: Element, path: str) -> list[Requirement]:
    """Fixed and pattern values on the way to the discriminator's element and below it."""
    target = _target(profile, part, path)
    found: list[Requirement] = []
    for element in profile.elements:
        on_the_way = target == element.id or target.startswith(element.id + ".")
        if not element.id.startswith(part.id) or not (on_the_way or element.id.startswith(target + ".")):
            continue
        relative = element.id[len(part.id) :]
        if relative and relative[0] != ".":
            continue
        steps = tuple(step.partition(":")[0] for step in relative.split(".") if step)
        if element.fixed:
            found.append((steps, equals, element.fixed.value))
        if element.pattern:
            found.append((steps, matches, element.pattern.value))
    if not found and path == "url":
        found += [(("url",), equals, p) for kind in part.types for p in kind.profiles[:1]]
    return found


def _one_coding(requirement: Requirement) -> tuple[tuple[str, ...], str, str] | None:
    steps, same, value = requirement
    if not isinstance(value, dict) or same is not matches:
        return None
    codings = value.get("coding")
    if isinstance(codings, list) and len(codings) == 1 and set(value) == {"coding"}:
        steps, value = (*steps, "coding"), codings[0]
    if isinstance(value, dict) and set(value) == {"system", "code"} and steps and steps[-1] == "coding":
        return steps, value["system"], value["code"]
    return None


def _value_test(requirements: list[Requirement], profile: Profile, part: Element, path: str) -> Matcher:
    if requirements:

        def meets(value: Any, _code: str, _run: Run) -> bool | None:
            return all(
                any(same(v, wanted) for v in values_at(value, steps)) for steps, same, wanted in requirements
            )

        return meets
    element = profile.element(_target(profile, part, path))
    binding = element.binding if element else None
    if binding is None or binding.strength != "required" or not binding.value_set:
        return _undecided
    value_set, steps = binding.value_set, _steps(path)

    def bound(value: Any, _code: str, run: Run) -> bool | None:
        answers = [
            in_value_set(value_set, coding.get("system"), coding["code"], run)
            for found in values_at(value, steps)
            for coding in (found.get("coding", [found]) if isinstance(found, dict) else [{"code": found}])
            if isinstance(coding, dict)
            and isinstance(coding.get("code"), str)
            and isinstance(coding.get("system", ""), str)
        ]
        return True if True in answers else None if None in answers else False

    return bound


def _exists_test(profile: Profile, part: Element, path: str) -> Matcher:
    element = profile.element(_target(profile, part, path))
    steps = _steps(path)
    if element is None or (element.min == 0 and element.max != 0):
        return _undecided
    wanted = element.max != 0

    def exists(value: Any, _code: str, _run: Run) -> bool | None:
        return bool(values_at(value, steps)) == wanted

    return exists


def _type_test(profile: Profile, part: Element, path: str) -> Matcher:
    """By type; of a reference (`resolve()`) or a resource, by its resource type."""
    steps = _steps(path)
    types = _types_of(profile, part, path)
    if steps and steps[-1] == "resolve()":
        steps = steps[:-1]

        def leads(value: Any, _code: str, run: Run) -> bool | None:
            kinds = [
                reference_type(v["reference"], run)
                for v in values_at(value, steps)
                if isinstance(v, dict) and isinstance(v.get("reference"), str)
            ]
            if types is None or not kinds or None in kinds:
                return None
            return any(kind in types for kind in kinds)

        return leads

    def typed(value: Any, code: str, _run: Run) -> bool | None:
        if types is None:
            return None
        if not steps and code != "Resource":
            return code in types
        kinds = [v.get("resourceType") for v in values_at(value, steps) if isinstance(v, dict)]
        return None if not kinds or None in kinds else any(str(kind) in types for kind in kinds)

    return typed


def _profile_test(profile: Profile, part: Element, path: str) -> Matcher:
    """By profile: the type decides where no other slice has it; else only that an item can't be in the slice."""
    by_type = _type_test(profile, part, path)
    own = _types_of(profile, part, path) or frozenset()
    others = [
        e
        for e in profile.children(part.id.rpartition(".")[0])
        if e.path == part.path and e.slice_name not in (None, part.slice_name)
    ]
    if all(own.isdisjoint(_types_of(profile, other, path) or own) for other in others):
        return by_type

    def perhaps(value: Any, code: str, run: Run) -> bool | None:
        return None if by_type(value, code, run) else False

    return perhaps


def _types_of(profile: Profile, part: Element, path: str) -> frozenset[str] | None:
    """The types that a slice's element has, or that its reference leads to; None where any is allowed."""
    steps = _steps(path)
    resolves = bool(steps) and steps[-1] == "resolve()"
    element = profile.element(_target(profile, part, ".".join(steps[:-1] if resolves else steps))) or part
    if resolves:
        return allowed_types(t for kind in element.types for t in kind.targets)
    of_profiles = {
        p.type for kind in element.types for url in kind.profiles if (p := definitions.profile(url))
    }
    return frozenset(element.type_codes) | of_profiles


Assignment = Callable[[Sequence[Item], Run], "tuple[list[int | None], bool]"]
"""The slice number of each item (None: none), and whether all could be decided."""


def assignment(slices: Sequence[Slice]) -> Assignment:
    """How items find their slice: by look-up where one coding tells every slice, else by asking each in turn."""
    codings = [part.codings for part in slices if part.codings is not None]
    if len(codings) == len(slices) > 1 and len({steps for steps, _, _ in codings}) == 1:
        steps = codings[0][0]
        index = {(system, code): number for number, (_, system, code) in reversed(list(enumerate(codings)))}
        return lambda items, _run: ([_look_up(value, steps, index) for value, _, _ in items], True)
    return lambda items, run: _ask(items, slices, run)


def _look_up(value: Any, steps: tuple[str, ...], index: dict[tuple[str, str], int]) -> int | None:
    for coding in values_at(value, steps):
        if isinstance(coding, dict):
            system, code = coding.get("system"), coding.get("code")
            if isinstance(system, str) and isinstance(code, str):
                found = index.get((system, code))
                if found is not None:
                    return found
    return None


def _ask(items: Sequence[Item], slices: Sequence[Slice], run: Run) -> tuple[list[int | None], bool]:
    result: list[int | None] = []
    decided = True
    for value, _, code in items:
        place = None
        for number, part in enumerate(slices):
            answer = part.match(value, code, run)
            if answer:
                place = number
                break
            if answer is None:
                decided = False
        result.append(place)
    return result, decided
