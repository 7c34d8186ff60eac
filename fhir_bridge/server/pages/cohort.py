"""The list of patients, with what each record holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server.pages.reading import concept_text, name_of, value_text
from fhir_bridge.storage import Store

__all__ = ["PAGE", "Row", "rows"]

PAGE: Final = 50
_MANY: Final = 1000


@dataclass(slots=True)
class Row:
    """One patient of the list."""

    id: str
    name: str
    birth_date: str
    gender: str
    identifier: str
    imaging: int = 0
    variants: int = 0
    predictions: tuple[str, ...] = ()


async def rows(store: Store, access: AccessFilter, cursor: str | None) -> tuple[list[Row], str | None]:
    """A page of patients in order of family name, and the cursor of the next one.

    A record that an A40 message merged into another one does not stand by itself.
    """
    page = await store.search("Patient", [("_sort", "family")], access, count=PAGE, cursor=cursor)
    found = {}
    for entry in page.entries:
        patient = loads(entry.bytes)
        if not any(link.get("type") == "replaced-by" for link in patient.get("link", ())):
            found[entry.id] = _row(patient)
    if found:
        await _count(store, access, found)
    return list(found.values()), page.next


def _row(patient: dict[str, Any]) -> Row:
    identifier = next((str(item["value"]) for item in patient.get("identifier", ()) if item.get("value")), "")
    return Row(
        patient["id"], name_of(patient), patient.get("birthDate", ""), patient.get("gender", ""), identifier
    )


async def _count(store: Store, access: AccessFilter, found: dict[str, Row]) -> None:
    """Fill in the counts with three searches, however many patients there are on the page."""
    patients = ("patient", ",".join(found))
    for resource in await _all(store, access, "ImagingStudy", [patients]):
        _of(resource, found).imaging += 1
    for resource in await _all(
        store, access, "Observation", [patients, ("code", "http://loinc.org|69548-6")]
    ):
        _of(resource, found).variants += 1
    for resource in await _all(store, access, "Observation", [patients, ("code", f"{PREDICTION_CODES}|")]):
        row = _of(resource, found)
        title = concept_text(resource.get("code")).split(" ")[0]
        row.predictions += (f"{title} {value_text(resource) if 'valueQuantity' in resource else 'declined'}",)


async def _all(
    store: Store, access: AccessFilter, resource_type: str, parameters: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    if not access.permits(resource_type, "s"):
        return []
    page = await store.search(resource_type, parameters, access, count=_MANY)
    return [loads(entry.bytes) for entry in page.entries]


def _of(resource: dict[str, Any], found: dict[str, Row]) -> Row:
    """The row of a resource's subject; a subject that was merged counts nowhere on this page."""
    reference = str(resource.get("subject", {}).get("reference", "")).removeprefix("Patient/")
    return found.get(reference) or Row("", "", "", "", "")
