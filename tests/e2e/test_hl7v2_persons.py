"""What several senders say of one patient, through `load`: in every order of arrival and with messages sent again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.test_hl7v2_events import Store, each_order, message, of, store

__all__ = ["store"]


def person(name: str = "Abel^Anna", more: str = "") -> str:
    return f"PID|1||1^^^KIS^PI||{name}||19500101|F{more}"


def told(time: str, more: str = "", *, sender: str = "KIS", name: str = "Abel^Anna") -> str:
    return message("ADT^A08", f"{sender}{time}", time, person(name, more), sender=sender)


def reported(time: str, more: str, name: str = "Alt^Anna") -> str:
    """A result of a laboratory, with what it has of the patient."""
    return message(
        "ORU^R01",
        time,
        time,
        person(name, more),
        "OBR|1|P1|F1|K^K^L|||20240102080000||||||||||||||||||F",
        "OBX|1|NM|K^K^L||4|mmol/L|||||F",
        sender="LIS",
    )


GRAZ, WIEN = "|||Gasse 1^^Graz^^8010||+431111", "|||Weg 2^^Wien^^1010||+432222"


def cities(patient: dict[str, Any]) -> list[str]:
    return [address["city"] for address in patient.get("address", ())]


def phones(patient: dict[str, Any]) -> list[str]:
    return [each["value"] for each in patient.get("telecom", ())]


def test_of_each_element_the_newest_statement_counts_whoever_sends_last(store: Store) -> None:
    end = each_order(
        store,
        [
            told("20240101080000", GRAZ),
            told("20240102080000", WIEN, sender="KIS2"),
            told("20240103080000", name="Neu^Anna"),
        ],
    )
    patient = of(end, "Patient", "1")
    assert patient["name"][0]["family"] == "Neu"
    assert cities(patient) == ["Wien"]
    assert phones(patient)[0] == "+432222"


@pytest.mark.parametrize("time", ["20231231080000", "20240104080000"], ids=["before", "after"])
def test_a_laboratory_adds_nothing_that_an_adt_states(time: str, store: Store) -> None:
    end = each_order(
        store,
        [told("20240101080000", GRAZ), reported(time, "|||Alt 9^^Linz^^4020||+439999|+438888")],
    )
    patient = of(end, "Patient", "1")
    assert patient["name"][0]["family"] == "Abel"
    assert cities(patient) == ["Graz"]
    assert phones(patient) == ["+431111", "+438888"], "no ADT states where she works"


def test_what_no_adt_states_a_laboratory_does(store: Store) -> None:
    end = each_order(
        store, [told("20240101080000"), reported("20240104080000", "|||Alt 9^^Linz^^4020||+439999")]
    )
    patient = of(end, "Patient", "1")
    assert (cities(patient), phones(patient)) == (["Linz"], ["+439999"])
