"""Profiles compiled to what they ask beyond their base type: a resource is checked against R4 first, then this."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Element, ElementType, Profile, Slicing, TypeDefinition
from fhir_bridge.fhir.validation.bindings import binding_check
from fhir_bridge.fhir.validation.elements import bounds_check, length_check, target_check, type_profile_check
from fhir_bridge.fhir.validation.patterns import value_check
from fhir_bridge.fhir.validation.run import Check, Path, Run, defined, definition_location
from fhir_bridge.fhir.validation.slices import Codes, Item, Slice, SliceGroup, run_checks
from fhir_bridge.fhir.validation.slicing import matcher
from fhir_bridge.fhir.validation.types import TypeCompiler, invariant_check, reference_check

__all__ = ["ProfileCompiler", "is_a"]

Checks = dict[str, tuple[bool, tuple[Check, ...]]]
"""Whether a type is primitive, and the checks of its values, by type code."""

Collector = Callable[[dict[str, Any], Path], list[Item]]

EXTENSION = Codes(*("FB-FHIR-051",) * 6)
"""An extension that differs from its definition has one code, whatever the difference."""

RESOURCES = frozenset({"Resource", "DomainResource"})


class ProfileCompiler:
    """Compiles profiles on demand and keeps them; profiles may refer to each other, and to themselves, in circles."""

    def __init__(self, types: TypeCompiler) -> None:
        self._types = types
        self._checks: dict[str, Check | None] = {}
        self._objects: dict[tuple[str, str], list[Check]] = {}
        self._open: set[tuple[str, str]] = set()
        self._settled: set[str] = set()
        self._definitions = types.definitions
        self._lock = RLock()

    def find(self, canonical: str) -> Check | None:
        """The check of a profile's or extension's additions to its type; None where it is not known.

        A fragment names the element of the profile that a value is checked as (`…/sections#Composition.section:plan`).
        """
        if canonical not in self._checks:
            profile = self._definitions.profile(canonical) or self._definitions.extension_structure(canonical)
            if profile is None:
                return None
            self._checks[canonical] = self._deferred(profile, canonical.partition("#")[2])
        return self._checks[canonical]

    def _deferred(self, profile: Profile, part: str) -> Check:
        cell: list[Check] = []

        # Compiled at the first value: profiles refer to each other in circles, and most
        # that a package has are never used.
        def compile_now(value: Any, path: Path, run: Run) -> None:
            if not cell:
                with self._lock:  # one compilation at a time: it keeps notes
                    if not cell:
                        cell.append(self._compile_part(profile, part) if part else self._compile(profile))
            cell[0](value, path, run)

        return compile_now

    def conforms(self, value: Any, canonical: str, run: Run) -> bool | None:
        """Whether a value (a resource, or a value of a data type) conforms to a profile; None where it is not known.

        A resource that is being checked already, because resources refer to each other in a circle, counts as
        conforming.
        """
        structure = self._definitions.structure(canonical)
        if structure is None:
            return None
        kind = value.get("resourceType") if isinstance(value, dict) else None
        # A profile for another type is not met, whatever it says.
        if isinstance(kind, str) and not is_a(kind, structure.type):
            return False
        check = self.find(canonical) if isinstance(structure, Profile) else None
        if check is None:
            return True
        key = (id(value), canonical)
        # id() holds while the validation does: the resource can't be collected as long.
        if key in run.conforming:
            return run.conforming[key] is not False
        # None while it is being decided: a circle of references ends here.
        run.conforming[key] = None
        trial = run.aside()
        if isinstance(kind, str):
            # A contained resource keeps its container as %rootResource; a target elsewhere is its own.
            trial.resource = value
            if not any(value is item for item in _items(run.root)):
                trial.root = value
                trial.contained = {str(c.get("id")): str(c.get("resourceType")) for c in _items(value)}
        check(value, (None, str(kind or structure.type), -1), trial)
        run.conforming[key] = answer = not trial.failed
        return answer

    def _compile(self, profile: Profile) -> Check:
        base = definitions.find_type(profile.type) or definitions.type_definition("Element")
        codes = EXTENSION if profile.type == "Extension" else Codes()
        checks = self._object(profile, profile.root.id, base, base.root.id, codes)
        where = definition_location(profile, profile.root.id)
        if base.kind == "resource":
            # Only what the profile adds: R4's own invariants were checked with the type.
            of_base = {(c.key, c.expression) for c in base.root.constraints}
            own = tuple(c for c in profile.root.constraints if (c.key, c.expression) not in of_base)
            checks += [
                defined(invariant_check(c, p), where) for c, p in self._types.predicates(own, profile.type)
            ]
        else:
            checks += self._of_value(profile.root, ElementType(profile.type), base.root, where)
        for canonical in profile.imposed:
            imposed = self.find(canonical)
            checks += [imposed] if imposed else []
        return _all(checks)

    def _compile_part(self, profile: Profile, part: str) -> Check:
        """The check of one element of a profile; of one that it doesn't have nothing is asked."""
        element, base = profile.element(part), definitions.find_type(profile.type)
        of_base = base.element(element.path) if element is not None and base is not None else None
        if element is None or base is None or of_base is None:
            return _all([])
        kinds = element.types or of_base.types
        return _all([c for k in kinds for c in self._checks_of_type(profile, element, k, base, of_base)])

    # --- an object's properties -----------------------------------------------------------------------------------

    def _object(
        self, profile: Profile, element_id: str, base: TypeDefinition, base_id: str, codes: Codes
    ) -> list[Check]:
        """Checks of an object: one for each property that the profile constrains."""
        of_base = {e.name: e for e in base.children(base_id) if e.slice_name is None}
        choices = {name: e for e in of_base.values() if e.is_choice for name in e.json_names}
        groups: dict[str, list[Element]] = {}
        for element in profile.children(element_id):
            name = element.name
            if (
                name not in of_base and name in choices
            ):  # older snapshots rename a choice that has one type left
                name = choices[name].name
            groups.setdefault(name, []).append(element)
        checks = []
        for name, elements in groups.items():
            base_element = of_base.get(name)
            if base_element is not None:
                check = self._property(profile, elements, base, base_element, codes)
                if check is not None:
                    checks.append(check)
        return checks

    def _referred(self, profile: Profile, element_id: str, base: TypeDefinition) -> list[Check]:
        """Checks of an element that has another's content; of one that contains itself, found when they are met."""
        key = (profile.canonical, element_id)
        if key not in self._objects and key not in self._open:
            self._open.add(key)
            self._objects[key] = self._object(profile, element_id, base, element_id, Codes())
            self._open.discard(key)
        if key in self._objects:
            return self._objects[key]

        # The cell of the element is filled by the time that a value is met.
        def check(value: Any, path: Path, run: Run) -> None:
            for item in self._objects[key]:
                item(value, path, run)

        return [check]

    def _property(
        self,
        profile: Profile,
        elements: list[Element],
        base: TypeDefinition,
        base_element: Element,
        codes: Codes,
    ) -> Check | None:
        whole = next((e for e in elements if e.slice_name is None), None)
        # Against the base: what R4 asks anyway is checked by the type, with R4's own message.
        low = whole.min if whole and whole.min > base_element.min else 0
        high = whole.max if whole and whole.max is not None and whole.max != base_element.max else None
        general, beside = self._value_checks(profile, whole, base, base_element) if whole else ({}, ())
        allowed = self._allowed(whole, base_element) if whole else None
        group = self._group(profile, whole, elements, base, base_element, codes)
        if not (low or high is not None or general or beside or allowed or group):
            return None
        collect = _collector(base_element)
        where = definition_location(profile, whole.id if whole else elements[0].id)
        name, step = base_element.path, base_element.name.removesuffix("[x]")
        busy = bool(general or beside)

        def check(value: Any, path: Path, run: Run) -> None:
            items = collect(value, path)
            count = len(items)
            if count < low:
                few = f"{count} × {name}, expected at least {low}" if low > 1 else f"{name} is missing"
                run.add(codes.few, f"{few}; defined by {where}", path)
            if high is not None and count > high:
                run.add(
                    codes.many,
                    f"{count} × {name}, expected at most {high}; defined by {where}",
                    (path, step, -1),
                )
            if allowed is not None:
                for _, here, code, _ in items:
                    if code not in allowed:
                        wanted = " or ".join(sorted(allowed))
                        run.add(codes.type, f"{name} is {code}, expected {wanted}; defined by {where}", here)
            if busy:
                for item in items:
                    run_checks(item, general, beside, run)
            if group is not None:
                group.check(items, (path, step, -1), run)

        return check

    def _allowed(self, element: Element, base_element: Element) -> frozenset[str] | None:
        """The type codes a profile leaves of a choice; None where it narrows nothing."""
        codes, of_base = frozenset(element.type_codes), frozenset(base_element.type_codes)
        # Equal or wider codes narrow nothing; `<` is a proper subset.
        return codes if codes and codes < of_base else None

    # --- slices ---------------------------------------------------------------------------------------------------

    def _group(
        self,
        profile: Profile,
        whole: Element | None,
        elements: list[Element],
        base: TypeDefinition,
        base_element: Element,
        codes: Codes,
        parent: str = "",
    ) -> SliceGroup | None:
        """The slices of an element, or with `parent` the reslices of one slice."""
        slicing = whole.slicing if whole else None
        prefix = f"{parent}/" if parent else ""
        slices = []
        # Of reslices (`a/b`) only those one level below the parent.
        for part in elements:
            name = part.slice_name
            if name is None or not name.startswith(prefix) or "/" in name[len(prefix) :]:
                continue
            match = matcher(profile, slicing, part, self.conforms, self._definitions)
            # An item in the slice is known to have the values that put it there: they
            # are not checked a second time.
            self._settled |= match.settled
            limit = part.max if part.max != base_element.max else None
            checks, beside = self._value_checks(profile, part, base, base_element)
            self._settled -= match.settled
            inner = self._group(profile, part, elements, base, base_element, codes, name)
            # Where the type alone decides, an item of another type is not in the slice, and not wrong.
            slices.append(
                Slice(
                    name[len(prefix) :],
                    part.min,
                    limit,
                    match.test,
                    match.coding,
                    None if _by_type(slicing, part) else self._allowed(part, base_element),
                    checks,
                    beside,
                    inner,
                    definition_location(profile, part.id),
                    match.text,
                )
            )
        if not slices:
            return None
        rules, ordered = (slicing.rules, slicing.ordered) if slicing else ("open", False)
        where = definition_location(profile, whole.id if whole else elements[0].id)
        group = SliceGroup(slices, rules, ordered, codes, where)
        return None if group.idle else group

    # --- a property's values --------------------------------------------------------------------------------------

    def _value_checks(
        self, profile: Profile, element: Element, base: TypeDefinition, base_element: Element
    ) -> tuple[Checks, tuple[Check, ...]]:
        """Checks of the element's values by type, and of what is beside primitive ones."""
        result: Checks = {}
        beside: list[Check] = []
        kinds = element.types or base_element.types or (ElementType("BackboneElement"),)
        if base_element.type_codes == ("Resource",):
            resource_check = self._resource_check(profile, element, kinds)
            return ({"Resource": (False, (resource_check,))} if resource_check else {}), ()
        for kind in kinds:
            checks = self._checks_of_type(profile, element, kind, base, base_element)
            # A primitive's own children are id and extension, which are in `_name`.
            primitive = definitions.is_primitive(kind.code)
            if primitive and profile.children(element.id):
                of_type = definitions.type_definition(kind.code)
                beside += self._object(profile, element.id, of_type, of_type.root.id, Codes())
            if checks:
                result[kind.code] = (primitive, tuple(checks))
        return result, tuple(beside)

    def _resource_check(
        self, profile: Profile, element: Element, kinds: tuple[ElementType, ...]
    ) -> Check | None:
        """A check of a contained or entry resource: its type, and a profile that the element names for it."""
        types: set[str] = set()
        profiled: dict[str, list[str]] = {}
        for kind in kinds:
            known = [
                (p, structure)
                for p in kind.profiles
                if (structure := self._definitions.structure(p)) is not None
            ]
            if kind.code not in RESOURCES:
                types.add(kind.code)
            elif not kind.profiles or len(known) < len(kind.profiles):
                # A profile that is not available might allow any type.
                return None  # any resource, or one of a profile that is not available
            for canonical, structure in known:
                types.add(structure.type)
                profiled.setdefault(structure.type, []).append(canonical)
        where = definition_location(profile, element.id)
        by_type = {
            name: type_profile_check(
                ElementType(name, profiles=tuple(urls)), self.find, self.conforms, where, self._definitions
            )
            for name, urls in profiled.items()
        }
        wanted = " or ".join(sorted(types))

        def check(value: Any, path: Path, run: Run) -> None:
            kind = value.get("resourceType")
            if not isinstance(kind, str) or not any(is_a(kind, name) for name in types):
                run.add(
                    "FB-FHIR-034",
                    f"the resource is {str(kind)[:64]}, expected {wanted}; defined by {where}",
                    path,
                )
                return
            own = by_type.get(kind)
            if own is not None:
                outer, root, here = run.resource, run.root, run.here
                run.resource = value
                # A contained resource stays in its container's scope (%rootResource).
                if path[1] != "contained":
                    run.root = value
                own(value, path, run)
                run.resource, run.root, run.here = outer, root, here

        return check

    def _checks_of_type(
        self,
        profile: Profile,
        element: Element,
        kind: ElementType,
        base: TypeDefinition,
        base_element: Element,
    ) -> list[Check]:
        where = definition_location(profile, element.id)
        checks = self._of_value(element, kind, base_element, where)
        if not definitions.is_primitive(kind.code):
            checks += self._inside(profile, element, kind, base, base_element)
        return checks

    def _of_value(
        self, element: Element, kind: ElementType, base_element: Element, where: str
    ) -> list[Check]:
        """Checks of a value as a whole: what the profile says of it beyond the base element."""
        of_base = next((t for t in base_element.types if t.code == kind.code), None)
        checks: list[Check] = []
        for wanted, exact in ((element.fixed, True), (element.pattern, False)):
            # The name of `fixedUri` has its type with a capital letter.
            if (
                wanted is not None
                and wanted.type.lower() == kind.code.lower()
                and element.id not in self._settled
            ):
                checks.append(value_check(wanted, exact, where))
        if element.max_length is not None and element.max_length != base_element.max_length:
            checks.append(length_check(element.max_length, where))
        if (element.min_value, element.max_value) != (base_element.min_value, base_element.max_value):
            checks.append(bounds_check(element.min_value, element.max_value, where))
        if element.binding is not None and element.binding != base_element.binding:
            bound = binding_check(element.binding, kind.code, self._definitions)
            checks += [defined(bound, where)] if bound else []
        if kind.code == "Reference" and kind.targets and (of_base is None or kind.targets != of_base.targets):
            checks.append(defined(reference_check(kind, self._definitions), where))
        if kind.code == "Reference" and kind != of_base:
            led_to = target_check(kind, self.conforms, where, self._definitions)
            checks += [led_to] if led_to else []
        # Extensions are checked by url, wherever their profile is named.
        if (
            kind.profiles
            and kind.code != "Extension"
            and (of_base is None or kind.profiles != of_base.profiles)
        ):
            result = type_profile_check(kind, self.find, self.conforms, where, self._definitions)
            checks += [result] if result else []
        known = {(c.key, c.expression) for c in base_element.constraints}
        predicates = self._types.element_predicates(element, kind.code)
        return checks + [
            defined(invariant_check(c, p), where) for c, p in predicates if (c.key, c.expression) not in known
        ]

    def _inside(
        self,
        profile: Profile,
        element: Element,
        kind: ElementType,
        base: TypeDefinition,
        base_element: Element,
    ) -> list[Check]:
        """Checks of what the profile says of the element's own children."""
        # An element with another's content (Bundle.entry.link) has its children there.
        if element.content_reference is not None:
            return self._referred(profile, element.content_reference, base)
        if not profile.children(element.id):
            return []
        codes = EXTENSION if profile.type == "Extension" and kind.code == "Extension" else Codes()
        if base.children(base_element.id):
            return self._object(
                profile, element.id, base, base_element.content_reference or base_element.id, codes
            )
        of_type = definitions.find_type(kind.code)
        if of_type is None:
            return []
        return self._object(profile, element.id, of_type, of_type.root.id, codes)


def _by_type(slicing: Slicing | None, part: Element) -> bool:
    """Whether slices are distinguished by nothing but the type of a choice."""
    discriminators = slicing.discriminators if slicing else ()
    return part.is_choice and all(d == ("type", "$this") for d in discriminators)


def is_a(kind: str, name: str) -> bool:
    """Whether a type is this one or builds on it."""
    at = definitions.find_type(kind)
    while at is not None:
        if at.name == name:
            return True
        at = definitions.find_type(at.base.rpartition("/")[2]) if at.base else None
    return False


def _items(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """The contained resources."""
    items = resource.get("contained")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _all(checks: list[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    every = tuple(checks)

    def check(value: Any, path: Path, run: Run) -> None:
        for item in every:
            item(value, path, run)

    return check


def _collector(element: Element) -> Collector:
    """A function that gives a property's values as items; a primitive that has only extensions counts as one."""
    # `value[x]` is `value` in paths.
    names = tuple(element.json_names.items())
    step = element.name.removesuffix("[x]")
    if not element.is_list:
        places = {name: (number, name, code) for number, (name, code) in enumerate(names)}
        places |= {"_" + name: place for name, place in places.items()}

        def single(value: dict[str, Any], path: Path) -> list[Item]:
            stated = {place for key in value if (place := places.get(key)) is not None}
            if not stated:
                return []
            return [
                (value.get(name), (path, step, -1), code, value.get("_" + name))
                for _, name, code in (stated if len(stated) == 1 else sorted(stated))
            ]

        return single
    # A list is never a choice: it has one name.
    ((name, code),) = names
    shadow = "_" + name

    def repeated(value: dict[str, Any], path: Path) -> list[Item]:
        items = value.get(name)
        if shadow in value:
            return _padded(items, value[shadow], path, step, code)
        if not isinstance(items, list):
            return []
        return [(item, (path, step, index), code, None) for index, item in enumerate(items)]

    return repeated


def _padded(items: Any, beside: Any, path: Path, step: str, code: str) -> list[Item]:
    values = items if isinstance(items, list) else []
    shadows = beside if isinstance(beside, list) else []
    return [
        (
            values[index] if index < len(values) else None,
            (path, step, index),
            code,
            shadows[index] if index < len(shadows) else None,
        )
        for index in range(max(len(values), len(shadows)))
    ]
