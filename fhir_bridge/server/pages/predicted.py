"""The list of patients by what models say: the gravest risk first, outdated ones, those that nobody has reviewed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.predictions.resources import AIAST
from fhir_bridge.server.pages.cohort import PAGE, Cohort, outdated_results, rows_of
from fhir_bridge.server.pages.predictions import counts
from fhir_bridge.server.pages.reading import target_of
from fhir_bridge.storage import Store

__all__ = ["ORDERS", "predicted_cohort"]

ORDERS: Final[Mapping[str, str]] = {
    "risk": "by risk",
    "outdated": "outdated first",
    "unreviewed": "not reviewed first",
}
_COUNT: Final = 1000
_MOST: Final = 5000
"""Results that are looked at; beyond, the page says that there is more."""


async def predicted_cohort(store: Store, access: AccessFilter, order: str, site: str | None) -> Cohort:
    """The first `PAGE` patients with a result, in this order; only what the person may see counts.

    site: see `overtaken`.
    """
    label = ("_security", f"{AIAST['system']}|{AIAST['code']}")
    results: list[dict[str, Any]] = []
    cursor: str | None = None
    complete = True
    while True:
        page = await store.search(
            "Observation", [label, ("_sort", "-_lastUpdated")], access, count=_COUNT, cursor=cursor
        )
        results += [loads_exact(entry.bytes) for entry in page.entries]
        cursor = page.next
        if cursor is None:
            break
        if len(results) >= _MOST:
            complete = False
            break
    current = [item for item in results if counts(item)]
    # What no model of this server wrote is on the patient's page, and puts nobody in front.
    states = await store.results.states([item["id"] for item in current])
    current = [item for item in current if states.get(item["id"], "untracked") != "untracked"]
    outdated = await outdated_results(store, current, states, site)
    scores: dict[str, float] = {}
    for item in current:
        patient = target_of(item.get("subject", {}))[0].removeprefix("Patient/")
        score = _score(item, order, item["id"] in outdated)
        scores[patient] = max(score, scores.get(patient, score))
    ordered = sorted(scores, key=lambda patient: (-scores[patient], patient))
    if order != "risk":
        ordered = [patient for patient in ordered if scores[patient] >= 0]
    cohort = await rows_of(store, access, ordered[:PAGE], site)
    return Cohort(cohort.rows, None, complete and cohort.complete and len(ordered) <= PAGE)


def _score(item: Mapping[str, Any], order: str, outdated: bool) -> float:
    quantity = item.get("valueQuantity", {})
    risk = float(quantity["value"]) if quantity.get("code") == "%" and "value" in quantity else 0.0
    if order == "outdated":
        return risk if outdated else -1.0
    if order == "unreviewed":
        return risk if item.get("status") == "preliminary" else -1.0
    return risk
