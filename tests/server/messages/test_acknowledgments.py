"""What a sender is answered: which acknowledgments it asks for, and numbers of their own over processes and starts."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.server.conftest import free_port
from tests.server.messages.sender import FS, adt, connected, oru
from tests.server.serving import Served, serving


def _asking(message: str, accept: str, application: str) -> str:
    header, rest = message.split("\r", 1)
    return f"{header}|||{accept}|{application}\r{rest}"


def _numbers(texts: list[str]) -> list[str]:
    return [text.split("|")[9] for text in texts]


def _sent_over_http(served: Served, message: str) -> httpx.Response:
    return httpx.post(
        f"{served.root}/hl7v2",
        content=message.encode(),
        headers={"Content-Type": "application/hl7-v2"},
        timeout=120,
    )


@pytest.mark.timeout(400)
def test_answers_have_numbers_of_their_own_over_starts_processes_and_re_sends(
    fresh_database_url: str, site: Path
) -> None:
    texts: list[str] = []
    for _ in range(2):
        port = free_port()
        with (
            serving(fresh_database_url, auth="none", site=site, mllp=port, workers=2) as served,
            connected(port) as sender,
        ):
            for _ in range(2):
                answers = sender.send(adt(1, "n1"), oru(1, "n1"), "PID|1||n1\r")
                assert [answer["id"] for answer in answers] == ["A1", "M1", ""]
                texts += [answer["text"] for answer in answers]
            for _ in range(4):
                answer = _sent_over_http(served, adt(1, "n1"))
                assert "MSA|AA|A1" in answer.text
                texts.append(answer.text)
    numbers = _numbers(texts)
    assert len(set(numbers)) == len(numbers)
    assert not {"A1", "M1"} & set(numbers)
    assert all(0 < len(number) <= 20 for number in numbers)


@pytest.mark.timeout(400)
def test_in_enhanced_mode_what_became_of_a_message_follows_its_acceptance(
    fresh_database_url: str, site: Path
) -> None:
    port = free_port()
    with serving(
        fresh_database_url, auth="none", site=site, mllp=port, hl7v2_failures="error"
    ) as served, connected(port) as sender:  # fmt: skip
        both = (_asking(adt(1, "e1"), "AL", "AL"), _asking(adt(2, "e1"), "NE", "AL"))
        answers = [*sender.send(*both), sender.answer()]
        assert [(answer["code"], answer["id"]) for answer in answers] == [
            ("CA", "A1"),
            ("AA", "A1"),
            ("AA", "A2"),
        ]
        assert served.get("Patient?identifier=e1").json()["total"] == 1
        # The order of another patient: it is kept, and refused.
        assert sender.send(oru(1, "e1"))[0]["code"] == "AA"
        taken = _asking(oru(1, "e2").replace("|M1|", "|M2|"), "AL", "ER")
        answers = [*sender.send(taken), sender.answer()]
        assert [answer["code"] for answer in answers] == ["CA", "AE"]
        assert "FB-STORE-018" not in answers[0]["text"]
        assert "FB-STORE-018" in answers[1]["text"]
        # Who asks for errors alone hears nothing of what went well, and that what can't be read is not accepted.
        quiet = _asking(adt(3, "e1"), "ER", "ER")
        (answer,) = sender.send(quiet + quiet)
        assert (answer["code"], answer["id"]) == ("CR", "A3")
        sender.socket.sendall(b"\x0b" + quiet.encode() + FS + b"\r")
        assert sender.send(adt(4, "e1"))[0]["id"] == "A4"
        over_http = _sent_over_http(served, _asking(adt(5, "e1"), "AL", "AL"))
        assert "MSA|AA|A5" in over_http.text
        assert over_http.text.count("MSH|") == 1
        assert _sent_over_http(served, _asking(adt(6, "e1"), "NE", "NE")).text == ""
