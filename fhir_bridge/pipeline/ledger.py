"""Which id already is in a run's output, so that nothing is written twice and nothing overwritten."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from typing import Literal

__all__ = ["Entry", "Ledger"]

Entry = Literal["new", "same", "version", "conflict", "another"]

_CACHE_KIB = 24 * 1024
"""Memory the ledger may take; beyond it SQLite's temporary database spills to disk."""

_SORT_KIB = 4 * 1024
"""Memory that ids are sorted in; of millions sorted runs are merged."""

MAX_NAMED = 200_000
"""Ids that `Ledger.repeated` names."""


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

    def repeated(self, ids: Iterable[str]) -> set[str] | None:
        """The ids that occur more than once; None where they are too many to name.

        Sorted by SQLite, which takes bounded memory and a fraction of the time of a look-up each.
        """
        self._base.execute(f"PRAGMA cache_size=-{_SORT_KIB}")
        self._base.execute("CREATE TEMP TABLE occurring (id TEXT)")
        self._base.executemany("INSERT INTO occurring VALUES (?)", zip(ids, strict=False))
        rows = self._base.execute(
            "SELECT id FROM occurring GROUP BY id HAVING count(*) > 1 LIMIT ?", (MAX_NAMED + 1,)
        )
        result = {item for (item,) in rows}
        self._base.execute("DROP TABLE occurring")
        self._base.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        return result if len(result) <= MAX_NAMED else None

    def close(self) -> None:
        """Forget everything."""
        self._base.close()
