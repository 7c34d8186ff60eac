"""Exports and imports in bulk: what was asked for, how far it is, and the files it gives."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter, AccessRule
from fhir_bridge.storage.blobs import Blob, Blobs, BlobWriter
from fhir_bridge.storage.jobs import add_job

__all__ = ["BulkFile", "BulkJob", "BulkJobs", "Kind", "Lost", "TooManyJobs", "packed", "unpacked"]

Kind = Literal["export", "import", "predict"]
FileKind = Literal["output", "deleted", "error"]


def packed(access: AccessFilter) -> dict[str, Any]:
    """A caller's access as it stands in the payload of a job."""
    return {
        "rules": [
            {
                "type": rule.type,
                "interactions": "".join(sorted(rule.interactions)),
                "patient": rule.patient,
                "criteria": rule.criteria,
            }
            for rule in access.rules
        ],
        "purpose": access.purpose,
        "withheld_labels": sorted(access.withheld_labels),
        "subject": access.subject,
    }


def unpacked(value: Mapping[str, Any]) -> AccessFilter:
    """The access that `packed` wrote."""
    return AccessFilter(
        tuple(
            AccessRule(
                rule["type"],
                frozenset(rule["interactions"]),
                rule["patient"],
                tuple((name, text) for name, text in rule["criteria"]),
            )
            for rule in value["rules"]
        ),
        value["purpose"],
        frozenset(value["withheld_labels"]),
        value["subject"],
    )


class Lost(Exception):
    """The job was cancelled, or another worker has it."""


class TooManyJobs(Exception):
    """The caller has as many jobs as are allowed at once."""


@dataclass(frozen=True, slots=True)
class BulkJob:
    """An export or import.

    Attributes:
        owner: subject of who asked for it, who alone may see it.
        request: the address that was asked.
        progress: how far it is, after its last whole part.
        failure: for people; of a job that failed.
    """

    id: str
    kind: Kind
    owner: str
    request: str
    payload: dict[str, Any]
    progress: dict[str, Any]
    state: Literal["running", "done", "failed"]
    failure: str | None
    created: datetime
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class BulkFile:
    """A file of a job: NDJSON of `count` resources of a type. patients: ids of those whom it is about."""

    number: int
    kind: FileKind
    type: str
    blob: Blob
    count: int
    patients: Sequence[str]


_COLUMNS = "id, kind, owner, request, payload::text, progress::text, state, failure, created, finished"


class BulkJobs:
    """The jobs of one database.

    Args:
        pool: connections of the database.
        blobs: where their files are.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], blobs: Blobs) -> None:
        self._pool = pool
        self._blobs = blobs

    async def add(
        self, kind: Kind, owner: str, request: str, payload: Mapping[str, Any], *, most: int
    ) -> str:
        """A new job, which the background worker does; gives its id, which nobody can guess.

        Args:
            most: jobs that an owner may have at once.

        Raises:
            TooManyJobs.
        """
        identity = secrets.token_hex(16)
        async with self._pool.connection() as connection, connection.transaction():
            # Counted and added by one at a time.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 14))", (owner,))
            rows = await connection.execute(
                "SELECT count(*) FROM bulk_job WHERE owner = %s AND state = 'running'", (owner,)
            )
            row: Any = await rows.fetchone()
            if row[0] >= most:
                raise TooManyJobs
            await connection.execute(
                "INSERT INTO bulk_job (id, kind, owner, request, payload) VALUES (%s, %s, %s, %s, %s::jsonb)",
                (identity, kind, owner, request, orjson.dumps(payload).decode()),
            )
            key = await add_job(connection, f"bulk-{kind}", {"id": identity})
            await connection.execute("UPDATE bulk_job SET job = %s WHERE id = %s", (key, identity))
        return identity

    async def read(self, identity: str) -> BulkJob | None:
        """A job; None where there is none, or it was cancelled."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                f"SELECT {_COLUMNS} FROM bulk_job WHERE id = %s".encode(),  # noqa: S608
                (identity,),
            )
            row: Any = await rows.fetchone()
        if row is None:
            return None
        identity, kind, owner, request, payload, progress, state, failure, created, finished = row
        return BulkJob(
            identity,
            kind,
            owner,
            request,
            orjson.loads(payload),
            orjson.loads(progress),
            state,
            failure,
            created,
            finished,
        )

    async def files(self, identity: str) -> list[BulkFile]:
        """What a job gave so far, without the patients."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT number, kind, type, hash, size, count FROM bulk_file WHERE job = %s ORDER BY number",
                (identity,),
            )
            return [
                BulkFile(row[0], row[1], row[2], Blob(bytes(row[3]), row[4]), row[5], ())
                for row in await rows.fetchall()
            ]

    async def file(self, identity: str, number: int) -> BulkFile | None:
        """One file, with the patients whom it is about."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT number, kind, type, hash, size, count, patients FROM bulk_file "
                "WHERE job = %s AND number = %s",
                (identity, number),
            )
            row: Any = await rows.fetchone()
        if row is None:
            return None
        return BulkFile(row[0], row[1], row[2], Blob(bytes(row[3]), row[4]), row[5], row[6])

    async def advance(
        self,
        job: BulkJob,
        progress: Mapping[str, Any],
        *files: tuple[FileKind, str, BlobWriter, int, Sequence[str]],
        done: bool = False,
    ) -> BulkJob:
        """Keep how far the job is, and the files that were made on the way; all of it or nothing.

        Args:
            files: kind, type, content, number of resources, ids of patients.

        Raises:
            Lost: the job was cancelled, or another worker went on with it.
        """
        for _, _, writer, _, _ in files:
            await writer.finish()
        text = orjson.dumps(progress).decode()
        async with self._pool.connection() as connection, connection.transaction():
            # By what it was before: of two workers, of whom one lost its lease, one goes on.
            changed = await connection.execute(
                "UPDATE bulk_job SET progress = %s::jsonb, state = CASE WHEN %s THEN 'done' ELSE state END, "
                "finished = CASE WHEN %s THEN now() END WHERE id = %s AND state = 'running' AND progress = %s::jsonb",
                (text, done, done, job.id, orjson.dumps(job.progress).decode()),
            )
            if changed.rowcount != 1:
                raise Lost
            for kind, resource_type, writer, count, patients in files:
                blob = await self._blobs.keep(connection, writer, f"bulk/{job.id}")
                await connection.execute(
                    "INSERT INTO bulk_file (job, number, kind, type, hash, size, count, patients) SELECT %s, "
                    "coalesce(max(number), 0) + 1, %s, %s, %s, %s, %s, %s FROM bulk_file WHERE job = %s",
                    (job.id, kind, resource_type, blob.digest, blob.size, count, list(patients), job.id),
                )
        read = await self.read(job.id)
        if read is None:
            raise Lost
        return read

    async def running(self, job: BulkJob) -> bool:
        """Whether somebody still waits for it."""
        read = await self.read(job.id)
        return read is not None and read.state == "running"

    async def given_up(self, job: BulkJob) -> bool:
        """Whether the worker has tried as often as it does; the job has failed then."""
        async with self._pool.connection() as connection:
            changed = await connection.execute(
                "UPDATE bulk_job b SET state = 'failed', failure = j.result->>'reason', finished = now() "
                "FROM job j WHERE b.id = %s AND b.state = 'running' AND j.key = b.job AND j.state = 'failed'",
                (job.id,),
            )
        return changed.rowcount == 1

    async def fail(self, identity: str, failure: str) -> None:
        """The job can't be done."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE bulk_job SET state = 'failed', failure = %s, finished = now() "
                "WHERE id = %s AND state = 'running'",
                (failure, identity),
            )

    async def remove(self, identity: str) -> bool:
        """Cancel a job, or forget what it gave; False where there is none."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("DELETE FROM blob_reference WHERE owner = %s", (f"bulk/{identity}",))
            removed = await connection.execute("DELETE FROM bulk_job WHERE id = %s", (identity,))
        return removed.rowcount == 1

    async def forget(self, older: timedelta) -> int:
        """Forget jobs that ended so long ago; how many those were."""
        async with self._pool.connection() as connection:
            rows = await connection.execute("SELECT id FROM bulk_job WHERE finished < now() - %s", (older,))
            identities = [row[0] for row in await rows.fetchall()]
        for identity in identities:
            await self.remove(identity)
        return len(identities)

    async def may_go_on(self, owner: str) -> bool:
        """Whether the client, and the person behind it, may still ask for anything."""
        client, _, user = owner.removeprefix("client:").partition("/user:")
        if not owner.startswith("client:"):
            return True
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT EXISTS (SELECT FROM oauth_client WHERE id = %s) AND (%s = '' OR EXISTS "
                "(SELECT FROM account WHERE id::text = %s AND NOT disabled))",
                (client, user, user),
            )
            row: Any = await rows.fetchone()
        return bool(row[0])
