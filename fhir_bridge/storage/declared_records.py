"""A patient's record as a model that declares its codes sees it, whatever else is in the record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.search.entries import indexable
from fhir_bridge.storage.conditions import TRUE, Condition, person
from fhir_bridge.storage.contents import MARKS
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import IndexPending
from fhir_bridge.storage.indexing import MANY, is_id
from fhir_bridge.storage.patients import PAGE, read_record
from fhir_bridge.storage.permission import compile_access
from fhir_bridge.storage.stored import Stored

__all__ = ["read_declared"]


def _texts(*texts: str) -> tuple[str, ...]:
    """These texts as they may be in a stored content: as they are, or within what a mark stands for."""
    marks = [mark for mark, meant in MARKS.items() if any(text.encode() in meant for text in texts)]
    return (*(mark.decode() for mark in marks), *texts)


# What an Observation has whose value is none of a finding; what one has that is; and what may hide either: an
# extension or a contained resource has values of its own. What is left in too much costs time alone.
_VALUED: Final = _texts('"valueQuantity"', '"component"', '"valueString"')
_STATING: Final = _texts('"valueCodeableConcept"', '"valueBoolean"', 'xtension"', '"contained"')


def _has(texts: Sequence[str]) -> str:
    # Not LIKE, and not ANY of an array: both take several times as long.
    return " OR ".join("strpos(r.bytes, %s) > 0" for _ in texts)


async def read_declared(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    patient_id: str,
    access: AccessFilter,
    types: Sequence[str],
    codes: Collection[str] | None,
) -> AsyncIterator[Stored]:
    """As `read_record`; of Observations those under one of the codes, and those that may state a finding.

    Others are not read. A few of them may come as well: which ones a model sees is decided by their content.

    Args:
        types: none that is in a record through another resource.
        codes: of Observations and their components; None: all are read.
    """
    if not is_id(patient_id):
        return
    try:
        await dictionaries.require_index()
    except IndexPending:
        codes = None
    if codes is None:
        async for stored in read_record(pool, dictionaries, patient_id, access, types):
            yield stored
        return
    await dictionaries.require_records()
    keys = person([patient_id])
    wanted = [kind for kind in types if access.permits(kind, "r")]
    members: dict[str, list[int]] = {}
    statement, values = await _members(dictionaries, patient_id, wanted, codes)
    async with pool.connection() as connection:
        for kind, key in await (await connection.execute(statement.encode(), values)).fetchall():
            members.setdefault(kind, []).append(key)
    groups: list[tuple[Condition, list[int]]] = []
    for kind in sorted(members):
        permitted = await compile_access(access, kind, "r", dictionaries)
        if permitted is TRUE and groups and groups[-1][0] is TRUE:
            groups[-1][1].extend(sorted(members[kind]))
        else:
            groups.append((permitted, sorted(members[kind])))
    for permitted, group in groups:
        # Once more whether it is in the record: it may have been moved or deleted by now.
        page = (
            "SELECT r.type, r.id, r.version, r.last_updated, r.bytes FROM resource r "  # noqa: S608
            "WHERE r.key = ANY(%s::bigint[]) AND NOT r.deleted AND EXISTS (SELECT FROM record o "
            f"WHERE o.resource = r.key AND o.patient = ANY({keys.text})) AND {permitted.text} ORDER BY r.type, r.key"
        )
        for start in range(0, len(group), PAGE):
            some = (group[start : start + PAGE], *keys.values, *permitted.values)
            async with pool.connection() as connection:
                rows = await (await connection.execute(page.encode(), some, binary=True)).fetchall()
            for row in rows:
                yield Stored(*row)


async def _members(
    dictionaries: Dictionaries, patient_id: str, types: Sequence[str], codes: Collection[str]
) -> tuple[str, tuple[object, ...]]:
    """The statement for type and key of what is read, and its values."""
    keys, owners = person([patient_id]), person([patient_id], MANY)
    coded = await dictionaries.rows_of("Observation", "combo-code")
    # Arrays from sub-selects: the members come first, by the index of records, whatever the statistics say.
    statement = (
        "SELECT r.type, r.key FROM resource r WHERE r.key = ANY(ARRAY("  # noqa: S608
        f"SELECT o.resource FROM record o WHERE o.patient = ANY({keys.text}))) AND NOT r.deleted "
        f"AND r.type = ANY(%s::text[]) AND (r.type <> 'Observation' OR NOT ({_has(_VALUED)}) "
        f"OR {_has(_STATING)}) UNION "
        "SELECT r.type, r.key FROM resource r WHERE r.key = ANY(ARRAY(SELECT i.resource FROM token i "
        f"WHERE i.parameter {coded} AND i.code = ANY(%s::text[]) AND i.patient = ANY({owners.text}))) "
        "AND NOT r.deleted AND r.type = ANY(%s::text[]) AND EXISTS (SELECT FROM record o "
        f"WHERE o.resource = r.key AND o.patient = ANY({keys.text}))"
    )
    known = [indexable(code) for code in codes]
    kinds = list(types)
    observed = [kind for kind in kinds if kind == "Observation"]
    return statement, (
        *keys.values, kinds, *_VALUED, *_STATING, known, *owners.values, observed, *keys.values
    )  # fmt: skip
