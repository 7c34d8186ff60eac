"""`$convert-data`: a message or document in, a Bundle of what it becomes out; stored where that is asked for.

The parameters are those of Microsoft's FHIR converter (`inputData`, `inputDataType`); mappings of the bridge take the
place of its templates, whose parameters are accepted and change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from starlette.responses import Response

from fhir_bridge.fhir.issues import Issue, operation_outcome
from fhir_bridge.fhir.serialization import dumps, loads
from fhir_bridge.mapping import CrosswalkError, MappingErrors, SiteError
from fhir_bridge.pipeline.converting import Conversion, Converter
from fhir_bridge.plugins import IssueLike
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest.auditing import audit_operation
from fhir_bridge.server.rest.bundles import carry_out
from fhir_bridge.server.rest.call import FHIR_JSON, Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs, only
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage import OtherSiteKey

__all__ = ["ConvertData"]

_ADAPTERS: Final = {"hl7v2": "hl7v2", "ccda": "ccda", "fhir": "fhir", "json": "fhir"}
_OF_LEDGER: Final = ("hl7v2", "ccda")
"""Of these what is stored is a record, which replaces what it said before."""
_TEMPLATES: Final = ("templateCollectionReference", "rootTemplate")
_MOST_ISSUES: Final = 200


class ConvertData(CallOperation):
    """Converts what is sent. Whoever may create may ask for it.

    `store` of a message or document goes the way of a load, as what it says is withdrawn, corrected and joined with
    what other records say: the caller has to be allowed all writes. Resources of FHIR are written by the caller's own
    rights.

    Nothing stored is read, so the answer holds only what was sent. `inputDataType`: `Hl7v2`, `Ccda`, `Fhir` (alias
    `Json`: a resource or Bundle of another system, as the adapter `fhir` reads it).
    """

    name = "convert-data"
    types: tuple[str, ...] = ()
    access = "c"
    definition = "https://fhir-bridge.org/fhir/OperationDefinition/convert-data"
    sent = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._converters: dict[str, Converter] = {}

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:
        """See `CallOperation.serve`."""
        known = only(parameters, ("inputData", "inputDataType", "store", *_TEMPLATES))
        content, kind = known.get("inputData", ""), known.get("inputDataType", "").lower()
        if body is None or body.get("resourceType") != "Parameters" or not content:
            raise refuse(400, "FB-REST-002", "send Parameters with inputData and inputDataType")
        store = known.get("store", "false")
        if store not in ("true", "false"):
            raise refuse(400, "FB-REST-002", "the parameter `store` is true or false")
        if kind not in _ADAPTERS:
            raise refuse(400, "FB-REST-002", "inputDataType is Hl7v2, Ccda or Fhir")
        if store == "true" and kind in _OF_LEDGER and not call.access.writes_everything:
            raise refuse(
                403, "FB-SMART-002", "to store what a message says, a token has to allow all writes (*.cud)"
            )
        text = content.encode("utf-8", "surrogatepass")
        conversion = await self._convert(_ADAPTERS[kind], text, stores=store == "true")
        issues = [issue for issue in conversion.issues if issue.severity != "information"]
        if conversion.outcome in ("rejected", "skipped"):
            await audit_operation(call)
            outcome = operation_outcome(_plain(conversion.issues) or [_nothing()])
            return Response(dumps(outcome), 422, media_type=FHIR_JSON)
        if store == "true" and kind in _OF_LEDGER:
            return await self._store(call, self._converters[_ADAPTERS[kind]], conversion)
        if store == "true":
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": _writes(conversion.resources)}
            return _with_issues(await carry_out(call, bundle), issues)
        await audit_operation(call)
        return Response(dumps(_collection(call.base, conversion.resources, issues)), media_type=FHIR_JSON)

    @staticmethod
    async def _store(call: Call, converter: Converter, conversion: Conversion) -> Response:
        """Store a record as a load does, in the ledger of outputs: sent again it replaces what it said before."""
        await audit_operation(call)
        if conversion.record is None:
            raise refuse(422, "FB-REST-002", "the record has no key: it can't be stored")
        try:
            result = await converter.store(call.services.store, conversion.record)
        except OtherSiteKey as error:
            raise refuse(500, "FB-REST-009", "the store's ids were made with another site key") from error
        issues = [issue for issue in conversion.issues if issue.severity != "information"]
        stored = [*issues, *result.counts.issues]
        if result.refused:
            return Response(dumps(operation_outcome(_plain(stored))), 409, media_type=FHIR_JSON)
        entries: list[dict[str, Any]] = [
            {"response": {"status": "200", "location": f"{resource['resourceType']}/{resource['id']}"}}
            for resource in conversion.resources
        ]
        answer = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
        return _with_issues(Response(dumps(answer), media_type=FHIR_JSON), stored)

    async def _convert(self, adapter: str, content: bytes, *, stores: bool) -> Conversion:
        site = self._settings.site
        mapping = self._settings.hl7v2_mapping if adapter == "hl7v2" else None
        converter = self._converters.get(adapter)
        try:
            if converter is None:
                converter = self._converters[adapter] = Converter(
                    adapter, Path(site) if site else None, mapping
                )
            return await offloaded(converter.convert, content, "inputData", stores=stores)
        except (MappingErrors, SiteError, CrosswalkError) as error:
            raise refuse(
                500, "FB-REST-009", f"nothing can be converted here: {type(error).__name__}"
            ) from error


def _nothing() -> Issue:
    return Issue("error", "FB-REST-002", "nothing could be converted", "inputData")


def _plain(issues: Sequence[IssueLike]) -> list[Issue]:
    return [
        Issue(issue.severity, issue.code, issue.message, issue.source)  # type: ignore[arg-type]
        for issue in issues[:_MOST_ISSUES]
    ]


def _writes(resources: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """An update of each resource."""
    return [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]


def _with_issues(stored: Response, issues: Sequence[IssueLike]) -> Response:
    """The answer to what was stored, with what of the record is not represented."""
    if not issues or stored.status_code >= 300:
        return stored
    answer = loads(bytes(stored.body))
    outcome = operation_outcome(_plain(issues))
    last = answer["entry"][-1][
        "response"
    ]  # a client pairs entries with what it sent, so there is none beside them
    stated = last.get("outcome", {}).get("issue", [])
    last["outcome"] = {**outcome, "issue": [*stated, *outcome["issue"]]}
    return Response(dumps(answer), stored.status_code, media_type=FHIR_JSON)


def _collection(
    base: str, resources: Sequence[dict[str, Any]], issues: Sequence[IssueLike]
) -> dict[str, Any]:
    """The Bundle of what a record became; an OperationOutcome at its end says what is not represented."""
    entries: list[dict[str, Any]] = []
    for resource in resources:
        entry: dict[str, Any] = {"resource": resource}
        if identity := resource.get("id"):
            entry = {"fullUrl": f"{base}/{resource['resourceType']}/{identity}", **entry}
        entries.append(entry)
    if issues:
        entries.append({"resource": operation_outcome(_plain(issues))})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}
