"""Reads of current versions: one statement for each type and access, in round trips that requests share."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.abc import Buffer
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.storage import histories
from fhir_bridge.storage.conditions import Condition
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import NotFound
from fhir_bridge.storage.permission import compile_access
from fhir_bridge.storage.round_trips import Prepared, RoundTrips, prepared_of
from fhir_bridge.storage.stored import Stored

__all__ = ["Reads"]

MOST_KEPT = 1_000
"""Types and accesses whose statements are kept; each of some kB."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The statement of a type and an access; its first value is the id."""

    statement: Prepared
    values: tuple[Buffer | None, ...]


class Reads:
    """What is read by type and id."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection],
        dictionaries: Dictionaries,
        trips: RoundTrips,
    ) -> None:
        self._pool = pool
        self._dictionaries = dictionaries
        self._trips = trips
        self._plans: dict[tuple[str, AccessFilter], _Plan] = {}

    async def current(self, resource_type: str, identity: str, access: AccessFilter) -> Stored:
        """The current version; see `Store.read`."""
        plan = self._plans.get((resource_type, access))
        if plan is None:
            plan = await self._compile(resource_type, access)
        rows = await self._trips.rows(plan.statement, (identity.encode(), *plan.values))
        if not rows:
            # Hidden or absent, with the same text: a caller must not learn which (docs/rest.md).
            raise NotFound(f"no {resource_type}/{identity}")
        version, moment, content = rows[0]
        if content is None:
            # Whether a deletion may be known is decided by what was deleted.
            return await histories.read_current(
                self._pool, self._dictionaries, resource_type, identity, access
            )
        return Stored(resource_type, identity, version, moment, content)

    async def _compile(self, resource_type: str, access: AccessFilter) -> _Plan:
        before = self._dictionaries.depended
        permitted = await compile_access(access, resource_type, "r", self._dictionaries, past=True)
        # version 0: a row that is only referred to was never stored, which is 404 and not 410.
        statement = Condition(
            "SELECT r.version, r.last_updated, r.bytes FROM resource r "  # noqa: S608 - built from constants
            f"WHERE r.id = %s AND r.type = %s AND r.version > 0 AND {permitted.text}",
            ("", resource_type, *permitted.values),
        )
        prepared, values = prepared_of(statement)
        plan = _Plan(prepared, values[1:])
        # What the store's state had a part in may be another one the next time.
        if self._dictionaries.depended == before:
            if len(self._plans) >= MOST_KEPT:
                self._plans.clear()
            self._plans[resource_type, access] = plan
        return plan
