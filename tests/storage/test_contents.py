"""Contents are stored with marks, and read whole, by the program and by the database alike."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from fhir_bridge.storage.contents import MARKS, shortened, whole
from tests.storage.cohort import observation, with_store

TEXTS = st.one_of(st.text(), st.sampled_from([text.decode() for text in MARKS.values()]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=20,
)
CODED = {
    "status": "final",
    "category": [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "laboratory",
                }
            ]
        }
    ],
    "valueQuantity": {
        "value": 5,
        "unit": "mg/dL",
        "system": "http://unitsofmeasure.org",
        "code": "mg/dL",
    },
}


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_what_is_shortened_is_whole_again(content: dict[str, Any]) -> None:
    for resource in (content, {"resourceType": "Observation", "id": "o", **content}):
        text = orjson.dumps(resource)
        stored = shortened(text)
        assert whole(stored) == text
        stored.decode()
        assert b"\0" not in stored


def test_each_text_gets_its_mark() -> None:
    for mark, text in MARKS.items():
        stored = shortened(b'{"resourceType":"X"' + text)
        assert stored.endswith(b'X"' + mark), text


def test_the_database_reads_contents_as_the_program_does(database_url: str) -> None:
    resources = [
        {"resourceType": "Observation", **CODED, "note": [{"text": text}]}
        for text in ('Ω \u0001 \\ " }]}', "", *(text.decode() for text in MARKS.values()))
    ]
    contents = [orjson.dumps(each) for each in resources] + [b"{}", b'{"id":"1","resourceType":"X"}']
    every = b'{"resourceType":"' + b" ".join(MARKS.values()) + b'"}'
    with psycopg.connect(database_url) as connection:
        for content in (*contents, every):
            row = connection.execute(
                "SELECT resource_text(s), resource_size(s) FROM (SELECT convert_from(%b, 'UTF8')::varchar s) x",
                (shortened(content),),
            ).fetchone()
            assert row == (content.decode(), len(content))


def test_contents_alone_are_varchar(database_url: str) -> None:
    """By that type the driver knows them (`storage.contents`)."""
    with psycopg.connect(database_url) as connection:
        columns = connection.execute(
            "SELECT table_name || '.' || column_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type = 'character varying' ORDER BY 1"
        ).fetchall()
    assert [name for (name,) in columns] == [
        "alembic_version.version_num", "contribution.bytes", "history.bytes", "output.bytes", "resource.bytes",
    ]  # fmt: skip


def test_a_process_of_an_earlier_program_stores_nothing_unreadable(fresh_database_url: str) -> None:
    """It hands its bytes over as bytea, of which a text column would take the hexadecimal digits."""

    async def work(store: Store) -> None:
        for value in (1, 2):
            sent = {**observation("o", "p"), "valueInteger": value}
            await store.update("Observation", "o", sent, EVERYTHING)
        async with store.connection() as connection:
            for table in ("resource", "history"):
                with pytest.raises(psycopg.errors.CheckViolation):
                    async with connection.transaction():
                        await connection.execute(
                            f"UPDATE {table} SET bytes = %b::bytea".encode(), (b'{"resourceType":"X"}',)
                        )
            rows = await connection.execute(
                "SELECT conrelid::regclass::text FROM pg_constraint WHERE conname LIKE '%\\_content' ORDER BY 1"
            )
            assert await rows.fetchall() == [("contribution",), ("history",), ("output",), ("resource",)]

    with_store(fresh_database_url, work)


def test_what_is_stored_is_smaller_and_read_as_it_was(fresh_database_url: str) -> None:
    sent = {**observation("o", "p"), **CODED}

    async def work(store: Store) -> None:
        await store.update("Observation", "o", sent, EVERYTHING)
        first = await store.read("Observation", "o", EVERYTHING)
        for status in ("amended", "corrected"):
            await store.update("Observation", "o", {**sent, "status": status}, EVERYTHING)
        assert (await store.vread("Observation", "o", "1", EVERYTHING)).bytes == first.bytes
        assert {name: first.resource()[name] for name in sent} == sent
        for word in ("laboratory", "corrected"):
            page = await store.search("Observation", [("_content", word)], EVERYTHING)
            assert [entry.id for entry in page.entries] == ["o"]
        assert not (await store.search("Observation", [("_content", "amended")], EVERYTHING)).entries
        async with store.connection() as connection:
            rows = await connection.execute("SELECT octet_length(bytes), resource_size(bytes) FROM history")
            assert all(stored < size / 2 for stored, size in await rows.fetchall())

    with_store(fresh_database_url, work)
