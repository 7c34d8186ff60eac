"""Which interactions are served, in one table: it routes requests, and the CapabilityStatement is built from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from fhir_bridge.server.finishing import finished
from fhir_bridge.server.rest import binaries, bulk_status, bundles, interactions, patching, search
from fhir_bridge.server.rest.call import Call

__all__ = ["INTERACTIONS", "Handler", "Interaction", "Shape", "allowed", "find"]

Shape = Literal[
    "base",
    "_search",
    "_history",
    "Type",
    "Type/_search",
    "Type/_history",
    "Type/id",
    "Type/id/Type",
    "Type/id/*",
    "Type/id/_history",
    "Type/id/_history/version",
    "_bulk/id",
    "_bulk/id/file",
]
Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One method at one shape of address.

    Attributes:
        codes: as in R4 restful-interaction; what the CapabilityStatement lists.
        writes: whether it changes something, so that it is not offered on types the server keeps itself.
        asks: whether it reads parameters of the address; one that reads none refuses those that would change the
            answer.
        finishes: whether it sees for itself that a write which has begun is finished (`finishing`).
    """

    shape: Shape
    method: str
    codes: tuple[str, ...]
    handler: Handler
    writes: bool = False
    asks: bool = False
    finishes: bool = False


def _or_binary(general: Handler, binary: Handler) -> Handler:
    """A handler where Binary differs from all other types: its content may be asked for and sent as it is."""

    def handler(call: Call) -> Awaitable[Response]:
        return binary(call) if call.type == "Binary" else general(call)

    return handler


INTERACTIONS = (
    Interaction("Type/id", "GET", ("read",), _or_binary(interactions.read, binaries.read), asks=True),
    Interaction(
        "Type/id/_history/version",
        "GET",
        ("vread",),
        _or_binary(interactions.vread, binaries.vread),
        asks=True,
    ),
    Interaction("Type/id", "PUT", ("update",), _or_binary(interactions.update, binaries.update), writes=True),
    # No code of its own in R4 restful-interaction: `conditionalUpdate` says it.
    Interaction("Type", "PUT", (), interactions.conditional_update, writes=True, asks=True),
    Interaction("Type/id", "PATCH", ("patch",), patching.patch, writes=True),
    Interaction("Type", "PATCH", (), patching.conditional_patch, writes=True, asks=True),
    Interaction("Type", "DELETE", (), interactions.conditional_delete, writes=True, asks=True),
    Interaction("Type/id", "DELETE", ("delete",), interactions.delete, writes=True),
    Interaction("Type/id/_history", "GET", ("history-instance",), interactions.history, asks=True),
    Interaction("Type/_history", "GET", ("history-type",), interactions.history, asks=True),
    Interaction(
        "Type",
        "POST",
        ("create",),
        _or_binary(interactions.create, lambda call: finished(binaries.create(call))),
        writes=True,
        finishes=True,
    ),
    Interaction("Type", "GET", ("search-type",), search.search, asks=True),
    Interaction("Type/id/Type", "GET", (), search.search, asks=True),
    Interaction("Type/id/*", "GET", (), search.search, asks=True),
    Interaction("base", "GET", ("search-system",), search.search, asks=True),
    Interaction("_search", "POST", (), search.search_by_post, asks=True),
    # A search changes nothing, whatever the method.
    Interaction("Type/_search", "POST", (), search.search_by_post, asks=True),
    # By entries; its reads end with the client.
    Interaction("base", "POST", ("transaction", "batch"), bundles.transact, finishes=True),
    Interaction("_history", "GET", ("history-system",), interactions.history, asks=True),
    Interaction("_bulk/id", "GET", (), bulk_status.status),
    Interaction("_bulk/id", "DELETE", (), bulk_status.cancel),
    Interaction("_bulk/id/file", "GET", (), bulk_status.download),
)

_BY_PLACE = {(interaction.shape, interaction.method): interaction for interaction in INTERACTIONS}


def find(shape: Shape, method: str) -> Interaction | None:
    """The interaction of a method at an address."""
    return _BY_PLACE.get((shape, method))


def allowed(shape: Shape) -> str:
    """The header Allow of an address."""
    methods = {method for location, method in _BY_PLACE if location == shape}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
