"""Granular scopes and labels, case by case: as SQL over what is stored, and in Python over what is written or past."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import Forbidden, NotFound, Store
from tests.storage.cohort import observation, with_store

SYSTEM, OTHER = "urn:category", "urn:other"
LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


def concept(code: str, system: str | None = None) -> dict[str, Any]:
    coding = {"code": code} | ({"system": system} if system else {})
    return {"coding": [coding]}


CASES = {
    "right": {"category": [concept("lab", SYSTEM)]},
    "other-code": {"category": [concept("vital", SYSTEM)]},
    "other-system": {"category": [concept("lab", OTHER)]},
    "no-system": {"category": [concept("lab")]},
    "other-parameter": {
        "category": [concept("vital", OTHER)],
        "valueCodeableConcept": concept("lab", SYSTEM),
    },
    "none": {},
}


def resource(name: str, identity: str = "") -> dict[str, Any]:
    return observation(identity or name, "a", **CASES[name])


def within(value: str, parameter: str = "category") -> AccessFilter:
    return AccessFilter((AccessRule("Observation", frozenset("cruds"), criteria=((parameter, value),)),))


CRITERIA: list[tuple[AccessFilter, set[str]]] = [
    (within(f"{SYSTEM}|lab"), {"right"}),
    (within(f"{SYSTEM}|"), {"right", "other-code"}),
    (within("lab"), {"right", "other-system", "no-system"}),
    (within("|lab"), {"no-system"}),
    (within("|"), {"no-system"}),
    (within(""), set()),
    (within("urn:unheard|lab"), set()),
    (within("urn:unheard|"), set()),
    (within(f"{SYSTEM}|unheard"), set()),
    (within(f"{SYSTEM}|lab", "nonsense"), set()),
    (within(f"{SYSTEM}|lab", "subject"), set()),
    (within(f"{SYSTEM}|lab", "value-concept"), {"other-parameter"}),
]


@pytest.fixture(scope="module")
def filled(database_url: str) -> str:
    async def work(store: Store) -> None:
        for name in CASES:
            await store.update("Observation", name, resource(name), EVERYTHING)
            again = resource(name) | {"status": "amended"}
            await store.update("Observation", name, again, EVERYTHING)

    with_store(database_url, work)
    return database_url


@pytest.mark.parametrize(
    ("access", "expected"), CRITERIA, ids=[str(access.rules[0].criteria) for access, _ in CRITERIA]
)
def test_a_criterion_means_the_same_for_search_read_history_and_write(
    filled: str, access: AccessFilter, expected: set[str]
) -> None:
    async def allowed(call: Any) -> bool:
        try:
            await call
        except (NotFound, Forbidden):
            return False
        return True

    async def work(store: Store) -> None:
        page = await store.search("Observation", [("code", "718-7")], access, count=100)
        assert {entry.id for entry in page.entries if entry.id in CASES} == expected
        for name in CASES:
            may = name in expected
            assert await allowed(store.read("Observation", name, access)) == may, name
            assert await allowed(store.vread("Observation", name, "1", access)) == may, name
            assert await allowed(store.create(resource(name), access)) == may, name

    with_store(filled, work)


def test_a_past_version_with_a_withheld_label_stays_hidden(fresh_database_url: str) -> None:
    rule = AccessRule("*", frozenset("cruds"))
    access = AccessFilter((rule,), withheld_labels=frozenset({f"{LABEL['system']}|R"}))

    async def work(store: Store) -> None:
        labelled = observation("o", "a") | {"meta": {"security": [LABEL]}}
        await store.update("Observation", "o", labelled, EVERYTHING)
        with pytest.raises(NotFound):
            await store.read("Observation", "o", access)
        await store.update("Observation", "o", observation("o", "a"), EVERYTHING)
        assert (await store.read("Observation", "o", access)).version == 2
        with pytest.raises(NotFound):
            await store.vread("Observation", "o", "1", access)
        page = await store.history(access, "Observation", "o")
        assert [entry.stored.version for entry in page.entries] == [2]
        with pytest.raises(Forbidden):
            await store.create(labelled, access)
        other = {**LABEL, "code": "N"}
        await store.create(observation("x", "a") | {"meta": {"security": [other]}}, access)

    with_store(fresh_database_url, work)


def test_a_rule_of_another_interaction_or_type_gives_nothing(fresh_database_url: str) -> None:
    def of(kind: str, letters: str) -> AccessFilter:
        return AccessFilter((AccessRule(kind, frozenset(letters)),))

    async def work(store: Store) -> None:
        await store.update("Observation", "o", observation("o", "a"), EVERYTHING)
        for access in (of("Observation", "r"), of("Condition", "cruds")):
            for call in (
                store.create(observation("x", "a"), access),
                store.update("Observation", "o", observation("o", "a", "1-0"), access),
                store.search("Observation", [], access),
                store.delete("Observation", "o", access),
            ):
                with pytest.raises(Forbidden):
                    await call
        mixed = AccessFilter(
            (AccessRule("Observation", frozenset("c"), "a"), AccessRule("Observation", frozenset("r"), "b"))
        )
        for patient, may in (("a", True), ("b", False)):
            if may:
                await store.create(observation("x", patient), mixed)
            else:
                with pytest.raises(Forbidden):
                    await store.create(observation("x", patient), mixed)

    with_store(fresh_database_url, work)


def test_a_person_with_two_records_writes_in_both(fresh_database_url: str) -> None:
    access = AccessFilter((AccessRule("*", frozenset("cruds"), "new"),))

    async def work(store: Store) -> None:
        for name in ("new", "old", "other"):
            await store.update("Patient", name, {"resourceType": "Patient", "id": name}, EVERYTHING)
        with pytest.raises(Forbidden):
            await store.create(observation("x", "old"), access)
        await store.link_patients("new", "old")
        for name in ("new", "old"):
            await store.create(observation("x", name), access)
        with pytest.raises(Forbidden):
            await store.create(observation("x", "other"), access)
        assert (await store.search("Observation", [], access)).total == 2

    with_store(fresh_database_url, work)
