"""The plug-in manager: built-ins and installed plug-ins register alike, by entry point."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from fhir_bridge.plugins import hookspecs
from fhir_bridge.plugins.adapter_factories import AdaptersByName

__all__ = [
    "BUILTIN",
    "GROUP",
    "Loaded",
    "PluginError",
    "adapters",
    "extractors",
    "functions",
    "get_manager",
    "importers",
    "loaded",
    "new_manager",
    "predictors",
    "shipped",
    "sinks",
]

GROUP = "fhir_bridge"

BUILTIN = (
    "fhir_bridge.terminology.plugin",
    "fhir_bridge.adapters.ehr.plugin",
    "fhir_bridge.adapters.imaging.plugin",
    "fhir_bridge.adapters.genomics.plugin",
    "fhir_bridge.predictions.plugin",
    "fhir_bridge.pipeline.plugin",
    "fhir_bridge.server.plugin",
)
"""Modules registered even where no entry point is installed (a source tree on the path)."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A registered plug-in, and the hooks it implements."""

    name: str
    distribution: str
    hooks: tuple[str, ...]


class PluginError(Exception):
    """An installed plug-in can't be used; the message names it and says what to do."""


def new_manager(*, installed: bool = True) -> pluggy.PluginManager:
    """A manager with the built-ins and, unless configured otherwise, what is installed on this machine."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    for name in BUILTIN:
        manager.register(importlib.import_module(name), name)
    if installed:
        for entry in entry_points(group=GROUP):
            if entry.value not in BUILTIN:
                manager.register(_load(entry), entry.name)
    manager.check_pending()
    return manager


def _load(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except Exception as error:  # a plug-in may fail in any way when it is imported; it is named, not us
        package = entry.dist.name if entry.dist is not None else entry.value
        raise PluginError(
            f'the plug-in "{entry.name}" of {package} can\'t be imported ({type(error).__name__}: {error}); '
            "correct or remove it, or leave installed plug-ins out with FHIR_BRIDGE_PLUGINS=builtin"
        ) from error


@lru_cache(maxsize=1)
def get_manager() -> pluggy.PluginManager:
    """The process's manager. `FHIR_BRIDGE_PLUGINS=builtin` leaves installed plug-ins out (as tests do)."""
    return new_manager(installed=os.environ.get("FHIR_BRIDGE_PLUGINS") != "builtin")


def adapters() -> Mapping[str, Any]:
    """All adapters by name, each created when it is asked for.

    Raises:
        PluginError: two plug-ins add an adapter of the same name.
    """
    groups = get_manager().hook.fhir_bridge_adapters()
    return AdaptersByName(_by("name", groups, "an adapter named"))


def extractors() -> dict[str, Any]:
    """All extractors of facts by name, in the order in which they are asked: ours first.

    Raises:
        PluginError: two plug-ins add an extractor of the same name.
    """
    groups = get_manager().hook.fhir_bridge_extractors()
    return _by("name", reversed(groups), "an extractor named")


def functions() -> dict[str, Any]:
    """All functions that plug-ins add to the mapping language, by name.

    Raises:
        PluginError: two plug-ins add a function of the same name.
    """
    results: dict[str, Any] = {}
    for group in get_manager().hook.fhir_bridge_functions():
        for name, call in (group or {}).items():
            if name in results:
                raise PluginError(f'two plug-ins add a function of the mapping language named "{name}"')
            results[name] = call
    return results


def importers() -> dict[str, Any]:
    """All importers of terminologies by format, in the order in which they are asked whether they know a file.

    Raises:
        PluginError: two plug-ins add an importer of the same name.
    """
    groups = get_manager().hook.fhir_bridge_importers()
    return _by("name", reversed(groups), "an importer named")


def predictors() -> dict[str, Any]:
    """All predictors by name.

    Raises:
        PluginError: two plug-ins add a predictor of the same name.
    """
    groups = get_manager().hook.fhir_bridge_predictors()
    return _by("name", groups, "a predictor named")


def sinks() -> dict[str, Any]:
    """All sink factories by scheme.

    Raises:
        PluginError: two plug-ins add a sink of the same scheme.
    """
    groups = get_manager().hook.fhir_bridge_sinks()
    return _by("scheme", groups, "a sink of the scheme")


def _by(attribute: str, groups: Iterable[Iterable[Any]], what: str) -> dict[str, Any]:
    """What all plug-ins add, by an attribute that must distinguish them."""
    results: dict[str, Any] = {}
    for group in groups:
        for added in group:
            key = getattr(added, attribute)
            if key in results:
                raise PluginError(f'two plug-ins add {what} "{key}"')
            results[key] = added
    return results


def loaded() -> Iterator[Loaded]:
    """What is registered, for `fhir-bridge plugins`."""
    manager = get_manager()
    packages = {entry.name: entry.dist.name for entry in entry_points(group=GROUP) if entry.dist is not None}
    for name, plugin in manager.list_name_plugin():
        if plugin is None:
            continue
        hooks = tuple(caller.name for caller in manager.get_hookcallers(plugin) or ())
        yield Loaded(name, packages.get(name, "fhir-bridge"), hooks)


@cache
def shipped(folder: str) -> Path:
    """A folder that ships with the project (`mappings`, `terminology`, `migrations`): wheel or source tree."""
    package = Path(__file__).parent.parent
    installed = package / "_shipped" / folder
    return installed if installed.is_dir() else package.parent / folder
