"""Loading converted resources: in batches, each one transaction, with business time and element ownership.

A process killed in the middle leaves whole batches; loading again completes the rest and changes nothing of what is
there. Resources come alone (`run`), or as the set that a source record owns (`run_records`): loaded again, a set
replaces what the record said before, and what it no longer says is withdrawn.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.errors import DeadlockDetected, UniqueViolation
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.consent import uninterpreted
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.storage import deliveries, inbox, kept_files, records
from fhir_bridge.storage.audit_loading import LoadedEvents
from fhir_bridge.storage.audit_search import AUDIT, AuditEvents
from fhir_bridge.storage.batches import Batch, BatchSet, BatchSettings
from fhir_bridge.storage.contributions import MERGED, incoming
from fhir_bridge.storage.deliveries import Delivery
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadResource
from fhir_bridge.storage.implicit_rules import refuse_implicit_rules
from fhir_bridge.storage.indexing import Identity, identify, index
from fhir_bridge.storage.parts import Part, write_parts
from fhir_bridge.storage.records import RecordSet
from fhir_bridge.storage.stored import parse
from fhir_bridge.storage.subjects import LoadResult, Message

__all__ = ["LoadResult", "Loader", "Output", "RecordsResult", "each"]

Output = Mapping[str, Any] | bytes
Before = Callable[[AsyncConnection], Awaitable[None]]
ANALYZE_AFTER = 5000
"""A load that wrote so much brings the planner's statistics up to date: the next search may come before autovacuum."""


@dataclass(frozen=True, slots=True)
class RecordsResult:
    """What a load of records came to.

    Attributes:
        refused: records that changed nothing, since a business key of theirs is under another patient.
        incomplete: records of which an output could not be loaded.
    """

    counts: LoadResult
    refused: Sequence[RecordSet]
    incomplete: Sequence[RecordSet]


class Loader:
    """One load. Create a new one for each."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection],
        dictionaries: Dictionaries,
        *,
        adapter: str,
        precedence: Mapping[str, Sequence[str]],
        batch: int,
        progress: Callable[[int], object] | None = None,
        remap: bool = False,
        events: AuditEvents,
    ) -> None:
        self._pool = pool
        self._dictionaries = dictionaries
        self._adapter = adapter
        self._batch = batch
        self._progress = progress
        self._settings = BatchSettings(dictionaries, adapter, precedence, remap)
        # One id a load: messages without time that come with the same load are not ordered by
        # arrival (`contributions.arrive`).
        self._load: UUID = uuid4()
        self.result = LoadResult()
        self._events = LoadedEvents(pool, events, self.result)

    async def run(self, outputs: Iterable[Output] | AsyncIterable[Output]) -> LoadResult:
        """Load resources as they are; memory is bounded by the batch."""
        batch: list[BatchSet] = []
        position = 0
        async for output in each(outputs):
            position += 1
            if self._events.full:
                await self._events.write()
            message = self._read(output, f"output {position}", self._adapter, "")
            if message is not None:
                batch.append(BatchSet(None, [message]))
            if len(batch) >= self._batch:
                await self._write(batch)
                batch = []
                if self._progress is not None:
                    self._progress(position)
        if batch:
            await self._write(batch)
        await self._events.write()
        if self._progress is not None:
            self._progress(position)
        await self._analyze()
        return self.result

    async def run_records(self, sets: Sequence[RecordSet], *, first: Before | None = None) -> RecordsResult:
        """Load the outputs of source records, all in one transaction.

        Args:
            first: done in that transaction before anything else.
        """
        batch: list[BatchSet] = []
        incomplete: list[RecordSet] = []
        for record in sets:
            where, adapter = record.locator or record.id, record.adapter or self._adapter
            rejected = self.result.rejected
            read = [self._read(output, where, adapter, record.mapping) for output in record.resources]
            # A set without `parts` is of no delivery, and pairs with nothing.
            for message, part in zip(read, record.parts, strict=False):
                if message is not None:
                    message.part = part
            batch.append(BatchSet(record, [message for message in read if message is not None]))
            if self.result.rejected > rejected:
                incomplete.append(record)
        # Before the transaction: editions are numbered by short statements of their own,
        # and nobody waits for this batch.
        await self._register(batch)
        refused = await self._write(batch, first)
        await self._events.write()
        await self._analyze()
        return RecordsResult(self.result, refused, incomplete)

    async def end_delivery(
        self, delivery: Delivery, note_kept: Callable[[Delivery], Awaitable[None]] | None = None
    ) -> LoadResult:
        """Note the end of a file, and bring what it and other files of its samples say to what counts of it.

        Args:
            note_kept: notes what kept files of its samples speak of, as far as an older file speaks of it too.
        """
        # In one transaction: `ended` must not be seen before the places are.
        async with self._pool.connection() as connection, connection.transaction():
            own, series = await deliveries.end_delivery(connection, delivery)
        if series and note_kept is not None:
            await note_kept(delivery)
        shares: dict[tuple[int, int], bool] = {}
        reported: dict[str, Issue] = {}
        for item in series:
            # Looked for without locks; each batch below locks the series and looks again.
            async with self._pool.connection() as connection:
                result, issues = await deliveries.standing(connection, item, shares, own)
                await kept_files.mark_replaced(connection, item, result)
                wrong = await deliveries.misplaced(connection, item, result)
            reported.update((issue.message, replace(issue, source=delivery.name)) for issue in issues)
            for start in range(0, len(wrong), self._batch):
                await self._count_again(item, wrong[start : start + self._batch], shares)
        for issue in reported.values():
            self.result.add_issue(issue.code, issue.message, issue.source)
        # Two files without an order need a person: they are listed in the inbox beside being reported.
        twice = [issue for issue in reported.values() if issue.code == "FB-STORE-028"]
        if twice:
            async with self._pool.connection() as connection:
                await inbox.note(connection, inbox.duplicates(twice, self._adapter))
        return self.result

    async def _count_again(
        self, series: str, resources: Sequence[int], shares: dict[tuple[int, int], bool]
    ) -> None:
        """Fold resources again of which another edition of a series counts by now; in one transaction."""
        outcomes = LoadResult()
        async with self._pool.connection() as connection, connection.transaction():
            await deliveries.lock_series(connection, series)
            result, _ = await deliveries.standing(connection, series, shares)
            await Batch(self._settings, connection, {}, outcomes, []).count_again(series, result, resources)
        self.result.add_outcomes(outcomes)

    async def _register(self, batch: Sequence[BatchSet]) -> None:
        """Give each message the edition that it is part of."""
        results: dict[str, tuple[Delivery, list[Message]]] = {}
        whole: dict[str, set[tuple[str, str]]] = {}
        for item in batch:
            delivery = None if item.record is None else item.record.delivery
            if delivery is not None:
                # Of several patients, or of none, it is no edition of anyone's sample.
                messages = [message for message in item.messages if message.part and message.patient]
                results.setdefault(delivery.id, (delivery, []))[1].extend(messages)
                if delivery.whole:
                    patients = {message.patient for message in item.messages if message.patient}
                    whole.setdefault(delivery.id, set()).update((delivery.whole, one) for one in patients)
        for delivery, messages in results.values():
            wanted = {(message.part, message.patient) for message in messages} | whole.get(delivery.id, set())
            if wanted - delivery.editions.keys():
                async with self._pool.connection() as connection:
                    await deliveries.register(connection, delivery, wanted)
            for message in messages:
                message.edition = delivery.editions[message.part, message.patient]

    async def run_composite(
        self, record: RecordSet | None, name: tuple[str, str], added: Sequence[Part], seen: Sequence[Part]
    ) -> RecordsResult:
        """Load what a record of parts says, with its new parts, in one transaction (`storage.parts`).

        Raises:
            PartsMoved: other parts were stored since the record was composed.
        """

        async def add_parts(connection: AsyncConnection) -> None:
            await write_parts(connection, *name, added, seen)

        return await self.run_records([record] if record is not None else [], first=add_parts)

    async def _analyze(self) -> None:
        if self.result.created + self.result.updated >= ANALYZE_AFTER:
            async with self._pool.connection() as connection:
                await connection.execute(
                    "ANALYZE resource, token, string, date, quantity, reference, record, record_through, named, output"
                )

    def _read(self, output: Output, where: str, adapter: str, mapping: str) -> Message | None:
        """Take an output in, or reject it with an issue; an AuditEvent is put with those, and gives None."""
        try:
            resource = parse(output, source=where)
            identity = resource.get("id")
            if not isinstance(identity, str) or not identity:
                raise BadResource("a resource to load has an id")
            where = f"{resource['resourceType']}/{identity}"
            if resource["resourceType"] == AUDIT:
                self._events.take(resource)
                return None
            refuse_implicit_rules(resource)
            contribution = incoming(resource, adapter, self._load, mapping=mapping)
            known = self._dictionaries.definitions
            item = index(contribution.resource, identity, known, nul=contribution.nul)
        except BadResource as error:
            self.result.rejected += 1
            self.result.add_issue("FB-STORE-012", error.message, where)
            return None
        if item.type == "Consent" and (reason := uninterpreted(contribution.resource)) is not None:
            self.result.add_issue("FB-STORE-040", reason, where)
        self.result.resources[item.type] += 1
        whole = not (contribution.delta or contribution.cleared) and resource.get(
            "meta"
        ) == contribution.resource.get("meta")
        return Message(item.type, identity, contribution, item, resource, whole=whole)

    async def _write(self, batch: list[BatchSet], first: Before | None = None) -> list[RecordSet]:
        """Write a batch; the records that it refused."""
        # Most of what is loaded again is known: it is left out before anything is locked.
        pending = await self._pending(batch)
        if not pending and first is None:
            return []
        messages = [message for item in pending for message in item.messages]
        # What is not merged of sources is hardly ever made by two at once: its row is written once, with its content.
        unborn = {message.identity for message in messages if message.type not in MERGED}
        try:
            return await self._write_pending(pending, first, unborn)
        except (UniqueViolation, DeadlockDetected):
            # Somebody else does make the same: rows that are there wait for each other in the order of their keys.
            return await self._write_pending(pending, first, set())

    async def _write_pending(
        self, pending: list[BatchSet], first: Before | None, unborn: set[Identity]
    ) -> list[RecordSet]:
        items = [message.item for entry in pending for message in entry.messages]
        # In short transactions of its own, before the batch's: numbers are then never waited for.
        keys = await identify(self._pool, self._dictionaries, items, unborn=unborn)
        outcomes = LoadResult()
        refused: list[RecordSet] = []
        async with self._pool.connection() as connection, connection.transaction():
            if first is not None:
                await first(connection)
            work = Batch(self._settings, connection, keys, outcomes, refused, unborn)
            await work.run(pending)
        self.result.add_outcomes(outcomes)  # only now is it durable
        self._dictionaries.remember_origins(work.sources, work.conversions)
        return refused

    async def _pending(self, batch: list[BatchSet]) -> list[BatchSet]:
        """The sets that say anything new, or no longer say what they did."""
        names = [item.name for item in batch if item.record is not None]
        async with self._pool.connection() as connection:
            known = await records.known_records(connection, names) if names else {}
            # A set is settled only as a whole: a record that says less than before gives something up, and of one that
            # says more it need not be known what of it is stored.
            same: list[BatchSet] = []
            pending: list[BatchSet] = []
            for item in batch:
                claims: set[tuple[str, str, bytes]] = set()
                if item.record is not None:
                    record = known.get(item.name)
                    item.known = record is not None
                    if record is not None:
                        claims = {(*identity, claim[1]) for claim, identity in record.claims.items()}
                hashes = {(*message.identity, message.contribution.hash) for message in item.messages}
                if item.record is None or claims == hashes:
                    same.append(item)
                elif item.messages or claims:
                    pending.append(item)
            contents = [
                (message.identity, message.contribution.hash) for item in same for message in item.messages
            ]
            last, timed = await records.known_contents(connection, contents) if contents else (set(), set())
        position = 0
        unsettled = set(map(id, pending))
        for item in same:
            locations = range(position, position + len(item.messages))
            position += len(item.messages)
            record = None if item.record is None else known.get(item.name)
            # Stored and counting; or timed, which does not become newer by coming
            # again; or replaced by a newer file.
            settled = all(
                location in last
                or location in timed
                or (
                    record is not None and (*message.identity, message.contribution.hash) in record.superseded
                )
                for location, message in zip(locations, item.messages, strict=True)
            )
            if settled:
                self.result.unchanged += len(item.messages)
            elif item.messages:
                unsettled.add(id(item))
        # In the order in which they came.
        return [item for item in batch if id(item) in unsettled]


async def each(outputs: Iterable[Output] | AsyncIterable[Output]) -> AsyncIterator[Output]:
    """The outputs of either kind of iterable."""
    if isinstance(outputs, AsyncIterable):
        async for output in outputs:
            yield output
    else:
        for output in outputs:
            yield output
