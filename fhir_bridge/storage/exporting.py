"""Pages of an export: a type's resources in the order of their creation, each page a statement of its own.

So no connection is held while an export runs, memory is bounded by a page, and what a caller may see is decided anew
with each page: a Consent that came meanwhile counts from the next one on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.record import has_patient, is_followed
from fhir_bridge.storage.conditions import Condition, all_of, any_of, live, of_type
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.histories import visible_rows
from fhir_bridge.storage.page_bytes import that_fit, within_bytes
from fhir_bridge.storage.permission import compile_access, is_unbounded
from fhir_bridge.storage.writing import Parameters, compile_criteria

__all__ = ["UNEXPORTED", "Exported", "Exports", "Page", "Selection"]

UNEXPORTED = frozenset({"AuditEvent", "Subscription"})
"""Types that no export gives: the server's own notes on who saw what, which each export adds to; and what clients asked
to be told of, whose criteria name patients in words that no Consent is looked up for."""

MOST_BYTES = 16 * 1024 * 1024
"""Contents of a page together; one always is there."""
FEW_PATIENTS = 500
"""Of so many the resources are found by their records; of more each resource of a type is looked at."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What of the resources of a caller an export gives.

    Attributes:
        since: only what was written, or deleted, at or after this.
        records: only what is about patients.
        patients: keys of the patients about whom it must be, and about nobody else; None: about any.
        filters: for a type, searches of which one must find the resource.
    """

    since: datetime | None = None
    records: bool = False
    patients: tuple[int, ...] | None = None
    filters: Mapping[str, Sequence[Parameters]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exported:
    """A resource of a page; a deletion has no bytes."""

    key: int
    id: str
    bytes: bytes | None


@dataclass(frozen=True, slots=True)
class Page:
    """Resources in their order, and the ids of the patients they are about. `more`: others may follow."""

    resources: list[Exported]
    patients: list[str]
    more: bool


class Exports:
    """What exports read.

    Args:
        pool: connections of the database.
        dictionaries: its numbers.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], dictionaries: Dictionaries) -> None:
        self._pool = pool
        self._dictionaries = dictionaries

    @staticmethod
    def types(access: AccessFilter, selection: Selection) -> list[str]:
        """The types that there may be something of: those that the caller may search and read, by name."""
        return [
            name
            for name in sorted(definitions.resource_types())
            if access.permits(name, "r")
            and access.permits(name, "s")
            and name not in UNEXPORTED
            and (has_patient(name) or not selection.records)
        ]

    async def moment(self) -> datetime:
        """A time up to which everything that is written can be read by now.

        What a transaction writes bears an earlier time than its end; so the oldest that runs counts. A second is left
        for what takes its time before it begins one.
        """
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT date_trunc('milliseconds', least(now(), (SELECT min(xact_start) FROM pg_stat_activity "
                "WHERE datname = current_database() AND backend_type = 'client backend' "
                "AND pid <> pg_backend_pid())) - interval '1 second')"
            )
            row: Any = await rows.fetchone()
        moment: datetime = row[0]
        return moment

    async def patients(self, ids: Sequence[str], access: AccessFilter) -> dict[str, int]:
        """The keys of those Patients that the caller may read, by id."""
        permitted = await compile_access(access, "Patient", "r", self._dictionaries)
        where = all_of([permitted, live("Patient")])
        statement = f"SELECT r.id, r.key FROM resource r WHERE r.id = ANY(%s) AND {where.text}"  # noqa: S608
        async with self._pool.connection() as connection:
            rows = await connection.execute(statement.encode(), (list(ids), *where.values))
            return {row[0]: row[1] for row in await rows.fetchall()}

    async def persons(self, keys: Sequence[int]) -> tuple[int, ...]:
        """These Patients and whoever is linked to them."""
        async with self._pool.connection() as connection:
            rows = await connection.execute("SELECT linked_patients(%s::bigint[])", (list(keys),))
            row: Any = await rows.fetchone()
        return tuple(sorted(row[0]))

    async def check(self, resource_type: str, criteria: Parameters, access: AccessFilter) -> None:
        """Refuse criteria that can't be used.

        Raises:
            BadSearch, Forbidden.
        """
        await compile_criteria(self._dictionaries, resource_type, criteria, access)

    async def page(
        self,
        resource_type: str,
        access: AccessFilter,
        selection: Selection,
        *,
        after: int = 0,
        count: int = 1000,
        deleted: bool = False,
    ) -> Page:
        """Resources of a type after a key, or what was deleted of it.

        Raises:
            Forbidden: no grant allows it. BadSearch: a filter can't be used any more.
        """
        where = await self._condition(resource_type, access, selection, deleted)
        statement = within_bytes(
            f"SELECT r.key, r.id, r.bytes, r.version FROM resource r WHERE r.key > %s AND {where.text} "  # noqa: S608
            "ORDER BY r.key LIMIT %s",
            ("key", "id", "bytes", "version"),
            "q.key",
        )
        owners = "record_owners(r.key)" if is_followed(resource_type) else _DIRECT
        async with self._pool.connection() as connection:
            rows: list[Any] = await (
                await connection.execute(
                    statement.encode(), (MOST_BYTES, after, *where.values, count), binary=True
                )
            ).fetchall()
            fitting = that_fit(rows)
            following = len(rows) == count or len(fitting) < len(rows)
            if deleted:
                fitting = await _visible(connection, resource_type, access, fitting)
            keys = [row[0] for row in fitting]
            patients: list[Any] = []
            if keys and has_patient(resource_type):
                named = await connection.execute(
                    (
                        f"SELECT DISTINCT p.id FROM resource r, LATERAL {owners} AS o (patient) "  # noqa: S608
                        "JOIN resource p ON p.key = o.patient WHERE r.key = ANY(%s) ORDER BY p.id"
                    ).encode(),
                    (keys,),
                )
                patients = await named.fetchall()
        return Page(
            [Exported(row[0], row[1], row[2]) for row in fitting],
            [row[0] for row in patients],
            following,
        )

    async def _condition(
        self, resource_type: str, access: AccessFilter, selection: Selection, deleted: bool
    ) -> Condition:
        # Both letters: an export is a search that gives whole resources.
        conditions = [await compile_access(access, resource_type, "s", self._dictionaries, past=deleted)]
        if access.rules_for(resource_type, "r") != access.rules_for(resource_type, "s"):
            conditions.append(
                await compile_access(access, resource_type, "r", self._dictionaries, past=deleted)
            )
        if deleted:
            conditions.append(Condition(f"{of_type(resource_type)} AND r.deleted AND r.version > 0"))
        else:
            conditions.append(live(resource_type))
        if selection.since is not None:
            conditions.append(Condition("r.last_updated >= %s", (selection.since,)))
        if selection.records:
            await self._dictionaries.require_records()
            conditions.append(_about(resource_type, selection.patients))
        filters = selection.filters.get(resource_type, ())
        if filters and not deleted:
            conditions.append(
                any_of(
                    [
                        await compile_criteria(self._dictionaries, resource_type, criteria, access)
                        for criteria in filters
                    ]
                )
            )
        return all_of(conditions)


async def _visible(
    connection: AsyncConnection, resource_type: str, access: AccessFilter, rows: list[Any]
) -> list[Any]:
    """The deletions that the caller may learn of: what was deleted last met the grants."""
    for letter in ("s", "r"):
        everything = is_unbounded(access, resource_type, letter)
        deletions = [(resource_type, row[1], row[3], None, None, row[0]) for row in rows]
        visible = await visible_rows(connection, access, deletions, letter, everything=everything)
        keys = {row[5] for row in visible}
        rows = [row for row in rows if row[0] in keys]
    return rows


_DIRECT = "(SELECT d.patient FROM record d WHERE d.resource = r.key)"


def _about(resource_type: str, patients: tuple[int, ...] | None) -> Condition:
    """That `r` is about patients, or about these and nobody else."""
    if not has_patient(resource_type):
        return Condition("FALSE")
    owners = "record_owners(r.key)" if is_followed(resource_type) else _DIRECT
    if patients is None:
        return Condition(f"EXISTS (SELECT FROM {owners} AS o (patient) WHERE o.patient <> 0)")
    # An aggregate of nothing is null: about nobody.
    only = Condition(
        f"(SELECT coalesce(bool_and(o.patient IN (SELECT unnest(%s::bigint[]))), false) FROM {owners} AS o (patient))",  # noqa: S608
        (list(patients),),
    )
    if len(patients) > FEW_PATIENTS:
        return only
    near = "SELECT o.resource FROM record o WHERE o.patient = ANY(%s::bigint[])"
    values: tuple[Any, ...] = (list(patients),)
    if is_followed(resource_type):
        near += " UNION SELECT about_through(%s::bigint[])"
        values *= 2
    return all_of([Condition(f"r.key = ANY(ARRAY({near}))", values), only])
