"""Imaging studies, their orders and their reports, joined by the numbers that all of them state.

A study names its order by placer, filler or accession number, and a report its study by the order or the accession
number. Whichever comes first, the join is made once both are here: `ImagingStudy.basedOn`, and of reports `basedOn` and
`imagingStudy`; it lasts as long as the numbers do. A number that fits several orders is not decided here: it is in the
inbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.pipeline.since import since_last
from fhir_bridge.storage import Store
from fhir_bridge.storage.contributions import JOINED
from fhir_bridge.storage.inbox import InboxItem
from fhir_bridge.storage.study_patients import changed_since, patients_of

__all__ = ["Joined", "join_changed", "join_patients", "join_since"]

_FITS: Final = {"PLAC": ("PLAC",), "FILL": ("FILL",), "ACSN": ("ACSN", "FILL")}
"""Kind of a study's number (table 0203) to the kinds of an order's. Fillers use their number as accession number."""
_SINCE: Final = "study orders joined"
_ADAPTER: Final = "imaging"
_AMBIGUOUS: Final = "FB-RUN-042"
_MOST: Final = 1000


@dataclass(slots=True)
class Joined:
    """What was joined: number of studies and reports that changed, and of studies whose order is not certain."""

    studies: int = 0
    reports: int = 0
    ambiguous: int = 0


@dataclass(frozen=True, slots=True)
class _Number:
    kind: str
    system: str
    value: str

    @property
    def issued(self) -> bool:
        """Whether it is known who gave the number: its namespace, and not only the source that names it."""
        return bool(self.system) and not self.system.startswith("urn:fhir-bridge:source:")

    def fits(self, other: _Number) -> bool:
        """Whether an order's number can be this one."""
        if other.kind not in _FITS[self.kind] or other.value != self.value:
            return False
        return self.system == other.system or not (self.issued and other.issued)


async def join_since(store: Store) -> Joined:
    """Join what changed since this was last done."""
    async with since_last(store, _SINCE) as since:
        async with store.pool.connection() as connection:
            patients = await changed_since(connection, since)
        return await join_patients(store, patients)


async def join_changed(store: Store, names: Sequence[tuple[str, str]]) -> Joined:
    """Join what these changed resources (type, id) may belong to."""
    async with store.pool.connection() as connection:
        patients = await patients_of(connection, names)
    return await join_patients(store, patients)


async def join_patients(store: Store, patients: Iterable[str]) -> Joined:
    """Join the studies of these patients."""
    joined = Joined()
    for patient in patients:
        studies = await _all(store, "ImagingStudy", [("patient", patient)])
        live = [each for each in studies if each.get("status") != "entered-in-error"]
        reports = await _all(store, "DiagnosticReport", [("patient", patient)])
        reports = [each for each in reports if each.get("status") != "entered-in-error"]
        numbers = {study["id"]: _stated_numbers(study) for study in live}
        stated_by = {report["id"]: _stated_numbers(report) for report in reports}
        values = {
            number.value
            for stated in (numbers, stated_by)
            for matched in stated.values()
            for number in matched
        }
        orders = await _by_values(store, "ServiceRequest", patient, values) if values else []
        orders = [each for each in orders if each.get("status") != "entered-in-error"]
        based: dict[str, set[str]] = {}
        for study in live:
            matched, sure = _orders_of(numbers[study["id"]], orders)
            # A report that names the study by its UID is of the study's order, whatever the numbers say.
            named = _orders_of_reports(study["id"], reports)
            sure = sure or bool(named)
            await _note(store, study, sure=sure)
            joined.ambiguous += not sure
            based[study["id"]] = matched | named
            joined.studies += await _join(store, study, basedOn=based[study["id"]])
        for report in reports:
            stated = stated_by[report["id"]]
            joined.reports += await _join_report(
                store, report, stated, _same_orders(stated, orders), numbers, based
            )
    return joined


def _orders_of_reports(study: str, reports: Sequence[dict[str, Any]]) -> set[str]:
    return {
        target
        for report in reports
        if f"ImagingStudy/{study}" in _targets(report, "imagingStudy")
        for target in _targets(report, "basedOn")
        if target.startswith("ServiceRequest/")
    }


def _targets(resource: dict[str, Any], element: str) -> set[str]:
    """What a resource refers to in the words of its source."""
    return {
        str(each["reference"])
        for each in resource.get(element, ())
        if each.get("reference") and not _is_joined(each)
    }


def _is_joined(reference: dict[str, Any]) -> bool:
    return str(reference.get("id") or "").startswith(JOINED)


def _stated_numbers(resource: dict[str, Any]) -> list[_Number]:
    """The numbers of a study or report, and those by which it names its orders."""
    identifiers = list(resource.get("identifier", ()))
    identifiers += [each["identifier"] for each in resource.get("basedOn", ()) if each.get("identifier")]
    return _numbers(identifiers)


def _same_orders(numbers: Sequence[_Number], orders: Sequence[dict[str, Any]]) -> set[str]:
    """References to the orders that have a number of the same kind and namespace."""
    return {
        f"ServiceRequest/{order['id']}"
        for order in orders
        for other in _numbers(order.get("identifier", ()))
        for number in numbers
        if number.issued and number == other
    }


def _numbers(identifiers: Iterable[dict[str, Any]]) -> list[_Number]:
    matched: dict[_Number, None] = {}
    for each in identifiers:
        kinds = {coding.get("code") for coding in (each.get("type") or {}).get("coding", ())} & _FITS.keys()
        if each.get("value") and len(kinds) == 1:
            matched[_Number(str(kinds.pop()), str(each.get("system") or ""), str(each["value"]))] = None
    return list(matched)


def _orders_of(numbers: Sequence[_Number], orders: Sequence[dict[str, Any]]) -> tuple[set[str], bool]:
    """References to a study's orders, and whether it is certain that they are.

    Several orders are its own where all have a number of the same namespace as the study: the procedures that were
    asked for together. Else one alone fits, or nobody can say which.
    """
    certain: set[str] = set()
    possible: set[str] = set()
    for order in orders:
        for other in _numbers(order.get("identifier", ())):
            for number in numbers:
                if number.fits(other):
                    sure = number.issued and number.system == other.system
                    (certain if sure else possible).add(f"ServiceRequest/{order['id']}")
    if certain:
        return certain, True
    return (possible, True) if len(possible) < 2 else (set(), False)


async def _join_report(
    store: Store,
    report: dict[str, Any],
    stated_by: Sequence[_Number],
    named: set[str],
    numbers: dict[str, list[_Number]],
    based: dict[str, set[str]],
) -> bool:
    """A report of a study's order, or of its accession number, names the study, and that of a study its orders.

    Args:
        stated_by: the report's numbers.
        named: the orders that have one of them.
    """
    own, shown = _targets(report, "basedOn") | named, _targets(report, "imagingStudy")
    stated = [number for number in stated_by if number.kind != "PLAC"]
    of_study = [
        study
        for study in based
        if f"ImagingStudy/{study}" in shown
        or own & based[study]
        or any(
            number.issued and number.system == other.system and number.fits(other)
            for number in numbers[study]
            for other in stated
        )
    ]
    orders = {order for study in of_study for order in based[study]}
    return await _join(
        store,
        report,
        imagingStudy={f"ImagingStudy/{study}" for study in of_study},
        basedOn=orders | (named if of_study else set()),
    )


async def _join(store: Store, resource: dict[str, Any], **lists: set[str]) -> bool:
    """Make these the references that numbers in common give, beside those that the source states; whether that changed.

    They are added in the words of the resource's own source, and go with the numbers: an order of arrival in which the
    numbers were others for a while ends as one does in which they never were.
    """
    computed = {
        name: [
            {"id": JOINED + target.replace("/", "."), "reference": target}
            for target in sorted(targets - _targets(resource, name))
        ]
        for name, targets in lists.items()
    }
    if all(computed[name] == [each for each in resource.get(name, ()) if _is_joined(each)] for name in lists):
        return False
    source = (resource.get("meta") or {}).get("source")
    record = {
        "url": SOURCE_EXTENSION,
        "extension": [
            {"url": "update", "valueCode": "joined"},
            {"url": "sequence", "valueString": datetime.now(UTC).isoformat()},
        ],
    }
    message = {
        "resourceType": resource["resourceType"],
        "id": resource["id"],
        "meta": {"source": source, "extension": [record]},
        **{name: references for name, references in computed.items() if references},
    }
    await store.load([message], adapter=_ADAPTER, batch=1)
    return True


async def _note(store: Store, study: dict[str, Any], *, sure: bool) -> None:
    """Enter a study whose order is not certain in the inbox, and settle it once it is."""
    locator = f"ImagingStudy/{study['id']}"
    if sure:
        entries = await store.read_inbox(kind="ambiguous", code=_AMBIGUOUS, limit=_MOST)
        done = [each for each in entries if each.locator == locator]
        if done:
            await store.settle_inbox(done)
        return
    text = "its number fits several orders of the patient, and no namespace says which"
    item = InboxItem("ambiguous", _ADAPTER, locator, _AMBIGUOUS, text, identity=locator)
    await store.note_inbox([item])


async def _by_values(store: Store, kind: str, patient: str, values: Iterable[str]) -> list[dict[str, Any]]:
    ordered = sorted(values)
    matched: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ordered), 100):
        some = ",".join(_escaped(value) for value in ordered[start : start + 100])
        for each in await _all(store, kind, [("patient", patient), ("identifier", some)]):
            matched[each["id"]] = each
    return list(matched.values())


def _escaped(value: str) -> str:
    """A value as a search takes it (R4 search.html#escaping)."""
    for character in "\\$,|":
        value = value.replace(character, f"\\{character}")
    return value


async def _all(store: Store, kind: str, parameters: list[tuple[str, str]]) -> list[dict[str, Any]]:
    matched: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await store.search(kind, parameters, EVERYTHING, count=200, cursor=cursor)
        matched += [loads(entry.bytes) for entry in page.entries]
        cursor = page.next
        if cursor is None:
            return matched
