"""What a filler answers to an order that it can't accept, cancel or change (ORL, RRE; table 0119)."""

from __future__ import annotations

import pytest

from tests.e2e.test_hl7v2_events import Store, each_order, message, of, pid, store

__all__ = ["store"]

TEST = ("OBR|1|P1^KIS|F1^LAB|24323-8^CMP^LN",)
DRUG = ("RXE|^BID|309362^Clopidogrel 75^RXNORM|75||mg",)


def ordered(kind: str, *content: str) -> str:
    return message(kind, "1", "20260310100000", pid("1"), "ORC|NW|P1^KIS", *content)


def answered(kind: str, control: str, *content: str) -> str:
    return message(
        kind, "2", "20260310110000", "MSA|AA|1", pid("1"), f"ORC|{control}|P1^KIS|F1^LAB", *content
    )


@pytest.mark.parametrize("content", [TEST, ()])
def test_an_order_that_is_not_accepted_is_revoked(store: Store, content: tuple[str, ...]) -> None:
    end = each_order(store, [ordered("OML^O21", *TEST), answered("ORL^O22", "UA", *content)])
    assert of(end, "ServiceRequest", "P1")["status"] == "revoked"


def test_a_prescription_that_is_not_accepted_is_cancelled(store: Store) -> None:
    end = each_order(store, [ordered("RDE^O11", *DRUG), answered("RRE^O12", "UA", *DRUG)])
    order = of(end, "MedicationRequest", "P1")
    assert order["status"] == "cancelled"
    assert "Answer of the filler: UA, unable to accept the order" in {note["text"] for note in order["note"]}


@pytest.mark.parametrize("control", ["UA", "UC", "UD", "UF", "UH", "UM", "UR", "UX", "DE", "DF"])
def test_a_refusal_is_said_of_the_order(store: Store, control: str) -> None:
    store.load(ordered("OML^O21", *TEST), answered("ORL^O22", control, *TEST))
    order = of(store.end(), "ServiceRequest", "P1")
    assert order["status"] == ("revoked" if control == "UA" else "active")
    (note,) = order["note"]
    assert note["text"].startswith(f"Answer of the filler: {control}, ")
    store.empty().load(ordered("RDE^O11", *DRUG), answered("RRE^O12", control, *DRUG))
    order = of(store.end(), "MedicationRequest", "P1")
    assert order["status"] == ("cancelled" if control == "UA" else "active")
    assert any(note["text"].startswith(f"Answer of the filler: {control}, ") for note in order["note"])
