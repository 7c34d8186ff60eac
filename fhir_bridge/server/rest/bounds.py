"""What a caller from whom resources are hidden must not learn, or gain, by writing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhir_bridge.fhir.access import EVERYTHING, AccessRule
from fhir_bridge.fhir.attachments import attached_binaries
from fhir_bridge.fhir.purposes import OF_OTHERS
from fhir_bridge.fhir.record import patient_types
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.rest.writing import Writing
from fhir_bridge.storage.errors import Gone, NotFound, StorageError

__all__ = ["refuse_new_links", "refuse_unreachable", "refuse_unreachable_attachments"]


def _bound(call: Writing, resource_type: str, letter: str) -> bool:
    """Whether every grant of the interaction is bounded, so that some resources of the type are hidden."""
    rules = call.access.rules_for(resource_type, letter)
    return bool(call.access.withheld_labels) or all(rule.patient or rule.criteria for rule in rules)


def _may_be_denied(call: Writing, resource_type: str) -> bool:
    """Whether Consents may hide resources of the type from a caller who has no need to choose ids."""
    return call.access.purpose in OF_OTHERS and resource_type in patient_types()


async def refuse_unreachable(call: Writing, resource_type: str, resource_id: str) -> None:
    """Before an update: to a caller from whom resources are hidden, an id that is free answers like one of those.

    Otherwise 201 for the one and 403 for the other would indicate which ids other patients' records have.

    Raises:
        Refusal: 403.
    """
    if not _bound(call, resource_type, "u") and not _may_be_denied(call, resource_type):
        return
    # By the letters that allow the update, as a read: whether it may be read otherwise is of no concern.
    rules = [
        AccessRule(rule.type, frozenset("r"), rule.patient, rule.criteria)
        for rule in call.access.rules_for(resource_type, "u")
    ]
    try:
        await call.services.store.read(resource_type, resource_id, replace(call.access, rules=tuple(rules)))
    except (NotFound, Gone) as error:
        raise refuse(
            403,
            "FB-SMART-002",
            f"this token may update no {resource_type} of this id, and create by POST only",
            headers={"WWW-Authenticate": 'Bearer realm="fhir", error="insufficient_scope"'},
        ) from error


async def refuse_unreachable_attachments(call: Writing, resource: dict[str, Any]) -> None:
    """Who has a Binary as an attachment lends it the own patients: a bounded caller takes none out of reach.

    Raises:
        Refusal: 403.
    """
    for identity in attached_binaries(resource):
        if not _bound(call, resource["resourceType"], "c") and not _bound(
            call, resource["resourceType"], "u"
        ):
            return
        try:
            await call.services.store.read("Binary", identity, call.access)
        except StorageError as error:
            raise refuse(
                403,
                "FB-SMART-002",
                "this token can't read the Binary of an attachment: store it first, with a securityContext",
                headers={"WWW-Authenticate": 'Bearer realm="fhir", error="insufficient_scope"'},
            ) from error


def _links(patient: dict[str, Any]) -> set[tuple[str, str]]:
    results = set()
    links = patient.get("link")
    for link in links if isinstance(links, list) else ():
        other = link.get("other") if isinstance(link, dict) else None
        reference = other.get("reference") if isinstance(other, dict) else None
        results.add((str(link.get("type")) if isinstance(link, dict) else "", str(reference)))
    return results


async def refuse_new_links(call: Writing, resource: dict[str, Any], resource_id: str = "") -> None:
    """Linked Patients are one person, and whoever reaches one reaches all: a bounded caller adds no link.

    Args:
        resource_id: of the version that is replaced; its links may stay.

    Raises:
        Refusal: 403.
    """
    if resource.get("resourceType") != "Patient" or not resource.get("link"):
        return
    if not _bound(call, "Patient", "u" if resource_id else "c"):
        return
    known: set[tuple[str, str]] = set()
    if resource_id:
        try:
            # With every access: links that the caller can't see must stay as well.
            known = _links(loads((await call.services.store.read("Patient", resource_id, EVERYTHING)).bytes))
        except (NotFound, Gone):  # deleted, or not there: it has no links
            known = set()
    if _links(resource) - known:
        raise refuse(
            403,
            "FB-SMART-002",
            "a token for one patient may not link it to another",
            source="Patient.link",
            headers={"WWW-Authenticate": 'Bearer realm="fhir", error="insufficient_scope"'},
        )
