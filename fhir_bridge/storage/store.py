"""The store: resources in PostgreSQL, read, written, searched and loaded within a caller's access."""

from __future__ import annotations

from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self, Unpack, cast

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.storage import (
    appending,
    histories,
    inbox,
    integrity,
    patients,
    reindexing,
    settings,
    streaming,
)
from fhir_bridge.storage.audit_loading import LoadedEvents
from fhir_bridge.storage.audit_rows import AuditOf, AuditRecord, AuditWriter
from fhir_bridge.storage.audit_search import AUDIT, AuditEvents
from fhir_bridge.storage.changes import Change, read_changes
from fhir_bridge.storage.connecting import (
    Connector,
    IdleConnections,
    check_alive,
    configure,
    connect_migrated,
)
from fhir_bridge.storage.cursors import Cursors
from fhir_bridge.storage.deadlocks import again_after_deadlock
from fhir_bridge.storage.deliveries import Delivery
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import (
    BadResource,
    BadSearch,
    CreatedMeanwhile,
    Gone,
    NotFound,
    VersionConflict,
)
from fhir_bridge.storage.exporting import Exports
from fhir_bridge.storage.expunging import Expunges
from fhir_bridge.storage.histories import HistoryPage
from fhir_bridge.storage.indexing import is_id
from fhir_bridge.storage.kept_files import KeptFiles
from fhir_bridge.storage.loading import Loader, LoadResult, Output, RecordsResult
from fhir_bridge.storage.outlines import Outline
from fhir_bridge.storage.ownership import of_linked_patient
from fhir_bridge.storage.parts import Part, read_parts
from fhir_bridge.storage.permission import require
from fhir_bridge.storage.reads import Reads
from fhir_bridge.storage.records import RecordSet, outputs_of
from fhir_bridge.storage.results import Results
from fhir_bridge.storage.round_trips import RoundTrips
from fhir_bridge.storage.searches import Searches
from fhir_bridge.storage.searching import SearchOptions, SearchPage
from fhir_bridge.storage.stored import Stored, Written, parse
from fhir_bridge.storage.transactions import Bundles, Check, resolved
from fhir_bridge.storage.writing import (
    PRESENT,
    Operation,
    Parameters,
    Writer,
    compile_criteria,
    match_one,
    new_id,
)

__all__ = ["Store"]

Resource = Mapping[str, Any] | bytes

MOST_BYTES = 64 * 1024 * 1024
"""Of the contents on a page of a history, where the caller says nothing."""


class Store:
    """An open database. Safe for concurrent use in one event loop; make one for each process.

    Every method that takes an `AccessFilter` acts within it: what it hides is as if it were not there, in entries,
    totals and error texts alike.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection],
        secret: bytes,
        known: definitions.Definitions = definitions.DEFAULT,
        base: str = "",
        most_index_rows: int | None = None,
        *,
        check_references: bool = False,
    ) -> None:
        self.pool = pool
        self.definitions = known
        self._secret = secret
        self._dictionaries = Dictionaries(pool, known, base)
        self._cursors = Cursors(secret)
        self._audit = AuditWriter(pool)
        self._events = AuditEvents(pool, self._dictionaries, self._cursors)
        trips = RoundTrips(pool)
        self._reads = Reads(pool, self._dictionaries, trips)
        self.searches = Searches(pool, self._dictionaries, self._cursors, self._events, trips)
        self._writer = Writer(
            pool, self._dictionaries, most_index_rows, self._audit, check_references=check_references
        )
        self.results = Results(pool, self._dictionaries)
        self.exports = Exports(pool, self._dictionaries)
        self.expunges = Expunges(pool, self._dictionaries)
        self.kept_files = KeptFiles(pool, self._dictionaries)
        self._wrote: Counter[str] = Counter()

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        migrate: bool = True,
        min_size: int = 1,
        max_size: int = 8,
        known: definitions.Definitions = definitions.DEFAULT,
        statement_seconds: float | None = None,
        base: str = "",
        most_index_rows: int | None = None,
        check_references: bool = False,
    ) -> Store:
        """Connect, and bring the schema up to date where it is behind.

        Args:
            url: a PostgreSQL URL (`database_url()`).
            max_size: connections at most; must be 2 or more.
            known: definitions whose search parameters are indexed and searched by: a site's.
            statement_seconds: time of one statement; then the database ends it.
            base: the address below which these resources are served: in a search it means what is relative to it.
            most_index_rows: rows of the search index that the resources of one write may have; None: any number.
                `load` has no limit.
            check_references: whether a write is refused that refers to what is not here, and the deletion of what
                others refer to (`storage.integrity`). `load` is not.

        Raises:
            SchemaAhead: the database belongs to a newer program.
            psycopg.Error: it can't be reached.
        """
        first = await connect_migrated(url) if migrate else None
        opened: list[Store] = []

        # Called by the pool for each new connection. One that is new may follow a crash of the database, after
        # which numbers of rows that were not durable may be given again (`Dictionaries.forget_keys`).
        async def prepare(connection: AsyncConnection) -> None:
            await configure(connection, statement_seconds)
            # Empty while the pool opens: the store is created with what a connection of it reads.
            for store in opened:
                store._dictionaries.forget_keys()

        # At least two: whoever gives a new text its number within a transaction takes a second one
        # (`Dictionaries.recall`).
        pool = AsyncConnectionPool(
            url,
            connection_class=cast("type[AsyncConnection]", Connector(first)),
            min_size=min_size,
            max_size=max(2, max_size),
            open=False,
            configure=prepare,
            check=check_alive,
        )
        pool._pool = IdleConnections()
        # The first connection may have to wait for a database that is starting.
        await pool.open(wait=True, timeout=30)
        try:
            async with pool.connection() as connection:
                secret = await settings.read_secret(connection)
                await reindexing.ensure_version(connection)
            store = cls(pool, secret, known, base, most_index_rows, check_references=check_references)
            opened.append(store)
            await store._dictionaries.load()
        except BaseException:
            await pool.close()
            raise
        return store

    async def close(self) -> None:
        """Finish what is being written, and give the connections back."""
        await self._writer.finish()
        await self.pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection; the block is one transaction. (Those of `pool` commit each statement.)"""
        async with self.pool.connection() as connection, connection.transaction():
            yield connection

    async def setting(self, name: str) -> str | None:
        """A setting of the database, or None."""
        async with self.pool.connection() as connection:
            return await settings.read_setting(connection, name)

    async def set_setting(self, name: str, value: str) -> None:
        """Write a setting of the database."""
        async with self.pool.connection() as connection:
            await settings.write_setting(connection, name, value)

    async def secret(self) -> bytes:
        """The database's secret, the same for all processes; derive keys from it, each with its own `person`."""
        return self._secret

    async def check_site_key(self, fingerprint: str) -> None:
        """Record the site key's fingerprint, or refuse another one (`OtherSiteKey`)."""
        async with self.pool.connection() as connection:
            await settings.check_site_key(connection, fingerprint)

    async def read(self, resource_type: str, identity: str, access: AccessFilter) -> Stored:
        """The current version.

        Raises:
            NotFound: there is none, or none the caller may know of.
            Gone: it was deleted, and the caller might have read it.
            Forbidden: no grant allows reading this type.
        """
        require(access, resource_type, "r")
        _check_id(resource_type, identity)
        if resource_type == AUDIT:
            return await self._events.read(identity, access)
        return await self._reads.current(resource_type, identity, access)

    async def vread(self, resource_type: str, identity: str, version: str, access: AccessFilter) -> Stored:
        """A version, current or past. Raises as `read` does."""
        _check_id(resource_type, identity)
        if resource_type == AUDIT:
            stored = await self._events.read(identity, access)
            if version != str(stored.version):
                raise NotFound(f"no {resource_type}/{identity} version {version[:20]}")
            return stored
        return await histories.read_version(
            self.pool, self._dictionaries, resource_type, identity, version, access
        )

    async def history(
        self,
        access: AccessFilter,
        resource_type: str | None = None,
        identity: str | None = None,
        *,
        count: int = 50,
        since: datetime | None = None,
        at: str | None = None,
        cursor: str | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> HistoryPage:
        """Versions of a resource, of a type, or of all types the caller may search.

        Args:
            at: a date, with a prefix perhaps: versions that were current at some time of it (R4 http.html#history).
            most_bytes: of the contents on a page, which is shorter where they are more; one entry always is there.

        Raises:
            NotFound: no such resource. BadSearch: `at` is no date. Forbidden: no grant. BadCursor: another caller's or
                history's cursor.
        """
        if resource_type is not None and identity is not None:
            _check_id(resource_type, identity)
        if resource_type == AUDIT:
            if at is not None:
                raise BadSearch("_at: an AuditEvent has one version; search AuditEvents by date")
            return await self._events.history(
                access, identity, count=count, since=since, cursor=cursor, most_bytes=most_bytes
            )
        request = histories.HistoryRequest(count, since, at, cursor, most_bytes)
        return await histories.history(
            self.pool, self._dictionaries, self._cursors, resource_type, identity, access, request
        )

    async def create(
        self,
        resource: Resource,
        access: AccessFilter,
        *,
        if_none_exist: Parameters | None = None,
        audit: AuditOf | None = None,
        outline: Outline | None = None,
        beside: Sequence[Operation] = (),
    ) -> Written:
        """Store a resource under a new id.

        Args:
            if_none_exist: criteria; where they match one resource that is the result (`unchanged`).
            audit: makes the records of what is written, which are stored in the same transaction.
            outline: of the resource, where it is known.
            beside: writes of the same transaction.

        Raises:
            BadResource, Forbidden, MultipleMatches.
        """
        content, criteria = parse(resource), if_none_exist
        kind = content["resourceType"]
        if criteria is not None and (written := await self.match(kind, criteria, access)) is not None:
            return written
        # The id is content: an update with what was read back creates no version.
        identity = content["id"] = new_id()
        operation = Operation("create", kind, identity, content, criteria=criteria, outline=outline)
        try:
            return (await self.write([operation, *beside], access, audit=audit))[0]
        except VersionConflict:  # another writer made it between the search and the write
            if written := await self.match(kind, criteria or (), access):
                return written
            raise

    async def update(
        self,
        resource_type: str,
        identity: str,
        resource: Resource,
        access: AccessFilter,
        *,
        if_match: str | None = None,
        absent: bool = False,
        audit: AuditOf | None = None,
        beside: Sequence[Operation] = (),
    ) -> Written:
        """Store a resource under a given id, new or not. Equal content creates no version (`unchanged`).

        Args:
            if_match: ETag (`W/"3"`) or number of the version that must be current.
            absent: nothing may be there.
            beside: writes of the same transaction.

        Raises:
            BadResource, Forbidden, VersionConflict.
        """
        content = parse(resource)
        if content["resourceType"] != resource_type or content.get("id") != identity:
            raise BadResource(f"the resource is not {resource_type}/{identity}, as the URL says")
        operation = Operation("update", resource_type, identity, content, if_match=if_match, absent=absent)
        return (await self.write([operation, *beside], access, audit=audit))[0]

    async def conditional_update(
        self,
        resource_type: str,
        criteria: Parameters,
        resource: Resource,
        access: AccessFilter,
        *,
        check: Check | None = None,
        audit: AuditOf | None = None,
    ) -> Written:
        """Update the one resource that the criteria match, or create one.

        Args:
            check: looks at the write once it is decided which resource it is; what it raises ends it.

        Raises:
            MultipleMatches, BadResource, Forbidden; VersionConflict where another writer came first: try again.
        """
        content = parse(resource)
        if content["resourceType"] != resource_type:
            raise BadResource(f"the resource is not a {resource_type}, as the URL says")
        result = await self.match(resource_type, criteria, access)
        if result is None:
            # Criteria again, while the write holds their lock: of two such updates at once one
            # creates, the other gets a conflict.
            identity = content.get("id") if isinstance(content.get("id"), str) else new_id()
            operation = Operation(
                "update", resource_type, str(identity), content, criteria=criteria, absent=True
            )
        else:
            # R4 http.html#cond-update: an id that is given must be that of the match.
            if content.get("id", result.stored.id) != result.stored.id:
                raise BadResource("the criteria match another resource than the id names")
            content["id"] = result.stored.id
            operation = Operation("update", resource_type, result.stored.id, content)
        if check is not None:
            await check(operation)
        # After the check: who may not write it must not learn from this that it is there.
        if result is None:
            await self.refuse_present(resource_type, operation.id)
        return (await self.write([operation], access, audit=audit))[0]

    async def refuse_present(self, resource_type: str, identity: str) -> None:
        """An update that may create, not change: its criteria match nothing (R4 http.html#cond-update), or it says so.

        Raises:
            CreatedMeanwhile: a resource with this id is there. What comes between this and the write is met there
                (`Operation.absent`).
        """
        with suppress(NotFound, Gone):
            await self.read(resource_type, identity, EVERYTHING)
            raise CreatedMeanwhile(PRESENT)

    async def delete(
        self,
        resource_type: str,
        identity: str,
        access: AccessFilter,
        *,
        if_match: str | None = None,
        audit: AuditOf | None = None,
    ) -> Written:
        """Delete a resource; its versions stay in history. Deleting again changes nothing.

        Raises:
            NotFound: there is none, or none the caller may delete. Forbidden, VersionConflict.
        """
        _check_id(resource_type, identity)
        operation = Operation("delete", resource_type, identity, if_match=if_match)
        return (await self.write([operation], access, audit=audit))[0]

    async def write(
        self, operations: Sequence[Operation], access: AccessFilter, *, audit: AuditOf | None = None
    ) -> list[Written]:
        """Several writes in one transaction, with their audit records: all or none.

        Raises:
            VersionConflict: other transactions that wait for the same resources came between each time.
        """
        if not operations:
            return []
        try:
            return await again_after_deadlock(lambda: self._writer.run(operations, access, audit))
        finally:  # also where the caller is gone: it may be written all the same
            for operation in operations:
                self._wrote[operation.type] += 1

    def wrote(self, types: Iterable[str]) -> int:
        """How many writes of resources of these types this object has done."""
        return sum(self._wrote[kind] for kind in types)

    async def prepare_audit(self) -> None:
        """Make the partitions of audit records that will be needed soon."""
        await self._audit.prepare_ahead()

    async def append_audit(self, records: Sequence[AuditRecord]) -> None:
        """Store audit records, in one transaction; those of an earlier try stay as they are."""
        await self._audit.write(records)

    async def match(self, resource_type: str, criteria: Parameters, access: AccessFilter) -> Written | None:
        """The one resource that criteria match, as a write that changed nothing; None where none matches.

        Raises:
            MultipleMatches: several do.
        """
        where = await compile_criteria(self._dictionaries, resource_type, criteria, access)
        async with self.pool.connection() as connection:
            identity = await match_one(connection, where)
        if identity is None:
            return None
        # By a search, which applies the caller's access once more to the content that is given back.
        try:
            page = await self.search(resource_type, [("_id", identity)], access, count=1)
            return Written(page.entries[0], "unchanged")
        except IndexError as error:
            raise VersionConflict("the match was deleted in the meantime: try again") from error

    async def search(
        self,
        resource_type: str,
        parameters: Parameters,
        access: AccessFilter,
        *,
        compartment: tuple[str, str] | None = None,
        **more: Unpack[SearchOptions],
    ) -> SearchPage:
        """Find resources of a type.

        Args:
            parameters: decoded (name, value) pairs as in the URL. `_count`, `_sort`, `_total` among them are obeyed.
            compartment: type and id of the resource in whose compartment to look.
            more: see `SearchOptions`.

        Raises:
            Forbidden, BadSearch, BadCursor.
        """
        return await self.searches.of_type(resource_type, parameters, access, compartment=compartment, **more)

    async def patient_record(
        self, patient_id: str, access: AccessFilter, *, types: Sequence[str] | None = None
    ) -> AsyncIterator[Stored]:
        """Everything current in a patient's record that the caller may read, linked Patients first."""
        async for stored in patients.read_record(self.pool, self._dictionaries, patient_id, access, types):
            yield stored
        if (types is None or AUDIT in types) and access.permits(AUDIT, "r"):
            async for events in self._events.stream(access, page=500, patient=patient_id, letter="r"):
                for stored in events:
                    yield stored

    async def small_records(self, ids: Sequence[str], types: Sequence[str]) -> dict[str, list[Stored]]:
        """Records of several patients at once, unbounded; see `patients.read_small_records` for what is left out."""
        return await patients.read_small_records(self.pool, self._dictionaries, ids, types)

    async def owners(self, *resources: tuple[str, str]) -> list[str]:
        """Ids of the Patients whom stored resources, or what was deleted, are about, by type and id (`fhir.record`)."""
        await self._dictionaries.require_records()
        async with self.pool.connection() as connection:
            return await patients.read_owners(connection, resources)

    def stream(
        self, resource_type: str, access: AccessFilter, *, page: int = 500
    ) -> AsyncGenerator[list[Stored], None]:
        """All current resources of a type that the caller may search, oldest first, as they were at the start.

        A connection is held until the end; memory is bounded by `page` resources. Close the iterator (`aclose`)
        where it is not read to its end.

        Raises:
            Forbidden: no grant allows searching this type. NotFound: R4 has no such type.
        """
        if resource_type == AUDIT:
            return self._events.stream(access, page=page)
        return streaming.stream_type(self.pool, self._dictionaries, resource_type, access, page=page)

    async def resolve(self, resource: dict[str, Any], access: AccessFilter, *, base: str) -> dict[str, Any]:
        """The resource with its references resolved: searches to what they find, addresses below `base` shortened.

        Raises:
            BadReference: a search finds nothing, or several. Forbidden, BadSearch: it can't be done.
        """
        return await resolved(self, resource, access, base)

    async def transaction(
        self,
        bundle: Resource,
        access: AccessFilter,
        *,
        base: str = "",
        check: Check | None = None,
        audit: AuditOf | None = None,
        outlines: Sequence[Outline | None] = (),
    ) -> dict[str, Any]:
        """Carry out a transaction (all or nothing) or batch Bundle.

        Args:
            base: the server's base URL, for fullUrl and location.
            check: looks at each write once its id is decided and its references are resolved; what it raises ends all.
            audit: see `create`.
            outlines: of the entries' resources, where they are known.

        Returns:
            The response Bundle, what was read in it as it is stored (`orjson.Fragment`).

        Raises:
            TransactionFailed: with the entry's position and cause. BadResource: not such a Bundle.
        """
        return await Bundles(self, base, audit).run(parse(bundle), access, check, outlines)

    async def load(
        self,
        outputs: Iterable[Output] | AsyncIterable[Output],
        *,
        adapter: str | None = None,
        fingerprint: str | None = None,
        precedence: Mapping[str, Sequence[str]] | None = None,
        batch: int = 500,
        progress: Callable[[int], object] | None = None,
        append: bool = False,
    ) -> LoadResult:
        """Store converted resources, with business time and element ownership (see `storage.loading`).

        Args:
            adapter: owner of resources without meta.source.
            fingerprint: of the site key that made the ids.
            precedence: for a type, its sources (adapter names), the first wins.
            batch: outputs in one transaction.
            progress: called after each batch with the number of outputs done.
            append: the resources are new, of no source and never change: none is looked for, merged or compared.

        Raises:
            OtherSiteKey: the database holds another site's ids.
        """
        if fingerprint is not None:
            await self.check_site_key(fingerprint)
        if append:
            result = LoadResult()
            events = LoadedEvents(self.pool, self._events, result)
            return await appending.append(
                self._writer, events, result, outputs, batch=batch, progress=progress
            )
        loader = self._loader(adapter or "ndjson", precedence, batch=batch, progress=progress)
        return await loader.run(outputs)

    def _loader(
        self, adapter: str, precedence: Mapping[str, Sequence[str]] | None, *, batch: int, **more: Any
    ) -> Loader:
        return Loader(
            self.pool,
            self._dictionaries,
            adapter=adapter,
            precedence=precedence or {},
            batch=batch,
            events=self._events,
            **more,
        )

    async def load_records(
        self,
        sets: Sequence[RecordSet],
        *,
        adapter: str,
        precedence: Mapping[str, Sequence[str]] | None = None,
        remap: bool = False,
    ) -> RecordsResult:
        """Store what source records say, in one transaction. A record loaded again replaces what it said before.

        Args:
            remap: also where the mapping is older than the one that made what is stored.
        """
        loader = self._loader(adapter, precedence, batch=len(sets), remap=remap)
        return await loader.run_records(sets)

    async def end_delivery(
        self,
        delivery: Delivery,
        *,
        adapter: str,
        precedence: Mapping[str, Sequence[str]] | None = None,
        batch: int = 500,
        note_kept: Callable[[Delivery], Awaitable[None]] | None = None,
    ) -> LoadResult:
        """Note that a file was loaded to its end: the newest of each of its samples counts (`storage.deliveries`)."""
        loader = self._loader(adapter, precedence, batch=batch)
        return await loader.end_delivery(delivery, note_kept)

    async def load_composite(
        self,
        record: RecordSet | None,
        name: tuple[str, str],
        added: Sequence[Part],
        seen: Sequence[Part],
        *,
        adapter: str,
        precedence: Mapping[str, Sequence[str]] | None = None,
        remap: bool = False,
    ) -> RecordsResult:
        """Store what a record of parts says, and the parts that it gained, in one transaction.

        Args:
            record: None where it could not be converted: what it said before stays.
            name: source and id of the record.
            added: parts that came now; seen: those that were stored when the record was composed of both.

        Raises:
            PartsMoved: other parts were stored since; compose again.
        """
        loader = self._loader(adapter, precedence, batch=1, remap=remap)
        return await loader.run_composite(record, name, added, seen)

    async def parts(self, source: str, record: str) -> list[Part]:
        """All contents and deletions of a record's parts (`storage.parts`)."""
        async with self.pool.connection() as connection:
            return await read_parts(connection, source, record)

    async def outputs_of(self, source: str, record: str, kind: str) -> list[str]:
        """The ids of the resources of a type that a source record says at present."""
        async with self.pool.connection() as connection:
            return await outputs_of(connection, source, record, kind)

    async def of_linked_patient(self, resources: Sequence[dict[str, Any]]) -> bool:
        """Whether what is stored of these resources is about another Patient who is the same person by link."""
        async with self.pool.connection() as connection:
            return await of_linked_patient(connection, resources)

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[inbox.Keeping]:
        """Keep sources and enter what waits for them, in one transaction."""
        async with self.connection() as connection:
            await inbox.lock_sources(connection)
            yield inbox.Keeping(connection)

    async def kept_source(self, key: bytes) -> bytes | None:
        """A source file that was kept, or None."""
        async with self.pool.connection() as connection:
            return await inbox.kept_source(connection, key)

    async def note_inbox(self, items: Sequence[inbox.InboxItem]) -> None:
        """Enter items in the inbox."""
        async with self.connection() as connection:
            await inbox.note(connection, items)

    async def read_inbox(
        self,
        *,
        state: inbox.State | None = "open",
        kind: inbox.Kind | None = None,
        code: str | None = None,
        keys: Sequence[int] | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[inbox.Entry]:
        """Entries of the inbox, oldest first (`storage.inbox.read`)."""
        async with self.pool.connection() as connection:
            return await inbox.read(
                connection, state=state, kind=kind, code=code, keys=keys, after=after, limit=limit
            )

    async def settle_inbox(self, entries: Sequence[inbox.Entry]) -> int:
        """Settle the inbox entries that did not come again since they were read (`storage.inbox.settle`)."""
        async with self.connection() as connection:
            return await inbox.settle(connection, entries)

    async def set_inbox_state(self, keys: Sequence[int], state: inbox.State) -> int:
        """Set the state of inbox entries; how many there were (`storage.inbox.set_state`)."""
        async with self.connection() as connection:
            return await inbox.set_state(connection, keys, state)

    async def dangling(self) -> dict[str, int]:
        """How many resources of each type are not here, though stored resources refer to them."""
        async with self.pool.connection() as connection:
            return await integrity.dangling(connection)

    async def number_of_links(self) -> int:
        """How many links between patients there are."""
        async with self.pool.connection() as connection:
            return await inbox.number_of_links(connection)

    async def reindex(self, on_progress: Callable[[int], object] | None = None) -> int:
        """Make index, records and labels anew of all current resources (see `storage.reindexing`).

        Others may read and write meanwhile. One that was interrupted less than a day ago is gone on with.

        Args:
            on_progress: called with the number of resources done.

        Returns:
            How many resources were indexed, those before an interruption included.
        """
        return await reindexing.reindex(self.pool, self._dictionaries, on_progress)

    async def reindexed(self) -> int:
        """How many resources the run that is under way has indexed; 0 where there is none."""
        async with self.pool.connection() as connection:
            return await reindexing.reached(connection)

    async def link_patients(
        self, surviving_id: str, merged_id: str, access: AccessFilter = EVERYTHING
    ) -> list[Written]:
        """Say that two Patients are one person (ADT A40). Search and records follow.

        Raises:
            NotFound, Forbidden.
        """
        return await self._relate(surviving_id, merged_id, access, linked=True)

    async def unlink_patients(
        self, surviving_id: str, merged_id: str, access: AccessFilter = EVERYTHING
    ) -> list[Written]:
        """Take the link between two Patients back: they are two persons again.

        Raises:
            NotFound, Forbidden.
        """
        return await self._relate(surviving_id, merged_id, access, linked=False)

    async def _relate(
        self, surviving_id: str, merged_id: str, access: AccessFilter, *, linked: bool
    ) -> list[Written]:
        operations = []
        for own, other, kind in (
            (merged_id, surviving_id, "replaced-by"),
            (surviving_id, merged_id, "replaces"),
        ):
            patient = parse((await self.read("Patient", own, access)).bytes)
            content = patients.linked(patient, other, kind) if linked else patients.unlinked(patient, other)
            operations.append(Operation("update", "Patient", own, content))
        # One transaction for both: half a merge would make one record say what the other does not.
        return await self.write(operations, access)

    async def changes(self, after: tuple[int, int] | None = None, limit: int = 1000) -> list[Change]:
        """The change feed after a place; changes of transactions still running come later, none is passed over."""
        async with self.pool.connection() as connection:
            return await read_changes(connection, after or (0, 0), limit)


def _check_id(resource_type: str, identity: str) -> None:
    """What can't be an id, or is of a type that R4 does not have, names nothing."""
    if not is_id(identity) or resource_type not in definitions.resource_types():
        raise NotFound(f"no {resource_type}/{identity[:64]!r}")
