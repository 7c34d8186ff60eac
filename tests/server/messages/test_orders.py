"""What names an order by its number alone is joined to it while messages come in."""

from __future__ import annotations

from tests.patience import until
from tests.server.messages.sender import codes, connected
from tests.server.messages.test_mllp import found, patient
from tests.server.serving import Served


def _order(control: str, minute: int, *segments: str) -> str:
    head = f"MSH|^~\\&|KIS|HOSP|||202601021{minute:03d}00+0100||ORM^O01|{control}|P|2.5.1"
    return "\r".join([head, "PID|1||o1^^^HOSP^MR||Keller^Ada||19600102|F", *segments]) + "\r"


def test_a_cancellation_by_number_cancels_the_order_that_comes_after_it(served: Served, port: int) -> None:
    placed = _order("N1", 1, "ORC|NW|P77^KIS||||||||||7^Arzt^Arno", "OBR|1|P77^KIS||24323-8^CMP^LN")
    with connected(port) as sender:
        assert codes(sender.send(_order("N2", 5, "ORC|CA|P77^KIS"))) == ["AA"]
        assert codes(sender.send(placed)) == ["AA"]
    path = f"ServiceRequest?subject=Patient/{patient(served, 'o1')['id']}"
    until(lambda: [each["status"] for each in found(served, path)] == ["revoked"], "it is cancelled", 0.2)
    (order,) = found(served, path)
    assert order["requester"]["identifier"]["value"] == "7"
