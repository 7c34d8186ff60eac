"""What it takes to receive messages, by what is asked of the database: bounded, however many come together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.pipeline.receiving import Incoming, Receiver
from fhir_bridge.storage import Store
from tests.storage.cohort import with_store

SITE = (
    "site: hospital\nzone: Europe/Berlin\ndemo_key: true\nidentity:\n  authorities: {HOSP: urn:oid:2.999.1}\n"
)
MOST = 12
"""Statements of a batch, its BEGIN and COMMIT among them."""


@pytest.fixture
def receiver(fresh_database_url: str, tmp_path: Path) -> Iterator[Receiver]:
    site = tmp_path / "site.yaml"
    site.write_text(SITE)
    with Receiver(fresh_database_url, site) as receiver:
        yield receiver


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The statements that are sent, counted."""
    counted: Counter[str] = Counter()
    execute, command = psycopg.AsyncCursor.execute, psycopg.AsyncConnection._exec_command

    def executed(self: Any, query: Any, *more: Any, **named: Any) -> Any:
        counted[str(query)[:60]] += 1
        return execute(self, query, *more, **named)

    def commanded(self: Any, text: Any, *more: Any, **named: Any) -> Any:
        counted[str(text)[:60]] += 1
        return command(self, text, *more, **named)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", executed)
    monkeypatch.setattr(psycopg.AsyncConnection, "_exec_command", commanded)
    return counted


def message(number: int, patient: int, results: int = 5) -> Incoming:
    at = f"202601010800{number % 60:02d}+0100"
    lines = [
        f"MSH|^~\\&|LAB|HOSP|||{at}||ORU^R01|M{number}|P|2.5.1",
        f"PID|1||{patient}^^^HOSP^MR||Keller^Ada||19600102|F",
        f"OBR|1|P{number}|F{number}|58410-2^CBC panel^LN|||{at}|||||||||||||||{at}||LAB|F",
        *(f"OBX|{n}|NM|{1000 + n}-1^Test^LN|{n}|{number}|g/L|||||F|||{at}" for n in range(1, results + 1)),
    ]
    return Incoming("\r".join(lines).encode(), "mllp")


@pytest.mark.parametrize("together", [1, 8])
def test_a_batch_takes_a_bounded_number_of_statements(
    receiver: Receiver, statements: Counter[str], together: int
) -> None:
    for start in range(0, 3 * together, together):  # patients, sources and codes get their numbers
        receiver.receive([message(start + n, n) for n in range(together)])
    statements.clear()
    receipts = receiver.receive([message(100 + n, n) for n in range(together)])
    assert {receipt.status for receipt in receipts} == {"converted"}
    assert sum(statements.values()) <= MOST, statements


def test_what_a_batch_stores_is_what_its_messages_store_one_by_one(
    receiver: Receiver, fresh_database_url: str, other_database_url: str, tmp_path: Path
) -> None:
    """The same patients, orders, corrections and re-sends, together and one after the other."""
    several = [message(n, n % 2, results=2) for n in range(6)]
    corrected = [
        Incoming(one.content.replace(b"|||||F|||", b"|||||C|||").replace(b"|M", b"|N")) for one in several
    ]
    every = [*several, *corrected, several[0]]
    assert {receipt.status for receipt in receiver.receive(every)} == {"converted"}
    with Receiver(other_database_url, tmp_path / "site.yaml") as other:
        for one in every:
            assert [receipt.status for receipt in other.receive([one])] == ["converted"]
    together = stored(fresh_database_url)
    assert stored(other_database_url) == together
    assert Counter(kind for kind, _ in together) == {
        "Observation": 12,
        "DiagnosticReport": 6,
        "ServiceRequest": 6,
        "Patient": 2,
    }


def stored(url: str) -> dict[tuple[str, str], Any]:
    """Contents by type and id, without their stamps."""
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT type, id FROM resource WHERE NOT deleted").fetchall()

    async def contents(store: Store) -> dict[tuple[str, str], Any]:
        results = {}
        for kind, name in names:
            resource = (await store.read(kind, name, EVERYTHING)).resource()
            meta = resource["meta"]
            resource["meta"] = {name: meta[name] for name in meta if name not in ("versionId", "lastUpdated")}
            results[kind, name] = resource
        return results

    return with_store(url, contents)
