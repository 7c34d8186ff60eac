"""Loading converted resources: in batches, each one transaction, with business time and element ownership.

A process killed in the middle leaves whole batches; loading again completes the rest and changes nothing of what is
there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.storage.contribution_rows import read_states, write_states
from fhir_bridge.storage.contributions import (
    MERGED,
    REST,
    Contribution,
    arrive,
    disagreements,
    fold,
    incoming,
    merge,
)
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadResource
from fhir_bridge.storage.indexing import Identity, Indexed, find_keys, identify, index
from fhir_bridge.storage.issues import CODES
from fhir_bridge.storage.stored import content_hash, now, parse, stamp
from fhir_bridge.storage.versions import Current, NewVersion, PastVersion, lock, write_versions

__all__ = ["LoadResult", "Loader", "Output", "each"]

Output = Mapping[str, Any] | bytes
ANALYZE_AFTER = 5000
"""A load that wrote so much brings the planner's statistics up to date: the next search may come before autovacuum."""

MAX_ISSUES = 1000
"""Issues beyond this are counted, not listed."""


@dataclass(slots=True)
class LoadResult:
    """What a load came to. Each output counts once.

    Attributes:
        created: resources that were not there.
        updated: new versions of resources that were.
        unchanged: outputs that say what is stored already, or what a source with precedence says.
        stale: outputs older than what is stored; they are in history.
        conflicts: outputs that differ from another of the same source and time; one is current, the others in history.
        rejected: outputs that can't be loaded.
        resources: how many outputs of each type.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    conflicts: int = 0
    rejected: int = 0
    resources: Counter[str] = field(default_factory=Counter)
    issues: list[Issue] = field(default_factory=list)
    unlisted_issues: int = 0

    def add_issue(self, code: str, message: str, source: str) -> None:
        """List an issue, or count it where the list is full."""
        if len(self.issues) >= MAX_ISSUES:
            self.unlisted_issues += 1
        else:
            self.issues.append(Issue(CODES[code].severity, code, message, source))


@dataclass(slots=True)
class _Message:
    """An output on its way."""

    type: str
    id: str
    said: Contribution
    item: Indexed

    @property
    def identity(self) -> Identity:
        return self.type, self.id


@dataclass(slots=True)
class _Subject:
    """A resource that the batch writes: its row, its sources' states, and what becomes of it."""

    current: Current
    states: dict[str, Contribution]
    content: dict[str, Any] | None
    hash: bytes | None
    version: int
    last_version: int
    live: bool
    item: Indexed | None = None
    said_by: Contribution | None = None
    changed: bool = False
    touched: bool = False


class Loader:
    """One load. Make a new one for each."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection],
        dictionaries: Dictionaries,
        *,
        adapter: str,
        precedence: Mapping[str, Sequence[str]],
        batch: int,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        self._pool = pool
        self._dictionaries = dictionaries
        self._adapter = adapter
        self._precedence = precedence
        self._batch = batch
        self._progress = progress
        self._load: UUID = uuid4()
        self.result = LoadResult()

    async def run(self, outputs: Iterable[Output] | AsyncIterable[Output]) -> LoadResult:
        """Load everything; memory is bounded by the batch."""
        batch: list[_Message] = []
        position = 0
        async for output in each(outputs):
            position += 1
            message = self._read(output, position)
            if message is not None:
                batch.append(message)
            if len(batch) >= self._batch:
                await self._write(batch)
                batch = []
                if self._progress is not None:
                    self._progress(position)
        if batch:
            await self._write(batch)
        if self._progress is not None:
            self._progress(position)
        if self.result.created + self.result.updated >= ANALYZE_AFTER:
            async with self._pool.connection() as connection:
                await connection.execute(
                    "ANALYZE resource, token, string, date, quantity, reference, compartment"
                )
        return self.result

    def _read(self, output: Output, position: int) -> _Message | None:
        """Take an output in, or reject it with an issue."""
        where = f"output {position}"
        try:
            resource = parse(output, source=where)
            identity = resource.get("id")
            if not isinstance(identity, str) or not identity:
                raise BadResource("a resource to load has an id")
            where = f"{resource['resourceType']}/{identity}"
            said = incoming(resource, self._adapter, self._load)
            item = index(said.resource, identity, self._dictionaries.definitions)
        except BadResource as error:
            self.result.rejected += 1
            self.result.add_issue("FB-STORE-012", error.message, where)
            return None
        self.result.resources[item.type] += 1
        return _Message(item.type, identity, said, item)

    async def _write(self, batch: list[_Message]) -> None:
        fresh = await self._unknown(batch)
        if not fresh:
            return
        keys = await identify(self._pool, self._dictionaries, [message.item for message in fresh])
        outcomes = LoadResult()
        async with self._pool.connection() as connection, connection.transaction():
            await self._transact(connection, fresh, keys, outcomes)
        for name in ("created", "updated", "unchanged", "stale", "conflicts"):  # only now is it durable
            setattr(self.result, name, getattr(self.result, name) + getattr(outcomes, name))
        for issue in outcomes.issues:
            self.result.add_issue(issue.code, issue.message, issue.source)

    async def _unknown(self, batch: list[_Message]) -> list[_Message]:
        """The messages that were not taken account of before."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT w.n FROM unnest(%s::int[], %s::text[], %s::text[], %s::bytea[]) AS w (n, type, id, hash) "
                "JOIN resource r ON r.type = w.type AND r.id = w.id "
                "WHERE EXISTS (SELECT FROM contribution c WHERE c.resource = r.key AND c.hash = w.hash) "
                "OR EXISTS (SELECT FROM superseded s WHERE s.resource = r.key AND s.hash = w.hash)",
                (
                    list(range(len(batch))),
                    [message.type for message in batch],
                    [message.id for message in batch],
                    [message.said.hash for message in batch],
                ),
            )
            known = {row[0] for row in await rows.fetchall()}
        self.result.unchanged += len(known)
        return [message for position, message in enumerate(batch) if position not in known]

    async def _transact(
        self,
        connection: AsyncConnection,
        messages: list[_Message],
        keys: dict[Identity, int],
        outcomes: LoadResult,
    ) -> None:
        own = {message.identity: keys[message.identity] for message in messages}
        rows = await lock(connection, list(own.values()))
        states = await read_states(connection, rows)
        subjects = {identity: _subject(rows[key], states.get(key, {})) for identity, key in own.items()}
        past: list[PastVersion] = []
        superseded = await _already_superseded(connection, messages, own)
        known_before = len(superseded)
        for message in messages:
            self._take(message, subjects[message.identity], past, superseded, outcomes)
        touched = [subject for subject in subjects.values() if subject.touched]
        versions = [_version(subject, self._dictionaries) for subject in touched if subject.changed]
        await _complete_keys(connection, versions, keys)
        await write_versions(connection, self._dictionaries, keys, versions, past)
        await write_states(
            connection, [(subject.current.key, subject.states, subject.live) for subject in touched]
        )
        new = superseded[known_before:]
        if new:
            await connection.execute(
                "INSERT INTO superseded SELECT * FROM unnest(%s::bigint[], %s::bytea[]) ON CONFLICT DO NOTHING",
                ([key for key, _ in new], [digest for _, digest in new]),
            )

    def _take(
        self,
        message: _Message,
        subject: _Subject,
        past: list[PastVersion],
        superseded: list[tuple[int, bytes]],
        outcomes: LoadResult,
    ) -> None:
        """Fold one message into its resource, and say what came of it."""
        said, states, where = message.said, subject.states, f"{message.type}/{message.id}"
        known = states.get(said.source)
        if (known is not None and known.hash == said.hash) or (subject.current.key, said.hash) in superseded:
            outcomes.unchanged += 1
            return
        said = arrive(said, known)
        conflict = known is not None and not said.delta and said.order[:3] == known.order[:3]
        state = fold(known, said)
        subject.touched = True
        states[said.source] = state
        late = known is not None and state.hash != said.hash
        if known is not None and (late or known.time is not None or conflict):
            superseded.append((subject.current.key, said.hash if late else known.hash))
        content = merge(list(states.values()), self._precedence.get(message.type, ()))
        digest = content_hash(content)
        same = (
            digest == subject.hash
            if subject.live
            else late and known is not None and state.resource == known.resource
        )
        newest = max(states.values(), key=lambda one: (one.order, one.source))
        if conflict:
            outcomes.conflicts += 1
            outcomes.add_issue(
                "FB-STORE-013",
                "another content came from the same source with the same time and status",
                where,
            )
        if same and (late or (message.type not in MERGED and newest.source != said.source)):
            subject.last_version += 1
            past.append(_late(subject, said, "c" if conflict else "s"))
            if not conflict:
                outcomes.stale += 1
                outcomes.add_issue("FB-STALE", "older than what is stored: kept in history", where)
            return
        if same:
            outcomes.unchanged += 0 if conflict else 1
            return
        self._become(message, subject, state, content, digest, past)
        if not conflict:
            if subject.version == 1:
                outcomes.created += 1
            else:
                outcomes.updated += 1
        if known is None or known.resource != state.resource:
            for name in disagreements(list(states.values())):
                outcomes.add_issue("FB-STORE-014", f"the sources differ on {name}", where)

    @staticmethod
    def _become(
        message: _Message,
        subject: _Subject,
        state: Contribution,
        content: dict[str, Any],
        digest: bytes,
        past: list[PastVersion],
    ) -> None:
        """Make a content current. What the same batch made before goes to history."""
        if subject.changed and subject.content is not None:
            past.append(
                PastVersion(
                    subject.current.key,
                    subject.version,
                    "v",
                    now(),
                    subject.said_by.time if subject.said_by else None,
                    subject.hash,
                    stamp(subject.content, message.id, subject.version, now()),
                )
            )
        subject.last_version += 1
        subject.version = subject.last_version
        subject.content, subject.hash = content, digest
        subject.live = subject.changed = True
        subject.said_by = state
        subject.item = message.item if content is message.said.resource else None


async def each(outputs: Iterable[Output] | AsyncIterable[Output]) -> AsyncIterator[Output]:
    """The outputs of either kind of iterable."""
    if isinstance(outputs, AsyncIterable):
        async for output in outputs:
            yield output
    else:
        for output in outputs:
            yield output


def _subject(row: Current, states: dict[str, Contribution]) -> _Subject:
    """A resource as it stands. What REST made before any source spoke of it counts as REST's contribution."""
    if row.live and not states and row.bytes is not None:
        content = parse(row.bytes)
        said = incoming(content, "rest", None)
        states = {REST: replace(said, source=REST, time=row.last_updated, delta=False, cleared=())}
    return _Subject(row, states, None, row.hash, row.version, row.last_version, row.live)


def _late(subject: _Subject, said: Contribution, kind: str) -> PastVersion:
    moment = now()
    return PastVersion(
        subject.current.key,
        subject.last_version,
        kind,
        moment,
        said.time,
        content_hash(said.resource),
        stamp(said.resource, said.resource["id"], subject.last_version, moment),
    )


def _version(subject: _Subject, dictionaries: Dictionaries) -> NewVersion:
    current, content = subject.current, subject.content
    if content is None:
        raise AssertionError("a changed resource has content")
    moment = now()
    if current.last_updated is not None:
        moment = max(moment, current.last_updated)
    return NewVersion(
        current,
        subject.version,
        subject.last_version,
        moment,
        subject.said_by.time if subject.said_by else None,
        stamp(content, current.id, subject.version, moment),
        subject.hash,
        subject.item or index(content, current.id, dictionaries.definitions),
    )


async def _already_superseded(
    connection: AsyncConnection, messages: list[_Message], keys: Mapping[Identity, int]
) -> list[tuple[int, bytes]]:
    """Which of the messages another load took account of in the meantime: asked again now that the rows are locked."""
    rows = await connection.execute(
        "SELECT s.resource, s.hash FROM unnest(%s::bigint[], %s::bytea[]) AS w (resource, hash) "
        "JOIN superseded s ON s.resource = w.resource AND s.hash = w.hash",
        ([keys[message.identity] for message in messages], [message.said.hash for message in messages]),
    )
    return [(row[0], row[1]) for row in await rows.fetchall()]


async def _complete_keys(
    connection: AsyncConnection, versions: list[NewVersion], keys: dict[Identity, int]
) -> None:
    """Numbers of what merged contents refer to: another source's message named it before, so it has one."""
    missing = {
        identity
        for version in versions
        if version.item is not None
        for identity in version.item.identities()
        if identity not in keys
    }
    if missing:
        keys.update(await find_keys(connection, sorted(missing)))
