"""The listener, or all of it, is killed while messages come: none is lost, none is stored twice."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.patience import until
from tests.server.conftest import free_port
from tests.server.messages.sender import Sender, adt, connected, oru
from tests.server.serving import serving

PATIENTS = 5
EACH = 12


def _send_until_accepted(port: int, messages: list[str], done: list[str]) -> None:
    """As an interface engine: on one connection, each message until it is acknowledged, and then the next."""
    waiting = iter(messages)
    message = next(waiting, None)
    while message is not None:
        try:
            with connected(port, seconds=200) as sender:
                while message is not None:
                    done.append(_accepted(sender, message))
                    message = next(waiting, None)
        except OSError:
            continue  # it was killed: the same message again


def _accepted(sender: Sender, message: str) -> str:
    (answer,) = sender.send(message)
    assert answer["code"] == "AA", answer
    return answer["id"]


def _listener(root: int, port: int) -> psutil.Process | None:
    """The process that accepts on the port; the server's own has the socket, and does not."""
    for process in psutil.Process(root).children(recursive=True):
        try:
            found = process.net_connections(kind="tcp")
        except psutil.Error:
            continue
        if any(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port for one in found):
            return process
    return None


@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(fresh_database_url: str, site: Path) -> None:
    port = free_port()
    done: list[str] = []
    feeds = [
        [adt(number, f"k{number}"), *(oru(1000 * number + n, f"k{number}", 3) for n in range(EACH))]
        for number in range(1, PATIENTS + 1)
    ]
    senders = [
        threading.Thread(target=_send_until_accepted, args=(port, feed, done), daemon=True) for feed in feeds
    ]
    with serving(fresh_database_url, auth="none", site=site, mllp=port) as served:
        for sender in senders:
            sender.start()
        for part in (3, 2):  # once at a third, once at half of the way: the supervisor starts it anew
            until(lambda part=part: len(done) > PATIENTS * EACH // part, "messages are acknowledged", 0.05)
            until(lambda: _listener(served.process.pid, port), "senders are connected", 0.01)
            victim = _listener(served.process.pid, port)
            assert victim is not None
            os.kill(victim.pid, signal.SIGKILL)
        for sender in senders:
            sender.join(240)
            assert not sender.is_alive()
    with psycopg.connect(fresh_database_url) as connection:
        kept = dict(
            connection.execute("SELECT status, count(*) FROM received_message GROUP BY status").fetchall()
        )
        stored = dict(
            connection.execute(
                "SELECT type, count(*) FROM resource WHERE NOT deleted GROUP BY type"
            ).fetchall()
        )
        versions = connection.execute(
            "SELECT count(*) FROM history h JOIN resource r ON r.key = h.resource WHERE r.type = 'Observation'"
        ).fetchone()
    assert kept == {"converted": PATIENTS * (EACH + 1)}
    assert stored["Patient"] == PATIENTS
    assert stored["DiagnosticReport"] == PATIENTS * EACH
    assert stored["Observation"] == PATIENTS * EACH * 3
    assert versions == (0,)  # none was replaced: each was written once


@pytest.mark.timeout(400)
def test_what_was_kept_and_not_processed_is_processed_at_the_next_start(
    fresh_database_url: str, site: Path
) -> None:
    """As a process leaves it that is killed between keeping and storing."""
    port = free_port()
    with serving(fresh_database_url, auth="none", site=site, mllp=port), connected(port) as sender:
        assert sender.send(adt(1, "k9"))[0]["code"] == "AA"
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute(
            "INSERT INTO received_message (digest, channel, peer, control_id, kind, source, record, patients, content) "
            "VALUES ('d', 'mllp', '', 'M1', 'ORU^R01', '', 'd', '{k9}', %s)",
            (oru(1, "k9").encode(),),
        )
    with (
        serving(fresh_database_url, auth="none", site=site, mllp=port),
        connected(port),  # it listens once all is processed
        psycopg.connect(fresh_database_url) as connection,
    ):
        row = connection.execute("SELECT status FROM received_message WHERE control_id = 'M1'").fetchone()
        count = connection.execute("SELECT count(*) FROM resource WHERE type = 'Observation'").fetchone()
    assert row == ("converted",)
    assert count == (5,)
