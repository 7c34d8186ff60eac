"""`$meta`, `$meta-add`, `$meta-delete` (R4 resource-operation-meta.html): profiles, tags and security labels."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.server.finishing import finished
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.auditing import audit_of, audit_operation
from fhir_bridge.server.rest.body import check_valid
from fhir_bridge.server.rest.call import FHIR_JSON, Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs, audit_shown, only
from fhir_bridge.server.rest.checks import check_write
from fhir_bridge.server.rest.conflicts import again_after_conflict
from fhir_bridge.server.rest.interactions import refuse_read_only
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage.writing import Operation

__all__ = ["Meta", "MetaAdd", "MetaDelete"]

_CODINGS = ("security", "tag")
_VALUES = ("profile", *_CODINGS)
"""Elements of Meta that the operations are about."""


def _answer(meta: dict[str, Any]) -> Response:
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": meta}]}
    # An empty Meta is no FHIR: a parameter without a value says that there is nothing.
    if not meta:
        parameters["parameter"] = [{"name": "return"}]
    return Response(dumps(parameters), media_type=FHIR_JSON)


class Meta(CallOperation):
    """The meta of a resource; of a type, or of all, the profiles, tags and labels that occur."""

    name = "meta"
    types: tuple[str, ...] = ("", "*")
    access = "r"
    definition = "http://hl7.org/fhir/OperationDefinition/Resource-meta"

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:  # noqa: ARG002
        """See `CallOperation.serve`."""
        only(parameters, ())
        store = call.services.store
        if call.id:
            stored = await store.read(call.type, call.id, call.access)
            await audit_shown(call, parameters, [stored])
            content = hooks.redact(call.services.plugins, stored.bytes, call.access)
            return _answer(loads_exact(content).get("meta", {}))
        if call.type:
            call.require("s")
        meta = await store.searches.meta([call.type] if call.type else None, call.access)
        await audit_operation(call)
        return _answer(meta)


class _Change(CallOperation):
    """A new version of a resource that differs in its meta alone."""

    types: tuple[str, ...] = ("*",)
    access = "ru"
    levels = frozenset({"instance"})
    sent = True

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:
        """See `CallOperation.serve`."""
        only(parameters, ())
        refuse_read_only(call)
        wanted = _meta_of(body)
        return await finished(again_after_conflict(lambda: self._write(call, wanted)))

    async def _write(self, call: Call, wanted: dict[str, list[Any]]) -> Response:
        store = call.services.store
        current = await store.read(call.type, call.id, call.access)
        resource = loads_exact(current.bytes)
        meta = resource.get("meta", {})
        changed = self.changed(meta, wanted)
        resource["meta"] = {name: value for name, value in {**meta, **changed}.items() if value != []}
        # A profile that is added is one that the resource has to meet.
        await check_valid(call, resource, inline=False)
        await check_write(call, Operation("update", call.type, call.id, resource))
        written = await store.update(
            call.type, call.id, resource, call.access, if_match=current.etag, audit=audit_of(call)
        )
        content = hooks.redact(call.services.plugins, written.stored.bytes, call.access)
        return _answer(loads_exact(content).get("meta", {}))

    def changed(self, meta: dict[str, Any], wanted: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """The values of Meta that change."""
        raise NotImplementedError


class MetaAdd(_Change):
    """Adds profiles, tags and labels; what is there already stays as it is."""

    name = "meta-add"
    definition = "http://hl7.org/fhir/OperationDefinition/Resource-meta-add"

    def changed(self, meta: dict[str, Any], wanted: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """See `_Change.changed`."""
        result: dict[str, list[Any]] = {}
        for name, values in wanted.items():
            present = list(meta.get(name, []))
            known = {_identity(value) for value in present}
            for value in values:
                if _identity(value) not in known:
                    known.add(_identity(value))
                    present.append(value)
            result[name] = present
        return result


class MetaDelete(_Change):
    """Takes profiles and tags off. Security labels stay: they protect the resource from who could take them off."""

    name = "meta-delete"
    definition = "http://hl7.org/fhir/OperationDefinition/Resource-meta-delete"

    def changed(self, meta: dict[str, Any], wanted: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """See `_Change.changed`."""
        if "security" in wanted:
            raise refuse(
                403, "FB-REST-012", "security labels can't be taken off over the API", source="meta.security"
            )
        result: dict[str, list[Any]] = {}
        for name, values in wanted.items():
            gone = {_identity(value) for value in values}
            result[name] = [value for value in meta.get(name, []) if _identity(value) not in gone]
        return result


def _identity(value: Any) -> Any:
    """R4: tags and labels are the same by system and code; version and display count for nothing."""
    return (value.get("system"), value.get("code")) if isinstance(value, dict) else value


def _meta_of(body: dict[str, Any] | None) -> dict[str, list[Any]]:
    """The values of the parameter `meta`.

    Raises:
        Refusal: 400: there is none, or it is malformed.
    """
    entries = body.get("parameter") if body is not None and body.get("resourceType") == "Parameters" else None
    named = [
        entry.get("valueMeta")
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and entry.get("name") == "meta"
    ]
    if len(named) != 1 or not isinstance(named[0], dict):
        raise refuse(400, "FB-REST-002", "send Parameters with one parameter `meta` that has a valueMeta")
    wanted: dict[str, list[Any]] = {}
    for name in _VALUES:
        values = named[0].get(name, [])
        right = isinstance(values, list) and all(
            isinstance(value, str) and value
            if name == "profile"
            else isinstance(value, dict) and isinstance(value.get("code"), str)
            for value in values
        )
        if not right:
            raise refuse(400, "FB-REST-002", f"meta.{name} is malformed", source=f"meta.{name}")
        if values:
            wanted[name] = values
    if not wanted:
        raise refuse(400, "FB-REST-002", "meta has no profile, tag or security")
    return wanted
