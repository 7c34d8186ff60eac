"""One FHIR request: who calls, for what, and how the answer should look."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from starlette.requests import Request

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.governance import audit
from fhir_bridge.server.rest.budget import Budget
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.services import Services
from fhir_bridge.server.smart.tokens import Caller, agent_of

if TYPE_CHECKING:
    from fhir_bridge.server.rest.operation_registry import Operations

__all__ = ["FHIR_JSON", "Call", "check_format", "check_format_value", "query_of", "request_id"]

FHIR_JSON = "application/fhir+json; charset=utf-8"
_FORMATS = frozenset({"json", "application/fhir+json", "application/json", "text/json"})
_WILDCARDS = frozenset({"*/*", "application/*", "*"})
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(request: Request) -> str:
    """The caller's X-Request-Id where it is a plain token, else a new one."""
    header = request.headers.get("x-request-id")
    # Ours are short and random: they are in logs, and nobody may guess the next.
    return header if header and _PLAIN.fullmatch(header) else os.urandom(8).hex()


def query_of(request: Request) -> str:
    """The query of the address as sent, percent-encoded. Read from the ASGI scope: `request.url` parses all of it anew.

    Raises:
        Refusal: 400: bytes that are not UTF-8.
    """
    try:
        return str(request.scope["query_string"], "utf-8")
    except UnicodeDecodeError as error:
        raise refuse(400, "FB-REST-008", "the query of the address is not UTF-8") from error


def check_format(request: Request) -> None:
    """Refuse what we can't answer in (R4 http.html#mime-type); `_format` overrides Accept.

    Raises:
        Refusal: 406.
    """
    if b"_format" in request.scope["query_string"]:
        wanted = request.query_params.getlist("_format")
        for value in wanted:
            check_format_value(value)
        if wanted:
            return
    # An absent Accept means anything (RFC 9110 §12.5.1).
    accept = request.headers.get("accept", "").strip() or "*/*"
    # The usual ones, before anything is split.
    if accept in _FORMATS or accept in _WILDCARDS:
        return
    for choice in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in choice.split(";"))
        # RFC 9110 §12.4.2: q=0 is "not acceptable"; and R4 http.html#version-parameter:
        # another fhirVersion is none of ours.
        if "q=0" in parameters or any(
            p.startswith("fhirversion=") and p[12:] not in ("4.0", "4.0.1") for p in parameters
        ):
            continue
        if kind in _FORMATS or kind in _WILDCARDS:
            return
    raise refuse(406, "FB-REST-003", "only FHIR R4 JSON is served here (Accept)")


def check_format_value(value: str) -> None:
    """Refuse a `_format` that is not JSON.

    Raises:
        Refusal: 406.
    """
    # A "+" that was not encoded arrives as a space: `application/fhir json`.
    if value.split(";")[0].strip().replace(" ", "+") not in _FORMATS:
        raise refuse(406, "FB-REST-003", "only JSON is served here (_format)")


@dataclass(slots=True)
class Call:
    """What a handler gets.

    Attributes:
        access: the caller's access, narrowed by plug-ins.
        type, id, version, operation: the parts of the address, where it has them.
        compartment: type and id of the resource in whose compartment `type` is searched.
        operations: what is served at `$name`.
        budget: what the request may cost.
        held: what is given back when the request is over.
    """

    request: Request
    services: Services
    caller: Caller
    access: AccessFilter
    id_of_request: str
    type: str = ""
    id: str = ""
    version: str = ""
    operation: str = ""
    compartment: tuple[str, str] | None = None
    operations: Operations | None = field(default=None, repr=False)
    budget: Budget = field(kw_only=True, repr=False)
    held: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)
    _prefer: dict[str, str] | None = field(default=None, repr=False)

    @asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """A turn at what is costly: waits for one, then the time of the budget runs."""
        # By subject, the client and person of a token; without authorization nobody is distinguished.
        async with self.services.slots.taken(self.access.subject or None):
            self.budget.start()
            yield

    @property
    def address(self) -> str:
        """The address of a search below the base: `Observation`, `Patient/a/Observation`, `Patient/a/*`; empty: all."""
        return "/".join((*self.compartment, self.type or "*") if self.compartment else (self.type,))

    @property
    def base(self) -> str:
        """The FHIR base URL, from the settings and never from a header."""
        return self.services.settings.fhir_base

    @property
    def prefer(self) -> dict[str, str]:
        """The header Prefer as name and value (R4 http.html#ops)."""
        if self._prefer is None:
            # Commas separate preferences, semicolons parameters (RFC 7240); here both are pairs.
            items = re.split(r"[;,]", self.request.headers.get("prefer", ""))
            pairs = (item.partition("=") for item in items if item.strip())
            self._prefer = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        return self._prefer

    @property
    def preference(self) -> Literal["minimal", "representation", "OperationOutcome"]:
        """What a write gives back."""
        wanted = self.prefer.get("return", "representation")
        return wanted if wanted in ("minimal", "OperationOutcome") else "representation"  # type: ignore[return-value]

    @property
    def strict(self) -> bool:
        """Whether unknown search parameters refuse the search (R4 search.html#errors)."""
        return self.prefer.get("handling") == "strict"

    def require(self, letter: str, resource_type: str | None = None) -> None:
        """Refuse at once where no grant allows the interaction on the type.

        Raises:
            Refusal: 403, with the challenge of RFC 6750 §3.1.
        """
        name = resource_type or self.type
        if not self.access.permits(name, letter):
            raise refuse(
                403,
                "FB-SMART-002",
                f"no scope of this token allows `{letter}` on {name}",
                headers={"WWW-Authenticate": 'Bearer realm="fhir", error="insufficient_scope"'},
            )

    def audit_context(self) -> audit.Context:
        """What the AuditEvents of this request say of it."""
        token = self.caller.token
        return audit.Context(
            server=self.base,
            client=token.client_id if token else None,
            user=agent_of(token),
            address=self.request.client.host if self.request.client else None,
            purpose=token.purpose if token else None,
            request_id=self.id_of_request,
        )
