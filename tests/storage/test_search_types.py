"""Search over several types, in a compartment and without one: within access, page by page in both directions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.storage import BadCursor, BadSearch, Forbidden, SearchPage, Store
from tests.storage.bounded import FILTERS, PERSON, RESOURCES, Opened, about, may
from tests.storage.cohort import observation, with_store


def _in_compartment(resource: dict[str, Any], patient: str) -> bool:
    performers = {performer["reference"].partition("/")[2] for performer in resource.get("performer", [])}
    people = PERSON[patient]
    # The Patient itself is addressed by its id alone; what refers to it also by those it is linked to.
    if resource["resourceType"] == "Patient":
        linked = {link["other"]["reference"].partition("/")[2] for link in resource.get("link", [])}
        return resource["id"] == patient or bool(linked & people)
    return bool((about(resource) | performers) & people)


QUERIES: dict[tuple[tuple[str, str], ...], Any] = {
    (): lambda _: True,
    (("_tag", "x"),): lambda resource: {"code": "x"} in resource.get("meta", {}).get("tag", []),
    (("_id", "o1,c2,h"),): lambda resource: resource["id"] in ("o1", "c2", "h"),
    (("_sort", "-_id"),): lambda _: True,
    (("_sort", "_tag,-_id"),): lambda _: True,
    (("_content", "anna OR organization"),): None,
}


async def _pages(store: Store, cursor: str | None, ahead: bool, *ask: Any, **more: Any) -> list[SearchPage]:
    pages = []
    while True:
        pages.append(await store.searches.of_types(*ask, cursor=cursor, **more))
        cursor = pages[-1].next if ahead else pages[-1].previous
        if cursor is None:
            return pages


def _ids(pages: list[SearchPage]) -> list[tuple[str, str]]:
    return [(entry.type, entry.id) for page in pages for entry in page.entries]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    access=FILTERS,
    types=st.sampled_from([None, ["Observation", "Condition"], ["Patient"], ["Condition", "Organization"]]),
    patient=st.sampled_from([None, *PERSON]),
    query=st.sampled_from([query for query, wanted in QUERIES.items() if wanted]),
    count=st.integers(1, 8),
)
def test_entries_totals_and_pages_are_those_of_brute_force(
    opened: Opened,
    access: AccessFilter,
    types: list[str] | None,
    patient: str | None,
    query: tuple[tuple[str, str], ...],
    count: int,
) -> None:
    if patient is not None and types is not None and "Organization" in types:
        types = ["Condition"]
    compartment = None if patient is None else ("Patient", patient)
    wanted = {
        (resource["resourceType"], resource["id"])
        for resource in RESOURCES
        if (types is None or resource["resourceType"] in types)
        and (patient is None or _in_compartment(resource, patient))
        and QUERIES[query](resource)
        and may(access, resource)
    }

    async def run() -> None:
        ask = (opened.store, None, True, types, list(query), access)
        refused = not any("s" in rule.interactions for rule in access.rules) or any(
            not access.permits(kind, "s") for kind in types or ()
        )
        if refused:
            with pytest.raises(Forbidden):
                await _pages(*ask, count=count, compartment=compartment)
            return
        try:
            pages = await _pages(*ask, count=count, total="accurate", compartment=compartment)
        except Forbidden:  # nothing that is in the compartment is granted
            assert not wanted
            return
        found = _ids(pages)
        assert len(found) == len(set(found))
        assert set(found) == wanted
        assert all(page.total == len(wanted) for page in pages)
        assert all(len(page.entries) == count for page in pages[:-1])
        assert pages[0].previous is None
        # And all the way back, in the same order.
        if len(pages) > 1:
            back = await _pages(
                opened.store, pages[-1].previous, False, types, list(query), access, count=count,
                compartment=compartment,
            )  # fmt: skip
            assert _ids(list(reversed(back))) == found[: len(found) - len(pages[-1].entries)]
            assert all(page.next is not None for page in back)

    opened.runner.run(run())


def test_words_are_looked_for_in_every_type(opened: Opened) -> None:
    async def run() -> None:
        page = await opened.store.searches.of_types(None, [("_content", "h")], EVERYTHING)
        assert [(entry.type, entry.id) for entry in page.entries] == [("Organization", "h")]

    opened.runner.run(run())


def test_a_cursor_serves_its_search_alone(opened: Opened) -> None:
    async def run() -> None:
        store = opened.store
        page = await store.searches.of_types(["Condition", "Observation"], [], EVERYTHING, count=2)
        later = await store.searches.of_types(
            ["Condition", "Observation"], [], EVERYTHING, count=2, cursor=page.next
        )
        for cursor in (page.next, later.previous):
            with pytest.raises(BadCursor):
                await store.searches.of_types(["Condition"], [], EVERYTHING, cursor=cursor)
            with pytest.raises(BadCursor):
                await store.searches.of_types(
                    ["Condition", "Observation"],
                    [],
                    EVERYTHING,
                    cursor=cursor,
                    compartment=("Patient", "anna"),
                )

    opened.runner.run(run())


def test_what_not_every_type_has_is_unknown_or_refused(opened: Opened) -> None:
    async def run() -> None:
        page = await opened.store.searches.of_types(
            ["Organization", "Observation"], [("colour", "red")], EVERYTHING
        )
        assert {parameter.name for parameter in page.unknown} == {"colour"}
        for types, parameters, compartment in (
            (["Nonsense"], [], None),
            (["Organization"], [], ("Patient", "anna")),
            (None, [], ("Organization", "h")),
            (["Organization", "Observation"], [("_sort", "date")], None),
            # Left out for Organizations, all of them would come beside the Observations that were asked for.
            (["Organization", "Observation"], [("code", "718-7")], None),
        ):
            with pytest.raises(BadSearch):
                await opened.store.searches.of_types(types, parameters, EVERYTHING, compartment=compartment)

    opened.runner.run(run())


def test_pages_of_one_type_lead_back_over_absent_values(opened: Opened) -> None:
    async def run() -> None:
        for sort in ("date", "-date", "code,-_id", "_lastUpdated"):
            forward: list[str] = []
            cursor, previous = None, None
            while True:
                page = await opened.store.search(
                    "Observation", [("_sort", sort)], EVERYTHING, count=2, cursor=cursor, most_bytes=10**6
                )
                forward += [entry.id for entry in page.entries]
                previous, cursor = page.previous, page.next
                last = len(page.entries)
                if cursor is None:
                    break
            back: list[str] = []
            while previous:
                page = await opened.store.search(
                    "Observation", [("_sort", sort)], EVERYTHING, count=2, cursor=previous, most_bytes=10**6
                )
                back = [entry.id for entry in page.entries] + back
                previous = page.previous
            assert back == forward[:-last]

    opened.runner.run(run())


def test_which_versions_were_current_when(opened: Opened) -> None:
    async def run() -> None:
        store = opened.store
        moments = []
        for status in ("registered", "preliminary", "final"):
            body = observation("dated", "anna")
            written = await store.update("Observation", "dated", {**body, "status": status}, EVERYTHING)
            moments.append(written.stored.last_updated)
            await asyncio.sleep(0.002)

        async def at(value: str) -> list[int]:
            page = await store.history(EVERYTHING, "Observation", "dated", at=value)
            whole = await store.history(EVERYTHING, "Observation", at=value, count=500)
            versions = [entry.stored.version for entry in page.entries]
            assert versions == [e.stored.version for e in whole.entries if e.stored.id == "dated"]
            return versions

        first, second, third = (moment.isoformat(timespec="milliseconds") for moment in moments)
        assert await at("ge2020") == [3, 2, 1]
        assert await at("gt2020") == [3, 2, 1]
        assert await at("2020") == []
        assert await at(f"lt{first}") == []
        assert await at(f"gt{third}") == [3]
        assert await at(f"lt{third}") == [2, 1]
        assert await at(f"le{first}") == [1]
        assert await at(f"ge{second}") in ([3, 2], [3, 2, 1])
        assert await at(str(moments[0].year)) == [3, 2, 1]
        with pytest.raises(BadSearch):
            await at("yesterday")

    opened.runner.run(run())


def test_a_devices_compartment_is_that_of_the_specification(fresh_database_url: str) -> None:
    """R4 compartmentdefinition-device.html: most types are in it, by one of several parameters."""

    async def work(store: Store) -> None:
        device = {"reference": "Device/pump"}
        await store.load(
            [
                {"resourceType": "Device", "id": "pump"},
                observation("by", "anna", device=device),
                observation("about", "anna", subject=device),
                observation("other", "anna"),
            ]
        )
        page = await store.searches.of_types(["Observation"], [], EVERYTHING, compartment=("Device", "pump"))
        assert sorted(entry.id for entry in page.entries) == ["about", "by"]
        for kind, codes in definitions.compartment("Device").items():
            assert set(codes) <= set(definitions.search_parameters(kind)), kind

    with_store(fresh_database_url, work)
