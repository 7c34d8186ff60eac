"""`$everything` and `$lastn` under random grants: entries, totals and pages are those of brute force."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.storage import BadCursor, BadSearch, Forbidden, RecordPart, SearchPage, Store
from tests.storage.bounded import FILTERS, PERSON, RESOURCES, Opened, about, may

pytestmark = pytest.mark.usefixtures("opened")


async def _record(
    store: Store, patient: str, access: AccessFilter, part: RecordPart, count: int
) -> list[SearchPage]:
    pages: list[SearchPage] = []
    cursor: str | None = None
    while True:
        pages.append(await store.searches.record_page(patient, access, part, count=count, cursor=cursor))
        cursor = pages[-1].next
        if cursor is None:
            return pages


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    access=FILTERS,
    patient=st.sampled_from([*PERSON, "nobody"]),
    types=st.sampled_from([None, ("Observation",), ("Patient", "Condition"), ("Organization",)]),
    count=st.integers(1, 9),
)
def test_a_record_holds_what_is_about_the_person_and_may_be_seen(
    opened: Opened, access: AccessFilter, patient: str, types: tuple[str, ...] | None, count: int
) -> None:
    wanted = {
        (resource["resourceType"], resource["id"])
        for resource in RESOURCES
        if about(resource) & PERSON.get(patient, set())
        and (types is None or resource["resourceType"] in types)
        and may(access, resource)
    }

    async def run() -> None:
        pages = await _record(opened.store, patient, access, RecordPart(types), count)
        found = [(entry.type, entry.id) for page in pages for entry in page.entries]
        assert len(found) == len(set(found))
        assert set(found) == wanted
        assert all(len(page.entries) == count for page in pages[:-1])
        # The Patients come first.
        kinds = [kind for kind, _ in found]
        assert kinds == sorted(kinds, key=lambda kind: kind != "Patient")
        for page in pages:
            for beside in page.included:
                resource = next(one for one in RESOURCES if one["id"] == beside.id)
                assert may(access, resource)
                assert not about(resource)

    opened.runner.run(run())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    access=FILTERS, patient=st.sampled_from(sorted(PERSON)), most=st.integers(1, 3), count=st.integers(1, 5)
)
def test_the_last_results_are_the_last_of_those_that_may_be_seen(
    opened: Opened, access: AccessFilter, patient: str, most: int, count: int
) -> None:
    by_code: dict[str, list[dict[str, Any]]] = {}
    for resource in RESOURCES:
        if (
            resource["resourceType"] == "Observation"
            and about(resource) & PERSON[patient]
            and may(access, resource)
        ):
            by_code.setdefault(resource["code"]["coding"][0]["code"], []).append(resource)
    wanted = set()
    for of_code in by_code.values():
        moments = sorted((one["effectiveDateTime"] for one in of_code), reverse=True)
        last = moments[:most][-1]
        wanted |= {one["id"] for one in of_code if one["effectiveDateTime"] >= last}

    async def run() -> None:
        parameters = [("patient", patient)]
        if not access.permits("Observation", "s"):
            with pytest.raises(Forbidden):
                await opened.store.searches.last_observations(parameters, access)
            return
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await opened.store.searches.last_observations(
                parameters, access, most=most, count=count, cursor=cursor, most_bytes=10**6
            )
            assert page.total == len(wanted)
            found += [entry.id for entry in page.entries]
            cursor = page.next
            if cursor is None:
                break
        assert len(found) == len(set(found))
        assert set(found) == wanted

    opened.runner.run(run())


def test_a_small_answer_goes_on_with_the_next(opened: Opened) -> None:
    async def run() -> None:
        whole = await opened.store.searches.record_page("anna", EVERYTHING, RecordPart(), count=500)
        cursor: str | None = None
        found: list[str] = []
        while True:  # one entry always is given, however few bytes there are
            page = await opened.store.searches.last_observations(
                [("patient", "anna")], EVERYTHING, most=9, cursor=cursor, most_bytes=10
            )
            assert len(page.entries) == 1
            found += [entry.id for entry in page.entries]
            cursor = page.next
            if cursor is None:
                break
        assert set(found) == {entry.id for entry in whole.entries if entry.type == "Observation"}

    opened.runner.run(run())


def test_what_is_malformed_is_refused(opened: Opened) -> None:
    async def run() -> None:
        for part in (RecordPart(("Nonsense",)), RecordPart(start="x"), RecordPart(end="gt2020")):
            with pytest.raises(BadSearch):
                await opened.store.searches.record_page("anna", EVERYTHING, part)
        page = await opened.store.searches.record_page("anna", EVERYTHING, RecordPart(), count=1)
        with pytest.raises(BadCursor):
            await opened.store.searches.record_page("bea", EVERYTHING, RecordPart(), cursor=page.next)
        for parameters in ([], [("code", "x")], [("patient:missing", "true")], [("subject", "")]):
            with pytest.raises(BadSearch):
                await opened.store.searches.last_observations(parameters, EVERYTHING)

    opened.runner.run(run())
