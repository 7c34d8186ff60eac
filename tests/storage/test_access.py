"""The access filter is part of every statement: under random grants, whatever storage gives equals brute force."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import Forbidden, NotFound, Store

PATIENTS = ("anna", "bea", "clara")
CATEGORIES = ("laboratory", "vital-signs")
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def _component(number: int) -> dict[str, Any]:
    return {"code": {"coding": [{"code": "ab"[number]}]}, "valueQuantity": {"value": number}}


def _make() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [{"resourceType": "Patient", "id": patient} for patient in PATIENTS]
    made[2]["link"] = [{"other": {"reference": "Patient/bea"}, "type": "replaced-by"}]  # clara is bea
    for number in range(36):
        resource: dict[str, Any] = {
            "resourceType": "Observation",
            "id": f"o{number}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": f"{number % 4}-0"}]},
        }
        if number % 3 == 0:
            resource["component"] = [_component(number % 2), _component(1 - number % 2)]
        if number % 5:
            resource["subject"] = {"reference": f"Patient/{PATIENTS[number % 3]}"}
        if number % 7 == 0:
            resource["performer"] = [{"reference": "Patient/anna"}]
        if number % 2:
            resource["category"] = [{"coding": [{"system": CATEGORY, "code": CATEGORIES[number % 4 // 2]}]}]
        if number % 6 == 0:
            resource["meta"] = {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}
        made.append(resource)
    made += [
        {"resourceType": "Condition", "id": f"c{patient}", "subject": {"reference": f"Patient/{patient}"}}
        for patient in PATIENTS
    ]
    made += [
        {
            "resourceType": "Appointment",
            "id": f"a{number}",
            "participant": [{"actor": {"reference": f"Patient/{patient}"}} for patient in together],
        }
        for number, together in enumerate((("anna",), ("anna", "bea"), ("bea", "clara"), ()))
    ]
    made.append({"resourceType": "Organization", "id": "h"})
    return made


RESOURCES = _make()
PERSON = {"anna": {"anna"}, "bea": {"bea", "clara"}, "clara": {"bea", "clara"}, "nobody": {"nobody"}}


def _about(resource: dict[str, Any]) -> set[str]:
    """Whom a resource is about; written by hand, apart from the code under test."""
    if resource["resourceType"] == "Patient":
        return {resource["id"]}
    references = [resource.get("subject", {}), *(one["actor"] for one in resource.get("participant", []))]
    return {reference["reference"].removeprefix("Patient/") for reference in references if reference}


def _may(access: AccessFilter, resource: dict[str, Any], letter: str) -> bool:
    labels = {f"{label['system']}|{label['code']}" for label in resource.get("meta", {}).get("security", [])}
    if labels & access.withheld_labels:
        return False
    tokens = {
        (name, f"{coding['system']}|{coding['code']}")
        for name, concepts in (
            ("category", resource.get("category", [])),
            ("code", [resource.get("code", {})]),
        )
        for concept in concepts
        for coding in concept.get("coding", [])
    }
    return any(
        letter in rule.interactions
        and rule.type in ("*", resource["resourceType"])
        and (rule.patient is None or set() < _about(resource) <= PERSON[rule.patient])
        and set(rule.criteria) <= tokens
        for rule in access.rules
    )


RULES = st.builds(
    AccessRule,
    type=st.sampled_from(["*", "Observation", "Patient", "Condition", "Appointment", "Organization"]),
    interactions=st.frozensets(st.sampled_from("rs"), min_size=1),
    patient=st.sampled_from([None, *PERSON]),
    criteria=st.lists(
        st.sampled_from(
            [
                ("category", f"{CATEGORY}|laboratory"),
                ("category", f"{CATEGORY}|vital-signs"),
                ("code", "http://loinc.org|1-0"),
            ]
        ),
        max_size=2,
        unique=True,
    ).map(tuple),
)
FILTERS = st.builds(
    AccessFilter,
    rules=st.lists(RULES, max_size=3).map(tuple),
    withheld_labels=st.sampled_from(
        [frozenset(), frozenset({f"{CONFIDENTIALITY}|R"}), frozenset({"urn:none|x"})]
    ),
    subject=st.just("someone"),
)
QUERIES = {
    (): lambda resource: True,
    (("code", "1-0"),): lambda resource: resource["code"]["coding"][0]["code"] == "1-0",
    (("code:not", "1-0"),): lambda resource: resource["code"]["coding"][0]["code"] != "1-0",
    (("component-code-value-quantity", "b$1"),): lambda resource: "component" in resource,
    (("component-code-value-quantity", "b$0"),): lambda _: False,
    (("_content", "laboratory"),): lambda resource: "laboratory" in str(resource),
    (("_filter", "code eq 1-0 or code eq 2-0"),): lambda resource: (
        resource["code"]["coding"][0]["code"] in ("1-0", "2-0")
    ),
    (("patient", "bea"),): lambda resource: (
        resource.get("subject", {}).get("reference") in ("Patient/bea", "Patient/clara")
    ),
}


class _Open:
    """A store that stays open over many examples."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.store = self.runner.run(Store.open(url))
        self.runner.run(self.store.load(RESOURCES))


@pytest.fixture(scope="module")
def opened(database_url: str) -> Iterator[_Open]:
    opened = _Open(database_url)
    with contextlib.closing(opened.runner):
        yield opened
        opened.runner.run(opened.store.close())


async def _pages(
    store: Store, kind: str, query: Any, access: AccessFilter, count: int
) -> tuple[list[str], int | None]:
    found: list[str] = []
    total: int | None = None
    cursor: str | None = None
    while True:
        page = await store.search(kind, list(query), access, count=count, cursor=cursor, total="accurate")
        found += [entry.id for entry in page.entries]
        total = page.total
        cursor = page.next
        if cursor is None:
            return found, total


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(access=FILTERS, count=st.sampled_from([2, 7, 50]))
def test_search_equals_brute_force(opened: _Open, access: AccessFilter, count: int) -> None:
    async def work() -> None:
        store = opened.store
        for kind in ("Observation", "Patient", "Condition", "Appointment", "Organization"):
            for query, matches in QUERIES.items():
                if query and kind != "Observation":
                    continue
                expected = {
                    resource["id"]
                    for resource in RESOURCES
                    if resource["resourceType"] == kind and matches(resource) and _may(access, resource, "s")
                }
                if not access.permits(kind, "s"):
                    with pytest.raises(Forbidden):
                        await store.search(kind, list(query), access)
                    continue
                found, total = await _pages(store, kind, query, access, count)
                assert len(found) == len(set(found))
                assert set(found) == expected
                assert total == len(expected)
        history = await store.history(access, count=1000)
        assert {(entry.stored.type, entry.stored.id) for entry in history.entries} == {
            (resource["resourceType"], resource["id"])
            for resource in RESOURCES
            if _may(access, resource, "s")
        }

    opened.runner.run(work())


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(access=FILTERS)
def test_read_and_record_equal_brute_force(opened: _Open, access: AccessFilter) -> None:
    async def work() -> None:
        store = opened.store
        for resource in RESOURCES:
            kind, identity = resource["resourceType"], resource["id"]
            for call in (store.read(kind, identity, access), store.vread(kind, identity, "1", access)):
                if _may(access, resource, "r"):
                    assert (await call).id == identity
                else:
                    with pytest.raises((NotFound, Forbidden)):
                        await call
        record = [stored.id async for stored in store.patient_record("bea", access)]
        assert sorted(record) == sorted(
            resource["id"]
            for resource in RESOURCES
            if _about(resource) & {"bea", "clara"}
            and resource["resourceType"] != "Organization"
            and _may(access, resource, "r")
        )

    opened.runner.run(work())


def test_everything_is_everything(opened: _Open) -> None:
    page = opened.runner.run(opened.store.search("Observation", [], EVERYTHING))
    assert page.total == 36
