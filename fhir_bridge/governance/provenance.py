"""Provenance: who or what made a resource, of what (R4 provenance.html)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ProvenanceAgent", "ProvenanceEntity", "provenance"]

_AGENT_TYPES = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


@dataclass(frozen=True, slots=True)
class ProvenanceAgent:
    """Who took part.

    Attributes:
        who: a reference, `Type/id`.
        kind: code of provenance-participant-type: `author`, `assembler`, `performer`, `verifier`, …
        roles: codings that say more, such as an AI's role.
    """

    who: str
    kind: str = "author"
    roles: tuple[tuple[str, str], ...] = ()
    on_behalf_of: str | None = None


@dataclass(frozen=True, slots=True)
class ProvenanceEntity:
    """What was used: a reference, best with its version (`Observation/x/_history/3`)."""

    what: str
    role: Literal["derivation", "revision", "quotation", "source", "removal"] = "source"


def provenance(
    targets: Sequence[str],
    recorded: str,
    agents: Sequence[ProvenanceAgent],
    entities: Iterable[ProvenanceEntity] = (),
    *,
    occurred: str | None = None,
    activity: tuple[str, str] | None = None,
    policy: Sequence[str] = (),
    security: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """A Provenance resource without id.

    Args:
        targets: references of what was made, at least one.
        recorded: instant, with offset.
        occurred: dateTime of the activity, where it differs.
        activity: (system, code) of v3-DataOperation or the like.
        policy: URIs of the policies it was made under.
        security: labels (system, code) for meta.security.

    Raises:
        ValueError: no target or no agent (both are required by R4).
    """
    if not targets or not agents:
        raise ValueError("a Provenance has at least one target and one agent")
    resource: dict[str, Any] = {"resourceType": "Provenance"}
    if security:
        resource["meta"] = {"security": [{"system": system, "code": code} for system, code in security]}
    resource["target"] = [{"reference": target} for target in targets]
    if occurred:
        resource["occurredDateTime"] = occurred
    resource["recorded"] = recorded
    if policy:
        resource["policy"] = list(policy)
    if activity:
        resource["activity"] = {"coding": [{"system": activity[0], "code": activity[1]}]}
    resource["agent"] = [_agent(agent) for agent in agents]
    used = [{"role": entity.role, "what": {"reference": entity.what}} for entity in entities]
    if used:
        resource["entity"] = used
    return resource


def _agent(agent: ProvenanceAgent) -> dict[str, Any]:
    result: dict[str, Any] = {"type": {"coding": [{"system": _AGENT_TYPES, "code": agent.kind}]}}
    if agent.roles:
        result["role"] = [{"coding": [{"system": system, "code": code}]} for system, code in agent.roles]
    result["who"] = {"reference": agent.who}
    if agent.on_behalf_of:
        result["onBehalfOf"] = {"reference": agent.on_behalf_of}
    return result
