"""Records hold in every order of writing: what storage lets a bound caller reach equals the rule worked out by hand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import Forbidden, Gone, NotFound, Store
from tests.storage.cohort import observation, with_store

Resource = dict[str, Any]
Identity = tuple[str, str]

PEOPLE = ("a", "b", "c")
SUBJECTS = {  # element, whether a list, whether others are followed; apart from the table under test
    "Observation": ("subject", False, False),
    "Device": ("patient", False, False),
    "Appointment": ("participant.actor", True, False),
    "Basic": ("subject", False, True),
    "Binary": ("securityContext", False, True),
    "Provenance": ("target", True, True),
    "Organization": ("", False, False),
}


def bound(patient: str, letters: str = "cruds") -> AccessFilter:
    """The access of a token for one patient."""
    return AccessFilter((AccessRule("*", frozenset(letters), patient=patient),), subject=patient)


def about(kind: str, identity: str, names: list[str]) -> Resource:
    """A resource that names others where its type says whom it is about; someone else performs, records and acts."""
    path, many, _ = SUBJECTS[kind]
    references: list[Any] = [{"reference": name} for name in names]
    resource: Resource = {"resourceType": kind, "id": identity, "performer": [{"reference": "Patient/c"}]}
    resource["agent"] = [{"who": {"reference": "Patient/c"}}]
    if path and references:
        first, _, second = path.partition(".")
        if second:
            references = [{second: reference} for reference in references]
        resource[first] = references if many else references[0]
    return resource


class _Model:
    """What was stored last, and the rule in sets."""

    def __init__(self) -> None:
        self.content: dict[Identity, Resource] = {}
        self.deleted: set[Identity] = set()
        self.same: dict[str, set[str]] = {}

    def names(self, identity: Identity) -> list[str]:
        resource = self.content.get(identity)
        path, many, _ = SUBJECTS.get(identity[0], ("", False, False))
        if resource is None or not path:
            return []
        first, _, second = path.partition(".")
        found = resource.get(first, [])
        items = found if many else [found] if found else []
        return [(item[second] if second else item)["reference"] for item in items]

    def owners(self, identity: Identity) -> set[str]:
        if identity[0] == "Patient":
            return {identity[1]}
        found: set[str] = set()
        seen, waiting = {identity}, [identity]
        while waiting:
            one = waiting.pop()
            for name in self.names(one):
                kind, _, rest = name.partition("/")
                target = (kind, rest.partition("/")[0])
                if kind == "Patient":
                    found.add(target[1])
                elif SUBJECTS[one[0]][2] and target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return found

    def reachable(self, patient: str) -> set[Identity]:
        person = self.same.get(patient, {patient})
        return {one for one in self.content if set() < self.owners(one) <= person}

    def record(self, patient: str) -> set[Identity]:
        person = self.same.get(patient, {patient})
        return {one for one in self.content if self.owners(one) & person} - self.deleted


KINDS = [kind for kind in SUBJECTS if kind != "Organization"]
TARGETS = st.sampled_from(
    [f"Patient/{name}" for name in PEOPLE]
    + [f"{kind}/{number}" for kind in (*KINDS, "Organization") for number in range(2)]
    + ["Observation/0/_history/1"]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["load", "put", "transaction"]),
            st.sampled_from(KINDS),
            st.integers(0, 1),
            st.lists(TARGETS, max_size=3),
        ),
        st.tuples(st.just("delete"), st.sampled_from(KINDS), st.integers(0, 1), st.just([])),
        st.tuples(st.sampled_from(["link", "unlink"]), st.just("Patient"), st.just(0), st.just([])),
    ),
    min_size=1,
    max_size=14,
)


class _Open:
    """A store that stays open over many examples, each with ids of its own."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.store = self.runner.run(Store.open(url))
        self.numbers = itertools.count()


@pytest.fixture(scope="module")
def opened(database_url: str) -> Iterator[_Open]:
    opened = _Open(database_url)
    with contextlib.closing(opened.runner):
        yield opened
        opened.runner.run(opened.store.close())


def _own(name: str, mark: str) -> str:
    """A reference with the ids of one example."""
    kind, identity, *version = name.split("/")
    return "/".join((kind, f"{mark}-{identity}", *version))


async def _play(store: Store, mark: str, steps: list[tuple[str, str, int, list[str]]]) -> _Model:
    model = _Model()
    people = {name: f"{mark}-{name}" for name in PEOPLE}
    for name in people.values():
        await store.update("Patient", name, {"resourceType": "Patient", "id": name}, EVERYTHING)
        model.content["Patient", name] = {"resourceType": "Patient", "id": name}
    for action, kind, number, names in steps:
        if action in ("link", "unlink"):
            change = store.link_patients if action == "link" else store.unlink_patients
            await change(people["a"], people["b"])
            both = {people["a"], people["b"]}
            model.same = dict.fromkeys(both, both) if action == "link" else {}
            continue
        identity = f"{mark}-{number}"
        if action == "delete":
            with contextlib.suppress(NotFound):
                await store.delete(kind, identity, EVERYTHING)
                model.deleted.add((kind, identity))
            continue
        resource = about(kind, identity, [_own(name, mark) for name in names])
        if action == "load":
            await store.load([resource])
        elif action == "put":
            await store.update(kind, identity, resource, EVERYTHING)
        else:
            entry = {"resource": resource, "request": {"method": "PUT", "url": f"{kind}/{identity}"}}
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
            await store.transaction(bundle, EVERYTHING)
        with contextlib.suppress(
            Gone
        ):  # a message that was loaded before does not bring back what was deleted
            # Where two sources speak, storage decides by rules of its own what becomes current.
            model.content[kind, identity] = (await store.read(kind, identity, EVERYTHING)).resource()
            model.deleted.discard((kind, identity))
    return model


async def _check(store: Store, model: _Model, patient: str) -> None:
    access = bound(patient)
    reachable = model.reachable(patient)
    for kind in (*KINDS, "Patient"):
        expected = {identity for name, identity in reachable - model.deleted if name == kind}
        page = await store.search(kind, [], access, count=1000, total="accurate")
        assert ({entry.id for entry in page.entries}, page.total) == (expected, len(expected)), kind
        streamed = [stored.id async for part in store.stream(kind, access) for stored in part]
        assert set(streamed) == expected
    for kind, identity in model.content:
        if (kind, identity) not in reachable:
            with pytest.raises(NotFound):
                await store.read(kind, identity, access)
            with pytest.raises(NotFound):
                await store.history(access, kind, identity)
        elif (kind, identity) in model.deleted:
            with pytest.raises(Gone):
                await store.read(kind, identity, access)
        else:
            assert (await store.read(kind, identity, access)).id == identity
    history = await store.history(access, count=1000)
    assert {(entry.stored.type, entry.stored.id) for entry in history.entries} <= reachable
    record = [(stored.type, stored.id) async for stored in store.patient_record(patient, EVERYTHING)]
    assert (set(record), len(record)) == (model.record(patient), len(set(record)))
    own = {(stored.type, stored.id) async for stored in store.patient_record(patient, access)}
    assert own == reachable - model.deleted


def _compare(opened: _Open, steps: list[tuple[str, str, int, list[str]]]) -> None:
    async def work() -> None:
        mark = f"x{next(opened.numbers)}"
        model = await _play(opened.store, mark, steps)
        for name in PEOPLE:
            await _check(opened.store, model, f"{mark}-{name}")

    opened.runner.run(work())


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_whatever_is_written_in_whatever_order_the_record_is_that_of_the_rule(
    opened: _Open, steps: list[tuple[str, str, int, list[str]]]
) -> None:
    _compare(opened, steps)


@pytest.mark.soak
@settings(
    max_examples=1500,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_so_it_is_over_many_more(opened: _Open, steps: list[tuple[str, str, int, list[str]]]) -> None:
    _compare(opened, steps)


WRITES = st.tuples(
    st.sampled_from(KINDS),
    st.lists(TARGETS, max_size=2),
    st.sampled_from(["create", "put", "delete", "transaction"]),
    st.integers(0, 1),
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, write=WRITES)
def test_a_bound_write_is_done_just_where_old_and_new_content_are_of_the_person_alone(
    opened: _Open, steps: list[tuple[str, str, int, list[str]]], write: tuple[str, list[str], str, int]
) -> None:
    async def work() -> None:
        store, mark = opened.store, f"w{next(opened.numbers)}"
        model = await _play(store, mark, steps)
        kind, names, action, number = write
        patient, identity = f"{mark}-a", f"{mark}-{number}"
        person = model.same.get(patient, {patient})
        resource = about(kind, identity, [_own(name, mark) for name in names])
        before = set() < model.owners((kind, identity)) <= person
        known = (kind, identity) in model.content
        after = _Model()
        after.content = model.content | {(kind, "new" if action == "create" else identity): resource}
        inside = set() < after.owners((kind, "new" if action == "create" else identity)) <= person
        may = {"create": inside, "delete": known and before}.get(action, inside and (before or not known))
        access = bound(patient)
        try:
            if action == "create":
                await store.create(resource, access)
            elif action == "delete":
                await store.delete(kind, identity, access)
            elif action == "put":
                await store.update(kind, identity, resource, access)
            else:
                entry = {"resource": resource, "request": {"method": "PUT", "url": f"{kind}/{identity}"}}
                bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
                answer = await store.transaction(bundle, access)
                assert answer["entry"][0]["response"]["status"].startswith("2") == may, answer
                return
            assert may
        except (Forbidden, NotFound):
            assert not may

    opened.runner.run(work())


def test_a_provenance_and_its_target_in_one_transaction(fresh_database_url: str) -> None:
    """The record of what is written beside counts, not that of what is stored."""

    async def work(store: Store) -> None:
        for name in ("a", "b"):
            await store.update("Patient", name, {"resourceType": "Patient", "id": name}, EVERYTHING)
        target = "urn:uuid:c0f3c8a8-8f0e-4a0c-9f0e-0d7c8a9b1c2d"
        provenance = {"resourceType": "Provenance", "target": [{"reference": target}]}

        async def send(patient: str) -> None:
            made = observation("x", patient)
            del made["id"]
            entries = [
                {"resource": provenance, "request": {"method": "POST", "url": "Provenance"}},
                {"fullUrl": target, "resource": made, "request": {"method": "POST", "url": "Observation"}},
            ]
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            await store.transaction(bundle, bound("a"))

        await send("a")
        assert (await store.search("Provenance", [], bound("a"))).total == 1
        with pytest.raises(Exception, match="no grant allows"):
            await send("b")
        assert (await store.search("Provenance", [], EVERYTHING)).total == 1

    with_store(fresh_database_url, work)


def test_versions_and_deletions_show_only_what_is_of_the_person(fresh_database_url: str) -> None:
    async def versions(store: Store, access: AccessFilter) -> list[int]:
        page = await store.history(access, "Observation", "o")
        kinds = await store.history(access, "Observation")
        found = [entry.stored.version for entry in page.entries]
        assert sorted(entry.stored.version for entry in kinds.entries) == sorted(found)
        return found

    async def work(store: Store) -> None:
        await store.update("Observation", "o", observation("o", "b"), EVERYTHING)
        await store.delete("Observation", "o", EVERYTHING)
        await store.update("Observation", "o", observation("o", "a"), EVERYTHING)
        await store.delete("Observation", "o", EVERYTHING)
        await store.update("Observation", "o", observation("o", "a", "1-0"), EVERYTHING)
        assert await versions(store, bound("a")) == [5, 4, 3]
        assert await versions(store, EVERYTHING) == [5, 4, 3, 2, 1]
        with pytest.raises(NotFound):
            await store.vread("Observation", "o", "2", bound("a"))
        with pytest.raises(Gone):
            await store.vread("Observation", "o", "4", bound("a"))

    with_store(fresh_database_url, work)


def test_old_versions_of_what_is_about_others_go_by_what_they_name(fresh_database_url: str) -> None:
    def provenance(target: str) -> Resource:
        return {"resourceType": "Provenance", "id": "p", "target": [{"reference": target}]}

    async def work(store: Store) -> None:
        for name in ("a", "b"):
            await store.update("Observation", f"o{name}", observation(f"o{name}", name), EVERYTHING)
        await store.update("Provenance", "p", provenance("Observation/ob"), EVERYTHING)
        await store.update("Provenance", "p", provenance("Observation/oa"), EVERYTHING)
        page = await store.history(bound("a"), "Provenance", "p")
        assert [entry.stored.version for entry in page.entries] == [2]
        await store.update("Observation", "oa", observation("oa", "b"), EVERYTHING)
        page = await store.history(bound("b"), "Provenance", "p")
        assert [entry.stored.version for entry in page.entries] == [2, 1]

    with_store(fresh_database_url, work)


def test_a_person_who_is_no_patient_here_keeps_a_resource_out_of_bound_access(
    fresh_database_url: str,
) -> None:
    elsewhere: list[Mapping[str, Any]] = [
        {"reference": "https://elsewhere.example/fhir/Patient/a"},
        {"identifier": {"value": "1"}, "type": "Patient"},
    ]

    async def work(store: Store) -> None:
        await store.update("Patient", "a", {"resourceType": "Patient", "id": "a"}, EVERYTHING)
        for number, other in enumerate(elsewhere):
            members = [{"entity": {"reference": "Patient/a"}}, {"entity": other}]
            group = {"resourceType": "Group", "id": f"g{number}", "member": members}
            await store.update("Group", f"g{number}", group, EVERYTHING)
            with pytest.raises(NotFound):
                await store.read("Group", f"g{number}", bound("a"))
            with pytest.raises(Forbidden):
                await store.create(group, bound("a"))
            named = [stored.id async for stored in store.patient_record("a", EVERYTHING, types=["Group"])]
            assert f"g{number}" in named
            about = {
                "resourceType": "Provenance",
                "id": f"v{number}",
                "target": [{"reference": f"Group/g{number}"}],
            }
            await store.update("Provenance", f"v{number}", about, EVERYTHING)
            with pytest.raises(NotFound):
                await store.read("Provenance", f"v{number}", bound("a"))
            with pytest.raises(Forbidden):
                await store.create(about, bound("a"))
        for kind in ("Group", "Provenance"):
            assert (await store.search(kind, [], bound("a"))).total == 0

    with_store(fresh_database_url, work)


def test_a_bound_search_by_token_finds_what_no_compartment_holds(fresh_database_url: str) -> None:
    """A Device is in no compartment, and in its patient's record."""
    kind = {"coding": [{"system": "http://snomed.info/sct", "code": "14106009"}]}

    async def work(store: Store) -> None:
        for name in ("a", "b"):
            device = {
                "resourceType": "Device",
                "id": name,
                "type": kind,
                "patient": {"reference": f"Patient/{name}"},
            }
            await store.update("Device", name, device, EVERYTHING)
        await store.update(
            "Device", "model", {"resourceType": "Device", "id": "model", "type": kind}, EVERYTHING
        )
        found = await store.search("Device", [("type", "14106009")], bound("a"))
        assert [entry.id for entry in found.entries] == ["a"]
        by_patient = await store.search("Device", [("patient", "b"), ("type", "14106009")], EVERYTHING)
        assert [entry.id for entry in by_patient.entries] == ["b"]

    with_store(fresh_database_url, work)
