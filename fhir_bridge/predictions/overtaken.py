"""Results of another content of their model than the one that answers now, or by other decisions of the site."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

__all__ = ["overtaken"]


@dataclass(frozen=True, slots=True)
class _Answering:
    """What answers now: the promoted content of a model, or where none is promoted the installed one.

    device, card: ids of the Device and the model card that its results refer to; the card is by the site's decisions.
    """

    version: str
    device: str
    card: str


async def overtaken(store: Store, results: Mapping[str, str], site: str | None) -> dict[str, str]:
    """Those of the results that a run would not give any more as they are, whatever the record says; and why.

    Args:
        results: ids of Observations that are current, with the logical model of each.
        site: path of the site file; None: no model is enabled here, and nothing is said.
    """
    if site is None or not results:
        return {}
    settings, key = site_settings(site)
    versions = await ModelVersions(store.pool).all()
    models = sorted(set(results.values()))
    # In a thread: files are looked at.
    answering = await asyncio.to_thread(_answering, models, settings, key, versions)
    known = {name: key.id("Provenance", name) for name, model in results.items() if model in answering}
    origins = await store.results.origins_of(known)
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
            continue  # whoever runs it is told
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
