"""What occurs together in one repeating element is found together, also after corrections, and after an upgrade."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server.background import reindex_now
from fhir_bridge.storage import BadSearch, Store, upgrade
from fhir_bridge.storage.errors import IndexPending
from tests.storage.cohort import downgrade, observation, with_store

LOINC = "http://loinc.org"


def _component(code: str, value: float | str) -> dict[str, Any]:
    made: dict[str, Any] = {"code": {"coding": [{"system": LOINC, "code": code}]}}
    if isinstance(value, str):
        return {**made, "valueCodeableConcept": {"coding": [{"code": value}]}}
    return {**made, "valueQuantity": {"value": value, "unit": "mmHg"}}


def _pressure(identity: str, systolic: float, diastolic: float) -> dict[str, Any]:
    components = [_component("8480-6", systolic), _component("8462-4", diastolic)]
    return observation(identity, "anna", "85354-9", component=components)


RESOURCES: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "anna",
        "identifier": [
            {"type": {"coding": [{"system": "urn:kinds", "code": "MR"}]}, "system": "urn:a", "value": "7"},
            {"type": {"coding": [{"code": "SS"}], "text": "Codice fiscale"}, "value": "8|9"},
        ],
        "text": {"status": "generated", "div": "<div>Ännchen, <b>bone</b> metastases</div>"},
    },
    {
        "resourceType": "Patient",
        "id": "bea",
        "identifier": [{"system": "urn:a", "value": "7"}],
        "name": [{"family": "Bone"}],
    },
    _pressure("high", 180, 80),
    _pressure("low", 80, 60),
    # Only one component: the root's own code must not be taken for a part of it.
    observation("one", "anna", "8480-6", component=[_component("8462-4", 180)]),
    # The root has the pair, and no component.
    observation("root", "anna", "8480-6", valueQuantity={"value": 175, "unit": "mmHg"}),
    observation("mixed", "anna", "1-8", component=[_component("8480-6", "high"), _component("8462-4", 190)]),
    # One component has a code alone, another a value alone.
    observation(
        "apart",
        "anna",
        "1-8",
        component=[
            {"code": {"coding": [{"system": LOINC, "code": "9-9"}]}},
            {"code": {"text": "other"}, "valueQuantity": {"value": 999, "unit": "mmHg"}},
        ],
    ),
    # Twice the same code: each with its own value.
    observation("twice", "anna", "1-8", component=[_component("8480-6", 70), _component("8480-6", 300)]),
    {
        "resourceType": "MolecularSequence",
        "id": "sequence",
        "coordinateSystem": 1,
        "referenceSeq": {"chromosome": {"coding": [{"code": "1"}]}, "windowStart": 1, "windowEnd": 99},
        "variant": [{"start": 5, "end": 6}, {"start": 8, "end": 20}],
    },
    {
        "resourceType": "DocumentReference",
        "id": "document",
        "relatesTo": [
            {"code": "replaces", "target": {"reference": "DocumentReference/x"}},
            {"code": "appends", "target": {"reference": "DocumentReference/y"}},
        ],
    },
]
PRESSURES = "Observation?component-code-value-quantity="
COMBINED = "Observation?combo-code-value-quantity="
FOUND = {
    f"{PRESSURES}8480-6$gt100": {"high", "twice"},
    f"{PRESSURES}8462-4$gt100": {"one", "mixed"},
    f"{PRESSURES}{LOINC}|8480-6$lt75": {"twice"},
    f"{PRESSURES}8480-6$80": {"low"},
    f"{PRESSURES}8480-6$60": set(),
    f"{PRESSURES}9-9$999": set(),
    f"{COMBINED}9-9$999": set(),
    "Observation?component-value-quantity=999&component-code=9-9": {"apart"},
    f"{PRESSURES}8480-6$60,8462-4$60": {"low"},
    f"{PRESSURES}urn:unknown|8480-6$60": set(),
    f"{COMBINED}8480-6$gt170": {"high", "root", "twice"},
    f"{COMBINED}8462-4$gt170": {"one", "mixed"},
    f"{COMBINED}1-8$gt1": set(),
    "Observation?component-code-value-concept=8480-6$high": {"mixed"},
    "Observation?component-code-value-concept=8462-4$high": set(),
    f"{PRESSURES}8480-6$gt100&{PRESSURES.partition('?')[2]}8462-4$80": {"high"},
    "Observation?patient=anna&component-code-value-quantity=8480-6$180": {"high"},
    "MolecularSequence?chromosome-variant-coordinate=1$5$6": {"sequence"},
    "MolecularSequence?chromosome-variant-coordinate=1$5$20": set(),
    "MolecularSequence?chromosome-variant-coordinate=1$ge5$le20": {"sequence"},
    "MolecularSequence?chromosome-window-coordinate=1$1$99": {"sequence"},
    "DocumentReference?relationship=replaces$DocumentReference/x": {"document"},
    "DocumentReference?relationship=replaces$DocumentReference/y": set(),
    "Patient?identifier:of-type=urn:kinds|MR|7": {"anna"},
    "Patient?identifier:of-type=urn:kinds|MR|8": set(),
    r"Patient?identifier:of-type=|SS|8\|9": {"anna"},
    "Patient?_has:Observation:patient:component-code-value-quantity=8480-6$60": set(),
    "Patient?_has:Observation:patient:component-code-value-quantity=8480-6$80": {"anna"},
    "Observation?patient.identifier:of-type=urn:kinds|MR|7&component-code-value-quantity=8462-4$60": {"low"},
    "Observation?subject:Patient._text=bone&combo-code-value-quantity=8480-6$175": {"root"},
    "Patient?_content=bone": {"anna", "bea"},
    "Patient?_text=bone": {"anna"},
    "Patient?_text=BONE AND (liver OR metastases)": {"anna"},
    'Patient?_text="bone metastases"': {"anna"},
    'Patient?_text="metastases bone"': set(),
    "Patient?_text=NOT bone": {"bea"},
    "Patient?_content=bon": set(),
    "Patient?_content=liver,bone": {"anna", "bea"},
    "Patient?identifier:text=codice f": {"anna"},
    "Patient?identifier:text=fiscale": set(),
    "Patient?identifier:not=7": set(),
}


def _parameters(query: str) -> tuple[str, list[tuple[str, str]]]:
    kind, _, rest = query.partition("?")
    return kind, [(name, value) for name, _, value in (pair.partition("=") for pair in rest.split("&"))]


async def _found(store: Store) -> dict[str, set[str]]:
    result = {}
    for query in FOUND:
        kind, parameters = _parameters(query)
        page = await store.search(kind, parameters, EVERYTHING, total="accurate")
        result[query] = {entry.id for entry in page.entries}
        assert page.total == len(page.entries)
    return result


@pytest.fixture(scope="module")
def database(database_url: str) -> str:
    async def work(store: Store) -> None:
        for resource in RESOURCES:
            await store.update(resource["resourceType"], resource["id"], resource, EVERYTHING)

    with_store(database_url, work)
    return database_url


def test_values_of_one_element_are_found_together(database: str) -> None:
    assert with_store(database, _found) == FOUND


def test_a_correction_moves_a_pair(database: str) -> None:
    async def work(store: Store) -> None:
        async def found(code: str) -> set[str]:
            name = "component-code-value-quantity"
            page = await store.search("Observation", [(name, f"{code}$gt150")], EVERYTHING)
            return {entry.id for entry in page.entries}

        await store.update("Observation", "high", _pressure("high", 80, 180), EVERYTHING)
        assert await found("8480-6") == {"twice"}
        assert await found("8462-4") == {"high", "one", "mixed"}
        await store.delete("Observation", "high", EVERYTHING)
        assert await found("8462-4") == {"one", "mixed"}
        await store.update("Observation", "high", _pressure("high", 180, 80), EVERYTHING)

    with_store(database, work)


def test_only_values_that_need_telling_apart_have_a_number(database: str) -> None:
    async def work(store: Store) -> None:
        async with store.connection() as connection:
            rows = await connection.execute(
                "SELECT DISTINCT r.id FROM token t JOIN resource r ON r.key = t.resource WHERE t.element IS NOT NULL"
            )
            assert {row[0] for row in await rows.fetchall()} >= {"high", "one", "sequence"}
            rows = await connection.execute(
                "SELECT count(*) FROM quantity t JOIN resource r ON r.key = t.resource WHERE r.id = 'root' "
                "AND t.element IS NOT NULL"
            )
            assert (await rows.fetchone()) == (0,)

    with_store(database, work)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Observation", "component-code-value-quantity", "8480-6"),
        ("Observation", "component-code-value-quantity", "8480-6$"),
        ("Observation", "component-code-value-quantity", "8480-6$x"),
        ("Observation", "component-code-value-quantity", "8480-6$1$2"),
        ("Observation", "component-code-value-quantity:exact", "8480-6$1"),
        ("Patient", "identifier:of-type", "MR|7"),
        ("Patient", "identifier:of-type", "urn:kinds|MR|"),
        ("Patient", "_content", ""),
        ("Patient", "_content", "()"),
        ("Patient", "_content", "a OR"),
        ("Patient", "_content", "(a"),
        ("Patient", "_content", '"a'),
        ("Patient", "_content", "&"),
        ("Patient", "_content", "(" * 3000 + "a" + ")" * 3000),
        ("Patient", "_text", "NOT " * 2000 + "a"),
        ("Patient", "_text:exact", "a"),
    ],
)
def test_what_can_t_be_read_is_refused(database: str, kind: str, name: str, value: str) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(BadSearch):
            await store.search(kind, [(name, value)], EVERYTHING)

    with_store(database, work)


def test_what_was_stored_before_is_found_once_it_is_indexed_anew(fresh_database_url: str) -> None:
    async def store_all(store: Store) -> None:
        await store.load(RESOURCES)

    with_store(fresh_database_url, store_all)
    downgrade(fresh_database_url, "0011")
    assert upgrade(fresh_database_url)

    async def pending(store: Store) -> None:
        for query in ("component-code-value-quantity=8480-6$60", "combo-code-value-quantity=8480-6$60"):
            with pytest.raises(IndexPending):
                await store.search(*_parameters(f"Observation?{query}"), EVERYTHING)
        # What needs nothing new is answered meanwhile.
        assert (await store.search("Patient", [("_content", "bone")], EVERYTHING)).entries
        await reindex_now(store, lambda _: None)
        assert await _found(store) == FOUND

    with_store(fresh_database_url, pending)


def test_texts_that_the_database_can_t_read_are_stored_and_found_by_all_else(database: str) -> None:
    async def work(store: Store) -> None:
        long = {
            "resourceType": "Basic",
            "id": "long",
            "code": {"text": " ".join(f"w{number}" for number in range(300_000))},
        }
        await store.update("Basic", "long", long, EVERYTHING)
        page = await store.search("Basic", [("_content", "w17")], EVERYTHING)
        assert [entry.id for entry in page.entries] == ["long"]

    with_store(database, work)


def test_an_element_is_told_apart_by_random_components(database: str) -> None:
    """Against brute force: every pair of code and value."""

    async def work(store: Store) -> None:
        import random

        chance = random.Random(7)
        made = [
            observation(
                f"r{n}",
                "bea",
                "x",
                component=[
                    _component(chance.choice("ab"), chance.randint(1, 3)) for _ in range(chance.randint(1, 3))
                ],
            )
            for n in range(25)
        ]
        await asyncio.gather(*(store.update("Observation", one["id"], one, EVERYTHING) for one in made))
        for code in "ab":
            for value in (1, 2, 3):
                wanted = {
                    one["id"]
                    for one in made
                    if any(
                        part["code"]["coding"][0]["code"] == code and part["valueQuantity"]["value"] == value
                        for part in one["component"]
                    )
                }
                for name in ("component-code-value-quantity", "combo-code-value-quantity"):
                    query = [("patient", "bea"), (name, f"{code}${value}")]
                    page = await store.search("Observation", query, EVERYTHING, total="accurate")
                    assert {entry.id for entry in page.entries} == wanted

    with_store(database, work)
