"""The list of patients, with what each record holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.predictions.inputs import LOINC
from fhir_bridge.predictions.overtaken import overtaken
from fhir_bridge.predictions.resources import AIAST
from fhir_bridge.server.pages.predictions import counts, is_elsewhere, marked_short, model_name, model_of
from fhir_bridge.server.pages.reading import codes_of, name_of, target_of
from fhir_bridge.server.pages.variants import REPORTABLE
from fhir_bridge.storage import Store

__all__ = ["PAGE", "Cohort", "Row", "cohort_of", "outdated_results", "rows_of"]

PAGE: Final = 50
_COUNT: Final = 1000
# Five thousand matches for fifty patients: beyond, the page says that there is more (`complete`).
_MOST_PAGES: Final = 5

_MODALITIES: Final = {"ECG": "ECG", "US": "ultrasound", "CT": "CT", "MR": "MR"}


@dataclass(slots=True)
class Row:
    """One patient of the list.

    Attributes:
        imaging: modality to number of studies.
        genome: the gravest classification of a variant; `nothing reportable`; `not studied`.
        rank: 0 for the gravest, 3 for nothing reportable, 4 for not studied.
        predictions: model's short name and value with its day and marks (`marked_short`), newest run of each model.
    """

    id: str
    name: str
    birth_date: str
    gender: str
    identifier: str
    imaging: dict[str, int] = field(default_factory=dict)
    genome: str = "not studied"
    rank: int = 4
    predictions: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Cohort:
    """A page of the list; `complete` False where there is more on these patients than was counted."""

    rows: list[Row]
    following: str | None
    complete: bool


async def cohort_of(
    store: Store, access: AccessFilter, cursor: str | None = None, name: str = "", site: str | None = None
) -> Cohort:
    """Patients in order of family name, `PAGE` at a time, perhaps only those whose name begins with `name`.

    A record that an A40 message merged into another one does not occurs by itself. Besides the patients, five
    searches fill the page, whatever the number of patients on it (in pages of a thousand matches).

    Raises:
        StorageError: the cursor is not this person's, or is of another search.
    """
    # A search value: a comma would make two values of it, a backslash would escape.
    parameters = [
        ("_sort", "family"),
        *([("name", name.replace("\\", "\\\\").replace(",", "\\,"))] if name else []),
    ]
    page = await store.search("Patient", parameters, access, count=PAGE, cursor=cursor)
    rows: dict[str, Row] = {}
    of_reference: dict[str, Row] = {}
    for entry in page.entries:
        patient = loads_exact(entry.bytes)
        links = {link.get("type"): target_of(link.get("other", {}))[0] for link in patient.get("link", ())}
        if "replaced-by" in links:
            continue
        row = rows[entry.id] = _row(patient)
        of_reference[f"Patient/{entry.id}"] = row
        # The merged record is no row of its own; what is stored of it counts for the survivor.
        for link in patient.get("link", ()):
            if link.get("type") == "replaces":
                of_reference[target_of(link.get("other", {}))[0]] = row
    complete = await _fill(store, access, of_reference, site) if rows else True
    return Cohort(list(rows.values()), page.next, complete)


async def rows_of(store: Store, access: AccessFilter, patients: Sequence[str], site: str | None) -> Cohort:
    """The rows of these patients, in this order; of a record that was merged into another one there is none."""
    if not patients:
        return Cohort([], None, complete=True)
    page = await store.search("Patient", [("_id", ",".join(patients))], access, count=len(patients))
    known = {entry.id: loads_exact(entry.bytes) for entry in page.entries}
    rows: dict[str, Row] = {}
    for identity in patients:
        patient = known.get(identity)
        if patient is not None and not any(
            link.get("type") == "replaced-by" for link in patient.get("link", ())
        ):
            rows[f"Patient/{identity}"] = _row(patient)
    complete = await _fill(store, access, rows, site) if rows else True
    return Cohort(list(rows.values()), None, complete)


def _row(patient: dict[str, Any]) -> Row:
    identifier = next((str(item["value"]) for item in patient.get("identifier", ()) if item.get("value")), "")
    return Row(
        patient["id"],
        name_of(patient),
        str(patient.get("birthDate", "")),
        str(patient.get("gender", "")),
        identifier,
    )


async def _fill(store: Store, access: AccessFilter, rows: Mapping[str, Row], site: str | None) -> bool:
    """Fill in what the records hold."""
    patients = ("patient", ",".join(sorted(name.removeprefix("Patient/") for name in rows)))
    classes = ",".join(f"{LOINC}|{code}" for code in REPORTABLE)
    label = f"{AIAST['system']}|{AIAST['code']}"
    studies, all_studies = await _all(store, access, "ImagingStudy", [patients])
    reports, all_reports = await _all(
        store, access, "DiagnosticReport", [patients, ("code", f"{LOINC}|51969-4")]
    )
    implied, all_implied = await _all(
        store, access, "Observation", [patients, ("component-value-concept", classes)]
    )
    predicted, all_predicted = await _all(store, access, "Observation", [patients, ("_security", label)])
    for study in studies:
        row = _of(study, rows)
        # SR: measurements and reports of the other modalities, not a modality of its own.
        codes = {str(coding.get("code", "")) for coding in study.get("modality", ())} - {"SR", ""}
        for code in sorted(codes) or ["other"]:
            name = _MODALITIES.get(code, code)
            row.imaging[name] = row.imaging.get(name, 0) + 1
    for report in reports:
        row = _of(report, rows)
        row.genome, row.rank = "nothing reportable", 3
    for implication in implied:
        _classify(implication, _of(implication, rows))
    ids = [item["id"] for item in predicted]
    states = await store.results.states(ids)
    ours = {name for name, state in states.items() if state != "untracked"}
    outdated = await outdated_results(store, predicted, states, site)
    _predict(predicted, rows, outdated, ours)
    return all_studies and all_reports and all_implied and all_predicted


async def outdated_results(
    store: Store, results: Sequence[dict[str, Any]], states: Mapping[str, str], site: str | None
) -> set[str]:
    """Ids of those that no longer count, or that a run might not give again; site: see `overtaken`."""
    outdated = await store.results.outdated([item["id"] for item in results])
    current = {item["id"]: model_of(item) for item in results if states.get(item["id"]) == "current"}
    return outdated | (await overtaken(store, current, site)).keys()


def _classify(implication: dict[str, Any], row: Row) -> None:
    if implication.get("status") in ("entered-in-error", "cancelled"):
        return
    for component in implication.get("component", ()):
        for code in codes_of(component.get("valueCodeableConcept")) & REPORTABLE.keys():
            rank = list(REPORTABLE).index(code)
            if rank < row.rank:
                row.genome, row.rank = REPORTABLE[code].lower(), rank


def _predict(
    predicted: Sequence[dict[str, Any]],
    rows: Mapping[str, Row],
    outdated: Collection[str],
    ours: Collection[str],
) -> None:
    newest: dict[tuple[int, str, bool], dict[str, Any]] = {}
    # Those that count come last, whatever their time: the last one of a model stays.
    for observation in sorted(predicted, key=lambda item: (counts(item), str(item.get("issued", "")))):
        key = (id(_of(observation, rows)), model_of(observation), is_elsewhere(observation, ours))
        newest[key] = observation
    for (*_, elsewhere), observation in newest.items():
        if elsewhere:
            _of(observation, rows).predictions.append(f"{model_name(observation)} asserted elsewhere")
            continue
        current = counts(observation) and observation["id"] not in outdated
        text = marked_short(observation) if current else f"{model_name(observation)} outdated"
        _of(observation, rows).predictions.append(text)
    for row in rows.values():
        row.predictions.sort(key=lambda text: (text.endswith(("declined", "failed")), text))


async def _all(
    store: Store, access: AccessFilter, resource_type: str, parameters: Sequence[tuple[str, str]]
) -> tuple[list[dict[str, Any]], bool]:
    """All matches, and whether they are all."""
    results: list[dict[str, Any]] = []
    if not access.permits(resource_type, "s"):
        return results, True
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await store.search(resource_type, parameters, access, count=_COUNT, cursor=cursor)
        results += [loads_exact(entry.bytes) for entry in page.entries]
        cursor = page.next
        if cursor is None:
            return results, True
    return results, False


def _of(resource: dict[str, Any], rows: Mapping[str, Row]) -> Row:
    """The row of a resource's subject; what is of nobody on the page counts nowhere."""
    # A row that is shown nowhere: patients of another page may be among a group's results.
    return rows.get(target_of(resource.get("subject", {}))[0], Row("", "", "", "", ""))
