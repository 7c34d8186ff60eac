"""Kept files: what of a delivery is not stored as resources stays in its file, a blob with its index.

A caller comes to what a file holds of a patient by the DocumentReference of that part, which the access filter and
Consents decide about as about any other resource (docs/decisions/0009-kept-files.md).
"""

# ruff: noqa: S608 - the parts of statements are our own

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.record import Owners
from fhir_bridge.storage.blobs import Blob, Blobs
from fhir_bridge.storage.deliveries import (
    Delivery,
    Standing,
    note_places,
    register,
    superseded,
    unknown_places,
)
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.indexing import Indexed, index
from fhir_bridge.storage.permission import allowed, compile_access, people_of, who_deny

__all__ = ["KeptFile", "KeptFiles", "KeptPart", "Without", "forget_parts", "mark_replaced"]


class KeptContent(Protocol):
    """An Observation that a kept file has, as JSON; `resource` is parsed from it."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> bytes | None: ...
    @property
    def resource(self) -> dict[str, Any]: ...


Without = Callable[[Path, Path, Collection[str]], tuple[Path, Path] | None]
"""Writes a file (first) anew (second) without parts; gives it and its index, None where nothing is left of it."""


@dataclass(frozen=True, slots=True)
class KeptPart:
    """What a file holds of one patient.

    Attributes:
        document: id of its DocumentReference; study: id of the Procedure of the test, empty where there is none.
        alone: how much of it is in the file and not stored.
        edition: see `storage.deliveries`; time: the file's business time.
        older: whether a newer file may replace anything of it.
    """

    patient: str
    document: str
    study: str
    alone: int
    edition: int | None = None
    time: datetime | None = None
    older: bool = False


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that is kept, or is to be.

    Attributes:
        id: hash of what it said when it came.
        within: the genome build.
        mapping, options: what it is read with.
        parts: by name.
    """

    adapter: str
    id: str
    name: str
    within: str
    mapping: str
    options: Mapping[str, Any]
    parts: Mapping[str, KeptPart] = field(default_factory=dict)
    key: int = 0
    data: bytes = b""
    index: bytes = b""


_COLUMNS = "f.key, f.adapter, f.id, f.name, f.within, f.mapping, f.options, f.data, f.index"


class KeptFiles:
    """The kept files of a database."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], dictionaries: Dictionaries) -> None:
        self._pool = pool
        self._dictionaries = dictionaries

    async def register(self, delivery: Delivery, parts: Collection[tuple[str, str]]) -> None:
        """Enter the editions of a delivery to whose parts (name and patient) a file is to be kept."""
        async with self._pool.connection() as connection:
            await register(connection, delivery, parts)

    async def keep(self, blobs: Blobs, file: KeptFile, data: Path, index_path: Path) -> None:
        """Keep a file; one that is kept already is replaced, with its parts."""
        async with blobs.writing() as first, blobs.writing() as second:
            for writer, path in ((first, data), (second, index_path)):
                with path.open("rb") as source:
                    while piece := await asyncio.to_thread(source.read, 1 << 20):
                        await writer.write(piece)
                await writer.finish()
            async with self._pool.connection() as connection, connection.transaction():
                row = await (
                    await connection.execute(
                        "INSERT INTO kept_file (adapter, id, name, within, mapping, options, data, index) "
                        "VALUES (%s, %s, %s, %s, %s, %s, '', '') ON CONFLICT (adapter, id) DO UPDATE SET "
                        "name = excluded.name, mapping = excluded.mapping, options = excluded.options RETURNING key",
                        (
                            file.adapter,
                            file.id,
                            file.name,
                            file.within,
                            file.mapping,
                            Jsonb(dict(file.options)),
                        ),
                    )
                ).fetchone()
                assert row is not None
                stored = [await blobs.keep(connection, each, f"kept/{row[0]}") for each in (first, second)]
                gone = await _set_contents(connection, blobs, row[0], stored)
                await connection.execute("DELETE FROM kept_part WHERE file = %s", (row[0],))
                for name, part in file.parts.items():
                    await connection.execute(
                        "INSERT INTO kept_part (file, part, patient, document, study, edition, alone) "
                        "SELECT %s, %s, r.key, %s, %s, %s, %s FROM resource r WHERE r.type = 'Patient' AND r.id = %s",
                        (row[0], name, part.document, part.study, part.edition, part.alone, part.patient),
                    )
                await blobs.remove(connection, gone)

    async def options(self, adapter: str, identity: str) -> Mapping[str, Any]:
        """What a file is kept with; empty of one that is not."""
        async with self._pool.connection() as connection:
            row = await (
                await connection.execute(
                    "SELECT options FROM kept_file WHERE adapter = %s AND id = %s", (adapter, identity)
                )
            ).fetchone()
        return dict(row[0]) if row else {}

    async def of_patient(self, patient: str, access: AccessFilter) -> list[KeptFile]:
        """The files that hold something of a patient, newest first, as far as the caller may read the part's document.

        Raises:
            Forbidden: no grant allows reading a DocumentReference.
        """
        permitted = await compile_access(access, "DocumentReference", "r", self._dictionaries)
        return await self._files(
            "JOIN resource r ON r.type = 'DocumentReference' AND r.id = k.document AND NOT r.deleted AND r.version > 0 "
            f"WHERE p.id = %s AND NOT p.deleted AND NOT k.replaced AND {permitted.text}",
            (patient, *permitted.values),
        )

    async def every(self) -> list[KeptFile]:
        """All kept files with all parts that count."""
        return await self._files("WHERE NOT k.replaced", ())

    async def _files(self, rest: str, values: Sequence[object]) -> list[KeptFile]:
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                f"SELECT {_COLUMNS}, k.part, p.id, k.document, k.study, k.alone, k.edition, d.time, EXISTS "
                "(SELECT FROM edition o JOIN delivery n ON n.key = o.delivery AND n.ended AND n.time > "
                "coalesce(d.time, '-infinity') WHERE o.series = e.series AND o.active) FROM kept_file f "
                "JOIN kept_part k ON k.file = f.key JOIN resource p ON p.key = k.patient "
                "LEFT JOIN edition e ON e.key = k.edition LEFT JOIN delivery d ON d.key = e.delivery "
                f"{rest} ORDER BY d.time DESC NULLS LAST, f.key DESC, k.part".encode(),
                values,
            )
            known: dict[int, tuple[tuple[Any, ...], dict[str, KeptPart]]] = {}
            for row in await rows.fetchall():
                known.setdefault(row[0], (row[:9], {}))[1][row[9]] = KeptPart(*row[10:])
        return [
            KeptFile(
                adapter, identity, name, within, mapping, options, parts, key, bytes(data), bytes(index_of_data)
            )
            for (
                key, adapter, identity, name, within, mapping, options, data, index_of_data
            ), parts in known.values()
        ]  # fmt: skip

    async def stored(self, file: KeptFile) -> list[bytes]:
        """The Observations that a file's lines are stored as, also where a newer file replaced them."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT DISTINCT coalesce(o.bytes, r.bytes) FROM output o JOIN resource r ON r.key = o.resource "
                f"WHERE o.edition = ANY(%s) AND o.active AND {_OBSERVED}",
                (_editions(file),),
                binary=True,
            )
            return [bytes(row[0]) for row in await rows.fetchall()]

    async def pinned(self, file: KeptFile) -> list[bytes]:
        """Variants of a file's patients that no record says: what a person stored of its lines is among them."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT DISTINCT r.bytes FROM resource p JOIN record o ON o.patient = p.key "
                "JOIN resource r ON r.key = o.resource WHERE p.type = 'Patient' AND p.id = ANY(%s) "
                "AND r.type = 'Observation' AND r.version > 0 AND NOT r.deleted "
                "AND position('69548-6' IN r.bytes) > 0 AND NOT EXISTS "
                "(SELECT FROM output c WHERE c.resource = r.key AND c.active)",
                (sorted({part.patient for part in file.parts.values()}),),
                binary=True,
            )
            return [bytes(row[0]) for row in await rows.fetchall()]

    async def stored_of_parts(
        self, adapter: str, within: str, parts: Collection[str]
    ) -> list[tuple[datetime | None, bytes]]:
        """The Observations that lines of any kept files of parts are stored as, each with the time of its file."""
        wanted = (
            "SELECT k.edition FROM kept_file f JOIN kept_part k ON k.file = f.key "
            "WHERE f.adapter = %s AND f.within = %s AND k.part = ANY(%s)"
        )
        return await self._stored_of(wanted, (adapter, within, list(parts)))

    async def stored_beside(self, file: KeptFile) -> list[tuple[datetime | None, bytes]]:
        """The same of all files of a kept file's series, also of those that are not kept, unless they say very much."""
        wanted = (
            "SELECT b.key FROM edition a JOIN edition b ON b.series = a.series WHERE a.key = ANY(%s) AND "
            "(EXISTS (SELECT FROM kept_part k WHERE k.edition = b.key) "
            f"OR NOT EXISTS (SELECT FROM output x WHERE x.edition = b.key OFFSET {_MUCH}))"
        )
        return await self._stored_of(wanted, (_editions(file),))

    async def _stored_of(
        self, editions: str, values: Sequence[object]
    ) -> list[tuple[datetime | None, bytes]]:
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT DISTINCT d.time, coalesce(o.bytes, r.bytes) FROM edition e "
                "JOIN delivery d ON d.key = e.delivery JOIN output o ON o.edition = e.key AND o.active "
                f"JOIN resource r ON r.key = o.resource WHERE e.key IN ({editions}) AND e.active AND d.ended "
                f"AND {_OBSERVED}".encode(),
                values,
                binary=True,
            )
            return [(time, bytes(content)) for time, content in await rows.fetchall()]

    async def beside_older(self, delivery: Delivery) -> list[tuple[KeptFile, int]]:
        """Kept files of the delivery's series that are newer than another file of theirs, with their deliveries."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT DISTINCT k.file, n.key FROM edition e JOIN delivery n ON n.key = e.delivery "
                "JOIN kept_part k ON k.edition = e.key JOIN edition f ON f.series = e.series AND f.active "
                "JOIN delivery o ON o.key = f.delivery AND o.ended AND n.time > coalesce(o.time, '-infinity') "
                "WHERE e.active AND e.series IN (SELECT series FROM edition WHERE key = ANY(%s))",
                (list(delivery.editions.values()),),
            )
            deliveries: dict[int, int] = dict(await rows.fetchall())
        files = await self._files("WHERE f.key = ANY(%s)", (list(deliveries),)) if deliveries else []
        return [(file, deliveries[file.key]) for file in files]

    async def unknown_places(self, delivery: int) -> Sequence[int]:
        """See `storage.deliveries`."""
        async with self._pool.connection() as connection:
            return await unknown_places(connection, delivery)

    async def note_places(self, delivery: int, places: Sequence[int]) -> None:
        """See `storage.deliveries`."""
        async with self._pool.connection() as connection:
            await note_places(connection, delivery, places)

    async def current(self, edition: int, places: Sequence[int | None]) -> list[bool]:
        """Which lines of a part no newer file replaces, by the places that they speak of."""
        async with self._pool.connection() as connection:
            replaced = await superseded(connection, [(edition, place) for place in places])
        return [not each for each in replaced]

    async def visible(
        self, contents: Sequence[KeptContent], patient: str, access: AccessFilter, interaction: str = "s"
    ) -> list[bool]:
        """Whether the caller would find each of these contents, were it stored, and whether it speaks for itself.

        One that is stored under its id, or that a person deleted or expunged, is what the store says of it; not one
        that was withdrawn because its file no longer has it among those that are stored.
        """
        async with self._pool.connection() as connection:
            people = await people_of(connection, access)
            denied = await who_deny(connection, access, [patient])
            rows = await connection.execute(
                "SELECT r.id FROM resource r WHERE r.type = 'Observation' AND r.id = ANY(string_to_array(%s, ',')) "
                "AND ((r.version > 0 AND "
                "NOT (r.deleted AND NOT EXISTS (SELECT FROM output o WHERE o.resource = r.key AND o.active)) "
                # Withdrawn, as no record says any more that it is to be stored: the version before is a record's, no
                # person wrote one since.
                "AND NOT (NOT r.deleted AND EXISTS (SELECT FROM history h JOIN output o ON o.resource = h.resource "
                "AND o.hash = h.hash WHERE h.resource = r.key AND h.version = r.version - 1) AND NOT EXISTS "
                "(SELECT FROM output o WHERE o.resource = r.key AND o.active AND NOT o.superseded) AND NOT EXISTS "
                "(SELECT FROM contribution c WHERE c.resource = r.key))) "
                "OR (r.version = 0 AND r.last_version > 0))",
                (",".join(content.id for content in contents),),
            )
            stored = {row[0] for row in await rows.fetchall()}
        if denied:
            return [False] * len(contents)
        owners = frozenset({patient})
        # Without criteria the rules look at type, patient and labels alone, which all without labels have in common.
        plain = not any(rule.criteria for rule in access.rules_for("Observation", interaction))
        unlabelled = allowed(access, _UNLABELLED, interaction, people, owners)
        labels = _Labels()

        def may(content: KeptContent) -> bool:
            if plain and not labels.are_on(content):
                return unlabelled
            item = index(content.resource, content.id, self._dictionaries.definitions)
            return allowed(access, item, interaction, people, owners)

        return [content.id not in stored and may(content) for content in contents]


_OBSERVED = (
    "r.type = 'Observation' AND (NOT r.deleted OR r.last_version = 0) "
    "AND coalesce(o.bytes, r.bytes) IS NOT NULL"
)
"""What was not deleted; also what was never written, as a newer file replaced it before it came."""
_MUCH = 20_000
"""Outputs of a file that is not kept, from which its variants do not stay stored when a kept file has them."""


def _editions(file: KeptFile) -> list[int]:
    return [part.edition for part in file.parts.values() if part.edition is not None]


_UNLABELLED = Indexed("Observation", "", (), Owners(()), (), ())


_UNLABELLED_META = re.compile(
    rb'\{"resourceType":"Observation","id":"[^"\\]*(","meta":\{'
    rb'(?:"extension":\[\{"url":"[^"\\]*","extension":\[[^\[\]]*\]\}\],)?'
    rb'"source":"[^"\\]*"(?:,"profile":\["[^"\\]*"\])?\},)'
)
"""How an Observation begins that says whence it comes, and has no labels: most are not parsed to know that."""
_AFTER_ID = len('{"resourceType":"Observation","id":"') + 32


class _Labels:
    """Which contents have labels. Those of one file begin alike, but for their ids."""

    def __init__(self) -> None:
        self._unlabelled = b""

    def are_on(self, content: KeptContent) -> bool:
        """Whether a content has any."""
        text = content.text
        if text is not None:
            if self._unlabelled and text.startswith(self._unlabelled, _AFTER_ID):
                return False
            match = _UNLABELLED_META.match(text)
            if match is not None:
                if match.start(1) == _AFTER_ID:
                    self._unlabelled = match[1]
                return False
        return bool(content.resource.get("meta", {}).get("security"))


async def _set_contents(
    connection: AsyncConnection, blobs: Blobs, key: int, stored: Sequence[Blob]
) -> list[bytes]:
    """Name the contents of a file; gives those that nobody refers to any more."""
    await connection.execute(
        "UPDATE kept_file SET data = %s, index = %s WHERE key = %s",
        (stored[0].digest, stored[1].digest, key),
    )
    return await blobs.release_other(connection, f"kept/{key}", [blob.digest for blob in stored])


async def mark_replaced(connection: AsyncConnection, series: str, standing: Standing) -> None:
    """Note which parts of kept files a newer file of the series says anew as a whole."""
    await connection.execute(
        "UPDATE kept_part SET replaced = (edition = ANY(%s)) WHERE edition IN (SELECT key FROM edition "
        "WHERE series = %s) AND replaced <> (edition = ANY(%s))",
        (sorted(standing.replaced), series, sorted(standing.replaced)),
    )


async def forget_parts(
    connection: AsyncConnection, blobs: Blobs, patients: Sequence[int], without: Without, *, trial: bool
) -> tuple[int, list[bytes]]:
    """Take what kept files hold of patients out of them; in a transaction of the caller's.

    Args:
        patients: keys of resources.
        trial: count only; nothing is written.

    Returns:
        how many files had something, and the contents that nobody refers to any more (see `Blobs.remove`).
    """
    rows = await connection.execute(
        "DELETE FROM kept_part WHERE patient = ANY(%s) RETURNING file, part", (list(patients),)
    )
    parts: dict[int, set[str]] = {}
    for key, part in await rows.fetchall():
        parts.setdefault(key, set()).add(part)
    gone: list[bytes] = []
    for key, names in sorted(parts.items()):
        rows = await connection.execute("SELECT data FROM kept_file WHERE key = %s FOR UPDATE", (key,))
        row = await rows.fetchone()
        assert row is not None
        left = await connection.execute("SELECT FROM kept_part WHERE file = %s", (key,))
        stays = await left.fetchone() is not None
        if stays and not trial:
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / "kept"
                written = await asyncio.to_thread(without, blobs.path(bytes(row[0])), target, names)
                if written is not None:
                    gone += await _replace(connection, blobs, key, written)
                    continue
        if not stays or not trial:
            await connection.execute("DELETE FROM kept_file WHERE key = %s", (key,))
            gone += await blobs.release_other(connection, f"kept/{key}", [])
    return len(parts), gone


async def _replace(
    connection: AsyncConnection, blobs: Blobs, key: int, written: tuple[Path, Path]
) -> list[bytes]:
    stored = []
    for path in written:
        async with blobs.writing() as writer:
            with path.open("rb") as source:
                while piece := await asyncio.to_thread(source.read, 1 << 20):
                    await writer.write(piece)
            stored.append(await blobs.keep(connection, writer, f"kept/{key}"))
    return await _set_contents(connection, blobs, key, stored)
