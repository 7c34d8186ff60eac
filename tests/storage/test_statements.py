"""Rows that travel as arrays arrive as they are, whatever their texts hold."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from fhir_bridge.storage import Store
from fhir_bridge.storage.statements import Columns, Statement
from tests.storage.cohort import with_store

COLUMNS: Columns = {
    "key": "bigint",
    "name": "text",
    "value": "numeric",
    "moment": "timestamptz",
    "present": "bool",
    "content": "bytea",
}
MOMENT = datetime(2024, 3, 1, 7, 0, 0, 125000, tzinfo=UTC)

ROWS: list[tuple[Any, ...]] = [
    (1, 'a "quoted" word', Decimal("1.50"), MOMENT, True, b"\x00\xff"),
    (2, "back\\slash", Decimal("1E+3"), None, False, b""),
    (3, "{a,b}", None, MOMENT, None, None),
    (4, "NULL", Decimal("-0.001"), MOMENT, True, b"x"),
    (5, "", Decimal(0), MOMENT, True, b'"\\'),
    (6, "new\nline, ', é 漢 🫀", Decimal("12345678901234567890.123456789"), MOMENT, True, b"x"),
    (7, None, Decimal(1), MOMENT, True, b"x"),
]


@pytest.mark.parametrize(
    "rows", [ROWS, ROWS[:6], [ROWS[3]], [ROWS[4]], [ROWS[6]], [ROWS[0], ROWS[1]], [ROWS[2]]]
)
def test_rows_arrive_as_they_are(database_url: str, rows: list[tuple[Any, ...]]) -> None:
    async def work(store: Store) -> list[Any]:
        async with store.connection() as connection:
            names = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
            await connection.execute(f"CREATE TEMPORARY TABLE arrived ({names}) ON COMMIT DROP".encode())
            statement = Statement()
            statement.insert("arrived", COLUMNS, rows)
            await statement.run(connection)
            found = await connection.execute("SELECT * FROM arrived ORDER BY key")
            return await found.fetchall()

    assert with_store(database_url, work) == rows


def test_open_ends_are_infinite(database_url: str) -> None:
    async def work(store: Store) -> Any:
        async with store.connection() as connection:
            await connection.execute(
                "CREATE TEMPORARY TABLE ends (low timestamptz, high numeric) ON COMMIT DROP"
            )
            statement = Statement()
            statement.insert(
                "ends",
                {"low": "timestamptz", "high": "numeric"},
                [("-infinity", "infinity"), (MOMENT, Decimal(1))],
            )
            await statement.run(connection)
            found = await connection.execute("SELECT low::text, high::text FROM ends ORDER BY low")
            return await found.fetchall()

    assert with_store(database_url, work) == [("-infinity", "Infinity"), ("2024-03-01 07:00:00.125+00", "1")]


def test_all_parts_or_none(database_url: str) -> None:
    async def work(store: Store) -> None:
        statement = Statement()
        statement.insert("setting", {"name": "text", "value": "text"}, [("part one", "1")])
        statement.insert("setting", {"name": "text", "value": "text"}, [("secret", "taken")])
        async with store.pool.connection() as connection:
            with pytest.raises(psycopg.errors.UniqueViolation):
                await statement.run(connection)
        assert await store.setting("part one") is None

    with_store(database_url, work)
