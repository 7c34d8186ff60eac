"""However many rows the index of a write has, a statement takes a bounded number, and all go in or none."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store, indexing, statements
from fhir_bridge.storage.row_arrays import RowType
from fhir_bridge.storage.writing import Operation
from tests.storage.cohort import observation, with_store
from tests.storage.test_reindex import index_of

SLICE = 7


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Small slices; gives the number of rows of values that each statement takes."""
    taken: list[int] = []
    run, insert = statements.Statement.run, statements.Statement.insert_rows
    counts: dict[int, int] = {}

    def counted(statement: Any, kind: RowType, values: Any, **more: Any) -> None:
        if kind.table in indexing._VALUES:
            counts[id(statement)] = counts.get(id(statement), 0) + len(values)
        insert(statement, kind, values, **more)

    async def noted(statement: Any, connection: Any) -> None:
        taken.append(counts.pop(id(statement), 0))
        await run(statement, connection)

    monkeypatch.setattr(indexing, "SLICE", SLICE)
    monkeypatch.setattr(statements.Statement, "insert_rows", counted)
    monkeypatch.setattr(statements.Statement, "run", noted)
    return taken


def patient(names: int, identity: str = "p") -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": identity,
        "name": [{"family": f"Grande{number}", "given": ["Ana"]} for number in range(names)],
        "link": [{"other": {"reference": "Patient/other"}, "type": "replaces"}],
    }


def group(members: int, identity: str = "g") -> dict[str, Any]:
    return {
        "resourceType": "Group",
        "id": identity,
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": f"Patient/m{number}"}} for number in range(members)],
    }


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=4), min_size=1, max_size=3))
def test_slices_leave_the_index_that_one_statement_leaves(
    fresh_database_url: str, rows: list[int], writes: list[list[int]]
) -> None:
    """Creates and updates, several in a write; then the index is made anew, all at once, and is the same."""

    async def work(store: Store) -> None:
        for sizes in writes:
            operations = [
                Operation("update", resource["resourceType"], resource["id"], resource)
                for number, size in enumerate(sizes)
                for resource in (patient(size, f"p{number}"), group(size, f"g{number}"))
            ]
            await store.write(operations, EVERYTHING)

    rows.clear()
    with_store(fresh_database_url, work)
    assert max(rows, default=0) <= SLICE * indexing.FEW
    found = index_of(fresh_database_url)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(indexing, "SLICE", 100_000)
        with_store(fresh_database_url, Store.reindex)
    assert index_of(fresh_database_url) == found


def test_a_write_whose_last_slice_fails_leaves_nothing(
    fresh_database_url: str, rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(store: Store) -> None:
        await store.create(patient(1), EVERYTHING)
        before = index_of(fresh_database_url)
        put, calls = indexing.IndexWriter._put_entries, 0

        def failing(writer: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 4:
                raise psycopg.errors.DiskFull("no room")
            put(writer)

        with monkeypatch.context() as patched:
            patched.setattr(indexing.IndexWriter, "_put_entries", failing)
            with pytest.raises(psycopg.errors.DiskFull):
                await store.create(patient(20), EVERYTHING)
        assert calls == 4
        assert index_of(fresh_database_url) == before
        assert (await store.search("Patient", [("_total", "accurate")], EVERYTHING)).total == 1
        assert not (await store.search("Patient", [("family", "Grande19")], EVERYTHING)).entries
        await store.create(patient(20), EVERYTHING)
        assert len((await store.search("Patient", [("family", "Grande19")], EVERYTHING)).entries) == 1

    with_store(fresh_database_url, work)


def test_a_load_and_a_reindex_go_in_by_slices(fresh_database_url: str, rows: list[int]) -> None:
    async def work(store: Store) -> None:
        await store.load([patient(15), group(30), *(observation(f"o{n}", "p") for n in range(20))])
        assert 0 < max(rows) <= SLICE * indexing.FEW
        before = index_of(fresh_database_url)
        rows.clear()
        await store.reindex()
        assert 0 < max(rows) <= SLICE * indexing.FEW
        assert index_of(fresh_database_url) == before

    with_store(fresh_database_url, work)
