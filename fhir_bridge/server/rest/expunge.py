"""`$expunge` of a resource and of a type: for who has the permission, on record, with a certificate or as a trial."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from fhir_bridge.adapters.genomics.kept_writing import without_samples
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import dumps, loads
from fhir_bridge.governance import audit
from fhir_bridge.governance.expunging import certificate, is_certificate
from fhir_bridge.governance.permissions import may
from fhir_bridge.server.finishing import finished
from fhir_bridge.server.rest.auditing import audit_operation
from fhir_bridge.server.rest.call import FHIR_JSON, Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs, only
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.rest.server_owned import READ_ONLY_TYPES
from fhir_bridge.storage.audit_rows import AuditRecord
from fhir_bridge.storage.errors import Gone, NotFound
from fhir_bridge.storage.expunging import MOST, Expunged, Mode, Wanted

__all__ = ["Expunge"]

_MODES: dict[str, Mode] = {
    "expungeEverything": "everything",
    "expungeDeletedResources": "deleted",
    "expungePreviousVersions": "previous",
}
LONGEST_REASON = 500


class Expunge(CallOperation):
    """Lets a resource, what is deleted of a type, or what was replaced go for good."""

    name = "expunge"
    types: tuple[str, ...] = ("*",)
    access = "d"
    definition = "https://fhir-bridge.org/fhir/OperationDefinition/expunge"
    sent = True
    decides_access = True  # what is deleted can't be read

    async def serve(
        self,
        call: Call,
        parameters: Pairs,
        body: dict[str, Any] | None,  # noqa: ARG002
    ) -> Response:
        """See `CallOperation.serve`."""
        # Without authorization nobody has a role, and everybody may do anything.
        if call.caller.token is not None and not may(call.caller.token.user, "expunge"):
            raise refuse(403, "FB-SMART-006", "this account has not the permission `expunge`")
        call.require("d")
        if call.type in READ_ONLY_TYPES:
            raise refuse(403, "FB-REST-012", f"{call.type} is never expunged")
        if call.type == "Provenance" and call.id:
            await _refuse_certificate(call)
        wanted, reason, trial = _read(call, only(parameters, (*_MODES, "dryRun", "limit", "reason")))
        # A Consent hides nothing from who erases, which is what a patient who denies everything may ask for; what is
        # given back holds no content.
        access = replace(call.access, purpose="PATRQT")
        expunged = await finished(
            call.services.store.expunges.run(
                wanted,
                access,
                call.services.blobs,
                certificate=lambda gone: certificate(gone, base=call.base, who=_who(call), reason=reason),
                audit=lambda gone: list(_records(call, gone)),
                without=without_samples,
                trial=trial,
            )
        )
        if trial or not expunged.resources:
            await audit_operation(call)
        return Response(dumps(_answer(call, expunged, trial=trial)), media_type=FHIR_JSON)


async def _refuse_certificate(call: Call) -> None:
    """Nobody takes away what shows that something was taken away.

    Raises:
        Refusal: 403.
    """
    with suppress(NotFound, Gone):
        stored = await call.services.store.read("Provenance", call.id, EVERYTHING)
        if is_certificate(loads(stored.bytes)):
            text = "the certificate of an expunction is never expunged: it shows what went, and has nothing of it"
            raise refuse(403, "FB-REST-012", text)


def _read(call: Call, known: dict[str, str]) -> tuple[Wanted, str, bool]:
    """What is wanted, why, and whether it is a trial.

    Raises:
        Refusal: 400.
    """
    for name in (*_MODES, "dryRun"):
        if known.get(name, "false") not in ("true", "false"):
            raise refuse(400, "FB-REST-008", f"{name} is true or false")
    modes = [mode for name, mode in _MODES.items() if known.get(name) == "true"]
    if len(modes) != 1:
        raise refuse(400, "FB-REST-008", f"one of {', '.join(_MODES)} is true")
    if modes == ["everything"] and not call.id:
        raise refuse(400, "FB-REST-008", "expungeEverything is of one resource: Type/id/$expunge")
    limit = known.get("limit", str(MOST))
    if not (limit.isascii() and limit.isdecimal() and 0 < int(limit[:9]) <= MOST):
        raise refuse(400, "FB-REST-008", f"limit is a number from 1 to {MOST}")
    reason, trial = known.get("reason", "").strip(), known.get("dryRun") == "true"
    if (not reason and not trial) or len(reason) > LONGEST_REASON:
        raise refuse(
            400,
            "FB-REST-008",
            f"reason says why, in at most {LONGEST_REASON} characters; the certificate has it",
        )
    return Wanted(call.type, call.id, modes[0], int(limit)), reason, trial


def _who(call: Call) -> dict[str, Any]:
    token = call.caller.token
    if token is None or token.user is None:
        return {"display": "anonymous" if token is None else token.client_id}
    who: dict[str, Any] = {"identifier": {"value": token.user.id}, "display": token.user.display}
    return {"reference": token.user.fhir_user, **who} if token.user.fhir_user else who


def _records(call: Call, expunged: Expunged) -> Iterator[AuditRecord]:
    """That it was asked for, and each resource that went."""
    context = call.audit_context()
    target = "/".join(filter(None, (call.type, call.id)))
    yield from audit.records(audit.operation(context, call.operation, target, patient=None), ())
    for gone in expunged.resources:
        event = audit.write(context, "delete", f"{gone.type}/{gone.id}")
        yield from audit.records(event, gone.patients)


def _answer(call: Call, expunged: Expunged, *, trial: bool) -> dict[str, Any]:
    counts = {
        "count": sum(gone.versions for gone in expunged.resources),
        "contents": len(expunged.contents),
        "sources": len(expunged.sources),
        "parts": expunged.parts,
        "kept": expunged.kept,
        "exports": len(expunged.exports),
    }
    parameters: list[dict[str, Any]] = [{"name": "dryRun", "valueBoolean": trial}]
    parameters += [{"name": name, "valueInteger": count} for name, count in counts.items()]
    for gone in expunged.resources:
        part: list[dict[str, Any]] = [
            {"name": "resource", "valueString": f"{gone.type}/{gone.id}"},
            {"name": "versions", "valueInteger": gone.versions},
            {"name": "cause", "valueCode": gone.cause},
        ]
        parameters.append({"name": "expunged", "part": part})
    if expunged.certificate:
        reference = {"reference": f"{call.base}/{expunged.certificate}"}
        parameters.append({"name": "certificate", "valueReference": reference})
    return {"resourceType": "Parameters", "parameter": parameters}
