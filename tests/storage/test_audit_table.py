"""AuditEvents are only added: one row for what a request did, served as one event of each patient."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.governance import audit
from fhir_bridge.storage import BadResource, BadSearch, NotFound, Store, upgrade
from fhir_bridge.storage.audit_rows import AuditRecord
from fhir_bridge.storage.changes import Place, read_audit_changes
from fhir_bridge.storage.writing import Operation
from tests.storage.cohort import downgrade, observation, with_store

CONTEXT = audit.Context("https://fhir.example/fhir", "app", None, "203.0.113.5", "TREAT", "r-1")


def rows(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    return row[0] if row else 0


def recorded(interaction: str, reference: str, patients: Any) -> list[AuditRecord]:
    return audit.records(audit.write(CONTEXT, interaction, reference), patients)  # type: ignore[arg-type]


def without_query(entity: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entity.items() if name != "query"}


async def found(
    store: Store, *parameters: tuple[str, str], access: AccessFilter = EVERYTHING
) -> list[dict[str, Any]]:
    page = await store.search("AuditEvent", list(parameters), access, count=1000)
    return [entry.resource() for entry in page.entries]


def bound(patient: str) -> AccessFilter:
    return AccessFilter((AccessRule("*", frozenset("rs"), patient=patient),), subject=patient)


async def feed(store: Store, after: Place = (0, 0), at_least: int = 7) -> list[tuple[int, str]]:
    """Transactions and ids, once no other database of this server holds an older transaction open."""
    async with asyncio.timeout(30):
        while True:
            async with store.pool.connection() as connection:
                changes = await read_audit_changes(connection, after, 100)
            if len(changes) >= at_least:
                return [(change.xid, change.id) for change in changes]
            await asyncio.sleep(0.05)


def patients_of(event: dict[str, Any]) -> list[str]:
    references = [entity.get("what", {}).get("reference", "") for entity in event["entity"]]
    return [reference for reference in references if reference.startswith("Patient/")]


def test_a_page_is_one_row_and_an_event_of_each_patient(fresh_database_url: str) -> None:
    ids = [f"p{number}" for number in range(40)]

    async def work(store: Store) -> None:
        await store.load([{"resourceType": "Patient", "id": identity} for identity in ids])
        await store.append_audit(audit.records(audit.search(CONTEXT, "GET Observation?code=1"), [*ids, "p0"]))
        events = await found(store)
        assert [patients_of(event) for event in events] == [[f"Patient/{identity}"] for identity in ids]
        assert len({event["id"] for event in events}) == 40
        for event in (events[0], events[39]):
            stored = await store.read("AuditEvent", event["id"], EVERYTHING)
            assert stored.resource() == event
            assert len(stored.bytes) <= 1800
            assert await found(store, ("_id", event["id"])) == [event]
            assert (await store.vread("AuditEvent", event["id"], "1", EVERYTHING)).bytes == stored.bytes
            assert len((await store.history(EVERYTHING, "AuditEvent", event["id"])).entries) == 1
        assert [events[7]] == await found(store, ("patient", "p7"))
        # What was asked for may name other patients: who is bound to one does not get it.
        own = await found(store, access=bound("p7"))
        assert "query" in str(events[7])
        assert own == [{**events[7], "entity": [without_query(entity) for entity in events[7]["entity"]]}]
        with pytest.raises(NotFound):
            await store.read("AuditEvent", events[8]["id"], bound("p7"))
        with pytest.raises(NotFound):
            await store.read("AuditEvent", events[8]["id"].partition(".")[0] + ".40", EVERYTHING)
        page = await store.search("AuditEvent", [("_total", "accurate")], EVERYTHING, count=15)
        seen = [entry.id for entry in page.entries]
        assert page.total == 40
        while page.next is not None:
            page = await store.search(
                "AuditEvent", [("_total", "accurate")], EVERYTHING, count=15, cursor=page.next
            )
            seen += [entry.id for entry in page.entries]
        assert seen == [event["id"] for event in events]
        for rule in ("_id", "-_id", "-date"):
            page, given = await store.search("AuditEvent", [("_sort", rule)], EVERYTHING, count=15), []
            while True:
                given += [entry.id for entry in page.entries]
                if page.next is None:
                    break
                page = await store.search(
                    "AuditEvent", [("_sort", rule)], EVERYTHING, count=15, cursor=page.next
                )
            expected = seen[::-1] if rule == "-date" else sorted(seen, reverse=rule == "-_id")
            assert given == expected
        newest = await store.history(EVERYTHING, "AuditEvent", count=1000)
        assert [entry.stored.id for entry in newest.entries] == seen[::-1]
        assert [name for _, name in await feed(store, at_least=40)] == seen

    with_store(fresh_database_url, work)
    assert (rows(fresh_database_url, "audit"), rows(fresh_database_url, "audit_index")) == (1, 40)


def test_months_are_prepared_ahead(fresh_database_url: str) -> None:
    def months() -> list[str]:
        with psycopg.connect(fresh_database_url) as connection:
            rows = connection.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit'::regclass ORDER BY 1"
            )
            return [row[0].removeprefix("audit_") for row in rows.fetchall()]

    with_store(fresh_database_url, lambda store: store.prepare_audit())
    before = months()
    assert len(before) == 3
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute(f"DROP TABLE audit_{before[-1]}, audit_index_{before[-1]}".encode())
    with_store(fresh_database_url, lambda store: store.prepare_audit())
    assert months() == before


def test_nothing_changes_or_deletes_one(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.append_audit(recorded("create", "Observation/o", ["a"]))
        event = (await found(store))[0]
        with pytest.raises(BadResource):
            await store.update("AuditEvent", event["id"], event, EVERYTHING)
        with pytest.raises(BadResource):
            await store.delete("AuditEvent", event["id"], EVERYTHING)
        with pytest.raises(BadResource):
            await store.create(event, EVERYTHING)

    with_store(fresh_database_url, work)
    month = datetime.now(UTC).strftime("%Y%m")
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        for table in ("audit", "audit_index", f"audit_{month}", f"audit_index_{month}"):
            for statement in (
                f"DELETE FROM {table}",
                f"UPDATE {table} SET recorded = now()",
                f"TRUNCATE {table}",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
    assert rows(fresh_database_url, "audit") == 1


def test_a_write_and_its_record_are_stored_together_or_not_at_all(fresh_database_url: str) -> None:
    def refused(interaction: str, reference: str, patients: Any) -> list[AuditRecord]:
        (record,) = recorded(interaction, reference, patients)
        return [AuditRecord(record.event | {"outcome": "\0"}, record.parts)]  # what PostgreSQL refuses

    async def work(store: Store) -> None:
        for operation in (
            Operation("create", "Observation", "x", observation("x", "a")),
            Operation("update", "Observation", "o1", observation("o1", "a")),
            Operation("update", "Observation", "o2", observation("o2", "a")),
        ):
            with pytest.raises(psycopg.DataError):
                await store.write([operation], EVERYTHING, audit=refused)
        assert (await store.search("Observation", [], EVERYTHING)).entries == []
        made = [
            Operation("create", "Observation", f"y{n}", observation(f"y{n}", "ab"[n % 2])) for n in range(130)
        ]
        await store.write(made, EVERYTHING, audit=recorded)
        assert len(await found(store, ("action", "C"), ("patient", "b"))) == 65
        same = Operation("update", "Observation", "y1", observation("y1", "b"))
        await store.write([same], EVERYTHING, audit=recorded)  # unchanged: nothing to record
        assert len(await found(store)) == 130
        await store.delete("Observation", "y1", EVERYTHING, audit=recorded)
        (event,) = await found(store, ("action", "D"))
        assert patients_of(event) == ["Patient/b"]  # whose it was

    with_store(fresh_database_url, work)


def test_a_second_try_adds_nothing(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        old, new = recorded("create", "Observation/o", ["a", "b"]), recorded("create", "Observation/p", ["a"])
        await store.append_audit(old)
        await store.append_audit([*old, *new])
        assert [patients_of(event) for event in await found(store)] == [
            ["Patient/a"],
            ["Patient/b"],
            ["Patient/a"],
        ]

    with_store(fresh_database_url, work)


def test_what_comes_from_elsewhere_is_kept_as_it_is(fresh_database_url: str) -> None:
    event = {
        "resourceType": "AuditEvent",
        "id": "from.elsewhere",
        "meta": {
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]
        },
        "type": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110100"},
        "subtype": [{"code": "x"}, {"system": "http://x.example", "code": "110120"}],
        "recorded": "2019-03-05T08:00:00+02:00",
        "agent": [
            {"who": {"reference": "Practitioner/a"}, "requestor": True},
            {"who": {"identifier": {"system": "http://apps.example", "value": "second"}}, "requestor": False},
        ],
        "source": {"observer": {"display": "PACS \0".replace("\0", "")}},
        "entity": [{"what": {"reference": f"Patient/{name}"}} for name in ("a", "b")]
        + [{"what": {"reference": "ImagingStudy/s/_history/1"}}],
    }

    async def work(store: Store) -> None:
        await store.load(
            [{"resourceType": "Patient", "id": name, "name": [{"family": name * 3}]} for name in "ab"]
        )
        result = await store.load([event])
        assert (result.created, result.resources["AuditEvent"]) == (1, 1)
        assert (await store.load([event])).unchanged == 1
        other = await store.load([event | {"action": "R"}])
        assert (other.rejected, [issue.code for issue in other.issues]) == (1, ["FB-STORE-012"])
        stored = (await store.read("AuditEvent", "from.elsewhere", EVERYTHING)).resource()
        assert {name: value for name, value in stored.items() if name != "meta"} == {
            name: value for name, value in event.items() if name != "meta"
        }
        for parameters in (
            [("patient", "a"), ("patient", "b")],
            [("entity", "ImagingStudy/s")],
            [("agent", "Practitioner/a")],
            [("agent:Practitioner", "a")],
            [("agent:identifier", "http://apps.example|second")],
            [("subtype", "110120")],
            [("subtype", "http://x.example|")],
            [("subtype:not", "y")],
            [("type", "110100")],
            [("date", "2019-03-05T06:00:00Z")],
            [("date", "lt2019-04"), ("date", "ge2019-03")],
            [("action:missing", "true")],
            [("_security", "R")],
            [("patient.family", "bbb")],
            [("entity:Patient.family", "aaa")],
            [("_sort", "-date"), ("patient:missing", "false")],
        ):
            assert len(await found(store, *parameters)) == 1, parameters
        for parameters in (
            [("patient", "c")],
            [("subtype", "|110120")],
            [("subtype:not", "x")],
            [("entity:missing", "true")],
            [("date", "gt2019-03-06")],
            [("patient.family", "ccc")],
            [("action", "R")],
        ):
            assert await found(store, *parameters) == [], parameters
        page = await store.search("AuditEvent", [("_include", "AuditEvent:patient")], EVERYTHING)
        assert [stored.id for stored in page.included] == ["a", "b"]
        assert await found(store, access=bound("a")) == []  # it is about b too
        for name in ("_revinclude", "_sort", "site", "agent.family"):
            with pytest.raises(BadSearch):
                await found(store, (name, "x"))

    with_store(fresh_database_url, work)


def test_an_upgrade_moves_all_of_them_with_their_places_in_the_feed(fresh_database_url: str) -> None:
    async def fill(store: Store) -> None:
        await store.load([{"resourceType": "Patient", "id": name} for name in "ab"])
        for number in range(3):
            await store.append_audit(recorded("create", f"Observation/o{number}", ["a", "b"]))
        await store.load([{"resourceType": "AuditEvent", "id": "strange", "recorded": "yesterday"}])

    async def contents(store: Store) -> list[dict[str, Any]]:
        events = await found(store)
        return sorted(
            ({**event, "entity": event.get("entity", [])} for event in events), key=lambda e: e["id"]
        )

    async def later(store: Store) -> None:
        last = (await feed(store))[-1][0]
        await store.append_audit(recorded("delete", "Observation/o0", ["a"]))
        async with store.pool.connection() as connection:
            changes = await read_audit_changes(connection, (last, 2**62), 100)
        assert len(changes) == 1  # after all that came before
        assert len(await found(store, ("patient", "a"), access=bound("a"))) == 4

    with_store(fresh_database_url, fill)
    before, places = with_store(fresh_database_url, contents), with_store(fresh_database_url, feed)
    downgrade(fresh_database_url, "0011")
    assert rows(fresh_database_url, "resource WHERE type = 'AuditEvent' AND NOT deleted") == 7
    assert upgrade(fresh_database_url)
    assert rows(fresh_database_url, "resource WHERE type = 'AuditEvent'") == 0
    after = with_store(fresh_database_url, contents)
    assert [_sorted(event) for event in after] == [_sorted(event) for event in before]
    assert [xid for xid, _ in with_store(fresh_database_url, feed)] == [xid for xid, _ in places]
    with_store(fresh_database_url, later)


def _sorted(event: dict[str, Any]) -> dict[str, Any]:
    """Without the order of entities, and what a version says of itself."""
    entities = sorted(event["entity"], key=lambda entity: orjson.dumps(entity, option=orjson.OPT_SORT_KEYS))
    return {name: value for name, value in event.items() if name not in ("meta", "entity")} | {
        "entity": entities
    }


def test_what_is_referred_to_and_not_here_is_counted(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load(
            [observation("o1", "a"), observation("o2", "b", performer=[{"reference": "Practitioner/x"}])]
        )
        assert await store.dangling() == {"Patient": 2, "Practitioner": 1}
        await store.load([{"resourceType": "Patient", "id": name} for name in "ab"])
        assert await store.dangling() == {"Practitioner": 1}
        await store.delete("Patient", "a", EVERYTHING)  # this store does not check
        assert await store.dangling() == {"Patient": 1, "Practitioner": 1}
        for name in ("o1", "o2"):
            await store.delete("Observation", name, EVERYTHING)
        assert await store.dangling() == {}

    with_store(fresh_database_url, work)
