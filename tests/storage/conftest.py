"""Fixtures of the storage tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.storage.bounded import Opened


@pytest.fixture(scope="module")
def opened(database_url: str) -> Iterator[Opened]:
    opened = Opened(database_url)
    with contextlib.closing(opened.runner):
        yield opened
        opened.runner.run(opened.store.close())
