"""Searches of a store: of one type, of several, of a patient's record, of the last results, of meta."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.storage.audit_search import AUDIT, AuditEvents
from fhir_bridge.storage.cursors import Cursors
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.last_observations import last_observations
from fhir_bridge.storage.meta_values import read_meta
from fhir_bridge.storage.record_pages import RecordPart, read_record_page
from fhir_bridge.storage.round_trips import RoundTrips
from fhir_bridge.storage.search_plans import PlannedSearch, SearchPlans, ShortSearch
from fhir_bridge.storage.searching import SearchOptions, SearchPage, run_search, types_of

__all__ = ["Searches"]

Parameters = Sequence[tuple[str, str]]


class Searches:
    """What is found, within a caller's access. All raise Forbidden, BadSearch and BadCursor."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection],
        dictionaries: Dictionaries,
        cursors: Cursors,
        events: AuditEvents,
        trips: RoundTrips,
    ) -> None:
        self._pool = pool
        self._plans = SearchPlans(dictionaries, cursors, trips)
        self._dictionaries = dictionaries
        self._cursors = cursors
        self._events = events

    async def of_type(
        self,
        resource_type: str,
        parameters: Parameters,
        access: AccessFilter,
        *,
        compartment: tuple[str, str] | None = None,
        **more: Unpack[SearchOptions],
    ) -> SearchPage:
        """See `Store.search`."""
        if resource_type == AUDIT:
            options: SearchOptions = {"count": 50, **more}
            return await self._events.search(parameters, access, compartment=compartment, **options)
        return await self._run([resource_type], parameters, access, compartment, more)

    async def planned(
        self,
        resource_type: str,
        parameters: Parameters,
        access: AccessFilter,
        count: int,
        most_bytes: int | None,
    ) -> PlannedSearch | None:
        """The first page of a short search on one type, which shares round trips; None where `of_type` is for it."""
        if resource_type == AUDIT:
            return None
        return await self._plans.find(ShortSearch(resource_type, parameters, access, count, most_bytes))

    async def of_types(
        self,
        types: Sequence[str] | None,
        parameters: Parameters,
        access: AccessFilter,
        *,
        compartment: tuple[str, str] | None = None,
        **more: Unpack[SearchOptions],
    ) -> SearchPage:
        """Resources of several types, by parameters that each of them has.

        Args:
            types: None for all that the caller may search, AuditEvents aside; in a compartment those that it has.
            compartment, more: as for `Store.search`.
        """
        if types is not None and list(types) == [AUDIT]:
            return await self.of_type(AUDIT, parameters, access, compartment=compartment, **more)
        chosen = await types_of(self._pool, access, types, compartment)
        return await self._run(chosen, parameters, access, compartment, more) if chosen else SearchPage([], 0)

    async def _run(
        self,
        types: Sequence[str],
        parameters: Parameters,
        access: AccessFilter,
        compartment: tuple[str, str] | None,
        more: SearchOptions,
    ) -> SearchPage:
        return await run_search(
            self._pool,
            self._dictionaries,
            self._cursors,
            types,
            parameters,
            access,
            compartment=compartment,
            **more,
        )

    async def record_page(
        self, patient: str, access: AccessFilter, wanted: RecordPart, **more: Unpack[SearchOptions]
    ) -> SearchPage:
        """A page of the record of a patient and of whoever is linked to it, Patients first; beside it what it names.

        Only what is about no patient comes along beside it (Practitioner, Organization, Medication …).
        """
        return await read_record_page(
            self._pool, self._dictionaries, self._cursors, patient, access, wanted, **more
        )

    async def last_observations(
        self, parameters: Parameters, access: AccessFilter, *, most: int = 1, **more: Unpack[SearchOptions]
    ) -> SearchPage:
        """The last results of each kind among those that the parameters of a search on Observation find.

        Args:
            parameters: `patient` or `subject` is among them.
            most: of each kind; more where the times are equal.
        """
        return await last_observations(
            self._pool, self._dictionaries, self._cursors, parameters, access, most=most, **more
        )

    async def meta(self, types: Sequence[str] | None, access: AccessFilter) -> dict[str, Any]:
        """The profiles, tags and labels of what the caller may search of some types; None for all types."""
        chosen = await types_of(self._pool, access, types, None)
        return await read_meta(self._pool, self._dictionaries, chosen, access)
