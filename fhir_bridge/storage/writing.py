"""Writes as they come over REST: one or many in a transaction, each checked against access, version and criteria."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.errors import ForeignKeyViolation
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.purposes import OF_OTHERS
from fhir_bridge.fhir.record import OTHER_PERSON
from fhir_bridge.storage import ownership
from fhir_bridge.storage.audit_rows import AuditOf, AuditRecord, AuditWriter, joined
from fhir_bridge.storage.breathing import Pause, beside
from fhir_bridge.storage.conditions import FALSE, TRUE, Condition, all_of, live
from fhir_bridge.storage.contribution_rows import keep_contents, read_states, write_states
from fhir_bridge.storage.contributions import MERGED, REST, Contribution, fold, incoming
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import (
    BadResource,
    BadSearch,
    CreatedMeanwhile,
    DanglingReference,
    Forbidden,
    MultipleMatches,
    NotFound,
    StorageError,
    TooManyIndexRows,
    TransactionFailed,
)
from fhir_bridge.storage.grouping import Creates, GroupWriter
from fhir_bridge.storage.implicit_rules import refuse_implicit_rules
from fhir_bridge.storage.includes import is_include
from fhir_bridge.storage.indexing import TOO_MANY, Identity, Indexed, identify, index
from fhir_bridge.storage.integrity import (
    Named,
    Referrers,
    local_references,
    lock_deleted,
    named_by,
    referrers_of,
    refused,
)
from fhir_bridge.storage.outlines import Outline, outline_of
from fhir_bridge.storage.patients import read_owners
from fhir_bridge.storage.permission import (
    People,
    compile_access,
    owners_of_contents,
    people_of,
    purpose_of,
    refuse_content,
    require,
)
from fhir_bridge.storage.preconditions import require_version
from fhir_bridge.storage.search_support import PRESENTATION
from fhir_bridge.storage.searching import conditions
from fhir_bridge.storage.stored import Stored, Written, canonical, content_hash, new_id, now, parse
from fhir_bridge.storage.version_rows import Current, NewVersion, lock, next_version
from fhir_bridge.storage.versions import write_versions

__all__ = ["PRESENT", "Operation", "Writer", "compile_criteria", "match_one", "new_id"]

Parameters = Sequence[tuple[str, str]]

AUDIT_AT_ONCE = 200
"""Rows of audit records that go with the first versions."""
PRESENT = "the write asks that nothing is there, and another resource has this id"
AT_ONCE = 100
"""Versions that are written by one statement: making it holds up the event loop for some milliseconds."""


@dataclass(slots=True)
class Operation:
    """A write.

    Attributes:
        action: `create` fails where the id is taken, `update` creates where it is free, `delete`.
        resource: content of a create or update.
        if_match: the version that must be current.
        criteria: the create is made only while these match nothing.
        absent: the update is made only while nothing is there, which its row decides: two at once can't both find
            nothing.
        generated: the id is one that the server gave.
        position: where it is in a Bundle, for messages.
        outline: of the resource, where it is known already.
    """

    action: Literal["create", "update", "delete"]
    type: str
    id: str
    resource: dict[str, Any] = field(default_factory=dict)
    if_match: str | None = None
    criteria: Parameters | None = None
    position: int | None = None
    absent: bool = False
    generated: bool = False
    outline: Outline | None = field(default=None, compare=False)

    @property
    def identity(self) -> Identity:
        """Type and id."""
        return self.type, self.id

    @property
    def letter(self) -> str:
        """The interaction that access must allow."""
        return {"create": "c", "update": "u", "delete": "d"}[self.action]


async def compile_criteria(
    dictionaries: Dictionaries, resource_type: str, criteria: Parameters, access: AccessFilter
) -> Condition:
    """What the criteria match among what the caller may search.

    Raises:
        BadSearch: a criterion is unknown, or none: leaving it out would match too much.
        Forbidden, NotFound (no such type).
    """
    current = live(resource_type)
    require(access, resource_type, "s")
    matches, unknown = await conditions(resource_type, criteria, access, dictionaries)
    # What can't be used is refused rather than left out, unlike in a search: the
    # rest might match another resource.
    unusable = [parameter.name for parameter in unknown]
    unusable += [name for name, _ in criteria if name in PRESENTATION or is_include(name)]
    if unusable or not criteria:
        raise BadSearch(f"the criteria can't be used: {', '.join(unusable)[:200] or 'there are none'}")
    permitted = await compile_access(access, resource_type, "s", dictionaries)
    return all_of([matches, permitted, current])


async def match_one(connection: AsyncConnection, where: Condition) -> str | None:
    """The id of the one resource that compiled criteria match, or None.

    Raises:
        MultipleMatches: several do.
    """
    statement = f"SELECT r.id FROM resource r WHERE {where.text} LIMIT 2"  # noqa: S608
    rows = await connection.execute(statement.encode(), where.values)
    result = await rows.fetchall()
    if len(result) > 1:
        raise MultipleMatches("the criteria match more than one resource")
    return str(result[0][0]) if result else None


class Writer:
    """Executes operations. One database transaction for all of them."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection],
        dictionaries: Dictionaries,
        most_index_rows: int | None = None,
        audit: AuditWriter | None = None,
        *,
        check_references: bool = False,
    ) -> None:
        self._pool = pool
        self._dictionaries = dictionaries
        self._most = most_index_rows
        self._audit = audit or AuditWriter(pool)
        self._check_references = check_references
        self._together = GroupWriter(pool, dictionaries)

    async def finish(self) -> None:
        """Wait for writes that have begun and whose callers are gone."""
        await self._together.finish()

    async def run(
        self, operations: Sequence[Operation], access: AccessFilter, audit: AuditOf | None = None
    ) -> list[Written]:
        """All of them with their audit records, or none.

        Raises:
            StorageError: what refused the write; a TransactionFailed around it where operations have positions.
        """
        try:
            return await self._run(operations, access, audit)
        except _DeletionRefused as error:
            # Named outside of the transaction: to find what the caller may read may need a connection.
            cause = await refused(error.referrers, access, self._pool, self._dictionaries)
            operation = next(item for item in operations if item.identity == cause.identity)
            with _Place(operation):
                raise cause from None
            raise AssertionError from error

    async def _run(
        self, operations: Sequence[Operation], access: AccessFilter, audit: AuditOf | None
    ) -> list[Written]:
        items: dict[Identity, Indexed] = {}
        references: dict[Identity, set[Identity]] = {}
        pause = Pause()
        left = self._most
        for operation in operations:
            # Access by type first: who may not write the type learns nothing from what the content comes to.
            with _Place(operation):
                require(access, operation.type, operation.letter)
                # A delete has no content to index; its row leaves the index by its key.
                if operation.type == "AuditEvent":
                    raise BadResource("AuditEvents are recorded, or loaded; they are never changed")
                if operation.action != "delete":
                    refuse_implicit_rules(operation.resource)
                    known = self._dictionaries.definitions
                    outline = operation.outline or await outline_of(operation.resource)
                    resource, identity = operation.resource, operation.id
                    if outline.large:
                        item = await beside(
                            True, partial(index, resource, identity, known, most=left, nul=outline.nul)
                        )
                    else:  # of which it is enough to count what there is
                        item = index(resource, identity, known, nul=outline.nul)
                    if left is not None and len(item.entries) > left:
                        raise TooManyIndexRows(TOO_MANY)
                    items[operation.identity] = item
                    if self._check_references:
                        # A version may outlive its resource; one of a patient who denies is as its resource.
                        of_others = purpose_of(access) in OF_OTHERS
                        references[operation.identity] = await beside(
                            outline.large,
                            partial(local_references, resource, outline.references, versions=of_others),
                        )
                    # The bound is that of all operations together: a Bundle must
                    # not do by many what one may not.
                    left = None if left is None else left - len(item.entries)
            await pause.take()
        fresh = [operation.identity for operation in operations if operation.action == "create"]
        keys = await self._dictionaries.new_keys(fresh)
        # Only creates, nothing to compare with: one statement, which is a transaction by itself,
        # without BEGIN, locks and COMMIT; and others' creates may go with it.
        simple = len(fresh) == len(operations) <= AT_ONCE and not any(item.criteria for item in operations)
        if not simple:
            # Numbers are given in short transactions of their own, before this one: writers never
            # wait for each other's numbers.
            await identify(self._pool, self._dictionaries, list(items.values()), keys)
        # A created id is 128 random bits: nobody else can know its row, so there is nothing to lock.
        rows = {
            keys[identity]: Current(keys[identity], *identity, 0, 0, True, None, None, None, fresh=True)
            for identity in fresh
        }
        # Compiling may need a connection of its own: never while one is held.
        withheld = await self._dictionaries.find_labels(sorted(access.withheld_labels))
        criteria = {
            number: await compile_criteria(self._dictionaries, item.type, item.criteria, access)
            for number, item in enumerate(operations)
            if item.criteria
        }
        await self._audit.prepare()
        bounds = await _bounds(self._pool, access, items, self._dictionaries)
        if simple:
            versions, written = await _decide_all(operations, items, keys, rows, set(), bounds)
            records = _records(audit, operations, written, items, {})
            named = await self._named(operations, written, {}, access, references, withheld)
            # Many records are statements of their own, and need a transaction around.
            many = named is not None and named.many
            if sum(record.size for record in records) <= AUDIT_AT_ONCE and not many:
                with _references(operations, named):
                    await self._together.write(Creates(keys, versions, records, named))
                return written
            await identify(self._pool, self._dictionaries, list(items.values()), keys)
            async with self._pool.connection() as connection, connection.transaction():
                with _references(operations, named):
                    if named is not None and named.many:
                        await named.check_many(connection)
                        named = None
                    await write_versions(connection, self._dictionaries, keys, versions, named=named)
                await self._audit.insert(connection, records)
            return written
        permitted = {
            (kind, letter): await compile_access(access, kind, letter, self._dictionaries)
            for kind, letter in {(item.type, item.letter) for item in operations}
        }
        # READ COMMITTED: what is decided upon is locked first, and read as it is then.
        async with self._pool.connection() as connection, connection.transaction():
            # `identify` knows what has content; what is to be deleted may have no row, and gets none.
            gone = [operation.identity for operation in operations if operation.action == "delete"]
            keys.update(await self._existing(connection, gone))
            # Before rows are locked: whoever waits here for another conditional write
            # holds nothing that others need.
            await self._check_criteria(connection, operations, criteria)
            stored = [keys[item.identity] for item in operations if item.identity in keys]
            rows.update(await lock(connection, [key for key in stored if key not in rows]))
            reachable = await self._reachable(connection, operations, rows, keys, permitted)
            versions, written = await _decide_all(operations, items, keys, rows, reachable, bounds)
            before: dict[Identity, Collection[str]] = {}
            if audit is not None:
                before = {pair: await read_owners(connection, [pair]) for pair in gone}
                before.update((pair, _left(rows[keys[pair]], item)) for pair, item in items.items())
            records = _records(audit, operations, written, items, before)
            present = {(row.type, row.id): row for row in rows.values()}
            named = await self._named(operations, written, present, access, references, withheld)
            if named is not None and named.many:
                with _references(operations, named):
                    await named.check_many(connection)
                named = None
            await self._refuse_referred(connection, versions)
            await self._keep_sources(connection, operations, versions)
            # The same transaction, a part of the versions at a time: each
            # statement is built on the event loop.
            for start in range(0, len(versions), AT_ONCE):
                some = versions[start : start + AT_ONCE]
                beside_them: list[AuditRecord] = []
                if not start and sum(record.size for record in records) <= AUDIT_AT_ONCE:
                    beside_them, records = records, []
                with _references(operations, named):
                    await write_versions(
                        connection, self._dictionaries, keys, some, audit=beside_them, named=named
                    )
                named = None
            await self._audit.insert(connection, records)
        return written

    async def _named(
        self,
        operations: Sequence[Operation],
        written: Sequence[Written],
        rows: Mapping[Identity, Current],
        access: AccessFilter,
        references: Mapping[Identity, Collection[Identity]],
        withheld: Sequence[int],
    ) -> Named | None:
        """What has to be there for these writes.

        Raises:
            DanglingReference: it is deleted by them.
        """
        if not self._check_references:
            return None
        changed = [
            operation
            for operation, result in zip(operations, written, strict=True)
            if operation.action != "delete" and result.outcome != "unchanged"
        ]
        deleted = {operation.identity for operation in operations if operation.action == "delete"}
        for operation in changed:
            if deleted and (gone := sorted(deleted.intersection(references[operation.identity]))):
                with _Place(operation):
                    text = f"refers to what is deleted with it: {'/'.join(gone[0])}"
                    raise DanglingReference(text, gone)
        there = {operation.identity for operation in operations} - deleted
        contents = [
            (references[operation.identity], row.bytes if (row := rows.get(operation.identity)) else None)
            for operation in changed
        ]
        return await named_by(contents, there, access, withheld)

    async def _refuse_referred(self, connection: AsyncConnection, versions: Sequence[NewVersion]) -> None:
        """Refuse to delete what others refer to; what is written with it was looked at before."""
        deleted = {
            new.current.key: (new.current.type, new.current.id) for new in versions if new.bytes is None
        }
        if not deleted or not self._check_references:
            return
        await lock_deleted(connection, deleted.values())
        referrers = await referrers_of(connection, deleted, [new.current.key for new in versions])
        if referrers:
            raise _DeletionRefused(referrers)

    @staticmethod
    async def _existing(connection: AsyncConnection, identities: list[Identity]) -> dict[Identity, int]:
        results: dict[Identity, int] = {}
        for identity in identities:
            rows = await connection.execute("SELECT key FROM resource WHERE type = %s AND id = %s", identity)
            row = await rows.fetchone()
            if row is not None:
                results[identity] = row[0]
        return results

    async def _check_criteria(
        self, connection: AsyncConnection, operations: Sequence[Operation], criteria: dict[int, Condition]
    ) -> None:
        """Two conditional creates of the same thing must not both find nothing: the second waits for the first."""
        conditional = [operations[number] for number in criteria]
        # Sorted: two Bundles with the same criteria in another order would wait for each other for ever.
        for text in sorted(
            {canonical([item.type, sorted(item.criteria or ())]).decode() for item in conditional}
        ):
            # The seed keeps these locks apart from others of the same kind (`deliveries.lock_series`).
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", (text,))
        for number, where in criteria.items():
            operation = operations[number]
            with _Place(operation):
                if await match_one(connection, where) is not None:
                    raise CreatedMeanwhile(
                        f"a {operation.type} that matches was made in the meantime: try again"
                    )

    async def _reachable(
        self,
        connection: AsyncConnection,
        operations: Sequence[Operation],
        rows: dict[int, Current],
        keys: dict[Identity, int],
        permitted: dict[tuple[str, str], Condition],
    ) -> set[int]:
        """The keys of stored resources that the caller may update or delete."""
        results: set[int] = set()
        groups: dict[tuple[str, str], list[int]] = {}
        for operation in operations:
            key = keys.get(operation.identity)
            if key is not None and rows[key].version > 0:
                groups.setdefault((operation.type, operation.letter), []).append(key)
        for (resource_type, letter), group in groups.items():
            condition = permitted[resource_type, letter]
            # `is`: only the whole of a type needs no look at the rows.
            if condition is TRUE:
                results.update(group)
            elif condition is not FALSE:
                statement = f"SELECT r.key FROM resource r WHERE r.key = ANY(%s) AND {condition.text}"  # noqa: S608
                matched = await connection.execute(statement.encode(), (group, *condition.values))
                results.update(row[0] for row in await matched.fetchall())
        return results

    @staticmethod
    async def _keep_sources(
        connection: AsyncConnection, operations: Sequence[Operation], versions: list[NewVersion]
    ) -> None:
        """Where sources contribute to a resource, what REST changes becomes REST's contribution."""
        replaced = {new.current.key: new for new in versions if new.current.version > 0}
        if not replaced:
            return
        result = await connection.execute(
            "SELECT DISTINCT resource FROM contribution WHERE resource = ANY(%s)", (list(replaced),)
        )
        keys = [row[0] for row in await result.fetchall()]
        if not keys:
            return
        # The version that goes away may be all that contributions without bytes have.
        await keep_contents(connection, keys)
        states = await read_states(connection, {key: replaced[key].current for key in keys})
        content = {operation.identity: operation.resource for operation in operations}
        changed = []
        for key in keys:
            new = replaced[key]
            # A deletion over REST is no statement of content: what sources say
            # stays, and counts once one has news.
            if new.bytes is not None:
                resource = content[new.current.type, new.current.id]
                states[key][REST] = _edit(new, resource, states[key].get(REST))
                # Not live: the contribution keeps its own copy, since the new version has other content.
                changed.append((key, states[key], False))
        await write_states(connection, changed)


def _records(
    audit: AuditOf | None,
    operations: Sequence[Operation],
    written: Sequence[Written],
    items: Mapping[Identity, Indexed],
    before: Mapping[Identity, Collection[str]],
) -> list[AuditRecord]:
    """The records of what was written; what stayed as it was leaves none.

    Args:
        before: patients whom what is deleted is about, and whom what is updated no longer is about: it was taken
            out of their record.
    """
    results: list[AuditRecord] = []
    if audit is None:
        return results
    for operation, result in zip(operations, written, strict=True):
        if result.outcome == "unchanged":
            continue
        item = items.get(operation.identity)
        patients = [*(() if item is None else item.owners.patients), *before.get(operation.identity, ())]
        named = [patient for patient in patients if patient != OTHER_PERSON]
        results += audit(_INTERACTIONS[result.outcome], f"{operation.type}/{operation.id}", named)
    return joined(results)


_PATIENT = re.compile(rb"Patient/([A-Za-z0-9.-]{1,64})")


def _left(current: Current, item: Indexed) -> Collection[str]:
    """The patients whom a resource was about, and is no longer."""
    if not current.live or current.bytes is None:
        return ()
    # Hardly any names another: only then is what is stored read.
    if {name.decode() for name in _PATIENT.findall(current.bytes)} <= set(item.owners.patients):
        return ()
    return sorted(ownership.owners(parse(current.bytes)).difference(item.owners.patients))


_INTERACTIONS = {"created": "create", "updated": "update", "deleted": "delete"}


def _edit(new: NewVersion, resource: dict[str, Any], known: Contribution | None) -> Contribution:
    """REST's contribution after an edit: of people and things what it changed, of records of events the whole."""
    contribution = replace(
        incoming(resource, "rest", None), source=REST, time=new.moment, delta=False, cleared=()
    )
    # Records of events are never mixed of several sources: the edited one is REST's as a whole.
    if new.current.type not in MERGED or new.current.bytes is None:
        return contribution
    before = incoming(parse(new.current.bytes), "rest", None).resource
    kept = ("resourceType", "id")
    changed = {
        name: value
        for name, value in contribution.resource.items()
        if name in kept or canonical(before.get(name)) != canonical(value)
    }
    cleared = tuple(name for name in before if name not in contribution.resource)
    return fold(known, replace(contribution, resource=changed, delta=True, cleared=cleared))


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What the contents of a write are checked against, and whom they are about where that counts."""

    access: AccessFilter
    people: People
    owners: Mapping[Identity, frozenset[str]]


async def _bounds(
    pool: AsyncConnectionPool[AsyncConnection],
    access: AccessFilter,
    items: Mapping[Identity, Indexed],
    dictionaries: Dictionaries,
) -> _Bounds:
    # Nobody is bounded by a patient: whom contents are about is not asked for.
    if all(rule.patient is None for rule in access.rules):
        return _Bounds(access, {}, {})
    await dictionaries.require_records()
    async with pool.connection() as connection:
        owners = await owners_of_contents(connection, list(items.values()), items)
        people = await people_of(connection, access)
    return _Bounds(access, people, dict(zip(items, owners, strict=True)))


async def _decide_all(
    operations: Sequence[Operation],
    items: dict[Identity, Indexed],
    keys: dict[Identity, int],
    rows: dict[int, Current],
    reachable: set[int],
    bounds: _Bounds,
) -> tuple[list[NewVersion], list[Written]]:
    """The versions to make, and what each operation comes to."""
    versions: list[NewVersion] = []
    written: list[Written] = []
    pause = Pause()
    for operation in operations:
        with _Place(operation):
            key = keys.get(operation.identity)
            current = rows.get(key) if key is not None else None
            item = items.get(operation.identity)
            # EVERYTHING is the program itself; to compare contents would only cost time.
            if item is not None and bounds.access is not EVERYTHING:
                owners = bounds.owners.get(operation.identity, frozenset())
                refuse_content(bounds.access, item, operation.letter, bounds.people, owners)
            new = _decide(operation, current, item, reachable)
            if isinstance(new, Written):
                written.append(new)
            else:
                versions.append(new)
                written.append(_written(new))
        await pause.take()
    return versions, written


def _decide(
    operation: Operation, current: Current | None, item: Indexed | None, reachable: set[int]
) -> NewVersion | Written:
    """What an operation does to the row it found.

    Raises:
        StorageError: it is refused. What the caller may not reach is refused as if it were not there.
    """
    exists = current is not None and current.version > 0
    # What is hidden from the caller is as if it were not there, here too: 404 for a deletion, 403 for a write.
    visible = exists and current is not None and current.key in reachable
    if operation.if_match is not None:
        # If-Match on what is hidden fails as it does on what does not exist.
        present = current is not None and visible and not current.deleted
        require_version(operation.if_match, current.version if present and current is not None else None)
    if operation.action == "delete":
        if current is None or not visible:
            raise NotFound(f"no {operation.type}/{operation.id}")
        # Deleting again succeeds and creates no version (R4 http.html#delete).
        if current.deleted:
            return Written(
                Stored(current.type, current.id, current.version, current.last_updated or now(), b""),
                "unchanged",
            )
        return next_version(current, None, None)
    if current is None or item is None:
        raise AssertionError("identify makes the row of what is written")
    # A write at an id that is there and hidden: 403, as where no grant would allow the content (docs/rest.md).
    if exists and (operation.action == "create" or not visible):
        raise Forbidden(f"no grant allows update of a {operation.type} with this content")
    if operation.absent and current.live:
        raise CreatedMeanwhile(PRESENT)
    digest = content_hash(operation.resource)
    # The same content creates no version (docs/rest.md): a client that sends all it has again changes nothing.
    if (
        current.live
        and digest == current.hash
        and current.bytes is not None
        and current.last_updated is not None
    ):
        stored = Stored(current.type, current.id, current.version, current.last_updated, current.bytes)
        return Written(stored, "unchanged")
    return next_version(current, operation.resource, item, digest)


def _written(new: NewVersion) -> Written:
    current = new.current
    stored = Stored(current.type, current.id, new.version, new.moment, new.bytes or b"")
    if new.bytes is None:
        return Written(stored, "deleted")
    # A deleted resource that is written again is created again: R4 http.html#update gives 201 for it.
    return Written(stored, "created" if current.deleted else "updated")


class _DeletionRefused(Exception):
    """What is to be deleted is referred to."""

    def __init__(self, referrers: Referrers) -> None:
        super().__init__()
        self.referrers = referrers


@contextmanager
def _references(operations: Sequence[Operation], named: Named | None) -> Iterator[None]:
    """Reports what a write refers to and is not there, at the operation that does."""
    try:
        yield
    except (ForeignKeyViolation, DanglingReference) as error:
        if isinstance(error, DanglingReference):
            cause: DanglingReference | None = error
        else:
            cause = None if named is None else named.missing(error)
        if cause is None:
            raise
        missing = set(cause.missing)
        at = next(item for item in operations if missing & local_references(item.resource))
        with _Place(at):
            raise cause from None


class _Place:
    """Tells which entry of a Bundle refused."""

    def __init__(self, operation: Operation) -> None:
        self._position = operation.position

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # Nested Bundles do not occur, but a refusal that has its place already keeps it.
        if self._position is None or isinstance(error, TransactionFailed):
            return
        if isinstance(error, StorageError):
            raise TransactionFailed(self._position, error) from error
