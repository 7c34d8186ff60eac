"""The latest results of a code, and those of a time, however many there are: rows of codes carry the date."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.fhir.search_parameters import DateEntry, extract
from fhir_bridge.storage import Store, search_estimates, search_walks
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


def _is_on(resource: dict[str, Any], day: str) -> bool:
    return any(
        entry.low is not None
        and entry.high is not None
        and entry.low.isoformat() >= day
        and entry.high.isoformat() <= f"{day[:-2]}{int(day[-2:]) + 1:02}T00:00:00+00:00"
        for entry in extract(resource)
        if isinstance(entry, DateEntry) and entry.parameter == "date"
    )


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

    found = [
        resource
        for resource in resources
        if any(coding["code"] == code for coding in resource["code"]["coding"])
        and (wanted is None or _is_on(resource, wanted))
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
            assert [entry.id for entry in dated.entries] == [
                one["id"] for one in resources if _is_on(one, "2024-02-03") and _is_on(one, "2024-03-03")
            ]

    with_store(fresh_database_url, check)


@pytest.fixture(scope="module")
def mixed(database_url: str) -> tuple[str, list[dict[str, Any]]]:
    resources = results(90)
    for number, resource in enumerate(resources):
        quantity = {"unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}
        resource["component"] = [
            {"code": resource["code"], "valueQuantity": {"value": value, **quantity}}
            for value in (number % 4 / 100 + 5.4, number % 3)
        ]

    async def fill(store: Store) -> None:
        for resource in resources:
            await store.update("Observation", resource["id"], resource, EVERYTHING)

    with_store(database_url, fill)
    return database_url, resources


def _ends(resource: dict[str, Any]) -> tuple[list[float], list[float]]:
    dates = [
        entry for entry in extract(resource) if isinstance(entry, DateEntry) and entry.parameter == "date"
    ]
    return (
        [entry.low.timestamp() if entry.low else float("-inf") for entry in dates],
        [entry.high.timestamp() if entry.high else float("inf") for entry in dates],
    )


@pytest.mark.parametrize("rows", [1, 1_000], ids=["a walk that soon ends", "a walk to the end"])
@pytest.mark.parametrize("access", [EVERYTHING, NOT_FINAL], ids=["all", "not final"])
def test_pages_of_all_by_date_are_in_order_and_miss_nothing(
    mixed: tuple[str, list[dict[str, Any]]],
    rows: int,
    access: AccessFilter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, resources = mixed
    monkeypatch.setattr(search_walks, "LEAST_ROWS", rows)
    monkeypatch.setattr(search_walks, "ROWS_AN_ENTRY", rows)
    seen = [one for one in resources if access is EVERYTHING or one["status"] == "amended"]

    def late(resource: dict[str, Any]) -> tuple[bool, float, int]:
        high = _ends(resource)[1]
        return not high, -max(high, default=0), -int(resource["id"][1:])

    def early(resource: dict[str, Any]) -> tuple[bool, float, int]:
        low = _ends(resource)[0]
        return not low, min(low, default=0), int(resource["id"][1:])

    async def check(store: Store) -> None:
        for rule, key in (("-date", late), ("date", early)):
            found, _ = await pages(store, [("_sort", rule)], access)
            assert found == [one["id"] for one in sorted(seen, key=key)]
        for wanted in ("date=2024-02-03", "date=2024-02", "date=ge2024-02-03", "date=sa2024-02-03"):
            pair = ("date", wanted.removeprefix("date="))
            # `_lastUpdated` changes nothing but the way: pages in the order of storing.
            stored, _ = await pages(store, [pair, ("_lastUpdated", "ge2000")], access)
            assert sorted((await pages(store, [pair], access))[0]) == sorted(stored)
            by_code = [
                one for one in stored if resources[int(one[1:])]["code"]["coding"][0]["code"] == CODES[0]
            ]
            assert sorted((await pages(store, [pair, ("code", CODES[0])], access))[0]) == sorted(by_code)
            if not pair[1].startswith("2"):
                latest = sorted((one for one in seen if one["id"] in stored), key=late)
                assert (await pages(store, [pair, ("_sort", "-date")], access))[0] == [
                    one["id"] for one in latest
                ]
            counted = await store.search(
                "Observation", [("code", CODES[0]), pair, ("_summary", "count")], access
            )
            assert counted.total == len(by_code)

    with_store(url, check)


@pytest.mark.parametrize("rows", [1, 1_000], ids=["a walk that soon ends", "a walk to the end"])
def test_pages_of_a_value_show_each_match_once_whatever_values_it_has(
    mixed: tuple[str, list[dict[str, Any]]], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, resources = mixed
    monkeypatch.setattr(search_walks, "LEAST_ROWS", rows)
    monkeypatch.setattr(search_walks, "ROWS_AN_ENTRY", rows)

    async def check(store: Store) -> None:
        for value in ("5.4", "5.42", "2", "9"):
            for unit in ("", "||mg/dL", "|http://unitsofmeasure.org|mg/dL"):
                pair = ("component-value-quantity", f"{value}{unit}")
                low, high = (
                    (float(value) - 0.05, float(value) + 0.05)
                    if value == "5.4"
                    else (
                        float(value) - (0.005 if "." in value else 0.5),
                        float(value) + (0.005 if "." in value else 0.5),
                    )
                )
                wanted = [
                    one["id"]
                    for one in resources
                    if any(low <= part["valueQuantity"]["value"] < high for part in one["component"])
                ]
                assert sorted((await pages(store, [pair], EVERYTHING))[0]) == sorted(wanted)
                counted = await store.search("Observation", [pair, ("_summary", "count")], EVERYTHING)
                assert counted.total == len(wanted)

    with_store(url, check)


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
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = 3 * BOUND
    monkeypatch.setattr(search_estimates, "SAMPLES", 10)
    monkeypatch.setattr(search_estimates, "SAMPLE", 30)

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
