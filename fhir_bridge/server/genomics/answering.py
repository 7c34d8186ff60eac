"""Answers of genomics operations: Parameters with parts, what has to be known beside them, and their AuditEvents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from starlette.responses import Response

from fhir_bridge.adapters.genomics.query import Interval
from fhir_bridge.fhir.issues import Issue, operation_outcome
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.governance import audit
from fhir_bridge.server.genomics.evidence import Evidence, Result
from fhir_bridge.server.genomics.studies import Coverage, Kind, studied
from fhir_bridge.server.rest.call import FHIR_JSON, Call

__all__ = ["Entry", "answer", "coverage_of", "presence", "resources"]

_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


class Listed(NamedTuple):
    """Parameters of one name, each with a resource, which may be JSON."""

    name: str
    resources: Sequence[dict[str, Any] | bytes]


Entry = dict[str, Any] | Listed


def resources(name: str, matches: Iterable[Result]) -> list[Entry]:
    """A parameter for each Observation, in the order of their ids: the same answer each time."""
    ordered = sorted(matches, key=attrgetter("id"))
    if not ordered:
        return []
    return [Listed(name, [each.resource if each.text is None else each.text for each in ordered])]


def coverage_of(evidence: Evidence, places: Sequence[Interval], kind: Kind) -> Coverage:
    """Whether any test, of those that are asked for, looked at a place, given in each build, for a kind of variant."""
    if places and evidence.studies:
        return studied(places, evidence.studies, kind)
    return "no" if places and evidence.excluded else "unknown"


def presence(
    evidence: Evidence, coverage: Coverage, *, present: bool, understood: bool = True
) -> list[Entry]:
    """Whether something is there, and whether anybody looked.

    Where every test says that it looked elsewhere, there is no true or false: it was not studied. Nor where a kept file
    could not be looked into: what it has there is not known.
    """
    if not present and evidence.unread:
        understood = False
        coverage = "no" if coverage == "no" else "unknown"
    entry: dict[str, Any] = {"name": "presence", "valueBoolean": present}
    if not present and (coverage == "no" or not understood):
        code = "not-performed" if coverage == "no" else "unknown"
        extension = {"url": _REASON, "valueCode": code}
        entry = {"name": "presence", "_valueBoolean": {"extension": [extension]}}
    parts: list[Entry] = [entry, {"name": "studied", "valueCode": coverage}]
    if not present and coverage == "unknown":
        evidence.warn("no test says that it studied all of what was asked for: absence is not proven")
    elif not present and coverage != "yes":
        evidence.warn("not all of what was asked for was studied: see the part `studied`")
    return parts


async def answer(call: Call, subject: str, evidence: Evidence, parameters: Sequence[Entry]) -> Response:
    """The Parameters, with a warning for each thing that limits what they say; on record for the subject."""
    if evidence.warnings:
        issues = [Issue("warning", "FB-GENOMICS-001", text) for text in evidence.warnings]
        parameters = [*parameters, {"name": "outcome", "resource": operation_outcome(issues)}]
    content = _written(parameters)
    call.budget.spend(entries=_count(parameters), size=len(content))
    call.budget.check()
    # Always of the subject: that nothing is there is known of a person too.
    event = audit.operation(call.audit_context(), call.operation, f"Patient/{subject}", patient=subject)
    await call.services.audit.now(event)
    return Response(content, media_type=FHIR_JSON)


def _written(parameters: Sequence[Entry]) -> bytes:
    """The Parameters as JSON. What is JSON already is copied once: the variants of a region are megabytes."""
    pieces = [b'{"resourceType":"Parameters"']
    if parameters:
        pieces.append(b',"parameter":')
        _write(parameters, pieces)
    pieces.append(b"}")
    return b"".join(pieces)


def _write(parameters: Sequence[Entry], pieces: list[bytes]) -> None:
    separator = b"["
    for parameter in parameters:
        if isinstance(parameter, Listed):
            begin = b'{"name":%b,"resource":' % dumps(parameter.name)
            for resource in parameter.resources:
                pieces += (
                    separator,
                    begin,
                    resource if isinstance(resource, bytes) else dumps(resource),
                    b"}",
                )
                separator = b","
            continue
        pieces.append(separator)
        separator = b","
        if parts := parameter.get("part"):
            pieces.append(b'{"name":%b,"part":' % dumps(parameter["name"]))
            _write(parts, pieces)
            pieces.append(b"}")
        else:
            pieces.append(dumps(parameter))
    pieces.append(b"]")


def _count(parameters: Iterable[Entry]) -> int:
    return sum(
        len(entry.resources)
        if isinstance(entry, Listed)
        else ("resource" in entry) + _count(entry.get("part", ()))
        for entry in parameters
    )
