"""Rows that travel as an array of their table's row type arrive as they are, and the types are those of the tables."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.storage import Store
from fhir_bridge.storage.row_arrays import RowType
from fhir_bridge.storage.statements import Statement
from tests.storage.cohort import with_store

MOMENT = datetime(2024, 3, 1, 7, 0, 0, 125000, tzinfo=UTC)
OLD = datetime(1888, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
TOKENS: list[tuple[Any, ...]] = [
    (1, 2, 'a "quoted", {word}', 3, 4, None, MOMENT),
    (1, 2, "back\\slash\nnew line, ', é 漢 🫀", -1, 2**60, 7, OLD),
    (-5, 0, "", 0, 4, 2**31 - 1, None),
    (1, 2, "NULL", 3, 4, None, None),
    (1, 2, "x" * 2000, 3, 4, None, MOMENT),
]
LONG = Decimal("12345678901234567890.123456789")
QUANTITIES: list[tuple[Any, ...]] = [
    (1, 2, "mg", None, Decimal("1.50"), Decimal("1E+3"), "g", Decimal("-0.001"), Decimal(0), 4, None),
    (1, 2, "", "unit", LONG, LONG, None, None, None, 4, 1),
    (1, 2, "mg", "ü", Decimal(-5), Decimal("1E-245"), None, None, None, 4, None),
]
REFERENCES: list[tuple[Any, ...]] = [(1, None, "urn:oid:1", 4, None), (1, 2**40, None, 4, 3)]


def kind_of(table: str) -> RowType:
    (kind,) = (each for each in RowType.known if each.table == table)
    return kind


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("token", TOKENS),
        ("token", TOKENS[:1]),
        ("quantity", QUANTITIES),
        ("quantity", QUANTITIES[2:]),
        ("reference", REFERENCES),
    ],
)
def test_rows_arrive_as_they_are(fresh_database_url: str, table: str, rows: list[tuple[Any, ...]]) -> None:
    async def work(store: Store) -> list[Any]:
        async with store.pool.connection() as connection:
            statement = Statement()
            statement.insert_rows(kind_of(table), rows)
            await statement.run(connection)
            arrived = await connection.execute(f"SELECT * FROM {table} ORDER BY ctid".encode())
            return await arrived.fetchall()

    assert with_store(fresh_database_url, work) == rows


def test_open_ends_are_infinite(fresh_database_url: str) -> None:
    async def work(store: Store) -> list[Any]:
        async with store.pool.connection() as connection:
            statement = Statement()
            statement.insert_rows(kind_of("date"), [(1, "-infinity", "infinity", 4, None)])
            statement.insert_rows(kind_of("number"), [(1, "-infinity", "infinity", 4, None)])
            await statement.run(connection)
            arrived = await connection.execute(
                "SELECT low::text, high::text FROM date UNION ALL SELECT low::text, high::text FROM number"
            )
            return await arrived.fetchall()

    assert with_store(fresh_database_url, work) == [("-infinity", "infinity"), ("-Infinity", "Infinity")]


def test_row_types_are_those_of_the_tables(database_url: str) -> None:
    names = {"timestamp with time zone": "timestamptz", "integer": "int", "boolean": "bool"}
    names |= {"character varying": "varchar", "integer[]": "int[]"}

    async def work(store: Store) -> None:
        async with store.pool.connection() as connection:
            for kind in RowType.known:
                columns = await connection.execute(
                    "SELECT attname, format_type(atttypid, NULL), attnotnull FROM pg_attribute "
                    "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                    (kind.table,),
                )
                rows = await columns.fetchall()
                assert {name: names.get(type_, type_) for name, type_, _ in rows} == kind.columns
                assert [name for name, *_ in rows] == list(kind.columns), kind.table

    with_store(database_url, work)
