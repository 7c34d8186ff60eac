"""Which specimen orders and results have, where messages have specimens before their orders or after them."""

from __future__ import annotations

import pytest

from tests.e2e.test_hl7v2_events import End, Store, message, of, pid, store

__all__ = ["store"]


def spm(number: int, tube: str, kind: str) -> str:
    return f"SPM|{number}|{tube}||{kind}^{kind}"


def requested(number: int) -> list[str]:
    return [f"ORC|NW|L{number}^KIS", f"OBR|{number}|L{number}^KIS||T{number}^Test {number}^L"]


def resulted(number: int) -> list[str]:
    return [
        f"OBR|{number}|L{number}^KIS||T{number}^Test {number}^L",
        f"OBX|1|NM|R{number}^Result {number}^L||{number}|g/L|||||F",
    ]


def tubes(end: End, kind: str) -> dict[str, list[str]]:
    """By code the numbers of the specimens."""
    numbers = {each["id"]: each["identifier"][0]["value"] for each in end.get("Specimen", ())}
    return {
        each["code"]["coding"][0]["code"]: [
            numbers[reference["reference"].removeprefix("Specimen/")]
            for reference in (
                each.get("specimen", []) if kind != "Observation" else filter(None, [each.get("specimen")])
            )
        ]
        for each in end.get(kind, ())
    }


@pytest.mark.parametrize("event", ["OML^O33^OML_O33", "OML^O33", "OML", "OML^O35^OML_O35"])
def test_orders_have_the_specimen_before_them(store: Store, event: str) -> None:
    text = message(
        event, "1", "20260316101500", pid("1"),
        spm(1, "TA", "SER"), "SAC|||CA", *requested(1), *requested(2), spm(2, "TB", "BLD"), *requested(3),
    )  # fmt: skip
    for _ in range(2):
        assert tubes(store.load(text).end(), "ServiceRequest") == {"T1": ["TA"], "T2": ["TA"], "T3": ["TB"]}
    (serum,) = [each for each in store.end()["Specimen"] if each["identifier"][0]["value"] == "TA"]
    assert [each["identifier"][0]["value"] for each in serum["container"]] == ["CA"]
    assert store.issues("FB-HL7-031") == []


@pytest.mark.parametrize("event", ["OUL^R22^OUL_R22", "OUL^R23", "ORU^R01^ORU_R01"])
def test_results_have_the_specimen_before_their_order(store: Store, event: str) -> None:
    text = message(
        event, "1", "20260316111500", pid("1"),
        spm(1, "TA", "SER"), "OBX|1|ST|HEM^Hemolysis^L||slight||||||F", *resulted(1), *resulted(2),
        spm(2, "TB", "BLD"), "SAC|||CB", *resulted(3),
    )  # fmt: skip
    end = store.load(text).end()
    assert tubes(end, "Observation") == {"HEM": ["TA"], "R1": ["TA"], "R2": ["TA"], "R3": ["TB"]}
    assert tubes(end, "DiagnosticReport") == {"T1": ["TA"], "T2": ["TA"], "T3": ["TB"]}
    assert len(store.issues("FB-HL7-031")) == (event == "ORU^R01^ORU_R01")


def test_results_of_a_specimen_alone_are_the_same_in_the_next_message(store: Store) -> None:
    for control, value, status in (("1", "slight", "P"), ("2", "none", "F")):
        own = f"OBX|1|ST|HEM^Hemolysis^L||{value}||||||{status}"
        store.load(
            message("OUL^R22", control, f"2026031611150{control}", pid("1"), spm(1, "TA", "SER"), own, *resulted(1))
        )  # fmt: skip
    values = [each["valueString"] for each in store.end()["Observation"] if "valueString" in each]
    assert values == ["none"]


def test_a_specimen_without_a_number_is_one_for_all_its_orders(store: Store) -> None:
    text = message(
        "OML^O33", "1", "20260316101500", pid("1"),
        "SPM|1|||SER^Serum", *requested(1), *requested(2), "SPM|2|||BLD^Blood", *requested(3),
    )  # fmt: skip
    end = store.load(text).end()
    kinds = {each["id"]: each["type"]["text"] for each in end["Specimen"]}
    assert sorted(kinds.values()) == ["Blood", "Serum"]
    orders = {each["code"]["coding"][0]["code"]: each["specimen"] for each in end["ServiceRequest"]}
    named = {code: [kinds[each["reference"][9:]] for each in each_of] for code, each_of in orders.items()}
    assert named == {"T1": ["Serum"], "T2": ["Serum"], "T3": ["Blood"]}


def test_an_order_says_which_container_of_several_it_is_about(store: Store) -> None:
    text = message(
        "OML^O35", "1", "20260316101500", pid("1"),
        spm(1, "TA", "SER"), "SAC|||C11", *requested(1), "SAC|||C12", *requested(2), *requested(3),
    )  # fmt: skip
    end = store.load(text).end()
    (tube,) = end["Specimen"]
    assert [each["identifier"][0]["value"] for each in tube["container"]] == ["C11", "C12"]
    notes = [
        [note["text"] for note in of(end, "ServiceRequest", f"L{number}")["note"]] for number in (1, 2, 3)
    ]
    assert notes == [[f"Container, identifier: {name}"] for name in ("C11", "C12", "C12")]


@pytest.mark.parametrize("event", ["OML^O21^OML_O21", "OUL^R24", "OML^O33"])
def test_an_order_has_the_specimen_after_it(store: Store, event: str) -> None:
    text = message(
        event, "1", "20260316101500", pid("1"),
        *requested(1), spm(1, "TA", "SER"), *requested(2), spm(2, "TB", "BLD"), *requested(3),
    )  # fmt: skip
    assert tubes(store.load(text).end(), "ServiceRequest") == {"T1": ["TA"], "T2": ["TB"], "T3": []}
    assert len(store.issues("FB-HL7-031")) == (event == "OML^O33")


def test_specimens_are_those_of_their_own_patient(store: Store) -> None:
    text = message(
        "OUL^R22", "1", "20260316101500",
        pid("1"), spm(1, "TA", "SER"), *resulted(1), pid("2"), *resulted(2), spm(1, "TB", "BLD"),
    )  # fmt: skip
    assert tubes(store.load(text).end(), "Observation") == {"R1": ["TA"], "R2": ["TB"]}
