"""Loading again changes nothing, the order of messages does not matter, `kill -9` loses and doubles nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhir_bridge.demo.cohort import FOLDERS, patient_id
from fhir_bridge.demo.hl7_messages import TROPONIN_PERSON
from fhir_bridge.demo.people import people
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from tests.e2e.conftest import Prepared, stored
from tests.fixtures_postgres import copied_database
from tests.patience import PATIENCE, until

PERSON = people()[TROPONIN_PERSON]


def test_the_whole_demonstration_again_changes_no_version(
    demo_url: str, prepared: Prepared, bridge: Any, tmp_path: Path
) -> None:
    before = stored(demo_url)
    again = bridge(
        "demo", "--no-serve", "--folder", tmp_path / "demo", "--export", tmp_path / "out", database=demo_url
    )
    assert again.exit_code == 0, again.output
    assert stored(demo_url) == before
    for file in prepared.folder.rglob("*"):
        if file.is_file():
            assert (
                tmp_path / "demo/cohort" / file.relative_to(prepared.folder)
            ).read_bytes() == file.read_bytes()
    exported = [line for file in (tmp_path / "out").iterdir() for line in file.read_bytes().splitlines()]
    assert len(exported) == len(before)
    assert re.search(r"score2 *│ *12 │ *12 │", again.output), (
        "the summary indicates who was predicted and who refused"
    )
    for word in ("clinician", "patient", "FB-ID-001", "FB-ID-003"):
        assert word in again.output


@pytest.mark.parametrize("adapter", ["csv", "hl7v2"])
def test_a_source_again_is_unchanged(
    adapter: str, demo_url: str, prepared: Prepared, bridge: Any, tmp_path: Path
) -> None:
    before = stored(demo_url)
    report = tmp_path / "report.json"
    arguments = (
        "load",
        prepared.folder / FOLDERS[adapter],
        "-a",
        adapter,
        "--site",
        prepared.site,
        "--report",
        report,
    )
    assert bridge(*arguments, database=demo_url).exit_code in (0, 1)
    said = json.loads(report.read_text())["stored"]
    assert (said["created"], said["updated"], said["conflicts"]) == (0, 0, 0)
    assert said["unchanged"] > 0
    assert stored(demo_url) == before


def test_the_order_of_the_sources_does_not_matter(
    fresh_database_url: str, demo_url: str, prepared: Prepared, bridge: Any
) -> None:
    for adapter, folder in reversed(FOLDERS.items()):
        arguments = ("load", prepared.folder / folder, "-a", adapter, "--site", prepared.site)
        assert bridge(*arguments, database=fresh_database_url).exit_code in (0, 1)
    bridge("load", prepared.folder / "fhir", "--site", prepared.site, database=fresh_database_url)
    backwards, forwards = stored(fresh_database_url, versions=False), stored(demo_url, versions=False)
    assert set(backwards) <= set(forwards)
    differing = {
        key for key, content in backwards.items() if json.loads(forwards[key]) != json.loads(content)
    }
    assert differing == set()


def _split(file: Path) -> list[str]:
    return [f"MSH|{rest}" for rest in file.read_bytes().decode().split("MSH|")[1:]]


@pytest.fixture
def messages(prepared: Prepared) -> list[str]:
    """Admission, preliminary, final and corrected as the demonstration has them, and a withdrawal a day later."""
    folder = prepared.folder / "hl7v2"
    (admission,) = (message for message in _split(folder / "adt.hl7") if f"|{PERSON.mrn}^" in message)
    results = _split(folder / "oru-troponin.hl7")
    corrected = results[-1]
    sent = corrected.split("|")[6]
    withdrawn = corrected.replace(sent, str(int(sent) + 1_000_000)).replace("|LAB|C\r", "|LAB|D\r")
    return [admission, *results, withdrawn.replace("|||C|||", "|||D|||")]


class TestTheMessagesOfOneResult:
    """Preliminary, final, corrected and withdrawn in all 24 orders, each of another person, admitted at any point."""

    @staticmethod
    def of(number: int, message: str) -> str:
        """The message as it is of another person, order and visit."""
        for text in (
            PERSON.mrn,
            f"26-{TROPONIN_PERSON}^",
            f"V26-70{TROPONIN_PERSON}",
            f"TNT0{TROPONIN_PERSON}",
        ):
            message = message.replace(text, f"{text.rstrip('^')}N{number}{'^' if text.endswith('^') else ''}")
        return message

    def outcome(self, url: str, count: int) -> list[tuple[list[str], list[str]]]:
        """Of each person: the current resources, without what tells persons apart; the statuses of all versions."""

        async def read() -> list[tuple[list[str], list[str]]]:
            found = []
            async with await Store.open(url, max_size=1) as store:
                for number in range(count):
                    patient = patient_id(f"{PERSON.mrn}N{number}")
                    resources = [entry async for entry in store.patient_record(patient, EVERYTHING)]
                    names = {entry.id: f"ID-{entry.type}" for entry in resources}
                    (result,) = (entry.id for entry in resources if entry.type == "Observation")
                    versions = (await store.history(EVERYTHING, "Observation", result)).entries
                    statuses = sorted(version.stored.resource()["status"] for version in versions)
                    current = sorted(self.plain(entry.resource(), number, names) for entry in resources)
                    found.append((current, statuses))
            return found

        return asyncio.run(read())

    @staticmethod
    def plain(resource: dict[str, Any], number: int, names: dict[str, str]) -> str:
        del resource["meta"]["versionId"], resource["meta"]["lastUpdated"]
        for extension in resource["meta"].get(
            "extension", ()
        ):  # the sequence holds the message's number, encoded
            parts = [part for part in extension["extension"] if part["url"] != "sequence"]
            extension["extension"] = parts
        text = json.dumps(resource, default=str, sort_keys=True)
        for identity, name in names.items():
            text = text.replace(identity, name)
        return re.sub(rf"(?<=\d)N{number}(?!\d)", "", text)

    def load(self, bridge: Any, url: str, prepared: Prepared, file: Path) -> None:
        loaded = bridge("load", file, "-a", "hl7v2", "--site", prepared.site, database=url)
        assert loaded.exit_code == 0, loaded.output

    @pytest.mark.parametrize("apart", [True, False], ids=["one load a message", "all in one file"])
    def test_end_the_same_in_any_order(
        self,
        apart: bool,
        messages: list[str],
        fresh_database_url: str,
        prepared: Prepared,
        bridge: Any,
        tmp_path: Path,
    ) -> None:
        orders = [list(order) for order in itertools.permutations(range(1, len(messages)))]
        for number, order in enumerate(orders):
            order.insert(number % len(messages), 0)
        turns = [
            "".join(self.of(number, messages[order[turn]]) for number, order in enumerate(orders))
            for turn in range(len(messages))
        ]
        for number, text in enumerate(turns if apart else ["".join(turns)]):
            file = tmp_path / f"{number}.hl7"
            file.write_bytes(text.encode())
            self.load(bridge, fresh_database_url, prepared, file)
        found = self.outcome(fresh_database_url, len(orders))
        assert all(current == found[0][0] for current, _ in found)
        current = {resource["resourceType"]: resource for resource in map(json.loads, found[0][0])}
        assert set(current) >= {"Patient", "Encounter", "DiagnosticReport", "Observation"}
        assert current["Observation"]["status"] == "entered-in-error"
        if apart:
            kept = ["corrected", "entered-in-error", "final", "preliminary"]
            assert [statuses for _, statuses in found if statuses != kept] == []


LOAD = [sys.executable, "-m", "fhir_bridge.cli", "load"]


def test_kill_9_in_the_middle_of_a_load_loses_and_doubles_nothing(
    postgres: Any, fresh_database_url: str, prepared: Prepared, bridge: Any, repository: Path, tmp_path: Path
) -> None:
    extracts = prepared.folder / "ehr"
    arguments = [str(extracts), "-a", "csv", "--site", str(prepared.site)]
    environment = os.environ | {"FHIR_BRIDGE_DATABASE_URL": fresh_database_url, "PYTHONPATH": str(repository)}
    with (
        psycopg.connect(fresh_database_url, autocommit=True) as connection,
        _second_batch_waits(connection),
        subprocess.Popen([*LOAD, *arguments], env=environment, stderr=subprocess.DEVNULL) as process,
    ):
        try:
            until(lambda: _is_waiting(connection), "the load did not come to its second batch")
            before = _count(connection)
        finally:
            process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        connection.execute("SELECT pg_advisory_unlock_all()")
        connection.execute("DROP TRIGGER wait ON resource")
        assert process.returncode == -signal.SIGKILL
        until(lambda: not _others(connection), "the database did not see that the client is gone")
        left = _count(connection)
    again = bridge("load", *arguments, "--report", tmp_path / "report.json", database=fresh_database_url)
    assert again.exit_code == 1, again.output
    report = json.loads((tmp_path / "report.json").read_text())
    total = sum(report["resources"].values())
    assert 0 < before <= left < total
    assert report["stored"]["unchanged"] == left
    assert report["stored"]["created"] == total - left

    name = copied_database(postgres)
    assert bridge("load", *arguments, database=postgres.url(name)).exit_code == 1
    assert stored(fresh_database_url) == stored(postgres.url(name))


def _count(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT count(*) FROM resource WHERE version > 0").fetchone()
    assert row
    return int(row[0])


@contextmanager
def _second_batch_waits(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """What writes after another transaction has written waits in the middle of its own, for as long as this lasts."""
    connection.execute("SELECT pg_advisory_lock(9)")
    connection.execute(
        "CREATE FUNCTION wait_for_nine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF EXISTS (SELECT FROM resource WHERE version > 0 AND xmin <> pg_current_xact_id()::xid) THEN "
        "PERFORM pg_advisory_xact_lock(9); END IF; RETURN NULL; END $$"
    )
    connection.execute(
        "CREATE TRIGGER wait BEFORE INSERT OR UPDATE ON resource FOR EACH STATEMENT EXECUTE FUNCTION wait_for_nine()"
    )
    yield


def _is_waiting(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone()
    return row is not None


def _others(connection: psycopg.Connection[Any]) -> bool:
    """Whether another client is connected: a killed one has its batch undone once the database has seen it."""
    row = connection.execute(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    ).fetchone()
    return row is not None
