"""AuditEvents in the patterns of IHE Basic Audit Log Patterns (BALP 1.1.3).

A builder gives a resource without id. Reads flow to the client, which is then the destination; everything else
flows from it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from fhir_bridge.fhir.purposes import coding
from fhir_bridge.storage.audit_rows import AuditRecord, AuditRow, patient_entity

__all__ = [
    "Agent",
    "Context",
    "Event",
    "Patients",
    "Write",
    "authorization",
    "login",
    "operation",
    "read",
    "records",
    "refusal",
    "search",
    "shared",
    "write",
]

_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_EVENT = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_SOURCE = "http://terminology.hl7.org/CodeSystem/security-source-type"
_REQUEST_ID = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"

Event = dict[str, Any]
"""An AuditEvent without id."""
Write = Literal["create", "update", "delete"]
Patients = str | Sequence[str] | None
"""Whom an event is about: a patient, several of many, or nobody."""

MOST_EVENTS = 1_000
"""Patients of one request that have an event each; of more, `TOGETHER` share one."""
TOGETHER = 100


def shared(patients: Iterable[str]) -> list[tuple[str, ...]]:
    """Whom each event of a request is about. One event for each patient (BALP), which the patient may read.

    A Group of 100,000 would leave as many events with each read: where there are more than `MOST_EVENTS`, an event
    names `TOGETHER` of them. Each of them is still found by its patient. One that is empty where there are none.
    """
    results = list(dict.fromkeys(patients))
    if len(results) < 2:
        return [tuple(results)]
    together = TOGETHER if len(results) > MOST_EVENTS else 1
    return [tuple(results[start : start + together]) for start in range(0, len(results), together)] or [()]


def records(event: Event | None, patients: Iterable[str], row: AuditRow | None = None) -> list[AuditRecord]:
    """What is stored of a request: one record, or some where it is about very many patients.

    Args:
        event: without the patients; None where its row is given.
    """
    groups = shared(patients)
    if len(groups) == 1:
        return [AuditRecord(event, groups, row)]
    most = max(1, MOST_EVENTS // len(groups[0])) if groups[0] else 1
    return [AuditRecord(event, groups[start : start + most], row) for start in range(0, len(groups), most)]


@dataclass(frozen=True, slots=True)
class Agent:
    """The person who acts: the account's id, a name for display, and the resource that stands for the person."""

    id: str
    display: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What all events of one request share.

    Attributes:
        server: the FHIR base URL.
        client: id of the application; None where authorization is off.
        user: the person behind it, if any.
        address: network address of the caller.
        purpose: purpose of use, v3-ActReason.
        request_id: the request's X-Request-Id.
    """

    server: str
    client: str | None = None
    user: Agent | None = None
    address: str | None = None
    purpose: str | None = None
    request_id: str | None = None


def _coding(system: str, code: str) -> dict[str, str]:
    return {"system": system, "code": code}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [_coding(system, code)]}


def _person(agent: Agent) -> dict[str, Any]:
    who: dict[str, Any] = {"identifier": {"value": agent.id}, "display": agent.display}
    if agent.reference:
        who = {"reference": agent.reference, **who}
    return {"type": _concept(_PARTICIPATION, "IRCP"), "who": who, "requestor": True}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _network(address: str) -> dict[str, str]:
    """An IP address (2), or a URI (5)."""
    return {"address": address, "type": "5" if "://" in address else "2"}


def _event(
    context: Context, interaction: str, action: str, entities: Iterable[dict[str, Any]], *, outward: bool
) -> dict[str, Any]:
    # DCM: destination role, source role.
    destination, source = "110152", "110153"
    client: dict[str, Any] = {
        "type": _concept(_DCM, destination if outward else source),
        "who": {"identifier": {"value": context.client or "anonymous"}},
        "requestor": context.user is None,
    }
    if context.address:
        client["network"] = _network(context.address)
    server = {
        "type": _concept(_DCM, source if outward else destination),
        "who": {"identifier": {"value": context.server}},
        "requestor": False,
        "network": _network(context.server),
    }
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "type": _coding(_EVENT, "rest"),
        "subtype": [_coding(_INTERACTION, interaction)],
        "action": action,
        "recorded": _now(),
        "outcome": "0",
    }
    if context.purpose:
        event["purposeOfEvent"] = [{"coding": [coding(context.purpose)]}]
    event["agent"] = [client, server, *([_person(context.user)] if context.user else [])]
    # 4: application server (R4 security-source-type).
    event["source"] = {"observer": {"identifier": {"value": context.server}}, "type": [_coding(_SOURCE, "4")]}
    entity = list(entities)
    if context.request_id is not None:
        entity.append(
            {
                "what": {"identifier": {"value": context.request_id}},
                "type": _coding(_REQUEST_ID, "XrequestId"),
            }
        )
    event["entity"] = entity
    return event


def _patient(patients: Patients) -> list[dict[str, Any]]:
    named = [patients] if isinstance(patients, str) else patients or ()
    return [patient_entity(patient) for patient in named if patient]


def _resource(reference: str) -> dict[str, Any]:
    return {"what": {"reference": reference}, "type": _coding(_ENTITY, "2"), "role": _coding(_ROLE, "4")}


def read(
    context: Context, reference: str, *, patient: Patients = None, interaction: str = "read"
) -> dict[str, Any]:
    """IHE.BasicAudit.Read and PatientRead: one resource went to the client (`read`, `vread`, `history-instance`)."""
    return _event(context, interaction, "R", [_resource(reference), *_patient(patient)], outward=True)


def notification(context: Context, reference: str, subscription: str) -> dict[str, Any]:
    """A resource, or the word that it changed, went to who subscribed; `address` of the context is the endpoint."""
    return _event(context, "read", "R", [_resource(reference), _resource(subscription)], outward=True)


def operation(context: Context, name: str, reference: str, *, patient: str | None) -> dict[str, Any]:
    """An operation ran on a resource or type (`Patient/1`, `Patient`); `$name` is in the entity's description."""
    target = (
        _resource(reference)
        if "/" in reference
        else {"type": _coding(_ENTITY, "2"), "name": reference or "base"}
    )
    return _event(
        context, "operation", "E", [target | {"description": f"${name}"}, *_patient(patient)], outward=False
    )


def search(
    context: Context, query: str, *, patient: Patients = None, interaction: str = "search-type"
) -> dict[str, Any]:
    """IHE.BasicAudit.Query and PatientQuery: of a patient found, or of none.

    Args:
        query: the request as it came, `GET https://…?…` or the form of a POST; kept in base64.
    """
    requested = {
        "type": _coding(_ENTITY, "2"),
        "role": _coding(_ROLE, "24"),
        "query": base64.b64encode(query.encode()).decode(),
    }
    return _event(context, interaction, "E", [requested, *_patient(patient)], outward=False)


def write(
    context: Context, interaction: Write, reference: str, *, patient: Patients = None
) -> dict[str, Any]:
    """IHE.BasicAudit.Create, Update and Delete, with the patient where there is one."""
    action = {"create": "C", "update": "U", "delete": "D"}[interaction]
    return _event(context, interaction, action, [_resource(reference), *_patient(patient)], outward=False)


def refusal(
    context: Context,
    interaction: str,
    target: str,
    *,
    status: int,
    code: str,
    count: int = 1,
    since: str | None = None,
) -> dict[str, Any]:
    """A request that was refused: who (if known), from where, at what, and why; never what was sent.

    Args:
        interaction: code of R4 restful-interaction; `login` for a proof of identity that failed (DCM 110122).
        target: `Type/id`, a type, or empty.
        status: of HTTP. Too many attempts (429) is a serious failure (8), all others a minor one (4).
        code: of the issue.
        count: how many refusals this event stands for.
        since: instant of the first of them.
    """
    # What is refused may not exist; a type alone is no reference.
    entity: dict[str, Any] = _resource(target) if "/" in target else {"type": _coding(_ENTITY, "2")}
    if target and "/" not in target:
        entity["name"] = target
    if count > 1:
        entity["detail"] = [{"type": "count", "valueString": str(count)}]
    event = _event(context, interaction, _ACTIONS.get(interaction, "E"), [entity], outward=False)
    if interaction == "login":
        event["type"], event["subtype"] = _coding(_DCM, "110114"), [_coding(_DCM, "110122")]
    event["outcome"] = "8" if status == 429 else "4"
    event["outcomeDesc"] = f"{status} {code}"
    if since is not None:
        event["period"] = {"start": since, "end": event["recorded"]}
    return event


_ACTIONS = {"create": "C", "update": "U", "delete": "D", "read": "R", "vread": "R", "history-instance": "R"}


def login(user: Agent, *, address: str) -> dict[str, Any]:
    """A sign-in (DCM 110122); a failed one is a `refusal`."""
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "type": _coding(_DCM, "110114"),
        "subtype": [_coding(_DCM, "110122")],
        "action": "E",
        "recorded": _now(),
        "outcome": "0",
    }
    agent = _person(user)
    if address != "unknown":
        agent["network"] = _network(address)
    event["agent"] = [agent]
    # 6: security server.
    event["source"] = {"observer": {"display": "FHIR Bridge"}, "type": [_coding(_SOURCE, "6")]}
    return event


def authorization(
    user: Agent, client: str, scope: str, *, patient: str | None, address: str
) -> dict[str, Any]:
    """A person allowed an application something (IHE IUA, user authentication and authorization)."""
    event = login(user, address=address)
    event["subtype"] = [_coding(_DCM, "110112")]
    event["agent"].append({"who": {"identifier": {"value": client}}, "requestor": False})
    event["entity"] = [
        {
            "what": {"identifier": {"value": client}},
            "type": _coding(_ENTITY, "4"),
            "detail": [{"type": "scope", "valueString": scope}],
        },
        *_patient(patient),
    ]
    return event
