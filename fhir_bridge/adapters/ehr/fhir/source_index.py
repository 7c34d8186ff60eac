"""What the files of a run have, for what refers to it: identifiers of people, places and things, Patients, Binaries."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

__all__ = ["SourceIndex", "StoredIds", "record_key"]

StoredIds = Callable[[str, str, str], Sequence[str]]
"""(URI of a source, key of a record, type) -> ids of what the record became in the store."""

_NAMED: Final = frozenset(
    "CareTeam Device HealthcareService Location Medication Organization Patient Practitioner PractitionerRole "
    "RelatedPerson".split()
)
"""Types that others refer to by their identifiers (`Practitioner?identifier=…`)."""


def record_key(kind: str, identity: str) -> str:
    """The key of the record of a resource: the same in every export of its system."""
    return blake2b(f"{kind}/{identity}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class SourceIndex:
    """In a temporary database, so that memory is bounded.

    Args:
        resources: all that the files have.
        stored: what is stored of the same system; None where nothing is known of a store.
    """

    def __init__(self, resources: Iterable[Mapping[str, Any]], stored: StoredIds | None = None) -> None:
        self._stored = stored
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute(
            "CREATE TABLE present (kind TEXT, id TEXT, identifiers TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )
        self._base.execute(
            "CREATE TABLE named (kind TEXT, system TEXT, value TEXT, id TEXT, "
            "PRIMARY KEY (kind, system, value, id)) WITHOUT ROWID"
        )
        self._base.execute("CREATE TABLE known (key TEXT PRIMARY KEY, ids TEXT) WITHOUT ROWID")
        self._base.execute("BEGIN")
        for resource in resources:
            self._note(resource)

    def _note(self, resource: Mapping[str, Any]) -> None:
        kind, identity = str(resource.get("resourceType")), resource.get("id")
        if not identity or (kind not in _NAMED and kind != "Binary"):
            return
        identifiers = resource.get("identifier")
        listed = [
            (str(item["system"]), str(item["value"]))
            for item in (identifiers if isinstance(identifiers, list) else ())
            if isinstance(item, Mapping) and item.get("system") and item.get("value")
        ]
        row = kind, str(identity), json.dumps(listed) if kind == "Patient" else "[]"
        self._base.execute("INSERT OR REPLACE INTO present VALUES (?, ?, ?)", row)
        rows = [(kind, system, value, str(identity)) for system, value in listed]
        self._base.executemany("INSERT OR IGNORE INTO named VALUES (?, ?, ?, ?)", rows)

    def identifiers(self, identity: str) -> list[tuple[str, str]] | None:
        """System and value of each identifier of a Patient; None where no file has the Patient."""
        query = "SELECT identifiers FROM present WHERE kind = 'Patient' AND id = ?"
        row = self._base.execute(query, (identity,)).fetchone()
        return [(system, value) for system, value in json.loads(row[0])] if row else None

    def has(self, kind: str, identity: str) -> bool:
        """Whether a file has a resource of these types, or a Binary."""
        query = "SELECT 1 FROM present WHERE kind = ? AND id = ?"
        return self._base.execute(query, (kind, identity)).fetchone() is not None

    def named(self, kind: str, system: str, value: str) -> str | None:
        """The id of the one resource that has an identifier; None where none has, or several have."""
        query = "SELECT id FROM named WHERE kind = ? AND system = ? AND value = ? LIMIT 2"
        rows = self._base.execute(query, (kind, system, value)).fetchall()
        return str(rows[0][0]) if len(rows) == 1 else None

    def stored(self, source: str, kind: str, identity: str) -> list[str]:
        """The ids of what a resource of the system became in an earlier load."""
        if self._stored is None:
            return []
        key = record_key(kind, identity)
        row = self._base.execute("SELECT ids FROM known WHERE key = ?", (key,)).fetchone()
        if row is None:
            row = (json.dumps(list(self._stored(source, key, kind))),)
            self._base.execute("INSERT INTO known VALUES (?, ?)", (key, row[0]))
        return list(json.loads(row[0]))

    def close(self) -> None:
        """Forget everything."""
        self._base.close()
