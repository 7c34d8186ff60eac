"""The tables of HL7 v2's segments and types are what their script writes of hl7apy's definitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import build_hl7v2_definitions as built


def test_tables_are_as_their_script_writes_them(repository: Path) -> None:
    pytest.importorskip("hl7apy", reason="hl7apy 1.3.5 is not installed")
    folder = repository / "fhir_bridge/adapters/ehr/hl7v2"
    contents = {
        "definitions.txt": built.text(),
        "field_names.txt": built.names(),
        "widths.txt": built.widths(),
    }
    assert {name: (folder / name).read_text(encoding="utf-8") for name in contents} == contents
