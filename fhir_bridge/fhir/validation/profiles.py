"""Profiles compiled to what they ask beyond their base type: a resource is checked against R4 first, then this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Element, ElementType, Profile, TypeDefinition
from fhir_bridge.fhir.validation.bindings import binding_check
from fhir_bridge.fhir.validation.patterns import value_check
from fhir_bridge.fhir.validation.run import Check, Path, Run
from fhir_bridge.fhir.validation.slicing import Item, Slice, assignment, matcher
from fhir_bridge.fhir.validation.types import TypeCompiler, invariant_check, reference_check

__all__ = ["ProfileCompiler"]

Checks = dict[str, tuple[Check, ...]]
"""Checks of a value by its type code."""


class ProfileCompiler:
    """Compiles profiles on demand and keeps them; profiles may refer to each other in circles."""

    def __init__(self, types: TypeCompiler) -> None:
        self._types = types
        self._checks: dict[str, Check] = {}
        self._compiled_from: dict[str, Profile] = {}

    def find(self, url: str) -> Check | None:
        """The check of a profile's additions to its type; None where the profile is not known."""
        url = url.partition("|")[0]
        profile = definitions.profile(url)
        if profile is None:
            return None
        if self._compiled_from.get(url) is not profile:  # registered anew
            self._compiled_from[url] = profile
            cell: list[Check] = []

            def compile_now(value: Any, path: Path, run: Run) -> None:
                if not cell:
                    cell.append(self._compile(profile))
                cell[0](value, path, run)

            self._checks[url] = compile_now
        return self._checks[url]

    def _compile(self, profile: Profile) -> Check:
        base = definitions.type_definition(profile.type)
        checks = self._object(profile, profile.root.id, base, base.root.id)
        of_base = {c.key for c in base.root.constraints}
        own = tuple(c for c in profile.root.constraints if c.key not in of_base)
        checks += [invariant_check(c, p) for c, p in self._types.predicates(own, profile.type)]

        def check(value: Any, path: Path, run: Run) -> None:
            for one in checks:
                one(value, path, run)

        return check

    # --- an object's properties -----------------------------------------------------------------------------------

    def _object(self, profile: Profile, element_id: str, base: TypeDefinition, base_id: str) -> list[Check]:
        """Checks of an object: one for each property that the profile constrains."""
        groups: dict[str, list[Element]] = {}
        for element in profile.children(element_id):
            groups.setdefault(element.name, []).append(element)
        of_base = {e.name: e for e in base.children(base_id)}
        checks = []
        for name, elements in groups.items():
            base_element = of_base.get(name)
            if base_element is not None:
                check = self._property(profile, elements, base, base_element)
                if check is not None:
                    checks.append(check)
        return checks

    def _property(
        self, profile: Profile, elements: list[Element], base: TypeDefinition, base_element: Element
    ) -> Check | None:
        whole = next((e for e in elements if e.slice_name is None), None)
        parts = [e for e in elements if e.slice_name is not None and "/" not in e.slice_name]
        low = whole.min if whole and whole.min > base_element.min else 0
        high = whole.max if whole and whole.max != base_element.max else None
        general = self._value_checks(profile, whole, base, base_element) if whole else {}
        allowed = self._allowed(whole, base_element) if whole else None
        slices = [self._slice(profile, whole, part, base, base_element) for part in parts]
        slices = [s for s in slices if s.min or s.max is not None or s.checks or _closed(whole)]
        if not (low or high is not None or general or allowed or slices):
            return None
        collect = _collector(base_element)
        where, url = base_element.path, profile.url
        step = base_element.name.removesuffix("[x]")
        closed = _closed(whole)
        assign = assignment(slices)

        def check(value: Any, path: Path, run: Run) -> None:
            items = collect(value, path)
            count = len(items)
            if count < low:
                run.add("FB-FHIR-013", f"{count} × {where}; {url} requires at least {low}", path)
            if high is not None and count > high:
                run.add("FB-FHIR-014", f"{count} × {where}; {url} allows at most {high}", (path, step, -1))
            for item, here, code in items:
                if allowed is not None and code not in allowed:
                    wanted = " or ".join(sorted(allowed))
                    run.add("FB-FHIR-034", f"{where} is {code}; {url} allows {wanted}", here)
                if code in general and _sound(item, code):
                    for one in general[code]:
                        one(item, here, run)
            if slices:
                _check_slices(items, slices, assign(items, run), closed, url, (path, step, -1), run)

        return check

    def _allowed(self, element: Element, base_element: Element) -> frozenset[str] | None:
        """The type codes a profile leaves of a choice; None where it narrows nothing."""
        codes, of_base = frozenset(element.type_codes), frozenset(base_element.type_codes)
        return codes if codes and codes < of_base else None

    def _slice(
        self,
        profile: Profile,
        whole: Element | None,
        part: Element,
        base: TypeDefinition,
        base_element: Element,
    ) -> Slice:
        match, coding = matcher(profile, whole.slicing if whole else None, part)
        limit = part.max if part.max != base_element.max else None
        checks = (
            {}
            if part.name in ("extension", "modifierExtension")
            else self._value_checks(profile, part, base, base_element)
        )
        return Slice(part.slice_name or "", part.min, limit, match, coding, checks)

    # --- a property's values --------------------------------------------------------------------------------------

    def _value_checks(
        self, profile: Profile, element: Element, base: TypeDefinition, base_element: Element
    ) -> Checks:
        result: Checks = {}
        kinds = element.types or base_element.types or (ElementType("BackboneElement"),)
        for kind in kinds:
            checks = self._checks_of_kind(profile, element, kind, base, base_element)
            if checks:
                result[kind.code] = tuple(checks)
        return result

    def _checks_of_kind(
        self,
        profile: Profile,
        element: Element,
        kind: ElementType,
        base: TypeDefinition,
        base_element: Element,
    ) -> list[Check]:
        of_base = next((t for t in base_element.types if t.code == kind.code), None)
        checks: list[Check] = []
        for wanted, exact in ((element.fixed, True), (element.pattern, False)):
            if wanted is not None and _same_type(wanted.type, kind.code):
                checks.append(value_check(wanted, exact, profile.url))
        if element.binding is not None and element.binding != base_element.binding:
            bound = binding_check(element.binding, kind.code)
            checks += [bound] if bound else []
        if kind.code == "Reference" and kind.targets and (of_base is None or kind.targets != of_base.targets):
            checks.append(reference_check(kind))
        if (
            kind.code != "Extension"
            and len(kind.profiles) == 1
            and (of_base is None or kind.profiles != of_base.profiles)
        ):
            found = self.find(kind.profiles[0])
            checks += [found] if found else []
        known = {c.key for c in base_element.constraints}
        predicates = self._types.element_predicates(element, kind.code)
        checks += [invariant_check(c, p) for c, p in predicates if c.key not in known]
        if profile.children(element.id) and element.content_reference is None:
            checks += self._inside(profile, element, kind, base, base_element)
        return checks

    def _inside(
        self,
        profile: Profile,
        element: Element,
        kind: ElementType,
        base: TypeDefinition,
        base_element: Element,
    ) -> list[Check]:
        """Checks of what the profile says of the element's own children."""
        if base.children(base_element.id):
            inner = self._object(profile, element.id, base, base_element.content_reference or base_element.id)
        else:
            of_type = definitions.find_type(kind.code)
            if of_type is None or of_type.kind == "primitive-type":
                return []
            inner = self._object(profile, element.id, of_type, of_type.root.id)

        def guarded(one: Check) -> Check:
            def check(value: Any, path: Path, run: Run) -> None:
                if isinstance(value, dict):
                    one(value, path, run)

            return check

        return [guarded(one) for one in inner]


def _sound(value: Any, code: str) -> bool:
    """Whether a value has the JSON kind of its type; the base type's check reports it where not."""
    if isinstance(value, dict):
        return not definitions.is_primitive(code)
    return value is not None and not isinstance(value, list) and definitions.is_primitive(code)


def _same_type(named: str, code: str) -> bool:
    return named.lower() == code.lower()


def _closed(element: Element | None) -> bool:
    return element is not None and element.slicing is not None and element.slicing.rules == "closed"


def _collector(element: Element) -> Any:
    """A function that gives a property's values as (value, path, type code)."""
    names = dict(element.json_names)
    step = element.name.removesuffix("[x]")
    if not element.is_list:

        def single(value: dict[str, Any], path: Path) -> list[Item]:
            found: list[Item] = []
            for name, code in names.items():
                if name in value:
                    found.append((value[name], (path, step, -1), code))
                elif "_" + name in value:
                    found.append((None, (path, step, -1), code))
            return found

        return single
    ((name, code),) = names.items()

    def repeated(value: dict[str, Any], path: Path) -> list[Item]:
        items = value.get(name)
        if not isinstance(items, list):
            return []
        return [(item, (path, step, index), code) for index, item in enumerate(items)]

    return repeated


def _check_slices(
    items: Sequence[Item],
    slices: Sequence[Slice],
    assigned: tuple[list[int | None], bool],
    closed: bool,
    url: str,
    where: Path,
    run: Run,
) -> None:
    places, decided = assigned
    counts = [0] * len(slices)
    for (value, here, code), place in zip(items, places, strict=True):
        if place is None:
            if closed and decided:
                run.add("FB-FHIR-033", f"fits none of the slices that {url} closes here", here)
            continue
        counts[place] += 1
        if code in slices[place].checks and _sound(value, code):
            for one in slices[place].checks[code]:
                one(value, here, run)
    for part, count in zip(slices, counts, strict=True):
        if count < part.min and decided:
            run.add(
                "FB-FHIR-031", f"{count} × slice '{part.name}'; {url} requires at least {part.min}", where
            )
        if part.max is not None and count > part.max:
            run.add("FB-FHIR-032", f"{count} × slice '{part.name}'; {url} allows at most {part.max}", where)
