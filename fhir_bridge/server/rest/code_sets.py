"""The codes that `:in`, `:not-in`, `:below` and `:above` mean (R4 search.html#modifiers), by what is served here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest.call import Call
from fhir_bridge.storage import BadSearch
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.terminology.operations.filters import with_ancestors, with_descendants
from fhir_bridge.terminology.operations.options import Deadline
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.service import Request, TerminologyService

__all__ = ["ServedCodeSets"]

MOST_CODES = 10_000
"""Codes that a search looks for in place of one value."""


class ServedCodeSets:
    """The sets of codes for one request; a value set by `ValueSet/id` must be one that the caller may read."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def codes(self, modifier: str, value: str) -> Mapping[str, Sequence[str]]:
        """See `CodeSets.codes`."""
        services = self._call.services
        service = await services.terminology.refresh(services.store)
        if modifier not in ("in", "not-in"):
            return await offloaded(_related, service, modifier, value)
        instance = await self._instance(value)
        deadline = Deadline(self._call.budget.seconds)
        parameters: list[dict[str, Any]] = [{"name": "count", "valueInteger": MOST_CODES}]
        if instance is None:
            parameters.append({"name": "url", "valueUri": value})
        asked = Request(
            {"resourceType": "Parameters", "parameter": parameters},
            None,
            instance=instance,
            deadline=deadline,
        )
        try:
            return await offloaded(_expanded, service, asked, value)
        except asyncio.CancelledError:  # nobody waits any more: the thread that computes ends soon, too
            deadline.stop()
            raise

    async def _instance(self, value: str) -> Any:
        if not value.startswith("ValueSet/"):
            return None
        try:
            stored = await self._call.services.store.read(
                "ValueSet", value.removeprefix("ValueSet/"), self._call.access
            )
        except StorageError as error:
            raise BadSearch(f"there is no {value[:80]}") from error
        return loads_exact(stored.bytes)


def _expanded(service: TerminologyService, request: Request, value: str) -> dict[str, list[str]]:
    try:
        expansion = service.expand(request).get("expansion", {})
    except OperationError as error:
        raise BadSearch(f"the codes of the value set {value[:200]} can't be listed: {error}") from error
    codes: dict[str, list[str]] = {}
    waiting: list[Mapping[str, Any]] = list(expansion.get("contains", ()))
    _bounded(expansion.get("total", 0), value)
    while waiting:
        entry = waiting.pop()
        waiting += entry.get("contains", ())
        if "code" in entry and not entry.get("abstract"):
            codes.setdefault(entry.get("system", ""), []).append(entry["code"])
    return codes


def _related(service: TerminologyService, modifier: str, value: str) -> dict[str, list[str]]:
    url, bar, code = value.partition("|")
    if not bar or not url or not code:
        raise BadSearch(f"{value[:80]!r}: the modifier :{modifier} takes system|code")
    system = service.library().code_system(url)
    if system is None or system.find(code) is None:
        raise BadSearch(f"what is {modifier} {value[:80]} is not known: no such code is loaded")
    walk = with_descendants if modifier == "below" else with_ancestors
    codes = list(islice(walk(system, code), MOST_CODES + 1))
    _bounded(len(codes), value)
    return {url: codes}


def _bounded(count: int, value: str) -> None:
    if count > MOST_CODES:
        raise BadSearch(f"{value[:200]} stands for more than {MOST_CODES} codes: name a smaller set")
