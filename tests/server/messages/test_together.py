"""Senders that wait for each answer are served together: what a transaction costs by itself is paid once for all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.server.messages.sender import codes, connected, oru
from tests.server.serving import Served

SENDERS, EACH = 8, 30


def test_senders_that_wait_for_answers_share_transactions(served: Served, port: int) -> None:
    def send(sender: int) -> list[str]:
        with connected(port) as connection:
            return [
                code
                for number in range(EACH)
                for code in codes(connection.send(oru(sender * EACH + number, f"t{sender}", results=1)))
            ]

    with ThreadPoolExecutor(SENDERS) as threads:
        answers = [code for some in threads.map(send, range(SENDERS)) for code in some]
    assert answers == ["AA"] * SENDERS * EACH
    with psycopg.connect(served.database_url) as connection:
        row = connection.execute(
            "SELECT count(*), count(DISTINCT xmin::text) FROM received_message"
        ).fetchone()
    assert row is not None
    messages, transactions = row
    assert messages == SENDERS * EACH
    # Without waiting one is served alone, and those who came meanwhile together: two transactions for each turn.
    assert transactions <= 1.6 * EACH
