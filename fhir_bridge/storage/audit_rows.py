"""AuditEvents as they are stored: one row for what a request did, and a small index of whom it was about.

A row is served as an AuditEvent for each of its parts, the patients that share one. Rows are only added; a month is a
partition, and goes as a whole once it is old (`storage.retention`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.serialization import dumps, loads
from fhir_bridge.storage.audit_contents import shortened, whole
from fhir_bridge.storage.row_arrays import RowType
from fhir_bridge.storage.statements import Statement
from fhir_bridge.storage.stored import stamp

__all__ = [
    "AuditOf",
    "AuditRecord",
    "AuditRow",
    "AuditWriter",
    "facts_of",
    "joined",
    "new_key",
    "patient_entity",
    "read_id",
    "served",
    "served_id",
    "without_query",
]

Event = dict[str, Any]

AHEAD = 2
"""Months whose partitions are made before they begin."""
AT_ONCE = 1_000
"""Rows of the index that one statement takes."""
MOST_PARTS = 100
"""Parts of a row from which on no further is joined to it: who follows the feed gets all of a row at once."""


_last = [0]


def new_key() -> str:
    """A UUID of version 7 (RFC 9562): those of one time are neighbours in every index, in the order of their making."""
    moment, rest = divmod(time.time_ns(), 1_000_000)
    # Twelve bits of the fraction of a millisecond (method 3), and never one that this process gave before.
    stamp = _last[0] = max(moment << 12 | rest * 4096 // 1_000_000, _last[0] + 1)
    noise = int.from_bytes(os.urandom(8)) & ~(0x3 << 62)
    # Its digits, not the class of the standard library, which takes several times as long.
    text = f"{(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0x2 << 62 | noise:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def patient_entity(patient: str) -> dict[str, Any]:
    """A patient among the entities of an AuditEvent."""
    return {
        "what": {"reference": f"Patient/{patient}"},
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1"},
        "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"},
    }


@dataclass(slots=True)
class AuditRow:
    """An event as it is stored.

    Attributes:
        content: its JSON, `shortened`.
        facts: resource, who, action, subtype and outcome, for the index.
        form: of what was made with others: those of one form differ in moment and resource alone.
    """

    moment: datetime
    content: bytes
    facts: tuple[str | None, ...]
    form: object = None

    @classmethod
    def of(cls, event: Event) -> AuditRow:
        """Of an event without the patients of its parts."""
        return cls(datetime.fromisoformat(event["recorded"]), shortened(dumps(event)), facts_of(event))


class AuditRecord:
    """What one request did.

    Args:
        event: the AuditEvent without id and meta, and without the patients of `parts`; None where its row is given.

    Attributes:
        parts: the ids of the patients that one served AuditEvent names; one empty part where there are none.
        key: the same in every try, so that nothing is stored twice.
        row: the event as it is stored, where it was made with others that are alike.
        resources: of each part, where they differ (`joined`).
    """

    __slots__ = ("_event", "key", "parts", "resources", "row")

    def __init__(
        self, event: Event | None, parts: Sequence[Sequence[str]] = ((),), row: AuditRow | None = None
    ) -> None:
        self._event = event
        self.parts = parts
        self.key = new_key()
        self.row = row
        self.resources: list[str | None] | None = None

    @property
    def event(self) -> Event:
        """The AuditEvent."""
        if self._event is None:
            assert self.row is not None
            self._event = loads(whole(self.row.content))
        return self._event

    @classmethod
    def of(cls, event: Event) -> AuditRecord:
        """Of an event that names its patients itself."""
        patients, others = [], []
        for entity in event.get("entity", ()):
            patient = str(entity.get("what", {}).get("reference", "")).removeprefix("Patient/")
            if entity == patient_entity(patient):
                patients.append(patient)
            else:
                others.append(entity)
        return cls({**event, "entity": others} if patients else event, (tuple(patients),))

    @property
    def recorded(self) -> datetime:
        """When."""
        if self.row is not None:
            return self.row.moment
        return datetime.fromisoformat(self.event["recorded"])

    @property
    def size(self) -> int:
        """Rows of the index that it has."""
        if len(self.parts) == 1:
            return len(self.parts[0]) or 1
        return sum(len(part) or 1 for part in self.parts)


def joined(records: Iterable[AuditRecord]) -> list[AuditRecord]:
    """The records of one write, those that differ in the resource alone as one, which has a part for each."""
    results: list[AuditRecord] = []
    for record in records:
        row, last = record.row, results[-1] if results else None
        form = None if last is None or last.row is None else last.row.form
        if last is None or row is None or form is None or form != row.form or len(last.parts) >= MOST_PARTS:
            results.append(record)
            continue
        if last.resources is None:
            assert last.row is not None
            last.parts, last.resources = list(last.parts), [last.row.facts[0]] * len(last.parts)
        last.parts = [*last.parts, *record.parts]
        last.resources += [row.facts[0]] * len(record.parts)
    return results


AuditOf = Callable[[str, str, Sequence[str]], Iterable[AuditRecord]]
"""The records of a write: of its interaction (`create`, `update`, `delete`), reference, and patients."""


def served(
    content: bytes, key: UUID, part: int, recorded: datetime, patients: Sequence[str], resource: str | None
) -> bytes:
    """A part of a row as the AuditEvent that is read; `resource` is the part's own, of which the row has the first."""
    event: Event = loads(whole(content))
    if part and resource is not None:
        event["entity"][0]["what"]["reference"] = resource
    if patients:
        entities = event.get("entity", [])
        # After what was done, before the request's id: as the patterns of BALP have it.
        event["entity"] = [*entities[:1], *map(patient_entity, patients), *entities[1:]]
    return stamp(event, served_id(key, part), 1, recorded)


def without_query(content: bytes) -> bytes:
    """The AuditEvent without what was asked for: criteria of a search name whom it was not about, too."""
    if b'"query"' not in content:
        return content
    event: Event = loads(content)
    for entity in event.get("entity", []):
        entity.pop("query", None)
    return dumps(event)


def served_id(key: UUID, part: int) -> str:
    """The id of the AuditEvent that is served of a part."""
    return f"{key}.{part}" if part else str(key)


def read_id(identity: str) -> tuple[str, int]:
    """The id of a row of our own, and the part, of a served id."""
    text, _, part = identity.partition(".")
    return text, int(part) if part.isascii() and part.isdigit() and len(part) < 8 else 0


class AuditWriter:
    """Puts records into statements; makes the partitions of their months first."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self._pool = pool
        self._months: set[tuple[int, int]] = set()
        self._good_until = 0.0

    async def prepare(self, records: Iterable[AuditRecord] = ()) -> None:
        """See that there are partitions for these records, and for now."""
        if not records and time.time() < self._good_until:
            return
        for moment in (datetime.now(UTC), *(record.recorded for record in records)):
            moment = moment.astimezone(UTC)
            if (moment.year, moment.month) not in self._months:
                async with self._pool.connection() as connection:
                    await connection.execute("SELECT audit_month(%s)", (moment,))
                self._months.add((moment.year, moment.month))
        now = datetime.now(UTC)
        if (now.year, now.month) in self._months:
            following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
            self._good_until = following.timestamp()

    async def prepare_ahead(self) -> None:
        """Make the partitions of this month and the next ones, so that no writer has to."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "SELECT audit_month(now() + n * interval '1 month') FROM generate_series(0, %s) n", (AHEAD,)
            )

    @staticmethod
    def add(statement: Statement, records: Sequence[AuditRecord]) -> None:
        """Put records into a statement; their months are prepared."""
        stored = [record.row or AuditRow.of(record.event) for record in records]
        contents: list[tuple[Any, ...]] = []
        rows: list[tuple[Any, ...]] = []
        for record, row in zip(records, stored, strict=True):
            key, moment = record.key, row.moment
            contents.append((key, moment, row.content))
            resource, *facts = row.facts
            resources = record.resources or repeat(resource)
            for number, (part, resource) in enumerate(zip(record.parts, resources, strict=False)):
                for position, patient in enumerate(part or (None,)):
                    rows.append((moment, key, number, position == 0, patient, resource, *facts))
        statement.insert_rows(_ROW, contents)
        statement.insert_rows(_INDEX, rows)

    async def write(self, records: Sequence[AuditRecord]) -> None:
        """Store records in a transaction of their own. Those that are there already, of an earlier try, stay so."""
        if not records:
            return
        await self.prepare(records)
        async with self._pool.connection() as connection:
            try:
                if sum(record.size for record in records) <= AT_ONCE:  # one statement, which needs no BEGIN
                    await self._insert(connection, records)
                else:
                    async with connection.transaction():
                        await self.insert(connection, records)
            except UniqueViolation:
                # A batch whose commit was not confirmed is sent again.
                rows = await connection.execute(
                    "SELECT key FROM audit WHERE key = ANY(%s::uuid[])", ([record.key for record in records],)
                )
                there = {str(row[0]) for row in await rows.fetchall()}
                async with connection.transaction():
                    await self.insert(connection, [record for record in records if record.key not in there])

    async def insert(self, connection: AsyncConnection, records: Sequence[AuditRecord]) -> None:
        """Store records in the transaction of a connection, some at a time; their months are prepared."""
        some: list[AuditRecord] = []
        size = 0
        for record in records:
            if some and size + record.size > AT_ONCE:
                await self._insert(connection, some)
                some, size = [], 0
            some.append(record)
            size += record.size
        if some:
            await self._insert(connection, some)

    async def _insert(self, connection: AsyncConnection, records: Sequence[AuditRecord]) -> None:
        statement = Statement()
        self.add(statement, records)
        await statement.run(connection)


def facts_of(event: Event) -> tuple[str | None, ...]:
    """resource, who, action, subtype and outcome."""
    entity: Event = next(iter(event.get("entity", ())), {})
    agents = event.get("agent", ())
    acting: Event = next((agent for agent in agents if agent.get("requestor")), next(iter(agents), {}))
    who = acting.get("who", {})
    named = who.get("reference") or f"|{who.get('identifier', {}).get('value', '')}"
    subtype: Event = next(iter(event.get("subtype", ())), {})
    return (
        entity.get("what", {}).get("reference"),
        named,
        event.get("action"),
        subtype.get("code"),
        event.get("outcome"),
    )


_ROW = RowType(
    "audit",
    {
        "key": "uuid",
        "recorded": "timestamptz",
        "xid": "xid8",
        "sequence": "bigint",
        "complete": "bool",
        "id": "text",
        "content": "bytea",
    },
    given=("key", "recorded", "content"),
)
_INDEX = RowType(
    "audit_index",
    {
        "recorded": "timestamptz",
        "key": "uuid",
        "part": "int",
        "head": "bool",
        "patient": "text?",
        "resource": "text?",
        "who": "text?",
        "action": "text?",
        "subtype": "text?",
        "outcome": "text?",
    },
)
