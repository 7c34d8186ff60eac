"""What is imported while a process runs takes part in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fhir_bridge.terminology import Terminology, service, stored
from fhir_bridge.terminology.imports import import_file
from fhir_bridge.terminology.store import catalogue, open_store
from tests.terminology.makers_small import colours

COLOURS = colours()["url"]


def test_an_import_is_seen_by_who_asked_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_AGAIN", 0.0)
    for module in (stored, catalogue):
        monkeypatch.setattr(module, "_LOOK_AGAIN", 0.0)
    store = open_store(tmp_path / "store")
    terminology = Terminology((), store=lambda: tmp_path / "store")
    code = colours()["concept"][0]["code"]
    whole = {"resourceType": "ValueSet", "url": f"{COLOURS}-all", "status": "active"}
    whole["compose"] = {"include": [{"system": COLOURS}]}
    assert terminology.lookup(COLOURS, code) is None
    assert terminology.member(str(whole["url"]), COLOURS, code) is None
    for resource in (colours(), whole):
        path = tmp_path / f"{resource['resourceType']}.json"
        path.write_text(json.dumps(resource))
        import_file(store, path)
    assert terminology.lookup(COLOURS, code) is not None
    assert terminology.member(str(whole["url"]), COLOURS, code) is True
    store.remove(COLOURS)
    assert terminology.lookup(COLOURS, code) is None
