"""Requests that are changed by chance, and those that schemathesis makes of the OpenAPI document: never a 5xx."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.pypi import installed
from tests.server.conftest import Hospital
from tests.server.mutated_requests import Sent, requests
from tests.server.serving import Served, serving


def _wrong(hospital: Hospital, sent: Sent, token: dict[str, str]) -> str | None:
    """What is wrong with the answer."""
    headers = {name.encode(): value.encode("latin-1") for name, value in (sent.headers | token).items()}
    answer = hospital.http.request(sent.method, sent.address, headers=headers, content=sent.content)
    where = f"{sent.changes} {sent.method} {sent.address[:200]} {sent.headers} {str(sent.body)[:600]}"
    if answer.status_code >= 500 and answer.status_code != 501:
        return f"{answer.status_code} {answer.text[:300]} <- {where}"
    if answer.status_code >= 400 and sent.method != "HEAD":
        kind = answer.headers.get("content-type", "")
        outcome = b"<OperationOutcome" in answer.content or b'"OperationOutcome"' in answer.content
        if not outcome or "fhir" not in kind:
            return (
                f"{answer.status_code} without an OperationOutcome ({kind}): {answer.text[:200]} <- {where}"
            )
    return None


def _try(hospital: Hospital, seed: int, count: int) -> None:
    token = hospital.token("user/*.cruds")
    wrong = [found for sent in requests(seed, count) if (found := _wrong(hospital, sent, token))]
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong[:12])


def test_a_request_that_is_changed_by_chance_is_answered(hospital: Hospital) -> None:
    _try(hospital, 20, 300)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(12))
def test_many_requests_that_are_changed_by_chance_are_answered(hospital: Hospital, seed: int) -> None:
    _try(hospital, 1000 + seed, 2000)


@pytest.fixture(scope="module")
def open_server(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Without authorization: a token would not last for the run."""
    with serving(database_url, auth="none", blob_dir=tmp_path_factory.mktemp("blobs")) as running:
        yield running


def _schemathesis(served: Served, folder: Path, seconds: float, *more: str) -> int:
    """Run it, for `seconds` at most; gives the number of requests; asserts that no answer was a 5xx."""
    environment = {**os.environ, "PYTHONPATH": str(installed("schemathesis", "4.32.5"))}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{served.base}/openapi.json"]
    command += ["--checks", "not_a_server_error", "--continue-on-failure"]
    command += ["--suppress-health-check", "all", "--no-shrink", "--warnings", "off", *more]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) generated", done.stdout)
    assert found, done.stdout[-2000:]
    assert "Internal Server Error" not in served.said()
    return int(found[1])


def test_schemathesis_finds_no_server_error_in_some_addresses(open_server: Served, tmp_path: Path) -> None:
    some = ["--include-path-regex", r"^/(Patient|_[a-z]+|\$[a-z-]+)?(/|$)"]
    few = ["--phases", "fuzzing", "--max-examples", "1", "--seed", "12"]
    assert _schemathesis(open_server, tmp_path, PATIENCE, *some, *few) > 20


@pytest.mark.soak
def test_schemathesis_finds_no_server_error_in_15_minutes(open_server: Served, tmp_path: Path) -> None:
    assert _schemathesis(open_server, tmp_path, 3000, "--max-time", "900") > 1000
