"""Chains, reverse chains and includes against references followed by hand, for callers who may find all or some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import BadSearch, Store
from tests.storage.cohort import observation, with_store

PATIENTS = {"p1": ("Smith", "o1"), "p2": ("Jones", "o2"), "p3": ("Smythe", "o1"), "p4": ("Smith", None)}
OF = {"b1": "p1", "b2": "p1", "b3": "p2", "b4": "p3", "b5": "p4"}
MEMBERS = {"b2": ["b1"], "b3": ["b4"], "b4": ["b3"]}


def resources() -> Iterator[dict[str, Any]]:
    """Three levels of Organizations, patients who belong to two of them, and results that have members."""
    yield {"resourceType": "Organization", "id": "top", "name": "Hospital"}
    for number in (1, 2):
        yield {
            "resourceType": "Organization",
            "id": f"o{number}",
            "name": f"Ward {number}",
            **({"partOf": {"reference": "Organization/top"}} if number == 1 else {}),
        }
    for identity, (family, organization) in PATIENTS.items():
        yield {
            "resourceType": "Patient",
            "id": identity,
            "name": [{"family": family}],
            **(
                {"managingOrganization": {"reference": f"Organization/{organization}"}}
                if organization
                else {}
            ),
        }
    for identity, patient in OF.items():
        members = [{"reference": f"Observation/{member}"} for member in MEMBERS.get(identity, [])]
        more = {"hasMember": members} if members else {}
        yield observation(identity, patient, f"c{identity[1]}", effectiveDateTime="2024-03-01", **more)
    yield {
        "resourceType": "Questionnaire",
        "id": "q",
        "status": "active",
        "url": "http://example.org/q",
        "version": "1.0",
        "title": "Habits",
    }
    yield {
        "resourceType": "QuestionnaireResponse",
        "id": "r",
        "status": "completed",
        "questionnaire": "http://example.org/q|1.0",
        "subject": {"reference": "Patient/p1"},
    }


@pytest.fixture(scope="module")
def store_url(database_url: str) -> str:
    async def work(store: Store) -> None:
        for resource in resources():
            await store.update(resource["resourceType"], resource["id"], resource, EVERYTHING)

    with_store(database_url, work)
    return database_url


def find(url: str, query: str, access: AccessFilter = EVERYTHING, **more: Any) -> tuple[list[str], list[str]]:
    """Ids of the matches, and `Type/id` of what comes along."""
    kind, _, criteria = query.partition("?")
    parameters = [(name, value) for name, _, value in (part.partition("=") for part in criteria.split("&"))]
    results: list[tuple[list[str], list[str]]] = []

    async def work(store: Store) -> None:
        page = await store.search(kind, parameters, access, **more)
        results.append(
            (
                sorted(entry.id for entry in page.entries),
                [f"{entry.type}/{entry.id}" for entry in page.included],
            )
        )

    with_store(url, work)
    return results[0]


CHAINS = {
    "Observation?subject:Patient.family=smith": "b1 b2 b5",
    "Observation?subject.family=smith": "b1 b2 b5",
    "Observation?patient.family=smi,smy": "b1 b2 b4 b5",
    "Observation?patient.family:exact=Smith": "b1 b2 b5",
    "Observation?patient.organization.name=Ward 1": "b1 b2 b4",
    "Observation?patient.organization.partof.name=hosp": "b1 b2 b4",
    "Observation?patient.organization:missing=true": "b5",
    "Observation?patient.family=smith&patient.organization.name=ward": "b1 b2",
    "Observation?patient._id=p2": "b3",
    "Observation?has-member.patient.family=smythe": "b3",
    "Observation?has-member:Observation.code=c1": "b2",
    "Observation?subject.family=nobody": "",
    "Patient?_has:Observation:patient:code=c3": "p2",
    "Patient?_has:Observation:subject:code=c1,c4": "p1 p3",
    "Patient?_has:Observation:patient:_has:Observation:has-member:code=c3": "p3",
    "Patient?_has:Observation:patient:has-member.patient.family=jones": "p3",
    "Patient?organization._has:Organization:partof:_id=o1": "",
    "Organization?_has:Organization:partof:_id=o1": "top",
    "Organization?_has:Patient:organization:_has:Observation:patient:code=c4": "o1",
    "Observation?patient._has:Observation:patient:code=c1": "b1 b2",
    "QuestionnaireResponse?questionnaire.title=habits": "r",
    "Patient?_has:QuestionnaireResponse:subject:questionnaire.title=habits": "p1",
}


@pytest.mark.parametrize("query", CHAINS)
def test_a_chain_finds_what_following_the_references_finds(store_url: str, query: str) -> None:
    assert find(store_url, query)[0] == CHAINS[query].split()


INCLUDES = {
    "Observation?_id=b3&_include=Observation:subject": "Patient/p2",
    "Observation?_id=b3&_include=Observation:subject:Patient": "Patient/p2",
    "Observation?_id=b3&_include=Observation:subject:Group": "",
    "Observation?_id=b3&_include=*": "Observation/b4 Patient/p2",
    "Observation?_id=b3&_include=Observation:*": "Observation/b4 Patient/p2",
    "Observation?_id=b3,b4&_include=Observation:has-member": "",
    "Observation?_id=b1&_include=Observation:patient&_include=Patient:organization": "Patient/p1",
    "Observation?_id=b1&_include=Observation:patient&_include:iterate=Patient:organization": (
        "Organization/o1 Patient/p1"
    ),
    "Observation?_id=b1&_include=Observation:patient&_include:iterate=Patient:organization"
    "&_include:recurse=Organization:partof": "Organization/o1 Organization/top Patient/p1",
    "Observation?_id=b3&_include:iterate=Observation:has-member&_include:iterate=Observation:patient": (
        "Observation/b4 Patient/p2 Patient/p3"
    ),
    "Patient?_id=p1&_revinclude=Observation:patient": "Observation/b1 Observation/b2",
    "Patient?_id=p1,p3&_revinclude=Observation:*": "Observation/b1 Observation/b2 Observation/b4",
    "Organization?_id=top&_revinclude:iterate=Organization:partof&_revinclude:iterate=Patient:organization"
    "&_revinclude:iterate=Observation:patient": (
        "Observation/b1 Observation/b2 Observation/b4 Organization/o1 Patient/p1 Patient/p3"
    ),
    "Patient?_id=nobody&_revinclude=Observation:patient": "",
}


@pytest.mark.parametrize("query", INCLUDES)
def test_what_comes_along_is_what_the_references_name(store_url: str, query: str) -> None:
    assert sorted(find(store_url, query)[1]) == INCLUDES[query].split()


def test_what_comes_along_is_bounded(store_url: str) -> None:
    with pytest.raises(BadSearch, match="more along"):
        find(store_url, "Patient?_revinclude=Observation:patient", most_included=4)
    assert len(find(store_url, "Patient?_revinclude=Observation:patient", most_included=5)[1]) == 5
    with pytest.raises(BadSearch, match="more along"):
        find(store_url, "Patient?_revinclude=Observation:patient", most_bytes=2_000)


@pytest.mark.parametrize(
    "query",
    [
        "Observation?subject:Organization.name=x",
        "Observation?code.name=x",
        "Observation?subject.colour=x",
        "Observation?subject.family:colour=x",
        "Observation?patient.birthdate=yesterday",
        "Observation?focus._id=x",
        "Patient?_has:Observation:code:value=x",
        "Patient?_has:Observation:patient=x",
        "Patient?_has:Colour:patient:code=x",
        "Patient?_has:Organization:partof:name=x",
        "Observation?" + "has-member." * 9 + "code=x",
        "Observation?patient.=x",
        "Observation?.family=x",
    ],
)
def test_a_chain_that_can_not_be_followed_is_refused(store_url: str, query: str) -> None:
    with pytest.raises(BadSearch):
        find(store_url, query)


def _of(patient: str | None, *types: str) -> AccessFilter:
    return AccessFilter.of([AccessRule(kind, frozenset("rs"), patient) for kind in types])


def test_a_chain_leads_only_through_what_the_caller_may_find(store_url: str) -> None:
    observations = _of(None, "Observation")
    assert find(store_url, "Observation?patient.family=smith", observations)[0] == []
    own = AccessFilter.of(
        [AccessRule("Observation", frozenset("rs")), AccessRule("Patient", frozenset("rs"), "p1")]
    )
    assert find(store_url, "Observation?patient.family=smith,jones", own)[0] == ["b1", "b2"]
    assert find(store_url, "Observation?patient.family:missing=true", own)[0] == []
    hidden = AccessFilter.of(
        [AccessRule("Patient", frozenset("rs")), AccessRule("Observation", frozenset("rs"), "p1")]
    )
    assert find(store_url, "Patient?_has:Observation:patient:code=c1,c3", hidden)[0] == ["p1"]


def test_only_what_the_caller_may_find_comes_along(store_url: str) -> None:
    own = AccessFilter.of(
        [AccessRule("Observation", frozenset("rs")), AccessRule("Patient", frozenset("rs"), "p1")]
    )
    assert find(store_url, "Observation?_include=Observation:patient", own)[1] == ["Patient/p1"]
    hidden = AccessFilter.of(
        [AccessRule("Patient", frozenset("rs")), AccessRule("Observation", frozenset("rs"), "p2")]
    )
    assert find(store_url, "Patient?_revinclude=Observation:patient", hidden)[1] == ["Observation/b3"]
    assert find(store_url, "Observation?_include=*", _of(None, "Observation"))[1] == []


@settings(max_examples=40, deadline=None)
@given(
    patients=st.sets(st.sampled_from(sorted(PATIENTS))),
    seen=st.sampled_from([None, *sorted(PATIENTS)]),
    family=st.sampled_from(["smith", "smythe", "jones", "s"]),
)
def test_a_chain_equals_filtering_by_hand(
    store_url: str, patients: set[str], seen: str | None, family: str
) -> None:
    """Whoever calls: the results whose patient is named so and may be found, among the results that may be found."""
    rules = [AccessRule("Patient", frozenset("s"), patient) for patient in sorted(patients)]
    access = AccessFilter.of([*rules, AccessRule("Observation", frozenset("s"), seen)])
    expected = [
        identity
        for identity, patient in OF.items()
        if patient in patients and seen in (None, patient) and PATIENTS[patient][0].lower().startswith(family)
    ]
    if not patients:
        expected = []
    assert find(store_url, f"Observation?patient.family={family}", access)[0] == expected
