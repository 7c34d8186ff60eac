"""Ids: the same source gives the same id for ever, and an id gives nothing away."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey, MissingPart

KEY = IdKey(DEMO_KEY)
part = st.text(min_size=1, max_size=12)


def test_an_id_is_the_same_for_ever() -> None:
    assert KEY.id("Patient", "urn:oid:1.2.3", "4711") == KEY.id("Patient", "urn:oid:1.2.3", "4711")
    assert IdKey(b"another site's key").id("Patient", "urn:oid:1.2.3", "4711") != KEY.id(
        "Patient", "urn:oid:1.2.3", "4711"
    )


@given(st.lists(part, min_size=1, max_size=6))
def test_an_id_is_in_the_fhir_alphabet_and_holds_128_bits(parts: list[str]) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", KEY.id(*parts))


@given(st.lists(part, min_size=1, max_size=5), st.lists(part, min_size=1, max_size=5))
def test_different_parts_never_run_together(left: list[str], right: list[str]) -> None:
    assert (KEY.id(*left) == KEY.id(*right)) == (left == right)


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_part_is_refused_unless_it_is_optional(empty: str | None) -> None:
    with pytest.raises(MissingPart) as caught:
        KEY.id("Observation", "result", empty, "a")
    assert caught.value.position == 2
    assert KEY.id("Observation", "result", empty, "a", optional=frozenset({2})) != KEY.id(
        "Observation", "result", "a"
    )


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "site" / "site.key"
    result = IdKey.load_or_make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert IdKey.load_or_make(path).fingerprint == result.fingerprint


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    IdKey.load_or_make(path)
    path.chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        IdKey.load_or_make(path)
