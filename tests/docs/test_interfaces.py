"""Which imports bypass what a package offers; `make check` asks it of all."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from scripts import check_interfaces
from scripts.check_interfaces import bypasses


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("from fhir_bridge.storage.versions import lock", "storage.versions is not among the PUBLIC_MODULES"),
        ("    from fhir_bridge.storage import versions", "storage.versions is not among the PUBLIC_MODULES"),
        ("import fhir_bridge.storage.versions", "storage.versions is not among the PUBLIC_MODULES"),
        ("from fhir_bridge.storage.accounts import _USER", "_USER is not in the __all__"),
        ("from fhir_bridge.storage import Store, EVERYTHING", "EVERYTHING is not in the __all__"),
        ("from fhir_bridge.adapters.ehr.csv import x", "adapters.ehr.csv is not among the PUBLIC_MODULES"),
        ("from fhir_bridge.storage import Store, accounts", None),
        ("from fhir_bridge.server.rest.call import anything", None),
        ("import fhir_bridge", None),
    ],
)
def test_a_bypass_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, reason: str | None
) -> None:
    """Seen from a module of `server`."""
    monkeypatch.setattr(check_interfaces, "ROOT", tmp_path)
    path = tmp_path / "fhir_bridge/server/here.py"
    path.parent.mkdir(parents=True)
    path.write_text(f"def f():\n    pass\nif True:\n    {line.strip()}\n")
    for package in ("storage", "adapters/ehr", "adapters/ehr/csv"):
        copied = check_interfaces.PROJECT + "/" + package
        (tmp_path / copied).mkdir(parents=True, exist_ok=True)
    source = Path(importlib.import_module("fhir_bridge").__file__ or "").parent
    for module in (
        "storage/__init__.py",
        "storage/accounts.py",
        "storage/versions.py",
        "adapters/ehr/__init__.py",
    ):
        (tmp_path / "fhir_bridge" / module).write_text((source / module).read_text("utf-8"))
    (tmp_path / "fhir_bridge/adapters/ehr/csv/__init__.py").write_text("x = 1\n")
    check_interfaces.listed.cache_clear()
    try:
        reasons = [bypass.reason for bypass in bypasses(path)]
    finally:
        check_interfaces.listed.cache_clear()
    assert len(reasons) == (reason is not None)
    assert reason is None or reason in reasons[0]
