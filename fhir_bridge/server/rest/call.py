"""One FHIR request: who calls, for what, and how the answer should look."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from starlette.requests import Request

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.governance import audit
from fhir_bridge.server.rest.budget import Budget
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.services import Services
from fhir_bridge.server.smart.tokens import Caller, agent_of

if TYPE_CHECKING:
    from fhir_bridge.server.rest.operation_registry import Operations

__all__ = [
    "FHIR_JSON",
    "FHIR_XML",
    "FORMAT_OF_FORM",
    "XML_FORMATS",
    "Call",
    "check_format",
    "check_format_value",
    "query_of",
    "request_id",
    "wants_xml",
]

FHIR_JSON = "application/fhir+json; charset=utf-8"
FHIR_XML = "application/fhir+xml; charset=utf-8"
_FORMATS = frozenset({"json", "application/fhir+json", "application/json", "text/json"})
XML_FORMATS = frozenset({"xml", "application/fhir+xml", "application/xml", "text/xml"})
FORMAT_OF_FORM = "fhir_bridge.format"
"""In the scope of a search by POST: the `_format` of its form."""
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


def _choices(request: Request) -> list[tuple[float, str]]:
    """The media types that Accept takes for R4, each with its weight, in the order of the header."""
    # An absent Accept means anything (RFC 9110 §12.5.1).
    accept = request.headers.get("accept", "").strip() or "*/*"
    results: list[tuple[float, str]] = []
    for choice in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in choice.split(";"))
        # R4 http.html#version-parameter: another fhirVersion is none of ours.
        if any(p.startswith("fhirversion=") and p[12:] not in ("4.0", "4.0.1") for p in parameters):
            continue
        weights = [p[2:] for p in parameters if p.startswith("q=")]
        try:
            weight = float(weights[0]) if weights else 1.0
        except ValueError:
            weight = 0.0
        # RFC 9110 §12.4.2: q=0 is "not acceptable".
        if weight > 0:
            results.append((weight, kind))
    return results


def wants_xml(request: Request) -> bool:
    """Whether the answer is to be XML; `_format` overrides Accept."""
    if (form := request.scope.get(FORMAT_OF_FORM)) is not None:
        return _plain_format(form) in XML_FORMATS
    if b"_format" in request.scope["query_string"] and (wanted := request.query_params.getlist("_format")):
        return _plain_format(wanted[0]) in XML_FORMATS
    accept = request.headers.get("accept", "*/*").strip()
    if accept in _FORMATS or accept in _WILDCARDS:
        return False
    choices = _choices(request)
    # A browser names XML of any kind behind HTML; it is not FHIR that it asks for.
    browser = any(kind == "text/html" for _, kind in choices)
    best = 0.0
    result = False
    for weight, kind in choices:
        as_xml = kind == "application/fhir+xml" or (kind in XML_FORMATS and not browser)
        if weight > best and (as_xml or kind in _FORMATS or kind in _WILDCARDS):
            best, result = weight, as_xml
    return result


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
    accept = request.headers.get("accept", "").strip() or "*/*"
    # The usual ones, before anything is split.
    if accept in _FORMATS or accept in _WILDCARDS:
        return
    if any(kind in _FORMATS or kind in _WILDCARDS or kind in XML_FORMATS for _, kind in _choices(request)):
        return
    raise refuse(406, "FB-REST-003", "FHIR R4 JSON and XML are served here (Accept)")


def _plain_format(value: str) -> str:
    # A "+" that was not encoded arrives as a space: `application/fhir json`.
    return value.split(";")[0].strip().replace(" ", "+")


def check_format_value(value: str, *, within: bool = False) -> None:
    """Refuse a `_format` that is not served.

    Args:
        within: of an entry of a Bundle, whose answers are in the Bundle's own format.

    Raises:
        Refusal: 406.
    """
    plain = _plain_format(value)
    if plain not in _FORMATS and (within or plain not in XML_FORMATS):
        raise refuse(406, "FB-REST-003", "only JSON and XML are served here (_format)")


@dataclass(slots=True)
class Call:
    """What a handler gets.

    Attributes:
        access: the caller's access, narrowed by plug-ins.
        type, id, version, operation: the parts of the address, where it has them.
        compartment: type and id of the resource in whose compartment `type` is searched.
        operations: what is served at `$name`.
        describe: gives the CapabilityStatement, or with mode `terminology` what terminology does.
        budget: what the request may cost.
        warnings: what a writer has to know of what is stored all the same.
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
    describe: Callable[[str], Awaitable[bytes]] | None = field(default=None, repr=False)
    budget: Budget = field(kw_only=True, repr=False)
    warnings: list[Issue] = field(default_factory=list, repr=False)
    _prefer: dict[str, str] | None = field(default=None, repr=False)
    _held: list[Callable[[], object]] = field(default_factory=list, repr=False)

    def hold(self, give_back: Callable[[], object]) -> None:
        """Hold something until the request is over."""
        self._held.append(give_back)

    def close(self) -> None:
        """The request is over: what it holds is given back, the last first."""
        while self._held:
            self._held.pop()()

    @asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """A turn at what is costly: waits for one, then the time of the budget runs."""
        async with self.turn():
            self.budget.start()
            yield

    def turn(self) -> AbstractAsyncContextManager[None]:
        """A turn alone, for what is costly and of several requests of the caller."""
        # By subject, the client and person of a token; without authorization nobody is distinguished.
        return self.services.slots.taken(self.access.subject or None)

    @property
    def address(self) -> str:
        """The address of a search below the base: `Observation`, `Patient/a/Observation`, `Patient/a/*`; empty: all."""
        return "/".join((*self.compartment, self.type or "*") if self.compartment else (self.type,))

    @property
    def base(self) -> str:
        """The FHIR base URL, from the settings and never from a header."""
        return self.services.settings.fhir_base

    @property
    def if_match(self) -> str | None:
        """The versions that a write may replace, of all headers of this name together (RFC 9110 §5.3)."""
        values = self.request.headers.getlist("if-match")
        return ", ".join(values) if values else None

    @property
    def if_none_exist(self) -> str | None:
        """The criteria of a conditional create.

        Raises:
            Refusal: 400: several headers. By one of them alone a second resource might be stored.
        """
        values = self.request.headers.getlist("if-none-exist")
        if len(values) > 1:
            raise refuse(400, "FB-REST-008", "If-None-Exist occurs more than once")
        return values[0] if values else None

    @property
    def writes_predictions(self) -> bool:
        """Whether the caller is another bridge, which may send its predictions."""
        token, writers = self.caller.token, self.services.settings.prediction_writers
        # Without a person behind it: only a client with a key gets such a token.
        return (
            bool(writers) and token is not None and token.user is None and token.client_id in writers.split()
        )

    @property
    def prefer(self) -> dict[str, str]:
        """All headers Prefer as name and value (R4 http.html#ops; several are one list: RFC 7240 §2)."""
        if self._prefer is None:
            if "prefer" not in self.request.headers:
                self._prefer = {}
                return self._prefer
            # Commas separate preferences, semicolons parameters (RFC 7240); here both are pairs.
            items = re.split(r"[;,]", ",".join(self.request.headers.getlist("prefer")))
            pairs = (item.partition("=") for item in items if item.strip())
            self._prefer = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        return self._prefer

    @property
    def preference(self) -> Literal["minimal", "representation", "OperationOutcome"]:
        """What a write gives back."""
        wanted = self.prefer.get("return")
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
        token, client = self.caller.token, self.request.scope.get("client")
        return audit.Context(
            server=self.base,
            client=token.client_id if token else None,
            user=agent_of(token),
            address=client[0] if client else None,
            purpose=token.purpose if token else None,
            request_id=self.id_of_request,
        )
