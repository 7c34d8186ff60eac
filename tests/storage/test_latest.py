"""The latest results of a code, and those of a time, however many there are: rows of codes carry the date."""

from __future__ import annotations

import random
from typing import Any

import psycopg

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.fhir.search_parameters import DateEntry, extract
from fhir_bridge.storage import Store
from fhir_bridge.storage.search_estimates import BOUND
from tests.storage.cohort import downgrade, observation, with_store

LOINC, LOCAL = "http://loinc.org", "urn:local"
CODES = ("718-7", "2160-0")
NOT_FINAL = AccessFilter((AccessRule("Observation", frozenset("rs"), criteria=(("status", "amended"),)),))


def results(count: int) -> list[dict[str, Any]]:
    """Observations of every kind of date, one or two codings, one or two patients."""
    choose = random.Random(11)

    def day() -> str:
        return f"2024-0{choose.randrange(1, 4)}-0{choose.randrange(1, 8)}"

    def date() -> dict[str, Any]:
        kinds: list[dict[str, Any]] = [
            {},
            {"effectiveDateTime": day()[:7]},
            {"effectiveDateTime": day()},
            {"effectiveInstant": f"{day()}T10:00:00Z"},
            {"effectivePeriod": {"start": day(), "end": "2024-05-01"}},
            {"effectivePeriod": {"start": day()}},
            {"effectivePeriod": {"end": day()}},
            {"effectiveTiming": {"event": [day(), day(), day()]}},
        ]
        return choose.choice(kinds)

    resources = []
    for number in range(count):
        code = choose.choice(CODES)
        resource = observation(f"o{number}", f"p{number % 5}", code, **date())
        if choose.random() < 0.3:
            resource["code"]["coding"].append({"system": LOCAL, "code": code})
        if choose.random() < 0.3:
            resource["status"] = "amended"
        if choose.random() < 0.2:
            resource["performer"] = [{"reference": "Patient/p9"}]
        resources.append(resource)
    return resources


def expected(
    resources: list[dict[str, Any]], code: str, wanted: str | None, access: AccessFilter
) -> list[str]:
    """Ids of the code's results on a day, the latest first; of those of one end in the order of their making."""

    def ends(resource: dict[str, Any]) -> list[DateEntry]:
        return [
            entry for entry in extract(resource) if isinstance(entry, DateEntry) and entry.parameter == "date"
        ]

    def key(resource: dict[str, Any]) -> tuple[bool, float]:
        highs = [entry.high.timestamp() if entry.high else float("inf") for entry in ends(resource)]
        return not highs, -max(highs, default=0.0)

    def on(resource: dict[str, Any]) -> bool:
        return wanted is None or any(
            entry.low is not None
            and entry.high is not None
            and entry.low.isoformat() >= wanted
            and entry.high.isoformat() <= f"{wanted[:-2]}{int(wanted[-2:]) + 1:02}T00:00:00+00:00"
            for entry in ends(resource)
        )

    found = [
        resource
        for resource in resources
        if any(coding["code"] == code for coding in resource["code"]["coding"])
        and on(resource)
        and (access is EVERYTHING or resource["status"] == "amended")
    ]
    return [resource["id"] for resource in sorted(found, key=key)]


async def pages(
    store: Store, parameters: list[tuple[str, str]], access: AccessFilter
) -> tuple[list[str], list[list[str]]]:
    """The ids of all pages, forwards; and the same pages as one comes to them backwards from the last."""
    page = await store.search("Observation", parameters, access, count=7)
    forwards = [[entry.id for entry in page.entries]]
    while page.next:
        page = await store.search("Observation", parameters, access, count=7, cursor=page.next)
        forwards.append([entry.id for entry in page.entries])
    backwards = [forwards[-1]]
    while page.previous:
        page = await store.search("Observation", parameters, access, count=7, cursor=page.previous)
        if page.entries:
            backwards.insert(0, [entry.id for entry in page.entries])
    assert [identity for some in backwards for identity in some] == [i for some in forwards for i in some]
    return [identity for some in forwards for identity in some], forwards


def test_the_latest_of_a_code_come_in_order_whatever_their_dates_codings_and_patients(
    fresh_database_url: str,
) -> None:
    resources = results(90)

    async def check(store: Store) -> None:
        for access in (EVERYTHING, NOT_FINAL):
            for code in CODES:
                wanted = expected(resources, code, None, access)
                for value in (code, f"{LOINC}|{code}"):
                    found, _ = await pages(store, [("code", value), ("_sort", "-date")], access)
                    assert found == wanted
                local, _ = await pages(store, [("code", f"{LOCAL}|{code}"), ("_sort", "-date")], access)
                assert local == [i for i in wanted if len(resources[int(i[1:])]["code"]["coding"]) == 2]
                assert await pages(store, [("code", f"urn:none|{code}"), ("_sort", "-date")], access) == (
                    [],
                    [[]],
                )

    async def fill(store: Store) -> None:
        for resource in resources:
            await store.update("Observation", resource["id"], resource, EVERYTHING)
        await check(store)

    with_store(fresh_database_url, fill)
    # An upgraded database has the same rows.
    downgrade(fresh_database_url, "0016")
    with_store(fresh_database_url, check)
    with psycopg.connect(fresh_database_url) as connection:
        rows = connection.execute("SELECT count(*), count(moment) FROM token").fetchone()
    assert rows is not None

    async def reindexed(store: Store) -> None:
        await store.reindex()
        await check(store)

    with_store(fresh_database_url, reindexed)
    with psycopg.connect(fresh_database_url) as connection:
        assert connection.execute("SELECT count(*), count(moment) FROM token").fetchone() == rows


def test_a_code_and_a_day_find_what_has_both(fresh_database_url: str) -> None:
    resources = results(90)

    async def check(store: Store) -> None:
        for resource in resources:
            await store.update("Observation", resource["id"], resource, EVERYTHING)
        for code in CODES:
            for day in range(1, 8):
                wanted = expected(resources, code, f"2024-02-0{day}", EVERYTHING)
                latest = await store.search(
                    "Observation",
                    [("code", code), ("date", f"2024-02-0{day}"), ("_sort", "-date")],
                    EVERYTHING,
                )
                assert [entry.id for entry in latest.entries] == wanted
                plain = await store.search(
                    "Observation", [("code", code), ("date", f"2024-02-0{day}")], EVERYTHING
                )
                assert {entry.id for entry in plain.entries} == set(wanted)
            for prefix in ("ge", "gt", "sa", "le", "lt", "eb", "ne", "ap"):
                either = [("date", f"{prefix}2024-02-03")]
                dated = await store.search("Observation", either, EVERYTHING, count=200)
                both = await store.search("Observation", [("code", code), *either], EVERYTHING, count=200)
                assert sorted(entry.id for entry in both.entries) == sorted(
                    entry.id
                    for entry in dated.entries
                    if entry.resource()["code"]["coding"][0]["code"] == code
                )
            # Two dates may be met by two events of one result.
            twice = [("date", "2024-02-03"), ("date", "2024-03-03")]
            dated = await store.search("Observation", twice, EVERYTHING, count=200)
            both = await store.search("Observation", [("code", code), *twice], EVERYTHING, count=200)
            assert [entry.id for entry in both.entries] == [
                entry.id for entry in dated.entries if entry.resource()["code"]["coding"][0]["code"] == code
            ]

    with_store(fresh_database_url, check)


def test_a_correction_of_the_date_moves_a_result(fresh_database_url: str) -> None:
    async def check(store: Store) -> None:
        for identity, day in (("a", "2024-01-01"), ("b", "2024-01-02")):
            resource = observation(identity, "p", effectiveDateTime=day)
            await store.update("Observation", identity, resource, EVERYTHING)
        wanted = [("code", "718-7"), ("_sort", "-date")]
        assert [e.id for e in (await store.search("Observation", wanted, EVERYTHING)).entries] == ["b", "a"]
        changed = observation("a", "p", effectiveDateTime="2024-01-03")
        await store.update("Observation", "a", changed, EVERYTHING)
        assert [e.id for e in (await store.search("Observation", wanted, EVERYTHING)).entries] == ["a", "b"]
        await store.delete("Observation", "a", EVERYTHING)
        assert [e.id for e in (await store.search("Observation", wanted, EVERYTHING)).entries] == ["b"]

    with_store(fresh_database_url, check)


def test_an_estimate_is_exact_up_to_a_bound_near_beyond_and_counts_what_one_may_see(
    fresh_database_url: str,
) -> None:
    total = 3 * BOUND

    async def check(store: Store) -> None:
        await store.load(
            observation(f"o{number}", f"p{number % 50}", status="final" if number % 60 else "amended")
            for number in range(total)
        )
        async with store.connection() as connection:
            await connection.execute("ANALYZE")
        for asked in ([("_total", "estimate")], [("_total", "estimate"), ("_summary", "count")]):
            page = await store.search("Observation", [("code", "718-7"), *asked], EVERYTHING)
            assert page.total is not None
            assert abs(page.total - total) < total / 10
            page = await store.search("Observation", [("code", "718-7"), *asked], NOT_FINAL)
            assert page.total == total // 60
        page = await store.search("Observation", [("patient", "p1"), ("_total", "estimate")], EVERYTHING)
        assert page.total == total // 50

    with_store(fresh_database_url, check)
