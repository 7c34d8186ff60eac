"""Results of another content of their model than the one that answers now, or by other decisions of the site."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.ids import IdKey
from fhir_bridge.mapping import Site
from fhir_bridge.predictions.contract import PredictorSettings
from fhir_bridge.predictions.identity import Identities
from fhir_bridge.predictions.registry import PredictionError, find_predictor
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.storage import Store
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.storage.model_versions import ModelVersion, ModelVersions
from fhir_bridge.storage.results import Standing

__all__ = ["overtaken", "overtaken_standings"]


MOST_ORIGINS: Final = 20_000
_origins: dict[str, tuple[str, frozenset[str]]] = {}
"""Device and documents of results, by their id, which is a hash of these: they never change."""


@dataclass(frozen=True, slots=True)
class _Answering:
    """What answers now: the promoted content of a model, or where none is promoted the installed one.

    device, card: ids of the Device and the model card that its results refer to; the card is by the site's decisions.
    """

    version: str
    device: str
    card: str


async def overtaken(
    store: Store, results: Mapping[str, str], site: str | None, versions: Sequence[ModelVersion] | None = None
) -> dict[str, str]:
    """Those of the results that a run would not give any more as they are, whatever the record says; and why.

    Args:
        results: ids of Observations that are current, with the logical model of each.
        site: path of the site file; None: no model is enabled here, and nothing is said.
        versions: of all models, where they were read.
    """
    if site is None or not results:
        return {}
    settings, key = site_settings(site)
    if versions is None:
        versions = await ModelVersions(store.pool).all()
    # In a thread: models are read and hashed when they are first looked at, or were altered.
    answering = await asyncio.to_thread(_answering, sorted(set(results.values())), settings, key, versions)
    known = {name: _origins[name] for name in results if name in _origins}
    wanted = [name for name, model in results.items() if model in answering and name not in known]
    read = await store.results.origins_of({name: key.id("Provenance", name) for name in wanted})
    if len(_origins) + len(read) > MOST_ORIGINS:
        _origins.clear()
    # Those without their Provenance are looked up again.
    _origins.update((name, origin) for name, origin in read.items() if origin[1])
    origins = read | {name: origin for name, origin in known.items() if results[name] in answering}
    others = {device for name, (device, _) in origins.items() if device != answering[results[name]].device}
    stated = {device: await _version(store, device) for device in sorted(others)}
    reasons: dict[str, str] = {}
    for name, (device, documents) in origins.items():
        now = answering[results[name]]
        if device != now.device:
            by = "other contents of version" if stated[device] == now.version else "version"
            reasons[name] = (
                f"computed by {by} {stated[device]} of the model; version {now.version} is in use now, run it again"
            )
        elif documents and now.card not in documents:
            reasons[name] = "the settings of the model at this site have changed since; run it again"
    return reasons


async def overtaken_standings(
    store: Store,
    standings: Sequence[Standing],
    site: str | None,
    versions: Sequence[ModelVersion] | None = None,
) -> dict[str, str]:
    """As `overtaken`, of those of a patient's results that are current."""
    current = {item.id: item.model for item in standings if item.state == "current"}
    return await overtaken(store, current, site, versions)


def _answering(
    models: Sequence[str], site: Site, key: IdKey, versions: Sequence[ModelVersion]
) -> dict[str, _Answering]:
    """For the models that the site enables and this program has."""
    result: dict[str, _Answering] = {}
    for model in models:
        try:
            settings = PredictorSettings.from_site(site.parameters, model)
            if not settings.enabled:
                continue
            predictor = find_predictor(model, site.parameters)
            installed = Identities(predictor, settings, key)
        except (PredictionError, ValueError, OSError):
            continue  # its run reports it
        active = next((item for item in versions if (item.model, item.state) == (model, "active")), None)
        if active is None:
            result[model] = _Answering(predictor.version, installed.device, installed.card)
        else:
            ids = installed.of_content(active.version, active.content)
            result[model] = _Answering(active.version, ids.device, ids.card)
    return result


async def _version(store: Store, device: str) -> str:
    """Version of a model, as its Device says it."""
    try:
        stored = await store.read("Device", device, EVERYTHING)
    except StorageError:
        return "unknown"
    return str(next((item.get("value") for item in stored.resource().get("version", ())), "unknown"))
