"""HL7 v2 messages about one order through `load`: what places it, acts on it, and reports on it, in several orders."""

from __future__ import annotations

import pytest

from tests.e2e.test_hl7v2_events import Store, each_order, message, of, pid, pv1, store

__all__ = ["store"]

ORDER = message(
    "ORM^O01",
    "a",
    "20260310100000",
    pid("1"),
    pv1("V1"),
    "ORC|NW|P1^KIS|||||^^^20260311080000^^S||20260310093000|||7^Arzt^Arno",
    "OBR|1|P1^KIS||24323-8^CMP^LN|||||||||fever|||7^Arzt^Arno|||||||||||^^^20260311080000^^S||||I10^Hypertonie^I10",
    "NTE|1||fasting please",
)


def reported(control: str, time: str, status: str, sender: str) -> str:
    return message(
        "ORU^R01",
        control,
        time,
        pid("1"),
        f"OBR|1|P1^KIS|F1^LAB|24323-8^CMP^LN|||20260311080000|||9^Nurse||||||||||||{time}|||{status}",
        f"OBX|1|NM|2823-3^K^LN||5.9|mmol/L|3.5-5.1|H|||{status}",
        sender=sender,
    )


CANCELLED = message(
    "ORM^O01", "d", "20260312120000", pid("1"), "ORC|CA|P1^KIS", "OBR|1|P1^KIS||24323-8^CMP^LN"
)


@pytest.mark.parametrize("laboratory", ["KIS", "LAB"])
def test_a_report_takes_nothing_away_from_its_order(store: Store, laboratory: str) -> None:
    end = each_order(
        store,
        [
            ORDER,
            reported("b", "20260311100000", "P", laboratory),
            reported("c", "20260311110000", "F", laboratory),
        ],
    )
    order = of(end, "ServiceRequest", "P1")
    assert {item["value"] for item in order["identifier"]} == {"P1", "F1"}
    assert order["status"] == "completed"
    assert order["priority"] == "stat"
    assert order["requester"]["identifier"]["value"] == "7"
    assert order["reasonCode"][0]["coding"][0]["code"] == "I10"
    assert order["occurrencePeriod"]["start"] == "2026-03-11T08:00:00+01:00"
    assert order["authoredOn"] == "2026-03-10T09:30:00+01:00"
    assert order["encounter"]["reference"].startswith("Encounter/")
    assert {note["text"] for note in order["note"]} >= {"fasting please", "fever", "Collector: 9^Nurse"}


def test_a_cancellation_says_that_and_nothing_else(store: Store) -> None:
    order = of(each_order(store, [ORDER, CANCELLED]), "ServiceRequest", "P1")
    assert order["status"] == "revoked"
    assert (order["priority"], order["requester"]["identifier"]["value"]) == ("stat", "7")
    assert "fasting please" in {note["text"] for note in order["note"]}


def test_what_the_sender_corrects_or_clears_of_an_order_goes(store: Store) -> None:
    corrected = message(
        "ORM^O01",
        "x",
        "20260310110000",
        pid("1"),
        "ORC|XO|P1^KIS|||||^^^20260312090000^^R",
        'OBR|1|P1^KIS||24323-8^CMP^LN|||||||||||||||||||||||||||""',
        "NTE|1||not fasting",
    )
    order = of(each_order(store, [ORDER, corrected]), "ServiceRequest", "P1")
    assert order["priority"] == "routine"
    assert order["occurrencePeriod"]["start"] == "2026-03-12T09:00:00+01:00"
    assert "reasonCode" not in order
    texts = {note["text"] for note in order["note"]}
    assert ("not fasting" in texts, "fasting please" in texts) == (True, False)


DRUG = "00071015723^Amoxicillin 500 MG^NDC"
PRESCRIBED = message(
    "RDE^O11",
    "a",
    "20260310100000",
    pid("1"),
    pv1("V1"),
    "ORC|NW|R1^KIS|RF1^PHARM||||||20260310100000|||7^Arzt^Arno",
    f"RXE||{DRUG}|500|1000|mg^mg^UCUM|CAP^Capsule^HL70292||||20|{{tablet}}|3|||RX777",
    "TQ1|1||Q6H||||20260310120000|20260315120000",
    "RXR|PO^Oral^HL70162",
)


def given(sender: str) -> str:
    return message(
        "RAS^O17",
        "b",
        "20260310130000",
        pid("1"),
        "ORC|RE|R1^KIS|RF1^PHARM",
        f"RXO|{DRUG}|500||mg",
        f"RXA|0|1|202603101205|202603101210|{DRUG}|500|mg^mg^UCUM|||8^Pfleger^Leon||||||||||CP",
        "RXR|PO^Oral^HL70162",
        sender=sender,
    )


STOPPED = message(
    "RDE^O11",
    "c",
    "20260311100000",
    pid("1"),
    "ORC|DC|R1^KIS|RF1^PHARM",
    f"RXE||{DRUG}|500|1000|mg^mg^UCUM",
)


@pytest.mark.parametrize("ward", ["KIS", "STATION"])
def test_an_administration_takes_nothing_away_from_its_prescription(store: Store, ward: str) -> None:
    end = each_order(store, [PRESCRIBED, given(ward), STOPPED])
    order = of(end, "MedicationRequest", "R1")
    assert {item["value"] for item in order["identifier"]} == {"R1", "RF1", "RX777"}
    assert order["status"] == "stopped"
    (dosage,) = order["dosageInstruction"]
    assert "extension" not in dosage
    (amount,) = dosage["doseAndRate"]
    assert (amount["doseRange"]["low"]["value"], amount["doseRange"]["high"]["value"]) == (500, 1000)
    assert dosage["timing"]["code"]["text"] == "Q6H"
    assert dosage["timing"]["repeat"]["boundsPeriod"]["end"] == "2026-03-15T12:00:00+01:00"
    assert order["dispenseRequest"]["quantity"]["value"] == 20
    assert order["authoredOn"].startswith("2026-03-10")
    assert len(end["MedicationAdministration"]) == 1


def test_an_administration_alone_tells_of_its_prescription(store: Store) -> None:
    order = of(each_order(store, [given("STATION"), given("STATION")]), "MedicationRequest", "R1")
    assert order["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] == 500
    assert "extension" not in order["dosageInstruction"][0]
    assert "_status" not in order


def acted(control: str, time: str, code: str) -> str:
    return message("ORM^O01", control, time, pid("1"), f"ORC|{code}|P1^KIS", "OBR|1|P1^KIS||24323-8^CMP^LN")


@pytest.mark.parametrize(
    ("codes", "status"), [(("HD", "RL"), "active"), (("RP",), "revoked"), (("HD",), "on-hold")]
)
def test_what_is_done_to_an_order_decides_its_status(
    store: Store, codes: tuple[str, ...], status: str
) -> None:
    actions = [acted(f"x{n}", f"2026031{n + 1}120000", code) for n, code in enumerate(codes)]
    order = of(each_order(store, [ORDER, *actions]), "ServiceRequest", "P1")
    assert (order["status"], order["priority"]) == (status, "stat")


def test_a_change_leaves_of_a_dosage_what_it_does_not_say(store: Store) -> None:
    """Amount, timing and route are fields of their own; `""` deletes one of them."""
    changed = message(
        "RDE^O11", "c", "20260311100000", pid("1"), "ORC|XO|R1^KIS|RF1^PHARM", f"RXE||{DRUG}|250||mg^mg^UCUM"
    )
    refilled = message(
        "RDE^O11",
        "d",
        "20260312100000",
        pid("1"),
        'ORC|RF|R1^KIS|RF1^PHARM|||||||||""',
        f'RXE||{DRUG}||||||||""||5',
        'RXR|""',
    )
    order = of(each_order(store, [PRESCRIBED, changed, refilled]), "MedicationRequest", "R1")
    (dosage,) = order["dosageInstruction"]
    assert dosage["timing"]["code"]["text"] == "Q6H"
    assert dosage["doseAndRate"] == [
        {"doseQuantity": {"value": 250, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}
    ]
    assert "route" not in dosage
    assert order["dispenseRequest"] == {"numberOfRepeatsAllowed": 5}
    assert "requester" not in order


def test_what_a_message_deletes_of_an_order_goes_and_nothing_else(store: Store) -> None:
    """`""` in the requester's fields, in a comment and in a field that is a note; another message states one again."""
    placed = ORDER.replace("|||7^Arzt^Arno", "|||7^Arzt^Arno|WARD 3|tel 1", 1)
    deleted = message(
        "ORM^O01",
        "x",
        "20260310110000",
        pid("1"),
        'ORC|XO|P1^KIS||||||||||""|""|tel 2',
        'OBR|1|P1^KIS||24323-8^CMP^LN|||||||||""|||""',
        'NTE|1||""',
    )
    again = message(
        "ORM^O01",
        "y",
        "20260310120000",
        pid("1"),
        "ORC|XO|P1^KIS||||||||||||tel 3",
        "OBR|1|P1^KIS||24323-8^CMP^LN",
    )
    order = of(each_order(store, [placed, deleted, again]), "ServiceRequest", "P1")
    assert "requester" not in order
    texts = {note["text"] for note in order.get("note", ())}
    assert not texts & {"fasting please", "fever", '""', "Entered at: WARD 3"}
    assert order["priority"] == "stat"
    assert "Call back: tel 3" in texts or "Telephone of who ordered: tel 3" in texts


@pytest.mark.parametrize("ward", ["KIS", "STATION"])
def test_an_administration_repeats_the_notes_of_its_prescription_and_replaces_none(
    store: Store, ward: str
) -> None:
    noted = PRESCRIBED.replace("|||7^Arzt^Arno", "|||7^Arzt^Arno|WARD 3") + "NTE|1||with food\r"
    passing = given(ward).replace("ORC|RE|R1^KIS|RF1^PHARM", "ORC|RE|R1^KIS|RF1^PHARM||||||||||WARD 9|tel 1")
    passing = passing.replace("RXA|", "NTE|1||crushed\rRXA|", 1)
    order = of(each_order(store, [noted, passing, STOPPED]), "MedicationRequest", "R1")
    texts = {note["text"] for note in order["note"]}
    assert {"with food", "Entered at: WARD 3", "Call back: tel 1"} <= texts
    assert not texts & {"crushed", "Entered at: WARD 9"}


def test_of_a_stay_what_one_field_deletes_goes_alone(store: Store) -> None:
    """Admission source (PV1-14) and discharge disposition (PV1-36) are in one element."""

    def visit(source: str, disposition: str) -> str:
        return f"PV1|1|I|W1|||||||||||{source}|||||V1^^^KIS^VN|||||||||||||||||{disposition}"

    admitted = message("ADT^A01", "1", "20260310080000", pid("1"), visit("7", ""))
    later = message("ADT^A08", "2", "20260310090000", pid("1"), visit('""', "01"))
    last = message("ADT^A08", "3", "20260310100000", pid("1"), visit("", ""))
    stay = of(each_order(store, [admitted, later, last]), "Encounter", "V1")
    assert stay["hospitalization"].keys() == {"dischargeDisposition"}
