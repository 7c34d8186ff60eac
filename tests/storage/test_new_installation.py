"""A new installation under traffic: what a connection has planned when the tables were empty it keeps."""

from __future__ import annotations

import psycopg

from fhir_bridge.storage import Store
from tests.storage.cohort import converted, observation, with_store

FEW, EACH = 20, 300


def _result(number: int) -> dict[str, object]:
    return converted(observation(f"o{number}", f"p{number % 20}"), "urn:fhir-bridge:test")


def test_writes_do_not_read_the_resources_whole(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load(_result(number) for number in range(FEW))
        for start in range(FEW, 5 * EACH, EACH):
            await store.load(_result(number) for number in range(start, start + EACH))

    with_store(fresh_database_url, work)
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        (read,) = connection.execute(
            "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'resource'"
        ).fetchone() or (-1,)
    assert 0 <= read < 20 * EACH


def test_the_size_of_a_new_table_is_unknown(fresh_database_url: str) -> None:
    """Of one known to be empty, PostgreSQL plans to read it whole."""
    with psycopg.connect(fresh_database_url) as connection:
        known = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= 0"
            " AND relnamespace = current_schema()::regnamespace"
        ).fetchall()
    assert known == []
