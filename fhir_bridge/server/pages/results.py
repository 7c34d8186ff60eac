"""Laboratory and other results, newest first, a corrected one beside what it replaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.predictions.inputs import LOINC
from fhir_bridge.predictions.record import codings, parse_time
from fhir_bridge.server.pages.ecg import ECG_CODE
from fhir_bridge.server.pages.reading import concept_text, is_prediction, time_of, value_text
from fhir_bridge.storage import Store

__all__ = ["Replaced", "Result", "results_of"]

_GENOMIC: Final = ("http://terminology.hl7.org/CodeSystem/v2-0074", "GE")
_CORRECTED: Final = frozenset({"corrected", "amended", "entered-in-error"})


@dataclass(frozen=True, slots=True)
class Replaced:
    """What stood in an earlier version of a result."""

    value: str
    status: str
    version: str


@dataclass(frozen=True, slots=True)
class Result:
    """One result as it stands now."""

    time: str
    label: str
    value: str
    status: str
    interpretation: str
    mapped: bool
    replaced: tuple[Replaced, ...] = ()


def _shown(observation: dict[str, Any]) -> bool:
    categories = [coding for category in observation.get("category", ()) for coding in codings(category)]
    return (
        observation["resourceType"] == "Observation"
        and not is_prediction(observation)
        and _GENOMIC not in categories
        and ECG_CODE not in codings(observation.get("code"))
    )


async def results_of(
    resources: Sequence[dict[str, Any]], store: Store, access: AccessFilter, limit: int = 300
) -> list[Result]:
    """The newest results; for a corrected, amended or withdrawn one the earlier versions are read as well."""
    observations = [resource for resource in resources if _shown(resource)]
    observations.sort(
        key=lambda item: parse_time(time_of(item)).timestamp() if time_of(item) else 0.0, reverse=True
    )
    return [await _result(observation, store, access) for observation in observations[:limit]]


async def _result(observation: dict[str, Any], store: Store, access: AccessFilter) -> Result:
    status = str(observation.get("status", ""))
    replaced = await _earlier(observation, store, access) if status in _CORRECTED else ()
    return Result(
        time=time_of(observation),
        label=concept_text(observation.get("code")),
        value=_value(observation),
        status=status,
        interpretation=", ".join(concept_text(concept) for concept in observation.get("interpretation", ())),
        mapped=any(system == LOINC for system, _ in codings(observation.get("code"))),
        replaced=replaced,
    )


def _value(observation: dict[str, Any]) -> str:
    own = value_text(observation)
    parts = [
        f"{concept_text(component.get('code'))} {value_text(component)}"
        for component in observation.get("component", ())
    ]
    return "; ".join(part for part in (own, *parts) if part)


async def _earlier(observation: dict[str, Any], store: Store, access: AccessFilter) -> tuple[Replaced, ...]:
    """Earlier contents that differ in value or status, newest first."""
    page = await store.history(access, "Observation", observation["id"])
    found: dict[tuple[str, str], Replaced] = {}
    for entry in page.entries:
        if not entry.stored.bytes:
            continue
        version = loads(entry.stored.bytes)
        shown = (_value(version), str(version.get("status", "")))
        if shown != (_value(observation), observation.get("status")):
            found.setdefault(shown, Replaced(*shown, str(entry.stored.version)))
    return tuple(found.values())
