"""HL7 v2 messages that name an order by a number alone, through `load`: in several orders, with messages sent again."""

from __future__ import annotations

import pytest

from tests.e2e.test_hl7v2_events import SITE, End, Store, each_order, message, of, pid, store
from tests.e2e.test_hl7v2_orders import DRUG, ORDER, PRESCRIBED

__all__ = ["store"]

OTHER_TEST = message(
    "ORM^O01", "a2", "20260310100000", pid("1"), "ORC|NW|P1^KIS", "OBR|2|P1^KIS||58410-2^CBC^LN"
)
OTHER_PATIENT = message(
    "ORM^O01", "a3", "20260310100000", pid("2"), "ORC|NW|P9^KIS", "OBR|1|P9^KIS||24323-8^CMP^LN"
)
ACCEPTED = message("ORR^O02", "k", "20260310120000", pid("1"), "ORC|OK|P1^KIS|F1^LAB")


def alone(code: str, control: str, time: str, number: str = "P1^KIS", kind: str = "ORM^O01") -> str:
    return message(kind, control, time, pid("1"), f"ORC|{code}|{number}")


def statuses(end: End, kind: str) -> list[str]:
    return sorted(each["status"] for each in end[kind])


@pytest.mark.parametrize(
    ("actions", "status"),
    [(("CA",), "revoked"), (("HD",), "on-hold"), (("HD", "RL"), "active"), (("DC", "UD"), "revoked")],
)
def test_an_orc_alone_acts_on_the_orders_that_it_names(
    store: Store, actions: tuple[str, ...], status: str
) -> None:
    acts = [alone(code, f"x{n}", f"2026031{n + 1}120000") for n, code in enumerate(actions)]
    end = each_order(store, [ORDER, OTHER_TEST, OTHER_PATIENT, *acts])
    assert statuses(end, "ServiceRequest") == sorted([status, status, "active"])
    assert of(end, "ServiceRequest", "P9")["status"] == "active"
    first = next(each for each in end["ServiceRequest"] if "priority" in each)
    assert (first["priority"], first["requester"]["identifier"]["value"]) == ("stat", "7")
    assert len(end["Task"]) == len(actions)


def test_a_filler_acts_by_its_number_and_medications_are_orders_too(store: Store) -> None:
    end = each_order(store, [PRESCRIBED, alone("OD", "x", "20260311120000", "|RF1^PHARM", "RRE^O12")])
    (order,) = end["MedicationRequest"]
    assert order["status"] == "stopped"
    assert order["dosageInstruction"][0]["timing"]["code"]["text"] == "Q6H"


def test_what_an_action_means_is_reported_until_its_order_is_here(store: Store) -> None:
    store.load(alone("CA", "x", "20260311120000"))
    assert any("no order of its patient has its number" in text for text in store.issues("FB-RUN-043"))
    (report,) = store.reports
    assert next(each["source"] for each in report["issues"] if each["code"] == "FB-RUN-043").endswith("(x)")
    store.load(alone("CA", "y", "20260311130000", ""))
    assert any("it names no order by a number" in text for text in store.issues("FB-RUN-043"))
    assert "ServiceRequest" not in store.end()
    assert of(store.load(ORDER).end(), "ServiceRequest", "P1")["status"] == "revoked"
    assert store.reports[-1]["joined_orders"] == 1


def test_what_is_dispensed_makes_no_order(store: Store) -> None:
    dispensed = message(
        "RDS^O13", "x", "20260311120000", pid("1"), "ORC|RE|R1^KIS", f"RXD|1|{DRUG}|202603111100|20|TAB||D1"
    )
    end = each_order(
        store, [PRESCRIBED, dispensed, message("RDS^O13", "y", "20260311120000", pid("1"), "ORC|RE|R1^KIS")]
    )
    assert "ServiceRequest" not in end
    assert statuses(end, "MedicationRequest") == ["active"]
    assert len(end["MedicationDispense"]) == 1


RESULT = message(
    "ORU^R01",
    "r",
    "20260311110000",
    pid("1"),
    "OBR|1||F1^LAB|24323-8^CMP^LN|||20260311080000|||9^Nurse||||||||||||20260311110000|||F",
    "OBX|1|NM|2823-3^K^LN||5.9|mmol/L|3.5-5.1|H|||F",
    sender="LAB",
)


def test_an_order_named_by_its_fillers_number_is_joined(store: Store) -> None:
    """The order's numbers come with the acceptance; the laboratory names its own only."""
    end = each_order(store, [ORDER, ACCEPTED, RESULT])
    order, view = (
        next(each for each in end["ServiceRequest"] if each["intent"] == intent)
        for intent in ("order", "filler-order")
    )
    assert len(end["ServiceRequest"]) == 2
    assert {item["value"] for item in order["identifier"]} == {"P1", "F1"}
    assert (order["status"], view["status"]) == ("completed", "completed")
    assert order["priority"] == "stat"
    assert "Collector: 9^Nurse" in {note["text"] for note in order["note"]}
    assert view["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
    (report,) = end["DiagnosticReport"]
    assert {each["reference"] for each in report["basedOn"]} == {
        f"ServiceRequest/{order['id']}",
        f"ServiceRequest/{view['id']}",
    }


def test_a_view_of_an_order_stands_as_the_order(store: Store) -> None:
    given = message(
        "RAS^O17",
        "b",
        "20260310130000",
        pid("1"),
        "ORC|RE||RF1^PHARM",
        f"RXO|{DRUG}|500||mg",
        f"RXA|0|1|202603101205|202603101210|{DRUG}|500|mg^mg^UCUM||||||||||||CP",
    )
    end = each_order(store, [PRESCRIBED, given, alone("DC", "x", "20260311120000", "R1^KIS")])
    assert statuses(end, "MedicationRequest") == ["stopped", "stopped"]
    order = of(end, "MedicationRequest", "R1")
    assert order["dosageInstruction"][0]["timing"]["code"]["text"] == "Q6H"
    (view,) = (each for each in end["MedicationRequest"] if each["id"] != order["id"])
    assert view["basedOn"] == [{"reference": f"MedicationRequest/{order['id']}"}]


def test_fillers_give_one_number_to_several_services(store: Store) -> None:
    order = "ORC|NW|P2^KIS|F1^LAB"
    other = message("ORM^O01", "a4", "20260310100500", pid("1"), order, "OBR|1|P2^KIS|F1^LAB|58410-2^CBC^LN")
    end = each_order(store, [ORDER, other, RESULT])
    assert of(end, "ServiceRequest", "P2")["status"] == "active"
    assert of(end, "ServiceRequest", "P1")["status"] == "active"


def test_a_join_goes_with_the_number_that_made_it(store: Store) -> None:
    corrected = message("ORM^O01", "k2", "20260310130000", pid("1"), "ORC|SC|P1^KIS|F2^LAB")
    end = each_order(store, [ORDER, ACCEPTED, RESULT, corrected])
    order = of(end, "ServiceRequest", "P1")
    assert {item["value"] for item in order["identifier"]} == {"P1", "F2"}
    assert order["status"] == "active"
    view = of(end, "ServiceRequest", "F1")
    assert (view["status"], view["intent"]) == ("completed", "order")


def test_orders_move_to_another_patient_with_what_was_joined_to_them(store: Store) -> None:
    messages = ORDER, alone("CA", "x", "20260311120000")
    store.load(*messages)
    (before,) = store.end()["ServiceRequest"]
    site = store.home / "site.yaml"
    site.write_text(SITE.replace("2.999.1", "2.999.2"))
    (after,) = store.load(*messages).end()["ServiceRequest"]
    assert not store.issues("FB-STORE-018")
    assert after["subject"] != before["subject"]
    assert (after["status"], after["id"]) == ("revoked", before["id"])


def test_what_is_converted_and_then_loaded_is_joined_as_well(store: Store) -> None:
    source, site = store.home / "all.hl7", store.home / "site.yaml"
    source.write_text(alone("CA", "x", "20260311120000") + ORDER)
    out, report = store.home / "out", store.home / "report.json"
    arguments = ("-a", "hl7v2", "--site", site, "--out", out, "--report", report)
    assert store.bridge("convert", source, *arguments).exit_code in (0, 1)
    done = store.bridge("load", out, "--site", site, "--report", report, database=store.url)
    assert done.exit_code in (0, 1), done.output
    assert of(store.end(), "ServiceRequest", "P1")["status"] == "revoked"
