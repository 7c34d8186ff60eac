"""HL7 v2 over MLLP, to the program as a person starts it: what is acknowledged is stored, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.patience import until
from tests.server.messages.conftest import SITE
from tests.server.messages.sender import FS, VT, adt, codes, connected, framed, oru
from tests.server.serving import Served, serving

LIMIT = 64 * 1024


@pytest.fixture(scope="module")
def served(database_url: str, site: Path, port: int) -> Iterator[Served]:
    with serving(
        database_url, auth="none", site=site, mllp=port, max_message_bytes=LIMIT, workers=2
    ) as process:
        process.database_url = database_url
        yield process


def found(served: Served, path: str) -> list[dict[str, Any]]:
    answer = served.get(path)
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", [])]


def patient(served: Served, number: str) -> dict[str, Any]:
    (one,) = found(served, f"Patient?identifier={number}")
    return one


def kept(url: str, control_id: str) -> list[tuple[str, int]]:
    """Status of the kept messages of a control id, and how often each came."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT status, copies FROM received_message WHERE control_id = %s ORDER BY key", (control_id,)
        ).fetchall()


def test_what_is_acknowledged_is_stored_and_sent_again_changes_nothing(served: Served, port: int) -> None:
    with connected(port) as sender:
        (first,) = sender.send(adt(1, "p1"))
        assert (first["code"], first["id"]) == ("AA", "A1")
        before = patient(served, "p1")
        assert before["name"][0]["family"] == "Keller"
        (result,) = sender.send(oru(1, "p1"))
        assert result["code"] == "AA"
        assert len(found(served, f"Observation?subject=Patient/{before['id']}")) == 5
        assert codes(sender.send(adt(1, "p1"), oru(1, "p1"))) == ["AA", "AA"]
    assert patient(served, "p1")["meta"]["versionId"] == before["meta"]["versionId"]
    assert len(found(served, f"Observation?subject=Patient/{before['id']}")) == 5
    assert kept(served.database_url, "A1") == [("converted", 2)]


def test_answers_to_several_in_one_write_come_in_order_and_the_last_word_counts(
    served: Served, port: int
) -> None:
    names = [f"Name{number}" for number in range(20)]
    messages = [
        adt(100 + number, "p2", name=name, at=f"202601010800{number:02d}")
        for number, name in enumerate(names)
    ]
    with connected(port) as sender, connected(port) as other:
        other.socket.sendall(b"".join(framed(oru(200 + number, "p3")) for number in range(10)))
        answers = sender.send(*messages)
        assert [answer["id"] for answer in answers] == [f"A{100 + number}" for number in range(20)]
        assert set(codes(answers)) == {"AA"}
        assert [other.answer()["id"] for _ in range(10)] == [f"M{200 + number}" for number in range(10)]
    assert patient(served, "p2")["name"][0]["family"] == "Name19"


def test_a_corrected_result_replaces_the_preliminary_one_on_one_connection(served: Served, port: int) -> None:
    with connected(port) as sender:
        preliminary = oru(300, "p4", 1, status="P", value=5)
        corrected = oru(300, "p4", 1, status="C", value=7).replace("M300", "M301").replace("0500", "0501")
        assert codes(sender.send(preliminary, corrected)) == ["AA", "AA"]
    (one,) = found(served, f"Observation?subject=Patient/{patient(served, 'p4')['id']}")
    assert (one["status"], one["valueQuantity"]["value"]) == ("corrected", 8)


def test_frames_are_found_whatever_comes_between_them(served: Served, port: int) -> None:
    """Bytes outside of frames, no CR after FS, a frame cut off by the next, line ends of Unix, one byte at a time."""
    with connected(port) as sender:
        sender.socket.sendall(b"\r\nnonsense" + VT + adt(400, "p5").encode() + FS)
        assert sender.answer()["id"] == "A400"
        sender.socket.sendall(VT + adt(401, "p5").encode()[:60] + framed(adt(402, "p5").replace("\r", "\n")))
        assert sender.answer()["id"] == "A402"
        for byte in framed(adt(403, "p5")):
            sender.socket.sendall(bytes([byte]))
        assert sender.answer()["id"] == "A403"
    assert kept(served.database_url, "A401") == []


def test_who_sends_no_frames_or_no_end_is_closed_and_others_go_on(served: Served, port: int) -> None:
    with connected(port) as sender:
        with suppress(OSError):  # it may be closed while this is still sent
            for _ in range(1000):
                sender.socket.sendall(b"x" * 4096)
        assert sender.is_closed()
    with connected(port) as sender:
        sender.socket.sendall(VT + oru(500, "p6").encode() + b"x" * LIMIT)
        answer = sender.answer()
        assert (answer["code"], answer["id"]) == ("AR", "M500")
        assert sender.is_closed()
    with connected(port) as slow, connected(port) as sender:
        slow.socket.sendall(VT + adt(501, "p6").encode()[:50])
        assert codes(sender.send(adt(502, "p6"))) == ["AA"]
    assert kept(served.database_url, "M500") == []


def test_what_is_no_message_is_rejected_and_kept_and_the_connection_goes_on(
    served: Served, port: int
) -> None:
    with connected(port) as sender:
        (bad,) = sender.send("PID|1||p7\r")
        assert bad["code"] == "AR"
        assert "FB-HL7-00" in bad["text"]
        assert codes(sender.send(adt(600, "p7"))) == ["AA"]
    assert ("rejected", 1) in kept(served.database_url, "")


def test_the_answer_is_in_the_senders_delimiters_and_modes(served: Served, port: int) -> None:
    with connected(port) as sender:
        other = adt(700, "p8").replace("|", "*").replace("^~\\&", "@~\\&").replace("^", "@")
        sender.socket.sendall(framed(other))
        frame = b""
        while FS not in frame:
            frame += sender.socket.recv(4096)
        assert b"MSA*AA*A700" in frame
        assert b"ACK@A08@ACK" in frame
        # Enhanced mode: an accept acknowledgment; none where only errors are asked for.
        header, rest = adt(701, "p8").split("\r", 1)
        assert codes(sender.send(f"{header}|||AL|NE\r{rest}")) == ["CA"]
        sender.socket.sendall(framed(f"{header}|||ER|NE\r{rest}".replace("A701", "A702")))
        assert [answer["id"] for answer in sender.send(adt(703, "p8"))] == ["A703"]
    assert kept(served.database_url, "A702") == [("converted", 1)]


def test_a_message_that_is_refused_is_accepted_and_waits_in_the_inbox(served: Served, port: int) -> None:
    with connected(port) as sender:
        taken = oru(800, "p10").replace("M800", "M801")  # the order of another patient
        assert codes(sender.send(oru(800, "p9"), taken)) == ["AA", "AA"]
    assert kept(served.database_url, "M801") == [("refused", 1)]
    with psycopg.connect(served.database_url) as connection:
        rows = connection.execute("SELECT kind, state FROM inbox WHERE code = 'FB-STORE-018'").fetchall()
    assert rows == [("refused", "open")]
    assert len(found(served, f"Observation?subject=Patient/{patient(served, 'p9')['id']}")) == 5


def test_an_event_of_nobody_is_accepted_and_waits_in_the_inbox(served: Served, port: int) -> None:
    nobody = "\r".join(line for line in adt(850, "p9").split("\r") if not line.startswith("PID"))
    master = adt(851, "p9").replace("ADT^A08", "MFN^M02").replace("PID|", "ZPI|")
    with connected(port) as sender:
        assert codes(sender.send(nobody, master)) == ["AA", "AA"]
        assert codes(sender.send(nobody)) == ["AA"]  # sent again, it is the same one
    assert kept(served.database_url, "A850") == [("skipped", 2)]
    assert kept(served.database_url, "A851") == [("skipped", 1)]
    with psycopg.connect(served.database_url) as connection:
        rows = connection.execute(
            "SELECT kind, state, count FROM inbox WHERE code LIKE 'FB-HL7-0%'"
        ).fetchall()
        where = "code = 'FB-HL7-023'"
        waiting = connection.execute(
            f"SELECT kind, state, run ? 'received' FROM inbox WHERE {where}"
        ).fetchall()
    assert waiting == [("failed", "open", True)]
    assert not [row for row in rows if row[1] != "open"]


def test_a_held_message_is_processed_once_its_patient_is_known(served: Served, port: int, site: Path) -> None:
    with connected(port) as sender:
        unknown = adt(900, "p11").replace("^^^HOSP^MR", "^^^NEW^MR")
        assert codes(sender.send(unknown)) == ["AA"]
        assert kept(served.database_url, "A900") == [("held", 1)]
        site.write_text(SITE.replace("    HOSP", "    NEW: urn:oid:2.999.2\n    HOSP"))
        try:
            assert codes(sender.send(adt(901, "p12"))) == [
                "AA"
            ]  # a Patient is written: the inbox is looked through
            until(lambda: kept(served.database_url, "A900") == [("converted", 1)], "it is processed", 0.5)
        finally:
            site.write_text(SITE)
    assert patient(served, "p11")["name"][0]["family"] == "Keller"
