"""Making versions: the current one in `resource`, what it replaces in `history`, the change in the feed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from psycopg import AsyncConnection

from fhir_bridge.storage.audit_rows import AuditRecord, AuditWriter
from fhir_bridge.storage.breathing import LARGE, beside
from fhir_bridge.storage.currency import Consequences
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.facets import NONE
from fhir_bridge.storage.indexing import Identity, IndexWriter
from fhir_bridge.storage.integrity import Named
from fhir_bridge.storage.row_arrays import RowType
from fhir_bridge.storage.statements import Statement, array, arrays, transposed
from fhir_bridge.storage.version_rows import Current, NewVersion, PastVersion, lock

__all__ = ["Current", "NewVersion", "PastVersion", "lock", "write_rest", "write_versions"]


async def write_versions(
    connection: AsyncConnection,
    dictionaries: Dictionaries,
    keys: dict[Identity, int],
    versions: Sequence[NewVersion],
    past: Sequence[PastVersion] = (),
    *,
    audit: Sequence[AuditRecord] = (),
    named: Named | None = None,
    statement: Statement | None = None,
) -> None:
    """Write versions of rows that are locked, or fresh. Every path that changes a resource ends here.

    What they do to results that were predicted from an earlier version is written with them (`currency`).

    Args:
        keys: internal keys of everything that the new contents refer to (`identify`).
        audit: what is recorded of it, in the same statement.
        named: what has to be there, or nothing is written.
        statement: of what is written with them.
    """
    consequences = await Consequences.of(connection, dictionaries, keys, versions)
    statement = statement or Statement()
    results = [*versions, *consequences.versions]
    writer = IndexWriter(dictionaries, keys)
    many = sum([len(new.item.entries) for new in results if new.item is not None]) > LARGE
    await beside(many, partial(_add_versions, statement, writer, results, past))
    consequences.add_to(statement)
    AuditWriter.add(statement, audit)
    if named is not None:
        named.check(statement)
    # One statement is a transaction by itself; a second one needs a real one.
    async with connection.transaction() if writer.more else nullcontext():
        await statement.run(connection)
        await write_rest(connection, writer)


async def write_rest(connection: AsyncConnection, writer: IndexWriter) -> None:
    """Write the index rows that the first statement did not take; in one transaction with it."""
    while writer.more:
        statement = Statement()
        await beside(True, partial(writer.write, statement))
        await statement.run(connection)


def _add_versions(
    statement: Statement,
    writer: IndexWriter,
    versions: Sequence[NewVersion],
    past: Sequence[PastVersion] = (),
) -> None:
    """Put versions of rows that are locked, or fresh, into a statement: row, history, index, change feed."""
    # Row, history and index change in one statement: whoever reads sees all of a version or nothing of it.
    replaced = [new.current.key for new in versions if new.current.version > 0]
    if replaced:
        statement.add(_REPLACE, replaced)
    _add_past(statement, past, {new.current.key for new in versions})
    # Resources of a fresh number have no row to lock or to replace, so that they
    # are inserted rather than updated.
    first: list[tuple[object, ...]] = []
    fresh: list[tuple[object, ...]] = []
    known: list[tuple[object, ...]] = []
    changes: list[tuple[object, ...]] = []
    for new in versions:
        current, item = new.current, new.item
        labels = None if item is None else writer.labels(item)
        # A content that lost a conflict in the same batch has taken a number already, which must not be given again.
        if current.fresh and new.last_version == 1 and labels is None and new.business_time is None:
            # Of a create nothing but this varies.
            facets = NONE if item is None else item.facet_set
            first.append((current.key, current.type, current.id, new.moment, new.hash, new.bytes, facets))
        else:
            row = (
                *(current.key, current.type, current.id, new.version, new.last_version),
                *(new.bytes is None, new.moment, new.business_time),
                # Labels vary in length, which an array of arrays can't hold: they travel as text.
                None if labels is None else "{" + ",".join(map(str, labels)) + "}",
                *(new.hash, new.bytes, NONE if item is None else item.facet_set),
            )
            (fresh if current.fresh else known).append(row)
            changes.append((current.key, new.version, new.bytes is None))
        # A deletion has no index entries and keeps its record: access to the history goes by it.
        if item is None:
            writer.remove(current.key, current.type)
        else:
            writer.put(item, new=current.version == 0)
    # In the same statement: a change is in the feed if and only if its version is stored.
    if first:
        statement.insert_rows(_FIRST, first)
        statement.add(_CHANGE_FIRST, array("bigint", [row[0] for row in first]))
    if fresh:
        statement.add(_INSERT, *transposed(_ROW, fresh))
    if known:
        statement.add(_UPDATE, *transposed(_ROW, known))
    statement.insert("change", {"resource": "bigint", "version": "int", "deleted": "bool"}, changes)
    writer.write(statement)


def _add_past(statement: Statement, past: Sequence[PastVersion], written: set[int]) -> None:
    """`written`: resources that get a new version too, whose row that brings up to date."""
    statement.insert(
        "history",
        _PAST,
        [
            (old.key, old.type, old.version, old.kind, old.moment, old.business_time, old.hash, old.bytes)
            for old in past
        ],
    )
    # Numbers are used for what goes to history too: the row must not give them again.
    bumped: dict[int, int] = {}
    for old in past:
        if old.key not in written:
            bumped[old.key] = max(old.version, bumped.get(old.key, 0))
    if bumped:
        statement.add(
            "UPDATE resource r SET last_version = greatest(r.last_version, n.last_version) "
            "FROM unnest(%s::bigint[], %s::int[]) AS n (key, last_version) WHERE r.key = n.key",
            list(bumped),
            list(bumped.values()),
        )


_REPLACE = (
    "INSERT INTO history (resource, type, version, kind, xid, last_updated, business_time, hash, bytes) "
    "SELECT key, type, version, CASE WHEN deleted THEN 'd'::\"char\" ELSE 'v'::\"char\" END, xid, last_updated, "
    "business_time, hash, bytes FROM resource WHERE key = ANY(%s)"
)

_PAST = {
    "resource": "bigint",
    "type": "text",
    "version": "int",
    "kind": '"char"',
    "last_updated": "timestamptz",
    "business_time": "timestamptz",
    "hash": "bytea",
    "bytes": "varchar",
}

_ROW = {
    "key": "bigint",
    "type": "text",
    "id": "text",
    "version": "int",
    "last_version": "int",
    "deleted": "bool",
    "last_updated": "timestamptz",
    "business_time": "timestamptz",
    "labels": "text",
    "hash": "bytea",
    "bytes": "varchar",
    "facets": "int",
}
_NAMES = ", ".join(_ROW)

_INSERT = (
    f"INSERT INTO resource ({_NAMES}) OVERRIDING SYSTEM VALUE "  # noqa: S608
    f"SELECT {_NAMES.replace('labels', 'labels::int[]')} FROM {arrays(_ROW)} AS n ({_NAMES})"
)

# What creates have in common is in the statement.
_FIRST = RowType(
    "resource",
    {
        "key": "bigint",
        "type": "text",
        "id": "text",
        "version": "int",
        "last_version": "int",
        "deleted": "bool",
        "xid": "xid8",
        "last_updated": "timestamptz",
        "business_time": "timestamptz",
        "labels": "int[]",
        "hash": "bytea",
        "bytes": "varchar",
        "facets": "int",
    },
    given=("key", "type", "id", "last_updated", "hash", "bytes", "facets"),
    more={"version": "1", "last_version": "1", "deleted": "false"},
)
_CHANGE_FIRST = (
    "INSERT INTO change (resource, version, deleted) SELECT n, 1, false FROM unnest(%s::bigint[]) AS n"
)

# Labels of a deleted resource stay: what they withhold stays withheld in its history.
_UPDATE = (
    "UPDATE resource r SET version = n.version, last_version = n.last_version, deleted = n.deleted, "  # noqa: S608
    "xid = pg_current_xact_id(), last_updated = n.last_updated, business_time = n.business_time, "
    "labels = CASE WHEN n.deleted THEN r.labels ELSE n.labels::int[] END, hash = n.hash, bytes = n.bytes, "
    "facets = n.facets "
    f"FROM {arrays(_ROW)} AS n ({_NAMES}) WHERE r.key = n.key"
)
