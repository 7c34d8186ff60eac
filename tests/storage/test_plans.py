"""Reads and searches go by index, whatever the tables hold."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.governance import audit
from fhir_bridge.storage import Store
from fhir_bridge.storage.audit_rows import AuditRecord
from fhir_bridge.storage.writing import Operation
from tests.storage.cohort import observation, with_store

TWICE = AccessFilter(
    (
        AccessRule("*", frozenset("rs"), patient="p1"),
        AccessRule("Observation", frozenset("crs"), patient="p1"),
    )
)
RESEARCH = AccessFilter((AccessRule("*", frozenset("rs")),), purpose="HRESCH")
ANNA = AccessFilter((AccessRule("*", frozenset("rs"), patient="p1"),), subject="p1")


@pytest.fixture(scope="module")
def filled(database_url: str) -> str:
    async def work(store: Store) -> None:
        await store.load(_result(number) for number in range(6000))
        await store.load(_provenance(number) for number in range(6000))
        await store.load(_denial(number) for number in range(600))
        amended = [_result(number, status="amended") for number in range(6000) if number % 7 in (0, 2, 4)]
        for start in range(0, len(amended), 200):
            some = amended[start : start + 200]
            await store.write(
                [Operation("update", "Observation", one["id"], one) for one in some], EVERYTHING
            )
        await store.load(observation(f"gone{number}", "gone") for number in range(300))
        gone = [Operation("delete", "Observation", f"gone{number}") for number in range(300)]
        await store.write(gone, EVERYTHING)
        async with store.connection() as connection:
            # Of no Binary here: what its many rows cost a page counts.
            await connection.execute(
                "INSERT INTO attached_before SELECT key + 1000000, key FROM resource WHERE type = 'Observation'"
            )
            await connection.execute(
                "INSERT INTO named SELECT key + 1000000, key FROM resource WHERE type = 'Observation'"
            )
            await connection.execute("ANALYZE")

    with_store(database_url, work)
    return database_url


def _result(number: int, **more: Any) -> dict[str, Any]:
    quantity = {"value": number % 10, "system": "http://unitsofmeasure.org", "code": "mg"}
    patient, code = f"p{number % 300}", f"{number // 300}-0"
    dated = {"effectiveDateTime": "2024-01-01", "valueQuantity": quantity}
    return observation(f"o{number}", patient, code, **dated, **more)


def _denial(number: int) -> dict[str, Any]:
    """Of every purpose, by a patient who is in no other test."""
    return {
        "resourceType": "Consent",
        "id": f"c{number}",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "patient": {"reference": f"Patient/denying{number}"},
        "provision": {"type": "deny"},
    }


def _provenance(number: int) -> dict[str, Any]:
    """Of an Observation, and in its patient's record through it."""
    return {
        "resourceType": "Provenance",
        "id": f"v{number}",
        "target": [{"reference": f"Observation/o{number}"}],
        "recorded": "2024-01-01T00:00:00Z",
        "activity": {"coding": [{"system": "http://loinc.org", "code": f"{number // 300}-0"}]},
    }


@pytest.mark.parametrize(
    ("kind", "parameters", "access"),
    [
        ("Observation", [("patient", "p1"), ("code", "3-0")], EVERYTHING),
        ("Observation", [("subject", "Patient/p1"), ("code", "http://loinc.org|3-0")], EVERYTHING),
        ("Observation", [("code", "3-0")], ANNA),
        ("Observation", [("patient", "p1")], EVERYTHING),
        ("Observation", [("patient", "p1"), ("date", "ge2024"), ("_sort", "-date")], EVERYTHING),
        ("Observation", [("_id", "o1")], ANNA),
        ("Observation", [], ANNA),
        ("Observation", [], TWICE),
        ("Observation", [("code", "3-0")], TWICE),
        ("Provenance", [], ANNA),
        ("Provenance", [("_id", "v1")], ANNA),
    ],
)
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_no_search_of_a_patient_reads_a_whole_table(
    filled: str,
    kind: str,
    parameters: list[tuple[str, str]],
    access: AccessFilter,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(store: Store) -> int:
        return len((await store.search(kind, parameters, access)).entries)

    statements = _statements(monkeypatch)
    assert with_store(filled, work) in (1, 20)
    ((query, values),) = statements
    _check(filled, query, values, mode)


SOME = AccessFilter((AccessRule("Observation", frozenset("rs"), criteria=(("status", "amended"),)),))


@pytest.mark.parametrize("access", [EVERYTHING, SOME], ids=["all", "with criteria"])
@pytest.mark.parametrize(
    "parameters",
    [
        [("_sort", "-date")],
        [("_sort", "date")],
        [("_sort", "-_lastUpdated")],
        [("date", "2024-01-01")],
        [("code", "3-0"), ("date", "2024-01-01")],
        [("code", "3-0"), ("date", "ge2023"), ("_sort", "-date")],
        [("date", "ge2023"), ("_sort", "-date")],
        [("value-quantity", "8|http://unitsofmeasure.org|mg")],
    ],
    ids=lambda pairs: "&".join("=".join(pair) for pair in pairs),
)
def test_a_page_among_all_patients_reads_little_more_than_it_shows(
    filled: str,
    parameters: list[tuple[str, str]],
    access: AccessFilter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(store: Store) -> None:
        first = await store.search("Observation", parameters, access, count=20)
        second = await store.search("Observation", parameters, access, count=20, cursor=first.next)
        back = await store.search("Observation", parameters, access, count=20, cursor=second.previous)
        assert [one.id for one in back.entries] == [one.id for one in first.entries]
        assert len({one.id for one in (*first.entries, *second.entries)}) == 40

    statements = _statements(monkeypatch)
    with_store(filled, work)
    assert len(statements) == 3
    for query, values in statements:
        # Of one moment the rows of a code (300) may be sorted by their keys.
        _check(filled, query, values, "force_custom_plan", most=320)


@pytest.mark.parametrize("access", [EVERYTHING, ANNA], ids=["all", "bound"])
@pytest.mark.parametrize("types", [None, ("Condition", "Observation")])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_no_reading_of_a_record_reads_a_whole_table(
    filled: str,
    access: AccessFilter,
    types: tuple[str, ...] | None,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(store: Store) -> int:
        return len([stored async for stored in store.patient_record("p1", access, types=types)])

    statements = _statements(monkeypatch)
    assert with_store(filled, work) == (20 if types else 40)
    assert len(statements) == (2 if types else 3)
    for query, values in statements:
        _check(filled, query, values, mode)


@pytest.mark.parametrize("access", [EVERYTHING, ANNA], ids=["all", "bound"])
@pytest.mark.parametrize("kind", [None, "Observation", "Provenance", "Condition"])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_no_page_of_a_history_reads_a_whole_table(
    filled: str, access: AccessFilter, kind: str | None, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(store: Store) -> list[int]:
        first = await store.history(access, kind, count=13)
        if first.next is None:
            return [len(first.entries)]
        second = await store.history(access, kind, count=13, cursor=first.next)
        return [len(first.entries), len(second.entries)]

    statements = _statements(monkeypatch)
    assert with_store(filled, work) == (
        [0] if kind == "Condition" else [13, 7 if kind == "Provenance" and access is ANNA else 13]
    )
    pages = [one for one in statements if b"AS moment" in one[0]]
    assert len(pages) == (1 if kind == "Condition" else 2)
    for query, values in pages:
        _check(filled, query, values, mode)


def test_what_is_about_a_person_through_others_is_found_by_index(filled: str) -> None:
    """Functions hide their plans, and are planned once for all arguments: the tables say how they were read."""
    with psycopg.connect(filled) as connection:
        row = connection.execute("SELECT key FROM resource WHERE type = 'Patient' AND id = 'p1'").fetchone()
        assert row is not None
        for function, found in (("about_through", 20), ("in_record", 40)):
            for _ in range(8):  # a plan for any argument comes after five for given ones
                query = f"SELECT {function}(%s::bigint[])"
                assert len(connection.execute(query.encode(), ([row[0]],)).fetchall()) == found
        scans = connection.execute(
            "SELECT relname, seq_scan FROM pg_stat_xact_user_tables "
            "WHERE relname IN ('record', 'record_through', 'resource') AND seq_scan > 0"
        ).fetchall()
    assert scans == []


@pytest.mark.parametrize("access", [EVERYTHING, RESEARCH], ids=["all", "of a purpose that some deny"])
@pytest.mark.parametrize(
    "named",
    [("patient", "seldom"), ("entity", "Observation/once"), ("patient", "nobody"), ("", "seldom")],
    ids=lambda pair: "=".join(pair) if pair[0] else "in the compartment",
)
def test_the_few_events_of_a_patient_are_found_among_all(
    filled: str, access: AccessFilter, named: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fill(store: Store) -> None:
        async with store.connection() as connection:
            row = await (await connection.execute("SELECT count(*) FROM audit")).fetchone()
        if row is not None and not row[0]:
            events = [
                ("Observation/once", "seldom"),
                *((f"Observation/{n}", f"p{n % 9}") for n in range(3000)),
            ]
            await store.append_audit([each for event in events for each in _event(*event)])
            async with store.connection() as connection:
                await connection.execute("ANALYZE")

    async def work(store: Store) -> int:
        parameters, compartment = ([named], None) if named[0] else ([], ("Patient", named[1]))
        return len((await store.search("AuditEvent", parameters, access, compartment=compartment)).entries)

    with_store(filled, fill)
    statements = _statements(monkeypatch, b"FROM audit_index")
    assert with_store(filled, work) == (named[1] != "nobody")
    for query, values in statements:
        _check(filled, query, values, "force_custom_plan")


def _event(reference: str, patient: str) -> list[AuditRecord]:
    context = audit.Context("https://fhir.example/fhir", "app", None, "203.0.113.5", "TREAT", "r-1")
    return audit.records(audit.write(context, "update", reference), [patient])


def _statements(monkeypatch: pytest.MonkeyPatch, of: bytes = b"FROM resource r") -> list[tuple[bytes, Any]]:
    """The queries on resources, or events, that run from now on, with their values."""
    statements: list[tuple[bytes, Any]] = []
    execute = psycopg.AsyncConnection.execute

    async def recorded(connection: Any, query: Any, values: Any = None, **options: Any) -> Any:
        if isinstance(query, bytes) and of in query:
            statements.append((query, values))
        return await execute(connection, query, values, **options)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", recorded)
    return statements


def _check(url: str, query: bytes, values: Any, mode: str, most: int = 200) -> None:
    """No table is read from end to end, and few rows are read for nothing."""
    with psycopg.connect(url) as connection:
        connection.execute(f"SET plan_cache_mode = {mode}".encode())
        text = query.decode()
        for number in range(len(values)):
            text = text.replace("%s", f"${number + 1}", 1)
        connection.execute(f"PREPARE found AS {text}".encode(), prepare=False)
        names = f"({','.join(['%s'] * len(values))})" if values else ""
        plan = (
            psycopg.ClientCursor(connection)
            .execute(f"EXPLAIN (ANALYZE) EXECUTE found {names}", values)
            .fetchall()
        )
    lines = "\n".join(line for (line,) in plan)
    # Whether anybody denies a purpose is known with the first row that does.
    small = (" on link", " on consent_denial denying")
    scans = [line for (line,) in plan if "Seq Scan" in line and not any(table in line for table in small)]
    # The partitions of further months are empty.
    scans = [line for line in scans if not re.search(r" on audit.*(rows=0\.00|never executed)", line)]
    assert scans == [], lines
    removed = [int(line.rpartition(":")[2]) for (line,) in plan if "Rows Removed by Filter" in line]
    assert sum(removed) < most, lines
    read = [float(found[1]) for found in re.finditer(r"actual time=\S+ rows=([0-9.]+)", lines)]
    assert max(read) < most, lines


def test_a_create_is_planned_once(fresh_database_url: str) -> None:
    async def fill(store: Store) -> None:
        # Patients with long records: what a statement looks up of ten of them, of whom it has none, costs most.
        await store.load(observation(f"o{number}", f"p{number % 3}") for number in range(1500))
        async with store.connection() as connection:
            await connection.execute("ANALYZE")

    async def work(store: Store) -> list[tuple[int, int]]:
        for number in range(12):
            await store.create(_result(number), EVERYTHING)
        async with store.pool.connection() as connection:
            rows = await connection.execute(
                "SELECT custom_plans, generic_plans FROM pg_prepared_statements "
                "WHERE statement LIKE '%INSERT INTO quantity%'"
            )
            return await rows.fetchall()

    with_store(fresh_database_url, fill)
    ((custom, generic),) = with_store(fresh_database_url, work)
    # PostgreSQL plans five times with the values, and then compares.
    assert custom <= 5
    assert generic >= 5


def test_the_connection_that_was_used_last_is_used_next(filled: str) -> None:
    """What its process knows is in the processor's memory still: of several in turn each is cold."""

    async def work(store: Store) -> tuple[int, set[int]]:
        async with store.pool.connection() as first, store.pool.connection() as second:
            last = first.info.backend_pid
            assert second.info.backend_pid != last
        used = set()
        for _ in range(5):
            async with store.pool.connection() as connection:
                used.add(connection.info.backend_pid)
        return last, used

    last, used = with_store(filled, work)
    assert used == {last}
