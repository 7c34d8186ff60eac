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
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.storage import inbox, records
from fhir_bridge.storage.contribution_rows import read_states, remove_states, write_states
from fhir_bridge.storage.contributions import MERGED, incoming, version_order
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadResource
from fhir_bridge.storage.implicit_rules import refuse_implicit_rules
from fhir_bridge.storage.indexing import Identity, identify, identify_within, index
from fhir_bridge.storage.ownership import owners, same_person
from fhir_bridge.storage.parts import Part, write_parts
from fhir_bridge.storage.records import LOOSE, Claim, ClaimRow, KnownRecord, RecordSet
from fhir_bridge.storage.stored import parse
from fhir_bridge.storage.subjects import LoadResult, Message, Subject, read_subject
from fhir_bridge.storage.versions import lock, write_versions

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


@dataclass(slots=True)
class _Set:
    """A source record on its way: its messages, and what the store does with it. record None: a resource alone."""

    record: RecordSet | None
    messages: list[Message]
    key: int = LOOSE
    given_up: list[Claim] = field(default_factory=list)

    @property
    def name(self) -> tuple[str, str]:
        """Source and id of the record."""
        assert self.record is not None
        return self.record.source, self.record.id


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
    ) -> None:
        self._pool = pool
        self._dictionaries = dictionaries
        self._adapter = adapter
        self._precedence = precedence
        self._batch = batch
        self._progress = progress
        self._remap = remap
        self._load: UUID = uuid4()
        self.result = LoadResult()

    async def run(self, outputs: Iterable[Output] | AsyncIterable[Output]) -> LoadResult:
        """Load resources as they are; memory is bounded by the batch."""
        batch: list[_Set] = []
        position = 0
        async for output in each(outputs):
            position += 1
            message = self._read(output, f"output {position}", self._adapter, "")
            if message is not None:
                batch.append(_Set(None, [message]))
            if len(batch) >= self._batch:
                await self._write(batch)
                batch = []
                if self._progress is not None:
                    self._progress(position)
        if batch:
            await self._write(batch)
        if self._progress is not None:
            self._progress(position)
        await self._analyze()
        return self.result

    async def run_records(self, sets: Sequence[RecordSet], *, first: Before | None = None) -> RecordsResult:
        """Load the outputs of source records, all in one transaction.

        Args:
            first: done in that transaction before anything else.
        """
        batch: list[_Set] = []
        incomplete: list[RecordSet] = []
        for record in sets:
            where, adapter = record.locator or record.id, record.adapter or self._adapter
            read = [self._read(output, where, adapter, record.mapping) for output in record.resources]
            batch.append(_Set(record, [message for message in read if message is not None]))
            if None in read:
                incomplete.append(record)
        refused = await self._write(batch, first)
        await self._analyze()
        return RecordsResult(self.result, refused, incomplete)

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
                    "ANALYZE resource, token, string, date, quantity, reference, record, record_through, output"
                )

    def _read(self, output: Output, where: str, adapter: str, mapping: str) -> Message | None:
        """Take an output in, or reject it with an issue."""
        try:
            resource = parse(output, source=where)
            identity = resource.get("id")
            if not isinstance(identity, str) or not identity:
                raise BadResource("a resource to load has an id")
            where = f"{resource['resourceType']}/{identity}"
            refuse_implicit_rules(resource)
            contribution = incoming(resource, adapter, self._load, mapping=mapping)
            item = index(contribution.resource, identity, self._dictionaries.definitions)
        except BadResource as error:
            self.result.rejected += 1
            self.result.add_issue("FB-STORE-012", error.message, where)
            return None
        self.result.resources[item.type] += 1
        return Message(item.type, identity, contribution, item, resource)

    async def _write(self, batch: list[_Set], first: Before | None = None) -> list[RecordSet]:
        """Write a batch; the records that it refused."""
        refused: list[RecordSet] = []
        pending = await self._pending(batch)
        if not pending and first is None:
            return refused
        messages = [message for item in pending for message in item.messages]
        keys = await identify(self._pool, self._dictionaries, [message.item for message in messages])
        outcomes = LoadResult()
        async with self._pool.connection() as connection, connection.transaction():
            if first is not None:
                await first(connection)
            await _Batch(self, connection, keys, outcomes, refused).run(pending)
        self.result.add_outcomes(outcomes)  # only now is it durable
        return refused

    async def _pending(self, batch: list[_Set]) -> list[_Set]:
        """The sets that say anything new, or no longer say what they did."""
        messages = [message for item in batch for message in item.messages]
        names = [item.name for item in batch if item.record is not None]
        async with self._pool.connection() as connection:
            known = await records.known_records(connection, names) if names else {}
            last, timed = await records.known_contents(
                connection, [(message.identity, message.said.hash) for message in messages]
            )
        pending, position = [], 0
        for item in batch:
            locations = range(position, position + len(item.messages))
            position += len(item.messages)
            record = None if item.record is None else known.get(item.name)
            claims = (
                set()
                if record is None
                else {(*identity, claim[1]) for claim, identity in record.claims.items()}
            )
            hashes = {(*message.identity, message.said.hash) for message in item.messages}
            settled = all(location in last or location in timed for location in locations)
            if settled and (item.record is None or claims == hashes):
                self.result.unchanged += len(item.messages)
            elif item.messages or claims:
                pending.append(item)
        return pending


@dataclass(slots=True)
class _Batch:
    """The transaction of a batch: its sets are accepted or refused, then what they give up and say is folded in."""

    loader: Loader
    connection: AsyncConnection
    keys: dict[Identity, int]
    outcomes: LoadResult
    refused: list[RecordSet]
    subjects: dict[Identity, Subject] = field(default_factory=dict)

    async def run(self, sets: list[_Set]) -> None:
        """All of it."""
        sets = await self._enter(sets)
        await self._lock(sets)
        accepted, refused = await self._without_refused(sets)
        # What a refused record said before it does not say any more: else two records that gave one result, and
        # whose patient is corrected, would refuse each other for ever.
        settled = await self._give_up([*accepted, *refused])
        claims = await self._take(accepted)
        await self._settle(settled)
        await self._save(accepted, claims)

    async def _enter(self, sets: list[_Set]) -> list[_Set]:
        """Lock the records; note what each gives up. What an older mapping made is left out, with an issue."""
        with_records = [current for current in sets if current.record is not None]
        known: dict[tuple[str, str], KnownRecord] = {}
        if with_records:
            versions = {
                current.name: current.record.mapping if current.record else "" for current in with_records
            }
            known = await records.lock_records(self.connection, versions)
        entered = []
        for current in sets:
            if current.record is not None:
                record = known[current.name]
                if self._older(current.record, record):
                    self.outcomes.stale += len(current.messages)
                    text = (
                        f"created by version {current.record.mapping} of the mapping, the store has {record.mapping}: "
                        "unchanged; load with --remap to go back"
                    )
                    self.outcomes.add_issue("FB-STORE-017", text, current.record.locator)
                    continue
                current.key = record.key
                hashes = {(self.keys[message.identity], message.said.hash) for message in current.messages}
                current.given_up = [claim for claim in record.claims if claim not in hashes]
                self.keys.update((identity, claim[0]) for claim, identity in record.claims.items())
            entered.append(current)
        return entered

    def _older(self, record: RecordSet, known: KnownRecord) -> bool:
        """Whether an older mapping made it than what is stored; without any mapping it says nothing any more."""
        older = version_order(record.mapping) < version_order(known.mapping)
        return older and bool(record.mapping) and not self.loader._remap

    async def _lock(self, sets: list[_Set]) -> None:
        resources = {self.keys[message.identity] for item in sets for message in item.messages}
        resources.update(claim[0] for item in sets for claim in item.given_up)
        rows = await lock(self.connection, list(resources))
        states = await read_states(self.connection, rows)
        bare = [key for key, row in rows.items() if row.live and key not in states]
        claimed = await self._claimed(bare) if bare else set()
        for key, row in rows.items():
            self.subjects[row.type, row.id] = read_subject(row, states.get(key, {}), claimed=key in claimed)

    async def _claimed(self, resources: list[int]) -> set[int]:
        rows = await self.connection.execute(
            "SELECT DISTINCT resource FROM output WHERE resource = ANY(%s)", (resources,)
        )
        return {row[0] for row in await rows.fetchall()}

    async def _without_refused(self, sets: list[_Set]) -> tuple[list[_Set], list[_Set]]:
        """Refuse each set of which a resource is in the record of another patient (a linked one is the same).

        Gives the accepted ones and the records that were refused.
        """
        owned: dict[Identity, tuple[frozenset[str], int]] = {}
        accepted, refused = [], []
        for entry in sets:
            wrong, moves = None, 0
            for message in entry.messages:
                match await self._patient(entry, message, owned, sets):
                    case "another":
                        wrong = message
                        break
                    case "moved":
                        moves += 1
            if wrong is None:
                accepted.append(entry)
                self.outcomes.moved += moves
                for message in entry.messages:
                    owned[message.identity] = (frozenset(message.item.owners.patients), entry.key)
                continue
            self.outcomes.refused += len(entry.messages)
            self.outcomes.resources.subtract(message.type for message in entry.messages)
            locator = entry.messages[0].locator if entry.record is None else entry.record.locator
            before = "; what it said before is taken back" if entry.given_up else ""
            text = f"{wrong.type} is known under another patient: the record changes nothing{before}"
            self.outcomes.add_issue("FB-STORE-018", text, locator)
            if entry.record is not None:
                self.refused.append(entry.record)  # whoever reads the source lists it, and keeps it
                refused.append(entry)
            else:
                item = inbox.InboxItem("refused", self.loader._adapter, locator, "FB-STORE-018", text)
                await inbox.note(self.connection, [item])
        return accepted, refused

    async def _patient(
        self,
        item: _Set,
        message: Message,
        owned: dict[Identity, tuple[frozenset[str], int]],
        sets: list[_Set],
    ) -> Literal["same", "moved", "another"]:
        """Whether a resource stays with its patient, or is in the record of another one.

        It moves where no other source record says any more that it is of the patient whose it is.
        """
        subject = self.subjects[message.identity]
        before = owned.get(message.identity)
        if before is not None:
            present, by = before
        elif subject.live and subject.states and subject.current.bytes is not None:
            if message.type == "Patient":
                return "same"
            present, by = owners(parse(subject.current.bytes)), LOOSE
        else:
            return "same"
        wanted = frozenset(message.item.owners.patients)
        if not present or not wanted or present == wanted:
            return "same"
        if await same_person(self.connection, present, wanted):
            return "same"
        if before is None and item.record is not None:
            ours = [item.key, *await self._leaving(subject.current.key, message.identity, present, sets)]
            others = await records.claimed_by_others(self.connection, [subject.current.key], ours)
            return "another" if others else "moved"
        return "another" if by != item.key or item.record is None else "same"

    async def _leaving(
        self, resource: int, identity: Identity, present: frozenset[str], sets: list[_Set]
    ) -> list[int]:
        """The records of this batch that no longer say that a resource is of the patients whose it is at present."""
        leaving = []
        for item in sets:
            if not any(claim[0] == resource for claim in item.given_up):
                continue
            said = [message.item.owners.patients for message in item.messages if message.identity == identity]
            stays = [
                set(patients) == present or await same_person(self.connection, present, patients)
                for patients in said
            ]
            if not any(stays):
                leaving.append(item.key)
        return leaving

    async def _give_up(self, sets: list[_Set]) -> list[Subject]:
        """Take back what records no longer say, and fold the resources concerned again."""
        claims = [(item.key, claim) for item in sets for claim in item.given_up]
        if not claims:
            return []
        await records.keep_outputs(self.connection, sorted({claim[0] for _, claim in claims}))
        touched = await records.give_up(self.connection, claims)
        by_key = {subject.current.key: subject for subject in self.subjects.values()}
        for key in sorted(touched):
            by_key[key].fold_again(await records.fold_claims(self.connection, key, self.loader._adapter))
        return [by_key[key] for key in sorted(touched)]

    async def _take(self, sets: list[_Set]) -> list[tuple[_Set, Message, int]]:
        """Fold the messages in; gives each with its arrival."""
        messages = [message for item in sets for message in item.messages]
        known = await self._known_hashes(messages)
        claims = []
        for item in sets:
            for message in item.messages:
                subject = self.subjects[message.identity]
                arrival = subject.take(
                    message,
                    known.setdefault(message.identity, set()),
                    self.loader._precedence.get(message.type, ()),
                    self.outcomes,
                )
                claims.append((item, message, arrival))
        return claims

    async def _known_hashes(self, messages: list[Message]) -> dict[Identity, set[bytes]]:
        """Which contents timed messages said before: asked again now that the rows are locked."""
        contents = [(message.identity, message.said.hash) for message in messages]
        _, timed = await records.known_contents(self.connection, contents)
        known: dict[Identity, set[bytes]] = {}
        for number in timed:
            identity, digest = contents[number]
            known.setdefault(identity, set()).add(digest)
        return known

    async def _settle(self, subjects: list[Subject]) -> None:
        """Withdraw what nobody says any more; deletions last, and only of what nothing that stays refers to."""
        pending: list[Subject] = []
        for subject in subjects:
            if subject.live and not subject.states:
                pending.append(subject)
            else:
                self._settle_one(subject, referred=False)
        while pending:
            referred = await self._referred(pending)
            free = [subject for subject in pending if subject.current.key not in referred] or pending
            for subject in free:
                self._settle_one(subject, referred=subject.current.key in referred)
            settled = {subject.current.key for subject in free}
            pending = [subject for subject in pending if subject.current.key not in settled]

    def _settle_one(self, subject: Subject, *, referred: bool) -> None:
        precedence = self.loader._precedence.get(subject.current.type, ())
        subject.settle(precedence, self.outcomes, referred=referred)

    async def _referred(self, subjects: list[Subject]) -> set[int]:
        """Which of the subjects others refer to: those of this transaction as they will be, the rest as stored."""
        changed = [subject for subject in self.subjects.values() if subject.changed]
        rows = await self.connection.execute(
            "SELECT DISTINCT f.target FROM reference f JOIN resource r ON r.key = f.resource AND NOT r.deleted "
            "WHERE f.target = ANY(%s) AND f.resource <> f.target AND f.resource <> ALL(%s)",
            ([subject.current.key for subject in subjects], [subject.current.key for subject in changed]),
        )
        results = {row[0] for row in await rows.fetchall()}
        references = set(chain.from_iterable(_references(subject.content) for subject in changed))
        current = [subject.current for subject in subjects]
        return results | {item.key for item in current if f"{item.type}/{item.id}" in references}

    async def _save(self, sets: list[_Set], claims: list[tuple[_Set, Message, int]]) -> None:
        connection = self.connection
        touched = [subject for subject in self.subjects.values() if subject.touched]
        changed = [subject for subject in touched if subject.changed]
        replaced = [subject.current.key for subject in changed if subject.current.version > 0]
        if replaced:
            await records.keep_outputs(connection, replaced)
        versions = [subject.new_version(self.loader._dictionaries.definitions) for subject in changed]
        items = [
            new.item for new in versions if new.item is not None
        ]  # merged, withdrawn: not the messages' own
        await identify_within(connection, self.loader._dictionaries, items, self.keys, fresh=())
        past = [old for subject in touched for old in subject.past]
        await write_versions(connection, self.loader._dictionaries, self.keys, versions, past)
        folded = [subject.current.key for subject in touched if subject.folded_again]
        if folded:
            await remove_states(connection, folded)
        rows = [(subject.current.key, subject.states, subject.live) for subject in touched]
        await write_states(connection, rows)
        await records.write_claims(
            connection,
            list({(row.resource, row.record, row.hash): row for row in map(self._claim, claims)}.values()),
            {item.key: item.record.mapping for item in sets if item.record is not None},
        )
        await inbox.note(connection, inbox.duplicates(self.outcomes.issues, self.loader._adapter))

    def _claim(self, claim: tuple[_Set, Message, int]) -> ClaimRow:
        item, message, arrival = claim
        contribution = message.said
        subject = self.subjects[message.identity]
        plain = (
            subject.live
            and subject.hash == contribution.hash
            and not contribution.delta
            and message.type not in MERGED
        )
        text = None if plain else dumps(message.content)
        return ClaimRow(
            subject.current.key, item.key, contribution.hash, contribution.time is not None, arrival, text
        )


def _references(node: Any) -> Iterator[str]:
    """What a content refers to by literal reference."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "reference" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


async def each(outputs: Iterable[Output] | AsyncIterable[Output]) -> AsyncIterator[Output]:
    """The outputs of either kind of iterable."""
    if isinstance(outputs, AsyncIterable):
        async for output in outputs:
            yield output
    else:
        for output in outputs:
            yield output
