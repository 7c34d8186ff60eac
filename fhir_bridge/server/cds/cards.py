"""Cards: for each model what its result says now, where that is news to the person who looks."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from fhir_bridge.fhir.canonical import BASE
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.predictions import PredictionError, PredictionRun, find_predictor, predict_together
from fhir_bridge.predictions.changes import outdated_models
from fhir_bridge.predictions.operation import check_may_predict
from fhir_bridge.predictions.overtaken import overtaken_standings
from fhir_bridge.predictions.record import codings
from fhir_bridge.predictions.resources import EXPLAINING
from fhir_bridge.predictions.reviewing import OPEN
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.predictions.values import UNDECIDED
from fhir_bridge.server.authorization.launch import launchable
from fhir_bridge.server.cds.caller import Ehr
from fhir_bridge.server.cds.request import HookRequest
from fhir_bridge.server.pages.reading import concept_text, quantity_text, value_text
from fhir_bridge.server.services import Services
from fhir_bridge.storage.cards import Card, Cards
from fhir_bridge.storage.errors import Forbidden, StorageError
from fhir_bridge.storage.model_versions import ModelVersions
from fhir_bridge.storage.results import Standing

__all__ = ["cards_for"]

LONGEST_SUMMARY: Final = 140
"""CDS Hooks 2.0, Card Attributes: fewer characters than this."""
_REASONS: Final = (
    ("known", "Known, and acted on"),
    ("not-relevant", "Not relevant to this visit"),
    ("disagree", "Do not agree with the result"),
    ("wrong-data", "The data are wrong"),
    ("patient-declines", "The patient declines"),
)
_GRAVE: Final = frozenset({"high", "very-high"})
_TOGETHER: Final = 0.4
"""Of the time for models that have to be run, in which results wait for each other to be written at once."""
MOST_UNDER_WAY: Final = 16
"""Runs of one model for calls, of which most gave up: of one that hangs no more wait for their turn."""
_log = logging.getLogger("fhir_bridge.server")
_under_way: dict[tuple[str, str, str], asyncio.Future[None]] = {}
"""Of client, patient and model, until what the model says is written."""
_tasks: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, slots=True)
class _Now:
    """What a model says now. stated: category and validity; what a card is about."""

    model: str
    stated: str
    observation: Mapping[str, Any]
    outdated: str


async def cards_for(
    services: Services, ehr: Ehr, request: HookRequest, patient: str, end: float
) -> tuple[list[dict[str, Any]], list[Card]]:
    """The cards that are due, and what is to be remembered of them; end: see `_run`."""
    now = await _now(services, ehr, patient, end)
    table = Cards(services.store.pool)
    news = await table.news(
        ehr.id, request.person, patient, {model: item.stated for model, item in now.items()}
    )
    links = await _links(services, patient) if news else []
    cards: list[dict[str, Any]] = []
    kept: list[Card] = []
    for model, before in news.items():
        item = now[model]
        # That a model declines, or that a result is outdated, is news only to who saw a result.
        if before is None and not item.stated.endswith("|current"):
            continue
        card = Card(uuid4(), model, item.stated, str(item.observation.get("id", "")))
        kept.append(card)
        cards.append(_card(services, item, card, links, before))
    return cards, kept


async def _now(services: Services, ehr: Ehr, patient: str, end: float) -> dict[str, _Now]:
    """What each model of the site says; one that stated nothing yet, or has newer data, is run."""
    site = services.settings.site_file
    parameters = site_settings(site)[0].parameters
    models = [
        str(name)
        for name, block in (parameters.get("predictions") or {}).items()
        if isinstance(block, Mapping) and block.get("enabled") is True and not block.get("shadow_of")
    ]
    standings, versions = await asyncio.gather(
        services.store.results.of_patient(patient), ModelVersions(services.store.pool).all()
    )
    # What was said stays in the record; of a model whose approval ended nothing more is brought to anybody.
    ended = {item.model for item in versions if item.state == "active" and item.expired}
    models = [name for name in models if name not in ended]
    replaced = await overtaken_standings(services.store, standings, site, versions)
    ready = {
        item.model
        for item in standings
        if item.state == "current" and not item.waiting and item.id not in replaced
    }
    missing = [name for name in models if name not in ready]
    if missing:
        late = await _run(services, ehr, missing, patient, site, end)
        models = [name for name in models if name not in late]
        standings = await services.store.results.of_patient(patient)
        replaced = await overtaken_standings(services.store, standings, site, versions)
    newest: dict[str, Standing] = {}
    for model in models:
        own = [item for item in standings if item.model == model]
        current = next((item for item in own if item.state == "current"), own[-1] if own else None)
        if current is not None:
            newest[model] = current
    outdated, *read = await asyncio.gather(
        outdated_models(services.store, ehr.access, standings, replaced),
        *(_read(services, ehr, item.id) for item in newest.values()),
    )
    result: dict[str, _Now] = {}
    for (model, standing), observation in zip(newest.items(), read, strict=True):
        if observation is None:
            continue
        # What a person rejected or withdrew is no result of the patient, and nothing that an input outdated.
        is_valid = standing.state == "current" and observation.get("status") in OPEN
        if not is_valid and model not in outdated:
            continue
        absent = next((code for _, code in codings(observation.get("dataAbsentReason"))), "")
        if absent == "error":
            continue  # a failed run says nothing about the patient
        category = next(
            (code for item in observation.get("interpretation", ()) for _, code in codings(item)), ""
        )
        validity = "outdated" if model in outdated else "declined" if absent else "current"
        result[model] = _Now(model, f"{category}|{validity}", observation, outdated.get(model, ""))
    return result


async def _read(services: Services, ehr: Ehr, identity: str) -> dict[str, Any] | None:
    """A result, where this system may see it."""
    try:
        stored = await services.store.read("Observation", identity, ehr.access)
    except StorageError:
        return None
    observation: dict[str, Any] = loads_exact(stored.bytes)
    return observation


async def _run(
    services: Services, ehr: Ehr, models: Sequence[str], patient: str, site: str | None, end: float
) -> set[str]:
    """Run models, and say which of them are not through in time.

    Those go on, the next call finds their results, and this one has time left for the cards of the others. What
    another call runs already is waited for, and not run again.

    Args:
        end: of the time, by the clock of the event loop.
    """
    loop = asyncio.get_running_loop()
    counts = Counter(model for *_, model in _under_way)
    keys = {name: (ehr.id, patient, name) for name in models}
    new = [name for name in models if keys[name] not in _under_way and counts[name] < MOST_UNDER_WAY]
    started = {name: loop.create_future() for name in new}
    _under_way.update((keys[name], future) for name, future in started.items())
    awaited = {name: _under_way[key] for name, key in keys.items() if key in _under_way}
    seconds = max(end - loop.time(), 0.0)

    def through(names: Sequence[str]) -> None:
        for name in names:
            if (future := started.pop(name, None)) is not None:
                del _under_way[keys[name]]
                future.set_result(None)

    async def run() -> None:
        try:
            await _predict(services, ehr, new, patient, site, seconds * _TOGETHER, through)
        finally:
            through(new)

    if new:
        task = asyncio.create_task(run())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    if awaited:
        await asyncio.wait(awaited.values(), timeout=seconds)
    return {name for name in models if name not in awaited or not awaited[name].done()}


async def _predict(
    services: Services,
    ehr: Ehr,
    models: Sequence[str],
    patient: str,
    site: str | None,
    seconds: float,
    through: Callable[[Sequence[str]], object],
) -> None:
    """Run models; seconds, through: see `predict_together`."""
    try:
        # In a thread: reading and hashing a model's files would hold up the end of the call's time.
        runs = await asyncio.to_thread(_runs, services, ehr, models, site)
        await predict_together(services.store, runs, patient, ehr.access, seconds=seconds, on_done=through)
    except Exception as error:  # noqa: BLE001 - nobody waits for it, and the others' cards are due
        _log.warning("a model was not run for a card: %s", type(error).__name__)


def _runs(services: Services, ehr: Ehr, models: Sequence[str], site: str | None) -> list[PredictionRun]:
    """Of the models that can be run, and that this client may run."""
    settings, key = site_settings(site)
    runs = []
    for model in models:
        try:
            predictor = find_predictor(model, settings.parameters)
            check_may_predict(ehr.access, predictor)
            runs.append(PredictionRun(predictor, settings.parameters, key, services.store))
        except Forbidden as error:  # this client may look at results, and not make any
            if (ehr.id, model) not in _refused and len(_refused) < _MOST_REFUSED:
                _refused.add((ehr.id, model))
                _log.warning("%s is not run for cards of client %s: %s", model, ehr.id, error)
        except (PredictionError, StorageError) as error:
            _log.warning("%s was not run for a card: %s", model, type(error).__name__)
    return runs


_MOST_REFUSED: Final = 1000
_refused: set[tuple[str, str]] = set()
"""Client and model that the log has already: each once, not with each call."""


async def _links(services: Services, patient: str) -> list[dict[str, Any]]:
    """The registered applications that an EHR can open, and the patient's page here."""
    links: list[dict[str, Any]] = [
        {"label": client.name, "url": client.launch_uri, "type": "smart"}
        for client in await launchable(services)
    ][:3]
    if services.settings.pages:
        links.append(
            {
                "label": "Inputs, explanation and review",
                "url": f"{services.settings.root}/patients/{patient}#predictions",
                "type": "absolute",
            }
        )
    return links


def _card(
    services: Services, item: _Now, card: Card, links: list[dict[str, Any]], before: str | None
) -> dict[str, Any]:
    observation = item.observation
    title = concept_text(observation.get("code"))
    category = concept_text(next(iter(observation.get("interpretation", ())), {}))
    code = item.stated.partition("|")[0]
    if item.stated.endswith("|outdated"):
        summary = f"{title}: {item.outdated or 'outdated'}"
    elif item.stated.endswith("|declined"):
        summary = f"{title}: no result any more"
    else:
        value = value_text(dict(observation))
        summary = f"{title}: {value}" + (f", {category.lower()}" if category else "")
        if _undecided(observation):
            summary += ", not all decided"
    if before is not None and item.stated.endswith("|current"):
        summary += " (changed)"
    grave = (code in _GRAVE or bool(_undecided(observation))) and item.stated.endswith("|current")
    return {
        "uuid": str(card.id),
        "summary": summary if len(summary) < LONGEST_SUMMARY else f"{summary[: LONGEST_SUMMARY - 2]}…",
        "detail": _detail(observation, item.outdated),
        "indicator": "warning" if grave or not item.stated.endswith("|current") else "info",
        "source": {
            "label": concept_text(observation.get("method")) or item.model,
            "url": f"{services.settings.root}/models",
            "topic": {
                "system": f"{BASE}/CodeSystem/prediction",
                "code": "prediction",
                "display": "Prediction",
            },
        },
        "overrideReasons": [
            {"code": code, "system": f"{BASE}/CodeSystem/override-reason", "display": display}
            for code, display in _REASONS
        ],
        "links": links,
    }


def _notes(observation: Mapping[str, Any]) -> list[str]:
    return [str(note["text"]) for note in observation.get("note", ()) if note.get("text")]


def _undecided(observation: Mapping[str, Any]) -> list[str]:
    """What has to be seen beside the value: the diagnoses of which nothing here says what they are."""
    return [note for note in _notes(observation) if note.startswith(UNDECIDED)]


def _own_value(observation: Mapping[str, Any]) -> str:
    """The model's own value, where a person put another one in its place; with its category."""
    for component in observation.get("component", ()):
        if any(code == "model-value" for _, code in codings(component.get("code"))):
            category = concept_text(next(iter(component.get("interpretation", ())), {}))
            return ", ".join(text for text in (value_text(dict(component)), category.lower()) if text)
    return ""


def _detail(observation: Mapping[str, Any], outdated: str) -> str:
    """Markdown: what always has to be seen beside a result."""
    lines = [f"**{outdated}**"] if outdated else []
    absent = concept_text(observation.get("dataAbsentReason"))
    if absent:
        lines.append(f"No result: {absent}")
    for component in observation.get("component", ()):
        ids = {code for _, code in codings(component.get("code"))}
        if "interval" in ids:
            ends = component.get("valueRange", {})
            text = f"{quantity_text(ends.get('low', {}))} to {quantity_text(ends.get('high', {}))}"
            lines.append(f"{concept_text(component['code'])}: {text}")
        elif ids & {"population", "guideline"}:
            lines.append(f"{concept_text(component['code'])}: {component.get('valueString', '')}")
    lines[:0] = [f"**{note}**" for note in _undecided(observation)]
    notes = [note for note in _notes(observation) if not note.startswith(UNDECIDED)]
    if own := _own_value(observation):
        lines.append(f"A person amended this value; the model's own is {own}")
        # What explains the model's value explains no other.
        notes = [note for note in notes if not note.startswith(EXPLAINING)]
    lines += notes[:8]
    if observation.get("effectiveDateTime"):
        lines.append(f"Data as of {str(observation['effectiveDateTime'])[:10]}")
    reviewed = observation.get("status") in ("final", "amended")
    lines.append("Reviewed by a person" if reviewed else "Not reviewed by a person")
    return "\n".join(f"- {line}" for line in lines)
