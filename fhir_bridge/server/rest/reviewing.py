"""`$review` and `$withdraw` of a result; `$withdraw` of all of a model's version, or of an input device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from starlette.responses import Response

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.serialization import dumps, loads
from fhir_bridge.governance.permissions import Permission, may
from fhir_bridge.predictions.batches import read_many
from fhir_bridge.predictions.reviewing import Review, withdraw
from fhir_bridge.server.finishing import finished
from fhir_bridge.server.rest.auditing import audit_of, audit_operation
from fhir_bridge.server.rest.call import FHIR_JSON, Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs, only
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.reviewing import check_person, person, review_result, text_of, verdict_of
from fhir_bridge.storage import NotFound, Stored

__all__ = ["ReviewResult", "WithdrawAll", "WithdrawOne"]

_PAGE: Final = 500


def _require(call: Call, permission: Permission) -> None:
    # Without authorization nobody has a role, and everybody may do anything.
    if call.caller.token is not None and not may(call.caller.token.user, permission):
        raise refuse(403, "FB-SMART-006", f"this account has not the permission `{permission}`")


def _who(call: Call) -> dict[str, Any]:
    token = call.caller.token
    if token is None or token.user is None:
        return {"display": "anonymous" if token is None else token.client_id}
    return person(token.user)


async def _readable(call: Call) -> Stored:
    """The Observation, where the caller may change it and read it.

    Raises:
        Refusal: 403. StorageError: there is none for this caller.
    """
    call.require("u")
    # By the grants to update alone: one to read another category does not extend them.
    rules = tuple(
        replace(rule, interactions=frozenset("r")) for rule in call.access.rules_for("Observation", "u")
    )
    await call.services.store.read("Observation", call.id, replace(call.access, rules=rules))
    return await call.services.store.read("Observation", call.id, call.access)


async def _reviewed(call: Call, stored: Stored, verdict: Review) -> Response:
    """Write what the person says; the Observation as it is then."""
    await review_result(call.services, stored, verdict, audit_of(call))
    await audit_operation(call)
    written = await call.services.store.read("Observation", call.id, EVERYTHING)
    return Response(written.bytes, media_type=FHIR_JSON)


class ReviewResult(CallOperation):
    """A person confirms, amends or rejects a result, or says which decision followed."""

    name = "review"
    types: tuple[str, ...] = ("Observation",)
    access = "u"
    definition = "https://fhir-bridge.org/fhir/OperationDefinition/review"
    levels = frozenset({"instance"})
    sent = True

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:  # noqa: ARG002
        """See `CallOperation.serve`."""
        _require(call, "review-prediction")
        known = only(parameters, ("decision", "reason", "value", "category", "followed", "version"))
        verdict = verdict_of(known, _who(call))
        stored = await _readable(call)
        if known.get("version", str(stored.version)) != str(stored.version):
            raise refuse(409, "FB-REST-011", "the result has another version by now: look at it again")
        return await _reviewed(call, stored, verdict)


class WithdrawOne(CallOperation):
    """A result was wrong: it is entered in error, with the reason."""

    name = "withdraw"
    types: tuple[str, ...] = ("Observation",)
    access = "u"
    definition = "https://fhir-bridge.org/fhir/OperationDefinition/withdraw"
    levels = frozenset({"instance"})
    sent = True

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:  # noqa: ARG002
        """See `CallOperation.serve`."""
        _require(call, "review-prediction")
        known = only(parameters, ("reason",))
        stored = await _readable(call)
        reason = text_of(known, "reason")
        if not reason:
            raise refuse(400, "FB-REST-008", "withdraw needs a reason")
        verdict = Review("reject", _who(call), reason)
        return await _reviewed(call, stored, verdict)


class WithdrawAll(CallOperation):
    """All results of a model (perhaps of one version), or all that used a measurement of a device."""

    name = "withdraw"
    types: tuple[str, ...] = ()
    access = "u"
    definition = "https://fhir-bridge.org/fhir/OperationDefinition/withdraw"
    levels = frozenset({"system"})
    sent = True

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:  # noqa: ARG002
        """See `CallOperation.serve`."""
        _require(call, "withdraw-model")
        if not any(
            not rule.criteria and rule.patient is None for rule in call.access.rules_for("Observation", "u")
        ):
            raise refuse(403, "FB-SMART-002", "withdrawing needs a grant to update every Observation")
        known = only(parameters, ("model", "version", "input-device", "reason"))
        reason = text_of(known, "reason")
        if not reason:
            raise refuse(400, "FB-REST-008", "withdraw needs a reason")
        if ("model" in known) == ("input-device" in known):
            raise refuse(400, "FB-REST-008", "name the model, or the input-device (Device/ID)")
        await check_person(call.services, _who(call))
        if "model" in known:
            ids = await _of_model(call, known["model"], known.get("version"))
        else:
            ids = await _of_device(call, known["input-device"].removeprefix("Device/"))
        count = await finished(withdraw(call.services.store, ids, reason, _who(call), audit_of(call)))
        await audit_operation(call)
        answer = {
            "resourceType": "Parameters",
            "parameter": [{"name": "withdrawn", "valueInteger": count}],
        }
        return Response(dumps(answer), media_type=FHIR_JSON)


async def _of_model(call: Call, model: str, version: str | None) -> list[str]:
    """Results of a model, perhaps of one version.

    Raises:
        NotFound: it left none here, not even a withdrawn one.
    """
    store = call.services.store
    ids, devices = await store.results.of_model(model, withdrawn=True), dict[str, bool]()
    chosen: list[str] = []
    for stored in (await read_many(store, "Observation", ids if version is not None else ())).values():
        device = _device_of(loads(stored.bytes).get("device", {}))
        if device not in devices:
            devices[device] = await _is_version(call, device, version or "")
        if devices[device]:
            chosen.append(stored.id)
    if version is not None and not chosen:
        raise NotFound(f"no result of a model {model[:64]} of version {version[:64]}")
    if not ids:
        raise NotFound(f"no result of a model {model[:64]}")
    return ids if version is None else chosen


def _device_of(reference: Mapping[str, Any]) -> str:
    """The id of the Device."""
    return str(reference.get("reference", "")).removeprefix("Device/")


async def _is_version(call: Call, device: str, version: str) -> bool:
    if not device:
        return False
    resource = loads((await call.services.store.read("Device", device, EVERYTHING)).bytes)
    return any(item.get("value") == version for item in resource.get("version", ()))


async def _of_device(call: Call, device: str) -> list[str]:
    """Results that a measurement of the device is an input of: a search that anybody may make, too.

    Raises:
        NotFound: there is no such device.
    """
    await call.services.store.read("Device", device, EVERYTHING)
    access: AccessFilter = EVERYTHING
    parameters = [("_security", "AIAST"), ("derived-from:Observation.device", f"Device/{device}")]
    ids: list[str] = []
    cursor = None
    while True:
        page = await call.services.store.search("Observation", parameters, access, count=_PAGE, cursor=cursor)
        ids += [entry.id for entry in page.entries]
        cursor = page.next
        if cursor is None:
            return ids
