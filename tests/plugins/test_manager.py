"""The manager: built-ins register like anyone; a plug-in that can't be used is named."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_bridge.plugins import PluginError, hookimpl, manager, shipped
from fhir_bridge.plugins.manager import BUILTIN, adapters, importers, loaded, new_manager, predictors, sinks
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.terminology.imports import import_file
from fhir_bridge.terminology.store import open_store
from fhir_bridge.terminology.store.staging import ConceptRow, SystemHeader


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


class _Wards:
    """An importer of a hospital's own list of wards: `code;name`."""

    name = "wards"
    version = 1

    def recognizes(self, source: Any) -> bool:
        return source.path.suffix == ".wards"

    def read(self, source: Any, staging: Any, options: Any) -> None:
        number = staging.system(SystemHeader("urn:hospital:wards", None))
        lines = source.path.read_text("utf-8").splitlines()
        staging.concepts(number, [ConceptRow(*line.split(";")) for line in lines])


class _Hospital:
    def __init__(self, **added: list[Any]) -> None:
        self._added = added

    @hookimpl
    def fhir_bridge_importers(self) -> list[Any]:
        return self._added.get("importers", [])

    @hookimpl
    def fhir_bridge_predictors(self) -> list[Any]:
        return self._added.get("predictors", [])


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Any:
    result = new_manager(installed=False)
    monkeypatch.setattr(manager, "get_manager", lambda: result)
    return result


def test_an_importer_of_a_plug_in_reads_its_own_files(plugins: Any, tmp_path: Path) -> None:
    plugins.register(_Hospital(importers=[_Wards()]))
    assert list(importers())[-1] == "wards"
    file = tmp_path / "clinic.wards"
    file.write_text("ICU;Intensive care\nCCU;Coronary care\n", "utf-8")
    store = open_store(tmp_path / "store")
    done = import_file(store, file)
    assert (done.format, done.systems) == ("wards", [("urn:hospital:wards", None, 2)])
    assert import_file(store, file).already


def test_two_of_one_name_are_refused(plugins: Any) -> None:
    plugins.register(_Hospital(importers=[_Wards(), _Wards()], predictors=[Score2()]))
    with pytest.raises(PluginError, match='two plug-ins add an importer named "wards"'):
        importers()
    with pytest.raises(PluginError, match='two plug-ins add a predictor named "score2"'):
        predictors()


def test_no_hook_of_ours_adds_nothing(plugins: Any) -> None:
    context = SimpleNamespace(terminology=None, settings=None)
    for name in BUILTIN:
        plugin = plugins.get_plugin(name)
        for caller in plugins.get_hookcallers(plugin) or ():
            hook = plugins.subset_hook_caller(
                caller.name, [get_plugin for get_plugin in plugins.get_plugins() if get_plugin is not plugin]
            )
            value = {"context": context} if caller.name == "fhir_bridge_operations" else {}
            assert any(list(group) for group in hook(**value)), f"{caller.name} of {name}"
