"""`Patient/id/$everything` and `Observation/$lastn`."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs, only, page_of
from fhir_bridge.server.rest.code_sets import ServedCodeSets
from fhir_bridge.server.rest.interactions import read_instant
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.server.rest.search import own_parameters, page_size
from fhir_bridge.storage import RecordPart

__all__ = ["Everything", "LastN"]

MOST_AT_ONCE = 1_000
"""Entries of a page whose size nobody says."""


def _count(call: Call, asked: str | None) -> int:
    """Entries of a page. R4: without `_count` all that there is; here as much of it as one answer may hold."""
    call.budget.check()
    return min(MOST_AT_ONCE if asked is None else max(1, page_size(call, asked)), call.budget.entries)


class Everything(CallOperation):
    """A patient's record with what it refers to (R4 patient-operation-everything.html), page by page.

    What the patient performed or recorded for others is not in it, though R4's compartment has it.
    """

    name = "everything"
    types: tuple[str, ...] = ("Patient",)
    access = "r"
    definition = "http://hl7.org/fhir/OperationDefinition/Patient-everything"
    levels = frozenset({"instance"})

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:  # noqa: ARG002
        """See `CallOperation.serve`."""
        known = only(parameters, ("_since", "_type", "_count", "_cursor", "start", "end"))
        named = known.get("_type")
        types = None if named is None else tuple(dict.fromkeys(filter(None, named.split(","))))
        if types == ():
            raise refuse(400, "FB-REST-008", "_type has no value")
        page = await call.services.store.searches.record_page(
            call.id,
            call.access,
            RecordPart(types, read_instant(known.get("_since")), known.get("start"), known.get("end")),
            count=_count(call, known.get("_count")),
            cursor=known.get("_cursor"),
            most_bytes=call.budget.bytes,
            most_included=max(1, call.budget.entries),
        )
        return await page_of(call, parameters, page)


class LastN(CallOperation):
    """The last results of each kind of a patient (R4 observation-operation-lastn.html)."""

    name = "lastn"
    types: tuple[str, ...] = ("Observation",)
    access = "s"
    definition = "http://hl7.org/fhir/OperationDefinition/Observation-lastn"
    levels = frozenset({"type"})

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:  # noqa: ARG002
        """See `CallOperation.serve`."""
        own = own_parameters(list(parameters))
        for name, _ in parameters:
            if name.partition(":")[0] in _NOT_TAKEN:
                raise refuse(400, "FB-REST-008", f"$lastn takes no parameter {name[:40]}")
        asked = [value for name, value in parameters if name == "max"]
        if len(asked) > 1 or not all(
            value.isascii() and value.isdigit() and len(value) < 7 for value in asked
        ):
            raise refuse(400, "FB-REST-008", "max is a number, 1 or more")
        most = int(asked[0]) if asked else 1
        if most < 1:
            raise refuse(400, "FB-REST-008", "max is a number, 1 or more")
        page = await call.services.store.searches.last_observations(
            [pair for pair in parameters if pair[0] != "max" and pair[0] not in own],
            call.access,
            most=most,
            count=_count(call, own.get("_count")),
            cursor=own.get("_cursor"),
            most_bytes=call.budget.bytes,
            codes=ServedCodeSets(call),
        )
        # What was left out would have chosen other results: there is no lenient reading of it.
        if page.unknown:
            left_out = [f"{parameter.name[:60]}: {parameter.reason}" for parameter in page.unknown]
            raise Refusal(400, [Issue("error", "FB-REST-009", message) for message in left_out])
        return await page_of(call, parameters, page)


_NOT_TAKEN = frozenset({"_sort", "_include", "_revinclude", "_total", "_summary", "_elements"})
