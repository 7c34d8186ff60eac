"""Mutants of structure: elements missing, unknown, repeated, of the wrong JSON type, two types of one choice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_bridge.fhir import definitions
from scripts.agreement.mutants.registry import Draft, mutator
from scripts.agreement.mutants.samples import object_of, value_of


@mutator("structure/required-deleted")
def required_deleted(draft: Draft) -> str | None:
    """An element with min 1 is removed."""
    pick = draft.pick([(n, e) for n in draft.nodes() for e in n.children if e.min and n.has(e)])
    if pick is None:
        return None
    node, element = pick
    for name in element.json_names:
        node.value.pop(name, None)
        node.value.pop("_" + name, None)
    return f"{node.path}.{element.name} removed"


@mutator("structure/optional-deleted")
def optional_deleted(draft: Draft) -> str | None:
    """An element that R4 doesn't require is removed: valid, unless a profile or an invariant asks for it."""
    pick = draft.pick([s for s in draft.spots() if not s.element.min])
    if pick is None:
        return None
    pick.drop()
    return f"{pick.path} removed"


@mutator("structure/element-added")
def element_added(draft: Draft) -> str | None:
    """An element that is absent is added with a plain value: valid, unless a profile or an invariant forbids it."""
    free = [
        (n, e)
        for n in draft.nodes()
        for e in n.children
        if not n.has(e) and e.name not in ("contained", "id", "extension", "modifierExtension", "meta")
    ]
    draft.random.shuffle(free)
    for node, element in free[:20]:
        name, code = draft.random.choice(list(element.json_names.items()))
        value = (
            object_of(node.definition.name, element.id)
            if node.definition.children(element.id) and not element.content_reference
            else value_of(element, code)
        )
        if value is not None:
            node.value[name] = [value] if element.is_list else value
            return f"{node.path}.{name} added"
    return None


@mutator("structure/unknown-element")
def unknown_element(draft: Draft) -> str | None:
    """A property that the type doesn't have."""
    node = draft.pick(draft.nodes())
    if node is None:
        return None
    names = ["bogus", "Status", "display", "language", "name", "fhir_comments", "valueFoo"]
    name = draft.random.choice([n for n in names if node.definition.child(node.element_id, n) is None])
    node.value[name] = "x"
    return f"{node.path}.{name} added"


@mutator("structure/misspelt-element")
def misspelt_element(draft: Draft) -> str | None:
    """A property's name with a letter dropped or its case changed."""
    pick = draft.pick([s for s in draft.spots() if len(s.name) > 3])
    if pick is None:
        return None
    wrong = draft.random.choice([pick.name[:-1], pick.name + "s", pick.name.upper(), pick.name.title()])
    if wrong == pick.name:
        return None
    pick.owner.value[wrong] = pick.owner.value.pop(pick.name)
    return f"{pick.path} renamed to {wrong}"


@mutator("structure/wrong-json-type")
def wrong_json_type(draft: Draft) -> str | None:
    """A value of another JSON type."""
    pick = draft.pick(draft.spots())
    if pick is None:
        return None
    value = pick.value
    others: list[Any]
    if isinstance(value, dict):
        others = ["text", 1, True, [value]]
    elif isinstance(value, bool):
        others = [str(value).lower(), int(value), {"value": value}]
    elif isinstance(value, int | Decimal):
        others = [str(value), True, {"value": value}]
    elif isinstance(value, str):
        others = [1, True, {"value": value}, [value]]
    else:
        return None
    other = draft.random.choice(others)
    pick.put(other)
    return f"{pick.path} is {type(other).__name__}"


@mutator("structure/array-for-single")
def array_for_single(draft: Draft) -> str | None:
    """An array where one value is allowed, with one item or with two."""
    pick = draft.pick([s for s in draft.spots() if s.index is None])
    if pick is None:
        return None
    times = draft.random.choice([1, 2])
    pick.put([pick.value] * times)
    return f"{pick.path} is an array of {times}"


@mutator("structure/single-for-array")
def single_for_array(draft: Draft) -> str | None:
    """One value where an array is asked for."""
    pick = draft.pick([s for s in draft.spots() if s.index is not None and len(s.owner.value[s.name]) == 1])
    if pick is None:
        return None
    pick.owner.value[pick.name] = pick.value
    return f"{pick.path} is no array"


@mutator("structure/repeated")
def repeated(draft: Draft) -> str | None:
    """An item of a list once more: valid, unless something limits the list."""
    pick = draft.pick([s for s in draft.spots() if s.index is not None and s.name != "contained"])
    if pick is None:
        return None
    pick.owner.value[pick.name].append(pick.value)
    return f"{pick.path} repeated"


@mutator("structure/reordered")
def reordered(draft: Draft) -> str | None:
    """A list turned round: valid, unless its order means something."""
    pick = draft.pick([s for s in draft.spots() if s.index == 0 and len(s.owner.value[s.name]) > 1])
    if pick is None:
        return None
    pick.owner.value[pick.name].reverse()
    return f"{pick.path.removesuffix('[0]')} reversed"


@mutator("structure/two-of-a-choice")
def two_of_a_choice(draft: Draft) -> str | None:
    """A second type of a choice beside the first."""
    pick = draft.pick([s for s in draft.spots() if s.element.is_choice and len(s.element.types) > 1])
    if pick is None:
        return None
    others = [(n, c) for n, c in pick.element.json_names.items() if n != pick.name]
    name, code = draft.random.choice(others)
    value = value_of(pick.element, code)
    if value is None:
        return None
    pick.owner.value[name] = value
    return f"{pick.owner.path}.{name} added beside {pick.name}"


@mutator("structure/other-of-a-choice")
def other_of_a_choice(draft: Draft) -> str | None:
    """Another type of a choice instead of the one: valid, unless a profile or an invariant narrows it."""
    pick = draft.pick([s for s in draft.spots() if s.element.is_choice and len(s.element.types) > 1])
    if pick is None:
        return None
    name, code = draft.random.choice([(n, c) for n, c in pick.element.json_names.items() if n != pick.name])
    value = value_of(pick.element, code)
    if value is None:
        return None
    pick.drop()
    pick.owner.value[name] = value
    return f"{pick.path} replaced by {name}"


@mutator("structure/type-not-of-the-choice")
def type_not_of_the_choice(draft: Draft) -> str | None:
    """A choice with a type that exists but isn't one of its types."""
    pick = draft.pick([s for s in draft.spots() if s.element.is_choice])
    if pick is None:
        return None
    codes = [
        c
        for c in ("Quantity", "string", "Signature", "Address", "time", "oid")
        if c not in pick.element.type_codes
    ]
    if not codes:
        return None
    code = draft.random.choice(codes)
    value = value_of(pick.element, code)
    if value is None:
        return None
    pick.drop()
    name = pick.element.name[:-3] + code[0].upper() + code[1:]
    pick.owner.value[name] = value
    return f"{pick.path} replaced by {name}"


@mutator("structure/empty")
def empty(draft: Draft) -> str | None:
    """An empty object, array or string, or null."""
    pick = draft.pick(draft.spots())
    if pick is None:
        return None
    if pick.index is not None and draft.random.random() < 0.4:
        pick.owner.value[pick.name] = draft.random.choice([[], None])
        return f"{pick.owner.path}.{pick.name} is empty"
    value: Any = draft.random.choice([{}, None] if isinstance(pick.value, dict) else ["", None])
    pick.put(value)
    return f"{pick.path} is {value!r}"


@mutator("structure/resource-type")
def resource_type(draft: Draft) -> str | None:
    """resourceType missing, unknown, abstract or of another resource."""
    node = draft.pick([n for n in draft.nodes() if n.is_resource])
    if node is None:
        return None
    if draft.random.random() < 0.25:
        del node.value["resourceType"]
        return f"{node.path}.resourceType removed"
    others = [
        "Patiens",
        "DomainResource",
        "Quantity",
        "patient",
        draft.random.choice(sorted(definitions.resource_types())),
    ]
    node.value["resourceType"] = draft.random.choice(others)
    return f"{node.path}.resourceType is {node.value['resourceType']}"


@mutator("structure/meta")
def meta(draft: Draft) -> str | None:
    """`meta` with odd but typed content."""
    content: dict[str, Any] = draft.random.choice(
        [
            {"lastUpdated": "2021-05-04"},
            {"lastUpdated": "2021-05-04T10:30:00Z", "versionId": "a b"},
            {
                "security": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
                ]
            },
            {
                "security": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "QQ"}
                ]
            },
            {"tag": [{"code": "x"}]},
            {"source": "not a uri"},
            {"profile": ["Patient"]},
            {"profile": ["https://hospital.org/StructureDefinition/unknown"]},
        ]
    )
    draft.resource["meta"] = {**draft.resource.get("meta", {}), **content}
    return f"meta has {content}"
