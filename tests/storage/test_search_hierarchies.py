"""References to what is above and below: the way leads only through what the caller may find."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import BadSearch, Store
from tests.storage.cohort import with_store

LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


def _ward(identity: str, part_of: str | None, **more: Any) -> dict[str, Any]:
    made = {"resourceType": "Location", "id": identity, **more}
    return {**made, "partOf": {"reference": f"Location/{part_of}"}} if part_of else made


RESOURCES = [
    _ward("house", None),
    _ward("floor", "house"),
    _ward("closed", "floor", meta={"security": [LABEL]}),
    _ward("room", "closed"),
    # A circle.
    _ward("a", "b"),
    _ward("b", "a"),
    *(
        {
            "resourceType": "Encounter",
            "id": f"in-{ward}",
            "status": "finished",
            "class": {"code": "AMB"},
            "location": [{"location": {"reference": f"Location/{ward}"}}],
        }
        for ward in ("house", "floor", "closed", "room", "a", "b")
    ),
    *(
        {
            "resourceType": "QuestionnaireResponse",
            "id": f"q{number}",
            "status": "completed",
            "questionnaire": f"http://x/q{version}",
        }
        for number, version in enumerate(("", "|4", "|4.1", "|42"))
    ),
]


@pytest.fixture(scope="module")
def database(database_url: str) -> str:
    async def work(store: Store) -> None:
        await store.load(RESOURCES)

    with_store(database_url, work)
    return database_url


async def _ids(store: Store, kind: str, name: str, value: str, access: AccessFilter = EVERYTHING) -> set[str]:
    page = await store.search(kind, [(name, value)], access)
    return {entry.id for entry in page.entries}


def test_what_is_part_of_it_is_found_with_it(database: str) -> None:
    async def work(store: Store) -> None:
        async def wards(name: str, value: str) -> set[str]:
            return {i.removeprefix("in-") for i in await _ids(store, "Encounter", name, value)}

        assert await wards("location:below", "Location/house") == {"house", "floor", "closed", "room"}
        assert await wards("location:below", "floor") == {"floor", "closed", "room"}
        assert await wards("location:above", "closed") == {"house", "floor", "closed"}
        assert await wards("location:below", "a") == {"a", "b"}
        assert await wards("location:below", "nowhere") == set()
        assert await wards("location:below", "room,a") == {"room", "a", "b"}
        quests = ("QuestionnaireResponse", "questionnaire:below")
        assert await _ids(store, *quests, "http://x/q|4") == {"q1", "q2"}
        assert await _ids(store, *quests, "http://x/q") == {"q0", "q1", "q2", "q3"}

    with_store(database, work)


def test_the_way_leads_through_nothing_hidden(database: str) -> None:
    rules = (AccessRule("*", frozenset("rs")),)
    access = AccessFilter(rules, withheld_labels=frozenset({f"{LABEL['system']}|R"}), subject="x")

    async def work(store: Store) -> None:
        assert await _ids(store, "Encounter", "location:below", "house", access) == {"in-house", "in-floor"}
        assert await _ids(store, "Encounter", "location:above", "room", access) == {"in-room"}
        only = AccessFilter((AccessRule("Encounter", frozenset("rs")),), subject="x")
        assert await _ids(store, "Encounter", "location:below", "house", only) == {"in-house"}
        inner = "_has:Encounter:location:location:below"
        assert await _ids(store, "Location", inner, "house", access) == {"house", "floor"}

    with_store(database, work)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Observation", "subject:below", "Patient/x"),
        ("Encounter", "location:below", "Patient/x"),
        ("QuestionnaireResponse", "questionnaire:above", "http://x/q"),
    ],
)
def test_what_has_no_hierarchy_is_refused(database: str, kind: str, name: str, value: str) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(BadSearch):
            await store.search(kind, [(name, value)], EVERYTHING)

    with_store(database, work)
