"""What is kept in the user's cache folder when there is more than it holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fhir_bridge.mapping.user_cache import read_entry, write_entry


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FHIR_BRIDGE_CACHE", str(tmp_path))
    return tmp_path / "programs"


def names(cache: Path) -> set[str]:
    return {entry.name for entry in cache.iterdir()}


def test_what_took_long_to_make_stays_though_many_small_ones_come_after_it(cache: Path) -> None:
    write_entry("programs", "large", bytes(1 << 20), most=8)
    os.utime(cache / "large", (1, 1))
    for number in range(40):
        write_entry("programs", f"small-{number}", b"x", most=8)
    assert len(names(cache)) <= 8
    assert {"large", "small-39"} <= names(cache)
    assert read_entry("programs", "large") == bytes(1 << 20)


def test_of_many_large_ones_those_that_were_used_last_stay(cache: Path) -> None:
    for number in range(12):
        write_entry("programs", f"large-{number}", bytes(1 << 17), most=8)
        os.utime(cache / f"large-{number}", (number + 1, number + 1))
    assert len(names(cache)) <= 8
    assert {"large-10", "large-11"} <= names(cache)
    assert not {"large-0", "large-1"} & names(cache)
