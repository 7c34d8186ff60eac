"""HL7 v2 results through `load`: which of them are one, in every order of arrival and with messages sent again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.test_hl7v2_events import End, Store, each_order, message, pid, store

__all__ = ["store"]

Row = tuple[str, str, str]
"""Value, time and status of a glucose result."""


def series(control: str, time: str, *rows: Row, status: str = "F") -> str:
    return message(
        "ORU^R01",
        control,
        time,
        pid("1"),
        f"OBR|1|P1^KIS|F1^LAB|GTT^Glucose tolerance^L|||20260301080000|||||||||||||||{time}|||{status}",
        *(
            f"OBX|{n}|NM|2345-7^Glucose^LN||{value}|mmol/L|||||{state}|||{moment}"
            for n, (value, moment, state) in enumerate(rows, 1)
        ),
    )


def results(end: End) -> list[tuple[Any, ...]]:
    return sorted(
        (one["effectiveDateTime"][11:16], one["status"], one.get("valueQuantity", {}).get("value"))
        for one in end["Observation"]
    )


FASTING, LATER = ("4.4", "20260301080000", "F"), ("7.8", "20260301100000", "F")


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (  # each time in a message of its own
            [
                series("a", "20260301080500", FASTING, status="P"),
                series("b", "20260301100500", LATER),
                series("c", "20260301110500", ("6.1", "20260301110000", "F")),
            ],
            [("08:00", "final", 4.4), ("10:00", "final", 7.8), ("11:00", "final", 6.1)],
        ),
        (  # in one message, and in another with its rows turned
            [series("a", "20260301100500", FASTING, LATER), series("b", "20260301110500", LATER, FASTING)],
            [("08:00", "final", 4.4), ("10:00", "final", 7.8)],
        ),
        (  # one of them corrected
            [
                series("a", "20260301100500", FASTING, LATER),
                series("b", "20260301110500", ("8.8", "202603011000", "C"), status="C"),
            ],
            [("08:00", "final", 4.4), ("10:00", "corrected", 8.8)],
        ),
        (  # one of them deleted
            [
                series("a", "20260301100500", FASTING, LATER),
                series("b", "20260301110500", ('""', "20260301100000", "D"), status="C"),
            ],
            [("08:00", "final", 4.4), ("10:00", "entered-in-error", None)],
        ),
        (  # the first is at the order's own time, whether that is said or not
            [
                series("a", "20260301080500", ("4.4", "", "P"), status="P"),
                series("b", "20260301090500", ("4.5", "202603010800", "F")),
            ],
            [("08:00", "final", 4.5)],
        ),
    ],
)
def test_results_of_one_code_are_told_apart_by_their_time(
    messages: list[str], expected: list[tuple[Any, ...]], store: Store
) -> None:
    assert results(each_order(store, messages)) == expected


def test_a_site_says_that_a_laboratory_states_when_it_worked(store: Store) -> None:
    site = store.home / "site.yaml"
    site.write_text(f"{site.read_text()}parameters:\n  result_time: analysis\n")
    messages = [
        series("a", "20260301080500", ("6.9", "20260301093000", "P"), status="P"),
        series("b", "20260301110500", ("4.1", "20260301101500", "F")),
    ]
    assert [one[1:] for one in results(each_order(store, messages))] == [("final", 4.1)]


def culture(control: str, time: str, *organisms: tuple[str, str, str], status: str = "F") -> str:
    """Number of the isolate, MIC of oxacillin, and the status of that result."""
    obr = f"|||20260329100000|||||||||||||||{time}||MB|{status}"
    return message(
        "ORU^R01",
        control,
        time,
        pid("1"),
        f"OBR|1|NO1^KIS|NF1^MIB|600-7^Blood culture^LN{obr}",
        "OBX|1|CWE|600-7^Bacteria^LN|1|3092008^Staph aureus^SCT||||||F",
        "OBX|2|CWE|600-7^Bacteria^LN|2|112283007^E coli^SCT||||||F",
        *(
            line
            for number, (isolate, mic, state) in enumerate(organisms, 2)
            for line in (
                f"OBR|{number}|NO1^KIS|NF1^MIB|29576-6^Suscept^LN{obr}|600-7&Bacteria&LN^{isolate}|||NO1&KIS^NF1&MIB",
                f"OBX|1|NM|18961-3^Oxacillin^LN||{mic}|ug/mL|||||{state}",
            )
        ),
    )


def test_the_susceptibilities_of_two_isolates_are_told_apart(store: Store) -> None:
    end = each_order(
        store,
        [
            culture("a", "20260401100000", ("1", "0.25", "P"), status="P"),
            culture("b", "20260401110000", ("1", "0.25", "F"), ("2", "4", "F")),
            culture("c", "20260401120000", ("2", "8", "C"), status="C"),
        ],
    )
    isolates = {
        one["id"]: one["valueCodeableConcept"]["text"]
        for one in end["Observation"]
        if "valueCodeableConcept" in one
    }
    tested = [one for one in end["Observation"] if "valueQuantity" in one]
    assert sorted(
        (
            isolates[one["derivedFrom"][0]["reference"].partition("/")[2]],
            one["status"],
            one["valueQuantity"]["value"],
        )
        for one in tested
    ) == [("E coli", "corrected", 8), ("Staph aureus", "final", 0.25)]
    assert len(end["Observation"]) == 4, "nothing is carried as text"
    assert len(end["DiagnosticReport"]) == len(end["ServiceRequest"]) == 3


def unnumbered(control: str, time: str, *taken: tuple[str, str, str]) -> str:
    """Patient, time and value of glucose at the bedside; the orders have no number."""
    lines = []
    for number, (patient, moment, value) in enumerate(taken, 1):
        if number == 1 or patient != taken[number - 2][0]:
            lines.append(pid(patient, f"Nobody^{patient}"))
        lines += [
            f"OBR|{number}|||GLU^Glucose^L|||{moment}||||||||||||||||||F",
            f"OBX|1|NM|GLU^Glucose^L||{value}|mmol/L|||||F",
        ]
    return message("ORU^R01", control, time, *lines, sender="POCT")


@pytest.mark.parametrize(
    "messages",
    [
        [unnumbered("1", "20260301120500", ("1", "20260301080000", "5.1"), ("1", "20260301120000", "2.1"))],
        [unnumbered("1", "20260301120500", ("1", "20260301080000", "5.1"), ("2", "20260301080000", "2.1"))],
        [
            unnumbered("1", "20260301080500", ("1", "20260301080000", "5.1")),
            unnumbered("1", "20260302080500", ("1", "20260302080000", "2.1")),
        ],
        [
            unnumbered("1", "20260301080500", ("1", "20260301080000", "5.1")),
            unnumbered("1", "20260301080500", ("2", "20260301080000", "2.1")),
        ],
        [
            unnumbered("1", "20260301080500", ("1", "20260301080000", "5.1")),
            unnumbered("1", "20260301080500", ("1", "20260301080000", "2.1")),
        ],
    ],
    ids=["two times", "two patients", "number used again", "for another patient", "with another value"],
)
def test_orders_without_a_number_are_told_apart(messages: list[str], store: Store) -> None:
    end = each_order(store, messages)
    assert sorted(one["valueQuantity"]["value"] for one in end["Observation"]) == [2.1, 5.1]
    assert len(end["DiagnosticReport"]) == len(end["ServiceRequest"]) == 2
    of = {one["id"]: one["result"][0]["reference"] for one in end["DiagnosticReport"]}
    assert len(set(of.values())) == 2


def test_persons_without_a_number_are_told_apart_where_a_message_name_is_used_again(store: Store) -> None:
    told = [
        message("ADT^A04", "1", time, f"PID|1||||Abel^{name}||19500101|F", "PV1|1|O", sender="POCT")
        for time, name in (("20260301080000", "Anna"), ("20260302080000", "Berta"))
    ]
    end = each_order(store, told)
    assert sorted(one["name"][0]["given"][0] for one in end["Patient"]) == ["Anna", "Berta"]
    assert len(end["Encounter"]) == 2
