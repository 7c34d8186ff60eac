"""AuditEvents that come as resources, from another server or an export: each is kept as it is, once."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage.audit_search import AUDIT, AuditEvents
from fhir_bridge.storage.errors import BadResource
from fhir_bridge.storage.implicit_rules import refuse_implicit_rules
from fhir_bridge.storage.indexing import is_id
from fhir_bridge.storage.stored import content_hash, now, stamp
from fhir_bridge.storage.subjects import LoadResult

__all__ = ["LoadedEvents"]

REJECTED = "FB-STORE-012"
AT_ONCE = 500

_STORE = (
    "SELECT w.number, audit_store(w.id, w.content, %s) "
    "FROM unnest(%s::text[], %b::bytea[]) WITH ORDINALITY AS w (id, content, number)"
)


class LoadedEvents:
    """The AuditEvents of a load. They are of no source, and nothing is merged into them."""

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection], events: AuditEvents, result: LoadResult
    ) -> None:
        self._pool = pool
        self._events = events
        self._result = result
        self._waiting: list[dict[str, Any]] = []

    def take(self, resource: dict[str, Any]) -> None:
        """Take one in; `write` stores it.

        Raises:
            BadResource: it has no id that can be one, or rules that nobody here knows.
        """
        if not is_id(resource["id"]):
            raise BadResource("an id has 1 to 64 of the characters A-Z a-z 0-9 - .")
        refuse_implicit_rules(resource)
        self._waiting.append(resource)

    @property
    def full(self) -> bool:
        """Whether it is time to write."""
        return len(self._waiting) >= AT_ONCE

    async def write(self) -> None:
        """Store what was taken in; one whose id is there with another content is rejected."""
        taken, self._waiting = self._waiting, []
        if not taken:
            return
        moment = now()
        texts = [stamp(resource, resource["id"], 1, moment) for resource in taken]
        async with self._pool.connection() as connection:
            rows = await connection.execute(_STORE, (moment, [item["id"] for item in taken], texts))
            stored = {number for number, is_new in await rows.fetchall() if is_new}
        for number, resource in enumerate(taken, 1):
            if number in stored:
                self._result.created += 1
            elif await self._same(resource):
                self._result.unchanged += 1
            else:
                self._result.rejected += 1
                text = "an AuditEvent is never changed, and another one has this id"
                self._result.add_issue(REJECTED, text, f"{AUDIT}/{resource['id']}")
                continue
            self._result.resources[AUDIT] += 1

    async def _same(self, resource: dict[str, Any]) -> bool:
        stored = await self._events.read(resource["id"], EVERYTHING)
        return content_hash(stored.resource()) == content_hash(resource)
