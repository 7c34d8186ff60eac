"""Numbers for texts that repeat: search parameters, code systems, security labels.

A number never changes its meaning, so each process keeps what it has seen; what is new gets its number in a transaction
of its own, so that no writer waits for another's commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.storage.conditions import FALSE, Condition
from fhir_bridge.storage.errors import IndexPending, RecordsPending
from fhir_bridge.storage.facets import NONE, Facets, add_facet_set, find_facet_set, having, members_of
from fhir_bridge.storage.indexed import included
from fhir_bridge.storage.origins import ConvertedBy

__all__ = ["INDEX_PENDING", "NO_SYSTEM", "RECORDS_PENDING", "Dictionaries"]

MOST_KEPT = 50_000
"""Numbers of resources that a process remembers, some 10 MB."""
RECORDS_PENDING = "records"
"""The setting that an upgrade leaves where the records of what is stored are still to be made."""
INDEX_PENDING = "index"
"""The setting that an upgrade leaves where the index of what is stored lacks what this program writes (0013)."""
NO_SYSTEM = ""
"""Stands for a code without a system."""

_SELECT = {
    "parameter": b"SELECT key FROM parameter WHERE type = %s AND code = %s",
    "label": b"SELECT key FROM label WHERE system = %s AND code = %s",
}
# ORDER BY: two writers that insert the same texts in different orders would wait for each other. DO NOTHING
# returns no rows, so the numbers are read afterwards.
_INSERT = {
    "parameter": b"INSERT INTO parameter (type, code) SELECT * FROM unnest(%s::text[], %s::text[]) ORDER BY 1, 2"
    b" ON CONFLICT DO NOTHING",
    "label": b"INSERT INTO label (system, code) SELECT * FROM unnest(%s::text[], %s::text[]) ORDER BY 1, 2"
    b" ON CONFLICT DO NOTHING",
}


class Dictionaries:
    """The process's memory of them.

    Attributes:
        definitions: those that have the search parameters.
        base: the address below which these resources are served; empty where they are not.
        depended: how often an answer was one of the moment: something had no number yet, or may get further ones.
        sources: names of sources of contributions that the database has.
        conversions: the numbers of mappings that converted what is there.
    """

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection], known: Definitions = DEFAULT, base: str = ""
    ) -> None:
        self._pool = pool
        self.definitions = known
        self.base = base
        self._parameters: dict[tuple[str, str], int] = {}
        self._of_types: dict[str, dict[str, int]] = {}
        self._grouped = 0
        self._systems: dict[str, int] = {}
        self._labels: dict[tuple[str, str], int] = {}
        # Numbers drawn and not yet used; a process that ends wastes at most a hundred of a bigint sequence.
        self._keys: list[int] = []
        self._resources: dict[tuple[str, str], int] = {}
        self._facet_sets: dict[tuple[str, Facets], int] = {}
        self.sources: set[str] = set()
        self.conversions: dict[ConvertedBy, int] = {}
        self._records_pending = False
        self._index_pending = False
        self.depended = 0

    async def load(self) -> None:
        """Read what there is; a fresh process starts warm."""
        async with self._pool.connection() as connection:
            await self._refresh(connection)
            self._records_pending = await _is_set(connection, RECORDS_PENDING)
            self._index_pending = await _is_set(connection, INDEX_PENDING)

    async def require_index(self) -> None:
        """See that the index has all that this program writes: else a search would find less than there is, or more.

        Raises:
            IndexPending: the database was upgraded, and it is still being made.
        """
        if self._index_pending:
            async with self._pool.connection() as connection:
                self._index_pending = await _is_set(connection, INDEX_PENDING)
        if self._index_pending:
            raise IndexPending(
                "the database was upgraded, and its index for this parameter is still being made: the background "
                "worker of `serve` does it, or `fhir-bridge reindex`"
            )

    async def require_records(self) -> None:
        """See that each resource's record is known: else a patient's record would seem to hold less than it does.

        Raises:
            RecordsPending: the database was upgraded, and they are still being made.
        """
        # Only while it is pending is the setting read at each call; once done it never comes back.
        if self._records_pending:
            async with self._pool.connection() as connection:
                self._records_pending = await _is_set(connection, RECORDS_PENDING)
        if self._records_pending:
            raise RecordsPending(
                "the database was upgraded, and whose record each resource is in is still being worked out: "
                "the background worker of `serve` does it, or `fhir-bridge reindex`"
            )

    async def _refresh(self, connection: AsyncConnection) -> None:
        for key, first, second in await (
            await connection.execute("SELECT key, type, code FROM parameter")
        ).fetchall():
            self._parameters[first, second] = key
        # All parameters and labels are a few thousand. Systems come from what is stored and have no bound: the
        # newest are the likeliest, others are read when they are met.
        for key, url in await (
            await connection.execute("SELECT key, url FROM code_system ORDER BY key DESC LIMIT 10000")
        ).fetchall():
            self._systems[url] = key
        for key, first, second in await (
            await connection.execute("SELECT key, system, code FROM label")
        ).fetchall():
            self._labels[first, second] = key

    async def allocate(
        self,
        *,
        parameters: Iterable[tuple[str, str]] = (),
        systems: Iterable[str] = (),
        labels: Iterable[tuple[str, str]] = (),
    ) -> None:
        """See that all of these have their number in memory, giving new ones where there is none yet."""
        new_parameters = sorted(set(parameters) - self._parameters.keys())
        new_systems = sorted(set(systems) - self._systems.keys())
        new_labels = sorted(set(labels) - self._labels.keys())
        if not (new_parameters or new_systems or new_labels):
            return
        # Durable before it is remembered: after a crash of the database the number might mean something else.
        async with self._pool.connection() as connection, connection.transaction():
            if new_parameters:
                await self._pairs(connection, "parameter", new_parameters, self._parameters)
            if new_labels:
                await self._pairs(connection, "label", new_labels, self._labels)
            if new_systems:
                await connection.execute(
                    "INSERT INTO code_system (url) SELECT unnest(%s::text[]) ORDER BY 1 ON CONFLICT DO NOTHING",
                    (new_systems,),
                )
                rows = await connection.execute(
                    "SELECT url, key FROM code_system WHERE url = ANY(%s)", (new_systems,)
                )
                self._systems.update(await rows.fetchall())

    async def recall(
        self,
        connection: AsyncConnection,
        *,
        parameters: Iterable[tuple[str, str]],
        systems: Iterable[str],
        labels: Iterable[tuple[str, str]],
    ) -> None:
        """As `allocate`, for who holds a connection: another process's numbers are read by it.

        Only for what has no number yet, which is rare here, a second connection is taken.
        """
        wanted_systems = sorted(set(systems) - self._systems.keys())
        for table, memory, wanted in (
            ("parameter", self._parameters, set(parameters)),
            ("label", self._labels, set(labels)),
        ):
            # A pair at a time: what is not in memory yet is rare here, and a statement
            # that never varies stays prepared.
            for pair in sorted(wanted - memory.keys()):
                row = await (await connection.execute(_SELECT[table], pair)).fetchone()
                if row is not None:
                    memory[pair] = row[0]
        if wanted_systems:
            rows = await connection.execute(
                "SELECT url, key FROM code_system WHERE url = ANY(%s)", (wanted_systems,)
            )
            self._systems.update(await rows.fetchall())
        await self.allocate(parameters=parameters, systems=systems, labels=labels)

    async def facet_sets(
        self, wanted: Iterable[tuple[str, Facets]], connection: AsyncConnection | None = None
    ) -> dict[tuple[str, Facets], int]:
        """The numbers of sets of facets of types, whose parameters and systems have theirs; new ones where needed.

        Args:
            connection: of who holds one, by which those are read that are not in memory.
        """
        results = {each: self._facet_sets.get(each, NONE) for each in wanted if each[1]}
        missing = {
            each: members_of(each[1], self.parameters_of(each[0]), self._systems)
            for each, number in results.items()
            if number == NONE
        }
        if not missing:
            return results
        if connection is not None:
            for each, members in missing.items():
                results[each] = await find_facet_set(connection, members) or NONE
        # Sorted: two writers that insert the same sets in different orders would wait for each other for ever.
        new = sorted((members, each) for each, members in missing.items() if results[each] == NONE)
        if new:
            async with self._pool.connection() as own, own.transaction():
                for members, each in new:
                    results[each] = await add_facet_set(own, members)
        # Only now: what was not committed has no number.
        if len(self._facet_sets) + len(missing) > MOST_KEPT:
            self._facet_sets.clear()
        if len(missing) <= MOST_KEPT:
            self._facet_sets.update((each, results[each]) for each in missing)
        return results

    async def with_facets(self, resource_type: str, code: str, met: Condition) -> Condition:
        """Resources `r` that have a facet of a parameter that meets a condition on `i`, a row with system and code."""
        if met is FALSE:
            return FALSE
        self.depended += 1
        number = await self.find_parameter(resource_type, code)
        async with self._pool.connection() as connection:
            return await having(connection, number, met)

    @staticmethod
    async def _pairs(
        connection: AsyncConnection,
        table: str,
        new: list[tuple[str, str]],
        memory: dict[tuple[str, str], int],
    ) -> None:
        # Read one by one after the insert, whoever inserted them: another process may have been first.
        await connection.execute(_INSERT[table], ([pair[0] for pair in new], [pair[1] for pair in new]))
        for pair in new:
            row = await (await connection.execute(_SELECT[table], pair)).fetchone()
            assert row is not None
            memory[pair] = row[0]

    async def new_keys(self, fresh: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Numbers for resources that are about to be made, and that nobody else can refer to yet: a row of version 0
        for one would only be updated at once. Taken from the database a hundred or more at a time.
        """
        while len(self._keys) < len(fresh):
            async with self._pool.connection() as connection:
                rows = await connection.execute(
                    "SELECT nextval(pg_get_serial_sequence('resource', 'key')) FROM generate_series(1, %s)",
                    (max(100, len(fresh)),),
                )
                # Taken from the end of the list, in the order in which they were drawn: neighbours
                # stay neighbours in every index.
                self._keys.extend(row[0] for row in reversed(await rows.fetchall()))
        return {identity: self._keys.pop() for identity in fresh}

    def known_key(self, identity: tuple[str, str]) -> int | None:
        """The number in memory of a (type, id) pair that has one there; a row keeps its number for ever."""
        return self._resources.get(identity)

    def remember_keys(self, keys: Mapping[tuple[str, str], int]) -> None:
        """Keep numbers of rows that were found in the database: most writes name a patient that others named before."""
        # One write of so many would drive out what all others use.
        if len(keys) > MOST_KEPT:
            return
        # Cleared whole: to keep an order of use would cost more than reading some numbers again.
        if len(self._resources) + len(keys) > MOST_KEPT:
            self._resources.clear()
        self._resources.update(keys)

    def forget_keys(self) -> None:
        """The database may have crashed: the newest rows may be gone (they are not made durable by themselves)."""
        self._resources.clear()
        self._facet_sets.clear()
        self.sources.clear()
        self.conversions.clear()

    def remember_origins(self, sources: Iterable[str], conversions: Mapping[ConvertedBy, int]) -> None:
        """Keep what a batch entered, once it is durable."""
        if len(self.sources) > MOST_KEPT:
            self.sources.clear()
        self.sources.update(sources)
        self.conversions.update(conversions)

    def parameter(self, resource_type: str, code: str) -> int:
        """The number of an allocated search parameter."""
        return self._parameters[resource_type, code]

    def parameters_of(self, resource_type: str) -> Mapping[str, int]:
        """The numbers of a type's search parameters that have one in memory, by code."""
        # None is ever taken away: as many are the same ones.
        if self._grouped != len(self._parameters):
            self._grouped, self._of_types = len(self._parameters), {}
            for (kind, code), key in self._parameters.items():
                self._of_types.setdefault(kind, {})[code] = key
        return self._of_types.get(resource_type, {})

    def has_system(self, url: str) -> bool:
        """Whether a code system has a number in memory."""
        return url in self._systems

    def system(self, url: str | None) -> int:
        """The number of an allocated code system; None is `NO_SYSTEM`."""
        return self._systems[url or NO_SYSTEM]

    def label(self, system: str, code: str) -> int:
        """The number of an allocated security label."""
        return self._labels[system, code]

    async def find_parameter(self, resource_type: str, code: str) -> int:
        """The number of a search parameter, for a query."""
        await self.allocate(parameters=[(resource_type, code)])
        return self._parameters[resource_type, code]

    async def stored_parameters(self, resource_type: str, codes: Sequence[str]) -> dict[str, int]:
        """The numbers of those codes that have one; none gets one."""
        known = self.parameters_of(resource_type)
        missing = [code for code in codes if code not in known]
        if missing:
            async with self._pool.connection() as connection:
                rows = await connection.execute(
                    "SELECT type, code, key FROM parameter WHERE type = %s AND code = ANY(%s)",
                    (resource_type, missing),
                )
                self._parameters.update({(row[0], row[1]): row[2] for row in await rows.fetchall()})
            known = self.parameters_of(resource_type)
        return {code: known[code] for code in codes if code in known}

    async def find_parameters(self, resource_type: str, code: str) -> list[int]:
        """The numbers of all rows that a search parameter is answered from: its own, and those of what it includes."""
        codes = (code, *included(resource_type, self.definitions).get(code, ()))
        await self.allocate(parameters=[(resource_type, each) for each in codes])
        return [self._parameters[resource_type, each] for each in codes]

    async def rows_of(self, resource_type: str, code: str) -> str:
        """The same as a condition on a row's `parameter`; in the text, so that the planner uses its statistics."""
        return _among(await self.find_parameters(resource_type, code))

    async def rows_of_stored(self, resource_type: str, codes: Sequence[str]) -> str:
        """The same of codes that nothing stored may have, and that get no number then; empty where none has one."""
        self.depended += 1
        return _among(list((await self.stored_parameters(resource_type, codes)).values()))

    async def find_system(self, url: str) -> int | None:
        """The number of a code system, or None where no stored code has it."""
        known = self._systems.get(url)
        if known is None:
            # That it is unknown is not remembered: any process may give it a number at any time.
            async with self._pool.connection() as connection:
                rows = await connection.execute("SELECT key FROM code_system WHERE url = %s", (url,))
                row = await rows.fetchone()
            if row is None:
                self.depended += 1
                return None
            known = self._systems[url] = row[0]
        return known

    async def find_labels(self, labels: Iterable[str]) -> list[int]:
        """The numbers of `system|code` labels; those no stored resource carries are left out."""
        results = []
        for label in labels:
            system, _, code = label.rpartition("|")
            known = self._labels.get((system, code))
            if known is None:
                async with self._pool.connection() as connection:
                    row = await (await connection.execute(_SELECT["label"], (system, code))).fetchone()
                if row is None:
                    self.depended += 1
                    continue
                known = self._labels[system, code] = row[0]
            results.append(known)
        return results


def _among(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"= {numbers[0]:d}"
    return f"IN ({', '.join(map(str, numbers))})" if numbers else ""


async def _is_set(connection: AsyncConnection, name: str) -> bool:
    row = await (await connection.execute("SELECT FROM setting WHERE name = %s", (name,))).fetchone()
    return row is not None
