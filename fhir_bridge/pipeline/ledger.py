"""Which id already is in a run's output, so that nothing is written twice and nothing overwritten."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Literal

__all__ = ["Entry", "Ledger"]

Entry = Literal["new", "same", "version", "conflict", "another"]

_CACHE_KIB = 24 * 1024
"""Memory the ledger may take; beyond it SQLite's temporary database spills to disk."""


class Ledger:
    """Remembers (type, id, version mark) → content for one run, in bounded memory.

    The version mark is the business time and status of the source record: two marks under one id are two versions
    of one thing; one mark with two contents is a conflict. An id belongs to the patient it came with first: under
    another one it is neither.
    """

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute(
            "CREATE TABLE entry (id TEXT, mark TEXT, content BLOB, owner TEXT, PRIMARY KEY (id, mark)) WITHOUT ROWID"
        )
        self._base.execute("BEGIN")

    def enter(self, resource_type: str, resource_id: str, mark: str, line: bytes, owner: str = "") -> Entry:
        """Enter a line of output; what it is to those before it.

        Args:
            owner: the patient whom the resource is about; empty for none.
        """
        key = f"{resource_type}/{resource_id}"
        # 12 bytes instead of the line: the ledger of millions of resources stays in its memory.
        content = hashlib.blake2b(line, digest_size=12).digest()
        result = self._base.execute("SELECT mark, content, owner FROM entry WHERE id = ?", (key,)).fetchall()
        # An id of another patient's record is refused, whatever its content.
        for known_mark, known_content, known_owner in result:
            if owner and known_owner and known_owner != owner:
                return "another"
            if known_mark == mark:
                return "same" if known_content == content else "conflict"
        self._base.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", (key, mark, content, owner))
        return "version" if result else "new"

    def close(self) -> None:
        """Forget everything."""
        self._base.close()
