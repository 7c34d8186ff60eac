"""Mutants of references and of contained resources."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir import definitions
from scripts.agreement.mutants.registry import Draft, mutator
from scripts.agreement.mutants.walk import Spot


def _literal(draft: Draft) -> list[Spot]:
    return [s for s in draft.spots("Reference") if isinstance(s.value.get("reference"), str)]


def _targets(spot: Spot) -> tuple[str, ...]:
    return next((t.targets for t in spot.element.types if t.code == "Reference"), ())


def _forms(draft: Draft) -> list[str]:
    """How a reference may be written; conditional ones belong in transactions."""
    forms = [
        "{}/x1",
        "https://hospital.org/fhir/{}/x1",
        "{}/x1/_history/2",
        "https://hospital.org/fhir/{}/x1/_history/2",
    ]
    return [*forms, "{}?identifier=https://x.org|1"] if draft.resource.get("type") == "transaction" else forms


@mutator("reference/wrong-type")
def wrong_type(draft: Draft) -> str | None:
    """A reference to a type that the element doesn't allow."""
    spot = draft.pick([s for s in draft.spots("Reference") if _targets(s) and "Resource" not in _targets(s)])
    if spot is None:
        return None
    kinds = [
        k
        for k in ("Patient", "Practitioner", "Observation", "Slot", "Basic", "ValueSet")
        if k not in _targets(spot)
    ]
    if not kinds:
        return None
    name = draft.random.choice(kinds)
    form = draft.random.choice(_forms(draft))
    spot.put({"reference": form.format(name)})
    return f"{spot.path} is {form.format(name)}"


@mutator("reference/right-type")
def right_type(draft: Draft) -> str | None:
    """A reference to an allowed type in another of its forms."""
    spot = draft.pick([s for s in draft.spots("Reference") if _targets(s)])
    if spot is None:
        return None
    kinds = [t for t in _targets(spot) if t in definitions.resource_types()] or ["Patient"]
    name = draft.random.choice(kinds)
    form = draft.random.choice(_forms(draft))
    spot.put({"reference": form.format(name)})
    return f"{spot.path} is {form.format(name)}"


@mutator("reference/malformed")
def malformed(draft: Draft) -> str | None:
    """A reference that has no proper form, or an unusual one."""
    spot = draft.pick(draft.spots("Reference"))
    if spot is None:
        return None
    text = draft.random.choice(
        [
            "Patient", "Patient/", "patient/1", "Patient/a b", "Patient/" + "a" * 65, "Patient/1/2",
            "Nonsense/1", "/Patient/1",
            "http://hospital.org/fhir", "urn:uuid:123", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "urn:oid:1.2.3", "urn:oid:x",
            "#", "##a", "Patient/1#x", "../Patient/1", "Patient/a_b", "", " ",
            "http://hospital.org/Patient/1|2", "x", "urn:x:y",
            "Patient/1/_history", "Patient/1/_history/a/b", "Patient/1?x=y",
            "https://hospital.org/fhir/Nonsense/1", "Patient|1",
        ]
    )  # fmt: skip
    spot.value["reference"] = text
    return f"{spot.path}.reference is {text!r}"


@mutator("reference/dangling-contained")
def dangling_contained(draft: Draft) -> str | None:
    """A reference to a contained resource that isn't there."""
    spot = draft.pick(draft.spots("Reference"))
    if spot is None:
        return None
    spot.put({"reference": "#nobody"})
    return f"{spot.path} is #nobody"


@mutator("reference/type-element")
def type_element(draft: Draft) -> str | None:
    """Reference.type beside or without a reference."""
    spot = draft.pick(draft.spots("Reference"))
    if spot is None:
        return None
    name = draft.random.choice(
        [
            "Patient",
            "Observation",
            "Nonsense",
            "http://hl7.org/fhir/StructureDefinition/Patient",
            "Group",
            "Practitioner",
            "string",
        ]
    )
    spot.value["type"] = name
    if draft.random.random() < 0.4:
        spot.value.pop("reference", None)
        spot.value["identifier"] = {"system": "https://hospital.org/ids", "value": "1"}
        return f"{spot.path}.type is {name}, with an identifier alone"
    return f"{spot.path}.type is {name}"


@mutator("reference/parts")
def parts(draft: Draft) -> str | None:
    """A reference by display, identifier or nothing."""
    spot = draft.pick(draft.spots("Reference"))
    if spot is None:
        return None
    content: Any = draft.random.choice(
        [
            {"display": "somebody"},
            {"identifier": {"value": "1"}},
            {"id": "r1"},
            {"identifier": {"use": "wrong", "value": "1"}},
            {"type": "Patient"},
        ]
    )
    spot.put(content)
    return f"{spot.path} is {content}"


@mutator("reference/canonical")
def canonical(draft: Draft) -> str | None:
    """A canonical to a type or form that isn't allowed, or to something unknown."""
    spot = draft.pick(draft.spots("canonical"))
    if spot is None:
        return None
    text = draft.random.choice(
        [
            "http://hl7.org/fhir/ValueSet/administrative-gender",
            "http://hl7.org/fhir/StructureDefinition/Patient",
            "https://hospital.org/unknown|1", "#nobody", "http://hl7.org/fhir/ValueSet/no-such-thing",
            "http://hl7.org/fhir/ValueSet/administrative-gender|9.9",
        ]
    )  # fmt: skip
    spot.put(text)
    return f"{spot.path} is {text}"


@mutator("contained/added")
def contained_added(draft: Draft) -> str | None:
    """A contained resource: referred to or not, with and without an id, with what contained ones mustn't have."""
    root = draft.resource
    node = next(iter(draft.nodes()), None)
    if node is None or all(c.name != "contained" for c in node.children):
        return None
    inner: dict[str, Any] = {"resourceType": "Organization", "id": "org1", "name": "Ward"}
    what = draft.random.choice(
        [
            "referred to",
            "not referred to",
            "without id",
            "nested",
            "versioned",
            "secured",
            "twice",
            "wrong inside",
            "self",
        ]
    )
    refer = what != "not referred to"
    if what == "without id":
        del inner["id"]
    elif what == "nested":
        inner["contained"] = [{"resourceType": "Organization", "id": "org2", "name": "Inner"}]
        inner["partOf"] = {"reference": "#org2"}
    elif what == "versioned":
        inner["meta"] = {"versionId": "1"}
    elif what == "secured":
        inner["meta"] = {"security": [{"code": "x"}]}
    elif what == "wrong inside":
        inner["active"] = "yes"
    elif what == "self":
        inner["partOf"] = {"reference": "#org1"}
        refer = False
    root.setdefault("contained", []).extend([inner, inner] if what == "twice" else [inner])
    if refer:
        root.setdefault("extension", []).append(
            {
                "url": "https://hospital.org/StructureDefinition/ward",
                "valueReference": {"reference": "#org1"},
            }
        )
    return f"contained Organization, {what}"


@mutator("contained/broken")
def contained_broken(draft: Draft) -> str | None:
    """A contained resource loses its id, changes it, or is removed."""
    contained = draft.resource.get("contained")
    if not isinstance(contained, list) or not contained:
        return None
    index = draft.random.randrange(len(contained))
    what = draft.random.choice(["id removed", "id changed", "removed", "id with #"])
    if what == "id removed":
        contained[index].pop("id", None)
    elif what == "id changed":
        contained[index]["id"] = "another"
    elif what == "id with #":
        contained[index]["id"] = "#" + str(contained[index].get("id"))
    else:
        del contained[index]
        if not contained:
            del draft.resource["contained"]
    return f"contained[{index}] {what}"
