"""What the server says of itself without a token: CapabilityStatement, TerminologyCapabilities, OpenAPI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.server.html import page
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest.call import FHIR_JSON, check_format
from fhir_bridge.server.rest.capability import capability_statement
from fhir_bridge.server.rest.openapi import openapi_document
from fhir_bridge.server.rest.operation_registry import Operations
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.rest.terminology_capabilities import terminology_capabilities
from fhir_bridge.server.services import Services
from fhir_bridge.server.terminology import ServedTerminology
from fhir_bridge.terminology.library import Library

__all__ = ["Descriptions"]

_ADDRESSES = ("metadata", "openapi.json", "openapi.html")


class Descriptions:
    """The descriptions of one worker's FHIR API; each is made once.

    Args:
        terminology: what TerminologyCapabilities describes.
    """

    def __init__(self, services: Services, operations: Operations, terminology: ServedTerminology) -> None:
        self._services = services
        self._operations = operations
        self._terminology = terminology
        self._library: Library | None = None
        self._terminology_capability = b""
        self._openapi: dict[str, Any] = {}
        self._openapi_json = b""
        # Before the first request: it is what a client asks for first.
        self._capability = dumps(
            capability_statement(services.settings, operations, services.store.definitions)
        )

    async def find(self, segments: Sequence[str], request: Request) -> Response | None:
        """The description at an address; None: there is none.

        Raises:
            Refusal: 405: another method than GET; 406: a format that is not made.
        """
        if len(segments) != 1 or segments[0] not in _ADDRESSES:
            return None
        name = segments[0]
        if request.method not in ("GET", "HEAD"):
            raise refuse(405, "FB-REST-006", f"{name} takes GET", headers={"Allow": "GET, HEAD"})
        if name == "metadata":
            check_format(request)
            return Response(await self.metadata(request.query_params.get("mode", "")), media_type=FHIR_JSON)
        await self._describe()
        if name == "openapi.html":
            return self._page()
        return Response(self._openapi_json, media_type="application/json")

    def _page(self) -> Response:
        """The addresses for people, by type."""
        groups: dict[str, list[tuple[str, list[str]]]] = {}
        for path, methods in sorted(self._openapi["paths"].items()):
            first = path.split("/")[1]
            groups.setdefault(first if first[:1].isupper() else "All types", []).append(
                (path, sorted(methods))
            )
        settings = self._services.settings
        return page(
            "openapi.html",
            groups=groups,
            base=settings.fhir_base,
            title="FHIR API",
            organization=settings.organization,
        )

    async def metadata(self, mode: str) -> bytes:
        """What this server does (R4 http.html#capabilities)."""
        if mode != "terminology":
            return self._capability
        library = (await self._terminology.refresh(self._services.store)).library()
        # By identity: the library is another object after a write.
        if self._library is not library:
            details = await offloaded(terminology_capabilities, self._services.settings, library)
            self._library, self._terminology_capability = library, dumps(details)
        return self._terminology_capability

    async def _describe(self) -> None:
        """Make the OpenAPI document when it is first asked for: few clients do, and it takes a while."""
        if not self._openapi:
            settings, known = self._services.settings, self._services.store.definitions
            document = await offloaded(openapi_document, settings, self._operations, known)
            self._openapi_json = await offloaded(dumps, document)
            self._openapi = document
