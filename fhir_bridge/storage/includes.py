"""What a search gives beside its matches: `_include` and `_revinclude` (R4 search.html#include)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.storage.canonicals import NAMES, canonicals, named
from fhir_bridge.storage.conditions import FALSE, Condition, all_of, live
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.indexed import find_reference, reference_targets, references_of, why_apart
from fhir_bridge.storage.permission import compile_access
from fhir_bridge.storage.stored import Stored

__all__ = ["Include", "included", "is_include", "read_includes"]

_OF_TYPES = "unnest(%s::integer[], %s::integer[], %s::integer[])"
"""What `canonicals` returns, as a table."""
MOST_INCLUDED = 10_000
"""Resources that one page brings along, unless the caller may have fewer."""


@dataclass(frozen=True, slots=True)
class Include:
    """One `_include` or `_revinclude`.

    Attributes:
        source: the type whose references are followed; None for any, of `_include=*`.
        codes: its reference parameters; None for all.
        target: the only type of interest at their end, where one is named.
        reverse: whether what refers is brought along, and not what is referred to.
        iterate: whether it applies to what was brought along too.
    """

    source: str | None
    codes: tuple[str, ...] | None
    target: str | None
    reverse: bool
    iterate: bool


def is_include(name: str) -> bool:
    """Whether a parameter brings resources along, and is no condition."""
    return name.partition(":")[0] in ("_include", "_revinclude")


def read_includes(
    types: Sequence[str], parameters: Iterable[tuple[str, str]], known: definitions.Definitions
) -> list[Include]:
    """The includes among the parameters of a search on these types.

    Raises:
        BadSearch: one that R4 does not have, or whose reference is not indexed.
    """
    return [_read(types, name, value, known) for name, value in parameters if is_include(name)]


def _read(types: Sequence[str], name: str, value: str, known: definitions.Definitions) -> Include:
    kind, colon, modifier = name.partition(":")
    # `recurse` is what STU3 called it; clients of that age still send it.
    if colon and modifier not in ("iterate", "recurse"):
        raise BadSearch(f"{name[:80]}: expected {kind} or {kind}:iterate")
    reverse, iterate = kind == "_revinclude", bool(colon)
    if value == "*" and not reverse:
        return Include(None, None, None, reverse=False, iterate=iterate)
    source, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    if source not in definitions.resource_types() or not code:
        raise BadSearch(f"{kind}={value[:80]}: expected Type:parameter or Type:parameter:Type")
    if target and target not in definitions.resource_types():
        raise BadSearch(f"{kind}={value[:80]}: {target[:40]!r} is no resource type of R4")
    if reason := why_apart(source):
        raise BadSearch(f"{kind}={value[:80]}: {reason}")
    if code == "*":
        return Include(source, None, target or None, reverse, iterate)
    parameter = find_reference(source, code, known)
    if parameter is None:
        raise BadSearch(
            f"{kind}={value[:80]}: {code[:40]!r} of {source} is no reference that can be followed here"
        )
    targets = reference_targets(parameter)
    if target and target not in targets:
        raise BadSearch(f"{kind}={value[:80]}: {code} of {source} never points to {target}")
    if reverse and not iterate and not set(types) & set(targets):
        raise BadSearch(f"{kind}={value[:80]}: {code} of {source} never points to {' or '.join(types)[:80]}")
    return Include(source, (code,), target or None, reverse, iterate)


async def included(
    connection: AsyncConnection,
    dictionaries: Dictionaries,
    includes: Sequence[Include],
    matches: Mapping[str, Sequence[int]],
    access: AccessFilter,
    *,
    most: int | None = None,
    most_bytes: int | None = None,
    of: frozenset[str] | None = None,
) -> list[Stored]:
    """What the matches bring along, each resource once and none of the matches, in order of type and key.

    Args:
        matches: keys of the page's matches by type.
        most, most_bytes: how much may come along.
        of: types that may; None: all.

    Raises:
        BadSearch: it would be more than that.
    """
    gathered = _Gathered(connection, dictionaries, access, most or MOST_INCLUDED, most_bytes, of)
    new = {kind: list(keys) for kind, keys in matches.items()}
    for keys in new.values():
        gathered.known.update(keys)
    current = list(includes)
    while current and any(new.values()):
        new = await gathered.step(current, new)
        current = [include for include in includes if include.iterate]
    return [gathered.entries[key] for key in sorted(gathered.entries, key=gathered.order)]


class _Gathered:
    def __init__(
        self,
        connection: AsyncConnection,
        dictionaries: Dictionaries,
        access: AccessFilter,
        most: int,
        most_bytes: int | None,
        of: frozenset[str] | None,
    ) -> None:
        self.entries: dict[int, Stored] = {}
        self.known: set[int] = set()
        self._connection = connection
        self._dictionaries = dictionaries
        self._access = access
        self._most = most
        self._left = most_bytes
        self._of = of

    def order(self, key: int) -> tuple[str, int]:
        return self.entries[key].type, key

    async def step(self, includes: Sequence[Include], among: dict[str, list[int]]) -> dict[str, list[int]]:
        """Follow the references of some resources, by type; returns what came along, by type."""
        new: dict[str, list[int]] = {}
        for include in includes:
            keys = await (self._referring if include.reverse else self._referred)(include, among)
            keys = [key for key in keys if key not in self.known]
            wanted = include.source if include.reverse else include.target
            for kind, of_type in (await self._by_type(keys, wanted)).items():
                if self._of is not None and kind not in self._of:
                    continue
                taken = await self._take(kind, of_type)
                new.setdefault(kind, []).extend(taken)
        return new

    async def _referred(self, include: Include, among: dict[str, list[int]]) -> list[int]:
        keys: list[int] = []
        for resource_type, sources in among.items():
            if include.source not in (None, resource_type) or not sources:
                continue
            numbers = await self._numbers(resource_type, include.codes)
            statement = (
                "SELECT DISTINCT target FROM reference WHERE resource = ANY(%s) AND parameter = ANY(%s) "
                "AND target IS NOT NULL"
            )
            keys += await self._column(statement, (sources, numbers))
            wanted = None if include.target is None else (include.target,)
            if names := await self._canonicals(resource_type, include.codes, wanted):
                statement = (
                    "SELECT DISTINCT u.resource FROM reference i "  # noqa: S608
                    f"JOIN {_OF_TYPES} AS c (parameter, url, version) ON c.parameter = i.parameter "
                    f"JOIN uri u ON u.parameter = c.url AND {named('c.version')} "
                    "WHERE i.resource = ANY(%s) AND i.url IS NOT NULL"
                )
                keys += await self._column(statement, (*names, sources))
        return keys

    async def _referring(self, include: Include, among: dict[str, list[int]]) -> list[int]:
        targets = [
            key for of_type, keys in among.items() if include.target in (None, of_type) for key in keys
        ]
        numbers = await self._numbers(include.source or "", include.codes)
        statement = (
            "SELECT DISTINCT resource FROM reference WHERE target = ANY(%s) AND parameter = ANY(%s) LIMIT %s"
        )
        # More than may come along is an error: one more is enough to see that.
        limit = self._most + len(self.known) + 1
        keys = await self._column(statement, (targets, numbers, limit))
        wanted = [of_type for of_type in among if include.target in (None, of_type)]
        if names := await self._canonicals(include.source or "", include.codes, wanted):
            statement = (
                "SELECT DISTINCT i.resource FROM uri u "  # noqa: S608
                f"JOIN {_OF_TYPES} AS c (parameter, url, version) ON c.url = u.parameter "
                "LEFT JOIN token v ON v.resource = u.resource AND v.parameter = c.version "
                f"JOIN reference i ON i.parameter = c.parameter AND i.url = ANY({NAMES}) "
                "WHERE u.resource = ANY(%s) LIMIT %s"
            )
            keys += await self._column(statement, (*names, targets, limit))
        return list(dict.fromkeys(keys))

    async def _canonicals(
        self, resource_type: str, codes: Sequence[str] | None, targets: Container[str] | None
    ) -> tuple[list[int], list[int], list[int]] | None:
        codes = self._codes(resource_type, codes)
        return await canonicals(resource_type, codes, targets, self._dictionaries)

    def _codes(self, resource_type: str, codes: Sequence[str] | None) -> Sequence[str]:
        if codes is not None:
            return codes
        return [parameter.code for parameter in references_of(resource_type, self._dictionaries.definitions)]

    async def _numbers(self, resource_type: str, codes: Sequence[str] | None) -> list[int]:
        codes = self._codes(resource_type, codes)
        numbers = [await self._dictionaries.find_parameters(resource_type, code) for code in codes]
        return [number for some in numbers for number in some]

    async def _by_type(self, keys: Sequence[int], wanted: str | None) -> dict[str, list[int]]:
        if not keys:
            return {}
        statement = (
            "SELECT type, array_agg(key) FROM resource WHERE key = ANY(%s) AND NOT deleted GROUP BY type"
        )
        rows = await (await self._connection.execute(statement, (list(keys),))).fetchall()
        return {row[0]: row[1] for row in sorted(rows) if wanted in (None, row[0])}

    async def _take(self, resource_type: str, keys: Sequence[int]) -> list[int]:
        """Those of the resources that the caller may find, which are kept."""
        permitted = await compile_access(self._access, resource_type, "s", self._dictionaries)
        chosen = Condition("r.key = ANY(%s)", (list(keys),))
        where = all_of([chosen, permitted, live(resource_type)])
        if where is FALSE:
            return []
        content = (
            "r.bytes"
            if self._left is None
            else ("CASE WHEN sum(resource_size(r.bytes)) OVER (ORDER BY r.key) <= %s THEN r.bytes END")
        )
        bound: tuple[Any, ...] = () if self._left is None else (self._left,)
        statement = (
            f"SELECT r.key, r.id, r.version, r.last_updated, {content} FROM resource r "  # noqa: S608
            f"WHERE {where.text} ORDER BY r.key LIMIT {self._most - len(self.entries) + 1:d}"
        )
        cursor = await self._connection.execute(statement.encode(), (*bound, *where.values), binary=True)
        rows: list[Any] = await cursor.fetchall()
        for key, identity, version, moment, content_bytes in rows:
            if content_bytes is None or len(self.entries) >= self._most:
                raise BadSearch(
                    "_include and _revinclude bring more along than one answer may hold: ask for fewer matches "
                    "with _count, or search for the others by themselves"
                )
            self.entries[key] = Stored(resource_type, identity, version, moment, content_bytes)
            if self._left is not None:
                self._left -= len(content_bytes)
        taken = [row[0] for row in rows]
        self.known.update(taken)
        return taken

    async def _column(self, statement: str, values: tuple[Any, ...]) -> list[int]:
        rows = await (await self._connection.execute(statement.encode(), values)).fetchall()
        return [row[0] for row in rows]
