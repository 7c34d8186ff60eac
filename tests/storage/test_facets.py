"""Searches by status and category, which are one number in a resource's row, find what its content says."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import Store, facets
from tests.storage.cohort import observation, with_store

URL = "http://terminology.hl7.org/CodeSystem/observation-category"
STATUSES = ("final", "amended", "entered-in-error")
CATEGORIES: tuple[list[dict[str, str]], ...] = (
    [],
    [{"system": URL, "code": "laboratory"}],
    [{"system": URL, "code": "vital-signs"}],
    [{"system": URL, "code": "laboratory"}, {"system": "urn:site", "code": "chem\n1|2|3|x"}],
    [{"code": "laboratory"}],
)


def _made(number: int, choose: random.Random) -> dict[str, Any]:
    codings = choose.choice(CATEGORIES)
    more = {"category": [{"coding": codings}]} if codings else {}
    return observation(f"o{number}", f"p{number % 3}", **{"status": choose.choice(STATUSES), **more})


def _codes(resource: dict[str, Any], name: str) -> set[tuple[str, str]]:
    if name == "status":
        return {("http://hl7.org/fhir/observation-status", resource["status"])}
    codings = [coding for concept in resource.get("category", ()) for coding in concept["coding"]]
    return {(coding.get("system", ""), coding["code"]) for coding in codings}


def _meets(resource: dict[str, Any], name: str, value: str) -> bool:
    name, _, modifier = name.partition(":")
    codes = _codes(resource, name)
    if modifier == "missing":
        return (not codes) == (value == "true")
    system, bar, code = value.rpartition("|")
    met = any((not bar or system == one) and code in ("", two) for one, two in codes)
    return met != (modifier == "not")


QUERIES = [
    *((name, value) for name in ("status", "status:not") for value in (*STATUSES, "unknown")),
    ("status", "http://hl7.org/fhir/observation-status|final"),
    *((name, "laboratory") for name in ("category", "category:not")),
    *(
        ("category", value)
        for value in (f"{URL}|laboratory", "|laboratory", f"{URL}|", "urn:none|laboratory")
    ),
    ("category", "urn:site|chem\n1\\|2\\|3\\|x"),
    *(("category:missing", value) for value in ("true", "false")),
    ("status:missing", "true"),
]


async def _check(store: Store, expected: dict[str, dict[str, Any]]) -> None:
    for name, value in QUERIES:
        wanted = {
            key for key, one in expected.items() if _meets(one, name, value.replace("\\|", "|"))
        } if "chem" not in value else {
            key for key, one in expected.items() if ("urn:site", "chem\n1|2|3|x") in _codes(one, "category")
        }  # fmt: skip
        page = await store.search("Observation", [(name, value)], EVERYTHING, count=500, total="accurate")
        assert {entry.id for entry in page.entries} == wanted, (name, value)
        assert page.total == len(wanted)
        own = await store.search("Observation", [("patient", "p1"), (name, value)], EVERYTHING, count=500)
        of_one = {key for key in wanted if expected[key]["subject"]["reference"] == "Patient/p1"}
        assert {entry.id for entry in own.entries} == of_one, (name, value)
    page = await store.search("Observation", [("_sort", "-status")], EVERYTHING, count=500)
    statuses = [expected[entry.id]["status"] for entry in page.entries]
    assert statuses == sorted(statuses, reverse=True)
    both = [("_filter", "status eq final and not (category eq laboratory)")]
    page = await store.search("Observation", both, EVERYTHING, count=500)
    assert {entry.id for entry in page.entries} == {
        key
        for key, one in expected.items()
        if _meets(one, "status", "final") and _meets(one, "category:not", "laboratory")
    }
    bound = AccessFilter(
        (AccessRule("Observation", frozenset("rs"), criteria=(("category", "laboratory"),)),)
    )
    page = await store.search("Observation", [], bound, count=500)
    assert {entry.id for entry in page.entries} == {
        key for key, one in expected.items() if _meets(one, "category", "laboratory")
    }


@pytest.mark.parametrize("most", [facets.MOST, 1], ids=["named", "looked up"])
def test_searches_find_what_contents_say_whatever_was_written(
    fresh_database_url: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "MOST", most)
    choose = random.Random(11)
    expected: dict[str, dict[str, Any]] = {}

    async def work(store: Store) -> None:
        for _ in range(3):
            some = [_made(choose.randrange(60), choose) for _ in range(40)]
            # Loads and single writes, in any order, some of them again.
            for one in some[:20]:
                await store.update("Observation", one["id"], one, EVERYTHING)
                expected[one["id"]] = one
            await store.load(
                list({one["id"]: one for one in some[20:] if one["id"] not in expected}.values())
            )
            expected.update({one["id"]: one for one in some[20:] if one["id"] not in expected})
            for key in choose.sample(sorted(expected), 5):
                await store.delete("Observation", key, EVERYTHING)
                del expected[key]
            await _check(
                store,
                {key: (await store.read("Observation", key, EVERYTHING)).resource() for key in expected},
            )
        await store.reindex()
        await _check(
            store, {key: (await store.read("Observation", key, EVERYTHING)).resource() for key in expected}
        )

    with_store(fresh_database_url, work)


def test_writers_of_the_same_new_set_at_once_store_each(fresh_database_url: str) -> None:
    made = [observation(f"o{number}", "p", status="preliminary") for number in range(12)]

    async def write(one: dict[str, Any]) -> None:
        # Each with a memory of its own, as several processes have.
        async with await Store.open(fresh_database_url) as store:
            await store.update("Observation", one["id"], one, EVERYTHING)

    async def work(store: Store) -> None:
        await asyncio.gather(*map(write, made))
        page = await store.search("Observation", [("status", "preliminary")], EVERYTHING)
        assert len(page.entries) == 12
        async with store.connection() as connection:
            rows = await connection.execute("SELECT count(*) FROM facet_set")
            assert await rows.fetchone() == (1,)

    with_store(fresh_database_url, work)
