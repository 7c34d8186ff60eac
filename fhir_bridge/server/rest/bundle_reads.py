"""The reads and searches of a Bundle, answered like single requests: same links, notes and bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.search import decoded, searchset

__all__ = ["read_entry"]


async def read_entry(
    call: Call, resource_type: str, resource_id: str, version: str, query: str
) -> dict[str, Any]:
    """The entry that answers `GET Type/id`, `GET Type/id/_history/version` or `GET Type?criteria`.

    Raises:
        Refusal, StorageError: as the single request would.
    """
    one = replace(call, type=resource_type, id=resource_id, version=version)
    if not resource_id:
        found, _ = await searchset(one, decoded(query))
        return {"resource": loads_exact(found), "response": {"status": "200 OK"}}
    store = call.services.store
    if version:
        stored = await store.vread(resource_type, resource_id, version, call.access)
    else:
        stored = await store.read(resource_type, resource_id, call.access)
    return {
        "fullUrl": f"{call.base}/{stored.type}/{stored.id}",
        "resource": loads_exact(hooks.redact(call.services.plugins, stored.bytes, call.access)),
        "response": {
            "status": "200 OK",
            "etag": stored.etag,
            "lastModified": stored.last_updated.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
    }
