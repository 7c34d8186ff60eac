"""Folding a source's messages is the same in every order, once or twice."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

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
        said = incoming(
            converted(resource, source, time, delta=delta, cleared=tuple(cleared) if delta else ()),
            "ndjson",
            None,
        )
        found[said.hash] = said
    return list(found.values())


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
