"""Whose content may be read, found and written: bounds of a patient, several rules, withheld labels, case by case."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import Forbidden, NotFound, Store, TransactionFailed
from tests.storage.cohort import observation, with_store

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ALL = frozenset("cruds")
WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}


def bound(*patients: str, kind: str = "*", **more: Any) -> AccessFilter:
    return AccessFilter(tuple(AccessRule(kind, ALL, patient, **more) for patient in patients))


def appointment(identity: str, *patients: str) -> dict[str, Any]:
    actors = [{"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"} for patient in patients]
    return {"resourceType": "Appointment", "id": identity, "status": "booked", "participant": actors}


def provenance(identity: str, *targets: str) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "id": identity,
        "recorded": "2026-03-05T08:00:00Z",
        "target": [{"reference": target} for target in targets],
        "agent": [{"who": {"reference": "Patient/b"}}],
    }


STORED: dict[str, dict[str, Any]] = {
    "of-a": appointment("of-a", "a"),
    "of-b": appointment("of-b", "b"),
    "of-both": appointment("of-both", "a", "b"),
    "of-nobody": appointment("of-nobody"),
    "about-a": provenance("about-a", "Appointment/of-a"),
    "about-b": provenance("about-b", "Appointment/of-b"),
    "about-both": provenance("about-both", "Appointment/of-a", "Appointment/of-b"),
    "about-about-a": provenance("about-about-a", "Provenance/about-a"),
    "about-nothing-here": provenance("about-nothing-here", "Appointment/absent"),
}
BY_A = {"of-a", "about-a", "about-about-a"}
BY_B = {"of-b", "about-b"}


@pytest.fixture(scope="module")
def filled(database_url: str) -> str:
    async def work(store: Store) -> None:
        for name in "ab":
            await store.update("Patient", name, {"resourceType": "Patient", "id": name}, EVERYTHING)
        for name, resource in STORED.items():
            await store.update(resource["resourceType"], name, resource, EVERYTHING)

    with_store(database_url, work)
    return database_url


async def found(store: Store, access: AccessFilter) -> set[str]:
    kinds = [kind for kind in ("Appointment", "Provenance") if access.permits(kind, "s")]
    pages = [await store.search(kind, [("_id", ",".join(STORED))], access, count=50) for kind in kinds]
    return {entry.id for page in pages for entry in page.entries}


async def readable(store: Store, access: AccessFilter) -> set[str]:
    names = set()
    for name, resource in STORED.items():
        try:
            await store.read(resource["resourceType"], name, access)
        except (NotFound, Forbidden):
            continue
        names.add(name)
    return names


async def writable(store: Store, access: AccessFilter) -> set[str]:
    names = set()
    for name, resource in STORED.items():
        try:
            await store.create(resource, access)
        except (NotFound, Forbidden):
            continue
        names.add(name)
    return names


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (bound("a"), BY_A),
        (bound("b"), BY_B),
        (bound("a", "b"), BY_A | BY_B),
        (bound("a", "a"), BY_A),
        (bound("nobody"), set()),
        (bound("a", kind="Appointment"), {"of-a"}),
        (AccessFilter(bound("a").rules + bound("b", kind="Provenance").rules), BY_A | {"about-b"}),
        (AccessFilter((AccessRule("Appointment", ALL), *bound("a").rules)),
         BY_A | {"of-a", "of-b", "of-both", "of-nobody"}),
        (EVERYTHING, set(STORED)),
    ],
)  # fmt: skip
def test_a_bound_reaches_what_is_about_its_person_alone_in_every_way_of_access(
    filled: str, access: AccessFilter, expected: set[str]
) -> None:
    async def work(store: Store) -> None:
        assert await found(store, access) == expected
        assert await readable(store, access) == expected
        assert await writable(store, access) == expected

    with_store(filled, work)


def test_a_refusal_names_what_was_asked_and_nothing_of_the_resource(filled: str) -> None:
    async def work(store: Store) -> None:
        nothing = AccessFilter((AccessRule("Patient", ALL),))
        resource = STORED["of-b"]
        for letter, call in (
            ("c", store.create(resource, nothing)),
            ("r", store.read("Appointment", "of-b", nothing)),
            ("u", store.update("Appointment", "of-b", resource, nothing)),
            ("d", store.delete("Appointment", "of-b", nothing)),
            ("s", store.search("Appointment", [], nothing)),
        ):
            with pytest.raises(Forbidden) as refused:
                await call
            assert str(refused.value) == f"no grant allows {WORDS[letter]} of Appointment"
        with pytest.raises(Forbidden) as refused:
            await store.create(resource, bound("a"))
        assert str(refused.value) == "no grant allows create of a Appointment with this content"
        with pytest.raises(Forbidden) as refused:
            await store.update("Appointment", "of-a", appointment("of-a", "b"), bound("a"))
        assert str(refused.value) == "no grant allows update of a Appointment with this content"

    with_store(filled, work)


def labelled(identity: str, *labels: tuple[str, str]) -> dict[str, Any]:
    security = [{"system": system, "code": code} for system, code in labels]
    return observation(identity, "a") | ({"meta": {"security": security}} if labels else {})


LABELLED = {
    "plain": labelled("plain"),
    "restricted": labelled("restricted", (CONFIDENTIALITY, "R")),
    "hiv": labelled("hiv", (ACT_CODE, "HIV")),
    "both": labelled("both", (ACT_CODE, "HIV"), (CONFIDENTIALITY, "N")),
    "other-system": labelled("other-system", (ACT_CODE, "R")),
}


@pytest.mark.parametrize(
    ("withheld", "hidden"),
    [
        ((), set()),
        ((f"{CONFIDENTIALITY}|R",), {"restricted"}),
        ((f"{CONFIDENTIALITY}|N",), {"both"}),
        ((f"{CONFIDENTIALITY}|R", f"{ACT_CODE}|HIV"), {"restricted", "hiv", "both"}),
        (("urn:none|x",), set()),
        (("urn:none|x", f"{CONFIDENTIALITY}|R"), {"restricted"}),
    ],
)
def test_what_has_a_withheld_label_is_not_found_read_or_written(
    fresh_database_url: str, withheld: tuple[str, ...], hidden: set[str]
) -> None:
    access = AccessFilter((AccessRule("Observation", ALL),), withheld_labels=frozenset(withheld))

    async def work(store: Store) -> None:
        for name, resource in LABELLED.items():
            await store.update("Observation", name, resource, EVERYTHING)
        page = await store.search("Observation", [], access)
        assert {entry.id for entry in page.entries} == set(LABELLED) - hidden
        assert page.total in (None, len(LABELLED) - len(hidden))
        for name, resource in LABELLED.items():
            if name in hidden:
                with pytest.raises(NotFound):
                    await store.read("Observation", name, access)
                with pytest.raises(Forbidden):
                    await store.create(resource, access)
            else:
                assert (await store.read("Observation", name, access)).id == name
                await store.create(resource, access)

    with_store(fresh_database_url, work)


def test_a_bound_and_a_category_hold_together(fresh_database_url: str) -> None:
    categories = {"lab": "laboratory", "vital": "vital-signs"}

    def of(patient: str, category: str) -> dict[str, Any]:
        coding = {"system": "urn:category", "code": categories[category]}
        return observation(f"{patient}-{category}", patient) | {"category": [{"coding": [coding]}]}

    def lab(patient: str, *more: tuple[str, str]) -> AccessRule:
        return AccessRule("Observation", ALL, patient, (("category", "urn:category|laboratory"), *more))

    code = ("code", "http://loinc.org|718-7")
    cases = (
        ((lab("a"),), {"a-lab"}),
        ((lab("a"), lab("b")), {"a-lab", "b-lab"}),
        ((lab("a"), AccessRule("Observation", ALL, "b")), {"a-lab", "b-lab", "b-vital"}),
        ((lab("a", code),), {"a-lab"}),
        ((lab("a", ("code", "http://loinc.org|1-0")),), set()),
        ((AccessRule("Observation", ALL, None, (code,)),), {"a-lab", "a-vital", "b-lab", "b-vital"}),
    )

    async def work(store: Store) -> None:
        for name in "ab":
            await store.update("Patient", name, {"resourceType": "Patient", "id": name}, EVERYTHING)
        made = {f"{p}-{c}": of(p, c) for p, c in itertools.product("ab", categories)}
        for name, resource in made.items():
            await store.update("Observation", name, resource, EVERYTHING)
        for rules, expected in cases:
            access = AccessFilter(rules)
            page = await store.search("Observation", [("code", "718-7"), ("_id", ",".join(made))], access)
            assert {entry.id for entry in page.entries} == expected
            for name, resource in made.items():
                if name in expected:
                    assert (await store.read("Observation", name, access)).id == name
                    await store.create(resource, access)
                else:
                    with pytest.raises(NotFound):
                        await store.read("Observation", name, access)
                    with pytest.raises(Forbidden):
                        await store.create(resource, access)

    with_store(fresh_database_url, work)


# --- contents that are written together ---------------------------------------------------------------------------


async def together(store: Store, access: AccessFilter, *resources: dict[str, Any]) -> bool:
    """Whether a transaction that puts these is allowed."""
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    try:
        await store.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, access)
    except TransactionFailed as error:
        return "no grant allows" not in str(error)
    return True


def test_contents_that_are_written_together_are_about_whom_each_other_names(filled: str) -> None:
    new_a, new_b = appointment("new-a", "a"), appointment("new-b", "b")
    chain = provenance("n1", "Provenance/n2"), provenance("n2", "Provenance/n3")
    cases: tuple[tuple[tuple[dict[str, Any], ...], bool], ...] = (
        ((provenance("n0", "Appointment/new-a"), new_a), True),
        ((new_a, provenance("n0", "Appointment/new-a")), True),
        ((provenance("n0", "Appointment/new-b"), new_b), False),
        ((*chain, provenance("n3", "Appointment/new-a"), new_a), True),
        ((*chain, provenance("n3", "Appointment/of-a")), True),
        ((*chain, provenance("n3", "Appointment/of-b")), False),
        ((*chain, provenance("n3", "Appointment/of-a", "Appointment/of-b")), False),
        ((*chain, provenance("n3", "Provenance/n1")), False),
        ((*chain, provenance("n3", "Provenance/n1", "Appointment/new-a"), new_a), True),
        ((provenance("n4", "Appointment/new-a", "Appointment/of-b"), new_a), False),
        ((provenance("n4", "Appointment/new-a", "Appointment/of-a"), new_a), True),
        ((provenance("n4", "Appointment/absent"), new_a), False),
        ((provenance("n4", "Appointment/new-a", "Appointment/absent"), new_a), True),
    )

    async def work(store: Store) -> None:
        for resources, may in cases:
            targets = [(one["id"], one.get("target")) for one in resources]
            assert await together(store, bound("a"), *resources) is may, targets
            for one in reversed(resources if may else ()):
                await store.delete(one["resourceType"], one["id"], EVERYTHING)

    with_store(filled, work)
