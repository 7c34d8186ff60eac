"""A merge that reached no record: the number that it names is of another patient, who stays as before.

A message merges the patient whose first number it names (HL7 v2 A40: MRG-1). Where that is a further number of a
record, an empty record is marked as replaced, and the one that was meant is not: somebody has to link them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.issues import CODES
from fhir_bridge.pipeline.since import since_last
from fhir_bridge.storage import Store
from fhir_bridge.storage.inbox import InboxItem
from fhir_bridge.storage.merged_numbers import MergedNumber, merged_numbers
from fhir_bridge.storage.resource_keys import changed_since, keys_of

__all__ = ["report_merges", "report_merges_since"]

_SINCE: Final = "merged numbers looked at"
_CODE: Final = "FB-RUN-053"
_ADAPTER: Final = "hl7v2"
_MOST: Final = 1000


async def report_merges_since(store: Store) -> list[Issue]:
    """Report what came since this was last done."""
    async with since_last(store, _SINCE) as since:
        async with store.pool.connection() as connection:
            keys = await changed_since(connection, ["Patient"], since)
        return await _report(store, keys)


async def report_merges(store: Store, names: Sequence[tuple[str, str]]) -> list[Issue]:
    """Report what these changed Patients (type, id) have to do with."""
    async with store.pool.connection() as connection:
        keys = await keys_of(connection, names)
    return await _report(store, keys)


async def _report(store: Store, changed: Sequence[int]) -> list[Issue]:
    if not changed:
        return []
    noted = {each.locator: each for each in await store.read_inbox(kind="ambiguous", code=_CODE, limit=_MOST)}
    known = [("Patient", name.removeprefix("Patient/")) for locator in noted for name in locator.split()]
    async with store.pool.connection() as connection:
        keys = {*changed, *(await keys_of(connection, known) if known else ())}
        pairs = {_locator(pair): pair for pair in await merged_numbers(connection, sorted(keys))}
    issues = []
    for locator, pair in pairs.items():
        if locator not in noted:
            text = f"Patient/{pair.merged} was merged by a number that Patient/{pair.other} has, too"
            await store.note_inbox([InboxItem("ambiguous", _ADAPTER, locator, _CODE, text, identity=locator)])
            issues.append(Issue(CODES[_CODE].severity, _CODE, text, locator))
    # Somebody has linked them since, or the number is gone.
    if settled := [entry for locator, entry in noted.items() if locator not in pairs]:
        await store.settle_inbox(settled)
    return issues


def _locator(pair: MergedNumber) -> str:
    return f"Patient/{pair.merged} Patient/{pair.other}"
