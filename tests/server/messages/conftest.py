"""A program that listens over MLLP, as a hospital has it; a file with other settings has its own `served`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.conftest import free_port
from tests.server.serving import Served, serving

SITE = """\
site: hospital
zone: Europe/Berlin
demo_key: true
identity:
  authorities:
    HOSP: urn:oid:2.999.1
  unlinked: hold
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "site.yaml"
    path.write_text(SITE)
    return path


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def served(database_url: str, site: Path, port: int) -> Iterator[Served]:
    with serving(database_url, auth="none", site=site, mllp=port) as process:
        process.database_url = database_url
        yield process
