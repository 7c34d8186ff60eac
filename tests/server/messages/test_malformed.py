"""Messages that are cut off, joined, unnumbered, numbered twice or very large, sent to the program itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.messages.conftest import SITE
from tests.server.messages.sender import adt, codes, connected, oru
from tests.server.messages.test_mllp import found, kept, patient
from tests.server.serving import Served, serving


@pytest.fixture(scope="module")
def served(database_url: str, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    site = tmp_path_factory.mktemp("site") / "site.yaml"
    site.write_text(SITE)
    with serving(database_url, auth="none", site=site, mllp=port, max_message_bytes=16 << 20) as process:
        process.database_url = database_url
        yield process


TWO = adt(1001, "q1") + adt(1002, "q1")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("MSH|^~\\&|A", "FB-HL7-020"),
        ("MSH|^~\\&|ADT|HOSP|||20260101||ADT^A08|C1|P|2.5.1\r", "FB-HL7-020"),
        (TWO, "FB-HL7-021"),
        (f"BHS|^~\\&|ADT\r{TWO}BTS|2\r", "FB-HL7-002"),
        (adt(1003, "q1", name="K\xf6hler").replace("2.5.1", "2.5.1||||||UNICODE UTF-8"), "FB-HL7-003"),
    ],
    ids=["a lone header", "a header of a kind", "two in one", "a batch", "another encoding than it states"],
)
def test_what_is_not_one_whole_message_is_not_taken(
    message: str, code: str, served: Served, port: int
) -> None:
    with connected(port) as sender:
        (answer,) = sender.send(message.encode("latin-1"))
        assert answer["code"] == "AR"
        assert f"|E|{code}^" in answer["text"]
        assert codes(sender.send(adt(1000, "q0"))) == ["AA"], "the connection goes on"
    assert not found(served, "Patient?identifier=q1"), "nothing of it is stored"
    assert ("rejected", 1) in [
        row for name in ("", "C1", "A1001", "A1003") for row in kept(served.database_url, name)
    ]


def test_a_message_without_a_number_is_stored_and_its_sender_told(served: Served, port: int) -> None:
    unnumbered = adt(1100, "q2").replace("|A1100|", "||")
    with connected(port) as sender:
        (answer,) = sender.send(unnumbered)
        assert (answer["code"], answer["id"]) == ("AA", "")
        assert "ERR||MSH^1^10|101^Required field missing^HL70357|W|FB-HL7-022^" in answer["text"]
        (numbered,) = sender.send(adt(1101, "q2"))
        assert "ERR|" not in numbered["text"]
    assert patient(served, "q2")["name"][0]["family"] == "Keller"


def test_two_contents_under_one_number_are_two_messages(served: Served, port: int) -> None:
    with connected(port) as sender:
        other = adt(1200, "q4", name="Meier")
        for message in (adt(1200, "q3"), other, adt(1200, "q3")):
            assert codes(sender.send(message)) == ["AA"]
    assert patient(served, "q3")["name"][0]["family"] == "Keller"
    assert patient(served, "q4")["name"][0]["family"] == "Meier"
    assert kept(served.database_url, "A1200") == [("converted", 2), ("converted", 1)]


def test_a_message_of_several_megabytes_is_one_like_any_other(served: Served, port: int) -> None:
    report = "OBX|6|ED|PDF^Report^L||LIS^application^pdf^Base64^" + "JVBERi0x" * 800_000 + "||||||F\r"
    with connected(port) as sender:
        assert codes(sender.send(oru(1300, "q5") + report, adt(1301, "q5"))) == ["AA", "AA"]
    subject = patient(served, "q5")["id"]
    (presented,) = found(served, f"DiagnosticReport?subject=Patient/{subject}")
    assert presented["presentedForm"][0]["contentType"] == "application/pdf"
    assert len(found(served, f"Observation?subject=Patient/{subject}")) == 5
