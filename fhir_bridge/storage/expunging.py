"""Expunging: what was stored goes for good, with all that holds a copy of it; one transaction, or nothing of it.

With a resource go its versions, its rows of the index, record and ledger, the contents of a Binary, the results that
were predicted from it, Provenances about nothing else, exports that may hold it, kept sources that name it, and parts
of records that made it. What stays: AuditEvents (which hold no content), the id of the row, and the certificate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.record import OTHER_PERSON
from fhir_bridge.storage import kept_sources
from fhir_bridge.storage.audit_rows import AuditRecord, AuditWriter
from fhir_bridge.storage.blobs import Blobs
from fhir_bridge.storage.conditions import Condition, all_of
from fhir_bridge.storage.currency import add_jobs
from fhir_bridge.storage.deadlocks import again_after_deadlock
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import NotFound
from fhir_bridge.storage.indexing import Identity, identify_within, index
from fhir_bridge.storage.integrity import Referrers, lock_deleted, referrers_of, refused
from fhir_bridge.storage.kept_files import Without, forget_parts
from fhir_bridge.storage.permission import compile_access, require
from fhir_bridge.storage.statements import Statement
from fhir_bridge.storage.stored import content_hash, parse_for_reading
from fhir_bridge.storage.version_rows import Current, lock, locked, next_version
from fhir_bridge.storage.versions import write_versions

__all__ = ["MOST", "Expunged", "Expunges", "Gone", "Mode", "Wanted"]

Mode = Literal["everything", "deleted", "previous"]
"""Resources as they are, those that are deleted, or what was replaced."""
MOST = 1_000
"""Resources that one call names."""
SHORTEST = 4
"""Characters from which an identifier is looked for in kept sources: shorter ones are in every file."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to go: a resource, or where no id is given what there is of a type.

    Attributes:
        limit: resources of a type at most; a second call takes the next ones.
    """

    type: str
    id: str
    mode: Mode
    limit: int = MOST


@dataclass(frozen=True, slots=True)
class Gone:
    """A resource of which something went.

    Attributes:
        versions: how many went.
        digest: SHA-256 of the last content that went, in hexadecimal; empty where only deletions went.
        cause: `named`, `predicted` from what was named, or `provenance` about it.
        patients: ids of those whom it was about.
        stays: whether the current version does.
    """

    type: str
    id: str
    versions: int
    digest: str
    cause: Literal["named", "predicted", "provenance"]
    patients: tuple[str, ...] = ()
    stays: bool = False


@dataclass(slots=True)
class Expunged:
    """What went.

    Attributes:
        contents: SHA-256 of contents kept outside the database.
        sources: kept sources, each with the names that it came by.
        parts: records whose parts went.
        kept: kept files that held something of a Patient that went.
        exports: ids of exports that were ended.
        certificate: `Provenance/ID`; empty for a trial.
    """

    resources: list[Gone] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    sources: list[kept_sources.KeptSource] = field(default_factory=list)
    parts: int = 0
    kept: int = 0
    exports: list[str] = field(default_factory=list)
    certificate: str = ""


class _Trial(Exception):
    """Ends the transaction of a trial."""


class _Referred(Exception):
    """Others refer to what would go."""

    def __init__(self, referrers: Referrers) -> None:
        super().__init__()
        self.referrers = referrers


class Expunges:
    """Expunging in one database.

    Args:
        pool: connections of the database.
        dictionaries: its numbers.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], dictionaries: Dictionaries) -> None:
        self._pool = pool
        self._dictionaries = dictionaries
        self._audit = AuditWriter(pool)

    async def run(
        self,
        wanted: Wanted,
        access: AccessFilter,
        blobs: Blobs,
        *,
        certificate: Callable[[Expunged], dict[str, Any]],
        audit: Callable[[Expunged], Iterable[AuditRecord]],
        without: Without,
        trial: bool = False,
    ) -> Expunged:
        """Let it go, and store what says so, in one transaction.

        Args:
            certificate: makes the resource that lists what went, with its id.
            audit: makes the records of it.
            without: writes a kept file anew without what it holds of a patient.
            trial: everything is done, and undone.

        Raises:
            Forbidden, NotFound: not for this caller, or not there. Referred: others that stay refer to it.
        """
        require(access, wanted.type, "d")
        permitted = await compile_access(access, wanted.type, "d", self._dictionaries)
        await self._audit.prepare()
        try:
            return await again_after_deadlock(
                partial(self._run, wanted, permitted, blobs, certificate, audit, without, trial=trial)
            )
        except _Referred as error:
            raise await refused(error.referrers, access, self._pool, self._dictionaries) from None

    async def _run(
        self,
        wanted: Wanted,
        permitted: Condition,
        blobs: Blobs,
        certificate: Callable[[Expunged], dict[str, Any]],
        audit: Callable[[Expunged], Iterable[AuditRecord]],
        without: Without,
        *,
        trial: bool,
    ) -> Expunged:
        result = Expunged()
        try:
            async with self._pool.connection() as connection, connection.transaction():
                keys = await _chosen(connection, wanted, permitted)
                if wanted.mode == "previous":
                    await _expunge_previous(connection, keys, result)
                else:
                    await _expunge(connection, keys, result)
                patients = [] if wanted.mode == "previous" else await _patients(connection, keys)
                result.kept, unused = await forget_parts(connection, blobs, patients, without, trial=trial)
                # Last: a content that is removed comes not back where the transaction fails.
                owners = [f"Binary/{gone.id}" for gone in result.resources if gone.type == "Binary"]
                owners += [f"bulk/{identity}" for identity in result.exports]
                digests = sorted({*await blobs.release(connection, owners), *unused})
                result.contents = [digest.hex() for digest in digests]
                if trial:
                    raise _Trial
                if result.resources:
                    await self._certify(connection, result, certificate, audit)
                await blobs.remove(connection, digests)
        except _Trial:
            pass
        return result

    async def _certify(
        self,
        connection: AsyncConnection,
        result: Expunged,
        certificate: Callable[[Expunged], dict[str, Any]],
        audit: Callable[[Expunged], Iterable[AuditRecord]],
    ) -> None:
        content = certificate(result)
        item = index(content, content["id"], self._dictionaries.definitions)
        keys: dict[Identity, int] = {}
        await identify_within(connection, self._dictionaries, [item], keys, fresh=[(item.type, item.id)])
        row = Current(keys[item.type, item.id], item.type, item.id, 0, 0, True, None, None, None, fresh=True)
        version = next_version(row, content, item, content_hash(content))
        await write_versions(connection, self._dictionaries, keys, [version])
        result.certificate = f"{item.type}/{item.id}"
        await self._audit.insert(connection, list(audit(result)))


async def _patients(connection: AsyncConnection, keys: Sequence[int]) -> list[int]:
    """Those of the resources that are Patients."""
    rows = await connection.execute(
        "SELECT key FROM resource WHERE type = 'Patient' AND key = ANY(%s)", (list(keys),)
    )
    return [row[0] for row in await rows.fetchall()]


async def _chosen(connection: AsyncConnection, wanted: Wanted, permitted: Condition) -> list[int]:
    """The keys of what was named, locked.

    Raises:
        NotFound: the one that was named is not there, or is not deleted.
    """
    where = [Condition("r.type = %s AND r.version > 0", (wanted.type,)), permitted]
    if wanted.id:
        where.append(Condition("r.id = %s", (wanted.id,)))
    if wanted.mode == "deleted":
        where.append(Condition("r.deleted"))
    if wanted.mode == "previous":
        where.append(Condition(f"EXISTS (SELECT FROM history h WHERE h.resource = r.key AND {_REPLACED})"))
    condition = all_of(where)
    rows = await connection.execute(
        f"SELECT r.key FROM resource r WHERE {condition.text} ORDER BY r.key LIMIT %s".encode(),  # noqa: S608
        (*condition.values, min(wanted.limit, MOST)),
    )
    keys = [row[0] for row in await rows.fetchall()]
    if wanted.id and not keys and wanted.mode != "previous":
        state = "deleted " if wanted.mode == "deleted" else ""
        raise NotFound(f"no {state}{wanted.type}/{wanted.id}")
    return sorted(await lock(connection, keys))


# The last content of a deleted resource is not what was replaced: it decides whose record it was in.
_REPLACED = (
    "NOT (r.deleted AND h.kind = 'v' AND NOT EXISTS (SELECT FROM history n WHERE n.resource = h.resource "
    "AND n.kind = 'v' AND n.version > h.version))"
)


async def _expunge_previous(connection: AsyncConnection, keys: Sequence[int], result: Expunged) -> None:
    rows = await connection.execute(
        f"DELETE FROM history h USING resource r WHERE r.key = h.resource AND h.resource = ANY(%s) AND {_REPLACED} "  # noqa: S608
        "RETURNING r.key, r.type, r.id, h.version, h.bytes".encode(),
        (list(keys),),
        binary=True,
    )
    contents: dict[int, list[Any]] = {}
    for row in sorted(await rows.fetchall(), key=lambda row: (row[0], row[3])):
        contents.setdefault(row[0], []).append(row)
    owners = await _owners(connection, list(contents))
    for key, versions in contents.items():
        last = next((bytes(row[4]) for row in reversed(versions) if row[4] is not None), None)
        result.resources.append(
            Gone(
                versions[0][1], versions[0][2], len(versions), _sha256(last), "named", owners[key], stays=True
            )
        )
    # What sources said before and do not say any more is a previous content as well.
    await connection.execute("DELETE FROM output WHERE resource = ANY(%s) AND NOT active", (list(contents),))


async def _expunge(connection: AsyncConnection, named_keys: Sequence[int], result: Expunged) -> None:
    causes = await _with_what_follows(connection, named_keys)
    keys = sorted(causes)
    rows = await locked(connection, keys)
    identities = {key: (row.type, row.id) for key, row in rows.items()}
    await lock_deleted(connection, identities.values())
    living = {key: identities[key] for key, row in rows.items() if row.live}
    if referrers := await referrers_of(connection, living, keys):
        raise _Referred(referrers)
    owners = await _owners(connection, keys)
    needles: set[str] = set()
    for key in keys:
        versions, last = await _contents(connection, rows[key], needles)
        kind, identity = identities[key]
        result.resources.append(Gone(kind, identity, versions, _sha256(last), causes[key], owners[key]))
    result.sources = await kept_sources.let_go(
        connection, needles, [f"{kind}/{identity}" for kind, identity in identities.values()]
    )
    result.sources += await _forget_messages(connection, keys, needles)
    result.parts = await _forget_records(connection, keys)
    result.exports = await _end_exports(connection, result.resources)
    await _forget_predictions(connection, keys)
    patients = [identity for kind, identity in identities.values() if kind == "Patient"]
    await connection.execute(
        "DELETE FROM job WHERE kind LIKE 'predict/%%' AND payload ->> 'patient' = ANY(%s)", (patients,)
    )
    for table, column in _TABLES:
        await connection.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)".encode(), (keys,))  # noqa: S608
    # Whoever follows the feed learns that it is gone; of what was deleted before, it has.
    await connection.execute(
        "INSERT INTO change (resource, version, deleted) SELECT key, last_version + 1, true FROM resource "
        "WHERE key = ANY(%s) AND NOT deleted",
        (keys,),
    )
    # The row stays as that of what is only referred to: processes remember its number. Numbers of versions are not
    # given again, for a client may hold an ETag.
    await connection.execute(
        "UPDATE resource SET version = 0, last_version = last_version + 1, deleted = true, xid = "
        "pg_current_xact_id(), last_updated = NULL, business_time = NULL, labels = NULL, hash = NULL, bytes = NULL, "
        "facets = 0 "
        "WHERE key = ANY(%s)",
        (keys,),
    )


_TABLES = (
    *((name, "resource") for name in ("token", "string", "date", "quantity", "number", "reference", "uri")),
    *(
        (name, "resource")
        for name in ("record", "record_through", "named", "consent_denial", "contribution", "history")
    ),
    ("record", "patient"),
    ("record_through", "target"),
    ("named", "target"),
    ("attachment", "referrer"),
    ("attachment", "target"),
    ("attached_before", "target"),
    ("attached_before", "patient"),
    ("link", "declared_by"),
    ("link", "merged"),
    ("link", "survivor"),
    ("subscription_event", "focus"),
    ("subscription", "resource"),
)
"""What names a resource by its number, each with the column that does."""

Cause = Literal["named", "predicted", "provenance"]

_PREDICTED = (
    "SELECT unnest(ARRAY[p.result, p.companion]) FROM prediction p WHERE p.result = ANY(%s) OR p.companion = ANY(%s) "
    "OR p.patient = ANY(%s) OR p.result IN (SELECT d.result FROM derived_input d WHERE d.input = ANY(%s))"
)
# By whom a Provenance follows: a Patient is whom it is about, anything else lends it the own patients.
_PROVENANCES = (
    "SELECT r.key, coalesce(r.bytes, (SELECT h.bytes FROM history h WHERE h.resource = r.key AND h.kind = 'v' "
    "ORDER BY h.version DESC LIMIT 1)) FROM resource r WHERE r.type = 'Provenance' AND r.version > 0 AND r.key IN ("
    "SELECT t.resource FROM record_through t WHERE t.target = ANY(%s) UNION "
    "SELECT o.resource FROM record o WHERE o.patient = ANY(%s) UNION "
    "SELECT f.resource FROM reference f WHERE f.target = ANY(%s))"
)


async def _with_what_follows(connection: AsyncConnection, named_keys: Sequence[int]) -> dict[int, Cause]:
    """What was named, what was predicted from it, and Provenances about nothing that stays."""
    causes: dict[int, Cause] = dict.fromkeys(named_keys, "named")
    while True:
        before = len(causes)
        keys = list(causes)
        rows = await connection.execute(_PREDICTED, (keys, keys, keys, keys))
        for (key,) in await rows.fetchall():
            if key is not None:
                causes.setdefault(key, "predicted")
        keys = list(causes)
        rows = await connection.execute("SELECT type || '/' || id FROM resource WHERE key = ANY(%s)", (keys,))
        names = {row[0] for row in await rows.fetchall()}
        rows = await connection.execute(_PROVENANCES, (keys, keys, keys), binary=True)
        for key, content in await rows.fetchall():
            if key not in causes and content is not None and _targets(bytes(content)) <= names:
                causes[key] = "provenance"
        if len(causes) == before:
            return causes


def _targets(content: bytes) -> set[str]:
    """What a Provenance is about; a target without an address stays."""
    targets = parse_for_reading(content).get("target", [])
    references = [target.get("reference") for target in targets if isinstance(target, dict)]
    return {str(reference).partition("/_history/")[0] for reference in references}


async def _contents(connection: AsyncConnection, row: Current, needles: set[str]) -> tuple[int, bytes | None]:
    """How many versions there are, and the last content; what kept sources may name it by is added to `needles`."""
    rows = await connection.execute(
        "SELECT bytes FROM history WHERE resource = %s ORDER BY version", (row.key,), binary=True
    )
    contents = [bytes(past[0]) if past[0] is not None else None for past in await rows.fetchall()]
    contents.append(row.bytes)
    for content in contents:
        if content is not None:
            needles.update(_names(parse_for_reading(content)))
    return len(contents), next((content for content in reversed(contents) if content is not None), None)


def _names(resource: Mapping[str, Any]) -> set[str]:
    """The id and the business identifiers of a resource, as far as they are long enough to be looked for."""
    identifiers = resource.get("identifier")
    listed = identifiers if isinstance(identifiers, list) else [identifiers]
    values = [item.get("value") for item in listed if isinstance(item, dict)]
    return {
        value for value in (resource.get("id"), *values) if isinstance(value, str) and len(value) >= SHORTEST
    }


def _sha256(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()


async def _owners(connection: AsyncConnection, keys: Sequence[int]) -> dict[int, tuple[str, ...]]:
    rows = await connection.execute(
        "SELECT w.key, array_agg(DISTINCT p.id) FROM unnest(%s::bigint[]) AS w (key), LATERAL record_owners(w.key) o "
        "JOIN resource p ON p.key = o GROUP BY w.key",
        (list(keys),),
    )
    known = {row[0]: tuple(sorted(set(row[1]) - {OTHER_PERSON})) for row in await rows.fetchall()}
    return {key: known.get(key, ()) for key in keys}


async def _forget_messages(
    connection: AsyncConnection, keys: Sequence[int], needles: Iterable[str]
) -> list[kept_sources.KeptSource]:
    """Received messages that made it, or name such a patient; and what another server is still to be sent of it."""
    rows = await connection.execute(
        "DELETE FROM received_message m WHERE (m.source, m.record) IN (SELECT s.source, s.id FROM output o "
        "JOIN source_record s ON s.key = o.record WHERE o.resource = ANY(%s)) OR m.patients && %s "
        "RETURNING m.digest, m.control_id",
        (list(keys), sorted(needles)),
    )
    gone = sorted(await rows.fetchall())
    await connection.execute(
        "DELETE FROM outbox q USING resource r WHERE r.key = ANY(%s) AND q.type = r.type AND q.id = r.id "
        "AND q.content IS NOT NULL",
        (list(keys),),
    )
    return [kept_sources.KeptSource(digest, (f"message {control}",), 0) for digest, control in gone]


async def _forget_records(connection: AsyncConnection, keys: Sequence[int]) -> int:
    """What source records said of it, and the parts of those records; how many records had parts."""
    rows = await connection.execute(
        "DELETE FROM output WHERE resource = ANY(%s) RETURNING record", (list(keys),)
    )
    records = sorted({row[0] for row in await rows.fetchall()} - {0})
    rows = await connection.execute("DELETE FROM part WHERE record = ANY(%s) RETURNING record", (records,))
    with_parts = {row[0] for row in await rows.fetchall()}
    await connection.execute(
        "DELETE FROM source_record s WHERE s.key = ANY(%s) "
        "AND NOT EXISTS (SELECT FROM output o WHERE o.record = s.key)",
        (records,),
    )
    return len(with_parts)


async def _end_exports(connection: AsyncConnection, resources: Sequence[Gone]) -> list[str]:
    """End the exports that may hold a resource, or would; their files are let go."""
    types = sorted({gone.type for gone in resources})
    patients = sorted({patient for gone in resources for patient in gone.patients})
    rows = await connection.execute(
        "UPDATE bulk_job j SET state = 'failed', finished = now(), failure = 'what it gave was expunged: ask again' "
        "WHERE j.kind = 'export' AND ((j.state = 'running' AND j.payload -> 'types' ?| %s) OR EXISTS (SELECT FROM "
        "bulk_file f WHERE f.job = j.id AND f.kind = 'output' AND f.type = ANY(%s) "
        "AND (f.patients = '{}' OR f.patients && %s OR cardinality(%s::text[]) = 0))) RETURNING j.id",
        (types, types, patients, patients),
    )
    ended = sorted(row[0] for row in await rows.fetchall())
    await connection.execute("DELETE FROM bulk_file WHERE job = ANY(%s)", (ended,))
    return ended


async def _forget_predictions(connection: AsyncConnection, keys: Sequence[int]) -> None:
    """What is kept of results, and the jobs that compute those anew whose patient stays."""
    some = list(keys)
    rows = await connection.execute(
        "DELETE FROM prediction WHERE result = ANY(%s) RETURNING patient, model", (some,)
    )
    again = {(row[0], row[1]) for row in await rows.fetchall() if row[0] not in set(keys)}
    await connection.execute(
        "DELETE FROM derived_input WHERE result = ANY(%s) OR input = ANY(%s)", (some, some)
    )
    for table in ("shadow_result", "cds_card"):
        await connection.execute(f"DELETE FROM {table} WHERE patient = ANY(%s)".encode(), (some,))  # noqa: S608
    if again:
        statement = Statement()
        add_jobs(statement, sorted(again))
        await statement.run(connection)
