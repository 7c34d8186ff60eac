"""Writes the databases of the store's file."""

from __future__ import annotations

from pathlib import Path

import lmdb

from fhir_bridge.terminology.store import format as form

__all__ = ["ContentWriter"]

_COMMIT_EVERY = 20_000


class ContentWriter:
    """Puts into an LMDB file, committing now and then so that memory stays small."""

    def __init__(self, path: Path, size: int) -> None:
        # Nobody else sees the file before it is finished, and `close` syncs it once: it
        # needs no lock and no sync before.
        self._env = lmdb.open(
            str(path), subdir=False, map_size=size, max_dbs=len(form.DATABASES), sync=False, lock=False
        )
        self._databases = {name: self._env.open_db(name.encode()) for name in form.DATABASES}
        self._transaction = self._env.begin(write=True)
        self._puts = 0

    def put(self, database: str, key: bytes, value: bytes) -> None:
        """Put one value; keys that come sorted are packed without gaps."""
        handle = self._databases[database]
        try:
            done = self._transaction.put(key, value, append=True, db=handle)
        except lmdb.KeyExistsError:
            done = False
        if not done:
            self._transaction.put(key, value, db=handle)
        self._puts += 1
        if self._puts % _COMMIT_EVERY == 0:
            self._transaction.commit()
            self._transaction = self._env.begin(write=True)

    def get(self, database: str, key: bytes) -> bytes | None:
        """What was put."""
        entry: bytes | None = self._transaction.get(key, db=self._databases[database])
        return entry

    def close(self) -> None:
        """Commit, and wait until the disk has it."""
        self._transaction.commit()
        self._env.sync(True)
        self._env.close()
