"""Views over the store: one picture of it, within what the caller may see."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING, NOTHING, AccessFilter, AccessRule
from fhir_bridge.fhir.views import compile_view
from fhir_bridge.pipeline.views import open_sink, run_view, stored_records
from fhir_bridge.storage import Forbidden, NotFound, Store

SECRET = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}
VIEW = compile_view(
    {
        "resource": "Observation",
        "select": [
            {
                "column": [
                    {"name": "id", "path": "id"},
                    {"name": "value", "path": "value.ofType(Quantity).value"},
                ]
            }
        ],
    }
)


def observation(identity: str, patient: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


@pytest.fixture(scope="module")
def filled(database_url: str) -> str:
    async def fill() -> None:
        async with await Store.open(database_url) as store:
            for patient in ("p", "q"):
                await store.update("Patient", patient, {"resourceType": "Patient", "id": patient}, EVERYTHING)
            for resource in (
                observation("a", "p", valueQuantity={"value": 5.25}),
                observation("b", "q"),
                observation("c", "p", meta={"security": [SECRET]}),
                observation("d", "p"),
            ):
                await store.update("Observation", resource["id"], resource, EVERYTHING)
            await store.delete("Observation", "d", EVERYTHING)

    asyncio.run(fill())
    return database_url


def ids(url: str, access: AccessFilter) -> list[str]:
    stream = io.BytesIO()
    with open_sink("csv", VIEW.columns, None, stream=stream) as sink:
        run_view(VIEW, stored_records(url, "Observation", access), sink)
    return [line.split(",")[0] for line in stream.getvalue().decode().split()[1:]]


def test_current_resources_are_read_with_their_digits(filled: str) -> None:
    stream = io.BytesIO()
    with open_sink("csv", VIEW.columns, None, stream=stream) as sink:
        done = run_view(VIEW, stored_records(filled, "Observation"), sink)
    assert stream.getvalue() == b"id,value\r\na,5.25\r\nb,\r\nc,\r\n"
    assert (done.rows, done.account.skipped) == (3, 0)


def test_access_is_decided_in_the_query(filled: str) -> None:
    of_p = AccessFilter((AccessRule("Observation", frozenset("rs"), patient="p"),))
    assert ids(filled, of_p) == ["a", "c"]
    withheld = AccessFilter(of_p.rules, withheld_labels=frozenset({f"{SECRET['system']}|V"}))
    assert ids(filled, withheld) == ["a"]


def test_without_a_grant_nothing_is_read(filled: str) -> None:
    with pytest.raises(Forbidden):
        ids(filled, NOTHING)
    with pytest.raises(Forbidden):
        ids(filled, AccessFilter((AccessRule("Observation", frozenset("r")),)))


def test_an_unknown_type_is_refused(filled: str) -> None:
    with pytest.raises(NotFound):
        list(stored_records(filled, "Nonsense"))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    async with await Store.open(url) as store:
        yield store


def test_what_is_written_meanwhile_is_not_seen(fresh_database_url: str) -> None:
    async def read() -> list[str]:
        async with opened(fresh_database_url) as store:
            for number in range(5):
                patient = {"resourceType": "Patient", "id": f"p{number}"}
                await store.update("Patient", patient["id"], patient, EVERYTHING)
            results = []
            async for page in store.stream("Patient", EVERYTHING, page=2):
                results += [stored.id for stored in page]
                if len(results) == 2:
                    await store.delete("Patient", "p4", EVERYTHING)
                    await store.update("Patient", "new", {"resourceType": "Patient", "id": "new"}, EVERYTHING)
            return results

    assert asyncio.run(read()) == [f"p{number}" for number in range(5)]


def test_a_reader_that_stops_early_gives_its_connection_back(filled: str) -> None:
    for _ in range(6):
        records = stored_records(filled, "Observation")
        assert next(records).locator == "Observation/a"
        records.close()  # type: ignore[attr-defined]
