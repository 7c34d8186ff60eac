"""The manager: built-ins register like anyone; a plug-in that can't be used is named."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fhir_bridge.plugins import PluginError, manager, shipped
from fhir_bridge.plugins.manager import BUILTIN, adapters, loaded, new_manager, sinks


def test_the_built_in_features_are_plug_ins() -> None:
    names = {plugin.name for plugin in loaded()}
    assert set(BUILTIN) <= names
    assert {"csv", "dicom", "hl7v2", "vcf"} <= set(adapters())
    assert {"parts", "store", "nothing"} <= set(sinks())


def test_a_plug_in_that_fails_at_import_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no_such_module_of_a_hospital", manager.GROUP)
    monkeypatch.setattr(manager, "entry_points", lambda group: [broken])
    with pytest.raises(PluginError, match=r'"broken".*ModuleNotFoundError.*FHIR_BRIDGE_PLUGINS=builtin'):
        new_manager()
    assert new_manager(installed=False).get_plugin("broken") is None


def test_what_ships_is_found(repository: Path) -> None:
    for folder in ("mappings", "terminology", "migrations"):
        assert shipped(folder) == repository / folder
