"""What earlier runs have read of a database: the watermark, and the keys there were. It holds no cell of a row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

__all__ = ["ReadState", "StateError"]

_TABLES = """
CREATE TABLE IF NOT EXISTS source (name TEXT PRIMARY KEY, watermark TEXT, pending TEXT);
CREATE TABLE IF NOT EXISTS known (name TEXT, key BLOB, PRIMARY KEY (name, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (name TEXT, key BLOB, PRIMARY KEY (name, key)) WITHOUT ROWID;
"""


class StateError(ValueError):
    """The file is no state, or can't be written."""


class ReadState:
    """A file of SQLite. What a run has read is pending until the run has stored it all (`complete`)."""

    def __init__(self, path: Path) -> None:
        """Open, or create.

        Raises:
            StateError: it can't be opened, or is another file.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._base.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"the state {path.name} can't be used ({error})") from None

    def watermark(self, name: str) -> Any:
        """The highest value that was read and stored; None before the first run."""
        row = self._base.execute("SELECT watermark FROM source WHERE name = ?", (name,)).fetchone()
        return _value(row[0]) if row and row[0] else None

    def begin(self, name: str) -> None:
        """Forget what a run that was cut off has read."""
        self._base.execute("BEGIN")
        self._base.execute("DELETE FROM pending WHERE name = ?", (name,))
        self._base.execute("UPDATE source SET pending = NULL WHERE name = ?", (name,))

    def note_keys(self, name: str, keys: Iterable[str]) -> None:
        """These rows are there."""
        rows = ((name, bytes.fromhex(key)) for key in keys)
        self._base.executemany("INSERT OR IGNORE INTO pending VALUES (?, ?)", rows)

    def note_there(self, name: str, keys: Iterable[str]) -> int:
        """Of the rows that are there, note those that this run or an earlier one has read.

        Returns:
            How many are not noted: rows that came, or came back, with a time before the watermark.
        """
        keys = list(keys)
        if self.watermark(name) is None:
            self.note_keys(name, keys)
            return 0
        late = 0
        for key in keys:
            row = (name, bytes.fromhex(key))
            noted = self._base.execute("SELECT 1 FROM pending WHERE name = ? AND key = ?", row).fetchone()
            if noted:
                continue
            if self._base.execute("SELECT 1 FROM known WHERE name = ? AND key = ?", row).fetchone():
                self._base.execute("INSERT INTO pending VALUES (?, ?)", row)
            else:
                late += 1
        return late

    def gone(self, name: str) -> Iterator[str]:
        """Keys that were there and are not any more."""
        rows = self._base.execute(
            "SELECT key FROM known WHERE name = ? AND key NOT IN (SELECT key FROM pending WHERE name = ?)",
            (name, name),
        )
        for (key,) in rows:
            yield key.hex()

    def end(self, name: str, watermark: Any) -> None:
        """All is read; what was read is pending."""
        self._base.execute(
            "INSERT INTO source (name, pending) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET pending = excluded.pending",
            (name, _text(watermark)),
        )
        self._base.execute("COMMIT")

    def complete(self, name: str, *, keys: bool) -> None:
        """What is pending is stored."""
        self._base.execute("BEGIN IMMEDIATE")
        row = self._base.execute("SELECT pending FROM source WHERE name = ?", (name,)).fetchone()
        if row is not None and row[0] is not None:
            self._base.execute(
                "UPDATE source SET watermark = pending, pending = NULL WHERE name = ?", (name,)
            )
            if keys:
                self._base.execute("DELETE FROM known WHERE name = ?", (name,))
                self._base.execute("INSERT INTO known SELECT name, key FROM pending WHERE name = ?", (name,))
            self._base.execute("DELETE FROM pending WHERE name = ?", (name,))
        self._base.execute("COMMIT")

    def close(self) -> None:
        """Leave what was not ended as it was."""
        self._base.close()


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return json.dumps(["datetime", value.isoformat()])
    if isinstance(value, date):
        return json.dumps(["date", value.isoformat()])
    if isinstance(value, Decimal):
        return json.dumps(["decimal", str(value)])
    return json.dumps(["value", value if isinstance(value, int | float | str | None) else str(value)])


def _value(text: str) -> Any:
    kind, value = json.loads(text)
    if kind == "datetime":
        return datetime.fromisoformat(value)
    if kind == "date":
        return date.fromisoformat(value)
    return Decimal(value) if kind == "decimal" else value
