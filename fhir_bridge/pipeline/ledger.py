"""Which id already stands in a run's output, so that nothing is written twice and nothing overwritten."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Literal

__all__ = ["Entry", "Ledger"]

Entry = Literal["new", "same", "version", "conflict"]

_CACHE_KIB = 24 * 1024
"""Memory the ledger may take; beyond it SQLite's temporary database spills to disk."""


class Ledger:
    """Remembers (type, id, version mark) → content for one run, in bounded memory.

    The version mark is the business time and status of the source record: two marks under one id are two versions
    of one thing; one mark with two contents is a conflict.
    """

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute(
            "CREATE TABLE entry (id TEXT, mark TEXT, content BLOB, PRIMARY KEY (id, mark)) WITHOUT ROWID"
        )
        self._base.execute("BEGIN")

    def enter(self, resource_type: str, resource_id: str, mark: str, line: bytes) -> Entry:
        """Enter a line of output and tell what it is to those before it."""
        key = f"{resource_type}/{resource_id}"
        content = hashlib.blake2b(line, digest_size=12).digest()
        found = self._base.execute("SELECT mark, content FROM entry WHERE id = ?", (key,)).fetchall()
        for known_mark, known_content in found:
            if known_mark == mark:
                return "same" if known_content == content else "conflict"
        self._base.execute("INSERT INTO entry VALUES (?, ?, ?)", (key, mark, content))
        return "version" if found else "new"

    def close(self) -> None:
        """Forget everything."""
        self._base.close()
