"""A source record owns the set of its outputs: processed again, the set is replaced, in whatever order."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.storage import RecordSet, Store
from fhir_bridge.storage.errors import Gone
from tests.storage.cohort import converted, observation, with_store

LAB = "urn:fhir-bridge:hl7v2:LAB"
TIME = "2024-03-01T09:00:00Z"


def record(identity: str, *resources: dict[str, Any], mapping: str = "1.0.0", source: str = LAB) -> RecordSet:
    return RecordSet(source, identity, resources, mapping, locator=f"{identity}.hl7#1")


def result(
    identity: str, patient: str = "anna", code: str = "718-7", time: str = TIME, **more: Any
) -> dict[str, Any]:
    return converted(observation(identity, patient, code, **more), LAB, time)


def patient(identity: str = "anna", source: str = LAB, time: str = TIME, **more: Any) -> dict[str, Any]:
    return converted({"resourceType": "Patient", "id": identity, **more}, source, time)


async def status(store: Store, identity: str) -> str:
    return str((await store.read("Observation", identity, EVERYTHING)).resource()["status"])


def test_a_corrected_mapping_replaces_all_outputs_of_a_record(fresh_database_url: str) -> None:
    wrong = [result(f"o{number}", code="1-1") for number in range(3)]
    right = [result(f"o{number}", code="2-2") for number in range(3)]

    async def work(store: Store) -> None:
        await store.load_records([record("m1", patient(), *wrong)], adapter="hl7v2")
        done = await store.load_records([record("m1", patient(), *right)], adapter="hl7v2")
        assert done.counts.updated == 3
        for number in range(3):
            stored = (await store.read("Observation", f"o{number}", EVERYTHING)).resource()
            assert stored["code"]["coding"][0]["code"] == "2-2"
        again = await store.load_records([record("m1", patient(), *right)], adapter="hl7v2")
        assert (again.counts.unchanged, again.counts.updated, again.counts.created) == (4, 0, 0)

    with_store(fresh_database_url, work)


def test_what_a_record_no_longer_says_is_entered_in_error_or_deleted(fresh_database_url: str) -> None:
    location = converted({"resourceType": "Location", "id": "ward"}, LAB, TIME)

    async def work(store: Store) -> None:
        await store.load_records(
            [record("m1", patient(), result("o1"), result("o2"), location)], adapter="hl7v2"
        )
        done = await store.load_records([record("m1", patient(), result("o2"))], adapter="hl7v2")
        assert done.counts.withdrawn == 2
        assert await status(store, "o1") == "entered-in-error"
        assert await status(store, "o2") == "final"
        try:
            await store.read("Location", "ward", EVERYTHING)
        except Gone:
            pass
        else:
            raise AssertionError("a Location can't say that it was entered in error: it is deleted")
        back = await store.load_records(
            [record("m1", patient(), result("o1"), result("o2"), location)], adapter="hl7v2"
        )
        assert back.counts.withdrawn == 0
        assert await status(store, "o1") == "final"
        assert (await store.read("Location", "ward", EVERYTHING)).version == 3

    with_store(fresh_database_url, work)


def test_what_another_record_says_too_stays(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load_records([record("m1", result("o1")), record("m2", result("o1"))], adapter="hl7v2")
        assert (await store.load_records([record("m1")], adapter="hl7v2")).counts.withdrawn == 0
        assert await status(store, "o1") == "final"
        assert (await store.load_records([record("m2")], adapter="hl7v2")).counts.withdrawn == 1
        assert await status(store, "o1") == "entered-in-error"

    with_store(fresh_database_url, work)


def test_an_older_message_shows_again_where_the_newer_one_is_taken_back(fresh_database_url: str) -> None:
    first = result("o1", valueString="first")
    second = result("o1", valueString="second", time="2024-03-02T09:00:00Z")

    async def work(store: Store) -> None:
        await store.load_records([record("m1", first)], adapter="hl7v2")
        await store.load_records([record("m2", second)], adapter="hl7v2")
        await store.load_records([record("m2")], adapter="hl7v2")
        assert (await store.read("Observation", "o1", EVERYTHING)).resource()["valueString"] == "first"

    with_store(fresh_database_url, work)


def test_people_s_edits_stay_when_the_record_says_nothing_any_more(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load_records([record("m1", patient(gender="female"), result("o1"))], adapter="hl7v2")
        edited = (await store.read("Observation", "o1", EVERYTHING)).resource()
        await store.update("Observation", "o1", {**edited, "note": [{"text": "by hand"}]}, EVERYTHING)
        person = (await store.read("Patient", "anna", EVERYTHING)).resource()
        await store.update("Patient", "anna", {**person, "birthDate": "1950-02-01"}, EVERYTHING)
        await store.load_records([record("m1")], adapter="hl7v2")
        kept = (await store.read("Observation", "o1", EVERYTHING)).resource()
        assert kept["note"] == [{"text": "by hand"}]
        assert kept["status"] == "final"
        kept = (await store.read("Patient", "anna", EVERYTHING)).resource()
        assert (kept["birthDate"], kept["gender"]) == ("1950-02-01", "female")
        await store.load_records(
            [record("m3", patient(gender="male", time="2024-04-01T00:00:00Z"))], adapter="hl7v2"
        )
        kept = (await store.read("Patient", "anna", EVERYTHING)).resource()
        assert kept["birthDate"] == "1950-02-01"

    with_store(fresh_database_url, work)


def test_an_older_mapping_does_not_replace_what_a_newer_one_made(fresh_database_url: str) -> None:
    old, new = result("o1", code="1-1"), result("o1", code="2-2")

    async def work(store: Store) -> None:
        await store.load_records([record("m1", new, mapping="1.10.0")], adapter="hl7v2")
        done = await store.load_records([record("m1", old, mapping="1.9.0")], adapter="hl7v2")
        assert [issue.code for issue in done.counts.issues] == ["FB-STORE-017"]
        stored = (await store.read("Observation", "o1", EVERYTHING)).resource()
        assert stored["code"]["coding"][0]["code"] == "2-2"
        await store.load_records([record("m1", old, mapping="1.9.0")], adapter="hl7v2", remap=True)
        stored = (await store.read("Observation", "o1", EVERYTHING)).resource()
        assert stored["code"]["coding"][0]["code"] == "1-1"

    with_store(fresh_database_url, work)


def test_a_known_business_key_under_another_patient_changes_nothing(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load_records([record("m1", patient(), result("o1"))], adapter="hl7v2")
        moved = record(
            "m2", patient("bert"), result("o1", "bert", time="2024-03-02T09:00:00Z"), result("o9", "bert")
        )
        for _ in range(2):
            done = await store.load_records([moved], adapter="hl7v2")
            assert [one.id for one in done.refused] == ["m2"]
            assert [issue.code for issue in done.counts.issues] == ["FB-STORE-018"]
            assert (await store.read("Observation", "o1", EVERYTHING)).version == 1
            for kind, identity in (("Patient", "bert"), ("Observation", "o9")):
                found = await store.search(kind, [("_id", identity)], EVERYTHING)
                assert not found.entries
        both = [record("m3", result("o5")), record("m4", result("o5", "bert"))]
        done = await store.load_records(both, adapter="hl7v2")  # in one batch, too
        assert [one.id for one in done.refused] == ["m4"]
        alone = await store.load([result("o1", "bert", time="2024-03-03T09:00:00Z")], adapter="ndjson")
        assert (alone.refused, alone.updated) == (1, 0)
        assert [entry.kind for entry in await store.read_inbox()] == ["refused"]

    with_store(fresh_database_url, work)


def test_a_linked_patient_is_the_same_patient(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load_records([record("m1", patient(), result("o1"))], adapter="hl7v2")
        await store.load_records([record("m2", patient("anna-2"))], adapter="hl7v2")
        await store.link_patients("anna-2", "anna")
        later = result("o1", "anna-2", time="2024-03-02T09:00:00Z")
        done = await store.load_records([record("m3", later)], adapter="hl7v2")
        assert done.counts.updated == 1

    with_store(fresh_database_url, work)


def test_a_corrected_crosswalk_moves_what_the_record_alone_said(fresh_database_url: str) -> None:
    """Whether an id holds the patient (v-111) or not (v)."""

    async def work(store: Store) -> None:
        await store.load_records(
            [record("line", patient("p111"), result("v-111", "p111"), result("v", "p111"))], adapter="vcf"
        )
        done = await store.load_records(
            [record("line", patient("p222"), result("v-222", "p222"), result("v", "p222"))], adapter="vcf"
        )
        assert not done.refused
        assert await status(store, "v-111") == "entered-in-error"
        assert await status(store, "v-222") == "final"
        stored = (await store.read("Observation", "v", EVERYTHING)).resource()
        assert stored["subject"]["reference"] == "Patient/p222"

    with_store(fresh_database_url, work)


def test_a_report_is_the_union_of_its_results_in_every_order(fresh_database_url: str) -> None:
    def report(time: str, *results: str, state: str = "final") -> dict[str, Any]:
        return converted(
            {
                "resourceType": "DiagnosticReport",
                "id": "r",
                "status": state,
                "code": {"text": "panel"},
                "subject": {"reference": "Patient/anna"},
                **({"result": [{"reference": f"Observation/{one}"} for one in results]} if results else {}),
            },
            LAB,
            time,
        )

    messages = [
        report("2024-03-01T09:00:00Z", "a", "b", "c"),
        report("2024-03-01T10:00:00Z", "b", "d", state="corrected"),
        report("2024-03-01T11:00:00Z", "a", "e", state="corrected"),
        report("2024-03-01T12:00:00Z", state="corrected"),
    ]

    async def work(store: Store) -> None:
        for number, order in enumerate(itertools.permutations(messages)):
            sent = [{**message, "id": f"r{number}"} for message in order]
            await store.load([*sent, sent[0]], batch=1 if number % 2 else 10)
            stored = (await store.read("DiagnosticReport", f"r{number}", EVERYTHING)).resource()
            found = [one["reference"].removeprefix("Observation/") for one in stored["result"]]
            assert found == ["a", "b", "c", "d", "e"], [message["meta"] for message in order]

    with_store(fresh_database_url, work)


def test_messages_of_one_time_go_by_their_sequence_in_every_order(fresh_database_url: str) -> None:
    def message(sequence: str, state: str, value: str) -> dict[str, Any]:
        parts = [{"url": "time", "valueDateTime": TIME}, {"url": "sequence", "valueString": sequence}]
        made = {**observation("x", "anna", status=state), "valueString": value}
        return {**made, "meta": {"source": LAB, "extension": [{"url": SOURCE_EXTENSION, "extension": parts}]}}

    messages = [
        message("01", "final", "F"),
        message("02", "corrected", "C1"),
        message("03", "corrected", "C2"),
    ]

    async def work(store: Store) -> None:
        for number, order in enumerate(itertools.permutations(messages)):
            for one in order:
                done = await store.load([{**one, "id": f"x{number}"}])
                assert done.conflicts == 0
            stored = (await store.read("Observation", f"x{number}", EVERYTHING)).resource()
            assert stored["valueString"] == "C2"

    with_store(fresh_database_url, work)


def test_a_corrected_link_moves_what_several_records_said(fresh_database_url: str) -> None:
    """The first is refused and says no more what it did; with the last the result moves; then all are right."""

    def said(patient_id: str) -> list[RecordSet]:
        times = ("2024-03-01T09:00:00Z", "2024-03-02T09:00:00Z")
        return [
            record(
                name,
                patient(patient_id),
                result("o1", patient_id, time=time),
                result(f"only-{name}", patient_id),
            )
            for name, time in zip(("m1", "m2"), times, strict=True)
        ]

    async def work(store: Store) -> None:
        await store.load_records(said("p111"), adapter="hl7v2")
        first, second = said("p222")
        done = await store.load_records([second], adapter="hl7v2")
        assert [one.id for one in done.refused] == ["m2"]
        assert await status(store, "only-m2") == "entered-in-error"  # nobody says any more that it is p111's
        stranger = record("m9", patient("p333"), result("o1", "p333", time="2024-03-09T09:00:00Z"))
        assert (await store.load_records([stranger], adapter="hl7v2")).refused
        done = await store.load_records([first, stranger], adapter="hl7v2")
        assert ([one.id for one in done.refused], done.counts.moved) == (["m9"], 2)
        assert not (await store.load_records([second], adapter="hl7v2")).refused
        for identity in ("o1", "only-m1", "only-m2"):
            stored = (await store.read("Observation", identity, EVERYTHING)).resource()
            assert (stored["subject"]["reference"], stored["status"]) == ("Patient/p222", "final")
        done = await store.load_records(said("p111"), adapter="hl7v2")  # both in one batch: at once
        assert not done.refused
        # one of them stays: a correction of content alone is no change of patient
        staying = record("m2", patient("p111"), result("o1", "p111", time=TIME, valueString="new"))
        done = await store.load_records([said("p222")[0], staying], adapter="hl7v2")
        assert [one.id for one in done.refused] == ["m1"]
        stored = (await store.read("Observation", "o1", EVERYTHING)).resource()
        assert stored["subject"]["reference"] == "Patient/p111"

    with_store(fresh_database_url, work)


CONTENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["1-1", "2-2"])),
    max_size=4,
    unique_by=lambda one: one[0],
)
LOADS = st.lists(st.tuples(st.sampled_from(["m1", "m2", "m3"]), CONTENTS), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(loads=LOADS)
def test_the_store_says_what_the_records_say_last(database_url: str, loads: list[tuple[str, Any]]) -> None:
    """A model in a few lines: each record's last set; a resource is as its newest record says it, or withdrawn."""
    run = uuid.uuid4().hex[:8]
    hours = {"m1": 9, "m2": 10, "m3": 11}

    def resources(name: str, contents: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        time = f"2024-03-01T{hours[name]:02}:00:00Z"
        return [result(f"{run}-{letter}", code=code, time=time) for letter, code in contents]

    async def work(store: Store) -> None:
        last: dict[str, dict[str, str]] = {}
        ever: set[str] = set()
        for name, contents in loads:
            await store.load_records([record(f"{run}-{name}", *resources(name, contents))], adapter="hl7v2")
            last[name] = dict(contents)
            ever.update(last[name])
            for letter in ever:
                says = [last[one][letter] for one in sorted(last) if letter in last[one]]
                stored = (await store.read("Observation", f"{run}-{letter}", EVERYTHING)).resource()
                if says:
                    assert stored["status"] == "final"
                    assert stored["code"]["coding"][0]["code"] == says[-1]
                else:
                    assert stored["status"] == "entered-in-error"

    with_store(database_url, work)
