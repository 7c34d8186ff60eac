"""Who and what a document names: people, organizations, places, devices; each once, however often it is mentioned."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from fhir_bridge.adapters.ehr.ccda.node import STATEMENTS, Node
from fhir_bridge.adapters.ehr.ccda.parsing import Root

__all__ = ["PARTIES", "PATIENT", "Signature", "identity", "parties", "signature"]

_PEOPLE: Final = frozenset(("assignedAuthor", "assignedEntity", "intendedRecipient"))
_ORGANIZATIONS: Final = frozenset(
    """representedOrganization representedCustodianOrganization providerOrganization scopingOrganization
    receivedOrganization manufacturerOrganization serviceProviderOrganization wholeOrganization""".split()
)
_RELATED: Final = frozenset(("relatedEntity", "associatedEntity"))
PARTIES: Final = (
    "Person",
    "Organization",
    "Location",
    "Device",
    "AuthoringDevice",
    "RelatedParty",
    "Guardian",
)
"""Scopes of parties."""
PATIENT: Final = "patient"
"""The key of a person who is the patient: by an identifier, with its number."""

Signature = tuple[object, ...]


def signature(node: Node) -> Signature:
    """All that an element says."""
    return (
        node.tag,
        tuple(sorted(node.attributes.items())),
        " ".join(node.content.split()),
        tuple([signature(child) for child in node.children if child.tag or not child.content.isspace()]),
    )


def identity(node: Node) -> str:
    """What identifies a party: its first identifier, else all that is said of it."""
    for child in node.children:
        if child.tag == "id" and child.attributes.get("root"):
            return f"{child.attributes['root']}^{child.attributes.get('extension', '')}"
    return f"{hash_of(node)}"


def hash_of(node: Node) -> str:
    """A digest of all that an element says."""
    return blake2b(repr(signature(node)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _kind(node: Node) -> str:
    tag = node.tag
    if tag in _PEOPLE:
        if any(child.tag == "assignedAuthoringDevice" for child in node.children):
            return "AuthoringDevice"
        named = any(child.tag in ("assignedPerson", "informationRecipient") for child in node.children)
        return "Person" if named or node.named.get("id") else ""
    if tag in _ORGANIZATIONS:
        return "Organization" if node.named else ""
    if tag in _RELATED:
        return "RelatedParty"
    if tag == "healthCareFacility":
        return "Location"
    if tag == "guardian":
        return "Guardian"
    if tag == "participantRole":
        if any(child.tag == "playingDevice" for child in node.children):
            return "" if _is_denied(node) else "Device"
        if node.attributes.get("classCode") == "SDLOC" or (
            node.up and node.up.attributes.get("typeCode") == "LOC"
        ):
            return "Location"
    return ""


def _is_denied(node: Node) -> bool:
    """Whether a party is of a supply that was not made: nobody has the device."""
    around = node.up
    while around is not None and around.tag not in STATEMENTS:
        around = around.up
    return around is not None and around.tag == "supply" and around.attributes.get("negationInd") == "true"


def _numbers(node: Node) -> set[tuple[str, str]]:
    return {
        (child.attributes.get("root", ""), child.attributes["extension"])
        for child in node.children
        if child.tag == "id" and child.attributes.get("extension")
    }


def parties(root: Root) -> dict[str, list[Node]]:
    """The parties of a document by scope, each once; what further mentions add is joined to the first.

    Each is an element of its own that has the children of all mentions, equal ones once.
    """
    result: dict[str, list[Node]] = {kind: [] for kind in PARTIES}
    known: dict[tuple[str, str], tuple[Node, dict[Signature, Node]]] = {}
    twins: dict[int, int] = {}
    patients = [
        role for target in root.named.get("recordTarget", ()) for role in target.named.get("patientRole", ())
    ]
    numbers = {number for role in patients for number in _numbers(role)}
    known_of_patient: dict[Signature, Node] | None = None
    for node in root.walk():
        kind = _kind(node)
        if not kind:
            continue
        if kind == "Person" and numbers and not numbers.isdisjoint(_numbers(node)):
            node.key = PATIENT
            if known_of_patient is None:
                known_of_patient = {signature(each): each for role in patients for each in role.walk()}
            for each in node.walk():
                if (first := known_of_patient.get(signature(each))) is not None:
                    _pair(each, first, twins)
            continue
        node.key = key = identity(node)
        entry = known.get((kind, key))
        if entry is None:
            party = Node(node.tag, dict(node.attributes), node.up, node.line)
            party.key, party.in_document, party.kind = key, root, kind
            entry = known[kind, key] = (party, {})
            result[kind].append(party)
        _join(entry[0], entry[1], node.children, twins)
    root.twins = twins
    return result


def _join(party: Node, seen: dict[Signature, Node], children: Iterable[Node], twins: dict[int, int]) -> None:
    for child in children:
        first = seen.setdefault(signature(child), child)
        if first is child:
            party.children.append(child)
        else:
            _pair(child, first, twins)


def _pair(node: Node, first: Node, twins: dict[int, int]) -> None:
    """Note of an element and those in it which ones said the same before."""
    twins.setdefault(id(node), id(first))
    for one, other in zip(node.children, first.children, strict=True):
        _pair(one, other, twins)
