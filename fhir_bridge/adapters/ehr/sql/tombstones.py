"""The keys that a query of deleted rows gives, kept on disk for one run."""

from __future__ import annotations

import sqlite3

__all__ = ["Tombstones"]


class Tombstones:
    """Digests of keys. A key may be added several times."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)  # a file of SQLite's own, beyond its cache
        self._base.execute("CREATE TABLE gone (key BLOB PRIMARY KEY) WITHOUT ROWID")
        self._base.execute("BEGIN")

    def add(self, key: str) -> bool:
        """Whether the key is new."""
        return self._base.execute("INSERT OR IGNORE INTO gone VALUES (?)", (bytes.fromhex(key),)).rowcount > 0

    def __contains__(self, key: str) -> bool:
        row = self._base.execute("SELECT 1 FROM gone WHERE key = ?", (bytes.fromhex(key),)).fetchone()
        return row is not None

    def close(self) -> None:
        """Remove them."""
        self._base.close()
