"""`_filter`: expressions find what the parameters of which they are made find, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import BadSearch, Store
from tests.storage.cohort import observation, with_store

RESOURCES: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "anna",
        "name": [{"family": "D'Ángelo, von", "given": ["Anna"]}],
        "gender": "female",
        "birthDate": "1950-02-01",
    },
    {"resourceType": "Patient", "id": "bea", "name": [{"family": "Rossi"}], "birthDate": "1980-01-01"},
    observation("hb", "anna", "718-7", effectiveDateTime="2024-03-01", valueQuantity={"value": 13.5}),
    observation(
        "pressure",
        "anna",
        "8480-6",
        valueQuantity={"value": 120, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
    ),
    observation("old", "anna", "718-7", effectiveDateTime="2019-03-01", valueQuantity={"value": 9}),
    observation("glucose", "bea", "2345-7", effectiveDateTime="2024-03-02"),
]
FOUND = {
    'Patient?family eq "d\'angelo, von"': {"anna"},
    'Patient?family eq "d\'angelo"': set(),
    'Patient?family ne "rossi"': {"anna"},
    'Patient?family sw "ros"': {"bea"},
    'Patient?family co "gelo"': {"anna"},
    "Patient?gender eq female": {"anna"},
    "Patient?gender ne female": {"bea"},
    "Patient?gender pr false": {"bea"},
    "Patient?gender pr true and birthdate lt 1960": {"anna"},
    "Patient?birthdate ge 1980-01-01 or gender eq female": {"anna", "bea"},
    "Patient?not (birthdate ge 1980-01-01 or gender eq female)": set(),
    'Patient?not (family sw "ro") and (gender eq male or gender eq female)': {"anna"},
    "Patient?_id eq bea": {"bea"},
    "Observation?code eq http://loinc.org|718-7 and date gt 2020": {"hb"},
    'Observation?code eq "http://loinc.org|2345-7"': {"glucose"},
    'Observation?code eq "2345-7"': {"glucose"},
    "Observation?value-quantity lt 10": {"old"},
    "Observation?value-quantity gt 100|http://unitsofmeasure.org|mm[Hg]": {"pressure"},
    'Observation?value-quantity gt "100|http://unitsofmeasure.org|mm[Hg]"': {"pressure"},
    # Also of what has no date, no value.
    "Observation?date ne 2024": {"old", "pressure"},
    "Observation?not (date ne 2024)": {"hb", "glucose"},
    "Observation?value-quantity ne 9": {"hb", "glucose", "pressure"},
    "Observation?subject eq Patient/bea": {"glucose"},
    'Observation?subject:Patient.family co "ROSSI"': {"glucose"},
    'Observation?patient.family sw "d" and value-quantity gt 10': {"hb", "pressure"},
    "Observation?patient.gender ne female": {"glucose"},
}


@pytest.fixture(scope="module")
def database(database_url: str) -> str:
    async def work(store: Store) -> None:
        await store.load(RESOURCES)

    with_store(database_url, work)
    return database_url


async def _ids(
    store: Store, query: str, access: AccessFilter = EVERYTHING, *more: tuple[str, str]
) -> set[str]:
    kind, _, text = query.partition("?")
    page = await store.search(kind, [("_filter", text), *more], access, total="accurate")
    assert page.total == len(page.entries)
    return {entry.id for entry in page.entries}


def test_expressions_find_what_they_say(database: str) -> None:
    async def work(store: Store) -> None:
        assert {query: await _ids(store, query) for query in FOUND} == FOUND

    with_store(database, work)


def test_a_filter_shows_nothing_of_what_is_hidden(database: str) -> None:
    async def work(store: Store) -> None:
        rules = (AccessRule("*", frozenset("rs"), patient="anna"),)
        bound = AccessFilter(rules, subject="anna")
        for query, found in FOUND.items():
            # Nor by a chain through another's resources.
            assert await _ids(store, query, bound) == found & {"anna", "hb", "old", "pressure"}
        assert await _ids(store, "Observation?date gt 2000", EVERYTHING, ("patient", "anna")) == {"hb", "old"}
        assert await _ids(store, "Observation?code ne 2345-7", EVERYTHING, ("patient", "anna")) == {
            "hb",
            "old",
            "pressure",
        }

    with_store(database, work)


@pytest.mark.parametrize(
    "text",
    ["", "gender", "gender eq", "gender is female", "gender eq female and", "(gender eq female", "gender eq female)",
     "not gender eq female", "colour eq red", "name[use eq official].family eq x", "gender co fem", "gender pr maybe",
     "birthdate eq yesterday", 'family eq "a', 'family eq ""', "family gt x", "_filter eq x", "_count eq 1",
     "_has eq x", "(" * 3000 + "gender eq x" + ")" * 3000, "not (" * 40 + "gender eq x" + ")" * 40,
     " and ".join(["gender eq x"] * 60), "general-practitioner.colour eq x", "gender eq female or or"],
)  # fmt: skip
def test_what_can_t_be_read_is_refused(database: str, text: str) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(BadSearch) as caught:
            await store.search("Patient", [("_filter", text)], EVERYTHING)
        assert "filter" in caught.value.message or "birthdate" in caught.value.message

    with_store(database, work)
