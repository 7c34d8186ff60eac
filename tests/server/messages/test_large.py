"""A message that takes long is processed beside the others: who sends of another patient does not wait."""

from __future__ import annotations

import select

import pytest

from tests.patience import until
from tests.server.messages.sender import Sender, adt, codes, connected, framed, oru
from tests.server.messages.test_mllp import found, kept, patient
from tests.server.serving import Served

LARGE = 4000


def _is_answered(sender: Sender) -> bool:
    return bool(select.select([sender.socket], [], [], 0)[0])


def _begin(served: Served, sender: Sender, message: str, control_id: str) -> None:
    """Send a message, and wait until it is under way."""
    sender.socket.sendall(framed(message))
    until(lambda: kept(served.database_url, control_id), "it is under way")


@pytest.mark.timeout(400)
def test_others_are_answered_while_a_large_message_is_under_way(served: Served, port: int) -> None:
    with connected(port) as large, connected(port) as small:
        assert codes(small.send(adt(1, "l1"))) == ["AA"]
        _begin(served, large, oru(2, "l2", LARGE), "M2")
        answers = []
        while len(answers) < 5:
            answers += small.send(oru(10 + len(answers), "l1"))
        assert set(codes(answers)) == {"AA"}
        assert not _is_answered(large)
        assert kept(served.database_url, "M2") == [("received", 1)]
        assert len(found(served, f"Observation?subject=Patient/{patient(served, 'l1')['id']}")) == 25
        assert large.answer()["code"] == "AA"
        assert kept(served.database_url, "M2") == [("converted", 1)]


@pytest.mark.timeout(400)
def test_what_follows_of_its_patient_waits_for_it_whoever_sends_it(served: Served, port: int) -> None:
    """By any identifier of the patient, at one business time: the later word counts, and it is the one sent last."""
    before = oru(20, "l3", LARGE, status="P", value=1)
    after = oru(20, "l3", 3, status="F", value=100).replace("|M20|", "|M21|")
    corrected = oru(20, "l3", 3, status="C", value=200).replace("|M20|", "|M22|")
    merged = (
        adt(23, "l4", kind="A40").replace("|A23|", "|M23|") + "MRG|l3^^^HOSP^MR\r"
    )  # it names the patient as the one that is given up
    with connected(port) as large, connected(port) as second, connected(port) as third:
        assert codes(second.send(adt(24, "l4"), adt(25, "l3"))) == ["AA", "AA"]
        _begin(served, large, before, "M20")
        second.socket.sendall(framed(after) + framed(corrected))
        third.socket.sendall(framed(merged))
        with connected(port) as other:
            assert codes(other.send(adt(26, "l5"))) == ["AA"]
        assert not any(map(_is_answered, (large, second, third)))
        assert [kept(served.database_url, f"M{number}") for number in (21, 22, 23)] == [[], [], []]
        assert [second.answer()["code"] for _ in range(2)] == ["AA", "AA"]
        assert kept(served.database_url, "M20") == [("converted", 1)]
        assert third.answer()["code"] == "AA"
        assert large.answer()["code"] == "AA"
    stored = found(served, f"Observation?subject=Patient/{patient(served, 'l3')['id']}&code=1001-1")
    assert [(one["status"], one["valueQuantity"]["value"]) for one in stored] == [("corrected", 201)]


@pytest.mark.timeout(400)
def test_a_large_message_waits_for_what_came_before_of_its_patient(served: Served, port: int) -> None:
    first = oru(40, "l6", 3, status="P", value=1)
    large = oru(40, "l6", LARGE, status="F", value=100).replace("|M40|", "|M41|")
    with connected(port) as sender:
        assert codes(sender.send(adt(42, "l6"), first, large, adt(43, "l6"))) == ["AA"] * 4
    stored = found(served, f"Observation?subject=Patient/{patient(served, 'l6')['id']}&code=1001-1")
    assert [(one["status"], one["valueQuantity"]["value"]) for one in stored] == [("final", 101)]
