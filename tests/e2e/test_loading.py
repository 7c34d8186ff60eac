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
import time
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
        "the summary tells who was predicted and who refused"
    )
    for word in ("clinician", "patient", "FB-ID-001", "FB-ID-003"):
        assert word in again.output


@pytest.mark.parametrize(("adapter", "folder"), FOLDERS.items())
def test_a_source_again_is_unchanged(
    adapter: str, folder: str, demo_url: str, prepared: Prepared, bridge: Any, tmp_path: Path
) -> None:
    before = stored(demo_url)
    report = tmp_path / "report.json"
    arguments = ("load", prepared.folder / folder, "-a", adapter, "--site", prepared.site, "--report", report)
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
        subprocess.Popen([*LOAD, *arguments], env=environment, stderr=subprocess.DEVNULL) as process,
        psycopg.connect(fresh_database_url, autocommit=True) as connection,
    ):
        deadline = time.monotonic() + 60
        while not (before := _count(connection)):
            assert process.poll() is None, "the load ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        # The next batch waits for this lock, so the load is in the middle of it when it dies.
        with connection.transaction():
            connection.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
            time.sleep(0.3)
            process.send_signal(signal.SIGKILL)
            process.wait(20)
        assert process.returncode == -signal.SIGKILL
        _wait_for_the_end(connection)
        left = _count(connection)
    again = bridge("load", *arguments, "--report", tmp_path / "report.json", database=fresh_database_url)
    assert again.exit_code == 1, again.output
    report = json.loads((tmp_path / "report.json").read_text())
    total = sum(report["resources"].values())
    assert 0 < before <= left < total
    assert report["stored"]["unchanged"] == left
    assert report["stored"]["created"] == total - left

    name = "clean_" + os.urandom(6).hex()
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE migrated".encode())
    assert bridge("load", *arguments, database=postgres.url(name)).exit_code == 1
    assert stored(fresh_database_url) == stored(postgres.url(name))


def _count(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT count(*) FROM resource WHERE version > 0").fetchone()
    assert row
    return int(row[0])


def _wait_for_the_end(connection: psycopg.Connection[Any]) -> None:
    """Until the database has seen that the killed client is gone, and has undone its open batch."""
    deadline = time.monotonic() + 20
    while connection.execute(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    ).fetchone():
        assert time.monotonic() < deadline
        time.sleep(0.02)
