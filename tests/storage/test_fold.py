"""Folding a source's messages is the same in every order, once or twice."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.canonical import ASSUMED
from fhir_bridge.storage.contributions import Contribution, fold, incoming, merge
from fhir_bridge.storage.stored import canonical
from tests.storage.cohort import converted

ELEMENTS: dict[str, list[dict[str, Any]]] = {
    "gender": [{"gender": "female"}, {"gender": "male"}],
    "birthDate": [{"birthDate": "1950"}, {"birthDate": "1951", "_birthDate": {"id": "b"}}],
    "deceased": [{"deceasedBoolean": False}, {"deceasedDateTime": "2024-01-01"}],
    "identifier": [
        {"identifier": [{"system": "urn:a", "value": "1"}]},
        {"identifier": [{"system": "urn:a", "value": "2"}, {"system": "urn:b", "value": "1"}]},
    ],
}


@st.composite
def messages(draw: st.DrawFn) -> list[Contribution]:
    found: dict[bytes, Contribution] = {}
    for _ in range(draw(st.integers(1, 6))):
        resource: dict[str, Any] = {"resourceType": "Patient", "id": "anna"}
        for values in draw(st.lists(st.sampled_from(list(ELEMENTS.values())), unique_by=id)):
            resource.update(draw(st.sampled_from(values)))
        delta = draw(st.booleans())
        cleared = draw(
            st.lists(st.sampled_from(["gender", "birthDate", "deceased[x]"]), max_size=2, unique=True)
        )
        cleared = [name for name in cleared if name.removesuffix("[x]") not in "".join(resource)]
        source = draw(st.sampled_from(["urn:fhir-bridge:hl7v2:A", "urn:fhir-bridge:csv:p"]))
        time = f"2024-01-0{draw(st.integers(1, 3))}"
        written = converted(resource, source, time, delta=delta, cleared=tuple(cleared) if delta else ())
        if delta and draw(st.booleans()):
            _tell_in_passing(written)
        if delta and "gender" in resource and draw(st.booleans()):
            written["_gender"] = {"extension": [{"url": ASSUMED, "valueBoolean": True}]}
        if labels := draw(st.lists(st.sampled_from([{"code": "R"}, {"code": "V"}]), max_size=1)):
            written["meta"]["security"] = labels
        said = incoming(written, "ndjson", None)
        found[said.hash] = said
    return list(found.values())


def _tell_in_passing(written: dict[str, Any]) -> None:
    for extension in written["meta"]["extension"]:
        for part in extension.get("extension", ()):
            if part["url"] == "update":
                part["valueCode"] = "passing"


def _end(sequence: list[Contribution]) -> bytes:
    states: dict[str, Contribution] = {}
    for message in sequence:
        states[message.source] = fold(states.get(message.source), message)
    return canonical(merge(list(states.values()), ["csv"]))


@given(messages(), st.randoms())
def test_any_order_of_snapshots_and_deltas_ends_in_the_same_content(
    sent: list[Contribution], random: Any
) -> None:
    expected = _end(sent)
    shuffled = sent * 2
    random.shuffle(shuffled)
    assert _end(shuffled) == expected


NUMBERS = {
    kind: [
        {"type": {"coding": [{"code": kind}]}, "system": system, "value": value}
        for system in ("urn:a", "urn:b")
        for value in ("1", "2")
    ]
    for kind in ("PLAC", "FILL", "ACSN")
}


@st.composite
def orders(draw: st.DrawFn) -> list[Contribution]:
    found: dict[bytes, Contribution] = {}
    for _ in range(draw(st.integers(1, 6))):
        resource: dict[str, Any] = {"resourceType": "ServiceRequest", "id": "order"}
        resource["status"] = draw(st.sampled_from(["active", "completed"]))
        if stated := draw(
            st.lists(
                st.sampled_from([each for some in NUMBERS.values() for each in some]),
                max_size=3,
                unique_by=repr,
            )
        ):
            resource["identifier"] = stated
        delta = draw(st.booleans())
        cleared = draw(st.booleans()) and not stated and delta
        source = draw(st.sampled_from(["urn:fhir-bridge:hl7v2:A", "urn:fhir-bridge:hl7v2:B"]))
        time = f"2024-01-0{draw(st.integers(1, 4))}"
        said = incoming(
            converted(resource, source, time, delta=delta, cleared=("identifier",) if cleared else ()),
            "ndjson",
            None,
        )
        found[said.hash] = said
    return list(found.values())


@given(orders(), st.randoms())
def test_numbers_of_an_order_end_the_same_in_any_order(sent: list[Contribution], random: Any) -> None:
    expected = _end(sent)
    shuffled = sent * 2
    random.shuffle(shuffled)
    assert _end(shuffled) == expected


def test_a_message_replaces_numbers_of_its_own_kind_and_namespace_alone() -> None:
    def said(time: str, source: str, *numbers: dict[str, Any]) -> Contribution:
        content = {"resourceType": "ServiceRequest", "id": "order", "identifier": list(numbers)}
        return incoming(converted(content, f"urn:fhir-bridge:hl7v2:{source}", time), "ndjson", None)

    placer, filler, accession = NUMBERS["PLAC"][0], NUMBERS["FILL"][0], NUMBERS["ACSN"][0]
    other, corrected = NUMBERS["FILL"][2], NUMBERS["ACSN"][1]
    first = said("2024-01-01", "A", placer, accession)
    report = said("2024-01-02", "A", placer, filler)
    elsewhere = said("2024-01-03", "B", placer, other)
    correction = said("2024-01-04", "A", placer, corrected)
    known: dict[str, Contribution] = {}
    for each in (first, report, elsewhere, correction):
        known[each.source] = fold(known.get(each.source), each)
    numbers = merge(list(known.values()))["identifier"]
    assert sorted(map(repr, numbers)) == sorted(map(repr, (placer, filler, other, corrected)))


def test_a_security_label_stays_when_a_later_message_says_nothing_of_labels() -> None:
    restricted, later = (
        converted(
            {"resourceType": "Patient", "id": "anna", "gender": "female"},
            "urn:fhir-bridge:hl7v2:A",
            time,
            delta=True,
        )
        for time in ("2024-01-01", "2024-01-02")
    )
    restricted["meta"]["security"] = [{"code": "R"}]
    sent = [incoming(each, "hl7v2", None) for each in (restricted, later)]
    for sequence in (sent, sent[::-1]):
        state = None
        for message in sequence:
            state = fold(state, message)
        assert state is not None
        assert state.resource["meta"]["security"] == [{"code": "R"}]


STAYS: list[dict[str, Any]] = [
    {"status": "in-progress", "period": {"start": "2026-03-10"}},
    {"status": "finished", "period": {"start": "2026-03-10", "end": "2026-03-12"}},
    {"status": "finished", "hospitalization": {"dischargeDisposition": {"text": "home"}}},
    {
        "status": "in-progress",
        "period": {"start": "2026-03-09"},
        "_status": {"extension": [{"url": ASSUMED}]},
    },
    {"status": "cancelled"},
    {
        "status": "unknown",
        "hospitalization": {"admitSource": {"text": "GP"}},
        "_status": {"extension": [{"url": ASSUMED}]},
    },
]


@st.composite
def stays(draw: st.DrawFn) -> list[Contribution]:
    found: dict[bytes, Contribution] = {}
    for day in range(draw(st.integers(1, 5))):
        resource = {"resourceType": "Encounter", "id": "stay", **draw(st.sampled_from(STAYS))}
        source = draw(st.sampled_from(["urn:fhir-bridge:hl7v2:A", "urn:fhir-bridge:hl7v2:B"]))
        delta = draw(st.booleans())
        if not delta:
            resource.pop("_status", None)
        written = converted(resource, source, f"2026-03-{10 + day}", delta=delta)
        said = incoming(written, "ndjson", None)
        found[said.hash] = said
    return list(found.values())


@given(stays(), st.randoms())
def test_any_order_of_messages_of_a_stay_ends_in_the_same_content(
    sent: list[Contribution], random: Any
) -> None:
    expected = _end(sent)
    shuffled = sent * 2
    random.shuffle(shuffled)
    assert _end(shuffled) == expected
    assert ASSUMED.encode() not in expected
