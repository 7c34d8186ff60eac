"""`fhir-bridge user add` where standard input is a pipe, as a script calls it."""

from __future__ import annotations

import asyncio
import io
import sys

import pytest

from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from tests.command import Done, run_command

PASSWORD = "correct horse battery"


def add(monkeypatch: pytest.MonkeyPatch, database_url: str, name: str, sent: str) -> Done:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
    monkeypatch.setattr(sys, "stdin", io.StringIO(sent))
    return run_command("user", "add", name)


def signs_in(database_url: str, name: str) -> bool:
    async def check() -> bool:
        async with await Store.open(database_url, max_size=2) as store:
            return await Accounts(store).check_password(name, PASSWORD) is not None

    return asyncio.run(check())


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("one", f"{PASSWORD}\n"),
        ("unended", PASSWORD),
        ("dos", f"{PASSWORD}\r\n"),
        ("twice", f"{PASSWORD}\n{PASSWORD}\n"),
    ],
)
def test_the_password_is_the_first_line_of_a_pipe(
    monkeypatch: pytest.MonkeyPatch, database_url: str, name: str, sent: str
) -> None:
    done = add(monkeypatch, database_url, name, sent)
    assert (done.returncode, done.stdout) == (0, "")
    assert "echo" not in done.stderr
    assert PASSWORD not in done.stderr
    assert signs_in(database_url, name)


def test_an_empty_pipe_is_no_password(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    for sent in ("", "\n"):
        done = add(monkeypatch, database_url, "nobody", sent)
        assert done.returncode == 2
        assert "standard input holds no password" in done.stderr


def add_with(monkeypatch: pytest.MonkeyPatch, database_url: str, *options: str) -> Done:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    return run_command("user", "add", *options)


def test_who_is_nobody_here_is_said_and_added(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    async def load() -> None:
        async with await Store.open(database_url, max_size=2) as store:
            await store.load(
                [{"resourceType": kind, "id": "known-1"} for kind in ("Practitioner", "Patient")]
            )

    asyncio.run(load())
    done = add_with(monkeypatch, database_url, "ula", "--fhir-user", "Practitioner/nobody")
    assert (done.returncode, "warning: there is no Practitioner/nobody here" in done.stderr) == (0, True)
    assert "a review or withdrawal of a model's result is refused until it is loaded" in done.stderr
    assert signs_in(database_url, "ula")
    done = add_with(monkeypatch, database_url, "pat", "--role", "patient", "--patient", "nobody")
    assert (done.returncode, done.stderr.count("there is no Patient/nobody here")) == (0, 1)
    for name, options in (
        ("kim", ("--fhir-user", "Practitioner/known-1")),
        ("far", ("--fhir-user", "https://elsewhere.example/fhir/Practitioner/known-2")),
        ("own", ("--role", "patient", "--patient", "known-1")),
        ("bare", ()),
    ):
        done = add_with(monkeypatch, database_url, name, *options)
        assert (done.returncode, "warning" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    "reference",
    ["nobody", "Practitioner/", "Organization/known-1", "Practitioner/a b", "ftp://x/Practitioner/1"],
)
def test_what_is_no_person_is_refused(
    monkeypatch: pytest.MonkeyPatch, database_url: str, reference: str
) -> None:
    done = add_with(monkeypatch, database_url, "nadja", "--fhir-user", reference)
    assert (done.returncode, "no reference to a person" in done.stderr) == (2, True)
    assert not signs_in(database_url, "nadja")
