"""The blob store: large contents outside the database, each once, under its SHA-256; who needs one is in PostgreSQL.

A content is written and made durable first, then its row and its name come in one transaction. So a row always has its
content; a content without a row is what a crash left, and is collected. Whoever removes a content holds its row locked,
and whoever stores the same one meanwhile waits for that row.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.storage.blob_files import BlobFiles, Directory, Upload
from fhir_bridge.storage.location import default_data_dir

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["PIECE", "Blob", "BlobWriter", "Blobs", "blob_folder", "open_blobs"]

PIECE = 256 * 1024
"""Bytes that are read or written at once."""
GRACE = timedelta(hours=24)
"""How long a content stays that nobody refers to."""
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored content: its SHA-256 and its size in bytes."""

    digest: bytes
    size: int


class BlobWriter:
    """A content on its way into the store; see `Blobs.writing`."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._held = 0
        self._blob: Blob | None = None
        self.size = 0

    async def write(self, piece: bytes) -> None:
        """Add a piece of any size."""
        self.size += len(piece)
        self._waiting.append(piece)
        self._held += len(piece)
        if self._held >= PIECE:
            await self._flush()

    async def _flush(self) -> None:
        pieces, self._waiting, self._held = b"".join(self._waiting), [], 0
        if pieces:
            await asyncio.to_thread(self._take, pieces)

    def _take(self, pieces: bytes) -> None:
        self._hash.update(pieces)
        self._upload.write(pieces)

    async def finish(self) -> Blob:
        """All was written: make it durable. `Blobs.keep` makes it a blob."""
        if self._blob is None:
            await self._flush()
            await asyncio.to_thread(self._upload.seal)
            self._blob = Blob(self._hash.digest(), self.size)
        return self._blob

    async def place(self) -> None:
        """Give the content its name."""
        blob = await self.finish()
        await asyncio.to_thread(self._upload.place, blob.digest)


class Blobs:
    """Contents of one database.

    Args:
        pool: connections of the database.
        files: where the contents are.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], files: BlobFiles) -> None:
        self._pool = pool
        self._files = files

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[BlobWriter]:
        """Write a content. What is not kept within the block is forgotten."""
        upload = await asyncio.to_thread(self._files.create)
        try:
            yield BlobWriter(upload)
        finally:
            await asyncio.shield(asyncio.to_thread(upload.discard))

    async def keep(self, connection: AsyncConnection, writer: BlobWriter, owner: str) -> Blob:
        """Store what was written, for an owner, in a transaction of the caller's.

        Args:
            owner: who refers to it: `Binary/ID`, `bulk/ID`.
        """
        blob = await writer.finish()
        # The row first: it waits for whoever removes the same content.
        await connection.execute(
            "INSERT INTO blob (hash, size) VALUES (%s, %s) ON CONFLICT (hash) DO UPDATE SET touched = now()",
            (blob.digest, blob.size),
        )
        await connection.execute(
            "INSERT INTO blob_reference (hash, owner) VALUES (%s, %s) "
            "ON CONFLICT (owner, hash) DO UPDATE SET created = now()",
            (blob.digest, owner),
        )
        await writer.place()
        return blob

    async def store(self, writer: BlobWriter, owner: str) -> Blob:
        """As `keep`, in a transaction of its own."""
        await writer.finish()  # before the transaction, which then takes as long as a name does
        async with self._pool.connection() as connection, connection.transaction():
            return await self.keep(connection, writer, owner)

    async def find(self, digest: bytes, owner: str) -> Blob | None:
        """The content, where this owner refers to it."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT b.hash, b.size FROM blob b JOIN blob_reference o ON o.hash = b.hash "
                "WHERE o.owner = %s AND o.hash = %s",
                (owner, digest),
            )
            row = await rows.fetchone()
        return None if row is None else Blob(bytes(row[0]), row[1])

    async def read(self, blob: Blob, piece: int = PIECE) -> AsyncIterator[bytes]:
        """The content in pieces.

        Raises:
            FileNotFoundError: it is gone from where contents are kept.
        """
        file: BinaryIO = await asyncio.to_thread(self._files.open, blob.digest)
        try:
            while some := await asyncio.to_thread(file.read, piece):
                yield some
        finally:
            file.close()

    async def collect(self, grace: timedelta = GRACE) -> int:
        """Remove the contents that nobody refers to; how many those were.

        Args:
            grace: what was stored or referred to less than this ago stays.
        """
        async with self._pool.connection() as connection:
            await connection.execute(_OF_JOBS, (grace,))
        removed = 0
        while count := await self._collect_some(grace):
            removed += count
        return removed

    async def sweep(self, grace: timedelta = GRACE) -> int:
        """As `collect`, of what takes a look at everything: references that nothing needs, what crashes left."""
        async with self._pool.connection() as connection:
            await connection.execute(_OF_BINARIES, (grace,))
        removed = await self.collect(grace)
        stored = self._files.digests(grace.total_seconds())
        while digests := await asyncio.to_thread(lambda: list(islice(stored, AT_ONCE))):
            removed += await self._remove_unknown(digests)
        return removed

    async def release(self, connection: AsyncConnection, owners: Sequence[str]) -> list[bytes]:
        """Let go of what exports refer to, and of what Binaries do and no version of theirs names any more.

        Args:
            connection: in a transaction of the caller's.

        Returns:
            those of the contents that nobody else refers to; see `remove`.
        """
        rows = await connection.execute(_RELEASED, (list(owners),))
        return await self._unused(connection, {bytes(row[0]) for row in await rows.fetchall()})

    @staticmethod
    async def _unused(connection: AsyncConnection, released: set[bytes]) -> list[bytes]:
        rows = await connection.execute(
            "SELECT b.hash FROM blob b WHERE b.hash = ANY(%s) AND NOT EXISTS ("
            "SELECT FROM blob_reference o WHERE o.hash = b.hash) ORDER BY b.hash FOR UPDATE",
            (sorted(released),),
        )
        return [bytes(row[0]) for row in await rows.fetchall()]

    async def release_other(
        self, connection: AsyncConnection, owner: str, kept: Sequence[bytes]
    ) -> list[bytes]:
        """Let go of all that an owner refers to but some contents; those that nobody refers to then (see `remove`)."""
        rows = await connection.execute(
            "DELETE FROM blob_reference WHERE owner = %s AND hash <> ALL(%s::bytea[]) RETURNING hash",
            (owner, list(kept)),
        )
        return await self._unused(connection, {bytes(row[0]) for row in await rows.fetchall()})

    def path(self, digest: bytes) -> Path:
        """Where a content is as a file, for who reads it at some places only."""
        return self._files.path(digest)

    async def remove(self, connection: AsyncConnection, digests: Sequence[bytes]) -> None:
        """Remove contents that `release` gave, at the end of its transaction."""
        await connection.execute("DELETE FROM blob WHERE hash = ANY(%s)", (list(digests),))
        for digest in digests:
            # Before the commit: until then whoever stores the same content waits for its row.
            await asyncio.to_thread(self._files.remove, digest)

    async def _collect_some(self, grace: timedelta) -> int:
        async with self._pool.connection() as connection, connection.transaction():
            rows = await connection.execute(_UNUSED, (grace, AT_ONCE))
            digests = [bytes(row[0]) for row in await rows.fetchall()]
            for digest in digests:
                # Before the commit: until then whoever stores the same content waits for its row.
                await asyncio.to_thread(self._files.remove, digest)
        return len(digests)

    async def _remove_unknown(self, digests: Sequence[bytes]) -> int:
        async with self._pool.connection() as connection, connection.transaction():
            # A row for the time being, so that whoever stores such a content now waits for it.
            rows = await connection.execute(
                "INSERT INTO blob (hash, size) SELECT h, 0 FROM unnest(%s::bytea[]) AS n (h) "
                "ON CONFLICT DO NOTHING RETURNING hash",
                (list(digests),),
            )
            unknown = [bytes(row[0]) for row in await rows.fetchall()]
            for digest in unknown:
                await asyncio.to_thread(self._files.remove, digest)
            await connection.execute("DELETE FROM blob WHERE hash = ANY(%s)", (unknown,))
        return len(unknown)


# By the text of the bytes: a Binary whose content is a blob is short, and names it in hexadecimal.
_OF_BINARIES = (
    "DELETE FROM blob_reference o WHERE o.owner LIKE 'Binary/%%' AND o.created < now() - %s AND NOT EXISTS ("
    "SELECT FROM resource r WHERE r.type = 'Binary' AND r.id = substr(o.owner, 8) AND (strpos("
    "r.bytes, encode(o.hash, 'hex')) > 0 OR EXISTS (SELECT FROM history h WHERE "
    "h.resource = r.key AND strpos(h.bytes, encode(o.hash, 'hex')) > 0)))"
)
_RELEASED = (
    "DELETE FROM blob_reference o WHERE o.owner = ANY(%s) AND NOT EXISTS ("
    "SELECT FROM resource r WHERE r.type = 'Binary' AND r.id = substr(o.owner, 8) AND (strpos("
    "r.bytes, encode(o.hash, 'hex')) > 0 OR EXISTS (SELECT FROM history h WHERE "
    "h.resource = r.key AND strpos(h.bytes, encode(o.hash, 'hex')) > 0))) RETURNING o.hash"
)
_OF_JOBS = (
    "DELETE FROM blob_reference o WHERE o.owner LIKE 'bulk/%%' AND o.created < now() - %s "
    "AND NOT EXISTS (SELECT FROM bulk_job j WHERE j.id = substr(o.owner, 6))"
)
_UNUSED = (
    "DELETE FROM blob WHERE hash IN (SELECT b.hash FROM blob b WHERE b.touched < now() - %s AND NOT EXISTS "
    "(SELECT FROM blob_reference o WHERE o.hash = b.hash) LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING hash"
)


def blob_folder() -> Path:
    """Where contents are: FHIR_BRIDGE_BLOB_DIR, as for `serve`, else beside the embedded server's files."""
    named = os.environ.get("FHIR_BRIDGE_BLOB_DIR")
    return Path(named) if named else default_data_dir().parent / "blobs"


async def open_blobs(store: Store, folder: Path) -> Blobs:
    """The blobs of a database, in a folder of their own: databases may share `folder`, and collect their own alone."""
    name = hashlib.blake2b(await store.secret(), digest_size=8, person=b"blobs").hexdigest()
    return Blobs(store.pool, Directory(folder / name))
