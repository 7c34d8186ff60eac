"""A value that two search parameters have (`patient` and `subject`) has one row in the index, and is found by both."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from tests.storage.cohort import observation, with_store

MMHG = {"unit": "mm[Hg]", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}


def _of(identity: str, subject: str | None, code: str, value: int, **more: Any) -> dict[str, Any]:
    made = observation(identity, "anna", code, valueQuantity={"value": value, **MMHG}, **more)
    del made["subject"]
    return made if subject is None else {**made, "subject": {"reference": subject}}


PART = {"code": {"coding": [{"code": "a"}]}, "valueQuantity": {"value": 7, **MMHG}}
RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "anna", "name": [{"family": "Alpha"}]},
    {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "name": "Ward"},
    _of("plain", "Patient/anna", "a", 5),
    _of("group", "Group/g", "a", 6),
    _of("nobody", None, "b", 7),
    _of("parted", "Patient/anna", "b", 5, component=[PART]),
]

# What is found by each: the first of each pair includes the values of others.
QUERIES: dict[str, set[str]] = {
    "subject=Patient/anna": {"plain", "parted"},
    "subject:Patient=anna": {"plain", "parted"},
    "patient=anna": {"plain", "parted"},
    "subject=Group/g": {"group"},
    "subject:missing=true": {"nobody"},
    "subject:missing=false": {"plain", "group", "parted"},
    "patient:missing=true": {"group", "nobody"},
    "subject:Patient.family=alpha": {"plain", "parted"},
    "combo-code=a": {"plain", "group", "parted"},
    "combo-code=b": {"nobody", "parted"},
    "combo-code:not=a": {"nobody"},
    "component-code=a": {"parted"},
    "combo-value-quantity=7": {"nobody", "parted"},
    "combo-value-quantity=gt5": {"group", "nobody", "parted"},
    "combo-value-quantity:missing=true": set(),
    "combo-code-value-quantity=a$7": {"parted"},
    "combo-code-value-quantity=a$5": {"plain"},
    "combo-code-value-quantity=b$5": {"parted"},
    "component-code-value-quantity=a$7": {"parted"},
}

# As before: a row for each parameter.
_BOTH = """
INSERT INTO {table} SELECT {columns} FROM {table} t JOIN parameter p ON p.key = t.parameter AND p.code = '{inner}'
JOIN parameter q ON q.type = p.type AND q.code = '{outer}'
WHERE NOT EXISTS (SELECT FROM {table} o WHERE o.resource = t.resource AND o.parameter = q.key)
"""
_PAIRS = [
    ("reference", "patient", "subject"),
    ("token", "code", "combo-code"),
    ("quantity", "value-quantity", "combo-value-quantity"),
]


async def _check(store: Store) -> None:
    for query, wanted in QUERIES.items():
        name, _, value = query.partition("=")
        page = await store.search("Observation", [(name, value)], EVERYTHING)
        assert {entry.id for entry in page.entries} == wanted, query
        counted = await store.search("Observation", [(name, value), ("_summary", "count")], EVERYTHING)
        assert counted.total == len(wanted), query
    sorted_by = [("_id", "plain,group,parted"), ("_include", "Observation:subject")]
    page = await store.search("Observation", sorted_by, EVERYTHING)
    assert {entry.id for entry in page.included} == {"anna", "g"}
    page = await store.search("Patient", [("_has:Observation:subject:combo-code", "b")], EVERYTHING)
    assert [entry.id for entry in page.entries] == ["anna"]
    page = await store.search("Patient", [("_revinclude", "Observation:subject")], EVERYTHING)
    assert {entry.id for entry in page.included} == {"plain", "parted"}


async def _rows(store: Store, table: str, identity: str) -> int:
    async with store.connection() as connection:
        rows = await connection.execute(
            f"SELECT count(*) FROM {table} t JOIN resource r ON r.key = t.resource WHERE r.id = %s".encode(),
            (identity,),
        )
        row = await rows.fetchone()
    assert row is not None
    return int(row[0])


def test_one_row_is_found_by_all_parameters_that_have_its_value(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load(RESOURCES)
        assert [await _rows(store, table, "plain") for table in ("reference", "quantity")] == [1, 1]
        await _check(store)
        # A correction takes its rows along, whichever parameter they stand under.
        await store.update("Observation", "plain", _of("plain", "Group/g", "c", 9), EVERYTHING)
        page = await store.search("Observation", [("subject", "Patient/anna")], EVERYTHING)
        assert [entry.id for entry in page.entries] == ["parted"]
        await store.update("Observation", "plain", RESOURCES[2], EVERYTHING)
        # An index that was made before has rows for both, and answers the same.
        async with store.connection() as connection:
            for table, inner, outer in _PAIRS:
                names = await connection.execute(
                    "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
                    "ORDER BY ordinal_position",
                    (table,),
                )
                columns = ", ".join(
                    "q.key" if row[0] == "parameter" else f"t.{row[0]}" for row in await names.fetchall()
                )
                text = _BOTH.format(table=table, columns=columns, inner=inner, outer=outer)
                await connection.execute(text.encode())
        assert await _rows(store, "reference", "plain") == 2
        await _check(store)

    with_store(fresh_database_url, work)
