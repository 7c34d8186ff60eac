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
