"""Mutants of what profiles ask: slices, fixed and pattern values, cardinalities, types, and the claim itself."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Element, Profile
from scripts.agreement.mutants.registry import Draft, mutator
from scripts.agreement.mutants.samples import value_of


@dataclass(frozen=True, slots=True)
class Ruled:
    """Objects of a resource that a profile's element (and its siblings) speak of."""

    profile: Profile
    element: Element
    owner: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """The element's JSON names that are present."""
        return [n for n in self.element.json_names if n in self.owner]


def _profiles(resource: dict[str, Any]) -> list[Profile]:
    urls = resource.get("meta", {}).get("profile", []) if isinstance(resource.get("meta"), dict) else []
    profiles = [definitions.profile(u) for u in urls if isinstance(u, str)]
    return [p for p in profiles if p is not None and p.type == resource.get("resourceType")]


def _ruled(draft: Draft) -> Iterator[Ruled]:
    """Each element of the declared profiles with each object that could hold it; nothing distinguishes slices."""
    for profile in _profiles(draft.resource):
        yield from _below(profile, profile.root.id, draft.resource)


def _below(profile: Profile, element_id: str, owner: dict[str, Any]) -> Iterator[Ruled]:
    for element in profile.children(element_id):
        if element.name in ("id", "meta"):
            continue
        yield Ruled(profile, element, owner)
        if profile.children(element.id):
            for name in element.json_names:
                value = owner.get(name)
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, dict):
                        yield from _below(profile, element.id, item)


def _of_base(ruled: Ruled) -> Element | None:
    base = definitions.find_type(ruled.profile.type)
    return base.element(ruled.element.path) if base else None


@mutator("profile/required-deleted")
def required_deleted(draft: Draft) -> str | None:
    """An element that the profile requires and R4 does not."""
    pick = draft.pick(
        [
            r
            for r in _ruled(draft)
            if r.element.min and r.names and not r.element.slice_name and not getattr(_of_base(r), "min", 0)
        ]
    )
    if pick is None:
        return None
    for name in pick.names:
        pick.owner.pop(name)
    return f"{pick.profile.name}: {pick.element.id} removed"


@mutator("profile/too-many")
def too_many(draft: Draft) -> str | None:
    """More items than the profile allows."""
    pick = draft.pick(
        [r for r in _ruled(draft) if r.element.max is not None and r.element.is_list and r.names]
    )
    if pick is None:
        return None
    items = pick.owner[pick.names[0]]
    if not isinstance(items, list) or not items:
        return None
    items += [copy.deepcopy(draft.random.choice(items)) for _ in range(pick.element.max or 1)]
    return f"{pick.profile.name}: {pick.element.id} has {len(items)} items"


@mutator("profile/forbidden-added")
def forbidden_added(draft: Draft) -> str | None:
    """An element that the profile forbids."""
    pick = draft.pick([r for r in _ruled(draft) if r.element.max == 0 and not r.names and r.element.types])
    if pick is None:
        return None
    name, code = draft.random.choice(list(pick.element.json_names.items()))
    value = value_of(pick.element, code)
    if value is None:
        return None
    pick.owner[name] = [value] if pick.element.is_list else value
    return f"{pick.profile.name}: {pick.element.id} added"


@mutator("profile/fixed-changed")
def fixed_changed(draft: Draft) -> str | None:
    """A value that the profile fixes, or prescribes by a pattern, is changed."""
    pick = draft.pick([r for r in _ruled(draft) if (r.element.fixed or r.element.pattern) and r.names])
    if pick is None:
        return None
    name = pick.names[0]
    value = pick.owner[name]
    item = value[0] if isinstance(value, list) and value else value
    if isinstance(item, dict):
        target = item["coding"][0] if isinstance(item.get("coding"), list) and item["coding"] else item
        key = draft.random.choice([k for k in ("code", "system") if k in target] or ["extra"])
        if key == "extra":
            return None
        target[key] = draft.random.choice(["changed", str(target[key]).upper()])
        target.pop("display", None)
    elif isinstance(value, str):
        pick.owner[name] = value + "x"
    else:
        return None
    return f"{pick.profile.name}: {pick.element.id} changed"


@mutator("profile/slice-item-removed")
def slice_item_removed(draft: Draft) -> str | None:
    """An item of a sliced list removed: wrong where its slice is required."""
    pick = draft.pick(
        [r for r in _ruled(draft) if r.element.slicing and r.names and r.element.name != "extension"]
    )
    if pick is None or not isinstance(pick.owner[pick.names[0]], list) or not pick.owner[pick.names[0]]:
        return None
    items = pick.owner[pick.names[0]]
    index = draft.random.randrange(len(items))
    del items[index]
    if not items:
        del pick.owner[pick.names[0]]
    return f"{pick.profile.name}: {pick.element.id}[{index}] removed"


@mutator("profile/slice-item-repeated")
def slice_item_repeated(draft: Draft) -> str | None:
    """An item of a sliced list once more: wrong where its slice takes one."""
    pick = draft.pick([r for r in _ruled(draft) if r.element.slicing and r.names])
    if pick is None or not isinstance(pick.owner[pick.names[0]], list) or not pick.owner[pick.names[0]]:
        return None
    items = pick.owner[pick.names[0]]
    index = draft.random.randrange(len(items))
    items.append(copy.deepcopy(items[index]))
    return f"{pick.profile.name}: {pick.element.id}[{index}] repeated"


@mutator("profile/slice-order")
def slice_order(draft: Draft) -> str | None:
    """A sliced list turned round."""
    pick = draft.pick([r for r in _ruled(draft) if r.element.slicing and r.names])
    if pick is None or not isinstance(pick.owner[pick.names[0]], list) or len(pick.owner[pick.names[0]]) < 2:
        return None
    pick.owner[pick.names[0]].reverse()
    return f"{pick.profile.name}: {pick.element.id} reversed"


@mutator("profile/discriminator-changed")
def discriminator_changed(draft: Draft) -> str | None:
    """The codings inside an item of a sliced list are changed, so that it fits its slice no more."""
    pick = draft.pick([r for r in _ruled(draft) if r.element.slicing and r.names])
    if pick is None:
        return None
    items = pick.owner[pick.names[0]]
    item = draft.pick(items) if isinstance(items, list) else items
    if not isinstance(item, dict):
        return None
    concept = next((item[k] for k in ("code", "type", "category") if isinstance(item.get(k), dict)), item)
    codings = concept.get("coding") if isinstance(concept.get("coding"), list) else [concept]
    for coding in codings:
        if isinstance(coding, dict) and "code" in coding:
            coding["system"], coding["code"] = "https://hospital.org/codes", "other"
            coding.pop("display", None)
            return f"{pick.profile.name}: an item of {pick.element.id} is coded otherwise"
    return None


@mutator("profile/type-changed")
def type_changed(draft: Draft) -> str | None:
    """A choice with a type that R4 has and the profile takes away."""
    choices = []
    for r in _ruled(draft):
        base = _of_base(r)
        if base is not None and r.element.is_choice and r.names and len(base.types) > len(r.element.types):
            choices.append((r, base))
    pick = draft.pick(choices)
    if pick is None:
        return None
    ruled, base = pick
    names = [(n, c) for n, c in base.json_names.items() if n not in ruled.element.json_names]
    name, code = draft.random.choice(names)
    value = value_of(base, code)
    if value is None:
        return None
    for old in ruled.names:
        ruled.owner.pop(old)
    ruled.owner[name] = value
    return f"{ruled.profile.name}: {ruled.element.id} is {name}"


@mutator("profile/claimed")
def claimed(draft: Draft) -> str | None:
    """A profile that the resource claims beside its own: unknown, for another type, or any of its type."""
    kind_ = str(draft.resource.get("resourceType"))
    urls = [u for u in definitions.profiles() if (p := definitions.profile(u)) and p.type == kind_]
    other = "http://hl7.org/fhir/StructureDefinition/" + ("bp" if kind_ != "Observation" else "lipidprofile")
    url = draft.random.choice(
        [
            *urls,
            other,
            "https://hospital.org/StructureDefinition/x",
            f"http://hl7.org/fhir/StructureDefinition/{kind_}",
        ]
    )
    meta = draft.resource.setdefault("meta", {})
    meta["profile"] = [*meta.get("profile", []), url]
    return f"meta.profile gets {url}"
